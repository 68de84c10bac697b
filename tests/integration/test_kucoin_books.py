"""Books of KuCoin under attack: what is handed out was the venue's own book, or nothing is.

Three kinds of streams, each through the adapter's own reading of frames: changes of spot (several
in a frame, in any order, some of which only count on; 8.1), changes of futures (one in a frame;
8.2), and UTA's `increment@10ms`, whose first state comes late and in the stream (8.4). First
thousands of cases without sockets, then each kind once over the fake. Section numbers are those
of the sheet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

import unified_ws
from tests.support import until
from unified_ws import adapter as ws
from unified_ws.core.book import BookSync, Verdict
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import Delta, Event
from unified_ws.testing.venues.kucoin import KuCoin as Side
from unified_ws.venues.kucoin import KuCoin

KUCOIN = KuCoin()
SPOT = ws.Market("BTC/USDT", "BTC-USDT", "spot", "BTC", "USDT")
SWAP = ws.Market("BTC/USDT:USDT", "XBTUSDTM", "swap", "BTC", "USDT", "USDT")
SYMBOLS = {"BTC-USDT": "BTC/USDT", "XBTUSDTM": "BTC/USDT:USDT"}
CASES, STEPS, PEACE = 200, 30, 60
State = tuple[dict[float, float], dict[float, float]]
Change = tuple[int, int, float, float]
"""Sequence, side (0 for bids), price, size."""


class TrueBook:
    """A book, and every state that a sequence ever stood for."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sides: State = ({9.0: 1.0}, {21.0: 1.0})
        self.number = 10**9
        self.at_ms = 1_700_000_000_000
        self.states: dict[int, State] = {}
        self.note()

    def note(self) -> None:
        """Remember what the present sequence stands for."""
        self.states[self.number] = self.copy()

    def copy(self) -> State:
        """Return the present state."""
        return dict(self.sides[0]), dict(self.sides[1])

    def change(self) -> Change:
        """Change one level, or none; the book never crosses, and never runs empty."""
        rng = self.rng
        side, size = rng.randrange(2), rng.choice((0.0, 1.0, 2.5))
        price = float(rng.randrange(1, 11) + 20 * side)
        levels = self.sides[side]
        if rng.random() < 0.15 or (not size and (len(levels) == 1 or price not in levels)):
            price = size = 0.0  # an order that rests in no level
        elif size:
            levels[price] = size
        else:
            del levels[price]
        self.number += 1
        self.note()
        return self.number, side, price, size

    def restart(self) -> None:
        """Count anew, from far below."""
        self.number -= 10**7
        self.note()


class World:
    """A true book, a venue that tells of it, a network that harms, and a book that follows.

    Where the first state comes by REST it is asked for as the core does: once changes flow.
    """

    streamed = False
    market = SPOT

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.book = TrueBook(self.rng)
        self.sync = BookSync(self.market.symbol, "stream" if self.streamed else "rest")
        self.way: list[bytes] = []
        self.answer: tuple[int, ws.BookUpdate] | None = None
        self.step = self.valid = self.absent = self.asked = self.gaps = 0

    # --- the venue

    def frames(self, changes: list[Change]) -> list[bytes]:
        """Tell of changes of spot: by price, not by sequence (8.1)."""
        rows: tuple[list[list[str]], list[list[str]]] = ([], [])
        for number, side, price, size in changes:
            rows[side].append([f"{price:g}", f"{size:g}", str(number)])
        for side_rows in rows:
            side_rows.sort(key=lambda row: (float(row[0]), self.rng.random()))
        data = {
            "changes": {"asks": rows[1], "bids": rows[0]}, "sequenceStart": changes[0][0],
            "sequenceEnd": changes[-1][0], "symbol": "BTC-USDT", "time": self.book.at_ms,
        }  # fmt: skip
        return [_frame("/market/level2:BTC-USDT", "trade.l2update", data)]

    def state(self) -> ws.BookUpdate:
        """Answer REST, in the middle of a frame's changes if it so happens."""
        last = self.book.number
        known = [number for number in range(last - 3, last + 1) if number in self.book.states]
        number = self.rng.choice(known)
        bids, asks = self.book.states[number]
        data = {
            "sequence": str(number), "time": self.book.at_ms,
            "bids": [[f"{p:g}", f"{q:g}"] for p, q in bids.items()],
            "asks": [[f"{p:g}", f"{q:g}"] for p, q in asks.items()],
        }  # fmt: skip
        state: ws.BookUpdate = KUCOIN.snapshot({"data": data}, self.market)
        return state

    def move(self) -> None:
        """Let some changes happen, and put what tells of them on its way."""
        self.book.at_ms += self.rng.randrange(200)
        self.way += self.frames([self.book.change() for _ in range(self.rng.randrange(1, 5))])

    # --- the network

    def deliver(self, harm: Callable[[], str]) -> None:
        """Let the next frame arrive, if it does."""
        frame, what = self.way.pop(0), harm()
        if what == "drop":
            return
        if what == "swap" and self.way:
            self.arrive(self.way.pop(0))
        self.arrive(frame)
        if what == "repeat":
            self.arrive(frame)
        if what == "late" and b'"snapshot"' not in frame:  # once more, when the book has gone on
            self.way.insert(min(len(self.way), self.rng.randrange(1, 6)), frame)

    # --- the follower

    def arrive(self, frame: bytes) -> None:
        """Feed a frame, and judge the book."""
        at = "uta_spot" if self.streamed else "futures" if self.market is SWAP else "spot"
        (batch,) = KUCOIN.decode(frame, at, SYMBOLS.get)
        assert isinstance(batch, ws.Batch)
        for update in batch.events:
            assert isinstance(update, ws.BookUpdate)
            self.took(self.sync.feed(update))

    def took(self, verdict: Verdict) -> None:
        """Do what the core does after an update."""
        if verdict is Verdict.GAP:
            self.gaps += 1
        if verdict in (Verdict.GAP, Verdict.BUFFERED, Verdict.TOO_OLD):
            self.begin(anew=verdict is not Verdict.BUFFERED)
        if not self.sync.valid:
            self.absent += 1
            return
        self.valid += 1
        book = self.sync.book
        assert book.nonce is not None
        assert (book.bids.amounts, book.asks.amounts) == self.book.states[book.nonce]

    def begin(self, *, anew: bool) -> None:
        """Ask for a state, which may be old when it arrives; `anew`: what was asked is too old."""
        if self.answer is None or anew:
            self.asked += 1
            self.answer = (self.step + self.rng.randrange(1, 4), self.state())

    def on(self, harm: Callable[[], str], moves: int) -> None:
        """Let a little time pass."""
        self.step += 1
        for _ in range(moves):
            self.move()
        for _ in range(self.rng.randrange(1, 5)):
            if self.way:
                self.deliver(harm)
        if self.answer is not None and self.answer[0] <= self.step:
            state, self.answer = self.answer[1], None
            self.took(self.sync.feed(state))


