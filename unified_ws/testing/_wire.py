"""What passes between the gateway and a venue side: requests, sockets, turns, limits."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a venue allows; 0 means no limit. Durations are wall-clock seconds.

    The gateway itself enforces and notes messages, dials, weight, pings, lifetime, and the two
    deadlines of the client. `requests`, `args`, `request_bytes`, `topics` and `group_topics` have
    refusals in the venue's words: its side asks `VenueSide.beyond` and answers.
    """

    # everything a client sends, protocol pings and pongs too
    messages_per_s: int = 0
    messages: int = 0
    messages_window_s: float = 10.0
    messages_code: int = 1008
    # requests on one socket, as the side counts them
    requests: int = 0
    requests_window_s: float = 3600.0
    args: int = 0
    request_bytes: int = 0
    # topics of one socket; `group_topics` by `VenueSide.group_of`
    topics: int = 0
    group_topics: Mapping[str, int] = dataclasses.field(default_factory=dict)
    dials: int = 0
    dials_window_s: float = 300.0
    weight_per_min: int = 0
    tolerated_429: int = 3
    ban_s: int = 120
    # ping frames of the server, and the pongs it wants
    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    # a socket that has sent nothing for so long is closed; 1006 closes without a close frame
    client_ping_within_s: float = 0.0
    client_ping_code: int = 1006
    # a socket that holds no topic so long after its handshake is closed
    subscribe_within_s: float = 0.0
    subscribe_code: int = 1006
    lifetime_s: float = 86_400.0


class Rate:
    """Counts what happens within a sliding window; `most` 0 counts and allows all."""

    def __init__(
        self, most: int, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = most
        self.window_s = window_s
        self._clock = clock
        self._at: deque[float] = deque()

    def over(self) -> bool:
        """Count one more and tell whether that is too many."""
        now = self._clock()
        self._at.append(now)
        while self._at[0] <= now - self.window_s:
            self._at.popleft()
        return bool(self.most) and len(self._at) > self.most


@dataclasses.dataclass(frozen=True)
class RestRequest:
    """One REST request, as the venue's own host would have received it.

    The names of `headers` are read without regard to case when they come from the gateway.
    """

    host: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


@dataclasses.dataclass(frozen=True)
class RestAnswer:
    """What goes back, for REST and for a refused handshake alike."""

    status: int
    body: bytes
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Link:
    """One socket as its venue side sees it.

    Attributes:
        number: 1 for the first socket of the fake, then 2, and so on.
        host: As dialed, perhaps with a port.
        path: Begins with "/".
        query: Of the dialed address.
        mode: How frames are wrapped on it; the side sets it, `VenueSide.frame` gets it.
        topics: What it has subscribed, in order; the gateway keeps it.
        headers: Of the handshake; names are read without regard to case.
        binary: The side sets it where frames go with the BINARY opcode.
        limits: What is allowed on this host (`VenueSide.limits_at`).
        requests: Counts requests against `limits.requests`; `VenueSide.beyond` uses it.
        notes: The side's own memory of this socket, such as a sequence number.
    """

    number: int
    host: str
    path: str
    query: Mapping[str, str]
    mode: str = ""
    topics: dict[str, None] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    binary: bool = False
    limits: Limits = dataclasses.field(default_factory=Limits)
    requests: Rate = dataclasses.field(init=False)
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = Rate(self.limits.requests, self.limits.requests_window_s)


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a client's text, or its handshake, means. The gateway carries it out in this order.

    Attributes:
        seen: Requests to note in the fake's `stats`: method and parameters.
        drop: Topics to leave. The same topic in `add` is begun anew, with its greeting.
        add: Topics to hold from now on; the greetings of those that are new follow.
        violation: A rule of the venue that the client has broken.
        replies: Complete frames for this socket (acks, errors, pongs, a welcome).
        greet_first: The greetings go before the replies, not after them.
        pong: The replies answer a ping; the fault `stop_pongs` holds them back.
        close: Code and reason with which the venue closes the socket afterwards; None leaves
            it open, code 1006 cuts it off.
    """

    replies: Sequence[bytes] = ()
    add: Sequence[str] = ()
    drop: Sequence[str] = ()
    seen: Sequence[tuple[str, object]] = ()
    violation: str = ""
    greet_first: bool = False
    pong: bool = False
    close: tuple[int, str] | None = None


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A recorded frame that belongs to a topic: `payload` is what the venue wrapped, exactly."""

    topic: str
    payload: bytes
