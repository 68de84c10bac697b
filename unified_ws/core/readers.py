"""Who reads a stream, and where each of them is.

The rule: a cursor belongs to (owner, stream), where the owner is the task that made the call.
It moves when the caller resumes with its rows, never when it is woken, so a cancelled call
loses nothing. A new owner takes over the place of the longest-finished reader if that place
is recent and still in the ring; otherwise it starts at the live end. So a new task per call, a
notebook cell, or two loops side by side neither lose nor repeat a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

FINISHED_KEPT = 64


class Cursor:
    """One reader's place in one stream.

    Attributes:
        position: The ring position of the next row to read.
        busy: A call is waiting on it; another call of the same owner needs its own.
        missed: Rows dropped for this reader because it fell behind its buffer, in all.
        fresh: It has not been handed anything yet.
        served: When it was last handed something, in turns of the exchange object.
    """

    __slots__ = ("busy", "fresh", "missed", "position", "served")

    def __init__(self, position: int, *, fresh: bool) -> None:
        self.position = position
        self.busy = False
        self.missed = 0
        self.fresh = fresh
        self.served = 0


class Readers:
    """The cursors of one stream."""

    __slots__ = ("_by_owner", "_finished", "take_over_s")

    def __init__(self, take_over_s: float) -> None:
        self.take_over_s = take_over_s
        self._by_owner: dict[Hashable, list[Cursor]] = {}
        self._finished: deque[tuple[float, int]] = deque(maxlen=FINISHED_KEPT)

    def __len__(self) -> int:
        return sum(map(len, self._by_owner.values()))

    def cursor(self, owner: Hashable, now: float, base: int, head: int) -> Cursor:
        """Return a cursor of `owner` that no other call of it is using."""
        mine = self._by_owner.setdefault(owner, [])
        for cursor in mine:
            if not cursor.busy:
                return cursor
        cursor = self._heir(now, base) or Cursor(head, fresh=True)
        mine.append(cursor)
        return cursor

    def finish(self, owner: Hashable, now: float) -> None:
        """Note that `owner` will not call again; somebody may take over its place."""
        for cursor in self._by_owner.pop(owner, ()):
            if not cursor.fresh:
                self._finished.append((now, cursor.position))

    def clear(self) -> None:
        """Forget everybody: the stream ended for this face."""
        self._by_owner.clear()
        self._finished.clear()

    def lags(self, head: int) -> list[int]:
        """Return how many rows each living reader has not read yet."""
        return [head - c.position for mine in self._by_owner.values() for c in mine]

    def _heir(self, now: float, base: int) -> Cursor | None:
        while self._finished:
            at, position = self._finished.popleft()
            if now - at <= self.take_over_s and position >= base:
                return Cursor(position, fresh=False)
        return None
