"""Binance spot REST: market data endpoints, their weights and their errors.

Section numbers are those of the project's protocol sheet for Binance; shapes and weights of
endpoints are those of the venue's REST documentation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from ..market import E8, TIMEFRAMES, AggTrade, MarketModel, Spec, Trade, next_open_ms, text
from ..side import RestAnswer, RestRequest
from ._binance_products import market_id
from ._binance_streams import levels, percent

T = TypeVar("T")
HOSTS = {
    "api.binance.com",
    *(f"api{n}.binance.com" for n in range(1, 5)),
    "api-gcp.binance.com",
    "data-api.binance.vision",
    "testnet.binance.vision",
    "demo-api.binance.com",
    "api.binance.us",
}
# a product of the venue that this fake lists nothing of
_EMPTY = {"/eapi/v1/exchangeInfo"}
# what ccxt asks for as soon as it has a key, before any market can be used
_NOTHING = {
    "/sapi/v1/capital/config/getall",
    "/sapi/v1/margin/allPairs",
    "/sapi/v1/margin/isolated/allPairs",
}
_WEIGHTS = {"exchangeInfo": 20, "trades": 25, "historicalTrades": 25, "aggTrades": 4, "klines": 2}


class RefusedError(Exception):
    """A request the venue answers with an error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def error(status: int, code: int, message: str) -> RestAnswer:
    """Return the venue's error body."""
    return RestAnswer(status, msgspec.json.encode({"code": code, "msg": message}))


def weight(request: RestRequest) -> int:
    """Return what a request costs (section 6.2 for depth)."""
    name, query = request.path.rpartition("/")[2], request.query
    if name == "depth":
        limit = _int(query, "limit", 100)
        return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250
    if request.path.endswith("/ticker/24hr"):
        many = query.get("symbols", "").count(",") + 1 if "symbols" in query else 0
        one = "symbol" in query or 0 < many <= 20
        return 2 if one else 40 if 0 < many <= 100 else 80
    if "/ticker/" in request.path:
        return 2 if "symbol" in query else 4
    return _WEIGHTS.get(name, 1)