class Futures(World):
    """Section 8.2: one change a frame."""

    market = SWAP

    def frames(self, changes: list[Change]) -> list[bytes]:
        """Tell of changes of futures."""
        topic = "/contractMarket/level2:XBTUSDTM"
        return [
            _frame(topic, "level2", {
                "sequence": number, "change": f"{price:g},{('buy', 'sell')[side]},{size:g}",
                "timestamp": self.book.at_ms,
            })
            for number, side, price, size in changes
        ]  # fmt: skip


class Unified(World):
    """Section 8.4: the first state comes in the stream, some time after the answer."""

    streamed = True

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.due: int | None = 0

    def frames(self, changes: list[Change]) -> list[bytes]:
        """Tell of the last state of each level."""
        rows: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for _number, side, price, size in changes:
            if price:
                rows[side][f"{price:g}"] = f"{size:g}"
        return [self.told("delta", changes[0][0], [*rows[0].items()], [*rows[1].items()])]

    def told(self, kind: str, first: int, bids: list[Any], asks: list[Any]) -> bytes:
        """Write a frame."""
        data = {
            "a": asks, "b": bids, "s": "BTC-USDT", "C": self.book.number, "O": first,
            "M": str(self.book.at_ms * 1_000_000),
        }  # fmt: skip
        head = {"T": "obu.SPOT", "dp": "increment@10ms", "t": kind, "P": "1789999999123456789"}
        return msgspec.json.encode({**head, "d": data})

    def begin(self, *, anew: bool) -> None:
        """Subscribe anew: what is on its way arrives nevertheless."""
        if self.due is None and anew:
            self.asked += 1
            self.due = self.step + self.rng.randrange(1, 6)

    def on(self, harm: Callable[[], str], moves: int) -> None:
        """Let a little time pass."""
        super().on(harm, moves)
        if self.due is not None and self.due <= self.step:
            self.due = None
            sides = ([[f"{p:g}", f"{q:g}"] for p, q in side.items()] for side in self.book.sides)
            self.way.append(self.told("snapshot", self.book.number, *sides))


def _frame(topic: str, subject: str, data: Mapping[str, Any]) -> bytes:
    head = {"topic": topic, "type": "message", "subject": subject}
    return msgspec.json.encode({**head, "data": data})


def play(world: World, harms: tuple[str, ...], share: float, *, restarts: bool) -> None:
    """Play one case: trouble, then peace, after which the book must be the present one."""
    rng = world.rng

    def harm() -> str:
        return rng.choice(harms) if harms and rng.random() < share else ""

    for number in range(STEPS):
        if restarts and number == STEPS // 2:
            world.book.restart()
        world.on(harm, rng.randrange(3))
    for number in range(PEACE):
        # A quiet market would tell of nothing that was lost; and who counts anew is believed only
        # when the time has gone on as well.
        if number in (1, 20, 40):
            world.book.at_ms += 20_000
            world.move()
        if isinstance(world, Unified) and number == 25 and not world.sync.valid:
            world.begin(anew=True)  # the first state itself was lost: the core's patience ends
        world.on(lambda: "", 0)
    assert world.sync.valid
    assert world.sync.book.nonce == world.book.number
    sides = world.sync.book.bids.amounts, world.sync.book.asks.amounts
    assert sides == world.book.copy()


