"""What a stream asks of its engine, and a test does not expect it to ask."""

from __future__ import annotations

from collections.abc import Sequence

from unified_ws.core.streams import Stream
from unified_ws.events import BookUpdate, Row, TextLevel, Trade


class StrictHost:
    """Refuse everything: a test allows what it is about."""

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Expect no bad row."""
        raise AssertionError(reason)

    def renumbered(self, stream: Stream, last: Trade, row: Trade) -> None:
        """Expect no trades that count anew."""
        raise AssertionError

    def care(self, stream: Stream) -> None:
        """Expect nothing to be missing."""
        raise AssertionError

    def anew(self, stream: Stream, now: float) -> None:
        """Expect no topic to be told again."""
        raise AssertionError

    def healed(self, stream: Stream, now: float) -> None:
        """Expect no book."""
        raise AssertionError

    def thin(self, stream: Stream) -> None:
        """Expect no book."""
        raise AssertionError

    def first_data(self, stream: Stream) -> None:
        """Expect nothing to be delivered."""
        raise AssertionError

    def checksum(self, bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> int:
        """Expect no checksum."""
        raise AssertionError
