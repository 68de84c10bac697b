"""The market model is the truth that fakes are compared with, so it must be exact itself."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby, pairwise

import msgspec
import pytest

from unified_ws.testing import MarketModel
from unified_ws.testing.market import (
    E8,
    TIMEFRAMES,
    AggTrade,
    Candle,
    Delta,
    Event,
    Funding,
    Liquidation,
    Mark,
    OpenInterest,
    Quote,
    Trade,
    merge,
    next_open_ms,
    open_ms,
    spec_of,
    text,
)
from unified_ws.testing.side import Window

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).timestamp()
BTC = "BTC/USDT"
SWAP, INVERSE, FUTURE = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-261225"


def model(
    seed: int = 1,
    symbols: Sequence[str] = (BTC,),
    *,
    trades_per_s: float = 15.0,
    levels: int = 200,
    history: int = 50_000,
    warmup_ticks: int = 0,
) -> MarketModel:
    """Make a small market that begins at noon."""
    return MarketModel(
        symbols,
        seed=seed,
        clock=lambda: NOON,
        levels=levels,
        trades_per_s=trades_per_s,
        history=history,
        warmup_ticks=warmup_ticks,
    )


def run(market: MarketModel, ticks: int) -> list[Event]:
    """Return the events of some ticks."""
    return [event for _ in range(ticks) for event in market.tick()]


def candle_of(trades: Iterable[Trade], start_ms: int) -> Candle:
    """Build a candle the plain way."""
    rows = list(trades)
    prices = [t.price_e8 for t in rows]
    taken = [t for t in rows if not t.buyer_maker]
    return Candle(
        start_ms,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(t.amount_e8 for t in rows),
        sum(t.price_e8 * t.amount_e8 for t in rows),
        len(rows),
        sum(t.amount_e8 for t in taken),
        sum(t.price_e8 * t.amount_e8 for t in taken),
        rows[0].id,
        rows[-1].id,
    )


def test_the_same_seed_gives_the_same_market() -> None:
    """A failing test can be repeated."""
    assert run(model(seed=7), 50) == run(model(seed=7), 50)
    assert run(model(seed=7), 50) != run(model(seed=8), 50)


def test_a_symbol_does_not_depend_on_its_neighbours() -> None:
    """Adding a market to a test does not change the others."""
    alone, together = model(), model(symbols=("ETH/USDT", BTC))
    run(alone, 50)
    run(together, 50)

    assert alone.book(BTC) == together.book(BTC)


def test_the_book_never_crosses_and_keeps_its_depth() -> None:
    """A crossed book in a test would be the library's fault, never the fake's."""
    market = model(trades_per_s=100)
    for _ in range(1000):
        market.tick()
        book = market.book(BTC)
        assert book.bids[0][0] < book.asks[0][0]
        for rows, falling in ((book.bids, True), (book.asks, False)):
            prices = [price for price, _ in rows]
            assert prices == sorted(set(prices), reverse=falling)
            assert 100 < len(rows) < 260


def test_deltas_chain_and_rebuild_the_book() -> None:
    """Every level change is in a delta, and ids have no hole."""
    market = model()
    _, bids, asks = market.rows(BTC)
    sides, last_id = (dict(bids), dict(asks)), market.book(BTC).last_id
    for event in run(market, 300):
        if isinstance(event, Delta):
            assert event.first_id == last_id + 1
            last_id = event.last_id
            for side, changes in zip(sides, (event.bids, event.asks), strict=True):
                side.update(changes)

    found = [{p: q for p, q in side.items() if q} for side in sides]
    assert market.rows(BTC) == (
        last_id,
        sorted(found[0].items(), reverse=True),
        sorted(found[1].items()),
    )


def test_merged_deltas_equal_their_parts() -> None:
    """A slower stream of deltas says the same as the fast one."""
    market = model()
    _, bids, asks = market.rows(BTC)
    deltas = [event for event in run(market, 20) if isinstance(event, Delta)]
    one = merge(deltas)
    apart, joined = dict(bids + asks), dict(bids + asks)
    for delta in deltas:
        apart.update(delta.bids + delta.asks)
    joined.update(one.bids + one.asks)

    assert joined == apart
    assert (one.first_id, one.last_id) == (deltas[0].first_id, deltas[-1].last_id)


def test_quotes_are_the_top_of_the_book_at_their_id() -> None:
    """The best bid and ask of a stream can be checked against a book at the same update id."""
    market = model()
    for _ in range(200):
        quotes = [event for event in market.tick() if isinstance(event, Quote)]
        now = market.quote(BTC)
        if quotes and quotes[-1].id == now.id:
            assert quotes[-1].bid_e8 == now.bid_e8
            assert quotes[-1].ask_amount_e8 == now.ask_amount_e8
        last_id, bids, asks = market.rows(BTC, 1)
        assert (now.id, now.bid_e8, now.bid_amount_e8) == (last_id, *bids[0])
        assert (now.ask_e8, now.ask_amount_e8) == asks[0]


def test_trade_ids_are_contiguous_and_aggregates_cover_them() -> None:
    """A hole in ids always means that a reader lost something."""
    market = model(trades_per_s=50)
    events = run(market, 200)
    trades = [event for event in events if isinstance(event, Trade)]
    aggs = [event for event in events if isinstance(event, AggTrade)]

    assert [t.id for t in trades] == list(range(trades[0].id, trades[-1].id + 1))
    assert all(b.id == a.id + 1 and b.first_id == a.last_id + 1 for a, b in pairwise(aggs))
    for agg, (_, parts) in zip(aggs, groupby(trades, lambda t: t.agg_id), strict=True):
        fills = list(parts)
        assert agg.amount_e8 == sum(fill.amount_e8 for fill in fills)
        assert {agg.price_e8} == {fill.price_e8 for fill in fills}
        assert (agg.first_id, agg.last_id) == (fills[0].id, fills[-1].id)
    assert all(a.ts_ms <= b.ts_ms for a, b in pairwise(trades))


def test_takers_consume_the_book() -> None:
    """A fill takes its amount from the level it names."""
    market = model()
    before = dict(market.rows(BTC)[1] + market.rows(BTC)[2])
    events = market.tick()
    while not isinstance(events[0], Trade):
        before = dict(market.rows(BTC)[1] + market.rows(BTC)[2])
        events = market.tick()
    agg = next(event for event in events if isinstance(event, AggTrade))
    quote = events[events.index(agg) + 1]

    assert agg.amount_e8 <= before[agg.price_e8]
    assert isinstance(quote, Quote)
    left = {quote.bid_e8: quote.bid_amount_e8, quote.ask_e8: quote.ask_amount_e8}
    assert left.get(agg.price_e8, 0) == before[agg.price_e8] - agg.amount_e8


@pytest.mark.parametrize("timeframe", ["1s", "1m", "5m", "1h", "1w", "1M"])
def test_candles_equal_those_built_from_trades(timeframe: str) -> None:
    """Candles, trades and tickers of the fake tell one story."""
    market = model()
    run(market, 1305)  # stops within a second and within a minute
    expected = [
        candle_of(group, start)
        for start, group in groupby(market.trades(BTC), lambda t: open_ms(t.ts_ms, timeframe))
    ]

    found = [candle for candle in market.candles(BTC, timeframe) if candle.trades]
    assert found == expected


def test_reading_candles_does_not_change_them() -> None:
    """A REST request between two ticks leaves no trace."""
    read, unread = model(), model()
    for _ in range(205):
        read.tick()
        read.candles(BTC, "1m")
    run(unread, 205)

    assert read.candles(BTC, "1m") == unread.candles(BTC, "1m")


def test_quiet_seconds_have_flat_candles() -> None:
    """A venue lists a candle for every interval, traded or not."""
    market = model(trades_per_s=1)
    run(market, 600)
    candles = market.candles(BTC, "1s")

    assert all(b.open_ms == a.open_ms + 1000 for a, b in pairwise(candles))
    flat = [(a, b) for a, b in pairwise(candles) if not b.trades]
    assert flat
    assert all(b.open == b.close == a.close and b.volume == 0 for a, b in flat)


def test_a_zone_shifts_the_day() -> None:
    """At 12:00 UTC the day that began at 16:00 UTC the day before is open in UTC+8."""
    market = model()
    run(market, 50)
    zone_ms = 8 * 3_600_000
    (candle,) = market.candles(BTC, "1d", zone_ms)

    assert candle.open_ms == int(NOON * 1000) - 20 * 3_600_000
    assert candle.volume == sum(t.amount_e8 for t in market.trades(BTC))


def test_stats_sum_up_the_window() -> None:
    """The 24 h ticker agrees with the trades."""
    market = model()
    run(market, 1250)
    trades, stats = market.trades(BTC), market.stats(BTC)

    whole = candle_of(trades, 0)
    assert (stats.open, stats.high, stats.low) == (whole.open, whole.high, whole.low)
    assert (stats.volume, stats.cost, stats.trades) == (whole.volume, whole.cost, len(trades))
    assert (stats.first_id, stats.last_id) == (trades[0].id, trades[-1].id)


def test_stats_forget_what_left_the_window() -> None:
    """A rolling window rolls."""
    market = model(trades_per_s=5)
    run(market, 3000)  # five minutes
    stats = market.stats(BTC, 120_000)
    inside = [t for t in market.trades(BTC) if t.ts_ms >= market.now_ms - 120_000]

    assert stats.trades == len(inside)
    assert stats.open == inside[0].price_e8
    assert stats.previous_close == market.trades_from(BTC, inside[0].id - 1, 1)[0].price_e8


def test_history_is_bounded() -> None:
    """A long run does not eat the memory."""
    market = model(trades_per_s=200, history=1000)
    run(market, 300)
    trades, aggs = market.trades(BTC), market.agg_trades(BTC)

    assert 1000 <= len(trades) <= 1250
    assert aggs[0].first_id >= trades[0].id
    assert aggs[-1].last_id == trades[-1].id
    assert market.trades_from(BTC, trades[5].id, 3) == trades[5:8]
    assert market.trades_from(BTC, 0, 2) == trades[:2]


def test_listeners_hear_every_event() -> None:
    """A test can keep its own truth."""
    market = model()
    heard: list[Event] = []
    stop = market.subscribe(heard.append)
    events = run(market, 5)
    stop()
    market.tick()

    assert heard == events


def test_time_begins_at_the_clock_and_moves_with_ticks() -> None:
    """Market time is reproducible and independent of how fast ticks are made."""
    market = model(warmup_ticks=100)
    assert market.now_ms == NOON * 1000
    assert market.trades(BTC)[-1].ts_ms < NOON * 1000
    run(market, 10)
    assert market.now_ms == NOON * 1000 + 1000


@pytest.mark.parametrize(
    "value, expected",
    [
        (0, "0.00000000"),
        (6183763000000, "61837.63000000"),
        (1, "0.00000001"),
        (-150, "-0.00000150"),
    ],
)
def test_texts_are_exact(value: int, expected: str) -> None:
    """What goes over the wire is the number itself."""
    assert text(value) == expected
    assert Decimal(expected) * E8 == value


def test_a_trade_shows_exact_numbers() -> None:
    """Tests compare with these."""
    trade = Trade(BTC, 1, 6183763000000, 2000, 0, True, 1)

    assert (trade.price, trade.amount) == (Decimal("61837.63"), Decimal("0.00002"))
    assert trade.side == "sell"


@pytest.mark.parametrize(
    "timeframe, expected",
    [
        ("1s", "2026-11-20T12:34:56"),
        ("15m", "2026-11-20T12:30:00"),
        ("1d", "2026-11-20T00:00:00"),
        ("1w", "2026-11-16T00:00:00"),
        ("1M", "2026-11-01T00:00:00"),
    ],
)
def test_candles_open_where_calendars_say(timeframe: str, expected: str) -> None:
    """Weeks begin on Monday, months on the first."""
    at = dt.datetime(2026, 11, 20, 12, 34, 56, 789_000, tzinfo=dt.UTC)
    opened = open_ms(int(at.timestamp() * 1000), timeframe)

    assert opened == dt.datetime.fromisoformat(expected).replace(tzinfo=dt.UTC).timestamp() * 1000
    assert open_ms(next_open_ms(opened, timeframe) - 1, timeframe) == opened
    assert open_ms(next_open_ms(opened, timeframe), timeframe) > opened


def test_every_timeframe_has_candles() -> None:
    """No timeframe a venue lists is empty."""
    market = model()
    run(market, 30)

    assert all(market.candles(BTC, timeframe) for timeframe in TIMEFRAMES)


def test_unknown_symbols_get_a_price_of_their_own() -> None:
    """Any spot pair can be listed."""
    market = model(symbols=("FOO/USDT", "BAR/USDT"))

    assert market.specs["FOO/USDT"].price != market.specs["BAR/USDT"].price
    assert market.specs["FOO/USDT"] == model(symbols=("FOO/USDT",)).specs["FOO/USDT"]


@pytest.mark.parametrize(
    "symbol", ["BTCUSDT", "/USDT", "BTC/USDT:ETH", "BTC/USDT:USDT-2612", "BTC/USD:BTC-261225-9-C"]
)
def test_other_symbols_are_refused(symbol: str) -> None:
    """There are no options, and nothing that settles in a third currency."""
    with pytest.raises(ValueError, match="BASE/QUOTE"):
        model(symbols=(symbol,))


def test_spot_is_what_it_was() -> None:
    """Contracts came later; tests that know a seed's market still do."""
    sums = {}
    for symbol in (BTC, "FOO/USDT"):
        digest = hashlib.sha256()
        for event in run(model(7, (symbol, SWAP)), 50):
            if event.symbol == symbol:
                digest.update(msgspec.json.encode(event))
        sums[symbol] = digest.hexdigest()[:16]

    assert sums == {BTC: "2b417976b504326f", "FOO/USDT": "6d90b442857be25f"}


