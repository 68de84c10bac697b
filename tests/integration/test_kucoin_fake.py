"""KuCoin's fake: ccxt.pro reads it as it reads the venue, and agrees with this library.

Both are clients of one fake; what differs is in `DIFFERENCES`, with its reason, and nothing else
may. Then the rules of the venue with many markets, and what happens to tokens.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import ccxt
import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    Truth,
    agree,
    book,
    book_by_time,
    candles,
    clients,
    ticker,
    tickers,
    trades,
)
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.venues.kucoin import KuCoin

BTC, ETH = "BTC/USDT", "ETH/USDT"
SWAP, ETH_SWAP, INVERSE = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC"
DATED = "BTC/USD:BTC-261225"
SYMBOLS = (BTC, ETH, SWAP, ETH_SWAP, INVERSE, DATED)
IDS = {
    BTC: "BTC-USDT", ETH: "ETH-USDT", SWAP: "XBTUSDTM", ETH_SWAP: "ETHUSDTM", INVERSE: "XBTUSDM",
    DATED: "XBTMZ26",
}  # fmt: skip
NOON = 1_795_175_995.0  # 2026-11-20 11:59:55 UTC: what comes each minute comes soon
UTA = {"uta": True}

_CUT = (
    "the public state of a book has 100 levels: ccxt hands out what changed beyond them, with holes "
    "in between; ours hands out the rows that are known, and equals the venue's book in each"
)
_FIRST = (
    "ccxt takes another first state (after five changes, all at once); its time is the state's "
    "where ours may be that of the change that led to it"
)
_FILLED = "the frame has the sizes of best bid and ask, and ccxt leaves them out"
_NANOSECONDS = "ccxt multiplies nanoseconds as floats and cuts: now and then it is 1 ms short"
_SWAPPED = "ccxt takes UTA's ask for the bid and the bid for the ask (13.1)"
_COST = "ccxt multiplies the dollars of inverse contracts by the price; ours is what they are in coins"
_TIME = {"timestamp": _NANOSECONDS, "datetime": _NANOSECONDS}
_BOOK = {"timestamp": _FIRST, "datetime": _FIRST}
_UTA_TICKER = dict.fromkeys(("bid", "bidVolume", "ask", "askVolume"), _SWAPPED) | _TIME
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "book": {"bids": _CUT, "asks": _CUT, **_BOOK},
    "ticker": {"bidVolume": _FILLED, "askVolume": _FILLED},
    "snapshots": {"bidVolume": _FILLED, "askVolume": _FILLED},
    "book of a swap": _BOOK,
    "book of an inverse swap": _BOOK,
    "book of a dated future": _BOOK,
    "ticker of a swap": _TIME,
    "tickers of swaps": _TIME,
    "bids and asks of a swap": _TIME,
    "ticker by UTA": _UTA_TICKER,
    "ticker of a swap by UTA": _UTA_TICKER,
    **dict.fromkeys(
        (
            "trades", "trades for symbols", "trades of a swap", "trades by UTA",
            "trades of a swap by UTA",
        ),
        _TIME,
    ),
    "trades of an inverse swap": {**_TIME, "cost": _COST},
    "trades of a dated future": {**_TIME, "cost": _COST},
}  # fmt: skip
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


def topics(channel: str, *symbols: str, tail: str = "") -> list[str]:
    """Return the fake's names of topics."""
    return [f"{channel}:{IDS[symbol]}{tail}" for symbol in symbols]


def mark(answer: Any) -> dict[Any, Any]:
    """Only what a mark price is: ccxt says it in a whole ticker."""
    kept = ("symbol", "timestamp", "datetime", "markPrice", "indexPrice", "info")
    return ticker({key: answer[key] for key in kept})


