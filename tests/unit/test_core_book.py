"""Order books: never a wrong one, whatever is lost, doubled, late or nonsense."""

from __future__ import annotations

import itertools
import random
from math import inf, nan
from typing import Any, Literal

import pytest

from tests.unit.hosts import StrictHost
from unified_ws.adapter import Route, Snapshot, Sub
from unified_ws.core import book as book_module
from unified_ws.core.book import BadLevel, Book, BookSync, Levels, Verdict
from unified_ws.core.books import BookStream, Replica
from unified_ws.core.streams import Stream
from unified_ws.events import BookUpdate, Level, Market, Row
from unified_ws.facts import Kind

Kinds = Literal["snapshot", "rest", "whole", "delta", "broken"]
BAD = [(nan, 1.0), (inf, 1.0), (0.0, 1.0), (-1.0, 1.0), (1.0, nan), (1.0, inf), (1.0, -1.0)]


def update(
    kind: Kinds = "delta", bids: list[Level] | None = None, asks: list[Level] | None = None,
    *, prev: int | None = None, last: int | None = None, at_ms: int | None = None,
) -> BookUpdate:  # fmt: skip
    """Build one update."""
    return BookUpdate("BTC/USDT", kind, bids or [], asks or [], at_ms, last, prev)


def synced(last: int | None = 100) -> BookSync:
    """Build a valid book of one level a side."""
    sync = BookSync("BTC/USDT", "rest")
    assert sync.feed(update("rest", [(9.0, 1.0)], [(11.0, 1.0)], last=last)) is Verdict.APPLIED
    return sync


def sides(book: Book) -> tuple[dict[float, float], dict[float, float]]:
    """Return both sides by price, having checked that the two views of each agree."""
    for side in (book.bids, book.asks):
        assert side.prices == sorted(side.amounts)
    return dict(book.bids.amounts), dict(book.asks.amounts)


# --- levels -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_levels_are_a_sorted_dict(seed: int) -> None:
    """Thousands of changes, checked against a plain dict after each."""
    rng = random.Random(seed)
    levels = Levels()
    model: dict[float, float] = {}
    for _ in range(400):
        prices = [number / 4 for number in rng.sample(range(1, 40), 5)]
        change = [(price, rng.choice((0.0, 0.0, 1.0, 2.5))) for price in prices]
        if rng.random() < 0.05:
            levels.replace(change)
            model = {}
        else:
            levels.apply(change)
        model.update(change)
        model = {price: amount for price, amount in model.items() if amount}
        assert levels.amounts == model
        assert levels.prices == sorted(model)


@pytest.mark.parametrize("level", BAD)
def test_a_level_that_cannot_be_is_refused(level: Level) -> None:
    """NaN would break the order of the prices for good: bisect never finds it again."""
    levels = Levels()
    levels.replace([(1.0, 1.0)])
    with pytest.raises(BadLevel):
        levels.apply([level])
    with pytest.raises(BadLevel):
        levels.replace([level])
    assert levels.prices == [1.0]


def test_a_copy_shares_nothing() -> None:
    """A book handed out must not change while a strategy looks at it."""
    book = synced().book
    book.depth = 5
    twin = book.copy()
    book.take(update(bids=[(9.0, 0.0), (8.0, 3.0)], asks=[(12.0, 1.0)], last=101, at_ms=7))
    assert sides(twin) == ({9.0: 1.0}, {11.0: 1.0})
    assert (twin.nonce, twin.timestamp_ms, twin.depth) == (100, None, 5)
    twin.bids.apply([(1.0, 1.0)])
    assert 1.0 not in book.bids.amounts


