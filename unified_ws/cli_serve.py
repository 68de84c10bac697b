"""`unified-ws record`, `replay` and `fake`: sessions written down, and played behind a gateway."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from unified_ws.cli_source import Usage, opened, say
from unified_ws.exchange import Exchange
from unified_ws.running import run
from unified_ws.testing import FakeVenue, Recorder, Replay
from unified_ws.testing.gateway import Gateway

# --- record --------------------------------------------------------------------------------


def record(options: argparse.Namespace) -> int:
    """Record until the time is over or a signal comes; say what has been written."""
    run(_record(options))
    return 0


async def _record(options: argparse.Namespace) -> None:
    async with opened(options) as ex:
        with recorder_of(ex, options.out) as recorder:
            scribe = Scribe(ex, recorder)
            limit = asyncio.timeout(options.seconds)
            try:
                # The markets once more: a replay answers with those of this session.
                await ex.load_markets(reload=True)
                async with limit, asyncio.TaskGroup() as group:
                    for rows in _chosen(ex, options):
                        group.create_task(_drain(rows))
            except TimeoutError:
                if not limit.expired():
                    raise
            finally:
                scribe.stop()
                say(f"{scribe.frames} frames and {scribe.answers} REST answers in {options.out}")


def recorder_of(ex: Exchange, folder: str) -> Recorder:
    """Return a recorder of a venue's session that knows which texts are secret."""
    try:
        return Recorder(folder, venue=ex.id, secrets=ex._bridge.secrets())
    except FileExistsError as error:
        raise Usage(str(error)) from error


def _chosen(ex: Exchange, options: argparse.Namespace) -> list[AsyncIterator[Any]]:
    """Return streams of everything that is to be recorded; their rows interest nobody."""
    trades = options.trades or not (options.book or options.ticker or options.ohlcv)
    found: list[AsyncIterator[Any]] = []
    for symbol in dict.fromkeys(options.symbols):
        if trades:
            found.append(ex.stream_trades(symbol, policy="latest"))
        if options.book:
            found.append(ex.stream_order_book(symbol, policy="latest"))
        if options.ticker:
            found.append(ex.stream_ticker(symbol, policy="latest"))
        found += [ex.stream_ohlcv(symbol, tf, policy="latest") for tf in options.ohlcv]
    return found


async def _drain(rows: AsyncIterator[Any]) -> None:
    async for _ in rows:
        pass


class Scribe:
    """Hands the recorder every frame and every REST answer of an exchange object."""

    def __init__(self, ex: Exchange, recorder: Recorder) -> None:
        self.frames = 0
        self.answers = 0
        self._ex = ex
        self._recorder = recorder
        self._known: set[int] = set()
        self._stopped = False
        ex.tap(self._frame)
        ex._bridge.taps.append(self._answer)

    def stop(self) -> None:
        """Write nothing more: the frames of our own farewell are not part of the session."""
        self._stopped = True

    def _frame(self, connection: int, direction: str, frame: bytes) -> None:
        if self._stopped:
            return
        if connection not in self._known:
            self._known.add(connection)
            links = self._ex.status()["connections"]
            endpoint = next(x["endpoint"] for x in links if x["connection"] == connection)
            self._recorder.opened(connection, self._ex.socket_url(endpoint))
        way: Any = direction
        self._recorder.frame(connection, way, frame, time.time())
        self.frames += 1

    def _answer(self, url: str, body: Any) -> None:
        if not self._stopped:
            self._recorder.rest(url, 200, json.dumps(body, separators=(",", ":")), time.time())
            self.answers += 1


# --- replay and fake -----------------------------------------------------------------------


def replay(options: argparse.Namespace) -> int:
    """Play a recording until a signal comes."""
    run(_replay(options))
    return 0


async def _replay(options: argparse.Namespace) -> None:
    try:
        server = Replay(options.folder, speed=options.speed, autostart=options.start)
    except (OSError, LookupError, ValueError) as error:
        raise Usage(f"{options.folder} is not a recording that can be played: {error}") from error
    meta = server.recording.meta
    say(
        f"{len(server.recording.frames)} frames of {meta['venue']}, "
        f"{', '.join(server.topics_recorded)}: they begin with a subscription"
    )
    await _serve(server, options.port)


def fake(options: argparse.Namespace) -> int:
    """Serve a fake venue until a signal comes."""
    run(_fake(options))
    return 0


async def _fake(options: argparse.Namespace) -> None:
    symbols = list(dict.fromkeys(options.symbols)) or ["BTC/USDT", "ETH/USDT"]
    try:
        server = FakeVenue(options.venue, seed=options.seed, speed=options.speed, symbols=symbols)
    except (LookupError, ValueError) as error:
        raise Usage(str(error)) from error
    say(f"a made-up market: {', '.join(server.market.symbols)}")
    await _serve(server, options.port)


async def _serve(server: Gateway, port: int) -> None:
    try:
        await server.start(port)
        sys.stdout.write(f"gateway {server.gateway}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()  # for a signal
    finally:
        await server.close()


__all__ = ["Scribe", "fake", "record", "recorder_of", "replay"]
