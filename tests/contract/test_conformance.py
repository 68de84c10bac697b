"""Every adapter conforms to the border, and the check that says so convicts those that do not.

A new venue adds no test code: its file is found, and its frames in tests/fixtures/<id>.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.example import written
from tests.support import recording
from unified_ws import registry
from unified_ws.adapter import Adapter
from unified_ws.testing import Recorder
from unified_ws.testing.conformance import Report, check

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
HERE = Path(__file__).resolve().parent
WIDE, WIDE_FRAMES = HERE / "wide.py", HERE / "wide.jsonl"

KNOWN = registry.adapters()
SESSIONS = {
    "binance/coinm_cf_20210722": "2240 BidAsk, 2047 BookUpdate, 33 Candle, 51 Trade",
    "binance/spot_btcusdt_20240808": "73174 BidAsk, 6495 BookUpdate, 19904 Trade",
    "binance/spot_cf_20210405": "5408 BidAsk",
    "binance/spot_cf_20211012": "2 Candle, 2 Trade",
    "binance/us_spot_cf_20211012": "128 BidAsk, 336 BookUpdate, 5 Candle, 11 Trade",
    "binance/usdm_cf_20210405": "8421 recorded frames, 8421 decode",
    "bybit/v5_cf_20260809": "1094 BookUpdate, 51 Candle, 67 FundingRate",
    "bybit/v5_ob500_xrpusdt_20241201": "50 BookUpdate",
    "coinbase/advanced_cf_20260809_head": "678 FrameNo, 5 Held, 105 Ticker, 259 Trade",
    "gate/futures_cf_20230524": "61 BidAsk, 169 BookUpdate, 1 Candle",
    "gate/spot_cf_20210422": "98 BookUpdate, 10 Ticker, 3 Trade",
    "hyperliquid/btc_20250126": "55 recorded frames, 55 decode",
    "kucoin/spot_cf_20210425": "2977 BookUpdate, 5 Candle",
    "okx/v5_cf_20210722_tbt": "1504 BookUpdate, 46 Ticker, 36 Trade",
    "okx/v5_cf_20220513_books": "290 BookUpdate, 28 Ticker, 74 Trade",
}
"""Recorded sessions of protocols that are spoken today, and some of what is in them."""
TWINS = {"binance/us_spot_cf_20211012": "binanceus"}


def faults(report: Report) -> list[str]:
    """Return what a report finds wrong."""
    return [str(line) for line in report.lines if not line.ok]


def altered(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the wide venue, changed in the given places."""
    text = WIDE.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"wide.py no longer holds {old!r}"
        text = text.replace(old, new, 1)
    path = folder / "wide.py"
    path.write_text(text, encoding="utf-8")
    return path


def frames_of(adapter: type[Adapter]) -> Path:
    """Return the folder of a venue's frames; twins share those of the venue they resemble."""
    venues = [vars(cls)["venue"] for cls in adapter.__mro__ if "venue" in vars(cls)]
    folders = [FIXTURES / str(venue.id) for venue in venues]
    return next((folder for folder in folders if folder.exists()), folders[0])


# --- every adapter ---------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", KNOWN.values(), ids=lambda cls: cls.venue.id)
def test_an_adapter_conforms(adapter: type[Adapter]) -> None:
    """The core relies on every one of these rules, and an adapter has evidence: frames."""
    report = check(adapter, frames_of(adapter))

    assert faults(report) == []
    assert any("written frames" in line.text for line in report.lines)


@pytest.mark.parametrize("session", [s for s in SESSIONS if s.partition("/")[0] in KNOWN])
def test_recorded_frames_decode(session: str) -> None:
    """What the venue really sent, every frame of it."""
    venue, counts = session.partition("/")[0], SESSIONS[session]
    report = check(TWINS.get(session, venue), recording(session))

    assert faults(report) == []
    assert any(counts in line.text for line in report.lines), str(report)


