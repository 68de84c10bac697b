"""Recorded sessions: through the public API, and through ccxt.pro's own handlers.

`play` serves a recording by `Replay` and watches it with the lossless typed streams; what came of
every stream is in the `Session` it returns, beside everything that must not happen (`faults`).
`through_ccxt` gives the same frames to ccxt.pro's handlers, by hand and without a socket, and
notes what they make of them. `PlainBook` is a book for independent reconstructions: it knows
nothing of the library.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ccxt.pro
import msgspec
from ccxt.async_support.base.ws.cache import ArrayCache, ArrayCacheByTimestamp

import unified_ws
from tests.support import redirect
from unified_ws import formats
from unified_ws.testing import Replay
from unified_ws.testing._recording import Frame

_QUIET_TURNS = 30
_WHOLE = {"liquidations": "stream_liquidations_for_symbols"}
METHODS: Mapping[str, str] = {
    "trades": "stream_trades",
    "books": "stream_order_book",
    "tickers": "stream_ticker",
    "quotes": "stream_bids_asks",
    "candles": "stream_ohlcv",
    "mark prices": "stream_mark_price",
    "funding rates": "stream_funding_rate",
    "liquidations": "stream_liquidations",
    "open interest": "stream_open_interest",
}


# --- our library ---------------------------------------------------------------------------


class Watch(NamedTuple):
    """One thing to watch.

    Attributes:
        kind: A key of `METHODS`.
        market: Unified symbol or the venue's id; "" for all markets (tickers and quotes).
        timeframe: Of candles.
        params: ccxt's.
        depth: Levels of a book; None: all that are known.
    """

    kind: str
    market: str
    timeframe: str = ""
    params: Mapping[str, Any] = {}
    depth: int | None = None


class Session:
    """What came of a recorded session.

    Attributes:
        frames: How many frames the library has read since playback began.
        status: The exchange object's own, at the end.
        quarantined: Frames and rows it could not decode.
        gaps: What it says that was lost.
        raised: What its streams have raised.
        violations: Rules of the venue that it broke.
    """

    def __init__(self, exchange: Any = None) -> None:
        self._exchange = exchange
        self._rows: dict[tuple[str, str, str], list[Any]] = {}
        self.frames = 0
        self.status: dict[str, Any] = {}
        self.quarantined: list[Any] = []
        self.gaps: list[Any] = []
        self.raised: list[str] = []
        self.violations: list[str] = []

    def rows(self, kind: str, market: str, timeframe: str = "") -> list[Any]:
        """Return the typed rows of a `Watch`, in the order in which they came."""
        return self._rows[kind, market, timeframe]

    def dicts(self, kind: str, market: str, timeframe: str = "") -> list[Any]:
        """Return rows as the ccxt face hands them out, to compare with `Said`."""
        bridge = self._exchange._bridge
        build: Mapping[str, Callable[[Any], Any]] = {
            "trades": lambda row: formats.trade_dict(row, bridge.market(row.symbol)),
            "candles": lambda row: list(formats.candle_row(row)),
            "tickers": lambda row: formats.ticker_dict(row, bridge.safe_ticker),
            "quotes": formats.bid_ask_dict,
            "mark prices": lambda row: formats.mark_price_dict(row, bridge.safe_ticker),
            "funding rates": formats.funding_rate_dict,
            "liquidations": lambda row: formats.liquidation_dict(row, bridge.market(row.symbol)),
        }
        return [build[kind](row) for row in self.rows(kind, market, timeframe)]

    def add(self, watch: Watch) -> list[Any]:
        """Return the list that the rows of a watch go to."""
        return self._rows.setdefault((watch.kind, watch.market, watch.timeframe), [])

    @property
    def watched(self) -> list[tuple[str, str, str]]:
        """What was watched: kind, market, timeframe."""
        return list(self._rows)

    @property
    def collected(self) -> int:
        """How many rows have come in all."""
        return sum(map(len, self._rows.values()))

    def faults(self, *, resyncs: int = 0) -> list[str]:
        """Return everything that must not happen when a sound session is played.

        Args:
            resyncs: How often books had to begin again; each beginning counts but the first.
        """
        found = [*self.raised, *self.violations]
        found += [f"quarantined: {frame}" for frame in self.quarantined]
        found += [f"gap: {gap}" for gap in self.gaps]
        if self.status["unclaimed_frames"]:
            found.append(f"{self.status['unclaimed_frames']} frames that nobody claims")
        for stream in self.status["streams"]:
            what = f"{stream['kind']} {stream['symbol']}"
            if stream["dropped_for_slow_consumers"]:
                found.append(f"{what}: {stream['dropped_for_slow_consumers']} rows dropped")
            if (stream["resyncs"] or 0) > resyncs:
                found.append(f"{what}: {stream['resyncs']} resyncs")
        return found


Judge = Callable[[str, Any], None]


async def play(
    venue: str,
    folder: Path,
    watches: Sequence[Watch],
    *,
    judge: Judge | None = None,
    config: Mapping[str, Any] | None = None,
    timeout_s: float = 50.0,
    **replay: Any,
) -> Session:
    """Play a recorded session to the library, at full speed, and return what it made of it.

    Args:
        venue: The id of the exchange object.
        folder: The recording.
        watches: What to watch; all of it is subscribed before the first frame is played.
        judge: Called for every book, with the market as the watch names it; the books are not
            kept then, which is what large sessions need.
        config: Of the exchange object.
        timeout_s: Of the whole playback.
        **replay: Of `Replay`.
    """
    loop = asyncio.get_running_loop()
    async with (
        Replay(folder, speed=0, **replay) as server,
        unified_ws.exchange(venue, {"gateway": server.gateway, **(config or {})}) as ex,
    ):
        session = Session(ex)
        await ex.load_markets()
        acknowledged: set[str] = set()
        ex.on("subscribed", lambda notice: acknowledged.add(str(notice.data)))

        def count(_connection: int, direction: str, _frame: bytes) -> None:
            session.frames += direction == "in"

        tasks = []
        for watch in watches:
            rows = session.add(watch)
            tasks.append(asyncio.ensure_future(_read(ex, watch, rows, judge)))

        def subscribed() -> bool:
            for task in tasks:
                if task.done():
                    task.result()
            topics = [t for stream in ex.status()["streams"] for t in stream["topics"]]
            return len(tasks) > 0 and bool(topics) and acknowledged.issuperset(topics)

        deadline = loop.time() + timeout_s
        # Every reader has opened its streams after a few turns: then nothing new is asked for.
        await _quiet(lambda: len(ex.status()["streams"]), deadline)
        while not subscribed():
            assert loop.time() < deadline, f"not subscribed: {ex.status()['streams']}"
            await asyncio.sleep(0)
        ex.tap(count)
        before = server.sent.total()
        await server.play()
        await asyncio.wait_for(server.finished.wait(), timeout_s)
        while session.frames < server.sent.total() - before:
            assert loop.time() < deadline, f"{session.frames} of {server.sent.total()} frames read"
            await asyncio.sleep(0)
        await _quiet(lambda: (session.frames, session.collected), deadline)
        for task in tasks:
            if task.done():
                session.raised.append(repr(task.exception()))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        session.status, session.gaps = ex.status(), ex.gaps()
        session.quarantined, session.violations = ex.quarantined(), server.stats.violations
    return session


async def _read(
    ex: unified_ws.Exchange, watch: Watch, rows: list[Any], judge: Judge | None
) -> None:
    async for row in _stream(ex, watch):
        if watch.kind == "books" and judge is not None:
            judge(watch.market, row)
        else:
            rows.append(row)


def _stream(ex: unified_ws.Exchange, watch: Watch) -> Any:
    method = getattr(ex, METHODS[watch.kind])
    symbol = symbol_of(ex.rest, watch.market) if watch.market else None
    params = dict(watch.params)
    if watch.kind == "books":
        return method(symbol, watch.depth, params=params)
    if watch.kind == "candles":
        return method(symbol, watch.timeframe, params=params)
    if watch.kind == "quotes":
        return method([symbol] if symbol else None, params=params)
    if symbol is None:
        whole = _WHOLE.get(watch.kind, f"{METHODS[watch.kind]}s")
        return getattr(ex, whole)(None, params=params)
    return method(symbol, params=params)


def symbol_of(exchange: Any, market: str) -> str:
    """Return the unified symbol of a market that is given by it, or by the venue's id."""
    if market in exchange.markets:
        return market
    found = [m["symbol"] for m in exchange.markets.values() if m["id"] == market]
    assert len(found) == 1, f"{market} is {found}"
    return str(found[0])


