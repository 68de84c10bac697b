"""The fake speaks the venue's protocol as the sheet describes it: sockets, streams, REST.

Section numbers are those of the protocol sheet for Binance.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.support import Client, dial, get
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.__main__ import main
from unified_ws.testing.market import Event, Trade, text
from unified_ws.testing.side import venue_side

pytest_plugins = ["unified_ws.testing.pytest_plugin"]

MakeVenue = Callable[..., Awaitable[FakeVenue]]
BTC, ETH = "BTC/USDT", "ETH/USDT"
NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC


def event(frames: list[Any], kind: str) -> list[Any]:
    """Return the events of a kind, without their wrappers."""
    inner = [frame.get("data", frame) for frame in frames if isinstance(frame, dict)]
    return [e for e in inner if isinstance(e, dict) and e.get("e") == kind]


async def subscribed(client: Client, *topics: str) -> None:
    """Subscribe and insist on the acknowledgement."""
    assert await client.ask("SUBSCRIBE", *topics) == {"result": None, "id": client.last_id}


def test_an_unknown_venue_is_refused_with_the_known_ones() -> None:
    """A typing error explains itself."""
    with pytest.raises(LookupError, match=r"No fake of 'binanse'. There are fakes of: .*binance"):
        venue_side("binanse")


def test_an_unknown_limit_is_refused() -> None:
    """A typing error in a fault does not pass silently."""
    with pytest.raises(TypeError, match="ping_evry_s"):
        FakeVenue("binance", ping_evry_s=1)


@pytest.mark.parametrize("path", ["/ws/btcusdt@trade", "/ws", "/ws/17"])
async def test_raw_sockets_carry_bare_events(fake_venue: MakeVenue, path: str) -> None:
    """Section 1.1: `/ws` is raw, with or without a stream (or ccxt's dummy number) in the path."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue, path) as client:
        if "@" not in path:
            await subscribed(client, "btcusdt@trade")
        await venue.step(5)
        frame = await client.read()

    assert list(frame) == ["e", "E", "s", "t", "p", "q", "T", "m", "M"]
    assert frame["s"] == "BTCUSDT"


@pytest.mark.parametrize("path", ["/stream?streams=btcusdt@trade/ethusdt@depth", "/stream"])
async def test_combined_sockets_wrap_events_but_not_answers(
    fake_venue: MakeVenue, path: str
) -> None:
    """Section 4: acknowledgements are not wrapped in combined mode."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue, path) as client:
        await subscribed(client, "btcusdt@trade", "ethusdt@depth")
        assert venue.topics == {"btcusdt@trade": 1, "ethusdt@depth": 1}
        await venue.step(10)
        frames = await client.read_until(lambda f: f["stream"] == "ethusdt@depth")

    assert {frame["stream"] for frame in frames} == {"btcusdt@trade", "ethusdt@depth"}
    assert frames[-1]["data"]["e"] == "depthUpdate"


async def test_requests_about_the_connection(fake_venue: MakeVenue) -> None:
    """Section 4: subscriptions can be listed, the mode read and changed."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON, messages_per_s=0)
    async with dial(venue) as client:
        await subscribed(client, "btcusdt@trade", "ethusdt@trade", "btcusdt@trade")
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == [
            "btcusdt@trade",
            "ethusdt@trade",
        ]
        assert (await client.ask("UNSUBSCRIBE", "ethusdt@trade"))["result"] is None
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@trade"]
        assert (await client.ask("GET_PROPERTY", "combined"))["result"] is False
        assert (await client.ask("SET_PROPERTY", "combined", True))["result"] is None
        assert (await client.ask("GET_PROPERTY", "combined"))["result"] is True
        await venue.step(5)
        assert (await client.read())["stream"] == "btcusdt@trade"

    assert venue.stats.requests[0] == (
        1,
        "SUBSCRIBE",
        ["btcusdt@trade", "ethusdt@trade", "btcusdt@trade"],
    )


@pytest.mark.parametrize(
    "request_, code, words",
    [
        ({"method": "SUBSCRIBE", "params": ["btcusdt@nope"]}, 2, "invalid stream"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade", "btcusdt"]}, 2, "invalid stream"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@kline_7m"]}, 2, "invalid stream"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade"}, 2, "must be an array"),
        ({"method": "SUBSCRIBE", "params": []}, 2, "too few"),
        ({"method": "subscribe", "params": ["btcusdt@trade"]}, 2, "unknown variant `subscribe`"),
        ({"method": "GET_PROPERTY", "params": ["nope"]}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"]}, 1, "expected Boolean"),
        ({"method": "LIST_SUBSCRIPTIONS", "id": "x" * 37}, 2, "request ID"),
        ([1], 2, "must be an object"),
        (b"{nonsense", 3, "Invalid JSON"),
    ],
)
async def test_wrong_requests_have_the_documented_codes(
    fake_venue: MakeVenue, request_: Any, code: int, words: str
) -> None:
    """Section 4; nothing of a refused request is carried out."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue) as client:
        raw = request_ if isinstance(request_, bytes) else msgspec.json.encode(request_)
        await client.ws.send_bytes(raw)
        answer = await client.read()

    assert answer["code"] == code
    assert words in answer["msg"]
    assert "id" in answer
    assert venue.topics == {}
    assert len(venue.stats.violations) == 1


@pytest.mark.parametrize("topic", ["nopeusdt@trade", "BTCUSDT@trade", "!ticker@arr"])
async def test_some_topics_are_acknowledged_and_stay_silent(
    fake_venue: MakeVenue, topic: str
) -> None:
    """Section 4: an unknown symbol; 1.1: upper case; 5.2: a retired stream."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue) as client:
        await subscribed(client, topic, "ethusdt@ticker", "ethusdt@trade")
        await venue.step(10)
        frames = await client.read_until(lambda f: f["e"] == "24hrTicker")

    assert {frame["s"] for frame in frames} == {"ETHUSDT"}


@pytest.mark.parametrize(
    "host, path",
    [
        ("stream.example.com", "/ws"),
        ("stream.binance.com:81", "/ws"),
        ("stream.binance.com", "/nope"),
        ("stream.binance.com", "/ws/btcusdt@nope"),
    ],
)
async def test_other_hosts_and_paths_are_not_the_venue(
    fake_venue: MakeVenue, host: str, path: str
) -> None:
    """A library that dials the wrong place learns it."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    with pytest.raises(Exception, match=r"40[04]"):
        async with dial(venue, path, host=host):
            pass
    assert venue.stats.connections == 0


async def test_trades_and_aggregates_are_the_market_s(fake_venue: MakeVenue) -> None:
    """Section 5.1: exact texts, ids without holes, the side by `m`."""
    venue = await fake_venue("binance", seed=2, paused=True, clock=lambda: NOON)
    made: list[Any] = []
    venue.market.subscribe(made.append)
    async with dial(venue) as client:
        await subscribed(client, "btcusdt@trade", "btcusdt@aggTrade", "btcusdt@ticker")
        await venue.step(10)
        frames = await client.read_until(lambda f: f["e"] == "24hrTicker")
    trades, aggs = event(frames, "trade"), event(frames, "aggTrade")

    expected = [t for t in made if isinstance(t, Trade) and t.symbol == BTC]
    assert [(t["t"], t["p"], t["q"], t["T"], t["m"]) for t in trades] == [
        (t.id, text(t.price_e8), text(t.amount_e8), t.ts_ms, t.buyer_maker) for t in expected
    ]
    assert (aggs[0]["f"], aggs[-1]["l"]) == (trades[0]["t"], trades[-1]["t"])
    assert all(b["f"] == a["l"] + 1 and b["a"] == a["a"] + 1 for a, b in pairwise(aggs))


@pytest.mark.parametrize("topic", ["btcusdt@depth", "btcusdt@depth@100ms"])
async def test_snapshot_and_deltas_make_the_book(fake_venue: MakeVenue, topic: str) -> None:
    """Section 6.3: the rules of synchronising end in the market's book."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue) as client:
        await subscribed(client, topic, "btcusdt@ticker")
        await venue.step(15)
        _, snapshot, _ = await get(venue, "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        await venue.step(25)
        frames = await client.read_until(lambda f: f.get("E") == venue.market.now_ms)
    deltas = event(frames, "depthUpdate")

    assert all(b["U"] == a["u"] + 1 for a, b in pairwise(deltas))
    kept = [delta for delta in deltas if delta["u"] > snapshot["lastUpdateId"]]
    assert kept[0]["U"] <= snapshot["lastUpdateId"] + 1 <= kept[0]["u"]
    sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
    for delta in kept:
        for name, side in sides.items():
            side.update(delta[name])
    last_id, bids, asks = venue.market.rows(BTC)
    left = {name: {p: q for p, q in side.items() if float(q)} for name, side in sides.items()}
    assert left == {
        "b": {text(p): text(q) for p, q in bids},
        "a": {text(p): text(q) for p, q in asks},
    }
    assert kept[-1]["u"] == last_id


async def test_partial_books_are_the_top(fake_venue: MakeVenue) -> None:
    """Section 6.1: neither symbol nor time."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    async with dial(venue, "/ws/btcusdt@depth5@100ms") as client:
        await venue.step(1)
        frame = await client.read()

    last_id, bids, asks = venue.market.rows(BTC, 5)
    assert frame == {
        "lastUpdateId": last_id,
        "bids": [[text(p), text(q)] for p, q in bids],
        "asks": [[text(p), text(q)] for p, q in asks],
    }


async def test_tickers_of_every_kind(fake_venue: MakeVenue) -> None:
    """Section 5.2: shapes of day, mini and window tickers and of the arrays."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    names = ["btcusdt@ticker", "btcusdt@miniTicker", "btcusdt@ticker_4h", "btcusdt@avgPrice"]
    async with dial(venue) as client:
        await subscribed(client, *names, "!miniTicker@arr", "!ticker_1h@arr")
        await venue.step(10)
        day, mini, window, average, minis, hours = [await client.read() for _ in range(6)]
    stats, quote = venue.market.stats(BTC), venue.market.quote(BTC)

    assert list(day) == list("eEspPwxcQbBaAohlvqOCFLn")
    assert (day["c"], day["b"], day["L"]) == (text(stats.close), text(quote.bid_e8), stats.last_id)
    assert list(mini) == list("eEscohlvq")
    assert (window["e"], list(window)) == ("4hTicker", list("eEspPohlcwvqOCFLn"))
    assert (average["e"], average["i"]) == ("avgPrice", "5m")
    assert minis[0] == mini
    assert {row["s"] for row in minis} == {"BTCUSDT", "ETHUSDT"}
    assert {row["e"] for row in hours} == {"1hTicker"}


async def test_arrays_hold_only_what_changed(fake_venue: MakeVenue) -> None:
    """Section 5.2: a symbol that has not traded since the last second is left out."""
    market = MarketModel((BTC, ETH), clock=lambda: NOON, trades_per_s=2, levels=200)
    venue = await fake_venue("binance", paused=True, market=market)
    async with dial(venue, "/ws/!miniTicker@arr") as client:
        await client.ask("LIST_SUBSCRIPTIONS")
        await venue.step(10)
        for _ in range(20):
            made: list[Event] = []
            stop = market.subscribe(made.append)
            await client.read()
            await venue.step(10)
            stop()
            traded = {e.symbol for e in made if isinstance(e, Trade)}
            if len(traded) == 1:
                break
        else:
            pytest.fail("there was no second in which just one symbol traded")
        last = await client.read()

    assert [row["s"] for row in last] == [traded.pop().replace("/", "")]


async def test_klines_close_on_time(fake_venue: MakeVenue) -> None:
    """Section 5.4: every 2 s, and once more, final, when the interval ends."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON + 55)
    async with dial(venue) as client:
        await subscribed(client, "btcusdt@kline_1m", "btcusdt@kline_1d@+08:00")
        await venue.step(70)
        frames = [await client.read() for _ in range(8)]  # of both, at :56, :58, :00 and :02
    minutes = [f["k"] for f in event(frames, "kline") if f["k"]["i"] == "1m"]
    days = [f["k"] for f in event(frames, "kline") if f["k"]["i"] == "1d"]

    assert [k["x"] for k in minutes] == [False, False, True, False]
    (closed,) = [c for c in venue.market.candles(BTC, "1m") if c.open_ms == NOON * 1000]
    assert minutes[2]["t"] == NOON * 1000
    assert minutes[2]["T"] == NOON * 1000 + 59_999
    assert (minutes[2]["c"], minutes[2]["n"]) == (text(closed.close), closed.trades)
    assert {k["t"] for k in days} == {(NOON - 20 * 3600) * 1000}


async def test_microseconds_on_request(fake_venue: MakeVenue) -> None:
    """Section 1.1: `timeUnit=MICROSECOND` changes all times of that connection only."""
    venue = await fake_venue("binance", paused=True, clock=lambda: NOON)
    path = "/stream?streams=btcusdt@trade"
    async with dial(venue, path) as plain, dial(venue, path + "&timeUnit=MICROSECOND") as micro:
        await venue.step(5)
        a, b = await plain.read(), await micro.read()

    assert b["stream"] == "btcusdt@trade"
    assert b["data"]["T"] == a["data"]["T"] * 1000


async def test_at_full_speed_nothing_is_lost(fake_venue: MakeVenue) -> None:
    """speed=0 is bounded by the reader, and stops when nobody reads."""
    venue = await fake_venue("binance", speed=0)
    async with dial(venue, "/ws/btcusdt@trade") as client:
        ids = [(await client.read())["t"] for _ in range(3000)]

    assert ids == list(range(ids[0], ids[0] + 3000))


async def test_real_time_is_paced(fake_venue: MakeVenue) -> None:
    """At speed 20 a tick comes every 5 ms, and the market does not race ahead."""
    venue = await fake_venue("binance", speed=20.0)
    loop = asyncio.get_running_loop()
    async with dial(venue, "/ws/btcusdt@depth5@100ms") as client:
        begin, number = loop.time(), venue.market.number
        for _ in range(20):
            await client.read()
        ticks, passed_s = venue.market.number - number, loop.time() - begin

    assert ticks <= passed_s * 20 * 10 + 2


@pytest.mark.parametrize("arguments", [["nope"], ["binance", "--symbols", "BTCUSDT"]])
def test_a_wrong_command_says_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for a typing error."""
    assert main(arguments) == 2
    assert arguments[-1] in capsys.readouterr().err


async def test_a_process_of_its_own_serves_until_told_to_stop() -> None:
    """`python -m unified_ws.testing` prints its gateway and ends with status 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "unified_ws.testing", "binance"),
        *("--speed", "0", "--seed", "4", "--symbols", "SOL/USDT"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    line = (await process.stdout.readline()).decode()
    gateway = line.removeprefix("gateway ").strip()
    async with dial(gateway, "/ws/solusdt@trade") as client:
        assert (await client.read())["s"] == "SOLUSDT"
    process.send_signal(signal.SIGTERM)

    assert await process.wait() == 0
    assert gateway.startswith("http://127.0.0.1:")
