"""Candles of every timeframe and window statistics, built from trades only.

Trades gather in a pending bar; the bar goes into all timeframes once a second and before every
read. This is exact because a market tick never reaches over a second.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from ._book import Trade
from ._specs import E8, Spec

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday of the epoch
TIMEFRAMES: Mapping[str, int] = MappingProxyType(
    {
        "1s": SECOND_MS,
        "1m": MINUTE_MS,
        "3m": 3 * MINUTE_MS,
        "5m": 5 * MINUTE_MS,
        "15m": 15 * MINUTE_MS,
        "30m": 30 * MINUTE_MS,
        "1h": HOUR_MS,
        "2h": 2 * HOUR_MS,
        "4h": 4 * HOUR_MS,
        "6h": 6 * HOUR_MS,
        "8h": 8 * HOUR_MS,
        "12h": 12 * HOUR_MS,
        "1d": DAY_MS,
        "3d": 3 * DAY_MS,
        "1w": 7 * DAY_MS,
        "1M": 0,  # the only one without a fixed length
    }
)
_KEEP = 1500  # candles a timeframe: more than a day of minutes


def open_ms(ts_ms: int, timeframe: str, offset_ms: int = 0) -> int:
    """Return when the candle that holds `ts_ms` opens, in a zone `offset_ms` ahead of UTC."""
    local = ts_ms + offset_ms
    if timeframe == "1M":
        day = dt.datetime.fromtimestamp(local // 1000, dt.UTC)
        first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return int(first.timestamp()) * 1000 - offset_ms
    length = TIMEFRAMES[timeframe]
    anchor = _MONDAY_MS if timeframe == "1w" else 0
    return local - (local - anchor) % length - offset_ms


def next_open_ms(start_ms: int, timeframe: str, offset_ms: int = 0) -> int:
    """Return when the candle after the one that opens at `start_ms` opens."""
    length = TIMEFRAMES[timeframe]
    return start_ms + length if length else open_ms(start_ms + 32 * DAY_MS, "1M", offset_ms)


class Candle(msgspec.Struct):
    """Open to close scaled by 10**8, costs by 10**16; ids are -1 where nothing traded.

    Costs are in quote currency; those of inverse contracts in base currency, which they settle in.
    """

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    cost: int = 0
    trades: int = 0
    taker_volume: int = 0
    taker_cost: int = 0
    first_id: int = -1
    last_id: int = -1

    def add(self, bar: Candle) -> None:
        """Merge a later bar; what has not traded yet takes the bar's open."""
        if not bar.trades:
            return
        if not self.trades:
            self.open, self.high, self.low = bar.open, bar.high, bar.low
            self.first_id = bar.first_id
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)
        self.close, self.last_id = bar.close, bar.last_id
        self.volume += bar.volume
        self.cost += bar.cost
        self.trades += bar.trades
        self.taker_volume += bar.taker_volume
        self.taker_cost += bar.taker_cost

    def row(self) -> list[float]:
        """Return the candle as ccxt's row: open time, open, high, low, close, volume."""
        values = (self.open, self.high, self.low, self.close, self.volume)
        return [self.open_ms, *(value / E8 for value in values)]


class Stats(msgspec.Struct, frozen=True):
    """What happened between `open_ms` and `close_ms`; scaled like `Candle`."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    previous_close: int
    volume: int
    cost: int
    trades: int
    first_id: int
    last_id: int


class Candles:
    """All candles of one symbol."""

    def __init__(self, spec: Spec) -> None:
        self._size_e8 = 0 if spec.spot else int(spec.contract_size * E8)
        self._inverse = spec.inverse
        self._series: dict[str, list[Candle]] = {timeframe: [] for timeframe in TIMEFRAMES}
        self._bar: Candle | None = None

    def trade(self, trade: Trade) -> None:
        """Take one trade into the pending bar."""
        price, amount = trade.price_e8, trade.amount_e8
        bar = self._bar
        if bar is None:
            bar = self._bar = Candle(trade.ts_ms, price, price, price, price, first_id=trade.id)
        cost = self._cost(price, amount) if self._size_e8 else price * amount
        if price > bar.high:
            bar.high = price
        elif price < bar.low:
            bar.low = price
        bar.close, bar.last_id = price, trade.id
        bar.volume += amount
        bar.cost += cost
        bar.trades += 1
        if not trade.buyer_maker:
            bar.taker_volume += amount
            bar.taker_cost += cost

    def _cost(self, price: int, amount: int) -> int:
        """Return what contracts are worth, scaled by 10**16."""
        if self._inverse:
            return amount * self._size_e8 * E8 // price
        return price * amount * self._size_e8 // E8

    def settle(self, ts_ms: int) -> None:
        """Put the pending bar, which lies in the second of `ts_ms`, into every timeframe."""
        bar, self._bar = self._bar, None
        if not bar and not self._series["1s"]:
            return  # there is no candle before the first trade
        for timeframe, series in self._series.items():
            start = open_ms(ts_ms, timeframe)
            if not series and bar:
                series.append(Candle(start, bar.open, bar.open, bar.open, bar.open))
            while series[-1].open_ms < start:
                flat, at = series[-1].close, next_open_ms(series[-1].open_ms, timeframe)
                series.append(Candle(at, flat, flat, flat, flat))
            if bar:
                series[-1].add(bar)
            if len(series) > 2 * _KEEP:
                del series[:-_KEEP]

    def series(self, timeframe: str, offset_ms: int = 0) -> list[Candle]:
        """Return the candles of a timeframe, oldest first; a zone's are merged from minutes."""
        if not offset_ms or TIMEFRAMES[timeframe] in (SECOND_MS, MINUTE_MS):
            return self._series[timeframe]
        merged: list[Candle] = []
        for minute in self._series["1m"]:
            start = open_ms(minute.open_ms, timeframe, offset_ms)
            if not merged or merged[-1].open_ms != start:
                merged.append(Candle(start, *(minute.open,) * 4))
            merged[-1].add(minute)
        return merged

    def stats(self, now_ms: int, window_ms: int) -> Stats:
        """Sum up the minutes that touch the window which ends now."""
        minutes = self._series["1m"]
        first = minutes[-1].open_ms if minutes else now_ms
        skip = max(0, len(minutes) - 1 - (first - (now_ms - window_ms)) // MINUTE_MS - 1)
        inside = [m for m in minutes[skip:] if m.open_ms + MINUTE_MS > now_ms - window_ms]
        total = Candle(0, *(inside[0].open if inside else 0,) * 4)
        for minute in inside:
            total.add(minute)
        before = skip + len(minutes[skip:]) - len(inside)
        return Stats(
            now_ms - window_ms,
            now_ms,
            total.open,
            total.high,
            total.low,
            total.close,
            minutes[before - 1].close if before else total.open,
            total.volume,
            total.cost,
            total.trades,
            total.first_id,
            total.last_id,
        )
