"""Fields that a venue sends and its adapter does not read.

The names in raw rows (`info`) of what was watched are looked for in the adapter's file: among the
fields of its wire types, and among all texts in its source, since sparse rows are read by name. A
name that is in neither is listed, by its place in the row. That is honest and no more: the list
also holds what is documented and of no use here, so a name says "this is new" only beside an older
list. Rows that are arrays have no names, and books carry no `info`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from unified_ws.adapter import Adapter
from unified_ws.facts import Kind

_FIRST = 50
_EACH = 25
"""Rows of a kind that are looked at: so many at first, then each so many-th."""


class Unread(msgspec.Struct):
    """The fields of one kind that are not read: by their place in a row, how often they came."""

    kind: str
    rows: int
    fields: dict[str, int]


class FieldWatch:
    """Looks at raw rows as they come."""

    def __init__(self, adapter: type[Adapter]) -> None:
        self._known = wire_names(adapter)
        self._rows: Counter[Kind] = Counter()
        self._looked: Counter[Kind] = Counter()
        self._found: dict[Kind, Counter[str]] = {}

    def note(self, kind: Kind, item: Any) -> None:
        """Look at one of ccxt's dicts, or at a typed row."""
        self._rows[kind] += 1
        if not self._known or (self._rows[kind] > _FIRST and self._rows[kind] % _EACH):
            return
        info = item.get("info") if isinstance(item, dict) else getattr(item, "info", None)
        if isinstance(info, dict):
            self._looked[kind] += 1
            self._found.setdefault(kind, Counter()).update(set(_unknown(info, self._known)))

    def found(self) -> list[Unread]:
        """Return what has been found, by kind."""
        return [
            Unread(kind.value, self._looked[kind], dict(sorted(fields.items())))
            for kind, fields in self._found.items()
        ]


def wire_names(adapter: type[Adapter]) -> frozenset[str]:
    """Return every name that the files of an adapter and its parents may read."""
    modules = {
        cls.__module__ for cls in inspect.getmro(adapter) if issubclass(cls, Adapter)
    } - {Adapter.__module__}  # fmt: skip
    names: set[str] = set()
    for module in filter(None, map(sys.modules.get, modules)):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct):
                own = value.__module__ == module.__name__  # and not one of the border's
                names |= {f.encode_name for f in msgspec.structs.fields(value) if own}
        with contextlib.suppress(OSError, TypeError):  # a notebook's class has no source
            texts = ast.walk(ast.parse(inspect.getsource(module)))
            names |= {x.value for x in texts if isinstance(x, ast.Constant) and isinstance(x.value, str)}
    return frozenset(names)


def _unknown(row: dict[str, Any], known: frozenset[str], path: str = "") -> Iterator[str]:
    for name, value in row.items():
        place = f"{path}{name}"
        if name not in known:
            yield place
        elif isinstance(value, dict):
            yield from _unknown(value, known, f"{place}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from _unknown(value[0], known, f"{place}[].")


__all__ = ["FieldWatch", "Unread", "wire_names"]
