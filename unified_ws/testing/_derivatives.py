"""What a contract has beside book and trades: mark, funding, open interest, liquidations.

All of it comes from a generator of its own, so the book of a contract is the same without it.
Once a second of market time come mark, funding (swaps only) and open interest; a liquidation comes
with any tick, every few seconds.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from ._specs import E8, Spec

FUNDING_INTERVAL_MS = 8 * 3_600_000
_LIQUIDATION_CHANCE = 0.03  # of a tick: one in some three seconds
_BASE_RATE_E8 = 10_000  # 0.01 per cent
_MOST_RATE_E8 = 300_000
_MOST_BASIS_E8 = 50_000  # mark and index differ by five basis points at most
_KEEP = 200


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Mark price and index price, on the contract's ticks."""

    symbol: str
    mark_e8: int
    index_e8: int
    ts_ms: int

    @property
    def mark(self) -> Decimal:
        """Mark price, exact."""
        return Decimal(self.mark_e8) / E8

    @property
    def index(self) -> Decimal:
        """Index price, exact."""
        return Decimal(self.index_e8) / E8


class Funding(msgspec.Struct, frozen=True, gc=False):
    """The rate that is paid at `next_ms`, and again every `interval_ms`."""

    symbol: str
    rate_e8: int
    next_ms: int
    interval_ms: int
    ts_ms: int

    @property
    def rate(self) -> Decimal:
        """The rate as a fraction, exact."""
        return Decimal(self.rate_e8) / E8


class OpenInterest(msgspec.Struct, frozen=True, gc=False):
    """Open contracts."""

    symbol: str
    contracts_e8: int
    ts_ms: int

    @property
    def contracts(self) -> Decimal:
        """Contracts, exact."""
        return Decimal(self.contracts_e8) / E8


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """A position closed by force; `side` is that of the order: "sell" closes a long position."""

    symbol: str
    id: int
    side: Literal["buy", "sell"]
    price_e8: int
    amount_e8: int
    ts_ms: int

    @property
    def price(self) -> Decimal:
        """Price of the fill, exact."""
        return Decimal(self.price_e8) / E8

    @property
    def amount(self) -> Decimal:
        """Contracts, exact."""
        return Decimal(self.amount_e8) / E8


ContractEvent: TypeAlias = Mark | Funding | OpenInterest | Liquidation


class Contract:
    """Everything of one contract that is not its book."""

    def __init__(self, spec: Spec, seed: int, now_ms: int) -> None:
        self._spec = spec
        self._rng = random.Random(f"{seed}:{spec.symbol}:contract")
        self._index = float(spec.price)
        self._basis_e8 = 0
        self._rate_e8 = _BASE_RATE_E8
        self._open_e8 = self._rng.randrange(50_000, 500_000) * 10 * spec.step
        self._next_id = self._rng.randrange(10**6, 10**7)
        self.liquidations: list[Liquidation] = []
        self.mark = Mark(spec.symbol, spec.price, spec.price, now_ms)
        self.funding = self._funding(now_ms)
        self.open_interest = OpenInterest(spec.symbol, self._open_e8, now_ms)

    def tick(self, now_ms: int, bid: int, ask: int) -> list[ContractEvent]:
        """Go on to `now_ms` with the book's best prices; return what happened."""
        out: list[ContractEvent] = []
        if self._rng.random() < _LIQUIDATION_CHANCE:
            out.append(self._liquidation(now_ms, bid, ask))
        if now_ms % 1000 == 0:
            self._second(now_ms, (bid + ask) // 2)
            out.append(self.mark)
            if self._spec.type == "swap":
                out.append(self.funding)
            out.append(self.open_interest)
        return out

    def _second(self, now_ms: int, mid: int) -> None:
        rng, symbol, tick = self._rng, self._spec.symbol, self._spec.tick
        self._index += (mid - self._index) * 0.3
        basis = self._basis_e8 * 0.95 + rng.uniform(-3000, 3000)
        self._basis_e8 = int(max(-_MOST_BASIS_E8, min(_MOST_BASIS_E8, basis)))
        index = int(self._index) // tick * tick
        mark = index * (E8 + self._basis_e8) // E8 // tick * tick
        self.mark = Mark(symbol, mark, index, now_ms)
        # it returns to its base, as rates do
        rate = self._rate_e8 + (_BASE_RATE_E8 - self._rate_e8) * 0.01 + rng.uniform(-200, 200)
        self._rate_e8 = int(max(-_MOST_RATE_E8, min(_MOST_RATE_E8, rate)))
        self.funding = self._funding(now_ms)
        self._open_e8 = max(self._spec.step, self._open_e8 + rng.randint(-50, 50) * self._spec.step)
        self.open_interest = OpenInterest(symbol, self._open_e8, now_ms)

    def _funding(self, now_ms: int) -> Funding:
        next_ms = (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
        return Funding(self._spec.symbol, self._rate_e8, next_ms, FUNDING_INTERVAL_MS, now_ms)

    def _liquidation(self, now_ms: int, bid: int, ask: int) -> Liquidation:
        sells = self._rng.random() < 0.5
        steps = 1 + int(self._rng.expovariate(1 / 50))
        found = Liquidation(
            self._spec.symbol,
            self._next_id,
            "sell" if sells else "buy",
            bid if sells else ask,
            steps * self._spec.step,
            now_ms,
        )
        self._next_id += 1
        self.liquidations.append(found)
        del self.liquidations[:-_KEEP]
        return found
