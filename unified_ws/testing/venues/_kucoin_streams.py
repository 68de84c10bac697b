"""KuCoin's classic sockets: what each topic sends with each market tick.

Section numbers are those of the project's protocol sheet for KuCoin.
"""

from __future__ import annotations

import abc
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..market import (
    E8,
    Delta,
    Event,
    Funding,
    Mark,
    MarketModel,
    OpenInterest,
    Quote,
    Row,
    Spec,
    Trade,
    open_ms,
)
from ._kucoin_markets import TYPES, Stream, amount, lots, market_id, number, text

NS = 1_000_000
_SNAPSHOT_MS, _CONTRACT_DAY_MS = 2000, 5000  # 5, 6
_encode = msgspec.json.encode


class Tick(msgspec.Struct):
    """What a market tick brought, by symbol."""

    trades: defaultdict[str, list[Trade]]
    quotes: defaultdict[str, list[Quote]]
    deltas: dict[str, Delta]
    marks: dict[str, Mark]
    fundings: dict[str, Funding]
    interests: dict[str, OpenInterest]

    @classmethod
    def of(cls, events: Iterable[Event]) -> Tick:
        """Sort the events of a tick."""
        tick = cls(defaultdict(list), defaultdict(list), {}, {}, {}, {})
        for event in events:
            if type(event) is Trade:
                tick.trades[event.symbol].append(event)
            elif type(event) is Quote:
                tick.quotes[event.symbol].append(event)
            elif type(event) is Delta:
                tick.deltas[event.symbol] = event
            elif type(event) is Mark:
                tick.marks[event.symbol] = event
            elif type(event) is Funding:
                tick.fundings[event.symbol] = event
            elif type(event) is OpenInterest:
                tick.interests[event.symbol] = event
        return tick


class Feed(abc.ABC):
    """One watched topic."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        self.stream = stream
        self.spec = spec
        self.symbol = spec.symbol
        self.market = market
        self.begun_ms: int | None = None

    @abc.abstractmethod
    def move(self, tick: Tick) -> Iterable[bytes]:
        """Return what a tick brings to subscribers."""

    def begun(self) -> None:
        """Note that a socket has begun the topic."""
        self.begun_ms = self.market.now_ms

    def restart(self) -> Sequence[bytes]:
        """Return what the restart of the book brings."""
        return ()

    def frame(self, subject: str, data: Any, **more: Any) -> bytes:
        """Write a frame (4.1)."""
        head = {"topic": self.stream.topic, "type": "message", "subject": subject}
        return _encode({**head, **more, "data": data})


class Matches(Feed):
    """Sections 5, 6: each trade, its time in nanoseconds."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """One frame a trade."""
        for trade in tick.trades.get(self.symbol, ()):
            side, ns = "sell" if trade.buyer_maker else "buy", trade.ts_ms * NS
            row: dict[str, Any] = {
                "symbol": self.stream.market_id, "side": side, "price": text(trade.price_e8),
                "size": amount(self.spec, trade.amount_e8), "tradeId": str(trade.id),
                "takerOrderId": f"{trade.agg_id:018d}", "makerOrderId": f"{trade.id:024x}",
            }  # fmt: skip
            if self.spec.spot:
                row |= {"sequence": str(trade.id), "time": str(ns), "type": "match"}
                yield self.frame("trade.l3match", row)
            else:
                yield self.frame("match", {**row, "sequence": trade.id, "ts": ns}, sn=trade.id)


def changes(delta: Delta) -> list[tuple[int, str, Row]]:
    """Give each changed level a sequence: removals first, so that no state between is crossed."""
    rows = [("buy", row) for row in delta.bids] + [("sell", row) for row in delta.asks]
    rows.sort(key=lambda one: one[1][1] > 0)
    first = delta.last_id - len(rows) + 1
    return [(first + n, side, row) for n, (side, row) in enumerate(rows)]


class SpotChanges(Feed):
    """Section 8.1: a frame of all changes of a tick; orders that rest in no level have price 0."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """One frame, its rows by price and not by sequence (as recorded in 2022)."""
        delta = tick.deltas.get(self.symbol)
        if delta is None:
            return
        made = changes(delta)
        sides: dict[str, list[tuple[str, str, str]]] = {"sell": [], "buy": []}
        for sequence, side, (price, size) in made:
            sides[side].append((text(price), text(size), str(sequence)))
        for rows in sides.values():
            rows.sort(key=lambda row: float(row[0]))
        if delta.last_id - len(made) >= delta.first_id:
            sides["sell"].append(("0", "0", str(delta.first_id)))
        data = {
            "changes": {"asks": sides["sell"], "bids": sides["buy"]},
            "sequenceStart": delta.first_id, "sequenceEnd": delta.last_id,
            "symbol": self.stream.market_id, "time": delta.ts_ms,
        }  # fmt: skip
        yield self.frame("trade.l2update", data)


class FuturesChanges(Feed):
    """Section 8.2: one change a frame, each sequence follows the last by one."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """A frame for each sequence of the tick."""
        delta = tick.deltas.get(self.symbol)
        if delta is None:
            return
        made = changes(delta)
        for sequence in range(delta.first_id, delta.last_id - len(made) + 1):
            yield self._change(sequence, "0,buy,0", delta.ts_ms)
        for sequence, side, (price, size) in made:
            yield self._change(sequence, f"{text(price)},{side},{lots(size)}", delta.ts_ms)

    def _change(self, sequence: int, change: str, ts_ms: int) -> bytes:
        data = {"sequence": sequence, "change": change, "timestamp": ts_ms}
        return self.frame("level2", data, sn=sequence)


class WholeBook(Feed):
    """Sections 5, 6: the best 5 or 50 levels, each 100 ms in which they may have changed."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The book as it is."""
        if self.symbol not in tick.deltas:
            return
        depth = int(self.stream.channel.partition("Depth")[2])
        last_id, bids, asks = self.market.rows(self.symbol, depth)
        now_ms = self.market.now_ms
        data: dict[str, Any] = {"asks": self._rows(asks), "bids": self._rows(bids)}
        if self.spec.spot:
            yield self.frame("level2", {**data, "timestamp": now_ms})
        else:
            data |= {"sequence": last_id, "timestamp": now_ms, "ts": now_ms}
            yield self.frame("level2", data, sn=now_ms)

    def _rows(self, rows: Iterable[Row]) -> list[tuple[str, str | int]]:
        return [(text(price), amount(self.spec, size)) for price, size in rows]


