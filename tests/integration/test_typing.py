"""What an editor and a type checker know of the library, seen from outside of it."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import unified_ws
from tests.typing.strategy import strategy
from unified_ws.stream import StreamMethods
from unified_ws.testing import FakeVenue
from unified_ws.watch import Watch
from unified_ws.watch_later import WatchLater

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = ROOT / "tests/typing/strategy.py"

RESULTS = {
    "await ex.watch_trades('B/U')": "list[TypedDict(unified_ws.types_market.Trade",
    "await ex.watch_trades_for_symbols(['B/U'])": "list[TypedDict(unified_ws.types_market.Trade",
    "await ex.watch_order_book('B/U', 5)": "TypedDict(unified_ws.types_market.OrderBook",
    "await ex.watchOrderBook('B/U')": "TypedDict(unified_ws.types_market.OrderBook",
    "await ex.watch_ticker('B/U')": "TypedDict(unified_ws.types_market.Ticker",
    "await ex.watch_tickers()": "dict[str, TypedDict(unified_ws.types_market.Ticker",
    "await ex.watch_bids_asks(['B/U'])": "dict[str, TypedDict(unified_ws.types_market.Ticker",
    "await ex.watch_ohlcv('B/U')": "list[unified_ws.formats.OHLCV]",
    "(await ex.watch_ohlcv('B/U'))[-1][4]": "float",
    "await ex.watch_ohlcv_for_symbols([['B/U', '1m']])": "dict[str, dict[str, list[unified_ws.form",
    "await ex.watch_orders()": "list[TypedDict(unified_ws.types_account.Order",
    "await ex.watch_balance()": "unified_ws.types_account.Balances",
    "await ex.un_watch_trades('B/U')": "bool",
    "await anext(ex.stream_trades('B/U'))": "unified_ws.events.Trade",
    "await anext(ex.stream_order_book('B/U'))": "unified_ws.stream.OrderBookRow",
    "(await anext(ex.stream_order_book('B/U'))).bids[0]": "tuple[float, float]",
    "await anext(ex.stream_ticker('B/U'))": "unified_ws.events.Ticker",
    "await anext(ex.stream_bids_asks(['B/U']))": "unified_ws.events.BidAsk",
    "await anext(ex.stream_ohlcv('B/U'))": "unified_ws.events.Candle",
    "await unified_ws.collect(ex.stream_trades('B/U'), count=2)": "unified_ws.running.Collected[",
    "await ex.fetch_ohlcv('B/U')": "list[list[float]]",
    "await ex.fetch_ticker('B/U')": "TypedDict(unified_ws.types_market.Ticker",
    "await ex.fetch_order_book('B/U')": "TypedDict(unified_ws.types_market.OrderBook",
    "await ex.fetch_trades('B/U')": "list[TypedDict(unified_ws.types_market.Trade",
    "await ex.create_order('B/U', 'limit', 'buy', 1, 2)": "TypedDict(unified_ws.types_account.Order",
    "await ex.load_markets()": "dict[str, TypedDict(unified_ws.types_market.Market",
    "ex.amount_to_precision('B/U', 1)": "str",
    "ex.gaps()": "list[unified_ws.core.ledger.Gap]",
    "unified_ws.binance": "type[unified_ws.exchange.Exchange]",
    "unified_ws.binance({'apiKey': 'k'})": "unified_ws.exchange.Exchange",
    "unified_ws.exchange('binance')": "unified_ws.exchange.Exchange",
    "unified_ws.exchanges": "typing.Sequence[str]",
}
"""What a user writes, and how the type that mypy finds begins."""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project of a user whose environment has the library installed."""
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env/bin/python"
    paths = sysconfig.get_paths(vars={"base": str(folder / "env")})
    installed = Path(paths["purelib"])
    shutil.copytree(ROOT / "unified_ws", installed / "unified_ws")
    shutil.copytree(ROOT / "exchanges", installed / "unified_ws/venues")
    (installed / "others.pth").write_text(sysconfig.get_paths()["purelib"])
    assert python.exists()
    return folder


def mypy(folder: Path, *arguments: str) -> str:
    """Check files of a folder; return what mypy says."""
    cache = ROOT / ".mypy_cache/outside"  # it knows the standard library after the first time
    command = [
        sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context",
        "--config-file=", f"--cache-dir={cache}", f"--python-executable={folder / 'env/bin/python'}",
    ]  # fmt: skip
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the environment of the user is a POSIX one")
def test_a_strategy_is_clean_and_knows_its_types(outside: Path) -> None:
    """`mypy --strict` finds no error in it, and no `Any` in what the library returns."""
    shutil.copy(STRATEGY, outside / "strategy.py")
    asked = "".join(f"    reveal_type({expression})\n" for expression in RESULTS)
    (outside / "asked.py").write_text(
        f"import unified_ws\n\nasync def ask(ex: unified_ws.Exchange) -> None:\n{asked}"
    )
    said = mypy(outside, "strategy.py", "asked.py").splitlines()

    problems = [line for line in said if "error:" in line]
    assert problems == []
    found = re.findall(r'Revealed type is "(.*)"', "\n".join(said))
    assert len(found) == len(RESULTS)
    for (expression, wanted), revealed in zip(RESULTS.items(), found, strict=True):
        plain = revealed.replace("builtins.", "")
        assert plain.startswith(wanted), f"{expression} is {plain}"
        assert not re.search(r"\bAny\b", plain), f"{expression} is {plain}"


