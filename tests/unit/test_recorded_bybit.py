"""Single frames that others have collected: each is read, or refused for a reason given here.

Section numbers are those of the protocol sheet for Bybit. Values of public frames are pinned where
the sheet's own examples (test_bybit.py) leave something open.
"""

from __future__ import annotations

import gzip
from collections import Counter
from functools import cache
from typing import Any

import msgspec
import pytest

from tests.support import recording
from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.venues.bybit import Bybit

COLLECTIONS = ("frames_gct", "frames_jkorf", "frames_nautilus")
PRIVATE = "a private topic (7): accounts are none of an adapter of public data"
ELSEWHERE = "a public topic that nothing subscribes (5.6)"
REFUSED = {
    "order": PRIVATE, "execution": PRIVATE, "execution.fast": PRIVATE, "position": PRIVATE,
    "wallet": PRIVATE, "greeks": PRIVATE, "spread.execution": PRIVATE,
    "priceLimit.BTCUSDT": ELSEWHERE, "system.status": ELSEWHERE,
    "auth": "the answer to a login (7.1)", "order.create": "an answer of order entry (8)",
    "COMMAND_RESP": "an ack of options (4), which are not served here",
}  # fmt: skip
"""What raises, by topic, operation or type."""
CONTRACT_TICKER = ("Ticker", "MarkPrice", "FundingRate", "OpenInterest")
READ: dict[str, tuple[tuple[str, ...], ...]] = {
    "tickers.BTC-USDT": (("Ticker",),),
    "tickers.BTC-28JUN24-60000-P": (CONTRACT_TICKER,),
    "tickers.BTCUSDT": (CONTRACT_TICKER,) * 4,
    "tickers.BTCPERP": (CONTRACT_TICKER, ("Ticker",)),
    "tickers.BTCUSD": (CONTRACT_TICKER, ("Ticker",)),
    "allLiquidation.ETHUSDT": (("Liquidation",),),
    "orderbook.25.BTCUSDT": (("BookUpdate",),),
    "orderbook.1.BTCUSDT": (("BookUpdate", "BidAsk"),),
    "kline.M.BTCUSDT": (("Candle",),),
    "publicTrade.BTC": (("Trade",),),
    "publicTrade.BTCUSDT": (("Trade",),),
}
"""What becomes events, by topic: the types of each frame in turn."""


@cache
def frames(name: str) -> tuple[bytes, ...]:
    """Return the incoming frames of a collection."""
    data = gzip.decompress((recording(f"bybit/{name}") / "frames.jsonl.gz").read_bytes())
    lines = map(msgspec.json.decode, data.splitlines())
    return tuple(line["raw"].encode() for line in lines if line["dir"] == "in")


def name_of(frame: bytes) -> str:
    body = msgspec.json.decode(frame)
    return str(body.get("topic") or body.get("op") or body["type"])


def of_topic(topic: str, at: str = "linear") -> list[Any]:
    """Return the events of every collected frame of a topic."""
    found: list[Any] = []
    for frame in (frame for name in COLLECTIONS for frame in frames(name)):
        if name_of(frame) == topic:
            for item in Bybit().decode(frame, at, str):
                assert isinstance(item, ws.Batch)
                found += item.events
    return found


def test_every_frame_is_read_or_refused_for_a_reason() -> None:
    """Nothing is passed over in silence, and no table line is without its frame."""
    seen: dict[str, list[tuple[str, ...]]] = {}
    refused: Counter[str] = Counter()
    acks = 0
    for frame in (frame for name in COLLECTIONS for frame in frames(name)):
        name = name_of(frame)
        try:
            found = decode(Bybit(), frame, "linear", str)
        except DecodeError:
            refused[name] += 1
            continue
        (item,) = found
        if isinstance(item, ws.Batch):
            assert item.topic == name
            assert not item.bad
            seen.setdefault(name, []).append(tuple(type(row).__name__ for row in item.events))
        else:
            assert item == ws.Ack(msgspec.json.decode(frame)["req_id"])
            acks += 1
    assert {name: tuple(types) for name, types in seen.items()} == READ
    assert refused.keys() == REFUSED.keys()
    assert (refused.total(), acks, sum(map(len, READ.values()))) == (35, 11, 16)  # all 62


def test_a_market_that_is_not_served_here_is_passed_over() -> None:
    """An option's ticker has other names for bid and ask; options are not listed."""
    (frame,) = (f for f in frames("frames_gct") if name_of(f) == "tickers.BTC-28JUN24-60000-P")
    (batch,) = Bybit().decode(frame, "linear", {"BTCUSDT": "BTC/USDT:USDT"}.get)
    assert batch == ws.Batch("tickers.BTC-28JUN24-60000-P", (), 1)


def test_patches_of_a_ticker_follow_its_first_state() -> None:
    """5.2: what collections hold of a contract in dollars settled in coins."""
    first, *rest = of_topic("tickers.BTCUSD", "inverse")
    patch = rest[-1]
    assert (first.last, first.base_volume, first.quote_volume) == (61894.0, 6363.5775, 391976479.0)
    assert (first.percentage, first.mark_price, first.index_price) == (-0.0096, 61894.0, 61923.36)
    assert (patch.bid, patch.bid_volume, patch.last, patch.partial) == (61891.5, 27634.0, None, True)
    interest = next(row for row in rest if isinstance(row, ws.OpenInterest))
    # What it is worth in coins at its own mark price: the units are the right way round.
    assert interest.open_interest_value is not None
    assert interest.base_volume == pytest.approx(
        interest.open_interest_value / first.mark_price, rel=1e-4
    )


def test_a_patch_may_touch_three_of_the_four_things_a_ticker_is() -> None:
    """5.2: mark price, index price and the worth of open interest, but no rate."""
    rows = of_topic("tickers.BTCUSDT")
    patch = next(row for row in rows if isinstance(row, ws.FundingRate) and row.partial)
    assert (patch.funding_rate, patch.funding_timestamp_ms, patch.interval) == (None, None, None)
    assert (patch.mark_price, patch.index_price) == (61875.06, 61903.59)
    interest = next(row for row in rows if isinstance(row, ws.OpenInterest) and row.partial)
    assert (interest.open_interest_amount, interest.open_interest_value) == (None, 3595994223.27)
    # fundingIntervalHour came in 2025: frames before that do not say it.
    intervals = {row.interval for row in rows if isinstance(row, ws.FundingRate)}
    assert intervals == {None, "8h"}


def test_books_of_other_products_are_built_alike() -> None:
    """6: options have a depth of 25, and depth 1 is whole."""
    (option,) = of_topic("orderbook.25.BTCUSDT")
    assert (option.kind, option.last_id, option.bids[0]) == ("snapshot", 18521288, (16493.5, 0.006))
    book, best = of_topic("orderbook.1.BTCUSDT")
    assert (book.kind, book.bids[0], book.asks[0]) == ("whole", (27450.0, 0.5), (27451.0, 0.75))
    assert (best.bid, best.bid_volume, best.ask, best.ask_volume) == (27450.0, 0.5, 27451.0, 0.75)


def test_a_candle_is_of_the_timeframe_of_its_topic() -> None:
    """5.4: this example of the docs says "5" in its row and M in its topic."""
    (row,) = of_topic("kline.M.BTCUSDT")
    assert (row.symbol, row.timeframe, row.volume) == ("BTCUSDT", "1M", 2.081)
