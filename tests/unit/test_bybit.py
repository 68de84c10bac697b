"""Bybit, frame by frame, as the sheet has them (section numbers beside each)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.facts import Kind
from unified_ws.venues.bybit import VENUE, Bybit, BybitEu, BybitId

BYBIT = Bybit()
SPOT = ws.Market("BTC/USDT", "BTCUSDT", "spot", "BTC", "USDT")
SWAP = ws.Market(
    "BTC/USDT:USDT", "BTCUSDT", "swap", "BTC", "USDT", "USDT", linear=True, inverse=False,
    contract_size=1.0,
)  # fmt: skip
COIN = ws.Market(
    "BTC/USD:BTC", "BTCUSD", "swap", "BTC", "USD", "BTC", linear=False, inverse=True,
    contract_size=1.0,
)  # fmt: skip
DATED = ws.Market(
    "BTC/USDT:USDT-261225", "BTCUSDT-25DEC26", "future", "BTC", "USDT", "USDT", linear=True,
    inverse=False, contract_size=1.0,
)  # fmt: skip
AT: dict[str, dict[str, str]] = {
    "spot": {"BTCUSDT": "BTC/USDT"},
    "linear": {"BTCUSDT": "BTC/USDT:USDT", "BTCUSDT-25DEC26": "BTC/USDT:USDT-261225"},
    "inverse": {"BTCUSD": "BTC/USD:BTC"},
}

# The frames below are the sheet's, with its section.
TRADE = b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":1783284617}]}'  # 5.1
TICKER = b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":"MinusTick","price24hPcnt":"-0.158315","lastPrice":"66666.60","prevPrice24h":"79206.20","highPrice24h":"79266.30","lowPrice24h":"65076.90","prevPrice1h":"66666.60","markPrice":"66666.60","indexPrice":"115418.19","openInterest":"492373.72","openInterestValue":"32824881841.75","turnover24h":"4936790807.6521","volume24h":"73191.3870","fundingIntervalHour":"8","fundingCap":"0.005","nextFundingTime":"1760342400000","fundingRate":"-0.005","bid1Price":"66666.60","bid1Size":"23789.165","ask1Price":"66666.70","ask1Size":"23775.469","preOpenPrice":"","preQty":"","curPreListingPhase":""},"cs":9532239429,"ts":1760325052630}'  # 5.2
PATCH = b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":"66665.10","bid1Size":"2.1"},"cs":9532239500,"ts":1760325052730}'  # 5.2
SPOT_TICKER = b'{"topic":"tickers.BTCUSDT","ts":1673853746003,"type":"snapshot","cs":2588407389,"data":{"symbol":"BTCUSDT","lastPrice":"21109.77","highPrice24h":"21426.99","lowPrice24h":"20575","prevPrice24h":"20704.93","volume24h":"6780.866843","turnover24h":"141946527.22907118","price24hPcnt":"0.0196","usdIndexPrice":"21120.2400136"}}'  # 5.2
KLINE = b'{"topic":"kline.5.BTCUSDT","data":[{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16677","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}],"ts":1672324988882,"type":"snapshot"}'  # 5.4
LIQUIDATION = b'{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1739502303204,"data":[{"T":1739502302929,"s":"BTCUSDT","S":"Sell","v":"20000","p":"0.04499"}]}'  # 5.5
SNAPSHOT = b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"],["16493.00","0.100"]],"a":[["16611.00","0.029"],["16612.00","0.213"]],"u":18521288,"seq":7961638724},"cts":1672304484976}'  # 6
DELTA = b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30240.00","0"]],"a":[["30248.70","0"],["30249.30","0.892"]],"u":177400507,"seq":66544703342},"cts":1687940967464}'  # 6
# A frame of 2024-05: what an inverse contract counts in (frames_gct).
INVERSE = b'{"topic":"tickers.BTCUSD","type":"snapshot","data":{"symbol":"BTCUSD","price24hPcnt":"-0.000096","lastPrice":"61894.00","prevPrice24h":"61900.00","openInterest":"931760496","openInterestValue":"15054.13","turnover24h":"6363.5775","volume24h":"391976479.0000","nextFundingTime":"1715760000000","fundingRate":"0.0001","bid1Price":"61891.50","bid1Size":"12667"},"cs":42159594212,"ts":1715757637952}'
PUBLIC = (TRADE, TICKER, PATCH, KLINE, LIQUIDATION, SNAPSHOT, DELTA)


def read(frame: bytes, at: str = "linear") -> ws.Batch:
    """Decode one data frame."""
    (batch,) = BYBIT.decode(frame, at, AT[at].get)
    assert isinstance(batch, ws.Batch)
    return batch


def fields(row: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, without the raw object."""
    made = {name: getattr(row, name) for name in row.__struct_fields__ if name != "raw"}
    return {name: value for name, value in made.items() if value not in (None, 0, False)}


