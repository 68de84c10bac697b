"""The fake of Binance futures: read by ccxt.pro, which agrees with ours; limits; wrong routes.

Spot has test_ccxt_agrees.py, test_ccxt_own_tests.py and test_fake_read_by_ccxt.py of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    agree,
    book,
    candles,
    clients,
    differences,
    listed,
    many_candles,
    run,
    ticker,
    tickers,
    trades,
)
from tests.support import dial, until
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import spec_of
from unified_ws.testing.venues._binance_futures import OFF_BOOK_EVERY

NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks
SPOT = "BTC/USDT"
UM, UM2, UM_DATED = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT:USDT-261225"
CM, CM2, CM_DATED = "BTC/USD:BTC", "ETH/USD:ETH", "ETH/USD:ETH-261225"
MARKETS = (SPOT, UM, UM2, UM_DATED, CM, CM2, CM_DATED)
IDS = {
    UM: "btcusdt", UM2: "ethusdt", UM_DATED: "btcusdt_261225", CM: "btcusd_perp",
    CM2: "ethusd_perp", CM_DATED: "ethusd_261225",
}  # fmt: skip

_CUT = (
    "ccxt cuts its book to `limit` at every call and forgets what it cut; ours equals the venue's "
    "book (the test compares it with the market's own)"
)
_TIME = "ccxt takes the time of the snapshot until the next delta, ours that of the delta applied"
_BOOK = {"timestamp": _TIME, "datetime": _TIME}
_CUT_BOOK = {"bids": _CUT, "asks": _CUT, **_BOOK}
_WORTH = "ccxt completes a liquidation without its market, so that these are None whatever it is"
_LIQUIDATION = dict.fromkeys(("contractSize", "baseValue", "quoteValue"), _WORTH)


def topics(channel: str, *symbols: str, route: str = "market") -> list[str]:
    """Return the fake's topics."""
    return [f"{place(symbol, route)}|{IDS[symbol]}@{channel}" for symbol in symbols]


def place(symbol: str, route: str) -> str:
    """Return where the streams of a market live."""
    return f"usdm-{route}" if symbol.partition(":")[2].startswith("USDT") else "coinm"


def on_book(answer: Any) -> dict[Any, Any]:
    """Trades without those that no book has seen: ccxt hands them out, ours does not (5.1)."""
    return {key: t for key, t in trades(answer).items() if t["info"].get("X") in (None, "MARKET")}


def of(items: Any, *symbols: str) -> Any:
    """Take an answer apart and keep some markets."""
    return lambda answer: {k: v for k, v in items(answer).items() if v["symbol"] in symbols}


