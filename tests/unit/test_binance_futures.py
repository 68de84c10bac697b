"""Binance USD-M and COIN-M, frame by frame, as the sheet has them (section numbers beside each).

Frames marked 2026 are recorded ones, of August and September 2026 (12, and ccxt's own cases).
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.adapter import Kind
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.venues.binance import VENUE, Binance, BinanceCoinm, BinanceUs, BinanceUsdm

BINANCE = Binance()
UM = ws.Market(
    "BTC/USDT:USDT", "BTCUSDT", "swap", "BTC", "USDT", "USDT", True, False, 1.0, "BTCUSDT"
)
CM = ws.Market(
    "BTC/USD:BTC", "BTCUSD_PERP", "swap", "BTC", "USD", "BTC", False, True, 100.0, "BTCUSD_PERP"
)
CM_DATED = ws.Market(
    "ETH/USD:ETH-261225", "ETHUSD_261225", "future", "ETH", "USD", "ETH", False, True, 10.0,
    "ETHUSD_261225",
)  # fmt: skip
SPOT = ws.Market("BTC/USDT", "BTCUSDT", "spot", "BTC", "USDT")
UM_IDS = {"BTCUSDT": "BTC/USDT:USDT", "LTCUSDT": "LTC/USDT:USDT", "BNBUSDT": "BNB/USDT:USDT"}
CM_IDS = {"BTCUSD_PERP": "BTC/USD:BTC", "ETHUSD_PERP": "ETH/USD:ETH"}

TRADE = b'{"e":"trade","E":1701079964091,"T":1701079964090,"s":"LTCUSDT","t":822643924,"p":"69.40","q":"1.081","X":"MARKET","m":true}'  # 5.1
TRADE_2026 = b'{"e":"trade","E":1786540291675,"T":1786540291675,"s":"BTCUSDT","t":7967419777,"p":"64042.10","q":"0.038","X":"MARKET","m":true,"st":1}'  # 12
AGG = b'{"e":"aggTrade","E":123456789,"a":5933014,"s":"BTCUSDT","p":"0.001","q":"100","nq":"100","f":100,"l":105,"T":123456785,"m":true,"st":1}'  # 5.1
TICKER = b'{"e":"24hrTicker","E":1672515782136,"s":"BTCUSDT","p":"-131.4","P":"-0.786","w":"16628.97","c":"16584.60","Q":"0.002","o":"16716.00","h":"16764.89","l":"16456.51","v":"122474.816","q":"2036102085.69","O":1672429382136,"C":1672515782137,"F":2289691,"L":2432543,"n":142853,"st":1}'  # 5.2
CM_TICKER = b'{"e":"24hrTicker","E":1788548384904,"s":"BTCUSD_PERP","ps":"BTCUSD","p":"-1614.7","P":"-1.988","w":"80435.03631557","c":"79603.1","Q":"1","o":"81217.8","h":"82265.9","l":"78601.0","v":"13210881","q":"16424.3","O":1788461940000,"C":1788548384896,"F":1151701827,"L":1152013525,"n":311696,"st":2}'  # 2026
MINI = b'{"e":"24hrMiniTicker","E":1786540329176,"s":"BTCUSDT","ps":"BTCUSDT","c":"63972.70","o":"64305.10","h":"64450.00","l":"63211.60","v":"125235.211","q":"7989662536.93","st":1}'  # 2026
CM_MINI = b'{"e":"24hrMiniTicker","E":1786540329176,"s":"BTCUSD_PERP","ps":"BTCUSD","c":"63972.7","o":"64305.1","h":"64450.0","l":"63211.6","v":"1000","q":"1.5","st":2}'  # 12
QUOTE = b'{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66","st":1,"ps":"BNBUSDT"}'  # 5.3
DEPTH = b'{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":157,"u":160,"pu":149,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'  # 6.1
MARK = b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11794.15","i":"11784.62659091","P":"11784.25641265","r":"0.00038167","T":1562306400000,"st":1}'  # 5.5
CM_MARK = b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSD_PERP","p":"11794.1","P":"11784.2","r":"0.0001","T":1562306400000,"st":2}'  # 5.5
DATED = b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15","i":"11784.62","P":"11784.25","r":"","T":0,"st":1}'  # 5.5
FORCE = b'{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910","ap":"9910.12","X":"FILLED","l":"0.014","z":"0.014","T":1568014460894},"st":1}'  # 5.6
KLINE = b'{"e":"kline","E":1638747660000,"s":"BTCUSDT","k":{"t":1638747660000,"T":1638747719999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}'  # 5.4
INDEX_KLINE = b'{"e":"indexPrice_kline","E":1591267070033,"ps":"BTCUSD","k":{"t":1591267020000,"T":1591267079999,"s":"0","i":"1m","f":1591267020000,"L":1591267070000,"o":"9542.21900000","c":"9542.50440000","h":"9542.71640000","l":"9542.21040000","v":"0","n":51,"x":false,"q":"0","V":"0","Q":"0","B":"0"}}'  # 5.4
MARK_KLINE = INDEX_KLINE.replace(b"indexPrice", b"markPrice").replace(b'"s":"0"', b'"s":"BTCUSD_PERP"')  # 5.4


def um(market_id: str) -> str | None:
    """Resolve the markets of USD-M in this file."""
    return UM_IDS.get(market_id)


def cm(market_id: str) -> str | None:
    """Resolve those of COIN-M."""
    return CM_IDS.get(market_id)


def read(topic: str, data: bytes, at: str = "usdm-market") -> ws.Batch:
    """Decode one event of the combined stream of an endpoint."""
    frame = b'{"stream":"' + topic.encode() + b'","data":' + data + b"}"
    (batch,) = BINANCE.decode(frame, at, cm if at == "coinm" else um)
    assert isinstance(batch, ws.Batch)
    assert batch.topic == topic
    return batch


def fields(row: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, without the raw object."""
    made = {name: getattr(row, name) for name in row.__struct_fields__ if name != "raw"}
    return {name: value for name, value in made.items() if value not in (None, 0, False)}


