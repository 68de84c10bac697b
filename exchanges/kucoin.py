"""KuCoin: spot and futures market data, classic sockets and the newer UTA gateways.

Source: the sheet `venues/kucoin.md` (November 2026), section numbers beside each fact; behind it
https://www.kucoin.com/docs-new, the venue's own SDK and its recorded sample frames.

What is peculiar here:

* A classic address comes from REST for each dial anew, with a token of 24 hours and the intervals
  of the heartbeat (1.1); UTA's are fixed (1.2). Nothing is sent before the `welcome`.
* Topics of one channel are joined by commas, at most 100 symbols a request (2); frames come back
  under the topic of one symbol. The topic of all spot tickers has the symbol as `subject` (5).
* A futures socket acknowledges unknown symbols and stays silent (4.1): symbols are checked before.
* Rows of price "0" only advance a book's sequence (8.1); a futures frame is one change (8.2).
* The rows of a spot book's frame are not in the order of their sequences (seen in 2022).
* Public REST tells 100 levels of a spot book, all of a futures one (8.1, 8.2).
* Candles are start, open, close, high, low, volume; the volume of futures (contracts) is the last
  number, the one before it has been seen to be the turnover (5, 6).
* Times are nanoseconds or milliseconds, from channel to channel (5, 6, 7).
* UTA frames are binary ones that hold JSON (1.2). Their best ask is `a`, their best bid `b` (7).
* There are no liquidations, no checksums and no testnet (6, 8.4, 1.2).

Choices:

* `{"uta": True}` takes UTA's channels, as in ccxt.
* Mark prices, funding rates and open interest come from UTA. `{"method": "/contract/instrument"}`
  is the classic channel: no open interest, and not a word on when or how often funding is due.
* `funding_timestamp` is `ft`, the start of the running interval, as in ccxt; its end, when the rate
  is due, is `next_funding_timestamp`.
* A contract's day: `{"contractMethod": "/contractMarket/snapshot"}`; ccxt's channel has none of it.
* Candles of futures are asked for one by one: nobody has shown that lists of them are taken, and
  the venue would not say no (4.1).

Deliberate differences from ccxt 4.5.90:

* Bid and ask of UTA tickers are not swapped (13.1); UTA's books move, ccxt applies no delta (13.2).
* `{"utaDepth": "increment"}` is served by `increment@10ms`, which brings its own first state: the
  other is deprecated, and its state takes a signed request (1.3, 8.4).
* `bidVolume` and `askVolume` of the spot ticker are filled: the frame has them (5).
* Nanoseconds are cut to milliseconds exactly; ccxt's floats make many a time 1 ms short.
* `cost` of a trade of an inverse contract is in the coin; ccxt multiplies dollars by the price.
* `watch_tickers` honours `uta`, `watch_order_book` `method`: ccxt documents both, goes by neither.
* Any `limit` of a book is taken, where ccxt raises for all but 5, 20, 50 and 100. A spot book
  begins with the public 100 levels, with API keys too, and rows beyond what is known are not handed
  out; a futures book always begins with the full one (13.3).
* `watch_bids_asks` takes more than 100 symbols; topics beyond 300 get a second connection (13.4).
* Six-hour candles of futures raise `NotSupported`: the venue has none (7), ccxt waits for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from unified_ws import adapter as ws

_TIMEFRAMES = {  # 5
    "1m": "1min", "3m": "3min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1hour",
    "2h": "2hour", "4h": "4hour", "6h": "6hour", "8h": "8hour", "12h": "12hour", "1d": "1day",
    "1w": "1week", "1M": "1month",
}  # fmt: skip
_TIMEFRAME_OF = {value: key for key, value in _TIMEFRAMES.items()}
_INTERVALS = {3600000: "1h", 14400000: "4h", 28800000: "8h", 57600000: "16h", 86400000: "24h"}
_CHANNEL_OF = {  # of spot, of futures, of UTA where that is asked for (5, 6, 7)
    ws.Kind.TRADES: ("/market/match", "/contractMarket/execution", "trade"),
    ws.Kind.BOOK: ("/market/level2", "/contractMarket/level2", "obu"),
    ws.Kind.TICKER: ("/market/snapshot", "/contractMarket/ticker", "ticker"),
    ws.Kind.BIDS_ASKS: ("/spotMarket/level1", "/contractMarket/tickerV2", ""),
    ws.Kind.OHLCV: ("/market/candles", "/contractMarket/limitCandle", "kline"),
    ws.Kind.MARK_PRICE: ("", "mark-price", ""),
    ws.Kind.OPEN_INTEREST: ("", "mark-price", ""),
    ws.Kind.FUNDING_RATE: ("", "funding-fee", ""),
}
_BOOKS = (  # of spot, of futures: changes, whole books of 5 and of 50 levels (5, 6)
    ("/market/level2", "/spotMarket/level2Depth5", "/spotMarket/level2Depth50"),
    ("/contractMarket/level2", "/contractMarket/level2Depth5", "/contractMarket/level2Depth50"),
)
_CANDLES = _CHANNEL_OF[ws.Kind.OHLCV][:2]
_INSTRUMENT = "/contract/instrument"
_ALL = "/market/ticker:all"
_ONE_BY_ONE = ("/contractMarket/limitCandle", "trade", "kline", "obu", "mark-price")  # 2
_STATES = {  # 8.1, 8.2: where books of changes begin
    "/market/level2": ws.Snapshot(
        "publicGetMarketOrderbookLevelLevelLimit", {"level": 2}, "limit", ((20, 2.0), (100, 4.0))
    ),
    "/contractMarket/level2": ws.Snapshot("futuresPublicGetLevel2Snapshot", {}, "", ((0, 3.0),)),
}
_PAST = {  # the newest hundred trades, and what they weigh
    "/market/match": ("publicGetMarketHistories", 3.0),
    "/contractMarket/execution": ("futuresPublicGetTradeHistory", 5.0),
}
_SPOT_TOKEN, _FUTURES_TOKEN = "publicPostBulletPublic", "futuresPublicPostBulletPublic"  # 1.1
_BEAT = ws.Heartbeat(  # 3; protocol pings are not spoken here, only messages
    by="message", every_s=15, timeout_s=10, silence_s=46, idle_ping_s=0
)
_CLASSIC = {  # 2, 12
    "messages": ws.Window(n=100, per_s=10), "dials": ws.Window(n=30, per_s=60),
    "lifetime_s": 24 * 3600, "rotate_after_s": 23 * 3600,
}  # fmt: skip
_SPOT = {**_CLASSIC, "topics_per_connection": 300}
_UNIFIED = {  # 2
    "messages": ws.Window(n=300, per_s=10), "dials": ws.Window(n=250, per_s=300),
    "topics_per_connection": 600,
}  # fmt: skip


def _endpoint(host: str, serves: str, token: str | None, **limits: Any) -> ws.Endpoint:
    return ws.Endpoint(
        live=f"wss://{host}", serves={serves: True}, ask_first=token, awaits_ready=True,
        heartbeat=_BEAT,
        # 2; UTA's lists of symbols: undocumented, the classic size
        limits=ws.Limits(topics_per_request=100, connections=800, **limits),
    )  # fmt: skip


def _switch(*values: str, **more: Any) -> ws.Switch:
    return ws.Switch(values=values, default=values[0], **more)


_UTA = {"uta": _switch("false", "true")}
_METHOD = {"method": _switch("mark-price", _INSTRUMENT)}
VENUE = ws.Venue(
    id="kucoin", ccxt_id="kucoin", name="KuCoin",
    evidence="sheet of November 2026; recordings of 2021 to 2026; not yet seen live",
    endpoints={
        "spot": _endpoint("ws-api-spot.kucoin.com/", "spot", _SPOT_TOKEN, **_SPOT),
        "futures": _endpoint("ws-api-futures.kucoin.com/", "contract", _FUTURES_TOKEN, **_CLASSIC),
        "uta_spot": _endpoint("x-push-spot.kucoin.com", "spot", None, **_UNIFIED),
        "uta_futures": _endpoint("x-push-futures.kucoin.com", "contract", None, **_UNIFIED),
    },
    kinds=frozenset(_CHANNEL_OF),  # 6: liquidations are not told
    all_markets=frozenset({ws.Kind.TICKER}),
    timeframes=_TIMEFRAMES,
    switches={
        ws.Kind.TRADES: _UTA,
        ws.Kind.BOOK: {
            **_UTA, "utaDepth": _switch("increment", "increment@10ms", "50", "5", "1"),
            "method": _switch("", *_BOOKS[0], *_BOOKS[1]), "spotMethod": _switch(*_BOOKS[0]),
            "contractMethod": _switch(*_BOOKS[1]),
        },
        ws.Kind.TICKER: {
            "uta": _switch("false", "true", for_all=("false",)),
            "spotMethod": _switch(
                "/market/snapshot", "/market/ticker", aliases=("method",),
                defaults={"watchTickers": "/market/ticker"}, for_all=("/market/ticker",),
            ),
            "contractMethod": _switch("/contractMarket/ticker", "/contractMarket/snapshot"),
        },
        ws.Kind.OHLCV: _UTA, ws.Kind.MARK_PRICE: _METHOD, ws.Kind.FUNDING_RATE: _METHOD,
    },
    market_types=("spot", "swap", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=2000, per_s=30))},  # an address's pool of both hosts
    rest_methods=(
        _SPOT_TOKEN, _FUTURES_TOKEN, *(state.method for state in _STATES.values()),
        *(method for method, _ in _PAST.values()),
    ),
    closes={429: ws.CloseRule(floor_s=10)},  # 12
)  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names or those that `_CHANNELS` maps;
# --- `ns` is a time in nanoseconds, the others are in milliseconds -------------------------------


class _Head(msgspec.Struct, gc=False):  # 4.1, 4.2: of classic frames and of UTA's
    topic: str = ""
    type: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None
    code: int | None = None
    T: str = ""
    P: int = 0
    dp: str = ""
    t: str = ""
    d: msgspec.Raw = msgspec.Raw()
    op: str = ""
    result: bool | None = None
    reason: str = ""
    message: str = ""


class _UtaTrade(msgspec.Struct, gc=False):  # 7
    ns: int
    id: str | int
    price: float
    size: float
    side: str
    s: str = ""


class _Trade(_UtaTrade, gc=False):  # 5, 6
    side: ws.Side


class _Changes(msgspec.Struct, gc=False):
    asks: list[tuple[float, float, int]]
    bids: list[tuple[float, float, int]]


class _Level2(msgspec.Struct, gc=False):  # 5
    changes: _Changes
    sequenceStart: int
    sequenceEnd: int
    time: int | None = None


class _Change(msgspec.Struct, gc=False):  # 6
    change: str
    sequence: int
    timestamp: int


class _Depth(msgspec.Struct, gc=False):  # 5, 6: spot's has no sequence
    asks: list[ws.Level]
    bids: list[ws.Level]
    timestamp: int
    sequence: int | None = None


class _UtaBook(msgspec.Struct, gc=False):  # 7
    s: str
    O: int
    C: int
    M: int
    a: list[ws.Level]
    b: list[ws.Level]


class _Level1(msgspec.Struct, gc=False):  # 5
    asks: list[float]
    bids: list[float]
    timestamp: int


class _Candles(msgspec.Struct, gc=False):  # 5, 6
    candles: tuple[int, float, float, float, float, float, float]
    spot_ns: int = 0
    futures_ms: int = 0


class _UtaFunding(msgspec.Struct, gc=False):  # 7
    s: str
    fr: float
    ft: int
    nt: int
    gl: int | None = None


_Ticker = msgspec.defstruct("_Ticker", [  # 5, 6, 7; some documents of spot's write Time
    *((name, float | None, None) for name in ("ask", "ask_volume", "bid", "bid_volume", "last")),
    ("number", int | None, None), ("time", int, 0), ("Time", int | None, None), ("ns", int, 0),
    ("s", str, ""),
])  # fmt: skip
_Day = msgspec.defstruct("_Day", [  # 5, 6
    (name, float | None, None) for name in (
        "open", "high", "low", "change", "rate", "average", "base_volume", "quote_volume",
    )
], bases=(_Ticker,))  # fmt: skip
_Mark = msgspec.defstruct("_Mark", [  # 6, 7
    ("time", int), ("s", str, ""),
    *((name, float | None, None) for name in ("price", "index", "interest", "rate")),
])  # fmt: skip
_UtaKline = msgspec.defstruct("_UtaKline", [  # 7
    ("s", str), ("i", str), ("O", int), *((name, float) for name in "ohlcv"),
    ("S", bool | None, None),
], gc=False)  # fmt: skip


def _wire(wire: type[msgspec.Struct], **names: str) -> Callable[[msgspec.Raw], Any]:
    """Compile a reader of `wire` for a channel that calls its fields by these `names`.

    What a channel has a name for must be there, unless it may be None.
    """
    fields: list[Any] = []
    for one in msgspec.structs.fields(wire):
        needed = one.required or (one.name in names and one.default is not None)
        fields.append((one.name, one.type) if needed else (one.name, one.type, one.default))
    named = msgspec.defstruct(wire.__name__, fields, rename=names, kw_only=True, gc=False)
    return ws.reader(named)


_read_head = ws.reader(_Head)
_read_text = msgspec.json.Decoder(str).decode

# --- mappings: payload -> events; `about` is the timeframe of a candle, the depth of a book ----

_MS = 1_000_000
_PRICE, _SEQUENCE = itemgetter(0), itemgetter(2)
_SIDES: dict[str, ws.Side] = {"buy": "buy", "sell": "sell", "BUY": "buy", "SELL": "sell"}
_Made: TypeAlias = ws.Event | list[ws.Event]


def _trade(symbol: str, d: _UtaTrade, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    return ws.Trade(symbol, str(d.id), d.ns // _MS, d.price, d.size, _SIDES[d.side], raw)


def _rows(rows: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """Order the changes of one side by sequence; price 0 changes nothing (8.1)."""
    if len(rows) > 1:
        rows.sort(key=_SEQUENCE)
    return [row for row in rows if row[0]] if 0.0 in map(_PRICE, rows) else rows


def _level2(symbol: str, d: _Level2, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    bids, asks = _rows(d.changes.bids), _rows(d.changes.asks)
    before = d.sequenceStart - 1  # 8.1
    return ws.BookUpdate(symbol, "delta", bids, asks, d.time, d.sequenceEnd, before)


def _change(symbol: str, d: _Change, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    price, side, size = d.change.split(",")
    level = (float(price), float(size))
    rows = [level] if level[0] else []
    bids, asks = (rows, []) if _SIDES[side] == "buy" else ([], rows)
    before = d.sequence - 1  # 8.2
    return ws.BookUpdate(symbol, "delta", bids, asks, d.timestamp, d.sequence, before)


def _depth(symbol: str, d: _Depth, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    at = d.timestamp
    number = at if d.sequence is None else d.sequence  # ccxt's nonce
    return ws.BookUpdate(symbol, "whole", d.bids, d.asks, at, number, depth=int(about))


def _uta_book(symbol: str, d: _UtaBook, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    at = d.M // _MS
    if not about.startswith("increment"):  # 8.3
        return ws.BookUpdate(symbol, "whole", d.b, d.a, at, d.C, depth=int(about))
    if head.t == "snapshot":  # 8.4
        return ws.BookUpdate(symbol, "snapshot", d.b, d.a, at, d.C, depth=500)
    if head.t != "delta":
        raise ValueError(f"no kind of a book: {head.t!r}")
    return ws.BookUpdate(symbol, "delta", d.b, d.a, at, d.C, d.O - 1)


def _level1(symbol: str, d: _Level1, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    bid, bid_size = d.bids or (None, None)  # a side may be empty
    ask, ask_size = d.asks or (None, None)
    return ws.BidAsk(symbol, d.timestamp, bid, bid_size, ask, ask_size, raw=raw)


def _quote(symbol: str, d: Any, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    at = d.ns // _MS
    return ws.BidAsk(symbol, at, d.bid, d.bid_volume, d.ask, d.ask_volume, d.number, raw)


def _ticker(symbol: str, d: Any, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    at = d.ns // _MS or d.time or d.Time
    return ws.Ticker(symbol, at, d.last, d.bid, d.bid_volume, d.ask, d.ask_volume, raw=raw)


def _day(symbol: str, d: Any, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    percentage = None if d.rate is None else round(d.rate * 100, 10)  # as decimals, like ccxt
    return ws.Ticker(
        symbol, d.ns // _MS or d.time, d.last, d.bid, d.bid_volume, d.ask, d.ask_volume, d.open,
        d.high, d.low, None, d.change, percentage, d.average, None, d.base_volume, d.quote_volume,
        raw=raw,
    )  # fmt: skip


def _candle(symbol: str, d: _Candles, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    start, first, last, high, low, volume, lots = d.candles
    start, at = start * 1000, d.spot_ns // _MS
    if d.futures_ms:
        at, volume = d.futures_ms, lots  # 6
    return ws.Candle(symbol, about, start, first, high, low, last, volume, None, at, raw=raw)


def _uta_kline(symbol: str, d: Any, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    frame, at = _TIMEFRAME_OF[d.i], head.P // _MS
    return ws.Candle(symbol, frame, d.O * 1000, d.o, d.h, d.l, d.c, d.v, d.S, at, raw=raw)


def _mark(symbol: str, d: Any, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    events: list[ws.Event] = []  # stays empty for a subject that nobody asked for
    if d.price is not None:
        events.append(ws.MarkPrice(symbol, d.time, d.price, d.index, raw=raw))
    if d.interest is not None:
        events.append(ws.OpenInterest(symbol, d.time, d.interest, raw=raw))
    if d.rate is not None:
        events.append(ws.FundingRate(symbol, d.time, d.rate, raw=raw))
    return events


def _uta_funding(symbol: str, d: _UtaFunding, raw: msgspec.Raw, about: str, head: _Head) -> _Made:
    interval = None if d.gl is None else _INTERVALS.get(d.gl, str(d.gl))
    return ws.FundingRate(
        symbol, None, d.fr, d.ft, next_funding_timestamp_ms=d.nt, interval=interval, raw=raw
    )


_Channel: TypeAlias = tuple[Callable[[msgspec.Raw], Any], Callable[..., _Made]]
_CONTRACT = {
    "ns": "ts", "last": "price", "bid": "bestBidPrice", "bid_volume": "bestBidSize",
    "ask": "bestAskPrice", "ask_volume": "bestAskSize", "number": "sequence",
}  # fmt: skip
_CHANNELS: dict[str, _Channel] = {
    "/market/match": (_wire(_Trade, ns="time", id="tradeId"), _trade),
    "/contractMarket/execution": (_wire(_Trade, ns="ts", id="tradeId"), _trade),
    "/market/level2": (ws.reader(_Level2), _level2),
    "/contractMarket/level2": (ws.reader(_Change), _change),
    **dict.fromkeys((*_BOOKS[0][1:], *_BOOKS[1][1:]), (ws.reader(_Depth), _depth)),
    "/spotMarket/level1": (ws.reader(_Level1), _level1),
    "/contractMarket/tickerV2": (_wire(_Ticker, **_CONTRACT), _quote),
    "/contractMarket/ticker": (_wire(_Ticker, **_CONTRACT), _ticker),
    "/contractMarket/snapshot": (_wire(
        _Day, ns="ts", last="lastPrice", open="price24HoursBefore", high="highPrice",
        low="lowPrice", change="priceChg", rate="priceChgPct", base_volume="volume",
        quote_volume="turnover",
    ), _day),
    "/market/ticker": (_wire(
        _Ticker, last="price", bid="bestBid", bid_volume="bestBidSize", ask="bestAsk",
        ask_volume="bestAskSize",
    ), _ticker),
    "/market/snapshot": (_wire(
        _Day, time="datetime", last="lastTradedPrice", bid="buy", bid_volume="bidSize",
        ask="sell", ask_volume="askSize", change="changePrice", rate="changeRate",
        average="averagePrice", base_volume="vol", quote_volume="volValue",
    ), _day),
    "/market/candles": (_wire(_Candles, spot_ns="time"), _candle),
    "/contractMarket/limitCandle": (_wire(_Candles, futures_ms="time"), _candle),
    _INSTRUMENT: (_wire(
        _Mark, time="timestamp", price="markPrice", index="indexPrice", rate="fundingRate",
    ), _mark),
    "trade": (_wire(_UtaTrade, s="s", ns="M", id="ti", price="p", size="q", side="S"), _trade),
    "obu": (ws.reader(_UtaBook), _uta_book),
    "ticker": (_wire(
        _Ticker, s="s", ns="M", last="l", bid="b", bid_volume="B", ask="a", ask_volume="A",
    ), _ticker),
    "kline": (ws.reader(_UtaKline), _uta_kline),
    "mark-price": (_wire(_Mark, s="s", time="ts", price="mp", index="ip", interest="oi"), _mark),
    "funding-fee": (ws.reader(_UtaFunding), _uta_funding),
}  # fmt: skip
_INFO = {  # where ccxt's `info` is not the data: the whole frame, the data in the data
    "/spotMarket/level1": "frame", "/contractMarket/tickerV2": "frame", "/market/snapshot": "inner",
}  # fmt: skip
_NOT_FOUND = re.compile(r"topic (/\S+:[^\s,]+) is not found")


@lru_cache(8192)
def _place(topic: str, depth: str = "") -> tuple[_Channel, str, str, str, str]:
    """Return channel, kind of info, topic up to the market, market, timeframe or depth."""
    name, _, market = topic.partition(":")
    channel = name.partition(".")[0]
    if channel not in _CHANNELS:
        raise ValueError(f"no channel of ours: {topic}")
    about = depth or name.partition("Depth")[2]
    if channel in _CANDLES:
        market, _, interval = market.partition("_")
        about = _TIMEFRAME_OF[interval]
    elif channel == "obu":
        name = f"{name}@{depth}"
    return _CHANNELS[channel], _INFO.get(channel, ""), name, market, about


class KuCoin(ws.Adapter):
    """KuCoin spot and futures."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the topic of a subscription (5, 6, 7)."""
        market, kind, chosen = sub.market, sub.kind, sub.channel
        uta = chosen.get("uta") == "true"
        if market is None:
            told = kind is ws.Kind.TICKER and sub.market_type in ("spot", "margin") and not uta
            # In a group of its own: `all` is no symbol of a list.
            return (ws.Route("spot", _ALL, _ALL),) if told else ()
        futures = market.type != "spot"
        endpoint = "futures" if futures else "spot"
        *classic, unified = _CHANNEL_OF[kind]
        name = classic[futures]
        no_candles = futures and kind is ws.Kind.OHLCV and sub.timeframe == "6h"  # 7
        no_funding = kind is ws.Kind.FUNDING_RATE and market.type != "swap"
        if not name or no_candles or no_funding:
            return ()
        if uta and unified:
            name = f"{unified}.{endpoint.upper()}"
            if kind is ws.Kind.BOOK:
                depth = chosen.get("utaDepth") or "increment"
                name += "@increment@10ms" if depth == "increment" else f"@{depth}"
        else:
            own = chosen.get("method") or chosen.get("contractMethod" if futures else "spotMethod")
            name = own if own and own != "mark-price" else name
            changes, five, fifty = _BOOKS[futures]
            if kind is ws.Kind.BOOK and name not in _BOOKS[futures]:
                return ()  # the other kind of market has it
            if name == changes and sub.depth:
                name = five if sub.depth <= 5 else fifty if sub.depth == 50 else changes
        topic = f"{name}:{market.id}"
        if kind is ws.Kind.OHLCV:
            topic += f"_{_TIMEFRAMES[sub.timeframe]}"
        group = topic if name.partition(".")[0] in _ONE_BY_ONE else name
        if name[0] != "/":
            return (ws.Route(f"uta_{endpoint}", topic, group),)
        state, past = _STATES.get(name), _PAST.get(name)
        if state:
            state = msgspec.structs.replace(state, params={"symbol": market.id, **state.params})
        recent = ws.Rest(past[0], {"symbol": market.id}, past[1]) if past else None
        history = ws.History(recent, 100) if recent else None
        return (ws.Route(endpoint, topic, group, snapshot=state, history=history),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a request for the topics of one group (4.1, 4.2)."""
        name = topics[0].partition(":")[0]
        symbols = [topic.partition(":")[2] for topic in topics]
        if name[0] == "/":
            return msgspec.json.encode({
                "id": call.id, "type": op, "topic": f"{name}:{','.join(symbols)}",
                "privateChannel": False, "response": True,
            })  # fmt: skip
        typed, _, depth = name.partition("@")
        channel, _, trade_type = typed.partition(".")
        one = symbols[0] if channel in _ONE_BY_ONE else ""
        symbol, _, interval = one.partition("_") if channel == "kline" else (one, "", "")
        asked = {
            "id": call.id, "action": op, "channel": channel, "tradeType": trade_type,
            "symbol": symbol, "interval": interval, "symbols": () if one else symbols,
            "depth": depth,
        }  # fmt: skip
        return msgspec.json.encode({key: value for key, value in asked.items() if value})

    def ping(self, call: ws.Call) -> bytes:
        """Build a ping, the same everywhere (3)."""
        return msgspec.json.encode({"id": call.id, "type": "ping"})

    def dial(self, url: str, call: ws.Call, answer: Any = None) -> ws.Dial:
        """Build a classic address from the token that REST gave (1.1)."""
        if answer is None:
            return ws.Dial(url)
        token, server = answer["data"]["token"], answer["data"]["instanceServers"][0]
        url = f"{server['endpoint']}?token={quote(token, safe='')}&connectId={call.id}"
        every_s, wait_s = server["pingInterval"] / 1000, server["pingTimeout"] / 1000
        beat = {"every_s": every_s / 1.2, "timeout_s": wait_s, "silence_s": 2 * every_s + wait_s}
        return ws.Dial(url, heartbeat=_BEAT.model_copy(update=beat))

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        head = _read_head(frame)
        topic = head.topic
        if topic and head.type not in ("subscribe", "unsubscribe"):
            (read, build), info, _, market, about = _place(topic)
            symbol = markets(head.subject if market == "all" else market)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
            data = raw = head.data
            if info == "inner":
                data = raw = _read_head(data).data
            elif info == "frame":
                raw = msgspec.Raw(frame)
            d = read(data)
        elif head.T:  # only the payload names the market
            (read, build), _, name, _, about = _place(head.T, head.dp)
            raw = head.d
            d = read(raw)
            topic = f"{name}:{d.s}_{d.i}" if build is _uta_kline else f"{name}:{d.s}"
            symbol = markets(d.s)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
        else:
            return _answer(head)
        made = build(symbol, d, raw, about, head)
        return (ws.Batch(topic, made if isinstance(made, list) else (made,)),)

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read the state of a book: `level2_20`, `level2_100` or futures `level2/snapshot` (8)."""
        data = body["data"]
        bids = [(float(price), float(size)) for price, size in data["bids"] or ()]
        asks = [(float(price), float(size)) for price, size in data["asks"] or ()]
        at = data["time"] if "time" in data else int(data["ts"]) // _MS
        return ws.BookUpdate(market.symbol, "rest", bids, asks, at, int(data["sequence"]))

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read the newest hundred trades, which bear the sequences that the stream calls ids."""
        rows = sorted(body["data"] or (), key=lambda row: int(row["sequence"]))
        return [_past(row, market) for row in rows]


class KuCoinFutures(KuCoin):
    """KuCoin's futures under ccxt's other name."""

    venue = VENUE.model_copy(update={
        "id": "kucoinfutures", "ccxt_id": "kucoinfutures", "name": "KuCoin Futures",
        "endpoints": {name: VENUE.endpoints[name] for name in ("futures", "uta_futures")},
        "all_markets": frozenset(), "market_types": ("swap", "future"),
        "switches": {
            kind: {name: _UTA.get(name, one) for name, one in some.items() if name != "spotMethod"}
            for kind, some in VENUE.switches.items()
        },
    })  # fmt: skip


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    """Read one row of REST; its `info` gets the stream's names beside its own."""
    number = str(row.get("tradeId") or row["sequence"])
    row = {**row, "symbol": market.id, "tradeId": number}
    at = int(row["time"] if "time" in row else row["ts"]) // _MS
    price, size = float(row["price"]), float(row["size"])
    return ws.Trade(market.symbol, number, at, price, size, _SIDES[row["side"]], row)


def _answer(head: _Head) -> Sequence[ws.Inbound]:
    """Read what is no data (1.1, 1.2, 3, 4.1, 4.2)."""
    about = "" if head.id is None else str(head.id)
    if head.type == "ack" or head.result:
        return (ws.Ack(about),)
    if head.result is False:
        return (ws.Refused(head.reason or head.message or "refused", about),)
    if "pong" in (head.type, head.op):
        return (ws.Pong(about),)
    if "welcome" in (head.type, head.message):
        return (ws.Ready(),)
    if head.type != "error":
        raise ValueError("neither data nor an answer")
    text, code = _read_text(head.data), head.code
    said = text if code is None else f"{text} (code {code})"
    if text in ("token is expired", "ping timeout"):
        # The next connection brings a token of its own; here nothing more is asked until then.
        refused = (ws.Refused(said, about, retry=True, retry_after_s=30),) if about else ()
        return (*refused, ws.Closing(said))
    if code == 509 and "subscription" not in text:
        return (ws.Refused(said, about, retry=True, retry_after_s=10),)  # 2: too many messages
    culprit = _NOT_FOUND.search(text)
    return (ws.Refused(said, about, (culprit[1],) if culprit else ()),)
