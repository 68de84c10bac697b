"""The fake misbehaves on demand, and enforces the venue's limits.

Section numbers are those of the protocol sheet for Binance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import aiohttp
import msgspec
import pytest

from tests.support import Client, dial, get
from unified_ws.testing import FakeVenue
from unified_ws.testing.gateway import RestSeen

pytest_plugins = ["unified_ws.testing.pytest_plugin"]

MakeVenue = Callable[..., Awaitable[FakeVenue]]
BTC = "BTC/USDT"
TIME = "/api/v3/time"


async def deltas(client: Client, count: int) -> list[tuple[int, int]]:
    """Return first and last id of the next deltas."""
    frames = [await client.read() for _ in range(count)]
    return [(frame["U"], frame["u"]) for frame in frames]


async def test_messages_beyond_the_limit_end_the_connection(fake_venue: MakeVenue) -> None:
    """Section 2: five a second, everything counted; 4: close code 1008."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        for number in range(4):
            await client.ws.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        await client.ws.ping()
        await client.ws.pong()
        code = await client.ended()

    assert code == 1008
    assert venue.stats.violations == ["socket 1 sent more than 5 messages/s"]


async def test_topics_beyond_the_limit_are_refused(fake_venue: MakeVenue) -> None:
    """Section 2: 1024 streams a connection."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        taken = await client.ask("SUBSCRIBE", *(f"a{n}usdt@trade" for n in range(1024)))
        refused = await client.ask("SUBSCRIBE", "btcusdt@trade")

    assert taken["result"] is None
    assert refused["code"] == 2


async def test_dials_beyond_the_limit_are_refused(fake_venue: MakeVenue) -> None:
    """Section 2: 300 attempts in five minutes."""
    venue = await fake_venue("binance", paused=True, dials=2)
    for _ in range(2):
        async with dial(venue):
            pass
    with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
        async with dial(venue):
            pass

    assert venue.stats.connections == 2
    assert len(venue.stats.violations) == 1


async def test_pings_are_sent_and_their_pongs_seen(fake_venue: MakeVenue) -> None:
    """Section 3: ping frames, answered with pong frames."""
    venue = await fake_venue("binance", paused=True, ping_every_s=0.01, messages_per_s=0)
    async with dial(venue) as client:
        reading = asyncio.ensure_future(client.ended())
        await venue.until(lambda: venue.stats.pongs_received >= 2)
        venue.stop_pings()
        sent = venue.stats.pings_sent
        await client.ws.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        await venue.until(lambda: bool(venue.stats.requests))
        reading.cancel()

    assert venue.stats.pings_sent == sent
    assert venue.stats.violations == []


async def test_without_pongs_the_connection_is_cut(fake_venue: MakeVenue) -> None:
    """Section 3: pong within 60 s, here within 30 ms."""
    venue = await fake_venue("binance", paused=True, ping_every_s=0.01, pong_within_s=0.03)
    async with dial(venue, autoping=False) as client:
        code = await client.ended()

    assert code == 1006
    assert venue.stats.violations == ["socket 1 did not answer pings; cut off"]


async def test_unsolicited_pongs_keep_nothing_alive(fake_venue: MakeVenue) -> None:
    """Section 3: a pong answers a ping only if it carries its payload."""
    venue = await fake_venue("binance", paused=True, ping_every_s=0.01, pong_within_s=0.03)
    async with dial(venue, autoping=False) as client:
        await venue.until(lambda: venue.stats.pings_sent > 0)
        await client.ws.pong(b"")
        assert await client.ended() == 1006

    assert venue.stats.pongs_received == 0


async def test_a_connection_has_its_lifetime(fake_venue: MakeVenue) -> None:
    """Section 2: 24 hours, here 20 ms."""
    venue = await fake_venue("binance", paused=True, lifetime_s=0.02)
    async with dial(venue) as client:
        assert await client.ended() == 1001


@pytest.mark.parametrize("code", [1006, 1001, 1008, 1011])
async def test_dropping_shows_the_code(fake_venue: MakeVenue, code: int) -> None:
    """1006 is the absence of a close frame."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue, "/ws/btcusdt@trade") as client:
        reading = asyncio.ensure_future(client.ended())
        await venue.drop(code, "because")
        assert await reading == code

    assert venue.stats.open_connections == 0
    assert venue.topics == {}