def changed(frame: bytes, **data: Any) -> bytes:
    """Return a frame whose `data` (or its first row) says something else; None removes a field."""
    body = msgspec.json.decode(frame)
    row = body["data"][0] if isinstance(body["data"], list) else body["data"]
    row.update(data)
    for name in [name for name, value in row.items() if value is None]:
        del row[name]
    return msgspec.json.encode(body)


# --- frames -> events ---------------------------------------------------------------------


def test_a_trade() -> None:
    """5.1: `S` is the taker's side, `T` the time of the match; the row is its own `info`."""
    batch = read(TRADE)
    assert (batch.topic, batch.skipped) == ("publicTrade.BTCUSDT", 0)
    (row,) = batch.events
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "id": "20f43950-d8dd-5b31-9112-a178eb6023af",
        "timestamp_ms": 1672304486865, "price": 16578.5, "amount": 0.001, "side": "buy", "count": 1,
    }  # fmt: skip
    assert isinstance(row, ws.Trade)
    assert row.info == msgspec.json.decode(TRADE)["data"][0]


def test_the_same_words_mean_another_market_at_another_address() -> None:
    """1: the category is decided by the URL only."""
    (row,) = read(TRADE, "spot").events
    assert isinstance(row, ws.Trade)
    assert row.symbol == "BTC/USDT"


def test_the_rows_of_a_frame_stay_in_order_and_fail_alone() -> None:
    """5.1: ascending inside a message; a row that cannot be read must not take others with it."""
    good, body = msgspec.json.decode(TRADE)["data"][0], msgspec.json.decode(TRADE)
    rows: list[dict[str, Any]] = [
        {**good, "i": "1", "S": "Sell"}, {**good, "S": "Both"}, {**good, "i": ""},
        {**good, "p": ""}, {**good, "s": "NEWUSDT"}, {**good, "i": "2"},
    ]  # fmt: skip
    batch = read(msgspec.json.encode({**body, "data": rows}))
    assert [(r.id, r.side) for r in batch.events if isinstance(r, ws.Trade)] == [
        ("1", "sell"),
        ("2", "buy"),
    ]
    assert (len(batch.bad), batch.skipped) == (3, 1)


def test_a_ticker_of_a_contract_is_four_things_at_once() -> None:
    """5.2: statistics, mark and index, funding, open interest, under one topic."""
    ticker, mark, funding, interest = read(TICKER).events
    assert fields(ticker) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1760325052630, "last": 66666.6, "bid": 66666.6,
        "bid_volume": 23789.165, "ask": 66666.7, "ask_volume": 23775.469, "open": 79206.2,
        "high": 79266.3, "low": 65076.9, "percentage": -15.8315, "base_volume": 73191.387,
        "quote_volume": 4936790807.6521, "mark_price": 66666.6, "index_price": 115418.19,
    }  # fmt: skip
    assert isinstance(mark, ws.MarkPrice)
    assert fields(mark) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1760325052630, "mark_price": 66666.6,
        "index_price": 115418.19,
    }  # fmt: skip
    assert isinstance(funding, ws.FundingRate)
    assert fields(funding) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1760325052630, "funding_rate": -0.005,
        "funding_timestamp_ms": 1760342400000, "mark_price": 66666.6, "index_price": 115418.19,
        "interval": "8h",
    }  # fmt: skip
    assert isinstance(interest, ws.OpenInterest)
    assert fields(interest) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1760325052630,
        "open_interest_amount": 492373.72, "open_interest_value": 32824881841.75,
        "base_volume": 492373.72,
    }  # fmt: skip
    for row in (ticker, mark, funding, interest):
        assert not isinstance(row, ws.BookUpdate)
        assert row.info == msgspec.json.decode(TICKER)["data"]