@pytest.mark.parametrize("limit", [None, 1, 2, 3, 10])
def test_the_top_is_best_first(limit: int | None) -> None:
    """Bids fall, asks rise, and no more rows than asked for."""
    book = Book("BTC/USDT")
    book.take(update("rest", [(1.0, 1.0), (3.0, 3.0), (2.0, 2.0)], [(5.0, 5.0), (4.0, 4.0)]))
    bids, asks = [[3.0, 3.0], [2.0, 2.0], [1.0, 1.0]], [[4.0, 4.0], [5.0, 5.0]]
    assert book.top_bids(limit) == bids[:limit]
    assert book.top_asks(limit) == asks[:limit]
    assert book.level_bids(limit) == [(p, a) for p, a in bids[:limit]]
    assert book.level_asks(limit) == [(p, a) for p, a in asks[:limit]]


def test_rows_handed_out_are_the_callers_own() -> None:
    """A strategy that writes into its rows must not write into the book."""
    book = synced().book
    book.top_bids(None)[0][1] = 99.0
    assert book.bids.amounts == {9.0: 1.0}


# --- rules ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prev", "last", "verdict"),
    [
        (100, 101, Verdict.APPLIED),  # continues
        (100, 150, Verdict.APPLIED),
        (100, 100, Verdict.APPLIED),  # linked, though the number did not rise
        (100, 7, Verdict.APPLIED),  # linked: the venue has reset its counter
        (98, 99, Verdict.STALE),
        (99, 100, Verdict.STALE),
        (98, 101, Verdict.APPLIED),  # overlaps
        (101, 102, Verdict.GAP),
        (5000, 5001, Verdict.GAP),
    ],
)
def test_a_delta_is_tried_in_the_order_of_the_border(
    prev: int, last: int, verdict: Verdict
) -> None:
    """Linked, stale, overlapping, else a gap: this order and no other."""
    sync = synced(100)
    assert sync.feed(update(bids=[(9.5, 1.0)], prev=prev, last=last)) is verdict
    assert sync.valid is (verdict is not Verdict.GAP)
    assert (9.5 in sync.book.bids.amounts) is (verdict is Verdict.APPLIED)
    assert sync.book.nonce == (last if verdict is Verdict.APPLIED else 100)


def test_without_ids_the_order_of_arrival_counts() -> None:
    """Some venues number nothing: then every delta applies."""
    sync = BookSync("BTC/USDT", "stream")
    assert sync.feed(update("snapshot", [(9.0, 1.0)], [(11.0, 1.0)])) is Verdict.APPLIED
    assert sync.feed(update(bids=[(9.0, 2.0)])) is Verdict.APPLIED
    assert sides(sync.book) == ({9.0: 2.0}, {11.0: 1.0})


def test_a_streamed_snapshot_always_replaces() -> None:
    """Even with a lower number: after a restart of the venue it is the truth."""
    sync = synced(100)
    assert sync.feed(update("snapshot", [(1.0, 1.0)], [(2.0, 1.0)], last=3)) is Verdict.APPLIED
    assert sides(sync.book) == ({1.0: 1.0}, {2.0: 1.0})
    assert sync.feed(update(bids=[(1.5, 1.0)], prev=3, last=4)) is Verdict.APPLIED


def test_a_whole_book_replaces_unless_it_is_older_by_its_own_clock() -> None:
    """Of two connections the slower one must not turn the book back."""
    sync = BookSync("BTC/USDT", "stream")
    for at_ms, price, verdict in (
        (1000, 1.0, Verdict.APPLIED), (1001, 2.0, Verdict.APPLIED), (1000, 3.0, Verdict.STALE),
        (1001, 4.0, Verdict.APPLIED), (None, 5.0, Verdict.APPLIED),
    ):  # fmt: skip
        assert sync.feed(update("whole", [(price, 1.0)], at_ms=at_ms)) is verdict
    assert sync.book.bids.prices == [5.0]


def test_a_rest_state_links_to_the_buffered_deltas() -> None:
    """The venue's own recipe: buffer, fetch, drop what is older, apply the rest."""
    sync = BookSync("BTC/USDT", "rest")
    for prev, last in ((95, 98), (98, 103), (103, 107)):
        delta = update(bids=[(float(last), 1.0)], prev=prev, last=last)
        assert sync.feed(delta) is Verdict.BUFFERED
    assert sync.waiting_deltas == 3
    assert sync.feed(update("rest", [(1.0, 1.0)], [(200.0, 1.0)], last=100)) is Verdict.APPLIED
    assert sync.valid
    assert sync.book.bids.prices == [1.0, 103.0, 107.0]
    assert [u.last_id for u in sync.applied] == [100, 103, 107]
    assert sync.waiting_deltas == 0


