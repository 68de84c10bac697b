"""Nothing stops the reader: every good frame is delivered, every bad one is set aside."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import unified_ws
from tests.integration.conftest import Make
from tests.integration.test_consumers import BTC, first, ids
from tests.support import until
from unified_ws.testing import FakeVenue

GOOD = {"e": "trade", "E": 1, "s": "BTCUSDT", "p": "1.5", "q": "2.0", "T": 1, "m": True, "M": True}


def trade(**changes: Any) -> str:
    """A combined frame of a trade, with some fields changed."""
    return json.dumps({"stream": "btcusdt@trade", "data": {**GOOD, "t": 1, **changes}})


BAD: dict[str, bytes | str] = {
    "truncated JSON": trade()[:-9],
    "empty": "",
    "not JSON": "hello",
    "an array": "[1, 2, 3]",
    "null": "null",
    "no fields": "{}",
    "stream of another kind": '{"stream": "btcusdt@noSuchChannel", "data": {}}',
    "stream without a channel": '{"stream": "btcusdt", "data": {}}',
    "data of the wrong type": '{"stream": "btcusdt@trade", "data": [1]}',
    "a field is missing": json.dumps({"stream": "btcusdt@trade", "data": GOOD}),
    "a kline without its start": '{"stream": "btcusdt@kline_1m", "data": {"k": {"s": "X"}}}',
    "NaN price": trade(p="NaN"),
    "infinite amount": trade(q="Infinity"),
    "negative price": trade(p="-1"),
    "invalid UTF-8": b'{"stream": "btcusdt@trade", "data": {"s": "\xff\xfe"}}',
    "deep nesting": "[" * 50_000,
    "20 MB": b"x" * 20_000_000,
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
async def test_every_good_frame_is_delivered(
    make: Make, paused: FakeVenue, *, binary: bool
) -> None:
    """One odd frame kills a socket of ccxt.pro without a word (peers.md 0, I)."""
    ex = make()
    await ex.load_markets()
    start = (await first(ex, paused))[-1]["id"]
    got: list[str] = []
    for frame in BAD.values():
        await paused.inject(frame, binary=binary)
        await paused.step(3)
    while len(got) < len(ids(paused, since=start)):
        got += [t["id"] for t in await ex.watch_trades(BTC)]

    assert got == ids(paused, since=start)
    assert ex.status()["quarantined"] == len(BAD)
    assert paused.stats.connections == 1


async def test_the_quarantine_is_bounded_and_tells_the_truth(
    make: Make, paused: FakeVenue
) -> None:
    """100 frames are kept, 4 KiB of each, with their true length and the reason."""
    ex = make()
    await ex.load_markets()
    await first(ex, paused)
    told: list[unified_ws.Notice] = []
    ex.on("quarantined", told.append)
    for number in range(150):
        await paused.inject(f'{{"odd": {number}}}' + " " * 5000)
    await until(lambda: ex.status()["quarantined"] == 150)

    kept = ex.quarantined()
    assert len(kept) == 100
    assert kept[-1].frame.startswith(b'{"odd": 149}')
    assert len(kept[-1].frame) == 4096
    assert kept[-1].size == len(b'{"odd": 149}') + 5000
    assert "neither an event" in kept[-1].reason
    assert len(told) == 150


async def test_rows_of_markets_we_do_not_serve_are_skipped_and_counted(
    make: Make, paused: FakeVenue
) -> None:
    """A delisted market in an all-market frame costs that row, not the frame."""
    ex = make()
    await ex.load_markets()
    call = asyncio.ensure_future(ex.watch_tickers())
    await paused.until(lambda: "!miniTicker@arr" in paused.topics)
    row = {"e": "24hrMiniTicker", "E": 5, "c": "1", "o": "1", "h": "1", "l": "1", "v": "1", "q": "1"}
    rows = [{**row, "s": name} for name in ("NOSUCHUSDT", "BTCUSDT", "GONEUSDT")]
    await paused.inject(json.dumps({"stream": "!miniTicker@arr", "data": rows}))

    tickers = await asyncio.wait_for(call, 5)

    assert list(tickers) == [BTC]
    assert ex.status()["quarantined"] == 0


async def test_a_handler_that_raises_stops_nothing(make: Make, paused: FakeVenue) -> None:
    """A user's mistake in a handler is logged; the stream goes on."""
    ex = make()
    await ex.load_markets()
    ex.on("*", lambda notice: 1 / 0)
    ex.handle_message = lambda client, message: 1 / 0  # type: ignore[method-assign,assignment]  # as ccxt's users patch it
    assert await first(ex, paused)
    await paused.inject("garbage")
    await until(lambda: ex.status()["quarantined"] == 1)
