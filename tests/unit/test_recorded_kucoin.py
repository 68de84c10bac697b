"""Single recorded frames of KuCoin: each becomes what ccxt makes of it, or is refused.

The frames are samples of the venue's own SDK and fixtures of two other libraries; ccxt's own
handlers are the second opinion. Section numbers are those of the sheet for KuCoin.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import ccxt.pro
import pytest

from tests.support import recording
from unified_ws import adapter as ws
from unified_ws import formats
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.venues.kucoin import KuCoin

KUCOIN = KuCoin()
COLLECTIONS = {
    # what comes of the frames: events by type, answers by type; the snapshots of a whole area of
    # the market ("/market/snapshot:BTC") are not asked for, and skipped
    "frames_sdk_spot_public": {"Ticker": 3, "BookUpdate": 4, "Candle": 1, "BidAsk": 1, "Trade": 1},
    "frames_sdk_futures_public": {
        "Ticker": 2, "BookUpdate": 3, "Candle": 1, "BidAsk": 1, "Trade": 1, "MarkPrice": 1,
    },
    "frames_sdk_spot_private": {},
    "frames_sdk_futures_private": {},
    "frames_gct": {
        "Ticker": 4, "BookUpdate": 4, "Candle": 1, "BidAsk": 1, "Trade": 2, "MarkPrice": 1,
        "FundingRate": 1,
    },
    "frames_jkorf": {"Ticker": 3, "BookUpdate": 3, "Candle": 2, "Trade": 3, "Ack": 38},
}  # fmt: skip
REFUSED = {
    # private, or public and never asked for: no such topic is in any request of ours
    "/account/balance", "/callauction/callauctionData", "/contract/announcement",
    "/contract/crossLeverage", "/contract/marginMode", "/contract/position",
    "/contract/positionAll", "/contractAccount/wallet", "/contractMarket/advancedOrders",
    "/contractMarket/tradeOrders", "/indicator/index", "/indicator/markPrice",
    "/margin/fundingBook", "/margin/loan", "/margin/position", "/spotMarket/advancedOrders",
    "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2", "balance", "execution", "leverage",
    "order", "orderAll", "position", "positionAll", "callAuctionInfo",
}  # fmt: skip



def frames(collection: str) -> Iterator[bytes]:
    """Yield the inbound frames of a collection."""
    path = recording(f"kucoin/{collection}") / "frames.jsonl.gz"
    for line in gzip.decompress(path.read_bytes()).splitlines():
        told = json.loads(line)
        if told["dir"] == "in":
            yield told["raw"].encode()


def made_up(frame: bytes) -> bool:
    """Say whether it is a fixture that no venue sent: a candle of one number."""
    data = json.loads(frame).get("data")
    return isinstance(data, dict) and len(data.get("candles", "seven..")) != 7


def channel(frame: bytes) -> str:
    """Return the channel that a frame names."""
    told = json.loads(frame)
    return str(told.get("topic", told.get("T", ""))).partition(":")[0].partition(".")[0]


def endpoint(frame: bytes) -> str:
    """Return where such a frame comes from."""
    told = json.loads(frame)
    if "result" in told or "T" in told:
        return "uta_spot"
    return "futures" if "ontract" in told.get("topic", "") else "spot"


def market(market_id: str) -> dict[str, Any]:
    """Describe a market by its id alone, as ccxt does."""
    contract = "-" not in market_id
    base, quote = ("BTC", "USDT") if contract else market_id.split("-")
    symbol = f"{base}/{quote}:{quote}-{market_id}" if contract else f"{base}/{quote}"
    return {
        "id": market_id, "symbol": symbol, "base": base, "quote": quote, "baseId": base,
        "quoteId": quote, "type": "swap" if contract else "spot", "spot": not contract,
        "swap": contract, "contract": contract, "linear": contract or None,
        "inverse": False if contract else None, "contractSize": 1.0 if contract else None,
        "settle": quote if contract else None, "precision": {}, "limits": {}, "active": True,
    }  # fmt: skip


def described(market_id: str) -> ws.Market:
    """Describe a market to our formats."""
    told = market(market_id)
    return ws.Market(
        told["symbol"], market_id, told["type"], told["base"], told["quote"], told["settle"],
        told["linear"], told["inverse"], told["contractSize"],
    )  # fmt: skip


class Client:
    """What ccxt's handlers need of a connection: somebody to tell."""

    def __init__(self) -> None:
        self.url = "wss://ws-api-spot.kucoin.com/?token=T"
        self.subscriptions: dict[str, Any] = {}
        self.told: list[Any] = []
        self.lastPong = self.keepAlive = 0

    def resolve(self, value: Any, _hash: str) -> None:
        """Note what a handler tells."""
        self.told.append(value)


@cache
def ccxts() -> Any:
    """Return ccxt's object, which never opens a connection here."""
    return ccxt.pro.kucoin()


def second_opinion(frame: bytes, market_ids: list[str]) -> Any:
    """Return what ccxt tells of a frame, the first of it."""
    told = json.loads(frame)
    exchange, client = ccxts(), Client()
    exchange.set_markets([market(market_id) for market_id in market_ids])
    # Some fixtures leave the type out, and ccxt goes by it.
    exchange.handle_message(client, told if "T" in told else {**told, "type": "message"})
    return client.told[0]


