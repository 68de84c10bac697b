"""What the engine asks the shell to do, and what it has to tell."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from unified_ws.adapter import Rest
from unified_ws.core.streams import Stream


class DialLink(msgspec.Struct, frozen=True):
    """Open a socket for this connection, when the dial budget allows."""

    link: int


class HangUp(msgspec.Struct, frozen=True):
    """Drop the socket of this connection at once; `polite` says goodbye first."""

    link: int
    reason: str
    polite: bool = False


class Send(msgspec.Struct, frozen=True):
    """Write one text frame; the budget has been charged."""

    link: int
    frame: bytes


class Ping(msgspec.Struct, frozen=True):
    """Write an RFC 6455 ping frame."""

    link: int


class Fetch(msgspec.Struct, frozen=True, eq=False):
    """Ask REST for a book's state, missed rows or polled data; lower `priority` goes first."""

    stream: Stream
    what: Literal["snapshot", "renewal", "history", "poll"]
    rest: Rest
    priority: int
    epoch: int


class Notice(msgspec.Struct, frozen=True):
    """Something that operators may want to know; handlers of `ex.on(event)` get it.

    event: connected, disconnected (lost), closed (on purpose), subscribed, first_data, gap, recovered, resync, rotating,
        rotated, quarantined, lagging, loop_lag, down, up, refused, closing.
    """

    event: str
    venue: str
    endpoint: str = ""
    connection: int | None = None
    symbol: str | None = None
    kind: str = ""
    reason: str = ""
    data: Any = None


Action: TypeAlias = DialLink | HangUp | Send | Ping | Fetch | Notice
