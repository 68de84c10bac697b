"""ccxt itself reads the fake: this is how we know that it speaks the venue's language, not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
import pytest_asyncio

from tests.support import redirect
from unified_ws.testing import FakeVenue
from unified_ws.testing.market import Trade

BTC, ETH = "BTC/USDT", "ETH/USDT"
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: periodic streams come at known ticks


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """A venue that moves only when told."""
    async with FakeVenue("binance", seed=5, paused=True, clock=lambda: NOON) as fake:
        yield fake


@pytest_asyncio.fixture
async def pro(venue: FakeVenue) -> AsyncIterator[Any]:
    """ccxt.pro with its markets loaded from the fake."""
    exchange = redirect(
        ccxt.pro.binance({"newUpdates": True, "enableRateLimit": False, "timeout_on_exit": 0}),
        venue.gateway,
    )
    await exchange.load_markets()
    yield exchange
    await exchange.close()


async def watched(venue: FakeVenue, topic: str, call: Awaitable[Any], period_ms: int = 1000) -> Any:
    """Return what a watch call brings when the market has moved to the topic's next period."""
    task = asyncio.ensure_future(call)
    await venue.until(lambda: topic in venue.topics)
    await venue.step((period_ms - venue.market.now_ms % period_ms) // 100)
    return await asyncio.wait_for(task, 5)


def row(trade: Trade) -> dict[str, object]:
    """Return what ccxt makes of a trade."""
    return {
        "id": str(trade.id),
        "price": float(trade.price),
        "amount": float(trade.amount),
        "side": trade.side,
        "timestamp": trade.ts_ms,
        "symbol": trade.symbol,
    }


def rows(trades: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Return the same fields of ccxt's trades."""
    keys = ("id", "price", "amount", "side", "timestamp", "symbol")
    return [{key: trade[key] for key in keys} for trade in trades]


async def test_markets(venue: FakeVenue, pro: Any) -> None:
    """Ticks and steps of the fake become ccxt's precision."""
    market, spec = pro.markets[BTC], venue.market.specs[BTC]

    assert set(pro.markets) == set(venue.market.symbols)
    assert (market["id"], market["type"], market["active"]) == ("BTCUSDT", "spot", True)
    assert market["precision"]["price"] == spec.tick / 1e8
    assert market["precision"]["amount"] == spec.step / 1e8
    assert market["limits"]["cost"]["min"] == 5


async def test_watch_trades(venue: FakeVenue, pro: Any) -> None:
    """Every field that ccxt reads from a trade is the model's."""
    begin = venue.market.last_trade(BTC).id + 1
    found = await watched(venue, "btcusdt@trade", pro.watch_trades(BTC))

    expected = venue.market.trades_from(BTC, begin, len(found))
    assert rows(found) == [row(trade) for trade in expected]


async def test_watch_order_book(venue: FakeVenue, pro: Any) -> None:
    """Ccxt accepts the snapshot and the deltas, and ends in the same book."""
    book = await watched(venue, "btcusdt@depth@100ms", pro.watch_order_book(BTC))
    await venue.step(20)
    truth = venue.market.book(BTC)
    while book["nonce"] != truth.last_id:
        book = await pro.watch_order_book(BTC)

    for side, levels in (("bids", truth.bids), ("asks", truth.asks)):
        # beyond the 1000 levels of the snapshot ccxt knows only what has changed since
        assert book[side][:900] == [[float(p), float(q)] for p, q in levels[:900]]


@pytest.mark.parametrize("channel", ["ticker", "miniTicker"])
async def test_watch_ticker(venue: FakeVenue, pro: Any, channel: str) -> None:
    """Day statistics are the model's."""
    ticker = await watched(venue, f"btcusdt@{channel}", pro.watch_ticker(BTC, {"name": channel}))
    stats, quote = venue.market.stats(BTC), venue.market.quote(BTC)

    assert ticker["timestamp"] == venue.market.now_ms
    assert (ticker["open"], ticker["high"]) == (stats.open / 1e8, stats.high / 1e8)
    assert (ticker["low"], ticker["close"]) == (stats.low / 1e8, stats.close / 1e8)
    assert ticker["baseVolume"] == stats.volume / 1e8
    if channel == "ticker":
        assert (ticker["bid"], ticker["ask"]) == (quote.bid_e8 / 1e8, quote.ask_e8 / 1e8)
        assert ticker["previousClose"] == stats.previous_close / 1e8
        assert ticker["change"] == pytest.approx((stats.close - stats.open) / 1e8)


async def test_watch_tickers(venue: FakeVenue, pro: Any) -> None:
    """The all-market array is read."""
    call = pro.watch_tickers(None, {"name": "miniTicker"})
    tickers = await watched(venue, "!miniTicker@arr", call)

    for symbol in (BTC, ETH):
        assert tickers[symbol]["close"] == venue.market.stats(symbol).close / 1e8


async def test_watch_bids_asks(venue: FakeVenue, pro: Any) -> None:
    """Best bid and ask without event type or time are read."""
    quotes: list[Any] = []
    venue.market.subscribe(quotes.append)
    found = await watched(venue, "ethusdt@bookTicker", pro.watch_bids_asks([ETH]))

    seen = {(q.bid_e8 / 1e8, q.ask_e8 / 1e8) for q in quotes if hasattr(q, "bid_e8")}
    assert (found[ETH]["bid"], found[ETH]["ask"]) in seen


async def test_watch_ohlcv(venue: FakeVenue, pro: Any) -> None:
    """Candles are the model's."""
    found = await watched(venue, "btcusdt@kline_1m", pro.watch_ohlcv(BTC, "1m"), 2000)

    assert found[-1] == venue.market.candles(BTC, "1m")[-1].row()


async def test_many_symbols_and_unsubscribing(venue: FakeVenue, pro: Any) -> None:
    """Several topics in one request are delivered, and dropped again."""
    found = await watched(venue, "btcusdt@trade", pro.watch_trades_for_symbols([BTC, ETH]))
    assert found[0]["symbol"] in (BTC, ETH)
    assert venue.topics == {"btcusdt@trade": 1, "ethusdt@trade": 1}

    await pro.un_watch_trades_for_symbols([BTC, ETH])
    assert venue.topics == {}
    assert [method for _, method, _ in venue.stats.requests] == ["SUBSCRIBE", "UNSUBSCRIBE"]
    assert venue.stats.violations == []


async def test_rest_of_ccxt_async(venue: FakeVenue) -> None:
    """Ccxt's REST methods read the same truth."""
    settings = {"enableRateLimit": False, "timeout_on_exit": 0}
    exchange = redirect(ccxt.async_support.binance(settings), venue.gateway)
    try:
        book = await exchange.fetch_order_book(BTC, 50)
        trades = await exchange.fetch_trades(BTC, limit=10)
        plain = await exchange.fetch_trades(
            BTC, limit=10, params={"fetchTradesMethod": "publicGetTrades"}
        )
        candles = await exchange.fetch_ohlcv(BTC, "1m", limit=2)
        tickers = await exchange.fetch_tickers()
        quotes = await exchange.fetch_bids_asks([BTC])
        time_ms = await exchange.fetch_time()
        with pytest.raises(ccxt.BadSymbol):
            await exchange.public_get_depth({"symbol": "NOPE"})
    finally:
        await exchange.close()

    market = venue.market
    truth = market.book(BTC, 50)
    assert book["nonce"] == truth.last_id
    assert book["bids"] == [[float(p), float(q)] for p, q in truth.bids]
    assert [t["id"] for t in trades] == [str(agg.id) for agg in market.agg_trades(BTC)[-10:]]
    assert rows(plain) == [row(trade) for trade in market.trades(BTC)[-10:]]
    assert candles == [candle.row() for candle in market.candles(BTC, "1m")[-2:]]
    assert tickers[ETH]["last"] == market.stats(ETH).close / 1e8
    assert tickers[ETH]["quoteVolume"] == float(market.stats(ETH).cost // 10**8) / 1e8
    assert quotes[BTC]["bid"] == market.quote(BTC).bid_e8 / 1e8
    assert time_ms == market.now_ms


async def test_rest_of_ccxt_sync(venue: FakeVenue) -> None:
    """The synchronous ccxt works too, from a thread."""
    exchange = redirect(ccxt.binance({"enableRateLimit": False}), venue.gateway)
    markets = await asyncio.to_thread(exchange.fetch_markets)
    trades = await asyncio.to_thread(exchange.fetch_trades, ETH, None, 5)
    exchange.session.close()

    assert {market["symbol"] for market in markets} == set(venue.market.symbols) >= {BTC, ETH}
    assert [t["price"] for t in trades] == [
        agg.price_e8 / 1e8 for agg in venue.market.agg_trades(ETH)[-5:]
    ]
