"""What ccxt fetches without an account: markets, tickers, books, trades, candles, funding.

Each method asks ccxt by REST and returns what it returns. ccxt's errors pass through unchanged.
"""


from __future__ import annotations

from typing import cast

from unified_ws.rest_call import RestCall
from unified_ws.types import (
    OHLCV,
    Currencies,
    FundingRate,
    FundingRateHistory,
    FundingRates,
    LastPrices,
    LeverageTier,
    Liquidation,
    Market,
    OpenInterest,
    OrderBook,
    OrderBooks,
    Params,
    Status,
    Ticker,
    Tickers,
    Trade,
)


class MarketData(RestCall):
    """The public REST methods of ccxt, with their types."""

    async def fetch_markets(self, params: Params = {}) -> list[Market]:
        """Fetch all markets of the venue; `load_markets` keeps them for you."""
        return cast("list[Market]", await self._rest("fetch_markets", params))

    async def fetch_currencies(self, params: Params = {}) -> Currencies:
        """Fetch all currencies of the venue, by code."""
        return cast("Currencies", await self._rest("fetch_currencies", params))

    async def fetch_status(self, params: Params = {}) -> Status:
        """Fetch whether the venue says that it works."""
        return cast("Status", await self._rest("fetch_status", params))

    async def fetch_time(self, params: Params = {}) -> int | None:
        """Fetch the venue's clock, in ms since the Unix epoch."""
        return cast("int | None", await self._rest("fetch_time", params))

    async def fetch_ticker(self, symbol: str, params: Params = {}) -> Ticker:
        """Fetch the statistics of one market."""
        return cast("Ticker", await self._rest("fetch_ticker", symbol, params))

    async def fetch_tickers(self, symbols: list[str] | None = None, params: Params = {}) -> Tickers:
        """Fetch the statistics of several markets, all of them without `symbols`, by symbol."""
        return cast("Tickers", await self._rest("fetch_tickers", symbols, params))

    async def fetch_bids_asks(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Tickers:
        """Fetch best bid and ask of several markets, all of them without `symbols`, by symbol."""
        return cast("Tickers", await self._rest("fetch_bids_asks", symbols, params))

    async def fetch_last_prices(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> LastPrices:
        """Fetch the last price of several markets, all of them without `symbols`, by symbol."""
        return cast("LastPrices", await self._rest("fetch_last_prices", symbols, params))

    async def fetch_mark_price(self, symbol: str, params: Params = {}) -> Ticker:
        """Fetch mark and index price of one contract, as a ticker."""
        return cast("Ticker", await self._rest("fetch_mark_price", symbol, params))

    async def fetch_mark_prices(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> Tickers:
        """Fetch mark and index prices of several contracts, by symbol."""
        return cast("Tickers", await self._rest("fetch_mark_prices", symbols, params))

    async def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Params = {}
    ) -> OrderBook:
        """Fetch one book, at most `limit` levels a side where the venue knows that depth."""
        return cast("OrderBook", await self._rest("fetch_order_book", symbol, limit, params))

    async def fetch_order_books(
        self, symbols: list[str] | None = None, limit: int | None = None, params: Params = {}
    ) -> OrderBooks:
        """Fetch several books in one request, by symbol."""
        return cast("OrderBooks", await self._rest("fetch_order_books", symbols, limit, params))

    async def fetch_l2_order_book(
        self, symbol: str, limit: int | None = None, params: Params = {}
    ) -> OrderBook:
        """Fetch one book with one level a price."""
        return cast("OrderBook", await self._rest("fetch_l2_order_book", symbol, limit, params))

    async def fetch_trades(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = {}
    ) -> list[Trade]:
        """Fetch public trades, oldest first: from `since` (ms), or the newest `limit`."""
        return cast("list[Trade]", await self._rest("fetch_trades", symbol, since, limit, params))

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[OHLCV]:
        """Fetch candles, oldest first; the last one may still be open."""
        return cast(
            "list[OHLCV]", await self._rest("fetch_ohlcv", symbol, timeframe, since, limit, params)
        )

    async def fetch_mark_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[OHLCV]:
        """Fetch candles of the mark price, oldest first."""
        return cast(
            "list[OHLCV]",
            await self._rest("fetch_mark_ohlcv", symbol, timeframe, since, limit, params),
        )

    async def fetch_index_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[OHLCV]:
        """Fetch candles of the index price, oldest first."""
        return cast(
            "list[OHLCV]",
            await self._rest("fetch_index_ohlcv", symbol, timeframe, since, limit, params),
        )

    async def fetch_funding_rate(self, symbol: str, params: Params = {}) -> FundingRate:
        """Fetch the current funding of one perpetual contract."""
        return cast("FundingRate", await self._rest("fetch_funding_rate", symbol, params))

    async def fetch_funding_rates(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> FundingRates:
        """Fetch the current funding of several contracts, by symbol."""
        return cast("FundingRates", await self._rest("fetch_funding_rates", symbols, params))

    async def fetch_funding_rate_history(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[FundingRateHistory]:
        """Fetch past funding rates of one contract, oldest first."""
        return cast(
            "list[FundingRateHistory]",
            await self._rest("fetch_funding_rate_history", symbol, since, limit, params),
        )

    async def fetch_funding_interval(self, symbol: str, params: Params = {}) -> FundingRate:
        """Fetch how often one contract is funded: `interval` of the answer."""
        return cast("FundingRate", await self._rest("fetch_funding_interval", symbol, params))

    async def fetch_open_interest(self, symbol: str, params: Params = {}) -> OpenInterest:
        """Fetch how much of one contract is open now."""
        return cast("OpenInterest", await self._rest("fetch_open_interest", symbol, params))

    async def fetch_open_interests(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> dict[str, OpenInterest]:
        """Fetch how much of several contracts is open now, by symbol."""
        return cast(
            "dict[str, OpenInterest]", await self._rest("fetch_open_interests", symbols, params)
        )

    async def fetch_open_interest_history(
        self,
        symbol: str,
        timeframe: str = "1h",
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[OpenInterest]:
        """Fetch how much of one contract was open, oldest first."""
        return cast(
            "list[OpenInterest]",
            await self._rest(
                "fetch_open_interest_history", symbol, timeframe, since, limit, params
            ),
        )

    async def fetch_liquidations(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = {}
    ) -> list[Liquidation]:
        """Fetch public liquidations of one contract, oldest first."""
        return cast(
            "list[Liquidation]",
            await self._rest("fetch_liquidations", symbol, since, limit, params),
        )

    async def fetch_leverage_tiers(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> dict[str, list[LeverageTier]]:
        """Fetch the leverage tables of several contracts, by symbol."""
        return cast(
            "dict[str, list[LeverageTier]]",
            await self._rest("fetch_leverage_tiers", symbols, params),
        )

    async def fetch_market_leverage_tiers(
        self, symbol: str, params: Params = {}
    ) -> list[LeverageTier]:
        """Fetch the leverage table of one contract."""
        return cast(
            "list[LeverageTier]", await self._rest("fetch_market_leverage_tiers", symbol, params)
        )

    async def fetch_trading_limits(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> dict[str, object]:
        """Fetch what one order may hold, by symbol, where markets do not say."""
        return cast("dict[str, object]", await self._rest("fetch_trading_limits", symbols, params))

    # ccxt's other spelling of the same methods.
    fetchMarkets = fetch_markets
    fetchCurrencies = fetch_currencies
    fetchStatus = fetch_status
    fetchTime = fetch_time
    fetchTicker = fetch_ticker
    fetchTickers = fetch_tickers
    fetchBidsAsks = fetch_bids_asks
    fetchLastPrices = fetch_last_prices
    fetchMarkPrice = fetch_mark_price
    fetchMarkPrices = fetch_mark_prices
    fetchOrderBook = fetch_order_book
    fetchOrderBooks = fetch_order_books
    fetchL2OrderBook = fetch_l2_order_book
    fetchTrades = fetch_trades
    fetchOHLCV = fetch_ohlcv
    fetchMarkOHLCV = fetch_mark_ohlcv
    fetchIndexOHLCV = fetch_index_ohlcv
    fetchFundingRate = fetch_funding_rate
    fetchFundingRates = fetch_funding_rates
    fetchFundingRateHistory = fetch_funding_rate_history
    fetchFundingInterval = fetch_funding_interval
    fetchOpenInterest = fetch_open_interest
    fetchOpenInterests = fetch_open_interests
    fetchOpenInterestHistory = fetch_open_interest_history
    fetchLiquidations = fetch_liquidations
    fetchLeverageTiers = fetch_leverage_tiers
    fetchMarketLeverageTiers = fetch_market_leverage_tiers
    fetchTradingLimits = fetch_trading_limits


__all__ = ["MarketData"]
