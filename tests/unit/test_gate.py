"""Gate, frame by frame, as the sheet has them (section numbers beside each)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from unified_ws import adapter as ws
from unified_ws.core.quarantine import decode
from unified_ws.errors import DecodeError
from unified_ws.facts import Kind
from unified_ws.registry import resolve
from unified_ws.venues.gate import VENUE, VENUE_EU, Gate, GateEU

GATE = Gate()
SPOT = ws.Market("BTC/USDT", "BTC_USDT", base="BTC", quote="USDT")
SWAP = ws.Market(
    "BTC/USDT:USDT", "BTC_USDT", "swap", "BTC", "USDT", "USDT", linear=True, inverse=False,
    contract_size=0.0001,
)  # fmt: skip
INVERSE = ws.Market(
    "BTC/USD:BTC", "BTC_USD", "swap", "BTC", "USD", "BTC", linear=False, inverse=True,
    contract_size=1.0,
)  # fmt: skip
USD1 = ws.Market("BTC/USD1:USD1", "BTC_USD1", "swap", "BTC", "USD1", "USD1", linear=True)
DATED = ws.Market(
    "BTC/USDT:USDT-261225", "BTC_USDT_20261225", "future", "BTC", "USDT", "USDT", linear=True
)
_SYMBOLS = {m.id: m.symbol for m in (SPOT, INVERSE, USD1, DATED)}
_CONTRACTS = {m.id: m.symbol for m in (SWAP, INVERSE, USD1, DATED)}


def markets(market_id: str) -> str | None:
    """Resolve the spot markets of this file."""
    return _SYMBOLS.get(market_id)


def contracts(market_id: str) -> str | None:
    """Resolve the contracts of this file."""
    return _CONTRACTS.get(market_id)


def frame(channel: str, result: Any, event: str = "update", **more: Any) -> bytes:
    """Wrap a payload as the venue does."""
    head = {"time": 1786540617, "time_ms": 1786540617598, "channel": channel, "event": event}
    return msgspec.json.encode({**head, **more, "result": result})


def read(channel: str, result: Any, event: str = "update") -> Any:
    """Decode one update."""
    known = markets if channel.startswith("spot") else contracts
    (batch,) = decode(GATE, frame(channel, result, event), "usdt", known)
    assert isinstance(batch, ws.Batch)
    return batch


def sub(kind: Kind, market: ws.Market = SPOT, *, depth: int = 0, timeframe: str = "", **channel: str) -> ws.Sub:  # fmt: skip
    """Build a subscription as the core does: all switches are there."""
    switches = {name: switch.default for name, switch in VENUE.switches.get(kind, {}).items()}
    return ws.Sub(kind, market, market.type, timeframe, depth, {**switches, **channel})


SPOT_TRADE = {
    "id": 309143071, "id_market": 8871, "create_time": 1606292218,
    "create_time_ms": "1606292218213.4578", "side": "sell", "currency_pair": "BTC_USDT",
    "amount": "16.47", "price": "0.4705", "range": "2390902-2390902",
}  # 5.1  # fmt: skip
TRADE = {
    "size": "-108", "id": 27753479, "create_time": 1545136464, "create_time_ms": 1545136464123,
    "price": "96.4", "contract": "BTC_USDT", "is_internal": True,
}  # 6.2  # fmt: skip
CHANGE = {
    "t": 1615366381417, "full": False, "s": "BTC_USDT", "U": 101, "u": 113,
    "b": [{"p": "54672.1", "s": "0"}, {"p": "54664.5", "s": "58794"}],
    "a": [{"p": "54743.6", "s": "0"}], "l": "100",
}  # 6.5  # fmt: skip
CANDLE = {
    "t": "1606292580", "v": "2362.32035", "c": "19128.1", "h": "19129", "l": "19127",
    "o": "19128", "n": "1m_BTC_USDT", "a": "0.1283", "w": True,
}  # 5.4  # fmt: skip
TICKER = {
    "contract": "BTC_USDT", "last": "63964.7", "change_percentage": "-0.5151",
    "total_size": "658216984", "volume_24h_base": "39369.0687", "volume_24h_quote": "2518230674",
    "mark_price": "63964.8", "funding_rate": "0.000052", "funding_rate_indicative": "0.000052",
    "funding_interval": 28800, "funding_next_apply": 1786550400, "index_price": "63989.2",
    "quanto_base_rate": "", "low_24h": "63209.0", "high_24h": "64443.9", "t": 1786540617093,
}  # 6.1 and corrections  # fmt: skip


# --- frames -> events ---------------------------------------------------------------------


def test_info_is_the_venues_own_object() -> None:
    """As in ccxt, which puts the row there and not the frame."""
    (row,) = read("spot.trades", SPOT_TRADE).events
    assert isinstance(row, ws.Trade)
    assert row.info == SPOT_TRADE
    (row,) = read("futures.trades", [TRADE]).events
    assert isinstance(row, ws.Trade)
    assert row.info == TRADE


def test_the_fraction_of_a_spot_time_is_cut_as_in_ccxt() -> None:
    """5.1: the first thirteen digits are the milliseconds, whatever follows them."""
    for text in ("1606292218213", "1606292218213.4578", "1606292218213.999999", "1606292218213.0"):
        (row,) = read("spot.trades", {**SPOT_TRADE, "create_time_ms": text}).events
        assert isinstance(row, ws.Trade)
        assert row.timestamp_ms == 1606292218213


def test_spot_trades_are_counted_by_market() -> None:
    """5.1: `id` may count over the site, `id_market` counts this market; before 2025 only `id`."""
    (row,) = read("spot.trades", SPOT_TRADE).events
    assert isinstance(row, ws.Trade)
    assert (row.id, row.number) == ("309143071", 8871)
    old = {key: value for key, value in SPOT_TRADE.items() if key != "id_market"}
    (row,) = read("spot.trades", old).events
    assert isinstance(row, ws.Trade)
    assert (row.id, row.number) == ("309143071", 309143071)


@pytest.mark.parametrize(
    ("size", "amount", "side"),
    [("-108", 108.0, "sell"), (-108, 108.0, "sell"), ("108.5", 108.5, "buy"), (4681, 4681.0, "buy"),
     (0.5, 0.5, "buy"), ("-0.1", 0.1, "sell")],
)  # fmt: skip
def test_a_contracts_size_in_any_form(size: Any, amount: float, side: str) -> None:
    """1, 6.2: integers, decimals and texts; the sign is the taker's side."""
    (row,) = read("futures.trades", [{**TRADE, "size": size}]).events
    assert isinstance(row, ws.Trade)
    assert (row.amount, row.side) == (amount, side)


