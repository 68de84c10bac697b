"""Binance: market data of spot, USD-M and COIN-M futures; Binance US.

Source: the sheet `venues/binance.md` (November 2026), section numbers beside each fact; behind
it https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams and the pages of
the derivatives. One object serves all three; `binanceusdm`, `binancecoinm` and `binanceus` are
ccxt's other names for a part of it, or for its American sister.

What is peculiar here:

* Combined mode (`/stream`) is spoken, since spot's bookTicker and partial depth frames name
  neither their event nor their symbol (1.1); acks are never wrapped (4).
* USD-M is split: books, quotes and raw trades live under `/public`, all else under `/market`. A
  stream on the wrong route is acknowledged and never delivered, and so is everything but the
  public ones on the old address without a route (1.2).
* Futures send the streams of all markets for USD-M and COIN-M together, on both hosts (1.3): rows
  of markets that do not live at the endpoint are skipped. Other streams go to the product's own
  host, although the other one may take them.
* The server pings every 20 s (futures: 3 min) and wants a pong within 60 s (10 min); unasked pongs
  do not count (3). Our own pings and pongs count towards the 5 (10) messages a second (2).
* A well-formed stream of an unknown symbol is acknowledged and stays silent (4): symbols are
  checked against the markets before anything is sent.
* `m` says that the buyer was the maker: the taker sold (5.1).
* `!ticker@arr` of spot ended on 2026-03-26; its all-market statistics come as `!miniTicker@arr`
  (1.5). Futures have both, no rolling windows, and no best bid and ask in either (5.2).
* COIN-M counts in contracts, and its `q` is in base currency (5, 5.2). The mini ticker needs the
  contract's size: 100 USD for BTC, 10 USD for others (5, 12).
* A futures book goes by `pu`, the last id of the update before; its own first id says nothing (6.4).
* Trades that no book has seen (`X`: insurance fund, deleveraging) use up an id and are dropped
  (5.1). REST does not list them: one that falls into an outage is reported as missing.
* Liquidations are a sample: the latest one of a market in each second (5.6). Nobody streams the
  open interest (5.5), it is asked for by REST.
* fapi and dapi share one budget of REST (1.3).

Deliberate differences from ccxt 4.5.90:

* `watch_ticker` takes the `ticker` stream, which on spot carries bid and ask; ccxt's own option
  for it says so too, but its code takes `miniTicker`, which carries neither (10, 5).
* Off-book trades of futures are left out; ccxt hands them out as trades (5.1).
* A COIN-M book follows the futures rule; ccxt begins it by the rule of spot (10, 3).
* The book with `rpi` starts from the snapshot with RPI orders; ccxt forgets the parameter on the
  way and starts from the one without (6.1).
* All-market streams on a futures host bring only the markets of that host; ccxt mixes them (10, 7).
* `indexPriceKline` works: ccxt reads the pair of its frames as a market that does not exist (5.4).
* `watch_funding_rate` and `stream_open_interest` exist; ccxt.pro has neither here (10, 10).
* A liquidation has its contract size and values; ccxt completes it without the market, to None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import msgspec

from unified_ws import adapter as ws

_INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
)  # 5.4  # fmt: skip
_CONTRACTS_ONLY = frozenset({
    ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS, ws.Kind.OPEN_INTEREST,
})  # fmt: skip
_OPEN_INTEREST_S = 30.0  # 400 markets are a third of the budget
_MARK_PRICE = {
    "name": ws.Switch(values=("markPrice",), default="markPrice"),
    "use1sFreq": ws.Switch(values=("True", "False"), default="True"),  # 5.5: else every 3 s
}


def _limits(topics: int, messages: int) -> ws.Limits:
    """Say what one connection may do (2); names a request: what careful clients send."""
    return ws.Limits(
        topics_per_request=200, topics_per_connection=topics,
        messages=ws.Window(n=messages, per_s=1), dials=ws.Window(n=300, per_s=300),
        lifetime_s=24 * 3600, rotate_after_s=23 * 3600,  # 9
    )  # fmt: skip


def _futures(live: str, testnet: str, product: str) -> ws.Endpoint:
    return ws.Endpoint(
        live=live, testnet=testnet, demo=testnet,  # 1.1: one address for both
        serves={product: True, "option": False}, limits=_limits(200, 10),  # 2
        heartbeat=ws.Heartbeat(by="server", every_s=180, timeout_s=20, silence_s=360),  # 3
    )  # fmt: skip


_ENDPOINTS = {
    "spot": ws.Endpoint(
        live="wss://stream.binance.com:9443/stream",  # 1.1
        testnet="wss://stream.testnet.binance.vision/stream",
        demo="wss://demo-stream.binance.com/stream",
        serves={"spot": True}, limits=_limits(1024, 5),  # 2
        heartbeat=ws.Heartbeat(by="server", every_s=20, timeout_s=20, silence_s=60),  # 3
    ),
    **{
        f"usdm-{route}": _futures(
            f"wss://fstream.binance.com/{route}/stream",  # 1.2
            f"wss://fstream.binancefuture.com/{route}/stream", "linear",
        )
        for route in ("public", "market")
    },
    "coinm": _futures(
        "wss://dstream.binance.com/stream", "wss://dstream.binancefuture.com/stream", "inverse"
    ),
}  # fmt: skip

VENUE = ws.Venue(
    id="binance",
    ccxt_id="binance",
    name="Binance",
    evidence="sheet of November 2026; recordings of 2021 to 2024, frames of 2026; not yet seen live",
    endpoints=_ENDPOINTS,
    kinds=frozenset(ws.Kind),
    all_markets=frozenset({
        ws.Kind.TICKER, ws.Kind.BIDS_ASKS, ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE,
        ws.Kind.LIQUIDATIONS,
    }),
    timeframes={name: name for name in _INTERVALS},
    switches={
        ws.Kind.TRADES: {"name": ws.Switch(values=("trade", "aggTrade"), default="trade")},
        ws.Kind.BOOK: {
            "watchOrderBookRate": ws.Switch(  # 6.1: spot has 100 and 1000, futures the others
                values=("100", "1000", "0", "250", "500"), default="100"
            ),
            "rpi": ws.Switch(values=("False", "True"), default="False"),
        },
        ws.Kind.TICKER: {"name": ws.Switch(
            values=("ticker", "miniTicker", "ticker_1h", "ticker_4h", "ticker_1d"),
            default="ticker", defaults={"watchTickers": "miniTicker"},
        )},
        ws.Kind.BIDS_ASKS: {"name": ws.Switch(values=("bookTicker",), default="bookTicker")},
        ws.Kind.OHLCV: {
            "name": ws.Switch(
                values=("kline", "indexPriceKline", "markPriceKline"), default="kline",
                aliases=("channel",),
            ),
            "timezone": ws.Switch(values=("", "+00:00", "+08:00", "8"), default=""),
        },
        ws.Kind.MARK_PRICE: _MARK_PRICE,
        ws.Kind.FUNDING_RATE: _MARK_PRICE,
    },
    market_types=("spot", "swap", "future"),
    rest={
        "": ws.RestHost(budget=ws.Window(n=6000, per_s=60), per_ccxt_cost=5),  # 1.4, 6.2
        "futures": ws.RestHost(  # 1.3
            budget=ws.Window(n=2400, per_s=60),
            apis=(
                "fapiPublic", "fapiPublicV2", "fapiPublicV3", "fapiPrivate", "fapiPrivateV2",
                "fapiPrivateV3", "fapiData", "dapiPublic", "dapiPrivate", "dapiPrivateV2",
                "dapiData",
            ),
        ),
    },
    rest_methods=(
        "publicGetDepth", "publicGetTrades", "publicGetAggTrades",
        *(f"{api}PublicGet{name}" for api in ("fapi", "dapi")
          for name in ("Depth", "Trades", "AggTrades", "OpenInterest")),
        "fapiPublicGetRpiDepth",
    ),
    rest_options={"fetchMarkets": {"types": ["spot", "linear", "inverse"]}},
    closes={  # 9: 1008 means too many messages, it is no verdict
        1008: ws.CloseRule(floor_s=5), 418: ws.CloseRule(floor_s=120),
        429: ws.CloseRule(floor_s=10),
    },
)  # fmt: skip


class _Product(msgspec.Struct, frozen=True):
    """What differs in REST: names of methods, their weights (6.2), and how they are charged."""

    api: str
    host: str
    depths: tuple[tuple[int, float], ...]
    trades_weight: float
    agg_trades_weight: float


_FUTURES_DEPTHS = ((50, 2.0), (100, 5.0), (500, 10.0), (1000, 20.0))  # 6.2
_PRODUCTS = {
    "spot": _Product(
        "publicGet", "", ((100, 5.0), (500, 25.0), (1000, 50.0), (5000, 250.0)), 25, 4
    ),
    "usdm": _Product("fapiPublicGet", "futures", _FUTURES_DEPTHS, 5, 20),
    "coinm": _Product("dapiPublicGet", "futures", _FUTURES_DEPTHS, 5, 20),
}
_PUBLIC = frozenset({"depth", "rpiDepth", "bookTicker", "trade"})  # 1.2
# 6.1: the suffix of each period; the one without is the venue's own default
_SPOT_RATES = {"100": "@100ms", "1000": ""}
_FUTURES_RATES = {"0": "@0ms", "100": "@100ms", "250": "", "500": "@500ms"}

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
    X: str = "MARKET"


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
    pu: int | None = None


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


class _Quote(msgspec.Struct, gc=False):  # 5.3; spot sends no time
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float
    E: int | None = None


class _K(msgspec.Struct):  # 5.4
    t: int
    s: str
    i: str
    o: float
    h: float
    l: float
    c: float
    v: float
    x: bool


class _Kline(msgspec.Struct):
    E: int
    k: _K
    ps: str = ""

    @property
    def s(self) -> str:
        """The market: an index has none, its frames name the pair of the perpetual (5.4)."""
        return self.k.s if len(self.k.s) > 1 else f"{self.ps}_PERP"


class _Mark(msgspec.Struct):  # 5.5; COIN-M has no index price
    s: str
    E: int
    p: float
    r: str = ""
    T: int = 0
    i: float | None = None
    P: float | None = None


class _Order(msgspec.Struct):  # 5.6
    s: str
    S: Literal["BUY", "SELL"]
    ap: float
    l: float
    T: int


class _Forced(msgspec.Struct):
    o: _Order

    @property
    def s(self) -> str:
        """The market."""
        return self.o.s


class _ForcedRaw(msgspec.Struct):
    o: msgspec.Raw


_read_head = ws.reader(_Head)
_read_forced_raw = ws.reader(_ForcedRaw)
_read_rows = ws.reader(list[msgspec.Raw])

# --- mappings: payload -> event ---------------------------------------------------------------


def _trade(symbol: str, d: _Trade, raw: msgspec.Raw) -> ws.Event:
    side: ws.Side = "sell" if d.m else "buy"
    count = 1 if d.X == "MARKET" else 0  # 5.1: no public trade, but its id is used up
    return ws.Trade(symbol, str(d.t), d.T, d.p, d.q, side, raw, d.t, count)


def _agg_trade(symbol: str, d: _AggTrade, raw: msgspec.Raw) -> ws.Event:
    side: ws.Side = "sell" if d.m else "buy"
    return ws.Trade(symbol, str(d.a), d.T, d.p, d.q, side, raw, d.a, d.l - d.f + 1)


def _depth(symbol: str, d: _Depth, raw: msgspec.Raw) -> ws.Event:
    before = d.U - 1 if d.pu is None else d.pu  # 6.3, 6.4
    return ws.BookUpdate(symbol, "delta", d.b, d.a, d.E, d.u, before)


def _quote(symbol: str, d: _Quote, raw: msgspec.Raw) -> ws.Event:
    return ws.BidAsk(symbol, d.E, d.b, d.B, d.a, d.A, d.u, raw)


def _ticker(symbol: str, d: _Ticker, raw: msgspec.Raw) -> ws.Event:
    return ws.Ticker(
        symbol, d.C or d.E, last=d.c, bid=d.b, bid_volume=d.B, ask=d.a, ask_volume=d.A,
        open=d.o, high=d.h, low=d.l, previous_close=d.x, change=d.p, percentage=d.P, vwap=d.w,
        base_volume=d.v, quote_volume=d.q, raw=raw,
    )  # fmt: skip


def _coinm_ticker(symbol: str, d: _Ticker, raw: msgspec.Raw) -> ws.Event:
    """Read `v` as contracts and `q` as base currency (5.2, 12)."""
    size = 100 if d.s.startswith("BTCUSD_") else 10  # 5, in USD
    d.v, d.q = d.q, d.v * size if d.w is None else _product(d.q, d.w)
    return _ticker(symbol, d, raw)


def _product(a: float, b: float) -> float:
    return float(Decimal(repr(a)) * Decimal(repr(b)))


def _kline(symbol: str, d: _Kline, raw: msgspec.Raw) -> ws.Event:
    k = d.k
    return ws.Candle(symbol, k.i, k.t, k.o, k.h, k.l, k.c, k.v, k.x, d.E, raw=raw)


def _mark(symbol: str, d: _Mark, raw: msgspec.Raw) -> ws.Event:
    return ws.MarkPrice(symbol, d.E, d.p, d.i, raw=raw)


def _funding(symbol: str, d: _Mark, raw: msgspec.Raw) -> ws.Event | None:
    if not d.r:  # 5.5: a delivery contract pays none
        return None
    return ws.FundingRate(
        symbol, d.E, float(d.r), d.T or None, d.p, d.i, estimated_settle_price=d.P, raw=raw
    )


def _liquidation(symbol: str, d: _Forced, raw: msgspec.Raw) -> ws.Event:
    o = d.o
    side: ws.Side = "sell" if o.S == "SELL" else "buy"
    return ws.Liquidation(symbol, o.T, o.ap, o.l, side, raw=_read_forced_raw(raw).o)


class _Channel(msgspec.Struct, frozen=True):
    """How the frames of a stream are read: `also` makes a second event of the same payload."""

    read: Callable[[msgspec.Raw], Any]
    build: Callable[[str, Any, msgspec.Raw], ws.Event]
    also: Callable[[str, Any, msgspec.Raw], ws.Event | None] | None = None
    rows: bool = False


_CHANNELS = {
    "trade": _Channel(ws.reader(_Trade), _trade),
    "aggTrade": _Channel(ws.reader(_AggTrade), _agg_trade),
    "depth": _Channel(ws.reader(_Depth), _depth),
    "rpiDepth": _Channel(ws.reader(_Depth), _depth),
    "bookTicker": _Channel(ws.reader(_Quote), _quote),
    "ticker": _Channel(ws.reader(_Ticker), _ticker),
    "miniTicker": _Channel(ws.reader(_Ticker), _ticker),
    "kline": _Channel(ws.reader(_Kline), _kline),
    "indexPriceKline": _Channel(ws.reader(_Kline), _kline),
    "markPriceKline": _Channel(ws.reader(_Kline), _kline),
    "markPrice": _Channel(ws.reader(_Mark), _mark, _funding),
    "forceOrder": _Channel(ws.reader(_Forced), _liquidation),
}
_COINM_CHANNELS = _CHANNELS | {
    name: _Channel(ws.reader(_Ticker), _coinm_ticker) for name in ("ticker", "miniTicker")
}
_CLOSING = ws.Closing("the venue announces a shutdown")


@lru_cache(8192)
def _channel(topic: str, at: str) -> _Channel:
    name = topic[1:] if topic[0] == "!" else topic.partition("@")[2]
    name = name.partition("_")[0].partition("@")[0]
    found = (_COINM_CHANNELS if at == "coinm" else _CHANNELS).get(name)
    if found is None:
        raise ValueError(f'no stream that is asked for: "{topic}"')
    # 5.6: the liquidations of all markets come one by one, in spite of their name
    rows = "@arr" in topic and name != "forceOrder"
    return msgspec.structs.replace(found, rows=rows)


class Binance(ws.Adapter):
    """Binance spot, USD-M and COIN-M futures."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the stream of a subscription (5, 6.1)."""
        product = self._product(sub)
        if not product or (product == "spot" and sub.kind in _CONTRACTS_ONLY):
            return ()
        if sub.market is None:
            return _whole(product, sub)
        market, low, name = sub.market.id, sub.market.id.lower(), sub.channel.get("name", "")
        at = _PRODUCTS[product]
        if sub.kind is ws.Kind.TRADES:
            endpoint, history = _endpoint(product, name), _history(at, name, market)
            return (ws.Route(endpoint, f"{low}@{name}", history=history, contiguous_ids=True),)
        if sub.kind is ws.Kind.BOOK:
            return _book(product, sub, market)
        if sub.kind is ws.Kind.OHLCV:
            return _candles(product, sub, market)
        if sub.kind is ws.Kind.OPEN_INTEREST:
            rest = ws.Rest(f"{at.api}OpenInterest", {"symbol": market}, 1, at.host)
            return (ws.Route(_endpoint(product, ""), "", poll=ws.Poll(rest, _OPEN_INTEREST_S)),)
        if sub.kind is ws.Kind.LIQUIDATIONS:
            return (ws.Route(_endpoint(product, "forceOrder"), f"{low}@forceOrder"),)
        if product != "spot" and name.startswith("ticker_"):
            return ()  # 5.2
        if sub.kind is ws.Kind.FUNDING_RATE and sub.market.type == "future":
            return ()  # 5.5: delivery contracts have none
        return (ws.Route(_endpoint(product, name), f"{low}@{name}{_every_second(sub)}"),)

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
            channel = _channel(topic, at)
            raw = head.data
            if channel.rows:
                return (_rows(topic, channel, raw, markets),)
            d = channel.read(raw)
            symbol = markets(d.s)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
            event = channel.build(symbol, d, raw)
            if channel.also is None:
                return (ws.Batch(topic, (event,)),)
            return (ws.Batch(topic, _present(event, channel.also(symbol, d, raw))),)
        about = "" if head.id is None else str(head.id)
        if head.error is not None:  # 4: both forms of an error have been seen
            return (ws.Refused(f"{head.error.get('msg')} (code {head.error.get('code')})", about),)
        if head.code is not None:
            return (ws.Refused(f"{head.msg} (code {head.code})", about),)
        if head.id is not None:
            return (ws.Ack(about),)
        if head.e == "serverShutdown":
            return (_CLOSING,)
        raise ValueError("neither an event of a stream, an answer nor an error")

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read the answer to depth (6.2); futures say of when it is."""
        bids = [(float(price), float(amount)) for price, amount in body["bids"]]
        asks = [(float(price), float(amount)) for price, amount in body["asks"]]
        last_id, at_ms = int(body["lastUpdateId"]), body.get("T")
        return ws.BookUpdate(market.symbol, "rest", bids, asks, at_ms, last_id)

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read trades or aggTrades, whose ids are the stream's own (5.1), or openInterest (5.5)."""
        if route.poll is not None:
            amount = float(body["openInterest"])
            base = None if market.inverse else amount
            return [ws.OpenInterest(
                market.symbol, int(body["time"]), amount, base_volume=base, raw=body
            )]  # fmt: skip
        return [_past(row, market) for row in body]

    def _product(self, sub: ws.Sub) -> str:
        """Name the part of the venue where a subscription belongs; "" where there is none."""
        market, parts = sub.market, {name.partition("-")[0] for name in self.venue.endpoints}
        if market is not None:
            spot, inverse = market.type == "spot", bool(market.inverse)
        else:  # what only contracts have is asked for as spot where nobody chose a type
            spot = sub.market_type == "spot" and sub.kind not in _CONTRACTS_ONLY and "spot" in parts
            inverse = sub.sub_type == "inverse" or "usdm" not in parts
        product = "spot" if spot else "coinm" if inverse else "usdm"
        option = market is not None and market.type == "option"
        return product if product in parts and not option else ""


