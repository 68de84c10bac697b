"""The fake's REST side: weights, history, errors.

Section numbers are those of the protocol sheet for Binance.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support import get
from unified_ws.testing import FakeVenue

pytest_plugins = ["unified_ws.testing.pytest_plugin"]

MakeVenue = Callable[..., Awaitable[FakeVenue]]
BTC = "BTC/USDT"


@pytest.mark.parametrize(
    "path, weight",
    [
        ("ping", 1),
        ("exchangeInfo", 20),
        ("depth?symbol=BTCUSDT", 5),
        ("depth?symbol=BTCUSDT&limit=101", 25),
        ("depth?symbol=BTCUSDT&limit=1000", 50),
        ("depth?symbol=BTCUSDT&limit=5000", 250),
        ("trades?symbol=BTCUSDT", 25),
        ("aggTrades?symbol=BTCUSDT", 4),
        ("klines?symbol=BTCUSDT&interval=1m", 2),
        ("ticker/24hr", 80),
        ("ticker/24hr?symbol=BTCUSDT", 2),
        ('ticker/24hr?symbols=["BTCUSDT"]', 2),
        ("ticker/price", 4),
    ],
)
async def test_weights(fake_venue: MakeVenue, path: str, weight: int) -> None:
    """Section 6.2 and the REST documentation; the header tells what is used."""
    venue = await fake_venue("binance", paused=True)
    status, _, headers = await get(venue, f"/api/v3/{path}")

    assert status == 200
    assert headers["x-mbx-used-weight-1m"] == str(weight)
    assert venue.stats.weight == venue.stats.rest[0].weight == weight


async def test_history_over_rest(fake_venue: MakeVenue) -> None:
    """What a reader missed can be fetched by id and by time."""
    venue = await fake_venue("binance", paused=True)
    trades, aggs = venue.market.trades(BTC), venue.market.agg_trades(BTC)
    base = "/api/v3/{}?symbol=BTCUSDT&limit=5&"

    async def ids(name: str, query: str, key: str) -> list[int]:
        _, rows, _ = await get(venue, base.format(name) + query)
        return [row[key] for row in rows]

    known = [trade.id for trade in trades]
    assert await ids("trades", "", "id") == known[-5:]
    assert await ids("historicalTrades", "", "id") == known[-5:]
    assert await ids("historicalTrades", f"fromId={known[7]}", "id") == known[7:12]
    agg_ids = [agg.id for agg in aggs]
    assert await ids("aggTrades", f"fromId={agg_ids[3]}", "a") == agg_ids[3:8]
    at_ms = aggs[9].ts_ms
    later = [agg.id for agg in aggs if agg.ts_ms >= at_ms]
    assert await ids("aggTrades", f"startTime={at_ms}", "a") == later[:5]
    earlier = [agg.id for agg in aggs if agg.ts_ms <= at_ms]
    assert await ids("aggTrades", f"endTime={at_ms}", "a") == earlier[-5:]


@pytest.mark.parametrize(
    "path, status, code",
    [
        ("depth?symbol=NOPE", 400, -1121),
        ("depth", 400, -1102),
        ("depth?symbol=BTCUSDT&limit=many", 400, -1100),
        ("klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("ticker/24hr?symbols=BTCUSDT", 400, -1100),
    ],
)
async def test_rest_errors(fake_venue: MakeVenue, path: str, status: int, code: int) -> None:
    """Wrong requests have the venue's codes."""
    venue = await fake_venue("binance", paused=True)
    found, body, _ = await get(venue, f"/api/v3/{path}")

    assert (found, body["code"]) == (status, code)


@pytest.mark.parametrize("host, version", [("fapi", "v1"), ("dapi", "v1"), ("eapi", "v1")])
async def test_other_products_list_nothing(fake_venue: MakeVenue, host: str, version: str) -> None:
    """Ccxt loads futures along with spot; here only spot is listed."""
    venue = await fake_venue("binance", paused=True, symbols=["BTC/USDT"])
    path = f"/{host}/{version}/exchangeInfo"
    _, body, _ = await get(venue, path, host=f"{host}.binance.com")

    assert body["symbols"] == []


async def test_an_unknown_path_is_not_found(fake_venue: MakeVenue) -> None:
    """A library that asks for what the fake lacks learns it at once."""
    venue = await fake_venue("binance", paused=True)

    assert (await get(venue, "/api/v3/nope"))[0] == 404
    assert (await get(venue, "/api/v3/time", host="api.example.com"))[0] == 404