def test_a_rest_state_older_than_the_first_delta_is_fetched_again() -> None:
    """Between the two lies a change that nobody has."""
    sync = BookSync("BTC/USDT", "rest")
    sync.feed(update(prev=105, last=106))
    assert sync.feed(update("rest", last=104)) is Verdict.TOO_OLD
    assert not sync.valid
    assert sync.waiting_deltas == 1  # kept for the next answer
    assert sync.feed(update("rest", last=105)) is Verdict.APPLIED
    assert sync.book.nonce == 106


def test_a_hole_among_the_buffered_deltas_is_found() -> None:
    """What was lost while the book was invalid still counts."""
    sync = BookSync("BTC/USDT", "rest")
    sync.feed(update(bids=[(2.0, 1.0)], prev=100, last=101))
    sync.feed(update(bids=[(3.0, 1.0)], prev=105, last=106))
    sync.feed(update(bids=[(4.0, 1.0)], prev=106, last=107))
    assert sync.feed(update("rest", [(1.0, 1.0)], last=100)) is Verdict.GAP
    assert not sync.valid
    assert sync.waiting_deltas == 2
    assert sync.feed(update("rest", [(1.0, 1.0)], last=105)) is Verdict.APPLIED
    assert sync.book.bids.prices == [1.0, 3.0, 4.0]


def test_a_late_rest_state_does_not_turn_a_valid_book_back() -> None:
    """The answer to a question that has settled itself is dropped."""
    sync = synced(100)
    assert sync.feed(update("rest", [(1.0, 1.0)], last=500)) is Verdict.STALE
    assert sync.book.nonce == 100


def test_a_gap_keeps_the_delta_that_showed_it() -> None:
    """The new state may be older than it, and then it is needed."""
    sync = synced(100)
    assert sync.feed(update(bids=[(5.0, 1.0)], prev=110, last=111)) is Verdict.GAP
    assert sync.waiting_deltas == 1
    assert sync.feed(update("rest", [(1.0, 1.0)], last=110)) is Verdict.APPLIED
    assert sync.book.bids.prices == [1.0, 5.0]


def test_the_buffer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """REST may be away for an hour while a busy book goes on."""
    monkeypatch.setattr(book_module, "BUFFERED_DELTAS", 10)
    sync = BookSync("BTC/USDT", "rest")
    for number in range(100):
        sync.feed(update(bids=[(float(number + 1), 1.0)], prev=number, last=number + 1))
    assert sync.waiting_deltas == 10
    # The oldest went: a state that links to what is gone is too old, not wrong.
    assert sync.feed(update("rest", last=50)) is Verdict.TOO_OLD
    assert sync.feed(update("rest", last=90)) is Verdict.APPLIED
    assert sync.book.nonce == 100


def test_the_shipped_buffer_has_a_bound() -> None:
    """Twenty thousand deltas are half an hour of a busy book."""
    sync = BookSync("BTC/USDT", "rest")
    for number in range(book_module.BUFFERED_DELTAS + 5):
        sync.feed(update(prev=number, last=number + 1))
    assert sync.waiting_deltas == book_module.BUFFERED_DELTAS


