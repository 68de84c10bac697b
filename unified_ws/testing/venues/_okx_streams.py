"""OKX v5 channels: which there are, and the frames that belong to them.

Section numbers are those of the project's protocol sheet for OKX.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from ..market import (
    AggTrade,
    Event,
    Funding,
    Liquidation,
    Mark,
    MarketModel,
    OpenInterest,
    Quote,
    Row,
    Spec,
    Trade,
    next_open_ms,
)
from ..side import Window
from ._okx_rows import (
    TYPES,
    candle_row,
    funding_row,
    index_row,
    interest_row,
    liquidation_row,
    mark_row,
    market_id,
    plain,
    rows_json,
    ticker_row,
    trade_row,
    type_name,
)

_ZONE_MS = 8 * 3_600_000
_HEARTBEAT_MS = 60_000  # 6.3
_REPLAYED = 5  # liquidations of each market that a new subscriber is told again (5.6)
_SHORT = {"1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m"}
_HOURS = {"1H": "1h", "2H": "2h", "4H": "4h"}
_LONG = {"6H": "6h", "12H": "12h", "1D": "1d", "3D": "3d", "1W": "1w", "1M": "1M"}
BARS: Mapping[str, tuple[str, int]] = {
    **{bar: (timeframe, 0) for bar, timeframe in {**_SHORT, **_HOURS}.items()},
    **{bar: (timeframe, _ZONE_MS) for bar, timeframe in _LONG.items()},
    **{f"{bar}utc": (timeframe, 0) for bar, timeframe in _LONG.items()},
}
"""5.4: timeframe and zone; those of 2 and 5 days and of 3 months are not imitated."""
DEPTHS: Mapping[str, int] = {
    "books": 400,
    "books-rpi": 400,
    "books-l2-tbt": 400,
    "books50-l2-tbt": 50,
    "books5": 5,
    "bbo-tbt": 1,
}
DEEP = frozenset({"books", "books-rpi", "books-l2-tbt", "books50-l2-tbt"})
NEEDS_LOGIN = frozenset({"books-l2-tbt", "books50-l2-tbt"})
_CONTRACTS_ONLY = frozenset({"open-interest"})
_PUBLIC = frozenset({"mark-price", "trades", "tickers", "index-tickers", "funding-rate", *DEPTHS})
_CANDLE = re.compile(r"candle(.+)")


class Channel(msgspec.Struct, frozen=True):
    """A parsed topic: `books:BTC-USDT`, or `liquidation-orders:SWAP` with a market type."""

    topic: str
    name: str
    id: str

    @property
    def arg(self) -> dict[str, str]:
        """The argument of requests and frames."""
        key = "instType" if self.name == "liquidation-orders" else "instId"
        return {"channel": self.name, key: self.id}

    @property
    def bar(self) -> str:
        """The bar of a candle channel, "" of others."""
        found = _CANDLE.fullmatch(self.name)
        return found[1] if found else ""


def parse(topic: str) -> Channel:
    """Split a topic."""
    name, _, id_ = topic.partition(":")
    return Channel(topic, name, id_)


def lives_at(path: str, channel: Channel, specs: Mapping[str, Spec]) -> bool:
    """Tell whether an address has a channel of that market (1, 5)."""
    if channel.name == "liquidation-orders":
        return path == "public" and channel.id in (*TYPES, "MARGIN", "OPTION")
    spec = specs.get(channel.id)
    if spec is None:
        return False
    if path == "business":
        return channel.name == "trades-all" or channel.bar in BARS
    if channel.name in _CONTRACTS_ONLY:
        return not spec.spot
    if channel.name == "funding-rate":
        return spec.type == "swap"
    return channel.name in _PUBLIC


class Encoder:
    """Turns the events of a market tick into payloads of the watched topics."""

    def __init__(self, specs: Iterable[Spec], market: MarketModel) -> None:
        self._market = market
        self._specs = {market_id(spec): spec for spec in specs}
        self._ids = {spec.symbol: id_ for id_, spec in self._specs.items()}
        self._watched: dict[str, dict[str, Channel]] = {}
        self._windows: dict[str, Window] = {}
        self._moved_ms: dict[str, int] = {}

    def watch(self, topic: str) -> None:
        """Encode a topic from now on."""
        channel = parse(topic)
        self._watched.setdefault(channel.name, {})[channel.id] = channel
        if channel.name in DEPTHS and channel.name != "bbo-tbt":
            symbol = self._specs[channel.id].symbol
            self._windows[topic] = Window(self._market, symbol, DEPTHS[channel.name])
            self._moved_ms[topic] = self._market.now_ms

    def unwatch(self, topic: str) -> None:
        """Encode a topic no more."""
        channel = parse(topic)
        self._watched.get(channel.name, {}).pop(channel.id, None)
        self._windows.pop(topic, None)

    def book_of(self, topic: str) -> str | None:
        """Return the symbol whose book a topic's deltas build."""
        channel = parse(topic)
        spec = self._specs.get(channel.id)
        return spec.symbol if spec is not None and channel.name in DEEP else None

    def greet(self, topic: str) -> list[bytes]:
        """Return what a new subscriber is sent at once: the state of things."""
        channel = parse(topic)
        if channel.name == "liquidation-orders":
            return self._replay(channel)
        spec = self._specs[channel.id]
        if channel.name in DEEP:
            window = self._windows[topic]
            return [self._book(channel, "snapshot", window.bids, window.asks, -1, window.last_id)]
        if channel.name in DEPTHS:
            return [self._whole(channel, spec)]
        if channel.bar:
            return self._candles(channel, spec)[-1:]
        if channel.name in ("trades", "trades-all") and not self._market.trades(spec.symbol):
            return []
        return [_frame(channel, self._state(channel, spec))]

    def restarted(self, symbol: str) -> list[tuple[str, bytes]]:
        """Go on with lower numbers, as after maintenance: the chain holds (6.3)."""
        out = []
        for topic, window in self._windows.items():
            channel = parse(topic)
            if window.symbol == symbol and channel.name in DEEP:
                before = window.last_id
                window.last_id = self._market.rows(symbol, 1)[0]
                out.append((topic, self._book(channel, "update", (), (), before, window.last_id)))
        return out

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the payloads of a tick, in the order of its events."""
        out: list[tuple[str, bytes]] = []
        touched: dict[str, None] = {}
        for event in events:
            if isinstance(event, Quote | Trade):
                touched[event.symbol] = None
            self._one(event, out)
        for id_, channel in self._watched.get("tickers", {}).items():
            if self._specs[id_].symbol in touched:
                out.append((channel.topic, _frame(channel, self._state(channel, self._specs[id_]))))
        self._books(out)
        if self._market.now_ms % 1000 == 0:
            self._each_second(out)
        return out

    def _one(self, event: Event, out: list[tuple[str, bytes]]) -> None:
        id_ = self._ids[event.symbol]
        spec = self._specs[id_]
        now_ms = self._market.now_ms

        def send(name: str, row: Callable[[], Mapping[str, object]]) -> None:
            channel = self._watched.get(name, {}).get(id_)
            if channel is not None:
                out.append((channel.topic, _frame(channel, row())))

        match event:
            case Trade():
                send("trades-all", lambda: trade_row(id_, event))
            case AggTrade():
                send("trades", lambda: self._aggregate(id_, event))
            case Quote():
                best = self._watched.get("bbo-tbt", {}).get(id_)
                if best is not None:
                    out.append((best.topic, self._whole(best, spec, event)))
            case Mark():
                send("mark-price", lambda: mark_row(spec, event))
            case Funding() if now_ms % 30_000 == 0:
                send("funding-rate", lambda: funding_row(spec, event))
            case OpenInterest() if now_ms % 3_000 == 0:
                send("open-interest", lambda: interest_row(spec, event, self._market))
            case Liquidation():
                channel = self._watched.get("liquidation-orders", {}).get(type_name(spec))
                if channel is not None:
                    out.append((channel.topic, _frame(channel, liquidation_row(spec, [event]))))

    def _books(self, out: list[tuple[str, bytes]]) -> None:
        now_ms = self._market.now_ms
        for topic, window in self._windows.items():
            before = window.last_id
            delta = window.move()
            channel = parse(topic)
            if delta is not None:
                self._moved_ms[topic] = now_ms
            elif now_ms - self._moved_ms[topic] < _HEARTBEAT_MS:
                continue
            else:
                self._moved_ms[topic] = now_ms  # 6.3: nothing has changed for a minute
            if channel.name not in DEEP:
                out.append((topic, self._whole(channel, self._specs[channel.id])))
                continue
            bids, asks = (delta.bids, delta.asks) if delta else ((), ())
            out.append(
                (topic, self._book(channel, "update", bids, asks, before, window.last_id))
            )

    def _each_second(self, out: list[tuple[str, bytes]]) -> None:
        for name, channels in self._watched.items():
            for id_, channel in channels.items():
                if channel.bar:
                    rows = self._candles(channel, self._specs[id_])
                    out += [(channel.topic, row) for row in rows]
                elif name == "index-tickers":
                    row = index_row(self._specs[id_], self._market)
                    out.append((channel.topic, _frame(channel, row)))
                elif name == "mark-price" and self._specs[id_].spot:  # of the margin market
                    state = self._state(channel, self._specs[id_])
                    out.append((channel.topic, _frame(channel, state)))

    def _candles(self, channel: Channel, spec: Spec) -> list[bytes]:
        """Return the candle that has closed since the last second, and the present one (5.4)."""
        timeframe, zone_ms = BARS[channel.bar]
        now_ms, out = self._market.now_ms, []
        for candle in self._market.candles(spec.symbol, timeframe, zone_ms)[-2:]:
            end_ms = next_open_ms(candle.open_ms, timeframe, zone_ms)
            if end_ms > now_ms - 1000:
                out.append(_frame(channel, candle_row(spec, candle, closed=end_ms <= now_ms)))
        return out

    def _state(self, channel: Channel, spec: Spec) -> Mapping[str, object]:
        market, symbol = self._market, spec.symbol
        match channel.name:
            case "tickers":
                return ticker_row(spec, market)
            case "index-tickers":
                return index_row(spec, market)
            case "mark-price" if spec.spot:
                last = market.last_trade(symbol).price_e8
                return mark_row(spec, Mark(symbol, last, last, market.now_ms))
            case "mark-price":
                return mark_row(spec, market.mark(symbol))
            case "funding-rate":
                return funding_row(spec, market.funding(symbol))
            case "open-interest":
                return interest_row(spec, market.open_interest(symbol), market)
            case "trades":
                return self._aggregate(channel.id, market.agg_trades(symbol)[-1])
            case _:
                return trade_row(channel.id, market.last_trade(symbol))

    def _aggregate(self, id_: str, agg: AggTrade) -> dict[str, object]:
        """Return what one taker order matched at one price (5.1)."""
        return {
            "instId": id_,
            "tradeId": str(agg.last_id),
            "px": plain(agg.price_e8),
            "sz": plain(agg.amount_e8),
            "side": "sell" if agg.buyer_maker else "buy",
            "ts": str(agg.ts_ms),
            "count": str(agg.last_id - agg.first_id + 1),
            "source": "0",
            "seqId": self._market.quote(agg.symbol).id,
        }

    def _replay(self, channel: Channel) -> list[bytes]:
        """Tell past liquidations again, not in the order of time (5.6)."""
        rows = []
        for spec in self._specs.values():
            if channel.id == type_name(spec):
                found = self._market.liquidations(spec.symbol)[-_REPLAYED:]
                rows += [liquidation_row(spec, found[::-1])] if found else []
        return [_frame(channel, *rows)] if rows else []

    def _whole(self, channel: Channel, spec: Spec, quote: Quote | None = None) -> bytes:
        if quote is not None:
            bids = [(quote.bid_e8, quote.bid_amount_e8)]
            asks = [(quote.ask_e8, quote.ask_amount_e8)]
            last_id, ts_ms = quote.id, quote.ts_ms
        else:
            last_id, bids, asks = self._market.rows(spec.symbol, DEPTHS[channel.name])
            ts_ms = self._market.now_ms
        own = f'"instId":"{channel.id}",' if channel.name == "books5" else ""
        return (
            f'{{"arg":{{"channel":"{channel.name}","instId":"{channel.id}"}},"data":[{{'
            f'"asks":[{rows_json(asks)}],"bids":[{rows_json(bids)}],{own}'
            f'"ts":"{ts_ms}","seqId":{last_id}}}]}}'
        ).encode()

    def _book(
        self, channel: Channel, action: str, bids: Iterable[Row], asks: Iterable[Row],
        before: int, last_id: int,
    ) -> bytes:  # fmt: skip
        """Return a first state or an update (6.2): the checksum is dead (1)."""
        return (
            f'{{"arg":{{"channel":"{channel.name}","instId":"{channel.id}"}},'
            f'"action":"{action}","data":[{{"asks":[{rows_json(asks)}],"bids":[{rows_json(bids)}],'
            f'"ts":"{self._market.now_ms}","checksum":0,"prevSeqId":{before},"seqId":{last_id}}}]}}'
        ).encode()


def _frame(channel: Channel, *rows: object) -> bytes:
    return msgspec.json.encode({"arg": channel.arg, "data": rows})
