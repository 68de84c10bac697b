"""Load adapters from a file outside this library, and say in one sentence what is wrong with it.

The source is compiled here rather than imported by the machinery of Python: no `__pycache__`
appears beside the user's file, and a file that was changed is read anew although its second of
modification and its size may be the same.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from unified_ws.adapter import Adapter, Venue
from unified_ws.errors import AdapterError

_loaded: dict[Path, ModuleType] = {}


class BadVenue(AdapterError):
    """A venue declared outside this library cannot be used; the sentence says where and why."""


def is_path(name: str) -> bool:
    """Whether `name` means a file: "path/to/venue.py" or "path/to/venue.py:Class"."""
    return name.endswith(".py") or ".py:" in name


def split(name: str) -> tuple[Path, str | None]:
    """Split "path/to/venue.py:Class" into path and class, None where none is named."""
    if name.endswith(".py"):
        return Path(name), None
    path, _, class_name = name.rpartition(".py:")
    return Path(path + ".py"), class_name


def load(path: Path, class_name: str | None = None) -> type[Adapter]:
    """Return the adapter in a file: the one of that name, else the only one.

    Raises:
        BadVenue: The file cannot be read or run, or does not hold exactly that.
    """
    module = _module(path)
    if class_name is None:
        classes = load_all(path)
        if len(classes) > 1:
            names = " or ".join(f'"{path}:{cls.__name__}"' for cls in classes)
            raise BadVenue(f"{path} declares several adapters: say which one with {names}")
        return classes[0]
    named = getattr(module, class_name, None)
    if named is None:
        public = [name for name, value in vars(module).items() if isinstance(value, type)]
        close = difflib.get_close_matches(class_name, public, n=1)
        hint = f', did you mean "{close[0]}"?' if close else ""
        raise BadVenue(f'{path} has no class "{class_name}"{hint}')
    check(named, _where(path, class_name))
    return named  # type: ignore[no-any-return]  # checked one line above


def load_all(path: Path) -> list[type[Adapter]]:
    """Return every adapter declared in a file, at least one.

    Raises:
        BadVenue: The file cannot be read or run, or one of its adapters cannot be used.
    """
    module = _module(path)
    own = _subclasses(module)
    if not own:
        raise BadVenue(f"{path} declares no public subclass of unified_ws.adapter.Adapter")
    # A class without a venue beside one that builds on it is its base, not a mistake.
    bases = {base for cls in own for base in cls.__mro__[1:]}
    for cls in own:
        if hasattr(cls, "venue") or cls not in bases:
            check(cls, _where(path, cls.__name__))
    return declared(module)


def declared(module: ModuleType) -> list[type[Adapter]]:
    """Return the public adapters of `module` that have a venue, in the order written."""
    return [cls for cls in _subclasses(module) if hasattr(cls, "venue")]


def check(value: object, where: str) -> None:
    """Raise `BadVenue` unless `value` is an adapter class that can be used."""
    if not isinstance(value, type) or not issubclass(value, Adapter):
        raise BadVenue(f"{where} is not a subclass of unified_ws.adapter.Adapter")
    venue = getattr(value, "venue", None)
    if venue is None:
        raise BadVenue(f"{where} has no `venue`: declare venue = Venue(...) in the class")
    if not isinstance(venue, Venue):
        raise BadVenue(f"{where} has a `venue` that is not a unified_ws.adapter.Venue")
    missing = sorted(value.__abstractmethods__)
    if missing:
        raise BadVenue(f"{where} lacks {', '.join(f'{name}()' for name in missing)}")


def _subclasses(module: ModuleType) -> list[type[Adapter]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Adapter)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    ]


def _module(path: Path) -> ModuleType:
    path = path.expanduser()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadVenue(f"{path} cannot be read: {error.strerror}") from error
    path = path.resolve()
    digest = hashlib.sha256(source).hexdigest()[:12]
    known = _loaded.get(path)
    if known is not None and known.__name__.endswith(digest):
        return known
    name = f"unified_ws_venue_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}_{digest}"
    module = ModuleType(name)
    module.__file__ = str(path)
    # msgspec looks types up there by the name of their module.
    sys.modules[name] = module
    try:
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102 - that is its job
    except Exception as error:  # whatever the file does on loading, its author gets a sentence
        del sys.modules[name]
        raise BadVenue(_blame(path, error)) from error
    _loaded[path] = module
    return module


def _blame(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{path}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f"{path}, line {lines[-1]}" if lines else f"{path}"
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{where}: {error.title}: {key}: {first['msg']}"
    return f"{where}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _where(path: Path, class_name: str) -> str:
    for node in ast.walk(ast.parse(path.expanduser().read_bytes())):
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return f"{path}, line {node.lineno}: class {class_name}"
    return f"{path}: {class_name}"


__all__ = ["BadVenue", "check", "declared", "is_path", "load", "load_all", "split"]
