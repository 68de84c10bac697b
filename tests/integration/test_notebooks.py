"""The notebooks run, cell by cell, offline; and a kernel keeps what the library promises it.

They need the extra `notebook`; without it they skip and say so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason='needs pip install "unified-ws[notebook]"')
nbclient = pytest.importorskip("nbclient", reason='needs pip install "unified-ws[notebook]"')
for needed in ("ipykernel", "matplotlib", "pandas"):
    pytest.importorskip(needed, reason='needs pip install "unified-ws[notebook]"')

# The tools of notebooks warn about themselves; what our own code warns of shows in the outputs.
pytestmark = pytest.mark.filterwarnings("ignore")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
FAKE = """
import asyncio, os, signal
import unified_ws
from unified_ws.testing import FakeVenue
fake = FakeVenue("binance")
await fake.start()
"""
CONSTRUCT = 'ex = unified_ws.exchange("binance", {"gateway": fake.gateway})'


class Kernel:
    """A kernel and the notebook that it runs."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def run(self, source: str) -> str:
        """Run a new cell; return what it printed."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        await self._client.async_execute_cell(cell, len(self._client.nb.cells) - 1)
        return printed(cell)


def printed(cell: Any) -> str:
    """Return what a cell printed, on both streams."""
    return "".join(out["text"] for out in cell.outputs if out["output_type"] == "stream")


@asynccontextmanager
async def kernel(notebook: Any) -> AsyncIterator[Any]:
    """Start a kernel for a notebook."""
    client = nbclient.NotebookClient(notebook, timeout=30, kernel_name="python3")
    async with client.async_setup_kernel():
        yield client


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_a_notebook_runs(path: Path) -> None:
    """What a trader opens first works, offline, without an error and without a warning."""
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.outputs == [] for cell in notebook.cells if cell.cell_type == "code")
    async with kernel(notebook) as client:
        for index, cell in enumerate(notebook.cells):
            await client.async_execute_cell(cell, index)

    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert [out["text"] for out in outputs if out.get("name") == "stderr"] == []
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert any("text/html" in out.get("data", {}) for out in outputs)


async def test_a_kernel_keeps_its_promises() -> None:
    """Constructing again closes the old sockets; an interrupt keeps what has been collected."""
    async with kernel(nbformat.v4.new_notebook()) as client:
        cells = Kernel(client)
        await cells.run(FAKE)
        for _ in range(3):
            await cells.run(CONSTRUCT)
            await cells.run('await ex.watch_trades("BTC/USDT")\nawait ex.watch_ticker("ETH/USDT");')
            await cells.run("await fake.until(lambda: fake.stats.open_connections == 1)")
        counts = await cells.run("print(fake.stats.connections, fake.stats.open_connections)")

        interrupted = await cells.run(
            """
async def interrupt():
    live = ex.stream_trades("BTC/USDT")  # begins at the live end, as the collection does
    for _ in range(5):
        await anext(live)
    os.kill(os.getpid(), signal.SIGINT)

task = asyncio.create_task(interrupt())
rows = await unified_ws.collect(ex.stream_trades("BTC/USDT"), seconds=60)
print("went on with", len(rows) > 0, list(rows.df.columns[:2]))
"""
        )
        again = await cells.run('print(len(await ex.watch_trades("BTC/USDT")) > 0)')
        ended = await cells.run(
            """
await ex.close()
await fake.until(lambda: fake.stats.open_connections == 0)
await fake.close()
print([t.get_name() for t in asyncio.all_tasks() if "unified_ws" in t.get_name()])
"""
        )

    assert counts == "3 1\n"
    assert interrupted == "went on with True ['symbol', 'id']\n"
    assert again == "True\n"
    assert ended == "[]\n"
