"""The recorder writes what it is fed, without secrets and within bounds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from unified_ws.testing import Recorder

T0 = 1_795_176_000.0


def test_secrets_are_not_written(tmp_path: Path) -> None:
    """Neither those given nor those that everyone knows by name."""
    folder = tmp_path / "private"
    listen_key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
    with Recorder(folder, venue="binance", secrets=["hunter2"]) as recorder:
        recorder.opened(1, f"wss://stream.binance.com/ws/{listen_key}?token=abc&x=1")
        recorder.frame(1, "out", '{"apiKey":"K1","signature": "S1","note":"hunter2!"}', T0)
        recorder.frame(1, "out", '{"in":"{\\"passphrase\\":\\"P1\\"}","listenKey":"L1"}', T0)
        url = "https://api.binance.com/api/v3/order?symbol=BTCUSDT&signature=S2"
        recorder.rest(url, 200, '{"listenKey":"L2","price":"1.0"}', T0)
    written = gzip.decompress((folder / "ws-1.jsonl.gz").read_bytes()).decode()
    meta, index = (folder / "meta.json").read_text(), (folder / "rest/index.json").read_text()
    body = (folder / "rest" / json.loads(index)[0]["file"]).read_text()

    everything = "".join((written, meta, index, body, *map(str, folder.rglob("*"))))
    for secret in ("hunter2", listen_key, "abc", "K1", "S1", "S2", "P1", "L1", "L2"):
        assert secret not in everything
    assert json.loads(body) == {"listenKey": "REDACTED", "price": "1.0"}
    raws = [json.loads(json.loads(line)["raw"]) for line in written.splitlines()]
    assert raws[0] == {"apiKey": "REDACTED", "signature": "REDACTED", "note": "REDACTED!"}
    assert json.loads(raws[1]["in"]) == {"passphrase": "REDACTED"}
    assert "symbol=BTCUSDT" in index
    assert json.loads(meta)["raw_exact"] is False


def test_a_recording_is_bounded_and_says_so(tmp_path: Path) -> None:
    """A forgotten recorder does not fill the disk; what it left out is counted."""
    with Recorder(tmp_path / "small", venue="binance", max_bytes=10) as recorder:
        recorder.opened(1, "wss://stream.binance.com/ws")
        recorder.frame(1, "in", '{"a":1}', T0)
        recorder.frame(1, "in", b"\xff\xfe", T0 + 1)
        recorder.frame(1, "in", '{"a":2}', T0 + 2)
        recorder.rest("https://api.binance.com/api/v3/time", 200, "{}", T0 + 3)
    meta = json.loads((tmp_path / "small/meta.json").read_text())

    assert (meta["frames_in"], meta["rest_responses"], meta["raw_bytes"]) == (1, 0, 7)
    assert (meta["frames_not_text"], meta["cut_after_max_bytes"]) == (1, 2)
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "small", venue="binance")
