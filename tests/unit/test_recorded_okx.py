"""Single frames of OKX from others' collections: each becomes what it says, or says why not.

Those of accounts are refused, those of the documentation may be older than the protocol.
"""

from __future__ import annotations

import gzip
import re
from typing import Any

import msgspec
import pytest

from tests.support import recording
from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.venues.okx import Okx

OKX: ws.Adapter = Okx()
PRIVATE = "never asked for: channels of accounts, spreads and prices that no kind has"
REFUSED: dict[str, tuple[str, str]] = {
    # file: the channel or error it is refused with, and why that is right
    "wsOrders.json": ("'orders'", PRIVATE),
    "Balance.txt": ("'account'", PRIVATE),
    "BalanceAndPosition.txt": ("'balance_and_position'", PRIVATE),
    "Greeks.txt": ("'account-greeks'", PRIVATE),
    "Withdrawal.txt": ("'withdrawal-info'", PRIVATE),
    "EstimatedPrice.txt": ("'estimated-price'", PRIVATE),
    "MarkPriceKlines.txt": ("'mark-price-candle1D'", PRIVATE),
    "PriceLimit.txt": ("'price-limit'", PRIVATE),
    "SystemStatus.txt": ("'status'", PRIVATE),
    "AdvancedAlgoOrder.txt": ("'algo-advance'", PRIVATE),
    "AlgoOrder.txt": ("'orders-algo'", PRIVATE),
    "Order.txt": ("'orders'", PRIVATE),
    "Position.txt": ("'positions'", PRIVATE),
    "OrderBook.txt": ("action ''", "neither a first state nor an update (6.2 has one of them)"),
    "ws_account.json": ("'account'", PRIVATE),
    "ws_opt_summary.json": ("Expected `object`", "the rows of a frame without the frame"),
    "ws_orders_adl.json": ("'orders'", PRIVATE),
    "ws_orders_fok.json": ("'orders'", PRIVATE),
    "ws_orders_liquidation.json": ("'orders'", PRIVATE),
    "ws_orders_option.json": ("'orders'", PRIVATE),
    "ws_sprd_orders.json": ("'sprd-orders'", PRIVATE),
}
EVENTS: dict[str, list[dict[str, Any]]] = {
    # What the public ones say; symbols stand for ids here.
    "wsAllTrades.json": [
        {"id": "674510826", "price": 95634.9, "amount": 0.00011186, "side": "buy", "count": 1},
        {"id": "674510827", "price": 95635.3, "amount": 0.00011194, "side": "sell", "count": 1},
    ],
    "ws_trades.json": [{"id": "130639474", "price": 42219.9, "side": "buy", "count": 3}],
    "FundingRate.txt": [{
        "funding_rate": 0.0001875391284828, "funding_timestamp_ms": 1700726400000,
        "next_funding_rate": 0.0002608059239328, "interval": "8h", "timestamp_ms": 1700724675402,
    }],
    "ws_funding_rate.json": [{"interval": "8h", "funding_rate": 0.0001, "next_funding_rate": 0.0002}],
    "IndexTicker.txt": [{"index_price": 0.1, "high": 0.5, "low": 0.1, "open": 0.1}, {"bid": None}],
    "Interest.txt": [{"open_interest_amount": 5000.0, "base_volume": 555.55}],
    "MarkPrice.txt": [{"mark_price": 0.1, "timestamp_ms": 1597026383085}],
    "Ticker.txt": [
        {"last": 9999.99, "bid": 8888.88, "ask_volume": 11.0, "base_volume": 2222.0},
        {"bid": 8888.88, "ask": 9999.99},
    ],
    "ws_bbo_tbt.json": [{"bid_volume": 256.0, "ask_volume": 415.0}, {"kind": "whole"}],
    "ws_books_update.json": [{"kind": "delta", "prev_id": 123456, "last_id": 123457}],
}  # fmt: skip


def frames(name: str) -> list[tuple[str, bytes]]:
    """Return the inbound frames of a collection, each with the file it is from."""
    path = recording(f"okx/{name}") / "frames.jsonl.gz"
    lines = [msgspec.json.decode(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [
        (line["src"].rpartition("/")[2], line["raw"].encode())
        for line in lines
        if line["dir"] == "in"
    ]


@pytest.mark.parametrize(
    ("name", "count"), [("frames_gct", 6), ("frames_jkorf", 44), ("frames_nautilus", 11)]
)
def test_every_frame_is_understood_or_refused_with_a_reason(name: str, count: int) -> None:
    """Nothing in between: no frame passes for another one."""
    all_ = frames(name)
    assert len(all_) == count
    told: dict[str, list[dict[str, Any]]] = {}
    for source, raw in all_:
        body = msgspec.json.decode(raw)
        if isinstance(body, dict) and "event" in body:
            answer = [ws.Ack(_topic(body["arg"]))] if body["event"] == "subscribe" else []
            assert list(decode(OKX, raw, "public", str)) == answer
        elif source in REFUSED:
            with pytest.raises(DecodeError, match=re.escape(REFUSED[source][0])):
                decode(OKX, raw, "public", str)
        else:
            (batch,) = decode(OKX, raw, "public", str)
            assert isinstance(batch, ws.Batch)
            assert not batch.bad
            told.setdefault(source, []).extend(
                {name: getattr(event, name) for name in event.__struct_fields__}
                for event in batch.events
            )
    for source, events in told.items():
        expected = EVENTS[source]
        assert len(events) == len(expected), source
        for event, fields in zip(events, expected, strict=True):
            assert {key: event[key] for key in fields} == fields, source


def _topic(arg: dict[str, str]) -> str:
    return f"{arg['channel']}:{arg.get('instId', '') or arg.get('instType', '')}"
