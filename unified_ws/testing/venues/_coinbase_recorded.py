"""How the fake Coinbase reads recordings of Advanced Trade sessions.

Section numbers are those of the project's protocol sheet for Coinbase. Frames are played as they
were recorded but for their number, which every connection counts anew (6.3).
"""

# ruff: noqa: ARG003 - frames of this venue say all that their address and requests would
from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, Spec
from ..side import Recorded, VenueSide
from ._coinbase_products import product_id
from ._coinbase_streams import BEAT

_ROWS = {
    "market_trades": "trades",
    "ticker": "tickers",
    "ticker_batch": "tickers",
    "candles": "candles",
}
_NUMBER = re.compile(rb'"sequence_num":\s*\d+')
_LISTING = "products"
_GREETED_TRADES = 100


def numbered(frame: bytes, number: int) -> bytes:
    """Put a number into a frame that has one: errors have none."""
    head, rest = frame[:200], frame[200:]
    return _NUMBER.sub(b'"sequence_num":%d' % number, head, count=1) + rest


class RecordedCoinbase(VenueSide):
    """The part of the venue side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe products: by the recorded list of them, else by their ids."""
        bodies = {p["product_id"]: p for p in _products(books.get(_LISTING, b"{}"))}
        found = []
        for name in market_ids:
            base, _, quote = name.partition("-")
            body = bodies.get(name)
            if not quote or "-" in quote:
                continue  # a contract: nothing tells its symbol
            tick = _e8(body["price_increment"]) if body else 1
            step = _e8(body["base_increment"]) if body else 1
            price = _e8(body["price"] or "1") if body else E8
            found.append(Spec(f"{base}/{quote}", base, quote, tick, step, price))
        return found

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return what was subscribed (4.1)."""
        topics: list[str] = []
        for raw in sent:
            with contextlib.suppress(msgspec.DecodeError):
                request = msgspec.json.decode(raw)
                if not isinstance(request, dict) or request.get("type") != "subscribe":
                    continue
                channel = request.get("channel")
                if channel == BEAT:
                    topics.append(BEAT)
                else:
                    topics += [f"{channel}:{name}" for name in request.get("product_ids") or ()]
        return list(dict.fromkeys(topics))

    @classmethod
    def identify(
        cls, raw: bytes, topics: Collection[str], url: str = ""
    ) -> Recorded | Sequence[Recorded] | None:
        """Find the topic by channel and product; a frame of several products is split."""
        try:
            frame = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            return None
        if not isinstance(frame, dict):
            return None
        channel = frame.get("channel")
        if channel == BEAT:
            return Recorded(BEAT, raw)
        if channel == "l2_data":
            return _split(raw, frame, "level2", _of_levels(frame))
        if channel in _ROWS:
            return _split(raw, frame, channel, _of_rows(frame, _ROWS[channel]))
        return None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the product of a topic."""
        return topic.partition(":")[2] or None

    @classmethod
    def rest_key(cls, path: str, query: Mapping[str, str], host: str = "") -> str:
        """Name a request by what it is about; the list of spot products has a name of its own."""
        if path.endswith("/products"):
            kind = query.get("product_type", "")
            return f"{_LISTING}:{kind}" if kind else _LISTING
        return super().rest_key(path, query, host)

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Return the snapshot that the venue would send now."""
        channel = topic.partition(":")[0]
        if channel == BEAT:
            return ()
        frame = msgspec.json.decode(payloads[-1])
        if channel == "level2":
            event = _whole(payloads)
        elif channel == "market_trades":
            rows = [row for payload in payloads for row in _rows(payload, "trades")]
            rows.sort(key=lambda row: int(row["trade_id"]))
            newest = list({row["trade_id"]: row for row in rows}.values())[-_GREETED_TRADES:]
            event = {"type": "snapshot", "trades": newest[::-1]}
        elif channel == "candles":
            candles = {row["start"]: row for p in payloads for row in _rows(p, "candles")}
            event = {"type": "snapshot", "candles": [candles[at] for at in sorted(candles)]}
        else:
            event = {"type": "snapshot", "tickers": _rows(payloads[-1], "tickers")[-1:]}
        return (msgspec.json.encode({**frame, "events": [event]}),)

    @classmethod
    def lists(cls, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded list of products names all markets of the session."""
        return {product_id(spec) for spec in specs} <= {p["product_id"] for p in _products(body)}

    @property
    def listing_key(self) -> str:
        """Return the key of the list of spot products."""
        return _LISTING


def _products(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(body).get("products", [])
    return found


def _e8(text: str) -> int:
    return int(Decimal(text) * E8)


def _rows(payload: bytes, field: str) -> list[dict[str, Any]]:
    """Return all rows of a frame, oldest event first."""
    events = msgspec.json.decode(payload)["events"]
    return [row for event in events for row in event.get(field) or ()]


def _of_levels(frame: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the events of a level2 frame by product."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in frame["events"]:
        found.setdefault(event["product_id"], []).append(event)
    return found


def _of_rows(frame: dict[str, Any], field: str) -> dict[str, list[dict[str, Any]]]:
    """Return the events of a frame of rows by product, each with its own rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in frame["events"]:
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in event.get(field) or ():
            rows.setdefault(row["product_id"], []).append(row)
        for name, own in rows.items():
            found.setdefault(name, []).append({**event, field: own})
    return found


def _split(
    raw: bytes, frame: dict[str, Any], channel: str, products: Mapping[str, list[dict[str, Any]]]
) -> list[Recorded]:
    if len(products) == 1:
        return [Recorded(f"{channel}:{name}", raw) for name in products]
    return [
        Recorded(f"{channel}:{name}", msgspec.json.encode({**frame, "events": events}))
        for name, events in products.items()
    ]


def _whole(payloads: Sequence[bytes]) -> dict[str, Any]:
    """Return the book that recorded frames of one product lead to (6.2)."""
    sides: dict[str, dict[str, dict[str, Any]]] = {"bid": {}, "offer": {}}
    name = ""
    for payload in payloads:
        for event in msgspec.json.decode(payload)["events"]:
            name = event["product_id"]
            if event["type"] == "snapshot":
                sides = {"bid": {}, "offer": {}}
            for row in event["updates"] or ():
                if Decimal(row["new_quantity"]):
                    sides[row["side"]][row["price_level"]] = row
                else:
                    sides[row["side"]].pop(row["price_level"], None)
    rows = [row for side in sides.values() for row in side.values()]
    return {"type": "snapshot", "product_id": name, "updates": rows}

