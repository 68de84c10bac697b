"""A recorded session of Advanced Trade: nothing lost, repeated, invented or refused.

The session of 2026-08-09 holds all public channels of two products on one connection, with whole
books of some megabytes. What is compared with is read from the frames without any code of the
library, and by ccxt.pro's own handlers.
"""

from __future__ import annotations

import asyncio
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
from unified_ws.venues.coinbase import Coinbase

SESSION = "coinbase/advanced_cf_20260809_head"
URL = "wss://advanced-trade-ws.coinbase.com"
SYMBOLS = {"BTC-USD": "BTC/USD", "ETH-USD": "ETH/USD"}
QUICK = {"enableRateLimit": False}  # ccxt takes a second for its five requests of the markets
TAKER = {"BUY": "sell", "SELL": "buy"}
# Fields in which ccxt differs, with the reason in the docstring of the adapter.
KNOWN = {"trades": {"side", "datetime"}, "tickers": {"datetime", "average"}}


def events(channel: str) -> Iterator[dict[str, Any]]:
    """Yield the events of one channel, as they were recorded."""
    for _, frame in raw_frames(recording(SESSION)):
        if frame["channel"] == channel:
            yield from frame["events"]


def rows(field: str, channel: str, product: str) -> list[dict[str, Any]]:
    """Return the rows of one product, newest first inside an event as the venue has them."""
    return [
        row for event in events(channel) for row in event[field] if row["product_id"] == product
    ]


def changes(product: str) -> Iterator[tuple[PlainBook, dict[str, Any]]]:
    """Yield a book after each of its events."""
    book = PlainBook()
    for event in events("l2_data"):
        if event["product_id"] != product:
            continue
        if event["type"] == "snapshot":
            book = PlainBook()
        sides: dict[str, list[tuple[str, str]]] = {"bid": [], "offer": []}
        for change in event["updates"]:
            sides[change["side"]].append((change["price_level"], change["new_quantity"]))
        book.apply(sides["bid"], sides["offer"])
        yield book, event


async def played(*watches: Watch, judge: Any = None) -> Session:
    """Play the session and see that nothing went wrong."""
    session = await play("coinbase", recording(SESSION), watches, judge=judge, config=QUICK)
    assert session.faults() == []
    return session


async def test_every_row_of_every_channel_comes_once_and_in_order() -> None:
    """259 trades, 105 tickers and 202 candles of both products."""
    kinds = (("trades", ""), ("tickers", ""), ("candles", "5m"))
    session = await played(*(Watch(kind, p, tf) for p in SYMBOLS for kind, tf in kinds))
    counts: Counter[str] = Counter()
    for product, symbol in SYMBOLS.items():
        trades = session.rows("trades", product)
        assert [(t.symbol, t.info) for t in trades] == [
            (symbol, row)
            for event in events("market_trades")
            for row in reversed(event["trades"])
            if row["product_id"] == product
        ]
        assert [t.number for t in trades] == sorted(t.number for t in trades)
        for t in trades:
            told = t.info
            assert (t.id, t.side) == (told["trade_id"], TAKER[told["side"]])
            assert (t.price, t.amount) == (float(told["price"]), float(told["size"]))
        tickers = session.rows("tickers", product)
        assert [t.info for t in tickers] == rows("tickers", "ticker", product)
        candles = session.rows("candles", product, "5m")
        own = [c for c in candles if not c.closed]
        assert [c.info for c in own] == rows("candles", "candles", product)
        for candle in own:
            assert list(unified_ws_row(candle)) == [
                int(candle.info["start"]) * 1000,
                *(float(candle.info[x]) for x in ("open", "high", "low", "close", "volume")),
            ]
        # 5.4: the venue marks none as closed; each is once a later one has begun
        assert [c.open_ms for c in candles if c.closed] == sorted({c.open_ms for c in own})[:-1]
        counts.update(trades=len(trades), tickers=len(tickers), candles=len(own))
    assert counts == {"trades": 259, "tickers": 105, "candles": 202}


def unified_ws_row(candle: Any) -> tuple[float, ...]:
    """Return the numbers of a candle in ccxt's order."""
    return (
        candle.open_ms, candle.open, candle.high, candle.low, candle.close, candle.volume,
    )  # fmt: skip


async def test_every_book_equals_an_independent_one() -> None:
    """504 whole books of some 46 000 and 23 000 levels, each compared to the last row."""
    truth = {product: changes(product) for product in SYMBOLS}
    counts: Counter[str] = Counter()

    def judge(product: str, row: Any) -> None:
        book, _ = next(truth[product])
        assert row.bids == book.bids
        assert row.asks == book.asks
        counts[product] += 1

    await played(*(Watch("books", product) for product in SYMBOLS), judge=judge)
    assert all(next(left, None) is None for left in truth.values())
    assert counts.total() == 504


