"""Trades: each one exactly once and in order, or counted as missing with its bounds."""

from __future__ import annotations

import random
from math import inf, nan

import msgspec
import pytest

from tests.unit.hosts import StrictHost
from unified_ws.adapter import History, Rest, Route, Sub
from unified_ws.core import trades as trades_module
from unified_ws.core.ledger import KEPT_GAPS, Gap, Ledger
from unified_ws.core.streams import Stream
from unified_ws.core.trades import TradeStream
from unified_ws.events import BookUpdate, Market, Row, Trade
from unified_ws.facts import Kind

MARKET = Market("BTC/USDT", "BTCUSDT")
HISTORY = History(Rest("publicGetTrades"), 1000)


class Host(StrictHost):
    """Remember what a stream tells its engine."""

    def __init__(self) -> None:
        self.bad: list[str] = []
        self.first = 0
        self.restarts: list[tuple[str, str]] = []

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Note a bad row."""
        self.bad.append(reason)

    def first_data(self, stream: Stream) -> None:
        """Note the first delivery."""
        self.first += 1

    def renumbered(self, stream: Stream, last: Trade, row: Trade) -> None:
        """Note that the venue counts anew."""
        self.restarts.append((last.id, row.id))


def trade(
    number: int, *, price: float = 1.0, amount: float = 1.0, at_ms: int | None = None
) -> Trade:
    """Build one trade; a higher id is a later one."""
    stamp = number * 10 if at_ms is None else at_ms
    return Trade("BTC/USDT", str(number), stamp, price, amount, "buy", number=number)


def trades(*numbers: int) -> list[Trade]:
    """Build several trades."""
    return [trade(number) for number in numbers]


def stream(*, contiguous: bool = True, history: History | None = HISTORY) -> TradeStream:
    """Build the stream of one market."""
    route = Route("spot", "btcusdt@trade", history=history, contiguous_ids=contiguous)
    return TradeStream(Sub(Kind.TRADES, MARKET), (route,), Host(), buffer=100_000, take_over_s=60.0)


def host(made: TradeStream) -> Host:
    """Return the host of a stream."""
    assert isinstance(made.host, Host)
    return made.host


def since(made: TradeStream) -> float | None:
    """Say since when there is a hole."""
    return made.hole_since


def numbers(made: TradeStream) -> list[int]:
    """Return the ids delivered, in order."""
    return [row.number for row in made.rows.rows]


def test_rows_in_order_are_delivered_as_they_come() -> None:
    """The path of nearly every frame, one row or several."""
    made = stream()
    made.accept(trades(7), 1.0, 111)
    made.accept(trades(8), 2.0, 222)
    made.accept(trades(9, 10), 3.0, 333)
    assert numbers(made) == [7, 8, 9, 10]
    assert [row.received_ns for row in made.rows.rows] == [111, 222, 333, 333]
    assert (made.delivered, made.data_at, made.duplicates) == (4, 3.0, 0)
    assert host(made).first == 1
    assert made.last is made.rows.rows[-1]


@pytest.mark.parametrize("first", [0, 1, 5_000_000_000])
def test_a_stream_begins_with_whatever_comes_first(first: int) -> None:
    """A new market's first trade may be number 0, and is announced like any other."""
    made = stream()
    made.accept(trades(first), 1.0, 1)
    made.accept(trades(first + 1), 1.0, 1)
    assert numbers(made) == [first, first + 1]
    assert host(made).first == 1


def test_repeats_are_dropped_and_counted() -> None:
    """Two connections of a rotation bring everything twice."""
    made = stream()
    made.accept(trades(1, 2, 3), 1.0, 1)
    for number in (2, 3, 1):
        made.accept(trades(number), 1.0, 1)
    made.accept(trades(2, 3, 4), 1.0, 1)
    assert numbers(made) == [1, 2, 3, 4]
    assert made.duplicates == 5


def test_what_comes_too_early_waits_for_what_is_missing() -> None:
    """A jump is a loss until shown otherwise: order comes before speed here."""
    made = stream()
    made.accept(trades(1), 1.0, 1)
    made.accept(trades(4), 2.0, 1)
    made.accept(trades(5), 3.0, 1)
    assert numbers(made) == [1]
    assert made.hole() == (2, 3)
    assert since(made) == 2.0
    assert made.needs_care
    made.accept(trades(4), 3.0, 1)
    assert made.duplicates == 1
    made.accept(trades(2), 3.0, 1)
    assert numbers(made) == [1, 2]
    assert made.hole() == (3, 3)
    made.merge(trades(1, 2, 3, 4), 4.0, 1)
    assert numbers(made) == [1, 2, 3, 4, 5]
    assert made.hole() is None
    assert since(made) is None
    assert all(row.missed_before == 0 for row in made.rows.rows)


