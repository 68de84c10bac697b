"""`unified-ws doctor`: does a venue do what is promised of it? Tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from unified_ws.cli_output import plain_table
from unified_ws.cli_serve import Scribe, recorder_of
from unified_ws.cli_source import made, say
from unified_ws.doctor import Doctor, Report
from unified_ws.doctor_against import Compared, SideSeen
from unified_ws.doctor_watch import Seen
from unified_ws.running import run

_WIDE = 1000
_SHOWN = 12
"""Fields of a kind that are listed for people; JSON has them all."""


def doctor(options: argparse.Namespace) -> int:
    """Examine a venue; 0 if everything that is promised was seen, else 1."""
    return run(_doctor(options)) or 0


async def _doctor(options: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        ex = await stack.enter_async_context(made(options))
        if options.save:
            recorder = stack.enter_context(recorder_of(ex, options.save))
            stack.callback(Scribe(ex, recorder).stop)
        patient = Doctor(ex, options.symbols, seconds=options.seconds, against=options.against)
        try:
            await patient.run()
        except asyncio.CancelledError:  # Ctrl-C: what there is so far is worth a report
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            say("interrupted: this is what was seen until then")
        report = patient.report()
    text = msgspec.json.format(msgspec.json.encode(report)).decode() if options.json else _said(report)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return 0 if report.ok else 1


# --- for people ------------------------------------------------------------------------------


def _said(report: Report) -> str:
    where = f", gateway {report.gateway}" if report.gateway else ""
    markets = ", ".join(report.symbols) or "no market"
    lines = [f"{report.venue}, {report.environment}{where}: {markets}, {report.seconds:g} s"]
    for section in (
        _hops(report), _methods(report), _books(report), _connections(report), _facts(report),
        _against(report), _unread(report),
    ):  # fmt: skip
        part = list(section)
        lines += ["", *part] if part else []
    if report.remarks:
        lines += ["", "WORTH KNOWING", *(f"  {remark}" for remark in report.remarks)]
    lines += ["", *_verdict(report)]
    return "\n".join(lines)


def _verdict(report: Report) -> Iterator[str]:
    if report.ok:
        quiet = sum(seen.verdict == "not seen" for seen in report.methods)
        also = f", apart from {quiet} that had nothing to tell" if quiet else ""
        yield f"Everything that is promised for these markets was seen{also}."
        return
    count = len(report.faults)
    yield f"{count} fault{'s' * (count > 1)}:"
    yield from (f"  {fault}" for fault in report.faults)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = list(rows)
    if not cells:
        return []
    return [line for line in plain_table("", columns, cells, "", _WIDE) if line]


def _hops(report: Report) -> list[str]:
    return _table(
        ("HOP", "TO", "TOOK", ""),
        (
            (hop.name, hop.target, _ms(hop.ms), hop.said if hop.ok else f"failed: {hop.said}")
            for hop in report.hops
        ),
    )


def _methods(report: Report) -> list[str]:
    grouped: dict[tuple[str, str], list[Seen]] = {}
    for seen in report.methods:
        grouped.setdefault((seen.method, seen.verdict), []).append(seen)
    rows = []
    for (method, verdict), group in grouped.items():
        markets = ", ".join(seen.symbol for seen in group[:3])
        more = f" and {len(group) - 3} more" if len(group) > 3 else ""
        rows.append((
            method, verdict, _slowest(seen.ack_s for seen in group),
            _slowest(seen.first_s for seen in group),
            f"{sum(seen.answers for seen in group):,}", f"{sum(seen.rows for seen in group):,}",
            markets + more,
        ))  # fmt: skip
    return _table(("METHOD", "VERDICT", "ACK", "FIRST", "ANSWERS", "ROWS", "MARKETS"), rows)


def _books(report: Report) -> list[str]:
    rows = []
    for book in report.books:
        rest = f"{book.equal} of {book.compared} equal"
        if book.nearby or book.unlike:
            rest += f", {book.nearby} of {book.nearby + book.unlike} seen within seconds"
        wrong = f"{book.ids_fell} / {book.crossed} / {book.disordered}"
        rows.append((
            book.symbol, f"{book.books:,}", f"{book.rows:,}", wrong, _number(book.resyncs),
            _number(book.checksums), rest,
        ))  # fmt: skip
    columns = (
        "BOOK", "BOOKS", "LEVELS", "IDS FELL / CROSSED / DISORDERED", "RESYNCS", "CHECKSUMS", "REST",
    )  # fmt: skip
    return _table(columns, rows)


def _connections(report: Report) -> list[str]:
    rows = (
        (
            f"{one['endpoint']} #{one['connection']}", one["state"], f"{one['topics']:,}",
            f"{one['frames']:,}", f"{one['bytes'] / 1000:,.0f} kB", _ms(one["latency_ms"]),
            one["reason"],
        )
        for one in report.connections
    )  # fmt: skip
    columns = ("CONNECTION", "STATE", "TOPICS", "FRAMES", "BYTES", "ROUND TRIP", "")
    return _table(columns, rows)


def _facts(report: Report) -> list[str]:
    words = {True: "yes", False: "no", None: "-"}
    return _table(
        ("FACT", "OF", "DECLARED", "OBSERVED", "HOLDS"),
        ((f.fact, f.about, f.declared, f.observed, words[f.holds]) for f in report.facts),
    )


def _against(report: Report) -> list[str]:
    columns = (
        "SIDE BY SIDE", "OF", "TRADES", "MISSING", "DOUBLED", "DIFFERENT", "BOOKS", "TOPS WRONG",
        "CROSSED",
    )  # fmt: skip
    rows = (
        _side(name, pair, side)
        for pair in report.against
        for name, side in (("unified_ws", pair.ours), ("the other", pair.theirs))
    )
    return _table(columns, rows)


def _side(name: str, pair: Compared, side: SideSeen) -> Sequence[str]:
    counts = (side.trades, side.missing, side.doubled, side.different, side.books)
    tops = f"{side.tops_wrong} of {side.tops_compared}"
    return name, pair.symbol, *(f"{count:,}" for count in counts), tops, f"{side.crossed:,}"


def _unread(report: Report) -> list[str]:
    rows = []
    for one in report.unread:
        names = list(one.fields)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        if names:
            rows.append((one.kind, f"{one.rows:,}", " ".join(names[:_SHOWN]) + more))
    return _table(("FIELDS NOT READ", "OF ROWS", "NAMES"), rows)


def _ms(value: Any) -> str:
    return "-" if value is None else f"{value:,.1f} ms"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _slowest(seconds: Iterable[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    return f"{max(known) * 1000:,.0f} ms" if known else "-"


__all__ = ["doctor"]
