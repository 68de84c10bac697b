"""Run the clients in turn against one server and put what they cost into a table."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec

from tests.bench.clients import Result

ROOT = Path(__file__).resolve().parents[2]


class Scenario(msgspec.Struct, frozen=True):
    """What is sent and how fast; `goals` are ratios of our ccxt face: (to whom, at most).

    `also` names clients that run in this scenario only.
    """

    name: str
    title: str
    count: int
    quick: int
    rate: float = 0.0
    goals: tuple[tuple[str, float], ...] = ()
    latency: bool = False
    also: tuple[str, ...] = ()


SCENARIOS = (
    Scenario(
        "trades", "trades, as fast as possible, `info` read of each", 200_000, 3_000,
        goals=(("floor", 3.5), ("ccxt.pro", 1 / 5), ("ccxt.pro-all", 1 / 5)), also=("ccxt.pro-all",),
    ),
    Scenario(
        "depth", "book deltas of 20+20 levels, as fast as possible, `limit=None`", 40_000, 1_000,
        goals=(("floor", 4.0), ("ccxt.pro", 1 / 3)),
    ),
    Scenario(
        "depth-2000", "2,000 book deltas a second, a wake each, `limit=20`", 10_000, 400, 2000,
        goals=(("ccxt.pro", 1 / 3),),
    ),
    Scenario(
        "latency", "2,000 trades a second, from the server's write to the consumer", 10_000, 400,
        2000, goals=(("floor", 1.3),), latency=True,
    ),
)  # fmt: skip
CLIENTS = ("floor", "ours", "typed", "ccxt.pro")
TITLES = {
    "floor": "bare aiohttp + msgspec loop",
    "ours": "unified_ws, `watch_*`",
    "typed": "unified_ws, `stream_*`",
    "ccxt.pro": "ccxt.pro",
    "ccxt.pro-all": "ccxt.pro, `tradesLimit` above all that comes",
}


@contextmanager
def serving(measured: int) -> Iterator[str]:
    """Run the server for runs of at most `measured` messages; yields its address."""
    command = [sys.executable, "-m", "tests.bench.server", "--measured", str(measured)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def run_once(client: str, scenario: Scenario, gateway: str, count: int) -> Result:
    """Run one client once, in a fresh interpreter."""
    command = [
        sys.executable, "-m", "tests.bench.clients", client, scenario.name, gateway, str(count),
        f"{scenario.rate:g}",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{client} failed in {scenario.name}:\n{done.stderr}")
    return msgspec.json.decode(done.stdout, type=Result)


def measure(
    *, quick: bool = False, rounds: int = 5, only: Sequence[str] = (),
    clients: Sequence[str] = CLIENTS,
) -> list[Result]:  # fmt: skip
    """Run everything, the clients in turn: A B C, A B C... Returns every single run."""
    results = []
    for scenario in SCENARIOS:
        if only and scenario.name not in only:
            continue
        count = scenario.quick if quick else scenario.count
        with serving(count) as gateway:
            for number in range(rounds):
                turn = (*clients, *(scenario.also if clients == CLIENTS else ()))
                results += [run_once(client, scenario, gateway, count) for client in turn]
                sys.stderr.write(f"{scenario.name}: round {number + 1} of {rounds}\n")
    return results


# --- tables -------------------------------------------------------------------------------------


class Row(msgspec.Struct):
    """Medians of one client in one scenario."""

    client: str
    runs: int
    messages: int
    delivered: float
    cpu_us: float
    rate: float
    peak_mb: float
    grown_mb: float
    p50_us: float | None
    p99_us: float | None


def medians(results: Sequence[Result], scenario: str) -> dict[str, Row]:
    """Return one row a client."""
    rows = {}
    for client in TITLES:
        runs = [r for r in results if r.scenario == scenario and r.client == client]
        if runs:
            rows[client] = Row(
                client, len(runs), runs[0].messages,
                median(r.delivered for r in runs),
                median(r.cpu_us for r in runs),
                median(r.messages / r.wall_s for r in runs),
                median(r.peak_mb for r in runs),
                median(r.grown_mb for r in runs),
                median(r.p50_us or 0.0 for r in runs) or None,
                median(r.p99_us or 0.0 for r in runs) or None,
            )  # fmt: skip
    return rows


def ratios(results: Sequence[Result], scenario: Scenario) -> list[tuple[str, str, float, float]]:
    """Return (client, to whom, ratio, goal); for latencies the median over pairs of runs."""
    rows = medians(results, scenario.name)
    found = []
    for to, goal in scenario.goals:
        for client, share in (("ours", 1.0), ("typed", 0.5)):
            if client not in rows or to not in rows:
                continue
            if scenario.latency:
                ratio = _paired(results, scenario.name, client, to)
                share = 1.0
            else:
                ratio = rows[client].cpu_us / rows[to].cpu_us
            found.append((client, to, ratio, goal * share))
    return found


def _paired(results: Sequence[Result], scenario: str, client: str, to: str) -> float:
    mine, theirs = (
        [r.p50_us or 0.0 for r in results if r.scenario == scenario and r.client == name]
        for name in (client, to)
    )
    return median(a / b for a, b in zip(mine, theirs, strict=True))


def report(results: Sequence[Result]) -> str:
    """Return the tables in Markdown, with the conditions of the run."""
    parts = [_conditions(results)]
    for scenario in SCENARIOS:
        rows = medians(results, scenario.name)
        if rows:
            parts.append(_table(scenario, rows))
            verdicts = ratios(results, scenario)
            parts.append("\n".join(_verdict(scenario, *verdict) for verdict in verdicts))
    return "\n\n".join(parts)


def surroundings() -> str:
    """Name the day, the machine and the versions."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("unified-ws", "ccxt", "aiohttp", "msgspec", "orjson")
    )
    return (
        f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release().split('-')[0]}, "
        f"{platform.python_implementation()} {platform.python_version()}, {packages}"
    )


