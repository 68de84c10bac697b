"""Every recorded session of Binance through the public API: spot, USD-M, COIN-M, Binance US.

Trades once and in order, every book equal to an independent reconstruction and to the venue's own
best bid and ask at the same update id, and what ccxt.pro's handlers make of the same frames.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration._agreement import differences
from tests.integration._sessions import (
    PlainBook,
    Session,
    Watch,
    play,
    raw_frames,
    rest_bodies,
    shortened,
    through_ccxt,
)
from tests.support import recording
from unified_ws.testing._recording import Frame


class Recorded(NamedTuple):
    """A session and what is known of it.

    Attributes:
        name: Its folder.
        venue: The object that plays it.
        books: How many books come of it: one for each snapshot, one for each delta that counts.
        quotes: Books with a best bid and ask of the venue's own at the same update id.
        url: Where ccxt would be connected.
    """

    name: str
    venue: str
    books: int
    quotes: int
    url: str


SPOT, USDM = "wss://stream.binance.com:9443/ws/0", "wss://fstream.binance.com/public/ws/0"
COINM, US = "wss://dstream.binance.com/ws/0", "wss://stream.binance.us:9443/ws/0"
SESSIONS = (
    Recorded("spot_btcusdt_20240808", "binance", 6494, 1072, SPOT),
    Recorded("spot_cf_20210405", "binance", 4652, 1155, SPOT),
    Recorded("spot_cf_20211012", "binance", 176, 26, SPOT),
    Recorded("usdm_btcusdt_20240718", "binance", 9018, 625, USDM),
    Recorded("usdm_btcusdt_20240808", "binanceusdm", 6548, 629, USDM),
    Recorded("usdm_cf_20210405", "binance", 4398, 216, USDM),
    Recorded("usdm_cf_20210722", "binanceusdm", 753, 50, USDM),
    Recorded("usdm_ethusdt_banexg_20231230", "binance", 50, 0, USDM),
    Recorded("coinm_btcusd_perp_20240808", "binance", 44773, 1885, COINM),
    Recorded("coinm_cf_20210722", "binancecoinm", 1793, 213, COINM),
    Recorded("us_spot_cf_20211012", "binanceus", 336, 57, US),
)
_FOR_CCXT = 4_000
"""How many frames of a large session ccxt's handlers are given: they take much longer than ours."""


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    """Half a million rows are kept: a quarter of the time went into looking for cycles in them."""
    gc.disable()
    yield
    gc.enable()


class Truth:
    """What the frames of a session say, read without any code of the library."""

    def __init__(self, folder: Path) -> None:
        self.trades: dict[str, list[tuple[Any, ...]]] = {}
        self.quotes: dict[str, dict[int, tuple[float, float, float, float, int | None]]] = {}
        self.candles: dict[str, list[list[float]]] = {}
        self.deltas: dict[str, list[dict[str, Any]]] = {}
        self.rate = self.trade_name = ""
        for _, frame in raw_frames(folder):
            # one session was recorded without wrappers, and holds only books
            name = frame.get("stream") or f"{frame['s'].lower()}@depth@100ms"
            market, channel = name.split("@", 1)
            self._take(market.upper(), channel, frame.get("data", frame))
        self.snapshots = {
            url.split("symbol=")[1].split("&")[0]: body
            for url, body in rest_bodies(folder)
            if "/depth?" in url
        }
        self.seen = dict.fromkeys(self.deltas, 0)
        self.compared = 0
        self.wrong: list[tuple[str, int | None]] = []
        self._books = {market: self.books(market) for market in self.deltas}

    def _take(self, market: str, channel: str, d: dict[str, Any]) -> None:
        if channel in ("trade", "aggTrade"):
            self.trade_name = channel
            row = (str(d["t"] if channel == "trade" else d["a"]), float(d["p"]), float(d["q"]))
            side = "sell" if d["m"] else "buy"
            self.trades.setdefault(market, []).append((*row, side, d["T"]))
        elif channel == "bookTicker":
            best = (float(d["b"]), float(d["B"]), float(d["a"]), float(d["A"]), d.get("E"))
            self.quotes.setdefault(market, {})[d["u"]] = best
        elif channel.startswith("depth"):
            self.rate = channel.removeprefix("depth@").removesuffix("ms")
            self.deltas.setdefault(market, []).append(d)
        elif channel.startswith("kline"):
            k = d["k"]
            self.candles.setdefault(market, []).append([k["t"], *(float(k[x]) for x in "ohlcv")])

    def books(self, market: str) -> Iterator[tuple[int, int | None, PlainBook]]:
        """Rebuild every book of a market by the venue's rules (6.3, 6.4): id, time, book."""
        snapshot = self.snapshots[market]
        book = PlainBook(snapshot["bids"], snapshot["asks"])
        last = snapshot["lastUpdateId"]
        yield last, None, book
        for d in self.deltas[market]:
            if d["u"] <= last:
                continue
            assert d.get("pu", d["U"] - 1) <= last
            book.apply(d["b"], d["a"])
            last = d["u"]
            yield last, d["E"], book

    def judge(self, market: str, row: Any) -> None:
        """Compare one book that the library hands out with the one that is due."""
        self.seen[market] += 1
        number, at_ms, book = next(self._books[market], (-1, None, PlainBook()))
        if row.nonce != number or row.bids != book.bids or row.asks != book.asks:
            self.wrong.append((market, row.nonce))
        else:  # levels that stay as they are will then be the same objects: quickly compared
            book.bids[:], book.asks[:] = row.bids, row.asks
        if at_ms is not None and row.timestamp_ms != at_ms:
            self.wrong.append((market, row.timestamp_ms))
        quote = self.quotes.get(market, {}).get(number)
        if quote is not None:
            self.compared += 1
            if (*row.bids[0], *row.asks[0]) != quote[:4]:
                self.wrong.append((market, number))

    def watches(self) -> list[Watch]:
        """Return a watch for everything in the session."""
        name = {"name": self.trade_name}
        return [
            *(Watch("trades", market, params=name) for market in self.trades),
            *(Watch("quotes", market) for market in self.quotes),
            *(Watch("candles", market, "1m") for market in self.candles),
            *(Watch("books", m, params={"watchOrderBookRate": self.rate}) for m in self.deltas),
        ]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
