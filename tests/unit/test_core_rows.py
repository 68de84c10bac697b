"""Tickers, quotes and candles: each row stands by itself, and none goes back in time."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from tests.unit.hosts import StrictHost
from unified_ws.adapter import Route, Sub
from unified_ws.core.streams import CandleStream, RowStream, Stream
from unified_ws.events import BidAsk, BookUpdate, Candle, Market, Row, Ticker
from unified_ws.facts import Kind

MARKET = Market("BTC/USDT", "BTCUSDT")


class Host(StrictHost):
    """Remember what a stream tells its engine."""

    def __init__(self) -> None:
        self.bad: list[Any] = []
        self.first = 0

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Note a bad row."""
        self.bad.append(row)

    def first_data(self, stream: Stream) -> None:
        """Note the first delivery."""
        self.first += 1


class Waiter:
    """A call that waits."""

    def __init__(self, *, done: bool = False) -> None:
        self.settled: Any = "done" if done else None

    def done(self) -> bool:
        """Say whether it has been settled."""
        return self.settled is not None

    def set_result(self, result: None, /) -> None:
        """Wake it."""
        assert not self.done()
        self.settled = "woken"

    def set_exception(self, exception: BaseException, /) -> None:
        """Fail it."""
        assert not self.done()
        self.settled = exception


def rows(kind: Kind = Kind.TICKER) -> RowStream:
    """Build a stream of tickers or quotes of all markets."""
    return RowStream(Sub(kind), (Route("spot", "t"),), Host(), buffer=10, take_over_s=60.0)


def candles(limit: int = 5) -> CandleStream:
    """Build a stream of candles."""
    sub = Sub(Kind.OHLCV, MARKET, timeframe="1m")
    return CandleStream(
        sub, (Route("spot", "t"),), Host(), buffer=10, take_over_s=60.0, limit=limit
    )


def ticker(at_ms: int | None, last: float | None = 1.0, symbol: str = "BTC/USDT") -> Ticker:
    """Build one ticker."""
    return Ticker(symbol, at_ms, last=last)


def quote(number: int | None, at_ms: int | None = None) -> BidAsk:
    """Build one quote."""
    return BidAsk("BTC/USDT", at_ms, 1.0, 1.0, 2.0, 1.0, number)


def candle(open_ms: int, close: float, *, closed: bool | None, at_ms: int | None = None) -> Candle:
    """Build one version of a candle."""
    return Candle("BTC/USDT", "1m", open_ms, 1.0, 9.0, 0.5, close, 1.0, closed, at_ms)


def test_tickers_never_go_back_in_time() -> None:
    """Of two connections the slower one repeats what is over."""
    made = rows()
    for row in (ticker(10), ticker(20, 2.0), ticker(15, 3.0), ticker(20, 2.0), ticker(20, 4.0)):
        made.accept([row], 1.0, 7)
    assert [(row.timestamp_ms, row.last) for row in made.rows.rows] == [
        (10, 1.0), (20, 2.0), (20, 4.0),
    ]  # fmt: skip
    assert made.duplicates == 2
    assert made.latest["BTC/USDT"].last == 4.0
    assert made.rows.rows[0].received_ns == 7


def test_each_market_has_its_own_time() -> None:
    """All tickers come in one frame: an old one of another market is not old."""
    made = rows()
    made.accept([ticker(20), ticker(10, symbol="ETH/USDT")], 1.0, 7)
    assert set(made.latest) == {"BTC/USDT", "ETH/USDT"}
    assert made.delivered == 2


def test_a_ticker_without_a_time_counts_as_it_comes() -> None:
    """There is nothing to judge it by."""
    made = rows()
    for row in (ticker(None), ticker(5), ticker(None, 3.0)):
        made.accept([row], 1.0, 7)
    assert made.delivered == 3


def test_quotes_are_told_apart_by_their_number() -> None:
    """Spot sends no time: `u` says what is new."""
    made = rows(Kind.BIDS_ASKS)
    for number in (5, 5, 4, 6):
        made.accept([quote(number)], 1.0, 7)
    assert [row.number for row in made.rows.rows] == [5, 6]
    made.accept([quote(None, 5)], 1.0, 7)
    made.accept([quote(None, 4)], 1.0, 7)
    assert made.delivered == 3


