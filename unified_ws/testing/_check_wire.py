"""Rules about what goes over the wire: requests, pings and addresses of ours, garbage of theirs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import msgspec

from unified_ws.adapter import Batch, Beat, Call, Dial, Inbound, Pong
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError

from . import _check_markets as markets_
from ._check_events import mistyped
from ._check_frames import NOW_MS, Kept
from ._check_source import Fault
from ._check_subject import Faults, Subject, line_of, said

_MANY = 100
"""Topics of a request where the venue states no limit."""
_CHANGED = 60
_CHANGED_BYTES = 500_000
"""How often each good frame is spoiled, and how much there may be of a large one."""
_GARBAGE: tuple[bytes, ...] = (
    b"", b" ", b"{", b"}", b"{}", b"[]", b"[[]]", b"[null]", b"null", b"true", b'"', b'{"', b"NaN",
    b'{"data":', b'{"data":null}', b'{"data":[]}', b'[{"data":{}}]', b"\xff\xfe\x00", b"\x00" * 64,
    b"[" * 100_000, random.Random(7).randbytes(64), random.Random(8).randbytes(4096),
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, "", "x", "NaN", "-1", -1, 0, 1e308, 10**30, True, [], {}, [[]], ["1"], {"x": None},
)  # fmt: skip
"""What a value of a good frame is replaced by."""


# --- what we send ------------------------------------------------------------------------------


def requests(subject: Subject) -> Faults:
    """Build requests of one topic up to as many as are allowed."""
    line = subject.line_of("request")
    for (name, group), topics in _batches(subject).items():
        limits = subject.venue.endpoints[name].limits
        call = Call("7", NOW_MS, name)
        most = min(limits.topics_per_request or _MANY, len(topics))
        for size in sorted({1, min(2, most), most}):
            chosen = topics[:size]
            what = f'a request of {size} topics at "{name}"' + (f' ("{group}")' if group else "")
            asked = subject.adapter.request("subscribe", list(chosen), call)
            ended = subject.adapter.request("unsubscribe", list(chosen), call)
            for frame in (asked, ended):
                yield from _text(frame, what, line)
            if asked == ended:
                yield Fault(f"{what}: subscribe and unsubscribe are the same", line)
            if size > 1 and asked == subject.adapter.request("subscribe", chosen[:-1], call):
                yield Fault(f"{what} is the same without the last of them", line)
            if asked != subject.adapter.request("subscribe", tuple(chosen), call):
                yield Fault(f"{what} differs from call to call", line)
            # A larger request is split by the core until it fits; one topic cannot be split.
            if limits.request_bytes is not None and size == 1 < limits.request_bytes < len(asked):
                text = f"{what} has {len(asked)} bytes, request_bytes is {limits.request_bytes}"
                yield Fault(text, line)
        alone = {subject.adapter.request("subscribe", [topic], call) for topic in topics}
        if len(alone) < len(topics):
            yield Fault(f'two topics of "{name}" are asked for by the same request', line)


def _batches(subject: Subject) -> dict[tuple[str, str], list[str]]:
    """Return the topics of each endpoint and group, those of many made-up markets included."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for _, route in subject.routes:
        if route.poll is None:
            found.setdefault((route.endpoint, route.group), {})[route.topic] = None
    bases = [f"COIN{n}" for n in range(_MANY)]
    for market_type in subject.venue.market_types:
        try:
            made = markets_.routable(subject.adapter, market_type, bases)
        except Exception:  # noqa: S112 - `routing` has told; those of the frames must do
            continue
        for market in made:
            for sub in markets_.plain_subs(
                subject.venue, markets_.market_of(subject.adapter, market)
            ):
                for route in subject.adapter.route(sub):
                    if route.poll is None:
                        found.setdefault((route.endpoint, route.group), {})[route.topic] = None
    for name, endpoint in subject.venue.endpoints.items():
        if endpoint.standing:
            found.setdefault((name, ""), {}).update(dict.fromkeys(endpoint.standing))
    return {key: list(topics) for key, topics in found.items() if key[0] in subject.venue.endpoints}


def _text(frame: object, what: str, line: int) -> Faults:
    if not isinstance(frame, bytes):
        yield Fault(f"{what} is a {type(frame).__name__} instead of bytes", line)
        return
    if not frame:
        yield Fault(f"{what} is empty", line)
    try:
        text = frame.decode()
        if text[:1] in ("{", "["):
            msgspec.json.decode(frame)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        yield Fault(f"{what} is neither JSON nor text: {error}", line)


def addresses(subject: Subject) -> Faults:
    """Dial every endpoint whose address needs no answer of REST, and build every ping."""
    for name, endpoint in subject.venue.endpoints.items():
        call = Call("7", NOW_MS, name)
        if endpoint.ask_first is None:
            for url in filter(None, (endpoint.live, endpoint.testnet, endpoint.demo)):
                yield from _dialed(subject, url, call)
        if endpoint.heartbeat.by == "message":
            line = subject.line_of("ping")
            ping = subject.adapter.ping(call)
            yield from _text(ping, f'the ping at "{name}"', line)
            if ping != subject.adapter.ping(call):
                yield Fault(f'the ping at "{name}" differs from call to call', line)


