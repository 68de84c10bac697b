"""What becomes of an exchange object whose user forgot to close it.

The rule: the client knows the exchange object only weakly, so the last reference is the user's.
If that goes while the event loop runs, everything is closed there, as `close()` would: a notebook
cell that constructs the object anew leaves nothing open. If the loop ends first, everything is
closed with it, and one warning says that `close()` was forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified_ws.rest import RestBridge
    from unified_ws.shell.client import Client

_closing: dict[asyncio.Task[None], RestBridge] = {}


def drop(name: str, client: Client | None, bridge: RestBridge) -> None:
    """Close what belonged to an object that is being collected; callable from any thread."""
    loop = client.loop if client is not None else bridge.loop
    if loop is None:
        return  # it never opened anything, or was closed

    def begin() -> None:
        task = loop.create_task(_close_dropped(client, bridge), name=f"unified_ws {name}: closing")
        _closing[task] = bridge
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[None]) -> None:
        _closing.pop(task, None)
        if task.cancelled():  # the loop is ending
            _drop_now(name, client, bridge)

    try:
        loop.call_soon_threadsafe(begin)
    except RuntimeError:  # the loop is closed
        if client is None or not client.closed:
            _drop_now(name, client, bridge)


def stand_by(name: str, client: Client, bridge: RestBridge) -> AsyncGenerator[None, None]:
    """Return what the end of the running loop will close: `aclose()` it when that is done before.

    Loops end asynchronous generators last of all, and wait for them: there is no other way to
    await something after the main task has returned.
    """
    last = _at_the_end(name, client, bridge)
    with contextlib.suppress(StopIteration):
        last.__anext__().send(None)  # up to its `yield`: from here on the loop knows it
    return last


def pending(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[None]]:
    """Return the closings that are under way in a loop."""
    return [task for task in _closing if task.get_loop() is loop]


async def _at_the_end(name: str, client: Client, bridge: RestBridge) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        # A closing that has begun must be waited for; if it is what has ended us, it is done.
        me = asyncio.current_task()
        begun = [task for task, its in _closing.items() if its is bridge and task is not me]
        if begun or not client.closed:
            await asyncio.gather(*begun, _close(client, bridge), return_exceptions=True)
            _warn(name)


async def _close(client: Client | None, bridge: RestBridge) -> None:
    if client is not None:
        await client.close()
    await bridge.close()


async def _close_dropped(client: Client | None, bridge: RestBridge) -> None:
    await _close(client, bridge)
    if client is not None and client.last is not None:
        with contextlib.suppress(RuntimeError):  # the end of the loop is already waiting for us
            await client.last.aclose()


def _drop_now(name: str, client: Client | None, bridge: RestBridge) -> None:
    if client is not None:
        client.drop()
    bridge.drop()
    _warn(name)


def _warn(name: str) -> None:
    warnings.warn(
        f"{name}: `await ex.close()` was never called; its sockets were closed with the event loop",
        RuntimeWarning,
        stacklevel=2,
    )


__all__ = ["drop", "pending", "stand_by"]
