"""`unified-ws watch`: a table on a terminal, lines in a pipe, ccxt's dicts with `--json`."""

from __future__ import annotations

import abc
import argparse
import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from unified_ws.cli_output import Output, Screen
from unified_ws.cli_source import opened, say
from unified_ws.core.actions import Notice
from unified_ws.errors import StreamDown
from unified_ws.exchange import Exchange
from unified_ws.facts import Kind
from unified_ws.formats import iso8601
from unified_ws.running import run

_REDRAW_S = 0.25
_RATE_S = 5.0
_TOLD = frozenset({"disconnected", "down", "gap", "lagging", "loop_lag", "recovered", "up"})
"""Events that somebody who watches wants to hear of."""


def watch(options: argparse.Namespace) -> int:
    """Show live data until the time is over, a signal comes or the reader has enough."""
    try:
        run(_watch(options))
    except* BrokenPipeError:
        pass  # `| head` has what it wanted
    return 0


async def _watch(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        ex = await stack.enter_async_context(opened(options))
        output = Output(sys.stdout.fileno())
        stack.push_async_callback(output.close)
        view = _view(options)
        table = not options.json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        shown: _Lines | _Table
        if table:
            shown = _Table(ex, view, options, Screen(output))
            stack.push_async_callback(shown.close)
        else:
            shown = _Lines(view, output, as_json=options.json)
        ex.on("*", shown.told)
        limit = asyncio.timeout(options.seconds)
        try:
            async with limit, asyncio.TaskGroup() as group:
                for symbol in dict.fromkeys(options.symbols):
                    group.create_task(_follow(ex, symbol, view, shown))
                group.create_task(shown.refresh())
        except TimeoutError:
            if not limit.expired():
                raise
            _insist_on_contact(ex)


async def _follow(ex: Exchange, symbol: str, view: _View, shown: _Lines | _Table) -> None:
    while True:
        await shown.show(symbol, await view.read(ex, symbol))


def _insist_on_contact(ex: Exchange) -> None:
    """Raise if the time is over and some stream has never been up."""
    for stream in ex.status()["streams"]:
        if stream["verdict"] in ("connecting", "down"):
            text = f"{ex.id}: {stream['kind']} of {stream['symbol']}: {stream['reason']}"
            raise StreamDown(text, reason=stream["reason"], age_s=0.0, retry_in_s=None)


# --- what is watched -------------------------------------------------------------------------


class _View(abc.ABC):
    """One kind of data: how it is read, and how an item looks as a line and in a table."""

    kind: Kind
    columns: Sequence[str]

    @abc.abstractmethod
    async def read(self, ex: Exchange, symbol: str) -> Sequence[dict[str, Any]]:
        """Wait for news of a symbol, as ccxt's dicts."""

    @abc.abstractmethod
    def line(self, item: dict[str, Any]) -> str:
        """Return an item as text."""

    @abc.abstractmethod
    def cells(self, recent: Sequence[dict[str, Any]]) -> Sequence[str]:
        """Return the cells of `columns` for the newest items of a symbol, at least one."""


class _Trades(_View):
    kind = Kind.TRADES
    columns = ("LAST", "SIDE", "AMOUNT", "BEFORE")

    async def read(self, ex: Exchange, symbol: str) -> Sequence[dict[str, Any]]:
        return await ex.watch_trades(symbol)  # type: ignore[return-value]  # TypedDicts are dicts

    def line(self, item: dict[str, Any]) -> str:
        return f"{_text(item['side'])} {_text(item['amount'])} at {_text(item['price'])}"

    def cells(self, recent: Sequence[dict[str, Any]]) -> Sequence[str]:
        last, before = recent[-1], recent[-2:-5:-1]
        prices = " ".join(_text(item["price"]) for item in before)
        return _text(last["price"]), _text(last["side"]), _text(last["amount"]), prices


class _Book(_View):
    kind = Kind.BOOK
    columns = ("BID SIZE", "BID", "ASK", "ASK SIZE", "SPREAD", "ROWS")

    def __init__(self, depth: int) -> None:
        self._depth = depth

    async def read(self, ex: Exchange, symbol: str) -> Sequence[dict[str, Any]]:
        return [await ex.watch_order_book(symbol, self._depth)]  # type: ignore[list-item]  # as above

    def line(self, item: dict[str, Any]) -> str:
        bid_size, bid, ask, ask_size, spread, rows = self.cells([item])
        return f"bid {bid_size} at {bid}, ask {ask_size} at {ask}, spread {spread}, rows {rows}"

    def cells(self, recent: Sequence[dict[str, Any]]) -> Sequence[str]:
        bids, asks = recent[-1]["bids"], recent[-1]["asks"]
        bid, bid_size = bids[0] if bids else (None, None)
        ask, ask_size = asks[0] if asks else (None, None)
        spread = "-" if bid is None or ask is None else f"{ask - bid:.8g}"
        sides = (_text(bid_size), _text(bid), _text(ask), _text(ask_size))
        return *sides, spread, f"{len(bids)}+{len(asks)}"


class _Ticker(_View):
    kind = Kind.TICKER
    columns = ("LAST", "BID", "ASK", "CHANGE %", "VOLUME")
    _KEYS = ("last", "bid", "ask", "percentage", "baseVolume")

    async def read(self, ex: Exchange, symbol: str) -> Sequence[dict[str, Any]]:
        return [await ex.watch_ticker(symbol)]  # type: ignore[list-item]  # as above

    def line(self, item: dict[str, Any]) -> str:
        last, bid, ask, change, volume = self.cells([item])
        return f"last {last}, bid {bid}, ask {ask}, change {change} %, volume {volume}"

    def cells(self, recent: Sequence[dict[str, Any]]) -> Sequence[str]:
        return [_text(recent[-1][key]) for key in self._KEYS]


class _Candles(_View):
    kind = Kind.OHLCV
    columns = ("OPENED", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "CLOSED")
    _KEYS = ("datetime", "open", "high", "low", "close", "volume", "closed")

    def __init__(self, timeframe: str) -> None:
        self._timeframe = timeframe

    async def read(self, ex: Exchange, symbol: str) -> Sequence[dict[str, Any]]:
        rows: Sequence[Any] = await ex.watch_ohlcv(symbol, self._timeframe)
        # ccxt's candle is a bare list: named here, so that a line can be read by itself.
        return [
            {
                "symbol": symbol, "timeframe": self._timeframe, "timestamp": row[0],
                "datetime": iso8601(row[0]), "open": row[1], "high": row[2], "low": row[3],
                "close": row[4], "volume": row[5], "closed": row.closed,
            }
            for row in rows
        ]  # fmt: skip

    def line(self, item: dict[str, Any]) -> str:
        opened_, *prices, volume, closed = self.cells([item])
        state = "closed" if closed == "yes" else "open"
        return f"{self._timeframe} from {opened_}: {' '.join(prices)}, volume {volume}, {state}"

    def cells(self, recent: Sequence[dict[str, Any]]) -> Sequence[str]:
        return [_text(recent[-1][key]) for key in self._KEYS]


def _view(options: argparse.Namespace) -> _View:
    if options.book:
        return _Book(options.book)
    if options.ticker:
        return _Ticker()
    if options.ohlcv:
        return _Candles(options.ohlcv)
    return _Trades()


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


# --- how it is shown -------------------------------------------------------------------------


class _Lines:
    """One line an item, at once."""

    def __init__(self, view: _View, output: Output, *, as_json: bool) -> None:
        self._view = view
        self._output = output
        self._as_json = as_json

    async def show(self, symbol: str, items: Sequence[dict[str, Any]]) -> None:
        """Write the items."""
        for item in items:
            await self._output.put(f"{self._line(symbol, item)}\n")

    def told(self, notice: Notice) -> None:
        """Say on stderr what somebody who watches wants to know."""
        if notice.event in _TOLD:
            say(_sentence(notice))

    async def refresh(self) -> None:
        """Do nothing: lines stay as they are."""

    def _line(self, symbol: str, item: dict[str, Any]) -> str:
        if self._as_json:
            return json.dumps(item)
        when = item.get("datetime") or iso8601(time.time_ns() // 1_000_000)
        return f"{when} {symbol} {self._view.line(item)}"


class _Recent:
    """What a table shows of one symbol."""

    def __init__(self) -> None:
        self.items: deque[dict[str, Any]] = deque(maxlen=5)
        self.counts: deque[tuple[float, int]] = deque()
        self.delay_ms: float | None = None

    def add(self, items: Sequence[dict[str, Any]], now: float) -> None:
        self.items.extend(items)
        self.counts.append((now, len(items)))
        stamp = items[-1].get("timestamp") if items else None
        self.delay_ms = time.time() * 1000 - stamp if stamp else None

    def rate(self, now: float, since: float) -> float:
        while self.counts and self.counts[0][0] < now - _RATE_S:
            self.counts.popleft()
        return sum(n for _, n in self.counts) / max(0.5, min(_RATE_S, now - since))


class _Table:
    """One row a symbol, redrawn four times a second."""

    def __init__(
        self, ex: Exchange, view: _View, options: argparse.Namespace, screen: Screen
    ) -> None:
        self._ex = ex
        self._view = view
        self._fake = options.fake
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._recent = {symbol: _Recent() for symbol in dict.fromkeys(options.symbols)}
        self._footer = "Ctrl-C ends."

    async def show(self, symbol: str, items: Sequence[dict[str, Any]]) -> None:
        """Note the items for the next picture."""
        self._recent[symbol].add(items, self._loop.time())

    def told(self, notice: Notice) -> None:
        """Note the last thing that happened."""
        if notice.event in _TOLD:
            self._footer = f"{time.strftime('%H:%M:%S')} {_sentence(notice)}"

    async def refresh(self) -> None:
        """Draw again and again."""
        while True:
            await self._draw()
            await asyncio.sleep(_REDRAW_S)

    async def close(self) -> None:
        """Draw the last state, and leave the terminal as it was."""
        await self._draw()
        await self._screen.close()

    async def _draw(self) -> None:
        status = self._ex.status()
        # The delay is a candle's age otherwise: its timestamp is its beginning.
        delay = () if self._view.kind is Kind.OHLCV else ("DELAY ms",)
        columns = ("SYMBOL", *self._view.columns, "PER S", *delay, "HEALTH")
        verdicts = {s["symbol"]: s["verdict"] for s in status["streams"]}
        now = self._loop.time()
        rows = []
        for symbol, recent in self._recent.items():
            cells = self._view.cells(list(recent.items)) if recent.items else ["-"] * len(columns)
            late = "-" if recent.delay_ms is None else f"{recent.delay_ms:.0f}"
            rows.append([
                symbol, *cells[: len(self._view.columns)],
                f"{recent.rate(now, self._since):.1f}", *([late] if delay else []),
                verdicts.get(symbol, "connecting"),
            ])  # fmt: skip
        await self._screen.draw(self._header(status), columns, rows, self._footer)

    def _header(self, status: dict[str, Any]) -> str:
        latency = self._ex.latency_ms
        parts = [f"{status['venue']} {self._view.kind.value}", status["environment"]]
        if self._fake:
            parts.append("embedded fake, a made-up market")
        if status["gateway"]:
            parts.append(f"gateway {status['gateway']}")
        parts.append(f"connections {len(status['connections'])}")
        if latency is not None:
            parts.append(f"latency {latency:.1f} ms")
        parts += [f"{key} {status[key]}" for key in ("gaps", "quarantined") if status[key]]
        return " | ".join(parts)


def _sentence(notice: Notice) -> str:
    about = f" {notice.kind} {notice.symbol}" if notice.symbol else ""
    return f"{notice.event}{about}: {notice.reason}" if notice.reason else notice.event + about


__all__ = ["watch"]
