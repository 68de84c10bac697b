"""OKX v5 payloads: rows of frames and of REST, which has most of them too.

Section numbers are those of the project's protocol sheet for OKX.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..market import (
    E8,
    Candle,
    Funding,
    Liquidation,
    Mark,
    MarketModel,
    OpenInterest,
    Row,
    Spec,
    Trade,
    text,
)

TYPES = {"SPOT": "spot", "SWAP": "swap", "FUTURES": "future"}
_NAMES = {type_: name for name, type_ in TYPES.items()}


def market_id(spec: Spec) -> str:
    """Return the venue's id: BTC-USDT, BTC-USDT-SWAP, BTC-USDT-261225."""
    tail = {"spot": "", "swap": "-SWAP", "future": f"-{spec.symbol.rpartition('-')[2]}"}[spec.type]
    return f"{spec.base}-{spec.quote}{tail}"


def type_name(spec: Spec) -> str:
    """Return the venue's name of a market type."""
    return _NAMES[spec.type]


def plain(value: int) -> str:
    """Write a scaled integer as the venue does, without zeros at the end."""
    return text(value).rstrip("0").rstrip(".")


def rows_json(rows: Iterable[Row]) -> str:
    """Write levels of four columns (6.2)."""
    return ",".join(
        f'["{plain(price)}","{plain(amount)}","0","{int(amount > 0)}"]' for price, amount in rows
    )


def candle_row(spec: Spec, candle: Candle, *, closed: bool) -> list[str]:
    """Return a candle's nine columns (5.4)."""
    base, quote = volumes(spec, candle.volume, candle.cost)
    prices = map(plain, (candle.open, candle.high, candle.low, candle.close))
    middle = quote if spec.spot else base
    sums = map(plain, (candle.volume, middle, quote))
    return [str(candle.open_ms), *prices, *sums, "01"[closed]]


def volumes(spec: Spec, amount: int, cost: int) -> tuple[int, int]:
    """Return the volume in base and in quote currency (5.0)."""
    if spec.spot:
        return amount, cost // E8
    size = int(amount * spec.contract_size)
    return (cost // E8, size) if spec.inverse else (size, cost // E8)


def ticker_row(spec: Spec, market: MarketModel) -> dict[str, str]:
    """Return a ticker (5.2): contracts and base currency of a contract, base and quote of spot."""
    symbol = spec.symbol
    stats, quote = market.stats(symbol), market.quote(symbol)
    last_amount = market.last_trade(symbol).amount_e8 if stats.trades else 0
    base, in_quote = volumes(spec, stats.volume, stats.cost)
    return {
        "instType": type_name(spec),
        "instId": market_id(spec),
        "last": plain(stats.close),
        "lastSz": plain(last_amount),
        "askPx": plain(quote.ask_e8),
        "askSz": plain(quote.ask_amount_e8),
        "bidPx": plain(quote.bid_e8),
        "bidSz": plain(quote.bid_amount_e8),
        "open24h": plain(stats.open),
        "high24h": plain(stats.high),
        "low24h": plain(stats.low),
        "sodUtc0": plain(stats.open),
        "sodUtc8": plain(stats.open),
        "volCcy24h": plain(in_quote if spec.spot else base),
        "vol24h": plain(stats.volume),
        "ts": str(market.now_ms),
    }


def index_row(spec: Spec, market: MarketModel) -> dict[str, str]:
    """Return an index ticker (5.5): the middle of the spot market stands for the index."""
    stats, quote = market.stats(spec.symbol), market.quote(spec.symbol)
    return {
        "instId": market_id(spec),
        "idxPx": plain((quote.bid_e8 + quote.ask_e8) // 2),
        "open24h": plain(stats.open),
        "high24h": plain(stats.high),
        "low24h": plain(stats.low),
        "sodUtc0": plain(stats.open),
        "sodUtc8": plain(stats.open),
        "ts": str(market.now_ms),
    }


def mark_row(spec: Spec, mark: Mark) -> dict[str, str]:
    """Return a mark price (5.5)."""
    return {
        "instType": type_name(spec),
        "instId": market_id(spec),
        "markPx": plain(mark.mark_e8),
        "ts": str(mark.ts_ms),
    }


def funding_row(spec: Spec, funding: Funding) -> dict[str, str]:
    """Return a funding rate (5.5): the one after the next is not told any more."""
    return {
        "formulaType": "noRate",
        "fundingRate": plain(funding.rate_e8),
        "fundingTime": str(funding.next_ms),
        "impactValue": "",
        "instId": market_id(spec),
        "instType": type_name(spec),
        "interestRate": "",
        "method": "current_period",
        "maxFundingRate": "0.00375",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(funding.next_ms + funding.interval_ms),
        "premium": plain(funding.rate_e8),
        "settFundingRate": plain(funding.rate_e8),
        "settState": "settled",
        "ts": str(funding.ts_ms),
    }


def interest_row(spec: Spec, interest: OpenInterest, market: MarketModel) -> dict[str, str]:
    """Return open interest (5.5): contracts, base currency, USD."""
    price = market.mark(spec.symbol).mark_e8
    size = int(interest.contracts_e8 * spec.contract_size)
    in_base = size * E8 // price if spec.inverse else size
    return {
        "instId": market_id(spec),
        "instType": type_name(spec),
        "oi": plain(interest.contracts_e8),
        "oiCcy": plain(in_base),
        "oiUsd": plain(in_base * price // E8),
        "ts": str(interest.ts_ms),
    }


def liquidation_row(spec: Spec, found: Sequence[Liquidation]) -> dict[str, Any]:
    """Return liquidations of one market (5.6); the side is that of the order."""
    family = f"{spec.base}-{spec.quote}"
    return {
        "details": [
            {
                "bkLoss": "0",
                "bkPx": plain(one.price_e8),
                "ccy": "",
                "posSide": "long" if one.side == "sell" else "short",
                "side": one.side,
                "sz": plain(one.amount_e8),
                "ts": str(one.ts_ms),
            }
            for one in found
        ],
        "instFamily": family,
        "instId": market_id(spec),
        "instType": type_name(spec),
        "uly": family,
    }


def trade_row(spec_id: str, trade: Trade) -> dict[str, object]:
    """Return one match, as REST and `trades-all` tell it."""
    return {
        "instId": spec_id,
        "tradeId": str(trade.id),
        "px": plain(trade.price_e8),
        "sz": plain(trade.amount_e8),
        "side": trade.side,
        "source": "0",
        "ts": str(trade.ts_ms),
    }