def sub(kind: Kind, market: ws.Market | None = UM, **kwargs: Any) -> ws.Sub:
    """Build a subscription with the usual switches, but for those given as `channel`."""
    channel = {name: switch.default for name, switch in VENUE.switches.get(kind, {}).items()}
    channel |= kwargs.pop("channel", {})
    kwargs.setdefault("market_type", market.type if market else "swap")
    return ws.Sub(kind, market, channel=channel, **kwargs)


# --- frames -> events ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "symbol", "number", "price"),
    [
        (TRADE, "LTC/USDT:USDT", 822643924, 69.4),
        (TRADE_2026, "BTC/USDT:USDT", 7967419777, 64042.1),
    ],
)
def test_a_trade(frame: bytes, symbol: str, number: int, price: float) -> None:
    """5.1, 12: with and without `st`, never with `ps`."""
    (row,) = read("any@trade", frame, "usdm-public").events
    assert isinstance(row, ws.Trade)
    assert (row.symbol, row.id, row.number, row.price) == (symbol, str(number), number, price)
    assert (row.side, row.count) == ("sell", 1)
    assert row.info == msgspec.json.decode(frame)


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_a_trade_off_the_book_only_uses_up_its_id(kind: str) -> None:
    """5.1: it is dropped; a count of zero tells the core, which sees no gap then."""
    (row,) = read("any@trade", TRADE.replace(b"MARKET", kind.encode()), "usdm-public").events
    assert isinstance(row, ws.Trade)
    assert (row.number, row.count) == (822643924, 0)


def test_an_aggregate() -> None:
    """5.1: `q` includes RPI orders, `nq` does not; ccxt takes `q`."""
    (row,) = read("btcusdt@aggTrade", AGG).events
    assert isinstance(row, ws.Trade)
    assert (row.number, row.count, row.amount, row.timestamp_ms) == (5933014, 6, 100.0, 123456785)


