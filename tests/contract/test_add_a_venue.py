"""The guide's own venue runs: it conforms, and it reads its own server side to the last trade."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import unified_ws
from tests.contract.example import GUIDE, loaded, written
from unified_ws.doctor import Doctor
from unified_ws.testing import FakeVenue
from unified_ws.testing._check_markets import ccxt_market
from unified_ws.testing.conformance import check
from unified_ws.venue_files import load

BTC, ETH = "BTC/USDT", "ETH/USDT"
IDS = {BTC: "BTCUSDT", ETH: "ETHUSDT"}


@pytest_asyncio.fixture
async def venue(tmp_path: Path) -> AsyncIterator[FakeVenue]:
    """The guide's server side, which moves when told to."""
    written(tmp_path)
    async with FakeVenue(loaded(tmp_path / "acme_side.py").AcmeSide, paused=True, seed=5) as fake:
        yield fake


@pytest_asyncio.fixture
async def ex(venue: FakeVenue, tmp_path: Path) -> AsyncIterator[unified_ws.Exchange]:
    """The guide's adapter as its client; the markets are given, since its side lists none."""
    path = tmp_path / "acme.py"
    async with unified_ws.exchange(path, {"gateway": venue.gateway}) as made:
        made.rest.set_markets([ccxt_market(symbol, id_) for symbol, id_ in IDS.items()])
        yield made


def test_it_conforms_with_its_frames(tmp_path: Path) -> None:
    """Whoever follows the guide starts from something that is right."""
    report = check(written(tmp_path), tmp_path)

    assert report.ok, str(report)
    assert any("5 written frames: 1 Ack, 2 BookUpdate" in line.text for line in report.lines)


def test_the_guide_stays_short() -> None:
    """An afternoon: it must be read in a few minutes."""
    assert len(GUIDE.read_text(encoding="utf-8").splitlines()) <= 260


async def test_every_trade_arrives_once(venue: FakeVenue, ex: unified_ws.Exchange) -> None:
    """Trades by the stream equal those of the market, values and order."""
    rows = ex.stream_trades(BTC)
    first = asyncio.ensure_future(anext(rows))
    await venue.until(lambda: "trades:BTCUSDT" in venue.topics)
    await venue.step(30)
    truth = venue.market.trades(BTC)
    begun = await first
    got: list[Any] = [begun]
    while got[-1].number < truth[-1].id:
        got.append(await anext(rows))

    expected = [t for t in truth if t.id >= begun.number]
    assert [(t.number, t.price, t.amount, t.side, t.timestamp_ms) for t in got] == [
        (t.id, float(t.price), float(t.amount), t.side, t.ts_ms) for t in expected
    ]
    assert len(got) > 20


async def test_books_equal_the_market_after_losses(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """A whole book, its changes, a lost change, a lost connection: the top is always the truth."""
    book: Any = await ex.watch_order_book(ETH, 5)
    for fault in ("none", "delta", "connection"):
        if fault == "delta":
            venue.drop_next_delta(ETH)
        elif fault == "connection":
            await venue.drop()
        await venue.until(lambda: "book:ETHUSDT" in venue.topics)
        await venue.step(5)
        truth = venue.market.book(ETH)
        while book["nonce"] != truth.last_id:
            book = await ex.watch_order_book(ETH, 5)
        assert book["bids"] == [[float(p), float(q)] for p, q in truth.bids[:5]]
        assert book["asks"] == [[float(p), float(q)] for p, q in truth.asks[:5]]


async def test_candles_are_built_from_trades(venue: FakeVenue, ex: unified_ws.Exchange) -> None:
    """The venue has none, and nobody had to write any."""
    asked = asyncio.ensure_future(ex.watch_ohlcv(BTC, "1m"))
    await venue.until(lambda: "trades:BTCUSDT" in venue.topics)
    await venue.step(20)
    rows = await asked

    assert rows[-1].source == "trades"
    assert rows[-1][3] <= rows[-1][4] <= rows[-1][2]


async def test_a_refusal_is_told_in_the_venues_words(
    venue: FakeVenue, ex: unified_ws.Exchange
) -> None:
    """A market that ccxt knows and the sockets do not."""
    ex.rest.set_markets([*ex.rest.markets.values(), ccxt_market("NO/USDT", "NOUSDT")])

    with pytest.raises(unified_ws.SubscribeRejected, match="no such market"):
        await ex.watch_trades("NO/USDT")


async def test_limits_are_kept(venue: FakeVenue, ex: unified_ws.Exchange) -> None:
    """The side counts: ten topics a request, a ping instead of silence, nothing broken."""
    await asyncio.gather(*(ex.watch_order_book(symbol, 5) for symbol in IDS))

    assert venue.stats.violations == []
    assert [method for _, method, _ in venue.stats.requests] == ["subscribe"]


async def test_the_doctor_finds_it_well(tmp_path: Path) -> None:
    """The guide's last step; REST knows nothing of the books of this one, which is said."""
    path = written(tmp_path)
    side = loaded(tmp_path / "acme_side.py").AcmeSide
    async with (
        FakeVenue(side, speed=10, seed=5) as venue,
        unified_ws.exchange(path, {"gateway": venue.gateway}) as ex,
    ):
        ex.rest.set_markets([ccxt_market(symbol, id_) for symbol, id_ in IDS.items()])
        doctor = Doctor(ex, [BTC], seconds=1.0)
        await doctor.run()
        report = doctor.report()

    assert (report.ok, report.faults) == (True, [])
    assert {s.method for s in report.methods if s.verdict == "ok"} >= {
        "watchTrades", "watchOrderBook", "watchOHLCV",
    }  # fmt: skip
    assert any("no book by REST" in remark for remark in report.remarks)
    assert [one.fields for one in report.unread] == [{}]


def test_its_class_is_found_by_path(tmp_path: Path) -> None:
    """What the guide's first lines say."""
    assert load(written(tmp_path)).venue.id == "acme"
