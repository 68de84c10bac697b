"""Bybit v5, server side: public streams of spot, linear and inverse, and market data REST.

Section numbers are those of the project's protocol sheet for Bybit. Not imitated: accounts, order
entry, options, spreads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from ..market import E8, Event, MarketModel, Spec, spec_of
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _bybit_rest as rest
from ._bybit_markets import CATEGORIES, DEPTHS, PAST_DEPTHS, category_of, market_id, parse
from ._bybit_recorded import RecordedBybit, category_in
from ._bybit_streams import Encoder

ARGS_LENGTH = 21_000  # section 2: of all topics of a connection, as a list
SPOT_ARGS = 10  # section 2: of one request
_HOSTS = {
    f"{name}.{domain}"
    for name in ("stream", "stream-testnet")
    for domain in ("bybit.com", "bybit.eu", "bybit.id", "bytick.com")
}
_encode = msgspec.json.encode


class Bybit(RecordedBybit):
    """The public side of the venue.

    Attributes:
        restarts_with: How the restart of a book is told (section 6.1): "snapshot", or "delta", as
            nobody has documented it and a client must survive it.
    """

    id = "bybit"
    # section 2 (dials, 600 requests in 5 s), section 1 (cut after 10 minutes without a ping)
    limits = Limits(
        args=SPOT_ARGS, dials=500, dials_window_s=300.0, weight_per_min=7200, ping_every_s=0.0,
        client_ping_within_s=600.0, client_ping_code=1006, lifetime_s=0.0,
    )  # fmt: skip
    default_symbols: ClassVar[Sequence[str]] = (
        "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC",
    )  # fmt: skip
    restarts_with: ClassVar[Literal["snapshot", "delta"]] = "snapshot"

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._symbols = {(category_of(spec), market_id(spec)): spec.symbol for spec in specs}
        self._rest = rest.Rest(specs, market)
        self._encoder = Encoder(specs, market) if market else None
        # what can be subscribed: a recording may hold what the venue has given up since
        self._depths = DEPTHS if market else PAST_DEPTHS

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market: contracts count coins, or dollars if inverse (section 5.7)."""
        spec = spec_of(symbol, contract_size=Decimal(1))
        return msgspec.structs.replace(spec, step=E8) if spec.inverse else spec

    # REST

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Refuse as section 2 has it: 403, and stay away for a while."""
        return RestAnswer(403, b"access too frequent")

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open the public addresses (section 1)."""
        category = category_in(link.path)
        if link.host.partition(":")[0] not in _HOSTS or category not in CATEGORIES:
            return RestAnswer(404, b"404 page not found")
        link.mode = category
        return Turn()

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request; each has one answer (sections 3, 4)."""
        try:
            request = msgspec.json.decode(data)
            op, args = request.get("op"), request.get("args") or []
        except (msgspec.DecodeError, AttributeError):
            words = "Failed to decode incoming data"
            return Turn((words.encode(),), violation=f"sent no request: {data[:80]!r}")
        seen = [(str(op), args)]
        if op == "ping":
            return Turn((self._answer(link, request, "pong"),), seen=seen, pong=True)
        if op not in ("subscribe", "unsubscribe") or not all(isinstance(a, str) for a in args):
            body = {"request": {"op": op, "args": args}, **self._no(link, "error:invalid op")}
            return Turn((_encode(body),), seen=seen, violation="sent an unknown request")
        topics = [f"{link.mode}|{name}" for name in args]
        words = self._objection(link, data, topics) if op == "subscribe" else ""
        if words:
            body = {**self._no(link, words), "req_id": _id(request), "op": op}
            return Turn((_encode(body),), seen=seen, violation=f"sent what was refused: {words}")
        spot = link.mode == "spot"
        replies = (self._answer(link, request, op if spot and op == "subscribe" else ""),)
        if op == "unsubscribe":
            return Turn(replies, drop=topics, seen=seen)
        # Contracts have been seen to send data before the answer, spot after it (section 4).
        return Turn(replies, add=topics, seen=seen, greet_first=not spot)

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

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a book topic."""
        stream = parse(topic, PAST_DEPTHS)
        if stream is None or stream.channel != "orderbook":
            return None
        return self._symbols.get((stream.category, stream.market_id))

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Return the books that begin with `u` 1 again (section 6.1)."""
        return self._encoder.restarted(symbol, self.restarts_with) if self._encoder else ()

    def _objection(self, link: Link, data: bytes, topics: Sequence[str]) -> str:
        """Say why a subscription is refused, as a whole; "" if it is not (section 4)."""
        if not topics:
            return "error:args is empty"
        if link.mode == "spot" and self.beyond(link, data, topics) == "args":
            return f"args size >{link.limits.args}"
        held = dict.fromkeys(link.topics)
        for topic in topics:
            stream, name = parse(topic, self._depths), topic.partition("|")[2]
            if stream is None:
                return f"error:handler not found,topic:{name}"
            if (stream.category, stream.market_id) not in self._symbols:
                if link.mode == "spot":
                    return f"Invalid symbol :[{name}]"
                return f"error:handler not found,topic:{name}"
            if topic in held:
                return f"error:already subscribed,topic:{name}"
            held[topic] = None
        names = [topic.partition("|")[2] for topic in held]
        return f"args size >{ARGS_LENGTH}" if len(_encode(names)) > ARGS_LENGTH else ""

    def _answer(self, link: Link, request: Mapping[str, Any], words: str) -> bytes:
        """Say yes: contracts repeat an id that was not sent as "" (sections 3, 4)."""
        body: dict[str, Any] = {"success": True, "ret_msg": words, "conn_id": _name(link)}
        if link.mode != "spot" or "req_id" in request:
            body["req_id"] = _id(request)
        return _encode({**body, "op": request["op"]})

    def _no(self, link: Link, words: str) -> dict[str, Any]:
        return {"success": False, "ret_msg": words, "conn_id": _name(link)}


def _id(request: Mapping[str, Any]) -> str:
    return str(request.get("req_id", ""))


def _name(link: Link) -> str:
    return f"d9avt8shteepr00gfc1g-{link.number}"


SIDE = Bybit