class Quotes(Feed):
    """Section 5 `level1`: at most each 10 ms, here the last of a tick; section 6 `tickerV2`: all."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """Best bid and ask."""
        quotes = tick.quotes.get(self.symbol, [])
        if self.spec.spot:
            for quote in quotes[-1:]:
                data: dict[str, Any] = {
                    "asks": [text(quote.ask_e8), text(quote.ask_amount_e8)],
                    "bids": [text(quote.bid_e8), text(quote.bid_amount_e8)],
                    "timestamp": quote.ts_ms,
                }  # fmt: skip
                yield self.frame("level1", data)
            return
        for quote in quotes:
            data = {"symbol": self.stream.market_id, "sequence": quote.id, **best(quote)}
            yield self.frame("tickerV2", {**data, "ts": quote.ts_ms * NS}, sn=quote.id)


def best(quote: Quote) -> dict[str, Any]:
    """Write best bid and ask as futures have them (6)."""
    return {
        "bestBidSize": lots(quote.bid_amount_e8), "bestBidPrice": text(quote.bid_e8),
        "bestAskPrice": text(quote.ask_e8), "bestAskSize": lots(quote.ask_amount_e8),
    }  # fmt: skip


class Tickers(Feed):
    """Section 5 `/market/ticker`: each 100 ms with a change; section 6 `ticker`: likewise here."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """Last price, best bid and ask."""
        if self.symbol not in tick.quotes and self.symbol not in tick.trades:
            return
        last, quote = self.market.last_trade(self.symbol), self.market.quote(self.symbol)
        if self.spec.spot:
            data: dict[str, Any] = {
                "bestAsk": text(quote.ask_e8), "bestAskSize": text(quote.ask_amount_e8),
                "bestBid": text(quote.bid_e8), "bestBidSize": text(quote.bid_amount_e8),
                "price": text(last.price_e8), "sequence": str(quote.id),
                "size": text(last.amount_e8), "time": self.market.now_ms,
            }  # fmt: skip
            whole = self.stream.market_id == "all"
            yield self.frame(market_id(self.spec) if whole else "trade.ticker", data)
            return
        side = "sell" if last.buyer_maker else "buy"
        data = {
            "symbol": self.stream.market_id, "sequence": last.id, "side": side,
            "size": lots(last.amount_e8), "price": text(last.price_e8), **best(quote),
            "tradeId": str(last.id), "ts": self.market.now_ms * NS,
        }  # fmt: skip
        yield self.frame("ticker", data, sn=last.id)


class Days(Feed):
    """Sections 5, 6 `snapshot`: the statistics of a day, each 2 or 5 s."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """Numbers, not texts."""
        now_ms = self.market.now_ms
        if now_ms % (_SNAPSHOT_MS if self.spec.spot else _CONTRACT_DAY_MS):
            return
        stats, quote = self.market.stats(self.symbol), self.market.quote(self.symbol)
        rate = round((stats.close - stats.open) / stats.open, 4)
        if not self.spec.spot:
            data = {
                "highPrice": number(stats.high), "lastPrice": number(stats.close),
                "lowPrice": number(stats.low), "price24HoursBefore": number(stats.open),
                "priceChg": number(stats.close - stats.open), "priceChgPct": rate,
                "symbol": self.stream.market_id, "ts": now_ms * NS,
                "turnover": stats.cost / E8 / E8,
                "volume": stats.volume / E8 * float(self.spec.contract_size),
            }  # fmt: skip
            yield self.frame("snapshot.24h", data, id=f"{now_ms:024x}")
            return
        day = {
            "askSize": number(quote.ask_amount_e8), "averagePrice": number(stats.open),
            "baseCurrency": self.spec.base, "bidSize": number(quote.bid_amount_e8), "board": 1,
            "buy": number(quote.bid_e8), "sell": number(quote.ask_e8),
            "changePrice": number(stats.close - stats.open), "changeRate": rate,
            "close": number(stats.close), "datetime": now_ms, "high": number(stats.high),
            "lastTradedPrice": number(stats.close), "low": number(stats.low),
            "makerCoefficient": 1.0, "makerFeeRate": 0.001, "marginTrade": True, "mark": 0,
            "market": "USDS", "markets": ["USDS"], "open": number(stats.open),
            "quoteCurrency": self.spec.quote, "siteTypes": ["global"], "sort": 100,
            "symbol": self.stream.market_id, "symbolCode": self.stream.market_id,
            "takerCoefficient": 1.0, "takerFeeRate": 0.001, "trading": True,
            "vol": number(stats.volume), "volValue": stats.cost / E8 / E8,
        }  # fmt: skip
        data = {"sequence": str(quote.id), "data": day}
        yield self.frame("trade.snapshot", data)


class Candles(Feed):
    """Sections 5, 6: open, close, high, low; with each tick that trades."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The candle of this moment; one that a trade of this tick has ended comes before it."""
        trades = tick.trades.get(self.symbol)
        if not trades:
            return
        timeframe = TYPES[self.stream.detail]
        touched = {open_ms(trade.ts_ms, timeframe) for trade in trades}
        for candle in self.market.candles(self.symbol, timeframe)[-2:]:
            if candle.open_ms not in touched:
                continue
            volume, cost = text(candle.volume), text(candle.cost // E8)
            row = [
                str(candle.open_ms // 1000),
                *map(text, (candle.open, candle.close, candle.high, candle.low)),
                *((volume, cost) if self.spec.spot else (cost, volume)),
            ]
            at = self.market.now_ms * (NS if self.spec.spot else 1)
            data = {"symbol": self.stream.market_id, "candles": row, "time": at}
            subject = "trade.candles.update" if self.spec.spot else "candle.stick"
            yield self.frame(subject, data)


class Instrument(Feed):
    """Section 6: mark and index each second, the funding rate each minute."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """Two subjects of one topic, neither of which names the market."""
        mark, funding = tick.marks.get(self.symbol), tick.fundings.get(self.symbol)
        if mark:
            data = {"markPrice": number(mark.mark_e8), "indexPrice": number(mark.index_e8)}
            rest = {"granularity": 1000, "timestamp": mark.ts_ms}
            yield self.frame("mark.index.price", {**data, **rest})
        if funding and funding.ts_ms % 60_000 == 0:
            rate = {"fundingRate": number(funding.rate_e8), "timestamp": funding.ts_ms}
            yield self.frame("funding.rate", {"granularity": 60_000, **rate})


FEEDS: dict[str, type[Feed]] = {
    "/market/match": Matches, "/contractMarket/execution": Matches,
    "/market/level2": SpotChanges, "/contractMarket/level2": FuturesChanges,
    "/spotMarket/level2Depth5": WholeBook, "/spotMarket/level2Depth50": WholeBook,
    "/contractMarket/level2Depth5": WholeBook, "/contractMarket/level2Depth50": WholeBook,
    "/spotMarket/level1": Quotes, "/contractMarket/tickerV2": Quotes,
    "/market/ticker": Tickers, "/contractMarket/ticker": Tickers,
    "/market/snapshot": Days, "/contractMarket/snapshot": Days,
    "/market/candles": Candles, "/contractMarket/limitCandle": Candles,
    "/contract/instrument": Instrument,
}  # fmt: skip
