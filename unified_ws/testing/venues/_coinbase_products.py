"""Coinbase Advanced Trade products: ids, aliases and the bodies that REST describes them with.

Section numbers are those of the project's protocol sheet for Coinbase; shapes are those of the
product lists that others have recorded in 2026.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, MarketModel, Spec, spec_of, text

_FOREVER = "20DEC30"  # section 5.8: perpetuals of the US exchange are dated far away
_ROOTS = {"BTC": "BI", "ETH": "ET"}
_SIZES = {"BTC": Decimal("0.01"), "ETH": Decimal("0.1")}
_NAMES = {"USD": "US Dollar", "EUR": "Euro", "GBP": "British Pound"}


def described(symbol: str) -> Spec:
    """Describe a market: contracts are traded as whole ones, of a size that the venue has."""
    spec = spec_of(symbol)
    if spec.spot:
        return spec
    size = _SIZES.get(spec.base, Decimal(1))
    return msgspec.structs.replace(spec, contract_size=size, step=E8)


def product_id(spec: Spec) -> str:
    """Return the venue's id (5.8): BTC-USD, BIP-20DEC30-CDE, BIT-25DEC26-CDE."""
    if spec.spot:
        return f"{spec.base}-{spec.quote}"
    if spec.settle != "USD":
        return f"{spec.base}-PERP-INTX"
    root = _ROOTS.get(spec.base, spec.base)
    if spec.type == "swap":
        return f"{root}P-{_FOREVER}-CDE"
    return f"{root}T-{_day(spec.expiry_ms):%d%b%y}-CDE".upper()


def aliases(specs: Iterable[Spec]) -> dict[str, str]:
    """Return what is another name of what (5.7): BTC-USDC of BTC-USD, where that is listed."""
    listed = {product_id(spec): spec for spec in specs}
    return {
        name: f"{spec.base}-USD"
        for name, spec in listed.items()
        if spec.spot and spec.quote == "USDC" and f"{spec.base}-USD" in listed
    }


def plain(value: int) -> str:
    """Write a scaled integer without zeros at its end, as the venue does in frames."""
    return text(value).rstrip("0").rstrip(".")


def moment(ms: int, digits: str = "") -> str:
    """Write an instant as the venue does; `digits` are those below the millisecond."""
    at = dt.datetime.fromtimestamp(ms // 1000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}{digits}Z"


def change(market: MarketModel, symbol: str) -> str:
    """Return the change of a day in percent with some of the digits the venue has."""
    stats = market.stats(symbol)
    return f"{(stats.close - stats.open) * 100 / stats.open:.14f}" if stats.open else "0"


class Products:
    """The products of a fake, in the shape of REST."""

    def __init__(self, specs: Iterable[Spec], market: MarketModel | None) -> None:
        listed = list(specs)
        self.specs = {product_id(spec): spec for spec in listed}
        self.aliases = aliases(listed)
        self._market = market
        self._twins: dict[str, list[str]] = {}
        for name, of in self.aliases.items():
            self._twins.setdefault(of, []).append(name)

    def canonical(self, name: str) -> str:
        """Return the product whose book this one shares."""
        return self.aliases.get(name, name)

    def symbol(self, name: str) -> str:
        """Return the symbol of the market that is the truth behind a product."""
        return self.specs[self.canonical(name)].symbol

    def listing(self, product_type: str) -> dict[str, Any]:
        """Return all spot products, or all contracts."""
        spot = product_type != "FUTURE"
        found = [self.body(name) for name, spec in self.specs.items() if spec.spot is spot]
        return {"products": found, "num_products": len(found), "pagination": None}

    def body(self, name: str) -> dict[str, Any]:
        """Return one product."""
        spec = self.specs[name]
        made = {
            "product_id": name,
            "price": "",
            "price_percentage_change_24h": "",
            "volume_24h": "",
            "base_increment": plain(spec.step),
            "quote_increment": plain(spec.tick),
            "quote_min_size": "1",
            "quote_max_size": "150000000",
            "base_min_size": plain(spec.step),
            "base_max_size": "42000",
            "base_name": spec.base if spec.spot else "",
            "quote_name": _NAMES.get(spec.quote, spec.quote),
            "watched": False,
            "is_disabled": False,
            "new": False,
            "status": "online" if spec.spot else "",
            "cancel_only": False,
            "limit_only": False,
            "post_only": False,
            "trading_disabled": False,
            "auction_mode": False,
            "product_type": "SPOT" if spec.spot else "FUTURE",
            "quote_currency_id": spec.quote,
            "base_currency_id": spec.base if spec.spot else "",
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": self.aliases.get(name, ""),
            "alias_to": self._twins.get(name, []),
            "base_display_symbol": spec.base if spec.spot else "",
            "quote_display_symbol": spec.quote,
            "view_only": False,
            "price_increment": plain(spec.tick),
            "display_name": name if spec.spot else _display(spec),
            "product_venue": "CBE" if spec.spot else "FCM",
            "new_at": None,
            **self._prices(name),
        }
        return made if spec.spot else {**made, "future_product_details": self._contract(spec)}

    def _prices(self, name: str) -> Mapping[str, str]:
        if self._market is None:
            return {}
        symbol = self.symbol(name)
        stats = self._market.stats(symbol)
        return {
            "price": plain(stats.close),
            "price_percentage_change_24h": change(self._market, symbol),
            "volume_24h": plain(stats.volume),
            "approximate_quote_24h_volume": plain(stats.cost // E8),
            "high_24h": plain(stats.high),
            "low_24h": plain(stats.low),
        }

    def _contract(self, spec: Spec) -> dict[str, Any]:
        """Return what only contracts have (5.8)."""
        swap, root = spec.type == "swap", _ROOTS.get(spec.base, spec.base)
        made: dict[str, Any] = {
            "venue": "cde",
            "contract_code": root + ("P" if swap else "T"),
            "contract_expiry": "2030-12-20T16:00:00Z" if swap else moment(spec.expiry_ms),
            "contract_size": str(spec.contract_size),
            "contract_root_unit": spec.base,
            "group_description": f"nano {spec.base}",
            "contract_expiry_timezone": "Europe/London",
            "group_short_description": f"nano {spec.base}",
            "risk_managed_by": "MANAGED_BY_FCM",
            "contract_expiry_type": "EXPIRING",
            "perpetual_details": {"open_interest": "", "funding_rate": "", "funding_time": None},
            "contract_display_name": _display(spec),
            "funding_interval": None,
            "open_interest": "",
            "funding_rate": "",
            "funding_time": None,
            "index_price": "",
        }
        if self._market is not None:
            interest = plain(self._market.open_interest(spec.symbol).contracts_e8)
            made["open_interest"] = made["perpetual_details"]["open_interest"] = interest
        if self._market is not None and swap:
            funding = self._market.funding(spec.symbol)
            made |= {
                "funding_interval": f"{funding.interval_ms // 1000}s",
                "funding_rate": plain(funding.rate_e8),
                "funding_time": moment(funding.next_ms),
                "index_price": plain(self._market.mark(spec.symbol).index_e8),
            }
        return made


def _display(spec: Spec) -> str:
    if spec.type == "swap":
        return f"{spec.base} PERP"
    return f"{spec.base} {_day(spec.expiry_ms):%d %b %y}".upper()


def _day(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms // 1000, dt.UTC)
