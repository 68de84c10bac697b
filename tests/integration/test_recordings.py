"""Real recorded sessions through the public API: nothing lost, repeated, invented or refused."""

from __future__ import annotations

import asyncio
import gzip
import json
from bisect import bisect_left, insort
from pathlib import Path
from typing import Any

import pytest

import unified_ws
from tests.support import recording
from unified_ws.testing import Replay

SESSIONS = ("spot_btcusdt_20240808", "spot_cf_20210405", "spot_cf_20211012")


class Truth:
    """What the frames of a session say, read without any code of the library."""

    def __init__(self, folder: Path) -> None:
        self.trades: dict[str, list[tuple[str, float, float, str, int]]] = {}
        self.quotes: dict[str, list[tuple[int, float, float, float, float]]] = {}
        self.candles: dict[str, list[list[float]]] = {}
        self.deltas: dict[str, list[dict[str, Any]]] = {}
        self.channels: set[str] = set()
        with gzip.open(folder / "ws-1.jsonl.gz", "rt") as lines:
            for line in lines:
                frame = json.loads(json.loads(line)["raw"])
                name, channel = frame["stream"].split("@", 1)
                self.channels.add(channel)
                self._take(name.upper(), channel, frame["data"])
        self.snapshots: dict[str, dict[str, Any]] = {}
        for entry in json.loads((folder / "rest/index.json").read_text()):
            if "/depth?" in entry["url"]:
                path = folder / "rest" / entry["file"]
                body = path.read_bytes()
                symbol = entry["url"].split("symbol=")[1].split("&")[0]
                unpacked = gzip.decompress(body) if path.suffix == ".gz" else body
                self.snapshots[symbol] = json.loads(unpacked)

    def _take(self, market: str, channel: str, d: dict[str, Any]) -> None:
        if channel in ("trade", "aggTrade"):
            row = (str(d.get("t", d.get("a"))), float(d["p"]), float(d["q"]))
            side = "sell" if d["m"] else "buy"
            self.trades.setdefault(market, []).append((*row, side, d["T"]))
        elif channel == "bookTicker":
            quote = (d["u"], float(d["b"]), float(d["B"]), float(d["a"]), float(d["A"]))
            self.quotes.setdefault(market, []).append(quote)
        elif channel.startswith("depth"):
            self.deltas.setdefault(market, []).append(d)
        elif channel.startswith("kline"):
            k = d["k"]
            self.candles.setdefault(market, []).append([k["t"], *(float(k[x]) for x in "ohlcv")])

    def books(self, market: str) -> dict[int, tuple[list[Any], list[Any]]]:
        """Rebuild every book of a market, by the update id it ends with."""
        snapshot = self.snapshots[market]
        sides = (_Side(snapshot["bids"]), _Side(snapshot["asks"]))
        last = snapshot["lastUpdateId"]
        found = {last: (sides[0].best_first(reverse=True), sides[1].best_first(reverse=False))}
        for d in self.deltas[market]:
            if d["u"] <= last:
                continue
            assert d["U"] <= last + 1
            sides[0].apply(d["b"])
            sides[1].apply(d["a"])
            last = d["u"]
            found[last] = (sides[0].best_first(reverse=True), sides[1].best_first(reverse=False))
        return found


class _Side:
    """One side of the independent book: a sorted list of prices beside a dict."""

    def __init__(self, levels: list[list[str]]) -> None:
        self.amounts = {float(price): float(amount) for price, amount in levels}
        self.prices = sorted(self.amounts)

    def apply(self, levels: list[list[str]]) -> None:
        for price, amount in ((float(p), float(a)) for p, a in levels):
            if price not in self.amounts and amount:
                insort(self.prices, price)
            if amount:
                self.amounts[price] = amount
            elif self.amounts.pop(price, None) is not None:
                del self.prices[bisect_left(self.prices, price)]

    def best_first(self, *, reverse: bool) -> list[tuple[float, float]]:
        prices = reversed(self.prices) if reverse else self.prices
        return [(price, self.amounts[price]) for price in prices]


