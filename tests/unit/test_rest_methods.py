"""The typed REST methods: ccxt's signatures, ccxt's answers, nothing in between."""

from __future__ import annotations

import inspect
from typing import Any

import ccxt.async_support
import pytest

from unified_ws.rest_call import RestCall
from unified_ws.rest_methods import RestMethods
from unified_ws.types import OrderBook, Ticker, Trade

THEIRS = ccxt.async_support.binance()
BASE = ccxt.async_support.Exchange
SPELLINGS = {"ohlcv": "OHLCV"}


def camel(name: str) -> str:
    """Spell a method as ccxt's other half of users does."""
    first, *rest = name.split("_")
    return first + "".join(SPELLINGS.get(part, part[:1].upper() + part[1:]) for part in rest)


METHODS = [
    name
    for name in dir(RestMethods)
    if not name.startswith("_") and getattr(RestMethods, name).__name__ == name
]
ASYNC = [n for n in METHODS if inspect.iscoroutinefunction(getattr(RestMethods, n))]
SYNC = [n for n in METHODS if n not in ASYNC]


def parameters(method: Any) -> dict[str, Any]:
    """Return names and defaults of a method's parameters, without self."""
    found = inspect.signature(method).parameters
    return {name: p.default for name, p in found.items() if name != "self"}


class Recorder:
    """Answers every call with what it was asked."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: (name, *args)


class Recorded(RestMethods):
    """The mixin on top of something that only records."""

    def __init__(self, rest: Any) -> None:
        self.rest = rest

    async def _rest(self, name: str, *args: object) -> Any:
        return (name, *args)


def test_the_methods_are_those_that_bots_call() -> None:
    """A floor, so that a broken list does not make every other test here pass."""
    assert {"fetch_trades", "create_order", "fetch_balance", "withdraw", "throttle"} <= {*ASYNC}
    assert {"market", "amount_to_precision", "iso8601", "safe_string", "milliseconds"} <= {*SYNC}
    assert len(METHODS) > 140


@pytest.mark.parametrize("name", METHODS)
def test_signatures_are_those_of_ccxt(name: str) -> None:
    """Keyword arguments of unchanged code must fit: names, order and defaults."""
    ours, theirs = parameters(getattr(RestMethods, name)), parameters(getattr(THEIRS, name))
    assert list(ours) == list(theirs)
    declared_by = BASE if hasattr(BASE, name) else THEIRS
    assert ours == parameters(getattr(declared_by, name))
    assert (name in ASYNC) == inspect.iscoroutinefunction(getattr(THEIRS, name))


@pytest.mark.parametrize("name", METHODS)
def test_both_spellings_are_there(name: str) -> None:
    """Half of the bots were written after the JavaScript manual."""
    assert hasattr(THEIRS, camel(name))
    assert inspect.getattr_static(RestMethods, camel(name)) is inspect.getattr_static(
        RestMethods, name
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_documented_and_typed(name: str) -> None:
    """Hovering is why these methods are declared at all."""
    method = getattr(RestMethods, name)
    assert method.__doc__
    annotations = inspect.signature(method).parameters.values()
    assert all(p.annotation is not p.empty for p in annotations if p.name != "self")
    assert inspect.signature(method).return_annotation != "Any"


@pytest.mark.parametrize("name", ASYNC)
async def test_requests_reach_ccxt_with_their_arguments_in_order(name: str) -> None:
    """Swapped arguments of `create_order` cost money."""
    ours = Recorded(Recorder())
    arguments = [object() for _ in parameters(getattr(RestMethods, name))]
    answer = await getattr(ours, name)(*arguments)
    assert answer in ((name, *arguments), None)
    assert answer is not None or name in {"throttle", "sleep"}


@pytest.mark.parametrize("name", SYNC)
def test_helpers_reach_ccxt_with_their_arguments_in_order(name: str) -> None:
    """The same for those that ask nobody."""
    ours = Recorded(Recorder())
    arguments = [object() for _ in parameters(getattr(RestMethods, name))]
    assert getattr(ours, name)(*arguments) == (name, *arguments)


def test_helpers_answer_what_ccxt_answers() -> None:
    """The helpers that strategies compute with, against the real ccxt."""
    ours = Recorded(THEIRS)
    assert ours.iso8601(0) == "1970-01-01T00:00:00.000Z"
    assert ours.parse8601("1970-01-01T00:00:01Z") == 1000
    assert ours.parse_timeframe("5m") == 300
    assert ours.round_timeframe("1m", 61_000) == 60_000
    assert ours.round_timeframe("1m", 61_000, 2) == 120_000
    assert ours.safe_float({"a": "1.5"}, "a") == 1.5
    assert ours.safe_integer({}, "a", 7) == 7
    assert ours.safe_string_2({"b": 1}, "a", "b") == "1"
    assert ours.safeStringUpper({"a": "x"}, "a") == "X"
    assert abs(ours.milliseconds() - ours.seconds() * 1000) < 2000
    rows = [{"timestamp": t} for t in (1, 2, 3, 4)]
    assert ours.filter_by_since_limit(rows, 2, 2) == [{"timestamp": 2}, {"timestamp": 3}]
    assert ours.filter_by_since_limit(rows, None, 1, tail=True) == [{"timestamp": 4}]


async def test_the_seam_must_be_filled() -> None:
    """A class that forgets `_rest` is told which call it cannot make."""
    with pytest.raises(NotImplementedError, match=r"cannot call ccxt's fetch_time\(\)"):
        await RestCall()._rest("fetch_time")


async def example_of_a_strategy(ex: RestMethods) -> float:
    """Type-checked, never run: no result of these methods is Any."""
    ticker: Ticker = await ex.fetch_ticker("BTC/USDT")
    book: OrderBook = await ex.fetch_order_book("BTC/USDT", 5)
    trades: list[Trade] = await ex.fetchTrades("BTC/USDT", limit=10)
    traded: float = sum(trade["price"] * trade["amount"] for trade in trades)
    last: float = ticker["last"] or book["bids"][0][0]
    order = await ex.create_order("BTC/USDT", "limit", "buy", 1, last, {"postOnly": True})
    filled: float = order["filled"] or 0.0
    return traded + filled + book["asks"][0][1]
