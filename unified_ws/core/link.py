"""One connection as the engine sees it, and the entry of a topic in its routing table."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from unified_ws.adapter import Route
from unified_ws.core.limits import Budget
from unified_ws.core.machine import Connection, State
from unified_ws.core.streams import Stream
from unified_ws.core.topics import Topics
from unified_ws.errors import DialFailed
from unified_ws.events import Markets
from unified_ws.facts import Endpoint

PLAN_S = 0.005


class TopicEntry:
    """Where a topic lives and who listens.

    owner: the connection that carries it; heir: the one that is about to take it over.
    settled: its first data has been noted since it was last placed.
    """

    __slots__ = ("heir", "owner", "route", "settled", "streams")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.streams: list[Stream] = []
        self.owner = 0
        self.heir: int | None = None
        self.settled = False


class Link:
    """One supervised connection: its machine, its topics, its budget and its counters.

    replaces: the connection it takes over from, until it has heard every topic in `unheard`;
    retiring: it is being replaced itself; rotate_again: why it must be replaced as well, as soon
    as it has taken over; last_number: of the last frame, where the venue numbers them. entries: the
    topics of its endpoint; shared: what all connections of the endpoint may send together.
    """

    def __init__(
        self, number: int, endpoint_name: str, endpoint: Endpoint, markets: Markets,
        machine: Connection, entries: dict[str, TopicEntry], shared: Budget,
    ) -> None:  # fmt: skip
        self.number = number
        self.endpoint_name = endpoint_name
        self.endpoint = endpoint
        self.markets = markets
        self.entries = entries
        self.shared = shared
        self.frame_bytes = endpoint.limits.frame_bytes
        self.machine = machine
        self.topics = Topics(endpoint.limits, one_at_a_time=endpoint.in_flight == "one")
        # Two messages a window are kept for pongs and pings: they must never wait.
        window = endpoint.limits.messages
        self.budget = Budget(window, reserve=min(2.0, window.n / 2) if window else 0.0)
        self.requests = Budget(endpoint.limits.requests)
        self.plan_at = inf
        self.replaces: int | None = None
        self.retiring = False
        self.rotate_again = ""
        self.unheard: set[str] = set()
        self.take_over_at = inf
        self.error: DialFailed | None = None
        self.last_number: int | None = None
        self.connects = 0
        self.frames = 0
        self.bytes = 0
        self.pings = 0
        self.pongs = 0
        self.server_pings = 0
        self.latency_ms: float | None = None

    def takes(self, route: Route, apart: Callable[[Link, Route], bool]) -> bool:
        """Say whether a topic may join this connection."""
        if self.endpoint_name != route.endpoint or self.retiring:
            return False
        if self.machine.state is State.CLOSED:
            return False
        return self.topics.takes(route.topic, route.group) and not apart(self, route)
