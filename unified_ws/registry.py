"""Which adapter a name means.

A name is an id or alias of ours, a path ("path/to/venue.py", with ":Class" where the file holds
several), an `Adapter` class, or an id that comes from outside: `register`ed, found in a folder
of the environment variable `UNIFIED_WS_VENUES`, or an entry point of group `unified_ws.venues`.

The rule: nothing from outside takes the place of a built-in id unnoticed, and nothing broken
outside hurts anybody who did not ask for it.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unified_ws import venue_files
from unified_ws.adapter import Adapter
from unified_ws.ccxt_ids import ccxt_ids, ccxt_pro_ids
from unified_ws.errors import CCXT_ERRORS, UnifiedWSError
from unified_ws.venue_files import BadVenue

if TYPE_CHECKING:
    from types import ModuleType

    class _NotSupported(Exception):
        """ccxt is untyped: this is what the checker sees of `ccxt.NotSupported`."""

else:
    _NotSupported = CCXT_ERRORS["NotSupported"]

PACKAGE = "unified_ws.venues"
GROUP = "unified_ws.venues"
FOLDERS = "UNIFIED_WS_VENUES"

_registered: dict[str, type[Adapter]] = {}


class UnknownVenue(UnifiedWSError, _NotSupported):
    """Nobody answers to this name; also a `ccxt.NotSupported`.

    Attributes:
        name: What was asked for.
        nearest: Known names that look like it, best first.
        in_ccxt_pro: Whether ccxt.pro has that id.
        broken: Why venues that might have answered could not be loaded.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str,
        nearest: tuple[str, ...] = (),
        in_ccxt_pro: bool = False,
        broken: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.name = name
        self.nearest = nearest
        self.in_ccxt_pro = in_ccxt_pro
        self.broken = broken


class _Found(NamedTuple):
    """An adapter from outside, and where it comes from, in words."""

    adapter: type[Adapter]
    source: str


def resolve(name: str | Path | type[Adapter]) -> type[Adapter]:
    """Return the adapter class that `name` means.

    Raises:
        UnknownVenue: Nobody answers to it; the sentence lists the nearest names.
        BadVenue: What it names cannot be used, or two claim the same name.
    """
    if isinstance(name, type):
        venue_files.check(name, f"class {name.__qualname__}")
        return name
    if isinstance(name, Path):
        return venue_files.load(name)
    if venue_files.is_path(name):
        return venue_files.load(*venue_files.split(name))
    builtin = _builtin(name)
    outside = _outside(name, thorough=builtin is None)
    if builtin is not None:
        if outside.found:
            raise _shadowed(name, outside.found[0].source)
        return builtin
    if not outside.found:
        raise _unknown(name, outside.broken)
    first, *others = outside.found
    if others:
        raise BadVenue(
            f'"{name}" is claimed by {first.source} and by {others[0].source}: pass one of them '
            "by its path or class"
        )
    return first.adapter


def register(adapter: type[Adapter]) -> type[Adapter]:
    """Make an adapter known by its id and aliases; usable as a class decorator.

    Registering a new version of the same class, as a notebook does, replaces the old one.

    Raises:
        BadVenue: The class cannot be used, or one of its names is taken.
    """
    source = f"class {adapter.__qualname__}"
    venue_files.check(adapter, source)
    for name in _names(adapter):
        if _builtin(name) is not None:
            raise _shadowed(name, source)
        taken = _registered.get(name)
        if taken is not None and _address(taken) != _address(adapter):
            raise BadVenue(f'"{name}" is already registered by class {taken.__qualname__}')
    _registered.update(dict.fromkeys(_names(adapter), adapter))
    return adapter


def adapters() -> dict[str, type[Adapter]]:
    """Return every adapter that can be loaded, by id; broken ones from outside are left out."""
    found = {cls.venue.id: cls for cls in _builtins()}
    for outside in _all_outside().found:
        found.setdefault(outside.adapter.venue.id, outside.adapter)
    return dict(sorted(found.items()))


def exchange_ids() -> list[str]:
    """Return the ids of all adapters, and those of their aliases that are ids of ccxt's too."""
    known = adapters()
    aliases = {alias for cls in known.values() for alias in cls.venue.aliases}
    return sorted(known.keys() | (aliases & ccxt_ids()))


# --- built-in ----------------------------------------------------------------------------


def _modules() -> list[str]:
    try:
        package = importlib.import_module(PACKAGE)
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise
        raise BadVenue(
            "unified_ws has no venues because it is not installed: run pip install -e . where "
            "its pyproject.toml is"
        ) from error
    return [info.name for info in pkgutil.iter_modules(package.__path__) if info.name[0] != "_"]


