"""The way to a venue, hop by hop: DNS, TCP, TLS, proxy, REST, socket, each with its time.

The first hop that fails says so in the words that the library itself would use; the hops behind
it are not tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import aiohttp
import msgspec

from unified_ws.adapter import Call, Dial
from unified_ws.exchange import Exchange
from unified_ws.proxies import Proxies, redact_url
from unified_ws.shell.dialing import explain
from unified_ws.shell.tls import tls_context
from unified_ws.shell.transport import Sessions, hang_up

T = TypeVar("T")
HOP_S = 5.0
"""How long a single hop may take."""
_PONG_S = 2.0
_REST_HOPS = 3
"""How many of ccxt's timeouts loading the markets may take: it may be several requests."""


class Hop(msgspec.Struct):
    """One hop: `ms` is how long it took, `said` what is worth knowing of it, or why it failed."""

    name: str
    target: str
    ok: bool
    ms: float | None = None
    said: str = ""


class Way:
    """Examines the hops of one exchange object.

    Args:
        ex: Whose gateway, proxies and authorities are used.
        hops: Where what has been found is put, hop by hop.
    """

    def __init__(self, ex: Exchange, hops: list[Hop]) -> None:
        self._ex = ex
        self._hops = hops
        self._reached: dict[tuple[str, int], bool] = {}
        self._gateway: str | None = ex.status()["gateway"]
        self._context = tls_context(getattr(ex.rest, "cafile", None))

    async def rest(self) -> bool:
        """Load the markets, then look at the hops they came by; say whether they are there."""
        error: Exception | None = None
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(_REST_HOPS * self._ex.timeout_s):
                markets: Any = await self._ex.load_markets()
        except Exception as failure:  # whatever it is, the report shall say it
            error, markets = failure, {}
        ms = _since(begun)
        url = getattr(self._ex.rest, "last_request_url", None)
        if url:
            url = f"{self._gateway}/{url.partition('://')[2]}" if self._gateway else url
            await self._reach(url)
        host = urlsplit(url).netloc if url else "no request"
        said = self._sentence(error) if error else f"{len(markets)} markets"
        self._hops.append(Hop("REST", host, error is None, ms, said))
        return error is None

    async def sockets(self, endpoints: Iterable[str]) -> None:
        """Open a socket to each endpoint, and close it again."""
        for name in endpoints:
            try:
                dial = await self._dial(name)
            except Exception as error:
                self._hops.append(Hop("socket", name, ok=False, said=self._sentence(error)))
                continue
            url = self._ex.redirected(dial.url)
            if await self._reach(url):
                await self._open(name, url, dial)

    # --- inside -----------------------------------------------------------------------------

    async def _dial(self, name: str) -> Dial:
        """Learn the address of an endpoint, from REST where the venue hands it out."""
        url = self._ex.socket_url(name)
        cls = self._ex.adapter_class
        first = cls.venue.endpoints[name].ask_first
        answer = None
        if first is not None:
            answer = await asyncio.wait_for(getattr(self._ex.rest, first)(), 2 * HOP_S)
        return cls().dial(url, Call("1", time.time_ns() // 1_000_000, name), answer)

    async def _reach(self, url: str) -> bool:
        """Examine DNS, TCP and TLS up to the host of `url`, or up to the proxy before it."""
        proxy = Proxies.from_object(self._ex.rest).for_sockets
        parts = urlsplit(proxy.url or url)
        host, port = parts.hostname or "", parts.port or _usual_port(parts)
        if (host, port) not in self._reached:
            tls = parts.scheme in ("https", "wss")
            self._reached[host, port] = await self._network(host, port, tls=tls, to_proxy=bool(proxy))
        return self._reached[host, port]

    async def _network(self, host: str, port: int, *, tls: bool, to_proxy: bool) -> bool:
        loop, where = asyncio.get_running_loop(), f"{host}:{port}"
        found = await self._timed(
            "DNS", host, where,
            lambda: loop.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            lambda answer: ", ".join(_addresses(answer)),
        )  # fmt: skip
        if found is None:
            return False
        addresses = _addresses(found)
        name = "proxy" if to_proxy else "TCP"
        opened = await self._timed(name, where, where, lambda: _connected(addresses, port))
        if opened is None:
            return False
        writer: asyncio.StreamWriter = opened[1]
        try:
            if not tls:
                return True
            done = await self._timed(
                "TLS", where, where,
                lambda: self._handshake(writer, host), lambda _: _certificate(writer),
            )  # fmt: skip
            return done is not None
        finally:
            writer.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    async def _handshake(self, writer: asyncio.StreamWriter, host: str) -> bool:
        await writer.start_tls(self._context, server_hostname=host)
        return True

    async def _open(self, name: str, url: str, dial: Dial) -> None:
        proxy, kind = self._ex.socket_proxy()
        sessions = Sessions(
            self._context, trust_env=bool(getattr(self._ex.rest, "aiohttp_trust_env", False)),
            compress=0,
        )  # fmt: skip
        headers = {**self._ex.socket_headers(), **dial.headers}
        shown = f"{name} {redact_url(url).partition('?')[0].partition('://')[2]}"
        try:
            ws = await self._timed(
                "socket", shown, url,
                lambda: sessions.open(url, headers=headers, proxy=proxy, kind=kind),
            )  # fmt: skip
            if ws is not None:
                self._hops[-1].said = await _round_trip(ws)
                await hang_up(ws, polite=True)
        finally:
            await sessions.close()

    async def _timed(
        self,
        name: str,
        target: str,
        url: str,
        attempt: Callable[[], Awaitable[T]],
        said: Callable[[T], str] = lambda _: "",
    ) -> T | None:
        """Take the time of one hop; None if it failed."""
        begun = time.perf_counter()
        try:
            found = await asyncio.wait_for(attempt(), HOP_S)
        except Exception as error:
            address = url if "://" in url else f"wss://{url}"
            text = str(explain(self._ex.id, address, error, proxy=self._shown_proxy()))
            self._hops.append(Hop(name, target, ok=False, ms=_since(begun), said=text))
            return None
        self._hops.append(Hop(name, target, ok=True, ms=_since(begun), said=said(found)))
        return found

    def _shown_proxy(self) -> str | None:
        proxy, _ = self._ex.socket_proxy()
        return redact_url(proxy) if proxy else None

    def _sentence(self, error: BaseException) -> str:
        text = str(error).partition("\n")[0] or type(error).__name__
        return text if text.startswith(f"{self._ex.id}") else f"{type(error).__name__}: {text}"


def _addresses(answer: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(str(one[4][0]) for one in answer))


async def _connected(
    addresses: Sequence[str], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that lets us, as the library's own sockets do."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(HOP_S / len(addresses)):
                return await asyncio.open_connection(address, port)
    return await asyncio.open_connection(addresses[-1], port)


async def _round_trip(ws: Any) -> str:
    """Ask with a ping of RFC 6455; not every venue answers it."""
    begun = time.perf_counter()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_PONG_S):
            await ws.ping(b"doctor")
            while True:
                message = await ws.receive()
                if message.type is aiohttp.WSMsgType.PONG:
                    return f"round trip {_since(begun):.1f} ms"
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                    return f"closed at once by the venue, code {ws.close_code}"
    return "a ping was not answered"


def _certificate(writer: asyncio.StreamWriter) -> str:
    channel: ssl.SSLObject = writer.get_extra_info("ssl_object")
    ends = (channel.getpeercert() or {}).get("notAfter")
    days = (ssl.cert_time_to_seconds(str(ends)) - time.time()) / 86400 if ends else 0.0
    return f"{channel.version()}, the certificate is valid for {days:.0f} days"


def _usual_port(parts: SplitResult) -> int:
    return 443 if parts.scheme in ("https", "wss") else 80


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)


__all__ = ["HOP_S", "Hop", "Way"]
