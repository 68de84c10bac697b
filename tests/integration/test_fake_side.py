"""The hooks that a venue side may use, and the faults, on a toy venue made of nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import aiohttp
import msgspec
import pytest

from tests.support import Client, dial
from unified_ws.testing import FakeVenue, Replay
from unified_ws.testing.market import Event, MarketModel, Row, Spec, Trade, spec_of
from unified_ws.testing.side import (
    Limits,
    Link,
    Recorded,
    RestAnswer,
    RestRequest,
    Turn,
    VenueSide,
    Window,
)

pytest_plugins = ["unified_ws.testing.pytest_plugin"]

MakeVenue = Callable[..., Awaitable[FakeVenue]]
HOST, OTHER, REST = "ws.toy.test", "other.toy.test:8443", "api.toy.test"
BTC, SWAP = "BTC/USDT", "BTC/USDT:USDT"
BOOK, BEAT, TRADES = "spot|book.BTC/USDT", "spot|beat", "spot|trades.BTC/USDT"
SWAP_BOOK = "swap|book.BTC/USDT:USDT"


class Toy(VenueSide):
    """Speaks `{"sub": [channel]}` on /spot and /swap; its books have three levels."""

    id = "toy"
    limits = Limits(ping_every_s=0.0, lifetime_s=0.0)
    host_limits: ClassVar[Mapping[str, Limits]] = {
        "other.toy.test": Limits(args=1, ping_every_s=0.0)
    }
    default_symbols = (BTC, SWAP)
    greet_first = False

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._windows: dict[str, Window] = {}
        self._trades: set[str] = set()

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Contracts of a hundredth."""
        return spec_of(symbol, contract_size=Decimal("0.01")) if ":" in symbol else spec_of(symbol)

    def rest(self, request: RestRequest) -> RestAnswer:
        """Give out tokens, and echo."""
        if request.path == "/bullet":
            body = {"token": "T1", "endpoint": "wss://ws.toy.test/spot"}
            return RestAnswer(200, msgspec.json.encode(body))
        echo = [request.method, request.headers.get("x-flavour"), request.body.decode()]
        now = self.market.number if self.market else -1
        return RestAnswer(200, msgspec.json.encode([*echo, now]))

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Insist on a token where one is presented; welcome."""
        link.mode = link.headers.get("X-Flavour", "")
        link.binary = link.path == "/binary"
        if link.query.get("token", "T1") != "T1":
            return Turn((b'{"error":"token is expired"}',), close=(4001, "token"))
        return Turn((b'{"welcome":%d}' % link.number,))

    def receive(self, link: Link, data: bytes) -> Turn:
        """Read a text ping, or a request of JSON."""
        if data == b"ping":
            return Turn((b"pong",), pong=True)
        request = msgspec.json.decode(data, type=dict[str, list[str]])
        topics = [link.path[1:] + "|" + name for name in request.get("sub", ())]
        if broken := self.beyond(link, data, topics):
            refused = msgspec.json.encode({"refused": broken})
            return Turn((refused,), violation=f"asked for too much: {broken}")
        drop = [link.path[1:] + "|" + name for name in request.get("unsub", ())]
        return Turn((b'{"ack":1}',), topics, drop, greet_first=self.greet_first)

    def watch(self, topic: str) -> None:
        """Begin a window, or trades."""
        kind, _, symbol = topic.partition("|")[2].partition(".")
        if self.market and kind == "book":
            self._windows[topic] = Window(self.market, symbol, 3)
        elif kind == "trades":
            self._trades.add(symbol)

    def unwatch(self, topic: str) -> None:
        """End it."""
        self._windows.pop(topic, None)
        self._trades.discard(topic.partition(".")[2])

    def greet(self, topic: str) -> Sequence[bytes]:
        """Send books whole."""
        window = self._windows.get(topic)
        return [book(topic, window.last_id, window.bids, window.asks)] if window else ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Send deltas, trades, and a heartbeat each second."""
        assert self.market
        out = [
            (f"spot|trades.{event.symbol}", b'{"trade":%d}' % event.id)
            for event in events
            if isinstance(event, Trade) and event.symbol in self._trades
        ]
        for topic, window in self._windows.items():
            if delta := window.move():
                ids = (delta.last_id, delta.bids, delta.asks, delta.first_id)
                out.append((topic, book(topic, *ids)))
        if self.market.now_ms % 1000 == 0:
            out.append((BEAT, b'{"beat":%d}' % self.market.now_ms))
        return out

    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Wrap where a header asked for it."""
        return b'{"wrapped":%s}' % payload if mode else payload

    def book_of(self, topic: str) -> str | None:
        """Know the books by their names."""
        return topic.partition("|book.")[2] or None

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Send new snapshots."""
        found = [(t, w) for t, w in self._windows.items() if w.symbol == symbol]
        for _, window in found:
            window.reset()
        return [(topic, self.greet(topic)[0]) for topic, _ in found]

    def group_of(self, topic: str) -> str:
        """Count books apart."""
        return "books" if "book." in topic else ""

    # recordings

    @classmethod
    def identify(
        cls, raw: bytes, topics: object, url: str = ""
    ) -> Recorded | Sequence[Recorded] | None:
        """Tell topics by the address and by the frame; a frame may carry several."""
        frame = msgspec.json.decode(raw)
        where = url.rpartition("/")[2]
        if "many" in frame:
            parts = [(part["name"], msgspec.json.encode(part)) for part in frame["many"]]
            return [Recorded(f"{where}|{name}", payload) for name, payload in parts]
        return Recorded(f"{where}|{frame['name']}", raw) if "name" in frame else None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return address and market."""
        where, _, name = topic.partition("|")
        return f"{where}|{name.partition('.')[2]}" if "." in name else None

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Read the requests there are."""
        names = [name for raw in sent for name in json.loads(raw).get("sub", ())]
        return [f"{url.rpartition('/')[2]}|{name}" for name in names]

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Take contract sizes from the recorded list of markets."""
        sizes = json.loads(books.get("/markets", b"{}"))
        symbols = dict.fromkeys(market_id.partition("|")[2] for market_id in market_ids)
        return [spec_of(s, contract_size=Decimal(sizes.get(s, "1"))) for s in symbols]

    @classmethod
    def rest_key(cls, path: str, query: Mapping[str, str], host: str = "") -> str:
        """Tell hosts apart, but for the list of markets."""
        return path if path == "/markets" else f"{host}{path}?{len(query)}"

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Say how much has been played."""
        return [b'{"name":"%s","caught_up":%d}' % (topic.encode(), len(payloads))]