# --- the judge -------------------------------------------------------------------------------


def test_a_venue_that_uses_all_of_the_border_conforms() -> None:
    """What is convicted below is convicted for what was changed."""
    report = check(str(WIDE), WIDE_FRAMES)

    assert faults(report) == []
    assert str(report).endswith("\nit conforms")
    shown = next(line.text for line in report.lines if "written frames" in line.text)
    for event in ("1 Candle", "1 FundingRate", "1 Liquidation", "1 MarkPrice", "1 OpenInterest"):
        assert event in shown
    assert "and 4 bodies" in shown


ALL = 'return (ws.Route("spot", "all.mini"),) if name == "mini" else (_all(sub.market_type),)'


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        # the source
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
        ("@lru_cache(1000)", "@lru_cache(maxsize=None)", "has a cache without a bound"),
        ("        head = ", "        VENUE.closes[1] = 2\n        head = ", "changes VENUE of its"),
        # facts
        ('ccxt_id="binance"', 'ccxt_id="nobody"', 'ccxt_id "nobody" is no exchange'),
        ('id="wide"', 'id="Wide"', 'id "Wide" must be lower-case'),
        ("rotate_after_s=900", "rotate_after_s=1100", "rotated only after the venue has ended it"),
        ("topics_per_request=10", "topics_per_request=60", "more topics than a connection"),
        ('{"deep": 5}', '{"deeep": 5}', 'limits a group "deeep" that no route names'),
        ("BIDS_ASKS: ws.Kind.BOOK", "BIDS_ASKS: ws.Kind.TICKER", "nothing builds bids_asks from"),
        ('default="50"', 'default="5"', "'5' is a default and not a value"),
        ('for_all=("mini",)', 'for_all=("micro",)', "'micro' is for all markets and not a value"),
        ('live="wss://spot', 'live="https://spot', "is not a WebSocket address"),
        ('"spot": True', '"margin": True', 'no endpoint serves a market of type "spot"'),
        ("venue = VENUE", "venue = VENU", "NameError"),
        ("    kinds=", "    kindz=1, kinds=", "kindz: Extra inputs are not permitted"),
        # ccxt
        ('"publicGetDepth", "', '"publicGetDeep", "', "no method publicGetDeep"),
        ('"publicGetDepth", "', '"', "publicGetDepth is not in rest_methods"),
        ('apis=("fapiPublic",)', 'apis=("fapiPublik",)', "ccxt has no section fapiPublik"),
        ("n=1000, per_s=60)", 'n=999, per_s=60), apis=("fapiPublic",)', "claimed by two REST hosts"),
        (
            '"": ws.RestHost(budget=ws.Window(n=1000, per_s=60))',
            '"x": ws.RestHost(budget=ws.Window(n=1000, per_s=60), apis=("public",))',
            "no REST host answers dapiPublicGetTime (section dapiPublic)",
        ),
        ('ask_first="dapi', 'ask_first="eapi', "ask_first eapiPublicGetTime is not in"),
        ('"1m": "60"', '"1minute": "60"', 'timeframe "1minute" means nothing to ccxt'),
        # routes
        ('return str(market["id"]).lower()', 'return ""', "wire_id of BTC/USDT is ''"),
        ('"trades:{id_}", ', '"trades:{id(self)}", ', "differs from call to call"),
        ('ws.Route(at, f"trades', 'ws.Route("sport", f"trades', 'unknown endpoint "sport"'),
        ('ws.Route(at, f"trades', 'ws.Route("spot", f"trades', "does not serve that market"),
        ("contiguous_ids=True", "chained=True", "has chained, which is for order_book only"),
        ('f"trades:{id_}"', '"trades"', "stands for trades"),
        (".timeframes[sub.timeframe]}", ".name}", "stands for ohlcv BTC/USDT 1m"),
        ('int(sub.channel["depth"])', "50", 'order_book "depth" changes nothing'),
        (' and market.type == "future"', "", "funding_rate leads nowhere, whatever the market"),
        (ALL, "return ()", "ticker is in all_markets and leads nowhere"),
        (
            "        at =",
            '        if market.type == "future":\n            return ()\n        at =',
            'nothing is offered for a market of type "future"',
        ),
        ("id_ = market.wire_id", 'id_ = market.info["code"]', "KeyError: 'code'"),
        ('f"trades:{id_}"', '""', "has an empty topic"),
        ("contiguous_ids=True", "private=True", "is private, and this kind is public"),
        ("group, snapshot=", "group, keeps=0, snapshot=", "keeps no level of a book"),
        # what routes need
        ("ws.History(recent, 1000)", "ws.History(recent, 0)", "a history has pages without rows"),
        (
            "ws.History(recent, 1000)",
            "ws.History(recent, 1000, after=recent)",
            "continues after an id without from_param",
        ),
        ("def snapshot(", "def snapshoot(", "the adapter no snapshot()"),
        ("def history(", "def historie(", "a poll and the adapter no history()"),
        ("((100, 5.0), (1000, 50.0))", "((1000, 50.0), (100, 5.0))", "are not ascending"),
        ('"limit", limits)', '"", limits)', "no depth_param to choose one"),
        ('host="futures"', 'host="future"', 'charged to a REST host "future"'),
        ('{"symbol": market.id}, 5)', '{"symbol": market.id}, 5000)', "costs 5000, more than"),
        ("ws.Poll(rest, 30.0)", "ws.Poll(rest, 0.0)", "a poll asks without a pause"),
        # the wire
        ('"op": op', '"op": 1', "subscribe and unsubscribe are the same"),
        ("list(topics)", "list(topics)[:1]", "is the same without the last of them"),
        ("list(topics)", "len(topics)", "are asked for by the same request"),
        ("call.id}", "call.id, 'at': id(topics)}", "differs from call to call"),
        ("request_bytes=4000", "request_bytes=40", "request_bytes is 40"),
        ('b"ping"', 'b""', 'the ping at "linear" is empty'),
        ("return ws.Dial(url)", "return ws.Dial(url[3:])", "is not a WebSocket address"),
        ("return ws.Dial(url)", "return ws.Dial(url, greeting=('hi',))", "a greeting at"),
        # frames
        ("row.t, row.p, row.q, side", "row.t // 1000, row.p, row.q, side", "is in seconds, not"),
        ("row.t, row.p, row.q, side", "row.t * 1000, row.p, row.q, side", "is in micro- or nano"),
        ("row.t, row.p, row.q, side", "row.t, -row.p, row.q, side", "Trade.price is negative"),
        ("side = _sides[row.s]", "side = row.s", "Invalid enum value 'S'"),
        ("symbol, str(row.id)", 'symbol + "!", str(row.id)', "which is no market"),
        ("        bids, asks = ", '        body["bids"].pop()\n        bids, asks = ', "is changed by"),
        ("    p: float = 0.0", "    p: Any = 0.0", "from the spoiled frame"),
        ("FrameNo(head.n), ws.Beat", "FrameNo(4), ws.Beat", "inbound[0].number is 4, expected 9"),
        ('raise ValueError("nei', 'raise SystemExit("nei', "which is no ordinary error"),
        (
            '    raise ValueError("nei',
            '    return (ws.Closing("bye"),)\n            raise ValueError("nei',
            "gives Closing",
        ),
        ("?t={answer", "?x={answer", "dial[0].url is 'wss://inverse.wide.invalid/ws?x=3'"),
    ],
)  # fmt: skip
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """A judge that never convicts would pass every adapter above."""
    report = check(altered(tmp_path, (old, new)), WIDE_FRAMES)

    assert not report.ok
    assert fault in "\n".join(faults(report))


