"""KuCoin, frame by frame, as the sheet has them (section numbers beside each)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.facts import Kind
from unified_ws.venues.kucoin import VENUE, KuCoin, KuCoinFutures

KUCOIN = KuCoin()
SPOT = ws.Market("BTC/USDT", "BTC-USDT", "spot", "BTC", "USDT")
SWAP = ws.Market(
    "BTC/USDT:USDT", "XBTUSDTM", "swap", "BTC", "USDT", "USDT", True, False, 0.001
)  # fmt: skip
DATED = ws.Market(
    "BTC/USD:BTC-261225", "XBTMZ26", "future", "BTC", "USD", "BTC", False, True, 1.0
)  # fmt: skip
_SYMBOLS = {
    "BTC-USDT": "BTC/USDT", "ETH-USDT": "ETH/USDT", "XBTUSDTM": "BTC/USDT:USDT",
    "ETHUSDTM": "ETH/USDT:USDT",
}  # fmt: skip

# 5
MATCH = b'{"topic":"/market/match:BTC-USDT","type":"message","subject":"trade.l3match","data":{"makerOrderId":"671b5007389355000701b1d3","price":"67523","sequence":"11067996711960577","side":"buy","size":"0.003","symbol":"BTC-USDT","takerOrderId":"671b50161777ff00074c168d","time":"1729843222921999999","tradeId":"11067996711960577","type":"match"}}'
TICKER = b'{"topic":"/market/ticker:all","type":"message","subject":"BTC-USDT","data":{"bestAsk":"67218.7","bestAskSize":"1.92318539","bestBid":"67218.6","bestBidSize":"0.01045638","price":"67220","sequence":"14691455768","size":"0.00004316","time":1729757723612}}'
SNAPSHOT = b'{"topic":"/market/snapshot:BTC-USDT","type":"message","subject":"trade.snapshot","data":{"sequence":"14691517895","data":{"askSize":1.15955795,"averagePrice":66867.89967612,"baseCurrency":"BTC","bidSize":0.81772627,"buy":67158.1,"sell":67158.2,"changePrice":315.2,"changeRate":0.0047,"close":67158.1,"datetime":1729758286011,"high":67611.8,"lastTradedPrice":67158.1,"low":65257.1,"open":66842.9,"quoteCurrency":"USDT","symbol":"BTC-USDT","symbolCode":"BTC-USDT","trading":true,"vol":2227.69895852,"volValue":147972941.07857507}}}'
LEVEL1 = b'{"topic":"/spotMarket/level1:BTC-USDT","type":"message","subject":"level1","data":{"asks":["68145.8","0.51987471"],"bids":["68145.7","1.29267802"],"timestamp":1729816058766}}'
DEPTH5 = b'{"topic":"/spotMarket/level2Depth5:BTC-USDT","type":"message","subject":"level2","data":{"asks":[["67996.7","1.14213262"]],"bids":[["67996.6","0.37969491"]],"timestamp":1729822226746}}'
LEVEL2 = b'{"topic":"/market/level2:BTC-USDT","type":"message","subject":"trade.l2update","data":{"changes":{"asks":[["67993.3","1.21427407","14701689783"]],"bids":[]},"sequenceEnd":14701689783,"sequenceStart":14701689783,"symbol":"BTC-USDT","time":1729816425625}}'
CANDLES = b'{"topic":"/market/candles:BTC-USDT_1hour","type":"message","subject":"trade.candles.update","data":{"symbol":"BTC-USDT","candles":["1729839600","67644.9","67437.6","67724.8","67243.8","44.88321441","3027558.991928447"],"time":1729842192785164840}}'
# 6
TICKER_V2 = b'{"topic":"/contractMarket/tickerV2:XBTUSDTM","type":"message","subject":"tickerV2","sn":1709284589209,"data":{"symbol":"XBTUSDTM","sequence":1709284589209,"bestBidSize":713,"bestBidPrice":"88987.4","bestAskPrice":"88987.5","bestAskSize":1037,"ts":1731665526461000000}}'
CONTRACT = b'{"topic":"/contractMarket/ticker:XBTUSDTM","type":"message","subject":"ticker","sn":1793133570931,"data":{"symbol":"XBTUSDTM","sequence":1793133570931,"side":"sell","size":1,"price":"90147.7","bestBidSize":2186,"bestBidPrice":"90147.7","bestAskPrice":"90147.8","tradeId":"1793133570931","bestAskSize":275,"ts":1731679215637000000}}'
DAY = b'{"topic":"/contractMarket/snapshot:XBTUSDTM","type":"message","subject":"snapshot.24h","id":"673ab3fff4088b0001664f41","data":{"highPrice":91512.8,"lastPrice":90326.7,"lowPrice":88747.8,"price24HoursBefore":89880.4,"priceChg":446.3,"priceChgPct":0.0049,"symbol":"XBTUSDTM","ts":1731900415023929239,"turnover":526928331.0482177734,"volume":5834.46}}'
EXECUTION = b'{"topic":"/contractMarket/execution:XBTUSDTM","type":"message","subject":"match","sn":1794100537695,"data":{"symbol":"XBTUSDTM","sequence":1794100537695,"side":"buy","size":2,"price":"90503.9","takerOrderId":"247822202957807616","makerOrderId":"247822167163555840","tradeId":"1794100537695","ts":1731898619520000000}}'
CHANGE = b'{"topic":"/contractMarket/level2:XBTUSDTM","type":"message","subject":"level2","sn":1709400450243,"data":{"sequence":1709400450243,"change":"90631.2,sell,2","timestamp":1731897467182}}'
CONTRACT_DEPTH = b'{"topic":"/contractMarket/level2Depth5:XBTUSDTM","type":"message","subject":"level2","sn":1731680019100,"data":{"bids":[["89720.9",513]],"sequence":1709294294670,"timestamp":1731680019100,"ts":1731680019100,"asks":[["89721",906]]}}'
LIMIT_CANDLE = b'{"topic":"/contractMarket/limitCandle:XBTUSDTM_1min","type":"message","data":{"symbol":"XBTUSDTM","candles":["1731898200","90638.1","90638.2","90638.4","90638.0","21.0","22"],"time":1731898208357},"subject":"candle.stick"}'
MARK = b'{"topic":"/contract/instrument:XBTUSDTM","type":"message","subject":"mark.index.price","data":{"markPrice":90445.02,"indexPrice":90445.03,"granularity":1000,"timestamp":1731899129000}}'
RATE = b'{"topic":"/contract/instrument:XBTUSDTM","type":"message","subject":"funding.rate","data":{"granularity":60000,"fundingRate":-0.002966,"timestamp":1551770400000}}'
# 7
UTA_TICKER = b'{"T":"ticker.SPOT","P":"1774100940787520626","d":{"A":"0.5972689","B":"23.3114947","E":20310552932,"M":"1774100940780000000","S":"SELL","a":"2155.55","b":"2155.54","l":"2155.54","q":"0.0001529","s":"ETH-USDT"}}'
UTA_TRADE = b'{"T":"trade.SPOT","P":"1774618231151398133","d":{"E":"20745928670070784","M":"1774618231141000000","S":"buy","p":"1995.49","q":"0.3142324","s":"ETH-USDT","ti":"20745928670070784"}}'
UTA_KLINE = b'{"T":"kline.SPOT","P":"1774621652314890314","d":{"a":"195333.419819132","s":"ETH-USDT","C":1774621680,"c":"1973.4","S":false,"v":"98.941095","h":"1974.97","i":"1min","l":"1973.3","O":1774621620,"o":"1974.34"}}'
UTA_BOOK = b'{"T":"obu.SPOT","dp":"50","t":"snapshot","P":"1774624848680504909","d":{"C":20452522782,"M":"1774624848673000000","O":20452522782,"a":[["66532.5","0.46243848"]],"b":[["66532.4","0.09489"]],"s":"BTC-USDT"}}'
UTA_DELTA = b'{"T":"obu.FUTURES","dp":"increment@10ms","t":"delta","P":"1789999999123456789","d":{"a":[],"b":[["66531.9","0"]],"s":"XBTUSDTM","C":1747821262585,"M":"1789999999120000000","O":1747821262584}}'
UTA_MARK = b'{"T":"mark-price","P":"1782834987171570181","d":{"s":"ETHUSDTM","mp":"1569.15","ip":"1569.87","oi":"50541824","ts":1782834987000}}'
UTA_FUNDING = b'{"T":"funding-fee","P":"1782831961172694254","d":{"s":"ETHUSDTM","fr":"0.000035","lfr":"0.00003","ft":1782806400000,"nt":1782835200000,"gl":28800000,"fc":"0.00375","ff":"-0.00375"}}'


def found(frame: bytes, at: str | None = None) -> Any:
    """Decode one frame at the endpoint it belongs to."""
    guessed = "futures" if b"ontract" in frame else "spot"
    where = at or (f"uta_{guessed}" if b'"T":' in frame else guessed)
    return KUCOIN.decode(frame, where, _SYMBOLS.get)


def batch(frame: bytes) -> ws.Batch:
    """Decode one frame of data."""
    (one,) = found(frame)
    assert isinstance(one, ws.Batch)
    return one


def event(frame: bytes) -> Any:
    """Decode one frame of one event."""
    (one,) = batch(frame).events
    return one


def data(frame: bytes) -> Any:
    """Return what a frame says, as ccxt sees it."""
    told = msgspec.json.decode(frame)
    return told.get("data") or told.get("d")


def fields(row: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults, without the raw object."""
    made = {name: getattr(row, name) for name in row.__struct_fields__ if name != "raw"}
    return {name: value for name, value in made.items() if value not in (None, 0, False)}


