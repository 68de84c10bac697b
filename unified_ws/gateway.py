"""The one place to redirect traffic: a relay that all REST requests and all sockets go through.

A request for `https://HOST/PATH` goes to `GATEWAY/HOST/PATH`, a socket for
`wss://HOST[:PORT]/PATH` to the same place by ws (or wss, for an https gateway). URLs are
rewritten after signing, because some signatures hold the URL. The relay reaches the venue by
https and wss: the scheme of the original is not carried.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

ENVIRONMENT = "UNIFIED_WS_GATEWAY"
_DEMAND = "must be http://host[:port] or https://host[:port], without user, path or query"


@dataclass(frozen=True)
class Gateway:
    """A relay, by its base address, for example "http://127.0.0.1:8080"."""

    base: str

    @classmethod
    def parse(cls, text: object) -> Gateway:
        """Check `text` and strip its trailing slash.

        Raises:
            ValueError: It is not the address of a host; the message says what it must be.
        """
        parts = urlsplit(text.strip().rstrip("/") if isinstance(text, str) else "")
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(_DEMAND) from error
        extras = parts.path or parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme not in {"http", "https"} or not parts.hostname or extras or port == 0:
            raise ValueError(_DEMAND)
        return cls(f"{parts.scheme}://{parts.netloc}")

    @property
    def socket_base(self) -> str:
        """The address that sockets go to: ws for http, wss for https."""
        return "ws" + self.base.removeprefix("http")

    @property
    def allows_credentials(self) -> bool:
        """Whether keys may pass: the relay is on this machine, or the way to it is encrypted."""
        if self.base.startswith("https://"):
            return True
        host = urlsplit(self.base).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def rest_url(self, url: str) -> str:
        """Rewrite the URL of a request; one that already goes through here stays as it is."""
        return self._through(self.base, url)

    def socket_url(self, url: str) -> str:
        """Rewrite the URL of a socket; one that already goes through here stays as it is."""
        return self._through(self.socket_base, url)

    def _through(self, base: str, url: str) -> str:
        if url == base or url.startswith(base + "/"):
            return url
        return f"{base}/{url.partition('://')[2]}"


__all__ = ["ENVIRONMENT", "Gateway"]