@pytest.mark.parametrize(
    ("memory", "fault"),
    [
        ("_seen[head.topic] = 1", "changes _seen of its module"),
        ("_seen.update(x=1)", "changes _seen of its module"),
        ("seen = _seen\n        seen[head.topic] = 1", "._seen while it was asked"),
        (
            "seen = _seen\n        head.n = seen[frame] = seen.get(frame, 0) + 1",
            "decodes differently the second time",
        ),
    ],
    ids=["item", "method", "alias", "answer"],
)
def test_memory_in_a_table_is_found(tmp_path: Path, memory: str, fault: str) -> None:
    """A dict of the module is as good a memory as an attribute, and as forbidden."""
    path = altered(
        tmp_path,
        ("@lru_cache(1000)", "_seen: dict[str, int] = {}\n\n\n@lru_cache(1000)"),
        ("        if head.ok", f"        {memory}\n        if head.ok"),
    )

    assert fault in "\n".join(faults(check(path, WIDE_FRAMES)))


def test_a_field_called_open_is_no_file(tmp_path: Path) -> None:
    """Candles have one."""
    path = altered(tmp_path, ("class _Row(msgspec.Struct):", "class _Row(msgspec.Struct):\n    open: float = 0.0"))

    assert faults(check(path, WIDE_FRAMES)) == []


