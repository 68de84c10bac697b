"""A loopback server that stands in for a venue's hosts, REST and sockets alike.

Path convention ("gateway"): a request for https://HOST/PATH arrives at
http://127.0.0.1:PORT/HOST/PATH, a socket for wss://HOST[:PORT]/PATH at
ws://127.0.0.1:PORT/HOST[:PORT]/PATH. What a host says comes from a `VenueSide`; this file only
carries it, counts, enforces limits and injects faults.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web

from ._socket import BINARY, TEXT, Socket, framed
from .side import Link, RestAnswer, RestRequest, Turn, VenueSide

_HANDSHAKE_REFUSED = 503


class RestSeen(NamedTuple):
    """A REST request that arrived; `t` is monotonic seconds."""

    host: str
    path: str
    query: dict[str, str]
    weight: int
    t: float


class RequestSeen(NamedTuple):
    """A request on a socket, such as a subscription."""

    connection: int
    method: str
    params: object


@dataclasses.dataclass
class Stats:
    """What the fake has seen so far."""

    connections: int = 0
    open_connections: int = 0
    requests: list[RequestSeen] = dataclasses.field(default_factory=list)
    rest: list[RestSeen] = dataclasses.field(default_factory=list)
    pings_sent: int = 0
    pongs_received: int = 0
    violations: list[str] = dataclasses.field(default_factory=list)

    @property
    def weight(self) -> int:
        """Weight of the REST requests of the last minute."""
        since = time.monotonic() - 60
        recent = itertools.takewhile(lambda seen: seen.t > since, reversed(self.rest))
        return sum(seen.weight for seen in recent)


@dataclasses.dataclass
class _Failure:
    pattern: re.Pattern[str]
    answer: RestAnswer
    times: int


class Gateway:
    """The server: base of the fake venue and of the replay.

    Args:
        side: The venue's side.
    """

    def __init__(self, side: VenueSide) -> None:
        self.side = side
        self.stats = Stats()
        self.pinging = True
        self._sockets: dict[int, Socket] = {}
        self._subscribers: dict[str, list[Socket]] = {}
        self._silenced: set[str] = set()
        self._failures: list[_Failure] = []
        self._refusals: deque[int] = deque()
        self._dials: deque[float] = deque()
        self._calm_at = 0.0  # until then every request is answered 429, or 418
        self._ignored = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # life

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        app = web.Application()
        app.router.add_route("*", "/{host}/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for socket in list(self._sockets.values()):
            socket.abort()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @property
    def gateway(self) -> str:
        """The address under which the venue's hosts appear."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def topics(self) -> dict[str, int]:
        """Subscribed topics with the number of sockets that hold each."""
        return {topic: len(sockets) for topic, sockets in self._subscribers.items()}

    # faults

    async def drop(self, code: int = 1006, reason: str = "", *, which: int | None = None) -> None:
        """End connections: 1006 without a close frame, any other code with one.

        Args:
            code: The close code the client sees.
            reason: The text in the close frame.
            which: Number of the connection; None for all.
        """
        sockets = [s for n, s in self._sockets.items() if which in (None, n)]
        if code == 1006:
            for socket in sockets:
                socket.abort()
        else:
            await asyncio.gather(*(socket.close(code, reason) for socket in sockets))
        gone = {socket.link.number for socket in sockets}
        await self.until(lambda: not gone & self._sockets.keys())

    async def inject(self, frame: bytes | str, *, binary: bool = False) -> None:
        """Send one frame to all sockets as it is: broken, huge, or of another venue."""
        data = frame.encode() if isinstance(frame, str) else frame
        ready = framed(data, BINARY if binary else TEXT)
        sockets = list(self._sockets.values())
        for socket in sockets:
            socket.queue(ready)
        await asyncio.gather(*(socket.drain() for socket in sockets))

    def fail_rest(
        self,
        pattern: str,
        status: int,
        body: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next `times` requests whose `HOST/PATH?QUERY` matches with a failure."""
        answer = RestAnswer(status, body.encode(), headers or {})
        self._failures.append(_Failure(re.compile(pattern), answer, times))

    def refuse_sockets(self, status: int | None = None, *, times: int = 1) -> None:
        """Answer the next handshakes with an HTTP status; None means 503, no times: no more."""
        if times <= 0:
            self._refusals.clear()
        self._refusals.extend([status or _HANDSHAKE_REFUSED] * times)

    def silence(self, topic: str) -> None:
        """Acknowledge a topic and never deliver it, as venues do with a wrong route."""
        self._silenced.add(topic)

    def unsilence(self, topic: str) -> None:
        """Deliver a silenced topic again."""
        self._silenced.discard(topic)

    def stop_pings(self) -> None:
        """Send no more ping frames."""
        self.pinging = False

    async def notice_shutdown(self, after_s: float = 0.0) -> None:
        """Announce a shutdown in the venue's words, then close all sockets of this moment."""
        sockets = list(self._sockets.values())
        for socket in sockets:
            notice = self.side.shutdown_notice(socket.link.mode)
            if notice is not None:
                socket.queue(framed(notice))
            await socket.drain()
        await asyncio.sleep(after_s)
        for number in [socket.link.number for socket in sockets]:
            await self.drop(1001, "shutdown", which=number)

    # observation

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait until something the fake sees makes the predicate true.

        Raises:
            TimeoutError: It did not within `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            while not predicate():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter

    def changed(self) -> None:
        """Let waiters look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def violation(self, what: str) -> None:
        """Note that the client broke a rule of the venue."""
        self.stats.violations.append(what)
        self.changed()

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something until it ends or the server closes."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # sockets

    def apply(self, socket: Socket, turn: Turn) -> None:
        """Carry out what a client's text means."""
        link = socket.link
        for method, params in turn.seen:
            self.stats.requests.append(RequestSeen(link.number, method, params))
        for topic in turn.add:
            if topic not in link.topics:
                link.topics[topic] = None
                self._subscribers.setdefault(topic, []).append(socket)
                if len(self._subscribers[topic]) == 1:
                    self.side.watch(topic)
        for topic in turn.drop:
            if topic in link.topics:
                self._leave(socket, topic)
        if turn.violation:
            self.violation(f"socket {link.number} {turn.violation}")
        for reply in turn.replies:
            socket.queue(framed(reply))
        self.changed()

    def publish(self, topic: str, payload: bytes) -> None:
        """Queue a payload for every socket that holds the topic."""
        if topic in self._silenced:
            return
        by_mode: dict[str, bytes] = {}
        for socket in self._subscribers.get(topic, ()):
            mode = socket.link.mode
            ready = by_mode.get(mode)
            if ready is None:
                ready = by_mode[mode] = framed(self.side.frame(mode, topic, payload))
            socket.queue(ready)

    def flush(self) -> None:
        """Write what is queued, without waiting."""
        for socket in list(self._sockets.values()):
            socket.flush()

    async def drain(self) -> None:
        """Write what is queued and wait for slow clients."""
        for socket in list(self._sockets.values()):
            await socket.drain()

    def _leave(self, socket: Socket, topic: str) -> None:
        del socket.link.topics[topic]
        self._subscribers[topic].remove(socket)
        if not self._subscribers[topic]:
            del self._subscribers[topic]
            self.side.unwatch(topic)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        answer = await self._rest(
            RestRequest(
                request.match_info["host"],
                request.method,
                "/" + request.match_info["path"],
                dict(request.query),
            )
        )
        headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        link = Link(
            self.stats.connections + 1,
            request.match_info["host"],
            "/" + request.match_info["path"],
            dict(request.query),
        )
        turn = self._refused_dial() or self.side.accept(link)
        if isinstance(turn, RestAnswer):
            return web.Response(status=turn.status, body=turn.body, headers=turn.headers)
        self.stats.connections += 1
        # pings and pongs are counted, so the library must not answer them
        ws = web.WebSocketResponse(autoping=False, compress=False, timeout=1.0)
        writer = await ws.prepare(request)
        transport = request.transport
        if transport is None or writer is None:
            return ws
        socket = self._sockets[link.number] = Socket(self, link, ws, transport, writer)
        self.stats.open_connections += 1
        self.apply(socket, turn)
        socket.flush()
        try:
            await socket.serve()
        finally:
            for topic in list(link.topics):
                self._leave(socket, topic)
            del self._sockets[link.number]
            self.stats.open_connections -= 1
            self.changed()
        return ws

    def _refused_dial(self) -> RestAnswer | None:
        limits, now = self.side.allowed, time.monotonic()
        self._dials.append(now)
        while self._dials[0] <= now - limits.dials_window_s:
            self._dials.popleft()
        if self._refusals:
            return RestAnswer(self._refusals.popleft(), b"")
        if limits.dials and len(self._dials) > limits.dials:
            self.violation(
                f"dialed more than {limits.dials} times in {limits.dials_window_s:.0f} s"
            )
            return self.side.refusal(429, int(limits.dials_window_s))
        return None

    # REST

    async def _rest(self, request: RestRequest) -> RestAnswer:
        weight = self.side.weight(request)
        seen = RestSeen(request.host, request.path, dict(request.query), weight, time.monotonic())
        self.stats.rest.append(seen)
        self.changed()
        answer = self._failed(request) or self._over_limit() or await self.answer(request)
        headers = {**self.side.weight_headers(self.stats.weight), **answer.headers}
        return dataclasses.replace(answer, headers=headers)

    async def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request that no fault and no limit has caught."""
        return self.side.rest(request)

    def _failed(self, request: RestRequest) -> RestAnswer | None:
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        target = f"{request.host}{request.path}?{query}"
        for failure in self._failures:
            if failure.times > 0 and failure.pattern.search(target):
                failure.times -= 1
                return failure.answer
        return None

    def _over_limit(self) -> RestAnswer | None:
        limits, now = self.side.allowed, time.monotonic()
        if now < self._calm_at:
            self._ignored += 1
            if self._ignored <= limits.tolerated_429:
                return self.side.refusal(429, int(self._calm_at - now) + 1)
            if self._ignored == limits.tolerated_429 + 1:
                self.violation("went on after 429; banned")
                self._calm_at = now + limits.ban_s
            return self.side.refusal(418, int(self._calm_at - now) + 1)
        self._ignored = 0
        if not limits.weight_per_min or self.stats.weight <= limits.weight_per_min:
            return None
        self.violation(f"used more than {limits.weight_per_min} weight in a minute")
        oldest = next(seen.t for seen in self.stats.rest if seen.t > now - 60)
        self._calm_at = oldest + 60
        return self.side.refusal(429, int(self._calm_at - now) + 1)
