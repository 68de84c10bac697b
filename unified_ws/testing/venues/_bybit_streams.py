"""Bybit's public streams: what each topic sends on subscribing, and with each market tick.

Section numbers are those of the project's protocol sheet for Bybit.
"""

from __future__ import annotations

import abc
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ..market import E8, Delta, Event, Liquidation, MarketModel, Row, Spec, Trade, next_open_ms
from ..side import Window
from ._bybit_markets import (
    INTERVALS,
    Stream,
    Writer,
    category_of,
    market_id,
    number,
    parse,
    trade_id,
)

MOST_TRADES = 1024  # section 2: in one message
_REPEAT_MS = 3000  # section 6: of depth 1
_SLOW_MS = 200  # section 6: of depth 1000
_encode = msgspec.json.encode


class Tick(msgspec.Struct):
    """What a market tick brought, by symbol."""

    trades: defaultdict[str, list[Trade]]
    liquidations: defaultdict[str, list[Liquidation]]
    moved: set[str]


class Sequences:
    """The cross sequence, which rises over all topics and never by one (section 6.1)."""

    def __init__(self) -> None:
        self._last = 753_843_954_000

    def next(self) -> int:
        """Return the next number."""
        self._last += 7
        return self._last


class Feed(abc.ABC):
    """One watched topic."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel, seq: Sequences) -> None:
        self.stream = stream
        self.spec = spec
        self.symbol = spec.symbol
        self.market = market
        self.write = Writer(spec)
        self.seq = seq

    def greet(self) -> Sequence[bytes]:
        """Return what a new subscriber gets at once."""
        return ()

    @abc.abstractmethod
    def move(self, tick: Tick) -> Iterable[bytes]:
        """Return what a tick brings to subscribers."""

    def restart(self) -> Sequence[bytes]:
        """Return what the restart of the book brings."""
        return ()

    def frame(self, kind: str, data: Any, **more: Any) -> bytes:
        """Write a frame."""
        ts = self.market.now_ms
        head = {"topic": self.stream.name, "type": kind, "ts": ts}
        return _encode({**head, "data": data, **more})


class Trades(Feed):
    """Section 5.1."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """All trades of a tick, cut at what a message may hold; one `seq` for all."""
        rows = self._rows(tick.trades.get(self.symbol, ()))
        for first in range(0, len(rows), MOST_TRADES):
            yield self.frame("snapshot", rows[first : first + MOST_TRADES])

    def _rows(self, trades: Sequence[Trade]) -> list[dict[str, Any]]:
        if not trades:
            return []
        seq, rows = self.seq.next(), []
        for trade in trades:
            row = {
                "T": trade.ts_ms, "s": self.stream.market_id,
                "S": "Sell" if trade.buyer_maker else "Buy",
                "v": self.write.amount(trade.amount_e8), "p": self.write.price(trade.price_e8),
            }  # fmt: skip
            if not self.spec.spot:
                row["L"] = "ZeroMinusTick" if trade.buyer_maker else "ZeroPlusTick"
            row |= {"i": trade_id(self.spec, trade.id), "BT": False, "RPI": False, "seq": seq}
            rows.append(row)
        return rows


class Book(Feed):
    """Section 6: a snapshot, then deltas; depth 1 is nothing but snapshots."""

    restarts_with = "snapshot"

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel, seq: Sequences) -> None:
        super().__init__(stream, spec, market, seq)
        self.depth = int(stream.detail)
        self._window = Window(market, spec.symbol, self.depth)
        # Numbers go on while nobody listens, so that a later subscription finds higher ones.
        self._u = 10**7 + zlib.crc32(stream.topic.encode()) % 10**7 + market.number
        self._sent_ms = market.now_ms

    def greet(self) -> Sequence[bytes]:
        """The book as subscribers have it."""
        return (self._whole(),)

    def move(self, tick: Tick) -> Iterable[bytes]:
        """What has changed, if anything has in sight."""
        now_ms = self.market.now_ms
        if self.depth == 1:
            if self._advanced(tick):
                self._u += 1
            elif now_ms - self._sent_ms < _REPEAT_MS:
                return
            self._sent_ms = now_ms
            yield self._whole()
            return
        if self.depth >= 1000 and now_ms % _SLOW_MS:
            return
        delta = self._window.move() if self._behind(tick) else None
        if delta is not None:
            self._u += 1
            yield self._delta(delta)

    def restart(self) -> Sequence[bytes]:
        """Section 6.1: `u` begins again at 1; the books of depth 1 know nothing of it."""
        if self.depth == 1:
            return ()
        self._u = 1
        if self.restarts_with == "delta":
            delta = self._window.move()
            empty = Delta(self.symbol, 1, 1, [], [], self.market.now_ms)
            return (self._delta(delta or empty),)
        self._window.reset()
        return (self._whole(),)

    def _behind(self, tick: Tick) -> bool:
        """Say whether the window may be out of date; a slow one looks each time."""
        return self.depth >= 1000 or self.symbol in tick.moved

    def _advanced(self, tick: Tick) -> bool:
        return self.symbol in tick.moved and self._window.move() is not None

    def _whole(self) -> bytes:
        return self._frame("snapshot", self._window.bids, self._window.asks)

    def _delta(self, delta: Delta) -> bytes:
        return self._frame("delta", delta.bids, delta.asks)

    def _frame(self, kind: str, bids: Iterable[Row], asks: Iterable[Row]) -> bytes:
        data = {
            "s": self.stream.market_id, "b": self._levels(bids), "a": self._levels(asks),
            "u": self._u, "seq": self.seq.next(),
        }  # fmt: skip
        return self.frame(kind, data, cts=self.market.now_ms - 3)

    def _levels(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        price, amount = self.write.price, self.write.amount
        return [(price(p), amount(q)) for p, q in rows]


class Tickers(Feed):
    """Section 5.2: contracts are told what has changed, spot is told everything."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel, seq: Sequences) -> None:
        super().__init__(stream, spec, market, seq)
        self._shown = ticker(spec, market)

    def greet(self) -> Sequence[bytes]:
        """The ticker as subscribers have it."""
        return (self._frame("snapshot", self._shown),)

    def move(self, tick: Tick) -> Iterable[bytes]:
        """What has changed."""
        shown, self._shown = self._shown, ticker(self.spec, self.market)
        changed = {k: v for k, v in self._shown.items() if shown[k] != v}
        if not changed:
            return
        if self.spec.spot:
            yield self._frame("snapshot", self._shown)
        else:
            yield self._frame("delta", {"symbol": self.stream.market_id, **changed})

    def _frame(self, kind: str, data: dict[str, str]) -> bytes:
        return self.frame(kind, data, cs=self.seq.next())


