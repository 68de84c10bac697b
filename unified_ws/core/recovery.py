"""What REST must bring back: first states of books, trades that were missed.

One entry a stream, so nothing is asked twice at once. Books come before trades, failures are
asked again ever more slowly, and an answer that comes after its question has settled itself is
dropped (`epoch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from unified_ws.core.actions import Fetch
from unified_ws.core.book import Verdict
from unified_ws.core.books import BookStream
from unified_ws.core.ledger import Gap
from unified_ws.core.streams import Stream
from unified_ws.core.trades import TradeStream
from unified_ws.events import Trade

if TYPE_CHECKING:
    from unified_ws.core.engine import Engine

FIRST_STATE_S = 10.0
"""A first state that the venue sends in the stream may take so long before it is asked for anew."""
QUIET_BOOK_S = 2.0
"""A book whose market is so quiet that no delta comes is asked for after so long."""
OVERLAP_S = 1.0
"""How long the other connection of a rotation has to bring what this one missed."""
RENEW_S = (2.0, 60.0)
"""A book that reaches less and less far is renewed at most so often: ever more slowly, to the
second, while it has to be done again and again."""
STEADY_S = 120.0
"""A book that holds so long is subscribed anew at once when it breaks; one that does not, ever more
slowly: some markets are crossed for hours (call auctions), and venues count subscriptions."""
ANEW_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
HISTORY_TRIES = 4
RETRY_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


@dataclass
class Case:
    """What one stream waits for: when to ask, whether asked, how often it failed."""

    at: float = inf
    asked: bool = False
    tries: int = 0
    epoch: int = 0
    error: str = ""
    renewed_at: float = -inf
    renew_wait: float = 0.0
    healed_at: float = -inf


class Recovery:
    """Fetch what is missing, once, in order of need."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cases: dict[Stream, Case] = {}

    def deadline(self) -> float:
        """Return when `tick` is due."""
        return min((case.at for case in self._cases.values()), default=inf)

    def forget(self, stream: Stream) -> None:
        """Drop a stream that nobody wants any more."""
        self._cases.pop(stream, None)

    def lost(self, stream: Stream) -> None:
        """Stop asking: the stream is down, and answers under way are out of date."""
        case = self._cases.get(stream)
        if case is not None:
            case.at, case.asked, case.epoch = inf, False, case.epoch + 1

    def restored(self, stream: Stream, now: float) -> None:
        """See what a stream needs that is up (again)."""
        if isinstance(stream, BookStream):
            if stream.snapshot is None and not stream.valid:
                self._ask_at(stream, now + FIRST_STATE_S)
            elif not stream.valid:
                self._ask_at(stream, now + (0.0 if stream.sync.waiting_deltas else QUIET_BOOK_S))
        elif isinstance(stream, TradeStream):
            if stream.since_ms is None:
                stream.since_ms = self._engine.wall_ns // 1_000_000
            if not (stream.catching_up or stream.held):
                return
            if stream.counted and stream.last is not None and not stream.held:
                return  # its next row will tell what is missing before it
            self._ask_at(stream, now)

    def look_at(self, stream: Stream, now: float) -> None:
        """See what a stream needs that has asked for care."""
        stream.needs_care = False
        if not stream.healthy:
            return  # `restored` looks again: until then an answer could be out of date
        if isinstance(stream, BookStream):
            self._ask_at(stream, now + self._patience(stream, now))
        elif isinstance(stream, TradeStream):
            overlap = any(entry.heir is not None for entry in self._engine.entries_of(stream))
            self._ask_at(stream, now + (OVERLAP_S if overlap else 0.0))

    def _patience(self, stream: BookStream, now: float) -> float:
        """Return how long a book is waited for before it is asked for."""
        if stream.snapshot is not None:
            return 0.0
        if not stream.adrift:
            return FIRST_STATE_S
        case = self._cases.get(stream)
        if case is None or now - case.healed_at > STEADY_S:
            return 0.0
        return ANEW_S[min(case.tries, len(ANEW_S) - 1)]

    def healed(self, stream: Stream, now: float) -> None:
        """Note that a book has got its first state in the stream."""
        case = self._cases.get(stream)
        if case is not None:
            if now - case.healed_at > STEADY_S:
                case.tries = 0
            case.at, case.error, case.healed_at = inf, "", now

    def tick(self, now: float) -> None:
        """Ask what is due."""
        for stream, case in list(self._cases.items()):
            if case.at <= now and not case.asked:
                case.at = inf
                if isinstance(stream, BookStream):
                    self._ask_book(stream, case, now)
                elif isinstance(stream, TradeStream):
                    self._ask_trades(stream, case, now)

    def fetched(self, fetch: Fetch, body: Any, error: str | None, now: float, wall_ns: int) -> None:
        """Take the answer to a `Fetch`, or why there is none."""
        self._engine.forget_frame()
        stream = fetch.stream
        if fetch.what == "poll":
            self._engine.polling.fetched(stream, body, error, now, wall_ns)
            return
        case = self._cases.get(stream)
        if case is None or case.epoch != fetch.epoch:
            return
        case.asked = False
        if isinstance(stream, BookStream) and fetch.what == "renewal" and stream.valid:
            self._renewal_came(stream, fetch, body, now, wall_ns)
        elif isinstance(stream, BookStream):
            self._book_came(stream, case, fetch, body, error, now, wall_ns)
        elif isinstance(stream, TradeStream):
            self._trades_came(stream, case, body, error, now, wall_ns)

    def why(self, stream: Stream) -> str:
        """Say what a stream's recovery waits for, in words; empty if nothing."""
        case = self._cases.get(stream)
        if case is None:
            return self._engine.polling.why(stream)
        if case.error:
            return f"REST failed {case.tries} times, last: {case.error}"
        return "waiting for an answer by REST" if case.asked else ""

    # --- books ------------------------------------------------------------------------------

    def _ask_book(self, stream: BookStream, case: Case, now: float) -> None:
        if stream.valid:
            case.tries, case.error = 0, ""
            return
        if stream.snapshot is None:
            self._subscribe_anew(stream, case, now)
            return
        case.asked = True
        rest = stream.snapshot.rest(stream.depth or 0)
        self._engine.actions.append(
            Fetch(stream, "snapshot", rest, 0 if stream.delivered else 1, case.epoch)
        )

    def _subscribe_anew(self, stream: BookStream, case: Case, now: float) -> None:
        """Have the venue send a first state again: it does so on subscribing."""
        if not stream.healthy:
            return
        self.anew(stream, now)
        stream.adrift = False
        reason = stream.reason if stream.delivered else "its first state has not come"
        self._engine.notice("resync", stream=stream, reason=reason)
        case.at = now + max(FIRST_STATE_S, RETRY_S[min(case.tries, len(RETRY_S) - 1)])
        case.tries += 1

    def anew(self, stream: Stream, now: float) -> None:
        """Subscribe the topics of a stream again, unless that is under way."""
        for entry in self._engine.entries_of(stream):
            link = self._engine.links.get(entry.owner)
            if link is not None:
                link.topics.renew(entry.route.topic)
                self._engine.subscribing.plan(link, now)

    def renew(self, stream: Stream, now: float) -> None:
        """Ask for a full book although there is a valid one: its proven rows run out."""
        case = self._cases.setdefault(stream, Case())
        since = now - case.renewed_at
        if case.asked or since < case.renew_wait or not isinstance(stream, BookStream):
            return
        if not stream.healthy:
            return
        least, most = RENEW_S
        case.renew_wait = least if since > 2 * most else min(most, max(least, 2 * case.renew_wait))
        case.renewed_at = now
        if stream.snapshot is None:
            self.anew(stream, now)  # its next state replaces this one
            return
        case.asked = True
        stream.sync.record()
        rest = stream.snapshot.rest(stream.depth or 0)
        self._engine.actions.append(Fetch(stream, "renewal", rest, 3, case.epoch))

    def _renewal_came(
        self, stream: BookStream, fetch: Fetch, body: Any, now: float, wall_ns: int
    ) -> None:
        # What fails here is tried again when the book is next looked at: it is still valid.
        market, snapshot = stream.sub.market, stream.snapshot
        if market is None or snapshot is None or body is None:
            return
        try:
            update = self._engine.adapter.snapshot(body, market)
            update.received_ns = wall_ns
            update.depth = snapshot.reach(fetch.rest)
            stream.renew(update, now)
        except Exception as exc:
            reason = f"{stream.symbol}: a full book by REST could not be used: {exc!r}"
            self._engine.notice("quarantined", stream=stream, reason=reason)

    def _book_came(
        self, stream: BookStream, case: Case, fetch: Fetch, body: Any, error: str | None,
        now: float, wall_ns: int,
    ) -> None:  # fmt: skip
        snapshot, market = stream.snapshot, stream.sub.market
        if error is None and snapshot is not None and market is not None:
            depth = snapshot.reach(fetch.rest)
            if (depth or 0) < (snapshot.reach(snapshot.rest(stream.depth or 0)) or 0):
                self._ask_at(stream, now)  # somebody has come to want a deeper book meanwhile
                return
            try:
                update = self._engine.adapter.snapshot(body, market)
                # A side shorter than asked for is the whole side.
                update.received_ns, update.depth = wall_ns, depth
                verdict = stream.feed(update, now)
            except Exception as exc:
                error = f"its answer could not be read: {exc!r}"
            else:
                stream.needs_care = False
                if verdict is Verdict.APPLIED or verdict is Verdict.STALE:
                    if verdict is Verdict.APPLIED and stream.resyncs:
                        self._engine.notice("resync", stream=stream, reason=stream.reason)
                    case.tries, case.error = 0, ""
                    return
                error = "the answer was older than the first update on the stream"
                if verdict is not Verdict.TOO_OLD:
                    error = f"the answer could not be used: {stream.reason}"
        self._again(case, error or "", now)

    # --- trades -----------------------------------------------------------------------------

    def _ask_trades(self, stream: TradeStream, case: Case, now: float) -> None:
        hole = stream.hole()
        if hole is None and not stream.catching_up:
            case.tries, case.error = 0, ""  # the rows came over the stream after all
            return
        history = stream.history
        if history is None or case.tries >= HISTORY_TRIES:
            self._give_up(stream, case, case.error or "the venue has no history to ask", now)
            return
        rest, after = history.recent, history.after
        if after is not None and stream.contiguous and stream.last is not None:
            # Exact where the newest page may not reach back far enough.
            rest = type(after)(
                after.method, {**after.params, history.from_param: stream.last_number + 1},
                after.weight,
            )  # fmt: skip
        case.asked = True
        self._engine.actions.append(Fetch(stream, "history", rest, 2, case.epoch))

    def _trades_came(
        self, stream: TradeStream, case: Case, body: Any, error: str | None,
        now: float, wall_ns: int,
    ) -> None:  # fmt: skip
        rows: list[Any] = []
        fresh: list[Any] = []
        before, hole = stream.delivered, stream.hole()
        last, number = stream.last, stream.last_number
        if error is None and stream.sub.market is not None:
            try:
                rows = [*self._engine.adapter.history(body, stream.routes[0], stream.sub.market)]
                fresh = [row for row in rows if self._belongs(row, stream)]
                for row in fresh:
                    row.recovered = True
                stream.merge(fresh, now, wall_ns)
            except Exception as exc:
                error = f"its answer could not be read: {exc!r}"
        if error is not None:
            self._again(case, error, now)
            return
        filled = stream.delivered - before
        if stream.contiguous and last is not None:
            end = stream.last_number if hole is None else min(stream.last_number, hole[1])
            filled = end - number
        self._note(stream, last, fresh, filled, hole)
        left = stream.hole()
        if left is None:
            if last is not None and self._unproven(stream, last, rows):
                self._unknown_gap(stream, last, rows[0], "REST may not reach back so far")
            stream.caught_up(now, wall_ns)
            case.tries, case.error = 0, ""
        elif self._out_of_reach(stream, left, rows):
            self._give_up(stream, case, "REST no longer holds the rest", now)
        elif left != hole:
            case.tries, case.error = 0, ""  # some came: the next page at once
            self._ask_at(stream, now)
        elif case.tries < 2:
            # REST may lag behind the stream: ask again shortly.
            self._again(case, "REST did not answer every missing trade", now)
        else:
            self._give_up(stream, case, "REST no longer holds the rest", now)

    def _unproven(self, stream: TradeStream, last: Trade, rows: Sequence[Trade]) -> bool:
        """Say whether a full page without countable ids fails to touch what we had."""
        if stream.contiguous or stream.history is None:
            return False
        return len(rows) >= stream.history.page and all(row.id != last.id for row in rows)

    def _out_of_reach(
        self, stream: TradeStream, left: tuple[int, int], rows: Sequence[Trade]
    ) -> bool:
        """Say whether the newest page is full and yet does not reach back to the hole."""
        history = stream.history
        if history is None or history.after is not None or len(rows) < history.page:
            return False
        return min(row.number for row in rows) > left[1]

    def _belongs(self, row: Trade, stream: TradeStream) -> bool:
        if stream.last is None:
            return row.timestamp_ms >= (stream.since_ms or 0)
        hole = stream.hole()
        if stream.counted:  # rows of REST are single: beyond the hole they are part of a held one
            return hole is not None and hole[0] <= row.number <= hole[1]
        if stream.contiguous:
            return row.number > stream.last_number
        return row.timestamp_ms >= stream.last.timestamp_ms

    def _note(
        self, stream: TradeStream, last: Trade | None, fresh: Sequence[Trade], filled: int,
        hole: tuple[int, int] | None,
    ) -> None:  # fmt: skip
        if not filled or not fresh:
            return
        gap = self._engine.ledger.add(
            Gap(
                symbol=stream.symbol, kind=stream.kind.value,
                cause=stream.down_reason or "ids jumped",
                after_id=last.id if last else None, before_id=str(hole[1] + 1) if hole else None,
                from_ms=last.timestamp_ms if last else None, to_ms=fresh[-1].timestamp_ms,
                missing=filled, filled=filled, closed=True, note="fetched by REST",
            )
        )  # fmt: skip
        self._engine.notice("recovered", stream=stream, reason=gap.cause, data=gap)

    def _give_up(self, stream: TradeStream, case: Case, note: str, now: float) -> None:
        catching_up, last = stream.catching_up, stream.last
        gap = stream.give_up(now, note)
        case.tries, case.error = 0, ""
        if gap is not None:
            self._engine.ledger.add(gap)
            self._engine.notice("gap", stream=stream, reason=gap.cause, data=gap)
        elif catching_up and not stream.contiguous and last is not None:
            # Without countable ids nobody can say whether anything was missed: say so.
            self._unknown_gap(stream, last, stream.first_parked, note)
        stream.caught_up(now, self._engine.wall_ns)
        if stream.held:
            self._ask_at(stream, now)

    def _unknown_gap(
        self, stream: TradeStream, last: Trade, following: Trade | None, note: str
    ) -> None:
        gap = self._engine.ledger.add(
            Gap(
                symbol=stream.symbol, kind=stream.kind.value, cause=stream.down_reason,
                after_id=last.id, before_id=following.id if following else None,
                from_ms=last.timestamp_ms, to_ms=following.timestamp_ms if following else None,
                note=note,
            )
        )  # fmt: skip
        self._engine.notice("gap", stream=stream, reason=gap.cause, data=gap)

    # --- both -------------------------------------------------------------------------------

    def _ask_at(self, stream: Stream, at: float) -> None:
        case = self._cases.setdefault(stream, Case())
        # A stream that asks for care with every frame must not shorten a wait after a failure.
        if not case.asked and (not case.tries or case.at == inf):
            case.at = min(case.at, at)
            self._engine.touched = True

    def _again(self, case: Case, error: str, now: float) -> None:
        case.error = error
        case.at = now + RETRY_S[min(case.tries, len(RETRY_S) - 1)]
        case.tries += 1
