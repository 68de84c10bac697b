"""What can be told about a venue's file without running it: imports, memory, docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

BORDER = "unified_ws.adapter"
TWINS = "unified_ws.venues"
# Beside the border and other adapters, an adapter may import what cannot reach a clock, a file or
# a socket.
PURE = frozenset({
    "__future__", "base64", "binascii", "bisect", "collections", "dataclasses", "decimal", "enum",
    "functools", "hashlib", "hmac", "itertools", "json", "math", "msgspec", "operator", "re",
    "string", "struct", "types", "typing", "urllib.parse", "zlib",
})  # fmt: skip
_CALLS = frozenset({"open", "print", "setattr", "input", "exec", "eval", "__import__"})


class Fault(NamedTuple):
    """What is wrong, and in which line of the file (or another place, in words)."""

    text: str
    line: int | str | None = None


def foreign_imports(tree: ast.Module) -> Iterator[Fault]:
    """Yield imports of what an adapter must not know."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = f"{TWINS}.{node.module or ''}".rstrip(".") if node.level else node.module or ""
            whole = base == "unified_ws"
            names = [f"{base}.{alias.name}" for alias in node.names] if whole else [base]
        else:
            continue
        for name in names:
            if not _is_allowed(name):
                yield Fault(
                    f"imports {name}: only the border, msgspec and pure modules", node.lineno
                )


def _is_allowed(name: str) -> bool:
    ours = name in (BORDER, TWINS) or name.startswith(f"{TWINS}.")
    return ours or name in PURE or name.partition(".")[0] in PURE


def memory(tree: ast.Module) -> Iterator[Fault]:
    """Yield what would make an adapter remember something, or swallow a failure."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield Fault("has a global or nonlocal statement: adapters are stateless", node.lineno)
        elif isinstance(node, ast.Try | ast.TryStar):
            yield Fault("has a try: the core has the one place where input may fail", node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                what = f"{node.value.id}.{node.attr}"
                yield Fault(f"assigns {what}: adapters are stateless", node.lineno)
        elif isinstance(node, ast.Name) and node.id in _CALLS:
            yield Fault(f"uses {node.id}(): adapters are pure", node.lineno)


def documentation(tree: ast.Module) -> Iterator[Fault]:
    """Yield what the reader of the file would miss."""
    if not ast.get_docstring(tree):
        yield Fault("has no docstring with its source and the venue's peculiarities", 1)


__all__ = ["Fault", "documentation", "foreign_imports", "memory"]
