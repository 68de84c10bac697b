"""The doctor: healthy venues pass, each fault is named at its place, and nothing ends in a traceback.

Each examination watches for a second or so a market that runs at twenty times its speed.
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio

import unified_ws
from unified_ws import doctor_books, doctor_hops
from unified_ws.doctor import Doctor, Report, _pause_s, usual_symbols
from unified_ws.doctor_against import Against, Tape, _redirect
from unified_ws.doctor_books import BookWatch
from unified_ws.doctor_facts import _busiest, _heartbeat, _limit
from unified_ws.doctor_fields import FieldWatch, wire_names
from unified_ws.doctor_watch import Seen, items
from unified_ws.facts import Heartbeat, Kind, Limits, Window
from unified_ws.testing import FakeVenue

BTC, ETH = "BTC/USDT", "ETH/USDT"
TRADES, BOOK = "btcusdt@trade", "btcusdt@depth@100ms"
SECONDS = 0.6

Examine = Callable[..., Awaitable[Report]]


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """Two markets that run at twenty times their speed."""
    async with FakeVenue("binance", seed=11, speed=20, symbols=[BTC, ETH]) as fake:
        yield fake


@pytest_asyncio.fixture
async def examine(venue: FakeVenue) -> AsyncIterator[Examine]:
    """Examine the fake, with something that happens meanwhile."""

    async def run(
        *symbols: str, seconds: float = SECONDS, against: str = "",
        config: dict[str, Any] | None = None, meanwhile: Awaitable[object] | None = None,
    ) -> Report:  # fmt: skip
        given = {"gateway": venue.gateway, **(config or {})}
        async with unified_ws.exchange("binance", given) as ex:
            doctor = Doctor(ex, symbols or [BTC], seconds=seconds, against=against)
            if meanwhile is None:
                await doctor.run()
            else:
                await asyncio.gather(doctor.run(), meanwhile)
            return doctor.report()

    yield run


def seen(report: Report, method: str, symbol: str = BTC) -> Seen:
    """Return what a report says of a method."""
    return next(s for s in report.methods if (s.method, s.symbol) == (method, symbol))


# --- all is well -----------------------------------------------------------------------------


async def test_a_healthy_venue_passes(examine: Examine, venue: FakeVenue) -> None:
    """Every promised method is called, timed and counted, on every market."""
    report = await examine(BTC, ETH, seconds=1.0)

    assert (report.ok, report.faults) == (True, [])
    assert [hop.name for hop in report.hops] == ["DNS", "TCP", "REST", "socket"]
    assert all(hop.ok and hop.ms is not None for hop in report.hops)
    assert "round trip" in report.hops[-1].said
    for method in (
        "watchTrades", "watchTradesForSymbols", "watchOrderBook", "watchOrderBookForSymbols",
        "watchTicker", "watchTickers", "watchBidsAsks", "watchOHLCV", "watchOHLCVForSymbols",
    ):  # fmt: skip
        for symbol in (BTC, ETH):
            found = seen(report, method, symbol)
            assert (found.verdict, found.errors) == ("ok", {}), found
            assert found.ack_s is not None
            assert found.first_s is not None
            assert 0 < found.answers <= found.rows
    assert seen(report, "watchFundingRate").verdict == "not offered"
    assert seen(report, "watchTickers", "all markets").rows >= 2
    assert venue.stats.violations == []


async def test_books_are_compared_with_rest(examine: Examine) -> None:
    """At the very same update id, level by level."""
    (book,) = (await examine(BTC)).books

    assert (book.ids_fell, book.crossed, book.disordered, book.resyncs) == (0, 0, 0, 0)
    assert book.books > 5
    assert book.compared == book.equal > 0


async def test_facts_are_compared_with_what_happens(examine: Examine, venue: FakeVenue) -> None:
    """Limits used beside limits declared, and who pings."""
    report = await examine(BTC)
    facts = {(fact.about, fact.fact): fact for fact in report.facts}
    topics = facts["spot #1", "topics"]

    assert topics.declared == "at most 1,024"
    assert int(topics.observed) == report.connections[0]["topics"] > 5
    assert topics.holds
    assert facts["spot #1", "messages in 1 s"].holds
    assert facts["spot #1", "bytes of a request"].holds is None  # the venue states no limit
    assert facts["spot #1", "pings of the venue"].holds is None  # none is due so soon
    assert facts["REST", "weight in its window"].holds


async def test_fields_that_nobody_reads_are_listed(examine: Examine) -> None:
    """A new field of a venue shows here first."""
    report = await examine(BTC)
    unread = {one.kind: set(one.fields) for one in report.unread}

    assert "M" in unread["trades"]  # documented to be ignored
    assert not unread["trades"] & {"p", "q", "T", "t", "m", "s"}
    assert "k.n" in unread["ohlcv"]


async def test_a_report_can_be_asked_for_later(venue: FakeVenue) -> None:
    """The exchange object may be closed by then, and time goes on."""
    async with unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex:
        doctor = Doctor(ex, [BTC], seconds=SECONDS)
        await doctor.run()
        before = doctor.report()
    asyncio.get_running_loop().time = lambda: 1e9  # type: ignore[method-assign]
    after = doctor.report()
    del asyncio.get_running_loop().time

    assert (after.methods, after.seconds, after.books) == (before.methods, before.seconds, before.books)
    assert after.ok


async def test_well_known_markets_of_each_type_are_chosen(examine: Examine) -> None:
    """Two of each type are enough to see all endpoints."""
    async with unified_ws.exchange("binance") as ex:
        markets = [
            ("NEW/USDT", {"spot": True}), (ETH, {"spot": True}), (BTC, {"spot": True}),
            ("OLD/USDT", {"spot": True, "active": False}),
        ]  # fmt: skip
        ex.rest.set_markets([
            {
                "symbol": symbol, "id": symbol.replace("/", ""), "type": "spot", "active": True,
                "base": symbol.partition("/")[0], "quote": "USDT", **more,
            }
            for symbol, more in markets
        ])  # fmt: skip
        assert usual_symbols(ex) == [BTC, ETH]


# --- what is wrong ---------------------------------------------------------------------------


async def test_a_topic_that_is_acknowledged_and_silent_is_a_fault(
    examine: Examine, venue: FakeVenue
) -> None:
    """REST has trades that the stream did not tell: silence, not a quiet market."""
    venue.silence(TRADES)
    report = await examine(BTC)

    assert not report.ok
    assert seen(report, "watchTrades").verdict == "failed"
    assert "silent, although the market has moved" in seen(report, "watchTrades").reason
    assert seen(report, "watchOrderBook").verdict == "ok"
    assert any(fault.startswith("watchTrades: acknowledged and silent") for fault in report.faults)


async def test_a_market_without_news_is_no_fault(venue: FakeVenue) -> None:
    """What did not happen could not be told."""
    async with (
        FakeVenue("binance", paused=True, symbols=[BTC]) as still,
        unified_ws.exchange("binance", {"gateway": still.gateway}) as ex,
    ):
        doctor = Doctor(ex, [BTC], seconds=0.5)
        await doctor.run()
        report = doctor.report()

    assert seen(report, "watchTrades").verdict == "not seen"
    assert seen(report, "watchOHLCV").verdict == "not seen"
    assert (report.ok, report.faults) == (True, [])


async def test_a_broken_frame_is_shown_with_its_reason(examine: Examine, venue: FakeVenue) -> None:
    """It costs nothing else, so it is worth knowing and no fault."""

    async def inject() -> None:
        await venue.until(lambda: TRADES in venue.topics)
        await venue.inject(b'{"stream":"btcusdt@trade","data":{"e":"tra')

    report = await examine(BTC, meanwhile=inject())

    assert report.ok
    kept, *_others = report.set_aside
    assert kept.frame.startswith('{"stream":"btcusdt@trade"')
    assert "truncated" in kept.reason
    assert any(remark.startswith("set aside (") for remark in report.remarks)


async def test_rest_that_is_down_is_named_and_sockets_are_still_tried(
    examine: Examine, venue: FakeVenue
) -> None:
    """Without markets nothing can be watched, but the way to the sockets is known."""
    venue.fail_rest(".", 503, times=10_000)
    report = await examine(BTC)
    hops = {hop.name: hop for hop in report.hops}

    assert not report.ok
    assert not hops["REST"].ok
    assert "answered HTTP 503" in hops["REST"].said
    assert hops["socket"].ok
    assert report.methods == []
    assert report.faults == [f"REST {hops['REST'].target}: {hops['REST'].said}"]


async def test_sockets_that_are_refused_are_named(examine: Examine, venue: FakeVenue) -> None:
    """REST answers, and no stream ever comes up."""
    venue.refuse_sockets(503, times=10_000)
    report = await examine(BTC, seconds=0.5, config={"timeout": 200})
    socket = next(hop for hop in report.hops if hop.name == "socket")

    assert not socket.ok
    assert "answered HTTP 503" in socket.said
    assert next(hop for hop in report.hops if hop.name == "REST").ok
    trades = seen(report, "watchTrades")
    assert trades.verdict == "failed"
    assert "answered HTTP 503" in trades.reason
    assert sum(trades.errors.values()) >= 1  # first contact has its time, and healing goes on


@pytest.mark.parametrize(
    ("windows", "pause_s"),
    [
        ([Window(n=1, per_s=3)], 3.0),
        ([Window(n=100, per_s=3)], 0.0),
        ([Window(n=3, per_s=1), None], 1.0),  # two tried, two to come
        ([Window(n=1, per_s=3600)], 10.0),
        ([None], 0.0),
    ],
)
def test_sockets_just_tried_do_not_use_up_the_dials(
    windows: list[Window | None], pause_s: float
) -> None:
    """A venue that allows few dials a second would refuse those that count."""
    assert _pause_s([Limits(dials=window) for window in windows]) == pause_s


@pytest.mark.parametrize(
    ("gateway", "hops", "sentence"),
    [
        ("http://nowhere.invalid", ["DNS", "REST"], "cannot resolve nowhere.invalid (DNS)"),
        ("http://127.0.0.1:1", ["DNS", "TCP", "REST"], "TCP: connection refused"),
    ],
    ids=["dns", "tcp"],
)
async def test_a_hop_that_fails_is_the_last_one_tried(
    gateway: str, hops: list[str], sentence: str
) -> None:
    """One fault, said once, at the hop where it is."""
    async with unified_ws.exchange("binance", {"gateway": gateway}) as ex:
        doctor = Doctor(ex, [BTC], seconds=SECONDS)
        await doctor.run()
        report = doctor.report()

    assert [hop.name for hop in report.hops] == hops
    assert not report.hops[-2].ok
    (fault,) = report.faults
    assert fault.startswith(hops[-2])
    assert sentence in fault


@pytest.mark.parametrize("answers", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["no", "never"])
async def test_tls_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, answers: bytes) -> None:
    """A port that speaks something else, or nothing at all."""
    monkeypatch.setattr(doctor_hops, "HOP_S", 0.2)
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers)
        if not answers:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = {"gateway": f"https://127.0.0.1:{port}", "timeout": 300}
    async with unified_ws.exchange("binance", config) as ex:
        doctor = Doctor(ex, [BTC], seconds=SECONDS)
        await doctor.run()
    done.set()
    server.close()
    hops = {hop.name: hop for hop in doctor.report().hops}

    assert hops["TCP"].ok
    assert not hops["TLS"].ok
    assert hops["TLS"].said
    assert not doctor.report().ok


async def test_a_proxy_that_refuses_is_the_hop() -> None:
    """Nothing goes past a proxy, so nothing beyond it is looked up."""
    async with unified_ws.exchange("binance", {"httpsProxy": "http://127.0.0.1:1"}) as ex:
        doctor = Doctor(ex, [BTC], seconds=SECONDS)
        await doctor.run()
        report = doctor.report()

    assert [hop.name for hop in report.hops][:2] == ["DNS", "proxy"]
    assert report.hops[1].target == "127.0.0.1:1"
    assert not report.ok


async def test_a_lost_change_of_a_book_is_counted(examine: Examine, venue: FakeVenue) -> None:
    """It healed, which the report says as well."""

    async def lose() -> None:
        await venue.until(lambda: BOOK in venue.topics)
        await venue.until(lambda: any(seen_.path.endswith("/depth") for seen_ in venue.stats.rest))
        venue.drop_next_delta(BTC)

    report = await examine(BTC, seconds=1.0, meanwhile=lose())

    assert report.ok, report.faults
    assert report.books[0].resyncs
    assert report.events["resync"]


async def test_a_close_code_is_shown_beside_its_rule(examine: Examine, venue: FakeVenue) -> None:
    """Declared and observed, and a drop is worth knowing."""

    async def drop() -> None:
        await venue.until(lambda: TRADES in venue.topics)
        await venue.drop(1008, "too many messages")

    report = await examine(BTC, meanwhile=drop())
    fact = next(fact for fact in report.facts if fact.fact == "close code 1008")

    assert (fact.declared, fact.observed) == ("wait 5 s", "1 times")
    assert any("code 1008: too many messages" in remark for remark in report.remarks)


async def test_an_interruption_leaves_what_there_is(venue: FakeVenue) -> None:
    """Whoever presses Ctrl-C wants to see it."""
    async with unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex:
        doctor = Doctor(ex, [BTC], seconds=600)
        running = asyncio.ensure_future(doctor.run())
        await venue.until(lambda: TRADES in venue.topics)
        await ex.watch_trades(BTC)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        report = doctor.report()

    assert seen(report, "watchTrades").verdict == "ok"
    assert report.seconds < 60


# --- side by side --------------------------------------------------------------------------------


async def test_ccxt_pro_beside_it_reads_the_same(examine: Examine) -> None:
    """On a healthy venue both have the same trades and the venue's own tops."""
    report = await examine(BTC, ETH, against="ccxt.pro", seconds=2.5)

    assert report.ok, report.faults
    for pair in report.against:
        assert pair.common > 20
        assert (pair.ours.missing, pair.ours.doubled, pair.ours.different) == (0, 0, 0)
        assert (pair.theirs.missing, pair.theirs.doubled) == (0, 0)
        assert pair.ours.tops_wrong == 0
        assert pair.ours.tops_compared > 0