def test_spot_candles_carry_the_base_volume_and_not_ccxts() -> None:
    """5.4: `v` is in quote currency; ccxt takes it (difference)."""
    (row,) = read("spot.candlesticks", CANDLE).events
    assert isinstance(row, ws.Candle)
    assert (row.volume, row.closed, row.open_ms) == (0.1283, True, 1606292580000)
    assert (row.open, row.high, row.low, row.close) == (19128.0, 19129.0, 19127.0, 19128.1)


def test_a_spot_candle_without_base_volume_is_set_aside_alone() -> None:
    """5.4: frames of 2021 had no `a`: a quote volume must not pass for one in base currency."""
    old = {key: value for key, value in CANDLE.items() if key != "a"}
    batch = read("spot.candlesticks", old)
    assert not batch.events
    assert "without a volume" in batch.bad[0].reason


@pytest.mark.parametrize("w", [True, False, None])
def test_candles_of_contracts_are_in_contracts(w: Any) -> None:
    """6.6: `v` counts contracts, as ccxt has it; frames of 2023 did not say whether closed."""
    candle = {**CANDLE, "t": 1606292580, "v": 27, "w": w}
    if w is None:
        del candle["w"]
    (row,) = read("futures.candlesticks", [candle]).events
    assert isinstance(row, ws.Candle)
    assert (row.volume, row.closed, row.timeframe) == (27.0, w, "1m")


def test_one_frame_of_tickers_is_four_kinds_of_data() -> None:
    """6.1, 6.8: there are no other channels for them; this frame leaves nothing out."""
    batch = read("futures.tickers", [TICKER])
    ticker, mark, funding, held = batch.events
    assert isinstance(ticker, ws.Ticker)
    assert isinstance(mark, ws.MarkPrice)
    assert isinstance(funding, ws.FundingRate)
    assert isinstance(held, ws.OpenInterest)
    assert not any(row.partial for row in (ticker, mark, funding, held))
    assert (ticker.last, ticker.bid, ticker.mark_price) == (63964.7, None, 63964.8)
    assert (mark.mark_price, mark.index_price) == (63964.8, 63989.2)
    assert (funding.funding_rate, funding.interval) == (0.000052, "8h")
    assert funding.funding_timestamp_ms == 1786550400000
    assert funding.next_funding_rate is None  # the indicative one is the current one (difference)
    assert held.open_interest_amount == 658216984.0
    assert {row.timestamp_ms for row in (ticker, mark, funding, held)} == {1786540617093}


def test_only_what_a_frame_says_becomes_events() -> None:
    """6.1: None means unchanged, not gone."""
    (only,) = read("futures.tickers", [{"contract": "BTC_USDT", "last": "1"}]).events
    assert isinstance(only, ws.Ticker)
    assert (only.last, only.mark_price, only.timestamp_ms) == (1.0, None, 1786540617598)
    ticker, mark = read("futures.tickers", [{"contract": "BTC_USDT", "index_price": "2"}]).events
    assert isinstance(mark, ws.MarkPrice)
    assert (mark.mark_price, mark.index_price, mark.partial) == (None, 2.0, True)
    assert isinstance(ticker, ws.Ticker)
    assert (ticker.last, ticker.partial) == (None, True)
    for gone in ("last", "high_24h", "volume_24h_base", "index_price"):
        less = {key: value for key, value in TICKER.items() if key != gone}
        events = read("futures.tickers", [less]).events
        told = {type(row).__name__: row.partial for row in events if not isinstance(row, ws.BookUpdate)}
        assert told == {
            "Ticker": True, "MarkPrice": gone == "index_price",
            "FundingRate": gone == "index_price", "OpenInterest": False,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "interval"),
    [(3600, "1h"), (14400, "4h"), (28800, "8h"), (57600, "16h"), (86400, "24h"), (1800, "30m")],
)
def test_funding_intervals_read_as_in_ccxt(seconds: int, interval: str) -> None:
    """6.1: seconds."""
    events = read("futures.tickers", [{**TICKER, "funding_interval": seconds}]).events
    assert [e.interval for e in events if isinstance(e, ws.FundingRate)] == [interval]


