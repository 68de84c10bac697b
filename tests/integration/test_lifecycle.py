"""Birth and death of an exchange object: nothing is left behind, and mistakes get a sentence."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import ccxt
import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.integration.test_consumers import BTC, first, ids
from tests.support import until
from unified_ws.testing import FakeVenue


async def test_close_leaves_nothing_and_wakes_those_who_wait(paused: FakeVenue) -> None:
    """No task, no socket, no warning; every pending call gets `ExchangeClosedByUser`."""
    before = asyncio.all_tasks()
    ex = unified_ws.exchange("binance", {"gateway": paused.gateway})
    await ex.load_markets()
    await first(ex, paused)
    rows = ex.stream_trades(BTC)
    pending: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(call)
        for call in (
            ex.watch_trades(BTC), ex.watch_order_book(BTC), ex.watch_tickers(),
            ex.watch_ohlcv(BTC), ex.watch_trades_for_symbols([BTC, "ETH/USDT"]), anext(rows),
        )
    ]  # fmt: skip
    await paused.until(lambda: len(paused.topics) == 5)
    began = time.monotonic()
    await ex.close()
    took = time.monotonic() - began
    results = await asyncio.gather(*pending, return_exceptions=True)
    await paused.until(lambda: paused.stats.open_connections == 0)
    await until(lambda: not _ours(asyncio.all_tasks() - before))

    assert [type(r) for r in results] == [ccxt.ExchangeClosedByUser] * 6
    assert took < 5
    await ex.close()  # idempotent


def _ours(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return {task for task in tasks if task.get_name().startswith("unified_ws")}


async def test_close_while_everything_is_still_starting(make: Make, paused: FakeVenue) -> None:
    """Closing in the middle of loading markets or dialing ends the calls too."""
    for ticks in (0, 1, 3, 10, 50):
        ex = make()
        call = asyncio.ensure_future(ex.watch_trades(BTC))
        for _ in range(ticks):
            await asyncio.sleep(0)
        await asyncio.wait_for(ex.close(), 5)
        with pytest.raises((ccxt.ExchangeClosedByUser, asyncio.CancelledError)):
            await asyncio.wait_for(call, 5)


async def test_it_can_be_used_again_after_close(make: Make, paused: FakeVenue) -> None:
    """As with ccxt.pro, a later call starts anew."""
    ex = make()
    await ex.load_markets()
    await first(ex, paused)
    await ex.close()

    assert await first(ex, paused)
    assert paused.stats.open_connections == 1


async def test_a_peer_that_hangs_cannot_hold_close_up(make: Make, paused: FakeVenue) -> None:
    """A server that never answers a close frame costs at most the bound."""
    ex = make()
    await ex.load_markets()
    await first(ex, paused)
    began = time.monotonic()
    await ex.close()

    assert time.monotonic() - began < 5


def test_construction_needs_no_running_loop() -> None:
    """Module-level objects are common in scripts."""
    ex = unified_ws.exchange("binance", {"apiKey": "k", "secret": "s", "gateway": False})

    assert ex.id == "binance"
    assert ex.has["watchTrades"] is True


def run_script(text: str, *, gateway: str = "", send: signal.Signals | None = None) -> Any:
    """Run a script in a fresh interpreter; send it a signal once it printed `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(text), gateway],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if send is not None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready"):
                process.send_signal(send)
                break
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


WATCHER = """
    import asyncio, sys, unified_ws
    from unified_ws.testing import FakeVenue

    async def main():
        async with FakeVenue("binance", seed=1) as venue:
            ex = unified_ws.exchange("binance", {"gateway": venue.gateway})
            await ex.watch_trades("BTC/USDT")
            print("ready", flush=True)
            while True:
                await ex.watch_trades("BTC/USDT")

    unified_ws.run(main())
    print("after")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_run_ends_cleanly_on_a_signal(name: str) -> None:
    """Ctrl-C and SIGTERM close everything and end with status 0, without a word on stderr."""
    code, out, err = run_script(WATCHER, send=getattr(signal, name))

    assert code == 0
    assert "after" in out
    assert _complaints(err) == []


def _complaints(err: str) -> list[str]:
    """Lines of stderr that somebody would have to read; asyncio's debug timings are none."""
    return [
        line for line in err.splitlines()
        if line.strip() and "took" not in line and "gateway" not in line
    ]  # fmt: skip


def test_a_forgotten_close_gives_one_sentence() -> None:
    """No wall of "Unclosed session": one warning that says what to do."""
    code, _, err = run_script(
        """
        import asyncio, unified_ws
        from unified_ws.testing import FakeVenue

        async def main():
            async with FakeVenue("binance", seed=1) as venue:
                ex = unified_ws.exchange("binance", {"gateway": venue.gateway})
                await ex.watch_trades("BTC/USDT")

        asyncio.run(main())
        """
    )

    assert code == 0
    assert err.count("`await ex.close()` was never called") == 1
    assert "Traceback" not in err
    assert "Unclosed" not in err


def test_a_second_asyncio_run_gives_one_sentence() -> None:
    """An object lives in one loop; the sentence says what to do instead."""
    code, _, err = run_script(
        """
        import asyncio, unified_ws
        from unified_ws.testing import FakeVenue

        holder = {}

        async def main():
            async with FakeVenue("binance", seed=1) as venue:
                ex = holder.setdefault(
                    "ex", unified_ws.exchange("binance", {"gateway": venue.gateway})
                )
                await ex.watch_trades("BTC/USDT")

        asyncio.run(main())
        asyncio.run(main())
        """
    )

    assert code == 1
    last = [line for line in err.splitlines() if line.startswith("unified_ws.errors.WrongLoop")]
    sentence = (
        "unified_ws.errors.WrongLoop: binance: the event loop of this object has ended without "
        "`await ex.close()`; construct a new object in the new loop"
    )
    assert last == [sentence]


async def test_use_from_another_loop_gives_one_sentence(make: Make, paused: FakeVenue) -> None:
    """While the first loop still runs, the sentence names the alternative."""
    ex = make()
    await ex.load_markets()
    await first(ex, paused)

    def elsewhere() -> str:
        async def call() -> None:
            await ex.watch_trades(BTC)

        with pytest.raises(unified_ws.WrongLoop) as raised:
            asyncio.run(call())
        return str(raised.value)

    said = await asyncio.to_thread(elsewhere)

    assert said == (
        "binance: this object lives in another event loop; use it there, or construct one "
        "object a loop"
    )


async def test_a_blocked_loop_is_not_taken_for_a_dead_peer(make: Make, paused: FakeVenue) -> None:
    """The user's own code blocks the loop: it is measured and said, the socket stays."""
    ex = make(ws={"heartbeat": {"silence_s": 0.4, "idle_ping_s": 0}})
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    told: list[unified_ws.Notice] = []
    ex.on("loop_lag", told.append)
    await paused.step(3)
    time.sleep(1.2)  # noqa: ASYNC251  (blocking is the subject)
    await paused.step(3)
    got: list[str] = []
    while len(got) < len(ids(paused, since=start)):
        got += [t["id"] for t in await ex.watch_trades(BTC)]
    await until(lambda: bool(told))

    assert got == ids(paused, since=start)
    assert paused.stats.connections == 1
    assert "blocked" in told[0].reason
    assert ex.status()["loop_lag_max_ms"] > 500


async def test_a_silent_peer_is_replaced(make: Make, paused: FakeVenue) -> None:
    """Nothing at all for `silence_s`: the connection is dropped hard and dialed again."""
    ex = make(
        ws={"heartbeat": {"silence_s": 0.3, "idle_ping_s": 0}, "backoff": {"base_s": 0.01}}
    )
    await ex.load_markets()
    await first(ex, paused)
    lost: list[unified_ws.Notice] = []
    ex.on("disconnected", lost.append)
    await until(lambda: paused.stats.connections >= 2)

    assert "nothing received" in lost[0].reason


async def test_an_object_that_nobody_holds_is_closed(paused: FakeVenue) -> None:
    """Re-running a notebook's construction cell does not leave the old sockets open."""
    ex = unified_ws.exchange("binance", {"gateway": paused.gateway})
    await ex.load_markets()
    await first(ex, paused)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        del ex
        gc.collect()
        await paused.until(lambda: paused.stats.open_connections == 0)
