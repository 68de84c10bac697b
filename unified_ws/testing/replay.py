"""Play a recorded session through the gateway, byte for byte.

The rule of this file: a book snapshot and its stream must bridge as they did when they were
recorded. Hence playback stops where a snapshot was taken until the client has asked for it, and a
client that asks early waits. Whoever asks again later gets the snapshot with the deltas played so
far, so that a client that has lost its connection can begin anew. Snapshots that a venue sends in
the stream are frames like others; who subscribes after them is greeted by `catch_up`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from ._recording import Body, Recording
from ._socket import Socket
from .gateway import Gateway
from .side import RestAnswer, RestRequest, Turn, VenueSide

_TURN_S = 0.002


class Replay(Gateway):
    """A recorded session in the place of its venue.

    Args:
        folder: The recording.
        speed: 1 is the recorded timing, 10 ten times as fast, 0 as fast as the clients read.
        autostart: Play when the "first" recorded topic is subscribed, or when "all" are, or all
            of these topics. None leaves it to `play`.
        snapshot_wait_s: How long playback waits for a client that has subscribed a book to ask
            for its snapshot, and how long a request waits for playback.
        venue: A side of your own that reads the recording.
        limits: Fields of `Limits` that shall differ from the venue's.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        speed: float = 0.0,
        autostart: Literal["first", "all"] | Collection[str] | None = None,
        snapshot_wait_s: float = 8.0,
        venue: type[VenueSide] | None = None,
        **limits: Any,
    ) -> None:
        self.recording = Recording(folder, venue)
        side = self.recording.side
        super().__init__(
            side(self.recording.specs, None, dataclasses.replace(side.limits, **limits))
        )
        self.sent: Counter[str] = Counter()
        self.finished = asyncio.Event()
        self._speed = speed
        recorded = self.recording.topics
        self._begins_with = set(recorded if autostart in ("first", "all") else autostart or ())
        self._any_begins = autostart == "first"
        self._wait_s = snapshot_wait_s
        self._playing = False
        self._running = asyncio.Event()
        self._running.set()
        self._position = 0
        self._keys = {topic: side.snapshot_key(topic) for topic in self.recording.topics}
        self._gates = self._find_gates()
        self._asked: set[str] = set()
        self._served: set[str] = set()

    @property
    def topics_recorded(self) -> list[str]:
        """The topics of the recording."""
        return list(self.recording.topics)

    async def play(self) -> None:
        """Begin; `finished` is set when the last frame has been written."""
        if not self._playing:
            self._playing = True
            self.spawn(self._run())

    def pause(self) -> None:
        """Stop before the next frame; sockets, pings and REST go on."""
        self._running.clear()

    def resume(self) -> None:
        """Go on; the recorded timing is kept from here."""
        self._running.set()

    def apply(self, socket: Socket, turn: Turn) -> None:
        """Carry out what a client's text means, and perhaps begin."""
        super().apply(socket, turn)
        held = self._begins_with & self.topics.keys()
        if held and (self._any_begins or held == self._begins_with):
            self.spawn(self.play())

    def greeting(self, topic: str) -> Sequence[bytes]:
        """Return what the venue would send a client that comes in the middle."""
        played = self.recording.frames[: self._position]
        payloads = [frame.payload for frame in played if frame.topic == topic]
        return self.side.catch_up(topic, payloads) if payloads else ()

    async def answer(self, request: RestRequest) -> RestAnswer:
        """Answer with what was recorded; what was not, the venue side may know."""
        host = request.host.partition(":")[0]
        key = self.side.rest_key(request.path, request.query, host)
        bodies = self.recording.bodies.get(key)
        if key in self._gates:
            body = await self._snapshot(key, self.recording.bodies[key])
            return RestAnswer(200, self.side.fit(body, request.query))
        if bodies and self.side.usable(key, bodies[0].body, self.side.specs):
            past = [body for body in bodies if body.at <= self._position]
            return RestAnswer(200, (past or bodies[:1])[-1].body)
        return self.side.rest(request)

    def _find_gates(self) -> dict[str, int]:
        """Return for each book where its first snapshot belongs, in frames.

        A client asks only after its first delta (as venues demand), so a snapshot recorded before
        that delta is given out behind it.
        """
        first_delta: dict[str, int] = {}
        for n, frame in enumerate(self.recording.frames):
            key = self._keys.get(frame.topic)
            if key:
                first_delta.setdefault(key, n)
        return {
            key: max(self.recording.bodies[key][0].at, first_delta.get(key, -1) + 1)
            for key in filter(None, dict.fromkeys(self._keys.values()))
            if key in self.recording.bodies
        }

    def _wanted(self, key: str) -> bool:
        return any(self._keys.get(topic) == key for topic in self.topics)

    async def _snapshot(self, key: str, bodies: list[Body]) -> bytes:
        gate = self._gates[key]
        self._asked.add(key)
        self.changed()
        if self._position < gate:
            await self._until_position(gate)
        if key not in self._served and self._position <= gate:
            self._served.add(key)
            self.changed()
            return bodies[0].body
        while True:
            base = [body for body in bodies if body.at <= self._position] or bodies[:1]
            later = [body for body in bodies if body.at > self._position]
            played = self.recording.frames[: self._position]
            deltas = (f.payload for f in played if self._keys.get(f.topic) == key)
            body = self.side.advance(base[-1].body, deltas)
            if body is not None or not later:
                return body or base[-1].body
            # the recording has a gap here, which its client closed with a later snapshot
            await self._until_position(later[0].at)
            if self._position < later[0].at:
                return later[0].body

    async def _until_position(self, position: int) -> None:
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self._position >= position, self._wait_s)

    async def _hold(self, key: str) -> None:
        """Wait at a snapshot's place until the client that wants it has it."""
        self.changed()
        if self._wanted(key) and key not in self._served:
            await self.drain()
            with contextlib.suppress(TimeoutError):
                await self.until(lambda: key in self._served, self._wait_s)

    async def _run(self) -> None:
        frames = self.recording.frames
        gates: dict[int, list[str]] = {}
        for key, place in self._gates.items():
            gates.setdefault(place, []).append(key)
        begun = time.monotonic() - (frames[0].t / self._speed if self._speed and frames else 0)
        turn_over = time.monotonic() + _TURN_S
        for n, frame in enumerate(frames):
            now = time.monotonic()
            for key in gates.get(n, ()):
                await self._hold(key)
            if not self._running.is_set():
                await self.drain()
                await self._running.wait()
            begun += time.monotonic() - now  # waiting shifts what follows
            ahead_s = begun + frame.t / self._speed - time.monotonic() if self._speed else 0.0
            if ahead_s > 0 or time.monotonic() > turn_over:
                await self.drain()
                self.changed()
                await asyncio.sleep(max(0.0, ahead_s))
                turn_over = time.monotonic() + _TURN_S
            if frame.topic in self._subscribers:
                self.publish(frame.topic, frame.payload)
                self.sent[frame.topic] += 1
            self._position = n + 1
        for key in gates.get(len(frames), ()):
            await self._hold(key)
        await self.drain()
        self.finished.set()
        self.changed()