def cases(one: str, two: str, dated: str, sub_type: str) -> dict[str, Case]:
    """Return the calls for one product."""
    own = (one, two, dated)
    whole = {"type": "swap", "subType": sub_type}
    here = "usdm-market" if sub_type == "linear" else "coinm"
    quotes = "usdm-public" if sub_type == "linear" else "coinm"
    return {
        "trades": Case(lambda ex: ex.watch_trades(one), on_book, topics("trade", one, route="public")),
        "aggregates": Case(
            lambda ex: ex.watch_trades(one, params={"name": "aggTrade"}), trades,
            topics("aggTrade", one),
        ),
        "trades for symbols": Case(
            lambda ex: ex.watch_trades_for_symbols([one, two]), on_book,
            topics("trade", one, two, route="public"),
        ),
        "book": Case(
            lambda ex: ex.watch_order_book(one), book,
            topics("depth@100ms", one, route="public"), 50, lossy=True,
        ),
        "book of 20": Case(
            lambda ex: ex.watch_order_book(one, 20), book,
            topics("depth@100ms", one, route="public"), 50, lossy=True,
        ),
        "books, slower": Case(
            lambda ex: ex.watch_order_book_for_symbols(
                [one, two], params={"watchOrderBookRate": "500"}
            ), book, topics("depth@500ms", one, two, route="public"), 60, lossy=True,
        ),
        "ticker": Case(
            lambda ex: ex.watch_ticker(one, {"name": "ticker"}), ticker, topics("ticker", one), 80
        ),
        "mini ticker": Case(
            lambda ex: ex.watch_ticker(dated, {"name": "miniTicker"}), ticker,
            topics("miniTicker", dated), 80,
        ),
        "tickers": Case(
            lambda ex: ex.watch_tickers([one, two]), tickers, topics("miniTicker", one, two), 80,
            lossy=True,
        ),
        "all tickers": Case(
            lambda ex: ex.watch_tickers(None, {"name": "ticker", **whole}), of(tickers, *own),
            [f"{here}|!ticker@arr"],
        ),
        "all mini tickers": Case(
            lambda ex: ex.watch_tickers(None, whole), of(tickers, *own), [f"{here}|!miniTicker@arr"]
        ),
        "bids and asks": Case(
            lambda ex: ex.watch_bids_asks([one, dated]), tickers,
            topics("bookTicker", one, dated, route="public"), lossy=True,
        ),
        "all bids and asks": Case(
            lambda ex: ex.watch_bids_asks(None, whole), of(tickers, *own), [f"{quotes}|!bookTicker"],
            120, lossy=True, least=2,
        ),
        "candles": Case(lambda ex: ex.watch_ohlcv(one), candles, topics("kline_1m", one), 30),
        "candles for symbols": Case(
            lambda ex: ex.watch_ohlcv_for_symbols([[two, "1m"], [dated, "5m"]]), many_candles,
            [*topics("kline_1m", two), *topics("kline_5m", dated)], 30,
        ),
        "mark price": Case(
            lambda ex: ex.watch_mark_price(one), ticker, topics("markPrice@1s", one), 50
        ),
        "mark price, slower": Case(
            lambda ex: ex.watch_mark_price(one, {"use1sFreq": False}), ticker,
            topics("markPrice", one), 120,
        ),
        "mark prices": Case(
            lambda ex: ex.watch_mark_prices([one, dated]), tickers,
            topics("markPrice@1s", one, dated), 50, lossy=True,
        ),
        "all mark prices": Case(
            lambda ex: ex.watch_mark_prices(None, whole), of(tickers, *own),
            [f"{here}|!markPrice@arr@1s"],
        ),
        "liquidations": Case(
            lambda ex: ex.watch_liquidations(one), listed, topics("forceOrder", one), 300
        ),
        "liquidations for symbols": Case(
            lambda ex: ex.watch_liquidations_for_symbols([one, two]), listed,
            topics("forceOrder", one, two), 300, lossy=True,
        ),
    }  # fmt: skip


CASES = {
    **{f"{name}, USD-M": case for name, case in cases(UM, UM2, UM_DATED, "linear").items()},
    **{f"{name}, COIN-M": case for name, case in cases(CM, CM2, CM_DATED, "inverse").items()},
    "mark price candles, COIN-M": Case(
        lambda ex: ex.watch_ohlcv(CM, "1m", params={"name": "markPriceKline"}), candles,
        topics("markPriceKline_1m", CM), 30,
    ),
}  # fmt: skip
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    f"{name}, {product}": table
    for names, table in (
        (("book", "books, slower"), _BOOK),
        (("book of 20",), _CUT_BOOK),
        (("liquidations", "liquidations for symbols"), _LIQUIDATION),
    )
    for name in names
    for product in ("USD-M", "COIN-M")
}
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


def markets_of(case: Case) -> Sequence[str]:
    """Return what a case needs to be listed: of books, all levels of all markets are noted."""
    if case.items is not book:
        return MARKETS
    called = [s for s in IDS if any(f"|{IDS[s]}@" in topic for topic in case.topics)]
    return [SPOT, *called]  # whose id is that of one contract


@pytest.fixture
def symbols() -> Sequence[str]:
    """Seven markets of three products; two of them share an id."""
    return MARKETS


