"""Markets for a conformance check, and every subscription that a venue offers for them.

They are made up as ccxt describes markets, since that is what `Endpoint.serves` and
`Adapter.wire_id` read. A venue whose ids or `info` cannot be made up brings markets of its own in
its frames.jsonl.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from unified_ws.adapter import Adapter, Endpoint, Kind, Market, Sub, Venue

CcxtMarket: TypeAlias = Mapping[str, Any]
TYPES = ("spot", "margin", "swap", "future", "option")
STYLES: Mapping[str, tuple[str, ...]] = {
    "spot": ("{base}{quote}", "{base}-{quote}", "{base}_{quote}", "{base}/{quote}"),
    "swap": (
        "{base}{quote}", "{base}{quote}_PERP", "{base}-{quote}-SWAP", "{base}_{quote}",
        "{base}{quote}M", "{base}-PERP", "{base}",
    ),
    "future": (
        "{base}{quote}_281229", "{base}-{quote}-281229", "{base}_{quote}_20281229",
        "{base}{quote}-29DEC28", "{base}MZ28",
    ),
    "option": ("{base}-281229-100000-C", "{base}-{quote}-281229-100000-C"),
}  # fmt: skip
"""How venues write market ids; the first that an adapter can route is taken."""
_EXPIRY_MS = 1_861_689_600_000  # 2028-12-29, 08:00 UTC
_DEPTHS = (1, 20, 1000)


def ccxt_market(symbol: str, id_: str, type_: str = "", **fields: Any) -> CcxtMarket:
    """Return a market as ccxt describes one: what is not said follows from the symbol."""
    pair, _, tail = symbol.partition(":")
    base, _, quote = pair.partition("/")
    settle, _, expiry = tail.partition("-")
    type_ = type_ or ("spot" if not tail else "future" if expiry else "swap")
    contract = type_ in ("swap", "future", "option")
    settle = settle or quote
    linear = settle == quote if contract else None
    made = {
        "id": id_, "lowercaseId": id_.lower(), "symbol": symbol, "base": base, "quote": quote,
        "baseId": base, "quoteId": quote, "settle": settle if contract else None,
        "settleId": settle if contract else None, "type": type_, "index": False, "active": True,
        **{name: type_ == name for name in TYPES}, "contract": contract, "linear": linear,
        "inverse": None if linear is None else not linear,
        "subType": None if linear is None else "linear" if linear else "inverse",
        "contractSize": 1.0 if contract else None,
        "expiry": _EXPIRY_MS if expiry else None,
        "expiryDatetime": "2028-12-29T08:00:00.000Z" if expiry else None,
        "strike": 100_000.0 if type_ == "option" else None,
        "optionType": "call" if type_ == "option" else None, "taker": None, "maker": None,
        "precision": {"price": 0.01, "amount": 0.0001}, "limits": {}, "info": {},
    }  # fmt: skip
    return {**made, **fields}


def samples(
    market_type: str, style: str, bases: Iterable[str] = ("BTC", "ETH")
) -> list[CcxtMarket]:
    """Return made-up markets of a type: linear and inverse ones where it has such."""
    made = []
    tail = {"future": "-281229", "option": "-281229-100000-C"}.get(market_type, "")
    for base in bases:
        if market_type not in ("swap", "future", "option"):
            id_ = style.format(base=base, quote="USDT")
            made.append(ccxt_market(f"{base}/USDT", id_, market_type))
            continue
        for quote, settle in (("USDT", "USDT"), ("USD", base)):
            id_ = style.format(base=base, quote=quote)
            made.append(ccxt_market(f"{base}/{quote}:{settle}{tail}", id_, market_type))
    return made


def market_of(adapter: Adapter, market: CcxtMarket) -> Market:
    """Return what an adapter is told of a market that ccxt describes so."""
    size = market["contractSize"]
    return Market(
        symbol=market["symbol"], id=market["id"], type=market["type"], base=market["base"],
        quote=market["quote"], settle=market["settle"], linear=market["linear"],
        inverse=market["inverse"], contract_size=float(size) if size is not None else None,
        wire_id=adapter.wire_id(market), info=market["info"],
    )  # fmt: skip


def serves(endpoint: Endpoint, market: CcxtMarket) -> bool:
    """Say whether an endpoint declares that it serves a market."""
    return all(market.get(key) == value for key, value in endpoint.serves.items())


def served(venue: Venue, market: CcxtMarket) -> bool:
    """Say whether some endpoint serves a market."""
    return any(serves(endpoint, market) for endpoint in venue.endpoints.values())


def routable(
    adapter: Adapter, market_type: str, bases: Iterable[str] = ("BTC", "ETH")
) -> list[CcxtMarket]:
    """Return made-up markets of a type with ids that the adapter can read; none if it cannot.

    Raises:
        Exception: What `route` raised for the last way to write ids.
    """
    bases = list(bases)
    failure: Exception | None = None
    fallback: list[CcxtMarket] = []
    for style in STYLES.get(market_type, STYLES["spot"]):
        made = [m for m in samples(market_type, style, bases) if served(adapter.venue, m)]
        try:
            routes = [
                adapter.route(sub)
                for market in made
                for sub in plain_subs(adapter.venue, market_of(adapter, market))
            ]
        except Exception as error:  # told about by whoever finds no other market of that type
            failure = error
            continue
        if any(routes):
            return made
        fallback = fallback or made
    if failure is not None:
        raise failure
    return fallback


def usual(venue: Venue, kind: Kind) -> dict[str, str]:
    """Return the switches of a kind as they are when nobody has chosen."""
    return {name: switch.default for name, switch in venue.switches.get(kind, {}).items()}


def own_kinds(venue: Venue) -> list[Kind]:
    """Return the kinds that have channels of their own, candles also beside derived ones."""
    return [
        kind
        for kind in sorted(venue.kinds)
        if kind not in venue.derives or (kind is Kind.OHLCV and venue.timeframes)
    ]


def plain_subs(venue: Venue, market: Market) -> Iterator[Sub]:
    """Yield one subscription for each kind and timeframe, with the usual switches."""
    for kind in own_kinds(venue):
        for timeframe in timeframes(venue, kind):
            yield Sub(kind, market, market.type, timeframe, channel=usual(venue, kind))


def varied_subs(venue: Venue, market: Market) -> Iterator[Sub]:
    """Yield what differs from the plain ones in one or two switches, or in the depth of a book."""
    for kind in own_kinds(venue):
        for channel in _channels(venue, kind):
            for timeframe in timeframes(venue, kind):
                yield Sub(kind, market, market.type, timeframe, channel=channel)
        for depth in _DEPTHS if kind is Kind.BOOK else ():
            yield Sub(kind, market, market.type, depth=depth, channel=usual(venue, kind))


def whole_subs(venue: Venue) -> Iterator[Sub]:
    """Yield the subscriptions of all markets at once."""
    for kind in sorted(venue.all_markets):
        for market_type in venue.market_types:
            for channel in _channels(venue, kind, whole=True):
                yield Sub(kind, None, market_type, channel=channel)


def _channels(venue: Venue, kind: Kind, *, whole: bool = False) -> Iterator[dict[str, str]]:
    """Yield the switches of a kind with up to two of them turned: one may open up another."""
    values = {
        name: list(dict.fromkeys((*switch.values, *switch.defaults.values())))
        if not (whole and switch.for_all)
        else list(switch.for_all)
        for name, switch in venue.switches.get(kind, {}).items()
    }
    channel = usual(venue, kind)
    channel = {name: v if v in values[name] else values[name][0] for name, v in channel.items()}
    yield channel
    for number, name in enumerate(values):
        for value in values[name]:
            if value != channel[name]:
                yield {**channel, name: value}
                for other in list(values)[number + 1 :]:
                    for second in values[other]:
                        if second != channel[other]:
                            yield {**channel, name: value, other: second}


def timeframes(venue: Venue, kind: Kind) -> Sequence[str]:
    """Return the timeframes of a kind; the one "" where it has none."""
    return (tuple(venue.timeframes) or ("1m",)) if kind is Kind.OHLCV else ("",)


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
    return " ".join([*what, *(f'{name}="{value}"' for name, value in sub.channel.items())])


__all__ = [
    "TYPES", "CcxtMarket", "ccxt_market", "market_of", "named", "own_kinds",
    "plain_subs", "routable", "samples", "served", "serves", "timeframes", "usual", "varied_subs",
    "whole_subs",
]  # fmt: skip
