"""What makes books fast must not change them: order and rows are kept, dropped and made anew."""

from __future__ import annotations

import random

import pytest

from unified_ws.core.book import UNSEEN, Book
from unified_ws.events import Level


@pytest.mark.parametrize("seed", range(20))
def test_levels_equal_a_dict_however_they_are_looked_at(seed: int) -> None:
    """Looks of every kind, at every interval, between random updates."""
    rng = random.Random(seed)
    book, model = Book("BTC/USDT"), dict[float, float]()
    for _ in range(200):
        for _ in range(rng.choice((1, 1, 2, UNSEEN + 2))):
            levels: list[Level] = [
                (round(rng.uniform(1, 2), 2), rng.choice((0.0, 0.0, 1.0, 2.5)))
                for _ in range(rng.randrange(12))
            ]
            if rng.random() < 0.02:
                levels = list(dict(levels).items())
                book.bids.replace(levels)
                model.clear()
            else:
                book.bids.apply(levels)
            model.update(levels)
            model = {price: amount for price, amount in model.items() if amount}
        best = sorted(model.items(), reverse=True)
        match rng.randrange(5):
            case 0:
                assert book.level_bids(None) == best
            case 1:
                assert book.level_bids(3) == best[:3]
            case 2:
                assert book.top_bids(None) == [list(row) for row in best]
            case 3:
                book = book.copy()
        assert book.bids.amounts == model


def test_rows_handed_out_never_change() -> None:
    """The typed face hands out all levels after each update: each is a list of its own."""
    book = Book("BTC/USDT")
    book.asks.apply([(1.0, 1.0), (2.0, 1.0)])
    first = book.level_asks(None)
    book.asks.apply([(1.0, 0.0), (2.0, 5.0), (3.0, 1.0)])

    assert first == [(1.0, 1.0), (2.0, 1.0)]
    assert book.level_asks(None) == [(2.0, 5.0), (3.0, 1.0)]
