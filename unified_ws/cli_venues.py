"""`unified-ws venues`: which venues there are, and what each declares about itself."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

from unified_ws import registry
from unified_ws.adapter import Adapter
from unified_ws.cli_output import plain_table
from unified_ws.facts import Endpoint, Heartbeat, Limits, Venue, Window

_ENVIRONMENTS = ("live", "testnet", "demo")
_SPEAKERS = {
    "server": "the venue pings every {every_s:g} s",
    "protocol": "we send a WebSocket ping every {every_s:g} s",
    "message": "we send a ping message every {every_s:g} s",
    "none": "nobody pings",
}


def venues(options: argparse.Namespace) -> int:
    """Print the table of all venues, or the facts of one."""
    if options.venue:
        adapter = registry.resolve(options.venue)
        text = json.dumps(_data(adapter), indent=1) if options.json else "\n".join(_facts(adapter))
    else:
        known = list(registry.adapters().values())
        text = json.dumps([_data(a) for a in known], indent=1) if options.json else _all(known)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return 0


def _all(known: list[type[Adapter]]) -> str:
    columns = ("ID", "NAME", "MARKETS", "KINDS", "ENVIRONMENTS", "FILE")
    rows = []
    for adapter in known:
        venue = adapter.venue
        rows.append((
            venue.id, venue.name, " ".join(venue.market_types), " ".join(sorted(venue.kinds)),
            " ".join(_environments(venue)), _origin(adapter),
        ))  # fmt: skip
    lines = plain_table("", columns, rows, "`unified-ws venues ID` shows the facts of one.", 1000)
    return "\n".join(lines[2:])


def _data(adapter: type[Adapter]) -> dict[str, Any]:
    return {**adapter.venue.model_dump(mode="json"), "file": _origin(adapter)}


def _origin(adapter: type[Adapter]) -> str:
    return inspect.getsourcefile(adapter) or adapter.__module__


def _environments(venue: Venue) -> list[str]:
    return [
        name
        for name in _ENVIRONMENTS
        if all(getattr(endpoint, name) for endpoint in venue.endpoints.values())
    ]


def _facts(adapter: type[Adapter]) -> Iterator[str]:
    venue = adapter.venue
    yield f"{venue.id}: {venue.name or venue.id}"
    if venue.aliases:
        yield f"  aliases      {', '.join(venue.aliases)}"
    yield f"  file         {_origin(adapter)}"
    yield f"  evidence     {venue.evidence or 'none stated'}"
    yield f"  ccxt id      {venue.ccxt_id}"
    yield f"  markets      {', '.join(venue.market_types)}"
    yield f"  kinds        {', '.join(sorted(venue.kinds))}"
    if venue.all_markets:
        yield f"  all markets  {', '.join(sorted(venue.all_markets))}: without a list of symbols"
    if venue.timeframes:
        yield f"  timeframes   {' '.join(venue.timeframes)}"
    for name, host in venue.rest.items():
        where = f" at {name}" if name else ""
        yield f"  REST         {_window(host.budget)} of weight{where}"
    yield f"  REST calls   {', '.join(venue.rest_methods) or 'none'}"
    backoff = venue.backoff
    yield (
        f"  backoff      {backoff.base_s:g} s, times {backoff.factor:g}, to {backoff.cap_s:g} s; "
        f"forgotten after {backoff.stable_s:g} s of health"
    )
    for code, rule in sorted(venue.closes.items()):
        what = "final" if rule.final else f"wait {rule.floor_s:g} s or more"
        yield f"  code {code:<8}{what}"
    yield from _switches(venue)
    for name, endpoint in venue.endpoints.items():
        yield from _endpoint(name, endpoint)


def _switches(venue: Venue) -> Iterator[str]:
    """Yield what ccxt's `params` may choose."""
    for kind, switches in sorted(venue.switches.items()):
        for name, switch in switches.items():
            values = ", ".join(value or '""' for value in switch.values)
            defaults = [f"{switch.default or 'none'} by default"]
            defaults += [f"{value} for {method}" for method, value in switch.defaults.items()]
            also = f"; also called {', '.join(switch.aliases)}" if switch.aliases else ""
            yield f'  params       {kind} "{name}": {values} ({"; ".join(defaults)}{also})'


def _endpoint(name: str, endpoint: Endpoint) -> Iterator[str]:
    yield ""
    yield f"endpoint {name}"
    for environment in _ENVIRONMENTS:
        yield f"  {environment:<12} {getattr(endpoint, environment) or 'none'}"
    serves = ", ".join(f"{key}={value}" for key, value in endpoint.serves.items())
    yield f"  serves       {serves or 'everything'}"
    yield from _heartbeat(endpoint.heartbeat)
    yield from _limits(endpoint.limits)
    if endpoint.awaits_ready:
        yield "  greeting     topics are subscribed after the venue says that it is ready"
    if endpoint.standing:
        yield f"  standing     {', '.join(endpoint.standing)}"


def _heartbeat(heartbeat: Heartbeat) -> Iterator[str]:
    yield f"  heartbeat    {_SPEAKERS[heartbeat.by].format(every_s=heartbeat.every_s)}"
    yield f"  silence      dead after {heartbeat.silence_s:g} s without anything"
    if heartbeat.idle_ping_s:
        asked = f"asked by a ping of ours after {heartbeat.idle_ping_s:g} s of silence"
        yield f"  idle         {asked}, dead {heartbeat.timeout_s:g} s later"


def _limits(limits: Limits) -> Iterator[str]:
    for label, value in (
        ("topics", limits.topics_per_connection and f"{limits.topics_per_connection} a connection"),
        ("requests", limits.topics_per_request and f"{limits.topics_per_request} topics each"),
        ("", limits.request_bytes and f"{limits.request_bytes} bytes each"),
        ("messages", limits.messages and f"{_window(limits.messages)} a connection"),
        ("dials", limits.dials and _window(limits.dials)),
        ("connections", limits.connections and f"at most {limits.connections}"),
        ("lifetime", limits.lifetime_s and f"{limits.lifetime_s:g} s{_rotation(limits)}"),
    ):
        if value:
            yield f"  {label:<12} {value}"


def _rotation(limits: Limits) -> str:
    return f", rotated after {limits.rotate_after_s:g} s" if limits.rotate_after_s else ""


def _window(window: Window) -> str:
    return f"{window.n:g} in {window.per_s:g} s"


__all__ = ["venues"]