def test_several_holes_are_filled_in_any_order() -> None:
    """A bad line loses here and there; each piece finds its place."""
    made = stream()
    made.accept(trades(1, 4, 7, 10), 1.0, 1)
    made.merge(trades(8, 9), 1.0, 1)
    assert numbers(made) == [1]
    made.merge(trades(2, 3), 1.0, 1)
    assert numbers(made) == [1, 2, 3, 4]
    assert made.hole() == (5, 6)
    made.merge(trades(6, 5), 1.0, 1)
    assert numbers(made) == list(range(1, 11))
    assert not made.held


def test_what_cannot_be_had_is_a_gap_with_bounds() -> None:
    """The consumer sees the loss in-band, the operator in the ledger."""
    made = stream()
    made.accept(trades(1, 2), 1.0, 1)
    made.lost("closed by peer")
    made.accept(trades(10, 11), 2.0, 1)
    gap = made.give_up(3.0, "REST no longer holds it")
    assert gap == Gap(
        symbol="BTC/USDT", kind="trades", cause="closed by peer", after_id="2", before_id="10",
        from_ms=20, to_ms=100, missing=7, note="REST no longer holds it",
    )  # fmt: skip
    assert numbers(made) == [1, 2, 10, 11]
    assert [row.missed_before for row in made.rows.rows] == [0, 0, 7, 0]
    assert made.hole() is None
    assert made.give_up(4.0, "again") is None


def test_giving_up_one_hole_leaves_the_next_one_open() -> None:
    """The second hole may still be filled: it is younger."""
    made = stream()
    made.accept(trades(1, 5, 9), 1.0, 1)
    gap = made.give_up(2.0, "gone")
    assert gap is not None
    assert (gap.after_id, gap.before_id, gap.missing) == ("1", "5", 3)
    assert made.hole() == (6, 8)
    assert made.hole_since == 2.0
    made.merge(trades(6, 7, 8), 3.0, 1)
    assert numbers(made) == [1, 5, 6, 7, 8, 9]
    assert [row.missed_before for row in made.rows.rows] == [0, 3, 0, 0, 0, 0]


def test_rows_given_up_are_not_delivered_when_they_come_after_all() -> None:
    """Order is a promise: what is late by now is late for good."""
    made = stream()
    made.accept(trades(1, 5), 1.0, 1)
    made.give_up(2.0, "gone")
    made.merge(trades(2, 3, 4), 3.0, 1)
    assert numbers(made) == [1, 5]
    assert made.duplicates == 3


def test_the_rows_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole that nobody fills must not eat the memory; the surplus is a second hole."""
    monkeypatch.setattr(trades_module, "HELD_ROWS", 5)
    made = stream()
    made.accept(trades(1), 1.0, 1)
    for number in range(3, 11):
        made.accept(trades(number), 1.0, 1)
    assert len(made.held) == 5
    assert len(host(made).bad) == 3
    made.merge(trades(2), 2.0, 1)
    assert numbers(made) == [1, 2, 3, 4, 5, 6, 7]
    made.accept(trades(12), 3.0, 1)
    assert made.hole() == (8, 11)  # 8, 9 and 10 are known missing and can be fetched
    assert made.needs_care


@pytest.mark.parametrize(
    ("price", "amount"), [(nan, 1.0), (inf, 1.0), (0.0, 1.0), (-1.0, 1.0), (1.0, nan), (1.0, inf), (1.0, -1.0)]
)  # fmt: skip
@pytest.mark.parametrize("contiguous", [True, False])
def test_a_trade_that_cannot_be_is_set_aside(
    price: float, amount: float, *, contiguous: bool
) -> None:
    """Rows are judged one by one: the rest of the frame counts, and REST may know better."""
    made = stream(contiguous=contiguous)
    made.accept(trades(1), 1.0, 1)
    made.accept([trade(2, price=price, amount=amount)], 1.0, 1)
    made.accept([trade(3), trade(4, price=price, amount=amount), trade(5)], 1.0, 1)
    assert len(host(made).bad) == 2
    if contiguous:
        assert numbers(made) == [1]
        made.merge(trades(2), 1.0, 1)
        assert numbers(made) == [1, 2, 3]
        made.merge(trades(4), 1.0, 1)
        assert numbers(made) == [1, 2, 3, 4, 5]
    else:
        assert numbers(made) == [1, 3, 5]


def test_a_trade_of_nothing_is_a_trade() -> None:
    """Venues do send an amount of zero now and then; a count of ids must not break on it."""
    made = stream()
    made.accept([trade(1), trade(2, amount=0.0)], 1.0, 1)
    assert numbers(made) == [1, 2]


def test_a_loss_before_the_first_trade_is_no_loss() -> None:
    """Nobody has been promised what came before the beginning."""
    made = stream()
    made.lost("refused")
    assert not made.catching_up
    made.accept(trades(5), 1.0, 1)
    assert numbers(made) == [5]


def test_a_venue_that_counts_anew_is_told_from_a_repeat() -> None:
    """Testnets are reset: without this every later trade would be a repeat, in silence."""
    made = stream()
    made.accept([trade(900, at_ms=1_000_000)], 1.0, 1)
    made.accept([trade(899, at_ms=999_000)], 1.0, 1)
    made.accept([trade(5, at_ms=100_000_000)], 1.0, 1)
    made.accept([trade(6, at_ms=100_000_010)], 1.0, 1)
    assert numbers(made) == [900, 5, 6]
    assert host(made).restarts == [("900", "5")]
    assert made.duplicates == 1


# --- ids that do not count by one -------------------------------------------------------


def test_uncountable_ids_are_known_by_their_text() -> None:
    """Of two connections each row counts once."""
    made = stream(contiguous=False)
    made.accept(trades(10, 500), 1.0, 1)
    made.accept(trades(500, 3), 1.0, 1)
    assert numbers(made) == [10, 500, 3]
    assert made.duplicates == 1
    assert made.hole() is None


def test_known_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand cover a rotation; a set for life would be a leak."""
    monkeypatch.setattr(trades_module, "KNOWN_IDS", 10)
    made = stream(contiguous=False)
    for number in range(100):
        made.accept(trades(number), 1.0, 1)
    assert len(made._known) == 10
    made.accept(trades(95), 1.0, 1)
    assert made.duplicates == 1


