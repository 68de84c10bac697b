"""OKX and its fake: ccxt.pro reads the fake, reads the same from it as we do, and its limits hold.

What differs is in `DIFFERENCES`, with its reason, and nothing else may. Section numbers are those
of the project's protocol sheet for OKX.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import math
import pickle
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    agree,
    book,
    book_by_time,
    candles,
    clients,
    many_candles,
    ticker,
    tickers,
    trades,
)
from tests.support import until
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.side import Link, RestAnswer, Turn
from unified_ws.testing.venues.okx import Okx
from unified_ws.venues.okx import VENUE

SPOT, LINEAR, INVERSE, FUTURE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-261225"
ETH = "ETH/USDT"
IDS = {
    SPOT: "BTC-USDT", LINEAR: "BTC-USDT-SWAP", INVERSE: "BTC-USD-SWAP", FUTURE: "BTC-USDT-261225",
    ETH: "ETH-USDT",
}  # fmt: skip
CONTRACTS = (LINEAR, INVERSE, FUTURE)
MARKETS = (SPOT, *CONTRACTS)
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC
BEFORE = NOON - 3  # a minute closes, and funding is told, after 30 ticks
KEYS = {"apiKey": "key", "secret": "secret", "password": "password"}

_LIMIT = "ccxt hands out all 400 levels of the channel, whatever the limit"
_NUMBER = "ccxt leaves out the number of a whole book, which the venue sends (6.2)"
_VOLUME = "ours is in base currency, ccxt's in contracts (5.2, 10.12)"
_VOLUMES = {"baseVolume": _VOLUME}
_TIME = "ccxt leaves it out (5.5)"
_SIZE = "ccxt forgets to say which market it is about, so that it knows no contract size"
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "book of 20": {"bids": _LIMIT, "asks": _LIMIT},
    "book of 5": {"nonce": _NUMBER},
    "book of 1": {"nonce": _NUMBER},
    **{f"ticker {symbol}": _VOLUMES for symbol in CONTRACTS},
    **{
        f"funding rate {symbol}": {"timestamp": _TIME, "datetime": _TIME}
        for symbol in (LINEAR, INVERSE)
    },
    "tickers": _VOLUMES,
    **{
        f"liquidations {symbol}": dict.fromkeys(("contractSize", "baseValue", "quoteValue"), _SIZE)
        for symbol in CONTRACTS
    },
}
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


def liquidations(answer: Any) -> dict[Any, Any]:
    """Liquidations by what happened: of each frame ccxt tells the first order only."""
    return {
        (row["symbol"], row["timestamp"], row["price"], row["contracts"]): {**row, "info": None}
        for row in answer
    }


def topics(channel: str, *symbols: str) -> list[str]:
    """Return topics of a channel."""
    return [f"{channel}:{IDS[symbol]}" for symbol in symbols]


def of_one(symbol: str) -> dict[str, Case]:
    """Return the cases of any market."""
    return {
        "trades": Case(lambda ex: ex.watch_trades(symbol), trades, topics("trades", symbol)),
        "book": Case(
            lambda ex: ex.watch_order_book(symbol), book, topics("books", symbol), 15, lossy=True
        ),
        "ticker": Case(lambda ex: ex.watch_ticker(symbol), ticker, topics("tickers", symbol)),
        "bids and asks": Case(
            lambda ex: ex.watch_bids_asks([symbol]), tickers, topics("bbo-tbt", symbol), lossy=True
        ),
        "candles": Case(
            lambda ex: ex.watch_ohlcv(symbol), candles, topics("candle1m", symbol), 45
        ),
    }


def of_contract(symbol: str) -> dict[str, Case]:
    """Return the cases that contracts have beside."""
    channel = "liquidation-orders:FUTURES" if symbol == FUTURE else "liquidation-orders:SWAP"
    found = {
        "mark price": Case(
            lambda ex: ex.watch_mark_price(symbol), ticker, topics("mark-price", symbol), 40
        ),
        "liquidations": Case(
            lambda ex: ex.watch_liquidations(symbol), liquidations, [channel], 150, True, 2
        ),
    }
    if symbol != FUTURE:
        found["funding rate"] = Case(
            lambda ex: ex.watch_funding_rate(symbol),
            ticker,
            topics("funding-rate", symbol),
            31,
            least=2,
        )
    return found


CASES: Mapping[str, Case] = {
    **{f"{name} {symbol}": case for symbol in MARKETS for name, case in of_one(symbol).items()},
    **{f"{n} {symbol}": case for symbol in CONTRACTS for n, case in of_contract(symbol).items()},
    "trades-all": Case(
        lambda ex: ex.watch_trades(LINEAR, params={"channel": "trades-all"}),
        trades,
        topics("trades-all", LINEAR),
    ),
    "book of 20": Case(
        lambda ex: ex.watch_order_book(SPOT, 20), book, topics("books", SPOT), 10, True
    ),
    "book of 5": Case(
        lambda ex: ex.watch_order_book(INVERSE, 5),
        book_by_time,
        topics("books5", INVERSE),
        12,
        lossy=True,
    ),
    "book of 1": Case(
        lambda ex: ex.watch_order_book(FUTURE, 1),
        book_by_time,
        topics("bbo-tbt", FUTURE),
        12,
        lossy=True,
    ),
    "trades for symbols": Case(
        lambda ex: ex.watch_trades_for_symbols([SPOT, LINEAR]),
        trades,
        topics("trades", SPOT, LINEAR),
    ),
    "book for symbols": Case(
        lambda ex: ex.watch_order_book_for_symbols([SPOT, INVERSE]),
        book,
        topics("books", SPOT, INVERSE),
        15,
        lossy=True,
    ),
    "tickers": Case(
        lambda ex: ex.watch_tickers([SPOT, LINEAR, FUTURE]),
        tickers,
        topics("tickers", SPOT, LINEAR, FUTURE),
        lossy=True,
    ),
    "index": Case(
        lambda ex: ex.watch_ticker(SPOT, {"channel": "index-tickers"}),
        ticker,
        topics("index-tickers", SPOT),
        40,
    ),
    "bids and asks of tickers": Case(
        lambda ex: ex.watch_bids_asks([SPOT, LINEAR], {"channel": "tickers"}),
        tickers,
        topics("tickers", SPOT, LINEAR),
        lossy=True,
    ),
    "mark prices": Case(
        lambda ex: ex.watch_mark_prices([LINEAR, INVERSE]),
        tickers,
        topics("mark-price", LINEAR, INVERSE),
        40,
        lossy=True,
    ),
    "candles for symbols": Case(
        lambda ex: ex.watch_ohlcv_for_symbols([[SPOT, "1m"], [LINEAR, "5m"]]),
        many_candles,
        [*topics("candle1m", SPOT), *topics("candle5m", LINEAR)],
        80,
    ),
}


@pytest.fixture(scope="module")
def beginning() -> bytes:
    """One market of each type with a past, which takes longer to make than to copy."""
    market = MarketModel(
        [Okx.spec_of(symbol) for symbol in IDS], seed=12, clock=lambda: BEFORE, levels=450,
        warmup_ticks=250,
    )  # fmt: skip
    return pickle.dumps(market)


@pytest_asyncio.fixture
async def venue(beginning: bytes) -> AsyncIterator[FakeVenue]:
    """These markets, which move when told."""
    async with FakeVenue("okx", market=pickle.loads(beginning), paused=True) as fake:
        yield fake


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Two clients of the venue; ccxt logs in where it believes that it must."""
    async with clients(
        "okx", venue.gateway, ours={"enableRateLimit": False}, theirs=KEYS
    ) as both:
        yield both


