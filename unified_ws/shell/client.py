"""Drive one engine: sockets, timers, REST, and the calls that wait.

One task group owns everything; each connection has a task group of its own for its reader and
its writer. Time is the event loop's, so a loop with another clock is a test of long outages.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import aiohttp

from unified_ws.adapter import Call, Dial, Rest
from unified_ws.core.actions import DialLink, Fetch, HangUp, Notice, Ping, Send
from unified_ws.core.engine import Engine
from unified_ws.core.link import Link
from unified_ws.core.streams import Stream
from unified_ws.errors import DialFailed
from unified_ws.proxies import redact_url
from unified_ws.shell import patience
from unified_ws.shell.budgets import rest_budgets, shared_budget
from unified_ws.shell.dialing import explain
from unified_ws.shell.garbage import let_go
from unified_ws.shell.rest_queue import RestQueue
from unified_ws.shell.surroundings import Nobody, Surroundings
from unified_ws.shell.transport import Sessions, Socket, abort, hang_up

SLICE_S = 0.004
"""The reader yields to the event loop after so long, however many frames are buffered."""
TICK_S = 1.0
LATE_S = 0.25
"""A timer that fires later than this shows that somebody blocked the event loop."""
CLOSE_S = 4.0
OUTBOX = 1000

CCXT_FACE = "ccxt"
"""Who holds a stream for the calls of the ccxt face."""

_log = logging.getLogger("unified_ws")


class _Open:
    """An open socket: its writer's queue and the task that runs it."""

    __slots__ = ("outbox", "polite", "task", "ws")

    def __init__(self) -> None:
        self.ws: Socket | None = None
        self.task: asyncio.Task[None] | None = None
        self.outbox: asyncio.Queue[tuple[bytes, aiohttp.WSMsgType]] = asyncio.Queue(OUTBOX)
        self.polite = False


