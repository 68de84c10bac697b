"""The venue's checksums over a book.

They are computed from the digits that the venue wrote, which floats do not keep: where a venue
sends real checksums, its levels are kept as texts beside the book.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unified_ws.events import BookUpdate, TextLevel, WireLevel

Compute = Callable[[Sequence[TextLevel], Sequence[TextLevel]], int]


class Checks:
    """The texts of one book.

    Attributes:
        passed, failed: How many checksums agreed and did not.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._bids: dict[float, TextLevel] | None = None
        self._asks: dict[float, TextLevel] | None = None

    @property
    def on(self) -> bool:
        """Say whether the venue's texts of the book are known."""
        return self._bids is not None

    def forget(self) -> None:
        """Forget the book: its next full state brings all texts anew."""
        self._bids = self._asks = None

    def agree(self, update: BookUpdate, compute: Compute) -> bool:
        """Take an update; False if the venue's checksum says that the book is wrong."""
        if update.texts is None:
            if self._bids is not None:
                self.forget()
            return True
        bids, asks = update.texts
        if update.kind != "delta":
            self._bids, self._asks = {}, {}
        if self._bids is None or self._asks is None:
            return True  # the full state before it came without texts
        _set(self._bids, update.bids, bids)
        _set(self._asks, update.asks, asks)
        if update.checksum is None:
            return True
        best_bids = [self._bids[price] for price in sorted(self._bids, reverse=True)]
        best_asks = [self._asks[price] for price in sorted(self._asks)]
        if compute(best_bids, best_asks) == update.checksum:
            self.passed += 1
            return True
        self.failed += 1
        return False


def _set(
    side: dict[float, TextLevel], levels: Sequence[WireLevel], texts: Sequence[TextLevel]
) -> None:
    for level, text in zip(levels, texts, strict=True):
        if level[1]:
            side[level[0]] = text
        else:
            side.pop(level[0], None)
