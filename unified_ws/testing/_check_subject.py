"""What a conformance check works on: one adapter, and what its rules have found out so far."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from unified_ws.adapter import Adapter, Market, Route, Sub, Venue

from ._check_frames import Read
from ._check_markets import CcxtMarket
from ._check_source import Fault

Faults: TypeAlias = Iterator[Fault]


class Subject:
    """One adapter under examination.

    Attributes:
        cls, venue, adapter, path: The class, its facts, an instance, the file it is written in.
        frames: The folder with frames of the venue, or None.
        read: What came of that folder.
        markets: The markets that routes were asked for, by their market type.
        described: The same by symbol, as ccxt has them.
        asked: Every subscription that was tried, with its routes.
    """

    def __init__(self, cls: type[Adapter], frames: Path | None) -> None:
        self.cls = cls
        self.venue: Venue = cls.venue
        self.adapter = cls()
        self.path = inspect.getsourcefile(cls) or cls.__module__
        self.frames = frames
        self.read: Read | None = None
        self.markets: dict[str, list[Market]] = {}
        self.described: dict[str, CcxtMarket] = {}
        self.asked: list[tuple[Sub, list[Route]]] = []
        self._tables = self._contents()

    @property
    def routes(self) -> list[tuple[Sub, Route]]:
        """Every route, with a subscription that leads to it."""
        return [(sub, route) for sub, routes in self.asked for route in routes]

    @property
    def is_twin(self) -> bool:
        """Say whether the class is another venue that speaks the dialect of a finished one."""
        return any(
            base is not Adapter and issubclass(base, Adapter) and "venue" in vars(base)
            for base in self.cls.__mro__[1:]
        )

    def line_of(self, name: str) -> int:
        """Return the line where a method is defined."""
        function = inspect.unwrap(getattr(self.cls, name))
        return int(function.__code__.co_firstlineno)

    def changed_tables(self) -> list[str]:
        """Return the tables of its modules and classes that are not as they were at first."""
        now = self._contents()
        return [name for name, before in self._tables.items() if now.get(name) != before]

    def _contents(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for cls in self.cls.__mro__:
            if cls is Adapter or not issubclass(cls, Adapter):
                continue
            module = sys.modules.get(cls.__module__)
            for holder in (module, cls):
                if holder is not None:
                    found.update(_tables_of(holder))
        return found


def _tables_of(holder: ModuleType | type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(holder).items():
        if isinstance(value, (dict, list, set)) and not name.startswith("__"):
            yield f"{holder.__name__}.{name}", _frozen(value)


def _frozen(value: Any) -> Any:
    """Return what a table holds, so that a later change of it shows."""
    if isinstance(value, dict):
        return [(key, _frozen(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_frozen(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    return id(value)


def said(error: BaseException) -> str:
    """Name an error in one line."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def line_of(error: BaseException, path: str) -> int | None:
    """Return the last line of the venue's own file on the way to an error."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


__all__ = ["Faults", "Subject", "line_of", "said"]
