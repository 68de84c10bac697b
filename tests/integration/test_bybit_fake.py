"""The fake Bybit: ccxt.pro reads it, our library agrees with ccxt on it, limits are kept."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import ccxt.async_support
import msgspec
import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    agree,
    book_by_time,
    candles,
    clients,
    listed,
    many_candles,
    ticker,
    tickers,
    trades,
)
from tests.support import dial, get, redirect, until
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import Trade
from unified_ws.testing.side import Link, Turn
from unified_ws.testing.venues._bybit_markets import category_of, listing, market_id, trade_id
from unified_ws.testing.venues.bybit import Bybit

SPOT, SWAP, COIN, DATED = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT-261225"
OTHER_SPOT, DOLLAR = "ETH/USDT", "SOL/USDC:USDC"
SYMBOLS = (SPOT, OTHER_SPOT, SWAP, DOLLAR, COIN, DATED)
NAMES = {
    SPOT: "spot|{}.BTCUSDT", OTHER_SPOT: "spot|{}.ETHUSDT", SWAP: "linear|{}.BTCUSDT",
    DOLLAR: "linear|{}.SOLPERP", COIN: "inverse|{}.BTCUSD", DATED: "linear|{}.ETHUSDT-25DEC26",
}  # fmt: skip
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks
STREAM, REST = "stream.bybit.com", "api.bybit.com"
FAST = {"enableRateLimit": False}  # ccxt's pace of REST, at start
OPTIONS = {"options": {"fetchMarkets": {"types": ["spot", "linear", "inverse"]}}}

_NONCE = "ccxt leaves None although the frame has `u` (6.1; cases of August 2026)"
_SIDE = "ccxt hands on the side of the position, ours is that of the order (5.5)"
_UNITS = "ccxt takes dollars for coins and coins for dollars (5.2, 5.7)"
_ROW = "ccxt's is the order book that it keeps, ours what the venue sent"
_SIZE = "ccxt leaves it empty, ours follows from the contract's size"
_BOOK = {"nonce": _NONCE}
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("book", "book of a swap", "book in coins", "book of a future", "book of 1", "book of 200", "book of 1000", "books"), _BOOK),
    "ticker in coins": dict.fromkeys(("baseVolume", "quoteVolume", "vwap"), _UNITS),
    **{
        name: {
            "info.bids (only ccxt has it)": _ROW, "info.asks (only ccxt has it)": _ROW,
            "info.timestamp (only ccxt has it)": _ROW, "info.datetime (only ccxt has it)": _ROW,
            "info.nonce (only ccxt has it)": _ROW, "info.symbol (only ccxt has it)": _ROW,
            **{f"info.{name} (only ours has it)": _ROW for name in ("s", "b", "a", "u", "seq")},
        }
        for name in ("bids and asks", "bids and asks of contracts")
    },
    **{
        name: {"side": _SIDE, "contractSize": _SIZE, "baseValue": _SIZE, "quoteValue": _SIZE}
        for name in ("liquidations", "liquidations in coins")
    },
}  # fmt: skip
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


def case(
    call: Callable[[Any], Awaitable[Any]], items: Callable[[Any], dict[Any, Any]], channel: str,
    *symbols: str, **more: Any,
) -> Case:  # fmt: skip
    """Make a case of one channel."""
    return Case(call, items, [NAMES[symbol].format(channel) for symbol in symbols], **more)


def quotes(answer: Any) -> dict[Any, Any]:
    """Best bids and asks by market and time: what the venue said is not what ccxt gives."""
    return {(symbol, quote["timestamp"]): quote for symbol, quote in answer.items()}


def each(kind: str, symbols: Mapping[str, str], make: Callable[[str], Case]) -> dict[str, Case]:
    return {f"{kind}{suffix}": make(symbol) for symbol, suffix in symbols.items()}


EVERY = {SPOT: "", SWAP: " of a swap", COIN: " in coins", DATED: " of a future"}
CASES: Mapping[str, Case] = {
    **each("trades", EVERY, lambda s: case(
        lambda ex: ex.watch_trades(s), trades, "publicTrade", s, ticks=15)),
    **each("book", EVERY, lambda s: case(
        lambda ex: ex.watch_order_book(s), book_by_time, "orderbook.50", s, ticks=15)),
    **each("ticker", EVERY, lambda s: case(
        lambda ex: ex.watch_ticker(s), ticker, "tickers", s, ticks=15)),
    **each("candles", EVERY, lambda s: case(
        lambda ex: ex.watch_ohlcv(s), candles, "kline.1", s, ticks=40)),
    **each("liquidations", {SWAP: "", COIN: " in coins"}, lambda s: case(
        lambda ex: ex.watch_liquidations(s), listed, "allLiquidation", s, ticks=120, least=2)),
    "book of 1": case(
        lambda ex: ex.watch_order_book(SWAP, 1), book_by_time, "orderbook.1", SWAP, ticks=15),
    "book of 200": case(
        lambda ex: ex.watch_order_book(COIN, 200), book_by_time, "orderbook.200", COIN, ticks=15),
    "book of 1000": case(
        lambda ex: ex.watch_order_book(SPOT, 1000), book_by_time, "orderbook.1000", SPOT, ticks=15),
    "books": case(
        lambda ex: ex.watch_order_book_for_symbols([SWAP, DOLLAR]), book_by_time, "orderbook.50",
        SWAP, DOLLAR, ticks=15, lossy=True),
    "trades for symbols": case(
        lambda ex: ex.watch_trades_for_symbols([SPOT, OTHER_SPOT]), trades, "publicTrade",
        SPOT, OTHER_SPOT, ticks=15),
    "tickers": case(
        lambda ex: ex.watch_tickers([SWAP, DATED]), tickers, "tickers", SWAP, DATED, ticks=15,
        lossy=True),
    "bids and asks": case(
        lambda ex: ex.watch_bids_asks([SPOT, OTHER_SPOT]), quotes, "orderbook.1", SPOT, OTHER_SPOT,
        ticks=15, lossy=True),
    "bids and asks of contracts": case(
        lambda ex: ex.watch_bids_asks([DOLLAR, DATED]), quotes, "orderbook.1", DOLLAR, DATED,
        ticks=15, lossy=True),
    "candles for symbols": Case(
        lambda ex: ex.watch_ohlcv_for_symbols([[SWAP, "1m"], [DOLLAR, "4h"]]), many_candles,
        ["linear|kline.1.BTCUSDT", "linear|kline.240.SOLPERP"], 40),
}  # fmt: skip


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """A venue that moves only when told."""
    specs = [Bybit.spec_of(symbol) for symbol in SYMBOLS]
    market = MarketModel(specs, seed=11, clock=lambda: NOON, levels=1050, warmup_ticks=100)
    async with FakeVenue("bybit", market=market, paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Our object and ccxt.pro's, with their markets loaded."""
    async with clients("bybit", venue.gateway, ours=FAST, theirs=OPTIONS) as both:
        yield both


