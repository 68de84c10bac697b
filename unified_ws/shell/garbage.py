"""Keep Python's garbage collector from walking what will not become garbage.

ccxt and the markets of a venue are a few hundred thousand objects that live as long as the
program. Every full collection walks all of them: 65 ms and more, at moments that a busy stream
chooses, which is a third of its time and all of its worst latency. So once the markets are
loaded, what is alive is moved aside (`gc.freeze`), and moved back when the last exchange object
is closed. Reference counting is not touched; only cycles among objects that are older than the
markets wait for that moment. At a prompt and in notebooks, where objects are made anew and
forgotten, the collector is left alone; `{"ws": {"freeze": False}}` does so anywhere.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Hashable

_holders: set[Hashable] = set()


def hold_still(holder: Hashable) -> None:
    """Move what is alive now aside, until every holder has let go."""
    if holder in _holders or hasattr(sys, "ps1"):
        return
    if not _holders and gc.get_freeze_count():
        return  # somebody manages this already
    _holders.add(holder)
    gc.freeze()


def let_go(holder: Hashable) -> None:
    """Give everything back to the collector once nobody holds it still."""
    if holder in _holders:
        _holders.remove(holder)
        if not _holders:
            gc.unfreeze()