@pytest.mark.parametrize("text", ["nan", "NaN"])
def test_a_volume_that_is_no_number_is_none_traded(text: str) -> None:
    """As in ccxt."""
    row = read("futures.tickers", [{**TICKER, "volume_24h_base": text}]).events[0]
    assert isinstance(row, ws.Ticker)
    assert row.base_volume == 0.0


def test_spot_tickers_have_the_time_of_their_envelope() -> None:
    """5.2: ccxt leaves None (difference); before 2022 there were only seconds."""
    body = {"currency_pair": "BTC_USDT", "last": "1", "highest_bid": "", "base_volume": "nan"}
    (row,) = read("spot.tickers", body).events
    assert isinstance(row, ws.Ticker)
    assert (row.timestamp_ms, row.bid, row.base_volume) == (1786540617598, None, 0.0)
    assert not row.partial
    old = {"time": 1619093535, "channel": "spot.tickers", "event": "update", "result": body}
    ((row,),) = (b.events for b in GATE.decode(msgspec.json.encode(old), "spot", markets))
    assert row.timestamp_ms == 1619093535000


def test_a_quote_of_nothing_is_none() -> None:
    """6.3: t of 0; a side without a price."""
    quote = {"t": 1, "u": 5, "s": "BTC_USDT", "b": "", "B": 0, "a": "2", "A": "3"}
    (row,) = read("futures.book_ticker", quote).events
    assert isinstance(row, ws.BidAsk)
    assert (row.bid, row.bid_volume, row.ask, row.ask_volume, row.number) == (None, None, 2.0, 3.0, 5)
    assert read("futures.book_ticker", {**quote, "t": 0}).events == ()
    assert read("futures.order_book", {
        "t": 0, "contract": "BTC_USDT", "id": 1, "bids": [], "asks": [], "l": "20",
    }, "all").events == ()  # fmt: skip


@pytest.mark.parametrize("size", ["7", 7, 7.0])
def test_levels_of_contracts_in_any_form(size: Any) -> None:
    """6.5: objects or pairs, whole numbers or texts."""
    for channel, level in (
        ("futures.order_book_update", {"p": "1.5", "s": size}), ("futures.obu", ["1.5", size]),
    ):  # fmt: skip
        name = "ob.BTC_USDT.50" if channel == "futures.obu" else "BTC_USDT"
        body = {"t": 1, "s": name, "U": 101, "u": 101, "b": [level]}
        (row,) = read(channel, body).events
        assert isinstance(row, ws.BookUpdate)
        assert (row.kind, row.bids, row.asks) == ("delta", [(1.5, 7.0)], [])
        assert (row.prev_id, row.last_id) == (100, 101)


@pytest.mark.parametrize(
    ("channel", "name"),
    [("spot.obu", "ob.BTC_USDT.50"), ("futures.obu", "ob.BTC_USDT.400"),
     ("spot.order_book_update", "BTC_USDT"), ("futures.order_book_update", "BTC_USDT")],
)  # fmt: skip
def test_full_replaces_at_any_time(channel: str, name: str) -> None:
    """7.1, 7.2: the venue may begin anew; the first of an obu has no `U`."""
    body = {"t": 1, "full": True, "s": name, "u": 9, "b": [], "a": []}
    for more in ({}, {"U": 4}):
        (row,) = read(channel, {**body, **more}).events
        assert isinstance(row, ws.BookUpdate)
        assert (row.kind, row.last_id, row.prev_id) == ("snapshot", 9, None)


def test_an_update_without_its_beginning_is_no_update() -> None:
    """7.1: a chain that cannot be checked is not followed."""
    for name in ("ob.BTC_USDT.50", "BTC_USDT.50", "ob.BTC_USDT", "futures.BTC_USDT.20"):
        body: dict[str, Any] = {"t": 1, "s": name, "u": 9, "b": [], "a": [], "U": 4}
        if name == "ob.BTC_USDT.50":
            del body["U"]
        with pytest.raises(DecodeError, match=r"begins|no stream"):
            read("futures.obu", body)


