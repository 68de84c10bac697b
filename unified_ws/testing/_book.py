"""One market's order book and trades, grown from a seed with exact integers.

Prices and amounts are integers scaled by 10**8 (`E8`), so that every text is exact. The rule of
this file: a book never crosses, every change of a level takes the next update id, and every fill
takes the next trade id; hence a reader that lost nothing can prove it.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

import msgspec

from ._derivatives import ContractEvent
from ._specs import E8, Spec

Row: TypeAlias = tuple[int, int]


def text(value: int) -> str:
    """Write a scaled integer with eight decimals, as most venues do."""
    if value < 0:
        return f"-{-value // E8}.{-value % E8:08d}"
    return f"{value // E8}.{value % E8:08d}"


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One fill; fills of one taker order at one price share `agg_id`."""

    symbol: str
    id: int
    price_e8: int
    amount_e8: int
    ts_ms: int
    buyer_maker: bool
    agg_id: int

    @property
    def price(self) -> Decimal:
        """Price in quote currency, exact."""
        return Decimal(self.price_e8) / E8

    @property
    def amount(self) -> Decimal:
        """Amount in base currency or in contracts, exact."""
        return Decimal(self.amount_e8) / E8

    @property
    def side(self) -> str:
        """Side of the taker."""
        return "sell" if self.buyer_maker else "buy"


