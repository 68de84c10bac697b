"""From a name to an exchange object: classes by id, made once, real and subclassable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unified_ws import registry
from unified_ws.adapter import Adapter
from unified_ws.errors import CCXT_ERRORS
from unified_ws.exchange import Exchange
from unified_ws.types import Config

_CLASSES: dict[type[Adapter], type[Exchange]] = {}


class _Ids(Sequence[str]):
    """The ids of all venues, as ccxt's `exchanges`: looked up when looked at."""

    def __getitem__(self, index: Any) -> Any:
        return registry.exchange_ids()[index]

    def __len__(self) -> int:
        return len(registry.exchange_ids())

    def __contains__(self, name: object) -> bool:
        return name in registry.exchange_ids()

    def __iter__(self) -> Iterator[str]:
        return iter(registry.exchange_ids())

    def __repr__(self) -> str:
        return repr(registry.exchange_ids())


exchanges: Sequence[str] = _Ids()


def known(name: str) -> bool:
    """Say whether `name` is the id or an alias of a venue."""
    return name in exchanges


def class_of(name: str | Path | type[Adapter]) -> type[Exchange]:
    """Return the exchange class that a name means."""
    adapter = registry.resolve(name)
    made = _CLASSES.get(adapter)
    if made is None:
        doc = f"{adapter.venue.name or adapter.venue.id}: see `unified_ws.Exchange`."
        made = _CLASSES[adapter] = type(
            adapter.venue.id, (Exchange,), {"adapter_class": adapter, "__doc__": doc}
        )
    return made


def exchange(
    name: str | Path | type[Adapter] | Any, config: Config | Mapping[str, Any] | None = None
) -> Exchange:
    """Make an exchange object.

    Args:
        name: An id ("venue-id"), the path of a venue file ("venues/mine.py", optionally with
            ":Class"), an `Adapter` class, or a ccxt object (of `ccxt.async_support` or
            `ccxt.pro`) that is to be extended: its keys, proxies, options and markets are used,
            and it is never closed.
        config: ccxt's constructor keys, and ours: `gateway`, `account`, `ws`. With a ccxt
            object only ours.

    Raises:
        UnknownVenue: Nobody answers to the name; the sentence lists the nearest ones.
        ConfigError: A key is unknown or its value cannot be used.
    """
    if isinstance(name, (str, Path, type)):
        return class_of(name)(config)
    if not isinstance(getattr(name, "id", None), str):
        raise CCXT_ERRORS["BadRequest"](
            f"unified_ws.exchange() takes a name, a path, an Adapter class or a ccxt object, "
            f"not {type(name).__name__}"
        )
    return class_of(str(name.id))(config, _instance=name)


register = registry.register

__all__ = ["class_of", "exchange", "exchanges", "known", "register"]
