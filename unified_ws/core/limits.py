"""How much may be sent, dialed or asked: exact sliding windows.

A token bucket of n per second lets 2n pass in one unlucky second; venues count windows, so
these do too. Every method takes `now`, monotonic seconds.
"""

from __future__ import annotations

from collections import deque

from unified_ws.facts import Window


class Budget:
    """At most `window.n` of cost in any `window.per_s` seconds; None means no limit.

    `reserve` of the budget is kept for callers who ask with `urgent` (pongs before
    subscriptions, snapshots before everything else).
    """

    __slots__ = ("_blocked_until", "_log", "_spent", "reserve", "window")

    def __init__(self, window: Window | None, reserve: float = 0.0) -> None:
        self.window = window
        self.reserve = reserve
        self._log: deque[tuple[float, float]] = deque()
        self._spent = 0.0
        self._blocked_until = 0.0

    def spent(self, now: float) -> float:
        """Return what was spent in the window that ends now."""
        if self.window is not None:
            horizon = now - self.window.per_s
            while self._log and self._log[0][0] <= horizon:
                self._spent -= self._log.popleft()[1]
            if not self._log:
                self._spent = 0.0  # no drift of floats over months
        return self._spent

    def wait_s(self, now: float, cost: float = 1.0, *, urgent: bool = False) -> float:
        """Return how long to wait before `cost` may be spent; 0.0 means now."""
        if now < self._blocked_until:
            return self._blocked_until - now
        if self.window is None:
            return 0.0
        ceiling = self.window.n - (0.0 if urgent else self.reserve)
        # A single cost above the ceiling must still pass some day: alone.
        excess = self.spent(now) + min(cost, ceiling) - ceiling
        if excess <= 1e-9:
            return 0.0
        for at, spent in self._log:
            excess -= spent
            if excess <= 1e-9:
                return max(at + self.window.per_s - now, 1e-6)
        return self.window.per_s

    def take(self, now: float, cost: float = 1.0, *, urgent: bool = False) -> bool:
        """Spend `cost` if the window allows it."""
        if self.wait_s(now, cost, urgent=urgent) > 0.0:
            return False
        self.charge(now, cost)
        return True

    def charge(self, now: float, cost: float = 1.0) -> None:
        """Spend `cost` whatever the window says: it has already happened."""
        if self.window is not None:
            self._log.append((now, cost))
            self._spent += cost

    def block(self, until: float) -> None:
        """Let nothing pass before `until`: the venue said so (Retry-After)."""
        self._blocked_until = max(self._blocked_until, until)
