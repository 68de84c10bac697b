"""Serve a fake venue from a process of its own: `python -m unified_ws.testing VENUE --speed 10`.

Prints `gateway http://127.0.0.1:PORT` and serves until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from .server import FakeVenue


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m unified_ws.testing", description=__doc__)
    parser.add_argument("venue", help="id of the venue whose protocol is spoken")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="1 real time, 0 unlimited")
    parser.add_argument("--seed", type=int, default=0, help="of the market")
    parser.add_argument(
        "--symbols", help="unified symbols, separated by commas; by default the venue's choice"
    )
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    venue = FakeVenue(
        options.venue,
        seed=options.seed,
        speed=options.speed,
        symbols=options.symbols.split(",") if options.symbols else None,
    )
    await venue.start(options.port)
    try:
        sys.stdout.write(f"gateway {venue.gateway}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await venue.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    options = _arguments(argv)
    try:
        asyncio.run(_serve(options))
    except (LookupError, OSError, ValueError) as e:
        sys.stderr.write(f"{e}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
