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
TESTS = {
    "trades": BTC,
    "trades_for_symbols": [BTC, ETH],
    "order_book": BTC,
    "order_book_for_symbols": [BTC, ETH],
    "ticker": BTC,
    "tickers": BTC,
    "bids_asks": BTC,
    "ohlcv": BTC,
    "ohlcv_for_symbols": BTC,
}


def theirs(name: str) -> Any:
    """Return one of ccxt's own test functions."""
    module = importlib.import_module(f"ccxt.pro.test.Exchange.test_watch_{name}")
    return getattr(module, f"test_watch_{name}")


@pytest.mark.timeout(120)
async def test_ccxt_finds_no_fault() -> None:
    """Nine test functions of ccxt at once, none of whose expectations is switched off."""
    nothing_skipped: dict[str, Any] = {}
    async with (
        FakeVenue("binance", seed=3, speed=1) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        results = await asyncio.gather(
            *(theirs(name)(ex, nothing_skipped, argument) for name, argument in TESTS.items()),
            return_exceptions=True,
        )

        failed = {n: r for n, r in zip(TESTS, results, strict=True) if isinstance(r, Exception)}
        assert failed == {}
        assert venue.stats.connections == 1
        assert venue.stats.violations == []
        assert ex.quarantined() == []