@pytest.mark.parametrize("level", BAD)
@pytest.mark.parametrize("side", ["bids", "asks"])
@pytest.mark.parametrize("kind", ["delta", "snapshot", "whole"])
def test_a_bad_level_invalidates_the_book(level: Level, side: str, kind: Kinds) -> None:
    """Half of the update may have been applied: nothing of the book can be trusted."""
    sync = synced(100)
    good: dict[str, list[Level]] = {"bids": [(9.1, 1.0)], "asks": [(10.9, 1.0)]}
    good[side].append(level)
    with pytest.raises(BadLevel):
        sync.feed(update(kind, good["bids"], good["asks"], prev=100, last=101, at_ms=5))
    assert not sync.valid
    assert sync.feed(update("rest", [(1.0, 1.0)], [(2.0, 1.0)], last=200)) is Verdict.APPLIED
    assert sides(sync.book) == ({1.0: 1.0}, {2.0: 1.0})


def test_a_bad_level_among_the_buffered_invalidates_too() -> None:
    """Deltas are buffered unread, so the nonsense shows up when they are replayed."""
    sync = BookSync("BTC/USDT", "rest")
    sync.feed(update(bids=[(2.0, nan)], prev=100, last=101))
    with pytest.raises(BadLevel):
        sync.feed(update("rest", [(1.0, 1.0)], last=100))
    assert not sync.valid


# --- property: never a wrong valid book -------------------------------------------------


class TrueBook:
    """A true book: every number changes one level; all states are remembered."""

    def __init__(self, rng: random.Random, changes: int) -> None:
        bids: dict[float, float] = {}
        asks: dict[float, float] = {}
        self.states = [(dict(bids), dict(asks))]
        self.changes: list[tuple[str, float, float]] = []
        for _ in range(changes):
            side = rng.choice(("bids", "asks"))
            price = float(rng.randrange(1, 12) + (0 if side == "bids" else 20))
            amount = rng.choice((0.0, 1.0, 2.0, 3.0))
            self.changes.append((side, price, amount))
            mine = bids if side == "bids" else asks
            mine[price] = amount
            if not amount:
                del mine[price]
            self.states.append((dict(bids), dict(asks)))

    def delta(self, prev: int, last: int) -> BookUpdate:
        """Sum up the changes after `prev` up to `last`."""
        bids = {p: a for side, p, a in self.changes[prev:last] if side == "bids"}
        asks = {p: a for side, p, a in self.changes[prev:last] if side == "asks"}
        return update(bids=list(bids.items()), asks=list(asks.items()), prev=prev, last=last)

    def snapshot(self, at: int, kind: Kinds = "rest") -> BookUpdate:
        """Return the state at one number."""
        bids, asks = self.states[at]
        return update(kind, list(bids.items()), list(asks.items()), last=at)


@pytest.mark.parametrize("block", range(10))
def test_no_interleaving_ends_in_a_wrong_valid_book(block: int) -> None:
    """Drops, repeats, late and early deltas, old and late snapshots: 2,000 stories.

    At every single step a valid book is exactly the truth at its own number; and once the
    stream has been whole for a while and a fresh snapshot came, it is valid.
    """
    for seed in range(block * 200, block * 200 + 200):
        rng = random.Random(seed)
        market = TrueBook(rng, 60)
        cuts = sorted({0, 60, *(rng.randrange(1, 60) for _ in range(25))})
        stream = [market.delta(a, b) for a, b in itertools.pairwise(cuts)]
        story: list[BookUpdate] = []
        for delta in stream:
            if rng.random() < 0.08:
                continue  # lost
            story.append(delta)
            if rng.random() < 0.1:
                story.append(rng.choice(story))  # repeated, perhaps much later
        for _ in range(rng.randrange(4)):  # late or early
            if len(story) > 2:
                story.insert(rng.randrange(len(story)), story.pop(rng.randrange(len(story))))
        sync = BookSync("BTC/USDT", "rest")

        def check(sync: BookSync = sync, market: TrueBook = market, seed: int = seed) -> None:
            if sync.valid:
                assert sync.book.nonce is not None
                assert sides(sync.book) == market.states[sync.book.nonce], seed

        for delta in story:
            sync.feed(delta)
            check()
            if rng.random() < 0.15:
                # From a replica of the venue that lags, or that is ahead of the stream.
                at = max(0, min(60, (delta.last_id or 0) + rng.randrange(-15, 10)))
                sync.feed(market.snapshot(at, rng.choice(("rest", "rest", "snapshot"))))
                check()
            if rng.random() < 0.03:
                sync.invalidate()
        sync.feed(market.snapshot(60))
        check()
        for delta in stream[-3:]:
            sync.feed(delta)
            check()
        if not sync.valid:
            sync.feed(market.snapshot(60))
        assert sync.valid
        assert sides(sync.book) == market.states[60]


