"""The compatibility surface: what code written for ccxt.pro finds, row by row.

Each section is one row of the list that was made of ccxt.pro 4.5.90: names, errors, constructor
keys, public state, types and traps, hooks, switches, and the extension of a ccxt object.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
import certifi
import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.support import redirect, until
from unified_ws.facts import Kind
from unified_ws.testing import FakeVenue

BTC, ETH = "BTC/USDT", "ETH/USDT"
BASE = ccxt.async_support.Exchange
SPELLINGS = {"ohlcv": "OHLCV"}


def camel(name: str) -> str:
    """Spell a method as ccxt's JavaScript manual does."""
    first, *rest = name.split("_")
    return first + "".join(SPELLINGS.get(part, part.capitalize()) for part in rest)


def has_key(name: str) -> str:
    """Return the key of `has` that promises a method."""
    return camel(name)


STREAMED = sorted(
    name
    for name in dir(BASE)
    if name.startswith(("watch_", "un_watch_")) and name != "watch_multiple"
)
OVER_THE_SOCKET = sorted(name for name in dir(BASE) if name.endswith("_ws"))
OFFERED = {
    "watch_trades", "watch_trades_for_symbols", "watch_order_book", "watch_order_book_for_symbols",
    "watch_ticker", "watch_tickers", "watch_bids_asks", "watch_ohlcv", "watch_ohlcv_for_symbols",
    "watch_mark_price", "watch_mark_prices", "watch_funding_rate", "watch_funding_rates",
    "watch_funding_rates_for_symbols", "watch_liquidations", "watch_liquidations_for_symbols",
}  # fmt: skip
OFFERED |= {f"un_{name}" for name in OFFERED if hasattr(BASE, f"un_{name}")}


async def answered(venue: FakeVenue, call: Awaitable[Any]) -> Any:
    """Move the market until a call has its answer."""
    task = asyncio.ensure_future(call)
    async with asyncio.timeout(10):
        while not task.done():
            await venue.step()
            for _ in range(20):
                await asyncio.sleep(0)
    return await task


def offline(config: Any = None) -> Any:
    """Make an object that is only looked at."""
    return unified_ws.binance({"gateway": False, **(config or {})})


# --- names -----------------------------------------------------------------------------------


def test_the_module_has_ccxts_names() -> None:
    """`import unified_ws as ccxt` finds classes by id, `exchanges`, `Exchange` and the errors."""
    assert "binance" in unified_ws.exchanges
    assert list(unified_ws.exchanges) == sorted(unified_ws.exchanges)
    assert len(unified_ws.exchanges) == len(list(unified_ws.exchanges))
    for name in unified_ws.exchanges:
        made = getattr(unified_ws, name)
        assert issubclass(made, unified_ws.Exchange)
        assert made.__name__ == name
        assert getattr(unified_ws, name) is made
        assert name in dir(unified_ws)
    assert isinstance(offline(), unified_ws.binance)
    assert isinstance(offline(), unified_ws.Exchange)
    with pytest.raises(AttributeError):
        unified_ws.no_such_venue  # noqa: B018  (the look is the test)


ERRORS = sorted(
    name
    for name in dir(ccxt)
    if isinstance(getattr(ccxt, name), type) and issubclass(getattr(ccxt, name), ccxt.BaseError)
)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_the_very_classes_of_ccxt(name: str) -> None:
    """Users import them from either, and `except` compares identity."""
    assert getattr(unified_ws, name) is getattr(ccxt, name)
    assert getattr(unified_ws, name) is getattr(ccxt.pro, name)
    assert name in unified_ws.__all__


def test_the_tree_of_errors_is_the_one_that_bots_sort_by() -> None:
    """And each error of ours is caught where ccxt's of that meaning is."""
    assert len(ERRORS) > 40
    assert issubclass(unified_ws.BadSymbol, unified_ws.BadRequest)
    assert issubclass(unified_ws.BadRequest, unified_ws.ExchangeError)
    assert issubclass(unified_ws.ChecksumError, unified_ws.InvalidNonce)
    assert issubclass(unified_ws.InvalidNonce, unified_ws.NetworkError)
    assert unified_ws.UnsubscribeError.__base__ is unified_ws.BaseError
    ours = [
        (unified_ws.StreamDown, ccxt.NetworkError),
        (unified_ws.Disconnected, ccxt.NetworkError),
        (unified_ws.DialTimeout, ccxt.RequestTimeout),
        (unified_ws.Unreachable, ccxt.ExchangeNotAvailable),
        (unified_ws.Banned, ccxt.DDoSProtection),
        (unified_ws.Forbidden, ccxt.PermissionDenied),
        (unified_ws.SubscribeRejected, ccxt.BadRequest),
        (unified_ws.LoginRejected, ccxt.AuthenticationError),
        (unified_ws.WrongLoop, ccxt.ExchangeError),
    ]
    assert all(issubclass(mine, theirs) for mine, theirs in ours)


def test_the_tables_are_whole() -> None:
    """What is compared below is what ccxt 4.5.90 has."""
    assert len([name for name in STREAMED if name.startswith("watch_")]) >= 26
    assert len([name for name in STREAMED if name.startswith("un_watch_")]) >= 16
    assert len(OVER_THE_SOCKET) >= 43
    # ccxt's base class has no watch_position_for_symbols in one of its parts only.
    assert set(STREAMED) >= OFFERED


