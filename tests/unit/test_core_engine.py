"""The supervisor, driven by hand: a toy venue, Binance's facts, literal times, no event loop.

`Toy` is a venue of JSON without a server; `Desk` plays the shell: it collects what the engine
decides and tells it what happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.actions import Action, DialLink, Fetch, HangUp, Notice, Ping, Send
from unified_ws.core.books import BookStream
from unified_ws.core.engine import Engine
from unified_ws.core.link import PLAN_S, Link, TopicEntry
from unified_ws.core.machine import State
from unified_ws.core.recovery import HISTORY_TRIES, OVERLAP_S, QUIET_BOOK_S
from unified_ws.core.rotation import LINGER_S, ROTATION_S
from unified_ws.core.streams import Stream
from unified_ws.core.trades import TradeStream
from unified_ws.errors import Banned, Disconnected, Forbidden, SubscribeRejected, VenueError
from unified_ws.venues.binance import Binance

A = TypeVar("A", bound=Action)
MB = 2**20

# --- a venue of JSON ----------------------------------------------------------------------


def toy_venue(**facts: Any) -> ws.Venue:
    """Declare the toy venue; `facts` are those of its one endpoint."""
    known: dict[str, Any] = {
        "live": "wss://toy.test",
        "heartbeat": ws.Heartbeat(by="none", silence_s=1e6, idle_ping_s=0),
        **facts,
    }
    return ws.Venue(
        id="toy", ccxt_id="toy", endpoints={"main": ws.Endpoint(**known)},
        kinds=frozenset(ws.Kind), backoff=ws.Backoff(base_s=1, cap_s=8, factor=2, stable_s=30),
        closes={4003: ws.CloseRule(final=True)},
    )  # fmt: skip


class Toy(ws.Adapter):
    """Speak JSON: `{"topic": "trades:A", "rows": [[id, ms, price, amount]]}` and the like."""

    venue = toy_venue()
    contiguous = True
    with_history = True
    paged = True

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the topic after kind and market."""
        name = sub.market.symbol if sub.market else "*"
        topic = f"{sub.kind.value}:{name}"
        if sub.kind is ws.Kind.TRADES:
            params = {"symbol": name}
            history = ws.History(
                ws.Rest("recent", params, 1), 50,
                after=ws.Rest("after", params, 1) if self.paged else None, from_param="from",
            )  # fmt: skip
            return (
                ws.Route(
                    "main", topic, history=history if self.with_history else None,
                    contiguous_ids=self.contiguous,
                ),
            )  # fmt: skip
        if sub.kind is ws.Kind.BOOK:
            depths = ((10, 1.0), (1000, 10.0))
            return (
                ws.Route("main", topic, snapshot=ws.Snapshot("depth", {"symbol": name}, "limit", depths)),
            )  # fmt: skip
        return (ws.Route("main", topic, apart=sub.channel.get("apart", "")),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a request; a topic of market BAD cannot be built."""
        if any(topic.endswith(":BAD") for topic in topics):
            raise ValueError("no such topic")
        return msgspec.json.encode({"op": op, "topics": list(topics), "id": call.id})

    def ping(self, call: ws.Call) -> bytes:
        """Build a ping."""
        return b'{"op": "ping"}'

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Read one frame."""
        body: dict[str, Any] = msgspec.json.decode(frame)
        match body:
            case {"topic": str(topic)}:
                return self._batch(topic, body, markets)
            case {"ack": str(about)}:
                return (ws.Ack(about, error=body.get("error")),)
            case {"refused": str(error)}:
                return (ws.Refused(error, body.get("about", ""), retry_after_s=body.get("retry_after_s")),)
            case {"closing": str(reason)}:
                return (ws.Closing(reason),)
            case {"ended": str(topic)}:
                return (ws.Ended(topic),)
            case {"ready": error}:
                return (ws.Ready(error),)
            case {"beat": str(reply)}:
                return (ws.Beat(reply.encode()),)
            case {"pong": _}:
                return (ws.Pong(),)
            case {"wrong": _}:
                return (ws.Batch("trades:A", [object()]),)  # type: ignore[list-item]  # on purpose
        raise ValueError(f"what is {body}")

    def _batch(self, topic: str, body: dict[str, Any], markets: ws.Markets) -> Sequence[ws.Inbound]:
        kind, _, name = topic.partition(":")
        symbol = markets(body.get("market", name))
        if symbol is None:
            return (ws.Batch(topic, (), 1),)
        if kind == "trades":
            rows: list[ws.Event] = [
                ws.Trade(symbol, str(n), ms, price, amount, None, number=n)
                for n, ms, price, amount in body["rows"]
            ]
        elif kind == "order_book":
            rows = [
                ws.BookUpdate(
                    symbol, body.get("kind", "delta"), _levels(body["bids"]),
                    _levels(body["asks"]), None, body.get("last"), body.get("prev"),
                )
            ]  # fmt: skip
        elif kind == "ohlcv":
            price = body["price"]
            rows = [ws.Candle(symbol, "1m", 0, price, price, price, price, 1.0)]
        elif kind == "bids_asks":
            rows = [ws.BidAsk(symbol, None, 1.0, 1.0, 2.0, 1.0, body["number"])]
        else:
            rows = [ws.Ticker(symbol, body["ms"], last=body["price"])]
        return (ws.Batch(topic, rows),)

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read a book by REST."""
        return ws.BookUpdate(
            market.symbol, "rest", _levels(body["bids"]), _levels(body["asks"]), None, body["last"]
        )

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read trades by REST."""
        return [
            ws.Trade(market.symbol, str(n), ms, price, amount, None, number=n)
            for n, ms, price, amount in body
        ]


class Uncountable(Toy):
    """A venue whose ids say nothing about their neighbours."""

    contiguous = False


class Forgetful(Toy):
    """A venue without any history."""

    with_history = False


class Newest(Toy):
    """A venue that shows only its newest fifty trades."""

    paged = False


def _levels(rows: Any) -> list[ws.Level]:
    return [(float(price), float(amount)) for price, amount in rows]


def topics_of(engine: Engine) -> dict[str, TopicEntry]:
    """Return the wanted topics of the one endpoint of a toy venue."""
    (entries,) = engine.entries.values()
    return entries


def rows(*numbers: int) -> list[list[float]]:
    """Build trades as the toy sends them."""
    return [[number, number * 10, 1.0, 1.0] for number in numbers]


# --- the shell, played by hand ------------------------------------------------------------


class Desk:
    """An engine, a clock and the actions that nobody has performed yet."""

    def __init__(
        self, adapter: ws.Adapter | None = None, venue: ws.Venue | None = None,
        unknown: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.adapter = adapter or Toy()
        self.now = 0.0
        self.engine = Engine(
            self.adapter, venue or self.adapter.venue, jitter=lambda s: s,
            markets=lambda endpoint: lambda name: None if name in unknown else name,
        )  # fmt: skip
        self.log: list[Action] = []

    def collect(self, kind: type[A]) -> list[A]:
        """Take the actions of one kind out of what the engine has decided."""
        self.log += self.engine.actions
        self.engine.actions.clear()
        found: list[A] = []
        kept: list[Action] = []
        for action in self.log:
            if isinstance(action, kind):
                found.append(action)
            else:
                kept.append(action)
        self.log = kept
        return found

    def notices(self) -> list[str]:
        """Take the names of what operators are told."""
        return [notice.event for notice in self.collect(Notice)]

    def sent(self) -> list[tuple[int, Any]]:
        """Take the frames that are to be sent."""
        return [(send.link, msgspec.json.decode(send.frame)) for send in self.collect(Send)]

    def hold(self, kind: ws.Kind, name: str = "A", /, **channel: str) -> Any:
        """Watch something."""
        stream = self.engine.stream(ws.Sub(kind, ws.Market(name, name), channel=channel), self.now)
        self.engine.hold(stream, "me", self.now)
        return stream

    def trades(self, name: str = "A") -> TradeStream:
        """Watch trades."""
        stream = self.hold(ws.Kind.TRADES, name)
        assert isinstance(stream, TradeStream)
        return stream

    def book(self, name: str = "A") -> BookStream:
        """Watch a book."""
        stream = self.hold(ws.Kind.BOOK, name)
        assert isinstance(stream, BookStream)
        return stream

    def release(self, stream: Stream) -> None:
        """Stop watching."""
        self.engine.release(stream, "me", self.now)

    def link(self, number: int) -> Link:
        """Return one connection."""
        return self.engine.links[number]

    def open(self, number: int = 1) -> None:
        """Answer one dial: the socket is open."""
        self.engine.opened(self.link(number), self.now)

    def lose(self, number: int = 1, reason: str = "closed by peer", **how: Any) -> None:
        """Report the loss of a socket."""
        self.engine.lost(self.link(number), self.now, reason, **how)

    def frame(self, body: Mapping[str, Any] | bytes, number: int = 1) -> None:
        """Deliver one frame."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.engine.received(self.link(number), data, self.now, int(self.now * 1e9))

    def until(self, end: float) -> None:
        """Let time pass: tick exactly when the engine asks for it."""
        for _ in range(100_000):
            at = self.engine.deadline()
            if at > end:
                break
            self.now = max(self.now, at)
            self.engine.tick(self.now)
        else:
            raise AssertionError("the deadline does not move on")
        self.now = end

    def ack(self, *, error: str | None = None) -> list[list[str]]:
        """Send what is planned and answer it; return the topics of each request."""
        self.until(self.now + PLAN_S)
        asked = []
        for number, body in self.sent():
            asked.append(body["topics"])
            self.frame({"ack": body["id"], "error": error}, number)
        return asked

    def up(self, number: int = 1) -> list[list[str]]:
        """Open a socket and confirm its topics."""
        self.open(number)
        return self.ack()

    def fetches(self) -> list[Fetch]:
        """Let everything due be asked; take the REST calls."""
        self.until(self.now)
        return self.collect(Fetch)

    def answer(self, fetch: Fetch, body: Any = None, error: str | None = None) -> None:
        """Answer one REST call."""
        self.engine.recovery.fetched(fetch, body, error, self.now, int(self.now * 1e9))


def desk(adapter: ws.Adapter | None = None, **facts: Any) -> Desk:
    """Build a desk for the toy venue."""
    return Desk(adapter, toy_venue(**facts))


def ids(stream: Stream) -> list[int]:
    """Return the ids that a stream has delivered."""
    return [row.number for row in stream.rows.rows]


def is_healthy(stream: Stream) -> bool:
    """Say so afresh: a type checker takes an attribute for what it was asserted to be."""
    return stream.healthy


def is_valid(book: BookStream) -> bool:
    """Say so afresh, for the same reason."""
    return book.valid


BOOK = {"bids": [[9, 1]], "asks": [[11, 1]]}


def delta(prev: int, last: int, name: str = "A", **sides: Any) -> dict[str, Any]:
    """Build one change of a book as the toy sends it."""
    return {
        "topic": f"order_book:{name}",
        "prev": prev,
        "last": last,
        "bids": [],
        "asks": [],
        **sides,
    }


# --- topics on connections ------------------------------------------------------------------


def test_the_first_watch_dials_and_subscribes_as_soon_as_the_socket_is_open() -> None:
    """Nothing is sent before the socket is open, nothing waits after."""
    d = desk()
    stream = d.trades()
    assert d.collect(DialLink) == [DialLink(1)]
    assert d.sent() == []
    d.open()
    assert d.sent() == [(1, {"op": "subscribe", "topics": ["trades:A"], "id": "1"})]
    assert not is_healthy(stream)
    d.frame({"ack": "1"})
    assert is_healthy(stream)
    assert d.notices() == ["connected", "subscribed"]


def test_two_watches_of_one_thing_are_one_subscription() -> None:
    """Readers are counted; the venue hears of the first and of the last."""
    d = desk()
    stream = d.trades()
    assert d.trades() is stream
    d.engine.hold(stream, "other", 0.0)
    assert d.up() == [["trades:A"]]
    d.release(stream)
    assert d.ack() == []
    assert d.collect(HangUp) == []
    d.engine.release(stream, "other", d.now)
    assert [h.reason for h in d.collect(HangUp)] == ["nothing is subscribed on it"]


def test_many_watches_in_one_turn_are_one_frame() -> None:
    """150 tasks, each with its own watch_trades, on a connection that is open already."""
    d = desk(limits=ws.Limits(topics_per_request=200))
    d.trades("first")
    d.up()
    for number in range(150):
        d.now += 0.00001
        d.trades(f"S{number}")
    assert [len(names) for names in d.ack()] == [150]
    assert len(d.engine.links) == 1


def test_topics_fill_connections_up_to_their_limit() -> None:
    """1024 streams a connection on Binance: the 1025th opens the next one."""
    d = Desk(Binance())
    for number in range(1025):
        d.hold(ws.Kind.TRADES, f"S{number}", name="trade")
    assert d.collect(DialLink) == [DialLink(1), DialLink(2)]
    d.open(1)
    d.open(2)
    d.until(10.0)
    sizes: dict[int, list[int]] = {1: [], 2: []}
    for number, body in d.sent():
        assert body["method"] == "SUBSCRIBE"
        sizes[number].append(len(body["params"]))
    assert sizes == {1: [200, 200, 200, 200, 200, 24], 2: [1]}


def test_room_that_was_given_back_is_used_again() -> None:
    """Connections are not opened while an old one has room."""
    d = desk(limits=ws.Limits(topics_per_connection=2))
    streams = [d.trades(name) for name in "abcd"]
    assert len(d.engine.links) == 2
    d.up(1)
    d.up(2)
    d.release(streams[0])
    d.trades("e")
    assert len(d.engine.links) == 2
    assert sorted(d.ack()) == [["trades:a"], ["trades:e"]]


def test_an_empty_connection_is_closed_and_the_next_watch_opens_another() -> None:
    """Idle sockets cost the venue's patience."""
    d = desk()
    stream = d.trades()
    d.up()
    d.release(stream)
    assert d.collect(HangUp) == [HangUp(1, "nothing is subscribed on it", polite=True)]
    assert d.engine.links == {}
    assert topics_of(d.engine) == {}
    assert d.engine.deadline() == float("inf")
    d.collect(DialLink)
    d.trades()
    assert d.collect(DialLink) == [DialLink(2)]


def test_one_of_two_topics_is_unsubscribed() -> None:
    """The other one goes on, and the frames of the dropped one are nobody's."""
    d = desk()
    first, second = d.trades("A"), d.trades("B")
    d.up()
    d.release(first)
    d.until(d.now + PLAN_S)
    assert [body for _, body in d.sent()] == [
        {"op": "unsubscribe", "topics": ["trades:A"], "id": "2"}
    ]
    d.frame({"topic": "trades:A", "rows": rows(1)})
    assert d.engine.unclaimed == 1
    d.frame({"topic": "trades:B", "rows": rows(1)})
    assert ids(second) == [1]


def test_a_watch_right_after_its_end_keeps_the_subscription() -> None:
    """un_watch and watch in one turn: no frame, and the new stream is up at once."""
    d = desk()
    d.trades("keeps the socket")
    first = d.trades("A")
    d.up()
    d.release(first)
    second = d.trades("A")
    assert second is not first
    assert second.healthy
    assert d.ack() == []


def test_topics_that_must_be_apart_get_connections_of_their_own() -> None:
    """Some venues cannot tell two topics apart on one socket."""
    d = desk()
    d.hold(ws.Kind.TICKER, "A", apart="x")
    d.hold(ws.Kind.TICKER, "B", apart="x")
    d.hold(ws.Kind.TICKER, "C")
    assert len(d.engine.links) == 2


def test_streams_that_share_a_topic_share_its_place() -> None:
    """Two names of one channel: a second placement would subscribe it twice."""
    d = Desk(Binance())
    market = ws.Market("BTCUSDT", "BTCUSDT")
    subs = [
        ws.Sub(ws.Kind.OHLCV, market, timeframe="1m", channel={"name": "kline", "timezone": zone})
        for zone in ("", "+00:00")
    ]
    streams = [d.engine.stream(sub, 0.0) for sub in subs]
    for stream in streams:
        d.engine.hold(stream, "me", 0.0)
        for number in range(1023):
            d.hold(ws.Kind.TRADES, f"S{number}", name="trade")  # fills the first connection
    entries = d.engine.entries["spot"]
    owners = {entry.owner for topic, entry in entries.items() if "kline" in topic}
    assert owners == {1}
    assert len(d.engine.links) == 1


def test_the_message_rate_is_kept_in_every_window() -> None:
    """Binance hangs up at more than 5 messages a second; two are kept for pongs."""
    d = Desk(Binance())
    times: list[float] = []
    d.hold(ws.Kind.TRADES, "FIRST", name="trade")
    d.open()
    for number in range(200):
        d.hold(ws.Kind.TRADES, f"S{number}", name="trade")
        d.until(d.now + 0.05)
        times += [d.now] * len(d.collect(Send))
        if number % 7 == 0:
            d.link(1).budget.charge(d.now)  # the pong that the shell sends at once
            times.append(d.now)
    d.until(d.now + 5.0)
    wanted = set(d.engine.entries["spot"])
    assert {name for name in wanted if d.link(1).topics.by_name[name].told} == wanted
    times.sort()
    for start in range(len(times)):
        inside = [at for at in times[start:] if at < times[start] + 1.0 - 1e-9]
        assert len(inside) <= 5


def test_a_retry_after_holds_every_request() -> None:
    """The venue named a time: a watch that comes meanwhile must not break it."""
    d = desk()
    d.trades("A")
    d.open()
    d.sent()
    d.frame({"refused": "too fast", "retry_after_s": 30.0, "about": "99"})
    d.trades("B")
    d.until(29.9)
    assert all("trades:B" not in body["topics"] for _, body in d.sent())
    d.until(30.0)
    (request,) = d.sent()
    assert sorted(request[1]["topics"]) == ["trades:A", "trades:B"]


def test_a_refused_topic_ends_its_stream_alone() -> None:
    """One delisted market among a hundred costs the one who asked for it."""
    d = desk()
    streams = {name: d.trades(name) for name in "ABC"}
    d.open()
    for number, body in d.sent():
        d.frame({"ack": body["id"], "error": "unknown market"}, number)
    d.until(1.0)
    for _ in range(3):  # in halves, until it stands alone
        for number, body in d.sent():
            bad = "trades:B" in body["topics"]
            d.frame({"ack": body["id"], "error": "unknown market" if bad else None}, number)
        d.until(d.now + 1.0)
    assert isinstance(streams["B"].fatal, SubscribeRejected)
    assert streams["B"].fatal.reason == "unknown market"
    assert streams["A"].healthy
    assert streams["C"].healthy
    assert "trades:B" not in topics_of(d.engine)
    d.until(60.0)
    assert d.sent() == []


def test_a_request_that_the_adapter_cannot_build_ends_only_its_own_stream() -> None:
    """A fault of an adapter is one stream's, and never comes out of `tick`."""
    d = desk()
    good, bad, other = d.trades("A"), d.trades("BAD"), d.trades("C")
    d.open()
    d.ack()
    d.ack()
    assert isinstance(bad.fatal, SubscribeRejected)
    assert good.healthy
    assert is_healthy(other)
    alone = desk()
    only = alone.trades("BAD")
    alone.open()
    assert isinstance(only.fatal, SubscribeRejected)
    assert alone.engine.links == {}


def test_a_deaf_connection_is_replaced() -> None:
    """Three requests without an answer: it is not the topic, it is the socket."""
    d = desk()
    d.trades()
    d.open()
    d.until(29.9)
    assert len(d.sent()) == 3
    d.until(30.1)
    assert [h.reason for h in d.collect(HangUp)] == [
        "no answer to a subscription within 10 s, three times"
    ]
    assert d.link(1).machine.state is State.WAITING


def test_a_go_ahead_is_waited_for() -> None:
    """`awaits_ready`: subscribing before the welcome is refused."""
    d = desk(awaits_ready=True, standing=("heartbeats",))
    stream = d.trades()
    d.open()
    assert d.sent() == []
    d.frame({"ready": None})
    assert [body["topics"] for _, body in d.sent()] == [["heartbeats", "trades:A"]]
    assert not is_healthy(stream)


def test_a_refused_go_ahead_ends_its_streams() -> None:
    """A connection that is closed for good must not leave its streams waiting forever."""
    d = desk(awaits_ready=True)
    stream = d.trades()
    d.open()
    d.frame({"ready": "bad key"})
    assert isinstance(stream.fatal, VenueError)
    assert d.engine.links == {}
    assert topics_of(d.engine) == {}


def test_a_final_close_code_ends_its_streams() -> None:
    """Where the venue says never, waiting calls must hear it."""
    d = desk()
    stream = d.trades()
    d.up()
    d.lose(reason="forbidden", code=4003)
    assert isinstance(stream.fatal, VenueError)
    assert d.engine.links == {}


def test_a_retry_after_of_the_handshake_is_kept() -> None:
    """HTTP 429 with a time: earlier is a ban."""
    d = desk()
    d.trades()
    d.lose(
        reason="HTTP 429", code=429,
        error=Banned("too many", hop="http", status=429, retry_after_s=77.0),
    )  # fmt: skip
    assert d.link(1).machine.retry_at() == 77.0
    assert d.link(1).error is not None


def test_a_final_dial_failure_ends_who_has_had_nothing() -> None:
    """HTTP 451 on first contact belongs to the caller; later it is an outage like any other."""
    d = desk()
    fresh = d.trades("A")
    d.lose(reason="451", error=Forbidden("not in your country", hop="http", status=451, final=True))
    assert isinstance(fresh.fatal, Forbidden)
    e = desk()
    old = e.trades("A")
    e.up()
    e.frame({"topic": "trades:A", "rows": rows(1)})
    e.lose()
    e.until(1.1)
    e.lose(reason="451", error=Forbidden("not in your country", hop="http", status=451, final=True))
    assert old.fatal is None
    assert e.link(1).machine.retry_at() == pytest.approx(1.1 + 30.0)


def test_a_topic_that_the_venue_ended_is_subscribed_again() -> None:
    """A `bust` or an expired listing of one topic is not the end of the watch."""
    d = desk()
    stream = d.trades()
    d.trades("B")
    d.up()
    d.frame({"topic": "trades:A", "rows": rows(1)})
    d.notices()
    d.frame({"ended": "trades:A"})
    assert not is_healthy(stream)
    assert "down" in d.notices()
    assert d.ack() == [["trades:A"]]
    assert is_healthy(stream)


def test_topics_that_the_address_carries_are_up_with_the_socket() -> None:
    """No request, so no ack will ever come: the open socket is the confirmation."""
    d = desk()
    stream = d.trades()
    d.engine.opened(d.link(1), d.now, carries=("trades:A",))
    assert d.sent() == []
    assert is_healthy(stream)


def test_a_heartbeat_message_is_answered() -> None:
    """Huobi hangs up on who does not echo its number."""
    d = desk()
    d.trades()
    d.up()
    d.frame({"beat": '{"pong": 7}'})
    assert d.sent() == [(1, {"pong": 7})]


def test_the_clients_own_heartbeat_in_both_forms() -> None:
    """A message of the venue's, or a ping frame of the protocol."""
    kinds: dict[Any, type[Send | Ping]] = {"message": Send, "protocol": Ping}
    for by, kind in kinds.items():
        d = desk(heartbeat=ws.Heartbeat(by=by, every_s=20, timeout_s=10, idle_ping_s=0))
        d.trades()
        d.up()
        d.until(20.0)
        assert len(d.collect(kind)) == 1
        assert d.link(1).pings == 1
        d.frame({"pong": 1})
        assert d.link(1).pongs == 1
        d.until(39.0)
        assert d.link(1).machine.state is State.LIVE


# --- losses -------------------------------------------------------------------------------


def test_a_lost_connection_takes_its_streams_down_and_brings_them_back() -> None:
    """One batch of resubscriptions, one notice a stream, nothing for who had had nothing."""
    d = desk(limits=ws.Limits(topics_per_request=200))
    streams = [d.hold(ws.Kind.TICKER, f"S{number}") for number in range(100)]
    d.up()
    for number in range(50):
        d.frame({"topic": f"ticker:S{number}", "ms": 1, "price": 1.0})
    d.notices()
    d.now = 100.0
    d.lose()
    assert d.notices() == ["disconnected", *["down"] * 50]
    assert not any(stream.healthy for stream in streams)
    assert {stream.down_since for stream in streams} == {100.0}
    assert {stream.down_reason for stream in streams} == {"closed by peer"}
    d.until(101.0)
    assert d.collect(DialLink) == [DialLink(1), DialLink(1)]
    assert [len(names) for names in d.up()] == [100]
    assert all(stream.healthy for stream in streams)
    assert d.notices().count("up") == 100


def test_raise_on_disconnect_fails_the_waiting_calls() -> None:
    """ccxt.pro's behaviour, for those who asked for it, and only after first contact."""

    class Waiter:
        error: BaseException | None = None

        def done(self) -> bool:
            return False

        def set_result(self, result: None, /) -> None:
            """Wake."""

        def set_exception(self, exception: BaseException, /) -> None:
            self.error = exception

    for asked in (True, False):
        d = desk()
        d.engine.raise_on_disconnect = asked
        stream = d.trades()
        d.up()
        d.frame({"topic": "trades:A", "rows": rows(1)})
        waiter = Waiter()
        stream.waiters.add(waiter)
        d.lose()
        assert isinstance(waiter.error, Disconnected) is asked


def test_watching_while_the_connection_is_down_waits_for_it() -> None:
    """No second connection is dialed because the first one is away for a moment."""
    d = desk()
    d.trades("A")
    d.up()
    d.lose()
    stream = d.trades("B")
    assert len(d.engine.links) == 1
    d.until(d.now + 1.0)
    assert d.up() == [["trades:A", "trades:B"]]
    assert is_healthy(stream)


def test_releasing_while_the_connection_is_down_ends_the_dialing() -> None:
    """Nobody wants it any more."""
    d = desk()
    stream = d.trades()
    d.lose(reason="refused")
    d.release(stream)
    assert d.engine.links == {}
    d.until(100.0)
    assert d.collect(DialLink) == [DialLink(1)]


def test_the_last_words_of_a_lost_socket_do_not_count_as_recovery() -> None:
    """Frames that lay in the old socket say nothing about the new one."""
    d = desk()
    stream, book = d.trades(), d.book()
    d.up()
    d.lose()
    d.frame({"topic": "trades:A", "rows": rows(1)})
    d.frame(delta(1, 2))
    assert not is_healthy(stream)
    assert not is_healthy(book)
    assert d.fetches() == []
    d.until(d.now + 1.0)
    d.open()
    d.frame({"topic": "trades:A", "rows": rows(2)})
    assert is_healthy(stream)  # by its first data, before any ack


def test_stopping_leaves_nothing() -> None:
    """`close()`: no socket, no timer, no dial, whatever the state."""
    d = desk(limits=ws.Limits(topics_per_connection=1))
    for name in "ABC":
        d.trades(name)
    d.up(1)
    d.lose(2)
    d.engine.stop(d.now)
    assert d.engine.links == {}
    assert d.engine.deadline() == float("inf")
    assert len(d.collect(HangUp)) == 3


# --- frames that should not be -----------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"null", b"[]", b"\xff\xfe\x00", b'{"topic": 5}', b'{"topic": "trades:A"}',
     b'{"topic": "trades:A", "rows": [[1]]}', b'{"topic": "order_book:A"}', b'{"wrong": 1}',
     b'{"topic": "trades:A", "rows": [["x", 1, 1, 1]]}', b"[" * 100_000, b"7" * 5000],
)  # fmt: skip
def test_no_frame_stops_a_connection(frame: bytes) -> None:
    """ccxt.pro: one odd frame, and 0 of the next 200 are delivered, without a word."""
    d = desk()
    stream = d.trades()
    d.up()
    d.frame({"topic": "trades:A", "rows": rows(1)})
    d.frame(frame)
    d.frame({"topic": "trades:A", "rows": rows(2)})
    assert ids(stream) == [1, 2]
    assert d.engine.quarantine.count == 1
    assert d.engine.quarantine.frames[0].frame == frame[:4096]
    assert "quarantined" in d.notices()