def test_a_patch_says_what_has_changed_and_nothing_else() -> None:
    """5.2: a missing field means unchanged."""
    (row,) = read(PATCH).events
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1760325052730, "bid": 66665.1,
        "bid_volume": 2.1, "partial": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "types"),
    [
        ({"markPrice": "1.5"}, ["Ticker", "MarkPrice", "FundingRate"]),
        ({"indexPrice": "1.5"}, ["Ticker", "MarkPrice", "FundingRate"]),
        ({"fundingRate": "0.0001"}, ["Ticker", "FundingRate"]),
        ({"fundingRate": "0"}, ["Ticker", "FundingRate"]),
        ({"nextFundingTime": "1760342400000"}, ["Ticker", "FundingRate"]),
        ({"openInterest": "0"}, ["Ticker", "OpenInterest"]),
        ({"openInterestValue": "7"}, ["Ticker", "OpenInterest"]),
        ({"tickDirection": "PlusTick"}, ["Ticker"]),
        ({"fundingRate": "", "nextFundingTime": ""}, ["Ticker"]),
    ],
)
def test_only_what_is_in_a_patch_is_told(data: dict[str, str], types: list[str]) -> None:
    """5.2: empty texts, as dated futures have them for funding, are as good as absent."""
    rows = read(changed(PATCH, bid1Price=None, bid1Size=None, **data)).events
    assert [type(row).__name__ for row in rows] == types
    assert all(row.partial for row in rows if not isinstance(row, ws.BookUpdate | ws.Trade))  # type: ignore[union-attr]  # tickers of some kind


def test_a_spot_ticker_is_whole_and_has_no_bid_and_no_ask() -> None:
    """5.2: they come from the book of depth 1; the index there is in dollars, ccxt leaves it."""
    (row,) = read(SPOT_TICKER, "spot").events
    assert fields(row) == {
        "symbol": "BTC/USDT", "timestamp_ms": 1673853746003, "last": 21109.77, "open": 20704.93,
        "high": 21426.99, "low": 20575.0, "percentage": 1.96, "base_volume": 6780.866843,
        "quote_volume": 141946527.22907118,
    }  # fmt: skip


def test_an_inverse_ticker_counts_dollars_where_others_count_coins() -> None:
    """5.2, 5.7: its volume is dollars and its turnover coins; ccxt has them the other way round."""
    ticker, funding, interest = read(INVERSE, "inverse").events
    assert isinstance(ticker, ws.Ticker)
    assert (ticker.base_volume, ticker.quote_volume) == (6363.5775, 391976479.0)
    assert (ticker.bid, ticker.bid_volume, ticker.percentage) == (61891.5, 12667.0, -0.0096)
    assert isinstance(funding, ws.FundingRate)
    assert funding.interval is None
    assert isinstance(interest, ws.OpenInterest)
    assert interest.open_interest_amount == interest.open_interest_value == 931760496.0
    assert interest.base_volume == 15054.13


def test_a_percentage_is_moved_exactly() -> None:
    """Multiplied by 100 as a float, 0.0007 would be 0.06999999999999999; ccxt has 0.07."""
    (row,) = read(changed(SPOT_TICKER, price24hPcnt="0.0007"), "spot").events
    assert isinstance(row, ws.Ticker)
    assert row.percentage == 0.07
    assert 0.0007 * 100 != 0.07


