"""Binance spot streams: names of topics and the frames that belong to them.

Section numbers are those of the project's protocol sheet for Binance.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..market import (
    E8,
    TIMEFRAMES,
    AggTrade,
    Candle,
    Delta,
    Event,
    MarketModel,
    Quote,
    Row,
    Spec,
    Stats,
    Trade,
    merge,
    next_open_ms,
    open_ms,
    text,
)

WINDOWS = {"1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}
_ZONE_MS = 8 * 3_600_000
_SHORT = {"trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "avgPrice"}
_ARRAYS = {"!miniTicker@arr", "!ticker@arr", *(f"!ticker_{window}@arr" for window in WINDOWS)}
_DEPTH = re.compile(r"depth(5|10|20)?(@1000ms|@100ms)?")
_KLINE = re.compile(r"kline_(\w+?)(@\+08:00)?")
_WINDOW = re.compile(r"ticker_(1h|4h|1d)")
_MICRO = "#us"


class Stream(msgspec.Struct, frozen=True):
    """A parsed topic. `unit` multiplies milliseconds: 1000 where microseconds were asked for."""

    topic: str
    market_id: str
    channel: str
    detail: str = ""
    every_ms: int = 0
    offset_ms: int = 0
    unit: int = 1


def keyed(name: str, *, micro: bool) -> str:
    """Return the gateway's topic of a stream name: microseconds make it another topic."""
    return name + _MICRO if micro else name


def stream_name(topic: str) -> str:
    """Return the venue's name of a topic."""
    return topic.removesuffix(_MICRO)


def parse(topic: str) -> Stream | None:
    """Parse a topic; None if the venue would call it an invalid stream (section 4)."""
    name = stream_name(topic)
    unit = 1000 if name != topic else 1
    if name in _ARRAYS:
        # section 5.2: !ticker@arr was retired on 2026-03-26; it is taken and stays silent
        return Stream(topic, "", name, every_ms=1000, unit=unit)
    market, _, channel = name.partition("@")
    if not market or market.startswith("!"):
        return None
    if channel in _SHORT:
        return Stream(topic, market.upper(), channel, every_ms=1000, unit=unit)
    if found := _DEPTH.fullmatch(channel):
        levels, period = found.groups()
        kind = "partial" if levels else "depth"
        every_ms = 100 if period == "@100ms" else 1000
        return Stream(topic, market.upper(), kind, levels or "", every_ms, unit=unit)
    if (found := _KLINE.fullmatch(channel)) and found[1] in TIMEFRAMES:
        every_ms = 1000 if found[1] == "1s" else 2000  # section 5.4
        zone_ms = _ZONE_MS if found[2] else 0
        return Stream(topic, market.upper(), "kline", found[1], every_ms, zone_ms, unit)
    if found := _WINDOW.fullmatch(channel):
        return Stream(topic, market.upper(), "window", found[1], 1000, unit=unit)
    return None


