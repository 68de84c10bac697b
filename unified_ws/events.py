"""The values that cross the border on every frame: msgspec Structs, about 40 ns each.

They carry every field of ccxt's structure of the same name; `None` is where the venue is
silent. `received_ns` is our own clock (`time.time_ns`) at the socket read. `recovered` marks
rows fetched by REST after a loss. `missed_before` counts the rows known to be missing right
before this one, for the consumer that reads it: loss is reported in-band. `as_ccxt` holds the
same row as ccxt's dict once somebody asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Side: TypeAlias = Literal["buy", "sell"]
Level: TypeAlias = tuple[float, float]
"""(price, amount); amount 0.0 removes the level."""
WireLevel: TypeAlias = tuple[Any, ...]
"""A level as the venue's rows have it: price and amount as floats; what follows is ignored."""
TextLevel: TypeAlias = tuple[str, str]
"""(price, amount) as the venue wrote them."""


class Market(msgspec.Struct, frozen=True):
    """One market as ccxt knows it, reduced to what an adapter needs.

    `id` is the venue's id for REST, `wire_id` the one its sockets speak (`Adapter.wire_id`), `info`
    the venue's own description.
    """

    symbol: str
    id: str
    type: str = "spot"
    base: str = ""
    quote: str = ""
    settle: str | None = None
    linear: bool | None = None
    inverse: bool | None = None
    contract_size: float | None = None
    wire_id: str = ""
    info: Mapping[str, Any] = {}


Markets: TypeAlias = Callable[[str], str | None]
"""Resolve a venue's market id to the unified symbol; None where it is not served here."""


class _Told(msgspec.Struct, gc=False):
    """What every row has: the venue's own object, kept as bytes until somebody asks."""

    @property
    def info(self) -> Any:
        """Return the venue's own object, decoded when first asked for."""
        # Until then the typed face of a busy stream never pays for it.
        told: Any = self
        if isinstance(told.raw, msgspec.Raw):
            told.raw = msgspec.json.decode(told.raw)
        return told.raw


class Trade(_Told, gc=False):
    """One public trade (or one aggregate of several: then `count` > 1).

    `price` in quote currency, `amount` in base currency (contracts for derivatives), `side` of
    the taker, `timestamp_ms` of the match at the venue. `info` is the venue's own object. A row whose
    `count` is 0 takes its place among countable ids and is not delivered: no trade of this market.
    """

    symbol: str
    id: str
    timestamp_ms: int
    price: float
    amount: float
    side: Side | None
    raw: Any = None
    number: int = 0
    count: int | None = 1
    recovered: bool = False
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class BookUpdate(msgspec.Struct, gc=False):
    """A full book or a change of one.

    kind: `snapshot` (streamed: always replaces), `rest` (must link to the buffered deltas),
    `whole` (replaces unless older), `delta`, `broken` (the venue says that the book begins anew
    without saying how: nothing is valid until the next full state). A delta takes a book from `prev_id` to `last_id`:
    it applies when `prev_id <= have < last_id`, is stale when `last_id <= have` and a gap when
    `prev_id > have`. Adapters map their venue's ids onto these two. `depth` is how many levels a
    side a full book was asked for; `bounds` the lowest bid and highest ask up to which it is
    complete, where that is not the end of its own rows. `checksum` is the venue's, over the book
    after this update, and `texts` the levels as it wrote them; both only where it sends a real one
    (`Adapter.checksum`).
    """

    symbol: str
    kind: Literal["snapshot", "rest", "whole", "delta", "broken"]
    bids: Sequence[WireLevel]
    asks: Sequence[WireLevel]
    timestamp_ms: int | None = None
    last_id: int | None = None
    prev_id: int | None = None
    depth: int | None = None
    received_ns: int = 0
    bounds: tuple[float, float] | None = None
    checksum: int | None = None
    texts: tuple[Sequence[TextLevel], Sequence[TextLevel]] | None = None


class Ticker(_Told, gc=False):
    """Statistics of one market over a window, 24 hours unless the channel says otherwise.

    `partial`: what is None has not changed since the last one; the core completes it, and what
    consumers get is always whole.
    """

    symbol: str
    timestamp_ms: int | None
    last: float | None = None
    bid: float | None = None
    bid_volume: float | None = None
    ask: float | None = None
    ask_volume: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    change: float | None = None
    percentage: float | None = None
    average: float | None = None
    vwap: float | None = None
    base_volume: float | None = None
    quote_volume: float | None = None
    mark_price: float | None = None
    index_price: float | None = None
    partial: bool = False
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class BidAsk(_Told, gc=False):
    """Best bid and ask of one market; `number` is the venue's update id where it has one."""

    symbol: str
    timestamp_ms: int | None
    bid: float | None
    bid_volume: float | None
    ask: float | None
    ask_volume: float | None
    number: int | None = None
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class Candle(_Told, gc=False):
    """One candle; `open_ms` is its start. `closed` says that it will not change again.

    `timestamp_ms` is when the venue sent this version of it.

    `source` tells where it comes from: `venue` (its own channel), `trades` (built here; then
    `partial` says that not all of its trades were seen).
    """

    symbol: str
    timeframe: str
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool | None = None
    timestamp_ms: int | None = None
    source: str = "venue"
    partial: bool = False
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class MarkPrice(_Told, gc=False):
    """The price that margins are computed by, and the index behind it, in quote currency.

    `partial` as in `Ticker`.
    """

    symbol: str
    timestamp_ms: int | None
    mark_price: float | None = None
    index_price: float | None = None
    partial: bool = False
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class FundingRate(_Told, gc=False):
    """The funding rate of a perpetual contract, as a fraction (0.0001 is 0.01 %).

    `funding_rate` is due at `funding_timestamp_ms`; `next_*` and `previous_*` are the settlements
    after and before it. `interval` is ccxt's text ("8h"). `partial` as in `Ticker`.
    """

    symbol: str
    timestamp_ms: int | None
    funding_rate: float | None = None
    funding_timestamp_ms: int | None = None
    mark_price: float | None = None
    index_price: float | None = None
    interest_rate: float | None = None
    estimated_settle_price: float | None = None
    next_funding_rate: float | None = None
    next_funding_timestamp_ms: int | None = None
    previous_funding_rate: float | None = None
    previous_funding_timestamp_ms: int | None = None
    interval: str | None = None
    partial: bool = False
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class OpenInterest(_Told, gc=False):
    """The contracts that are open: `open_interest_amount` in contracts, `..._value` in quote.

    `base_volume` is the same in base currency where the venue says so. `partial` as in `Ticker`.
    """

    symbol: str
    timestamp_ms: int | None
    open_interest_amount: float | None = None
    open_interest_value: float | None = None
    base_volume: float | None = None
    partial: bool = False
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


class Liquidation(_Told, gc=False):
    """A position that the venue closed by force: `side` of the order that closed it.

    `contracts` in contracts, `price` in quote currency.
    """

    symbol: str
    timestamp_ms: int | None
    price: float
    contracts: float
    side: Side | None
    id: str | None = None
    raw: Any = None
    missed_before: int = 0
    received_ns: int = 0
    as_ccxt: Any = None


Row: TypeAlias = (
    Trade | Ticker | BidAsk | Candle | MarkPrice | FundingRate | OpenInterest | Liquidation
)
Event: TypeAlias = Row | BookUpdate