def _dialed(subject: Subject, url: str, call: Call) -> Faults:
    line = subject.line_of("dial")
    dial = subject.adapter.dial(url, call)
    if not isinstance(dial, Dial) or urlsplit(dial.url).scheme not in ("ws", "wss"):
        yield Fault(f"dial({url}) leads to {dial!r}, which is not a WebSocket address", line)
        return
    if dial != subject.adapter.dial(url, call):
        yield Fault(f"dial({url}) differs from call to call", line)
    for frame in dial.greeting:
        yield from _text(frame, f"a greeting at {url}", line)


# --- what we get -------------------------------------------------------------------------------


def garbage(subject: Subject) -> Faults:
    """Decode what no venue sends: it must raise an ordinary error, or give nothing."""
    for endpoint in subject.venue.endpoints:
        for frame in bad_frames(subject):
            shown = f"frame {frame[:40]!r} at {endpoint}"
            for item in _decoded(subject, frame, endpoint, None):
                if isinstance(item, Fault):
                    yield item
                    continue
                harmless = isinstance(item, Pong | Beat)
                if not harmless and not (isinstance(item, Batch) and not item.events):
                    text = f"{shown} gives {type(item).__name__}: it must raise or give nothing"
                    yield Fault(text, subject.line_of("decode"))


def bad_frames(subject: Subject) -> list[bytes]:
    """Return garbage, and requests of ours and good frames that are cut off."""
    echoes = []
    for _, route in subject.routes:
        if route.poll is None and route.endpoint in subject.venue.endpoints:
            call = Call("7", NOW_MS, route.endpoint)
            echoes.append(subject.adapter.request("subscribe", [route.topic], call))
            break
    good = [kept.frame for kept in subject.read.frames] if subject.read else []
    # A text that is no JSON may be whole at half its length, as "pong" and "pong:" are.
    whole = [frame.rstrip() for frame in (*echoes, *good) if frame[:1] in (b"{", b"[")]
    cut = [frame[:n] for frame in whole for n in (len(frame) // 2, len(frame) - 1)]
    return [*_GARBAGE, *cut]


def spoiled(subject: Subject) -> Faults:
    """Decode good frames in which something is changed: what comes out must be well typed."""
    for kept in subject.read.frames if subject.read else ():
        for frame in spoiled_frames(kept):
            for item in _decoded(subject, frame, kept.endpoint, kept):
                if isinstance(item, Fault):
                    yield item
                elif isinstance(item, Batch):
                    for event in item.events:
                        for text in mistyped(event):
                            shown = frame if len(frame) <= 300 else frame[:300] + b"..."
                            text = f"{text}, from the spoiled frame {shown!r}"
                            yield Fault(text, subject.line_of("decode"))


def spoiled_frames(kept: Kept) -> Iterator[bytes]:
    """Yield a frame with bytes changed, and with values of its JSON replaced; always the same."""
    chance = random.Random(len(kept.frame))
    times = max(3, min(_CHANGED, _CHANGED_BYTES // max(1, len(kept.frame))))
    for _ in range(times // 3):
        changed = bytearray(kept.frame)
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(3):
            case 0:
                changed[place : place + 1] = chance.randbytes(1)
            case 1:
                del changed[place : place + chance.randint(1, 20)]
            case _:
                changed[place:place] = changed[: chance.randint(1, 20)]
        yield bytes(changed)
    try:
        message = msgspec.json.decode(kept.frame)
    except msgspec.DecodeError:
        return
    paths = list(_places(message))
    for path in paths if len(paths) <= times else chance.sample(paths, times):
        for value in (_MISSING, chance.choice(_VALUES), chance.choice(_VALUES)):
            yield msgspec.json.encode(_replaced(message, path, value))


_MISSING = object()


def _places(message: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(message, dict):
        items = list(message.items())
    elif isinstance(message, list):
        items = list(enumerate(message[:3]))
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _replaced(message: Any, path: tuple[Any, ...], value: object) -> Any:
    message = deepcopy(message)
    holder = message
    for key in path[:-1]:
        holder = holder[key]
    if value is _MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return message


def _decoded(
    subject: Subject, frame: bytes, at: str, kept: Kept | None
) -> Iterator[Inbound | Fault]:
    symbols = None if kept is None else kept.symbols
    try:
        yield from decode(subject.adapter, frame, at, str if symbols is None else symbols.get)
    except DecodeError:
        return
    except Exception as error:  # an ordinary one, on the way through what was returned
        yield Fault(f"decode() gives what cannot be read: {said(error)}", subject.line_of("decode"))
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise
        text = f"frame {frame[:40]!r} at {at} raised {said(error)}, which is no ordinary error"
        yield Fault(text, line_of(error, subject.path) or subject.line_of("decode"))


__all__ = ["addresses", "bad_frames", "garbage", "requests", "spoiled"]
