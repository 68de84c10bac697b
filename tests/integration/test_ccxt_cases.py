"""ccxt's own cases of August to October 2026: the same messages give the same results.

A case is a call, the messages that a venue sent for it and what ccxt expects of them. It is played
through the public API: a server on loopback answers the library in the words of the case, one
message after the other, and each answer of the call is compared with ccxt's. What differs is
pinned in `CASES`, with the section of the sheet (`venues/` beside the recordings) that rules there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import ccxt
import pytest

import unified_ws
from tests.support import recording, until
from unified_ws.testing.gateway import Gateway
from unified_ws.testing.market import Event
from unified_ws.testing.side import Limits, Link, RestAnswer, RestRequest, Turn, VenueSide

Json: TypeAlias = dict[str, Any]
_QUIET_TURNS = 30
_ANSWER_S = 10.0

# --- what is played and how it may differ --------------------------------------------------


class Differs(NamedTuple):
    """A field in which ccxt's expectation is not ours: our values, one an answer, and why."""

    ours: Sequence[Any]
    why: str


class Played(NamedTuple):
    """How a case is played and compared.

    Attributes:
        params: What our call is given beside the case's arguments, to ask for the case's channel.
        levels: How many levels of a book were asked for, where ccxt hands out more.
        differs: Fields that differ, by their path within an answer.
    """

    params: Mapping[str, Any] = {}
    levels: int | None = None
    differs: Mapping[str, Differs] = {}


LATER = {
    "watchOrders": "accounts come later",
    "watchBalance": "accounts come later",
    "watchMyTrades": "accounts come later",
    "watchPositions": "accounts come later",
}
"""Methods that the library does not have yet; each entry goes when its method comes."""
OTHER_VENUES = ("hyperliquid", "kraken", "bitget", "deribit")
CASES = {
    "binance watchBidsAsks 0": Played(),
    # 5: our default is `ticker`, which says more; the case holds what ccxt asks for.
    "binance watchTicker 0": Played({"name": "miniTicker"}),
    "binance watchTicker 1": Played(),
    "binance watchOHLCV 0": Played(),
    "binance watchOrderBook 0": Played(),
    "binance watchOrderBook 1": Played(),
    "binance watchTrades 0": Played(),
    "binance watchOrders 0": Played(),
    "binance watchOrders 1": Played(),
    "bybit watchTicker 0": Played(),
    "bybit watchOHLCV 0": Played(),
    "bybit watchTrades 0": Played(),
    "bybit watchOrderBook 0": Played(differs={
        "nonce": Differs((53935309, 53935310), "6.1: `u` is the book's update id"),
    }),
    # 5.3: our default is `bbo-tbt`, ccxt's in 4.5.90, too; the case holds `tickers`.
    "okx watchBidsAsks 0": Played({"channel": "tickers"}),
    "okx watchTicker 0": Played(differs={
        "baseVolume": Differs(
            (73998.8786, 73998.8786), "5.2, 10.12: of contracts the base volume is `volCcy24h`"
        ),
    }),
    "okx watchOHLCV 0": Played(),
    "okx watchTrades 0": Played(),
    "okx watchOrderBook 0": Played(differs={
        "nonce": Differs((79706756139, 79706756227), "6.2, 6.3: `seqId` is the book's update id"),
    }),
    "coinbase watchTicker 0": Played(),
    "gate watchTicker 0": Played(),
    "gate watchOHLCV 0": Played(differs={
        "0.5": Differs((1.888203, 1.888514), "5.4: the base volume is `a`, `v` is the quote volume"),
    }),
    "gate watchTrades 0": Played(),
    "gate watchOrderBook 0": Played(levels=5),
    "kucoin watchTicker 0": Played(differs={
        "bidVolume": Differs((0.95478999, 1.15610712), "5: `bidSize` is beside `buy`"),
        "askVolume": Differs((0.03877826, 0.01084449), "5: `askSize` is beside `sell`"),
    }),
    "kucoin watchTrades 0": Played(),
    "kucoinfutures watchOHLCV 0": Played(),
    "kucoinfutures watchOrderBook 0": Played(),
}  # fmt: skip

# --- the venues' words ---------------------------------------------------------------------


