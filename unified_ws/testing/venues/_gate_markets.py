"""Gate's markets: ids, addresses, topics, numbers as it writes them, its lists of markets.

Section numbers are those of the project's protocol sheet for Gate. A topic of this fake is its
address, its channel and its payload: "usdt|futures.order_book_update:BTC_USDT:100ms:100".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, Spec

# Section 1: by host and path of a socket.
ADDRESSES = {
    ("api.gateio.ws", "ws/v4"): "spot", ("api.gateeu.com", "ws/v4"): "spot",
    ("ws-testnet.gate.com", "v4/ws/spot"): "spot",
    ("ws-testnet.gate.com", "v4/ws/futures/usdt"): "usdt",
    **{("fx-ws.gateio.ws", f"v4/ws/{a}"): a for a in ("usdt", "btc", "usd1")},
    **{
        (host, f"v4/ws/{a}"): a
        for host in ("fx-ws.gateio.ws", "fx-ws-testnet.gateio.ws")
        for a in ("btc", "delivery/usdt", "delivery/btc")
    },
}  # fmt: skip
SPOT_INTERVALS = {
    **{t: t for t in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")},
    "7d": "1w",
}  # 5.4; of 10s and 30s the market model knows nothing  # fmt: skip
INTERVALS = {n: t for n, t in SPOT_INTERVALS.items() if n not in ("3m", "2h", "6h", "12h")}  # 6.6
_TOGETHER = ("trades", "tickers", "book_ticker", "public_liquidates")
_LEVELS: tuple[str, ...] = ("5", "10", "20", "50", "100")
_UNKNOWN_INTERVAL = "incorrect update interval specified: "
_UNKNOWN_LEVEL = "provided level not supported: "


class Stream(msgspec.Struct, frozen=True):
    """A parsed topic: where it lives, its channel without the family, its market and the rest."""

    address: str
    channel: str
    market_id: str
    details: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The first half of the channel's full name."""
        return "spot" if self.address == "spot" else "futures"

    @property
    def name(self) -> str:
        """The full name of the channel."""
        return f"{self.family}.{self.channel}"


def address_of(spec: Spec) -> str:
    """Return the address at which a market lives (section 1)."""
    if spec.spot:
        return "spot"
    return f"delivery/{spec.settle.lower()}" if spec.expiry_ms else spec.settle.lower()


