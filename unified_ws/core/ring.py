"""One ring of rows a stream; a reader's place in it is a plain integer.

Rows are numbered from 0 for the life of the stream. The ring keeps at least the newest
`capacity` of them (at most twice as many), so an idle reader pins no memory: what it missed is
counted when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

R = TypeVar("R")


class Ring(Generic[R]):
    """Append-only rows with absolute positions.

    Attributes:
        base: Position of the oldest row still kept.
        head: Position that the next row will get.
    """

    __slots__ = ("base", "capacity", "head", "rows")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: list[R] = []
        self.base = 0
        self.head = 0

    def append(self, row: R) -> None:
        """Add one row."""
        rows = self.rows
        rows.append(row)
        self.head += 1
        if len(rows) > 2 * self.capacity:
            self._trim()

    def extend(self, rows: Iterable[R]) -> None:
        """Add rows in order."""
        self.rows.extend(rows)
        self.head = self.base + len(self.rows)
        if len(self.rows) > 2 * self.capacity:
            self._trim()

    def since(self, position: int) -> tuple[list[R], int]:
        """Return the rows from `position` on, and how many before them are gone."""
        if position < self.base:
            return self.rows[:], self.base - position
        return self.rows[position - self.base :], 0

    def latest(self, count: int) -> list[R]:
        """Return at most the newest `count` rows, oldest first."""
        return self.rows[-count:] if count > 0 else []

    def forget(self, before: int) -> None:
        """Drop the rows before a position: nobody will ask for them."""
        surplus = min(before, self.head) - self.base
        if surplus > 0:
            del self.rows[:surplus]
            self.base += surplus

    def _trim(self) -> None:
        # Whole slices are cut now and then: per row this costs less than a circular index.
        self.forget(self.head - self.capacity)
