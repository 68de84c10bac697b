"""Recorded sessions of KuCoin through the public API: nothing lost, repeated, invented or refused.

There is one session, of spot in April 2021: 30 seconds of six thin markets with 2,939 changes of
books. The truth is read from the frames without any code of the library; ccxt's handlers give the
second opinion on tickers and candles. Section numbers are those of the sheet for KuCoin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration._agreement import differences
from tests.integration._sessions import (
    PlainBook,
    Session,
    Watch,
    play,
    raw_frames,
    rest_bodies,
    through_ccxt,
)
from tests.support import recording
from unified_ws.testing.venues.kucoin import KuCoin

MARKETS = ("ANKR-BTC", "BCHSV-USDT", "CAPP-BTC", "DAPPT-BTC", "EQZ-BTC", "NRG-BTC")
SYMBOLS = {
    "ANKR-BTC": "ANKR/BTC", "BCHSV-USDT": "BSV/USDT", "CAPP-BTC": "CAPP/BTC",
    "DAPPT-BTC": "DAPPT/BTC", "EQZ-BTC": "EQZ/BTC", "NRG-BTC": "NRG/BTC",
}  # fmt: skip


@pytest.fixture
def folder() -> Path:
    """The recorded session."""
    return recording("kucoin/spot_cf_20210425")


class Truth:
    """What the frames of the session say."""

    def __init__(self, folder: Path) -> None:
        self.trades: dict[str, list[tuple[str, float, float, str, int]]] = {}
        self.deltas: dict[str, list[Mapping[str, Any]]] = {}
        self.tickers: dict[str, list[Mapping[str, Any]]] = {}
        self.candles: dict[str, list[Mapping[str, Any]]] = {}
        for _file, frame in raw_frames(folder):
            if frame.get("type") != "message":
                continue
            channel, _, market = frame["topic"].partition(":")
            d = frame["data"]
            if channel == "/market/match":
                row = (d["tradeId"], float(d["price"]), float(d["size"]), d["side"])
                ms = int(d["time"]) // 1_000_000
                self.trades.setdefault(market, []).append((*row, ms))
            elif channel == "/market/level2":
                self.deltas.setdefault(market, []).append(d)
            elif channel == "/market/ticker":
                self.tickers.setdefault(market, []).append(d)
            else:
                self.candles.setdefault(market.partition("_")[0], []).append(d)
        self.snapshots = {
            url.partition("symbol=")[2]: body["data"]
            for url, body in rest_bodies(folder)
            if "/orderbook/" in url
        }

    def books(self, market: str) -> Iterator[tuple[int, PlainBook]]:
        """Rebuild every book of a market, with the sequence it ends with (8.1)."""
        state = self.snapshots[market]
        book, last = PlainBook(state["bids"], state["asks"]), int(state["sequence"])
        yield last, book
        for d in self.deltas[market]:
            if d["sequenceEnd"] <= last:
                continue
            assert d["sequenceStart"] == last + 1
            rows = {
                side: [row for row in d["changes"][side] if float(row[0])]
                for side in ("bids", "asks")
            }
            book.apply(rows["bids"], rows["asks"])
            last = d["sequenceEnd"]
            yield last, book


async def played(folder: Path, judge: Any = None) -> Session:
    """Play the whole session with everything that it holds watched."""
    truth = Truth(folder)
    watches = [
        *(Watch("trades", market) for market in truth.trades),
        *(Watch("books", market) for market in truth.deltas),
        *(Watch("candles", market, "1m") for market in truth.candles),
        *(
            Watch("tickers", market, params={"spotMethod": "/market/ticker"})
            for market in truth.tickers
        ),
    ]
    return await play("kucoin", folder, watches, judge=judge)


async def test_the_session_comes_through_whole(folder: Path) -> None:
    """Every trade once and in order; every book equal to an independent one, row by row."""
    truth = Truth(folder)
    walks = {market: truth.books(market) for market in truth.deltas}
    judged: dict[str, int] = dict.fromkeys(walks, 0)
    wrong: list[str] = []

    def judge(market: str, row: Any) -> None:
        last, book = next(walks[market])
        while last < row.nonce:  # several changes may have been made before the first book
            last, book = next(walks[market])
        judged[market] += 1
        if row.nonce != last or row.bids != book.bids or row.asks != book.asks:
            wrong.append(f"{market} at {row.nonce}")

    session = await played(folder, judge)
    assert session.faults() == []
    assert wrong == []
    assert sum(judged.values()) == 2939 + len(MARKETS)  # changes in sequence, and first states
    assert [market for market, walk in walks.items() if next(walk, None) is not None] == []
    rows = {
        market: [
            (r.id, r.price, r.amount, r.side, r.timestamp_ms)
            for r in session.rows("trades", market)
        ]
        for market in truth.trades
    }
    assert rows == truth.trades
    assert sum(map(len, rows.values())) == 17


async def test_tickers_and_candles_are_those_that_ccxt_reads(folder: Path) -> None:
    """Field by field, and as many of them."""
    truth, session = Truth(folder), await played(folder)
    said = await through_ccxt(
        "kucoin", folder, "wss://push-private.kucoin.com/endpoint?token=T",
        wanted=lambda frame: "/market/level2:" not in frame.topic,
        # In 2021 the first version of a candle had a subject of its own, which ccxt passes over.
        message=lambda frame: frame.payload.replace(b"candles.add", b"candles.update"),
    )  # fmt: skip
    assert said.raised == []
    for market, frames in truth.tickers.items():
        mine = session.dicts("tickers", market)
        theirs = said.ticker(SYMBOLS[market], "ticker:")
        assert len(mine) == len(theirs) == len(frames)
        assert list(differences(mine, theirs)) == []
    for market, told in truth.candles.items():
        rows = session.rows("candles", market, "1m")
        versions = said.candles[f"candles:{SYMBOLS[market]}:1m", ""]
        # Ours says once more of each that it is final, when the next one begins.
        mine = [
            made
            for made, row in zip(session.dicts("candles", market, "1m"), rows, strict=True)
            if not row.closed
        ]
        assert mine == versions
        assert len(mine) == len(told)
        assert sum(bool(row.closed) for row in rows) == len({row.open_ms for row in rows}) - 1
    for market in truth.trades:
        mine, theirs = session.dicts("trades", market), said.trades[SYMBOLS[market]]
        late = {"timestamp", "datetime"}  # nanoseconds as floats: ccxt may be 1 ms short
        assert set(differences(mine, theirs)) <= late
    assert sum(len(rows) for rows in truth.tickers.values()) == 529


def test_a_book_that_begins_in_the_middle(folder: Path) -> None:
    """Recorded changes of which one is missing are no bridge to a state before it."""
    body = b'{"data":{"sequence":"1","bids":[["1","1"]],"asks":[["2","1"]]}}'
    first = Truth(folder).deltas["BCHSV-USDT"][0]
    assert KuCoin.advance(body, [msgspec.json.encode({"data": first})]) is None