@pytest.mark.parametrize("closed", [True, False])
def test_a_candle_is_as_old_as_its_frame(*, closed: bool) -> None:
    """5.4: its own time is that of the last trade, which stands still when the candle closes."""
    (row,) = read(changed(KLINE, confirm=closed, timestamp=1672324980000)).events
    assert isinstance(row, ws.Candle)
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timeframe": "5m", "open_ms": 1672324800000, "open": 16649.5,
        "high": 16677.0, "low": 16608.0, "close": 16677.0, "volume": 2.081,
        "timestamp_ms": 1672324988882, "source": "venue", **({"closed": True} if closed else {}),
    }  # fmt: skip
    assert row.closed is closed


def test_a_frame_may_close_one_candle_and_open_the_next() -> None:
    """5.4: data[] may hold more than one; the recording of 2026-08 has such frames."""
    body = msgspec.json.decode(KLINE)
    body["data"].append({**body["data"][0], "start": 1672325100000})
    rows = read(msgspec.json.encode(body)).events
    assert [r.open_ms for r in rows if isinstance(r, ws.Candle)] == [1672324800000, 1672325100000]


def test_the_volume_of_an_inverse_candle_is_coins() -> None:
    """5.4: ccxt takes the turnover there."""
    (row,) = read(KLINE.replace(b"BTCUSDT", b"BTCUSD"), "inverse").events
    assert isinstance(row, ws.Candle)
    assert (row.symbol, row.volume) == ("BTC/USD:BTC", 34666.4005)


@pytest.mark.parametrize(("position", "order"), [("Sell", "buy"), ("Buy", "sell")])
def test_the_side_of_a_liquidation_is_the_orders(position: str, order: str) -> None:
    """5.5: `S` is the position's: a short one is bought back. ccxt gives the position's."""
    (row,) = read(changed(LIQUIDATION, S=position)).events
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1739502302929, "price": 0.04499,
        "contracts": 20000.0, "side": order,
    }  # fmt: skip


# --- books --------------------------------------------------------------------------------


def test_a_snapshot_replaces_whatever_there_was() -> None:
    """6.1: the first message, and any later one."""
    (row,) = read(SNAPSHOT).events
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.last_id, row.prev_id) == ("snapshot", 18521288, None)
    assert row.bids == [(16493.5, 0.006), (16493.0, 0.1)]
    assert row.asks == [(16611.0, 0.029), (16612.0, 0.213)]
    assert (row.timestamp_ms, row.depth) == (1672304484978, None)


def test_a_delta_follows_the_update_before_it() -> None:
    """6.1: `u` counts by one for each depth; an amount of 0 deletes."""
    (row,) = read(DELTA).events
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.prev_id, row.last_id) == ("delta", 177400506, 177400507)
    assert row.bids == [(30247.2, 30.028), (30240.0, 0.0)]
    assert row.asks == [(30248.7, 0.0), (30249.3, 0.892)]


def test_a_restart_is_a_new_book_if_it_comes_whole_and_the_end_of_the_old_one_if_not() -> None:
    """6.1, 2: `u` 1 says that the venue began anew."""
    (whole,) = read(changed(SNAPSHOT, u=1)).events
    (patch,) = read(changed(DELTA, u=1)).events
    assert isinstance(whole, ws.BookUpdate)
    assert isinstance(patch, ws.BookUpdate)
    assert (whole.kind, whole.last_id, len(whole.bids)) == ("snapshot", 1, 2)
    assert (patch.kind, patch.bids, patch.asks) == ("broken", [], [])


@pytest.mark.parametrize(("sides", "best"), [({"b": []}, (None, 16611.0)), ({"a": []}, (16493.5, None))])
def test_an_empty_side_has_no_best_level(sides: dict[str, Any], best: tuple[float | None, ...]) -> None:
    """5.2: an auction, or a delisting."""
    _, row = read(changed(SNAPSHOT, **sides).replace(b"orderbook.50", b"orderbook.1")).events
    assert isinstance(row, ws.BidAsk)
    assert (row.bid, row.ask) == best


