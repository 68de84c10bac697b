"""Order books under examination: by themselves, and beside what REST says of the same moment."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from unified_ws.exchange import Exchange

Top: TypeAlias = tuple[float, float] | None
"""Best bid and ask; None of a book that lacks a side."""
_KEPT = 600
_ROWS = 10
"""Levels a side that are compared."""
_WAIT_S = 3.0
"""How long a stream may take to reach the update that REST has told of."""
_LIMIT = 20


class BookSeen(msgspec.Struct):
    """What the books of one market were like.

    `ids_fell` counts books whose update id was lower than that of the one before, `crossed` those
    with a bid not below the ask, `disordered` those with levels out of order or without an
    amount. `checksums` are those that were computed and agreed. REST books were `compared` at the
    very update id, `equal` of them level by level; where no stream's book has that id, `nearby`
    counts those whose best bid and ask the stream has shown within seconds, and `unlike` those it
    has not.
    """

    symbol: str
    books: int = 0
    rows: int = 0
    ids_fell: int = 0
    crossed: int = 0
    disordered: int = 0
    resyncs: int | None = None
    checksums: int | None = None
    compared: int = 0
    equal: int = 0
    nearby: int = 0
    unlike: int = 0
    said: str = ""


class BookWatch:
    """The books of one market, as they come."""

    def __init__(self, symbol: str) -> None:
        self.seen = BookSeen(symbol)
        self._by_id: OrderedDict[int, tuple[list[Any], list[Any]]] = OrderedDict()
        self._tops: OrderedDict[tuple[Any, Any], None] = OrderedDict()
        self._last_id: int | None = None
        self._news = asyncio.Event()

    def note(self, book: Mapping[str, Any]) -> None:
        """Judge one book."""
        seen, bids, asks, number = self.seen, book["bids"], book["asks"], book.get("nonce")
        seen.books += 1
        seen.rows = len(bids) + len(asks)
        seen.disordered += not (_ordered(bids, down=True) and _ordered(asks, down=False))
        if bids and asks:
            seen.crossed += bids[0][0] >= asks[0][0]
            self._tops[bids[0][0], asks[0][0]] = None
            self._tops.move_to_end((bids[0][0], asks[0][0]))
        if number is not None:
            seen.ids_fell += self._last_id is not None and number < self._last_id
            self._last_id = number
            self._by_id[number] = (_cut(bids), _cut(asks))
        for kept in (self._by_id, self._tops):
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        self._news.set()

    async def compare(self, ex: Exchange) -> None:
        """Ask REST for the book, and look for the same update among those of the stream."""
        await self._until_books()
        try:
            theirs = await ex.fetch_order_book(self.seen.symbol, _LIMIT)
        except Exception as error:  # a comparison that cannot be made is no fault of the stream
            self.seen.said = f"no book by REST: {str(error).partition(chr(10))[0]}"
            return
        number = theirs.get("nonce")
        try:
            async with asyncio.timeout(_WAIT_S):
                while number is not None and (self._last_id or 0) < number:
                    await self._next()
                if number not in self._by_id:
                    await self._next()  # a top that REST saw first may come right now
        except TimeoutError:
            pass  # a quiet market: what there is will do
        self._judge(theirs, number)

    def _judge(self, theirs: Mapping[str, Any], number: int | None) -> None:
        seen, mine = self.seen, self._by_id.get(number) if number is not None else None
        bids, asks = _cut(theirs["bids"]), _cut(theirs["asks"])
        if mine is not None:
            seen.compared += 1
            rows = [min(len(a), len(b)) for a, b in zip(mine, (bids, asks), strict=True)]
            same = mine[0][: rows[0]] == bids[: rows[0]] and mine[1][: rows[1]] == asks[: rows[1]]
            seen.equal += same
            if not same:
                seen.said = f"differs from REST at update {number}"
        elif bids and asks:
            shown = (bids[0][0], asks[0][0]) in self._tops
            seen.nearby += shown
            seen.unlike += not shown

    async def _until_books(self) -> None:
        while not self.seen.books:
            await self._next()

    async def _next(self) -> None:
        self._news.clear()
        await self._news.wait()


def top_of(book: Mapping[str, Any]) -> Top:
    """Return the best bid and ask of a book."""
    bids, asks = book["bids"], book["asks"]
    return (float(bids[0][0]), float(asks[0][0])) if bids and asks else None


def _cut(rows: Sequence[Any]) -> list[Any]:
    # Some venues' rows hold more than price and amount, such as the number of orders.
    return [[float(row[0]), float(row[1])] for row in rows[:_ROWS]]


def _ordered(rows: Sequence[Any], *, down: bool) -> bool:
    # Reading a thousand levels of each book would cost more than the stream itself.
    prices = [row[0] for row in rows[: 5 * _ROWS]]
    right = all((a > b) if down else (a < b) for a, b in pairwise(prices))
    return right and all(row[1] > 0 for row in rows[: 5 * _ROWS])


__all__ = ["BookSeen", "BookWatch", "Top", "top_of"]