class Words(NamedTuple):
    """How a venue speaks, as far as the cases need it.

    Attributes:
        asked: What a subscription asks for, whoever sends it.
        answers: Whether a message of a case answers a request; the others are data.
        to_us: A message as it would have come to our request instead of ccxt's.
        yes: The answer to a request for which the case has none.
        before: The answer to a request that comes before the one of the case.
    """

    asked: Callable[[Json], Any]
    answers: Callable[[Json], bool]
    to_us: Callable[[Json, Json], Json]
    yes: Callable[[Json], Json | None] = lambda _request: None
    before: Callable[[Json], Json | None] = lambda _request: None


def _binance(message: Json, request: Json) -> Json:
    """Wrap data, since we speak the combined mode (1.1)."""
    if "result" in message:
        return {**message, "id": request["id"]}
    return {"stream": request["params"][0], "data": message}


def _bybit_yes(request: Json) -> Json:
    said = {"success": True, "ret_msg": "", "conn_id": "d9tc9msptl6qssdmv0gg-cwel"}
    return {**said, "req_id": request["req_id"], "op": "subscribe"}


def _heartbeats(request: Json) -> Json | None:
    if request["channel"] != "heartbeats":
        return None
    said = {"channel": "subscriptions", "timestamp": "2026-08-12T19:27:33.4Z", "sequence_num": 0}
    return {**said, "events": [{"subscriptions": {"heartbeats": ["heartbeats"]}}]}


def _coinbase(message: Json, request: Json) -> Json:
    """Count on after the answer to our heartbeats, and list them, as every answer does (4.1)."""
    message = {**message, "sequence_num": message["sequence_num"] + 1}
    if message["channel"] == "subscriptions":
        held = {**message["events"][0]["subscriptions"], "heartbeats": ["heartbeats"]}
        message["events"] = [{"subscriptions": held}]
    return message


def _by_id(answers: Callable[[Json], bool], name: str = "id") -> Callable[[Json, Json], Json]:
    def to_us(message: Json, request: Json) -> Json:
        return {**message, name: request[name]} if answers(message) else message

    return to_us


def _bybit_answers(message: Json) -> bool:
    return "op" in message


def _okx_answers(message: Json) -> bool:
    return "event" in message


def _gate_answers(message: Json) -> bool:
    return bool(message["event"] == "subscribe")


def _kucoin_answers(message: Json) -> bool:
    return bool(message["type"] == "ack")


_KUCOIN = Words(lambda r: r["topic"], _kucoin_answers, _by_id(_kucoin_answers))
WORDS = {
    "binance": Words(lambda r: r["params"], lambda m: "result" in m, _binance),
    "bybit": Words(
        lambda r: r["args"], _bybit_answers, _by_id(_bybit_answers, "req_id"), yes=_bybit_yes
    ),
    "okx": Words(lambda r: r["args"], _okx_answers, _by_id(_okx_answers)),
    "coinbase": Words(
        lambda r: (r["channel"], r["product_ids"]), lambda m: m["channel"] == "subscriptions",
        _coinbase, before=_heartbeats,
    ),
    "gate": Words(lambda r: (r["channel"], r["payload"]), _gate_answers, _by_id(_gate_answers)),
    "kucoin": _KUCOIN,
    "kucoinfutures": _KUCOIN,
}  # fmt: skip


class CaseSide(VenueSide):
    """A venue that knows one case.

    Attributes:
        request: The one that the case's messages are for.
    """

    id = "case"
    limits = Limits()

    def __init__(self, case: Json, words: Words) -> None:
        super().__init__([], None, self.limits)
        self.request: Json | None = None
        self._case = case
        self._words = words
        self.welcome = [m for m in case["messages"] if m.get("type") == "welcome"]
        self.messages = [m for m in case["messages"] if m not in self.welcome]

    def rest(self, request: RestRequest) -> RestAnswer:
        """Give the one answer that the case has: a book, or a token."""
        if "http_response" not in self._case:
            return RestAnswer(404, b"{}")
        return RestAnswer(200, json.dumps(self._case["http_response"]).encode())

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Welcome where the venue does."""
        return Turn(tuple(json.dumps(message).encode() for message in self.welcome))

    def receive(self, link: Link, data: bytes) -> Turn:
        """Note the request of the case; its answer is among the messages, where it has one."""
        request = json.loads(data)
        before = self._words.before(request)
        if before is not None:
            return Turn((json.dumps(before).encode(),))
        self.request = request
        answered = any(self._words.answers(message) for message in self.messages)
        yes = None if answered else self._words.yes(request)
        return Turn((json.dumps(yes).encode(),) if yes else ())

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Send nothing by itself."""
        return []

    def book_of(self, topic: str) -> str | None:
        """Know of no books."""
        return None


