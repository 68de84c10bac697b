"""Faults on demand that need no socket: topics, REST answers and handshakes.

Faults of topics act on finished frames, after sealing: a lost frame leaves a hole in the numbers
of its connection, a repeated one repeats its number.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from ._socket import Socket
from ._wire import RestAnswer, RestRequest

_HANDSHAKE_REFUSED = 503
Written: TypeAlias = Sequence[tuple[Socket, bytes]]


@dataclasses.dataclass
class _Failure:
    pattern: re.Pattern[str]
    answer: RestAnswer
    times: int


class Delay:
    """REST answers that a test holds back; `waiting` of them wait for `release`.

    Attributes:
        waiting: Requests that have arrived and wait.
    """

    def __init__(self, pattern: str, times: int, *, stale: bool) -> None:
        self.waiting = 0
        self.stale = stale
        self._pattern = re.compile(pattern)
        self._times = times
        self._released = asyncio.Event()

    def release(self) -> None:
        """Answer those that wait, and delay no more."""
        self._times = 0
        self._released.set()

    def catches(self, target: str) -> bool:
        """Tell whether a request is to wait, and count it."""
        if self._times <= 0 or not self._pattern.search(target):
            return False
        self._times -= 1
        return True

    async def wait(self, changed: Callable[[], None]) -> None:
        """Wait until released."""
        self.waiting += 1
        changed()
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


class Faults:
    """What a fake does wrong because a test wants it."""

    def __init__(self) -> None:
        self.pinging = True
        self.ponging = True
        self._silenced: set[str] = set()
        self._lost: Counter[str | None] = Counter()
        self._repeated: set[str] = set()
        self._swapped: dict[str, Written | None] = {}
        self._failures: list[_Failure] = []
        self._delays: list[Delay] = []
        self._refusals: deque[int] = deque()

    # topics

    def silence(self, topic: str) -> None:
        """Acknowledge a topic and never deliver it, as venues do with a wrong route."""
        self._silenced.add(topic)

    def unsilence(self, topic: str) -> None:
        """Deliver a silenced topic again."""
        self._silenced.discard(topic)

    def lose(self, topic: str | None = None, times: int = 1) -> None:
        """Send nobody the next payloads of a topic, or of any topic: the market has moved."""
        self._lost[topic] += times

    def repeat(self, topic: str) -> None:
        """Send the next payload of a topic twice."""
        self._repeated.add(topic)

    def swap(self, topic: str) -> None:
        """Send the next two payloads of a topic in the wrong order."""
        self._swapped.setdefault(topic, None)

    # REST and handshakes

    def fail_rest(
        self,
        pattern: str,
        status: int,
        body: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next `times` requests whose `HOST/PATH?QUERY` matches with a failure."""
        answer = RestAnswer(status, body.encode(), headers or {})
        self._failures.append(_Failure(re.compile(pattern), answer, times))

    def delay_rest(self, pattern: str, *, times: int = 1, stale: bool = False) -> Delay:
        """Let the next `times` requests whose `HOST/PATH?QUERY` matches wait for the test.

        Args:
            pattern: A regular expression.
            times: How many requests.
            stale: Whether the answer is that of the moment of asking, not that of the release.
        """
        delay = Delay(pattern, times, stale=stale)
        self._delays.append(delay)
        return delay

    def refuse_sockets(self, status: int | None = None, *, times: int = 1) -> None:
        """Answer the next handshakes with an HTTP status; None means 503, no times: no more."""
        if times <= 0:
            self._refusals.clear()
        self._refusals.extend([status or _HANDSHAKE_REFUSED] * times)

    # pings

    def stop_pings(self) -> None:
        """Send no more ping frames."""
        self.pinging = False

    def stop_pongs(self) -> None:
        """Answer no more pings of clients, be they frames or texts."""
        self.ponging = False

    # what the gateway asks

    def _meddle(self, topic: str, written: Written) -> list[Written]:
        """Return what goes out in the place of a payload's finished frames."""
        for key in (topic, None):
            if self._lost[key]:
                self._lost -= Counter({key: 1})
                return []
        out = [written]
        if topic in self._swapped:
            first = self._swapped[topic]
            if first is None:
                self._swapped[topic] = written
                return []
            del self._swapped[topic]
            out.append(first)
        if topic in self._repeated:
            self._repeated.discard(topic)
            out.insert(1, written)
        return out

    def _meddles(self) -> bool:
        return bool(self._lost or self._swapped or self._repeated)

    def _failed(self, request: RestRequest) -> RestAnswer | None:
        for failure in self._failures:
            if failure.times > 0 and failure.pattern.search(_target(request)):
                failure.times -= 1
                return failure.answer
        return None

    def _delayed(self, request: RestRequest) -> Delay | None:
        return next((delay for delay in self._delays if delay.catches(_target(request))), None)


def _target(request: RestRequest) -> str:
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    return f"{request.host}{request.path}?{query}"
