"""A venue that says exactly what a test wants, and an engine that listens to it by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from unified_ws import adapter as ws
from unified_ws.core.actions import Fetch, Send
from unified_ws.core.engine import Engine
from unified_ws.core.link import PLAN_S, Link
from unified_ws.core.streams import Stream


class Scripted(ws.Adapter):
    """Its routes are given, and each frame means what the test has filed under it."""

    def __init__(
        self, venue: ws.Venue, routes: Callable[[ws.Sub], Sequence[ws.Route]],
        history: Callable[[Any, ws.Market], Sequence[ws.Event]] = lambda *_: (),
    ) -> None:  # fmt: skip
        self.venue = venue  # type: ignore[misc]  # a venue for each test
        self.routes = routes
        self.reads = history
        self.meaning: dict[bytes, Sequence[ws.Inbound]] = {}

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Answer as the test wants."""
        return self.routes(sub)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Write the request down."""
        return msgspec.json.encode([op, list(topics), call.id, call.at])

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Look the frame up."""
        del at, markets
        return self.meaning[frame]

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read a REST body as the test wants."""
        del route
        return self.reads(body, market)


class Stage:
    """An engine around a scripted venue, and the clock."""

    def __init__(self, adapter: Scripted, symbols: dict[str, str] | None = None) -> None:
        self.adapter = adapter
        self.now = 100.0
        known = symbols or {}
        self.engine = Engine(
            adapter, adapter.venue, jitter=lambda s: s,
            markets=lambda endpoint: lambda name: known.get(f"{endpoint} {name}", name),
        )  # fmt: skip
        self._frames = 0

    def hold(self, sub: ws.Sub) -> Any:
        """Watch something."""
        stream = self.engine.stream(sub, self.now)
        self.engine.hold(stream, "me", self.now)
        return stream

    def release(self, stream: Stream) -> None:
        """Stop watching."""
        self.engine.release(stream, "me", self.now)

    def link(self, number: int = 1) -> Link:
        """Return a connection."""
        return self.engine.links[number]

    def open(self, number: int = 1) -> None:
        """Let a dial succeed."""
        self.engine.opened(self.link(number), self.now, wall_ns=1_700_000_000_000_000_000)
        self.wait(PLAN_S)

    def say(self, *items: ws.Inbound, number: int = 1) -> None:
        """Let the venue say something in one frame."""
        self._frames += 1
        frame = b"%d" % self._frames
        self.adapter.meaning[frame] = items
        self.engine.received(self.link(number), frame, self.now, int(self.now * 1e9))

    def wait(self, seconds: float) -> None:
        """Let time pass, in steps that miss no deadline."""
        end = self.now + seconds
        while (at := self.engine.deadline()) <= end:
            self.now = max(self.now, at)
            self.engine.tick(self.now)
        self.now = end

    def asked(self) -> list[list[Any]]:
        """Take the requests that were sent: operation, topics, id, endpoint."""
        return [msgspec.json.decode(a.frame) for a in self._take(Send)]

    def fetched(self) -> list[Fetch]:
        """Take the REST calls that are due."""
        self.wait(0.0)
        return self._take(Fetch)

    def answer(self, fetch: Fetch, body: Any = None, error: str | None = None) -> None:
        """Answer a REST call."""
        self.engine.recovery.fetched(fetch, body, error, self.now, int(self.now * 1e9))

    def _take(self, kind: type[Any]) -> list[Any]:
        taken = [a for a in self.engine.actions if isinstance(a, kind)]
        self.engine.actions = [a for a in self.engine.actions if not isinstance(a, kind)]
        return taken


def venue(**facts: Any) -> ws.Venue:
    """Declare a venue with one endpoint, unless `facts` say otherwise."""
    endpoints = facts.pop("endpoints", {"main": ws.Endpoint(live="wss://example.invalid")})
    return ws.Venue(
        id="toy", ccxt_id="binance", endpoints=endpoints, kinds=frozenset(ws.Kind), **facts
    )


def market(symbol: str = "A", wire_id: str = "", **fields: Any) -> ws.Market:
    """Build a market whose id is its symbol."""
    return ws.Market(symbol, symbol, wire_id=wire_id, **fields)


def one_topic(sub: ws.Sub) -> tuple[ws.Route, ...]:
    """Route every kind to a topic of its own."""
    name = sub.market.wire_id or sub.market.id if sub.market else "*"
    return (ws.Route("main", f"{sub.kind.value}:{name}"),)
