"""ccxt.pro and this library read the same venue: their dicts agree field by field.

Both are clients of one fake (or of one recorded session); what differs is in `DIFFERENCES`, with
its reason, and nothing else may. A difference that has gone must leave the table, too.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ccxt.pro
import msgspec
import pytest
import pytest_asyncio

import unified_ws
from tests.support import recording, redirect, until
from unified_ws.testing import FakeVenue, MarketModel, Replay
from unified_ws.testing.market import Spec, spec_of

BTC, ETH, SHIB = "BTC/USDT", "ETH/USDT", "SHIB/USDT"
CHEAP = Spec(SHIB, "SHIB", "USDT", 1, 10**8, 9_150)  # 0.0000915: Python writes 9.15e-05
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks

DIFFERENCES: Mapping[str, Mapping[str, str]] = {}
"""By case, then by the place in the dict: why ours is another. `*` is any element of a list."""


class Case(NamedTuple):
    """One call, made on both.

    Attributes:
        call: On an exchange object.
        items: The comparable things of one answer, by what tells them apart.
        topics: What the venue sees of it.
        ticks: How far the market moves.
    """

    call: Callable[[Any], Awaitable[Any]]
    items: Callable[[Any], dict[Any, Any]]
    topics: Sequence[str]
    ticks: int = 30


# --- how answers are taken apart -----------------------------------------------------------


def trades(answer: Any) -> dict[Any, Any]:
    """Trades by market and id."""
    return {(t["symbol"], t["id"]): t for t in answer}


def book(answer: Any) -> dict[Any, Any]:
    """A book by market and update id, as it is now: ccxt's goes on changing."""
    sides = {side: [row[:] for row in answer[side]] for side in ("bids", "asks")}
    return {(answer["symbol"], answer["nonce"]): {**answer, **sides}}


def tickers(answer: Any) -> dict[Any, Any]:
    """Tickers by market and what the venue said."""
    return {(symbol, json.dumps(t["info"], sort_keys=True)): t for symbol, t in answer.items()}


def ticker(answer: Any) -> dict[Any, Any]:
    """One ticker likewise."""
    return tickers({answer["symbol"]: answer})


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


def topics(channel: str, *symbols: str) -> list[str]:
    """Return the names of streams."""
    return [f"{symbol.replace('/', '').lower()}@{channel}" for symbol in symbols]


CASES: Mapping[str, Case] = {
    "trades": Case(lambda ex: ex.watch_trades(BTC), trades, topics("trade", BTC)),
    "trades, cheap": Case(lambda ex: ex.watch_trades(SHIB), trades, topics("trade", SHIB)),
    "aggregates": Case(
        lambda ex: ex.watch_trades(BTC, params={"name": "aggTrade"}),
        trades,
        topics("aggTrade", BTC),
    ),
    "trades for symbols": Case(
        lambda ex: ex.watch_trades_for_symbols([BTC, ETH]), trades, topics("trade", BTC, ETH)
    ),
    "book": Case(lambda ex: ex.watch_order_book(BTC), book, topics("depth@100ms", BTC)),
    "book, cheap": Case(lambda ex: ex.watch_order_book(SHIB), book, topics("depth@100ms", SHIB)),
    "book of 5": Case(lambda ex: ex.watch_order_book(BTC, 5), book, topics("depth@100ms", BTC)),
    "book of 20": Case(lambda ex: ex.watch_order_book(BTC, 20), book, topics("depth@100ms", BTC)),
    "book for symbols": Case(
        lambda ex: ex.watch_order_book_for_symbols([BTC, ETH]),
        book,
        topics("depth@100ms", BTC, ETH),
    ),
    "ticker": Case(
        lambda ex: ex.watch_ticker(BTC, {"name": "ticker"}), ticker, topics("ticker", BTC)
    ),
    "ticker, cheap": Case(
        lambda ex: ex.watch_ticker(SHIB, {"name": "ticker"}), ticker, topics("ticker", SHIB)
    ),
    "mini ticker": Case(
        lambda ex: ex.watch_ticker(BTC, {"name": "miniTicker"}), ticker, topics("miniTicker", BTC)
    ),
    "ticker of an hour": Case(
        lambda ex: ex.watch_ticker(BTC, {"name": "ticker_1h"}), ticker, topics("ticker_1h", BTC)
    ),
    "tickers": Case(
        lambda ex: ex.watch_tickers([BTC, ETH, SHIB]), tickers, topics("miniTicker", BTC, ETH, SHIB)
    ),
    "full tickers": Case(
        lambda ex: ex.watch_tickers([BTC, ETH], {"name": "ticker"}),
        tickers,
        topics("ticker", BTC, ETH),
    ),
    "all tickers": Case(lambda ex: ex.watch_tickers(), tickers, ["!miniTicker@arr"]),
    "all tickers of an hour": Case(
        lambda ex: ex.watch_tickers(None, {"name": "ticker_1h"}), tickers, ["!ticker_1h@arr"]
    ),
    "bids and asks": Case(
        lambda ex: ex.watch_bids_asks([BTC, SHIB]), tickers, topics("bookTicker", BTC, SHIB)
    ),
    "candles": Case(lambda ex: ex.watch_ohlcv(BTC), candles, topics("kline_1m", BTC), 80),
    "candles of 5 minutes": Case(
        lambda ex: ex.watch_ohlcv(SHIB, "5m"), candles, topics("kline_5m", SHIB), 80
    ),
    "candles for symbols": Case(
        lambda ex: ex.watch_ohlcv_for_symbols([[BTC, "1m"], [ETH, "5m"]]),
        many_candles,
        [*topics("kline_1m", BTC), *topics("kline_5m", ETH)],
        80,
    ),
}


