"""Real or written-down frames against an adapter: do they decode, into what, under which topic?

A folder is either a recording (meta.json, ws-N.jsonl.gz) or holds a frames.jsonl, whose lines are
something that the venue sent and what it must become:

    {"sheet": "5.1", "frame": {...}, "kind": "trades", "market": ["BTC/USDT", "BTCUSDT", "spot"],
     "topic": "...", "events": [{"type": "Trade", "id": "1", ...}]}
    {"sheet": "4", "frame": {"result": null, "id": 1}, "inbound": [{"type": "Ack", "about": "1"}]}
    {"sheet": "6.2", "snapshot": {...}, "market": [...], "events": [{"type": "BookUpdate", ...}]}
    {"sheet": "5.1", "history": [...], "kind": "trades", "market": [...], "events": [...]}
    {"sheet": "3", "answer": {...}, "endpoint": "public", "dial": {"url": "wss://..."}}

`snapshot`, `history` (also of a poll) and `answer` (to `ask_first`) are bodies of REST. An event
lists the fields that differ from their defaults, without `raw`; `timeframe`, `depth` and `channel`
(switches by name) belong to the subscription. `market` is [symbol, id, type], or a dict of ccxt's
market: what it leaves out follows from the symbol. `endpoint` is the one that the subscription
leads to, or the first one, if not named. A text that is not JSON is written as a JSON string.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from unified_ws.adapter import Adapter, Batch, Call, Event, Inbound, Kind, Market, Route, Sub
from unified_ws.core.quarantine import decode, reason_of
from unified_ws.errors import DecodeError

from ._check_events import HIDDEN, TAKEN, contradictory, mistyped, unlikely
from ._check_markets import (
    TYPES,
    CcxtMarket,
    ccxt_market,
    market_of,
    plain_subs,
    serves,
    usual,
    varied_subs,
    whole_subs,
)
from ._check_source import Fault

NOW_MS = 1_700_000_000_000
_SHOWN = 5
_LOOKED_AT = 2000
"""Events of a type in a recording whose values are looked at; of the rest each fiftieth."""


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """A line of frames.jsonl."""

    frame: msgspec.Raw = msgspec.Raw()
    snapshot: Any = None
    history: Any = None
    answer: Any = None
    sheet: str = ""
    kind: Kind | None = None
    market: tuple[str, str, str] | dict[str, Any] | None = None
    topic: str = ""
    timeframe: str = ""
    depth: int = 0
    channel: dict[str, str] = {}
    endpoint: str = ""
    events: list[dict[str, Any]] | None = None
    inbound: list[dict[str, Any]] | None = None
    dial: dict[str, Any] | None = None

    @property
    def wire(self) -> bytes:
        """The frame as it came."""
        raw = bytes(self.frame)
        return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw

    @property
    def described(self) -> CcxtMarket | None:
        """The market as ccxt has it."""
        if self.market is None:
            return None
        if isinstance(self.market, tuple):
            return ccxt_market(*self.market)
        fields = dict(self.market)
        return ccxt_market(
            fields.pop("symbol"), fields.pop("id"), fields.pop("type", ""), **fields
        )


class Kept(msgspec.Struct):
    """A good frame to spoil: where it came, and the markets that its endpoint knew."""

    frame: bytes
    endpoint: str
    symbols: Mapping[str, str] | None


class Read(msgspec.Struct):
    """What came of a folder: faults, a summary of it, what it shows, and frames to spoil."""

    faults: list[Fault]
    summary: str
    frames: list[Kept]
    markets: list[CcxtMarket]
    events: set[str]
    written: bool


class _Recorded(msgspec.Struct):
    dir: str
    raw: str


_written = msgspec.json.Decoder(Written)
_recorded = msgspec.json.Decoder(_Recorded)


def read(adapter: Adapter, folder: Path, *, inherited: bool = False) -> Read:
    """Read a folder of frames.

    Args:
        adapter: Whose frames they are.
        folder: A recording, or a folder that holds a frames.jsonl, or that file itself.
        inherited: The frames are those of the venue that this one is a twin of: what is about an
            endpoint, a kind or a market that the twin lacks is left out.
    """
    if (folder / "meta.json").exists():
        return _recording(adapter, folder)
    path = folder if folder.is_file() else folder / "frames.jsonl"
    if not path.exists():
        text = f"{folder} holds neither meta.json (a recording) nor frames.jsonl"
        return Read([Fault(text)], "", [], [], set(), written=True)
    return _Lines(adapter, path, inherited=inherited).read()


# --- frames.jsonl ----------------------------------------------------------------------------


class _Lines:
    """The lines of one file."""

    def __init__(self, adapter: Adapter, path: Path, *, inherited: bool) -> None:
        self.adapter = adapter
        self.venue = adapter.venue
        self.path = path
        self.inherited = inherited
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self.kept: list[Kept] = []

    def read(self) -> Read:
        """Judge every line."""
        lines = [(where, one) for where, one in self._parsed() if self._applies(one)]
        markets = {m["symbol"]: m for _, one in lines if (m := one.described) is not None}
        self.markets = list(markets.values())
        for where, one in lines:
            try:
                found = list(self._found(one))
            except Exception as error:  # whatever it does, the author gets a line for it
                found = [f"raised {reason_of(error)}"]
            self.faults += [Fault(text, where) for text in found]
        bodies = sum(not one.wire for _, one in lines)
        also = f" and {bodies} bodies" if bodies else ""
        summary = f"{len(lines) - bodies} written frames{also}: {_counted(self.counts)}"
        return Read(self.faults, summary, self.kept, self.markets, set(self.counts), written=True)

    def _parsed(self) -> Iterator[tuple[str, Written]]:
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            where = f"{self.path}:{number}"
            if not line.strip():
                continue
            try:
                one = _written.decode(line)
                _ = one.described
            except (msgspec.MsgspecError, KeyError, TypeError) as error:
                self.faults.append(Fault(f"is not a line of frames: {reason_of(error)}", where))
                continue
            bodies = (one.snapshot, one.history, one.answer)
            if bool(one.wire) + sum(body is not None for body in bodies) != 1:
                text = "must hold one of frame, snapshot, history and answer"
                self.faults.append(Fault(text, where))
                continue
            yield where, one

    def _applies(self, one: Written) -> bool:
        if not self.inherited:
            return True
        market = one.described
        here = not one.endpoint or one.endpoint in self.venue.endpoints
        known = market is None or any(
            serves(endpoint, market) for endpoint in self.venue.endpoints.values()
        )
        return here and known and (one.kind is None or one.kind in self.venue.kinds)

    def _found(self, one: Written) -> Iterator[str]:
        """Yield what is wrong with a line."""
        if one.endpoint and one.endpoint not in self.venue.endpoints:
            yield f'names an unknown endpoint "{one.endpoint}"'
            return
        if one.wire:
            yield from self._frame(one)
        elif one.answer is not None:
            yield from self._answer(one)
        else:
            yield from self._body(one)

    # a frame

    def _frame(self, one: Written) -> Iterator[str]:
        at = one.endpoint or self._endpoint(one)
        symbols = self._symbols(at)
        try:
            found = decode(self.adapter, one.wire, at, symbols.get)
            again = decode(self.adapter, one.wire, at, symbols.get)
        except DecodeError as error:
            yield f"does not decode: {error.reason}"
            return
        self.kept.append(Kept(one.wire, at, symbols))
        self.counts.update(_types(found))
        if [plain(item) for item in found] != [plain(item) for item in again]:
            yield "decodes differently the second time: decode() remembers something"
        if one.inbound is not None:
            yield from _unlike([plain(item) for item in found], one.inbound, "inbound")
        batches = [item for item in found if isinstance(item, Batch)]
        events = [event for batch in batches for event in batch.events]
        yield from judged(events)
        yield from self._foreign(events)
        if one.events is None:
            return
        yield from _unlike([plain(event) for event in events], one.events, "events")
        for batch in batches:
            if batch.topic != one.topic:
                yield f"comes back under topic {batch.topic!r}, expected {one.topic!r}"
        yield from self._of_its_kind(one, events)
        yield from self._not_routed(one, at)

    def _symbols(self, at: str) -> dict[str, str]:
        endpoint = self.venue.endpoints[at]
        return {
            self.adapter.wire_id(market): market["symbol"]
            for market in self.markets
            if serves(endpoint, market)
        }

    def _endpoint(self, one: Written) -> str:
        """Return where the subscription of a line leads to, or the first endpoint."""
        routes = [route for sub in self._subs(one) for route in self.adapter.route(sub)]
        # A kind may take another topic by default than the one that this line is about.
        routes.sort(key=lambda route: route.topic != one.topic)
        return next((route.endpoint for route in routes), next(iter(self.venue.endpoints)))

    def _subs(self, one: Written) -> Iterator[Sub]:
        if one.kind is None:
            return
        channel = {**usual(self.venue, one.kind), **one.channel}
        described = one.described
        market = market_of(self.adapter, described) if described is not None else None
        types = [market.type] if market else list(self.venue.market_types)
        for type_ in types:
            if market is not None:
                yield Sub(one.kind, market, type_, one.timeframe, one.depth, channel)
            if one.kind in self.venue.all_markets:
                yield Sub(one.kind, None, type_, one.timeframe, one.depth, channel)

    def _foreign(self, events: Sequence[Any]) -> Iterator[str]:
        known = {market["symbol"] for market in self.markets}
        for event in events:
            if getattr(event, "symbol", None) not in known:
                yield f"gives an event of {getattr(event, 'symbol', None)!r}, which is no market"

    def _of_its_kind(self, one: Written, events: Sequence[Event]) -> Iterator[str]:
        if one.kind is not None and events:
            taken = (*TAKEN[one.kind], *TAKEN.get(self.venue.derives.get(one.kind, one.kind), ()))
            if not any(isinstance(event, taken) for event in events):
                yield f"gives no event that {one.kind} takes"

    def _not_routed(self, one: Written, at: str) -> Iterator[str]:
        if one.kind is None:
            yield "expects events without naming the kind that asks for them"
            return
        topics = {
            route.topic
            for sub in self._subs(one)
            for route in self.adapter.route(sub)
            if route.endpoint == at
        }
        if one.topic not in topics:
            yield f"topic {one.topic!r} is not what route() gives: {', '.join(sorted(topics))}"

    # a body of REST

    def _body(self, one: Written) -> Iterator[str]:
        described = one.described
        if described is None:
            yield "is a body without the market that it is about"
            return
        market = market_of(self.adapter, described)
        body = one.snapshot if one.snapshot is not None else one.history
        before = deepcopy(body)
        if one.snapshot is not None:
            events: list[Event] = [self.adapter.snapshot(body, market)]
        else:
            route = self._backed(one)
            if route is None:
                yield "is a history, and no route of its kind has a history or a poll"
                return
            events = list(self.adapter.history(body, route, market))
            yield from self._of_its_kind(one, events)
            times = [t for event in events if (t := getattr(event, "timestamp_ms", None))]
            if times != sorted(times):
                yield "gives rows that are not the oldest first"
        if body != before:
            yield "is changed by being read"
        yield from judged(events)
        yield from self._foreign(events)
        self.counts.update(type(event).__name__ for event in events)
        if one.events is not None:
            yield from _unlike([plain(event) for event in events], one.events, "events")

    def _backed(self, one: Written) -> Route | None:
        routes = (route for sub in self._subs(one) for route in self.adapter.route(sub))
        return next((route for route in routes if route.history or route.poll), None)

    def _answer(self, one: Written) -> Iterator[str]:
        name = one.endpoint or next(
            (name for name, e in self.venue.endpoints.items() if e.ask_first), ""
        )
        if not name:
            yield "is an answer, and no endpoint asks first"
            return
        url, call = self.venue.endpoints[name].live, Call("7", NOW_MS, name)
        before = deepcopy(one.answer)
        found = plain(self.adapter.dial(url, call, one.answer))
        if one.answer != before:
            yield "is changed by being read"
        if found != plain(self.adapter.dial(url, call, one.answer)):
            yield "leads to another address the second time"
        if urlsplit(found["url"]).scheme not in ("ws", "wss"):
            yield f"leads to {found['url']}, which is not a WebSocket address"
        if one.dial is not None:
            yield from _unlike([found], [{"type": "Dial", **one.dial}], "dial")


# --- a recording -------------------------------------------------------------------------------


def _recording(adapter: Adapter, folder: Path) -> Read:
    meta = msgspec.json.decode((folder / "meta.json").read_bytes())
    faults: list[Fault] = []
    counts: Counter[str] = Counter()
    topics: dict[tuple[str, str], set[str]] = {}
    frames = bad = 0
    kept: dict[str, Kept] = {}
    for stream in meta["streams"]:
        at = _endpoint_of(adapter, str(stream.get("url", "")))
        for number, raw in _incoming(folder / stream["file"]):
            frames += 1
            where = f"{stream['file']}:{number}"
            try:
                # Nobody knows the markets of that day: each id stands for its own symbol.
                found = decode(adapter, raw, at, str)
            except DecodeError as error:
                bad += 1
                if bad <= _SHOWN:
                    faults.append(Fault(f"does not decode: {error.reason}", where))
                continue
            for item in found:
                if not isinstance(item, Batch):
                    counts[type(item).__name__] += 1
                    kept.setdefault(type(item).__name__, Kept(raw, at, None))
                    continue
                symbols = topics.setdefault((at, item.topic), set())
                for event in item.events:
                    name = type(event).__name__
                    kept.setdefault(name, Kept(raw, at, None))
                    counts[name] += 1
                    symbols.add(event.symbol)
                    if counts[name] <= _LOOKED_AT or counts[name] % 50 == 0:
                        wrong = (*judged([event]), *contradictory(event))
                        faults += [Fault(text, where) for text in wrong]
    if bad > _SHOWN:
        faults.append(Fault(f"{bad - _SHOWN} more frames do not decode"))
    faults += _foreign_topics(adapter, topics)
    summary = f"{frames} recorded frames, {frames - bad} decode: {_counted(counts)}"
    return Read(faults, summary, list(kept.values()), [], set(counts), written=False)


def _incoming(path: Path) -> Iterator[tuple[int, bytes]]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    for number, line in enumerate(lines, 1):
        one = _recorded.decode(line)
        if one.dir == "in":
            yield number, one.raw.encode()


def _endpoint_of(adapter: Adapter, url: str) -> str:
    """Return the endpoint of a recorded address: same host, and most of the path."""
    asked = urlsplit(url)

    def likeness(name: str) -> tuple[bool, int]:
        endpoint = adapter.venue.endpoints[name]
        best = (False, 0)
        for known in filter(None, (endpoint.live, endpoint.testnet, endpoint.demo)):
            parts = urlsplit(known)
            same = [a == b for a, b in zip(parts.path, asked.path, strict=False)]
            shared = same.index(False) if False in same else len(same)
            best = max(best, (parts.hostname == asked.hostname, shared))
        return best

    return max(adapter.venue.endpoints, key=likeness)  # the first of equals


def _foreign_topics(
    adapter: Adapter, topics: Mapping[tuple[str, str], set[str]]
) -> Iterator[Fault]:
    """Yield topics that no subscription of their own events' markets leads to."""
    routed: dict[tuple[str, str], set[str]] = {}
    for (at, topic), symbols in topics.items():
        for id_ in sorted(symbols)[:1]:
            if (at, id_) not in routed:
                routed[at, id_] = _topics_of(adapter, at, id_)
            if topic not in routed[at, id_]:
                yield Fault(f"topic {topic!r}, with events of {id_}, is none that route() gives")


