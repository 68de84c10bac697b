"""The ccxt face: `watch_*` and `un_watch_*` with ccxt.pro's names, arguments, dicts and errors.

Each `watch_*` is a plain function that notes its task when it is called and returns a real
coroutine, so `create_task`, `gather`, `wait_for` and `asyncio.run` all know who reads.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from unified_ws import formats
from unified_ws.consume import CCXT_FACE, Reading, in_turn, owner
from unified_ws.core.books import BookStream
from unified_ws.core.streams import Stream
from unified_ws.errors import CCXT_ERRORS
from unified_ws.facts import Kind
from unified_ws.types import OrderBook, Params, Ticker, Tickers, Trade

T = TypeVar("T")
Call: TypeAlias = Coroutine[Any, Any, T]
_DEFAULT_DEPTH = 1000


class Watch(Reading):
    """The market data methods of ccxt.pro (a mixin of `Exchange`)."""

    # --- trades -----------------------------------------------------------------------------

    def watch_trades(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = {}
    ) -> Call[list[Trade]]:
        """Wait for trades of one market that this caller has not had yet.

        Returns at once if any are waiting. A healed disconnect is not an error: missed trades
        are fetched by REST where the venue can, and `gaps()` records the rest as a gap.

        Args:
            symbol: Unified symbol: "BTC/USDT" (spot), "BTC/USDT:USDT" (linear).
            since: Leave out trades before this instant (Unix epoch, milliseconds, UTC).
            limit: Return at most the newest `limit` of them; the others are skipped.
            params: The venue's switches, as in ccxt (`name` chooses its trade channel).

        Returns:
            The new trades, oldest first, each once per caller, as ccxt's trade dict: `price` in
            quote currency, `amount` in base currency (contracts for derivatives), `side` of the
            taker, `timestamp` of the venue's match in ms. With `newUpdates` False: the cache.

        Raises:
            BadSymbol: The venue has no such market.
            BadRequest: A key or value of `params` that this method does not know.
            SubscribeRejected: The venue refused the topic; its own text is in `reason`.
            StreamDown: An outage outlasted `raise_after_s`.
            UnsubscribeError: `un_watch_trades()` was called while waiting.
            ExchangeClosedByUser: `close()` was called while waiting.

        Source: the trade channels of the venue's file in `exchanges/`.
        """
        return self._trades(owner(), "watchTrades", [symbol], since, limit, params)

    def watch_trades_for_symbols(
        self, symbols: list[str], since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> Call[list[Trade]]:  # fmt: skip
        """Wait for new trades of any of several markets.

        Returns the new trades of one of them, oldest first; markets with news are served in
        turn, so a busy one never starves the others. See `watch_trades`.
        """
        return self._trades(owner(), "watchTradesForSymbols", symbols, since, limit, params)

    async def un_watch_trades(self, symbol: str, params: Params = {}) -> bool:
        """End the trades of one market for this face; pending calls get `UnsubscribeError`."""
        return await self._un_watch(Kind.TRADES, "unWatchTrades", [symbol], params)

    async def un_watch_trades_for_symbols(self, symbols: list[str], params: Params = {}) -> bool:
        """End the trades of several markets for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.TRADES, "unWatchTradesForSymbols", symbols, params)

    # --- order books ------------------------------------------------------------------------

    def watch_order_book(
        self, symbol: str, limit: int | None = None, params: Params = {}
    ) -> Call[OrderBook]:
        """Wait until the order book of one market is newer than the one this caller had.

        Only books that are in step with the venue are returned; after a loss the book of that
        market alone starts again, silently.

        Args:
            symbol: Unified symbol.
            limit: Rows a side, best first; None: up to 1000. Callers may differ in it.
            params: The venue's switches, as in ccxt.

        Returns:
            A dict with `bids` and `asks` (lists of [price, amount], prices in quote currency,
            amounts in base currency or contracts), `timestamp` (ms, None right after the first
            state), `datetime`, `nonce` (the venue's update id) and `symbol`. It never changes
            afterwards; `ex.orderbooks[symbol]` is the live view.

        Raises:
            See `watch_trades`.
        """
        return self._books(owner(), "watchOrderBook", [symbol], limit, params)

    def watch_order_book_for_symbols(
        self, symbols: list[str], limit: int | None = None, params: Params = {}
    ) -> Call[OrderBook]:
        """Wait for a newer order book of any of several markets. See `watch_order_book`."""
        return self._books(owner(), "watchOrderBookForSymbols", symbols, limit, params)

    async def un_watch_order_book(self, symbol: str, params: Params = {}) -> bool:
        """End the order book of one market for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.BOOK, "unWatchOrderBook", [symbol], params)

    async def un_watch_order_book_for_symbols(
        self, symbols: list[str], params: Params = {}
    ) -> bool:
        """End the order books of several markets for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.BOOK, "unWatchOrderBookForSymbols", symbols, params)

    # --- tickers ----------------------------------------------------------------------------

    def watch_ticker(self, symbol: str, params: Params = {}) -> Call[Ticker]:
        """Wait for the next statistics of one market, best bid and ask included.

        Returns ccxt's ticker dict: prices in quote currency, `baseVolume` in base currency,
        `percentage` in percent, `timestamp` in ms; what the venue does not send is None.
        Raises as `watch_trades` does.
        """
        return self._ticker(owner(), symbol, params)

    def watch_tickers(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Call[Tickers]:
        """Wait for new statistics of several markets, or of all of them without `symbols`.

        Returns ccxt's ticker dicts by symbol, only of markets that have news for this caller
        (with `newUpdates` False: all that are known).
        """
        return self._tickers(owner(), Kind.TICKER, "watchTickers", symbols, params)

    def watch_bids_asks(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Call[Tickers]:
        """Wait for new best bids and asks of several markets.

        Returns ccxt's ticker dicts by symbol, with only `bid`, `bidVolume`, `ask` and
        `askVolume` set. Raises `ArgumentsRequired` where no stream covers all markets.
        """
        return self._tickers(owner(), Kind.BIDS_ASKS, "watchBidsAsks", symbols, params)

    async def un_watch_ticker(self, symbol: str, params: Params = {}) -> bool:
        """End the statistics of one market for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.TICKER, "unWatchTicker", [symbol], params)

    async def un_watch_tickers(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End statistics for this face: of these markets, or all without `symbols`."""
        return await self._un_watch(Kind.TICKER, "unWatchTickers", symbols, params)

    async def un_watch_bids_asks(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End best bids and asks for this face: of these markets, or all without `symbols`."""
        return await self._un_watch(Kind.BIDS_ASKS, "unWatchBidsAsks", symbols, params)

    # --- candles ----------------------------------------------------------------------------

    def watch_ohlcv(
        self, symbol: str, timeframe: str = "1m", since: int | None = None,
        limit: int | None = None, params: Params = {},
    ) -> Call[list[formats.OHLCV]]:  # fmt: skip
        """Wait for candles of one market that are new or have changed for this caller.

        Returns rows of [open time in ms, open, high, low, close, volume in base currency],
        oldest first; each row also says whether it is final: `row.closed`. `since`, `limit` and
        `newUpdates` as in `watch_trades`. Raises `BadRequest` for an unknown `timeframe`.
        """
        return self._ohlcv(owner(), symbol, timeframe, since, limit, params)

    def watch_ohlcv_for_symbols(
        self, symbolsAndTimeframes: list[list[str]],
        since: int | None = None, limit: int | None = None, params: Params = {},
    ) -> Call[dict[str, dict[str, list[formats.OHLCV]]]]:  # fmt: skip
        """Wait for new candles of any of several [symbol, timeframe] pairs.

        Returns {symbol: {timeframe: rows}} of one pair; pairs are served in turn.
        """
        return self._ohlcvs(
            owner(), "watchOHLCVForSymbols", symbolsAndTimeframes, since, limit, params
        )

    async def un_watch_ohlcv(
        self, symbol: str, timeframe: str = "1m", params: Params = {}
    ) -> bool:
        """End the candles of one market and timeframe for this face. See `un_watch_trades`."""
        return await self._un_watch(
            Kind.OHLCV, "unWatchOHLCV", [symbol], params, timeframes={symbol: {timeframe}}
        )

    async def un_watch_ohlcv_for_symbols(
        self, symbolsAndTimeframes: list[list[str]], params: Params = {},
    ) -> bool:  # fmt: skip
        """End the candles of several [symbol, timeframe] pairs for this face."""
        frames: dict[str, set[str]] = {}
        for symbol, timeframe in symbolsAndTimeframes:
            frames.setdefault(symbol, set()).add(timeframe)
        return await self._un_watch(
            Kind.OHLCV, "unWatchOHLCVForSymbols", list(frames), params, timeframes=frames
        )

    # ccxt's other spelling of the same methods.
    watchTrades = watch_trades
    watchTradesForSymbols = watch_trades_for_symbols
    unWatchTrades = un_watch_trades
    unWatchTradesForSymbols = un_watch_trades_for_symbols
    watchOrderBook = watch_order_book
    watchOrderBookForSymbols = watch_order_book_for_symbols
    unWatchOrderBook = un_watch_order_book
    unWatchOrderBookForSymbols = un_watch_order_book_for_symbols
    watchTicker = watch_ticker
    watchTickers = watch_tickers
    unWatchTicker = un_watch_ticker
    unWatchTickers = un_watch_tickers
    watchBidsAsks = watch_bids_asks
    unWatchBidsAsks = un_watch_bids_asks
    watchOHLCV = watch_ohlcv
    watchOHLCVForSymbols = watch_ohlcv_for_symbols
    unWatchOHLCV = un_watch_ohlcv
    unWatchOHLCVForSymbols = un_watch_ohlcv_for_symbols

    # --- how they read ----------------------------------------------------------------------

    async def _trades(
        self, caller: Hashable | None, method: str, symbols: Sequence[str], since: int | None,
        limit: int | None, params: Params,
    ) -> list[Trade]:  # fmt: skip
        await self._ready(symbols, method)
        subs = [self._sub(Kind.TRADES, s, method, params) for s in symbols]
        streams = self._streams(subs, CCXT_FACE, method)

        def pick(stream: Stream, rows: list[Any]) -> list[Trade]:
            if not self.newUpdates:
                rows = stream.rows.latest(self._limit_of("tradesLimit"))
            if since is not None:
                rows = [row for row in rows if row.timestamp_ms >= since]
            market = stream.sub.market
            build = formats.new_trade_dict if self.newUpdates else formats.trade_dict
            return [build(row, market) for row in (rows[-limit:] if limit else rows)]  # type: ignore[misc]  # built to that shape

        return await self._next(streams, caller or owner(), pick)

    async def _next(
        self, streams: Sequence[Stream], caller: Hashable | None,
        pick: Callable[[Stream, list[Any]], T],
    ) -> T:  # fmt: skip
        """Return what `pick` makes of the first stream with news, once that is not empty."""
        started = self._client.loop.time()
        with self._cursors(streams, caller) as cursors:
            while True:
                for stream, cursor in in_turn(streams, cursors):
                    rows = self._take(stream, cursor)
                    picked = pick(stream, rows) if rows else None
                    if picked:
                        return picked
                await self._client.news(streams, started)

    async def _books(
        self, caller: Hashable | None, method: str, symbols: Sequence[str], limit: int | None,
        params: Params,
    ) -> OrderBook:  # fmt: skip
        if limit is not None and limit <= 0:
            raise CCXT_ERRORS["BadRequest"](f"{self.id} {method}: limit must be positive")
        await self._ready(symbols, method)
        subs = [self._sub(Kind.BOOK, s, method, params, depth=limit or 0) for s in symbols]
        streams = self._streams(subs, CCXT_FACE, method)
        depth = limit or self._limit_of("watchOrderBookLimit")
        for stream in streams:
            if isinstance(stream, BookStream) and stream.deepen(depth):
                stream.distrust("a deeper book is wanted")
                self._client.engine.recovery.look_at(stream, self._client.loop.time())
                self._client.perform()
        started = self._client.loop.time()
        with self._cursors(streams, caller or owner()) as cursors:
            while True:
                for stream, cursor in in_turn(streams, cursors):
                    if not self._fresh_book(stream, cursor):
                        continue
                    self._served(stream, cursor)
                    return self._book(stream, depth)
                await self._client.news(streams, started)

    def _book(self, stream: Stream, depth: int) -> OrderBook:
        assert isinstance(stream, BookStream)
        if self._settings.ws.live_objects:
            return self.orderbooks[stream.symbol]  # type: ignore[no-any-return]
        return formats.book_dict(stream.sync.book, depth)  # type: ignore[return-value]

    async def _ticker(self, caller: Hashable | None, symbol: str, params: Params) -> Ticker:
        found = await self._tickers(caller, Kind.TICKER, "watchTicker", [symbol], params)
        ticker: Ticker = found.get(symbol) or next(iter(found.values()))
        return ticker

    async def _tickers(
        self, caller: Hashable | None, kind: Kind, method: str, symbols: Sequence[str] | None,
        params: Params,
    ) -> dict[str, Any]:  # fmt: skip
        await self._ready(symbols or (), method)
        wanted: Sequence[str | None] = symbols or [None]
        subs = [self._sub(kind, s, method, params) for s in wanted]
        streams = self._streams(subs, CCXT_FACE, method)
        started = self._client.loop.time()
        build = self._ticker_dict
        with self._cursors(streams, caller or owner()) as cursors:
            while True:
                rows: dict[str, Any] = {}
                for stream, cursor in in_turn(streams, cursors):
                    for row in self._take(stream, cursor):
                        rows[row.symbol] = row
                if rows:
                    if not self.newUpdates:
                        rows = {s: r for stream in streams for s, r in stream.latest.items()}
                    return {symbol: build(row) for symbol, row in rows.items()}
                await self._client.news(streams, started)

    async def _ohlcv(
        self, caller: Hashable | None, symbol: str, timeframe: str, since: int | None,
        limit: int | None, params: Params,
    ) -> list[formats.OHLCV]:  # fmt: skip
        pairs = [[symbol, timeframe]]
        found = await self._ohlcvs(caller, "watchOHLCV", pairs, since, limit, params)
        return next(iter(next(iter(found.values())).values()))

    async def _ohlcvs(
        self, caller: Hashable | None, method: str, pairs: Sequence[Sequence[str]],
        since: int | None, limit: int | None, params: Params,
    ) -> dict[str, dict[str, list[formats.OHLCV]]]:  # fmt: skip
        await self._ready([pair[0] for pair in pairs], method)
        subs = [self._sub(Kind.OHLCV, s, method, params, timeframe=tf) for s, tf in pairs]
        streams = self._streams(subs, CCXT_FACE, method)

        def pick(stream: Any, rows: list[Any]) -> dict[str, dict[str, list[formats.OHLCV]]]:
            changed = {row.open_ms: row for row in rows}
            newest = changed if self.newUpdates else dict(stream.by_open)
            kept = sorted(newest.items())
            if since is not None:
                kept = [item for item in kept if item[0] >= since]
            made = [formats.candle_row(row) for _, row in (kept[-limit:] if limit else kept)]
            return {stream.symbol: {stream.sub.timeframe: list(made)}} if made else {}

        return await self._next(streams, caller or owner(), pick)

    async def _un_watch(
        self, kind: Kind, method: str, symbols: Sequence[str] | None, params: Params,
        *, timeframes: dict[str, set[str]] | None = None,
    ) -> bool:  # fmt: skip
        if not self._running:
            return True
        client, engine = self._client, self._client.engine
        wanted = None if symbols is None else {self._symbol(symbol) for symbol in symbols}
        chosen = {str(value) for key, value in params.items() if key in ("name", "channel")}
        for stream in list(engine.streams.values()):
            if stream.kind is not kind or CCXT_FACE not in stream.holders:
                continue
            if wanted is not None and stream.symbol not in wanted:
                continue
            if "limit" in params and not self._reads(stream, int(str(params["limit"]))):
                continue  # ccxt's way to say which of several depths
            if chosen and not chosen & set(stream.sub.channel.values()):
                continue
            if timeframes and stream.sub.timeframe not in timeframes.get(stream.symbol or "", ()):
                continue
            error = f"{self.id} {method} {stream.symbol or 'all markets'}"
            client.fail_waits(
                lambda text=error: CCXT_ERRORS["UnsubscribeError"](text),
                stream=stream, face=CCXT_FACE,
            )  # fmt: skip
            stream.readers.clear()
            engine.release(stream, CCXT_FACE, client.loop.time())
        client.perform()
        return True

    def _reads(self, stream: Stream, depth: int) -> bool:
        """Say whether a book of `depth` levels would come from this stream."""
        sub = msgspec.structs.replace(stream.sub, depth=depth)
        return tuple(route.topic for route in self._adapter.route(sub)) == stream.topics