def test_a_whole_book_of_2023_did_not_name_its_level() -> None:
    """6.4: then it is the next one that holds its rows."""
    rows = [{"p": str(price), "s": 1} for price in range(1, 18)]
    batch = read("futures.order_book", {
        "t": 1, "contract": "BTC_USDT", "id": 1, "bids": rows, "asks": rows[:3],
    }, "all")  # fmt: skip
    assert batch.topic == "futures.order_book:BTC_USDT:20:0"


def test_rows_of_several_markets_come_under_their_own_topics() -> None:
    """6: an array; what cannot be read is set aside alone, what is not served is counted."""
    other = {**TRADE, "contract": "BTC_USD"}
    batches = GATE.decode(
        frame("futures.trades", [
            TRADE, other, {**TRADE, "contract": "NEW_USDT"}, {**TRADE, "price": ""}, other,
        ]), "usdt", contracts,
    )  # fmt: skip
    found = {b.topic: (len(b.events), b.skipped, len(b.bad)) for b in batches}
    assert found == {
        "futures.trades:BTC_USDT": (1, 0, 1), "futures.trades:BTC_USD": (2, 0, 0),
        "futures.trades:NEW_USDT": (0, 1, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "body"),
    [("spot.trades", SPOT_TRADE), ("futures.order_book_update", CHANGE),
     ("spot.candlesticks", CANDLE), ("futures.tickers", [TICKER])],
)  # fmt: skip
def test_an_unknown_market_is_skipped_and_counted(channel: str, body: Any) -> None:
    """A listing of this minute is not in the markets yet, and is no error."""
    text = frame(channel, body).replace(b"BTC_USDT", b"NEW_USDT")
    (batch,) = GATE.decode(text, "usdt", contracts)
    assert isinstance(batch, ws.Batch)
    assert (list(batch.events), batch.skipped) == ([], 1)
    assert read(channel, body).skipped == 0


@pytest.mark.parametrize(
    "wire",
    [b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"{}", b'{"channel":"spot.trades"}',
     b'{"channel":"spot.trades","event":"update"}',
     b'{"channel":"spot.trades","event":"update","result":null}',
     b'{"channel":"spot.trades","event":"update","result":[5]}',
     b'{"channel":"futures.order_book","event":"update","result":[{"p":"1","s":2}]}',
     b'{"channel":"spot.obu","event":"update","result":{"t":1,"s":"ob.BTC_USDT.50","u":1}}',
     b'{"channel":"futures.orders","event":"update","result":[]}',
     b'{"channel":"spot.book_ticker","event":"update","result":{"t":1,"u":1,"s":"BTC_USDT"}}',
     b'{"header":{"status":"400"},"data":{"errs":{"label":"NOT_LOGIN"}},"request_id":"1"}'],
)  # fmt: skip
def test_anything_else_is_a_decode_error_with_its_frame(wire: bytes) -> None:
    """Nothing that a venue sends may raise anything else."""
    with pytest.raises(DecodeError) as caught:
        decode(GATE, wire, "spot", markets)
    assert (caught.value.frame, caught.value.venue) == (wire, "gate")


# --- answers ------------------------------------------------------------------------------


def answer(error: Any = None, **more: Any) -> Any:
    """Decode the answer to a request."""
    body = {
        "time": 1, "id": 7, "channel": "futures.trades", "event": "subscribe",
        "result": {"status": "fail" if error else "success"}, **more,
    }  # fmt: skip
    if error:
        body["error"] = error
    (item,) = GATE.decode(msgspec.json.encode(body), "usdt", contracts)
    return item


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe"])
def test_an_ack_names_its_request(event: str) -> None:
    """4: the id if it was sent; frames of 2021 had neither id nor payload, `error` may be null."""
    assert answer(event=event) == ws.Ack("7")
    assert answer(event=event, id="7", error=None) == ws.Ack("7")
    assert answer(event=event, id=None) == ws.Ack("")


def refusal(message: str, *payload: Any, code: int = 2, **more: Any) -> ws.Refused:
    """Decode a refusal."""
    item = answer({"code": code, "message": message}, payload=list(payload), **more)
    assert isinstance(item, ws.Refused)
    return item


@pytest.mark.parametrize(
    ("message", "culprits"),
    [
        ("unknown contract B_USDT", ("futures.trades:B_USDT",)),
        ("unknown currency pair: B_USDT", ("futures.trades:B_USDT",)),
        ("unknown contract B_USDT, C_USDT_20220318", (
            "futures.trades:B_USDT", "futures.trades:C_USDT_20220318",
        )),
        ("unknown contract AB_USDT", ()),
        ("invalid argument", ()),
    ],
)  # fmt: skip
def test_the_culprits_are_named_by_the_text_alone(message: str, culprits: tuple[str, ...]) -> None:
    """4: one unknown symbol fails the whole request; the others are asked for again."""
    refused = refusal(message, "A_USDT", "B_USDT", "C_USDT_20220318")
    assert (refused.about, refused.topics, refused.retry) == ("7", culprits, False)
    assert refused.error == f"{message} (code 2)"


