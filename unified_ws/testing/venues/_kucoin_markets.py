"""KuCoin's markets: ids, topics, numbers as it writes them, its lists.

Section numbers are those of the project's protocol sheet for KuCoin. Topics of the classic sockets
are the venue's own words ("/market/level2:BTC-USDT"), those of UTA are made of channel, trade type,
depth and market ("obu.SPOT@50:BTC-USDT"), since requests there are objects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, Spec

TYPES = {  # 5: types of candles
    "1min": "1m", "3min": "3m", "5min": "5m", "15min": "15m", "30min": "30m", "1hour": "1h",
    "2hour": "2h", "4hour": "4h", "6hour": "6h", "8hour": "8h", "12hour": "12h", "1day": "1d",
    "1week": "1w", "1month": "1M",
}  # fmt: skip
SPOT = frozenset({
    "/market/ticker", "/market/snapshot", "/spotMarket/level1", "/spotMarket/level2Depth5",
    "/spotMarket/level2Depth50", "/market/level2", "/market/match", "/market/candles",
})  # 5  # fmt: skip
FUTURES = frozenset({
    "/contractMarket/tickerV2", "/contractMarket/ticker", "/contractMarket/snapshot",
    "/contractMarket/execution", "/contractMarket/level2", "/contractMarket/level2Depth5",
    "/contractMarket/level2Depth50", "/contractMarket/limitCandle", "/contract/instrument",
})  # 6  # fmt: skip
CANDLES = ("/market/candles", "/contractMarket/limitCandle")
UTA = frozenset({"ticker", "trade", "kline", "obu", "mark-price", "funding-fee"})  # 7
DEPTHS = frozenset({"1", "5", "50", "increment", "increment@10ms"})
_NO_SIX_HOURS = frozenset({"/contractMarket/limitCandle", "kline.FUTURES"})
_MONTHS = "FGHJKMNQUVXZ"
_SIZES = {"BTC": Decimal("0.001"), "ETH": Decimal("0.01")}


class Stream(msgspec.Struct, frozen=True):
    """A parsed topic: the channel, the market, and a candle's type or a book's depth."""

    topic: str
    channel: str
    market_id: str
    detail: str = ""

    @property
    def futures(self) -> bool:
        """Say whether it is about contracts."""
        return self.channel in FUTURES or self.channel.endswith((".FUTURES", "-price", "-fee"))


def parse(topic: str) -> Stream | None:
    """Parse a topic; None for what the venue does not have (4)."""
    head, _, market = topic.partition(":")
    channel, _, detail = head.partition("@")
    if channel in CANDLES or channel.startswith("kline."):
        market, _, detail = market.partition("_")
        if detail not in TYPES or (detail == "6hour" and channel in _NO_SIX_HOURS):
            return None
    classic = channel in SPOT or channel in FUTURES
    name, _, trade_type = channel.partition(".")
    uta = name in UTA and trade_type in ("", "SPOT", "FUTURES")
    if not market or not (classic or uta) or (name == "obu" and detail not in DEPTHS):
        return None
    return Stream(topic, channel, market, detail)


def market_id(spec: Spec) -> str:
    """Return the venue's id: BTC-USDT, XBTUSDTM, XBTUSDM, XBTMZ26 (6)."""
    if spec.spot:
        return f"{spec.base}-{spec.quote}"
    base = coin(spec.base)
    if not spec.expiry_ms:
        return f"{base}{spec.quote}M"
    day = dt.datetime.fromtimestamp(spec.expiry_ms // 1000, dt.UTC)
    quote = "" if spec.inverse else spec.quote
    return f"{base}{quote}M{_MONTHS[day.month - 1]}{day:%y}"


def coin(code: str) -> str:
    """Return what futures call a coin (6)."""
    return "XBT" if code == "BTC" else code


def contract_size(symbol: str) -> Decimal:
    """Return how much a contract is: of the coin, or one dollar if inverse (6)."""
    pair, _, settle = symbol.partition(":")
    base = pair.partition("/")[0]
    return Decimal(1) if settle.partition("-")[0] == base else _SIZES.get(base, Decimal(1))


def text(value: int) -> str:
    """Write a scaled integer without needless zeros."""
    return f"{Decimal(value) / E8:f}" if value % E8 else str(value // E8)


def number(value: int) -> float:
    """Return a scaled integer as the number that JSON has."""
    return value / E8


def lots(value: int) -> int:
    """Return an amount of contracts, which are whole."""
    return value // E8


def amount(spec: Spec, value: int) -> str | int:
    """Write an amount: texts on spot, whole contracts on futures."""
    return text(value) if spec.spot else lots(value)


def symbol_row(spec: Spec) -> Mapping[str, Any]:
    """Return a market of spot as `/api/v2/symbols` lists it."""
    return {
        "symbol": market_id(spec), "name": market_id(spec), "baseCurrency": spec.base,
        "quoteCurrency": spec.quote, "feeCurrency": spec.quote, "market": "USDS",
        "baseMinSize": text(spec.step), "quoteMinSize": "0.1", "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999", "baseIncrement": text(spec.step), "quoteIncrement": "0.000001",
        "priceIncrement": text(spec.tick), "priceLimitRate": "0.1", "minFunds": "0.1",
        "isMarginEnabled": True, "enableTrading": True, "feeCategory": 1,
        "makerFeeCoefficient": "1.00", "takerFeeCoefficient": "1.00", "st": False,
    }  # fmt: skip


def contract_row(spec: Spec) -> Mapping[str, Any]:
    """Return a contract as `/api/v1/contracts/active` lists it."""
    size = -1 if spec.inverse else float(spec.contract_size)
    swap = spec.type == "swap"
    return {
        "symbol": market_id(spec), "rootSymbol": coin(spec.settle),
        "type": "FFWCSX" if swap else "FFICSX", "firstOpenDate": 1585555200000,
        "expireDate": spec.expiry_ms or None, "settleDate": spec.expiry_ms or None,
        "baseCurrency": coin(spec.base), "quoteCurrency": spec.quote,
        "settleCurrency": coin(spec.settle), "maxOrderQty": 1000000, "maxPrice": 1000000.0,
        "lotSize": 1, "tickSize": number(spec.tick), "multiplier": size, "initialMargin": 0.008,
        "maintainMargin": 0.004, "makerFeeRate": 0.0002, "takerFeeRate": 0.0006,
        "isDeleverage": True, "isQuanto": False, "isInverse": spec.inverse, "status": "Open",
        "fundingFeeRate": 0.0001 if swap else None, "openInterest": "8033200",
        "nextFundingRateTime": 20022985 if swap else None, "maxLeverage": 125,
    }  # fmt: skip


def listed(row: Mapping[str, Any]) -> Spec:
    """Describe a market by its row of a recorded list of spot."""
    # A coin that was renamed (BCHSV, now BSV) keeps its old name here, and in the topics.
    base, _, quote = row["symbol"].partition("-")
    tick, step = (int(Decimal(row[name]) * E8) for name in ("priceIncrement", "baseIncrement"))
    return Spec(f"{base}/{quote}", base, quote, max(1, tick), max(1, step), E8)
