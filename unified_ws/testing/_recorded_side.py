"""How a venue side reads recordings of its venue; without recordings all of it may be left out.

Frames that `identify` does not know (acks, pongs, welcomes) are not played: the side makes its
own, as it does live. Numbers that run over a whole connection are made anew by `VenueSide.seal`.
"""

# ruff: noqa: ARG003 - the defaults need nothing of what those that override them read
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ._specs import Spec
from ._wire import Recorded


class RecordedSide:
    """The part of a venue side that reads recordings."""

    @classmethod
    def specs_of(cls, market_ids: Iterable[str], books: Mapping[str, bytes]) -> list[Spec]:
        """Describe recorded markets.

        Args:
            market_ids: What `market_id` said of the recorded topics, else the ids that the
                recording's meta.json lists.
            books: The first recorded body of every `rest_key`: books that show ticks and prices,
                lists of markets that tell contract sizes.
        """
        return []

    @classmethod
    def recorded_topics(cls, url: str, sent: Iterable[bytes]) -> list[str]:
        """Return the topics a recorded connection asked for: by its URL, and by what it sent.

        Nothing is fine where requests were not recorded: what `identify` finds is added. What
        was asked for and belongs to a market of which no frame was recorded is left out.
        """
        return []

    @classmethod
    def identify(
        cls, raw: bytes, topics: Collection[str], url: str = ""
    ) -> Recorded | Sequence[Recorded] | None:
        """Find the topic of a recorded frame.

        Args:
            raw: The frame.
            topics: What `recorded_topics` said of its connection; perhaps nothing.
            url: The recorded address, for venues with the same topics on several of them.

        Returns:
            None for what is no topic's. Several where one frame carried several topics.
        """
        return None

    @classmethod
    def market_id(cls, topic: str) -> str | None:
        """Return the venue's id of the market a topic is about, None for all-market topics."""
        return None

    @classmethod
    def rest_key(cls, path: str, query: Mapping[str, str], host: str = "") -> str:
        """Name what a request asks for: the same for requests that one recorded body answers."""
        asked = "&".join(f"{name}={value}" for name, value in sorted(query.items()))
        return f"{path}?{asked}" if asked else path

    @classmethod
    def snapshot_key(cls, topic: str) -> str | None:
        """Return the `rest_key` of the snapshot a book topic starts from, if it comes by REST."""
        return None

    @classmethod
    def advance(cls, body: bytes, payloads: Iterable[bytes]) -> bytes | None:
        """Apply deltas to a recorded snapshot; None if they do not connect."""
        return None

    @classmethod
    def catch_up(cls, topic: str, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Return the greeting of a topic in the middle of a replay.

        For venues that send snapshots in the stream: a client that lost its connection gets what
        the venue would have sent it then.

        Args:
            topic: What has been subscribed.
            payloads: What has been played of it so far; never nothing.
        """
        return ()

    @classmethod
    def fit(cls, body: bytes, query: Mapping[str, str]) -> bytes:
        """Cut a recorded snapshot to what a request asks for."""
        return body

    @classmethod
    def lists(cls, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded list of markets names all of these."""
        return True

    @property
    def listing_key(self) -> str:
        """The `rest_key` of the list of markets."""
        return ""

    def usable(self, key: str, body: bytes, specs: Iterable[Spec]) -> bool:
        """Tell whether a recorded body serves; `rest` answers in place of one that does not."""
        return key != self.listing_key or self.lists(body, specs)