def sub(
    kind: Kind, market: ws.Market | None = SPOT, *, timeframe: str = "", depth: int = 0,
    called: str = "", market_type: str = "", **chosen: str,
) -> ws.Sub:  # fmt: skip
    """Build a subscription with the switches as the core fills them in."""
    switches = VENUE.switches.get(kind, {})
    usual = {name: one.defaults.get(called, one.default) for name, one in switches.items()}
    type_ = market.type if market else market_type
    return ws.Sub(kind, market, type_, timeframe, depth, {**usual, **chosen})


def topics(*args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    """Return endpoint and topic of each route of a subscription."""
    return [(route.endpoint, route.topic) for route in KUCOIN.route(sub(*args, **kwargs))]


# --- classic frames -> events -----------------------------------------------------------------


def test_a_trade_of_spot() -> None:
    """5: the time is nanoseconds in a text and is cut, the side is the taker's."""
    row = event(MATCH)
    assert fields(row) == {
        "symbol": "BTC/USDT", "id": "11067996711960577", "timestamp_ms": 1729843222921,
        "price": 67523.0, "amount": 0.003, "side": "buy", "count": 1,
    }  # fmt: skip
    assert row.info == data(MATCH)
    assert event(MATCH.replace(b'"buy"', b'"sell"')).side == "sell"


def test_a_trade_of_a_contract() -> None:
    """6: the time is a number beyond 2**53, the size counts contracts."""
    row = event(EXECUTION)
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "id": "1794100537695", "timestamp_ms": 1731898619520,
        "price": 90503.9, "amount": 2.0, "side": "buy", "count": 1,
    }  # fmt: skip
    assert row.info == data(EXECUTION)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"side":"buy"', b'"side":"BUY"'), (b'"67523"', b'"much"'), (b'"tradeId"', b'"trade"')],
)
def test_a_trade_that_cannot_be_read_is_refused(old: bytes, new: bytes) -> None:
    """Nothing is made up for what is missing or odd."""
    with pytest.raises(DecodeError):
        decode(KUCOIN, MATCH.replace(old, new), "spot", _SYMBOLS.get)


