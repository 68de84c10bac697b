"""Recorded sessions of Bybit through the public API: every trade, book, ticker and candle of them.

What must come out is worked out here from the frames alone, without any code of the library, and
by ccxt.pro's own handlers. Section numbers are those of the protocol sheet for Bybit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import unified_ws
from tests.integration._agreement import differences
from tests.integration._sessions import (
    PlainBook,
    Said,
    Session,
    Watch,
    play,
    raw_frames,
    through_ccxt,
)
from tests.support import recording
from unified_ws.testing import Replay

FILES = {"ws-1.jsonl.gz": "linear", "ws-2.jsonl.gz": "spot"}
FAST = {"enableRateLimit": False}
OPTIONS = {"options": {"fetchMarkets": {"types": ["spot", "linear"]}}}


class Recorded(NamedTuple):
    """A market of the session of 2026: where it is, and what the session holds of it."""

    symbol: str
    file: str
    market: str
    trades: int
    deltas: int
    tickers: int
    candles: int


MARKETS = (
    Recorded("BTC/USDT:USDT", "ws-1.jsonl.gz", "BTCUSDT", 56, 413, 185, 23),
    Recorded("DOGE/USDT:USDT", "ws-1.jsonl.gz", "DOGEUSDT", 83, 379, 164, 13),
    Recorded("BTC/USDT", "ws-2.jsonl.gz", "BTCUSDT", 11, 299, 41, 15),
)
SWAPS = MARKETS[:2]


def said_of(folder: Path, file: str, topic: str) -> list[Any]:
    """Return the frames of one topic of one connection."""
    return [frame for name, frame in raw_frames(folder) if (name, frame.get("topic")) == (file, topic)]


def books(folder: Path, file: str, topic: str) -> Iterator[tuple[int, int, PlainBook]]:
    """Yield number, time and contents of every book, by the rules of 6.1 and nothing else."""
    last, depth, book = 0, int(topic.split(".")[1]), PlainBook()
    for frame in said_of(folder, file, topic):
        data = frame["data"]
        if frame["type"] == "snapshot":
            book = PlainBook(data["b"], data["a"])
        else:
            assert data["u"] == last + 1, "the recording itself has a gap"
            book.apply(data["b"], data["a"])
        book.cut(depth)
        last = data["u"]
        yield last, frame["ts"], book


class Judge:
    """Holds every book of the library against the reconstruction of the same frame."""

    def __init__(self, expected: dict[str, Iterator[tuple[int, int, PlainBook]]]) -> None:
        self._expected = expected
        self.seen = dict.fromkeys(expected, 0)
        self.levels = 0

    def __call__(self, market: str, row: Any) -> None:
        number, ts, book = next(self._expected[market])
        assert (row.nonce, row.timestamp_ms) == (number, ts)
        assert row.bids == book.bids
        assert row.asks == book.asks
        self.seen[market] += 1
        self.levels += len(row.bids) + len(row.asks)

    def rest(self) -> list[Any]:
        """Return the books that were never handed out."""
        return [left for books in self._expected.values() for left in books]


@pytest.fixture(scope="module")
def session() -> tuple[Session, Judge]:
    """Play the session of 2026 once, with everything watched that it holds."""
    folder = recording("bybit/v5_cf_20260809")
    judge = Judge({m.symbol: books(folder, m.file, f"orderbook.200.{m.market}") for m in MARKETS})
    watches = [
        watch
        for m in MARKETS
        for watch in (
            Watch("trades", m.symbol), Watch("books", m.symbol, depth=200),
            Watch("tickers", m.symbol), Watch("candles", m.symbol, "1m"),
        )
    ]  # fmt: skip
    kinds = ("mark prices", "funding rates", "open interest", "liquidations")
    watches += [Watch(kind, m.symbol) for kind in kinds for m in SWAPS]
    return asyncio.run(play("bybit", folder, watches, judge=judge, config=FAST)), judge


@pytest.fixture(scope="module")
def theirs() -> Said:
    """Give the same frames to ccxt.pro's handlers."""
    return asyncio.run(
        through_ccxt(
            "bybit", recording("bybit/v5_cf_20260809"),
            lambda frame: f"wss://stream.bybit.com/v5/public/{frame.topic.partition('|')[0]}",
            config=OPTIONS,
        )
    )  # fmt: skip


