"""Recorded sessions of Gate: nothing lost, repeated, invented or refused.

Two sessions of thin markets: spot of 2021 and contracts of 2023, books by REST and changes. What
is compared with is read from the frames without any code of the library, and by ccxt.pro's own
handlers. Section numbers are those of the protocol sheet for Gate.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import unified_ws
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
from tests.support import recording, until
from unified_ws.testing import Replay
from unified_ws.testing._recording import Frame

SPOT, SWAP = "gate/spot_cf_20210422", "gate/futures_cf_20230524"
URLS = {SPOT: "wss://api.gateio.ws/ws/v4/", SWAP: "wss://fx-ws.gateio.ws/v4/ws/usdt"}
PAIRS = (
    "BTC_USDC", "FAST_USDT", "HAI_ETH", "INK_USDT", "NANO_USDT", "OMG_USDT", "ZKS_ETH",
)  # fmt: skip
CONTRACTS = ("FRONT_USDT", "LIT_USDT", "PHB_USDT", "QUICK_USDT", "SFP_USDT", "WOO_USDT")
MARKETS = {SPOT: PAIRS, SWAP: CONTRACTS}
BY_REST = {"name": "order_book_update"}
QUICK = {"enableRateLimit": False}
SIDES = {"b": "bids", "a": "asks"}
# Fields in which ccxt differs, with the reason in the docstring of the adapter; the average is not
# rounded to the tick by ccxt, which names no market there.
KNOWN = {"tickers": {"timestamp", "datetime", "average"}, "trades": set(), "quotes": set()}


def results(name: str, channel: str, market: str) -> Iterator[dict[str, Any]]:
    """Yield the payloads of one channel and market, as they were recorded."""
    for _, frame in raw_frames(recording(name)):
        if frame["channel"].endswith(f".{channel}") and frame["event"] == "update":
            rows = frame["result"] if isinstance(frame["result"], list) else [frame["result"]]
            for row in rows:
                names = row.get("currency_pair"), row.get("contract"), row.get("s")
                if market in (*names, row.get("n", "").partition("_")[2]):
                    yield {**row, "time": frame["time"], "time_ms": frame.get("time_ms")}


def levels(rows: Any) -> list[tuple[str, str]]:
    """Return levels as texts, be they pairs or objects (6.5)."""
    return [(r["p"], str(r["s"])) if isinstance(r, dict) else (r[0], r[1]) for r in rows]


def books(name: str, market: str) -> Iterator[tuple[int, PlainBook]]:
    """Yield the state of REST, and the book after each change that follows it (7.2)."""
    found = [
        body
        for url, body in rest_bodies(recording(name))
        if re.search(rf"order_book\?.*={market}&", url)
    ]
    (state,) = found
    book, last = PlainBook(levels(state["bids"]), levels(state["asks"])), int(state["id"])
    book.cut(100)
    base = last
    yield last, book
    for change in results(name, "order_book_update", market):
        if change["u"] <= last:
            continue
        # Unbroken in every one of these books; the first one after REST's state may reach behind it.
        assert change["U"] == last + 1 or (last == base and change["U"] <= last + 1)
        last = change["u"]
        book.apply(levels(change["b"]), levels(change["a"]))
        book.cut(100)
        yield last, book


async def played(name: str, *watches: Watch, judge: Any = None) -> Session:
    """Play a session and see that nothing went wrong."""
    session = await play("gate", recording(name), watches, judge=judge, config=QUICK)
    assert session.faults() == []
    return session


@pytest.mark.parametrize(("name", "count"), [(SPOT, 97), (SWAP, 159)])
async def test_every_book_equals_an_independent_one(name: str, count: int) -> None:
    """7.2: each state of REST, and each change after it, compared to the last row."""
    truth = {market: books(name, market) for market in MARKETS[name]}
    seen: Counter[str] = Counter()

    def judge(market: str, row: Any) -> None:
        last, book = next(truth[market])
        assert (row.nonce, row.bids, row.asks) == (last, book.bids, book.asks)
        seen[market] += 1

    watches = [Watch("books", market, params=BY_REST) for market in truth]
    await played(name, *watches, judge=judge)
    assert all(next(left, None) is None for left in truth.values())
    assert seen.total() == count


async def test_every_row_of_spot_comes_once_and_in_order() -> None:
    """5.1, 5.2: 3 trades, 10 tickers."""
    kinds = "trades", "tickers"
    session = await played(SPOT, *(Watch(kind, market) for market in PAIRS for kind in kinds))
    counts: Counter[str] = Counter()
    for market in PAIRS:
        trades, tickers = (session.rows(kind, market) for kind in kinds)
        told = [*results(SPOT, "trades", market)]
        assert [(t.id, t.side, t.price, t.amount, t.timestamp_ms) for t in trades] == [
            (str(r["id"]), r["side"], float(r["price"]), float(r["amount"]),
             int(r["create_time_ms"].partition(".")[0])) for r in told
        ]  # fmt: skip
        stats = [*results(SPOT, "tickers", market)]
        assert [(t.last, t.bid, t.ask, t.base_volume, t.timestamp_ms) for t in tickers] == [
            (float(r["last"]), float(r["highest_bid"]), float(r["lowest_ask"]),
             float(r["base_volume"]), r["time"] * 1000) for r in stats
        ]  # fmt: skip
        counts.update(trades=len(trades), tickers=len(tickers))
    assert counts == {"trades": 3, "tickers": 10}


async def test_every_row_of_contracts_comes_once_and_in_order() -> None:
    """6.3, 6.6: 61 best bids and asks, one candle; no trade was recorded."""
    watches = [Watch(kind, market) for market in CONTRACTS for kind in ("quotes", "trades")]
    watches += [Watch("candles", market, "1m") for market in CONTRACTS]
    session = await played(SWAP, *watches)
    counts: Counter[str] = Counter()
    for market in CONTRACTS:
        told = [*results(SWAP, "book_ticker", market)]
        quotes = session.rows("quotes", market)
        assert [(q.number, q.bid, q.bid_volume, q.ask, q.ask_volume, q.timestamp_ms) for q in quotes] == [
            (r["u"], float(r["b"]), float(r["B"]), float(r["a"]), float(r["A"]), r["t"]) for r in told
        ]  # fmt: skip
        candles = session.rows("candles", market, "1m")
        assert [(c.open_ms, c.open, c.volume, c.closed) for c in candles] == [
            (r["t"] * 1000, float(r["o"]), float(r["v"]), None)
            for r in results(SWAP, "candlesticks", market)
        ]
        assert session.rows("trades", market) == []
        counts.update(quotes=len(quotes), candles=len(candles))
    assert counts == {"quotes": 61, "candles": 1}


async def test_the_best_prices_are_those_of_the_books() -> None:
    """6.3, 12: `u` of both is the same, so every quote can be held against the book of its id."""
    session = await played(SWAP, *(Watch("quotes", market) for market in CONTRACTS))
    compared = 0
    for market in CONTRACTS:
        best = {
            last: (*book.bids[0], *book.asks[0]) for last, book in books(SWAP, market)
        }
        for quote in session.rows("quotes", market):
            if quote.number in best:
                mine = quote.bid, quote.bid_volume, quote.ask, quote.ask_volume
                assert mine == best[quote.number]
                compared += 1
    assert compared == 16  # the others lie inside of what one change covers


async def test_candles_of_2021_had_no_base_volume() -> None:
    """5.4: they are set aside one by one, and nothing else suffers."""
    watches = [Watch("candles", market, "1m") for market in PAIRS]
    truth = {market: books(SPOT, market) for market in PAIRS}

    def judge(market: str, row: Any) -> None:
        assert row.nonce == next(truth[market])[0]

    watches += [Watch("books", market, params=BY_REST) for market in PAIRS]
    session = await play("gate", recording(SPOT), watches, judge=judge, config=QUICK)
    assert len(session.quarantined) == 9
    assert all("without a volume" in str(frame) for frame in session.quarantined)
    assert all(next(left, None) is None for left in truth.values())
    assert [line for line in session.faults() if not line.startswith("quarantined")] == []


@pytest.mark.parametrize(
    ("name", "kinds"), [(SPOT, ("trades", "tickers")), (SWAP, ("quotes",))]
)
async def test_ccxt_makes_the_same_of_these_frames(name: str, kinds: tuple[str, ...]) -> None:
    """Its own handlers, field by field; the known differences are all there are."""
    markets = MARKETS[name]
    session = await played(name, *(Watch(kind, market) for market in markets for kind in kinds))
    said = await through_ccxt("gate", recording(name), URLS[name], wanted=_no_book)
    assert said.raised == []
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    rows = 0
    for market in markets:
        base, quote = market.split("_")
        symbol = f"{base}/{quote}" + (":USDT" if name == SWAP else "")
        answers = {
            "trades": said.trades.get(symbol, []), "tickers": said.ticker(symbol, "ticker"),
            "quotes": said.ticker(symbol, "bidask"),
        }  # fmt: skip
        for kind in kinds:
            mine = session.dicts(kind, market)
            assert len(mine) == len(answers[kind])
            for ours, theirs in zip(mine, answers[kind], strict=True):
                found[kind].update(differences(ours, theirs))
                rows += 1
    assert found == {kind: KNOWN[kind] for kind in kinds}
    assert rows == {SPOT: 13, SWAP: 61}[name]


def _no_book(frame: Frame) -> bool:
    return "order_book" not in frame.topic and "candlesticks" not in frame.topic


async def test_the_candle_of_2023_is_ccxts() -> None:
    """6.6: contracts count contracts."""
    session = await played(SWAP, Watch("candles", "FRONT_USDT", "1m"))
    said = await through_ccxt("gate", recording(SWAP), URLS[SWAP])
    theirs = said.candles["candles:1m:FRONT/USDT:USDT", ""]
    assert session.dicts("candles", "FRONT_USDT", "1m") == theirs
    assert len(theirs) == 1


@pytest.mark.parametrize("number", [1, 60])
async def test_a_client_that_loses_its_connection_begins_anew(number: int) -> None:
    """7.2: REST answers with the state of then, and the book is the recorded one again."""
    market, symbol = "PHB_USDT", "PHB/USDT:USDT"
    last = [(nonce, book.bids, book.asks) for nonce, book in books(SWAP, market)][-1]
    seen: dict[str, Any] = {}
    async with (
        Replay(recording(SWAP), speed=0) as server,
        unified_ws.exchange("gate", {"gateway": server.gateway, **QUICK}) as ex,
    ):
        await ex.load_markets()
        topic = f"usdt|futures.order_book_update:{market}:100ms:100"

        async def read() -> None:
            async for book in ex.stream_order_book(symbol, params=BY_REST):
                seen[symbol] = book.nonce, list(book.bids), list(book.asks)

        task = asyncio.ensure_future(read())
        await server.until(lambda: topic in server.topics)
        await server.play()
        await until(lambda: server.sent.total() >= number)
        server.pause()
        await server.drop()
        await server.until(lambda: topic in server.topics)
        server.resume()
        await server.until(server.finished.is_set, 30)
        await until(lambda: seen.get(symbol) == last)
        task.cancel()
        assert (ex.quarantined(), server.stats.violations) == ([], [])