def test_the_book_of_depth_one_is_told_whole_each_time() -> None:
    """6: snapshots only, repeated with the same `u` when nothing changes."""
    row, best = read(SNAPSHOT.replace(b"orderbook.50", b"orderbook.1")).events
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.last_id) == ("whole", 18521288)
    # The best bid and ask has no number: `u` falls to 1 when the venue restarts, and a number
    # that falls would look like a repeat for ever.
    assert fields(best) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1672304484978, "bid": 16493.5,
        "bid_volume": 0.006, "ask": 16611.0, "ask_volume": 0.029,
    }  # fmt: skip
    assert isinstance(best, ws.BidAsk)
    assert best.info == msgspec.json.decode(SNAPSHOT)["data"]
    (deep,) = read(SNAPSHOT.replace(b"orderbook.50", b"orderbook.1000")).events
    assert isinstance(deep, ws.BookUpdate)
    assert deep.kind == "snapshot"


# --- what is not understood ---------------------------------------------------------------


@pytest.mark.parametrize("frame", PUBLIC, ids=lambda frame: frame[10:32].decode())
def test_an_unknown_market_is_skipped_and_counted(frame: bytes) -> None:
    """A listing of this minute is not in the markets yet, and is no error."""
    batch = read(frame.replace(b"BTCUSDT", b"NEWUSDT"))
    assert (list(batch.events), batch.skipped) == ([], 1)


@pytest.mark.parametrize("frame", PUBLIC, ids=lambda frame: frame[10:32].decode())
def test_fields_that_the_venue_adds_are_no_error(frame: bytes) -> None:
    """Bybit adds fields without asking, of any type."""
    assert len(read(changed(frame, zz={"new": [1]})).events) == len(read(frame).events)


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"{}",
        b'{"topic":"publicTrade.BTCUSDT"}', b'{"topic":"nonsense","data":{}}',
        b'{"topic":"priceLimit.BTCUSDT","data":{},"ts":1}',
        b'{"topic":"order","creationTime":1,"data":[{}]}',
        b'{"topic":"tickers.BTCUSDT","type":"snapshot","ts":1,"data":{}}',
        changed(SPOT_TICKER, lastPrice="x"), changed(SPOT_TICKER, price24hPcnt="x"),
        TICKER.replace(b'"snapshot"', b'"other"'), SNAPSHOT.replace(b'"snapshot"', b'"other"'),
        changed(SNAPSHOT, u=None), changed(SNAPSHOT, b=[["1"]]),
        KLINE.replace(b"kline.5", b"kline.7"), KLINE.replace(b"kline.5.BTCUSDT", b"kline.5"),
        b'{"op":"subscribe","req_id":"1","args":["tickers.BTCUSDT"]}',
        b'{"op":"ping","req_id":"1"}', b'{"success":true,"ret_msg":""}',
        b'{"success":true,"ret_msg":"","op":"auth","conn_id":"x"}',
        b'{"op":"auth","success":false,"retCode":10003,"retMsg":"Invalid apikey"}',
    ],
)  # fmt: skip
def test_anything_else_is_a_decode_error_with_its_frame(frame: bytes) -> None:
    """Nothing that a venue sends may raise anything else; private words are none of ours."""
    with pytest.raises(DecodeError) as caught:
        decode(BYBIT, frame, "linear", AT["linear"].get)
    assert (caught.value.frame, caught.value.venue) == (frame, "bybit")


# --- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b'{"success":true,"ret_msg":"subscribe","conn_id":"x","req_id":"10001","op":"subscribe"}', ws.Ack("10001")),
        (b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"7","op":"subscribe"}', ws.Ack("7")),
        (b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"3","op":"unsubscribe"}', ws.Ack("3")),
        (b'{"success":true,"ret_msg":"","conn_id":"x","op":"subscribe"}', ws.Ack("")),
    ],
)  # fmt: skip
def test_an_answer_is_one_for_a_request(frame: bytes, answer: ws.Ack) -> None:
    """4: `req_id` echoes what was sent."""
    assert BYBIT.decode(frame, "spot", AT["spot"].get) == (answer,)


