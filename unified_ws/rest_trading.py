"""Orders and fills by REST, as ccxt has them.

Each method asks ccxt by REST and returns what it returns. ccxt's errors pass through unchanged.
"""


from __future__ import annotations

from typing import cast

from unified_ws.rest_orders import OrderEntry
from unified_ws.types import Order, Params, Trade, TradingFee, TradingFees


class Trading(OrderEntry):
    """The order methods of ccxt, with their types."""

    async def cancel_order(self, id: str, symbol: str | None = None, params: Params = {}) -> Order:
        """Cancel one order; most venues want its `symbol` too.

        Raises:
            OrderNotFound: There is no such open order: it may have been filled meanwhile.
        """
        return cast("Order", await self._rest("cancel_order", id, symbol, params))

    async def cancel_orders(
        self, ids: list[str], symbol: str | None = None, params: Params = {}
    ) -> list[Order]:
        """Cancel several orders in one request."""
        return cast("list[Order]", await self._rest("cancel_orders", ids, symbol, params))

    async def cancel_all_orders(
        self, symbol: str | None = None, params: Params = {}
    ) -> list[Order]:
        """Cancel all open orders, of one market where the venue wants a `symbol`."""
        return cast("list[Order]", await self._rest("cancel_all_orders", symbol, params))

    async def cancel_all_orders_after(
        self,
        timeout: int | None,
        params: Params = {},
    ) -> dict[str, object]:
        """Let the venue cancel all orders in `timeout` ms unless called again; 0 disarms."""
        return cast(
            "dict[str, object]", await self._rest("cancel_all_orders_after", timeout, params)
        )

    async def cancel_order_with_client_order_id(
        self, clientOrderId: str, symbol: str | None = None, params: Params = {}
    ) -> Order:
        """Cancel one order by the id that you gave it."""
        return cast(
            "Order",
            await self._rest("cancel_order_with_client_order_id", clientOrderId, symbol, params),
        )

    async def fetch_order(self, id: str, symbol: str | None = None, params: Params = {}) -> Order:
        """Fetch one order, open or not.

        Raises:
            OrderNotFound: The venue does not know it, or no longer.
        """
        return cast("Order", await self._rest("fetch_order", id, symbol, params))

    async def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:
        """Fetch orders in every state, oldest first."""
        return cast("list[Order]", await self._rest("fetch_orders", symbol, since, limit, params))

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:
        """Fetch the orders that wait to be filled, oldest first."""
        return cast(
            "list[Order]", await self._rest("fetch_open_orders", symbol, since, limit, params)
        )

    async def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:
        """Fetch the orders that were filled, oldest first."""
        return cast(
            "list[Order]", await self._rest("fetch_closed_orders", symbol, since, limit, params)
        )

    async def fetch_canceled_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:
        """Fetch the orders that were cancelled, oldest first."""
        return cast(
            "list[Order]", await self._rest("fetch_canceled_orders", symbol, since, limit, params)
        )

    async def fetch_canceled_and_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Order]:
        """Fetch the orders that are no longer open, oldest first."""
        return cast(
            "list[Order]",
            await self._rest("fetch_canceled_and_closed_orders", symbol, since, limit, params),
        )

    async def fetch_order_trades(
        self,
        id: str,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Trade]:
        """Fetch the fills of one order, oldest first."""
        return cast(
            "list[Trade]", await self._rest("fetch_order_trades", id, symbol, since, limit, params)
        )

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Trade]:
        """Fetch your own trades, oldest first: from `since` (ms), or the newest `limit`."""
        return cast(
            "list[Trade]", await self._rest("fetch_my_trades", symbol, since, limit, params)
        )

    async def fetch_trading_fee(self, symbol: str, params: Params = {}) -> TradingFee:
        """Fetch what your trades in one market cost."""
        return cast("TradingFee", await self._rest("fetch_trading_fee", symbol, params))

    async def fetch_trading_fees(self, params: Params = {}) -> TradingFees:
        """Fetch what your trades cost, by symbol."""
        return cast("TradingFees", await self._rest("fetch_trading_fees", params))

    # ccxt's other spelling of the same methods.
    cancelOrder = cancel_order
    cancelOrders = cancel_orders
    cancelAllOrders = cancel_all_orders
    cancelAllOrdersAfter = cancel_all_orders_after
    cancelOrderWithClientOrderId = cancel_order_with_client_order_id
    fetchOrder = fetch_order
    fetchOrders = fetch_orders
    fetchOpenOrders = fetch_open_orders
    fetchClosedOrders = fetch_closed_orders
    fetchCanceledOrders = fetch_canceled_orders
    fetchCanceledAndClosedOrders = fetch_canceled_and_closed_orders
    fetchOrderTrades = fetch_order_trades
    fetchMyTrades = fetch_my_trades
    fetchTradingFee = fetch_trading_fee
    fetchTradingFees = fetch_trading_fees


__all__ = ["Trading"]