@pytest.mark.parametrize("name", STREAMED)
async def test_every_streaming_method_is_there(name: str) -> None:
    """Both spellings, ccxt's parameters; `has` tells whether a call can succeed."""
    ex = offline()
    ours, twin = getattr(ex, name), getattr(ex, camel(name))
    theirs = inspect.signature(getattr(BASE, name)).parameters
    mine = inspect.signature(getattr(type(ex), name)).parameters

    assert [(p.name, p.default) for p in mine.values()] == [
        (p.name, p.default) for p in theirs.values()
    ]
    assert twin.__func__ is ours.__func__
    assert bool(ex.has.get(has_key(name))) == (name in OFFERED)
    if name not in OFFERED:
        arguments = [[BTC] if "symbols" in key else BTC for key in list(theirs)[1:2]]
        for method, said in ((ours, camel(name)), (twin, camel(name))):
            with pytest.raises(ccxt.NotSupported, match=rf"^binance {said}\(\) is not supported$"):
                await method(*([] if "balance" in name else arguments))


@pytest.mark.parametrize("name", OVER_THE_SOCKET)
async def test_orders_over_the_socket_are_refused_by_name(name: str) -> None:
    """They exist, so that code which asks `has` first runs; a call says what is missing."""
    ex = offline()
    for spelling in (name, camel(name)):
        method = getattr(ex, spelling, None)
        assert method is not None
        with pytest.raises(ccxt.NotSupported, match=rf"^binance {spelling}\(\) is not supported$"):
            await method()
    assert not ex.has.get(camel(name))


def test_names_that_ccxt_does_not_have_are_not_there() -> None:
    """A typing error is an AttributeError, not a promise."""
    ex = offline()
    assert not hasattr(ex, "watch_trade")
    assert not hasattr(ex, "createOrdr")
    assert not hasattr(ex, "fetch_something_ws")


BINANCE = unified_ws.binance.adapter_class
SPOT = BINANCE.venue.endpoints["spot"]
NARROW = type(
    "Narrow",
    (BINANCE,),
    {
        "__doc__": "A venue with trades only, and without testnet and demo.",
        "venue": BINANCE.venue.model_copy(
            update={
                "id": "narrow",
                "name": "Narrow",
                "kinds": frozenset({Kind.TRADES}),
                "endpoints": {"spot": SPOT.model_copy(update={"testnet": None, "demo": None})},
            }
        ),
    },
)


@pytest.mark.parametrize(
    "call",
    [
        lambda ex: ex.watch_order_book(BTC),
        lambda ex: ex.watchTickers(),
        lambda ex: ex.watch_bids_asks([BTC]),
        lambda ex: ex.watchOHLCV(BTC),
        lambda ex: anext(ex.stream_order_book(BTC)),
    ],
)
async def test_a_kind_that_the_venue_lacks(
    call: Callable[[Any], Awaitable[Any]], paused: FakeVenue
) -> None:
    """It is refused with a sentence that names venue and method, and `has` said so."""
    async with unified_ws.exchange(NARROW, {"gateway": paused.gateway}) as ex:
        with pytest.raises(ccxt.NotSupported, match=r"^narrow watch\w+\(\) is not supported$"):
            await call(ex)
        assert ex.has["watchTrades"]
        assert ex.has["unWatchTrades"]
        streams = ("watchOrderBook", "watchTicker", "watchTickers", "watchBidsAsks", "watchOHLCV")
        assert not any(ex.has.get(name) for name in streams)


OTHERWISE = {
    "status": "ccxt's is a dict that nobody fills (`ex.rest.status` has it); ours is a report",
}
"""Names of ccxt that mean something else here, each with its reason."""


def test_no_name_of_ccxt_means_something_else() -> None:
    """What is an attribute there is one here, what is a method there can be called here."""
    ours, theirs = offline(), ccxt.pro.binance()
    public = [n for n in dir(type(ours)) if n[0] != "_" and hasattr(theirs, n)]
    assert len(public) > 300
    clashes = {n for n in public if callable(getattr(ours, n)) != callable(getattr(theirs, n))}
    assert clashes == set(OTHERWISE)


