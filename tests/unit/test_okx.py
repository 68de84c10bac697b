"""OKX v5: what its frames mean and what it is asked, section by section of the sheet.

The frames of the sheet and the events they become are in `tests/fixtures/okx`; here are its
peculiarities, and what is meant to differ from ccxt 4.5.90.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.facts import Kind
from unified_ws.venues.okx import VENUE, MyOkx, Okx, OkxUs

OKX: ws.Adapter = Okx()
CALL = ws.Call("1512", 1_700_000_000_000, "public")
SPOT = ws.Market("BTC/USDT", "BTC-USDT", "spot", "BTC", "USDT")
SWAP = ws.Market("BTC/USDT:USDT", "BTC-USDT-SWAP", "swap", "BTC", "USDT", "USDT", True, False, 0.01)
FUTURE = ws.Market("BTC/USD:BTC-260925", "BTC-USD-260925", "future", "BTC", "USD", "BTC")
SYMBOLS = {market.id: market.symbol for market in (SPOT, SWAP, FUTURE)}


def sub(kind: Kind, market: ws.Market | None = SPOT, **fields: Any) -> ws.Sub:
    """Build a subscription; switches that are not named are as nobody chose them."""
    chosen = fields.pop("channel", {})
    switches = VENUE.switches.get(kind, {})
    channel = {name: switch.default for name, switch in switches.items()} | chosen
    market_type = fields.pop("market_type", market.type if market else "spot")
    return ws.Sub(kind, market, market_type, channel=channel, **fields)


def route(kind: Kind, market: ws.Market | None = SPOT, **fields: Any) -> ws.Route:
    """Return the only route of a subscription."""
    (only,) = OKX.route(sub(kind, market, **fields))
    return only


def topic(kind: Kind, market: ws.Market | None = SPOT, **fields: Any) -> str:
    """Return the only topic of a subscription."""
    return route(kind, market, **fields).topic


def data(channel: str, *rows: Any, market: str = "BTC-USDT", **more: Any) -> bytes:
    """Build a data frame."""
    frame = {"arg": {"channel": channel, "instId": market}, **more, "data": rows}
    return msgspec.json.encode(frame)


def decode(frame: bytes) -> Sequence[ws.Inbound]:
    """Decode one frame."""
    return OKX.decode(frame, "public", SYMBOLS.get)


def batch(frame: bytes) -> ws.Batch:
    """Decode one frame of data."""
    (found,) = decode(frame)
    assert isinstance(found, ws.Batch)
    return found


def book(frame: bytes) -> ws.BookUpdate:
    """Decode one frame of a book."""
    (found,) = batch(frame).events
    assert isinstance(found, ws.BookUpdate)
    return found


def error(code: str, msg: str, **more: str) -> ws.Inbound:
    """Decode one error."""
    (found,) = decode(msgspec.json.encode({"event": "error", "code": code, "msg": msg, **more}))
    return found


TRADE = {
    "instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306",
    "side": "buy", "ts": "1630048897897", "count": "3",
}  # fmt: skip
TICKER = {"instId": "BTC-USDT", "last": "3", "vol24h": "10", "volCcy24h": "30", "ts": "7"}
FUNDING = {"fundingRate": "0.0001", "fundingTime": "1700726400000", "ts": "1700724675402"}
BOOK = {
    "asks": [["3.5", "1", "0", "1"]], "bids": [["3.4", "2", "0", "1"]], "ts": "7",
    "checksum": 0, "prevSeqId": -1, "seqId": 10,
}  # fmt: skip


# --- where things live ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "market", "fields", "endpoint", "topic"),
    [
        (Kind.TRADES, SPOT, {}, "public", "trades:BTC-USDT"),
        (
            Kind.TRADES, SWAP, {"channel": {"channel": "trades-all"}}, "business",
            "trades-all:BTC-USDT-SWAP",
        ),
        (Kind.TICKER, SPOT, {}, "public", "tickers:BTC-USDT"),
        (
            Kind.TICKER, SPOT, {"channel": {"channel": "index-tickers"}}, "public",
            "index-tickers:BTC-USDT",
        ),
        (Kind.BIDS_ASKS, SWAP, {}, "public", "bbo-tbt:BTC-USDT-SWAP"),
        (Kind.BIDS_ASKS, SPOT, {"channel": {"channel": "tickers"}}, "public", "tickers:BTC-USDT"),
        (Kind.OHLCV, SPOT, {"timeframe": "1m"}, "business", "candle1m:BTC-USDT"),
        (Kind.OHLCV, SPOT, {"timeframe": "4h"}, "business", "candle4H:BTC-USDT"),
        (Kind.MARK_PRICE, FUTURE, {}, "public", "mark-price:BTC-USD-260925"),
        (Kind.FUNDING_RATE, SWAP, {}, "public", "funding-rate:BTC-USDT-SWAP"),
        (Kind.OPEN_INTEREST, FUTURE, {}, "public", "open-interest:BTC-USD-260925"),
        (Kind.LIQUIDATIONS, SWAP, {}, "public", "liquidation-orders:SWAP"),
        (Kind.LIQUIDATIONS, FUTURE, {}, "public", "liquidation-orders:FUTURES"),
        (Kind.LIQUIDATIONS, SPOT, {}, "public", "liquidation-orders:MARGIN"),
    ],
)  # fmt: skip
def test_each_kind_has_its_channel(
    kind: Kind, market: ws.Market, fields: dict[str, Any], endpoint: str, topic: str
) -> None:
    """1, 5: candles and each match of a trade come from the business endpoint."""
    found = route(kind, market, **fields)
    assert (found.endpoint, found.topic) == (endpoint, topic)


@pytest.mark.parametrize(
    ("limit", "depth", "channel"),
    [
        (0, "books", "books"), (1, "books", "bbo-tbt"), (2, "books", "books5"),
        (5, "books", "books5"), (6, "books", "books"), (400, "books", "books"),
        (1000, "books", "books"), (0, "books5", "books5"), (20, "bbo-tbt", "bbo-tbt"),
        (0, "books-l2-tbt", "books-l2-tbt"), (50, "books50-l2-tbt", "books50-l2-tbt"),
        (400, "books-l2-tbt", "books"), (3, "books-rpi", "books5"), (0, "books-rpi", "books-rpi"),
    ],
)  # fmt: skip
def test_limit_and_switch_choose_the_book(limit: int, depth: str, channel: str) -> None:
    """6.1: as ccxt chooses, but for a limit of 50."""
    assert topic(Kind.BOOK, depth=limit, channel={"depth": depth}) == f"{channel}:BTC-USDT"


def test_a_book_of_fifty_needs_no_login() -> None:
    """6.1, difference: ccxt takes a channel that wants a login and a fee tier."""
    assert topic(Kind.BOOK, depth=50) == "books:BTC-USDT"


@pytest.mark.parametrize("depth", ["books", "books-rpi", "books-l2-tbt", "books50-l2-tbt"])
def test_deep_books_are_chained_and_few_to_a_connection(depth: str) -> None:
    """2, 4, 6.3: fewer than 30 of them, and those of one market refuse each other."""
    found = route(Kind.BOOK, channel={"depth": depth})
    assert found.chained
    assert found.apart == "BTC-USDT"
    assert {e.limits.topics_per_group[found.group] for e in VENUE.endpoints.values()} == {29}


@pytest.mark.parametrize("depth", ["books5", "bbo-tbt"])
def test_whole_books_are_neither(depth: str) -> None:
    """6.3: each frame replaces the book."""
    found = route(Kind.BOOK, channel={"depth": depth})
    assert (found.chained, found.apart, found.group) == (False, "", "")


@pytest.mark.parametrize(
    ("timeframe", "utc", "hong_kong"),
    [
        ("1h", "1H", "1H"), ("6h", "6Hutc", "6H"), ("12h", "12Hutc", "12H"), ("1d", "1Dutc", "1D"),
        ("3d", "3Dutc", "3D"), ("1w", "1Wutc", "1W"), ("1M", "1Mutc", "1M"), ("3M", "3Mutc", "3M"),
    ],
)  # fmt: skip
def test_long_candles_begin_at_utc(timeframe: str, utc: str, hong_kong: str) -> None:
    """5.4, difference: ccxt.pro subscribes those that begin at UTC+8."""
    assert topic(Kind.OHLCV, timeframe=timeframe) == f"candle{utc}:BTC-USDT"
    chosen = topic(Kind.OHLCV, timeframe=timeframe, channel={"timezone": "HK"})
    assert chosen == f"candle{hong_kong}:BTC-USDT"


def test_there_is_no_candle_of_eight_hours() -> None:
    """5.4."""
    assert "8h" not in VENUE.timeframes


@pytest.mark.parametrize(
    ("kind", "market", "fields"),
    [
        (Kind.FUNDING_RATE, SPOT, {}),
        (Kind.FUNDING_RATE, FUTURE, {}),
        (Kind.OPEN_INTEREST, SPOT, {}),
        (Kind.TICKER, SWAP, {"channel": {"channel": "index-tickers"}}),
        (Kind.TICKER, None, {}),
        (Kind.BOOK, None, {}),
        (Kind.LIQUIDATIONS, None, {"market_type": "option"}),
    ],
)
def test_what_the_venue_lacks_leads_nowhere(
    kind: Kind, market: ws.Market | None, fields: dict[str, Any]
) -> None:
    """5.2, 5.5: no funding of dated futures, no channel of all tickers."""
    assert OKX.route(sub(kind, market, **fields)) == ()


def test_futures_that_never_expire_pay_funding() -> None:
    """5.5: "X-Perp" futures."""
    perpetual = ws.Market(
        "ETH/USD:USD-310404", "ETH-USD_UM_XPERP-310404", "future", info={"ruleType": "xperp"}
    )
    assert topic(Kind.FUNDING_RATE, perpetual) == "funding-rate:ETH-USD_UM_XPERP-310404"


@pytest.mark.parametrize(
    ("market_type", "channel"),
    [
        ("swap", "liquidation-orders:SWAP"),
        ("future", "liquidation-orders:FUTURES"),
    ],
)
def test_liquidations_come_by_market_type(market_type: str, channel: str) -> None:
    """5.6: one subscription brings those of all markets of a type."""
    assert topic(Kind.LIQUIDATIONS, None, market_type=market_type) == channel


def test_the_demo_is_ccxts_sandbox() -> None:
    """1: demo trading has hosts of its own; live ones answer at port 443."""
    for name, endpoint in VENUE.endpoints.items():
        assert endpoint.live == f"wss://ws.okx.com:443/ws/v5/{name}"
        assert endpoint.testnet == endpoint.demo == f"wss://wspap.okx.com:443/ws/v5/{name}"


@pytest.mark.parametrize(
    ("twin", "id_", "live", "demo", "types"),
    [
        (MyOkx, "myokx", "wseea.okx.com", "wseeapap.okx.com", ("spot",)),
        (OkxUs, "okxus", "wsus.okx.com", "wsuspap.okx.com", ("spot", "swap")),
    ],
)
def test_twins_have_hosts_and_markets_of_their_own(
    twin: type[Okx], id_: str, live: str, demo: str, types: tuple[str, ...]
) -> None:
    """1: the account decides on the host."""
    venue = twin.venue
    assert (venue.id, venue.ccxt_id, venue.market_types) == (id_, id_, types)
    assert venue.endpoints["public"].live == f"wss://{live}:443/ws/v5/public"
    assert venue.endpoints["business"].demo == f"wss://{demo}:443/ws/v5/business"
    assert venue.rest_options == {"fetchMarkets": {"types": list(types)}}
    assert (Kind.FUNDING_RATE in venue.kinds) is ("swap" in types)


# --- what is sent -----------------------------------------------------------------------------


def test_a_request_names_channel_and_market() -> None:
    """4: an `id` that errors repeat, one argument a topic; market types where there is no market."""
    asked = OKX.request("subscribe", ["trades:BTC-USDT", "liquidation-orders:SWAP"], CALL)
    assert msgspec.json.decode(asked) == {
        "id": "1512",
        "op": "subscribe",
        "args": [
            {"channel": "trades", "instId": "BTC-USDT"},
            {"channel": "liquidation-orders", "instType": "SWAP"},
        ],
    }
    ended = OKX.request("unsubscribe", ["trades:BTC-USDT"], CALL)
    assert msgspec.json.decode(ended)["op"] == "unsubscribe"


def test_the_heartbeat_is_text() -> None:
    """3: four bytes, no JSON, well before the venue's 30 seconds; the answer is no JSON either."""
    beat = VENUE.endpoints["public"].heartbeat
    assert OKX.ping(CALL) == b"ping"
    assert beat.by == "message"
    assert beat.every_s + beat.timeout_s <= 30
    assert decode(b"pong") == (ws.Pong(),)
    assert decode(b"ping") == (ws.Beat(b"pong"),)


