"""Build ccxt's dicts from our rows, each once and only when somebody asks.

Field by field they equal what ccxt.pro derives from the same frames; statistics that ccxt
derives itself (vwap, average, percentage...) are derived by ccxt's own `safe_ticker`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from unified_ws.core.book import Book
from unified_ws.core.books import BookStream
from unified_ws.events import (
    BidAsk,
    Candle,
    FundingRate,
    Level,
    Liquidation,
    Market,
    MarkPrice,
    Ticker,
    Trade,
)

SafeTicker = Callable[[dict[str, Any], str], dict[str, Any]]
_SCALE = 1e8
_SCALE_2 = 10**16
_COARSE = 1e4
_COARSE_2 = 10**12
_DIGITS_15 = 10**15
_QUINTILLION = Decimal(10**18)
_MILLIS = tuple(f"{ms:03d}Z" for ms in range(1000))
_second: tuple[int, str] = (-1, "")


def iso8601(ms: int | None) -> str | None:
    """Format an instant as ccxt does, e.g. "2024-08-08T23:54:13.937Z"."""
    global _second  # noqa: PLW0603  (one cell: most rows share their second with the last)
    if ms is None:
        return None
    seconds = ms // 1000
    if _second[0] != seconds:
        _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds)))
    return _second[1] + _MILLIS[ms % 1000]


def product(price: float, amount: float) -> float:
    """Multiply as decimals, as ccxt does, and round once.

    The float product is off by a bit now and then. Most prices have at most 4 decimals, or 8,
    and most amounts 8: then integers give the exact product, and their division rounds
    correctly. Small integers are faster, hence two scales; beyond 15 digits a float does not
    tell which integer was meant.
    """
    a = int(amount * _SCALE + 0.5)
    if a / _SCALE == amount and a < _DIGITS_15:
        p = int(price * _COARSE + 0.5)
        if p / _COARSE == price and p < _DIGITS_15:
            return p * a / _COARSE_2
        p = int(price * _SCALE + 0.5)
        if p / _SCALE == price and p < _DIGITS_15:
            return p * a / _SCALE_2
    return float(Decimal(repr(price)) * Decimal(repr(amount)))


def trade_cost(row: Trade, market: Market | None) -> float:
    """Return what a trade cost in quote currency (in base for inverse contracts)."""
    size = market.contract_size if market is not None else None
    if market is None or size is None or (size == 1.0 and not market.inverse):
        return product(row.price, row.amount)
    worth = Decimal(repr(size)) * Decimal(repr(row.amount))
    price = Decimal(repr(row.price))
    if market.inverse:  # ccxt divides first, and cuts off after 18 decimals
        price = Decimal(int(_QUINTILLION / price)) / _QUINTILLION
    return float(worth * price)


def trade_dict(row: Trade, market: Market | None = None) -> dict[str, Any]:
    """Return ccxt's trade structure, the same object at each look."""
    known: dict[str, Any] | None = row.as_ccxt
    if known is None:
        known = row.as_ccxt = new_trade_dict(row, market)
    return known


def new_trade_dict(row: Trade, market: Market | None = None) -> dict[str, Any]:
    """Return ccxt's trade structure and keep nothing of it.

    What is handed out once and dropped costs half of what stays with its row: rows live on in
    the ring, and the garbage collector would look at their dicts again and again.
    """
    price, amount, ms, raw = row.price, row.amount, row.timestamp_ms, row.raw
    return {
        "info": msgspec.json.decode(raw) if type(raw) is msgspec.Raw else raw,
        "timestamp": ms, "datetime": iso8601(ms), "symbol": row.symbol,
        "id": row.id, "order": None, "type": None, "side": row.side, "takerOrMaker": None,
        "price": price, "amount": amount,
        "cost": product(price, amount) if market is None or market.contract_size is None
        else trade_cost(row, market),
        "fee": {"cost": None, "currency": None}, "fees": [],
    }  # fmt: skip


def bid_ask_dict(row: BidAsk) -> dict[str, Any]:
    """Return ccxt's ticker structure of a best bid and ask."""
    known: dict[str, Any] | None = row.as_ccxt
    if known is not None:
        return known
    made: dict[str, Any] = {
        "symbol": row.symbol, "timestamp": row.timestamp_ms,
        "datetime": iso8601(row.timestamp_ms), "high": None, "low": None,
        # ccxt takes a price of zero for none.
        "bid": row.bid or None, "bidVolume": row.bid_volume,
        "ask": row.ask or None, "askVolume": row.ask_volume,
        "vwap": None, "open": None, "close": None, "last": None, "previousClose": None,
        "change": None, "percentage": None, "average": None, "baseVolume": None,
        "quoteVolume": None, "info": row.info, "indexPrice": None, "markPrice": None,
    }  # fmt: skip
    row.as_ccxt = made
    return made


