"""The book rules of Binance attacked: what is handed out equals the truth, or nothing is.

First thousands of seeded storms without sockets: a venue of this file's own, its frames through
the adapter into the core's `BookSync`. Then the fake, with real sockets, REST and faults.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import unified_ws
from unified_ws import adapter as ws
from unified_ws.core.book import BookSync, Verdict
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.venues.binance import Binance

ADAPTER = Binance()
STORMS = 600
EVENTS = 45
CALM = 16
AT = {"spot": "spot", "usdm": "usdm-public", "coinm": "coinm"}
MARKETS = {
    "spot": ws.Market("BTC/USDT", "BTCUSDT"),
    "usdm": ws.Market("BTC/USDT:USDT", "BTCUSDT", "swap", linear=True, inverse=False),
    "coinm": ws.Market("BTC/USD:BTC", "BTCUSD_PERP", "swap", linear=False, inverse=True),
}
State = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]
Moment = tuple[int, int, list[dict[float, float]]]


class Venue:
    """One market's book at the venue: what it sends, what it answers, and all it ever was."""

    def __init__(self, product: str, rng: random.Random) -> None:
        self.product, self.rng = product, rng
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self.last = 10_000_000
        self.now_ms = 1_700_000_000_000
        self.stormy = True
        self.truth: dict[int, list[State]] = {}
        self.moments: list[Moment] = []
        for _ in range(10):
            self.change()

    def state(self) -> State:
        bids, asks = self.sides
        return (
            tuple(sorted(bids.items(), reverse=True)), tuple(sorted(asks.items())),
        )  # fmt: skip

    def change(self) -> bytes:
        """Change some levels and return the frame; each change has an id of its own."""
        rng, before = self.rng, self.last
        first = before + 1
        if self.product != "spot":
            first += rng.randrange(3)  # 6.4: ids of other markets lie between
        self.last = first - 1
        self.now_ms += rng.randrange(50, 150)
        changed: tuple[dict[float, float], dict[float, float]] = ({}, {})
        for _ in range(rng.randrange(1, 5)):
            self.last += 1
            which = rng.randrange(2)
            price = 100.0 + (rng.randrange(1, 8) if which else -rng.randrange(8))
            amount = float(rng.randrange(4))
            changed[which][price] = amount
            self.sides[which].pop(price, None)
            if amount:
                self.sides[which][price] = amount
            if rng.random() < 0.4:  # a snapshot may fall into the middle of an event
                self.moments.append(self.moment())
        self.truth.setdefault(self.last, []).append(self.state())
        return self.frame(first, before, changed)

    def frame(self, first: int, before: int, changed: Any) -> bytes:
        """Return the event in the combined stream (6.1)."""
        market = MARKETS[self.product].id
        event = {"e": "depthUpdate", "E": self.now_ms, "s": market, "U": first, "u": self.last}
        if self.product != "spot":
            event["pu"] = before
        for key, levels in zip("ba", changed, strict=True):
            event[key] = [[str(price), str(amount)] for price, amount in levels.items()]
        return msgspec.json.encode({"stream": f"{market.lower()}@depth@100ms", "data": event})

    def moment(self) -> Moment:
        """Return what there is to say now."""
        return self.last, self.now_ms, [side.copy() for side in self.sides]

    def answer(self, moment: Moment) -> dict[str, Any]:
        """Return what REST would have said at a moment (6.2)."""
        last, now_ms, sides = moment
        bids, asks = ([[str(p), str(q)] for p, q in side.items()] for side in sides)
        times = {} if self.product == "spot" else {"E": now_ms, "T": now_ms - 1}
        return {"lastUpdateId": last, **times, "bids": bids, "asks": asks}

    def restart(self) -> None:
        """Begin the ids again, after a pause, with another book.

        They do not come to where they were: that would take a venue months.
        """
        self.last = self.last // 10
        self.now_ms += 11_000
        self.moments.clear()
        for side in self.sides:
            side.clear()


