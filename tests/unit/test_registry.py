"""Which adapter a name means, and the sentence when none or several claim it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ccxt
import pytest

from unified_ws import registry, venue_files
from unified_ws.adapter import Adapter
from unified_ws.registry import BadVenue, UnknownVenue, adapters, exchange_ids, register, resolve

HEAD = """\
from unified_ws import adapter as ws
"""
CLASS = """
class {name}(ws.Adapter):
    venue = ws.Venue(
        id="{id}", ccxt_id="{id}", aliases={aliases!r}, kinds=frozenset({{ws.Kind.TRADES}}),
        endpoints={{"public": ws.Endpoint(live="wss://example.com")}},
    )

    def route(self, sub):
        return ()

    def request(self, op, topics, call):
        return b""

    def decode(self, frame, at, markets):
        return ()
"""

Write = Callable[..., Path]


def source(*ids: str, aliases: tuple[str, ...] = ()) -> str:
    """Return a file that declares one adapter an id, named after it."""
    return HEAD + "".join(
        CLASS.format(name=id_.capitalize(), id=id_, aliases=aliases) for id_ in ids
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a venue file."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture(autouse=True)
def builtin(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Stand a package with two built-in files in for ours, and undo every registration."""
    folder = tmp_path_factory.mktemp("builtin") / "stand_in_venues"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "first.py").write_text(source("first", aliases=("kraken", "one")))
    (folder / "several.py").write_text(source("second", "third"))
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr(registry, "PACKAGE", "stand_in_venues")
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(venue_files, "_loaded", {})
    monkeypatch.delenv(registry.FOLDERS, raising=False)
    yield
    for name in [name for name in sys.modules if name.startswith("stand_in_venues")]:
        del sys.modules[name]


def refusal(name: Any) -> str:
    """Return the sentence with which `name` is refused as unusable."""
    with pytest.raises(BadVenue) as caught:
        resolve(name)
    return str(caught.value)


# --- built-in ------------------------------------------------------------------------------


def test_an_id_finds_its_file_without_importing_the_others() -> None:
    """Starting a bot on one venue does not pay for all of them."""
    assert resolve("first").venue.id == "first"
    assert "stand_in_venues.several" not in sys.modules


def test_a_file_may_declare_several_ids_and_aliases() -> None:
    """Twins share a file; an old id keeps working."""
    assert resolve("third").venue.id == "third"
    assert resolve("second") is resolve("second")
    assert resolve("one") is resolve("first")


def test_the_list_of_ids_holds_the_aliases_that_are_ids_of_ccxt() -> None:
    """`unified_ws.exchanges` stands where `ccxt.pro.exchanges` stood."""
    assert exchange_ids() == ["first", "kraken", "second", "third"]
    assert list(adapters()) == ["first", "second", "third"]


