"""KuCoin's REST for market data: what ccxt asks for, and the answers in the venue's shapes.

Section numbers are those of the project's protocol sheet for KuCoin.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import E8, MarketModel, Row, Spec
from ..side import RestAnswer, RestRequest
from ._kucoin_markets import amount, contract_row, market_id, number, symbol_row, text

SPOT_HOST, FUTURES_HOST = "api.kucoin.com", "api-futures.kucoin.com"
SPOT_SOCKET, FUTURES_SOCKET = "ws-api-spot.kucoin.com", "ws-api-futures.kucoin.com"
_BOOK = re.compile(r"/api/v1/market/orderbook/level2_(20|100)")
_DEPTH = re.compile(r"/api/v1/level2/depth(20|100)")
_WEIGHTS = {  # of an address's pool; those of ccxt's list, futures without its doubling
    "bullet-public": 10, "symbols": 4, "allTickers": 15, "currencies": 3, "level2_20": 2,
    "level2_100": 4, "snapshot": 3, "depth20": 5, "depth100": 10, "active": 3, "histories": 3,
    "history": 5, "open-interest": 20,
}  # fmt: skip


class _RefusedError(Exception):
    """A request that the venue answers with a code."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code, self.words = code, words


class Rest:
    """Answers requests from a market; without one it can only list markets and give tokens.

    Attributes:
        tokens: Those that have been given and not taken back.
        ping_ms, pong_ms: The heartbeat it dictates (1.1).
    """

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None) -> None:
        self._specs = {market_id(spec): spec for spec in specs}
        self._market = market
        self.tokens: set[str] = set()
        self._given = 0
        self.ping_ms, self.pong_ms = 18000, 10000
        self._calls: Mapping[tuple[str, str], Callable[[Mapping[str, str]], Any]] = {
            (SPOT_HOST, "/api/v1/timestamp"): self._now,
            (SPOT_HOST, "/api/v3/currencies"): self._currencies,
            (SPOT_HOST, "/api/v2/symbols"): self._symbols,
            (SPOT_HOST, "/api/v1/market/allTickers"): self._all_tickers,
            (SPOT_HOST, "/api/v1/market/histories"): self._trades,
            (SPOT_HOST, "/api/ua/v1/market/open-interest"): self._open_interest,
            (FUTURES_HOST, "/api/v1/timestamp"): self._now,
            (FUTURES_HOST, "/api/v1/contracts/active"): self._contracts,
            (FUTURES_HOST, "/api/v1/level2/snapshot"): self._whole_book,
            (FUTURES_HOST, "/api/v1/trade/history"): self._trades,
        }

    def weight(self, request: RestRequest) -> int:
        """Return what a request costs."""
        return _WEIGHTS.get(request.path.rpartition("/")[2], 3)

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        try:
            body = {"code": "200000", "data": self._data(request)}
        except _RefusedError as refused:
            body = {"code": refused.code, "msg": refused.words}
        return RestAnswer(200, msgspec.json.encode(body))

    def _data(self, request: RestRequest) -> Any:
        host, path, query = request.host, request.path, request.query
        if path == "/api/v1/bullet-public" and request.method == "POST":
            return self._token(host)
        found = _BOOK.fullmatch(path) if host == SPOT_HOST else _DEPTH.fullmatch(path)
        if found:
            return self._book(query, int(found[1]))
        call = self._calls.get((host, path))
        if call is None or request.method != "GET":
            raise _RefusedError("404", "Url Not Found.")
        return call(query)

    def _token(self, host: str) -> Any:
        """Give a token and the address it is for (1.1)."""
        if host not in (SPOT_HOST, FUTURES_HOST):
            raise _RefusedError("404", "Url Not Found.")
        self._given += 1
        # Real ones hold characters that an address must escape.
        token = f"2neAiuYvAU61ZDX+{self._given:04d}/WNQmhZQeUKIkh97KYgU0Lg=="
        self.tokens.add(token)
        socket = SPOT_SOCKET if host == SPOT_HOST else FUTURES_SOCKET
        server = {
            "endpoint": f"wss://{socket}/", "encrypt": True, "protocol": "websocket",
            "pingInterval": self.ping_ms, "pingTimeout": self.pong_ms,
        }  # fmt: skip
        return {"token": token, "instanceServers": [server]}

    def _ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _truth(self) -> MarketModel:
        if self._market is None:
            raise _RefusedError("400100", "This replay has no recorded answer to that request.")
        return self._market

    def _spec(self, query: Mapping[str, str], *, spot: bool) -> Spec:
        spec = self._specs.get(query.get("symbol", ""))
        if spec is None or spec.spot is not spot:
            raise _RefusedError("400100", "symbol not exists")
        return spec

    def _listed(self, *, spot: bool) -> list[Spec]:
        return [spec for spec in self._specs.values() if spec.spot is spot]

    def _now(self, _query: Mapping[str, str]) -> Any:
        return self._ms()

    def _currencies(self, _query: Mapping[str, str]) -> Any:
        codes = {code for spec in self._specs.values() for code in (spec.base, spec.quote)}
        chain = {
            "chainName": "Mainnet", "withdrawalMinSize": "0.001", "depositMinSize": "0.0002",
            "withdrawalMinFee": "0.0005", "isWithdrawEnabled": True, "isDepositEnabled": True,
            "confirms": 3, "withdrawPrecision": 8, "chainId": "main",
        }  # fmt: skip
        return [
            {
                "currency": code, "name": code, "fullName": code, "precision": 8,
                "isMarginEnabled": True, "isDebitEnabled": True, "chains": [chain],
            }
            for code in sorted(codes)
        ]  # fmt: skip

    def _symbols(self, _query: Mapping[str, str]) -> Any:
        return [symbol_row(spec) for spec in self._listed(spot=True)]

    def _contracts(self, _query: Mapping[str, str]) -> Any:
        return [contract_row(spec) for spec in self._listed(spot=False)]

    def _all_tickers(self, _query: Mapping[str, str]) -> Any:
        """Prices where there are any, and the fees that ccxt looks for."""
        rows = []
        for spec in self._listed(spot=True):
            row: dict[str, Any] = {
                "symbol": market_id(spec), "symbolName": market_id(spec), "takerFeeRate": "0.001",
                "makerFeeRate": "0.001", "takerCoefficient": "1", "makerCoefficient": "1",
            }  # fmt: skip
            if self._market:
                stats, quote = self._market.stats(spec.symbol), self._market.quote(spec.symbol)
                row |= {
                    "buy": text(quote.bid_e8), "sell": text(quote.ask_e8),
                    "last": text(stats.close), "high": text(stats.high), "low": text(stats.low),
                    "vol": text(stats.volume), "volValue": text(stats.cost // E8),
                }  # fmt: skip
            rows.append(row)
        return {"time": self._ms(), "ticker": rows}

    def _book(self, query: Mapping[str, str], depth: int | None) -> Any:
        """Section 8.1: texts, at most a hundred levels; section 8.2: prices as texts, lots."""
        spot = "symbol" in query and "-" in query["symbol"]
        spec, market = self._spec(query, spot=spot), self._truth()
        last_id, bids, asks = market.rows(spec.symbol, depth)

        def rows(side: Sequence[Row]) -> list[tuple[str, str | int]]:
            return [(text(price), amount(spec, size)) for price, size in side]

        body: dict[str, Any] = {"bids": rows(bids), "asks": rows(asks)}
        if spot:
            return {"time": market.now_ms, "sequence": str(last_id), **body}
        ns = market.now_ms * 1_000_000
        return {"symbol": market_id(spec), "sequence": last_id, **body, "ts": ns}

    def _whole_book(self, query: Mapping[str, str]) -> Any:
        return self._book(query, None)

    def _trades(self, query: Mapping[str, str]) -> Any:
        """The newest hundred, in no order that is promised."""
        spot = "-" in query.get("symbol", "")
        spec, market = self._spec(query, spot=spot), self._truth()
        rows: list[dict[str, Any]] = []
        for trade in reversed(market.trades(spec.symbol)[-100:]):
            side, ns = "sell" if trade.buyer_maker else "buy", trade.ts_ms * 1_000_000
            row: dict[str, Any] = {"side": side, "price": text(trade.price_e8)}
            if spot:
                row |= {"sequence": str(trade.id), "size": text(trade.amount_e8), "time": ns}
            else:
                row |= {
                    "sequence": trade.id, "size": amount(spec, trade.amount_e8), "ts": ns,
                    "tradeId": str(trade.id), "takerOrderId": f"{trade.agg_id:018d}",
                    "makerOrderId": f"{trade.id:018d}",
                }  # fmt: skip
            rows.append(row)
        return rows

    def _open_interest(self, query: Mapping[str, str]) -> Any:
        wanted = [one for one in query.get("symbol", "").split(",") if one]
        market, rows = self._truth(), []
        for spec in self._listed(spot=False):
            if not wanted or market_id(spec) in wanted:
                open_now = number(market.open_interest(spec.symbol).contracts_e8)
                row = {"symbol": market_id(spec), "openInterest": str(int(open_now))}
                rows.append({**row, "ts": market.now_ms})
        return rows
