"""A pytest fixture that makes fake venues: `pytest_plugins = ["unified_ws.testing.pytest_plugin"]`.

```python
async def test_my_strategy(fake_venue):
    venue = await fake_venue(VENUE, seed=3, paused=True)
    exchange = unified_ws.exchange(VENUE, {"gateway": venue.gateway})
```
Needs pytest-asyncio. Every venue made is closed when the test ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest_asyncio

from .server import FakeVenue
from .side import VenueSide

MakeVenue: TypeAlias = Callable[..., Awaitable[FakeVenue]]


@pytest_asyncio.fixture
async def fake_venue() -> AsyncIterator[MakeVenue]:
    """Make started `FakeVenue`s; takes the arguments of the class."""
    async with AsyncExitStack() as stack:

        async def make(venue: str | type[VenueSide], **options: Any) -> FakeVenue:
            return await stack.enter_async_context(FakeVenue(venue, **options))

        yield make
