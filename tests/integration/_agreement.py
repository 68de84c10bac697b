"""ccxt.pro and this library as clients of one venue: their dicts agree, field by field.

A `Case` is one call, made on both again and again while the market moves a tick at a time. What
both deliver must be equal but for what the venue's table explains, `{case: {field: reason}}`, and
a difference that has gone must leave the table, too. The books of both are beside the market's
own (`Truth`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import ccxt.pro

import unified_ws
from tests.support import redirect
from unified_ws.testing import FakeVenue, Replay

Pair: TypeAlias = tuple[unified_ws.Exchange, Any]
Explained: TypeAlias = Mapping[str, str]
_QUIET_TURNS = 60


class Case(NamedTuple):
    """One call, made on both.

    Attributes:
        call: On an exchange object.
        items: The comparable things of one answer, by what tells them apart.
        topics: What the venue sees of it, when both have subscribed; empty: whatever they do.
        ticks: How far the market moves.
        lossy: ccxt keeps only the last of what comes at once, so that its items may be fewer.
        least: How many items both must have delivered.
        beside: Topics that only one of them holds, such as a heartbeat channel of ours.
    """

    call: Callable[[Any], Awaitable[Any]]
    items: Callable[[Any], dict[Any, Any]]
    topics: Sequence[str] = ()
    ticks: int = 30
    lossy: bool = False
    least: int = 3
    beside: Sequence[str] = ()


# --- how answers are taken apart -----------------------------------------------------------


def trades(answer: Any) -> dict[Any, Any]:
    """Trades by market and id."""
    return {(t["symbol"], t["id"]): t for t in answer}


def book(answer: Any) -> dict[Any, Any]:
    """A book by market and update id, as it is now: ccxt's goes on changing."""
    sides = {side: [row[:2] for row in answer[side]] for side in ("bids", "asks")}
    return {(answer["symbol"], answer["nonce"]): {**answer, **sides}}


def book_by_time(answer: Any) -> dict[Any, Any]:
    """A book by market and time, for venues whose books have no update id."""
    (one,) = book(answer).values()
    return {(answer["symbol"], answer["timestamp"]): one}


def tickers(answer: Any) -> dict[Any, Any]:
    """Tickers by market and what the venue said."""
    return {(symbol, json.dumps(t["info"], sort_keys=True)): t for symbol, t in answer.items()}


def ticker(answer: Any) -> dict[Any, Any]:
    """One ticker likewise; also a mark price, a funding rate or an open interest."""
    return tickers({answer["symbol"]: answer})


def listed(answer: Any) -> dict[Any, Any]:
    """A list of dicts without ids, such as liquidations, by market and what the venue said."""
    return {(row["symbol"], json.dumps(row["info"], sort_keys=True)): row for row in answer}


def candles(answer: Any) -> dict[Any, Any]:
    """Versions of candles."""
    return {tuple(row): row[:] for row in answer}


def many_candles(answer: Any) -> dict[Any, Any]:
    """Versions of candles of several markets."""
    return {
        (symbol, timeframe, *row): row[:]
        for symbol, frames in answer.items()
        for timeframe, rows in frames.items()
        for row in rows
    }


# --- how they are compared -----------------------------------------------------------------


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Yield the fields in which two answers differ, be it in keys, types or values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*theirs, *(k for k in ours if k not in theirs)]:
            inner = f"{place}.{key}".lstrip(".")
            if key not in ours or key not in theirs:
                yield f"{inner} (only {'ccxt' if key in theirs else 'ours'} has it)"
            else:
                yield from differences(ours[key], theirs[key], inner)
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(ours) != len(theirs):
            yield place
        for mine, other in zip(ours, theirs, strict=False):
            yield from differences(mine, other, place)
    elif type(ours) is not type(theirs) or ours != theirs:
        yield place


