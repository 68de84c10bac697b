"""Coinbase Advanced Trade REST: public market data, and what ccxt asks before it lists markets.

Section numbers are those of the project's protocol sheet for Coinbase. The private addresses of
the same market data answer too, since ccxt takes them where it is told to; no key is checked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import Candle, MarketModel, Row, Spec, Trade
from ..side import RestAnswer, RestRequest
from ._coinbase_products import Products, moment, plain

HOST = "api.coinbase.com"
_V3 = "/api/v3/brokerage/"
_PRODUCT = re.compile(r"(?:market/)?products(?:/([^/]+)(?:/(ticker|candles))?)?")
_GRANULARITIES = {
    "ONE_MINUTE": "1m",
    "FIVE_MINUTE": "5m",
    "FIFTEEN_MINUTE": "15m",
    "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h",
    "TWO_HOUR": "2h",
    "SIX_HOUR": "6h",
    "ONE_DAY": "1d",
}
_FIAT = {"USD": "United States Dollar", "EUR": "Euro", "GBP": "British Pound"}


def refusal(status: int, error: str, message: str) -> RestAnswer:
    """Return the error body of the third version of the API."""
    body = {"error": error, "error_details": message, "message": message}
    return RestAnswer(status, msgspec.json.encode(body))


def trade_row(trade: Trade, product: str) -> dict[str, str]:
    """Return a trade as frames and REST have it; `side` is the maker's (5.1)."""
    return {
        "product_id": product,
        "trade_id": str(trade.id),
        "price": plain(trade.price_e8),
        "size": plain(trade.amount_e8),
        "time": moment(trade.ts_ms, "179"),
        "side": "BUY" if trade.buyer_maker else "SELL",
    }


def candle_row(candle: Candle) -> dict[str, str]:
    """Return a candle as frames and REST have it (5.4)."""
    return {
        "start": str(candle.open_ms // 1000),
        "high": plain(candle.high),
        "low": plain(candle.low),
        "open": plain(candle.open),
        "close": plain(candle.close),
        "volume": plain(candle.volume),
    }


class Rest:
    """Answers requests from a market; without one it can only list products and tell the time."""

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None) -> None:
        self._products = Products(specs, market)
        self._market = market
        self._others: Mapping[str, Callable[[], object]] = {
            "/v2/time": lambda: {"data": {"epoch": self._now_ms() // 1000}},
            "/v2/currencies": lambda: {"data": list(self._fiat())},
            "/v2/currencies/crypto": lambda: {"data": list(self._crypto())},
            "/v2/exchange-rates": self._rates,
            f"{_V3}time": self._time,
            # asked for as soon as there is a key
            f"{_V3}transaction_summary": lambda: {"total_volume": 0, "fee_tier": {}},
        }

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        if request.host != HOST or request.method != "GET":
            return refusal(404, "NOT_FOUND", "no such address")
        if request.path in self._others:
            return RestAnswer(200, msgspec.json.encode(self._others[request.path]()))
        name = request.path.removeprefix(_V3)
        if name.removeprefix("market/") == "product_book":
            return self._of(request.query.get("product_id", ""), request.query, self._book)
        found = _PRODUCT.fullmatch(name)
        if found is None or name == request.path:
            return refusal(404, "NOT_FOUND", "no such address")
        product, what = found.groups()
        if product is None:
            listing = self._products.listing(request.query.get("product_type", ""))
            return RestAnswer(200, msgspec.json.encode(listing))
        calls = {"ticker": self._trades, "candles": self._candles, None: self._product}
        return self._of(product, request.query, calls[what])

    def _of(
        self, product: str, query: Mapping[str, str], call: Callable[[str, Mapping[str, str]], Any]
    ) -> RestAnswer:
        if product not in self._products.specs:
            return refusal(404, "NOT_FOUND", "valid product_id is required")
        if self._market is None:
            return refusal(404, "NOT_FOUND", "this replay has no recorded answer to that request")
        if not query.get("limit", "1").isdecimal():
            return refusal(400, "INVALID_ARGUMENT", "limit is no number")
        body = call(product, query)
        if body is None:
            return refusal(400, "INVALID_ARGUMENT", "granularity is invalid")
        return RestAnswer(200, msgspec.json.encode(body))

    def _now_ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _truth(self) -> MarketModel:
        assert self._market is not None
        return self._market

    def _product(self, product: str, _query: Mapping[str, str]) -> object:
        return self._products.body(product)

    def _trades(self, product: str, query: Mapping[str, str]) -> object:
        symbol = self._products.symbol(product)
        newest = self._truth().trades(symbol)[-min(1000, int(query.get("limit", "100"))) :][::-1]
        quote = self._truth().quote(symbol)
        beside = {"bid": "", "ask": "", "exchange": "coinbase"}
        return {
            "trades": [{**trade_row(trade, product), **beside} for trade in newest],
            "best_bid": plain(quote.bid_e8),
            "best_ask": plain(quote.ask_e8),
        }

    def _candles(self, product: str, query: Mapping[str, str]) -> object:
        timeframe = _GRANULARITIES.get(query.get("granularity", ""))
        if timeframe is None:
            return None
        start_s, end_s = int(query.get("start", "0")), int(query.get("end", "9999999999"))
        found = [
            candle
            for candle in self._truth().candles(self._products.symbol(product), timeframe)
            if start_s <= candle.open_ms // 1000 <= end_s
        ]
        return {"candles": [candle_row(candle) for candle in reversed(found[-350:])]}

    def _book(self, product: str, query: Mapping[str, str]) -> object:
        symbol, limit = self._products.symbol(product), int(query.get("limit", "0")) or None
        _, bids, asks = self._truth().rows(symbol, limit)
        book = {
            "product_id": product,
            "bids": _levels(bids),
            "asks": _levels(asks),
            "time": moment(self._now_ms(), "782"),
        }
        middle = (bids[0][0] + asks[0][0]) // 2
        last = plain(self._truth().last_trade(symbol).price_e8)
        return {"pricebook": book, "last": last, "mid_market": plain(middle)}

    def _time(self) -> object:
        now_ms = self._now_ms()
        return {
            "iso": moment(now_ms), "epochSeconds": str(now_ms // 1000), "epochMillis": str(now_ms),
        }  # fmt: skip

    def _codes(self) -> Iterable[str]:
        specs = self._products.specs.values()
        return dict.fromkeys(code for spec in specs for code in (spec.base, spec.quote))

    def _fiat(self) -> Iterable[dict[str, str]]:
        for code in self._codes():
            if code in _FIAT:
                yield {"id": code, "name": _FIAT[code], "min_size": "0.01"}

    def _crypto(self) -> Iterable[dict[str, object]]:
        for number, code in enumerate(self._codes()):
            if code not in _FIAT:
                yield {
                    "asset_id": f"00000000-0000-0000-0000-{number:012d}",
                    "code": code,
                    "name": code.title(),
                    "color": "#0433FF",
                    "sort_index": number,
                    "exponent": 8,
                    "type": "crypto",
                    "address_regex": "^(?:0x)?[0-9a-fA-F]{40}$",
                }

    def _rates(self) -> object:
        return {"data": {"currency": "USD", "rates": dict.fromkeys(self._codes(), "1")}}


def _levels(rows: Iterable[Row]) -> list[dict[str, str]]:
    return [{"price": plain(price), "size": plain(amount)} for price, amount in rows]