def test_a_channel_of_one_symbol_needs_no_culprits() -> None:
    """2: candles and books have a request of their own, its id says all."""
    for channel, payload in (
        ("futures.candlesticks", ("1m", "B_USDT")), ("futures.obu", ("ob.B_USDT.50",)),
        ("futures.order_book_update", ("B_USDT", "20ms", "100")),
    ):  # fmt: skip
        refused = refusal("unknown contract B_USDT", *payload, channel=channel)
        assert (refused.about, refused.topics) == ("7", ())


def test_code_3_is_their_own_fault() -> None:
    """4: server side error: ask again. The others stay refused."""
    assert refusal("server error", code=3).retry
    for code in (1, 2, 4, 6, 11):
        assert not refusal("x", code=code).retry


def test_a_refusal_may_name_nothing() -> None:
    """4: code 1 answers what was no JSON; authentication has a text with a line break."""
    wire = b'{"time":1,"channel":"","event":"","error":{"code":1,"message":"request message need json scheme"},"result":null}'
    assert GATE.decode(wire, "usdt", contracts) == (
        ws.Refused("request message need json scheme (code 1)", ""),
    )
    assert refusal('{"label":"INVALID_KEY"}\n', code=4).error == '{"label":"INVALID_KEY"} (code 4)'


def test_what_we_have_already_is_no_failure() -> None:
    """4: a duplicate obu is refused with an alert, the others succeed."""
    error = {"code": 2, "message": "Alert sub ob.BTC_USDT.50"}
    assert answer(error, channel="futures.obu", payload=["ob.BTC_USDT.50"]) == ws.Ack("7")


@pytest.mark.parametrize("channel", ["spot.pong", "futures.pong"])
def test_pongs(channel: str) -> None:
    """3: the docs' sample has a null error beside it."""
    for more in ({}, {"error": None}, {"requestId": "x", "conn_id": "y"}):
        assert GATE.decode(frame(channel, None, "", **more), "spot", markets) == (ws.Pong(),)


def test_an_upgrade_is_announced() -> None:
    """10: open a replacement; other notices mean nothing to us."""
    (closing,) = GATE.decode(
        frame("futures.system", {"type": "upgrade", "msg": "Please reconnect."}), "usdt", contracts
    )
    assert closing == ws.Closing("Please reconnect.")
    assert GATE.decode(frame("spot.system", {"type": "news"}), "spot", markets) == ()


# --- subscriptions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "endpoint", "topic"),
    [
        (sub(Kind.TRADES), "spot", "spot.trades:BTC_USDT"),
        (sub(Kind.TRADES, SWAP), "usdt", "futures.trades:BTC_USDT"),
        (sub(Kind.TRADES, INVERSE), "btc", "futures.trades:BTC_USD"),
        (sub(Kind.TRADES, USD1), "usd1", "futures.trades:BTC_USD1"),
        (sub(Kind.TRADES, DATED), "delivery_usdt", "futures.trades:BTC_USDT_20261225"),
        (sub(Kind.TICKER), "spot", "spot.tickers:BTC_USDT"),
        (sub(Kind.TICKER, SWAP), "usdt", "futures.tickers:BTC_USDT"),
        (sub(Kind.MARK_PRICE, SWAP), "usdt", "futures.tickers:BTC_USDT"),
        (sub(Kind.FUNDING_RATE, INVERSE), "btc", "futures.tickers:BTC_USD"),
        (sub(Kind.OPEN_INTEREST, DATED), "delivery_usdt", "futures.tickers:BTC_USDT_20261225"),
        (sub(Kind.BIDS_ASKS), "spot", "spot.book_ticker:BTC_USDT"),
        (sub(Kind.BIDS_ASKS, SWAP), "usdt", "futures.book_ticker:BTC_USDT"),
        (sub(Kind.LIQUIDATIONS, SWAP), "usdt", "futures.public_liquidates:BTC_USDT"),
        (sub(Kind.OHLCV, timeframe="1m"), "spot", "spot.candlesticks:1m_BTC_USDT"),
        (sub(Kind.OHLCV, timeframe="1w"), "spot", "spot.candlesticks:7d_BTC_USDT"),
        (sub(Kind.OHLCV, SWAP, timeframe="8h"), "usdt", "futures.candlesticks:8h_BTC_USDT"),
    ],
)
def test_every_watch_has_its_stream(wanted: ws.Sub, endpoint: str, topic: str) -> None:
    """1, 5, 6: the settle currency chooses the socket."""
    (route,) = GATE.route(wanted)
    assert (route.endpoint, route.topic) == (endpoint, topic)
    assert (route.history is not None) is (wanted.kind is Kind.TRADES)
    assert route.contiguous_ids is (topic == "spot.trades:BTC_USDT")


