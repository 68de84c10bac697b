"""A recorded session plays back byte for byte, and its snapshots bridge its streams."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import ccxt.pro
import msgspec
import pytest
import pytest_asyncio

from tests.support import Client, dial, get, recording, redirect
from unified_ws.testing import FakeVenue, Recorder, Replay
from unified_ws.testing.market import text

SHORT, TEN_MARKETS = "binance/spot_cf_20211012", "binance/spot_cf_20210405"
OTHER_HOST = "binance/us_spot_cf_20211012"
BTC = "BTC/USDT"
T0 = 1_795_176_000.0
DELTAS = 20
Sides = dict[str, dict[str, str]]


def raw_frames(folder: Path) -> list[bytes]:
    """Return the frames of a recording of one connection."""
    lines = gzip.decompress((folder / "ws-1.jsonl.gz").read_bytes()).splitlines()
    rows = [json.loads(line) for line in lines]
    return [row["raw"].encode() for row in rows if row["dir"] == "in"]


def combined(topics: list[str]) -> str:
    """Return the path of a combined socket."""
    return "/stream?streams=" + "/".join(topics)


async def frames_of(client: Client, replay: Replay) -> list[bytes]:
    """Return all frames that a replay sends, when it has finished."""
    found: list[bytes] = []
    ended = asyncio.ensure_future(replay.finished.wait())
    while not ended.done() or len(found) < sum(replay.sent.values()):
        reading = asyncio.ensure_future(client.raw())
        await asyncio.wait({reading, ended}, return_when="FIRST_COMPLETED")
        if not reading.done() and len(found) >= sum(replay.sent.values()):
            reading.cancel()
            break
        found.append(await reading)
    return found


class BookReader:
    """Follows one book by the venue's rules; insists that it can."""

    def __init__(self, replay: Replay, market_id: str) -> None:
        self._replay = replay
        self._path = f"/api/v3/depth?symbol={market_id}&limit=1000"
        self._fetching: asyncio.Task[Any] | None = None
        self._waiting: list[dict[str, Any]] = []
        self.sides: Sides | None = None
        self.last_id = 0
        self.applied = 0

    async def take(self, delta: dict[str, Any]) -> None:
        """Take one delta; the first one asks for the snapshot."""
        self._waiting.append(delta)
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(get(self._replay, self._path))
        if self._fetching.done():
            self.settle()

    async def finish(self) -> None:
        """Apply what is left when the stream has ended."""
        assert self._fetching is not None
        await self._fetching
        self.settle()

    def settle(self) -> None:
        """Apply what waits."""
        assert self._fetching is not None
        if self.sides is None:
            _, body, _ = self._fetching.result()
            assert body["lastUpdateId"] >= self._waiting[0]["U"] - 1, "the snapshot is too old"
            self.last_id = body["lastUpdateId"]
            self.sides = {"b": dict(body["bids"]), "a": dict(body["asks"])}
        for delta in self._waiting:
            if delta["u"] <= self.last_id:
                continue
            assert delta["U"] <= self.last_id + 1, "a gap"
            for name, side in self.sides.items():
                side.update(delta[name])
            self.last_id = delta["u"]
            self.applied += 1
        self._waiting.clear()

    @property
    def top(self) -> tuple[str, str]:
        """Best bid and ask."""
        assert self.sides
        levels = {n: [p for p, q in s.items() if float(q)] for n, s in self.sides.items()}
        return max(levels["b"], key=float), min(levels["a"], key=float)


@pytest.mark.parametrize("name", [SHORT, TEN_MARKETS, OTHER_HOST])
async def test_frames_come_back_byte_for_byte(name: str) -> None:
    """All topics on a combined socket: the very bytes in the very order."""
    folder = recording(name)
    url = json.loads((folder / "meta.json").read_text())["streams"][0]["url"]
    async with (
        Replay(folder, autostart="all", snapshot_wait_s=0) as replay,
        dial(replay, combined(replay.topics_recorded), host=urlsplit(url).netloc) as client,
    ):
        assert await frames_of(client, replay) == raw_frames(folder)

    assert sum(replay.sent.values()) == replay.recording.meta["frames_in"]


async def test_raw_sockets_get_the_unwrapped_bytes() -> None:
    """A client in raw mode gets what the venue would have sent it."""
    folder = recording(SHORT)
    topic = "nknusdt@depth@100ms"
    async with Replay(folder, snapshot_wait_s=0) as replay, dial(replay) as client:
        await client.ask("SUBSCRIBE", topic)
        await replay.play()
        found = await frames_of(client, replay)
    prefix = b'{"stream":"%s","data":' % topic.encode()

    assert found == [f.removeprefix(prefix)[:-1] for f in raw_frames(folder) if prefix in f]
    assert replay.sent == {topic: len(found)}