def test_without_installation_the_sentence_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A checkout that was not installed has no venues, and a ModuleNotFoundError explains less."""
    monkeypatch.setattr(registry, "PACKAGE", "there_is_no_such_package")
    assert "run pip install -e ." in refusal("first")


def test_an_import_error_inside_a_builtin_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a missing package means "not installed"."""
    (tmp_path / "torn_package.py").write_text("import there_is_no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "PACKAGE", "torn_package")
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_package"):
        resolve("first")


# --- unknown -------------------------------------------------------------------------------


def test_an_unknown_name_lists_the_nearest() -> None:
    """One sentence, and the caller knows what to type."""
    with pytest.raises(UnknownVenue) as caught:
        resolve("Frist")
    assert str(caught.value) == 'unknown venue "Frist": did you mean "first"?'
    assert (caught.value.name, caught.value.nearest) == ("Frist", ("first",))
    assert not caught.value.in_ccxt_pro
    assert isinstance(caught.value, ccxt.NotSupported)


def test_a_name_like_none_lists_them_all() -> None:
    """Without a near one the whole list is the hint."""
    with pytest.raises(UnknownVenue, match=r"known are first, kraken, one, second, third$"):
        resolve("zzz")


def test_a_name_that_only_ccxt_pro_has_says_so() -> None:
    """It is spelt right: looking for a typing error would be a waste of time."""
    with pytest.raises(UnknownVenue) as caught:
        resolve("bitstamp")
    assert caught.value.in_ccxt_pro
    assert str(caught.value) == (
        'unknown venue "bitstamp": ccxt.pro has it, this library has no adapter for it yet'
    )
    with pytest.raises(UnknownVenue, match=r'yet; the nearest it has are "kraken"$'):
        resolve("krakenfutures")


# --- classes and files ---------------------------------------------------------------------


def test_a_class_is_taken_as_it_is(write: Write) -> None:
    """An explicit class may even carry a built-in id: nothing about that is silent."""
    cls = resolve(write("mine.py", source("first")))
    assert resolve(cls) is cls
    assert cls is not resolve("first")


def test_a_path_may_be_text_or_path_with_or_without_class(write: Write) -> None:
    """All spellings of one file are one class, so `isinstance` holds."""
    path = write("mine.py", source("mine"))
    assert resolve(f"{path}") is resolve(path) is resolve(f"{path}:Mine")
    assert resolve(path).venue.id == "mine"
    assert not (path.parent / "__pycache__").exists()


def test_a_changed_file_is_read_anew(write: Write) -> None:
    """In a notebook the file is edited and the cell run again, within the same second."""
    old = resolve(write("mine.py", source("mine")))
    new = resolve(write("mine.py", source("mime")))
    assert (old.venue.id, new.venue.id) == ("mine", "mime")


def test_a_file_with_several_adapters_wants_a_class(write: Write) -> None:
    """Guessing the first one would depend on the order of lines."""
    path = write("both.py", source("left", "right"))
    assert refusal(path) == (
        f'{path} declares several adapters: say which one with "{path}:Left" or "{path}:Right"'
    )
    assert resolve(f"{path}:Right").venue.id == "right"
    assert refusal(f"{path}:Rihgt") == f'{path} has no class "Rihgt", did you mean "Right"?'
    assert refusal(f"{path}:Zzz") == f'{path} has no class "Zzz"'


def test_a_private_base_class_is_no_adapter(write: Write) -> None:
    """Twins may share a base that has no venue, or a private one that has."""
    text = source("mine").replace("class Mine(ws.Adapter)", "class Base(ws.Adapter): ...\n\n\n"
                                  "class _Hidden(Base): ...\n\n\nclass Mine(_Hidden)")  # fmt: skip
    assert resolve(write("mine.py", text)).__name__ == "Mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ndef (:\n", ", line 2: invalid syntax"),
        ("x = 1\n\ny = 1 / 0\n", ", line 3: ZeroDivisionError: division by zero"),
        ("import no_such_thing\n", ", line 1: ModuleNotFoundError: No module named 'no_such_thing"),
        ("x = 1\n", " declares no public subclass of unified_ws.adapter.Adapter"),
        (
            HEAD + "\n\nclass Mine(ws.Adapter):\n    pass\n",
            ", line 4: class Mine has no `venue`: declare venue = Venue(...) in the class",
        ),
        (
            HEAD + "\n\nclass Mine(ws.Adapter):\n    venue = {'id': 'mine'}\n",
            ", line 4: class Mine has a `venue` that is not a unified_ws.adapter.Venue",
        ),
        (
            source("mine").replace("def request", "def demand").replace("def decode", "def read"),
            ", line 3: class Mine lacks decode(), request()",
        ),
        (
            source("mine").replace("ccxt_id=", "ccxtid="),
            ", line 4: Venue: ccxt_id: Field required",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(write: Write, text: str, expected: str) -> None:
    """Whoever writes a venue sees the place, not a traceback through our loader."""
    path = write("mine.py", text)
    assert refusal(path).startswith(f"{path}{expected}")


def test_a_class_that_is_no_adapter_is_refused(write: Write) -> None:
    """The wrong class of the right file."""
    path = write("mine.py", source("mine") + "\n\nclass Other: ...\n")
    assert refusal(f"{path}:Other") == (
        f"{path}, line 19: class Other is not a subclass of unified_ws.adapter.Adapter"
    )
    assert refusal(dict) == "class dict is not a subclass of unified_ws.adapter.Adapter"
    assert refusal(Adapter).startswith("class Adapter has no `venue`")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """A relative path is relative to where the program was started."""
    path = tmp_path / "none.py"
    assert refusal(path) == f"{path} cannot be read: No such file or directory"


# --- folders -------------------------------------------------------------------------------


def test_folders_of_the_environment_are_searched(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk keeps its venues in one place; an id is then enough."""
    a = write("a/any_name.py", source("mine", aliases=("my",))).parent
    b = write("b/two.py", source("two")).parent
    write("b/_helpers.py", "1 / 0")
    monkeypatch.setenv(registry.FOLDERS, os.pathsep.join([str(a), "", str(b)]))
    assert resolve("mine").venue.id == resolve("my").venue.id == "mine"
    assert resolve("two").venue.id == "two"
    assert exchange_ids() == ["first", "kraken", "mine", "second", "third", "two"]


def test_a_folder_may_not_shadow_a_builtin(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two adapters trades is never a matter of an environment variable."""
    path = write("a/mine.py", source("mine", aliases=("first",)))
    monkeypatch.setenv(registry.FOLDERS, str(path.parent))
    assert refusal("first") == (
        f'"first" is built in and {path} claims it too: give that one another id, or pass its '
        "path or class instead of the id"
    )
    assert resolve("mine") is resolve(path)
    assert resolve("second").venue.id == "second"


def test_two_files_may_not_claim_one_id(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of a folder is nobody's decision."""
    one, two = write("a/one.py", source("mine")), write("a/two.py", source("mine"))
    monkeypatch.setenv(registry.FOLDERS, str(one.parent))
    assert refusal("mine") == (
        f'"mine" is claimed by {one} and by {two}: pass one of them by its path or class'
    )


def test_what_is_broken_is_reported_only_to_who_might_want_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad file in a folder does not take the other venues away."""
    bad = write("a/bad.py", "1 / 0\n")
    monkeypatch.setenv(registry.FOLDERS, os.pathsep.join([str(bad.parent), "/no/such/folder"]))
    write("a/good.py", source("good"))
    assert resolve("good").venue.id == "good"
    assert "good" in exchange_ids()
    with pytest.raises(UnknownVenue) as caught:
        resolve("bad")
    assert caught.value.broken == (
        f"{bad}, line 1: ZeroDivisionError: division by zero",
        "/no/such/folder, named in UNIFIED_WS_VENUES, is not a folder",
    )
    assert str(caught.value).endswith(f"(could not be loaded: {'; '.join(caught.value.broken)})")


# --- register ------------------------------------------------------------------------------


def test_a_registered_class_is_found_by_id_and_alias(write: Write) -> None:
    """One line in a program, and every string that names the venue works."""
    cls = resolve(write("mine.py", source("mine", aliases=("my",))))
    assert register(cls) is cls
    assert resolve("mine") is resolve("my") is cls
    assert "mine" in exchange_ids()
    assert register(cls) is cls


def test_a_taken_name_cannot_be_registered(write: Write) -> None:
    """Registering twice by accident is found where it happens."""
    with pytest.raises(BadVenue, match='"first" is built in and class First claims it too'):
        register(resolve(write("mine.py", source("first"))))
    register(resolve(write("mine.py", source("mine"))))
    other = resolve(write("other.py", source("mine")))
    with pytest.raises(BadVenue, match='"mine" is already registered by class Mine'):
        register(other)


def test_what_is_no_adapter_cannot_be_registered() -> None:
    """As a decorator on the wrong class."""
    wrong: Any = dict
    with pytest.raises(BadVenue, match="is not a subclass"):
        register(wrong)


def test_a_cell_that_is_run_again_replaces_its_class() -> None:
    """In a notebook the same class is defined and registered many times."""
    text = source("mine")
    old, new = ModuleType("cell"), ModuleType("cell")
    for cell in (old, new):
        exec(text, vars(cell))
    register(vars(old)["Mine"])
    assert resolve(register(vars(new)["Mine"])) is resolve("mine") is vars(new)["Mine"]


# --- entry points --------------------------------------------------------------------------


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> Iterator[Callable[[str], None]]:
    """Return a function that installs a package whose entry points are the given lines."""

    def install(lines: str) -> None:
        write("foreign-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: foreign\nVersion: 1")
        write("foreign-1.0.dist-info/entry_points.txt", f"[unified_ws.venues]\n{lines}\n")
        importlib.invalidate_caches()

    write("foreign_good.py", source("mine", "yours"))
    write("foreign_bad.py", "raise RuntimeError('no licence\\nfound')")
    monkeypatch.syspath_prepend(tmp_path)
    yield install
    for name in ("foreign_good", "foreign_bad"):
        sys.modules.pop(name, None)


def test_an_entry_point_may_be_a_class_or_a_module(installed: Callable[[str], None]) -> None:
    """`pip install` of a package is all that its user does."""
    installed("mine = foreign_good:Mine")
    assert resolve("mine").venue.id == "mine"
    installed("all = foreign_good")
    assert resolve("yours").venue.id == "yours"
    assert "yours" in exchange_ids()


def test_a_broken_entry_point_hurts_nobody_else(installed: Callable[[str], None]) -> None:
    """A package that fails on import is reported when it is asked for by name."""
    installed("bad = foreign_bad\ngood = foreign_good\nnone = foreign_good:ws")
    assert resolve("mine").venue.id == "mine"
    assert resolve("first").venue.id == "first"
    with pytest.raises(UnknownVenue) as caught:
        resolve("bad")
    assert caught.value.broken == ('entry point "bad" (foreign_bad): RuntimeError: no licence',)


def test_an_entry_point_is_known_by_the_ids_it_declares(installed: Callable[[str], None]) -> None:
    """Its own name is a label: a venue has the same id wherever it comes from."""
    installed("first = foreign_good")
    assert resolve("first").__module__ == "stand_in_venues.first"
    assert resolve("mine").venue.id == "mine"


def test_an_entry_point_with_a_builtin_id_is_refused(
    installed: Callable[[str], None], write: Write
) -> None:
    """The same rule as for folders."""
    write("foreign_first.py", source("first"))
    installed("first = foreign_first")
    assert refusal("first").startswith(
        '"first" is built in and entry point "first" (foreign_first) claims it too'
    )
    sys.modules.pop("foreign_first")


def test_a_class_that_is_no_adapter_is_no_entry_point(installed: Callable[[str], None]) -> None:
    """A wrong line in somebody's pyproject.toml."""
    installed("odd = collections:OrderedDict")
    with pytest.raises(UnknownVenue, match=r'entry point "odd" \(collections:OrderedDict\) is not'):
        resolve("odd")