# --- the stream around it -----------------------------------------------------------------


class Host(StrictHost):
    """Remember what a stream tells its engine."""

    def __init__(self) -> None:
        self.bad: list[str] = []
        self.first = 0
        self.thinned = 0
        self.healings = 0

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Note a bad row."""
        self.bad.append(reason)

    def first_data(self, stream: Stream) -> None:
        """Note the first delivery."""
        self.first += 1

    def care(self, stream: Stream) -> None:
        """Note that the stream wants to be looked at."""
        stream.needs_care = True

    def healed(self, stream: Stream, now: float) -> None:
        """Note that a book has its first state."""
        self.healings += 1

    def checksum(self, bids: Any, asks: Any) -> int:
        """Add up the digits of the best amounts."""
        return sum(int(amount) for _, amount in [*bids, *asks])

    def thin(self, stream: Stream) -> None:
        """Note that a book reaches less and less far."""
        self.thinned += 1


def is_adrift(made: BookStream) -> bool:
    """Say so afresh: a type checker takes an attribute for what it was asserted to be."""
    return made.adrift


MARKET = Market("BTC/USDT", "BTCUSDT")
SNAPSHOT = Snapshot("publicGetDepth", {"symbol": "BTCUSDT"}, "limit", ((100, 5.0), (1000, 50.0), (5000, 250.0)))  # fmt: skip


def stream(*, rest: bool = True) -> BookStream:
    """Build the stream of one book."""
    route = Route("spot", "btcusdt@depth", snapshot=SNAPSHOT if rest else None)
    made = BookStream(Sub(Kind.BOOK, MARKET), (route,), Host(), buffer=100, take_over_s=60.0)
    made.healthy = True
    return made


def fill(made: BookStream) -> None:
    """Give it a first state."""
    made.feed(update("rest", [(9.0, 1.0)], [(11.0, 1.0)], last=100), 1.0)
    assert made.valid


def test_an_invalid_book_is_never_handed_out() -> None:
    """Between a gap and the new state there is no book, rather than the old one."""
    made = stream()
    assert made.current() is None
    fill(made)
    assert made.current() is made.sync.book
    made.accept([update(prev=105, last=106)], 2.0, 7)
    assert made.current() is None
    assert made.needs_care
    assert made.resyncs == 1


def test_a_crossed_book_is_never_handed_out_and_resyncs() -> None:
    """A best bid at or above the best ask is a lost update that the ids did not show."""
    made = stream()
    fill(made)
    made.accept([update(bids=[(11.0, 1.0)], prev=100, last=101)], 2.0, 7)
    assert made.sync.book.crossed()
    assert made.current() is None
    assert not made.valid
    assert made.needs_care
    assert "best bid" in made.reason


def test_bad_levels_reach_the_quarantine_and_no_further() -> None:
    """One row of nonsense resyncs this book; the stream goes on."""
    made = stream()
    fill(made)
    made.accept([update(bids=[(9.0, nan)], prev=100, last=101), update(prev=101, last=102)], 2.0, 7)
    host = made.host
    assert isinstance(host, Host)
    assert len(host.bad) == 1
    assert made.current() is None
    assert made.sync.waiting_deltas == 1
    assert made.needs_care


def test_care_is_asked_for_only_with_the_first_delta() -> None:
    """A state fetched before the deltas flow may be too old to link: the venues say so."""
    made = stream()
    assert not made.needs_care
    made.accept([update(prev=1, last=2)], 1.0, 7)
    assert made.needs_care


def test_a_book_that_streams_its_own_state_drops_what_came_before_it() -> None:
    """The snapshot in the stream is newer than every update before it."""
    made = stream(rest=False)
    made.accept([update(bids=[(1.5, 9.0)], prev=5, last=6)], 1.0, 7)
    assert not is_adrift(made)  # its first state is on the way
    made.accept([update("snapshot", [(1.0, 1.0)], [(2.0, 1.0)], last=5)], 1.0, 7)
    book = made.current()
    assert book is not None
    assert book.top_bids(5) == [[1.0, 1.0]]
    made.accept([update(prev=9, last=10)], 1.0, 7)
    assert made.current() is None
    assert is_adrift(made)  # it is subscribed anew
    assert made.needs_care


def test_a_chained_book_takes_no_jump_in_either_direction() -> None:
    """Ids may fall where the venue says so, and an update that does not follow is a loss."""
    route = Route("main", "book", chained=True)
    made = BookStream(Sub(Kind.BOOK, MARKET), (route,), Host(), buffer=100, take_over_s=1.0)
    made.accept([update("snapshot", [(1.0, 1.0)], [(2.0, 1.0)], last=10)], 1.0, 7)
    made.accept([update(bids=[(1.0, 2.0)], prev=10, last=15)], 1.0, 7)
    made.accept([update(bids=[(1.0, 2.0)], prev=10, last=15)], 1.0, 7)  # told twice
    made.accept([update(prev=15, last=15)], 1.0, 7)  # nothing has changed
    made.accept([update(bids=[(1.0, 3.0)], prev=15, last=3)], 1.0, 7)  # counts anew
    made.accept([update(bids=[(1.0, 4.0)], prev=3, last=5)], 1.0, 7)
    assert made.valid
    assert made.duplicates == 1
    assert made.sync.book.top_bids(1) == [[1.0, 4.0]]
    made.accept([update(bids=[(1.0, 9.0)], prev=2, last=4)], 1.0, 7)  # lower, and no repeat
    assert not made.valid


def test_levels_beyond_what_the_venue_tells_are_dropped() -> None:
    """A level that left the venue's window goes stale: it must not come back into the book."""
    route = Route("main", "book", keeps=2)
    made = BookStream(Sub(Kind.BOOK, MARKET), (route,), Host(), buffer=100, take_over_s=1.0)
    bids, asks = [(5.0, 1.0), (4.0, 1.0)], [(6.0, 1.0), (7.0, 1.0)]
    made.accept([update("snapshot", bids, asks, last=1)], 1.0, 7)
    replica = Replica(made)
    replica.seed()
    change = update(bids=[(5.5, 1.0)], asks=[(5.8, 1.0)], prev=1, last=2)
    made.accept([change], 1.0, 7)
    assert made.sync.book.top_bids(None) == [[5.5, 1.0], [5.0, 1.0]]
    assert made.sync.book.top_asks(None) == [[5.8, 1.0], [6.0, 1.0]]
    moved = replica.move(change)
    assert moved is not None
    assert moved.top_bids(None) == [[5.5, 1.0], [5.0, 1.0]]
    made.accept([update(bids=[(5.5, 0.0)], prev=2, last=3)], 1.0, 7)
    assert made.sync.book.top_bids(None) == [[5.0, 1.0]]


