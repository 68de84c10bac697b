"""What one supervised connection does next.

`Connection` decides; the asyncio shell acts. It never sleeps, reads a clock or touches a
socket: every method takes `now`, monotonic seconds, and returns the actions to perform, in
order. `deadline()` says when to call `tick()` if nothing else happens first. So every
reconnect, timeout and half-open socket is tested in microseconds, without an event loop.

    idle -> dialing -> (ready) -> live       the way up
    dialing | ready | live -> waiting        any loss; `waiting -> dialing` after a delay
    anything -> closed                       `stop()`, or a refusal that is final

Failures are forgotten after a healthy spell (`Backoff.stable_s`), not after a dial: a venue
that accepts us and hangs up is not dialed in a tight loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from unified_ws.facts import Backoff, CloseRule, Endpoint, Heartbeat

DIAL_S = 10.0
READY_S = 10.0
GRACE_S = 1.0


class State(StrEnum):
    """Where a connection is in its life."""

    IDLE = "idle"
    DIALING = "dialing"
    READY = "awaiting ready"
    LIVE = "live"
    WAITING = "waiting"
    CLOSED = "closed"


_NEXT: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.DIALING, State.CLOSED}),
    State.DIALING: frozenset({State.READY, State.WAITING, State.CLOSED}),
    State.READY: frozenset({State.LIVE, State.WAITING, State.CLOSED}),
    State.LIVE: frozenset({State.WAITING, State.CLOSED}),
    State.WAITING: frozenset({State.DIALING, State.CLOSED}),
    State.CLOSED: frozenset(),
}
HOLDS_A_SOCKET = frozenset({State.DIALING, State.READY, State.LIVE})


@dataclass(frozen=True)
class OpenSocket:
    """Dial."""


@dataclass(frozen=True)
class CloseSocket:
    """Terminate the socket at once, without waiting for a polite close."""

    reason: str


@dataclass(frozen=True)
class SendPing:
    """Send a ping: the venue's own message, or an RFC 6455 ping frame (`protocol`)."""

    protocol: bool


@dataclass(frozen=True)
class Resubscribe:
    """The connection is up: send every wanted topic."""


@dataclass(frozen=True)
class Rotate:
    """Open a replacement now; this connection goes on until it has taken over."""

    reason: str


@dataclass(frozen=True)
class Report:
    """The state changed."""

    state: State
    reason: str


Action: TypeAlias = OpenSocket | CloseSocket | SendPing | Resubscribe | Rotate | Report


