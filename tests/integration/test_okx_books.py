"""Books of OKX under attack: what is handed out is the venue's own, or nothing is.

Each update names the one before it; ids may stand still or fall (6.3). Before there were ids, a
checksum over 25 levels was the proof (6.6). The whole engine is driven here, by hand and without
sockets, against a venue that can do all that; then once over the fake. Section numbers are those
of the protocol sheet.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import deque
from collections.abc import Callable, Mapping
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
from unified_ws.testing.market import Delta, Event, spec_of
from unified_ws.venues.okx import VENUE, Okx

IDS = ("BTC-USDT", "ETH-USDT-SWAP")
SYMBOLS = {"BTC-USDT": "BTC/USDT", "ETH-USDT-SWAP": "ETH/USDT:USDT"}
CASES, STEPS = 150, 30
PEACE_S = 300
Sides = tuple[Mapping[str, str], Mapping[str, str]]
"""Bids and asks: amounts by price, both as texts."""


class Frame:
    """A frame on its way, and what the book was when it was sent."""

    def __init__(self, raw: bytes, market: str = "", truth: Sides | None = None) -> None:
        self.raw = raw
        self.market = market
        self.truth = truth


class TrueBook:
    """A book, the number of its last change, and every state that a number ever stood for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sides: tuple[dict[str, str], dict[str, str]] = ({"9": "1"}, {"21": "1"})
        self.number = 1_000_000
        self.floor = self.number
        self.states: dict[int, Sides] = {}
        self.note()

    def note(self) -> None:
        """Remember what the present number stands for."""
        self.states[self.number] = self.copy()

    def copy(self) -> Sides:
        """Return the present state."""
        return dict(self.sides[0]), dict(self.sides[1])

    def change(self) -> tuple[list[list[str]], list[list[str]]]:
        """Change up to three levels; the book never crosses, and never runs empty."""
        rng, rows = self.rng, ([], [])  # type: tuple[random.Random, tuple[list[Any], list[Any]]]
        for _ in range(rng.randrange(1, 4)):
            side = rng.randrange(2)
            price = str(rng.randrange(1, 11) + 20 * side)
            amount = rng.choice(("0", "1", "2.50"))
            if amount != "0":
                self.sides[side][price] = amount
            elif len(self.sides[side]) == 1 or self.sides[side].pop(price, None) is None:
                continue
            rows[side].append([price, amount, "0", "1"])
        return rows

    def on(self, *, falls: bool = False) -> int:
        """Count on, not always by one; or fall, as after maintenance. Return the number before."""
        before = self.number
        if falls:
            self.floor -= 10_000
            self.number = self.floor
        else:
            self.number += self.rng.randrange(1, 6)
        return before


