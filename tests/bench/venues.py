"""Every venue's trades and book, from the same frames: a bare loop, ours and ccxt.pro.

The frames are what the fake of the venue would send, encoded before (`venue_server`). Run it all by
`python -m tests.bench venues [--quick] [--rounds N] [--venues ID ...]`; a single client is called
as `python -m tests.bench.venues CLIENT VENUE KIND GATEWAY COUNT` and prints what it cost as JSON.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from urllib.parse import quote

import aiohttp
import msgspec

from tests.bench.clients import ask, cpu_s
from tests.bench.harness import ROOT, surroundings

Kind: TypeAlias = Literal["trades", "book"]
Json: TypeAlias = dict[str, Any]
KINDS: tuple[Kind, ...] = get_args(Kind)
CLIENTS = ("floor", "ours", "ccxt.pro")
ALL_ROWS = "ccxt.pro-all"
"""ccxt.pro with a cache that holds every trade: what it costs to deliver what ours delivers."""
CLIENTS_OF: Mapping[Kind, Sequence[str]] = {"trades": (*CLIENTS, ALL_ROWS), "book": CLIENTS}
COUNTS: Mapping[Kind, int] = {"trades": 20_000, "book": 10_000}
QUICK: Mapping[Kind, int] = {"trades": 600, "book": 300}
ROUNDS = 3
GOAL = 1 / 4
"""Of ccxt.pro's CPU ours shall need at most so much."""
LIMIT = 20


class Stream(NamedTuple):
    """One kind of data of a venue.

    Attributes:
        topic: The fake's name of it; every client must subscribe to this one.
        request: How the bare loop asks for it.
        mark: A number that rises with every payload and is in the answers of both libraries: the
            id of its newest trade, or the time of the book.
    """

    topic: str
    request: Json
    mark: Callable[[Json], int]


class Setup(NamedTuple):
    """What is watched of a venue, and how.

    Attributes:
        symbol: The market.
        address: Where the bare loop dials.
        trades, book: The two streams.
        rows: How many trades a payload has.
        options: ccxt's, so that it loads only the markets it needs.
        ccxt_limit: Of ccxt's book, where it refuses ours; it asks for the same stream then.
        token: Where the bare loop gets what the address needs.
    """

    symbol: str
    address: str
    trades: Stream
    book: Stream
    rows: Callable[[Json], int] = lambda _payload: 1
    options: Mapping[str, Any] = {}
    ccxt_limit: int = LIMIT
    token: str = ""

    def stream(self, kind: Kind) -> Stream:
        """Return the stream of a kind."""
        return self.trades if kind == "trades" else self.book


def _spot_only(key: str = "spot") -> Mapping[str, Any]:
    return {"fetchMarkets": {"types": [key]}}


def _at_ms(rfc3339: str) -> int:
    return int(dt.datetime.fromisoformat(f"{rfc3339[:23]}+00:00").timestamp() * 1000)