@pytest.mark.parametrize("name", CASES)
async def test_both_read_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    await agree(CASES[name], venue, pair, DIFFERENCES.get(name, {}), by_chance=frozenset())


async def test_long_candles_begin_at_another_hour(venue: FakeVenue, pair: Pair) -> None:
    """5.4, 10.5: ccxt.pro's begin at UTC+8, unlike those of its own REST; the switch gives them."""
    ours, theirs = pair
    calls = [
        asyncio.ensure_future(call)
        for call in (
            ours.watch_ohlcv(SPOT, "1d"),
            theirs.watch_ohlcv(SPOT, "1d"),
            ours.watch_ohlcv(SPOT, "1d", params={"timezone": "HK"}),
            theirs.fetch_ohlcv(SPOT, "1d"),
        )
    ]
    mine, other, chosen, by_rest = await asyncio.gather(*calls)

    assert set(venue.topics) == {"candle1Dutc:BTC-USDT", "candle1D:BTC-USDT"}
    assert mine[-1][0] == by_rest[-1][0] == 1_795_132_800_000  # 2026-11-20 00:00 UTC
    assert chosen == other
    assert other[-1][0] == 1_795_104_000_000  # the 20th begins at 16:00 UTC in Hong Kong


async def test_a_book_of_fifty(venue: FakeVenue, pair: Pair) -> None:
    """6.1: ccxt logs in for a channel that wants a fee tier; ours takes what everybody has."""
    ours, theirs = pair
    calls = [asyncio.ensure_future(ex.watch_order_book(SPOT, 50)) for ex in pair]
    mine, other = await asyncio.gather(*calls)

    assert set(venue.topics) == {"books:BTC-USDT", "books50-l2-tbt:BTC-USDT"}
    for side in ("bids", "asks"):
        assert [row[:2] for row in other[side]] == mine[side]
    with pytest.raises(unified_ws.SubscribeRejected, match="Please log in"):
        await ours.watch_order_book(SPOT, params={"depth": "books50-l2-tbt"})
    del theirs