@pytest.mark.parametrize("seed", range(4))
def test_cutting_keeps_the_best_however_the_order_is_kept(seed: int) -> None:
    """Looked at or not, a cut side equals the best levels of a plain dict."""
    rng = random.Random(seed)
    bids, asks = Levels(), Levels()
    for _ in range(300):
        change = [(rng.randrange(1, 60) / 2, rng.choice((0.0, 1.0, 2.0))) for _ in range(4)]
        for levels, lowest in ((bids, True), (asks, False)):
            model = levels.amounts | dict(change)
            kept = sorted((p for p, a in model.items() if a), reverse=lowest)[:7]
            levels.apply(change)
            if rng.random() < 0.5:
                assert levels.rows
            levels.cut(7, lowest=lowest)
            assert levels.amounts == {p: model[p] for p in kept}
            assert [p for p, _ in levels.rows] == sorted(kept)


def test_a_checksum_that_differs_starts_the_book_again() -> None:
    """What the venue signs must agree to the digit; what it does not sign is not checked."""
    made = stream(rest=False)
    first = update("snapshot", [(1.0, 1.0)], [(2.0, 2.0)], last=1)
    first.texts, first.checksum = ([("1.0", "1")], [("2.0", "2")]), 3
    made.accept([first], 1.0, 7)
    second = update(bids=[(1.0, 5.0)], prev=1, last=2)
    second.texts, second.checksum = ([("1.0", "5")], []), 7
    made.accept([second], 1.0, 7)
    assert (made.valid, made.checks.passed, made.checks.failed) == (True, 2, 0)
    third = update(bids=[(1.5, 1.0)], prev=2, last=3)
    third.texts, third.checksum = ([("1.5", "1")], []), 7
    delivered = made.delivered
    made.accept([third], 1.0, 7)
    assert (made.valid, made.checks.failed, made.delivered) == (False, 1, delivered)
    assert made.adrift
    first = update("snapshot", [(1.0, 1.0)], [(2.0, 2.0)], last=9)
    made.accept([first], 1.0, 7)  # this time without texts
    made.accept([update(bids=[(1.0, 4.0)], prev=9, last=10)], 1.0, 7)
    assert (made.valid, made.checks.passed) == (True, 2)