def test_missed_trades_are_asked_for() -> None:
    """5.1: the newest 500 matches."""
    history = route(Kind.TRADES).history
    assert history is not None
    assert history.recent.method == "publicGetMarketTrades"
    assert history.recent.params == {"instId": "BTC-USDT", "limit": 500}
    assert history.page == 500


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msg", "culprit"),
    [
        ("channel:ticker,instId:BTC-USDT doesn't exist", "ticker:BTC-USDT"),
        (
            "Wrong URL or channel:books,instId:NO-NE doesn't exist. Please use the correct URL",
            "books:NO-NE",
        ),
        ("channel:liquidation-orders,instType:NONE doesn't exist", "liquidation-orders:NONE"),
    ],
)
def test_an_error_that_names_a_topic_is_about_that_alone(msg: str, culprit: str) -> None:
    """4: the other arguments of the request are served, hence no `about`."""
    assert error("60018", msg, id="7") == ws.Refused(f"{msg} (code 60018)", topics=(culprit,))


@pytest.mark.parametrize("code", ["60011", "60012", "60018", "64003", "64004"])
def test_other_errors_are_about_the_request(code: str) -> None:
    """4, 9: its id is repeated if it had one."""
    assert error(code, "no", id="7") == ws.Refused(f"no (code {code})", "7")
    assert error(code, "no") == ws.Refused(f"no (code {code})")


