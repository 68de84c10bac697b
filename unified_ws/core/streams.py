"""Streams: what consumers read. One stream is one kind of data of one market (or of all).

A stream takes events from its topics, keeps them in a ring, and wakes whoever waits. It knows
nothing of sockets; `Engine` tells it when its connection is lost. What is special to trades
(continuity by id, exactly-once recovery) and to books (synchronisation) is in their own
subclasses here and in `trades.py` and `books.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import inf
from typing import Any, Protocol

from unified_ws.adapter import Route, Sub
from unified_ws.core.readers import Readers
from unified_ws.core.ring import Ring
from unified_ws.events import BidAsk, BookUpdate, Candle, Row, Ticker, Trade
from unified_ws.facts import Kind


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

    def thin(self, stream: Stream) -> None:
        """Note that a book will soon reach less far than is wanted."""

    def first_data(self, stream: Stream) -> None:
        """Note that the stream delivers."""


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
    """

    def __init__(self, sub: Sub, routes: Sequence[Route], host: Host, *, buffer: int, take_over_s: float) -> None:
        self.sub = sub
        self.kind: Kind = sub.kind
        self.symbol: str | None = sub.market.symbol if sub.market else None
        self.routes = tuple(routes)
        self.topics = tuple(route.topic for route in routes)
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
        if self.waiters:
            self.wake()


class RowStream(Stream):
    """Tickers and best bid/ask: each row stands by itself, the newest one counts.

    During a rotation two connections carry the same topic: rows without a number of their own
    are taken from one of them only (the engine sees to it), numbered ones from the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[str, Any] = {}

    def lost(self, reason: str) -> None:
        """Compare with nothing from before a loss: a venue may have begun to count anew."""
        self._seen.clear()

    def accept(self, events: Sequence[Any], now: float, wall_ns: int) -> None:
        """Take rows that are not older than what we have."""
        rows = []
        latest, seen = self.latest, self._seen
        for row in events:
            if not _plausible(row):
                self.host.bad_row(self, row, "a price or amount that no market can have")
                continue
            old = seen.get(row.symbol)
            if old is not None and _older(row, old):
                self.duplicates += 1
                continue
            row.received_ns = wall_ns
            latest[row.symbol] = seen[row.symbol] = row
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
        rows = []
        for row in events:
            if not _plausible(row):
                self.host.bad_row(self, row, "a price or amount that no market can have")
                continue
            old = self.by_open.get(row.open_ms)
            if old is not None and _repeats(row, old):
                self.duplicates += 1
                continue
            row.received_ns = wall_ns
            self.by_open[row.open_ms] = row
            rows.append(row)
        while len(self.by_open) > self.limit:
            del self.by_open[next(iter(self.by_open))]
        if rows:
            self._push(rows, now)


def _plausible(row: Row) -> bool:
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
    else:
        values = (row.price, row.amount)
    return all(value is None or 0.0 <= value < inf for value in values)


def _repeats(row: Candle, old: Candle) -> bool:
    """Say whether a second connection repeats a version of a candle that we have."""
    if row.timestamp_ms is not None and old.timestamp_ms is not None:
        return row.timestamp_ms <= old.timestamp_ms
    return bool(old.closed and not row.closed)


def _older(row: Ticker | BidAsk, old: Ticker | BidAsk) -> bool:
    """Say whether `row` repeats or precedes `old`, as a second connection makes them do."""
    mine, theirs = getattr(row, "number", None), getattr(old, "number", None)
    if mine is not None and theirs is not None:
        return bool(mine <= theirs)
    if row.timestamp_ms is None or old.timestamp_ms is None:
        return False
    if row.timestamp_ms == old.timestamp_ms and isinstance(row, Ticker) and isinstance(old, Ticker):
        return (row.last, row.base_volume, row.bid) == (old.last, old.base_volume, old.bid)
    return row.timestamp_ms < old.timestamp_ms


def valid_trade(row: Trade) -> bool:
    """Say whether a market can have had this trade."""
    return 0.0 < row.price < inf and 0.0 <= row.amount < inf