class Numbered(Toy):
    """Numbers all frames of a socket, and greets before it acknowledges."""

    seals = True
    greet_first = True

    def seal(self, link: Link, frame: bytes) -> bytes:
        """Put the number first."""
        number = link.notes["number"] = link.notes.get("number", -1) + 1
        return b'{"n":%d,"frame":%s}' % (number, frame)


def book(topic: str, last_id: int, bids: object, asks: object, first_id: int = 0) -> bytes:
    """Return a snapshot, or a delta if it has a first id."""
    fields = {"book": topic, "first": first_id, "last": last_id, "bids": bids, "asks": asks}
    return msgspec.json.encode(fields)


@contextlib.asynccontextmanager
async def opened(
    venue: FakeVenue | Replay, path: str = "/spot", host: str = HOST
) -> AsyncIterator[Client]:
    """Dial and read the welcome."""
    async with dial(venue, path, host=host) as client:
        await client.raw()
        yield client


async def say(client: Client, **request: Sequence[str]) -> None:
    """Send a request of the toy."""
    await client.ws.send_bytes(msgspec.json.encode(request))


async def fetch(venue: FakeVenue | Replay, path: str, **options: Any) -> Any:
    """Ask the toy's REST host."""
    url = f"{venue.gateway}/{options.pop('host', REST)}{path}"
    method: str = options.pop("method", "GET")
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as got:
        return await got.json()


