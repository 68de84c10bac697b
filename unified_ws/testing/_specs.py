"""What a market is made of, and what is known of it by its unified symbol alone."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

E8 = 10**8
MarketType: TypeAlias = Literal["spot", "swap", "future"]
_SYMBOL = re.compile(r"([^/:]+)/([^/:]+?)(?::([^/:-]+)(?:-(\d{6}))?)?")
_EXPIRY_HOUR = 8  # UTC, as most venues have it
_PREMIUM = Decimal("1.008")  # of dated futures, so that they differ from swaps
# price, decimals of the price, decimals of the amount
_KNOWN: Mapping[str, tuple[str, int, int]] = {
    "BTC/USDT": ("61837.63", 2, 5),
    "ETH/USDT": ("2684.12", 2, 4),
    "SOL/USDT": ("161.84", 3, 3),
    "ETH/BTC": ("0.04341", 7, 1),
    "XRP/USDT": ("0.6213", 5, 1),
    "BTC/USD": ("61840.15", 2, 8),
    "ETH/USD": ("2684.31", 2, 8),
}
# the same of linear contracts, by base
_KNOWN_CONTRACTS: Mapping[str, tuple[str, int, int]] = {
    "BTC": ("61837.6", 1, 3),
    "ETH": ("2684.12", 2, 3),
    "SOL": ("161.84", 2, 1),
    "XRP": ("0.6213", 4, 1),
}


class Spec(msgspec.Struct, frozen=True):
    """What a market is made of; `tick`, `step` and `price` are scaled by `E8`.

    Amounts, and with them `step`, are in base currency for spot and in contracts for all else. A
    contract is `contract_size` of base currency if linear, of quote currency if inverse.
    """

    symbol: str
    base: str
    quote: str
    tick: int
    step: int
    price: int
    type: MarketType = "spot"
    settle: str = ""
    linear: bool = False
    inverse: bool = False
    contract_size: Decimal = Decimal(1)
    expiry_ms: int = 0

    @property
    def spot(self) -> bool:
        """Say whether it is no contract."""
        return self.type == "spot"


def spec_of(symbol: str, **fields: Any) -> Spec:
    """Describe a market: known ones as they were in 2024, others at a price drawn from the name.

    Args:
        symbol: `BTC/USDT`, `BTC/USDT:USDT`, `BTC/USD:BTC` or `BTC/USDT:USDT-261225`.
        fields: Fields of `Spec` that shall be otherwise, such as `contract_size` and `step`.

    Raises:
        ValueError: The symbol is none of these.
    """
    found = _SYMBOL.fullmatch(symbol)
    base, quote, settle, day = found.groups() if found else ("", "", "", "")
    if not found or settle not in (None, base, quote):
        raise ValueError(
            "A spot symbol looks like BASE/QUOTE, that of a contract like BASE/QUOTE:SETTLE"
            f" or BASE/QUOTE:SETTLE-YYMMDD, none like {symbol!r}."
        )
    spec = _contract(symbol, base, quote, settle, day) if settle else _spot(symbol, base, quote)
    return msgspec.structs.replace(spec, **fields) if fields else spec


def _spot(symbol: str, base: str, quote: str) -> Spec:
    if symbol in _KNOWN:
        price, price_decimals, amount_decimals = _KNOWN[symbol]
    else:
        price, price_decimals, amount_decimals = _drawn(symbol), 4, 2
    return Spec(
        symbol,
        base,
        quote,
        10 ** (8 - price_decimals),
        10 ** (8 - amount_decimals),
        int(Decimal(price) * E8),
    )


def _contract(symbol: str, base: str, quote: str, settle: str, day: str | None) -> Spec:
    inverse = settle == base
    known = (_drawn(f"{base}/{quote}"), 4, 1)
    price, price_decimals, amount_decimals = _KNOWN_CONTRACTS.get(base, known)
    tick = 10 ** (8 - price_decimals)
    at = Decimal(price) * E8 * (_PREMIUM if day else 1)
    return Spec(
        symbol,
        base,
        quote,
        tick,
        E8 if inverse else 10 ** (8 - amount_decimals),
        int(at // tick * tick),
        type="future" if day else "swap",
        settle=settle,
        linear=not inverse,
        inverse=inverse,
        contract_size=Decimal(100 if base == "BTC" else 10) if inverse else Decimal(1),
        expiry_ms=_expiry_ms(day) if day else 0,
    )


def _drawn(symbol: str) -> str:
    return f"{random.Random(symbol).uniform(2, 90):.4f}"


def _expiry_ms(day: str) -> int:
    at = dt.datetime.strptime(day, "%y%m%d").replace(hour=_EXPIRY_HOUR, tzinfo=dt.UTC)
    return int(at.timestamp()) * 1000
