"""Several kinds, markets and endpoints behind one name: each stream gets its own."""

from __future__ import annotations

import pytest

from tests.unit.scripted import Scripted, Stage, market, one_topic, venue
from unified_ws import adapter as ws
from unified_ws.errors import CCXT_ERRORS


def everything(sub: ws.Sub) -> tuple[ws.Route, ...]:
    """Route all kinds of a market to one topic."""
    assert sub.market is not None
    return (ws.Route("main", f"all:{sub.market.wire_id or sub.market.id}"),)


def test_each_kind_takes_its_own_rows_and_completes_the_partial_ones() -> None:
    """A ticker channel that also tells mark price, funding and open interest, field by field."""
    stage = Stage(Scripted(venue(), everything))
    kinds = (ws.Kind.TICKER, ws.Kind.MARK_PRICE, ws.Kind.FUNDING_RATE, ws.Kind.OPEN_INTEREST)
    ticker, mark, funding, interest = (stage.hold(ws.Sub(kind, market())) for kind in kinds)
    stage.open()
    assert [request[1] for request in stage.asked()] == [["all:A"]]
    stage.say(
        ws.Batch(
            "all:A",
            (
                ws.Ticker("A", 1, last=10.0, bid=9.0, ask=11.0, raw={"last": 10, "bid": 9}),
                ws.MarkPrice("A", 1, 10.5, 10.6),
                ws.FundingRate("A", 1, 0.0001, 99),
            ),
        )
    )
    stage.say(
        ws.Batch(
            "all:A",
            (
                ws.Ticker("A", 2, bid=9.5, partial=True, raw={"bid": 9.5}),
                ws.MarkPrice("A", 2, index_price=10.7, partial=True),
            ),
        )
    )
    last = ticker.rows.rows[-1]
    assert (last.last, last.bid, last.ask, last.timestamp_ms) == (10.0, 9.5, 11.0, 2)
    assert last.info == {"last": 10, "bid": 9.5}
    assert not last.partial
    assert (mark.rows.rows[-1].mark_price, mark.rows.rows[-1].index_price) == (10.5, 10.7)
    assert funding.delivered == 1
    assert interest.delivered == 0
    assert ticker.rows.rows[0].bid == 9.0  # what was handed out stays as it was


def test_a_partial_row_before_any_other_waits_until_it_tells_something() -> None:
    """Fields of a ticker that is not there yet are kept, and nobody is woken for them."""
    stage = Stage(Scripted(venue(), everything))
    ticker = stage.hold(ws.Sub(ws.Kind.TICKER, market()))
    stage.open()
    stage.say(ws.Batch("all:A", (ws.Ticker("A", 1, base_volume=7.0, partial=True),)))
    assert ticker.delivered == 0
    stage.say(ws.Batch("all:A", (ws.Ticker("A", 2, last=5.0, partial=True),)))
    assert [(row.last, row.base_volume) for row in ticker.rows.rows] == [(5.0, 7.0)]


def test_a_loss_forgets_what_a_partial_row_would_be_completed_from() -> None:
    """What was not told again after a reconnect may have changed meanwhile."""
    stage = Stage(Scripted(venue(), everything))
    ticker = stage.hold(ws.Sub(ws.Kind.TICKER, market()))
    stage.open()
    stage.say(ws.Batch("all:A", (ws.Ticker("A", 1, last=5.0, bid=4.0),)))
    stage.engine.lost(stage.link(), stage.now, "gone")
    stage.wait(1.0)
    stage.open()
    stage.say(ws.Batch("all:A", (ws.Ticker("A", 2, last=6.0, partial=True),)))
    assert ticker.rows.rows[-1].bid is None


def test_a_stream_of_one_market_takes_its_rows_from_a_topic_of_many() -> None:
    """A channel of a whole market type serves single markets too."""
    stage = Stage(Scripted(venue(), lambda s: (ws.Route("main", "every"),)))
    one = stage.hold(ws.Sub(ws.Kind.LIQUIDATIONS, market("A")))
    every = stage.hold(ws.Sub(ws.Kind.LIQUIDATIONS))
    stage.open()
    rows = [ws.Liquidation(symbol, 1, 5.0, 2.0, "sell") for symbol in ("A", "B", "A")]
    stage.say(ws.Batch("every", rows))
    stage.say(ws.Batch("every", rows))  # told again, as venues do on subscribing
    assert [row.symbol for row in one.rows.rows] == ["A", "A"]
    assert [row.symbol for row in every.rows.rows] == ["A", "B", "A"]
    assert every.duplicates == 3


