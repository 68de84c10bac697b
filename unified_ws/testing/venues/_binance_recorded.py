"""Reading recordings of Binance: which frame belongs to which topic, snapshots, markets.

Section numbers are those of the project's protocol sheet for Binance.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from ..market import E8, Spec, spec_of
from ..side import Recorded, VenueSide
from ._binance_futures import parse_futures
from ._binance_products import (
    COINM,
    SPOT,
    USDM,
    joined,
    market_id,
    of_product,
    place_of,
    product_at,
    split,
)
from ._binance_streams import WINDOWS, Stream, parse

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
    "markPriceUpdate": "markPrice",
    **{f"{window}Ticker": f"ticker_{window}" for window in WINDOWS},
}


_DATED = re.compile(r"(\w+?)_(PERP|\d{6})")
_APIS = {"/fapi/": "fapi/", "/dapi/": "dapi/", "/api/": ""}
_DEPTH_KEYS = {SPOT: "depth", USDM: "fapi/depth", COINM: "dapi/depth"}
_LISTINGS = {"exchangeInfo": SPOT, "fapi/exchangeInfo": USDM, "dapi/exchangeInfo": COINM}


class RecordedBinance(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by splitting ids at a known quote; snapshots show ticks and prices."""
        specs = []
        for named in market_ids:
            product, found = split(named)
            dated = _DATED.fullmatch(found)
            pair = dated[1] if dated else found
            quote = next((q for q in _QUOTES if pair.endswith(q) and q != pair), "")
            base = pair.removesuffix(quote)
            if not quote or not base:
                continue
            symbol = f"{base}/{quote}"
            if product != SPOT:
                symbol += f":{base if product == COINM else quote}"
                symbol += f"-{dated[2]}" if dated and dated[2] != "PERP" else ""
            tick, step, price = _grain(books.get(f"{_DEPTH_KEYS[product]}:{found}"))
            specs.append(spec_of(symbol, tick=tick, step=step, price=price))
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
        product = _product(url)
        known = [name for name in names if name and _parse(product, name)]
        return [joined(place_of(product, name), name) for name in dict.fromkeys(known)]

    @classmethod
    def identify(cls, raw: bytes, topics: Collection[str], url: str = "") -> Recorded | None:
        """Find the topic: by its wrapper, else by what the event says about itself."""
        product = _product(url)
        if raw.startswith(b'{"stream"'):
            wrapped = _wrapped.decode(raw)
            topic = joined(place_of(product, wrapped.stream), wrapped.stream)
            return Recorded(topic, bytes(wrapped.data))
        try:
            many = _inners.decode(raw) if raw.startswith(b"[") else []
            inner = many[0] if many else _inner.decode(raw)
        except msgspec.DecodeError:
            return None  # nothing that a stream sends
        channel = _CHANNELS.get(inner.e, inner.e or "bookTicker")
        if inner.k:
            channel = f"kline_{inner.k['i']}"
        name = f"!{channel}@arr" if many else f"{inner.s.lower()}@{channel}"
        asked = [(topic, split(topic)[1]) for topic in topics]
        found = [topic for topic, n in asked if n == name or n.startswith(f"{name}@")]
        if raw.startswith(b'{"lastUpdateId"'):
            # a partial book names no symbol (section 6.1): only where there is one is it told
            partial = [t for t, n in asked if (s := _parse(product, n)) and s.channel == "partial"]
            found = partial if len(partial) == 1 else []
        elif not topics and inner.s:
            # what was asked for was not recorded: books are taken for those of 100 ms
            name += "@100ms" if channel == "depth" else ""
            found = [joined(place_of(product, name), name)] if _parse(product, name) else []
        return Recorded(found[0], raw) if found else None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the symbol of a stream name in the venue's upper case, under its product."""
        place, name = split(topic)
        product = place.partition("-")[0]
        stream = _parse(product, name)
        return joined(product, stream.market_id) if stream and stream.market_id else None

    @classmethod
    def rest_key(
        cls,
        path: str,
        query: Mapping[str, str],
        host: str = "",  # noqa: ARG003 - the path tells the product
    ) -> str:
        """Name a request by endpoint and symbol: hosts and versions of the API do not matter."""
        api = next((name for root, name in _APIS.items() if path.startswith(root)), None)
        if api is None:
            return path  # another product of the venue
        name = f"{api}{path.rpartition('/')[2]}"
        return f"{name}:{query['symbol']}" if "symbol" in query else name

    @classmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the key of the depth request behind a diff depth topic."""
        place, name = split(topic)
        product = place.partition("-")[0]
        stream = _parse(product, name)
        if stream is None or stream.channel != "depth":
            return None
        return f"{_DEPTH_KEYS[product]}:{stream.market_id}"

    @classmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply deltas by the rules of sections 6.3 and 6.4."""
        book = msgspec.json.decode(body)
        last_id: int = book["lastUpdateId"]
        sides = [("b", dict(book["bids"])), ("a", dict(book["asks"]))]
        for payload in payloads:
            delta = msgspec.json.decode(payload)
            if delta["u"] <= last_id:
                continue
            if delta.get("pu", delta["U"] - 1) > last_id:
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

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded list of markets names all of its product in the session."""
        if key not in _LISTINGS:
            return True
        listed = {row["symbol"] for row in msgspec.json.decode(body).get("symbols", ())}
        return all(market_id(spec) in listed for spec in of_product(specs, _LISTINGS[key]))


def _product(url: str) -> str:
    """Name the product of a recorded address: spot where it is none of the venue's."""
    return product_at(urlsplit(url).netloc) or SPOT


def _parse(product: str, name: str) -> Stream | None:
    return parse(name) if product == SPOT else parse_futures(name)


def _grain(body: bytes | None) -> tuple[int, int, int]:
    """Return tick, step and price that a recorded snapshot shows."""
    if body is None:
        return 1, 1, E8
    book = msgspec.json.decode(body)
    rows = [[round(float(text) * E8) for text in row[:2]] for row in book["bids"] + book["asks"]]
    if not rows:
        return 1, 1, E8
    return math.gcd(*(p for p, _ in rows)), math.gcd(*(q for _, q in rows)), rows[0][0]