class Shown:
    """A book built from a greeting and what follows; insists on the chain of ids."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        assert snapshot["first"] == 0
        self.last_id = snapshot["last"]
        self.sides: dict[str, dict[int, int]] = {
            name: dict(snapshot[name]) for name in ("bids", "asks")
        }

    def take(self, delta: dict[str, Any]) -> None:
        """Apply a delta."""
        assert delta["first"] == self.last_id + 1
        self.last_id = delta["last"]
        for name, side in self.sides.items():
            side.update(dict(delta[name]))

    @property
    def rows(self) -> tuple[list[Row], list[Row]]:
        """Bids and asks, best first."""
        bids, asks = ([(p, q) for p, q in s.items() if q] for s in self.sides.values())
        return sorted(bids, reverse=True), sorted(asks)


async def test_a_side_chooses_its_markets_and_their_contracts(fake_venue: MakeVenue) -> None:
    """Contract sizes are the venue's; symbols of several kinds live in one fake."""
    venue = await fake_venue(Toy, paused=True)

    assert venue.market.symbols == (BTC, SWAP)
    assert venue.market.specs[SWAP].contract_size == Decimal("0.01")


async def test_books_begin_with_a_greeting_and_go_on_exactly(fake_venue: MakeVenue) -> None:
    """A client that comes later than another gets what the other has been shown."""
    venue = await fake_venue(Toy, paused=True)
    async with opened(venue) as early, opened(venue) as late:
        await say(early, sub=["book.BTC/USDT"])
        assert await early.read() == {"ack": 1}
        books = [Shown(await early.read())]
        await venue.step(5)
        await say(late, sub=["book.BTC/USDT"])
        assert await late.read() == {"ack": 1}
        books.append(Shown(await late.read()))
        await venue.step(20)
        truth = venue.market.rows(BTC, 3)[1:]
        for client, shown in zip((early, late), books, strict=True):
            while shown.rows != truth:
                shown.take(await client.read())

    assert books[0].rows == books[1].rows == truth


async def test_sealed_frames_are_numbered_on_each_socket(fake_venue: MakeVenue) -> None:
    """Welcome, greeting, ack and data count alike; greetings may come before the ack."""
    venue = await fake_venue(Numbered, paused=True)
    async with opened(venue) as first, opened(venue) as second:
        await say(first, sub=["book.BTC/USDT", "beat"])
        greeting, ack = await first.read(), await first.read()
        await say(second, sub=["beat"])
        assert await second.read() == {"n": 1, "frame": {"ack": 1}}
        await venue.step(10)
        beats = await first.read_until(lambda frame: "beat" in frame["frame"])
        assert (await second.read())["n"] == 2

    assert "book" in greeting["frame"]
    assert ack == {"n": 2, "frame": {"ack": 1}}
    assert [frame["n"] for frame in (greeting, ack, *beats)] == list(range(1, len(beats) + 3))


async def test_a_lost_frame_leaves_a_hole(fake_venue: MakeVenue) -> None:
    """In the numbers of the connection, and in the chain of the topic, for everybody."""
    venue = await fake_venue(Numbered, paused=True)
    async with opened(venue) as client:
        await say(client, sub=["beat"])
        await client.read()
        venue.lose(BEAT, 2)
        await venue.step(30)
        assert (await client.read())["n"] == 4
        venue.lose()
        await venue.step(20)
        assert (await client.read())["n"] == 6


async def test_frames_can_be_repeated_and_swapped(fake_venue: MakeVenue) -> None:
    """What a network may not do, but a venue's cluster does."""
    venue = await fake_venue(Numbered, paused=True)
    async with opened(venue) as client:
        await say(client, sub=["beat"])
        await client.read()
        venue.repeat(BEAT)
        await venue.step(10)
        venue.swap(BEAT)
        await venue.step(30)
        numbers = [(await client.read())["n"] for _ in range(5)]

    assert numbers == [2, 2, 4, 3, 5]