def test_markets_that_cannot_be_made_up_come_from_the_frames(tmp_path: Path) -> None:
    """An adapter may need what only the venue's own description of a market holds."""
    path = altered(tmp_path, ("id_ = market.wire_id", 'id_ = market.info["code"]'))
    lines = [json.loads(line) for line in WIDE_FRAMES.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if isinstance(line.get("market"), list):
            symbol, id_, type_ = line["market"]
            line["market"] = {"symbol": symbol, "id": id_, "type": type_}
        if "market" in line:
            line["market"]["info"] = {"code": line["market"]["id"].lower()}
    frames = tmp_path / "frames.jsonl"
    frames.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    assert faults(check(path, frames)) == []


def test_a_twin_is_judged_by_the_frames_of_the_venue_it_resembles(tmp_path: Path) -> None:
    """It has fewer markets: what is about the others says nothing of it."""
    path = altered(tmp_path)
    twin = """

class Twin(Wide):
    \"\"\"The same dialect, without contracts.\"\"\"

    venue = VENUE.model_copy(update={
        "id": "twin", "market_types": ("spot",), "endpoints": {"spot": VENUE.endpoints["spot"]},
        "kinds": frozenset({ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER, ws.Kind.OHLCV}),
        "derives": {},
    })
"""
    path.write_text(path.read_text(encoding="utf-8") + twin, encoding="utf-8")
    report = check(f"{path}:Twin", WIDE_FRAMES)

    assert faults(report) == []
    assert any("5 written frames and 2 bodies" in line.text for line in report.lines), str(report)


def test_a_fault_is_named_with_its_line(tmp_path: Path) -> None:
    """An editor jumps to file:line."""
    path = altered(tmp_path, ("import msgspec\n", "import msgspec\nimport time\n"))
    line = path.read_text(encoding="utf-8").splitlines().index("import time") + 1

    assert faults(check(path))[0].endswith(f"[{path}:{line}]")


def test_a_file_without_docstring_is_named(tmp_path: Path) -> None:
    """Facts without their source cannot be checked by anybody."""
    path = altered(tmp_path)
    text = path.read_text(encoding="utf-8").partition('"""\n')[2]
    path.write_text(text.replace("from __future__ import annotations", ""), encoding="utf-8")

    assert "has no docstring" in faults(check(path))[0]


def test_a_wrong_event_is_named_with_its_frame(tmp_path: Path) -> None:
    """The author of a venue is led to the frame, the field and both values."""
    path = written(tmp_path, ("d.t, d.p, d.q", "d.t, d.p * 2, d.q"))
    found = faults(check(path, tmp_path))

    assert len(found) == 1
    assert "events[0].price is 3.0, expected 1.5" in found[0]
    assert found[0].endswith("frames.jsonl:1]")


def test_a_frame_that_does_not_decode_is_named(tmp_path: Path) -> None:
    """A renamed field is an error with its path."""
    path = written(tmp_path, ("    seq: int", "    seq: str"))
    found = faults(check(path, tmp_path))

    assert "does not decode: ValidationError: Expected `str | null`, got `int`" in "\n".join(found)


def test_a_topic_that_nobody_subscribes_is_named(tmp_path: Path) -> None:
    """Such events would be dropped as unclaimed."""
    found = faults(check(written(tmp_path, ('f"trades:', 'f"trades/')), tmp_path))

    text = "topic 'trades:BTCUSDT' is not what route() gives: trades/BTCUSDT"
    assert text in "\n".join(found)


def test_a_kind_without_evidence_is_named(tmp_path: Path) -> None:
    """What no frame shows may be imagination."""
    path = written(tmp_path)
    lines = (tmp_path / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "frames.jsonl").write_text("\n".join(lines[1:]), encoding="utf-8")

    assert faults(check(path, tmp_path)) == [f"✗ no frame shows trades: Trade  [{tmp_path}]"]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        ({"topic": "book:X", "seq": 1, "b": [["2", "1"]], "a": [["1", "1"]]}, "that is crossed"),
        ({"topic": "book:X", "seq": 1, "b": [["-2", "1"]]}, "has a level of 1.0 at -2.0"),
        ({"topic": "trades:X", "rows": [{"id": 1, "t": 1, "p": 0, "q": 1, "s": "B"}]}, "is zero"),
        ({"topic": "book:X"}, "does not decode: ValueError: neither rows, a book nor an answer"),
    ],
)
def test_what_a_recording_cannot_hold_is_named(
    tmp_path: Path, frame: dict[str, Any], fault: str
) -> None:
    """A documentation invents numbers, a venue does not: there is a fault in the reading."""
    path = written(tmp_path)
    with Recorder(tmp_path / "session", venue="acme") as recorder:
        recorder.opened(1, "wss://ws.acme.invalid/v1")
        good = {"topic": "trades:X", "rows": [{"id": 1, "t": 1, "p": 1, "q": 1, "s": "B"}]}
        for moment, sent in enumerate((good, frame)):
            recorder.frame(1, "in", json.dumps(sent), moment)
    found = faults(check(path, tmp_path / "session"))

    assert len(found) == 1
    assert fault in found[0]
    assert found[0].endswith("[ws-1.jsonl.gz:2]")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"sheet": "1"}', "must hold one of frame, snapshot, history and answer"),
        ('{"frame": {}, "answer": {}}', "must hold one of frame, snapshot, history and answer"),
        ('{"frame": {}, "colour": 1}', "is not a line of frames: ValidationError"),
        ('{"frame": {}, "market": {"id": "X"}}', "is not a line of frames: KeyError: 'symbol'"),
        ('{"frame": {}, "endpoint": "private"}', 'names an unknown endpoint "private"'),
        ('{"snapshot": {}}', "is a body without the market that it is about"),
        ('{"answer": {}}', "is an answer, and no endpoint asks first"),
        (
            '{"history": [], "kind": "trades", "market": ["BTC/USDT", "BTCUSDT", "spot"]}',
            "no route of its kind has a history or a poll",
        ),
    ],
)
def test_a_wrong_line_of_frames_is_named(tmp_path: Path, line: str, fault: str) -> None:
    """A typing error in a fixture does not pass as a success."""
    path = written(tmp_path)
    with (tmp_path / "frames.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)
    found = faults(check(path, tmp_path))

    assert fault in "\n".join(found)
    assert found[0].endswith("frames.jsonl:6]")


def test_a_folder_without_frames_is_named(tmp_path: Path) -> None:
    """A typing error in a path does not pass as a success."""
    assert "neither meta.json" in faults(check(str(WIDE), tmp_path))[0]