def compared(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> set[str]:
    """Return the fields in which things that both have differ."""
    return {
        field
        for key in ours.keys() & theirs.keys()
        for field in differences(ours[key], theirs[key])
    }


class Reader:
    """Calls one method again and again and keeps what is new."""

    def __init__(self, case: Case, exchange: Any) -> None:
        self.found: dict[Any, Any] = {}
        self._task = asyncio.ensure_future(self._read(case, exchange))

    async def _read(self, case: Case, exchange: Any) -> None:
        while True:
            self.found.update(case.items(await case.call(exchange)))

    @property
    def dead(self) -> bool:
        """Say whether the call has raised."""
        return self._task.done()

    async def stop(self) -> dict[Any, Any]:
        """End it, or raise what it died of; return what it found."""
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self.found


class Traffic:
    """What passes between a venue and its two clients, and when there is no more of it.

    Attributes:
        frames: Frames that ours has read and written.
        messages: Messages that ccxt's handlers were given.
        sent: Payloads that the venue has published to somebody.
        pause_after: A replay pauses after so many of these; 0: never.
    """

    def __init__(self, venue: FakeVenue | Replay, ours: unified_ws.Exchange, theirs: Any) -> None:
        self.frames = self.messages = self.sent = self.pause_after = 0
        self._venue, self._publish, self._handle = venue, venue.publish, theirs.handle_message
        venue.publish = self._published  # type: ignore[method-assign]
        theirs.handle_message = self._handled
        ours.tap(self._tapped)

    def _published(self, topic: str, payload: bytes) -> None:
        self.sent += topic in self._venue.topics
        self._publish(topic, payload)
        if self.pause_after and self.sent % self.pause_after == 0 and isinstance(self._venue, Replay):
            self._venue.pause()

    def _handled(self, client: Any, message: Any) -> None:
        self.messages += 1
        self._handle(client, message)

    def _tapped(self, _connection: int, _direction: str, _frame: bytes) -> None:
        self.frames += 1

    async def settle(self) -> None:
        """Wait until nothing moves any more: no frame, no request, for many turns of the loop."""
        last, turns = None, 0
        while turns < _QUIET_TURNS:
            stats = self._venue.stats
            now = (
                self.frames, self.messages, self.sent, len(stats.rest), len(stats.requests),
                stats.connections,
            )  # fmt: skip
            turns = turns + 1 if now == last else 0
            last = now
            await asyncio.sleep(0)


class Truth:
    """Every book that the market of a fake had."""

    def __init__(self, venue: FakeVenue) -> None:
        self._venue = venue
        self._books: dict[tuple[str, int], dict[str, list[list[float]]]] = {}

    def note(self) -> None:
        """Remember the books of this moment."""
        for symbol in self._venue.market.symbols:
            now = self._venue.market.book(symbol)
            sides = {"bids": now.bids, "asks": now.asks}
            self._books[symbol, now.last_id] = {
                side: [[float(price), float(amount)] for price, amount in rows]
                for side, rows in sides.items()
            }

    def wrong(self, found: Mapping[Any, Any], known: int = 900) -> list[Any]:
        """Return the books whose rows are not the market's best ones.

        Args:
            found: Books by (symbol, update id).
            known: Of rows further down no client can know all: a snapshot by REST has 1000.
        """
        return [
            key
            for key, handed_out in found.items()
            if key in self._books
            for side in ("bids", "asks")
            if handed_out[side][:known]
            != self._books[key][side][: len(handed_out[side])][:known]
        ]


# --- running a case ------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def clients(
    venue: str,
    gateway: str,
    *,
    ccxt_id: str | None = None,
    ours: Mapping[str, Any] | None = None,
    theirs: Mapping[str, Any] | None = None,
) -> AsyncIterator[Pair]:
    """Give our object and ccxt.pro's, both with their markets loaded from the same gateway.

    Args:
        venue: Our id.
        gateway: The address of the fake or the replay.
        ccxt_id: ccxt's class where it has another name.
        ours: Configuration of our object.
        theirs: Configuration of ccxt's.
    """
    mine = unified_ws.exchange(venue, {"gateway": gateway, **(ours or {})})
    other = redirect(
        getattr(ccxt.pro, ccxt_id or venue)({"enableRateLimit": False, **(theirs or {})}), gateway
    )
    other.timeout_on_exit = 0
    try:
        await asyncio.gather(mine.load_markets(), other.load_markets())
        yield mine, other
    finally:
        await mine.close()
        await other.close()


class Agreement(NamedTuple):
    """What both have delivered, and the fields in which it differs."""

    ours: dict[Any, Any]
    theirs: dict[Any, Any]
    fields: set[str]


async def run(case: Case, venue: FakeVenue, pair: Pair, truth: Truth | None = None) -> Agreement:
    """Make the call of a case on both while the market moves; return what both have got.

    Args:
        case: The call.
        venue: A paused fake.
        pair: Both clients.
        truth: Where the market's books are noted after each tick.
    """
    ours, theirs = pair
    traffic = Traffic(venue, ours, theirs)
    readers = Reader(case, ours), Reader(case, theirs)
    try:
        if case.topics:
            held = {**dict.fromkeys(case.topics, 2), **dict.fromkeys(case.beside, 1)}
            with contextlib.suppress(TimeoutError):
                await venue.until(lambda: venue.topics == held or any(r.dead for r in readers))
            if not any(r.dead for r in readers):
                assert venue.topics == held, venue.topics
        await traffic.settle()
        for _ in range(case.ticks):
            await venue.step()
            await traffic.settle()
            if truth is not None:
                truth.note()
    finally:
        mine, other = [await reader.stop() for reader in readers]
    return Agreement(mine, other, compared(mine, other))


_BY_CHANCE = frozenset({"timestamp", "datetime"})


async def agree(
    case: Case,
    venue: FakeVenue,
    pair: Pair,
    explained: Explained,
    *,
    by_chance: frozenset[str] = _BY_CHANCE,
) -> Agreement:
    """Run a case and assert that both deliver the same, but for what is explained.

    Args:
        case: The call.
        venue: A paused fake.
        pair: Both clients.
        explained: Fields that differ, with the reasons; each of them must really differ.
        by_chance: Fields among these that need not differ every time: which update a snapshot by
            REST hits is chance, and its state has no time.
    """
    is_book = case.items in (book, book_by_time)
    truth = Truth(venue) if is_book else None
    found = await run(case, venue, pair, truth)
    unexplained = found.fields - set(explained)
    gone = set(explained) - found.fields - by_chance
    assert (unexplained, gone) == (set(), set()), f"{unexplained=}, explained but {gone=}"
    if not case.lossy:
        alone = found.ours.keys() ^ found.theirs.keys()
        assert not alone, (
            f"only one has {[key for key in found.ours if key in alone]} and "
            f"{[key for key in found.theirs if key in alone]}"
        )
    shared = len(found.ours.keys() & found.theirs.keys())
    assert shared >= case.least, f"{shared} of {len(found.ours)} and {len(found.theirs)} shared"
    if truth is not None and case.items is book:
        assert (wrong := truth.wrong(found.ours)) == [], wrong
    return found