@pytest.mark.skipif(sys.platform == "win32", reason="the environment of the user is a POSIX one")
def test_what_a_type_checker_finds(outside: Path) -> None:
    """Wrong names, arguments and fields are errors before the program runs."""
    (outside / "wrong.py").write_text(
        "import unified_ws\n\n"
        "async def wrong(ex: unified_ws.Exchange) -> None:\n"
        "    await ex.watch_trades(7)\n"
        "    (await ex.watch_ticker('B/U'))['bidd']\n"
        "    (await ex.watch_order_book('B/U'))['bids'][0][0].upper()\n"
        "    async for row in ex.stream_trades('B/U', policy='newest'):\n"
        "        row.cost\n"
    )
    said = mypy(outside, "wrong.py")
    lines = [int(number) for number in re.findall(r"^wrong\.py:(\d+): error", said, re.MULTILINE)]
    assert lines == [4, 5, 6, 7, 8]


async def test_the_strategy_runs() -> None:
    """It is a program, not only a text."""
    async with FakeVenue("binance", seed=2, speed=20) as venue:
        price = await strategy(venue.gateway)
        true = float(venue.market.last_trade("BTC/USDT").price)
    assert price == pytest.approx(true, rel=0.01)


def test_the_strategy_stays_short() -> None:
    """Thirty lines of code, or it proves something else."""
    tree = ast.parse(STRATEGY.read_text())
    lines = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr)}
    assert len(lines) <= 40


def methods() -> list[str]:
    """Return the streaming methods of an exchange object, in snake_case."""
    return sorted(
        name
        for name in dir(unified_ws.Exchange)
        if name.startswith(("watch_", "un_watch_", "stream_"))
    )


def test_there_are_as_many_as_there_should_be() -> None:
    """A floor, so that an empty list does not pass what follows."""
    assert len(methods()) >= 26 + 16 + 9


@pytest.mark.parametrize("name", methods())
def test_streaming_methods_are_typed_and_documented(name: str) -> None:
    """Hovering shows arguments, result and a sentence; `params` comes last."""
    method: Any = inspect.getattr_static(unified_ws.Exchange, name)
    assert isinstance(method, FunctionType)
    assert method.__doc__
    assert method.__doc__.splitlines()[0].rstrip().endswith((".", "`."))
    signature = inspect.signature(method)
    assert signature.return_annotation not in (inspect.Signature.empty, "Any")
    assert "Any" not in str(signature.return_annotation)
    parameters = list(signature.parameters.values())[1:]
    assert all(p.annotation not in (p.empty, "Any") for p in parameters)
    assert parameters[-1].name == "params"


@pytest.mark.parametrize(
    "name",
    [
        "load_markets", "close", "status", "gaps", "explain", "on", "set_sandbox_mode",
        "enable_demo_trading", "describe", "quarantined", "tap",
    ],
)  # fmt: skip
def test_the_other_methods_too(name: str) -> None:
    """The same for what is neither a stream nor REST (those have a test of their own)."""
    method = inspect.getattr_static(unified_ws.Exchange, name)
    assert method.__doc__
    signature = inspect.signature(method)
    assert signature.return_annotation is not signature.empty
    assert all(p.annotation is not p.empty for p in list(signature.parameters.values())[1:])


@pytest.mark.parametrize("owner", [Watch, WatchLater, StreamMethods])
def test_a_name_is_declared_where_an_editor_looks(owner: type) -> None:
    """They stand in the source, in both spellings where ccxt has both: nothing is generated."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    declared: set[str] = set()
    for node in body.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            declared.add(node.name)
        elif isinstance(node, ast.Assign):
            declared |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    names = {n for n in vars(owner) if n.startswith(("watch", "un_watch", "unWatch", "stream"))}
    assert names <= declared
    assert names


def test_dir_agrees() -> None:
    """What completion offers exists, and what exists is offered."""
    ex = unified_ws.binance({"gateway": False})
    offered = dir(ex)
    assert offered == sorted(set(offered))
    assert [name for name in offered if name[0] != "_" and not hasattr(ex, name)] == []
    assert set(methods()) <= set(offered)
    wanted = {"watchTrades", "unWatchOHLCV", "fetch_ticker", "fetchTicker", "publicGetDepth"}
    wanted |= {"createOrderWs", "has", "markets", "orderbooks", "iso8601", "status", "rest"}
    assert wanted <= set(offered)
    assert {"binance", "NetworkError", "exchange", "exchanges", "Exchange"} <= set(dir(unified_ws))
    assert [name for name in dir(unified_ws) if not hasattr(unified_ws, name)] == []