def levels(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return levels as the venue's pairs of texts."""
    return [(text(price), text(amount)) for price, amount in rows]


def levels_json(rows: Iterable[Row]) -> str:
    """Return levels as JSON, without the brackets around them."""
    return ",".join([f'["{text(price)}","{text(amount)}"]' for price, amount in rows])


def percent(change: int, base: int) -> str:
    """Return a change in percent with three decimals, as the venue rounds it."""
    thousandths = round(change * 100_000 / base) if base else 0
    sign = "-" if thousandths < 0 else ""
    return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"


def kline_json(stream: Stream, candle: Candle, now_ms: int, *, closed: bool) -> bytes:
    """Return a kline event (section 5.4)."""
    unit, market_id = stream.unit, stream.market_id
    end_ms = next_open_ms(candle.open_ms, stream.detail, stream.offset_ms)
    kline = {
        "t": candle.open_ms * unit,
        "T": end_ms * unit - 1,
        "s": market_id,
        "i": stream.detail,
        "f": candle.first_id,
        "L": candle.last_id,
        "o": text(candle.open),
        "c": text(candle.close),
        "h": text(candle.high),
        "l": text(candle.low),
        "v": text(candle.volume),
        "n": candle.trades,
        "x": closed,
        "q": text(candle.cost // E8),
        "V": text(candle.taker_volume),
        "Q": text(candle.taker_cost // E8),
        "B": "0",
    }
    event = {"e": "kline", "E": now_ms * unit, "s": market_id, "k": kline}
    return msgspec.json.encode(event)


class Encoder:
    """Turns the events of a market tick into payloads of the watched topics."""

    def __init__(self, specs: Iterable[Spec], market: MarketModel) -> None:
        self._market = market
        self._ids = {spec.symbol: spec.base + spec.quote for spec in specs}
        self._symbols = {market_id: symbol for symbol, market_id in self._ids.items()}
        self._by_channel: dict[str, dict[str, list[Stream]]] = defaultdict(dict)
        self._arrays: dict[str, Stream] = {}
        self._pending: dict[str, list[Delta]] = {}  # topics of deltas slower than a tick
        self._last_trades: dict[str, int] = {}

    def watch(self, topic: str) -> None:
        """Encode a topic from now on; an unknown symbol stays silent (section 4)."""
        stream = parse(topic)
        if stream is None:
            return
        if not stream.market_id:
            self._arrays[topic] = stream
            return
        symbol = self._symbols.get(stream.market_id)
        # section 1.1: names are in lower case; for others nothing is sent
        if symbol is None or not topic.startswith(stream.market_id.lower()):
            return
        self._by_channel[stream.channel].setdefault(symbol, []).append(stream)
        if stream.channel == "depth" and stream.every_ms > 100:
            self._pending[topic] = []

    def unwatch(self, topic: str) -> None:
        """Encode a topic no more."""
        self._arrays.pop(topic, None)
        self._pending.pop(topic, None)
        for by_symbol in self._by_channel.values():
            for streams in by_symbol.values():
                streams[:] = [stream for stream in streams if stream.topic != topic]

    def restarted(self, symbol: str) -> None:
        """Forget deltas of a book that begins anew."""
        for stream in self._by_channel["depth"].get(symbol, ()):
            if stream.topic in self._pending:
                self._pending[stream.topic].clear()

    def book_of(self, topic: str) -> str | None:
        """Return the symbol whose book a topic's deltas build."""
        stream = parse(topic)
        if stream is None or stream.channel != "depth":
            return None
        return self._symbols.get(stream.market_id)

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the payloads of a tick, in the order of its events."""
        out: list[tuple[str, bytes]] = []
        trades, aggs = self._by_channel["trade"], self._by_channel["aggTrade"]
        quotes, depths = self._by_channel["bookTicker"], self._by_channel["depth"]
        for event in events:
            symbol = event.symbol
            if type(event) is Trade:
                out += [(s.topic, _trade(event, s)) for s in trades.get(symbol, ())]
            elif type(event) is AggTrade:
                out += [(s.topic, _agg_trade(event, s)) for s in aggs.get(symbol, ())]
            elif type(event) is Quote:
                out += [(s.topic, _quote(event, s)) for s in quotes.get(symbol, ())]
            elif type(event) is Delta:
                for stream in depths.get(symbol, ()):
                    self._delta(event, stream, out)
        self._periodic(out)
        return out

    def _delta(self, delta: Delta, stream: Stream, out: list[tuple[str, bytes]]) -> None:
        if stream.topic in self._pending:
            self._pending[stream.topic].append(delta)
        else:
            out.append((stream.topic, _delta(delta, stream)))

    def _periodic(self, out: list[tuple[str, bytes]]) -> None:
        now_ms = self._market.now_ms
        for symbol, streams in self._by_channel["partial"].items():
            for stream in streams:
                if now_ms % stream.every_ms == 0:
                    rows = self._market.rows(symbol, int(stream.detail))
                    out.append((stream.topic, _partial(*rows)))
        if now_ms % 1000:
            return
        for streams in self._by_channel["depth"].values():
            for stream in streams:
                if waiting := self._pending.get(stream.topic):
                    out.append((stream.topic, _delta(merge(waiting), stream)))
                    waiting.clear()
        for channel in ("ticker", "miniTicker", "window", "avgPrice"):
            for symbol, streams in self._by_channel[channel].items():
                out += [(s.topic, self._encode(self.statistics(symbol, s))) for s in streams]
        for symbol, streams in self._by_channel["kline"].items():
            for stream in streams:
                self._klines(symbol, stream, out)
        self._array_payloads(out)

    def _klines(self, symbol: str, stream: Stream, out: list[tuple[str, bytes]]) -> None:
        now_ms, timeframe, zone_ms = self._market.now_ms, stream.detail, stream.offset_ms
        closed = open_ms(now_ms, timeframe, zone_ms) == now_ms
        if closed or now_ms % stream.every_ms == 0:
            candles = self._market.candles(symbol, timeframe, zone_ms)
            if candles:
                out.append((stream.topic, kline_json(stream, candles[-1], now_ms, closed=closed)))

    def _array_payloads(self, out: list[tuple[str, bytes]]) -> None:
        """Add the all-market streams: symbols that have traded since the last second only."""
        if not self._arrays:
            return
        last = {s: self._market.stats(s).last_id for s in self._ids}
        changed = [s for s, trade_id in last.items() if self._last_trades.get(s) != trade_id]
        self._last_trades = last
        for stream in self._arrays.values():
            channel = stream.channel[1:].partition("@")[0]
            if not changed or channel == "ticker":
                continue
            kind, _, window = channel.partition("_")
            one = Stream("", "", "window" if window else kind, window, unit=stream.unit)
            out.append((stream.topic, self._encode([self.statistics(s, one) for s in changed])))

    @staticmethod
    def _encode(value: Any) -> bytes:
        return msgspec.json.encode(value)

    def statistics(self, symbol: str, stream: Stream) -> Mapping[str, object]:
        """Return a ticker, mini ticker, window ticker or average price event (section 5.2)."""
        now_ms, unit, market_id = self._market.now_ms, stream.unit, self._ids[symbol]
        head = {"E": now_ms * unit, "s": market_id}
        if stream.channel == "avgPrice":
            stats = self._market.stats(symbol, 300_000)
            average = stats.cost // stats.volume if stats.volume else stats.close
            at_ms = self._market.last_trade(symbol).ts_ms
            return {"e": "avgPrice", **head, "i": "5m", "w": text(average), "T": at_ms * unit}
        if stream.channel == "miniTicker":
            return {"e": "24hrMiniTicker", **head, **_mini(self._market.stats(symbol))}
        if stream.channel == "window":
            stats = self._market.stats(symbol, WINDOWS[stream.detail])
            return {"e": f"{stream.detail}Ticker", **head, **_window(stats, unit)}
        quote, last = self._market.quote(symbol), self._market.last_trade(symbol)
        return {"e": "24hrTicker", **head, **_full(self._market.stats(symbol), quote, last, unit)}


def _mini(stats: Stats) -> dict[str, str]:
    return {
        "c": text(stats.close),
        "o": text(stats.open),
        "h": text(stats.high),
        "l": text(stats.low),
        "v": text(stats.volume),
        "q": text(stats.cost // E8),
    }


def _change(stats: Stats) -> dict[str, str]:
    change = stats.close - stats.open
    average = stats.cost // stats.volume if stats.volume else stats.close
    return {"p": text(change), "P": percent(change, stats.open), "w": text(average)}


def _times(stats: Stats, unit: int) -> dict[str, int]:
    return {
        "O": stats.open_ms * unit,
        "C": stats.close_ms * unit,
        "F": stats.first_id,
        "L": stats.last_id,
        "n": stats.trades,
    }


def _window(stats: Stats, unit: int) -> dict[str, object]:
    mini = _mini(stats)
    price = {key: mini[key] for key in ("o", "h", "l", "c")}
    change = _change(stats)
    average = change.pop("w")
    sums = {"w": average, "v": mini["v"], "q": mini["q"]}
    return {**change, **price, **sums, **_times(stats, unit)}


def _full(stats: Stats, quote: Quote, last: Trade, unit: int) -> dict[str, object]:
    mini = _mini(stats)
    return {
        **_change(stats),
        "x": text(stats.previous_close),
        "c": mini["c"],
        "Q": text(last.amount_e8),
        "b": text(quote.bid_e8),
        "B": text(quote.bid_amount_e8),
        "a": text(quote.ask_e8),
        "A": text(quote.ask_amount_e8),
        **{key: mini[key] for key in ("o", "h", "l", "v", "q")},
        **_times(stats, unit),
    }


def _trade(event: Trade, stream: Stream) -> bytes:
    """Return a trade event (section 5.1); f-strings, because this one is hot."""
    at = event.ts_ms * stream.unit
    maker = "true" if event.buyer_maker else "false"
    return (
        f'{{"e":"trade","E":{at},"s":"{stream.market_id}","t":{event.id},'
        f'"p":"{text(event.price_e8)}","q":"{text(event.amount_e8)}",'
        f'"T":{at},"m":{maker},"M":true}}'
    ).encode()


def _agg_trade(event: AggTrade, stream: Stream) -> bytes:
    """Return an aggregate trade event (section 5.1)."""
    at = event.ts_ms * stream.unit
    maker = "true" if event.buyer_maker else "false"
    return (
        f'{{"e":"aggTrade","E":{at},"s":"{stream.market_id}","a":{event.id},'
        f'"p":"{text(event.price_e8)}","q":"{text(event.amount_e8)}",'
        f'"f":{event.first_id},"l":{event.last_id},"T":{at},"m":{maker},"M":true}}'
    ).encode()


def _quote(event: Quote, stream: Stream) -> bytes:
    """Return a book ticker event, which has neither type nor time (section 5.3)."""
    return (
        f'{{"u":{event.id},"s":"{stream.market_id}",'
        f'"b":"{text(event.bid_e8)}","B":"{text(event.bid_amount_e8)}",'
        f'"a":"{text(event.ask_e8)}","A":"{text(event.ask_amount_e8)}"}}'
    ).encode()


def _delta(delta: Delta, stream: Stream) -> bytes:
    """Return a diff depth event (section 6.1)."""
    return (
        f'{{"e":"depthUpdate","E":{delta.ts_ms * stream.unit},"s":"{stream.market_id}",'
        f'"U":{delta.first_id},"u":{delta.last_id},'
        f'"b":[{levels_json(delta.bids)}],"a":[{levels_json(delta.asks)}]}}'
    ).encode()


def _partial(last_id: int, bids: list[Row], asks: list[Row]) -> bytes:
    """Return a partial book, which has neither symbol nor time (section 6.1)."""
    return (
        f'{{"lastUpdateId":{last_id},"bids":[{levels_json(bids)}],"asks":[{levels_json(asks)}]}}'
    ).encode()
