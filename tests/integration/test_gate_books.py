"""Books of Gate under attack: what is handed out is the venue's own, or nothing is.

Each update names the ids it covers; one book gets its first state in the stream (7.1), the other
by REST, which lags (7.2). Both may be told anew at any time. The whole engine is driven here, by
hand and without sockets, against a venue that can do all that; then once over the fake. Section
numbers are those of the protocol sheet for Gate.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import pytest

import unified_ws
from unified_ws import adapter as ws
from unified_ws.core.actions import DialLink, Fetch, HangUp, Send
from unified_ws.core.books import BookStream
from unified_ws.core.engine import Engine
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import Delta, Event
from unified_ws.testing.venues.gate import Gate as GateSide
from unified_ws.venues.gate import VENUE, Gate

WINDOW = 4
CASES, STEPS, PEACE_S = 200, 30, 300
SPOT = ws.Market("BTC/USDT", "BTC_USDT", wire_id="BTC_USDT")
SWAP = ws.Market("BTC/USDT:USDT", "BTC_USDT", "swap", settle="USDT", wire_id="BTC_USDT")
BY_REST = {"name": "order_book_update", "interval": ""}
BY_STREAM = {"name": "obu", "interval": ""}
Sides = tuple[dict[float, float], dict[float, float]]


class Small(Gate):  # type: ignore[misc]  # mypy does not see the installed name
    """The adapter with a window of a few levels, so that its edge is met in every case."""

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Cut the window."""
        return [msgspec.structs.replace(route, keeps=WINDOW) for route in super().route(sub)]


