"""Streams: what consumers read. One stream is one kind of data of one market (or of all).

A stream takes events from its topics, keeps them in a ring, and wakes whoever waits. It knows
nothing of sockets; `Engine` tells it when its connection is lost. What is special to trades
(continuity by id, exactly-once recovery) and to books (synchronisation) is in their own
subclasses here and in `trades.py` and `books.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy
from math import inf
from typing import Any, Protocol, TypeAlias

from unified_ws.adapter import Route, Sub
from unified_ws.core.readers import Readers
from unified_ws.core.ring import Ring
from unified_ws.events import (
    BidAsk,
    BookUpdate,
    Candle,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Row,
    TextLevel,
    Ticker,
    Trade,
)
from unified_ws.facts import Kind

LatestRow: TypeAlias = Ticker | BidAsk | MarkPrice | FundingRate | OpenInterest
"""Rows of which the newest one of a market counts."""


class Waiter(Protocol):
    """What a waiting call leaves behind: an asyncio.Future, as far as the core can see."""

    def done(self) -> bool:
        """Say whether it has been settled."""

    def set_result(self, result: None, /) -> None:
        """Wake the call."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Fail the call."""


class Host(Protocol):
    """What a stream may ask of its engine."""

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Set a row aside that no market can have."""

    def renumbered(self, stream: Stream, last: Trade, row: Trade) -> None:
        """Note that the venue began to count its trades anew."""

    def care(self, stream: Stream) -> None:
        """Note that something must be fetched for the stream."""

    def anew(self, stream: Stream, now: float) -> None:
        """Have the venue tell a topic from the beginning."""

    def healed(self, stream: Stream, now: float) -> None:
        """Note that a book has got its first state in the stream."""

    def thin(self, stream: Stream) -> None:
        """Note that a book will soon reach less far than is wanted."""

    def first_data(self, stream: Stream) -> None:
        """Note that the stream delivers."""

    def checksum(self, bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> int:
        """Compute the venue's checksum over a book."""


