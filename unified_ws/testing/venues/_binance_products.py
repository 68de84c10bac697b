"""The products of Binance: which market belongs to which, its id, and where its streams live.

Section numbers are those of the project's protocol sheet for Binance. A topic of spot is the name
of its stream; the futures put the place before it, "usdm-public|btcusdt@trade", since names are
the same there (section 1).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ..market import Spec

SPOT, USDM, COINM = "spot", "usdm", "coinm"
SPOT_HOSTS = frozenset({
    "stream.binance.com",
    "data-stream.binance.vision",
    "stream.testnet.binance.vision",
    "demo-stream.binance.com",
    "stream.binance.us",
})  # fmt: skip
USDM_HOSTS = frozenset({"fstream.binance.com", "fstream.binancefuture.com"})
COINM_HOSTS = frozenset({"dstream.binance.com", "dstream.binancefuture.com"})
TESTNET = "fstream.binancefuture.com"  # delivers on either route (section 1.2)
_PUBLIC = ("depth", "rpiDepth", "bookTicker", "trade")


def product_of(spec: Spec) -> str:
    """Name the product of a market."""
    return SPOT if spec.spot else COINM if spec.inverse else USDM


def market_id(spec: Spec) -> str:
    """Return the venue's id: BTCUSDT, BTCUSDT_261225, BTCUSD_PERP, BTCUSD_261225."""
    pair = spec.base + spec.quote
    if spec.expiry_ms:
        return f"{pair}_{dt.datetime.fromtimestamp(spec.expiry_ms // 1000, dt.UTC):%y%m%d}"
    return f"{pair}_PERP" if spec.inverse else pair


def of_product(specs: Iterable[Spec], product: str) -> list[Spec]:
    """Return the markets of one product."""
    return [spec for spec in specs if product_of(spec) == product]


def product_at(host: str) -> str:
    """Name the product that a stream host serves; "" where it serves none."""
    name = host.partition(":")[0]
    if name in USDM_HOSTS:
        return USDM
    return SPOT if name in SPOT_HOSTS else COINM if name in COINM_HOSTS else ""


def place_of(product: str, name: str) -> str:
    """Name the place where a stream is delivered (section 1.2)."""
    if product != USDM:
        return product
    channel = name[1:] if name.startswith("!") else name.partition("@")[2]
    return f"{USDM}-{'public' if channel.startswith(_PUBLIC) else 'market'}"


def joined(place: str, name: str) -> str:
    """Return the topic of a stream at a place."""
    return name if place == SPOT else f"{place}|{name}"


def split(topic: str) -> tuple[str, str]:
    """Return the place and the stream's name of a topic."""
    place, bar, name = topic.rpartition("|")
    return (place, name) if bar else (SPOT, topic)
