"""The venue that ADD_A_VENUE.md describes, taken out of it: what is printed there is what is tested."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

GUIDE = Path(__file__).resolve().parents[2] / "ADD_A_VENUE.md"
_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """Return the files of the guide by name."""
    return {match[1]: match[2] for match in _BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))}


def written(folder: Path, *changes: tuple[str, str], name: str = "acme.py") -> Path:
    """Write the files of the guide into a folder, one of them changed; return that one."""
    for block, text in blocks().items():
        (folder / block).write_text(text, encoding="utf-8")
    text = (folder / name).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{name} no longer holds {old!r}"
        text = text.replace(old, new, 1)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def loaded(path: Path) -> ModuleType:
    """Import a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
