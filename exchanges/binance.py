"""Binance: market data of spot, USD-M and COIN-M futures; Binance US.

Source: the sheet `venues/binance.md` (November 2026), section numbers beside each fact; behind
it https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams and the pages of
the derivatives. One object serves all three; `binanceusdm`, `binancecoinm` and `binanceus` are
ccxt's other names for a part of it, or for its American sister.

What is peculiar here:

* Combined mode (`/stream`): bare, some spot frames name no event and no symbol (1.1). Acks are
  never wrapped (4).
* USD-M is split: books, quotes and raw trades at `/public`, all else at `/market`. What is not of a
  route (or is not public, without a route) is acknowledged there and never delivered (1.2).
* All-market streams of futures mix USD-M and COIN-M on both hosts: rows of markets that do not live
  at the endpoint are skipped. Other streams go to the product's own host (1.3).
* The server pings each 20 s (futures: 3 min), wants a pong in 60 s (10 min), and counts no other
  (3). Our own pings and pongs count towards the 5 (10) messages a second (2).
* A stream of an unknown symbol is acknowledged and silent: symbols are checked before (4).
* `m` says that the buyer was the maker: the taker sold (5.1).
* Spot's `!ticker@arr` ended on 2026-03-26, `!miniTicker@arr` stays (1.5). Futures have both, but no
  rolling windows, and no best bid and ask in either (5.2).
* COIN-M counts in contracts: 100 USD for BTC, 10 USD for others; its `q` is base currency (5, 12).
* A futures book goes by `pu`, the last id of the update before; its first id says nothing (6.4).
* Trades that no book has seen (`X`: insurance fund, deleveraging) use up an id and are dropped
  (5.1). REST does not list them: one that falls into an outage is reported as missing.
* Liquidations are a sample: the latest one of a market in each second (5.6).
* Nobody streams the open interest (5.5): REST tells it. fapi and dapi share one budget (1.3).

Deliberate differences from ccxt 4.5.90:

* `watch_ticker` takes `ticker`, as ccxt's option says; its code takes `miniTicker` (10, 5).
* Off-book trades of futures are left out; ccxt hands them out as trades (5.1).
* A COIN-M book follows the futures rule; ccxt begins it by the rule of spot (10, 3).
* The book with `rpi` starts from the snapshot with RPI orders; ccxt's from the one without (6.1).
* All-market streams on a futures host bring only the markets of that host; ccxt mixes them (10, 7).
* `indexPriceKline` works: ccxt reads the pair of its frames as a market that does not exist (5.4).
* `watch_funding_rate` and `stream_open_interest` exist; ccxt.pro has neither here (10, 10).
* A liquidation has its contract size and values; ccxt completes it without the market, to None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from unified_ws import adapter as ws

_CONTRACTS_ONLY = frozenset({
    ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS, ws.Kind.OPEN_INTEREST,
})  # fmt: skip


def _endpoint(
    market: str, live: str, testnet: str | None = None, demo: str | None = None, *,
    topics: int = 200, messages: int = 10, ping_s: float = 180, silence_s: float = 360,
) -> ws.Endpoint:  # fmt: skip
    """Declare an address; unless said otherwise it is as those of futures are (1.1, 2, 3)."""
    return ws.Endpoint(
        live=live, testnet=testnet, demo=demo or testnet,
        serves={market: True} if market == "spot" else {market: True, "option": False},
        limits=ws.Limits(  # names a request: what careful clients send
            topics_per_request=200, topics_per_connection=topics,
            messages=ws.Window(n=messages, per_s=1), dials=ws.Window(n=300, per_s=300),
            lifetime_s=24 * 3600, rotate_after_s=23 * 3600,  # 9
        ),
        heartbeat=ws.Heartbeat(by="server", every_s=ping_s, timeout_s=20, silence_s=silence_s),
    )  # fmt: skip


_ENDPOINTS = {
    "spot": _endpoint(
        "spot", "wss://stream.binance.com:9443/stream",
        "wss://stream.testnet.binance.vision/stream", "wss://demo-stream.binance.com/stream",
        topics=1024, messages=5, ping_s=20, silence_s=60,
    ),
    **{
        f"usdm-{route}": _endpoint(  # 1.2
            "linear", f"wss://fstream.binance.com/{route}/stream",
            f"wss://fstream.binancefuture.com/{route}/stream",
        )
        for route in ("public", "market")
    },
    "coinm": _endpoint(
        "inverse", "wss://dstream.binance.com/stream", "wss://dstream.binancefuture.com/stream"
    ),
}  # fmt: skip


class _Product(msgspec.Struct, frozen=True):
    """What differs by product.

    `fetched` is ccxt's name of its markets; `api` begins its REST methods, `host` has their budget;
    `depths` are snapshots of a book and `pages` a thousand trades, with their weights (6.2);
    `rates` the periods of a book with their suffixes: the one without is the venue's default (6.1).
    """

    fetched: str
    api: str
    host: str
    depths: tuple[tuple[int, float], ...]
    pages: Mapping[str, float]
    rates: Mapping[str, str]


_PRODUCTS = {
    "spot": _Product(
        "spot", "publicGet", "", ((100, 5.0), (500, 25.0), (1000, 50.0), (5000, 250.0)),
        {"trade": 25, "aggTrade": 4}, {"100": "@100ms", "1000": ""},
    ),
    **{
        product: _Product(
            fetched, f"{api}PublicGet", "futures",
            ((50, 2.0), (100, 5.0), (500, 10.0), (1000, 20.0)), {"trade": 5, "aggTrade": 20},
            {"0": "@0ms", "100": "@100ms", "250": "", "500": "@500ms"},
        )
        for product, fetched, api in (("usdm", "linear", "fapi"), ("coinm", "inverse", "dapi"))
    },
}  # fmt: skip


def _switch(*values: str, **more: Any) -> ws.Switch:
    """Declare a switch whose first value is the default."""
    return ws.Switch(values=values, default=values[0], **more)


_MARK_PRICE = {"name": _switch("markPrice"), "use1sFreq": _switch("True", "False")}  # 5.5: or 3 s
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
    timeframes={name: name for name in (  # 5.4
        "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d",
        "1w", "1M",
    )},
    switches={
        ws.Kind.TRADES: {"name": _switch("trade", "aggTrade")},
        ws.Kind.BOOK: {  # 6.1: spot has 100 and 1000, futures the others
            "watchOrderBookRate": _switch("100", "1000", "0", "250", "500"),
            "rpi": _switch("False", "True"),
        },
        ws.Kind.TICKER: {"name": _switch(
            "ticker", "miniTicker", "ticker_1h", "ticker_4h", "ticker_1d",
            defaults={"watchTickers": "miniTicker"},
        )},
        ws.Kind.BIDS_ASKS: {"name": _switch("bookTicker")},
        ws.Kind.OHLCV: {
            "name": _switch("kline", "indexPriceKline", "markPriceKline", aliases=("channel",)),
            "timezone": _switch("", "+00:00", "+08:00", "8"),
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
        *(f"{at.api}{name}" for at in _PRODUCTS.values()
          for name in ("Depth", "Trades", "AggTrades")),
        "fapiPublicGetRpiDepth", "fapiPublicGetOpenInterest", "dapiPublicGetOpenInterest",
    ),
    rest_options={"fetchMarkets": {"types": [at.fetched for at in _PRODUCTS.values()]}},
    closes={  # 9: 1008 means too many messages, it is no verdict
        code: ws.CloseRule(floor_s=floor) for code, floor in ((1008, 5), (418, 120), (429, 10))
    },
)  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Head(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    e: str = ""
    error: dict[str, Any] | None = None
    code: int | None = None
    msg: str = ""


def _wire(namespace: dict[str, Any] | None = None, /, **fields: Any) -> Any:
    """Define an object of the wire; a pair is a type and what an absent field counts as."""
    types = [(name, *of) if isinstance(of, tuple) else (name, of) for name, of in fields.items()]
    return msgspec.defstruct("Wire", types, namespace=namespace, gc=False, kw_only=True)


def _of_candle(d: Any) -> str:
    """Return the market: an index has none, its frames name the pair of the perpetual (5.4)."""
    return d.k.s if len(d.k.s) > 1 else f"{d.ps}_PERP"


_MAYBE, _MAYBE_INT, _LEVELS = (float | None, None), (int | None, None), list[ws.Level]
_Trade = _wire(s=str, p=float, q=float, T=int, m=bool, t=int, X=(str, "MARKET"))  # 5.1
_AggTrade = _wire(s=str, p=float, q=float, T=int, m=bool, a=int, f=int, l=int)  # 5.1
_Depth = _wire(s=str, E=int, U=int, u=int, b=_LEVELS, a=_LEVELS, pu=_MAYBE_INT)  # 6.1
_Quote = _wire(s=str, u=int, b=float, B=float, a=float, A=float, E=_MAYBE_INT)  # 5.3
_Ticker = _wire(  # 5.2: the mini ticker has only what must be there
    s=str, E=int, c=float, o=float, h=float, l=float, v=float, q=float, C=_MAYBE_INT,
    **dict.fromkeys("pPwxbBaA", _MAYBE),
)  # fmt: skip
_Candle = _wire(t=int, s=str, i=str, o=float, h=float, l=float, c=float, v=float, x=bool)  # 5.4
_Kline = _wire({"s": property(_of_candle)}, E=int, k=_Candle, ps=(str, ""))
_Mark = _wire(s=str, E=int, p=float, r=(str, ""), T=(int, 0), i=_MAYBE, P=_MAYBE)  # 5.5
_read_order = ws.reader(_wire(s=str, S=Literal["BUY", "SELL"], ap=float, l=float, T=int))  # 5.6
_Forced = _wire({"s": property(lambda d: _read_order(d.o).s)}, o=msgspec.Raw)
_read_head, _read_rows = ws.reader(_Head), ws.reader(list[msgspec.Raw])

# --- mappings: payload -> events --------------------------------------------------------------

_Events: TypeAlias = tuple[ws.Event, ...]


def _trade(symbol: str, d: Any, raw: Any) -> _Events:
    side: ws.Side = "sell" if d.m else "buy"
    count = 1 if d.X == "MARKET" else 0  # 5.1: no public trade, but its id is used up
    return (ws.Trade(symbol, str(d.t), d.T, d.p, d.q, side, raw, d.t, count),)


def _agg_trade(symbol: str, d: Any, raw: Any) -> _Events:
    side: ws.Side = "sell" if d.m else "buy"
    return (ws.Trade(symbol, str(d.a), d.T, d.p, d.q, side, raw, d.a, d.l - d.f + 1),)


def _depth(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    before = d.U - 1 if d.pu is None else d.pu  # 6.3, 6.4
    return (ws.BookUpdate(symbol, "delta", d.b, d.a, d.E, d.u, before),)


def _quote(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    return (ws.BidAsk(symbol, d.E, d.b, d.B, d.a, d.A, d.u, raw),)  # 5.3: spot sends no time


def _ticker(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    return (ws.Ticker(
        symbol, d.C or d.E, last=d.c, bid=d.b, bid_volume=d.B, ask=d.a, ask_volume=d.A,
        open=d.o, high=d.h, low=d.l, previous_close=d.x, change=d.p, percentage=d.P, vwap=d.w,
        base_volume=d.v, quote_volume=d.q, raw=raw,
    ),)  # fmt: skip


def _coinm_ticker(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    """Read `v` as contracts and `q` as base currency (5.2, 12)."""
    usd = 100 if d.s.startswith("BTCUSD_") else 10  # 5
    worth = d.v * usd if d.w is None else float(Decimal(repr(d.q)) * Decimal(repr(d.w)))
    d.v, d.q = d.q, worth
    return _ticker(symbol, d, raw)


def _kline(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    k = d.k
    return (ws.Candle(symbol, k.i, k.t, k.o, k.h, k.l, k.c, k.v, k.x, d.E, raw=raw),)


def _mark(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    mark = ws.MarkPrice(symbol, d.E, d.p, d.i, raw=raw)  # 5.5: no index price on COIN-M
    if not d.r:  # 5.5: a delivery contract pays no funding
        return (mark,)
    due, rate = d.T or None, float(d.r)
    return mark, ws.FundingRate(
        symbol, d.E, rate, due, d.p, d.i, estimated_settle_price=d.P, raw=raw
    )


def _liquidation(symbol: str, d: Any, raw: msgspec.Raw) -> _Events:
    o = _read_order(d.o)
    side: ws.Side = "sell" if o.S == "SELL" else "buy"
    return (ws.Liquidation(symbol, o.T, o.ap, o.l, side, raw=d.o),)


class _Stream(msgspec.Struct, frozen=True):
    """One kind of stream.

    `read` and `build` make events of a payload; `products` have it for a market, `whole` for all of
    them; `usdm` is where USD-M has it (1.2). `rows`: the payload is an array of what is read.
    """

    read: Callable[[msgspec.Raw], Any]
    build: Callable[[str, Any, msgspec.Raw], _Events]
    products: tuple[str, ...] = ("spot", "usdm", "coinm")
    whole: tuple[str, ...] = ()
    usdm: str = "usdm-market"
    rows: bool = False


_FUTURES, _PUBLIC = ("usdm", "coinm"), "usdm-public"
_read_depth, _read_ticker, _read_kline = ws.reader(_Depth), ws.reader(_Ticker), ws.reader(_Kline)
_STREAMS = {
    "trade": _Stream(ws.reader(_Trade), _trade, usdm=_PUBLIC),
    "aggTrade": _Stream(ws.reader(_AggTrade), _agg_trade),
    "depth": _Stream(_read_depth, _depth, usdm=_PUBLIC),
    "rpiDepth": _Stream(_read_depth, _depth, ("usdm",), usdm=_PUBLIC),
    "bookTicker": _Stream(ws.reader(_Quote), _quote, whole=_FUTURES, usdm=_PUBLIC),
    "ticker": _Stream(_read_ticker, _ticker, whole=_FUTURES),  # 1.5
    "miniTicker": _Stream(_read_ticker, _ticker, whole=("spot", *_FUTURES)),
    **{f"ticker_{window}": _Stream(_read_ticker, _ticker, ("spot",), ("spot",))  # 5.2
       for window in ("1h", "4h", "1d")},
    "kline": _Stream(_read_kline, _kline),
    "indexPriceKline": _Stream(_read_kline, _kline, ("coinm",)),  # 5.4
    "markPriceKline": _Stream(_read_kline, _kline, ("coinm",)),
    "markPrice": _Stream(ws.reader(_Mark), _mark, _FUTURES, _FUTURES),
    "forceOrder": _Stream(ws.reader(_Forced), _liquidation, _FUTURES, _FUTURES),
}  # fmt: skip
_NAMES = {  # of other kinds the caller chooses one
    ws.Kind.BOOK: "depth", ws.Kind.LIQUIDATIONS: "forceOrder",
    ws.Kind.OPEN_INTEREST: "openInterest",
}  # fmt: skip
_CLOSING = (ws.Closing("the venue announces a shutdown"),)


@lru_cache(8192)
def _stream(topic: str, at: str) -> _Stream | None:
    """Return how the frames of a topic are read; None for the announcement of a shutdown (9)."""
    if topic == "!serverShutdown":
        return None
    name = (topic[1:] if topic[0] == "!" else topic.partition("@")[2]).partition("@")[0]
    found = _STREAMS.get(name) or _STREAMS.get(name.partition("_")[0])
    if found is None:
        raise ValueError(f'no stream that is asked for: "{topic}"')
    # 5.6: the liquidations of all markets come one by one, in spite of their name
    rows = "@arr" in topic and name != "forceOrder"
    build = _coinm_ticker if at == "coinm" and found.build is _ticker else found.build
    return msgspec.structs.replace(found, rows=rows, build=build)


class Binance(ws.Adapter):
    """Binance spot, USD-M and COIN-M futures."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the stream of a subscription (5, 6.1)."""
        product, market_id = self._product(sub), sub.market.id if sub.market else ""
        at = _PRODUCTS.get(product)
        if at is None or (product == "spot" and sub.kind in _CONTRACTS_ONLY):
            return ()
        name = _NAMES.get(sub.kind) or sub.channel["name"]
        if product == "usdm" and sub.channel.get("rpi") == "True":
            name = "rpiDepth"
        method, asked = f"{at.api}{name[0].upper()}{name[1:]}", {"symbol": market_id}
        if sub.kind is ws.Kind.OPEN_INTEREST:  # at this pace 400 markets are a third of the budget
            poll = ws.Poll(ws.Rest(method, asked, 1, at.host), every_s=30)
            return (ws.Route("usdm-market" if product == "usdm" else product, "", poll=poll),)
        stream, topic = _STREAMS[name], _topic(product, name, sub)
        if not topic or product not in (stream.products if market_id else stream.whole):
            return ()
        history = snapshot = None
        if sub.kind is ws.Kind.TRADES:  # of raw ones REST tells the newest only
            rest = ws.Rest(f"{method}s", asked | {"limit": 1000}, at.pages[name], at.host)
            history = ws.History(rest, 1000, rest if name == "aggTrade" else None, "fromId")
        if sub.kind is ws.Kind.BOOK:
            depths = at.depths[-1:] if name == "rpiDepth" else at.depths
            snapshot = ws.Snapshot(method, asked, "limit", depths, at.host)
        return (ws.Route(
            stream.usdm if product == "usdm" else product, topic, snapshot=snapshot,
            history=history, contiguous_ids=history is not None,
        ),)  # fmt: skip

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a SUBSCRIBE or UNSUBSCRIBE (4)."""
        request = {"method": op.upper(), "params": list(topics), "id": int(call.id)}
        return msgspec.json.encode(request)

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame of the combined stream."""
        head = _read_head(frame)
        topic = head.stream
        if topic:
            stream = _stream(topic, at)
            if stream is None:
                return _CLOSING
            raw = head.data
            if stream.rows:
                return (_rows(topic, stream, raw, markets),)
            d = stream.read(raw)
            symbol = markets(d.s)
            if symbol is None:
                return (ws.Batch(topic, (), 1),)
            return (ws.Batch(topic, stream.build(symbol, d, raw)),)
        about = "" if head.id is None else str(head.id)
        if head.error is not None:  # 4: both forms of an error have been seen
            return (ws.Refused(f"{head.error.get('msg')} (code {head.error.get('code')})", about),)
        if head.code is not None:
            return (ws.Refused(f"{head.msg} (code {head.code})", about),)
        if head.id is not None:
            return (ws.Ack(about),)
        if head.e == "serverShutdown":
            return _CLOSING
        raise ValueError("neither an event of a stream, an answer nor an error")

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read the answer to depth (6.2); futures say of when it is."""
        bids, asks = ([(float(p), float(q)) for p, q in body[side]] for side in ("bids", "asks"))
        last_id, at_ms = int(body["lastUpdateId"]), body.get("T")
        return ws.BookUpdate(market.symbol, "rest", bids, asks, at_ms, last_id)

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read trades or aggTrades, whose ids are the stream's own (5.1), or openInterest (5.5)."""
        if route.poll is None:
            return [trade for row in body for trade in _past(row, market)]
        amount, at_ms = float(body["openInterest"]), int(body["time"])
        base = None if market.inverse else amount
        return [ws.OpenInterest(market.symbol, at_ms, amount, base_volume=base, raw=body)]

    def _product(self, sub: ws.Sub) -> str:
        """Name the part of the venue where a subscription belongs; "" where there is none."""
        market, own = sub.market, {name.partition("-")[0] for name in self.venue.endpoints}
        if market is not None:
            contract = "coinm" if market.inverse else "usdm"
            product = {"spot": "spot", "option": ""}.get(market.type, contract)
        elif "spot" in own and sub.market_type == "spot" and sub.kind not in _CONTRACTS_ONLY:
            product = "spot"
        else:  # what only contracts have is asked for as spot where nobody chose a type
            product = "coinm" if sub.sub_type == "inverse" or "usdm" not in own else "usdm"
        return product if product in own else ""


