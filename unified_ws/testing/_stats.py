"""What a fake has seen: tests assert on it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from typing import NamedTuple


class RestSeen(NamedTuple):
    """A REST request that arrived; `t` is monotonic seconds."""

    host: str
    path: str
    query: dict[str, str]
    weight: int
    t: float
    method: str = "GET"
    body: bytes = b""


class RequestSeen(NamedTuple):
    """A request on a socket, such as a subscription."""

    connection: int
    method: str
    params: object


@dataclasses.dataclass
class Stats:
    """What the fake has seen so far."""

    connections: int = 0
    open_connections: int = 0
    requests: list[RequestSeen] = dataclasses.field(default_factory=list)
    rest: list[RestSeen] = dataclasses.field(default_factory=list)
    pings_sent: int = 0
    pongs_received: int = 0
    violations: list[str] = dataclasses.field(default_factory=list)

    @property
    def weight(self) -> int:
        """Weight of the REST requests of the last minute."""
        return sum(seen.weight for seen in self.recent())

    def recent(self) -> list[RestSeen]:
        """Return the REST requests of the last minute, oldest first."""
        since = time.monotonic() - 60
        return [*itertools.takewhile(lambda seen: seen.t > since, reversed(self.rest))][::-1]