async def test_topics_of_several_addresses_do_not_meet(fake_venue: MakeVenue) -> None:
    """The side's key tells them apart, for deliveries and for faults."""
    venue = await fake_venue(Toy, paused=True)
    venue.silence("swap|trades.BTC/USDT")
    venue.silence(SWAP_BOOK)
    async with opened(venue, "/spot") as spot, opened(venue, "/swap") as swap:
        await say(spot, sub=["trades.BTC/USDT"])
        await say(swap, sub=["trades.BTC/USDT", "book.BTC/USDT:USDT"])
        assert [await spot.read(), await swap.read()] == [{"ack": 1}] * 2
        assert venue.topics == {TRADES: 1, "swap|trades.BTC/USDT": 1, SWAP_BOOK: 1}
        venue.lose("swap|trades.BTC/USDT")
        first_id = venue.market.last_trade(BTC).id + 1
        await venue.step(20)
        assert await spot.read() == {"trade": first_id}
        venue.unsilence(SWAP_BOOK)
        await venue.step(5)
        assert (await swap.read())["book"] == SWAP_BOOK  # no greeting, no delta came before


async def test_a_topic_dropped_and_added_is_greeted_again(fake_venue: MakeVenue) -> None:
    """Subscribing anew is how clients ask for a new snapshot."""
    venue = await fake_venue(Toy, paused=True)
    async with opened(venue) as client:
        await say(client, sub=["book.BTC/USDT"])
        await client.read()
        first = await client.read()
        await say(client, sub=["book.BTC/USDT"])
        assert await client.read() == {"ack": 1}
        await say(client, unsub=["book.BTC/USDT"], sub=["book.BTC/USDT"])
        assert [await client.read(), await client.read()] == [{"ack": 1}, first]


async def test_text_pings_are_answered_until_told_otherwise(fake_venue: MakeVenue) -> None:
    """Pongs are texts, not JSON, with some venues; and a dead server answers nothing."""
    venue = await fake_venue(Toy, paused=True)
    async with opened(venue) as client:
        await client.ws.send_str("ping")
        assert await client.raw() == b"pong"
        venue.stop_pongs()
        await client.ws.send_str("ping")
        await client.ws.ping()
        await say(client, sub=["beat"])
        assert await client.read() == {"ack": 1}


async def test_a_silent_client_is_closed(fake_venue: MakeVenue) -> None:
    """Venues that wait for pings of clients close with a code of their own, or without."""
    limits = {"client_ping_within_s": 0.05, "client_ping_code": 4004}
    venue = await fake_venue(Toy, paused=True, **limits)
    async with opened(venue) as client:
        for _ in range(4):
            await asyncio.sleep(0.02)
            await client.ws.ping()
        assert not client.ws.closed
        assert await client.ended() == 4004
    cutting = await fake_venue(Toy, paused=True, client_ping_within_s=0.02)
    async with opened(cutting) as client:
        assert await client.ended() == 1006

    assert venue.stats.violations == ["socket 1 sent nothing for 0.05 s; closed"]


async def test_whoever_subscribes_nothing_is_closed(fake_venue: MakeVenue) -> None:
    """Some venues set a deadline for the first subscription."""
    venue = await fake_venue(Toy, paused=True, subscribe_within_s=0.03, subscribe_code=1000)
    async with opened(venue) as idle, opened(venue) as busy:
        await say(busy, sub=["beat"])
        await busy.read()
        assert await idle.ended() == 1000
        await venue.step(10)
        assert "beat" in await busy.read()


@pytest.mark.parametrize(
    "limits, request_, broken",
    [
        ({"topics": 1}, ["beat", "trades.BTC/USDT"], "topics"),
        ({"group_topics": {"books": 1}}, ["book.BTC/USDT", "book.ETH/USDT"], "books"),
        ({"args": 1}, ["beat", "beat"], "args"),
        ({"request_bytes": 10}, ["beat"], "bytes"),
    ],
)
async def test_limits_are_refused_in_the_words_of_the_side(
    fake_venue: MakeVenue, limits: dict[str, Any], request_: list[str], broken: str
) -> None:
    """What a venue refuses it refuses as a whole, and the fake notes it."""
    venue = await fake_venue(Toy, paused=True, **limits)
    async with opened(venue) as client:
        await say(client, sub=request_)
        assert await client.read() == {"refused": broken}

    assert venue.topics == {}
    assert venue.stats.violations == [f"socket 1 asked for too much: {broken}"]


