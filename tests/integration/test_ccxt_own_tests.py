"""ccxt's own tests of its watch methods pass on our object: the very functions that it ships.

They run together in one loop, as a strategy does; each takes 15 seconds of the wall clock.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

import unified_ws
from unified_ws.testing import FakeVenue

BTC, ETH = "BTC/USDT", "ETH/USDT"
LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
MARKETS = (BTC, ETH, LINEAR, "ETH/USDT:USDT", INVERSE)
TESTS: list[tuple[str, Any]] = [
    ("trades_for_symbols", [BTC, ETH]),
    ("order_book_for_symbols", [BTC, ETH]),
    *(
        (name, symbol)
        for symbol in (BTC, LINEAR, INVERSE)
        for name in (
            *("trades", "order_book", "ticker", "tickers", "bids_asks", "ohlcv"),
            "ohlcv_for_symbols",
        )
    ),
    ("trades_for_symbols", [LINEAR, "ETH/USDT:USDT"]),
    ("order_book_for_symbols", [LINEAR, "ETH/USDT:USDT"]),
]
"""ccxt's tests of liquidations are left out: they name a module that they do not import."""


def theirs(name: str) -> Any:
    """Return one of ccxt's own test functions."""
    module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
    return getattr(module, f"test_watch_{name}")


@pytest.mark.timeout(120)
async def test_ccxt_finds_no_fault() -> None:
    """Nine test functions of ccxt on three products at once, none of them switched off."""
    nothing_skipped: dict[str, Any] = {}
    async with (
        FakeVenue("binance", seed=3, speed=1, symbols=MARKETS) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        results = await asyncio.gather(
            *(theirs(name)(ex, nothing_skipped, argument) for name, argument in TESTS),
            return_exceptions=True,
        )

        failed = [(t, r) for t, r in zip(TESTS, results, strict=True) if isinstance(r, Exception)]
        assert failed == []
        assert venue.stats.connections == 4  # spot, both routes of USD-M, COIN-M
        assert venue.stats.violations == []
        assert ex.quarantined() == []
