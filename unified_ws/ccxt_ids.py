"""What ccxt itself knows: its ids, and the keys that its constructor takes.

Everything is imported when first asked for: these answers are wanted for a check of the user's
configuration and for the sentence of an error, never on the way to a stream.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class ConstructorKeys(NamedTuple):
    """The names ccxt's constructor may set: `data`, and `methods` that it may replace."""

    data: frozenset[str]
    methods: frozenset[str]


@cache
def ccxt_ids() -> frozenset[str]:
    """Return the ids of every venue that ccxt serves by REST."""
    import ccxt

    return frozenset(ccxt.exchanges)


@cache
def ccxt_pro_ids() -> frozenset[str]:
    """Return the ids of every venue that ccxt.pro has a WebSocket adapter for."""
    import ccxt.pro

    return frozenset(ccxt.pro.exchanges)


@cache
def constructor_keys() -> ConstructorKeys:
    """Return what may stand in ccxt's configuration: attributes of its base class."""
    import ccxt.async_support

    base = ccxt.async_support.Exchange
    # Constructing one gives the class its camelCase methods; the answer must not depend on
    # whether somebody did so before.
    described = base().describe()
    public = {name for name in dir(base) if not name.startswith("_")}
    # `number` is a class (float or str) rather than a method: it is chosen, not replaced.
    methods = {name for name in public if callable(getattr(base, name))} - {"number"}
    return ConstructorKeys(frozenset(public - methods) | frozenset(described), frozenset(methods))
