"""Bybit v5: spot, linear (USDT and USDC) and inverse market data.

Source: the sheet `venues/bybit.md` (November 2026), section numbers beside each fact; behind it
https://bybit-exchange.github.io/docs/v5/ws/connect and the pages below it.

What is peculiar here:

* Spot, linear and inverse are three addresses whose topics and market ids are the same words
  ("publicTrade.BTCUSDT"); nothing in a frame says which one it is (1).
* The client pings by message each 20 s; the pong comes in two shapes (3).
* Answers are one a request, by `req_id` (4). One bad topic sinks its whole request, as others have
  measured in 2026; the text names it, as "topic:X" on contracts and "Invalid symbol :[X]" on spot.
  "already subscribed" sinks the request too, although that topic is fine: the others are asked for
  again.
* Books start with a snapshot in the stream and count `u` by one for each depth apart (6.1). A
  snapshot at any time replaces the book; a delta with `u` 1 tells of a restart without one. Depth
  1 is nothing but snapshots, repeated each 3 s. Levels that leave the window are not told apart
  from levels that end, so a book never holds more than its depth.
* Tickers of contracts are patches that also carry mark price, index price, funding and open
  interest; spot's are whole, and without bid and ask (5.2).
* Amounts of inverse contracts are US dollars; "volume" is dollars there, "turnover" coins (5.7).
* Ids of trades are UUIDs on contracts: loss is not seen in them. REST knows the newest 1000 trades
  (60 on spot), newest first; its `execId` is taken for the stream's `i`, which nobody documents.

Deliberate differences from ccxt 4.5.90:

* The book's `nonce` is `u`; ccxt leaves None, and checks no sequence at all (6.1, 10).
* Any `limit` of a book is served from the next larger channel; ccxt refuses all but 1, 50, 200
  and 1000. Books of several depths and the best bid and ask do not disturb each other (10).
* Volumes of inverse tickers: base is coins, quote is dollars; ccxt has them the other way round
  (5.2), though not in its candles (5.4).
* The side of a liquidation is that of the order that closed the position; ccxt gives the side of
  the position itself, and leaves the contract's size and the values empty (5.5).
* Markets of several types in one call each go to their own address; ccxt sends all of them to the
  address of the first (10).
* Mark price, funding rate and open interest can be watched; ccxt has no such methods here. Open
  interest counts both sides of the market, as ccxt's REST does (5.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from unified_ws import adapter as ws

_INTERVALS = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120",
    "4h": "240", "6h": "360", "12h": "720", "1d": "D", "1w": "W", "1M": "M",
}  # 5.4  # fmt: skip
_TIMEFRAMES = {interval: name for name, interval in _INTERVALS.items()}
_DEPTHS = (1, 50, 200, 1000)  # 6; 500 was one of them until September 2025
_USUAL_DEPTH = 50  # ccxt's
_SERVES = {
    "spot": {"spot": True},
    "linear": {"linear": True, "option": False},
    "inverse": {"inverse": True, "option": False},
}
_SPOT_KINDS = frozenset({
    ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER, ws.Kind.BIDS_ASKS, ws.Kind.OHLCV,
})  # fmt: skip
_CONTRACT_KINDS = frozenset({
    ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.LIQUIDATIONS, ws.Kind.OPEN_INTEREST,
})  # fmt: skip


def _endpoints(hostname: str, *names: str) -> dict[str, ws.Endpoint]:
    """Declare the public addresses of one of the venue's hosts (1)."""
    return {
        name: ws.Endpoint(
            live=f"wss://stream.{hostname}/v5/public/{name}",
            testnet=f"wss://stream-testnet.{hostname}/v5/public/{name}",
            demo=f"wss://stream.{hostname}/v5/public/{name}",  # demo trades on the real data
            serves=_SERVES[name],
            heartbeat=ws.Heartbeat(by="message", every_s=20, timeout_s=10, silence_s=45),  # 3
            limits=ws.Limits(  # 2; the rate of requests is undocumented: what careful clients send
                topics_per_request=10 if name == "spot" else None,
                topic_bytes_per_connection=21_000, connections=1000,
                requests=ws.Window(n=10, per_s=1), dials=ws.Window(n=500, per_s=300),
            ),
        )
        for name in names
    }  # fmt: skip


