"""Bring what a connection carries to what is wanted, in as few requests as allowed."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from unified_ws.adapter import Call, Op
from unified_ws.core import machine as m
from unified_ws.core.actions import Send
from unified_ws.core.link import PLAN_S, Link
from unified_ws.core.topics import Outcome
from unified_ws.errors import SubscribeRejected

if TYPE_CHECKING:
    from unified_ws.core.engine import Engine


class Subscribing:
    """The requests of one engine and their answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def plan(self, link: Link, now: float) -> None:
        """Note that something is to be asked soon."""
        # A short wait gathers the calls of many tasks into one request.
        if link.topics.changed and link.machine.state is m.State.LIVE:
            link.plan_at = min(link.plan_at, now + PLAN_S)
            self._engine.touched = True

    def flush(self, link: Link, now: float) -> None:
        """Send the requests that the budget of messages allows now."""
        link.plan_at = inf
        # Planned anew for every request: a refusal on the way may have ended streams or the link.
        while link.machine.state is m.State.LIVE and (plan := link.topics.plan()):
            op, names = plan[0]
            budgets = (link.budget, link.requests, link.shared)
            wait = max(budget.wait_s(now) for budget in budgets)
            if wait > 0.0:
                link.plan_at = now + wait
                return
            call = self._engine.call(link)
            try:
                names, frame = self._fitting(link, op, names, call)
            except Exception as exc:
                self._unaskable(link, op, names, exc, now)
                continue
            for budget in budgets:
                budget.charge(now)
            link.topics.sent(call.id, op, names, now)
            self._engine.actions.append(Send(link.number, frame))

    def _fitting(
        self, link: Link, op: Op, names: list[str], call: Call
    ) -> tuple[list[str], bytes]:
        """Build the request for as many of the topics as its size allows."""
        room = link.endpoint.limits.request_bytes
        while True:
            frame = self._engine.adapter.request(op, names, call)
            if room is None or len(frame) <= room or len(names) == 1:
                return names, frame
            names = names[: len(names) // 2]

    def _unaskable(
        self, link: Link, op: Op, names: list[str], exc: Exception, now: float
    ) -> None:
        """End the streams whose request the adapter cannot build: its own fault."""
        link.topics.sent("", op, names, now)
        error = f"the adapter could not build a request: {exc!r}"
        self.settle(link, link.topics.answered("", error), now)

    def settle(self, link: Link, outcome: Outcome, now: float, *, silent: bool = False) -> None:
        """Take what an answer (or the lack of one, `silent`) has settled."""
        for name in outcome.confirmed:
            entry = link.entries.get(name)
            if entry is not None:
                self._engine.notice("subscribed", link=link, data=name)
                for stream in entry.streams:
                    stream.renewed()
                    self._engine.refresh(stream, now)
        if outcome.refused and silent:
            # Asked again and again without an answer: it is the connection that is deaf.
            reason = f"no answer to a subscription within {m.READY_S:g} s, three times"
            self._engine.perform(link, [m.CloseSocket(reason), *link.machine.lost(now, reason)], now)
            return
        for name, error in outcome.refused:
            self._refused(link, name, error, now)
        self.plan(link, now)

    def _refused(self, link: Link, name: str, error: str, now: float) -> None:
        entry = link.entries.get(name)
        if entry is None:
            return
        self._engine.notice("refused", link=link, reason=error, data=name)
        link.topics.drop(name)
        for stream in list(entry.streams):
            text = f"{self._engine.venue.id} refused {stream.kind} of {stream.symbol or 'all markets'}"
            self._engine.end(stream, SubscribeRejected(f"{text} ({name}): {error}", error), now)
