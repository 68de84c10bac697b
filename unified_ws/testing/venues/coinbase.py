"""Coinbase Advanced Trade, server side: market data channels and market data REST.

Section numbers are those of the project's protocol sheet for Coinbase. Not imitated: accounts and
the channels that need a key, the closing of idle channels, and REST that wants a signature. A key
or a token in a request is taken and not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import Event, MarketModel, Spec
from ..side import Limits, Link, Rate, RestAnswer, RestRequest, Turn
from . import _coinbase_products as products
from . import _coinbase_rest as rest
from ._coinbase_recorded import RecordedCoinbase, numbered
from ._coinbase_streams import BEAT, CHANNELS, Encoder, framed

_HOST = "advanced-trade-ws.coinbase.com"
_TOO_MANY = "too many L2 streams requested in a single session"  # section 2
_REFUSED = "authentication failure"  # section 4.2: an unknown channel too
_NUMBER = "number"


class Coinbase(RecordedCoinbase):
    """The market data side of the venue."""

    id = "coinbase"
    default_symbols = ("BTC/USD", "BTC/USDC", "ETH/USD", "BTC/USD:USD", "BTC/USD:USD-261225")
    # section 2; how too many messages end is not known: an error and a closed socket
    limits = Limits(
        messages_per_s=8,
        group_topics={"level2": 30},
        dials=8,
        dials_window_s=1.0,
        weight_per_min=600,
        ping_every_s=0.0,
        subscribe_within_s=5.0,
        lifetime_s=0.0,
    )
    seals = True

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._products = products.Products(specs, market)
        self._rest = rest.Rest(specs, market)
        self._encoder = Encoder(self._products, market) if market else None
        # section 2: of an address, whatever its connections
        self._messages = Rate(limits.messages_per_s, 1.0)

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market."""
        return products.described(symbol)

    # REST

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return the words of section 9."""
        error = {"id": "rate_limit_exceeded", "message": "Too many requests"}
        body = msgspec.json.encode({"errors": [error]})
        return RestAnswer(status, body, {"Retry-After": str(retry_after_s)})

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open a socket; nothing is said before the first request."""
        if link.host.partition(":")[0] != _HOST:
            return RestAnswer(404, b"no such host")
        link.notes[_NUMBER] = 0
        return Turn()

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request: the answer is everything that the connection holds (4.1)."""
        over = self._messages.over()
        if over:
            most = self.allowed.messages_per_s
            violation = f"sent more than {most} messages/s from one address"
            return _error("rate limit exceeded", violation, close=(1008, "rate limit"))
        try:
            request = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return _error("failed to parse the request", "sent what is no JSON")
        if not isinstance(request, dict):
            return _error("failed to parse the request", "sent what is no request")
        kind, channel = request.get("type"), request.get("channel")
        seen = [(str(kind), request)]
        if kind not in ("subscribe", "unsubscribe"):
            return _error("unknown type", f"asked for {kind!r}", seen)
        if channel != BEAT and channel not in CHANNELS:
            return _error(_REFUSED, f"named the channel {channel!r}", seen)
        topics = self._topics(link, str(channel), request)
        if kind == "unsubscribe":
            held = [topic for topic in link.topics if topic not in topics]
            return Turn((self._held(held),), drop=topics, seen=seen)
        if self.beyond(link, data, topics):
            return _error(_TOO_MANY, "asked for more than 30 products of level2", seen)
        held = list(dict.fromkeys([*link.topics, *topics]))
        # 4.1: the first data comes before the answer
        return Turn((self._held(held),), add=topics, seen=seen, greet_first=True)

    def watch(self, topic: str) -> None:
        """Begin to encode a topic."""
        if self._encoder:
            self._encoder.watch(topic)

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        if self._encoder:
            self._encoder.unwatch(topic)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return the snapshot a channel begins with."""
        return self._encoder.greet(topic) if self._encoder else ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the frames of one tick."""
        return self._encoder.encode(events) if self._encoder else []

    def seal(self, link: Link, frame: bytes) -> bytes:
        """Number a frame: one counter over all that a connection is sent, but errors (6.3)."""
        if frame.startswith(b'{"type":"error"'):
            return frame
        number = link.notes[_NUMBER]
        link.notes[_NUMBER] = number + 1
        return numbered(frame, number)

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a level2 topic."""
        return self._encoder.symbol_of(topic) if self._encoder else None

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Return the snapshot with which a book begins anew within its stream (6.2)."""
        if self._encoder is None:
            return ()
        names = [name for name, spec in self._products.specs.items() if spec.symbol == symbol]
        return [(f"level2:{name}", self._encoder.book(name)) for name in names]

    def group_of(self, topic: str) -> str:
        """Return the channel."""
        return topic.partition(":")[0]

    def _topics(self, link: Link, channel: str, request: Mapping[str, Any]) -> list[str]:
        """Return the topics of a request; unknown products are left out (4.2)."""
        if channel == BEAT:
            return [BEAT]
        asked = request.get("product_ids") or []
        if request["type"] == "unsubscribe" and not asked:
            return [topic for topic in link.topics if self.group_of(topic) == channel]
        known = [name for name in asked if name in self._products.specs]
        return list(dict.fromkeys(f"{channel}:{self._products.canonical(n)}" for n in known))

    def _held(self, topics: Iterable[str]) -> bytes:
        held: dict[str, list[str]] = {}
        for topic in topics:
            channel, _, name = topic.partition(":")
            held.setdefault(channel, []).append(name or channel)
        event = msgspec.json.encode([{"subscriptions": held}])
        return framed("subscriptions", self._now_ms(), event)

    def _now_ms(self) -> int:
        return self.market.now_ms if self.market else 0


def _error(
    message: str,
    violation: str,
    seen: Sequence[tuple[str, object]] = (),
    close: tuple[int, str] | None = None,
) -> Turn:
    """Answer as the venue does: an error names no request and has no number (4.2)."""
    reply = msgspec.json.encode({"type": "error", "message": message})
    return Turn((reply,), seen=seen, violation=violation, close=close)


SIDE = Coinbase