VENUE = ws.Venue(
    id="bybit",
    ccxt_id="bybit",
    name="Bybit",
    evidence="sheet of November 2026; recordings of 2024 and August 2026; not yet seen live",
    endpoints=_endpoints("bybit.com", *_SERVES),
    kinds=_SPOT_KINDS | _CONTRACT_KINDS,
    timeframes=_INTERVALS,
    switches={
        # The channel of a book is chosen by `limit`; this names one outright. 500 is what the
        # venue had until 2025 and its archives still hold (1, 6).
        ws.Kind.BOOK: {"depth": ws.Switch(
            values=("", "1", "50", "200", "500", "1000"), default="",
        )},
        ws.Kind.TICKER: {"name": ws.Switch(values=("tickers",), default="tickers")},
        ws.Kind.LIQUIDATIONS: {"method": ws.Switch(
            values=("allLiquidation",), default="allLiquidation",  # 1: the other one is gone
        )},
    },
    market_types=("swap", "spot", "future"),
    rest={"": ws.RestHost(budget=ws.Window(n=600, per_s=5), per_ccxt_cost=0.2)},  # 2
    rest_methods=("publicGetV5MarketRecentTrade",),
    rest_options={"fetchMarkets": {"types": ["spot", "linear", "inverse"]}},
    closes={403: ws.CloseRule(floor_s=600), 404: ws.CloseRule(final=True)},  # 9
)  # fmt: skip

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Head(msgspec.Struct, gc=False):
    topic: str = ""
    type: str = ""
    ts: int = 0
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool | None = None
    req_id: str = ""
    ret_msg: str = ""


class _Trade(msgspec.Struct, gc=False):  # 5.1
    s: str
    i: Annotated[str, msgspec.Meta(min_length=1)]
    T: int
    p: float
    v: float
    S: Literal["Buy", "Sell"]


class _Book(msgspec.Struct, gc=False):  # 6
    s: str
    b: list[ws.Level]
    a: list[ws.Level]
    u: int


class _Kline(msgspec.Struct, gc=False):  # 5.4
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    confirm: bool


class _Liquidation(msgspec.Struct, gc=False):  # 5.5
    s: str
    T: int
    p: float
    v: float
    S: Literal["Buy", "Sell"]


_read_head = ws.reader(_Head)
_read_rows = ws.reader(list[msgspec.Raw])
_read_trade = ws.reader(_Trade)
_read_book = ws.reader(_Book)
_read_kline = ws.reader(_Kline)
_read_liquidation = ws.reader(_Liquidation)
_read_ticker = ws.reader(dict[str, Any])

# --- mappings: frame -> batch -----------------------------------------------------------------

_SIDES: dict[str, ws.Side] = {"Buy": "buy", "Sell": "sell"}
_CLOSING_SIDES: dict[str, ws.Side] = {"Buy": "sell", "Sell": "buy"}
_TICKER = {  # 5.2
    "lastPrice": "last", "prevPrice24h": "open", "highPrice24h": "high", "lowPrice24h": "low",
    "bid1Price": "bid", "bid1Size": "bid_volume", "ask1Price": "ask", "ask1Size": "ask_volume",
    "volume24h": "base_volume", "turnover24h": "quote_volume", "markPrice": "mark_price",
    "indexPrice": "index_price",
}  # fmt: skip
_NONE: tuple[None, None] = (None, None)
_INVERSE_TICKER = {**_TICKER, "volume24h": "quote_volume", "turnover24h": "base_volume"}


def _trades(head: _Head, at: str, markets: ws.Markets) -> ws.Batch:
    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = _read_trade(row)
        symbol = markets(d.s)
        if symbol is None:
            return None
        return ws.Trade(symbol, d.i, d.T, d.p, d.v, _SIDES[d.S], row)

    return ws.by_row(head.topic, _read_rows(head.data), parse)


def _book(head: _Head, at: str, markets: ws.Markets) -> ws.Batch:
    d = _read_book(head.data)
    symbol = markets(d.s)
    if symbol is None:
        return ws.Batch(head.topic, (), 1)
    match head.type:
        case "delta" if d.u == 1:  # 6.1: they began anew, and this is not all there is
            update = ws.BookUpdate(symbol, "broken", [], [], head.ts, d.u)
        case "delta":
            update = ws.BookUpdate(symbol, "delta", d.b, d.a, head.ts, d.u, d.u - 1)
        case "snapshot" if head.topic.startswith("orderbook.1."):
            update = ws.BookUpdate(symbol, "whole", d.b, d.a, head.ts, d.u)
            (bid, held), (ask, offered) = d.b[0] if d.b else _NONE, d.a[0] if d.a else _NONE
            # Without `u` for its number: that begins at 1 again when they restart.
            best = ws.BidAsk(symbol, head.ts, bid, held, ask, offered, raw=head.data)
            return ws.Batch(head.topic, (update, best))
        case "snapshot":
            update = ws.BookUpdate(symbol, "snapshot", d.b, d.a, head.ts, d.u)
        case unknown:
            raise ValueError(f"{unknown!r} is neither a snapshot nor a delta")
    return ws.Batch(head.topic, (update,))


