"""The structures of ccxt that need an account: orders, balances, positions, transfers.

Import them from `unified_ws.types`, which says what they promise.
"""

# No `from __future__ import annotations` here: it would hide `NotRequired` from the keys that
# Python 3.11 records at run time.

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypeAlias, TypedDict, overload

from unified_ws.types_market import Fee, Info, OrderType, Params, Side, Trade


class Order(TypedDict):
    """One order of yours. `average` is its mean fill price, `cost` what was filled, in quote."""

    id: str | None
    clientOrderId: str | None
    timestamp: int | None
    datetime: str | None
    lastTradeTimestamp: int | None
    lastUpdateTimestamp: int | None
    status: str | None
    symbol: str | None
    type: str | None
    timeInForce: str | None
    side: Side | None
    price: float | None
    average: float | None
    amount: float | None
    filled: float | None
    remaining: float | None
    stopPrice: float | None
    triggerPrice: float | None
    takeProfitPrice: float | None
    stopLossPrice: float | None
    cost: float | None
    trades: list[Trade]
    fee: Fee | None
    fees: list[Fee]
    reduceOnly: bool | None
    postOnly: bool | None
    info: Info
    marginMode: NotRequired[str | None]
    leverage: NotRequired[float | None]
    hedged: NotRequired[bool | None]


class OrderRequest(TypedDict):
    """One order of a `create_orders` call."""

    symbol: str
    type: OrderType
    side: Side
    amount: float
    price: NotRequired[float | None]
    params: NotRequired[Params]


class Balance(TypedDict):
    """What you have of one currency, in that currency."""

    free: float | None
    used: float | None
    total: float | None
    debt: NotRequired[float | None]


class Balances(dict[str, Any]):
    """What you have, by currency and by column.

    A plain dict at run time. `balances["BTC"]["free"]` and `balances["free"]["BTC"]` are the
    same number; `info`, `timestamp` and `datetime` stand beside the currencies.
    """

    if TYPE_CHECKING:
        # The three keys beside the currencies overlap with `str` on purpose: hence the ignores.
        @overload
        def __getitem__(self, key: Literal["info"], /) -> Info: ...  # type: ignore[overload-overlap]
        @overload
        def __getitem__(  # type: ignore[overload-overlap]
            self, key: Literal["timestamp"], /
        ) -> int | None: ...
        @overload
        def __getitem__(  # type: ignore[overload-overlap]
            self, key: Literal["datetime"], /
        ) -> str | None: ...
        @overload
        def __getitem__(self, key: str, /) -> dict[str, float | None]: ...
        def __getitem__(self, key: str, /) -> Any: ...


class Position(TypedDict):
    """One position. `side` is "long" or "short", `percentage` the profit in percent."""

    info: Info
    id: str | None
    symbol: str
    timestamp: int | None
    datetime: str | None
    hedged: bool | None
    side: str | None
    contracts: float | None
    contractSize: float | None
    entryPrice: float | None
    markPrice: float | None
    notional: float | None
    leverage: float | None
    positionMargin: float | None
    collateral: float | None
    initialMargin: float | None
    maintenanceMargin: float | None
    initialMarginPercentage: float | None
    maintenanceMarginPercentage: float | None
    unrealizedPnl: float | None
    liquidationPrice: float | None
    marginMode: str | None
    percentage: float | None
    marginRatio: NotRequired[float | None]
    stopLossPrice: NotRequired[float | None]
    takeProfitPrice: NotRequired[float | None]
    realizedPnl: NotRequired[float | None]
    lastUpdateTimestamp: NotRequired[int | None]
    lastPrice: NotRequired[float | None]
    isolated: NotRequired[bool | None]
    exitPrice: NotRequired[float | None]


class Leverage(TypedDict):
    """The leverage set for one market, by side."""

    info: Info
    symbol: str
    marginMode: str | None
    longLeverage: float | None
    shortLeverage: float | None


class LeverageTier(TypedDict):
    """One step of a market's leverage table; notionals in `currency`, the rate a fraction."""

    tier: float | None
    symbol: str
    currency: str | None
    minNotional: float | None
    maxNotional: float | None
    maintenanceMarginRate: float | None
    maxLeverage: float | None
    info: Info


class MarginMode(TypedDict):
    """The margin mode set for one market: "cross" or "isolated"."""

    info: Info
    symbol: str
    marginMode: str | None


class MarginModification(TypedDict):
    """Margin added to or taken from an isolated position, in currency `code`."""

    info: Info
    symbol: str
    type: str | None
    marginMode: str | None
    amount: float | None
    total: float | None
    code: str | None
    status: str | None
    timestamp: int | None
    datetime: str | None


class TradingFee(TypedDict):
    """What a trade costs; `maker` and `taker` are fractions where `percentage` is true."""

    info: Info
    symbol: str
    maker: float | None
    taker: float | None
    percentage: bool | None
    tierBased: bool | None


TradingFees: TypeAlias = dict[str, TradingFee]


class FundingPayment(TypedDict):
    """Funding paid (negative) or received for one position, in currency `code`."""

    info: Info
    symbol: str
    code: str | None
    timestamp: int | None
    datetime: str | None
    id: str | None
    amount: float | None


class Transaction(TypedDict):
    """One deposit or withdrawal."""

    info: Info
    id: str | None
    txid: str | None
    timestamp: int | None
    datetime: str | None
    network: str | None
    address: str | None
    addressTo: str | None
    addressFrom: str | None
    tag: str | None
    tagTo: str | None
    tagFrom: str | None
    type: str | None
    amount: float | None
    currency: str | None
    status: str | None
    updated: int | None
    internal: bool | None
    comment: str | None
    fee: Fee | None


class Transfer(TypedDict):
    """A move between two wallets of one account."""

    info: Info
    id: str | None
    timestamp: int | None
    datetime: str | None
    currency: str | None
    amount: float | None
    fromAccount: str | None
    toAccount: str | None
    status: str | None


class LedgerEntry(TypedDict):
    """One change of a balance; `direction` is "in" or "out"."""

    id: str | None
    timestamp: int | None
    datetime: str | None
    direction: str | None
    account: str | None
    referenceId: str | None
    referenceAccount: str | None
    type: str | None
    currency: str | None
    amount: float | None
    before: float | None
    after: float | None
    status: str | None
    fee: Fee | None
    info: Info


class DepositAddress(TypedDict):
    """Where to send a currency; `tag` is the memo that some networks need."""

    info: Info
    currency: str | None
    network: str | None
    address: str | None
    tag: str | None
