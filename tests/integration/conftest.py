"""Fixtures of the integration tests: a fake venue, and exchange objects that are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

import unified_ws
from unified_ws.testing import FakeVenue

Make = Callable[..., unified_ws.Exchange]


@pytest_asyncio.fixture
async def paused() -> AsyncIterator[FakeVenue]:
    """Two markets that move only when the test says so."""
    async with FakeVenue("binance", seed=7, paused=True) as venue:
        yield venue


@pytest_asyncio.fixture
async def make(paused: FakeVenue) -> AsyncIterator[Make]:
    """Make exchange objects that talk to the paused venue; all are closed at the end."""
    made: list[unified_ws.Exchange] = []

    def build(**config: Any) -> unified_ws.Exchange:
        ex = unified_ws.exchange("binance", {"gateway": paused.gateway, **config})
        made.append(ex)
        return ex

    yield build
    for ex in made:
        await ex.close()
