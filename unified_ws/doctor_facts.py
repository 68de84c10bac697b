"""What a venue's file declares beside what was observed: heartbeats, limits, close codes."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from unified_ws.core.actions import Notice
from unified_ws.exchange import Exchange
from unified_ws.facts import Endpoint, Heartbeat, Window

_CODE = re.compile(r"code (\d+)")


class FactSeen(msgspec.Struct):
    """One fact: `holds` is None where nothing has happened that would show it."""

    about: str
    fact: str
    declared: str
    observed: str
    holds: bool | None = None


class Traffic(NamedTuple):
    """What went over one connection."""

    sent: list[float]
    longest_sent: int = 0
    longest_got: int = 0


class WireWatch:
    """Counts frames and notes what happens, from the moment it is made."""

    def __init__(self, ex: Exchange) -> None:
        self._ex = ex
        self._clock = asyncio.get_running_loop().time
        self.begun = self._clock()
        self.traffic: dict[int, Traffic] = {}
        self.acks: dict[str, float] = {}
        self.closes: Counter[tuple[str, int]] = Counter()
        self.events: defaultdict[str, Counter[str]] = defaultdict(Counter)
        ex.tap(self._frame)
        ex.on("*", self._noticed)

    def _frame(self, connection: int, direction: str, frame: bytes) -> None:
        known = self.traffic.get(connection) or Traffic([])
        if direction == "out":
            known.sent.append(self._clock())
            known = known._replace(longest_sent=max(known.longest_sent, len(frame)))
        elif len(frame) > known.longest_got:
            known = known._replace(longest_got=len(frame))
        self.traffic[connection] = known

    def _noticed(self, notice: Notice) -> None:
        self.events[notice.event][notice.reason] += 1
        if notice.event == "subscribed":
            self.acks.setdefault(str(notice.data), round(self._clock() - self.begun, 3))
        elif notice.event == "disconnected":
            code = _CODE.search(notice.reason)
            if code:
                self.closes[notice.endpoint, int(code[1])] += 1

    def facts(self) -> list[FactSeen]:
        """Compare what is declared with what was observed."""
        venue = self._ex.adapter_class.venue
        status = self._ex.status()
        found: list[FactSeen] = []
        counts: Counter[str] = Counter()
        for connection in status["connections"]:
            endpoint = venue.endpoints[connection["endpoint"]]
            counts[connection["endpoint"]] += 1
            traffic = self.traffic.get(connection["connection"], Traffic([]))
            found += _of_connection(connection, endpoint, traffic)
        for name, count in counts.items():
            most = venue.endpoints[name].limits.connections
            found.append(_limit(name, "connections", count, most))
        for (name, code), times in self.closes.items():
            rule = venue.closes.get(code)
            declared = "nothing" if rule is None else f"wait {rule.floor_s:g} s" + (
                ", final" if rule.final else ""
            )  # fmt: skip
            found.append(FactSeen(name, f"close code {code}", declared, f"{times} times"))
        if venue.rest:
            budget = sum(host.budget.n for host in venue.rest.values())
            used = status["rest_weight_used"]
            found.append(_limit("REST", "weight in its window", round(used), round(budget)))
        return found


def _of_connection(
    connection: dict[str, Any], endpoint: Endpoint, traffic: Traffic
) -> Iterator[FactSeen]:
    about = f"{connection['endpoint']} #{connection['connection']}"
    limits, age_s = endpoint.limits, connection["age_s"] or 0.0
    yield _heartbeat(about, endpoint.heartbeat, connection, age_s)
    yield _limit(about, "topics", connection["topics"], limits.topics_per_connection)
    for fact, window in (("messages", limits.messages), ("requests", limits.requests)):
        if window is not None:
            most = _busiest(traffic.sent, window)
            yield _limit(about, f"{fact} in {window.per_s:g} s", most, int(window.n))
    yield _limit(about, "bytes of a request", traffic.longest_sent, limits.request_bytes)
    yield _limit(about, "bytes of a frame", traffic.longest_got, limits.frame_bytes)


def _heartbeat(
    about: str, heartbeat: Heartbeat, connection: dict[str, Any], age_s: float
) -> FactSeen:
    every = f"each {heartbeat.every_s:g} s"
    enough = age_s >= 1.5 * heartbeat.every_s
    if heartbeat.by == "server":
        count = connection["server_pings"]
        observed = f"{count} in {age_s:.0f} s"
        observed += f", one each {age_s / count:.0f} s" if count > 1 else ""
        # Some venues' heartbeats are messages: those are frames like any other here.
        messages = connection["frames"] >= age_s / heartbeat.every_s
        holds = True if count else False if enough and not messages else None
        return FactSeen(about, "pings of the venue", every, observed, holds)
    sent, answered = connection["pings"], connection["pongs"]
    observed = f"{sent} sent, {answered} answered in {age_s:.0f} s"
    # The last one may still be under way.
    holds = answered >= sent - 1 if enough and sent else None
    declared = "nobody pings" if heartbeat.by == "none" else every
    return FactSeen(about, "pings of ours", declared, observed, holds)


def _limit(about: str, fact: str, used: int, most: int | None) -> FactSeen:
    declared = "no limit" if most is None else f"at most {most:,}"
    return FactSeen(about, fact, declared, f"{used:,}", None if most is None else used <= most)


def _busiest(times: Sequence[float], window: Window) -> int:
    """Return the most that happened in any stretch of time as long as the window."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window.per_s:
            first += 1
        most = max(most, last - first + 1)
    return most


__all__ = ["FactSeen", "WireWatch"]