def _endpoint(product: str, channel: str) -> str:
    """Name the endpoint that serves a channel (1.2)."""
    if product != "usdm":
        return product
    return "usdm-public" if channel in _PUBLIC else "usdm-market"


def _every_second(sub: ws.Sub) -> str:
    return "@1s" if sub.channel.get("use1sFreq") == "True" else ""  # 5.5


def _whole(product: str, sub: ws.Sub) -> Sequence[ws.Route]:
    """Name the stream of all markets (5); spot has none of quotes, nor of full tickers (1.5)."""
    name = "forceOrder" if sub.kind is ws.Kind.LIQUIDATIONS else sub.channel.get("name", "")
    if product == "spot" and name in ("bookTicker", "ticker"):
        return ()
    if product != "spot" and name.startswith("ticker_"):
        return ()
    topic = "!bookTicker" if name == "bookTicker" else f"!{name}@arr{_every_second(sub)}"
    return (ws.Route(_endpoint(product, name), topic),)


def _book(product: str, sub: ws.Sub, market_id: str) -> Sequence[ws.Route]:
    """Name the diff stream of a book and where its first state comes from (6.1, 6.2)."""
    at, rates = _PRODUCTS[product], _SPOT_RATES if product == "spot" else _FUTURES_RATES
    rate = rates.get(sub.channel["watchOrderBookRate"])
    if rate is None:
        return ()
    name, depths = "depth", at.depths
    if product == "usdm" and sub.channel["rpi"] == "True":
        name, rate, depths = "rpiDepth", "@500ms", at.depths[-1:]
    method = f"{at.api}{name[0].upper()}{name[1:]}"
    snapshot = ws.Snapshot(method, {"symbol": market_id}, "limit", depths, at.host)
    topic = f"{market_id.lower()}@{name}{rate}"
    return (ws.Route(_endpoint(product, name), topic, snapshot=snapshot),)


