"""The structures of ccxt that anyone may read: markets, trades, books, tickers, funding.

Import them from `unified_ws.types`, which says what they promise.

Units are ccxt's: `timestamp` in milliseconds since the Unix epoch (UTC), `datetime` the same
instant as ISO 8601 text, prices in quote currency, amounts in base currency (contracts for
derivatives), rates and percentages as their comments say. `info` is the venue's own object.
"""

# No `from __future__ import annotations` here: it would hide `NotRequired` from the keys that
# Python 3.11 records at run time.

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NotRequired, TypeAlias, TypedDict

Info: TypeAlias = dict[str, object]
"""The venue's own object, as it came."""

Params: TypeAlias = Mapping[str, object]
"""ccxt's `params`: switches and fields of one call that only this venue has."""

Num: TypeAlias = float | str | Decimal | None
"""A number as ccxt's order methods accept it; text and Decimal keep every digit."""

Side: TypeAlias = Literal["buy", "sell"]
OrderType: TypeAlias = Literal["limit", "market"]
MarketType: TypeAlias = Literal["spot", "margin", "swap", "future", "option"]

OHLCV: TypeAlias = list[float]
"""[timestamp of the open in ms, open, high, low, close, volume in base currency]"""


class MinMax(TypedDict):
    """Bounds; None where the venue states none."""

    min: float | None
    max: float | None


class Limits(TypedDict):
    """What one order of a market may hold."""

    amount: MinMax
    price: MinMax
    cost: MinMax
    leverage: MinMax
    market: NotRequired[MinMax]


class Precision(TypedDict):
    """Steps of a market: tick sizes or decimal digits, as `precisionMode` of the venue says."""

    amount: float | None
    price: float | None
    cost: NotRequired[float | None]
    base: NotRequired[float | None]
    quote: NotRequired[float | None]


class MarginModes(TypedDict):
    """Which margin modes a market offers."""

    cross: bool | None
    isolated: bool | None


class Market(TypedDict):
    """One market. `symbol` is ccxt's name for it, `id` the venue's."""

    id: str
    lowercaseId: str | None
    symbol: str
    base: str
    quote: str
    settle: str | None
    baseId: str | None
    quoteId: str | None
    settleId: str | None
    type: str
    spot: bool | None
    margin: bool | None
    swap: bool | None
    future: bool | None
    option: bool | None
    index: bool | None
    active: bool | None
    contract: bool | None
    linear: bool | None
    inverse: bool | None
    subType: str | None
    taker: float | None
    maker: float | None
    contractSize: float | None
    expiry: int | None
    expiryDatetime: str | None
    strike: float | None
    optionType: str | None
    precision: Precision
    limits: Limits
    marginModes: MarginModes
    created: int | None
    info: Info
    tierBased: NotRequired[bool | None]
    percentage: NotRequired[bool | None]
    feeSide: NotRequired[str | None]


class CurrencyLimits(TypedDict):
    """What one deposit or withdrawal of a currency may hold."""

    deposit: MinMax
    withdraw: MinMax
    amount: NotRequired[MinMax]


class Currency(TypedDict):
    """One currency; `fee` is what a withdrawal costs, in the currency."""

    id: str
    numericId: int | None
    code: str
    precision: float | None
    type: str | None
    name: str | None
    active: bool | None
    deposit: bool | None
    withdraw: bool | None
    fee: float | None
    fees: dict[str, object]
    networks: dict[str, object]
    limits: CurrencyLimits
    info: Info


Currencies: TypeAlias = dict[str, Currency]


class Fee(TypedDict):
    """What was paid; `rate` is a fraction (0.001 is a tenth of a percent)."""

    currency: str | None
    cost: float | None
    rate: NotRequired[float | None]


class Trade(TypedDict):
    """One trade. `side` is the taker's for public trades, yours for your own."""

    info: Info
    id: str
    timestamp: int
    datetime: str
    symbol: str
    order: str | None
    type: str | None
    side: Side | None
    takerOrMaker: Literal["taker", "maker"] | None
    price: float
    amount: float
    cost: float
    fee: Fee
    fees: list[Fee]


class OrderBook(TypedDict):
    """A book; `bids` descend and `asks` ascend, levels are [price, amount].

    `nonce` is the venue's number of this state. `timestamp` is None until the venue names one.
    """

    symbol: str
    bids: list[list[float]]
    asks: list[list[float]]
    timestamp: int | None
    datetime: str | None
    nonce: int | None


OrderBooks: TypeAlias = dict[str, OrderBook]


class Ticker(TypedDict):
    """Statistics of one market, over 24 hours unless the channel says otherwise.

    `percentage` is in percent (1.5 is one and a half percent), `last` equals `close`.
    """

    symbol: str
    timestamp: int | None
    datetime: str | None
    high: float | None
    low: float | None
    bid: float | None
    bidVolume: float | None
    ask: float | None
    askVolume: float | None
    vwap: float | None
    open: float | None
    close: float | None
    last: float | None
    previousClose: float | None
    change: float | None
    percentage: float | None
    average: float | None
    baseVolume: float | None
    quoteVolume: float | None
    indexPrice: float | None
    markPrice: float | None
    info: Info


Tickers: TypeAlias = dict[str, Ticker]


class LastPrice(TypedDict):
    """The last price of one market; `side` of the trade where the venue tells."""

    symbol: str
    timestamp: int | None
    datetime: str | None
    price: float | None
    side: Side | None
    info: Info


LastPrices: TypeAlias = dict[str, LastPrice]


class FundingRate(TypedDict):
    """The funding of a perpetual contract; rates are fractions per `interval`."""

    info: Info
    symbol: str
    markPrice: float | None
    indexPrice: float | None
    interestRate: float | None
    estimatedSettlePrice: float | None
    timestamp: int | None
    datetime: str | None
    fundingRate: float | None
    fundingTimestamp: int | None
    fundingDatetime: str | None
    nextFundingRate: float | None
    nextFundingTimestamp: int | None
    nextFundingDatetime: str | None
    previousFundingRate: float | None
    previousFundingTimestamp: int | None
    previousFundingDatetime: str | None
    interval: str | None


FundingRates: TypeAlias = dict[str, FundingRate]


class FundingRateHistory(TypedDict):
    """The funding rate of one past interval, as a fraction."""

    info: Info
    symbol: str
    fundingRate: float | None
    timestamp: int | None
    datetime: str | None


class OpenInterest(TypedDict):
    """How much is open: `openInterestAmount` in contracts or base, `openInterestValue` in quote."""

    symbol: str
    openInterestAmount: float | None
    openInterestValue: float | None
    baseVolume: float | None
    quoteVolume: float | None
    timestamp: int | None
    datetime: str | None
    info: Info


class Liquidation(TypedDict):
    """One forced order; `baseValue` and `quoteValue` are its size in those currencies."""

    info: Info
    symbol: str
    timestamp: int | None
    datetime: str | None
    price: float | None
    contracts: float | None
    contractSize: float | None
    baseValue: float | None
    quoteValue: float | None
    side: NotRequired[Side | None]


class Status(TypedDict):
    """Whether the venue says that it works; `eta` is the end of a maintenance, in ms."""

    status: str | None
    updated: int | None
    eta: int | None
    url: str | None
    info: Info
