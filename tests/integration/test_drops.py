"""Drops, gaps and rotation: the awaiting call survives, and nothing is lost or repeated."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.integration.test_consumers import BTC, first, ids
from tests.support import until
from unified_ws.testing import FakeVenue, MarketModel

QUICK = {"backoff": {"base_s": 0.01, "cap_s": 0.05}}


async def follow(ex: unified_ws.Exchange, into: list[str], **params: Any) -> None:
    """Read trades for ever, as a strategy does; any error ends it and shows."""
    while True:
        into += [t["id"] for t in await ex.watch_trades(BTC, params=params)]


async def test_trades_missed_in_a_drop_come_by_rest_exactly_once(
    make: Make, paused: FakeVenue
) -> None:
    """The server closes while trades pass: the call that waits survives and misses none."""
    ex = make(ws=QUICK)
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    got: list[str] = []
    reader = asyncio.ensure_future(follow(ex, got))
    for code in (1006, 1001, 1000):
        await paused.step(5)
        await paused.drop(code)
        await paused.step(40)  # nobody is listening to these
        await until(lambda: paused.topics.get("btcusdt@trade", 0) == 1)
        await paused.step(5)
        await until(lambda: bool(got) and got[-1] == ids(paused)[-1])
    reader.cancel()

    assert got == ids(paused, since=start)
    gaps = ex.gaps(BTC)
    assert gaps
    assert all(gap.closed and gap.filled == gap.missing for gap in gaps)
    assert not reader.done() or reader.cancelled()


async def test_recovered_rows_are_marked_in_the_typed_face(make: Make, paused: FakeVenue) -> None:
    """A strategy can tell what it saw live from what was fetched afterwards."""
    ex = make(ws=QUICK)
    await ex.load_markets()
    await first(ex, paused)
    rows: list[unified_ws.Trade] = []

    async def read() -> None:
        async for row in ex.stream_trades(BTC):
            rows.append(row)  # noqa: PERF401  (the test looks at the list meanwhile)

    reader = asyncio.ensure_future(read())
    await paused.step(5)
    await paused.drop()
    live = int(ids(paused)[-1])
    await paused.step(30)
    missed = int(ids(paused)[-1])
    await until(lambda: bool(rows) and rows[-1].number >= missed)
    reader.cancel()

    recovered = [row.number for row in rows if row.recovered]
    assert recovered
    assert recovered[-1] == missed
    assert recovered[0] <= live + 1
    assert [row.number for row in rows] == list(range(rows[0].number, missed + 1))


@pytest.mark.parametrize("name", ["trade", "aggTrade"])
async def test_what_rest_cannot_bring_back_is_a_gap_with_its_bounds(
    make: Make, paused: FakeVenue, name: str
) -> None:
    """Refused history: the stream goes on, and the hole is announced and kept."""
    ex = make(ws=QUICK)
    await ex.load_markets()
    told: list[unified_ws.Notice] = []
    ex.on("gap", told.append)
    got: list[str] = []
    reader = asyncio.ensure_future(follow(ex, got, name=name))
    await paused.until(lambda: f"btcusdt@{name}" in paused.topics)
    await paused.step(10)
    await until(lambda: len(got) > 3)
    paused.fail_rest(r"/api/v3/(trades|aggTrades)", 500, times=50)
    await paused.drop()
    await paused.step(30)
    await paused.until(lambda: f"btcusdt@{name}" in paused.topics)
    before = len(got)
    await paused.step(10)
    await until(lambda: len(got) > before, 15)
    reader.cancel()

    (gap,) = ex.gaps(BTC)
    assert not gap.closed
    assert gap.after_id == got[before - 1]
    assert gap.before_id == got[before]
    assert gap.missing == int(got[before]) - int(got[before - 1]) - 1
    assert [n.data for n in told] == [gap]


async def test_more_than_a_page_is_missing(make: Make, paused: FakeVenue) -> None:
    """Raw trades reach back a thousand rows by REST: the rest is a gap, aggregates have none."""
    ex = make(ws=QUICK)
    await ex.load_markets()
    got: list[str] = []
    aggregated: list[str] = []
    readers = [
        asyncio.ensure_future(follow(ex, got)),
        asyncio.ensure_future(follow(ex, aggregated, name="aggTrade")),
    ]
    await paused.until(lambda: len(paused.topics) == 2)
    await paused.step(10)
    await until(lambda: len(got) > 3 and len(aggregated) > 3)
    await paused.drop()
    while int(ids(paused)[-1]) - int(got[-1]) < 3000:
        await paused.step(50)
    await paused.until(lambda: len(paused.topics) == 2)
    await paused.step(10)
    await until(lambda: got[-1] == ids(paused)[-1], 15)
    last = [str(t.id) for t in paused.market.agg_trades(BTC)][-1]
    await until(lambda: aggregated[-1] == last, 15)
    for reader in readers:
        reader.cancel()

    holes = [(a, b) for a, b in pairwise(got) if int(b) != int(a) + 1]
    open_gaps = [gap for gap in ex.gaps(BTC) if not gap.closed]
    assert [(gap.after_id, gap.before_id) for gap in open_gaps] == holes
    assert len(holes) == 1
    assert aggregated == [str(n) for n in range(int(aggregated[0]), int(last) + 1)]


async def test_a_missed_update_resyncs_that_book_alone(make: Make, paused: FakeVenue) -> None:
    """The gap in one book is not the business of the others, nor of the caller."""
    ex = make()
    books = await _open_books(ex, paused, [BTC, "ETH/USDT"])
    asked = len([r for r in paused.stats.rest if r[1].endswith("/depth")])
    paused.drop_next_delta(BTC)
    await paused.step(4)
    await until(lambda: ex.status(BTC)["streams"][0]["resyncs"] == 1)
    await paused.step(2)
    await until(lambda: ex.orderbooks[BTC].valid)
    await _equal_to_truth(ex, paused, [BTC, "ETH/USDT"])

    assert books
    assert ex.status("ETH/USDT")["streams"][0]["resyncs"] == 0
    again = [r for r in paused.stats.rest if r[1].endswith("/depth")][asked:]
    assert {r[2]["symbol"] for r in again} == {"BTCUSDT"}
    assert paused.stats.connections == 1


async def _open_books(
    ex: unified_ws.Exchange, venue: FakeVenue, symbols: list[str], limit: int | None = None
) -> list[Any]:
    await ex.load_markets()
    calls = asyncio.gather(*(ex.watch_order_book(s, limit) for s in symbols))
    while not calls.done():
        await venue.step()
        await asyncio.sleep(0)
    return await calls


def _in_step(ex: unified_ws.Exchange, venue: FakeVenue, symbol: str) -> bool:
    return bool(ex.orderbooks[symbol]["nonce"] == venue.market.book(symbol).last_id)


async def _equal_to_truth(
    ex: unified_ws.Exchange, venue: FakeVenue, symbols: list[str]
) -> None:
    for symbol in symbols:
        await until(partial(_in_step, ex, venue, symbol))
        true = venue.market.book(symbol, 20)
        mine = ex.orderbooks[symbol]
        assert mine["bids"][:20] == [[float(p), float(a)] for p, a in true.bids]
        assert mine["asks"][:20] == [[float(p), float(a)] for p, a in true.asks]


async def test_100_books_dropped_at_once_cause_no_storm() -> None:
    """ccxt.pro: 100 exceptions, 100 SUBSCRIBE frames, 100 snapshots at once (peers.md 0, H)."""
    symbols = [f"C{n:03d}/USDT" for n in range(100)]
    market = MarketModel(symbols, seed=5, levels=150, changes_per_s=50, warmup_ticks=20)
    async with (
        FakeVenue("binance", market=market, paused=True) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway, "ws": QUICK}) as ex,
    ):
        await _open_books(ex, venue, symbols, limit=50)
        readers = [asyncio.ensure_future(_watch_books(ex, s)) for s in symbols]
        sent, weight = len(venue.stats.requests), venue.stats.weight
        await venue.drop()
        await until(lambda: not ex.orderbooks[symbols[0]].valid)
        # An invalid book is never handed out, not even through the live view.
        assert ex.orderbooks[symbols[0]]["bids"] == []
        await venue.until(lambda: len(venue.topics) == 100)
        while not all(ex.orderbooks[s].valid for s in symbols):
            await venue.step()
            await asyncio.sleep(0)
        await venue.step(2)
        await _equal_to_truth(ex, venue, symbols)

        assert [r.done() for r in readers] == [False] * 100
        assert len(venue.stats.requests) - sent <= 2
        assert venue.stats.weight - weight <= 100 * 5 * 2
        assert venue.stats.violations == []
        for reader in readers:
            reader.cancel()


async def _watch_books(ex: unified_ws.Exchange, symbol: str) -> None:
    while True:
        book = await ex.watch_order_book(symbol, 50)
        assert book["bids"][0][0] < book["asks"][0][0]


@pytest.mark.parametrize("how", ["notice", "request"])
async def test_rotation_under_load_loses_and_repeats_nothing(
    make: Make, paused: FakeVenue, how: str
) -> None:
    """The new connection is heard on every topic before the old one goes."""
    ex = make()
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    got: list[str] = []
    candles: list[Any] = []
    nonces: list[int] = []
    readers: list[asyncio.Future[None]] = [
        asyncio.ensure_future(coroutine)
        for coroutine in (follow(ex, got), _candles(ex, candles), _nonces(ex, nonces))
    ]
    rotated: list[Any] = []
    ex.on("rotated", rotated.append)
    await paused.until(lambda: len(paused.topics) == 3)
    while not (nonces and candles):
        await paused.step()
        await asyncio.sleep(0)
    if how == "notice":
        notice = asyncio.ensure_future(paused.notice_shutdown(after_s=20))
        readers.append(notice)
    else:
        engine = ex._client.engine
        engine.rotate(next(iter(engine.links.values())), asyncio.get_running_loop().time(), "test")
        ex._client.perform()
    for _ in range(400):
        await paused.step()
        await asyncio.sleep(0)
        if rotated:
            break
    await paused.step(5)
    await until(lambda: got[-1] == ids(paused)[-1])
    await paused.until(lambda: paused.stats.open_connections == 1)
    for reader in readers:
        reader.cancel()

    assert rotated
    assert got == ids(paused, since=start)
    assert nonces == sorted(set(nonces))
    assert len(candles) == len({tuple(c) for c in candles})
    assert ex.gaps() == []
    assert paused.stats.connections == 2
    assert ex.status(BTC)["streams"][0]["duplicates"] > 0
    assert [n for n in range(len(nonces)) if n and nonces[n] < nonces[n - 1]] == []


async def _candles(ex: unified_ws.Exchange, into: list[Any]) -> None:
    async for c in ex.stream_ohlcv(BTC, "1m"):
        row = (c.open_ms, c.open, c.high, c.low, c.close, c.volume, c.closed)
        into.append(row)


async def _nonces(ex: unified_ws.Exchange, into: list[int]) -> None:
    async for book in ex.stream_order_book(BTC, 5):
        assert book.nonce is not None
        into.append(book.nonce)


async def test_an_outage_raises_after_its_time_and_the_next_call_continues(
    make: Make, paused: FakeVenue
) -> None:
    """`raise_after_s`: told with reason, age and next try; healing goes on meanwhile."""
    ex = make(ws={**QUICK, "raise_after_s": 0.3})
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    call = asyncio.ensure_future(ex.watch_trades(BTC))
    await asyncio.sleep(0)
    paused.refuse_sockets(503, times=10_000)
    await paused.drop()
    with pytest.raises(unified_ws.NetworkError) as raised:
        await asyncio.wait_for(call, 5)
    paused.refuse_sockets(503, times=0)
    await paused.step(10)
    rows = await asyncio.wait_for(ex.watch_trades(BTC), 5)

    assert isinstance(raised.value, unified_ws.StreamDown)
    assert "answered HTTP 503" in raised.value.reason
    assert raised.value.age_s >= 0.3
    assert [t["id"] for t in rows] == ids(paused, since=start)[: len(rows)]


async def test_raise_on_disconnect_gives_ccxts_behaviour_back(
    make: Make, paused: FakeVenue
) -> None:
    """For those who want every disconnect as an exception."""
    ex = make(ws={**QUICK, "raise_on_disconnect": True})
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    call = asyncio.ensure_future(ex.watch_trades(BTC))
    await asyncio.sleep(0)
    await paused.drop()
    with pytest.raises(unified_ws.Disconnected):
        await asyncio.wait_for(call, 5)
    await paused.step(10)
    rows = await asyncio.wait_for(ex.watch_trades(BTC), 5)

    assert [t["id"] for t in rows] == ids(paused, since=start)[: len(rows)]
