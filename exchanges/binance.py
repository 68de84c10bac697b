"""Binance: spot market data.

Source: the sheet `venues/binance.md` (November 2026), section numbers beside each fact; behind
it https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams.

What is peculiar here:

* Combined mode (`/stream`) is spoken, since spot's bookTicker and partial depth frames name
  neither their event nor their symbol (1.1); acks are never wrapped (4).
* The server pings every 20 s and wants a pong within 60 s; unasked pongs do not count (3). Our
  own pings and pongs count towards the 5 messages a second (2).
* A well-formed stream of an unknown symbol is acknowledged and stays silent (4): symbols are
  checked against the markets before anything is sent.
* `m` says that the buyer was the maker: the taker sold (5.1).
* `!ticker@arr` ended on 2026-03-26; all-market statistics come as `!miniTicker@arr` (1.5).

Deliberate differences from ccxt 4.5.90:

* `watch_ticker` takes the `ticker` stream, which carries bid and ask; ccxt's own option for it
  says so too, but its code takes `miniTicker`, which carries neither (10, 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from unified_ws import adapter as ws

_INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
)  # 5.4  # fmt: skip

VENUE = ws.Venue(
    id="binance",
    ccxt_id="binance",
    name="Binance",
    evidence="sheet of November 2026; recordings of 2021 and 2024; not yet seen live",
    endpoints={
        "spot": ws.Endpoint(
            live="wss://stream.binance.com:9443/stream",  # 1.1
            testnet="wss://stream.testnet.binance.vision/stream",
            demo="wss://demo-stream.binance.com/stream",
            serves={"spot": True},
            heartbeat=ws.Heartbeat(by="server", every_s=20, timeout_s=20, silence_s=60),  # 3
            limits=ws.Limits(  # 2; names a request: undocumented, what careful clients send
                topics_per_request=200, topics_per_connection=1024,
                messages=ws.Window(n=5, per_s=1), dials=ws.Window(n=300, per_s=300),
                lifetime_s=24 * 3600, rotate_after_s=23 * 3600,  # 9
            ),
        ),
    },
    kinds=frozenset(ws.Kind),
    all_markets=frozenset({ws.Kind.TICKER}),
    timeframes={name: name for name in _INTERVALS},
    switches={
        ws.Kind.TRADES: {"name": ws.Switch(values=("trade", "aggTrade"), default="trade")},
        ws.Kind.BOOK: {"watchOrderBookRate": ws.Switch(values=("100", "1000"), default="100")},
        ws.Kind.TICKER: {"name": ws.Switch(
            values=("ticker", "miniTicker", "ticker_1h", "ticker_4h", "ticker_1d"),
            default="ticker", defaults={"watchTickers": "miniTicker"},
            for_all=("miniTicker", "ticker_1h", "ticker_4h", "ticker_1d"),  # 1.5
        )},
        ws.Kind.BIDS_ASKS: {"name": ws.Switch(values=("bookTicker",), default="bookTicker")},
        ws.Kind.OHLCV: {
            "name": ws.Switch(values=("kline",), default="kline", aliases=("channel",)),
            "timezone": ws.Switch(values=("", "+00:00", "+08:00", "8"), default=""),
        },
    },
    rest=ws.RestHost(budget=ws.Window(n=6000, per_s=60), per_ccxt_cost=5),  # 1.4, 6.2
    rest_methods=("publicGetDepth", "publicGetTrades", "publicGetAggTrades"),
    rest_options={"fetchMarkets": {"types": ["spot"]}},
    closes={  # 9: 1008 means too many messages, it is no verdict
        1008: ws.CloseRule(floor_s=5), 418: ws.CloseRule(floor_s=120),
        429: ws.CloseRule(floor_s=10),
    },
)  # fmt: skip

_DEPTHS = ((100, 5.0), (500, 25.0), (1000, 50.0), (5000, 250.0))  # 6.2: limit, weight

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Head(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    e: str = ""
    error: dict[str, Any] | None = None
    code: int | None = None
    msg: str = ""


class _Trade(msgspec.Struct, gc=False):  # 5.1
    s: str
    p: float
    q: float
    T: int
    m: bool
    t: int


class _AggTrade(msgspec.Struct, gc=False):  # 5.1
    s: str
    p: float
    q: float
    T: int
    m: bool
    a: int
    f: int
    l: int


class _Depth(msgspec.Struct, gc=False):  # 6.1
    s: str
    E: int
    U: int
    u: int
    b: list[ws.Level]
    a: list[ws.Level]


class _Ticker(msgspec.Struct):  # 5.2; the mini ticker has only the first half
    s: str
    E: int
    c: float
    o: float
    h: float
    l: float
    v: float
    q: float
    C: int | None = None
    p: float | None = None
    P: float | None = None
    w: float | None = None
    x: float | None = None
    b: float | None = None
    B: float | None = None
    a: float | None = None
    A: float | None = None


class _Quote(msgspec.Struct, gc=False):  # 5.3
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float


class _K(msgspec.Struct):  # 5.4
    t: int
    i: str
    o: float
    h: float
    l: float
    c: float
    v: float
    x: bool


class _Kline(msgspec.Struct):
    s: str
    E: int
    k: _K


_read_head = ws.reader(_Head)
_read_trade = ws.reader(_Trade)
_read_agg = ws.reader(_AggTrade)
_read_depth = ws.reader(_Depth)
_read_quote = ws.reader(_Quote)
_read_ticker = ws.reader(_Ticker)
_read_kline = ws.reader(_Kline)
_read_rows = ws.reader(list[msgspec.Raw])

# --- mappings: payload -> event ---------------------------------------------------------------


def _trade(symbol: str, d: _Trade, raw: msgspec.Raw) -> ws.Event:
    return ws.Trade(symbol, str(d.t), d.T, d.p, d.q, "sell" if d.m else "buy", raw, d.t)


def _agg_trade(symbol: str, d: _AggTrade, raw: msgspec.Raw) -> ws.Event:
    side: ws.Side = "sell" if d.m else "buy"
    return ws.Trade(symbol, str(d.a), d.T, d.p, d.q, side, raw, d.a, d.l - d.f + 1)


def _depth(symbol: str, d: _Depth, raw: msgspec.Raw) -> ws.Event:
    return ws.BookUpdate(symbol, "delta", d.b, d.a, d.E, d.u, d.U - 1)  # 6.3


def _quote(symbol: str, d: _Quote, raw: msgspec.Raw) -> ws.Event:
    return ws.BidAsk(symbol, None, d.b, d.B, d.a, d.A, d.u, raw)  # 5.3: spot sends no time


def _ticker(symbol: str, d: _Ticker, raw: msgspec.Raw) -> ws.Event:
    return ws.Ticker(
        symbol, d.C or d.E, last=d.c, bid=d.b, bid_volume=d.B, ask=d.a, ask_volume=d.A,
        open=d.o, high=d.h, low=d.l, previous_close=d.x, change=d.p, percentage=d.P, vwap=d.w,
        base_volume=d.v, quote_volume=d.q, raw=raw,
    )  # fmt: skip


def _kline(symbol: str, d: _Kline, raw: msgspec.Raw) -> ws.Event:
    k = d.k
    return ws.Candle(symbol, k.i, k.t, k.o, k.h, k.l, k.c, k.v, k.x, d.E, raw=raw)


_ticker_channel = (_read_ticker, _ticker)
_CHANNELS: dict[str, tuple[Callable[[msgspec.Raw], Any], Callable[..., ws.Event]]] = {
    "trade": (_read_trade, _trade), "aggTrade": (_read_agg, _agg_trade),
    "depth": (_read_depth, _depth), "bookTicker": (_read_quote, _quote),
    "ticker": _ticker_channel, "miniTicker": _ticker_channel, "kline": (_read_kline, _kline),
}  # fmt: skip
_CLOSING = ws.Closing("the venue announces a shutdown")


@lru_cache(4096)
def _channel(topic: str) -> tuple[Callable[[msgspec.Raw], Any], Callable[..., ws.Event]]:
    name = topic[1:] if topic[0] == "!" else topic.partition("@")[2]
    return _CHANNELS[name.partition("_")[0].partition("@")[0]]


class Binance(ws.Adapter):
    """Binance spot."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the stream of a subscription (5, 6.1)."""
        name = sub.channel.get("name", "")
        if sub.market is None:
            window = name.partition("_")[2]
            topic = f"!ticker_{window}@arr" if window else "!miniTicker@arr"
            return (ws.Route("spot", topic),)
        market, low = sub.market.id, sub.market.id.lower()
        if sub.kind is ws.Kind.TRADES:
            history = _history(name, market)
            return (ws.Route("spot", f"{low}@{name}", history=history, contiguous_ids=True),)
        if sub.kind is ws.Kind.BOOK:
            rate = "" if sub.channel["watchOrderBookRate"] == "1000" else "@100ms"
            snapshot = ws.Snapshot("publicGetDepth", {"symbol": market}, "limit", _DEPTHS)
            return (ws.Route("spot", f"{low}@depth{rate}", snapshot=snapshot),)
        if sub.kind is ws.Kind.OHLCV:
            zone = "@+08:00" if sub.channel["timezone"] in ("+08:00", "8") else ""
            return (ws.Route("spot", f"{low}@kline_{sub.timeframe}{zone}"),)
        return (ws.Route("spot", f"{low}@{name}"),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a SUBSCRIBE or UNSUBSCRIBE (4)."""
        request = {"method": op.upper(), "params": list(topics), "id": int(call.id)}
        return msgspec.json.encode(request)

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame of the combined stream."""
        head = _read_head(frame)
        topic = head.stream
        if topic:
            if topic == "!serverShutdown":  # 9
                return (_CLOSING,)
            read, build = _channel(topic)
            raw = head.data
            if topic[0] == "!":

                def parse(row: msgspec.Raw) -> ws.Event | None:
                    d = read(row)
                    symbol = markets(d.s)
                    return None if symbol is None else build(symbol, d, row)

                return (ws.by_row(topic, _read_rows(raw), parse),)
            d = read(raw)
            symbol = markets(d.s)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
            return (ws.Batch(topic, (build(symbol, d, raw),)),)
        about = "" if head.id is None else str(head.id)
        if head.error is not None:  # 4: both forms of an error have been seen
            return (ws.Refused(f"{head.error.get('msg')} (code {head.error.get('code')})", about),)
        if head.code is not None:
            return (ws.Refused(f"{head.msg} (code {head.code})", about),)
        if head.id is not None:
            return (ws.Ack(about),)
        if head.e == "serverShutdown":
            return (_CLOSING,)
        raise ValueError("neither an event, an answer nor an error")

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read /api/v3/depth (6.2)."""
        bids = [(float(price), float(amount)) for price, amount in body["bids"]]
        asks = [(float(price), float(amount)) for price, amount in body["asks"]]
        return ws.BookUpdate(market.symbol, "rest", bids, asks, None, int(body["lastUpdateId"]))

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read /api/v3/trades or /api/v3/aggTrades, whose ids are the stream's own (5.1)."""
        return [_past(row, market) for row in body]


def _history(name: str, market_id: str) -> ws.History:
    """Say how missed trades are fetched; raw trades only as the newest thousand."""
    params = {"symbol": market_id, "limit": 1000}
    if name == "trade":
        return ws.History(ws.Rest("publicGetTrades", params, 25), 1000)
    rest = ws.Rest("publicGetAggTrades", params, 4)
    return ws.History(rest, 1000, after=rest, from_param="fromId")


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    """Read one row of REST; a raw trade's `info` gets the stream's names beside its own."""
    if "a" not in row:
        row = {
            **row, "e": "trade", "s": market.id, "t": row["id"], "p": row["price"],
            "q": row["qty"], "T": row["time"], "m": row["isBuyerMaker"],
        }  # fmt: skip
    number = int(row["a"] if "a" in row else row["t"])
    count = int(row["l"]) - int(row["f"]) + 1 if "a" in row else 1
    return ws.Trade(
        market.symbol, str(number), int(row["T"]), float(row["p"]), float(row["q"]),
        "sell" if row["m"] else "buy", row, number, count,
    )  # fmt: skip
