"""The command, as a process of its own: what it prints, and how it ends.

Each test waits for lines or for the end of the process, never for time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import unified_ws
from tests.contract.example import written
from unified_ws.cli import main
from unified_ws.cli_output import plain_table
from unified_ws.testing import FakeVenue, Replay

BTC, ETH = "BTC/USDT", "ETH/USDT"
TRADE_KEYS = {
    "info", "timestamp", "datetime", "symbol", "id", "order", "type", "side", "takerOrMaker",
    "price", "amount", "cost", "fee", "fees",
}  # fmt: skip
CLOSED_IN_S = 5.0
COMMAND = [sys.executable, "-m", "unified_ws"]


class Running:
    """A running command whose lines are read as they come."""

    def __init__(self, *arguments: str, stdout: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        if self.process.stdout is not None:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed by a test
            for line in self.process.stdout:
                self._lines.put(line)

    def line(self, beginning: str = "") -> str:
        """Wait for the next line that begins so."""
        while not (line := self._lines.get(timeout=20)).startswith(beginning):
            pass
        return line

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, float]:
        """Send a signal; return the status, what stderr says, and the seconds until the end."""
        begun = time.monotonic()
        self.process.send_signal(number)
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        return self.process.wait(20), said, time.monotonic() - begun


@contextlib.contextmanager
def running(*arguments: str, stdout: int = subprocess.PIPE) -> Iterator[Running]:
    """Run a command; kill it if the test fails."""
    command = Running(*arguments, stdout=stdout)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
        command.process.wait()
        for pipe in (command.process.stdout, command.process.stderr):
            if pipe is not None:
                pipe.close()


def done(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


# --- watch -----------------------------------------------------------------------------------


def test_json_is_one_ccxt_dict_a_line_and_nothing_else() -> None:
    """What another program reads from us."""
    ran = done("watch", "binance", BTC, ETH, "--fake", "--json", "--seconds", "1.5")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]

    assert ran.returncode == 0
    assert {row["symbol"] for row in rows} == {BTC, ETH}
    assert all(set(row) == TRADE_KEYS for row in rows)
    for symbol in (BTC, ETH):
        ids = [int(row["id"]) for row in rows if row["symbol"] == symbol]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert "made up" in ran.stderr


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (("--book", "3"), {"bids", "asks", "nonce", "symbol", "timestamp", "datetime"}),
        (("--ticker",), {"last", "bid", "ask", "percentage", "baseVolume", "symbol"}),
        (("--ohlcv", "1m"), {"open", "high", "low", "close", "volume", "closed", "timeframe"}),
    ],
    ids=["book", "ticker", "ohlcv"],
)
def test_other_kinds_come_as_dicts_too(options: tuple[str, ...], keys: set[str]) -> None:
    """`--json` of every kind can be read by itself; Ctrl-C ends it like SIGTERM."""
    with running("watch", "binance", BTC, "--fake", "--json", *options) as command:
        row = json.loads(command.line())
        status, said, took = command.end(signal.SIGINT)

    assert keys <= set(row)
    assert row["symbol"] == BTC
    assert len(row.get("bids", "###")) == 3
    assert (status, "Traceback" in said) == (0, False)
    assert took < CLOSED_IN_S


def test_a_pipe_gets_plain_lines() -> None:
    """One line a trade, readable."""
    with running("watch", "binance", BTC, "--fake") as command:
        moment, symbol, side, amount, at, price = command.line().split()
        status, said, took = command.end()

    assert (symbol, at) == (BTC, "at")
    assert side in ("buy", "sell")
    assert moment.endswith("Z")
    assert float(amount) > 0
    assert float(price) > 0
    assert (status, "Traceback" in said) == (0, False)
    assert took < CLOSED_IN_S


def test_a_closed_pipe_ends_it_quietly() -> None:
    """`unified-ws watch ... | head -1`."""
    read, write = os.pipe()
    with running("watch", "binance", BTC, "--fake", "--book", "1", stdout=write) as command:
        os.close(write)
        first = os.read(read, 1000)
        os.close(read)
        assert command.process.stderr is not None
        said = command.process.stderr.read()
        status = command.process.wait(20)

    assert first
    assert status == 0
    assert len(said.splitlines()) == 1  # that the fake is one


def test_a_reader_that_sleeps_does_not_hinder_the_end() -> None:
    """A full pipe blocks a thread, not the loop that hears the signal."""
    read, write = os.pipe()
    arguments = ("watch", "binance", BTC, "--fake", "--book", "1000", "--json")
    with running(*arguments, stdout=write) as command:
        os.close(write)
        os.read(read, 1)  # it writes; from here on nobody reads, and a book fills half a pipe
        with running("watch", "binance", BTC, "--fake", "--book", "1", "--json") as clock:
            for _ in range(5):
                clock.line()
        status, said, took = command.end()
        os.close(read)

    assert (status, "Traceback" in said) == (0, False)
    assert took < CLOSED_IN_S


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_a_terminal_gets_a_table(tmp_path: Path, *, rich: bool) -> None:
    """One row a symbol, with health and rates, drawn again in its place."""
    import pty

    if not rich:  # as if it were not installed
        (tmp_path / "rich.py").write_text("raise ImportError('not installed')\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(tmp_path), "COLUMNS": "120"}
    process = subprocess.Popen(
        [*COMMAND, "watch", "binance", BTC, ETH, "--fake"],
        stdout=theirs, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    try:
        while shown.count("\x1b[J") < 3 or "live" not in shown:
            shown += os.read(ours, 4096).decode()
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):  # the end of a terminal
            while data := os.read(ours, 4096):
                shown += data.decode()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)

    last = shown.rpartition("\x1b[J")[2]
    for word in (BTC, ETH, "live", "HEALTH", "PER S", "DELAY ms", "embedded fake", "gateway http"):
        assert word in last
    assert ("━" in last) is rich
    assert last.endswith("\x1b[?25h")


def test_a_plain_table_never_wraps() -> None:
    """A wrapped line would shift every redraw."""
    lines = plain_table("header " * 20, ("A", "B"), [("1", "22"), ("333", "4")], "footer", 20)

    assert lines == ["header header heade", "", "A    B", "1    22", "333  4", "", "footer"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("watch", "binanse", BTC), 2, 'unknown venue "binanse": did you mean "binance"'),
        (("watch", "binance", "BTCUSDT", "--fake"), 2, "A spot symbol looks like BASE/QUOTE"),
        (("watch", "binance", BTC, "--fake", "--ohlcv", "7x"), 2, 'no timeframe "7x"'),
        (("watch", "binance", BTC, "--gateway", "nowhere"), 2, '"gateway" must be http://'),
        (("watch", "binance", BTC, "--fake", "--book", "0"), 2, "must be 1 or more"),
        (("watch", "binance", BTC, "--gateway", "http://127.0.0.1:1"), 1, "connection refused"),
        (("watch", "none/mine.py", BTC), 2, "none/mine.py cannot be read"),
        (("venues", "binanse"), 2, "unknown venue"),
        (("replay", "no/such/folder"), 2, "no/such/folder is not a recording"),
        (("fake", "nobody"), 2, "No fake of 'nobody'"),
        (("fake", "binance", "--port", "99999"), 2, "must be 0 to 65535"),
        ((), 2, "the following arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_one_sentence(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """What went wrong, who must act, and no traceback."""
    ended = main(arguments)
    out, err = capfd.readouterr()
    said = [line for line in err.splitlines() if "made up" not in line]

    assert (ended, out) == (status, "")
    assert sentence in said[-1]
    assert said[-1].startswith("unified-ws")


async def test_time_that_passes_without_a_connection_is_a_failure() -> None:
    """`--seconds` ends with 0 only where something could have come."""
    async with FakeVenue("binance") as venue:
        venue.refuse_sockets(503, times=10_000)
        arguments = ("watch", "binance", BTC, "--seconds", "1", "--gateway", venue.gateway)
        ran = await asyncio.to_thread(done, *arguments)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "answered HTTP 503" in ran.stderr.splitlines()[-1]


def test_a_mistake_ends_the_process_with_its_status() -> None:
    """For the scripts that call it."""
    ran = done("watch", "binanse", BTC)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith('unified-ws: unknown venue "binanse": did you mean "binance"')
    assert len(ran.stderr.splitlines()) == 1


# --- record and replay -------------------------------------------------------------------------


def test_an_unknown_symbol_lists_the_nearest() -> None:
    """A venue that answers, and a market that it does not have."""
    with running("fake", "binance", BTC) as fake:
        gateway = fake.line("gateway ").split()[1]
        ran = done("watch", "binance", "BTC/USDC", "--gateway", gateway)

    assert ran.returncode == 2
    assert ran.stdout == ""
    sentence = "unified-ws: binance has no market 'BTC/USDC': did you mean BTC/USDT?"
    assert ran.stderr.splitlines() == [sentence]


def test_a_recording_replays_as_it_was(tmp_path: Path) -> None:
    """record, replay, watch --gateway: the same trades, and a book that is in step."""
    folder = tmp_path / "session"
    recorded = done(
        "record", "binance", BTC, "--trades", "--book", "--ohlcv", "1m", "--ohlcv", "5m",
        "--out", str(folder), "--seconds", "1", "--fake",
    )  # fmt: skip
    assert (recorded.returncode, recorded.stdout) == (0, "")
    answers = re.search(r"(\d+) REST answers", recorded.stderr)
    assert answers
    assert int(answers[1]) >= 2  # the markets, the book
    assert main(["record", "binance", BTC, "--fake", "--out", str(folder)]) == 2

    with running("replay", str(folder), "--speed", "1") as replay:
        gateway = replay.line("gateway ").split()[1]
        arguments = ("watch", "binance", BTC, "--json", "--gateway", gateway)
        with running(*arguments) as trades:
            first = json.loads(trades.line())
        status, said, took = replay.end()
    meta = json.loads((folder / "meta.json").read_text())

    assert set(first) == TRADE_KEYS
    assert meta["streams"][0]["url"].startswith("wss://stream.binance.com")
    assert (status, "Traceback" in said) == (0, False)
    assert took < CLOSED_IN_S


async def test_a_recorded_session_reads_like_the_venue(tmp_path: Path) -> None:
    """Every recorded trade once and in order, and the books between them."""
    folder = tmp_path / "session"
    done("record", "binance", BTC, "--trades", "--book", "--out", str(folder),
         "--seconds", "1.5", "--fake")  # fmt: skip
    replay = Replay(folder, autostart="all")
    ids = [
        json.loads(frame.payload)["t"]
        for frame in replay.recording.frames
        if frame.topic.endswith("@trade")
    ]
    async with replay, unified_ws.exchange("binance", {"gateway": replay.gateway}) as ex:
        trades = ex.stream_trades(BTC)
        books = ex.stream_order_book(BTC, 5)
        first_book = unified_ws.collect(books, count=1)
        got, book = await asyncio.gather(unified_ws.collect(trades, count=len(ids)), first_book)

    assert [int(row.id) for row in got] == ids
    assert len(book[0].bids) == 5
    assert book[0].bids[0][0] < book[0].asks[0][0]


# --- the rest ---------------------------------------------------------------------------------


def test_venues_lists_them_and_shows_the_facts_of_one() -> None:
    """Who pings, what silence means, the limits, where it comes from and what it rests on."""
    table, facts = done("venues"), done("venues", "binance")

    assert (table.returncode, facts.returncode) == (0, 0)
    row = next(line for line in table.stdout.splitlines() if line.startswith("binance "))
    assert "binance.py" in row
    for fact in (
        "the venue pings every 20 s", "dead after 60 s", "1024 a connection", "5 in 1 s",
        "wss://stream.binance.com", "stream.testnet.binance.vision", "evidence", "binance.py",
        'trades "name": trade, aggTrade (trade by default)', "publicGetDepth", " 1h ",
    ):  # fmt: skip
        assert fact in facts.stdout


def test_the_facts_come_as_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    """What another program asks."""
    assert main(["venues", "--json"]) == 0
    known = {venue["id"]: venue for venue in json.loads(capsys.readouterr().out)}

    assert known["binance"]["endpoints"]["spot"]["heartbeat"]["by"] == "server"
    assert known["binance"]["file"].endswith("binance.py")


def test_a_venue_of_ones_own_is_shown_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path of a file is as good as an id."""
    assert main(["venues", str(written(tmp_path))]) == 0
    assert "wss://ws.acme.invalid/v1" in capsys.readouterr().out


