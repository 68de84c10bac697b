"""Write a session down in the form that `Replay` plays, without its secrets.

It is fed with events and does no network of its own: a relay, a client or a test feeds it. It
records text; binary frames are counted and left out. It stops writing at `max_bytes` and says so.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, Self, TypeAlias

Direction: TypeAlias = Literal["in", "out"]
_REDACTED = "REDACTED"
_CREDENTIALS = (
    r"[\w-]*(?:api-?_?key|signature|listen-?_?key|passphrase|password|secret|authorization"
    r"|token|jwt)|sign|sig"
)
_IN_QUERY = re.compile(rf"(?<=[?&])({_CREDENTIALS})=([^&\s\"\\]+)", re.IGNORECASE)
# the quote may be escaped: JSON inside JSON
_IN_JSON = re.compile(rf'(\\*")({_CREDENTIALS})\1(\s*:\s*)\1(?:(?!\1).)*\1', re.IGNORECASE)
# keys of private streams are part of the path with some venues
_IN_PATH = re.compile(r"(?<=/)[A-Za-z0-9]{50,}(?=[/?#]|$)")
_GZIP_ABOVE = 60_000


class Recorder:
    """Records one session into a folder.

    Args:
        folder: Is made; must not hold a recording yet.
        venue: Id of the venue; `Replay` plays those that there is a fake of.
        secrets: Texts that must appear nowhere. Well-known credentials go in any case.
        max_bytes: Raw bytes after which frames and bodies are only counted.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        venue: str,
        secrets: Sequence[str] = (),
        max_bytes: int = 2**30,
    ) -> None:
        self.folder = Path(folder)
        if (self.folder / "meta.json").exists():
            raise FileExistsError(f"{self.folder} already holds a recording.")
        (self.folder / "rest").mkdir(parents=True, exist_ok=True)
        self._venue = venue
        # the longest first: one secret may be part of another
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._left = max_bytes
        self._written = 0
        self._files: dict[int, IO[str]] = {}
        self._streams: dict[int, dict[str, Any]] = {}
        self._index: list[dict[str, Any]] = []
        self._skipped = self._cut = self._redactions = 0
        self._closed = False

    def opened(self, connection_no: int, url: str) -> None:
        """Note a connection; its number must be new."""
        if connection_no in self._streams:
            raise ValueError(f"Connection {connection_no} has been opened before.")
        name = f"ws-{connection_no}.jsonl.gz"
        file = gzip.open(self.folder / name, "wt", encoding="utf-8")  # noqa: SIM115 - see `close`
        self._files[connection_no] = file
        self._streams[connection_no] = {
            "file": name,
            "url": self._clean(url),
            "frames_in": 0,
            "frames_out": 0,
            "t_first": None,
            "t_last": None,
        }

    def frame(self, connection_no: int, direction: Direction, data: bytes | str, t: float) -> None:
        """Record a frame received ("in") or sent ("out") at Unix second `t`."""
        stream = self._streams[connection_no]
        try:
            raw = data if isinstance(data, str) else data.decode()
        except UnicodeDecodeError:
            self._skipped += 1
            return
        if not self._take(len(raw)):
            return
        line = {"t": t, "dir": direction, "raw": self._clean(raw)}
        self._files[connection_no].write(json.dumps(line, ensure_ascii=False) + "\n")
        stream["frames_in" if direction == "in" else "frames_out"] += 1
        stream["t_first"] = stream["t_first"] or t
        stream["t_last"] = t

    def rest(self, url: str, status: int, body: bytes | str, t: float) -> None:
        """Record a REST response in its place between the frames."""
        text = body if isinstance(body, str) else body.decode(errors="replace")
        if not self._take(len(text)):
            return
        clean_url, data = self._clean(url), self._clean(text).encode()
        stem = re.sub(r"\W+", "_", clean_url.partition("://")[2])[:80]
        name = f"{len(self._index) + 1:03d}-{stem}.json"
        if len(data) > _GZIP_ABOVE:
            name += ".gz"
            data = gzip.compress(data)
        (self.folder / "rest" / name).write_bytes(data)
        entry = {
            "file": name,
            "url": clean_url,
            "status": status,
            "t": t,
            "frames_before": {s["file"]: _lines(s) for s in self._streams.values()},
            "bytes": len(text),
        }
        self._index.append(entry)

    def close(self) -> None:
        """Finish all files; before this, the recording cannot be read."""
        if self._closed:
            return
        self._closed = True
        for file in self._files.values():
            file.close()
        _write(self.folder / "rest" / "index.json", self._index)
        _write(self.folder / "meta.json", self._meta())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _take(self, size: int) -> bool:
        if self._closed:
            raise ValueError("The recorder is closed.")
        if size > self._left:
            self._cut += 1
            self._left = 0  # nothing after the first that did not fit: no hidden holes
            return False
        self._left -= size
        self._written += size
        return True

    def _clean(self, text: str) -> str:
        clean = text
        for secret in self._secrets:
            clean = clean.replace(secret, _REDACTED)
        clean = _IN_QUERY.sub(rf"\1={_REDACTED}", clean)
        clean = _IN_JSON.sub(rf"\1\2\1\3\1{_REDACTED}\1", clean)
        if clean.startswith(("ws://", "wss://", "http://", "https://")):
            clean = _IN_PATH.sub(_REDACTED, clean)
        self._redactions += clean != text
        return clean

    def _meta(self) -> dict[str, Any]:
        streams = list(self._streams.values())
        first = [s["t_first"] for s in streams if s["t_first"]]
        last = [s["t_last"] for s in streams if s["t_last"]]
        return {
            "venue": self._venue,
            "capture": self.folder.name,
            "raw_exact": self._redactions == 0,
            "streams": streams,
            "frames_in": sum(s["frames_in"] for s in streams),
            "frames_out": sum(s["frames_out"] for s in streams),
            "frames_not_text": self._skipped,
            "cut_after_max_bytes": self._cut,
            "redactions": self._redactions,
            "seconds": round(max(last) - min(first), 3) if first else 0.0,
            "utc_start": _utc(min(first)) if first else None,
            "rest_responses": len(self._index),
            "raw_bytes": self._written,
        }


def _lines(stream: dict[str, Any]) -> int:
    lines: int = stream["frames_in"] + stream["frames_out"]
    return lines


def _utc(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