async def _quiet(value: Callable[[], Any], deadline: float) -> None:
    """Wait until something has not changed for a number of turns of the loop."""
    last, turns = None, 0
    while turns < _QUIET_TURNS:
        assert asyncio.get_running_loop().time() < deadline, "never quiet"
        now = value()
        turns = turns + 1 if now == last else 0
        last = now
        await asyncio.sleep(0)


# --- ccxt.pro ------------------------------------------------------------------------------


class Said:
    """What ccxt.pro's handlers have told their callers, in order.

    Attributes:
        tickers: Ticker dicts by symbol, each with the hash that waiting calls know it by.
        trades: Trade dicts (and liquidations) by symbol.
        candles: Versions of candles by symbol and timeframe; "" where the hash tells it.
        raised: What the handlers raised, with the frame.
        hashes: All hashes that were resolved.
    """

    def __init__(self) -> None:
        self.tickers: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self.candles: dict[tuple[str, str], list[list[float]]] = {}
        self.raised: list[str] = []
        self.hashes: dict[str, int] = {}
        self._frame: set[int] = set()
        self._last: dict[int, Any] = {}
        self._known: dict[tuple[str, str], dict[float, list[float]]] = {}

    def ticker(self, symbol: str, part: str = "") -> list[dict[str, Any]]:
        """Return the tickers of a symbol whose hash contains `part` (quotes are tickers too)."""
        return [ticker for hash_, ticker in self.tickers.get(symbol, ()) if part in hash_]

    def next_frame(self) -> None:
        """Begin a frame: within one, the same object is told once."""
        self._frame.clear()

    def take(self, value: Any, hash_: str) -> None:
        """Note what a handler resolves."""
        self.hashes[hash_] = self.hashes.get(hash_, 0) + 1
        if isinstance(value, (list, tuple)) and len(value) == 3:
            symbol, timeframe, cache = value
            if isinstance(cache, ArrayCacheByTimestamp):
                self._candles((symbol, timeframe), cache)
                return
        if isinstance(value, ArrayCacheByTimestamp):
            self._candles((hash_, ""), value)
        elif isinstance(value, ArrayCache):
            self._trades(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                self._trade(row)
        elif isinstance(value, dict) and "bid" in value and "symbol" in value:
            self._ticker(value, hash_)
        elif isinstance(value, dict):
            for inner in value.values():
                if isinstance(inner, dict) and "bid" in inner:
                    self._ticker(inner, hash_)

    def _ticker(self, ticker: dict[str, Any], hash_: str) -> None:
        if id(ticker) not in self._frame:
            self._frame.add(id(ticker))
            self.tickers.setdefault(ticker["symbol"], []).append((hash_, dict(ticker)))

    def _trade(self, trade: dict[str, Any]) -> None:
        if id(trade) not in self._frame:
            self._frame.add(id(trade))
            self.trades.setdefault(trade["symbol"], []).append(dict(trade))

    def _trades(self, cache: Any) -> None:
        fresh = []
        for trade in reversed(cache):
            if trade is self._last.get(id(cache)):
                break
            fresh.append(trade)
        self._last[id(cache)] = cache[-1]
        for trade in reversed(fresh):
            self._trade(trade)

    def _candles(self, key: tuple[str, str], cache: Any) -> None:
        known, fresh = self._known.setdefault(key, {}), []
        for row in reversed(cache):
            if known.get(row[0]) == row:
                break
            fresh.append(list(row))
        for row in reversed(fresh):
            known[row[0]] = row
            self.candles.setdefault(key, []).append(row)


async def through_ccxt(
    ccxt_id: str,
    folder: Path,
    url: str | Callable[[Frame], str],
    *,
    wanted: Callable[[Frame], bool] = lambda _frame: True,
    message: Callable[[Frame], bytes] = lambda frame: frame.payload,
    prepare: Callable[[Any, Any], None] | None = None,
    config: Mapping[str, Any] | None = None,
    **replay: Any,
) -> Said:
    """Give a recorded session's frames to ccxt.pro's handlers, one by one.

    Args:
        ccxt_id: Of ccxt's class.
        folder: The recording; REST, for the markets, is served from it.
        url: The address that the handlers shall believe in (some look at it), or one by frame.
        wanted: Which frames: those of books may be left out, since ccxt's books need requests.
        message: The frame as ccxt's connection would have it; by default without wrapper, where
            the venue's side has found one.
        prepare: Called with the exchange and each client, for handlers that need to know what was
            subscribed.
        config: Of ccxt's object.
        **replay: Of `Replay`.
    """
    said = Said()
    async with Replay(folder, **replay) as server:
        exchange = redirect(
            getattr(ccxt.pro, ccxt_id)({"enableRateLimit": False, **(config or {})}),
            server.gateway,
        )
        try:
            await exchange.load_markets()
            clients: dict[str, Any] = {}
            for frame in filter(wanted, server.recording.frames):
                where = url if isinstance(url, str) else url(frame)
                if where not in clients:
                    clients[where] = exchange.client(where)
                    _listen(clients[where], said)
                    if prepare is not None:
                        prepare(exchange, clients[where])
                said.next_frame()
                try:
                    exchange.handle_message(clients[where], json.loads(message(frame)))
                except Exception as error:  # it is told, whatever it is
                    said.raised.append(f"{error!r} of {frame.payload[:200]!r}")
        finally:
            await exchange.close()
    return said


def _listen(client: Any, said: Said) -> None:
    resolve, reject = client.resolve, client.reject

    def resolved(result: Any, message_hash: str) -> Any:
        said.take(result, message_hash)
        return resolve(result, message_hash)

    def rejected(error: Any, message_hash: Any = None) -> Any:
        said.raised.append(f"{error!r} for {message_hash}")
        return reject(error, message_hash)

    client.resolve, client.reject = resolved, rejected


# --- the frames themselves -----------------------------------------------------------------


def raw_frames(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what the recording machine read, connection by connection: file and parsed frame."""
    for path in sorted(folder.glob("ws-*.jsonl.gz")):
        with gzip.open(path, "rb") as lines:
            for line in lines:
                entry = msgspec.json.decode(line)
                if entry["dir"] == "in":
                    yield path.name, msgspec.json.decode(entry["raw"])


def rest_bodies(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the recorded REST bodies with their addresses."""
    index = folder / "rest" / "index.json"
    for entry in json.loads(index.read_text()) if index.exists() else ():
        data = (folder / "rest" / entry["file"]).read_bytes()
        yield entry["url"], json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def shortened(folder: Path, frames: int, into: Path) -> Path:
    """Copy the beginning of a recorded session of one connection."""
    (into / "rest").mkdir()
    name = "ws-1.jsonl.gz"
    with gzip.open(folder / name, "rt") as source, gzip.open(into / name, "wt", 1) as target:
        target.writelines(line for _, line in zip(range(frames), source, strict=False))
    (into / "meta.json").write_text((folder / "meta.json").read_text())
    index = json.loads((folder / "rest/index.json").read_text())
    kept = [entry for entry in index if entry["frames_before"][name] < frames]
    (into / "rest/index.json").write_text(json.dumps(kept))
    for entry in kept:
        (into / "rest" / entry["file"]).write_bytes((folder / "rest" / entry["file"]).read_bytes())
    return into


class _Side:
    """One side: prices in order, and rows that are handed out in that order."""

    def __init__(self, *, best_is_high: bool) -> None:
        self._sign = -1 if best_is_high else 1
        self._keys: list[float] = []
        self.rows: list[tuple[float, float]] = []
        self.texts: list[tuple[str, str]] = []

    def put(self, price: str, amount: str) -> None:
        level = (float(price), float(amount))
        key = self._sign * level[0]
        at = bisect_left(self._keys, key)
        known = at < len(self._keys) and self._keys[at] == key
        if level[1] and known:
            self.rows[at], self.texts[at] = level, (price, amount)
        elif level[1]:
            insort(self._keys, key)
            self.rows.insert(at, level)
            self.texts.insert(at, (price, amount))
        elif known:
            del self._keys[at], self.rows[at], self.texts[at]

    def cut(self, depth: int) -> None:
        del self._keys[depth:], self.rows[depth:], self.texts[depth:]


class PlainBook:
    """A book that only knows how to set and remove levels.

    Attributes:
        bids, asks: Rows of (price, amount) as numbers, best first.
        bid_texts, ask_texts: The same as the venue wrote them, for checksums.
    """

    def __init__(
        self, bids: Iterable[Sequence[str]] = (), asks: Iterable[Sequence[str]] = ()
    ) -> None:
        self._bids, self._asks = _Side(best_is_high=True), _Side(best_is_high=False)
        self.apply(bids, asks)

    def apply(self, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> None:
        """Set levels; those with amount zero are removed. Rows may have more columns."""
        for side, rows in ((self._bids, bids), (self._asks, asks)):
            for row in rows:
                side.put(str(row[0]), str(row[1]))

    def cut(self, depth: int) -> None:
        """Forget what is beyond a number of levels, as venues of limited depth demand."""
        self._bids.cut(depth)
        self._asks.cut(depth)

    @property
    def bids(self) -> list[tuple[float, float]]:
        """The bids."""
        return self._bids.rows

    @property
    def asks(self) -> list[tuple[float, float]]:
        """The asks."""
        return self._asks.rows

    @property
    def bid_texts(self) -> list[tuple[str, str]]:
        """The bids as written."""
        return self._bids.texts

    @property
    def ask_texts(self) -> list[tuple[str, str]]:
        """The asks as written."""
        return self._asks.texts
