"""Coinbase Advanced Trade: spot, US futures and perpetuals, market data.

Source: the sheet `venues/coinbase.md` (November 2026), section numbers beside each fact; behind it
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis. This is not the Exchange feed
(ws-feed.exchange.coinbase.com, ccxt's `coinbaseexchange`) and not International: their frames are
refused.

What is peculiar here:

* `sequence_num` counts every frame of a connection, whatever its channel; only errors have none
  (6.3). It is the one proof that nothing was lost: books and trades carry nothing of their own,
  since trade ids may jump (5.1).
* A channel without news is closed after a minute or so, and so is a connection that asks for
  nothing in its first 5 s. The `heartbeats` channel, a frame a second, prevents both (2, 3).
* A request names one channel and has no id. The answer is all that the connection holds now; an
  unknown product is missing from it, an unknown channel is an "authentication failure" (4).
  The first data may come before the answer (4.1).
* `side` of a trade is that of the maker, so the taker did the opposite (5.1). In the recording of
  2026-08-09 every sell was at the best ask, every buy at the best bid.
* BTC-USDC is another name of BTC-USD: one book, and frames that say BTC-USD. The `alias` of the
  product decides, since USDT-USDC has a book of its own (5.7).
* 30 products of level2 a connection (2), and the first state of one has some megabytes.
* Candles come as 5 minutes only, never marked as closed (5.4). Funding, index price and open
  interest are told by REST alone; there is no mark price and there are no liquidations (5.8).
* Best bid and ask are taken from level2: `ticker` carries them too, yet told 75 of 120 changes of
  the recording (5.5).

Deliberate differences from ccxt 4.5.90:

* `side` is the taker's; ccxt passes the maker's on as if it were (10).
* BTC/USDC has rows of its own symbol; ccxt hands out those of BTC/USD (10).
* `datetime` is made of `timestamp`; ccxt keeps the venue's text with its nanoseconds. `average` of
  a ticker is rounded to the tick, as ccxt does for other venues.
* Trades of several products in a frame are told apart; ccxt takes the first one's for all (5.1).
* A book is handed out only while no frame of its connection was missed (10).
* `watch_ohlcv`, `watch_bids_asks`, `watch_funding_rate` and open interest exist.
* `watch_tickers()` wants symbols: ccxt asks for each of the 900 markets, since no topic has all.
* No keys are ever sent: all of this is public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from unified_ws import adapter as ws

_TRADES = "v3PublicGetBrokerageMarketProductsProductIdTicker"
_PRODUCT = "v3PublicGetBrokerageMarketProductsProductId"

VENUE = ws.Venue(
    id="coinbase",
    ccxt_id="coinbase",
    name="Coinbase Advanced",
    evidence="sheet of November 2026; recording of 2026-08-09; not yet seen live",
    endpoints={
        "market": ws.Endpoint(
            live="wss://advanced-trade-ws.coinbase.com",  # 1; there is no testnet for sockets
            standing=("heartbeats",),  # 3
            in_flight="one",  # 4.1
            # 3: the heartbeats channel; pings of ours are answered, a dead wire shows in 15 s
            heartbeat=ws.Heartbeat(by="server", every_s=1, silence_s=15, idle_ping_s=5),
            # 2: 8 messages a second of one address, here with room for late ones; 8 dials, of which
            # each needs two messages. Names a request: 100 and more have been seen to work
            limits=ws.Limits(
                topics_per_request=100, topics_per_group={"level2": 30},
                all_messages=ws.Window(n=8, per_s=1.25), dials=ws.Window(n=4, per_s=1),
                frame_bytes=100 * 2**20,
            ),
        ),
    },
    kinds=frozenset({
        ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER, ws.Kind.BIDS_ASKS, ws.Kind.OHLCV,
        ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST,
    }),
    timeframes={"5m": "FIVE_MINUTE"},  # 5.4
    derives={ws.Kind.OHLCV: ws.Kind.TRADES, ws.Kind.BIDS_ASKS: ws.Kind.BOOK},  # 5.4, 5.5
    switches={
        ws.Kind.TICKER: {"name": ws.Switch(  # 5.3: each change, or every 5 s
            values=("ticker", "ticker_batch"), default="ticker",
            defaults={"watchTickers": "ticker_batch"}, aliases=("channel",),
        )},
    },
    market_types=("spot", "swap", "future"),
    rest={  # 2: 10 public requests a second; ccxt asks the older API for currencies, 10 000 an hour
        "": ws.RestHost(budget=ws.Window(n=10, per_s=1), per_ccxt_cost=1 / 3),
        "v2": ws.RestHost(
            budget=ws.Window(n=10_000, per_s=3600), apis=("v2",), per_ccxt_cost=1 / 10.6
        ),
    },
    rest_methods=(_TRADES, _PRODUCT),
    backoff=ws.Backoff(base_s=0.25),  # 9
)  # fmt: skip

_HISTORY = 1000
_POLL_S = 30.0
_BEAT = "heartbeats"
_CHANNELS = {
    ws.Kind.TRADES: "market_trades", ws.Kind.BOOK: "level2", ws.Kind.BIDS_ASKS: "level2",
    ws.Kind.OHLCV: "candles",
}  # fmt: skip
_TOLD = ("open_interest", "funding_rate", "funding_time")  # 5.8
_SILENT = frozenset({"user", "futures_balance_summary", "status"})  # 5.6, 7: not asked for here

# --- the wire: only the fields we use, under the venue's own names ------------------------


class _Head(msgspec.Struct, gc=False):  # 5, 4.2
    channel: str = ""
    timestamp: str = ""
    sequence_num: int | None = None
    events: msgspec.Raw = msgspec.Raw()
    type: str = ""
    message: str = ""


class _Subscriptions(msgspec.Struct):  # 4.1
    subscriptions: dict[str, list[str]]


class _Change(msgspec.Struct, gc=False):  # 5.2
    side: Literal["bid", "offer"]
    price_level: float
    new_quantity: float


class _Level2(msgspec.Struct, gc=False):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[_Change] | None = None


class _Rows(msgspec.Struct, gc=False):  # 5.1, 5.3, 5.4: one of the three
    trades: list[msgspec.Raw] | None = None
    tickers: list[msgspec.Raw] | None = None
    candles: list[msgspec.Raw] | None = None


class _Product(msgspec.Struct, gc=False):
    product_id: str = ""


class _Trade(msgspec.Struct, gc=False):  # 5.1
    product_id: str
    trade_id: str
    price: float
    size: float
    time: str
    side: str


class _Ticker(msgspec.Struct):  # 5.3: any of them may be ""
    product_id: str
    price: str
    volume_24_h: str = ""
    low_24_h: str = ""
    high_24_h: str = ""
    price_percent_chg_24_h: str = ""
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class _Candle(msgspec.Struct, gc=False):  # 5.4
    product_id: str
    start: int
    opened: float = msgspec.field(name="open")
    high: float
    low: float
    close: float
    volume: float


_read_head = ws.reader(_Head)
_read_subscriptions = ws.reader(list[_Subscriptions])
_read_level2 = ws.reader(list[_Level2])
_read_rows = ws.reader(list[_Rows])
_read_product = ws.reader(_Product)
_read_trade = ws.reader(_Trade)
_read_ticker = ws.reader(_Ticker)
_read_candle = ws.reader(_Candle)

# --- mappings: payload -> event ---------------------------------------------------------------


@lru_cache(4096)
def _second(text: str) -> int:
    """Return the Unix second of "2026-04-07T14:30:00"."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError(f"no date: {text}")
    march = (month + 9) % 12  # years that begin in March have their leap day at the end
    year -= march // 10
    days = 365 * year + year // 4 - year // 100 + year // 400 + (306 * march + 5) // 10
    return ((days + day - 719469) * 24 + hour) * 3600 + minute * 60 + second


