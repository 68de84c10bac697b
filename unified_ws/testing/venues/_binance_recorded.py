"""Reading recordings of Binance: which frame belongs to which topic, snapshots, markets.

Section numbers are those of the project's protocol sheet for Binance.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from ..market import E8, Spec
from ..side import Recorded, VenueSide
from ._binance_streams import WINDOWS, parse

# longest first, so that FDUSD is tried before USD
_QUOTES = (
    *("FDUSD",),
    *("USDT", "USDC", "TUSD", "BUSD", "USD1", "USDS", "USDP", "BIDR", "IDRT", "BVND", "BKRW"),
    *("DOGE", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "AUD", "GBP", "JPY", "DAI", "IDR"),
    *("UAH", "ZAR", "RUB", "NGN", "VAI", "PAX", "PLN", "RON", "ARS", "MXN", "COP", "CZK"),
    *("TRX", "XRP", "DOT", "USD"),
)


class _Wrapped(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _Inner(msgspec.Struct):
    """The fields of an event that tell its topic."""

    e: str = ""
    s: str = ""
    u: int | None = None
    k: Mapping[str, Any] | None = None


_wrapped = msgspec.json.Decoder(_Wrapped)
_inner = msgspec.json.Decoder(_Inner)
_inners = msgspec.json.Decoder(list[_Inner])
_CHANNELS = {
    "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker",
    "depthUpdate": "depth",
    **{f"{window}Ticker": f"ticker_{window}" for window in WINDOWS},
}


class RecordedBinance(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by splitting ids at a known quote; snapshots show ticks and prices."""
        specs = []
        for market_id in market_ids:
            quote = next((q for q in _QUOTES if market_id.endswith(q) and q != market_id), "")
            base = market_id.removesuffix(quote)
            body = next((b for key, b in books.items() if key == f"depth:{market_id}"), None)
            tick, step, price = _grain(body)
            if quote and base:
                specs.append(Spec(f"{base}/{quote}", base, quote, tick, step, price))
        return specs

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return topics of `?streams=`, of `/ws/<stream>` and of recorded requests."""
        parts = urlsplit(url)
        names = parse_qs(parts.query).get("streams", [""])[0].split("/")
        names += parts.path.removeprefix("/ws").split("/")
        for raw in sent:
            with contextlib.suppress(msgspec.DecodeError):
                request = msgspec.json.decode(raw)
                if isinstance(request, dict) and request.get("method") == "SUBSCRIBE":
                    names += request.get("params") or []
        known = [name for name in names if name and parse(name)]
        return list(dict.fromkeys(known))

    @classmethod
    def identify(
        cls,
        raw: bytes,
        topics: Collection[str],
        url: str = "",  # noqa: ARG003 - names of streams are the same on all addresses
    ) -> Recorded | None:
        """Find the topic: by its wrapper, else by what the event says about itself."""
        if raw.startswith(b'{"stream"'):
            wrapped = _wrapped.decode(raw)
            return Recorded(wrapped.stream, bytes(wrapped.data))
        try:
            many = _inners.decode(raw) if raw.startswith(b"[") else []
            inner = many[0] if many else _inner.decode(raw)
        except msgspec.DecodeError:
            return None  # nothing that a stream sends
        channel = _CHANNELS.get(inner.e, inner.e or "bookTicker")
        if inner.k:
            channel = f"kline_{inner.k['i']}"
        name = f"!{channel}@arr" if many else f"{inner.s.lower()}@{channel}"
        found = [topic for topic in topics if topic == name or topic.startswith(f"{name}@")]
        if raw.startswith(b'{"lastUpdateId"'):
            # a partial book names no symbol (section 6.1): only where there is one is it told
            partial = [t for t in topics if (stream := parse(t)) and stream.channel == "partial"]
            found = partial if len(partial) == 1 else []
        return Recorded(found[0], raw) if found else None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the symbol of a stream name in the venue's upper case."""
        stream = parse(topic)
        return stream.market_id or None if stream else None

    @classmethod
    def rest_key(
        cls,
        path: str,
        query: Mapping[str, str],
        host: str = "",  # noqa: ARG003 - the path tells the product
    ) -> str:
        """Name a request by endpoint and symbol: hosts and versions of the API do not matter."""
        if not path.startswith("/api/"):
            return path  # another product of the venue
        name = path.rpartition("/")[2]
        return f"{name}:{query['symbol']}" if "symbol" in query else name

    @classmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the key of the depth request behind a diff depth topic."""
        stream = parse(topic)
        if stream is None or stream.channel != "depth":
            return None
        return f"depth:{stream.market_id}"

    @classmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply deltas by the rules of section 6.3."""
        book = msgspec.json.decode(body)
        last_id: int = book["lastUpdateId"]
        sides = [("b", dict(book["bids"])), ("a", dict(book["asks"]))]
        for payload in payloads:
            delta = msgspec.json.decode(payload)
            if delta["u"] <= last_id:
                continue
            if delta["U"] > last_id + 1:
                return None
            for name, side in sides:
                for price, amount in delta[name]:
                    side[price] = amount
            last_id = delta["u"]
        bids, asks = (
            sorted(
                ([p, q] for p, q in side.items() if float(q)),
                key=lambda row: float(row[0]),
                reverse=name == "b",
            )
            for name, side in sides
        )
        return msgspec.json.encode({**book, "lastUpdateId": last_id, "bids": bids, "asks": asks})

    @classmethod
    def fit(cls, body: bytes, query: Mapping[str, str]) -> bytes:
        """Cut a snapshot to the `limit` of a request; one that is short enough stays as it is."""
        limit = int(query.get("limit", "100"))
        book = msgspec.json.decode(body)
        if max(len(book["bids"]), len(book["asks"])) <= limit:
            return body
        return msgspec.json.encode(
            {**book, "bids": book["bids"][:limit], "asks": book["asks"][:limit]}
        )

    @classmethod
    def lists(cls, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded exchangeInfo names all markets of the session."""
        listed = {row["symbol"] for row in msgspec.json.decode(body).get("symbols", ())}
        return all(spec.base + spec.quote in listed for spec in specs)

    @property
    def listing_key(self) -> str:
        """Return the key of exchangeInfo."""
        return "exchangeInfo"


def _grain(body: bytes | None) -> tuple[int, int, int]:
    """Return tick, step and price that a recorded snapshot shows."""
    if body is None:
        return 1, 1, E8
    book = msgspec.json.decode(body)
    rows = [[round(float(text) * E8) for text in row[:2]] for row in book["bids"] + book["asks"]]
    if not rows:
        return 1, 1, E8
    return math.gcd(*(p for p, _ in rows)), math.gcd(*(q for _, q in rows)), rows[0][0]