async def test_one_of_two_connections_is_dropped(fake_venue: MakeVenue) -> None:
    """Faults can aim."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as first, dial(venue, "/ws/btcusdt@depth@100ms") as second:
        await venue.drop(which=1)
        assert await first.ended() == 1006
        await venue.step(3)
        assert (await second.read())["e"] == "depthUpdate"

    assert venue.stats.connections == 2


@pytest.mark.parametrize("frame", [b'{"e":"\xff\xfe"}', b"{", b"x" * 20_000_000], ids=len)
async def test_any_frame_can_be_injected(fake_venue: MakeVenue, frame: bytes) -> None:
    """Invalid UTF-8, half a frame of JSON, 20 MB: all as text."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        reading = asyncio.ensure_future(client.raw())
        await venue.inject(frame)
        assert await reading == frame


async def test_a_binary_frame_can_be_injected(fake_venue: MakeVenue) -> None:
    """Some venues compress; this one must not, and a library must not mind."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        await venue.inject("text as binary", binary=True)
        message = await client.ws.receive()

    assert (message.type, message.data) == (aiohttp.WSMsgType.BINARY, b"text as binary")


async def test_a_silenced_topic_is_acknowledged_and_not_delivered(fake_venue: MakeVenue) -> None:
    """Section 4: as with a stream on a wrong route."""
    venue = await fake_venue("binance", paused=True)
    venue.silence("btcusdt@depth@100ms")
    async with dial(venue) as client:
        answer = await client.ask("SUBSCRIBE", "btcusdt@depth@100ms", "ethusdt@depth@100ms")
        assert answer["result"] is None
        await venue.step(2)
        assert {(await client.read())["s"] for _ in range(2)} == {"ETHUSDT"}
        venue.unsilence("btcusdt@depth@100ms")
        await venue.step(1)
        assert {(await client.read())["s"] for _ in range(2)} == {"ETHUSDT", "BTCUSDT"}


async def test_a_dropped_delta_leaves_a_gap(fake_venue: MakeVenue) -> None:
    """The book moves on, the frame is missing, the next one shows it."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue, "/ws/btcusdt@depth@100ms") as client:
        await venue.step(2)
        venue.drop_next_delta(BTC)
        await venue.step(3)
        ids = await deltas(client, 4)

    holes = [b[0] - a[1] for a, b in pairwise(ids)]
    assert [hole > 1 for hole in holes] == [False, True, False]
    assert ids[-1][1] == venue.market.book(BTC).last_id


async def test_a_dropped_delta_needs_a_known_symbol(fake_venue: MakeVenue) -> None:
    """A typing error in a test does not make it pass."""
    venue = await fake_venue("binance", paused=True)
    with pytest.raises(LookupError, match="BTCUSDT"):
        venue.drop_next_delta("BTCUSDT")