@pytest_asyncio.fixture
async def ours(venue: FakeVenue) -> AsyncIterator[Any]:
    """Our object alone."""
    async with unified_ws.exchange("bybit", {"gateway": venue.gateway, **FAST}) as ex:
        await ex.load_markets()
        yield ex


async def watched(venue: FakeVenue, topic: str, call: Awaitable[Any], ticks: int = 1) -> Any:
    """Return what a call brings when the market has moved after it has subscribed."""
    task = asyncio.ensure_future(call)
    await venue.until(lambda: topic in venue.topics)
    await venue.step(ticks)
    return await asyncio.wait_for(task, 5)


# --- ccxt.pro and ours ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
async def test_both_say_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Field by field; what differs has its reason, and a reason that is gone must go too."""
    explained = DIFFERENCES.get(name, {})
    await agree(CASES[name], venue, pair, explained, by_chance=frozenset())
    assert venue.stats.violations == []
    assert pair[0].quarantined() == []


async def test_markets(venue: FakeVenue, pair: Pair) -> None:
    """1, 5.7: one id may be two markets; contracts count coins, inverse ones dollars."""
    mine, theirs = pair
    assert set(theirs.markets) == set(mine.markets) == set(SYMBOLS)
    found = {s: (m["id"], m["type"], m["contractSize"]) for s, m in theirs.markets.items()}
    assert found == {
        SPOT: ("BTCUSDT", "spot", None), OTHER_SPOT: ("ETHUSDT", "spot", None),
        SWAP: ("BTCUSDT", "swap", 1.0), DOLLAR: ("SOLPERP", "swap", 1.0),
        COIN: ("BTCUSD", "swap", 1.0), DATED: ("ETHUSDT-25DEC26", "future", 1.0),
    }  # fmt: skip
    for symbol, market in theirs.markets.items():
        spec = venue.market.specs[symbol]
        assert market["precision"] == {"amount": spec.step / 1e8, "price": spec.tick / 1e8}
    assert {r.path for r in venue.stats.rest} == {"/v5/market/instruments-info"}


async def test_trades_are_the_markets_own(venue: FakeVenue, ours: Any) -> None:
    """5.1: spot numbers its trades, contracts give them UUIDs; all sides are the taker's."""
    for symbol in (SPOT, COIN):
        begin, spec = venue.market.last_trade(symbol).id + 1, venue.market.specs[symbol]
        topic = NAMES[symbol].format("publicTrade")
        found = await watched(venue, topic, ours.watch_trades(symbol), 10)
        truth = venue.market.trades_from(symbol, begin, len(found))
        assert [(t["id"], t["price"], t["amount"], t["side"]) for t in found] == [
            (trade_id(spec, t.id), float(t.price), float(t.amount), t.side) for t in truth
        ]
        assert len(found) > 1