def test_a_ticker_of_usdm_has_no_bid_and_no_ask() -> None:
    """5.2: nor a previous close."""
    (row,) = read("btcusdt@ticker", TICKER).events
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1672515782137, "last": 16584.6, "open": 16716.0,
        "high": 16764.89, "low": 16456.51, "change": -131.4, "percentage": -0.786,
        "vwap": 16628.97, "base_volume": 122474.816, "quote_volume": 2036102085.69,
    }  # fmt: skip


def test_a_ticker_of_coinm_counts_in_contracts() -> None:
    """5.2: `q` is the base volume, and the quote volume is q x w, multiplied as decimals."""
    (row,) = read("btcusd_perp@ticker", CM_TICKER, "coinm").events
    assert isinstance(row, ws.Ticker)
    assert (row.symbol, row.base_volume) == ("BTC/USD:BTC", 16424.3)
    assert row.quote_volume == 1321089166.9578164
    assert (row.vwap, row.timestamp_ms) == (80435.03631557, 1788548384896)


@pytest.mark.parametrize(("market_id", "size"), [("BTCUSD_PERP", 100), ("ETHUSD_PERP", 10)])
def test_a_mini_ticker_of_coinm_needs_the_size_of_a_contract(market_id: str, size: int) -> None:
    """12, 5: it has no `w`; v x 100 USD for BTC, 10 USD for all others."""
    frame = CM_MINI.replace(b"BTCUSD_PERP", market_id.encode())
    (row,) = read("any@miniTicker", frame, "coinm").events
    assert isinstance(row, ws.Ticker)
    assert (row.base_volume, row.quote_volume, row.vwap) == (1.5, 1000.0 * size, None)


def test_the_streams_of_all_markets_bring_both_products() -> None:
    """1.3: each endpoint takes the rows of its own markets and counts the others."""
    frame = b"[" + MINI + b"," + CM_MINI + b"]"
    here, there = read("!miniTicker@arr", frame), read("!miniTicker@arr", frame, "coinm")
    assert ([row.symbol for row in here.events], here.skipped) == (["BTC/USDT:USDT"], 1)
    assert ([row.symbol for row in there.events], there.skipped) == (["BTC/USD:BTC"], 1)
    quote = read("!bookTicker", QUOTE, "coinm")
    assert (list(quote.events), quote.skipped) == ([], 1)
    assert len(read("!bookTicker", QUOTE, "usdm-public").events) == 1


def test_a_quote_has_a_time() -> None:
    """5.3: unlike spot's; ccxt takes that of the event."""
    (row,) = read("bnbusdt@bookTicker", QUOTE, "usdm-public").events
    assert fields(row) == {
        "symbol": "BNB/USDT:USDT", "timestamp_ms": 1568014460893, "bid": 25.35,
        "bid_volume": 31.21, "ask": 25.36, "ask_volume": 40.66, "number": 400900217,
    }  # fmt: skip


@pytest.mark.parametrize("topic", ["btcusdt@depth@0ms", "btcusdt@depth", "btcusdt@rpiDepth@500ms"])
def test_a_change_of_the_book_goes_on_from_pu(topic: str) -> None:
    """6.4: only `pu` says what came before."""
    (row,) = read(topic, DEPTH, "usdm-public").events
    assert isinstance(row, ws.BookUpdate)
    assert (row.kind, row.prev_id, row.last_id, row.timestamp_ms) == ("delta", 149, 160, 123456789)


@pytest.mark.parametrize("topic", ["btcusdt@markPrice@1s", "!markPrice@arr@1s"])
def test_a_mark_price_carries_the_funding_rate(topic: str) -> None:
    """5.5: one frame, an event for either kind."""
    rows = read(topic, b"[" + MARK + b"]" if topic[0] == "!" else MARK).events
    mark, funding = rows
    assert fields(mark) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1562305380000, "mark_price": 11794.15,
        "index_price": 11784.62659091,
    }  # fmt: skip
    assert fields(funding) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1562305380000, "funding_rate": 0.00038167,
        "funding_timestamp_ms": 1562306400000, "mark_price": 11794.15,
        "index_price": 11784.62659091, "estimated_settle_price": 11784.25641265,
    }  # fmt: skip
    assert isinstance(mark, ws.MarkPrice)
    assert mark.info == msgspec.json.decode(MARK)


