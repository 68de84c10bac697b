"""Print the tables: `python -m tests.bench [venues] [--quick] [--rounds N] [--json FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from tests.bench import venues
from tests.bench.harness import CLIENTS, SCENARIOS, measure, report

arguments = argparse.ArgumentParser(prog="python -m tests.bench")
arguments.add_argument("table", nargs="?", choices=("venues",), help="trades and book by venue")
arguments.add_argument("--quick", action="store_true", help="a few thousand messages, one round")
arguments.add_argument("--rounds", type=int, help="interleaved rounds (5; venues: 3; quick: 1)")
arguments.add_argument("--json", type=Path, help="where to write every single run")
arguments.add_argument("--only", nargs="*", default=(), choices=[s.name for s in SCENARIOS])
arguments.add_argument("--clients", nargs="*", default=CLIENTS, choices=CLIENTS)
arguments.add_argument("--venues", nargs="*", default=(), choices=list(venues.SETUPS))
given = arguments.parse_args()


def written(results: object) -> None:
    """Keep every single run where that is wanted."""
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


if given.table == "venues":
    costs = venues.measure(
        venues=given.venues, rounds=given.rounds or (1 if given.quick else venues.ROUNDS),
        counts=venues.QUICK if given.quick else venues.COUNTS,
    )  # fmt: skip
    written(costs)
    sys.stdout.write(venues.report(costs) + "\n")
else:
    results = measure(
        quick=given.quick, rounds=given.rounds or (1 if given.quick else 5), only=given.only,
        clients=given.clients,
    )  # fmt: skip
    written(results)
    sys.stdout.write(report(results) + "\n")
    if not given.only:
        # Not before: a child is said to have had its parent's memory.
        from tests.bench import decode

        sys.stdout.write(f"\n{decode.report()}\n")
