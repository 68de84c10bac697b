"""What each `watch_*` that `has` promises really does: its answers counted and timed, by market."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from unified_ws.errors import CCXT_ERRORS, VenueError
from unified_ws.exchange import Exchange
from unified_ws.facts import Kind

_KINDS = {
    "watchTrades": Kind.TRADES, "watchOrderBook": Kind.BOOK, "watchTicker": Kind.TICKER,
    "watchBidsAsks": Kind.BIDS_ASKS, "watchOHLCV": Kind.OHLCV, "watchMarkPrice": Kind.MARK_PRICE,
    "watchFundingRate": Kind.FUNDING_RATE, "watchLiquidations": Kind.LIQUIDATIONS,
    "watchOpenInterest": Kind.OPEN_INTEREST,
}  # fmt: skip
"""What the names of the public methods begin with; others (accounts, orders) need keys."""
_FINAL = (
    CCXT_ERRORS["NotSupported"], CCXT_ERRORS["BadRequest"], CCXT_ERRORS["ArgumentsRequired"],
    CCXT_ERRORS["AuthenticationError"], VenueError,
)  # fmt: skip
"""Errors after which the same call would raise again."""
_AGAIN_S = 0.5
ALL = "all markets"


class Seen(msgspec.Struct):
    """What one method brought of one market.

    `ack_s` and `first_s` are seconds since the call: until the venue had confirmed the
    subscription, and until the first answer; None: neither has come. `verdict` is one of "ok", "not
    seen" (nothing happened that could have been told), "not offered" (the venue has no such
    data for this market) and "failed", with the `reason`.
    """

    method: str
    kind: str
    symbol: str
    verdict: str = "failed"
    reason: str = ""
    ack_s: float | None = None
    first_s: float | None = None
    answers: int = 0
    rows: int = 0
    errors: dict[str, int] = {}


class Probe:
    """One promised method, called again and again.

    Args:
        ex: The exchange object.
        method: By ccxt's name, as `has` has it.
        symbols: One market, or several for the methods that take several; none for all.
        timeframe: Of candles.
        noted: Called with each (symbol, item), an item being ccxt's dict or candle row.
    """

    def __init__(
        self, ex: Exchange, method: str, symbols: Sequence[str], timeframe: str,
        noted: Callable[[str, Any], None],
    ) -> None:  # fmt: skip
        kind = kind_of(method)
        assert kind is not None
        self.method = method
        self.kind: Kind = kind
        self._all = not symbols
        self.symbols = list(symbols) or [ALL]
        self.answers: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.first_s: dict[str, float] = {}
        self.errors: Counter[str] = Counter()
        self.refused = ""
        self.not_offered = ""
        self._noted = noted
        self._call = _call(ex, method, symbols, timeframe)

    async def run(self) -> None:
        """Call until it cannot be had, or for ever."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        while True:
            try:
                answer = await self._call()
            except CCXT_ERRORS["NotSupported"] as error:
                self.not_offered = _text(error)
                return
            except _FINAL as error:
                # Not every kind that is there for all markets is so for those of each type.
                unasked = isinstance(error, CCXT_ERRORS["ArgumentsRequired"]) and self._all
                self.not_offered = _text(error) if unasked else ""
                self.refused = "" if unasked else _text(error)
                return
            except Exception as error:
                # An outage: the streams heal themselves, a later call goes on at its place.
                self.errors[_text(error)] += 1
                await asyncio.sleep(_AGAIN_S)
                continue
            for symbol in self._read(answer):
                self.answers[symbol] += 1
                self.first_s.setdefault(symbol, round(clock() - begun, 3))

    def _read(self, answer: Any) -> set[str]:
        """Note what is in an answer; return the markets that it is about."""
        about = set()
        for symbol, item in items(answer, self.symbols[0]):
            self.rows[symbol] += 1
            about.add(symbol)
            if self._all:
                about.add(ALL)
                self.rows[ALL] += 1
            self._noted(symbol, item)
        return about

    def seen(self) -> list[Seen]:
        """Return what has come so far, by market, without a verdict."""
        return [
            Seen(
                self.method, self.kind.value, symbol, first_s=self.first_s.get(symbol),
                answers=self.answers[symbol], rows=self.rows[symbol], errors=dict(self.errors),
            )
            for symbol in self.symbols
        ]  # fmt: skip


def promised(ex: Exchange) -> list[str]:
    """Return the public methods of streams that `has` says yes to."""
    names = [name for name, yes in ex.has.items() if yes is True and name.startswith("watch")]
    order = list(_KINDS.values())
    known = [(order.index(kind), name) for name in names if (kind := kind_of(name)) is not None]
    return [name for _, name in sorted(known)]


def kind_of(method: str) -> Kind | None:
    """Return what a method brings, None for those of accounts."""
    return next((kind for name, kind in _KINDS.items() if method.startswith(name)), None)


def takes_many(ex: Exchange, method: str) -> bool:
    """Say whether one call of a method is about several markets."""
    return "symbol" not in inspect.signature(getattr(ex, method)).parameters


def items(answer: Any, symbol: str) -> Iterator[tuple[str, Any]]:
    """Yield (symbol, item) of whatever a `watch_*` returns; `symbol` is that of candle rows."""
    if isinstance(answer, dict):
        if "symbol" in answer:
            yield str(answer["symbol"]), answer
            return
        for key, value in answer.items():
            if isinstance(value, dict) and "symbol" in value:
                yield key, value
            elif isinstance(value, dict):  # candles of several: {symbol: {timeframe: rows}}
                for rows in value.values():
                    yield from ((key, row) for row in rows)
        return
    for row in answer:
        yield (str(row["symbol"]) if isinstance(row, dict) else symbol), row


def _call(
    ex: Exchange, method: str, symbols: Sequence[str], timeframe: str
) -> Callable[[], Awaitable[Any]]:
    function = getattr(ex, method)
    parameters = inspect.signature(function).parameters
    if "symbolsAndTimeframes" in parameters:
        return lambda: function([[symbol, timeframe] for symbol in symbols])
    if "symbol" not in parameters:
        return lambda: function(list(symbols) or None)
    if "timeframe" in parameters:
        return lambda: function(symbols[0], timeframe)
    return lambda: function(symbols[0])


def _text(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


__all__ = ["ALL", "Probe", "Seen", "items", "kind_of", "promised", "takes_many"]