@pytest_asyncio.fixture
async def venue(symbols: Sequence[str]) -> AsyncIterator[FakeVenue]:
    """Markets that move when told."""
    market = MarketModel(symbols, seed=11, clock=lambda: NOON, levels=300, warmup_ticks=50)
    async with FakeVenue("binance", market=market, paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Two clients of the venue."""
    async with clients("binance", venue.gateway) as both:
        yield both


@pytest.mark.parametrize(
    ("name", "symbols"), [(name, markets_of(case)) for name, case in CASES.items()], ids=list(CASES)
)
async def test_ccxt_reads_the_fake_and_says_the_same(
    name: str, venue: FakeVenue, pair: Pair
) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    await agree(CASES[name], venue, pair, DIFFERENCES.get(name, {}))
    assert venue.stats.violations == []


async def test_the_ticker_by_default(venue: FakeVenue, pair: Pair) -> None:
    """The one call where another channel is taken than ccxt takes, as on spot."""
    calls = [asyncio.ensure_future(ex.watch_ticker(UM)) for ex in pair]
    await venue.until(lambda: len(venue.topics) == 2)
    await venue.step(20)
    mine, other = await asyncio.gather(*calls)
    assert set(venue.topics) == {"usdm-market|btcusdt@ticker", "usdm-market|btcusdt@miniTicker"}
    found = {field.partition(".")[0] for field in differences(mine, other)}
    assert found == {"vwap", "percentage", "info"}
    assert mine["vwap"] == float(mine["info"]["w"])


async def test_trades_off_the_book_are_left_out(venue: FakeVenue, pair: Pair) -> None:
    """5.1: ccxt hands them out; ours takes their ids for used up, and sees no gap."""
    case = Case(lambda ex: ex.watch_trades(UM), trades, topics("trade", UM, route="public"), 100)
    found = await run(case, venue, pair)
    alone = found.theirs.keys() - found.ours.keys()
    assert alone
    assert {found.theirs[key]["info"]["X"] for key in alone} == {"INSURANCE_FUND"}
    assert {int(number) % OFF_BOOK_EVERY for _, number in alone} == {0}
    assert found.ours.keys() - found.theirs.keys() == set()
    assert (pair[0].gaps(), pair[0].quarantined()) == ([], [])


async def test_markets_of_both_products_do_not_mix(venue: FakeVenue, pair: Pair) -> None:
    """1.3, 10: the venue sends them together; ours says what lives at the endpoint, ccxt all."""
    call = [asyncio.ensure_future(ex.watch_tickers(None, {"type": "swap"})) for ex in pair]
    await venue.until(lambda: venue.topics == {"usdm-market|!miniTicker@arr": 2})
    await venue.step(10)
    mine, other = await asyncio.gather(*call)
    assert set(mine) == {UM, UM2, UM_DATED}
    assert set(other) == {UM, UM2, UM_DATED, CM, CM2, CM_DATED}


async def test_funding_and_open_interest_are_those_of_ccxts_rest(
    venue: FakeVenue, pair: Pair
) -> None:
    """ccxt.pro streams neither here; its REST tells the same of the same moment."""
    ours, theirs = pair
    wanted = ("fundingRate", "fundingTimestamp", "markPrice", "symbol")
    for symbol in (UM, CM):
        call = asyncio.ensure_future(ours.watch_funding_rate(symbol))
        await venue.until(lambda: bool(venue.topics))
        await venue.step(10)
        mine: Any = await call
        other = await theirs.fetch_funding_rate(symbol)
        assert {key: mine[key] for key in wanted} == {key: other[key] for key in wanted}
        assert mine["indexPrice"] == (other["indexPrice"] if symbol == UM else None)  # 5.5
        await ours.un_watch_funding_rate(symbol)
        row = await anext(ours.stream_open_interest(symbol))
        interest = await theirs.fetch_open_interest(symbol)
        assert row.open_interest_amount == interest["openInterestAmount"]
        assert row.base_volume == interest["baseVolume"]
        assert row.info == interest["info"]


async def test_equal_ids_of_two_products_are_two_streams(venue: FakeVenue, pair: Pair) -> None:
    """`btcusdt@trade` lives on spot and on USD-M at once: one object, both, each under its name."""
    ours, _ = pair
    calls = [asyncio.ensure_future(ours.watch_trades(symbol)) for symbol in (SPOT, UM, CM)]
    await venue.until(lambda: len(venue.topics) == 3)
    await venue.step(10)
    found = await asyncio.gather(*calls)
    assert [{trade["symbol"] for trade in rows} for rows in found] == [{SPOT}, {UM}, {CM}]
    assert venue.stats.open_connections == 3


@pytest.mark.parametrize(
    ("path", "name", "delivered"),
    [
        ("/public/ws", "btcusdt@depth@100ms", True),
        ("/public/ws", "btcusdt@markPrice@1s", False),
        ("/market/ws", "btcusdt@markPrice@1s", True),
        ("/market/ws", "btcusdt@depth@100ms", False),
        ("/ws", "btcusdt@depth@100ms", True),
        ("/ws", "btcusdt@kline_1m", False),
    ],
)
async def test_the_wrong_route_is_acknowledged_and_silent(
    venue: FakeVenue, path: str, name: str, *, delivered: bool
) -> None:
    """1.2: also on the old address, which delivers what is public."""
    async with dial(venue, path, host="fstream.binance.com") as client:
        assert await client.ask("SUBSCRIBE", name) == {"result": None, "id": 1}
        await venue.step(10)
        await client.ws.send_bytes(b'{"method":"LIST_SUBSCRIPTIONS","id":9}')
        *data, answer = await client.read_until(lambda frame: frame.get("id") == 9)
        assert answer["result"] == [name]
        assert bool(data) is delivered


async def test_the_venue_wants_lower_case_and_known_channels(venue: FakeVenue) -> None:
    """4: malformed is refused, unknown is acknowledged."""
    async with dial(venue, "/public/ws", host="fstream.binance.com") as client:
        refused = await client.ask("SUBSCRIBE", "btcusdt@nonsense")
        assert refused == {"code": 2, "msg": "Invalid request: invalid stream", "id": 1}
        assert await client.ask("SUBSCRIBE", "nopeusdt@trade") == {"result": None, "id": 2}


async def test_four_hundred_contracts_without_a_violation() -> None:
    """2, 1.3: as few connections as 200 topics each allow, and the budget of REST is kept."""
    specs = [spec_of(f"C{number:03d}/USDT:USDT") for number in range(400)]
    symbols = [spec.symbol for spec in specs]
    market = MarketModel(specs, seed=3, levels=12, warmup_ticks=2, trades_per_s=30)
    async with (
        FakeVenue("binance", market=market, paused=True) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        streams = [
            ex.stream_trades_for_symbols(symbols),
            ex.stream_order_book_for_symbols(symbols, 5),
            ex.stream_mark_prices(symbols),
        ]
        seen: list[set[str]] = [set() for _ in streams]

        async def read(stream: Any, into: set[str]) -> None:
            async for row in stream:
                into.add(row.symbol)

        tasks = [asyncio.ensure_future(read(s, i)) for s, i in zip(streams, seen, strict=True)]
        await venue.until(lambda: len(venue.topics) == 1200, 20)
        for _ in range(10):
            await venue.step()  # the snapshot of a book is asked for after its first change
        await venue.until(lambda: len(venue.stats.rest) == 3 + 400, 20)
        while [len(found) for found in seen] != [400, 400, 400] and venue.market.number < 40:
            await venue.step()
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert [len(found) for found in seen] == [400, 400, 400]
        assert venue.stats.violations == []
        # 800 topics on /public, 400 on /market
        assert venue.stats.connections == 4 + 2
        assert venue.stats.weight < 2400
        assert ex.quarantined() == []


async def test_what_is_no_longer_wanted_is_given_up(venue: FakeVenue, pair: Pair) -> None:
    """Unsubscribing leaves the other topics, and the last one closes the connection."""
    ours, _ = pair
    calls = [
        asyncio.ensure_future(ours.watch_trades(UM)),
        asyncio.ensure_future(ours.watch_order_book(UM)),
        asyncio.ensure_future(ours.watch_mark_price(CM)),
    ]
    await venue.until(lambda: len(venue.topics) == 3)
    await venue.step(10)
    await asyncio.gather(*calls)
    assert venue.stats.open_connections == 2
    await ours.un_watch_trades(UM)
    await venue.until(lambda: "usdm-public|btcusdt@trade" not in venue.topics)
    assert venue.stats.open_connections == 2
    await ours.un_watch_order_book(UM)
    await ours.un_watch_mark_price(CM)
    await venue.until(lambda: venue.stats.open_connections == 0)
    assert venue.topics == {}
    assert venue.stats.violations == []


@pytest.mark.parametrize("symbol", [UM, CM])
async def test_trades_missed_in_a_drop_are_fetched(
    venue: FakeVenue, pair: Pair, symbol: str
) -> None:
    """5.1: fapi and dapi list them by the stream's own ids."""
    ours, _ = pair
    topic = topics("trade", symbol, route="public")[0]
    got: list[int] = []

    def number() -> int:
        return venue.market.last_trade(symbol).id

    async def read() -> None:
        stream = ours.stream_trades(symbol)
        while True:
            got.append((await anext(stream)).number)

    reading = asyncio.ensure_future(read())
    await venue.until(lambda: topic in venue.topics)
    first = number() + 1
    await venue.step(10)
    while number() % OFF_BOOK_EVERY > 40:  # what is off the book, REST does not tell
        await venue.step()
    await until(lambda: bool(got))
    await venue.drop()
    before = number()
    await venue.step(5)
    assert number() // OFF_BOOK_EVERY == before // OFF_BOOK_EVERY
    assert number() > before
    await venue.until(lambda: topic in venue.topics)
    await venue.step(10)
    expected = [n for n in range(first, number() + 1) if n % OFF_BOOK_EVERY]
    await until(lambda: len(got) >= len(expected))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert got == expected
    (gap,) = ours.gaps()
    assert gap.missing == gap.filled
    assert venue.stats.violations == []
