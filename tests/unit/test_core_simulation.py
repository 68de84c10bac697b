"""The whole core against a venue that misbehaves, on a clock of its own.

A true market goes on; a server speaks of it over sockets that fail in every way we know, REST
lags and fails, users come and go, the venue asks for rotations. At every step what is handed
out is true; once the faults end, everything delivered equals the truth, or is in the ledger.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from math import inf
from typing import Any

import msgspec
import pytest

from tests.unit.test_core_engine import Toy, topics_of, toy_venue
from unified_ws import adapter as ws
from unified_ws.core.actions import DialLink, Fetch, HangUp, Notice, Ping, Send
from unified_ws.core.books import BookStream, Replica
from unified_ws.core.engine import Engine
from unified_ws.core.machine import State
from unified_ws.core.streams import Stream
from unified_ws.core.trades import TradeStream

PER_CONNECTION = 7
MESSAGES = ws.Window(n=5, per_s=1)
SYMBOLS = [f"S{number}" for number in range(5)]


class Truth:
    """What really happened on one market: its trades, and every state of its book."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.last_trade = 1000
        self.sides: tuple[dict[float, float], dict[float, float]] = ({9.0: 1.0}, {21.0: 1.0})
        self.changes: list[tuple[int, float, float]] = []
        self.states = [(dict(self.sides[0]), dict(self.sides[1]))]

    @property
    def book_id(self) -> int:
        """Number of the newest change."""
        return len(self.changes)

    def move(self) -> None:
        """Let one change of the book happen."""
        side = self._rng.randrange(2)
        price = float(self._rng.randrange(1, 11) + 20 * side)
        amount = self._rng.choice((0.0, 1.0, 2.0))
        self.changes.append((side, price, amount))
        self.sides[side][price] = amount
        if not amount:
            del self.sides[side][price]
        self.states.append((dict(self.sides[0]), dict(self.sides[1])))

    def delta(self, prev: int) -> dict[str, Any]:
        """Sum up the changes since `prev`."""
        sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        for side, price, amount in self.changes[prev:]:
            sides[side][price] = amount
        return {
            "prev": prev, "last": self.book_id, "bids": list(sides[0].items()),
            "asks": list(sides[1].items()),
        }  # fmt: skip

    def snapshot(self, at: int) -> dict[str, Any]:
        """Return the book as it was."""
        bids, asks = self.states[at]
        return {"last": at, "bids": list(bids.items()), "asks": list(asks.items())}


class Peer:
    """The server's end of one socket."""

    def __init__(self, number: int, delay_s: float) -> None:
        self.number = number
        self.delay_s = delay_s
        self.free_at = 0.0
        self.subscribed: set[str] = set()
        self.alive = True
        self.stalled = False
        self.heard: list[float] = []


