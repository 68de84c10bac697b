"""Binance spot, frame by frame, as the sheet has them (section numbers beside each)."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.facts import Kind
from unified_ws.venues.binance import VENUE, Binance

BINANCE = Binance()
MARKET = ws.Market("BNB/BTC", "BNBBTC", base="BNB", quote="BTC")
ONLY_CONTRACTS = (Kind.MARK_PRICE, Kind.FUNDING_RATE, Kind.LIQUIDATIONS, Kind.OPEN_INTEREST)
_SYMBOLS = {"BNBBTC": "BNB/BTC", "BTCUSDT": "BTC/USDT", "BNBUSDT": "BNB/USDT"}

# The inner objects below are the sheet's, with its section.
TRADE = b'{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}'  # 5.1
AGG = b'{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136,"m":true,"M":true}'  # 5.1
TICKER = b'{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}'  # 5.2
MINI = b'{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18"}'  # 5.2
QUOTE = b'{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'  # 5.3
KLINE = b'{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}'  # 5.4
DEPTH = b'{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'  # 6.1


def markets(market_id: str) -> str | None:
    """Resolve the few markets of this file."""
    return _SYMBOLS.get(market_id)


def wrapped(topic: str, data: bytes) -> bytes:
    """Wrap an event as the combined stream does (1.1)."""
    return b'{"stream":"' + topic.encode() + b'","data":' + data + b"}"


def read(topic: str, data: bytes) -> ws.Batch:
    """Decode one event of the combined stream."""
    (batch,) = BINANCE.decode(wrapped(topic, data), "spot", markets)
    assert isinstance(batch, ws.Batch)
    assert batch.topic == topic
    return batch


def fields(row: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, without the raw object."""
    made = {name: getattr(row, name) for name in row.__struct_fields__ if name != "raw"}
    return {name: value for name, value in made.items() if value not in (None, 0, False)}


def sub(kind: Kind, *, timeframe: str = "", whole: bool = False, **channel: str) -> ws.Sub:
    """Build a subscription."""
    return ws.Sub(kind, None if whole else MARKET, timeframe=timeframe, channel=channel)


# --- frames -> events ---------------------------------------------------------------------


def test_a_trade() -> None:
    """5.1: ids, price and amount as numbers, the time of the match, the object itself."""
    (row,) = read("bnbbtc@trade", TRADE).events
    assert isinstance(row, ws.Trade)
    assert fields(row) == {
        "symbol": "BNB/BTC", "id": "12345", "timestamp_ms": 1672515782136, "price": 0.001,
        "amount": 100.0, "side": "sell", "number": 12345, "count": 1,
    }  # fmt: skip
    assert row.info == msgspec.json.decode(TRADE)


@pytest.mark.parametrize(("topic", "frame"), [("bnbbtc@trade", TRADE), ("bnbbtc@aggTrade", AGG)])
def test_the_side_is_the_takers(topic: str, frame: bytes) -> None:
    """5.1: `m` says that the buyer was the maker, so the taker sold."""
    (sold,) = read(topic, frame).events
    (bought,) = read(topic, frame.replace(b'"m":true', b'"m":false')).events
    assert isinstance(sold, ws.Trade)
    assert isinstance(bought, ws.Trade)
    assert (sold.side, bought.side) == ("sell", "buy")


def test_an_aggregate_says_how_many_trades_it_covers() -> None:
    """5.1: `a` is its own id, f to l the trades in it."""
    (row,) = read("bnbbtc@aggTrade", AGG).events
    assert isinstance(row, ws.Trade)
    assert (row.id, row.number, row.count, row.amount) == ("12345", 12345, 6, 100.0)


def test_a_ticker_carries_everything_that_ccxt_has() -> None:
    """5.2: field by field, bid and ask included; the time is the close of the window."""
    (row,) = read("bnbbtc@ticker", TICKER).events
    assert fields(row) == {
        "symbol": "BNB/BTC", "timestamp_ms": 86400000, "last": 0.0025, "bid": 0.0024,
        "bid_volume": 10.0, "ask": 0.0026, "ask_volume": 100.0, "open": 0.001, "high": 0.0025,
        "low": 0.001, "previous_close": 0.0009, "change": 0.0015, "percentage": 250.0,
        "vwap": 0.0018, "base_volume": 10000.0, "quote_volume": 18.0,
    }  # fmt: skip
    assert isinstance(row, ws.Ticker)
    assert row.info == msgspec.json.decode(TICKER)


