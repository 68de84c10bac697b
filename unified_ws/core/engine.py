"""The supervisor of one exchange object: which topic lives on which connection, and why.

It owns the streams, the connections' machines and their topics. It takes inputs (`received`,
`opened`, `lost`, `tick`, `fetched`...) with the time as an argument and leaves what is to be
done in `actions`; the asyncio shell performs them. Recovery of books and trades by REST is in
`recovery.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import inf
from typing import Any

from unified_ws.adapter import (
    Ack,
    Adapter,
    Batch,
    Beat,
    Call,
    Closing,
    Ended,
    FrameNo,
    Held,
    Inbound,
    Pong,
    Ready,
    Refused,
    Route,
    Sub,
)
from unified_ws.core import machine as m
from unified_ws.core.actions import Action, DialLink, HangUp, Notice, Ping, Send
from unified_ws.core.books import BookStream
from unified_ws.core.derived import CandlesFromTrades, QuotesFromBook
from unified_ws.core.ledger import Gap, Ledger
from unified_ws.core.limits import Budget
from unified_ws.core.link import Link, TopicEntry
from unified_ws.core.occurrences import OccurrenceStream
from unified_ws.core.polling import Polling
from unified_ws.core.quarantine import Quarantine, reason_of
from unified_ws.core.recovery import Recovery
from unified_ws.core.rotation import ROTATION_S, Rotation, books_of
from unified_ws.core.streams import CandleStream, RowStream, Stream
from unified_ws.core.subscribing import Subscribing
from unified_ws.core.trades import TradeStream
from unified_ws.errors import (
    CCXT_ERRORS,
    DialFailed,
    Disconnected,
    VenueError,
)
from unified_ws.events import BookUpdate, Markets, Row, TextLevel, Trade
from unified_ws.facts import Heartbeat, Kind, Venue

_STREAMS: dict[Kind, type[Stream]] = {
    Kind.TRADES: TradeStream, Kind.BOOK: BookStream, Kind.TICKER: RowStream,
    Kind.BIDS_ASKS: RowStream, Kind.OHLCV: CandleStream, Kind.MARK_PRICE: RowStream,
    Kind.FUNDING_RATE: RowStream, Kind.OPEN_INTEREST: RowStream,
    Kind.LIQUIDATIONS: OccurrenceStream,
}  # fmt: skip
_DERIVED: dict[Kind, type[CandlesFromTrades | QuotesFromBook]] = {
    Kind.OHLCV: CandlesFromTrades, Kind.BIDS_ASKS: QuotesFromBook,
}  # fmt: skip
_BOTH_LEGS = (Kind.TRADES, Kind.BIDS_ASKS, Kind.LIQUIDATIONS)
"""Kinds of which both connections of a rotation are listened to: their rows are told apart. Those
of the others carry no number, or (books) the numbers of two would show holes that are none."""
RETRY_S = 1.0
"""How long requests wait after one that failed for no fault of its own, if the venue names no time."""


class Engine:
    """Decide everything about one venue's connections and streams.

    Args:
        adapter: The venue's dialect.
        venue: Its facts, with the user's overrides applied.
        jitter: Maps an upper bound in seconds to a delay below it.
        markets: By endpoint, resolves market ids to symbols.
        buffer: Rows a stream keeps for slow readers.
        take_over_s: How long a finished reader's place can be taken over.
    """

    def __init__(
        self,
        adapter: Adapter,
        venue: Venue,
        *,
        jitter: Callable[[float], float],
        markets: Callable[[str], Markets],
        buffer: int = 10_000,
        take_over_s: float = 60.0,
        quarantine: int = 100,
        candles: int = 1000,
    ) -> None:
        self.adapter = adapter
        self.venue = venue
        self.streams: dict[Hashable, Stream] = {}
        self._known: dict[Hashable, Stream] = {}
        self.entries: dict[str, dict[str, TopicEntry]] = {name: {} for name in venue.endpoints}
        self.links: dict[int, Link] = {}
        self.actions: list[Action] = []
        self.ledger = Ledger()
        self.quarantine = Quarantine(quarantine)
        self.unclaimed = 0
        self.repeated = 0
        self.skipped = 0
        self.closed = False
        self.touched = False
        self.raise_on_disconnect = False
        self.recovery = Recovery(self)
        self.rotation = Rotation(self)
        self.subscribing = Subscribing(self)
        self.polling = Polling(self)
        self._jitter = jitter
        self._markets = markets
        self.buffer = buffer
        self._take_over_s = take_over_s
        self._candles = candles
        self._budgets: dict[str, Budget] = {}
        self._numbers = 0
        self.calls = 0
        self.wall_ns = 0
        self._link: Link | None = None
        self._frame = b""
        self._decode = adapter.decode

    # --- streams --------------------------------------------------------------------------

    def stream(self, sub: Sub, now: float, method: str = "") -> Stream:
        """Return the stream of `sub`; it delivers once somebody holds it.

        `method` is the caller's, for the text of an error.

        Raises:
            NotSupported: The venue has no such data for this market.
            ArgumentsRequired: It has it only by market, and no symbols were given.
        """
        said = (
            sub.kind, sub.market.symbol if sub.market else sub.market_type, sub.timeframe,
            tuple(sorted(sub.channel.items())), sub.depth, sub.sub_type,
        )  # fmt: skip
        stream = self._known.get(said)
        if stream is None:
            stream = self._known[said] = self._stream(sub, said, now, method)
        return stream

    def _stream(self, sub: Sub, said: tuple[Any, ...], now: float, method: str) -> Stream:
        source = self._source_of(sub)
        routes = self.adapter.route(sub) if source is None else ()
        if source is None and not routes:
            raise self._lacking(sub, method)
        # Different wishes may mean the same: the depth of a book matters where it has a channel.
        key = (*said[:4], *((route.endpoint, route.topic) for route in routes))
        stream = self.streams.get(key)
        if stream is None:
            extra: dict[str, Any] = {"limit": self._candles} if sub.kind is Kind.OHLCV else {}
            made = _STREAMS[sub.kind] if source is None else _DERIVED[sub.kind]
            stream = self.streams[key] = made(
                sub, routes, self, buffer=self.buffer, take_over_s=self._take_over_s, **extra,
            )  # fmt: skip
            stream.created_at = now
            if source is not None:
                stream.source = self.stream(source, now)
            elif sub.market is not None and routes[0].endpoint:
                known = self._markets(routes[0].endpoint)(sub.market.wire_id or sub.market.id)
                stream.wire_symbol = known or stream.symbol
        return stream

    def _lacking(self, sub: Sub, method: str) -> BaseException:
        """Build the error for data that the venue does not have."""
        who = f"{self.venue.id} {method or sub.kind}()"
        if sub.market is not None:
            switches = self.venue.switches.get(sub.kind, {})
            chosen = {"timeframe": sub.timeframe} if sub.timeframe else {}
            chosen |= {
                name: value
                for name, value in sub.channel.items()
                if name not in switches or value != switches[name].default
            }
            how = ", ".join(f"{name} {value!r}" for name, value in chosen.items())
            text = f"{who} is not supported for {sub.market.symbol}"
            return CCXT_ERRORS["NotSupported"](f"{text} with {how}" if how else text)
        text = f"{who} needs a list of symbols: no stream has all {sub.market_type} markets"
        return CCXT_ERRORS["ArgumentsRequired"](text)

    def _source_of(self, sub: Sub) -> Sub | None:
        """Return what a stream is built from where the venue has no channel of its own for it."""
        kind = self.venue.derives.get(sub.kind)
        if kind is None or sub.market is None or sub.timeframe in self.venue.timeframes:
            return None
        channel = {
            name: switch.default for name, switch in self.venue.switches.get(kind, {}).items()
        }
        return Sub(kind, sub.market, sub.market_type, channel=channel)

    def hold(self, stream: Stream, holder: Hashable, now: float) -> None:
        """Keep a stream subscribed for `holder`."""
        if holder in stream.holders:
            return
        stream.holders.add(holder)
        if len(stream.holders) == 1:
            stream.fatal = None
            if stream.source is not None:
                self._follow(stream, stream.source, now)
                return
            late: list[Stream] = []
            for route in stream.routes:
                if route.poll is not None:
                    self.polling.begin(stream, route, now)
                    continue
                entries = self.entries[route.endpoint]
                entry = entries.get(route.topic)
                if entry is not None:
                    if self._told(entry):
                        late += entry.streams
                    entry.streams.append(stream)  # it has its place already
                    continue
                entry = entries[route.topic] = TopicEntry(route)
                entry.streams.append(stream)
                try:
                    self._place(entry, now)
                except VenueError:
                    self.release(stream, holder, now)
                    raise
            self.refresh(stream, now)
            if late:
                stream.joined(late, now)

    def _told(self, entry: TopicEntry) -> bool:
        """Say whether the venue has been asked for a topic already: its first words have passed."""
        link = self.links.get(entry.owner)
        topic = link.topics.by_name.get(entry.route.topic) if link is not None else None
        return topic is not None and topic.told == "subscribe"

    def _follow(self, stream: Stream, source: Stream, now: float) -> None:
        source.followers.append(stream)
        try:
            self.hold(source, stream, now)
        except VenueError:
            self.release(stream, next(iter(stream.holders)), now)
            raise
        stream.followed(source)
        self.refresh(stream, now)

    def release(self, stream: Stream, holder: Hashable, now: float) -> None:
        """Let go of a stream; the last holder's release unsubscribes it."""
        stream.holders.discard(holder)
        if stream.holders:
            return
        for entry in self.entries_of(stream):
            if stream not in entry.streams:
                continue
            entry.streams.remove(stream)
            if not entry.streams:
                topic = entry.route.topic
                del self.entries[entry.route.endpoint][topic]
                for number in (entry.owner, entry.heir):
                    if number in self.links:
                        self._dropped(self.links[number], topic, now)
        stream.healthy = False
        self.recovery.forget(stream)
        self.polling.forget(stream)
        if stream.source is not None and stream in stream.source.followers:
            stream.source.followers.remove(stream)
            self.release(stream.source, stream, now)
        self.streams = {key: s for key, s in self.streams.items() if s is not stream}
        self._known = {said: s for said, s in self._known.items() if s is not stream}

    def end(self, stream: Stream, error: BaseException, now: float) -> None:
        """End a stream that cannot be had: every waiting call gets `error`."""
        stream.fatal = error
        stream.fail(error)
        for follower in list(stream.followers):
            self.end(follower, error, now)
        for holder in list(stream.holders):
            self.release(stream, holder, now)

    def call(self, link: Link) -> Call:
        """Number one frame of ours."""
        self.calls += 1
        return Call(str(self.calls), self.wall_ns // 1_000_000, link.endpoint_name)

    # --- what streams report ----------------------------------------------------------------

    def bad_row(self, stream: Stream, row: Row | BookUpdate, reason: str) -> None:
        """Set a row aside that no market can have; the rest of its frame counts."""
        link, frame = self._link, self._frame
        raw = getattr(row, "raw", None)
        frame = bytes(raw) if isinstance(raw, (bytes, memoryview)) else frame or repr(row).encode()
        self._set_aside(link, frame, f"{stream.symbol} {stream.kind}: {reason}")

    def renumbered(self, stream: Stream, last: Trade, row: Trade) -> None:
        """Record that nobody can say what was missed: the venue counts its trades anew."""
        gap = self.ledger.add(
            Gap(
                symbol=stream.symbol, kind=stream.kind.value, cause="the venue counts anew",
                after_id=last.id, before_id=row.id, from_ms=last.timestamp_ms,
                to_ms=row.timestamp_ms,
            )
        )  # fmt: skip
        self.notice("gap", stream=stream, reason=gap.cause, data=gap)

    def care(self, stream: Stream) -> None:
        """Fetch what a stream is missing."""
        self.recovery.look_at(stream, stream.data_at)

    def anew(self, stream: Stream, now: float) -> None:
        """Have the venue tell a topic from the beginning."""
        self.recovery.anew(stream, now)

    def healed(self, stream: Stream, now: float) -> None:
        """Note that a book has got its first state in the stream."""
        self.recovery.healed(stream, now)

    def thin(self, stream: Stream) -> None:
        """Fetch a full book under one that is valid, before too few of its rows are proven."""
        self.recovery.renew(stream, stream.data_at)

    def checksum(self, bids: Sequence[TextLevel], asks: Sequence[TextLevel]) -> int:
        """Compute the venue's checksum over a book."""
        return self.adapter.checksum(bids, asks)

    def first_data(self, stream: Stream) -> None:
        """Note that a stream delivers for the first time."""
        self.notice("first_data", stream=stream)

    def notice(
        self, event: str, *, link: Link | None = None, stream: Stream | None = None,
        reason: str = "", data: Any = None,
    ) -> None:  # fmt: skip
        """Tell the operators."""
        self.actions.append(
            Notice(
                event, self.venue.id, link.endpoint_name if link else "",
                link.number if link else None, stream.symbol if stream else None,
                stream.kind.value if stream else "", reason, data,
            )
        )  # fmt: skip

    # --- inputs of the shell ----------------------------------------------------------------

    def opened(
        self, link: Link, now: float, *, heartbeat: Heartbeat | None = None,
        carries: Sequence[str] = (), wall_ns: int = 0,
    ) -> None:  # fmt: skip
        """Note that the socket of `link` is open."""
        link.error = None
        link.last_number = None
        self.wall_ns = wall_ns or self.wall_ns
        link.topics.carry(carries)
        self.perform(link, link.machine.opened(now, heartbeat), now)
        for topic in carries:
            entry = link.entries.get(topic)
            for stream in entry.streams if entry is not None else ():
                self.refresh(stream, now)

    def lost(
        self, link: Link, now: float, reason: str, *, code: int | None = None,
        error: DialFailed | None = None,
    ) -> None:  # fmt: skip
        """Note that the socket of `link` is gone, or could not be had."""
        if error is not None:
            link.error = error
        floor_s = 30.0 if error is not None and error.final else 0.0
        if error is not None and error.retry_after_s:
            floor_s = max(floor_s, error.retry_after_s)
        actions = link.machine.lost(now, reason, code=code, floor_s=floor_s)
        self.perform(link, actions, now)
        if error is not None and error.final:
            for stream in self._streams_of(link):
                if not stream.delivered:
                    self.end(stream, error, now)

    def received(self, link: Link, frame: bytes, now: float, wall_ns: int) -> None:
        """Take one data frame."""
        link.machine.received_at = now
        self.wall_ns = wall_ns
        size = len(frame)
        link.frames += 1
        link.bytes += size
        self._link, self._frame = link, frame
        if size > link.frame_bytes:
            self._set_aside(link, frame, f"a frame of {size} bytes")
            self._suspect(link, now)
            return
        try:  # whatever a venue sends must not stop the stream: see `quarantine.py`
            inbound = self._decode(frame, link.endpoint_name, link.markets)
        except Exception as exc:
            self._set_aside(link, frame, reason_of(exc))
            self._suspect(link, now)
            return
        try:
            for item in inbound:
                if type(item) is Batch:
                    self._dispatch(link, item, now, wall_ns)
                elif type(item) is FrameNo:
                    if not self._in_order(link, item.number, now):
                        return
                else:
                    self._control(link, item, now)
        except Exception as exc:
            # Not the venue's fault, but no reason to stop either: one frame is lost, and said so.
            self._set_aside(link, frame, f"handling it failed: {exc!r}")
            self._suspect(link, now)

    def _in_order(self, link: Link, number: int, now: float) -> bool:
        """Say whether a numbered frame counts; one that is missing starts its connection again."""
        last, link.last_number = link.last_number, number
        if last is None or number == last + 1:
            return True
        if number <= last:
            link.last_number = last
            self.repeated += 1
            return False
        reason = f"{number - last - 1} frames of the connection were lost before number {number}"
        self.perform(link, [m.CloseSocket(reason), *link.machine.lost(now, reason)], now)
        return False

    def forget_frame(self) -> None:
        """Note that what comes now is no part of the last frame: a bad row shows itself."""
        self._link, self._frame = None, b""

    def _dispatch(self, link: Link, batch: Batch, now: float, wall_ns: int) -> None:
        entry = link.entries.get(batch.topic)
        if entry is None:
            self.unclaimed += 1
            return
        if batch.skipped or batch.bad:
            self.skipped += batch.skipped
            for row in batch.bad:
                self._set_aside(link, row.raw, row.reason)
        if not entry.settled:
            self._first_delivery(link, entry, now)
        other = entry.owner != link.number
        if other and entry.heir == link.number:
            for book in books_of(entry):
                book.hold_back(batch.events, wall_ns)
        for stream in entry.streams:
            if other and stream.kind not in _BOTH_LEGS:
                continue
            stream.accept(batch.events, now, wall_ns)
            if stream.needs_care:
                self.recovery.look_at(stream, now)

    def tick(self, now: float) -> None:
        """Perform what is due."""
        for link in list(self.links.values()):
            if link.machine.deadline() <= now:
                self.perform(link, link.machine.tick(now), now)
            if link.topics.deadline() <= now:
                self.subscribing.settle(link, link.topics.overdue(now), now, silent=True)
            if link.plan_at <= now:
                self.subscribing.flush(link, now)
            if link.replaces is not None and link.take_over_at <= now:
                self.rotation.overdue(link, now)
        self.recovery.tick(now)
        self.polling.tick(now)

    def deadline(self) -> float:
        """Return when `tick` is due; infinity if never."""
        due = min(self.recovery.deadline(), self.polling.deadline())
        for link in self.links.values():
            due = min(due, link.machine.deadline(), link.topics.deadline(), link.plan_at)
            if link.replaces is not None:
                due = min(due, link.take_over_at)
        return due

    def forgive(self, late_s: float) -> None:
        """Move the deadlines of silence: the event loop was blocked, the peers were not."""
        for link in self.links.values():
            link.machine.forgive(late_s)

    def rotate(self, link: Link, now: float, reason: str) -> None:
        """Replace a connection without losing a row."""
        self.perform(link, link.machine.rotate(now, reason), now)

    def stop(self, now: float) -> None:
        """Close every connection for good."""
        self.closed = True
        for link in list(self.links.values()):
            self.perform(link, link.machine.stop(now, "closed by the user"), now)

    def entries_of(self, stream: Stream) -> list[TopicEntry]:
        """Return the entries of a stream's topics, as far as they are placed."""
        found = (
            self.entries[route.endpoint].get(route.topic)
            for route in stream.routes
            if route.poll is None
        )
        return [entry for entry in found if entry is not None]

    # --- inside -----------------------------------------------------------------------------

    def _shared(self, endpoint_name: str) -> Budget:
        """Return the budget of messages that all connections of an endpoint share."""
        budget = self._budgets.get(endpoint_name)
        if budget is None:
            window = self.venue.endpoints[endpoint_name].limits.all_messages
            budget = self._budgets[endpoint_name] = Budget(window)
        return budget

    def _streams_of(self, link: Link) -> list[Stream]:
        return [
            stream
            for entry in list(link.entries.values())
            if entry.owner == link.number
            for stream in list(entry.streams)
        ]

    def _place(self, entry: TopicEntry, now: float) -> None:
        """Put a topic on a connection that has room, or on a new one."""
        route = entry.route
        for link in self.links.values():
            if link.takes(route, self._apart):
                break
        else:
            link = self._another(entry)
        entry.owner = link.number
        entry.settled = False
        link.topics.want(route.topic, route.group)
        self.subscribing.plan(link, now)
        self.perform(link, link.machine.start(now), now)

    def _another(self, entry: TopicEntry) -> Link:
        """Return a new connection, unless the venue allows no more of them."""
        name = entry.route.endpoint
        most = self.venue.endpoints[name].limits.connections
        if most is not None:
            mine = [link for link in self.links.values() if link.endpoint_name == name]
            if len(mine) >= most:
                text = f"{self.venue.id} allows {most} connections with so many topics each"
                raise VenueError(f"{text}: {entry.route.topic} has no place", "connection limit")
        return self.new_link(name)

    def _apart(self, link: Link, route: Route) -> bool:
        if not route.apart:
            return False
        return any(
            link.entries[name].route.apart == route.apart
            for name in link.topics.wanted()
            if name in link.entries
        )

    def new_link(self, endpoint_name: str) -> Link:
        """Make a connection that has not been dialed yet."""
        self._numbers += 1
        endpoint = self.venue.endpoints[endpoint_name]
        link = self.links[self._numbers] = Link(
            self._numbers, endpoint_name, endpoint, self._markets(endpoint_name),
            m.Connection(endpoint, self.venue.backoff, self._jitter, dict(self.venue.closes)),
            self.entries[endpoint_name], self._shared(endpoint_name),
        )  # fmt: skip
        for name in endpoint.standing:
            link.topics.want(name)
        return link

    def _dropped(self, link: Link, topic: str, now: float) -> None:
        link.topics.drop(topic)
        if topic in link.unheard:
            self.rotation.heard(link, topic, now)
        if not any(name in link.entries for name in link.topics.wanted()) and link.replaces is None:
            self.perform(link, link.machine.stop(now, "nothing is subscribed on it"), now)
        else:
            self.subscribing.plan(link, now)

    def _control(self, link: Link, item: Inbound, now: float) -> None:
        match item:
            case Ack():
                self.subscribing.settle(link, link.topics.answered(item.about, item.error), now)
            case Refused():
                if item.retry_after_s or item.retry:
                    link.requests.block(now + (item.retry_after_s or RETRY_S))
                answer = link.topics.answered(
                    item.about, item.error, item.topics, retry=item.retry
                )
                self.subscribing.settle(link, answer, now)
            case Held():
                self.subscribing.settle(link, link.topics.listed(item.topics), now)
            case Ready():
                self.perform(link, link.machine.ready(now, item.error), now)
            case Beat() if item.reply is not None:
                link.budget.charge(now)
                self.actions.append(Send(link.number, item.reply))
            case Closing():
                self.notice("closing", link=link, reason=item.reason)
                self.perform(link, link.machine.rotate(now, item.reason), now)
            case Ended():
                link.topics.ended(item.topic)
                entry = link.entries.get(item.topic)
                if entry is not None and entry.owner == link.number:
                    entry.settled = False
                    for stream in list(entry.streams):
                        self.down(stream, now, item.error or "the venue ended it")
                self.subscribing.plan(link, now)
            case Pong():
                link.pongs += 1

    def _first_delivery(self, link: Link, entry: TopicEntry, now: float) -> None:
        if link.machine.state is not m.State.LIVE:
            return  # the last words of a socket that has been given up
        link.topics.delivered(entry.route.topic)
        if entry.heir is None:
            entry.settled = True
        elif entry.heir == link.number:
            self.rotation.heard(link, entry.route.topic, now)
        for stream in entry.streams:
            self.refresh(stream, now)

    def refresh(self, stream: Stream, now: float) -> None:
        """See whether a stream is up: every topic of it acknowledged, or delivering."""
        if stream.healthy or not stream.holders or not self._fed(stream):
            return
        entries = self.entries_of(stream)
        if len(entries) < len(stream.topics):
            return
        for entry in entries:
            link = self.links.get(entry.owner)
            if link is None or link.machine.state is not m.State.LIVE:
                return
            asked = link.topics.by_name.get(entry.route.topic)
            if asked is None or not (asked.confirmed or asked.delivered):
                return
        stream.healthy = True
        if stream.down_since is not None:
            self.notice("up", stream=stream, data=now - stream.down_since)
        stream.down_since = None
        self.recovery.restored(stream, now)
        for follower in stream.followers:
            self.refresh(follower, now)

    def _fed(self, stream: Stream) -> bool:
        """Say whether what feeds a stream beside its topics is up."""
        if stream.source is not None:
            return stream.source.healthy
        return all(route.poll is None for route in stream.routes) or self.polling.works(stream)

    def down(self, stream: Stream, now: float, reason: str) -> None:
        """Note that a stream may miss data from here on."""
        for follower in list(stream.followers):
            self.down(follower, now, reason)
        stream.healthy = False
        stream.down_reason = reason
        if stream.down_since is None:
            stream.down_since = now
            if stream.delivered and not self.closed:
                self.notice("down", stream=stream, reason=reason)
        stream.lost(reason)
        self.recovery.lost(stream)
        if self.raise_on_disconnect and stream.delivered:
            stream.fail(Disconnected(f"{self.venue.id}: {reason}"))

    def _suspect(self, link: Link, now: float) -> None:
        """Distrust what a lost frame may have belonged to and cannot be proven whole."""
        for stream in self._streams_of(link):
            if isinstance(stream, BookStream) and stream.valid and stream.sync.book.nonce is None:
                stream.distrust("a frame of its connection could not be read")
                self.recovery.look_at(stream, now)

    def _set_aside(self, link: Link | None, frame: bytes, reason: str) -> None:
        number = link.number if link else 0
        kept = self.quarantine.add(frame, reason, connection=number, at_ms=self.wall_ns // 1_000_000)
        self.notice("quarantined", link=link, reason=kept.reason, data=kept)

    def perform(self, link: Link, actions: Sequence[m.Action], now: float) -> None:
        """Turn what a connection's machine has decided into actions of the shell."""
        for action in actions:
            match action:
                case m.OpenSocket():
                    self.actions.append(DialLink(link.number))
                case m.CloseSocket():
                    polite = link.machine.state is m.State.CLOSED
                    self.actions.append(HangUp(link.number, action.reason, polite))
                case m.SendPing():
                    self._ping(link, now, protocol=action.protocol)
                case m.Resubscribe():
                    self.subscribing.flush(link, now)
                case m.Rotate():
                    self.rotation.begin(link, now, action.reason)
                case m.Report():
                    self._moved(link, action, now)

    def _ping(self, link: Link, now: float, *, protocol: bool) -> None:
        link.budget.charge(now)
        link.pings += 1
        if protocol:
            self.actions.append(Ping(link.number))
        else:
            self.actions.append(Send(link.number, self.adapter.ping(self.call(link))))

    def _moved(self, link: Link, report: m.Report, now: float) -> None:
        if report.state is m.State.LIVE:
            link.connects += 1
            self.notice("connected", link=link)
        elif report.state in (m.State.WAITING, m.State.CLOSED):
            wanted = report.state is m.State.CLOSED
            self.notice("closed" if wanted else "disconnected", link=link, reason=report.reason)
            self._left(link, report.reason, now)
            if report.state is m.State.CLOSED:
                self._gone(link, report.reason, now)

    def _gone(self, link: Link, reason: str, now: float) -> None:
        """Settle what a connection leaves behind that will not be dialed again."""
        self.links.pop(link.number, None)
        for entry in link.entries.values():
            if entry.heir == link.number:
                entry.heir = None
        old = self.links.get(link.replaces or 0)
        if old is not None:
            old.retiring = False
        if not self.closed:
            # Only a refusal that is final closes a connection that carries something.
            for stream in self._streams_of(link):
                text = f"{self.venue.id}: {reason}"
                self.end(stream, link.error or VenueError(text, reason), now)

    def _left(self, link: Link, reason: str, now: float) -> None:
        """Settle what a lost connection carried."""
        link.topics.reset()
        link.plan_at = inf
        link.unheard.clear()
        link.rotate_again = ""
        if link.replaces is not None:
            link.take_over_at = now + ROTATION_S
        for entry in list(link.entries.values()):
            if entry.heir == link.number:
                entry.settled = False
                link.unheard.add(entry.route.topic)
                for book in books_of(entry):
                    book.forget_ahead()
            if entry.owner != link.number:
                continue
            entry.settled = False
            heir = self.links.get(entry.heir) if entry.heir is not None else None
            if heir is not None:
                entry.owner, entry.heir = heir.number, None
                if heir.topics.confirmed(entry.route.topic):
                    self.rotation.switch(entry, now)
                    continue  # the replacement was already listening: nothing is lost
            for stream in list(entry.streams):
                self.down(stream, now, reason)
            self.rotation.switch(entry, now)
        for other in list(self.links.values()):
            if other.replaces == link.number:
                # What it carried is the other's now; nobody needs it back.
                other.replaces = None
                self.perform(link, link.machine.stop(now, "replaced"), now)
                self.rotation.again(other, now)