@pytest.mark.parametrize(("limit", "depth"), [(None, 50), (1, 1), (30, 50), (200, 200), (999, 1000)])
async def test_a_book_is_the_markets_own_at_each_tick(
    limit: int | None, depth: int, venue: FakeVenue, ours: Any
) -> None:
    """6: the channel is the next larger one, and its window moves with the market."""
    topic = f"linear|orderbook.{depth}.BTCUSDT"
    await watched(venue, topic, ours.watch_order_book(SWAP, limit), 0)
    live, rows = ours.orderbooks[SWAP], limit or depth
    seen = []
    for _ in range(10):
        await venue.step(2)  # 1000 levels come each 200 ms
        truth = venue.market.book(SWAP, rows)
        bids, asks = ([[float(p), float(q)] for p, q in side] for side in (truth.bids, truth.asks))
        await until(lambda bids=bids, asks=asks: (live["bids"], live["asks"]) == (bids, asks))  # type: ignore[misc]  # bound
        seen.append(bids)
    assert (len(bids), len(asks)) == (rows, rows)
    assert any(one != seen[0] for one in seen)
    assert (venue.topics, venue.stats.violations) == ({topic: 1}, [])


async def test_a_book_of_depth_one_is_repeated_and_stays_the_same(
    venue: FakeVenue, ours: Any
) -> None:
    """6: after three seconds without a change the venue says it again, with the same `u`."""
    book = await watched(venue, "spot|orderbook.1.BTCUSDT", ours.watch_order_book(SPOT, 1), 0)
    frame = {
        "topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": venue.market.now_ms + 3000,
        "data": {
            "s": "BTCUSDT", "b": [[str(n) for n in book["bids"][0]]],
            "a": [[str(n) for n in book["asks"][0]]], "u": book["nonce"], "seq": 1,
        },
    }  # fmt: skip
    await venue.inject(msgspec.json.encode(frame))
    again = await ours.watch_order_book(SPOT, 1)
    assert (again["bids"], again["nonce"]) == (book["bids"], book["nonce"])
    assert again["timestamp"] == book["timestamp"] + 3000


@pytest.mark.parametrize("symbol", [SWAP, COIN, DATED])
async def test_what_only_contracts_have_is_the_markets_own(
    symbol: str, venue: FakeVenue, ours: Any
) -> None:
    """5.2: mark price and open interest come with the ticker, in patches."""
    market, topic = venue.market, NAMES[symbol].format("tickers")
    marks, interests = ours.stream_mark_price(symbol), ours.stream_open_interest(symbol)
    tasks = [asyncio.ensure_future(anext(stream)) for stream in (marks, interests)]
    await venue.until(lambda: topic in venue.topics)
    for _ in range(4):
        mark, interest = await asyncio.gather(*tasks)
        tasks = [asyncio.ensure_future(anext(stream)) for stream in (marks, interests)]
        assert (mark.mark_price, mark.index_price) == (
            market.mark(symbol).mark_e8 / 1e8, market.mark(symbol).index_e8 / 1e8,
        )  # fmt: skip
        held = market.open_interest(symbol).contracts_e8 / 1e8
        assert interest.open_interest_amount == held
        value = held if symbol == COIN else held * mark.mark_price
        assert interest.open_interest_value == pytest.approx(value, rel=1e-6)
        await venue.step(10)  # each of them changes once a second
    for task in tasks:
        task.cancel()
    assert venue.topics == {topic: 1}