class Stream:
    """One kind of data of one market, or of all markets of a type (`symbol` None).

    Attributes:
        rows: What came, in order.
        delivered: Rows delivered since the stream began; 0 until first contact.
        data_at: When data last came, monotonic seconds; -inf before.
        down_since: When its connection was lost, monotonic seconds; None while it is up.
        down_reason: Why, in words that name the hop.
        fatal: The error that ended the stream for good, or None.
        healthy: Acknowledged on a live connection (says nothing about data).
        needs_care: Something must be fetched or given up; `recovery.py` looks at it.
        source: The stream that this one is built from, where the venue has no channel for it.
        followers: The streams that are built from this one.
        wire_symbol: Under which symbol the venue's frames tell of this market: another one
            where two markets are the same at the venue.
    """

    def __init__(
        self, sub: Sub, routes: Sequence[Route], host: Host, *, buffer: int, take_over_s: float
    ) -> None:
        self.sub = sub
        self.kind: Kind = sub.kind
        self.symbol: str | None = sub.market.symbol if sub.market else None
        self.routes = tuple(routes)
        self.topics = tuple(route.topic for route in routes if route.poll is None)
        self.wire_symbol = self.symbol
        self.source: Stream | None = None
        self.followers: list[Stream] = []
        self.host = host
        self.rows: Ring[Any] = Ring(buffer)
        self.readers = Readers(take_over_s)
        self.waiters: set[Waiter] = set()
        self.holders: set[Hashable] = set()
        self.delivered = 0
        self.duplicates = 0
        self.overruns = 0
        self.data_at = -inf
        self.created_at = 0.0
        self.down_since: float | None = None
        self.down_reason = ""
        self.healthy = False
        self.needs_care = False
        self.fatal: BaseException | None = None
        self.latest: dict[str, Any] = {}

    def accept(self, events: Sequence[Any], now: float, wall_ns: int) -> None:
        """Take the events of one frame."""
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        """Note that data may have been missed from here on."""

    def joined(self, others: Sequence[Stream], now: float) -> None:
        """Begin on a topic that others have subscribed before: its first words have passed."""

    def renewed(self) -> None:
        """Note that a topic of this stream has been subscribed again."""

    def followed(self, source: Stream) -> None:
        """Begin to be built from another stream."""

    def follow(self, rows: Sequence[Any], now: float) -> None:
        """Take what the stream that this one is built from has got."""

    def mine(self, row: Any) -> Any:
        """Return `row` if it tells of this stream's market, under its own symbol; else None."""
        if self.symbol is None or row.symbol == self.symbol:
            return row
        if row.symbol != self.wire_symbol:
            return None
        row = copy(row)
        row.symbol = self.symbol
        return row

    def wake(self) -> None:
        """Let every waiting call look again."""
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Raise in every waiting call."""
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def _push(self, rows: Sequence[Any], now: float) -> None:
        self.rows.extend(rows)
        self.data_at = now
        if not self.delivered:
            self.host.first_data(self)
        self.delivered += len(rows)
        for follower in self.followers:
            follower.follow(rows, now)
        if self.waiters:
            self.wake()


_ROWS: dict[Kind, type[LatestRow]] = {
    Kind.TICKER: Ticker, Kind.BIDS_ASKS: BidAsk, Kind.MARK_PRICE: MarkPrice,
    Kind.FUNDING_RATE: FundingRate, Kind.OPEN_INTEREST: OpenInterest,
}  # fmt: skip
_SUBJECT: dict[Kind, tuple[str, ...]] = {
    Kind.TICKER: ("last", "bid", "ask"), Kind.BIDS_ASKS: ("bid", "ask"),
    Kind.MARK_PRICE: ("mark_price", "index_price"), Kind.FUNDING_RATE: ("funding_rate",),
    Kind.OPEN_INTEREST: ("open_interest_amount", "open_interest_value"),
}  # fmt: skip
"""What a row must tell to be worth a look: a partial one before a full one may not."""


class RowStream(Stream):
    """Tickers, best bid and ask, mark prices...: the newest row of a market counts.

    Several kinds may share a topic: each takes the rows of its own type. A partial row is
    completed from the last one; a best bid and ask may come as a small whole book.

    During a rotation two connections carry the same topic: rows without a number of their own
    are taken from one of them only (the engine sees to it), numbered ones from the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[str, Any] = {}
        self._type = _ROWS[self.kind]
        self._subject = _SUBJECT[self.kind]
        self._late = False

    def lost(self, reason: str) -> None:
        """Compare with nothing from before a loss: a venue may have begun to count anew."""
        self._seen.clear()
        self._late = False

    def joined(self, others: Sequence[Stream], now: float) -> None:
        """Take what another stream of this kind knows, or else wait for a full row."""
        for other in others:
            if isinstance(other, RowStream) and other.kind is self.kind:
                known = (self.mine(row) for row in other._seen.values())
                self._seen = {row.symbol: row for row in known if row is not None}
                return
        self._late = True

    def renewed(self) -> None:
        """Take partial rows as they come: a full one would have come by now."""
        self._late = False

    def accept(self, events: Sequence[Any], now: float, wall_ns: int) -> None:
        """Take rows that are not older than what we have."""
        rows = []
        latest, seen, wanted = self.latest, self._seen, self._type
        # A frame may tell its best bid and ask both as such and as a whole book.
        as_book = wanted is BidAsk and not any(type(event) is BidAsk for event in events)
        for event in events:
            row = event
            if type(row) is not wanted:
                row = quote_of(event) if as_book else None
                if row is None:
                    continue
            if row.symbol != self.symbol and self.symbol is not None:
                row = self.mine(row)
                if row is None:
                    continue
            if not plausible(row):
                self.host.bad_row(self, row, "a price or amount that no market can have")
                continue
            old = seen.get(row.symbol)
            if old is not None and _older(row, old):
                self.duplicates += 1
                continue
            partial = getattr(row, "partial", False)
            if partial and old is not None:
                row = completed(row, old)
            elif partial and self._late:
                # The full row came before this stream: have the venue say it again.
                self.host.anew(self, now)
                continue
            row.received_ns = wall_ns
            seen[row.symbol] = row
            if partial and all(getattr(row, name) is None for name in self._subject):
                continue  # the first partial rows may not tell what this stream is about
            latest[row.symbol] = row
            rows.append(row)
        if rows:
            self._push(rows, now)