def test_coinm_has_no_index_price() -> None:
    """5.5: it is a stream of its own there."""
    mark, funding = read("btcusd_perp@markPrice@1s", CM_MARK, "coinm").events
    assert isinstance(mark, ws.MarkPrice)
    assert (mark.mark_price, mark.index_price) == (11794.1, None)
    assert isinstance(funding, ws.FundingRate)


@pytest.mark.parametrize("topic", ["btcusdt@markPrice@1s", "!markPrice@arr@1s"])
def test_a_delivery_contract_has_no_funding(topic: str) -> None:
    """5.5: `r` is empty and `T` zero; that is no rate of zero."""
    rows = read(topic, b"[" + DATED + b"]" if topic[0] == "!" else DATED).events
    assert [type(row) for row in rows] == [ws.MarkPrice]


@pytest.mark.parametrize("topic", ["btcusdt@forceOrder", "!forceOrder@arr"])
def test_a_liquidation(topic: str) -> None:
    """5.6: those of all markets come one by one, too; ccxt's fields, and its `info`."""
    (row,) = read(topic, FORCE).events
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1568014460894, "price": 9910.12,
        "contracts": 0.014, "side": "sell",
    }  # fmt: skip
    assert isinstance(row, ws.Liquidation)
    assert row.info == msgspec.json.decode(FORCE)["o"]
    bought = FORCE.replace(b'"S":"SELL"', b'"S":"BUY"')
    assert [row.side for row in read(topic, bought).events] == ["buy"]  # type: ignore[union-attr]
    other = FORCE.replace(b"BTCUSDT", b"NEWUSDT")
    assert read(topic, other).skipped == 1


@pytest.mark.parametrize(
    ("topic", "frame", "at", "symbol", "opened"),
    [
        ("btcusdt@kline_1m", KLINE, "usdm-market", "BTC/USDT:USDT", 1638747660000),
        ("btcusd@indexPriceKline_1m", INDEX_KLINE, "coinm", "BTC/USD:BTC", 1591267020000),
        ("btcusd_perp@markPriceKline_1m", MARK_KLINE, "coinm", "BTC/USD:BTC", 1591267020000),
    ],
)
def test_a_candle(topic: str, frame: bytes, at: str, symbol: str, opened: int) -> None:
    """5.4: of trades, of the index (which has only a pair), of the mark price."""
    (row,) = read(topic, frame, at).events
    assert isinstance(row, ws.Candle)
    assert (row.symbol, row.timeframe, row.open_ms, row.closed) == (symbol, "1m", opened, False)


@pytest.mark.parametrize(
    "frame",
    [b'{"stream":"btcusdt@compositeIndex","data":{}}', b'{"stream":"LISTENKEY","data":{}}',
     b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}',
     b'{"stream":"!markPrice@arr","data":{"s":"BTCUSDT"}}',
     b'{"subscriptionId":0,"event":{"e":"balanceUpdate"}}'],
)  # fmt: skip
def test_anything_else_is_a_decode_error(frame: bytes) -> None:
    """Streams that nobody asks for, and private ones, are quarantined with their frame."""
    with pytest.raises(DecodeError) as caught:
        decode(BINANCE, frame, "usdm-market", um)
    assert caught.value.frame == frame


