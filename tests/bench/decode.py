"""Microseconds that each adapter needs to decode a frame: `python -m tests.bench.decode`.

The frames are those of `tests/fixtures/<venue>/frames.jsonl`: one JSON object a line, the frame
under `frame` as an object or as text.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from unified_ws.adapter import Adapter, Batch
from unified_ws.factory import class_of, exchanges

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
REPEAT, NUMBER = 5, 2000


def frames(venue: str) -> list[bytes]:
    """Return the recorded shapes of a venue."""
    lines = (FIXTURES / venue / "frames.jsonl").read_bytes().splitlines()
    found = [msgspec.json.decode(line) for line in lines if line.strip()]
    return [_frame(line["frame"]) for line in found if "frame" in line]


def _frame(said: Any) -> bytes:
    return said.encode() if isinstance(said, str) else msgspec.json.encode(said)


def timed(adapter: Adapter, frame: bytes, at: str) -> tuple[str, float] | None:
    """Return what a frame is and the microseconds it takes; None if it does not decode."""
    try:
        found = adapter.decode(frame, at, _known)
    except Exception:  # fixtures hold frames that must not decode, too
        return None
    if not found or not isinstance(found[0], Batch) or not found[0].events:
        return None
    best = min(
        timeit.repeat(lambda: adapter.decode(frame, at, _known), repeat=REPEAT, number=NUMBER)
    )
    return found[0].topic, best / NUMBER * 1e6


def _known(market_id: str) -> str:
    return market_id


def rows() -> Iterator[tuple[str, str, int, float]]:
    """Yield venue, topic, bytes of the frame, microseconds."""
    for folder in sorted(FIXTURES.glob("*/frames.jsonl")):
        venue = folder.parent.name
        if venue not in exchanges:
            continue
        adapter = class_of(venue).adapter_class()
        at = next(iter(adapter.venue.endpoints))
        seen = set()
        for frame in frames(venue):
            found = timed(adapter, frame, at)
            if found is not None and found[0] not in seen:
                seen.add(found[0])
                yield venue, found[0], len(frame), found[1]


def report() -> str:
    """Return the table in Markdown."""
    lines = [
        f"| {venue} | `{topic}` | {size:,} | {cost:.2f} |" for venue, topic, size, cost in rows()
    ]
    if not lines:
        return "No frames under tests/fixtures: nothing to decode."
    return "\n".join(
        ["| venue | topic | bytes | decode, µs a frame |", "|---|---|---:|---:|", *lines]
    )


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
