"""Rules about what a venue declares: that it is sound, complete, and known to ccxt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from unified_ws.adapter import Adapter, Endpoint, Kind, Venue
from unified_ws.ccxt_ids import ccxt_ids
from unified_ws.errors import CCXT_ERRORS, AdapterError
from unified_ws.rest import RestBridge

from ._check_markets import TYPES
from ._check_source import Fault
from ._check_subject import Faults, Subject

_ID = re.compile(r"[a-z0-9_]+")
_DERIVED = {Kind.OHLCV: Kind.TRADES, Kind.BIDS_ASKS: Kind.BOOK}
"""What the core can build from what."""


def facts(subject: Subject) -> Faults:
    """Yield what is wrong with the declared facts."""
    venue = subject.venue
    for name in (venue.id, *venue.aliases):
        if not _ID.fullmatch(name):
            yield Fault(f'id "{name}" must be lower-case letters, digits and underscores')
    if venue.ccxt_id not in ccxt_ids():
        yield Fault(f'ccxt_id "{venue.ccxt_id}" is no exchange of the installed ccxt')
    if not venue.evidence:
        yield Fault("evidence is empty: say what the facts rest on")
    if not venue.kinds or not venue.endpoints:
        yield Fault("it declares no kinds or no endpoints")
    for market_type in venue.market_types:
        if market_type not in TYPES:
            yield Fault(f'market type "{market_type}" is none of {", ".join(TYPES)}')
    for name, endpoint in venue.endpoints.items():
        if endpoint.heartbeat.by == "message" and subject.cls.ping is Adapter.ping:
            yield Fault(f'endpoint "{name}" declares a ping message without ping()')
        for text in _endpoint(endpoint, venue):
            yield Fault(f'endpoint "{name}": {text}')
    for kind in sorted({*venue.all_markets, *venue.switches} - venue.kinds):
        yield Fault(f'"{kind}" is in all_markets or switches and not in kinds')
    yield from _derived(venue)
    yield from _switches(venue)


def _endpoint(endpoint: Endpoint, venue: Venue) -> Iterator[str]:
    for url in filter(None, (endpoint.live, endpoint.testnet, endpoint.demo)):
        if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
            yield f"{url} is not a WebSocket address"
    if endpoint.ask_first is not None and endpoint.ask_first not in venue.rest_methods:
        yield f"ask_first {endpoint.ask_first} is not in rest_methods"
    limits = endpoint.limits
    if limits.rotate_after_s and limits.lifetime_s and limits.rotate_after_s >= limits.lifetime_s:
        yield "it is rotated only after the venue has ended it (rotate_after_s, lifetime_s)"
    most, each = limits.topics_per_connection, limits.topics_per_request
    if most is not None and each is not None and each > most:
        yield "a request may hold more topics than a connection"


def _derived(venue: Venue) -> Faults:
    for kind, source in venue.derives.items():
        if _DERIVED.get(kind) is not source:
            yield Fault(f"derives: nothing builds {kind} from {source}")
        elif not {kind, source} <= venue.kinds or source in venue.derives:
            yield Fault(f"derives: {kind} and {source} must both be in kinds, {source} by itself")
    if Kind.OHLCV in venue.kinds and not venue.timeframes and Kind.OHLCV not in venue.derives:
        yield Fault("it declares candles without timeframes")


def _switches(venue: Venue) -> Faults:
    for kind, switches in venue.switches.items():
        names = [name for key, switch in switches.items() for name in (key, *switch.aliases)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Fault(f'{kind}: two switches answer to "{name}"')
        for name, switch in switches.items():
            for value in (switch.default, *switch.defaults.values()):
                if value not in switch.values:
                    yield Fault(f'{kind} "{name}": {value!r} is a default and not a value')
            for value in switch.for_all:
                if value not in switch.values:
                    yield Fault(f'{kind} "{name}": {value!r} is for all markets and not a value')


class _Told:
    """Stands in for a ccxt object in an implicit call: says to which section it belongs."""

    @staticmethod
    def request(_path: str, api: Any, *_args: object, **_kwargs: object) -> str:
        """Return the section instead of asking anybody."""
        return api if isinstance(api, str) else str(api[0])


def rest(subject: Subject) -> Faults:
    """Yield what ccxt does not have, and what no declared REST host answers."""
    venue = subject.venue
    try:
        theirs = RestBridge(subject.adapter, {}, None).ccxt
    except AdapterError as error:
        yield Fault(str(error))
        return
    for timeframe in venue.timeframes:
        try:
            theirs.parse_timeframe(timeframe)
        except (CCXT_ERRORS["BaseError"], ValueError):
            yield Fault(f'timeframe "{timeframe}" means nothing to ccxt')
    claimed: dict[str, str] = {}
    for name, host in venue.rest.items():
        for api in host.apis:
            if api not in theirs.api:
                yield Fault(f'REST host "{name}": ccxt has no section {api}')
            if claimed.setdefault(api, name) != name:
                yield Fault(f"section {api} is claimed by two REST hosts")
    for method in venue.rest_methods if venue.rest else ():
        section = getattr(type(theirs), method)(_Told())
        if section not in claimed and "" not in venue.rest:
            yield Fault(f'no REST host answers {method} (section {section}): declare it, or ""')


__all__ = ["facts", "rest"]
