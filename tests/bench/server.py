"""The other side: a process that speaks just enough of Binance spot and writes very fast.

It listens on loopback, prints its port, and answers by the gateway's convention of paths
(`/HOST/PATH`). A socket gets warm-up frames from its subscription on; then `/go` starts the
measured part; the answer has the last id before it and its own last id:

    /go?n=N&rate=0    N frames that are ready, as fast as the socket takes them
    /go?n=N&rate=R    R frames a second; trades have their send time (monotonic ns) as event time
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tests.bench.frames import EMPTY_INFO, EXCHANGE_INFO, NOW_MS, Feed, Kind, Mode, last_id

WARM_UP = 4000
"""At most so many frames come before `/go`."""
PAUSE_S = 0.1
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 64


class Server:
    """All connections of one client process at a time."""

    def __init__(self, measured: int) -> None:
        self._measured = measured
        self._feeds: dict[tuple[Kind, Mode], Feed] = {}
        self._go: asyncio.Future[tuple[int, float]] | None = None
        self._sent = 0
        self._kind: Kind = "trade"

    def feed(self, kind: Kind, mode: Mode) -> Feed:
        """Return the frames of a kind, made when first wanted."""
        key = (kind, mode)
        if key not in self._feeds:
            self._feeds.clear()  # one scenario at a time: memory
            self._feeds[key] = Feed(kind, WARM_UP + self._measured, mode)
        return self._feeds[key]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                target = urlsplit(head[0].split(" ")[1])
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:])
                }
                if "sec-websocket-key" in headers:
                    accept = _accept(headers["sec-websocket-key"])
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
                    )
                    await self._socket(target.path, reader, writer)
                    break
                body = self._answer(target.path, dict(parse_qsl(target.query)))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )
        writer.close()

    def _answer(self, path: str, query: Mapping[str, str]) -> bytes:
        name = path.rpartition("/")[2]
        if name == "go":
            return self._start(int(query["n"]), float(query.get("rate", 0)))
        if name == "exchangeInfo":
            return EXCHANGE_INFO if "/api/v3/" in path else EMPTY_INFO
        if name == "depth":
            return next(f.snapshot for (kind, _), f in self._feeds.items() if kind == "depth")
        return b'{"serverTime":%d}' % NOW_MS if name == "time" else b"{}"

    def _start(self, count: int, rate: float) -> bytes:
        assert self._go is not None
        assert not self._go.done()
        self._go.set_result((count, rate))
        ids = {
            "before": last_id(self._kind, self._sent - 1),
            "last": last_id(self._kind, self._sent + count - 1),
            "pause_s": PAUSE_S,
        }
        return msgspec.json.encode(ids)

    async def _socket(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        mode: Mode = "combined" if path.endswith("/stream") else "raw"
        request = await _read_frame(reader)
        while request.get("method") != "SUBSCRIBE":
            request = await _read_frame(reader)
        self._kind = "depth" if "@depth" in request["params"][0] else "trade"
        feed = self.feed(self._kind, mode)
        writer.write(_text(msgspec.json.encode({"result": None, "id": request["id"]})))
        ended = asyncio.ensure_future(_ended(reader))
        try:
            await self._send(feed, writer, ended)
        finally:
            ended.cancel()

    async def _send(
        self, feed: Feed, writer: asyncio.StreamWriter, ended: asyncio.Future[None]
    ) -> None:
        self._go = asyncio.get_running_loop().create_future()
        self._sent = 0
        while not self._go.done() and self._sent < WARM_UP:
            writer.write(feed.frames[self._sent])
            self._sent += 1
            await asyncio.sleep(0.001)
        waits: tuple[asyncio.Future[Any], ...] = (self._go, ended)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not self._go.done():
            return
        count, rate = self._go.result()
        await asyncio.sleep(PAUSE_S)
        if rate:
            await _paced(feed, writer, self._sent, count, rate)
        else:
            frames = feed.frames[self._sent : self._sent + count]
            for at in range(0, count, _CHUNK):
                writer.write(b"".join(frames[at : at + _CHUNK]))
                await writer.drain()
        await asyncio.wait([ended])


async def _paced(
    feed: Feed, writer: asyncio.StreamWriter, start: int, count: int, rate: float
) -> None:
    """Send at a fixed rate; asyncio's own timers are too coarse for that."""
    begin = time.monotonic()
    for number in range(count):
        due = begin + number / rate
        time.sleep(max(0.0, due - time.monotonic()))  # noqa: ASYNC251  (there is nothing else)
        at = time.monotonic_ns() if feed.kind == "trade" else NOW_MS + int(1000 * number / rate)
        writer.write(feed.frame(start + number, at))
        if number % 16 == 0:
            await writer.drain()
            await asyncio.sleep(0)


def _accept(key: str) -> bytes:
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())


def _text(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes((0x81, len(payload))) + payload


async def _read_frame(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read one frame of a client; what is not a request is empty."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(size)
    if first & 0x0F != 1:
        return {}
    payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
    request: dict[str, Any] = msgspec.json.decode(payload)
    return request


async def _ended(reader: asyncio.StreamReader) -> None:
    """Skip what the client says until it closes."""
    with contextlib.suppress(ConnectionError):
        said = b" "
        while said and said[0] != 0x88:
            said = await reader.read(65536)


async def _listen(measured: int) -> None:
    server = await asyncio.start_server(Server(measured).serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--measured", type=int, required=True, help="most frames of a run")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(arguments.parse_args().measured))