class World:
    """A venue, a network and a clock."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.trouble = True
        self.truth = {name: Truth(self.rng) for name in SYMBOLS}
        self.adapter = Toy()
        venue = toy_venue(
            heartbeat=ws.Heartbeat(by="none", idle_ping_s=5, timeout_s=4, silence_s=20),
            limits=ws.Limits(
                topics_per_request=4, topics_per_connection=PER_CONNECTION, messages=MESSAGES,
                rotate_after_s=120,
            ),
        )  # fmt: skip
        self.engine = Engine(
            self.adapter, venue, jitter=lambda s: self.rng.uniform(0, s),
            markets=lambda endpoint: lambda name: name, buffer=200_000,
        )  # fmt: skip
        self.peers: dict[int, Peer] = {}
        self.all_peers: list[Peer] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.notices: dict[str, int] = defaultdict(int)
        self.streams: dict[str, Stream] = {}
        self.tickers: dict[str, float] = defaultdict(float)
        self.asked = 0
        self.replicas: dict[str, Replica] = {}

    # --- time -----------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Plan something."""
        heapq.heappush(self.events, (when, next(self.order), what))

    def run(self, end: float) -> None:
        """Let the world go on until `end`."""
        idle = 0
        while True:
            due = min(self.events[0][0] if self.events else inf, self.engine.deadline())
            if due > end:
                break
            idle = idle + 1 if due <= self.now else 0
            assert idle < 500, "time stands still"
            self.now = max(self.now, due)
            while self.events and self.events[0][0] <= self.now:
                heapq.heappop(self.events)[2]()
                self.perform()
            self.engine.tick(self.now)
            self.perform()
        self.now = end

    def perform(self) -> None:
        """Be the shell."""
        engine = self.engine
        while engine.actions:
            actions, engine.actions = engine.actions, []
            for action in actions:
                match action:
                    case DialLink():
                        self.dial(action.link)
                    case HangUp():
                        peer = self.peers.pop(action.link, None)
                        if peer is not None:
                            peer.alive = False
                    case Send():
                        self.take(action.link, msgspec.json.decode(action.frame))
                    case Ping():
                        self.ping(action.link)
                    case Fetch():
                        self.fetch(action)
                    case Notice():
                        self.notices[action.event] += 1

    def chance(self, share: float) -> bool:
        """Say whether a fault happens."""
        return self.trouble and self.rng.random() < share

    # --- sockets --------------------------------------------------------------------------

    def dial(self, number: int) -> None:
        """Let a socket be opened, late, or not at all."""
        link = self.engine.links[number]
        peer = Peer(number, self.rng.uniform(0.001, 0.2))
        self.peers[number] = peer
        self.all_peers.append(peer)

        def answer() -> None:
            if not peer.alive:
                return
            if self.chance(0.15):
                self.gone(peer, "refused")
            else:
                self.engine.opened(link, self.now)

        if not self.chance(0.03):  # else: a SYN into the void
            self.at(self.now + self.rng.uniform(0.01, 0.5), answer)

    def gone(self, peer: Peer, reason: str) -> None:
        """Let a socket end: what was on its way is lost."""
        if not peer.alive:
            return
        peer.alive = False
        if self.peers.get(peer.number) is peer:
            del self.peers[peer.number]
            link = self.engine.links.get(peer.number)
            if link is not None:
                self.engine.lost(link, self.now, reason)

    def deliver(self, peer: Peer, frame: bytes) -> None:
        """Send one frame to the client: in order, after this socket's delay."""
        if peer.stalled:
            return
        peer.free_at = max(peer.free_at, self.now + peer.delay_s * self.rng.uniform(0.5, 1.5))

        def arrive() -> None:
            if peer.alive and self.peers.get(peer.number) is peer:
                link = self.engine.links[peer.number]
                self.engine.received(link, frame, self.now, int(self.now * 1e9))

        self.at(peer.free_at, arrive)

    def take(self, number: int, body: dict[str, Any]) -> None:
        """Take a request and answer it, late, never, or with an error."""
        peer = self.peers.get(number)
        assert peer is not None, "a request to a socket that is gone"
        peer.heard.append(self.now)
        if peer.stalled:
            return
        assert len(body["topics"]) <= 4
        error = None
        if body["op"] == "unsubscribe":
            peer.subscribed -= set(body["topics"])
        elif len(body["topics"]) > 1 and self.chance(0.05):
            error = "busy"
        else:
            peer.subscribed |= set(body["topics"])
            assert len(peer.subscribed) <= PER_CONNECTION
        if self.chance(0.03):
            return
        reply = msgspec.json.encode({"ack": body["id"], "error": error})
        self.at(
            self.now + (self.rng.uniform(0, 3) if self.chance(0.2) else 0.0),
            lambda: self.deliver(peer, reply),
        )

    def ping(self, number: int) -> None:
        """Answer a ping frame."""
        peer = self.peers[number]
        peer.heard.append(self.now)

        def pong() -> None:
            link = self.engine.links.get(number)
            if peer.alive and not peer.stalled and link is not None:
                link.machine.received(self.now)

        self.at(self.now + peer.delay_s, pong)

    # --- REST -----------------------------------------------------------------------------

    def fetch(self, fetch: Fetch) -> None:
        """Answer a REST call from the truth of then, perhaps of a little before."""
        self.asked += 1
        truth = self.truth[fetch.rest.params["symbol"]]

        def answer() -> None:
            body: Any = None
            error = "HTTP 500" if self.chance(0.2) else None
            lag = self.rng.randrange(8) if self.chance(0.3) else 0
            if self.chance(0.05):
                body = {"what": "is this"}
            elif fetch.what == "snapshot":
                body = truth.snapshot(max(0, truth.book_id - lag))
            else:
                newest = truth.last_trade - lag
                first = fetch.rest.params.get("from", newest - 49)
                body = [[n, n, 1.0, 1.0] for n in range(first, min(first + 50, newest + 1))]
            self.engine.recovery.fetched(fetch, body, error, self.now, int(self.now * 1e9))

        self.at(self.now + self.rng.uniform(0.01, 1.0), answer)

    # --- what goes on ---------------------------------------------------------------------

    def publish(self, topic: str, body: dict[str, Any]) -> None:
        """Tell every subscriber; now and then one of them misses it, or hears it twice."""
        frame = msgspec.json.encode({"topic": topic, **body})
        for peer in self.peers.values():
            if topic in peer.subscribed and not self.chance(0.002):
                for _ in range(2 if self.chance(0.01) else 1):
                    self.deliver(peer, frame)
                if self.chance(0.002):
                    self.deliver(peer, self.rng.choice((b"{", b'{"topic": "trades:S0"}', b"\xff")))

    def trade(self, name: str) -> None:
        """Let one trade happen, and plan the next."""
        truth = self.truth[name]
        truth.last_trade += 1
        number = truth.last_trade
        self.publish(f"trades:{name}", {"rows": [[number, number, 1.0, 1.0]]})
        self.at(self.now + self.rng.expovariate(4.0), lambda: self.trade(name))

    def change(self, name: str) -> None:
        """Let the book change a little, and plan the next change."""
        truth = self.truth[name]
        prev = truth.book_id
        for _ in range(self.rng.randrange(1, 4)):
            truth.move()
        self.publish(f"order_book:{name}", truth.delta(prev))
        self.publish(f"ticker:{name}", {"ms": int(self.now * 1000), "price": float(prev)})
        self.at(self.now + self.rng.expovariate(3.0), lambda: self.change(name))

    def mischief(self) -> None:
        """Let one of the larger things happen, and plan the next."""
        peers = [peer for peer in self.peers.values() if peer.alive]
        if self.trouble and peers:
            peer = self.rng.choice(peers)
            match self.rng.randrange(6):
                case 0:
                    self.gone(peer, "closed by peer")
                case 1:
                    peer.stalled = True  # half open: only a ping can tell
                case 2:
                    self.deliver(peer, b'{"closing": "maintenance"}')
                case 3:
                    for each in peers:
                        self.deliver(each, b'{"closing": "shutdown"}')
                case 4:
                    for each in peers:
                        self.gone(each, "power cut")
                case 5 if peer.subscribed:
                    topic = self.rng.choice(sorted(peer.subscribed))
                    peer.subscribed.discard(topic)
                    self.deliver(peer, msgspec.json.encode({"ended": topic}))
        self.at(self.now + self.rng.expovariate(1 / 12), self.mischief)

    def users(self) -> None:
        """Let somebody come or go; the first two markets are watched all the time."""
        name = self.rng.choice(SYMBOLS[2:])
        kind = self.rng.choice((ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER))
        key = f"{kind}:{name}"
        if key in self.streams and self.trouble:
            self.engine.release(self.streams.pop(key), "user", self.now)
        else:
            self.watch(kind, name)
        self.perform()
        self.at(self.now + self.rng.expovariate(0.5), self.users)

    def watch(self, kind: ws.Kind, name: str) -> None:
        """Watch something."""
        stream = self.engine.stream(ws.Sub(kind, ws.Market(name, name)), self.now)
        self.engine.hold(stream, "user", self.now)
        self.streams[f"{kind}:{name}"] = stream
        self.perform()

    def check(self) -> None:
        """Compare everything that a user could be handed with the truth."""
        for stream in self.streams.values():
            if isinstance(stream, BookStream) and (book := stream.current()) is not None:
                assert book.nonce is not None
                bids, asks = self.truth[str(stream.symbol)].states[book.nonce]
                assert book.bids.amounts == bids
                assert book.asks.amounts == asks
            elif isinstance(stream, TradeStream):
                got = [row.number for row in stream.rows.rows[-50:]]
                assert got == sorted(set(got))
        for key, replica in self.replicas.items():
            books = self.streams[key]
            assert isinstance(books, BookStream)
            while replica.position < books.rows.head:
                copy = replica.move(books.rows.rows[replica.position - books.rows.base])
                if copy is not None and copy.nonce is not None:
                    bids, asks = self.truth[str(books.symbol)].states[copy.nonce]
                    assert (copy.bids.amounts, copy.asks.amounts) == (bids, asks)
        self.at(self.now + 0.5, self.check)


