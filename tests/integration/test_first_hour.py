"""The first hour of a stranger: an installed wheel, an empty folder, no network.

The folder holds an `exchanges/` package of the trader's own, which must not be mistaken for ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)


class Desk(NamedTuple):
    """Where the stranger works."""

    folder: Path
    python: Path
    gateway: str

    def env(self) -> dict[str, str]:
        """Return the environment of their shell: traffic goes to the fake venue."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("UNIFIED_WS", "PYTHON"))}
        path = f"{self.python.parent}{os.pathsep}{kept.get('PATH', '')}"
        return {**kept, "PATH": path, "UNIFIED_WS_GATEWAY": self.gateway}

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run one command as they would."""
        return subprocess.run(
            command, cwd=self.folder, env={**self.env(), **changes}, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def script(self, text: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Save a script and run it."""
        (self.folder / "script.py").write_text(textwrap.dedent(text))
        return self.run(str(self.python), "script.py", **changes)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment that has the wheel, not the checkout."""
    base = tmp_path_factory.mktemp("install")
    copy = base / "source"
    ignored = shutil.ignore_patterns(
        ".git", "build", "dist", "*.egg-info", ".*_cache", "__pycache__", ".venv"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    _quietly(sys.executable, "-m", "build", "--wheel", "--no-isolation", str(copy))
    (wheel,) = (copy / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    _quietly(sys.executable, "-m", "venv", "--without-pip", str(base / "env"))
    python = base / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = _quietly(
        str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).strip()
    # What the library depends on is borrowed from here; an editable install is not seen by this.
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _quietly(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps",
        "--no-index", str(wheel),
    )  # fmt: skip
    return python


def _quietly(*command: str) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False, cwd=ROOT.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def desk(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An empty folder with a foreign `exchanges/`, and a fake venue in another process."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "exchanges").mkdir()
    (folder / "exchanges" / "__init__.py").write_text("raise ImportError('not this one')\n")
    server = subprocess.Popen(
        [str(installed), "-m", "unified_ws", "fake", "binance", "--seed", "3", "--speed", "5"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    assert server.stdout is not None
    gateway = server.stdout.readline().split()[-1]
    yield Desk(folder, installed, gateway)
    server.send_signal(signal.SIGTERM)
    _, err = server.communicate(timeout=10)
    assert server.returncode == 0, err


def test_the_wheel_is_what_runs(desk: Desk) -> None:
    """Neither the checkout nor the foreign folder: the wheel, typed and complete."""
    done = desk.script(
        """
        import unified_ws, unified_ws.venues.binance, pathlib
        home = pathlib.Path(unified_ws.__file__).parent
        print(home.parent.name, (home / "py.typed").exists(), unified_ws.exchange("binance").id)
        """
    )

    assert done.stdout.split() == ["site-packages", "True", "binance"], done.stderr


def test_one_command_shows_data(desk: Desk) -> None:
    """`unified-ws watch` on the embedded fake venue."""
    done = desk.run("unified-ws", "watch", "binance", "BTC/USDT", "--fake", "--seconds", "1")

    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if "BTC/USDT" in line]) > 3


def test_a_ten_line_strategy(desk: Desk) -> None:
    """What the README's first lines promise."""
    done = desk.script(
        """
        import unified_ws

        async def main():
            async with unified_ws.exchange("binance") as ex:
                while True:
                    book = await ex.watch_order_book("BTC/USDT", 5)
                    (bid, _), (ask, _) = book["bids"][0], book["asks"][0]
                    if ask > bid:
                        print("spread", round(ask - bid, 2) > 0)
                        return

        unified_ws.run(main())
        """
    )

    assert (done.returncode, done.stdout) == (0, "spread True\n"), done.stderr


OLD_BOT = """
    import asyncio
    import ccxt.pro as ccxtpro

    async def loop(exchange, symbol, seen):
        while len(seen) < 3:
            try:
                trades = await exchange.watch_trades(symbol)
                seen.append((trades[-1]['symbol'], trades[-1]['info']['s']))
            except ccxtpro.NetworkError as e:
                print('retry', type(e).__name__)
            except ccxtpro.ExchangeError as e:
                print('give up', e)
                break

    async def main():
        assert 'binance' in ccxtpro.exchanges
        exchange = getattr(ccxtpro, 'binance')({'enableRateLimit': True, 'newUpdates': True})
        seen = []
        try:
            await exchange.load_markets()
            await asyncio.gather(loop(exchange, 'BTC/USDT', seen), loop(exchange, 'ETH/USDT', seen))
            print(sorted(set(seen)) != [], exchange.trades['BTC/USDT'][-1]['symbol'])
        finally:
            await exchange.close()

    asyncio.run(main())
"""


