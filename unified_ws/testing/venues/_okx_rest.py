"""OKX v5 REST: the public market data that ccxt asks for.

Section numbers are those of the project's protocol sheet for OKX; shapes of endpoints are those of
the venue's REST documentation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ..market import MarketModel, Spec
from ..side import RestAnswer, RestRequest
from ._okx_rows import (
    TYPES,
    candle_row,
    funding_row,
    interest_row,
    mark_row,
    market_id,
    plain,
    ticker_row,
    trade_row,
    type_name,
)
from ._okx_streams import BARS

HOSTS = frozenset({
    "www.okx.com", "openapi.okx.com", "aws.okx.com", "my.okx.com", "eea.okx.com", "app.okx.com",
    "us.okx.com",
})  # 1  # fmt: skip
_LIST_TIME = "1611907686000"


class _RefusedError(Exception):
    """A request the venue answers with an error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def body(data: object, code: str = "0", message: str = "") -> bytes:
    """Wrap an answer as the venue does; errors come with HTTP status 200 too."""
    return msgspec.json.encode({"code": code, "msg": message, "data": data})


def instrument(spec: Spec) -> dict[str, object]:
    """Return the listing of a market."""
    contract = not spec.spot
    family = f"{spec.base}-{spec.quote}" if contract else ""
    unit = spec.quote if spec.inverse else spec.base
    return {
        "alias": "quarter" if spec.type == "future" else "",
        "baseCcy": "" if contract else spec.base,
        "category": "1",
        "ctMult": "1" if contract else "",
        "ctType": "inverse" if spec.inverse else "linear" if contract else "",
        "ctVal": f"{spec.contract_size:f}" if contract else "",
        "ctValCcy": unit if contract else "",
        "expTime": str(spec.expiry_ms) if spec.expiry_ms else "",
        "instFamily": family,
        "instId": market_id(spec),
        "instIdCode": sum(map(ord, market_id(spec))),
        "instType": type_name(spec),
        "lever": "100" if contract else "1",
        "listTime": _LIST_TIME,
        "lotSz": plain(spec.step),
        "maxIcebergSz": "9999999999",
        "maxLmtAmt": "20000000",
        "maxLmtSz": "9999999999",
        "maxMktAmt": "1000000",
        "maxMktSz": "1000000",
        "minSz": plain(spec.step),
        "optType": "",
        "quoteCcy": "" if contract else spec.quote,
        "ruleType": "normal",
        "settleCcy": spec.settle,
        "state": "live",
        "stk": "",
        "tickSz": plain(spec.tick),
        "uly": family,
    }


class Rest:
    """Answers requests from a market; without one it can only list markets and tell the time."""

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None) -> None:
        self._specs = {market_id(spec): spec for spec in specs}
        self._market = market
        self._endpoints: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "asset/currencies": self._nothing,  # what ccxt asks for as soon as it has a key
            "public/time": self._time,
            "public/instruments": self._instruments,
            "public/mark-price": self._marks,
            "public/funding-rate": self._funding,
            "public/open-interest": self._interest,
            "market/books": self._book,
            "market/trades": self._trades,
            "market/history-trades": self._history,
            "market/candles": self._candles,
            "market/history-candles": self._candles,
            "market/ticker": self._tickers,
            "market/tickers": self._tickers,
        }

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        prefix, _, name = request.path.partition("/api/v5/")
        endpoint = self._endpoints.get(name)
        known = request.host.partition(":")[0] in HOSTS and not prefix
        if not known or endpoint is None:
            return RestAnswer(404, body([], "404", "Not Found"))
        try:
            return RestAnswer(200, body(endpoint(request.query)))
        except _RefusedError as refused:
            return RestAnswer(200, body([], refused.code, refused.message))

    def _truth(self) -> MarketModel:
        if self._market is None:
            raise _RefusedError("50001", "Service temporarily unavailable")
        return self._market

    def _now_ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _spec(self, query: Mapping[str, str]) -> Spec:
        spec = self._specs.get(query.get("instId", ""))
        if spec is None:
            raise _RefusedError("51001", "Instrument ID doesn't exist.")
        return spec

    def _several(self, query: Mapping[str, str]) -> list[Spec]:
        if "instId" in query:
            return [self._spec(query)]
        wanted = TYPES.get(query.get("instType", ""))
        return [spec for spec in self._specs.values() if spec.type == wanted]

    def _nothing(self, query: Mapping[str, str]) -> object:
        del query
        return []

    def _time(self, query: Mapping[str, str]) -> object:
        del query
        return [{"ts": str(self._now_ms())}]

    def _instruments(self, query: Mapping[str, str]) -> object:
        return [instrument(spec) for spec in self._several(query)]

    def _tickers(self, query: Mapping[str, str]) -> object:
        return [ticker_row(spec, self._truth()) for spec in self._several(query)]

    def _marks(self, query: Mapping[str, str]) -> object:
        contracts = [spec for spec in self._several(query) if not spec.spot]
        return [mark_row(spec, self._truth().mark(spec.symbol)) for spec in contracts]

    def _funding(self, query: Mapping[str, str]) -> object:
        return [
            funding_row(spec, self._truth().funding(spec.symbol))
            for spec in self._several(query)
            if spec.type == "swap"
        ]

    def _interest(self, query: Mapping[str, str]) -> object:
        market = self._truth()
        return [
            interest_row(spec, market.open_interest(spec.symbol), market)
            for spec in self._several(query)
            if not spec.spot
        ]

    def _book(self, query: Mapping[str, str]) -> object:
        market, symbol = self._truth(), self._spec(query).symbol
        last_id, bids, asks = market.rows(symbol, _int(query, "sz", 1, 400))  # 6.5
        sides = [[[plain(p), plain(q), "0", "1"] for p, q in side] for side in (asks, bids)]
        row = {"asks": sides[0], "bids": sides[1], "ts": str(market.now_ms), "seqId": last_id}
        return [row]

    def _trades(self, query: Mapping[str, str]) -> object:
        """Return the newest matches, newest first."""
        spec = self._spec(query)
        rows = self._truth().trades(spec.symbol)[-_int(query, "limit", 100, 500) :]
        return [trade_row(market_id(spec), trade) for trade in reversed(rows)]

    def _history(self, query: Mapping[str, str]) -> object:
        """Return matches older than the id `after`, or newer than the id `before`."""
        spec = self._spec(query)
        after, before = _int(query, "after", 2**63), _int(query, "before", 0)
        rows = [t for t in self._truth().trades(spec.symbol) if before < t.id < after]
        page = rows[-_int(query, "limit", 100, 100) :]
        return [trade_row(market_id(spec), trade) for trade in reversed(page)]

    def _candles(self, query: Mapping[str, str]) -> object:
        spec, market = self._spec(query), self._truth()
        if query.get("bar", "1m") not in BARS:
            raise _RefusedError("51000", "Parameter bar error")
        timeframe, zone_ms = BARS[query.get("bar", "1m")]
        after, before = _int(query, "after", 2**63), _int(query, "before", 0)
        rows = [
            candle
            for candle in market.candles(spec.symbol, timeframe, zone_ms)
            if before < candle.open_ms < after
        ][-_int(query, "limit", 100, 300) :]
        return [candle_row(spec, candle, closed=candle is not rows[-1]) for candle in rows[::-1]]


def _int(query: Mapping[str, str], name: str, default: int, most: int = 2**63) -> int:
    value = query.get(name, str(default))
    if not value.isdecimal():
        raise _RefusedError("51000", f"Parameter {name} error")
    return min(most, int(value))
