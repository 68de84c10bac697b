"""Reading recordings of OKX v5: which frame belongs to which topic, markets, late comers.

Section numbers are those of the project's protocol sheet for OKX.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ..market import E8, Spec
from ..side import Recorded, VenueSide
from ._okx_rows import TYPES, market_id
from ._okx_streams import DEEP, parse

_INSTRUMENTS = "/api/v5/public/instruments?"


class _Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""
    instType: str = ""

    @property
    def topic(self) -> str:
        """The topic it stands for."""
        return f"{self.channel}:{self.instId or self.instType}"


class _Head(msgspec.Struct):
    arg: _Arg | None = None
    data: msgspec.Raw = msgspec.Raw()


class _Request(msgspec.Struct):
    op: str = ""
    args: list[_Arg] = []


_head = msgspec.json.Decoder(_Head)
_request = msgspec.json.Decoder(_Request)


class RecordedOkx(VenueSide):
    """The part of the venue's side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe markets by the recorded lists of instruments; options are not imitated."""
        listed: dict[str, Mapping[str, str]] = {}
        for key, body in books.items():
            if key.startswith(_INSTRUMENTS):
                rows = msgspec.json.decode(body).get("data", ())
                listed |= {row["instId"]: row for row in rows}
        found = [listed[id_] for id_ in market_ids if id_ in listed]
        return [_spec(row) for row in found if row["instType"] in TYPES]

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:  # noqa: ARG003
        """Return the topics of recorded requests."""
        topics: dict[str, None] = {}
        for raw in sent:
            with contextlib.suppress(msgspec.MsgspecError):
                request = _request.decode(raw)
                if request.op == "subscribe":
                    topics |= dict.fromkeys(arg.topic for arg in request.args)
        return list(topics)

    @classmethod
    def identify(
        cls,
        raw: bytes,
        topics: Collection[str],  # noqa: ARG003 - each frame says its topic
        url: str = "",  # noqa: ARG003
    ) -> Recorded | None:
        """Find the topic in a frame of data: acknowledgements and errors have none."""
        with contextlib.suppress(msgspec.MsgspecError):
            head = _head.decode(raw)
            if head.arg is not None and bytes(head.data):
                return Recorded(head.arg.topic, raw)
        return None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the market of a topic; liquidations are those of a market type."""
        channel = parse(topic)
        return None if channel.name == "liquidation-orders" else channel.id

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Greet with the book as the played frames have made it, or with the last frame."""
        if parse(topic).name not in DEEP:
            return payloads[-1:]
        first: dict[str, Any] = {}
        row: dict[str, Any] = {}
        sides: dict[str, dict[str, list[str]]] = {"asks": {}, "bids": {}}
        for payload in payloads:
            frame = msgspec.json.decode(payload)
            if frame["action"] == "snapshot":
                first, sides = frame, {"asks": {}, "bids": {}}
            row = frame["data"][0]
            for name, side in sides.items():
                for level in row[name]:
                    side[level[0]] = level
        book = {name: _sorted(name, side.values()) for name, side in sides.items()}
        begun = {"prevSeqId": -1} if "prevSeqId" in row else {}
        return [msgspec.json.encode({**first, "data": [{**row, **book, **begun}]})]

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded list of instruments names the markets of its type."""
        if not key.startswith(_INSTRUMENTS):
            return True
        rows = msgspec.json.decode(body).get("data", ())
        listed = {row["instId"] for row in rows}
        types = {row["instType"] for row in rows}
        wanted = [spec for spec in specs if {n for n, t in TYPES.items() if t == spec.type} & types]
        return all(market_id(spec) in listed for spec in wanted)


def _sorted(name: str, levels: Iterable[list[str]]) -> list[list[str]]:
    alive = [level for level in levels if float(level[1])]
    return sorted(alive, key=lambda level: float(level[0]), reverse=name == "bids")


def _spec(row: Mapping[str, str]) -> Spec:
    """Describe a listed market as ccxt names it (5.0: `ctVal` is its contract size)."""
    spot = row["instType"] == "SPOT"
    pair = row["instId"] if spot else row["uly"]
    base, quote = pair.split("-")[:2]
    settle = row.get("settleCcy", "")
    symbol = f"{base}/{quote}" if spot else f"{base}/{quote}:{settle}"
    if row["instType"] == "FUTURES":
        symbol += f"-{row['instId'].rpartition('-')[2]}"
    return Spec(
        symbol,
        base,
        quote,
        _scaled(row.get("tickSz", "")),
        _scaled(row.get("lotSz", "")),
        E8,
        type="spot" if spot else "swap" if row["instType"] == "SWAP" else "future",
        settle=settle,
        linear=not spot and settle == quote,
        inverse=not spot and settle == base,
        contract_size=Decimal(row.get("ctVal") or 1),
        expiry_ms=int(row.get("expTime") or 0),
    )


def _scaled(text: str) -> int:
    return max(1, int(Decimal(text or 0) * E8))
