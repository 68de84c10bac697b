"""The facts a venue declares about itself: pydantic, frozen, checked once at import.

Every fact can be overridden by the user under the configuration key `"ws"`; an unknown key is
an error that names it. Nothing here is touched on the path of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """What a caller can watch."""

    TRADES = "trades"
    BOOK = "order_book"
    TICKER = "ticker"
    BIDS_ASKS = "bids_asks"
    OHLCV = "ohlcv"
    MARK_PRICE = "mark_price"
    FUNDING_RATE = "funding_rate"
    LIQUIDATIONS = "liquidations"
    OPEN_INTEREST = "open_interest"


class Facts(BaseModel):
    """Base of every declared fact: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(Facts):
    """At most `n` in any `per_s` seconds."""

    n: float = Field(gt=0)
    per_s: float = Field(gt=0)


class Heartbeat(Facts):
    """Who proves the connection alive, and how soon silence means it is not.

    by: `server` (the venue pings, we answer), `protocol` (we send RFC 6455 pings), `message`
        (we send `Adapter.ping`), `none`.
    every_s: the interval of whoever speaks. timeout_s: how long an answer may take.
    silence_s: nothing at all received for so long is death.
    idle_ping_s: nothing received for so long sends an RFC 6455 ping of ours as a question;
        0 where the venue forbids it. warn_s: a slower answer is reported.
    """

    by: Literal["server", "protocol", "message", "none"] = "protocol"
    every_s: float = Field(default=20.0, gt=0)
    timeout_s: float = Field(default=10.0, gt=0)
    silence_s: float = Field(default=60.0, gt=0)
    idle_ping_s: float = Field(default=15.0, ge=0)
    warn_s: float = Field(default=0.5, gt=0)


class Limits(Facts):
    """What the venue refuses; `None` means that it states no limit.

    topics_per_group: how many topics of a group (`Route.group`) one connection may carry.
    topic_bytes_per_connection: the lengths of the topics of one connection, summed.
    request_bytes: the size of one request. messages: everything we send on one connection,
        pings included; requests: only subscribe and unsubscribe requests; all_messages: requests
        of all connections of the endpoint together.
    """

    topics_per_request: int | None = Field(default=None, gt=0)
    topics_per_connection: int | None = Field(default=None, gt=0)
    topics_per_group: Mapping[str, int] = {}
    topic_bytes_per_connection: int | None = Field(default=None, gt=0)
    request_bytes: int | None = Field(default=None, gt=0)
    connections: int | None = Field(default=None, gt=0)
    messages: Window | None = None
    requests: Window | None = None
    all_messages: Window | None = None
    dials: Window | None = None
    lifetime_s: float | None = Field(default=None, gt=0)
    rotate_after_s: float | None = Field(default=None, gt=0)
    frame_bytes: int = Field(default=16 * 2**20, gt=0)


class Backoff(Facts):
    """Full-jitter exponential delays; forgotten only after `stable_s` of health."""

    base_s: float = Field(default=0.5, gt=0)
    cap_s: float = Field(default=30.0, gt=0)
    factor: float = Field(default=2.0, ge=1)
    stable_s: float = Field(default=30.0, gt=0)


class CloseRule(Facts):
    """What one close code or HTTP status of the venue means: wait at least `floor_s`."""

    floor_s: float = Field(default=0.0, ge=0)
    final: bool = False


class RestHost(Facts):
    """The request budget of one REST host, in the venue's own weights.

    `apis` are ccxt's names of the sections that live there (`fapiPublic`...), as the first word of
    the implicit methods has them; empty: every section that no other host claims.
    """

    budget: Window
    apis: tuple[str, ...] = ()
    per_ccxt_cost: float = Field(default=1.0, gt=0)


class Endpoint(Facts):
    """One family of interchangeable connections, by environment.

    serves: which markets live here, as fields of ccxt's market (`{"linear": True}`); two endpoints
        may know the same market id by different symbols.
    ask_first: the implicit ccxt method whose answer `Adapter.dial` needs (a token, an address).
    awaits_ready: nothing is sent before the venue's go-ahead (`Ready`).
    standing: topics that every connection carries, such as a heartbeat channel.
    in_flight: `one` where answers name no request, so that only one may be under way.
    """

    live: str
    testnet: str | None = None
    demo: str | None = None
    serves: Mapping[str, Any] = {}
    ask_first: str | None = None
    awaits_ready: bool = False
    standing: tuple[str, ...] = ()
    in_flight: Literal["many", "one"] = "many"
    heartbeat: Heartbeat = Heartbeat()
    limits: Limits = Limits()


class Switch(Facts):
    """A name in ccxt's `params` or `options` that chooses a channel.

    `values` are the accepted values, `default` the one taken unless a method of ccxt's
    (camelCase) in `defaults` has its own. `aliases` are other names of the same switch.
    `for_all` are the values that exist for all markets at once, where not all of them do.
    """

    values: tuple[str, ...]
    default: str
    defaults: Mapping[str, str] = {}
    aliases: tuple[str, ...] = ()
    for_all: tuple[str, ...] = ()


class Venue(Facts):
    """Everything about a venue that is a fact rather than a computation.

    kinds: what can be watched at all; `Adapter.route` answers nothing for a market that lacks it.
    all_markets: kinds that one subscription brings for every market of a type.
    timeframes: ccxt's names to the venue's. derives: kinds that the core builds from another kind
        (candles from trades, best bid and ask from the book); candles only in the timeframes that
        the venue lacks.
    rest: budgets by host; the name "" is the only or the general one.
    rest_methods: the implicit ccxt methods that the adapter names, checked once.
    """

    id: str
    ccxt_id: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    evidence: str = ""
    endpoints: Mapping[str, Endpoint]
    kinds: frozenset[Kind]
    all_markets: frozenset[Kind] = frozenset()
    timeframes: Mapping[str, str] = {}
    derives: Mapping[Kind, Kind] = {}
    switches: Mapping[Kind, Mapping[str, Switch]] = {}
    market_types: tuple[str, ...] = ("spot",)
    rest: Mapping[str, RestHost] = {}
    rest_methods: tuple[str, ...] = ()
    rest_options: Mapping[str, Any] = {}
    backoff: Backoff = Backoff()
    closes: Mapping[int, CloseRule] = {}
