"""The record of what a stream is known to have missed.

A gap has bounds, a cause and an end: filled by REST, or open. It is announced, kept, and never
silently dropped: when the list is full the oldest filled ones go first.
"""

from __future__ import annotations

import msgspec

KEPT_GAPS = 1000


class Gap(msgspec.Struct):
    """Rows of one stream that did not come over the socket.

    `after_id` and `before_id` are the ids right before and right after the hole (None where
    unknown), `from_ms` and `to_ms` their venue times (Unix epoch, milliseconds), `missing` how
    many rows the hole had when found (None: unknown), `filled` how many REST brought back.
    """

    symbol: str | None
    kind: str
    cause: str
    after_id: str | None = None
    before_id: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    missing: int | None = None
    filled: int = 0
    closed: bool = False
    note: str = ""


class Ledger:
    """The gaps of one exchange object."""

    def __init__(self) -> None:
        self._gaps: list[Gap] = []

    def add(self, gap: Gap) -> Gap:
        """Record a gap."""
        if len(self._gaps) >= KEPT_GAPS:
            index = next((i for i, old in enumerate(self._gaps) if old.closed), 0)
            del self._gaps[index]
        self._gaps.append(gap)
        return gap

    def gaps(self, symbol: str | None = None) -> list[Gap]:
        """Return the gaps of one symbol, or all of them, oldest first."""
        return [gap for gap in self._gaps if symbol is None or gap.symbol == symbol]
