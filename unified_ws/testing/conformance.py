"""Does a venue's file conform to the border? One file is enough to know.

One suite for every adapter, without test code of its own: facts, source, routes, requests,
addresses, garbage, the methods of the installed ccxt, and frames where there are some. Nothing is
connected to, and no venue is named. `unified-ws check FILE` prints the report; a test asks for it:

    assert check("path/to/venue.py", "path/to/frames").ok
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from unified_ws import registry, venue_files
from unified_ws.adapter import Adapter

from . import _check_facts as facts_
from . import _check_frames as frames_
from . import _check_markets as markets_
from . import _check_recordings as recordings_
from . import _check_routes as routes_
from . import _check_source as source_
from . import _check_wire as wire_
from ._check_events import TAKEN
from ._check_source import Fault
from ._check_subject import Faults, Subject, line_of, said

_SHOWN = 5


class Line(NamedTuple):
    """One rule and whether it holds; `where` is file:line if that can be told."""

    ok: bool
    text: str
    where: str = ""

    def __str__(self) -> str:
        place = f"  [{self.where}]" if self.where else ""
        return f"{'✓' if self.ok else '✗'} {self.text}{place}"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check has found."""

    lines: list[Line]

    @property
    def ok(self) -> bool:
        """Say whether every rule holds."""
        return all(line.ok for line in self.lines)

    def __str__(self) -> str:
        failed = sum(not line.ok for line in self.lines)
        verdict = f"{failed} faults: it does not conform" if failed else "it conforms"
        return "\n".join([*map(str, self.lines), verdict])


def check(adapter: str | Path | type[Adapter], frames: str | Path | None = None) -> Report:
    """Check one venue's file, or one adapter.

    Args:
        adapter: "path/to/venue.py" (all adapters in it, or one with ":Class"), an `Adapter`
            class, or an id.
        frames: A recording, or a folder that holds a frames.jsonl (see `_check_frames`).

    Raises:
        UnknownVenue: Nobody answers to the id.
    """
    try:
        classes = _classes(adapter)
    except venue_files.BadVenue as error:
        return Report([Line(False, str(error))])
    lines = []
    for cls in classes:
        lines += _judged(Subject(cls, Path(frames) if frames is not None else None))
    return Report(lines)


def _classes(adapter: str | Path | type[Adapter]) -> list[type[Adapter]]:
    if isinstance(adapter, str) and venue_files.is_path(adapter):
        path, name = venue_files.split(adapter)
        return [venue_files.load(path, name)] if name else venue_files.load_all(path)
    if isinstance(adapter, Path):
        return venue_files.load_all(adapter)
    return [registry.resolve(adapter)]


def _judged(subject: Subject) -> list[Line]:
    """Apply every rule, and say what holds."""
    tree = ast.parse(Path(subject.path).read_bytes())
    rules: list[tuple[Callable[[], Iterable[Fault]], Callable[[], str]]] = [
        (lambda: facts_.facts(subject), lambda: f"{subject.venue.id}: the facts are sound"),
        (lambda: source_.foreign_imports(tree), lambda: "it imports only what it may"),
        (lambda: source_.memory(tree), lambda: "it remembers nothing and swallows nothing"),
        (lambda: source_.documentation(tree), lambda: "it says where its knowledge is from"),
        (lambda: _frames(subject), lambda: subject.read.summary if subject.read else _NO_FRAMES),
        (lambda: routes_.routing(subject), lambda: _routed(subject)),
        (lambda: routes_.topics(subject), lambda: "no topic means two markets or two timeframes"),
        (lambda: routes_.backing(subject), lambda: "what routes need of REST is there"),
        (lambda: _shown(subject), lambda: "every kind has a frame that shows it"),
        (lambda: wire_.requests(subject), lambda: "requests keep to the limits and are text"),
        (lambda: wire_.addresses(subject), lambda: "every address and every ping can be built"),
        (lambda: wire_.garbage(subject), lambda: _harmless(subject)),
        (lambda: wire_.spoiled(subject), lambda: "spoiled frames give nothing of a wrong type"),
        (lambda: facts_.rest(subject), lambda: "ccxt has its methods and timeframes"),
        (lambda: _stateless(subject), lambda: "nothing of all this was kept"),
    ]
    lines: list[Line] = []
    for rule, held in rules:
        lines += _line(subject, rule, held)
    return lines


_NO_FRAMES = "no frames were given"


def _line(
    subject: Subject, rule: Callable[[], Iterable[Fault]], held: Callable[[], str]
) -> list[Line]:
    try:
        faults = list(rule())
    except Exception as error:  # whatever the file does, its author gets a line
        faults = [Fault(f"raised {said(error)}", line_of(error, subject.path))]
    if not faults:
        return [Line(True, held())]
    shown = [Line(False, f.text, _where(subject, f.line)) for f in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        shown.append(Line(False, f"and {len(faults) - _SHOWN} more of that kind"))
    return shown


def _where(subject: Subject, line: int | str | None) -> str:
    path = subject.path
    return line if isinstance(line, str) else f"{path}:{line}" if line else path


def _frames(subject: Subject) -> Faults:
    folder = subject.frames
    if folder is None:
        return
    path = folder if folder.is_file() else folder / "frames.jsonl"
    if (folder / "meta.json").exists():
        subject.read = recordings_.read(subject.adapter, folder)
    elif path.exists():
        subject.read = frames_.read(subject.adapter, path, inherited=subject.is_twin)
    else:
        yield Fault(f"{folder} holds neither meta.json (a recording) nor frames.jsonl")
        return
    yield from subject.read.faults


def _shown(subject: Subject) -> Faults:
    """Yield kinds of which frames.jsonl shows nothing."""
    if subject.read is None or not subject.read.written or subject.is_twin:
        return  # a recording shows what it shows; a twin inherits the evidence of another
    streamed = {sub.kind for sub, route in subject.routes if route.poll is None}
    for kind in markets_.own_kinds(subject.venue):
        names = {event.__name__ for event in TAKEN[kind]}
        if kind in streamed and not names & subject.read.events:
            yield Fault(f"no frame shows {kind}: {' or '.join(sorted(names))}", str(subject.frames))


def _stateless(subject: Subject) -> Faults:
    for name in vars(subject.adapter):
        yield Fault(f"it keeps {name} in itself")
    for name in subject.changed_tables():
        yield Fault(f"it changed {name} while it was asked")


def _routed(subject: Subject) -> str:
    types = ", ".join(subject.markets)
    return f"{len(subject.routes)} routes of {types}: every kind, timeframe and switch"


def _harmless(subject: Subject) -> str:
    return f"{len(wire_.bad_frames(subject))} broken frames do no harm"


__all__ = ["Line", "Report", "check"]
