"""Gate, server side: public streams of spot and contracts, and market data REST.

Section numbers are those of the project's protocol sheet for Gate. Not imitated: accounts, order
entry, options, the binary feed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from ..market import E8, Event, MarketModel, Spec, spec_of
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _gate_rest as rest
from ._gate_markets import (
    ADDRESSES,
    address_of,
    market_id,
    objection,
    parse,
    topics_of,
)
from ._gate_recorded import RecordedGate
from ._gate_streams import Encoder

EXACT, WHOLE = "", ":int"
"""Modes of a socket beside its family: sizes as texts, or as whole numbers (section 1)."""
_MOST_SECONDS = 60  # section 2
_INT32 = 2**31
_SIZES = frozenset({"size", "B", "A", "v"})
# By base: what a contract is worth, and its least amount (some take fractions, section 6).
_CONTRACTS = {"BTC": (Decimal("0.0001"), E8), "ETH": (Decimal("0.01"), E8 // 10)}
_PRIVATE = frozenset({"orders", "usertrades", "balances", "positions", "liquidates", "autoorders"})
_encode = msgspec.json.encode


class Gate(RecordedGate):
    """The public side of the venue.

    Attributes:
        partial_tickers: Whether contracts get partial tickers between the whole ones (6.1).
        cached_ms: How long REST answers an order book from its cache (7.2), in market time.
    """

    id = "gate"
    # section 3: a socket that holds nothing is cut after 30 s; the docs' pings of the server
    limits = Limits(
        ping_every_s=20.0, pong_within_s=60.0, subscribe_within_s=30.0, subscribe_code=1006,
        weight_per_min=1200, lifetime_s=0.0,
    )  # fmt: skip
    default_symbols: ClassVar[Sequence[str]] = (
        "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC",
    )  # fmt: skip
    partial_tickers: ClassVar[bool] = True
    cached_ms: ClassVar[int] = 0

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._symbols = {(address_of(spec), market_id(spec)): spec.symbol for spec in specs}
        self._names = {(where == "spot", name) for where, name in self._symbols}
        self._rest = rest.Rest(specs, market, self.cached_ms)
        self._encoder = Encoder(specs, market, partial=self.partial_tickers) if market else None

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market: contracts count fractions of coins, or dollars if inverse (6)."""
        spec = spec_of(symbol)
        if spec.spot:
            return spec
        size, step = _CONTRACTS.get(spec.base, (Decimal(1), E8))
        if spec.inverse:
            size, step = Decimal(1), E8
        return msgspec.structs.replace(spec, contract_size=size, step=step)

    # REST

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Refuse what is too much."""
        body = b'{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded"}'
        return RestAnswer(status, body)

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open the public addresses (section 1)."""
        address = ADDRESSES.get((link.host.partition(":")[0], link.path.strip("/")))
        if address is None:
            return RestAnswer(404, b"404 page not found")
        link.notes["address"] = address
        exact = address == "spot" or link.headers.get("X-Gate-Size-Decimal") == "1"
        link.mode = ("spot" if address == "spot" else "futures") + (EXACT if exact else WHOLE)
        return Turn()

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request; each has one answer (sections 3, 4)."""
        try:
            request = msgspec.json.decode(data)
            channel, event = str(request["channel"]), str(request.get("event", ""))
            payload = [str(name) for name in request.get("payload") or ()]
        except (msgspec.DecodeError, TypeError, KeyError, AttributeError):
            words = "request message need json scheme"
            return self._refused(link, {}, 1, words, [("", None)])
        family = link.mode.partition(":")[0]
        seen = [(f"{event} {channel}".strip(), request.get("payload"))]
        if channel == f"{family}.ping":
            return Turn((self._pong(link, family),), seen=seen, pong=True)
        number = request.get("id")
        if abs(int(request.get("time", 0)) - time.time()) > _MOST_SECONDS or (
            number is not None and not (isinstance(number, int) and abs(number) < _INT32)
        ):
            return self._refused(link, request, 1, "invalid time or id", seen)
        topics = topics_of(link.notes["address"], channel, payload)
        words = self._objection(link, channel, event, payload, topics)
        if words:
            if channel.partition(".")[2] in _PRIVATE:
                label = '{"label":"INVALID_KEY","message":"Invalid key provided"}\n'
                return self._refused(link, request, 4, label, seen)
            return self._refused(link, request, 2, words, seen)
        replies = (self._answer(link, request, result={"status": "success"}),)
        if event == "unsubscribe":
            return Turn(replies, drop=topics, seen=seen)
        # The snapshot of an obu comes before the ack, in the same millisecond (section 7.1).
        return Turn(replies, add=topics, seen=seen, greet_first=channel.endswith(".obu"))

    def watch(self, topic: str) -> None:
        """Begin to encode a topic."""
        if self._encoder:
            self._encoder.watch(topic)

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        if self._encoder:
            self._encoder.unwatch(topic)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Return the first state of a topic, where it has one."""
        return self._encoder.greet(topic) if self._encoder else ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one tick."""
        return self._encoder.encode(events) if self._encoder else []

    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Round sizes down where the header was not sent; those of an obu stay texts (1)."""
        if not mode.endswith(WHOLE) or "futures.obu" in topic:
            return payload
        body = msgspec.json.decode(payload)
        return _encode({**body, "result": _rounded(body["result"])})

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a topic of changes."""
        stream = parse(topic)
        if stream is None or stream.channel not in ("obu", "order_book_update"):
            return None
        return self._symbols.get((stream.address, stream.market_id))

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Return the books that begin anew: `full` says so (section 7)."""
        return self._encoder.restarted(symbol) if self._encoder else ()

    def shutdown_notice(self, mode: str) -> bytes:
        """Return the notice of an upgrade (section 10)."""
        words = (
            "The connection will soon be closed for a service upgrade. Please reconnect."
        )
        return _encode({
            "time": int(time.time()), "channel": f"{mode.partition(':')[0]}.system",
            "event": "update", "result": {"type": "upgrade", "msg": words},
        })  # fmt: skip

    def _objection(
        self, link: Link, channel: str, event: str, payload: Sequence[str], topics: Sequence[str]
    ) -> str:
        """Say why a request is refused, as a whole; "" if it is not (section 4)."""
        family = link.mode.partition(":")[0]
        streams = [parse(topic) for topic in topics]
        eu = link.host.startswith("api.gateeu.com") and channel == "spot.obu"
        if not channel.startswith(f"{family}.") or None in streams or eu:
            return f"Unknown channel {channel}"
        if event not in ("subscribe", "unsubscribe") or not payload:
            return "invalid argument"
        for topic, stream in zip(topics, streams, strict=True):
            if stream is None:
                continue
            if channel.endswith(".obu"):
                # Unknown markets and levels are taken and stay silent; a repeat is refused.
                if len(payload) > 1:
                    return "invalid argument"
                if event == "subscribe" and topic in link.topics:
                    return f"Alert sub {payload[0]}"
                continue
            # A contract of another settle currency is taken and stays silent (section 1).
            if (family == "spot", stream.market_id) not in self._names:
                what = "currency pair:" if family == "spot" else "contract"
                return f"unknown {what} {stream.market_id}"
            if words := objection(stream):
                return words
        return ""

    def _refused(
        self, link: Link, request: Mapping[str, Any], code: int, words: str, seen: Any
    ) -> Turn:
        error = {"code": code, "message": words}
        answer = self._answer(link, request, error=error, result={"status": "fail"})
        return Turn((answer,), seen=seen, violation=f"sent what was refused: {words}")

    def _answer(self, link: Link, request: Mapping[str, Any], **more: Any) -> bytes:
        head = {name: request[name] for name in ("id", "channel", "event", "payload") if name in request}
        return _encode({**self._ids(link), "trace_id": f"cdb02a8c{link.number:024d}", **head, **more})

    def _pong(self, link: Link, family: str) -> bytes:
        body = {**self._ids(link), "channel": f"{family}.pong", "event": "", "result": None}
        return _encode(body)

    def _ids(self, link: Link) -> dict[str, Any]:
        now_ms = time.time_ns() // 1_000_000
        head = {"time": now_ms // 1000, "time_ms": now_ms, "conn_id": f"62f2c1da{link.number:08d}"}
        if link.notes["address"] == "spot":
            head["requestId"] = f"789a534f{link.number:024d}"
        return head


def _rounded(value: Any) -> Any:
    """Make sizes whole, wherever they stand."""
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if not isinstance(value, dict):
        return value
    sizes = _SIZES | ({"s"} if "p" in value else set())
    return {k: int(float(v)) if k in sizes else _rounded(v) for k, v in value.items()}


SIDE = Gate