class TrueBook:
    """A book, the number of its last change, and what every number ever stood for in the window."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sides: Sides = ({9.0: 1.0, 8.0: 2.0}, {21.0: 1.0, 22.0: 2.0})
        self.number = 1_000_000
        self.floor = self.number
        self.states: dict[int, Sides] = {self.number: self.seen()}
        self.numbers = [(self.number, 0.0)]
        self.now = 0.0

    def seen(self) -> Sides:
        """Return the best levels."""
        bids, asks = self.sides
        return (
            dict(sorted(bids.items(), reverse=True)[:WINDOW]), dict(sorted(asks.items())[:WINDOW]),
        )  # fmt: skip

    def move(self) -> None:
        """Change some levels, each under a number of its own; a side never runs empty."""
        for _ in range(self.rng.randrange(1, 5)):
            side = self.rng.randrange(2)
            price = float(self.rng.randrange(1, 11) + 20 * side)
            amount = self.rng.choice((0.0, 1.0, 2.5))
            if amount:
                self.sides[side][price] = amount
            elif len(self.sides[side]) > 1:
                self.sides[side].pop(price, None)
            self.number += 1
        self.note()

    def restart(self) -> None:
        """Count from somewhere lower on."""
        self.floor -= 10_000
        self.number = self.floor
        self.note()

    def note(self) -> None:
        """Remember what the present number stands for."""
        self.states[self.number] = self.seen()
        self.numbers.append((self.number, self.now))


class Feed:
    """What one subscription has shown."""

    def __init__(self, book: TrueBook, name: str) -> None:
        self.book = book
        self.obu = name.startswith("ob.")
        self.name = name
        self.shown, self.last = book.seen(), book.number

    def whole(self) -> dict[str, Any]:
        """Show everything."""
        self.shown, self.last = self.book.seen(), self.book.number
        rows = [[[str(p), str(q)] for p, q in side.items()] for side in self.shown]
        return self._result(full=True, u=self.last, U=self.last, b=rows[0], a=rows[1])

    def change(self) -> dict[str, Any] | None:
        """Show what has changed since, in any order; None for nothing that is told."""
        before, after = self.shown, self.book.seen()
        first, self.shown = self.last + 1, after
        rows: list[list[list[str]]] = []
        for old, new in zip(before, after, strict=True):
            changed = {p: q for p, q in new.items() if old.get(p) != q}
            gone = {p: 0.0 for p in old if p not in new}
            rows.append([[str(p), str(q)] for p, q in {**changed, **gone}.items()])
            self.book.rng.shuffle(rows[-1])
        if not any(rows) and not (self.obu and self.book.rng.random() < 0.5):
            return None
        self.last = self.book.number
        sides = {name: side for name, side in zip("ba", rows, strict=True) if side or not self.obu}
        return self._result(U=first, u=self.last, **sides)

    def _result(self, **fields: Any) -> dict[str, Any]:
        if self.obu and fields.get("full"):
            del fields["U"]
        if not self.obu:  # contracts have objects (6.5)
            fields |= {n: [{"p": p, "s": q} for p, q in fields[n]] for n in "ba"}
            fields["l"] = "100"
        return {"s": self.name, **fields}


class Frame:
    """A frame on its way; answers are never harmed, data is."""

    def __init__(self, raw: bytes, *, data: bool) -> None:
        self.raw = raw
        self.data = data


class World:
    """The true books, a venue that tells of them, a network that harms, and the engine."""

    CHANNELS: ClassVar = {"spot": "spot.obu", "usdt": "futures.order_book_update"}

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.calm = False
        self.books = {at: TrueBook(self.rng) for at in self.CHANNELS}
        self.links: dict[str, int] = {}
        self.feeds: dict[str, Feed] = {}
        self.way: dict[str, deque[Frame]] = {at: deque() for at in self.CHANNELS}
        self.asked: list[tuple[float, Fetch, dict[str, Any] | None]] = []
        self.valid = self.absent = self.requests = 0
        self.engine = Engine(
            Small(), VENUE, jitter=lambda _: 0.0,
            markets=lambda at: {"BTC_USDT": (SPOT if at == "spot" else SWAP).symbol}.get,
        )  # fmt: skip
        self.streams: dict[str, BookStream] = {}
        for at, market, channel in (("spot", SPOT, BY_STREAM), ("usdt", SWAP, BY_REST)):
            stream = self.engine.stream(ws.Sub(ws.Kind.BOOK, market, market.type, channel=channel), 0)
            assert isinstance(stream, BookStream)
            self.engine.hold(stream, "reader", self.now)
            self.streams[at] = stream
        self.perform()

    # --- the venue

    def tell(self, at: str, result: Mapping[str, Any] | None) -> None:
        """Put data on its way."""
        if result is not None:
            ms = 1_700_000_000_000 + int(self.now * 1000)
            head = {"time_ms": ms, "channel": self.CHANNELS[at], "event": "update"}
            frame = {**head, "result": {"t": ms, **result}}
            self.way[at].append(Frame(msgspec.json.encode(frame), data=True))

    def move(self, at: str, *, anew: bool = False) -> None:
        """Let a book change; tell whoever holds it, in full if it begins anew."""
        book, feed = self.books[at], self.feeds.get(at)
        book.now = self.now
        if anew:
            book.restart()
        else:
            book.move()
        if feed is not None:
            full = anew or self.rng.random() < 0.03
            self.tell(at, feed.whole() if full else feed.change())

    def speak(self, at: str) -> None:
        """Let a book change until its change is in sight."""
        feed = self.feeds.get(at)
        before = feed.last if feed is not None else 0
        while feed is not None and feed.last == before:
            self.move(at)

    def take(self, at: str, raw: bytes) -> None:
        """Carry out a request (4); the snapshot of an obu may come before its ack (7.1)."""
        request = msgspec.json.decode(raw)
        if request["channel"].endswith(".ping"):
            pong = {"channel": request["channel"].replace("ping", "pong"), "event": ""}
            self.way[at].append(Frame(msgspec.json.encode(pong), data=False))
            return
        self.requests += 1
        assert request["channel"] == self.CHANNELS[at]
        answer = {"id": request["id"], "channel": request["channel"], "event": request["event"]}
        ack = Frame(msgspec.json.encode({**answer, "result": {"status": "success"}}), data=False)
        if request["event"] == "unsubscribe":
            self.feeds.pop(at, None)
            self.way[at].append(ack)
            return
        name = request["payload"][0]
        if at in self.feeds:
            if at == "spot":
                error = {"code": 2, "message": f"Alert sub {name}"}
                ack = Frame(msgspec.json.encode({**answer, "error": error}), data=False)
            self.way[at].append(ack)
            return
        self.feeds[at] = Feed(self.books[at], name)
        if at == "usdt":
            self.way[at].append(ack)
            return
        eager = self.rng.random() < 0.5
        self.way[at] += () if eager else (ack,)
        self.tell(at, self.feeds[at].whole())
        self.way[at] += (ack,) if eager else ()

    def rest(self, fetch: Fetch) -> None:
        """Answer later, with a state from a cache, or not at all (7.2)."""
        assert fetch.what == "snapshot"
        assert fetch.rest.params == {
            "settle": "usdt", "contract": "BTC_USDT", "with_id": "true", "limit": 100,
        }  # fmt: skip
        numbers = self.books["usdt"].numbers
        late = 0 if self.calm else self.rng.choice((0, 0, 0, 1, 3, 9))
        number, at_s = numbers[-1 - min(len(numbers) - 1, late)]
        bids, asks = (
            [{"p": str(p), "s": q} for p, q in side.items()]
            for side in self.books["usdt"].states[number]
        )
        current = 1_700_000_000 + at_s
        body = {"id": number, "current": current, "bids": bids, "asks": asks}
        failed = not self.calm and self.rng.random() < 0.1
        due = self.now + self.rng.choice((0.0, 0.1, 0.5, 1.5))
        self.asked.append((due, fetch, None if failed else body))

    # --- the network

    def deliver(self, at: str, harm: Callable[[], str]) -> None:
        """Let the next frame arrive, if it does."""
        way = self.way[at]
        frame = way.popleft()
        what = harm() if frame.data else ""
        if what == "drop":
            return
        if what == "swap" and way and way[0].data:
            self.arrive(at, way.popleft())
        self.arrive(at, frame)
        if what == "repeat":
            self.arrive(at, frame)
        if what == "late":  # once more, when the book has gone on
            way.insert(min(len(way), self.rng.randrange(1, 6)), frame)

    def arrive(self, at: str, frame: Frame) -> None:
        """Hand a frame to the engine, and judge both books."""
        if at in self.links:
            self.engine.received(self.engine.links[self.links[at]], frame.raw, self.now, 1)
            self.perform()
        self.judge()

    def judge(self) -> None:
        """Compare every book that is handed out with what its number stands for."""
        for at, stream in self.streams.items():
            book = stream.current()
            if book is None:
                self.absent += 1
                continue
            self.valid += 1
            assert book.nonce is not None
            assert (book.bids.amounts, book.asks.amounts) == self.books[at].states[book.nonce], at

    def cut(self, at: str) -> None:
        """Lose a connection."""
        link = self.links.pop(at, None)
        self.feeds.pop(at, None)
        self.way[at].clear()
        if link is not None:
            self.engine.lost(self.engine.links[link], self.now, "cut", code=1006)
            self.perform()

    # --- the shell

    def perform(self) -> None:
        """Do what the engine wants."""
        while self.engine.actions:
            actions, self.engine.actions = self.engine.actions, []
            for action in actions:
                match action:
                    case DialLink():
                        link = self.engine.links[action.link]
                        self.links[link.endpoint_name] = action.link
                        self.engine.opened(link, self.now, wall_ns=1)
                    case HangUp():
                        for at in [at for at, n in self.links.items() if n == action.link]:
                            del self.links[at]
                            self.feeds.pop(at, None)
                            self.way[at].clear()
                    case Send():
                        for at in [at for at, n in self.links.items() if n == action.link]:
                            self.take(at, action.frame)
                    case Fetch():
                        self.rest(action)

    def step(self, harm: Callable[[], str], moves: int, seconds: float = 0.1) -> None:
        """Let a little time pass."""
        self.now += seconds
        self.engine.tick(self.now)
        self.perform()
        for due, fetch, body in [*self.asked]:
            if due <= self.now:
                self.asked.remove((due, fetch, body))
                error = None if body is not None else "503"
                self.engine.recovery.fetched(fetch, body, error, self.now, 1)
                self.perform()
                self.judge()
        for _ in range(moves):
            self.move(self.rng.choice(("spot", "usdt")))
        for _ in range(self.rng.randrange(1, 5)):
            at = self.rng.choice(("spot", "usdt"))
            if self.way[at]:
                self.deliver(at, harm)


def play(seed: int, harms: tuple[str, ...], share: float) -> World:
    """Play one case: trouble, then peace, in which both books must come back."""
    world = World(seed)
    rng = world.rng

    def harm() -> str:
        return rng.choice(harms) if rng.random() < share else ""

    for _ in range(STEPS):
        world.step(harm, rng.randrange(3))
        if "cut" in harms and rng.random() < share / 4:
            world.cut(rng.choice(("spot", "usdt")))
        if "anew" in harms and rng.random() < share / 4:
            world.move(rng.choice(("spot", "usdt")), anew=True)
    world.calm = True
    for second in range(PEACE_S):
        for at in world.books if second % 3 == 1 else ():
            world.speak(at)  # this tells of what was lost before it
        world.step(lambda: "", moves=0, seconds=1.0)
        quiet = not any(world.way.values()) and not world.asked
        # A cache of REST may answer with numbers from before they began anew: it takes ten seconds
        # to tell that from repeats.
        if second > (20 if "anew" in harms else 5) and quiet and all(s.valid for s in world.streams.values()):
            break
    for at, stream in world.streams.items():
        assert stream.valid, stream.reason
        mine = stream.sync.book.bids.amounts, stream.sync.book.asks.amounts
        assert mine == world.books[at].seen(), at
    return world


@pytest.mark.parametrize(
    ("harms", "share"),
    [
        (("drop",), 0.05),
        (("repeat",), 0.3),
        (("late",), 0.1),
        (("swap",), 0.05),
        (("anew",), 0.2),
        (("drop", "repeat", "late", "swap", "cut", "anew"), 0.1),
    ],
)
def test_books_are_true_or_not_there(harms: tuple[str, ...], share: float) -> None:
    """7: both books after every frame, in hundreds of cases of each harm."""
    worlds = [play(seed, harms, share) for seed in range(CASES)]
    valid, absent = (sum(getattr(w, name) for w in worlds) for name in ("valid", "absent"))
    assert valid > 40 * CASES  # most of the time there is a book
    assert absent > 0
    resyncs = sum(stream.resyncs for world in worlds for stream in world.streams.values())
    assert (resyncs == 0) is (harms in {("repeat",), ("anew",)})  # these cost nothing
    assert max(world.requests for world in worlds) < 60


class Live:
    """A book over real sockets, judged at every change, and what each harm costs."""

    SYMBOL = "BTC/USDT:USDT"

    def __init__(self, rows: int) -> None:
        self.rows = rows
        specs = [GateSide.spec_of(s) for s in (self.SYMBOL, "ETH/USDT:USDT")]
        self.market = MarketModel(specs, seed=2, levels=120, warmup_ticks=20)
        self.truth: dict[int | None, list[list[tuple[float, float]]]] = {}
        self.seen: list[int | None] = []
        self.note()
        self.market.subscribe(self.note)

    def note(self, event: Event | None = None) -> None:
        """Remember what the present number stands for."""
        if event is None or type(event) is Delta:
            now = self.market.book(self.SYMBOL, self.rows)
            sides = now.bids, now.asks
            self.truth[now.last_id] = [[(float(p), float(q)) for p, q in side] for side in sides]

    async def read(self, ex: unified_ws.Exchange, channel: str) -> None:
        """Judge every book."""
        async for book in ex.stream_order_book(self.SYMBOL, params={"name": channel}):
            assert [list(book.bids), list(book.asks)] == self.truth[book.nonce]
            self.seen.append(book.nonce)

    async def healed(self, venue: FakeVenue) -> None:
        """Let the market move until its newest state has been seen."""
        for _ in range(500):
            if self.seen and self.seen[-1] == self.market.book(self.SYMBOL).last_id:
                return
            await venue.step()
            for _ in range(100):
                await asyncio.sleep(0)
        raise AssertionError("the book never came back")

    async def cost(self, venue: FakeVenue, harm: Callable[[], Any]) -> tuple[int, int]:
        """Return how many requests it took to heal: on the socket, and of REST."""
        stats = venue.stats
        await venue.step(3)
        await self.healed(venue)
        before = len(stats.requests), len(stats.rest)
        result = harm()
        if asyncio.iscoroutine(result):
            await result
            self.note()
        await venue.step(3)
        await self.healed(venue)
        return len(stats.requests) - before[0], len(stats.rest) - before[1]


@pytest.mark.parametrize(
    ("channel", "stream", "rows", "loss"),
    [  # to leave and come back, or to ask REST
        ("obu", "ob.BTC_USDT.400", 400, (2, 0)),
        ("order_book_update", "BTC_USDT:100ms:100", 100, (0, 1)),
    ],
)
async def test_a_book_survives_what_happens_on_sockets(
    channel: str, stream: str, rows: int, loss: tuple[int, int]
) -> None:
    """The same over real sockets: losses heal by themselves, and nothing untrue is seen."""
    live, topic = Live(rows), f"usdt|futures.{channel}:{stream}"
    async with (
        FakeVenue("gate", market=live.market, paused=True) as venue,
        unified_ws.exchange("gate", {"gateway": venue.gateway, "enableRateLimit": False}) as ex,
    ):
        await ex.load_markets()
        task = asyncio.ensure_future(live.read(ex, channel))
        await venue.until(lambda: topic in venue.topics)
        assert await live.cost(venue, lambda: venue.repeat(topic)) == (0, 0)
        assert await live.cost(venue, lambda: venue.restart(live.SYMBOL)) == (0, 0)  # `full`
        assert await live.cost(venue, lambda: venue.lose(topic)) == loss
        assert await live.cost(venue, lambda: venue.swap(topic)) == loss
        assert not task.done()
        task.cancel()
        assert venue.stats.connections == 1
        assert venue.stats.violations == []
        assert (ex.quarantined(), ex.gaps()) == ([], [])
