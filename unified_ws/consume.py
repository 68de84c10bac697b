"""How calls read streams: the loop-bound half of an exchange object that both faces share.

`Reading` finds or makes the streams of a call, keeps the cursors of its task, and waits for
news. The rules it follows are in `core/readers.py`.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import Hashable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from unified_ws.adapter import Sub
from unified_ws.core.books import BookStream
from unified_ws.core.readers import Cursor
from unified_ws.core.streams import Stream
from unified_ws.errors import CCXT_ERRORS
from unified_ws.facts import Kind, Switch, Venue
from unified_ws.shell.client import CCXT_FACE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CCXT_FACE", "Reading", "channel", "in_turn", "owner"]
_CONTRACTS_ONLY = frozenset({
    Kind.MARK_PRICE, Kind.FUNDING_RATE, Kind.LIQUIDATIONS, Kind.OPEN_INTEREST,
})  # fmt: skip
_TIMEFRAME = re.compile(r"[1-9]\d{0,3}[smhdwM]")
_GENERAL = frozenset({"type", "subType", "callerMethodName"})
"""Keys of `params` that every method of ccxt knows; they choose the market type."""


def owner() -> Hashable | None:
    """Return the task that is making a call; None where there is no event loop yet."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def channel(
    venue: Venue, kind: Kind, method: str, params: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, str]:
    """Choose the venue's channel by ccxt's switches: `params` first, then `options`.

    Raises:
        BadRequest: A key or a value that this method does not know; the sentence names it.
    """
    switches = venue.switches.get(kind, {})
    chosen = _named(venue, method, params, switches) if params else {}
    mine = options.get(method)
    for name, switch in switches.items():
        if name in chosen:
            continue
        value = mine.get(name) if isinstance(mine, Mapping) else None
        if value is None and not isinstance(options.get(name), Mapping):
            value = options.get(name)
        if value is None:
            chosen[name] = switch.defaults.get(method, switch.default)
        else:
            chosen[name] = _value(venue, method, name, value, switch)
    return chosen


def _named(
    venue: Venue, method: str, params: Mapping[str, Any], switches: Mapping[str, Switch]
) -> dict[str, str]:
    """Return what `params` choose."""
    aliases = {alias: name for name, s in switches.items() for alias in (name, *s.aliases)}
    chosen: dict[str, str] = {}
    for key, value in params.items():
        if key in _GENERAL:
            continue
        if key not in aliases:
            known = ", ".join(sorted(aliases)) or "none"
            text = f'{venue.id} {method}: unknown key "{key}" in params (known: {known})'
            raise CCXT_ERRORS["BadRequest"](text)
        chosen[aliases[key]] = _value(venue, method, key, value, switches[aliases[key]])
    return chosen


def _value(venue: Venue, method: str, key: str, value: object, switch: Switch) -> str:
    text = str(value)
    if isinstance(value, bool) and text not in switch.values:
        text = text.lower()
    if text not in switch.values:
        allowed = ", ".join(repr(v) for v in switch.values if v)
        sentence = f'{venue.id} {method}: "{key}" cannot be {text!r}, it is one of {allowed}'
        raise CCXT_ERRORS["BadRequest"](sentence)
    return text


