"""The architecture as a test: who may import whom, what an adapter may do, what no file may name.

Everything is read with `ast`: a file does not have to be importable to be judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ccxt
import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "unified_ws"
ADAPTERS = sorted(path for path in (ROOT / "exchanges").glob("*.py") if path.name[0] != "_")
SOURCES = sorted(LIBRARY.rglob("*.py"))

# A module imports only from its own layer and those before it. What is not listed belongs to
# the last layer but one: the exchange object and all that hangs on it.
LAYERS = (
    "_version facts events errors ccxt_ids types types_market types_account",
    "adapter",
    "core",
    "shell config formats gateway proxies registry venue_files rest rest_call rest_methods",
    "(everything else)",
    "cli cli_doctor cli_output cli_serve cli_source cli_venues cli_watch __main__ testing",
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
RANKS |= dict.fromkeys(("rest_data", "rest_account", "rest_orders", "rest_trading"), RANKS["rest"])
ELSE = LAYERS.index("(everything else)")
CCXT_IMPORTERS = {"rest.py", "errors.py", "ccxt_ids.py"}
IMPURE = {
    "aiohttp", "asyncio", "datetime", "os", "queue", "random", "secrets", "select", "signal",
    "socket", "ssl", "subprocess", "sys", "threading", "time", "uuid",
}  # fmt: skip
CALLS = {"setattr", "print", "open"}
# What an adapter may import besides the border and other adapters: all of it pure.
PURE = {
    "__future__", "base64", "binascii", "bisect", "collections", "dataclasses", "decimal", "enum",
    "functools", "hashlib", "hmac", "itertools", "json", "math", "msgspec", "operator", "re",
    "string", "struct", "types", "typing", "urllib.parse", "zlib",
}  # fmt: skip
# Ids of ccxt that are words of English too, or of this trade.
WORDS = {
    "alpaca", "apex", "aster", "backpack", "bullish", "cex", "delta", "derive", "extended", "gate",
    "gemini", "lighter", "woo", "xt",
}  # fmt: skip
VENUES = (set(ccxt.exchanges) - WORDS) | {"gateio", "tradovate", "polygon", "tickdb"}
NAMED = re.compile(
    rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, sorted(VENUES)))})(?![a-z0-9])", re.IGNORECASE
)


def imports(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yield every module that `tree` imports, also inside functions; relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module or "") if part)
            if base == "unified_ws" or (node.level and node.module is None):
                yield from (f"{base}.{alias.name}" for alias in node.names)
            else:
                yield base


def rank(module: str) -> int:
    """Return the layer of one of our modules, by the first part of its name in the package."""
    return RANKS.get([*module.split("."), ""][1], ELSE)


def wrong_way(tree: ast.AST, module: str) -> list[str]:
    """Return what `module` imports from a layer that is built on its own."""
    package = module.rpartition(".")[0]
    ours = [name for name in imports(tree, package) if name.startswith("unified_ws.")]
    return [
        name for name in ours if rank(name) > rank(module) or name.startswith("unified_ws.venues")
    ]


def foreign_to_an_adapter(tree: ast.AST) -> list[str]:
    """Return what an adapter imports and should not."""
    return [
        name
        for name in imports(tree, "unified_ws.venues")
        if name not in PURE
        and name.partition(".")[0] not in PURE
        and name != "unified_ws.adapter"
        and not name.startswith("unified_ws.venues.")
    ]


def memory_of_an_adapter(tree: ast.AST) -> list[str]:
    """Return, by line, what would make an adapter remember something or swallow a failure."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            found.append(f"{node.lineno}: global or nonlocal")
        elif isinstance(node, ast.Try | ast.TryStar):
            found.append(f"{node.lineno}: try")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                found.append(f"{node.lineno}: {node.value.id}.{node.attr} = ...")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in CALLS:
            found.append(f"{node.lineno}: {node.id}()")
    return found


def named(text: str) -> list[str]:
    """Return every venue that `text` names, with its line."""
    return [
        f"{number}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in NAMED.finditer(line)
    ]


