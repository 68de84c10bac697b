"""What lets code that was written for ccxt find what it expects on an exchange object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from unified_ws.config import ConfigError
from unified_ws.errors import CCXT_ERRORS


def camel_case(name: str) -> str:
    """Return ccxt's other spelling of a method: watch_ohlcv -> watchOHLCV."""
    first, *rest = name.split("_")
    return first + "".join("OHLCV" if part == "ohlcv" else part.capitalize() for part in rest)


def twins_follow(cls: type) -> None:
    """Point the camelCase twins of a subclass at what it overrides in snake_case.

    ccxt does so when an object is constructed; a twin that the class itself defines stays.
    """
    for name in dir(cls):
        twin = camel_case(name)
        if name[0] == "_" or twin == name or twin in cls.__dict__:
            continue
        method = inspect.getattr_static(cls, name)
        overridden = inspect.getattr_static(cls, twin, method) is not method
        if inspect.isroutine(method) and (overridden or name in cls.__dict__):
            setattr(cls, twin, method)


def refusing(method: Callable[..., Any], sentence: str) -> Callable[..., Any]:
    """Return a stand-in for a method of ccxt that raises `NotSupported` when it is awaited."""

    @functools.wraps(method)
    async def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise CCXT_ERRORS["NotSupported"](sentence)

    return refuse


def only_ours(config: dict[str, Any], instance: Any) -> dict[str, Any]:
    """Return the configuration of an extended ccxt object: the rest of it is on that object.

    Raises:
        ConfigError: A key of ccxt's is given beside the object.
    """
    theirs = config.keys() - {"gateway", "account", "ws"}
    if theirs:
        key = min(theirs)
        text = f'option "{key}" belongs on the ccxt object that is extended: set it there'
        raise ConfigError(text, key=key)
    return {**config, "options": getattr(instance, "options", {})}


__all__ = ["camel_case", "only_ours", "refusing", "twins_follow"]