# --- subscriptions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "endpoint", "topic"),
    [
        (sub(Kind.TRADES), "usdm-public", "btcusdt@trade"),
        (sub(Kind.TRADES, channel={"name": "aggTrade"}), "usdm-market", "btcusdt@aggTrade"),
        (sub(Kind.TRADES, CM), "coinm", "btcusd_perp@trade"),
        (sub(Kind.TRADES, SPOT), "spot", "btcusdt@trade"),
        (sub(Kind.BOOK), "usdm-public", "btcusdt@depth@100ms"),
        (sub(Kind.BOOK, channel={"watchOrderBookRate": "0"}), "usdm-public", "btcusdt@depth@0ms"),
        (sub(Kind.BOOK, channel={"watchOrderBookRate": "250"}), "usdm-public", "btcusdt@depth"),
        (sub(Kind.BOOK, channel={"rpi": "True"}), "usdm-public", "btcusdt@rpiDepth@500ms"),
        (sub(Kind.BOOK, CM, channel={"watchOrderBookRate": "500"}), "coinm",
         "btcusd_perp@depth@500ms"),
        (sub(Kind.BOOK, CM, channel={"rpi": "True"}), "coinm", "btcusd_perp@depth@100ms"),
        (sub(Kind.TICKER), "usdm-market", "btcusdt@ticker"),
        (sub(Kind.TICKER, None), "usdm-market", "!ticker@arr"),
        (sub(Kind.TICKER, None, channel={"name": "miniTicker"}), "usdm-market", "!miniTicker@arr"),
        (sub(Kind.TICKER, None, sub_type="inverse"), "coinm", "!ticker@arr"),
        (sub(Kind.BIDS_ASKS), "usdm-public", "btcusdt@bookTicker"),
        (sub(Kind.BIDS_ASKS, None), "usdm-public", "!bookTicker"),
        (sub(Kind.BIDS_ASKS, None, sub_type="inverse"), "coinm", "!bookTicker"),
        (sub(Kind.OHLCV, timeframe="5m"), "usdm-market", "btcusdt@kline_5m"),
        (sub(Kind.OHLCV, timeframe="5m", channel={"timezone": "8"}), "usdm-market",
         "btcusdt@kline_5m"),
        (sub(Kind.OHLCV, CM, timeframe="1M"), "coinm", "btcusd_perp@kline_1M"),
        (sub(Kind.OHLCV, CM, timeframe="1m", channel={"name": "indexPriceKline"}), "coinm",
         "btcusd@indexPriceKline_1m"),
        (sub(Kind.OHLCV, CM_DATED, timeframe="1m", channel={"name": "markPriceKline"}), "coinm",
         "ethusd_261225@markPriceKline_1m"),
        (sub(Kind.MARK_PRICE), "usdm-market", "btcusdt@markPrice@1s"),
        (sub(Kind.MARK_PRICE, channel={"use1sFreq": "False"}), "usdm-market", "btcusdt@markPrice"),
        (sub(Kind.MARK_PRICE, None), "usdm-market", "!markPrice@arr@1s"),
        (sub(Kind.MARK_PRICE, None, market_type="spot"), "usdm-market", "!markPrice@arr@1s"),
        (sub(Kind.FUNDING_RATE), "usdm-market", "btcusdt@markPrice@1s"),
        (sub(Kind.FUNDING_RATE, CM), "coinm", "btcusd_perp@markPrice@1s"),
        (sub(Kind.LIQUIDATIONS), "usdm-market", "btcusdt@forceOrder"),
        (sub(Kind.LIQUIDATIONS, None), "usdm-market", "!forceOrder@arr"),
        (sub(Kind.LIQUIDATIONS, CM_DATED), "coinm", "ethusd_261225@forceOrder"),
    ],
)  # fmt: skip
def test_every_watch_has_its_stream_on_its_route(
    wanted: ws.Sub, endpoint: str, topic: str
) -> None:
    """1.2: what goes to the wrong route is acknowledged and stays silent."""
    (route,) = BINANCE.route(wanted)
    assert (route.endpoint, route.topic) == (endpoint, topic)