class Reading:
    """What both faces of an exchange object do with streams (a mixin of `Exchange`)."""

    if TYPE_CHECKING:
        _turns: int

        @property
        def id(self) -> str:
            """Return ccxt's id of the venue."""

        @property
        def options(self) -> dict[str, Any]:
            """Return ccxt's options."""

        def __getattr__(self, name: str) -> Any: ...

    def _sub(
        self, kind: Kind, symbol: str | None, method: str, params: Mapping[str, Any],
        *, timeframe: str = "", depth: int = 0,
    ) -> Sub:  # fmt: skip
        venue: Venue = self._venue
        if kind not in venue.kinds:
            raise CCXT_ERRORS["NotSupported"](f"{self.id} {method}() is not supported")
        chosen = channel(venue, kind, method, params, self.options)
        if symbol is None:
            for name, switch in venue.switches.get(kind, {}).items():
                if switch.for_all and chosen[name] not in switch.for_all:
                    known = ", ".join(map(repr, switch.for_all))
                    text = f'{self.id} {method}: without symbols "{name}" is one of {known}'
                    raise CCXT_ERRORS["BadRequest"](text)
            if kind not in venue.all_markets:
                text = f"{self.id} {method}() needs a list of symbols: no stream has all markets"
                raise CCXT_ERRORS["ArgumentsRequired"](text)
            return Sub(
                kind, None, self._type(kind, method, params), channel=chosen,
                sub_type=str(params.get("subType") or self.options.get("defaultSubType") or ""),
            )  # fmt: skip
        market = self._bridge.market(symbol)
        derived = kind in venue.derives and _TIMEFRAME.fullmatch(timeframe)
        if timeframe and timeframe not in venue.timeframes and not derived:
            known = ", ".join(venue.timeframes)
            text = f'{self.id} {method}: no timeframe "{timeframe}" (there are: {known})'
            raise CCXT_ERRORS["BadRequest"](text)
        return Sub(kind, market, market.type, timeframe, depth, chosen)

    def _type(self, kind: Kind, method: str, params: Mapping[str, Any]) -> str:
        """Return the market type that is meant where no symbol says it, by ccxt's rules."""
        mine = self.options.get(method)
        if isinstance(mine, Mapping):
            mine = mine.get("defaultType") or mine.get("type")
        general = self.options.get("defaultType") or self.options.get("type")
        found = str(params.get("type") or mine or general or self._venue.market_types[0])
        if found not in self._venue.market_types:
            found = self._venue.market_types[0]
        # What only contracts have means them where nothing else was said, as in ccxt.
        return "swap" if found == "spot" and kind in _CONTRACTS_ONLY else found

    def _streams(self, subs: Sequence[Sub], holder: Hashable, method: str) -> list[Stream]:
        """Return the streams of `subs`, subscribed for `holder`."""
        client, engine = self._client, self._client.engine
        now = client.loop.time()
        streams = []
        for sub in subs:
            stream = engine.stream(sub, now, method)
            if not stream.holders:
                for route in stream.routes:
                    if route.poll is None:
                        self.socket_url(route.endpoint)  # not every environment has them all
            engine.hold(stream, holder, now)
            streams.append(stream)
        if engine.actions or engine.touched:
            engine.touched = False
            client.perform()
        return streams

    @contextmanager
    def _cursors(self, streams: Sequence[Stream], reader: Hashable) -> Iterator[list[Cursor]]:
        """Lend the reader's cursors to one call."""
        now = self._client.loop.time()
        cursors = []
        for stream in streams:
            ring = stream.rows
            # A book has no rows to lose: whoever had its newest state waits for a newer one.
            base = 0 if stream.kind is Kind.BOOK else ring.base
            cursor = stream.readers.cursor(reader, now, base, ring.head)
            cursor.busy = True
            cursors.append(cursor)
        self._watch_owner(reader, streams)
        try:
            yield cursors
        finally:
            for cursor in cursors:
                cursor.busy = False

    def _watch_owner(self, reader: Hashable, streams: Sequence[Stream]) -> None:
        """Learn when a task ends, so that another can take over its place."""
        seen = self._owners.get(reader)
        if seen is None:
            seen = self._owners[reader] = set()
            if isinstance(reader, asyncio.Task):
                reader.add_done_callback(partial(_owner_done, weakref.ref(self)))
        seen.update(streams)

    def _take(self, stream: Stream, cursor: Cursor) -> list[Any]:
        """Hand the rows since the cursor over, and move it: the caller has them now."""
        ring = stream.rows
        if cursor.position >= ring.head:
            return []
        rows, missed = ring.since(cursor.position)
        self._served(stream, cursor)
        if missed:
            cursor.missed += missed
            self._lagging(stream, missed)
        return rows

    def _served(self, stream: Stream, cursor: Cursor) -> None:
        """Move a cursor to the present: its reader has seen the newest."""
        cursor.position = stream.rows.head
        cursor.fresh = False
        self._turns += 1
        cursor.served = self._turns

    def _lagging(self, stream: Stream, missed: int) -> None:
        reason = f"a consumer fell {missed} rows behind its buffer of {stream.rows.capacity}"
        stream.overruns += missed
        self._client.engine.notice("lagging", stream=stream, reason=reason, data=missed)
        self._client.perform()

    def _fresh_book(self, stream: Stream, cursor: Cursor) -> bool:
        """Say whether a book has something that this reader has not seen."""
        assert isinstance(stream, BookStream)
        if cursor.position >= stream.rows.head and not cursor.fresh:
            return False
        return stream.current() is not None


def _owner_done(exchange: weakref.ref[Any], task: asyncio.Task[Any]) -> None:
    # Known weakly: a long task must not keep alive what its user has dropped.
    alive = exchange()
    now = task.get_loop().time()
    for stream in alive._owners.pop(task, ()) if alive is not None else ():
        stream.readers.finish(task, now)


def in_turn(streams: Sequence[Stream], cursors: Sequence[Cursor]) -> list[tuple[Stream, Cursor]]:
    """Return those with news, the longest unserved first, so that none starves."""
    pairs = [
        (stream, cursor)
        for stream, cursor in zip(streams, cursors, strict=True)
        if cursor.position < stream.rows.head or cursor.fresh
    ]
    if len(pairs) > 1:
        pairs.sort(key=lambda pair: pair[1].served)
    return pairs
