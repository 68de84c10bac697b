"""Single frames of Gate that others have kept: each is read, or refused for a reason given here.

Section numbers are those of the protocol sheet for Gate.
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
from unified_ws.venues.gate import Gate

COLLECTIONS = ("frames_gct", "frames_jkorf", "frames_us_20260923")
NOT_ASKED = "nothing that was asked for"
NO_STREAM = "is no stream of the form"
# By collection and channel: the types of the events of each frame. A candle of nothing but a name
# is a fixture that was cut down for a test of subscriptions.
CONTRACT_TICKER = "Ticker MarkPrice FundingRate OpenInterest"
READ = {
    ("frames_gct", "futures.tickers"): [CONTRACT_TICKER],
    ("frames_gct", "futures.trades"): ["Trade"],
    ("frames_gct", "futures.book_ticker"): ["BidAsk"],
    ("frames_gct", "futures.order_book"): ["BookUpdate"],
    ("frames_gct", "futures.order_book_update"): ["BookUpdate"],
    ("frames_gct", "futures.candlesticks"): ["Candle"],
    ("frames_jkorf", "futures.candlesticks"): ["bad", "bad"],
    ("frames_jkorf", "futures.order_book_update"): ["BookUpdate"],
    ("frames_jkorf", "futures.obu"): ["BookUpdate"],
    ("frames_jkorf", "futures.trades"): ["Trade"],
    ("frames_jkorf", "spot.book_ticker"): ["BidAsk"],
    ("frames_jkorf", "spot.candlesticks"): ["Candle"],
    ("frames_jkorf", "spot.order_book_update"): ["BookUpdate"],
    ("frames_jkorf", "spot.tickers"): ["Ticker"],
    ("frames_jkorf", "spot.trades"): ["Trade"],
    ("frames_us_20260923", "spot.order_book_update"): ["BookUpdate", "BookUpdate"],
    ("frames_us_20260923", "spot.book_ticker"): ["BidAsk"],
    ("frames_us_20260923", "spot.tickers"): ["Ticker"],
}
# Private channels (8) and one that nothing of ours subscribes; an obu whose stream has another form
# than any that the venue names.
PRIVATE = (
    "futures.orders", "futures.usertrades", "futures.liquidates", "futures.balances",
    "futures.reduce_risk_limits", "futures.positions", "futures.autoorders",
)  # fmt: skip
REFUSED = {
    **{(name, channel): NOT_ASKED for name in COLLECTIONS[:2] for channel in PRIVATE},
    ("frames_gct", "futures.auto_deleverages"): NOT_ASKED,
    ("frames_gct", "futures.position_closes"): NOT_ASKED,
    ("frames_gct", "futures.obu"): NO_STREAM,
    ("frames_jkorf", "futures.contract_stats"): NOT_ASKED,
    ("frames_jkorf", "spot.balances"): NOT_ASKED,
    ("frames_jkorf", "spot.funding_balances"): NOT_ASKED,
    ("frames_jkorf", "spot.orders"): NOT_ASKED,
    ("frames_jkorf", "spot.usertrades"): NOT_ASKED,
}


@cache
def frames(name: str) -> tuple[bytes, ...]:
    """Return the incoming frames of a collection."""
    data = gzip.decompress((recording(f"gate/{name}") / "frames.jsonl.gz").read_bytes())
    lines = map(msgspec.json.decode, data.splitlines())
    return tuple(line["raw"].encode() for line in lines if line["dir"] == "in")


def family(channel: str) -> str:
    """Return the endpoint that a channel belongs to."""
    return "spot" if channel.startswith("spot") else "btc"


def event_of(name: str, channel: str, number: int = 0) -> Any:
    """Return the only event of a collected frame."""
    found = [
        frame for frame in frames(name)
        if (body := msgspec.json.decode(frame))["channel"] == channel and body["event"] in {"update", "all"}
    ]  # fmt: skip
    (item,) = Gate().decode(found[number], family(channel), str)
    assert isinstance(item, ws.Batch)
    (event,) = item.events
    return event


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_frame_is_read_or_refused_for_a_reason(name: str) -> None:
    """Nothing is passed over in silence, and no line of the tables is without its frame."""
    read: dict[tuple[str, str], list[str]] = {}
    refused: dict[tuple[str, str], str] = {}
    answers: Counter[str] = Counter()
    for frame in frames(name):
        channel = msgspec.json.decode(frame)["channel"]
        try:
            (item,) = decode(Gate(), frame, family(channel), str)
        except DecodeError as error:
            known = [reason for reason in (NO_STREAM, NOT_ASKED) if reason in error.reason]
            refused[name, channel] = known[0] if known else error.reason
            continue
        if isinstance(item, ws.Batch):
            types = " ".join(type(event).__name__ for event in item.events)
            read.setdefault((name, channel), []).append(types or "bad" * len(item.bad))
        else:
            answers[type(item).__name__] += 1
    assert read == {key: types for key, types in READ.items() if key[0] == name}
    assert refused == {key: reason for key, reason in REFUSED.items() if key[0] == name}
    assert answers == {
        "frames_gct": {"Pong": 1}, "frames_jkorf": {"Ack": 20},
        "frames_us_20260923": {"Pong": 1, "Ack": 1, "Refused": 2},
    }[name]  # fmt: skip


def test_contracts_of_2023() -> None:
    """6: integer sizes, no `time_ms`, no level: what the sheet has of today is there as well."""
    trade = event_of("frames_gct", "futures.trades")
    assert (trade.amount, trade.side, trade.timestamp_ms) == (108.0, "sell", 1545136464123)
    quote = event_of("frames_gct", "futures.book_ticker")
    assert (quote.bid, quote.bid_volume, quote.number) == (54696.6, 37000.0, 2517661076)
    book = event_of("frames_gct", "futures.order_book")
    assert (book.kind, book.depth, book.last_id) == ("whole", 20, 4010394406)
    assert book.asks[0] == (19909.0, 3100.0)
    change = event_of("frames_gct", "futures.order_book_update")
    assert (change.kind, change.prev_id, change.last_id) == ("delta", 4010424330, 4010424361)
    assert change.bids[0] == (19860.7, 5984.0)


def test_sizes_of_today() -> None:
    """1: decimal sizes as texts; a full obu with a `U` beside its `u`."""
    assert event_of("frames_jkorf", "futures.trades").amount == 108.5
    change = event_of("frames_jkorf", "futures.order_book_update")
    assert (change.bids, change.asks[1]) == ([(54672.1, 0.0), (54664.5, 58794.5)], (54742.0, 95.2))
    book = event_of("frames_jkorf", "futures.obu")
    assert (book.kind, book.last_id, book.prev_id) == ("snapshot", 2517661113, None)


def test_spot_of_today() -> None:
    """5: base volume of a candle; the envelope's time of a ticker."""
    candle = event_of("frames_jkorf", "spot.candlesticks")
    assert (candle.volume, candle.closed, candle.timestamp_ms) == (3.8283, True, 1606292600376)
    ticker = event_of("frames_us_20260923", "spot.tickers")
    assert (ticker.last, ticker.bid, ticker.ask) == (86695.3, 86690.0, 86691.6)
    assert ticker.timestamp_ms == 1790134390863
    one = event_of("frames_us_20260923", "spot.order_book_update", 1)
    assert (one.prev_id, one.last_id, one.bids, one.asks) == (2448206, 2448207, [], [(0.04446, 0.0)])


def test_refusals_of_today() -> None:
    """4: an unknown pair, and a channel that the sister site lacks; neither had an id."""
    found = [
        item for frame in frames("frames_us_20260923") for item in Gate().decode(frame, "spot", str)
        if isinstance(item, ws.Refused)
    ]  # fmt: skip
    assert found == [
        ws.Refused("unknown currency pair: NOPE_USD (code 2)"),
        ws.Refused("Unknown channel spot.obu (code 2)"),
    ]
