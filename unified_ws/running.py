"""Run a program of streams and end it cleanly; collect rows for a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Generic, TypeVar

import msgspec

from unified_ws import formats
from unified_ws.dropped import pending
from unified_ws.exchange import living

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T | None:
    """Run `main` like `asyncio.run`, and end cleanly on Ctrl-C and SIGTERM.

    On a signal `main` is cancelled, every exchange object of the loop is closed (within five
    seconds), and `None` is returned: a program that ends after this ends with status 0. Objects
    that `main` forgot to close are closed as well.
    """

    async def guarded() -> T | None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main)
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = True
            task.cancel()

        for name in ("SIGINT", "SIGTERM"):
            # Windows has no signal handlers in its loops: there KeyboardInterrupt remains.
            with contextlib.suppress(NotImplementedError, AttributeError, RuntimeError):
                loop.add_signal_handler(getattr(signal, name), stop)
        try:
            return await task
        except asyncio.CancelledError:
            if not stopped:
                raise
            return None
        finally:
            for exchange in living():
                if exchange._client.loop is loop:
                    await exchange.close()
            await asyncio.gather(*pending(loop))

    try:
        return asyncio.run(guarded(), debug=debug)
    except KeyboardInterrupt:
        return None


class Collected(list[T], Generic[T]):
    """Collected rows: a list that is also a table."""

    @property
    def df(self) -> Any:
        """Return the rows as a pandas DataFrame, one column a field; needs the extra `pandas`."""
        skipped = {"raw", "as_ccxt"}
        return formats.rows_frame(
            [
                {name: getattr(row, name) for name in row.__struct_fields__ if name not in skipped}
                if isinstance(row, msgspec.Struct)
                else row
                for row in self
            ]
        )


async def collect(
    rows: AsyncIterator[T], *, seconds: float | None = None, count: int | None = None
) -> Collected[T]:
    """Gather the rows of a stream for some seconds, or until there are `count` of them.

    Returns what came, as a list with `.df`. An interrupt in a notebook or at a prompt returns what
    has come so far. In a program a cancellation goes on as any other does: there it ends
    whoever asked for the rows.
    """
    kept: Collected[T] = Collected()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            async for row in rows:
                kept.append(row)
                if count is not None and len(kept) >= count:
                    break
    except TimeoutError:
        if not limit.expired():
            raise
    except asyncio.CancelledError:
        # Kernels and prompts turn Ctrl-C into the cancellation of the statement that runs.
        task = asyncio.current_task()
        if task is None or not hasattr(sys, "ps1"):
            raise
        task.uncancel()
    finally:
        close = getattr(rows, "aclose", None)
        if close is not None:
            await close()
    return kept


__all__ = ["Collected", "collect", "run"]
