"""The garbage collector is left to others, and given everything back."""

from __future__ import annotations

import gc
import sys

import pytest

from unified_ws.shell.garbage import hold_still, let_go


@pytest.fixture(autouse=True)
def _nothing_is_frozen() -> None:
    assert gc.get_freeze_count() == 0


def test_what_is_alive_is_moved_aside_until_the_last_lets_go() -> None:
    """Two objects share the freeze; the second one's end gives all back."""
    hold_still("a")
    hold_still("b")
    frozen = gc.get_freeze_count()
    let_go("a")
    still = gc.get_freeze_count()
    let_go("b")

    assert frozen > 10_000
    assert still >= 1
    assert gc.get_freeze_count() == 0
    let_go("b")  # idempotent


def test_somebody_elses_freeze_is_not_touched() -> None:
    """A program that manages the collector itself goes on doing so."""
    gc.freeze()
    try:
        hold_still("a")
        let_go("a")
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_at_a_prompt_nothing_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are run again and again there, and what they made is forgotten."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    hold_still("a")

    assert gc.get_freeze_count() == 0
