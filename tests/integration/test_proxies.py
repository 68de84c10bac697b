"""Proxies by all of ccxt's names: sockets and REST go through them, or nowhere."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import unified_ws
from tests.integration.test_consumers import first
from unified_ws.testing import FakeVenue


class Proxy:
    """A proxy on loopback that speaks HTTP (absolute URIs, CONNECT) and SOCKS5."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readexactly(1)
                if head == b"\x05":
                    await self._socks(reader, writer)
                else:
                    await self._http(head + await reader.readline(), reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(str(part) for part in await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.seen.append(f"socks {host}:{port}")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await self._relay(b"", host, port, reader, writer)

    async def _http(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, version = line.decode().split()
        rest = await reader.readuntil(b"\r\n\r\n")
        if method == "CONNECT":
            host, _, port = target.partition(":")
            self.seen.append(f"connect {target}")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await self._relay(b"", host, int(port), reader, writer)
            return
        parts = urlsplit(target)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.seen.append(f"http {parts.path}")
        first_line = f"{method} {path} {version}\r\n".encode()
        assert parts.hostname is not None
        assert parts.port is not None
        await self._relay(first_line + rest, parts.hostname, parts.port, reader, writer)

    async def _relay(
        self, head: bytes, host: str, port: int, reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        there_reader, there = await asyncio.open_connection(host, port)
        self._writers.add(there)
        there.write(head)
        await asyncio.gather(_copy(reader, there), _copy(there_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A running proxy."""
    async with Proxy() as running:
        yield running


async def _through(paused: FakeVenue, **config: Any) -> None:
    async with unified_ws.exchange("binance", {"gateway": paused.gateway, **config}) as ex:
        await ex.load_markets()
        assert await first(ex, paused)


@pytest.mark.parametrize("name", ["httpProxy", "http_proxy", "httpsProxy", "https_proxy"])
async def test_a_rest_proxy_carries_the_sockets_too(
    paused: FakeVenue, proxy: Proxy, name: str
) -> None:
    """ccxt.pro would open its sockets directly: never a silent direct connection."""
    await _through(paused, **{name: f"http://127.0.0.1:{proxy.port}"})

    assert any("/api/v3/exchangeInfo" in seen for seen in proxy.seen)
    assert any("/stream" in seen and "stream.binance.com" in seen for seen in proxy.seen)


@pytest.mark.parametrize("name", ["wsProxy", "wssProxy", "ws_proxy", "wss_proxy"])
async def test_a_socket_proxy_carries_only_sockets(
    paused: FakeVenue, proxy: Proxy, name: str
) -> None:
    """As in ccxt, the `ws` names say nothing about REST."""
    await _through(paused, **{name: f"http://127.0.0.1:{proxy.port}"})

    assert len(proxy.seen) == 1
    assert "stream.binance.com" in proxy.seen[0]


@pytest.mark.skipif(
    importlib.util.find_spec("aiohttp_socks") is None, reason="the extra `socks` is not installed"
)
@pytest.mark.parametrize("name", ["wsSocksProxy", "ws_socks_proxy", "socksProxy"])
async def test_a_socks_proxy(paused: FakeVenue, proxy: Proxy, name: str) -> None:
    """SOCKS5 with names resolved at the proxy, for sockets and (its own name) for REST."""
    await _through(paused, **{name: f"socks5h://127.0.0.1:{proxy.port}"})

    port = urlsplit(paused.gateway).port
    assert proxy.seen
    assert set(proxy.seen) == {f"socks 127.0.0.1:{port}"}


async def test_two_socket_proxies_contradict_each_other(paused: FakeVenue) -> None:
    """Which one is meant cannot be guessed."""
    config = {"wsProxy": "http://127.0.0.1:1", "wsSocksProxy": "socks5://127.0.0.1:1"}
    with pytest.raises(unified_ws.InvalidProxySettings) as raised:
        unified_ws.exchange("binance", {"gateway": paused.gateway, **config})

    assert "wsProxy" in str(raised.value)
    assert "wsSocksProxy" in str(raised.value)


async def test_a_proxy_set_on_the_object_is_used(paused: FakeVenue, proxy: Proxy) -> None:
    """Ccxt's users assign it after construction."""
    ex = unified_ws.exchange("binance", {"gateway": paused.gateway})
    ex.httpsProxy = f"http://127.0.0.1:{proxy.port}"
    await ex.load_markets()
    await first(ex, paused)
    await ex.close()

    assert len(proxy.seen) >= 2