class World:
    """The true books, a venue that tells of them, a network that harms, and the engine.

    Args:
        seed: Of everything random.
        numbered: Whether updates have ids, as they have today, or real checksums, as until 2022.
    """

    def __init__(self, seed: int, *, numbered: bool) -> None:
        self.rng = random.Random(seed)
        self.numbered = numbered
        self.now = 0.0
        self.books = {market: TrueBook(self.rng) for market in IDS}
        self.held: set[str] = set()
        self.way: deque[Frame] = deque()
        self.link = 0
        self.requests = self.valid = self.absent = 0
        self.engine = Engine(Okx(), VENUE, jitter=lambda _: 0.0, markets=lambda _: SYMBOLS.get)
        self.streams: dict[str, BookStream] = {}
        for id_, symbol in SYMBOLS.items():
            sub = ws.Sub(ws.Kind.BOOK, ws.Market(symbol, id_), channel={"depth": "books"})
            stream = self.engine.stream(sub, self.now)
            assert isinstance(stream, BookStream)
            self.engine.hold(stream, "reader", self.now)
            self.streams[id_] = stream
        self.perform()

    # --- the venue

    def say(self, market: str, action: str, rows: tuple[Any, Any], before: int) -> None:
        """Put a frame of a book on its way."""
        book = self.books[market]
        row: dict[str, Any] = {"asks": rows[1], "bids": rows[0], "ts": str(int(self.now * 1000))}
        if self.numbered:
            row |= {"checksum": 0, "prevSeqId": before, "seqId": book.number}
        else:
            row["checksum"] = checksum(book.sides)
        frame = {"arg": {"channel": "books", "instId": market}, "action": action, "data": [row]}
        self.way.append(Frame(msgspec.json.encode(frame), market, book.copy()))

    def greet(self, market: str) -> None:
        """Tell a whole book."""
        sides = self.books[market].sides
        rows = tuple([[p, a, "0", "1"] for p, a in side.items()] for side in sides)
        self.say(market, "snapshot", (rows[0], rows[1]), -1)

    def move(self, market: str = "") -> None:
        """Let a book change, stand still for a minute, or fall; tell whoever holds it."""
        market = market or self.rng.choice(IDS)
        book, chance = self.books[market], self.rng.random()
        if chance < 0.1:
            rows: tuple[Any, Any] = ([], [])
            before = book.number
        else:
            rows = book.change()
            before = book.on(falls=chance < 0.2)
        book.note()
        if market in self.held:
            self.say(market, "update", rows, before)

    def take(self, raw: bytes) -> None:
        """Carry out a request; data may come before its acknowledgement (4)."""
        if raw == b"ping":
            self.way.append(Frame(b"pong"))
            return
        request = msgspec.json.decode(raw)
        self.requests += 1
        for arg in request["args"]:
            eager = self.rng.random() < 0.3
            begins = request["op"] == "subscribe" and arg["instId"] not in self.held
            if begins:
                self.held.add(arg["instId"])
            if request["op"] == "unsubscribe":
                self.held.discard(arg["instId"])
            if begins and eager:
                self.greet(arg["instId"])
            answer = {"id": request["id"], "event": request["op"], "arg": arg}
            self.way.append(Frame(msgspec.json.encode(answer)))
            if begins and not eager:
                self.greet(arg["instId"])

    # --- the network

    def deliver(self, harm: Callable[[], str]) -> None:
        """Let the next frame arrive, if it does; answers are never harmed, data is."""
        frame = self.way.popleft()
        what = harm() if frame.market else ""
        if what == "drop":
            return
        if what == "swap" and self.way and self.way[0].market:
            self.arrive(self.way.popleft())
        self.arrive(frame)
        if what == "repeat":
            self.arrive(frame)
        if what == "late":  # once more, when the book has gone on
            self.way.insert(min(len(self.way), self.rng.randrange(1, 6)), frame)

    def arrive(self, frame: Frame) -> None:
        """Hand a frame to the engine, and judge every book."""
        if not self.link:
            return  # the connection has been given up
        self.engine.received(self.engine.links[self.link], frame.raw, self.now, 1)
        self.perform()
        for market, stream in self.streams.items():
            book = stream.current()
            if book is None:
                self.absent += 1
                continue
            self.valid += 1
            if self.numbered:
                assert book.nonce is not None
                assert same(stream, self.books[market].states[book.nonce]), market
            elif frame.market == market:
                assert frame.truth is not None
                assert same(stream, frame.truth), market

    def cut(self) -> None:
        """Lose the connection."""
        if self.link:
            link, self.link = self.link, 0
            self.held.clear()
            self.way.clear()
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
                        self.link = action.link
                        self.engine.opened(self.engine.links[action.link], self.now, wall_ns=1)
                    case HangUp():
                        self.link = 0
                        self.held.clear()
                        self.way.clear()
                    case Send() if action.link == self.link:
                        self.take(action.frame)

    def step(self, harm: Callable[[], str], moves: int, seconds: float = 0.1) -> None:
        """Let a little time pass."""
        self.now += seconds
        self.engine.tick(self.now)
        self.perform()
        for _ in range(moves):
            self.move()
        for _ in range(self.rng.randrange(1, 5)):
            if self.way:
                self.deliver(harm)


def checksum(sides: Sides) -> int:
    """Compute the venue's checksum anew: best 25 of both sides in turn (6.6)."""
    bids = sorted(sides[0].items(), key=lambda row: -float(row[0]))[:25]
    asks = sorted(sides[1].items(), key=lambda row: float(row[0]))[:25]
    parts = []
    for number in range(max(len(bids), len(asks))):
        for side in (bids, asks):
            parts += side[number : number + 1]
    value = zlib.crc32(":".join(f"{price}:{amount}" for price, amount in parts).encode())
    return value - 2**32 if value >= 2**31 else value


def same(stream: BookStream, truth: Sides) -> bool:
    """Say whether a book equals a state."""
    sides = stream.sync.book.bids.amounts, stream.sync.book.asks.amounts
    return all(
        mine == {float(price): float(amount) for price, amount in side.items()}
        for mine, side in zip(sides, truth, strict=True)
    )


