"""The benchmark itself works; how fast anything is depends on the machine and is not asserted."""

from __future__ import annotations

import msgspec
import pytest

from tests.bench import decode
from tests.bench.frames import LEVELS, Feed
from tests.bench.harness import CLIENTS, SCENARIOS, TITLES, measure, medians, report


@pytest.mark.timeout(240)
def test_every_client_gets_what_it_is_promised() -> None:
    """A fast client that lost rows would win unfairly; the tables say what each delivered."""
    results = measure(quick=True, rounds=1)

    for scenario in SCENARIOS:
        rows = medians(results, scenario.name)
        assert set(rows) == {*CLIENTS, *scenario.also}
        everything = scenario.quick
        assert rows["floor"].delivered == rows["typed"].delivered == everything
        if "depth" in scenario.name:  # who looks later sees the newest book only
            assert 0 < rows["ours"].delivered <= everything
            assert 0 < rows["ccxt.pro"].delivered <= everything
        else:
            assert rows["ours"].delivered == everything
            assert 0 < rows["ccxt.pro"].delivered <= everything
    table = report(results)
    for scenario in SCENARIOS:
        assert f"**{scenario.title}**" in table
    for title in TITLES.values():
        assert f"| {title} |" in table


def test_the_decode_table_names_what_it_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line a topic, for the venues that have frames."""
    monkeypatch.setattr(decode, "NUMBER", 1)
    table = decode.report()
    assert "µs a frame" in table or "nothing to decode" in table


def test_the_made_up_book_never_crosses() -> None:
    """A delta changes 20 levels a side, and bids stay below asks."""
    feed = Feed("depth", 50, "raw")
    for frame in feed.frames:
        event = msgspec.json.decode(frame[4:])
        assert (len(event["b"]), len(event["a"])) == (LEVELS, LEVELS)
        assert max(float(p) for p, _ in event["b"]) < min(float(p) for p, _ in event["a"])
