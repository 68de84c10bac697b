"""Balances, positions, margin and transfers by REST, as ccxt has them.

Each method asks ccxt by REST and returns what it returns. ccxt's errors pass through unchanged.
"""


from __future__ import annotations

from typing import cast

from unified_ws.rest_call import RestCall
from unified_ws.types import (
    Balances,
    DepositAddress,
    FundingPayment,
    LedgerEntry,
    Leverage,
    Liquidation,
    MarginMode,
    MarginModification,
    Order,
    Params,
    Position,
    Transaction,
    Transfer,
)


class Account(RestCall):
    """The account methods of ccxt, with their types."""

    async def fetch_balance(self, params: Params = {}) -> Balances:
        """Fetch what you have, by currency and by column.

        Returns:
            `balance["free"]["BTC"]` and `balance["BTC"]["free"]` are the same.

        Raises:
            AuthenticationError: The venue does not accept the key.
        """
        return cast("Balances", await self._rest("fetch_balance", params))

    async def fetch_position(self, symbol: str, params: Params = {}) -> Position:
        """Fetch your position in one contract."""
        return cast("Position", await self._rest("fetch_position", symbol, params))

    async def fetch_positions(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> list[Position]:
        """Fetch your positions, all of them without `symbols`."""
        return cast("list[Position]", await self._rest("fetch_positions", symbols, params))

    async def fetch_positions_history(
        self,
        symbols: list[str] | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Position]:
        """Fetch positions that were closed, oldest first."""
        return cast(
            "list[Position]",
            await self._rest("fetch_positions_history", symbols, since, limit, params),
        )

    async def fetch_position_mode(
        self, symbol: str | None = None, params: Params = {}
    ) -> dict[str, object]:
        """Fetch whether one contract can be long and short at once: `hedged` of the answer."""
        return cast("dict[str, object]", await self._rest("fetch_position_mode", symbol, params))

    async def set_position_mode(
        self, hedged: bool, symbol: str | None = None, params: Params = {}
    ) -> dict[str, object]:
        """Choose whether one contract can be long and short at once."""
        return cast(
            "dict[str, object]", await self._rest("set_position_mode", hedged, symbol, params)
        )

    async def close_position(
        self, symbol: str, side: str | None = None, params: Params = {}
    ) -> Order:
        """Close one position at the market."""
        return cast("Order", await self._rest("close_position", symbol, side, params))

    async def close_all_positions(self, params: Params = {}) -> list[Position]:
        """Close every position at the market."""
        return cast("list[Position]", await self._rest("close_all_positions", params))

    async def fetch_leverage(self, symbol: str, params: Params = {}) -> Leverage:
        """Fetch the leverage set for one contract."""
        return cast("Leverage", await self._rest("fetch_leverage", symbol, params))

    async def fetch_leverages(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> dict[str, Leverage]:
        """Fetch the leverage set for several contracts, by symbol."""
        return cast("dict[str, Leverage]", await self._rest("fetch_leverages", symbols, params))

    async def set_leverage(
        self, leverage: int, symbol: str | None = None, params: Params = {}
    ) -> dict[str, object]:
        """Set the leverage of one contract (10 is ten times the margin)."""
        return cast("dict[str, object]", await self._rest("set_leverage", leverage, symbol, params))

    async def fetch_margin_mode(self, symbol: str, params: Params = {}) -> MarginMode:
        """Fetch the margin mode of one contract."""
        return cast("MarginMode", await self._rest("fetch_margin_mode", symbol, params))

    async def fetch_margin_modes(
        self, symbols: list[str] | None = None, params: Params = {}
    ) -> dict[str, MarginMode]:
        """Fetch the margin modes of several contracts, by symbol."""
        return cast(
            "dict[str, MarginMode]", await self._rest("fetch_margin_modes", symbols, params)
        )

    async def set_margin_mode(
        self, marginMode: str, symbol: str | None = None, params: Params = {}
    ) -> dict[str, object]:
        """Set the margin mode, "cross" or "isolated", of one contract."""
        return cast(
            "dict[str, object]", await self._rest("set_margin_mode", marginMode, symbol, params)
        )

    async def add_margin(
        self, symbol: str, amount: float, params: Params = {}
    ) -> MarginModification:
        """Add margin to an isolated position."""
        return cast("MarginModification", await self._rest("add_margin", symbol, amount, params))

    async def reduce_margin(
        self, symbol: str, amount: float, params: Params = {}
    ) -> MarginModification:
        """Take margin out of an isolated position."""
        return cast("MarginModification", await self._rest("reduce_margin", symbol, amount, params))

    async def set_margin(
        self, symbol: str, amount: float, params: Params = {}
    ) -> MarginModification:
        """Set the margin of an isolated position."""
        return cast("MarginModification", await self._rest("set_margin", symbol, amount, params))

    async def fetch_funding_history(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[FundingPayment]:
        """Fetch the funding that you paid or received, oldest first."""
        return cast(
            "list[FundingPayment]",
            await self._rest("fetch_funding_history", symbol, since, limit, params),
        )

    async def fetch_my_liquidations(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Liquidation]:
        """Fetch liquidations of your own positions, oldest first."""
        return cast(
            "list[Liquidation]",
            await self._rest("fetch_my_liquidations", symbol, since, limit, params),
        )

    async def fetch_accounts(self, params: Params = {}) -> list[dict[str, object]]:
        """Fetch the accounts that the key reaches."""
        return cast("list[dict[str, object]]", await self._rest("fetch_accounts", params))

    async def fetch_ledger(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[LedgerEntry]:
        """Fetch every change of your balances, oldest first."""
        return cast(
            "list[LedgerEntry]", await self._rest("fetch_ledger", code, since, limit, params)
        )

    async def transfer(
        self, code: str, amount: float, fromAccount: str, toAccount: str, params: Params = {}
    ) -> Transfer:
        """Move `amount` of a currency between your wallets ("spot", "swap", "funding"...)."""
        return cast(
            "Transfer", await self._rest("transfer", code, amount, fromAccount, toAccount, params)
        )

    async def fetch_transfers(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Transfer]:
        """Fetch moves between your wallets, oldest first."""
        return cast(
            "list[Transfer]", await self._rest("fetch_transfers", code, since, limit, params)
        )

    async def fetch_deposit_address(self, code: str, params: Params = {}) -> DepositAddress:
        """Fetch where to send a currency; the network is in `params`."""
        return cast("DepositAddress", await self._rest("fetch_deposit_address", code, params))

    async def fetch_deposit_addresses(
        self, codes: list[str] | None = None, params: Params = {}
    ) -> dict[str, DepositAddress]:
        """Fetch where to send several currencies, by code."""
        return cast(
            "dict[str, DepositAddress]", await self._rest("fetch_deposit_addresses", codes, params)
        )

    async def create_deposit_address(self, code: str, params: Params = {}) -> DepositAddress:
        """Make a new address to send a currency to."""
        return cast("DepositAddress", await self._rest("create_deposit_address", code, params))

    async def fetch_deposits(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Transaction]:
        """Fetch what came in, oldest first."""
        return cast(
            "list[Transaction]", await self._rest("fetch_deposits", code, since, limit, params)
        )

    async def fetch_withdrawals(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Transaction]:
        """Fetch what went out, oldest first."""
        return cast(
            "list[Transaction]", await self._rest("fetch_withdrawals", code, since, limit, params)
        )

    async def fetch_deposits_withdrawals(
        self,
        code: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Params = {},
    ) -> list[Transaction]:
        """Fetch what came in and what went out, oldest first."""
        return cast(
            "list[Transaction]",
            await self._rest("fetch_deposits_withdrawals", code, since, limit, params),
        )

    async def withdraw(
        self, code: str, amount: float, address: str, params: Params = {}
    ) -> Transaction:
        """Send `amount` of a currency away, for good; `tag` and `network` are in `params`."""
        return cast("Transaction", await self._rest("withdraw", code, amount, address, params))

    # ccxt's other spelling of the same methods.
    fetchBalance = fetch_balance
    fetchPosition = fetch_position
    fetchPositions = fetch_positions
    fetchPositionsHistory = fetch_positions_history
    fetchPositionMode = fetch_position_mode
    setPositionMode = set_position_mode
    closePosition = close_position
    closeAllPositions = close_all_positions
    fetchLeverage = fetch_leverage
    fetchLeverages = fetch_leverages
    setLeverage = set_leverage
    fetchMarginMode = fetch_margin_mode
    fetchMarginModes = fetch_margin_modes
    setMarginMode = set_margin_mode
    addMargin = add_margin
    reduceMargin = reduce_margin
    setMargin = set_margin
    fetchFundingHistory = fetch_funding_history
    fetchMyLiquidations = fetch_my_liquidations
    fetchAccounts = fetch_accounts
    fetchLedger = fetch_ledger
    fetchTransfers = fetch_transfers
    fetchDepositAddress = fetch_deposit_address
    fetchDepositAddresses = fetch_deposit_addresses
    createDepositAddress = create_deposit_address
    fetchDeposits = fetch_deposits
    fetchWithdrawals = fetch_withdrawals
    fetchDepositsWithdrawals = fetch_deposits_withdrawals


__all__ = ["Account"]