def _conditions(results: Sequence[Result]) -> str:
    runs = max(
        len([r for r in results if (r.client, r.scenario) == key])
        for key in {(r.client, r.scenario) for r in results}
    )
    return (
        f"{surroundings()}; "
        "plain TCP on loopback (no TLS), no compression, asyncio's own loop, one connection, one "
        "market, one consumer that awaits; the server is a process of its own and sends frames "
        "of 168 bytes (trades) and 1.3 kB (deltas of 20+20 levels of a book of 1000+1000) that "
        "were encoded before; each run in a fresh interpreter, the clients in turn; medians of "
        f"{runs} runs; CPU is user and system time of the client after a warm-up, memory its peak "
        "and how much of that came after the warm-up."
    )


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text("ascii", "replace").splitlines() if known.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _table(scenario: Scenario, rows: Mapping[str, Row]) -> str:
    what = "books" if "depth" in scenario.name else "rows"
    timed = "| latency, median | 99 % " if scenario.latency else ""
    count = next(iter(rows.values())).messages
    lines = [
        f"**{scenario.title}** ({count:,} messages)",
        "",
        f"| | CPU µs a message | messages a second | {what} delivered | peak MB (grown) {timed}|",
        f"|---|---:|---:|---:|---:{'|---:|---:' if timed else ''}|",
    ]
    for client, row in rows.items():
        late = f" {row.p50_us:.0f} µs | {row.p99_us:.0f} µs |" if timed and row.p50_us else ""
        lines.append(
            f"| {TITLES[client]} | {row.cpu_us:.2f} | {row.rate:,.0f} | {row.delivered:,.0f} "
            f"| {row.peak_mb:.0f} ({row.grown_mb:.0f}) |{late}"
        )
    return "\n".join(lines)


def _verdict(scenario: Scenario, client: str, to: str, ratio: float, goal: float) -> str:
    what = "latency" if scenario.latency else "CPU"
    verdict = "reached" if ratio <= goal else "missed"
    name = "next goal" if client == "typed" and not scenario.latency else "goal"
    return f"* {TITLES[client]}: {ratio:.2f} x the {what} of {TITLES[to]} ({name} {goal:.2f}: {verdict})"