def test_a_frame_over_the_limit_is_set_aside_unread() -> None:
    """20 MB of JSON among good frames would block the loop for a second."""
    d = desk(limits=ws.Limits(frame_bytes=16 * MB))
    stream = d.trades()
    d.up()
    d.frame(b'{"topic": "trades:A", "rows": [' + b" " * (20 * MB) + b"]}")
    d.frame({"topic": "trades:A", "rows": rows(1)})
    assert ids(stream) == [1]
    (kept,) = d.engine.quarantine.frames
    assert len(kept.frame) == 4096
    assert kept.size > 20 * MB
    assert "bytes" in kept.reason


def test_the_quarantine_keeps_a_hundred_and_counts_the_rest() -> None:
    """Evidence is bounded, the count is not."""
    d = desk()
    d.trades()
    d.up()
    for number in range(250):
        d.frame(b"%d" % number * 3000)
    kept = d.engine.quarantine.frames
    assert d.engine.quarantine.count == 250
    assert len(kept) == 100
    assert kept[0].frame.startswith(b"150")
    assert all(len(one.frame) == 4096 and one.size == 9000 for one in kept)
    assert all(len(one.reason) <= 300 and one.connection == 1 for one in kept)


def test_bad_rows_are_kept_with_their_frame_and_rest_rows_with_themselves() -> None:
    """Who looks into the quarantine must see what was wrong, not what came by last."""
    d = desk()
    stream = d.trades()
    d.up()
    bad = {"topic": "trades:A", "rows": [[1, 10, 0.0, 1.0]]}
    d.frame(bad)
    assert d.engine.quarantine.frames[0].frame == msgspec.json.encode(bad)
    d.frame({"topic": "trades:A", "rows": rows(5)})
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    d.answer(fetch, [[6, 60, -1.0, 1.0]])
    assert b"-1.0" in d.engine.quarantine.frames[1].frame
    assert ids(stream) == [5]


