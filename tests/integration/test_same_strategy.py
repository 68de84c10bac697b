"""One strategy file runs on every market of every venue: only its string changes."""

from __future__ import annotations

import pytest

import unified_ws
from tests.strategies.imbalance import trade
from unified_ws.adapter import Endpoint
from unified_ws.registry import adapters
from unified_ws.testing import FakeVenue
from unified_ws.testing.market import spec_of

# A market of each type, as every venue of that type lists it.
SYMBOLS = {
    "spot": "BTC/USDT", "linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC",
    "future": "BTC/USDT:USDT-261225",
}  # fmt: skip
OTHER = {("coinbase", "spot"): "BTC/USD"}
ABSENT = {("coinbase", "inverse")}
"""Types that an endpoint would take, but of which the venue has no market."""


def _markets() -> list[tuple[str, str]]:
    """Return each venue with a market of every type that one of its endpoints serves."""
    return [
        (name, OTHER.get((name, kind), symbol))
        for name, adapter in adapters().items()
        for kind, symbol in SYMBOLS.items()
        if spec_of(symbol).type in adapter.venue.market_types and (name, kind) not in ABSENT
        if any(_lists(endpoint, symbol) for endpoint in adapter.venue.endpoints.values())
    ]


def _lists(endpoint: Endpoint, symbol: str) -> bool:
    """Say whether an endpoint would serve a market as ccxt describes it."""
    spec = spec_of(symbol)
    market = {
        "spot": spec.spot, "swap": spec.type == "swap", "future": spec.type == "future",
        "contract": not spec.spot, "linear": None if spec.spot else spec.linear,
        "inverse": None if spec.spot else spec.inverse, "type": spec.type, "settle": spec.settle,
        "base": spec.base, "quote": spec.quote, "option": False,
    }  # fmt: skip
    return all(market[key] == value for key, value in endpoint.serves.items())


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("venue", "symbol"), _markets())
async def test_the_same_strategy_runs(venue: str, symbol: str) -> None:
    """Trades, books, quotes, statistics, candles, and mark prices where there are contracts."""
    async with FakeVenue(venue, seed=5, speed=10, symbols=[symbol]) as fake:
        seen = await trade(venue, symbol, {"gateway": fake.gateway})
    assert min(seen.trades, seen.books, seen.quotes, seen.tickers, seen.candles) > 0
    assert fake.stats.violations == []


def test_every_venue_takes_part() -> None:
    """And most of them with several markets."""
    assert {venue for venue, _ in _markets()} == set(unified_ws.exchanges)
    assert len(_markets()) > 2 * len(unified_ws.exchanges)