@pytest.mark.parametrize("window", ["1h", "4h", "1d"])
def test_the_rolling_windows_are_tickers_too(window: str) -> None:
    """5.2: they have no bid and no ask, and none is made up."""
    frame = TICKER.replace(b"24hrTicker", f"{window}Ticker".encode())
    body = msgspec.json.decode(frame)
    for key in "bBaAxQ":
        del body[key]
    (row,) = read(f"bnbbtc@ticker_{window}", msgspec.json.encode(body)).events
    assert isinstance(row, ws.Ticker)
    assert (row.last, row.bid, row.ask, row.previous_close) == (0.0025, None, None, None)


def test_a_mini_ticker_takes_the_time_of_its_event() -> None:
    """5.2: it has no `C`."""
    (row,) = read("bnbbtc@miniTicker", MINI).events
    assert fields(row) == {
        "symbol": "BNB/BTC", "timestamp_ms": 1672515782136, "last": 0.0025, "open": 0.001,
        "high": 0.0025, "low": 0.001, "base_volume": 10000.0, "quote_volume": 18.0,
    }  # fmt: skip


@pytest.mark.parametrize("topic", ["!miniTicker@arr", "!ticker_1h@arr"])
def test_all_markets_come_as_rows_of_one_frame(topic: str) -> None:
    """5.2: each row keeps its own object, markets not served here are left out."""
    other = MINI.replace(b"BNBBTC", b"BTCUSDT")
    unknown = MINI.replace(b"BNBBTC", b"NEWCOIN")
    batch = read(topic, b"[" + b",".join((MINI, unknown, other)) + b"]")
    assert [row.symbol for row in batch.events] == ["BNB/BTC", "BTC/USDT"]
    row = batch.events[1]
    assert isinstance(row, ws.Ticker)
    assert row.info == msgspec.json.decode(other)


def test_unknown_rows_of_an_array_are_counted() -> None:
    """Design 4: that row is skipped and counted."""
    unknown = MINI.replace(b"BNBBTC", b"NEWCOIN")
    assert read("!miniTicker@arr", b"[" + MINI + b"," + unknown + b"]").skipped == 1
    assert read("!miniTicker@arr", b"[]").skipped == 0


def test_an_array_fails_by_row() -> None:
    """Design 4: array payloads fail by row, not by frame: one odd listing of two thousand."""
    odd = MINI.replace(b'"c":"0.0025"', b'"c":""').replace(b"BNBBTC", b"BTCUSDT")
    assert len(read("!miniTicker@arr", b"[" + MINI + b"," + odd + b"]").events) == 1


def test_best_bid_and_ask() -> None:
    """5.3: no time and no event name on spot; `u` is what tells new from old."""
    (row,) = read("bnbusdt@bookTicker", QUOTE).events
    assert fields(row) == {
        "symbol": "BNB/USDT", "bid": 25.3519, "bid_volume": 31.21, "ask": 25.3652,
        "ask_volume": 40.66, "number": 400900217,
    }  # fmt: skip


