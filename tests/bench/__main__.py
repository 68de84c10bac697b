"""Run all and print the tables: `python -m tests.bench [--quick] [--rounds N] [--json FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from tests.bench.harness import CLIENTS, SCENARIOS, measure, report

arguments = argparse.ArgumentParser(prog="python -m tests.bench")
arguments.add_argument("--quick", action="store_true", help="a few thousand messages, one round")
arguments.add_argument("--rounds", type=int, help="interleaved rounds (5; quick: 1)")
arguments.add_argument("--json", type=Path, help="where to write every single run")
arguments.add_argument("--only", nargs="*", default=(), choices=[s.name for s in SCENARIOS])
arguments.add_argument("--clients", nargs="*", default=CLIENTS, choices=CLIENTS)
given = arguments.parse_args()

results = measure(
    quick=given.quick, rounds=given.rounds or (1 if given.quick else 5), only=given.only,
    clients=given.clients,
)  # fmt: skip
if given.json:
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
sys.stdout.write(report(results) + "\n")
if not given.only:
    from tests.bench import decode  # not before: a child is said to have had its parent's memory

    sys.stdout.write(f"\n{decode.report()}\n")