def sound() -> str:
    """Harm nothing."""
    return ""


def play(seed: int, harms: tuple[str, ...], share: float, *, numbered: bool) -> World:
    """Play one case: trouble, then peace, in which every book must come back."""
    world = World(seed, numbered=numbered)
    rng = world.rng

    def harm() -> str:
        return rng.choice(harms) if rng.random() < share else ""

    for _ in range(STEPS):
        world.step(harm, rng.randrange(3))
        if "cut" in harms and rng.random() < share / 4:
            world.cut()
    for second in range(PEACE_S):
        for market in IDS if second == 1 else ():
            world.move(market)  # this one tells of what was lost before it
        world.step(sound, moves=0, seconds=1.0)
        if second > 3 and not world.way and all(s.valid for s in world.streams.values()):
            break
    for market, stream in world.streams.items():
        assert stream.valid, stream.reason
        assert same(stream, world.books[market].copy()), market
    return world


@pytest.mark.parametrize("numbered", [True, False], ids=["ids", "checksums"])
@pytest.mark.parametrize(
    ("harms", "share"),
    [
        (("drop",), 0.05),
        (("repeat",), 0.3),
        (("late",), 0.1),
        (("swap",), 0.05),
        (("drop", "repeat", "late", "swap", "cut"), 0.1),
    ],
)
def test_books_are_true_or_not_there(harms: tuple[str, ...], share: float, numbered: bool) -> None:
    """6.3: every book after every frame, in hundreds of cases of each harm."""
    worlds = [play(seed, harms, share, numbered=numbered) for seed in range(CASES)]
    valid, absent = (sum(getattr(w, name) for w in worlds) for name in ("valid", "absent"))
    assert valid > 40 * CASES  # most of the time there is a book
    resyncs = sum(stream.resyncs for world in worlds for stream in world.streams.values())
    assert absent > 0
    assert (resyncs == 0) is (harms == ("repeat",))  # a repeat costs nothing
    assert max(world.requests for world in worlds) < 100  # of 480 an hour (2)


async def test_a_book_survives_what_happens_on_sockets() -> None:
    """The same over real sockets: losses heal by themselves, and nothing untrue is seen."""
    symbol, topic = "BTC/USDT", "books:BTC-USDT"
    market = MarketModel([spec_of(symbol), spec_of("ETH/USDT")], seed=2, levels=60, warmup_ticks=20)
    truth: dict[int | None, list[list[tuple[float, float]]]] = {}
    seen: list[int | None] = []

    def note(event: Event | None = None) -> None:
        if event is None or type(event) is Delta:
            book = market.book(symbol)
            sides = book.bids, book.asks
            truth[book.last_id] = [[(float(p), float(q)) for p, q in side] for side in sides]

    async def read(ex: unified_ws.Exchange) -> None:
        async for book in ex.stream_order_book(symbol):
            assert [list(book.bids), list(book.asks)] == truth[book.nonce]
            seen.append(book.nonce)

    note()
    market.subscribe(note)
    async with (
        FakeVenue("okx", market=market, paused=True) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        task = asyncio.ensure_future(read(ex))
        await until(lambda: bool(seen))

        async def healed() -> None:
            """Let the market move until its newest state has been seen."""
            while seen[-1] != market.book(symbol).last_id:
                assert not task.done(), task.exception()
                await venue.step()
                for _ in range(100):
                    await asyncio.sleep(0)

        async def resyncs_of(harm: Callable[[], Any]) -> int:
            before = len(venue.stats.requests)
            await venue.step(3)
            await healed()
            result = harm()
            if asyncio.iscoroutine(result):
                await result
                note()
            await venue.step(3)
            await healed()
            return len(venue.stats.requests) - before

        assert await resyncs_of(lambda: venue.repeat(topic)) == 0
        # 6.3: lower ids that go on where the last one ended are no gap.
        assert await resyncs_of(lambda: venue.restart(symbol)) == 0
        # One to leave, one to come back.
        assert await resyncs_of(lambda: venue.lose(topic)) == 2
        assert await resyncs_of(lambda: venue.swap(topic)) == 2
        task.cancel()
        assert venue.stats.connections == 1
        assert venue.stats.violations == []
        assert (ex.quarantined(), ex.gaps()) == ([], [])