def market_id(spec: Spec) -> str:
    """Return the venue's id: BTC_USDT, BTC_USD, BTC_USDT_20261225."""
    if not spec.expiry_ms:
        return f"{spec.base}_{spec.quote}"
    day = dt.datetime.fromtimestamp(spec.expiry_ms // 1000, dt.UTC)
    return f"{spec.base}_{spec.quote}_{day:%Y%m%d}"


def topic_of(address: str, channel: str, payload: Sequence[str]) -> str:
    """Name a stream; a level that was not said is the usual one."""
    rest = ":".join(payload)
    if channel == "futures.order_book_update" and len(payload) == 2:
        rest = f"{rest}:{'20' if payload[1] == '20ms' else '100'}"
    elif channel.endswith(".candlesticks"):
        rest = "_".join(payload)
    return f"{address}|{channel}:{rest}"


def topics_of(address: str, channel: str, payload: Sequence[str]) -> list[str]:
    """Name the streams of a request: several where a channel takes several symbols (section 2)."""
    if channel.partition(".")[2] in _TOGETHER:
        return [topic_of(address, channel, (name,)) for name in payload]
    return [topic_of(address, channel, payload)]


def parse(topic: str) -> Stream | None:
    """Parse a topic of one of our channels; None for another."""
    address, _, name = topic.partition("|")
    channel, _, rest = name.partition(":")
    family, _, kind = channel.partition(".")
    if family != ("spot" if address == "spot" else "futures"):
        return None
    if kind in _TOGETHER and not (kind == "public_liquidates" and family == "spot"):
        return Stream(address, kind, rest)
    if kind == "candlesticks":
        interval, _, market = rest.partition("_")
        return Stream(address, kind, market, (interval,))
    if kind == "obu":
        market, _, level = rest.removeprefix("ob.").rpartition(".")
        return Stream(address, kind, market, (level,))
    if kind in ("order_book", "order_book_update"):
        market, *details = rest.split(":")
        return Stream(address, kind, market, tuple(details))
    return None


def objection(stream: Stream) -> str:
    """Say what is wrong with the details of a stream; "" if nothing is (section 4)."""
    spot, details = stream.address == "spot", stream.details
    if stream.channel == "candlesticks":
        # Intervals that the market model does not make exist all the same: they stay silent.
        known = SPOT_INTERVALS.keys() | {"30s", "30d"} if spot else INTERVALS.keys()
        return "" if details[0] in known | {"10s"} else f"invalid interval: {details[0]}"
    if stream.channel == "order_book":
        levels = _LEVELS if spot else (*_LEVELS, "1")
        speeds: tuple[str, ...] = ("100ms", "1000ms") if spot else ("0",)
        level, speed = (*details, "", "")[:2]
    elif stream.channel == "order_book_update":
        speed, level = (*details, "20" if details == ("20ms",) else "100")[:2]
        levels, speeds = ("100", "50", "20"), ("100ms", *(("20ms",) if level == "20" else ()))
    else:
        return ""
    if level not in levels:
        return _UNKNOWN_LEVEL + level
    return "" if speed in speeds else _UNKNOWN_INTERVAL + speed


def number(value: int) -> str:
    """Write a scaled integer without needless zeros, as the venue does."""
    whole, rest = divmod(abs(value), E8)
    digits = f"{whole}.{rest:08d}".rstrip("0").rstrip(".")
    return f"-{digits}" if value < 0 else digits


def pair_listing(spec: Spec) -> dict[str, Any]:
    """Return a market as the list of currency pairs has it."""
    return {
        "id": market_id(spec), "base": spec.base, "base_name": spec.base, "quote": spec.quote,
        "quote_name": spec.quote, "fee": "0.2", "min_base_amount": number(spec.step),
        "min_quote_amount": "3", "max_quote_amount": "5000000",
        "amount_precision": _places(spec.step), "precision": _places(spec.tick),
        "trade_status": "tradable", "sell_start": 0, "buy_start": 0, "type": "normal",
        "trade_url": f"https://www.gate.com/trade/{market_id(spec)}",
    }  # fmt: skip


def contract_listing(spec: Spec) -> dict[str, Any]:
    """Return a market as the list of contracts has it; quanto 0 is one dollar (section 6)."""
    tick, price = number(spec.tick), number(spec.price)
    row: dict[str, Any] = {
        "name": market_id(spec), "type": "inverse" if spec.inverse else "direct",
        "quanto_multiplier": "0" if spec.inverse else f"{spec.contract_size.normalize():f}",
        "enable_decimal": spec.step < E8, "order_size_min": number(spec.step),
        "order_size_max": "1000000", "order_price_round": tick, "mark_price_round": tick,
        "order_price_deviate": "0.5", "leverage_min": "1", "leverage_max": "100",
        "mark_type": "index", "last_price": price, "mark_price": price, "index_price": price,
        "maintenance_rate": "0.005", "maker_fee_rate": "-0.0001", "taker_fee_rate": "0.00075",
        "risk_limit_base": "1000000", "risk_limit_step": "1000000", "risk_limit_max": "8000000",
        "ref_discount_rate": "0", "ref_rebate_rate": "0.2", "orders_limit": 100,
        "in_delisting": False, "config_change_time": 1780000000, "trade_size": 1, "trade_id": 1,
        "orderbook_id": 1, "position_size": 1,
    }  # fmt: skip
    if spec.expiry_ms:
        return {
            **row, "underlying": f"{spec.base}_{spec.quote}", "cycle": "QUARTERLY",
            "basis_rate": "0", "settle_price": "0", "expire_time": spec.expiry_ms // 1000,
        }  # fmt: skip
    return {
        **row, "status": "trading", "create_time": 1700000000, "launch_time": 1700000000,
        "funding_rate": "0.0001", "funding_rate_indicative": "0.0001", "funding_interval": 28800,
        "funding_next_apply": 1800000000, "funding_offset": 0, "interest_rate": "0.0003",
        "funding_impact_value": "7000", "long_users": 1, "short_users": 1,
    }  # fmt: skip


def listed(address: str, row: dict[str, Any]) -> Spec:
    """Describe a market by its row of a recorded list, of today or of 2021."""
    if address == "spot":
        base, quote = row["base"], row["quote"]
        tick, step = 10 ** (8 - row["precision"]), 10 ** (8 - row["amount_precision"])
        return Spec(f"{base}/{quote}", base, quote, max(1, tick), max(1, step), E8)
    base, quote, *day = row["name"].split("_")
    settle = address.rpartition("/")[2].upper()
    size = Decimal(row["quanto_multiplier"]) or Decimal(1)
    tick, price = _e8(row["order_price_round"]), _e8(row["last_price"])
    symbol = f"{base}/{quote}:{settle}"
    expiry_ms = int(row.get("expire_time", 0)) * 1000
    if day:
        symbol += f"-{day[0][2:]}"
    return Spec(
        symbol, base, quote, tick, E8, price, type="future" if day else "swap", settle=settle,
        linear=settle == quote, inverse=settle != quote, contract_size=size, expiry_ms=expiry_ms,
    )  # fmt: skip


def _e8(value: str) -> int:
    return int(Decimal(value) * E8)


def _places(unit: int) -> int:
    return next(places for places in range(9) if unit * 10**places % E8 == 0)
