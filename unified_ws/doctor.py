"""Does a venue do what this library promises of it? One object looks, for some seconds.

`Doctor(ex, symbols).run()` goes the way to the venue hop by hop, calls every public `watch_*` that
`ex.has` promises on every market, judges the books, and compares the declared facts with what it
sees. `report()` can be asked at any time and returns plain data; `unified-ws doctor` prints it.
The exchange object must be fresh, since frames are counted from the beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from unified_ws.doctor_against import Against
from unified_ws.doctor_books import BookSeen, BookWatch
from unified_ws.doctor_facts import WireWatch
from unified_ws.doctor_fields import FieldWatch
from unified_ws.doctor_hops import Hop, Way
from unified_ws.doctor_report import Report, SetAside
from unified_ws.doctor_watch import ALL, Probe, Seen, promised, takes_many
from unified_ws.errors import CCXT_ERRORS
from unified_ws.exchange import Exchange
from unified_ws.facts import Kind, Limits

_SILENT = frozenset({Kind.LIQUIDATIONS, Kind.FUNDING_RATE, Kind.OPEN_INTEREST})
"""Kinds that may well have nothing to say although the market moves."""
_USUAL = ("BTC/USDT", "ETH/USDT", "BTC/USD", "ETH/USD", "BTC/USDC", "ETH/USDC")
_EACH_TYPE = 2
_PATIENCE_S = 10.0
"""Statistics and candles come every few seconds at some venues."""
_SETTLED_S = 0.5
"""A trade so soon after the subscription may not be told of any more."""
_COMPARISONS = 3
_DIALS_S = 10.0
"""The longest wait for a window of dials."""
_SHOWN = 200
"""Bytes of a frame that could not be decoded that are shown."""


class Doctor:
    """Examines one exchange object.

    Args:
        ex: A fresh one; it is not closed here.
        symbols: Unified symbols; none takes up to two well-known ones of each market type.
        seconds: How long streams are watched.
        against: The name of a module like ccxt.pro to compare with, "" for none.
    """

    def __init__(
        self, ex: Exchange, symbols: Sequence[str] = (), *, seconds: float = 60.0, against: str = ""
    ) -> None:  # fmt: skip
        self.ex = ex
        self.symbols = list(dict.fromkeys(symbols))
        self._seconds = seconds
        self._module = against
        self._against: Against | None = None
        self._hops: list[Hop] = []
        self._wire = WireWatch(ex)
        self._fields = FieldWatch(ex.adapter_class)
        self._books: dict[str, BookWatch] = {}
        self._probes: list[Probe] = []
        self._begun: float | None = None
        self._begun_ms = 0
        self._ended: float | None = None
        self._moved: dict[str, bool] = {}
        self._streams: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Look at everything; what is found on the way is in `report()` even if this is cancelled.

        Raises:
            BadSymbol: The venue has no such market.
            BadRequest: There is no such other client.
        """
        way = Way(self.ex, self._hops)
        if not await way.rest():
            await way.sockets(_endpoints_here(self.ex))
            return
        self.symbols = self.symbols or usual_symbols(self.ex)
        for symbol in self.symbols:
            if not _endpoints_of(self.ex, symbol):
                self.ex.market(symbol)  # raises where the venue itself does not know it
                where = self.ex.status()["environment"]
                text = f"{self.ex.id}: {symbol} is not streamed by this adapter ({where})"
                raise CCXT_ERRORS["BadSymbol"](text)
        if self._module:
            self._against = Against(self.ex, self._module, self.symbols)
        names = list(dict.fromkeys(e for s in self.symbols for e in _endpoints_of(self.ex, s)))
        await way.sockets(names)
        endpoints = self.ex.adapter_class.venue.endpoints
        await asyncio.sleep(_pause_s([endpoints[name].limits for name in names]))
        try:
            await self._watch()
            await self._look_for_silence()
        finally:
            self._end()
            if self._against is not None:
                await self._against.close()

    # --- watching ---------------------------------------------------------------------------

    async def _watch(self) -> None:
        self._begun = self._wire.begun = self._clock()
        self._begun_ms = time.time_ns() // 1_000_000
        self._prepare()
        limit = asyncio.timeout(self._seconds)
        with contextlib.suppress(TimeoutError):
            async with limit, asyncio.TaskGroup() as group:
                for probe in self._probes:
                    group.create_task(probe.run())
                for book in self._books.values():
                    group.create_task(self._compare(book))
                for symbol in self.symbols if self.ex.has.get("watchOHLCV") else ():
                    group.create_task(self._raw_candles(symbol))
                if self._against is not None:
                    group.create_task(self._against.run())
                group.create_task(asyncio.Event().wait())  # the time is over when it is over

    def _prepare(self) -> None:
        ex, timeframe = self.ex, _timeframe(self.ex)
        every = ex.adapter_class.venue.all_markets
        for method in promised(ex):
            if takes_many(ex, method):
                # By type: what some markets do not have, a call for all of them does not either.
                for symbols in self._by_type():
                    self._probes.append(self._probe(method, symbols, timeframe, first=False))
                if self._probes[-1].kind in every and not method.endswith("ForSymbols"):
                    self._probes.append(self._probe(method, (), timeframe, first=False))
                continue
            for symbol in self.symbols:
                self._probes.append(self._probe(method, [symbol], timeframe, first=True))

    def _by_type(self) -> list[list[str]]:
        found: dict[tuple[Any, ...], list[str]] = {}
        for symbol in self.symbols:
            market = self.ex.rest.markets[symbol]
            found.setdefault((market["type"], market.get("linear")), []).append(symbol)
        return list(found.values())

    def _probe(
        self, method: str, symbols: Sequence[str], timeframe: str, *, first: bool
    ) -> Probe:
        """Make a probe; what `ForSymbols` brings is what its twin has brought already."""
        probe: Probe

        def noted(symbol: str, item: Any) -> None:
            self._fields.note(probe.kind, item)
            if first:
                self._note(probe.kind, symbol, item)

        probe = Probe(self.ex, method, symbols, timeframe, noted)
        if first and probe.kind is Kind.BOOK:
            self._books.setdefault(symbols[0], BookWatch(symbols[0]))
        return probe

    def _note(self, kind: Kind, symbol: str, item: Any) -> None:
        tape = self._against.ours.get(symbol) if self._against is not None else None
        if kind is Kind.TRADES:
            self._moved[symbol] = True
            if tape is not None:
                tape.trade(item)
        elif kind is Kind.BOOK:
            self._books[symbol].note(item)
            if tape is not None:
                tape.book(item)

    async def _compare(self, book: BookWatch) -> None:
        for _ in range(_COMPARISONS):
            await book.compare(self.ex)
            await asyncio.sleep(self._seconds / _COMPARISONS)

    async def _raw_candles(self, symbol: str) -> None:
        with contextlib.suppress(CCXT_ERRORS["BaseError"]):  # its own method's row says why
            async for row in self.ex.stream_ohlcv(symbol, _timeframe(self.ex)):
                self._fields.note(Kind.OHLCV, row)

    async def _look_for_silence(self) -> None:
        """Ask REST whether markets moved of which no trade has come."""
        self._streams = self.ex.status()["streams"]
        if self.ex.has.get("fetchTrades"):
            silent = [symbol for symbol in self.symbols if symbol not in self._moved]
            await asyncio.gather(*(self._ask_for_trades(symbol) for symbol in silent))

    async def _ask_for_trades(self, symbol: str) -> None:
        with contextlib.suppress(Exception):  # then nobody can say
            async with asyncio.timeout(self.ex.timeout_s):
                rows = await self.ex.fetch_trades(symbol, limit=10)
            acks = [self._ack(stream) or 0.0 for stream in self._streams]
            since = self._begun_ms + 1000 * (max(acks, default=0.0) + _SETTLED_S)
            self._moved[symbol] = any((row["timestamp"] or 0) > since for row in rows)

    def _end(self) -> None:
        self._ended = self._clock()
        self._streams = self.ex.status()["streams"]

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()

    # --- what was seen ----------------------------------------------------------------------

    def report(self) -> Report:
        """Return what has been seen so far."""
        status, ex, begun = self.ex.status(), self.ex, self._begun
        self._streams = self._streams or status["streams"]
        ended = self._ended if self._ended is not None else self._clock()
        found = Report(
            venue=ex.id, environment=status["environment"], gateway=status["gateway"],
            symbols=self.symbols, seconds=round(ended - begun, 1) if begun is not None else 0.0,
            hops=self._hops,
            methods=[self._judged(seen, probe) for probe in self._probes for seen in probe.seen()],
            books=[self._book(watch) for watch in self._books.values()],
            connections=status["connections"],
            events={event: dict(reasons) for event, reasons in self._wire.events.items()},
            set_aside=[
                SetAside(kept.reason, kept.frame[:_SHOWN].decode("utf-8", "replace"), kept.size)
                for kept in ex.quarantined()
            ],
            gaps=[msgspec.to_builtins(gap) for gap in ex.gaps()],
            facts=self._wire.facts() if begun is not None else [], unread=self._fields.found(),
            against=self._against.found() if self._against is not None else [],
        )  # fmt: skip
        found.judge()
        return found

    def _ack(self, stream: Mapping[str, Any]) -> float | None:
        acks = [self._wire.acks.get(topic) for topic in stream["topics"]]
        return max((ack for ack in acks if ack is not None), default=None)

    def _stream(self, seen: Seen) -> dict[str, Any] | None:
        symbol = None if seen.symbol == ALL else seen.symbol
        mine = [s for s in self._streams if s["kind"] == seen.kind and s["symbol"] == symbol]
        return next(iter(mine), None)

    def _judged(self, seen: Seen, probe: Probe) -> Seen:
        stream = self._stream(seen)
        if stream is not None:
            seen.ack_s = self._ack(stream)
        if probe.not_offered:
            seen.verdict, seen.reason = "not offered", probe.not_offered
        elif probe.refused or probe.errors:
            seen.reason = probe.refused or next(iter(probe.errors))
        elif seen.answers:
            seen.verdict = "ok"
        elif stream is None or stream["verdict"] in ("connecting", "down"):
            seen.reason = stream["reason"] if stream else "it was not subscribed"
        elif self._should_have_spoken(probe.kind, seen.symbol):
            said = f": {stream['reason']}" if stream["verdict"] == "resyncing" else ""
            seen.reason = f"acknowledged and silent, although the market has moved{said}"
        else:
            seen.verdict, seen.reason = "not seen", "nothing happened that it could have told"
        return seen

    def _should_have_spoken(self, kind: Kind, symbol: str) -> bool:
        """Say whether a market has moved so long ago that its other streams must have told."""
        if kind in _SILENT or not self._moved.get(symbol) or self._begun is None:
            return False
        ended = self._ended if self._ended is not None else self._clock()
        return kind in (Kind.TRADES, Kind.BOOK) or ended - self._begun >= _PATIENCE_S

    def _book(self, watch: BookWatch) -> BookSeen:
        mine = [s for s in self._streams if s["kind"] == Kind.BOOK and s["symbol"] == watch.seen.symbol]
        for stream in mine[:1]:
            watch.seen.resyncs = stream.get("resyncs")
            watch.seen.checksums = stream.get("checksums")
        return watch.seen