def test_a_book_that_the_venue_begins_anew_is_not_handed_out() -> None:
    """The venue says that its ids start again, and not with which state."""
    made = stream(rest=False)
    made.accept([update("snapshot", [(1.0, 1.0)], [(2.0, 2.0)], last=5)], 1.0, 7)
    made.accept([update("broken", bids=[(1.0, 3.0)], last=1)], 1.0, 7)
    assert not made.valid
    assert made.current() is None


def test_a_lost_connection_invalidates_and_waits_for_the_deltas() -> None:
    """Asking while the stream is down would fetch a state that nothing links to."""
    made = stream()
    fill(made)
    made.healthy = False
    made.lost("closed by peer")
    assert made.current() is None
    assert not made.needs_care
    assert made.resyncs == 1
    made.lost("again")
    assert made.resyncs == 1


def test_depth_follows_the_deepest_limit_wanted() -> None:
    """A second reader with a larger limit must not be handed the first one's short book."""
    made = stream()
    assert made.deepen(20) is False
    assert made.depth == 20
    made.feed(update("rest", [(9.0, 1.0)], [(11.0, 1.0)], last=100), 1.0)
    made.sync.book.depth = 100
    assert made.deepen(50) is False  # the fetched hundred suffices
    assert made.deepen(10) is False
    assert made.depth == 50
    assert made.deepen(None) is True  # the usual thousand
    assert made.deepen(5000) is True  # more than the usual, though somebody had named none
    assert made.depth == 5000
    assert made.deepen(None) is False


def test_each_snapshot_costs_no_more_than_it_must() -> None:
    """Weights are the budget of a hundred books: 5 for a hundred levels, 250 for 5000."""
    for depth, size, weight in ((0, 1000, 50.0), (5, 100, 5.0), (50, 100, 5.0),
                                (51, 1000, 50.0), (1001, 5000, 250.0), (9999, 5000, 250.0)):  # fmt: skip
        rest = SNAPSHOT.rest(depth)
        assert rest.params == {"symbol": "BTCUSDT", "limit": size}
        assert rest.weight == weight


