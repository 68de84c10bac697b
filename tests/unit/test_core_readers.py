"""Cursors and rings: every reader gets each row once, and is told what it missed."""

from __future__ import annotations

import random

import pytest

from unified_ws.core.readers import FINISHED_KEPT, Cursor, Readers
from unified_ws.core.ring import Ring


def read(cursor: Cursor, ring: Ring[int]) -> tuple[list[int], int]:
    """Hand over what is new and move the cursor, as a call does when it resumes."""
    rows, missed = ring.since(cursor.position)
    cursor.position = ring.head
    cursor.fresh = False
    return rows, missed


# --- ring -------------------------------------------------------------------------------


def test_rows_keep_their_positions_when_old_ones_go() -> None:
    """A position is a number for life: trimming moves nobody."""
    ring: Ring[int] = Ring(3)
    for row in range(7):
        ring.append(row)
    assert (ring.base, ring.head, ring.rows) == (4, 7, [4, 5, 6])
    assert ring.since(5) == ([5, 6], 0)
    assert ring.since(4) == ([4, 5, 6], 0)
    assert ring.since(0) == ([4, 5, 6], 4)
    assert ring.since(7) == ([], 0)


def test_the_newest_rows() -> None:
    """`limit` returns the newest rows, oldest first."""
    ring: Ring[int] = Ring(5)
    ring.extend(range(5))
    assert ring.latest(2) == [3, 4]
    assert ring.latest(99) == [0, 1, 2, 3, 4]
    assert ring.latest(0) == []
    assert ring.latest(-3) == []


def test_rows_handed_out_are_the_readers_own() -> None:
    """A strategy that empties its list must not empty the ring."""
    ring: Ring[int] = Ring(5)
    ring.extend([1, 2])
    ring.since(0)[0].clear()
    ring.since(-5)[0].clear()
    assert ring.since(0) == ([1, 2], 0)


@pytest.mark.parametrize("seed", range(10))
def test_a_ring_counts_exactly_what_it_dropped(seed: int) -> None:
    """Against a list that keeps everything: rows plus missed is all there was."""
    rng = random.Random(seed)
    ring: Ring[int] = Ring(rng.randrange(1, 30))
    written: list[int] = []
    position = 0
    for _ in range(500):
        for _ in range(rng.randrange(3)):
            ring.append(len(written))
            written.append(len(written))
        if rng.random() < 0.2:
            more = list(range(len(written), len(written) + rng.randrange(50)))
            ring.extend(more)
            written += more
        assert ring.head == len(written)
        assert ring.rows == written[ring.base :]
        assert min(ring.capacity, ring.head) <= len(ring.rows) <= 2 * ring.capacity
        if rng.random() < 0.1:
            rows, missed = ring.since(position)
            assert rows == written[position + missed :]
            assert missed == max(0, ring.base - position)
            position = ring.head


# --- readers ----------------------------------------------------------------------------


def test_a_fresh_reader_begins_at_the_live_end() -> None:
    """Nobody wants yesterday's trades with the first call."""
    readers = Readers(60.0)
    cursor = readers.cursor("a", 0.0, base=3, head=10)
    assert (cursor.position, cursor.fresh, cursor.busy) == (10, True, False)


def test_an_owner_keeps_its_place_between_calls() -> None:
    """The loop `while True: await watch_trades()` gets each row once."""
    readers, ring = Readers(60.0), Ring[int](100)
    first = readers.cursor("a", 0.0, ring.base, ring.head)
    ring.extend([1, 2])
    assert read(first, ring) == ([1, 2], 0)
    ring.extend([3])
    again = readers.cursor("a", 1e9, ring.base, ring.head)
    assert again is first
    assert read(again, ring) == ([3], 0)


def test_living_owners_do_not_touch_each_other() -> None:
    """Two loops on one stream both get everything (ccxt.pro: one gets 18 of 400)."""
    readers, ring = Readers(60.0), Ring[int](1000)
    fast = readers.cursor("fast", 0.0, ring.base, ring.head)
    slow = readers.cursor("slow", 0.0, ring.base, ring.head)
    got = []
    for row in range(400):
        ring.append(row)
        got += read(fast, ring)[0]
    assert got == list(range(400))
    assert read(slow, ring) == (list(range(400)), 0)
    assert readers.lags(ring.head) == [0, 0]


def test_two_calls_of_one_owner_at_once_have_a_cursor_each() -> None:
    """gather(watch_trades(s), watch_trades(s)) in one task: both must see the rows."""
    readers = Readers(60.0)
    first = readers.cursor("a", 0.0, 0, 5)
    first.busy = True
    second = readers.cursor("a", 0.0, 0, 5)
    assert second is not first
    assert len(readers) == 2
    second.busy = True
    third = readers.cursor("a", 0.0, 0, 5)
    third.busy = False
    first.busy = False
    assert readers.cursor("a", 0.0, 0, 5) is first
    assert len(readers) == 3


