"""Rules about `Adapter.route`: pure, complete, and topics that mean one thing each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unified_ws.adapter import Adapter, Kind, Rest, Route, Sub

from . import _check_markets as markets_
from ._check_source import Fault
from ._check_subject import Faults, Subject, line_of, said

_KINDS_OF = {
    "snapshot": (Kind.BOOK,), "chained": (Kind.BOOK,), "keeps": (Kind.BOOK,),
    "contiguous_ids": (Kind.TRADES,),
}  # fmt: skip
"""What a route may say only of some kinds."""
_ONE_MARKET = frozenset({Kind.TRADES, Kind.BOOK, Kind.OHLCV})
"""Kinds whose order or state is that of one market: their topics carry no other."""


def routing(subject: Subject) -> Faults:
    """Ask for every route, and yield those that cannot be."""
    yield from _markets(subject)
    for markets in subject.markets.values():
        for market in markets:
            for sub in (
                *markets_.plain_subs(subject.venue, market),
                *markets_.varied_subs(subject.venue, market),
            ):
                yield from _routed(subject, sub)
    for sub in markets_.whole_subs(subject.venue):
        yield from _routed(subject, sub)
    yield from _nowhere(subject)


def _markets(subject: Subject) -> Faults:
    """Find markets of every type: made-up ones, else those of the frames."""
    adapter, venue = subject.adapter, subject.venue
    own = subject.read.markets if subject.read else []
    for market_type in venue.market_types:
        described = [market for market in own if market["type"] == market_type]
        made, failed = [], False
        try:
            made = markets_.routable(adapter, market_type)
        except Exception as error:  # ids or `info` of its own kind: its frames must show some
            if not described:
                text = f"routes of made-up {market_type} markets raise {said(error)}"
                where = line_of(error, subject.path) or subject.line_of("route")
                yield Fault(f"{text}: show one in frames.jsonl, or mend it", where)
            failed = True
        symbols = {market["symbol"] for market in described}
        described += [market for market in made if market["symbol"] not in symbols]
        served = [market for market in described if markets_.served(venue, market)]
        if not served and not failed:
            yield Fault(f'no endpoint serves a market of type "{market_type}"')
        subject.described |= {market["symbol"]: market for market in served}
        subject.markets[market_type] = [markets_.market_of(adapter, market) for market in served]
        yield from _wire_ids(subject, served)


def _wire_ids(subject: Subject, described: list[markets_.CcxtMarket]) -> Faults:
    line = subject.line_of("wire_id")
    for market in described:
        before = {**market, "info": dict(market["info"])}
        found = subject.adapter.wire_id(market)
        if not isinstance(found, str) or not found:
            yield Fault(f"wire_id of {market['symbol']} is {found!r}, not a text", line)
        if found != subject.adapter.wire_id(market) or market != before:
            yield Fault(f"wire_id of {market['symbol']} differs from call to call", line)


def _routed(subject: Subject, sub: Sub) -> Faults:
    line = subject.line_of("route")
    what = f"route({markets_.named(sub)})"
    try:
        routes = list(subject.adapter.route(sub))
        again = list(subject.cls().route(sub))
    except Exception as error:  # the author gets a line for each
        yield Fault(f"{what} raised {said(error)}", line_of(error, subject.path) or line)
        return
    if routes != again:
        yield Fault(f"{what} differs from call to call", line)
    subject.asked.append((sub, routes))
    for route in routes:
        for text in _impossible(subject, sub, route):
            yield Fault(f"{what} {text}", line)


def _impossible(subject: Subject, sub: Sub, route: Route) -> Iterator[str]:
    endpoint = subject.venue.endpoints.get(route.endpoint)
    if endpoint is None:
        if route.poll is None or route.endpoint:
            yield f'names an unknown endpoint "{route.endpoint}"'
    elif sub.market is not None and not markets_.serves(
        endpoint, subject.described[sub.market.symbol]
    ):
        yield f'names "{route.endpoint}", which does not serve that market'
    if not route.topic and route.poll is None:
        yield "has an empty topic"
    if route.private:
        yield "is private, and this kind is public"
    if route.keeps is not None and route.keeps < 1:
        yield "keeps no level of a book"
    for name, kinds in _KINDS_OF.items():
        # What is derived from another kind takes that kind's route.
        if getattr(route, name) and sub.kind not in kinds and not _feeds(subject, sub.kind, kinds):
            yield f"has {name}, which is for {' and '.join(kinds)} only"


def _feeds(subject: Subject, kind: Kind, kinds: tuple[Kind, ...]) -> bool:
    return subject.venue.derives.get(kind) in kinds


def _nowhere(subject: Subject) -> Faults:
    """Yield kinds, market types and switches that are declared and lead nowhere."""
    venue, line = subject.venue, subject.line_of("route")
    for kind in markets_.own_kinds(venue):
        if not any(sub.kind is kind for sub, _ in subject.routes):
            yield Fault(f"{kind} leads nowhere, whatever the market", line)
    for kind in sorted(venue.all_markets):
        if not any(sub.kind is kind and sub.market is None for sub, _ in subject.routes):
            yield Fault(f"{kind} is in all_markets and leads nowhere without a market", line)
    for market_type, markets in subject.markets.items():
        known = {market.symbol for market in markets}
        if markets and not any(s.market and s.market.symbol in known for s, _ in subject.routes):
            yield Fault(f'nothing is offered for a market of type "{market_type}"', line)
    if not subject.is_twin:  # which may have inherited more than its markets need
        yield from _idle(subject, line)


def _idle(subject: Subject, line: int) -> Faults:
    """Yield switches, timeframes and groups that no route makes use of."""
    venue = subject.venue
    for kind, switches in venue.switches.items():
        for name, switch in switches.items():
            if len(switch.values) > 1 and not _matters(subject, kind, name):
                yield Fault(f'{kind} "{name}" changes nothing, whatever its value', line)
    for frame in venue.timeframes:
        if not any(sub.timeframe == frame for sub, _ in subject.routes):
            yield Fault(f'timeframe "{frame}" leads nowhere, whatever the market', line)
    used = {route.group for _, route in subject.routes}
    for name, endpoint in venue.endpoints.items():
        for group in sorted(endpoint.limits.topics_per_group.keys() - used):
            yield Fault(f'endpoint "{name}" limits a group "{group}" that no route names', line)


def _matters(subject: Subject, kind: Kind, name: str) -> bool:
    """Say whether some value of a switch leads elsewhere than another, or nowhere."""
    found: dict[tuple[Any, ...], dict[str, list[Route]]] = {}
    for sub, routes in subject.asked:
        if sub.kind is kind:
            others = tuple(sorted((k, v) for k, v in sub.channel.items() if k != name))
            about = sub.market.symbol if sub.market else sub.market_type
            values = found.setdefault((about, sub.timeframe, sub.depth, others), {})
            values[sub.channel[name]] = routes
    return any(routes != next(iter(v.values())) for v in found.values() for routes in v.values())


def topics(subject: Subject) -> Faults:
    """Yield topics that stand for two markets, or for two timeframes."""
    seen: dict[tuple[str, str], Sub] = {}
    for sub, route in subject.routes:
        if sub.market is None or route.poll is not None:
            continue
        first = seen.setdefault((route.endpoint, route.topic), sub)
        if _clash(subject, first, sub):
            both = f"{markets_.named(first)} and {markets_.named(sub)}"
            yield Fault(f"topic {route.topic!r} stands for {both}", subject.line_of("route"))


def _clash(subject: Subject, one: Sub, other: Sub) -> bool:
    """Say whether two subscriptions of one topic would get each other's data."""
    assert one.market is not None
    assert other.market is not None
    frames = subject.venue.timeframes
    if one.kind is other.kind and frames.get(one.timeframe) != frames.get(other.timeframe):
        return True
    # Two markets of ccxt's may be one of the venue's; and where each row names its market, a
    # topic may carry all markets of a type.
    alike = one.market.wire_id == other.market.wire_id
    return not alike and bool({one.kind, other.kind} & _ONE_MARKET)