# --- constructor keys ------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "apiKey": "k", "secret": "s", "password": "p", "uid": "u", "walletAddress": "0x1",
    "privateKey": "0x2", "enableRateLimit": False, "rateLimit": 77, "timeout": 12_345,
    "verbose": True, "newUpdates": False, "aiohttp_trust_env": True, "cafile": certifi.where(),
    "httpProxy": "http://127.0.0.1:1", "httpsProxy": "http://127.0.0.1:1",
    "socksProxy": "socks5://127.0.0.1:1", "wsProxy": "http://127.0.0.1:1",
    "wssProxy": "http://127.0.0.1:1", "wsSocksProxy": "socks5://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1",
    "socks_proxy": "socks5://127.0.0.1:1", "ws_proxy": "http://127.0.0.1:1",
    "wss_proxy": "http://127.0.0.1:1", "ws_socks_proxy": "socks5://127.0.0.1:1",
    "headers": {"X-Own": "1"}, "verify": True,
}  # fmt: skip
OPTIONS: dict[str, Any] = {
    "defaultType": "spot", "defaultSubType": "linear", "tradesLimit": 7, "ordersLimit": 8,
    "OHLCVLimit": 9, "positionsLimit": 10, "adjustForTimeDifference": False,
    "watchOrderBook": {"checksum": True, "maxRetries": 3},
    "watchBalance": {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": True},
    "watchPositions": {"fetchPositionsSnapshot": True},
    "ws": {"options": {"headers": {"X-Ws": "1"}}, "cost": 5},
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_constructor_keys_of_ccxt(key: str) -> None:
    """Each is taken, and is what an attribute of that name says afterwards."""
    ex = offline({key: KEYS[key]})
    assert getattr(ex, key) == KEYS[key]
    assert getattr(ex.rest, key) == KEYS[key]


@pytest.mark.parametrize("key", OPTIONS)
def test_options_of_ccxt(key: str) -> None:
    """They arrive in `ex.options`, beside those that ccxt sets itself."""
    ex = offline({"options": {key: OPTIONS[key]}})
    assert ex.options[key] == OPTIONS[key]
    assert "withdrawTagRequiredCurrencies" in ex.options


async def test_a_session_and_a_loop_of_the_user(paused: FakeVenue) -> None:
    """The user's HTTP session and event loop are taken, as ccxt takes them."""
    async with aiohttp.ClientSession() as session:
        config: Any = {
            "session": session, "asyncio_loop": asyncio.get_running_loop(),
            "gateway": paused.gateway,
        }  # fmt: skip
        ex = unified_ws.binance(config)
        await ex.load_markets()
        assert ex.rest.session is session
        await ex.close()
        assert not session.closed


# --- public state ----------------------------------------------------------------------------

AT_ONCE: dict[str, Any] = {
    "orderbooks": {}, "trades": {}, "tickers": {}, "ohlcvs": {}, "bidsasks": {}, "fundingRates": {},
    "balance": {}, "clients": {}, "symbols": [], "markets": None, "markets_by_id": None,
    "orders": None, "myTrades": None, "positions": None, "myLiquidations": None,
}  # fmt: skip


@pytest.mark.parametrize("name", AT_ONCE)
def test_public_state_is_there_at_once(name: str) -> None:
    """Before the first call, empty or None as ccxt has it."""
    ours, theirs = getattr(offline(), name), getattr(ccxt.pro.binance(), name)
    assert ours == AT_ONCE[name]
    assert (theirs or None) == (AT_ONCE[name] or None)
    assert (ours is None) == (theirs is None)


@pytest.mark.parametrize("name", ["has", "options", "currencies", "urls", "streaming"])
def test_public_dicts_are_there_at_once(name: str) -> None:
    """Those that are filled from the beginning."""
    assert isinstance(getattr(offline(), name), dict)
    assert getattr(offline(), name)


async def test_the_state_after_the_markets_are_loaded(make: Make) -> None:
    """The objects are those of ccxt, not copies of them."""
    ex = make()
    assert ex.rateLimit == ccxt.pro.binance().rateLimit
    markets = await ex.load_markets()
    assert markets is ex.markets
    assert ex.markets is ex.rest.markets
    assert ex.markets_by_id["BTCUSDT"][0]["symbol"] == BTC
    assert sorted(ex.symbols) == sorted([BTC, ETH, "BTC/USDT:USDT", "BTC/USD:BTC"])
    assert "USDT" in ex.currencies
    await ex.throttle(1)


async def test_the_caches_are_what_the_streams_say(make: Make, paused: FakeVenue) -> None:
    """Readable from another task, by symbol, then by timeframe."""
    ex = make(options={"tradesLimit": 5, "OHLCVLimit": 2})
    # Together: one request, so that the market does not run for minutes meanwhile.
    trades, ticker, quotes, candles, _ = await answered(
        paused,
        asyncio.gather(
            ex.watch_trades(BTC), ex.watch_ticker(BTC), ex.watch_bids_asks([BTC]),
            ex.watch_ohlcv(BTC), ex.watch_order_book(BTC, 10),
        ),
    )  # fmt: skip

    assert ex.trades[BTC][-1]["id"] >= trades[-1]["id"]
    assert 0 < len(ex.trades[BTC]) <= 5
    assert ex.trades[BTC][:2] == list(ex.trades[BTC])[:2]
    assert isinstance(ex.trades[BTC][-2:], list)
    assert ex.tickers[BTC]["symbol"] == ticker["symbol"]
    assert ex.bidsasks[BTC].keys() == quotes[BTC].keys()
    assert ex.ohlcvs[BTC]["1m"][-1][0] == candles[-1][0]
    assert len(ex.ohlcvs[BTC]["1m"]) <= 2
    assert ex.orderbooks[BTC]["bids"][0][0] < ex.orderbooks[BTC]["asks"][0][0]
    for name in ("trades", "tickers", "bidsasks", "ohlcvs", "orderbooks"):
        cache = getattr(ex, name)
        assert BTC in cache
        assert cache.get(ETH) is None
        assert list(cache) == [BTC]
        assert json.loads(json.dumps(copy.deepcopy(cache)[BTC], default=str))
    with pytest.raises(KeyError):
        ex.trades[ETH]


async def test_the_newest_ticker_counts_whichever_channel_told_it(
    make: Make, paused: FakeVenue
) -> None:
    """Two channels of one market share the cache, as in ccxt."""
    ex = make()
    mini = await answered(paused, ex.watch_tickers([BTC]))
    full = await answered(paused, ex.watch_ticker(BTC))
    assert mini[BTC]["bid"] is None
    assert full["bid"] is not None
    paused.silence("btcusdt@miniTicker")
    await answered(paused, ex.watch_ticker(BTC))
    assert ex.tickers[BTC]["bid"] is not None


# --- types and traps -------------------------------------------------------------------------

TRADE = {
    "info", "timestamp", "datetime", "symbol", "id", "order", "type", "side", "takerOrMaker",
    "price", "amount", "cost", "fee", "fees",
}  # fmt: skip
TICKER = {
    "symbol", "timestamp", "datetime", "high", "low", "bid", "bidVolume", "ask", "askVolume",
    "vwap", "open", "close", "last", "previousClose", "change", "percentage", "average",
    "baseVolume", "quoteVolume", "markPrice", "indexPrice", "info",
}  # fmt: skip


async def test_what_is_returned(make: Make, paused: FakeVenue) -> None:
    """Plain dicts and lists with ccxt's keys; `info` is the venue's own object."""
    ex = make()
    trades = await answered(paused, ex.watch_trades(BTC))
    assert type(trades) is list
    assert type(trades[0]) is dict
    assert trades[0].keys() == TRADE
    assert trades[0]["info"]["e"] == "trade"
    assert len(trades[:1]) == 1

    ticker = await answered(paused, ex.watch_ticker(BTC))
    assert ticker.keys() == TICKER
    assert ticker["info"]["e"] == "24hrTicker"
    assert ticker["bid"] < ticker["ask"]

    candles = await answered(paused, ex.watch_ohlcv(BTC))
    assert issubclass(type(candles[-1]), list)
    assert len(candles[-1]) == 6
    assert candles[-1].closed is False
    assert json.loads(json.dumps(candles)) == [list(row) for row in candles]

    many = await answered(paused, ex.watch_ohlcv_for_symbols([[ETH, "5m"]]))
    assert list(many) == [ETH]
    assert list(many[ETH]) == ["5m"]


async def test_a_closed_candle_says_so(make: Make, paused: FakeVenue) -> None:
    """The question that ccxt's six numbers cannot answer."""
    ex = make()
    rows = await answered(paused, ex.watch_ohlcv(BTC))
    begun = rows[-1][0]
    while not any(row[0] == begun and row.closed for row in rows):
        rows = await answered(paused, ex.watch_ohlcv(BTC))
    while rows[-1][0] == begun:
        rows = await answered(paused, ex.watch_ohlcv(BTC))
    assert rows[-1].closed is False
    assert rows[-1][0] == begun + 60_000


async def test_a_book(make: Make, paused: FakeVenue) -> None:
    """A dict with sides of [price, amount] that nobody changes; `limit()` and `copy()` exist."""
    ex = make()
    book = await answered(paused, ex.watch_order_book(BTC, 5))
    assert issubclass(type(book), dict)
    assert book.keys() == {"bids", "asks", "timestamp", "datetime", "nonce", "symbol"}
    assert all(type(row) is list and len(row) == 2 for row in book["bids"] + book["asks"])
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book.limit() is book
    before = json.dumps(book)
    await paused.step(5)
    await until(lambda: ex.orderbooks[BTC]["nonce"] > book["nonce"])
    assert json.dumps(book) == before

    live = ex.orderbooks[BTC]
    kept = live.copy()
    nonce = kept["nonce"]
    assert type(kept["bids"]) is list
    assert copy.deepcopy(live)["nonce"] == dict(live)["nonce"] == {**live}["nonce"] == nonce
    assert live.valid
    assert live.status == "live"
    assert live.age_s >= 0
    kept["bids"][0][1] = -1.0
    await paused.step(5)
    await until(lambda: live["nonce"] > nonce)
    assert kept["nonce"] == nonce
    assert live["bids"][0][1] > 0


async def test_two_limits_of_one_symbol(make: Make, paused: FakeVenue) -> None:
    """Each caller gets the depth that it asked for; ccxt's callers share the first one's."""
    ex = make()
    small = await answered(paused, ex.watch_order_book(BTC, 5))
    deep = await answered(paused, ex.watch_order_book(BTC, 150))
    again = await answered(paused, ex.watch_order_book(BTC, 5))
    both = asyncio.gather(ex.watch_order_book(BTC, 10), ex.watch_order_book(BTC, 120))
    ten, many = await answered(paused, both)
    depths = [len(book["bids"]) for book in (small, deep, again, ten, many)]
    assert depths == [5, 150, 5, 10, 120]
    assert paused.stats.connections == 1


async def test_limit_returns_the_newest(make: Make, paused: FakeVenue) -> None:
    """As in ccxt; the others are skipped because the caller asked for that."""
    ex = make()
    first = await answered(paused, ex.watch_trades(BTC))
    await paused.step(20)
    newest = str(paused.market.last_trade(BTC).id)
    await until(lambda: ex.trades[BTC][-1]["id"] == newest)
    rows = await ex.watch_trades(BTC, None, 3)
    assert [row["id"] for row in rows] == [row["id"] for row in ex.trades[BTC][-3:]]
    assert rows[0]["id"] > first[-1]["id"]
    since = rows[-1]["timestamp"] + 1
    later = await answered(paused, ex.watch_trades(BTC, since))
    assert all(row["timestamp"] >= since for row in later)


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda ex: ex.watch_trades(BTC, params={"nmae": "trade"}),
            ccxt.BadRequest,
            'binance watchTrades: unknown key "nmae" in params (known: name)',
        ),
        (
            lambda ex: ex.watch_trades(BTC, params={"name": "trades"}),
            ccxt.BadRequest,
            "binance watchTrades: \"name\" cannot be 'trades', it is one of 'trade', 'aggTrade'",
        ),
        (
            lambda ex: ex.watch_order_book(BTC, params={"rpy": True}),
            ccxt.BadRequest,
            'binance watchOrderBook: unknown key "rpy" in params (known: ',
        ),
        (
            lambda ex: ex.watch_trades("BTC/USTD"),
            ccxt.BadSymbol,
            "binance has no market 'BTC/USTD': did you mean BTC/USDT",
        ),
        (
            lambda ex: ex.watch_tickers([BTC, "ETHUSD"]),
            ccxt.BadSymbol,
            "binance has no market 'ETHUSD': did you mean ETH/USDT",
        ),
        (
            lambda ex: ex.watch_trades_for_symbols(BTC),
            ccxt.ArgumentsRequired,
            "binance watchTradesForSymbols() takes a list of symbols, each a str",
        ),
        (
            lambda ex: ex.watch_bids_asks(),
            ccxt.ArgumentsRequired,
            "binance watchBidsAsks() needs a list of symbols: no stream has all spot markets",
        ),
    ],
)
async def test_mistakes_are_named(
    call: Callable[[Any], Awaitable[Any]], error: type[Exception], sentence: str, make: Make
) -> None:
    """One sentence with what was wrong; nothing is subscribed."""
    ex = make()
    with pytest.raises(error) as raised:
        await asyncio.wait_for(call(ex), 5)
    assert str(raised.value).startswith(sentence)
    assert ex.status()["streams"] == []