def _builtin(name: str) -> type[Adapter] | None:
    modules = _modules()
    # The file of that name first: finding one adapter should not import them all.
    for module in sorted(modules, key=lambda module: module != name):
        for cls in _declared(module):
            if name in _names(cls):
                return cls
    return None


def _builtins() -> list[type[Adapter]]:
    return [cls for module in _modules() for cls in _declared(module)]


def _declared(module: str) -> list[type[Adapter]]:
    return venue_files.declared(importlib.import_module(f"{PACKAGE}.{module}"))


# --- from outside ------------------------------------------------------------------------


class _Outside(NamedTuple):
    """What was found outside, and a sentence for each thing that could not be loaded."""

    found: list[_Found]
    broken: list[str]


def _outside(name: str, *, thorough: bool) -> _Outside:
    """Find who answers to `name`; entry points of other names are loaded if `thorough`."""
    outside = _all_outside(only=name)
    matching = [x for x in outside.found if name in _names(x.adapter)]
    if thorough and not matching:
        outside = _all_outside()
        matching = [x for x in outside.found if name in _names(x.adapter)]
    unique = {_address(x.adapter): x for x in matching}
    return _Outside(list(unique.values()), outside.broken)


def _all_outside(only: str | None = None) -> _Outside:
    found = [_Found(cls, f"class {cls.__qualname__}") for cls in _registered.values()]
    broken: list[str] = []
    for path in _files(broken):
        try:
            found += [_Found(cls, f"{path}") for cls in venue_files.load_all(path)]
        except BadVenue as error:
            broken.append(str(error))
    for point in importlib.metadata.entry_points(group=GROUP):
        if only is None or point.name == only:
            try:
                found += _entry_point(point)
            except BadVenue as error:
                broken.append(str(error))
    return _Outside(found, broken)


def _files(broken: list[str]) -> Iterable[Path]:
    for text in os.environ.get(FOLDERS, "").split(os.pathsep):
        folder = Path(text).expanduser()
        if text and folder.is_dir():
            yield from sorted(path for path in folder.glob("*.py") if path.name[0] != "_")
        elif text:
            broken.append(f"{folder}, named in {FOLDERS}, is not a folder")


def _entry_point(point: importlib.metadata.EntryPoint) -> list[_Found]:
    source = f'entry point "{point.name}" ({point.value})'
    try:
        loaded: type[Adapter] | ModuleType = point.load()
    except Exception as error:  # whatever a foreign package does on import stays its own
        reason = str(error).partition("\n")[0]
        raise BadVenue(f"{source}: {type(error).__name__}: {reason}") from error
    if isinstance(loaded, type):
        venue_files.check(loaded, source)
        return [_Found(loaded, source)]
    return [_Found(cls, source) for cls in venue_files.declared(loaded)]


# --- names -------------------------------------------------------------------------------


def _names(adapter: type[Adapter]) -> set[str]:
    return {adapter.venue.id, *adapter.venue.aliases}


def _address(adapter: type[Adapter]) -> tuple[str, str]:
    return adapter.__module__, adapter.__qualname__


def _shadowed(name: str, source: str) -> BadVenue:
    return BadVenue(
        f'"{name}" is built in and {source} claims it too: give that one another id, or pass its '
        "path or class instead of the id"
    )


def _unknown(name: str, broken: list[str]) -> UnknownVenue:
    known = {id_: cls.venue for id_, cls in adapters().items()}
    names = {*known, *(alias for venue in known.values() for alias in venue.aliases)}
    close = _nearest(name, names)
    in_ccxt_pro = name in ccxt_pro_ids()
    if in_ccxt_pro:
        hint = "ccxt.pro has it, this library has no adapter for it yet"
    elif close:
        hint = "did you mean " + " or ".join(f'"{other}"' for other in close) + "?"
    else:
        hint = "known are " + ", ".join(sorted(names))
    if in_ccxt_pro and close:
        hint += "; the nearest it has are " + ", ".join(f'"{other}"' for other in close)
    if broken:
        hint += f" (could not be loaded: {'; '.join(broken)})"
    return UnknownVenue(
        f'unknown venue "{name}": {hint}',
        name=name,
        nearest=close,
        in_ccxt_pro=in_ccxt_pro,
        broken=tuple(broken),
    )


def _nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    forms: Mapping[str, str] = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), forms, n=3, cutoff=0.6)
    return tuple(forms[form] for form in close)


__all__ = ["BadVenue", "UnknownVenue", "adapters", "exchange_ids", "register", "resolve"]
