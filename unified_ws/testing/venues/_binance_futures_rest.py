"""Binance futures REST: what differs from spot in endpoints, shapes and weights.

Section numbers are those of the project's protocol sheet for Binance; other weights and shapes are
those of the venue's REST documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..market import E8, MarketModel, Spec, Trade, text
from ..side import RestRequest
from . import _binance_rest as spot
from ._binance_futures import average, off_book
from ._binance_products import COINM, USDM, market_id, product_of
from ._binance_streams import percent

PATHS = {USDM: "/fapi/v1/", COINM: "/dapi/v1/"}
HOSTS = {
    USDM: ("fapi.binance.com", "testnet.binancefuture.com", "demo-fapi.binance.com"),
    COINM: ("dapi.binance.com", "testnet.binancefuture.com", "demo-dapi.binance.com"),
}
POOLS = {host: "futures" for hosts in HOSTS.values() for host in hosts}
"""One budget for both (section 1.3)."""
_DEPTHS = ((50, 2), (100, 5), (500, 10), (1000, 20))  # section 6.2
_WEIGHTS = {"trades": 5, "historicalTrades": 200, "aggTrades": 20, "rpiDepth": 20}
_PERPETUAL_MS = 4_133_404_800_000


def weight(request: RestRequest) -> int:
    """Return what a request costs."""
    name, query = request.path.rpartition("/")[2], request.query
    limit = query.get("limit", "500")
    if name == "depth":
        levels = int(limit) if limit.isdecimal() else 500
        return next((cost for most, cost in _DEPTHS if levels <= most), _DEPTHS[-1][1])
    if name == "premiumIndex" and request.path.startswith(PATHS[COINM]):
        return 10
    if "/ticker/" in request.path:
        return 1 if "symbol" in query else 40
    return _WEIGHTS.get(name, 1)


class FuturesRest(spot.Rest):
    """Answers for one product."""

    most = 1000

    def __init__(self, product: str, specs: Sequence[Spec], market: MarketModel | None) -> None:
        super().__init__([s for s in specs if product_of(s) == product], market)
        self._product = product
        self.root, self.hosts = PATHS[product], HOSTS[product]
        self._calls = {
            **self._calls,
            "rpiDepth": self._depth,
            "openInterest": self._open_interest,
            "premiumIndex": self._premiums,
        }

    def listing(self, specs: Iterable[Spec], now_ms: int) -> dict[str, Any]:
        """Return the list of markets in full shape."""
        return {
            **spot.exchange_info((), now_ms),
            "futuresType": "U_MARGINED" if self._product == USDM else "D_MARGINED",
            "assets": [],
            "symbols": [self._contract(spec) for spec in specs],
        }

    def rows(self, trades: Iterable[Trade]) -> list[dict[str, object]]:
        """Return trades: those off the book are not listed (section 5.1)."""
        return [self._trade_row(trade) for trade in trades if not off_book(trade)]

    def _depth(self, query: Mapping[str, str]) -> dict[str, object]:
        now_ms = self._now_ms()
        return {**super()._depth(query), "E": now_ms, "T": now_ms - 3}

    def _trade_row(self, trade: Trade) -> dict[str, object]:
        row = spot.trade_row(trade)
        del row["isBestMatch"]
        if self._product == COINM:
            del row["quoteQty"]
            size = self._truth().specs[trade.symbol].contract_size
            row["baseQty"] = text(int(Decimal(trade.amount_e8) * size * E8 / trade.price_e8))
        return row

    def _open_interest(self, query: Mapping[str, str]) -> object:
        symbol = self._symbol(query)
        spec, interest = self._truth().specs[symbol], self._truth().open_interest(symbol)
        more = {"pair": spec.base + spec.quote} if self._product == COINM else {}
        return {
            "symbol": market_id(spec),
            **more,
            "openInterest": text(interest.contracts_e8),
            "time": interest.ts_ms,
        }

    def _premiums(self, query: Mapping[str, str]) -> object:
        found = self._rows(query, self._premium)
        # COIN-M answers a list even where one market was asked for
        return [found] if self._product == COINM and isinstance(found, dict) else found

    def _premium(self, symbol: str) -> object:
        market = self._truth()
        mark, spec = market.mark(symbol), market.specs[symbol]
        funding = None if spec.expiry_ms else market.funding(symbol)
        return {
            "symbol": market_id(spec),
            "markPrice": text(mark.mark_e8),
            "indexPrice": text(mark.index_e8),
            "estimatedSettlePrice": text(mark.index_e8),
            "lastFundingRate": text(funding.rate_e8) if funding else "",
            "interestRate": "0.00010000",
            "nextFundingTime": funding.next_ms if funding else 0,
            "time": mark.ts_ms,
        }

    def _day_ticker(self, symbol: str) -> object:
        market = self._truth()
        stats, spec = market.stats(symbol), market.specs[symbol]
        change = stats.close - stats.open
        sums = {"volume": text(stats.volume), "quoteVolume": text(stats.cost // E8)}
        if self._product == COINM:
            sums = {"volume": text(stats.volume), "baseVolume": text(stats.cost // E8)}
        return {
            "symbol": market_id(spec),
            "priceChange": text(change),
            "priceChangePercent": percent(change, stats.open),
            "weightedAvgPrice": text(average(spec, stats)),
            "lastPrice": text(stats.close),
            "lastQty": text(market.last_trade(symbol).amount_e8),
            "openPrice": text(stats.open),
            "highPrice": text(stats.high),
            "lowPrice": text(stats.low),
            **sums,
            "openTime": stats.open_ms,
            "closeTime": stats.close_ms,
            "firstId": stats.first_id,
            "lastId": stats.last_id,
            "count": stats.trades,
        }

    def _contract(self, spec: Spec) -> dict[str, object]:
        usdm = self._product == USDM
        tick, step = text(spec.tick), text(spec.step)
        status = {"status": "TRADING"} if usdm else {"contractStatus": "TRADING"}
        size = {} if usdm else {"contractSize": int(spec.contract_size)}
        lots = {"minQty": step, "maxQty": "1000000", "stepSize": step}
        return {
            "symbol": market_id(spec),
            "pair": spec.base + spec.quote,
            "contractType": "CURRENT_QUARTER" if spec.expiry_ms else "PERPETUAL",
            "deliveryDate": spec.expiry_ms or _PERPETUAL_MS,
            "onboardDate": 1_569_398_400_000,
            **status,
            **size,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": spec.base,
            "quoteAsset": spec.quote,
            "marginAsset": spec.settle,
            "pricePrecision": 8,
            "quantityPrecision": 8,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012000",
            "marketTakeBound": "0.30",
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000",
                 "tickSize": tick},
                {"filterType": "LOT_SIZE", **lots},
                {"filterType": "MARKET_LOT_SIZE", **lots},
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MIN_NOTIONAL", "notional": "5"},
            ],
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }  # fmt: skip