def _topic(product: str, name: str, sub: ws.Sub) -> str:
    """Spell the stream of a subscription; "" where there is none with these choices."""
    market, suffix = sub.market, "@1s" if sub.channel.get("use1sFreq") == "True" else ""  # 5.5
    if market is None:
        return "!bookTicker" if name == "bookTicker" else f"!{name}@arr{suffix}"
    low = market.id.lower()
    match sub.kind:
        case ws.Kind.BOOK:  # 6.1
            rate = _PRODUCTS[product].rates.get(sub.channel["watchOrderBookRate"])
            if rate is None:
                return ""
            suffix = "@500ms" if name == "rpiDepth" else rate
        case ws.Kind.OHLCV:  # 5.4: seconds and zones on spot only
            if product != "spot" and sub.timeframe == "1s":
                return ""
            eastern = product == "spot" and sub.channel["timezone"] in ("+08:00", "8")
            suffix = f"_{sub.timeframe}{'@+08:00' if eastern else ''}"
            if name == "indexPriceKline":
                low, _, contract = low.partition("_")  # of a pair, under the perpetual's name
                if contract != "perp":
                    return ""
        case ws.Kind.FUNDING_RATE if market.type == "future":
            return ""  # 5.5: delivery contracts have none
    return f"{low}@{name}{suffix}"