CASES: Mapping[str, Case] = {
    "trades": Case(lambda ex: ex.watch_trades(BTC), trades, topics("/market/match", BTC)),
    "trades for symbols": Case(
        lambda ex: ex.watch_trades_for_symbols([BTC, ETH]), trades,
        topics("/market/match", BTC, ETH),
    ),
    "trades of a swap": Case(
        lambda ex: ex.watch_trades(SWAP), trades, topics("/contractMarket/execution", SWAP)
    ),
    "trades of an inverse swap": Case(
        lambda ex: ex.watch_trades(INVERSE), trades, topics("/contractMarket/execution", INVERSE)
    ),
    "trades of a dated future": Case(
        lambda ex: ex.watch_trades(DATED), trades, topics("/contractMarket/execution", DATED)
    ),
    "book": Case(
        lambda ex: ex.watch_order_book(BTC), book, topics("/market/level2", BTC), 40, lossy=True
    ),
    "book of 5": Case(
        lambda ex: ex.watch_order_book(BTC, 5), book_by_time,
        topics("/spotMarket/level2Depth5", BTC), 40,
    ),
    "book of 50 by option": Case(
        lambda ex: ex.watch_order_book(ETH, None, {"spotMethod": "/spotMarket/level2Depth50"}),
        book_by_time, topics("/spotMarket/level2Depth50", ETH), 20,
    ),
    "book of a swap": Case(
        lambda ex: ex.watch_order_book(SWAP), book, topics("/contractMarket/level2", SWAP), 30,
        lossy=True,
    ),
    "book of an inverse swap": Case(
        lambda ex: ex.watch_order_book(INVERSE), book, topics("/contractMarket/level2", INVERSE),
        30, lossy=True,
    ),
    "book of a dated future": Case(
        lambda ex: ex.watch_order_book(DATED), book, topics("/contractMarket/level2", DATED), 30,
        lossy=True,
    ),
    "book of 50 of a swap": Case(
        lambda ex: ex.watch_order_book(SWAP, 50), book,
        topics("/contractMarket/level2Depth50", SWAP), 20,
    ),
    "ticker": Case(
        lambda ex: ex.watch_ticker(BTC), ticker, topics("/market/snapshot", BTC), 80
    ),
    "tickers": Case(
        lambda ex: ex.watch_tickers([BTC, ETH]), tickers, topics("/market/ticker", BTC, ETH),
        lossy=True,
    ),
    "snapshots": Case(
        lambda ex: ex.watch_tickers([BTC, ETH], {"method": "/market/snapshot"}), tickers,
        topics("/market/snapshot", BTC, ETH), 80, lossy=True,
    ),
    "all tickers": Case(lambda ex: ex.watch_tickers(), tickers, ["/market/ticker:all"], lossy=True),
    "ticker of a swap": Case(
        lambda ex: ex.watch_ticker(SWAP), ticker, topics("/contractMarket/ticker", SWAP)
    ),
    "tickers of swaps": Case(
        lambda ex: ex.watch_tickers([SWAP, INVERSE]), tickers,
        topics("/contractMarket/ticker", SWAP, INVERSE), lossy=True,
    ),
    "bids and asks": Case(
        lambda ex: ex.watch_bids_asks([BTC, ETH]), tickers, topics("/spotMarket/level1", BTC, ETH),
        lossy=True,
    ),
    "bids and asks of a swap": Case(
        lambda ex: ex.watch_bids_asks([SWAP]), tickers, topics("/contractMarket/tickerV2", SWAP),
        lossy=True,
    ),
    "candles": Case(
        lambda ex: ex.watch_ohlcv(BTC), candles, topics("/market/candles", BTC, tail="_1min"), 80
    ),
    "candles of a swap": Case(
        lambda ex: ex.watch_ohlcv(SWAP, "5m"), candles,
        topics("/contractMarket/limitCandle", SWAP, tail="_5min"), 80,
    ),
    "candles of an inverse swap": Case(
        lambda ex: ex.watch_ohlcv(INVERSE), candles,
        topics("/contractMarket/limitCandle", INVERSE, tail="_1min"), 80,
    ),
    "mark price": Case(
        lambda ex: ex.watch_mark_price(SWAP), mark, topics("mark-price", SWAP), 60
    ),
    "funding rate": Case(
        lambda ex: ex.watch_funding_rate(SWAP), ticker, topics("funding-fee", SWAP), 60, least=1
    ),
    "trades by UTA": Case(
        lambda ex: ex.watch_trades(BTC, None, None, UTA), trades, topics("trade.SPOT", BTC)
    ),
    "trades of a swap by UTA": Case(
        lambda ex: ex.watch_trades(SWAP, None, None, UTA), trades, topics("trade.FUTURES", SWAP)
    ),
    "ticker by UTA": Case(
        lambda ex: ex.watch_ticker(BTC, UTA), ticker, topics("ticker.SPOT", BTC), lossy=True
    ),
    "ticker of a swap by UTA": Case(
        lambda ex: ex.watch_ticker(SWAP, UTA), ticker, topics("ticker.FUTURES", SWAP), lossy=True
    ),
    "candles by UTA": Case(
        lambda ex: ex.watch_ohlcv(BTC, "1m", None, None, UTA), candles,
        topics("kline.SPOT", BTC, tail="_1min"), 80,
    ),
    "book of 5 by UTA": Case(
        lambda ex: ex.watch_order_book(BTC, None, {**UTA, "utaDepth": "5"}), book,
        topics("obu.SPOT@5", BTC),
    ),
    "book of 50 of a swap by UTA": Case(
        lambda ex: ex.watch_order_book(SWAP, None, {**UTA, "utaDepth": "50"}), book,
        topics("obu.FUTURES@50", SWAP),
    ),
}  # fmt: skip


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """Markets of every type that move when told."""
    specs = [KuCoin.spec_of(symbol) for symbol in SYMBOLS]
    market = MarketModel(specs, seed=11, clock=lambda: NOON, levels=150, warmup_ticks=60)
    async with FakeVenue("kucoin", market=market, paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Two clients of the venue."""
    async with clients("kucoin", venue.gateway) as both:
        yield both


@pytest.mark.parametrize("name", CASES)
async def test_both_read_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    await agree(CASES[name], venue, pair, DIFFERENCES.get(name, {}))
    assert venue.stats.violations == []


# --- what ccxt has not ------------------------------------------------------------------------


@pytest_asyncio.fixture
async def ex(venue: FakeVenue) -> AsyncIterator[unified_ws.Exchange]:
    """Our object alone."""
    async with unified_ws.exchange("kucoin", {"gateway": venue.gateway}) as made:
        await made.load_markets()
        yield made


async def read(venue: FakeVenue, call: Any, ticks: int, topic: str) -> Any:
    """Return what a call brings while the market moves on."""
    task = asyncio.ensure_future(call)
    await venue.until(lambda: topic in venue.topics)
    await venue.step(ticks)
    return await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("symbol", [BTC, SWAP, INVERSE])
async def test_books_by_uta_equal_the_market(
    venue: FakeVenue, ex: unified_ws.Exchange, symbol: str
) -> None:
    """8.4: the first state comes late, changes before it are dropped; then each book is true."""
    truth, found = Truth(venue), dict[Any, Any]()
    futures = "FUTURES" if ":" in symbol else "SPOT"
    topic = f"obu.{futures}@increment@10ms:{IDS[symbol]}"
    reading = asyncio.ensure_future(ex.watch_order_book(symbol, None, UTA))
    await venue.until(lambda: topic in venue.topics)
    for _ in range(40):
        await venue.step()
        truth.note()
        done, _ = await asyncio.wait({reading}, timeout=0.05)
        if done:
            found |= book(reading.result())
            reading = asyncio.ensure_future(ex.watch_order_book(symbol, None, UTA))
    reading.cancel()
    assert truth.wrong(found) == []
    assert len(found) >= 30
    assert ex.status()["streams"][0]["resyncs"] == 0


async def test_marks_and_open_interest_are_the_markets(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """7: two kinds of rows from one topic, which is subscribed once."""
    streams = ex.stream_mark_price(SWAP), ex.stream_open_interest(SWAP)
    rows = [asyncio.ensure_future(anext(aiter(one))) for one in streams]
    await venue.until(lambda: "mark-price:XBTUSDTM" in venue.topics)
    await venue.step(10)
    mark_price, interest = await asyncio.wait_for(asyncio.gather(*rows), 5)
    market = venue.market
    assert mark_price.mark_price == float(market.mark(SWAP).mark)
    assert mark_price.index_price == float(market.mark(SWAP).index)
    assert interest.open_interest_amount == float(market.open_interest(SWAP).contracts)
    assert venue.topics == {"mark-price:XBTUSDTM": 1}


async def test_the_classic_channel_of_marks_and_funding(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """6: chosen by name; its rate comes each minute."""
    classic = {"method": "/contract/instrument"}
    topic = "/contract/instrument:XBTUSDTM"
    found = await read(venue, ex.watch_mark_price(SWAP, classic), 10, topic)
    assert found["markPrice"] == float(venue.market.mark(SWAP).mark)
    rate = await read(venue, ex.watch_funding_rate(SWAP, classic), 40, topic)
    assert rate["fundingRate"] == float(venue.market.funding(SWAP).rate)
    assert venue.topics == {topic: 1}


async def test_the_statistics_of_a_contracts_day(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """6: chosen by name, since ccxt's channel has none."""
    choice = {"contractMethod": "/contractMarket/snapshot"}
    found = await read(
        venue, ex.watch_ticker(SWAP, choice), 50, "/contractMarket/snapshot:XBTUSDTM"
    )
    stats = venue.market.stats(SWAP)
    assert (found["open"], found["high"]) == (stats.open / 1e8, stats.high / 1e8)
    assert found["baseVolume"] == pytest.approx(stats.volume / 1e8 * 0.001)
    assert found["last"] == stats.close / 1e8


@pytest.mark.parametrize(
    ("method", "argument"),
    [("watch_mark_price", BTC), ("watch_funding_rate", DATED), ("watch_liquidations", SWAP)],
)
async def test_what_the_venue_does_not_have(
    ex: unified_ws.Exchange, method: str, argument: str
) -> None:
    """6, 7: an error at once, instead of a stream that stays silent."""
    with pytest.raises(ccxt.NotSupported, match="kucoin"):
        await getattr(ex, method)(argument)


async def test_futures_have_no_candles_of_six_hours(ex: unified_ws.Exchange) -> None:
    """7: the venue would acknowledge them and say nothing."""
    with pytest.raises(ccxt.NotSupported, match="kucoin"):
        await ex.watch_ohlcv(SWAP, "6h")


async def test_the_twin_reads_futures(venue: FakeVenue) -> None:
    """`kucoinfutures` is ccxt's class for the same sockets."""
    async with clients("kucoinfutures", venue.gateway) as pair:
        case = Case(
            lambda ex: ex.watch_trades(SWAP), trades, topics("/contractMarket/execution", SWAP)
        )
        await agree(case, venue, pair, _TIME)
        assert BTC not in pair[0].markets


# --- ccxt's own tests -------------------------------------------------------------------------

THEIRS = {
    "trades": (BTC, SWAP), "trades_for_symbols": ([BTC, ETH], [SWAP, INVERSE]),
    "order_book": (BTC, SWAP), "order_book_for_symbols": ([BTC, ETH], [SWAP, ETH_SWAP]),
    "ticker": (BTC, SWAP), "tickers": (BTC, SWAP), "bids_asks": (BTC, SWAP), "ohlcv": (BTC, SWAP),
}  # fmt: skip
FASTER = 10
"""How much faster than the wall both clocks run, the market's and that of ccxt's tests."""


@pytest.mark.parametrize("futures", [False, True])
async def test_ccxt_finds_no_fault(*, futures: bool) -> None:
    """The functions with which ccxt tests its own watch methods, none of them relaxed."""
    skipped: dict[str, Any] = {}
    begun = time.time()
    async with (
        FakeVenue("kucoin", symbols=SYMBOLS, seed=3, speed=FASTER) as venue,
        unified_ws.exchange("kucoin", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        ex.rest.milliseconds = lambda: int((begun + (time.time() - begun) * FASTER) * 1000)
        results = await asyncio.gather(
            *(theirs(name)(ex, skipped, pair[futures]) for name, pair in THEIRS.items()),
            return_exceptions=True,
        )
        failed = {n: r for n, r in zip(THEIRS, results, strict=True) if isinstance(r, Exception)}
        assert failed == {}
        # The test of tickers asks for all of them as well, and those are spot's.
        assert venue.stats.connections == (2 if futures else 1)
        assert venue.stats.violations == []
        assert ex.quarantined() == []


def theirs(name: str) -> Any:
    """Return one of ccxt's own test functions."""
    module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
    return getattr(module, f"test_watch_{name}")


# --- limits, tokens, ends ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "connections"),
    [("", 3), (":USDT", 1)],  # 2: 300 topics a session on spot, no limit on futures
)
async def test_four_hundred_markets(tail: str, connections: int) -> None:
    """As few connections as the venue allows, and no rule of it is broken."""
    symbols = [f"C{n}/USDT{tail}" for n in range(400)]
    specs = [KuCoin.spec_of(symbol) for symbol in symbols]
    market = MarketModel(
        specs, seed=5, levels=30, warmup_ticks=10, history=100, trades_per_s=60
    )  # fmt: skip
    async with (
        FakeVenue("kucoin", market=market, paused=True) as venue,
        unified_ws.exchange("kucoin", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        refused: list[Any] = []
        ex.on("refused", refused.append)
        calls = (
            ex.watch_trades_for_symbols(symbols),
            *(ex.watch_order_book(symbol, 5) for symbol in symbols),
        )
        reading = [asyncio.ensure_future(call) for call in calls]
        await venue.until(lambda: len(venue.topics) == 800)
        await venue.step(3)
        await asyncio.wait_for(asyncio.gather(*reading), 5)
        assert venue.stats.connections == connections
        asked = [r for r in venue.stats.requests if r.method == "subscribe"]
        assert len(asked) <= 8 + connections  # a hundred at a time, cut where a socket is full
        assert venue.stats.violations == []
        assert refused == []
        await ex.un_watch_trades_for_symbols(symbols)
        await ex.un_watch_order_book_for_symbols(symbols)
        await venue.until(lambda: venue.topics == {} and venue.stats.open_connections == 0)
        assert venue.stats.violations == []


@pytest.mark.parametrize(
    ("watch", "un_watch"),
    [
        (lambda ex: ex.watch_trades(BTC), lambda ex: ex.un_watch_trades(BTC)),
        (lambda ex: ex.watch_order_book(SWAP), lambda ex: ex.un_watch_order_book(SWAP)),
        (lambda ex: ex.watch_ticker(BTC, UTA), lambda ex: ex.un_watch_ticker(BTC, UTA)),
        (lambda ex: ex.watch_ohlcv(SWAP), lambda ex: ex.un_watch_ohlcv(SWAP)),
        (lambda ex: ex.watch_mark_price(SWAP), lambda ex: ex.un_watch_mark_price(SWAP)),
        (lambda ex: ex.watch_tickers(), lambda ex: ex.un_watch_tickers()),
        (lambda ex: ex.watch_bids_asks([SWAP]), lambda ex: ex.un_watch_bids_asks([SWAP])),
    ],
)
async def test_the_end_of_a_watch_closes_the_connection(
    venue: FakeVenue, ex: unified_ws.Exchange, watch: Any, un_watch: Any
) -> None:
    """Nothing is left behind at the venue."""
    reading = asyncio.ensure_future(watch(ex))
    await venue.until(lambda: len(venue.topics) == 1)
    await venue.step(20)
    await asyncio.wait_for(reading, 5)
    await un_watch(ex)
    await venue.until(lambda: venue.topics == {} and venue.stats.open_connections == 0)
    assert venue.stats.violations == []


def bullets(venue: FakeVenue) -> int:
    """Return how many tokens have been asked for."""
    return sum(seen.path.endswith("/bullet-public") for seen in venue.stats.rest)


async def test_each_dial_takes_a_token_of_its_own(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """1.1, 12: what was given for one connection is not dialed with again."""
    reading = asyncio.ensure_future(ex.watch_trades(BTC))
    await venue.until(lambda: len(venue.topics) == 1)
    side = venue.side
    assert isinstance(side, KuCoin)
    side.expire_tokens()  # the old address is dead from here on
    await venue.drop(1000, "Bye")
    await venue.until(lambda: len(venue.topics) == 1)
    await venue.step(20)
    assert await asyncio.wait_for(reading, 5)
    assert (bullets(venue), venue.stats.connections) == (2, 2)
    assert venue.stats.violations == []


async def test_an_expired_token_is_replaced(venue: FakeVenue, ex: unified_ws.Exchange) -> None:
    """4.1: the venue refuses the next topic and hangs up; both topics go on with a new token."""
    first = asyncio.ensure_future(ex.watch_trades(BTC))
    await venue.until(lambda: len(venue.topics) == 1)
    side = venue.side
    assert isinstance(side, KuCoin)
    side.expire_tokens()
    second = asyncio.ensure_future(ex.watch_trades(ETH))
    await venue.until(lambda: len(venue.topics) == 2)
    await venue.step(20)
    assert await asyncio.wait_for(first, 5)
    assert await asyncio.wait_for(second, 5)
    assert bullets(venue) >= 2
    assert venue.stats.violations == []


async def test_pings_keep_to_the_interval_that_the_token_came_with(venue: FakeVenue) -> None:
    """1.1, 3: in milliseconds, from REST; the venue hangs up on who is silent for longer."""
    side = venue.side
    assert isinstance(side, KuCoin)
    side.dictate_heartbeat(60, 1000)
    async with unified_ws.exchange("kucoin", {"gateway": venue.gateway}) as ex:
        reading = asyncio.ensure_future(ex.watch_trades(BTC))
        await venue.until(lambda: sum(r.method == "ping" for r in venue.stats.requests) >= 3)
        await venue.step(20)
        await asyncio.wait_for(reading, 5)
        assert venue.stats.connections == 1
