"""ccxt.pro and this library read the same venue: their dicts agree field by field.

Both are clients of one fake (or of one recorded session); what differs is in `DIFFERENCES`, with
its reason, and nothing else may. A difference that has gone must leave the table, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import unified_ws
from tests.integration._agreement import (
    Case,
    Pair,
    Reader,
    Traffic,
    agree,
    book,
    candles,
    clients,
    compared,
    differences,
    many_candles,
    ticker,
    tickers,
    trades,
)
from tests.integration._sessions import shortened
from tests.support import recording, until
from unified_ws.testing import FakeVenue, MarketModel, Replay
from unified_ws.testing.market import Spec, spec_of

BTC, ETH, SHIB = "BTC/USDT", "ETH/USDT", "SHIB/USDT"
CHEAP = Spec(SHIB, "SHIB", "USDT", 1, 10**8, 9_150)  # 0.0000915: Python writes 9.15e-05
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks

NOON_MS = int(NOON * 1000)

_NO_TIME = (
    "a state by REST has no time: ccxt says None until the next delta comes, ours takes the time "
    "of the delta that led to the very same state, where it has seen that one"
)
_CUT = (
    "ccxt cuts its book to `limit` at every call and forgets what it cut: when levels are removed "
    "nothing moves up, and with a small limit prices are missing right behind the best. Ours "
    "equals the venue's book to the last row (the test compares it with the market's own)"
)
_MINI = (
    "ccxt's option for watch_ticker says `ticker`, its code takes the mini ticker; ours takes "
    "`ticker`, which carries bid, ask and the venue's own vwap, change and percentage"
)
_BOOK = {"bids": _CUT, "asks": _CUT, "timestamp": _NO_TIME, "datetime": _NO_TIME}
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "book": _BOOK,
    "book, cheap": _BOOK,
    "book of 5": _BOOK,
    "book of 20": _BOOK,
    "book for symbols": _BOOK,
    "book, recorded": _BOOK,
    "ticker by default": dict.fromkeys(
        ("bid", "bidVolume", "ask", "askVolume", "previousClose", "vwap", "percentage", "info"),
        _MINI,
    ),
}
"""By case, then by the field: why ours is another. Whatever is not here must be the same."""


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
    "book": Case(lambda ex: ex.watch_order_book(BTC), book, topics("depth@100ms", BTC), 50, True),
    "book, cheap": Case(
        lambda ex: ex.watch_order_book(SHIB), book, topics("depth@100ms", SHIB), 50, True
    ),
    "book of 5": Case(
        lambda ex: ex.watch_order_book(BTC, 5), book, topics("depth@100ms", BTC), 50, True
    ),
    "book of 20": Case(
        lambda ex: ex.watch_order_book(BTC, 20), book, topics("depth@100ms", BTC), 50, True
    ),
    "book for symbols": Case(
        lambda ex: ex.watch_order_book_for_symbols([BTC, ETH]),
        book,
        topics("depth@100ms", BTC, ETH),
        50,
        lossy=True,
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
        lambda ex: ex.watch_tickers([BTC, ETH, SHIB]),
        tickers,
        topics("miniTicker", BTC, ETH, SHIB),
        lossy=True,
    ),
    "full tickers": Case(
        lambda ex: ex.watch_tickers([BTC, ETH], {"name": "ticker"}),
        tickers,
        topics("ticker", BTC, ETH),
        lossy=True,
    ),
    "all tickers": Case(lambda ex: ex.watch_tickers(), tickers, ["!miniTicker@arr"]),
    "all tickers of an hour": Case(
        lambda ex: ex.watch_tickers(None, {"name": "ticker_1h"}), tickers, ["!ticker_1h@arr"]
    ),
    "bids and asks": Case(
        lambda ex: ex.watch_bids_asks([BTC, SHIB]),
        tickers,
        topics("bookTicker", BTC, SHIB),
        lossy=True,
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


# --- the fake ------------------------------------------------------------------------------


SPECS = {BTC: spec_of(BTC), ETH: spec_of(ETH), SHIB: CHEAP}


def markets_of(case: Case) -> list[str]:
    """Return what a case needs to be listed: of books no others, since all levels are noted."""
    called = [s for s in SPECS if any(topic in topics("depth@100ms", s) for topic in case.topics)]
    return called or list(SPECS)


@pytest.fixture
def symbols() -> Sequence[str]:
    """The markets of the venue: three, one of them cheap."""
    return list(SPECS)


@pytest_asyncio.fixture
async def venue(symbols: Sequence[str]) -> AsyncIterator[FakeVenue]:
    """Markets that move when told."""
    specs = [SPECS[symbol] for symbol in symbols]
    market = MarketModel(specs, seed=11, clock=lambda: NOON, warmup_ticks=200)
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
async def test_both_read_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    await agree(CASES[name], venue, pair, DIFFERENCES.get(name, {}))


async def test_the_ticker_by_default(venue: FakeVenue, pair: Pair) -> None:
    """The one place where another channel is taken than ccxt takes."""
    ours, theirs = pair
    calls = [asyncio.ensure_future(ex.watch_ticker(BTC)) for ex in (ours, theirs)]
    await venue.until(lambda: len(venue.topics) == 2)
    await venue.step(10)
    mine, other = await asyncio.gather(*calls)

    assert set(venue.topics) == {"btcusdt@ticker", "btcusdt@miniTicker"}
    found = {place.partition(".")[0] for place in differences(mine, other)}
    assert found == set(DIFFERENCES["ticker by default"])
    assert (mine["bid"], mine["ask"]) == (
        venue.market.quote(BTC).bid_e8 / 1e8,
        venue.market.quote(BTC).ask_e8 / 1e8,
    )
    assert other["bid"] is None


@pytest.mark.parametrize(("since", "limit"), [(None, None), (None, 7), (35, None), (35, 2)])
async def test_the_cache_is_filtered_alike(
    since: int | None, limit: int | None, venue: FakeVenue, pair: Pair
) -> None:
    """`since` and `limit` with `newUpdates: False`, caches of `tradesLimit` and `OHLCVLimit`."""
    for ex in pair:
        ex.newUpdates = False
        ex.options.update({"tradesLimit": 30, "OHLCVLimit": 30})
    traffic = Traffic(venue, *pair)
    since_ms = None if since is None else NOON_MS + since * 60_000
    cases = [
        Case(lambda ex: ex.watch_trades(BTC, since_ms, limit), trades, ()),
        Case(lambda ex: ex.watch_ohlcv(BTC, "1m", since_ms, limit), candles, ()),
    ]

    async def said(first: int, last: int) -> None:
        for number in range(first, last):
            for channel, payload in (("trade", _a_trade(number)), ("kline_1m", _a_candle(number))):
                venue.publish(f"btcusdt@{channel}", payload)
        venue.flush()
        await traffic.settle()

    readers = [Reader(case, ex) for case in cases for ex in pair]
    await venue.until(lambda: venue.topics == {"btcusdt@trade": 2, "btcusdt@kline_1m": 2})
    await said(0, 39)
    for reader in readers:
        await reader.stop()
    readers = [Reader(case, ex) for case in cases for ex in pair]
    await said(39, 40)
    mine, other, my_candles, other_candles = [await reader.stop() for reader in readers]

    # Of 40 the cache holds 30, from number 10 on.
    first = max(since or 10, 40 - (limit or 30))
    assert [row["id"] for row in mine.values()] == [str(number) for number in range(first, 40)]
    assert list(mine) == list(other)
    assert compared(mine, other) == set()
    assert list(my_candles) == list(other_candles)
    assert len(my_candles) == len(mine)
    assert compared(my_candles, other_candles) == set()


def _a_trade(number: int) -> bytes:
    at = NOON_MS + number * 60_000
    fields = {"e": "trade", "E": at, "s": "BTCUSDT", "t": number, "p": f"{100 + number}.10"}
    return json.dumps({**fields, "q": "0.3", "T": at, "m": bool(number % 2), "M": True}).encode()


def _a_candle(number: int) -> bytes:
    at, price = NOON_MS + number * 60_000, f"{100 + number}.10"
    kline = dict.fromkeys("ohlc", price) | {"t": at, "T": at + 59_999, "s": "BTCUSDT", "i": "1m"}
    kline |= {"v": "2.5", "x": True}
    return json.dumps({"e": "kline", "E": at, "s": "BTCUSDT", "k": kline}).encode()


# --- a recording ---------------------------------------------------------------------------


async def test_both_read_a_recorded_session_alike(tmp_path: Path) -> None:
    """Ten real markets: trades, quotes and books of two clients of one recording."""
    folder = shortened(recording("binance/spot_cf_20210405"), 3000, tmp_path)
    async with Replay(folder) as replay, clients("binance", replay.gateway) as both:
        found = await _read_together(replay, both)

    for (kind, symbol), (mine, other) in found.items():
        assert unlike(mine, other) <= set(DIFFERENCES.get(kind, {})), (kind, symbol)
        if kind == "trades, recorded":
            assert list(mine) == list(other), symbol
    shared = [len(mine.keys() & other.keys()) for mine, other in found.values()]
    assert sum(shared) > 1000


def unlike(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> set[str]:
    """Return the fields in which things differ; one that is known to is not looked at again."""
    found: set[str] = set()
    for key in ours.keys() & theirs.keys():
        mine, other = (
            {field: value for field, value in side[key].items() if field not in found}
            for side in (ours, theirs)
        )
        found.update(differences(mine, other))
    return found


async def _read_together(replay: Replay, pair: Pair) -> dict[Any, Any]:
    traffic = Traffic(replay, *pair)
    symbols = [market["symbol"] for market in pair[1].markets.values()]
    readers = {
        (kind, symbol): (Reader(case, pair[0]), Reader(case, pair[1]))
        for symbol in symbols
        for kind, case in _recorded(symbol).items()
    }
    await replay.until(lambda: set(replay.topics.values()) == {2} and len(replay.topics) == 30)
    traffic.pause_after = 30  # all at once, ccxt would skip most quotes and books
    await replay.play()
    while not replay.finished.is_set():
        await traffic.settle()
        replay.resume()
    await traffic.settle()
    return {key: (await a.stop(), await b.stop()) for key, (a, b) in readers.items()}


def _recorded(symbol: str) -> dict[str, Case]:
    return {
        "trades, recorded": Case(
            lambda ex: ex.watch_trades(symbol, params={"name": "aggTrade"}), trades, ()
        ),
        "quotes, recorded": Case(lambda ex: ex.watch_bids_asks([symbol]), tickers, ()),
        "book, recorded": Case(lambda ex: ex.watch_order_book(symbol), book, ()),
    }


# --- ccxt's own recorded cases -------------------------------------------------------------


def cases() -> dict[str, dict[str, Any]]:
    """Return ccxt's recorded cases of this venue by name."""
    path = recording("ccxt_cases/cases.json")
    known = json.loads(path.read_text())["binance"]
    return {
        f"{method} {case['description']}": case for method, rows in known.items() for case in rows
    }


