"""Coinbase Advanced Trade, frame by frame, as the sheet has them (section numbers beside each)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccxt.pro
import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.facts import Kind
from unified_ws.venues.coinbase import VENUE, Coinbase

COINBASE = Coinbase()
MARKET = ws.Market("BTC/USD", "BTC-USD", base="BTC", quote="USD", wire_id="BTC-USD")
DOLLAR_COIN = ws.Market("BTC/USDC", "BTC-USDC", base="BTC", quote="USDC", wire_id="BTC-USD")
PERPETUAL = ws.Market(
    "BTC/USD:USD", "BIP-20DEC30-CDE", "swap", "BTC", "USD", "USD", linear=True, inverse=False,
    contract_size=0.01, wire_id="BIP-20DEC30-CDE",
)  # fmt: skip
FUTURE = ws.Market(
    "BTC/USD:USD-260424", "BIT-24APR26-CDE", "future", "BTC", "USD", "USD", linear=True,
    inverse=False, contract_size=0.01, wire_id="BIT-24APR26-CDE",
)  # fmt: skip
_SYMBOLS = {"BTC-USD": "BTC/USD", "ETH-USD": "ETH/USD", "BIP-20DEC30-CDE": "BTC/USD:USD"}
AT = "2026-04-07T14:30:01.456789Z"
AT_MS = 1775572201456

TRADE = {"product_id": "BTC-USD", "trade_id": "1068307673", "price": "64975.28", "size": "0.01149823", "time": "2026-08-08T09:29:38.161179Z", "side": "BUY"}  # 5.1
BID = {"side": "bid", "event_time": AT, "price_level": "68900.00", "new_quantity": "2.00000000"}  # 5.2
OFFER = {"side": "offer", "event_time": AT, "price_level": "68901.00", "new_quantity": "0.00000000"}  # 5.2
TICKER = {"type": "ticker", "product_id": "BTC-USD", "price": "68900.50", "volume_24_h": "15328.12345678", "low_24_h": "67500.00", "high_24_h": "69200.00", "low_52_w": "25000.00", "high_52_w": "73800.00", "price_percent_chg_24_h": "1.85", "best_bid": "68900.00", "best_bid_quantity": "1.50000000", "best_ask": "68901.00", "best_ask_quantity": "0.50000000"}  # 5.3
CANDLE = {"start": "1775521800", "high": "68950.00", "low": "68850.00", "open": "68900.00", "close": "68920.50", "volume": "42.15000000", "product_id": "BTC-USD"}  # 5.4
EMPTY = {"type": "ticker", "product_id": "", "price": "", "volume_24_h": "", "low_24_h": "", "high_24_h": "", "low_52_w": "", "high_52_w": "", "price_percent_chg_24_h": ""}  # 5.3
FIELDS = {"market_trades": "trades", "ticker": "tickers", "ticker_batch": "tickers", "candles": "candles"}  # fmt: skip
ROWS = {"market_trades": TRADE, "ticker": TICKER, "ticker_batch": TICKER, "candles": CANDLE}


def markets(product: str) -> str | None:
    """Resolve the few markets of this file."""
    return _SYMBOLS.get(product)


def framed(channel: str, *events: dict[str, Any], number: int = 7) -> bytes:
    """Write a frame of one channel."""
    return msgspec.json.encode({
        "channel": channel, "client_id": "", "timestamp": AT, "sequence_num": number,
        "events": events,
    })  # fmt: skip


def rows(channel: str, *found: dict[str, Any], kind: str = "update") -> bytes:
    """Write a frame of trades, tickers or candles."""
    return framed(channel, {"type": kind, FIELDS[channel]: found})


def changes(
    *found: dict[str, Any], kind: str = "update", product: str = "BTC-USD"
) -> dict[str, Any]:
    """Make an event of level2."""
    return {"type": kind, "product_id": product, "updates": found}


def read(frame: bytes) -> list[ws.Batch]:
    """Decode a numbered frame of data."""
    number, *found = COINBASE.decode(frame, "market", markets)
    assert isinstance(number, ws.FrameNo)
    batches = [item for item in found if isinstance(item, ws.Batch)]
    assert len(batches) == len(found)
    return batches


def fields(row: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, without the raw object."""
    made = {name: getattr(row, name) for name in row.__struct_fields__ if name != "raw"}
    return {name: value for name, value in made.items() if value not in (None, 0, False)}


