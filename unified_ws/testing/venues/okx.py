"""OKX v5, server side: public and business sockets, and market data REST.

Section numbers are those of the project's protocol sheet for OKX. Not imitated: accounts, orders,
options, spreads, and whether the signature of a login is right.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from ..market import Event, MarketModel, Spec, spec_of
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _okx_rest as rest
from ._okx_recorded import RecordedOkx
from ._okx_rows import market_id
from ._okx_streams import DEEP, NEEDS_LOGIN, Channel, Encoder, lives_at, parse

_HOSTS = frozenset({
    "ws.okx.com", "wspap.okx.com", "wseea.okx.com", "wseeapap.okx.com", "wsus.okx.com",
    "wsuspap.okx.com",
})  # 1  # fmt: skip
_PORTS = {"", "443", "8443"}
_CONTRACT_SIZES = {"BTC": "0.01", "ETH": "0.1"}
_LOT = 10**6  # 0.01 contracts of linear swaps and futures
_DEEP = "deep"
_LOGIN_S = 30
_OPERATIONS = ("subscribe", "unsubscribe")
_RIVALS = {  # 4
    "books-l2-tbt": ("books", "books50-l2-tbt"),
    "books": ("books-l2-tbt",),
    "books50-l2-tbt": ("books-l2-tbt",),
}


class Okx(RecordedOkx):
    """The venue's side.

    Attributes:
        eager: Whether the first data of a subscription comes before its acknowledgement (4).
    """

    id = "okx"
    # 2 (requests, dials, deep books) and 3 (30 seconds of silence, and what closes them)
    limits = Limits(
        requests=480,
        requests_window_s=3600.0,
        request_bytes=64 * 1024,
        group_topics={_DEEP: 29},
        dials=3,
        dials_window_s=1.0,
        ping_every_s=0.0,
        client_ping_within_s=30.0,
        client_ping_code=4004,
        subscribe_within_s=30.0,
        subscribe_code=4004,
        lifetime_s=0.0,
    )
    default_symbols = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC")
    eager: ClassVar[bool] = False

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._specs = {market_id(spec): spec for spec in specs}
        self._rest = rest.Rest(specs, market)
        self._encoder = Encoder(specs, market) if market else None

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market with the venue's contract sizes (5.0)."""
        spec = spec_of(symbol)
        if not spec.linear:
            return spec
        size = Decimal(_CONTRACT_SIZES.get(spec.base, "1"))
        return spec_of(symbol, contract_size=size, step=_LOT)

    # REST

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Return 429 as section 9 has it."""
        del retry_after_s
        return RestAnswer(status, rest.body([], "50011", "Too Many Requests"))

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open `/ws/v5/public` and `/ws/v5/business` (1)."""
        host, _, port = link.host.partition(":")
        head, _, mode = link.path.rpartition("/")
        if host not in _HOSTS or port not in _PORTS or head != "/ws/v5":
            return RestAnswer(404, b"no such address of the venue")
        if mode not in ("public", "business"):
            return RestAnswer(404, b"accounts are not imitated")
        link.mode = mode
        return Turn()

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request: one acknowledgement for each argument (4)."""
        if data == b"ping":  # 3
            return Turn((b"pong",), pong=True)
        try:
            request = msgspec.json.decode(data)
        except msgspec.DecodeError:
            request = None
        if not isinstance(request, dict):
            return self._refused(link, None, "60012", f"Invalid request: {data[:200]!r}")
        operation, args, id_ = request.get("op"), request.get("args"), request.get("id")
        seen = [(str(operation), args)]
        if id_ is not None and not (isinstance(id_, str) and id_.isalnum() and len(id_) <= 32):
            return self._refused(link, None, "60033", "Parameter id error", seen)
        if not isinstance(args, list) or not args:
            return self._refused(link, id_, "60012", f"Invalid request: {request}", seen)
        if operation == "login":
            return self._login(link, args, seen)
        if operation not in _OPERATIONS:
            return self._refused(link, id_, "60012", f"Invalid request: {request}", seen)
        topics = [_topic(arg) for arg in args]
        add = [topic for topic in topics if topic] if operation == "subscribe" else []
        beyond = self.beyond(link, data, add)
        if beyond == "requests":
            return self._refused(link, id_, "60014", "Requests too frequent", seen)
        if beyond == "bytes":
            return Turn(seen=seen, violation="a request above 64 KB", close=(1009, "too long"))
        turn = self._carried_out(link, str(operation), args, id_, seen)
        if beyond and not turn.violation:  # the venue only recommends it
            most = link.limits.group_topics[beyond]
            return dataclasses.replace(turn, violation=f"more than {most} deep books on one connection")
        return turn

    def watch(self, topic: str) -> None:
        """Begin to encode a topic."""
        if self._encoder:
            self._encoder.watch(topic)

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        if self._encoder:
            self._encoder.unwatch(topic)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Send the present state."""
        return self._encoder.greet(topic) if self._encoder else ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one tick."""
        return self._encoder.encode(events) if self._encoder else []

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a topic whose frames build a book."""
        return self._encoder.book_of(topic) if self._encoder else None

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Let the numbers of a book fall, as after maintenance (6.3)."""
        return self._encoder.restarted(symbol) if self._encoder else ()

    def shutdown_notice(self, mode: str) -> bytes:
        """Return the notice of an upgrade (9)."""
        del mode
        text = "The connection will soon be closed for a service upgrade. Please reconnect."
        return msgspec.json.encode(
            {"event": "notice", "code": "64008", "msg": text, "connId": "a4d3ae55"}
        )

    def group_of(self, topic: str) -> str:
        """Tell deep books from the rest (2)."""
        return _DEEP if parse(topic).name in DEEP else ""

    def _carried_out(
        self, link: Link, operation: str, args: Sequence[Any], id_: str | None,
        seen: Sequence[tuple[str, object]],
    ) -> Turn:  # fmt: skip
        replies: list[bytes] = []
        changed: list[str] = []
        violation = ""
        for arg in args:
            error = self._wrong(link, operation, _topic(arg), changed)
            if error is None:
                changed.append(_topic(arg))
                replies.append(_answer(link, id_, event=operation, arg=arg))
                continue
            code, text = error
            violation = f"asked for {arg}, which was refused: {text}"
            replies.append(_answer(link, id_, event="error", code=code, msg=text))
        if operation == "subscribe":
            return Turn(replies, changed, seen=seen, violation=violation, greet_first=self.eager)
        return Turn(replies, drop=changed, seen=seen)

    def _wrong(
        self, link: Link, operation: str, topic: str, asked: Sequence[str]
    ) -> tuple[str, str] | None:
        """Say why an argument is refused (4, 9); what is not held can be left all the same."""
        channel = parse(topic)
        if not channel.name or not channel.id:
            return "60013", "Invalid args"
        if operation == "unsubscribe":
            return None
        if not lives_at(link.mode, channel, self._specs) and not self._is_recorded(channel):
            key = "instType" if channel.name == "liquidation-orders" else "instId"
            what = f"channel:{channel.name},{key}:{channel.id}"
            return "60018", (
                f"Wrong URL or {what} doesn't exist. Please use the correct URL, channel and"
                " parameters referring to API document."
            )
        if channel.name in NEEDS_LOGIN and self.market and not link.notes.get("login"):
            return "60011", "Please log in"
        held = {*link.topics, *asked} - {topic}
        if any(f"{rival}:{channel.id}" in held for rival in _RIVALS.get(channel.name, ())):
            return "64004", "books-l2-tbt refuses to share a connection with other deep books"
        return None

    def _is_recorded(self, channel: Channel) -> bool:
        """Say whether there is no market to ask: a replay serves what was recorded, options too."""
        return self.market is None and bool(channel.id)

    def _login(self, link: Link, args: Sequence[Any], seen: Sequence[tuple[str, object]]) -> Turn:
        """Let in who names a key and the time of now (7.1)."""
        credentials: Mapping[str, Any] = args[0] if isinstance(args[0], dict) else {}
        if not all(credentials.get(name) for name in ("apiKey", "passphrase", "sign")):
            return self._refused(link, None, "60009", "Login failed.", seen)
        stamp = str(credentials.get("timestamp", ""))
        if not stamp.isdecimal() or abs(time.time() - int(stamp)) > _LOGIN_S:
            return self._refused(link, None, "60006", "Timestamp request expired", seen)
        link.notes["login"] = True
        return Turn((_answer(link, None, event="login", code="0", msg=""),), seen=seen)

    def _refused(
        self, link: Link, id_: str | None, code: str, text: str,
        seen: Sequence[tuple[str, object]] = (),
    ) -> Turn:  # fmt: skip
        answer = _answer(link, id_, event="error", code=code, msg=text)
        return Turn((answer,), seen=seen, violation=f"sent a request that was refused: {text}")


def _topic(arg: object) -> str:
    if not isinstance(arg, dict):
        return ""
    return f"{arg.get('channel', '')}:{arg.get('instId') or arg.get('instType') or ''}"


def _answer(link: Link, id_: str | None, **fields: object) -> bytes:
    """Write an answer: the id only if the request had one."""
    told = {} if id_ is None else {"id": id_}
    return msgspec.json.encode({**told, **fields, "connId": f"{link.number:08x}"})


SIDE = Okx
