"""Say in one sentence why a connection could not be made: which hop, and what to try.

Works for sockets and for REST, whose errors come through ccxt with aiohttp's as their cause.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from unified_ws.errors import (
    CCXT_ERRORS,
    BadCertificate,
    Banned,
    DialFailed,
    DialTimeout,
    Forbidden,
    ProxyRefused,
    Unreachable,
)

FINAL_STATUSES = frozenset({401, 403, 404, 410, 451})
_HINTS = {
    401: "the key was not accepted",
    403: "requests from here are blocked (a firewall of the venue, or a proxy's address)",
    404: "no such address: check the gateway or report a changed URL",
    410: "this address has been retired: update the library",
    418: "this address is banned for a while: too many requests",
    429: "too many requests: slowing down",
    451: "the venue does not serve this location; a proxy elsewhere may help",
}
_STATUS_IN_TEXT = re.compile(r"https?://\S+ (\d{3})(?:\s|$)")


def explain(venue: str, url: str, exc: BaseException, *, proxy: str | None = None) -> DialFailed:
    """Turn any failure to connect to `url` into the error that names its hop."""
    parts = urlsplit(url)
    host = parts.hostname or url
    port = parts.port or {"ws": 80, "http": 80}.get(parts.scheme, 443)
    cause = _root(exc)
    if isinstance(exc, DialFailed):
        return exc
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        text = f"{venue}: the proxy {proxy} refused to connect to {host} (HTTP {cause.status})"
        return ProxyRefused(f"{text}: check its address and credentials", hop="proxy")
    if isinstance(cause, aiohttp.ClientProxyConnectionError) or _of_socks(cause):
        text = f"{venue}: cannot connect through the proxy {proxy} ({_why(cause)})"
        return ProxyRefused(f"{text}: check its address; there is no direct fallback", hop="proxy")
    status = _status(exc, cause)
    if status is not None:
        return _refused(venue, host, status, cause)
    if isinstance(cause, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError)):
        text = f"{venue}: the TLS certificate of {host} could not be verified ({_why(cause)})"
        return BadCertificate(
            f"{text}: pass the authority's file as \"cafile\"", hop="tls", final=True
        )
    if isinstance(cause, (aiohttp.ClientConnectorDNSError, socket.gaierror)):
        text = f"{venue}: cannot resolve {host} (DNS)"
        return Unreachable(f"{text}: check the network connection", hop="dns")
    if isinstance(cause, (asyncio.TimeoutError, TimeoutError)):
        text = f"{venue}: no answer from {host}:{port} in time"
        return DialTimeout(f"{text}: check the network connection or a proxy", hop="timeout")
    if isinstance(cause, (aiohttp.ClientConnectorError, OSError)):
        text = f"{venue}: cannot connect to {host}:{port} (TCP: {_why(cause)})"
        return Unreachable(f"{text}: check the network connection", hop="tcp")
    return Unreachable(f"{venue}: {host} failed: {_why(exc)}", hop="socket")


def _refused(venue: str, host: str, status: int, cause: BaseException) -> DialFailed:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown status"
    hint = _HINTS.get(status, "it will be tried again")
    text = f"{venue}: {host} answered HTTP {status} ({phrase}): {hint}"
    kind: type[DialFailed] = Unreachable
    if status in (418, 429):
        kind = Banned
    elif status in (401, 403, 451):
        kind = Forbidden
    return kind(
        text, hop="http", status=status, final=status in FINAL_STATUSES,
        retry_after_s=_retry_after(cause),
    )  # fmt: skip


def _status(exc: BaseException, cause: BaseException) -> int | None:
    if isinstance(cause, aiohttp.ClientResponseError):
        return cause.status
    if isinstance(exc, CCXT_ERRORS["BaseError"]):
        # ccxt's text of a refused request is "id METHOD url STATUS reason body".
        found = _STATUS_IN_TEXT.search(str(exc))
        if found:
            return int(found.group(1))
        if isinstance(exc, CCXT_ERRORS["RateLimitExceeded"]):
            return 429
        if isinstance(exc, CCXT_ERRORS["DDoSProtection"]):
            return 418
    return None


def _retry_after(cause: BaseException) -> float | None:
    headers = getattr(cause, "headers", None) or {}
    try:
        return float(headers.get("Retry-After", ""))
    except ValueError:
        return None


def _root(exc: BaseException) -> BaseException:
    """Follow ccxt's wrapping down to the network's own error."""
    while isinstance(exc, CCXT_ERRORS["BaseError"]) and exc.__cause__ is not None:
        exc = exc.__cause__
    return exc


def _of_socks(exc: BaseException) -> bool:
    return type(exc).__module__.startswith(("python_socks", "aiohttp_socks"))


def _why(exc: BaseException) -> str:
    inner = getattr(exc, "os_error", None) or getattr(exc, "certificate_error", None) or exc
    number = getattr(inner, "errno", None)
    if isinstance(inner, OSError) and isinstance(number, int) and not isinstance(inner, ssl.SSLError):
        return os.strerror(number).lower() if number > 0 else str(inner)
    return (str(inner) or type(inner).__name__).split("\n")[0][:160]