async def test_options_choose_the_channel(make: Make, paused: FakeVenue) -> None:
    """Switches work from `options`, by method or at the top, and `params` win, as in ccxt."""
    ex = make(options={"watchTrades": {"name": "aggTrade"}, "watchOrderBookRate": 1000})
    await answered(paused, ex.watch_trades(BTC))
    await answered(paused, ex.watch_order_book(BTC))
    assert set(paused.topics) == {"btcusdt@aggTrade", "btcusdt@depth"}
    await answered(paused, ex.watch_trades(BTC, params={"name": "trade"}))
    assert "btcusdt@trade" in paused.topics


# --- ending a stream -------------------------------------------------------------------------


async def test_un_watch(make: Make, paused: FakeVenue) -> None:
    """Pending calls get ccxt's error, typed iterators go on, and watching again works."""
    ex = make()
    await answered(paused, ex.watch_trades(BTC))
    rows = ex.stream_trades(BTC)
    await answered(paused, anext(rows))
    pending = [await reading(ex, paused) for _ in range(2)]

    assert await ex.un_watch_trades(BTC)
    ended = await asyncio.gather(*pending, return_exceptions=True)
    assert [type(error) for error in ended] == [ccxt.UnsubscribeError] * 2
    assert paused.topics == {"btcusdt@trade": 1}
    before = await answered(paused, anext(rows))
    assert before.number == int((await answered(paused, anext(rows))).number) - 1
    assert await answered(paused, ex.watch_trades(BTC))

    await rows.aclose()
    await ex.unWatchTrades(BTC)
    await paused.until(lambda: paused.topics == {})
    assert await answered(paused, ex.watch_trades(BTC))