class Client:
    """The core's book, fed with what arrives; it asks for a first state as the core does."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.sync = BookSync(MARKETS[venue.product].symbol, "rest")
        self.pending: tuple[int, dict[str, Any]] | None = None
        self.wants = False
        self.checked = 0

    def markets(self, market_id: str) -> str | None:
        """Resolve the one market."""
        market = MARKETS[self.venue.product]
        return market.symbol if market_id == market.id else None

    def receive(self, frame: bytes) -> None:
        """Take one frame."""
        (batch,) = ADAPTER.decode(frame, AT[self.venue.product], self.markets)
        assert isinstance(batch, ws.Batch)
        (update,) = batch.events
        assert isinstance(update, ws.BookUpdate)
        verdict = self.sync.feed(update)
        if verdict in (Verdict.GAP, Verdict.BUFFERED):
            self.wants = True
        self.check()

    def turn(self) -> None:
        """Let time pass for REST: answers come late, and tell of an earlier moment."""
        rng = self.venue.rng
        if self.pending is not None:
            wait, body = self.pending
            if wait:
                self.pending = (wait - 1, body)
                return
            self.pending = None
            verdict = self.sync.feed(ADAPTER.snapshot(body, MARKETS[self.venue.product]))
            self.wants = verdict is Verdict.TOO_OLD or not self.sync.valid
            self.check()
        elif self.wants:
            past = self.venue.moments[-10:] if self.venue.stormy else []
            body = self.venue.answer(rng.choice([*past, self.venue.moment()]))
            self.pending = (rng.randrange(4), body)
            self.wants = False

    def check(self) -> None:
        """Compare what would be handed out with the truth."""
        book = self.sync.book
        if not self.sync.valid or book.nonce is None:
            return
        if book.nonce not in self.venue.truth:
            return  # a snapshot from the middle of an event: its state was never sent
        found = (tuple(book.level_bids(None)), tuple(book.level_asks(None)))
        assert found in self.venue.truth[book.nonce], (book.nonce, found)
        self.checked += 1


def storm(product: str, seed: int, deliver: Callable[[Client, list[bytes]], None]) -> Client:
    """Let a venue speak, spoil what it says, and then leave it in peace."""
    rng = random.Random(f"{product}:{seed}")
    venue = Venue(product, rng)
    client = Client(venue)
    on_the_way: list[bytes] = []
    said: list[bytes] = []
    for _ in range(EVENTS):
        frame = venue.change()
        said.append(frame)
        fault = rng.random()
        if fault < 0.05:
            pass  # lost
        elif fault < 0.10:
            on_the_way += [frame, frame]
        elif fault < 0.15 and on_the_way:
            on_the_way.insert(-1, frame)  # swapped with the one before
        elif fault < 0.18:
            on_the_way += [frame, rng.choice(said)]  # one from long ago comes again
        elif fault < 0.20:
            client.sync.invalidate()  # the connection was lost, and what was on the way
            on_the_way = [frame]
        elif fault < 0.205:
            venue.restart()
            said.clear()  # nobody repeats what was said before that
        else:
            on_the_way.append(frame)
        if rng.random() < 0.7:
            deliver(client, on_the_way)
            on_the_way = []
        client.turn()
    deliver(client, on_the_way)
    venue.stormy = False
    for n in range(CALM):
        if n == CALM // 2:
            venue.now_ms += 11_000  # a spot snapshot has no time: only this tells a new count
        deliver(client, [venue.change()])
        client.turn()
        client.turn()
    return client


def in_order(client: Client, frames: list[bytes]) -> None:
    """Deliver frames as they are."""
    for frame in frames:
        client.receive(frame)


@pytest.mark.parametrize("product", MARKETS)
def test_no_storm_ends_in_a_wrong_book(product: str) -> None:
    """Lost, repeated, swapped, ancient frames, lost connections, restarts, slow snapshots."""
    checked = 0
    for seed in range(STORMS):
        client = storm(product, seed, in_order)
        assert client.sync.valid, f"seed {seed}: never in step again"
        assert client.sync.book.nonce == client.venue.last, f"seed {seed}: behind"
        found = client.sync.book.level_bids(None), client.sync.book.level_asks(None)
        assert (tuple(found[0]), tuple(found[1])) == client.venue.state(), f"seed {seed}"
        checked += client.checked
    assert checked > STORMS * 20


@pytest.mark.parametrize("product", MARKETS)
def test_the_attack_finds_a_wrong_rule(product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that never convicts is none: without ids, lost updates pass unseen."""
    delta = BookSync._delta

    def careless(self: BookSync, update: ws.BookUpdate) -> Verdict:
        update.prev_id = self.book.nonce  # whatever comes is taken to follow
        return delta(self, update)

    monkeypatch.setattr(BookSync, "_delta", careless)
    with pytest.raises(AssertionError):
        [storm(product, seed, in_order) for seed in range(50)]