# --- 2026-08-09: linear and spot, 43 seconds ------------------------------------------------------


def test_nothing_is_wrong_with_the_session(session: tuple[Session, Judge]) -> None:
    """No gap, no resync, nothing quarantined, dropped or unclaimed: 1577 frames of 1601 are data."""
    played, _ = session
    assert played.faults() == []
    assert played.frames == 1577
    assert played.gaps == []


def test_every_book_is_the_venues(session: tuple[Session, Judge]) -> None:
    """6.1: of 1094 updates each makes one book of 200 levels a side, equal to the last row."""
    _, judge = session
    assert judge.rest() == []
    assert judge.seen == {m.symbol: m.deltas + 1 for m in MARKETS}
    assert judge.levels == 1094 * 400


@pytest.mark.parametrize("market", MARKETS, ids=lambda m: m.symbol)
def test_all_trades_once_and_in_order(market: Recorded, session: tuple[Session, Judge]) -> None:
    """5.1: by id, with price, amount, time and the taker's side."""
    frames = said_of(recording("bybit/v5_cf_20260809"), market.file, f"publicTrade.{market.market}")
    sides = {"Buy": "buy", "Sell": "sell"}
    expected = [
        (row["i"], row["T"], float(row["p"]), float(row["v"]), sides[row["S"]], row)
        for frame in frames
        for row in frame["data"]
    ]
    rows = session[0].rows("trades", market.symbol)
    assert [(r.id, r.timestamp_ms, r.price, r.amount, r.side, r.info) for r in rows] == expected
    assert len({row.id for row in rows}) == len(rows) == market.trades


@pytest.mark.parametrize("market", MARKETS, ids=lambda m: m.symbol)
def test_tickers_trades_and_candles_are_what_ccxt_makes_of_them(
    market: Recorded, session: tuple[Session, Judge], theirs: Said
) -> None:
    """Dict by dict, `info` included: patches are merged alike."""
    played, symbol = session[0], market.symbol
    tickers = played.dicts("tickers", symbol), theirs.ticker(symbol, "ticker")
    trades = played.dicts("trades", symbol), theirs.trades[symbol]
    candles = versions(played.dicts("candles", symbol, "1m")), theirs.candles[symbol, "1m"]
    assert theirs.raised == []
    pairs: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
        "ticker": tickers, "trade": trades, "candle": candles,
    }  # fmt: skip
    for kind, (mine, other) in pairs.items():
        found = {f for ours, ccxts in zip(mine, other, strict=True) for f in differences(ours, ccxts)}
        # Spot writes volumes with more digits than a float has; ccxt divides the texts.
        digits = kind == "ticker" and market.file == "ws-2.jsonl.gz"
        assert found == ({"vwap"} if digits else set()), kind
    for ours, ccxts in zip(*tickers, strict=True):
        assert ours["vwap"] == pytest.approx(ccxts["vwap"], rel=1e-15)
    assert (len(tickers[0]), len(trades[0])) == (market.tickers, market.trades)


def versions(rows: Sequence[list[float]]) -> list[list[float]]:
    """Leave out what says of a candle what has been said of it last, as ccxt's callers see it."""
    last: dict[float, list[float]] = {}
    return [row for row in rows if last.get(row[0]) != row and last.update({row[0]: row}) is None]


@pytest.mark.parametrize("market", MARKETS, ids=lambda m: m.symbol)
def test_candles_say_when_they_are_closed(
    market: Recorded, session: tuple[Session, Judge]
) -> None:
    """5.4: once each, and never again."""
    rows = session[0].rows("candles", market.symbol, "1m")
    frames = said_of(recording("bybit/v5_cf_20260809"), market.file, f"kline.1.{market.market}")
    expected = [(row["start"], row["confirm"]) for frame in frames for row in frame["data"]]
    assert [(row.open_ms, row.closed) for row in rows] == expected
    assert len(rows) == market.candles
    assert sum(row.closed for row in rows) == 1


