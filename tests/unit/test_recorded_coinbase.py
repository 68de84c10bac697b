"""Single frames of Coinbase that others have kept: each is read, or refused for a known reason.

Section numbers are those of the protocol sheet for Coinbase Advanced Trade.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import ccxt.pro
import msgspec
import pytest

from tests.support import recording
from unified_ws import adapter as ws
from unified_ws import formats
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.venues.coinbase import Coinbase

COINBASE = Coinbase()
CALL = ws.Call("1", 0)
_NO_PRICES = "missing required field `start`"
# By file and number of its frame: events in place of what counts below, or why a row has none.
# A candle of nothing but a product is a fixture that was cut down for a test of subscriptions.
BAD_ROWS = {
    ("AdvancedTrade/Concurrent.txt", 2): _NO_PRICES,
    ("AdvancedTrade/Concurrent.txt", 3): _NO_PRICES,
}
READ = {
    "AdvancedTrade/BatchTicker.txt": ["Held", "Ticker"],
    "AdvancedTrade/Concurrent.txt": ["Held", "Held", "bad", "bad"],
    "AdvancedTrade/Heartbeat.txt": ["Held", "Beat"],
    "AdvancedTrade/Klines.txt": ["Held", "Candle"],
    "AdvancedTrade/Ticker.txt": ["Held", "Ticker"],
    "AdvancedTrade/Trades.txt": ["Held", "Trade Trade"],
    "ws_candles.json": ["Candle"],
    "ws_l2_data_snapshot.json": ["BookUpdate"],
    "ws_market_trades.json": ["Trade Trade"],
    "ws_ticker.json": ["Ticker"],
}
# The Exchange feed is another protocol with the same words: none of its frames has a channel.
# What refuses them, by their type.
FOREIGN = "neither a numbered frame of a channel nor an error"
LEGACY = Counter({
    "l2update": 5708, "ticker": 75, "match": 69, "snapshot": 6, "last_match": 6, "subscriptions": 3,
})  # fmt: skip


def frames(name: str, file: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield direction, source file and text of every recorded frame."""
    with gzip.open(recording(f"coinbase/{name}") / file) as lines:
        for line in lines:
            one = msgspec.json.decode(line)
            yield one["dir"], one.get("src", ""), one["raw"].encode()


def _batch(found: Sequence[ws.Inbound]) -> ws.Batch:
    """Return the data of a numbered frame."""
    _, batch = found
    assert isinstance(batch, ws.Batch)
    return batch


def said(inbound: ws.Inbound) -> str:
    """Name what a frame has become."""
    if not isinstance(inbound, ws.Batch):
        return type(inbound).__name__
    return " ".join(type(event).__name__ for event in inbound.events) or "bad"


@pytest.mark.parametrize("name", ["frames_jkorf", "frames_nautilus"])
def test_every_kept_frame_is_read(name: str) -> None:
    """Documentation, other people's fixtures and captures of 2023 to 2026."""
    made: dict[str, list[str]] = {}
    reasons: dict[tuple[str, int], str] = {}
    for direction, source, raw in frames(name, "frames.jsonl.gz"):
        if direction == "out":
            continue
        number, item = decode(COINBASE, raw, "market", str)
        assert number == ws.FrameNo(msgspec.json.decode(raw)["sequence_num"])
        found = made.setdefault(source, [])
        if isinstance(item, ws.Batch) and item.bad:
            reasons[source, len(found)] = item.bad[0].reason
        found.append(said(item))
    assert made == {source: READ[source] for source in made}
    assert set(made) == {s for s in READ if s.startswith("Advanced") is (name == "frames_jkorf")}
    expected = {key: reason for key, reason in BAD_ROWS.items() if key[0] in made}
    assert reasons.keys() == expected.keys()
    for key, reason in expected.items():
        assert reason in reasons[key]


def test_requests_are_what_others_send() -> None:
    """4.1: beside the token, which market data does without, and the order of the fields."""
    for direction, _, raw in frames("frames_jkorf", "frames.jsonl.gz"):
        if direction == "in":
            continue
        theirs = msgspec.json.decode(raw)
        del theirs["jwt"]
        channel = theirs["channel"]
        products = theirs.get("product_ids")
        topics = [f"{channel}:{product}" for product in products] if products else [channel]
        mine = COINBASE.request("subscribe", topics, CALL)
        assert msgspec.json.decode(mine) == theirs


def test_values_of_a_captured_frame() -> None:
    """5.1: two trades of October 2024, newest first on the wire; the takers sold."""
    (raw,) = (
        raw for direction, source, raw in frames("frames_jkorf", "frames.jsonl.gz")
        if direction == "in" and b'"trades"' in raw and source.endswith("Trades.txt")
    )  # fmt: skip
    batch = _batch(decode(COINBASE, raw, "market", str))

    def told(row: Any) -> tuple[Any, ...]:
        return row.id, row.price, row.amount, row.side, row.timestamp_ms

    assert [told(row) for row in batch.events] == [
        ("22381690", 2375.56, 0.5, "sell", 1728026011084),
        ("22381691", 2375.56, 0.5, "sell", 1728026011088),
    ]


def test_the_exchange_feed_is_refused() -> None:
    """A capture of ws-feed.pro.coinbase.com: none of it passes for Advanced Trade."""
    refused: Counter[str] = Counter()
    for direction, _, raw in frames("exchange_legacy_cf_20210417", "ws-1.jsonl.gz"):
        if direction == "in":
            with pytest.raises(DecodeError, match=FOREIGN):
                decode(COINBASE, raw, "market", str)
            refused[msgspec.json.decode(raw)["type"]] += 1
    assert refused == LEGACY


def test_the_case_that_ccxt_has_recorded() -> None:
    """A ticker of 2026-08-12 and what ccxt expects of it, but for numbers it derives itself.

    Data before the answer, an update of quotes alone, no client_id.
    """
    cases = msgspec.json.decode((recording("ccxt_cases") / "cases.json").read_bytes())
    (case,) = cases["coinbase"]["watchTicker"]
    (request,) = case["sent_messages"]
    assert msgspec.json.decode(COINBASE.request("subscribe", ["ticker:BTC-USD"], CALL)) == request
    frames = [msgspec.json.encode(message) for message in case["messages"]]
    known = {"BTC-USD": "BTC/USD"}
    first, answer, second = (decode(COINBASE, raw, "market", known.get) for raw in frames)
    assert answer == (ws.FrameNo(1), ws.Held(frozenset({"ticker:BTC-USD"})))
    (row,), (later,) = (_batch(found).events for found in (first, second))
    assert isinstance(row, ws.Ticker)
    assert isinstance(later, ws.Ticker)
    assert (later.last, later.base_volume) == (row.last, row.base_volume)
    assert later.ask is not None
    assert later.last is not None
    assert later.ask < later.last  # the price may lie outside the spread
    (expected,) = case["expected"]
    made = formats.ticker_dict(row, lambda fields, _: ccxt.pro.coinbase().safe_ticker(fields))
    assert {key: made[key] for key in expected} == expected
