"""KuCoin, server side: classic sockets of spot and futures, UTA gateways, market data REST.

Section numbers are those of the project's protocol sheet for KuCoin. Not imitated: accounts,
orders, the areas of the market (`/market/snapshot:BTC`), call auctions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ..market import E8, Event, MarketModel, Spec, spec_of
from ..side import Limits, Link, RestAnswer, RestRequest, Turn
from . import _kucoin_rest as rest
from ._kucoin_markets import FUTURES, SPOT, Stream, contract_size, market_id, parse
from ._kucoin_recorded import RecordedKuCoin, split
from ._kucoin_streams import FEEDS, Feed, Tick
from ._kucoin_uta import uta_feed

PER_TIME = 100  # section 2: symbols of a request
_CLASSIC = {rest.SPOT_SOCKET: SPOT, rest.FUTURES_SOCKET: FUTURES, "push-private.kucoin.com": SPOT}
_UTA = {"x-push-spot.kucoin.com": "SPOT", "x-push-futures.kucoin.com": "FUTURES"}
_LISTS = ("ticker", "funding-fee")  # section 2: what takes several symbols
_encode = msgspec.json.encode
# section 3: cut after a minute of silence; section 2: dials and messages
_SPOT_LIMITS = Limits(
    messages=100, messages_window_s=10.0, messages_code=1000, args=PER_TIME, topics=300, dials=30,
    dials_window_s=60.0, weight_per_min=4000, ping_every_s=0.0, client_ping_within_s=60.0,
    client_ping_code=1000, lifetime_s=86_400.0,
)  # fmt: skip
_UTA_LIMITS = Limits(
    messages=300, messages_window_s=10.0, messages_code=1000, args=PER_TIME, topics=600, dials=250,
    dials_window_s=300.0, weight_per_min=4000, ping_every_s=0.0, client_ping_within_s=60.0,
    client_ping_code=1006, lifetime_s=0.0,
)  # fmt: skip


class KuCoin(RecordedKuCoin):
    """The public side of the venue."""

    id = "kucoin"
    limits = _SPOT_LIMITS
    host_limits: ClassVar[Mapping[str, Limits]] = {
        rest.FUTURES_SOCKET: Limits(
            messages=100, messages_window_s=10.0, messages_code=1000, args=PER_TIME, dials=30,
            dials_window_s=60.0, weight_per_min=4000, ping_every_s=0.0,
            client_ping_within_s=60.0, client_ping_code=1000, lifetime_s=86_400.0,
        ),
        **dict.fromkeys(_UTA, _UTA_LIMITS),
    }  # fmt: skip
    default_symbols: ClassVar[Sequence[str]] = (
        "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC",
    )  # fmt: skip

    def __init__(self, specs: Sequence[Spec], market: MarketModel | None, limits: Limits) -> None:
        super().__init__(specs, market, limits)
        self._by_id = {market_id(spec): spec for spec in specs}
        self._rest = rest.Rest(specs, market)
        self._feeds: dict[str, list[Feed]] = {}

    @classmethod
    def spec_of(cls, symbol: str) -> Spec:
        """Describe a market: futures count whole contracts (section 6)."""
        if ":" not in symbol:
            return spec_of(symbol)
        return spec_of(symbol, contract_size=contract_size(symbol), step=E8)

    def expire_tokens(self) -> None:
        """Take all tokens back, as after 24 hours (section 1.1)."""
        self._rest.tokens.clear()

    def dictate_heartbeat(self, ping_ms: int, pong_ms: int) -> None:
        """Say other intervals with the next tokens and welcomes (sections 1.1, 1.2)."""
        self._rest.ping_ms, self._rest.pong_ms = ping_ms, pong_ms

    # REST

    def weight(self, request: RestRequest) -> int:
        """Return what a request costs."""
        return self._rest.weight(request)

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer a request."""
        return self._rest.answer(request)

    def refusal(self, status: int, retry_after_s: int) -> RestAnswer:
        """Refuse as section 12 has it."""
        words = "Too many requests. System-level rate limit exceeded."
        return RestAnswer(429, _encode({"code": "429000", "msg": words}))

    # sockets

    def accept(self, link: Link) -> Turn | RestAnswer:
        """Open the public addresses and say welcome; classic ones want a token (section 1)."""
        host = link.host.partition(":")[0]
        if host in _UTA:
            link.binary = True
            link.mode = _UTA[host]
            hello = {"sessionId": f"ddfb0cbd-{link.number:012d}", "message": "welcome"}
            return Turn((_encode({**hello, "pingInterval": self._rest.ping_ms}),))
        if host not in _CLASSIC:
            return RestAnswer(404, b"404 page not found")
        link.notes["id"] = link.query.get("connectId", "")
        if self.market and link.query.get("token") not in self._rest.tokens:
            return self._expired(link, link.notes["id"], "dialed without a valid token")
        return Turn((_encode({"id": link.notes["id"], "type": "welcome"}),))

    def receive(self, link: Link, data: bytes) -> Turn:
        """Carry out a request (section 4)."""
        try:
            request = msgspec.json.decode(data)
            if not isinstance(request, dict):
                raise TypeError  # noqa: TRY301 - answered like what is no JSON
        except (msgspec.DecodeError, TypeError):
            words = "json parse failed"
            return Turn((_error("", 400, words),), violation=f"sent no request: {data[:80]!r}")
        number = str(request.get("id", ""))
        if request.get("type") == "ping":
            at = self.market.now_ms if self.market else 0
            pong = {"id": number, "type": "pong", "timestamp": at * 1000}
            return Turn((_encode(pong),), pong=True, seen=[("ping", None)])
        if link.binary:
            return self._uta(link, data, request, number)
        return self._classic(link, data, request, number)

    def _classic(self, link: Link, data: bytes, request: Mapping[str, Any], number: str) -> Turn:
        kind, topic = request.get("type"), str(request.get("topic", ""))
        seen = [(str(kind), topic)]
        if kind not in ("subscribe", "unsubscribe"):
            words = "type is not supported"
            return Turn((_error(number, 415, words),), seen=seen, violation=f"sent {kind!r}")
        answer = (_encode({"id": number, "type": "ack"}),) if request.get("response") else ()
        topics = split(topic)
        if kind == "unsubscribe":
            return Turn(answer, drop=topics, seen=seen)
        if self.market and link.query.get("token") not in self._rest.tokens:
            return self._expired(link, number, "")
        code, words = self._objection(link, data, topics)
        if words:
            refused = f"sent what was refused: {words}"
            return Turn((_error(number, code, words),), seen=seen, violation=refused)
        return Turn(answer, add=topics, seen=seen)

    def _objection(self, link: Link, data: bytes, topics: Sequence[str]) -> tuple[int, str]:
        """Say why a subscription is refused, as a whole; "" if it is not (sections 2, 4.1)."""
        channels = _CLASSIC[link.host.partition(":")[0]]
        for topic in topics:
            stream = parse(topic)
            if stream is None or stream.channel not in channels:
                return 404, f"topic {topic} is not found"
            if channels is SPOT and not self._specs_of(stream):
                return 404, f"topic {topic} is not found"
        limit = self.beyond(link, data, topics)
        if limit == "args":
            return 509, f"exceed max subscription count limitation of {link.limits.args} per time"
        if limit:
            words = f"exceed max subscription count limitation of {link.limits.topics} per session"
            return 509, words
        return 0, ""

    def _expired(self, link: Link, number: str, violation: str) -> Turn:
        """Section 4.1: and the socket is closed."""
        reply = _error(number, 401, "token is expired")
        return Turn((reply,), violation=violation, close=(1000, "Bye"))

    def _uta(self, link: Link, data: bytes, request: Mapping[str, Any], number: str) -> Turn:
        action, channel = str(request.get("action", "")).lower(), str(request.get("channel"))
        seen = [(action, dict(request))]
        symbols = request.get("symbols")
        listed = symbols if symbols is not None else [request.get("symbol")]
        words = ""
        if action not in ("subscribe", "unsubscribe"):
            words = "invalid request data"
        elif symbols is not None and channel not in _LISTS:
            words = f"symbols are not supported for topic {channel}"
        elif not listed or not all(isinstance(one, str) for one in listed):
            words = f"missing `symbol` for topic: {channel}"
        topics = [] if words else [_uta_topic(request, channel, str(one)) for one in listed]
        trade_type = request.get("tradeType", link.mode)
        if not words and not all(parse(topic) for topic in topics):
            words = "invalid request data"
        elif not words and trade_type != link.mode:
            words = f'topic {channel} type = "{trade_type}" not allowed in current environment'
        elif not words and action == "subscribe" and self.beyond(link, data, topics):
            words = "too many topics"
        if words:
            reply = _encode({"id": number, "result": False, "reason": words})
            return Turn((reply,), seen=seen, violation=f"sent what was refused: {words}")
        replies = (_encode({"id": number, "result": True}),)
        if action == "unsubscribe":
            return Turn(replies, drop=topics, seen=seen)
        return Turn(replies, add=topics, seen=seen)

    # streams

    def watch(self, topic: str) -> None:
        """Begin to encode a topic; one of an unknown contract stays silent (section 4.1)."""
        stream = parse(topic)
        if self.market is None or stream is None:
            return
        make = FEEDS.get(stream.channel, uta_feed)
        self._feeds[topic] = [make(stream, s, self.market) for s in self._specs_of(stream)]

    def unwatch(self, topic: str) -> None:
        """Stop encoding a topic."""
        self._feeds.pop(topic, None)

    def greet(self, topic: str) -> Sequence[bytes]:
        """Nothing comes at once (section 8.4: not even the state of a book)."""
        for feed in self._feeds.get(topic, ()):
            feed.begun()
        return ()

    def encode(self, events: Iterable[Event]) -> list[tuple[str, bytes]]:
        """Return payloads of one tick."""
        tick = Tick.of(events)
        return [
            (topic, payload)
            for topic, feeds in self._feeds.items()
            for feed in feeds
            for payload in feed.move(tick)
        ]

    def book_of(self, topic: str) -> str | None:
        """Return the symbol of a topic of changes."""
        stream = parse(topic)
        if stream is None:
            return None
        changes = stream.channel in ("/market/level2", "/contractMarket/level2")
        if not changes and not stream.detail.startswith("increment"):
            return None
        specs = self._specs_of(stream)
        return specs[0].symbol if specs else None

    def restarted(self, symbol: str) -> Sequence[tuple[str, bytes]]:
        """Return the new states of UTA's books; classic sockets say nothing."""
        return [
            (topic, payload)
            for topic, feeds in self._feeds.items()
            for feed in feeds
            if feed.symbol == symbol
            for payload in feed.restart()
        ]

    def _specs_of(self, stream: Stream) -> list[Spec]:
        """Return the markets of a topic: one, all of spot, or none that is known here."""
        if stream.channel == "/market/ticker" and stream.market_id == "all":
            return [spec for spec in self.specs if spec.spot]
        spec = self._by_id.get(stream.market_id)
        return [spec] if spec is not None and spec.spot is not stream.futures else []


def _uta_topic(request: Mapping[str, Any], channel: str, symbol: str) -> str:
    typed = channel if channel in ("mark-price", "funding-fee") else f"{channel}.{request.get('tradeType')}"
    if channel == "obu":
        return f"{typed}@{request.get('depth')}:{symbol}"
    return f"{typed}:{symbol}_{request.get('interval')}" if channel == "kline" else f"{typed}:{symbol}"


def _error(number: str, code: int, words: str) -> bytes:
    return _encode({"id": number, "type": "error", "code": code, "data": words})


SIDE = KuCoin
