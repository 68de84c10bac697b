"""What an event of the border may hold: the types it declares, and values a market can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import msgspec

from unified_ws.adapter import (
    BidAsk,
    BookUpdate,
    Candle,
    FundingRate,
    Kind,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
)

TAKEN: Mapping[Kind, tuple[type, ...]] = {
    Kind.TRADES: (Trade,), Kind.BOOK: (BookUpdate,), Kind.TICKER: (Ticker,),
    Kind.BIDS_ASKS: (BidAsk, BookUpdate), Kind.OHLCV: (Candle,), Kind.MARK_PRICE: (MarkPrice,),
    Kind.FUNDING_RATE: (FundingRate,), Kind.LIQUIDATIONS: (Liquidation,),
    Kind.OPEN_INTEREST: (OpenInterest,),
}  # fmt: skip
"""The events that each kind is made of; of a batch, each stream takes its own."""
HIDDEN = frozenset({"raw", "as_ccxt", "received_ns"})
"""Fields that the adapter does not fill, or whose form is its own affair."""
_EVENTS = (
    Trade, BookUpdate, Ticker, BidAsk, Candle, MarkPrice, FundingRate, Liquidation, OpenInterest,
)  # fmt: skip
_SIGNED = frozenset({
    "change", "percentage", "funding_rate", "next_funding_rate", "previous_funding_rate",
    "interest_rate",
})  # fmt: skip
_POSITIVE: Mapping[type, tuple[str, ...]] = {
    Trade: ("price",), Liquidation: ("price",), MarkPrice: ("mark_price",),
}
_SECONDS = (1_000_000_000, 10_000_000_000)
"""What Unix seconds of our time look like; read as milliseconds they are a day of January 1970."""
_LAST_MS = 4_102_444_800_000  # the year 2100: later instants are microseconds or nanoseconds


def mistyped(event: object) -> Iterator[str]:
    """Yield which fields of an event are not what the border declares."""
    if not isinstance(event, _EVENTS):
        yield f"{type(event).__name__} is no event of the border"
        return
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in HIDDEN}
    try:
        msgspec.convert(fields, type(event))
    except msgspec.ValidationError as error:
        yield f"{type(event).__name__}: {error}"
        return
    if isinstance(event, BookUpdate):
        for level in (*event.bids, *event.asks):
            if len(level) < 2 or not all(type(n) in (float, int) for n in level[:2]):
                yield f"BookUpdate has a level that does not begin with two numbers: {level!r}"
                break


def unlikely(event: Any) -> Iterator[str]:
    """Yield what no market can have had, or what a wrong unit would look like."""
    what = type(event).__name__
    if not event.symbol:
        yield f"{what} without a symbol"
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in HIDDEN or value is None:
            continue
        if name.endswith("_ms"):
            yield from (f"{what}.{name} {said}" for said in _no_instant(value))
        elif isinstance(value, float) and not isfinite(value):
            yield f"{what}.{name} is {value}"
        elif isinstance(value, float) and value < 0 and name not in _SIGNED:
            yield f"{what}.{name} is negative: {value}"
    # A row with count 0 only takes its place among the ids, and is not delivered.
    if getattr(event, "count", None) != 0:
        for name in _POSITIVE.get(type(event), ()):
            if getattr(event, name) == 0:
                yield f"{what}.{name} is zero"
    if isinstance(event, Trade) and not event.id:
        yield "Trade without an id"
    if isinstance(event, BookUpdate):
        yield from _levels(event)


def contradictory(event: Any) -> Iterator[str]:
    """Yield what no real frame says; the invented numbers of a documentation may well do so."""
    if isinstance(event, Candle) and not event.low <= min(event.open, event.close):
        yield f"Candle is lower than its low: {event.low}"
    if isinstance(event, Candle) and not max(event.open, event.close) <= event.high:
        yield f"Candle is higher than its high: {event.high}"
    if isinstance(event, BookUpdate) and event.kind not in ("delta", "broken"):
        bid, ask = max(event.bids, default=None), min(event.asks, default=None)
        if bid is not None and ask is not None and bid[0] >= ask[0]:
            yield f"BookUpdate is a full book that is crossed: bid {bid[0]}, ask {ask[0]}"


def _no_instant(value: int) -> Iterator[str]:
    if value < 0:
        yield f"is negative: {value}"
    elif _SECONDS[0] <= value < _SECONDS[1]:
        yield f"is in seconds, not in milliseconds: {value}"
    elif value > _LAST_MS:
        yield f"is in micro- or nanoseconds, not in milliseconds: {value}"


def _levels(book: BookUpdate) -> Iterator[str]:
    for side in ("bids", "asks"):
        for price, amount, *_ in getattr(book, side):
            if not 0 < price < float("inf") or not 0 <= amount < float("inf"):
                yield f"BookUpdate.{side} has a level of {amount} at {price}"
                break


__all__ = ["HIDDEN", "TAKEN", "contradictory", "mistyped", "unlikely"]