@pytest.mark.parametrize("code", ["60014", "63999", "64007"])
def test_troubles_of_the_venue_are_asked_again(code: str) -> None:
    """9: too many requests, and internal errors, are no fault of any topic."""
    found = error(code, "later", id="7")
    assert isinstance(found, ws.Refused)
    assert (found.about, found.topics, found.retry) == ("7", (), True)
    assert found.retry_after_s is not None


def test_an_upgrade_is_announced() -> None:
    """9: 60 s ahead; other notices mean nothing here."""
    notice = {"event": "notice", "code": "64008", "msg": "soon", "connId": "a4d3ae55"}
    assert decode(msgspec.json.encode(notice)) == (ws.Closing("soon (code 64008)"),)
    assert decode(msgspec.json.encode({**notice, "code": "1"})) == ()


@pytest.mark.parametrize(
    "frame",
    [
        b'{"event":"orders"}',
        b'{"data":[]}',
        b'{"arg":{"channel":"orders","instType":"SPOT"},"data":[{}]}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"data":[]}',
        b"pang",
    ],
)
def test_what_is_not_understood_is_an_error(frame: bytes) -> None:
    """Whatever it is, it goes into quarantine instead of being taken for nothing."""
    with pytest.raises((ValueError, KeyError, msgspec.DecodeError)):
        decode(frame)