# --- on the fake ---------------------------------------------------------------------------

NOON = 1_795_176_000.0
TOPICS = {
    "BTC/USDT": "btcusdt@depth@100ms",
    "BTC/USDT:USDT": "usdm-public|btcusdt@depth@100ms",
    "BTC/USD:BTC": "coinm|btcusd_perp@depth@100ms",
}


async def test_every_book_of_a_faulty_venue_is_one_that_it_had() -> None:
    """Real sockets and REST: lose, repeat, swap, slow and stale snapshots, a restart."""
    market = MarketModel(list(TOPICS), seed=5, clock=lambda: NOON, levels=200, warmup_ticks=20)
    async with (
        FakeVenue("binance", market=market, paused=True) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        truth: dict[tuple[str, int], list[Any]] = {}
        latest: dict[str, int | None] = {}
        wrong: list[Any] = []

        async def read(symbol: str) -> None:
            async for row in ex.stream_order_book(symbol):
                latest[symbol] = row.nonce
                if [row.bids, row.asks] not in truth.get((symbol, row.nonce or 0), ()):
                    wrong.append((symbol, row.nonce))

        async def step(ticks: int) -> None:
            for _ in range(ticks):
                await venue.step()
                for symbol in TOPICS:
                    book = market.book(symbol)
                    sides = [
                        [(float(price), float(amount)) for price, amount in side]
                        for side in (book.bids, book.asks)
                    ]
                    truth.setdefault((symbol, book.last_id), []).append(sides)
                await asyncio.sleep(0)

        async def in_step() -> None:
            for _ in range(200):
                if all(latest.get(s) == market.book(s).last_id for s in TOPICS):
                    return
                await step(1)
                await asyncio.sleep(0.001)
            raise AssertionError(f"not in step again: {latest}")

        tasks = [asyncio.ensure_future(read(symbol)) for symbol in TOPICS]
        await venue.until(lambda: len(venue.topics) == 3)
        await step(1)
        await in_step()
        for topic in TOPICS.values():
            for fault in (venue.lose, venue.repeat, venue.swap):
                fault(topic)
                await step(5)
                await in_step()
        delay = venue.delay_rest("depth", times=3, stale=True)
        for topic in TOPICS.values():
            venue.lose(topic)
        await step(5)
        await venue.until(lambda: delay.waiting == 3)
        await step(5)
        delay.release()
        await in_step()
        for symbol in TOPICS:
            await venue.restart(symbol)
        await step(130)  # ids that are lower and much later are no repeats
        await in_step()
        resyncs = {s["symbol"]: s["resyncs"] for s in ex.status()["streams"]}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert wrong == []
    assert all(count >= 3 for count in resyncs.values()), resyncs  # lose, swap, restart
    assert ex.quarantined() == []
