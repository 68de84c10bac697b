"""Bybit's REST for market data: what ccxt asks for, and the answers in the venue's shapes.

Section numbers are those of the project's protocol sheet for Bybit; the shapes of lists are those
of the recording of 2026-08-09.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import E8, MarketModel, Spec
from ..side import RestAnswer, RestRequest
from ._bybit_markets import (
    CATEGORIES,
    INTERVALS,
    Writer,
    category_of,
    listing,
    market_id,
    number,
    trade_id,
)
from ._bybit_streams import ticker

HOSTS = {
    f"{name}.{domain}"
    for name in ("api", "api-testnet", "api-demo")
    for domain in ("bybit.com", "bybit.eu", "bybit.id", "bytick.com")
}
_PREFIX = "/v5/market/"


class _RefusedError(Exception):
    """A request that the venue answers with a code."""


class Rest:
    """Answers requests from a market; without one it can only list markets and tell the time."""

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None) -> None:
        self._specs = {(category_of(spec), market_id(spec)): spec for spec in specs}
        self._market = market
        self._calls: Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
            "time": self._time, "instruments-info": self._instruments, "tickers": self._tickers,
            "orderbook": self._orderbook, "recent-trade": self._trades, "kline": self._klines,
            "open-interest": self._open_interest,
        }  # fmt: skip

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request for any host of the venue."""
        call = self._calls.get(request.path.removeprefix(_PREFIX))
        if request.host not in HOSTS or not request.path.startswith(_PREFIX) or call is None:
            return RestAnswer(404, b"404 page not found")
        code, words, result = 0, "OK", dict[str, Any]()
        try:
            result = call(request.query)
        except _RefusedError as refused:
            code, words = 10001, str(refused)
        body = {
            "retCode": code, "retMsg": words, "result": result, "retExtInfo": {},
            "time": self._now_ms(),
        }  # fmt: skip
        return RestAnswer(200, msgspec.json.encode(body))

    def _now_ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _truth(self) -> MarketModel:
        if self._market is None:
            raise _RefusedError("This replay has no recorded answer to that request.")
        return self._market

    def _category(self, query: Mapping[str, str]) -> str:
        category = query.get("category", "")
        if category not in (*CATEGORIES, "option"):
            raise _RefusedError("params error: category invalid")
        return category

    def _spec(self, query: Mapping[str, str]) -> Spec:
        spec = self._specs.get((self._category(query), query.get("symbol", "")))
        if spec is None:
            raise _RefusedError("params error: symbol invalid")
        return spec

    def _chosen(self, query: Mapping[str, str]) -> list[Spec]:
        category = self._category(query)
        if "symbol" in query:
            return [self._spec(query)]
        return [spec for (theirs, _), spec in self._specs.items() if theirs == category]

    def _time(self, query: Mapping[str, str]) -> dict[str, Any]:
        ms = self._now_ms()
        return {"timeSecond": str(ms // 1000), "timeNano": str(ms * 1_000_000)}

    def _instruments(self, query: Mapping[str, str]) -> dict[str, Any]:
        chosen = self._chosen(query) if query.get("status", "Trading") == "Trading" else []
        result = {"category": self._category(query), "list": [listing(spec) for spec in chosen]}
        return result if self._category(query) == "spot" else {**result, "nextPageCursor": ""}

    def _tickers(self, query: Mapping[str, str]) -> dict[str, Any]:
        market, rows = self._truth(), []
        for spec in self._chosen(query):
            quote, write = market.quote(spec.symbol), Writer(spec)
            best = {
                "bid1Price": write.price(quote.bid_e8), "ask1Price": write.price(quote.ask_e8),
                "bid1Size": write.amount(quote.bid_amount_e8),
                "ask1Size": write.amount(quote.ask_amount_e8),
            }  # fmt: skip
            rows.append({**ticker(spec, market), **best})
        return {"category": self._category(query), "list": rows}

    def _orderbook(self, query: Mapping[str, str]) -> dict[str, Any]:
        spec, market = self._spec(query), self._truth()
        usual = 1 if spec.spot else 25
        last_id, bids, asks = market.rows(spec.symbol, _limit(query, usual, 1000))
        write = Writer(spec)
        sides = ([(write.price(p), write.amount(q)) for p, q in rows] for rows in (bids, asks))
        return {
            "s": market_id(spec), **dict(zip("ba", sides, strict=True)), "ts": market.now_ms,
            "u": last_id, "seq": last_id, "cts": market.now_ms - 3,
        }  # fmt: skip

    def _trades(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Newest first; at most 60 on spot, 1000 on contracts."""
        spec, market = self._spec(query), self._truth()
        limit = _limit(query, 60, 60) if spec.spot else _limit(query, 500, 1000)
        write = Writer(spec)
        rows = [
            {
                "execId": trade_id(spec, trade.id), "symbol": market_id(spec),
                "price": write.price(trade.price_e8), "size": write.amount(trade.amount_e8),
                "side": "Sell" if trade.buyer_maker else "Buy", "time": str(trade.ts_ms),
                "isBlockTrade": False, "isRPITrade": False,
            }
            for trade in reversed(market.trades(spec.symbol)[-limit:])
        ]  # fmt: skip
        return {"category": self._category(query), "list": rows}

    def _klines(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Newest first."""
        spec, market = self._spec(query), self._truth()
        interval = query.get("interval", "")
        if interval not in INTERVALS:
            raise _RefusedError("params error: interval invalid")
        write = Writer(spec)
        candles = [
            candle
            for candle in market.candles(spec.symbol, INTERVALS[interval])
            if int(query.get("start", 0)) <= candle.open_ms <= int(query.get("end", 10**14))
        ][-_limit(query, 200, 1000) :]
        rows = [
            [
                str(c.open_ms), *map(write.price, (c.open, c.high, c.low, c.close)),
                write.amount(c.volume), number(c.cost // E8),
            ]
            for c in reversed(candles)
        ]  # fmt: skip
        return {"category": self._category(query), "symbol": market_id(spec), "list": rows}

    def _open_interest(self, query: Mapping[str, str]) -> dict[str, Any]:
        spec, market = self._spec(query), self._truth()
        if spec.spot:
            raise _RefusedError("params error: category invalid")
        now = market.open_interest(spec.symbol)
        row = {"openInterest": Writer(spec).amount(now.contracts_e8), "timestamp": str(now.ts_ms)}
        return {
            "category": self._category(query), "symbol": market_id(spec), "list": [row],
            "nextPageCursor": "",
        }  # fmt: skip


def _limit(query: Mapping[str, str], usual: int, most: int) -> int:
    limit = int(query.get("limit", usual))
    if not 1 <= limit <= most:
        raise _RefusedError("params error: limit invalid")
    return limit