@pytest.mark.parametrize(
    ("frame", "about"),
    [
        (b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}', ""),
        (b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","req_id":"5","op":"ping"}', "5"),
        (b'{"success":true,"ret_msg":"pong","conn_id":"465772b1","req_id":"","op":"ping"}', ""),
        (b'{"args":["1672916271846"],"op":"pong"}', ""),
        (b'{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"x-1b"}', "test"),
        (b'{"retCode":0,"retMsg":"OK","op":"pong","data":["1711002002529"],"connId":"x"}', ""),
    ],
)
def test_every_shape_of_a_pong(frame: bytes, about: str) -> None:
    """3: five of them, by address."""
    assert BYBIT.decode(frame, "spot", AT["spot"].get) == (ws.Pong(about),)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("error:handler not found,topic:orderbook.500.BTCUSDT", ("orderbook.500.BTCUSDT",)),
        ("Invalid topic: invalid.topic.BTCUSDT", ("invalid.topic.BTCUSDT",)),
        ("Invalid symbol :[tickers.NOPEUSDT]", ("tickers.NOPEUSDT",)),
        ("args size >10", ()),
        ("error:invalid op", ()),
    ],
)
def test_a_refusal_names_whom_it_blames(text: str, topics: tuple[str, ...]) -> None:
    """4: contracts say "topic:X"; spot says "Invalid symbol :[X]"."""
    frame = msgspec.json.encode(
        {"success": False, "ret_msg": text, "conn_id": "x", "req_id": "9", "op": "subscribe"}
    )
    assert BYBIT.decode(frame, "spot", AT["spot"].get) == (ws.Refused(text, "9", topics),)


def test_a_refusal_without_words_or_id_is_one_too() -> None:
    """4: ccxt has seen one that only repeats the request."""
    frame = b'{"success":false,"ret_msg":"error:invalid op","conn_id":"x","request":{"op":""}}'
    assert BYBIT.decode(frame, "spot", AT["spot"].get) == (ws.Refused("error:invalid op"),)
    mute = b'{"success":false,"op":"subscribe","req_id":"4"}'
    assert BYBIT.decode(mute, "spot", AT["spot"].get) == (ws.Refused("refused without a word", "4"),)


def test_already_subscribed_is_as_good_as_subscribed() -> None:
    """4: that topic is settled; the rest of the request was not taken and is asked for again."""
    text = "error:already subscribed,topic:allLiquidation.ORDERUSDT"
    frame = msgspec.json.encode(
        {"success": False, "ret_msg": text, "conn_id": "x", "req_id": "9", "op": "subscribe"}
    )
    assert BYBIT.decode(frame, "linear", AT["linear"].get) == (
        ws.Ack("allLiquidation.ORDERUSDT"), ws.Refused(text, "9", retry=True),
    )  # fmt: skip


# --- subscriptions ------------------------------------------------------------------------


def topics(kind: Kind, market: ws.Market, *, timeframe: str = "", depth: int = 0, **channel: str) -> list[tuple[str, str]]:
    """Return where a subscription leads."""
    usual = {name: switch.default for name, switch in VENUE.switches.get(kind, {}).items()}
    sub = ws.Sub(kind, market, market.type, timeframe, depth, {**usual, **channel})
    return [(route.endpoint, route.topic) for route in BYBIT.route(sub)]


@pytest.mark.parametrize(
    ("market", "endpoint"), [(SPOT, "spot"), (SWAP, "linear"), (COIN, "inverse"), (DATED, "linear")]
)
def test_every_market_has_its_address(market: ws.Market, endpoint: str) -> None:
    """1: by type, and by what a contract is settled in."""
    name = market.id
    assert topics(Kind.TRADES, market) == [(endpoint, f"publicTrade.{name}")]
    assert topics(Kind.BOOK, market) == [(endpoint, f"orderbook.50.{name}")]
    assert topics(Kind.TICKER, market) == [(endpoint, f"tickers.{name}")]
    assert topics(Kind.BIDS_ASKS, market) == [(endpoint, f"orderbook.1.{name}")]
    assert topics(Kind.OHLCV, market, timeframe="1h") == [(endpoint, f"kline.60.{name}")]