def test_the_ring_replays_the_book_for_a_lossless_reader() -> None:
    """Every book between two looks can be had, resyncs included, and equals the live one."""
    rng = random.Random(5)
    market = TrueBook(rng, 300)
    made = stream()
    replica = Replica(made)
    assert replica.seed() is None
    made.feed(market.snapshot(10), 1.0)
    at = 10
    while at < 300:
        to = min(300, at + rng.randrange(1, 4))
        if rng.random() < 0.05:
            at = to  # lost
            continue
        verdict = made.feed(market.delta(at, to), 1.0)
        if verdict is Verdict.GAP:
            made.feed(market.snapshot(at), 1.0)
        at = to
    assert made.valid
    seen = []
    for change in made.rows.rows[replica.position - made.rows.base :]:
        book = replica.move(change)
        assert book is not None
        assert book.nonce is not None
        assert sides(book) == market.states[book.nonce]
        seen.append(book.nonce)
    assert seen == sorted(seen)
    assert seen[-1] == made.sync.book.nonce


def test_a_replica_is_independent_of_the_live_book() -> None:
    """A reader that fell behind has its own time."""
    made = stream()
    fill(made)
    replica = Replica(made)
    book = replica.seed()
    assert book is not None
    made.accept([update(bids=[(9.5, 1.0)], prev=100, last=101)], 1.0, 7)
    assert book.bids.prices == [9.0]
    moved = replica.move(made.rows.rows[-1])
    assert moved is book
    assert book.bids.prices == [9.0, 9.5]
    replica.move(update(bids=[(9.7, 1.0)], last=102))
    assert 9.7 not in made.sync.book.bids.amounts


def test_a_replica_without_a_first_state_waits_for_one() -> None:
    """Deltas alone are no book."""
    replica = Replica(stream())
    assert replica.move(update(bids=[(1.0, 1.0)], prev=1, last=2)) is None
    book = replica.move(update("rest", [(2.0, 1.0)], last=5))
    assert book is not None
    assert book.bids.prices == [2.0]


def test_waiters_are_woken_by_books_only() -> None:
    """A buffered delta is no news: there is no book to look at."""

    class Waiter:
        woken = 0

        def done(self) -> bool:
            return False

        def set_result(self, result: None, /) -> None:
            Waiter.woken += 1

        def set_exception(self, exception: BaseException, /) -> None:
            raise AssertionError

    made = stream()
    made.waiters.add(Waiter())
    made.accept([update(prev=99, last=100)], 1.0, 7)
    assert Waiter.woken == 0
    fill(made)
    assert Waiter.woken == 1
    host: Any = made.host
    assert host.first == 1


def test_ids_that_fall_without_a_word_are_no_repeats() -> None:
    """A venue that counts anew must not freeze the book: a repeat is never that much newer."""
    made = stream()
    made.accept([update(prev=5, last=6)], 1.0, 7)
    made.feed(update("rest", [(1.0, 1.0)], [(2.0, 1.0)], last=6, at_ms=1_000), 1.0)
    made.accept([update(bids=[(1.0, 2.0)], prev=6, last=7, at_ms=1_000)], 1.0, 7)
    made.accept([update(bids=[(1.0, 9.0)], prev=2, last=3, at_ms=1_000)], 1.0, 7)
    assert made.duplicates == 1
    book = made.current()
    assert book is not None
    assert book.top_bids(1) == [[1.0, 2.0]]
    made.accept([update(bids=[(1.0, 9.0)], prev=1, last=2, at_ms=12_000)], 1.0, 7)
    assert made.current() is None


def test_a_streamed_book_that_reaches_less_and_less_far_asks_for_a_new_state() -> None:
    """Its venue tells all changes, but its first state had only so many levels."""
    made = stream(rest=False)
    made.deepen(2)
    bids = [(float(100 - n), 1.0) for n in range(8)]
    asks = [(float(101 + n), 1.0) for n in range(8)]
    first = update("snapshot", bids, asks, last=1)
    first.depth = 8
    made.accept([first], 1.0, 7)
    assert made.current() is not None
    assert isinstance(made.host, Host)
    assert made.host.thinned == 0
    gone = [(price, 0.0) for price, _ in bids[:7]]
    made.accept([update(bids=gone, prev=1, last=2)], 1.0, 7)
    assert made.current() is not None
    assert made.host.thinned == 1