LATER = {
    "watchOrders spot market order lifecycle from open to closed after fill": "accounts",
    "watchOrders BTC/USDT spot GTC limit order is not postOnly": "accounts",
}
"""What belongs to a later release, by case."""
NOW: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "watchBidsAsks spot bids asks": ("", {}),
    "watchOHLCV spot ohlcv 1m": ("", {}),
    "watchOrderBook spot orderbook from rest snapshot and two depth deltas": ("", {}),
    # ours takes the full ticker by default, see `_MINI`
    "watchTicker linear swap ticker": ("usdm-market|", {"name": "miniTicker"}),
    "watchTicker inverse swap ticker": ("coinm|", {}),
    "watchOrderBook linear swap orderbook with pu continuity chain": ("usdm-public|", {}),
    "watchTrades linear swap trades": ("usdm-public|", {}),
}
"""What is run: where the fake delivers it, and a switch that ours needs."""


def test_every_case_is_run_or_belongs_to_a_later_release() -> None:
    """Nothing is skipped silently."""
    assert set(cases()) == {*LATER, *NOW}
    assert (len(NOW), len(LATER)) == (7, 2)


@pytest.mark.parametrize("name", NOW)
async def test_what_ccxt_expects_of_recorded_frames(name: str) -> None:
    """The venue's frames of 2026, and the results that ccxt's authors expect of them."""
    symbols = (BTC, ETH, "BTC/USDT:USDT", "BTC/USD:BTC")
    async with (
        FakeVenue("binance", symbols=symbols, seed=7, paused=True) as fake,
        unified_ws.exchange("binance", {"gateway": fake.gateway}) as ex,
    ):
        await _expected(name, fake, ex)


