"""The TypedDicts against what the installed ccxt really produces, without a network."""

from __future__ import annotations

from typing import Any

import ccxt.async_support
import pytest
from ccxt.base import types as ccxt_types

from unified_ws import types

SPOT = "BTC/USDT"
SWAP = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def venue() -> Any:
    """Return a ccxt instance that knows two markets and never connects."""
    instance = ccxt.async_support.binance()
    blank = instance.safe_market_structure()
    shared = {"id": "BTCUSDT", "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT"}
    swap = {"settle": "USDT", "settleId": "USDT", "swap": True, "spot": False, "contract": True}
    step = {"precision": {"amount": 0.001, "price": 0.01}, "linear": True, "contractSize": 1}
    instance.set_markets(
        [
            {**blank, **shared, "symbol": SPOT, "type": "spot", "spot": True},
            {**blank, **shared, **swap, **step, "symbol": SWAP, "type": "swap"},
        ]
    )
    instance.options["leverageBrackets"] = {SWAP: [["0", "0.004"]]}
    return instance


def produced(venue: Any) -> dict[str, dict[str, Any]]:
    """Return, by the name of our type, one structure that ccxt made itself."""
    spot, swap = venue.market(SPOT), venue.market(SWAP)
    raw_trade = {"e": "trade", "s": "BTCUSDT", "t": 1, "p": "2", "q": "3", "T": 4, "m": False}
    raw_position = {
        "symbol": "BTCUSDT", "positionAmt": "1", "entryPrice": "2", "markPrice": "3",
        "unRealizedProfit": "1", "liquidationPrice": "0", "leverage": "10", "notional": "3",
        "marginType": "isolated", "isolatedMargin": "1", "positionSide": "BOTH", "updateTime": 5,
    }  # fmt: skip
    raw_ticker = {"symbol": SPOT, "last": "1", "info": {}, "timestamp": 1, "datetime": "x"}
    raw_liquidation = {"s": "BTCUSDT", "S": "SELL", "q": "1", "p": "2", "ap": "2", "T": 3}
    tiers = {"bracket": 1, "initialLeverage": 1, "notionalCap": 1, "notionalFloor": 0}
    balance = {"info": {}, "timestamp": 1, "datetime": "x", "BTC": {"free": "1", "used": "2"}}
    return {
        "Market": spot,
        "Precision": spot["precision"],
        "Limits": spot["limits"],
        "MinMax": spot["limits"]["amount"],
        "MarginModes": spot["marginModes"],
        "Currency": venue.safe_currency_structure({"id": "BTC", "code": "BTC"}),
        "CurrencyLimits": venue.safe_currency_structure({"code": "BTC"})["limits"],
        "Trade": venue.parse_trade(raw_trade, spot),
        "Fee": venue.parse_trade(raw_trade, spot)["fee"],
        "OrderBook": venue.parse_order_book({"bids": [["1", "2"]], "asks": []}, SPOT, 1),
        "Ticker": venue.safe_ticker(raw_ticker, spot),
        "LastPrice": venue.parse_last_price({"symbol": "BTCUSDT", "price": "1"}, spot),
        "Order": venue.safe_order({"id": "1", "symbol": SPOT, "amount": "1", "info": {}}, spot),
        "Balance": venue.safe_balance(balance)["BTC"],
        "Position": venue.parse_position_risk(raw_position, swap),
        "FundingRate": venue.parse_funding_rate({"symbol": "BTCUSDT", "time": "1"}, swap),
        "FundingRateHistory": venue.parse_funding_rate_history({"symbol": "BTCUSDT"}, swap),
        "OpenInterest": venue.parse_open_interest({"symbol": "BTCUSDT", "openInterest": "1"}, swap),
        "Liquidation": venue.parse_liquidation(raw_liquidation, swap),
        "Leverage": venue.parse_leverage({"symbol": "BTCUSDT", "leverage": 3}, swap),
        "LeverageTier": venue.parse_market_leverage_tiers({"brackets": [tiers]}, swap)[0],
        "MarginMode": venue.parse_margin_mode({"symbol": "BTCUSDT"}, swap),
        "MarginModification": venue.parse_margin_modification({"amount": 1, "type": 1}, swap),
        "TradingFee": venue.parse_trading_fee({"symbol": "BTCUSDT"}, spot),
        "FundingPayment": venue.parse_income({"symbol": "BTCUSDT", "income": "1", "time": 1}, swap),
        "Transaction": venue.parse_transaction({"id": "1", "amount": "1", "coin": "BTC"}),
        "Transfer": venue.parse_transfer({"tranId": 1, "amount": "1", "asset": "BTC"}),
        "LedgerEntry": venue.parse_ledger_entry({"asset": "BTC", "income": "1", "time": 1}),
        "DepositAddress": venue.parse_deposit_address({"coin": "BTC", "address": "0123456789"}),
    }  # fmt: skip