def test_an_old_bot_runs_with_its_import_changed(desk: Desk) -> None:
    """One line differs, and nothing else."""
    new = OLD_BOT.replace("import ccxt.pro as ccxtpro", "import unified_ws as ccxtpro")
    assert sum(a != b for a, b in zip(OLD_BOT.split("\n"), new.split("\n"), strict=True)) == 1
    done = desk.script(new)

    assert (done.returncode, done.stdout) == (0, "True BTC/USDT\n"), done.stderr


MISTAKES = {
    "symbol": (
        'unified_ws.exchange("binance")', "BTC/USTD",
        "BadSymbol: binance has no market 'BTC/USTD': did you mean BTC/USDT?",
    ),
    "venue": (
        'unified_ws.exchange("binanse")', "BTC/USDT",
        'UnknownVenue: unknown venue "binanse": did you mean "binance" or "binanceus" or "coinbase"?',
    ),
    "option": (
        'unified_ws.exchange("binance", {"ws": {"heartbeet": 5}})', "BTC/USDT",
        'ConfigError: unknown option "heartbeet" in {"ws": ...}: did you mean "heartbeat"?',
    ),
    "key": (
        'unified_ws.exchange("binance", {"api_key": "abc"})', "BTC/USDT",
        'ConfigError: unknown option "api_key": did you mean "apiKey"?',
    ),
    "no network": (
        'unified_ws.exchange("binance", {"gateway": "http://127.0.0.1:1"})', "BTC/USDT",
        "Unreachable: binance: cannot connect to 127.0.0.1:1 (TCP: connection refused): check the network connection",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_sentence(desk: Desk, mistake: str) -> None:
    """It names the culprit and what to try."""
    construct, symbol, sentence = MISTAKES[mistake]
    done = desk.script(
        f"""
        import asyncio, unified_ws

        async def main():
            async with {construct} as ex:
                await ex.watch_trades("{symbol}")

        try:
            asyncio.run(main())
        except Exception as error:
            print(f"{{type(error).__name__}}: {{error}}")
        """
    )

    assert done.stdout.strip() == sentence, done.stderr
    assert "Traceback" not in done.stderr


def test_a_venue_that_only_ccxt_has_is_said_to_be_so(desk: Desk) -> None:
    """The name is right, this library just does not have it yet."""
    done = desk.run("unified-ws", "watch", "kraken", "BTC/USDT")

    assert done.returncode == 2
    assert "kraken" in done.stderr
    assert "ccxt.pro" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_venue_is_added_by_one_file_from_outside(desk: Desk) -> None:
    """Checked, watched and used by its path."""
    (desk.folder / "mine.py").write_text(
        textwrap.dedent(
            '''
            """My venue: the same dialect under another id."""

            from unified_ws.venues import binance

            VENUE = binance.VENUE.model_copy(update={"id": "mine"})


            class Mine(binance.Binance):
                """Mine."""

                venue = VENUE
            '''
        )
    )
    checked = desk.run("unified-ws", "check", "mine.py")
    watched = desk.run("unified-ws", "watch", "./mine.py", "BTC/USDT", "--seconds", "1")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert watched.returncode == 0, watched.stderr
    assert "BTC/USDT" in watched.stdout


def test_sigterm_ends_a_strategy_with_status_0(desk: Desk) -> None:
    """What a service manager does."""
    (desk.folder / "service.py").write_text(
        textwrap.dedent(
            """
            import unified_ws

            async def main():
                ex = unified_ws.exchange("binance")
                while True:
                    await ex.watch_trades("BTC/USDT")
                    print("ready", flush=True)

            unified_ws.run(main())
            """
        )
    )
    process = subprocess.Popen(
        [str(desk.python), "service.py"], cwd=desk.folder, env=desk.env(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert err == ""


def test_the_notebook_runs_from_the_wheel(desk: Desk) -> None:
    """Every code cell, in order, in a plain IPython."""
    pytest.importorskip("IPython", reason="the extra `notebook` is not installed")
    shutil.copy(ROOT / "notebooks" / "01_first_look.ipynb", desk.folder)
    done = desk.run(
        str(desk.python), "-m", "IPython", "--colors=NoColor", "01_first_look.ipynb",
        UNIFIED_WS_GATEWAY="", MPLBACKEND="agg",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