def sub(kind: Kind, market: ws.Market | None = MARKET, **channel: str) -> ws.Sub:
    """Build a subscription."""
    timeframe = "5m" if kind is Kind.OHLCV else ""
    return ws.Sub(kind, market, timeframe=timeframe, channel=channel)


# --- trades ---------------------------------------------------------------------------------


def test_a_trade() -> None:
    """5.1: the time of the match, not of the frame; the object itself behind it."""
    (batch,) = read(rows("market_trades", TRADE))
    (row,) = batch.events
    assert batch.topic == "market_trades:BTC-USD"
    assert isinstance(row, ws.Trade)
    assert fields(row) == {
        "symbol": "BTC/USD", "id": "1068307673", "timestamp_ms": 1786181378161, "price": 64975.28,
        "amount": 0.01149823, "side": "sell", "number": 1068307673, "count": 1,
    }  # fmt: skip
    assert row.info == TRADE


@pytest.mark.parametrize(
    ("maker", "taker"), [("BUY", "sell"), ("SELL", "buy"), ("UNKNOWN_ORDER_SIDE", None)]
)
def test_the_side_is_the_takers_and_not_ccxts(maker: str, taker: str | None) -> None:
    """5.1: the venue tells the maker's side; ccxt 4.5.90 hands that out as the taker's (10)."""
    told = {**TRADE, "side": maker}
    ((row,),) = (batch.events for batch in read(rows("market_trades", told)))
    assert isinstance(row, ws.Trade)
    assert row.side == taker
    theirs = ccxt.pro.coinbase().parse_trade(told)
    assert theirs["side"] == (maker.lower() if taker else None)


def test_trades_come_newest_first_and_leave_oldest_first() -> None:
    """5.1: inside an event; events in their own order."""

    def numbered(*ids: int) -> dict[str, Any]:
        return {"type": "update", "trades": [{**TRADE, "trade_id": str(n)} for n in ids]}

    (batch,) = read(framed("market_trades", numbered(12, 11, 10), numbered(14, 13)))
    assert [row.number for row in batch.events if isinstance(row, ws.Trade)] == [*range(10, 15)]


def test_products_of_one_frame_are_told_apart() -> None:
    """5.1: ccxt takes the first product's name for all of them."""
    other = {**TRADE, "product_id": "ETH-USD", "trade_id": "1"}
    found = read(rows("market_trades", TRADE, other, {**TRADE, "trade_id": "1068307672"}))
    assert {batch.topic: [row.symbol for row in batch.events] for batch in found} == {
        "market_trades:BTC-USD": ["BTC/USD", "BTC/USD"], "market_trades:ETH-USD": ["ETH/USD"],
    }  # fmt: skip


# --- level2 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "kind"), [("snapshot", "snapshot"), ("update", "delta")])
def test_a_book(event: str, kind: str) -> None:
    """5.2: absolute sizes, zero deletes, no numbers of its own; the time is the frame's."""
    (batch,) = read(framed("l2_data", changes(BID, OFFER, kind=event)))
    (row,) = batch.events
    assert batch.topic == "level2:BTC-USD"  # 4.1: asked for as level2, it comes as l2_data
    assert isinstance(row, ws.BookUpdate)
    assert fields(row) == {
        "symbol": "BTC/USD", "kind": kind, "bids": [(68900.0, 2.0)], "asks": [(68901.0, 0.0)],
        "timestamp_ms": AT_MS,
    }  # fmt: skip
    assert (row.prev_id, row.last_id) == (None, None)


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00000000"])
def test_zero_has_any_number_of_decimals(zero: str) -> None:
    """5.2: whatever they are, the level is gone."""
    ((row,),) = (b.events for b in read(framed("l2_data", changes({**BID, "new_quantity": zero}))))
    assert isinstance(row, ws.BookUpdate)
    assert row.bids == [(68900.0, 0.0)]


