"""A recorded session against an adapter: does all of it decode, into what the venue can have said?"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from unified_ws.adapter import Adapter, Batch, Endpoint, Market
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError

from ._check_events import contradictory
from ._check_frames import Kept, Read, counted, judged
from ._check_markets import (
    TYPES,
    CcxtMarket,
    ccxt_market,
    plain_subs,
    serves,
    varied_subs,
    whole_subs,
)
from ._check_source import Fault

_SHOWN = 5
_LOOKED_AT = 2000
"""Events of a type whose values are looked at; of the rest each fiftieth."""


class _Recorded(msgspec.Struct):
    dir: str
    raw: str


_recorded = msgspec.json.Decoder(_Recorded)


def read(adapter: Adapter, folder: Path) -> Read:
    """Decode every frame of a recording, and judge what comes out."""
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
    summary = f"{frames} recorded frames, {frames - bad} decode: {counted(counts)}"
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
    """Return every topic of an endpoint's hosts that some market with this id leads to."""
    venue = adapter.venue
    here = _hosts(venue.endpoints[at])
    # A venue may have divided its channels among addresses since it was recorded.
    near = {name for name, endpoint in venue.endpoints.items() if _hosts(endpoint) & here}
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
                found |= {r.topic for r in adapter.route(sub) if r.endpoint in near}
    return found


def _hosts(endpoint: Endpoint) -> set[str | None]:
    return {urlsplit(url).hostname for url in (endpoint.live, endpoint.testnet, endpoint.demo) if url}


def _plain_market(described: CcxtMarket) -> Market:
    fields = {"settle", "linear", "inverse", "type", "base", "quote", "symbol", "id"}
    return Market(contract_size=described["contractSize"], **{f: described[f] for f in fields})


__all__ = ["read"]
