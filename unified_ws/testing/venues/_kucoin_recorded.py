"""Reading recordings of KuCoin: which frame belongs to which topic, books in mid-replay, markets.

Section numbers are those of the project's protocol sheet for KuCoin.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping

import msgspec

from ..market import E8, Spec
from ..side import Recorded, VenueSide
from ._kucoin_markets import coin, listed, parse

_BOOK = re.compile(r"/orderbook/level2(_\d+)?$|/level2/(snapshot|depth\d+)$")
_LISTS = ("symbols", "contracts/active", "market/allTickers", "currencies")
_CONTRACT = re.compile(r"([A-Z0-9]+?)(USDT|USDC|USD)?M([FGHJKMNQUVXZ]\d\d)?")


class _Frame(msgspec.Struct):
    topic: str = ""
    T: str = ""
    dp: str = ""
    d: dict[str, object] = {}


class _Request(msgspec.Struct):
    type: str = ""
    topic: str = ""


class _Changes(msgspec.Struct):
    asks: list[list[str]]
    bids: list[list[str]]


class _Delta(msgspec.Struct):
    changes: _Changes
    sequenceStart: int
    sequenceEnd: int


class _Update(msgspec.Struct):
    data: _Delta


_frame = msgspec.json.Decoder(_Frame, strict=False)
_request = msgspec.json.Decoder(_Request)
_update = msgspec.json.Decoder(_Update)


def split(topic: str) -> list[str]:
    """Return the topics of a request, which joins markets by commas (4.1)."""
    channel, _, markets = topic.partition(":")
    return [f"{channel}:{market}" for market in markets.split(",")] if markets else [topic]


class RecordedKuCoin(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by the recorded list of them, else by their ids."""
        rows = msgspec.json.decode(books["symbols"])["data"] if "symbols" in books else ()
        known = {row["symbol"]: listed(row) for row in rows}
        return [known.get(one) or _guessed(one) for one in market_ids]

    @classmethod
    def recorded_topics(
        cls, url: str, sent: Iterable[bytes]  # noqa: ARG003 - requests say it
    ) -> list[str]:
        """Return the topics of recorded requests (4.1)."""
        topics: dict[str, None] = {}
        for raw in sent:
            with contextlib.suppress(msgspec.DecodeError):
                request = _request.decode(raw)
                if request.type == "subscribe":
                    topics |= dict.fromkeys(split(request.topic))
        return [topic for topic in topics if parse(topic)]

    @classmethod
    def identify(
        cls, raw: bytes, topics: Collection[str], url: str = ""  # noqa: ARG003 - the frame says it
    ) -> Recorded | None:
        """Find the topic: the frame says it, that of UTA in parts."""
        with contextlib.suppress(msgspec.DecodeError):
            frame = _frame.decode(raw)
            topic = frame.topic
            if frame.T:
                depth = f"@{frame.dp}" if frame.dp else ""
                interval = f"_{frame.d['i']}" if frame.T.startswith("kline.") else ""
                topic = f"{frame.T}{depth}:{frame.d.get('s')}{interval}"
            if parse(topic):
                return Recorded(topic, raw)
        return None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the venue's id of the market of a topic."""
        stream = parse(topic)
        return stream.market_id if stream and stream.market_id != "all" else None

    @classmethod
    def rest_key(
        cls, path: str, query: Mapping[str, str], host: str = ""
    ) -> str:
        """Name books by their market, whatever their depth; lists by what they list."""
        if _BOOK.search(path):
            return f"book:{query.get('symbol', '')}"
        found = next((name for name in _LISTS if path.endswith(f"/{name}")), "")
        return found or super().rest_key(path, query, host)

    @classmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the key of the book that changes begin from."""
        stream = parse(topic)
        if stream is None or stream.channel not in ("/market/level2", "/contractMarket/level2"):
            return None
        return f"book:{stream.market_id}"

    @classmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply changes of spot by the rules of section 8.1."""
        answer = msgspec.json.decode(body)
        book = answer["data"]
        last = int(book["sequence"])
        sides = {name: dict(book[name]) for name in ("bids", "asks")}
        for payload in payloads:
            delta = _update.decode(payload).data
            if delta.sequenceEnd <= last:
                continue
            if delta.sequenceStart > last + 1:
                return None
            for name, rows in (("bids", delta.changes.bids), ("asks", delta.changes.asks)):
                for price, size, _ in sorted(rows, key=lambda row: int(row[2])):
                    if float(price):
                        sides[name][price] = size
            last = delta.sequenceEnd
        for name, levels in sides.items():
            rows = [[price, size] for price, size in levels.items() if float(size)]
            rows.sort(key=lambda row: float(row[0]), reverse=name == "bids")
            book[name] = rows
        book["sequence"] = str(last)
        return msgspec.json.encode(answer)

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Lists are made anew: recorded ones hold hundreds of markets of no recording."""
        return key not in _LISTS


def _guessed(market_id: str) -> Spec:
    """Describe a market by its id alone."""
    if "-" in market_id:
        base, _, quote = market_id.partition("-")
        return Spec(f"{base}/{quote}", base, quote, 1, 1, E8)
    found = _CONTRACT.fullmatch(market_id)
    base, quote = (found[1], found[2] or "USD") if found else (market_id, "USD")
    base = next((code for code in ("BTC",) if coin(code) == base), base)
    settle = base if quote == "USD" else quote
    return Spec(
        f"{base}/{quote}:{settle}", base, quote, 1, E8, E8, type="swap", settle=settle,
        linear=settle == quote, inverse=settle == base,
    )  # fmt: skip


__all__ = ["RecordedKuCoin", "split"]