async def test_a_recorded_session_comes_through_whole(session: Recorded, tmp_path: Path) -> None:
    """Nothing lost, repeated, invented or refused, and ccxt says the same where it says a thing."""
    folder = recording(f"binance/{session.name}")
    truth = Truth(folder)
    played = await play(session.venue, folder, truth.watches(), judge=truth.judge)

    assert played.faults() == []
    assert truth.wrong == []
    assert [m for m, books in truth._books.items() if next(books, None) is not None] == []
    assert (sum(truth.seen.values()), truth.compared) == (session.books, session.quotes)
    for market, expected in truth.trades.items():
        rows = played.rows("trades", market)
        assert [(t.id, t.price, t.amount, t.side, t.timestamp_ms) for t in rows] == expected
    for market, quotes in truth.quotes.items():
        rows = played.rows("quotes", market)
        got = {q.number: (q.bid, q.bid_volume, q.ask, q.ask_volume, q.timestamp_ms) for q in rows}
        assert got == quotes
        assert len(rows) == len(got)
    for market, versions in truth.candles.items():
        assert played.dicts("candles", market, "1m") == versions
    sampled = played.frames > _FOR_CCXT * 3
    if sampled:
        folder = shortened(folder, _FOR_CCXT, tmp_path)
        for watched in played.watched:
            del played.rows(*watched)[_FOR_CCXT:]  # so many frames make no more rows
    await _ccxt_agrees(session, folder, played, sampled=sampled)


async def _ccxt_agrees(session: Recorded, folder: Path, played: Session, *, sampled: bool) -> None:
    """Compare with ccxt's handlers: field by field, in the same order."""

    def wanted(frame: Frame) -> bool:
        return "@depth" not in frame.topic

    said = await through_ccxt(
        session.venue, folder, session.url, wanted=wanted, config={"timeout_on_exit": 0}
    )
    assert said.raised == []
    for kind, market, timeframe in played.watched:
        rows = played.dicts(kind, market, timeframe) if kind != "books" else []
        if not rows:
            continue
        symbol = played.rows(kind, market, timeframe)[0].symbol
        versions: dict[str, list[Any]] = {
            "trades": list(said.trades.get(symbol, ())),
            "quotes": said.ticker(symbol, "bidask"),
            "candles": list(said.candles.get((symbol, timeframe), ())),
        }
        theirs = versions[kind]
        # a candle without a change is no version of its own there
        mine = [r for n, r in enumerate(rows) if kind != "candles" or n == 0 or r != rows[n - 1]]
        found = {f for a, b in zip(mine, theirs, strict=False) for f in differences(a, b)}
        assert found == set(), (kind, market)
        assert len(theirs) == len(mine) or sampled, (kind, market)
        assert theirs, (kind, market)
