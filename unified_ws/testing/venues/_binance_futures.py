"""Binance futures streams: names of topics and the frames that belong to them.

Section numbers are those of the project's protocol sheet for Binance. One encoder serves one
product; the streams of all markets hold those of both (section 1.3).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from ..market import (
    E8,
    TICK_MS,
    TIMEFRAMES,
    AggTrade,
    Delta,
    Event,
    Liquidation,
    MarketModel,
    Quote,
    Spec,
    Stats,
    Trade,
    merge,
    open_ms,
    text,
)
from ._binance_products import COINM, USDM, market_id, place_of, product_of, split
from ._binance_streams import Stream, kline_json, levels_json, percent

OFF_BOOK_EVERY = 101
"""Each trade whose id is a multiple of this has met no book (section 5.1)."""
_ST = {USDM: 1, COINM: 2}  # section 1.3
_TICKER_MS = {USDM: 2000, COINM: 500}  # section 5.2
_ALL_QUOTES_MS = {USDM: 5000, COINM: 0}  # section 5.3; 0: at once
_ARRAYS = {
    "!miniTicker@arr": ("miniTicker", 1000),
    "!ticker@arr": ("ticker", 1000),
    "!markPrice@arr": ("markPrice", 3000),
    "!markPrice@arr@1s": ("markPrice", 1000),
    "!forceOrder@arr": ("forceOrder", 1000),
    "!bookTicker": ("bookTicker", 0),
    "!contractInfo": ("silent", 0),
    "!assetIndex@arr": ("silent", 0),
}
_SHORT = {"trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "forceOrder"}
_SILENT = re.compile(r"compositeIndex|indexPrice(@1s)?|continuousKline_\w+")
_MARK = re.compile(r"markPrice(@1s)?")
_DEPTH = re.compile(r"(depth|rpiDepth)(5|10|20)?(?:@(0|100|500)ms)?")
_KLINE = re.compile(r"(kline|indexPriceKline|markPriceKline)_(\w+)")


def parse_futures(topic: str) -> Stream | None:
    """Parse a topic; None if the venue would call it an invalid stream (section 4)."""
    _, name = split(topic)
    if name in _ARRAYS:
        channel, every_ms = _ARRAYS[name]
        return Stream(topic, "", channel, every_ms=every_ms)
    market, _, channel = name.partition("@")
    if not market or market.startswith("!"):
        return None
    if channel in _SHORT or _SILENT.fullmatch(channel):
        return Stream(topic, market.upper(), channel if channel in _SHORT else "silent")
    if found := _MARK.fullmatch(channel):
        return Stream(topic, market.upper(), "markPrice", every_ms=1000 if found[1] else 3000)
    if found := _DEPTH.fullmatch(channel):
        kind = "partial" if found[2] else "depth"
        return Stream(topic, market.upper(), kind, found[2] or "", int(found[3] or 250))
    if (found := _KLINE.fullmatch(channel)) and found[2] in TIMEFRAMES and found[2] != "1s":
        return Stream(topic, market.upper(), found[1], found[2], 250)
    return None


def off_book(trade: Trade) -> bool:
    """Tell whether a trade is sent as one that no book has seen."""
    return trade.id % OFF_BOOK_EVERY == 0


class FuturesEncoder:
    """Turns the events of a market tick into payloads of one product's watched topics."""

    def __init__(self, product: str, specs: Iterable[Spec], market: MarketModel) -> None:
        self._product = product
        self._market = market
        contracts = [spec for spec in specs if not spec.spot]
        self._ids = {spec.symbol: market_id(spec) for spec in contracts}
        self._products = {spec.symbol: product_of(spec) for spec in contracts}
        own = {s: i for s, i in self._ids.items() if self._products[s] == product}
        self._symbols = {market_id: symbol for symbol, market_id in own.items()}
        self._streams: dict[tuple[str, str], list[Stream]] = defaultdict(list)
        self._pending: dict[str, list[Delta]] = {}
        self._forced: dict[str, Liquidation] = {}
        self._last_trades: dict[str, int] = {}

    def watch(self, topic: str) -> None:
        """Encode a topic from now on, unless it is unknown or on the wrong route (1.2, 4)."""
        stream = parse_futures(topic)
        place, name = split(topic)
        if stream is None or place != place_of(self._product, name):
            return
        symbol = self._symbols.get(stream.market_id) or self._of_pair(stream)
        # section 1.1: names are in lower case; for others nothing is sent
        if stream.market_id and (symbol is None or not name.startswith(stream.market_id.lower())):
            return
        self._streams[stream.channel, symbol or ""].append(stream)
        if stream.channel == "depth":
            self._pending[topic] = []

    def unwatch(self, topic: str) -> None:
        """Encode a topic no more."""
        self._pending.pop(topic, None)
        for streams in self._streams.values():
            streams[:] = [stream for stream in streams if stream.topic != topic]

    def book_of(self, topic: str) -> str | None:
        """Return the symbol whose book a topic's deltas build."""
        stream = parse_futures(topic)
        if stream is None or stream.channel != "depth":
            return None
        return self._symbols.get(stream.market_id)

    def restarted(self, symbol: str) -> None:
        """Forget deltas of a book that begins anew."""
        for stream in self._streams["depth", symbol]:
            self._pending[stream.topic].clear()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the payloads of a tick, in the order of its events."""
        out: list[tuple[str, bytes]] = []
        if not any(self._streams.values()):
            return out
        for event in events:
            symbol = event.symbol
            if symbol not in self._ids:
                continue
            if type(event) is Trade:
                out += [(s.topic, self._trade(event)) for s in self._streams["trade", symbol]]
            elif type(event) is AggTrade:
                out += [(s.topic, self._agg(event)) for s in self._streams["aggTrade", symbol]]
            elif type(event) is Quote:
                out += [(s.topic, self._quote(event)) for s in self._streams["bookTicker", symbol]]
                if not _ALL_QUOTES_MS[self._product]:
                    out += [(s.topic, self._quote(event)) for s in self._streams["bookTicker", ""]]
            elif type(event) is Delta:
                for stream in self._streams["depth", symbol]:
                    self._pending[stream.topic].append(event)
            elif type(event) is Liquidation:
                self._forced[symbol] = event  # section 5.6: only the latest of a second
        self._periodic(out)
        return out

    # what comes at once

    def _trade(self, event: Trade) -> bytes:
        """Return a trade event (sections 5.1 and 12): `st`, no `ps`."""
        kind = "INSURANCE_FUND" if off_book(event) else "MARKET"
        head = {"e": "trade", "E": event.ts_ms, "T": event.ts_ms, "s": self._ids[event.symbol]}
        return self._json(event.symbol, {
            **head, "t": event.id, "p": text(event.price_e8), "q": text(event.amount_e8),
            "X": kind, "m": event.buyer_maker,
        })  # fmt: skip

    def _agg(self, event: AggTrade) -> bytes:
        """Return an aggregate trade event (section 5.1); no RPI orders are imitated."""
        amount = text(event.amount_e8)
        rpi = {"nq": amount} if self._product == USDM else {}
        head = {"e": "aggTrade", "E": event.ts_ms, "a": event.id, "s": self._ids[event.symbol]}
        return self._json(event.symbol, {
            **head, "p": text(event.price_e8), "q": amount, **rpi, "f": event.first_id,
            "l": event.last_id, "T": event.ts_ms, "m": event.buyer_maker,
        })  # fmt: skip

    def _quote(self, event: Quote) -> bytes:
        """Return a book ticker event (section 5.3)."""
        at = self._market.now_ms
        return self._json(event.symbol, {
            "e": "bookTicker", "u": event.id, "E": at, "T": at - 2, "s": self._ids[event.symbol],
            "b": text(event.bid_e8), "B": text(event.bid_amount_e8), "a": text(event.ask_e8),
            "A": text(event.ask_amount_e8), **self._pair(event.symbol),
        })  # fmt: skip

    # what comes by the clock

    def _periodic(self, out: list[tuple[str, bytes]]) -> None:
        for (channel, symbol), streams in list(self._streams.items()):
            for stream in streams:
                if channel == "depth" and self._due(stream.every_ms):
                    if waiting := self._pending[stream.topic]:
                        out.append((stream.topic, self._depth(merge(waiting))))
                        waiting.clear()
                elif channel == "partial" and self._due(stream.every_ms):
                    out.append((stream.topic, self._partial(symbol, int(stream.detail))))
                elif channel.lower().endswith("kline"):
                    self._kline(symbol, stream, out)
                elif not symbol:
                    self._all(channel, stream, out)
                elif channel in ("ticker", "miniTicker") and self._due(_TICKER_MS[self._product]):
                    out.append((stream.topic, self._json(symbol, self._ticker(channel, symbol))))
                elif channel == "markPrice" and self._due(stream.every_ms):
                    out.append((stream.topic, self._json(symbol, self._mark(symbol))))
                elif channel == "forceOrder" and self._due(1000) and symbol in self._forced:
                    out.append((stream.topic, self._force(self._forced[symbol])))
        if self._due(1000):
            self._forced.clear()
            self._last_trades = {s: self._market.stats(s).last_id for s in self._ids}

    def _all(self, channel: str, stream: Stream, out: list[tuple[str, bytes]]) -> None:
        """Add what one stream of all markets says now, those of both products (section 1.3)."""
        topic = stream.topic
        if channel == "forceOrder" and self._due(1000):
            out += [(topic, self._force(event)) for event in self._forced.values()]
        elif channel == "bookTicker":
            every_ms = _ALL_QUOTES_MS[self._product]
            if every_ms and self._due(every_ms):
                out += [(topic, self._quote(self._market.quote(s))) for s in self._ids]
        elif channel == "markPrice" and self._due(stream.every_ms):
            out.append((topic, msgspec.json.encode([
                {**self._mark(s), "st": _ST[self._products[s]]} for s in self._ids
            ])))  # fmt: skip
        elif channel in ("ticker", "miniTicker") and self._due(1000):
            last = self._last_trades
            changed = [s for s in self._ids if last.get(s) != self._market.stats(s).last_id]
            rows = [{**self._ticker(channel, s), "st": _ST[self._products[s]]} for s in changed]
            if rows:
                out.append((topic, msgspec.json.encode(rows)))

    def _kline(self, symbol: str, stream: Stream, out: list[tuple[str, bytes]]) -> None:
        now_ms, timeframe = self._market.now_ms, stream.detail
        closed = open_ms(now_ms, timeframe) == now_ms
        candles = self._market.candles(symbol, timeframe)
        if not candles or not (closed or self._due(stream.every_ms)):
            return
        if stream.channel == "kline":
            out.append((stream.topic, kline_json(stream, candles[-1], now_ms, closed=closed)))
            return
        event = msgspec.json.decode(kline_json(stream, candles[-1], now_ms, closed=closed))
        # section 5.4: candles of an index or a mark price have a pair and no volume
        index = stream.channel == "indexPriceKline"
        name = "0" if index else self._ids[symbol]
        kline = {**event["k"], "s": name, **dict.fromkeys("vqVQB", "0")}
        pair = self._market.specs[symbol].base + self._market.specs[symbol].quote
        kind = "indexPrice_kline" if index else "markPrice_kline"
        made = {"e": kind, "E": event["E"], "ps": pair, "k": kline}
        out.append((stream.topic, msgspec.json.encode(made)))

    def _depth(self, delta: Delta) -> bytes:
        """Return a diff depth event (section 6.1): `pu` tells what came before, `U` does not."""
        first = min(delta.first_id + 3, delta.last_id)
        pair = "".join(f'"{key}":{msgspec.json.encode(value).decode()},'
                       for key, value in self._pair(delta.symbol).items())  # fmt: skip
        return (
            f'{{"e":"depthUpdate","E":{delta.ts_ms},"T":{delta.ts_ms - 2},'
            f'"s":"{self._ids[delta.symbol]}",{pair}"st":{_ST[self._product]},'
            f'"U":{first},"u":{delta.last_id},"pu":{delta.first_id - 1},'
            f'"b":[{levels_json(delta.bids)}],"a":[{levels_json(delta.asks)}]}}'
        ).encode()

    def _partial(self, symbol: str, depth: int) -> bytes:
        last_id, bids, asks = self._market.rows(symbol, depth)
        return self._depth(Delta(symbol, last_id, last_id, bids, asks, self._market.now_ms))

    def _ticker(self, channel: str, symbol: str) -> Mapping[str, object]:
        """Return a ticker without `st` (sections 5.2 and 12)."""
        stats, now_ms = self._market.stats(symbol), self._market.now_ms
        prices = {"c": stats.close, "o": stats.open, "h": stats.high, "l": stats.low}
        mini = {key: text(value) for key, value in prices.items()}
        sums = {"v": text(stats.volume), "q": text(stats.cost // E8)}
        head = {"E": now_ms, "s": self._ids[symbol]}
        if channel == "miniTicker":
            return {"e": "24hrMiniTicker", **head, **self._pair(symbol), **mini, **sums}
        pair = self._pair(symbol) if self._products[symbol] == COINM else {}
        change = stats.close - stats.open
        last = self._market.last_trade(symbol)
        return {
            "e": "24hrTicker", **head, **pair, "p": text(change),
            "P": percent(change, stats.open), "w": text(average(self._market.specs[symbol], stats)),
            "Q": text(last.amount_e8), **mini, **sums, "O": stats.open_ms, "C": stats.close_ms,
            "F": stats.first_id, "L": stats.last_id, "n": stats.trades,
        }  # fmt: skip

    def _mark(self, symbol: str) -> Mapping[str, object]:
        """Return a mark price without `st` (section 5.5)."""
        mark, spec = self._market.mark(symbol), self._market.specs[symbol]
        funding = None if spec.expiry_ms else self._market.funding(symbol)
        index = {"i": text(mark.index_e8)} if self._products[symbol] == USDM else {}
        return {
            "e": "markPriceUpdate", "E": self._market.now_ms, "s": self._ids[symbol],
            "p": text(mark.mark_e8), "ap": text(mark.mark_e8), **index, "P": text(mark.index_e8),
            "r": text(funding.rate_e8) if funding else "", "T": funding.next_ms if funding else 0,
        }  # fmt: skip

    def _force(self, event: Liquidation) -> bytes:
        """Return a liquidation (section 5.6)."""
        amount, price = text(event.amount_e8), text(event.price_e8)
        pair = self._pair(event.symbol) if self._products[event.symbol] == COINM else {}
        order = {
            "s": self._ids[event.symbol], **pair, "S": event.side.upper(), "o": "LIMIT",
            "f": "IOC", "q": amount, "p": price, "ap": price, "X": "FILLED", "l": amount,
            "z": amount, "T": event.ts_ms,
        }  # fmt: skip
        body = {"e": "forceOrder", "E": self._market.now_ms, "o": order}
        return self._json(event.symbol, body)

    # small things

    def _due(self, every_ms: int) -> bool:
        """Tell whether a period ends with this tick; one shorter than a tick always does."""
        if every_ms <= TICK_MS:
            return True
        now_ms = self._market.now_ms
        return now_ms // every_ms != (now_ms - TICK_MS) // every_ms

    def _pair(self, symbol: str) -> Mapping[str, str]:
        spec = self._market.specs[symbol]
        return {"ps": spec.base + spec.quote}

    def _json(self, symbol: str, body: Mapping[str, object]) -> bytes:
        return msgspec.json.encode({**body, "st": _ST[self._products[symbol]]})

    def _of_pair(self, stream: Stream) -> str | None:
        """Return the perpetual behind a pair: candles of an index are asked for by it."""
        if stream.channel != "indexPriceKline":
            return None
        return self._symbols.get(f"{stream.market_id}_PERP")


def average(spec: Spec, stats: Stats) -> int:
    """Return the average price by volume, scaled; of inverse contracts by what they are worth."""
    if not stats.volume or not stats.cost:
        return stats.close
    if not spec.inverse:
        return int(stats.cost / (stats.volume * spec.contract_size))
    return int(Decimal(stats.volume) * spec.contract_size * E8 * E8 / stats.cost)
