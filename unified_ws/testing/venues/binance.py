"""Binance spot, server side: market streams and market data REST.

Section numbers are those of the project's protocol sheet for Binance. Not imitated: accounts,
orders, the WebSocket API, futures (their lists of markets are empty).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..market import Event, MarketModel, Spec
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _binance_rest as rest
from ._binance_recorded import RecordedBinance
from ._binance_streams import Encoder, keyed, parse, stream_name

_RAW, _COMBINED = "raw", "combined"
_HOSTS = {
    "stream.binance.com",
    "data-stream.binance.vision",
    "stream.testnet.binance.vision",
    "demo-stream.binance.com",
    "stream.binance.us",
}
_PORTS = {"", "443", "9443"}  # section 1.1
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_INVALID = 2


class _InvalidError(Exception):
    """A request the venue answers with an error code (section 4)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Binance(RecordedBinance):
    """The spot side of the venue."""

    id = "binance"
    # section 2 (messages, topics, dials, lifetime) and section 3 (pings)
    limits = Limits(
        messages_per_s=5,
        topics=1024,
        dials=300,
        dials_window_s=300.0,
        weight_per_min=6000,
        ping_every_s=20.0,
        pong_within_s=60.0,
        lifetime_s=86_400.0,
    )

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._rest = rest.Rest(specs, market)
        self._encoder = Encoder(specs, market) if market else None

    # REST

    def weight(self, request: RestRequest) -> int:
        """Return what a request costs; a malformed one is answered, and costs little."""
        try:
            return rest.weight(request)
        except rest.RefusedError:
            return 1

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return 429 or 418 as section 9 has them."""
        message = (
            "Too much request weight used; please use WebSocket Streams for live updates."
            if status == 429
            else f"Way too much request weight used; IP banned until {self._ban_ms(retry_after_s)}."
        )
        answer = rest.error(status, -1003, message)
        return RestAnswer(status, answer.body, {"Retry-After": str(retry_after_s)})

    def weight_headers(self, used: int) -> Mapping[str, str]:
        """Tell the used weight as the venue does."""
        return {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open `/ws...` raw and `/stream...` combined; both may name topics (section 1.1)."""
        host, _, port = link.host.partition(":")
        if host not in _HOSTS or port not in _PORTS:
            return RestAnswer(404, b"no stream host of the venue")
        head, _, tail = link.path.strip("/").partition("/")
        if head == "ws":
            link.mode = _RAW
            # ccxt opens /ws/<n>: a dummy name, which is taken and means nothing
            names = [name for name in tail.split("/") if "@" in name]
        elif head == "stream" and not tail:
            link.mode = _COMBINED
            names = [name for name in link.query.get("streams", "").split("/") if name]
        else:
            return RestAnswer(404, b"no such path")
        try:
            return Turn(add=self._topics(link, names))
        except _InvalidError as invalid:
            return RestAnswer(400, invalid.message.encode())

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request; every one has exactly one answer, never wrapped (section 4)."""
        try:
            request = msgspec.json.decode(data)
        except msgspec.DecodeError as e:
            return _refused(3, f"Invalid JSON: {e}", None)
        if not isinstance(request, dict):
            return _refused(_INVALID, "Invalid request: request must be an object", None)
        request_id = request.get("id")
        seen = [(str(request.get("method")), request.get("params"))]
        try:
            _check_id(request_id)
            result, add, drop = self._carry_out(link, request)
        except _InvalidError as invalid:
            turn = _refused(invalid.code, invalid.message, request_id)
            return Turn(turn.replies, seen=seen, violation=turn.violation)
        answer = msgspec.json.encode({"result": result, "id": request_id})
        return Turn((answer,), add, drop, seen)

    def watch(self, topic: str) -> None:
        """Begin to encode a topic."""
        if self._encoder:
            self._encoder.watch(topic)

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        if self._encoder:
            self._encoder.unwatch(topic)

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one tick."""
        return self._encoder.encode(events) if self._encoder else []

    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Wrap a payload in combined mode (section 1.1)."""
        if mode == _RAW:
            return payload
        return b'{"stream":"%s","data":%s}' % (stream_name(topic).encode(), payload)

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a diff depth topic."""
        return self._encoder.book_of(topic) if self._encoder else None

    def ping_payload(self) -> bytes:
        """Return the time in milliseconds, which clients must send back (section 3)."""
        return str(time.time_ns() // 1_000_000).encode()

    def shutdown_notice(self, mode: str) -> bytes:
        """Return the serverShutdown event (section 9)."""
        event = b'{"e":"serverShutdown","E":%d}' % (time.time_ns() // 1_000_000)
        return self.frame(mode, "!serverShutdown", event)

    def _carry_out(
        self, link: Link, request: Mapping[str, Any]
    ) -> tuple[object, Sequence[str], Sequence[str]]:
        """Return the result, the topics to add and the topics to drop."""
        method, params = request.get("method"), request.get("params")
        if method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            raise _InvalidError(
                _INVALID, f"Invalid request: unknown variant `{method}`, expected one of {known}"
            )
        if method == "LIST_SUBSCRIPTIONS":
            return [stream_name(topic) for topic in link.topics], (), ()
        if not isinstance(params, list):
            raise _InvalidError(_INVALID, "Invalid request: params must be an array")
        if method.endswith("PROPERTY"):
            return self._property(link, method, params), (), ()
        if not params or not all(isinstance(name, str) for name in params):
            raise _InvalidError(_INVALID, "Invalid request: too few parameters or not strings")
        topics = self._topics(link, params)
        if method == "UNSUBSCRIBE":
            return None, (), topics
        if len(link.topics.keys() | set(topics)) > self.allowed.topics:
            raise _InvalidError(
                _INVALID, f"Invalid request: more than {self.allowed.topics} streams"
            )
        return None, topics, ()

    def _property(self, link: Link, method: str, params: Sequence[object]) -> bool | None:
        if not params or params[0] != "combined":
            raise _InvalidError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return link.mode == _COMBINED
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _InvalidError(1, "Invalid value type: expected Boolean")
        link.mode = _COMBINED if params[1] else _RAW
        return None

    def _topics(self, link: Link, names: Iterable[str]) -> list[str]:
        """Check names of streams; one that is malformed refuses the whole request."""
        micro = link.query.get("timeUnit", "").upper() == "MICROSECOND"
        topics = [keyed(name, micro=micro) for name in names]
        if not all(parse(topic) for topic in topics):
            raise _InvalidError(_INVALID, "Invalid request: invalid stream")
        return topics

    def _ban_ms(self, retry_after_s: int) -> int:
        return time.time_ns() // 1_000_000 + retry_after_s * 1000


def _valid_id(request_id: object) -> bool:
    """Section 4: a 64-bit integer, an alphanumeric string up to 36, or null."""
    if request_id is None:
        return True
    if isinstance(request_id, str):
        return len(request_id) <= 36
    return isinstance(request_id, int) and not isinstance(request_id, bool)


def _check_id(request_id: object) -> None:
    if not _valid_id(request_id):
        raise _InvalidError(_INVALID, "Invalid request: request ID must be an unsigned integer")


def _refused(code: int, message: str, request_id: object) -> Turn:
    answer = msgspec.json.encode({"code": code, "msg": message, "id": request_id})
    return Turn((answer,), violation=f"sent a request that was refused: {message}")


SIDE = Binance
