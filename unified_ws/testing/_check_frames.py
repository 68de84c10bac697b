"""Written-down frames against an adapter: do they decode, into what, under which topic?

The lines of a frames.jsonl are something that the venue sent and what it must become:

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

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from unified_ws.adapter import Adapter, Batch, Call, Event, Inbound, Kind, Route, Sub
from unified_ws.core.quarantine import decode, reason_of
from unified_ws.errors import DecodeError

from ._check_events import HIDDEN, TAKEN, mistyped, unlikely
from ._check_markets import CcxtMarket, ccxt_market, market_of, serves, usual
from ._check_source import Fault

NOW_MS = 1_700_000_000_000


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


_written = msgspec.json.Decoder(Written)


def read(adapter: Adapter, path: Path, *, inherited: bool = False) -> Read:
    """Read a frames.jsonl.

    Args:
        adapter: Whose frames they are.
        path: The file.
        inherited: The frames are those of the venue that this one is a twin of: what is about an
            endpoint, a kind or a market that the twin lacks is left out.
    """
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
        summary = f"{len(lines) - bodies} written frames{also}: {counted(self.counts)}"
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
        endpoints = self.venue.endpoints
        here = not one.endpoint or one.endpoint in endpoints
        if one.answer is not None and not any(e.ask_first for e in endpoints.values()):
            return False
        known = market is None or any(
            serves(endpoint, market) for endpoint in endpoints.values()
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


# --- what is the same for recordings -----------------------------------------------------------


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
        absent = field.default_factory() if callable(field.default_factory) else field.default
        if field.name in HIDDEN or mine == absent:
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


def counted(counts: Mapping[str, int]) -> str:
    """Say how many of each there are."""
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "nothing in them"


__all__ = ["NOW_MS", "Kept", "Read", "Written", "counted", "judged", "plain", "read"]
