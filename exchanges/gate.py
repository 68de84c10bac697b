"""Gate: spot, perpetual contracts (settled in USDT, USD1 or BTC) and dated ones.

Source: the sheet `venues/gate.md` (November 2026), section numbers beside each fact; behind it
https://www.gate.com/docs/developers/apiv4/ws/en/ and .../futures/ws/en/.

What is peculiar here:

* One futures socket speaks of one settle currency; contracts of another are acknowledged and stay
  silent (1), so the settle currency chooses the endpoint.
* One unknown symbol fails a whole request, and only the text of the error names it (4). Candles and
  books take one symbol a request, the others are asked for in batches (2).
* Sizes of contracts are integers, decimals or texts, by contract, channel and the header
  `X-Gate-Size-Decimal` (1, 6); the sign of a contract's trade is its side (6.2).
* `futures.tickers` carries mark price, index, funding and open interest beside the statistics, and
  may leave any of them out (6.1): what is missing has not changed.
* The book comes in three forms (7). `obu`, the default for spot and perpetuals: the snapshot is in
  the stream, may come before the ack and again at any time, and each update names the ids that it
  covers. `order_book_update` needs a first state by REST, which lags (7.2); default where nobody
  has seen `obu`: dated contracts and Gate EU. `order_book` sends whole small books.
* The window of a book is told completely: what leaves it is sent as 0 (7.1, corrections).
* Frames name the level of a book, not its interval, so each level has one interval here: of
  `order_book_update` 20 levels come each 20 ms; whole books each 100 ms (spot) or unfiltered.
* A second subscription of what we have is an error for `obu` ("Alert sub"), else a success (4).
* Spot trades of a market count by one (corrections); for contracts nobody says so.

Deliberate differences from ccxt 4.5.90:

* Spot candles carry the base volume `a`; ccxt takes `v`, the quote volume (5.4).
* Books of perpetuals take `futures.obu` (50 levels for a limit up to 50, else 400) where ccxt takes
  `order_book_update` and REST: no REST, and a chain that proves itself. `interval` "100ms" or
  "20ms", or `name` "order_book_update", choose ccxt's channel.
* Spot books up to 50 levels take `ob.X.50` as in ccxt, deeper ones `ob.X.400`: ccxt does so for a
  limit of 400 alone and gives 50 levels for others. ccxt does not look at `U` (7.1).
* A limit that no channel has takes the next larger level; ccxt sends it and is refused.
* Spot tickers have the time of their envelope; ccxt leaves None (5.2).
* A contract's ticker is completed from those before it; in ccxt a frame that leaves fields out
  wipes them, or passes for a spot ticker (6.1).
* Contracts settled in USD1 are asked for at their own address, where ccxt would ask at that of USDT.
  ccxt loads them only where `options["swap"]["fetchMarkets"]["settlementCurrencies"]` names "usd1".
* The state of a contract's book by REST has its time in milliseconds; ccxt cuts it to seconds.
* `next_funding_rate` stays None: `funding_rate_indicative` is deprecated and equals the current rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf, isnan
from typing import Any, Generic, TypeVar

import msgspec

from unified_ws import adapter as ws

_SPOT_INTERVALS = (
    "10s", "30s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "7d",
    "30d",
)  # 5.4  # fmt: skip
_INTERVALS = ("10s", "1m", "5m", "15m", "30m", "1h", "4h", "8h", "1d", "7d")  # 6.6
_COMMON: dict[str, Any] = {
    "heartbeat": ws.Heartbeat(  # 3
        by="message", every_s=15, timeout_s=10, silence_s=60, idle_ping_s=0,
    ),
    "limits": ws.Limits(  # 2: none is documented, these are what careful clients keep to (4, 10)
        topics_per_request=50, messages=ws.Window(n=50, per_s=1), connections=100,
        dials=ws.Window(n=10, per_s=60),
    ),
}  # fmt: skip
_FUTURES = "wss://fx-ws.gateio.ws/v4/ws"
_OLD_TESTNET = "wss://fx-ws-testnet.gateio.ws/v4/ws"
_SPOT_KINDS = frozenset({
    ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER, ws.Kind.BIDS_ASKS, ws.Kind.OHLCV,
})  # fmt: skip


def _contracts(path: str, testnet: str | None, settle: str, kind: str = "swap") -> ws.Endpoint:
    serves = {kind: True, "settle": settle}
    return ws.Endpoint(live=f"{_FUTURES}/{path}", testnet=testnet, serves=serves, **_COMMON)


VENUE = ws.Venue(
    id="gate",
    ccxt_id="gate",
    name="Gate",
    aliases=("gateio",),
    evidence="sheet of November 2026; frames of 2021, 2023 and August 2026; not yet seen live",
    endpoints={  # 1
        "spot": ws.Endpoint(
            live="wss://api.gateio.ws/ws/v4/", testnet="wss://ws-testnet.gate.com/v4/ws/spot",
            serves={"spot": True}, **_COMMON,
        ),
        "usdt": _contracts("usdt", "wss://ws-testnet.gate.com/v4/ws/futures/usdt", "USDT"),
        "btc": _contracts("btc", f"{_OLD_TESTNET}/btc", "BTC"),
        "usd1": _contracts("usd1", None, "USD1"),
        "delivery_usdt": _contracts(
            "delivery/usdt", f"{_OLD_TESTNET}/delivery/usdt", "USDT", "future"
        ),
        "delivery_btc": _contracts(
            "delivery/btc", f"{_OLD_TESTNET}/delivery/btc", "BTC", "future"
        ),
    },
    kinds=_SPOT_KINDS | {
        ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS, ws.Kind.OPEN_INTEREST,
    },
    timeframes={**{name: name for name in _SPOT_INTERVALS}, "1w": "7d"},
    switches={
        ws.Kind.BOOK: {
            "name": ws.Switch(
                values=("", "obu", "order_book_update", "order_book"), default="",
                aliases=("channel",),
            ),
            "interval": ws.Switch(values=("", "50", "400", "20ms", "100ms"), default=""),
        },
        ws.Kind.TICKER: {
            "method": ws.Switch(values=("tickers",), default="tickers", aliases=("name",)),
        },
        ws.Kind.BIDS_ASKS: {
            "method": ws.Switch(values=("book_ticker",), default="book_ticker", aliases=("name",)),
        },
    },
    market_types=("spot", "swap", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=200, per_s=10))},  # what ccxt knows of it
    rest_methods=(
        "publicSpotGetOrderBook", "publicSpotGetTrades", "publicFuturesGetSettleOrderBook",
        "publicFuturesGetSettleTrades", "publicDeliveryGetSettleOrderBook",
        "publicDeliveryGetSettleTrades",
    ),
    rest_options={"fetchMarkets": {"types": ["spot", "swap", "future"]}},
    backoff=ws.Backoff(base_s=1, cap_s=30),  # 10
    closes={429: ws.CloseRule(floor_s=10)},
)  # fmt: skip

VENUE_EU = VENUE.model_copy(update={  # 1: spot alone, at another address
    "id": "gateeu", "ccxt_id": "gateeu", "name": "Gate EU", "aliases": (),
    "evidence": "sheet of November 2026, by ccxt alone; not yet seen live",
    "endpoints": {"spot": ws.Endpoint(
        live="wss://api.gateeu.com/ws/v4/", serves={"spot": True}, **_COMMON,
    )},
    "kinds": _SPOT_KINDS,
    "switches": {**VENUE.switches, ws.Kind.BOOK: {
        "name": ws.Switch(
            values=("order_book_update", "order_book"), default="order_book_update",
            aliases=("channel",),
        ),
        "interval": ws.Switch(values=("", "20ms", "100ms"), default=""),
    }},
    "market_types": ("spot",),
    "rest_methods": ("publicSpotGetOrderBook", "publicSpotGetTrades"),
    "rest_options": {},
})  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------

_L = TypeVar("_L")
_Maybe = float | str | None
"""A number, a text with one, "" or nothing."""


class _Error(msgspec.Struct):  # 4
    code: int = 0
    message: str = ""


class _Head(msgspec.Struct, gc=False):
    channel: str
    event: str = ""
    result: msgspec.Raw = msgspec.Raw()
    time: int = 0
    time_ms: int = 0
    id: int | str | None = None
    error: _Error | None = None
    payload: list[str | int] = []


class _Name(msgspec.Struct, gc=False):
    contract: str = ""
    n: str = ""
    currency_pair: str = ""


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


class _Ticker(msgspec.Struct):  # 5.2, 6.1
    contract: str = ""
    currency_pair: str = ""
    t: int = 0
    last: _Maybe = None
    lowest_ask: _Maybe = None
    highest_bid: _Maybe = None
    change_percentage: _Maybe = None
    base_volume: _Maybe = None
    quote_volume: _Maybe = None
    volume_24h_base: _Maybe = None
    volume_24h_quote: _Maybe = None
    high_24h: _Maybe = None
    low_24h: _Maybe = None
    mark_price: _Maybe = None
    index_price: _Maybe = None
    funding_rate: _Maybe = None
    funding_next_apply: int = 0
    funding_interval: int = 0
    total_size: _Maybe = None


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
    l: str = "100"
    full: bool = False


class _Whole(msgspec.Struct, Generic[_L], gc=False):  # 5.5, 6.4
    t: int
    bids: list[_L]
    asks: list[_L]
    s: str = ""
    contract: str = ""
    id: int = 0
    lastUpdateId: int = 0
    l: str = ""


class _Liquidation(msgspec.Struct):  # 6.7
    contract: str
    price: float
    size: float
    time: int
    time_ms: int = 0


class _System(msgspec.Struct):  # 10
    type: str
    msg: str = ""


_read_head = ws.reader(_Head)
_read_name = ws.reader(_Name)
_read_rows = ws.reader(list[msgspec.Raw])
_read_system = ws.reader(_System)

# --- mappings: payload -> events --------------------------------------------------------------

_Events = tuple[ws.Event, ...]


def _number(text: _Maybe) -> float | None:
    return None if text is None or text == "" else float(text)


def _volume(text: _Maybe) -> float | None:
    number = _number(text)
    return 0.0 if number is not None and isnan(number) else number  # as ccxt has it


def _at(head: _Head) -> int | None:
    return head.time_ms or head.time * 1000 or None  # frames of 2021 had no `time_ms`


def _levels(rows: list[Any]) -> list[ws.Level]:
    # Contracts send objects in some channels, pairs in others (6.5).
    return rows if not rows or type(rows[0]) is tuple else [(row.p, row.s) for row in rows]


def _spot_trade(symbol: str, d: _SpotTrade, raw: msgspec.Raw, _: _Head) -> _Events:
    ms, number = int(d.create_time_ms[:13]), d.id_market or d.id  # the rest is a fraction
    return (ws.Trade(symbol, str(d.id), ms, d.price, d.amount, d.side, raw, number),)


def _trade(symbol: str, d: _Trade, raw: msgspec.Raw, _: _Head) -> _Events:
    side: ws.Side = "sell" if d.size < 0 else "buy"
    size = abs(d.size)
    return (ws.Trade(symbol, str(d.id), d.create_time_ms, d.price, size, side, raw, d.id),)


def _ticker(symbol: str, d: _Ticker, raw: msgspec.Raw, head: _Head) -> _Events:
    at, mark, index = d.t or _at(head), _number(d.mark_price), _number(d.index_price)
    rate, held = _number(d.funding_rate), _number(d.total_size)
    due, every = d.funding_next_apply * 1000 or None, _duration(d.funding_interval)
    base, quote = (
        (d.volume_24h_base, d.volume_24h_quote) if d.contract else (d.base_volume, d.quote_volume)
    )
    last, percentage = _number(d.last), _number(d.change_percentage)
    high, low = _number(d.high_24h), _number(d.low_24h)
    # A frame is whole where it says everything (6.1).
    partial = bool(d.contract) and None in {last, percentage, base, quote, high, low, mark, index}
    events: list[ws.Event] = [ws.Ticker(
        symbol, at, last=last, bid=_number(d.highest_bid), ask=_number(d.lowest_ask), high=high,
        low=low, percentage=percentage, base_volume=_volume(base), quote_volume=_volume(quote),
        mark_price=mark, index_price=index, partial=partial, raw=raw,
    )]  # fmt: skip
    if mark is not None or index is not None:
        partial = None in {mark, index}
        events.append(ws.MarkPrice(symbol, at, mark, index, partial=partial, raw=raw))
    if rate is not None or due is not None:
        partial = None in {rate, due, every, mark, index}
        events.append(ws.FundingRate(
            symbol, at, rate, due, mark, index, interval=every, partial=partial, raw=raw,
        ))  # fmt: skip
    if held is not None:
        events.append(ws.OpenInterest(symbol, at, held, raw=raw))
    return tuple(events)


def _duration(seconds: int) -> str | None:
    if not seconds:
        return None
    return f"{seconds // 60}m" if seconds % 3600 else f"{seconds // 3600}h"


def _quote(symbol: str, d: _Quote, raw: msgspec.Raw, _: _Head) -> _Events:
    if not d.t:
        return ()  # 6.3: no quote at all
    # An empty side has no price and the size 0 (6.3).
    bid, bid_volume = (float(d.b), d.B) if d.b else (None, None)
    ask, ask_volume = (float(d.a), d.A) if d.a else (None, None)
    return (ws.BidAsk(symbol, d.t, bid, bid_volume, ask, ask_volume, d.u, raw),)


def _candle(symbol: str, d: _Candle, raw: msgspec.Raw, head: _Head) -> _Events:
    spot = head.channel == "spot.candlesticks"
    volume = d.a if spot else d.v  # contracts, as in ccxt
    if volume is None:
        raise ValueError("a candle without a volume in its base currency or in contracts")
    interval, _, _ = d.n.partition("_")
    return (ws.Candle(
        symbol, interval, d.t * 1000, d.o, d.h, d.l, d.c, volume, d.w, _at(head), raw=raw,
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
    return (ws.BookUpdate(symbol, "whole", bids, asks, d.t, last, depth=int(_level_of(d))),)


_SPOT_LEVELS = (5, 10, 20, 50, 100)  # 5.5
_WHOLE_LEVELS = (1, *_SPOT_LEVELS)  # 6
_UPDATE_LEVELS = (50, 100)  # 6: 20 levels are those of each 20 ms
_SPEED = {"20": "20ms"}


def _at_least(depth: int, levels: tuple[int, ...]) -> int:
    return next((level for level in levels if level >= depth), levels[-1])


def _level_of(d: _Whole[Any]) -> str:
    # Frames of 2023 did not name their level.
    return d.l or str(_at_least(max(len(d.bids), len(d.asks)), _WHOLE_LEVELS))


def _pair(d: Any) -> tuple[str, str]:
    return d.currency_pair, d.currency_pair


def _s(d: Any) -> tuple[str, str]:
    return d.s, d.s


def _window(d: Any) -> tuple[str, str]:
    prefix, _, rest = d.s.partition(".")
    market, _, level = rest.rpartition(".")
    if prefix != "ob" or not level.isdecimal():
        raise ValueError(f"{d.s!r} is no stream of the form ob.BTC_USDT.50")
    return d.s, market


_Read = Callable[[msgspec.Raw], Any]
_Build = Callable[[str, Any, msgspec.Raw, _Head], _Events]
_quotes = (ws.reader(_Quote), _s, _quote)
_windows = (ws.reader(_Changes[ws.Level]), _window, _changes)
# Channels of one object a frame: how it is read, what follows the channel in its topic and the id
# of its market, what it becomes.
_OBJECTS: dict[str, tuple[_Read, Callable[[Any], tuple[str, str]], _Build]] = {
    "spot.trades": (ws.reader(_SpotTrade), _pair, _spot_trade),
    "spot.tickers": (ws.reader(_Ticker), _pair, _ticker),
    "spot.book_ticker": _quotes, "futures.book_ticker": _quotes,
    "spot.obu": _windows, "futures.obu": _windows,
    "spot.order_book_update": (
        ws.reader(_Changes[ws.Level]), lambda d: (f"{d.s}:{_SPEED.get(d.l, '100ms')}", d.s),
        _changes,
    ),
    "futures.order_book_update": (
        ws.reader(_Changes[_Level]), lambda d: (f"{d.s}:{_SPEED.get(d.l, '100ms')}:{d.l}", d.s),
        _changes,
    ),
    "spot.order_book": (
        ws.reader(_Whole[ws.Level]), lambda d: (f"{d.s}:{_level_of(d)}:100ms", d.s), _whole,
    ),
    "futures.order_book": (
        ws.reader(_Whole[_Level]), lambda d: (f"{d.contract}:{_level_of(d)}:0", d.contract), _whole,
    ),
}  # fmt: skip
# Channels of arrays, or of what may be one: a row that cannot be read is set aside alone.
_ROWS: dict[str, tuple[_Read, _Build]] = {
    "spot.trades": (ws.reader(_SpotTrade), _spot_trade),
    "spot.candlesticks": (ws.reader(_Candle), _candle),
    "futures.trades": (ws.reader(_Trade), _trade),
    "futures.tickers": (ws.reader(_Ticker), _ticker),
    "futures.candlesticks": (ws.reader(_Candle), _candle),
    "futures.public_liquidates": (ws.reader(_Liquidation), _liquidation),
}
_CHANNELS = {  # by kind; books and candles have their own rules
    ws.Kind.TRADES: "trades", ws.Kind.TICKER: "tickers", ws.Kind.BIDS_ASKS: "book_ticker",
    ws.Kind.MARK_PRICE: "tickers", ws.Kind.FUNDING_RATE: "tickers",
    ws.Kind.OPEN_INTEREST: "tickers", ws.Kind.LIQUIDATIONS: "public_liquidates",
}  # fmt: skip
_TOGETHER = frozenset(_CHANNELS.values())  # 2: several symbols a request
_SWAPS_ONLY = frozenset({ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS})
_WORDS = re.compile(r"\w+")
_SETTLED = {"BTC": "btc", "USD1": "usd1"}


class Gate(ws.Adapter):
    """Gate: spot, perpetual and dated contracts."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the endpoint and the stream of a subscription (5, 6)."""
        market, kind = sub.market, sub.kind
        if market is None:
            return ()
        if kind is ws.Kind.BOOK:
            return (_book(sub, market),)
        spot, at = market.type == "spot", _endpoint(market)
        family = "spot" if spot else "futures"
        if kind is ws.Kind.OHLCV:
            interval = VENUE.timeframes[sub.timeframe]
            if interval not in (_SPOT_INTERVALS if spot else _INTERVALS):
                return ()
            topic = f"{family}.candlesticks:{interval}_{market.id}"
            return (ws.Route(at, topic, topic),)
        if (spot and kind not in _SPOT_KINDS) or (market.type != "swap" and kind in _SWAPS_ONLY):
            return ()
        channel = f"{family}.{_CHANNELS[kind]}"
        history = None
        if kind is ws.Kind.TRADES:
            recent = ws.Rest(_method(market, "Trades"), {**_asked(market), "limit": 1000})
            history = ws.History(recent, 1000)
        counted = spot and kind is ws.Kind.TRADES
        topic = f"{channel}:{market.id}"
        return (ws.Route(at, topic, channel, history=history, contiguous_ids=counted),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build one (un)subscribe frame: several markets of a channel, or one stream (2, 4)."""
        channel, _, first = topics[0].partition(":")
        name = channel.partition(".")[2]
        if name in _TOGETHER:
            payload = [topic.partition(":")[2] for topic in topics]
        else:
            payload = first.split("_", 1) if name == "candlesticks" else first.split(":")
        return msgspec.json.encode({
            "time": call.now_ms // 1000, "id": int(call.id), "channel": channel, "event": op,
            "payload": payload,
        })  # fmt: skip

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        head = _read_head(frame)
        channel, event, raw = head.channel, head.event, head.result
        if event in {"update", "all"}:
            array = bytes(memoryview(raw)[:1]) == b"["
            known = None if array else _OBJECTS.get(channel)
            if known is not None:
                read, place, build = known
                d = read(raw)
                rest, market_id = place(d)
                topic, symbol = f"{channel}:{rest}", markets(market_id)
                if symbol is None:
                    return (ws.Batch(topic, (), 1),)
                return (ws.Batch(topic, build(symbol, d, raw, head)),)
            if channel in _ROWS:
                return _rows(head, _read_rows(raw) if array else [raw], markets)
        if event in {"subscribe", "unsubscribe"} or head.error is not None:
            return (_answer(head),)
        if channel.endswith(".pong"):  # 3
            return (ws.Pong(),)
        if channel.endswith(".system"):  # 10
            notice = _read_system(raw)
            return (ws.Closing(notice.msg),) if notice.type == "upgrade" else ()
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
        bids, asks = [_row(row) for row in body["bids"]], [_row(row) for row in body["asks"]]
        last, now = int(body["id"]), body.get("current")  # spot has milliseconds, contracts seconds
        ms = round(now * (1 if market.type == "spot" else 1000)) if now is not None else None
        return ws.BookUpdate(market.symbol, "rest", bids, asks, ms, last, bounds=(0.0, inf))

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read the newest trades of REST, whose ids are the stream's own."""
        return sorted((_past(row, market) for row in body), key=lambda trade: trade.number)


class GateEU(Gate):
    """Gate EU: spot alone."""

    venue = VENUE_EU


def _endpoint(market: ws.Market) -> str:
    if market.type == "spot":
        return "spot"
    name = _SETTLED.get(market.settle or "", "usdt")
    return f"delivery_{name}" if market.type == "future" else name


def _method(market: ws.Market, what: str) -> str:
    sections = {"spot": "Spot", "swap": "Futures", "future": "Delivery"}
    settle = "" if market.type == "spot" else "Settle"
    return f"public{sections[market.type]}Get{settle}{what}"


def _asked(market: ws.Market) -> dict[str, Any]:
    if market.type == "spot":
        return {"currency_pair": market.id}
    return {"settle": (market.settle or "usdt").lower(), "contract": market.id}


def _book(sub: ws.Sub, market: ws.Market) -> ws.Route:
    """Choose among the three forms of a book, by ccxt's switches and by depth (7)."""
    name, interval = sub.channel.get("name", ""), sub.channel.get("interval", "")
    spot = market.type == "spot"
    if not name:
        rest = interval.endswith("ms") or (market.type == "future" and not interval)
        name = "order_book_update" if rest else "obu"
    at, channel = _endpoint(market), f"{'spot' if spot else 'futures'}.{name}"
    depth = sub.depth or (50 if spot else 100)  # ccxt's own
    if name == "order_book":
        level = _at_least(depth, _SPOT_LEVELS if spot else _WHOLE_LEVELS)
        topic = f"{channel}:{market.id}:{level}:{'100ms' if spot else '0'}"
        return ws.Route(at, topic, topic)
    if name == "obu":
        few = depth <= 50 or (interval == "50" and not sub.depth)
        window = 50 if few and interval != "400" else 400
        topic = f"{channel}:ob.{market.id}.{window}"
        return ws.Route(at, topic, topic, keeps=window)
    window = 100 if spot else _at_least(depth, _UPDATE_LEVELS)
    speed, window = ("20ms", 20) if interval == "20ms" else ("100ms", window)
    topic = f"{channel}:{market.id}:{speed}" + ("" if spot else f":{window}")
    params = {**_asked(market), "with_id": "true"}
    snapshot = ws.Snapshot(_method(market, "OrderBook"), params, "limit", ((window, 1.0),))
    return ws.Route(at, topic, topic, snapshot=snapshot, keeps=window)


def _answer(head: _Head) -> ws.Inbound:
    about, error = "" if head.id is None else str(head.id), head.error
    if error is None or error.message.startswith("Alert sub"):  # 4: we have it already
        return ws.Ack(about)
    culprits: tuple[str, ...] = ()
    if head.channel.partition(".")[2] in _TOGETHER:
        words = set(_WORDS.findall(error.message))
        culprits = tuple(f"{head.channel}:{name}" for name in head.payload if name in words)
    text = f"{error.message.strip()} (code {error.code})"
    return ws.Refused(text, about, culprits, retry=error.code == 3)  # 4: 3 is their own fault


def _rows(head: _Head, rows: Sequence[msgspec.Raw], markets: ws.Markets) -> Sequence[ws.Batch]:
    groups: dict[str, list[msgspec.Raw]] = {}
    for raw in rows:
        name = _read_name(raw)
        groups.setdefault(name.contract or name.n or name.currency_pair, []).append(raw)
    return [_group(head, name, group, markets) for name, group in groups.items()]


def _group(head: _Head, name: str, rows: list[msgspec.Raw], markets: ws.Markets) -> ws.Batch:
    """Read the rows of one market, each for itself; one may be events of several kinds."""
    read, build = _ROWS[head.channel]
    symbol = markets(name.partition("_")[2] if head.channel.endswith("candlesticks") else name)
    more: list[ws.Event] = []

    def parse(raw: msgspec.Raw) -> ws.Event | None:
        if symbol is None:
            return None
        first, *others = build(symbol, read(raw), raw, head)
        more.extend(others)
        return first

    batch = ws.by_row(f"{head.channel}:{name}", rows, parse)
    return ws.Batch(batch.topic, [*batch.events, *more], batch.skipped, batch.bad)


def _row(row: Any) -> ws.Level:
    price, size = (row["p"], row["s"]) if isinstance(row, dict) else row
    return float(price), float(size)


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    id_, at, price = str(row["id"]), str(row["create_time_ms"]), float(row["price"])
    if market.type == "spot":
        number, amount = int(row.get("sequence_id") or id_), float(row["amount"])
        side: ws.Side = row["side"]
        return ws.Trade(market.symbol, id_, int(at[:13]), price, amount, side, row, number)
    size = float(row["size"])
    ms = round(float(at) * 1000) if "." in at else int(at)  # REST has seconds with a fraction
    side = "sell" if size < 0 else "buy"
    return ws.Trade(market.symbol, id_, ms, price, abs(size), side, row, int(id_))
