"""A small strategy: lean on the side of the book and of the trades that is heavier.

It knows no venue. Run it with `python -m tests.strategies.imbalance VENUE SYMBOL`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import unified_ws


@dataclass
class Seen:
    """What the strategy has seen, and what it would do."""

    trades: int = 0
    books: int = 0
    quotes: int = 0
    tickers: int = 0
    candles: int = 0
    marks: int = 0
    leaning: list[str] = field(default_factory=list)


async def trade(
    venue: str, symbol: str, config: Mapping[str, Any] | None = None, *, rounds: int = 3
) -> Seen:
    """Watch one market of one venue for a few rounds of everything it offers."""
    seen = Seen()
    async with unified_ws.exchange(venue, config) as ex:

        async def flow() -> None:
            for _ in range(rounds):
                for row in await ex.watch_trades(symbol):
                    assert row["symbol"] == symbol
                    assert row["price"] > 0
                    assert row["amount"] > 0
                    assert row["side"] in ("buy", "sell")
                    assert row["cost"] is not None
                    seen.trades += 1

        async def depth() -> None:
            for _ in range(rounds):
                book = await ex.watch_order_book(symbol, 10)
                (bid, bids), (ask, asks) = book["bids"][0], book["asks"][0]
                assert bid < ask
                assert book["symbol"] == symbol
                seen.leaning.append("buy" if bids > asks else "sell")
                seen.books += 1

        async def quotes() -> None:
            for _ in range(rounds):
                quote = (await ex.watch_bids_asks([symbol]))[symbol]
                bid, ask = quote["bid"], quote["ask"]
                assert bid is not None
                assert ask is not None
                assert bid < ask
                seen.quotes += 1

        async def statistics() -> None:
            ticker = await ex.watch_ticker(symbol)
            assert ticker["symbol"] == symbol
            assert ticker["last"] is None or ticker["last"] > 0
            seen.tickers += 1

        async def candles() -> None:
            timeframe = "5m" if "1m" not in ex.timeframes else "1m"
            rows = await ex.watch_ohlcv(symbol, timeframe)
            at, opened, high, low, close, volume = rows[-1]
            assert at % 60_000 == 0
            assert low <= min(opened, close) <= max(opened, close) <= high
            assert volume >= 0
            seen.candles += 1

        async def margin() -> None:
            if not ex.has["watchMarkPrice"] or not ex.market(symbol)["contract"]:
                return
            try:
                mark = await ex.watch_mark_price(symbol)
            except unified_ws.NotSupported:
                return
            assert (mark["markPrice"] or 0) > 0
            seen.marks += 1

        await ex.load_markets()
        await asyncio.gather(flow(), depth(), quotes(), statistics(), candles(), margin())
        assert ex.quarantined() == []
        assert ex.gaps() == []
        await ex.un_watch_trades(symbol)
        await ex.un_watch_order_book(symbol)
    return seen


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(trade(sys.argv[1], sys.argv[2]))}\n")
