"""Where lines and tables go, so that no reader can stall the streams.

A thread writes, to the descriptor itself: a pipe whose reader sleeps, or a stopped terminal,
blocks that thread and not the event loop, which goes on answering pings and signals.
"""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import threading
from collections.abc import Sequence

_KEPT = 1000
_END_S = 1.0


class Output:
    """Texts on their way to a descriptor, each written at once and in order.

    Raises:
        BrokenPipeError: From `put`, when the reader has closed the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._unwritten = 0
        self._broken = False
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Say whether everything has been written."""
        return self._unwritten == 0

    async def put(self, text: str) -> None:
        """Write `text`; waits only while a thousand others have not been written."""
        await self._room.wait()
        if self._broken:
            raise BrokenPipeError
        self._unwritten += 1
        if self._unwritten >= _KEPT:
            self._room.clear()
        self._texts.put(text)

    async def close(self) -> None:
        """Write the rest, unless nobody reads it."""
        self._texts.put(None)
        await asyncio.to_thread(self._thread.join, _END_S)

    def _write_all(self) -> None:
        while (text := self._texts.get()) is not None:
            data = text.encode()
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                self._tell(broken=True)
                return
            self._tell(broken=False)

    def _tell(self, *, broken: bool) -> None:
        try:
            self._loop.call_soon_threadsafe(self._written, broken)
        except RuntimeError:
            return  # the loop has ended without us

    def _written(self, broken: bool) -> None:
        self._unwritten -= 1
        self._broken = self._broken or broken
        if self._broken or self._unwritten < _KEPT:
            self._room.set()


class Screen:
    """A table that is drawn again in its place; by rich where it is installed."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._height = 0

    async def draw(
        self, header: str, columns: Sequence[str], rows: Sequence[Sequence[str]], footer: str
    ) -> None:
        """Draw, unless the terminal has not taken the last picture yet."""
        if not self._output.idle:
            return
        width, height = shutil.get_terminal_size()
        kept = rows[: max(1, height - 7)]
        if len(kept) < len(rows):
            footer = f"{len(rows) - len(kept)} more symbols do not fit. {footer}"
        lines = _table(header, columns, kept, footer, width)
        # To the first line of the last picture, and away with it.
        back = f"\x1b[{self._height}A\r\x1b[J" if self._height else "\x1b[?25l"
        self._height = len(lines)
        await self._output.put(back + "".join(f"{line}\r\n" for line in lines))

    async def close(self) -> None:
        """Show the cursor again."""
        if self._height:
            await self._output.put("\x1b[?25h")


def _table(
    header: str, columns: Sequence[str], rows: Sequence[Sequence[str]], footer: str, width: int
) -> list[str]:
    try:
        return _rich_table(header, columns, rows, footer, width)
    except ImportError:
        return plain_table(header, columns, rows, footer, width)


def _rich_table(
    header: str, columns: Sequence[str], rows: Sequence[Sequence[str]], footer: str, width: int
) -> list[str]:
    import io

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False)
    table = Table(*columns, expand=True)
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(Text(header, style="bold"), table, Text(footer, style="dim"), sep="\n")
    return captured.get().splitlines()


_STYLES = {
    "live": "green", "quiet": "cyan", "connecting": "yellow", "resyncing": "yellow",
    "down": "bold red", "buy": "green", "sell": "red",
}  # fmt: skip


def plain_table(
    header: str, columns: Sequence[str], rows: Sequence[Sequence[str]], footer: str, width: int
) -> list[str]:
    """Return the lines of a table, each at most `width` wide: a wrapped line would not redraw."""
    every = [columns, *rows]
    widths = [max(len(row[n]) for row in every) for n in range(len(columns))]
    body = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in every
    ]
    return [line[: width - 1] for line in (header, "", *body, "", footer)]


__all__ = ["Output", "Screen", "plain_table"]
