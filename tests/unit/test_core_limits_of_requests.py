"""Limits that few venues have, kept all the same: bytes of a request, number of connections."""

from __future__ import annotations

import pytest

from unified_ws import adapter as ws
from unified_ws.core.engine import Engine
from unified_ws.core.topics import REQUEST_BYTES, TOPIC_BYTES, Topics
from unified_ws.errors import VenueError
from unified_ws.facts import Endpoint, Kind, Limits, Venue


def test_a_request_keeps_to_its_bytes() -> None:
    """A frame over the limit would be refused with all of its topics."""
    topics = Topics(Limits(request_bytes=REQUEST_BYTES + 3 * (10 + TOPIC_BYTES)))
    for number in range(8):
        topics.want(f"topic-{number:04d}")

    assert [len(names) for _, names in topics.plan()] == [3, 3, 2]


def test_a_topic_larger_than_a_request_still_goes_alone() -> None:
    """The venue may say no to it; silence would be worse."""
    topics = Topics(Limits(request_bytes=20))
    topics.want("a-topic-that-is-longer-than-the-limit")
    topics.want("another-topic-that-is-longer-too")

    assert [len(names) for _, names in topics.plan()] == [1, 1]


class Toy(ws.Adapter):
    """Two connections of one topic each, and no more."""

    venue = Venue(
        id="toy", ccxt_id="toy", kinds=frozenset({Kind.TRADES}),
        endpoints={"all": Endpoint(live="wss://toy", limits=Limits(topics_per_connection=1, connections=2))},
    )  # fmt: skip

    def route(self, sub: ws.Sub) -> tuple[ws.Route, ...]:
        """Name the topic after the market."""
        assert sub.market is not None
        return (ws.Route("all", sub.market.id),)

    def request(self, op: ws.Op, topics: object, call: ws.Call) -> bytes:
        """Say nothing that matters here."""
        return b"{}"

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> tuple[ws.Inbound, ...]:
        """Understand nothing."""
        return ()


def _unknown(market_id: str) -> str | None:
    del market_id
    return None


def test_connections_are_not_opened_beyond_the_limit() -> None:
    """The caller is told, and what is open stays open."""
    engine = Engine(Toy(), Toy.venue, jitter=lambda s: s, markets=lambda _: _unknown)
    streams = [
        engine.stream(ws.Sub(Kind.TRADES, ws.Market(name, name)), 0.0) for name in ("A", "B", "C")
    ]
    engine.hold(streams[0], "me", 0.0)
    engine.hold(streams[1], "me", 0.0)
    with pytest.raises(VenueError) as raised:
        engine.hold(streams[2], "me", 0.0)

    assert str(raised.value) == "toy allows 2 connections with so many topics each: C has no place"
    assert len(engine.links) == 2
    assert sorted(engine.entries["all"]) == ["A", "B"]
