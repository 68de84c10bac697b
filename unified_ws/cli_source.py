"""What a command reads from: the venue itself, a relay, or a fake of it in this very process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from unified_ws.exchange import Exchange
from unified_ws.factory import class_of, exchange


class Usage(Exception):
    """The command line asks for something that is not there; the text is one sentence."""


def say(text: str) -> None:
    """Tell the user something that is not data: on stderr."""
    sys.stderr.write(f"unified-ws: {text}\n")
    sys.stderr.flush()


@asynccontextmanager
async def opened(options: argparse.Namespace) -> AsyncIterator[Exchange]:
    """Make the exchange object that the options describe, its markets loaded; close it after.

    Raises:
        Usage: There is no fake of the venue, or none of such a symbol.
        UnknownVenue, BadSymbol, NotSupported, ConfigError: As the sentence says.
    """
    async with made(options) as ex:
        await ex.load_markets()
        for symbol in dict.fromkeys(options.symbols):
            ex._bridge.market(symbol)
        yield ex


@asynccontextmanager
async def made(options: argparse.Namespace) -> AsyncIterator[Exchange]:
    """Make the exchange object that the options describe, without asking the venue anything.

    Raises:
        Usage: There is no fake of the venue, or none of such a symbol.
        UnknownVenue, NotSupported, ConfigError: As the sentence says.
    """
    async with AsyncExitStack() as stack:
        config = {}
        if options.gateway:
            config["gateway"] = options.gateway
        if options.fake:
            venue_id = class_of(options.venue).adapter_class.venue.id
            config["gateway"] = await _fake(stack, venue_id, list(dict.fromkeys(options.symbols)))
        ex = await stack.enter_async_context(exchange(options.venue, config))
        if options.testnet:
            ex.set_sandbox_mode(True)
        if options.demo:
            ex.enable_demo_trading(True)
        yield ex


async def _fake(stack: AsyncExitStack, venue_id: str, symbols: Sequence[str]) -> str:
    from unified_ws.testing import FakeVenue

    try:
        fake = FakeVenue(venue_id, symbols=symbols or None)
    except (LookupError, ValueError) as error:
        raise Usage(str(error)) from error
    await stack.enter_async_context(fake)
    say(f"a fake {venue_id} runs inside this process: its market is made up")
    return fake.gateway


__all__ = ["Usage", "made", "opened", "say"]
