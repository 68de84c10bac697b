"""What an exchange object shows of itself: caches, health, events, and what `has` promises."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from unified_ws import formats
from unified_ws.core.actions import Notice
from unified_ws.core.books import BookStream
from unified_ws.core.ledger import Gap
from unified_ws.core.link import Link
from unified_ws.core.streams import Stream
from unified_ws.core.trades import TradeStream
from unified_ws.errors import CCXT_ERRORS
from unified_ws.events import BidAsk, FundingRate, MarkPrice
from unified_ws.facts import Kind
from unified_ws.shell.patience import link_of, trouble

if TYPE_CHECKING:
    from unified_ws.rest import RestBridge
    from unified_ws.shell.client import Client

H = TypeVar("H", bound=Callable[..., Any])
T = TypeVar("T")
EVENTS = frozenset({
    "closed", "closing", "connected", "disconnected", "down", "first_data", "gap", "lagging", "loop_lag",
    "quarantined", "recovered", "refused", "resync", "rotated", "rotating", "subscribed", "up",
})  # fmt: skip
_LEVELS = {
    "disconnected": logging.WARNING, "down": logging.WARNING, "gap": logging.WARNING,
    "lagging": logging.WARNING, "loop_lag": logging.WARNING, "quarantined": logging.WARNING,
    "refused": logging.ERROR, "resync": logging.WARNING,
}  # fmt: skip
_HAS = {
    Kind.TRADES: ("watchTrades", "watchTradesForSymbols"),
    Kind.BOOK: ("watchOrderBook", "watchOrderBookForSymbols"),
    Kind.TICKER: ("watchTicker", "watchTickers"),
    Kind.BIDS_ASKS: ("watchBidsAsks",),
    Kind.OHLCV: ("watchOHLCV", "watchOHLCVForSymbols"),
    Kind.MARK_PRICE: ("watchMarkPrice", "watchMarkPrices"),
    Kind.FUNDING_RATE: ("watchFundingRate", "watchFundingRates", "watchFundingRatesForSymbols"),
    Kind.LIQUIDATIONS: ("watchLiquidations", "watchLiquidationsForSymbols"),
    Kind.OPEN_INTEREST: (),  # only the typed face has it
}


class Explanation(msgspec.Struct, frozen=True):
    """Why a call waits: `text` in one sentence (also `str()`), `data` the facts behind it."""

    text: str
    data: dict[str, Any]

    def __str__(self) -> str:
        return self.text


class RowsView(Sequence[Any]):
    """The newest rows of a stream as ccxt's cache: a list to look at, built when looked at."""

    def __init__(self, rows: Callable[[], list[Any]], build: Callable[[Any], Any]) -> None:
        self._rows = rows
        self._build = build

    def __len__(self) -> int:
        return len(self._rows())

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows()
        if isinstance(index, slice):
            return [self._build(row) for row in rows[index]]
        return self._build(rows[index])

    def __iter__(self) -> Iterator[Any]:
        return iter([self._build(row) for row in self._rows()])

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def __add__(self, other: list[Any]) -> list[Any]:
        return list(self) + list(other)

    def __repr__(self) -> str:
        return repr(list(self))

    def copy(self) -> list[Any]:
        """Return the rows as a list of their own."""
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return deepcopy(list(self), memo)

    __hash__ = None  # type: ignore[assignment]  # it changes


class CacheView(Mapping[str, Any]):
    """One of ccxt's public caches: symbol -> what is known of it now."""

    def __init__(self, entries: Callable[[], dict[str, Callable[[], Any]]]) -> None:
        self._entries = entries

    def __getitem__(self, symbol: str) -> Any:
        return self._entries()[symbol]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def copy(self) -> dict[str, Any]:
        """Return the cache as a dict of its own."""
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return deepcopy(dict(self), memo)

    def __repr__(self) -> str:
        return repr(dict(self))


