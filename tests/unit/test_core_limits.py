"""Exact sliding windows: a venue counts every window, not the average."""

from __future__ import annotations

import random

import pytest

from unified_ws.core.limits import Budget
from unified_ws.facts import Window


def test_no_window_means_no_limit() -> None:
    """A venue that states nothing is not slowed down."""
    budget = Budget(None)
    assert all(budget.take(0.0, 1000.0) for _ in range(100))
    assert budget.spent(0.0) == 0.0


def test_a_window_is_exact_to_the_edge() -> None:
    """A token bucket lets ten pass around the turn of a second where five are allowed."""
    budget = Budget(Window(n=5, per_s=1))
    assert [budget.take(0.875) for _ in range(6)] == [True] * 5 + [False]
    assert budget.wait_s(1.0) == 0.875
    assert not budget.take(1.8749)
    assert budget.take(1.875)


def test_the_wait_is_enough_and_not_too_long() -> None:
    """Who waits as told gets through, at the earliest moment possible."""
    budget = Budget(Window(n=3, per_s=10))
    for at in (0.0, 4.0, 8.0):
        budget.charge(at)
    assert budget.wait_s(9.0) == pytest.approx(1.0)
    assert budget.wait_s(9.0, 2.0) == pytest.approx(5.0)
    assert budget.wait_s(9.0, 3.0) == pytest.approx(9.0)
    assert budget.take(14.0, 2.0)


def test_a_reserve_is_kept_for_the_urgent() -> None:
    """A pong must never wait behind subscriptions."""
    budget = Budget(Window(n=5, per_s=1), reserve=2)
    assert [budget.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert budget.take(0.0, urgent=True)
    assert budget.take(0.0, urgent=True)
    assert not budget.take(0.0, urgent=True)
    assert budget.wait_s(0.0) == pytest.approx(1.0)


def test_what_has_happened_counts_whatever_the_window_says() -> None:
    """Pongs are sent at once and charged afterwards."""
    budget = Budget(Window(n=2, per_s=1))
    for _ in range(4):
        budget.charge(0.0)
    assert budget.spent(0.5) == 4
    assert not budget.take(0.99)
    assert budget.take(1.0)


def test_a_cost_above_the_ceiling_passes_alone() -> None:
    """A snapshot of 250 with a budget of 100 must pass some day, but only in an empty window."""
    budget = Budget(Window(n=100, per_s=60), reserve=10)
    assert budget.take(0.0, 1.0)
    assert budget.wait_s(10.0, 250.0) == pytest.approx(50.0)
    assert budget.take(60.0, 250.0)
    assert not budget.take(100.0, 1.0)
    assert budget.take(120.0, 1.0)
    assert not budget.take(120.0, 250.0, urgent=True)


def test_a_ban_holds_everything_and_is_never_shortened() -> None:
    """Retry-After is an order: another answer with a shorter one does not lift it."""
    budget = Budget(Window(n=5, per_s=1))
    budget.block(30.0)
    budget.block(10.0)
    assert budget.wait_s(0.0) == 30.0
    assert not budget.take(29.9, urgent=True)
    assert budget.take(30.0)
    free = Budget(None)
    free.block(5.0)
    assert free.wait_s(1.0) == 4.0
    assert free.wait_s(5.0) == 0.0


def test_floats_do_not_drift_over_months() -> None:
    """0.1 a thousand times over must leave an empty window really empty."""
    budget = Budget(Window(n=1, per_s=1))
    now = 0.0
    for _ in range(20_000):
        now += 0.35
        assert budget.take(now, 0.1)
    assert budget.spent(now + 2) == 0.0
    assert budget.take(now + 2, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_against_a_brute_force_model(seed: int) -> None:
    """Every window that ends at a spending holds at most n, and no more waiting than needed."""
    rng = random.Random(seed)
    window = Window(n=rng.choice((1, 5, 40)), per_s=rng.choice((0.5, 1, 60)))
    reserve = rng.choice((0.0, window.n / 4))
    budget = Budget(window, reserve)
    spent: list[tuple[float, float]] = []
    now = 1000.0
    for _ in range(1500):
        now += rng.choice((0.0, 0.001, 0.1, window.per_s / 7))
        urgent = rng.random() < 0.2
        ceiling = window.n - (0.0 if urgent else reserve)
        cost = rng.choice((1.0, 0.5, ceiling / 2))
        inside = sum(c for at, c in spent if at > now - window.per_s)
        allowed = inside + min(cost, ceiling) <= ceiling + 1e-9
        wait = budget.wait_s(now, cost, urgent=urgent)
        assert (wait == 0.0) == allowed
        if not allowed:
            later = now + wait
            rest = sum(c for at, c in spent if at > later - window.per_s + 1e-9)
            assert rest + min(cost, ceiling) <= ceiling + 1e-6
            earlier = now + wait - 2e-6
            before = sum(c for at, c in spent if at > earlier - window.per_s)
            assert wait <= 2e-6 or before + min(cost, ceiling) > ceiling - 1e-6
        if budget.take(now, cost, urgent=urgent):
            spent.append((now, cost))
    for end, _ in spent:
        total = sum(c for at, c in spent if end - window.per_s < at <= end)
        assert total <= window.n + 1e-6


def test_waiting_as_told_is_never_endless() -> None:
    """At large clock values rounding must not turn the wait into a spin."""
    budget = Budget(Window(n=5, per_s=1))
    now = 3_000_000.123456
    for _ in range(2000):
        turns = 0
        while not budget.take(now):
            now += budget.wait_s(now)
            turns += 1
            assert turns < 5
