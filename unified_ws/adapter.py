"""The border between the core and one venue.

This is the only module of ours that a file in `exchanges/` imports. It holds the facts a
venue declares (pydantic, checked once at import), the values that cross the border on every
frame (msgspec, never validated twice; they live in `events.py` and are re-exported here), and
`Adapter`, the handful of pure functions a venue must write. Nothing here does I/O, reads a
clock or names a venue.

Units everywhere: durations end in `_s` (float seconds), instants end in `_ms` (int
milliseconds since the Unix epoch, UTC), prices and amounts are floats as ccxt has them.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import msgspec

from unified_ws.events import (
    BidAsk,
    BookUpdate,
    Candle,
    Event,
    FundingRate,
    Level,
    Liquidation,
    Market,
    Markets,
    MarkPrice,
    OpenInterest,
    Side,
    TextLevel,
    Ticker,
    Trade,
    WireLevel,
)
from unified_ws.facts import (
    Backoff,
    CloseRule,
    Endpoint,
    Heartbeat,
    Kind,
    Limits,
    RestHost,
    Switch,
    Venue,
    Window,
)

T = TypeVar("T")
Op: TypeAlias = Literal["subscribe", "unsubscribe"]

# --- the core asks ---------------------------------------------------------------------


class Rest(msgspec.Struct, frozen=True):
    """An implicit ccxt method to call, by name, and what it costs of the budget of `host`."""

    method: str
    params: Mapping[str, Any] = {}
    weight: float = 1.0
    host: str = ""


class Sub(msgspec.Struct, frozen=True):
    """One thing to watch.

    `market` is None for a whole market type (`market_type`, and `sub_type` "linear" or "inverse" where
    that was said). `depth` is how many levels of a book
    the caller asked for; 0 where nothing was said: the channel that ccxt takes by default.
    `channel` holds the venue's declared switches by name, "" where none was chosen.
    """

    kind: Kind
    market: Market | None = None
    market_type: str = "spot"
    timeframe: str = ""
    depth: int = 0
    channel: Mapping[str, str] = {}
    sub_type: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """Where a book's first full state comes from when the stream does not send it.

    `limits` are the depths the venue answers, each with its weight, ascending; `rest` builds the
    call for one of them and `Adapter.snapshot` reads the answer. A venue that always answers
    everything has the one depth 0, and no `depth_param`.
    """

    method: str
    params: Mapping[str, Any]
    depth_param: str
    limits: tuple[tuple[int, float], ...]
    host: str = ""

    def rest(self, depth: int) -> Rest:
        """Build the cheapest call for `depth` levels (0: the default of 1000) with headroom.

        Levels beyond the first state are unknown until they change, so a book of N levels begins
        with twice as many where that is not more than the usual 1000.
        """
        wanted = max(depth, min(2 * depth, 1000)) or 1000
        size, weight = next((x for x in self.limits if x[0] >= wanted), self.limits[-1])
        params = {**self.params, self.depth_param: size} if self.depth_param else self.params
        return Rest(self.method, params, weight, self.host)

    def reach(self, rest: Rest) -> int | None:
        """Return how many levels a side `rest` asks for; None: all there are."""
        return int(rest.params[self.depth_param]) if self.depth_param else None


class History(msgspec.Struct, frozen=True):
    """How rows missed in a drop are fetched.

    `recent` answers the newest `page` rows, oldest first. `after`, where the venue has it,
    answers the rows from an id on (`from_param`). Both are read by `Adapter.history`, and
    their ids must be the stream's own.
    """

    recent: Rest
    page: int
    after: Rest | None = None
    from_param: str = ""


class Poll(msgspec.Struct, frozen=True):
    """Data that the venue only tells by REST: asked every `every_s`, read by `Adapter.history`."""

    rest: Rest
    every_s: float


class Route(msgspec.Struct, frozen=True):
    """Where a subscription lives.

    `topic` is the key its frames come back under; several kinds may share one, each takes the
    events of its own type. Topics of one `group` may share a request; topics of equal `apart` never
    share a connection. `contiguous_ids` says that each trade's integer id (`number`) follows the last
    by one, so that a jump proves a loss; with `counted_ids` a row of `count` trades ends at its id,
    and REST tells them one by one. For books: `chained` says that an update must follow the very
    last one, since ids may also fall; `keeps` cuts each side to so many levels after every update,
    where the venue stops telling about those beyond. A route with `poll` has no topic.
    """

    endpoint: str
    topic: str
    group: str = ""
    apart: str = ""
    private: bool = False
    snapshot: Snapshot | None = None
    history: History | None = None
    contiguous_ids: bool = False
    counted_ids: bool = False
    chained: bool = False
    keeps: int | None = None
    poll: Poll | None = None


class Call(msgspec.Struct, frozen=True):
    """What a frame of ours may need: an id, the time (Unix ms), the endpoint it goes to."""

    id: str
    now_ms: int
    at: str = ""


class Dial(msgspec.Struct, frozen=True):
    """How to open one connection: its address, headers and the frames to send first.

    `heartbeat` replaces the declared one where the venue dictates it on opening; `carries`
    names the topics that the address itself subscribes.
    """

    url: str
    headers: Mapping[str, str] = {}
    greeting: tuple[bytes, ...] = ()
    heartbeat: Heartbeat | None = None
    carries: tuple[str, ...] = ()


# --- the adapter answers ---------------------------------------------------------------


class BadRow(msgspec.Struct, frozen=True):
    """One row of an array that could not be read, and why."""

    raw: bytes
    reason: str


class Batch(msgspec.Struct, gc=False):
    """Events under the topic they were subscribed by.

    `skipped` counts rows of markets that are not served here, `bad` holds those that could not
    be read: an array fails by row, not by frame.
    """

    topic: str
    events: Sequence[Event]
    skipped: int = 0
    bad: Sequence[BadRow] = ()


class Ack(msgspec.Struct, frozen=True):
    """The reply to a request: `about` is the id of the call if echoed, else the topic."""

    about: str
    error: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """The venue said no, to the request `about`, or to the oldest one where it names none.

    `topics` are the culprits, where the venue names them. With `about` the whole request has failed
    and the others are asked for again without them; without it only they are refused, and the
    others have answers of their own. `retry`: nobody is to blame, all are asked for again.
    """

    error: str
    about: str = ""
    topics: tuple[str, ...] = ()
    retry: bool = False
    retry_after_s: float | None = None


class Held(msgspec.Struct, frozen=True):
    """Everything the connection is subscribed to now: the answer where a venue lists it all.

    What was asked for and is not in it has been refused, what was given up and is gone is settled.
    """

    topics: frozenset[str]


class FrameNo(msgspec.Struct, frozen=True):
    """The number of the frame on its connection, first in the sequence that `decode` returns.

    Each must follow the last by one: a jump means that something was lost for every topic of the
    connection, which then starts again; a number that is not new drops the whole frame.
    """

    number: int


class Ready(msgspec.Struct, frozen=True):
    """The go-ahead an endpoint with `awaits_ready` waits for, or why it was refused."""

    error: str | None = None


class Pong(msgspec.Struct, frozen=True):
    """The reply to a ping that is a message."""

    id: str = ""


class Beat(msgspec.Struct, frozen=True):
    """A heartbeat message of the venue; `reply` is what it wants to hear back."""

    reply: bytes | None = None


class Closing(msgspec.Struct, frozen=True):
    """The venue will hang up soon: rotate now."""

    reason: str


class Ended(msgspec.Struct, frozen=True):
    """The venue ended one topic of its own accord."""

    topic: str
    error: str | None = None


Inbound: TypeAlias = (
    Batch | Ack | Refused | Held | FrameNo | Ready | Pong | Beat | Closing | Ended
)


class Adapter(abc.ABC):
    """Speak one venue's dialect. Stateless: one instance serves every connection.

    Methods may raise anything on input they do not understand; the core turns it into a
    `DecodeError` that carries the frame.
    """

    venue: ClassVar[Venue]

    @abc.abstractmethod
    def route(self, sub: Sub) -> Sequence[Route]:
        """Name the endpoint and the topics of `sub`; several where one watch needs several.

        Empty where the venue does not have that for this market or market type.
        """

    @abc.abstractmethod
    def request(self, op: Op, topics: Sequence[str], call: Call) -> bytes:
        """Build one request; the core has kept to the limits and to one group."""

    @abc.abstractmethod
    def decode(self, frame: bytes, at: str, markets: Markets) -> Sequence[Inbound]:
        """Translate one frame from endpoint `at`; empty for one that means nothing to us."""

    def wire_id(self, market: Mapping[str, Any]) -> str:
        """Return the id by which sockets call a market; `market` is ccxt's own dict.

        Two markets may share one: both get its data, each under its own symbol.
        """
        return str(market["id"])

    def dial(self, url: str, call: Call, answer: Any = None) -> Dial:
        """Say how to open one connection; `answer` is that of the endpoint's `ask_first`."""
        del call, answer
        return Dial(url)

    def ping(self, call: Call) -> bytes:
        """Build the heartbeat of endpoints whose heartbeat is a message of the client."""
        raise NotImplementedError(f"{self.venue.id} declares a message heartbeat without ping()")

    def snapshot(self, body: Any, market: Market) -> BookUpdate:
        """Read the answer to a route's `snapshot` call; the body is ccxt's parsed JSON."""
        raise NotImplementedError(f"{self.venue.id} declares a snapshot without snapshot()")

    def history(self, body: Any, route: Route, market: Market) -> Sequence[Event]:
        """Read the answer to a route's `history` or `poll`: the stream's own events, oldest first."""
        raise NotImplementedError(f"{self.venue.id} declares a history without history()")

    def checksum(self, bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> int:
        """Compute the venue's checksum over a book: its levels as texts, best first."""
        raise NotImplementedError(f"{self.venue.id} sends checksums without checksum()")


def by_row(
    topic: str, rows: Sequence[msgspec.Raw], parse: Callable[[msgspec.Raw], Event | None]
) -> Batch:
    """Read an array row by row: None skips a row, what raises is set aside alone."""
    events, bad, skipped = [], [], 0
    for row in rows:
        try:
            event = parse(row)
        except Exception as exc:
            bad.append(BadRow(bytes(row), f"{type(exc).__name__}: {exc}"))
            continue
        if event is None:
            skipped += 1
        else:
            events.append(event)
    return Batch(topic, events, skipped, bad)


def reader(wire: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Compile a decoder for one wire type; numbers may arrive as strings."""
    return msgspec.json.Decoder(wire, strict=False).decode


__all__ = [
    "Ack", "Adapter", "Backoff", "BadRow", "Batch", "Beat", "BidAsk", "BookUpdate", "Call", "Candle",
    "CloseRule", "Closing", "Dial", "Ended", "Endpoint", "Event", "FrameNo", "FundingRate",
    "Heartbeat", "Held", "History", "Inbound", "Kind", "Level", "Limits", "Liquidation", "MarkPrice",
    "Market", "Markets", "Op", "OpenInterest", "Poll", "Pong", "Ready", "Refused", "Rest", "RestHost",
    "Route", "Side", "Snapshot", "Sub", "Switch", "TextLevel", "Ticker", "Trade", "Venue", "Window",
    "WireLevel",
    "by_row", "reader",
]  # fmt: skip