@pytest.mark.parametrize("symbol", [SWAP, COIN])
async def test_a_funding_rate_is_what_ccxt_makes_of_rest(
    symbol: str, venue: FakeVenue, ours: Any
) -> None:
    """5.2: at the same moment, but for the row itself and its time; futures have none."""
    topic = NAMES[symbol].format("tickers")
    rest = redirect(ccxt.async_support.bybit({"enableRateLimit": False, **OPTIONS}), venue.gateway)
    skipped = ("info", "timestamp", "datetime")
    found = await watched(venue, topic, ours.watch_funding_rate(symbol), 0)
    try:
        for _ in range(3):
            theirs = await rest.fetch_funding_rate(symbol)
            assert {k: v for k, v in found.items() if k not in skipped} == {
                k: v for k, v in theirs.items() if k not in skipped
            }
            call = ours.watch_funding_rate(symbol)
            found = await watched(venue, topic, call, (1000 - venue.market.now_ms % 1000) // 100)
            assert found["timestamp"] == venue.market.now_ms
    finally:
        await rest.close()
    with pytest.raises(unified_ws.NotSupported, match="bybit"):
        await ours.watch_funding_rate(DATED)


async def test_who_comes_later_is_told_everything(venue: FakeVenue, ours: Any) -> None:
    """5.2: patches go on from a first state that has passed by then; it is asked for once more."""
    topic = "linear|tickers.BTCUSDT"
    await watched(venue, topic, ours.watch_ticker(SWAP), 0)
    await venue.step(5)
    call = asyncio.ensure_future(ours.watch_funding_rate(SWAP))
    rates = {venue.market.funding(SWAP).rate_e8 / 1e8}  # the market moves on while it is asked
    while not call.done():
        await venue.step()
        rates.add(venue.market.funding(SWAP).rate_e8 / 1e8)
        await asyncio.sleep(0)
    rate, funding = await call, venue.market.funding(SWAP)
    assert rate["fundingRate"] in rates
    assert (rate["fundingTimestamp"], rate["interval"]) == (funding.next_ms, "8h")
    ticker = await watched(venue, topic, ours.watch_ticker(SWAP), 10)
    assert None not in (ticker["last"], ticker["bid"], ticker["open"], ticker["markPrice"])
    asked = [request.method for request in venue.stats.requests]
    assert asked == ["subscribe", "unsubscribe", "subscribe"]
    assert (venue.topics, venue.stats.violations) == ({topic: 1}, [])


async def test_two_depths_of_one_book(venue: FakeVenue, ours: Any) -> None:
    """6.1: each has a count and a channel of its own; one of them can be given up alone."""
    few, many = "spot|orderbook.50.BTCUSDT", "spot|orderbook.200.BTCUSDT"
    await watched(venue, few, ours.watch_order_book(SPOT), 0)
    book = await watched(venue, many, ours.watch_order_book(SPOT, 200), 0)
    assert len(book["bids"]) == 200
    named = await watched(venue, few, ours.watch_order_book(SPOT, 20, {"depth": "50"}), 5)
    assert len(named["bids"]) == 20
    await ours.un_watch_order_book(SPOT, {"limit": 200})
    await venue.until(lambda: venue.topics == {few: 1})
    await ours.un_watch_order_book(SPOT)
    await venue.until(lambda: venue.topics == {})


async def test_spot_has_nothing_of_contracts(ours: Any) -> None:
    """5.2: it says so, with the names of venue and method."""
    for call in (ours.watch_mark_price, ours.watch_funding_rate, ours.watch_liquidations):
        with pytest.raises(unified_ws.NotSupported, match="bybit"):
            await call(SPOT)
    with pytest.raises(unified_ws.NotSupported, match="bybit"):
        await anext(aiter(ours.stream_open_interest(SPOT)))


async def test_one_word_of_two_addresses(venue: FakeVenue, ours: Any) -> None:
    """1: "publicTrade.BTCUSDT" of spot and of the swap are two topics on two connections."""
    calls = [asyncio.ensure_future(ours.watch_trades(symbol)) for symbol in (SPOT, SWAP)]
    await venue.until(lambda: len(venue.topics) == 2)
    await venue.step(10)
    of_spot, of_swap = await asyncio.gather(*calls)
    assert {t["symbol"] for t in of_spot} == {SPOT}
    assert {t["symbol"] for t in of_swap} == {SWAP}
    assert venue.topics == {"spot|publicTrade.BTCUSDT": 1, "linear|publicTrade.BTCUSDT": 1}
    assert venue.stats.connections == 2
    # ccxt sends a mixed list to the address of its first symbol (10); here each finds its own.
    both: dict[str, Any] = {}
    while len(both) < 2:
        call = ours.watch_trades_for_symbols([SPOT, SWAP])
        both |= {t["symbol"]: t for t in await watched(venue, "spot|publicTrade.BTCUSDT", call)}
    assert venue.stats.connections == 2


_OWN = {
    "trades": SWAP, "trades_for_symbols": [SPOT, OTHER_SPOT], "order_book": COIN,
    "order_book_for_symbols": [SWAP, DOLLAR], "ticker": SWAP, "tickers": SPOT, "bids_asks": DATED,
    "ohlcv": COIN, "ohlcv_for_symbols": SPOT,
}  # fmt: skip


async def test_ccxt_finds_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ccxt's own test functions, nine at once; their 15 seconds pass six times as fast.

    That of liquidations cannot run: it uses a module that it does not import.
    """
    begun, speed = time.time(), 6

    def hurried() -> int:
        return int((begun + (time.time() - begun) * speed) * 1000)

    async with (
        FakeVenue("bybit", seed=3, speed=speed, symbols=SYMBOLS, clock=lambda: begun) as venue,
        unified_ws.exchange("bybit", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        monkeypatch.setattr(ex, "milliseconds", hurried)
        tests = []
        for name, argument in _OWN.items():
            module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
            tests.append(getattr(module, f"test_watch_{name}")(ex, {}, argument))
        results = await asyncio.gather(*tests, return_exceptions=True)
        assert [r for r in results if isinstance(r, Exception)] == []
        assert (venue.stats.connections, venue.stats.violations) == (3, [])
        assert ex.quarantined() == []


# --- limits, endings ------------------------------------------------------------------------------


def many(suffix: str) -> list[str]:
    return [f"COIN{n}{suffix}" for n in range(400)]


async def test_400_spot_markets_keep_to_all_limits() -> None:
    """2: ten topics a request, 21,000 characters a connection."""
    symbols = many("/USDT")
    names = [f"orderbook.50.COIN{n}USDT" for n in range(400)]
    names += [f"tickers.COIN{n}USDT" for n in range(400)]
    await _subscribed("spot", symbols, names, ("watch_order_book", "watch_ticker"), most=10)


async def test_400_swaps_keep_to_all_limits() -> None:
    """2: as many topics a request as the connection may hold."""
    symbols = many("/USDT:USDT")
    names = [
        f"{channel}.COIN{n}USDT"
        for channel in ("orderbook.50", "tickers", "allLiquidation")
        for n in range(400)
    ]
    calls = ("watch_order_book", "watch_ticker", "watch_mark_price", "watch_funding_rate",
             "watch_liquidations")  # fmt: skip
    await _subscribed("linear", symbols, names, calls, most=900)


async def _subscribed(
    category: str, symbols: list[str], names: list[str], calls: tuple[str, ...], most: int
) -> None:
    specs = [Bybit.spec_of(symbol) for symbol in symbols]
    market = MarketModel(specs, levels=5, warmup_ticks=3, trades_per_s=300)
    config = {"ws": {"limits": {"requests": {"n": 1000, "per_s": 1}}}}  # nobody has time to wait
    async with (
        FakeVenue("bybit", market=market, paused=True) as venue,
        unified_ws.exchange("bybit", {"gateway": venue.gateway, **config}) as ex,
    ):
        await ex.load_markets()
        tasks = [
            asyncio.ensure_future(getattr(ex, call)(symbol)) for call in calls for symbol in symbols
        ]
        expected = {f"{category}|{name}": 1 for name in names}
        await venue.until(lambda: len(venue.topics) == len(expected), 20)
        assert venue.topics == expected
        assert venue.stats.violations == []
        # As a list, names cost three characters more each: quotes and a comma.
        least = -(-sum(len(name) + 3 for name in names) // 21_000)
        assert (venue.stats.connections, least) == (least, 1 if most == 10 else 2)
        sizes = [len(r.params) for r in venue.stats.requests if isinstance(r.params, list)]
        assert max(sizes) <= most
        assert sum(sizes) == len(names)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_un_watching_ends_a_topic_and_the_last_one_the_connection(
    venue: FakeVenue, ours: Any
) -> None:
    """4: an unsubscribe for each; mark price and ticker share a topic, which ends with both."""
    calls = [asyncio.ensure_future(call(SWAP)) for call in (ours.watch_ticker, ours.watch_mark_price)]
    await asyncio.gather(*calls)
    await watched(venue, "linear|orderbook.50.BTCUSDT", ours.watch_order_book(SWAP), 0)
    await ours.un_watch_ticker(SWAP)
    assert venue.topics == {"linear|tickers.BTCUSDT": 1, "linear|orderbook.50.BTCUSDT": 1}
    await ours.un_watch_mark_price(SWAP)
    await venue.until(lambda: venue.topics == {"linear|orderbook.50.BTCUSDT": 1})
    await ours.un_watch_order_book(SWAP)
    await venue.until(lambda: venue.stats.open_connections == 0)
    assert venue.stats.violations == []


async def test_a_refused_topic_does_not_sink_the_others(venue: FakeVenue, ours: Any) -> None:
    """4: the venue names the culprit, and has taken none of the request."""
    markets = ours.rest.markets_by_id["SOLPERP"]
    assert len(markets) == 1
    del venue.side._symbols["linear", "SOLPERP"]  # type: ignore[attr-defined]  # delisted since
    gone = asyncio.ensure_future(ours.watch_trades(DOLLAR))
    stays = [asyncio.ensure_future(ours.watch_trades(symbol)) for symbol in (SWAP, DATED)]
    with pytest.raises(unified_ws.SubscribeRejected, match=r"handler not found,topic:publicTrade\.SOLPERP"):
        await gone
    await venue.until(lambda: len(venue.topics) == 2)
    await venue.step(20)
    for found, symbol in zip(await asyncio.gather(*stays), (SWAP, DATED), strict=True):
        assert found[0]["symbol"] == symbol
    assert len(venue.stats.violations) == 1


class Forgetful(Bybit):
    """Says of the first subscription to several topics that it has the second already."""

    done = False

    def receive(self, link: Link, data: bytes) -> Turn:
        request = msgspec.json.decode(data)
        if self.done or request["op"] != "subscribe" or len(request["args"]) < 3:
            return super().receive(link, data)
        self.done, name = True, request["args"][1]
        words = f"error:already subscribed,topic:{name}"
        answer = {"success": False, "ret_msg": words, "req_id": request["req_id"], "op": "subscribe"}
        return Turn((msgspec.json.encode(answer),), add=[f"{link.mode}|{name}"])


async def test_what_is_subscribed_already_is_no_fault() -> None:
    """4: it is as it should be, and the others of the request are asked for once more."""
    symbols = [SWAP, DOLLAR, DATED]
    topics = [NAMES[symbol].format("publicTrade") for symbol in symbols]
    async with (
        FakeVenue(Forgetful, symbols=symbols, seed=4, paused=True) as venue,
        unified_ws.exchange("bybit", {"gateway": venue.gateway, **FAST}) as ex,
    ):
        await ex.load_markets()
        calls = [asyncio.ensure_future(ex.watch_trades(symbol)) for symbol in symbols]
        await venue.until(lambda: venue.topics == dict.fromkeys(topics, 1))
        await venue.step(20)
        for symbol, found in zip(symbols, await asyncio.gather(*calls), strict=True):
            assert found[0]["symbol"] == symbol
        asked = [len(r.params) for r in venue.stats.requests if isinstance(r.params, list)]
        assert (asked, venue.stats.connections) == ([2], 1)  # the first one is not counted
        assert venue.stats.violations == []


@pytest.mark.parametrize("symbol", [SPOT, SWAP, COIN])
async def test_trades_of_an_outage_are_fetched(symbol: str, venue: FakeVenue, ours: Any) -> None:
    """5.1: ids that do not count; REST answers newest first, and only some (60 on spot)."""
    ours.newUpdates = True
    seen: list[str] = []
    spec, topic = venue.market.specs[symbol], NAMES[symbol].format("publicTrade")
    first = venue.market.last_trade(symbol).id + 1

    async def read() -> None:
        while True:
            seen.extend(trade["id"] for trade in await ours.watch_trades(symbol))

    def all_of_them() -> list[str]:
        last = venue.market.last_trade(symbol).id
        return [trade_id(spec, number) for number in range(first, last + 1)]

    task = asyncio.ensure_future(read())
    await venue.until(lambda: topic in venue.topics)
    await venue.step(10)
    await until(lambda: bool(seen))
    await venue.drop()
    await venue.step(15)  # nobody listens
    await venue.until(lambda: topic in venue.topics)
    await venue.step(5)
    await until(lambda: seen == all_of_them())
    task.cancel()
    assert len(seen) > 20
    assert [gap.note for gap in ours.gaps()] == ["fetched by REST"]
    assert {r.path for r in venue.stats.rest} >= {"/v5/market/recent-trade"}


async def test_the_client_pings(venue: FakeVenue) -> None:
    """3: by message; silence of the venue is death."""
    beat = {"ws": {"heartbeat": {"every_s": 0.02, "timeout_s": 0.2}}}
    async with unified_ws.exchange("bybit", {"gateway": venue.gateway, **beat}) as ex:
        await watched(venue, "spot|tickers.BTCUSDT", ex.watch_ticker(SPOT), 0)
        await venue.until(lambda: sum(r.method == "ping" for r in venue.stats.requests) > 3)
        assert venue.stats.connections == 1
        venue.stop_pongs()
        await venue.until(lambda: venue.stats.connections > 1)
        assert venue.stats.violations == []


# --- the venue's own words --------------------------------------------------------------------------


async def test_the_fake_says_what_the_sheet_says(venue: FakeVenue) -> None:
    """3, 4: acks, pongs and refusals of both kinds of address."""
    url = "/v5/public/"
    async with dial(venue, f"{url}spot", host=STREAM) as spot, dial(venue, f"{url}linear", host=STREAM) as linear:
        async def said(client: Any, **request: Any) -> Any:
            await client.ws.send_bytes(msgspec.json.encode(request))
            frames = await client.read_until(lambda frame: "topic" not in frame)
            answer = frames[-1]
            answer.pop("conn_id")
            return [frame["topic"] for frame in frames[:-1]], answer

        assert await said(spot, op="ping") == ([], {"success": True, "ret_msg": "pong", "op": "ping"})
        assert await said(linear, op="ping") == (
            [], {"success": True, "ret_msg": "pong", "req_id": "", "op": "ping"},
        )  # fmt: skip
        topics = [f"kline.{n}.BTCUSDT" for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D")]
        assert (await said(spot, op="subscribe", args=topics, req_id="1"))[1] == {
            "success": False, "ret_msg": "args size >10", "req_id": "1", "op": "subscribe",
        }  # fmt: skip
        # Contracts have been seen to send data before the ack, spot after it.
        assert await said(linear, op="subscribe", args=topics, req_id=2) == (
            topics, {"success": True, "ret_msg": "", "req_id": "2", "op": "subscribe"},
        )  # fmt: skip
        assert await said(spot, op="subscribe", args=topics[:1], req_id="3") == (
            [], {"success": True, "ret_msg": "subscribe", "req_id": "3", "op": "subscribe"},
        )  # fmt: skip
        refusals = {
            "kline.1.BTCUSDT": "error:already subscribed,topic:kline.1.BTCUSDT",
            "orderbook.500.BTCUSDT": "error:handler not found,topic:orderbook.500.BTCUSDT",
            "tickers.NOPEUSDT": "error:handler not found,topic:tickers.NOPEUSDT",
        }
        for topic, words in refusals.items():
            _, answer = await said(linear, op="subscribe", args=["tickers.BTCUSDT", topic])
            assert (answer["success"], answer["ret_msg"]) == (False, words)
        assert (await said(spot, op="subscribe", args=["tickers.NOPEUSDT"]))[1]["ret_msg"] == (
            "Invalid symbol :[tickers.NOPEUSDT]"
        )
        assert (await said(spot, op="nope"))[1]["ret_msg"] == "error:invalid op"
        done = await said(linear, op="unsubscribe", args=topics, req_id="9")
        assert done[1] == {"success": True, "ret_msg": "", "req_id": "9", "op": "unsubscribe"}
        assert venue.topics == {"spot|kline.1.BTCUSDT": 1}
    assert len(venue.stats.violations) == 6


async def test_a_burst_of_trades_is_cut_at_1024() -> None:
    """2, 5.1: parts of one burst share their sequence."""
    market = MarketModel([Bybit.spec_of(SWAP)], seed=2, levels=300, warmup_ticks=1)
    async with FakeVenue("bybit", market=market, paused=True) as venue:
        async with dial(venue, "/v5/public/linear", host=STREAM) as client:
            request = {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}
            await client.ws.send_bytes(msgspec.json.encode(request))
            await client.read()
            first = market.last_trade(SWAP)
            burst = [
                Trade(SWAP, first.id + n, first.price_e8, first.amount_e8, first.ts_ms, True, 1)
                for n in range(1, 2050)
            ]
            for topic, payload in venue.side.encode(burst):
                venue.publish(topic, payload)
            venue.flush()
            parts = [(await client.read())["data"] for _ in range(3)]
        assert [len(part) for part in parts] == [1024, 1024, 1]
        assert len({row["seq"] for row in itertools.chain(*parts)}) == 1


async def test_rest_of_ccxt(venue: FakeVenue) -> None:
    """Ccxt's REST methods read the same truth."""
    exchange = redirect(ccxt.async_support.bybit({"enableRateLimit": False, **OPTIONS}), venue.gateway)
    market = venue.market
    try:
        book = await exchange.fetch_order_book(COIN, 20)
        some = {s: await exchange.fetch_trades(s, limit=10) for s in (SPOT, SWAP)}
        rows = await exchange.fetch_ohlcv(DOLLAR, "1m", limit=2)
        found = await exchange.fetch_tickers([SWAP, DOLLAR])
        interest = await exchange.fetch_open_interest(SWAP)
        now_ms = await exchange.fetch_time()
    finally:
        await exchange.close()
    assert book["bids"] == [[float(p), float(q)] for p, q in market.book(COIN, 20).bids]
    for symbol, rest in some.items():
        spec = market.specs[symbol]
        assert [t["id"] for t in rest] == [
            trade_id(spec, t.id) for t in market.trades(symbol)[-10:]
        ]
    assert rows == [candle.row() for candle in market.candles(DOLLAR, "1m")[-2:]]
    assert found[SWAP]["last"] == market.stats(SWAP).close / 1e8
    assert interest["openInterestAmount"] == market.open_interest(SWAP).contracts_e8 / 1e8
    assert now_ms == market.now_ms


async def test_hosts_and_paths(venue: FakeVenue) -> None:
    """1: other addresses are no addresses; REST refuses what it does not know."""
    for path, host in (("/v5/public/options", STREAM), ("/v5/private", STREAM), ("/v5/public/spot", "x.com")):
        with pytest.raises(Exception, match="404"):
            async with dial(venue, path, host=host):
                pass
    status, body, _ = await get(venue, "/v5/market/orderbook?category=spot&symbol=NO", host=REST)
    assert (status, body["retCode"], body["retMsg"]) == (200, 10001, "params error: symbol invalid")
    assert (await get(venue, "/v5/market/nothing", host=REST))[0] == 404
    listed_ = {s: (category_of(spec), market_id(spec)) for s, spec in venue.market.specs.items()}
    assert listed_[DATED] == ("linear", "ETHUSDT-25DEC26")


def test_markets_are_read_from_their_listing() -> None:
    """A recording brings the venue's own lists; their rows are those that the fake makes."""
    odd = Bybit.spec_of("BTC/USD:BTC-261225"), Bybit.spec_of("BTC/USDC:USDC-261225")
    assert [market_id(spec) for spec in odd] == ["BTCUSDZ26", "BTC-25DEC26"]
    specs = [*map(Bybit.spec_of, SYMBOLS), *odd]
    bodies = {
        f"instruments:{category}": msgspec.json.encode({"result": {"list": [
            listing(spec) for spec in specs if category_of(spec) == category
        ]}})
        for category in ("spot", "linear", "inverse")
    }  # fmt: skip
    ids = [f"{category_of(spec)}|{market_id(spec)}" for spec in specs]
    for spec, read in zip(specs, Bybit.specs_of(ids, bodies), strict=True):
        assert msgspec.structs.replace(read, price=spec.price) == spec
    # Without a list the id must do.
    guessed = Bybit.specs_of(["spot|XRPUSDT", "linear|SOLPERP", "inverse|BTCUSD"], {})
    assert [spec.symbol for spec in guessed] == ["XRP/USDT", "SOL/USDC:USDC", "BTC/USD:BTC"]
