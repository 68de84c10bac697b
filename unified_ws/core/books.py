"""The order book of one market as a stream.

The ring holds the updates that changed the book until every lossless reader has replayed them
on a copy of its own (`Replica`), while others just look at the newest state. The book
itself is kept by `BookSync`; this class says when it needs a new first state and tells nobody
of an invalid book.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any
from weakref import WeakSet

from unified_ws.core.book import BUFFERED_DELTAS, BadLevel, Book, BookSync, Verdict
from unified_ws.core.checks import Checks
from unified_ws.core.streams import Stream
from unified_ws.events import BookUpdate

KEPT_UPDATES = 8
"""After so many updates those that every reader has had are dropped: memory that is used again
at once costs least."""

USUAL_DEPTH = 1000
"""How many levels a side are asked for where the caller names no limit."""


class BookStream(Stream):
    """One market's book.

    Attributes:
        sync: The book and its rules.
        depth: The deepest limit that anybody asked for; None: nobody has asked yet.
        view: The live view that the ccxt face hands out, once somebody looked.
        resyncs: How often the book had to start again, the first time not counted.
        reason: Why it is not valid, in words.
        adrift: It was valid and must begin again, rather than wait for its first state.
        checks: The venue's checksums, where it sends them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.snapshot = self.routes[0].snapshot
        route = self.routes[0]
        self.sync = BookSync(
            self.symbol or "", "rest" if self.snapshot else "stream",
            chained=route.chained, keeps=route.keeps,
        )  # fmt: skip
        self.adrift = False
        self.checks = Checks()
        self.depth: int | None = None
        self.resyncs = 0
        self.view: Any = None
        self.replicas: WeakSet[Replica] = WeakSet()
        self.reason = "waiting for its first state"
        self._ahead: deque[BookUpdate] = deque(maxlen=BUFFERED_DELTAS)

    def joined(self, others: Sequence[Stream], now: float) -> None:
        """Begin with the state of another book of the same topic, or have it told again."""
        if self.snapshot is not None:
            return
        books = [other for other in others if isinstance(other, BookStream)]
        for other in books:
            book = other.sync.book
            if other.valid:
                first = BookUpdate(
                    self.symbol or "", "snapshot", book.level_bids(None), book.level_asks(None),
                    book.timestamp_ms, book.nonce, None, book.depth, book.received_ns,
                    (book.low, book.high),
                )  # fmt: skip
                self.feed(first, now)
                return
        if not books and self.healthy:
            self.adrift = True
            self.host.care(self)

    @property
    def valid(self) -> bool:
        """Say whether the book is in step with the venue, as far as its rules can tell."""
        return self.sync.valid

    def deepen(self, limit: int | None) -> bool:
        """Note the depth that a caller wants; True if the first state must be deeper."""
        wanted = limit or USUAL_DEPTH
        if self.depth is not None and wanted <= self.depth:
            return False
        first, self.depth = self.depth is None, wanted
        known = self.sync.book.depth
        return not first and self.valid and known is not None and wanted > known

    def current(self) -> Book | None:
        """Return the book if it may be handed out: valid, and not crossed."""
        if not self.sync.valid:
            return None
        if self.sync.book.crossed():
            self.distrust("its best bid is not below its best ask")
            return None
        if not self._reaches(self.sync.book):
            self.distrust("the market has left the levels that its first state reached")
            return None
        return self.sync.book

    def _reaches(self, book: Book) -> bool:
        """Say whether any row is proven; before that is so, ask for a new full book."""
        if book.depth is None or self.depth is None:
            return True
        bids, asks = book.proven()
        if (book.low and bids < book.depth) or (book.high < inf and asks < book.depth):
            few = min(bids if book.low else book.depth, asks if book.high < inf else book.depth)
            enough = min(self.depth * 5 // 4, book.depth * 3 // 4)
            if self.snapshot is None:  # a new one costs a subscription, not a question
                enough = min(self.depth, book.depth // 4)
            if few < enough:
                self.host.thin(self)
            return few > 0
        return True

    def distrust(self, reason: str) -> None:
        """Stop handing the book out and start it again; the stream itself goes on."""
        if self.sync.valid:
            self.resyncs += 1
        self.sync.invalidate()
        self.checks.forget()
        self.reason = reason
        self.adrift = True
        if self.healthy:
            self.host.care(self)  # at once: a market that goes quiet now would never remind us

    def lost(self, reason: str) -> None:
        """Note that updates may have been missed."""
        self.distrust(reason)
        self.needs_care = self.adrift = False  # only when deltas flow again

    def accept(self, events: Sequence[BookUpdate], now: float, wall_ns: int) -> None:
        """Take updates in the order of arrival."""
        symbol = self.symbol
        for event in events:
            if type(event) is not BookUpdate:
                continue  # a frame may tell a best bid and ask beside the book
            update = event if event.symbol == symbol else self.mine(event)
            if update is not None:
                update.received_ns = wall_ns
                self.feed(update, now)

    def hold_back(self, events: Sequence[Any], wall_ns: int) -> None:
        """Keep what the next connection of a rotation says: it may be ahead of this one."""
        for event in events:
            update = self.mine(event) if type(event) is BookUpdate else None
            if update is not None:
                update.received_ns = wall_ns
                self._ahead.append(update)

    def forget_ahead(self) -> None:
        """Drop what was held back: the connection that said it is lost."""
        self._ahead.clear()

    def switch(self, now: float) -> None:
        """Follow the next connection from here on; what this one has said too is stale."""
        updates = list(self._ahead)
        self._ahead.clear()
        for update in updates:
            self.feed(update, now)

    def feed(self, update: BookUpdate, now: float) -> Verdict | None:
        """Take one update; None if its rows were bad."""
        sync = self.sync
        if update.kind == "broken":
            self.distrust("the venue began its book anew")
            return None
        try:
            if not self.checks.on and sync.follow(update):
                self._push_one(update, now)
                return Verdict.APPLIED
            verdict = sync.feed(update)
        except BadLevel as exc:
            self.host.bad_row(self, update, f"bad level: {exc}")
            self.distrust(f"a level could not be true ({exc})")
            return None
        if verdict is Verdict.APPLIED:
            if not all(self.checks.agree(one, self.host.checksum) for one in sync.applied):
                self.distrust("its checksum differs from the venue's")
                return None
            self.adrift = False
            if update.kind != "delta" and self.snapshot is None:
                self.host.healed(self, now)
            self._push(sync.applied, now)
        elif verdict is Verdict.GAP:
            self.resyncs += 1
            self.checks.forget()
            self.reason = "an update was missed"
            self.needs_care = self.adrift = True
        elif verdict is Verdict.BUFFERED:
            self.data_at = now
            # The first state is asked for only once deltas flow: before that it may be too old
            # to link (the venues' own recipes say so).
            self.needs_care = True
        elif verdict is Verdict.STALE:
            self.duplicates += 1
        return verdict

    def renew(self, update: BookUpdate, now: float) -> None:
        """Take a full book under the valid one."""
        self.sync.renew(update)
        if self.sync.applied:
            self._push(self.sync.applied, now)

    def _push_one(self, update: BookUpdate, now: float) -> None:
        """Deliver an update to a book that has been delivered before: the path of nearly all."""
        ring = self.rows
        ring.append(update)
        self.data_at = now
        self.delivered += 1
        if self.followers:
            for follower in self.followers:
                follower.follow((update,), now)
        if self.waiters:
            self.wake()
        if len(ring.rows) >= KEPT_UPDATES:
            self._forget()

    def _push(self, rows: Sequence[Any], now: float) -> None:
        super()._push(rows, now)
        if len(self.rows.rows) >= KEPT_UPDATES:
            self._forget()

    def _forget(self) -> None:
        """Drop the updates that every reader has had."""
        ring = self.rows
        if not self.replicas:
            ring.forget(ring.head)
        elif len(ring.rows) % KEPT_UPDATES == 0:
            ring.forget(min(replica.position for replica in self.replicas))


class Replica:
    """A lossless reader's own copy of the book, moved update by update."""

    def __init__(self, stream: BookStream) -> None:
        self._stream = stream
        self.book: Book | None = None
        self.position = stream.rows.head
        stream.replicas.add(self)

    def seed(self) -> Book | None:
        """Jump to the present; None if there is no valid book."""
        current = self._stream.current()
        self.position = self._stream.rows.head
        self.book = current.copy() if current is not None else None
        return self.book

    def move(self, update: BookUpdate) -> Book | None:
        """Apply the next update; None while there is no first state."""
        self.position += 1
        book = self.book
        if book is None:
            if update.kind == "delta":
                return None
            book = self.book = Book(update.symbol, self._stream.sync.book.keeps)
        known = update.kind == "whole" and update.last_id is not None and update.last_id == book.nonce
        book.take(update)
        return None if known else book
