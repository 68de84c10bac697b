"""ccxt.pro and this library read the same venue: their dicts agree field by field.

Both are clients of one fake (or of one recorded session); what differs is in `DIFFERENCES`, with
its reason, and nothing else may. A difference that has gone must leave the table, too.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import ccxt.pro
import pytest
import pytest_asyncio

import unified_ws
from tests.integration.conftest import Make
from tests.support import recording, redirect, until
from unified_ws.testing import FakeVenue, MarketModel, Replay
from unified_ws.testing.market import Spec, spec_of

BTC, ETH, SHIB = "BTC/USDT", "ETH/USDT", "SHIB/USDT"
CHEAP = Spec(SHIB, "SHIB", "USDT", 1, 10**8, 9_150)  # 0.0000915: Python writes 9.15e-05
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC: what comes each second comes at known ticks

NOON_MS = int(NOON * 1000)
Pair: TypeAlias = tuple[unified_ws.Exchange, Any]

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


class Case(NamedTuple):
    """One call, made on both.

    Attributes:
        call: On an exchange object.
        items: The comparable things of one answer, by what tells them apart.
        topics: What the venue sees of it.
        ticks: How far the market moves.
        lossy: ccxt keeps only the last of what comes at once, so that its items may be fewer.
    """

    call: Callable[[Any], Awaitable[Any]]
    items: Callable[[Any], dict[Any, Any]]
    topics: Sequence[str]
    ticks: int = 30
    lossy: bool = False


# --- how answers are taken apart -----------------------------------------------------------


def trades(answer: Any) -> dict[Any, Any]:
    """Trades by market and id."""
    return {(t["symbol"], t["id"]): t for t in answer}


def book(answer: Any) -> dict[Any, Any]:
    """A book by market and update id, as it is now: ccxt's goes on changing."""
    sides = {side: [row[:] for row in answer[side]] for side in ("bids", "asks")}
    return {(answer["symbol"], answer["nonce"]): {**answer, **sides}}


def tickers(answer: Any) -> dict[Any, Any]:
    """Tickers by market and what the venue said."""
    return {(symbol, json.dumps(t["info"], sort_keys=True)): t for symbol, t in answer.items()}


def ticker(answer: Any) -> dict[Any, Any]:
    """One ticker likewise."""
    return tickers({answer["symbol"]: answer})


def candles(answer: Any) -> dict[Any, Any]:
    """Versions of candles."""
    return {tuple(row): row[:] for row in answer}


def many_candles(answer: Any) -> dict[Any, Any]:
    """Versions of candles of several markets."""
    return {
        (symbol, timeframe, *row): row[:]
        for symbol, frames in answer.items()
        for timeframe, rows in frames.items()
        for row in rows
    }


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


# --- how they are compared -----------------------------------------------------------------


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Yield the fields in which two answers differ, be it in keys, types or values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*theirs, *(k for k in ours if k not in theirs)]:
            inner = f"{place}.{key}".lstrip(".")
            if key not in ours or key not in theirs:
                yield f"{inner} (only {'ccxt' if key in theirs else 'ours'} has it)"
            else:
                yield from differences(ours[key], theirs[key], inner)
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(ours) != len(theirs):
            yield place
        for mine, other in zip(ours, theirs, strict=False):
            yield from differences(mine, other, place)
    elif type(ours) is not type(theirs) or ours != theirs:
        yield place


