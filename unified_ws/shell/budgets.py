"""Budgets that all exchange objects of one process share: venues count addresses, not objects."""

from __future__ import annotations

from unified_ws.core.limits import Budget
from unified_ws.facts import Venue, Window

_BUDGETS: dict[tuple[str, ...], Budget] = {}


def shared_budget(*key: str, window: Window | None, reserve: float = 0.0) -> Budget:
    """Return the budget of `key` (venue, what is counted, the address it is counted at)."""
    budget = _BUDGETS.get(key)
    if budget is None or budget.window != window:
        budget = _BUDGETS[key] = Budget(window, reserve)
    return budget


def rest_budgets(venue: Venue, address: str) -> dict[str, Budget]:
    """Return the budgets of a venue's REST hosts; "" is the general one."""
    found = {
        name: shared_budget(
            venue.id, f"rest {name}", address, window=host.budget, reserve=host.budget.n / 10
        )
        for name, host in venue.rest.items()
    }
    found.setdefault("", Budget(None))
    return found
