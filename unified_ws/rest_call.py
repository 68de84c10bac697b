"""The seam between the typed REST methods and the object that answers them."""

from __future__ import annotations

from typing import Any


class RestCall:
    """Base of the REST mixins: they name a method of ccxt, the concrete class calls it.

    `rest` is the ccxt instance; the helpers that need no request ask it directly.
    """

    rest: Any

    async def _rest(self, name: str, *args: object) -> Any:
        """Call the ccxt method `name`; the concrete class does so within its request budget."""
        raise NotImplementedError(f"{type(self).__name__} cannot call ccxt's {name}()")


__all__ = ["RestCall"]
