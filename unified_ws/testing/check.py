"""Does a venue's file conform to the border? One file is enough to know.

Nothing is connected to and no venue is named: facts, source, routes, requests, garbage, the
methods of the installed ccxt, and frames where there are some.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from unified_ws import registry, venue_files
from unified_ws.adapter import Adapter, Batch, Beat, Call, Kind, Market, Pong, Route, Sub, Venue
from unified_ws.ccxt_ids import ccxt_ids
from unified_ws.core.quarantine import decode
from unified_ws.errors import CCXT_ERRORS, AdapterError, DecodeError
from unified_ws.rest import RestBridge

from . import _check_frames as frames_
from . import _check_markets as markets_
from . import _check_source as source_
from ._check_source import Fault

_ID = re.compile(r"[a-z0-9_]+")
_SHOWN = 5
_NOW_MS = 1_700_000_000_000
_MANY = 100
_GARBAGE: tuple[bytes, ...] = (
    b"", b" ", b"{", b"}", b"{}", b"[]", b"[[]]", b"[null]", b"null", b"true", b'"', b'{"', b"NaN",
    b'{"data":', b'{"data":null}', b'{"data":[]}', b'[{"data":{}}]', b"\xff\xfe\x00", b"\x00" * 64,
    b"[" * 100_000, random.Random(7).randbytes(64), random.Random(8).randbytes(4096),
)  # fmt: skip
Faults: TypeAlias = Iterator[Fault]


class Line(NamedTuple):
    """One rule and whether it holds; `where` is file:line if that can be told."""

    ok: bool
    text: str
    where: str = ""

    def __str__(self) -> str:
        place = f"  [{self.where}]" if self.where else ""
        return f"{'✓' if self.ok else '✗'} {self.text}{place}"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check has found."""

    lines: list[Line]

    @property
    def ok(self) -> bool:
        """Say whether every rule holds."""
        return all(line.ok for line in self.lines)

    def __str__(self) -> str:
        failed = sum(not line.ok for line in self.lines)
        verdict = f"{failed} faults: it does not conform" if failed else "it conforms"
        return "\n".join([*map(str, self.lines), verdict])


def check(adapter: str | Path | type[Adapter], frames: str | Path | None = None) -> Report:
    """Check one venue's file, or one adapter.

    Args:
        adapter: "path/to/venue.py" (all adapters in it, or one with ":Class"), an `Adapter`
            class, or an id.
        frames: A recording, or a folder that holds a frames.jsonl (see `_check_frames`).

    Raises:
        UnknownVenue: Nobody answers to the id.
    """
    try:
        classes = _classes(adapter)
    except venue_files.BadVenue as error:
        return Report([Line(False, str(error))])
    lines = []
    for cls in classes:
        lines += _Check(cls, Path(frames) if frames is not None else None).run()
    return Report(lines)


def _classes(adapter: str | Path | type[Adapter]) -> list[type[Adapter]]:
    if isinstance(adapter, str) and venue_files.is_path(adapter):
        path, name = venue_files.split(adapter)
        return [venue_files.load(path, name)] if name else venue_files.load_all(path)
    if isinstance(adapter, Path):
        return venue_files.load_all(adapter)
    return [registry.resolve(adapter)]


