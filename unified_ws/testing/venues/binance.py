"""Binance, server side: market streams and market data REST of spot, USD-M and COIN-M.

Section numbers are those of the project's protocol sheet for Binance. Not imitated: accounts,
orders, the WebSocket API, options. What is sent to the wrong route of USD-M is acknowledged and
never delivered, and the old address without a route delivers what is public (section 1.2).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ..market import Event, MarketModel, Spec
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _binance_futures_rest as futures_rest
from . import _binance_rest as spot_rest
from ._binance_futures import FuturesEncoder, parse_futures
from ._binance_products import (
    COINM,
    COINM_HOSTS,
    SPOT,
    TESTNET,
    USDM,
    USDM_HOSTS,
    joined,
    of_product,
    place_of,
    product_at,
    split,
)
from ._binance_recorded import RecordedBinance
from ._binance_streams import Encoder, keyed, parse, stream_name

_RAW, _COMBINED = "raw", "combined"
_PORTS = {"", "443", "9443"}  # section 1.1
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_INVALID = 2


class _InvalidError(Exception):
    """A request the venue answers with an error code (section 4)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


# section 2 (messages, topics, dials, lifetime), section 3 (pings), section 1.3 (weight)
_SPOT = Limits(
    messages_per_s=5,
    topics=1024,
    dials=300,
    dials_window_s=300.0,
    weight_per_min=6000,
    ping_every_s=20.0,
    pong_within_s=60.0,
    lifetime_s=86_400.0,
)
_FUTURES = dataclasses.replace(
    _SPOT,
    messages_per_s=10,
    topics=200,
    weight_per_min=2400,
    ping_every_s=180.0,
    pong_within_s=600.0,
)


class Binance(RecordedBinance):
    """All three products."""

    id = "binance"
    default_symbols = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC")
    limits = _SPOT
    host_limits: ClassVar[Mapping[str, Limits]] = dict.fromkeys(
        [*USDM_HOSTS, *COINM_HOSTS, *futures_rest.POOLS], _FUTURES
    )

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        spot = of_product(specs, SPOT)
        self._rests: list[spot_rest.Rest] = [
            spot_rest.Rest(spot, market),
            *(futures_rest.FuturesRest(product, specs, market) for product in (USDM, COINM)),
        ]
        self._encoders: dict[str, Encoder | FuturesEncoder] = {}
        if market is not None:
            self._encoders = {
                SPOT: Encoder(spot, market),
                **{name: FuturesEncoder(name, specs, market) for name in (USDM, COINM)},
            }

    # REST

    def weight(self, request: RestRequest) -> int:
        """Return what a request costs; a malformed one is answered, and costs little."""
        weigh = spot_rest.weight if self._rest(request).root == spot_rest.Rest.root else futures_rest.weight
        try:
            return weigh(request)
        except spot_rest.RefusedError:
            return 1

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest(request).answer(request)

    def pool(self, host: str) -> str:
        """Name what shares a budget: fapi and dapi do (section 1.3)."""
        return futures_rest.POOLS.get(host.partition(":")[0], "")

    def _rest(self, request: RestRequest) -> spot_rest.Rest:
        found = (api for api in self._rests if request.path.startswith(api.root))
        return next(found, self._rests[0])

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return 429 or 418 as section 9 has them."""
        message = (
            "Too much request weight used; please use WebSocket Streams for live updates."
            if status == 429
            else f"Way too much request weight used; IP banned until {self._ban_ms(retry_after_s)}."
        )
        answer = spot_rest.error(status, -1003, message)
        return RestAnswer(status, answer.body, {"Retry-After": str(retry_after_s)})

    def weight_headers(self, used: int) -> Mapping[str, str]:
        """Tell the used weight as the venue does."""
        return {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open `/ws...` raw and `/stream...` combined; both may name topics (section 1.1)."""
        host, _, port = link.host.partition(":")
        product = product_at(host)
        if not product or port not in _PORTS:
            return RestAnswer(404, b"no stream host of the venue")
        parts = link.path.strip("/").split("/")
        link.notes["place"] = product
        if product == USDM:
            route = parts.pop(0) if parts[0] in ("public", "market") else "public"
            link.notes["place"] = f"{USDM}-{route}"
        head, tail = parts[0] if parts else "", parts[1:]
        if head == "ws":
            link.mode = _RAW
            # ccxt opens /ws/<n>: a dummy name, which is taken and means nothing
            names = [name for name in tail if "@" in name]
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
        if encoder := self._encoder(topic):
            encoder.watch(topic)

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        if encoder := self._encoder(topic):
            encoder.unwatch(topic)

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one tick."""
        found = list(events)
        return [row for encoder in self._encoders.values() for row in encoder.encode(found)]

    def frame(self, mode: str, topic: str, payload: bytes) -> bytes:
        """Wrap a payload in combined mode (section 1.1)."""
        if mode == _RAW:
            return payload
        return b'{"stream":"%s","data":%s}' % (_name(topic).encode(), payload)

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a diff depth topic."""
        encoder = self._encoder(topic)
        return encoder.book_of(topic) if encoder else None

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Forget what waits of a book that begins anew: the venue says nothing of it."""
        for encoder in self._encoders.values():
            encoder.restarted(symbol)
        return ()

    def _encoder(self, topic: str) -> Encoder | FuturesEncoder | None:
        return self._encoders.get(split(topic)[0].partition("-")[0])

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
            return [_name(topic) for topic in link.topics], (), ()
        if not isinstance(params, list):
            raise _InvalidError(_INVALID, "Invalid request: params must be an array")
        if method.endswith("PROPERTY"):
            return self._property(link, method, params), (), ()
        if not params or not all(isinstance(name, str) for name in params):
            raise _InvalidError(_INVALID, "Invalid request: too few parameters or not strings")
        topics = self._topics(link, params)
        if method == "UNSUBSCRIBE":
            return None, (), topics
        most = link.limits.topics
        if most and len(link.topics.keys() | set(topics)) > most:
            raise _InvalidError(_INVALID, f"Invalid request: more than {most} streams")
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
        place = link.notes["place"]
        if place == SPOT:
            micro = link.query.get("timeUnit", "").upper() == "MICROSECOND"
            topics = [keyed(name, micro=micro) for name in names]
            known = all(parse(topic) for topic in topics)
        else:
            either = link.host.partition(":")[0] == TESTNET
            topics = [joined(place_of(USDM, n) if either else place, n) for n in names]
            known = all(parse_futures(topic) for topic in topics)
        if not known:
            raise _InvalidError(_INVALID, "Invalid request: invalid stream")
        return topics

    def _ban_ms(self, retry_after_s: int) -> int:
        return time.time_ns() // 1_000_000 + retry_after_s * 1000


def _name(topic: str) -> str:
    return stream_name(split(topic)[1])


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
