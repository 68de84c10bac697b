"""One accepted socket: reads and judges what comes in, batches what goes out.

Frames are framed here and written to the transport in batches: a frame at a time through the
server library costs a system call each, and it would refuse the broken frames that tests need.
No compression is negotiated, so a frame is its header and its payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSMsgType, web

from ._wire import Link, Rate

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
        limits = link.limits
        self._rates = (
            Rate(limits.messages_per_s, 1.0),
            Rate(limits.messages, limits.messages_window_s),
        )
        self._unanswered: set[bytes] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Read until the socket ends."""
        limits = self.link.limits
        self._after("ping", limits.ping_every_s, self._ping)
        self._after("lifetime", limits.lifetime_s, self._expire)
        self._after("silence", limits.client_ping_within_s, self._silent)
        if not self.link.topics:
            self._after("idle", limits.subscribe_within_s, self._idle)
        try:
            # an aborted transport ends the iteration or raises, depending on what it was doing
            with contextlib.suppress(ConnectionError):
                async for message in self._ws:
                    await self._take(message.type, message.data)
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def finished(self, frame: bytes) -> bytes:
        """Seal and frame what this socket is to be sent; the order of calls is that of writing."""
        side = self._gateway.side
        sealed = side.seal(self.link, frame) if side.seals else frame
        return framed(sealed, BINARY if self.link.binary else TEXT)

    def send(self, frame: bytes) -> None:
        """Add a frame to the next batch."""
        self._out.append(self.finished(frame))

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

    async def end(self, code: int, reason: str) -> None:
        """Close as a venue does that has had enough: 1006 without a close frame."""
        if code == 1006:
            await self.drain()
            self.abort()
        else:
            await self.close(code, reason)

    def abort(self) -> None:
        """End the connection without a close frame; its client sees code 1006."""
        self._out.clear()
        self._transport.abort()

    async def _take(self, kind: WSMsgType, data: str | bytes | bytearray) -> None:
        payload = data.encode() if isinstance(data, str) else bytes(data)
        limits, gateway = self.link.limits, self._gateway
        self._after("silence", limits.client_ping_within_s, self._silent)
        over = [rate for rate in self._rates if rate.over()]
        if over:
            most, window_s = over[0].most, over[0].window_s
            each = "/s" if window_s == 1 else f" in {window_s:g} s"
            self._violation(f"sent more than {most} messages{each}")
            await self.end(limits.messages_code, "Too many requests")
        elif kind is WSMsgType.PING:
            if gateway.ponging:
                await self._ws.pong(payload)
        elif kind is WSMsgType.PONG and payload in self._unanswered:
            # an unsolicited pong, one with another payload, keeps no connection alive
            self._unanswered.clear()
            gateway.stats.pongs_received += 1
            self._cancel("pong")
            gateway.changed()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            gateway.apply(self, gateway.side.receive(self.link, payload))
            if self.link.topics:
                self._cancel("idle")
            self.flush()

    def _ping(self) -> None:
        limits = self.link.limits
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

    def _silent(self) -> None:
        limits = self.link.limits
        self._violation(f"sent nothing for {limits.client_ping_within_s:g} s; closed")
        self._gateway.spawn(self.end(limits.client_ping_code, "no ping"))

    def _idle(self) -> None:
        limits = self.link.limits
        self._violation(f"subscribed nothing within {limits.subscribe_within_s:g} s; closed")
        self._gateway.spawn(self.end(limits.subscribe_code, "no subscription"))

    def _expire(self) -> None:
        self._gateway.spawn(self.close(1001, "lifetime is over"))

    def _violation(self, what: str) -> None:
        self._gateway.violation(f"socket {self.link.number} {what}")

    def _after(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        """Start a timer anew; without a delay there is none."""
        self._cancel(name)
        if delay_s:
            self._timers[name] = self._loop.call_later(delay_s, call)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer:
            timer.cancel()
