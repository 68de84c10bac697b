"""The border between the generic fake server and one venue's server side.

A venue side knows its venue's words and rules and has no I/O: the gateway hands it requests and
texts, and takes back bytes. What a side must have is abstract below: `rest`, `accept`, `receive`,
`encode`, `book_of`. All else has a default, so a simple venue writes little.

**Topics.** A topic is any text the side likes: the gateway only compares it. Where the same
channel exists on several addresses (`tickers.BTCUSDT` of spot and of linear) the side puts the
address into it ("linear|tickers.BTCUSDT"), because `topics`, `silence` and the other faults of
the gateway go by topic. Payloads are made once for a topic, wrapped once for each `Link.mode`
(`frame`), and numbered for each socket where the venue does that (`seal`).

**The life of a topic.** A turn adds it; with its first socket `watch` is called; then `greet`
says what the new socket is sent at once: a snapshot of the book, the last trades, the last
candle. Every market tick (100 ms of market time) `encode` is called, **also when nothing has
happened**: this is the place of everything periodic, such as heartbeats each second
(`self.market.now_ms % 1000 == 0`). There is no other timer, so a paused market sends nothing.
Deltas must go on exactly where a greeting ended; a topic whose deltas are slower than a tick, or
cut to a depth, keeps a `Window` and greets with the window's rows.

**Hosts.** One side serves all hosts and paths of its venue. REST answers that name an address
(a token's endpoint) give the venue's real one: clients rewrite hosts themselves. `Link.limits`
are those of the dialed host (`host_limits`).

**Recordings** are read by the class methods of `RecordedSide`.
"""

from __future__ import annotations

import abc
import dataclasses
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from unified_ws.registry import adapters

from ._recorded_side import RecordedSide
from ._specs import spec_of
from ._window import Window
from ._wire import Limits, Link, Rate, Recorded, RestAnswer, RestRequest, Turn
from .market import Event, MarketModel, Spec

__all__ = [
    "Limits",
    "Link",
    "Rate",
    "Recorded",
    "RestAnswer",
    "RestRequest",
    "Turn",
    "VenueSide",
    "Window",
    "venue_side",
]


