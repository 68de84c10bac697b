"""Real or written-down frames against an adapter: do they decode, into what, under which topic?

A folder is either a recording (meta.json, ws-N.jsonl.gz) or holds a frames.jsonl, whose lines are
a frame and what it must become:

    {"sheet": "5.1", "frame": {...}, "kind": "trades", "market": ["BTC/USDT", "BTCUSDT", "spot"],
     "topic": "...", "events": [{"type": "Trade", "id": "1", ...}]}
    {"sheet": "4", "frame": {"result": null, "id": 1}, "inbound": [{"type": "Ack", "about": "1"}]}

An event lists the fields that differ from their defaults, without `raw`; `timeframe` and `channel`
(switches by name) belong to the subscription, `endpoint` is the only or first one if not named.
A text that is not JSON is written as a JSON string.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from unified_ws.adapter import Adapter, Batch, Inbound, Kind, Market, Sub
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError

from ._check_markets import routed_topics, usual
from ._check_source import Fault

_HIDDEN = frozenset({"raw", "as_ccxt", "received_ns"})
_SHOWN = 5


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """A line of frames.jsonl."""

    frame: msgspec.Raw
    sheet: str = ""
    kind: Kind | None = None
    market: tuple[str, str, str] | None = None
    topic: str = ""
    timeframe: str = ""
    channel: dict[str, str] = {}
    endpoint: str = ""
    events: list[dict[str, Any]] | None = None
    inbound: list[dict[str, Any]] | None = None

    @property
    def wire(self) -> bytes:
        """The frame as it came."""
        raw = bytes(self.frame)
        return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw


class Read(msgspec.Struct):
    """What came of a folder: faults, a summary of it, and frames to spoil."""

    faults: list[Fault]
    summary: str
    frames: list[bytes]
    markets: list[Market]


class _Recorded(msgspec.Struct):
    dir: str
    raw: str


_written = msgspec.json.Decoder(Written)
_recorded = msgspec.json.Decoder(_Recorded)


def read(adapter: Adapter, folder: Path) -> Read:
    """Read a folder of frames."""
    if (folder / "meta.json").exists():
        return _recording(adapter, folder)
    path = folder if folder.is_file() else folder / "frames.jsonl"
    if not path.exists():
        text = f"{folder} holds neither meta.json (a recording) nor frames.jsonl"
        return Read([Fault(text)], "", [], [])
    return _lines(adapter, path)


# --- frames.jsonl ----------------------------------------------------------------------------


def _lines(adapter: Adapter, path: Path) -> Read:
    faults: list[Fault] = []
    written: list[tuple[str, Written]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        where = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            written.append((where, _written.decode(line)))
        except msgspec.MsgspecError as error:
            faults.append(Fault(f"is not a line of frames: {error}", where))
    symbols = {one.market[1]: one.market[0] for _, one in written if one.market}
    counts: Counter[str] = Counter()
    for where, one in written:
        try:
            found = decode(adapter, one.wire, _endpoint(adapter, one), symbols.get)
        except DecodeError as error:
            faults.append(Fault(f"does not decode: {error.reason}", where))
            continue
        counts.update(_types(found))
        faults += [Fault(text, where) for text in _differences(adapter, one, found)]
    made = {m[1]: Market(*m) for _, w in written if (m := w.market)}
    summary = f"{len(written)} written frames: {_counted(counts)}"
    return Read(faults, summary, [one.wire for _, one in written], list(made.values()))


def _endpoint(adapter: Adapter, one: Written) -> str:
    return one.endpoint or next(iter(adapter.venue.endpoints))


def _differences(adapter: Adapter, one: Written, found: Sequence[Inbound]) -> Iterator[str]:
    if one.inbound is not None:
        yield from _unlike([_plain(item) for item in found], one.inbound, "inbound")
    if one.events is None:
        return
    batches = [item for item in found if isinstance(item, Batch)]
    events = [_plain(event) for batch in batches for event in batch.events]
    yield from _unlike(events, one.events, "events")
    for batch in batches:
        if batch.topic != one.topic:
            yield f"comes back under topic {batch.topic!r}, expected {one.topic!r}"
    yield from _not_routed(adapter, one)


def _not_routed(adapter: Adapter, one: Written) -> Iterator[str]:
    if one.kind is None:
        yield "expects events without naming the kind that asks for them"
        return
    market = Market(*one.market) if one.market else None
    channel = {**usual(adapter.venue, one.kind), **one.channel}
    market_type = market.type if market else adapter.venue.market_types[0]
    subs = [Sub(one.kind, market, market_type, one.timeframe, channel=channel)]
    if one.kind in adapter.venue.all_markets:
        subs.append(Sub(one.kind, None, market_type, one.timeframe, channel=channel))
    topics = {route.topic for sub in subs for route in adapter.route(sub)}
    if one.topic not in topics:
        yield f"topic {one.topic!r} is not what route() gives: {', '.join(sorted(topics))}"


def _unlike(
    found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], what: str
) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"gives {len(found)} {what}, expected {len(expected)}"
        return
    for number, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        for key in dict.fromkeys((*theirs, *mine)):
            if mine.get(key) != theirs.get(key):
                said = f"{mine.get(key)!r}, expected {theirs.get(key)!r}"
                yield f"{what}[{number}].{key} is {said}"


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that differ from their defaults, as JSON has them."""
    found: dict[str, Any] = {"type": type(value).__name__}
    for field in msgspec.structs.fields(value):
        mine = getattr(value, field.name)
        if field.name in _HIDDEN or mine == field.default:
            continue
        if field.name == "events":
            found[field.name] = [_plain(event) for event in mine]
        else:
            found[field.name] = msgspec.json.decode(msgspec.json.encode(mine))
    return found


