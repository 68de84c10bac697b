"""Books of Bybit under attack: what is handed out is the venue's own, or nothing is.

Updates count by one for each topic; a restart begins again at 1, with a snapshot or without
(6.1). The venue shows a window of a deeper book. The whole engine is driven here, by hand and
without sockets, against a venue that does all that; then once over the fake. Section numbers are
those of the protocol sheet.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

import unified_ws
from tests.support import until
from unified_ws import adapter as ws
from unified_ws.core.actions import DialLink, HangUp, Send
from unified_ws.core.books import BookStream
from unified_ws.core.engine import Engine
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import Delta, Event
from unified_ws.testing.venues.bybit import Bybit as Side
from unified_ws.venues.bybit import VENUE, Bybit

NAME, SYMBOL = "BTCUSDT", "BTC/USDT:USDT"
TOPICS = {"orderbook.50.BTCUSDT": 50, "orderbook.200.BTCUSDT": 200, "orderbook.1.BTCUSDT": 1}
CASES, STEPS, PEACE = 60, 30, 200
Rows = list[tuple[float, float]]
Window = tuple[Rows, Rows]
"""The best bids and asks, best first."""


class Telling:
    """What one topic has told so far: its count, and the window it has shown."""

    def __init__(self, depth: int, number: int) -> None:
        self.depth = depth
        self.number = number
        self.shown: Window = ([], [])
        self.held = False
        self.greets_in = -1
        self.states: dict[int, Window] = {}


class World:
    """A true book, a venue that shows windows of it, a network that harms, and the engine.

    Args:
        seed: Of everything random.
    """

    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        self.now, self.ms = 0.0, 1_800_000_000_000
        # Deeper than what is shown: levels leave the window and enter it.
        self.sides: tuple[dict[float, float], dict[float, float]] = (
            {float(price): 1.0 for price in range(900, 960)},
            {float(price): 1.0 for price in range(1000, 1060)},
        )
        # 6.1: nobody has documented whether a level that leaves is told.
        self.tells_what_leaves = rng.random() < 0.5
        self.tellings = {t: Telling(d, rng.randrange(10**6, 10**7)) for t, d in TOPICS.items()}
        for telling in self.tellings.values():
            telling.shown = self.window(telling.depth)
        self.way: deque[tuple[bytes, str]] = deque()  # frames, and the topics of those with data
        self.link = self.requests = self.valid = self.absent = self.restarts = 0
        self.engine = Engine(Bybit(), VENUE, jitter=lambda _: 0.0, markets=lambda _: {NAME: SYMBOL}.get)
        market = ws.Market(SYMBOL, NAME, "swap", "BTC", "USDT", "USDT", linear=True, inverse=False)
        self.streams: dict[str, BookStream] = {}
        for topic, depth in TOPICS.items():
            sub = ws.Sub(ws.Kind.BOOK, market, "swap", depth=depth, channel={"depth": ""})
            stream = self.engine.stream(sub, self.now)
            assert isinstance(stream, BookStream)
            assert stream.topics == (topic,)
            self.engine.hold(stream, "reader", self.now)
            self.streams[topic] = stream
        self.perform()

    # --- the venue

    def window(self, depth: int) -> Window:
        """Return the best levels."""
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]

    def move(self) -> None:
        """Change some levels, near the best ones and far from them; tell whoever listens."""
        for _ in range(self.rng.randrange(1, 5)):
            side = self.rng.randrange(2)
            price = float(self.rng.randrange(880, 962) if side == 0 else self.rng.randrange(998, 1080))
            amount = self.rng.choice((0.0, 1.0, 2.5))
            if amount:
                self.sides[side][price] = amount
            elif len(self.sides[side]) > 55:
                self.sides[side].pop(price, None)
        self.ms += self.rng.randrange(1, 400)
        for topic, telling in self.tellings.items():
            self.tell(topic, telling)

    def tell(self, topic: str, telling: Telling) -> None:
        """Tell what has changed in sight: a patch, or everything on depth 1."""
        before, after = telling.shown, self.window(telling.depth)
        # Counted whether or not this client listens: a repeat of depth 1 has the same number.
        telling.number += before != after
        telling.shown = after
        if not telling.held:
            return
        telling.greets_in -= telling.greets_in >= 0
        if telling.greets_in == 0 or (telling.greets_in < 0 and self.rng.random() < 0.02):
            telling.greets_in = -1
            self.say(topic, telling, "snapshot", after)  # 6.1: any later one replaces the book
        elif telling.depth == 1:
            self.say(topic, telling, "snapshot", after)
        elif before != after:
            self.say(topic, telling, "delta", self.changes(before, after))

    def changes(self, before: Window, after: Window) -> Window:
        """Return the levels that differ."""
        found: list[Rows] = []
        for side, (old, new) in enumerate(zip(before, after, strict=True)):
            known, shown = dict(old), dict(new)
            rows = [row for row in new if known.get(row[0]) != row[1]]
            gone = [p for p in known if p not in shown]
            rows += [(p, 0.0) for p in gone if self.tells_what_leaves or p not in self.sides[side]]
            found.append(rows)
        return found[0], found[1]

    def say(self, topic: str, telling: Telling, kind: str, rows: Window) -> None:
        """Put a frame of a book on its way."""
        data = {
            "s": NAME, "b": [[str(p), str(q)] for p, q in rows[0]],
            "a": [[str(p), str(q)] for p, q in rows[1]], "u": telling.number, "seq": self.ms,
        }  # fmt: skip
        self.ms += 1
        telling.states[self.ms] = telling.shown
        frame = {"topic": topic, "type": kind, "ts": self.ms, "data": data, "cts": self.ms}
        self.way.append((msgspec.json.encode(frame), topic))

    def restart(self) -> None:
        """Begin to count anew: with a snapshot, with a patch, or without a word; but only once.

        Twice within a few updates, no number could tell one count from the other.
        """
        if self.restarts:
            return
        self.restarts += 1
        manner = self.rng.choice(("snapshot", "delta", "nothing"))
        for topic, telling in self.tellings.items():
            telling.number = 1
            if telling.held and telling.depth > 1 and manner != "nothing":
                rows = telling.shown if manner == "snapshot" else ([], [])
                self.say(topic, telling, manner, rows)

    def take(self, raw: bytes) -> None:
        """Carry out a request."""
        request = msgspec.json.decode(raw)
        if request["op"] == "ping":
            words = {"success": True, "ret_msg": "pong", "req_id": request["req_id"], "op": "ping"}
            self.way.append((msgspec.json.encode(words), ""))
            return
        self.requests += 1
        answer = {"success": True, "ret_msg": "", "req_id": request["req_id"], "op": request["op"]}
        if request["op"] == "unsubscribe":
            for topic in request["args"]:
                self.tellings[topic].held = False
        again = [topic for topic in request["args"] if self.tellings[topic].held]
        if again:
            answer |= {"success": False, "ret_msg": f"error:already subscribed,topic:{again[0]}"}
        self.way.append((msgspec.json.encode(answer), ""))
        for topic in request["args"] if request["op"] == "subscribe" and not again else ():
            telling = self.tellings[topic]
            telling.held = True
            telling.greets_in = self.rng.randrange(1, 4)  # patches may come before the snapshot
            if telling.greets_in == 1:
                telling.greets_in = -1
                self.say(topic, telling, "snapshot", telling.shown)

    # --- the network

    def deliver(self, harm: Callable[[], str]) -> None:
        """Let the next frame arrive, if it does; answers are never harmed."""
        frame, topic = self.way.popleft()
        what = harm() if topic else ""
        if what == "drop":
            return
        following = [n for n, (_, theirs) in enumerate(self.way) if theirs == topic]
        if what == "swap" and following:
            self.way[following[0]], frame = (frame, topic), self.way[following[0]][0]
        self.arrive(frame)
        if what == "repeat":
            self.arrive(frame)
        if what == "late":  # once more, when the book has gone on
            self.way.insert(min(len(self.way), self.rng.randrange(1, 9)), (frame, topic))

    def arrive(self, frame: bytes) -> None:
        """Hand a frame to the engine, and judge every book."""
        if not self.link:
            return  # the connection has been given up
        self.engine.received(self.engine.links[self.link], frame, self.now, 1)
        self.perform()
        for topic, stream in self.streams.items():
            book = stream.current()
            if book is None:
                self.absent += 1
                continue
            self.valid += 1
            assert book.timestamp_ms is not None
            truth = self.tellings[topic].states[book.timestamp_ms]
            assert (book.level_bids(None), book.level_asks(None)) == truth, topic

    def cut(self) -> None:
        """Lose the connection."""
        if self.link:
            link, self.link = self.link, 0
            self.forget()
            self.engine.lost(self.engine.links[link], self.now, "cut", code=1006)
            self.perform()

    def forget(self) -> None:
        """A new connection holds nothing, and nothing of the old one arrives."""
        self.way.clear()
        for telling in self.tellings.values():
            telling.held, telling.greets_in = False, -1

    # --- the shell

    def perform(self) -> None:
        """Do what the engine wants."""
        while self.engine.actions:
            actions, self.engine.actions = self.engine.actions, []
            for action in actions:
                match action:
                    case DialLink():
                        self.link = action.link
                        self.engine.opened(self.engine.links[action.link], self.now, wall_ns=1)
                    case HangUp():
                        self.link = 0
                        self.forget()
                    case Send() if action.link == self.link:
                        self.take(action.frame)

    def step(self, harm: Callable[[], str], moves: int, seconds: float = 0.1) -> None:
        """Let a little time pass."""
        self.now += seconds
        self.ms += int(seconds * 1000)
        self.engine.tick(self.now)
        self.perform()
        for _ in range(moves):
            self.move()
        for _ in range(self.rng.randrange(2, 9)):
            if self.way:
                self.deliver(harm)


def play(seed: int, harms: Sequence[str], share: float, restarts: float) -> World:
    """Play one case: trouble, then peace, in which every book must come back."""
    world = World(seed)
    rng = world.rng

    def harm() -> str:
        return rng.choice(harms) if harms and rng.random() < share else ""

    for _ in range(STEPS):
        world.step(harm, rng.randrange(3))
        if "cut" in harms and rng.random() < share / 4:
            world.cut()
        if rng.random() < restarts:
            world.restart()
    for second in range(PEACE):
        # A move a second: what was lost or counted anew before shows in the next update.
        world.step(lambda: "", moves=1, seconds=1.0)
        if second > 14 and not world.way and all(map(up_to_date, [world] * 3, TOPICS)):
            return world
    raise AssertionError({topic: stream.reason for topic, stream in world.streams.items()})


def up_to_date(world: World, topic: str) -> bool:
    """Say whether a book is there and shows what the venue shows."""
    book = world.streams[topic].current()
    telling = world.tellings[topic]
    return book is not None and (book.level_bids(None), book.level_asks(None)) == telling.shown


@pytest.mark.parametrize(
    ("harms", "share", "restarts"),
    [
        ((), 0.0, 0.0),
        (("repeat",), 0.3, 0.0),
        (("drop",), 0.05, 0.0),
        (("swap", "late"), 0.1, 0.0),
        ((), 0.0, 0.1),
        (("drop", "repeat", "late", "swap", "cut"), 0.1, 0.05),
    ],
)
def test_books_are_true_or_not_there(harms: tuple[str, ...], share: float, restarts: float) -> None:
    """6.1: every book after every frame, in hundreds of cases; it always comes back."""
    worlds = [play(seed, harms, share, restarts) for seed in range(CASES)]
    valid, absent = (sum(getattr(world, name) for world in worlds) for name in ("valid", "absent"))
    resyncs = sum(stream.resyncs for world in worlds for stream in world.streams.values())
    assert valid > 40 * CASES  # most of the time there is a book
    assert absent > 0
    assert {world.tells_what_leaves for world in worlds} == {True, False}
    # A repeat costs nothing; a loss, a wrong order or a restart is seen.
    assert (resyncs == 0) is (not restarts and set(harms) <= {"repeat"})
    assert max(world.requests for world in worlds) < 60
    assert (sum(world.restarts for world in worlds) > CASES / 2) is (restarts > 0)


@pytest.mark.parametrize(("manner", "requests"), [("snapshot", 0), ("delta", 2)])
async def test_a_book_survives_what_happens_on_sockets(manner: str, requests: int) -> None:
    """The same over real sockets: losses heal by themselves, and nothing untrue is seen."""
    topic, depth = "linear|orderbook.50.BTCUSDT", 50
    market = MarketModel([Side.spec_of(SYMBOL)], seed=2, levels=80, warmup_ticks=20)
    truth: dict[int, list[Rows]] = {}
    seen: list[int] = []

    class Restarting(Side):
        restarts_with = manner  # type: ignore[assignment]  # one of the two

    def note(event: Event | None = None) -> None:
        if event is None or type(event) is Delta:
            book = market.book(SYMBOL, depth)
            sides = book.bids, book.asks
            truth[market.now_ms] = [[(float(p), float(q)) for p, q in side] for side in sides]

    async def read(ex: unified_ws.Exchange) -> None:
        async for book in ex.stream_order_book(SYMBOL, depth):
            assert book.timestamp_ms is not None
            assert [list(book.bids), list(book.asks)] == truth[book.timestamp_ms]
            seen.append(book.timestamp_ms)

    note()
    market.subscribe(note)
    async with (
        FakeVenue(Restarting, market=market, paused=True) as venue,
        unified_ws.exchange("bybit", {"gateway": venue.gateway, "enableRateLimit": False}) as ex,
    ):
        await ex.load_markets()
        task = asyncio.ensure_future(read(ex))
        await until(lambda: bool(seen))

        async def healed() -> None:
            """Let the market move until a state of after this moment has been seen."""
            begun = market.now_ms
            while seen[-1] <= begun:
                assert not task.done(), task.exception()
                await venue.step()
                for _ in range(100):
                    await asyncio.sleep(0)

        async def requests_of(harm: Callable[[], Any]) -> int:
            await healed()
            before = len(venue.stats.requests)
            result = harm()
            if asyncio.iscoroutine(result):
                await result
            await venue.step(3)
            await healed()
            await healed()
            return len(venue.stats.requests) - before

        assert await requests_of(lambda: venue.repeat(topic)) == 0
        assert await requests_of(lambda: venue.restart(SYMBOL)) == requests
        # One to leave, one to come back.
        assert await requests_of(lambda: venue.lose(topic)) == 2
        assert await requests_of(lambda: venue.swap(topic)) == 2
        task.cancel()
        assert venue.stats.connections == 1
        assert venue.stats.violations == []
        assert (ex.quarantined(), ex.gaps()) == ([], [])