# --- data -------------------------------------------------------------------------------------


def test_a_trade_keeps_the_venues_object() -> None:
    """5.1: as ccxt has it in `info`."""
    (row,) = batch(data("trades", TRADE)).events
    assert isinstance(row, ws.Trade)
    assert row.info == TRADE


def test_a_row_that_cannot_be_read_is_set_aside_alone() -> None:
    """A side that is none, a price that is no number."""
    found = batch(data("trades", {**TRADE, "side": "both"}, TRADE, {**TRADE, "px": "much"}))
    assert len(found.events) == 1
    assert len(found.bad) == 2


def test_markets_that_are_not_served_are_skipped() -> None:
    """Options, for one: their rows count, whatever the channel."""
    option = "BTC-USD-210924-42000-P"
    for frame in (
        data("trades", TRADE, TRADE, market=option),
        data("books", BOOK, market=option, action="snapshot"),
        data("tickers", TICKER, market=option),
    ):
        found = batch(frame)
        assert (len(found.events), len(found.bad)) == (0, 0)
        assert found.skipped >= 1


@pytest.mark.parametrize(
    ("market", "base", "quote"), [("BTC-USDT", 10.0, 30.0), ("BTC-USDT-SWAP", 30.0, None)]
)
def test_the_volume_of_a_contract_is_in_base_currency(
    market: str, base: float, quote: float | None
) -> None:
    """5.2, difference: ccxt gives the contracts of `vol24h`; spot has its quote volume too."""
    row = batch(data("tickers", TICKER, market=market)).events[0]
    assert isinstance(row, ws.Ticker)
    assert (row.base_volume, row.quote_volume) == (base, quote)