def _rows(topic: str, stream: _Stream, raw: msgspec.Raw, markets: ws.Markets) -> ws.Batch:
    """Read the array of all markets row by row."""
    events: list[ws.Event] = []

    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = stream.read(row)
        symbol = markets(d.s)
        if symbol is None:
            return None
        found = stream.build(symbol, d, row)
        events.extend(found)
        return found[0]

    batch = ws.by_row(topic, _read_rows(raw), parse)
    return ws.Batch(topic, events, batch.skipped, batch.bad)


def _past(row: dict[str, Any], market: ws.Market) -> _Events:
    """Read one row of REST; a raw trade's `info` gets the stream's names beside its own."""
    if "a" in row:
        aggregate = msgspec.convert({**row, "s": market.id}, _AggTrade, strict=False)
        return _agg_trade(market.symbol, aggregate, row)
    row = {
        **row, "e": "trade", "s": market.id, "t": row["id"], "p": row["price"],
        "q": row["qty"], "T": row["time"], "m": row["isBuyerMaker"],
    }  # fmt: skip
    return _trade(market.symbol, msgspec.convert(row, _Trade, strict=False), row)


# --- ccxt's other names -----------------------------------------------------------------------


def _twin(id_: str, name: str, product: str) -> ws.Venue:
    """Cut the venue down to one of its products."""
    at, spot = _PRODUCTS[product], product == "spot"
    kinds = VENUE.kinds - _CONTRACTS_ONLY if spot else VENUE.kinds
    return VENUE.model_copy(update={
        "id": id_, "ccxt_id": id_, "name": name, "kinds": kinds,
        "endpoints": {key: _ENDPOINTS[key] for key in _ENDPOINTS if key.startswith(product)},
        "all_markets": frozenset({ws.Kind.TICKER}) if spot else VENUE.all_markets,
        "switches": {kind: VENUE.switches[kind] for kind in VENUE.switches if kind in kinds},
        "market_types": ("spot",) if spot else ("swap", "future"),
        "rest": {host: VENUE.rest[host] for host in VENUE.rest if host in ("", at.host)},
        "rest_methods": tuple(m for m in VENUE.rest_methods if m.startswith(at.api)),
        "rest_options": {"fetchMarkets": {"types": [at.fetched]}},
    })  # fmt: skip


class BinanceUsdm(Binance):
    """Binance USD-M alone, under ccxt's name for it."""

    venue = _twin("binanceusdm", "Binance USD-M", "usdm")


class BinanceCoinm(Binance):
    """Binance COIN-M alone, under ccxt's name for it."""

    venue = _twin("binancecoinm", "Binance COIN-M", "coinm")


class BinanceUs(Binance):
    """Binance US: the spot protocol on a host of its own, which pings as futures do.

    Its weights and its budget are a fifth of spot's, each: the same share is used.
    """

    venue = _twin("binanceus", "Binance US", "spot").model_copy(update={"endpoints": {
        "spot": _endpoint("spot", "wss://stream.binance.us:9443/stream", topics=1024, messages=5),
    }})  # fmt: skip
