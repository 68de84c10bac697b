"""OKX v5: spot, perpetual swaps and futures (global, EEA and US).

Source: the sheet `venues/okx.md` (November 2026), section numbers beside each fact; behind it
https://www.okx.com/docs-v5/en/.

What is peculiar here:

* The heartbeat is text, not JSON: we send `ping` and hear `pong` (3).
* Each argument of a request has an acknowledgement of its own; errors have none and name channel
  and market in their text only (4). The other arguments of that request are served.
* `trades` sums up what one taker order matched at one price: `count` matches whose ids end with
  `tradeId` (5.1). `trades-all` has each match.
* A book begins in the stream. Each update names the one before it, and ids may fall or repeat
  legally: the chain is what counts (6.3). Checksums are real in old recordings only; the venue
  has sent 0 since June 2026 (1). In a call auction a book may be crossed; the core hands none out.
* Amounts of contracts are in contracts, except the volume of candles, which is in base currency
  (5.0, 5.4).
* Liquidations come by market type, beginning with past ones (5.6). An index is called like a spot
  market (5.5), so that `index-tickers` is a channel of those.

Deliberate differences from ccxt 4.5.90:

* `baseVolume` of a contract's ticker is in base currency (`volCcy24h`); ccxt gives contracts
  (5.2, 10.12).
* Candles of six hours and more begin at UTC, as ccxt's REST has them; ccxt.pro's begin at UTC+8
  (5.4, 10.5). The switch `timezone` "HK" gives those.
* `watch_order_book(limit=50)` takes `books`; ccxt takes `books50-l2-tbt`, which wants a login
  and a fee tier. The switch `depth` still asks for it (6.1).
* The books of `books5` and `bbo-tbt` have the venue's number as their `nonce`; ccxt's have none.
* Each of the liquidations of a frame is delivered; ccxt gives the first of each market (10.6).
  Those of spot markets are the ones of margin loans; ccxt waits for them among swaps.
* A funding rate has its `timestamp`, and the venue's own interest rate where it names one (5.5).
* An interval of funding outside ccxt's table is in hours too ("6h"); ccxt gives milliseconds.
* `trades-all` needs no login (1); ccxt asks for one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import msgspec

from unified_ws import adapter as ws

_HEARTBEAT = ws.Heartbeat(  # 3: the venue hangs up after 30 s; RFC 6455 pings do not count
    by="message", every_s=20, timeout_s=10, silence_s=45, idle_ping_s=0
)
_DEEP = "deep"
_LIMITS = ws.Limits(  # 2
    request_bytes=64 * 1024, requests=ws.Window(n=480, per_s=3600),
    dials=ws.Window(n=3, per_s=1), topics_per_group={_DEEP: 29},
)  # fmt: skip


def _endpoints(live: str, demo: str) -> dict[str, ws.Endpoint]:
    """Return the two endpoints of a region: ccxt's sandbox is the venue's demo trading (1)."""
    return {
        name: ws.Endpoint(
            live=f"wss://{live}:443/ws/v5/{name}", testnet=f"wss://{demo}:443/ws/v5/{name}",
            demo=f"wss://{demo}:443/ws/v5/{name}", serves={"option": False},
            heartbeat=_HEARTBEAT, limits=_LIMITS,
        )
        for name in ("public", "business")
    }  # fmt: skip


# 5.4: ccxt's name to the venue's; what begins at a day's boundary has a variant at UTC
_BARS = {
    "1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H",
    "2h": "2H", "4h": "4H",
}  # fmt: skip
_LONG_BARS = {
    "6h": "6H", "12h": "12H", "1d": "1D", "2d": "2D", "3d": "3D", "5d": "5D", "1w": "1W",
    "1M": "1M", "3M": "3M",
}  # fmt: skip
_DEEP_BOOKS = ("books", "books-rpi", "books-l2-tbt", "books50-l2-tbt")
_WHOLE_BOOKS = ("books5", "bbo-tbt")

VENUE = ws.Venue(
    id="okx",
    ccxt_id="okx",
    name="OKX",
    evidence="sheet of November 2026; recordings of 2021, 2022 and 2026; not yet seen live",
    endpoints=_endpoints("ws.okx.com", "wspap.okx.com"),
    kinds=frozenset(ws.Kind),
    all_markets=frozenset({ws.Kind.LIQUIDATIONS}),
    timeframes=_BARS | {name: f"{bar}utc" for name, bar in _LONG_BARS.items()},
    switches={
        ws.Kind.TRADES: {"channel": ws.Switch(values=("trades", "trades-all"), default="trades")},
        ws.Kind.BOOK: {"depth": ws.Switch(values=_DEEP_BOOKS + _WHOLE_BOOKS, default="books")},
        ws.Kind.TICKER: {"channel": ws.Switch(
            values=("tickers", "index-tickers"), default="tickers",
        )},
        ws.Kind.BIDS_ASKS: {"channel": ws.Switch(values=("bbo-tbt", "tickers"), default="bbo-tbt")},
        ws.Kind.MARK_PRICE: {"channel": ws.Switch(values=("mark-price",), default="mark-price")},
        ws.Kind.OHLCV: {"timezone": ws.Switch(values=("UTC", "HK"), default="UTC")},
    },
    market_types=("spot", "swap", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=20, per_s=2))},  # in ccxt's costs: 10 a second
    rest_methods=("publicGetMarketTrades",),
    rest_options={"fetchMarkets": {"types": ["spot", "swap", "future"]}},
    closes={  # 9: too many subscriptions, or a consumer that is too slow
        4005: ws.CloseRule(floor_s=1), 4008: ws.CloseRule(floor_s=10),
        4009: ws.CloseRule(floor_s=10), 429: ws.CloseRule(floor_s=10),
    },
)  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Arg(msgspec.Struct, gc=False):
    channel: str = ""
    instId: str = ""
    instType: str = ""


class _Head(msgspec.Struct, gc=False):
    arg: _Arg | None = None
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
    side: Literal["buy", "sell"]
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


class _BookTexts(msgspec.Struct, gc=False):
    asks: list[tuple[str, ...]]
    bids: list[tuple[str, ...]]


class _Ticker(msgspec.Struct, gc=False):  # 5.2: what is absent is ""
    ts: int
    last: str = ""
    askPx: str = ""
    askSz: str = ""
    bidPx: str = ""
    bidSz: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    vol24h: str = ""
    volCcy24h: str = ""
    idxPx: str = ""


class _Bar(msgspec.Struct, array_like=True, gc=False):  # 5.4
    ts: int
    open: float
    high: float
    low: float
    close: float
    vol: float
    volCcy: float
    volCcyQuote: str = ""
    confirm: str = ""


class _Mark(msgspec.Struct, gc=False):  # 5.5
    ts: int
    markPx: float


class _Funding(msgspec.Struct, gc=False):  # 5.5
    ts: int
    fundingRate: str = ""
    fundingTime: str = ""
    nextFundingRate: str = ""
    nextFundingTime: str = ""
    interestRate: str = ""


class _Interest(msgspec.Struct, gc=False):  # 5.5
    oi: float
    ts: int
    oiCcy: str = ""
    oiUsd: str = ""


class _Liquidated(msgspec.Struct, gc=False):  # 5.6
    instId: str
    details: list[msgspec.Raw]


class _Detail(msgspec.Struct, gc=False):
    side: Literal["buy", "sell"]
    sz: float
    bkPx: float
    ts: int


_read_head = ws.reader(_Head)
_read_book = ws.reader(_Book)
_read_texts = ws.reader(_BookTexts)
_read_liquidated = ws.reader(_Liquidated)
_read_detail = ws.reader(_Detail)

# --- mappings: symbol, market id and payload -> event -----------------------------------------


def _number(text: str) -> float | None:
    return float(text) if text else None


def _is_spot(market_id: str) -> bool:
    return market_id.count("-") == 1  # BTC-USDT; BTC-USDT-SWAP; BTC-USD-260925


def _trade(symbol: str, market_id: str, d: _Trade, raw: Any) -> ws.Event:
    return ws.Trade(symbol, d.tradeId, d.ts, d.px, d.sz, d.side, raw, int(d.tradeId), d.count)


def _mark(symbol: str, market_id: str, d: _Mark, raw: msgspec.Raw) -> ws.Event:
    return ws.MarkPrice(symbol, d.ts, d.markPx, raw=raw)


def _interest(symbol: str, market_id: str, d: _Interest, raw: msgspec.Raw) -> ws.Event:
    return ws.OpenInterest(symbol, d.ts, d.oi, _number(d.oiUsd), _number(d.oiCcy), raw=raw)


def _funding(symbol: str, market_id: str, d: _Funding, raw: msgspec.Raw) -> ws.Event:
    interval = None
    if d.nextFundingTime and d.fundingTime:
        span = int(d.nextFundingTime) - int(d.fundingTime)
        interval = str(span) if span % 3_600_000 else f"{span // 3_600_000}h"
    return ws.FundingRate(
        symbol, d.ts, _number(d.fundingRate), int(d.fundingTime) if d.fundingTime else None,
        interest_rate=_number(d.interestRate) or 0.0, next_funding_rate=_number(d.nextFundingRate),
        next_funding_timestamp_ms=int(d.nextFundingTime) if d.nextFundingTime else None,
        interval=interval, raw=raw,
    )  # fmt: skip


def _ticker(symbol: str, market_id: str, d: _Ticker, raw: msgspec.Raw) -> ws.Event:
    volume, in_currency, spot = _number(d.vol24h), _number(d.volCcy24h), _is_spot(market_id)
    return ws.Ticker(  # 5.2: a price of "0" is none
        symbol, d.ts, _number(d.last) or None, _number(d.bidPx) or None, _number(d.bidSz),
        _number(d.askPx) or None, _number(d.askSz), _number(d.open24h) or None,
        _number(d.high24h) or None, _number(d.low24h) or None,
        base_volume=volume if spot else in_currency, quote_volume=in_currency if spot else None,
        index_price=_number(d.idxPx), raw=raw,
    )  # fmt: skip


def _quote(symbol: str, market_id: str, d: _Ticker, raw: msgspec.Raw) -> ws.Event:
    bid, ask = _number(d.bidPx) or None, _number(d.askPx) or None
    return ws.BidAsk(symbol, d.ts, bid, _number(d.bidSz), ask, _number(d.askSz), raw=raw)


def _best(symbol: str, market_id: str, d: _Book, raw: msgspec.Raw) -> ws.Event:
    bid, bid_volume = _first(d.bids)
    ask, ask_volume = _first(d.asks)
    # Its number may fall (6.3), so that the time alone says which row is newer.
    return ws.BidAsk(symbol, d.ts, bid, bid_volume, ask, ask_volume, raw=raw)


def _first(side: list[_Level]) -> tuple[float | None, float | None]:
    return (side[0].price, side[0].amount) if side else (None, None)


def _whole(symbol: str, market_id: str, d: _Book, raw: msgspec.Raw) -> ws.Event:
    return ws.BookUpdate(symbol, "whole", _levels(d.bids), _levels(d.asks), d.ts, d.seqId)


def _levels(side: list[_Level]) -> list[ws.Level]:
    return [(level.price, level.amount) for level in side]


def _candle(timeframe: str) -> Build:
    def build(symbol: str, market_id: str, d: _Bar, raw: msgspec.Raw) -> ws.Event:
        volume = d.vol if _is_spot(market_id) else d.volCcy
        closed = d.confirm == "1" if d.confirm else None
        return ws.Candle(
            symbol, timeframe, d.ts, d.open, d.high, d.low, d.close, volume, closed, raw=raw
        )  # fmt: skip

    return build


def _books(symbol: str, head: _Head) -> list[ws.Event]:
    """Read a book that begins in the stream, and its updates (6.2, 6.3)."""
    events: list[ws.Event] = []
    kind = _ACTIONS.get(head.action)
    if kind is None:
        raise ValueError(f"a book with the action {head.action!r}")
    for row in head.data:
        d = _read_book(row)
        before = d.prevSeqId if kind == "delta" else None
        update = ws.BookUpdate(
            symbol, kind, _levels(d.bids), _levels(d.asks), d.ts, d.seqId, before
        )  # fmt: skip
        if d.checksum:  # 6.6: 0 is none
            texts = _read_texts(row)
            update.checksum = d.checksum
            update.texts = (
                [(level[0], level[1]) for level in texts.bids],
                [(level[0], level[1]) for level in texts.asks],
            )
        events.append(update)
    return events


def _liquidations(arg: _Arg, head: _Head, markets: ws.Markets) -> ws.Batch:
    """Read liquidations of many markets, each with several orders (5.6)."""
    topic = f"liquidation-orders:{arg.instType}"
    events: list[ws.Event] = []
    bad: list[ws.BadRow] = []
    skipped = 0
    for raw in head.data:
        row = _read_liquidated(raw)
        batch = ws.by_row(topic, row.details, _liquidation(markets(row.instId), raw))
        events += batch.events
        bad += batch.bad
        skipped += batch.skipped
    return ws.Batch(topic, events, skipped, bad)


def _liquidation(symbol: str | None, raw: msgspec.Raw) -> Callable[[msgspec.Raw], ws.Event | None]:
    def parse(detail: msgspec.Raw) -> ws.Event | None:
        if symbol is None:
            return None
        d = _read_detail(detail)
        return ws.Liquidation(symbol, d.ts, d.bkPx, d.sz, d.side, raw=raw)

    return parse


Build: TypeAlias = Callable[[str, str, Any, msgspec.Raw], ws.Event]
_ACTIONS: dict[str, Literal["snapshot", "delta"]] = {"snapshot": "snapshot", "update": "delta"}
_trade_rows = (ws.reader(_Trade), _trade, None)
_ticker_rows = (ws.reader(_Ticker), _ticker, _quote)
_read_bar = ws.reader(_Bar)
_CHANNELS: dict[str, tuple[Callable[[msgspec.Raw], Any], Build, Build | None]] = {
    "trades": _trade_rows, "trades-all": _trade_rows,
    "tickers": _ticker_rows, "index-tickers": _ticker_rows,
    "bbo-tbt": (_read_book, _best, _whole), "books5": (_read_book, _whole, None),
    "mark-price": (ws.reader(_Mark), _mark, None),
    "funding-rate": (ws.reader(_Funding), _funding, None),
    "open-interest": (ws.reader(_Interest), _interest, None),
}  # fmt: skip
for _name, _bar in (_BARS | _LONG_BARS).items():
    _CHANNELS[f"candle{_bar}"] = _CHANNELS[f"candle{_bar}utc"] = (_read_bar, _candle(_name), None)

_PONG, _BEAT = ws.Pong(), ws.Beat(b"pong")
_NO_SUCH = re.compile(r"channel:([^, ]+),inst(?:Id|Type|Family):([^ ]+) doesn't exist")  # 4
_TRANSIENT = {"60014": 10.0, "63999": 1.0, "64007": 1.0}
"""9: errors that are no fault of the topics, and how many seconds to wait after them."""


class Okx(ws.Adapter):
    """OKX, www.okx.com."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the channel of a subscription (5, 6.1)."""
        market, kind = sub.market, sub.kind
        if kind is ws.Kind.LIQUIDATIONS:
            type_ = {"spot": "MARGIN", "swap": "SWAP", "future": "FUTURES"}.get(sub.market_type)
            return (ws.Route("public", f"liquidation-orders:{type_}"),) if type_ else ()
        if market is None:
            return ()
        if kind is ws.Kind.TRADES:
            name = sub.channel["channel"]
            endpoint = "business" if name == "trades-all" else "public"  # 1
            recent = ws.Rest("publicGetMarketTrades", {"instId": market.id, "limit": 500}, 0.2)
            return (
                ws.Route(
                    endpoint, f"{name}:{market.id}", history=ws.History(recent, 500),
                    contiguous_ids=True, counted_ids=name == "trades",
                ),
            )  # fmt: skip
        if kind is ws.Kind.BOOK:
            return (_book_route(sub, market.id),)
        if kind is ws.Kind.OHLCV:
            hong_kong = sub.channel["timezone"] == "HK" and sub.timeframe in _LONG_BARS
            bar = _LONG_BARS[sub.timeframe] if hong_kong else VENUE.timeframes[sub.timeframe]
            return (ws.Route("business", f"candle{bar}:{market.id}"),)
        if kind in (ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST):
            if not _has(kind, market):
                return ()
            name = "funding-rate" if kind is ws.Kind.FUNDING_RATE else "open-interest"
            return (ws.Route("public", f"{name}:{market.id}"),)
        name = sub.channel["channel"]
        if name == "index-tickers" and market.type != "spot":
            return ()  # 5.5
        return (ws.Route("public", f"{name}:{market.id}"),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a subscribe or unsubscribe (4)."""
        args = [_arg(topic) for topic in topics]
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
        if head.event:
            return _control(head)
        arg = head.arg
        if arg is None or not head.data:
            raise ValueError("neither data, an answer nor an error")
        channel, market_id = arg.channel, arg.instId
        if channel == "liquidation-orders":
            return (_liquidations(arg, head, markets),)
        topic = f"{channel}:{market_id}"
        symbol = markets(market_id)
        if channel in _DEEP_BOOKS:
            events = [] if symbol is None else _books(symbol, head)
            return (ws.Batch(topic, events, int(symbol is None)),)
        known = _CHANNELS.get(channel)
        if known is None:
            raise ValueError(f"data of a channel that is never asked for: {channel!r}")
        read, first, second = known
        if symbol is None:
            return (ws.Batch(topic, (), len(head.data)),)
        if len(head.data) == 1:  # nearly every frame, hence without detours
            (row,) = head.data
            payload = read(row)
            event = first(symbol, market_id, payload, row)
            if second is None:
                return (ws.Batch(topic, (event,)),)
            return (ws.Batch(topic, (event, second(symbol, market_id, payload, row))),)
        batch = ws.by_row(
            topic, head.data, lambda row: first(symbol, market_id, read(row), row)
        )  # fmt: skip
        if second is not None:
            more = ws.by_row(
                topic, head.data, lambda row: second(symbol, market_id, read(row), row)
            )  # fmt: skip
            batch.events = [*batch.events, *more.events]
        return (batch,)

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read /api/v5/market/trades, newest first: single matches, with the stream's ids (5.1)."""
        return [
            _trade(market.symbol, market.id, msgspec.convert(row, _Trade, strict=False), row)
            for row in reversed(body["data"])
        ]

    def checksum(self, bids: Sequence[ws.TextLevel], asks: Sequence[ws.TextLevel]) -> int:
        """Compute CRC32, signed, over the best 25 levels of both sides in turn (6.6)."""
        pairs = zip_longest(bids[:25], asks[:25], fillvalue=())
        text = ":".join(part for bid, ask in pairs for part in (*bid, *ask))
        value = zlib.crc32(text.encode())
        return value - 2**32 if value >= 2**31 else value


def _book_route(sub: ws.Sub, market_id: str) -> ws.Route:
    """Choose the channel of a book by switch and limit, as ccxt does (6.1)."""
    name = sub.channel["depth"]
    if sub.depth == 1:
        name = "bbo-tbt"
    elif 1 < sub.depth <= 5:
        name = "books5"
    elif sub.depth == 400:
        name = "books"
    if name in _WHOLE_BOOKS:
        return ws.Route("public", f"{name}:{market_id}")
    # 4: `books-l2-tbt` and the others of the same market refuse to share a connection.
    return ws.Route(
        "public", f"{name}:{market_id}", group=_DEEP, apart=market_id, chained=True
    )  # fmt: skip


def _has(kind: ws.Kind, market: ws.Market) -> bool:
    """Say whether a market has open interest, or pays funding: swaps, and "X-Perp" futures."""
    if kind is ws.Kind.OPEN_INTEREST:
        return market.type in ("swap", "future")
    return market.type == "swap" or market.info.get("ruleType") == "xperp"


def _arg(topic: str) -> dict[str, str]:
    channel, _, id_ = topic.partition(":")
    key = "instType" if channel == "liquidation-orders" else "instId"
    return {"channel": channel, key: id_}


def _control(head: _Head) -> Sequence[ws.Inbound]:
    """Read what is not data: acknowledgements, errors, notices (4, 9)."""
    event = head.event
    if event in ("subscribe", "unsubscribe") and head.arg is not None:
        arg = head.arg
        return (ws.Ack(f"{arg.channel}:{arg.instId or arg.instType}"),)
    text = f"{head.msg} (code {head.code})"
    if event == "error":
        if head.code in _TRANSIENT:
            wait_s = _TRANSIENT[head.code]
            return (ws.Refused(text, head.id, retry=True, retry_after_s=wait_s),)
        named = _NO_SUCH.search(head.msg)
        if named is not None:  # the others of the same request are served
            return (ws.Refused(text, topics=(f"{named[1]}:{named[2]}",)),)
        return (ws.Refused(text, head.id),)
    if event == "notice":
        return (ws.Closing(text),) if head.code == "64008" else ()
    if event in ("login", "channel-conn-count", "channel-conn-count-error"):
        return ()  # 2, 7: these concern accounts
    raise ValueError(f"an event that the sheet does not know: {event!r}")


class MyOkx(Okx):
    """OKX for the European Economic Area: spot, as ccxt has it."""

    venue = VENUE.model_copy(
        update={
            "id": "myokx", "ccxt_id": "myokx", "name": "MyOKX (EEA)",
            "endpoints": _endpoints("wseea.okx.com", "wseeapap.okx.com"),
            "kinds": frozenset(ws.Kind)
            - {ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST, ws.Kind.LIQUIDATIONS},
            "all_markets": frozenset(),
            "market_types": ("spot",), "rest_options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )  # fmt: skip


class OkxUs(Okx):
    """OKX for the United States and Australia: spot and swaps, as ccxt has it."""

    venue = VENUE.model_copy(
        update={
            "id": "okxus", "ccxt_id": "okxus", "name": "OKX (US)",
            "endpoints": _endpoints("wsus.okx.com", "wsuspap.okx.com"),
            "market_types": ("spot", "swap"),
            "rest_options": {"fetchMarkets": {"types": ["spot", "swap"]}},
        }
    )  # fmt: skip
