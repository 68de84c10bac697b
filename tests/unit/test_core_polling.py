"""Data that only REST tells: asked at its interval, and its failures are visible."""

from __future__ import annotations

from typing import Any

from tests.unit.scripted import Scripted, Stage, market, venue
from unified_ws import adapter as ws

EVERY_S = 10.0


def routes(sub: ws.Sub) -> tuple[ws.Route, ...]:
    """Route everything to REST."""
    assert sub.market is not None
    rest = ws.Rest("publicGetOpenInterest", {"symbol": sub.market.id})
    return (ws.Route("", "", poll=ws.Poll(rest, EVERY_S)),)


def read(body: Any, market: ws.Market) -> list[ws.Event]:
    """Read an answer of the toy."""
    return [ws.OpenInterest(market.symbol, body["ms"], body["amount"])]


def polled() -> tuple[Stage, Any]:
    """Watch the open interest of one market."""
    stage = Stage(Scripted(venue(), routes, read))
    return stage, stage.hold(ws.Sub(ws.Kind.OPEN_INTEREST, market()))


def test_it_is_asked_at_once_and_then_at_its_interval() -> None:
    """No connection is needed for it."""
    stage, stream = polled()
    assert stage.engine.links == {}
    (fetch,) = stage.fetched()
    assert fetch.rest.params == {"symbol": "A"}
    assert stage.fetched() == []  # one question at a time
    assert not stream.healthy
    stage.answer(fetch, {"ms": 1, "amount": 5.0})
    assert stream.healthy
    assert [row.open_interest_amount for row in stream.rows.rows] == [5.0]
    stage.wait(EVERY_S - 0.1)
    assert stage.fetched() == []
    stage.wait(0.1)
    (fetch,) = stage.fetched()
    stage.answer(fetch, {"ms": 1, "amount": 5.0})
    assert stream.delivered == 1  # the venue had nothing new


def test_failures_put_it_down_and_an_answer_brings_it_back() -> None:
    """A waiting call can be told why."""
    stage, stream = polled()
    (fetch,) = stage.fetched()
    stage.answer(fetch, {"ms": 1, "amount": 5.0})
    for failures in (1, 2, 3):
        assert stream.healthy
        stage.wait(EVERY_S)
        (fetch,) = stage.fetched()
        stage.answer(fetch, error="the venue is closed")
        assert f"REST failed {failures} times" in stage.engine.recovery.why(stream)
    assert not stream.healthy
    assert "the venue is closed" in stream.down_reason
    stage.wait(EVERY_S)
    (fetch,) = stage.fetched()
    stage.answer(fetch, {"ms": 2, "amount": 6.0})
    assert stream.healthy
    assert stream.delivered == 2


def test_an_answer_that_cannot_be_read_is_a_failure() -> None:
    """The adapter may raise anything."""
    stage, stream = polled()
    (fetch,) = stage.fetched()
    stage.answer(fetch, {"what": "is this"})
    assert "could not be read" in stage.engine.recovery.why(stream)
    assert stream.delivered == 0


def test_letting_go_ends_the_questions() -> None:
    """And an answer that is still under way hurts nobody."""
    stage, stream = polled()
    (fetch,) = stage.fetched()
    stage.release(stream)
    stage.answer(fetch, {"ms": 1, "amount": 5.0})
    assert stream.delivered == 0
    stage.wait(100.0)
    assert stage.fetched() == []