@pytest.mark.parametrize(
    ("market", "depth", "chosen", "topic", "keeps", "rest"),
    [
        # 7.1: ccxt's own number of levels (50 spot, 100 contracts) where nobody names a limit.
        (SPOT, 0, {}, "spot.obu:ob.BTC_USDT.50", 50, None),
        (SPOT, 5, {}, "spot.obu:ob.BTC_USDT.50", 50, None),
        (SPOT, 50, {"interval": "50"}, "spot.obu:ob.BTC_USDT.50", 50, None),
        (SPOT, 51, {}, "spot.obu:ob.BTC_USDT.400", 400, None),
        (SPOT, 400, {}, "spot.obu:ob.BTC_USDT.400", 400, None),
        (SPOT, 5000, {}, "spot.obu:ob.BTC_USDT.400", 400, None),
        (SPOT, 5, {"interval": "400"}, "spot.obu:ob.BTC_USDT.400", 400, None),
        (SWAP, 0, {"name": "obu"}, "futures.obu:ob.BTC_USDT.400", 400, None),
        (SWAP, 0, {"interval": "50"}, "futures.obu:ob.BTC_USDT.50", 50, None),
        (SWAP, 20, {"name": "obu"}, "futures.obu:ob.BTC_USDT.50", 50, None),
        (INVERSE, 100, {"name": "obu"}, "futures.obu:ob.BTC_USD.400", 400, None),
        # 7.2: ccxt's channel of contracts, also by its own switch or by name.
        (SWAP, 0, {}, "futures.order_book_update:BTC_USDT:100ms:100", 100, 100),
        (INVERSE, 20, {}, "futures.order_book_update:BTC_USD:100ms:50", 50, 50),
        (SWAP, 0, {"interval": "100ms"}, "futures.order_book_update:BTC_USDT:100ms:100", 100, 100),
        (SWAP, 7, {"interval": "100ms"}, "futures.order_book_update:BTC_USDT:100ms:50", 50, 50),
        (SWAP, 51, {"interval": "100ms"}, "futures.order_book_update:BTC_USDT:100ms:100", 100, 100),
        (SWAP, 500, {"name": "order_book_update"},
         "futures.order_book_update:BTC_USDT:100ms:100", 100, 100),
        (SWAP, 20, {"interval": "20ms"}, "futures.order_book_update:BTC_USDT:20ms:20", 20, 20),
        (SPOT, 0, {"name": "order_book_update"},
         "spot.order_book_update:BTC_USDT:100ms", 100, 100),
        (SPOT, 0, {"interval": "20ms"}, "spot.order_book_update:BTC_USDT:20ms", 20, 20),
        (DATED, 0, {}, "futures.order_book_update:BTC_USDT_20261225:100ms:100", 100, 100),
        (DATED, 0, {"name": "obu"}, "futures.obu:ob.BTC_USDT_20261225.400", 400, None),
        # 5.5, 6.4: whole books, at the next larger level.
        (SPOT, 0, {"name": "order_book"}, "spot.order_book:BTC_USDT:50:100ms", None, None),
        (SPOT, 6, {"name": "order_book"}, "spot.order_book:BTC_USDT:10:100ms", None, None),
        (SWAP, 1, {"name": "order_book"}, "futures.order_book:BTC_USDT:1:0", None, None),
        (SWAP, 0, {"name": "order_book"}, "futures.order_book:BTC_USDT:100:0", None, None),
    ],
)  # fmt: skip
def test_a_book_has_three_forms(
    market: ws.Market, depth: int, chosen: dict[str, str], topic: str, keeps: int | None,
    rest: int | None,
) -> None:  # fmt: skip
    """5.5 to 5.7, 6.4, 6.5, 7: by ccxt's switches and by depth."""
    (route,) = GATE.route(sub(Kind.BOOK, market, depth=depth, **chosen))
    assert (route.topic, route.keeps) == (topic, keeps)
    assert not route.chained
    if rest is None:
        assert route.snapshot is None
        return
    assert route.snapshot is not None
    asked = route.snapshot.rest(depth)
    section = {"spot": "Spot", "swap": "Futures", "future": "Delivery"}[market.type]
    assert asked.method.startswith(f"public{section}Get")
    assert (asked.params["limit"], asked.params["with_id"]) == (rest, "true")


@pytest.mark.parametrize(
    "wanted",
    [sub(Kind.MARK_PRICE), sub(Kind.FUNDING_RATE), sub(Kind.OPEN_INTEREST), sub(Kind.LIQUIDATIONS),
     sub(Kind.FUNDING_RATE, DATED), sub(Kind.LIQUIDATIONS, DATED),
     sub(Kind.OHLCV, SWAP, timeframe="2h"), sub(Kind.OHLCV, SWAP, timeframe="30d"),
     ws.Sub(Kind.TICKER, None)],
)  # fmt: skip
def test_what_the_venue_lacks_leads_nowhere(wanted: ws.Sub) -> None:
    """5, 6: the core says so by name; ccxt would ask and be refused."""
    assert GATE.route(wanted) == ()


