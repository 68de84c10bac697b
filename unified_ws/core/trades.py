"""Trades: each one exactly once and in order, whatever the connection does.

The rule for venues whose ids count by one (`Route.contiguous_ids`): a row that continues the
last id is delivered, a lower one is a repeat, a higher one proves a loss. Then the rows that
came too early are held while the missing ones are fetched by REST (or come from the other
connection of a rotation); what cannot be had becomes a gap, announced on the next row
(`missed_before`) and in the ledger. Ids without that property are told apart by their own
text: repeats are recognised among the last few thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from unified_ws.core.ledger import Gap
from unified_ws.core.streams import Stream, valid_trade
from unified_ws.events import Trade

HELD_ROWS = 50_000
KNOWN_IDS = 5_000
RENUMBERED_MS = 10_000
"""A lower id of a trade that is this much newer than the last one is no repeat."""


class TradeStream(Stream):
    """The public trades of one market.

    Attributes:
        last: The last row delivered.
        held: Rows that came after a hole, by id, waiting for what belongs before them.
        hole_since: When the hole was seen, monotonic seconds; None while there is none.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contiguous = self.routes[0].contiguous_ids
        self.history = self.routes[0].history
        self.last: Trade | None = None
        self.last_number = -2  # no id follows it: the first row takes the long way
        self.held: dict[int, Trade] = {}
        self.hole_since: float | None = None
        self.catching_up = False
        self._known: dict[str, None] = {}
        self._parked: list[Trade] = []

    def lost(self, reason: str) -> None:
        """Note a loss: after the connection is back, what passed meanwhile is fetched."""
        if self.last is not None:
            self.catching_up = self.history is not None
            self.down_reason = reason

    def accept(self, events: Sequence[Trade], now: float, wall_ns: int) -> None:
        """Take live rows."""
        if not self.contiguous and self.catching_up and self.history is not None:
            self._parked.extend(events)  # what was missed belongs before them
            del self._parked[:-HELD_ROWS]
            return
        if self.contiguous and not self.held and len(events) == 1:
            row = events[0]  # the path of nearly every frame, hence spelled out
            if (
                row.number == self.last_number + 1
                and 0.0 < row.price < inf
                and 0.0 <= row.amount < inf
            ):
                row.received_ns = wall_ns
                self.last_number = row.number
                self.last = row
                self.rows.append(row)
                self.data_at = now
                self.delivered += 1
                if self.waiters:
                    self.wake()
                return
        self.merge(events, now, wall_ns)

    def merge(self, events: Sequence[Trade], now: float, wall_ns: int) -> None:
        """Take rows from anywhere: live, another connection, or REST."""
        out: list[Trade] = []
        try:
            for row in events:
                if not valid_trade(row):
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
        gap = self._gap(self.held[first], note)
        row = self.held[first]
        row.missed_before = first - self.last_number - 1
        self.last_number = first - 1
        out: list[Trade] = []
        self._ordered(self.held.pop(first), now, out)
        self.hole_since = now if self.held else None  # there may be a second hole behind it
        self.last = out[-1]
        self._push(out, now)
        return gap

    def hole(self) -> tuple[int, int] | None:
        """Return the first and last missing id, or None while nothing is known missing."""
        if not self.held:
            return None
        return self.last_number + 1, min(self.held) - 1

    def _ordered(self, row: Trade, now: float, out: list[Trade]) -> None:
        number = row.number
        if self.last_number < 0:
            self.last_number = number - 1
        if number <= self.last_number:
            last = out[-1] if out else self.last
            if last is None or row.timestamp_ms <= last.timestamp_ms + RENUMBERED_MS:
                self.duplicates += 1
                return
            # A repeat is never that much newer: the venue counts anew (testnets are reset).
            self.host.renumbered(self, last, row)
            self.held.clear()
        elif number > self.last_number + 1:
            self._hold(row, now)
            return
        out.append(row)
        self.last_number = number
        while self.held:
            following = self.held.pop(self.last_number + 1, None)
            if following is None:
                break
            out.append(following)
            self.last_number += 1
        if not self.held:
            self.hole_since = None

    def _hold(self, row: Trade, now: float) -> None:
        if row.number in self.held:
            self.duplicates += 1
            return
        if self.hole_since is None:
            self.hole_since = now
            self.needs_care = True
        if len(self.held) < HELD_ROWS:
            self.held[row.number] = row
        else:
            self.host.bad_row(self, row, f"more than {HELD_ROWS} trades wait for missing ones")

    def _gap(self, following: Trade, note: str) -> Gap:
        last = self.last
        return Gap(
            symbol=self.symbol, kind=self.kind.value, cause=self.down_reason or "ids jumped",
            after_id=last.id if last else None, before_id=following.id,
            from_ms=last.timestamp_ms if last else None, to_ms=following.timestamp_ms,
            missing=following.number - self.last_number - 1, note=note,
        )  # fmt: skip

    def _remember(self, row_id: str) -> None:
        self._known[row_id] = None
        if len(self._known) > KNOWN_IDS:
            del self._known[next(iter(self._known))]