async def reading(ex: Any, venue: FakeVenue) -> asyncio.Task[None]:
    """Return a task that has all trades there are, and waits for more."""
    seen: list[str] = []

    async def read() -> None:
        while True:
            seen.extend(trade["id"] for trade in await ex.watch_trades(BTC))

    task = asyncio.ensure_future(read())
    newest = venue.market.last_trade(BTC).id
    while venue.market.last_trade(BTC).id == newest:
        await venue.step()
    newest = venue.market.last_trade(BTC).id
    await until(lambda: bool(seen) and seen[-1] == str(newest))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("watch", "un_watch", "topic"),
    [
        (lambda e: e.watch_order_book(BTC), lambda e: e.un_watch_order_book(BTC), "depth@100ms"),
        (lambda e: e.watch_ticker(BTC), lambda e: e.un_watch_ticker(BTC), "ticker"),
        (lambda e: e.watch_tickers([BTC]), lambda e: e.un_watch_tickers([BTC]), "miniTicker"),
        (lambda e: e.watch_bids_asks([BTC]), lambda e: e.un_watch_bids_asks([BTC]), "bookTicker"),
        (lambda e: e.watch_ohlcv(BTC, "5m"), lambda e: e.un_watch_ohlcv(BTC, "5m"), "kline_5m"),
        (
            lambda e: e.watch_ohlcv_for_symbols([[BTC, "1m"]]),
            lambda e: e.un_watch_ohlcv_for_symbols([[BTC, "1m"]]),
            "kline_1m",
        ),
        (
            lambda e: e.watch_order_book_for_symbols([BTC]),
            lambda e: e.un_watch_order_book_for_symbols([BTC]),
            "depth@100ms",
        ),
        (
            lambda e: e.watch_trades_for_symbols([BTC]),
            lambda e: e.un_watch_trades_for_symbols([BTC]),
            "trade",
        ),
    ],
)
async def test_every_un_watch_unsubscribes(
    watch: Callable[[Any], Awaitable[Any]], un_watch: Callable[[Any], Awaitable[Any]], topic: str,
    make: Make, paused: FakeVenue,
) -> None:  # fmt: skip
    """The venue hears of it, and the next call subscribes anew."""
    ex = make()
    await answered(paused, watch(ex))
    assert list(paused.topics) == [f"btcusdt@{topic}"]
    await un_watch(ex)
    await paused.until(lambda: paused.topics == {})
    await answered(paused, watch(ex))
    assert list(paused.topics) == [f"btcusdt@{topic}"]


