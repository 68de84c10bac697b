"""Data that a venue only tells by REST: asked at an interval while somebody wants it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from unified_ws.adapter import Route
from unified_ws.core.actions import Fetch
from unified_ws.core.streams import Stream

if TYPE_CHECKING:
    from unified_ws.core.engine import Engine

DOWN_AFTER = 3
"""So many failures in a row, and the stream counts as down."""


@dataclass
class _Turn:
    """When a stream is asked for next, and how the last times went."""

    route: Route
    at: float
    asked: bool = False
    failures: int = 0
    answered: bool = False
    error: str = ""


class Polling:
    """The polled streams of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turns: dict[Stream, _Turn] = {}

    def begin(self, stream: Stream, route: Route, now: float) -> None:
        """Ask for a stream from now on."""
        self._turns[stream] = _Turn(route, now)
        self._engine.touched = True

    def forget(self, stream: Stream) -> None:
        """Stop asking."""
        self._turns.pop(stream, None)

    def works(self, stream: Stream) -> bool:
        """Say whether the venue has answered and goes on doing so."""
        turn = self._turns.get(stream)
        return turn is not None and turn.answered and turn.failures < DOWN_AFTER

    def why(self, stream: Stream) -> str:
        """Say what a stream waits for, in words; empty if nothing."""
        turn = self._turns.get(stream)
        if turn is None:
            return ""
        if turn.error:
            return f"REST failed {turn.failures} times, last: {turn.error}"
        return "waiting for an answer by REST" if not turn.answered else ""

    def deadline(self) -> float:
        """Return when `tick` is due."""
        return min((turn.at for turn in self._turns.values() if not turn.asked), default=inf)

    def tick(self, now: float) -> None:
        """Ask what is due."""
        for stream, turn in self._turns.items():
            poll = turn.route.poll
            if turn.at <= now and not turn.asked and poll is not None:
                turn.asked = True
                self._engine.actions.append(Fetch(stream, "poll", poll.rest, 4, 0))

    def fetched(
        self, stream: Stream, body: Any, error: str | None, now: float, wall_ns: int
    ) -> None:
        """Take an answer, or why there is none."""
        turn = self._turns.get(stream)
        market = stream.sub.market
        if turn is None or turn.route.poll is None or market is None:
            return
        turn.asked, turn.at = False, now + turn.route.poll.every_s
        if error is None:
            try:
                events = self._engine.adapter.history(body, turn.route, market)
            except Exception as exc:
                error = f"its answer could not be read: {exc!r}"
            else:
                turn.failures, turn.error, turn.answered = 0, "", True
                self._engine.refresh(stream, now)
                stream.accept(events, now, wall_ns)
                return
        turn.failures += 1
        turn.error = error
        if turn.failures == DOWN_AFTER:
            self._engine.down(stream, now, f"REST failed {turn.failures} times: {error}")