# --- trades that count ----------------------------------------------------------------------


async def test_missed_trades_fill_their_ids_exactly() -> None:
    """5.1: a row ends the ids of `count` matches; REST tells each match, and nothing twice."""
    topic, rows = "trades:BTC-USDT-SWAP", list[Any]()
    market = MarketModel(
        [Okx.spec_of(LINEAR)], seed=5, levels=60, trades_per_s=60, clock=lambda: BEFORE
    )
    async with (
        FakeVenue("okx", market=market, paused=True) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()

        async def read() -> None:
            async for row in ex.stream_trades(LINEAR):
                rows.append(row)
                assert row.missed_before == 0

        async def told() -> None:
            """Let the market move until all that happened is known."""
            await venue.step(3)
            await until(lambda: rows[-1].number == market.last_trade(LINEAR).id)

        task = asyncio.ensure_future(read())
        await until(lambda: bool(rows))
        await told()
        for times in (1, 4):
            venue.lose(topic, times)
            await told()
        await venue.drop()
        await venue.step(5)
        await venue.until(lambda: topic in venue.topics)
        await told()
        assert not task.done()
        task.cancel()

        number = rows[0].number - rows[0].count
        matches = {trade.id: trade for trade in market.trades(LINEAR)}
        for row in rows:
            ids = range(number + 1, row.number + 1)
            assert len(ids) == row.count  # they follow each other without a hole
            assert row.amount == pytest.approx(float(sum(matches[n].amount for n in ids)))
            assert {float(matches[n].price) for n in ids} == {row.price}
            number = row.number
        assert {row.recovered for row in rows} == {True, False}
        assert max(row.count for row in rows) > 1
        assert all(gap.closed for gap in ex.gaps())
        assert ex.quarantined() == []


async def test_liquidations_that_are_told_again_are_told_once() -> None:
    """5.6: each subscription begins with past ones; after a loss they fill it."""
    topic, rows = "liquidation-orders:SWAP", list[Any]()
    market = MarketModel(
        [Okx.spec_of(LINEAR), Okx.spec_of(INVERSE)], seed=10, levels=20, clock=lambda: BEFORE
    )
    async with (
        FakeVenue("okx", market=market, paused=True) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()

        async def read() -> None:
            async for row in ex.stream_liquidations(LINEAR):
                rows.append((row.timestamp_ms, row.side, row.price, row.contracts))

        def told() -> bool:
            return len(rows) == len(set(rows)) and set(rows[5:]) <= set(happened()) <= set(rows)

        def happened() -> list[Any]:
            return [
                (one.ts_ms, one.side, float(one.price), float(one.amount))
                for one in market.liquidations(LINEAR)[-5 - fresh :]
            ]

        fresh = 0
        task = asyncio.ensure_future(read())
        await until(told)
        assert rows == sorted(rows, reverse=True)  # the newest first
        before = len(market.liquidations(LINEAR))
        await venue.step(90)
        fresh = len(market.liquidations(LINEAR)) - before
        await until(told)
        await venue.drop()
        await venue.step(60)
        fresh = len(market.liquidations(LINEAR)) - before
        await venue.until(lambda: topic in venue.topics)
        await until(told)
        assert fresh == 7  # three of them while nobody listened
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- answers and notices ------------------------------------------------------------------------


async def test_a_refused_argument_harms_no_other(venue: FakeVenue) -> None:
    """4, 10.1: an error names its topic; ccxt rejects all that waits on the connection."""
    async with unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex:
        await ex.load_markets()
        venue.side._specs.pop("BTC-USDT")  # type: ignore[attr-defined]  # delisted since
        wanted = [ex.watch_mark_price(symbol) for symbol in (SPOT, LINEAR, INVERSE)]
        refused, mark, other = await asyncio.gather(*wanted, return_exceptions=True)

        assert isinstance(refused, unified_ws.SubscribeRejected)
        assert "mark-price,instId:BTC-USDT doesn't exist" in str(refused)
        assert isinstance(mark, dict)
        assert isinstance(other, dict)
        assert mark["markPrice"] == float(venue.market.mark(LINEAR).mark)
        assert len(venue.stats.requests) == 1  # all three in one, and nothing asked again
        assert venue.topics == {"mark-price:BTC-USDT-SWAP": 1, "mark-price:BTC-USD-SWAP": 1}


class Eager(Okx):
    """The venue when its first data is quicker than its acknowledgement (4)."""

    eager = True


async def test_data_may_come_before_its_acknowledgement() -> None:
    """4: nothing of it is lost; a book starts by it."""
    async with (
        FakeVenue(Eager, symbols=[SPOT], paused=True) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        book, ticker = await asyncio.gather(ex.watch_order_book(SPOT), ex.watch_ticker(SPOT))
        assert book["nonce"] == venue.market.book(SPOT).last_id
        assert ticker["last"] == venue.market.stats(SPOT).close / 1e8
        assert ex.quarantined() == []


async def test_an_announced_upgrade_costs_nothing() -> None:
    """9: another connection takes over before the old one is closed."""
    topic, numbers = "trades:BTC-USDT-SWAP", list[int]()
    async with (
        FakeVenue("okx", symbols=[LINEAR], speed=10) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):

        async def read() -> None:
            async for row in ex.stream_trades(LINEAR):
                assert not numbers or row.number - (row.count or 0) == numbers[-1]
                assert not row.recovered
                numbers.append(row.number)

        task = asyncio.ensure_future(read())
        await until(lambda: len(numbers) > 3)
        notice = venue.side.shutdown_notice("public")
        assert notice is not None
        await venue.inject(notice)
        await venue.until(lambda: venue.stats.connections == 2)
        await venue.until(lambda: venue.stats.open_connections == 1 and topic in venue.topics)
        count = len(numbers)
        await until(lambda: len(numbers) > count + 10)
        assert not task.done()
        task.cancel()
        assert ex.gaps() == []


async def test_the_heartbeat_keeps_a_silent_connection() -> None:
    """3: the venue closes what has been silent for 30 seconds, here 0.2."""
    said = list[tuple[str, bytes]]()
    config = {"ws": {"heartbeat": {"every_s": 0.05, "timeout_s": 0.3}}}
    async with (
        FakeVenue("okx", symbols=[SPOT], paused=True, client_ping_within_s=0.2) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway, **config}) as ex,
    ):
        ex.tap(lambda _connection, direction, frame: said.append((direction, frame)))
        await ex.watch_ticker(SPOT)
        await until(lambda: said.count(("in", b"pong")) > 8)
        assert said.count(("out", b"ping")) > 8
        assert venue.stats.connections == venue.stats.open_connections == 1
        venue.stop_pongs()
        await venue.until(lambda: venue.stats.connections == 2, 20)


# --- limits -----------------------------------------------------------------------------------


def many(count: int) -> MarketModel:
    """Return so many small markets that have all been traded."""
    return MarketModel(
        MANY[:count], levels=10, warmup_ticks=4, trades_per_s=200, clock=lambda: BEFORE
    )  # fmt: skip


MANY = [f"{''.join(name)}/USDT" for name in itertools.product("ABCDEFGH", repeat=3)][:400]


async def test_four_hundred_markets_keep_to_the_limits() -> None:
    """2: 64 KB a request, 480 requests an hour, three dials a second, 29 deep books a connection."""
    async with (
        FakeVenue("okx", market=many(400), paused=True) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        wanted = (
            ex.watch_trades_for_symbols(MANY),
            ex.watch_tickers(MANY),
            ex.watch_bids_asks(MANY),
            ex.watch_ohlcv_for_symbols([[symbol, "1m"] for symbol in MANY]),
        )
        calls = [asyncio.ensure_future(call) for call in wanted]
        await venue.until(lambda: len(venue.topics) == 4 * len(MANY), 20)
        await asyncio.gather(*calls)

        assert venue.stats.violations == []
        # One for each address; and of requests as few as hold so many topics.
        assert venue.stats.connections == 2
        assert len(venue.stats.requests) <= 6
        assert ex.quarantined() == []


async def test_four_hundred_deep_books_are_spread() -> None:
    """2: fourteen connections, opened three a second, with one request each.

    The seconds of dials, those of the venue and those that the library declares, last a quarter.
    """
    least = math.ceil(len(MANY) / 29)
    declared = VENUE.endpoints["public"].limits.dials
    assert declared is not None
    config = {"ws": {"limits": {"dials": {"n": declared.n, "per_s": declared.per_s / 4}}}}
    window_s = Okx.limits.dials_window_s / 4
    async with (
        FakeVenue("okx", market=many(len(MANY)), paused=True, dials_window_s=window_s) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway, **config}) as ex,
    ):
        await ex.load_markets()
        books = asyncio.ensure_future(ex.watch_order_book_for_symbols(MANY))
        await venue.until(lambda: len(venue.topics) == len(MANY), 30)
        await books

        assert venue.stats.violations == []
        assert venue.stats.connections == least
        assert len(venue.stats.requests) == least