def _ms(text: str) -> int:
    """Return milliseconds of RFC 3339 in UTC, whose fraction has up to 9 digits (5)."""
    if text[-1:] != "Z":
        raise ValueError(f"not in UTC: {text}")
    return _second(text[:19]) * 1000 + int((text[20:-1] + "000")[:3])


def _number(text: str | None) -> float | None:
    return float(text) if text else None


_TAKER: Mapping[str, ws.Side | None] = {"BUY": "sell", "SELL": "buy", "UNKNOWN_ORDER_SIDE": None}


def _taker(side: str) -> ws.Side | None:
    """Return the taker's side: the venue tells the maker's (5.1)."""
    return _TAKER[side]


def _trade(symbol: str, d: _Trade, ms: int, raw: Any) -> ws.Trade:
    del ms  # when the frame was sent, up to 250 ms after the match
    return ws.Trade(
        symbol, d.trade_id, _ms(d.time), d.price, d.size, _taker(d.side), raw, int(d.trade_id)
    )


def _ticker(symbol: str, d: _Ticker, ms: int, raw: msgspec.Raw) -> ws.Event:
    return ws.Ticker(
        symbol, ms, last=_number(d.price), bid=_number(d.best_bid),
        bid_volume=_number(d.best_bid_quantity), ask=_number(d.best_ask),
        ask_volume=_number(d.best_ask_quantity), high=_number(d.high_24_h),
        low=_number(d.low_24_h), percentage=_number(d.price_percent_chg_24_h),
        base_volume=_number(d.volume_24_h), raw=raw,
    )  # fmt: skip


