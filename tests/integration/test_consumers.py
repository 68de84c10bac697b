"""Who gets which rows: nothing lost, nothing twice, whatever shape the caller's loop has."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.support import until
from unified_ws.testing import FakeVenue, MarketModel

BTC, ETH = "BTC/USDT", "ETH/USDT"


def ids(venue: FakeVenue, symbol: str = BTC, since: str = "0") -> list[str]:
    """The true ids of the trades after `since`."""
    return [str(t.id) for t in venue.market.trades(symbol) if t.id > int(since)]


async def first(ex: unified_ws.Exchange, venue: FakeVenue, symbol: str = BTC) -> list[Any]:
    """Subscribe and get the first rows."""
    call = asyncio.ensure_future(ex.watch_trades(symbol))
    await venue.until(lambda: f"{ex.market(symbol)['id'].lower()}@trade" in venue.topics)
    await step_until(venue, call)
    rows: list[Any] = await call
    return rows


async def step_until(venue: FakeVenue, call: asyncio.Future[Any]) -> None:
    """Move the market until a call has its answer."""
    for _ in range(500):
        if call.done():
            return
        await venue.step()
        for _ in range(20):
            await asyncio.sleep(0)
    raise AssertionError("the market moved 500 ticks and nothing came")


@pytest.fixture
async def ready(make: Make, paused: FakeVenue) -> unified_ws.Exchange:
    """An exchange object with loaded markets."""
    ex = make()
    await ex.load_markets()
    return ex


async def read_until(ex: unified_ws.Exchange, last: str, *, pause: float = 0.0) -> list[str]:
    """Read as a strategy does, pausing between calls, until trade `last` has come."""
    got: list[str] = []
    while not got or got[-1] != last:
        got += [t["id"] for t in await ex.watch_trades(BTC)]
        if pause:
            await asyncio.sleep(pause)
    return got


async def test_200_000_trades_as_fast_as_loopback_allows() -> None:
    """One awaiting consumer gets every single trade of a flood."""
    market = MarketModel(["BTC/USDT"], seed=3, trades_per_s=500, levels=50, history=400_000)
    async with (
        FakeVenue("binance", market=market, speed=0) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        got: list[int] = []
        while len(got) < 200_000:
            got += [int(t["id"]) for t in await ex.watch_trades("BTC/USDT")]

        assert got == list(range(got[0], got[0] + len(got)))
        assert ex.status()["streams"][0]["dropped_for_slow_consumers"] == 0


async def test_a_consumer_busy_while_3000_trades_pass(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """Being away costs nothing: all that passed meanwhile comes with the next call."""
    seen = await first(ready, paused)
    while len(ids(paused, since=seen[-1]["id"])) < 3000:
        await paused.step(50)
    await until(lambda: ready.trades[BTC][-1]["id"] == ids(paused)[-1])

    got = [t["id"] for t in await ready.watch_trades(BTC)]

    assert got == ids(paused, since=seen[-1]["id"])


async def test_two_consumers_of_different_speed_both_get_everything(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """ccxt.pro's consumers rob each other; ours each have a cursor."""
    start = (await first(ready, paused))[-1]["id"]
    quick = asyncio.ensure_future(_follow(ready, 400, idle=0))
    slow = asyncio.ensure_future(_follow(ready, 400, idle=5))
    await asyncio.sleep(0)  # both stand at the live end now
    while len(ids(paused, since=start)) < 400:
        await paused.step()

    true = ids(paused, since=start)[:400]
    assert (await quick)[:400] == true
    assert (await slow)[:400] == true


async def _follow(ex: unified_ws.Exchange, count: int, *, idle: int) -> list[str]:
    got: list[str] = []
    while len(got) < count:
        got += [t["id"] for t in await ex.watch_trades(BTC)]
        for _ in range(idle):
            await asyncio.sleep(0)
    return got