def test_a_snapshot_is_the_ticker_of_a_day() -> None:
    """5: the percentage is that of decimals, and bid and ask have their sizes (as ccxt's not)."""
    row = event(SNAPSHOT)
    assert fields(row) == {
        "symbol": "BTC/USDT", "timestamp_ms": 1729758286011, "last": 67158.1, "bid": 67158.1,
        "bid_volume": 0.81772627, "ask": 67158.2, "ask_volume": 1.15955795, "open": 66842.9,
        "high": 67611.8, "low": 65257.1, "change": 315.2, "percentage": 0.47,
        "average": 66867.89967612, "base_volume": 2227.69895852,
        "quote_volume": 147972941.07857507,
    }  # fmt: skip
    assert row.info == data(SNAPSHOT)["data"]


def test_a_percentage_is_computed_in_decimals() -> None:
    """A float product would be -0.47000000000000003."""
    frame = SNAPSHOT.replace(b'"changeRate":0.0047', b'"changeRate":-0.0047')
    assert event(frame).percentage == -0.47


def test_the_tickers_of_all_markets_name_theirs_as_the_subject() -> None:
    """5: one frame a market, all under the topic that was asked for."""
    one = batch(TICKER)
    assert one.topic == "/market/ticker:all"
    (row,) = one.events
    assert fields(row) == {
        "symbol": "BTC/USDT", "timestamp_ms": 1729757723612, "last": 67220.0, "bid": 67218.6,
        "bid_volume": 0.01045638, "ask": 67218.7, "ask_volume": 1.92318539,
    }  # fmt: skip
    assert isinstance(row, ws.Ticker)
    assert row.info == data(TICKER)
    single = TICKER.replace(b":all", b":BTC-USDT").replace(b'"BTC-USDT","data"', b'"trade.ticker","data"')
    assert event(single.replace(b'"time"', b'"Time"')).timestamp_ms == 1729757723612


def test_a_market_that_is_not_served_is_skipped() -> None:
    """All of KuCoin's thousand markets come, not all of them are ours."""
    unknown = TICKER.replace(b'"BTC-USDT"', b'"NEW-COIN"')
    assert batch(unknown) == ws.Batch("/market/ticker:all", (), 1)


def test_best_bid_and_ask_of_spot() -> None:
    """5: flat lists; ccxt's info is the whole frame."""
    row = event(LEVEL1)
    assert fields(row) == {
        "symbol": "BTC/USDT", "timestamp_ms": 1729816058766, "bid": 68145.7,
        "bid_volume": 1.29267802, "ask": 68145.8, "ask_volume": 0.51987471,
    }  # fmt: skip
    assert row.info == msgspec.json.decode(LEVEL1)
    empty = event(LEVEL1.replace(b'["68145.8","0.51987471"]', b"[]"))
    assert (empty.bid, empty.ask, empty.ask_volume) == (68145.7, None, None)


def test_best_bid_and_ask_of_a_contract() -> None:
    """6: numbered by the sequence of the book."""
    row = event(TICKER_V2)
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1731665526461, "bid": 88987.4,
        "bid_volume": 713.0, "ask": 88987.5, "ask_volume": 1037.0, "number": 1709284589209,
    }  # fmt: skip
    assert row.info == msgspec.json.decode(TICKER_V2)


def test_the_ticker_of_a_contract() -> None:
    """6: last, bid and ask; the statistics of a day are another channel."""
    row = event(CONTRACT)
    assert fields(row) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1731679215637, "last": 90147.7,
        "bid": 90147.7, "bid_volume": 2186.0, "ask": 90147.8, "ask_volume": 275.0,
    }  # fmt: skip
    assert row.info == data(CONTRACT)
    assert fields(event(DAY)) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1731900415023, "last": 90326.7,
        "open": 89880.4, "high": 91512.8, "low": 88747.8, "change": 446.3, "percentage": 0.49,
        "base_volume": 5834.46, "quote_volume": 526928331.0482178,
    }  # fmt: skip


def test_a_candle_is_open_close_high_low() -> None:
    """5: that order is the venue's alone; there is no word whether it is final."""
    one = batch(CANDLES)
    assert one.topic == "/market/candles:BTC-USDT_1hour"
    assert fields(one.events[0]) == {
        "symbol": "BTC/USDT", "timeframe": "1h", "open_ms": 1729839600000, "open": 67644.9,
        "high": 67724.8, "low": 67243.8, "close": 67437.6, "volume": 44.88321441,
        "timestamp_ms": 1729842192785, "source": "venue",
    }  # fmt: skip


def test_the_volume_of_a_contracts_candle_is_the_last_number() -> None:
    """6: contracts; what stands before it is something else."""
    assert fields(event(LIMIT_CANDLE)) == {
        "symbol": "BTC/USDT:USDT", "timeframe": "1m", "open_ms": 1731898200000,
        "open": 90638.1, "high": 90638.4, "low": 90638.0, "close": 90638.2, "volume": 22.0,
        "timestamp_ms": 1731898208357, "source": "venue",
    }  # fmt: skip


def test_an_instrument_tells_marks_and_rates_by_turns() -> None:
    """6: two subjects under one topic; the market is only in the topic."""
    mark, rate = event(MARK), event(RATE)
    assert fields(mark) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1731899129000, "mark_price": 90445.02,
        "index_price": 90445.03,
    }  # fmt: skip
    assert fields(rate) == {
        "symbol": "BTC/USDT:USDT", "timestamp_ms": 1551770400000, "funding_rate": -0.002966,
    }  # fmt: skip
    assert isinstance(rate, ws.FundingRate)
    other = b'{"topic":"/contract/instrument:XBTUSDTM","subject":"premium","data":{"timestamp":1}}'
    assert batch(other).events == []