def _tickers(head: _Head, at: str, markets: ws.Markets) -> ws.Batch:
    d = _read_ticker(head.data)
    symbol = markets(d["symbol"])
    if symbol is None:
        return ws.Batch(head.topic, (), 1)
    if head.type not in ("snapshot", "delta"):
        raise ValueError(f"{head.type!r} is neither a snapshot nor a delta")
    ts, raw, partial = head.ts, head.data, head.type == "delta"
    names = _INVERSE_TICKER if at == "inverse" else _TICKER
    # "" means none, as an absent field does: dated futures have no funding rate.
    n: dict[str, Any] = {names[k]: float(v) for k, v in d.items() if k in names and v != ""}
    percentage = _number(d, "price24hPcnt", "e2")  # a fraction; its decimal point is moved exactly
    events: list[ws.Event] = [
        ws.Ticker(symbol, ts, percentage=percentage, partial=partial, raw=raw, **n)
    ]
    mark, index = n.get("mark_price"), n.get("index_price")
    prices = mark is not None or index is not None
    if prices:
        events.append(ws.MarkPrice(symbol, ts, mark, index, partial, raw))
    if prices or d.get("fundingRate") or d.get("nextFundingTime") or d.get("fundingIntervalHour"):
        due, hours = d.get("nextFundingTime"), d.get("fundingIntervalHour")
        events.append(
            ws.FundingRate(
                symbol, ts, _number(d, "fundingRate"), int(due) if due else None, mark, index,
                interval=f"{hours}h" if hours else None, partial=partial, raw=raw,
            )
        )  # fmt: skip
    held, worth = _number(d, "openInterest"), _number(d, "openInterestValue")
    if held is not None or worth is not None:
        # 5.2, 5.7: a contract is one coin (linear) or one dollar (inverse), the other unit is its
        # "value".
        value, base = (held, worth) if at == "inverse" else (worth, held)
        events.append(ws.OpenInterest(symbol, ts, held, value, base, partial, raw))
    return ws.Batch(head.topic, events)


def _number(d: dict[str, Any], key: str, exponent: str = "") -> float | None:
    text = d.get(key, "")
    return None if text == "" else float(f"{text}{exponent}")


def _candles(head: _Head, at: str, markets: ws.Markets) -> ws.Batch:
    _, interval, market_id = head.topic.split(".", 2)
    timeframe, symbol = _TIMEFRAMES[interval], markets(market_id)
    inverse = at == "inverse"

    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = _read_kline(row)
        if symbol is None:
            return None
        volume = d.turnover if inverse else d.volume
        # The version of a candle is when it was sent: its own time is that of its last trade,
        # which does not move when it closes.
        return ws.Candle(
            symbol, timeframe, d.start, d.open, d.high, d.low, d.close, volume, d.confirm,
            head.ts, raw=row,
        )  # fmt: skip

    return ws.by_row(head.topic, _read_rows(head.data), parse)


def _liquidations(head: _Head, at: str, markets: ws.Markets) -> ws.Batch:
    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = _read_liquidation(row)
        symbol = markets(d.s)
        if symbol is None:
            return None
        return ws.Liquidation(symbol, d.T, d.p, d.v, _CLOSING_SIDES[d.S], raw=row)

    return ws.by_row(head.topic, _read_rows(head.data), parse)


_CHANNELS: dict[str, Callable[[_Head, str, ws.Markets], ws.Batch]] = {
    "publicTrade": _trades, "orderbook": _book, "tickers": _tickers, "kline": _candles,
    "allLiquidation": _liquidations,
}  # fmt: skip
_CULPRIT = re.compile(r"topic:\s*([^\s,\]]+)|\[([^\s,\]]+)\]", re.IGNORECASE)  # 4