def test_every_value_of_every_switch_leads_somewhere() -> None:
    """A switch that is declared and then not understood would fail in the user's hands."""
    for venue, adapter in ((VENUE, GATE), (VENUE_EU, GateEU())):
        for kind, switches in venue.switches.items():
            usual = {name: switch.default for name, switch in switches.items()}
            for name, switch in switches.items():
                assert switch.default in switch.values
                for value in switch.values:
                    wanted = ws.Sub(kind, SPOT, channel={**usual, name: value})
                    (route,) = adapter.route(wanted)
                    assert route.topic.startswith("spot.")


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_a_request_is_what_the_sheet_shows(op: ws.Op) -> None:
    """4: byte for byte; the time in seconds, the id a number."""
    call = ws.Call("7", 1789456300999, "spot")
    assert GATE.request(op, ["spot.trades:BTC_USDT", "spot.trades:ETH_USDT"], call) == (
        b'{"time":1789456300,"id":7,"channel":"spot.trades","event":"' + op.encode()
        + b'","payload":["BTC_USDT","ETH_USDT"]}'
    )  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "channel", "payload"),
    [
        ("spot.candlesticks:1m_BTC_USDT", "spot.candlesticks", ["1m", "BTC_USDT"]),
        ("spot.obu:ob.BTC_USDT.400", "spot.obu", ["ob.BTC_USDT.400"]),
        ("spot.order_book_update:BTC_USDT:20ms", "spot.order_book_update", ["BTC_USDT", "20ms"]),
        ("spot.order_book:BTC_USDT:50:100ms", "spot.order_book", ["BTC_USDT", "50", "100ms"]),
        ("futures.order_book:BTC_USDT:50:0", "futures.order_book", ["BTC_USDT", "50", "0"]),
        ("futures.order_book_update:BTC_USDT:100ms:100", "futures.order_book_update",
         ["BTC_USDT", "100ms", "100"]),
        ("futures.public_liquidates:BTC_USDT", "futures.public_liquidates", ["BTC_USDT"]),
    ],
)  # fmt: skip
def test_payloads(topic: str, channel: str, payload: list[str]) -> None:
    """5, 6: what each channel wants to hear."""
    made = msgspec.json.decode(GATE.request("subscribe", [topic], ws.Call("1", 5000)))
    assert made == {"time": 5, "id": 1, "channel": channel, "event": "subscribe", "payload": payload}


def test_only_channels_of_several_symbols_share_a_request() -> None:
    """2: order_book, order_book_update, candlesticks take one; so do we with obu."""
    other = ws.Market("ETH/USDT", "ETH_USDT", base="ETH", quote="USDT")
    for kind in (Kind.TRADES, Kind.TICKER, Kind.BIDS_ASKS):
        (one,), (two,) = GATE.route(sub(kind)), GATE.route(sub(kind, other))
        assert one.group == two.group == one.topic.partition(":")[0]
    for name in ("obu", "order_book_update", "order_book"):
        one, two = (GATE.route(sub(Kind.BOOK, market, name=name))[0] for market in (SPOT, other))
        assert one.group != two.group
    one, two = (GATE.route(sub(Kind.OHLCV, market, timeframe="1m"))[0] for market in (SPOT, other))
    assert one.group != two.group


@pytest.mark.parametrize(
    ("at", "channel"), [("spot", b"spot.ping"), ("usdt", b"futures.ping"), ("btc", b"futures.ping")]
)
def test_a_ping_is_of_its_own_family(at: str, channel: bytes) -> None:
    """3: unauthenticated, the time in seconds."""
    ping = GATE.ping(ws.Call("1", 1789456354121, at))
    assert ping == b'{"time":1789456354,"channel":"' + channel + b'"}'


def test_contracts_ask_for_exact_sizes() -> None:
    """1: the header at connect; spot needs none."""
    url = "wss://x/"
    assert GATE.dial(url, ws.Call("1", 0, "usdt")) == ws.Dial(url, {"X-Gate-Size-Decimal": "1"})
    assert GATE.dial(url, ws.Call("1", 0, "delivery_btc")).headers == {"X-Gate-Size-Decimal": "1"}
    assert GATE.dial(url, ws.Call("1", 0, "spot")) == ws.Dial(url)


# --- REST ---------------------------------------------------------------------------------


def test_a_snapshot_by_rest_reaches_as_far_as_the_window() -> None:
    """7.2: it links by id; what the stream tells goes no further than the window."""
    body = {"id": 160, "asks": [["2", "3"]], "bids": [{"p": "1", "s": 4}]}
    made = GATE.snapshot(body, SWAP)
    assert (made.kind, made.last_id, made.prev_id, made.timestamp_ms) == ("rest", 160, None, None)
    now = GATE.snapshot({**body, "current": 1684930166.957, "update": 1684930165.895}, SWAP)
    assert now.timestamp_ms == 1684930166957
    assert GATE.snapshot({**body, "current": 1684930166957}, SPOT).timestamp_ms == 1684930166957
    assert (made.bids, made.asks) == ([(1.0, 4.0)], [(2.0, 3.0)])
    assert made.bounds == (0.0, float("inf"))