def test_rows_of_unknown_markets_are_skipped_and_counted() -> None:
    """A listing of today is not an error of ours."""
    d = Desk(Toy(), toy_venue(), unknown=frozenset({"NEW"}))
    stream = d.trades()
    d.up()
    d.frame({"topic": "trades:A", "market": "NEW", "rows": rows(1)})
    assert d.engine.skipped == 1
    assert ids(stream) == []
    assert d.engine.quarantine.count == 0


def test_a_lost_frame_makes_unnumbered_books_suspect() -> None:
    """It may have been a change of theirs; numbered ones will notice by themselves."""
    d = desk()
    numbered, plain = d.book("A"), d.book("B")
    d.up()
    d.frame({"topic": "order_book:A", "kind": "snapshot", "last": 5, **BOOK})
    d.frame({"topic": "order_book:B", "kind": "snapshot", **BOOK})
    assert is_valid(numbered)
    assert is_valid(plain)
    d.frame(b"{")
    assert is_valid(numbered)
    assert not is_valid(plain)
    assert [fetch.stream for fetch in d.fetches()] == [plain]


# --- books --------------------------------------------------------------------------------


def booked(d: Desk, name: str = "A", last: int = 100) -> BookStream:
    """Watch a book and bring it in step."""
    book = d.book(name)
    d.ack()
    d.frame(delta(last - 1, last, name))
    for fetch in d.fetches():
        if fetch.stream is book:
            d.answer(fetch, {**BOOK, "last": last})
    assert is_valid(book)
    return book