SETUPS = {
    "binance": Setup(
        "BTC/USDT", "stream.binance.com:9443/stream",
        Stream(
            "btcusdt@trade", {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1},
            lambda p: int(p["t"]),
        ),
        Stream(
            "btcusdt@depth@100ms",
            {"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1},
            lambda p: int(p["E"]),
        ),
        options=_spot_only(),
    ),
    "bybit": Setup(
        "BTC/USDT", "stream.bybit.com/v5/public/spot",
        Stream(
            "spot|publicTrade.BTCUSDT", {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]},
            lambda p: int(p["data"][-1]["i"]),
        ),
        Stream(
            "spot|orderbook.50.BTCUSDT", {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]},
            lambda p: int(p["ts"]),
        ),
        rows=lambda p: len(p["data"]),
        options=_spot_only(), ccxt_limit=50,
    ),
    "okx": Setup(
        "BTC/USDT", "ws.okx.com:443/ws/v5/public",
        Stream(
            "trades:BTC-USDT",
            {"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT"}]},
            lambda p: int(p["data"][-1]["tradeId"]),
        ),
        Stream(
            "books:BTC-USDT",
            {"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]},
            lambda p: int(p["data"][0]["ts"]),
        ),
        rows=lambda p: len(p["data"]), options=_spot_only(),
    ),
    "coinbase": Setup(
        "BTC/USD", "advanced-trade-ws.coinbase.com",
        Stream(
            "market_trades:BTC-USD",
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "market_trades"},
            lambda p: int(p["events"][0]["trades"][0]["trade_id"]),  # the newest comes first
        ),
        Stream(
            "level2:BTC-USD",
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
            lambda p: _at_ms(p["timestamp"]),
        ),
        rows=lambda p: len(p["events"][0]["trades"]),
    ),
    "gate": Setup(
        "BTC/USDT", "api.gateio.ws/ws/v4/",
        Stream(
            "spot|spot.trades:BTC_USDT",
            {"time": 1, "channel": "spot.trades", "event": "subscribe", "payload": ["BTC_USDT"]},
            lambda p: int(p["result"]["id"]),
        ),
        Stream(
            "spot|spot.obu:ob.BTC_USDT.50",
            {"time": 1, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.BTC_USDT.50"]},
            lambda p: int(p["result"]["t"]),
        ),
        options=_spot_only(),
    ),
    "kucoin": Setup(
        "BTC/USDT", "ws-api-spot.kucoin.com/",
        Stream(
            "/market/match:BTC-USDT",
            {"id": "1", "type": "subscribe", "topic": "/market/match:BTC-USDT", "response": True},
            lambda p: int(p["data"]["tradeId"]),
        ),
        Stream(
            "/market/level2:BTC-USDT",
            {"id": "1", "type": "subscribe", "topic": "/market/level2:BTC-USDT", "response": True},
            lambda p: int(p["data"]["time"]),
        ),
        options=_spot_only(), token="api.kucoin.com/api/v1/bullet-public",
    ),
}  # fmt: skip


class Cost(msgspec.Struct):
    """What one run of one client cost.

    `messages` were sent in the measured span with `rows` trades in them (of books: one each);
    `handled` messages were read by the client, `delivered` rows or books came of them; `cpu_us` is
    user and system time of the client a message.
    """

    client: str
    venue: str
    kind: Kind
    messages: int
    rows: int
    bytes: int
    handled: int
    delivered: int
    cpu_us: float
    wall_s: float


class Watched:
    """How far a reader has come: what it got, and whether it has reached what is waited for."""

    def __init__(self) -> None:
        self.delivered = self.newest = self.target = 0
        self._reached = asyncio.Event()

    def note(self, newest: int) -> None:
        """Say how far it is."""
        self.newest = newest
        if newest >= self.target:
            self._reached.set()

    async def until(self, mark: int) -> None:
        """Wait until it has come so far."""
        self.target = mark
        if self.newest < mark:
            self._reached.clear()
            await self._reached.wait()


class Reader(NamedTuple):
    """A client of one stream.

    Attributes:
        read: Reads for ever, as a user would.
        handled: How many messages the client has read so far.
        close: Lets go.
        counts: Whether its marks are the numbers of messages, since it knows no others.
    """

    read: Callable[[Watched], Awaitable[None]]
    handled: Callable[[], int]
    close: Callable[[], Awaitable[object]]
    counts: bool = False


# --- the clients -----------------------------------------------------------------------------


async def floor(setup: Setup, kind: Kind, gateway: str) -> Reader:
    """Nothing but aiohttp and msgspec: what no library on top of them can beat."""
    session = aiohttp.ClientSession()
    query = ""
    if setup.token:
        async with session.post(f"{gateway}/{setup.token}") as response:
            token = (await response.json())["data"]["token"]
            query = f"?token={quote(token, safe='')}&connectId=1"
    url = f"{gateway}/{setup.address}{query}"
    ws = await session.ws_connect(url, decode_text=False, max_msg_size=0)
    request = setup.stream(kind).request
    if "time" in request:
        request = {**request, "time": int(time.time())}
    await ws.send_json(request)
    count = 0

    async def read(watched: Watched) -> None:
        nonlocal count
        receive, decode = ws.receive, msgspec.json.decode
        while True:
            decode((await receive()).data)
            count += 1
            if count >= watched.target:
                watched.delivered = count
                watched.note(count)

    return Reader(read, lambda: count, session.close, counts=True)


