"""The command `unified-ws doctor`: its report, its statuses, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import unified_ws
from unified_ws.cli import main
from unified_ws.testing import FakeVenue, Replay
from unified_ws.testing.conformance import check

BTC, ETH = "BTC/USDT", "ETH/USDT"
TRADES = "btcusdt@trade"


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    """Two markets that run at twenty times their speed."""
    async with FakeVenue("binance", seed=11, speed=20, symbols=[BTC, ETH]) as fake:
        yield fake


async def test_a_report_is_plain_data_and_text(
    venue: FakeVenue, capfd: pytest.CaptureFixture[str]
) -> None:
    """For programs, and for people."""
    arguments = ["doctor", "binance", BTC, "--seconds", "0.6", "--gateway", venue.gateway]
    as_json = await asyncio.to_thread(main, [*arguments, "--json"])
    data = json.loads(capfd.readouterr().out)
    as_text = await asyncio.to_thread(main, arguments)
    text = capfd.readouterr().out

    assert (as_json, as_text) == (0, 0)
    assert data["ok"]
    assert data["methods"][0]["method"] == "watchTrades"
    for word in ("HOP", "METHOD", "BOOK", "CONNECTION", "FACT", "FIELDS NOT READ", "watchTrades"):
        assert word in text
    assert text.splitlines()[-1].startswith("Everything that is promised")


async def test_the_fake_may_be_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """One command without any network, its markets chosen by itself."""
    arguments = ["doctor", "binance", "--fake", "--seconds", "0.6", "--json"]
    assert await asyncio.to_thread(main, arguments) == 0
    data = json.loads(capfd.readouterr().out)

    assert {BTC, ETH} <= set(data["symbols"])


async def test_a_fault_is_the_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    """A script asks for nothing else; people get the table and the sentence."""
    arguments = ["doctor", "binance", BTC, "--gateway", "http://127.0.0.1:1"]
    assert await asyncio.to_thread(main, arguments) == 1
    out, err = capfd.readouterr()

    assert "connection refused" in out.splitlines()[-1]
    assert out.splitlines()[-2] == "1 fault:"
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for children")
async def test_ctrl_c_prints_the_report(venue: FakeVenue) -> None:
    """As a process: the table, a sentence, no traceback."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "unified_ws", "doctor", "binance", BTC, "--gateway", venue.gateway,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await venue.until(lambda: TRADES in venue.topics, timeout_s=20)
        async with unified_ws.exchange("binance", {"gateway": venue.gateway}) as ex:
            await ex.watch_ticker(BTC)  # by now the other has had its own
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()

    assert b"watchTrades" in out
    assert b"interrupted" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("binanse",), 'unknown venue "binanse"'),
        (("binance", "--fake", "--seconds", "0"), "must be more than 0"),
        (("binance", BTC, "--fake", "--against", "no.such.module"), "no.such.module has no binance"),
        (("binance", "NOPE", "--fake"), "A spot symbol looks like BASE/QUOTE"),
    ],
)
def test_a_mistake_is_one_sentence(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """As with the other commands: status 2, and no report."""
    assert main(["doctor", *arguments]) == 2
    out, err = capfd.readouterr()

    assert out == ""
    assert sentence in err


async def test_an_unknown_market_lists_the_nearest(
    venue: FakeVenue, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same sentence as everywhere."""
    arguments = ["doctor", "binance", "BTC/USDC", "--gateway", venue.gateway]

    assert await asyncio.to_thread(main, arguments) == 2
    assert "does not have market symbol BTC/USDC" in capfd.readouterr().err


async def test_a_saved_session_is_a_recording(
    venue: FakeVenue, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It decodes, it plays, and nothing is written over."""
    folder = tmp_path / "session"
    arguments = ["doctor", "binance", BTC, "--seconds", "0.6", "--gateway", venue.gateway]
    arguments += ["--save", str(folder)]

    assert await asyncio.to_thread(main, arguments) == 0
    assert await asyncio.to_thread(main, arguments) == 2
    assert "already holds a recording" in capfd.readouterr().err
    lines = check("binance", folder).lines
    assert any("recorded frames" in line.text for line in lines if line.ok)
    replay = Replay(folder, autostart="first")
    async with replay, unified_ws.exchange("binance", {"gateway": replay.gateway}) as ex:
        trades: list[Any] = await ex.watch_trades(BTC)
        book: Any = await ex.watch_order_book(BTC, 5)
    assert trades
    assert book["bids"][0][0] < book["asks"][0][0]