# --- books ------------------------------------------------------------------------------------


def test_a_change_of_a_spot_book() -> None:
    """8.1: from the sequence before its first to its last."""
    row = event(LEVEL2)
    assert (row.kind, row.prev_id, row.last_id) == ("delta", 14701689782, 14701689783)
    assert (row.bids, [level[:2] for level in row.asks]) == ([], [(67993.3, 1.21427407)])
    assert row.timestamp_ms == 1729816425625
    assert event(LEVEL2.replace(b',"time":1729816425625', b"")).timestamp_ms is None  # as of 2021


def test_the_rows_of_a_spot_change_are_put_in_the_order_of_their_sequences() -> None:
    """Recorded frames of 2022 list them by price: the last word on a price must win."""
    rows = b'[["6","1","12"],["6","0","10"],["0","0","11"],["5","2","9"]]'
    frame = LEVEL2.replace(b'[["67993.3","1.21427407","14701689783"]]', rows)
    assert [level[:2] for level in event(frame).asks] == [(5.0, 2.0), (6.0, 0.0), (6.0, 1.0)]


def test_price_zero_only_advances_the_sequence() -> None:
    """8.1: a change of an order that rests in no level."""
    row = event(LEVEL2.replace(b'"67993.3","1.21427407"', b'"0","0"'))
    assert (row.bids, row.asks, row.last_id) == ([], [], 14701689783)
    row = event(CHANGE.replace(b"90631.2,sell,2", b"0,sell,0"))
    assert (row.bids, row.asks, row.last_id) == ([], [], 1709400450243)


@pytest.mark.parametrize(
    ("change", "bids", "asks"),
    [(b"90631.2,sell,2", [], [(90631.2, 2.0)]), (b"90631.2,buy,0", [(90631.2, 0.0)], [])],
)
def test_a_change_of_a_contracts_book(
    change: bytes, bids: list[ws.Level], asks: list[ws.Level]
) -> None:
    """8.2: one change a frame, each sequence follows the last by one."""
    row = event(CHANGE.replace(b"90631.2,sell,2", change))
    assert (row.kind, row.prev_id, row.last_id) == ("delta", 1709400450242, 1709400450243)
    assert (row.bids, row.asks, row.timestamp_ms) == (bids, asks, 1731897467182)


@pytest.mark.parametrize("change", [b"90631.2,2", b"90631.2,ask,2", b"x,sell,2", b""])
def test_an_odd_change_is_refused(change: bytes) -> None:
    """A book that guesses is wrong for ever."""
    with pytest.raises(DecodeError):
        decode(KUCOIN, CHANGE.replace(b"90631.2,sell,2", change), "futures", _SYMBOLS.get)


def test_whole_books() -> None:
    """8.3: they replace; the nonce is ccxt's, the time where there is no sequence."""
    row = event(DEPTH5)
    assert (row.kind, row.depth, row.last_id) == ("whole", 5, 1729822226746)
    assert (row.bids, row.asks) == ([(67996.6, 0.37969491)], [(67996.7, 1.14213262)])
    row = event(CONTRACT_DEPTH)
    assert (row.kind, row.depth, row.last_id) == ("whole", 5, 1709294294670)
    assert (row.bids, row.asks, row.timestamp_ms) == ([(89720.9, 513.0)], [(89721.0, 906.0)], 1731680019100)
    assert event(DEPTH5.replace(b"Depth5:", b"Depth50:")).depth == 50


def test_the_first_states() -> None:
    """8.1, 8.2: texts on spot, numbers and nanoseconds on futures; a side may be empty."""
    spot = {"code": "200000", "data": {
        "time": 1550653727731, "sequence": "3262786978", "bids": [["6500.12", "0.4505"]],
        "asks": [["6500.16", "0.5"]],
    }}  # fmt: skip
    row = KUCOIN.snapshot(spot, SPOT)
    assert (row.kind, row.last_id, row.timestamp_ms) == ("rest", 3262786978, 1550653727731)
    assert (row.bids, row.asks) == ([(6500.12, 0.4505)], [(6500.16, 0.5)])
    futures = {"data": {
        "symbol": "XBTUSDTM", "sequence": 100, "asks": [["5000.0", 1000]], "bids": None,
        "ts": 1604643655040584408,
    }}  # fmt: skip
    row = KUCOIN.snapshot(futures, SWAP)
    assert (row.last_id, row.timestamp_ms) == (100, 1604643655040)
    assert (row.bids, row.asks) == ([], [(5000.0, 1000.0)])


# --- UTA frames -> events ---------------------------------------------------------------------


def test_the_ask_of_a_uta_ticker_is_a() -> None:
    """7: `a` is above `b`. ccxt takes them the other way round (13.1)."""
    one = batch(UTA_TICKER)
    assert one.topic == "ticker.SPOT:ETH-USDT"
    (row,) = one.events
    assert fields(row) == {
        "symbol": "ETH/USDT", "timestamp_ms": 1774100940780, "last": 2155.54, "bid": 2155.54,
        "bid_volume": 23.3114947, "ask": 2155.55, "ask_volume": 0.5972689,
    }  # fmt: skip
    assert isinstance(row, ws.Ticker)
    assert row.info == data(UTA_TICKER)


