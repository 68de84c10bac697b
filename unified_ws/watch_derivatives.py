"""The ccxt face of derivatives: mark prices, funding rates and liquidations."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from unified_ws import formats
from unified_ws.consume import CCXT_FACE, owner
from unified_ws.core.streams import Stream
from unified_ws.facts import Kind
from unified_ws.types import (
    FundingRate,
    FundingRates,
    Liquidation,
    Params,
    Ticker,
    Tickers,
)
from unified_ws.watch import Call, Watch


class WatchDerivatives(Watch):
    """What ccxt.pro offers of contracts beside prices and trades (a mixin of `Exchange`)."""

    # --- mark prices ------------------------------------------------------------------------

    def watch_mark_price(self, symbol: str, params: Params = {}) -> Call[Ticker]:
        """Wait for the next mark price of one contract: the price that margins are computed by.

        Returns ccxt's ticker dict with `markPrice` and `indexPrice` in quote currency, `timestamp`
        in ms. Raises as `watch_trades` does, and `NotSupported` where the venue has none.
        """
        return self._one_of(owner(), Kind.MARK_PRICE, "watchMarkPrice", symbol, params)

    def watch_mark_prices(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Call[Tickers]:
        """Wait for new mark prices of several contracts, or of all of them without `symbols`.

        Returns ccxt's ticker dicts by symbol, only of contracts that have news for this caller.
        """
        return self._tickers(owner(), Kind.MARK_PRICE, "watchMarkPrices", symbols, params)

    async def un_watch_mark_price(self, symbol: str, params: Params = {}) -> bool:
        """End the mark price of one contract for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.MARK_PRICE, "unWatchMarkPrice", [symbol], params)

    async def un_watch_mark_prices(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End mark prices for this face: of these contracts, or all without `symbols`."""
        return await self._un_watch(Kind.MARK_PRICE, "unWatchMarkPrices", symbols, params)

    # --- funding rates ----------------------------------------------------------------------

    def watch_funding_rate(self, symbol: str, params: Params = {}) -> Call[FundingRate]:
        """Wait for the next word on the funding of one perpetual contract.

        Returns ccxt's funding rate dict: `fundingRate` as a fraction (0.0001 is 0.01 %), due at
        `fundingTimestamp` (ms). Raises as `watch_mark_price` does.
        """
        return self._one_of(owner(), Kind.FUNDING_RATE, "watchFundingRate", symbol, params)

    def watch_funding_rates(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Call[FundingRates]:
        """Wait for new funding rates of several contracts, or of all of them without `symbols`.

        Returns ccxt's funding rate dicts by symbol, only of contracts that have news for this
        caller.
        """
        return self._tickers(owner(), Kind.FUNDING_RATE, "watchFundingRates", symbols, params)

    def watch_funding_rates_for_symbols(
        self, symbols: list[str], params: Params = {}
    ) -> Call[FundingRates]:
        """Wait for new funding rates of several contracts. See `watch_funding_rates`."""
        return self._tickers(
            owner(), Kind.FUNDING_RATE, "watchFundingRatesForSymbols", symbols, params
        )

    async def un_watch_funding_rate(self, symbol: str, params: Params = {}) -> bool:
        """End the funding rate of one contract for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.FUNDING_RATE, "unWatchFundingRate", [symbol], params)

    async def un_watch_funding_rates(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End funding rates for this face: of these contracts, or all without `symbols`."""
        return await self._un_watch(Kind.FUNDING_RATE, "unWatchFundingRates", symbols, params)

    # --- liquidations -----------------------------------------------------------------------

    def watch_liquidations(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = {}
    ) -> Call[list[Liquidation]]:
        """Wait for positions of one contract that the venue closes by force.

        Many venues tell only a sample; what was missed while a connection was down is not fetched.

        Returns:
            ccxt's liquidation dicts, oldest first, each once per caller: `price` in quote
            currency, `contracts`, `baseValue` and `quoteValue` in those currencies, `side` of the
            order that closed the position ("sell": a long was liquidated).
        """
        return self._liquidations(owner(), "watchLiquidations", [symbol], since, limit, params)

    def watch_liquidations_for_symbols(
        self, symbols: list[str], since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> Call[list[Liquidation]]:  # fmt: skip
        """Wait for liquidations of any of several contracts; an empty list means all of them."""
        return self._liquidations(
            owner(), "watchLiquidationsForSymbols", symbols, since, limit, params
        )

    async def un_watch_liquidations(self, symbol: str, params: Params = {}) -> bool:
        """End the liquidations of one contract for this face. See `un_watch_trades`."""
        return await self._un_watch(Kind.LIQUIDATIONS, "unWatchLiquidations", [symbol], params)

    async def un_watch_liquidations_for_symbols(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End liquidations for this face: of these contracts, or all without `symbols`."""
        return await self._un_watch(
            Kind.LIQUIDATIONS, "unWatchLiquidationsForSymbols", symbols, params
        )

    # ccxt's other spelling of the same methods.
    watchMarkPrice = watch_mark_price
    watchMarkPrices = watch_mark_prices
    unWatchMarkPrice = un_watch_mark_price
    unWatchMarkPrices = un_watch_mark_prices
    watchFundingRate = watch_funding_rate
    watchFundingRates = watch_funding_rates
    watchFundingRatesForSymbols = watch_funding_rates_for_symbols
    unWatchFundingRate = un_watch_funding_rate
    unWatchFundingRates = un_watch_funding_rates
    watchLiquidations = watch_liquidations
    watchLiquidationsForSymbols = watch_liquidations_for_symbols
    unWatchLiquidations = un_watch_liquidations
    unWatchLiquidationsForSymbols = un_watch_liquidations_for_symbols

    # --- how they read ----------------------------------------------------------------------

    async def _one_of(
        self, caller: Hashable | None, kind: Kind, method: str, symbol: str, params: Params
    ) -> Any:
        found = await self._tickers(caller, kind, method, [symbol], params)
        return next(iter(found.values()))

    async def _liquidations(
        self, caller: Hashable | None, method: str, symbols: Sequence[str] | None,
        since: int | None, limit: int | None, params: Params,
    ) -> list[Liquidation]:  # fmt: skip
        await self._ready(symbols or (), method)
        wanted: Sequence[str | None] = symbols or [None]
        subs = [self._sub(Kind.LIQUIDATIONS, s, method, params) for s in wanted]
        streams = self._streams(subs, CCXT_FACE, method)

        def pick(stream: Stream, rows: list[Any]) -> list[Liquidation]:
            if not self.newUpdates:
                rows = stream.rows.latest(self._limit_of("tradesLimit"))
            if since is not None:
                rows = [row for row in rows if (row.timestamp_ms or 0) >= since]
            chosen = rows[-limit:] if limit else rows
            return [
                formats.liquidation_dict(row, self._bridge.market(row.symbol))  # type: ignore[misc]  # built to that shape
                for row in chosen
            ]

        return await self._next(streams, caller or owner(), pick)


__all__ = ["WatchDerivatives"]