def test_a_snapshot_is_asked_for_after_the_first_delta() -> None:
    """Before it a snapshot may be too old to link."""
    d = desk()
    book = d.book()
    d.up()
    assert d.fetches() == []
    d.frame(delta(99, 100))
    (fetch,) = d.fetches()
    assert (fetch.what, fetch.rest.params) == ("snapshot", {"symbol": "A", "limit": 1000})
    d.frame(delta(100, 101, bids=[[9.5, 1]]))
    assert d.fetches() == []  # asked once
    d.answer(fetch, {**BOOK, "last": 100})
    assert is_valid(book)
    assert book.sync.book.bids.prices == [9.0, 9.5]


def test_a_quiet_book_is_asked_for_all_the_same() -> None:
    """A market without a single change a minute has a book too."""
    d = desk()
    book = d.book()
    d.up()
    up_at = d.now
    d.until(up_at + QUIET_BOOK_S - 0.01)
    assert d.fetches() == []
    d.until(up_at + QUIET_BOOK_S)
    (fetch,) = d.fetches()
    d.answer(fetch, {**BOOK, "last": 100})
    assert is_valid(book)
    d.frame(delta(100, 101))
    assert is_valid(book)


def test_a_snapshot_too_old_to_link_is_asked_for_again() -> None:
    """REST lags behind the stream: waiting a little helps, and more each time."""
    d = desk()
    book = d.book()
    d.up()
    d.frame(delta(150, 151))
    waits = []
    for last in (100, 120, 140, 150):
        asked_at = d.now
        (fetch,) = d.fetches()
        d.answer(fetch, {**BOOK, "last": last})
        d.frame(delta(151, 152))  # traffic must not shorten the wait
        assert d.fetches() == []
        if last < 150:
            d.until(d.engine.deadline())
            waits.append(d.now - asked_at)
    assert waits == pytest.approx([0.25, 0.5, 1.0])
    assert is_valid(book)


