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
    Level,
    Market,
    Markets,
    Side,
    Ticker,
    Trade,
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
    """An implicit ccxt method to call, by name, and what it costs of the host's budget."""

    method: str
    params: Mapping[str, Any] = {}
    weight: float = 1.0


class Sub(msgspec.Struct, frozen=True):
    """One thing to watch.

    `market` is None for a whole market type (`market_type`). `depth` 0 means everything the
    venue offers. `channel` holds the venue's declared switches by name.
    """

    kind: Kind
    market: Market | None = None
    market_type: str = "spot"
    timeframe: str = ""
    depth: int = 0
    channel: Mapping[str, str] = {}


class Snapshot(msgspec.Struct, frozen=True):
    """Where a book's first full state comes from when the stream does not send it.

    `limits` are the depths the venue answers, each with its weight, ascending; `request`
    builds the call for one of them and `Adapter.snapshot` reads the answer.
    """

    method: str
    params: Mapping[str, Any]
    depth_param: str
    limits: tuple[tuple[int, float], ...]

    def rest(self, depth: int) -> Rest:
        """Build the cheapest call for `depth` levels (0: the default of 1000) with headroom.

        Levels beyond the first state are unknown until they change, so a book of N levels begins
        with twice as many where that is not more than the usual 1000.
        """
        wanted = max(depth, min(2 * depth, 1000)) or 1000
        size, weight = next((x for x in self.limits if x[0] >= wanted), self.limits[-1])
        return Rest(self.method, {**self.params, self.depth_param: size}, weight)


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


class Route(msgspec.Struct, frozen=True):
    """Where a subscription lives.

    `topic` is the key its frames come back under. Topics of one `group` may share a request;
    topics of equal `apart` never share a connection. `contiguous_ids` says that each row's
    integer id follows the last by one, so that a jump proves a loss.
    """

    endpoint: str
    topic: str
    group: str = ""
    apart: str = ""
    private: bool = False
    snapshot: Snapshot | None = None
    history: History | None = None
    contiguous_ids: bool = False


class Call(msgspec.Struct, frozen=True):
    """What a request may need besides its topics; `now_ms` is the venue's clock."""

    id: str
    now_ms: int


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
    """The venue said no, to the request `about`, or to the oldest one where it names none."""

    error: str
    about: str = ""
    retry_after_s: float | None = None


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
    Batch | Ack | Refused | Ready | Pong | Beat | Closing | Ended
)


class Adapter(abc.ABC):
    """Speak one venue's dialect. Stateless: one instance serves every connection.

    Methods may raise anything on input they do not understand; the core turns it into a
    `DecodeError` that carries the frame.
    """

    venue: ClassVar[Venue]

    @abc.abstractmethod
    def route(self, sub: Sub) -> Sequence[Route]:
        """Name the endpoint and the topics of `sub`; several where one watch needs several."""

    @abc.abstractmethod
    def request(self, op: Op, topics: Sequence[str], call: Call) -> bytes:
        """Build one request; the core has kept to the limits and to one group."""

    @abc.abstractmethod
    def decode(self, frame: bytes, at: str, markets: Markets) -> Sequence[Inbound]:
        """Translate one frame from endpoint `at`; empty for one that means nothing to us."""

    def dial(self, url: str, call: Call) -> Dial:
        """Say how to open one connection."""
        del call
        return Dial(url)

    def ping(self, call: Call) -> bytes:
        """Build the heartbeat of endpoints whose heartbeat is a message of the client."""
        raise NotImplementedError(f"{self.venue.id} declares a message heartbeat without ping()")

    def snapshot(self, body: Any, market: Market) -> BookUpdate:
        """Read the answer to a route's `snapshot` call; the body is ccxt's parsed JSON."""
        raise NotImplementedError(f"{self.venue.id} declares a snapshot without snapshot()")

    def history(self, body: Any, route: Route, market: Market) -> Sequence[Event]:
        """Read the answer to a route's `history` call: the stream's own events, oldest first."""
        raise NotImplementedError(f"{self.venue.id} declares a history without history()")


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
    "CloseRule", "Closing", "Dial", "Ended", "Endpoint", "Event",
    "Heartbeat", "History", "Inbound", "Kind", "Level", "Limits", "Market", "Markets",
    "Op", "Pong", "Ready", "Refused", "Rest", "RestHost", "Route", "Side", "Snapshot", "Sub",
    "Switch", "Ticker", "Trade", "Venue", "Window", "by_row", "reader",
]  # fmt: skip