def face(exchange: Any, symbol: str, kind: Kind, limit: int, handled: Callable[[], int]) -> Reader:
    """Read as a user of ccxt.pro does, who looks at `info`, too."""

    async def trades(watched: Watched) -> None:
        while True:
            for row in await exchange.watch_trades(symbol):
                row["info"]
                watched.delivered += 1
            watched.note(int(row["id"]))

    async def books(watched: Watched) -> None:
        while True:
            book = await exchange.watch_order_book(symbol, limit)
            watched.delivered += 1
            watched.note(book["timestamp"] or 0)  # a state by REST has none

    return Reader(trades if kind == "trades" else books, handled, exchange.close)


def ours(venue: str, setup: Setup, kind: Kind, gateway: str) -> Reader:
    """Our ccxt face; its own counters tell what it has read."""
    import unified_ws  # only this client pays for it

    exchange = unified_ws.exchange(venue, {"gateway": gateway, "options": dict(setup.options)})

    def handled() -> int:
        return sum(c["frames"] for c in exchange.status()["connections"])

    return face(exchange, setup.symbol, kind, LIMIT, handled)


def ccxt_pro(
    venue: str, setup: Setup, kind: Kind, gateway: str, **options: Any
) -> Reader:
    """ccxt.pro as it comes; counting its messages costs it less than a tenth of a microsecond."""
    import ccxt.pro  # only this client pays for it

    from tests.support import redirect

    config = {"options": {**setup.options, **options}}
    exchange = redirect(getattr(ccxt.pro, venue)(config), gateway)
    handle, count = exchange.handle_message, 0

    def counted(client: Any, message: Any) -> None:
        nonlocal count
        count += 1
        handle(client, message)

    exchange.handle_message = counted
    return face(exchange, setup.symbol, kind, setup.ccxt_limit, lambda: count)


# --- a run -----------------------------------------------------------------------------------