def test_a_frame_changes_a_book_once() -> None:
    """6.6: in between it may be crossed; other products of the frame are their own."""
    lower = {**BID, "price_level": "68899"}
    found = read(
        framed("l2_data", changes(BID), changes(BID, product="ETH-USD"), changes(lower, OFFER))
    )
    assert [(batch.topic, len(batch.events)) for batch in found] == [
        ("level2:BTC-USD", 1), ("level2:ETH-USD", 1),
    ]  # fmt: skip
    (row,) = found[0].events
    assert isinstance(row, ws.BookUpdate)
    assert row.bids == [(68900.0, 2.0), (68899.0, 2.0)]
    assert row.asks == [(68901.0, 0.0)]


def test_a_snapshot_begins_anew_within_a_frame() -> None:
    """6.2: what came before it does not count, what comes after it does."""
    found = read(framed("l2_data", changes(BID), changes(BID, kind="snapshot"), changes(OFFER)))
    assert [row.kind for row in found[0].events if isinstance(row, ws.BookUpdate)] == [
        "delta", "snapshot", "delta",
    ]  # fmt: skip


@pytest.mark.parametrize("updates", [None, []])
def test_an_idle_product_has_an_empty_book(updates: Any) -> None:
    """6.5: it is valid."""
    event = {"type": "snapshot", "product_id": "BTC-USD", "updates": updates}
    ((row,),) = (batch.events for batch in read(framed("l2_data", event)))
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.bids, row.asks) == ("snapshot", [], [])


def test_a_side_that_is_neither_fails_the_frame() -> None:
    """5.2: a change that cannot be read leaves no book to be trusted, so no row is dropped."""
    with pytest.raises(DecodeError, match="ask"):
        decode(COINBASE, framed("l2_data", changes({**BID, "side": "ask"})), "market", markets)


# --- tickers and candles ----------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["ticker", "ticker_batch"])
def test_a_ticker(channel: str) -> None:
    """5.3: both channels have one shape; its time is the frame's."""
    (batch,) = read(rows(channel, TICKER))
    (row,) = batch.events
    assert batch.topic == f"{channel}:BTC-USD"
    assert isinstance(row, ws.Ticker)
    assert fields(row) == {
        "symbol": "BTC/USD", "timestamp_ms": AT_MS, "last": 68900.5, "bid": 68900.0,
        "bid_volume": 1.5, "ask": 68901.0, "ask_volume": 0.5, "high": 69200.0, "low": 67500.0,
        "percentage": 1.85, "base_volume": 15328.12345678,
    }  # fmt: skip
    assert row.info == TICKER


def test_a_ticker_without_quotes_has_none() -> None:
    """5.3: the docs show ticker_batch without them; an empty text is none either."""
    bare = {name: text for name, text in TICKER.items() if not name.startswith("best")}
    for told in (bare, {**TICKER, **dict.fromkeys(TICKER.keys() - bare.keys(), "")}):
        ((row,),) = (batch.events for batch in read(rows("ticker_batch", told)))
        assert isinstance(row, ws.Ticker)
        quotes = (row.bid, row.bid_volume, row.ask, row.ask_volume)
        assert (row.last, *quotes) == (68900.5, None, None, None, None)


def test_an_empty_ticker_is_nothing() -> None:
    """5.3: the venue sends such; the others of its frame count."""
    assert read(rows("ticker_batch", EMPTY)) == []
    assert [batch.topic for batch in read(rows("ticker", EMPTY, TICKER))] == ["ticker:BTC-USD"]


def test_a_candle() -> None:
    """5.4: nothing says that it is closed: it is once a later one begins."""
    (batch,) = read(rows("candles", CANDLE))
    (row,) = batch.events
    assert batch.topic == "candles:BTC-USD"
    assert isinstance(row, ws.Candle)
    assert fields(row) == {
        "symbol": "BTC/USD", "timeframe": "5m", "open_ms": 1775521800000, "open": 68900.0,
        "high": 68950.0, "low": 68850.0, "close": 68920.5, "volume": 42.15,
        "timestamp_ms": AT_MS, "source": "venue",
    }  # fmt: skip
    assert row.closed is None
    assert row.info == CANDLE


# --- what holds for all rows -------------------------------------------------------------------


