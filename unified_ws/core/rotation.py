"""Replace a connection without losing or repeating a row.

The new connection (the heir) is dialed beside the old one and asked for the same topics. Once it
has been heard on every one of them, or at a deadline for quiet markets, it takes over and the
old one goes. Meanwhile trades are taken from whichever is first; what carries no number of its
own is taken from the old one, and books replay what the heir said ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified_ws.core import machine as m
from unified_ws.core.books import BookStream
from unified_ws.core.link import Link, TopicEntry

if TYPE_CHECKING:
    from unified_ws.core.engine import Engine

ROTATION_S = 30.0
"""How long the new connection may take to be heard on every topic."""
LINGER_S = 1.0
"""How long the old connection stays after that: what it has on its way need not be fetched."""


class Rotation:
    """The rotations of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, link: Link, now: float, reason: str) -> None:
        """Open a replacement for `link`, unless one is under way."""
        if any(other.replaces == link.number for other in self._engine.links.values()):
            return
        if link.replaces is not None:
            link.rotate_again = reason  # first things first
            return
        self._engine.notice("rotating", link=link, reason=reason)
        heir = self._engine.new_link(link.endpoint_name)
        heir.replaces = link.number
        heir.take_over_at = now + ROTATION_S
        link.retiring = True
        for entry in link.entries.values():
            if entry.owner == link.number:
                entry.heir = heir.number
                entry.settled = False
                heir.topics.want(entry.route.topic, entry.route.group)
                heir.unheard.add(entry.route.topic)
        self._engine.perform(heir, heir.machine.start(now), now)

    def heard(self, heir: Link, topic: str, now: float) -> None:
        """Note that the new connection delivers a topic, or need not deliver it any more."""
        heir.unheard.discard(topic)
        if not heir.unheard and heir.replaces is not None:
            # What the old one has on its way comes first: it need not be fetched by REST.
            heir.take_over_at = min(heir.take_over_at, now + LINGER_S)
            self._engine.touched = True

    def overdue(self, heir: Link, now: float) -> None:
        """Take over although some topics are silent: they may just be quiet markets."""
        live = heir.machine.state is m.State.LIVE
        if live and all(heir.topics.confirmed(name) for name in heir.unheard):
            self._take_over(heir, now)
        else:
            heir.take_over_at = now + 1.0

    def _take_over(self, heir: Link, now: float) -> None:
        old = self._engine.links.get(heir.replaces or 0)
        heir.replaces = None
        for entry in heir.entries.values():
            if entry.heir == heir.number:
                entry.owner, entry.heir, entry.settled = heir.number, None, False
                self.switch(entry, now)
        if old is not None:
            self._engine.notice("rotated", link=heir, reason=f"replaces connection {old.number}")
            self._engine.perform(old, old.machine.stop(now, "replaced"), now)
        self.again(heir, now)

    def switch(self, entry: TopicEntry, now: float) -> None:
        """Let the books of a topic follow the other connection."""
        for book in books_of(entry):
            book.switch(now)
            if book.needs_care:
                self._engine.recovery.look_at(book, now)

    def again(self, heir: Link, now: float) -> None:
        """Replace a connection that was told to go while it was taking over itself."""
        reason, heir.rotate_again = heir.rotate_again, ""
        if reason and not self._engine.closed and heir.machine.state is m.State.LIVE:
            self.begin(heir, now, reason)


def books_of(entry: TopicEntry) -> list[BookStream]:
    """Return the books that a topic feeds."""
    return [stream for stream in entry.streams if isinstance(stream, BookStream)]