def test_a_ticker_is_a_best_bid_and_ask_too() -> None:
    """5.3: each stream takes the events of its own type."""
    ticker, quote = batch(data("tickers", {**TICKER, "bidPx": "2", "bidSz": "5"})).events
    assert isinstance(ticker, ws.Ticker)
    assert isinstance(quote, ws.BidAsk)
    assert (ticker.bid, quote.bid, quote.bid_volume, quote.ask) == (2.0, 2.0, 5.0, None)


def test_the_best_level_is_a_book_too() -> None:
    """5.3: without a number as best bid and ask, for the venue's may fall."""
    quote, whole = batch(data("bbo-tbt", BOOK)).events
    assert isinstance(quote, ws.BidAsk)
    assert isinstance(whole, ws.BookUpdate)
    assert (quote.bid, quote.ask, quote.number) == (3.4, 3.5, None)
    assert (whole.kind, whole.bids, whole.asks) == ("whole", [(3.4, 2.0)], [(3.5, 1.0)])


@pytest.mark.parametrize(
    ("span_ms", "interval"),
    [(3_600_000, "1h"), (28_800_000, "8h"), (21_600_000, "6h"), (90_000, "90000")],
)
def test_the_interval_of_funding_is_in_hours(span_ms: int, interval: str) -> None:
    """5.5: it changes. Difference: what ccxt's table lacks, such as 6 h, is in hours too."""
    following = str(int(FUNDING["fundingTime"]) + span_ms)
    frame = data("funding-rate", {**FUNDING, "nextFundingTime": following}, market="BTC-USDT-SWAP")
    (row,) = batch(frame).events
    assert isinstance(row, ws.FundingRate)
    assert (row.interval, row.next_funding_timestamp_ms) == (interval, int(following))


def test_a_funding_rate_has_a_time() -> None:
    """5.5, difference: ccxt leaves it out, and takes an interest of 0 for granted."""
    frame = data("funding-rate", {**FUNDING, "interestRate": "0.0003", "nextFundingTime": ""})
    (row,) = batch(frame).events
    assert isinstance(row, ws.FundingRate)
    assert (row.timestamp_ms, row.interest_rate) == (1700724675402, 0.0003)
    assert (row.interval, row.next_funding_timestamp_ms, row.next_funding_rate) == (None,) * 3