@pytest.mark.parametrize("kind", [World, Futures, Unified], ids=["spot", "futures", "uta"])
@pytest.mark.parametrize(
    ("harms", "share"),
    [
        ((), 0.0),
        (("drop",), 0.05),
        (("repeat", "late"), 0.2),
        (("swap",), 0.05),
        (("drop", "repeat", "late", "swap"), 0.15),
    ],
    ids=["sound", "lossy", "repeating", "swapping", "all"],
)
def test_books_are_true_or_not_there(
    kind: type[World], harms: tuple[str, ...], share: float
) -> None:
    """Every book after every frame, in hundreds of cases of each harm."""
    worlds = [kind(seed) for seed in range(CASES)]
    for world in worlds:
        play(world, harms, share, restarts=False)
    assert sum(world.valid for world in worlds) > 15 * len(worlds)  # mostly there is a book
    gaps = sum(world.gaps for world in worlds)
    assert (gaps > 0) is bool({"drop", "swap"} & set(harms))  # a repeat costs nothing
    assert max(world.asked for world in worlds) < 40


@pytest.mark.parametrize("kind", [World, Futures], ids=["spot", "futures"])
def test_a_venue_that_counts_anew_is_followed(kind: type[World]) -> None:
    """Nobody says what happens to sequences when the venue restarts: they must not freeze a book."""
    for seed in range(CASES):
        play(kind(seed), ("drop",), 0.03, restarts=True)


# --- over sockets -----------------------------------------------------------------------------


class Truth:
    """Every book that a fake's market had at the end of a tick."""

    def __init__(self, market: MarketModel, symbol: str) -> None:
        self.market, self.symbol = market, symbol
        self.states: dict[int | None, list[list[tuple[float, float]]]] = {}
        self.note()
        market.subscribe(self.note)

    def note(self, event: Event | None = None) -> None:
        """Remember the book of this moment."""
        if event is None or type(event) is Delta:
            book = self.market.book(self.symbol)
            sides = book.bids, book.asks
            self.states[book.last_id] = [[(float(p), float(q)) for p, q in side] for side in sides]


@pytest.mark.parametrize(
    ("symbol", "topic", "params"),
    [
        ("BTC/USDT", "/market/level2:BTC-USDT", {}),
        ("BTC/USDT:USDT", "/contractMarket/level2:XBTUSDTM", {}),
        ("BTC/USDT", "obu.SPOT@increment@10ms:BTC-USDT", {"uta": True}),
    ],
    ids=["spot", "futures", "uta"],
)
async def test_a_book_survives_what_happens_on_sockets(
    symbol: str, topic: str, params: dict[str, Any]
) -> None:
    """The same over real sockets: losses heal by themselves, and nothing untrue is seen."""
    market = MarketModel([Side.spec_of(symbol)], seed=2, levels=60, warmup_ticks=20)
    truth = Truth(market, symbol)
    seen: list[int | None] = []
    wrong: list[int | None] = []

    async def read(ex: unified_ws.Exchange) -> None:
        async for book in ex.stream_order_book(symbol, params=params):
            # Futures tell of each change by itself: between two ticks there are other states.
            known = truth.states.get(book.nonce)
            if known is not None and [list(book.bids), list(book.asks)] != known:
                wrong.append(book.nonce)
            seen.append(book.nonce)

    async with (
        FakeVenue("kucoin", market=market, paused=True) as venue,
        unified_ws.exchange("kucoin", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        task = asyncio.ensure_future(read(ex))
        await until(lambda: topic in venue.topics)

        async def healed() -> None:
            """Let the market move until its newest state has been seen."""
            deadline = asyncio.get_running_loop().time() + 8  # a second loss is given some time
            while asyncio.get_running_loop().time() < deadline:
                assert not task.done(), task.exception()
                await venue.step()
                for _ in range(100):
                    await asyncio.sleep(0)
                if seen and seen[-1] == market.book(symbol).last_id:
                    return
            raise AssertionError("the book does not come back")

        async def resyncs_of(harm: Callable[[], Any]) -> int:
            await healed()
            before = ex.status()["streams"][0]["resyncs"]
            result = harm()
            if asyncio.iscoroutine(result):
                await result
                truth.note()
            await venue.step(3)
            await healed()
            return int(ex.status()["streams"][0]["resyncs"] - before)

        assert await resyncs_of(lambda: None) == 0
        assert await resyncs_of(lambda: venue.repeat(topic)) == 0
        assert await resyncs_of(lambda: venue.lose(topic)) == 1
        assert await resyncs_of(lambda: venue.swap(topic)) >= 1
        assert await resyncs_of(lambda: venue.drop_next_delta(symbol)) == 1
        # UTA tells the new state; elsewhere it shows by the time (and is no loss on UTA).
        assert await resyncs_of(lambda: venue.restart(symbol)) == (0 if params else 1)
        task.cancel()
        assert wrong == []
        assert len(set(seen) & truth.states.keys()) > 10
        assert venue.stats.connections == 1
        assert venue.stats.violations == []
        assert (ex.quarantined(), ex.gaps()) == ([], [])