def test_rest_that_fails_is_asked_ever_more_slowly_however_busy_the_book() -> None:
    """Ten deltas a second and a REST answer of 429: ten requests a second are a ban."""
    d = desk()
    d.book()
    d.up()
    asked = 0
    for tick in range(600):
        d.frame(delta(tick, tick + 1))
        for fetch in d.fetches():
            asked += 1
            d.answer(fetch, None, "HTTP 429")
        d.until(d.now + 0.1)
    assert 5 <= asked <= 9
    assert "HTTP 429" in d.engine.recovery.why(next(iter(d.engine.streams.values())))


@pytest.mark.parametrize(
    "body", [None, {}, {"bids": [["x", 1]], "asks": [], "last": 1}, {"bids": [[-1, 1]], "asks": [], "last": 100}]
)  # fmt: skip
def test_a_snapshot_that_makes_no_sense_is_asked_for_again(body: Any) -> None:
    """REST speaks nonsense too, and must not end the book or be asked in a loop."""
    d = desk()
    book = d.book()
    d.up()
    d.frame(delta(99, 100))
    (fetch,) = d.fetches()
    d.answer(fetch, body)
    assert not is_valid(book)
    assert d.fetches() == []
    d.until(d.now + 0.25)
    (fetch,) = d.fetches()
    d.answer(fetch, {**BOOK, "last": 100})
    assert is_valid(book)
    assert d.engine.recovery.why(book) == ""


def test_one_symbol_resyncs_alone() -> None:
    """One gap is one book: cryptofeed resets every pair of the feed on one gap."""
    d = desk()
    d.trades()
    d.up()
    books = {name: booked(d, name) for name in "ABC"}
    d.frame(delta(105, 106, "B"))
    assert {name: book.valid for name, book in books.items()} == {"A": True, "B": False, "C": True}
    (fetch,) = d.fetches()
    assert fetch.stream is books["B"]
    d.notices()
    d.answer(fetch, {**BOOK, "last": 105})
    assert books["B"].valid
    assert d.notices() == ["resync"]


def test_books_that_somebody_reads_come_first() -> None:
    """A strategy that lost its book is worse off than one that waits for its first."""
    d = desk()
    d.trades()
    d.up()
    old = booked(d, "A")
    new = d.book("B")
    d.ack()
    d.frame(delta(1, 2, "B"))
    d.frame(delta(105, 106, "A"))
    assert {fetch.stream: fetch.priority for fetch in d.fetches()} == {old: 0, new: 1}


def test_an_answer_from_before_a_loss_is_dropped() -> None:
    """What REST said before the drop may be older than what was missed in it."""
    d = desk()
    book = d.book()
    d.up()
    d.frame(delta(99, 100))
    (fetch,) = d.fetches()
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    d.answer(fetch, {**BOOK, "last": 100})
    assert not is_valid(book)
    d.frame(delta(199, 200))
    (again,) = d.fetches()
    assert again.epoch != fetch.epoch
    d.answer(again, {**BOOK, "last": 199})
    assert is_valid(book)


def test_trades_of_an_outage_are_fetched_even_if_there_was_none_before_it() -> None:
    """A quiet market: what traded since the subscription is wanted, and nothing older."""
    d = desk()
    d.until(5.0)
    stream = d.trades()
    d.up()
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    assert fetch.rest.method == "recent"  # there is no id to ask from
    d.answer(fetch, rows(400, 500, 501, 502))  # their times in ms are ten times their ids
    assert ids(stream) == [501, 502]
    assert all(row.recovered for row in stream.rows.rows)
    d.frame({"topic": "trades:A", "rows": rows(503)})
    assert ids(stream) == [501, 502, 503]


def test_a_dropped_connection_resyncs_its_books_once_the_deltas_flow() -> None:
    """100 books, one drop: one snapshot each, none before its first delta."""
    d = desk()
    d.trades()
    d.up()
    books = [booked(d, f"B{number}") for number in range(100)]
    d.lose()
    assert not any(book.valid for book in books)
    d.until(d.now + 1.0)
    assert [len(names) for names in d.up()] == [101]
    assert [fetch for fetch in d.fetches() if fetch.what == "snapshot"] == []
    for number in range(100):
        d.frame(delta(200, 201, f"B{number}"))
    fetches = d.fetches()
    assert len(fetches) == 100
    for fetch in fetches:
        d.answer(fetch, {**BOOK, "last": 200})
    assert all(book.valid for book in books)


def test_a_deeper_wish_while_a_snapshot_is_under_way_is_not_forgotten() -> None:
    """The second reader wants a thousand levels, the answer has ten."""
    d = desk()
    book = d.book()
    book.deepen(5)
    d.up()
    d.frame(delta(99, 100))
    (fetch,) = d.fetches()
    assert fetch.rest.params["limit"] == 10
    assert book.deepen(500) is False  # there is no book yet that would be too short
    d.answer(fetch, {**BOOK, "last": 100})
    (fetch,) = d.fetches()
    assert fetch.rest.params["limit"] == 1000
    d.answer(fetch, {**BOOK, "last": 100})
    assert is_valid(book)
    assert book.sync.book.depth == 1000


def test_a_released_book_is_not_asked_for() -> None:
    """Weights are precious, and a late answer finds nobody."""
    d = desk()
    d.trades()
    d.up()
    book = d.book()
    d.ack()
    d.frame(delta(99, 100))
    d.release(book)
    assert d.fetches() == []
    other = booked(d, "B")
    d.frame(delta(200, 201, "B"))
    (fetch,) = d.fetches()
    d.release(other)
    d.answer(fetch, {**BOOK, "last": 200})
    assert not is_valid(other)


# --- trades -------------------------------------------------------------------------------


def traded(d: Desk, *numbers: int) -> TradeStream:
    """Watch trades, with some delivered."""
    stream = d.trades()
    d.up()
    d.frame({"topic": "trades:A", "rows": rows(*numbers)})
    d.collect(Notice)
    return stream


def test_what_was_missed_in_a_drop_is_fetched() -> None:
    """The awaiting call survives, and its next rows are the ones it missed."""
    d = desk()
    stream = traded(d, 1, 2)
    d.lose()
    assert d.fetches() == []  # not while the stream is down
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    assert (fetch.what, fetch.priority) == ("history", 2)
    d.frame({"topic": "trades:A", "rows": rows(7)})
    assert ids(stream) == [1, 2]
    d.answer(fetch, rows(1, 2, 3, 4, 5, 6, 7))
    assert ids(stream) == [1, 2, 3, 4, 5, 6, 7]
    assert [row.recovered for row in stream.rows.rows] == [False] * 2 + [True] * 4 + [False]
    (gap,) = d.engine.ledger.gaps("A")
    assert (gap.after_id, gap.before_id, gap.missing, gap.filled, gap.closed, gap.cause) == (
        "2", "7", 4, 4, True, "closed by peer",
    )  # fmt: skip
    assert "recovered" in d.notices()
    d.until(d.now + 100.0)
    assert d.fetches() == []


def test_the_count_of_what_was_filled_is_the_hole_not_the_page() -> None:
    """A page of REST overlaps what came live: those were not missing."""
    d = desk()
    traded(d, 1)
    d.frame({"topic": "trades:A", "rows": rows(5, 6, 7, 8)})
    (fetch,) = d.fetches()
    d.answer(fetch, rows(2, 3, 4, 5, 6, 7, 8, 9))
    (gap,) = d.engine.ledger.gaps("A")
    assert (gap.missing, gap.filled) == (3, 3)


