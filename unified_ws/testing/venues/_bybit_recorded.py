"""Reading recordings of Bybit: which frame belongs to which topic, markets, books in mid-replay.

Section numbers are those of the project's protocol sheet for Bybit. Topics carry the address they
were heard at, since the same words are said at all of them (section 1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..market import E8, Spec
from ..side import Recorded, VenueSide
from ._bybit_markets import PAST_DEPTHS, listed, parse

_QUOTES = ("USDT", "USDC", "PERP", "USD", "EUR", "BTC", "ETH", "BRL", "TRY")


class _Frame(msgspec.Struct):
    topic: str = ""


class _Request(msgspec.Struct):
    op: str = ""
    args: list[str] = []


_frame = msgspec.json.Decoder(_Frame)
_request = msgspec.json.Decoder(_Request)


class RecordedBybit(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by the recorded lists of instruments, else by their ids."""
        known: dict[str, Spec] = {}
        for key, body in books.items():
            if key.startswith("instruments:"):
                rows = msgspec.json.decode(body)["result"]["list"]
                known |= {f"{key.partition(':')[2]}|{row['symbol']}": listed(row) for row in rows}
        return [known.get(one) or _guessed(one) for one in market_ids]

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return the topics of recorded requests (section 4)."""
        names: dict[str, None] = {}
        for raw in sent:
            with contextlib.suppress(msgspec.DecodeError):
                request = _request.decode(raw)
                if request.op == "subscribe":
                    names |= dict.fromkeys(request.args)
        category = category_in(urlsplit(url).path)
        return [f"{category}|{name}" for name in names]

    @classmethod
    def identify(  # the frame itself says it
        cls, raw: bytes, topics: Collection[str], url: str = ""  # noqa: ARG003
    ) -> Recorded | None:
        """Find the topic: the frame says it, but for the address."""
        with contextlib.suppress(msgspec.DecodeError):
            name = _frame.decode(raw).topic
            topic = f"{category_in(urlsplit(url).path)}|{name}"
            if name and parse(topic, PAST_DEPTHS):
                return Recorded(topic, raw)
        return None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the venue's id of a market with its address: the id alone may mean two."""
        stream = parse(topic, PAST_DEPTHS)
        return f"{stream.category}|{stream.market_id}" if stream else None

    @classmethod
    def rest_key(cls, path: str, query: Mapping[str, str], host: str = "") -> str:
        """Name a list of instruments by its category; all else by everything it says."""
        if path.endswith("/instruments-info"):
            status = query.get("status", "Trading")
            extra = "" if status == "Trading" else f":{status}"
            return f"instruments:{query.get('category', '')}{extra}"
        return super().rest_key(path, query, host)

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Return the snapshot that the venue would send now (sections 5.2, 6.1)."""
        stream = parse(topic, PAST_DEPTHS)
        if stream is None or stream.channel not in ("orderbook", "tickers"):
            return ()
        whole: dict[str, Any] | None = None
        for payload in payloads:
            frame = msgspec.json.decode(payload)
            if frame["type"] == "snapshot":
                whole = frame
            elif whole is not None and stream.channel == "tickers":
                whole = {**frame, "type": "snapshot", "data": {**whole["data"], **frame["data"]}}
            elif whole is not None:
                whole = _applied(whole, frame)
        return () if whole is None else (msgspec.json.encode(whole),)

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Lists of instruments are made anew: they hold hundreds of markets of no recording."""
        return not key.startswith("instruments:")


def category_in(path: str) -> str:
    """Return the category of an address (section 1)."""
    return path.rpartition("/public/")[2].strip("/")


def _applied(book: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    data = {**delta["data"]}
    for side, best in (("b", -1), ("a", 1)):
        rows = dict(book["data"][side]) | dict(delta["data"][side])
        kept = [(price, amount) for price, amount in rows.items() if Decimal(amount)]
        data[side] = sorted(kept, key=lambda row: best * Decimal(row[0]))
    return {**delta, "type": "snapshot", "data": data}


def _guessed(named: str) -> Spec:
    """Describe a market by its id alone."""
    category, _, name = named.partition("|")
    found = next((q for q in _QUOTES if name.endswith(q) and name != q), "")
    base, quote = name.removesuffix(found), "USDC" if found == "PERP" else found
    if category == "spot":
        return Spec(f"{base}/{quote}", base, quote, 1, 1, E8)
    inverse = category == "inverse"
    settle = base if inverse else quote
    return Spec(
        f"{base}/{quote}:{settle}", base, quote, 1, 1, E8, type="swap", settle=settle,
        linear=not inverse, inverse=inverse,
    )  # fmt: skip
