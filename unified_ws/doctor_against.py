"""The same markets, for the same seconds, through another client: who lost what?

The other client is any module that looks like ccxt's own (`ccxt.pro`): it is imported by the name
that the user gives. Both get the same markets, gateway and environment, and each its own
connections.

Trades are compared from the first to the last one that both have had, by id: `missing` ones the
other side has, `doubled` ones came twice, `different` ones have another price, amount, side or
time. Best bids and asks are compared with the venue's own word, its stream of best bids and asks,
wherever both name the same update id; and with each other at the same update id.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from unified_ws.doctor_books import Top, top_of
from unified_ws.errors import CCXT_ERRORS
from unified_ws.exchange import Exchange

_KEPT = 200_000
_AGAIN_S = 0.5
_HEAD_START_S = 1.0
_APART_S = 0.2
"""Venues count what comes from one address: the other client begins when ours has subscribed."""
_CLOSE_S = 5.0
_FIELDS = ("timestamp", "side", "price", "amount")
Key: TypeAlias = tuple[Any, ...] | str


class SideSeen(msgspec.Struct):
    """What one side had of one market."""

    trades: int = 0
    missing: int = 0
    doubled: int = 0
    different: int = 0
    books: int = 0
    tops_compared: int = 0
    tops_wrong: int = 0
    crossed: int = 0
    errors: dict[str, int] = {}


class Compared(msgspec.Struct):
    """One market, both sides: over the trades `common` to both, and books of the same id.

    `unlike` counts by field what the same trade has otherwise on the other side.
    """

    symbol: str
    ours: SideSeen
    theirs: SideSeen
    unlike: dict[str, int] = {}
    common: int = 0
    same_books: int = 0
    unlike_books: int = 0


class Tape:
    """What one side has had of one market."""

    def __init__(self) -> None:
        self.trades: list[Key] = []
        self.rows: dict[Key, tuple[Any, ...]] = {}
        self.tops: OrderedDict[int, Top] = OrderedDict()
        self.books = 0
        self.crossed = 0
        self.errors: Counter[str] = Counter()

    def trade(self, row: Mapping[str, Any]) -> None:
        """Note one trade."""
        values = tuple(row[name] for name in _FIELDS)
        # A venue without ids leaves only what a trade says of itself.
        key: Key = str(row["id"]) if row.get("id") is not None else values
        if len(self.trades) < _KEPT:
            self.trades.append(key)
            self.rows.setdefault(key, values)

    def book(self, book: Mapping[str, Any]) -> None:
        """Note one book."""
        self.books += 1
        top = top_of(book)
        self.crossed += top is not None and top[0] >= top[1]
        if book.get("nonce") is not None:
            self.tops[book["nonce"]] = top
            if len(self.tops) > _KEPT:
                self.tops.popitem(last=False)


class Against:
    """Another client beside ours.

    Args:
        ex: Our exchange object, whose markets are known.
        module: The name of the other client's module.
        symbols: The markets.

    Raises:
        BadRequest: There is no such module, or it does not have the venue.
    """

    def __init__(self, ex: Exchange, module: str, symbols: list[str]) -> None:
        self.module = module
        self._ex = ex
        self.ours = {symbol: Tape() for symbol in symbols}
        self.theirs = {symbol: Tape() for symbol in symbols}
        self.witness: dict[str, dict[int, Top]] = {symbol: {} for symbol in symbols}
        self._other = self._made()

    def _made(self) -> Any:
        ccxt_id = self._ex.adapter_class.venue.ccxt_id
        try:
            found = getattr(importlib.import_module(self.module), ccxt_id)
        except (ImportError, AttributeError) as error:
            text = f"{self.module} has no {ccxt_id} to compare with ({error})"
            raise CCXT_ERRORS["BadRequest"](text) from error
        other = found({"enableRateLimit": True, "options": {"tradesLimit": _KEPT}})
        status = self._ex.status()
        if status["environment"] == "testnet":
            other.set_sandbox_mode(True)
        elif status["environment"] == "demo":
            other.enable_demo_trading(True)
        # The markets once for both: the venue's REST is not there for us to ask twice.
        other.set_markets(self._ex.rest.markets, self._ex.rest.currencies)
        if status["gateway"]:
            _redirect(other, status["gateway"])
        return other

    async def run(self) -> None:
        """Follow both sides, for ever."""
        self._other.open()
        async with asyncio.TaskGroup() as group:
            for symbol in self.witness if self._ex.has.get("watchBidsAsks") else ():
                group.create_task(self._testify(symbol))
            await asyncio.sleep(_HEAD_START_S)
            for symbol, tape in self.theirs.items():
                for method, note in (
                    ("watch_trades", _each(tape.trade)), ("watch_order_book", tape.book)
                ):  # fmt: skip
                    group.create_task(self._follow(tape, method, symbol, note))
                    await asyncio.sleep(_APART_S)

    async def _follow(
        self, tape: Tape, method: str, symbol: str, note: Callable[[Any], None]
    ) -> None:
        while True:
            try:
                note(await getattr(self._other, method)(symbol))
            except Exception as error:
                tape.errors[f"{method}: {type(error).__name__}"] += 1
                await asyncio.sleep(_AGAIN_S)

    async def _testify(self, symbol: str) -> None:
        with contextlib.suppress(CCXT_ERRORS["BaseError"]):  # its own method's row says why
            async for row in self._ex.stream_bids_asks([symbol]):
                if row.number is not None and row.bid and row.ask:
                    self.witness[symbol][row.number] = (row.bid, row.ask)

    async def close(self) -> None:
        """Close the other client."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._other.close(), _CLOSE_S)

    def found(self) -> list[Compared]:
        """Compare what both have had so far."""
        return [self._compared(symbol) for symbol in self.ours]

    def _compared(self, symbol: str) -> Compared:
        ours, theirs = self.ours[symbol], self.theirs[symbol]
        common = ours.rows.keys() & theirs.rows.keys()
        mine, others = _between(ours.trades, common), _between(theirs.trades, common)
        different = sum(ours.rows[key] != theirs.rows[key] for key in common)
        pairs = [zip(_FIELDS, ours.rows[k], theirs.rows[k], strict=True) for k in common]
        unlike = Counter(name for pair in pairs for name, a, b in pair if a != b)
        same = ours.tops.keys() & theirs.tops.keys()
        said = self.witness[symbol]
        return Compared(
            symbol, _side(ours, mine, others, different, said),
            _side(theirs, others, mine, different, said), dict(unlike), len(common), len(same),
            sum(ours.tops[number] != theirs.tops[number] for number in same),
        )  # fmt: skip