def ticker_dict(row: Ticker, safe_ticker: SafeTicker) -> dict[str, Any]:
    """Return ccxt's ticker structure, completed by ccxt's own rules."""
    known: dict[str, Any] | None = row.as_ccxt
    if known is not None:
        return known
    fields = {
        "symbol": row.symbol, "timestamp": row.timestamp_ms,
        "datetime": iso8601(row.timestamp_ms), "high": row.high, "low": row.low, "bid": row.bid,
        "bidVolume": row.bid_volume, "ask": row.ask, "askVolume": row.ask_volume,
        "vwap": row.vwap, "open": row.open, "close": row.last, "last": row.last,
        "previousClose": row.previous_close, "change": row.change,
        "percentage": row.percentage, "average": row.average, "baseVolume": row.base_volume,
        "quoteVolume": row.quote_volume, "info": row.info, "indexPrice": row.index_price,
        "markPrice": row.mark_price,
    }  # fmt: skip
    made = row.as_ccxt = safe_ticker(fields, row.symbol)
    return made


def mark_price_dict(row: MarkPrice, safe_ticker: SafeTicker) -> dict[str, Any]:
    """Return ccxt's ticker structure of a mark price."""
    known: dict[str, Any] | None = row.as_ccxt
    if known is None:
        fields = {
            "symbol": row.symbol, "timestamp": row.timestamp_ms,
            "datetime": iso8601(row.timestamp_ms), "markPrice": row.mark_price,
            "indexPrice": row.index_price, "info": row.info,
        }  # fmt: skip
        known = row.as_ccxt = safe_ticker(fields, row.symbol)
    return known


def funding_rate_dict(row: FundingRate) -> dict[str, Any]:
    """Return ccxt's funding rate structure."""
    known: dict[str, Any] | None = row.as_ccxt
    if known is None:
        known = row.as_ccxt = {
            "info": row.info, "symbol": row.symbol, "markPrice": row.mark_price,
            "indexPrice": row.index_price, "interestRate": row.interest_rate,
            "estimatedSettlePrice": row.estimated_settle_price, "timestamp": row.timestamp_ms,
            "datetime": iso8601(row.timestamp_ms), "fundingRate": row.funding_rate,
            "fundingTimestamp": row.funding_timestamp_ms,
            "fundingDatetime": iso8601(row.funding_timestamp_ms),
            "nextFundingRate": row.next_funding_rate,
            "nextFundingTimestamp": row.next_funding_timestamp_ms,
            "nextFundingDatetime": iso8601(row.next_funding_timestamp_ms),
            "previousFundingRate": row.previous_funding_rate,
            "previousFundingTimestamp": row.previous_funding_timestamp_ms,
            "previousFundingDatetime": iso8601(row.previous_funding_timestamp_ms),
            "interval": row.interval,
        }  # fmt: skip
    return known


def liquidation_dict(row: Liquidation, market: Market) -> dict[str, Any]:
    """Return ccxt's liquidation structure.

    Unlike ccxt, which multiplies alike for all contracts: those of an inverse market are worth a
    fixed amount of quote currency, so the price divides.
    """
    known: dict[str, Any] | None = row.as_ccxt
    if known is None:
        size, price = market.contract_size, Decimal(repr(row.price))
        base = quote = None
        if size is not None and row.price > 0:
            worth = Decimal(repr(size)) * Decimal(repr(row.contracts))
            base, quote = (worth / price, worth) if market.inverse else (worth, worth * price)
        known = row.as_ccxt = {
            "info": row.info, "symbol": row.symbol, "timestamp": row.timestamp_ms,
            "datetime": iso8601(row.timestamp_ms), "price": row.price,
            "contracts": row.contracts, "contractSize": size, "side": row.side,
            "baseValue": None if base is None else float(base),
            "quoteValue": None if quote is None else float(quote),
        }  # fmt: skip
    return known


class OHLCV(list[float]):
    """ccxt's candle, [open time in ms, open, high, low, close, volume], that knows more.

    Attributes:
        closed: Whether it will not change again; None where nobody can say.
        source: Where it comes from: "venue" or "trades".
    """

    __slots__ = ("closed", "source")

    def __init__(self, row: Candle) -> None:
        super().__init__((row.open_ms, row.open, row.high, row.low, row.close, row.volume))
        self.closed = row.closed
        self.source = row.source


def candle_row(row: Candle) -> OHLCV:
    """Return ccxt's candle row."""
    made: OHLCV | None = row.as_ccxt
    if made is None:
        made = row.as_ccxt = OHLCV(row)
    return made