async def _expected(name: str, paused: FakeVenue, ex: unified_ws.Exchange) -> None:
    case, (where, switch) = cases()[name], NOW[name]
    if case.get("http_response"):
        paused.fail_rest("/v[13]/depth", 200, json.dumps(case["http_response"]))
    topic = case["sent_messages"][0]["params"][0]
    args = [*case["args"], switch] if switch else case["args"]
    answers: list[Any] = []

    async def read() -> None:
        while True:
            answers.append(await getattr(ex, case["method"])(*args))

    reading = asyncio.ensure_future(read())
    await paused.until(lambda: f"{where}{topic}" in paused.topics)
    final = case["expected_mode"] == "final"
    for message in (m for m in case["messages"] if "id" not in m):
        await paused.inject(json.dumps({"stream": topic, "data": message}))
        number = len(answers) + (0 if final else 1)
        await until(lambda number=number: len(answers) >= number)  # type: ignore[misc]  # bound
    if final:
        await until(lambda: bool(answers) and answers[-1]["nonce"] == case["expected"]["nonce"])
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)

    expected = [case["expected"]] if final else case["expected"]
    for got, wanted in zip(answers[-1:] if final else answers, expected, strict=False):
        assert plain(got, case["compare_skip_keys"]) == plain(wanted, case["compare_skip_keys"])
    assert len(answers) >= len(expected)


def plain(value: Any, skipped: Sequence[str]) -> Any:
    """Prepare a value for comparison by the rules of the cases: null equals a missing key."""
    if isinstance(value, dict):
        return {
            key: plain(inner, skipped)
            for key, inner in value.items()
            if inner is not None and key not in skipped
        }
    if isinstance(value, list):
        return [plain(inner, skipped) for inner in value]
    return value
