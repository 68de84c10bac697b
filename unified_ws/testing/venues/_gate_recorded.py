"""Reading recordings of Gate: which frame belongs to which topic, snapshots, markets.

Section numbers are those of the project's protocol sheet for Gate.
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
from ._gate_markets import ADDRESSES, listed, parse, topic_of, topics_of

_LISTS = ("currency_pairs", "contracts")


class _Request(msgspec.Struct):
    channel: str = ""
    event: str = ""
    payload: list[str] = []


class _Frame(msgspec.Struct):
    channel: str = ""
    event: str = ""
    result: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct):
    """The fields of a payload that tell its topic."""

    s: str = ""
    n: str = ""
    level: str = msgspec.field(default="", name="l")
    contract: str = ""
    currency_pair: str = ""


_request = msgspec.json.Decoder(_Request)
_frame = msgspec.json.Decoder(_Frame)
_named = msgspec.json.Decoder(_Named)
_many = msgspec.json.Decoder(list[msgspec.Raw])


class RecordedGate(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by the recorded lists, else by their ids."""
        known: dict[str, Spec] = {}
        wanted = set(market_ids)
        for key, body in books.items():
            address, _, call = key.partition("|")
            if call in _LISTS:
                for row in msgspec.json.decode(body):
                    name = f"{address}|{row.get('id') or row['name']}"
                    if name in wanted:
                        known[name] = listed(address, row)
        return [known.get(one) or _guessed(one) for one in sorted(wanted)]

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return the topics of recorded requests (section 4)."""
        topics: dict[str, None] = {}
        for raw in sent:
            with contextlib.suppress(msgspec.DecodeError):
                one = _request.decode(raw)
                if one.event == "subscribe":
                    topics |= dict.fromkeys(topics_of(address_in(url), one.channel, one.payload))
        return [topic for topic in topics if parse(topic)]

    @classmethod
    def identify(
        cls, raw: bytes, topics: Collection[str], url: str = ""
    ) -> Recorded | Sequence[Recorded] | None:
        """Find the topic: by channel and market, and by level where a frame says it."""
        try:
            frame = _frame.decode(raw)
        except msgspec.DecodeError:
            return None
        if frame.event not in ("update", "all"):
            return None
        rows = _many.decode(frame.result) if bytes(frame.result)[:1] == b"[" else [frame.result]
        found: dict[str, list[msgspec.Raw]] = {}
        for row in rows:
            topic = _topic(frame.channel, _named.decode(row), topics, address_in(url))
            if topic:
                found.setdefault(topic, []).append(row)
        if len(found) == 1:
            return Recorded(next(iter(found)), raw)
        body = msgspec.json.decode(raw)
        return [
            Recorded(topic, msgspec.json.encode({**body, "result": mine}))
            for topic, mine in found.items()
        ]

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the venue's id of a market with its address: the id alone may mean two."""
        stream = parse(topic)
        return f"{stream.address}|{stream.market_id}" if stream else None

    @classmethod
    def rest_key(
        cls,
        path: str,
        query: Mapping[str, str],
        host: str = "",  # noqa: ARG003 - all hosts answer alike
    ) -> str:
        """Name a request by address, call and market: limits do not matter."""
        section, _, call = path.removeprefix("/api/v4/").partition("/")
        address = section
        if section in ("futures", "delivery"):
            settle, _, call = call.partition("/")
            address = settle if section == "futures" else f"delivery/{settle}"
        name = query.get("currency_pair") or query.get("contract", "")
        return f"{address}|{call}:{name}" if name else f"{address}|{call}"

    @classmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the key of the order book of REST behind a topic of changes (section 7.2)."""
        stream = parse(topic)
        if stream is None or stream.channel != "order_book_update":
            return None
        return f"{stream.address}|order_book:{stream.market_id}"

    @classmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply changes by the rules of section 7.2."""
        book = msgspec.json.decode(body)
        objects = any(isinstance(row, dict) for row in (*book["bids"], *book["asks"]))
        sides = {name: dict(map(_pair, book[name])) for name in ("bids", "asks")}
        last_id: int = book["id"]
        for payload in payloads:
            change = msgspec.json.decode(payload)["result"]
            if change["u"] <= last_id:
                continue
            if change["U"] > last_id + 1:
                return None
            last_id = change["u"]
            for name in sides:
                sides[name] |= dict(map(_pair, change.get(name[0]) or ()))
        for name, side in sides.items():
            rows = _sorted(side, name)
            book[name] = [{"p": p, "s": s} for p, s in rows] if objects else rows
        return msgspec.json.encode({**book, "id": last_id})

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Return the snapshot that an obu would send now (section 7.1)."""
        stream = parse(topic)
        if stream is None or stream.channel != "obu":
            return ()
        frame: dict[str, Any] = {}
        sides: dict[str, dict[str, Any]] = {"b": {}, "a": {}}
        for payload in payloads:
            frame = msgspec.json.decode(payload)
            for name, side in sides.items():
                if frame["result"].get("full"):
                    side.clear()
                side |= dict(map(_pair, frame["result"].get(name) or ()))
        rows = {"b": _sorted(sides["b"], "bids"), "a": _sorted(sides["a"], "asks")}
        result = {k: v for k, v in frame["result"].items() if k != "U"}
        return (msgspec.json.encode({**frame, "result": {**result, "full": True, **rows}}),)

    @classmethod
    def fit(cls, body: bytes, query: Mapping[str, str]) -> bytes:
        """Cut a snapshot to the `limit` of a request; one that is short enough stays as it is."""
        limit, book = int(query.get("limit", "10")), msgspec.json.decode(body)
        if max(len(book["bids"]), len(book["asks"])) <= limit:
            return body
        cut = {name: book[name][:limit] for name in ("asks", "bids")}
        return msgspec.json.encode({**book, **cut})

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Lists of markets are made anew: they hold hundreds of markets of no recording."""
        return key.partition("|")[2] not in _LISTS


def address_in(url: str) -> str:
    """Return the address of a socket (section 1)."""
    parts = urlsplit(url)
    return ADDRESSES.get((parts.hostname or "", parts.path.strip("/")), "spot")


def _topic(channel: str, named: _Named, topics: Collection[str], address: str) -> str | None:
    name = named.contract or named.currency_pair or named.n or named.s
    kind = channel.partition(".")[2]
    if kind not in ("order_book", "order_book_update"):
        topic = topic_of(address, channel, (name,))
        return topic if parse(topic) else None
    # Frames do not tell their interval, those of 2023 not even their level: what was asked for does.
    prefix = f"{address}|{channel}:{name}:"
    level = f":{named.level}" if named.level and address != "spot" else ""
    return next((t for t in topics if t.startswith(prefix) and (level + ":" in t + ":")), None)


def _pair(row: Any) -> tuple[str, Any]:
    return (row["p"], row["s"]) if isinstance(row, dict) else (row[0], row[1])


def _sorted(side: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    kept = [(price, size) for price, size in side.items() if Decimal(str(size))]
    return sorted(kept, key=lambda row: Decimal(row[0]), reverse=name == "bids")


def _guessed(named: str) -> Spec:
    """Describe a market by its id alone."""
    address, _, name = named.partition("|")
    base, quote, *_ = name.split("_")
    if address == "spot":
        return Spec(f"{base}/{quote}", base, quote, 1, 1, E8)
    row = {
        "name": name, "quanto_multiplier": "1", "order_price_round": "0.0001", "last_price": "1",
    }  # fmt: skip
    return listed(address, row)