def tree_of(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def label(path: Path) -> str:
    """Return the name of a test case for a file."""
    return path.relative_to(ROOT).as_posix()


# --- the library ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_imports_point_one_way(path: Path) -> None:
    """The core can be tested without a socket, and a venue without the core."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert wrong_way(tree_of(path), ".".join(parts)) == []


@pytest.mark.parametrize("path", sorted((LIBRARY / "core").rglob("*.py")), ids=label)
def test_the_core_has_no_clock_no_chance_and_no_io(path: Path) -> None:
    """Time, randomness and sleep are arguments: that is why no test of it sleeps."""
    assert {name.partition(".")[0] for name in imports(tree_of(path))} & IMPURE == set()


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_ccxt_is_imported_in_three_places_only(path: Path) -> None:
    """A new major version of ccxt is then a matter of three files."""
    uses = any(name.partition(".")[0] == "ccxt" for name in imports(tree_of(path)))
    assert not uses or (path.parent == LIBRARY and path.name in CCXT_IMPORTERS)


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if "venues" not in p.relative_to(LIBRARY).parts], ids=label
)
def test_no_venue_is_named_outside_its_own_file(path: Path) -> None:
    """A name in the core is a special case in the core, even in a comment."""
    assert named(path.read_text(encoding="utf-8")) == []


# --- the adapters --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ADAPTERS, ids=label)
def test_adapters_import_the_border_and_pure_modules_only(path: Path) -> None:
    """An adapter that cannot reach a clock or a socket cannot depend on one."""
    assert foreign_to_an_adapter(tree_of(path)) == []


@pytest.mark.parametrize("path", ADAPTERS, ids=label)
def test_adapters_remember_nothing(path: Path) -> None:
    """One instance serves every connection, and failures belong to the core's one place."""
    assert memory_of_an_adapter(tree_of(path)) == []


# --- the judges ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("unified_ws.core.book", "from unified_ws.shell.x import C", ["unified_ws.shell.x"]),
        ("unified_ws.core.book", "from unified_ws import rest", ["unified_ws.rest"]),
        ("unified_ws.core.book", "from ..shell import client", ["unified_ws.shell"]),
        ("unified_ws.core.book", "from .ring import Ring", []),
        ("unified_ws.core.book", "from unified_ws.adapter import Sub", []),
        ("unified_ws.adapter", "import unified_ws.core.book", ["unified_ws.core.book"]),
        ("unified_ws.shell.client", "def f():\n  from unified_ws import api", ["unified_ws.api"]),
        ("unified_ws.registry", "from unified_ws.venues import x", ["unified_ws.venues"]),
        ("unified_ws.cli", "from unified_ws import api, testing", []),
        ("unified_ws.__init__", "from unified_ws.cli import main", ["unified_ws.cli"]),
    ],
)  # fmt: skip
def test_a_wrong_import_is_found(module: str, text: str, expected: list[str]) -> None:
    """A judge that never convicts would pass all of the above."""
    assert wrong_way(ast.parse(text), module) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import time", ["time"]),
        ("from datetime import datetime", ["datetime"]),
        ("import unified_ws.core.book", ["unified_ws.core.book"]),
        ("from unified_ws.events import Trade", ["unified_ws.events"]),
        ("import urllib.request", ["urllib.request"]),
        ("from unified_ws import adapter as ws", []),
        ("from unified_ws.adapter import Sub", []),
        ("from . import twin", []),
        ("from .twin import Twin", []),
        ("from urllib.parse import urlencode\nfrom collections.abc import Mapping", []),
    ],
)
def test_a_foreign_import_of_an_adapter_is_found(text: str, expected: list[str]) -> None:
    """The same for adapters."""
    assert foreign_to_an_adapter(ast.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("self.x = 1", ["1: self.x = ..."]),
        ("self.x += 1", ["1: self.x = ..."]),
        ("self.a, b = 1, 2", ["1: self.a = ..."]),
        ("cls.x: int = 1", ["1: cls.x = ..."]),
        ("def f():\n  global x", ["2: global or nonlocal"]),
        ("try:\n  pass\nfinally:\n  pass", ["1: try"]),
        ("setattr(self, 'x', 1)", ["1: setattr()"]),
        ("x = self.venue", []),
    ],
)
def test_memory_of_an_adapter_is_found(text: str, expected: list[str]) -> None:
    """The same for state."""
    assert memory_of_an_adapter(ast.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("# as Binance does", 1), ("x = BYBIT_URL", 1), ("okx and kraken", 2), ("gateio", 1),
        ("ccxt.pro.kucoin()", 1), ("open the gate", 0), ("an extended order", 0),
        ("hyperliquidity", 0), ("binanceusdm", 1),
    ],
)  # fmt: skip
def test_a_name_is_found_as_a_whole_word(text: str, count: int) -> None:
    """The same for names, in any case, beside underscores, but not inside other words."""
    assert len(named(text)) == count
