"""Seven ways in which ccxt.pro is used, unchanged on both: `lib` is one module or the other.

The strategies are our own, after what bots in the wild do. `UNIFIED_WS_PATTERNS` may name a file
of further ones (`p1...`, `p2...`, each taking `lib` and `make`), which then run on ours.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from types import ModuleType
from typing import Any, TypeAlias

import ccxt.pro
import pytest
import pytest_asyncio

import unified_ws
from tests.support import redirect
from unified_ws.testing import FakeVenue

BTC, ETH = "BTC/USDT", "ETH/USDT"
Maker: TypeAlias = Callable[[dict[str, Any]], Any]
Strategy: TypeAlias = Callable[[ModuleType, Maker], Coroutine[Any, Any, Any]]


# --- the strategies: nothing below knows which library it runs on ----------------------------


async def quote_keeper(lib: ModuleType, make: Maker) -> None:
    """1. The canonical loop: load, watch a book, sort errors by class, close in `finally`."""
    options = {"defaultType": "spot", "tradesLimit": 200, "watchOrderBook": {"maxRetries": 3}}
    exchange = make({"enableRateLimit": True, "timeout": 8000, "options": options})
    spreads: list[float] = []
    failures = 0
    try:
        markets = await exchange.load_markets()
        assert BTC in markets
        while len(spreads) < 4:
            try:
                book = await exchange.watch_order_book(BTC, 5)
            except lib.NetworkError:
                failures += 1
                await asyncio.sleep(0.1)
                continue
            except lib.ExchangeError:
                raise
            (bid, bid_amount), (ask, ask_amount) = book["bids"][0], book["asks"][0]
            assert bid < ask
            assert bid_amount > 0 < ask_amount
            assert len(book["bids"]) <= 5 >= len(book["asks"])
            assert book["symbol"] == BTC
            assert isinstance(book["nonce"], int)
            if book["timestamp"] is not None:
                assert book["datetime"] == exchange.iso8601(book["timestamp"])
            spreads.append(ask - bid)
    finally:
        await exchange.close()
    assert failures == 0


async def tape_reader(lib: ModuleType, make: Maker) -> None:
    """2. Only what is new, checked by id; a bar built by hand; then the public cache."""
    exchange = make({"newUpdates": True, "options": {"tradesLimit": 50}})
    seen: set[str] = set()
    bar: dict[str, float] = {}
    while len(seen) < 40:
        for trade in await exchange.watchTrades(BTC, limit=40):
            assert trade["id"] not in seen
            seen.add(trade["id"])
            price, amount = trade["price"], trade["amount"]
            bar["open"] = bar.get("open", price)
            bar["high"] = max(bar.get("high", price), price)
            bar["low"] = min(bar.get("low", price), price)
            bar["close"], bar["volume"] = price, bar.get("volume", 0.0) + amount
            assert trade["cost"] == pytest.approx(price * amount)
            assert trade["side"] in ("buy", "sell")
            assert trade["info"]["s"] == exchange.market(BTC)["id"]
    assert bar["low"] <= bar["close"] <= bar["high"]
    cache = exchange.trades[BTC]
    assert cache[-1]["id"] in seen
    assert len(cache[-3:]) == 3
    assert len(cache) <= 50
    assert [t["id"] for t in cache] == sorted((t["id"] for t in cache), key=int)
    await exchange.close()


async def screener(lib: ModuleType, make: Maker) -> None:
    """3. A task a symbol, gathered, beside the calls that take many symbols."""
    exchange = make({})
    await exchange.loadMarkets()
    found: dict[str, set[str]] = {}

    async def one(symbol: str) -> None:
        ticker = await exchange.watch_ticker(symbol)
        assert ticker["symbol"] == symbol
        assert ticker["high"] >= ticker["last"] >= ticker["low"]
        found.setdefault("ticker", set()).add(symbol)

    await asyncio.gather(*(one(symbol) for symbol in (BTC, ETH)))
    while len(found.get("trades", ())) < 2:
        trades = await exchange.watch_trades_for_symbols([BTC, ETH])
        assert len({trade["symbol"] for trade in trades}) == 1
        found.setdefault("trades", set()).add(trades[0]["symbol"])
    while len(found.get("books", ())) < 2:
        book = await exchange.watch_order_book_for_symbols([BTC, ETH], 10)
        found.setdefault("books", set()).add(book["symbol"])
    while len(found.get("tickers", ())) < 2:
        found.setdefault("tickers", set()).update(await exchange.watchTickers([BTC, ETH]))
    while len(found.get("quotes", ())) < 2:
        quotes = await exchange.watch_bids_asks([BTC, ETH])
        assert all(quote["bid"] < quote["ask"] for quote in quotes.values())
        found.setdefault("quotes", set()).update(quotes)
    assert all(symbols == {BTC, ETH} for symbols in found.values())
    await exchange.close()


async def throttled_reader(lib: ModuleType, make: Maker) -> None:
    """4. Tasks that only pump; the strategy reads the caches on a clock of its own."""
    exchange = make({})
    await exchange.load_markets()

    async def pump(method: str, *args: Any) -> None:
        while True:
            await getattr(exchange, method)(*args)

    pumps = [
        asyncio.ensure_future(pump("watch_order_book", BTC)),
        asyncio.ensure_future(pump("watch_ticker", BTC)),
        asyncio.ensure_future(pump("watch_ohlcv", BTC, "1m")),
    ]
    kept: deque[Any] = deque(maxlen=5)
    while len(kept) < 5:
        await asyncio.sleep(0.02)
        book = exchange.orderbooks.get(BTC)
        if (
            not book
            or not book["bids"]
            or BTC not in exchange.tickers
            or BTC not in exchange.ohlcvs
        ):
            continue
        copied = book.copy()
        nonce, best = copied["nonce"], list(copied["bids"][0])
        await asyncio.sleep(0.02)
        assert (copied["nonce"], list(copied["bids"][0])) == (nonce, best)
        last, candle = exchange.tickers[BTC]["last"], exchange.ohlcvs[BTC]["1m"][-1]
        kept.append((exchange.milliseconds(), nonce, last, candle[4]))
    for task in pumps:
        task.cancel()
    assert [row[1] for row in kept] == sorted(row[1] for row in kept)
    await exchange.close()


async def candle_watcher(lib: ModuleType, make: Maker) -> None:
    """5. Rows of six numbers, the last one still open, and the cache by timeframe."""
    exchange = make({"options": {"OHLCVLimit": 100}})
    assert exchange.has["watchOHLCV"]
    assert "1m" in exchange.timeframes
    versions: list[list[float]] = []
    while len(versions) < 3:
        rows = await exchange.watch_ohlcv(BTC, "1m")
        opened, first, high, low, close, volume = rows[-1]
        assert opened % (exchange.parse_timeframe("1m") * 1000) == 0
        assert low <= first <= high
        assert low <= close <= high
        assert volume > 0
        versions.append(list(rows[-1]))
    assert exchange.ohlcvs[BTC]["1m"][-1][0] == versions[-1][0]
    await exchange.close()


async def switchboard(lib: ModuleType, make: Maker) -> None:
    """6. Classes by name, `has`, sandbox right after construction, error classes of the module."""
    assert "binance" in lib.exchanges
    exchange = getattr(lib, "binance")({"enableRateLimit": True})  # noqa: B009  (as bots do it)
    assert isinstance(exchange, lib.Exchange)
    exchange.set_sandbox_mode(True)
    assert exchange.id == "binance"
    assert isinstance(exchange.urls["api"], dict)
    wanted = ("watchOrderBook", "watchTrades", "watchTradesForSymbols", "unWatchTrades")
    assert all(exchange.has[name] for name in wanted)
    assert not exchange.has.get("watchNothing")
    assert issubclass(lib.ChecksumError, lib.InvalidNonce)
    assert issubclass(lib.BadSymbol, lib.ExchangeError)
    await exchange.close()


async def visitor(lib: ModuleType, make: Maker) -> None:
    """7. `async with`, a deadline around a call, a cancelled task, unwatching, watching again."""
    async with make({}) as exchange:
        await exchange.load_markets()
        first = await asyncio.wait_for(exchange.watch_trades(BTC), 10)
        task = asyncio.ensure_future(exchange.watch_trades(ETH))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await exchange.un_watch_trades(BTC)
        again = await asyncio.wait_for(exchange.watch_trades(BTC), 10)
        assert int(again[0]["id"]) > int(first[-1]["id"])
        assert exchange.amount_to_precision(BTC, 0.123456789) == "0.12345"
        assert exchange.price_to_precision(BTC, 61837.628) == "61837.63"
        await exchange.throttle(1)
        with pytest.raises(lib.BadSymbol):
            await exchange.watch_trades("NO/SUCH")


STRATEGIES: tuple[Strategy, ...] = (
    quote_keeper,
    tape_reader,
    screener,
    throttled_reader,
    candle_watcher,
    switchboard,
    visitor,
)


# --- and where they run ----------------------------------------------------------------------


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeVenue]:
    """Two markets at twenty times the pace of the real ones."""
    async with FakeVenue("binance", seed=1, speed=20, symbols=[BTC, ETH]) as venue:
        yield venue


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_on_ours(strategy: Strategy, fake: FakeVenue) -> None:
    """The old strategy, with only its import changed."""
    await asyncio.wait_for(
        strategy(unified_ws, lambda cfg: unified_ws.binance({**cfg, "gateway": fake.gateway})), 25
    )
    assert fake.stats.violations == []
    assert fake.stats.connections <= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_on_ccxt_pro(strategy: Strategy, fake: FakeVenue) -> None:
    """The same on ccxt.pro: the strategies are what they claim to be."""
    made: list[Any] = []

    def make(config: dict[str, Any]) -> Any:
        made.append(redirect(ccxt.pro.binance({**config, "enableRateLimit": False}), fake.gateway))
        made[-1].timeout_on_exit = 0
        return made[-1]

    await asyncio.wait_for(strategy(ccxt.pro, make), 25)
    for exchange in made:
        await exchange.close()


def foreign_patterns() -> list[Any]:
    """Return the patterns of the file that the environment names, or one that skips."""
    path = os.environ.get("UNIFIED_WS_PATTERNS")
    if not path:
        skip = pytest.mark.skip(reason="UNIFIED_WS_PATTERNS is not set: no further patterns to run")
        return [pytest.param(None, marks=skip)]
    spec = importlib.util.spec_from_file_location("foreign_patterns", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = sorted(name for name in vars(module) if name[0] == "p" and name[1:2] in "1234567")
    return [pytest.param(getattr(module, name), id=name) for name in names]


@pytest.mark.parametrize("pattern", foreign_patterns())
async def test_foreign_patterns_run_unchanged(pattern: Strategy, fake: FakeVenue) -> None:
    """Whatever somebody else wrote for ccxt.pro."""
    await asyncio.wait_for(
        pattern(unified_ws, lambda cfg: unified_ws.binance({**cfg, "gateway": fake.gateway})), 25
    )
    assert fake.stats.violations == []