class Client:
    """One engine in one event loop; it knows the exchange object only weakly (`dropped.py`)."""

    def __init__(
        self, engine: Engine, around: Surroundings, sessions: Sessions, *, budget_key: str,
        tap: bool = False,
    ) -> None:  # fmt: skip
        self.loop = asyncio.get_running_loop()
        self.engine = engine
        self.tap = tap
        self.loop_lag_ms = 0.0
        self.loop_lag_max_ms = 0.0
        self.last: AsyncGenerator[None, None] | None = None
        """What the end of the loop waits for; see `dropped.py`."""
        self._around_ref = weakref.ref(around)
        self._nobody = Nobody(around.id)
        self._sessions = sessions
        self._open: dict[int, _Open] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._guard_at = inf
        self._waits: dict[asyncio.Future[None], tuple[Sequence[Stream], float, Hashable]] = {}
        self._closed = False
        venue = engine.venue
        dials = next(
            (e.limits.dials for e in venue.endpoints.values() if e.limits.dials is not None), None
        )
        self._dials = shared_budget(venue.id, "dials", budget_key, window=dials)
        self.rest_budgets = rest_budgets(venue, budget_key)
        self._rest = RestQueue(self._rest_call, self.rest_budgets, self._fetched, self._spawn)
        self._rearm()

    @property
    def closed(self) -> bool:
        """Say whether it has been closed, or is being closed."""
        return self._closed

    @property
    def _around(self) -> Surroundings:
        return self._around_ref() or self._nobody

    # --- calls that wait --------------------------------------------------------------------

    async def news(
        self, streams: Sequence[Stream], started: float, face: Hashable = CCXT_FACE
    ) -> None:
        """Wait until one of the streams has news, or until waiting has become pointless."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        for stream in streams:
            stream.waiters.add(waiter)
        self._waits[waiter] = (streams, started, face)
        if not all(stream.healthy for stream in streams):
            self._guard(self.loop.time())
        try:
            await waiter
        finally:
            del self._waits[waiter]
            for stream in streams:
                stream.waiters.discard(waiter)

    def fail_waits(
        self, error: Callable[[], BaseException], *, stream: Stream | None = None,
        face: Hashable = None,
    ) -> None:  # fmt: skip
        """Raise in the waiting calls: all of them, or those of one face on one stream."""
        for waiter, (streams, _started, its_face) in list(self._waits.items()):
            if stream is not None and (its_face != face or stream not in streams):
                continue
            if not waiter.done():
                waiter.set_exception(error())

    def perform(self) -> None:
        """Do what the engine has decided, and set the timer anew."""
        engine = self.engine
        while engine.actions:
            actions, engine.actions = engine.actions, []
            for action in actions:
                self._do(action)
        self._rearm()

    async def close(self) -> None:
        """End every task and socket, within `CLOSE_S`."""
        if self._closed:
            return
        self._closed = True
        let_go(id(self))
        self.engine.stop(self.loop.time())
        self.perform()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=CLOSE_S / 2)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CLOSE_S / 4)
        with suppress(Exception):
            await asyncio.wait_for(self._sessions.close(), CLOSE_S / 4)

    def drop(self) -> None:
        """Let go of everything at once: there is no event loop left to await anything in."""
        self._closed = True
        let_go(id(self))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sessions.drop()

    # --- actions ----------------------------------------------------------------------------

    def _do(self, action: object) -> None:
        match action:
            case Send():
                self._write(action.link, action.frame, aiohttp.WSMsgType.TEXT)
            case Ping():
                payload = b"%d" % time.monotonic_ns()
                self._write(action.link, payload, aiohttp.WSMsgType.PING)
            case Fetch() if not self._closed:
                self._rest.submit(action)
            case DialLink() if not self._closed:
                socket = _Open()
                self._open[action.link] = socket
                socket.task = self._spawn(self._run(action.link, socket))
            case HangUp():
                self._hang_up(action)
            case Notice():
                self._noticed(action)

    def _noticed(self, notice: Notice) -> None:
        if notice.event == "down":
            self._guard(self.loop.time())
        self._around.on_notice(notice)

    def _write(self, link: int, frame: bytes, kind: aiohttp.WSMsgType) -> None:
        socket = self._open.get(link)
        if socket is None:
            return
        if socket.outbox.full():
            # A peer that does not read while we write this much is not alive.
            if socket.ws is not None:
                abort(socket.ws)
            return
        socket.outbox.put_nowait((frame, kind))

    def _hang_up(self, action: HangUp) -> None:
        # Taken out first: whatever the old socket still says is old news.
        socket = self._open.pop(action.link, None)
        if socket is None or socket.task is None:
            return
        socket.polite = action.polite
        if socket.ws is not None and not action.polite:
            abort(socket.ws)
        socket.task.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(coroutine, name=f"unified_ws {self._around.id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a task of %s failed", self._around.id, exc_info=task.exception())

    # --- one socket -------------------------------------------------------------------------

    async def _run(self, number: int, socket: _Open) -> None:
        """Dial, read until the end, and tell the engine."""
        link = self.engine.links[number]
        reason, code, error = "", None, None
        try:
            dial = await self._dial(link, socket)
            beat = dial.heartbeat and self._around.heartbeat(dial.heartbeat)
            self.engine.opened(
                link, self.loop.time(), heartbeat=beat, carries=dial.carries,
                wall_ns=time.time_ns(),
            )  # fmt: skip
            for frame in dial.greeting:
                self._write(number, frame, aiohttp.WSMsgType.TEXT)
            self.perform()
            reason, code = await self._converse(link, socket)
        except asyncio.CancelledError:
            if self._open.get(number) is socket:
                del self._open[number]  # cancelled from outside: the loop is ending
            raise
        except DialFailed as exc:
            reason, code, error = str(exc), exc.status, exc
        finally:
            if socket.ws is not None:
                await hang_up(socket.ws, polite=socket.polite)
        if self._open.get(number) is socket:
            del self._open[number]
            self.engine.lost(link, self.loop.time(), reason, code=code, error=error)
            self.perform()

    async def _dial(self, link: Link, socket: _Open) -> Dial:
        now = self.loop.time()
        wait = self._dials.wait_s(now)
        while wait > 0.0:
            link.machine.postpone(now + wait)
            await asyncio.sleep(wait)
            now = self.loop.time()
            wait = self._dials.wait_s(now)
        self._dials.charge(now)
        dial = await self._address(link)
        proxy, kind = self._around.socket_proxy()
        target = self._around.redirected(dial.url)
        try:
            socket.ws = await self._sessions.open(
                target, headers={**self._around.socket_headers(), **dial.headers}, proxy=proxy, kind=kind
            )
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            shown = redact_url(proxy) if proxy else None
            raise explain(self._around.id, target, exc, proxy=shown) from exc
        return dial

    async def _address(self, link: Link) -> Dial:
        """Learn where to dial, from REST where the venue hands out addresses."""
        url = self._around.socket_url(link.endpoint_name)
        engine, answer = self.engine, None
        if link.endpoint.ask_first is not None:
            rest = Rest(link.endpoint.ask_first)
            try:
                answer = await self._rest_call(rest)
            except DialFailed:
                raise
            except Exception as exc:
                raise explain(self._around.id, url, exc) from exc
        engine.calls += 1
        call = Call(str(engine.calls), time.time_ns() // 1_000_000, link.endpoint_name)
        try:
            return engine.adapter.dial(url, call, answer)
        except Exception as exc:
            text = f"{self._around.id}: the answer of {link.endpoint.ask_first} tells no address: {exc!r}"
            raise DialFailed(text, hop="http") from exc

    async def _converse(self, link: Link, socket: _Open) -> tuple[str, int | None]:
        ws = socket.ws
        assert ws is not None
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._send_all(ws, link.number, socket))
            try:
                return await self._read(link, ws)
            finally:
                writer.cancel()

    async def _send_all(self, ws: Socket, number: int, socket: _Open) -> None:
        while True:
            frame, kind = await socket.outbox.get()
            if self.tap and kind is aiohttp.WSMsgType.TEXT:
                self._around.on_frame(number, "out", frame)
            try:
                await ws.send_frame(frame, kind)
            except (ConnectionError, aiohttp.ClientError):
                return  # the reader learns of the end and tells why

    async def _read(self, link: Link, ws: Socket) -> tuple[str, int | None]:
        """Hand every frame to the engine until the socket ends; say why and with which code."""
        # Names are bound outside the loop: it runs once a frame.
        engine, receive, number = self.engine, ws.receive, link.number
        received, wall_ns, clock = engine.received, time.time_ns, self._clock()
        text, binary = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
        pause_at, burst, most = clock() + SLICE_S, 0, max(1, engine.buffer // 2)
        while True:
            message = await receive()
            now = clock()
            kind = message.type
            if kind is text or kind is binary:
                if self.tap:
                    self._around.on_frame(number, "in", message.data)
                received(link, message.data, now, wall_ns())
                if engine.actions or engine.touched:
                    engine.touched = False
                    self.perform()
            elif kind is aiohttp.WSMsgType.PING:
                link.machine.received(now)
                link.server_pings += 1
                link.budget.charge(now)
                self._write(number, message.data, aiohttp.WSMsgType.PONG)
            elif kind is aiohttp.WSMsgType.PONG:
                self._ponged(link, message.data, now)
            else:
                return _farewell(ws, message)
            burst += 1
            if now >= pause_at or burst >= most:
                # Consumers run now: none that keeps up may be overrun by one burst of frames.
                await asyncio.sleep(0)
                pause_at = clock() + SLICE_S
                burst = 0

    def _clock(self) -> Callable[[], float]:
        """Return the loop's clock; asyncio's own is one call away from the system's."""
        plain = type(self.loop).time is asyncio.BaseEventLoop.time
        return time.monotonic if plain else self.loop.time

    def _ponged(self, link: Link, payload: bytes, now: float) -> None:
        link.machine.received(now)
        link.pongs += 1
        with suppress(ValueError):
            link.latency_ms = (time.monotonic_ns() - int(payload)) / 1e6

    # --- timers -----------------------------------------------------------------------------

    def _rearm(self) -> None:
        if self._closed:
            return
        now = self.loop.time()
        at = min(self.engine.deadline(), self._guard_at, now + TICK_S)
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.loop.call_at(at, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        late = now - self._timer_at
        self._timer = None
        self.loop_lag_ms = late * 1000
        self.loop_lag_max_ms = max(self.loop_lag_max_ms, self.loop_lag_ms)
        if late > LATE_S:
            self.engine.forgive(late)
            reason = f"the event loop was blocked for {late:.2f} s by the program itself"
            self.engine.notice("loop_lag", reason=reason, data=late)
        self.engine.tick(now)
        if now >= self._guard_at:
            self._guard(now)
        self.perform()

    # --- patience ---------------------------------------------------------------------------

    def _guard(self, now: float) -> None:
        """Fail the calls that have waited too long on a stream that is not up."""
        next_at = inf
        for waiter, (streams, started, _face) in list(self._waits.items()):
            for stream in streams:
                if stream.healthy and not patience.stuck(self.engine, stream):
                    continue
                around = self._around
                expires = patience.ends_at(stream, started, around)
                if expires <= now and not waiter.done():
                    waiter.set_exception(patience.ended(self.engine, stream, around, now))
                next_at = min(next_at, expires if expires > now else now + TICK_S)
        self._guard_at = next_at
        self._rearm()

    # --- REST -------------------------------------------------------------------------------

    async def _rest_call(self, rest: Rest) -> Any:
        return await self._around.rest_call(rest)

    def _fetched(self, fetch: Fetch, body: Any, error: BaseException | None) -> None:
        now = self.loop.time()
        retry_after = getattr(error, "retry_after_s", None)
        if getattr(error, "status", None) in (418, 429):
            self._rest.budget_of(fetch.rest).block(now + (retry_after or 60.0))
        text = None if error is None else str(error)
        self.engine.recovery.fetched(fetch, body, text, now, time.time_ns())
        self.perform()


def _farewell(ws: Socket, message: aiohttp.WSMessage) -> tuple[str, int | None]:
    code = ws.close_code
    if message.type is aiohttp.WSMsgType.ERROR:
        return f"the connection broke: {message.data!r}", code
    if message.type is aiohttp.WSMsgType.CLOSE:
        said = str(message.extra or "")
        return f"closed by the venue, code {code}" + (f": {said}" if said else ""), code
    return "the connection was lost without a close frame", 1006