def test_two_markets_that_are_one_at_the_venue_each_get_their_own_name() -> None:
    """The venue tells of X/USDC as X/USD: whoever asked for either gets what he asked for."""
    stage = Stage(Scripted(venue(), one_topic), {"main X-USD": "X/USD"})
    usd = market("X/USD", "X-USD")
    usdc = market("X/USDC", "X-USD")
    streams = [stage.hold(ws.Sub(ws.Kind.TRADES, one)) for one in (usd, usdc)]
    books = [stage.hold(ws.Sub(ws.Kind.BOOK, one)) for one in (usd, usdc)]
    stage.open()
    row = ws.Trade("X/USD", "1", 1, 1.0, 1.0, "buy")
    stage.say(ws.Batch("trades:X-USD", (row,)))
    whole = ws.BookUpdate("X/USD", "snapshot", [(1.0, 1.0)], [(2.0, 1.0)])
    stage.say(ws.Batch("order_book:X-USD", (whole,)))
    assert [stream.rows.rows[0].symbol for stream in streams] == ["X/USD", "X/USDC"]
    assert [book.sync.book.symbol for book in books] == ["X/USD", "X/USDC"]
    assert [book.rows.rows[0].symbol for book in books] == ["X/USD", "X/USDC"]


def test_one_name_on_two_endpoints_is_two_topics() -> None:
    """Spot and linear call their trades alike: only the connection tells them apart."""
    endpoints = {name: ws.Endpoint(live=f"wss://{name}.invalid") for name in ("spot", "linear")}

    def routes(sub: ws.Sub) -> tuple[ws.Route, ...]:
        assert sub.market is not None
        return (ws.Route(sub.market.type, "trades.BTC"),)

    names = {"spot BTC": "BTC/USDT", "linear BTC": "BTC/USDT:USDT"}
    stage = Stage(Scripted(venue(endpoints=endpoints), routes), names)
    spot = stage.hold(ws.Sub(ws.Kind.TRADES, ws.Market("BTC/USDT", "BTC", "spot")))
    linear = stage.hold(ws.Sub(ws.Kind.TRADES, ws.Market("BTC/USDT:USDT", "BTC", "linear")))
    assert {link.endpoint_name for link in stage.engine.links.values()} == {"spot", "linear"}
    stage.open(1)
    stage.open(2)
    stage.say(ws.Batch("trades.BTC", (ws.Trade("BTC/USDT", "1", 1, 1.0, 1.0, "buy"),)))
    row = ws.Trade("BTC/USDT:USDT", "9", 1, 2.0, 1.0, "sell")
    stage.say(ws.Batch("trades.BTC", (row,)), number=2)
    assert [row.id for row in spot.rows.rows] == ["1"]
    assert [row.id for row in linear.rows.rows] == ["9"]
    stage.release(spot)
    assert list(stage.engine.links) == [2]
    assert linear.healthy


def test_best_bid_and_ask_come_from_a_small_book_too() -> None:
    """A channel of one level serves both; where a frame tells both, the row itself counts."""
    stage = Stage(Scripted(venue(), everything))
    quotes = stage.hold(ws.Sub(ws.Kind.BIDS_ASKS, market()))
    book = stage.hold(ws.Sub(ws.Kind.BOOK, market()))
    stage.open()
    whole = ws.BookUpdate("A", "whole", [(1.0, 3.0)], [(2.0, 4.0)], 5, 6)
    stage.say(ws.Batch("all:A", (whole,)))
    (row,) = quotes.rows.rows
    assert (row.bid, row.bid_volume, row.ask, row.ask_volume) == (1.0, 3.0, 2.0, 4.0)
    assert (row.timestamp_ms, row.number) == (5, 6)
    whole = ws.BookUpdate("A", "whole", [(1.1, 3.0)], [(2.0, 4.0)], 6, 7)
    both = ws.BidAsk("A", 6, 1.1, 3.0, 2.0, 4.0, 7, raw={"own": True})
    stage.say(ws.Batch("all:A", (whole, both)))
    assert len(quotes.rows.rows) == 2
    assert quotes.rows.rows[-1].info == {"own": True}
    assert book.delivered == 2


def test_what_a_venue_lacks_for_a_market_is_refused_by_name() -> None:
    """An empty answer of the adapter is a fact about that market, not a fault."""
    stage = Stage(Scripted(venue(), lambda s: ()))
    with pytest.raises(CCXT_ERRORS["NotSupported"], match=r"toy watchMarkPrice\(\) is not supported for A"):
        stage.engine.stream(ws.Sub(ws.Kind.MARK_PRICE, market()), 0.0, "watchMarkPrice")
    candle = ws.Sub(ws.Kind.OHLCV, market(), timeframe="1s", channel={"name": "mark"})
    with pytest.raises(CCXT_ERRORS["NotSupported"], match=r"for A with timeframe '1s', name 'mark'$"):
        stage.engine.stream(candle, 0.0, "watchOHLCV")
    with pytest.raises(CCXT_ERRORS["ArgumentsRequired"], match="no stream has all spot markets"):
        stage.engine.stream(ws.Sub(ws.Kind.TICKER), 0.0)