def test_nothing_missed_is_no_gap() -> None:
    """A drop of a second on a quiet market loses nothing, and says nothing."""
    d = desk()
    stream = traded(d, 1, 2)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    d.answer(fetch, rows(1, 2))
    assert d.engine.ledger.gaps() == []
    assert not stream.catching_up
    assert "recovered" not in d.notices()


def test_a_long_outage_is_fetched_page_by_page() -> None:
    """Ten pages of progress are not ten failures."""
    d = desk()
    stream = traded(d, 1)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    d.frame({"topic": "trades:A", "rows": rows(1001)})
    pages = 0
    while fetches := d.fetches():
        (fetch,) = fetches
        pages += 1
        start = fetch.rest.params["from"]
        d.answer(fetch, rows(*range(start, start + 50)))
    assert ids(stream) == list(range(1, 1002)) or ids(stream) == list(range(1, 1003))
    assert pages == 20
    assert not any(row.missed_before for row in stream.rows.rows)


def test_what_rest_no_longer_holds_is_a_gap() -> None:
    """A venue that shows only the newest page is not asked again in vain."""
    d = desk(Newest())
    stream = traded(d, 1)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    assert fetch.rest.method == "recent"
    d.answer(fetch, rows(*range(101, 151)))
    assert d.fetches() == []
    assert ids(stream) == [1, *range(101, 151)]
    (gap,) = d.engine.ledger.gaps()
    assert (gap.after_id, gap.before_id, gap.missing, gap.closed) == ("1", "101", 99, False)
    assert "gap" in d.notices()


def test_rest_that_fails_for_good_ends_in_a_gap() -> None:
    """The stream goes on, and the loss is in the ledger with its bounds."""
    d = desk()
    stream = traded(d, 1, 2)
    d.frame({"topic": "trades:A", "rows": rows(6, 7)})
    asked = 0
    started = d.now
    while stream.held:
        for fetch in d.fetches():
            asked += 1
            d.answer(fetch, None, "HTTP 500")
        d.until(d.now + 0.05)
    assert asked == HISTORY_TRIES
    assert d.now - started < 5.0
    assert ids(stream) == [1, 2, 6, 7]
    assert [row.missed_before for row in stream.rows.rows] == [0, 0, 3, 0]
    (gap,) = d.engine.ledger.gaps()
    assert (gap.after_id, gap.before_id, gap.missing, gap.note) == ("2", "6", 3, "HTTP 500")
    assert d.engine.recovery.why(stream) == ""
    d.frame({"topic": "trades:A", "rows": rows(10)})
    assert len(d.fetches()) == 1  # the next loss is asked for like the first


@pytest.mark.parametrize("body", [None, 5, {"what": 1}, [[3]], [["3", "x", 1.0, 1.0]]])
def test_trades_by_rest_that_make_no_sense_are_asked_for_again(body: Any) -> None:
    """Nothing that REST says may raise, or take rows with it."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"topic": "trades:A", "rows": rows(3)})
    (fetch,) = d.fetches()
    d.answer(fetch, body)
    assert ids(stream) == [1]
    d.until(d.now + 0.25)
    (fetch,) = d.fetches()
    d.answer(fetch, rows(2))
    assert ids(stream) == [1, 2, 3]


def test_a_row_of_the_wrong_type_takes_no_other_with_it() -> None:
    """The rows before it in the frame were taken: they must be delivered too."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"topic": "trades:A", "rows": [*rows(2, 3), [4, 40, "dear", 1.0]]})
    assert ids(stream) == [1, 2, 3]
    assert d.engine.quarantine.count == 1
    d.frame({"topic": "trades:A", "rows": rows(4)})
    assert ids(stream) == [1, 2, 3, 4]


def test_rest_that_lags_behind_the_stream_is_asked_again() -> None:
    """The newest trades are not in the first answer."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"topic": "trades:A", "rows": rows(4)})
    (fetch,) = d.fetches()
    d.answer(fetch, rows(2))
    assert ids(stream) == [1, 2]
    (fetch,) = d.fetches()
    d.answer(fetch, [])
    assert d.fetches() == []
    d.until(d.now + 0.25)
    (fetch,) = d.fetches()
    d.answer(fetch, rows(3))
    assert ids(stream) == [1, 2, 3, 4]
    assert {gap.closed for gap in d.engine.ledger.gaps()} == {True}


def test_two_holes_that_rest_cannot_fill_are_two_gaps() -> None:
    """REST answers, but not with what is missing: each hole is given its chance."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"topic": "trades:A", "rows": rows(4, 8)})
    asked = 0
    while stream.held:
        for fetch in d.fetches():
            asked += 1
            d.answer(fetch, rows(9) if asked < 3 else [])
        d.until(d.now + 0.1)
    assert ids(stream) == [1, 4, 8, 9]
    assert [(gap.after_id, gap.missing) for gap in d.engine.ledger.gaps()] == [("1", 2), ("4", 3)]
    assert asked == 6


def test_a_venue_without_history_has_gaps_at_once() -> None:
    """There is nobody to ask: the rows behind the hole must not wait."""
    d = desk(Forgetful())
    stream = traded(d, 1)
    d.frame({"topic": "trades:A", "rows": rows(5)})
    d.until(d.now)
    assert ids(stream) == [1, 5]
    (gap,) = d.engine.ledger.gaps()
    assert gap.missing == 3


def test_rows_that_wait_do_not_wait_forever_after_a_loss() -> None:
    """A hole seen during a rotation, then the connection is lost, and no history."""
    d = desk(Forgetful())
    stream = traded(d, 1)
    d.frame({"closing": "maintenance"})
    d.frame({"topic": "trades:A", "rows": rows(5)})
    assert stream.held
    d.lose(1)
    d.until(d.now + 0.5)
    d.up(2)
    d.until(d.now + 5.0)
    assert ids(stream) == [1, 5]


def test_uncountable_rows_wait_for_the_page_and_follow_it() -> None:
    """The order of the venue is kept, and the page that touches what we had proves it whole."""
    d = desk(Uncountable())
    stream = traded(d, 1, 2)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    d.frame({"topic": "trades:A", "rows": rows(6)})
    d.answer(fetch, rows(2, 3, 4, 5))
    assert ids(stream) == [1, 2, 3, 4, 5, 6]
    assert [gap.closed for gap in d.engine.ledger.gaps()] == [True]


def test_a_full_page_that_does_not_reach_back_is_an_unknown_gap() -> None:
    """Nobody can count what is missing, so it must be said."""
    d = desk(Uncountable())
    stream = traded(d, 1)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    (fetch,) = d.fetches()
    d.answer(fetch, rows(*range(500, 550)))
    assert len(ids(stream)) == 51
    gap = next(gap for gap in d.engine.ledger.gaps() if not gap.closed)
    assert (gap.after_id, gap.before_id, gap.missing) == ("1", "500", None)


def test_uncountable_rows_do_not_wait_for_a_rest_that_is_dead() -> None:
    """After four tries the rows go on, with a gap that names both sides."""
    d = desk(Uncountable())
    stream = traded(d, 1)
    d.lose()
    d.until(d.now + 1.0)
    d.up()
    d.frame({"topic": "trades:A", "rows": rows(9)})
    for _ in range(HISTORY_TRIES):
        (fetch,) = d.fetches()
        d.answer(fetch, None, "HTTP 500")
        d.until(d.now + 10.0)
    assert ids(stream) == [1, 9]
    (gap,) = d.engine.ledger.gaps()
    assert (gap.after_id, gap.before_id, gap.missing) == ("1", "9", None)


# --- rotation -----------------------------------------------------------------------------


def rotating(d: Desk) -> None:
    """Let the venue announce its end; the second connection is confirmed."""
    d.frame({"closing": "maintenance"})
    assert d.engine.links[2].replaces == 1
    d.up(2)