def storm(seed: int, minutes: float) -> World:
    """Run a world through trouble, then through a calm in which it must heal."""
    world = World(seed)
    for name in SYMBOLS:
        world.at(world.rng.random(), lambda name=name: world.trade(name))  # type: ignore[misc]
        world.at(world.rng.random(), lambda name=name: world.change(name))  # type: ignore[misc]
    for name, kind in itertools.product(
        SYMBOLS[:2], (ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER)
    ):
        world.watch(kind, name)
    for name in SYMBOLS[:2]:
        books = world.streams[f"order_book:{name}"]
        assert isinstance(books, BookStream)
        world.replicas[f"order_book:{name}"] = Replica(books)
    world.at(1.0, world.users)
    world.at(5.0, world.mischief)
    world.at(0.5, world.check)
    world.run(minutes * 60)
    world.trouble = False
    for name, kind in itertools.product(
        SYMBOLS[2:], (ws.Kind.TRADES, ws.Kind.BOOK, ws.Kind.TICKER)
    ):
        world.watch(kind, name)
    world.run(minutes * 60 + 200)
    return world


@pytest.mark.parametrize("seed", range(8))
def test_after_any_storm_everything_delivered_is_the_truth(seed: int) -> None:
    """Drops, stalls, lost and doubled frames, late acks, bad REST, rotations, users."""
    world = storm(seed, 3.0)
    engine = world.engine
    # Every stream is up, and has heard of the last few seconds.
    for key, stream in world.streams.items():
        assert stream.healthy, key
        assert stream.fatal is None, key
        assert stream.data_at > world.now - 10.0, key
        truth = world.truth[str(stream.symbol)]
        if isinstance(stream, BookStream):
            assert stream.valid, key
            assert stream.sync.book.nonce is not None
            assert stream.sync.book.nonce >= truth.book_id - 12, key
        if not isinstance(stream, TradeStream):
            continue
        got = [row.number for row in stream.rows.rows]
        assert got == sorted(set(got)), key
        assert got[-1] >= truth.last_trade - 6, key
        assert not stream.held, key
        missing = set(range(got[0], got[-1] + 1)) - set(got)
        open_gaps: list[int] = []
        for gap in engine.ledger.gaps(stream.symbol):
            if gap.kind == "trades" and not gap.closed:
                open_gaps += range(int(gap.after_id or 0) + 1, int(gap.before_id or 0))
        assert missing <= set(open_gaps), key
        if stream.symbol in SYMBOLS[:2]:  # watched all the time by one stream object
            assert sorted(open_gaps) == sorted(missing), key
        assert {row.number: row.missed_before for row in stream.rows.rows if row.missed_before} == {
            after: after - before - 1 for before, after in itertools.pairwise(got) if after - before > 1
        }, key  # fmt: skip
    # Topics lie where the engine thinks, once each, and nowhere else.
    live = {link.number for link in engine.links.values() if link.machine.state is State.LIVE}
    rotating = {link.number for link in engine.links.values() if link.replaces is not None}
    for topic, entry in topics_of(engine).items():
        assert entry.owner in live, topic
        assert topic in world.peers[entry.owner].subscribed, topic
    held: dict[str, int] = defaultdict(int)
    for number, peer in world.peers.items():
        if number not in rotating:
            for topic in peer.subscribed:
                held[topic] += 1
    assert dict(held) == dict.fromkeys(topics_of(engine), 1)
    # Nobody was asked too much: messages in every window, sockets, REST.
    for peer in world.all_peers:
        for start, after in zip(peer.heard, peer.heard[5:], strict=False):
            assert after - start >= MESSAGES.per_s - 1e-6
    assert len(engine.links) <= 2 * len(world.streams) // PER_CONNECTION + 4
    assert world.notices["rotated"] > 0
    assert world.notices["down"] > 0
    # And letting go of it all leaves nothing behind.
    for stream in list(world.streams.values()):
        engine.release(stream, "user", world.now)
    world.perform()
    assert engine.links == {}
    assert topics_of(engine) == {}
    assert engine.streams == {}
    assert world.peers == {}
    assert engine.deadline() == inf


def test_the_same_seed_is_the_same_storm() -> None:
    """A failing seed must fail again, or nobody can mend it."""
    first, second = storm(3, 1.0), storm(3, 1.0)
    assert first.asked == second.asked
    assert first.notices == second.notices
