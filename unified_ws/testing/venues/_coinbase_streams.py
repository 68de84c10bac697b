"""Coinbase Advanced Trade channels: names of topics and the frames that belong to them.

Section numbers are those of the project's protocol sheet for Coinbase. A topic is
"channel:product", or "heartbeats" alone. Every frame is written with number 0: the socket that it
goes to puts its own there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..market import TICK_MS, Candle, Delta, Event, MarketModel, Quote, Row, Trade
from ._coinbase_products import Products, change, moment, plain
from ._coinbase_rest import candle_row, trade_row

BEAT = "heartbeats"
CHANNELS = frozenset({"level2", "market_trades", "ticker", "ticker_batch", "candles"})
NUMBER = b'"sequence_num":0'
_TRADES_MS, _BATCH_MS, _SECOND_MS = 250, 5000, 1000  # 5.1, 5.3, 5.4
_GREETED_TRADES = 100
_NO_TIME = "1970-01-01T00:00:00Z"  # 5.2: of the levels of a first state


def framed(channel: str, now_ms: int, events: bytes) -> bytes:
    """Write a frame; live frames have no client_id since 2026."""
    at = moment(now_ms, "456789")
    head = f'{{"channel":"{channel}","timestamp":"{at}",'.encode()
    return b'%s%s,"events":%s}' % (head, NUMBER, events)


class Encoder:
    """Turns the events of a market tick into frames of the watched topics."""

    def __init__(self, products: Products, market: MarketModel) -> None:
        self._products = products
        self._market = market
        self._names: dict[str, str] = {}  # of watched products, by symbol
        self._watched: set[str] = set()
        self._pending: dict[str, list[Trade]] = {}
        self._candles: dict[str, Candle] = {}  # as last sent
        self._batched: dict[str, bytes] = {}
        self._beats = 41_691  # the counter of the server, not of a connection (3)

    def watch(self, topic: str) -> None:
        """Encode a topic from now on."""
        self._watched.add(topic)
        channel, _, name = topic.partition(":")
        if name:
            self._names[self._products.symbol(name)] = name
        if channel == "market_trades":
            self._pending[name] = []

    def unwatch(self, topic: str) -> None:
        """Encode a topic no more."""
        self._watched.discard(topic)
        channel, _, name = topic.partition(":")
        if channel == "market_trades":
            self._pending.pop(name, None)
        elif channel == "candles":
            self._candles.pop(name, None)

    def symbol_of(self, topic: str) -> str | None:
        """Return the symbol whose book a topic builds."""
        channel, _, name = topic.partition(":")
        return self._products.symbol(name) if channel == "level2" else None

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return the snapshot that every channel begins with."""
        channel, _, name = topic.partition(":")
        if channel == BEAT:
            return ()
        symbol = self._products.symbol(name)
        if channel == "level2":
            return (self.book(name),)
        if channel == "market_trades":
            untold = len(self._pending.get(name, ()))
            known = self._market.trades(symbol)
            told = known[: len(known) - untold][-_GREETED_TRADES:]
            return (self._trades(name, told, "snapshot"),)
        if channel == "candles":
            candles = self._market.candles(symbol, "5m")
            return (self._candle_frame(name, candles, "snapshot"),)
        return (self._ticker(channel, name, "snapshot"),)

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return the frames of a tick, in the order of its events."""
        out: list[tuple[str, bytes]] = []
        quoted: dict[str, None] = {}
        for event in events:
            name = self._names.get(event.symbol)
            if name is None:
                continue
            if type(event) is Delta:
                topic = f"level2:{name}"
                if topic in self._watched:
                    out.append((topic, self._delta(name, event)))
            elif type(event) is Trade:
                quoted[name] = None
                if name in self._pending:
                    self._pending[name].append(event)
            elif type(event) is Quote:
                quoted[name] = None
        told = [name for name in quoted if f"ticker:{name}" in self._watched]
        out += [(f"ticker:{name}", self._ticker("ticker", name, "update")) for name in told]
        self._periodic(out)
        return out

    def book(self, name: str) -> bytes:
        """Return the whole book of a product (6.1)."""
        _, bids, asks = self._market.rows(self._products.symbol(name))
        rows = _changes("bid", bids, _NO_TIME) + _changes("offer", asks, _NO_TIME)
        return framed("l2_data", self._market.now_ms, _level2("snapshot", name, rows))

    def _delta(self, name: str, delta: Delta) -> bytes:
        at = moment(delta.ts_ms, "179")
        rows = _changes("bid", delta.bids, at) + _changes("offer", delta.asks, at)
        return framed("l2_data", delta.ts_ms, _level2("update", name, rows))

    def _periodic(self, out: list[tuple[str, bytes]]) -> None:
        now_ms = self._market.now_ms
        if _begins(now_ms, _TRADES_MS):
            for name, pending in self._pending.items():
                if pending:
                    out.append((f"market_trades:{name}", self._trades(name, pending, "update")))
                    pending.clear()
        if _begins(now_ms, _SECOND_MS):
            for topic in sorted(self._watched):
                if topic.startswith("candles:"):
                    out += self._running(topic)
        if _begins(now_ms, _BATCH_MS):
            for topic in sorted(self._watched):
                if topic.startswith("ticker_batch:"):
                    out += self._batch(topic)
        if _begins(now_ms, _SECOND_MS) and BEAT in self._watched:
            out.append((BEAT, self._beat()))

    def _running(self, topic: str) -> list[tuple[str, bytes]]:
        """Return the running candle, and the one before it where that has changed since."""
        name = topic.partition(":")[2]
        candles = self._market.candles(self._products.symbol(name), "5m")
        before = self._candles.get(name)
        found = [c for c in candles[-2:] if before is None or c.open_ms >= before.open_ms]
        if before is not None:
            found = [c for c in found if c.open_ms > before.open_ms or c.last_id != before.last_id]
        if not found:
            return []
        self._candles[name] = msgspec.structs.replace(found[-1])
        return [(topic, self._candle_frame(name, found, "update"))]

    def _batch(self, topic: str) -> list[tuple[str, bytes]]:
        channel, _, name = topic.partition(":")
        row = msgspec.json.encode(self._statistics(name))
        if self._batched.get(name) == row:
            return []
        self._batched[name] = row
        return [(topic, self._ticker(channel, name, "update"))]

    def _beat(self) -> bytes:
        self._beats += 1
        now_ms = self._market.now_ms
        day, _, clock = moment(now_ms, "840045").rstrip("Z").partition("T")
        beat = {
            "current_time": f"{day} {clock} +0000 UTC m=+{self._beats}.260485341",
            "heartbeat_counter": self._beats,
        }
        return framed(BEAT, now_ms, msgspec.json.encode([beat]))

    def _trades(self, name: str, trades: Sequence[Trade], kind: str) -> bytes:
        rows = [trade_row(trade, name) for trade in reversed(trades)]  # 5.1: newest first
        return self._frame("market_trades", {"type": kind, "trades": rows})

    def _candle_frame(self, name: str, candles: Sequence[Candle], kind: str) -> bytes:
        rows = [{**candle_row(candle), "product_id": name} for candle in candles]
        return self._frame("candles", {"type": kind, "candles": rows})

    def _ticker(self, channel: str, name: str, kind: str) -> bytes:
        return self._frame(channel, {"type": kind, "tickers": [self._statistics(name)]})

    def _frame(self, channel: str, event: dict[str, Any]) -> bytes:
        return framed(channel, self._market.now_ms, msgspec.json.encode([event]))

    def _statistics(self, name: str) -> dict[str, str]:
        symbol = self._products.symbol(name)
        stats, quote = self._market.stats(symbol), self._market.quote(symbol)
        return {
            "type": "ticker",
            "product_id": name,
            "price": plain(stats.close),
            "volume_24_h": plain(stats.volume),
            "low_24_h": plain(stats.low),
            "high_24_h": plain(stats.high),
            "low_52_w": plain(stats.low),
            "high_52_w": plain(stats.high),
            "price_percent_chg_24_h": change(self._market, symbol),
            "best_bid": plain(quote.bid_e8),
            "best_ask": plain(quote.ask_e8),
            "best_bid_quantity": plain(quote.bid_amount_e8),
            "best_ask_quantity": plain(quote.ask_amount_e8),
        }


def _begins(now_ms: int, every_ms: int) -> bool:
    """Tell whether a period has begun with this tick."""
    return now_ms // every_ms != (now_ms - TICK_MS) // every_ms


def _changes(side: str, rows: Iterable[Row], at: str) -> list[str]:
    return [
        f'{{"side":"{side}","event_time":"{at}",'
        f'"price_level":"{plain(price)}","new_quantity":"{plain(amount)}"}}'
        for price, amount in rows
    ]


def _level2(kind: str, name: str, rows: Iterable[str]) -> bytes:
    return f'[{{"type":"{kind}","product_id":"{name}","updates":[{",".join(rows)}]}}]'.encode()