def test_version_names_what_matters_in_a_report() -> None:
    """The first thing that is asked of whoever reports a fault."""
    ran = done("--version")

    assert ran.returncode == 0
    assert ran.stdout.startswith(f"unified-ws {unified_ws.__version__}\n")
    for name in ("ccxt 4.", "aiohttp 3.", "msgspec ", "pydantic ", "Python 3."):
        assert name in ran.stdout


def test_help_documents_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts depend on them."""
    for arguments in (["--help"], ["watch", "--help"], ["doctor", "--help"]):
        assert main(arguments) == 0
        assert "exit status:" in capsys.readouterr().out


def test_check_passes_a_sound_file_and_names_the_fault_of_a_broken_one(tmp_path: Path) -> None:
    """Whoever adds a venue needs nothing else."""
    path = written(tmp_path)
    sound = done("check", str(path), "--frames", str(tmp_path))
    broken = tmp_path / "broken.py"
    broken.write_text(path.read_text().replace("import msgspec\n", "import msgspec\nimport os\n"))
    fault = done("check", str(broken))

    assert sound.returncode == 0, sound.stdout
    assert "5 written frames" in sound.stdout
    assert fault.returncode == 1
    assert "✗ imports os: only the border, msgspec and pure modules" in fault.stdout
    line = broken.read_text().splitlines().index("import os") + 1
    assert f"{broken}:{line}]" in fault.stdout
