"""Trades: each one exactly once and in order, whatever the connection does.

The rule for venues whose ids count by one (`Route.contiguous_ids`): a row that continues the
last id is delivered, a lower one is a repeat, a higher one proves a loss. Then the rows that
came too early are held while the missing ones are fetched by REST (or come from the other
connection of a rotation); what cannot be had becomes a gap, announced on the next row
(`missed_before`) and in the ledger. A row may stand for several ids (`Route.counted_ids`), or for one
that is no trade of the market (`count` 0). Ids without that property are told apart by their own
text: repeats are recognised among the last few thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any

from unified_ws.core.ledger import Gap
from unified_ws.core.streams import Stream
from unified_ws.events import Trade

HELD_ROWS = 50_000
KNOWN_IDS = 5_000
RENUMBERED_MS = 10_000
"""A lower id of a trade that is this much newer than the last one is no repeat."""


class TradeStream(Stream):
    """The public trades of one market.

    Attributes:
        last: The last row delivered.
        since_ms: When the stream was first up, Unix ms: what traded later belongs to it.
        held: Rows that came after a hole, by their first id, waiting for what belongs before them.
        hole_since: When the hole was seen, monotonic seconds; None while there is none.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contiguous = self.routes[0].contiguous_ids
        self.counted = self.routes[0].counted_ids
        self.history = self.routes[0].history
        self.last: Trade | None = None
        self.since_ms: int | None = None
        self.last_number = -2  # no id follows it: the first row takes the long way
        self.held: dict[int, Trade] = {}
        self.hole_since: float | None = None
        self.catching_up = False
        self._known: set[str] = set()
        self._known_in_order: deque[str] = deque()
        self._parked: list[Trade] = []

    def lost(self, reason: str) -> None:
        """Note a loss: after the connection is back, what passed meanwhile is fetched."""
        if self.last is not None or self.since_ms is not None:
            self.catching_up = self.history is not None
            self.down_reason = reason

    def accept(self, events: Sequence[Trade], now: float, wall_ns: int) -> None:
        """Take live rows."""
        if not self.contiguous and self.catching_up and self.history is not None:
            # What was missed belongs before them.
            self._parked.extend(row for row in map(self.mine, events) if row is not None)
            del self._parked[:-HELD_ROWS]
            return
        if len(events) == 1 and not self.held:
            row = events[0]  # the path of nearly every frame, hence spelled out
            if self.contiguous:
                follows = row.number - self.last_number == (row.count if self.counted else 1)
            else:
                follows = row.id not in self._known
            if (
                follows
                and row.count
                and row.symbol == self.symbol
                and 0.0 < row.price < inf
                and 0.0 <= row.amount < inf
            ):
                row.received_ns = wall_ns
                if self.contiguous:
                    self.last_number = row.number
                else:
                    self._remember(row.id)
                self.last = row
                self.rows.append(row)
                self.data_at = now
                if not self.delivered:
                    self.host.first_data(self)
                self.delivered += 1
                if self.followers:
                    for follower in self.followers:
                        follower.follow(events, now)
                if self.waiters:
                    self.wake()
                return
        self.merge(events, now, wall_ns)

    def merge(self, events: Sequence[Trade], now: float, wall_ns: int) -> None:
        """Take rows from anywhere: live, another connection, or REST."""
        out: list[Trade] = []
        symbol = self.symbol
        try:
            for event in events:
                row = event if event.symbol == symbol else self.mine(event)
                if row is None:
                    continue
                if row.count == 0:
                    self._passed(row, now, out)
                    continue
                if not (0.0 < row.price < inf and 0.0 <= row.amount < inf):
                    self.host.bad_row(self, row, "a price or amount that no market can have")
                    continue
                row.received_ns = wall_ns
                if self.contiguous:
                    self._ordered(row, now, out)
                elif row.id not in self._known:
                    self._remember(row.id)
                    out.append(row)
                else:
                    self.duplicates += 1
        finally:  # a row that breaks the rules of its type must not take others with it
            if out:
                self.last = out[-1]
                self.last_number = max(self.last_number, self.last.number)
                self._push(out, now)

    @property
    def first_parked(self) -> Trade | None:
        """Return the oldest row that waits for what was missed before it."""
        return self._parked[0] if self._parked else None

    def caught_up(self, now: float, wall_ns: int) -> None:
        """Note that REST has answered for the time of the loss."""
        self.catching_up = False
        parked, self._parked = self._parked, []
        if parked:
            self.merge(parked, now, wall_ns)

    def give_up(self, now: float, note: str) -> Gap | None:
        """Deliver what is held although rows before it are missing; return the gap."""
        self.catching_up = False
        if not self.held:
            return None
        first = min(self.held)
        gap = self._gap(self.held[first], first, note)
        row = self.held[first]
        row.missed_before = first - self.last_number - 1
        self.last_number = first - 1
        out: list[Trade] = []
        self._ordered(self.held.pop(first), now, out)
        self.hole_since = now if self.held else None  # there may be a second hole behind it
        if out:
            self.last = out[-1]
            self._push(out, now)
        return gap

    def hole(self) -> tuple[int, int] | None:
        """Return the first and last missing id, or None while nothing is known missing."""
        if not self.held:
            return None
        return self.last_number + 1, min(self.held) - 1

    def _ordered(self, row: Trade, now: float, out: list[Trade]) -> None:
        number, first = row.number, self._first_of(row)
        if self.last_number < 0:
            self.last_number = first - 1
        if number <= self.last_number:
            last = out[-1] if out else self.last
            if last is None or row.timestamp_ms <= last.timestamp_ms + RENUMBERED_MS:
                self.duplicates += 1
                return
            # A repeat is never that much newer: the venue counts anew (testnets are reset).
            self.host.renumbered(self, last, row)
            self.held.clear()
        elif first > self.last_number + 1:
            self._hold(row, first, now)
            return
        if row.count != 0:
            out.append(row)
        self.last_number = number
        while self.held:
            following = self.held.pop(self.last_number + 1, None)
            if following is None:
                break
            if following.count != 0:
                out.append(following)
            self.last_number = following.number
        if not self.held:
            self.hole_since = None

    def _first_of(self, row: Trade) -> int:
        return row.number - (row.count or 1) + 1 if self.counted else row.number

    def _passed(self, row: Trade, now: float, out: list[Trade]) -> None:
        """Count an id that is no trade of the market."""
        if self.contiguous and row.number > self.last_number:
            self._ordered(row, now, out)

    def _hold(self, row: Trade, first: int, now: float) -> None:
        if first in self.held:
            self.duplicates += 1
            return
        if self.hole_since is None:
            self.hole_since = now
            self.needs_care = True
        if len(self.held) < HELD_ROWS:
            self.held[first] = row
        else:
            self.host.bad_row(self, row, f"more than {HELD_ROWS} trades wait for missing ones")

    def _gap(self, following: Trade, first: int, note: str) -> Gap:
        last = self.last
        return Gap(
            symbol=self.symbol, kind=self.kind.value, cause=self.down_reason or "ids jumped",
            after_id=last.id if last else None, before_id=following.id,
            from_ms=last.timestamp_ms if last else None, to_ms=following.timestamp_ms,
            missing=first - self.last_number - 1, note=note,
        )  # fmt: skip

    def _remember(self, row_id: str) -> None:
        self._known.add(row_id)
        self._known_in_order.append(row_id)
        if len(self._known_in_order) > KNOWN_IDS:
            self._known.discard(self._known_in_order.popleft())