class AggTrade(msgspec.Struct, frozen=True, gc=False):
    """Fills `first_id` to `last_id` of one taker order at one price."""

    symbol: str
    id: int
    price_e8: int
    amount_e8: int
    first_id: int
    last_id: int
    ts_ms: int
    buyer_maker: bool


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask after update `id` changed one of them."""

    symbol: str
    id: int
    bid_e8: int
    bid_amount_e8: int
    ask_e8: int
    ask_amount_e8: int
    ts_ms: int


class Delta(msgspec.Struct, frozen=True):
    """Levels changed by updates `first_id` to `last_id`, best first; amount 0 removes a level."""

    symbol: str
    first_id: int
    last_id: int
    bids: list[Row]
    asks: list[Row]
    ts_ms: int


Event: TypeAlias = Trade | AggTrade | Quote | Delta | ContractEvent


def _worth_of_a_step(spec: Spec) -> float:
    """Return what the least amount is worth in quote currency, scaled by `E8` twice."""
    if spec.spot:
        return spec.price * spec.step
    of = E8 if spec.inverse else spec.price
    return of * spec.step * float(spec.contract_size)


class Ladder:
    """One side of a book. Keys are signed prices in rising order, so the best is the last."""

    __slots__ = ("keys", "sign", "sizes")

    def __init__(self, sign: int) -> None:
        self.sign = sign  # +1 bids: the highest price is best; -1 asks: the lowest
        self.keys: list[int] = []
        self.sizes: dict[int, int] = {}

    @property
    def best(self) -> int:
        """Best price."""
        return self.sign * self.keys[-1]

    @property
    def worst(self) -> int:
        """Price farthest from the spread."""
        return self.sign * self.keys[0]

    def put(self, price: int, amount: int) -> None:
        """Set a level; amount 0 removes it."""
        if not amount:
            del self.sizes[price]
            del self.keys[bisect_left(self.keys, self.sign * price)]
            return
        if price not in self.sizes:
            insort(self.keys, self.sign * price)
        self.sizes[price] = amount

    def rows(self, limit: int | None = None) -> list[Row]:
        """Return the best `limit` levels, best first."""
        keys = self.keys if limit is None else self.keys[-limit:]
        return [(self.sign * key, self.sizes[self.sign * key]) for key in reversed(keys)]

    def sorted_changes(self, changes: Iterable[Row]) -> list[Row]:
        """Order changed levels as this side is ordered."""
        return sorted(changes, reverse=self.sign > 0)


class Lob:
    """The book of one symbol with its makers and takers; `tick` lets them act."""

    def __init__(self, spec: Spec, rng: random.Random, levels: int) -> None:
        self.spec = spec
        self.rng = rng
        self.levels = levels
        self.last_id = rng.randrange(10**9, 10**10)
        self.next_trade_id = rng.randrange(10**8, 10**9)
        self.next_agg_id = self.next_trade_id // 2
        self.bids, self.asks = Ladder(1), Ladder(-1)
        self._changed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._out: list[Event] = []
        self._ts_ms = 0
        self._mood = 0.0
        self._worth = _worth_of_a_step(spec)
        # levels lie this many ticks apart, so that a fine tick does not freeze the price
        self._gap = max(1, spec.price // spec.tick // 300_000)
        for ladder in (self.bids, self.asks):
            price = spec.price if ladder.sign > 0 else spec.price + spec.tick
            while len(ladder.keys) < levels and price > 0:
                ladder.put(price, self._amount())
                price -= ladder.sign * spec.tick * rng.randint(1, 4 * self._gap)

    def tick(self, start_ms: int, period_ms: int, orders: int, changes: int) -> list[Event]:
        """Let `orders` takers and `changes` makers act; the last event is the delta of it all."""
        out: list[Event] = []
        self._out = out
        first_id = self.last_id + 1
        acts = orders + changes
        for n in range(acts):
            self._ts_ms = start_ms + period_ms * n // acts
            # takers spread evenly among makers
            if n * orders // acts != (n + 1) * orders // acts:
                self._take()
            else:
                self._make()
        if self.last_id >= first_id:
            bids, asks = self._changed
            self._changed = ({}, {})
            out.append(
                Delta(
                    self.spec.symbol,
                    first_id,
                    self.last_id,
                    self.bids.sorted_changes(bids.items()),
                    self.asks.sorted_changes(asks.items()),
                    start_ms + period_ms,
                )
            )
        return out

    def quote(self, ts_ms: int) -> Quote:
        """Return the best bid and ask of this moment."""
        bid, ask = self.bids.best, self.asks.best
        return Quote(
            self.spec.symbol,
            self.last_id,
            bid,
            self.bids.sizes[bid],
            ask,
            self.asks.sizes[ask],
            ts_ms,
        )

    def _amount(self) -> int:
        """Draw an amount worth some hundred to some thousand units of quote."""
        worth = self.rng.expovariate(1 / 2000) + 20
        steps = int(worth * E8 * E8 / self._worth)
        return max(1, steps) * self.spec.step

    def _put(self, ladder: Ladder, price: int, amount: int) -> None:
        before = ladder.best
        ladder.put(price, amount)
        self.last_id += 1
        self._changed[0 if ladder.sign > 0 else 1][price] = amount
        if price in (before, ladder.best):
            self._out.append(self.quote(self._ts_ms))

    def _make(self) -> None:
        """Let a maker improve, add, change or withdraw one level."""
        rng, tick, gap = self.rng, self.spec.tick, self._gap
        ladder, other = (self.bids, self.asks) if rng.random() < 0.5 else (self.asks, self.bids)
        spread = (self.asks.best - self.bids.best) // tick
        held = len(ladder.keys)
        if spread > 1 and rng.random() < (0.6 if spread > 8 * gap else 0.1):
            price = ladder.best + ladder.sign * tick * rng.randint(1, min(spread - 1, 8 * gap))
        elif held < self.levels:
            price = ladder.worst - ladder.sign * tick * rng.randint(1, 4 * gap)
        elif held > self.levels + self.levels // 20:
            price = ladder.worst
        else:
            price = ladder.best - ladder.sign * tick * int(rng.expovariate(0.05 / gap))
        if price <= 0 or (other.best - price) * ladder.sign <= 0:
            return
        withdraw = held > self.levels and price in ladder.sizes and rng.random() < 0.6
        self._put(ladder, price, 0 if withdraw else self._amount())

    def _take(self) -> None:
        """Let a taker consume the other side; far from the first price it tends to return."""
        rng, ref = self.rng, self.spec.price
        if rng.random() < 0.005:
            self._mood = rng.uniform(-0.3, 0.3)  # for a while takers agree on a direction
        mid = (self.bids.best + self.asks.best) // 2
        pull = max(-0.35, min(0.35, (ref - mid) / (ref * 0.01)))
        buys = rng.random() < 0.5 + pull + self._mood
        ladder = self.asks if buys else self.bids
        left = self._amount() if rng.random() < 0.9 else self._amount() * 4
        while left and len(ladder.keys) > self.levels // 2 + 1:
            price = ladder.best
            fill = min(left, ladder.sizes[price])
            self._fill(price, fill, buyer_maker=not buys)
            self._put(ladder, price, ladder.sizes[price] - fill)
            left -= fill

    def _fill(self, price: int, amount: int, *, buyer_maker: bool) -> None:
        """Trade `amount` at one price with one or two makers."""
        symbol, step, ts_ms = self.spec.symbol, self.spec.step, self._ts_ms
        first_id, agg_id = self.next_trade_id, self.next_agg_id
        parts = [amount]
        if amount > step and self.rng.random() < 0.3:
            part = self.rng.randrange(1, amount // step) * step
            parts = [part, amount - part]
        for n, part in enumerate(parts):
            self._out.append(Trade(symbol, first_id + n, price, part, ts_ms, buyer_maker, agg_id))
        self.next_trade_id += len(parts)
        self.next_agg_id += 1
        last_id = self.next_trade_id - 1
        self._out.append(
            AggTrade(symbol, agg_id, price, amount, first_id, last_id, ts_ms, buyer_maker)
        )
