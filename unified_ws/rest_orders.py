"""Placing and changing orders by REST, as ccxt has it.

Each method asks ccxt by REST and returns what it returns. ccxt's errors pass through unchanged.
"""


from __future__ import annotations

from typing import cast

from unified_ws.rest_call import RestCall
from unified_ws.types import Num, Order, OrderRequest, OrderType, Params, Side


class OrderEntry(RestCall):
    """The methods of ccxt that make an order, with their types."""

    async def create_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order of `amount`, in base currency or contracts.

        `price` in quote currency, required for a limit order. The rest
        (`triggerPrice`, `timeInForce`, `postOnly`, `reduceOnly`, `clientOrderId`) is in `params`.

        Returns:
            The order as far as the venue tells; often no more than its `id`.

        Raises:
            InsufficientFunds: The balance does not cover it.
            InvalidOrder: The venue refused price, amount or type.
            RequestTimeout: The order may or may not exist: ask `fetch_open_orders`.
        """
        return cast(
            "Order", await self._rest("create_order", symbol, type, side, amount, price, params)
        )

    async def create_orders(self, orders: list[OrderRequest], params: Params = {}) -> list[Order]:
        """Place several orders in one request."""
        return cast("list[Order]", await self._rest("create_orders", orders, params))

    async def create_limit_order(
        self, symbol: str, side: Side, amount: float, price: float, params: Params = {}
    ) -> Order:
        """Place an order at `price` or better."""
        return cast(
            "Order", await self._rest("create_limit_order", symbol, side, amount, price, params)
        )

    async def create_limit_buy_order(
        self, symbol: str, amount: float, price: float, params: Params = {}
    ) -> Order:
        """Place an order to buy at `price` or less."""
        return cast(
            "Order", await self._rest("create_limit_buy_order", symbol, amount, price, params)
        )

    async def create_limit_sell_order(
        self, symbol: str, amount: float, price: float, params: Params = {}
    ) -> Order:
        """Place an order to sell at `price` or more."""
        return cast(
            "Order", await self._rest("create_limit_sell_order", symbol, amount, price, params)
        )

    async def create_market_order(
        self, symbol: str, side: Side, amount: float, price: Num = None, params: Params = {}
    ) -> Order:
        """Place an order at whatever the book offers; some venues want `price` for the cost."""
        return cast(
            "Order", await self._rest("create_market_order", symbol, side, amount, price, params)
        )

    async def create_market_buy_order(
        self, symbol: str, amount: float, params: Params = {}
    ) -> Order:
        """Place an order to buy at whatever the book offers."""
        return cast("Order", await self._rest("create_market_buy_order", symbol, amount, params))

    async def create_market_sell_order(
        self, symbol: str, amount: float, params: Params = {}
    ) -> Order:
        """Place an order to sell at whatever the book offers."""
        return cast("Order", await self._rest("create_market_sell_order", symbol, amount, params))

    async def create_market_order_with_cost(
        self, symbol: str, side: Side, cost: float, params: Params = {}
    ) -> Order:
        """Place a market order for `cost` in quote currency."""
        return cast(
            "Order", await self._rest("create_market_order_with_cost", symbol, side, cost, params)
        )

    async def create_market_buy_order_with_cost(
        self, symbol: str, cost: float, params: Params = {}
    ) -> Order:
        """Buy for `cost` in quote currency at whatever the book offers."""
        return cast(
            "Order", await self._rest("create_market_buy_order_with_cost", symbol, cost, params)
        )

    async def create_market_sell_order_with_cost(
        self, symbol: str, cost: float, params: Params = {}
    ) -> Order:
        """Sell for `cost` in quote currency at whatever the book offers."""
        return cast(
            "Order", await self._rest("create_market_sell_order_with_cost", symbol, cost, params)
        )

    async def create_stop_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        triggerPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that wakes when the market touches `triggerPrice`."""
        return cast(
            "Order",
            await self._rest(
                "create_stop_order", symbol, type, side, amount, price, triggerPrice, params
            ),
        )

    async def create_stop_limit_order(
        self,
        symbol: str,
        side: Side,
        amount: float,
        price: float,
        triggerPrice: float,
        params: Params = {},
    ) -> Order:
        """Place a limit order that wakes when the market touches `triggerPrice`."""
        return cast(
            "Order",
            await self._rest(
                "create_stop_limit_order", symbol, side, amount, price, triggerPrice, params
            ),
        )

    async def create_stop_market_order(
        self, symbol: str, side: Side, amount: float, triggerPrice: float, params: Params = {}
    ) -> Order:
        """Place a market order that wakes when the market touches `triggerPrice`."""
        return cast(
            "Order",
            await self._rest(
                "create_stop_market_order", symbol, side, amount, triggerPrice, params
            ),
        )

    async def create_trigger_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        triggerPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that wakes when the market touches `triggerPrice`."""
        return cast(
            "Order",
            await self._rest(
                "create_trigger_order", symbol, type, side, amount, price, triggerPrice, params
            ),
        )

    async def create_stop_loss_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        stopLossPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that ends a position at a loss."""
        return cast(
            "Order",
            await self._rest(
                "create_stop_loss_order", symbol, type, side, amount, price, stopLossPrice, params
            ),
        )

    async def create_take_profit_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        takeProfitPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that ends a position at a profit."""
        return cast(
            "Order",
            await self._rest(
                "create_take_profit_order",
                symbol,
                type,
                side,
                amount,
                price,
                takeProfitPrice,
                params,
            ),
        )

    async def create_order_with_take_profit_and_stop_loss(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        takeProfit: Num = None,
        stopLoss: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order whose position ends at either of two prices."""
        return cast(
            "Order",
            await self._rest(
                "create_order_with_take_profit_and_stop_loss",
                symbol,
                type,
                side,
                amount,
                price,
                takeProfit,
                stopLoss,
                params,
            ),
        )

    async def create_post_only_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that is refused rather than filled as taker."""
        return cast(
            "Order",
            await self._rest("create_post_only_order", symbol, type, side, amount, price, params),
        )

    async def create_reduce_only_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        params: Params = {},
    ) -> Order:
        """Place an order that can only make a position smaller."""
        return cast(
            "Order",
            await self._rest("create_reduce_only_order", symbol, type, side, amount, price, params),
        )

    async def create_trailing_amount_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        trailingAmount: Num = None,
        trailingTriggerPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place a stop that follows the market at `trailingAmount` in quote currency."""
        return cast(
            "Order",
            await self._rest(
                "create_trailing_amount_order",
                symbol,
                type,
                side,
                amount,
                price,
                trailingAmount,
                trailingTriggerPrice,
                params,
            ),
        )

    async def create_trailing_percent_order(
        self,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: float,
        price: Num = None,
        trailingPercent: Num = None,
        trailingTriggerPrice: Num = None,
        params: Params = {},
    ) -> Order:
        """Place a stop that follows the market at `trailingPercent` (1.5 is 1.5 %)."""
        return cast(
            "Order",
            await self._rest(
                "create_trailing_percent_order",
                symbol,
                type,
                side,
                amount,
                price,
                trailingPercent,
                trailingTriggerPrice,
                params,
            ),
        )

    async def edit_order(
        self,
        id: str,
        symbol: str,
        type: OrderType,
        side: Side,
        amount: Num = None,
        price: Num = None,
        params: Params = {},
    ) -> Order:
        """Change an open order; where the venue cannot, it is cancelled and placed again."""
        return cast(
            "Order", await self._rest("edit_order", id, symbol, type, side, amount, price, params)
        )

    async def edit_limit_order(
        self,
        id: str,
        symbol: str,
        side: Side,
        amount: float,
        price: Num = None,
        params: Params = {},
    ) -> Order:
        """Change amount and price of an open limit order."""
        return cast(
            "Order", await self._rest("edit_limit_order", id, symbol, side, amount, price, params)
        )

    # ccxt's other spelling of the same methods.
    createOrder = create_order
    createOrders = create_orders
    createLimitOrder = create_limit_order
    createLimitBuyOrder = create_limit_buy_order
    createLimitSellOrder = create_limit_sell_order
    createMarketOrder = create_market_order
    createMarketBuyOrder = create_market_buy_order
    createMarketSellOrder = create_market_sell_order
    createMarketOrderWithCost = create_market_order_with_cost
    createMarketBuyOrderWithCost = create_market_buy_order_with_cost
    createMarketSellOrderWithCost = create_market_sell_order_with_cost
    createStopOrder = create_stop_order
    createStopLimitOrder = create_stop_limit_order
    createStopMarketOrder = create_stop_market_order
    createTriggerOrder = create_trigger_order
    createStopLossOrder = create_stop_loss_order
    createTakeProfitOrder = create_take_profit_order
    createOrderWithTakeProfitAndStopLoss = create_order_with_take_profit_and_stop_loss
    createPostOnlyOrder = create_post_only_order
    createReduceOnlyOrder = create_reduce_only_order
    createTrailingAmountOrder = create_trailing_amount_order
    createTrailingPercentOrder = create_trailing_percent_order
    editOrder = edit_order
    editLimitOrder = edit_limit_order


__all__ = ["OrderEntry"]