def _topics_of(adapter: Adapter, at: str, id_: str) -> set[str]:
    """Return every topic of an endpoint that some market with this id leads to."""
    venue = adapter.venue
    found: set[str] = set()
    tails = {"spot": ("",), "margin": ("",)}
    for market_type in TYPES:
        if market_type not in venue.market_types:
            continue
        for tail in tails.get(market_type, (":USDT", ":BTC")):
            described = ccxt_market(f"BTC/USDT{tail}", id_, market_type)
            if not serves(venue.endpoints[at], described):
                continue
            # Sockets may use another id than REST; this one came over a socket.
            market = msgspec.structs.replace(_plain_market(described), wire_id=id_)
            for sub in (
                *plain_subs(venue, market), *varied_subs(venue, market), *whole_subs(venue)
            ):  # fmt: skip
                found |= {r.topic for r in adapter.route(sub) if r.endpoint == at}
    return found


def _plain_market(described: CcxtMarket) -> Market:
    fields = {"settle", "linear", "inverse", "type", "base", "quote", "symbol", "id"}
    return Market(contract_size=described["contractSize"], **{f: described[f] for f in fields})


# --- both ----------------------------------------------------------------------------------


def judged(events: Sequence[Any]) -> Iterator[str]:
    """Yield what is wrong with events by themselves."""
    for event in events:
        wrong = list(mistyped(event))
        yield from wrong or unlikely(event)


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields that differ from their defaults, as JSON has them."""
    found: dict[str, Any] = {"type": type(value).__name__}
    for field in msgspec.structs.fields(value):
        mine = getattr(value, field.name)
        if field.name in HIDDEN or mine == field.default:
            continue
        if field.name == "events":
            found[field.name] = [plain(event) for event in mine]
        elif field.name == "heartbeat":
            found[field.name] = mine.model_dump(exclude_defaults=True)
        elif isinstance(mine, bytes):
            found[field.name] = mine.decode("utf-8", "backslashreplace")
        elif isinstance(mine, frozenset):
            found[field.name] = sorted(mine)
        else:
            found[field.name] = msgspec.json.decode(msgspec.json.encode(mine))
    return found


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


def _types(found: Sequence[Inbound]) -> Iterator[str]:
    for item in found:
        if isinstance(item, Batch):
            yield from (type(event).__name__ for event in item.events)
        else:
            yield type(item).__name__


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "nothing in them"


__all__ = ["NOW_MS", "Kept", "Read", "Written", "judged", "plain", "read"]
