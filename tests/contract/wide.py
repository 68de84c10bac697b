"""A venue that does not exist and uses all of the border: for tests of the conformance check.

Source: nothing but the border itself. It borrows a venue of ccxt's for its REST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from unified_ws import adapter as ws

_LIMITS = ws.Limits(
    topics_per_request=10, topics_per_connection=50, topics_per_group={"deep": 5},
    request_bytes=4000, lifetime_s=1000, rotate_after_s=900,
)  # fmt: skip

VENUE = ws.Venue(
    id="wide",
    ccxt_id="binance",
    evidence="made up",
    endpoints={
        "spot": ws.Endpoint(live="wss://spot.wide.invalid/ws", serves={"spot": True}, limits=_LIMITS),
        "linear": ws.Endpoint(
            live="wss://linear.wide.invalid/ws", testnet="wss://test.wide.invalid/ws",
            serves={"linear": True}, limits=_LIMITS, standing=("beat",),
            heartbeat=ws.Heartbeat(by="message", every_s=20),
        ),
        "inverse": ws.Endpoint(
            live="wss://inverse.wide.invalid/ws", serves={"inverse": True},
            ask_first="dapiPublicGetTime",
        ),
    },
    market_types=("spot", "swap", "future"),
    kinds=frozenset(ws.Kind),
    all_markets=frozenset({ws.Kind.TICKER}),
    timeframes={"1m": "60", "1h": "3600"},
    derives={ws.Kind.BIDS_ASKS: ws.Kind.BOOK},
    switches={
        ws.Kind.BOOK: {"depth": ws.Switch(values=("50", "200"), default="50")},
        ws.Kind.TICKER: {"name": ws.Switch(values=("t", "mini"), default="t", for_all=("mini",))},
    },
    rest={
        "": ws.RestHost(budget=ws.Window(n=1000, per_s=60)),
        "futures": ws.RestHost(budget=ws.Window(n=100, per_s=60), apis=("fapiPublic",)),
    },
    rest_methods=(
        "publicGetDepth", "publicGetTrades", "fapiPublicGetOpenInterest", "dapiPublicGetTime",
    ),
)  # fmt: skip


class _Row(msgspec.Struct):
    m: str = ""
    id: int = 0
    t: int = 0
    p: float = 0.0
    q: float = 0.0
    s: str = ""
    mark: float | None = None
    rate: float | None = None


class _Frame(msgspec.Struct):
    n: int = 0
    topic: str = ""
    rows: list[_Row] = []
    b: list[ws.Level] = []
    a: list[ws.Level] = []
    ids: tuple[int | None, int] = (None, 0)
    ok: str = ""
    bad: str = ""


_read = ws.reader(_Frame)
_sides: Mapping[str, ws.Side] = {"B": "buy", "S": "sell"}


@lru_cache(1000)
def _parts(topic: str) -> tuple[str, str]:
    name, _, wire_id = topic.partition(":")
    return name.partition(".")[0], wire_id


class Wide(ws.Adapter):
    """The venue."""

    venue = VENUE

    def wire_id(self, market: Mapping[str, Any]) -> str:
        """Sockets speak lower-case ids."""
        return str(market["id"]).lower()

    def route(self, sub: ws.Sub) -> Sequence[ws.Route]:
        """Name the topic of a subscription."""
        market = sub.market
        if market is None:
            name = sub.channel["name"]
            return (ws.Route("spot", "all.mini"),) if name == "mini" else (_all(sub.market_type),)
        at = "spot" if market.type == "spot" else "linear" if market.linear else "inverse"
        id_ = market.wire_id
        if sub.kind is ws.Kind.BOOK:
            depth = max(int(sub.channel["depth"]), 200 if sub.depth > 50 else 50)
            return (_book(at, depth, market, id_),)
        if sub.kind is ws.Kind.TRADES:
            recent = ws.Rest("publicGetTrades", {"symbol": market.id}, 5)
            history = ws.History(recent, 1000)
            return (ws.Route(at, f"trades:{id_}", history=history, contiguous_ids=True),)
        if sub.kind is ws.Kind.OHLCV:
            return (ws.Route(at, f"candles.{self.venue.timeframes[sub.timeframe]}:{id_}"),)
        if sub.kind is ws.Kind.TICKER:
            return (ws.Route(at, f"{sub.channel['name']}:{id_}"),)
        if market.type == "spot" or (sub.kind is ws.Kind.FUNDING_RATE and market.type == "future"):
            return ()
        if sub.kind is ws.Kind.OPEN_INTEREST:
            rest = ws.Rest("fapiPublicGetOpenInterest", {"symbol": market.id}, host="futures")
            return (ws.Route(at, "", poll=ws.Poll(rest, 30.0)),)
        if sub.kind is ws.Kind.LIQUIDATIONS:
            return (ws.Route(at, f"forced.{market.type}"),)
        return (ws.Route(at, f"t:{id_}"),)

    def request(self, op: ws.Op, topics: Sequence[str], call: ws.Call) -> bytes:
        """Build a request."""
        return msgspec.json.encode({"op": op, "topics": list(topics), "id": call.id})

    def ping(self, call: ws.Call) -> bytes:
        """Build a ping."""
        return b"ping"

    def dial(self, url: str, call: ws.Call, answer: Any = None) -> ws.Dial:
        """Add the time that REST has told."""
        if call.at != "inverse":
            return ws.Dial(url)
        return ws.Dial(f"{url}?t={answer['serverTime']}", heartbeat=ws.Heartbeat(every_s=9))

    def decode(self, frame: bytes, at: str, markets: ws.Markets) -> Sequence[ws.Inbound]:
        """Translate one frame."""
        if frame == b"pong":
            return (ws.Pong(),)
        head = _read(frame)
        if head.ok or head.bad:
            return (ws.Refused(head.bad, head.ok) if head.bad else ws.Ack(head.ok),)
        if head.topic == "beat":
            return (ws.FrameNo(head.n), ws.Beat())
        name, wire_id = _parts(head.topic)
        if name == "forced":
            forced = [_forced(row, markets) for row in head.rows]
            return (ws.FrameNo(head.n), ws.Batch(head.topic, [x for x in forced if x is not None]))
        symbol = markets(wire_id)
        if not head.topic or symbol is None:
            raise ValueError("neither an answer nor data of a market")
        if name == "book":
            prev, last = head.ids
            delta = ws.BookUpdate(symbol, "delta", head.b, head.a, None, last, prev)
            book = delta if prev is not None else ws.BookUpdate(symbol, "snapshot", head.b, head.a)
            return (ws.FrameNo(head.n), ws.Batch(head.topic, (book,)))
        events = [event for row in head.rows for event in _events(name, symbol, row)]
        return (ws.FrameNo(head.n), ws.Batch(head.topic, events))

    def snapshot(self, body: Any, market: ws.Market) -> ws.BookUpdate:
        """Read a depth."""
        bids, asks = ([(float(p), float(q)) for p, q in body[side]] for side in ("bids", "asks"))
        return ws.BookUpdate(market.symbol, "rest", bids, asks, None, body["lastUpdateId"])

    def history(self, body: Any, route: ws.Route, market: ws.Market) -> Sequence[ws.Event]:
        """Read trades, or an open interest."""
        if route.poll is not None:
            amount = float(body["openInterest"])
            return [ws.OpenInterest(market.symbol, body["time"], amount)]
        return [
            ws.Trade(
                market.symbol, str(row["id"]), row["time"], float(row["price"]), float(row["qty"]),
                "sell" if row["isBuyerMaker"] else "buy", row, row["id"],
            )
            for row in body
        ]  # fmt: skip


def _all(market_type: str) -> ws.Route:
    return ws.Route("spot" if market_type == "spot" else "linear", f"all.t.{market_type}")


def _book(at: str, depth: int, market: ws.Market, id_: str) -> ws.Route:
    group = "deep" if depth > 50 else ""
    limits = ((100, 5.0), (1000, 50.0))
    snapshot = ws.Snapshot("publicGetDepth", {"symbol": market.id}, "limit", limits)
    return ws.Route(at, f"book.{depth}:{id_}", group, snapshot=snapshot)


def _forced(row: _Row, markets: ws.Markets) -> ws.Event | None:
    symbol = markets(row.m)
    return ws.Liquidation(symbol, row.t, row.p, row.q, _sides[row.s]) if symbol else None


def _events(name: str, symbol: str, row: _Row) -> Sequence[ws.Event]:
    if name == "trades":
        side = _sides[row.s]
        return [ws.Trade(symbol, str(row.id), row.t, row.p, row.q, side, None, row.id)]
    if name == "candles":
        return [ws.Candle(symbol, "1m", row.t, row.p, row.p, row.p, row.p, row.q)]
    found: list[ws.Event] = [ws.Ticker(symbol, row.t, row.p or None, partial=True)]
    if row.mark is not None:
        found.append(ws.MarkPrice(symbol, row.t, row.mark, partial=True))
    if row.rate is not None:
        found.append(ws.FundingRate(symbol, row.t, row.rate, partial=True))
    return found
