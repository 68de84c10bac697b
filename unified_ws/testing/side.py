"""The border between the generic fake server and one venue's server side.

A venue side knows its venue's words and rules and has no I/O: the gateway hands it requests and
texts, and takes back bytes. It also knows how to read a recording of its venue (`Recorded`).
"""

from __future__ import annotations

import abc
import dataclasses
import importlib
import pkgutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from .market import Event, MarketModel, Spec


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a venue allows; 0 means no limit. Durations are wall-clock seconds."""

    messages_per_s: int = 0
    topics: int = 0
    dials: int = 0
    dials_window_s: float = 300.0
    weight_per_min: int = 0
    tolerated_429: int = 3
    ban_s: int = 120
    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    lifetime_s: float = 86_400.0


@dataclasses.dataclass(frozen=True)
class RestRequest:
    """One REST request, as the venue's own host would have received it."""

    host: str
    method: str
    path: str
    query: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class RestAnswer:
    """What goes back, for REST and for a refused handshake alike."""

    status: int
    body: bytes
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Link:
    """One socket as its venue side sees it; `mode` says how frames are wrapped on it."""

    number: int
    host: str
    path: str
    query: Mapping[str, str]
    mode: str = ""
    topics: dict[str, None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a client's text means: replies, topics to add and drop, requests to note."""

    replies: Sequence[bytes] = ()
    add: Sequence[str] = ()
    drop: Sequence[str] = ()
    seen: Sequence[tuple[str, object]] = ()
    violation: str = ""


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A recorded frame that belongs to a topic: `payload` is what the venue wrapped, exactly."""

    topic: str
    payload: bytes


class VenueSide(abc.ABC):
    """One venue's server side.

    Args:
        specs: The markets listed.
        market: The truth behind them; None in a replay, where only recorded bodies are served.
        limits: The venue's limits, or a test's.
    """

    id: ClassVar[str]
    limits: ClassVar[Limits]

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        self.specs = specs
        self.market = market
        self.allowed = limits

    # REST

    @abc.abstractmethod
    def weight(self, request: RestRequest) -> int:
        """Return what a request costs."""

    @abc.abstractmethod
    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""

    @abc.abstractmethod
    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return the venue's words for 429 (slow down) and 418 (banned)."""

    @abc.abstractmethod
    def weight_headers(self, used: int) -> Mapping[str, str]:
        """Return the headers that tell how much of the limit is used."""

    # sockets

    @abc.abstractmethod
    def accept(self, link: Link) -> Turn | RestAnswer:
        """Judge a handshake: an answer refuses it, a turn may already hold topics."""

    @abc.abstractmethod
    def receive(self, link: Link, data: bytes) -> Turn:
        """Read a client's text; the gateway applies the turn to `link.topics`."""

    @abc.abstractmethod
    def watch(self, topic: str) -> None:
        """Begin to encode a topic: the first socket has subscribed to it."""

    @abc.abstractmethod
    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic: the last socket has left it."""

    @abc.abstractmethod
    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one market tick by watched topic, in the order of events."""

    @abc.abstractmethod
    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Wrap a payload as sockets of a mode want it."""

    @abc.abstractmethod
    def book_of(self, topic: str) -> str | None:
        """Return the symbol whose book the topic's deltas build, None for other topics."""

    @abc.abstractmethod
    def ping_payload(self) -> bytes:
        """Return the payload of a ping frame."""

    @abc.abstractmethod
    def shutdown_notice(self, mode: str) -> bytes | None:
        """Return the frame that announces a shutdown, None where the venue has none."""

    # recordings

    @classmethod
    @abc.abstractmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets known only by id; recorded book bodies show ticks and prices."""

    @classmethod
    @abc.abstractmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return the topics a recorded connection held: by its URL, and by what it sent."""

    @classmethod
    @abc.abstractmethod
    def identify(cls, raw: bytes, topics: Collection[str]) -> Recorded | None:
        """Find the topic of a recorded frame among the topics of its connection."""

    @classmethod
    @abc.abstractmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the venue's id of the market a topic is about, None for all-market topics."""

    @classmethod
    @abc.abstractmethod
    def rest_key(cls, path: str, query: Mapping[str, str]) -> str:
        """Name what a request asks for, the same for every host and version of the API."""

    @classmethod
    @abc.abstractmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the `rest_key` of the snapshot a book topic starts from."""

    @classmethod
    @abc.abstractmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply deltas to a recorded snapshot; None if they do not connect."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, body: bytes, query: Mapping[str, str]) -> bytes:
        """Cut a recorded snapshot to what a request asks for."""

    @classmethod
    @abc.abstractmethod
    def lists(cls, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded list of markets names all of these."""

    @property
    @abc.abstractmethod
    def listing_key(self) -> str:
        """The `rest_key` of the list of markets."""


def venue_side(venue: str) -> type[VenueSide]:
    """Find the server side of a venue.

    Raises:
        LookupError: There is none; the message lists those there are.
    """
    from . import venues

    known = sorted(m.name for m in pkgutil.iter_modules(venues.__path__) if m.name[0] != "_")
    if venue not in known:
        raise LookupError(f"No fake of {venue!r}. There are fakes of: {', '.join(known)}.")
    module = importlib.import_module(f"{venues.__name__}.{venue}")
    side: type[VenueSide] = module.SIDE
    return side
