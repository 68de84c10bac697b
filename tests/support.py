"""What several tests share: pointing ccxt at a gateway, and a bare client of a fake venue."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from unified_ws.testing.gateway import Gateway

STREAM_HOST = "stream.binance.com:9443"
REST_HOST = "api.binance.com"


async def until(predicate: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Let the event loop run until something has come about; fail if it never does."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not predicate():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("what the test waits for has not come about")
        await asyncio.sleep(0)


def through(url: str, gateway: str) -> str:
    """Rewrite a venue's URL to its place behind a gateway; one that is there already stays."""
    parts = urlsplit(url)
    if url.startswith(gateway) or parts.hostname == "127.0.0.1":
        return url
    scheme = "ws" if parts.scheme.startswith("ws") else "http"
    return f"{scheme}{gateway.removeprefix('http')}/{url.partition('://')[2]}"


def redirect(exchange: Any, gateway: str) -> Any:
    """Send all REST and sockets of a ccxt or ccxt.pro instance through a gateway; return it."""
    fetch, client = exchange.fetch, getattr(exchange, "client", None)

    def fetch_there(url: str, *args: Any, **kwargs: Any) -> Any:
        return fetch(through(url, gateway), *args, **kwargs)

    exchange.fetch = fetch_there
    if client is not None:
        exchange.client = lambda url: client(through(url, gateway))
    return exchange


def recording(name: str) -> Path:
    """Return the folder of a recorded session, or skip the test if there are no recordings."""
    root = os.environ.get("UNIFIED_WS_RECORDINGS")
    if not root:
        pytest.skip("UNIFIED_WS_RECORDINGS is not set: no recordings to play")
    return Path(root) / name


class Client:
    """A bare client of one socket: reads JSON, sends requests."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[Literal[False]]) -> None:
        self.ws = ws
        self._id = 0

    @property
    def last_id(self) -> int:
        """Id of the last request."""
        return self._id

    async def raw(self) -> bytes:
        """Receive one data frame as it is."""
        message = await self.ws.receive(timeout=5)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        data: bytes = message.data
        return data

    async def read(self) -> Any:
        """Receive one frame of JSON."""
        return msgspec.json.decode(await self.raw())

    async def read_until(self, last: Any) -> list[Any]:
        """Receive frames until one for which `last` is true; return all of them."""
        frames = [await self.read()]
        while not last(frames[-1]):
            frames.append(await self.read())
        return frames

    async def ask(self, method: str, *params: Any) -> Any:
        """Send a request and return its answer; data in between is dropped."""
        self._id += 1
        request: dict[str, Any] = {"method": method, "id": self._id}
        if params:
            request["params"] = list(params)
        await self.ws.send_bytes(msgspec.json.encode(request))

        def answers(frame: Any) -> bool:
            return isinstance(frame, dict) and frame.get("id") == self._id

        return (await self.read_until(answers))[-1]

    async def ended(self) -> int | None:
        """Read to the end of the connection and return the close code the client sees."""
        while not self.ws.closed:
            message = await self.ws.receive(timeout=5)
            if message.type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            ):
                break
        return self.ws.close_code


@contextlib.asynccontextmanager
async def dial(
    server: Gateway | str, path: str = "/ws", *, host: str = STREAM_HOST, autoping: bool = True
) -> AsyncIterator[Client]:
    """Open a socket to a host behind a gateway, given as the server or its address."""
    gateway = server if isinstance(server, str) else server.gateway
    url = f"{gateway}/{host}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, autoping=autoping, decode_text=False) as ws,
    ):
        yield Client(ws)


async def get(
    server: Gateway, path: str, *, host: str = REST_HOST
) -> tuple[int, Any, dict[str, str]]:
    """Make a REST request behind a gateway; return status, body and headers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.gateway}/{host}{path}") as response,
    ):
        body = await response.read()
        is_json = body[:1] in (b"{", b"[")
        return (
            response.status,
            msgspec.json.decode(body) if is_json else body,
            dict(response.headers),
        )
