"""What an examination found, as plain data, and the sentences that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from unified_ws.doctor_against import Compared
from unified_ws.doctor_books import BookSeen
from unified_ws.doctor_facts import FactSeen
from unified_ws.doctor_fields import Unread
from unified_ws.doctor_hops import Hop
from unified_ws.doctor_watch import Seen

_TOLD = {
    "quarantined": "set aside", "disconnected": "disconnected", "lagging": "read too slowly",
    "loop_lag": "this program was late",
}  # fmt: skip
"""Events that are worth knowing, and how they are called here."""


class SetAside(msgspec.Struct):
    """A frame or row that could not be decoded: its beginning, and why."""

    reason: str
    frame: str
    bytes: int


class Report(msgspec.Struct, kw_only=True):
    """What was seen.

    `faults` are sentences about what was promised and not kept, `remarks` about what is worth
    knowing; `ok` says that there are no faults. `events` counts what `ex.on("*")` told, by reason.
    """

    venue: str
    environment: str
    gateway: str | None
    symbols: list[str]
    seconds: float
    ok: bool = True
    faults: list[str] = []
    remarks: list[str] = []
    hops: list[Hop]
    methods: list[Seen]
    books: list[BookSeen]
    connections: list[dict[str, Any]]
    events: dict[str, dict[str, int]]
    set_aside: list[SetAside]
    gaps: list[dict[str, Any]]
    facts: list[FactSeen]
    unread: list[Unread]
    against: list[Compared]

    def judge(self) -> None:
        """Draw the conclusions."""
        self.faults = list(_faults(self))
        self.remarks = list(_remarks(self))
        self.ok = not self.faults


def _faults(report: Report) -> Iterator[str]:
    # REST fails with the words of the hop that failed on the way to it.
    failed = {hop.said: f"{hop.name} {hop.target}" for hop in reversed(report.hops) if not hop.ok}
    yield from (f"{where}: {said}" for said, where in reversed(failed.items()))
    told: dict[str, list[str]] = {}
    for seen in report.methods:
        if seen.verdict == "failed":
            told.setdefault(f"{seen.method}: {seen.reason}", []).append(seen.symbol)
    yield from (f"{text} ({', '.join(symbols)})" for text, symbols in told.items())
    if not report.methods and not failed:
        yield "nothing was watched: it was interrupted before"
    for book in report.books:
        yield from _of_book(book)
    for pair in report.against:
        ours = pair.ours
        yield from _counted(pair.symbol, (
            (ours.missing, "trades that the other client has had are missing"),
            (ours.doubled, "trades came twice"),
            (ours.tops_wrong, f"of {ours.tops_compared} best bids and asks are not the venue's"),
        ))  # fmt: skip
    yield from (_gap(gap) for gap in report.gaps if not gap["closed"])


def _of_book(book: BookSeen) -> Iterator[str]:
    yield from _counted(f"book of {book.symbol}", (
        (book.ids_fell, f"of {book.books} have an id lower than the one before"),
        (book.crossed, f"of {book.books} are crossed"),
        (book.disordered, f"of {book.books} have levels out of order"),
        (book.compared - book.equal, f"of {book.compared} differ from REST's at the same id"),
    ))  # fmt: skip


def _remarks(report: Report) -> Iterator[str]:
    yield from (_gap(gap) for gap in report.gaps if gap["closed"])
    for event, word in _TOLD.items():
        for why, times in report.events.get(event, {}).items():
            yield f"{word} ({times}): {why}"
    for fact in report.facts:
        if fact.holds is False:
            said = f"declared {fact.declared}, observed {fact.observed}"
            yield f"{fact.about}, {fact.fact}: {said}"
    for book in report.books:
        what = "books by REST had a best bid and ask that the stream did not show"
        yield from _counted(f"book of {book.symbol}", ((book.unlike, what),))
        if book.said and book.compared == book.equal:
            yield f"book of {book.symbol}: {book.said}"
    for pair in report.against:
        theirs, fields = pair.theirs, ", ".join(f"{n} {name}" for name, n in pair.unlike.items())
        yield from _counted(pair.symbol, (
            (theirs.missing, "trades are missing in the other client"),
            (theirs.doubled, "trades came twice in the other client"),
            (theirs.different, f"trades are not the same in both ({fields})"),
            (theirs.tops_wrong, "best bids and asks of the other client are not the venue's"),
            (theirs.crossed, "books of the other client are crossed"),
            (pair.unlike_books, "books of the same id have another top in the other client"),
        ))  # fmt: skip
        for error, times in theirs.errors.items():
            yield f"{pair.symbol}: the other client raised ({times}): {error}"


def _counted(about: str, found: Iterable[tuple[int, str]]) -> Iterator[str]:
    yield from (f"{about}: {count} {what}" for count, what in found if count)


def _gap(gap: Mapping[str, Any]) -> str:
    missing = "an unknown number of" if gap["missing"] is None else str(gap["missing"])
    filled = f"{gap['filled']} were fetched" if gap["filled"] else "none was fetched"
    return f"gap in {gap['kind']} of {gap['symbol']} ({gap['cause']}): {missing} rows, {filled}"


__all__ = ["Report", "SetAside"]
