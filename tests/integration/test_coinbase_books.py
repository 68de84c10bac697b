"""Books of Coinbase under attack: what is handed out is the venue's own, or nothing is.

Level2 has no numbers of its own; the number of the frame on its connection is the one proof (6.3).
So the whole engine is driven here, by hand and without sockets, and then once over the fake.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import unified_ws
from tests.support import until
from unified_ws import adapter as ws
from unified_ws.core.actions import DialLink, HangUp, Send
from unified_ws.core.books import BookStream
from unified_ws.core.engine import Engine
from unified_ws.testing import FakeVenue, MarketModel
from unified_ws.testing.market import Delta, Event
from unified_ws.testing.venues._coinbase_products import described
from unified_ws.venues.coinbase import VENUE, Coinbase

PRODUCTS = ("BTC-USD", "ETH-USD")
CASES, STEPS = 1500, 30
State = tuple[dict[float, float], dict[float, float]]
ADAPTER = Coinbase()
MARKETS = {name: ws.Market(name.replace("-", "/"), name, wire_id=name) for name in PRODUCTS}


class Frame:
    """A frame on its way, with the books of the moment in which the venue sent it."""

    def __init__(self, raw: bytes, truth: dict[str, State]) -> None:
        self.raw = raw
        self.truth = truth


class Peer:
    """The venue's end of one connection: counts every frame, sends in order."""

    def __init__(self) -> None:
        self.sent = 0
        self.held: dict[str, None] = {}
        self.way: deque[Frame] = deque()
        self.heard: dict[int, dict[str, State]] = {}
        self.last: int | None = None