@pytest.mark.parametrize("name", [SHORT, TEN_MARKETS])
async def test_every_book_can_be_followed(name: str) -> None:
    """Snapshots are asked for after the first delta, as the venue demands, and bridge."""
    folder = recording(name)
    async with Replay(folder, autostart="all") as replay:
        readers = {i: BookReader(replay, i) for i in replay.recording.meta["symbols"]}
        quotes: dict[str, dict[str, Any]] = {}
        async with dial(replay, combined(replay.topics_recorded)) as client:
            for _ in raw_frames(folder):
                data = (await client.read())["data"]
                if data.get("e") == "depthUpdate":
                    await readers[data["s"]].take(data)
                elif "B" in data:
                    quotes[data["s"]] = data
        for reader in readers.values():
            await reader.finish()

    assert all(reader.sides for reader in readers.values())
    assert sum(reader.applied for reader in readers.values()) > 100
    at_quote = {i: r for i, r in readers.items() if quotes.get(i, {}).get("u") == r.last_id}
    assert all(r.top == (quotes[i]["b"], quotes[i]["a"]) for i, r in at_quote.items())


async def test_an_early_request_waits_for_its_place() -> None:
    """A client that asks before its first delta still gets a snapshot that bridges."""
    folder = recording(SHORT)
    async with Replay(folder) as replay, dial(replay, "/ws/lrcbtc@depth@100ms") as client:
        asking = asyncio.ensure_future(get(replay, "/api/v3/depth?symbol=LRCBTC&limit=1000"))
        await replay.until(lambda: bool(replay.stats.rest))
        assert not asking.done()
        await replay.play()
        status, body, _ = await asking
        await replay.finished.wait()
        first = await client.read()

    assert status == 200
    assert first["U"] <= body["lastUpdateId"] + 1


async def test_whoever_asks_later_gets_the_book_of_that_moment() -> None:
    """A client that lost its connection in the middle can begin anew."""
    folder = recording(SHORT)
    async with (
        Replay(folder, autostart="first") as replay,
        dial(replay, "/ws/nknusdt@depth@100ms") as client,
    ):
        await client.read()
        first = await get(replay, "/api/v3/depth?symbol=NKNUSDT&limit=1000")
        await replay.finished.wait()
        later = await get(replay, "/api/v3/depth?symbol=NKNUSDT&limit=1000")
        deltas = [await client.read() for _ in range(replay.sent.total() - 1)]
    rest = {n: dict(first[1][n]) for n in ("bids", "asks")}
    for delta in (d for d in deltas if d["u"] > first[1]["lastUpdateId"]):
        rest["bids"].update(delta["b"])
        rest["asks"].update(delta["a"])

    assert later[1]["lastUpdateId"] == deltas[-1]["u"]
    for name, side in rest.items():
        assert dict(later[1][name]) == {p: q for p, q in side.items() if float(q)}
        prices = [float(price) for price, _ in later[1][name]]
        assert prices == sorted(prices, reverse=name == "bids")


async def test_a_snapshot_is_cut_to_the_limit_asked_for() -> None:
    """The recording holds 1000 levels; a request for five gets five."""
    folder = recording(SHORT)
    async with Replay(folder, snapshot_wait_s=0) as replay:
        _, body, _ = await get(replay, "/api/v3/depth?symbol=NKNUSDT&limit=5")

    assert (len(body["bids"]), len(body["asks"])) == (5, 5)


async def test_lists_of_markets() -> None:
    """ExchangeInfo is the recorded one where there is one, else made from the symbols."""
    async with Replay(recording(SHORT)) as recorded, Replay(recording(TEN_MARKETS)) as made:
        _, of_recording, _ = await get(recorded, "/api/v3/exchangeInfo")
        _, synthesised, _ = await get(made, "/api/v3/exchangeInfo")
    listed = {row["symbol"]: row for row in synthesised["symbols"]}

    assert len(of_recording["symbols"]) == 1695
    assert set(listed) == set(made.recording.meta["symbols"])
    assert (listed["RENBTCETH"]["baseAsset"], listed["RENBTCETH"]["quoteAsset"]) == (
        "RENBTC",
        "ETH",
    )
    assert listed["BTCAUD"]["filters"][0]["tickSize"] == "0.01000000"


async def test_what_was_not_recorded_is_an_error() -> None:
    """A replay invents no market data."""
    async with Replay(recording(SHORT)) as replay:
        status, body, _ = await get(replay, "/api/v3/trades?symbol=NKNUSDT")

    assert (status, body["code"]) == (400, -1000)


async def test_ccxt_pro_follows_a_replay() -> None:
    """The other library that reads this venue synchronises on a replay too."""
    folder = recording(SHORT)
    async with Replay(folder, autostart="first") as replay:
        exchange = redirect(ccxt.pro.binance({"enableRateLimit": False}), replay.gateway)
        try:
            await exchange.load_markets()
            book = await exchange.watch_order_book("NKN/USDT")
            await replay.finished.wait()
            last = [f for f in raw_frames(folder) if b'"nknusdt@depth@100ms"' in f][-1]
            last_id = json.loads(last)["data"]["u"]
            while book["nonce"] != last_id:
                book = await exchange.watch_order_book("NKN/USDT")
            _, truth, _ = await get(replay, "/api/v3/depth?symbol=NKNUSDT&limit=5")
        finally:
            await exchange.close()

    assert book["bids"][:5] == [[float(p), float(q)] for p, q in truth["bids"]]


