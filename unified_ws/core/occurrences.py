"""Things that happen, such as liquidations: every row counts, none has a number.

Repeats (a venue tells the last ones again on subscribing, a second connection tells everything
again) are recognised by what they say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from unified_ws.core.streams import Stream, plausible
from unified_ws.events import Liquidation

KNOWN_ROWS = 2_000


class OccurrenceStream(Stream):
    """The liquidations of one market, or of all markets of a type."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: set[tuple[object, ...]] = set()
        self._known_in_order: deque[tuple[object, ...]] = deque()

    def accept(self, events: Sequence[Any], now: float, wall_ns: int) -> None:
        """Take rows that have not been told before."""
        rows = []
        batch: dict[tuple[object, ...], int] = {}
        for event in events:
            row = self.mine(event) if type(event) is Liquidation else None
            if row is None:
                continue
            if not plausible(row):
                self.host.bad_row(self, row, "a price or amount that no market can have")
                continue
            said = (row.symbol, row.id, row.timestamp_ms, row.price, row.contracts, row.side)
            # Two equal ones in one frame are two; the same again in another frame is a repeat.
            batch[said] = batch.get(said, 0) + 1
            known = (*said, batch[said])
            if known in self._known:
                self.duplicates += 1
                continue
            self._known.add(known)
            self._known_in_order.append(known)
            if len(self._known_in_order) > KNOWN_ROWS:
                self._known.discard(self._known_in_order.popleft())
            row.received_ns = wall_ns
            self.latest[row.symbol] = row
            rows.append(row)
        if rows:
            self._push(rows, now)
