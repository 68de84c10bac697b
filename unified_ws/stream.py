"""The typed face: `async for row in ex.stream_*(...)`, msgspec Structs, one cursor a consumer.

A consumer chooses how it is served (`policy`): `lossless` gets every row, up to the buffer of
the stream; `drop_oldest` keeps at most `buffer` rows waiting; `latest` gets only the newest.
What a consumer did not get is said in-band: `row.missed_before` counts the rows missing right
before that row, whether this consumer was too slow or the market's own history has a hole.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from unified_ws import formats
from unified_ws.consume import Reading, in_turn
from unified_ws.core.book import Book
from unified_ws.core.books import BookStream, Replica
from unified_ws.core.readers import Cursor
from unified_ws.core.streams import Stream
from unified_ws.errors import CCXT_ERRORS
from unified_ws.events import (
    BidAsk,
    Candle,
    FundingRate,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Ticker,
    Trade,
)
from unified_ws.facts import Kind
from unified_ws.types import Params

R = TypeVar("R")
Policy: TypeAlias = Literal["lossless", "drop_oldest", "latest"]


class OrderBookRow(msgspec.Struct, frozen=True):
    """An order book at one moment; `bids` and `asks` are (price, amount), best first.

    `nonce` is the venue's update id, `timestamp_ms` its time (None right after a first state by
    REST). `missed_before` counts the updates that this consumer did not get.
    """

    symbol: str
    bids: list[Level]
    asks: list[Level]
    timestamp_ms: int | None
    nonce: int | None
    received_ns: int = 0
    missed_before: int = 0

    @property
    def df(self) -> Any:
        """Return the levels as a pandas DataFrame: side, price, amount."""
        book = formats.OrderBook(
            bids=formats.level_rows(self.bids), asks=formats.level_rows(self.asks)
        )
        return book.df


class Rows(AsyncIterator[R], Generic[R]):
    """An endless stream of rows; iterate it, or `await` single rows with `anext()`.

    It subscribes when first asked for a row and lets go when it is closed or forgotten.
    Cancelling a wait loses nothing.

    Attributes:
        missed: Rows that this consumer did not get, in all.
    """

    def __init__(
        self, exchange: Any, method: str, open_streams: Callable[[], Any], policy: Policy,
        buffer: int | None,
    ) -> None:  # fmt: skip
        if policy not in ("lossless", "drop_oldest", "latest"):
            text = f'{exchange.id} {method}: policy must be "lossless", "drop_oldest" or "latest"'
            raise CCXT_ERRORS["BadRequest"](text)
        self.missed = 0
        self._exchange = exchange
        self._method = method
        self._open_streams = open_streams
        self._policy = policy
        self._buffer = 1 if policy == "latest" else buffer
        self._holder = object()
        self._streams: Sequence[Stream] = ()
        self._cursors: list[Cursor] = []
        self._waiting: deque[R] = deque()
        self._closed = False

    def __aiter__(self) -> Rows[R]:
        return self

    async def __anext__(self) -> R:
        if self._closed:
            raise StopAsyncIteration
        if not self._streams:
            await self._open()
        row = self._pull()
        if row is None:
            client = self._exchange._client
            started = client.loop.time()
            while row is None:
                await client.news(self._streams, started, self._holder)
                row = self._pull()
        return row

    async def aclose(self) -> None:
        """Let go of the stream; the last holder's going unsubscribes it."""
        self._closed = True
        _let_go(weakref.ref(self._exchange), self._holder)

    async def __aenter__(self) -> Rows[R]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _open(self) -> None:
        streams = await self._open_streams()
        weakref.finalize(self, _let_go, weakref.ref(self._exchange), self._holder)
        self._streams = self._exchange._streams(streams, self._holder, self._method)
        self._cursors = [Cursor(s.rows.head, fresh=True) for s in self._streams]

    def _pull(self) -> R | None:
        """Take the next row, by this consumer's policy; None if there is none yet."""
        if self._policy == "lossless":
            return self._in_order()
        for stream, cursor in zip(self._streams, self._cursors, strict=True):
            if cursor.position < stream.rows.head:
                rows, missed = stream.rows.since(cursor.position)
                cursor.position = stream.rows.head
                self._put(rows, missed)
        return self._waiting.popleft() if self._waiting else None

    def _in_order(self) -> R | None:
        """Take one row straight from the ring: what a consumer has not read pins nothing."""
        if len(self._streams) == 1:
            return self._next_of(self._streams[0], self._cursors[0])
        for stream, cursor in in_turn(self._streams, self._cursors):
            row = self._next_of(stream, cursor)
            if row is not None:
                return row
        return None

    def _next_of(self, stream: Stream, cursor: Cursor) -> R | None:
        ring, position = stream.rows, cursor.position
        if position >= ring.head:
            return None
        missed = max(ring.base - position, 0)
        if missed:
            self.missed += missed
            self._exchange._lagging(stream, missed)
            position = ring.base
        row: R = ring.rows[position - ring.base]
        cursor.position = position + 1
        cursor.served += 1
        return _after_loss(row, missed) if missed else row

    def _put(self, rows: list[Any], missed: int) -> None:
        waiting = self._waiting
        self.missed += missed
        if missed and rows:
            rows = [_after_loss(rows[0], missed), *rows[1:]]
        waiting.extend(rows)
        if self._buffer is not None and len(waiting) > self._buffer:
            surplus = len(waiting) - self._buffer
            for _ in range(surplus):
                waiting.popleft()
            self.missed += surplus
            waiting[0] = _after_loss(waiting[0], surplus)