@pytest.mark.parametrize(
    "frame", [UTA_TRADE, UTA_TRADE.replace(b'"buy"', b'"BUY"'), UTA_TRADE.replace(b'"ti":"20745928670070784"', b'"ti":20745928670070784')]
)  # fmt: skip
def test_a_uta_trade(frame: bytes) -> None:
    """7, 10: the side is written small or large, the id as a text or (10.2) as a number."""
    one = batch(frame)
    assert one.topic == "trade.SPOT:ETH-USDT"
    assert fields(one.events[0]) == {
        "symbol": "ETH/USDT", "id": "20745928670070784", "timestamp_ms": 1774618231141,
        "price": 1995.49, "amount": 0.3142324, "side": "buy", "count": 1,
    }  # fmt: skip


def test_a_uta_candle_says_whether_it_is_final() -> None:
    """7: S; a recorded frame writes it as a text."""
    one = batch(UTA_KLINE)
    assert one.topic == "kline.SPOT:ETH-USDT_1min"
    assert fields(one.events[0]) == {
        "symbol": "ETH/USDT", "timeframe": "1m", "open_ms": 1774621620000, "open": 1974.34,
        "high": 1974.97, "low": 1973.3, "close": 1973.4, "volume": 98.941095,
        "timestamp_ms": 1774621652314, "source": "venue",
    }  # fmt: skip
    assert event(UTA_KLINE).closed is False
    assert event(UTA_KLINE.replace(b'"S":false', b'"S":"true"')).closed is True


def test_uta_books() -> None:
    """8.3, 8.4: `50` replaces; `increment@10ms` begins with a state and goes on by O and C."""
    one = batch(UTA_BOOK)
    assert one.topic == "obu.SPOT@50:BTC-USDT"
    whole = event(UTA_BOOK)
    assert (whole.kind, whole.depth, whole.last_id, whole.timestamp_ms) == ("whole", 50, 20452522782, 1774624848673)
    assert (whole.bids, whole.asks) == ([(66532.4, 0.09489)], [(66532.5, 0.46243848)])
    first = event(UTA_BOOK.replace(b'"50"', b'"increment@10ms"'))
    assert (first.kind, first.last_id, first.depth) == ("snapshot", 20452522782, 500)
    delta = event(UTA_DELTA)
    assert batch(UTA_DELTA).topic == "obu.FUTURES@increment@10ms:XBTUSDTM"
    assert (delta.kind, delta.prev_id, delta.last_id) == ("delta", 1747821262583, 1747821262585)
    assert (delta.bids, delta.asks) == ([(66531.9, 0.0)], [])


def test_a_uta_book_of_an_unknown_kind_is_refused() -> None:
    """What is neither a state nor a change must not be taken for one."""
    with pytest.raises(DecodeError):
        decode(KUCOIN, UTA_DELTA.replace(b'"delta"', b'"patch"'), "uta_futures", _SYMBOLS.get)


def test_mark_price_and_open_interest_are_one_frame() -> None:
    """7: oi counts contracts."""
    mark, interest = batch(UTA_MARK).events
    assert batch(UTA_MARK).topic == "mark-price:ETHUSDTM"
    assert isinstance(mark, ws.MarkPrice)
    assert fields(mark) == {
        "symbol": "ETH/USDT:USDT", "timestamp_ms": 1782834987000, "mark_price": 1569.15,
        "index_price": 1569.87,
    }  # fmt: skip
    assert isinstance(interest, ws.OpenInterest)
    assert fields(interest) == {
        "symbol": "ETH/USDT:USDT", "timestamp_ms": 1782834987000,
        "open_interest_amount": 50541824.0,
    }  # fmt: skip
    assert interest.info == data(UTA_MARK)
    (alone,) = batch(UTA_MARK.replace(b',"oi":"50541824"', b"")).events
    assert isinstance(alone, ws.MarkPrice)


def test_a_funding_rate() -> None:
    """7: the times as ccxt names them; the interval as ccxt writes it."""
    row = event(UTA_FUNDING)
    assert batch(UTA_FUNDING).topic == "funding-fee:ETHUSDTM"
    assert fields(row) == {
        "symbol": "ETH/USDT:USDT", "funding_rate": 0.000035,
        "funding_timestamp_ms": 1782806400000, "next_funding_timestamp_ms": 1782835200000,
        "interval": "8h",
    }  # fmt: skip
    assert event(UTA_FUNDING.replace(b"28800000", b"7200000")).interval == "7200000"


# --- answers, errors, heartbeats --------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "frame", "expected"),
    [
        ("spot", b'{"id":"7","type":"welcome"}', [ws.Ready()]),
        ("uta_spot", b'{"sessionId":"d","message":"welcome","pingInterval":18000}', [ws.Ready()]),
        ("spot", b'{"id":"1","type":"ack"}', [ws.Ack("1")]),
        ("futures", b'{"id":1,"type":"ack"}', [ws.Ack("1")]),
        ("uta_spot", b'{"id":"p1","result":true}', [ws.Ack("p1")]),
        ("spot", b'{"id":"p16","type":"pong","timestamp":1763592000123456}', [ws.Pong("p16")]),
        ("uta_spot", b'{"type":"pong","id":"p32","ts":1763592000123456789}', [ws.Pong("p32")]),
        ("uta_spot", b'{"id":"p32","op":"pong","timestamp":1763592000123}', [ws.Pong("p32")]),
        (
            "uta_spot", b'{"id":"p1","result":false,"reason":"missing `symbol` for topic: obu"}',
            [ws.Refused("missing `symbol` for topic: obu", "p1")],
        ),
        (
            "uta_spot", b'{"id":"p1","result":false,"message":"invalid request data"}',
            [ws.Refused("invalid request data", "p1")],
        ),
        (
            "spot", b'{"id":"1","type":"error","code":415,"data":"type is not supported"}',
            [ws.Refused("type is not supported (code 415)", "1")],
        ),
    ],
)  # fmt: skip
def test_answers(at: str, frame: bytes, expected: list[ws.Inbound]) -> None:
    """1.1, 1.2, 3, 4."""
    assert list(found(frame, at)) == expected