def test_every_order_of_a_liquidation_counts() -> None:
    """5.6, difference: ccxt takes the first of each market."""
    order = {"bkPx": "5", "posSide": "long", "side": "sell", "sz": "2", "ts": "7"}
    row = {"instId": "BTC-USDT-SWAP", "details": [order, {**order, "side": "none"}, order]}
    frame = {
        "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
        "data": [row, {**row, "instId": "NO-NE-SWAP"}],
    }
    found = batch(msgspec.json.encode(frame))
    assert found.topic == "liquidation-orders:SWAP"
    assert (len(found.events), len(found.bad), found.skipped) == (2, 1, 3)
    event = found.events[0]
    assert isinstance(event, ws.Liquidation)
    assert (event.symbol, event.side, event.contracts, event.price) == (
        "BTC/USDT:USDT", "sell", 2.0, 5.0,
    )  # fmt: skip
    assert event.info == row


def test_an_open_candle_says_so() -> None:
    """5.4: the last column; it was not there in 2021, and then nobody knows."""
    row = ["60000", "1", "2", "0.5", "1.5", "628", "2.5", "62800", "0"]
    for cut, closed in ((row, False), ([*row[:8], "1"], True), (row[:7], None)):
        (candle,) = batch(data("candle1m", cut)).events
        assert isinstance(candle, ws.Candle)
        assert candle.closed is closed


# --- books ------------------------------------------------------------------------------------


def test_the_chain_of_a_book() -> None:
    """6.3: a first state, an update, no change, a fall after maintenance."""
    first = book(data("books", BOOK, action="snapshot"))
    assert (first.kind, first.prev_id, first.last_id) == ("snapshot", None, 10)
    for before, after in ((10, 15), (15, 15), (15, 3)):
        update = book(data("books", {**BOOK, "prevSeqId": before, "seqId": after}, action="update"))
        assert (update.kind, update.prev_id, update.last_id) == ("delta", before, after)


def test_a_checksum_of_zero_is_none() -> None:
    """1, 6.6: the field is there and dead; where it lives, the levels come as texts."""
    dead = book(data("books", BOOK, action="update"))
    assert (dead.checksum, dead.texts) == (None, None)
    alive = book(data("books", {**BOOK, "checksum": -5}, action="update"))
    assert alive.checksum == -5
    assert alive.texts == ([("3.4", "2")], [("3.5", "1")])


def test_the_books_of_a_frame_keep_their_texts() -> None:
    """6.6: each update has its own."""
    other = {**BOOK, "bids": [["9.90", "1.0", "0", "1"]], "checksum": 7}
    first, second = batch(data("books", {**BOOK, "checksum": 5}, other, action="update")).events
    assert isinstance(first, ws.BookUpdate)
    assert isinstance(second, ws.BookUpdate)
    assert first.texts == ([("3.4", "2")], [("3.5", "1")])
    assert second.texts == ([("9.90", "1.0")], [("3.5", "1")])


def test_a_broken_update_is_no_update() -> None:
    """A level that cannot be read costs the book its step: the frame must fail as a whole."""
    with pytest.raises(msgspec.ValidationError):
        decode(data("books", {**BOOK, "bids": [["x", "1", "0", "1"]]}, action="update"))


def test_the_checksum() -> None:
    """6.6: the sheet's vector; the shorter side runs out, 25 levels count, the texts as sent."""
    bids, asks = [("3366.1", "7")], [("3366.8", "9"), ("3368", "8")]
    assert OKX.checksum(bids, asks) == -1471518219
    many = [(str(price), "1.0") for price in range(40)]
    assert OKX.checksum(many, many) == OKX.checksum(many[:25], many[:25])
    assert OKX.checksum(many[:25], many) != OKX.checksum(many[:24], many)
    assert OKX.checksum([("1.0", "7")], []) != OKX.checksum([("1", "7")], [])
    assert OKX.checksum([], []) == 0


def test_a_trade_by_rest_is_the_streams() -> None:
    """5.1: single matches with the ids of the stream, newest first there, oldest first here."""
    rows = [{**TRADE, "tradeId": str(n), "info": n} for n in (13, 12, 11)]
    found = OKX.history({"code": "0", "data": rows}, route(Kind.TRADES), SPOT)
    assert [row.id for row in found if isinstance(row, ws.Trade)] == ["11", "12", "13"]
    assert isinstance(found[0], ws.Trade)
    assert (found[0].symbol, found[0].info) == ("BTC/USDT", rows[2])