def usual_symbols(ex: Exchange) -> list[str]:
    """Return up to two markets of each type that are streamed, well-known ones first."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for market in ex.rest.markets.values():
        if market.get("active") is not False and _endpoints_of(ex, market["symbol"]):
            by_type.setdefault(market["type"], []).append(market)
    types = [t for t in ex.adapter_class.venue.market_types if t in by_type]
    chosen = []
    for market_type in types:
        first = sorted(by_type[market_type], key=_unusual)[:_EACH_TYPE]
        chosen += [str(market["symbol"]) for market in first]
    return chosen


def _pause_s(limits: Sequence[Limits]) -> float:
    """Return how long to wait where sockets just tried would count against those that come now."""
    windows = [limit.dials for limit in limits if limit.dials is not None]
    tight = [window.per_s for window in windows if window.n < 2 * len(limits)]
    return min(max(tight, default=0.0), _DIALS_S)


def _unusual(market: Mapping[str, Any]) -> tuple[int, float]:
    pair = f"{market['base']}/{market['quote']}"
    return _USUAL.index(pair) if pair in _USUAL else len(_USUAL), market.get("expiry") or 0.0


def _endpoints_of(ex: Exchange, symbol: str) -> list[str]:
    """Return the endpoints that serve a market."""
    market, endpoints = ex.rest.markets.get(symbol), ex.adapter_class.venue.endpoints
    return [
        name
        for name in _endpoints_here(ex)
        if market and all(market.get(key) == x for key, x in endpoints[name].serves.items())
    ]


def _endpoints_here(ex: Exchange) -> list[str]:
    """Return the endpoints that there are in this environment."""
    where = ex.status()["environment"]
    endpoints = ex.adapter_class.venue.endpoints
    return [name for name, endpoint in endpoints.items() if getattr(endpoint, where)]


def _timeframe(ex: Exchange) -> str:
    known = list(ex.adapter_class.venue.timeframes)
    return "1m" if not known or "1m" in known else known[0]


__all__ = ["Doctor", "Report", "usual_symbols"]