class VenueSide(RecordedSide, abc.ABC):
    """One venue's server side.

    Args:
        specs: The markets listed.
        market: The truth behind them; None in a replay, where only recorded bodies are served.
        limits: The venue's limits, or a test's.

    Attributes:
        id: The venue's id, ccxt's where it has one.
        limits: What the venue allows.
        host_limits: What it allows elsewhere, by host without port.
        default_symbols: What a fake lists unless told otherwise.
        seals: Whether `seal` is called.
    """

    id: ClassVar[str]
    limits: ClassVar[Limits]
    host_limits: ClassVar[Mapping[str, Limits]] = {}
    default_symbols: ClassVar[Sequence[str]] = ("BTC/USDT", "ETH/USDT")
    seals: ClassVar[bool] = False

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        self.specs = specs
        self.market = market
        self.allowed = limits

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market of the venue by its unified symbol.

        Override it where ticks or contract sizes matter: `spec_of(symbol, contract_size=...)` of
        the market model takes every field of `Spec`.
        """
        return spec_of(symbol)

    # REST

    def weight(self, request: RestRequest) -> int:
        """Return what a request costs."""
        return 1

    @abc.abstractmethod
    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request, of any host."""

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return the venue's words for 429 (slow down) and 418 (banned)."""
        return RestAnswer(status, b"{}", {"Retry-After": str(retry_after_s)})

    def weight_headers(self, used: int) -> Mapping[str, str]:
        """Return the headers that tell how much of the limit is used."""
        return {}

    # sockets

    @abc.abstractmethod
    def accept(self, link: Link) -> Turn | RestAnswer:
        """Judge a handshake, by host, path, query (a token) and headers; set mode and binary.

        Returns:
            An answer refuses it. A turn may hold a welcome as reply, and topics.
        """

    @abc.abstractmethod
    def receive(self, link: Link, data: bytes) -> Turn:
        """Read what a client sent, JSON or not; the gateway carries out the turn."""

    def watch(self, topic: str) -> None:
        """Begin to encode a topic: the first socket has subscribed to it."""

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic: the last socket has left it."""

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return the payloads that a socket which begins a topic is sent at once, by itself.

        They are wrapped and sealed like others. A silenced topic greets nobody; in a replay
        `catch_up` is asked instead.
        """
        return ()

    @abc.abstractmethod
    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one market tick by watched topic, in the order of events."""

    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Wrap a payload as sockets of a mode want it."""
        return payload

    def seal(self, link: Link, frame: bytes) -> bytes:
        """Finish a frame for one socket, such as by its number on the connection.

        Called, where `seals` is true, for every frame in the order of writing: replies,
        greetings, payloads, notices; not for what a test injects.
        """
        return frame

    @abc.abstractmethod
    def book_of(self, topic: str) -> str | None:
        """Return the symbol whose book the topic's deltas build, None for other topics."""

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Return what watched topics are sent when the venue restarts a book.

        The market's update ids have begun again; numbers of the side's own begin again here.
        """
        return ()

    def ping_payload(self) -> bytes:
        """Return the payload of a ping frame."""
        return b""

    def shutdown_notice(self, mode: str) -> bytes | None:
        """Return the frame that announces a shutdown, None where the venue has none."""
        return None

    # limits

    def limits_at(self, host: str) -> Limits:
        """Return what is allowed on a host: the venue's figures there, and a test's own."""
        there = self.host_limits.get(host.partition(":")[0])
        if there is None:
            return self.allowed
        fields = [field.name for field in dataclasses.fields(Limits)]
        usual = [getattr(self.limits, name) for name in fields]
        asked = zip(fields, usual, strict=True)
        changed = {n: getattr(self.allowed, n) for n, v in asked if getattr(self.allowed, n) != v}
        return dataclasses.replace(there, **changed)

    def pool(self, host: str) -> str:
        """Name what a host shares its limits of weight and dials with; by default all do."""
        return ""

    def group_of(self, topic: str) -> str:
        """Return the group by which `Limits.group_topics` counts a topic."""
        return ""

    def beyond(
        self, link: Link, data: bytes, add: Sequence[str] = (), args: int | None = None
    ) -> str:
        """Count a request and name the first limit it breaks, for the venue's refusal.

        Args:
            link: Where it came in.
            data: The request as it came.
            add: Topics it asks for.
            args: How many arguments it has, if not one for each topic.

        Returns:
            "requests", "bytes", "args", "topics", the name of a group, or "" if all is well.
        """
        limits = link.limits
        if link.requests.over():
            return "requests"
        if limits.request_bytes and len(data) > limits.request_bytes:
            return "bytes"
        if limits.args and (len(add) if args is None else args) > limits.args:
            return "args"
        held = link.topics.keys() | set(add)
        if limits.topics and len(held) > limits.topics:
            return "topics"
        if limits.group_topics:
            groups = Counter(self.group_of(topic) for topic in held)
            return next((g for g, most in limits.group_topics.items() if groups[g] > most), "")
        return ""


def venue_side(venue: str) -> type[VenueSide]:
    """Find the server side of a venue; venues of one file of `exchanges/` share one.

    Raises:
        LookupError: There is none; the message lists those there are.
    """
    from . import venues

    known = sorted(m.name for m in pkgutil.iter_modules(venues.__path__) if m.name[0] != "_")
    if venue not in known and venue in adapters():
        venue = adapters()[venue].__module__.rpartition(".")[2]
    if venue not in known:
        raise LookupError(f"No fake of {venue!r}. There are fakes of: {', '.join(known)}.")
    module = importlib.import_module(f"{venues.__name__}.{venue}")
    side: type[VenueSide] = module.SIDE
    return side
