"""Recorded frames of Binance find their topics, whatever the mode of their connection.

Section numbers are those of the protocol sheet for Binance.
"""

from __future__ import annotations

import pytest

from unified_ws.testing.side import Recorded
from unified_ws.testing.venues.binance import Binance

TOPICS = [
    "btcusdt@trade",
    "btcusdt@depth@100ms",
    "btcusdt@bookTicker",
    "btcusdt@kline_1m@+08:00",
    "ethusdt@depth5@100ms",
    "!miniTicker@arr",
    "!ticker_4h@arr",
    "btcusdt@ticker_1d",
]


@pytest.mark.parametrize(
    "payload, topic",
    [
        (b'{"e":"trade","E":1,"s":"BTCUSDT","t":1}', "btcusdt@trade"),
        (b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2}', "btcusdt@depth@100ms"),
        (b'{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}', "btcusdt@bookTicker"),
        (b'{"e":"kline","s":"BTCUSDT","k":{"i":"1m"}}', "btcusdt@kline_1m@+08:00"),
        (b'{"lastUpdateId":160,"bids":[],"asks":[]}', "ethusdt@depth5@100ms"),
        (b'[{"e":"24hrMiniTicker","s":"BTCUSDT"}]', "!miniTicker@arr"),
        (b'[{"e":"4hTicker","s":"BTCUSDT"}]', "!ticker_4h@arr"),
        (b'{"e":"1dTicker","s":"BTCUSDT"}', "btcusdt@ticker_1d"),
    ],
)
def test_frames_find_their_topics(payload: bytes, topic: str) -> None:
    """Sections 5 and 6.1: by the wrapper in combined mode, else by what the event says."""
    wrapped = b'{"stream":"%s","data":%s}' % (topic.encode(), payload)

    assert Binance.identify(payload, TOPICS) == Recorded(topic, payload)
    assert Binance.identify(wrapped, TOPICS) == Recorded(topic, payload)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"result":null,"id":1}',
        b'{"e":"serverShutdown","E":1}',
        b"nonsense",
        b"[]",
        b'{"e":"trade","E":1,"s":"ETHUSDT","t":1}',
    ],
)
def test_other_frames_belong_to_no_topic(raw: bytes) -> None:
    """Answers, notices and noise are not played."""
    assert Binance.identify(raw, TOPICS) is None


def test_topics_come_from_the_url_and_from_requests() -> None:
    """Section 1.1: three forms of URL, and SUBSCRIBE."""
    sent = [b'{"method":"SUBSCRIBE","params":["c@trade"],"id":1}', b'{"id":2}', b"noise"]
    host = "wss://stream.binance.com:9443"

    assert Binance.recorded_topics(f"{host}/stream?streams=a@trade/b@depth", sent) == [
        "a@trade",
        "b@depth",
        "c@trade",
    ]
    assert Binance.recorded_topics(f"{host}/ws/a@trade", []) == ["a@trade"]
    assert Binance.recorded_topics(f"{host}/ws/3", []) == []


@pytest.mark.parametrize(
    "market_id, symbol",
    [("BTCUSDT", "BTC/USDT"), ("BTCFDUSD", "BTC/FDUSD"), ("RENBTCETH", "RENBTC/ETH")],
)
def test_ids_are_split_at_known_quotes(market_id: str, symbol: str) -> None:
    """A recording without exchangeInfo still lists its markets."""
    assert [spec.symbol for spec in Binance.specs_of([market_id, "NOQUOTE"], {})] == [symbol]


def test_deltas_that_do_not_connect_are_not_applied() -> None:
    """Section 6.3: a gap makes a snapshot useless for what comes after it."""
    snapshot = b'{"lastUpdateId":5,"bids":[["1.0","2"]],"asks":[["2.0","1"]]}'
    stale = b'{"U":3,"u":5,"b":[["1.0","9"]],"a":[]}'
    first = b'{"U":5,"u":7,"b":[["1.0","0"],["0.9","3"]],"a":[["1.5","1"]]}'
    beyond = b'{"U":9,"u":9,"b":[],"a":[]}'

    assert Binance.advance(snapshot, [stale, first]) == (
        b'{"lastUpdateId":7,"bids":[["0.9","3"]],"asks":[["1.5","1"],["2.0","1"]]}'
    )
    assert Binance.advance(snapshot, [first, beyond]) is None
