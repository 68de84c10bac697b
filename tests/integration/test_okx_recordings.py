"""Recorded sessions of OKX: nothing lost, repeated, invented or refused.

Both are older than the ids of updates, and hold what has died since: a real checksum with every
book. What is compared with is read from the frames without any code of the library, and by
ccxt.pro's own handlers. Section numbers are those of the protocol sheet.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import pytest

import unified_ws
from tests.integration._agreement import differences
from tests.integration._sessions import (
    PlainBook,
    Session,
    Watch,
    play,
    raw_frames,
    symbol_of,
    through_ccxt,
)
from tests.support import recording, until
from unified_ws.testing import Replay
from unified_ws.testing._recording import Frame

URL = "wss://ws.okx.com:443/ws/v5/public"


class Recorded(NamedTuple):
    """A session: the channel of its books, its markets, and how much of what it holds of them."""

    folder: str
    depth: str
    symbols: dict[str, str]
    trades: int
    tickers: int
    books: int


SESSIONS = [
    Recorded(
        "okx/v5_cf_20210722_tbt",
        "books-l2-tbt",
        {
            "AUCTION-USDT": "AUCTION/USDT", "DHT-USDT": "DHT/USDT", "FUN-BTC": "FUN/BTC",
            "OKT-BTC": "OKT/BTC", "ONT-USDT": "ONT/USDT", "PAY-BTC": "PAY/BTC",
            "TRX-USDT-210924": "TRX/USDT:USDT-210924", "XMR-USDT-SWAP": "XMR/USDT:USDT",
        },
        35, 42, 1475,  # and of two options, which are not served: 1, 4, 29
    ),
    Recorded(
        "okx/v5_cf_20220513_books",
        "books",
        {
            "BTC-USDT": "BTC/USDT", "UNI-USD-SWAP": "UNI/USD:UNI",
            "BTC-USD-220527": "BTC/USD:BTC-220527",
        },
        74, 28, 290,
    ),
]  # fmt: skip
IDS = [session.folder.rpartition("_")[2] for session in SESSIONS]
OPTIONS = ("BTC-USD-210924-42000-P", "BTC-USD-210924-66000-C")
KNOWN = {"spot": {"vwap"}, "contract": {"baseVolume"}}
"""Fields of tickers in which ccxt differs: the one as the adapter's docstring says, the other by
less than a float can hold, since ccxt divides volumes of more than 16 digits as texts."""

pytestmark = pytest.mark.parametrize("told", SESSIONS, ids=IDS)


@lru_cache(len(SESSIONS))
def frames(folder: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the frames of data as they were recorded, by channel and market."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, frame in raw_frames(recording(folder)):
        if "data" in frame:
            arg = frame["arg"]
            assert set(arg) == {"channel", "instId"}
            found.setdefault((arg["channel"], arg["instId"]), []).append(frame)
    return found


def rows(told: Recorded, channel: str, market: str) -> list[dict[str, Any]]:
    """Return the rows of one channel and market, as they were recorded."""
    of_market = frames(told.folder).get((channel, market), [])
    return [row for frame in of_market for row in frame["data"]]


def states(told: Recorded, market: str) -> Iterator[tuple[PlainBook, dict[str, Any]]]:
    """Yield a book after each of its frames."""
    book = PlainBook()
    for frame in frames(told.folder).get((told.depth, market), []):
        (row,) = frame["data"]
        if frame["action"] == "snapshot":
            book = PlainBook()
        book.apply(row["bids"], row["asks"])
        yield book, row


def checksum(book: PlainBook) -> int:
    """Compute the venue's checksum: the best 25 of both sides in turn, as they were written."""
    parts = []
    for number in range(25):
        for side in (book.bid_texts, book.ask_texts):
            parts += [f"{price}:{amount}" for price, amount in side[number : number + 1]]
    value = zlib.crc32(":".join(parts).encode())
    return value - 2**32 if value & 0x80000000 else value


async def played(told: Recorded, *watches: Watch, judge: Any = None) -> Session:
    """Play a session and see that nothing went wrong."""
    session = await play("okx", recording(told.folder), watches, judge=judge)
    assert session.faults() == []
    return session


async def test_every_row_comes_once_and_in_order(told: Recorded) -> None:
    """5.1, 5.2: trades whose ids leave no hole, tickers, best bids and asks of both."""
    kinds = ("trades", "tickers")
    quotes = [Watch("quotes", m, params={"channel": "tickers"}) for m in told.symbols]
    session = await played(told, *(Watch(kind, m) for m in told.symbols for kind in kinds), *quotes)
    counts: Counter[str] = Counter()
    for market, symbol in told.symbols.items():
        trades = session.rows("trades", market)
        assert [(t.symbol, t.info) for t in trades] == [
            (symbol, row) for row in rows(told, "trades", market)
        ]
        for t in trades:
            row = t.info
            assert (t.id, t.side, t.timestamp_ms) == (row["tradeId"], row["side"], int(row["ts"]))
            assert (t.price, t.amount, t.count) == (float(row["px"]), float(row["sz"]), 1)
        numbers = [t.number for t in trades]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        tickers = session.rows("tickers", market)
        assert [t.info for t in tickers] == rows(told, "tickers", market)
        best = session.rows("quotes", market)
        assert [(q.bid, q.bid_volume, q.ask, q.ask_volume) for q in best] == [
            tuple(float(t.info[name]) for name in ("bidPx", "bidSz", "askPx", "askSz"))
            for t in tickers
        ]
        counts.update(trades=len(trades), tickers=len(tickers))
    assert (counts["trades"], counts["tickers"]) == (told.trades, told.tickers)