def backing(subject: Subject) -> Faults:
    """Yield what routes need of REST and the adapter does not have."""
    told: set[str] = set()
    for sub, route in subject.routes:
        for text in (*_reads(subject, route), *_calls(subject, route)):
            if text not in told:
                told.add(text)
                yield Fault(f"{text} ({markets_.named(sub)})", subject.line_of("route"))


def _reads(subject: Subject, route: Route) -> Iterator[str]:
    if route.snapshot and subject.cls.snapshot is Adapter.snapshot:
        yield "a route has a snapshot and the adapter no snapshot()"
    if (route.history or route.poll) and subject.cls.history is Adapter.history:
        yield "a route has a history or a poll and the adapter no history()"


def _calls(subject: Subject, route: Route) -> Iterator[str]:
    rests: list[Rest] = []
    if route.snapshot is not None:
        sizes = [size for size, _ in route.snapshot.limits]
        if not sizes:
            yield "a snapshot has no limits: (0, weight) where the venue answers everything"
            return
        if sizes != sorted(sizes):
            yield "the limits of a snapshot are not ascending"
        if len(sizes) > 1 and not route.snapshot.depth_param:
            yield "a snapshot has several depths and no depth_param to choose one"
        rests.append(route.snapshot.rest(0))
    if route.history is not None:
        rests += [rest for rest in (route.history.recent, route.history.after) if rest]
        if route.history.after and not route.history.from_param:
            yield "a history continues after an id without from_param"
        if route.history.page < 1:
            yield "a history has pages without rows"
    if route.poll is not None:
        rests.append(route.poll.rest)
        if route.poll.every_s <= 0:
            yield "a poll asks without a pause"
    for rest in rests:
        yield from _known(subject, rest)


def _known(subject: Subject, rest: Rest) -> Iterator[str]:
    venue = subject.venue
    if rest.method not in venue.rest_methods:
        yield f"{rest.method} is not in rest_methods"
    host = venue.rest.get(rest.host)
    if rest.host and host is None:
        yield f'{rest.method} is charged to a REST host "{rest.host}" that is not declared'
    if host is not None and rest.weight > host.budget.n:
        yield f"{rest.method} costs {rest.weight:g}, more than its host allows at all"


__all__ = ["backing", "routing", "topics"]