def exchange_info(specs: Iterable[Spec], now_ms: int) -> dict[str, Any]:
    """Return the list of markets in full shape."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, 6000),
            _rate_limit("ORDERS", "SECOND", 10, 100),
            _rate_limit("ORDERS", "DAY", 1, 200000),
            _rate_limit("RAW_REQUESTS", "MINUTE", 5, 300000),
        ],
        "exchangeFilters": [],
        "symbols": [_listing(spec) for spec in specs],
    }


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _listing(spec: Spec) -> dict[str, object]:
    precision = {
        f"{name}Precision": 8
        for name in ("baseAsset", "quote", "quoteAsset", "baseCommission", "quoteCommission")
    }
    return {
        "symbol": spec.base + spec.quote,
        "status": "TRADING",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        **precision,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(spec),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _filters(spec: Spec) -> list[dict[str, object]]:
    tick, step = text(spec.tick), text(spec.step)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": "1000000.00000000",
            "tickSize": tick,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": step,
            "maxQty": "9000.00000000",
            "stepSize": step,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "100.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000" if spec.price >= E8 else "0.00010000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


class Rest:
    """Answers requests from a market; without one it can only list markets and tell the time.

    Attributes:
        hosts: Where this API lives.
        root: What its paths begin with.
        most: The most levels a book is given with.
    """

    hosts: Collection[str] = HOSTS
    root: str = "/api/v3/"
    most: int = 5000

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None) -> None:
        self._specs = {market_id(spec): spec for spec in specs}
        self._market = market
        self._calls: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "ping": lambda _query: {},
            "time": lambda _query: {"serverTime": self._now_ms()},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "historicalTrades": self._historical_trades,
            "aggTrades": self._agg_trades,
            "klines": self._klines,
            "ticker/24hr": self._day_tickers,
            "ticker/bookTicker": self._book_tickers,
            "ticker/price": self._prices,
        }

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request for any host of the venue."""
        if request.path in _EMPTY:
            body = msgspec.json.encode(exchange_info((), self._now_ms()))
            return RestAnswer(200, body)
        if request.path in _NOTHING:
            return RestAnswer(200, b"[]")
        name = request.path.removeprefix(self.root)
        call = self._calls.get(name)
        if request.host not in self.hosts or name == request.path or call is None:
            return RestAnswer(404, b"<html><body><h2>404 Not found</h2></body></html>")
        if request.method != "GET":
            return error(405, -1000, f"Request method '{request.method}' is not supported.")
        try:
            return RestAnswer(200, msgspec.json.encode(call(request.query)))
        except RefusedError as refused:
            return error(400, refused.code, refused.message)

    def _now_ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _truth(self) -> MarketModel:
        if self._market is None:
            raise RefusedError(-1000, "This replay has no recorded answer to that request.")
        return self._market

    def _symbol(self, query: Mapping[str, str]) -> str:
        if not query.get("symbol"):
            raise RefusedError(
                -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            )
        if query["symbol"] not in self._specs:
            raise RefusedError(-1121, "Invalid symbol.")
        return self._specs[query["symbol"]].symbol

    def _several(self, query: Mapping[str, str]) -> tuple[list[str], bool]:
        """Return the symbols asked for and whether it was a single one."""
        if "symbol" in query:
            return [self._symbol(query)], True
        if "symbols" not in query:
            return [spec.symbol for spec in self._specs.values()], False
        try:
            ids = msgspec.json.decode(query["symbols"], type=list[str])
        except msgspec.DecodeError as e:
            raise RefusedError(-1100, "Illegal characters found in parameter 'symbols'.") from e
        return [self._symbol({"symbol": name}) for name in ids], False

    def _rows(self, query: Mapping[str, str], row: Callable[[str], object]) -> object:
        symbols, one = self._several(query)
        return row(symbols[0]) if one else [row(symbol) for symbol in symbols]

    def _exchange_info(self, query: Mapping[str, str]) -> object:
        wanted, _ = self._several(query)
        specs = [spec for spec in self._specs.values() if spec.symbol in wanted]
        return self.listing(specs, self._now_ms())

    def listing(self, specs: Iterable[Spec], now_ms: int) -> dict[str, Any]:
        """Return the list of markets."""
        return exchange_info(specs, now_ms)

    def _depth(self, query: Mapping[str, str]) -> dict[str, object]:
        limit = min(self.most, _int(query, "limit", 100))
        last_id, bids, asks = self._truth().rows(self._symbol(query), limit)
        return {"lastUpdateId": last_id, "bids": levels(bids), "asks": levels(asks)}

    def _trades(self, query: Mapping[str, str]) -> object:
        trades = self._truth().trades(self._symbol(query))
        return self.rows(trades[-_int(query, "limit", 500, 1000) :])

    def rows(self, trades: Iterable[Trade]) -> list[dict[str, object]]:
        """Return trades as the venue lists them."""
        return [trade_row(trade) for trade in trades]

    def _historical_trades(self, query: Mapping[str, str]) -> object:
        if "fromId" not in query:
            return self._trades(query)
        symbol, limit = self._symbol(query), _int(query, "limit", 500, 1000)
        return self.rows(self._truth().trades_from(symbol, _int(query, "fromId", 0), limit))

    def _agg_trades(self, query: Mapping[str, str]) -> object:
        aggs = self._truth().agg_trades(self._symbol(query))
        limit = _int(query, "limit", 500, 1000)
        if "fromId" in query:
            if "startTime" in query or "endTime" in query:
                raise RefusedError(-1128, "Combination of optional parameters invalid.")
            first_id = _int(query, "fromId", 0)
            return [_agg_trade(agg) for agg in aggs if agg.id >= first_id][:limit]
        inside = _between(aggs, query, lambda agg: agg.ts_ms)
        page = inside[:limit] if "startTime" in query else inside[-limit:]
        return [_agg_trade(agg) for agg in page]

    def _klines(self, query: Mapping[str, str]) -> object:
        symbol, timeframe = self._symbol(query), query.get("interval", "")
        if timeframe not in TIMEFRAMES:
            raise RefusedError(-1120, "Invalid interval.")
        candles = self._truth().candles(symbol, timeframe)
        inside = _between(candles, query, lambda candle: candle.open_ms)
        limit = _int(query, "limit", 500, 1000)
        return [
            [
                candle.open_ms,
                *map(text, (candle.open, candle.high, candle.low, candle.close, candle.volume)),
                next_open_ms(candle.open_ms, timeframe) - 1,
                text(candle.cost // E8),
                candle.trades,
                text(candle.taker_volume),
                text(candle.taker_cost // E8),
                "0",
            ]
            for candle in (inside[:limit] if "startTime" in query else inside[-limit:])
        ]

    def _day_tickers(self, query: Mapping[str, str]) -> object:
        return self._rows(query, self._day_ticker)

    def _day_ticker(self, symbol: str) -> object:
        market = self._truth()
        stats, quote, last = market.stats(symbol), market.quote(symbol), market.last_trade(symbol)
        change = stats.close - stats.open
        return {
            "symbol": market_id(market.specs[symbol]),
            "priceChange": text(change),
            "priceChangePercent": percent(change, stats.open),
            "weightedAvgPrice": text(stats.cost // stats.volume if stats.volume else stats.close),
            "prevClosePrice": text(stats.previous_close),
            "lastPrice": text(stats.close),
            "lastQty": text(last.amount_e8),
            "bidPrice": text(quote.bid_e8),
            "bidQty": text(quote.bid_amount_e8),
            "askPrice": text(quote.ask_e8),
            "askQty": text(quote.ask_amount_e8),
            "openPrice": text(stats.open),
            "highPrice": text(stats.high),
            "lowPrice": text(stats.low),
            "volume": text(stats.volume),
            "quoteVolume": text(stats.cost // E8),
            "openTime": stats.open_ms,
            "closeTime": stats.close_ms,
            "firstId": stats.first_id,
            "lastId": stats.last_id,
            "count": stats.trades,
        }

    def _book_tickers(self, query: Mapping[str, str]) -> object:
        def row(symbol: str) -> object:
            quote = self._truth().quote(symbol)
            return {
                "symbol": market_id(self._truth().specs[symbol]),
                "bidPrice": text(quote.bid_e8),
                "bidQty": text(quote.bid_amount_e8),
                "askPrice": text(quote.ask_e8),
                "askQty": text(quote.ask_amount_e8),
            }

        return self._rows(query, row)

    def _prices(self, query: Mapping[str, str]) -> object:
        def row(symbol: str) -> object:
            price = self._truth().last_trade(symbol).price_e8
            return {"symbol": market_id(self._truth().specs[symbol]), "price": text(price)}

        return self._rows(query, row)


def _int(query: Mapping[str, str], name: str, default: int, most: int = 2**63) -> int:
    """Read a positive integer; the venue cuts what is too much and refuses what is no number."""
    value = query.get(name, str(default))
    if not value.isdecimal() or (name == "limit" and value == "0"):
        raise RefusedError(-1100, f"Illegal characters found in parameter '{name}'.")
    return min(most, int(value))


def _between(rows: Sequence[T], query: Mapping[str, str], at: Callable[[T], int]) -> list[T]:
    start_ms, end_ms = _int(query, "startTime", 0), _int(query, "endTime", 2**63)
    return [row for row in rows if start_ms <= at(row) <= end_ms]


def trade_row(trade: Trade) -> dict[str, object]:
    """Return a trade as spot lists it."""
    return {
        "id": trade.id,
        "price": text(trade.price_e8),
        "qty": text(trade.amount_e8),
        "quoteQty": text(trade.price_e8 * trade.amount_e8 // E8),
        "time": trade.ts_ms,
        "isBuyerMaker": trade.buyer_maker,
        "isBestMatch": True,
    }


def _agg_trade(agg: AggTrade) -> dict[str, object]:
    return {
        "a": agg.id,
        "p": text(agg.price_e8),
        "q": text(agg.amount_e8),
        "f": agg.first_id,
        "l": agg.last_id,
        "T": agg.ts_ms,
        "m": agg.buyer_maker,
        "M": True,
    }