@pytest.mark.parametrize("path", ["/ws", "/stream"])
async def test_a_shutdown_is_announced(fake_venue: MakeVenue, path: str) -> None:
    """Section 9: raw and combined form of serverShutdown, then the close."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue, path) as client:
        noticing = asyncio.ensure_future(venue.notice_shutdown(0.01))
        notice = await client.read()
        assert await client.ended() == 1001
        await noticing

    inner = notice["data"] if path == "/stream" else notice
    assert inner["e"] == "serverShutdown"
    assert notice.get("stream") in (None, "!serverShutdown")


async def test_sockets_can_be_refused(fake_venue: MakeVenue) -> None:
    """451 is what a venue says to the wrong country."""
    venue = await fake_venue("binance", paused=True)
    venue.refuse_sockets(451, times=2)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="451"):
            async with dial(venue):
                pass
    async with dial(venue):
        assert venue.stats.connections == 1


async def test_rest_can_fail(fake_venue: MakeVenue) -> None:
    """By pattern, so many times, with body and headers."""
    venue = await fake_venue("binance", paused=True)
    venue.fail_rest(
        r"/depth\?symbol=BTC", 503, '{"code":-1}', headers={"Retry-After": "7"}, times=2
    )
    depth = "/api/v3/depth?symbol=BTCUSDT"
    found = [await get(venue, path) for path in (depth, TIME, depth, depth)]

    assert [status for status, _, _ in found] == [503, 200, 503, 200]
    assert found[0][1] == {"code": -1}
    assert found[0][2]["Retry-After"] == "7"


async def test_too_much_weight_is_429_then_418(fake_venue: MakeVenue) -> None:
    """Section 9: whoever goes on after 429 is banned."""
    venue = await fake_venue("binance", paused=True, weight_per_min=3, tolerated_429=2)
    found = [await get(venue, TIME) for _ in range(7)]

    assert [status for status, _, _ in found] == [200, 200, 200, 429, 429, 429, 418]
    assert found[3][1]["code"] == -1003
    assert 50 <= int(found[3][2]["Retry-After"]) <= 60
    assert int(found[6][2]["Retry-After"]) > 100
    assert len(venue.stats.violations) == 2


async def test_a_reader_that_does_not_read_delays_no_one_forever(fake_venue: MakeVenue) -> None:
    """Steps wait for readers, and go on as soon as they read."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        writing = asyncio.ensure_future(venue.inject(b"x" * 20_000_000))
        await asyncio.sleep(0)
        assert not writing.done()
        await client.raw()
        await writing


async def test_the_fake_reports_what_it_saw(fake_venue: MakeVenue) -> None:
    """Tests assert on requests, not on internals of the library."""
    venue = await fake_venue("binance", paused=True)
    async with dial(venue) as client:
        assert venue.stats.open_connections == 1
        await client.ask("SUBSCRIBE", "btcusdt@trade")
    await get(venue, "/api/v3/depth?symbol=BTCUSDT&limit=500")
    await venue.until(lambda: venue.stats.open_connections == 0)

    assert venue.stats.connections == 1
    assert venue.stats.requests == [(1, "SUBSCRIBE", ["btcusdt@trade"])]
    (seen,) = venue.stats.rest
    assert isinstance(seen, RestSeen)
    assert seen[:4] == (
        "api.binance.com",
        "/api/v3/depth",
        {"symbol": "BTCUSDT", "limit": "500"},
        25,
    )


async def test_waiting_has_an_end(fake_venue: MakeVenue) -> None:
    """A condition that never comes fails the test, not the suite's patience."""
    venue = await fake_venue("binance", paused=True)
    with pytest.raises(TimeoutError):
        await venue.until(lambda: False, timeout_s=0.01)


async def test_pause_and_resume(fake_venue: MakeVenue) -> None:
    """A running market can be held still while a test looks at it."""
    venue = await fake_venue("binance", speed=50.0)
    async with dial(venue, "/ws/btcusdt@depth@100ms") as client:
        await client.read()
        venue.pause()
        number = venue.market.number
        await client.ask("LIST_SUBSCRIPTIONS")
        assert venue.market.number - number <= 1  # one that was under way
        venue.resume()
        await client.read()


def test_frames_are_framed_in_every_length() -> None:
    """The three forms of the length field of RFC 6455."""
    from unified_ws.testing._socket import framed

    assert framed(b"a" * 125)[:2] == bytes((0x81, 125))
    assert framed(b"a" * 126)[:4] == bytes((0x81, 126, 0, 126))
    assert framed(b"a" * 65536, 2)[:10] == bytes((0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0))
    assert msgspec.json.decode(framed(b'{"a":1}')[2:]) == {"a": 1}