def test_live_rows_wait_while_what_was_missed_is_fetched() -> None:
    """Uncountable ids show no hole, so the order can only come from waiting."""
    made = stream(contiguous=False)
    made.accept(trades(1, 2), 1.0, 1)
    made.lost("closed by peer")
    assert made.catching_up
    made.accept(trades(6), 2.0, 1)
    made.accept(trades(7), 2.1, 1)
    assert [row.number for row in (made.first_parked,) if row] == [6]
    assert numbers(made) == [1, 2]
    made.merge(trades(2, 3, 4, 5, 6), 3.0, 1)
    made.caught_up(3.0, 1)
    assert numbers(made) == [1, 2, 3, 4, 5, 6, 7]
    assert made.first_parked is None
    made.accept(trades(8), 4.0, 1)
    assert numbers(made)[-1] == 8


def test_without_a_history_nothing_waits() -> None:
    """There is nobody to ask, so waiting would only be late."""
    made = stream(contiguous=False, history=None)
    made.accept(trades(1), 1.0, 1)
    made.lost("closed by peer")
    made.accept(trades(9), 2.0, 1)
    assert numbers(made) == [1, 9]
    assert made.give_up(3.0, "no history") is None


# --- property: exactly once, in order ---------------------------------------------------


@pytest.mark.parametrize("block", range(10))
def test_random_losses_end_in_every_trade_once_or_counted(block: int) -> None:
    """Two lossy legs, REST pages of any overlap, and impatience: 300 stories.

    Whatever is delivered is in order and once; whatever is not is in exactly one gap, whose
    bounds are the delivered neighbours.
    """
    for seed in range(block * 30, block * 30 + 30):
        rng = random.Random(seed)
        made, total = stream(), 400
        legs = [
            [n for n in range(1, total + 1) if rng.random() > loss]
            for loss in (rng.choice((0.0, 0.05, 0.3)), rng.choice((0.05, 0.3)))
        ]
        at = [0, 0]
        gaps: list[Gap] = []
        while at[0] < len(legs[0]) or at[1] < len(legs[1]):
            leg = rng.randrange(2)
            size = rng.choice((1, 1, 1, 3))
            batch = legs[leg][at[leg] : at[leg] + size]
            at[leg] += size
            if rng.random() < 0.05:
                batch = batch[::-1]
            if batch:
                made.accept(trades(*batch), 1.0, 1)
            if rng.random() < 0.1 and made.hole() is not None:
                hole = made.hole()
                assert hole is not None
                start = max(1, hole[0] - rng.randrange(5))
                page = list(range(start, min(total, hole[1] + rng.randrange(10)) + 1))
                if rng.random() < 0.3:
                    page = page[rng.randrange(len(page)) :]  # it no longer reaches back
                if rng.random() < 0.2:
                    rng.shuffle(page)
                made.merge(trades(*page), 1.0, 1)
            if rng.random() < 0.05:
                gap = made.give_up(1.0, "impatient")
                if gap is not None:
                    gaps.append(gap)
        while made.hole() is not None:
            gap = made.give_up(1.0, "the end")
            assert gap is not None
            gaps.append(gap)
        got = numbers(made)
        assert got == sorted(set(got)), seed
        assert made.delivered == len(got)
        missing = sorted(set(range(got[0], got[-1] + 1)) - set(got))
        inside: list[int] = []
        for gap in gaps:
            after, before = int(gap.after_id or 0), int(gap.before_id or 0)
            assert gap.missing == before - after - 1
            assert after in set(got)
            inside += range(after + 1, before)
        assert inside == missing, seed
        marks = {row.number: row.missed_before for row in made.rows.rows if row.missed_before}
        assert marks == {int(gap.before_id or 0): gap.missing for gap in gaps}