def _unified(ex: unified_ws.Exchange) -> dict[str, str]:
    return {market["id"]: symbol for symbol, market in ex.rest.markets.items()}


@pytest.fixture(params=SESSIONS)
def session(request: pytest.FixtureRequest) -> Path:
    """A recorded session of spot, whatever its age: the protocol is today's."""
    return recording(f"binance/{request.param}")


async def test_a_recorded_session_comes_through_whole(session: Path) -> None:
    """Every trade once and in order, every book equal to an independent reconstruction."""
    truth = Truth(session)
    async with (
        Replay(session, speed=0) as replay,
        unified_ws.exchange("binance", {"gateway": replay.gateway}) as ex,
    ):
        await ex.load_markets()
        symbols = _unified(ex)
        problems: list[str] = []
        readers = [
            asyncio.ensure_future(reader)
            for reader in (
                *(_trades(ex, symbols[m], truth, m, problems) for m in truth.trades),
                *(_quotes(ex, symbols[m], truth.quotes[m], problems) for m in truth.quotes),
                *(_books(ex, symbols[m], truth.books(m), problems) for m in truth.deltas),
                *(_candles(ex, symbols[m], truth.candles[m], problems) for m in truth.candles),
            )
        ]
        await _subscribed(ex, len(readers))
        await replay.play()
        await asyncio.wait_for(replay.finished.wait(), 60)
        await asyncio.wait_for(asyncio.gather(*readers), 20)

        assert problems == []
        assert ex.quarantined() == []
        assert ex.gaps() == []
        status = ex.status()
        assert status["unclaimed_frames"] == 0
        assert [s for s in status["streams"] if s["dropped_for_slow_consumers"]] == []


async def _subscribed(ex: unified_ws.Exchange, topics: int) -> None:
    done = asyncio.Event()
    acknowledged = 0

    def count(notice: unified_ws.Notice) -> None:
        nonlocal acknowledged
        acknowledged += 1
        if acknowledged >= topics:
            done.set()

    ex.on("subscribed", count)
    await asyncio.wait_for(done.wait(), 10)


async def _trades(
    ex: unified_ws.Exchange, symbol: str, truth: Truth, market: str, problems: list[str]
) -> None:
    expected = truth.trades[market]
    name = "trade" if "trade" in truth.channels else "aggTrade"
    got: list[Any] = []
    while len(got) < len(expected):
        rows = await ex.watch_trades(symbol, params={"name": name})
        got += [(t["id"], t["price"], t["amount"], t["side"], t["timestamp"]) for t in rows]
    if got != expected:
        problems.append(f"{symbol}: {len(got)} trades against {len(expected)}")


async def _quotes(
    ex: unified_ws.Exchange, symbol: str, expected: list[Any], problems: list[str]
) -> None:
    got = []
    async for row in ex.stream_bids_asks([symbol]):
        got.append((row.number, row.bid, row.bid_volume, row.ask, row.ask_volume))
        if len(got) == len(expected):
            break
    if got != expected:
        problems.append(f"{symbol}: quotes differ")


async def _books(
    ex: unified_ws.Exchange, symbol: str, expected: dict[int, Any], problems: list[str]
) -> None:
    seen = 0
    last = max(expected)
    async for book in ex.stream_order_book(symbol):
        seen += 1
        if book.nonce not in expected or (book.bids, book.asks) != expected[book.nonce]:
            problems.append(f"{symbol}: the book at {book.nonce} differs")
            break
        if book.nonce == last:
            break
    if seen < len(expected):
        problems.append(f"{symbol}: {seen} books of {len(expected)}")


async def _candles(
    ex: unified_ws.Exchange, symbol: str, expected: list[list[float]], problems: list[str]
) -> None:
    got = []
    async for candle in ex.stream_ohlcv(symbol, "1m"):
        got.append(
            [candle.open_ms, candle.open, candle.high, candle.low, candle.close, candle.volume]
        )
        if len(got) == len(expected):
            break
    if got != expected:
        problems.append(f"{symbol}: candles differ")