async def test_the_best_prices_are_those_of_the_books() -> None:
    """5.5: every change of them and no other; the ticker channel tells fewer."""
    session = await played(*(Watch("quotes", product) for product in SYMBOLS))
    counts: Counter[str] = Counter()
    for product in SYMBOLS:
        best: list[tuple[float, ...]] = []
        for book, _ in changes(product):
            now = (*book.bids[0], *book.asks[0])
            if not best or best[-1] != now:
                best.append(now)
        mine = session.rows("quotes", product)
        assert [(q.bid, q.bid_volume, q.ask, q.ask_volume) for q in mine] == best
        counts["level2"] += len(best)
        told = [
            tuple(row[f"best_{x}"] for x in ("bid", "bid_quantity", "ask", "ask_quantity"))
            for row in rows("tickers", "ticker", product)
        ]
        counts["ticker"] += sum(a != b for a, b in zip([(), *told], told, strict=False))
    assert counts == {"level2": 120, "ticker": 75}


async def test_ccxt_makes_the_same_of_these_frames() -> None:
    """Its own handlers, field by field; the known differences are all there are."""
    folder = recording(SESSION)
    session = await played(
        *(Watch(kind, product) for product in SYMBOLS for kind in ("trades", "tickers"))
    )
    said = await through_ccxt("coinbase", folder, URL, wanted=_no_book)
    assert said.raised == []
    found: dict[str, set[str]] = {"trades": set(), "tickers": set()}
    for product, symbol in SYMBOLS.items():
        theirs = {"trades": said.trades[symbol], "tickers": said.ticker(symbol, "ticker")}
        for kind, answers in theirs.items():
            mine = session.dicts(kind, product)
            assert len(mine) == len(answers)
            for ours, other in zip(mine, answers, strict=True):
                found[kind].update(differences(ours, other))
    assert found == KNOWN


def _no_book(frame: Frame) -> bool:
    return not frame.topic.startswith("level2")


def test_the_number_of_a_frame_runs_over_the_whole_connection() -> None:
    """6.3: from 0, by one, whatever the channel and the product."""
    channels: dict[str, int] = {}
    for number, (_, frame) in enumerate(raw_frames(recording(SESSION))):
        assert frame["sequence_num"] == number
        channels[frame["channel"]] = channels.get(frame["channel"], 0) + 1
    assert channels == {
        "market_trades": 44, "subscriptions": 5, "candles": 4, "ticker": 105, "l2_data": 504,
        "heartbeats": 16,
    }  # fmt: skip


def test_the_side_of_a_trade_is_the_makers() -> None:
    """5.1: what was sold lay in the asks, what was bought in the bids; never the reverse."""
    seen: dict[str, dict[str, set[float]]] = {p: {"BUY": set(), "SELL": set()} for p in SYMBOLS}
    for product, best in seen.items():
        for book, _ in changes(product):
            best["BUY"].add(book.bids[0][0])
            best["SELL"].add(book.asks[0][0])
    found: Counter[str] = Counter()
    for event in events("market_trades"):
        for row in event["trades"] if event["type"] == "update" else ():
            price, best = float(row["price"]), seen[row["product_id"]]
            mine = price in best[row["side"]]
            other = price in best["SELL" if row["side"] == "BUY" else "BUY"]
            found["maker" if mine and not other else "taker" if other and not mine else "?"] += 1
    assert found["taker"] == 0
    assert found["maker"] > 40


def test_the_recorded_products_say_whose_book_they_share() -> None:
    """5.7: 400 names in USDC of books in USD, and five books of their own."""
    ((_, body),) = rest_bodies(recording(SESSION))
    names = {
        product["product_id"]: Coinbase().wire_id({"id": product["product_id"], "info": product})
        for product in body["products"]
    }
    assert len(names) == 920
    assert sum(name != of for name, of in names.items()) == 400
    assert all(of == name[:-1] for name, of in names.items() if name != of)
    assert [name for name, of in names.items() if name.endswith("-USDC") and name == of] == [
        "USDT-USDC", "EURC-USDC", "XSGD-USDC", "TGBP-USDC", "AUDD-USDC",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [1, 200])
async def test_a_client_that_loses_its_connection_begins_anew(number: int) -> None:
    """6.2: the replay greets with the state of then, and the books are the recorded ones again."""
    books = dict.fromkeys(SYMBOLS)
    async with (
        Replay(recording(SESSION), speed=0) as server,
        unified_ws.exchange("coinbase", {"gateway": server.gateway, **QUICK}) as ex,
    ):
        await ex.load_markets()
        topics = {f"level2:{product}" for product in SYMBOLS}

        async def read(product: str) -> None:
            async for book in ex.stream_order_book(SYMBOLS[product]):
                books[product] = (list(book.bids), list(book.asks))

        tasks = [asyncio.ensure_future(read(product)) for product in SYMBOLS]
        await server.until(lambda: topics <= server.topics.keys())
        await server.play()
        await until(lambda: server.sent.total() >= number)
        server.pause()
        await server.drop()
        await server.until(lambda: topics <= server.topics.keys())
        server.resume()
        await server.until(server.finished.is_set, 30)
        last = {product: list(changes(product))[-1][0] for product in SYMBOLS}
        expected = {product: (book.bids, book.asks) for product, book in last.items()}
        await until(lambda: books == expected)
        for task in tasks:
            task.cancel()
        assert (ex.quarantined(), server.stats.violations) == ([], [])