# --- the ledger -------------------------------------------------------------------------


def test_the_ledger_is_bounded_and_forgets_the_filled_first() -> None:
    """A year of healed drops must not push the one real loss out."""
    ledger = Ledger()
    real = ledger.add(Gap("A", "trades", "lost"))
    for number in range(KEPT_GAPS + 50):
        ledger.add(Gap("B", "trades", str(number), closed=True))
    assert len(ledger.gaps()) == KEPT_GAPS
    assert ledger.gaps()[0] is real
    assert ledger.gaps("A") == [real]
    for _ in range(KEPT_GAPS):
        ledger.add(Gap("C", "trades", "lost"))
    assert len(ledger.gaps()) == KEPT_GAPS
    assert ledger.gaps("B") == []


# --- rows that stand for several ids, or for none ----------------------------------------------


def counted() -> TradeStream:
    """Build the stream of a venue whose rows end at their id and count what they hold."""
    route = Route("spot", "trades", history=HISTORY, contiguous_ids=True, counted_ids=True)
    return TradeStream(Sub(Kind.TRADES, MARKET), (route,), Host(), buffer=1000, take_over_s=60.0)


def several(number: int, count: int) -> Trade:
    """Build a row of `count` trades, the last of which has the id `number`."""
    return msgspec.structs.replace(trade(number), count=count)


def test_rows_that_count_follow_each_other() -> None:
    """The next row begins one after the last id: nothing is missing, and repeats are known."""
    made = counted()
    made.accept([several(10, 3), several(11, 1), several(15, 4), several(15, 4)], 1.0, 7)
    assert numbers(made) == [10, 11, 15]
    assert made.hole() is None
    assert made.duplicates == 1


def test_a_row_that_counts_shows_exactly_what_is_missing() -> None:
    """Ids 11 and 12: the row that ends at 15 holds the three before it."""
    made = counted()
    made.accept([several(10, 1)], 1.0, 7)
    made.accept([several(15, 3)], 1.0, 7)
    assert made.hole() == (11, 12)
    made.merge([trade(11), trade(12)], 2.0, 8)
    assert numbers(made) == [10, 11, 12, 15]
    assert made.hole() is None


def test_giving_up_counts_the_ids_and_not_the_rows() -> None:
    """The gap is announced on the row behind it."""
    made = counted()
    made.accept([several(10, 1), several(20, 2), several(21, 1)], 1.0, 7)
    gap = made.give_up(2.0, "gone")
    assert gap is not None
    assert gap.missing == 8
    assert [(row.number, row.missed_before) for row in made.rows.rows] == [(10, 0), (20, 8), (21, 0)]


def test_an_id_that_is_no_trade_takes_its_place_and_is_not_delivered() -> None:
    """Off-book rows use up ids: leaving them out would look like a loss each time."""
    made = stream()
    made.accept([trade(1)], 1.0, 7)
    made.accept([several(2, 0)], 1.0, 7)
    made.accept([msgspec.structs.replace(several(3, 0), price=0.0), trade(4)], 1.0, 7)
    assert numbers(made) == [1, 4]
    assert made.hole() is None
    assert isinstance(made.host, Host)
    assert made.host.bad == []
    made.accept([several(7, 0)], 1.0, 7)
    assert made.hole() == (5, 6)
    made.merge([trade(5), trade(6)], 2.0, 8)
    made.accept([trade(8)], 2.0, 8)
    assert numbers(made) == [1, 4, 5, 6, 8]


def test_nothing_but_ids_that_are_no_trades_behind_a_hole() -> None:
    """Giving up on what is before them delivers nothing, and the next trade goes on."""
    made = stream()
    made.accept([trade(1), several(5, 0)], 1.0, 7)
    gap = made.give_up(2.0, "gone")
    assert gap is not None
    assert gap.missing == 3
    made.accept([trade(6)], 3.0, 7)
    assert numbers(made) == [1, 6]


def test_without_countable_ids_such_rows_are_dropped() -> None:
    """There is no place for them to take."""
    made = stream(contiguous=False)
    made.accept([trade(1), several(2, 0), trade(3)], 1.0, 7)
    assert numbers(made) == [1, 3]
