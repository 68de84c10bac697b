"""OKX v5: spot, perpetual swaps and futures (global, EEA and US).

Source: the sheet `venues/okx.md` (November 2026), section numbers beside each fact; behind it
https://www.okx.com/docs-v5/en/.

What is peculiar here:

* The heartbeat is text, not JSON: we send `ping` and hear `pong` (3).
* Each argument of a request is acknowledged by itself; an error names channel and market in its
  text only, and the other arguments of that request are served (4).
* `trades` sums up what one taker order matched at one price: `count` matches whose ids end with
  `tradeId`. `trades-all` has each match (5.1).
* A book begins in the stream. Each update names the one before it, and ids may fall or repeat
  legally: the chain is what counts (6.3).
* In a call auction a book may be crossed; the core hands none out.
* Checksums are real in old recordings only; the venue has sent 0 since June 2026 (1).
* Amounts of contracts are contracts, but the volume of candles is in base currency (5.0, 5.4).
* Liquidations come by market type, beginning with past ones (5.6).
* An index is called like a spot market (5.5), so that `index-tickers` is a channel of those.

Deliberate differences from ccxt 4.5.90:

* `baseVolume` of a contract's ticker is in base currency; ccxt gives contracts (5.2, 10.12).
* Candles of six hours and more begin at UTC, as in ccxt's REST; those of ccxt.pro at UTC+8, which
  the switch `timezone` "HK" gives (5.4, 10.5).
* `watch_order_book(limit=50)` takes `books`; ccxt takes `books50-l2-tbt`, which wants a login and a
  fee tier. The switch `depth` still asks for it (6.1).
* The books of `books5` and `bbo-tbt` have the venue's number as their `nonce`; ccxt's have none.
* Each liquidation of a frame is delivered; ccxt gives the first of each market (10.6).
* Liquidations of spot markets are those of margin loans; ccxt waits for them among swaps.
* A funding rate has its `timestamp`, and the venue's own interest rate where it names one (5.5).
* An interval of funding outside ccxt's table is in hours too ("6h"); ccxt gives milliseconds.
* `trades-all` needs no login (1); ccxt asks for one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import msgspec

from unified_ws import adapter as ws

_DEEP_BOOKS = ("books", "books-rpi", "books-l2-tbt", "books50-l2-tbt")
_DEEP = "deep"
_LIQUIDATIONS = "liquidation-orders"
_BARS = {  # 5.4: ccxt's name to the venue's
    "1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H",
    "2h": "2H", "4h": "4H", "6h": "6H", "12h": "12H", "1d": "1D", "2d": "2D", "3d": "3D",
    "5d": "5D", "1w": "1W", "1M": "1M", "3M": "3M",
}  # fmt: skip
_LONG_BARS = ("6h", "12h", "1d", "2d", "3d", "5d", "1w", "1M", "3M")  # begin at UTC, or at UTC+8


def _endpoints(live: str, demo: str) -> dict[str, ws.Endpoint]:
    """Declare the two endpoints of a region; ccxt's sandbox is the venue's demo trading (1)."""
    return {
        name: ws.Endpoint(
            live=f"wss://{live}:443/ws/v5/{name}", testnet=f"wss://{demo}:443/ws/v5/{name}",
            demo=f"wss://{demo}:443/ws/v5/{name}", serves={"option": False},
            heartbeat=ws.Heartbeat(  # 3: it hangs up after 30 s; RFC 6455 pings do not count
                by="message", every_s=20, timeout_s=10, silence_s=45, idle_ping_s=0
            ),
            limits=ws.Limits(  # 2: it allows 3 dials a second, here with room for late ones
                request_bytes=64 * 1024, requests=ws.Window(n=480, per_s=3600),
                dials=ws.Window(n=3, per_s=1.25), topics_per_group={_DEEP: 29},
            ),
        )
        for name in ("public", "business")
    }  # fmt: skip


VENUE = ws.Venue(
    id="okx", ccxt_id="okx", name="OKX",
    evidence="sheet of November 2026; recordings of 2021, 2022 and 2026; not yet seen live",
    endpoints=_endpoints("ws.okx.com", "wspap.okx.com"),
    kinds=frozenset(ws.Kind), all_markets=frozenset({ws.Kind.LIQUIDATIONS}),
    timeframes=_BARS | {name: f"{_BARS[name]}utc" for name in _LONG_BARS},
    switches={
        kind: {name: ws.Switch(values=values, default=values[0])}
        for kind, name, values in (
            (ws.Kind.TRADES, "channel", ("trades", "trades-all")),
            (ws.Kind.BOOK, "depth", (*_DEEP_BOOKS, "books5", "bbo-tbt")),
            (ws.Kind.TICKER, "channel", ("tickers", "index-tickers")),
            (ws.Kind.BIDS_ASKS, "channel", ("bbo-tbt", "tickers")),
            (ws.Kind.MARK_PRICE, "channel", ("mark-price",)),
            (ws.Kind.OHLCV, "timezone", ("UTC", "HK")),
        )
    },
    market_types=("spot", "swap", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=20, per_s=2))},  # in ccxt's costs: 10 a second
    rest_methods=("publicGetMarketTrades",),
    rest_options={"fetchMarkets": {"types": ["spot", "swap", "future"]}},
    closes={4005: ws.CloseRule(floor_s=1)}  # 9: a consumer that is too slow; too many subscriptions
    | {code: ws.CloseRule(floor_s=10) for code in (4008, 4009, 429)},
)  # fmt: skip

_BY_LIMIT = {1: "bbo-tbt", **dict.fromkeys(range(2, 6), "books5"), 400: "books"}  # 6.1, as ccxt
_NAMES = {ws.Kind.FUNDING_RATE: "funding-rate", ws.Kind.OPEN_INTEREST: "open-interest"}
_LIQUIDATED = {"spot": "MARGIN", "swap": "SWAP", "future": "FUTURES"}  # 5.6
_ONLY_FOR = {  # 5.5: types of markets; "X-Perp" futures never expire, and count as swaps
    "index-tickers": ("spot",), "open-interest": ("swap", "future"), "funding-rate": ("swap",),
}  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------

_Float: TypeAlias = float | Literal[""]  # 5: what is absent is ""
_Int: TypeAlias = int | Literal[""]


class _Arg(msgspec.Struct, frozen=True, gc=False):
    channel: str = ""
    instId: str = ""
    instType: str = ""


class _Head(msgspec.Struct, gc=False):
    arg: _Arg = _Arg()
    data: list[msgspec.Raw] = []
    action: str = ""
    event: str = ""
    id: str = ""
    code: str = ""
    msg: str = ""


class _Trade(msgspec.Struct, gc=False):  # 5.1
    tradeId: str
    px: float
    sz: float
    side: ws.Side
    ts: int
    count: int = 1


class _Level(msgspec.Struct, array_like=True, gc=False):  # 6.2: two more columns follow
    price: float
    amount: float


class _Book(msgspec.Struct, gc=False):  # 6.2
    asks: list[_Level]
    bids: list[_Level]
    ts: int
    seqId: int | None = None
    prevSeqId: int | None = None
    checksum: int = 0


class _Texts(msgspec.Struct, gc=False):  # 6.6
    asks: list[tuple[str, ...]]
    bids: list[tuple[str, ...]]


class _Liquidated(msgspec.Struct, gc=False):  # 5.6
    instId: str
    details: list[msgspec.Raw]


class _Detail(msgspec.Struct, gc=False):
    side: ws.Side
    sz: float
    bkPx: float
    ts: int


_Bar = msgspec.defstruct("_Bar", [  # 5.4; the last two columns are newer than 2021
    ("ts", int), *((name, float) for name in ("open", "high", "low", "close", "vol", "volCcy")),
    ("volCcyQuote", str, ""), ("confirm", str, ""),
], array_like=True, gc=False)  # fmt: skip
_State = msgspec.defstruct("_State", [  # 5.2, 5.5: of these, each channel has its own
    ("ts", int), ("fundingTime", _Int, ""), ("nextFundingTime", _Int, ""),
    *((name, _Float, "") for name in (
        "last", "askPx", "askSz", "bidPx", "bidSz", "open24h", "high24h", "low24h", "vol24h",
        "volCcy24h", "idxPx", "markPx", "oi", "oiCcy", "oiUsd", "fundingRate", "nextFundingRate",
        "interestRate",
    )),
], gc=False)  # fmt: skip
_read_head, _read_texts = ws.reader(_Head), ws.reader(_Texts)
_read_liquidated, _read_detail = ws.reader(_Liquidated), ws.reader(_Detail)

# --- mappings: symbol, whether it is spot, and payload -> events ------------------------------

_Events: TypeAlias = tuple[ws.Event, ...]
_Build: TypeAlias = Callable[[str, bool, Any, Any], _Events]
_NONE: tuple[None, None] = (None, None)


def _given(number: _Float) -> float | None:
    return None if number == "" else number


def _trade(symbol: str, spot: bool, d: _Trade, raw: Any) -> _Events:
    return (ws.Trade(symbol, d.tradeId, d.ts, d.px, d.sz, d.side, raw, int(d.tradeId), d.count),)


def _book(kind: Literal["snapshot", "delta", "whole"]) -> _Build:
    def build(symbol: str, spot: bool, d: _Book, raw: msgspec.Raw) -> _Events:
        update = ws.BookUpdate(
            symbol, kind, [(level.price, level.amount) for level in d.bids],
            [(level.price, level.amount) for level in d.asks], d.ts, d.seqId,
            d.prevSeqId if kind == "delta" else None,
        )  # fmt: skip
        if d.checksum and kind != "whole":  # 6.6: 0 is none
            texts = _read_texts(raw)
            bids, asks = ([(row[0], row[1]) for row in side] for side in (texts.bids, texts.asks))
            update.checksum, update.texts = d.checksum, (bids, asks)
        return (update,)

    return build


def _best(symbol: str, spot: bool, d: _Book, raw: msgspec.Raw) -> _Events:
    bid, held = (d.bids[0].price, d.bids[0].amount) if d.bids else _NONE
    ask, offered = (d.asks[0].price, d.asks[0].amount) if d.asks else _NONE
    # Its number may fall (6.3), so that the time alone says which row is newer.
    best = ws.BidAsk(symbol, d.ts, bid, held, ask, offered, raw=raw)
    return best, *_whole(symbol, spot, d, raw)


def _ticker(symbol: str, spot: bool, d: Any, raw: msgspec.Raw) -> _Events:
    bid, ask = d.bidPx or None, d.askPx or None  # 5.2: a price of "0" is none
    held, offered = _given(d.bidSz), _given(d.askSz)
    volume, in_currency = _given(d.vol24h), _given(d.volCcy24h)
    ticker = ws.Ticker(
        symbol, d.ts, d.last or None, bid, held, ask, offered, d.open24h or None,
        d.high24h or None, d.low24h or None, base_volume=volume if spot else in_currency,
        quote_volume=in_currency if spot else None, index_price=_given(d.idxPx), raw=raw,
    )  # fmt: skip
    return ticker, ws.BidAsk(symbol, d.ts, bid, held, ask, offered, raw=raw)


def _candle(timeframe: str) -> _Build:
    def build(symbol: str, spot: bool, d: Any, raw: msgspec.Raw) -> _Events:
        volume, closed = d.vol if spot else d.volCcy, d.confirm == "1" if d.confirm else None
        return (ws.Candle(
            symbol, timeframe, d.ts, d.open, d.high, d.low, d.close, volume, closed, raw=raw
        ),)  # fmt: skip

    return build


def _mark(symbol: str, spot: bool, d: Any, raw: msgspec.Raw) -> _Events:
    return (ws.MarkPrice(symbol, d.ts, float(d.markPx), raw=raw),)


def _interest(symbol: str, spot: bool, d: Any, raw: msgspec.Raw) -> _Events:
    return (ws.OpenInterest(symbol, d.ts, float(d.oi), _given(d.oiUsd), _given(d.oiCcy), raw=raw),)


def _funding(symbol: str, spot: bool, d: Any, raw: msgspec.Raw) -> _Events:
    due, following, interval = d.fundingTime or None, d.nextFundingTime or None, None
    if due and following:
        hours, rest = divmod(following - due, 3_600_000)
        interval = str(following - due) if rest else f"{hours}h"
    return (ws.FundingRate(
        symbol, d.ts, _given(d.fundingRate), due, interest_rate=d.interestRate or 0.0,
        next_funding_rate=_given(d.nextFundingRate), next_funding_timestamp_ms=following,
        interval=interval, raw=raw,
    ),)  # fmt: skip


_whole = _book("whole")
_read_book, _read_bar, _read_state = ws.reader(_Book), ws.reader(_Bar), ws.reader(_State)
_trades = (ws.reader(_Trade), _trade)
_CHANNELS: dict[tuple[str, str], tuple[Callable[[msgspec.Raw], Any], _Build]] = {
    # by channel and action, which only deep books have (6.2)
    **{(name, "snapshot"): (_read_book, _book("snapshot")) for name in _DEEP_BOOKS},
    **{(name, "update"): (_read_book, _book("delta")) for name in _DEEP_BOOKS},
    **{
        (f"candle{bar}{zone}", ""): (_read_bar, _candle(name))
        for name, bar in _BARS.items() for zone in ("", "utc")
    },
    ("books5", ""): (_read_book, _whole), ("bbo-tbt", ""): (_read_book, _best),
    ("trades", ""): _trades, ("trades-all", ""): _trades,
    ("tickers", ""): (_read_state, _ticker), ("index-tickers", ""): (_read_state, _ticker),
    ("mark-price", ""): (_read_state, _mark), ("funding-rate", ""): (_read_state, _funding),
    ("open-interest", ""): (_read_state, _interest),
}  # fmt: skip


@lru_cache(8192)
def _channel(name: str, action: str, id_: str) -> tuple[str, bool, Callable[..., Any], _Build]:
    """Return the topic of a frame, whether its market is of spot, and how it is read."""
    known = _CHANNELS.get((name, action))
    if known is None:
        raise ValueError(f"never asked for: data of {name!r} with action {action!r}")
    return f"{name}:{id_}", id_.count("-") == 1, *known  # BTC-USDT; BTC-USDT-SWAP; BTC-USD-260925


def _rows(symbol: str, head: _Head) -> ws.Batch:
    """Read a frame of several rows; a book takes all of them or none."""
    topic, spot, read, build = _channel(head.arg.channel, head.action, head.arg.instId)
    events: list[ws.Event] = []

    def parse(row: msgspec.Raw) -> ws.Event:
        events.extend(found := build(symbol, spot, read(row), row))
        return found[0]

    bad = ws.by_row(topic, head.data, parse).bad
    if bad and head.action:
        raise ValueError(bad[0].reason)
    return ws.Batch(topic, events, 0, bad)


def _liquidations(head: _Head, markets: ws.Markets) -> ws.Batch:
    """Read liquidations of many markets, each with several orders (5.6)."""
    topic = f"{_LIQUIDATIONS}:{head.arg.instType}"
    found = [
        ws.by_row(topic, row.details, partial(_liquidation, markets(row.instId), raw))
        for raw, row in ((raw, _read_liquidated(raw)) for raw in head.data)
    ]
    events = [event for batch in found for event in batch.events]
    bad = [row for batch in found for row in batch.bad]
    return ws.Batch(topic, events, sum(batch.skipped for batch in found), bad)


def _liquidation(symbol: str | None, raw: msgspec.Raw, detail: msgspec.Raw) -> ws.Event | None:
    if symbol is None:
        return None
    d = _read_detail(detail)
    return ws.Liquidation(symbol, d.ts, d.bkPx, d.sz, d.side, raw=raw)


_PONG, _BEAT = ws.Pong(), ws.Beat(b"pong")
_NO_SUCH = re.compile(r"channel:([^, ]+),inst(?:Id|Type|Family):([^ ]+) doesn't exist")  # 4
_WAITS_S = {"60014": 10.0, "63999": 1.0, "64007": 1.0}  # 9: errors that are no fault of a topic


def _control(head: _Head) -> Sequence[ws.Inbound]:
    """Read what is not data: acknowledgements, errors, notices (4, 9)."""
    arg, text = head.arg, f"{head.msg} (code {head.code})"
    match head.event:
        case "subscribe" | "unsubscribe" if arg.channel:
            return (ws.Ack(f"{arg.channel}:{arg.instId or arg.instType}"),)
        case "error" if wait_s := _WAITS_S.get(head.code):
            return (ws.Refused(text, head.id, retry=True, retry_after_s=wait_s),)
        case "error" if named := _NO_SUCH.search(head.msg):  # the rest of the request is served
            return (ws.Refused(text, topics=(f"{named[1]}:{named[2]}",)),)
        case "error":
            return (ws.Refused(text, head.id),)
        case "notice":
            return (ws.Closing(text),) if head.code == "64008" else ()
        case "login" | "channel-conn-count" | "channel-conn-count-error":
            return ()  # 2, 7: these concern accounts
    raise ValueError(f"neither data nor an event that the sheet knows: {head.event!r}")


class Okx(ws.Adapter):
    """OKX, www.okx.com."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the channel of a subscription (5, 6.1)."""
        market, kind = sub.market, sub.kind
        if kind is ws.Kind.LIQUIDATIONS:
            type_ = _LIQUIDATED.get(sub.market_type)
            return (ws.Route("public", f"{_LIQUIDATIONS}:{type_}"),) if type_ else ()
        if market is None:
            return ()
        if kind is ws.Kind.OHLCV:
            bars = _BARS if sub.channel["timezone"] == "HK" else VENUE.timeframes
            return (ws.Route("business", f"candle{bars[sub.timeframe]}:{market.id}"),)
        if kind is ws.Kind.BOOK:
            name = _BY_LIMIT.get(sub.depth, sub.channel["depth"])
        else:
            name = _NAMES.get(kind) or sub.channel["channel"]
        type_ = "swap" if market.info.get("ruleType") == "xperp" else market.type
        if type_ not in _ONLY_FOR.get(name, (type_,)):
            return ()
        topic = f"{name}:{market.id}"
        if name in _DEEP_BOOKS:
            # 4: `books-l2-tbt` and the others of the same market refuse to share a connection.
            return (ws.Route("public", topic, group=_DEEP, apart=market.id, chained=True),)
        if kind is not ws.Kind.TRADES:
            return (ws.Route("public", topic),)
        recent = ws.Rest("publicGetMarketTrades", {"instId": market.id, "limit": 500}, 0.2)
        return (ws.Route(
            "business" if name == "trades-all" else "public", topic,  # 1
            history=ws.History(recent, 500), contiguous_ids=True, counted_ids=name == "trades",
        ),)  # fmt: skip

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a subscribe or unsubscribe (4)."""
        args = [
            {"channel": name, "instType" if name == _LIQUIDATIONS else "instId": id_}
            for name, _, id_ in (topic.partition(":") for topic in topics)
        ]
        return msgspec.json.encode({"id": call.id, "op": op, "args": args})

    def ping(self, call: ws.Call) -> bytes:
        """Ask for a `pong` (3)."""
        return b"ping"

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        if frame == b"pong":  # 3
            return (_PONG,)
        if frame == b"ping":
            return (_BEAT,)
        head = _read_head(frame)
        rows, arg = head.data, head.arg
        if head.event or not rows:
            return _control(head)
        if arg.channel == _LIQUIDATIONS:
            return (_liquidations(head, markets),)
        topic, spot, read, build = _channel(arg.channel, head.action, arg.instId)
        symbol = markets(arg.instId)
        if symbol is None:
            return (ws.Batch(topic, (), len(rows)),)
        if len(rows) > 1:
            return (_rows(symbol, head),)
        row = rows[0]
        return (ws.Batch(topic, build(symbol, spot, read(row), row)),)

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read /api/v5/market/trades, newest first: single matches, with the stream's ids (5.1)."""
        rows = [(msgspec.convert(row, _Trade, strict=False), row) for row in body["data"]]
        return [_trade(market.symbol, False, d, row)[0] for d, row in reversed(rows)]

    def checksum(self, bids: Sequence[ws.TextLevel], asks: Sequence[ws.TextLevel]) -> int:
        """Compute CRC32, signed, over the best 25 levels of both sides in turn (6.6)."""
        pairs = zip_longest(bids[:25], asks[:25], fillvalue=())
        text = ":".join(part for bid, ask in pairs for part in (*bid, *ask))
        value = zlib.crc32(text.encode())
        return value - 2**32 if value >= 2**31 else value


class MyOkx(Okx):
    """OKX for the European Economic Area: spot, as ccxt has it."""

    venue = VENUE.model_copy(update={
        "id": "myokx", "ccxt_id": "myokx", "name": "MyOKX (EEA)",
        "endpoints": _endpoints("wseea.okx.com", "wseeapap.okx.com"),
        "kinds": VENUE.kinds - {*_NAMES, ws.Kind.LIQUIDATIONS}, "all_markets": frozenset(),
        "market_types": ("spot",), "rest_options": {"fetchMarkets": {"types": ["spot"]}},
    })  # fmt: skip


class OkxUs(Okx):
    """OKX for the United States and Australia: spot and swaps, as ccxt has it."""

    venue = VENUE.model_copy(update={
        "id": "okxus", "ccxt_id": "okxus", "name": "OKX (US)",
        "endpoints": _endpoints("wsus.okx.com", "wsuspap.okx.com"),
        "market_types": ("spot", "swap"),
        "rest_options": {"fetchMarkets": {"types": ["spot", "swap"]}},
    })  # fmt: skip