def test_the_old_connection_goes_when_the_new_one_has_delivered_everything() -> None:
    """Make before break: until then both run side by side, and nothing is missed or twice."""
    d = desk()
    a, b = d.trades("A"), d.trades("B")
    d.up()
    for name in "AB":
        d.frame({"topic": f"trades:{name}", "rows": rows(1)})
    d.notices()
    rotating(d)
    assert d.notices() == ["closing", "rotating", "connected", "subscribed", "subscribed"]
    d.frame({"topic": "trades:A", "rows": rows(2)}, 1)
    d.frame({"topic": "trades:A", "rows": rows(2)}, 2)
    d.until(d.now + 5.0)
    assert set(d.engine.links) == {1, 2}  # B has not come over the new one
    d.frame({"topic": "trades:B", "rows": rows(2)}, 2)
    d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {2}
    assert [(h.link, h.polite) for h in d.collect(HangUp)] == [(1, True)]
    d.frame({"topic": "trades:A", "rows": rows(3)}, 2)
    assert (ids(a), ids(b)) == ([1, 2, 3], [1, 2])
    assert a.healthy
    notices = d.notices()
    assert "rotated" in notices
    assert "down" not in notices
    assert d.fetches() == []


def test_what_the_old_connection_has_on_its_way_is_awaited() -> None:
    """The new one is ahead by a few rows: they come over the old one, not by REST."""
    d = desk()
    stream = traded(d, 1)
    rotating(d)
    d.frame({"topic": "trades:A", "rows": rows(5)}, 2)
    assert ids(stream) == [1]
    assert d.fetches() == []
    d.until(d.now + OVERLAP_S / 2)
    d.frame({"topic": "trades:A", "rows": rows(2, 3, 4, 5)}, 1)
    assert ids(stream) == [1, 2, 3, 4, 5]
    d.until(d.now + 10.0)
    assert d.fetches() == []
    assert set(d.engine.links) == {2}


def test_silent_topics_do_not_hold_a_rotation_for_ever() -> None:
    """A quiet market says nothing for an hour; its ack is enough at the deadline."""
    d = desk()
    d.trades("A")
    d.trades("quiet")
    d.up()
    rotating(d)
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.until(ROTATION_S - 0.1)
    assert set(d.engine.links) == {1, 2}
    d.until(ROTATION_S + 0.1)
    assert set(d.engine.links) == {2}


def test_the_old_connection_stays_while_the_new_one_is_not_up() -> None:
    """A venue that does not let us in again has at least not thrown us out yet."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"closing": "maintenance"})
    for _ in range(5):
        d.lose(2, "refused")
        d.until(d.now + 8.0)
    assert d.now > ROTATION_S
    d.frame({"topic": "trades:A", "rows": rows(2)}, 1)
    assert ids(stream) == [1, 2]
    d.up(2)
    d.frame({"topic": "trades:A", "rows": rows(3)}, 2)
    d.until(d.now + ROTATION_S + 2)
    assert set(d.engine.links) == {2}


def test_a_new_connection_that_still_waits_for_its_dial_is_waited_for() -> None:
    """Past every deadline: an old connection is better than none."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"closing": "maintenance"})
    d.link(2).machine.postpone(100.0)
    d.until(90.0)
    assert set(d.engine.links) == {1, 2}
    d.frame({"topic": "trades:A", "rows": rows(2)}, 1)
    assert ids(stream) == [1, 2]
    d.up(2)
    d.until(d.now + 1.0)
    assert set(d.engine.links) == {2}


def test_a_topic_released_during_a_rotation_does_not_hold_it() -> None:
    """The new connection must not wait for what nobody wants any more."""
    d = desk()
    d.trades("A")
    gone = d.trades("B")
    d.up()
    rotating(d)
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.release(gone)
    d.until(d.now + LINGER_S + PLAN_S)
    assert set(d.engine.links) == {2}


def test_releasing_everything_during_a_rotation_closes_both() -> None:
    """Neither of the two may be forgotten."""
    d = desk()
    streams = [d.trades(name) for name in "AB"]
    d.up()
    rotating(d)
    for stream in streams:
        d.release(stream)
    assert d.engine.links == {}
    assert sorted(h.link for h in d.collect(HangUp)) == [1, 2]


def test_a_watch_during_a_rotation_goes_to_the_new_connection() -> None:
    """On the old one it would be moved at once."""
    d = desk()
    traded(d, 1)
    rotating(d)
    late = d.trades("B")
    assert d.ack() == [["trades:B"]]
    assert late.healthy
    assert topics_of(d.engine)["trades:B"].owner == 2


def test_kinds_without_numbers_follow_one_leg_only() -> None:
    """A ticker of two connections would go back and forth in time."""
    d = desk()
    ticker, candles = d.hold(ws.Kind.TICKER), d.hold(ws.Kind.OHLCV)
    quotes = d.hold(ws.Kind.BIDS_ASKS)
    d.up()
    rotating(d)
    for number in (1, 2):
        d.frame({"topic": "ticker:A", "ms": 1, "price": 1.0 + number}, number)
        d.frame({"topic": "ohlcv:A", "price": 1.0 + number}, number)
        d.frame({"topic": "bids_asks:A", "number": 7}, number)
    assert [row.last for row in ticker.rows.rows] == [2.0]
    assert [row.close for row in candles.rows.rows] == [2.0]
    assert [row.number for row in quotes.rows.rows] == [7]
    d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {2}
    d.frame({"topic": "ticker:A", "ms": 2, "price": 9.0}, 2)
    assert [row.last for row in ticker.rows.rows] == [2.0, 9.0]


def test_a_book_goes_through_a_rotation_in_step() -> None:
    """Both legs count the same updates: the second one's are stale."""
    d = desk()
    d.trades()
    d.up()
    book = booked(d)
    d.frame({"closing": "maintenance"})
    d.up(2)
    for number in range(100, 110):
        d.frame(delta(number, number + 1), 1)
        d.frame(delta(number, number + 1), 2)
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.until(d.now + LINGER_S)
    d.frame(delta(110, 111), 2)
    assert is_valid(book)
    assert book.sync.book.nonce == 111
    assert book.resyncs == 0


@pytest.mark.parametrize("dies", [False, True])
def test_a_new_connection_that_is_ahead_costs_no_book(*, dies: bool) -> None:
    """It shows holes that are none: a hundred books would ask for a hundred snapshots."""
    d = desk()
    d.trades()
    d.up()
    book = booked(d)
    rotating(d)
    d.frame(delta(101, 103, bids=[[9.2, 1]]), 2)
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.frame(delta(100, 101), 1)
    if dies:
        d.lose(1)
    else:
        d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {2}
    assert is_valid(book)
    assert book.sync.book.nonce == 103
    assert book.sync.book.bids.prices == [9.0, 9.2]
    assert (book.resyncs, d.fetches()) == (0, [])


def test_books_without_numbers_change_connections_whole() -> None:
    """Each socket begins with a state of its own; mixing two of them would be nonsense."""
    d = desk()
    book = d.book()
    d.trades()
    d.up()
    d.frame({"topic": "order_book:A", "kind": "snapshot", **BOOK}, 1)
    rotating(d)
    d.frame({"topic": "order_book:A", "kind": "snapshot", "bids": [[5, 1]], "asks": [[6, 1]]}, 2)
    d.frame({"topic": "order_book:A", "bids": [[5.5, 1]], "asks": []}, 2)
    d.frame({"topic": "order_book:A", "bids": [[9.5, 1]], "asks": []}, 1)
    assert book.sync.book.bids.prices == [9.0, 9.5]
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.until(d.now + LINGER_S)
    assert is_valid(book)
    assert book.sync.book.bids.prices == [5.0, 5.5]


def test_what_a_lost_heir_said_of_a_book_is_forgotten() -> None:
    """Its next socket begins anew: what lies between the two is nobody's."""
    d = desk()
    book = d.book()
    d.trades()
    d.up()
    d.frame({"topic": "order_book:A", "kind": "snapshot", **BOOK}, 1)
    rotating(d)
    d.frame({"topic": "order_book:A", "kind": "snapshot", "bids": [[5, 1]], "asks": [[6, 1]]}, 2)
    d.lose(2)
    d.until(d.now + 1.0)
    d.up(2)
    d.frame({"topic": "order_book:A", "kind": "snapshot", "bids": [[7, 1]], "asks": [[8, 1]]}, 2)
    d.frame({"topic": "trades:A", "rows": rows(1)}, 2)
    d.until(d.now + LINGER_S)
    assert book.sync.book.bids.prices == [7.0]
    assert [update.bids[0][0] for update in book.rows.rows] == [9.0, 7.0]


