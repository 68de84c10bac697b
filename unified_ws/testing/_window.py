"""The part of a book that a stream shows: its best levels, and how they change."""

from __future__ import annotations

from collections.abc import Sequence

from ._book import Delta, Row
from .market import MarketModel


class Window:
    """The best levels of a book as a stream has last shown them.

    Many venues stream a book cut to a depth: a level that leaves the cut is removed, one that
    enters it is sent though nobody touched it. Others send deltas less often than each tick. Both
    need to know what was shown: a greeting shows `bids` and `asks`, and what follows is `move`.

    Args:
        market: The truth.
        symbol: Whose book.
        depth: Levels of each side; None shows all.
    """

    def __init__(self, market: MarketModel, symbol: str, depth: int | None = None) -> None:
        self._market = market
        self.symbol = symbol
        self.depth = depth
        self.last_id = 0
        self.bids: list[Row] = []
        self.asks: list[Row] = []
        self.reset()

    def reset(self) -> None:
        """Show the book of this moment without a delta, as a snapshot does."""
        self.last_id, self.bids, self.asks = self._market.rows(self.symbol, self.depth)

    def move(self) -> Delta | None:
        """Go on to the book of this moment; None where nothing has changed in sight.

        The delta begins after the last one and ends at the book's id, so that ids chain even
        where updates out of sight lie between.
        """
        first_id, bids, asks = self.last_id + 1, self.bids, self.asks
        self.reset()
        changed = _changes(bids, self.bids, best=1), _changes(asks, self.asks, best=-1)
        if not any(changed):
            self.last_id = first_id - 1
            return None
        return Delta(self.symbol, first_id, self.last_id, *changed, self._market.now_ms)


def _changes(before: Sequence[Row], after: Sequence[Row], *, best: int) -> list[Row]:
    """Return levels that differ, best first; those no longer shown with amount 0."""
    old, new = dict(before), dict(after)
    changes = [row for row in after if old.get(row[0]) != row[1]]
    changes += [(price, 0) for price in old if price not in new]
    return sorted(changes, reverse=best > 0)