# A recording of our own needs no pack: it is made from the fake, and played.


async def next_delta(venue: FakeVenue, depth: Client) -> bytes:
    """Move the market until its book changes; return the delta."""
    last_id = venue.market.book(BTC, 1).last_id
    while venue.market.book(BTC, 1).last_id == last_id:
        await venue.step()
    return await depth.raw()


@pytest_asyncio.fixture
async def made(tmp_path: Path) -> AsyncIterator[Path]:
    """Record two raw sockets of a fake venue and the snapshot of a book."""
    folder = tmp_path / "made"
    async with FakeVenue("binance", seed=9, paused=True, symbols=(BTC,)) as venue:
        with Recorder(folder, venue="binance", secrets=["hush"]) as recorder:
            async with dial(venue) as trades, dial(venue, "/ws/btcusdt@depth@100ms") as depth:
                recorder.opened(1, "wss://stream.binance.com:9443/ws")
                recorder.opened(2, "wss://stream.binance.com:9443/ws/btcusdt@depth@100ms")
                ask = b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}'
                recorder.frame(1, "out", ask, T0)
                await trades.ws.send_bytes(ask)
                recorder.frame(1, "in", await trades.raw(), T0)
                for n in range(DELTAS):
                    t = T0 + n / 10
                    recorder.frame(2, "in", await next_delta(venue, depth), t)
                    if n == 3:
                        path = "/api/v3/depth?symbol=BTCUSDT&limit=1000"
                        status, body, _ = await get(venue, path)
                        url = f"https://api.binance.com{path}"
                        recorder.rest(url, status, msgspec.json.encode(body), t)
        truth = venue.market.rows(BTC, 20)
    (folder / "truth.json").write_text(json.dumps(truth))
    yield folder


@pytest.mark.parametrize("autostart", ["first", "all"])
async def test_what_the_recorder_writes_can_be_played(
    made: Path, autostart: Literal["first", "all"]
) -> None:
    """Raw recordings of several connections play on one combined socket."""
    async with Replay(made, autostart=autostart) as replay:
        reader = BookReader(replay, "BTCUSDT")
        assert replay.topics_recorded == ["btcusdt@trade", "btcusdt@depth@100ms"]
        async with dial(replay, combined(replay.topics_recorded)) as client:
            for _ in range(DELTAS):
                await reader.take((await client.read())["data"])
            await reader.finish()
    last_id, bids, asks = json.loads((made / "truth.json").read_text())

    assert (reader.last_id, reader.applied) == (last_id, DELTAS - 4)
    assert reader.top == (text(bids[0][0]), text(asks[0][0]))


async def test_recorded_timing_is_kept_at_a_speed(made: Path) -> None:
    """Two recorded seconds at speed 20 take a tenth of a second."""
    loop = asyncio.get_running_loop()
    async with (
        Replay(made, speed=20, autostart="first", snapshot_wait_s=0) as replay,
        dial(replay, "/ws/btcusdt@depth@100ms") as client,
    ):
        await client.read()
        begin = loop.time()
        await replay.finished.wait()

    assert loop.time() - begin >= 0.09


async def test_a_client_that_never_asks_does_not_stop_the_replay(made: Path) -> None:
    """The wait for a snapshot is bounded."""
    async with (
        Replay(made, autostart="first", snapshot_wait_s=0.05) as replay,
        dial(replay, "/ws/btcusdt@depth@100ms"),
    ):
        await replay.finished.wait()

    assert replay.sent["btcusdt@depth@100ms"] == DELTAS


async def test_sockets_stay_open_at_the_end(made: Path) -> None:
    """The end of a recording is not a disconnect."""
    async with Replay(made, snapshot_wait_s=0) as replay, dial(replay) as client:
        await replay.play()
        await replay.finished.wait()
        assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == []


async def test_a_replay_can_be_interrupted(made: Path) -> None:
    """Faults work on replays as on fakes: a dropped client finds its book again."""
    path, truth = "/ws/btcusdt@depth@100ms", json.loads((made / "truth.json").read_text())
    async with Replay(made, autostart="first") as replay:
        async with dial(replay, path) as client:
            await client.read()
            replay.pause()
            await get(replay, "/api/v3/depth?symbol=BTCUSDT&limit=1000")
            await replay.drop()
            assert await client.ended() == 1006
        reader = BookReader(replay, "BTCUSDT")
        async with dial(replay, path) as client:
            replay.resume()
            delta = await client.read()
            await reader.take(delta)
            while delta["u"] != truth[0]:
                delta = await client.read()
                await reader.take(delta)
            await reader.finish()

    assert reader.top == (text(truth[1][0][0]), text(truth[2][0][0]))


async def test_refused_handshakes_on_a_replay(made: Path) -> None:
    """The gateway's faults are those of the fake."""
    async with Replay(made) as replay:
        replay.refuse_sockets()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with dial(replay):
                pass