@pytest.mark.parametrize("channel", ROWS)
def test_a_row_fails_alone(channel: str) -> None:
    """One odd row of a frame is set aside with its reason, the others count."""
    odd = {**ROWS[channel], "trade_id": "x", "price": "x", "open": "x"}
    (batch,) = read(rows(channel, odd, ROWS[channel]))
    assert (len(batch.events), len(batch.bad), batch.skipped) == (1, 1, 0)
    assert msgspec.json.decode(batch.bad[0].raw) == odd


@pytest.mark.parametrize(
    "frame",
    [
        *(rows(channel, {**row, "product_id": "NEW-USD"}) for channel, row in ROWS.items()),
        framed("l2_data", changes(BID, product="NEW-USD")),
    ],
)
def test_an_unknown_market_is_skipped_and_counted(frame: bytes) -> None:
    """A listing of this minute is not in the markets yet, and is no error."""
    (batch,) = read(frame)
    assert (list(batch.events), batch.skipped) == ([], 1)


@pytest.mark.parametrize("channel", ROWS)
def test_fields_that_the_venue_adds_are_no_error(channel: str) -> None:
    """And a frame may have no rows at all."""
    (batch,) = read(rows(channel, {**ROWS[channel], "zz": {"new": [1]}}))
    assert len(batch.events) == 1
    assert read(rows(channel)) == []
    assert read(framed(channel, {"type": "snapshot", FIELDS[channel]: None})) == []


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-08-09T21:05:48.228568804Z", 1786309548228),
        ("2026-08-09T21:05:49.25328358Z", 1786309549253),
        ("2026-08-09T21:05:48.4899999Z", 1786309548489),
        ("2026-08-09T21:05:48.5Z", 1786309548500),
        ("2026-08-09T21:05:48Z", 1786309548000),
        ("2024-02-29T23:59:59.999Z", 1709251199999),
        ("2100-03-01T00:00:00.001Z", 4107542400001),
        ("1970-01-01T00:00:00Z", 0),
        ("2000-01-01T00:00:00Z", 946684800000),
    ],
)
def test_times_are_cut_to_milliseconds(text: str, ms: int) -> None:
    """5: nanoseconds whose zeros at the end are left out; ccxt cuts them as well."""
    ((row,),) = (b.events for b in read(rows("market_trades", {**TRADE, "time": text})))
    assert isinstance(row, ws.Trade)
    assert row.timestamp_ms == ms == ccxt.pro.coinbase().parse8601(text)


@pytest.mark.parametrize(
    "text", ["", "2026-08-09", "2026-13-09T21:05:48Z", "2026-08-09T21:05:48+02:00", "now", "0Z"]
)
def test_what_is_no_time_is_an_error(text: str) -> None:
    """A row without a place in time is set aside."""
    (batch,) = read(rows("market_trades", {**TRADE, "time": text}))
    assert len(batch.bad) == 1


# --- numbers, answers, errors -------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        *(rows(channel, row) for channel, row in ROWS.items()),
        framed("l2_data", changes(BID)),
        framed("heartbeats", {"current_time": "", "heartbeat_counter": 1}),
        framed("subscriptions", {"subscriptions": {}}),
        framed("user", {"type": "snapshot", "orders": []}),
        framed("futures_balance_summary", {"type": "snapshot"}),
        framed("status", {"type": "snapshot", "products": []}),
    ],
)
def test_every_frame_of_every_channel_counts(frame: bytes) -> None:
    """6.3: also those that mean nothing to us, or a hole would show where none is."""
    assert COINBASE.decode(frame, "market", markets)[0] == ws.FrameNo(7)


@pytest.mark.parametrize("counter", [3049, "3049"])
def test_a_heartbeat(counter: object) -> None:
    """3: a number on the wire, a text in the docs; its time is Go's own format."""
    frame = framed("heartbeats", {
        "current_time": "2026-09-07 23:37:22.674409 +0000 UTC m=+139651.272674714",
        "heartbeat_counter": counter,
    })  # fmt: skip
    assert COINBASE.decode(frame, "market", markets) == (ws.FrameNo(7), ws.Beat())


