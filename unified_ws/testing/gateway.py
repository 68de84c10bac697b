"""A loopback server that stands in for a venue's hosts, REST and sockets alike.

Path convention ("gateway"): a request for https://HOST/PATH arrives at
http://127.0.0.1:PORT/HOST/PATH, a socket for wss://HOST[:PORT]/PATH at
ws://127.0.0.1:PORT/HOST[:PORT]/PATH. What a host says comes from a `VenueSide`; this file only
carries it, counts, enforces limits and injects faults.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

from aiohttp import web

from ._faults import Delay, Faults, Written
from ._socket import BINARY, TEXT, Socket, framed
from ._stats import RequestSeen, RestSeen, Stats
from .side import Link, Rate, RestAnswer, RestRequest, Turn, VenueSide

__all__ = ["Delay", "Gateway", "RequestSeen", "RestSeen", "Stats"]


class Gateway(Faults):
    """The server: base of the fake venue and of the replay.

    Args:
        side: The venue's side.
    """

    def __init__(self, side: VenueSide) -> None:
        super().__init__()
        self.side = side
        self.stats = Stats()
        self._sockets: dict[int, Socket] = {}
        self._subscribers: dict[str, list[Socket]] = {}
        self._dials: dict[str, Rate] = {}
        self._calm_at: dict[str, float] = {}  # until then requests are answered 429, or 418
        self._ignored: Counter[str] = Counter()
        self._waiters: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # life

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        app = web.Application()
        app.router.add_route("*", "/{host}", self._handle)  # an address without a path
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

    # faults of sockets; `Faults` has the others

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

    async def notice_shutdown(self, after_s: float = 0.0) -> None:
        """Announce a shutdown in the venue's words, then close all sockets of this moment."""
        sockets = list(self._sockets.values())
        for socket in sockets:
            notice = self.side.shutdown_notice(socket.link.mode)
            if notice is not None:
                socket.send(notice)
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
        for topic in turn.drop:
            if topic in link.topics:
                self._leave(socket, topic)
        begun = [topic for topic in dict.fromkeys(turn.add) if topic not in link.topics]
        for topic in begun:
            link.topics[topic] = None
            self._subscribers.setdefault(topic, []).append(socket)
            if len(self._subscribers[topic]) == 1:
                self.side.watch(topic)
        if turn.violation:
            self.violation(f"socket {link.number} {turn.violation}")
        if turn.greet_first:
            self._greet(socket, begun)
        for reply in turn.replies if self.ponging or not turn.pong else ():
            socket.send(reply)
        if not turn.greet_first:
            self._greet(socket, begun)
        if turn.close:
            self.spawn(socket.end(*turn.close))
        self.changed()

    def greeting(self, topic: str) -> Sequence[bytes]:
        """Return what a socket that begins a topic is sent at once."""
        return self.side.greet(topic)

    def publish(self, topic: str, payload: bytes) -> None:
        """Queue a payload for every socket that holds the topic."""
        sockets = self._subscribers.get(topic)
        if not sockets or topic in self._silenced:
            return
        side = self.side
        by_mode: dict[tuple[str, bool], bytes] = {}
        written: list[tuple[Socket, bytes]] = []
        for socket in sockets:
            link = socket.link
            if side.seals:
                written.append((socket, socket.finished(side.frame(link.mode, topic, payload))))
                continue
            ready = by_mode.get((link.mode, link.binary))
            if ready is None:
                ready = socket.finished(side.frame(link.mode, topic, payload))
                by_mode[link.mode, link.binary] = ready
            written.append((socket, ready))
        batches: list[Written] = self._meddle(topic, written) if self._meddles() else [written]
        for batch in batches:
            for socket, ready in batch:
                socket.queue(ready)

    def flush(self) -> None:
        """Write what is queued, without waiting."""
        for socket in list(self._sockets.values()):
            socket.flush()

    async def drain(self) -> None:
        """Write what is queued and wait for slow clients."""
        for socket in list(self._sockets.values()):
            await socket.drain()

    def _greet(self, socket: Socket, topics: Sequence[str]) -> None:
        for topic in topics:
            if topic not in self._silenced:
                for payload in self.greeting(topic):
                    socket.send(self.side.frame(socket.link.mode, topic, payload))

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
                "/" + request.match_info.get("path", ""),
                dict(request.query),
                request.headers,
                await request.read(),
            )
        )
        headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        host = request.match_info["host"]
        link = Link(
            self.stats.connections + 1,
            host,
            "/" + request.match_info.get("path", ""),
            dict(request.query),
            headers=request.headers,
            limits=self.side.limits_at(host),
        )
        turn = self._refused_dial(link) or self.side.accept(link)
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

    def _refused_dial(self, link: Link) -> RestAnswer | None:
        limits, pool = link.limits, self.side.pool(link.host)
        dials = self._dials.setdefault(pool, Rate(limits.dials, limits.dials_window_s))
        over = dials.over()
        if self._refusals:
            return RestAnswer(self._refusals.popleft(), b"")
        if over:
            self.violation(
                f"dialed more than {limits.dials} times in {limits.dials_window_s:.0f} s"
            )
            return self.side.refusal(429, int(limits.dials_window_s))
        return None

    # REST

    async def _rest(self, request: RestRequest) -> RestAnswer:
        weight = self.side.weight(request)
        self.stats.rest.append(
            RestSeen(
                request.host,
                request.path,
                dict(request.query),
                weight,
                time.monotonic(),
                request.method,
                request.body,
            )
        )
        self.changed()
        answer = self._failed(request) or self._over_limit(request.host)
        delay = None if answer else self._delayed(request)
        if delay and delay.stale:
            answer = await self.answer(request)
        if delay:
            await delay.wait(self.changed)
        answer = answer or await self.answer(request)
        used = sum(seen.weight for seen in self._recent(self.side.pool(request.host)))
        headers = {**self.side.weight_headers(used), **answer.headers}
        return dataclasses.replace(answer, headers=headers)

    async def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request that no fault and no limit has caught."""
        return self.side.rest(request)

    def _recent(self, pool: str) -> list[RestSeen]:
        recent = self.stats.recent()
        return [seen for seen in recent if self.side.pool(seen.host) == pool]

    def _over_limit(self, host: str) -> RestAnswer | None:
        limits, now, pool = self.side.limits_at(host), time.monotonic(), self.side.pool(host)
        calm_at = self._calm_at.get(pool, 0.0)
        if now < calm_at:
            self._ignored[pool] += 1
            if self._ignored[pool] <= limits.tolerated_429:
                return self.side.refusal(429, int(calm_at - now) + 1)
            if self._ignored[pool] == limits.tolerated_429 + 1:
                self.violation("went on after 429; banned")
                calm_at = self._calm_at[pool] = now + limits.ban_s
            return self.side.refusal(418, int(calm_at - now) + 1)
        del self._ignored[pool]
        recent = self._recent(pool)
        if not limits.weight_per_min or sum(s.weight for s in recent) <= limits.weight_per_min:
            return None
        self.violation(f"used more than {limits.weight_per_min} weight in a minute")
        calm_at = self._calm_at[pool] = recent[0].t + 60
        return self.side.refusal(429, int(calm_at - now) + 1)