def test_symbols_tell_what_a_contract_is() -> None:
    """Unified symbols are enough to list any market."""
    linear, inverse, future = spec_of(SWAP), spec_of(INVERSE), spec_of(FUTURE)

    assert (linear.type, linear.settle, linear.linear, linear.inverse) == (
        "swap", "USDT", True, False,
    )  # fmt: skip
    assert (inverse.type, inverse.settle, inverse.linear, inverse.inverse) == (
        "swap", "BTC", False, True,
    )  # fmt: skip
    assert (inverse.step, inverse.contract_size) == (E8, Decimal(100))
    expiry = dt.datetime(2026, 12, 25, 8, tzinfo=dt.UTC)
    assert (future.type, future.expiry_ms) == ("future", expiry.timestamp() * 1000)
    assert spec_of(BTC).spot
    assert not future.spot
    assert future.price > linear.price > 0 == linear.price % linear.tick


def test_a_venue_chooses_contract_sizes() -> None:
    """The same market has other contracts elsewhere, and is worth as much."""
    small = spec_of(SWAP, contract_size=Decimal("0.0001"), step=E8)
    market = MarketModel([small], clock=lambda: NOON, levels=200, warmup_ticks=100)
    contracts = [trade.amount_e8 for trade in market.trades(SWAP)]
    worth = [c // E8 * 0.0001 * 61837 for c in contracts]

    assert all(c % E8 == 0 for c in contracts)
    assert 200 < sum(worth) / len(worth) < 3000


@pytest.mark.parametrize("symbol", [SWAP, INVERSE, FUTURE])
def test_costs_of_contracts_are_in_what_they_settle_in(symbol: str) -> None:
    """Quote currency if linear, base currency if inverse."""
    market = model(symbols=(symbol,))
    run(market, 100)
    size = market.specs[symbol].contract_size
    trades = market.trades(symbol)
    inverse = market.specs[symbol].inverse
    each = [t.amount * size * (1 / t.price if inverse else t.price) for t in trades]

    assert market.stats(symbol).cost / E8**2 == pytest.approx(float(sum(each)))


def test_contracts_tell_mark_funding_and_open_interest_each_second() -> None:
    """What derivatives channels stream; getters tell the same."""
    market = model(symbols=(BTC, SWAP, FUTURE))
    events = run(market, 100)

    def count(kind: type[Event], symbol: str) -> int:
        return sum(type(event) is kind and event.symbol == symbol for event in events)

    for kind in (Mark, OpenInterest):
        assert [count(kind, s) for s in market.symbols] == [0, 10, 10]
    assert [count(Funding, s) for s in market.symbols] == [0, 10, 0]
    last = {type(event): event for event in events if event.symbol == SWAP}
    mark, funding = market.mark(SWAP), market.funding(SWAP)
    assert (last[Mark], last[Funding]) == (mark, funding)
    assert last[OpenInterest] == market.open_interest(SWAP)
    assert abs(mark.mark / mark.index - 1) < Decimal("0.001")
    assert abs(funding.rate) < Decimal("0.004")
    assert funding.next_ms == int(NOON) * 1000 + 4 * 3_600_000
    assert market.open_interest(SWAP).contracts > 0


def test_liquidations_happen_every_few_seconds() -> None:
    """Rare, but no test waits for them in vain."""
    market = model(symbols=(SWAP,))
    found = [event for event in run(market, 1000) if isinstance(event, Liquidation)]

    assert 15 < len(found) < 60
    assert found[-5:] == market.liquidations(SWAP)[-5:]
    assert {event.side for event in found} == {"buy", "sell"}
    assert all(event.amount > 0 and event.price > 0 for event in found)
    assert [event.id for event in found] == [found[0].id + n for n in range(len(found))]


def test_what_has_no_contract_has_no_mark() -> None:
    """A side that asks nonsense hears so."""
    market = model(symbols=(BTC, FUTURE))
    with pytest.raises(LookupError, match="no contract"):
        market.mark(BTC)
    with pytest.raises(LookupError, match="no swap"):
        market.funding(FUTURE)


def test_contracts_repeat_with_their_seed() -> None:
    """Their events too."""
    assert run(model(7, (SWAP, INVERSE)), 50) == run(model(7, (SWAP, INVERSE)), 50)


@pytest.mark.parametrize("depth, every", [(5, 1), (5, 7), (None, 3)])
def test_a_window_shows_what_its_deltas_add_up_to(depth: int | None, every: int) -> None:
    """Levels that leave the cut go, those that enter it come; ids chain."""
    market = model()
    window = Window(market, BTC, depth)
    shown, last_id = [dict(window.bids), dict(window.asks)], window.last_id
    for _ in range(60):
        run(market, every)
        delta = window.move()
        if delta is None:
            continue
        assert delta.first_id == last_id + 1
        last_id = delta.last_id
        for side, changes in zip(shown, (delta.bids, delta.asks), strict=True):
            assert changes == sorted(changes, reverse=side is shown[0])
            side.update(changes)
            for price in [price for price, amount in side.items() if not amount]:
                del side[price]
        assert shown == [dict(rows) for rows in market.rows(BTC, depth)[1:]]
    assert window.move() is None
    assert window.last_id == last_id


def test_a_restarted_book_counts_from_one() -> None:
    """Its levels stay."""
    market = model()
    before = market.rows(BTC)[1:]
    market.restart(BTC)
    assert market.rows(BTC) == (0, *before)
    delta = next(event for event in run(market, 5) if isinstance(event, Delta))
    assert delta.first_id == 1