# --- hooks -----------------------------------------------------------------------------------


async def test_hooks_that_people_replace(make: Make, paused: FakeVenue) -> None:
    """`handle_message`, `on_connected`, `on_error`, `on_close` on the instance."""
    ex = make()
    seen: list[tuple[str, Any]] = []
    messages: list[Any] = []
    original = ex.handle_message

    def handle(client: Any, message: Any) -> None:
        messages.append((client.url, message))
        original(client, message)

    patched: Any = ex
    patched.handle_message = handle
    patched.on_connected = lambda client, message=None: seen.append(("connected", client.url))
    patched.on_error = lambda client, error: seen.append(("error", error))
    patched.on_close = lambda client, error: seen.append(("close", error))

    await answered(paused, ex.watch_trades(BTC))
    (url, client) = next(iter(ex.clients.items()))
    assert client.url == url
    assert "btcusdt@trade" in client.subscriptions
    assert seen == [("connected", url)]
    assert next(m for _, m in messages if "id" in m)["result"] is None
    assert [m["data"]["t"] for _, m in messages if "stream" in m]
    assert {where for where, _ in messages} == {url}

    await paused.drop()
    await until(lambda: {name for name, _ in seen} == {"connected", "error", "close"})
    assert all(isinstance(what, ccxt.NetworkError) for name, what in seen if name != "connected")


async def test_hooks_that_a_subclass_overrides(paused: FakeVenue) -> None:
    """The same by inheritance."""
    seen: list[str] = []

    class Mine(unified_ws.binance):  # type: ignore[valid-type,misc]  # made at run time
        def handle_message(self, client: Any, message: Any) -> None:
            seen.append("message")

        def on_connected(self, client: Any, message: Any = None) -> None:
            seen.append("connected")

    async with Mine({"gateway": paused.gateway}) as ex:
        await answered(paused, ex.watch_trades(BTC))
    assert seen[:2] == ["connected", "message"]