def _candles(product: str, sub: ws.Sub, market_id: str) -> Sequence[ws.Route]:
    """Name the stream of candles (5.4): seconds and zones on spot, index and mark on COIN-M."""
    name, low = sub.channel["name"], market_id.lower()
    zone = ""
    if product == "spot":
        zone = "@+08:00" if sub.channel["timezone"] in ("+08:00", "8") else ""
    elif sub.timeframe == "1s":
        return ()
    if name != "kline" and product != "coinm":
        return ()
    if name == "indexPriceKline":
        low, _, contract = low.partition("_")
        if contract != "perp":
            return ()
    return (ws.Route(_endpoint(product, name), f"{low}@{name}_{sub.timeframe}{zone}"),)


def _rows(topic: str, channel: _Channel, raw: msgspec.Raw, markets: ws.Markets) -> ws.Batch:
    """Read the array of all markets row by row."""
    more: list[ws.Event] = []

    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = channel.read(row)
        symbol = markets(d.s)
        if symbol is None:
            return None
        event = channel.build(symbol, d, row)
        if channel.also is not None:
            more.extend(_present(channel.also(symbol, d, row)))
        return event

    batch = ws.by_row(topic, _read_rows(raw), parse)
    return ws.Batch(topic, [*batch.events, *more], batch.skipped, batch.bad) if more else batch