def test_an_heir_that_dies_is_dialed_again_and_takes_over_later() -> None:
    """The rotation goes on; the old connection serves meanwhile."""
    d = desk()
    stream = traded(d, 1)
    rotating(d)
    d.lose(2)
    assert is_healthy(stream)
    d.frame({"topic": "trades:A", "rows": rows(2)}, 1)
    d.until(d.now + 1.0)
    d.up(2)
    d.frame({"topic": "trades:A", "rows": rows(3)}, 2)
    d.frame({"topic": "trades:A", "rows": rows(3)}, 1)
    d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {2}
    assert ids(stream) == [1, 2, 3]


def test_an_heir_that_is_refused_for_good_leaves_the_old_one_in_its_place() -> None:
    """The old connection is an ordinary one again: it takes topics, and can be rotated."""
    d = desk()
    stream = traded(d, 1)
    rotating(d)
    d.lose(2, "forbidden", code=4003)
    assert set(d.engine.links) == {1}
    assert stream.fatal is None
    assert topics_of(d.engine)["trades:A"].heir is None
    d.trades("B")
    assert set(d.engine.links) == {1}
    d.frame({"closing": "again"})
    assert set(d.engine.links) == {1, 3}


def test_the_old_connection_dies_first_and_stays_dead() -> None:
    """Its heir listens already: nothing is down, and nobody dials the old one again."""
    d = desk()
    stream = traded(d, 1)
    rotating(d)
    d.lose(1)
    assert is_healthy(stream)
    assert set(d.engine.links) == {2}
    assert topics_of(d.engine)["trades:A"].owner == 2
    d.frame({"topic": "trades:A", "rows": rows(2)}, 2)
    assert ids(stream) == [1, 2]
    d.collect(DialLink)
    d.until(d.now + 120.0)
    assert d.collect(DialLink) == []
    assert set(d.engine.links) == {2}


def test_the_old_connection_dies_before_the_new_one_is_up() -> None:
    """Then it is an outage like any other, healed by the new one."""
    d = desk()
    stream = traded(d, 1)
    d.frame({"closing": "maintenance"})
    d.lose(1)
    assert not is_healthy(stream)
    assert set(d.engine.links) == {2}
    d.up(2)
    assert is_healthy(stream)
    (fetch,) = d.fetches()
    d.answer(fetch, rows(2, 3))
    assert ids(stream) == [1, 2, 3]


def test_both_connections_of_a_rotation_die() -> None:
    """In either order the topic ends up on one connection that is dialed."""
    for first, second in ((1, 2), (2, 1)):
        d = desk()
        stream = traded(d, 1)
        rotating(d)
        d.lose(first)
        d.lose(second)
        assert not is_healthy(stream)
        d.until(d.now + 3.0)
        (number,) = (n for n, link in d.engine.links.items() if link.machine.state is State.DIALING)
        d.up(number)
        assert is_healthy(stream)
        d.frame({"topic": "trades:A", "rows": rows(2)}, number)
        assert ids(stream) == [1, 2]
        d.until(d.now + 200.0)
        assert set(d.engine.links) == {number}


def test_a_second_announcement_starts_no_second_rotation() -> None:
    """Venues repeat themselves until they hang up."""
    d = desk()
    traded(d, 1)
    for _ in range(3):
        d.frame({"closing": "maintenance"})
    assert set(d.engine.links) == {1, 2}


def test_a_new_connection_that_must_go_too_is_replaced_after_it_has_taken_over() -> None:
    """A shutdown is announced to every socket, the one just opened included."""
    d = desk()
    stream = traded(d, 1)
    rotating(d)
    d.frame({"closing": "maintenance"}, 2)
    assert set(d.engine.links) == {1, 2}
    d.frame({"topic": "trades:A", "rows": rows(2)}, 2)
    d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {2, 3}
    d.up(3)
    d.frame({"topic": "trades:A", "rows": rows(3)}, 3)
    d.frame({"topic": "trades:A", "rows": rows(3)}, 2)
    d.until(d.now + LINGER_S)
    assert set(d.engine.links) == {3}
    assert ids(stream) == [1, 2, 3]
    assert is_healthy(stream)


def test_a_lifetime_ends_in_a_rotation() -> None:
    """Binance hangs up after 24 hours; an hour before that we have moved."""
    d = Desk(Binance())
    d.hold(ws.Kind.TRADES, "BTCUSDT", name="trade")
    d.open()
    d.frame(b'{"result":null,"id":1}')
    at = 0.0
    while at < 23 * 3600 - 1:
        at += 19.0
        d.link(1).machine.received(d.now)
        d.until(at)
        if 2 in d.engine.links:
            break
    assert 23 * 3600 - 700 < d.now <= 23 * 3600
    assert d.link(1).machine.state is State.LIVE


def test_stopping_in_the_middle_of_a_rotation_opens_nothing_new() -> None:
    """`close()` beats every plan."""
    d = desk()
    traded(d, 1)
    rotating(d)
    d.frame({"closing": "maintenance"}, 2)
    d.collect(DialLink)
    d.engine.stop(d.now)
    assert d.engine.links == {}
    assert d.collect(DialLink) == []


def test_a_user_may_ask_for_a_rotation() -> None:
    """For the morning before the maintenance that was announced by mail."""
    d = desk()
    traded(d, 1)
    d.engine.rotate(d.link(1), d.now, "by hand")
    assert set(d.engine.links) == {1, 2}
    assert "rotating" in d.notices()


# --- what operators see -------------------------------------------------------------------


def test_a_venue_that_counts_anew_is_in_the_ledger() -> None:
    """Nobody can say what was missed, so that is what is said."""
    d = desk()
    stream = traded(d, 900)
    d.frame({"topic": "trades:A", "rows": [[5, 900 * 10 + 60_000, 1.0, 1.0]]})
    assert ids(stream) == [900, 5]
    (gap,) = d.engine.ledger.gaps("A")
    assert (gap.after_id, gap.before_id, gap.missing) == ("900", "5", None)
    assert "gap" in d.notices()


def test_the_reason_for_waiting_can_be_had_in_words() -> None:
    """`explain()` must tell a quiet market from a REST that does not answer."""
    d = desk()
    book = d.book()
    d.up()
    why = d.engine.recovery.why
    assert why(book) == ""
    d.frame(delta(1, 2))
    (fetch,) = d.fetches()
    assert why(book) == "waiting for an answer by REST"
    d.answer(fetch, None, "HTTP 503")
    assert why(book) == "REST failed 1 times, last: HTTP 503"


def test_a_blocked_loop_kills_no_connection() -> None:
    """The peers were not late, we were."""
    d = desk(heartbeat=ws.Heartbeat(by="protocol", every_s=20, timeout_s=10, idle_ping_s=0))
    d.trades()
    d.up()
    d.until(25.0)
    d.engine.forgive(30.0)
    d.now = 55.0
    d.engine.tick(d.now)
    assert d.link(1).machine.state is State.LIVE


def test_every_notice_is_one_of_the_documented_names() -> None:
    """Handlers of `ex.on(event)` can only be written against a list."""
    documented = re.findall(r"\w+", (Notice.__doc__ or "").partition("event:")[2])
    seen: set[str] = set()
    scenes: list[Callable[[Desk], None]] = [
        lambda d: d.frame({"topic": "trades:A", "rows": rows(1)}),
        lambda d: d.frame({"topic": "trades:A", "rows": rows(9)}),
        lambda d: d.until(d.now),
        lambda d: d.frame(b"{"),
        lambda d: d.frame({"closing": "x"}),
        lambda d: d.lose(),
        lambda d: d.until(d.now + 60.0),
        lambda d: d.engine.stop(d.now),
    ]
    d = desk(Forgetful())
    d.trades()
    d.up()
    for scene in scenes:
        scene(d)
        seen.update(d.notices())
    assert seen <= set(documented)
    assert {"connected", "subscribed", "first_data", "gap", "quarantined", "closing", "rotating",
            "disconnected"} <= seen  # fmt: skip


def test_first_data_is_told_once_a_stream() -> None:
    """UBWA's FIRST_RECEIVED_DATA: the moment a watch begins to live."""
    d = desk()
    d.trades()
    d.up()
    d.notices()
    for number in (1, 2, 3):
        d.frame({"topic": "trades:A", "rows": rows(number)})
    assert d.notices() == ["first_data"]
