"""ccxt's own tests of its watch methods pass on our object: the very functions that it ships.

They run together in one loop, as a strategy does; each takes 15 seconds by the object's own clock.
That is the market's clock here, which runs four times as fast as the one on the wall.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

import unified_ws
from unified_ws.testing import FakeVenue, MarketModel

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
async def test_ccxt_finds_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine test functions of ccxt on three products at once, none of them switched off."""
    nothing_skipped: dict[str, Any] = {}
    # They look at every level of a book, again and again: with thousands nothing else is done.
    market = MarketModel(MARKETS, seed=3, levels=100)
    async with (
        FakeVenue("binance", market=market, speed=4) as venue,
        unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex,
    ):
        await ex.load_markets()
        monkeypatch.setattr(ex, "milliseconds", lambda: market.now_ms)
        begun_ms = market.now_ms
        results = await asyncio.gather(
            *(theirs(name)(ex, nothing_skipped, argument) for name, argument in TESTS),
            return_exceptions=True,
        )

        failed = [(t, r) for t, r in zip(TESTS, results, strict=True) if isinstance(r, Exception)]
        assert failed == []
        assert market.now_ms - begun_ms >= 15_000
        assert venue.stats.connections == 4  # spot, both routes of USD-M, COIN-M
        assert venue.stats.violations == []
        assert ex.quarantined() == []
