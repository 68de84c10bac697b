"""How far a book reaches: rows beyond its first state are not handed out as if they were known."""

from __future__ import annotations

import random

from unified_ws.core.book import Book, BookSync, Verdict
from unified_ws.events import BookUpdate, Level


def full(last: int, bids: list[Level], asks: list[Level], depth: int | None) -> BookUpdate:
    """A full book as REST answers it."""
    return BookUpdate("S", "rest", bids, asks, None, last, depth=depth)


def delta(prev: int, last: int, bids: list[Level], asks: list[Level]) -> BookUpdate:
    """A change."""
    return BookUpdate("S", "delta", bids, asks, 1, last, prev)


def synced(depth: int = 2) -> BookSync:
    """A book of two known levels a side."""
    sync = BookSync("S", "rest")
    sync.feed(full(10, [(9.0, 1.0), (8.0, 1.0)], [(11.0, 1.0), (12.0, 1.0)], depth))
    return sync


def test_levels_beyond_the_first_state_are_not_handed_out_as_rows_in_between() -> None:
    """A change at 6.0 is known, but what rests at 7.0 is not: row three would be wrong."""
    sync = synced()
    sync.feed(delta(10, 11, [(6.0, 5.0)], [(15.0, 5.0)]))
    book = sync.book

    assert book.top_bids(3) == [[9.0, 1.0], [8.0, 1.0]]
    assert book.top_asks(3) == [[11.0, 1.0], [12.0, 1.0]]
    assert book.level_bids(3) == [(9.0, 1.0), (8.0, 1.0)]
    assert book.proven() == (2, 2)
    assert book.level_bids(None)[-1] == (6.0, 5.0)  # asked for all that is known


def test_a_side_shorter_than_asked_for_is_the_whole_side() -> None:
    """Then nothing can rest beyond it unseen."""
    sync = synced(depth=100)
    sync.feed(delta(10, 11, [(6.0, 5.0)], []))

    assert sync.book.top_bids(3) == [[9.0, 1.0], [8.0, 1.0], [6.0, 5.0]]


def test_a_renewal_reaches_further_and_disturbs_nobody() -> None:
    """The book stays valid, and ends equal to the truth although deltas passed meanwhile."""
    sync = synced()
    sync.record()
    sync.feed(delta(10, 11, [(9.0, 0.0)], []))
    sync.feed(delta(11, 12, [(8.5, 2.0)], []))
    verdict = sync.renew(
        full(11, [(8.0, 1.0), (7.0, 3.0)], [(11.0, 1.0), (12.0, 1.0)], 2)
    )

    assert verdict is Verdict.APPLIED
    assert sync.valid
    assert sync.book.nonce == 12
    assert sync.book.top_bids(5) == [[8.5, 2.0], [8.0, 1.0], [7.0, 3.0]]
    assert [update.kind for update in sync.applied] == ["whole"]
    assert sync.feed(delta(12, 13, [(8.0, 0.0)], [])) is Verdict.APPLIED


def test_a_renewal_ahead_of_the_stream_waits_for_it() -> None:
    """No update is skipped for those who want every single book."""
    sync = synced()
    sync.record()
    assert sync.renew(full(12, [(8.5, 2.0), (8.0, 1.0)], [(11.0, 1.0), (12.0, 1.0)], 2))
    assert sync.applied == []
    first = delta(10, 11, [(9.0, 0.0)], [])
    sync.feed(first)
    assert sync.applied == [first]
    second = delta(11, 12, [(8.5, 2.0)], [])
    sync.feed(second)

    assert sync.applied[0] is second
    assert sync.applied[1].kind == "whole"
    assert sync.book.low == 8.0


def test_a_renewal_older_than_the_question_changes_nothing() -> None:
    """A cache in front of REST may answer with yesterday's book."""
    sync = synced()
    sync.feed(delta(10, 11, [(9.0, 2.0)], []))
    sync.record()
    sync.feed(delta(11, 12, [(9.0, 3.0)], []))

    assert sync.renew(full(10, [(1.0, 1.0)], [(99.0, 1.0)], 1)) is Verdict.TOO_OLD
    assert sync.valid
    assert sync.book.top_bids(1) == [[9.0, 3.0]]


def test_a_loss_forgets_the_renewal() -> None:
    """What was recorded before a gap proves nothing after it."""
    sync = synced()
    sync.record()
    sync.invalidate()

    assert sync.renew(full(20, [(9.0, 1.0)], [(11.0, 1.0)], 1)) is Verdict.STALE
    assert not sync.valid


def test_any_order_of_deltas_and_renewals_keeps_the_proven_rows_true() -> None:
    """Seeded walk of a real market of 60 levels, of which the book is told ten at a time."""
    for seed in range(40):
        rng = random.Random(seed)
        truth = Book("S")
        truth.take(full(0, [(float(p), 1.0) for p in range(40, 100)],
                        [(float(p), 1.0) for p in range(101, 161)], None))  # fmt: skip
        sync = BookSync("S", "rest")
        sync.feed(full(0, truth.level_bids(None)[:10], truth.level_asks(None)[:10], 10))
        asked: BookUpdate | None = None
        for number in range(1, 400):
            change = delta(number - 1, number, *_change(rng, truth))
            truth.take(change)
            sync.feed(change)
            if asked is None and rng.random() < 0.1:
                sync.record()
                asked = full(number, truth.level_bids(None)[:10], truth.level_asks(None)[:10], 10)
            elif asked is not None and rng.random() < 0.2:
                sync.renew(asked)
                asked = None
            bids, asks = sync.book.level_bids(10), sync.book.level_asks(10)
            assert bids == truth.level_bids(None)[: len(bids)]
            assert asks == truth.level_asks(None)[: len(asks)]
        assert sync.valid


def _change(rng: random.Random, truth: Book) -> tuple[list[Level], list[Level]]:
    """Move a level of each side, near the top or far away."""
    best_bid, best_ask = truth.bids.prices[-1], truth.asks.prices[0]
    bid = best_bid - rng.randrange(40)
    ask = best_ask + rng.randrange(40)
    keep = len(truth.bids.prices) > 20 and len(truth.asks.prices) > 20
    return (
        [(bid, 0.0 if keep and rng.random() < 0.4 else float(rng.randrange(1, 9)))],
        [(ask, 0.0 if keep and rng.random() < 0.4 else float(rng.randrange(1, 9)))],
    )