class Observe:
    """Health, events and caches of an exchange object (a mixin of `Exchange`)."""

    if TYPE_CHECKING:
        _bridge: RestBridge
        _running: Client | None
        _handlers: dict[str, list[Callable[[Notice], Any]]]

        def __getattr__(self, name: str) -> Any: ...

    # --- events -----------------------------------------------------------------------------

    def on(self, event: str, handler: H | None = None) -> Any:
        """Call `handler` with each `Notice` of `event`; also a decorator: `@ex.on("gap")`.

        Events: closed, closing, connected, disconnected, down, first_data, gap, lagging, loop_lag,
        quarantined, recovered, refused, resync, rotated, rotating, subscribed, up; `*` is all
        of them. Handlers may be plain functions or coroutine functions; what they raise is
        logged.

        Raises:
            BadRequest: There is no such event.
        """
        if event not in EVENTS and event != "*":
            known = ", ".join(sorted(EVENTS))
            raise CCXT_ERRORS["BadRequest"](f'{self.id}: no event "{event}" (there are: {known})')

        def register(function: H) -> H:
            self._handlers.setdefault(event, []).append(function)
            return function

        return register if handler is None else register(handler)

    def on_notice(self, notice: Notice) -> None:
        """Log one line a transition and call the handlers."""
        level = _LEVELS.get(notice.event, logging.INFO)
        if self._log_to.isEnabledFor(level):
            data = notice.data if isinstance(notice.data, (str, int, float)) else None
            fields = {
                "endpoint": notice.endpoint, "connection": notice.connection,
                "symbol": notice.symbol, "kind": notice.kind, "reason": notice.reason,
                "data": data,
            }  # fmt: skip
            said = " ".join(f"{k}={v}" for k, v in fields.items() if v not in ("", None))
            self._log_to.log(level, "%s %s", notice.event, self._bridge.redact(said))
        for handler in (*self._handlers.get(notice.event, ()), *self._handlers.get("*", ())):
            self._call(handler, notice)
        self._legacy(notice)

    def _call(self, handler: Callable[..., Any], *args: Any) -> None:
        try:
            result = handler(*args)
        except Exception:
            self._log_to.exception("a handler failed")
        else:
            if inspect.isawaitable(result):
                self._side_task(result)

    # ccxt's own hooks: people replace them or override them in a subclass.

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Do nothing; ccxt's hook for a new connection, yours to replace."""

    def on_error(self, client: Any, error: Any = None) -> None:
        """Do nothing; ccxt's hook for a lost connection, yours to replace."""

    def on_close(self, client: Any, error: Any = None) -> None:
        """Do nothing; ccxt's hook for a closed connection, yours to replace."""

    def handle_message(self, client: Any, message: Any) -> None:
        """Do nothing; ccxt's hook for every decoded message, yours to replace."""

    def _legacy(self, notice: Notice) -> None:
        if notice.event == "connected" and self._replaced("on_connected"):
            self._call(self.on_connected, self._client_view(notice.connection))
        elif notice.event in ("closed", "disconnected"):
            lost = notice.event == "disconnected"
            for name in ("on_error", "on_close") if lost else ("on_close",):
                if self._replaced(name):
                    error = CCXT_ERRORS["NetworkError"](notice.reason)
                    self._call(getattr(self, name), self._client_view(notice.connection), error)

    def _replaced(self, name: str) -> bool:
        return name in self.__dict__ or getattr(type(self), name) is not getattr(Observe, name)

    def _wants_frames(self) -> bool:
        return bool(self.rest.verbose) or self._replaced("handle_message") or self._taps != []

    def tap(self, function: Callable[[int, str, bytes], Any]) -> None:
        """Show every raw frame: `function(connection, "in" or "out", frame)`; costs time."""
        self._taps.append(function)
        if self._running is not None:
            self._running.tap = True

    def on_frame(self, link: int, direction: str, frame: bytes) -> None:
        """Show a frame to whoever asked to see them all."""
        for function in self._taps:
            self._call(function, link, direction, frame)
        if self.rest.verbose:
            text = self._bridge.redact(frame.decode("utf-8", "replace"))
            self.log(self.iso8601(self.milliseconds()), direction, text)
        if direction == "in" and self._replaced("handle_message"):
            try:
                message = msgspec.json.decode(frame)
            except msgspec.MsgspecError:
                message = frame
            self._call(self.handle_message, self._client_view(link), message)

    # --- health -----------------------------------------------------------------------------

    def status(self, symbol: str | None = None) -> dict[str, Any]:
        """Return how things are, as plain data: connections, streams, counters.

        Each stream has a `verdict`: `live` (data within 5 s), `quiet` (the connection is proven
        alive, nothing to say), `resyncing` (a book starts again), `connecting`, `down`, with
        `reason` and `age_s`, the seconds since its last data.

        Args:
            symbol: Only the streams of this market.
        """
        client = self._running
        engine = client.engine if client else None
        gateway = self._settings.gateway
        now = client.loop.time() if client else 0.0
        return {
            "venue": self.id,
            "environment": self._environment,
            "gateway": gateway.base if gateway else None,
            "account": self._settings.account,
            "running": client is not None,
            "connections": [
                self._link_status(link, now) for link in (engine.links.values() if engine else ())
            ],
            "streams": [
                self._stream_status(stream, now)
                for stream in (engine.streams.values() if engine else ())
                if symbol is None or stream.symbol == symbol
            ],
            "quarantined": engine.quarantine.count if engine else 0,
            "unclaimed_frames": engine.unclaimed if engine else 0,
            "skipped_rows": engine.skipped if engine else 0,
            "repeated_frames": engine.repeated if engine else 0,
            "gaps": len(self.gaps(symbol)),
            "loop_lag_ms": round(client.loop_lag_ms, 3) if client else 0.0,
            "loop_lag_max_ms": round(client.loop_lag_max_ms, 3) if client else 0.0,
            "rest_weight_used": sum(b.spent(now) for b in client.rest_budgets.values())
            if client
            else 0.0,
        }

    def _link_status(self, link: Link, now: float) -> dict[str, Any]:
        machine = link.machine
        return {
            "connection": link.number, "endpoint": link.endpoint_name,
            "url": self.redirected(self.socket_url(link.endpoint_name)),
            "state": machine.state.value, "reason": machine.reason,
            "topics": len(link.topics), "connects": link.connects, "frames": link.frames,
            "bytes": link.bytes,
            "age_s": None if machine.opened_at is None else round(now - machine.opened_at, 3),
            "silence_s": round(now - machine.received_at, 3) if isfinite(machine.received_at)
            else None,
            "pings": link.pings, "pongs": link.pongs, "server_pings": link.server_pings,
            "latency_ms": link.latency_ms,
        }  # fmt: skip

    def _stream_status(self, stream: Stream, now: float) -> dict[str, Any]:
        verdict, reason = self._verdict(stream, now)
        age = now - stream.data_at
        return {
            "kind": stream.kind.value, "symbol": stream.symbol,
            "timeframe": stream.sub.timeframe or None, "topics": list(stream.topics),
            "verdict": verdict, "reason": reason, "source": _source_of(stream),
            "age_s": round(age, 3) if isfinite(age) else None,
            "wanted_for_s": round(now - stream.created_at, 3),
            "rows": stream.delivered, "duplicates": stream.duplicates,
            "dropped_for_slow_consumers": stream.overruns,
            "consumers": len(stream.readers) + sum(h != "ccxt" for h in stream.holders),
            "resyncs": stream.resyncs if isinstance(stream, BookStream) else None,
            "checksums": stream.checks.passed if isinstance(stream, BookStream) else None,
            "checksum_failures": stream.checks.failed if isinstance(stream, BookStream) else None,
        }  # fmt: skip

    def _verdict(self, stream: Stream, now: float) -> tuple[str, str]:
        client = self._client
        link = link_of(client.engine, stream)
        if not stream.healthy:
            reason, _ = trouble(client.engine, stream, link, now)
            return ("down" if stream.delivered else "connecting"), reason
        if isinstance(stream, BookStream) and not stream.valid:
            return "resyncing", client.engine.recovery.why(stream) or stream.reason
        if isinstance(stream, TradeStream) and stream.hole() is not None:
            return "resyncing", "missed trades are being fetched"
        if now - stream.data_at <= 5.0:
            return "live", "data is coming"
        return "quiet", "the connection is alive and has nothing to say"

    def gaps(self, symbol: str | None = None) -> list[Gap]:
        """Return what the streams are known to have missed, oldest first."""
        return self._running.engine.ledger.gaps(symbol) if self._running else []

    def quarantined(self) -> list[Any]:
        """Return the last frames and rows that could not be decoded, oldest first."""
        return list(self._running.engine.quarantine.frames) if self._running else []

    @property
    def latency_ms(self) -> float | None:
        """Return the last measured network round trip, in milliseconds; None before the first."""
        links = self._running.engine.links.values() if self._running else ()
        known = [link.latency_ms for link in links if link.latency_ms is not None]
        return known[-1] if known else None

    def explain(self, method: str, symbol: str | None = None) -> Explanation:
        """Say why a call of `method` on `symbol` waits, in one sentence and as data.

        Args:
            method: As called: "watch_trades" or "watchTrades".
            symbol: Unified symbol; None for the methods that need none.
        """
        kind = _kind_of(method)
        what = f"{self.id} {method}({symbol or ''})"
        if self._running is None:
            return Explanation(f"{what}: nothing is running yet; it starts with the first call", {})
        streams = [
            self._stream_status(s, self._running.loop.time())
            for s in self._running.engine.streams.values()
            if s.kind is kind and (symbol is None or s.symbol == symbol)
        ]
        if kind is None or not streams:
            return Explanation(f"{what}: it is not subscribed", {"streams": []})
        first = streams[0]
        age = "no data yet" if first["age_s"] is None else f"last data {first['age_s']:.1f} s ago"
        text = f"{what}: {first['verdict']}, {first['reason']} ({age})"
        return Explanation(text, {"streams": streams, **self.status(symbol)})

    # --- ccxt's public state ----------------------------------------------------------------

    @property
    def trades(self) -> CacheView:
        """Return the newest trades by symbol (`options["tradesLimit"]` of each)."""

        def entry(stream: Stream) -> Callable[[], Any]:
            limit = self._limit_of("tradesLimit")
            market = stream.sub.market
            view = RowsView(
                lambda: stream.rows.latest(limit), lambda row: formats.trade_dict(row, market)
            )
            return lambda: view

        return CacheView(lambda: self._entries(Kind.TRADES, entry))

    @property
    def orderbooks(self) -> CacheView:
        """Return the live order books by symbol; each carries `valid`, `status` and `age_s`."""

        def entry(stream: Stream) -> Callable[[], Any]:
            assert isinstance(stream, BookStream)
            if stream.view is None:
                stream.view = formats.LiveBook(stream, self._client.loop.time)
            return lambda: stream.view

        return CacheView(lambda: self._entries(Kind.BOOK, entry))

    @property
    def ohlcvs(self) -> CacheView:
        """Return the newest candles by symbol, then by timeframe."""

        def entries() -> dict[str, Callable[[], Any]]:
            found: dict[str, dict[str, Any]] = {}
            for stream in self._delivering(Kind.OHLCV):
                view = RowsView(partial(_candles_of, stream), formats.candle_row)
                found.setdefault(stream.symbol or "", {})[stream.sub.timeframe] = view
            return {symbol: partial(_itself, frames) for symbol, frames in found.items()}

        return CacheView(entries)

    @property
    def tickers(self) -> CacheView:
        """Return the newest statistics by symbol."""
        return CacheView(lambda: self._latest(Kind.TICKER))

    @property
    def bidsasks(self) -> CacheView:
        """Return the newest best bid and ask by symbol."""
        return CacheView(lambda: self._latest(Kind.BIDS_ASKS))

    @property
    def fundingRates(self) -> CacheView:
        """Return the newest funding rates by symbol."""
        return CacheView(lambda: self._latest(Kind.FUNDING_RATE))

    @property
    def liquidations(self) -> CacheView:
        """Return the newest liquidations by symbol, each a list, oldest first."""

        def entries() -> dict[str, Callable[[], Any]]:
            found: dict[str, list[Any]] = {}
            for stream in self._delivering(Kind.LIQUIDATIONS):
                for row in stream.rows.latest(self._limit_of("tradesLimit")):
                    market = self._bridge.market(row.symbol)
                    found.setdefault(row.symbol, []).append(formats.liquidation_dict(row, market))
            return {symbol: partial(_itself, rows) for symbol, rows in found.items()}

        return CacheView(entries)

    @property
    def clients(self) -> dict[str, Any]:
        """Return the connections by URL, each with `url` and `subscriptions`, as in ccxt."""
        links = self._running.engine.links if self._running else {}
        views = [self._client_view(number) for number in links]
        return {view.url: view for view in views}

    def _delivering(self, kind: Kind) -> list[Any]:
        streams = self._running.engine.streams.values() if self._running else ()
        return [s for s in streams if s.kind is kind and s.delivered]

    def _entries(
        self, kind: Kind, entry: Callable[[Stream], Callable[[], Any]]
    ) -> dict[str, Callable[[], Any]]:
        return {s.symbol or "": entry(s) for s in self._delivering(kind)}

    def _latest(self, kind: Kind) -> dict[str, Callable[[], Any]]:
        # Several channels may tell of one market: the newest word counts, as in ccxt.
        newest: dict[str, Any] = {}
        for stream in self._delivering(kind):
            for symbol, row in stream.latest.items():
                if symbol not in newest or row.received_ns >= newest[symbol].received_ns:
                    newest[symbol] = row
        return {symbol: partial(self._ticker_dict, row) for symbol, row in newest.items()}

    def _ticker_dict(self, row: Any) -> Any:
        if isinstance(row, BidAsk):
            return formats.bid_ask_dict(row)
        if isinstance(row, FundingRate):
            return formats.funding_rate_dict(row)
        if isinstance(row, MarkPrice):
            return formats.mark_price_dict(row, self._bridge.safe_ticker)
        return formats.ticker_dict(row, self._bridge.safe_ticker)

    def _client_view(self, number: int | None) -> ClientView:
        link = self._running.engine.links.get(number or 0) if self._running else None
        url = self.redirected(self.socket_url(link.endpoint_name)) if link else ""
        topics = link.topics.wanted() if link else []
        return ClientView(f"{url}#{number}", dict.fromkeys(topics, True))

    def _truth(self) -> dict[str, Any]:
        """Return ccxt's `has` with the truth about streams: only what this object can do."""
        found: dict[str, Any] = dict(self.rest.has)
        for name in list(found):
            if name.startswith(("watch", "unWatch")) or name.endswith("Ws"):
                found[name] = False
        found["ws"] = True
        for kind, names in _HAS.items():
            for name in names:
                offered = kind in self._venue.kinds
                found[name] = found[f"un{name[0].upper()}{name[1:]}"] = offered
        return found


class ClientView(msgspec.Struct, frozen=True):
    """What ccxt's users look at in a client: where it is connected and what it carries."""

    url: str
    subscriptions: dict[str, bool]


def _source_of(stream: Stream) -> str:
    """Say where a stream's rows come from: `venue`, `rest`, or the kind it is built from."""
    if stream.source is not None:
        return stream.source.kind.value
    return "rest" if any(route.poll is not None for route in stream.routes) else "venue"


def _candles_of(stream: Any) -> list[Any]:
    return list(stream.by_open.values())


def _itself(value: T) -> T:
    return value


def _kind_of(method: str) -> Kind | None:
    plain = method.replace("_", "").lower()
    for kind, names in _HAS.items():
        if plain in {name.lower() for name in names}:
            return kind
    return None


__all__ = ["EVENTS", "CacheView", "ClientView", "Explanation", "Observe", "RowsView"]