@pytest.mark.parametrize(
    ("held", "topics"),
    [
        ({}, set()),
        ({"heartbeats": ["heartbeats"]}, {"heartbeats"}),
        (
            {
                "level2": ["BTC-USD"], "market_trades": ["BTC-USD", "ETH-USD"],
                "heartbeats": ["heartbeats"],
            },
            {"level2:BTC-USD", "market_trades:BTC-USD", "market_trades:ETH-USD", "heartbeats"},
        ),
    ],
)  # fmt: skip
def test_an_answer_lists_all_that_is_held(held: dict[str, list[str]], topics: set[str]) -> None:
    """4.1: under the names of the channels as they were asked for."""
    _, answer = COINBASE.decode(framed("subscriptions", {"subscriptions": held}), "market", markets)
    assert answer == ws.Held(frozenset(topics))


@pytest.mark.parametrize(
    "text", ["authentication failure", "too many L2 streams requested in a single session"]
)
def test_an_error_names_nothing(text: str) -> None:
    """4.2: it has neither id nor number, so it is about what was asked last."""
    frame = msgspec.json.encode({"type": "error", "message": text})
    assert COINBASE.decode(frame, "market", markets) == (ws.Refused(text),)


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"{}",
        framed("candles_1m", {"type": "update"}),
        framed("", {"type": "update"}),
        framed("l2_data", {"type": "partial", "product_id": "BTC-USD", "updates": []}),
        framed("l2_data", {"type": "update", "updates": []}),
        framed("subscriptions", {}),
        b'{"channel":"ticker","timestamp":"2026-04-07T14:30:01Z","events":[]}',
        b'{"channel":"ticker","timestamp":"","sequence_num":1,"events":[]}',
        b'{"channel":"l2_data","timestamp":"2026-04-07T14:30:01Z","sequence_num":1,"events":null}',
        b'{"type":"subscriptions","channels":[{"name":"level2","product_ids":["ETH-BTC"]}]}',
        b'{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1"}',
    ],
)  # fmt: skip
def test_anything_else_is_a_decode_error_with_its_frame(frame: bytes) -> None:
    """The last two are of the Exchange feed, which is not this one."""
    with pytest.raises(DecodeError) as caught:
        decode(COINBASE, frame, "market", markets)
    assert (caught.value.frame, caught.value.venue) == (frame, "coinbase")


# --- subscriptions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "channel"),
    [
        (sub(Kind.TRADES), "market_trades"),
        (sub(Kind.BOOK), "level2"),
        (sub(Kind.BIDS_ASKS), "level2"),
        (sub(Kind.OHLCV), "candles"),
        (sub(Kind.TICKER, name="ticker"), "ticker"),
        (sub(Kind.TICKER, name="ticker_batch"), "ticker_batch"),
    ],
)
@pytest.mark.parametrize("market", [MARKET, DOLLAR_COIN, PERPETUAL, FUTURE])
def test_every_watch_has_its_channel(wanted: ws.Sub, channel: str, market: ws.Market) -> None:
    """5: channels are groups, since a request names one (4.1); trades can be fetched."""
    (route,) = COINBASE.route(msgspec.structs.replace(wanted, market=market))
    assert (route.endpoint, route.topic) == ("market", f"{channel}:{market.wire_id}")
    assert route.group == channel
    assert (route.history is not None) is (wanted.kind is Kind.TRADES)
    assert (route.snapshot, route.contiguous_ids, route.poll) == (None, False, None)


def test_two_markets_of_one_book_share_a_topic() -> None:
    """5.7: BTC-USDC is subscribed as what its frames will say; missed trades likewise."""
    for kind in (Kind.TRADES, Kind.BOOK, Kind.OHLCV):
        assert COINBASE.route(sub(kind, MARKET)) == COINBASE.route(sub(kind, DOLLAR_COIN))