class Books(Rows[OrderBookRow]):
    """Order books: `lossless` yields the book after every single update.

    Each consumer moves a copy of its own, so what it gets never changes afterwards.
    """

    def __init__(self, *args: Any, limit: int | None) -> None:
        super().__init__(*args)
        self._limit = limit
        self._replicas: list[Replica] = []

    async def _open(self) -> None:
        await super()._open()
        for stream in self._streams:
            assert isinstance(stream, BookStream)
            if stream.deepen(self._limit):
                stream.distrust("a deeper book is wanted")
                self._exchange._client.engine.recovery.look_at(
                    stream, self._exchange._client.loop.time()
                )
                self._exchange._client.perform()
            replica = Replica(stream)
            seeded = replica.seed()
            if seeded is not None:
                self._waiting.append(self._row(seeded, 0))
            self._replicas.append(replica)

    def _pull(self) -> OrderBookRow | None:
        if self._waiting:
            return self._waiting.popleft()
        for replica, stream in zip(self._replicas, self._streams, strict=True):
            if self._policy == "lossless":
                row = self._step(replica, stream)
                if row is not None:
                    return row
            elif replica.position < stream.rows.head and isinstance(stream, BookStream):
                book = stream.current()
                if book is not None:
                    skipped = stream.rows.head - replica.position - 1
                    replica.position = stream.rows.head
                    return self._row(book, skipped)
        return None

    def _step(self, replica: Replica, stream: Stream) -> OrderBookRow | None:
        """Move one update further; after an overrun, jump to the present and say so."""
        ring = stream.rows
        missed = 0
        if replica.position < ring.base:
            missed = ring.head - replica.position
            self.missed += missed
            self._exchange._lagging(stream, missed)
            seeded = replica.seed()
            return self._row(seeded, missed) if seeded is not None else None
        while replica.position < ring.head:
            book = replica.move(ring.rows[replica.position - ring.base])
            if book is not None and not book.crossed():
                return self._row(book, missed)
        return None

    def _row(self, book: Book, missed: int) -> OrderBookRow:
        return OrderBookRow(
            book.symbol, book.level_bids(self._limit), book.level_asks(self._limit),
            book.timestamp_ms, book.nonce, book.received_ns, missed,
        )  # fmt: skip


def _after_loss(row: Any, missed: int) -> Any:
    # A copy: the row in the ring is shared with consumers who missed nothing.
    return msgspec.structs.replace(row, missed_before=row.missed_before + missed)


def _let_go(exchange: weakref.ref[Any], holder: object) -> None:
    alive = exchange()
    if alive is not None:
        alive._release(holder)


