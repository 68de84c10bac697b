"""What becomes of exchange objects that nobody closes, and of collections that are cut short."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
from typing import Any

import pytest

import unified_ws
from unified_ws.dropped import pending
from unified_ws.testing import FakeVenue

BTC = "BTC/USDT"


def ours() -> list[str]:
    """Return the names of our tasks in this loop."""
    return [name for t in asyncio.all_tasks() if (name := t.get_name()).startswith("unified_ws")]


@pytest.mark.parametrize("handled", [False, True], ids=["plain", "with a handler that knows it"])
async def test_dropping_an_object_closes_its_sockets(*, handled: bool) -> None:
    """A notebook cell that is run again leaves nothing open, and no warning."""
    async with FakeVenue("binance") as venue:
        for _ in range(3):
            # As at a prompt: elsewhere cycles wait for the last open object to be closed.
            config = {"gateway": venue.gateway, "ws": {"freeze": False}}
            ex = unified_ws.exchange("binance", config)
            if handled:

                def known(_notice: Any, ex: unified_ws.Exchange = ex) -> str:
                    return ex.id

                ex.on("*", known)
                del known
            await ex.watch_trades(BTC)
            if handled:
                ex = None  # type: ignore[assignment]  # a cycle: found by the collector
                gc.collect()
            await venue.until(lambda: venue.stats.open_connections == (not handled))
        assert venue.stats.connections == 3
        with contextlib.suppress(UnboundLocalError):
            del ex
        await venue.until(lambda: venue.stats.open_connections == 0)
        await asyncio.gather(*pending(asyncio.get_running_loop()))
        assert ours() == []


async def test_what_is_in_use_is_not_dropped() -> None:
    """A pending call, a stream and a task hold their object, whatever its name means by now."""
    async with FakeVenue("binance") as venue:
        ex = unified_ws.exchange("binance", {"gateway": venue.gateway})
        rows = ex.stream_trades(BTC)
        pending = asyncio.ensure_future(ex.watch_order_book(BTC, 5))
        del ex
        gc.collect()
        assert len((await pending)["bids"]) == 5
        assert (await anext(rows)).symbol == BTC
        await rows._exchange.close()


@pytest.mark.parametrize("kept", [False, True], ids=["dropped", "kept"])
def test_a_forgotten_close_is_one_sentence(*, kept: bool) -> None:
    """The end of the loop closes everything, and says once what was forgotten."""
    holder = []

    async def main() -> None:
        async with FakeVenue("binance") as venue:
            ex = unified_ws.exchange("binance", {"gateway": venue.gateway})
            holder.append(ex if kept else None)
            await ex.watch_trades(BTC)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(main())
        sentences = [str(warning.message) for warning in said]
    gc.collect()

    assert sentences == [
        "binance: `await ex.close()` was never called; its sockets were closed with the event loop"
    ]


def test_run_closes_what_was_dropped() -> None:
    """`unified_ws.run` is the program's end: nothing is left to warn of."""

    async def main() -> None:
        async with FakeVenue("binance") as venue:
            ex = unified_ws.exchange("binance", {"gateway": venue.gateway})
            await ex.watch_trades(BTC)

    unified_ws.run(main())
    gc.collect()


async def test_a_cancelled_collection_ends_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Swallowing a cancellation would keep a program alive that was told to stop."""
    monkeypatch.delattr(sys, "ps1", raising=False)
    async with (
        FakeVenue("binance") as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        collecting = asyncio.ensure_future(unified_ws.collect(ex.stream_trades(BTC)))
        await ex.watch_trades(BTC)
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting


async def test_an_interrupted_collection_keeps_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a prompt, Ctrl-C cancels the statement: what has come is not lost."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    async with (
        FakeVenue("binance") as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        collecting = asyncio.ensure_future(unified_ws.collect(ex.stream_trades(BTC)))
        seen = 0
        while seen < 5:
            seen += len(await ex.watch_trades(BTC))
        collecting.cancel()
        rows = await collecting

    assert rows


async def test_a_collection_ends_by_count_or_by_time() -> None:
    """Either bound is enough."""
    async with (
        FakeVenue("binance") as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        assert len(await unified_ws.collect(ex.stream_trades(BTC), count=3)) == 3
        assert await unified_ws.collect(ex.stream_trades(BTC), seconds=0.01) is not None
