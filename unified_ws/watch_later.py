"""The `watch_*` and `un_watch_*` of ccxt.pro that this release does not have yet.

They are here so that an editor and `getattr` find them, with ccxt's signatures; `has` says no,
and each call raises `NotSupported` with the venue and the method in its sentence.
"""
# ruff: noqa: ARG002 - the signatures are ccxt's, the bodies only refuse

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from unified_ws.errors import CCXT_ERRORS
from unified_ws.types import (
    Balances,
    Liquidation,
    Order,
    Params,
    Position,
    Trade,
)


class WatchLater:
    """The methods of accounts, none of which is offered yet (a mixin)."""

    if TYPE_CHECKING:

        @property
        def id(self) -> str:
            """Name the venue."""

    def _not_offered(self, method: str) -> NoReturn:
        raise CCXT_ERRORS["NotSupported"](f"{self.id} {method}() is not supported")

    # --- the account ------------------------------------------------------------------------

    async def watch_balance(self, params: Params = {}) -> Balances:
        """Wait for a change of the balances. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchBalance")

    async def watch_orders(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:  # fmt: skip
        """Wait for changes of own orders. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchOrders")

    async def watch_orders_for_symbols(
        self, symbols: list[str], since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:  # fmt: skip
        """Wait for changes of own orders. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchOrdersForSymbols")

    async def watch_my_trades(
        self, symbol: str | None = None, since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> list[Trade]:  # fmt: skip
        """Wait for own trades. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchMyTrades")

    async def watch_my_trades_for_symbols(
        self, symbols: list[str], since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> list[Trade]:  # fmt: skip
        """Wait for own trades. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchMyTradesForSymbols")

    async def watch_position(self, symbol: str | None = None, params: Params = {}) -> Position:
        """Wait for a change of one position. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchPosition")

    async def watch_positions(
        self, symbols: list[str] | None = None, since: int | None = None,
        limit: int | None = None, params: Params = {},
    ) -> list[Position]:  # fmt: skip
        """Wait for changes of positions. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchPositions")

    async def watch_position_for_symbols(
        self, symbols: list[str] | None = None, since: int | None = None,
        limit: int | None = None, params: Params = {},
    ) -> list[Position]:  # fmt: skip
        """Wait for changes of positions. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchPositionForSymbols")

    async def watch_my_liquidations(
        self, symbol: str, since: int | None = None, limit: int | None = None, params: Params = {}
    ) -> list[Liquidation]:
        """Wait for own liquidations. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchMyLiquidations")

    async def watch_my_liquidations_for_symbols(
        self, symbols: list[str], since: int | None = None, limit: int | None = None,
        params: Params = {},
    ) -> list[Liquidation]:  # fmt: skip
        """Wait for own liquidations. Not offered yet: raises `NotSupported`."""
        self._not_offered("watchMyLiquidationsForSymbols")

    async def un_watch_orders(self, symbol: str | None = None, params: Params = {}) -> bool:
        """End own orders. Not offered yet: raises `NotSupported`."""
        self._not_offered("unWatchOrders")

    async def un_watch_my_trades(self, symbol: str | None = None, params: Params = {}) -> bool:
        """End own trades. Not offered yet: raises `NotSupported`."""
        self._not_offered("unWatchMyTrades")

    async def un_watch_positions(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> bool:
        """End positions. Not offered yet: raises `NotSupported`."""
        self._not_offered("unWatchPositions")

    # ccxt's other spelling of the same methods.
    watchBalance = watch_balance
    watchOrders = watch_orders
    watchOrdersForSymbols = watch_orders_for_symbols
    watchMyTrades = watch_my_trades
    watchMyTradesForSymbols = watch_my_trades_for_symbols
    watchPosition = watch_position
    watchPositions = watch_positions
    watchPositionForSymbols = watch_position_for_symbols
    watchMyLiquidations = watch_my_liquidations
    watchMyLiquidationsForSymbols = watch_my_liquidations_for_symbols
    unWatchOrders = un_watch_orders
    unWatchMyTrades = un_watch_my_trades
    unWatchPositions = un_watch_positions


__all__ = ["WatchLater"]
