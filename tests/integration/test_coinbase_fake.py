"""The fake Coinbase: ccxt.pro reads it, our library agrees with ccxt on it, limits are kept."""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import ccxt.async_support
import ccxt.pro
import msgspec
import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    agree,
    book_by_time,
    clients,
    ticker,
    tickers,
    trades,
)
from tests.support import dial, get, redirect, until
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.venues._coinbase_products import described, product_id

BTC, COIN, ETH = "BTC/USD", "BTC/USDC", "ETH/USD"
SWAP, FUTURE = "BTC/USD:USD", "BTC/USD:USD-261225"
SYMBOLS = (BTC, COIN, ETH, SWAP, FUTURE)
IDS = {
    BTC: "BTC-USD", COIN: "BTC-USDC", ETH: "ETH-USD", SWAP: "BIP-20DEC30-CDE",
    FUTURE: "BIT-25DEC26-CDE",
}  # fmt: skip
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks
HOST, REST = "advanced-trade-ws.coinbase.com", "api.coinbase.com"
TOO_MANY = "too many L2 streams requested in a single session"
LEVELS = 150
QUICK = {"enableRateLimit": False}  # ccxt takes a second for its five requests of the markets

_DIGITS = "ccxt hands on the venue's text with its nanoseconds, ours is made of `timestamp`"
_MAKER = "the venue tells the maker's side, which ccxt takes for the taker's (5.1, 10)"
_TRADE = {"datetime": _DIGITS, "side": _MAKER}
_TIME = {"datetime": _DIGITS}
_NO_TICK = "ccxt names no market here, so it does not round to the tick"
_TICKER = {"datetime": _DIGITS, "average": _NO_TICK}
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "trades": _TRADE, "trades of a swap": _TRADE, "trades of a future": _TRADE,
    "trades for symbols": _TRADE, "book": _TIME, "book of a swap": _TIME,
    "book for symbols": _TIME, "ticker": _TICKER, "ticker of a swap": _TICKER,
    "ticker of a future": _TICKER, "tickers": _TICKER,
}  # fmt: skip
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""
_BY_CHANCE = frozenset({"average"})  # where half of the sum is on the tick, both agree


def case(
    call: Callable[[Any], Awaitable[Any]], items: Callable[[Any], dict[Any, Any]], channel: str,
    *symbols: str, ticks: int = 30, lossy: bool = False,
) -> Case:  # fmt: skip
    """Make a case; the heartbeats are ours alone."""
    topics = [f"{channel}:{IDS[symbol]}" for symbol in symbols]
    return Case(call, items, topics, ticks, lossy, beside=["heartbeats"])


CASES: Mapping[str, Case] = {
    "trades": case(lambda ex: ex.watch_trades(BTC), trades, "market_trades", BTC),
    "trades of a swap": case(lambda ex: ex.watch_trades(SWAP), trades, "market_trades", SWAP),
    "trades of a future": case(lambda ex: ex.watch_trades(FUTURE), trades, "market_trades", FUTURE),
    "trades for symbols": case(
        lambda ex: ex.watch_trades_for_symbols([BTC, ETH]), trades, "market_trades", BTC, ETH
    ),
    "book": case(lambda ex: ex.watch_order_book(BTC), book_by_time, "level2", BTC, lossy=True),
    "book of a swap": case(
        lambda ex: ex.watch_order_book(SWAP), book_by_time, "level2", SWAP, lossy=True
    ),
    "book for symbols": case(
        lambda ex: ex.watch_order_book_for_symbols([BTC, FUTURE]), book_by_time, "level2",
        BTC, FUTURE, lossy=True,
    ),
    "ticker": case(lambda ex: ex.watch_ticker(BTC), ticker, "ticker", BTC),
    "ticker of a swap": case(lambda ex: ex.watch_ticker(SWAP), ticker, "ticker", SWAP),
    "ticker of a future": case(lambda ex: ex.watch_ticker(FUTURE), ticker, "ticker", FUTURE),
    "tickers": case(
        lambda ex: ex.watch_tickers([BTC, ETH]), tickers, "ticker_batch", BTC, ETH, ticks=110,
        lossy=True,
    ),
}  # fmt: skip