async def test_requests_are_counted_in_their_window(fake_venue: MakeVenue) -> None:
    """So many subscriptions an hour, on each socket."""
    venue = await fake_venue(Toy, paused=True, requests=2)
    async with opened(venue) as client, opened(venue) as other:
        for _ in range(3):
            await say(client, sub=["beat"])
        await say(other, sub=["beat"])
        answers = [await client.read() for _ in range(3)]
        assert await other.read() == {"ack": 1}

    assert answers == [{"ack": 1}, {"ack": 1}, {"refused": "requests"}]


async def test_messages_are_counted_in_their_window(fake_venue: MakeVenue) -> None:
    """A hundred in ten seconds, and the venue's own close code."""
    limits = {"messages": 2, "messages_window_s": 10.0, "messages_code": 4009}
    venue = await fake_venue(Toy, paused=True, **limits)
    async with opened(venue) as client:
        for _ in range(3):
            await client.ws.ping()
        assert await client.ended() == 4009

    assert venue.stats.violations == ["socket 1 sent more than 2 messages in 10 s"]


async def test_hosts_have_limits_of_their_own(fake_venue: MakeVenue) -> None:
    """And a test's limits hold on all of them."""
    venue = await fake_venue(Toy, paused=True, topics=1)
    async with opened(venue, host=OTHER) as client:
        await say(client, sub=["beat", "trades.BTC/USDT"])
        assert await client.read() == {"refused": "args"}
        await say(client, sub=["beat"])
        assert await client.read() == {"ack": 1}
        await say(client, sub=["trades.BTC/USDT"])
        assert await client.read() == {"refused": "topics"}


class Pooled(Toy):
    """Counts every host apart."""

    def pool(self, host: str) -> str:
        """Share nothing."""
        return host


@pytest.mark.parametrize("side, refused", [(Toy, True), (Pooled, False)])
async def test_hosts_share_limits_or_do_not(
    fake_venue: MakeVenue, side: type[Toy], refused: bool
) -> None:
    """The weight used on one product's host may leave another's untouched."""
    venue = await fake_venue(side, paused=True, weight_per_min=1)
    await fetch(venue, "/echo")
    answer = await fetch(venue, "/echo", host="api2.toy.test")

    assert (answer == {}) == refused
    assert await fetch(venue, "/echo") == {}


async def test_tokens_welcomes_and_refusals_by_frame(fake_venue: MakeVenue) -> None:
    """The address comes from REST under the venue's own name; a bad token is told, then closed."""
    venue = await fake_venue(Toy, paused=True)
    bullet = await fetch(venue, "/bullet", method="POST")
    assert bullet["endpoint"].startswith(f"wss://{HOST}")
    async with dial(venue, f"/spot?token={bullet['token']}", host=HOST) as client:
        assert await client.read() == {"welcome": 1}
    async with dial(venue, "/spot?token=old", host=HOST) as client:
        assert await client.read() == {"error": "token is expired"}
        assert await client.ended() == 4001


async def test_requests_show_method_headers_and_body(fake_venue: MakeVenue) -> None:
    """Signed and posted requests can be judged by the side, and asserted on by tests."""
    venue = await fake_venue(Toy, paused=True)
    headers = {"X-Flavour": "mint"}
    answer = await fetch(venue, "/echo", method="POST", data=b"posted", headers=headers)

    assert answer == ["POST", "mint", "posted", 0]
    assert (venue.stats.rest[0].method, venue.stats.rest[0].body) == ("POST", b"posted")


async def test_headers_of_the_handshake_reach_the_side(fake_venue: MakeVenue) -> None:
    """A venue may change the form of its numbers by header."""
    venue = await fake_venue(Toy, paused=True)
    url = f"{venue.gateway}/{HOST}/spot"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers={"x-flavour": "mint"}) as ws,
    ):
        await ws.receive()
        await ws.send_str('{"sub":["book.BTC/USDT"]}')
        assert (await ws.receive_json()) == {"ack": 1}
        assert list(await ws.receive_json()) == ["wrapped"]


