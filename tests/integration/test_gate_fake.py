"""Gate and its fake: ccxt.pro reads the fake, reads the same from it as we do, and its limits hold.

What differs is in `DIFFERENCES`, with its reason, and nothing else may. Section numbers are those
of the project's protocol sheet for Gate.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import Counter
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
    Reader,
    Truth,
    agree,
    book,
    candles,
    clients,
    ticker,
    tickers,
    trades,
)
from tests.support import dial, get, redirect, until
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.venues._gate_markets import market_id
from unified_ws.testing.venues.gate import Gate

SPOT, SWAP, COIN, DATED = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-261225"
OTHER_SPOT, OTHER_SWAP = "ETH/USDT", "ETH/USDT:USDT"
SYMBOLS = (SPOT, OTHER_SPOT, SWAP, OTHER_SWAP, COIN, DATED)
NAMES = {
    SPOT: "spot|spot.{}:{}BTC_USDT{}", OTHER_SPOT: "spot|spot.{}:{}ETH_USDT{}",
    SWAP: "usdt|futures.{}:{}BTC_USDT{}", OTHER_SWAP: "usdt|futures.{}:{}ETH_USDT{}",
    COIN: "btc|futures.{}:{}BTC_USD{}",
    DATED: "delivery/usdt|futures.{}:{}BTC_USDT_20261225{}",
}  # fmt: skip
CONTRACTS = {SWAP: " of a swap", COIN: " in coins", DATED: " of a future"}
EVERY = {SPOT: "", **CONTRACTS}
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks
SPOT_HOST, HOST, REST = "api.gateio.ws", "fx-ws.gateio.ws", "api.gateio.ws"
SPOT_PATH, PATH = "/ws/v4/", "/v4/ws/usdt"
OLDER = {"interval": "100ms"}
AT_ONCE = {"enableRateLimit": False}
THEIRS = {"options": {"fetchMarkets": {"types": ["spot", "swap", "future"]}}}

_LIMIT = "ccxt hands out all 50 levels of the stream, whatever the limit"
_TIME = "ccxt leaves None although the envelope has `time_ms` (5.2)"
_REST_TIME = "ccxt cuts the time of a state by REST to whole seconds"
_ROUND = "ccxt names no market here, so it does not round to the tick"
_SPOT_TICKER = {"timestamp": _TIME, "datetime": _TIME, "average": _ROUND}
_OLDER = {"timestamp": _REST_TIME, "datetime": _REST_TIME}
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "book of 5": {"bids": _LIMIT, "asks": _LIMIT},
    "book of 20": _OLDER,
    **{f"book{suffix}": _OLDER for suffix in (" of a swap", " in coins", " of a future")},
    "ticker": _SPOT_TICKER,
    "tickers": _SPOT_TICKER,
    **{f"ticker{suffix}": {"average": _ROUND} for suffix in (" of a swap", " in coins", " of a future")},
}
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


class Steady(Gate):
    """The venue as it was in August 2026: tickers of contracts are whole (corrections).

    Partial ones wipe fields in ccxt (6.1); ours have a test of their own.
    """

    partial_tickers = False


def topic(channel: str, symbol: str, before: str = "", after: str = "") -> str:
    """Return the fake's name of a stream."""
    return NAMES[symbol].format(channel, before, after)


def case(
    call: Callable[[Any], Awaitable[Any]], items: Callable[[Any], dict[Any, Any]], channel: str,
    *symbols: str, before: str = "", after: str = "", **more: Any,
) -> Case:  # fmt: skip
    """Make a case of one channel."""
    return Case(call, items, [topic(channel, s, before, after) for s in symbols], **more)


def prices(answer: Any) -> dict[Any, Any]:
    """Candles without their volume: ccxt's of spot is in quote currency (5.4)."""
    return {tuple(row[:5]): row[:5] for row in answer}


def each(kind: str, symbols: Mapping[str, str], make: Callable[[str], Case]) -> dict[str, Case]:
    return {f"{kind}{suffix}": make(symbol) for symbol, suffix in symbols.items()}