@pytest.mark.parametrize("topic", ["bnbbtc@kline_1m", "bnbbtc@kline_1m@+08:00"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_candle_says_whether_it_is_closed(topic: str, *, closed: bool) -> None:
    """5.4: `x` true means that it will not change again; the zone is in the topic only."""
    frame = KLINE if not closed else KLINE.replace(b'"x":false', b'"x":true')
    (row,) = read(topic, frame).events
    assert isinstance(row, ws.Candle)
    assert (row.symbol, row.timeframe, row.open_ms) == ("BNB/BTC", "1m", 1672515780000)
    assert (row.open, row.high, row.low, row.close) == (0.001, 0.0025, 0.0015, 0.002)
    assert (row.volume, row.closed, row.timestamp_ms) == (1000.0, closed, 1672515782136)


@pytest.mark.parametrize("topic", ["bnbbtc@depth", "bnbbtc@depth@100ms"])
def test_a_change_of_the_book_goes_from_before_its_first_id_to_its_last(topic: str) -> None:
    """6.3: normally U == previous u + 1, so `prev_id` is U - 1."""
    (row,) = read(topic, DEPTH).events
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.prev_id, row.last_id) == ("delta", 156, 160)
    assert (row.bids, row.asks) == ([(0.0024, 10.0)], [(0.0026, 100.0)])
    assert row.timestamp_ms == 1672515782136


@pytest.mark.parametrize(
    ("topic", "frame"),
    [("bnbbtc@trade", TRADE), ("bnbbtc@aggTrade", AGG), ("bnbbtc@ticker", TICKER),
     ("bnbbtc@miniTicker", MINI), ("bnbusdt@bookTicker", QUOTE), ("bnbbtc@kline_1m", KLINE),
     ("bnbbtc@depth", DEPTH)],
)  # fmt: skip
def test_an_unknown_market_is_skipped_and_counted(topic: str, frame: bytes) -> None:
    """A listing of this minute is not in the markets yet, and is no error."""
    renamed = frame.replace(b"BNBBTC", b"NEWCOIN").replace(b"BNBUSDT", b"NEWCOIN")
    batch = read(topic, renamed)
    assert (list(batch.events), batch.skipped) == ([], 1)
    assert read(topic, frame).skipped == 0


@pytest.mark.parametrize(
    "frame",
    [TRADE, AGG, TICKER, MINI, QUOTE, KLINE, DEPTH],
)
def test_fields_that_the_venue_adds_are_no_error(frame: bytes) -> None:
    """Binance adds fields without asking; a missing one of ours is an error with its path."""
    topic = {
        id(TRADE): "bnbbtc@trade", id(AGG): "bnbbtc@aggTrade", id(TICKER): "bnbbtc@ticker",
        id(MINI): "bnbbtc@miniTicker", id(QUOTE): "bnbusdt@bookTicker",
        id(KLINE): "bnbbtc@kline_1m", id(DEPTH): "bnbbtc@depth",
    }[id(frame)]  # fmt: skip
    body = msgspec.json.decode(frame)
    assert len(read(topic, msgspec.json.encode({**body, "zz": {"new": [1]}})).events) == 1
    del body["k" if "k" in body else "s"]
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        read(topic, msgspec.json.encode(body))


@pytest.mark.parametrize("text", ["NaN", "inf", "-inf"])
def test_what_is_not_a_number_gets_through_to_the_judge_of_rows(text: str) -> None:
    """The decoder reads these as floats: the streams set such rows aside, not the frame."""
    (row,) = read("bnbbtc@trade", TRADE.replace(b'"0.001"', f'"{text}"'.encode())).events
    assert isinstance(row, ws.Trade)
    assert not math.isfinite(row.price)


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"{}", b'{"result":null,"id":null}',
     b'{"stream":"bnbbtc@avgPrice","data":{}}', b'{"stream":"bnbbtc@trade"}',
     b'{"stream":"bnbbtc@trade","data":null}', b'{"stream":5,"data":{}}',
     b'{"stream":"nonsense","data":{}}', b'{"stream":"!","data":[]}',
     b'{"stream":"bnbbtc@trade","data":{"s":"BNBBTC","t":1,"p":"","q":"1","T":1,"m":true}}',
     b'{"stream":"bnbbtc@depth","data":{"s":"BNBBTC","E":1,"U":1,"u":1,"b":[["1"]],"a":[]}}'],
)  # fmt: skip
def test_anything_else_is_a_decode_error_with_its_frame(frame: bytes) -> None:
    """Nothing that a venue sends may raise anything else."""
    with pytest.raises(DecodeError) as caught:
        decode(BINANCE, frame, "spot", markets)
    assert caught.value.frame == frame
    assert caught.value.venue == "binance"


