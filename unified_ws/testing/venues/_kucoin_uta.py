"""KuCoin's UTA gateways: what each topic sends with each market tick.

Section numbers are those of the project's protocol sheet for KuCoin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..market import E8, Delta, MarketModel, Row, Spec, next_open_ms, open_ms
from ..side import Window
from ._kucoin_markets import TYPES, Stream, lots, text
from ._kucoin_streams import NS, Feed, Tick

LATE_MS = 500  # 8.4: how long after the answer the first state of a book comes
_DEPTH = 500
_encode = msgspec.json.encode


class UtaFeed(Feed):
    """One watched topic; frames name their channel and trade type, all but two (4.2, 7)."""

    def told(self, data: dict[str, Any], **more: Any) -> bytes:
        """Write a frame: `P` is when it was sent, in ns."""
        pushed = str(self.market.now_ms * NS + 787_520)
        return _encode({"T": self.stream.channel, **more, "P": pushed, "d": data})

    def size(self, value: int) -> str:
        """Write an amount: UTA has texts everywhere."""
        return text(value) if self.spec.spot else str(lots(value))

    def rows(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        """Write levels."""
        return [(text(price), self.size(amount)) for price, amount in rows]


class UtaTickers(UtaFeed):
    """`a` and `A` are the best ask."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """One frame a change of best bid or ask."""
        last = self.market.last_trade(self.symbol)
        for quote in tick.quotes.get(self.symbol, ()):
            yield self.told({
                "A": self.size(quote.ask_amount_e8), "B": self.size(quote.bid_amount_e8),
                "E": quote.id, "M": str(quote.ts_ms * NS), "S": "SELL" if last.buyer_maker else "BUY",
                "a": text(quote.ask_e8), "b": text(quote.bid_e8), "l": text(last.price_e8),
                "q": self.size(last.amount_e8), "s": self.stream.market_id,
            })  # fmt: skip


class UtaTrades(UtaFeed):
    """Sides in small letters, ids and times as texts."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """One frame a trade."""
        for trade in tick.trades.get(self.symbol, ()):
            yield self.told({
                "E": str(trade.id), "M": str(trade.ts_ms * NS), "S": "sell" if trade.buyer_maker else "buy",
                "p": text(trade.price_e8), "q": self.size(trade.amount_e8),
                "s": self.stream.market_id, "ti": str(trade.id),
            })  # fmt: skip


class UtaCandles(UtaFeed):
    """`S` says whether a candle is final."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        super().__init__(stream, spec, market)
        self._shown = 0

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The candle of this moment, and once the one that has ended, as final."""
        timeframe = TYPES[self.stream.detail]
        now = open_ms(self.market.now_ms - 1, timeframe)
        for candle in self.market.candles(self.symbol, timeframe)[-2:]:
            final = candle.open_ms < now
            traded = self.symbol in tick.trades and not final
            if not traded and not (final and candle.open_ms == self._shown):
                continue
            self._shown = 0 if final else candle.open_ms
            yield self.told({
                "a": text(candle.cost // E8), "s": self.stream.market_id,
                "C": next_open_ms(candle.open_ms, timeframe) // 1000, "c": text(candle.close),
                "S": final, "v": self.size(candle.volume), "h": text(candle.high),
                "i": self.stream.detail, "l": text(candle.low), "O": candle.open_ms // 1000,
                "o": text(candle.open),
            })  # fmt: skip


class UtaBook(UtaFeed):
    """Depth 1, 5, 50: whole books (8.3)."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The book as it is, where it may have changed in sight."""
        shallow = self.stream.detail == "1"
        if self.symbol not in (tick.quotes if shallow else tick.deltas):
            return
        last_id, bids, asks = self.market.rows(self.symbol, int(self.stream.detail))
        yield self.book("snapshot", last_id, last_id, bids, asks)

    def book(
        self, kind: str, first: int, last: int, bids: Iterable[Row], asks: Iterable[Row]
    ) -> bytes:
        """Write a state or a change."""
        data = {
            "C": last, "M": str(self.market.now_ms * NS), "O": first, "a": self.rows(asks),
            "b": self.rows(bids), "s": self.stream.market_id,
        }  # fmt: skip
        return self.told(data, dp=self.stream.detail, t=kind)


class UtaIncrements(UtaBook):
    """Section 8.4: changes at once, and the first state only some time after the answer."""

    def __init__(self, stream: Stream, spec: Spec, market: MarketModel) -> None:
        super().__init__(stream, spec, market)
        self._window = Window(market, spec.symbol, _DEPTH)

    def move(self, tick: Tick) -> Iterable[bytes]:
        """A change of what is in sight; the state after it, where a new socket waits for one."""
        delta: Delta | None = self._window.move()
        if delta is not None:
            yield self.book("delta", delta.first_id, delta.last_id, delta.bids, delta.asks)
        if self.begun_ms is not None and self.market.now_ms >= self.begun_ms + LATE_MS:
            self.begun_ms = None
            yield self._state()  # others on the topic get it too

    def restart(self) -> Sequence[bytes]:
        """A new state."""
        self._window.reset()
        return (self._state(),)

    def _state(self) -> bytes:
        window = self._window
        return self.book("snapshot", window.last_id, window.last_id, window.bids, window.asks)


class UtaMarks(UtaFeed):
    """Each second: mark, index and the open contracts."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """One frame."""
        mark, interest = tick.marks.get(self.symbol), tick.interests.get(self.symbol)
        if mark and interest:
            yield self.told({
                "s": self.stream.market_id, "mp": text(mark.mark_e8), "ip": text(mark.index_e8),
                "oi": str(lots(interest.contracts_e8)), "ts": mark.ts_ms,
            })  # fmt: skip


class UtaFundings(UtaFeed):
    """Each minute."""

    def move(self, tick: Tick) -> Iterable[bytes]:
        """The rate, and the interval it is for."""
        funding = tick.fundings.get(self.symbol)
        if funding and funding.ts_ms % 60_000 == 0:
            yield self.told({
                "s": self.stream.market_id, "fr": text(funding.rate_e8) if funding.rate_e8 >= 0 else f"-{text(-funding.rate_e8)}",
                "lfr": "0.00003", "ft": funding.next_ms - funding.interval_ms,
                "nt": funding.next_ms, "gl": funding.interval_ms, "fc": "0.00375", "ff": "-0.00375",
            })  # fmt: skip


UTA_FEEDS: dict[str, type[UtaFeed]] = {
    "ticker": UtaTickers, "trade": UtaTrades, "kline": UtaCandles, "mark-price": UtaMarks,
    "funding-fee": UtaFundings,
}  # fmt: skip


def uta_feed(stream: Stream, spec: Spec, market: MarketModel) -> UtaFeed:
    """Return the feed of a topic."""
    name = stream.channel.partition(".")[0]
    if name == "obu":
        increments = stream.detail.startswith("increment")
        return (UtaIncrements if increments else UtaBook)(stream, spec, market)
    return UTA_FEEDS[name](stream, spec, market)