def rows_frame(rows: Any) -> Any:
    """Return the rows as a pandas DataFrame; needs the extra `pandas`."""
    try:
        import pandas as pd
    except ImportError as exc:
        text = '.df needs pandas: pip install "unified-ws[pandas]"'
        raise ImportError(text) from exc
    return pd.DataFrame(rows)


class OrderBook(dict[str, Any]):
    """ccxt's order book: a dict that nobody changes after it was handed out.

    Keys: symbol, bids and asks (lists of [price, amount], best first), timestamp (ms),
    datetime, nonce (the venue's update id).
    """

    __slots__ = ()

    def limit(self) -> OrderBook:
        """Return the book itself: its depth was chosen when it was asked for."""
        return self

    def copy(self) -> OrderBook:
        """Return a copy whose rows may be changed freely."""
        twin = OrderBook(self)
        twin["bids"] = [row[:] for row in self["bids"]]
        twin["asks"] = [row[:] for row in self["asks"]]
        return twin

    @property
    def df(self) -> Any:
        """Return the levels as a pandas DataFrame: side, price, amount."""
        return _levels_frame(self["bids"], self["asks"])


def _levels_frame(bids: list[Any], asks: list[Any]) -> Any:
    return rows_frame(
        [
            {"side": side, "price": price, "amount": amount}
            for side, levels in (("bid", bids), ("ask", asks))
            for price, amount in levels
        ]
    )


def book_dict(book: Book, limit: int | None) -> OrderBook:
    """Return ccxt's order book structure with at most `limit` rows a side."""
    return OrderBook(
        bids=book.top_bids(limit), asks=book.top_asks(limit), timestamp=book.timestamp_ms,
        datetime=iso8601(book.timestamp_ms), nonce=book.nonce, symbol=book.symbol,
    )  # fmt: skip


_BOOK_KEYS = ("bids", "asks", "timestamp", "datetime", "nonce", "symbol")


class LiveBook(dict[str, Any]):
    """The live view of a book: each look at it shows the present.

    While the book is out of step with the venue (`valid` False) both sides are empty.

    Attributes:
        valid: Whether its rules say that it equals the venue's.
        status: `live`, `resyncing` or `down`.
        age_s: Seconds since its last update.
    """

    def __init__(self, stream: BookStream, clock: Callable[[], float]) -> None:
        super().__init__(dict.fromkeys(_BOOK_KEYS))
        self._stream = stream
        self._clock = clock

    @property
    def valid(self) -> bool:
        """Say whether the book may be acted upon."""
        return self._stream.valid

    @property
    def status(self) -> str:
        """Return `live`, `resyncing` or `down`."""
        if self._stream.down_since is not None:
            return "down"
        return "live" if self._stream.valid else "resyncing"

    @property
    def age_s(self) -> float:
        """Return the seconds since the last update came."""
        return self._clock() - self._stream.data_at

    def __getitem__(self, key: str) -> Any:
        book = self._stream.current()
        limit = self._stream.depth or 1000
        match key:
            case "bids":
                return book.top_bids(limit) if book else []
            case "asks":
                return book.top_asks(limit) if book else []
            case "symbol":
                return self._stream.symbol
            case "nonce":
                return book.nonce if book else None
            case "timestamp":
                return book.timestamp_ms if book else None
            case "datetime":
                return iso8601(book.timestamp_ms) if book else None
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return one field as it is now."""
        return self[key] if key in _BOOK_KEYS else default

    def __iter__(self) -> Iterator[str]:
        return iter(_BOOK_KEYS)

    def keys(self) -> Any:
        """Return the names of the fields."""
        return dict.fromkeys(_BOOK_KEYS).keys()

    def items(self) -> Any:
        """Return the fields as they are now."""
        return self.copy().items()

    def values(self) -> Any:
        """Return the fields as they are now."""
        return self.copy().values()

    def limit(self) -> LiveBook:
        """Return the view itself, as ccxt's `limit()` does."""
        return self

    def copy(self) -> OrderBook:
        """Return the book as it is now, to keep."""
        return OrderBook((key, self[key]) for key in _BOOK_KEYS)

    def __copy__(self) -> OrderBook:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderBook:
        return self.copy()  # its rows are made anew at each look

    def __repr__(self) -> str:
        return repr(dict(self.copy()))

    def __eq__(self, other: object) -> bool:
        return bool(self.copy() == other)

    __hash__ = None


def level_rows(levels: list[Level]) -> list[list[float]]:
    """Return (price, amount) tuples as ccxt's lists."""
    return [[price, amount] for price, amount in levels]