async def test_a_new_task_per_call_loses_and_repeats_nothing(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """`create_task` around every call, as notebooks and schedulers do."""
    start = (await asyncio.create_task(_wrapped(ready, paused)))[-1]["id"]
    got: list[str] = []
    while len(got) < 100:
        await paused.step(3)
        got += [t["id"] for t in await asyncio.create_task(_inner(ready, paused))]

    assert got == ids(paused, since=start)[: len(got)]


async def _wrapped(ex: unified_ws.Exchange, venue: FakeVenue) -> list[Any]:
    return await first(ex, venue)


async def _inner(ex: unified_ws.Exchange, venue: FakeVenue) -> Any:
    call = asyncio.ensure_future(ex.watch_trades(BTC))
    await step_until(venue, call)
    return await call


async def test_gather_of_one_call_each_in_a_loop(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """`gather(one(a), one(b))` makes two new tasks a turn: each takes over from the last."""
    for symbol in (BTC, ETH):
        await first(ready, paused, symbol)
    got: dict[str, list[str]] = {BTC: [], ETH: []}

    async def one(symbol: str) -> None:
        got[symbol] += [t["id"] for t in await ready.watch_trades(symbol)]

    while min(map(len, got.values())) < 60:
        both = asyncio.gather(one(BTC), one(ETH))
        await step_until(paused, both)
        await both

    for symbol, rows in got.items():
        true = ids(paused, symbol)
        at = true.index(rows[0])
        assert rows == true[at : at + len(rows)]


async def test_wait_for_a_moment_in_a_loop(ready: unified_ws.Exchange, paused: FakeVenue) -> None:
    """A timed-out call was cancelled, not served: its rows come with the next one."""
    start = (await first(ready, paused))[-1]["id"]
    got: list[str] = []
    timeouts = 0
    while len(got) < 60 or timeouts < 5:
        try:
            rows = await asyncio.wait_for(ready.watch_trades(BTC), 0.01)
        except TimeoutError:
            timeouts += 1
            await paused.step(2)
        else:
            got += [t["id"] for t in rows]

    assert got == ids(paused, since=start)[: len(got)]


async def test_cancelling_one_call_touches_no_other(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """ccxt.pro cancels its neighbours (ccxt#29926); a cancelled call of ours is alone."""
    await first(ready, paused)
    other = asyncio.ensure_future(ready.watch_trades(BTC))
    doomed = asyncio.ensure_future(ready.watch_trades(BTC))
    await asyncio.sleep(0)
    doomed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await doomed
    await step_until(paused, other)

    assert doomed.cancelled()
    assert await other


async def test_limit_skips_by_request_and_counts_no_loss(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """`limit` is the caller's wish, not a loss."""
    await first(ready, paused)
    await paused.step(40)
    await until(lambda: ready.trades[BTC][-1]["id"] == ids(paused)[-1])

    rows = await ready.watch_trades(BTC, limit=3)

    assert [t["id"] for t in rows] == ids(paused)[-3:]
    assert ready.gaps() == []
    assert ready.status(BTC)["streams"][0]["dropped_for_slow_consumers"] == 0


async def test_for_symbols_serves_each_market_in_turn(
    ready: unified_ws.Exchange, paused: FakeVenue
) -> None:
    """Rows of one market a call, and a busy market never starves the other."""
    await first(ready, paused, BTC)
    await first(ready, paused, ETH)
    call = asyncio.ensure_future(ready.watch_trades_for_symbols([BTC, ETH]))
    await step_until(paused, call)
    served = [(await call)[0]["symbol"]]
    for _ in range(6):
        await paused.step(5)
        for symbol in (BTC, ETH):
            await until(partial(_caught_up, ready, paused, symbol))
        rows = await ready.watch_trades_for_symbols([BTC, ETH])
        assert len({t["symbol"] for t in rows}) == 1
        served.append(rows[0]["symbol"])

    assert served.count(BTC) >= 3
    assert served.count(ETH) >= 3


def _caught_up(ex: unified_ws.Exchange, venue: FakeVenue, symbol: str) -> bool:
    return bool(ex.trades[symbol][-1]["id"] == ids(venue, symbol)[-1])


async def test_past_the_buffer_rows_are_dropped_for_that_consumer_only(
    make: Make, paused: FakeVenue
) -> None:
    """A bound is a bound: the slow one is told how many it lost, the quick one loses nothing."""
    ex = make(ws={"buffer": {"rows": 50}})
    await ex.load_markets()
    lost: list[Any] = []
    ex.on("lagging", lost.append)
    slow = ex.stream_trades(BTC)
    waiting = asyncio.ensure_future(anext(slow))
    await paused.until(lambda: "btcusdt@trade" in paused.topics)
    await step_until(paused, waiting)
    begin = (await waiting).number
    quick: list[int] = []
    quick_rows = ex.stream_trades(BTC)
    reader = asyncio.ensure_future(_numbers(quick_rows, quick))
    while len(ids(paused)) and int(ids(paused)[-1]) - begin < 400:
        await paused.step()
    await until(lambda: bool(quick) and quick[-1] == int(ids(paused)[-1]))
    row = await anext(slow)
    reader.cancel()

    assert quick == list(range(quick[0], quick[-1] + 1))
    assert row.missed_before == row.number - begin - 1 > 0
    assert slow.missed == row.missed_before
    assert sum(n.data for n in lost) == row.missed_before
    assert ex.status(BTC)["streams"][0]["dropped_for_slow_consumers"] == row.missed_before


async def _numbers(rows: Any, into: list[int]) -> None:
    async for row in rows:
        into.append(row.number)  # noqa: PERF401  (others look at the list meanwhile)


async def test_policies_of_the_typed_face(ready: unified_ws.Exchange, paused: FakeVenue) -> None:
    """`latest` and `drop_oldest` drop by choice, and say how much."""
    latest = ready.stream_trades(BTC, policy="latest")
    some = ready.stream_trades(BTC, policy="drop_oldest", buffer=4)
    calls = asyncio.gather(anext(latest), anext(some))
    await paused.until(lambda: "btcusdt@trade" in paused.topics)
    await step_until(paused, calls)
    await calls
    await paused.step(30)
    await until(lambda: ready.trades[BTC][-1]["id"] == ids(paused)[-1])

    newest = await anext(latest)
    kept = [await anext(some) for _ in range(4)]

    true = [int(i) for i in ids(paused)]
    assert newest.number == true[-1]
    assert newest.missed_before > 0
    assert [row.number for row in kept] == true[-4:]
    assert 0 < kept[0].missed_before <= some.missed


async def test_without_new_updates_the_whole_cache_is_returned(
    make: Make, paused: FakeVenue
) -> None:
    """Ccxt's `newUpdates: False` and `tradesLimit`."""
    ex = make(newUpdates=False, options={"tradesLimit": 10})
    await ex.load_markets()
    await first(ex, paused)
    await paused.step(40)
    await until(lambda: ex.trades[BTC][-1]["id"] == ids(paused)[-1])

    rows = await ex.watch_trades(BTC)

    assert [t["id"] for t in rows] == ids(paused)[-10:]
    assert [t["id"] for t in ex.trades[BTC]] == ids(paused)[-10:]


async def test_150_symbols_share_a_connection_and_two_requests() -> None:
    """ccxt.pro opens 50 sockets and sends 150 SUBSCRIBE frames for this (peers.md, F)."""
    symbols = [f"C{n:03d}/USDT" for n in range(150)]
    async with (
        FakeVenue("binance", seed=1, symbols=symbols, speed=20) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        rows = await asyncio.gather(*(ex.watch_trades(symbol) for symbol in symbols))

        assert all(rows)
        assert venue.stats.connections == 1
        assert len([r for r in venue.stats.requests if r[1] == "SUBSCRIBE"]) <= 2
        assert venue.stats.violations == []
