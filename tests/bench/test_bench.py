"""The benchmark itself works; how fast anything is depends on the machine and is not asserted."""

from __future__ import annotations

import msgspec
import pytest

from tests.bench import decode, venues
from tests.bench.frames import LEVELS, Feed
from tests.bench.harness import CLIENTS, SCENARIOS, TITLES, measure, medians, report
from tests.bench.venue_server import Feeder


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


@pytest.mark.parametrize("kind", venues.KINDS)
@pytest.mark.parametrize("venue", venues.SETUPS)
async def test_every_client_reads_every_frame_of_a_venue(venue: str, kind: venues.Kind) -> None:
    """The table compares nothing unless all of them subscribe the same stream and read all of it."""
    count = venues.QUICK[kind]
    async with Feeder(venue, kind, count) as feeder:
        costs = [
            await venues.run(client, venue, kind, feeder.gateway, count)
            for client in venues.CLIENTS
        ]

    for cost in costs:
        venues.checked(cost)
        assert 0 < cost.delivered <= cost.rows
    assert feeder.stats.violations == []


@pytest.mark.timeout(120)
def test_the_table_of_venues_has_a_line_for_each_stream() -> None:
    """Its server and its clients are processes of their own."""
    costs = venues.measure(venues=["binance"], rounds=1, counts={"trades": 300, "book": 150})

    table = venues.report(costs)
    assert [(cost.client, cost.kind) for cost in costs] == [
        (client, kind) for kind in venues.KINDS for client in venues.CLIENTS_OF[kind]
    ]
    assert "| binance trades | 300 |" in table
    assert "| binance book | 150 |" in table


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