def test_missed_spot_trades_by_rest() -> None:
    """5.1: newest first, the ids are the stream's."""
    (route,) = GATE.route(sub(Kind.TRADES))
    assert route.history is not None
    assert (route.history.recent.method, route.history.page) == ("publicSpotGetTrades", 1000)
    assert route.history.recent.params == {"currency_pair": "BTC_USDT", "limit": 1000}
    row = {"id": "8872", "create_time": "1606292218", "create_time_ms": "1606292218213.457800",
           "currency_pair": "BTC_USDT", "side": "sell", "amount": "16.47", "price": "0.4705"}  # fmt: skip
    past = GATE.history([row, {**row, "id": "8871", "side": "buy"}], route, SPOT)
    assert [(t.id, t.number, t.side) for t in past if isinstance(t, ws.Trade)] == [
        ("8871", 8871, "buy"), ("8872", 8872, "sell"),
    ]  # fmt: skip
    (live,) = read("spot.trades", {**SPOT_TRADE, "id": 8872, "id_market": 8872}).events
    assert isinstance(live, ws.Trade) and isinstance(past[1], ws.Trade)  # noqa: PT018
    assert (live.timestamp_ms, live.price, live.amount) == (
        past[1].timestamp_ms, past[1].price, past[1].amount,
    )  # fmt: skip
    assert past[1].info == row


@pytest.mark.parametrize("at", ["1545136464.123", 1545136464.123, "1545136464123"])
def test_missed_trades_of_contracts_by_rest(at: Any) -> None:
    """6.2: REST has seconds with a fraction under the same name."""
    (route,) = GATE.route(sub(Kind.TRADES, INVERSE))
    assert route.history is not None
    assert route.history.recent.params == {"settle": "btc", "contract": "BTC_USD", "limit": 1000}
    row = {"id": "27753479", "create_time_ms": at, "contract": "BTC_USD", "size": "-105", "price": "96.4"}  # fmt: skip
    (past,) = GATE.history([row], route, INVERSE)
    assert isinstance(past, ws.Trade)
    assert (past.id, past.timestamp_ms, past.amount, past.side) == (
        "27753479", 1545136464123, 105.0, "sell",
    )  # fmt: skip


@pytest.mark.parametrize("body", [None, {"label": "INVALID_CURRENCY", "message": "x"}, [1], [{}]])
def test_nonsense_by_rest_raises(body: Any) -> None:
    """The core turns whatever is raised into a reason and asks again: it must not be data."""
    (route,) = GATE.route(sub(Kind.TRADES))
    with pytest.raises((TypeError, KeyError)):
        GATE.snapshot(body, SPOT)
    with pytest.raises((TypeError, KeyError)):
        GATE.history(body, route, SPOT)


# --- facts --------------------------------------------------------------------------------


def test_the_facts_of_the_sheet() -> None:
    """1, 2, 3, 10: addresses, the ping of the application, the pace of dialing."""
    assert {name: endpoint.live for name, endpoint in VENUE.endpoints.items()} == {
        "spot": "wss://api.gateio.ws/ws/v4/", "usdt": "wss://fx-ws.gateio.ws/v4/ws/usdt",
        "btc": "wss://fx-ws.gateio.ws/v4/ws/btc", "usd1": "wss://fx-ws.gateio.ws/v4/ws/usd1",
        "delivery_usdt": "wss://fx-ws.gateio.ws/v4/ws/delivery/usdt",
        "delivery_btc": "wss://fx-ws.gateio.ws/v4/ws/delivery/btc",
    }  # fmt: skip
    assert VENUE.endpoints["spot"].testnet == "wss://ws-testnet.gate.com/v4/ws/spot"
    assert VENUE.endpoints["usd1"].testnet is None
    for endpoint in VENUE.endpoints.values():
        beat, limits = endpoint.heartbeat, endpoint.limits
        assert (beat.by, beat.every_s, beat.timeout_s) == ("message", 15, 10)
        assert limits.topics_per_connection is None
        assert limits.topics_per_request == 50
        assert limits.dials == ws.Window(n=10, per_s=60)
        assert (endpoint.demo, limits.lifetime_s) == (None, None)


def test_gate_eu_is_spot_alone_by_the_older_channel() -> None:
    """1: another host; ccxt subscribes [pair, interval] there and asks for at most 100 levels."""
    assert VENUE_EU.endpoints["spot"].live == "wss://api.gateeu.com/ws/v4/"
    assert set(VENUE_EU.endpoints) == {"spot"}
    assert VENUE_EU.kinds == {Kind.TRADES, Kind.BOOK, Kind.TICKER, Kind.BIDS_ASKS, Kind.OHLCV}
    usual = {name: s.default for name, s in VENUE_EU.switches[Kind.BOOK].items()}
    (route,) = GateEU().route(ws.Sub(Kind.BOOK, SPOT, depth=1000, channel=usual))
    assert route.topic == "spot.order_book_update:BTC_USDT:100ms"
    assert route.snapshot is not None
    assert route.snapshot.rest(1000).params["limit"] == 100


def test_the_older_name_still_leads_here() -> None:
    """There is no class `gateio` in ccxt 4.5.90 any more, in programs there is."""
    assert resolve("gateio") is Gate
    assert resolve("gateeu") is GateEU
