"""Open, read, write and close one WebSocket on aiohttp.

Pings and pongs are ours (`autoping=False`): a server's pings are seen and counted, and a text
frame comes as bytes, unvalidated (`decode_text=False`), so that no bad frame can end a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp

from unified_ws.errors import NotSupported

MAX_FRAME_BYTES = 128 * 2**20
"""Beyond this a frame ends its socket; smaller ones over a venue's limit are set aside."""
CLOSE_S = 0.5
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPALIVE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))

Socket = aiohttp.ClientWebSocketResponse[Any]


class Sessions:
    """The HTTP sessions that sockets are opened with: direct, HTTP proxy, SOCKS proxy."""

    def __init__(self, ssl_context: Any, *, trust_env: bool, compress: int) -> None:
        self._ssl = ssl_context
        self._trust_env = trust_env
        self._compress = compress
        self._session: aiohttp.ClientSession | None = None
        self._socks: str | None = None

    async def open(
        self, url: str, *, headers: Mapping[str, str], proxy: str | None, kind: str | None
    ) -> Socket:
        """Open one socket; never goes direct when a proxy is configured."""
        if self._session is None:
            connector = self._connector(proxy if kind == "socks" else None)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=self._trust_env)
        ws = await self._session.ws_connect(
            url,
            headers=dict(headers),
            proxy=proxy if kind == "http" else None,
            autoping=False,
            autoclose=False,
            decode_text=False,
            compress=self._compress,
            max_msg_size=MAX_FRAME_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
        )
        _keep_alive(ws)
        return ws

    async def close(self) -> None:
        """Close every session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def drop(self) -> None:
        """Drop every session: there is no event loop left to close it in."""
        session, self._session = self._session, None
        discard(session)

    def _connector(self, socks: str | None) -> aiohttp.BaseConnector:
        if socks is None:
            return aiohttp.TCPConnector(ssl=self._ssl, limit=0, happy_eyeballs_delay=0.1)
        try:
            from aiohttp_socks import ProxyConnector
        except ImportError as exc:
            text = 'a SOCKS proxy for sockets needs the extra: pip install "unified-ws[socks]"'
            raise NotSupported(text) from exc
        remote_dns = socks.startswith(("socks5h://", "socks4a://"))
        plain = socks.replace("socks5h://", "socks5://").replace("socks4a://", "socks4://")
        connector: aiohttp.BaseConnector = ProxyConnector.from_url(
            plain, ssl=self._ssl, rdns=remote_dns or None, limit=0
        )
        return connector


async def hang_up(ws: Socket, *, polite: bool, code: int = 1000) -> None:
    """Close a socket within `CLOSE_S`; impolitely means that nothing is said or awaited."""
    if not polite:
        abort(ws)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(ws.close(code=code), CLOSE_S * 2)
    abort(ws)


def discard(session: aiohttp.ClientSession | None) -> None:
    """Drop a session without awaiting anything, and without its own complaints about that."""
    connector = session.connector if session is not None else None
    if session is None or connector is None:
        return
    session.detach()
    connector._close(abort_ssl=True)  # `close()` would want to be awaited


def abort(ws: Socket) -> None:
    """Drop the TCP connection at once: a dead peer must not be waited for."""
    connection = ws._response.connection  # aiohttp has no public way to abort
    transport = connection.transport if connection is not None else None
    if transport is not None:
        transport.abort()


def _keep_alive(ws: Socket) -> None:
    """Let the kernel find dead peers too; options differ between systems, hence the guards."""
    raw = ws.get_extra_info("socket")
    if raw is None:
        return
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, option, value)