@pytest.mark.parametrize(
    ("product", "wire_id"),
    [
        ({"id": "BTC-USDC", "info": {"alias": "BTC-USD", "alias_to": []}}, "BTC-USD"),
        ({"id": "BTC-USD", "info": {"alias": "", "alias_to": ["BTC-USDC"]}}, "BTC-USD"),
        ({"id": "USDT-USDC", "info": {"alias": "", "alias_to": []}}, "USDT-USDC"),
        ({"id": "BTC-EUR", "info": None}, "BTC-EUR"),
        ({"id": "BTC-EUR"}, "BTC-EUR"),
    ],
)
def test_the_product_says_whose_book_it_has(product: dict[str, Any], wire_id: str) -> None:
    """5.7: by its alias; USDT-USDC and EURC-USDC have books of their own."""
    assert COINBASE.wire_id(product) == wire_id


def test_what_the_venue_lacks_leads_nowhere() -> None:
    """5.8: no funding without a swap, no open interest on spot; no topic for all markets."""
    assert COINBASE.route(sub(Kind.FUNDING_RATE, MARKET)) == ()
    assert COINBASE.route(sub(Kind.FUNDING_RATE, FUTURE)) == ()
    assert COINBASE.route(sub(Kind.OPEN_INTEREST, MARKET)) == ()
    assert COINBASE.route(sub(Kind.TICKER, None, name="ticker")) == ()
    assert VENUE.all_markets == frozenset()
    assert not VENUE.kinds & {Kind.MARK_PRICE, Kind.LIQUIDATIONS}


@pytest.mark.parametrize(
    ("op", "topics", "frame"),
    [
        ("subscribe", ["level2:ETH-USD", "level2:BTC-USD"], b'{"type":"subscribe","product_ids":["ETH-USD","BTC-USD"],"channel":"level2"}'),
        ("unsubscribe", ["level2:ETH-USD"], b'{"type":"unsubscribe","product_ids":["ETH-USD"],"channel":"level2"}'),
        ("subscribe", ["ticker_batch:BIT-24APR26-CDE"], b'{"type":"subscribe","product_ids":["BIT-24APR26-CDE"],"channel":"ticker_batch"}'),
        ("subscribe", ["heartbeats"], b'{"type":"subscribe","channel":"heartbeats"}'),
    ],
)  # fmt: skip
def test_a_request_is_what_the_sheet_shows(op: ws.Op, topics: Sequence[str], frame: bytes) -> None:
    """3, 4.1: byte for byte; an unsubscribe without products would drop the whole channel."""
    assert COINBASE.request(op, topics, ws.Call("312", 0)) == frame


# --- REST -----------------------------------------------------------------------------------


def test_missed_trades_by_rest_are_the_streams_own() -> None:
    """5.1: same ids, same meaning of the side; newest first here too."""
    (route,) = COINBASE.route(sub(Kind.TRADES, DOLLAR_COIN))
    assert route.history is not None
    assert route.history.recent == ws.Rest(
        "v3PublicGetBrokerageMarketProductsProductIdTicker",
        {"product_id": "BTC-USD", "limit": 1000},
    )
    assert (route.history.page, route.history.after) == (1000, None)
    told = {**TRADE, "bid": "", "ask": "", "exchange": "coinbase"}
    newer = {**told, "trade_id": "1068307674", "side": "SELL"}
    body = {"trades": [newer, told], "best_bid": "1", "best_ask": "2"}
    older, newest = COINBASE.history(body, route, DOLLAR_COIN)
    ((live,),) = (batch.events for batch in read(rows("market_trades", TRADE)))
    assert fields(older) == {**fields(live), "symbol": "BTC/USDC"}
    assert isinstance(older, ws.Trade)
    assert isinstance(newest, ws.Trade)
    assert older.info.items() >= TRADE.items()
    assert (newest.number, newest.side) == (1068307674, "buy")


