"""One accepted socket: reads and judges what comes in, batches what goes out.

Frames are framed here and written to the transport in batches: a frame at a time through the
server library costs a system call each, and it would refuse the broken frames that tests need.
No compression is negotiated, so a frame is its header and its payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSMsgType, web

from .side import Link

if TYPE_CHECKING:
    from .gateway import Gateway

TEXT, BINARY = 1, 2
_SLOW_READER_S = 30.0
_SLOW_READER_BYTES = 64 * 2**20


class _Writer(Protocol):
    """The part of the server library's stream writer that is used here."""

    async def drain(self) -> None: ...


def framed(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return the unmasked RFC 6455 frame of a payload."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


class Socket:
    """A socket the fake has accepted."""

    def __init__(
        self,
        gateway: Gateway,
        link: Link,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        writer: _Writer,
    ) -> None:
        self.link = link
        self._gateway = gateway
        self._ws = ws
        self._transport = transport
        self._writer = writer
        self._out: list[bytes] = []
        self._arrivals: deque[float] = deque()
        self._unanswered: set[bytes] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Read until the socket ends."""
        limits = self._gateway.side.allowed
        self._after("ping", limits.ping_every_s, self._ping)
        self._after("lifetime", limits.lifetime_s, self._expire)
        try:
            # an aborted transport ends the iteration or raises, depending on what it was doing
            with contextlib.suppress(ConnectionError):
                async for message in self._ws:
                    await self._take(message.type, message.data)
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def queue(self, frame: bytes) -> None:
        """Add a framed frame to the next batch."""
        self._out.append(frame)

    def flush(self) -> None:
        """Write the batch; a reader that has fallen far behind is cut off."""
        if self._out:
            out, self._out = self._out, []
            if not self._ws.closed and not self._transport.is_closing():
                self._transport.write(b"".join(out))
        if self._transport.get_write_buffer_size() > _SLOW_READER_BYTES:
            self._violation("did not read; cut off")
            self.abort()

    async def drain(self) -> None:
        """Write the batch and wait until the client has taken nearly all of it."""
        self.flush()
        if self._transport.is_closing():
            return
        try:
            async with asyncio.timeout(_SLOW_READER_S):
                await self._writer.drain()
        except TimeoutError:
            self._violation("did not read; cut off")
            self.abort()
        except ConnectionError:
            return  # it ended while we waited, which `serve` notices

    async def close(self, code: int, reason: str) -> None:
        """Close with a close frame."""
        self.flush()
        with contextlib.suppress(ConnectionError):
            await self._ws.close(code=code, message=reason.encode())

    def abort(self) -> None:
        """End the connection without a close frame; its client sees code 1006."""
        self._out.clear()
        self._transport.abort()

    async def _take(self, kind: WSMsgType, data: str | bytes | bytearray) -> None:
        payload = data.encode() if isinstance(data, str) else bytes(data)
        if self._too_many():
            self._violation(
                f"sent more than {self._gateway.side.allowed.messages_per_s} messages/s"
            )
            await self.close(1008, "Too many requests")
        elif kind is WSMsgType.PING:
            await self._ws.pong(payload)
        elif kind is WSMsgType.PONG and payload in self._unanswered:
            # an unsolicited pong, one with another payload, keeps no connection alive
            self._unanswered.clear()
            self._gateway.stats.pongs_received += 1
            self._cancel("pong")
            self._gateway.changed()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._gateway.apply(self, self._gateway.side.receive(self.link, payload))
            self.flush()

    def _too_many(self) -> bool:
        allowed = self._gateway.side.allowed.messages_per_s
        now = self._loop.time()
        self._arrivals.append(now)
        while self._arrivals[0] <= now - 1:
            self._arrivals.popleft()
        return bool(allowed) and len(self._arrivals) > allowed

    def _ping(self) -> None:
        limits = self._gateway.side.allowed
        self._after("ping", limits.ping_every_s, self._ping)
        if self._gateway.pinging and not self._ws.closed:
            self._gateway.stats.pings_sent += 1
            payload = self._gateway.side.ping_payload()
            self._unanswered.add(payload)
            self.queue(framed(payload, WSMsgType.PING))
            self.flush()
            if "pong" not in self._timers:
                self._after("pong", limits.pong_within_s, self._cut)
            self._gateway.changed()

    def _cut(self) -> None:
        self._violation("did not answer pings; cut off")
        self.abort()

    def _expire(self) -> None:
        self._gateway.spawn(self.close(1001, "lifetime is over"))

    def _violation(self, what: str) -> None:
        self._gateway.violation(f"socket {self.link.number} {what}")

    def _after(self, name: str, delay_s: float, call: object) -> None:
        assert callable(call)
        self._cancel(name)
        self._timers[name] = self._loop.call_later(delay_s, call)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer:
            timer.cancel()