def test_books_of_different_depth_are_streams_of_their_own() -> None:
    """Where depth chooses the channel, a shallow reader must not get the deep one's pace."""

    def routes(sub: ws.Sub) -> tuple[ws.Route, ...]:
        return (ws.Route("main", "book.50" if sub.depth > 1 else "book.1"),)

    stage = Stage(Scripted(venue(), routes))
    deep = stage.engine.stream(ws.Sub(ws.Kind.BOOK, market(), depth=20), 0.0)
    also = stage.engine.stream(ws.Sub(ws.Kind.BOOK, market(), depth=50), 0.0)
    best = stage.engine.stream(ws.Sub(ws.Kind.BOOK, market(), depth=1), 0.0)
    assert deep is also
    assert best is not deep


def full(at_ms: int) -> tuple[ws.Event, ...]:
    """Build what a venue says first on a topic of partial rows."""
    return ws.Ticker("A", at_ms, last=10.0, bid=9.0), ws.FundingRate("A", at_ms, 0.0001, 99)


def test_a_kind_that_comes_late_to_a_topic_has_it_told_again() -> None:
    """The full row has passed: what a partial one leaves out would be missing for hours."""
    stage = Stage(Scripted(venue(), everything))
    stage.hold(ws.Sub(ws.Kind.TICKER, market()))
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    stage.say(ws.Batch("all:A", full(1)))
    late = stage.hold(ws.Sub(ws.Kind.FUNDING_RATE, market()))
    assert late.healthy
    stage.say(ws.Batch("all:A", (ws.FundingRate("A", 2, 0.0002, partial=True),)))
    assert late.delivered == 0
    stage.wait(0.01)
    ((op, _, call_id, _),) = stage.asked()
    assert op == "unsubscribe"
    stage.say(ws.Ack(call_id))
    stage.wait(0.01)
    ((op, _, call_id, _),) = stage.asked()
    assert op == "subscribe"
    stage.say(ws.Batch("all:A", full(3)), ws.Ack(call_id))
    assert [row.funding_timestamp_ms for row in late.rows.rows] == [99]
    stage.wait(60.0)
    assert stage.asked() == []


def test_a_venue_that_never_says_everything_is_heard_all_the_same() -> None:
    """After the topic has been told again a partial row is all there is."""
    stage = Stage(Scripted(venue(), everything))
    stage.hold(ws.Sub(ws.Kind.TICKER, market()))
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    late = stage.hold(ws.Sub(ws.Kind.FUNDING_RATE, market()))
    partial = ws.Batch("all:A", (ws.FundingRate("A", 2, 0.0002, partial=True),))
    stage.say(partial)
    for _ in range(2):
        stage.wait(0.01)
        ((_, _, call_id, _),) = stage.asked()
        stage.say(ws.Ack(call_id))
    stage.say(partial)
    assert late.delivered == 1


def test_a_second_stream_of_a_kind_begins_with_what_the_first_knows() -> None:
    """Two names of one channel: nothing is asked for again."""
    stage = Stage(Scripted(venue(), everything))
    stage.hold(ws.Sub(ws.Kind.TICKER, market(), channel={"name": "a"}))
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    stage.say(ws.Batch("all:A", full(1)))
    late = stage.hold(ws.Sub(ws.Kind.TICKER, market(), channel={"name": "b"}))
    stage.say(ws.Batch("all:A", (ws.Ticker("A", 2, bid=9.5, partial=True),)))
    assert [(row.last, row.bid) for row in late.rows.rows] == [(10.0, 9.5)]
    stage.wait(1.0)
    assert stage.asked() == []


def test_a_second_name_of_a_book_begins_with_its_state() -> None:
    """The first state has passed, and a copy of it is as good."""
    stage = Stage(Scripted(venue(), one_topic), {"main X-USD": "X/USD"})
    first = stage.hold(ws.Sub(ws.Kind.BOOK, market("X/USD", "X-USD")))
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    whole = ws.BookUpdate("X/USD", "snapshot", [(1.0, 1.0)], [(2.0, 1.0)], 5, 7)
    stage.say(ws.Batch("order_book:X-USD", (whole,)))
    second = stage.hold(ws.Sub(ws.Kind.BOOK, market("X/USDC", "X-USD")))
    assert second.valid
    change = ws.BookUpdate("X/USD", "delta", [(1.5, 1.0)], [], 6, 8, 7)
    stage.say(ws.Batch("order_book:X-USD", (change,)))
    for stream, symbol in ((first, "X/USD"), (second, "X/USDC")):
        assert stream.current().top_bids(5) == [[1.5, 1.0], [1.0, 1.0]]
        assert stream.rows.rows[-1].symbol == symbol
    stage.wait(60.0)
    assert stage.asked() == []


def test_a_book_that_joins_quotes_of_its_topic_has_it_told_again() -> None:
    """Nobody has kept the state that it needs."""
    stage = Stage(Scripted(venue(), everything))
    stage.hold(ws.Sub(ws.Kind.BIDS_ASKS, market()))
    stage.open()
    ((_, _, call_id, _),) = stage.asked()
    stage.say(ws.Ack(call_id))
    stage.hold(ws.Sub(ws.Kind.BOOK, market()))
    stage.wait(0.01)
    assert [request[0] for request in stage.asked()] == ["unsubscribe"]