@pytest.mark.parametrize(
    ("kind", "spot", "swap", "dated"),
    [
        (Kind.MARK_PRICE, "", "tickers.BTCUSDT", "tickers.BTCUSDT-25DEC26"),
        (Kind.OPEN_INTEREST, "", "tickers.BTCUSDT", "tickers.BTCUSDT-25DEC26"),
        (Kind.FUNDING_RATE, "", "tickers.BTCUSDT", ""),
        (Kind.LIQUIDATIONS, "", "allLiquidation.BTCUSDT", "allLiquidation.BTCUSDT-25DEC26"),
    ],
)
def test_what_only_contracts_have(kind: Kind, spot: str, swap: str, dated: str) -> None:
    """5.2, 5.5: dated futures pay no funding."""
    for market, topic in ((SPOT, spot), (SWAP, swap), (DATED, dated)):
        assert [t for _, t in topics(kind, market)] == ([topic] if topic else [])


@pytest.mark.parametrize(
    ("limit", "depth"),
    [(0, 50), (1, 1), (2, 50), (50, 50), (51, 200), (200, 200), (500, 1000), (9999, 1000)],
)
def test_a_limit_chooses_the_next_larger_book(limit: int, depth: int) -> None:
    """6: 1, 50, 200 and 1000 levels; 50 where nothing is said, as in ccxt."""
    assert topics(Kind.BOOK, SWAP, depth=limit) == [("linear", f"orderbook.{depth}.BTCUSDT")]


def test_a_depth_can_be_named_outright() -> None:
    """1: 500 is no more, but archives are full of it."""
    sub = ws.Sub(Kind.BOOK, SWAP, "swap", channel={"depth": "500"})
    (route,) = BYBIT.route(sub)
    assert (route.topic, route.keeps) == ("orderbook.500.BTCUSDT", 500)


@pytest.mark.parametrize(("depth", "keeps"), [(1, None), (50, 50), (200, 200), (1000, 1000)])
def test_a_book_never_holds_more_than_its_depth(depth: int, keeps: int | None) -> None:
    """6.1: beyond it nothing is told; depth 1 is replaced each time anyway."""
    (route,) = BYBIT.route(ws.Sub(Kind.BOOK, SPOT, "spot", "", depth, {"depth": ""}))
    assert (route.keeps, route.snapshot, route.chained) == (keeps, None, False)


def test_nothing_comes_for_all_markets_at_once() -> None:
    """5.2: there is no such topic."""
    assert BYBIT.route(ws.Sub(Kind.TICKER, None, "swap", channel={"name": "tickers"})) == ()
    assert VENUE.all_markets == frozenset()


@pytest.mark.parametrize(
    ("timeframe", "interval"),
    [("1m", "1"), ("3m", "3"), ("5m", "5"), ("15m", "15"), ("30m", "30"), ("1h", "60"),
     ("2h", "120"), ("4h", "240"), ("6h", "360"), ("12h", "720"), ("1d", "D"), ("1w", "W"),
     ("1M", "M")],
)  # fmt: skip
def test_every_timeframe_there_and_back(timeframe: str, interval: str) -> None:
    """5.4: no 1s, 8h or 3d."""
    assert topics(Kind.OHLCV, SWAP, timeframe=timeframe) == [
        ("linear", f"kline.{interval}.BTCUSDT")
    ]
    (row,) = read(KLINE.replace(b"kline.5.", f"kline.{interval}.".encode())).events
    assert isinstance(row, ws.Candle)
    assert row.timeframe == timeframe
    assert len(VENUE.timeframes) == 13


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_a_request_is_what_the_sheet_shows(op: ws.Op) -> None:
    """4: a text as id."""
    names = ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]
    assert msgspec.json.decode(BYBIT.request(op, names, ws.Call("7", 0))) == {
        "req_id": "7", "op": op, "args": names,
    }  # fmt: skip


def test_a_ping_is_what_the_sheet_shows() -> None:
    """3: each 20 s, by the client."""
    assert BYBIT.ping(ws.Call("8", 0, "spot")) == b'{"req_id":"8","op":"ping"}'
    beat = VENUE.endpoints["spot"].heartbeat
    assert (beat.by, beat.every_s, beat.timeout_s) == ("message", 20, 10)