async def test_every_book_equals_an_independent_one(told: Recorded) -> None:
    """6.2, 6.3, 6.6: each compared to the last row, and its checksum computed anew."""
    truth = {market: states(told, market) for market in told.symbols}
    counts: Counter[str] = Counter()

    def judge(market: str, row: Any) -> None:
        book, frame = next(truth[market])
        assert (row.bids, row.asks) == (book.bids, book.asks)
        assert (row.timestamp_ms, row.nonce) == (int(frame["ts"]), None)
        assert checksum(book) == frame["checksum"] != 0
        assert max(len(book.bids), len(book.asks)) <= 400
        counts[market] += 1

    watches = [Watch("books", m, params={"depth": told.depth}) for m in told.symbols]
    session = await played(told, *watches, judge=judge)
    assert all(next(left, None) is None for left in truth.values())
    assert counts.total() == session.frames == told.books
    # The library has computed each of them itself, too.
    streams = session.status["streams"]
    assert sum(stream["checksums"] for stream in streams) == told.books
    assert sum(stream["checksum_failures"] for stream in streams) == 0


async def test_ccxt_makes_the_same_of_these_frames(told: Recorded) -> None:
    """Its own handlers, field by field; the known differences are all there are."""
    watches = [Watch(kind, m) for m in told.symbols for kind in ("trades", "tickers")]
    session = await played(told, *watches)
    said = await through_ccxt("okx", recording(told.folder), URL, wanted=_no_book)
    assert said.raised == []
    for market, symbol in told.symbols.items():
        theirs = {
            "trades": said.trades.get(symbol, []),
            "tickers": said.ticker(symbol, "tickers"),
        }
        for kind, answers in theirs.items():
            found: set[str] = set()
            mine = session.dicts(kind, market)
            assert len(mine) == len(answers)
            for ours, other in zip(mine, answers, strict=True):
                found.update(differences(ours, other))
                if "vwap" in found:
                    assert ours["vwap"] == pytest.approx(other["vwap"], rel=1e-15)
            type_ = "spot" if market.count("-") == 1 else "contract"
            assert found <= (KNOWN[type_] if kind == "tickers" else set()), (market, kind)
            if type_ == "contract" and kind == "tickers" and mine:
                assert found == KNOWN[type_]


def _no_book(frame: Frame) -> bool:
    return not frame.topic.startswith("books") and frame.topic.partition(":")[2] not in OPTIONS


@pytest.mark.parametrize("harm", ["lose", "drop"])
async def test_a_book_in_the_middle_of_a_session(
    told: Recorded, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6.6: a lost update fails the next checksum, a lost connection is dialed anew.

    The replay greets with the book of then, as the venue does; all is as it was recorded.
    """
    market = max(told.symbols, key=lambda m: sum(1 for _ in states(told, m)))
    topic = f"{told.depth}:{market}"
    known = [(list(b.bids), list(b.asks)) for b, _ in states(told, market)]
    seen: list[tuple[Any, Any]] = []
    async with (
        Replay(recording(told.folder), speed=0) as server,
        unified_ws.exchange("okx", {"gateway": server.gateway}) as ex,
    ):
        await ex.load_markets()
        symbol = symbol_of(ex.rest, market)
        publish = server.publish

        def published(topic_: str, payload: bytes) -> None:
            if topic_ == topic and server.sent[topic] == 20:
                server.pause()
                if harm == "lose":
                    server.lose(topic)
            publish(topic_, payload)

        monkeypatch.setattr(server, "publish", published)

        async def read() -> None:
            async for book in ex.stream_order_book(symbol, params={"depth": told.depth}):
                rows = list(book.bids), list(book.asks)
                seen.append(rows)

        task = asyncio.ensure_future(read())
        await server.until(lambda: topic in server.topics)
        await server.play()
        await until(lambda: len(seen) == 20 + (harm == "drop"))
        assert seen == known[: len(seen)]
        before = server.stats.connections, len(server.stats.requests)
        if harm == "drop":
            await server.drop()
            await server.until(lambda: topic in server.topics)
        server.resume()
        await server.until(server.finished.is_set, 30)
        await until(lambda: seen[-1] == known[-1])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        asked = server.stats.connections - before[0], len(server.stats.requests) - before[1]
        assert asked == ((0, 2) if harm == "lose" else (1, 1))  # to leave and come back; a dial
        assert all(book in known for book in seen)
        assert (ex.quarantined(), server.stats.violations) == ([], [])
