"""Markets for a conformance check, and every subscription that a venue offers for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from unified_ws.adapter import Adapter, Endpoint, Kind, Market, Sub, Venue

STYLES = ("{}{}", "{}-{}", "{}_{}", "{}/{}", "{}-{}-SWAP")
"""How venues write market ids; the first that an adapter can route is taken."""
_CONTRACTS = ("swap", "future", "option")
_DEPTHS = (0, 20, 1000)


def samples(market_type: str, style: str, bases: Iterable[str] = ("BTC", "ETH")) -> list[Market]:
    """Return made-up markets of a type: linear and inverse ones where it has such."""
    made = []
    for base in bases:
        if market_type not in _CONTRACTS:
            quote = "USDT"
            id_ = style.format(base, quote)
            made.append(Market(f"{base}/{quote}", id_, market_type, base, quote))
            continue
        for quote, settle in (("USDT", "USDT"), ("USD", base)):
            linear = settle == quote
            made.append(
                Market(
                    f"{base}/{quote}:{settle}", style.format(base, quote), market_type, base, quote,
                    settle=settle, linear=linear, inverse=not linear, contract_size=1.0,
                )
            )  # fmt: skip
    return made


def serves(endpoint: Endpoint, market: Market) -> bool:
    """Say whether an endpoint declares that it serves a market."""
    known: dict[str, Any] = {name: name == market.type for name in ("spot", "margin", *_CONTRACTS)}
    known |= {
        "type": market.type, "base": market.base, "quote": market.quote, "settle": market.settle,
        "linear": market.linear, "inverse": market.inverse, "symbol": market.symbol,
        "contract": market.type in _CONTRACTS,
    }  # fmt: skip
    return all(known.get(key) == value for key, value in endpoint.serves.items())


def served(venue: Venue, market: Market) -> bool:
    """Say whether some endpoint serves a market."""
    return any(serves(endpoint, market) for endpoint in venue.endpoints.values())


def usual(venue: Venue, kind: Kind) -> dict[str, str]:
    """Return the switches of a kind as they are when nobody has chosen."""
    return {name: switch.default for name, switch in venue.switches.get(kind, {}).items()}


def plain_subs(venue: Venue, market: Market) -> Iterator[Sub]:
    """Yield one subscription for each kind and timeframe, with the usual switches."""
    for kind in sorted(venue.kinds):
        for timeframe in _timeframes(venue, kind):
            yield Sub(kind, market, market.type, timeframe, channel=usual(venue, kind))


def varied_subs(venue: Venue, market: Market) -> Iterator[Sub]:
    """Yield what differs from the plain ones in one switch, or in the depth of a book."""
    for kind in sorted(venue.kinds):
        timeframe = _timeframes(venue, kind)[0]
        channel = usual(venue, kind)
        for name, switch in venue.switches.get(kind, {}).items():
            for value in (*switch.values, *switch.defaults.values()):
                chosen = {**channel, name: value}
                yield Sub(kind, market, market.type, timeframe, channel=chosen)
        if kind is Kind.BOOK:
            for depth in _DEPTHS:
                yield Sub(kind, market, market.type, depth=depth, channel=channel)


def whole_subs(venue: Venue) -> Iterator[Sub]:
    """Yield the subscriptions of all markets at once."""
    for kind in sorted(venue.all_markets):
        for market_type in venue.market_types:
            yield Sub(kind, None, market_type, channel=usual(venue, kind))


def routed_topics(adapter: Adapter, market: Market) -> set[str]:
    """Return every topic that some subscription of a market leads to."""
    venue = adapter.venue
    found = set()
    for sub in (*every_sub(venue, market), *whole_subs(venue)):
        found |= {route.topic for route in adapter.route(sub)}
    return found


def every_sub(venue: Venue, market: Market) -> Iterator[Sub]:
    """Yield the subscriptions of a market with all combinations of timeframe and one switch."""
    yield from plain_subs(venue, market)
    for sub in varied_subs(venue, market):
        for timeframe in _timeframes(venue, sub.kind):
            yield Sub(
                sub.kind, market, market.type, timeframe, depth=sub.depth, channel=sub.channel
            )


def named(sub: Sub) -> str:
    """Name a subscription for a person."""
    what: list[str] = [
        sub.kind.value,
        sub.market.symbol if sub.market else f"all {sub.market_type}",
    ]
    if sub.timeframe:
        what.append(sub.timeframe)
    if sub.depth:
        what.append(f"depth {sub.depth}")
    return " ".join([*what, *_switched(sub.channel)])


def _switched(channel: Mapping[str, str]) -> list[str]:
    return [f'{name}="{value}"' for name, value in channel.items()]


def _timeframes(venue: Venue, kind: Kind) -> tuple[str, ...]:
    return (tuple(venue.timeframes) or ("1m",)) if kind is Kind.OHLCV else ("",)


__all__ = [
    "STYLES", "every_sub", "named", "plain_subs", "routed_topics", "samples", "served", "serves",
    "usual", "varied_subs", "whole_subs",
]  # fmt: skip