class CandleStream(Stream):
    """Candles of one market and timeframe; the newest version of each is kept by its start."""

    def __init__(self, *args: Any, limit: int = 1000, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by_open: dict[int, Candle] = {}
        self.limit = limit

    def accept(self, events: Sequence[Candle], now: float, wall_ns: int) -> None:
        """Take new versions of candles."""
        rows: list[Candle] = []
        for event in events:
            row = self.mine(event)
            if row is None:
                continue
            if not plausible(row):
                self.host.bad_row(self, row, "a price or amount that no market can have")
                continue
            old = self.by_open.get(row.open_ms)
            if old is not None and _repeats(row, old):
                self.duplicates += 1
                continue
            row.received_ns = wall_ns
            if old is None:
                self._close_before(row, rows)
            self.by_open[row.open_ms] = row
            rows.append(row)
        while len(self.by_open) > self.limit:
            del self.by_open[next(iter(self.by_open))]
        if rows:
            self._push(rows, now)


    def _close_before(self, row: Candle, rows: list[Candle]) -> None:
        """Close the newest candle where the venue does not: a later one has begun."""
        newest = next(reversed(self.by_open.values()), None)
        if newest is None or newest.closed is not None or newest.open_ms >= row.open_ms:
            return
        if row.closed is not None:
            return
        last = copy(newest)
        last.closed, last.as_ccxt = True, None
        last.received_ns = row.received_ns
        self.by_open[last.open_ms] = last
        rows.append(last)


def quote_of(event: Any) -> BidAsk | None:
    """Return the best bid and ask of a whole book; None of anything else."""
    if type(event) is not BookUpdate or event.kind not in ("snapshot", "whole"):
        return None
    bid: Any = max(event.bids, default=(None, None))
    ask: Any = min(event.asks, default=(None, None))
    return BidAsk(
        event.symbol, event.timestamp_ms, bid[0], bid[1], ask[0], ask[1], event.last_id, {}
    )


def completed(row: Any, old: Any) -> Any:
    """Return a partial row with what it leaves out as it was before."""
    row = copy(row)
    for name in row.__struct_fields__:
        if getattr(row, name) is None:
            setattr(row, name, getattr(old, name))
    info, before = row.info, old.info
    if isinstance(info, dict) and isinstance(before, dict):
        row.raw = {**before, **info}
    row.partial = False
    row.as_ccxt = None
    return row


def plausible(row: Row) -> bool:
    """Say whether every price and amount is finite and not negative."""
    if isinstance(row, BidAsk):
        values: tuple[float | None, ...] = (row.bid, row.bid_volume, row.ask, row.ask_volume)
    elif isinstance(row, Candle):
        values = (row.open, row.high, row.low, row.close, row.volume)
    elif isinstance(row, Ticker):
        values = (
            row.last, row.bid, row.ask, row.open, row.high, row.low, row.bid_volume,
            row.ask_volume, row.base_volume, row.quote_volume,
        )  # fmt: skip
    elif isinstance(row, MarkPrice):
        values = (row.mark_price, row.index_price)
    elif isinstance(row, FundingRate):
        rates = (row.funding_rate, row.next_funding_rate)
        return all(value is None or -inf < value < inf for value in rates)
    elif isinstance(row, OpenInterest):
        values = (row.open_interest_amount, row.open_interest_value)
    elif isinstance(row, Liquidation):
        values = (row.price, row.contracts)
    else:
        values = (row.price, row.amount)
    return all(value is None or 0.0 <= value < inf for value in values)


def _repeats(row: Candle, old: Candle) -> bool:
    """Say whether a second connection repeats a version of a candle that we have."""
    if row.timestamp_ms is not None and old.timestamp_ms is not None:
        return row.timestamp_ms <= old.timestamp_ms
    return bool(old.closed and not row.closed)


def _older(row: LatestRow, old: LatestRow) -> bool:
    """Say whether `row` repeats or precedes `old`, as a second connection makes them do."""
    mine, theirs = getattr(row, "number", None), getattr(old, "number", None)
    if mine is not None and theirs is not None:
        return bool(mine <= theirs)
    if row.timestamp_ms is None or old.timestamp_ms is None:
        return False
    if row.timestamp_ms == old.timestamp_ms:
        return not getattr(row, "partial", False) and _told(row) == _told(old)
    return row.timestamp_ms < old.timestamp_ms


def _told(row: LatestRow) -> tuple[object, ...]:
    """Return what tells two rows of the same instant apart."""
    if isinstance(row, Ticker):
        return row.last, row.base_volume, row.bid, row.ask
    if isinstance(row, BidAsk):
        return row.bid, row.bid_volume, row.ask, row.ask_volume
    if isinstance(row, MarkPrice):
        return row.mark_price, row.index_price
    if isinstance(row, FundingRate):
        return row.funding_rate, row.funding_timestamp_ms, row.mark_price
    return row.open_interest_amount, row.open_interest_value