async def test_a_client_that_loses_trades_is_convicted(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the comparison is for: who lost what."""

    class Lossy(ccxt.pro.binance):  # type: ignore[misc]  # ccxt is untyped
        async def watch_trades(self, symbol: str, *args: Any) -> Any:
            rows = await super().watch_trades(symbol, *args)
            return [row for row in rows if int(row["id"]) % 5] + [rows[-1]]

    module = types.ModuleType("lossy")
    module.binance = Lossy  # type: ignore[attr-defined]  # made for this test
    monkeypatch.setitem(sys.modules, "lossy", module)
    report = await examine(BTC, against="lossy", seconds=2.0)
    (pair,) = report.against

    assert report.ok, report.faults
    assert pair.theirs.missing > 0
    assert pair.theirs.doubled > 0
    assert pair.ours.missing == 0
    assert any("are missing in the other client" in remark for remark in report.remarks)


def row(id_: str | None, price: float = 1.0, ms: int = 1) -> dict[str, Any]:
    """Return a trade."""
    return {"id": id_, "timestamp": ms, "side": "buy", "price": price, "amount": 1.0}


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ("1 2 3", "1 2 3", (3, 0, 0, 0, 0, 0)),
        ("0 1 2 3", "1 2 3 4", (3, 0, 0, 0, 0, 0)),  # before and after both: nobody's loss
        ("1 3 4", "1 2 3 4", (3, 1, 0, 0, 0, 0)),
        ("1 2 3 4", "1 4", (2, 0, 0, 2, 0, 0)),
        ("1 2 2 3", "1 2 3 3", (3, 0, 1, 0, 1, 0)),
        ("1 2 3", "1 2* 3", (3, 0, 0, 0, 0, 1)),
        ("- - -", "- - -", (1, 0, 0, 0, 0, 0)),  # without ids equal trades are told by number
        ("- -", "- - -", (1, 1, 0, 0, 1, 0)),
        ("1 2", "3 4", (0, 0, 0, 0, 0, 0)),
    ],
)
def test_trades_are_compared_between_the_first_and_the_last_of_both(
    ours: str, theirs: str, found: tuple[int, ...]
) -> None:
    """Missing, doubled and different, on each side."""
    against = object.__new__(Against)
    against.ours, against.theirs, against.witness = {BTC: Tape()}, {BTC: Tape()}, {BTC: {}}
    for tape, text in ((against.ours[BTC], ours), (against.theirs[BTC], theirs)):
        for id_ in text.split():
            tape.trade(row(None if id_ == "-" else id_.rstrip("*"), 2.0 if "*" in id_ else 1.0))
    (pair,) = against.found()
    mine, other = pair.ours, pair.theirs

    assert pair.unlike == ({"price": 1} if "*" in theirs else {})
    assert found == (
        pair.common, mine.missing, mine.doubled, other.missing, other.doubled, mine.different
    )  # fmt: skip


def test_tops_are_compared_with_the_venues_own_word() -> None:
    """At the same update id, whatever the sides think of each other."""
    against = object.__new__(Against)
    against.ours, against.theirs = {BTC: Tape()}, {BTC: Tape()}
    against.witness = {BTC: {1: (1.0, 2.0), 2: (1.1, 2.0)}}
    for number, bid in ((1, 1.0), (2, 1.1), (3, 1.2)):
        against.ours[BTC].book({"bids": [[bid, 1]], "asks": [[2.0, 1]], "nonce": number})
    for number, bid in ((1, 1.0), (2, 1.0), (3, 2.5)):
        against.theirs[BTC].book({"bids": [[bid, 1]], "asks": [[2.0, 1]], "nonce": number})
    (pair,) = against.found()

    assert (pair.ours.tops_compared, pair.ours.tops_wrong, pair.ours.crossed) == (2, 0, 0)
    assert (pair.theirs.tops_compared, pair.theirs.tops_wrong, pair.theirs.crossed) == (2, 1, 1)
    assert (pair.same_books, pair.unlike_books) == (3, 2)


# --- the parts -----------------------------------------------------------------------------------


def book(number: int | None, bid: float = 1.0, ask: float = 2.0) -> dict[str, Any]:
    """Return a book of two levels a side."""
    return {"bids": [[bid, 1.0], [bid - 0.5, 1.0]], "asks": [[ask, 1.0], [ask + 1, 1.0]], "nonce": number}


class Rest:
    """Stands in for an exchange object: answers with a book, and lets the stream go on."""

    def __init__(self, watch: BookWatch, answer: dict[str, Any] | Exception, *later: Any) -> None:
        self.watch, self.answer, self.later = watch, answer, later

    async def fetch_order_book(self, symbol: str, limit: int) -> dict[str, Any]:
        """Answer, and let what comes later come soon."""
        for n, item in enumerate(self.later):
            asyncio.get_running_loop().call_later(0.001 * n, self.watch.note, item)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "later", "counts"),
    [
        (book(7), (book(6), book(7)), (1, 1, 0, 0)),
        (book(7, 1.1), (book(6), book(7)), (1, 0, 0, 0)),
        (book(7, 1.1), (book(6, 1.1), book(8)), (0, 0, 1, 0)),  # no book of that very id
        (book(7, 1.1), (book(6), book(8)), (0, 0, 0, 1)),
        (book(None, 1.1), (book(6, 1.1),), (0, 0, 1, 0)),  # a venue without ids
        (ValueError("no"), (), (0, 0, 0, 0)),
    ],
    ids=["equal", "unequal", "seen nearby", "never seen", "no ids", "no answer"],
)
async def test_a_book_of_rest_finds_its_equal(
    monkeypatch: pytest.MonkeyPatch, answer: Any, later: tuple[Any, ...], counts: tuple[int, ...]
) -> None:
    """Only the same update id can prove a difference."""
    monkeypatch.setattr(doctor_books, "_WAIT_S", 0.1)
    watch = BookWatch(BTC)
    watch.note(book(5))
    await watch.compare(Rest(watch, answer, *later))  # type: ignore[arg-type]  # stands in
    found = watch.seen

    assert (found.compared, found.equal, found.nearby, found.unlike) == counts
    assert bool(found.said) is (isinstance(answer, Exception) or found.compared > found.equal)


def test_books_are_judged_by_themselves() -> None:
    """Ids that fall, sides that cross, levels out of order or empty."""
    watch = BookWatch(BTC)
    crossed, empty = book(7, bid=2.0), book(8)
    empty["asks"][1] = [3.0, 0.0]
    disordered = book(9)
    disordered["bids"].reverse()
    for one in (book(5), book(6), crossed, empty, disordered, book(4)):
        watch.note(one)

    found = watch.seen
    assert (found.books, found.ids_fell, found.crossed, found.disordered) == (6, 1, 1, 2)


@pytest.mark.parametrize(
    ("connection", "declared", "holds"),
    [
        ({"server_pings": 2, "frames": 9}, {"by": "server"}, True),
        ({"server_pings": 0, "frames": 0}, {"by": "server"}, False),
        ({"server_pings": 0, "frames": 90}, {"by": "server"}, None),  # its beats may be messages
        ({"pings": 3, "pongs": 2}, {"by": "message"}, True),  # one is under way
        ({"pings": 3, "pongs": 0}, {"by": "message"}, False),
        ({"pings": 0, "pongs": 0}, {"by": "protocol"}, None),
    ],
)
def test_heartbeats_hold_or_do_not(
    connection: dict[str, int], declared: dict[str, Any], holds: bool | None
) -> None:
    """Silence proves something only after the declared time."""
    heartbeat = Heartbeat(every_s=10, **declared)

    assert _heartbeat("x", heartbeat, connection, 60.0).holds is holds
    if holds is False:
        assert _heartbeat("x", heartbeat, connection, 5.0).holds is None


@pytest.mark.parametrize(("used", "most", "holds"), [(5, 5, True), (6, 5, False), (6, None, None)])
def test_a_limit_holds_or_does_not(used: int, most: int | None, holds: bool | None) -> None:
    """What the venue does not limit cannot be broken."""
    assert _limit("x", "topics", used, most).holds is holds


@pytest.mark.parametrize("closed", [True, False])
async def test_a_gap_that_stays_open_is_a_fault(examine: Examine, *, closed: bool) -> None:
    """Rows that were promised and never came; those that REST brought back are worth knowing."""
    report = await examine(BTC)
    report.gaps = [
        {"symbol": BTC, "kind": "trades", "cause": "lost", "missing": 3, "filled": 3 * closed,
         "closed": closed},
    ]  # fmt: skip
    report.judge()

    assert report.ok is closed
    said = (report.remarks if closed else report.faults)[0]
    assert said.startswith(f"gap in trades of {BTC} (lost): 3 rows, ")


def test_the_busiest_window_counts() -> None:
    """Five in any second, not five in each calendar second."""
    times = [0.0, 0.9, 1.0, 1.1, 1.5, 3.0]

    assert _busiest(times, Window(n=5, per_s=1)) == 4
    assert _busiest(times, Window(n=5, per_s=10)) == 6
    assert _busiest([], Window(n=5, per_s=1)) == 0


def test_names_come_from_wire_types_and_from_texts() -> None:
    """Sparse rows are read by name, others by type."""
    adapter = unified_ws.exchange("binance").adapter_class
    watch = FieldWatch(adapter)
    watch.note(Kind.TRADES, {"info": {"p": "1", "brandNew": 1, "k": {"t": 1, "alsoNew": 2}}})
    watch.note(Kind.TRADES, {"info": ["an", "array", "has", "no", "names"]})

    assert {"p", "q", "k", "bids", "asks"} <= wire_names(adapter)
    (found,) = watch.found()
    assert found.fields == {"brandNew": 1, "k.alsoNew": 1}


def test_every_answer_of_a_watch_is_understood() -> None:
    """Lists, dicts, dicts of dicts, candles."""
    trade = {"symbol": BTC}
    assert list(items([trade], BTC)) == [(BTC, trade)]
    assert list(items({"symbol": BTC, "bids": []}, BTC)) == [(BTC, {"symbol": BTC, "bids": []})]
    assert list(items({BTC: trade, ETH: {"symbol": ETH}}, "")) == [(BTC, trade), (ETH, {"symbol": ETH})]
    assert list(items([[1, 2]], BTC)) == [(BTC, [1, 2])]
    assert list(items({ETH: {"1m": [[1, 2]]}}, BTC)) == [(ETH, [1, 2])]


def test_another_client_goes_the_same_way() -> None:
    """Through the gateway, once, REST and sockets alike."""
    asked: list[str] = []
    other = types.SimpleNamespace(fetch=asked.append, client=asked.append)
    _redirect(other, "http://127.0.0.1:5")
    other.fetch("https://x.test/api")
    other.client("wss://x.test:9443/ws")
    other.client("ws://127.0.0.1:5/x.test/ws")  # an address that REST handed out

    assert asked == [
        "http://127.0.0.1:5/x.test/api", "ws://127.0.0.1:5/x.test:9443/ws",
        "ws://127.0.0.1:5/x.test/ws",
    ]  # fmt: skip