def _candle(symbol: str, d: _Candle, ms: int, raw: msgspec.Raw) -> ws.Event:
    return ws.Candle(
        symbol, "5m", d.start * 1000, d.opened, d.high, d.low, d.close, d.volume, None, ms, raw=raw
    )


_ROWS: dict[str, tuple[Callable[[msgspec.Raw], Any], Callable[..., ws.Event]]] = {
    "market_trades": (_read_trade, _trade), "ticker": (_read_ticker, _ticker),
    "ticker_batch": (_read_ticker, _ticker), "candles": (_read_candle, _candle),
}  # fmt: skip


def _rows(head: _Head, markets: ws.Markets) -> list[ws.Inbound]:
    """Read a frame of rows, whose products need not be the same."""
    channel, ms = head.channel, _ms(head.timestamp)
    read, build = _ROWS[channel]
    found: list[msgspec.Raw] = []
    for event in _read_rows(head.events):
        # 5.1: the newest trade is the first
        found += event.trades[::-1] if event.trades else event.tickers or event.candles or ()
    one = _read_product(found[0]).product_id if found else ""

    def parse(row: msgspec.Raw) -> ws.Event | None:
        d = read(row)
        symbol = markets(d.product_id)
        return None if symbol is None else build(symbol, d, ms, row)

    batch, own = ws.by_row(f"{channel}:{one}", found, parse), markets(one)
    if own is not None and not batch.skipped and all(row.symbol == own for row in batch.events):
        return [batch]  # nearly all frames tell of one product
    products: dict[str, list[msgspec.Raw]] = {}
    for row in found:
        products.setdefault(_read_product(row).product_id, []).append(row)
    # 5.3: a ticker may be empty, down to the name of its product
    return [ws.by_row(f"{channel}:{name}", rows, parse) for name, rows in products.items() if name]


def _books(head: _Head, markets: ws.Markets) -> list[ws.Inbound]:
    """Read a frame of level2; what it says of one product is one change of its book (6.6)."""
    ms = _ms(head.timestamp)
    found: dict[str, list[ws.BookUpdate]] = {}
    skipped: dict[str, int] = {}
    for event in _read_level2(head.events):
        product = event.product_id
        updates = found.setdefault(product, [])
        symbol = markets(product)
        if symbol is None:
            skipped[product] = skipped.get(product, 0) + 1
            continue
        bids: list[ws.Level] = []
        asks: list[ws.Level] = []
        for change in event.updates or ():
            side = bids if change.side == "bid" else asks
            side.append((change.price_level, change.new_quantity))
        last = updates[-1] if updates else None
        if event.type != "snapshot" and last is not None and last.kind == "delta":
            last.bids, last.asks = [*last.bids, *bids], [*last.asks, *asks]
        else:
            whole = event.type == "snapshot"
            updates.append(
                ws.BookUpdate(symbol, "snapshot" if whole else "delta", bids, asks, ms)
            )
    return [
        ws.Batch(f"level2:{product}", updates, skipped.get(product, 0))
        for product, updates in found.items()
    ]


