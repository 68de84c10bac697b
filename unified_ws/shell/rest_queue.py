"""REST calls of the core: few at a time, within the budget, the most urgent first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from unified_ws.adapter import Rest
from unified_ws.core.actions import Fetch
from unified_ws.core.limits import Budget

AT_ONCE = 6


class RestQueue:
    """Perform `Fetch` actions.

    Args:
        call: Performs one REST call, outside any throttle.
        budgets: What may be spent on each host; "" is the general one.
        done: Takes the answer, or the reason why there is none.
        spawn: Starts a task that somebody owns.
    """

    def __init__(
        self,
        call: Callable[[Rest], Awaitable[Any]],
        budgets: Mapping[str, Budget],
        done: Callable[[Fetch, Any, BaseException | None], None],
        spawn: Callable[[Any], Any],
    ) -> None:
        self._call = call
        self._budgets = budgets
        self._done = done
        self._spawn = spawn
        self._heap: list[tuple[int, int, Fetch]] = []
        self._order = itertools.count()
        self._running = 0

    @property
    def waiting(self) -> int:
        """Return how many calls have not begun."""
        return len(self._heap)

    def budget_of(self, rest: Rest) -> Budget:
        """Return the budget that a call is charged to."""
        return self._budgets.get(rest.host) or self._budgets[""]

    def submit(self, fetch: Fetch) -> None:
        """Queue one call."""
        heapq.heappush(self._heap, (fetch.priority, next(self._order), fetch))
        if self._running < AT_ONCE:
            self._running += 1
            self._spawn(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._heap:
                rest = self._heap[0][2].rest
                wait = self.budget_of(rest).wait_s(loop.time(), rest.weight, urgent=True)
                if wait > 0.0:
                    await asyncio.sleep(wait)
                    continue
                fetch = heapq.heappop(self._heap)[2]
                self.budget_of(fetch.rest).charge(loop.time(), fetch.rest.weight)
                await self._one(fetch)
        finally:
            self._running -= 1

    async def _one(self, fetch: Fetch) -> None:
        try:
            body = await self._call(fetch.rest)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            self._done(fetch, None, exc)
        else:
            self._done(fetch, body, None)
