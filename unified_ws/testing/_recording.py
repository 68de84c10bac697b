"""A recorded session in memory: frames in capture order and REST bodies in their places.

The format is that of `Recorder`: meta.json, ws-N.jsonl.gz with lines {"t", "dir", "raw"}, and
rest/index.json beside the bodies, each with the number of lines that came before it.

What the topics of a session are, its venue side says: by what was asked for, and by the frames
themselves where requests were not recorded. Topics of markets without any frame are left out:
recordings are cut by market, and their requests name more than they hold.
"""

from __future__ import annotations

import gzip
import heapq
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from .market import Spec
from .side import Recorded, VenueSide, venue_side


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A recorded frame of a topic; `payload` is what the venue wrapped, exactly."""

    t: float
    topic: str
    payload: bytes


class Body(msgspec.Struct, frozen=True):
    """A recorded REST body; `at` frames came before it."""

    at: int
    body: bytes


class _Line(msgspec.Struct):
    t: float | None
    dir: str
    raw: str


_line = msgspec.json.Decoder(_Line)


class Recording:
    """A recorded session.

    Args:
        folder: Holds meta.json, ws-N.jsonl.gz and perhaps rest/.
        side: Reads it; None takes that of the venue which meta.json names.
    """

    def __init__(self, folder: Path | str, side: type[VenueSide] | None = None) -> None:
        self.folder = Path(folder)
        self.meta: dict[str, Any] = json.loads((self.folder / "meta.json").read_text())
        self.side: type[VenueSide] = side or venue_side(self.meta["venue"])
        self.topics: list[str] = []
        self.frames: list[Frame] = []
        self.bodies: dict[str, list[Body]] = {}
        self._read_frames()
        self._read_bodies()
        ids = {found: None for topic in self.topics if (found := self.side.market_id(topic))}
        bodies = {key: found[0].body for key, found in self.bodies.items()}
        self.specs: list[Spec] = self.side.specs_of(ids or self.meta.get("symbols", ()), bodies)

    def _read_frames(self) -> None:
        self._places: dict[str, list[int]] = {}
        sources = []
        asked: dict[str, None] = {}
        for number, stream in enumerate(self.meta["streams"]):
            name = stream["file"]
            lines = [_line.decode(line) for line in _read(self.folder / name).splitlines()]
            sent = [line.raw.encode() for line in lines if line.dir == "out"]
            topics = self.side.recorded_topics(stream["url"], sent)
            asked.update(dict.fromkeys(topics))
            self._places[name] = []
            sources.append(self._source(number, stream, lines, topics))
        # one order for all connections: that of capture
        for _t, _number, _n, name, frames in heapq.merge(*sources):
            self.frames += frames
            self._places[name].append(len(self.frames))
        played = dict.fromkeys(frame.topic for frame in self.frames)
        markets = {self.side.market_id(topic) for topic in played}
        held = [t for t in asked if t in played or self.side.market_id(t) in markets]
        self.topics = list(dict.fromkeys([*held, *played]))

    def _source(
        self, number: int, stream: Mapping[str, Any], lines: list[_Line], topics: list[str]
    ) -> Iterator[tuple[float, int, int, str, list[Frame]]]:
        name, url, t = stream["file"], stream["url"], 0.0
        for n, line in enumerate(lines):
            t = max(t, line.t or t)
            raw = line.raw.encode()
            found = self.side.identify(raw, topics, url) if line.dir == "in" else None
            parts = [found] if isinstance(found, Recorded) else found or ()
            yield t, number, n, name, [Frame(t, part.topic, part.payload) for part in parts]

    def _read_bodies(self) -> None:
        index = self.folder / "rest" / "index.json"
        for entry in json.loads(index.read_text()) if index.exists() else ():
            if entry.get("status", 200) != 200:
                continue
            parts = urlsplit(entry["url"])
            query = dict(parse_qsl(parts.query))
            key = self.side.rest_key(parts.path, query, parts.hostname or "")
            body = Body(self._place(entry["frames_before"]), _read(index.parent / entry["file"]))
            self.bodies.setdefault(key, []).append(body)

    def _place(self, frames_before: Mapping[str, int]) -> int:
        """Return how many frames of the merged order came before a REST body."""
        lines = [(self._places.get(name, []), count) for name, count in frames_before.items()]
        return max((places[:count][-1] for places, count in lines if places[:count]), default=0)


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
