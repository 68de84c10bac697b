"""What the server sends: frames of the sizes and shapes that Binance spot sends, made up.

A frame of the combined mode wraps the event of the raw mode. Numbers repeat with the seed, so
every client of a run reads the same bytes.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Literal

import msgspec

Mode = Literal["combined", "raw"]
Kind = Literal["trade", "depth"]

FIRST_ID = 3_735_683_259
BOOK_ID = 50_093_239_188
NOW_MS = 1_795_176_000_000
LEVELS = 20
BOOK_LEVELS = 1000
_MID = 6_183_763  # ticks of 0.01
TOPICS: dict[Kind, str] = {"trade": "btcusdt@trade", "depth": "btcusdt@depth@100ms"}

EXCHANGE_INFO = msgspec.json.encode(
    {
        "timezone": "UTC",
        "serverTime": NOW_MS,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "status": "TRADING",
                "baseAsset": "BTC",
                "quoteAsset": "USDT",
                "baseAssetPrecision": 8,
                "quotePrecision": 8,
                "quoteAssetPrecision": 8,
                "orderTypes": ["LIMIT", "MARKET"],
                "isSpotTradingAllowed": True,
                "isMarginTradingAllowed": False,
                "permissions": [],
                "permissionSets": [["SPOT"]],
                "filters": [
                    {
                        "filterType": "PRICE_FILTER",
                        "minPrice": "0.01000000",
                        "maxPrice": "1000000.00000000",
                        "tickSize": "0.01000000",
                    },
                    {
                        "filterType": "LOT_SIZE",
                        "minQty": "0.00001000",
                        "maxQty": "9000.00000000",
                        "stepSize": "0.00001000",
                    },
                ],
            }
        ],
    }
)
EMPTY_INFO = b'{"timezone":"UTC","serverTime":0,"rateLimits":[],"symbols":[]}'


def framed(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def _wrapped(kind: Kind, event: bytes, mode: Mode) -> bytes:
    if mode == "raw":
        return event
    return b'{"stream":"%b","data":%b}' % (TOPICS[kind].encode(), event)


def trades(count: int) -> Callable[[int, int], bytes]:
    """Return a function that makes the event of the n-th trade; its second argument is `E`."""
    rng = random.Random(7)
    price, tails = _MID, []
    for number in range(count):
        price += rng.choice((0, 0, 0, 0, 1, -1, 7, -7))
        amount = max(1, int(rng.expovariate(1 / 4000)))
        tails.append(
            b'"s":"BTCUSDT","t":%d,"p":"%d.%02d000000","q":"%d.%05d000","T":%d,"m":%b,"M":true}'
            % (
                FIRST_ID + number,
                price // 100,
                price % 100,
                amount // 100_000,
                amount % 100_000,
                NOW_MS + number // 3,
                rng.choice((b"true", b"false")),
            )
        )

    def event(number: int, at: int) -> bytes:
        return b'{"e":"trade","E":%d,%b' % (at, tails[number])

    return event


class Ladder:
    """One side of the market: distances from the middle in ticks, and how it changes."""

    def __init__(self, sign: int, rng: random.Random) -> None:
        self._sign = sign
        self._rng = rng
        self.amounts: dict[int, int] = {}
        while len(self.amounts) < BOOK_LEVELS:
            self.amounts[self._distance()] = rng.randint(1, 900_000)
        self._distances = list(self.amounts)

    def _distance(self) -> int:
        # Most of what happens in a book happens near its top.
        return 1 + int(self._rng.expovariate(1 / 1500))

    def rows(self) -> list[tuple[str, str]]:
        """Return all levels, best first."""
        return [self._row(distance, self.amounts[distance]) for distance in sorted(self.amounts)]

    def change(self) -> list[tuple[str, str]]:
        """Change `LEVELS` levels: as many new as gone, the rest in their amounts."""
        rng, changed = self._rng, dict[int, int]()
        while len(changed) < LEVELS:
            turn = len(changed) % 10
            if turn < 3:  # a new level...
                distance, amount = self._distance(), rng.randint(1, 900_000)
                if distance in self.amounts or distance in changed:
                    continue
                self._distances.append(distance)
            else:  # ... or one that is there: gone, or with another amount
                at = rng.randrange(len(self._distances))
                distance = self._distances[at]
                if distance in changed:
                    continue
                amount = 0 if turn < 6 else rng.randint(1, 900_000)
                if not amount:
                    self._distances[at] = self._distances[-1]
                    self._distances.pop()
                    del self.amounts[distance]
            if amount:
                self.amounts[distance] = amount
            changed[distance] = amount
        return [self._row(distance, changed[distance]) for distance in sorted(changed)]

    def _row(self, distance: int, amount: int) -> tuple[str, str]:
        price = _MID + self._sign * distance
        return (
            f"{price // 100}.{price % 100:02d}000000",
            f"{amount // 100_000}.{amount % 100_000:05d}000",
        )


def depth(count: int) -> tuple[bytes, Callable[[int, int], bytes]]:
    """Return the book before the first delta, and a function that makes the n-th delta."""
    rng = random.Random(11)
    bids, asks = Ladder(-1, rng), Ladder(1, rng)
    first = {"lastUpdateId": BOOK_ID, "bids": bids.rows(), "asks": asks.rows()}
    tails = [
        msgspec.json.encode(
            {
                "s": "BTCUSDT",
                "U": BOOK_ID + 40 * number + 1,
                "u": last_id("depth", number),
                "b": bids.change(),
                "a": asks.change(),
            }
        )[1:]
        for number in range(count)
    ]

    def event(number: int, at: int) -> bytes:
        return b'{"e":"depthUpdate","E":%d,%b' % (at, tails[number])

    return msgspec.json.encode(first), event


def last_id(kind: Kind, number: int) -> int:
    """Return the id by which a client knows that it has seen the n-th frame."""
    return FIRST_ID + number if kind == "trade" else BOOK_ID + 40 * (number + 1)


class Feed:
    """The frames of one kind in one mode."""

    def __init__(self, kind: Kind, count: int, mode: Mode) -> None:
        self.kind = kind
        self.mode = mode
        self.count = count
        self.snapshot = b""
        if kind == "trade":
            self._event = trades(count)
        else:
            self.snapshot, self._event = depth(count)
        self.frames = [self.frame(number, NOW_MS + number // 3) for number in range(count)]

    def frame(self, number: int, at: int) -> bytes:
        """Return the n-th frame with `at` as its event time."""
        return framed(_wrapped(self.kind, self._event(number, at), self.mode))
