"""Gate's REST for market data: what ccxt asks for, and the answers in the venue's shapes.

Section numbers are those of the project's protocol sheet for Gate; shapes are those of the
recordings of 2021 and 2023 and of ccxt's own samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import E8, MarketModel, Spec, Trade
from ..side import RestAnswer, RestRequest
from ._gate_markets import (
    INTERVALS,
    SPOT_INTERVALS,
    address_of,
    contract_listing,
    market_id,
    number,
    pair_listing,
)
from ._gate_streams import base_volume, pairs, ticker, trade_row

EU = "api.gateeu.com"
HOSTS = {"api.gateio.ws", "api-testnet.gateapi.io", EU}
_PREFIX = "/api/v4/"
# What is asked before any market can be used, and lists that are empty here.
_EMPTY = {"margin/currency_pairs", "options/underlyings", "spot/currencies"}


class RefusedError(Exception):
    """A request that the venue answers with a label."""

    def __init__(self, label: str, message: str) -> None:
        super().__init__(label, message)
        self.label, self.message = label, message


class Rest:
    """Answers requests from a market; without one it can only list markets and tell the time.

    Args:
        specs: The markets listed.
        market: The truth behind them.
        cached_ms: How long an order book is answered from a cache (section 7.2).
    """

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, cached_ms: int) -> None:
        self._specs = {(address_of(spec), market_id(spec)): spec for spec in specs}
        self._market = market
        self._cached_ms = cached_ms
        self._books: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
        self._calls: Mapping[str, Callable[[Spec, Mapping[str, str]], Any]] = {
            "order_book": self._order_book, "trades": self._trades,
            "candlesticks": self._candles, "tickers": self._ticker,
        }  # fmt: skip

    def answer(self, request: RestRequest) -> RestAnswer:
        """Answer a request for any host of the venue."""
        path = request.path.removeprefix(_PREFIX)
        if request.host.partition(":")[0] not in HOSTS or path == request.path:
            return RestAnswer(404, b'{"label":"NOT_FOUND","message":"not found"}')
        try:
            body = self._body(path, request)
        except RefusedError as refused:
            error = {"label": refused.label, "message": refused.message}
            return RestAnswer(400, msgspec.json.encode(error))
        return RestAnswer(200, msgspec.json.encode(body))

    def _body(self, path: str, request: RestRequest) -> Any:
        if path in _EMPTY:
            return []
        if path == "spot/time":
            return {"server_time": self._now_ms()}
        section, _, call = path.partition("/")
        address = section
        if section in ("futures", "delivery"):
            settle, _, call = call.partition("/")
            address = settle if section == "futures" else f"delivery/{settle}"
        here = [spec for (where, _), spec in self._specs.items() if where == address]
        if call == "currency_pairs":
            return [pair_listing(spec) for spec in here]
        if call == "contracts":
            return [contract_listing(spec) for spec in here]
        query = request.query
        if call not in self._calls:
            raise RefusedError("INVALID_PARAM_VALUE", f"no such call: {path}")
        if call == "tickers" and not ({"currency_pair", "contract"} & query.keys()):
            return [row for spec in here for row in self._ticker(spec, query)]
        name = query.get("currency_pair" if address == "spot" else "contract", "")
        spec = self._specs.get((address, name))
        if spec is None:
            kind = "CURRENCY_PAIR" if address == "spot" else "CONTRACT"
            raise RefusedError(f"INVALID_{kind}", f"Invalid {kind.lower()} {name}")
        if call == "order_book" and request.host == EU and int(query.get("limit", 10)) > 100:
            return {"current": self._now_ms(), "update": self._now_ms(), "asks": [], "bids": []}
        return self._calls[call](spec, query)

    def _now_ms(self) -> int:
        return self._market.now_ms if self._market else time.time_ns() // 1_000_000

    def _truth(self) -> MarketModel:
        if self._market is None:
            raise RefusedError("NOT_RECORDED", "this replay has no recorded answer to that")
        return self._market

    def _order_book(self, spec: Spec, query: Mapping[str, str]) -> dict[str, Any]:
        """Section 7.2: as old as its cache; without `with_id` it cannot be linked."""
        market, limit = self._truth(), _limit(query, 10, 1000 if spec.spot else 300)
        key = spec.symbol, limit
        made_ms, body = self._books.get(key, (0, {}))
        if not body or market.now_ms - made_ms >= self._cached_ms:
            last_id, bids, asks = market.rows(spec.symbol, limit)
            now = market.now_ms if spec.spot else market.now_ms / 1000
            body = {"id": last_id, "current": now, "update": now}
            for side, rows in (("asks", asks), ("bids", bids)):
                objects = [{"p": number(p), "s": number(q)} for p, q in rows]
                body[side] = pairs(rows) if spec.spot else objects
            self._books[key] = market.now_ms, body
        wanted = query.get("with_id") == "true"
        return body if wanted else {k: v for k, v in body.items() if k != "id"}

    def _trades(self, spec: Spec, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Newest first; contracts have seconds with a fraction here."""
        recent = self._truth().trades(spec.symbol)[-_limit(query, 100, 1000) :]
        return [_past(spec, trade) for trade in reversed(recent)]

    def _ticker(self, spec: Spec, query: Mapping[str, str]) -> list[dict[str, Any]]:
        row, quote = ticker(spec, self._truth()), self._truth().quote(spec.symbol)
        best = {"lowest_ask": number(quote.ask_e8), "highest_bid": number(quote.bid_e8)}
        return [{**row, **best}]

    def _candles(self, spec: Spec, query: Mapping[str, str]) -> list[Any]:
        interval = query.get("interval", "30m")
        known = SPOT_INTERVALS if spec.spot else INTERVALS
        if interval not in known:
            raise RefusedError("INVALID_PARAM_VALUE", f"Invalid interval {interval}")
        candles = self._truth().candles(spec.symbol, known[interval])
        rows: list[Any] = []
        for c in candles[-_limit(query, 100, 1000) :]:
            at, base = c.open_ms // 1000, number(base_volume(spec, c.volume, c.cost))
            prices = [number(p) for p in (c.close, c.high, c.low, c.open)]
            if spec.spot:
                rows.append([str(at), number(c.cost // E8), *prices, base, "true"])
            else:
                values = dict(zip("chlo", prices, strict=True))
                rows.append({"t": at, "v": int(c.volume // E8), **values, "sum": base})
        return rows


def _past(spec: Spec, trade: Trade) -> dict[str, Any]:
    row = trade_row(spec, trade)
    if spec.spot:
        row |= {"id": str(trade.id), "create_time": str(row["create_time"])}
        return {k: v for k, v in row.items() if k not in ("id_market", "range")}
    return {**row, "create_time_ms": trade.ts_ms / 1000, "create_time": trade.ts_ms / 1000}


def _limit(query: Mapping[str, str], usual: int, most: int) -> int:
    limit = int(query.get("limit", usual))
    if not 1 <= limit <= most:
        raise RefusedError("INVALID_PARAM_VALUE", f"Invalid limit {limit}")
    return limit
