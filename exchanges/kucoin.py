"""KuCoin: spot and futures market data, classic sockets and the newer UTA gateways.

Source: the sheet `venues/kucoin.md` (November 2026), section numbers beside each fact; behind it
https://www.kucoin.com/docs-new, the venue's own SDK and its recorded sample frames.

What is peculiar here:

* A classic address comes from REST with a token of 24 hours, a new one for each dial, together with
  the intervals of the heartbeat (1.1); nothing is sent before the `welcome`. UTA addresses are
  fixed and need no token (1.2).
* Topics of one channel are joined by commas, at most 100 symbols in one request (2); frames come
  back under the topic of one symbol. All tickers of spot are the topic `:all`, whose `subject` is
  the symbol (5).
* A futures socket acknowledges unknown symbols and stays silent (4.1): symbols are checked against
  the markets before anything is sent.
* Order books: rows of price "0" only advance the sequence (8.1); a futures frame is one change,
  "price,side,size" (8.2); the rows of a spot frame are not in the order of their sequences (seen in
  frames of 2022). Public REST tells 100 levels of a spot book, all of a futures one.
* Candles are start, open, close, high, low, volume; the volume of futures (contracts) is the last
  number; the one before it has been seen to be the turnover (5, 6).
* Trade times are nanoseconds, times of futures candles and books milliseconds (5, 6).
* UTA frames are binary ones that hold JSON (1.2). Their best ask is `a`, their best bid `b` (7).
* There are no liquidations, no checksums and no testnet (6, 8.4, 1.2).

Choices: `{"uta": True}` takes UTA's channels as in ccxt; mark prices, funding rates and open
interest come from UTA unless `{"method": "/contract/instrument"}` asks for the classic channel,
which has no open interest and says neither when funding is due nor how often. `funding_timestamp`
is `ft`, the start of the running interval, as in ccxt; its end, when the rate is due, is
`next_funding_timestamp`. Statistics of a contract's day are there for
`{"contractMethod": "/contractMarket/snapshot"}`; ccxt's channel has none. Candles of futures are
asked for one by one: nobody has shown that lists of them are taken, and the venue would not say no.

Deliberate differences from ccxt 4.5.90:

* Bid and ask of UTA tickers are not swapped, and UTA's books move: ccxt never applies their
  deltas (13.1, 13.2). `{"utaDepth": "increment"}` is served by `increment@10ms`, which brings its
  own first state: the other is deprecated, and its state takes a signed request (1.3, 8.4).
* `bidVolume` and `askVolume` of the spot ticker are filled: the frame has them (5).
* Times in nanoseconds are cut to milliseconds exactly; ccxt computes with floats, and is 1 ms
  short in many a trade and ticker.
* `cost` of a trade of an inverse contract is in the coin; ccxt multiplies dollars by the price.
* `watch_tickers` honours `uta`, and `watch_order_book` honours `method`: ccxt documents both and
  goes by neither.
* Books: any `limit` is taken, where ccxt raises for all but 5, 20, 50 and 100. The first state of
  a spot book is the public one with 100 levels, with API keys too; rows beyond what is known are
  not handed out. That of a futures book is always the full one (13.3).
* `watch_bids_asks` takes more than 100 symbols; topics beyond 300 get a second connection (13.4).
* Six-hour candles of futures raise `NotSupported`: the venue has none (7), ccxt waits for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
_BEAT = ws.Heartbeat(  # 3; protocol pings are not spoken here, only messages
    by="message", every_s=15, timeout_s=10, silence_s=46, idle_ping_s=0
)
_DAY_S = 24 * 3600


def _classic(live: str, ask: str, serves: dict[str, Any], topics: int | None) -> ws.Endpoint:
    return ws.Endpoint(
        live=live, serves=serves, ask_first=ask, awaits_ready=True, heartbeat=_BEAT,
        limits=ws.Limits(  # 2
            topics_per_request=100, topics_per_connection=topics, connections=800,
            messages=ws.Window(n=100, per_s=10), dials=ws.Window(n=30, per_s=60),
            lifetime_s=_DAY_S, rotate_after_s=_DAY_S - 3600,  # 12
        ),
    )  # fmt: skip


def _unified(live: str, serves: dict[str, Any]) -> ws.Endpoint:
    return ws.Endpoint(
        live=live, serves=serves, awaits_ready=True, heartbeat=_BEAT,
        limits=ws.Limits(  # 2; lists of symbols: undocumented, the classic size
            topics_per_request=100, topics_per_connection=600, connections=800,
            messages=ws.Window(n=300, per_s=10), dials=ws.Window(n=250, per_s=300),
        ),
    )  # fmt: skip


_UTA = ws.Switch(values=("false", "true"), default="false")
_SPOT_BOOKS = ("/market/level2", "/spotMarket/level2Depth5", "/spotMarket/level2Depth50")
_FUTURES_BOOKS = (
    "/contractMarket/level2", "/contractMarket/level2Depth5", "/contractMarket/level2Depth50",
)  # fmt: skip
_METHOD = {"method": ws.Switch(values=("mark-price", "/contract/instrument"), default="mark-price")}

VENUE = ws.Venue(
    id="kucoin",
    ccxt_id="kucoin",
    name="KuCoin",
    evidence="sheet of November 2026; recordings of 2021 to 2026; not yet seen live",
    endpoints={
        "spot": _classic(
            "wss://ws-api-spot.kucoin.com/", "publicPostBulletPublic", {"spot": True}, 300
        ),
        "futures": _classic(
            "wss://ws-api-futures.kucoin.com/", "futuresPublicPostBulletPublic",
            {"contract": True}, None,
        ),
        "uta_spot": _unified("wss://x-push-spot.kucoin.com", {"spot": True}),
        "uta_futures": _unified("wss://x-push-futures.kucoin.com", {"contract": True}),
    },
    kinds=frozenset(ws.Kind) - {ws.Kind.LIQUIDATIONS},  # 6
    all_markets=frozenset({ws.Kind.TICKER}),
    timeframes=_TIMEFRAMES,
    switches={
        ws.Kind.TRADES: {"uta": _UTA},
        ws.Kind.BOOK: {
            "uta": _UTA,
            "utaDepth": ws.Switch(
                values=("increment", "increment@10ms", "50", "5", "1"), default="increment"
            ),
            "method": ws.Switch(values=("", *_SPOT_BOOKS, *_FUTURES_BOOKS), default=""),
            "spotMethod": ws.Switch(values=_SPOT_BOOKS, default=_SPOT_BOOKS[0]),
            "contractMethod": ws.Switch(values=_FUTURES_BOOKS, default=_FUTURES_BOOKS[0]),
        },
        ws.Kind.TICKER: {
            "uta": _UTA.model_copy(update={"for_all": ("false",)}),
            "spotMethod": ws.Switch(
                values=("/market/snapshot", "/market/ticker"), default="/market/snapshot",
                defaults={"watchTickers": "/market/ticker"}, aliases=("method",),
                for_all=("/market/ticker",),
            ),
            "contractMethod": ws.Switch(
                values=("/contractMarket/ticker", "/contractMarket/snapshot"),
                default="/contractMarket/ticker",
            ),
        },
        ws.Kind.OHLCV: {"uta": _UTA},
        ws.Kind.MARK_PRICE: _METHOD,
        ws.Kind.FUNDING_RATE: _METHOD,
    },
    market_types=("spot", "swap", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=2000, per_s=30))},  # an address's pool of both hosts
    rest_methods=(
        "publicPostBulletPublic", "futuresPublicPostBulletPublic", "publicGetMarketHistories",
        "publicGetMarketOrderbookLevelLevelLimit", "futuresPublicGetLevel2Snapshot",
        "futuresPublicGetTradeHistory",
    ),
    closes={429: ws.CloseRule(floor_s=10)},  # 12
)  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Head(msgspec.Struct, gc=False):
    topic: str = ""
    type: str = ""
    subject: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None
    code: int | None = None


class _UtaHead(msgspec.Struct, gc=False):
    T: str = ""
    P: int = 0
    dp: str = ""
    t: str = ""
    d: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None
    type: str = ""
    op: str = ""
    result: bool | None = None
    reason: str = ""
    message: str = ""


class _Match(msgspec.Struct, gc=False):  # 5, 6: spot says `time`, futures `ts`
    side: ws.Side
    price: float
    size: float
    tradeId: str | int
    time: int = 0
    ts: int = 0


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


class _Level1(msgspec.Struct, gc=False):  # 5
    asks: list[float]
    bids: list[float]
    timestamp: int


class _Ticker(msgspec.Struct, gc=False):  # 5; some documents write Time
    price: float | None = None
    bestBid: float | None = None
    bestBidSize: float | None = None
    bestAsk: float | None = None
    bestAskSize: float | None = None
    time: int | None = None
    Time: int | None = None


class _Snapshot(msgspec.Struct):  # 5
    data: msgspec.Raw


class _Day(msgspec.Struct):
    datetime: int
    lastTradedPrice: float | None = None
    buy: float | None = None
    bidSize: float | None = None
    sell: float | None = None
    askSize: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    changePrice: float | None = None
    changeRate: float | None = None
    averagePrice: float | None = None
    vol: float | None = None
    volValue: float | None = None


class _Contract(msgspec.Struct, gc=False):  # 6: ticker and tickerV2
    ts: int
    price: float | None = None
    bestBidPrice: float | None = None
    bestBidSize: float | None = None
    bestAskPrice: float | None = None
    bestAskSize: float | None = None
    sequence: int | None = None


class _ContractDay(msgspec.Struct, gc=False):  # 6
    ts: int
    lastPrice: float | None = None
    highPrice: float | None = None
    lowPrice: float | None = None
    price24HoursBefore: float | None = None
    priceChg: float | None = None
    priceChgPct: float | None = None
    volume: float | None = None
    turnover: float | None = None


class _Candles(msgspec.Struct):  # 5, 6
    candles: tuple[int, float, float, float, float, float, float]
    time: int


class _Instrument(msgspec.Struct, gc=False):  # 6
    timestamp: int
    markPrice: float | None = None
    indexPrice: float | None = None
    fundingRate: float | None = None


class _UtaTicker(msgspec.Struct, gc=False):  # 7
    s: str
    M: int
    l: float | None = None
    b: float | None = None
    B: float | None = None
    a: float | None = None
    A: float | None = None


class _UtaTrade(msgspec.Struct, gc=False):  # 7
    s: str
    M: int
    p: float
    q: float
    S: str
    ti: str | int


class _UtaKline(msgspec.Struct):  # 7
    s: str
    i: str
    O: int
    o: float
    h: float
    l: float
    c: float
    v: float
    S: bool | None = None


class _UtaBook(msgspec.Struct, gc=False):  # 7
    s: str
    O: int
    C: int
    M: int
    a: list[ws.Level]
    b: list[ws.Level]


class _UtaMark(msgspec.Struct, gc=False):  # 7
    s: str
    ts: int
    mp: float | None = None
    ip: float | None = None
    oi: float | None = None


class _UtaFunding(msgspec.Struct, gc=False):  # 7
    s: str
    fr: float
    ft: int
    nt: int
    gl: int | None = None


_read_head = ws.reader(_Head)
_read_uta_head = ws.reader(_UtaHead)
_read_day = ws.reader(_Day)
_text = msgspec.json.Decoder(str).decode

# --- mappings: payload -> events; `about` is the timeframe of a candle, the depth of a book ----

_MS = 1_000_000
_SEQUENCE = itemgetter(2)
_Made: TypeAlias = ws.Event | list[ws.Event]


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(rate * 100, 10)  # as decimals, like ccxt


def _match(symbol: str, d: _Match, raw: msgspec.Raw, about: str) -> _Made:
    return ws.Trade(
        symbol, str(d.tradeId), (d.time or d.ts) // _MS, d.price, d.size, d.side, raw
    )  # fmt: skip


def _rows(rows: list[tuple[float, float, int]]) -> list[ws.Level]:
    """Order the changes of one side by sequence; price 0 changes nothing (8.1)."""
    if len(rows) > 1:
        rows.sort(key=_SEQUENCE)
    return [(price, size) for price, size, _ in rows if price]


def _level2(symbol: str, d: _Level2, raw: msgspec.Raw, about: str) -> _Made:
    bids, asks = _rows(d.changes.bids), _rows(d.changes.asks)
    before = d.sequenceStart - 1  # 8.1
    return ws.BookUpdate(symbol, "delta", bids, asks, d.time, d.sequenceEnd, before)


def _change(symbol: str, d: _Change, raw: msgspec.Raw, about: str) -> _Made:
    price, side, size = d.change.split(",")
    level = (float(price), float(size))
    rows = [level] if level[0] else []
    bids, asks = (rows, []) if _SIDES[side] == "buy" else ([], rows)
    before = d.sequence - 1  # 8.2
    return ws.BookUpdate(symbol, "delta", bids, asks, d.timestamp, d.sequence, before)


def _depth(symbol: str, d: _Depth, raw: msgspec.Raw, about: str) -> _Made:
    number = d.timestamp if d.sequence is None else d.sequence  # ccxt's nonce
    return ws.BookUpdate(
        symbol, "whole", d.bids, d.asks, d.timestamp, number, depth=int(about)
    )  # fmt: skip


def _level1(symbol: str, d: _Level1, raw: msgspec.Raw, about: str) -> _Made:
    bid, bid_size = d.bids or (None, None)  # a side may be empty
    ask, ask_size = d.asks or (None, None)
    return ws.BidAsk(symbol, d.timestamp, bid, bid_size, ask, ask_size, raw=raw)


def _ticker(symbol: str, d: _Ticker, raw: msgspec.Raw, about: str) -> _Made:
    return ws.Ticker(
        symbol, d.time or d.Time, d.price, d.bestBid, d.bestBidSize, d.bestAsk, d.bestAskSize,
        raw=raw,
    )  # fmt: skip


def _snapshot(symbol: str, d: _Snapshot, raw: msgspec.Raw, about: str) -> _Made:
    day = _read_day(d.data)
    return ws.Ticker(
        symbol, day.datetime, day.lastTradedPrice, day.buy, day.bidSize, day.sell, day.askSize,
        open=day.open, high=day.high, low=day.low, change=day.changePrice,
        percentage=_percent(day.changeRate), average=day.averagePrice, base_volume=day.vol,
        quote_volume=day.volValue, raw=d.data,
    )  # fmt: skip


def _contract(symbol: str, d: _Contract, raw: msgspec.Raw, about: str) -> _Made:
    return ws.Ticker(
        symbol, d.ts // _MS, d.price, d.bestBidPrice, d.bestBidSize, d.bestAskPrice,
        d.bestAskSize, raw=raw,
    )  # fmt: skip


def _contract_quote(symbol: str, d: _Contract, raw: msgspec.Raw, about: str) -> _Made:
    return ws.BidAsk(
        symbol, d.ts // _MS, d.bestBidPrice, d.bestBidSize, d.bestAskPrice, d.bestAskSize,
        d.sequence, raw=raw,
    )  # fmt: skip


def _contract_day(symbol: str, d: _ContractDay, raw: msgspec.Raw, about: str) -> _Made:
    return ws.Ticker(
        symbol, d.ts // _MS, d.lastPrice, open=d.price24HoursBefore, high=d.highPrice,
        low=d.lowPrice, change=d.priceChg, percentage=_percent(d.priceChgPct),
        base_volume=d.volume, quote_volume=d.turnover, raw=raw,
    )  # fmt: skip


def _candle(symbol: str, d: _Candles, raw: msgspec.Raw, about: str) -> _Made:
    start, first, last, high, low, volume, _ = d.candles  # 5
    at = d.time // _MS
    return ws.Candle(symbol, about, start * 1000, first, high, low, last, volume, None, at, raw=raw)


def _contract_candle(symbol: str, d: _Candles, raw: msgspec.Raw, about: str) -> _Made:
    start, first, last, high, low, _, lots = d.candles  # 6
    at = d.time
    return ws.Candle(symbol, about, start * 1000, first, high, low, last, lots, None, at, raw=raw)


def _instrument(symbol: str, d: _Instrument, raw: msgspec.Raw, about: str) -> _Made:
    if d.markPrice is not None:
        return ws.MarkPrice(symbol, d.timestamp, d.markPrice, d.indexPrice, raw=raw)
    if d.fundingRate is not None:
        return ws.FundingRate(symbol, d.timestamp, d.fundingRate, raw=raw)
    return []  # a subject that nobody asked for


def _uta_ticker(symbol: str, d: _UtaTicker, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    return ws.Ticker(symbol, d.M // _MS, d.l, d.b, d.B, d.a, d.A, raw=raw)  # 7: a is the ask


def _uta_trade(symbol: str, d: _UtaTrade, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    return ws.Trade(symbol, str(d.ti), d.M // _MS, d.p, d.q, _SIDES[d.S], raw)


def _uta_kline(symbol: str, d: _UtaKline, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    frame, at = _TIMEFRAME_OF[d.i], head.P // _MS
    return ws.Candle(symbol, frame, d.O * 1000, d.o, d.h, d.l, d.c, d.v, d.S, at, raw=raw)


def _uta_book(symbol: str, d: _UtaBook, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    at = d.M // _MS
    if not head.dp.startswith("increment"):  # 8.3
        return ws.BookUpdate(symbol, "whole", d.b, d.a, at, d.C, depth=int(head.dp))
    if head.t == "snapshot":  # 8.4
        return ws.BookUpdate(symbol, "snapshot", d.b, d.a, at, d.C, depth=500)
    if head.t != "delta":
        raise ValueError(f"no kind of a book: {head.t!r}")
    return ws.BookUpdate(symbol, "delta", d.b, d.a, at, d.C, d.O - 1)


def _uta_mark(symbol: str, d: _UtaMark, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    events: list[ws.Event] = []
    if d.mp is not None:
        events.append(ws.MarkPrice(symbol, d.ts, d.mp, d.ip, raw=raw))
    if d.oi is not None:
        events.append(ws.OpenInterest(symbol, d.ts, d.oi, raw=raw))
    return events


def _uta_funding(symbol: str, d: _UtaFunding, raw: msgspec.Raw, head: _UtaHead) -> _Made:
    interval = None if d.gl is None else _INTERVALS.get(d.gl, str(d.gl))
    return ws.FundingRate(
        symbol, None, d.fr, d.ft, next_funding_timestamp_ms=d.nt, interval=interval, raw=raw
    )  # fmt: skip


_SIDES: dict[str, ws.Side] = {"buy": "buy", "sell": "sell", "BUY": "buy", "SELL": "sell"}
_Channel: TypeAlias = tuple[Callable[[msgspec.Raw], Any], Callable[..., _Made]]
_read_depth, _read_contract = ws.reader(_Depth), ws.reader(_Contract)
_read_match, _read_candles = ws.reader(_Match), ws.reader(_Candles)
_CHANNELS: dict[str, _Channel] = {
    "/market/match": (_read_match, _match), "/contractMarket/execution": (_read_match, _match),
    "/market/level2": (ws.reader(_Level2), _level2),
    "/contractMarket/level2": (ws.reader(_Change), _change),
    "/spotMarket/level2Depth5": (_read_depth, _depth),
    "/spotMarket/level2Depth50": (_read_depth, _depth),
    "/contractMarket/level2Depth5": (_read_depth, _depth),
    "/contractMarket/level2Depth50": (_read_depth, _depth),
    "/spotMarket/level1": (ws.reader(_Level1), _level1),
    "/contractMarket/tickerV2": (_read_contract, _contract_quote),
    "/market/ticker": (ws.reader(_Ticker), _ticker),
    "/market/snapshot": (ws.reader(_Snapshot), _snapshot),
    "/contractMarket/ticker": (_read_contract, _contract),
    "/contractMarket/snapshot": (ws.reader(_ContractDay), _contract_day),
    "/market/candles": (_read_candles, _candle),
    "/contractMarket/limitCandle": (_read_candles, _contract_candle),
    "/contract/instrument": (ws.reader(_Instrument), _instrument),
}  # fmt: skip
_UTA_CHANNELS: dict[str, _Channel] = {
    "ticker": (ws.reader(_UtaTicker), _uta_ticker), "trade": (ws.reader(_UtaTrade), _uta_trade),
    "kline": (ws.reader(_UtaKline), _uta_kline), "obu": (ws.reader(_UtaBook), _uta_book),
    "mark-price": (ws.reader(_UtaMark), _uta_mark),
    "funding-fee": (ws.reader(_UtaFunding), _uta_funding),
}  # fmt: skip
_WHOLE_FRAME = frozenset({"/spotMarket/level1", "/contractMarket/tickerV2"})
"""Channels of whose rows ccxt's `info` is the whole frame."""
_CHANNEL_OF = {  # by kind: of spot, of futures
    ws.Kind.TRADES: ("/market/match", "/contractMarket/execution"),
    ws.Kind.BIDS_ASKS: ("/spotMarket/level1", "/contractMarket/tickerV2"),
    ws.Kind.OHLCV: ("/market/candles", "/contractMarket/limitCandle"),
}
_UTA_CHANNEL_OF = {
    ws.Kind.TRADES: "trade", ws.Kind.TICKER: "ticker", ws.Kind.OHLCV: "kline",
}  # fmt: skip
_UTA_LISTS = ("ticker", "funding-fee")  # 2: only these take several symbols in a request
_UNTYPED = ("mark-price", "funding-fee")  # 4.2: neither sent nor answered with a trade type
_NOT_FOUND = re.compile(r"topic (/\S+:[^\s,]+) is not found")