class Connection:
    """The life of one connection to one endpoint.

    Args:
        endpoint: Heartbeat, limits and whether a go-ahead precedes subscribing.
        backoff: How long to wait between attempts.
        jitter: Maps an upper bound in seconds to a delay below it. Injected so that tests are
            exact; production passes `lambda s: random.uniform(0, s)`.
        closes: What the venue's close codes and HTTP statuses mean.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        backoff: Backoff,
        jitter: Callable[[float], float],
        closes: dict[int, CloseRule] | None = None,
    ) -> None:
        self.state = State.IDLE
        self.reason = ""
        self.heartbeat: Heartbeat = endpoint.heartbeat
        self.opened_at: float | None = None
        self.received_at = -math.inf
        self.failures = 0
        self._endpoint = endpoint
        self._backoff = backoff
        self._jitter = jitter
        self._closes = closes or {}
        self._timers: dict[str, float] = {}
        self._asked_at = -math.inf

    def deadline(self) -> float:
        """Return when `tick` is due; infinity if never."""
        return min(self._timers.values(), default=math.inf)

    def retry_at(self) -> float | None:
        """Return when the next dial is due, or None while none is planned."""
        return self._timers.get("retry")

    def start(self, now: float) -> list[Action]:
        """Dial for the first time."""
        return self._dial(now) if self.state is State.IDLE else []

    def stop(self, now: float, reason: str = "stopped") -> list[Action]:
        """Close for good."""
        del now
        if self.state is State.CLOSED:
            return []
        self._timers.clear()
        return [CloseSocket(reason), self._move(State.CLOSED, reason)]

    def opened(self, now: float, heartbeat: Heartbeat | None = None) -> list[Action]:
        """Note that the socket is open; `heartbeat` is the one the venue dictated, if any."""
        if self.state is not State.DIALING:
            return [CloseSocket("opened too late")]
        if heartbeat is not None:
            self.heartbeat = heartbeat
        self.opened_at = self.received_at = now
        moved = self._move(State.READY, "connected")
        self._timers = {"ready": now + READY_S}
        return [moved] if self._endpoint.awaits_ready else [moved, *self._up(now)]

    def ready(self, now: float, error: str | None) -> list[Action]:
        """Take the go-ahead of an endpoint that gives one, or its refusal."""
        if self.state is not State.READY:
            return []
        if error is None:
            return self._up(now)
        self._timers.clear()
        return [CloseSocket(f"refused: {error}"), self._move(State.CLOSED, error)]

    def lost(
        self, now: float, reason: str, *, code: int | None = None, floor_s: float = 0.0
    ) -> list[Action]:
        """Note the loss of the socket (or a failed dial) and plan the next attempt.

        `code` is the close code or HTTP status; `floor_s` what the venue asked us to wait.
        """
        if self.state not in HOLDS_A_SOCKET:
            return []  # old news: we gave that socket up ourselves
        rule = self._closes.get(code or 0, CloseRule())
        if rule.final:
            self._timers.clear()
            return [self._move(State.CLOSED, reason)]
        # Only `stable` clears this: a venue that accepts us and then hangs up must not be
        # dialed in a tight loop.
        ceiling = min(
            self._backoff.cap_s, self._backoff.base_s * self._backoff.factor**self.failures
        )
        self.failures = min(self.failures + 1, 32)
        delay = max(self._jitter(ceiling), rule.floor_s, floor_s)
        self._timers = {"retry": now + delay}
        self.opened_at = None
        return [self._move(State.WAITING, reason)]

    def postpone(self, until: float) -> None:
        """Start the clock of a dial later: it waits for the dial budget."""
        if self.state is State.DIALING:
            self._timers["dial"] = until + DIAL_S

    def received(self, now: float) -> None:
        """Note a frame of any kind: it proves that the wire is alive."""
        self.received_at = now  # the shell assigns this itself: it runs once a frame

    def rotate(self, now: float, reason: str) -> list[Action]:
        """Ask for a replacement before the venue hangs up."""
        del now
        self._timers.pop("rotate", None)
        return [Rotate(reason)] if self.state is State.LIVE else []

    def forgive(self, late_s: float) -> None:
        """Move the deadlines of silence: we were late ourselves, answers may lie unread.

        `late_s` is how late the earliest timer was; the block may have begun before that one
        was due, hence the grace on top.
        """
        for name in ("silence", "pong", "idle", "dial", "ready"):
            if name in self._timers:
                self._timers[name] += late_s + GRACE_S

    def tick(self, now: float) -> list[Action]:
        """Perform what is due."""
        actions: list[Action] = []
        # In the order in which they fell due: a late tick must not change what happened.
        due = sorted((at, name) for name, at in self._timers.items() if at <= now)
        for at, name in due:
            if self._timers.get(name) == at:  # else another one has cleared or moved it
                del self._timers[name]
                actions += self._fire(name, now)
        return actions

    def _fire(self, name: str, now: float) -> list[Action]:
        beat = self.heartbeat
        match name:
            case "retry":
                return self._dial(now)
            case "stable":
                self.failures = 0
                return []
            case "rotate":
                return self.rotate(now, "its lifetime ends soon")
            case "ping":
                self._timers["ping"] = now + beat.every_s
                self._ask(now)
                return [SendPing(protocol=beat.by == "protocol")]
            case "idle":
                return self._idle(now)
            case "silence" if now < self.received_at + beat.silence_s:
                self._timers["silence"] = self.received_at + beat.silence_s
                return []
            case "silence":
                why = f"nothing received for {now - self.received_at:.0f} s"
            case "pong" if self.received_at >= self._asked_at:
                return []  # something came since we asked: the wire is alive
            case "pong":
                why = f"no answer to a ping within {beat.timeout_s:g} s"
            case "dial":
                why = f"no connection within {DIAL_S:g} s"
            case _:
                why = f"no go-ahead within {READY_S:g} s"
        return [CloseSocket(why), *self.lost(now, why)]

    def _idle(self, now: float) -> list[Action]:
        due = self.received_at + self.heartbeat.idle_ping_s
        if now < due:
            self._timers["idle"] = due
            return []
        self._timers["idle"] = now + self.heartbeat.idle_ping_s
        self._ask(now)
        return [SendPing(protocol=True)]

    def _ask(self, now: float) -> None:
        # A question that is still open keeps its own deadline; an answered one is replaced.
        if "pong" not in self._timers or self.received_at >= self._asked_at:
            self._timers["pong"] = now + self.heartbeat.timeout_s
            self._asked_at = now

    def _dial(self, now: float) -> list[Action]:
        self._timers = {"dial": now + DIAL_S}
        return [self._move(State.DIALING, "dialing"), OpenSocket()]

    def _up(self, now: float) -> list[Action]:
        beat, limits = self.heartbeat, self._endpoint.limits
        self._timers = {
            "silence": now + beat.silence_s,
            "stable": now + self._backoff.stable_s,
        }
        if beat.by in ("protocol", "message"):
            self._timers["ping"] = now + beat.every_s
        if beat.idle_ping_s:
            self._timers["idle"] = now + beat.idle_ping_s
        if limits.rotate_after_s is not None:
            # Sockets opened together must not all be replaced together.
            spread = min(600.0, limits.rotate_after_s / 10)
            self._timers["rotate"] = now + limits.rotate_after_s - self._jitter(spread)
        return [self._move(State.LIVE, "up"), Resubscribe()]

    def _move(self, state: State, reason: str) -> Report:
        assert state in _NEXT[self.state], f"{self.state} -> {state}"
        self.state = state
        self.reason = reason
        return Report(state, reason)