def _market(id_: str, symbol: str, tick: float | None = None, size: float | None = None) -> Json:
    """Describe a market as ccxt does; the cases come without any.

    The tick matters for averages, which ccxt cuts to it, the size of a contract for costs.
    """
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    of_contract = {
        "settle": settle, "settleId": settle, "linear": settle == quote,
        "inverse": settle == base, "contractSize": size,
    }  # fmt: skip
    market: Json = ccxt.Exchange().safe_market_structure({
        "id": id_, "symbol": symbol, "base": base, "quote": quote, "baseId": base,
        "quoteId": quote, "type": "swap" if settle else "spot", "spot": not settle,
        "swap": bool(settle), "margin": False, "future": False, "option": False,
        "contract": bool(settle), "active": True, "info": {},
        "precision": {"amount": None, "price": tick}, **(of_contract if settle else {}),
    })  # fmt: skip
    return market


MARKETS = {
    "binance": [
        _market("BTCUSDT", "BTC/USDT", 0.01), _market("BTCUSDT", "BTC/USDT:USDT", 0.1, 1),
        _market("BTCUSD_PERP", "BTC/USD:BTC", 0.1, 100),
    ],
    "bybit": [_market("BTCUSDT", "BTC/USDT", 0.1), _market("BTCUSDT", "BTC/USDT:USDT", 0.1, 1)],
    "okx": [
        _market("BTC-USDT", "BTC/USDT", 0.1), _market("BTC-USDT-SWAP", "BTC/USDT:USDT", 0.1, 0.01)
    ],
    "coinbase": [_market("BTC-USD", "BTC/USD", 0.01)],
    # Their average of Gate is not cut: it was made without a tick.
    "gate": [_market("BTC_USDT", "BTC/USDT"), _market("BTC_USDT", "BTC/USDT:USDT", size=0.0001)],
    "kucoin": [_market("BTC-USDT", "BTC/USDT", 0.1)],
    "kucoinfutures": [_market("XBTUSDTM", "BTC/USDT:USDT", 0.1, 0.001)],
}  # fmt: skip

# --- playing ---------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of a case: the answers of the call, what we asked for, what went wrong."""

    answers: list[Any]
    asked: Any
    faults: list[str]


def _call(ex: Any, case: Json, params: Mapping[str, Any]) -> Callable[[], Any]:
    args = list(case["args"])
    given = args.pop() if args and isinstance(args[-1], dict) else {}
    method = getattr(ex, case["method"])
    return lambda: method(*args, params={**given, **params})


async def play(venue: str, case: Json, params: Mapping[str, Any]) -> Outcome:
    """Play a case: where it wants a sequence, each message of data is answered before the next."""
    words = WORDS[venue]
    side = CaseSide(case, words)
    read: list[bytes] = []
    answers: list[Any] = []
    async with (
        Gateway(side) as server,
        unified_ws.exchange(venue, {"gateway": server.gateway}) as ex,
    ):
        ex.set_markets(MARKETS[venue])
        ex.tap(lambda _connection, way, frame: read.append(frame) if way == "in" else None)
        call = _call(ex, case, params)
        waiting = asyncio.ensure_future(call())
        await server.until(lambda: side.request is not None or waiting.done())
        if waiting.done():
            waiting.result()
        assert side.request is not None
        for message in side.messages:
            frame = json.dumps(words.to_us(message, side.request)).encode()
            await server.inject(frame)
            await until(lambda frame=frame: frame in read)  # type: ignore[misc]
            if case["expected_mode"] == "sequence" and not words.answers(message):
                answers.append(await asyncio.wait_for(waiting, _ANSWER_S))
                waiting = asyncio.ensure_future(call())
        if case["expected_mode"] == "final":
            answers.append(await asyncio.wait_for(waiting, _ANSWER_S))
            waiting = asyncio.ensure_future(call())
            await _quiet()
            while waiting.done():
                answers[0] = waiting.result()
                waiting = asyncio.ensure_future(call())
                await _quiet()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        faults = [str(frame) for frame in ex.quarantined()] + [str(gap) for gap in ex.gaps()]
        faults += [seen.path for seen in server.stats.rest if "http_response" not in case]
        status = ex.status()
        if status["unclaimed_frames"]:
            faults.append(f"{status['unclaimed_frames']} frames that nobody claims")
    return Outcome(answers, words.asked(side.request), faults)


