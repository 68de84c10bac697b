"""A seeded market that moves in ticks: the truth behind a fake venue.

One tick is 100 ms of market time. In a tick every symbol's makers and takers act, and the events
come out in the order in which they happened: trades, best bid and ask, then the book delta of the
whole tick; contracts have their own events after that (`_derivatives`). Market time starts at the injected clock and moves only with ticks, so the same
seed and clock give the same bytes, however fast the ticks are made.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from ._book import AggTrade, Delta, Event, Ladder, Lob, Quote, Row, Trade, text
from ._candles import DAY_MS, TIMEFRAMES, Candle, Candles, Stats, next_open_ms, open_ms
from ._derivatives import Contract, Funding, Liquidation, Mark, OpenInterest
from ._specs import E8, Spec, spec_of

__all__ = [
    "E8",
    "TICK_MS",
    "TIMEFRAMES",
    "AggTrade",
    "Book",
    "Candle",
    "Delta",
    "Event",
    "Funding",
    "Liquidation",
    "Mark",
    "MarketModel",
    "OpenInterest",
    "Quote",
    "Row",
    "Spec",
    "Stats",
    "Trade",
    "merge",
    "next_open_ms",
    "open_ms",
    "spec_of",
    "text",
]

TICK_MS = 100
_SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "ETH/BTC")


class Book(msgspec.Struct, frozen=True):
    """A whole book at update `last_id`: rows of exact price and amount, best first."""

    symbol: str
    last_id: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


def merge(deltas: Sequence[Delta]) -> Delta:
    """Join consecutive deltas into one: the last amount of a level wins."""
    first, last = deltas[0], deltas[-1]
    bids, asks = Ladder(1), Ladder(-1)
    return Delta(
        first.symbol,
        first.first_id,
        last.last_id,
        bids.sorted_changes({p: q for d in deltas for p, q in d.bids}.items()),
        asks.sorted_changes({p: q for d in deltas for p, q in d.asks}.items()),
        last.ts_ms,
    )


class _Market:
    """One symbol: its book, its past trades, its candles, and what a contract has beside."""

    def __init__(self, spec: Spec, seed: int, levels: int, now_ms: int) -> None:
        # a generator for each symbol: adding a symbol does not change the others
        self.rng = random.Random(f"{seed}:{spec.symbol}")
        self.lob = Lob(spec, self.rng, levels)
        self.candles = Candles(spec)
        self.contract = None if spec.spot else Contract(spec, seed, now_ms)
        self.trades: list[Trade] = []
        self.aggs: list[AggTrade] = []


class MarketModel:
    """Books, trades, candles and statistics of several markets, spot and contracts mixed.

    Args:
        symbols: Unified symbols, or `Spec`s where ticks, prices and contract sizes matter.
        seed: The same seed, symbols and clock give the same market.
        clock: Unix seconds; read once, for the beginning of market time.
        levels: Levels each side of a book keeps, about.
        trades_per_s: Trades of a symbol in a second of market time, about.
        changes_per_s: Level changes by makers, likewise.
        history: Trades remembered for each symbol.
        warmup_ticks: Ticks made before the start, so that REST has a past to tell.
    """

    def __init__(
        self,
        symbols: Sequence[str | Spec] = _SYMBOLS,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        levels: int = 1200,
        trades_per_s: float = 15.0,
        changes_per_s: float = 50.0,
        history: int = 50_000,
        warmup_ticks: int = 600,
    ) -> None:
        specs = [spec_of(s) if isinstance(s, str) else s for s in symbols]
        self.specs: Mapping[str, Spec] = {spec.symbol: spec for spec in specs}
        self.symbols: tuple[str, ...] = tuple(self.specs)
        self.number = 0
        # one taker order makes about 2.8 trades: it walks levels and meets one or two makers
        self._orders = trades_per_s * TICK_MS / 1000 / 2.8
        self._changes = changes_per_s * TICK_MS / 1000
        self._history = history
        self._listeners: list[Callable[[Event], None]] = []
        begin_ms = int(clock() * 1000) // TICK_MS * TICK_MS
        self.now_ms = now_ms = begin_ms - warmup_ticks * TICK_MS
        self._markets = {spec.symbol: _Market(spec, seed, levels, now_ms) for spec in specs}
        for _ in range(warmup_ticks):
            self.tick()
        self.number = 0

    def tick(self) -> list[Event]:
        """Move every market by 100 ms and return what happened, in order."""
        start_ms, self.now_ms = self.now_ms, self.now_ms + TICK_MS
        self.number += 1
        out: list[Event] = []
        for market in self._markets.values():
            rng = market.rng
            orders = int(self._orders * 2 * rng.random() + rng.random())
            changes = int(self._changes * 2 * rng.random() + rng.random())
            events = market.lob.tick(start_ms, TICK_MS, orders, changes)
            self._remember(market, events)
            out += events
            if market.contract:
                best = market.lob.bids.best, market.lob.asks.best
                out += market.contract.tick(self.now_ms, *best)
        if self.now_ms % 1000 == 0:
            for market in self._markets.values():
                market.candles.settle(start_ms)
        for listener in self._listeners:
            for event in out:
                listener(event)
        return out

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back for every event from now on; the returned function ends it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def book(self, symbol: str, limit: int | None = None) -> Book:
        """Return the book of this moment."""
        last_id, bids, asks = self.rows(symbol, limit)
        return Book(
            symbol,
            last_id,
            [(Decimal(p) / E8, Decimal(q) / E8) for p, q in bids],
            [(Decimal(p) / E8, Decimal(q) / E8) for p, q in asks],
        )

    def rows(self, symbol: str, limit: int | None = None) -> tuple[int, list[Row], list[Row]]:
        """Return last id, bids and asks of this moment as scaled integers, for encoders."""
        lob = self._markets[symbol].lob
        return lob.last_id, lob.bids.rows(limit), lob.asks.rows(limit)

    def quote(self, symbol: str) -> Quote:
        """Return best bid and ask of this moment."""
        return self._markets[symbol].lob.quote(self.now_ms)

    def trades(self, symbol: str) -> list[Trade]:
        """Return the remembered trades, oldest first; their ids have no hole."""
        return list(self._markets[symbol].trades)

    def last_trade(self, symbol: str) -> Trade:
        """Return the latest trade."""
        return self._markets[symbol].trades[-1]

    def trades_from(self, symbol: str, first_id: int, limit: int) -> list[Trade]:
        """Return up to `limit` remembered trades from an id on."""
        known = self._markets[symbol].trades
        at = max(0, first_id - known[0].id) if known else 0
        return known[at : at + limit]

    def agg_trades(self, symbol: str) -> list[AggTrade]:
        """Return the remembered aggregates, oldest first; their ids have no hole."""
        return list(self._markets[symbol].aggs)

    def candles(self, symbol: str, timeframe: str, offset_ms: int = 0) -> list[Candle]:
        """Return the candles of a timeframe, oldest first; the last one may still be open."""
        return list(self._settled(symbol).series(timeframe, offset_ms))

    def stats(self, symbol: str, window_ms: int = DAY_MS) -> Stats:
        """Return the statistics of a window, to the minute, that ends now."""
        return self._settled(symbol).stats(self.now_ms, window_ms)

    def mark(self, symbol: str) -> Mark:
        """Return the latest mark and index price of a contract."""
        return self._contract(symbol).mark

    def funding(self, symbol: str) -> Funding:
        """Return the funding rate of a swap."""
        if self.specs[symbol].type != "swap":
            raise LookupError(f"{symbol} has no funding: it is no swap.")
        return self._contract(symbol).funding

    def open_interest(self, symbol: str) -> OpenInterest:
        """Return the open contracts."""
        return self._contract(symbol).open_interest

    def liquidations(self, symbol: str) -> list[Liquidation]:
        """Return the latest liquidations of a contract, oldest first."""
        return list(self._contract(symbol).liquidations)

    def restart(self, symbol: str) -> None:
        """Let the update ids of a book begin again at 1; the book itself stays."""
        self._markets[symbol].lob.last_id = 0

    def _contract(self, symbol: str) -> Contract:
        contract = self._markets[symbol].contract
        if contract is None:
            raise LookupError(f"{symbol} is no contract.")
        return contract

    def _settled(self, symbol: str) -> Candles:
        candles = self._markets[symbol].candles
        candles.settle(self.now_ms - 1)
        return candles

    def _remember(self, market: _Market, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is Trade:
                market.candles.trade(event)
                market.trades.append(event)
            elif type(event) is AggTrade:
                market.aggs.append(event)
        if len(market.trades) > self._history * 5 // 4:
            del market.trades[: -self._history]
            # an aggregate is remembered while all its trades are
            oldest = market.trades[0].id
            gone = next(n for n, agg in enumerate(market.aggs) if agg.first_id >= oldest)
            del market.aggs[:gone]