class Bybit(ws.Adapter):
    """Bybit."""

    venue = VENUE

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the topic of a subscription (5, 6)."""
        market = sub.market
        if market is None:
            return ()  # 5.2: nothing comes for all markets at once
        if market.type == "spot" and sub.kind in _CONTRACT_KINDS:
            return ()
        endpoint = "spot" if market.type == "spot" else "inverse" if market.inverse else "linear"
        match sub.kind:
            case ws.Kind.TRADES:
                page = 60 if endpoint == "spot" else 1000
                asked = {"category": endpoint, "symbol": market.id, "limit": page}
                history = ws.History(ws.Rest("publicGetV5MarketRecentTrade", asked), page)
                return (ws.Route(endpoint, f"publicTrade.{market.id}", history=history),)
            case ws.Kind.BOOK:
                depth = int(sub.channel.get("depth") or _next_depth(sub.depth or _USUAL_DEPTH))
                keeps = depth if depth > 1 else None
                return (ws.Route(endpoint, f"orderbook.{depth}.{market.id}", keeps=keeps),)
            case ws.Kind.BIDS_ASKS:
                return (ws.Route(endpoint, f"orderbook.1.{market.id}"),)
            case ws.Kind.OHLCV:
                interval = _INTERVALS[sub.timeframe]
                return (ws.Route(endpoint, f"kline.{interval}.{market.id}"),)
            case ws.Kind.LIQUIDATIONS:
                return (ws.Route(endpoint, f"allLiquidation.{market.id}"),)
            case ws.Kind.FUNDING_RATE if market.type != "swap":
                return ()
        return (ws.Route(endpoint, f"tickers.{market.id}"),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a subscribe or unsubscribe (4)."""
        return msgspec.json.encode({"req_id": call.id, "op": op, "args": topics})

    def ping(self, call: ws.Call) -> bytes:
        """Build the ping (3)."""
        return msgspec.json.encode({"req_id": call.id, "op": "ping"})

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        head = _read_head(frame)
        if head.topic:
            read = _CHANNELS.get(head.topic.partition(".")[0])
            if read is None:
                raise ValueError(f"no subscription of ours leads to {head.topic!r}")
            return (read(head, at, markets),)
        if head.op == "pong" or (head.op == "ping" and head.ret_msg == "pong"):  # 3
            return (ws.Pong(head.req_id),)
        if head.success and head.op in ("subscribe", "unsubscribe"):
            return (ws.Ack(head.req_id),)
        if head.success is False and head.op != "auth":
            return _refusal(head)
        raise ValueError("neither data, a pong nor an answer to a request of ours")

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read /v5/market/recent-trade, which answers newest first."""
        trades = [_past(row, market) for row in reversed(body["result"]["list"])]
        return sorted(trades, key=lambda trade: trade.timestamp_ms)


def _next_depth(wanted: int) -> int:
    """Return the depth of the smallest channel that shows so many levels, or of the largest."""
    return next((depth for depth in _DEPTHS if depth >= wanted), _DEPTHS[-1])


def _refusal(head: _Head) -> Sequence[ws.Inbound]:
    """Read a refusal (4): whom it blames, and whether it is one at all."""
    culprits = tuple(a or b for a, b in _CULPRIT.findall(head.ret_msg))
    if "already subscribed" in head.ret_msg and culprits:
        # That topic is as it should be. The others of the request have not been taken.
        return (*map(ws.Ack, culprits), ws.Refused(head.ret_msg, head.req_id, retry=True))
    return (ws.Refused(head.ret_msg or "refused without a word", head.req_id, culprits),)


def _past(row: dict[str, Any], market: ws.Market) -> ws.Trade:
    """Read one row of REST; its `info` gets the stream's names beside its own."""
    ms, side = int(row["time"]), row["side"]
    info = {
        **row, "T": ms, "s": row["symbol"], "S": side, "v": row["size"], "p": row["price"],
        "i": row["execId"], "BT": row["isBlockTrade"],
    }  # fmt: skip
    return ws.Trade(
        market.symbol, row["execId"], ms, float(row["price"]), float(row["size"]), _SIDES[side],
        info,
    )  # fmt: skip


class BybitEu(Bybit):
    """Bybit for accounts of the European Union, which trade spot only (1)."""

    venue = VENUE.model_copy(update={
        "id": "bybiteu", "ccxt_id": "bybiteu", "name": "Bybit EU",
        "endpoints": _endpoints("bybit.eu", "spot"), "kinds": _SPOT_KINDS,
        "switches": {kind: VENUE.switches[kind] for kind in (ws.Kind.BOOK, ws.Kind.TICKER)},
        "market_types": ("spot",), "rest_options": {"fetchMarkets": {"types": ["spot"]}},
        "evidence": "sheet of November 2026 and ccxt's address; not yet seen live",
    })  # fmt: skip


class BybitId(Bybit):
    """Bybit for accounts in Indonesia (1)."""

    venue = VENUE.model_copy(update={
        "id": "bybitid", "ccxt_id": "bybitid", "name": "Bybit Indonesia",
        "endpoints": _endpoints("bybit.id", *_SERVES),
        "evidence": "sheet of November 2026 and ccxt's address; not yet seen live",
    })  # fmt: skip