def market_ids_in(frame: bytes) -> list[str]:
    """Return the markets that a frame of data may be about."""
    told = json.loads(frame)
    data = told.get("data") or told.get("d") or {}
    inner = data.get("data", data)
    ids = {
        str(told.get("topic", "")).partition(":")[2].partition("_")[0], inner.get("symbol", ""),
        inner.get("s", ""), told.get("subject", ""),
    }  # fmt: skip
    return sorted(i for i in ids if i.isupper() and i not in ("", "BTC"))


def ours(event: ws.Event, market_id: str) -> Any:
    """Return an event as our ccxt face hands it out."""
    if isinstance(event, ws.Trade):
        return formats.trade_dict(event, described(market_id))
    if isinstance(event, ws.Candle):
        return list(formats.candle_row(event))
    if isinstance(event, ws.BidAsk):
        return formats.bid_ask_dict(event)
    if isinstance(event, ws.Ticker):
        return formats.ticker_dict(event, lambda told, _symbol: ccxts().safe_ticker(told))
    raise TypeError(type(event))


def decoded(frame: bytes) -> list[ws.Inbound]:
    """Decode a frame where every market is known."""
    symbols = {i: market(i)["symbol"] for i in market_ids_in(frame)}
    return list(decode(KUCOIN, frame, endpoint(frame), symbols.get))


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_frame_is_read_or_refused_with_a_reason(collection: str) -> None:
    """What is refused is no channel of ours, or no frame of the venue's."""
    count: Counter[str] = Counter()
    for frame in frames(collection):
        if made_up(frame) or channel(frame) in REFUSED:
            reason = "Expected `array` of length 7" if made_up(frame) else "no channel of ours"
            with pytest.raises(DecodeError, match=reason):
                decoded(frame)
            continue
        for item in decoded(frame):
            if isinstance(item, ws.Batch):
                count.update(type(event).__name__ for event in item.events)
            else:
                count[type(item).__name__] += 1
    assert count == COLLECTIONS[collection]


SAME_AS_CCXT = {ws.Trade, ws.Candle, ws.BidAsk, ws.Ticker}
FILLED = {"bidVolume", "askVolume"}  # of /market/snapshot: the frame has them, ccxt leaves them out
SWAPPED = {"bid", "ask", "bidVolume", "askVolume"}  # 13.1: of UTA tickers, by ccxt
TIME = {"timestamp", "datetime"}


@pytest.mark.parametrize("collection", ["frames_sdk_spot_public", "frames_sdk_futures_public", "frames_gct", "frames_jkorf"])  # fmt: skip
def test_the_values_are_those_that_ccxt_reads(collection: str) -> None:
    """Trades, candles, tickers, best bids and asks, field by field."""
    compared = 0
    for frame in frames(collection):
        if channel(frame) in REFUSED | {"/contractMarket/snapshot"} or "result" in json.loads(frame):
            continue
        if made_up(frame):
            continue
        for item in decoded(frame):
            for event in item.events if isinstance(item, ws.Batch) else ():
                if type(event) not in SAME_AS_CCXT:
                    continue
                ids = market_ids_in(frame)
                theirs = second_opinion(frame, ids)
                theirs = theirs[-1] if isinstance(theirs, list) else theirs
                if "topic" in theirs["info"] if isinstance(theirs, dict) else False:
                    theirs = {**theirs, "info": json.loads(frame)}
                mine = ours(event, ids[0])
                compared += 1
                if isinstance(mine, list):
                    assert mine == theirs
                    continue
                different = {key for key in mine if mine[key] != theirs[key]}
                if different & TIME and theirs["timestamp"] is not None:
                    # ccxt multiplies nanoseconds as floats, and cuts: at most one less.
                    assert mine["timestamp"] == theirs["timestamp"] + 1
                    different -= TIME
                elif different & TIME:
                    assert b'"Time"' in frame  # 5: the older name of the field
                    different -= TIME
                if channel(frame) == "/market/snapshot":
                    assert different <= FILLED
                elif "T" in json.loads(frame) and isinstance(event, ws.Ticker):
                    assert different == SWAPPED
                    assert (mine["bid"], mine["ask"]) == (theirs["ask"], theirs["bid"])
                else:
                    assert different == set(), frame
    assert compared >= 3


@pytest.mark.parametrize("collection", ["frames_sdk_spot_public", "frames_sdk_futures_public", "frames_gct"])  # fmt: skip
def test_books_hold_the_rows_of_their_frames(collection: str) -> None:
    """8: whole books row by row, changes by their sequences."""
    compared = 0
    for frame in frames(collection):
        data = json.loads(frame).get("data", {})
        for item in decoded(frame) if "level2" in channel(frame) else ():
            assert isinstance(item, ws.Batch)
            (update,) = item.events
            assert isinstance(update, ws.BookUpdate)
            compared += 1
            if "change" in data:
                price, side, size = data["change"].split(",")
                rows = update.bids if side == "buy" else update.asks
                assert rows == [(float(price), float(size))]
                assert update.last_id == data["sequence"]
                continue
            sides = data.get("changes", data)
            for name, rows in (("bids", update.bids), ("asks", update.asks)):
                told = sorted((float(p), float(q)) for p, q, *_ in sides[name])
                assert sorted(row[:2] for row in rows) == told
            assert update.last_id == data.get("sequenceEnd", data.get("sequence", data.get("timestamp")))
    assert compared >= 3