# --- REST ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("market", "page"), [(SPOT, 60), (SWAP, 1000), (COIN, 1000)])
def test_missed_trades_are_asked_for_by_rest(market: ws.Market, page: int) -> None:
    """The newest page is all there is, and a short one on spot."""
    (route,) = BYBIT.route(ws.Sub(Kind.TRADES, market, market.type))
    history = route.history
    assert history is not None
    assert (history.page, history.after, route.contiguous_ids) == (page, None, False)
    assert history.recent.method == "publicGetV5MarketRecentTrade"
    category = {"BTC/USDT": "spot", "BTC/USDT:USDT": "linear", "BTC/USD:BTC": "inverse"}
    assert history.recent.params == {
        "category": category[market.symbol], "symbol": market.id, "limit": page,
    }  # fmt: skip


def test_missed_trades_by_rest_are_the_streams_own() -> None:
    """Newest first at the venue, oldest first here; their `info` has the stream's names too."""
    row = {
        "execId": "b", "symbol": "BTCUSDT", "price": "16618.49", "size": "0.00012", "side": "Sell",
        "time": "1672052955758", "isBlockTrade": False,
    }  # fmt: skip
    older = {**row, "execId": "a", "side": "Buy"}
    body = {"result": {"category": "spot", "list": [row, older]}}
    (route,) = BYBIT.route(ws.Sub(Kind.TRADES, SPOT, "spot"))
    first, second = BYBIT.history(body, route, SPOT)
    assert isinstance(first, ws.Trade)
    assert isinstance(second, ws.Trade)
    assert [(t.id, t.side) for t in (first, second)] == [("a", "buy"), ("b", "sell")]
    assert fields(second) == {
        "symbol": "BTC/USDT", "id": "b", "timestamp_ms": 1672052955758, "price": 16618.49,
        "amount": 0.00012, "side": "sell", "count": 1,
    }  # fmt: skip
    assert second.info == {
        **row, "T": 1672052955758, "s": "BTCUSDT", "S": "Sell", "v": "0.00012", "p": "16618.49",
        "i": "b", "BT": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body", [None, {}, {"result": {}}, {"result": {"list": [{"execId": "1"}]}}, {"result": None}]
)
def test_nonsense_by_rest_raises(body: Any) -> None:
    """The core reports it and asks again."""
    (route,) = BYBIT.route(ws.Sub(Kind.TRADES, SPOT, "spot"))
    with pytest.raises((TypeError, KeyError)):
        BYBIT.history(body, route, SPOT)


# --- facts --------------------------------------------------------------------------------


def test_the_facts_of_the_sheet() -> None:
    """1, 2, 9: addresses, limits, what statuses mean."""
    for name, endpoint in VENUE.endpoints.items():
        assert endpoint.live == endpoint.demo == f"wss://stream.bybit.com/v5/public/{name}"
        assert endpoint.testnet == f"wss://stream-testnet.bybit.com/v5/public/{name}"
        limits = endpoint.limits
        assert limits.topic_bytes_per_connection == 21_000
        assert limits.topics_per_request == (10 if name == "spot" else None)
        assert limits.dials == ws.Window(n=500, per_s=300)
        assert limits.connections == 1000
    assert VENUE.rest[""].budget == ws.Window(n=600, per_s=5)
    assert VENUE.closes[403].floor_s == 600
    assert VENUE.closes[404].final


def test_the_twins_have_addresses_of_their_own() -> None:
    """1: same words, other hosts; the European one has spot markets only."""
    eu, indonesia = BybitEu.venue, BybitId.venue
    assert (eu.id, eu.ccxt_id, indonesia.id, indonesia.ccxt_id) == (
        "bybiteu", "bybiteu", "bybitid", "bybitid",
    )  # fmt: skip
    assert {e.live for e in eu.endpoints.values()} == {"wss://stream.bybit.eu/v5/public/spot"}
    assert {e.live for e in indonesia.endpoints.values()} == {
        f"wss://stream.bybit.id/v5/public/{name}" for name in ("spot", "linear", "inverse")
    }
    assert eu.market_types == ("spot",)
    assert Kind.FUNDING_RATE not in eu.kinds
    assert set(eu.switches) <= eu.kinds