@lru_cache(8192)
def _place(topic: str) -> tuple[_Channel, bool, str, str]:
    """Split a classic topic: channel, whether info is the frame, market, timeframe or depth."""
    name, _, market = topic.partition(":")
    if name not in _CHANNELS:
        raise ValueError(f"no channel of ours: {topic}")
    about = name.partition("Depth")[2]
    if name in _CHANNEL_OF[ws.Kind.OHLCV]:
        market, _, interval = market.partition("_")
        about = _TIMEFRAME_OF[interval]
    return _CHANNELS[name], name in _WHOLE_FRAME, market, about


class KuCoin(ws.Adapter):
    """KuCoin spot and futures."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the topic of a subscription (5, 6, 7)."""
        market, kind, chosen = sub.market, sub.kind, sub.channel
        uta = chosen.get("uta") == "true"
        if market is None:
            all_spot = kind is ws.Kind.TICKER and sub.market_type in ("spot", "margin") and not uta
            # The word takes no company: `all` is no symbol of a list.
            name = "/market/ticker:all"
            return (ws.Route("spot", name, name),) if all_spot else ()
        futures = market.type != "spot"
        if kind in (ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST):
            return _derivative(market, kind, chosen) if futures else ()
        if kind is ws.Kind.OHLCV and futures and sub.timeframe == "6h":
            return ()  # 7
        if uta and kind is not ws.Kind.BIDS_ASKS:
            return (_uta_route(sub, market),)
        if kind is ws.Kind.BOOK:
            return _book(market, chosen, sub.depth)
        if kind is ws.Kind.TICKER:
            name = chosen["contractMethod" if futures else "spotMethod"]
        else:
            name = _CHANNEL_OF[kind][futures]
        topic, group = f"{name}:{market.id}", name
        if kind is ws.Kind.OHLCV:
            topic += f"_{_TIMEFRAMES[sub.timeframe]}"
            # Nobody has shown that futures take a list here, and they never say no (4.1).
            group = topic if futures else name
        history = _history(market) if kind is ws.Kind.TRADES else None
        return (ws.Route("futures" if futures else "spot", topic, group, history=history),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a request for the topics of one group (4.1, 4.2)."""
        name, _, _ = topics[0].partition(":")
        symbols = [topic.partition(":")[2] for topic in topics]
        if topics[0][0] == "/":
            return msgspec.json.encode({
                "id": call.id, "type": op, "topic": f"{name}:{','.join(symbols)}",
                "privateChannel": False, "response": True,
            })  # fmt: skip
        typed, _, depth = name.partition("@")
        channel, _, trade_type = typed.partition(".")
        asked: dict[str, Any] = {"id": call.id, "action": op, "channel": channel}
        if trade_type:
            asked["tradeType"] = trade_type
        if channel in _UTA_LISTS:
            asked["symbols"] = symbols
        elif channel == "kline":
            asked["symbol"], _, asked["interval"] = symbols[0].partition("_")
        else:
            asked["symbol"] = symbols[0]
        if depth:
            asked["depth"] = depth
        return msgspec.json.encode(asked)

    def ping(self, call: ws.Call) -> bytes:
        """Build a ping, the same everywhere (3)."""
        return msgspec.json.encode({"id": call.id, "type": "ping"})

    def dial(self, url: str, call: ws.Call, answer: Any = None) -> ws.Dial:
        """Build a classic address from the token that REST gave (1.1)."""
        if answer is None:
            return ws.Dial(url)
        data = answer["data"]
        server = data["instanceServers"][0]
        every_s, timeout_s = server["pingInterval"] / 1000, server["pingTimeout"] / 1000
        return ws.Dial(
            f"{server['endpoint']}?token={quote(data['token'], safe='')}&connectId={call.id}",
            heartbeat=_BEAT.model_copy(update={
                "every_s": every_s / 1.2, "timeout_s": timeout_s,
                "silence_s": 2 * every_s + timeout_s,
            }),
        )  # fmt: skip

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        if at[:3] == "uta":
            return _decode_uta(frame, markets)
        head = _read_head(frame)
        topic = head.topic
        if not topic or head.type in ("subscribe", "unsubscribe"):
            return _answer(head)
        (read, build), whole, market, about = _place(topic)
        symbol = markets(head.subject if market == "all" else market)
        if symbol is None:
            return (ws.Batch(topic, (), 1),)
        raw = msgspec.Raw(frame) if whole else head.data
        made = build(symbol, read(head.data), raw, about)
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

    venue = VENUE.model_copy(
        update={
            "id": "kucoinfutures",
            "ccxt_id": "kucoinfutures",
            "name": "KuCoin Futures",
            "endpoints": {name: VENUE.endpoints[name] for name in ("futures", "uta_futures")},
            "all_markets": frozenset(),
            "market_types": ("swap", "future"),
            "switches": {
                **VENUE.switches,
                ws.Kind.BOOK: {
                    name: VENUE.switches[ws.Kind.BOOK][name]
                    for name in ("uta", "utaDepth", "method", "contractMethod")
                },
                ws.Kind.TICKER: {
                    "uta": _UTA, "contractMethod": VENUE.switches[ws.Kind.TICKER]["contractMethod"],
                },
            },
        }
    )


def _derivative(
    market: ws.Market, kind: ws.Kind, chosen: Mapping[str, str]
) -> Sequence[ws.Route]:
    """Name the topic of what only contracts have (6, 7)."""
    if kind is ws.Kind.FUNDING_RATE and market.type != "swap":
        return ()
    if chosen.get("method") == "/contract/instrument":
        name = "/contract/instrument"
        return (ws.Route("futures", f"{name}:{market.id}", name),)
    name = "funding-fee" if kind is ws.Kind.FUNDING_RATE else "mark-price"
    topic = f"{name}:{market.id}"
    return (ws.Route("uta_futures", topic, name if name in _UTA_LISTS else topic),)


def _uta_route(sub: ws.Sub, market: ws.Market) -> ws.Route:
    """Name the topic of a UTA channel: its name, trade type and depth, then the market (7)."""
    futures = market.type != "spot"
    trade_type = "FUTURES" if futures else "SPOT"
    endpoint = "uta_futures" if futures else "uta_spot"
    if sub.kind is ws.Kind.BOOK:
        depth = sub.channel.get("utaDepth") or "increment"
        depth = "increment@10ms" if depth == "increment" else depth
        topic = f"obu.{trade_type}@{depth}:{market.id}"
        return ws.Route(endpoint, topic, topic)
    name = f"{_UTA_CHANNEL_OF[sub.kind]}.{trade_type}"
    topic = f"{name}:{market.id}"
    if sub.kind is ws.Kind.OHLCV:
        topic += f"_{_TIMEFRAMES[sub.timeframe]}"
    return ws.Route(endpoint, topic, name if sub.kind is ws.Kind.TICKER else topic)


def _book(market: ws.Market, chosen: Mapping[str, str], depth: int) -> Sequence[ws.Route]:
    """Name the topic of a classic book: whole books of 5 or 50 levels, or changes (5, 6, 8)."""
    futures = market.type != "spot"
    known = _FUTURES_BOOKS if futures else _SPOT_BOOKS
    name = chosen.get("method") or chosen["contractMethod" if futures else "spotMethod"]
    if name not in known:
        return ()  # the other kind of market has it
    if name == known[0] and depth:
        name = known[1] if depth <= 5 else known[2] if depth == 50 else name
    snapshot = None
    if name == known[0]:
        params: dict[str, Any] = {"symbol": market.id}
        snapshot = (
            ws.Snapshot("futuresPublicGetLevel2Snapshot", params, "", ((0, 3.0),))
            if futures
            else ws.Snapshot(
                "publicGetMarketOrderbookLevelLevelLimit", {**params, "level": 2}, "limit",
                ((20, 2.0), (100, 4.0)),
            )
        )  # fmt: skip
    endpoint = "futures" if futures else "spot"
    return (ws.Route(endpoint, f"{name}:{market.id}", name, snapshot=snapshot),)


def _history(market: ws.Market) -> ws.History:
    spot = market.type == "spot"
    method = "publicGetMarketHistories" if spot else "futuresPublicGetTradeHistory"
    return ws.History(ws.Rest(method, {"symbol": market.id}, 3.0 if spot else 5.0), 100)


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    """Read one row of REST; its `info` gets the stream's names beside its own."""
    number = str(row.get("tradeId") or row["sequence"])
    row = {**row, "symbol": market.id, "tradeId": number}
    at = int(row["time"] if "time" in row else row["ts"]) // _MS
    return ws.Trade(
        market.symbol, number, at, float(row["price"]), float(row["size"]), _SIDES[row["side"]],
        row,
    )  # fmt: skip


def _answer(head: _Head) -> Sequence[ws.Inbound]:
    """Read what is no data of a classic socket (1.1, 3, 4.1)."""
    about = "" if head.id is None else str(head.id)
    match head.type:
        case "ack":
            return (ws.Ack(about),)
        case "pong":
            return (ws.Pong(about),)
        case "welcome":
            return (ws.Ready(),)
        case "error":
            return _error(_text(head.data), head.code, about)
    raise ValueError("neither data nor an answer")


def _error(text: str, code: int | None, about: str) -> Sequence[ws.Inbound]:
    said = text if code is None else f"{text} (code {code})"
    if text in ("token is expired", "ping timeout"):
        # The next connection brings a token of its own; here nothing more is asked until then.
        closing = ws.Closing(said)
        return (ws.Refused(said, about, retry=True, retry_after_s=30), closing) if about else (closing,)
    if code == 509 and "subscription" not in text:
        return (ws.Refused(said, about, retry=True, retry_after_s=10),)  # 2: too many messages
    culprit = _NOT_FOUND.search(text)
    return (ws.Refused(said, about, (culprit[1],) if culprit else ()),)


def _decode_uta(frame: bytes, markets: ws.Markets) -> Sequence[ws.Inbound]:
    head = _read_uta_head(frame)
    if head.T:
        channel = head.T.partition(".")[0]
        if channel not in _UTA_CHANNELS:
            raise ValueError(f"no channel of ours: {head.T}")
        read, build = _UTA_CHANNELS[channel]
        d = read(head.d)
        name = channel if channel in _UNTYPED else head.T
        if channel == "obu":
            name = f"{name}@{head.dp}"
        topic = f"{name}:{d.s}_{d.i}" if channel == "kline" else f"{name}:{d.s}"
        symbol = markets(d.s)
        if symbol is None:
            return (ws.Batch(topic, (), 1),)
        made = build(symbol, d, head.d, head)
        return (ws.Batch(topic, made if isinstance(made, list) else (made,)),)
    about = "" if head.id is None else str(head.id)
    if head.result is not None:  # 4.2
        refusal = ws.Refused(head.reason or head.message or "refused", about)
        return (ws.Ack(about) if head.result else refusal,)
    if "pong" in (head.type, head.op):  # 3
        return (ws.Pong(about),)
    if head.message == "welcome":  # 1.2
        return (ws.Ready(),)
    raise ValueError("neither data nor an answer")