# --- a recording -------------------------------------------------------------------------------


def _recording(adapter: Adapter, folder: Path) -> Read:
    meta = msgspec.json.decode((folder / "meta.json").read_bytes())
    faults: list[Fault] = []
    counts: Counter[str] = Counter()
    topics: dict[str, set[str]] = {}
    frames = bad = 0
    kept: dict[str, bytes] = {}
    for stream in meta["streams"]:
        at = _endpoint_of(adapter, str(stream.get("url", "")))
        for number, raw in _incoming(folder / stream["file"]):
            frames += 1
            try:
                # Nobody knows the markets of that day: each id stands for its own symbol.
                found = decode(adapter, raw, at, str)
            except DecodeError as error:
                bad += 1
                if bad <= _SHOWN:
                    where = f"{stream['file']}:{number}"
                    faults.append(Fault(f"does not decode: {error.reason}", where))
                continue
            types = list(_types(found))
            counts.update(types)
            for name in types:
                kept.setdefault(name, raw)
            for item in found:
                if isinstance(item, Batch):
                    symbols = topics.setdefault(item.topic, set())
                    symbols.update(event.symbol for event in item.events)
    if bad > _SHOWN:
        faults.append(Fault(f"{bad - _SHOWN} more frames do not decode"))
    faults += _foreign_topics(adapter, topics)
    summary = f"{frames} recorded frames, {frames - bad} decode: {_counted(counts)}"
    return Read(faults, summary, list(kept.values()), [])


def _incoming(path: Path) -> Iterator[tuple[int, bytes]]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    for number, line in enumerate(lines, 1):
        one = _recorded.decode(line)
        if one.dir == "in":
            yield number, one.raw.encode()


def _endpoint_of(adapter: Adapter, url: str) -> str:
    host = urlsplit(url).hostname
    endpoints = adapter.venue.endpoints
    for name, endpoint in endpoints.items():
        urls = (endpoint.live, endpoint.testnet, endpoint.demo)
        if host in {urlsplit(known).hostname for known in urls if known}:
            return name
    return next(iter(endpoints))


def _foreign_topics(adapter: Adapter, topics: Mapping[str, set[str]]) -> Iterator[Fault]:
    """Yield topics that no subscription of their own events' markets leads to."""
    routed: dict[str, set[str]] = {}
    for topic, symbols in topics.items():
        for symbol in sorted(symbols)[:1]:
            if symbol not in routed:
                market = Market(symbol, symbol, adapter.venue.market_types[0])
                routed[symbol] = routed_topics(adapter, market)
            if topic not in routed[symbol]:
                yield Fault(f"topic {topic!r}, with events of {symbol}, is none that route() gives")


# --- both ----------------------------------------------------------------------------------


def _types(found: Sequence[Inbound]) -> Iterator[str]:
    for item in found:
        if isinstance(item, Batch):
            yield from (type(event).__name__ for event in item.events)
        else:
            yield type(item).__name__


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "nothing in them"


__all__ = ["Read", "Written", "read"]
