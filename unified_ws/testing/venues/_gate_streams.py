"""Gate's streams: what each topic sends on subscribing, and with each market tick.

Section numbers are those of the project's protocol sheet for Gate. All books of a market share the
update ids of the market (section 12): those of `obu`, of `order_book_update`, of best bid and ask
and of REST.
"""

from __future__ import annotations

import abc
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ..market import E8, Delta, Event, Liquidation, MarketModel, Quote, Row, Spec, Trade, open_ms
from ..side import Window
from ._gate_markets import INTERVALS, SPOT_INTERVALS, Stream, address_of, market_id, number, parse

OBU = ("50", "400")  # 5.7
PARTIAL_AT_MS = 500  # of each second: the frame that says only what is not traded (6.1)
_IDS_ONLY = 4  # every so many ticks an obu says that nothing in sight has changed (7.1)
_encode = msgspec.json.encode


class Tick(msgspec.Struct):
    """What a market tick brought, by symbol."""

    trades: defaultdict[str, list[Trade]]
    quotes: defaultdict[str, list[Quote]]
    liquidations: defaultdict[str, list[Liquidation]]
    moved: set[str]


class Feed(abc.ABC):
    """One watched topic."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        self.stream = stream
        self.spec = spec
        self.symbol = spec.symbol
        self.market = market
        self.spot = spec.spot

    def greet(self) -> Sequence[bytes]:
        """Return what a new subscriber gets at once."""
        return ()

    @abc.abstractmethod
    def move(self, tick: Tick) -> Iterable[bytes]:
        """Return what a tick brings to subscribers."""

    def restart(self) -> Sequence[bytes]:
        """Return what the restart of the book brings."""
        return ()

    def frame(self, result: Any, event: str = "update") -> bytes:
        """Write a frame."""
        now_ms = self.market.now_ms
        head = {"time": now_ms // 1000, "time_ms": now_ms, "channel": self.stream.name}
        return _encode({**head, "event": event, "result": result})


class Trades(Feed):
    """Sections 5.1, 6.2: spot has one object a frame, contracts an array with signed sizes."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """All trades of a tick."""
        rows = [trade_row(self.spec, trade) for trade in tick.trades.get(self.symbol, ())]
        if self.spot:
            yield from map(self.frame, rows)
        elif rows:
            yield self.frame(rows)


class Tickers(Feed):
    """Sections 5.2, 6.1: whole each second, contracts partial in between."""

    partial = True

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The statistics of this moment."""
        at_ms = self.market.now_ms % 1000
        if at_ms == 0:
            row = ticker(self.spec, self.market)
            yield self.frame(row if self.spot else [row])
        elif at_ms == PARTIAL_AT_MS and self.partial and not self.spot:
            row = ticker(self.spec, self.market)
            traded = ("last", "change", "volume", "low", "high", "total_size")
            yield self.frame([{k: v for k, v in row.items() if not k.startswith(traded)}])


