"""ccxt.pro's watch API, rebuilt so that a stream never dies silently.

    import unified_ws

    async with unified_ws.exchange("venue-id") as ex:
        trades = await ex.watch_trades("BTC/USDT")            # ccxt's names, dicts and errors
        async for trade in ex.stream_trades("BTC/USDT"):      # or typed, one cursor a consumer
            ...

The classes of all venues are attributes by id, as in ccxt.pro; so are all of ccxt's errors.
"""

from __future__ import annotations

import logging

from unified_ws import errors as _errors
from unified_ws._version import __version__
from unified_ws.core.actions import Notice
from unified_ws.core.ledger import Gap
from unified_ws.errors import *  # noqa: F403  (the error classes are part of the public names)
from unified_ws.events import BidAsk, Candle, Ticker, Trade
from unified_ws.exchange import Exchange
from unified_ws.factory import class_of, exchange, exchanges, known, register
from unified_ws.running import collect, run
from unified_ws.stream import OrderBookRow, Rows

logging.getLogger("unified_ws").addHandler(logging.NullHandler())


def __getattr__(name: str) -> type[Exchange]:
    """Return the class of a venue by its id, made when first asked for."""
    if not name.startswith("_") and known(name):
        return class_of(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *exchanges})


__all__ = [
    "BidAsk", "Candle", "Exchange", "Gap", "Notice", "OrderBookRow", "Rows", "Ticker",
    "Trade", "__version__", "collect", "exchange", "exchanges", "register", "run",
]  # fmt: skip
__all__ += _errors.__all__
