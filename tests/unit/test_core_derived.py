"""What a venue does not send and its other data tell: candles from trades, quotes from a book."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.scripted import Scripted, Stage, market, one_topic, venue
from unified_ws import adapter as ws
from unified_ws.core.derived import open_of

MINUTE = 60_000
BEGIN = 1_700_000_040_000
CANDLES = venue(derives={ws.Kind.OHLCV: ws.Kind.TRADES}, timeframes={"5m": "five"})


def trade(at_ms: int, price: float, amount: float = 1.0) -> ws.Trade:
    """Build one trade."""
    return ws.Trade("A", str(at_ms), at_ms, price, amount, "buy")


def candles(timeframe: str = "1m") -> tuple[Stage, ws.Sub]:
    """Build a venue without candles."""
    return Stage(Scripted(CANDLES, one_topic)), ws.Sub(
        ws.Kind.OHLCV, market(), timeframe=timeframe
    )


def test_candles_are_built_from_trades() -> None:
    """Each version is a row, and a candle closes when a later one begins."""
    stage, sub = candles()
    stream = stage.hold(sub)
    stage.open()
    assert [request[1] for request in stage.asked()] == [["trades:A"]]
    stage.say(ws.Batch("trades:A", (trade(BEGIN + 1, 10.0), trade(BEGIN + 2, 12.0, 2.0))))
    stage.say(ws.Batch("trades:A", (trade(BEGIN + 3, 9.0),)))
    later = trade(BEGIN + MINUTE, 11.0), trade(BEGIN + MINUTE + 1, 11.5, 0.5)
    stage.say(ws.Batch("trades:A", later))
    assert [(r.open, r.high, r.low, r.close, r.volume, r.closed) for r in stream.rows.rows] == [
        (10.0, 12.0, 10.0, 12.0, 3.0, False),
        (10.0, 12.0, 9.0, 9.0, 4.0, False),
        (10.0, 12.0, 9.0, 9.0, 4.0, True),
        (11.0, 11.5, 11.0, 11.5, 1.5, False),
    ]
    assert [r.open_ms - BEGIN for r in stream.rows.rows] == [0, 0, 0, MINUTE]
    assert {r.source for r in stream.rows.rows} == {"trades"}
    assert [r.partial for r in stream.rows.rows] == [True, True, True, False]
    assert stream.healthy


def test_a_candle_with_missed_trades_says_so() -> None:
    """A hole in the trades is a hole in the candle."""
    stage, sub = candles()
    stream = stage.hold(sub)
    stage.open()
    stage.say(ws.Batch("trades:A", (trade(BEGIN, 1.0), trade(BEGIN + MINUTE, 1.0))))
    row = trade(BEGIN + MINUTE + 1, 1.0)
    row.missed_before = 3
    stage.say(ws.Batch("trades:A", (row,)))
    stage.say(ws.Batch("trades:A", (trade(BEGIN + 2 * MINUTE, 1.0),)))
    by_open = {r.open_ms: r for r in stream.rows.rows}
    assert [by_open[BEGIN + n * MINUTE].partial for n in range(3)] == [True, True, False]


def test_a_loss_that_nobody_can_fetch_marks_the_candle_that_runs() -> None:
    """Without history by REST the trades of the outage are not in it."""
    stage, sub = candles()
    stream = stage.hold(sub)
    stage.open()
    stage.say(ws.Batch("trades:A", (trade(BEGIN, 1.0), trade(BEGIN + MINUTE, 1.0))))
    stage.engine.lost(stage.link(), stage.now, "gone")
    assert not stream.healthy
    stage.wait(1.0)
    stage.open()
    stage.say(ws.Batch("trades:A", (trade(BEGIN + MINUTE + 5, 2.0),)))
    assert stream.healthy
    assert stream.rows.rows[-1].partial


def test_timeframes_that_the_venue_has_are_its_own() -> None:
    """Only what is missing is built."""
    stage, _ = candles()
    own = stage.engine.stream(ws.Sub(ws.Kind.OHLCV, market(), timeframe="5m"), 0.0)
    assert own.source is None
    assert own.topics == ("ohlcv:A",)


def test_letting_go_of_candles_lets_go_of_the_trades() -> None:
    """Nobody else wants them: the venue is told."""
    stage, sub = candles()
    stream = stage.hold(sub)
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    stage.release(stream)
    assert stage.engine.streams == {}
    assert stage.engine.links == {}


def test_trades_somebody_reads_stay_when_candles_go() -> None:
    """They share the topic, not their lives."""
    stage, sub = candles()
    trades = stage.hold(ws.Sub(ws.Kind.TRADES, market()))
    stream = stage.hold(sub)
    stage.open()
    stage.say(ws.Batch("trades:A", (trade(BEGIN, 1.0),)))
    stage.release(stream)
    stage.say(ws.Batch("trades:A", (trade(BEGIN + 1, 1.0),)))
    assert (trades.delivered, stream.delivered) == (2, 1)
    assert trades.followers == []


def test_a_refused_source_ends_what_is_built_from_it() -> None:
    """The waiting call must hear of it."""
    stage, sub = candles()
    stream = stage.hold(sub)
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Refused("no such market", call_id))
    assert stream.fatal is not None
    assert "no such market" in str(stream.fatal)
    assert stage.engine.streams == {}


def test_quotes_come_from_the_book() -> None:
    """A row whenever the best level changes, and none while the book is out of step."""
    stage = Stage(Scripted(venue(derives={ws.Kind.BIDS_ASKS: ws.Kind.BOOK}), one_topic))
    quotes = stage.hold(ws.Sub(ws.Kind.BIDS_ASKS, market()))
    stage.open()

    def say(kind: str, bids: list[ws.Level], asks: list[ws.Level], prev: int, last: int) -> None:
        row = ws.BookUpdate("A", kind, bids, asks, last, last, prev)  # type: ignore[arg-type]  # one of the kinds
        stage.say(ws.Batch("order_book:A", (row,)))

    say("snapshot", [(1.0, 1.0), (0.9, 1.0)], [(2.0, 1.0)], 0, 1)
    say("delta", [(0.9, 5.0)], [], 1, 2)  # behind the best
    say("delta", [(1.0, 0.0)], [], 2, 3)
    say("delta", [(1.0, 7.0)], [], 8, 9)  # one was missed
    found = [(row.bid, row.bid_volume, row.ask, row.number) for row in quotes.rows.rows]
    assert found == [(1.0, 1.0, 2.0, 1), (0.9, 5.0, 2.0, 3)]


@pytest.mark.parametrize("timeframe", ["1s", "1m", "15m", "4h", "1d", "3d", "1w", "1M", "3M"])
def test_candles_begin_where_calendars_say(timeframe: str) -> None:
    """Checked against the calendar of the standard library, leap years and all."""
    rng = random.Random(timeframe)
    count, unit = int(timeframe[:-1]), timeframe[-1]
    for _ in range(500):
        at = datetime(1970, 1, 5, tzinfo=UTC) + timedelta(seconds=rng.randrange(4_000_000_000))
        if unit == "M":
            month = (at.month - 1) // count * count + 1
            begin = datetime(at.year, month, 1, tzinfo=UTC)
        elif unit == "w":
            day = at.replace(hour=0, minute=0, second=0)
            begin = day - timedelta(days=at.weekday())
        else:
            size = count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
            stamp = int(at.timestamp())
            begin = datetime.fromtimestamp(stamp - stamp % size, UTC)
        assert open_of(int(at.timestamp()) * 1000 + 7, timeframe) == begin.timestamp() * 1000