class Quotes(Feed):
    """Sections 5.3, 6.3."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """Each change of the best prices."""
        for quote in tick.quotes.get(self.symbol, ()):
            yield self.frame({
                "t": quote.ts_ms, "u": quote.id, "s": self.stream.market_id,
                "b": number(quote.bid_e8), "B": number(quote.bid_amount_e8),
                "a": number(quote.ask_e8), "A": number(quote.ask_amount_e8),
            })  # fmt: skip


class Candlesticks(Feed):
    """Sections 5.4, 6.6: each two seconds; on contracts an array, two around the turn."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The candle of this moment, closed if this is its end."""
        name, now_ms = self.stream.details[0], self.market.now_ms
        timeframe = (SPOT_INTERVALS if self.spot else INTERVALS).get(name)
        if now_ms % 2000 or timeframe is None:
            return
        candles = self.market.candles(self.symbol, timeframe)[-1:]
        closed = open_ms(now_ms, timeframe) == now_ms
        rows = [
            {
                "t": str(c.open_ms // 1000) if self.spot else c.open_ms // 1000,
                "v": number(c.cost // E8) if self.spot else number(c.volume),
                "c": number(c.close), "h": number(c.high), "l": number(c.low),
                "o": number(c.open), "n": f"{name}_{self.stream.market_id}",
                "a": number(base_volume(self.spec, c.volume, c.cost)), "w": closed,
            }
            for c in candles
        ]  # fmt: skip
        if rows:
            yield self.frame(rows[0] if self.spot else rows)


class Book(Feed):
    """Section 7.2: changes that go on from REST's state."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        super().__init__(stream, spec, market)
        self.level = int(stream.details[-1]) if stream.details[-1].isdigit() else 100
        if stream.details == ("20ms",):
            self.level = 20
        self.window = Window(market, spec.symbol, self.level)

    def move(self, tick: Tick) -> Iterable[bytes]:
        """What has changed, if anything has in sight."""
        delta = self.window.move() if self.symbol in tick.moved else None
        if delta is not None:
            yield self._delta(delta)

    def restart(self) -> Sequence[bytes]:
        """Return the whole book: `full` says that it begins anew (section 7)."""
        self.window.reset()
        rows = self.window
        whole = Delta(self.symbol, rows.last_id, rows.last_id, rows.bids, rows.asks, 0)
        return (self._delta(whole, full=True),)

    def _delta(self, delta: Delta, *, full: bool = False) -> bytes:
        now_ms = self.market.now_ms
        result: dict[str, Any] = {"t": now_ms, "full": full} if full or self.spot else {"t": now_ms}
        if self.spot:
            result |= {"l": str(self.level), "e": "depthUpdate", "E": now_ms // 1000}
        result |= {"s": self.stream.market_id, "U": delta.first_id, "u": delta.last_id}
        result |= {"b": self._levels(delta.bids), "a": self._levels(delta.asks)}
        return self.frame(result if self.spot else {**result, "l": str(self.level)})

    def _levels(self, rows: Iterable[Row]) -> list[Any]:
        if self.spot:
            return pairs(rows)
        return [{"p": number(price), "s": number(size)} for price, size in rows]


class Obu(Book):
    """Section 7.1: the snapshot is in the stream, ids go on even where nothing is in sight."""

    def greet(self) -> Sequence[bytes]:
        """Return the book as subscribers have it."""
        return (self._whole(),)

    def move(self, tick: Tick) -> Iterable[bytes]:
        """What has changed; at times only that ids have."""
        if self.symbol not in tick.moved:
            return
        delta = self.window.move()
        if delta is not None:
            sides = {n: pairs(r) for n, r in (("b", delta.bids), ("a", delta.asks)) if r}
            yield self._frame({"U": delta.first_id, "u": delta.last_id, **sides})
        elif self.market.number % _IDS_ONLY == 0:
            first_id = self.window.last_id + 1
            self.window.reset()
            yield self._frame({"U": first_id, "u": self.window.last_id})

    def restart(self) -> Sequence[bytes]:
        """Return the whole book, which may come at any time."""
        self.window.reset()
        return (self._whole(),)

    def _whole(self) -> bytes:
        w = self.window
        return self._frame({"full": True, "u": w.last_id, "b": pairs(w.bids), "a": pairs(w.asks)})

    def _frame(self, more: dict[str, Any]) -> bytes:
        now_ms = self.market.now_ms
        result = {"t": now_ms, "s": f"ob.{self.stream.market_id}.{self.level}", **more}
        return _encode({
            "channel": self.stream.name, "result": result, "time_ms": now_ms, "event": "update",
        })  # fmt: skip


class Whole(Feed):
    """Sections 5.5, 6.4: whole small books."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        super().__init__(stream, spec, market)
        self.level = stream.details[0]
        self._every_ms = 1000 if stream.details[-1] == "1000ms" else 100

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The book of this moment, if it has changed."""
        now_ms = self.market.now_ms
        if self.symbol not in tick.moved or now_ms % self._every_ms:
            return
        last_id, bids, asks = self.market.rows(self.symbol, int(self.level))
        if self.spot:
            yield self.frame({
                "t": now_ms, "lastUpdateId": last_id, "s": self.stream.market_id,
                "l": self.level, "bids": pairs(bids), "asks": pairs(asks),
            })  # fmt: skip
            return
        sides = ([{"p": number(p), "s": number(q)} for p, q in rows] for rows in (bids, asks))
        yield self.frame({
            "t": now_ms, "contract": self.stream.market_id, "id": last_id,
            **dict(zip(("bids", "asks"), sides, strict=True)), "l": self.level,
        }, "all")  # fmt: skip


class Liquidations(Feed):
    """Section 6.7: aggregated, about each second."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        super().__init__(stream, spec, market)
        self._waiting: list[dict[str, Any]] = []

    def move(self, tick: Tick) -> Iterable[bytes]:
        """All of a second in one frame."""
        self._waiting += [
            {
                "price": number(one.price_e8),
                "size": number(-one.amount_e8 if one.side == "sell" else one.amount_e8),
                "time": one.ts_ms, "contract": self.stream.market_id,
            }
            for one in tick.liquidations.get(self.symbol, ())
        ]  # fmt: skip
        if self._waiting and self.market.now_ms % 1000 == 0:
            yield self.frame(self._waiting)
            self._waiting = []


_FEEDS: dict[str, Callable[[Stream, Spec, MarketModel], Feed]] = {
    "trades": Trades, "tickers": Tickers, "book_ticker": Quotes, "candlesticks": Candlesticks,
    "order_book": Whole, "order_book_update": Book, "obu": Obu, "public_liquidates": Liquidations,
}  # fmt: skip


class Encoder:
    """Turns the events of a market tick into payloads of the watched topics."""

    def __init__(self, specs: Iterable[Spec], market: MarketModel, *, partial: bool) -> None:
        self._market = market
        self._specs = {(address_of(spec), market_id(spec)): spec for spec in specs}
        self._feeds: dict[str, Feed] = {}
        self._partial = partial

    def watch(self, topic: str) -> None:
        """Begin to encode a topic; a market or a level that is not here stays silent (4)."""
        stream = parse(topic)
        spec = self._specs.get((stream.address, stream.market_id)) if stream else None
        silent = stream is not None and stream.channel == "obu" and stream.details[0] not in OBU
        if stream is not None and spec is not None and not silent:
            feed = _FEEDS[stream.channel](stream, spec, self._market)
            if isinstance(feed, Tickers):
                feed.partial = self._partial
            self._feeds[topic] = feed

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        self._feeds.pop(topic, None)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return what a new subscriber of a topic gets at once."""
        feed = self._feeds.get(topic)
        return feed.greet() if feed is not None else ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the payloads of one market tick."""
        tick = Tick(defaultdict(list), defaultdict(list), defaultdict(list), set())
        for event in events:
            kind = type(event)
            if kind is Trade:
                tick.trades[event.symbol].append(event)  # type: ignore[arg-type]
            elif kind is Quote:
                tick.quotes[event.symbol].append(event)  # type: ignore[arg-type]
            elif kind is Delta:
                tick.moved.add(event.symbol)
            elif kind is Liquidation:
                tick.liquidations[event.symbol].append(event)  # type: ignore[arg-type]
        return [(t, payload) for t, feed in self._feeds.items() for payload in feed.move(tick)]

    def restarted(self, symbol: str) -> list[tuple[str, bytes]]:
        """Return what the restart of a book brings."""
        feeds = [(t, feed) for t, feed in self._feeds.items() if feed.symbol == symbol]
        return [(topic, payload) for topic, feed in feeds for payload in feed.restart()]


def pairs(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Write levels as pairs."""
    return [(number(price), number(size)) for price, size in rows]


def base_volume(spec: Spec, volume: int, cost: int) -> int:
    """Return a volume in base currency, scaled by `E8`."""
    if spec.spot:
        return volume
    return cost // E8 if spec.inverse else int(volume * spec.contract_size)


def trade_row(spec: Spec, trade: Trade) -> dict[str, Any]:
    """Return a trade as streams have it (sections 5.1, 6.2); ids count by one (corrections)."""
    side = "sell" if trade.buyer_maker else "buy"
    if spec.spot:
        return {
            "id": trade.id, "id_market": trade.id, "create_time": trade.ts_ms // 1000,
            "create_time_ms": f"{trade.ts_ms}.{trade.id % 1000:03d}000", "side": side,
            "currency_pair": market_id(spec), "amount": number(trade.amount_e8),
            "price": number(trade.price_e8), "range": f"{trade.id}-{trade.id}",
        }  # fmt: skip
    size = -trade.amount_e8 if side == "sell" else trade.amount_e8
    return {
        "id": trade.id, "size": number(size), "create_time": trade.ts_ms // 1000,
        "create_time_ms": trade.ts_ms, "price": number(trade.price_e8),
        "contract": market_id(spec),
    }  # fmt: skip


def ticker(spec: Spec, market: MarketModel) -> dict[str, Any]:
    """Return a market's statistics: of the stream, and of REST (sections 5.2, 6.1)."""
    symbol, name = spec.symbol, market_id(spec)
    stats, quote = market.stats(symbol), market.quote(symbol)
    change = (stats.close - stats.open) * 100 * 10_000 // (stats.open or 1) / 10_000
    base = base_volume(spec, stats.volume, stats.cost)
    if spec.spot:
        return {
            "currency_pair": name, "last": number(stats.close),
            "lowest_ask": number(quote.ask_e8), "highest_bid": number(quote.bid_e8),
            "change_percentage": f"{change:.4f}", "base_volume": number(base),
            "quote_volume": number(stats.cost // E8), "high_24h": number(stats.high),
            "low_24h": number(stats.low),
        }  # fmt: skip
    mark, held = market.mark(symbol), market.open_interest(symbol)
    paid = number(stats.volume if spec.inverse else stats.cost // E8)
    row = {
        "contract": name, "last": number(stats.close), "change_percentage": f"{change:.4f}",
        "total_size": number(held.contracts_e8), "volume_24h": number(stats.volume),
        "volume_24h_base": number(base), "volume_24h_quote": paid,
        "volume_24h_settle": number(base) if spec.inverse else paid,
        "mark_price": number(mark.mark_e8), "index_price": number(mark.index_e8),
        "quanto_base_rate": "", "low_24h": number(stats.low), "high_24h": number(stats.high),
        "price_type": "last", "change_from": "24h",
        "change_price": number(stats.close - stats.open), "t": market.now_ms,
    }  # fmt: skip
    if spec.type != "swap":
        return row
    funding = market.funding(symbol)
    rate = number(funding.rate_e8)
    return {
        **row, "funding_rate": rate, "funding_rate_indicative": rate,
        "funding_interval": funding.interval_ms // 1000, "funding_offset": 0,
        "funding_next_apply": funding.next_ms // 1000,
    }  # fmt: skip