async def test_nothing_is_left_at_the_end() -> None:
    """What is given up is unsubscribed, and the last one closes its connection."""
    async with (
        FakeVenue("okx", seed=3, symbols=[SPOT, LINEAR], speed=5) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.watch_trades(SPOT)
        await ex.watch_order_book(LINEAR)
        await ex.watch_ohlcv(SPOT)
        await ex.un_watch_trades(SPOT)
        await venue.until(lambda: "trades:BTC-USDT" not in venue.topics)
        await ex.un_watch_order_book(LINEAR)
        await ex.un_watch_ohlcv(SPOT)
        await venue.until(lambda: venue.stats.open_connections == 0)
        assert venue.topics == {}
        assert venue.stats.violations == []


@pytest.mark.parametrize(
    ("id_", "symbol", "host"),
    [("myokx", SPOT, "wseea.okx.com:443"), ("okxus", LINEAR, "wsus.okx.com:443")],
)
async def test_other_regions_have_hosts_of_their_own(id_: str, symbol: str, host: str) -> None:
    """1: REST and sockets of the region where the account is."""
    hosts: set[str] = set()

    class Region(Okx):
        def accept(self, link: Link) -> Turn | RestAnswer:
            hosts.add(link.host)
            return super().accept(link)

    async with (
        FakeVenue(Region, symbols=[SPOT, LINEAR], paused=True) as venue,
        unified_ws.exchange(id_, {"gateway": venue.gateway}) as ex,
    ):
        ticker = await ex.watch_ticker(symbol)
        assert ticker["last"] == venue.market.stats(symbol).close / 1e8
        assert hosts == {host}


# --- ccxt's own tests -------------------------------------------------------------------------

THEIRS: Mapping[str, Any] = {
    "trades": LINEAR,
    "trades_for_symbols": [SPOT, INVERSE],
    "order_book": SPOT,
    "order_book_for_symbols": [SPOT, FUTURE],
    "ticker": INVERSE,
    "tickers": SPOT,
    "bids_asks": LINEAR,
    "ohlcv": FUTURE,
    "ohlcv_for_symbols": SPOT,
}
"""By the name of ccxt's function. That of liquidations uses modules that it does not import."""
FASTER = 10


@pytest.mark.timeout(60)
async def test_ccxts_own_tests_find_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take 15 seconds by the clock of the exchange object, which runs as fast as the market."""
    begun = time.time()
    async with (
        FakeVenue("okx", seed=3, speed=FASTER, symbols=[*MARKETS], clock=lambda: begun) as venue,
        unified_ws.exchange("okx", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()

        def milliseconds() -> int:
            return int((begun + FASTER * (time.time() - begun)) * 1000)

        monkeypatch.setattr(ex, "milliseconds", milliseconds, raising=False)
        nothing_skipped: dict[str, Any] = {}
        results = await asyncio.gather(
            *(
                getattr(
                    importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}"),
                    f"test_watch_{name}",
                )(ex, nothing_skipped, argument)
                for name, argument in THEIRS.items()
            ),
            return_exceptions=True,
        )

        failed = {n: r for n, r in zip(THEIRS, results, strict=True) if isinstance(r, Exception)}
        assert failed == {}
        assert venue.stats.connections == 2
        assert venue.stats.violations == []
        assert ex.quarantined() == []