@pytest.mark.parametrize(
    "wanted",
    [
        sub(Kind.TICKER, channel={"name": "ticker_1h"}),
        sub(Kind.TICKER, None, channel={"name": "ticker_1h"}),
        sub(Kind.OHLCV, timeframe="1s"),
        sub(Kind.OHLCV, timeframe="1m", channel={"name": "indexPriceKline"}),
        sub(Kind.OHLCV, CM_DATED, timeframe="1m", channel={"name": "indexPriceKline"}),
        sub(Kind.BOOK, channel={"watchOrderBookRate": "1000"}),
        sub(Kind.BOOK, SPOT, channel={"watchOrderBookRate": "0"}),
        sub(Kind.FUNDING_RATE, CM_DATED),
        sub(Kind.TRADES, ws.Market("BTC/USDT:USDT-261225-90000-C", "BTC-261225-90000-C", "option",
                                   linear=True, inverse=False)),
    ],
)  # fmt: skip
def test_what_there_is_no_stream_of(wanted: ws.Sub) -> None:
    """5.2, 5.4, 5.5, 6.1: windows and seconds on spot only, an index of the perpetual only."""
    assert BINANCE.route(wanted) == ()


@pytest.mark.parametrize(
    ("market", "method", "depth", "limit", "weight"),
    [(UM, "fapiPublicGetDepth", 0, 1000, 20), (UM, "fapiPublicGetDepth", 5, 50, 2),
     (UM, "fapiPublicGetDepth", 50, 100, 5), (CM, "dapiPublicGetDepth", 250, 500, 10),
     (CM, "dapiPublicGetDepth", 5000, 1000, 20)],
)  # fmt: skip
def test_a_snapshot_of_futures(
    market: ws.Market, method: str, depth: int, limit: int, weight: float
) -> None:
    """6.2: weights of its own, charged to the budget that both products share (1.3)."""
    (route,) = BINANCE.route(sub(Kind.BOOK, market))
    assert route.snapshot is not None
    rest = route.snapshot.rest(depth)
    assert (rest.method, rest.params["limit"], rest.weight) == (method, limit, weight)
    assert rest.host == "futures"
    body = {"lastUpdateId": 5, "E": 7, "T": 6, "bids": [["1.5", "2"]], "asks": [["1.6", "3"]]}
    made = BINANCE.snapshot(body, market)
    assert (made.kind, made.last_id, made.timestamp_ms) == ("rest", 5, 6)


def test_the_book_with_rpi_orders_starts_from_a_state_with_them() -> None:
    """6.1: a thousand levels, nothing else."""
    (route,) = BINANCE.route(sub(Kind.BOOK, channel={"rpi": "True"}))
    assert route.snapshot is not None
    rest = route.snapshot.rest(5)
    assert (rest.method, rest.params["limit"]) == ("fapiPublicGetRpiDepth", 1000)


@pytest.mark.parametrize(
    ("market", "prefix", "name", "weight"),
    [(UM, "fapiPublicGet", "trade", 5), (UM, "fapiPublicGet", "aggTrade", 20),
     (CM, "dapiPublicGet", "trade", 5), (CM, "dapiPublicGet", "aggTrade", 20)],
)  # fmt: skip
def test_missed_trades_of_futures(
    market: ws.Market, prefix: str, name: str, weight: float
) -> None:
    """5.1: same ids by REST."""
    (route,) = BINANCE.route(sub(Kind.TRADES, market, channel={"name": name}))
    assert route.history is not None
    assert route.history.recent.method == f"{prefix}{name[0].upper()}{name[1:]}s"
    assert (route.history.recent.weight, route.history.recent.host) == (weight, "futures")
    assert route.contiguous_ids
    body = {
        "trade": {"id": 28457, "price": "4.0", "qty": "12.00", "quoteQty": "48.00",
                  "time": 1499865549590, "isBuyerMaker": True},
        "aggTrade": {"a": 28457, "p": "4.0", "q": "12.00", "f": 1, "l": 3, "T": 1499865549590,
                     "m": True},
    }[name]  # fmt: skip
    (past,) = BINANCE.history([body], route, market)
    assert isinstance(past, ws.Trade)
    assert (past.number, past.amount, past.side) == (28457, 12.0, "sell")
    assert past.count == (1 if name == "trade" else 3)