class Coinbase(ws.Adapter):
    """Coinbase Advanced Trade."""

    venue = VENUE

    def wire_id(self, market: Mapping[str, Any]) -> str:
        """Return the product whose book a market shares (5.7)."""
        return str((market.get("info") or {}).get("alias") or market["id"])

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the channel and product of a subscription (5)."""
        market = sub.market
        if market is None:
            return ()
        product = market.wire_id or market.id
        if sub.kind in (ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST):
            told = ("swap",) if sub.kind is ws.Kind.FUNDING_RATE else ("swap", "future")  # 5.8
            poll = ws.Poll(ws.Rest(_PRODUCT, {"product_id": market.id}), _POLL_S)
            return (ws.Route("market", "", poll=poll),) if market.type in told else ()
        channel = _CHANNELS.get(sub.kind) or sub.channel["name"]
        history = None
        if sub.kind is ws.Kind.TRADES:
            params = {"product_id": product, "limit": _HISTORY}
            history = ws.History(ws.Rest(_TRADES, params), _HISTORY)
        return (ws.Route("market", f"{channel}:{product}", channel, history=history),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a request for products of one channel (4.1); heartbeats have no products."""
        named = [topic.partition(":") for topic in topics]
        request: dict[str, Any] = {"type": op}
        if topics[0] != _BEAT:
            request["product_ids"] = [product for _, _, product in named]
        request["channel"] = named[0][0]
        return msgspec.json.encode(request)

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        head = _read_head(frame)
        if head.type == "error":  # 4.2
            return (ws.Refused(head.message or "an error without a message"),)
        channel = head.channel
        if head.sequence_num is None or not channel:
            raise ValueError("neither a numbered frame of a channel nor an error")
        number = ws.FrameNo(head.sequence_num)
        if channel == "l2_data":
            return (number, *_books(head, markets))
        if channel in _ROWS:
            return (number, *_rows(head, markets))
        if channel == _BEAT:
            return (number, ws.Beat())
        if channel == "subscriptions":
            return (number, _held(head))
        if channel in _SILENT:
            return (number,)
        raise ValueError(f"unknown channel {channel!r}")

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read the newest trades of a product, or what only the product itself tells (5.8)."""
        if route.poll is None:
            return [
                _trade(market.symbol, msgspec.convert(row, _Trade, strict=False), 0, row)
                for row in reversed(body["trades"])
            ]
        future = body["future_product_details"]
        perpetual = future.get("perpetual_details") or {}
        told = {key: future.get(key) or perpetual.get(key) for key in _TOLD}
        found: list[ws.Event] = []
        if told["open_interest"]:
            amount = float(told["open_interest"])
            found.append(ws.OpenInterest(market.symbol, None, amount, raw=body))
        if told["funding_rate"]:
            # Of past or next is not said; in the one answer known it was half an hour ago.
            due, interval = told["funding_time"], future.get("funding_interval")
            found.append(ws.FundingRate(
                market.symbol, None, float(told["funding_rate"]), _ms(due) if due else None,
                index_price=_number(future.get("index_price")),
                interval=_hours(interval) if interval else None, raw=body,
            ))  # fmt: skip
        return found


def _held(head: _Head) -> ws.Held:
    """Read the answer to any request: all that the connection holds (4.1)."""
    return ws.Held(frozenset(
        _BEAT if channel == _BEAT else f"{channel}:{product}"
        for event in _read_subscriptions(head.events)
        for channel, products in event.subscriptions.items()
        for product in products
    ))  # fmt: skip


def _hours(interval: str) -> str:
    """Return ccxt's "1h" of the venue's "3600s"."""
    return f"{int(interval.removesuffix('s')) // 3600}h"