async def run(client: str, venue: str, kind: Kind, gateway: str, count: int) -> Cost:
    """Warm up, measure, and let go."""
    setup, watched = SETUPS[venue], Watched()
    if client == "floor":
        reader = await floor(setup, kind, gateway)
    elif client == "ours":
        reader = ours(venue, setup, kind, gateway)
    else:
        kept = {"tradesLimit": 10**7} if client == ALL_ROWS else {}
        reader = ccxt_pro(venue, setup, kind, gateway, **kept)
    reading = asyncio.ensure_future(reader.read(watched))
    asked = asyncio.ensure_future(ask(gateway, "/bench/mark"))
    await asyncio.wait({reading, asked}, return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    marks = await asked
    if reader.counts:
        marks |= {"before": marks["frames"], "last": marks["frames"] + count}
    await watched.until(marks["before"])
    before, delivered = reader.handled(), watched.delivered
    going = await ask(gateway, "/bench/go")
    began, cpu = time.monotonic(), cpu_s()
    await watched.until(marks["last"])
    cpu, wall = cpu_s() - cpu, time.monotonic() - began - going["pause_s"]
    cost = Cost(
        client, venue, kind, count, marks["rows"], marks["bytes"], reader.handled() - before,
        watched.delivered - delivered, cpu * 1e6 / count, wall,
    )  # fmt: skip
    reading.cancel()
    await reader.close()
    return cost


# --- all runs --------------------------------------------------------------------------------


@contextmanager
def serving(venue: str, kind: Kind, measured: int) -> Iterator[str]:
    """Run the server of one stream; yields its address."""
    command = [
        sys.executable, "-m", "tests.bench.venue_server", venue, kind, "--measured", str(measured)
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def run_once(client: str, venue: str, kind: Kind, gateway: str, count: int) -> Cost:
    """Run one client once, in a fresh interpreter."""
    command = [
        sys.executable, "-m", "tests.bench.venues", client, venue, kind, gateway, str(count)
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{client} failed with the {kind} of {venue}:\n{done.stderr}")
    cost = msgspec.json.decode(done.stdout, type=Cost)
    checked(cost)
    return cost


def checked(cost: Cost) -> None:
    """Refuse a run that has not read everything, or ours if it has not delivered every trade."""
    what = f"{cost.client} with the {cost.kind} of {cost.venue}"
    if cost.handled != cost.messages:
        raise RuntimeError(f"{what}: {cost.handled} of {cost.messages} messages read")
    if cost.client in ("ours", ALL_ROWS) and cost.kind == "trades" and cost.delivered != cost.rows:
        raise RuntimeError(f"{what}: {cost.delivered} of {cost.rows} trades delivered")


def measure(
    *, venues: Sequence[str] = (), rounds: int = ROUNDS, counts: Mapping[Kind, int] = COUNTS
) -> list[Cost]:
    """Run every client with every stream, the clients in turn; returns every single run."""
    found = []
    for venue in venues or SETUPS:
        for kind in KINDS:
            with serving(venue, kind, counts[kind]) as gateway:
                for _ in range(rounds):
                    clients = CLIENTS_OF[kind]
                    found += [run_once(c, venue, kind, gateway, counts[kind]) for c in clients]
            sys.stderr.write(f"{venue}: {kind}\n")
    return found


_HEAD = (
    "| | messages | bytes | rows a message | bare loop | unified_ws | ccxt.pro (delivered) "
    "| ccxt.pro, all rows | unified_ws / ccxt.pro | of all rows | unified_ws / bare loop |"
)


def _conditions(rounds: int) -> str:
    return (
        f"{surroundings()}; plain TCP on loopback (no TLS), no compression, asyncio's own loop, "
        "one connection, one spot market, one consumer that awaits and looks at `info` of each "
        f"trade or at {LIMIT} levels of the book (ccxt.pro on bybit: 50, it refuses {LIMIT}); "
        "frames are those of the fake of the venue, encoded before and written as fast as the "
        "socket takes them by a process of its own; each run in a fresh interpreter, the clients "
        f"in turn; medians of {rounds} runs; CPU is user and system time of the client after a "
        "warm-up, in microseconds a message. Every client has read every message; ours delivered "
        "every trade, ccxt.pro those that its cache of 1,000 still had when its consumer came, or "
        "all of them with a cache that holds all (`tradesLimit`)."
    )


def report(costs: Sequence[Cost]) -> str:
    """Return the table in Markdown, with the conditions of the runs."""
    by_stream: dict[tuple[str, Kind], list[Cost]] = {}
    for cost in costs:
        by_stream.setdefault((cost.venue, cost.kind), []).append(cost)
    rounds = min(len(runs) for runs in by_stream.values()) // len(CLIENTS)
    lines = [_conditions(rounds), "", _HEAD, f"|---|{'---:|' * 10}"]
    reached = []
    for (venue, kind), runs in by_stream.items():
        first = runs[0]
        bare, mine, theirs = (
            median(run.cpu_us for run in runs if run.client == client) for client in CLIENTS
        )
        rows, shown, every, of_all = "", f"{theirs:.2f}", "", ""
        if kind == "trades":
            kept = median(run.delivered / run.rows for run in runs if run.client == "ccxt.pro")
            rows, shown = f"{first.rows / first.messages:.1f}", f"{theirs:.2f} ({kept:.0%})"
            same = median(run.cpu_us for run in runs if run.client == ALL_ROWS)
            every, of_all = f"{same:.2f}", f"{mine / same:.2f}"
        lines.append(
            f"| {venue} {kind} | {first.messages:,} | {first.bytes} | {rows} | {bare:.2f} "
            f"| {mine:.2f} | {shown} | {every} | {mine / theirs:.2f} | {of_all} "
            f"| {mine / bare:.1f} |"
        )
        reached += [f"{venue} {kind}"] if mine <= GOAL * theirs else []
    of = f"{len(reached)} of {len(by_stream)}"
    named = ": " + ", ".join(reached) if reached else ""
    return "\n".join([*lines, "", f"At most {GOAL} of ccxt.pro's CPU: {of}{named}."])


if __name__ == "__main__":
    name, of, what, where, messages = sys.argv[1:]
    stream = next(kind for kind in KINDS if kind == what)
    cost_found = asyncio.run(run(name, of, stream, where, int(messages)))
    sys.stdout.buffer.write(msgspec.json.encode(cost_found) + b"\n")
