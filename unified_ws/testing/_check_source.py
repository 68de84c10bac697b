"""What can be told about a venue's file without running it: imports, memory, docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

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
_CHANGES = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "remove", "setdefault", "sort", "update",
})  # fmt: skip
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


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
    # A candle's `open` is a field or a variable here and there, and no file.
    own = {name.id for node in ast.walk(tree) for name in _assigned(node)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield Fault("has a global or nonlocal statement: adapters are stateless", node.lineno)
        elif isinstance(node, ast.Try | ast.TryStar):
            yield Fault("has a try: the core has the one place where input may fail", node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                what = f"{node.value.id}.{node.attr}"
                yield Fault(f"assigns {what}: adapters are stateless", node.lineno)
        elif isinstance(node, ast.Name) and node.id in _CALLS - own:
            yield Fault(f"uses {node.id}(): adapters are pure", node.lineno)
        elif _is_endless_cache(node):
            text = "has a cache without a bound: it grows with whatever a venue sends"
            yield Fault(text, getattr(node, "lineno", None))
    yield from _changed_tables(tree)


def _is_endless_cache(node: ast.AST) -> bool:
    """Say whether `node` is `functools.cache`, or an `lru_cache` of unlimited size."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "functools" and any(alias.name == "cache" for alias in node.names)
    if isinstance(node, ast.Attribute):
        return node.attr == "cache" and isinstance(node.value, ast.Name | ast.Attribute) and (
            ast.unparse(node.value) == "functools"
        )  # fmt: skip
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("lru_cache"):
        sizes = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "maxsize")]
        return any(isinstance(size, ast.Constant) and size.value is None for size in sizes)
    return False


def _changed_tables(tree: ast.Module) -> Iterator[Fault]:
    """Yield where a function changes a table of its module: that is memory between frames."""
    tables = {name.id for node in tree.body for name in _assigned(node)}
    for function in ast.walk(tree):
        if not isinstance(function, _Function):
            continue
        own = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
        own |= {name.id for node in ast.walk(function) for name in _assigned(node)}
        for node in ast.walk(function):
            name = _changed(node)
            if name is not None and name in tables - own:
                text = f"changes {name} of its module: adapters are stateless"
                yield Fault(text, getattr(node, "lineno", None))


def _assigned(node: ast.AST) -> Iterator[ast.Name]:
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign | ast.For | ast.comprehension | ast.NamedExpr):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    else:
        return
    for target in targets:
        yield from (name for name in _names(target))


def _names(target: ast.expr) -> Iterator[ast.Name]:
    if isinstance(target, ast.Name):
        yield target
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _names(element)


def _changed(node: ast.AST) -> str | None:
    """Return the name of the table that a piece of source changes in place."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        table: ast.expr = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr not in _CHANGES:
            return None
        table = node.func.value
    else:
        return None
    while isinstance(table, ast.Subscript | ast.Attribute):
        table = table.value
    return table.id if isinstance(table, ast.Name) else None


def documentation(tree: ast.Module) -> Iterator[Fault]:
    """Yield what the reader of the file would miss."""
    if not ast.get_docstring(tree):
        yield Fault("has no docstring with its source and the venue's peculiarities", 1)


__all__ = ["Fault", "documentation", "foreign_imports", "memory"]