# --- how they are compared -----------------------------------------------------------------


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Yield the places where two answers differ in keys, type or value."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in [*theirs, *(k for k in ours if k not in theirs)]:
            inner = f"{place}.{key}".lstrip(".")
            if key not in ours or key not in theirs:
                yield f"{inner} {'only ccxt has it' if key in theirs else 'only we have it'}"
            else:
                yield from differences(ours[key], theirs[key], inner)
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(ours) != len(theirs):
            yield f"{place} lengths"
        for mine, other in zip(ours, theirs, strict=False):
            yield from differences(mine, other, f"{place}.*")
    elif type(ours) is not type(theirs) or ours != theirs:
        yield place


def compared(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> Counter[str]:
    """Count the differences of the things that both have."""
    found: Counter[str] = Counter()
    for key in ours.keys() & theirs.keys():
        found.update(set(differences(ours[key], theirs[key])))
    return found


class Reader:
    """Calls one method again and again and keeps what is new."""

    def __init__(self, case: Case, exchange: Any) -> None:
        self.found: dict[Any, Any] = {}
        self.last: Any = None
        self._task = asyncio.ensure_future(self._read(case, exchange))

    async def _read(self, case: Case, exchange: Any) -> None:
        while True:
            for key, item in case.items(await case.call(exchange)).items():
                self.last = key
                self.found[key] = item

    async def stop(self) -> None:
        """End it, or raise what it died of."""
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Counted:
    """How many data frames a venue has sent and its two clients have read."""

    def __init__(self, venue: FakeVenue | Replay, ours: unified_ws.Exchange, theirs: Any) -> None:
        self.sent = self.ours = self.theirs = 0
        self._venue, self._publish = venue, venue.publish
        self._handle = theirs.handle_message
        venue.publish = self._published  # type: ignore[method-assign]
        theirs.handle_message = self._handled
        ours.tap(self._tapped)

    def _published(self, topic: str, payload: bytes) -> None:
        self.sent += bool(self._venue.topics.get(topic))
        self._publish(topic, payload)

    def _handled(self, client: Any, message: Any) -> None:
        self.theirs += not (isinstance(message, dict) and "id" in message)
        self._handle(client, message)

    def _tapped(self, _connection: int, direction: str, frame: bytes) -> None:
        self.ours += direction == "in" and frame.startswith(b'{"stream"')

    async def settle(self) -> None:
        """Wait until both have read everything, and their callers have had their turn."""
        await until(lambda: self.ours == self.theirs == self.sent)
        for _ in range(20):
            await asyncio.sleep(0)


# --- the fake ------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """Three markets, one of them cheap, that move when told."""
    specs = [spec_of(BTC), spec_of(ETH), CHEAP]
    market = MarketModel(specs, seed=11, clock=lambda: NOON, levels=1200)
    async with FakeVenue("binance", market=market, paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[tuple[unified_ws.Exchange, Any]]:
    """Ours and theirs, with the markets loaded."""
    ours = unified_ws.exchange("binance", {"gateway": venue.gateway})
    theirs = redirect(ccxt.pro.binance({"enableRateLimit": False}), venue.gateway)
    await asyncio.gather(ours.load_markets(), theirs.load_markets())
    yield ours, theirs
    await ours.close()
    await theirs.close()


@pytest.mark.parametrize("name", CASES)
async def test_both_read_the_same(
    name: str, venue: FakeVenue, pair: tuple[unified_ws.Exchange, Any]
) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    ours, theirs = pair
    case = CASES[name]
    counted = Counted(venue, ours, theirs)
    mine, other = Reader(case, ours), Reader(case, theirs)
    await venue.until(lambda: venue.topics == dict.fromkeys(case.topics, 2))

    for _ in range(case.ticks):
        await venue.step()
        await counted.settle()
    await mine.stop()
    await other.stop()

    found = compared(mine.found, other.found)
    print(name, len(mine.found), len(other.found), found)
    assert set(found) == set(DIFFERENCES.get(name, {}))
