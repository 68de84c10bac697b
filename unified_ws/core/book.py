"""One order book: levels, and the rules by which updates may change them.

`Levels` is one side. `Book` is a full book. `BookSync` decides what an update does to it, by
the rules of the border (`adapter.BookUpdate`): a book that missed an update is invalid and is
never handed out; it asks for a new first state and is valid again when that state links to the
deltas buffered meanwhile. One symbol resyncs alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from math import inf
from typing import Literal

from unified_ws.events import BookUpdate, Level, WireLevel

BUFFERED_DELTAS = 20_000
RENUMBERED_MS = 10_000
"""A lower id of an update that is this much newer than the book is no repeat."""
UNSEEN = 3
"""After so many updates without a look, sorting anew is cheaper than keeping the order."""


class BadLevel(ValueError):
    """A level with a price or amount that no market can have."""


class Levels:
    """One side of a book: amounts by price, and the prices in ascending order.

    The order is kept up with each update only while somebody looks at it; after a few updates
    without a look it is dropped and made anew for the next one. So a burst costs half. The same
    goes for `rows`, which serve those who want all levels after every update.
    """

    __slots__ = ("_prices", "_rows", "_unseen", "amounts")

    def __init__(self) -> None:
        self.amounts: dict[float, float] = {}
        self._prices: list[float] | None = []
        self._rows: list[Level] | None = None
        self._unseen = 0

    @property
    def prices(self) -> list[float]:
        """Return the prices in ascending order, to look at and not to keep."""
        self._unseen = 0
        if self._prices is None:
            self._prices = sorted(self.amounts)
        return self._prices

    @property
    def rows(self) -> list[Level]:
        """Return (price, amount) in ascending order of price, to look at and not to keep."""
        prices = self.prices
        if self._rows is None:
            self._rows = list(zip(prices, map(self.amounts.__getitem__, prices), strict=True))
        return self._rows

    def copy(self) -> Levels:
        """Return an independent copy."""
        twin = Levels()
        twin.amounts = self.amounts.copy()
        twin._prices = self.prices[:]
        return twin

    def replace(self, levels: Sequence[WireLevel]) -> None:
        """Forget everything and take these levels."""
        for level in levels:
            if not (0.0 < level[0] < inf and 0.0 <= level[1] < inf):
                raise BadLevel(f"price {level[0]!r}, amount {level[1]!r}")
        self.amounts = {level[0]: level[1] for level in levels if level[1]}
        self._prices = self._rows = None

    def apply(self, levels: Sequence[WireLevel]) -> None:
        """Set the amount of each price; 0 removes it (removing an absent one is normal)."""
        self._unseen += 1
        if self._unseen > UNSEEN:
            self._prices = self._rows = None
        amounts, prices, rows = self.amounts, self._prices, self._rows
        if prices is None:
            for level in levels:
                price = level[0]
                amount = level[1]
                if not (0.0 < price < inf and 0.0 <= amount < inf):
                    raise BadLevel(f"price {price!r}, amount {amount!r}")
                if amount:
                    amounts[price] = amount
                else:
                    amounts.pop(price, None)
            return
        for level in levels:
            price, amount = level[0], level[1]
            if not (0.0 < price < inf and 0.0 <= amount < inf):
                raise BadLevel(f"price {price!r}, amount {amount!r}")
            if rows is None:
                if amount:
                    if price not in amounts:
                        insort(prices, price)
                    amounts[price] = amount
                elif price in amounts:
                    del amounts[price]
                    del prices[bisect_left(prices, price)]
            else:
                row = level if len(level) == 2 else (price, amount)
                _set(amounts, prices, rows, row)

    def cut(self, keep: int, *, lowest: bool) -> None:
        """Drop all but `keep` levels: the lowest prices (bids) or the highest (asks)."""
        excess = len(self.amounts) - keep
        if excess <= 0:
            return
        prices, rows = self._prices, self._rows
        gone: list[float]
        if prices is None and excess == 1:
            gone = [min(self.amounts) if lowest else max(self.amounts)]
        elif prices is None:
            gone = sorted(self.amounts, reverse=not lowest)[:excess]
        elif lowest:
            gone = prices[:excess]
            del prices[:excess]
            if rows is not None:
                del rows[:excess]
        else:
            gone = prices[keep:]
            del prices[keep:]
            if rows is not None:
                del rows[keep:]
        for price in gone:
            del self.amounts[price]


def _set(amounts: dict[float, float], prices: list[float], rows: list[Level], level: Level) -> None:
    price, amount = level
    at = bisect_left(prices, price)
    if amount:
        if price in amounts:
            rows[at] = level
        else:
            prices.insert(at, price)
            rows.insert(at, level)
        amounts[price] = amount
    elif price in amounts:
        del amounts[price]
        del prices[at]
        del rows[at]


class Book:
    """A full book of one symbol.

    Attributes:
        nonce: The venue's id of the last update applied.
        timestamp_ms: The venue's time of that update; None where it sends none.
        depth: How many levels a side the first state was asked for; None: all there are.
        low, high: The prices up to which the book is complete. Beyond them lie levels that the
            first state did not reach: only those that changed since are known.
        keeps: How many levels a side the venue tells about; None: all.
    """

    __slots__ = (
        "asks", "bids", "depth", "high", "keeps", "low", "nonce", "received_ns", "symbol",
        "timestamp_ms",
    )  # fmt: skip

    def __init__(self, symbol: str, keeps: int | None = None) -> None:
        self.symbol = symbol
        self.keeps = keeps
        self.bids = Levels()
        self.asks = Levels()
        self.nonce: int | None = None
        self.timestamp_ms: int | None = None
        self.received_ns = 0
        self.depth: int | None = None
        self.low, self.high = 0.0, inf

    def copy(self) -> Book:
        """Return an independent copy."""
        twin = Book(self.symbol, self.keeps)
        twin.bids, twin.asks = self.bids.copy(), self.asks.copy()
        twin.nonce, twin.timestamp_ms = self.nonce, self.timestamp_ms
        twin.received_ns, twin.depth = self.received_ns, self.depth
        twin.low, twin.high = self.low, self.high
        return twin

    def take(self, update: BookUpdate) -> None:
        """Apply an update that is known to fit."""
        bids, asks, keeps = self.bids, self.asks, self.keeps
        if update.kind == "delta":
            if update.bids:
                bids.apply(update.bids)
            if update.asks:
                asks.apply(update.asks)
        else:
            bids.replace(update.bids)
            asks.replace(update.asks)
            self.depth = update.depth
            self.low, self.high = update.bounds or _bounds(update)
        if keeps is not None:
            if len(bids.amounts) > keeps:
                bids.cut(keeps, lowest=True)
            if len(asks.amounts) > keeps:
                asks.cut(keeps, lowest=False)
        self.nonce = update.last_id
        # A REST snapshot has no time of its own: ccxt leaves None until the first delta.
        self.timestamp_ms = update.timestamp_ms
        self.received_ns = update.received_ns

    def crossed(self) -> bool:
        """Say whether the best bid is not below the best ask."""
        bids, asks = self.bids.prices, self.asks.prices
        return bool(bids and asks and bids[-1] >= asks[0])

    def proven(self) -> tuple[int, int]:
        """Return how many bids and asks, counted from the best, are known without a hole."""
        bids, asks = self.bids.prices, self.asks.prices
        return len(bids) - bisect_left(bids, self.low), bisect_right(asks, self.high)

    # Only proven rows are returned, unless all are asked for (`limit` None).

    def top_bids(self, limit: int | None) -> list[list[float]]:
        """Return [price, amount] rows, best first."""
        amounts = self.bids.amounts
        return [[price, amounts[price]] for price in self._best_bids(limit)]

    def top_asks(self, limit: int | None) -> list[list[float]]:
        """Return [price, amount] rows, best first."""
        amounts = self.asks.amounts
        return [[price, amounts[price]] for price in self._best_asks(limit)]

    def level_bids(self, limit: int | None) -> list[Level]:
        """Return (price, amount) rows, best first."""
        if limit is None:
            return self.bids.rows[::-1]
        best = self._best_bids(limit)
        return list(zip(best, map(self.bids.amounts.__getitem__, best), strict=True))

    def level_asks(self, limit: int | None) -> list[Level]:
        """Return (price, amount) rows, best first."""
        if limit is None:
            return self.asks.rows[:]
        best = self._best_asks(limit)
        return list(zip(best, map(self.asks.amounts.__getitem__, best), strict=True))

    def _best_bids(self, limit: int | None) -> list[float]:
        prices = self.bids.prices
        if limit is None:
            return prices[::-1]
        best = prices[: -limit - 1 : -1]
        while best and best[-1] < self.low:
            best.pop()
        return best

    def _best_asks(self, limit: int | None) -> list[float]:
        prices = self.asks.prices
        if limit is None:
            return prices
        best = prices[:limit]
        while best and best[-1] > self.high:
            best.pop()
        return best


def _bounds(update: BookUpdate) -> tuple[float, float]:
    """Return up to where a full book reaches: a side shorter than asked for is the whole side."""
    depth = update.depth
    if depth is None:
        return 0.0, inf
    low = min(level[0] for level in update.bids) if len(update.bids) >= depth else 0.0
    high = max(level[0] for level in update.asks) if len(update.asks) >= depth else inf
    return low, high


def _much_later(update: BookUpdate, than: Book | BookUpdate) -> bool:
    mine, theirs = than.timestamp_ms, update.timestamp_ms
    return mine is not None and theirs is not None and theirs > mine + RENUMBERED_MS


class Verdict(StrEnum):
    """What an update did."""

    APPLIED = "applied"
    STALE = "stale"
    BUFFERED = "buffered"
    GAP = "gap"
    TOO_OLD = "too old"


Policy = Literal["stream", "rest"]


class BookSync:
    """Keep one book in step with its updates.

    Args:
        symbol: Unified symbol.
        source: Where first states come from: in the stream, or by REST on request.
        chained: An update must follow the very last one, since ids may also fall.
        keeps: How many levels a side the venue tells about.

    After `GAP` or `TOO_OLD` the caller fetches (or awaits) a new first state. `applied` lists
    the updates that changed the book in the last call, in order.
    """

    __slots__ = (
        "_before", "_buffer", "_recent", "_renewal", "_stale", "applied", "book", "chained", "source",
        "valid",
    )  # fmt: skip

    def __init__(
        self, symbol: str, source: Policy, *, chained: bool = False, keeps: int | None = None
    ) -> None:
        self.book = Book(symbol, keeps)
        self.chained = chained
        self._before: int | None = None
        self.source: Policy = source
        self.valid = False
        self.applied: list[BookUpdate] = []
        self._buffer: deque[BookUpdate] = deque(maxlen=BUFFERED_DELTAS)
        self._recent: deque[BookUpdate] | None = None
        self._renewal: BookUpdate | None = None
        self._stale: BookUpdate | None = None

    @property
    def waiting_deltas(self) -> int:
        """Return how many deltas are buffered for the next first state."""
        return len(self._buffer)

    def invalidate(self) -> None:
        """Distrust the book until a new first state: a loss, or a doubt."""
        self.valid = False
        self._buffer.clear()
        self._recent = self._renewal = None

    def record(self) -> None:
        """Keep the updates from here on: a new full book has been asked for, this one is valid."""
        self._recent = deque(maxlen=BUFFERED_DELTAS)
        self._renewal = None

    def renew(self, snapshot: BookUpdate) -> Verdict:
        """Take a new full book under the valid one, so that it reaches further again.

        `TOO_OLD` leaves the book as it is. A full book that is ahead waits for the stream.
        """
        recent, have, last = self._recent, self.book.nonce, snapshot.last_id
        self.applied = []
        if not self.valid or recent is None or have is None or last is None:
            return Verdict.STALE
        begun = recent[0].prev_id if recent else have
        if begun is not None and begun > last:
            self._recent = None
            return Verdict.TOO_OLD
        self._renewal = snapshot
        if have >= last:
            self._renew()
        return Verdict.APPLIED

    def _renew(self) -> None:
        snapshot, recent = self._renewal, self._recent
        self._renewal = self._recent = None
        if snapshot is None or recent is None or snapshot.last_id is None:
            return
        fresh = Book(self.book.symbol, self.book.keeps)
        fresh.take(snapshot)
        for update in recent:
            if (update.last_id or 0) > snapshot.last_id:
                fresh.take(update)
        if fresh.nonce != self.book.nonce and recent:
            return
        fresh.nonce, fresh.timestamp_ms = self.book.nonce, self.book.timestamp_ms
        fresh.received_ns = self.book.received_ns
        self.book = fresh
        # Readers with a copy of their own get the same state once more, and say nothing of it.
        again = BookUpdate(
            fresh.symbol, "whole", fresh.level_bids(None), fresh.level_asks(None),
            fresh.timestamp_ms, fresh.nonce, depth=fresh.depth, received_ns=fresh.received_ns,
            bounds=(fresh.low, fresh.high),
        )  # fmt: skip
        self.applied = [*self.applied, again]

    def follow(self, update: BookUpdate) -> bool:
        """Take a delta that follows the book directly, which nearly all do; False of any other."""
        book = self.book
        have = book.nonce
        if (
            update.prev_id != have or have is None or update.kind != "delta"
            or not self.valid or self._recent is not None
        ):  # fmt: skip
            return False
        try:
            book.take(update)
        except BadLevel:
            self.invalidate()
            raise
        self._before = have
        return True

    def feed(self, update: BookUpdate) -> Verdict:
        """Take one update from the stream or from REST."""
        kind = update.kind
        if kind == "delta":
            if self.valid:
                return self._delta(update)
            if self.source == "rest":  # else the state that comes in the stream is newer
                first = self._buffer[0] if self._buffer else update
                if (update.last_id or 0) < (first.last_id or 0) and _much_later(update, first):
                    self._buffer.clear()  # no first state of the new count could follow these
                self._buffer.append(update)
            return Verdict.BUFFERED
        if kind == "rest":
            return self._link(update)
        if kind == "whole" and self.valid and self._older(update):
            return Verdict.STALE
        self._buffer.clear()  # a state in the stream is newer than what came before it
        self._first(update)
        return Verdict.APPLIED

    def _delta(self, update: BookUpdate) -> Verdict:
        have, prev, last = self.book.nonce, update.prev_id, update.last_id
        if prev is not None and have is not None and prev != have and last is not None:
            repeats = last == have and prev == self._before
            if repeats or (last <= have and not self.chained and not self._begins_anew(update)):
                return Verdict.STALE
            if self.chained or prev > have or last <= have:
                self.invalidate()
                if self.source == "rest":
                    self._buffer.append(update)
                return Verdict.GAP
        self._before = have
        try:
            self.book.take(update)
        except BadLevel:
            self.invalidate()
            raise
        self.applied = [update]
        if self._recent is not None:
            self._recent.append(update)
            if self._renewal is not None and (last or 0) >= (self._renewal.last_id or 0):
                self._renew()
        return Verdict.APPLIED

    def _begins_anew(self, update: BookUpdate) -> bool:
        """Say whether the venue counts from the beginning again, without a word about it."""
        if self.book.timestamp_ms is not None:
            return _much_later(update, self.book)
        # A state by REST may have no time: then that of the first update that it made stale counts.
        self._stale = self._stale or update
        return _much_later(update, self._stale)

    def _older(self, update: BookUpdate) -> bool:
        mine, theirs = self.book.timestamp_ms, update.timestamp_ms
        return mine is not None and theirs is not None and theirs < mine

    def _link(self, snapshot: BookUpdate) -> Verdict:
        """Accept a REST state only if the buffered deltas continue it without a hole."""
        if self.valid and snapshot.last_id is not None and self.book.nonce is not None:
            return Verdict.STALE  # a late answer to a question that has settled itself
        last = snapshot.last_id
        if last is not None:
            while self._buffer and (self._buffer[0].last_id or 0) <= last:
                delta = self._buffer.popleft()
                if delta.last_id == last and snapshot.timestamp_ms is None:
                    snapshot.timestamp_ms = delta.timestamp_ms  # it led to this very state
            if self._buffer:
                first = self._buffer[0].prev_id
                if first is not None and first > last:
                    return Verdict.TOO_OLD
        self._first(snapshot)
        return self._replay()

    def _first(self, update: BookUpdate) -> None:
        try:
            self.book.take(update)
        except BadLevel:
            self.invalidate()  # one side of it may have been taken already
            raise
        self.valid = True
        self._stale = None
        self.applied = [update]

    def _replay(self) -> Verdict:
        applied, waiting = self.applied, list(self._buffer)
        self._buffer.clear()
        verdict = Verdict.APPLIED
        for index, update in enumerate(waiting):
            verdict = self._delta(update)
            if verdict is Verdict.GAP:
                self._buffer.extend(waiting[index + 1 :])
                break
            if verdict is Verdict.APPLIED:
                applied.append(update)
        self.applied = applied
        return Verdict.GAP if verdict is Verdict.GAP else Verdict.APPLIED