class StreamMethods(Reading):
    """The typed face of an exchange object (a mixin of `Exchange`)."""

    def stream_trades(
        self, symbol: str, *, policy: Policy = "lossless", buffer: int | None = None,
        params: Params = {},
    ) -> Rows[Trade]:  # fmt: skip
        """Iterate the trades of one market: each exactly once, in order.

        Args:
            symbol: Unified symbol.
            policy: `lossless`, `drop_oldest` or `latest`; see the module.
            buffer: With `drop_oldest`: how many rows may wait.
            params: The venue's switches, as in `watch_trades`.
        """
        return self._rows(Kind.TRADES, "watchTrades", [symbol], policy, buffer, params)

    def stream_trades_for_symbols(
        self, symbols: list[str], *, policy: Policy = "lossless", buffer: int | None = None,
        params: Params = {},
    ) -> Rows[Trade]:  # fmt: skip
        """Iterate the trades of several markets; in order within each market."""
        return self._rows(Kind.TRADES, "watchTradesForSymbols", symbols, policy, buffer, params)

    def stream_order_book(
        self, symbol: str, limit: int | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Books:  # fmt: skip
        """Iterate the order book of one market: after every update, or the latest.

        `limit` rows a side; None: every level that is known.
        """
        return self._book_rows("watchOrderBook", [symbol], limit, policy, params)

    def stream_order_book_for_symbols(
        self, symbols: list[str], limit: int | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Books:  # fmt: skip
        """Iterate the order books of several markets. See `stream_order_book`."""
        return self._book_rows("watchOrderBookForSymbols", symbols, limit, policy, params)

    def stream_ticker(
        self, symbol: str, *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[Ticker]:
        """Iterate the statistics of one market."""
        return self._rows(Kind.TICKER, "watchTicker", [symbol], policy, None, params)

    def stream_tickers(
        self, symbols: list[str] | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[Ticker]:  # fmt: skip
        """Iterate the statistics of several markets, or of all without `symbols`."""
        return self._rows(Kind.TICKER, "watchTickers", symbols, policy, None, params)

    def stream_bids_asks(
        self, symbols: list[str] | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[BidAsk]:  # fmt: skip
        """Iterate best bids and asks of several markets."""
        return self._rows(Kind.BIDS_ASKS, "watchBidsAsks", symbols, policy, None, params)

    def stream_ohlcv(
        self, symbol: str, timeframe: str = "1m", *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[Candle]:  # fmt: skip
        """Iterate the candles of one market: every change, `closed` on the final one."""
        pairs = [(symbol, timeframe)]
        return self._rows(Kind.OHLCV, "watchOHLCV", pairs, policy, None, params)

    def stream_ohlcv_for_symbols(
        self, symbols_and_timeframes: list[list[str]], *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[Candle]:  # fmt: skip
        """Iterate the candles of several [symbol, timeframe] pairs."""
        pairs = [(symbol, timeframe) for symbol, timeframe in symbols_and_timeframes]
        return self._rows(Kind.OHLCV, "watchOHLCVForSymbols", pairs, policy, None, params)

    def stream_mark_price(
        self, symbol: str, *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[MarkPrice]:
        """Iterate the mark price of one contract."""
        return self._rows(Kind.MARK_PRICE, "watchMarkPrice", [symbol], policy, None, params)

    def stream_mark_prices(
        self, symbols: list[str] | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[MarkPrice]:  # fmt: skip
        """Iterate the mark prices of several contracts, or of all without `symbols`."""
        return self._rows(Kind.MARK_PRICE, "watchMarkPrices", symbols, policy, None, params)

    def stream_funding_rate(
        self, symbol: str, *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[FundingRate]:
        """Iterate the funding rate of one perpetual contract."""
        return self._rows(Kind.FUNDING_RATE, "watchFundingRate", [symbol], policy, None, params)

    def stream_funding_rates(
        self, symbols: list[str] | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[FundingRate]:  # fmt: skip
        """Iterate the funding rates of several contracts, or of all without `symbols`."""
        return self._rows(Kind.FUNDING_RATE, "watchFundingRates", symbols, policy, None, params)

    def stream_liquidations(
        self, symbol: str, *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[Liquidation]:
        """Iterate the liquidations of one contract, as far as the venue tells them."""
        return self._rows(Kind.LIQUIDATIONS, "watchLiquidations", [symbol], policy, None, params)

    def stream_liquidations_for_symbols(
        self, symbols: list[str] | None = None, *, policy: Policy = "lossless",
        params: Params = {},
    ) -> Rows[Liquidation]:  # fmt: skip
        """Iterate the liquidations of several contracts, or of all without `symbols`."""
        method = "watchLiquidationsForSymbols"
        return self._rows(Kind.LIQUIDATIONS, method, symbols, policy, None, params)

    def stream_open_interest(
        self, symbol: str, *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[OpenInterest]:
        """Iterate the open interest of one contract; some venues only tell it by REST."""
        return self._rows(Kind.OPEN_INTEREST, "watchOpenInterest", [symbol], policy, None, params)

    def stream_open_interest_for_symbols(
        self, symbols: list[str], *, policy: Policy = "lossless", params: Params = {}
    ) -> Rows[OpenInterest]:
        """Iterate the open interest of several contracts. See `stream_open_interest`."""
        method = "watchOpenInterestForSymbols"
        return self._rows(Kind.OPEN_INTEREST, method, symbols, policy, None, params)

    def _rows(
        self, kind: Kind, method: str, wanted: Sequence[Any] | None, policy: Policy,
        buffer: int | None, params: Params,
    ) -> Rows[Any]:  # fmt: skip
        return Rows(self, method, self._opener(kind, method, wanted, params), policy, buffer)

    def _book_rows(
        self, method: str, symbols: list[str], limit: int | None, policy: Policy, params: Params
    ) -> Books:
        opener = self._opener(Kind.BOOK, method, symbols, params, depth=limit or 0)
        return Books(self, method, opener, policy, None, limit=limit)

    def _opener(
        self, kind: Kind, method: str, wanted: Sequence[Any] | None, params: Params,
        *, depth: int = 0,
    ) -> Callable[[], Any]:  # fmt: skip
        async def subs() -> list[Any]:
            pairs = [w if isinstance(w, tuple) else (w, "") for w in wanted or [None]]
            await self._ready([symbol for symbol, _ in pairs if symbol], method)
            return [
                self._sub(kind, s, method, params, timeframe=tf, depth=depth) for s, tf in pairs
            ]

        return subs
