"""A fake venue on loopback: a market model spoken in one venue's protocol.

For tests and for trying strategies: real sockets, real REST, real limits, faults on demand, and a
truth to compare with. It imitates market data only; it has no accounts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from .gateway import Gateway
from .market import TICK_MS, MarketModel, Spec
from .side import VenueSide, venue_side

_TURN_S = 0.002  # at full speed the event loop gets its turn this often


class FakeVenue(Gateway):
    """A venue whose market you own.

    Args:
        venue: Id of the venue whose protocol is spoken, or a side of your own.
        seed: Of the market; the same seed gives the same market.
        speed: 1.0 is real time: each symbol some 15 trades a second and a book delta each 100 ms.
            10.0 is ten times that. 0 is as fast as the clients read, while there are any.
            None is the same as `paused=True`.
        symbols: Markets to list; None lists those of the venue's side.
        paused: Nothing moves but by `step` (or after `resume`).
        clock: Unix seconds, for the beginning of market time.
        market: A market of your own instead of one from `seed`, `symbols` and `clock`.
        limits: Fields of `Limits` that shall differ from the venue's, such as `ping_every_s`.
    """

    def __init__(
        self,
        venue: str | type[VenueSide],
        *,
        seed: int = 0,
        speed: float | None = 1.0,
        symbols: Sequence[str | Spec] | None = None,
        paused: bool = False,
        clock: Callable[[], float] = time.time,
        market: MarketModel | None = None,
        **limits: Any,
    ) -> None:
        side = venue_side(venue) if isinstance(venue, str) else venue
        if market is None:
            listed = side.default_symbols if symbols is None else symbols
            specs = [side.spec_of(s) if isinstance(s, str) else s for s in listed]
            market = MarketModel(specs, seed=seed, clock=clock)
        self.market = market
        allowed = dataclasses.replace(side.limits, **limits)
        super().__init__(side(list(self.market.specs.values()), self.market, allowed))
        self._speed = speed or 0.0
        self._running = asyncio.Event()
        if not paused and speed is not None:
            self._running.set()
        self._drop_deltas: set[str] = set()

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1 and let the market run."""
        await super().start(port)
        self.spawn(self._run())

    async def step(self, ticks: int = 1) -> None:
        """Move the market by ticks of 100 ms; return when the frames are written."""
        for _ in range(ticks):
            self._tick()
            await self.drain()

    def pause(self) -> None:
        """Stop the market; sockets, pings and REST go on."""
        self._running.clear()

    def resume(self) -> None:
        """Let the market run at its speed."""
        self._running.set()

    def drop_next_delta(self, symbol: str) -> None:
        """Keep a symbol's next book deltas from all sockets: its book moves on, a gap is left."""
        if symbol not in self.market.specs:
            raise LookupError(f"No market {symbol!r} here; there are {self.market.symbols}.")
        self._drop_deltas.add(symbol)

    async def restart(self, market: str) -> None:
        """Let the venue restart a book: update ids begin again, and watchers are told.

        Args:
            market: Its symbol, or a topic of its book.
        """
        symbol = market if market in self.market.specs else self.side.book_of(market)
        if symbol is None:
            raise LookupError(f"No market {market!r} here; there are {self.market.symbols}.")
        self.market.restart(symbol)
        for topic, payload in self.side.restarted(symbol):
            self.publish(topic, payload)
        await self.drain()

    def _tick(self) -> None:
        dropped = set()
        for topic, payload in self.side.encode(self.market.tick()):
            if self._drop_deltas:
                symbol = self.side.book_of(topic)
                if symbol in self._drop_deltas:
                    dropped.add(symbol)
                    continue
            self.publish(topic, payload)
        self._drop_deltas -= dropped

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._running.wait()
            if not self._speed:
                await self._rush()
                continue
            due += TICK_MS / 1000 / self._speed
            late_s = loop.time() - due
            if late_s > 1:
                due += late_s  # after a pause the market goes on from here, it does not catch up
            await asyncio.sleep(max(0.0, -late_s))
            self._tick()
            self.flush()

    async def _rush(self) -> None:
        """Make ticks without waiting for time, only for readers."""
        if not self._subscribers:
            await self.until(lambda: bool(self._subscribers), timeout_s=86_400)
        turn_over = time.monotonic() + _TURN_S
        while time.monotonic() < turn_over:
            self._tick()
        await self.drain()
        await asyncio.sleep(0)