async def test_verbose_can_be_switched_while_running(
    make: Make, paused: FakeVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with ccxt: what goes in and out is printed by `log`, which can be replaced."""
    ex: Any = make()
    await answered(paused, ex.watch_trades(BTC))
    assert "btcusdt@trade" not in capsys.readouterr().out
    ex.verbose = True
    await answered(paused, ex.watch_trades(BTC))
    printed = capsys.readouterr().out
    assert '"btcusdt@trade"' in printed
    lines: list[tuple[Any, ...]] = []
    ex.log = lambda *args: lines.append(args)
    await answered(paused, ex.watch_trades(BTC))
    assert any('"btcusdt@trade"' in str(line) for line in lines)
    ex.verbose = False
    del lines[:]
    await answered(paused, ex.watch_trades(BTC))
    assert lines == []


async def test_describe_in_a_subclass(paused: FakeVenue) -> None:
    """The old way to set defaults once for all objects of a class."""

    class Mine(unified_ws.binance):  # type: ignore[valid-type,misc]  # made at run time
        def describe(self) -> Any:
            return self.deep_extend(
                super().describe(),
                {"timeout": 4321, "options": {"tradesLimit": 3, "mine": True}},
            )

    async with Mine({"gateway": paused.gateway, "options": {"yours": True}}) as ex:
        assert ex.timeout == 4321
        assert (ex.options["mine"], ex.options["yours"]) == (True, True)
        await answered(paused, ex.watch_trades(BTC))
        await paused.step(20)
        await until(lambda: len(ex.trades[BTC]) == 3)
        assert ex.has["watchTrades"]
        assert not ex.has["watchOrders"]


async def test_twins_follow_an_override(paused: FakeVenue) -> None:
    """The camelCase names, which ccxt rebinds when it constructs, follow the class."""
    calls: list[str] = []

    class Mine(unified_ws.binance):  # type: ignore[valid-type,misc]  # made at run time
        def watch_trades(self, symbol: str, *args: Any, **kwargs: Any) -> Any:
            calls.append("watch")
            return super().watch_trades(symbol, *args, **kwargs)

        async def fetch_time(self, params: Any = None) -> int:
            calls.append("fetch")
            return 1

        def my_signal(self) -> str:
            return "buy"

    class Yours(Mine):
        def watchTicker(self, symbol: str, params: Any = None) -> Any:
            return "camel"

    class Mixin:
        async def un_watch_trades(self, symbol: str, params: Any = None) -> str:
            return "mixin"

    class Both(Mixin, Mine):
        pass

    async with Mine({"gateway": paused.gateway}) as ex:
        assert await answered(paused, ex.watchTrades(BTC))
        assert await ex.fetchTime() == 1
        assert ex.mySignal() == "buy"
        assert calls == ["watch", "fetch"]
        assert isinstance(ex, unified_ws.binance)
    assert Yours.watchTrades is Mine.watch_trades
    assert Yours.watchTicker is not unified_ws.binance.watch_ticker
    assert await Both({"gateway": False}).unWatchTrades(BTC) == "mixin"
    assert unified_ws.binance.watchTrades is unified_ws.binance.watch_trades


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 5_000), ("verbose", True), ("httpsProxy", "http://127.0.0.1:9"),
        ("apiKey", "k"), ("newUpdates", False), ("options", {"tradesLimit": 3}),
        ("enableRateLimit", False), ("headers", {"X": "1"}), ("hostname", "other.example"),
    ],
)  # fmt: skip
def test_setting_an_attribute_reaches_ccxt(name: str, value: Any) -> None:
    """Bots configure after construction as often as before."""
    ex = offline()
    setattr(ex, name, value)
    assert getattr(ex.rest, name) == value
    assert getattr(ex, name) == value


def test_an_attribute_of_the_users_own_stays_here() -> None:
    """What ccxt does not know is simply kept."""
    ex = offline()
    ex.my_note = "x"
    assert ex.my_note == "x"
    assert not hasattr(ex.rest, "my_note")


# --- switches --------------------------------------------------------------------------------


async def test_raise_on_disconnect(make: Make, paused: FakeVenue) -> None:
    """ccxt.pro's way: a lost connection raises NetworkError, and the next call goes on."""
    ex = make(ws={"raise_on_disconnect": True, "backoff": {"base_s": 0.01, "cap_s": 0.02}})
    await answered(paused, ex.watch_trades(BTC))
    call = await reading(ex, paused)
    await paused.drop()
    with pytest.raises(ccxt.NetworkError, match="binance"):
        await asyncio.wait_for(call, 5)
    assert await answered(paused, ex.watch_trades(BTC))


async def test_without_it_a_healed_drop_is_no_error(make: Make, paused: FakeVenue) -> None:
    """The default: the call survives."""
    ex = make(ws={"backoff": {"base_s": 0.01, "cap_s": 0.02}})
    await answered(paused, ex.watch_trades(BTC))
    call = asyncio.ensure_future(ex.watch_trades(BTC))
    await paused.drop()
    await paused.until(lambda: "btcusdt@trade" in paused.topics)
    assert await answered(paused, call)


async def test_live_objects(make: Make, paused: FakeVenue) -> None:
    """ccxt.pro's identity: what `watch_order_book` returns is what `ex.orderbooks` holds."""
    ex = make(ws={"live_objects": True})
    book = await answered(paused, ex.watch_order_book(BTC, 5))
    assert book is ex.orderbooks[BTC]
    nonce = book["nonce"]
    again = await answered(paused, ex.watch_order_book(BTC, 5))
    assert again is book
    assert book["nonce"] > nonce


async def test_new_updates_can_be_switched_while_running(make: Make, paused: FakeVenue) -> None:
    """`ex.newUpdates = False` returns the cache from then on."""
    ex = make()
    await answered(paused, ex.watch_trades(BTC))
    await answered(paused, ex.watch_trades(BTC))
    ex.newUpdates = False
    rows = await answered(paused, ex.watch_trades(BTC))
    assert [row["id"] for row in rows] == [row["id"] for row in ex.trades[BTC]][: len(rows)]
    assert len(rows) > 1
    tickers = await answered(paused, ex.watch_tickers([BTC, ETH]))
    tickers = await answered(paused, ex.watch_tickers([BTC, ETH]))
    assert set(tickers) == {BTC, ETH}


# --- environments ----------------------------------------------------------------------------

HOSTS = {
    "set_sandbox_mode": (
        {"testnet.binance.vision", "testnet.binancefuture.com"}, "stream.testnet.binance.vision",
    ),
    "enable_demo_trading": (
        {"demo-api.binance.com", "demo-fapi.binance.com", "demo-dapi.binance.com"},
        "demo-stream.binance.com",
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", HOSTS)
@pytest.mark.parametrize("spelled", [str, camel])
async def test_sandbox_and_demo_change_both_hosts(
    method: str, spelled: Callable[[str], str], make: Make, paused: FakeVenue
) -> None:
    """REST and sockets move together, and back."""
    ex = make()
    getattr(ex, spelled(method))(True)
    assert await answered(paused, ex.watch_order_book(BTC, 5))
    rest, socket = HOSTS[method]
    assert {seen.host for seen in paused.stats.rest} == rest
    assert ex.status()["connections"][0]["url"] == f"{_ws(paused)}/{socket}/stream"
    assert [host for host in ex.clients if socket in host]
    with pytest.raises(ccxt.BadRequest, match="streams are open"):
        getattr(ex, method)(False)

    await ex.close()
    paused.stats.rest.clear()
    getattr(ex, method)(False)
    assert await answered(paused, ex.watch_order_book(BTC, 5))
    assert {seen.host for seen in paused.stats.rest} == {"api.binance.com"}
    assert "stream.binance.com" in ex.status()["connections"][0]["url"]


def _ws(venue: FakeVenue) -> str:
    return venue.gateway.replace("http", "ws", 1)


async def test_sandbox_as_a_constructor_key(make: Make, paused: FakeVenue) -> None:
    """The same by `{"sandbox": True}`, as in ccxt."""
    ex = make(sandbox=True)
    assert await answered(paused, ex.watch_trades(BTC))
    assert {seen.host for seen in paused.stats.rest} == HOSTS["set_sandbox_mode"][0]
    assert "stream.testnet.binance.vision" in ex.status()["connections"][0]["url"]


@pytest.mark.parametrize("method", HOSTS)
def test_a_venue_without_the_environment(method: str) -> None:
    """It says so, by name, and stays where it was."""
    ex = unified_ws.exchange(NARROW, {"gateway": False})
    with pytest.raises(ccxt.NotSupported, match=r"^narrow has no (testnet|demo)$"):
        getattr(ex, method)(True)
    assert "stream.binance.com" in ex.socket_url("spot")
    assert ex.status()["environment"] == "live"


# --- extending a ccxt object -----------------------------------------------------------------


@pytest.fixture(params=[ccxt.async_support, ccxt.pro], ids=["async_support", "pro"])
async def theirs(request: pytest.FixtureRequest, paused: FakeVenue) -> Any:
    """A ccxt object that its user has configured and uses."""
    made = request.param.binance(
        {
            "apiKey": "key-of-the-user",
            "timeout": 6_543,
            "enableRateLimit": False,
            "newUpdates": False,
            "options": {"tradesLimit": 4, "watchTrades": {"name": "aggTrade"}},
        }
    )
    redirect(made, paused.gateway).timeout_on_exit = 0
    await made.load_markets()
    yield made
    await made.close()


async def test_a_ccxt_object_is_extended(theirs: Any, paused: FakeVenue) -> None:
    """Its keys, options and markets are used; REST is answered by itself."""
    asked = len(paused.stats.rest)
    ex = unified_ws.exchange(theirs, {"gateway": paused.gateway})
    assert isinstance(ex, unified_ws.binance)
    assert ex.rest is theirs
    assert (ex.apiKey, ex.timeout, ex.newUpdates) == ("key-of-the-user", 6_543, False)
    assert ex.markets is theirs.markets
    trades = await answered(paused, ex.watch_trades(BTC))
    assert trades[0]["info"]["e"] == "aggTrade"
    await paused.step(20)
    await until(lambda: len(ex.trades[BTC]) == 4)
    assert len(paused.stats.rest) == asked  # the markets were there
    theirs.timeout = 5_000
    assert ex.timeout == 5_000
    assert await ex.fetch_time() == paused.market.now_ms
    await ex.close()


async def test_a_ccxt_object_is_never_closed_and_gets_itself_back(
    theirs: Any, paused: FakeVenue
) -> None:
    """After `close()` it is as it was before, and can be extended again."""
    options, api = copy.deepcopy(dict(theirs.options)), copy.deepcopy(theirs.urls["api"])
    before = {name: theirs.__dict__.get(name) for name in ("fetch", "throttle", "log")}
    ex = unified_ws.exchange(theirs, {"gateway": paused.gateway})
    await answered(paused, ex.watch_order_book(BTC, 5))
    session = theirs.session
    await ex.close()

    assert theirs.session is session
    assert session is None or not session.closed
    assert {name: theirs.__dict__.get(name) for name in before} == before
    assert theirs.urls["api"] == api
    assert dict(theirs.options) == options
    assert await theirs.fetch_time() == paused.market.now_ms
    assert await answered(paused, ex.watch_trades(BTC))
    await ex.close()
    assert {name: theirs.__dict__.get(name) for name in before} == before


async def test_ccxt_pro_goes_on_while_it_is_extended(paused: FakeVenue) -> None:
    """Both can be used side by side: moving a bot over method by method."""
    theirs = redirect(ccxt.pro.binance({"enableRateLimit": False}), paused.gateway)
    ex = unified_ws.exchange(theirs, {"gateway": paused.gateway})
    ours, other = asyncio.ensure_future(ex.watch_trades(BTC)), theirs.watch_trades(BTC)
    other = asyncio.ensure_future(other)
    await paused.until(lambda: paused.topics.get("btcusdt@trade") == 2)
    mine, his = await answered(paused, asyncio.gather(ours, other))
    assert mine[0] == his[0]
    await ex.close()
    assert await answered(paused, theirs.watch_trades(BTC))
    await theirs.close()


async def test_proxies_of_the_ccxt_object_carry_the_sockets(paused: FakeVenue) -> None:
    """What the user set there is never replaced by a direct connection."""
    theirs = ccxt.async_support.binance({"wssProxy": "http://127.0.0.1:1", "timeout": 300})
    theirs.set_markets([ccxt.async_support.binance().safe_market_structure(
        {"id": "BTCUSDT", "symbol": BTC, "base": "BTC", "quote": "USDT", "type": "spot",
         "spot": True}
    )])  # fmt: skip
    ex = unified_ws.exchange(theirs)
    with pytest.raises(ccxt.NetworkError, match="proxy"):
        await ex.watch_trades(BTC)
    await ex.close()
    await theirs.close()


def test_what_cannot_be_extended() -> None:
    """Each with its sentence."""
    with pytest.raises(ccxt.NotSupported, match=r"async_support or ccxt\.pro"):
        unified_ws.exchange(ccxt.binance())
    with pytest.raises(ccxt.BadRequest, match="belongs on the ccxt object"):
        unified_ws.exchange(ccxt.async_support.binance(), {"apiKey": "x"})
    with pytest.raises(ccxt.BadRequest, match="not int"):
        unified_ws.exchange(7)
    with pytest.raises(unified_ws.UnifiedWSError, match=r"ccxt\.pro has it"):
        unified_ws.exchange(ccxt.async_support.bitvavo())