class Klines(Feed):
    """Section 5.4: each second; on contracts a frame may close one candle and open the next."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel, seq: Sequences) -> None:
        super().__init__(stream, spec, market, seq)
        self._timeframe = INTERVALS[stream.detail]
        self._open_ms = 0

    def greet(self) -> Sequence[bytes]:
        """The candle of this moment."""
        rows = self._rows()[-1:]
        return (self.frame("snapshot", rows),) if rows else ()

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The candle of this moment, and the one that has just closed."""
        if self.market.now_ms % 1000:
            return
        rows = self._rows()
        if not rows:
            return
        fresh = [row for row in rows if row["start"] >= (self._open_ms or rows[-1]["start"])]
        self._open_ms = rows[-1]["start"]
        for part in [fresh] if not self.spec.spot else [[row] for row in fresh]:
            yield self.frame("snapshot", part)

    def _rows(self) -> list[dict[str, Any]]:
        candles = self.market.candles(self.symbol, self._timeframe)[-3:]
        last = candles[-1].open_ms if candles else 0
        price, amount = self.write.price, self.write.amount
        return [
            {
                "start": c.open_ms, "end": next_open_ms(c.open_ms, self._timeframe) - 1,
                "interval": self.stream.detail, "open": price(c.open), "close": price(c.close),
                "high": price(c.high), "low": price(c.low), "volume": amount(c.volume),
                "turnover": number(c.cost // E8), "confirm": c.open_ms != last,
                "timestamp": self.market.now_ms,
            }
            for c in candles
        ]  # fmt: skip


class Liquidations(Feed):
    """Section 5.5: `S` is the side of the position."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """All of a tick in one frame."""
        rows = [
            {
                "T": one.ts_ms, "s": self.stream.market_id,
                "S": "Buy" if one.side == "sell" else "Sell",
                "v": self.write.amount(one.amount_e8), "p": self.write.price(one.price_e8),
            }
            for one in tick.liquidations.get(self.symbol, ())
        ]  # fmt: skip
        if rows:
            yield self.frame("snapshot", rows)


_FEEDS: dict[str, Callable[[Stream, Spec, MarketModel, Sequences], Feed]] = {
    "publicTrade": Trades, "orderbook": Book, "tickers": Tickers, "kline": Klines,
    "allLiquidation": Liquidations,
}  # fmt: skip


class Encoder:
    """Turns the events of a market tick into payloads of the watched topics."""

    def __init__(self, specs: Iterable[Spec], market: MarketModel) -> None:
        self._market = market
        self._specs = {(category_of(spec), market_id(spec)): spec for spec in specs}
        self._feeds: dict[str, Feed] = {}
        self._seq = Sequences()

    def watch(self, topic: str) -> None:
        """Begin to encode a topic."""
        stream = parse(topic)
        if stream is not None:
            spec = self._specs[stream.category, stream.market_id]
            feed = _FEEDS[stream.channel](stream, spec, self._market, self._seq)
            self._feeds[topic] = feed

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        self._feeds.pop(topic, None)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return what a new subscriber of a topic gets at once."""
        return self._feeds[topic].greet()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the payloads of one market tick."""
        tick = Tick(defaultdict(list), defaultdict(list), set())
        for event in events:
            if type(event) is Trade:
                tick.trades[event.symbol].append(event)
            elif type(event) is Delta:
                tick.moved.add(event.symbol)
            elif type(event) is Liquidation:
                tick.liquidations[event.symbol].append(event)
        return [(t, payload) for t, feed in self._feeds.items() for payload in feed.move(tick)]

    def restarted(self, symbol: str, kind: str) -> list[tuple[str, bytes]]:
        """Return what the restart of a book brings, as "snapshot" or as "delta"."""
        out: list[tuple[str, bytes]] = []
        for topic, feed in self._feeds.items():
            if isinstance(feed, Book) and feed.symbol == symbol:
                feed.restarts_with = kind
                out += [(topic, payload) for payload in feed.restart()]
        return out


def ticker(spec: Spec, market: MarketModel) -> dict[str, str]:
    """Return a market's ticker in full: of the stream, and of REST (section 5.2)."""
    symbol, write = spec.symbol, Writer(spec)
    stats, quote = market.stats(symbol), market.quote(symbol)
    first, last = stats.open or spec.price, stats.close or spec.price
    high, low = stats.high or spec.price, stats.low or spec.price
    day = {
        "symbol": market_id(spec), "lastPrice": write.price(last),
        "highPrice24h": write.price(high), "lowPrice24h": write.price(low),
        "prevPrice24h": write.price(first), "volume24h": write.amount(stats.volume),
        "turnover24h": number(stats.cost // E8),
        "price24hPcnt": number((last - first) * E8 // first, 6),
    }  # fmt: skip
    if spec.spot:
        return {**day, "usdIndexPrice": number(last)}
    mark, contracts = market.mark(symbol), market.open_interest(symbol).contracts_e8
    value = contracts * E8 // mark.mark_e8 if spec.inverse else contracts * mark.mark_e8 // E8
    swap = spec.type == "swap"
    funding = market.funding(symbol) if swap else None
    return {
        **day, "tickDirection": "ZeroPlusTick", "prevPrice1h": write.price(first),
        "markPrice": write.price(mark.mark_e8), "indexPrice": write.price(mark.index_e8),
        "openInterest": write.amount(contracts), "openInterestValue": number(value, 4),
        "singleOpenInterest": number(contracts // 2), "singleOpenInterestValue": number(value // 2),
        "fundingIntervalHour": str(funding.interval_ms // 3_600_000) if funding else "",
        "fundingCap": "0.005" if funding else "",
        "nextFundingTime": str(funding.next_ms) if funding else "",
        "fundingRate": number(funding.rate_e8) if funding else "",
        "bid1Price": write.price(quote.bid_e8), "bid1Size": write.amount(quote.bid_amount_e8),
        "ask1Price": write.price(quote.ask_e8), "ask1Size": write.amount(quote.ask_amount_e8),
        "preOpenPrice": "", "preQty": "", "curPreListingPhase": "",
    }  # fmt: skip