def test_after_a_loss_numbers_may_begin_anew() -> None:
    """A venue that restarted would else be silent for good: every row a repeat."""
    made = rows(Kind.BIDS_ASKS)
    made.accept([quote(1_000_000)], 1.0, 7)
    made.lost("closed by peer")
    made.accept([quote(3)], 2.0, 7)
    assert [row.number for row in made.rows.rows] == [1_000_000, 3]
    assert made.latest["BTC/USDT"].number == 3


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_nonsense_is_set_aside_row_by_row(value: float) -> None:
    """One odd listing among two thousand must not cost the others."""
    made = rows()
    made.accept([ticker(1), ticker(2, value, "ODD/USDT"), ticker(3, symbol="ETH/USDT")], 1.0, 7)
    assert set(made.latest) == {"BTC/USDT", "ETH/USDT"}
    assert isinstance(made.host, Host)
    assert len(made.host.bad) == 1
    quotes = rows(Kind.BIDS_ASKS)
    quotes.accept([BidAsk("BTC/USDT", 1, 1.0, 1.0, value, 1.0, 1)], 1.0, 7)
    assert quotes.delivered == 0
    series = candles()
    series.accept([candle(60, value, closed=False)], 1.0, 7)
    assert series.delivered == 0
    assert series.by_open == {}


def test_what_a_venue_leaves_out_is_no_nonsense() -> None:
    """None is where the venue is silent."""
    made = rows()
    made.accept([ticker(1, None)], 1.0, 7)
    assert made.delivered == 1


def test_a_candle_is_replaced_by_its_newer_version_only() -> None:
    """A slower connection says again what has changed since."""
    made = candles()
    for row in (
        candle(60, 1.0, closed=False, at_ms=61), candle(60, 2.0, closed=False, at_ms=63),
        candle(60, 1.0, closed=False, at_ms=61), candle(60, 2.0, closed=False, at_ms=63),
        candle(60, 3.0, closed=True, at_ms=120), candle(120, 4.0, closed=False, at_ms=121),
    ):  # fmt: skip
        made.accept([row], 1.0, 7)
    assert [row.close for row in made.rows.rows] == [1.0, 2.0, 3.0, 4.0]
    assert made.by_open[60].close == 3.0
    assert made.duplicates == 2


def test_a_closed_candle_is_not_opened_again() -> None:
    """Where the venue names no time, closed is the last word."""
    made = candles()
    made.accept([candle(60, 1.0, closed=False), candle(60, 2.0, closed=True)], 1.0, 7)
    made.accept([candle(60, 1.5, closed=False)], 1.0, 7)
    assert made.by_open[60].close == 2.0
    assert made.duplicates == 1


def test_candles_are_kept_up_to_a_limit() -> None:
    """A year of minutes is half a million."""
    made = candles(limit=3)
    for start in range(10):
        made.accept([candle(start * 60, 1.0, closed=True)], 1.0, 7)
    assert list(made.by_open) == [420, 480, 540]


def test_waiting_calls_are_woken_once_and_only_those_that_wait() -> None:
    """A call that was cancelled must not be settled a second time."""
    made = rows()
    waiting, gone = Waiter(), Waiter(done=True)
    made.waiters |= {waiting, gone}
    made.accept([ticker(1)], 1.0, 7)
    assert (waiting.settled, gone.settled, made.waiters) == ("woken", "done", set())
    failing, gone = Waiter(), Waiter(done=True)
    made.waiters |= {failing, gone}
    error = ValueError("ended")
    made.fail(error)
    assert (failing.settled, gone.settled, made.waiters) == (error, "done", set())
    assert isinstance(made.host, Host)
    assert made.host.first == 1


def test_rows_that_are_all_old_wake_nobody() -> None:
    """News is what is new."""
    made = rows()
    made.accept([ticker(10)], 1.0, 7)
    waiting = Waiter()
    made.waiters.add(waiting)
    made.accept([ticker(9)], 1.0, 7)
    made.accept([], 1.0, 7)
    assert waiting.settled is None
    assert made.data_at == 1.0
