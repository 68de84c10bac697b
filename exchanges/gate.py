"""Gate: spot, perpetual contracts (settled in USDT, USD1 or BTC) and dated ones.

Source: the sheet `venues/gate.md` (November 2026), section numbers beside each fact; behind it
https://www.gate.com/docs/developers/apiv4/ws/en/ and .../futures/ws/en/.

What is peculiar here:

* A futures socket serves one settle currency; others are acknowledged and stay silent (1).
* One unknown symbol fails a whole request, and only the text of the error names it (4).
* Candles and books take one symbol a request, the others are asked for in batches (2).
* A second subscription of what we have is an error for `obu` ("Alert sub"), else a success (4).
* Sizes of contracts are integers, decimals or texts, by contract, channel and header (1, 6).
* The sign of a contract's trade is its side (6.2). Spot trades alone are known to count by one.
* `futures.tickers` has mark price, index, funding and open interest; absent is unchanged (6.1).
* Book `obu`: the first state is in the stream, maybe before the ack, and again at any time (7.1).
* Book `order_book_update`: REST has the first state, and lags (7.2); 20 levels come each 20 ms.
* That one is ccxt's for contracts and on Gate EU, `obu` on spot; nobody has seen `obu` of dated ones.
* Book `order_book`: whole and small, each 100 ms on spot, else unfiltered (5.5, 6.4).
* Frames name the level of a book and not its interval, so each level has one interval here.
* What leaves the window of a book is sent as 0 (7.1, corrections).

Deliberate differences from ccxt 4.5.90:

* Spot candles have the base volume `a`; ccxt takes `v`, the quote volume (5.4).
* `name` or `channel` choose any form of a book: "obu" (a chain that proves itself without REST),
  "order_book_update", "order_book".
* Spot books of more than 50 levels have 400; ccxt's have 50 unless the limit is 400 (7.1).
* The chain of `obu` is checked; ccxt does not look at `U` (7.1).
* A limit that no channel has takes the next larger level; ccxt sends it and is refused.
* Spot tickers have the time of their envelope; ccxt leaves None (5.2).
* Tickers of contracts are completed; in ccxt a sparse one wipes fields or passes for spot (6.1).
* Contracts in USD1 have their own address; ccxt would ask at USDT's, and loads them only where
  `options["swap"]["fetchMarkets"]["settlementCurrencies"]` names "usd1".
* The state of a contract's book by REST has its time in milliseconds; ccxt cuts it to seconds.
* `next_funding_rate` is None: `funding_rate_indicative` is deprecated, and the current rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, isnan
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar

import msgspec

from unified_ws import adapter as ws

_INTERVALS = (
    "10s", "30s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "7d",
    "30d",
)  # 5.4  # fmt: skip
_SPOT_ONLY = frozenset({"30s", "3m", "2h", "6h", "12h", "30d"})  # 6.6
_DATED_KINDS = frozenset(ws.Kind) - {ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS}
_SPOT_KINDS = _DATED_KINDS - {ws.Kind.MARK_PRICE, ws.Kind.OPEN_INTEREST}
# By type of market: family of channels, endpoint by settle currency, section of REST, kinds.
_MARKETS = {
    "spot": ("spot", "spot", "publicSpotGet", _SPOT_KINDS),
    "swap": ("futures", "{}", "publicFuturesGetSettle", frozenset(ws.Kind)),
    "future": ("futures", "delivery_{}", "publicDeliveryGetSettle", _DATED_KINDS),
}
_TESTNET, _OLD_TESTNET = "wss://ws-testnet.gate.com/v4/ws", "wss://fx-ws-testnet.gateio.ws/v4/ws"


def _endpoint(live: str, testnet: str | None, **serves: Any) -> ws.Endpoint:
    beat = ws.Heartbeat(by="message", every_s=15, timeout_s=10, silence_s=60, idle_ping_s=0)  # 3
    limits = ws.Limits(  # 2: none is documented, these are what careful clients keep to (4, 10)
        topics_per_request=50, messages=ws.Window(n=50, per_s=1), connections=100,
        dials=ws.Window(n=10, per_s=60),
    )  # fmt: skip
    return ws.Endpoint(live=live, testnet=testnet, serves=serves, heartbeat=beat, limits=limits)


def _contracts(path: str, testnet: str | None) -> ws.Endpoint:
    kind, settle = "future" if "/" in path else "swap", path.rpartition("/")[2].upper()
    return _endpoint(f"wss://fx-ws.gateio.ws/v4/ws/{path}", testnet, **{kind: True}, settle=settle)


def _switch(*values: str, alias: tuple[str, ...] = ()) -> ws.Switch:
    return ws.Switch(values=values, default=values[0], aliases=alias)


VENUE = ws.Venue(
    id="gate", ccxt_id="gate", name="Gate", aliases=("gateio",),
    evidence="sheet of November 2026; frames of 2021, 2023 and August 2026; not yet seen live",
    endpoints={  # 1
        "spot": _endpoint("wss://api.gateio.ws/ws/v4/", f"{_TESTNET}/spot", spot=True),
        "usdt": _contracts("usdt", f"{_TESTNET}/futures/usdt"),
        "btc": _contracts("btc", f"{_OLD_TESTNET}/btc"),
        "usd1": _contracts("usd1", None),
        "delivery_usdt": _contracts("delivery/usdt", f"{_OLD_TESTNET}/delivery/usdt"),
        "delivery_btc": _contracts("delivery/btc", f"{_OLD_TESTNET}/delivery/btc"),
    },
    kinds=frozenset(ws.Kind),
    timeframes={**{name: name for name in _INTERVALS}, "1w": "7d"},
    switches={
        ws.Kind.BOOK: {
            "name": _switch("", "obu", "order_book_update", "order_book", alias=("channel",)),
            "interval": _switch("", "50", "400", "20ms", "100ms"),
        },
        ws.Kind.TICKER: {"method": _switch("tickers", alias=("name",))},
        ws.Kind.BIDS_ASKS: {"method": _switch("book_ticker", alias=("name",))},
    },
    market_types=tuple(_MARKETS),
    rest={"": ws.RestHost(budget=ws.Window(n=200, per_s=10))},  # what ccxt knows of it
    rest_methods=tuple(
        f"{api}{what}" for _, _, api, _ in _MARKETS.values() for what in ("OrderBook", "Trades")
    ),
    rest_options={"fetchMarkets": {"types": list(_MARKETS)}},
    backoff=ws.Backoff(base_s=1, cap_s=30),  # 10
    closes={429: ws.CloseRule(floor_s=10)},
)  # fmt: skip

VENUE_EU = VENUE.model_copy(update={  # 1: spot alone, at another address
    "id": "gateeu", "ccxt_id": "gateeu", "name": "Gate EU", "aliases": (),
    "evidence": "sheet of November 2026, by ccxt alone; not yet seen live",
    "endpoints": {"spot": _endpoint("wss://api.gateeu.com/ws/v4/", None, spot=True)},
    "kinds": _SPOT_KINDS,
    "switches": {**VENUE.switches, ws.Kind.BOOK: {
        "name": _switch("order_book_update", "order_book", alias=("channel",)),
        "interval": _switch("", "20ms", "100ms"),
    }},
    "market_types": ("spot",), "rest_methods": VENUE.rest_methods[:2], "rest_options": {},
})  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------

_L = TypeVar("_L")


class _Head(msgspec.Struct, gc=False):
    channel: str
    event: str = ""
    result: msgspec.Raw = msgspec.Raw()
    time: int = 0
    time_ms: int = 0
    id: int | str | None = None
    error: dict[str, Any] | None = None
    payload: list[str | int] = []


class _SpotTrade(msgspec.Struct, gc=False):  # 5.1
    currency_pair: str
    id: int
    create_time_ms: str
    side: ws.Side
    amount: float
    price: float
    id_market: int = 0


class _Trade(msgspec.Struct, gc=False):  # 6.2
    contract: str
    id: int
    create_time_ms: int
    size: float
    price: float


class _Quote(msgspec.Struct, gc=False):  # 5.3, 6.3
    t: int
    u: int
    s: str
    b: str
    B: float
    a: str
    A: float


class _Candle(msgspec.Struct):  # 5.4, 6.6
    t: int
    n: str
    o: float
    h: float
    l: float
    c: float
    v: float | None = None
    a: float | None = None
    w: bool | None = None


class _Liquidation(msgspec.Struct):  # 6.7
    contract: str
    price: float
    size: float
    time: int
    time_ms: int = 0


class _Level(msgspec.Struct, gc=False):
    p: float
    s: float


class _Changes(msgspec.Struct, Generic[_L], gc=False):  # 5.6, 5.7, 6.5
    t: int
    s: str
    u: int
    U: int = 0
    b: list[_L] = []
    a: list[_L] = []
    l: int = 100
    full: bool = False


class _Whole(msgspec.Struct, Generic[_L], gc=False):  # 5.5, 6.4
    t: int
    bids: list[_L]
    asks: list[_L]
    s: str = ""
    contract: str = ""
    id: int = 0
    lastUpdateId: int = 0
    l: int = 0

    @property
    def level(self) -> int:
        """How deep it may be; frames of 2023 did not say so."""
        return self.l or _at_least(max(len(self.bids), len(self.asks)), _SMALL)


_TICKER = {  # 5.2, 6.1
    "last": "last", "highest_bid": "bid", "lowest_ask": "ask", "high_24h": "high",
    "low_24h": "low", "change_percentage": "percentage", "base_volume": "base_volume",
    "quote_volume": "quote_volume", "volume_24h_base": "base_volume",
    "volume_24h_quote": "quote_volume", "mark_price": "mark_price", "index_price": "index_price",
    "funding_rate": "rate", "total_size": "held",
}  # fmt: skip
_ALWAYS = frozenset(_TICKER.values()) - {"bid", "ask", "rate", "held"}  # if of a contract and whole
_Ticker: Any = msgspec.defstruct("_Ticker", [
    ("contract", str, ""), ("currency_pair", str, ""), ("t", int, 0), ("funding_interval", int, 0),
    ("funding_next_apply", int, 0), *((key, float | Literal[""] | None, None) for key in _TICKER),
])  # fmt: skip
_read_head = ws.reader(_Head)
_read_rows = ws.reader(list[msgspec.Raw])
_read_object = ws.reader(dict[str, Any])

# --- mappings: payload -> events --------------------------------------------------------------

_Events = Sequence[ws.Event]


def _at(head: _Head) -> int | None:
    return head.time_ms or head.time * 1000 or None  # frames of 2021 had no `time_ms`


def _levels(rows: list[Any]) -> list[ws.Level]:
    # Contracts send objects in some channels, pairs in others (6.5).
    return rows if not rows or type(rows[0]) is tuple else [(row.p, row.s) for row in rows]


def _spot_trade(symbol: str, d: _SpotTrade, raw: Any, _: _Head | None = None) -> tuple[ws.Trade]:
    ms, number = int(d.create_time_ms[:13]), d.id_market or d.id  # the rest is a fraction
    return (ws.Trade(symbol, str(d.id), ms, d.price, d.amount, d.side, raw, number),)


def _trade(symbol: str, d: _Trade, raw: Any, _: _Head | None = None) -> tuple[ws.Trade]:
    side: ws.Side = "sell" if d.size < 0 else "buy"
    size = abs(d.size)
    return (ws.Trade(symbol, str(d.id), d.create_time_ms, d.price, size, side, raw, d.id),)


def _ticker(symbol: str, d: Any, raw: msgspec.Raw, head: _Head) -> _Events:
    at, due, seconds = d.t or _at(head), d.funding_next_apply * 1000 or None, d.funding_interval
    n = {name: v for key, name in _TICKER.items() if (v := getattr(d, key)) not in (None, "")}
    for name in ("base_volume", "quote_volume"):
        if isnan(n.get(name, 0.0)):
            n[name] = 0.0  # as ccxt has it
    rate, held = n.pop("rate", None), n.pop("held", None)
    partial = bool(d.contract) and not n.keys() >= _ALWAYS
    events: list[ws.Event] = [ws.Ticker(symbol, at, **n, partial=partial, raw=raw)]
    mark, index = n.get("mark_price"), n.get("index_price")
    if mark is not None or index is not None:
        events.append(ws.MarkPrice(symbol, at, mark, index, None in {mark, index}, raw))
    if rate is not None or due is not None:
        every = f"{seconds // 60}m" if seconds % 3600 else f"{seconds // 3600}h"
        partial = None in {rate, due, mark, index} or not seconds
        events.append(ws.FundingRate(
            symbol, at, rate, due, mark, index, interval=every if seconds else None,
            partial=partial, raw=raw,
        ))  # fmt: skip
    if held is not None:
        events.append(ws.OpenInterest(symbol, at, held, raw=raw))
    return events


def _quote(symbol: str, d: _Quote, raw: msgspec.Raw, _: _Head) -> _Events:
    if not d.t:
        return ()  # 6.3: no quote at all
    # An empty side has no price and the size 0 (6.3).
    bid, bid_volume = (float(d.b), d.B) if d.b else (None, None)
    ask, ask_volume = (float(d.a), d.A) if d.a else (None, None)
    return (ws.BidAsk(symbol, d.t, bid, bid_volume, ask, ask_volume, d.u, raw),)


def _candle(symbol: str, d: _Candle, raw: msgspec.Raw, head: _Head) -> _Events:
    volume = d.a if head.channel == "spot.candlesticks" else d.v  # contracts, as in ccxt
    if volume is None:
        raise ValueError("a candle without a volume in its base currency or in contracts")
    return (ws.Candle(
        symbol, d.n.partition("_")[0], d.t * 1000, d.o, d.h, d.l, d.c, volume, d.w, _at(head),
        raw=raw,
    ),)  # fmt: skip


def _liquidation(symbol: str, d: _Liquidation, raw: msgspec.Raw, _: _Head) -> _Events:
    # Milliseconds since August 2026; before, seconds with `time_ms` beside them.
    ms = d.time_ms or (d.time if d.time > 10**11 else d.time * 1000)
    side: ws.Side = "sell" if d.size < 0 else "buy"
    return (ws.Liquidation(symbol, ms, d.price, abs(d.size), side, raw=raw),)


def _changes(symbol: str, d: _Changes[Any], _: msgspec.Raw, __: _Head) -> _Events:
    bids, asks = _levels(d.b), _levels(d.a)
    if d.full:  # 7: the book begins anew
        return (ws.BookUpdate(symbol, "snapshot", bids, asks, d.t, d.u),)
    if not d.U:
        raise ValueError("an update that does not say where it begins")
    return (ws.BookUpdate(symbol, "delta", bids, asks, d.t, d.u, d.U - 1),)


def _whole(symbol: str, d: _Whole[Any], _: msgspec.Raw, __: _Head) -> _Events:
    if not d.t:
        return ()  # 6.4: an empty one
    bids, asks, last = _levels(d.bids), _levels(d.asks), d.id or d.lastUpdateId
    return (ws.BookUpdate(symbol, "whole", bids, asks, d.t, last, depth=d.level),)


_Channel = tuple[Callable[[msgspec.Raw], Any], Callable[[Any], Any], Callable[..., _Events], bytes]
_contract, _pair, _s = attrgetter("contract"), attrgetter("currency_pair"), attrgetter("s")
# How a payload is read, how it names itself (see `_place`) and what it becomes. Payloads that begin
# with one of the last are read row by row: a row that cannot be read is set aside alone.
_CHANNELS: dict[str, _Channel] = {
    "spot.trades": (ws.reader(_SpotTrade), _pair, _spot_trade, b"["),
    "futures.trades": (ws.reader(_Trade), _contract, _trade, b"[{"),
    "spot.tickers": (ws.reader(_Ticker), _pair, _ticker, b""),
    "futures.tickers": (ws.reader(_Ticker), _contract, _ticker, b"[{"),
    "spot.candlesticks": (ws.reader(_Candle), attrgetter("n"), _candle, b"[{"),
    "futures.candlesticks": (ws.reader(_Candle), attrgetter("n"), _candle, b"[{"),
    "futures.public_liquidates": (ws.reader(_Liquidation), _contract, _liquidation, b"[{"),
    "spot.book_ticker": (ws.reader(_Quote), _s, _quote, b""),
    "futures.book_ticker": (ws.reader(_Quote), _s, _quote, b""),
    "spot.obu": (ws.reader(_Changes[ws.Level]), _s, _changes, b""),
    "futures.obu": (ws.reader(_Changes[ws.Level]), _s, _changes, b""),
    "spot.order_book_update": (ws.reader(_Changes[ws.Level]), attrgetter("s", "l"), _changes, b""),
    "futures.order_book_update": (ws.reader(_Changes[_Level]), attrgetter("s", "l"), _changes, b""),
    "spot.order_book": (ws.reader(_Whole[ws.Level]), attrgetter("s", "level"), _whole, b""),
    "futures.order_book": (ws.reader(_Whole[_Level]), attrgetter("contract", "level"), _whole, b""),
}
_SMALL = (1, 5, 10, 20, 50, 100)
# Books: their levels, and their payload, which is also what follows the channel in a topic.
_BOOKS = {
    "spot.obu": ((50, 400), "ob.{id}.{level}"),  # 5.7
    "futures.obu": ((50, 400), "ob.{id}.{level}"),  # 6.5
    "spot.order_book_update": ((100,), "{id}:{every}"),  # 5.6
    "futures.order_book_update": ((50, 100), "{id}:{every}:{level}"),  # 6.5
    "spot.order_book": (_SMALL[1:], "{id}:{level}:100ms"),  # 5.5
    "futures.order_book": (_SMALL, "{id}:{level}:0"),  # 6.4
}
_OTHERS = {  # by kind; all that is not here is in the tickers (6.8)
    ws.Kind.TRADES: "trades", ws.Kind.BIDS_ASKS: "book_ticker",
    ws.Kind.LIQUIDATIONS: "public_liquidates",
}  # fmt: skip
_TOGETHER = frozenset({"tickers", *_OTHERS.values()})  # 2: several symbols a request
_STREAM, _WORDS = re.compile(r"ob\.(.+)\.\d+"), re.compile(r"\w+")


def _at_least(depth: int, levels: Sequence[int]) -> int:
    return next((level for level in levels if level >= depth), levels[-1])


def _book_topic(channel: str, market_id: str, level: int) -> str:
    every = "20ms" if level == 20 else "100ms"  # 6
    return f"{channel}:{_BOOKS[channel][1].format(id=market_id, level=level, every=every)}"


@lru_cache(50_000)
def _place(channel: str, key: str | tuple[str, int]) -> tuple[str, str]:
    """Return the topic of a payload and the id of its market."""
    if isinstance(key, tuple):  # a book: its market and its level
        return _book_topic(channel, *key), key[0]
    market_id = key
    if channel.endswith("candlesticks"):  # 5.4: 1m_BTC_USDT
        market_id = key.partition("_")[2]
    elif channel.endswith("obu"):
        stream = _STREAM.fullmatch(key)
        if stream is None:
            raise ValueError(f"{key!r} is no stream of the form ob.BTC_USDT.50")
        market_id = stream[1]
    return f"{channel}:{key}", market_id


class Gate(ws.Adapter):
    """Gate: spot, perpetual and dated contracts."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the endpoint and the stream of a subscription (5, 6)."""
        market, kind = sub.market, sub.kind
        if market is None or kind not in _MARKETS[market.type][-1]:
            return ()
        family, endpoint, section, _ = _MARKETS[market.type]
        spot, settle = family == "spot", (market.settle or "").lower()
        at = endpoint.format(settle)
        asked = {"currency_pair": market.id} if spot else {"settle": settle, "contract": market.id}
        if kind is ws.Kind.BOOK:
            channel, level = _book(sub, family)
            topic, snapshot = _book_topic(channel, market.id, level), None
            if channel.endswith("update"):
                params = {**asked, "with_id": "true"}
                snapshot = ws.Snapshot(f"{section}OrderBook", params, "limit", ((level, 1.0),))
            keeps = None if channel.endswith("order_book") else level
            return (ws.Route(at, topic, topic, snapshot=snapshot, keeps=keeps),)
        if kind is ws.Kind.OHLCV:
            interval = VENUE.timeframes[sub.timeframe]
            topic = f"{family}.candlesticks:{interval}_{market.id}"
            return (ws.Route(at, topic, topic),) if spot or interval not in _SPOT_ONLY else ()
        channel, history, counted = f"{family}.{_OTHERS.get(kind, 'tickers')}", None, False
        if kind is ws.Kind.TRADES:
            recent = ws.Rest(f"{section}Trades", {**asked, "limit": 1000})
            history, counted = ws.History(recent, 1000), spot
        topic = f"{channel}:{market.id}"
        return (ws.Route(at, topic, channel, history=history, contiguous_ids=counted),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build one (un)subscribe frame: several markets of a channel, or one stream (2, 4)."""
        channel, _, first = topics[0].partition(":")
        payload = first.split("_", 1) if channel.endswith("candlesticks") else first.split(":")
        payload += [topic.partition(":")[2] for topic in topics[1:]]
        return msgspec.json.encode({
            "time": call.now_ms // 1000, "id": int(call.id), "channel": channel, "event": op,
            "payload": payload,
        })  # fmt: skip

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        head = _read_head(frame)
        channel, event, raw = head.channel, head.event, head.result
        known = _CHANNELS.get(channel) if event in {"update", "all"} else None
        if known is not None:
            read, key, build, by_row = known
            if by_row and (first := memoryview(raw)[0]) in by_row:
                return _rows(head, _read_rows(raw) if first == ord("[") else [raw], markets)
            d = read(raw)
            topic, market_id = _place(channel, key(d))
            symbol = markets(market_id)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
            return (ws.Batch(topic, build(symbol, d, raw, head)),)
        if event in {"subscribe", "unsubscribe"} or head.error is not None:
            return (_answer(head),)
        if channel.endswith(".pong"):  # 3
            return (ws.Pong(),)
        if channel.endswith(".system"):  # 10
            notice = _read_object(raw)
            return (ws.Closing(str(notice.get("msg", ""))),) if notice["type"] == "upgrade" else ()
        raise ValueError(f"{channel} {event}: nothing that was asked for")

    def dial(self, url: str, call: ws.Call, answer: Any = None) -> ws.Dial:
        """Ask for exact sizes of contracts (1)."""
        return ws.Dial(url, {} if call.at == "spot" else {"X-Gate-Size-Decimal": "1"})

    def ping(self, call: ws.Call) -> bytes:
        """Build the ping of the application (3)."""
        channel = "spot.ping" if call.at == "spot" else "futures.ping"
        return msgspec.json.encode({"time": call.now_ms // 1000, "channel": channel})

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read the order book of REST: as deep as the window of the stream (7.2)."""
        bids, asks = ([_row(row) for row in body[side]] for side in ("bids", "asks"))
        last, now = int(body["id"]), body.get("current")  # spot has milliseconds, contracts seconds
        ms = round(now * (1 if market.type == "spot" else 1000)) if now is not None else None
        return ws.BookUpdate(market.symbol, "rest", bids, asks, ms, last, bounds=(0.0, inf))

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read the newest trades of REST, whose ids are the stream's own."""
        return sorted((_past(row, market) for row in body), key=lambda trade: trade.number)


class GateEU(Gate):
    """Gate EU: spot alone."""

    venue = VENUE_EU


def _book(sub: ws.Sub, family: str) -> tuple[str, int]:
    """Choose among the three forms of a book and its levels, by ccxt's switches and depth (7)."""
    name, interval = sub.channel.get("name", ""), sub.channel.get("interval", "")
    if not name:
        by_rest = interval.endswith("ms") or (family != "spot" and not interval)
        name = "order_book_update" if by_rest else "obu"
    channel, depth = f"{family}.{name}", sub.depth or (50 if family == "spot" else 100)  # ccxt's
    if name == "obu" and interval in {"50", "400"}:
        depth = max(sub.depth, int(interval))
    fast = name == "order_book_update" and interval == "20ms"
    return channel, 20 if fast else _at_least(depth, _BOOKS[channel][0])


def _answer(head: _Head) -> ws.Inbound:
    about, error = "" if head.id is None else str(head.id), head.error or {}
    text, code = str(error.get("message", "")).strip(), int(error.get("code", 0))
    if head.error is None or text.startswith("Alert sub"):  # 4: we have it already
        return ws.Ack(about)
    culprits: tuple[str, ...] = ()
    if head.channel.partition(".")[2] in _TOGETHER:
        words = set(_WORDS.findall(text))
        culprits = tuple(f"{head.channel}:{name}" for name in head.payload if name in words)
    return ws.Refused(f"{text} (code {code})", about, culprits, retry=code == 3)  # 4: their fault


def _rows(head: _Head, rows: list[msgspec.Raw], markets: ws.Markets) -> list[ws.Batch]:
    """Read each row for itself, and put it under the topic of its market."""
    read, key, build, _ = _CHANNELS[head.channel]
    events: dict[str, list[ws.Event]] = {}
    skipped: dict[str, int] = {}
    bad: dict[str, list[ws.BadRow]] = {}

    def parse(raw: msgspec.Raw) -> None:
        d = read(raw)
        topic, market_id = _place(head.channel, key(d))
        symbol = markets(market_id)
        if symbol is None:
            skipped[topic] = skipped.get(topic, 0) + 1
        else:
            events.setdefault(topic, []).extend(build(symbol, d, raw, head))

    for row in ws.by_row(head.channel, rows, parse).bad:
        d = _read_object(row.raw)
        name = d.get("contract") or d.get("n") or d.get("currency_pair") or ""
        bad.setdefault(f"{head.channel}:{name}", []).append(row)
    return [
        ws.Batch(topic, events.get(topic, ()), skipped.get(topic, 0), bad.get(topic, ()))
        for topic in {**events, **skipped, **bad}
    ]


def _row(row: Any) -> ws.Level:
    price, size = (row["p"], row["s"]) if isinstance(row, dict) else row
    return float(price), float(size)


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    """Read a trade of REST, where texts stand for numbers and seconds for milliseconds."""
    id_, at, price = int(row["id"]), str(row["create_time_ms"]), float(row["price"])
    if market.type == "spot":
        number, amount = int(row.get("sequence_id") or 0), float(row["amount"])
        spot = _SpotTrade(market.id, id_, at, row["side"], amount, price, number)
        return _spot_trade(market.symbol, spot, row)[0]
    ms = round(float(at) * 1000) if "." in at else int(at)
    return _trade(market.symbol, _Trade(market.id, id_, ms, float(row["size"]), price), row)[0]
