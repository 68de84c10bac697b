"""Streams that are built from another one, where the venue has no channel for them.

`source` of each row, and of the stream in `ex.status()`, says what it is built from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unified_ws.core.books import BookStream
from unified_ws.core.streams import CandleStream, RowStream, Stream
from unified_ws.core.trades import TradeStream
from unified_ws.events import BidAsk, Candle, Trade

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MONDAY_MS = 4 * 86_400_000
"""1970-01-05: weeks begin on Mondays."""


class CandlesFromTrades(CandleStream):
    """Candles of one timeframe, from the trades of the market.

    The first candle, and one in which trades were missed, is marked `partial`: it does not hold
    everything. A candle is closed by the first trade after it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun = False
        self._holes = False

    def lost(self, reason: str) -> None:  # noqa: ARG002  (its source says why)
        """Note that trades may be missing, unless they will be fetched."""
        source = self.source
        if isinstance(source, TradeStream) and source.history is None:
            self._holes = True

    def follow(self, rows: Sequence[Trade], now: float) -> None:
        """Take new trades."""
        made: dict[int, Candle] = {}
        closed: list[Candle] = []
        for row in rows:
            start = open_of(row.timestamp_ms, self.sub.timeframe)
            newest = next(reversed(self.by_open), None)
            if newest is not None and start < newest and start not in self.by_open:
                continue  # its candle has been forgotten
            candle = made.get(start) or self.by_open.get(start)
            if candle is None:
                if newest is not None:
                    last = self._changed(self.by_open[newest])
                    made.pop(newest, None)
                    last.closed = True
                    self.by_open[newest] = last
                    closed.append(last)
                candle = Candle(
                    row.symbol, self.sub.timeframe, start, row.price, row.price, row.price,
                    row.price, 0.0, False, source="trades", partial=not self._begun,
                )  # fmt: skip
                self._begun = True
            elif start not in made:
                candle = self._changed(candle)
            self._add(candle, row)
            candle.partial, self._holes = candle.partial or self._holes, False
            made[start] = self.by_open[start] = candle
        while len(self.by_open) > self.limit:
            del self.by_open[next(iter(self.by_open))]
        changed = [*closed, *made.values()]
        if changed:
            self._push(changed, now)

    def _add(self, candle: Candle, row: Trade) -> None:
        candle.high = max(candle.high, row.price)
        candle.low = min(candle.low, row.price)
        candle.close = row.price
        candle.volume += row.amount
        candle.timestamp_ms = row.timestamp_ms
        candle.received_ns = row.received_ns
        candle.partial = candle.partial or row.missed_before > 0

    def _changed(self, candle: Candle) -> Candle:
        """Return a copy to change: what was handed out stays as it was."""
        return Candle(
            candle.symbol, candle.timeframe, candle.open_ms, candle.open, candle.high, candle.low,
            candle.close, candle.volume, candle.closed, candle.timestamp_ms, candle.source,
            candle.partial, received_ns=candle.received_ns,
        )  # fmt: skip


class QuotesFromBook(RowStream):
    """The best bid and ask of one market, from its order book; a row whenever they change."""

    def followed(self, source: Stream) -> None:
        """Ask the book for its best level at least."""
        if isinstance(source, BookStream):
            source.deepen(1)

    def follow(self, rows: Sequence[Any], now: float) -> None:  # noqa: ARG002  (the book tells)
        """Look at the book after an update."""
        source = self.source
        book = source.current() if isinstance(source, BookStream) else None
        if book is None:
            return
        bids, asks = book.level_bids(1), book.level_asks(1)
        bid: tuple[float | None, float | None] = bids[0] if bids else (None, None)
        ask: tuple[float | None, float | None] = asks[0] if asks else (None, None)
        row = BidAsk(
            book.symbol, book.timestamp_ms, bid[0], bid[1], ask[0], ask[1], book.nonce,
            {}, received_ns=book.received_ns,
        )  # fmt: skip
        old = self.latest.get(book.symbol)
        if old is not None and _same(row, old):
            self.data_at = now
            return
        self.latest[book.symbol] = row
        self._push([row], now)


def _same(row: BidAsk, old: BidAsk) -> bool:
    return (row.bid, row.bid_volume, row.ask, row.ask_volume) == (
        old.bid, old.bid_volume, old.ask, old.ask_volume,
    )  # fmt: skip


def open_of(timestamp_ms: int, timeframe: str) -> int:
    """Return when the candle of an instant begins (UTC; weeks on Monday, months on the first)."""
    count, unit = int(timeframe[:-1]), timeframe[-1]
    if unit == "w":
        week = 7 * _UNITS_MS["d"] * count
        return (timestamp_ms - _MONDAY_MS) // week * week + _MONDAY_MS
    if unit == "M":
        year, month = _year_and_month(timestamp_ms // _UNITS_MS["d"])
        months = (year * 12 + month - 1) // count * count
        return _days_before(months // 12, months % 12 + 1) * _UNITS_MS["d"]
    size = _UNITS_MS[unit] * count
    return timestamp_ms // size * size


def _days_before(year: int, month: int) -> int:
    """Return the days from 1970-01-01 to the first of a month."""
    # Years that begin in March keep the leap day at their end.
    shifted = year - (month < 3)
    month_days = (153 * ((month + 9) % 12) + 2) // 5
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + month_days - 719_468


def _year_and_month(days: int) -> tuple[int, int]:
    year = 1970 + days // 366
    while _days_before(year + 1, 1) <= days:
        year += 1
    month = 1
    while month < 12 and _days_before(year, month + 1) <= days:
        month += 1
    return year, month
