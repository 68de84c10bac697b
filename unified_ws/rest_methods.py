"""The methods of ccxt that users call on the exchange object, typed and documented.

Requests are in the three mixins; the helpers, which ask nobody, are here. Each answers what ccxt
answers: the ccxt instance does the work, this file lets an editor know about it.
"""


from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from unified_ws.rest_account import Account
from unified_ws.rest_data import MarketData
from unified_ws.rest_trading import Trading
from unified_ws.types import OHLCV, Currency, Fee, Market, Num, Params, Trade

Row = TypeVar("Row")
Key: TypeAlias = str | int
Keyed: TypeAlias = Mapping[str, Any] | Sequence[Any] | None


class RestMethods(MarketData, Trading, Account):
    """Every common method of ccxt's exchange object that is not a `watch_*`, with its types.

    What is not here is answered by the ccxt instance itself, `rest`.
    """

    def market(self, symbol: str) -> Market:
        """Return the market of a unified symbol.

        Raises:
            BadSymbol: The venue has no such market.
            ExchangeError: The markets are not loaded yet.
        """
        return cast("Market", self.rest.market(symbol))

    def market_id(self, symbol: str) -> str:
        """Return the venue's own id of a unified symbol."""
        return cast("str", self.rest.market_id(symbol))

    def market_ids(self, symbols: list[str] | None = None) -> list[str] | None:
        """Return the venue's own ids of unified symbols."""
        return cast("list[str] | None", self.rest.market_ids(symbols))

    def market_symbols(
        self,
        symbols: list[str] | None = None,
        type: str | None = None,
        allowEmpty: bool = True,
        sameTypeOnly: bool = False,
        sameSubTypeOnly: bool = False,
    ) -> list[str] | None:
        """Return unified symbols for symbols or ids, checked to be of one type where asked."""
        return cast(
            "list[str] | None",
            self.rest.market_symbols(symbols, type, allowEmpty, sameTypeOnly, sameSubTypeOnly),
        )

    def symbol(self, symbol: str) -> str:
        """Return the unified symbol for a symbol or an id of the venue."""
        return cast("str", self.rest.symbol(symbol))

    def currency(self, code: str) -> Currency:
        """Return the currency of a unified code."""
        return cast("Currency", self.rest.currency(code))

    def currency_id(self, code: str) -> str:
        """Return the venue's own id of a unified currency code."""
        return cast("str", self.rest.currency_id(code))

    def amount_to_precision(self, symbol: str, amount: Num) -> str:
        """Cut an amount to the market's step, as text that orders accept.

        Raises:
            InvalidOrder: Nothing is left of it.
        """
        return cast("str", self.rest.amount_to_precision(symbol, amount))

    def price_to_precision(self, symbol: str, price: Num) -> str:
        """Round a price to the market's step, as text that orders accept."""
        return cast("str", self.rest.price_to_precision(symbol, price))

    def cost_to_precision(self, symbol: str, cost: Num) -> str:
        """Cut a cost to the market's step of prices, as text."""
        return cast("str", self.rest.cost_to_precision(symbol, cost))

    def fee_to_precision(self, symbol: str, fee: Num) -> str:
        """Round a fee to the market's step of prices, as text."""
        return cast("str", self.rest.fee_to_precision(symbol, fee))

    def currency_to_precision(self, code: str, fee: Num, networkCode: str | None = None) -> str:
        """Round an amount of a currency to its step, as text."""
        return cast("str", self.rest.currency_to_precision(code, fee, networkCode))

    def calculate_fee(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float,
        takerOrMaker: str = "taker",
        params: Params = {},
    ) -> Fee:
        """Compute what an order would cost in fees by the market's rates."""
        return cast(
            "Fee", self.rest.calculate_fee(symbol, type, side, amount, price, takerOrMaker, params)
        )

    def iso8601(self, timestamp: float | str | None = None) -> str | None:
        """Write an instant (ms since the Unix epoch) as ISO 8601 text; None for what is none."""
        return cast("str | None", self.rest.iso8601(timestamp))

    def parse8601(self, timestamp: str | None = None) -> int | None:
        """Read ISO 8601 text as ms since the Unix epoch; None for what is none."""
        return cast("int | None", self.rest.parse8601(timestamp))

    def parse_date(self, timestamp: str | None = None) -> int | None:
        """Read ISO 8601 or RFC 2822 text as ms since the Unix epoch; None for what is none."""
        return cast("int | None", self.rest.parse_date(timestamp))

    def ymd(self, timestamp: int, infix: str = "-", fullYear: bool = True) -> str:
        """Write the date of an instant (ms), for example 2025-01-31."""
        return cast("str", self.rest.ymd(timestamp, infix, fullYear))

    def ymdhms(self, timestamp: int, infix: str = " ") -> str:
        """Write date and time of an instant (ms), for example 2025-01-31 12:00:00."""
        return cast("str", self.rest.ymdhms(timestamp, infix))

    def milliseconds(self) -> int:
        """Return this machine's clock, in ms since the Unix epoch."""
        return cast("int", self.rest.milliseconds())

    def microseconds(self) -> int:
        """Return this machine's clock, in microseconds since the Unix epoch."""
        return cast("int", self.rest.microseconds())

    def seconds(self) -> int:
        """Return this machine's clock, in seconds since the Unix epoch."""
        return cast("int", self.rest.seconds())

    def nonce(self) -> float:
        """Return a number that grows, as this venue wants it in signatures."""
        return cast("float", self.rest.nonce())

    def uuid(self) -> str:
        """Return a new random id."""
        return cast("str", self.rest.uuid())

    def parse_timeframe(self, timeframe: str) -> int:
        """Return the length of a timeframe in seconds: 300 for "5m"."""
        return cast("int", self.rest.parse_timeframe(timeframe))

    def round_timeframe(self, timeframe: str, timestamp: int, direction: int = 3) -> int:
        """Return the start (direction 2: the end) of the candle that holds an instant, in ms."""
        return cast("int", self.rest.round_timeframe(timeframe, timestamp, direction))

    def safe_string(
        self, dictionary: Keyed, key: Key, default_value: str | None = None
    ) -> str | None:
        """Read a field as text."""
        return cast("str | None", self.rest.safe_string(dictionary, key, default_value))

    def safe_string_2(
        self, dictionary: Keyed, key1: Key, key2: Key, default_value: str | None = None
    ) -> str | None:
        """Read the first of two fields that is there as text."""
        return cast("str | None", self.rest.safe_string_2(dictionary, key1, key2, default_value))

    def safe_string_lower(
        self, dictionary: Keyed, key: Key, default_value: str | None = None
    ) -> str | None:
        """Read a field as text in lower case."""
        return cast("str | None", self.rest.safe_string_lower(dictionary, key, default_value))

    def safe_string_upper(
        self, dictionary: Keyed, key: Key, default_value: str | None = None
    ) -> str | None:
        """Read a field as text in upper case."""
        return cast("str | None", self.rest.safe_string_upper(dictionary, key, default_value))

    def safe_float(
        self, dictionary: Keyed, key: Key, default_value: float | None = None
    ) -> float | None:
        """Read a field as a number."""
        return cast("float | None", self.rest.safe_float(dictionary, key, default_value))

    def safe_float_2(
        self, dictionary: Keyed, key1: Key, key2: Key, default_value: float | None = None
    ) -> float | None:
        """Read the first of two fields that is there as a number."""
        return cast("float | None", self.rest.safe_float_2(dictionary, key1, key2, default_value))

    def safe_integer(
        self, dictionary: Keyed, key: Key, default_value: int | None = None
    ) -> int | None:
        """Read a field as a whole number."""
        return cast("int | None", self.rest.safe_integer(dictionary, key, default_value))

    def safe_integer_2(
        self, dictionary: Keyed, key1: Key, key2: Key, default_value: int | None = None
    ) -> int | None:
        """Read the first of two fields that is there as a whole number."""
        return cast("int | None", self.rest.safe_integer_2(dictionary, key1, key2, default_value))

    def safe_timestamp(
        self, dictionary: Keyed, key: Key, default_value: int | None = None
    ) -> int | None:
        """Read a field of seconds as ms."""
        return cast("int | None", self.rest.safe_timestamp(dictionary, key, default_value))

    def safe_value(self, dictionary: Keyed, key: Key, default_value: object = None) -> object:
        """Read a field as it is."""
        return self.rest.safe_value(dictionary, key, default_value)

    def safe_value_2(
        self, dictionary: Keyed, key1: Key, key2: Key, default_value: object = None
    ) -> object:
        """Read the first of two fields that is there as it is."""
        return self.rest.safe_value_2(dictionary, key1, key2, default_value)

    def safe_bool(
        self, dictionaryOrList: Keyed, key: Key, defaultValue: bool | None = None
    ) -> bool | None:
        """Read a field if it is True or False."""
        return cast("bool | None", self.rest.safe_bool(dictionaryOrList, key, defaultValue))

    def safe_dict(
        self, dictionaryOrList: Keyed, key: Key, defaultValue: dict[str, object] | None = None
    ) -> dict[str, object] | None:
        """Read a field if it is a dict."""
        return cast(
            "dict[str, object] | None", self.rest.safe_dict(dictionaryOrList, key, defaultValue)
        )

    def safe_list(
        self, dictionaryOrList: Keyed, key: Key, defaultValue: list[object] | None = None
    ) -> list[object] | None:
        """Read a field if it is a list."""
        return cast("list[object] | None", self.rest.safe_list(dictionaryOrList, key, defaultValue))

    def safe_number(self, obj: Keyed, key: Key, defaultNumber: Num = None) -> float | None:
        """Read a field as a number of the class that `rest.number` names."""
        return cast("float | None", self.rest.safe_number(obj, key, defaultNumber))

    def safe_symbol(
        self,
        marketId: str | None,
        market: Market | None = None,
        delimiter: str | None = None,
        marketType: str | None = None,
    ) -> str:
        """Return the unified symbol for an id of the venue, even an unknown one."""
        return cast("str", self.rest.safe_symbol(marketId, market, delimiter, marketType))

    def safe_market(
        self,
        marketId: str | None = None,
        market: Market | None = None,
        delimiter: str | None = None,
        marketType: str | None = None,
    ) -> Market:
        """Return the market for an id of the venue, even an unknown one."""
        return cast("Market", self.rest.safe_market(marketId, market, delimiter, marketType))

    def safe_currency_code(
        self, currencyId: str | None, currency: Currency | None = None
    ) -> str | None:
        """Return the unified code for a currency id of the venue."""
        return cast("str | None", self.rest.safe_currency_code(currencyId, currency))

    def filter_by_since_limit(
        self,
        array: list[Row] | None,
        since: int | None = None,
        limit: int | None = None,
        key: Key = "timestamp",
        tail: bool = False,
    ) -> list[Row]:
        """Return the rows from `since` on, at most `limit`: the last of them with `tail`."""
        return cast("list[Row]", self.rest.filter_by_since_limit(array, since, limit, key, tail))

    def filter_by_symbol_since_limit(
        self,
        array: list[Row],
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        tail: bool = False,
    ) -> list[Row]:
        """Return the rows of one symbol from `since` on, at most `limit`."""
        return cast(
            "list[Row]", self.rest.filter_by_symbol_since_limit(array, symbol, since, limit, tail)
        )

    def build_ohlcvc(
        self,
        trades: list[Trade],
        timeframe: str = "1m",
        since: float = 0,
        limit: float = 2147483647,
    ) -> list[OHLCV]:
        """Build candles out of trades; a seventh field counts the trades."""
        return cast("list[OHLCV]", self.rest.build_ohlcvc(trades, timeframe, since, limit))

    def check_required_credentials(self, error: bool = True) -> bool:
        """Return whether every key that this venue needs is there; raise if not, with `error`."""
        return cast("bool", self.rest.check_required_credentials(error))

    async def throttle(self, cost: float | None = None) -> None:
        """Wait until a request of this cost fits ccxt's rate limit."""
        await self._rest("throttle", cost)

    async def sleep(self, milliseconds: float) -> None:
        """Wait for so many milliseconds."""
        await self._rest("sleep", milliseconds)

    async def load_time_difference(self, params: Params = {}) -> int:
        """Measure how far the venue's clock is behind this machine's, in ms, and keep it."""
        return cast("int", await self._rest("load_time_difference", params))

    # ccxt's other spelling of the same methods.
    marketId = market_id
    marketIds = market_ids
    marketSymbols = market_symbols
    currencyId = currency_id
    amountToPrecision = amount_to_precision
    priceToPrecision = price_to_precision
    costToPrecision = cost_to_precision
    feeToPrecision = fee_to_precision
    currencyToPrecision = currency_to_precision
    calculateFee = calculate_fee
    parseDate = parse_date
    parseTimeframe = parse_timeframe
    roundTimeframe = round_timeframe
    safeString = safe_string
    safeString2 = safe_string_2
    safeStringLower = safe_string_lower
    safeStringUpper = safe_string_upper
    safeFloat = safe_float
    safeFloat2 = safe_float_2
    safeInteger = safe_integer
    safeInteger2 = safe_integer_2
    safeTimestamp = safe_timestamp
    safeValue = safe_value
    safeValue2 = safe_value_2
    safeBool = safe_bool
    safeDict = safe_dict
    safeList = safe_list
    safeNumber = safe_number
    safeSymbol = safe_symbol
    safeMarket = safe_market
    safeCurrencyCode = safe_currency_code
    filterBySinceLimit = filter_by_since_limit
    filterBySymbolSinceLimit = filter_by_symbol_since_limit
    buildOhlcvc = build_ohlcvc
    checkRequiredCredentials = check_required_credentials
    loadTimeDifference = load_time_difference


__all__ = ["Account", "MarketData", "RestMethods", "Trading"]