class _Check:
    """The rules, for one adapter."""

    def __init__(self, cls: type[Adapter], frames: Path | None) -> None:
        self.cls = cls
        self.venue: Venue = cls.venue
        self.adapter = cls()
        self.path = inspect.getsourcefile(cls) or cls.__module__
        self.frames = frames
        self.read: frames_.Read | None = None
        self.markets: list[Market] = []
        self.routes: list[tuple[Sub, Route]] = []
        self.style = markets_.STYLES[0]

    def run(self) -> list[Line]:
        """Apply every rule, and say what holds."""
        tree = ast.parse(Path(self.path).read_bytes())
        rules: list[tuple[Callable[[], Iterable[Fault]], Callable[[], str]]] = [
            (self._facts, lambda: f"{self.venue.id}: the facts are sound"),
            (lambda: source_.foreign_imports(tree), lambda: "it imports only what it may"),
            (lambda: source_.memory(tree), lambda: "it remembers nothing and swallows nothing"),
            (lambda: source_.documentation(tree), lambda: "it says where its knowledge is from"),
            (self._frames, lambda: self.read.summary if self.read else "no frames were given"),
            (self._routing, lambda: f"{len(self.routes)} routes: every kind, timeframe and switch"),
            (self._topics, lambda: "no topic means two markets or two timeframes"),
            (self._backing, lambda: "snapshot() and history() are there where routes need them"),
            (self._requests, lambda: "requests keep to the limits and are text"),
            (self._garbage, lambda: f"{len(self._bad_frames())} broken frames do no harm"),
            (self._rest, lambda: "ccxt has its methods and timeframes"),
            (self._stateless, lambda: "nothing of all this was kept"),
        ]
        lines: list[Line] = []
        for rule, held in rules:
            lines += self._judged(rule, held)
        return lines

    def _judged(self, rule: Callable[[], Iterable[Fault]], held: Callable[[], str]) -> list[Line]:
        try:
            faults = list(rule())
        except Exception as error:  # whatever the file does, its author gets a line
            faults = [Fault(f"raised {_said(error)}", _line_of(error, self.path))]
        if not faults:
            return [Line(True, held())]
        shown = [Line(False, f.text, self._where(f.line)) for f in faults[:_SHOWN]]
        if len(faults) > _SHOWN:
            shown.append(Line(False, f"and {len(faults) - _SHOWN} more of that kind"))
        return shown

    def _where(self, line: int | str | None) -> str:
        return line if isinstance(line, str) else f"{self.path}:{line}" if line else self.path

    def _def(self, name: str) -> int:
        """Return the line where a method is defined."""
        function = getattr(self.cls, name)
        return int(function.__code__.co_firstlineno)

    # --- facts --------------------------------------------------------------------------------

    def _facts(self) -> Faults:
        venue = self.venue
        for name in (venue.id, *venue.aliases):
            if not _ID.fullmatch(name):
                yield Fault(f'id "{name}" must be lower-case letters, digits and underscores')
        if venue.ccxt_id not in ccxt_ids():
            yield Fault(f'ccxt_id "{venue.ccxt_id}" is no exchange of the installed ccxt')
        if not venue.evidence:
            yield Fault("evidence is empty: say what the facts rest on")
        if not venue.kinds or not venue.endpoints:
            yield Fault("it declares no kinds or no endpoints")
        for name, endpoint in venue.endpoints.items():
            for url in filter(None, (endpoint.live, endpoint.testnet, endpoint.demo)):
                if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
                    yield Fault(f'endpoint "{name}": {url} is not a WebSocket address')
            if endpoint.heartbeat.by == "message" and self.cls.ping is Adapter.ping:
                yield Fault(f'endpoint "{name}" declares a ping message without ping()')
        for kind in sorted({*venue.all_markets, *venue.switches} - venue.kinds):
            yield Fault(f'"{kind}" is in all_markets or switches and not in kinds')
        if Kind.OHLCV in venue.kinds and not venue.timeframes:
            yield Fault("it declares candles without timeframes")
        yield from self._switches()

    def _switches(self) -> Faults:
        for kind, switches in self.venue.switches.items():
            for name, switch in switches.items():
                for value in (switch.default, *switch.defaults.values()):
                    if value not in switch.values:
                        yield Fault(f'{kind} "{name}": {value!r} is a default and not a value')

    # --- routes ---------------------------------------------------------------------------

    def _routing(self) -> Faults:
        self.style = next(filter(self._routes_all, markets_.STYLES), markets_.STYLES[0])
        for market_type in self.venue.market_types:
            made = markets_.samples(market_type, self.style)
            mine = [market for market in made if markets_.served(self.venue, market)]
            if not mine:
                yield Fault(f'no endpoint serves a market of type "{market_type}"')
            self.markets += mine
        known = {market.symbol for market in self.markets}
        self.markets += [
            m for m in (self.read.markets if self.read else ()) if m.symbol not in known
        ]
        for market in self.markets:
            for sub in (
                *markets_.plain_subs(self.venue, market), *markets_.varied_subs(self.venue, market)
            ):  # fmt: skip
                yield from self._routed(sub)
        for sub in markets_.whole_subs(self.venue):
            yield from self._routed(sub)

    def _routes_all(self, style: str) -> bool:
        """Say whether an adapter can read market ids that are written in this style."""
        for market_type in self.venue.market_types:
            for market in markets_.samples(market_type, style):
                for sub in markets_.plain_subs(self.venue, market):
                    try:
                        self.adapter.route(sub)
                    except Exception:  # told about by `_routing`, which takes the last resort
                        return False
        return True

    def _routed(self, sub: Sub) -> Faults:
        line = self._def("route")
        what = f"route({markets_.named(sub)})"
        try:
            routes = list(self.adapter.route(sub))
            again = list(self.adapter.route(sub))
        except Exception as error:  # the author gets a line for each
            yield Fault(f"{what} raised {_said(error)}", _line_of(error, self.path) or line)
            return
        if not routes:
            yield Fault(f"{what} leads nowhere", line)
        if routes != again:
            yield Fault(f"{what} differs from call to call", line)
        for route in routes:
            endpoint = self.venue.endpoints.get(route.endpoint)
            if endpoint is None:
                yield Fault(f'{what} names an unknown endpoint "{route.endpoint}"', line)
            elif sub.market is not None and not markets_.serves(endpoint, sub.market):
                yield Fault(f'{what}: "{route.endpoint}" does not serve that market', line)
            if not route.topic:
                yield Fault(f"{what} has an empty topic", line)
            if route.private:
                yield Fault(f"{what} is private, and this kind is public", line)
            self.routes.append((sub, route))

    def _topics(self) -> Faults:
        seen: dict[tuple[str, str], Sub] = {}
        for sub, route in self.routes:
            if sub.market is None:
                continue
            first = seen.setdefault((route.endpoint, route.topic), sub)
            same = first.market == sub.market
            if not same or (first.kind is sub.kind and first.timeframe != sub.timeframe):
                both = f"{markets_.named(first)} and {markets_.named(sub)}"
                yield Fault(f"topic {route.topic!r} stands for {both}", self._def("route"))

    def _backing(self) -> Faults:
        declared = self.venue.rest_methods
        told: set[str] = set()
        for sub, route in self.routes:
            snapshot, history = route.snapshot, route.history
            calls = [snapshot.method] if snapshot else []
            if history:
                calls += [rest.method for rest in (history.recent, history.after) if rest]
            faults = [f"{name} is not in rest_methods" for name in calls if name not in declared]
            if snapshot and self.cls.snapshot is Adapter.snapshot:
                faults.append("a route has a snapshot and the adapter no snapshot()")
            if snapshot and list(snapshot.limits) != sorted(snapshot.limits):
                faults.append("the limits of a snapshot are not ascending")
            if history and self.cls.history is Adapter.history:
                faults.append("a route has a history and the adapter no history()")
            if history and history.after and not history.from_param:
                faults.append("a history continues after an id without from_param")
            for fault in faults:
                if fault not in told:
                    told.add(fault)
                    yield Fault(f"{fault} ({markets_.named(sub)})", self._def("route"))

    # --- requests ---------------------------------------------------------------------------

    def _requests(self) -> Faults:
        for name, topics in self._batches().items():
            limits = self.venue.endpoints[name].limits
            size = min(limits.topics_per_request or _MANY, len(topics))
            for chosen in (topics[:1], topics[:size]):
                asked = self.adapter.request("subscribe", chosen, Call("7", _NOW_MS))
                ended = self.adapter.request("unsubscribe", chosen, Call("7", _NOW_MS))
                for frame in (asked, ended):
                    yield from self._request(frame, len(chosen), limits.request_bytes)
                if asked == ended:
                    yield Fault("subscribe and unsubscribe are the same", self._def("request"))

    def _batches(self) -> dict[str, list[str]]:
        """Return for each endpoint as many topics of one group as a request may hold."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        bases = [f"COIN{n}" for n in range(_MANY)]
        for market_type in self.venue.market_types:
            for market in markets_.samples(market_type, self.style, bases):
                if not markets_.served(self.venue, market):
                    continue
                for sub in markets_.plain_subs(self.venue, market):
                    for route in self.adapter.route(sub):
                        found.setdefault((route.endpoint, route.group), {})[route.topic] = None
        largest: dict[str, list[str]] = {}
        for (endpoint, _group), topics in found.items():
            largest[endpoint] = max(largest.get(endpoint, []), list(topics), key=len)
        return largest

    def _request(self, frame: object, topics: int, most: int | None) -> Faults:
        line = self._def("request")
        what = f"a request of {topics} topics"
        if not isinstance(frame, bytes):
            yield Fault(f"{what} is a {type(frame).__name__} instead of bytes", line)
            return
        if most is not None and len(frame) > most:
            yield Fault(f"{what} has {len(frame)} bytes, request_bytes is {most}", line)
        try:
            text = frame.decode()
            if text[:1] in ("{", "["):
                msgspec.json.decode(frame)
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            yield Fault(f"{what} is neither JSON nor text: {error}", line)

    # --- garbage ------------------------------------------------------------------------------

    def _bad_frames(self) -> list[bytes]:
        """Return frames that no venue sends: garbage, our own requests, good frames cut off."""
        topics = [route.topic for _, route in self.routes[:1]]
        echoes = [self.adapter.request("subscribe", topics, Call("7", _NOW_MS))] if topics else []
        good = self.read.frames if self.read else []
        cut = [frame[:n] for frame in (*echoes, *good) for n in (len(frame) // 2, len(frame) - 1)]
        return [*_GARBAGE, *cut]

    def _garbage(self) -> Faults:
        for endpoint in self.venue.endpoints:
            for frame in self._bad_frames():
                shown = f"frame {frame[:40]!r} at {endpoint}"
                try:
                    found = list(decode(self.adapter, frame, endpoint, str))
                except DecodeError:
                    continue
                for item in found:
                    harmless = isinstance(item, Pong | Beat)
                    if not harmless and not (isinstance(item, Batch) and not item.events):
                        text = f"{shown} gives {type(item).__name__}: it must raise or give nothing"
                        yield Fault(text, self._def("decode"))

    # --- the rest -----------------------------------------------------------------------------

    def _frames(self) -> Faults:
        if self.frames is not None:
            self.read = frames_.read(self.adapter, self.frames)
            yield from self.read.faults

    def _rest(self) -> Faults:
        try:
            bridge = RestBridge(self.venue, {}, None)
        except AdapterError as error:
            yield Fault(str(error))
            return
        for timeframe in self.venue.timeframes:
            try:
                bridge.ccxt.parse_timeframe(timeframe)
            except (CCXT_ERRORS["BaseError"], ValueError):
                yield Fault(f'timeframe "{timeframe}" means nothing to ccxt')

    def _stateless(self) -> Faults:
        for name in vars(self.adapter):
            yield Fault(f"it keeps {name} in itself")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _line_of(error: Exception, path: str) -> int | None:
    """Return the last line of the venue's own file on the way to an error."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


__all__ = ["Line", "Report", "check"]