# --- answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "about"),
    [
        (b'{"result":null,"id":1}', "1"),
        (b'{"result":null,"id":"1"}', "1"),
        (b'{"result":null,"id":"a-b_c"}', "a-b_c"),
        (b'{"result":null,"id":9223372036854775807}', "9223372036854775807"),
        (b'{"id":312,"result":null}', "312"),
        (b'{"result":["btcusdt@aggTrade"],"id":3}', "3"),
        (b'{"result":true,"id":2}', "2"),
        (b'{"result":null,"id":0}', "0"),
    ],
)
def test_an_ack_names_its_request_whatever_the_type_of_the_id(frame: bytes, about: str) -> None:
    """4: int64 or string, echoed; never wrapped, not even in combined mode."""
    assert BINANCE.decode(frame, "spot", markets) == (ws.Ack(about),)


@pytest.mark.parametrize(
    ("frame", "about"),
    [
        (b'{"code":2,"msg":"Invalid request: unknown variant","id":7}', "7"),
        (b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":7}', "7"),
        (b'{"code":2,"msg":"Invalid request: unknown variant","id":"7"}', "7"),
        (b'{"code":2,"msg":"Invalid request: unknown variant"}', ""),
        (b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":null}', ""),
    ],
)
def test_both_forms_of_an_error(frame: bytes, about: str) -> None:
    """4: the docs have one form, ccxt has seen the other; ccxt drops the first (10, 10)."""
    (refused,) = BINANCE.decode(frame, "spot", markets)
    assert refused == ws.Refused("Invalid request: unknown variant (code 2)", about)


def test_error_code_zero_is_an_error() -> None:
    """4: 0 is "unknown property", not success."""
    (refused,) = BINANCE.decode(b'{"code":0,"msg":"Unknown property","id":1}', "spot", markets)
    assert isinstance(refused, ws.Refused)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_a_shutdown_is_announced_in_either_form(frame: bytes) -> None:
    """9: open a replacement now; ccxt does not handle it at all (10, 1)."""
    (closing,) = BINANCE.decode(frame, "spot", markets)
    assert isinstance(closing, ws.Closing)


# --- subscriptions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "topic"),
    [
        (sub(Kind.TRADES, name="trade"), "bnbbtc@trade"),
        (sub(Kind.TRADES, name="aggTrade"), "bnbbtc@aggTrade"),
        (sub(Kind.BOOK, watchOrderBookRate="100"), "bnbbtc@depth@100ms"),
        (sub(Kind.BOOK, watchOrderBookRate="1000"), "bnbbtc@depth"),
        (sub(Kind.TICKER, name="ticker"), "bnbbtc@ticker"),
        (sub(Kind.TICKER, name="miniTicker"), "bnbbtc@miniTicker"),
        (sub(Kind.TICKER, name="ticker_1h"), "bnbbtc@ticker_1h"),
        (sub(Kind.TICKER, name="ticker_4h"), "bnbbtc@ticker_4h"),
        (sub(Kind.TICKER, name="ticker_1d"), "bnbbtc@ticker_1d"),
        (sub(Kind.TICKER, whole=True, name="miniTicker"), "!miniTicker@arr"),
        (sub(Kind.TICKER, whole=True, name="ticker_1h"), "!ticker_1h@arr"),
        (sub(Kind.BIDS_ASKS, name="bookTicker"), "bnbbtc@bookTicker"),
        (sub(Kind.OHLCV, timeframe="1m", name="kline", timezone=""), "bnbbtc@kline_1m"),
        (sub(Kind.OHLCV, timeframe="1M", name="kline", timezone="+00:00"), "bnbbtc@kline_1M"),
        (sub(Kind.OHLCV, timeframe="1d", name="kline", timezone="+08:00"), "bnbbtc@kline_1d@+08:00"),
        (sub(Kind.OHLCV, timeframe="1d", name="kline", timezone="8"), "bnbbtc@kline_1d@+08:00"),
    ],
)  # fmt: skip
def test_every_watch_has_its_stream(wanted: ws.Sub, topic: str) -> None:
    """5, 6.1: symbols in lower case, intervals as they are."""
    (route,) = BINANCE.route(wanted)
    assert (route.endpoint, route.topic) == ("spot", topic)
    assert (route.snapshot is not None) is (wanted.kind is Kind.BOOK)
    assert (route.history is not None) is (wanted.kind is Kind.TRADES)
    assert route.contiguous_ids is (wanted.kind is Kind.TRADES)


def test_every_value_of_every_switch_makes_a_topic_that_is_decoded() -> None:
    """A switch that is declared and then not understood would fail in the user's hands."""
    frames = {
        "trade": TRADE, "aggTrade": AGG, "depth": DEPTH, "ticker": TICKER, "miniTicker": MINI,
        "bookTicker": QUOTE, "kline": KLINE,
    }  # fmt: skip
    nowhere = set()
    for kind, switches in VENUE.switches.items():
        names = list(switches)
        for name in names:
            for value in switches[name].values:
                channel = {other: switches[other].default for other in names} | {name: value}
                timeframe = "1m" if kind is Kind.OHLCV else ""
                routes = BINANCE.route(ws.Sub(kind, MARKET, timeframe=timeframe, channel=channel))
                if not routes:
                    nowhere.add((kind, value))
                for route in routes:
                    family = route.topic.partition("@")[2].partition("@")[0].partition("_")[0]
                    assert len(read(route.topic, frames[family]).events) == 1
        for switch in switches.values():
            assert switch.default in switch.values
            assert set(switch.defaults.values()) <= set(switch.values)
    assert nowhere == {
        *((Kind.BOOK, rate) for rate in ("0", "250", "500")),  # 6.1: futures have these
        *((Kind.OHLCV, f"{price}PriceKline") for price in ("index", "mark")),  # 5.4: COIN-M
        *((kind, value) for kind in (Kind.MARK_PRICE, Kind.FUNDING_RATE)
          for value in ("markPrice", "True", "False")),
    }  # fmt: skip


@pytest.mark.parametrize("timeframe", VENUE.timeframes)
def test_every_timeframe_has_a_stream(timeframe: str) -> None:
    """5.4: all sixteen of them."""
    channel = {"name": "kline", "timezone": ""}
    (route,) = BINANCE.route(ws.Sub(Kind.OHLCV, MARKET, timeframe=timeframe, channel=channel))
    assert route.topic == f"bnbbtc@kline_{timeframe}"


@pytest.mark.parametrize(
    "wanted",
    [
        *(sub(kind, name="markPrice", use1sFreq="True") for kind in ONLY_CONTRACTS),
        sub(Kind.TICKER, whole=True, name="ticker"),
        sub(Kind.BIDS_ASKS, whole=True, name="bookTicker"),
    ],
)
def test_what_spot_does_not_have(wanted: ws.Sub) -> None:
    """1.5, 5.3, 5.5: no mark price, no full tickers and no quotes of all markets."""
    assert BINANCE.route(wanted) == ()


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_a_request_is_what_the_sheet_shows(op: ws.Op) -> None:
    """4: byte for byte, the id a number."""
    frame = BINANCE.request(op, ["btcusdt@aggTrade", "btcusdt@depth@100ms"], ws.Call("312", 0))
    assert frame == (
        b'{"method":"' + op.upper().encode()
        + b'","params":["btcusdt@aggTrade","btcusdt@depth@100ms"],"id":312}'
    )  # fmt: skip


# --- REST ---------------------------------------------------------------------------------


def test_a_snapshot_by_rest() -> None:
    """6.2: it links by lastUpdateId, and has no time of its own."""
    body = {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": [["0.0026", "100"]]}
    made = BINANCE.snapshot(body, MARKET)
    assert (made.symbol, made.kind, made.last_id, made.prev_id) == ("BNB/BTC", "rest", 160, None)
    assert (made.bids, made.asks) == ([(0.0024, 10.0)], [(0.0026, 100.0)])
    assert made.timestamp_ms is None


@pytest.mark.parametrize(
    ("depth", "limit", "weight"),
    [(0, 1000, 50), (1, 100, 5), (50, 100, 5), (51, 500, 25), (250, 500, 25), (251, 1000, 50),
     (1001, 5000, 250), (99999, 5000, 250)],
)  # fmt: skip
def test_a_snapshot_costs_what_the_sheet_says(depth: int, limit: int, weight: float) -> None:
    """6.2: weight 5 up to 100 levels, 25 to 500, 50 to 1000, 250 to 5000."""
    (route,) = BINANCE.route(sub(Kind.BOOK, watchOrderBookRate="100"))
    assert route.snapshot is not None
    rest = route.snapshot.rest(depth)
    assert (rest.method, rest.params, rest.weight) == (
        "publicGetDepth", {"symbol": "BNBBTC", "limit": limit}, weight,
    )  # fmt: skip


def test_missed_trades_by_rest_are_the_streams_own() -> None:
    """5.1: same ids, same sides, so that they can be told from what came live."""
    (route,) = BINANCE.route(sub(Kind.TRADES, name="trade"))
    assert route.history is not None
    assert (route.history.recent.method, route.history.page, route.history.after) == (
        "publicGetTrades", 1000, None,
    )  # fmt: skip
    body = [{"id": 12345, "price": "0.001", "qty": "100", "quoteQty": "0.1",
             "time": 1672515782136, "isBuyerMaker": True, "isBestMatch": True}]  # fmt: skip
    (past,) = BINANCE.history(body, route, MARKET)
    (live,) = read("bnbbtc@trade", TRADE).events
    assert isinstance(live, ws.Trade)
    assert fields(past) == fields(live)
    assert isinstance(past, ws.Trade)
    assert past.info.items() >= body[0].items()
    assert past.info["t"] == live.info["t"]  # strategies read the stream's own names
    (bought,) = BINANCE.history([{**body[0], "isBuyerMaker": False}], route, MARKET)
    assert isinstance(bought, ws.Trade)
    assert bought.side == "buy"


def test_missed_aggregates_by_rest_can_be_asked_for_from_an_id_on() -> None:
    """5.1: aggTrades takes fromId, so any outage can be paged through."""
    (route,) = BINANCE.route(sub(Kind.TRADES, name="aggTrade"))
    assert route.history is not None
    assert route.history.after is not None
    assert (route.history.after.method, route.history.from_param) == (
        "publicGetAggTrades",
        "fromId",
    )
    body = [msgspec.json.decode(AGG)]
    (past,) = BINANCE.history(body, route, MARKET)
    (live,) = read("bnbbtc@aggTrade", AGG).events
    assert fields(past) == fields(live)


@pytest.mark.parametrize("body", [None, {"code": -1121, "msg": "Invalid symbol."}, [1], [{}]])
def test_nonsense_by_rest_raises(body: Any) -> None:
    """The core turns whatever is raised into a reason and asks again: it must not be data."""
    (route,) = BINANCE.route(sub(Kind.TRADES, name="trade"))
    with pytest.raises((TypeError, KeyError, AttributeError)):
        BINANCE.snapshot(body, MARKET)
    with pytest.raises((TypeError, KeyError, AttributeError)):
        BINANCE.history(body, route, MARKET)


# --- facts --------------------------------------------------------------------------------


def test_the_facts_of_the_sheet() -> None:
    """2, 3, 9: what would get us banned, or let a dead socket pass for a live one."""
    spot = VENUE.endpoints["spot"]
    assert spot.live == "wss://stream.binance.com:9443/stream"
    assert spot.limits.messages == ws.Window(n=5, per_s=1)
    assert spot.limits.dials == ws.Window(n=300, per_s=300)
    assert (spot.limits.topics_per_connection, spot.limits.topics_per_request) == (1024, 200)
    assert spot.limits.rotate_after_s is not None
    assert spot.limits.lifetime_s is not None
    assert spot.limits.rotate_after_s < spot.limits.lifetime_s == 86_400
    assert (spot.heartbeat.by, spot.heartbeat.every_s, spot.heartbeat.silence_s) == (
        "server",
        20,
        60,
    )
    assert VENUE.rest[""].budget == ws.Window(n=6000, per_s=60)
    assert not any(rule.final for rule in VENUE.closes.values())