def test_a_new_owner_takes_over_the_place_of_the_longest_finished() -> None:
    """One task a call: the rows between two calls belong to the next one."""
    readers = Readers(60.0)
    for name, position in (("a", 3), ("b", 7)):
        cursor = readers.cursor(name, 0.0, 0, 0)
        cursor.position, cursor.fresh = position, False
    readers.finish("a", 1.0)
    readers.finish("b", 2.0)
    assert readers.cursor("c", 10.0, 0, 9).position == 3
    assert readers.cursor("d", 10.0, 0, 9).position == 7
    assert readers.cursor("e", 10.0, 0, 9).position == 9  # nobody is left to follow
    assert readers.cursor("e", 10.0, 0, 9).fresh


@pytest.mark.parametrize(
    ("at", "base", "position", "fresh"),
    [(61.0, 0, 5, False), (61.1, 0, 99, True), (2.0, 5, 5, False), (2.0, 6, 99, True)],
)
def test_only_a_recent_place_that_is_still_there_is_taken_over(
    at: float, base: int, position: int, *, fresh: bool
) -> None:
    """A notebook cell run an hour later starts at the live end."""
    readers = Readers(60.0)
    cursor = readers.cursor("a", 0.0, 0, 0)
    cursor.position, cursor.fresh = 5, False
    readers.finish("a", 1.0)
    heir = readers.cursor("b", at, base, 99)
    assert (heir.position, heir.fresh) == (position, fresh)


def test_a_place_too_old_does_not_hide_a_younger_one() -> None:
    """The longest finished may have gone; the next one has not."""
    readers = Readers(60.0)
    for name, position, at in (("old", 3, 0.0), ("young", 7, 50.0)):
        cursor = readers.cursor(name, at, 0, 0)
        cursor.position, cursor.fresh = position, False
        readers.finish(name, at)
    assert readers.cursor("c", 70.0, 0, 9).position == 7


def test_who_was_handed_nothing_leaves_no_place() -> None:
    """A cancelled first call has no rows behind it to continue."""
    readers = Readers(60.0)
    readers.cursor("a", 0.0, 0, 5)
    readers.finish("a", 1.0)
    assert readers.cursor("b", 1.0, 0, 9).position == 9
    readers.finish("never seen", 1.0)


def test_every_cursor_of_a_finished_owner_can_be_continued() -> None:
    """A task that gathered two calls left two places."""
    readers = Readers(60.0)
    for position in (3, 4):
        cursor = readers.cursor("a", 0.0, 0, 0)
        cursor.busy, cursor.fresh, cursor.position = True, False, position
    readers.finish("a", 1.0)
    assert [readers.cursor(n, 1.0, 0, 9).position for n in "xyz"] == [3, 4, 9]


def test_finished_places_are_bounded() -> None:
    """A task a call for weeks must not grow a list."""
    readers = Readers(60.0)
    for number in range(FINISHED_KEPT + 10):
        cursor = Cursor(number, fresh=False)
        readers._by_owner[number] = [cursor]
        readers.finish(number, 1.0)
    assert readers.cursor("heir", 1.0, 0, 999).position == 10
    assert len(readers) == 1


def test_an_ended_stream_forgets_everybody() -> None:
    """After un_watch the next call starts anew."""
    readers = Readers(60.0)
    cursor = readers.cursor("a", 0.0, 0, 0)
    cursor.fresh = False
    readers.finish("a", 1.0)
    readers.cursor("b", 1.0, 0, 0)
    readers.clear()
    assert len(readers) == 0
    assert readers.cursor("c", 1.0, 0, 9).position == 9


@pytest.mark.parametrize("seed", range(10))
def test_a_task_per_call_loses_and_repeats_nothing(seed: int) -> None:
    """Random tasks beside a long reader: the short ones share the rows, in order, once."""
    rng = random.Random(seed)
    readers, ring = Readers(60.0), Ring[int](10_000)
    now, written = 0.0, 0
    long = readers.cursor("long", now, ring.base, ring.head)
    first = readers.cursor("task", now, ring.base, ring.head)
    shared: list[int] = []
    everything: list[int] = []
    owner: object = "task"
    cursor = first
    for number in range(2000):
        now += rng.random()
        for _ in range(rng.randrange(3)):
            ring.append(written)
            written += 1
        if rng.random() < 0.3:
            everything += read(long, ring)[0]
        if cursor.position < ring.head and rng.random() < 0.5:
            before = cursor.position
            shared += read(cursor, ring)[0]
            assert cursor.position >= before
            if rng.random() < 0.7:
                readers.finish(owner, now)
                owner = number
                cursor = readers.cursor(owner, now, ring.base, ring.head)
                assert not cursor.fresh
        elif rng.random() < 0.1 and not cursor.fresh:
            # Cancelled while waiting: it moved nothing, so its successor continues.
            readers.finish(owner, now)
            owner = number
            cursor = readers.cursor(owner, now, ring.base, ring.head)
    shared += read(cursor, ring)[0]
    everything += read(long, ring)[0]
    assert shared == list(range(written))
    assert everything == list(range(written))
