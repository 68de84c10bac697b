"""How long a call waits for a stream that is not up, and what it is told in the end.

First contact is the caller's: after ccxt's `timeout` the error that names the hop. Later a healed
disconnect is no error, only an outage longer than `raise_after_s` is. A stream that is
acknowledged and quiet is waited for without end.
"""

from __future__ import annotations

from math import inf

from unified_ws.core.engine import Engine
from unified_ws.core.link import Link
from unified_ws.core.machine import State
from unified_ws.core.streams import Stream
from unified_ws.errors import DialTimeout, StreamDown
from unified_ws.shell.surroundings import Surroundings


def stuck(engine: Engine, stream: Stream) -> bool:
    """Say whether first data waits for REST rather than for the market."""
    return not stream.delivered and bool(engine.recovery.why(stream))


def ends_at(stream: Stream, started: float, around: Surroundings) -> float:
    """Return when a call that began to wait at `started` has waited long enough."""
    if not stream.delivered:
        return started + around.timeout_s
    if not around.raise_after_s:
        return inf
    return max(stream.down_since or started, started) + around.raise_after_s


def ended(engine: Engine, stream: Stream, around: Surroundings, now: float) -> BaseException:
    """Build the error of a call that has waited long enough."""
    link = link_of(engine, stream)
    reason, retry_in = trouble(engine, stream, link, now)
    what = f"{stream.kind} of {stream.symbol or 'all markets'}"
    if stream.delivered:
        age = now - (stream.down_since or now)
        text = f"{around.id}: {what} has been down for {age:.0f} s: {reason}"
        return StreamDown(text, reason=reason, age_s=age, retry_in_s=retry_in)
    if link is not None and link.error is not None:
        error = link.error
        return type(error)(
            str(error), hop=error.hop, status=error.status, final=error.final,
            retry_after_s=error.retry_after_s,
        )  # fmt: skip
    text = f"{around.id}: no {what} within {around.timeout_s:g} s: {reason}"
    return DialTimeout(text, hop="subscribe")


def link_of(engine: Engine, stream: Stream) -> Link | None:
    """Return the connection that carries a stream (its first topic that is not up)."""
    found = None
    for entry in engine.entries_of(stream.source or stream):
        found = engine.links.get(entry.owner)
        if found is None or not found.topics.confirmed(entry.route.topic):
            break
    return found


def trouble(
    engine: Engine, stream: Stream, link: Link | None, now: float
) -> tuple[str, float | None]:
    """Say what a stream waits for, and in how many seconds the next dial is due."""
    if link is None:
        why = engine.recovery.why(stream)
        return why or stream.down_reason or "it is not subscribed", None
    state = link.machine.state
    retry_at = link.machine.retry_at()
    if state is State.WAITING and retry_at is not None:
        reason = str(link.error or link.machine.reason)
        return f"{reason}; next try in {max(0.0, retry_at - now):.1f} s", retry_at - now
    if state is State.LIVE:
        why = engine.recovery.why(stream)
        return why or "the subscription has not been acknowledged", None
    what = f"connection {link.number} is {state.value}"
    return (f"{what} again after: {link.error}" if link.error else what), None