CASES: Mapping[str, Case] = {
    **each("trades", EVERY, lambda s: case(
        lambda ex: ex.watch_trades(s), trades, "trades", s, ticks=15)),
    "book": case(
        lambda ex: ex.watch_order_book(SPOT), book, "obu", SPOT, before="ob.", after=".50"),
    "book of 5": case(
        lambda ex: ex.watch_order_book(SPOT, 5), book, "obu", SPOT, before="ob.", after=".50"),
    "book of 400": case(
        lambda ex: ex.watch_order_book(SPOT, 400), book, "obu", SPOT, before="ob.", after=".400"),
    **each("book", CONTRACTS, lambda s: case(
        lambda ex: ex.watch_order_book(s, params=OLDER), book, "order_book_update", s,
        after=":100ms:100", lossy=True)),
    "book of 20": case(
        lambda ex: ex.watch_order_book(SWAP, 20, {"interval": "20ms"}), book, "order_book_update",
        SWAP, after=":20ms:20", ticks=40, lossy=True),
    **each("ticker", EVERY, lambda s: case(
        lambda ex: ex.watch_ticker(s), ticker, "tickers", s, ticks=35)),
    "tickers": case(
        lambda ex: ex.watch_tickers([SPOT, OTHER_SPOT]), tickers, "tickers", SPOT, OTHER_SPOT,
        ticks=35, lossy=True),
    **each("bids and asks", EVERY, lambda s: case(
        lambda ex: ex.watch_bids_asks([s]), tickers, "book_ticker", s, ticks=10, lossy=True)),
    "candles": case(
        lambda ex: ex.watch_ohlcv(SPOT), prices, "candlesticks", SPOT, before="1m_", ticks=80,
        lossy=True),
    **each("candles", CONTRACTS, lambda s: case(
        lambda ex: ex.watch_ohlcv(s, "5m"), candles, "candlesticks", s, before="5m_", ticks=80)),
    "trades for symbols": case(
        lambda ex: ex.watch_trades_for_symbols([SWAP, OTHER_SWAP]), trades, "trades", SWAP,
        OTHER_SWAP, ticks=15),
}  # fmt: skip


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """A venue that moves only when told."""
    specs = [Gate.spec_of(symbol) for symbol in SYMBOLS]
    market = MarketModel(specs, seed=11, clock=lambda: NOON, levels=450, warmup_ticks=100)
    async with FakeVenue(Steady, market=market, paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Our object and ccxt.pro's, with their markets loaded."""
    async with clients("gate", venue.gateway, ours=AT_ONCE, theirs=THEIRS) as both:
        yield both


@pytest_asyncio.fixture
async def ours(venue: FakeVenue) -> AsyncIterator[Any]:
    """Our object alone."""
    async with unified_ws.exchange("gate", {"gateway": venue.gateway, **AT_ONCE}) as ex:
        await ex.load_markets()
        yield ex


# --- ccxt.pro and ours ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
async def test_both_say_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Field by field; what differs has its reason, and a reason that is gone must go too."""
    by_rest = frozenset({"timestamp", "datetime"} if DIFFERENCES.get(name) is _OLDER else ())
    await agree(CASES[name], venue, pair, DIFFERENCES.get(name, {}), by_chance=by_rest)
    assert venue.stats.violations == []
    assert pair[0].quarantined() == []


async def test_markets(venue: FakeVenue, pair: Pair) -> None:
    """1, 6: one id may be two markets; a contract in coins is one dollar."""
    mine, theirs = pair
    assert set(theirs.markets) == set(mine.markets) == set(SYMBOLS)
    found = {s: (m["id"], m["type"], m["contractSize"]) for s, m in theirs.markets.items()}
    assert found == {
        SPOT: ("BTC_USDT", "spot", None), OTHER_SPOT: ("ETH_USDT", "spot", None),
        SWAP: ("BTC_USDT", "swap", 0.0001), OTHER_SWAP: ("ETH_USDT", "swap", 0.01),
        COIN: ("BTC_USD", "swap", 1.0), DATED: ("BTC_USDT_20261225", "future", 0.0001),
    }  # fmt: skip
    for symbol, market in theirs.markets.items():
        spec = venue.market.specs[symbol]
        assert market["precision"] == {"amount": spec.step / 1e8, "price": spec.tick / 1e8}


# --- ours alone -------------------------------------------------------------------------------


async def watched(venue: FakeVenue, topic: str, call: Awaitable[Any], ticks: int = 1) -> Any:
    """Return what a call brings when the market has moved after it has subscribed."""
    task = asyncio.ensure_future(call)
    await venue.until(lambda: topic in venue.topics)
    await venue.step(ticks)
    return await asyncio.wait_for(task, 5)


async def test_trades_are_the_markets_own(venue: FakeVenue, ours: Any) -> None:
    """5.1, 6.2: ids, sides of the taker, sizes with a sign."""
    for symbol in (SPOT, COIN, OTHER_SWAP):
        begin = venue.market.last_trade(symbol).id + 1
        found = await watched(venue, topic("trades", symbol), ours.watch_trades(symbol), 10)
        truth = venue.market.trades_from(symbol, begin, len(found))
        assert [(t["id"], t["price"], t["amount"], t["side"], t["timestamp"]) for t in found] == [
            (str(t.id), float(t.price), float(t.amount), t.side, t.ts_ms) for t in truth
        ]
        assert len({t["side"] for t in found}) == 2


@pytest.mark.parametrize(
    ("symbol", "limit", "channel", "before", "after", "rows"),
    [
        (SPOT, None, "obu", "ob.", ".50", 50), (SPOT, 5, "obu", "ob.", ".50", 5),
        (SPOT, 100, "obu", "ob.", ".400", 100), (SPOT, 1000, "obu", "ob.", ".400", 400),
        (SWAP, None, "obu", "ob.", ".400", 400), (SWAP, 20, "obu", "ob.", ".50", 20),
        (COIN, 50, "obu", "ob.", ".50", 50), (SWAP, 20, "order_book_update", "", ":100ms:50", 20),
        (DATED, 10, "order_book_update", "", ":100ms:50", 10),
        (DATED, None, "order_book_update", "", ":100ms:100", 100),
    ],
)  # fmt: skip
async def test_a_book_is_the_markets_own_at_each_tick(
    symbol: str, limit: int | None, channel: str, before: str, after: str, rows: int,
    venue: FakeVenue, ours: Any,
) -> None:  # fmt: skip
    """7: the stream is the next larger one, and its window moves with the market."""
    params = {"name": channel}
    reader = Reader(Case(lambda ex: ex.watch_order_book(symbol, limit, params), book), ours)
    await venue.until(lambda: topic(channel, symbol, before, after) in venue.topics)
    truth = Truth(venue)
    truth.note()
    for _ in range(18):
        await venue.step()
        truth.note()
        for _ in range(20):
            await asyncio.sleep(0)
    found = await reader.stop()
    assert truth.wrong(found) == []
    assert len(found) > 8
    assert {(len(one["bids"]), len(one["asks"])) for one in found.values()} == {(rows, rows)}
    assert venue.stats.violations == []


@pytest.mark.parametrize("symbol", [SWAP, COIN, DATED])
async def test_what_only_contracts_have_is_the_markets_own(
    symbol: str, venue: FakeVenue, ours: Any
) -> None:
    """6.1, 6.8: mark price, funding and open interest come with the ticker."""
    market = venue.market
    marks, held = ours.stream_mark_price(symbol), ours.stream_open_interest(symbol)
    tasks = [asyncio.ensure_future(anext(stream)) for stream in (marks, held)]
    await venue.until(lambda: topic("tickers", symbol) in venue.topics)
    for _ in range(3):
        await venue.step(10)
        mark, interest = await asyncio.gather(*tasks)
        tasks = [asyncio.ensure_future(anext(stream)) for stream in (marks, held)]
        now = market.mark(symbol)
        assert (mark.mark_price, mark.index_price) == (now.mark_e8 / 1e8, now.index_e8 / 1e8)
        assert interest.open_interest_amount == market.open_interest(symbol).contracts_e8 / 1e8
    for task in tasks:
        task.cancel()
    assert venue.topics == {topic("tickers", symbol): 1}
    if symbol == DATED:
        for call in (ours.watch_funding_rate, ours.watch_liquidations):
            with pytest.raises(unified_ws.NotSupported, match="gate"):
                await call(symbol)
        return
    found = await watched(venue, topic("tickers", symbol), ours.watch_funding_rate(symbol), 10)
    funding = market.funding(symbol)
    assert (found["fundingRate"], found["fundingTimestamp"], found["interval"]) == (
        funding.rate_e8 / 1e8, funding.next_ms, "8h",
    )  # fmt: skip


async def test_liquidations_are_the_markets_own(venue: FakeVenue, ours: Any) -> None:
    """6.7: all of a second in one frame; a negative size closed a long position."""
    found: list[Any] = []
    task = asyncio.ensure_future(ours.watch_liquidations(SWAP))
    await venue.until(lambda: topic("public_liquidates", SWAP) in venue.topics)
    before = len(venue.market.liquidations(SWAP))
    await venue.step(300)
    found += await asyncio.wait_for(task, 5)
    truth = venue.market.liquidations(SWAP)[before:]
    while len(found) < len(truth):
        found += await asyncio.wait_for(ours.watch_liquidations(SWAP), 5)
    assert [(r["timestamp"], r["side"], r["price"], r["contracts"]) for r in found] == [
        (x.ts_ms, x.side, float(x.price), float(x.amount)) for x in truth
    ]
    assert len(truth) > 3


async def test_spot_candles_have_the_volume_of_the_base(venue: FakeVenue, ours: Any) -> None:
    """5.4: ccxt's would be some sixty thousand times as much."""
    name = topic("candlesticks", SPOT, "1m_")
    rows = await watched(venue, name, ours.watch_ohlcv(SPOT), 40)
    candle = venue.market.candles(SPOT, "1m")[-1]
    assert rows[-1] == [
        candle.open_ms, *(n / 1e8 for n in (candle.open, candle.high, candle.low, candle.close)),
        candle.volume / 1e8,
    ]  # fmt: skip


async def test_partial_tickers_complete_the_last_one() -> None:
    """6.1: a frame of mark, index and funding leaves the rest as it was."""
    market = MarketModel([Gate.spec_of(SWAP)], seed=4, clock=lambda: NOON, warmup_ticks=100)
    async with (
        FakeVenue("gate", market=market, paused=True) as venue,
        unified_ws.exchange("gate", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        whole: Any = await watched(venue, topic("tickers", SWAP), ex.watch_ticker(SWAP), 10)
        task = asyncio.ensure_future(ex.watch_ticker(SWAP))
        await venue.step(5)
        partial: Any = await asyncio.wait_for(task, 5)
        assert partial["timestamp"] == whole["timestamp"] + 500
        same = ("last", "high", "low", "percentage", "baseVolume", "quoteVolume")
        assert {key: partial[key] for key in same} == {key: whole[key] for key in same}
        assert None not in [partial[key] for key in same]


async def test_one_id_of_two_addresses(venue: FakeVenue, ours: Any) -> None:
    """1: BTC_USDT is a pair and a contract; each lives on a socket of its own."""
    calls = [asyncio.ensure_future(ours.watch_trades(s)) for s in (SPOT, SWAP, COIN, DATED)]
    await venue.until(lambda: len(venue.topics) == 4)
    await venue.step(10)
    found = await asyncio.gather(*calls)
    assert [{t["symbol"] for t in rows} for rows in found] == [{SPOT}, {SWAP}, {COIN}, {DATED}]
    assert venue.stats.connections == 4


_OWN = {
    "trades": SWAP, "trades_for_symbols": [SPOT, OTHER_SPOT], "order_book": COIN,
    "order_book_for_symbols": [SWAP, OTHER_SWAP], "ticker": SWAP, "tickers": SPOT,
    "bids_asks": DATED, "ohlcv": COIN, "ohlcv_for_symbols": SPOT,
}  # fmt: skip


async def test_ccxt_finds_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine of ccxt's own test functions at once; their 15 seconds pass six times as fast.

    That of liquidations cannot run: it uses a module that it does not import.
    """
    begun, speed = time.time(), 6

    def hurried() -> int:
        return int((begun + (time.time() - begun) * speed) * 1000)

    async with (
        FakeVenue(Steady, seed=3, speed=speed, symbols=SYMBOLS, clock=lambda: begun) as venue,
        unified_ws.exchange("gate", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        monkeypatch.setattr(ex, "milliseconds", hurried)
        tests = []
        for name, argument in _OWN.items():
            module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
            tests.append(getattr(module, f"test_watch_{name}")(ex, {}, argument))
        results = await asyncio.gather(*tests, return_exceptions=True)
        assert [r for r in results if isinstance(r, Exception)] == []
        assert (venue.stats.connections, venue.stats.violations) == (4, [])
        assert ex.quarantined() == []


# --- limits, refusals, endings ----------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "where"), [("/USDT", "spot|spot."), ("/USDT:USDT", "usdt|futures.")])
async def test_400_markets_keep_to_all_limits(suffix: str, where: str) -> None:
    """2: one connection; books one symbol a request, the others fifty."""
    symbols = [f"COIN{n}{suffix}" for n in range(400)]
    market = MarketModel([Gate.spec_of(s) for s in symbols], levels=2, warmup_ticks=0)
    limits = {"messages": {"n": 5000, "per_s": 1}}  # nobody has time to wait
    config: dict[str, Any] = {**AT_ONCE, "ws": {"limits": limits}}
    config["options"] = {"watchOrderBook": {"name": "obu"}}
    window = 50 if suffix == "/USDT" else 400
    names = [f"{where}{what}:COIN{n}_USDT" for what in ("trades", "tickers") for n in range(400)]
    names += [f"{where}obu:ob.COIN{n}_USDT.{window}" for n in range(400)]
    calls = ("watch_trades", "watch_ticker", "watch_order_book")
    async with (
        FakeVenue("gate", market=market, paused=True) as venue,
        unified_ws.exchange("gate", {"gateway": venue.gateway, **config}) as ex,
    ):
        await ex.load_markets()
        tasks = [asyncio.ensure_future(getattr(ex, call)(s)) for call in calls for s in symbols]
        await venue.until(lambda: len(venue.topics) == len(names), 20)
        assert venue.topics == dict.fromkeys(names, 1)
        assert (venue.stats.connections, venue.stats.violations) == (1, [])
        sizes = Counter((r.method, len(r.params)) for r in venue.stats.requests)  # type: ignore[arg-type]
        family = where.partition("|")[2]
        assert sizes == {
            (f"subscribe {family}trades", 50): 8, (f"subscribe {family}tickers", 50): 8,
            (f"subscribe {family}obu", 1): 400,
        }  # fmt: skip
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_un_watching_ends_a_topic_and_the_last_one_the_connection(
    venue: FakeVenue, ours: Any
) -> None:
    """4: an unsubscribe for each; mark price and ticker share a topic, which ends with both."""
    tickers_, obu = topic("tickers", SWAP), topic("obu", SWAP, "ob.", ".400")
    await watched(venue, tickers_, ours.watch_ticker(SWAP), 10)
    await watched(venue, tickers_, ours.watch_mark_price(SWAP), 10)
    await watched(venue, obu, ours.watch_order_book(SWAP, params={"name": "obu"}), 1)
    await ours.un_watch_ticker(SWAP)
    assert venue.topics == {tickers_: 1, obu: 1}
    await ours.un_watch_mark_price(SWAP)
    await venue.until(lambda: venue.topics == {obu: 1})
    await ours.un_watch_order_book(SWAP)
    await venue.until(lambda: venue.stats.open_connections == 0)
    assert venue.stats.violations == []


async def test_one_bad_symbol_does_not_sink_the_others(venue: FakeVenue, ours: Any) -> None:
    """4: the whole request fails, its text names the culprit, the others are asked for again."""
    venue.side._names.discard((False, "ETH_USDT"))  # type: ignore[attr-defined]  # delisted since
    gone = asyncio.ensure_future(ours.watch_trades(OTHER_SWAP))
    stays = asyncio.ensure_future(ours.watch_trades(SWAP))
    with pytest.raises(unified_ws.SubscribeRejected, match="unknown contract ETH_USDT"):
        await gone
    await venue.until(lambda: topic("trades", SWAP) in venue.topics)
    await venue.step(10)
    assert (await stays)[0]["symbol"] == SWAP
    assert len(venue.stats.violations) == 1
    assert [r.params for r in venue.stats.requests] == [["ETH_USDT", "BTC_USDT"], ["BTC_USDT"]]


def _asked(venue: FakeVenue, what: str) -> int:
    return sum(request.method == what for request in venue.stats.requests)


async def test_the_client_pings(venue: FakeVenue) -> None:
    """3: by message; silence of the venue is death."""
    beat = {"ws": {"heartbeat": {"every_s": 0.02, "timeout_s": 0.2}}}
    async with unified_ws.exchange("gate", {"gateway": venue.gateway, **beat}) as ex:
        for symbol, family in ((SPOT, "spot"), (SWAP, "futures")):
            await watched(venue, topic("trades", symbol), ex.watch_trades(symbol), 10)
            ping = f"{family}.ping"
            await venue.until(lambda ping=ping: _asked(venue, ping) > 3)  # type: ignore[misc]
        assert venue.stats.connections == 2
        venue.stop_pongs()
        await venue.until(lambda: venue.stats.connections > 2)
        assert venue.stats.violations == []


async def test_an_upgrade_opens_a_replacement(venue: FakeVenue, ours: Any) -> None:
    """10: before the venue hangs up."""
    await watched(venue, topic("trades", SPOT), ours.watch_trades(SPOT), 10)
    await venue.notice_shutdown(after_s=0.5)
    await venue.until(lambda: venue.stats.connections == 2)
    await venue.until(lambda: venue.stats.open_connections == 1)
    assert venue.stats.violations == []


async def test_contracts_send_exact_sizes_to_those_who_ask(venue: FakeVenue, ours: Any) -> None:
    """1: without the header sizes are whole numbers, rounded down; those of obu are texts."""
    async with dial(venue, PATH, host=HOST) as client:
        for channel, payload in (("futures.trades", ["ETH_USDT"]), ("futures.obu", ["ob.ETH_USDT.50"])):
            request = {"time": int(time.time()), "channel": channel, "event": "subscribe", "payload": payload}  # fmt: skip
            await client.ws.send_bytes(msgspec.json.encode(request))
        snapshot = (await client.read_until(lambda f: f["channel"] == "futures.obu"))[-1]
        assert isinstance(snapshot["result"]["b"][0][1], str)
        task = asyncio.ensure_future(ours.watch_trades(OTHER_SWAP))
        await venue.until(lambda: venue.topics[topic("trades", OTHER_SWAP)] == 2)
        await venue.step(10)
        exact = [t["amount"] for t in await task]
        rounded: list[Any] = []
        while len(rounded) < len(exact):
            frame = await client.read()
            if frame["channel"] == "futures.trades" and frame["event"] == "update":
                rounded += [row["size"] for row in frame["result"]]
    assert [abs(size) for size in rounded[: len(exact)]] == [int(size) for size in exact]
    assert any(size % 1 for size in exact)


@pytest.mark.parametrize("symbol", [SPOT, COIN])
async def test_trades_missed_in_an_outage_come_by_rest(
    symbol: str, venue: FakeVenue, ours: Any
) -> None:
    """5.1, 6.2: the ids of REST are the stream's; all of them come once and in order."""
    found: list[Any] = []
    name = topic("trades", symbol)

    async def read() -> None:
        async for trade in ours.stream_trades(symbol):
            found.append(trade)  # noqa: PERF401  (they are looked at while they come)

    task = asyncio.ensure_future(read())
    await venue.until(lambda: name in venue.topics)
    await venue.step(10)
    await until(lambda: bool(found))
    await venue.drop()
    await venue.until(lambda: name not in venue.topics)
    await venue.step(10)
    await venue.until(lambda: name in venue.topics)
    last = venue.market.last_trade(symbol).id
    await venue.step(10)
    await until(lambda: any(int(t.id) > last for t in found))
    task.cancel()
    ids = [int(t.id) for t in found]
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert ids[-1] > last
    assert any(t.recovered for t in found)
    assert [t.price for t in found] == [
        float(t.price) for t in venue.market.trades_from(symbol, ids[0], len(ids))
    ]


async def test_switches_of_ccxt_choose_the_channel(venue: FakeVenue) -> None:
    """7: by `options`, as ccxt reads them, and by `params`."""
    options = {"watchOrderBook": {"interval": "100ms"}}
    config = {"gateway": venue.gateway, **AT_ONCE, "options": options}
    async with unified_ws.exchange("gate", config) as ex:
        await ex.load_markets()
        calls = [
            asyncio.ensure_future(call)
            for call in (
                ex.watch_order_book(SWAP), ex.watch_order_book(COIN, 20, {"channel": "order_book"}),
                ex.watch_order_book(OTHER_SWAP, 20, {"interval": "20ms"}),
            )
        ]  # fmt: skip
        names = {
            topic("order_book_update", SWAP, "", ":100ms:100"): 1,
            topic("order_book", COIN, "", ":20:0"): 1,
            topic("order_book_update", OTHER_SWAP, "", ":20ms:20"): 1,
        }
        await venue.until(lambda: venue.topics == names)
        await venue.step(3)
        for book_ in await asyncio.gather(*calls):
            assert book_["bids"]
        with pytest.raises(unified_ws.BadRequest, match="interval"):
            await ex.watch_order_book(SWAP, params={"interval": "10ms"})


# --- the venue's own words --------------------------------------------------------------------


async def test_the_fake_says_what_the_sheet_says(venue: FakeVenue) -> None:
    """3, 4: acks, pongs and refusals."""
    async with dial(venue, SPOT_PATH, host=SPOT_HOST) as spot, dial(venue, PATH, host=HOST) as swap:

        async def said(client: Any, channel: str, *payload: str, event: str = "subscribe", **more: Any) -> Any:  # fmt: skip
            body = {"time": int(time.time()), "channel": channel, **more}
            body |= {"event": event, "payload": list(payload)} if payload else {}
            await client.ws.send_bytes(msgspec.json.encode(body))
            frames = await client.read_until(lambda frame: frame["event"] in {event, ""})
            answer = frames[-1]
            for key in ("time", "time_ms", "conn_id", "trace_id", "requestId"):
                answer.pop(key, None)
            return [frame["channel"] for frame in frames[:-1]], answer

        async def refused(client: Any, channel: str, *payload: str) -> str:
            _, answer = await said(client, channel, *payload)
            assert (answer["error"]["code"], answer["result"]) == (2, {"status": "fail"})
            return str(answer["error"]["message"])

        done = {"result": {"status": "success"}, "event": "subscribe"}
        assert await said(spot, "spot.ping") == (
            [], {"channel": "spot.pong", "event": "", "result": None},
        )  # fmt: skip
        assert await said(spot, "spot.trades", "BTC_USDT", "ETH_USDT", id=7) == (
            [], {"id": 7, "channel": "spot.trades", "payload": ["BTC_USDT", "ETH_USDT"], **done},
        )  # fmt: skip
        assert await refused(spot, "spot.trades", "LUNARLENS_USDT", "BTC_USDT") == (
            "unknown currency pair: LUNARLENS_USDT"
        )
        assert await refused(swap, "futures.trades", "NOPE_USDT") == "unknown contract NOPE_USDT"
        assert await refused(swap, "futures.nope", "BTC_USDT") == "Unknown channel futures.nope"
        assert await refused(swap, "spot.trades", "BTC_USDT") == "Unknown channel spot.trades"
        assert await refused(swap, "futures.order_book", "BTC_USDT", "30", "0") == (
            "provided level not supported: 30"
        )
        assert await refused(swap, "futures.order_book_update", "BTC_USDT", "20ms", "100") == (
            "incorrect update interval specified: 20ms"
        )
        # The snapshot is there before the ack; a repeat is refused for obu alone (7.1, 4).
        obu = {"channel": "futures.obu", "payload": ["ob.BTC_USDT.50"], **done}
        assert await said(swap, "futures.obu", "ob.BTC_USDT.50") == (["futures.obu"], obu)
        assert await refused(swap, "futures.obu", "ob.BTC_USDT.50") == "Alert sub ob.BTC_USDT.50"
        for _ in range(2):
            await said(swap, "futures.order_book_update", "BTC_USDT", "100ms", "100")
        # What lives on another socket, and levels nobody has, are taken and stay silent (1, 4).
        for name in ("ob.BTC_USD.50", "ob.BTC_USDT.30", "ob.NOPE_USDT.50"):
            assert (await said(swap, "futures.obu", name))[1]["result"] == {"status": "success"}
        assert (await said(swap, "futures.trades", "BTC_USD"))[1]["result"]["status"] == "success"
        _, private = await said(swap, "futures.orders", "1", "!all")
        assert private["error"]["code"] == 4
        await swap.ws.send_bytes(b"nonsense")
        assert (await swap.read())["error"] == {
            "code": 1, "message": "request message need json scheme",
        }  # fmt: skip
        late = await said(swap, "futures.trades", "BTC_USDT", time=int(time.time()) - 61)
        assert late[1]["error"]["code"] == 1
        assert (await said(spot, "spot.trades", "BTC_USDT", event="unsubscribe"))[1]["result"] == {
            "status": "success"
        }
    assert len(venue.stats.violations) == 10


async def test_rest_of_ccxt(venue: FakeVenue) -> None:
    """What ccxt makes of REST is the same truth."""
    exchange = redirect(ccxt.async_support.gate({"enableRateLimit": False}), venue.gateway)
    market = venue.market
    try:
        books = {s: await exchange.fetch_order_book(s, 20) for s in (SPOT, COIN, DATED)}
        some = {s: await exchange.fetch_trades(s, limit=10) for s in (SPOT, SWAP, COIN)}
        rows = {s: await exchange.fetch_ohlcv(s, "1m", limit=2) for s in (SPOT, SWAP)}
        found = await exchange.fetch_tickers([SWAP, OTHER_SWAP])
        now_ms = await exchange.fetch_time()
    finally:
        await exchange.close()
    for symbol, rest in books.items():
        truth = market.book(symbol, 20)
        assert rest["bids"] == [[float(p), float(q)] for p, q in truth.bids]
        assert rest["nonce"] == truth.last_id
    for symbol, past in some.items():
        assert [(t["id"], t["side"], t["amount"]) for t in past] == [
            (str(t.id), t.side, float(t.amount)) for t in market.trades(symbol)[-10:]
        ]
    for symbol, last in rows.items():
        candles_ = market.candles(symbol, "1m")[-2:]
        assert [row[:5] for row in last] == [
            [c.open_ms, *(n / 1e8 for n in (c.open, c.high, c.low, c.close))] for c in candles_
        ]
    assert found[SWAP]["last"] == market.stats(SWAP).close / 1e8
    assert now_ms == market.now_ms


async def test_hosts_and_paths(venue: FakeVenue) -> None:
    """1: other addresses are no addresses; REST refuses what it does not know."""
    for path, host in (("/v4/ws/eth", HOST), (PATH, SPOT_HOST), (SPOT_PATH, "x.com")):
        with pytest.raises(Exception, match="404"):
            async with dial(venue, path, host=host):
                pass
    for path, label in (
        ("/api/v4/spot/order_book?currency_pair=NO_USDT", "INVALID_CURRENCY_PAIR"),
        ("/api/v4/futures/btc/order_book?contract=BTC_USDT", "INVALID_CONTRACT"),
        ("/api/v4/futures/usdt/order_book?contract=BTC_USDT&limit=301", "INVALID_PARAM_VALUE"),
    ):
        status, body, _ = await get(venue, path, host=REST)
        assert (status, body["label"]) == (400, label)
    assert {s: market_id(spec) for s, spec in venue.market.specs.items()} == {
        SPOT: "BTC_USDT", OTHER_SPOT: "ETH_USDT", SWAP: "BTC_USDT", OTHER_SWAP: "ETH_USDT",
        COIN: "BTC_USD", DATED: "BTC_USDT_20261225",
    }  # fmt: skip


async def test_gate_eu_speaks_the_older_channel_of_its_own_host(venue: FakeVenue) -> None:
    """1: spot alone; REST answers an empty book above 100 levels."""
    async with clients("gateeu", venue.gateway) as (ours, theirs):
        assert set(ours.markets) == {SPOT, OTHER_SPOT}
        name = topic("order_book_update", SPOT, "", ":100ms")
        calls = [asyncio.ensure_future(ex.watch_order_book(SPOT)) for ex in (ours, theirs)]
        await venue.until(lambda: venue.topics == {name: 2})
        while not all(call.done() for call in calls):  # ccxt waits for ten changes
            await venue.step()
            await asyncio.sleep(0)
        mine, _ = await asyncio.gather(*calls)
        assert mine["bids"]
    asked = [r for r in venue.stats.rest if r.path.endswith("/order_book")]
    assert {(r.host, r.query["limit"]) for r in asked} <= {
        ("api.gateeu.com", "100"), ("api.gateeu.com", "50"),
    }  # fmt: skip
    assert venue.stats.violations == []
