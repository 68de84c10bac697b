"""Every adapter conforms to the border, and the check that says so convicts those that do not.

A new venue adds no test code: its file is found, and its frames in tests/fixtures/<id>.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import recording
from unified_ws import registry
from unified_ws.adapter import Adapter
from unified_ws.testing.check import Report, check

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
SAMPLE = FIXTURES / "sample" / "sample.py"


def faults(report: Report) -> list[str]:
    """Return what a report finds wrong."""
    return [str(line) for line in report.lines if not line.ok]


def altered(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the sample venue, changed in the given places."""
    text = SAMPLE.read_text()
    for old, new in changes:
        assert old in text, f"the sample no longer holds {old!r}"
        text = text.replace(old, new, 1)
    path = folder / "sample.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize("adapter", registry.adapters().values(), ids=lambda cls: cls.venue.id)
def test_an_adapter_conforms(adapter: type[Adapter]) -> None:
    """The core relies on every one of these rules."""
    assert faults(check(adapter)) == []


@pytest.mark.parametrize("adapter", registry.adapters().values(), ids=lambda cls: cls.venue.id)
def test_frames_of_the_sheet_become_the_events_written_beside_them(adapter: type[Adapter]) -> None:
    """An adapter has evidence: a frame of each channel and variant, with the sheet's section."""
    report = check(adapter, FIXTURES / adapter.venue.id)

    assert faults(report) == []
    assert any("written frames" in line.text for line in report.lines)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("binance/spot_btcusdt_20240808", "73174 BidAsk, 6495 BookUpdate, 19904 Trade"),
        ("binance/spot_cf_20210405", None),
        ("binance/spot_cf_20211012", None),
    ],
)
def test_recorded_frames_decode(name: str, counts: str | None) -> None:
    """What the venue really sent, every frame of it."""
    report = check("binance", recording(name))

    assert faults(report) == []
    assert counts is None or any(counts in line.text for line in report.lines)


def test_the_sample_conforms(tmp_path: Path) -> None:
    """What is convicted below is convicted for what was changed."""
    report = check(altered(tmp_path), SAMPLE.parent)

    assert faults(report) == []
    assert str(report).endswith("\nit conforms")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("import msgspec\n", "import msgspec\nimport time\n", "imports time"),
        (
            "import msgspec\n",
            "import msgspec\nfrom unified_ws import core\n",
            "imports unified_ws.core",
        ),
        ("        head =", "        self.last = frame\n        head =", "assigns self.last"),
        (
            "    head =",
            "    try:\n            pass\n        finally:\n            head =",
            "has a try",
        ),
        ('ccxt_id="binance"', 'ccxt_id="nobody"', 'ccxt_id "nobody" is no exchange'),
        ('id="sample"', 'id="Sample"', 'id "Sample" must be lower-case'),
        ('"publicGetDepth",)', '"publicGetDeep",)', "no method publicGetDeep"),
        ('("publicGetDepth",)', "()", "publicGetDepth is not in rest_methods"),
        ("def snapshot(", "def snapshoot(", "the adapter no snapshot()"),
        ('"1m": "1"', '"1minute": "1"', 'timeframe "1minute" means nothing to ccxt'),
        ("_{sub.timeframe}", "_1m", "stands for ohlcv BTC/USDT 1m"),
        ("{sub.market.id}", "", "stands for"),
        ('ws.Route("public"', 'ws.Route("sport"', 'unknown endpoint "sport"'),
        ('"op": op', '"op": 1', "subscribe and unsubscribe are the same"),
        ("_request=10", "_request=10, request_bytes=100", "request_bytes is 100"),
        (
            "    raise ValueError",
            "    return (ws.Closing('bye'),)\n        raise ValueError",
            "gives Closing",
        ),
        ('default="trade"', 'default="deal"', "'deal' is a default and not a value"),
        ('live="wss://', 'live="https://', "is not a WebSocket address"),
        ('"spot": True', '"swap": True', 'no endpoint serves a market of type "spot"'),
        ("venue = VENUE", "venue = VENU", "NameError"),
        ("    kinds=", "    kindz=1, kinds=", "kindz: Extra inputs are not permitted"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """A judge that never convicts would pass every adapter above."""
    report = check(altered(tmp_path, (old, new)))

    assert not report.ok
    assert fault in "\n".join(faults(report))


def test_a_fault_is_named_with_its_line(tmp_path: Path) -> None:
    """An editor jumps to file:line."""
    path = altered(tmp_path, ("import msgspec\n", "import msgspec\nimport time\n"))
    line = path.read_text().splitlines().index("import time") + 1

    assert faults(check(path))[0].endswith(f"[{path}:{line}]")


def test_a_file_without_docstring_is_named(tmp_path: Path) -> None:
    """Facts without their source cannot be checked by anybody."""
    text = (
        SAMPLE.read_text().partition('"""\n')[2].replace("from __future__ import annotations", "")
    )
    path = tmp_path / "sample.py"
    path.write_text(text)

    assert "has no docstring" in faults(check(path))[0]


def test_a_wrong_event_is_named_with_its_frame(tmp_path: Path) -> None:
    """The author of a venue is led to the frame, the field and both values."""
    found = faults(check(altered(tmp_path, ("row.price", "row.price * 2")), SAMPLE.parent))

    assert len(found) == 1
    assert "events[0].price is 3.0, expected 1.5" in found[0]
    assert found[0].endswith("frames.jsonl:1]")


def test_a_frame_that_does_not_decode_is_named(tmp_path: Path) -> None:
    """A renamed field is an error with its path."""
    change = ("    price: float", '    price: float = msgspec.field(name="p")')
    found = faults(check(altered(tmp_path, change), SAMPLE.parent))

    assert "does not decode: ValidationError: Object missing required field `p`" in found[0]


def test_a_topic_that_nobody_subscribes_is_named(tmp_path: Path) -> None:
    """Such events would be dropped as unclaimed."""
    found = faults(check(altered(tmp_path, ("{name}:", "{name}/")), SAMPLE.parent))

    assert "topic 'trade:BTCUSDT' is not what route() gives: trade/BTCUSDT" in found[0]


def test_a_folder_without_frames_is_named(tmp_path: Path) -> None:
    """A typing error in a path does not pass as a success."""
    assert "neither meta.json" in faults(check("binance", tmp_path))[0]
