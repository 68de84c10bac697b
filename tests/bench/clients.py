"""The clients that are compared, each run in a fresh interpreter.

They are called as `python -m tests.bench.clients CLIENT SCENARIO GATEWAY COUNT RATE`. A client warms up, asks the server to go, reads until the last id has come, and prints as JSON
what the measured span cost. Of ours and of ccxt.pro only public names are used.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tests.bench.frames import TOPICS

SYMBOL = "BTC/USDT"
STREAM_HOST = "stream.binance.com:9443"
SETTLED = 200
"""So many deliveries of the warm-up precede the measured span."""
Latencies = list[int]


class Result(msgspec.Struct):
    """What one run of one client cost.

    `messages` were sent in the measured span, `delivered` rows or books came of them; `cpu_us`
    is user and system time of the client a message; `peak_mb` the most memory it ever had,
    `grown_mb` how much of that came after the warm-up; latencies run from the server's write to
    the consumer's first line after its `await`.
    """

    client: str
    scenario: str
    messages: int
    delivered: int
    cpu_us: float
    wall_s: float
    peak_mb: float
    grown_mb: float
    p50_us: float | None = None
    p99_us: float | None = None


class Reader(msgspec.Struct):
    """How one client reads one scenario.

    turn: awaits one delivery and returns the newest id in it.
    measured: reads up to an id, as a user would, and returns how many rows or books that were.
    """

    turn: Callable[[], Awaitable[int]]
    measured: Callable[[int, Latencies], Awaitable[int]]
    close: Callable[[], Awaitable[object]]


# --- (a) the floor: a bare loop ---------------------------------------------------------------


async def floor(scenario: str, gateway: str) -> Reader:
    """Nothing but aiohttp and msgspec: what no library on top of them can beat."""
    session = aiohttp.ClientSession()
    url = f"{gateway}/{STREAM_HOST}/stream"
    ws = await session.ws_connect(url, decode_text=False, max_msg_size=0)
    topic, key = (TOPICS["depth"], "u") if "depth" in scenario else (TOPICS["trade"], "t")
    await ws.send_json({"method": "SUBSCRIBE", "params": [topic], "id": 1})
    await ws.receive()
    decode, clock, timed = msgspec.json.decode, time.monotonic_ns, scenario == "latency"

    async def turn() -> int:
        newest: int = decode((await ws.receive()).data)["data"][key]
        return newest

    async def measured(last: int, latencies: Latencies) -> int:
        count = 0
        while True:
            message = await ws.receive()
            data = decode(message.data)["data"]
            count += 1
            if timed:
                latencies.append(clock() - data["E"])
            if data[key] >= last:
                return count

    return Reader(turn, measured, session.close)


# --- (b) ours and (c) ccxt.pro: the same loops ------------------------------------------------


async def ccxt_face(exchange: Any, scenario: str) -> Reader:
    """Read as a user of ccxt.pro does."""
    clock, timed = time.monotonic_ns, scenario == "latency"
    limit = 20 if scenario == "depth-2000" else None

    async def trades_turn() -> int:
        return int((await exchange.watch_trades(SYMBOL))[-1]["id"])

    async def trades(last: int, latencies: Latencies) -> int:
        count = 0
        while True:
            for row in await exchange.watch_trades(SYMBOL):
                info = row["info"]
                count += 1
                if timed:
                    latencies.append(clock() - info["E"])
            if info["t"] >= last:
                return count

    async def books_turn() -> int:
        return int((await exchange.watch_order_book(SYMBOL, limit))["nonce"])

    async def books(last: int, latencies: Latencies) -> int:
        count = 0
        while True:
            book = await exchange.watch_order_book(SYMBOL, limit)
            count += 1
            if book["nonce"] >= last:
                return count

    if "depth" in scenario:
        return Reader(books_turn, books, exchange.close)
    return Reader(trades_turn, trades, exchange.close)


async def ours(scenario: str, gateway: str) -> Reader:
    """Our ccxt face."""
    return await ccxt_face(_ours(gateway), scenario)


async def ccxt_pro(scenario: str, gateway: str, **options: Any) -> Reader:
    """ccxt.pro as it comes; of trades it keeps the last thousand for a consumer that is behind."""
    import ccxt.pro  # only this client pays for it

    from tests.support import redirect

    options["fetchMarkets"] = {"types": ["spot"]}
    return await ccxt_face(redirect(ccxt.pro.binance({"options": options}), gateway), scenario)


async def ccxt_pro_all(scenario: str, gateway: str) -> Reader:
    """ccxt.pro with a cache so large that it loses nothing: the same rows as ours."""
    return await ccxt_pro(scenario, gateway, tradesLimit=10**7)


async def typed(scenario: str, gateway: str) -> Reader:
    """Our typed face, lossless: every row, and the book after every single update."""
    exchange = _ours(gateway)
    clock, timed = time.monotonic_ns, scenario == "latency"
    limit = 20 if scenario == "depth-2000" else None
    rows = exchange.stream_trades(SYMBOL)
    books = exchange.stream_order_book(SYMBOL, limit)

    async def trade_turn() -> int:
        return int((await anext(rows)).id)

    async def trades(last: int, latencies: Latencies) -> int:
        count = 0
        async for row in rows:
            count += 1
            if timed:
                latencies.append(clock() - row.info["E"])
            if row.number >= last:
                break
        return count

    async def book_turn() -> int:
        return int((await anext(books)).nonce)

    async def book_rows(last: int, latencies: Latencies) -> int:
        count = 0
        async for row in books:
            count += 1
            if row.nonce >= last:
                break
        return count

    if "depth" in scenario:
        return Reader(book_turn, book_rows, exchange.close)
    return Reader(trade_turn, trades, exchange.close)


def _ours(gateway: str) -> Any:
    import unified_ws  # only these clients pay for it

    return unified_ws.exchange("binance", {"gateway": gateway})


CLIENTS: dict[str, Callable[[str, str], Awaitable[Reader]]] = {
    "floor": floor, "ours": ours, "typed": typed, "ccxt.pro": ccxt_pro,
    "ccxt.pro-all": ccxt_pro_all,
}  # fmt: skip


# --- a run ------------------------------------------------------------------------------------


async def run(client: str, scenario: str, gateway: str, count: int, rate: float) -> Result:
    """Warm up, measure, and let go."""
    reader = await CLIENTS[client](scenario, gateway)
    newest = 0
    for _ in range(SETTLED):
        newest = await reader.turn()
    ids = await ask(gateway, f"/go?n={count}&rate={rate:g}")
    while newest < ids["before"]:
        newest = await reader.turn()
    latencies: Latencies = []
    peak, began, cpu = _peak_mb(), time.monotonic(), cpu_s()
    delivered = await reader.measured(ids["last"], latencies)
    cpu, wall = cpu_s() - cpu, time.monotonic() - began - ids["pause_s"]
    ordered = sorted(latencies)
    result = Result(
        client, scenario, count, delivered, cpu * 1e6 / count, wall, _peak_mb(),
        _peak_mb() - peak,
        ordered[len(ordered) // 2] / 1e3 if ordered else None,
        ordered[len(ordered) * 99 // 100] / 1e3 if ordered else None,
    )  # fmt: skip
    await reader.close()
    return result


async def ask(gateway: str, target: str) -> Any:
    parts = urlsplit(gateway)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    body = await reader.readuntil(b"}")
    writer.close()
    return msgspec.json.decode(body)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    name, what, where, messages, per_s = sys.argv[1:]
    found = asyncio.run(run(name, what, where, int(messages), float(per_s)))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