def _present(*events: ws.Event | None) -> list[ws.Event]:
    return [event for event in events if event is not None]


def _history(at: _Product, name: str, market_id: str) -> ws.History:
    """Say how missed trades are fetched; raw trades only as the newest thousand."""
    params = {"symbol": market_id, "limit": 1000}
    if name == "trade":
        return ws.History(ws.Rest(f"{at.api}Trades", params, at.trades_weight, at.host), 1000)
    rest = ws.Rest(f"{at.api}AggTrades", params, at.agg_trades_weight, at.host)
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


# --- ccxt's other names -----------------------------------------------------------------------


def _twin(id_: str, name: str, fetched: str, endpoints: Mapping[str, ws.Endpoint]) -> ws.Venue:
    """Cut the venue down to the endpoints of a twin, whose markets ccxt fetches as `fetched`."""
    spot = fetched == "spot"
    kinds = VENUE.kinds - _CONTRACTS_ONLY if spot else VENUE.kinds
    api = _PRODUCTS[next(iter(endpoints)).partition("-")[0]].api
    return VENUE.model_copy(update={
        "id": id_, "ccxt_id": id_, "name": name, "endpoints": endpoints, "kinds": kinds,
        "all_markets": frozenset({ws.Kind.TICKER}) if spot else VENUE.all_markets,
        "switches": {kind: VENUE.switches[kind] for kind in VENUE.switches if kind in kinds},
        "market_types": ("spot",) if spot else ("swap", "future"),
        "rest": {host: VENUE.rest[host] for host in ("", "futures") if not (spot and host)},
        "rest_methods": tuple(m for m in VENUE.rest_methods if m.startswith(api)),
        "rest_options": {"fetchMarkets": {"types": [fetched]}},
    })  # fmt: skip


class BinanceUsdm(Binance):
    """Binance USD-M alone, under ccxt's name for it."""

    venue = _twin("binanceusdm", "Binance USD-M", "linear", {
        name: _ENDPOINTS[name] for name in ("usdm-public", "usdm-market")
    })  # fmt: skip


class BinanceCoinm(Binance):
    """Binance COIN-M alone, under ccxt's name for it."""

    venue = _twin("binancecoinm", "Binance COIN-M", "inverse", {"coinm": _ENDPOINTS["coinm"]})


class BinanceUs(Binance):
    """Binance US: the spot protocol on a host of its own, which pings as futures do.

    Its weights and its budget are a fifth of spot's, each: the same share is used.
    """

    venue = _twin("binanceus", "Binance US", "spot", {
        "spot": _ENDPOINTS["spot"].model_copy(update={
            "live": "wss://stream.binance.us:9443/stream", "testnet": None, "demo": None,
            "heartbeat": _ENDPOINTS["coinm"].heartbeat,
        }),
    })  # fmt: skip
