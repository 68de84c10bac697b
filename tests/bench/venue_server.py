"""The other side of the venues' table: a fake that writes what it has encoded before, very fast.

It is called as `python -m tests.bench.venue_server VENUE KIND --measured N`, listens on loopback
and prints its address. Handshakes, answers and REST are the fake's. A socket that subscribes the
stream gets a warm-up, a frame each millisecond, and all the others as soon as the client says so:

    /bench/mark    answers when the warm-up has been sent: where it has ended, where the rest ends
    /bench/go      the rest comes, as fast as the socket takes it
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from tests.bench.server import PAUSE_S
from tests.bench.venues import SETUPS, Kind
from unified_ws.testing import FakeVenue
from unified_ws.testing._socket import Socket
from unified_ws.testing.market import MarketModel, Row
from unified_ws.testing.side import RestAnswer, RestRequest, Turn, venue_side

WARM_UP = 200
NOW_S = 1_795_176_000.0
TRADES_PER_S, CHANGES_PER_S = 15.0, 200.0
"""Of the market; so many changes make deltas of some 20 levels."""
_CHUNK = 64
_DEPTH = 400
"""Of the books that REST tells later on: more than anybody asks for who wants 20 levels."""
_Rows: TypeAlias = tuple[int, list[Row], list[Row]]


class Still(MarketModel):
    """A market that does not move by itself.

    Attributes:
        shown: Last id, bids and asks of its book; None: those at the beginning.
    """

    shown: _Rows | None = None

    def rows(self, symbol: str, limit: int | None = None) -> _Rows:
        """Return what is shown."""
        if self.shown is None:
            return super().rows(symbol, limit)
        last_id, bids, asks = self.shown
        return last_id, bids[:limit], asks[:limit]


class Feeder(FakeVenue):
    """A fake whose frames come from a twin that has moved before; one socket at a time.

    Its own market stands where its frames begin. Where a book starts by REST it follows the
    frames, since a client may need a later state, too.
    """

    def __init__(self, venue: str, kind: Kind, measured: int) -> None:
        self._setup = SETUPS[venue]
        self._stream = self._setup.stream(kind)
        self._kind = kind
        self._books: list[_Rows] = []
        self._payloads = self._encoded(venue, WARM_UP + measured)
        self._warm, self._going = asyncio.Event(), asyncio.Event()
        self._beside = self._fed = 0
        self._still = self._market(venue)
        super().__init__(venue, market=self._still, paused=True)

    def _market(self, venue: str) -> Still:
        return Still(
            [venue_side(venue).spec_of(self._setup.symbol)], seed=7, clock=lambda: NOW_S,
            levels=1000, trades_per_s=TRADES_PER_S, changes_per_s=CHANGES_PER_S,
        )  # fmt: skip

    def _encoded(self, venue: str, count: int) -> list[bytes]:
        """Return the payloads of the stream, which go on where this fake's market stands."""
        market, topic = self._market(venue), self._stream.topic
        make = venue_side(venue)
        twin = make(list(market.specs.values()), market, make.limits)
        twin.watch(topic)
        twin.greet(topic)  # deltas go on where it ends
        found: list[bytes] = []
        while len(found) < count:
            if self._kind == "book" and len(found) >= len(self._books) * _CHUNK:
                self._books.append(market.rows(self._setup.symbol, _DEPTH))
            found += [payload for name, payload in twin.encode(market.tick()) if name == topic]
        return found[:count]

    def apply(self, socket: Socket, turn: Turn) -> None:
        """Feed a socket that begins the stream, and count what it is sent beside it."""
        begins = self._stream.topic in turn.add
        if begins:
            self._still.shown = None
        if socket.link.number != self._fed:
            self._fed, self._beside = socket.link.number, 0
        self._beside += len(turn.replies)
        super().apply(socket, turn)
        if begins:
            self.spawn(self._feed(socket))

    def greeting(self, topic: str) -> Sequence[bytes]:
        """Count greetings."""
        payloads = super().greeting(topic)
        self._beside += len(payloads)
        return payloads

    async def answer(self, request: RestRequest) -> RestAnswer:
        """Answer the client's own requests here, the others as the venue does."""
        if request.host != "bench":
            return await super().answer(request)
        if request.path == "/mark":
            body = await self._mark()
        else:
            self._going.set()
            body = {"pause_s": PAUSE_S}
        return RestAnswer(200, msgspec.json.encode(body))

    async def _mark(self) -> dict[str, Any]:
        await self._warm.wait()
        measured = self._payloads[WARM_UP:]
        events = [msgspec.json.decode(payload) for payload in self._payloads[WARM_UP - 1 :]]
        rows = map(self._setup.rows, events[1:]) if self._kind == "trades" else (1,) * len(measured)
        return {
            "before": self._stream.mark(events[0]), "last": self._stream.mark(events[-1]),
            "frames": self._beside + WARM_UP, "rows": sum(rows),
            "bytes": sum(map(len, measured)) // len(measured),
        }  # fmt: skip

    async def _feed(self, socket: Socket) -> None:
        side, mode, topic = self.side, socket.link.mode, self._stream.topic
        frames = [socket.finished(side.frame(mode, topic, p)) for p in self._payloads]
        for at in range(WARM_UP):
            self._write(socket, at, frames[at : at + 1])
            socket.flush()
            await asyncio.sleep(0.001)
        self._warm.set()
        await self._going.wait()
        self._warm.clear()  # the next client comes when this one has read everything
        self._going.clear()
        await asyncio.sleep(PAUSE_S)
        for at in range(WARM_UP, len(frames), _CHUNK):
            self._write(socket, at, frames[at : at + _CHUNK])
            await socket.drain()

    def _write(self, socket: Socket, at: int, frames: Sequence[bytes]) -> None:
        if self._books:
            self._still.shown = self._books[at // _CHUNK]
        socket.queue(b"".join(frames))


async def _listen(venue: str, kind: Kind, measured: int) -> None:
    async with Feeder(venue, kind, measured) as feeder:
        sys.stdout.write(f"{feeder.gateway}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("venue", choices=SETUPS)
    arguments.add_argument("kind", choices=("trades", "book"))
    arguments.add_argument("--measured", type=int, required=True, help="frames of a run")
    given = arguments.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(given.venue, given.kind, given.measured))