NAMES = [
    "Market", "Precision", "Limits", "MinMax", "MarginModes", "Currency", "CurrencyLimits", "Trade",
    "Fee", "OrderBook", "Ticker", "LastPrice", "Order", "Balance", "Position", "FundingRate",
    "FundingRateHistory", "OpenInterest", "Liquidation", "Leverage", "LeverageTier", "MarginMode",
    "MarginModification", "TradingFee", "FundingPayment", "Transaction", "Transfer", "LedgerEntry",
    "DepositAddress",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_our_keys_are_the_keys_that_ccxt_produces(venue: Any, name: str) -> None:
    """A key that we promise and ccxt lacks is a KeyError in somebody's strategy."""
    declared: Any = getattr(types, name)
    keys = set(produced(venue)[name])

    assert declared.__required_keys__ <= keys
    assert keys <= declared.__required_keys__ | declared.__optional_keys__


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Trade", "Trade"), ("OrderBook", "OrderBook"), ("Ticker", "Ticker"), ("Order", "Order"),
        ("Position", "Position"), ("Balance", "Balance"), ("FundingRate", "FundingRate"),
        ("OpenInterest", "OpenInterest"), ("Liquidation", "Liquidation"), ("Status", "Status"),
        ("LastPrice", "LastPrice"), ("Transaction", "Transaction"), ("Transfer", "TransferEntry"),
        ("Leverage", "Leverage"), ("LeverageTier", "LeverageTier"), ("MarginMode", "MarginMode"),
        ("MarginModification", "MarginModification"), ("LedgerEntry", "LedgerEntry"),
        ("OrderRequest", "OrderRequest"), ("FundingRateHistory", "FundingRateHistory"),
    ],
)  # fmt: skip
def test_our_keys_are_the_keys_that_ccxt_declares(ours: str, theirs: str) -> None:
    """The optional keys, which one venue alone cannot prove, are ccxt's own."""
    declared = getattr(types, ours).__annotations__
    assert set(declared) == set(getattr(ccxt_types, theirs).__annotations__)


def test_numbers_of_a_trade_have_the_declared_type(venue: Any) -> None:
    """The fields that strategies compute with are never None on a public trade."""
    trade = produced(venue)["Trade"]
    assert isinstance(trade["price"], float)
    assert isinstance(trade["amount"], float)
    assert isinstance(trade["cost"], float)
    assert isinstance(trade["timestamp"], int)
    assert trade["side"] in {"buy", "sell"}


def test_a_candle_is_a_plain_list_of_numbers(venue: Any) -> None:
    """`OHLCV` promises six numbers, the first of them milliseconds."""
    row: types.OHLCV = venue.parse_ohlcv([1591478520000, "1", "2", "0.5", "1.5", "22"])
    assert row == [1591478520000, 1.0, 2.0, 0.5, 1.5, 22.0]


def test_balances_read_by_currency_and_by_column(venue: Any) -> None:
    """Both ways of reading type-check, and both exist."""
    raw = {"info": {"x": 1}, "timestamp": 1, "datetime": "d", "BTC": {"free": "1", "used": "2"}}
    balances: types.Balances = venue.safe_balance(raw)
    by_currency: float | None = balances["BTC"]["total"]
    by_column: float | None = balances["total"]["BTC"]
    timestamp: int | None = balances["timestamp"]
    assert (by_currency, by_column, timestamp) == (3.0, 3.0, 1)


def test_the_constructor_keys_of_ccxt_are_in_config() -> None:
    """An editor that completes the configuration must know what ccxt's own type knows."""
    assert set(ccxt_types.ConstructorArgs.__annotations__) <= set(types.Config.__annotations__)


def test_everything_public_is_exported() -> None:
    """A name in `__all__` that is gone breaks `from unified_ws.types import *`."""
    assert all(hasattr(types, name) for name in types.__all__)
    assert len(set(types.__all__)) == len(types.__all__)