async def test_frames_may_be_binary(fake_venue: MakeVenue) -> None:
    """JSON in frames of the binary kind, acks too."""
    venue = await fake_venue(Toy, paused=True)
    async with dial(venue, "/binary", host=HOST) as client:
        assert (await client.ws.receive()).type is aiohttp.WSMsgType.BINARY
        await say(client, sub=["book.BTC/USDT"])
        kinds = [(await client.ws.receive()).type for _ in range(2)]

    assert kinds == [aiohttp.WSMsgType.BINARY] * 2


@pytest.mark.parametrize("name", [BTC, BOOK])
async def test_a_restarted_book_counts_from_the_beginning(fake_venue: MakeVenue, name: str) -> None:
    """A venue's service restarts: ids begin again, and watchers get a new snapshot."""
    venue = await fake_venue(Toy, paused=True)
    async with opened(venue) as client:
        await say(client, sub=["book.BTC/USDT"])
        await client.read()
        before = Shown(await client.read())
        await venue.restart(name)
        after = Shown(await client.read())
        await venue.step(10)
        after.take(await client.read())

    assert before.last_id > 10**9
    assert after.last_id < 10**4
    with pytest.raises(LookupError, match="BTCUSDT"):
        await venue.restart("BTCUSDT")


@pytest.mark.parametrize("stale, expected", [(False, 3), (True, 0)])
async def test_rest_answers_can_be_held_back(
    fake_venue: MakeVenue, stale: bool, expected: int
) -> None:
    """A slow answer is of the moment it was made, or of that when it leaves."""
    venue = await fake_venue(Toy, paused=True)
    delay = venue.delay_rest(r"/echo\?", stale=stale)
    asking = asyncio.ensure_future(fetch(venue, "/echo"))
    await venue.until(lambda: delay.waiting == 1)
    assert (await fetch(venue, "/echo"))[-1] == 0  # only one was to wait
    await venue.step(3)
    assert not asking.done()
    delay.release()

    assert (await asking)[-1] == expected
    assert delay.waiting == 0


# recordings