def error(text: str, code: int = 404, number: str = '"id":"1",') -> list[ws.Inbound]:
    """Decode an error of a classic socket."""
    frame = f'{{{number}"type":"error","code":{code},"data":"{text}"}}'
    return list(found(frame.encode(), "spot"))


def test_the_culprit_is_found_where_the_venue_names_it() -> None:
    """4.1: of a request for many topics, the others are asked for again."""
    said = "topic /market/match:NO-COIN is not found"
    (refused,) = error(said)
    assert refused == ws.Refused(f"{said} (code 404)", "1", ("/market/match:NO-COIN",))


@pytest.mark.parametrize(
    "text",
    [
        "topic /market/match:A-B,C-D is not found", "topic does not exist",
        "topic /market/foo is not found",
    ],
)  # fmt: skip
def test_an_error_that_names_no_single_topic_concerns_the_request(text: str) -> None:
    """4.1: the core halves it until the culprit stands alone."""
    assert error(text) == [ws.Refused(f"{text} (code 404)", "1")]


def test_limits_of_subscriptions_are_refusals_and_of_messages_are_waited_out() -> None:
    """2, 4.1: code 509."""
    text = "exceed max subscription count limitation of 300 per session"
    assert error(text, 509) == [ws.Refused(f"{text} (code 509)", "1")]
    (refused,) = error("too many requests", 509)
    assert isinstance(refused, ws.Refused)
    assert (refused.retry, refused.retry_after_s) == (True, 10)


def test_an_expired_token_needs_another_connection() -> None:
    """4.1: nothing is wrong with the topics; a new address comes with a new token."""
    refused, closing = error("token is expired", 401)
    assert isinstance(refused, ws.Refused)
    assert (refused.about, refused.retry, refused.retry_after_s) == ("1", True, 30)
    assert isinstance(closing, ws.Closing)
    assert [type(item) for item in error("token is expired", 401, "")] == [ws.Closing]


def test_the_last_word_of_a_silent_connection() -> None:
    """3: it may come before the close."""
    assert error("ping timeout", 400, "") == [ws.Closing("ping timeout (code 400)")]