def _side(
    tape: Tape, here: Counter[Key], there: Counter[Key], different: int, said: Mapping[int, Top]
) -> SideSeen:
    heard = [(top, said[number]) for number, top in tape.tops.items() if number in said]
    return SideSeen(
        trades=len(tape.trades), missing=sum(_lacking(key, there, here) for key in there),
        doubled=sum(_beyond(key, here, there) for key in here), different=different,
        books=tape.books, tops_compared=len(heard),
        tops_wrong=sum(top != true for top, true in heard), crossed=tape.crossed,
        errors=dict(tape.errors),
    )  # fmt: skip


def _between(trades: list[Key], common: set[Key]) -> Counter[Key]:
    """Return the trades from the first to the last one that both sides have had."""
    places = [place for place, key in enumerate(trades) if key in common]
    return Counter(trades[places[0] : places[-1] + 1]) if places else Counter()


def _lacking(key: Key, there: Counter[Key], here: Counter[Key]) -> int:
    """Count what one side has not had of a trade; without ids, equal ones are told by number."""
    return max(0, there[key] - here[key]) if isinstance(key, tuple) else int(not here[key])


def _beyond(key: Key, here: Counter[Key], there: Counter[Key]) -> int:
    """Count how often a trade came too much."""
    return max(0, here[key] - (max(1, there[key]) if isinstance(key, tuple) else 1))


def _each(note: Callable[[Any], None]) -> Callable[[list[Any]], None]:
    def notes(rows: list[Any]) -> None:
        for row in rows:
            note(row)

    return notes


def _redirect(other: Any, gateway: str) -> None:
    """Send all REST and all sockets of a client through a gateway, as ours go."""
    fetch, client = other.fetch, other.client

    def through(url: str) -> str:
        if url.startswith(gateway) or urlsplit(url).hostname == urlsplit(gateway).hostname:
            return url
        scheme, _, rest = url.partition("://")
        base = "ws" + gateway.removeprefix("http") if scheme.startswith("ws") else gateway
        return f"{base}/{rest}"

    def fetch_there(url: str, *args: Any, **kwargs: Any) -> Any:
        return fetch(through(url), *args, **kwargs)

    other.fetch = fetch_there
    other.client = lambda url: client(through(url))


__all__ = ["Against", "Compared", "SideSeen", "Tape"]