def recorded(folder: Path, sockets: Mapping[str, Sequence[tuple[str, str]]]) -> Path:
    """Write a recording of the toy: lines of direction and text by address."""
    (folder / "rest").mkdir(parents=True)
    streams, numbers = [], itertools.count()
    for place, (url, lines) in enumerate(sockets.items()):
        name = f"ws-{place}.jsonl.gz"
        rows = [{"t": 1000.0 + next(numbers), "dir": way, "raw": raw} for way, raw in lines]
        text = "\n".join(map(json.dumps, rows)).encode()
        (folder / name).write_bytes(gzip.compress(text))
        streams.append({"file": name, "url": url})
    bodies = {
        f"https://{REST}/markets": {SWAP: "0.01"},
        f"https://{REST}/who": "api",
        f"https://two.{REST}/who": "two",
    }
    index = []
    for number, (url, body) in enumerate(bodies.items()):
        (folder / "rest" / f"{number}.json").write_text(json.dumps(body))
        index.append({"file": f"{number}.json", "url": url, "status": 200, "frames_before": {}})
    (folder / "rest" / "index.json").write_text(json.dumps(index))
    (folder / "meta.json").write_text(json.dumps({"venue": "toy", "streams": streams}))
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Record two addresses with the same names, one of them without its requests."""
    ask = json.dumps({"sub": ["book.BTC/USDT", "quiet.BTC/USDT", "book.GONE/USDT"]})
    book_ = '{"name":"book.BTC/USDT","u":%d}'
    many = '{"many":[{"name":"book.BTC/USDT","u":3},{"name":"beat"}]}'
    return recorded(
        tmp_path / "toy",
        {
            "wss://ws.toy.test/spot": [
                ("out", ask), ("in", '{"ack":1}'), ("in", book_ % 1), ("in", book_ % 2),
                ("in", many),
            ],
            "wss://ws.toy.test/swap": [
                ("in", '{"welcome":1}'), ("in", book_.replace("USDT", "USDT:USDT") % 7),
            ],
        },
    )  # fmt: skip


async def play(folder: Path, side: type[Toy], *, autostart: Literal["all"] = "all") -> list[Any]:
    """Play a session to one socket of the spot address and one of the other."""
    async with (
        Replay(folder, autostart=autostart, venue=side) as replay,
        opened(replay) as spot,
        opened(replay, "/swap") as swap,
    ):
        await say(spot, sub=["book.BTC/USDT", "quiet.BTC/USDT", "beat"])
        await say(swap, sub=["book.BTC/USDT:USDT"])
        await replay.finished.wait()
        return [await spot.read() for _ in range(5)] + [await swap.read() for _ in range(2)]


async def test_topics_of_a_recording_come_from_requests_and_from_frames(session: Path) -> None:
    """Requests may be missing, and may name markets that were cut from the recording."""
    async with Replay(session, venue=Toy) as replay:
        assert replay.topics_recorded == [BOOK, "spot|quiet.BTC/USDT", BEAT, SWAP_BOOK]
        assert {spec.symbol: spec.contract_size for spec in replay.recording.specs} == {
            BTC: 1,
            SWAP: Decimal("0.01"),
        }


async def test_frames_play_in_order_on_their_addresses(session: Path) -> None:
    """Recorded acks and welcomes are not played: the side makes its own."""
    frames = await play(session, Toy)

    assert frames[0] == {"ack": 1}
    assert [frame.get("u") for frame in frames[1:4]] == [1, 2, 3]
    assert frames[4] == {"name": "beat"}
    assert frames[5:] == [{"ack": 1}, {"name": "book.BTC/USDT:USDT", "u": 7}]


async def test_numbers_of_a_connection_are_made_anew(session: Path) -> None:
    """The recorded ones fit no other set of topics."""
    frames = await play(session, Numbered)

    assert [frame["n"] for frame in frames] == [1, 2, 3, 4, 5, 1, 2]


async def test_bodies_are_told_apart_by_host(session: Path) -> None:
    """Two products of a venue may have the same path."""
    async with Replay(session, venue=Toy) as replay:
        assert await fetch(replay, "/who") == "api"
        assert await fetch(replay, "/who", host=f"two.{REST}") == "two"


async def test_a_replay_begins_with_chosen_topics_and_greets_late_comers(session: Path) -> None:
    """A client that comes back in the middle gets the snapshot of that moment."""
    async with (
        Replay(session, autostart=[BOOK], venue=Toy) as replay,
        opened(replay) as client,
    ):
        await say(client, sub=["book.BTC/USDT"])
        await replay.finished.wait()
        await replay.drop()
        async with opened(replay) as again:
            await say(again, sub=["book.BTC/USDT"])
            assert await again.read() == {"ack": 1}
            assert (await again.read())["caught_up"] == 3


def test_a_side_needs_little() -> None:
    """Defaults are those of a venue without limits, wrappers and recordings."""

    class Least(VenueSide):
        id = "least"
        limits = Limits()

        def rest(self, request: RestRequest) -> RestAnswer:
            return RestAnswer(404, request.body)

        def accept(self, link: Link) -> Turn | RestAnswer:
            return Turn(seen=[("dial", link.host)])

        def receive(self, link: Link, data: bytes) -> Turn:
            return Turn((data,), add=list(link.topics))

        def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
            return [(event.symbol, b"") for event in events]

        def book_of(self, topic: str) -> str | None:
            return topic

    side = Least([], None, Limits())
    request = RestRequest("h", "GET", "/p", {"b": "2", "a": "1"})
    assert (side.weight(request), side.weight_headers(1), side.greet("t")) == (1, {}, ())
    assert side.refusal(429, 7).headers == {"Retry-After": "7"}
    assert (side.frame("m", "t", b"x"), side.seal(Link(1, "", "", {}), b"x")) == (b"x", b"x")
    assert (side.ping_payload(), side.shutdown_notice("m")) == (b"", None)
    assert side.rest_key(request.path, request.query) == "/p?a=1&b=2"
    assert side.usable("k", b"", ()) is True
    assert side.limits_at("anywhere") is side.allowed
