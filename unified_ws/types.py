"""ccxt's structures as TypedDicts, so that an editor knows what `watch_*` and `fetch_*` return.

They describe plain dicts: nothing here is instantiated by the library, and a test compares every
key with what the installed ccxt really produces. A key is required where ccxt always gives it
(its value may still be None); `NotRequired` marks keys that only some venues add.

Units are ccxt's: `timestamp` in milliseconds since the Unix epoch (UTC), `datetime` the same
instant as ISO 8601 text, prices in quote currency, amounts in base currency (contracts for
derivatives). `info` is the venue's own object. Only `Config` is not a structure of ccxt's: it
lists the keys of the constructor, ccxt's and ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from unified_ws.types_account import (
    Balance,
    Balances,
    DepositAddress,
    FundingPayment,
    LedgerEntry,
    Leverage,
    LeverageTier,
    MarginMode,
    MarginModification,
    Order,
    OrderRequest,
    Position,
    TradingFee,
    TradingFees,
    Transaction,
    Transfer,
)
from unified_ws.types_market import (
    OHLCV,
    Currencies,
    Currency,
    CurrencyLimits,
    Fee,
    FundingRate,
    FundingRateHistory,
    FundingRates,
    Info,
    LastPrice,
    LastPrices,
    Limits,
    Liquidation,
    MarginModes,
    Market,
    MarketType,
    MinMax,
    Num,
    OpenInterest,
    OrderBook,
    OrderBooks,
    OrderType,
    Params,
    Precision,
    Side,
    Status,
    Ticker,
    Tickers,
    Trade,
)

if TYPE_CHECKING:
    import asyncio

    import aiohttp


class WindowConfig(TypedDict):
    """At most `n` in any `per_s` seconds."""

    n: float
    per_s: float


class HeartbeatConfig(TypedDict, total=False):
    """Who proves a connection alive; see `unified_ws.facts.Heartbeat`."""

    by: Literal["server", "protocol", "message", "none"]
    every_s: float
    timeout_s: float
    silence_s: float
    idle_ping_s: float
    warn_s: float


class BackoffConfig(TypedDict, total=False):
    """How long to wait between two dials; see `unified_ws.facts.Backoff`."""

    base_s: float
    cap_s: float
    factor: float
    stable_s: float


class LimitsConfig(TypedDict, total=False):
    """What to keep to; None lifts a limit. See `unified_ws.facts.Limits`."""

    topics_per_request: int | None
    topics_per_connection: int | None
    request_bytes: int | None
    connections: int | None
    messages: WindowConfig | None
    dials: WindowConfig | None
    lifetime_s: float | None
    rotate_after_s: float | None
    frame_bytes: int


class BufferConfig(TypedDict, total=False):
    """`rows`: how many a stream keeps for consumers that are behind."""

    rows: int


class SocketOptions(TypedDict, total=False):
    """ccxt's place for headers of sockets; the same as `headers` beside it."""

    headers: Mapping[str, str]


class WsConfig(TypedDict, total=False):
    """What `{"ws": ...}` may hold; `unified_ws.config.WsSettings` says what each key does."""

    heartbeat: float | HeartbeatConfig | None
    backoff: BackoffConfig
    limits: LimitsConfig
    buffer: BufferConfig
    raise_after_s: float
    raise_on_disconnect: bool
    take_over_s: float
    live_objects: bool
    compress: Literal[0, 15]
    freeze: bool
    quarantine: int
    headers: Mapping[str, str]
    options: SocketOptions


class Config(TypedDict, total=False):
    """Every key of the constructor: ccxt's own, then ours (`gateway`, `account`, `ws`).

    ccxt's units: `timeout` and `rateLimit` in milliseconds.
    """

    apiKey: str
    secret: str
    password: str
    passphrase: str
    uid: str
    accountId: str
    login: str
    token: str
    twofa: str
    walletAddress: str
    privateKey: str
    enableRateLimit: bool
    rateLimit: float
    rollingWindowSize: float
    timeout: float
    verbose: bool
    newUpdates: bool
    sandbox: bool
    testnet: bool
    asyncio_loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    verify: bool
    cafile: str
    aiohttp_trust_env: bool
    aiohttp_proxy: str
    proxy: str
    proxyUrl: str
    proxy_url: str
    proxyUrlCallback: object
    proxy_url_callback: object
    httpProxy: str
    http_proxy: str
    httpProxyCallback: object
    http_proxy_callback: object
    httpsProxy: str
    https_proxy: str
    httpsProxyCallback: object
    https_proxy_callback: object
    socksProxy: str
    socks_proxy: str
    socksProxyCallback: object
    socks_proxy_callback: object
    wsProxy: str
    ws_proxy: str
    wssProxy: str
    wss_proxy: str
    wsSocksProxy: str
    ws_socks_proxy: str
    hostname: str
    urls: dict[str, Any]
    headers: dict[str, str]
    userAgent: str
    user_agent: str
    userAgents: dict[str, str]
    options: dict[str, Any]
    markets: dict[str, Any]
    currencies: dict[str, Any]
    commonCurrencies: dict[str, str]
    gateway: str | Literal[False] | None
    account: str | None
    ws: WsConfig


__all__ = [
    "OHLCV",
    "BackoffConfig",
    "Balance",
    "Balances",
    "BufferConfig",
    "Config",
    "Currencies",
    "Currency",
    "CurrencyLimits",
    "DepositAddress",
    "Fee",
    "FundingPayment",
    "FundingRate",
    "FundingRateHistory",
    "FundingRates",
    "HeartbeatConfig",
    "Info",
    "LastPrice",
    "LastPrices",
    "LedgerEntry",
    "Leverage",
    "LeverageTier",
    "Limits",
    "LimitsConfig",
    "Liquidation",
    "MarginMode",
    "MarginModes",
    "MarginModification",
    "Market",
    "MarketType",
    "MinMax",
    "Num",
    "OpenInterest",
    "Order",
    "OrderBook",
    "OrderBooks",
    "OrderRequest",
    "OrderType",
    "Params",
    "Position",
    "Precision",
    "Side",
    "SocketOptions",
    "Status",
    "Ticker",
    "Tickers",
    "Trade",
    "TradingFee",
    "TradingFees",
    "Transaction",
    "Transfer",
    "WindowConfig",
    "WsConfig",
]