class World:
    """The true books, a venue that tells of them, a network that harms, and the engine."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.books: dict[str, State] = {p: ({9.0: 1.0}, {21.0: 1.0}) for p in PRODUCTS}
        self.peers: dict[int, Peer] = {}
        self.engine = Engine(
            ADAPTER, VENUE, jitter=lambda _: 0.0, markets=lambda _: _SYMBOLS.get
        )
        self.streams: dict[str, BookStream] = {}
        self.valid = self.invalid = 0
        for product, market in MARKETS.items():
            stream = self.engine.stream(ws.Sub(ws.Kind.BOOK, market), self.now)
            assert isinstance(stream, BookStream)
            self.engine.hold(stream, "reader", self.now)
            self.streams[product] = stream
        self.perform()

    # --- the venue

    def say(self, peer: Peer, channel: str, *events: dict[str, Any]) -> None:
        """Put a frame on its way."""
        raw = msgspec.json.encode({
            "channel": channel, "timestamp": "2026-04-07T14:30:01.456789Z",
            "sequence_num": peer.sent, "events": events,
        })  # fmt: skip
        peer.sent += 1
        told = {p: (dict(bids), dict(asks)) for p, (bids, asks) in self.books.items()}
        peer.way.append(Frame(raw, told))

    def snapshot(self, peer: Peer, product: str) -> None:
        """Tell a whole book."""
        bids, asks = self.books[product]
        self.say(peer, "l2_data", _level2("snapshot", product, [*bids.items()], [*asks.items()]))

    def take(self, peer: Peer, request: dict[str, Any]) -> None:
        """Carry out a request; the first state comes before the answer, or after it."""
        if request["channel"] == "heartbeats":
            topics = ["heartbeats"]
        else:
            topics = [f"{request['channel']}:{name}" for name in request["product_ids"]]
        for topic in topics:
            if request["type"] == "subscribe":
                peer.held[topic] = None
            else:
                peer.held.pop(topic, None)
        late = self.rng.random() < 0.3
        begun = [t.partition(":")[2] for t in topics] if request["type"] == "subscribe" else []
        for product in () if late else begun:
            if product:
                self.snapshot(peer, product)
        held: dict[str, list[str]] = {}
        for topic in peer.held:
            channel, _, name = topic.partition(":")
            held.setdefault(channel, []).append(name or channel)
        self.say(peer, "subscriptions", {"subscriptions": held})
        for product in begun if late else ():
            if product:
                self.snapshot(peer, product)

    def move(self) -> None:
        """Change one book and tell whoever holds it."""
        rng, product = self.rng, self.rng.choice(PRODUCTS)
        changed: list[dict[float, float]] = [{}, {}]
        for _ in range(rng.randrange(1, 4)):
            side = rng.randrange(2)
            price, amount = float(rng.randrange(1, 11) + 20 * side), rng.choice((0.0, 1.0, 2.0))
            changed[side][price] = self.books[product][side][price] = amount
            if not amount:
                del self.books[product][side][price]
        rows = [[*changes.items()] for changes in changed]
        for peer in self.peers.values():
            if f"level2:{product}" in peer.held:
                self.say(peer, "l2_data", _level2("update", product, *rows))

    # --- the network

    def deliver(self, peer: Peer, harm: Callable[[], str]) -> None:
        """Let the next frame of a connection arrive, if it does."""
        frame = peer.way.popleft()
        what = harm()
        if what == "drop":
            return
        if what == "swap" and peer.way:
            self.arrive(peer, peer.way.popleft())
        self.arrive(peer, frame)
        if what == "repeat":
            self.arrive(peer, frame)
        if what == "late":  # once more, when the book has gone on
            peer.way.insert(min(len(peer.way), self.rng.randrange(1, 6)), frame)

    def arrive(self, peer: Peer, frame: Frame) -> None:
        """Hand a frame to the engine, and judge every book."""
        number = next((n for n, known in self.peers.items() if known is peer), None)
        if number is None:
            return  # the engine has given that connection up
        told = msgspec.json.decode(frame.raw)["sequence_num"]
        # The first one that arrives counts: nothing but the heartbeats can have come before it.
        if peer.last is None or told == peer.last + 1:
            peer.last, peer.heard[told] = told, frame.truth
        self.engine.received(self.engine.links[number], frame.raw, self.now, 1)
        self.perform()
        self.judge()

    def judge(self) -> None:
        """Compare what can be had with what the last frame in order knew."""
        (peer,) = self.peers.values() or (None,)
        for product, stream in self.streams.items():
            book = stream.current()
            if book is None:
                self.invalid += 1
                continue
            self.valid += 1
            assert peer is not None, f"{product} is handed out without a connection"
            assert peer.last is not None
            bids, asks = peer.heard[peer.last][product]
            assert (book.bids.amounts, book.asks.amounts) == (bids, asks), product

    def lose(self) -> None:
        """Cut every connection."""
        for number in list(self.peers):
            del self.peers[number]
            self.engine.lost(self.engine.links[number], self.now, "cut", code=1006)
        self.perform()

    # --- the shell

    def perform(self) -> None:
        """Do what the engine wants."""
        while self.engine.actions:
            actions, self.engine.actions = self.engine.actions, []
            for action in actions:
                match action:
                    case DialLink():
                        self.peers[action.link] = Peer()
                        self.engine.opened(self.engine.links[action.link], self.now)
                    case HangUp():
                        self.peers.pop(action.link, None)
                    case Send():
                        self.take(self.peers[action.link], msgspec.json.decode(action.frame))

    def step(self, harm: Callable[[], str], moves: int = 1) -> None:
        """Let a little time pass."""
        self.now += 0.1
        self.engine.tick(self.now)
        self.perform()
        for _ in range(moves):
            self.move()
        for peer in list(self.peers.values()):
            if peer.held:
                self.say(peer, "heartbeats", {"current_time": "", "heartbeat_counter": 1})
            for _ in range(self.rng.randrange(1, 5)):
                if peer.way:
                    self.deliver(peer, harm)


_SYMBOLS = {name: market.symbol for name, market in MARKETS.items()}


def _level2(
    kind: str, product: str, bids: list[tuple[float, float]], asks: list[tuple[float, float]]
) -> dict[str, Any]:
    updates = [
        {"side": side, "price_level": str(price), "new_quantity": str(amount)}
        for side, rows in (("bid", bids), ("offer", asks))
        for price, amount in rows
    ]
    return {"type": kind, "product_id": product, "updates": updates}


def sound() -> str:
    """Harm nothing."""
    return ""


def play(seed: int, harms: tuple[str, ...], share: float) -> World:
    """Play one case: trouble, then peace, in which every book must come back."""
    world = World(seed)
    rng = world.rng

    def harm() -> str:
        return rng.choice(harms) if rng.random() < share else ""

    for _ in range(STEPS):
        world.step(harm, rng.randrange(3))
        if "cut" in harms and rng.random() < share / 4:
            world.lose()
        if "restart" in harms and rng.random() < share:
            for peer in world.peers.values():
                for topic in peer.held:
                    if topic.startswith("level2:"):
                        world.snapshot(peer, topic.partition(":")[2])
    for _ in range(400):
        world.step(sound, moves=0)
        behind = any(peer.way for peer in world.peers.values())
        if not behind and all(stream.valid for stream in world.streams.values()):
            break
    for product, stream in world.streams.items():
        assert stream.valid, stream.reason
        assert (stream.sync.book.bids.amounts, stream.sync.book.asks.amounts) == (
            world.books[product]
        )
    return world


@pytest.mark.parametrize(
    ("harms", "share"),
    [
        (("drop",), 0.05),
        (("repeat", "late"), 0.3),
        (("swap",), 0.05),
        (("restart",), 0.2),
        (("drop", "repeat", "late", "swap", "cut", "restart"), 0.1),
    ],
)
def test_books_are_true_or_not_there(harms: tuple[str, ...], share: float) -> None:
    """6: every book after every frame, in hundreds of cases of each harm."""
    cases = CASES // 5
    worlds = [play(seed, harms, share) for seed in range(cases)]
    valid, invalid = (sum(getattr(w, name) for w in worlds) for name in ("valid", "invalid"))
    assert valid > 40 * cases  # most of the time there is a book
    dials = sum(link.connects for world in worlds for link in world.engine.links.values())
    lossless = harms in (("repeat", "late"), ("restart",))
    assert invalid > 0
    assert (dials == cases) is lossless  # repeats and new states cost no connection


async def test_a_book_survives_what_happens_on_sockets() -> None:
    """The same over real sockets: losses heal by themselves, and nothing untrue is seen."""
    symbol, topic = "BTC/USD", "level2:BTC-USD"
    specs = [described(s) for s in (symbol, "ETH/USD")]
    market = MarketModel(specs, seed=2, levels=60, warmup_ticks=20)
    truth: dict[int, list[list[tuple[float, float]]]] = {}
    seen: list[int] = []

    def note(event: Event | None = None) -> None:
        if event is None or type(event) is Delta:
            book = market.book(symbol)
            sides = book.bids, book.asks
            truth[market.now_ms] = [[(float(p), float(q)) for p, q in side] for side in sides]

    async def read(ex: unified_ws.Exchange) -> None:
        async for book in ex.stream_order_book(symbol):
            assert [list(book.bids), list(book.asks)] == truth[book.timestamp_ms or 0]
            seen.append(book.timestamp_ms or 0)

    note()
    market.subscribe(note)
    async with (
        FakeVenue("coinbase", market=market, paused=True) as venue,
        unified_ws.exchange(
            "coinbase", {"gateway": venue.gateway, "enableRateLimit": False}
        ) as ex,
    ):
        await ex.load_markets()
        task = asyncio.ensure_future(read(ex))
        await until(lambda: bool(seen))

        async def healed() -> None:
            """Let the market move until its newest state has been seen."""
            while seen[-1] != market.now_ms:
                await venue.until(lambda: topic in venue.topics)
                await venue.step()
                for _ in range(100):
                    await asyncio.sleep(0)
            assert not task.done()

        harms: dict[str, Callable[[], None]] = {
            "lose": lambda: venue.lose(topic),
            "repeat": lambda: venue.repeat(topic),
            "swap": lambda: venue.swap(topic),
            "lose another's": lambda: venue.lose("heartbeats"),
        }
        connections = {}
        for name, harm in harms.items():
            before = venue.stats.connections
            harm()
            await venue.step(12)
            await healed()
            connections[name] = venue.stats.connections - before
        await venue.restart(symbol)
        await healed()
        await venue.drop()
        await healed()
        task.cancel()
        assert connections == {"lose": 1, "repeat": 0, "swap": 1, "lose another's": 1}
        assert ex.quarantined() == []
        assert venue.stats.violations == []