@pytest.mark.parametrize("at", VENUE.endpoints)
@pytest.mark.parametrize(
    "frame",
    [
        b"{}", b"[]", b"pong", b'{"id":"1","type":"ping"}', b'{"type":"error","code":400,"data":1}',
        b'{"id":"1","type":"subscribe","topic":"/market/match:BTC-USDT","response":true}',
        b'{"topic":"/margin/fundingBook:USDT","type":"message","subject":"x","data":{}}',
        b'{"T":"callAuctionInfo","d":{"s":"BTC-USDT"}}',
        b'{"topic":"/market/candles:BTC-USDT_7min","type":"message","data":{}}',
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(frame: bytes, at: str) -> None:
    """The core keeps such frames and says so."""
    with pytest.raises(DecodeError):
        decode(KUCOIN, frame, at, _SYMBOLS.get)


# --- requests ---------------------------------------------------------------------------------


def asked(*names: str, op: ws.Op = "subscribe") -> Any:
    """Return what a request says."""
    return msgspec.json.decode(KUCOIN.request(op, names, ws.Call("9", 0)))


def test_topics_of_one_channel_are_joined() -> None:
    """4.1: with an answer asked for."""
    assert asked("/market/level2:BTC-USDT", "/market/level2:ETH-USDT") == {
        "id": "9", "type": "subscribe", "topic": "/market/level2:BTC-USDT,ETH-USDT",
        "privateChannel": False, "response": True,
    }  # fmt: skip
    assert asked("/market/ticker:all", op="unsubscribe")["topic"] == "/market/ticker:all"
    joined = asked("/market/candles:BTC-USDT_1min", "/market/candles:ETH-USDT_1week")
    assert joined["topic"] == "/market/candles:BTC-USDT_1min,ETH-USDT_1week"


@pytest.mark.parametrize(
    ("names", "rest"),
    [
        (
            ["obu.FUTURES@increment@10ms:XBTUSDTM"],
            {"channel": "obu", "tradeType": "FUTURES", "symbol": "XBTUSDTM", "depth": "increment@10ms"},
        ),
        (["trade.SPOT:BTC-USDT"], {"channel": "trade", "tradeType": "SPOT", "symbol": "BTC-USDT"}),
        (
            ["kline.SPOT:BTC-USDT_1hour"],
            {"channel": "kline", "tradeType": "SPOT", "symbol": "BTC-USDT", "interval": "1hour"},
        ),
        (
            ["ticker.SPOT:BTC-USDT", "ticker.SPOT:ETH-USDT"],
            {"channel": "ticker", "tradeType": "SPOT", "symbols": ["BTC-USDT", "ETH-USDT"]},
        ),
        (["mark-price:XBTUSDTM"], {"channel": "mark-price", "symbol": "XBTUSDTM"}),
        (["funding-fee:XBTUSDTM"], {"channel": "funding-fee", "symbols": ["XBTUSDTM"]}),
    ],
)  # fmt: skip
def test_uta_requests(names: list[str], rest: dict[str, Any]) -> None:
    """4.2, 7: one symbol, but for tickers and funding; those of 4.2 without a trade type."""
    assert asked(*names) == {"id": "9", "action": "subscribe", **rest}
    assert asked(*names, op="unsubscribe") == {"id": "9", "action": "unsubscribe", **rest}


def test_a_ping() -> None:
    """3."""
    assert msgspec.json.decode(KUCOIN.ping(ws.Call("p16", 0))) == {"id": "p16", "type": "ping"}


def test_an_address_comes_from_the_answer_about_the_token() -> None:
    """1.1, 3: the token is escaped; pings a little faster than the venue wants them."""
    answer = {"code": "200000", "data": {"token": "2neA+/==", "instanceServers": [
        {"endpoint": "wss://ws-api-spot.kucoin.com/", "encrypt": True, "protocol": "websocket",
         "pingInterval": 18000, "pingTimeout": 10000},
    ]}}  # fmt: skip
    dial = KUCOIN.dial("wss://elsewhere/", ws.Call("3", 0, "spot"), answer)
    assert dial.url == "wss://ws-api-spot.kucoin.com/?token=2neA%2B%2F%3D%3D&connectId=3"
    assert dial.heartbeat is not None
    assert dial.heartbeat.by == "message"
    assert dial.heartbeat.every_s == pytest.approx(15)
    assert dial.heartbeat.timeout_s == 10
    assert dial.heartbeat.silence_s > dial.heartbeat.every_s + dial.heartbeat.timeout_s
    assert KUCOIN.dial("wss://x", ws.Call("3", 0, "uta_spot")) == ws.Dial("wss://x")


# --- routes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spot", "swap"),
    [
        (Kind.TRADES, "/market/match", "/contractMarket/execution"),
        (Kind.BOOK, "/market/level2", "/contractMarket/level2"),
        (Kind.TICKER, "/market/snapshot", "/contractMarket/ticker"),
        (Kind.BIDS_ASKS, "/spotMarket/level1", "/contractMarket/tickerV2"),
    ],
)
def test_the_channels_that_ccxt_takes(kind: Kind, spot: str, swap: str) -> None:
    """5, 6."""
    assert topics(kind) == [("spot", f"{spot}:BTC-USDT")]
    assert topics(kind, SWAP) == [("futures", f"{swap}:XBTUSDTM")]
    assert topics(kind, DATED) == [("futures", f"{swap}:XBTMZ26")]
    (route,) = KUCOIN.route(sub(kind))
    assert route.group == spot


def test_tickers_by_method() -> None:
    """5: watchTickers is quicker and poorer than watchTicker, as in ccxt."""
    assert topics(Kind.TICKER, called="watchTickers") == [("spot", "/market/ticker:BTC-USDT")]
    chosen = topics(Kind.TICKER, called="watchTickers", spotMethod="/market/snapshot")
    assert chosen == [("spot", "/market/snapshot:BTC-USDT")]
    day = topics(Kind.TICKER, SWAP, contractMethod="/contractMarket/snapshot")
    assert day == [("futures", "/contractMarket/snapshot:XBTUSDTM")]


def test_all_tickers_are_spots_alone() -> None:
    """5: and `all` joins no list of symbols."""
    (route,) = KUCOIN.route(sub(Kind.TICKER, None, called="watchTickers", market_type="spot"))
    assert (route.endpoint, route.topic) == ("spot", "/market/ticker:all")
    (other,) = KUCOIN.route(sub(Kind.TICKER, called="watchTickers"))
    assert route.group != other.group
    assert topics(Kind.TICKER, None, market_type="swap") == []
    assert topics(Kind.TICKER, None, market_type="spot", uta="true") == []


def test_candles() -> None:
    """5, 6: futures are asked for one by one, and have no six hours (7)."""
    assert topics(Kind.OHLCV, timeframe="1M") == [("spot", "/market/candles:BTC-USDT_1month")]
    assert topics(Kind.OHLCV, SWAP, timeframe="1m") == [
        ("futures", "/contractMarket/limitCandle:XBTUSDTM_1min")
    ]
    (spot,) = KUCOIN.route(sub(Kind.OHLCV, timeframe="1m"))
    (swap,) = KUCOIN.route(sub(Kind.OHLCV, SWAP, timeframe="1m"))
    assert (spot.group, swap.group) == ("/market/candles", swap.topic)
    assert topics(Kind.OHLCV, SWAP, timeframe="6h") == []
    assert topics(Kind.OHLCV, SWAP, timeframe="6h", uta="true") == []


@pytest.mark.parametrize(
    ("depth", "suffix"),
    [(0, ""), (1, "Depth5"), (5, "Depth5"), (20, ""), (50, "Depth50"), (100, ""), (1000, "")],
)
def test_the_depth_chooses_the_channel(depth: int, suffix: str) -> None:
    """5, 6: 5 and 50 as in ccxt; every other one is a cut of the full book."""
    spot = f"/spotMarket/level2{suffix}" if suffix else "/market/level2"
    assert topics(Kind.BOOK, depth=depth) == [("spot", f"{spot}:BTC-USDT")]
    assert topics(Kind.BOOK, SWAP, depth=depth) == [
        ("futures", f"/contractMarket/level2{suffix}:XBTUSDTM")
    ]


def test_books_by_method() -> None:
    """5: ccxt's three names of the same switch; a channel of the other market is none."""
    whole = "/spotMarket/level2Depth50"
    for name in ("method", "spotMethod"):
        assert topics(Kind.BOOK, depth=5, **{name: whole}) == [("spot", f"{whole}:BTC-USDT")]
    contract = topics(Kind.BOOK, SWAP, contractMethod="/contractMarket/level2Depth5")
    assert contract == [("futures", "/contractMarket/level2Depth5:XBTUSDTM")]
    assert topics(Kind.BOOK, SWAP, spotMethod=whole) == topics(Kind.BOOK, SWAP)
    assert topics(Kind.BOOK, SWAP, method=whole) == []


def test_where_a_book_begins() -> None:
    """8.1, 8.2: only books of changes need a first state."""
    (spot,) = KUCOIN.route(sub(Kind.BOOK))
    (swap,) = KUCOIN.route(sub(Kind.BOOK, SWAP))
    (whole,) = KUCOIN.route(sub(Kind.BOOK, depth=5))
    assert whole.snapshot is None
    assert spot.snapshot is not None
    assert spot.snapshot.rest(0).params == {"symbol": "BTC-USDT", "level": 2, "limit": 100}
    assert spot.snapshot.rest(10).params["limit"] == 20
    assert swap.snapshot is not None
    rest = swap.snapshot.rest(0)
    assert (rest.method, rest.params) == ("futuresPublicGetLevel2Snapshot", {"symbol": "XBTUSDTM"})
    assert swap.snapshot.reach(rest) is None


@pytest.mark.parametrize(
    ("kind", "spot", "swap"),
    [
        (Kind.TRADES, "trade.SPOT", "trade.FUTURES"),
        (Kind.TICKER, "ticker.SPOT", "ticker.FUTURES"),
        (Kind.BOOK, "obu.SPOT@increment@10ms", "obu.FUTURES@increment@10ms"),
    ],
)
def test_uta_channels_on_request(kind: Kind, spot: str, swap: str) -> None:
    """7: `increment` is served by the channel that brings its own first state (1.3)."""
    assert topics(kind, uta="true") == [("uta_spot", f"{spot}:BTC-USDT")]
    assert topics(kind, SWAP, uta="true") == [("uta_futures", f"{swap}:XBTUSDTM")]
    (route,) = KUCOIN.route(sub(kind, uta="true"))
    assert route.snapshot is None


def test_uta_depths_and_candles() -> None:
    """7."""
    assert topics(Kind.BOOK, uta="true", utaDepth="5") == [("uta_spot", "obu.SPOT@5:BTC-USDT")]
    assert topics(Kind.OHLCV, uta="true", timeframe="1d") == [
        ("uta_spot", "kline.SPOT:BTC-USDT_1day")
    ]


def test_what_only_contracts_have() -> None:
    """6, 7: from UTA as in ccxt, or from the classic channel; funding only for perpetuals."""
    for kind in (Kind.MARK_PRICE, Kind.OPEN_INTEREST):
        assert topics(kind, SWAP) == [("uta_futures", "mark-price:XBTUSDTM")]
        assert topics(kind, DATED) == [("uta_futures", "mark-price:XBTMZ26")]
        assert topics(kind) == []
    assert topics(Kind.FUNDING_RATE, SWAP) == [("uta_futures", "funding-fee:XBTUSDTM")]
    assert topics(Kind.FUNDING_RATE, DATED) == []
    for kind in (Kind.MARK_PRICE, Kind.FUNDING_RATE):
        assert topics(kind, SWAP, method="/contract/instrument") == [
            ("futures", "/contract/instrument:XBTUSDTM")
        ]
    assert Kind.LIQUIDATIONS not in VENUE.kinds


# --- missed trades ----------------------------------------------------------------------------


def test_missed_trades_of_spot() -> None:
    """REST numbers them by the sequence that the stream calls their id; newest last."""
    (route,) = KUCOIN.route(sub(Kind.TRADES))
    assert route.history is not None
    assert route.history.recent.method == "publicGetMarketHistories"
    row = {"sequence": "10976028003549185", "price": "67122", "size": "0.000025", "side": "buy", "time": 1729177117877999999}
    later = {**row, "sequence": "10976028003549188"}
    first, second = KUCOIN.history({"data": [later, row]}, route, SPOT)
    assert isinstance(first, ws.Trade)
    assert isinstance(second, ws.Trade)
    assert (first.id, second.id) == ("10976028003549185", "10976028003549188")
    assert (first.timestamp_ms, first.price, first.amount, first.side) == (1729177117877, 67122.0, 0.000025, "buy")
    assert first.info == {**row, "symbol": "BTC-USDT", "tradeId": "10976028003549185"}


def test_missed_trades_of_futures() -> None:
    """They have the stream's own ids and times beside them."""
    (route,) = KUCOIN.route(sub(Kind.TRADES, SWAP))
    assert route.history is not None
    assert route.history.recent.method == "futuresPublicGetTradeHistory"
    body = {"code": "200000", "data": [data(EXECUTION)]}
    (past,) = KUCOIN.history(body, route, SWAP)
    live = event(EXECUTION)
    assert fields(past) == fields(live)


# --- facts ------------------------------------------------------------------------------------


def test_limits_and_lifetimes() -> None:
    """2, 12: at most 300 topics on a spot socket; a socket is replaced before its day is over."""
    spot, futures = VENUE.endpoints["spot"], VENUE.endpoints["futures"]
    assert (spot.limits.topics_per_connection, futures.limits.topics_per_connection) == (300, None)
    assert spot.limits.topics_per_request == 100
    assert spot.limits.messages == ws.Window(n=100, per_s=10)
    assert (spot.limits.lifetime_s or 0) > (spot.limits.rotate_after_s or 0) == 23 * 3600
    assert spot.ask_first == "publicPostBulletPublic"
    assert futures.ask_first == "futuresPublicPostBulletPublic"
    assert all(endpoint.awaits_ready for endpoint in VENUE.endpoints.values())
    assert all(endpoint.testnet is endpoint.demo is None for endpoint in VENUE.endpoints.values())
    assert VENUE.endpoints["uta_spot"].limits.topics_per_connection == 600


def test_the_twin_has_the_futures_alone() -> None:
    """The class `kucoinfutures` of ccxt is the same venue without spot."""
    venue = KuCoinFutures.venue
    assert (venue.id, venue.ccxt_id) == ("kucoinfutures", "kucoinfutures")
    assert set(venue.endpoints) == {"futures", "uta_futures"}
    assert venue.market_types == ("swap", "future")
    assert KuCoinFutures().route(sub(Kind.TRADES, SWAP)) == KUCOIN.route(sub(Kind.TRADES, SWAP))