@pytest.mark.parametrize(("market", "base"), [(UM, 10659.509), (CM, None)])
def test_open_interest_is_asked_for(market: ws.Market, base: float | None) -> None:
    """5.5: nobody streams it; in contracts on COIN-M, so that it is no base volume there."""
    (route,) = BINANCE.route(sub(Kind.OPEN_INTEREST, market))
    assert route.topic == ""
    assert route.poll is not None
    api = "fapi" if market is UM else "dapi"
    assert route.poll.rest.method == f"{api}PublicGetOpenInterest"
    assert (route.poll.rest.params, route.poll.rest.host) == ({"symbol": market.id}, "futures")
    body = {"openInterest": "10659.509", "symbol": market.id, "time": 1589437530011}
    (row,) = BINANCE.history(body, route, market)
    assert isinstance(row, ws.OpenInterest)
    assert (row.open_interest_amount, row.base_volume) == (10659.509, base)
    assert (row.timestamp_ms, row.info) == (1589437530011, body)


# --- facts --------------------------------------------------------------------------------


def test_the_facts_of_futures() -> None:
    """1.2, 2, 3: routes, careful numbers of topics, pings every three minutes."""
    endpoints = VENUE.endpoints
    assert endpoints["usdm-public"].live == "wss://fstream.binance.com/public/stream"
    assert endpoints["usdm-market"].live == "wss://fstream.binance.com/market/stream"
    assert endpoints["coinm"].live == "wss://dstream.binance.com/stream"
    for name in ("usdm-public", "usdm-market", "coinm"):
        limits, heartbeat = endpoints[name].limits, endpoints[name].heartbeat
        assert (limits.topics_per_connection, limits.topics_per_request) == (200, 200)
        assert limits.messages == ws.Window(n=10, per_s=1)
        assert (heartbeat.by, heartbeat.every_s, heartbeat.silence_s) == ("server", 180, 360)
    budget = VENUE.rest["futures"]
    assert budget.budget == ws.Window(n=2400, per_s=60)
    assert {"fapiPublic", "dapiPublic"} <= set(budget.apis)


@pytest.mark.parametrize(
    ("twin", "id_", "endpoints", "fetched"),
    [
        (BinanceUsdm, "binanceusdm", {"usdm-public", "usdm-market"}, "linear"),
        (BinanceCoinm, "binancecoinm", {"coinm"}, "inverse"),
        (BinanceUs, "binanceus", {"spot"}, "spot"),
    ],
)
def test_the_twins(twin: type[Binance], id_: str, endpoints: set[str], fetched: str) -> None:
    """Ccxt's other classes: the same code with fewer endpoints, or another host."""
    venue = twin.venue
    assert (venue.id, venue.ccxt_id, set(venue.endpoints)) == (id_, id_, endpoints)
    assert venue.rest_options == {"fetchMarkets": {"types": [fetched]}}
    whole = sub(Kind.TICKER, None, market_type=venue.market_types[0], channel={"name": "miniTicker"})
    (route,) = twin().route(whole)
    assert route.endpoint in endpoints
    usual = sub(Kind.TICKER, None, market_type="spot", channel={"name": "miniTicker"})
    assert [r.endpoint for r in twin().route(usual)] == [route.endpoint]  # ccxt's defaultType
    assert twin().route(sub(Kind.TRADES, UM if fetched == "spot" else SPOT)) == ()


def test_the_american_sister_is_spot_on_another_host() -> None:
    """It pings as futures do, and has no testnet."""
    spot = BinanceUs.venue.endpoints["spot"]
    assert (spot.live, spot.testnet) == ("wss://stream.binance.us:9443/stream", None)
    assert spot.heartbeat.every_s == 180
    assert Kind.MARK_PRICE not in BinanceUs.venue.kinds
    assert all(method.startswith("publicGet") for method in BinanceUs.venue.rest_methods)