# As the venue's REST has told them: a perpetual of the US exchange, one of the international one
# (until October 2026), a dated future. Only the fields of 5.8.
CDE = {"product_id": "BIP-20DEC30-CDE", "future_product_details": {
    "perpetual_details": {"open_interest": "183283", "funding_rate": "", "funding_time": None},
    "funding_interval": "3600s", "open_interest": "183283", "funding_rate": "0.000013",
    "funding_time": "2026-04-07T00:00:00Z", "index_price": "68899.882564",
}}  # fmt: skip
INTX = {"product_id": "ETH-PERP-INTX", "future_product_details": {
    "perpetual_details": {"open_interest": "12", "funding_rate": "-0.000016",
                          "funding_time": "2024-04-09T09:00:00.000008Z", "max_leverage": "10"},
}}  # fmt: skip
DATED = {"product_id": "BIT-24APR26-CDE", "future_product_details": {
    "perpetual_details": {"open_interest": "35445", "funding_rate": "", "funding_time": None},
    "funding_interval": None, "open_interest": "35445", "funding_rate": "", "funding_time": None,
    "index_price": "",
}}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "market", "funding", "contracts"),
    [
        (CDE, PERPETUAL, {
            "symbol": "BTC/USD:USD", "funding_rate": 0.000013, "interval": "1h",
            "funding_timestamp_ms": 1775520000000, "index_price": 68899.882564,
        }, 183283.0),
        (INTX, PERPETUAL, {
            "symbol": "BTC/USD:USD", "funding_rate": -0.000016,
            "funding_timestamp_ms": 1712653200000,
        }, 12.0),
        (DATED, FUTURE, None, 35445.0),
    ],
)  # fmt: skip
def test_funding_and_open_interest_are_told_by_the_product(
    body: dict[str, Any], market: ws.Market, funding: dict[str, Any] | None, contracts: float
) -> None:
    """5.8: by REST alone, without a key, each 30 s; open interest in contracts."""
    (route,) = COINBASE.route(sub(Kind.OPEN_INTEREST, market))
    assert route.topic == ""
    assert route.poll == ws.Poll(
        ws.Rest("v3PublicGetBrokerageMarketProductsProductId", {"product_id": market.id}), 30.0
    )
    interest, *rates = COINBASE.history(body, route, market)
    assert isinstance(interest, ws.OpenInterest)
    assert (interest.open_interest_amount, interest.info) == (contracts, body)
    assert [fields(rate) for rate in rates] == ([funding] if funding else [])
    assert all(isinstance(rate, ws.FundingRate) for rate in rates)


@pytest.mark.parametrize("wanted", [sub(Kind.TRADES), sub(Kind.FUNDING_RATE, PERPETUAL)])
@pytest.mark.parametrize("body", [None, {"error": "NOT_FOUND"}, [1], [{}], {"trades": [{}]}])
def test_nonsense_by_rest_raises(wanted: ws.Sub, body: Any) -> None:
    """The core turns whatever is raised into a reason and asks again: it must not be data."""
    (route,) = COINBASE.route(wanted)
    with pytest.raises((TypeError, KeyError, AttributeError, msgspec.ValidationError)):
        COINBASE.history(body, route, PERPETUAL)


# --- facts ------------------------------------------------------------------------------------


def test_the_facts_of_the_sheet() -> None:
    """1, 2, 3: what would get us cut off, or let a dead socket pass for a live one."""
    market = VENUE.endpoints["market"]
    assert market.live == "wss://advanced-trade-ws.coinbase.com"
    assert (market.testnet, market.demo) == (None, None)
    assert market.limits.topics_per_group == {"level2": 30}
    assert market.limits.topics_per_connection is None
    for window in (market.limits.all_messages, market.limits.dials):
        assert window is not None
        assert window.n <= 8
        assert window.per_s >= 1
    assert market.limits.frame_bytes >= 100 * 2**20
    assert (market.standing, market.in_flight) == (("heartbeats",), "one")
    assert 10 <= market.heartbeat.silence_s <= 15
    assert VENUE.market_types == ("spot", "swap", "future")
    assert dict(VENUE.derives) == {Kind.OHLCV: Kind.TRADES, Kind.BIDS_ASKS: Kind.BOOK}
    assert set(VENUE.timeframes) == {"5m"}
    assert VENUE.timeframes["5m"] == ccxt.pro.coinbase().timeframes["5m"]


def test_the_switch_is_ccxts_own_choice() -> None:
    """5.3: one market by `ticker`, several by `ticker_batch`, and either by name."""
    switch = VENUE.switches[Kind.TICKER]["name"]
    assert (switch.values, switch.default) == (("ticker", "ticker_batch"), "ticker")
    assert dict(switch.defaults) == {"watchTickers": "ticker_batch"}
