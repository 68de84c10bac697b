"""What a client needs of the exchange object around it, and what is left when that is gone."""

from __future__ import annotations

from typing import Any, Protocol

from unified_ws.adapter import Rest
from unified_ws.core.actions import Notice
from unified_ws.errors import DialFailed
from unified_ws.facts import Heartbeat


class Surroundings(Protocol):
    """What the client needs of the exchange object."""

    @property
    def id(self) -> str:
        """Return the venue's id."""

    @property
    def timeout_s(self) -> float:
        """Return how long a first contact may take, in seconds."""

    @property
    def raise_after_s(self) -> float:
        """Return after how long an outage raises in waiting calls, in seconds; 0: never."""

    def socket_url(self, endpoint_name: str) -> str:
        """Return where the sockets of an endpoint go, before the gateway."""

    def redirected(self, url: str) -> str:
        """Return `url` as the gateway wants it."""

    def heartbeat(self, dictated: Heartbeat) -> Heartbeat:
        """Return the heartbeat that a venue dictates, with what the user says instead."""

    def socket_proxy(self) -> tuple[str | None, str | None]:
        """Return the proxy for sockets and its kind."""

    def socket_headers(self) -> dict[str, str]:
        """Return extra headers for sockets."""

    async def rest_call(self, rest: Rest) -> Any:
        """Perform one REST call outside any throttle."""

    def on_notice(self, notice: Notice) -> None:
        """Tell the operators."""

    def on_frame(self, link: int, direction: str, frame: bytes) -> None:
        """Show a frame to those who asked to see it all."""


class Nobody:
    """What is left around a client when the exchange object is gone: it is about to be closed."""

    timeout_s = 0.0
    raise_after_s = 0.0

    def __init__(self, name: str) -> None:
        self.id = name

    def socket_url(self, endpoint_name: str) -> str:
        """Refuse to dial."""
        text = f"{self.id}: {endpoint_name} is not dialed, nobody holds the exchange object"
        raise DialFailed(text, hop="socket", final=True)

    def redirected(self, url: str) -> str:
        """Leave `url` alone."""
        return url

    def heartbeat(self, dictated: Heartbeat) -> Heartbeat:
        """Leave it alone."""
        return dictated

    def socket_proxy(self) -> tuple[str | None, str | None]:
        """Know of no proxy."""
        return None, None

    def socket_headers(self) -> dict[str, str]:
        """Know of no headers."""
        return {}

    async def rest_call(self, rest: Rest) -> Any:
        """Refuse to call."""
        text = f"{self.id}: {rest.method} is not called, nobody holds the exchange object"
        raise DialFailed(text, hop="socket", final=True)

    def on_notice(self, notice: Notice) -> None:
        """Tell nobody."""

    def on_frame(self, link: int, direction: str, frame: bytes) -> None:
        """Show it to nobody."""
