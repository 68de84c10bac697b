"""Recorded frames of Binance: they find their topics, and single ones are read or refused.

Section numbers are those of the protocol sheet for Binance.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import msgspec
import pytest

from tests.support import recording
from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.testing.market import E8
from unified_ws.testing.side import Recorded
from unified_ws.testing.venues._binance_products import split
from unified_ws.testing.venues.binance import Binance
from unified_ws.venues.binance import Binance as Adapter

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


# --- futures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, name, topic",
    [
        ("wss://fstream.binance.com/stream", "a@trade", "usdm-public|a@trade"),
        ("wss://fstream.binance.com/stream", "a@kline_1m", "usdm-market|a@kline_1m"),
        ("wss://fstream.binance.com/market/stream", "a@depth@0ms", "usdm-public|a@depth@0ms"),
        ("wss://dstream.binance.com/stream", "a_perp@kline_1m", "coinm|a_perp@kline_1m"),
        ("wss://stream.binance.us:9443/stream", "a@trade", "a@trade"),
    ],
)
def test_the_address_tells_the_product_and_the_name_the_route(
    url: str, name: str, topic: str
) -> None:
    """Section 1.2: recordings are older than the split; they are played as it is today."""
    wrapped = b'{"stream":"%s","data":{}}' % name.encode()

    assert Binance.recorded_topics(f"{url}?streams={name}", []) == [topic]
    assert Binance.identify(wrapped, [], url) == Recorded(topic, b"{}")


def test_what_nobody_asked_for_is_taken_for_the_usual() -> None:
    """One session was recorded without its requests."""
    raw = b'{"e":"depthUpdate","s":"ETHUSDT","U":1,"u":2,"pu":0}'

    found = Binance.identify(raw, [], "wss://fstream.binance.com/ws")
    assert found == Recorded("usdm-public|ethusdt@depth@100ms", raw)
    assert Binance.identify(b'{"e":"TRADE_LITE","s":"A"}', [], "wss://fstream.binance.com/ws") is None


@pytest.mark.parametrize(
    "topic, market_id, symbol, size",
    [
        ("usdm-public|btcusdt@trade", "usdm|BTCUSDT", "BTC/USDT:USDT", 1),
        ("usdm-market|ethusdt_261225@ticker", "usdm|ETHUSDT_261225", "ETH/USDT:USDT-261225", 1),
        ("coinm|btcusd_perp@trade", "coinm|BTCUSD_PERP", "BTC/USD:BTC", 100),
        ("coinm|linkusd_211231@trade", "coinm|LINKUSD_211231", "LINK/USD:LINK-211231", 10),
    ],
)
def test_contracts_are_told_by_their_ids(
    topic: str, market_id: str, symbol: str, size: int
) -> None:
    """Section 5: contracts of 100 USD for BTC, of 10 USD for others."""
    books = {"dapi/depth:BTCUSD_PERP": b'{"bids":[["100.5","3"]],"asks":[["101.0","7"]]}'}
    (spec,) = Binance.specs_of([market_id], books)

    assert Binance.market_id(topic) == market_id
    assert (spec.symbol, int(spec.contract_size)) == (symbol, size)
    assert symbol != "BTC/USD:BTC" or (spec.tick, spec.step) == (E8 // 2, E8)


def test_a_snapshot_of_futures_goes_on_by_pu() -> None:
    """Section 6.4: the first id of an update says nothing."""
    snapshot = b'{"lastUpdateId":5,"E":1,"T":1,"bids":[["1.0","2"]],"asks":[]}'
    first = b'{"U":9,"u":12,"pu":5,"b":[["1.0","0"]],"a":[["1.5","1"]]}'
    beyond = b'{"U":13,"u":19,"pu":18,"b":[],"a":[]}'

    assert Binance.advance(snapshot, [first]) == (
        b'{"lastUpdateId":12,"E":1,"T":1,"bids":[],"asks":[["1.5","1"]]}'
    )
    assert Binance.advance(snapshot, [first, beyond]) is None
    topic = "usdm-public|btcusdt@depth@100ms"
    key = Binance.rest_key("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "50"})
    assert Binance.snapshot_key(topic) == key == "fapi/depth:BTCUSDT"


# --- collections of single frames ---------------------------------------------------------

PRIVATE, OTHER, CUT = "private", "a stream that is not watched", "a fixture cut short"
READ = {
    "frames_gct": {"Ticker": 1, "Candle": 1, "Trade": 1, "BookUpdate": 1},
    "frames_jkorf": {
        "Trade": 2, "Candle": 2, "Ticker": 1, "BidAsk": 1, "MarkPrice": 1, "FundingRate": 1,
    },
    "frames_nautilus": {
        "Trade": 2, "BookUpdate": 1, "Candle": 1, "MarkPrice": 1, "FundingRate": 1,
    },
}  # fmt: skip
"""How many events of each type come of a collection."""
REFUSED = {
    "frames_gct": {PRIVATE: 4},
    "frames_jkorf": {PRIVATE: 13, OTHER: 5, CUT: 4},
    "frames_nautilus": {PRIVATE: 12},
}
"""How many of its frames are refused, by reason; there are no others."""


def frames(name: str) -> Iterator[tuple[bytes, str]]:
    """Yield the inbound frames of a collection as our connection has them, with the endpoint."""
    with gzip.open(recording(f"binance/{name}") / "frames.jsonl.gz", "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] != "in":
                continue
            raw, source = entry["raw"].encode(), entry["src"].lower()
            place = "coinm" if "coin" in source else "usdm-market" if "usd" in source else "spot"
            if b'"stream"' not in raw and "futures/market" in source:
                found = Binance.identify(raw, [], "wss://fstream.binance.com/ws")
                assert found is not None
                place, stream = split(found.topic)
                raw = b'{"stream":"%s","data":%s}' % (stream.encode(), raw)
            yield raw, place


def reason(raw: bytes, error: DecodeError) -> str:
    """Say why a frame may be refused."""
    stream = msgspec.json.decode(raw).get("stream", "")
    if "@" not in stream and not stream.startswith("!"):
        assert "no stream that is asked for" in str(error) or "neither an event" in str(error)
        return PRIVATE
    if "no stream that is asked for" in str(error):
        return OTHER
    assert "missing required field" in str(error)
    return CUT


@pytest.mark.parametrize("name", READ)
def test_every_single_frame_is_read_or_refused_with_a_reason(name: str) -> None:
    """Fixtures of three other libraries: documented and live frames, public and private."""
    read: dict[str, int] = {}
    refused: dict[str, int] = {}
    for raw, place in frames(name):
        try:
            (batch,) = decode(Adapter(), raw, place, lambda market_id: market_id)
        except DecodeError as error:
            why = reason(raw, error)
            refused[why] = refused.get(why, 0) + 1
            continue
        assert isinstance(batch, ws.Batch)
        assert (batch.skipped, list(batch.bad)) == (0, [])
        for event in batch.events:
            kind = type(event).__name__
            read[kind] = read.get(kind, 0) + 1
    assert (read, refused) == (READ[name], REFUSED[name])
