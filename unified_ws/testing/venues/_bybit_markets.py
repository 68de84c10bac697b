"""Bybit's markets: ids, categories, topics, numbers as it writes them, its lists of instruments.

Section numbers are those of the project's protocol sheet for Bybit.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, Spec

CATEGORIES = ("spot", "linear", "inverse")
INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h",
    "240": "4h", "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # section 5.4  # fmt: skip
DEPTHS = frozenset({1, 50, 200, 1000})  # section 6
PAST_DEPTHS = DEPTHS | {500}
_QUARTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}
_IDS = uuid.UUID("b1b17000-0000-5000-8000-000000000000")


class Stream(msgspec.Struct, frozen=True):
    """A parsed topic: the address and what the venue calls it there."""

    topic: str
    category: str
    channel: str
    detail: str
    market_id: str

    @property
    def name(self) -> str:
        """The venue's own name of it."""
        return self.topic.partition("|")[2]


def category_of(spec: Spec) -> str:
    """Return the address at which a market lives (section 1)."""
    return "spot" if spec.spot else "inverse" if spec.inverse else "linear"


def market_id(spec: Spec) -> str:
    """Return the venue's id: BTCUSDT, BTCPERP (USDC), BTCUSD, BTCUSDT-25DEC26, BTCUSDZ26."""
    if not spec.expiry_ms:
        short = spec.type == "swap" and spec.linear and spec.quote == "USDC"
        return f"{spec.base}PERP" if short else f"{spec.base}{spec.quote}"
    day = dt.datetime.fromtimestamp(spec.expiry_ms // 1000, dt.UTC)
    if spec.inverse:
        return f"{spec.base}{spec.quote}{_QUARTERS.get(day.month, 'X')}{day:%y}"
    base = spec.base if spec.quote == "USDC" else f"{spec.base}{spec.quote}"
    return f"{base}-{day:%d%b%y}".upper()


def parse(topic: str, depths: Collection[int] = DEPTHS) -> Stream | None:
    """Parse "linear|orderbook.50.BTCUSDT"; None for what nothing handles (section 4)."""
    category, _, name = topic.partition("|")
    channel, _, rest = name.partition(".")
    if channel in ("publicTrade", "tickers") or (
        channel == "allLiquidation" and category != "spot"
    ):
        return Stream(topic, category, channel, "", rest)
    detail, _, market = rest.partition(".")
    known = channel == "kline" and detail in INTERVALS
    known |= channel == "orderbook" and detail.isdigit() and int(detail) in depths
    return Stream(topic, category, channel, detail, market) if known and market else None


class Writer:
    """Writes numbers of one market with as many decimals as its ticks and steps have."""

    def __init__(self, spec: Spec) -> None:
        self._price, self._amount = _places(spec.tick), _places(spec.step)

    def price(self, value: int) -> str:
        """Write a price."""
        return _text(value, self._price)

    def amount(self, value: int) -> str:
        """Write an amount; none at all is "0", as deleted levels have it (section 6)."""
        return _text(value, self._amount) if value else "0"


def number(value: int, places: int = 8) -> str:
    """Write a scaled integer, which may be negative."""
    return f"-{_text(-value, places)}" if value < 0 else _text(value, places)


def trade_id(spec: Spec, trade: int) -> str:
    """Return the venue's id of a trade: a number on spot, a UUID on contracts (section 5.1)."""
    if spec.spot:
        return f"2290000001{trade:09d}"
    return str(uuid.uuid5(_IDS, f"{market_id(spec)}:{trade}"))


def listing(spec: Spec) -> dict[str, Any]:
    """Return a market as the list of instruments has it."""
    write = Writer(spec)
    tick, step = write.price(spec.tick), write.amount(spec.step)
    if spec.spot:
        return {
            "symbolId": 9, "symbol": market_id(spec), "baseCoin": spec.base,
            "quoteCoin": spec.quote, "innovation": "0", "status": "Trading",
            "marginTrading": "utaOnly", "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": step, "quotePrecision": "0.0000001", "minOrderQty": step,
                "maxOrderQty": "230", "minOrderAmt": "5", "maxOrderAmt": "8000000",
                "maxLimitOrderQty": "230", "maxMarketOrderQty": "120",
                "postOnlyMaxLimitOrderSize": "1150",
            },
            "priceFilter": {"tickSize": tick},
            "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
            "symbolType": "", "xstockMultiplier": "1",
        }  # fmt: skip
    swap = spec.type == "swap"
    kind = ("Linear" if spec.linear else "Inverse") + ("Perpetual" if swap else "Futures")
    return {
        "symbol": market_id(spec), "contractType": kind, "status": "Trading",
        "baseCoin": spec.base, "quoteCoin": spec.quote, "launchTime": "1584230400000",
        "deliveryTime": str(spec.expiry_ms), "deliveryFeeRate": "" if swap else "0",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": "1500000", "minOrderQty": step, "qtyStep": step,
            "postOnlyMaxOrderQty": "1500000", "maxMktOrderQty": "150000", "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True, "fundingInterval": 480 if swap else 0,
        "settleCoin": spec.settle, "copyTrading": "none", "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005", "isPreListing": False, "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "displayName": "", "symbolType": "", "forbidUplWithdrawal": False, "symbolId": 5,
    }  # fmt: skip


def listed(row: dict[str, Any]) -> Spec:
    """Describe a market by its row of a recorded list of instruments."""
    base, quote, settle = row["baseCoin"], row["quoteCoin"], row.get("settleCoin", "")
    lot = row["lotSizeFilter"]
    tick, step = _e8(row["priceFilter"]["tickSize"]), _e8(lot.get("basePrecision", "0.001"))
    if not settle:
        return Spec(f"{base}/{quote}", base, quote, tick, step, E8)
    symbol, inverse = f"{base}/{quote}:{settle}", settle == base
    expiry_ms = int(row["deliveryTime"])
    if expiry_ms:
        symbol += f"-{dt.datetime.fromtimestamp(expiry_ms // 1000, dt.UTC):%y%m%d}"
    return Spec(
        symbol, base, quote, tick, _e8(lot["qtyStep"]), E8,
        type="future" if expiry_ms else "swap", settle=settle, linear=not inverse,
        inverse=inverse, expiry_ms=expiry_ms,
    )  # fmt: skip


def _e8(value: str) -> int:
    return int(Decimal(value) * E8)


def _places(unit: int) -> int:
    return next(places for places in range(9) if unit * 10**places % E8 == 0)


def _text(value: int, places: int) -> str:
    whole = value // E8
    return f"{whole}.{value % E8:08d}"[: places - 8 or None] if places else str(whole)