async def _quiet() -> None:
    for _ in range(_QUIET_TURNS):
        await asyncio.sleep(0)


# --- comparing -------------------------------------------------------------------------------


def differences(
    ours: Any, theirs: Any, skipped: Sequence[str], place: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the fields in which answers differ, and what we have there.

    None is as good as a missing field, 2 as good as 2.0.
    """
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*theirs, *(k for k in ours if k not in theirs)]:
            if key not in skipped:
                inner = f"{place}.{key}".lstrip(".")
                yield from differences(ours.get(key), theirs.get(key), skipped, inner)
    elif isinstance(theirs, list) and isinstance(ours, (list, tuple)) and len(ours) == len(theirs):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, skipped, f"{place}.{number}".lstrip("."))
    elif ours != theirs:
        yield place, ours


def compared(case: Json, answers: Sequence[Any], levels: int | None) -> dict[str, list[Any]]:
    """Return the fields that differ with our values, one an answer.

    Of the levels of a book only prices and amounts are compared.
    """
    expected = case["expected"] if case["expected_mode"] == "sequence" else [case["expected"]]
    assert len(answers) >= len(expected)
    if "OrderBook" in case["method"]:
        assert levels is None or all(len(book["bids"]) > levels for book in expected)
        expected = [_cut(book, levels) for book in expected]
        answers = [_cut(book, None) for book in answers]
    found: dict[str, list[Any]] = {}
    for mine, other in zip(answers, expected, strict=False):
        for field, value in differences(mine, other, case["compare_skip_keys"]):
            found.setdefault(field, []).append(value)
    return found


def _cut(book: Json, levels: int | None) -> Json:
    sides = {side: [row[:2] for row in book[side][:levels]] for side in ("bids", "asks")}
    return {**book, **sides}


def _cases() -> dict[str, Json]:
    data = json.loads((recording("ccxt_cases") / "cases.json").read_text())
    return {
        f"{venue} {method} {number}": case
        for venue, methods in data.items()
        for method, cases in methods.items()
        for number, case in enumerate(cases)
    }


def _venue_and_method(name: str) -> tuple[str, str]:
    venue, method, _ = name.split()
    return venue, method


def test_every_case_is_played_or_said_to_come_later() -> None:
    """A case that nobody lists would be a case that nobody plays."""
    cases = _cases()

    assert len(cases) == 41
    assert set(CASES) == {n for n in cases if _venue_and_method(n)[0] not in OTHER_VENUES}


@pytest.mark.parametrize("name", [n for n in CASES if _venue_and_method(n)[1] not in LATER])
async def test_a_case_of_ccxt_gives_what_ccxt_expects(name: str) -> None:
    """Frames of 2026 that somebody else has recorded and read: the least that must agree."""
    case, played = _cases()[name], CASES[name]
    venue, _ = _venue_and_method(name)

    outcome = await play(venue, case, played.params)

    assert outcome.asked in [WORDS[venue].asked(sent) for sent in case["sent_messages"]]
    assert compared(case, outcome.answers, played.levels) == {
        field: list(differs.ours) for field, differs in played.differs.items()
    }
    assert outcome.faults == []


@pytest.mark.parametrize("name", [n for n in CASES if _venue_and_method(n)[1] in LATER])
async def test_what_comes_later_is_refused_and_not_promised(name: str) -> None:
    """When such a method comes, this fails until its entry has left `LATER`."""
    venue, method = _venue_and_method(name)
    async with unified_ws.exchange(venue) as ex:
        assert not ex.has[method]
        with pytest.raises(ccxt.NotSupported):
            await getattr(ex, method)()