def small_market() -> MarketModel:
    """Return books that both clients hand out whole: ccxt's knows no limit."""
    specs = [described(symbol) for symbol in SYMBOLS]
    return MarketModel(specs, seed=11, clock=lambda: NOON, levels=LEVELS)


def many(symbols: Sequence[str]) -> MarketModel:
    """Return small books of many markets, all of which have traded."""
    specs = [described(symbol) for symbol in symbols]
    return MarketModel(specs, levels=3, warmup_ticks=20, trades_per_s=30)


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """A venue that moves only when told."""
    async with FakeVenue("coinbase", market=small_market(), paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Our object and ccxt.pro's, with their markets loaded."""
    async with clients("coinbase", venue.gateway, ours=QUICK) as both:
        yield both


@pytest_asyncio.fixture
async def ours(venue: FakeVenue) -> AsyncIterator[Any]:
    """Our object alone."""
    async with unified_ws.exchange("coinbase", {"gateway": venue.gateway, **QUICK}) as ex:
        await ex.load_markets()
        yield ex


# --- ccxt.pro and ours ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
async def test_both_say_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Field by field; what differs has its reason, and a reason that is gone must go too."""
    await agree(CASES[name], venue, pair, DIFFERENCES[name], by_chance=_BY_CHANCE)
    assert venue.stats.violations == []
    assert pair[0].quarantined() == []


async def test_the_side_is_the_takers(venue: FakeVenue, pair: Pair) -> None:
    """5.1: the market itself says who took; ccxt says the opposite of every trade."""
    mine, theirs = [await ex.watch_trades(BTC) for ex in pair]
    truth = {str(trade.id): trade.side for trade in venue.market.trades(BTC)}
    assert len(mine) == len(theirs) == 100
    assert all(trade["side"] == truth[trade["id"]] for trade in mine)
    assert not any(trade["side"] == truth[trade["id"]] for trade in theirs)


async def test_markets(venue: FakeVenue, pair: Pair) -> None:
    """5.8: ccxt lists what the fake lists, with contract sizes and steps of the venue."""
    mine, theirs = pair
    assert set(theirs.markets) == set(mine.markets) == set(SYMBOLS)
    found = {symbol: (m["id"], m["type"]) for symbol, m in theirs.markets.items()}
    assert found == {
        BTC: (IDS[BTC], "spot"), COIN: (IDS[COIN], "spot"), ETH: (IDS[ETH], "spot"),
        SWAP: (IDS[SWAP], "swap"), FUTURE: (IDS[FUTURE], "future"),
    }  # fmt: skip
    for symbol, market in theirs.markets.items():
        spec = venue.market.specs[symbol]
        assert product_id(spec) == market["id"]
        assert market["precision"]["amount"] == spec.step / 1e8
        assert market["precision"]["price"] == spec.tick / 1e8
        assert market["contractSize"] == (None if spec.spot else 0.01)


async def test_rest_of_ccxt(venue: FakeVenue) -> None:
    """REST methods of ccxt read the same truth, of another name of a market too (5.7)."""
    exchange = redirect(ccxt.async_support.coinbase({"enableRateLimit": False}), venue.gateway)
    try:
        book = await exchange.fetch_order_book(COIN, 20)
        found = await exchange.fetch_trades(COIN, limit=10)
        candles = await exchange.fetch_ohlcv(BTC, "5m", (int(NOON) - 600) * 1000, 2)
        one = await exchange.fetch_ticker(SWAP)
        many = await exchange.fetch_tickers([BTC])
        time_ms = await exchange.fetch_time()
        with pytest.raises(ccxt.async_support.ExchangeError):
            await exchange.v3_public_get_brokerage_market_products_product_id({"product_id": "X"})
    finally:
        await exchange.close()
    market = venue.market
    truth = market.book(BTC, 20)
    assert book["bids"] == [[float(p), float(q)] for p, q in truth.bids]
    assert book["asks"] == [[float(p), float(q)] for p, q in truth.asks]
    assert [t["id"] for t in found] == [str(trade.id) for trade in market.trades(BTC)[-10:]]
    assert candles == [candle.row() for candle in market.candles(BTC, "5m")[-2:]]
    assert (one["last"], one["bid"]) == (
        market.last_trade(SWAP).price_e8 / 1e8, market.quote(SWAP).bid_e8 / 1e8,
    )  # fmt: skip
    assert many[BTC]["last"] == market.stats(BTC).close / 1e8
    assert time_ms // 1000 == market.now_ms // 1000


async def test_ccxt_finds_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own tests of watch methods pass on our object, also where it has none itself.

    Each takes 15 seconds; they are given the clock of the market, which runs eight times as fast.
    """
    told: dict[str, Any] = {
        "trades": BTC, "trades_for_symbols": [BTC, SWAP], "order_book": COIN,
        "order_book_for_symbols": [BTC, ETH], "ticker": SWAP, "tickers": BTC,
        "bids_asks": BTC, "ohlcv": BTC, "ohlcv_for_symbols": ETH,
    }  # fmt: skip

    def theirs(name: str) -> Any:
        module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
        return getattr(module, f"test_watch_{name}")

    async with (
        FakeVenue("coinbase", market=small_market(), speed=8) as venue,
        unified_ws.exchange("coinbase", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        monkeypatch.setattr(ex, "milliseconds", lambda: venue.market.now_ms)
        begun = venue.market.now_ms
        results = await asyncio.gather(
            *(theirs(name)(ex, {}, argument) for name, argument in told.items()),
            return_exceptions=True,
        )
        assert {n: r for n, r in zip(told, results, strict=True) if isinstance(r, Exception)} == {}
        assert venue.market.now_ms - begun >= 15_000
        assert (venue.stats.connections, venue.stats.violations) == (1, [])
        assert ex.quarantined() == []


# --- what ccxt does not have -------------------------------------------------------------------


async def watched(venue: FakeVenue, topic: str, call: Awaitable[Any], ticks: int = 1) -> Any:
    """Return what a call brings once the venue sees its topic and the market has moved."""
    task = asyncio.ensure_future(call)
    await venue.until(lambda: topic in venue.topics)
    await venue.step(ticks)
    return await asyncio.wait_for(task, 5)


async def test_two_names_of_one_book(venue: FakeVenue, ours: Any) -> None:
    """5.7: each market under its own symbol, one topic for both."""
    topic = "level2:BTC-USD"
    mine = asyncio.ensure_future(ours.watch_order_book(BTC))
    other = await watched(venue, topic, ours.watch_order_book(COIN))
    assert [(book["symbol"], book["bids"]) for book in (await mine, other)] == [
        (BTC, other["bids"]), (COIN, other["bids"]),
    ]  # fmt: skip
    found = await watched(venue, "market_trades:BTC-USD", ours.watch_trades(COIN), 3)
    assert {trade["symbol"] for trade in found} == {COIN}
    assert venue.topics == dict.fromkeys(("heartbeats", topic, "market_trades:BTC-USD"), 1)


async def test_the_second_name_of_a_book_comes_later(venue: FakeVenue, ours: Any) -> None:
    """5.7: its first state has passed by then, and yet it has a book at once; both go on."""
    await watched(venue, "level2:BTC-USD", ours.watch_order_book(BTC))
    other = asyncio.ensure_future(ours.watch_order_book(COIN))
    while not other.done():
        await venue.step()
        await asyncio.sleep(0.01)
    later = await watched(venue, "level2:BTC-USD", ours.watch_order_book(BTC))
    assert ((await other)["symbol"], later["symbol"]) == (COIN, BTC)
    assert (venue.stats.connections, venue.stats.violations) == (1, [])


async def test_best_bid_and_ask_come_from_the_book(venue: FakeVenue, ours: Any) -> None:
    """5.5: every change of it, exactly the market's own."""
    seen: dict[tuple[float, ...], None] = {}

    async def read() -> None:
        while True:
            row = (await ours.watch_bids_asks([ETH]))[ETH]
            seen[row["bid"], row["bidVolume"], row["ask"], row["askVolume"]] = None

    task = asyncio.ensure_future(read())
    await venue.until(lambda: "level2:ETH-USD" in venue.topics)
    expected: dict[tuple[float, ...], None] = {}
    for _ in range(20):
        quote = venue.market.quote(ETH)
        best = quote.bid_e8, quote.bid_amount_e8, quote.ask_e8, quote.ask_amount_e8
        expected[tuple(value / 1e8 for value in best)] = None
        await until(lambda: list(seen) == list(expected))
        await venue.step()
    task.cancel()
    assert len(expected) > 5


async def test_candles(venue: FakeVenue, ours: Any) -> None:
    """5.4: five minutes from the venue, others from trades; closed once a later one begins."""
    rows: dict[str, dict[float, Any]] = {"5m": {}, "1m": {}}

    async def read(timeframe: str) -> None:
        while True:
            found = await ours.watch_ohlcv(BTC, timeframe)
            rows[timeframe].update({row[0]: row for row in found})

    tasks = [asyncio.ensure_future(read(timeframe)) for timeframe in rows]
    await venue.until(lambda: len(venue.topics) == 3)
    await venue.step(3020)
    noon, later = (int(NOON + after_s) * 1000 for after_s in (0, 300))
    await until(lambda: later in rows["5m"] and later in rows["1m"])
    for task in tasks:
        task.cancel()
    assert set(venue.topics) == {"heartbeats", "candles:BTC-USD", "market_trades:BTC-USD"}
    for timeframe, source in (("5m", "venue"), ("1m", "trades")):
        candles = {c.open_ms: c.row() for c in venue.market.candles(BTC, timeframe)}
        row = rows[timeframe][noon]
        assert (row.closed, row.source) == (True, source)
        assert row[:5] == candles[noon][:5]
        assert row[5] == pytest.approx(candles[noon][5], rel=1e-12)
        assert not rows[timeframe][later].closed


async def test_funding_and_open_interest_by_rest(venue: FakeVenue, ours: Any) -> None:
    """5.8: no socket is opened for them; a dated future has only open interest."""
    funding, swap = venue.market.funding(SWAP), venue.market.open_interest(SWAP)
    rate = await ours.watch_funding_rate(SWAP)
    assert (rate["fundingRate"], rate["fundingTimestamp"], rate["interval"]) == (
        funding.rate_e8 / 1e8, funding.next_ms, "8h",
    )  # fmt: skip
    assert rate["indexPrice"] == venue.market.mark(SWAP).index_e8 / 1e8
    row = await anext(aiter(ours.stream_open_interest(SWAP)))
    assert row.open_interest_amount == swap.contracts_e8 / 1e8
    for symbol in (FUTURE, BTC):
        with pytest.raises(unified_ws.NotSupported, match=f"coinbase.*{symbol}"):
            await ours.watch_funding_rate(symbol)
    with pytest.raises(unified_ws.NotSupported, match="coinbase"):
        await ours.watch_mark_price(SWAP)
    with pytest.raises(unified_ws.ArgumentsRequired, match="symbols"):
        await ours.watch_tickers()
    assert venue.stats.connections == 0


@pytest.mark.parametrize("harm", ["lose", "drop"])
async def test_trades_of_a_lost_frame_come_by_rest(venue: FakeVenue, ours: Any, harm: str) -> None:
    """6.3: the next number tells; the connection begins anew and no trade is missing (5.1)."""
    topic = "market_trades:BTC-USD"
    ids: list[int] = []

    async def read() -> None:
        async for trade in ours.stream_trades(BTC):
            ids.append(trade.number)  # noqa: PERF401 - it never ends

    task = asyncio.ensure_future(read())
    await until(lambda: len(ids) == 100)

    def back(connections: int) -> bool:
        return venue.stats.connections == connections and topic in venue.topics

    for connections in (2, 3, 4):
        await venue.step(10)
        if harm == "lose":
            venue.lose(topic)
        else:
            await venue.drop()
        await venue.step(10)
        await venue.until(functools.partial(back, connections))
    await venue.step(10)
    newest = venue.market.last_trade(BTC).id
    await until(lambda: ids[-1] == newest)
    task.cancel()
    assert ids == [*range(ids[0], newest + 1)]
    assert {row.path for row in venue.stats.rest if "ticker" in row.path} == {
        "/api/v3/brokerage/market/products/BTC-USD/ticker"
    }
    assert venue.stats.violations == []


# --- limits, endings, the venue's own words -------------------------------------------------------


async def test_400_books_keep_to_all_limits() -> None:
    """2: 30 books a connection, 8 messages and 8 dials a second; hence 14 connections."""
    symbols = [f"C{n}/USD" for n in range(400)]
    market = many(symbols)
    async with (
        FakeVenue("coinbase", market=market, paused=True) as venue,
        unified_ws.exchange("coinbase", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        books = [asyncio.ensure_future(ex.watch_order_book(symbol)) for symbol in symbols]
        await asyncio.wait_for(asyncio.gather(*books), 20)
        assert (venue.stats.connections, venue.stats.violations) == (14, [])
        assert venue.topics == {"heartbeats": 14} | {f"level2:C{n}-USD": 1 for n in range(400)}
        assert ex.quarantined() == []


async def test_400_markets_of_other_channels_share_a_connection() -> None:
    """2: only level2 has a limit of products."""
    symbols = [f"C{n}/USD" for n in range(400)]
    market = many(symbols)
    async with (
        FakeVenue("coinbase", market=market, paused=True) as venue,
        unified_ws.exchange("coinbase", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        reads = [ex.watch_tickers(symbols), ex.watch_trades_for_symbols(symbols)]
        tasks = [asyncio.ensure_future(read) for read in reads]
        await venue.until(lambda: len(venue.topics) == 801)
        assert (venue.stats.connections, venue.stats.violations) == (1, [])
        sent: list[Any] = [request.params for request in venue.stats.requests]
        sizes = [len(request.get("product_ids", ())) for request in sent]
        assert sorted(sizes) == [0, *[100] * 8]
        for task in tasks:
            task.cancel()


async def test_un_watching_ends_a_topic_and_the_last_one_the_connection(
    venue: FakeVenue, ours: Any
) -> None:
    """4.1: the heartbeats alone keep no connection open."""
    await watched(venue, "level2:BTC-USD", ours.watch_order_book(BTC))
    await watched(venue, "ticker:ETH-USD", ours.watch_ticker(ETH))
    await ours.un_watch_order_book(BTC)
    await venue.until(lambda: venue.topics == {"heartbeats": 1, "ticker:ETH-USD": 1})
    await ours.un_watch_ticker(ETH)
    await venue.until(lambda: venue.stats.open_connections == 0)
    assert (venue.stats.connections, venue.stats.violations) == (1, [])


async def test_a_market_unknown_to_the_venue_is_refused_alone() -> None:
    """4.2: it is missing from the answer, which says nothing else about it."""
    async with (
        FakeVenue("coinbase", symbols=[BTC, ETH], paused=True) as venue,
        unified_ws.exchange("coinbase", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        del venue.side._products.specs[IDS[ETH]]  # type: ignore[attr-defined]
        both = [asyncio.ensure_future(ex.watch_order_book(symbol)) for symbol in (BTC, ETH)]
        with pytest.raises(unified_ws.SubscribeRejected, match="ETH/USD"):
            await asyncio.wait_for(both[1], 30)
        assert (await both[0])["symbol"] == BTC


def answers(frame: dict[str, Any]) -> bool:
    """Say whether a frame lists what a connection holds."""
    return frame.get("channel") == "subscriptions"


async def test_what_the_venue_says_to_a_bare_client(venue: FakeVenue) -> None:
    """4.1, 4.2, 6.3: data before the answer, all that is held, a number but for errors."""
    async with dial(venue, "", host=HOST) as client:

        async def ask(kind: str, channel: str, *products: str) -> list[Any]:
            request = {"type": kind, "product_ids": products, "channel": channel}
            await client.ws.send_bytes(msgspec.json.encode(request))
            return await client.read_until(lambda f: answers(f) or "message" in f)

        snapshot, answer = await ask("subscribe", "level2", "BTC-USDC", "NOPE-USD")
        assert (snapshot["channel"], snapshot["sequence_num"]) == ("l2_data", 0)
        assert snapshot["events"][0]["product_id"] == "BTC-USD"
        assert (answer["sequence_num"], answer["events"]) == (
            1, [{"subscriptions": {"level2": ["BTC-USD"]}}],
        )  # fmt: skip
        (answer,) = await ask("subscribe", "heartbeats")
        assert answer["events"][0]["subscriptions"]["heartbeats"] == ["heartbeats"]
        (refused,) = await ask("subscribe", "level3", "BTC-USD")
        assert refused == {"type": "error", "message": "authentication failure"}
        await venue.step(10)
        (answer,) = (await ask("unsubscribe", "level2"))[-1:]
        assert answer["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]
    assert len(venue.stats.violations) == 1


async def test_the_31st_book_is_refused_as_a_whole() -> None:
    """2: with the venue's words; the connection stays, and so does what it held."""
    symbols = [f"C{n}/USD" for n in range(31)]
    market = many(symbols)
    async with (
        FakeVenue("coinbase", market=market, paused=True) as venue,
        dial(venue, "", host=HOST) as client,
    ):
        for count in (31, 30):
            ids = [f"C{n}-USD" for n in range(count)]
            request = {"type": "subscribe", "product_ids": ids, "channel": "level2"}
            await client.ws.send_bytes(msgspec.json.encode(request))
        refused, *snapshots, answer = await client.read_until(answers)
        assert refused == {"type": "error", "message": TOO_MANY}
        assert len(snapshots) == 30
        assert len(answer["events"][0]["subscriptions"]["level2"]) == 30


async def test_who_asks_for_nothing_is_cut_off() -> None:
    """2: five seconds on the venue, less here."""
    async with FakeVenue("coinbase", paused=True, subscribe_within_s=0.05) as venue:
        async with dial(venue, "", host=HOST) as client:
            assert await client.ended() == 1006
        assert len(venue.stats.violations) == 1


async def test_rest_errors(venue: FakeVenue) -> None:
    """9: the bodies that ccxt reads; other products of the venue are not here."""
    base = "/api/v3/brokerage/market"
    assert (await get(venue, f"{base}/products/NOPE", host=REST))[0] == 404
    assert (await get(venue, f"{base}/products/BTC-USD/candles", host=REST))[0] == 400
    assert (await get(venue, f"{base}/products", host="api.exchange.coinbase.com"))[0] == 404
    async with FakeVenue("coinbase", paused=True, weight_per_min=1) as strict:
        await get(strict, f"{base}/products", host=REST)
        status, body, _ = await get(strict, f"{base}/products", host=REST)
    assert (status, body["errors"][0]["id"]) == (429, "rate_limit_exceeded")
