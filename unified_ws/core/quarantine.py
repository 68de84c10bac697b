"""The one place where what a venue sent can raise, and where it ends up when it does.

A frame or a row that does not decode never stops a stream: it is kept here, bounded, with its
reason, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from unified_ws.adapter import Adapter, Inbound
from unified_ws.errors import DecodeError
from unified_ws.events import Markets

KEPT_BYTES = 4096


class Quarantined(msgspec.Struct, frozen=True):
    """A frame or row that was set aside.

    `frame` holds at most the first 4 KiB, `size` the true length in bytes; `at_ms` is when it
    came (Unix epoch, milliseconds).
    """

    at_ms: int
    connection: int
    reason: str
    frame: bytes
    size: int


class Quarantine:
    """The last `keep` bad frames and rows, and how many there were in all."""

    def __init__(self, keep: int = 100) -> None:
        self.frames: deque[Quarantined] = deque(maxlen=keep)
        self.count = 0

    def add(self, frame: bytes, reason: str, *, connection: int, at_ms: int) -> Quarantined:
        """Set one frame aside."""
        self.count += 1
        kept = Quarantined(at_ms, connection, reason[:300], frame[:KEPT_BYTES], len(frame))
        self.frames.append(kept)
        return kept


def decode(adapter: Adapter, frame: bytes, at: str, markets: Markets) -> Sequence[Inbound]:
    """Decode one frame, turning any failure to do so into a `DecodeError`."""
    try:
        return adapter.decode(frame, at, markets)
    except Exception as exc:
        raise DecodeError(adapter.venue.id, reason_of(exc), frame) from exc


def reason_of(exc: Exception) -> str:
    """Say in a few words why something could not be decoded."""
    text = str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