@pytest.mark.parametrize("market", SWAPS, ids=lambda m: m.symbol)
def test_what_a_ticker_carries_beside_prices(
    market: Recorded, session: tuple[Session, Judge]
) -> None:
    """5.2: mark price, funding and open interest, each when a frame says something of it."""
    frames = said_of(recording("bybit/v5_cf_20260809"), market.file, f"tickers.{market.market}")
    prices = {"markPrice", "indexPrice"}
    funding = {"fundingRate", "nextFundingTime", "fundingIntervalHour"}
    parts: dict[str, list[tuple[Any, ...]]] = {"marks": [], "rates": [], "held": []}
    record: dict[str, str] = {}
    for frame in frames:
        data, ts = frame["data"], frame["ts"]
        record = dict(data) if frame["type"] == "snapshot" else {**record, **data}
        mark, index = float(record["markPrice"]), float(record["indexPrice"])
        if prices & data.keys():
            parts["marks"].append((ts, mark, index))
        if (prices | funding) & data.keys():
            rate, due = float(record["fundingRate"]), int(record["nextFundingTime"])
            hours = record["fundingIntervalHour"]
            parts["rates"].append((ts, rate, due, f"{hours}h", mark, index))
        if {"openInterest", "openInterestValue"} & data.keys():
            held, worth = float(record["openInterest"]), float(record["openInterestValue"])
            parts["held"].append((ts, held, worth, held))
    played, symbol = session[0], market.symbol
    assert parts["marks"] == [
        (r.timestamp_ms, r.mark_price, r.index_price) for r in played.rows("mark prices", symbol)
    ]
    assert parts["rates"] == [
        (
            r.timestamp_ms, r.funding_rate, r.funding_timestamp_ms, r.interval, r.mark_price,
            r.index_price,
        )
        for r in played.rows("funding rates", symbol)
    ]  # fmt: skip
    assert parts["held"] == [
        (r.timestamp_ms, r.open_interest_amount, r.open_interest_value, r.base_volume)
        for r in played.rows("open interest", symbol)
    ]
    assert min(map(len, parts.values())) > 5
    assert played.rows("liquidations", symbol) == []


# --- 2024-12-01: the depth that the venue has given up since --------------------------------------


async def test_every_book_of_an_archive() -> None:
    """1, 6.1: 500 levels, named outright; frames of the archives end with a carriage return."""
    folder = recording("bybit/v5_ob500_xrpusdt_20241201")
    judge = Judge({"XRPUSDT": books(folder, "ws-1.jsonl.gz", "orderbook.500.XRPUSDT")})
    watch = Watch("books", "XRPUSDT", params={"depth": "500"})
    played = await play("bybit", folder, [watch], judge=judge, config=FAST)
    assert played.faults() == []
    assert (played.frames, judge.seen, judge.rest()) == (50, {"XRPUSDT": 50}, [])
    assert judge.levels == 50 * 1000


async def test_a_client_that_comes_late_gets_the_book_of_that_moment() -> None:
    """6.1: the venue sends a snapshot on subscribing, and so does the replay of its frames."""
    folder = recording("bybit/v5_ob500_xrpusdt_20241201")
    expected = {number: book for number, _, book in _kept(books(folder, "ws-1.jsonl.gz", "orderbook.500.XRPUSDT"))}
    async with (
        Replay(folder) as replay,
        unified_ws.exchange("bybit", {"gateway": replay.gateway, **FAST}) as ex,
    ):
        await replay.play()
        await replay.finished.wait()
        book = await ex.watch_order_book("XRP/USDT:USDT", 500, {"depth": "500"})
    assert book["nonce"] == max(expected)
    bids, asks = expected[book["nonce"]]
    assert ([tuple(r) for r in book["bids"]], [tuple(r) for r in book["asks"]]) == (bids, asks)


def _kept(
    found: Iterator[tuple[int, int, PlainBook]],
) -> Iterator[tuple[int, int, tuple[Sequence[Any], Sequence[Any]]]]:
    for number, ts, book in found:
        yield number, ts, (list(book.bids), list(book.asks))