def compared(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> set[str]:
    """Return the fields in which things that both have differ."""
    return {
        field
        for key in ours.keys() & theirs.keys()
        for field in differences(ours[key], theirs[key])
    }


class Reader:
    """Calls one method again and again and keeps what is new."""

    def __init__(self, case: Case, exchange: Any) -> None:
        self.found: dict[Any, Any] = {}
        self._task = asyncio.ensure_future(self._read(case, exchange))

    async def _read(self, case: Case, exchange: Any) -> None:
        while True:
            self.found.update(case.items(await case.call(exchange)))

    async def stop(self) -> dict[Any, Any]:
        """End it, or raise what it died of; return what it found."""
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self.found


class Counted:
    """How many data frames a venue has sent and its two clients have read.

    Attributes:
        pause_after: A replay pauses after so many frames; 0: never.
    """

    def __init__(self, venue: FakeVenue | Replay, ours: unified_ws.Exchange, theirs: Any) -> None:
        self.sent = self.ours = self.theirs = 0
        self._venue, self._publish = venue, venue.publish
        self._handle = theirs.handle_message
        self.pause_after = 0
        venue.publish = self._published  # type: ignore[method-assign]
        theirs.handle_message = self._handled
        ours.tap(self._tapped)

    def _published(self, topic: str, payload: bytes) -> None:
        self.sent += topic in self._venue.topics
        self._publish(topic, payload)
        if self.pause_after and self.sent % self.pause_after == 0:
            self._venue.pause()

    def _handled(self, client: Any, message: Any) -> None:
        self.theirs += not (isinstance(message, dict) and "id" in message)
        self._handle(client, message)

    def _tapped(self, _connection: int, direction: str, frame: bytes) -> None:
        self.ours += direction == "in" and frame.startswith(b'{"stream"')

    async def settle(self) -> None:
        """Wait until both have read everything, and their callers have had their turn."""
        await until(lambda: self.ours == self.theirs == self.sent)
        for _ in range(20):
            await asyncio.sleep(0)


# --- the fake ------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """Three markets, one of them cheap, that move when told."""
    market = MarketModel([spec_of(BTC), spec_of(ETH), CHEAP], seed=11, clock=lambda: NOON)
    async with FakeVenue("binance", market=market, paused=True) as fake:
        yield fake


async def opened(gateway: str) -> Pair:
    """Return ours and theirs, with the markets loaded."""
    ours = unified_ws.exchange("binance", {"gateway": gateway})
    theirs = redirect(ccxt.pro.binance({"enableRateLimit": False}), gateway)
    theirs.timeout_on_exit = 0
    await asyncio.gather(ours.load_markets(), theirs.load_markets())
    return ours, theirs


@pytest_asyncio.fixture
async def pair(venue: FakeVenue) -> AsyncIterator[Pair]:
    """Two clients of the venue."""
    ours, theirs = await opened(venue.gateway)
    yield ours, theirs
    await ours.close()
    await theirs.close()


@pytest.mark.parametrize("name", CASES)
async def test_both_read_the_same(name: str, venue: FakeVenue, pair: Pair) -> None:
    """Every dict that both deliver is the same, but for what the table explains."""
    ours, theirs = pair
    case, truth = CASES[name], Truth(venue)
    counted = Counted(venue, ours, theirs)
    readers = Reader(case, ours), Reader(case, theirs)
    await venue.until(lambda: venue.topics == dict.fromkeys(case.topics, 2))

    for _ in range(case.ticks):
        await venue.step()
        await counted.settle()
        if case.items is book:
            truth.note()
    mine, other = await readers[0].stop(), await readers[1].stop()

    explained = set(DIFFERENCES.get(name, {}))
    # Which update the snapshots hit is chance; all else that is explained must be seen.
    assert compared(mine, other) | (explained & {"timestamp", "datetime"}) == explained
    if not case.lossy:
        assert sorted(mine) == sorted(other)
    assert len(mine.keys() & other.keys()) >= 3
    assert truth.wrong(mine) == []


class Truth:
    """Every book that the market had."""

    def __init__(self, venue: FakeVenue) -> None:
        self._venue = venue
        self._books: dict[tuple[str, int], dict[str, list[list[float]]]] = {}

    def note(self) -> None:
        """Remember the books of this moment."""
        for symbol in self._venue.market.symbols:
            now = self._venue.market.book(symbol)
            sides = {"bids": now.bids, "asks": now.asks}
            self._books[symbol, now.last_id] = {
                side: [[float(price), float(amount)] for price, amount in rows]
                for side, rows in sides.items()
            }

    def wrong(self, found: Mapping[Any, Any]) -> list[Any]:
        """Return the books whose rows are not the market's best ones."""
        return [
            key
            for key, handed_out in found.items()
            if key in self._books
            for side in ("bids", "asks")
            # of the last rows no client can know all: the snapshot has 1000
            if handed_out[side][:900] != self._books[key][side][: len(handed_out[side])][:900]
        ]


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
    counted = Counted(venue, *pair)
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
        await counted.settle()

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


def shortened(folder: Path, frames: int, into: Path) -> Path:
    """Copy the beginning of a recorded session of one connection."""
    (into / "rest").mkdir()
    name = "ws-1.jsonl.gz"
    with gzip.open(folder / name, "rt") as source, gzip.open(into / name, "wt", 1) as target:
        target.writelines(line for _, line in zip(range(frames), source, strict=False))
    (into / "meta.json").write_text((folder / "meta.json").read_text())
    index = json.loads((folder / "rest/index.json").read_text())
    kept = [entry for entry in index if entry["frames_before"][name] < frames]
    (into / "rest/index.json").write_text(json.dumps(kept))
    for entry in kept:
        (into / "rest" / entry["file"]).write_bytes((folder / "rest" / entry["file"]).read_bytes())
    return into


async def test_both_read_a_recorded_session_alike(tmp_path: Path) -> None:
    """Ten real markets: trades, quotes and books of two clients of one recording."""
    folder = shortened(recording("binance/spot_cf_20210405"), 3000, tmp_path)
    async with Replay(folder) as replay:
        ours, theirs = await opened(replay.gateway)
        counted = Counted(replay, ours, theirs)
        symbols = [market["symbol"] for market in theirs.markets.values()]
        readers = {
            (kind, symbol): (Reader(case, ours), Reader(case, theirs))
            for symbol in symbols
            for kind, case in _recorded(symbol).items()
        }
        await replay.until(lambda: set(replay.topics.values()) == {2} and len(replay.topics) == 30)
        counted.pause_after = 30  # all at once, ccxt would skip most quotes and books
        await replay.play()
        while not replay.finished.is_set():
            await counted.settle()
            replay.resume()
        await counted.settle()
        found = {key: (await a.stop(), await b.stop()) for key, (a, b) in readers.items()}
        await ours.close()
        await theirs.close()

    for (kind, symbol), (mine, other) in found.items():
        assert compared(mine, other) <= set(DIFFERENCES.get(kind, {})), (kind, symbol)
        if kind == "trades, recorded":
            assert list(mine) == list(other), symbol
    both = [len(mine.keys() & other.keys()) for mine, other in found.values()]
    assert sum(both) > 1000


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
    "watchTicker linear swap ticker": "futures",
    "watchTicker inverse swap ticker": "futures",
    "watchOrderBook linear swap orderbook with pu continuity chain": "futures",
    "watchTrades linear swap trades": "futures",
    "watchOrders spot market order lifecycle from open to closed after fill": "accounts",
    "watchOrders BTC/USDT spot GTC limit order is not postOnly": "accounts",
}
"""What belongs to a later release, by case."""
NOW = (
    "watchBidsAsks spot bids asks",
    "watchOHLCV spot ohlcv 1m",
    "watchOrderBook spot orderbook from rest snapshot and two depth deltas",
)


def test_every_case_is_run_or_belongs_to_a_later_release() -> None:
    """Nothing is skipped silently."""
    assert set(cases()) == {*LATER, *NOW}
    assert (len(NOW), len(LATER)) == (3, 6)


@pytest.mark.parametrize("name", NOW)
async def test_what_ccxt_expects_of_recorded_frames(
    name: str, make: Make, paused: FakeVenue
) -> None:
    """The venue's frames of 2026, and the results that ccxt's authors expect of them."""
    case = cases()[name]
    ex = make()
    if case.get("http_response"):
        paused.fail_rest("/api/v3/depth", 200, json.dumps(case["http_response"]))
    topic = case["sent_messages"][0]["params"][0]
    answers: list[Any] = []

    async def read() -> None:
        while True:
            answers.append(await getattr(ex, case["method"])(*case["args"]))

    reading = asyncio.ensure_future(read())
    await paused.until(lambda: topic in paused.topics)
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
