"""The topics of one connection: what is wanted, what was asked for, what is confirmed.

The rule: users change the wanted set, `plan` turns the difference to what the venue was told
into as few requests as its limits allow, and an answer counts only if nothing newer was asked
about the topic since (`generation`). So the ack of an old unsubscribe never kills a newer
subscription of the same topic, and a wish that changes and changes back loses no answer.

A refused request of several topics is asked again in halves until the culprit stands alone,
unless the venue names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from unified_ws.adapter import Op
from unified_ws.facts import Limits

ACK_S = 10.0
TRIES = 3
REQUEST_BYTES = 100
"""What a request holds beside its topics, generously: where the venue limits its size."""
TOPIC_BYTES = 4
"""What stands around a topic in a request: quotes, a comma, a space."""


@dataclass
class Topic:
    """One topic on one connection.

    told: the last request about it (None: the venue knows nothing of it). generation counts
    the requests about it; confirmed: the last one was a subscription and the venue agreed;
    part: the part of a refused request that it is asked for again with, 0 for none; renew: it is
    to be unsubscribed and subscribed again, because its data must begin anew.
    """

    name: str
    group: str
    wanted: bool = True
    generation: int = 0
    told: Op | None = None
    confirmed: bool = False
    delivered: bool = False
    part: int = 0
    renew: bool = False
    tries: int = 0


@dataclass
class Asked:
    """A request that is under way."""

    op: Op
    at: float
    topics: tuple[tuple[Topic, int], ...]


@dataclass
class Outcome:
    """What an answer settled: confirmed and refused topics, and whether to plan again."""

    confirmed: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    retry: bool = False


class Topics:
    """Desired against confirmed state of one connection's topics."""

    def __init__(self, limits: Limits, *, one_at_a_time: bool = False) -> None:
        self.by_name: dict[str, Topic] = {}
        self._limits = limits
        self._one_at_a_time = one_at_a_time
        self._asked: dict[str, Asked] = {}
        self._dirty: dict[str, None] = {}
        self._parts = 0

    def __len__(self) -> int:
        return sum(topic.wanted for topic in self.by_name.values())

    @property
    def changed(self) -> bool:
        """Say whether `plan` has something to do."""
        return bool(self._dirty)

    def confirmed(self, name: str) -> bool:
        """Say whether the venue has confirmed the subscription of `name`."""
        topic = self.by_name.get(name)
        return topic is not None and topic.wanted and topic.confirmed

    def wanted(self) -> list[str]:
        """Return the names of the wanted topics."""
        return [topic.name for topic in self.by_name.values() if topic.wanted]

    def takes(self, name: str, group: str) -> bool:
        """Say whether one more topic keeps to what the venue allows on a connection."""
        limits = self._limits
        if limits.topics_per_connection is not None and len(self) >= limits.topics_per_connection:
            return False
        most = limits.topics_per_group.get(group)
        if most is not None and self._in_group(group) >= most:
            return False
        room = limits.topic_bytes_per_connection
        return room is None or self._bytes() + len(name.encode()) <= room

    def _in_group(self, group: str) -> int:
        return sum(topic.wanted and topic.group == group for topic in self.by_name.values())

    def _bytes(self) -> int:
        # With what stands between two of them in a list.
        return sum(len(t.name.encode()) + TOPIC_BYTES for t in self.by_name.values() if t.wanted)

    def renew(self, name: str) -> None:
        """Unsubscribe a topic and subscribe it again, so that its data begins anew."""
        topic = self.by_name.get(name)
        if topic is not None and topic.wanted and topic.told == "subscribe":
            topic.renew, topic.tries = True, 0
            self._dirty[name] = None

    def want(self, name: str, group: str = "") -> None:
        """Add a topic to the wanted set."""
        topic = self.by_name.get(name)
        if topic is None:
            topic = self.by_name[name] = Topic(name, group)
        elif topic.wanted:
            return
        else:
            topic.wanted, topic.tries = True, 0
        self._dirty[name] = None

    def drop(self, name: str) -> None:
        """Take a topic out of the wanted set."""
        topic = self.by_name.get(name)
        if topic is None or not topic.wanted:
            return
        topic.wanted = False
        if topic.told is None:
            del self.by_name[name]
            self._dirty.pop(name, None)
        else:
            self._dirty[name] = None

    def ended(self, name: str) -> None:
        """Note that the venue dropped a topic by itself; a wanted one is asked for again."""
        topic = self.by_name.get(name)
        if topic is None:
            return
        topic.told, topic.confirmed, topic.delivered, topic.tries = None, False, False, 0
        topic.renew = False
        topic.generation += 1
        if topic.wanted:
            self._dirty[name] = None
        else:
            del self.by_name[name]
            self._dirty.pop(name, None)

    def reset(self) -> None:
        """Forget what the venue was told: the connection is gone, the wishes stay."""
        self._asked.clear()
        self._dirty.clear()
        for name, topic in list(self.by_name.items()):
            if not topic.wanted:
                del self.by_name[name]
                continue
            topic.told, topic.confirmed, topic.delivered, topic.tries = None, False, False, 0
            topic.renew = False
            self._dirty[name] = None

    def carry(self, names: Iterable[str]) -> None:
        """Note topics that the address of the connection subscribes by itself."""
        for name in names:
            topic = self.by_name.get(name)
            if topic is not None:
                topic.told, topic.confirmed = "subscribe", True
                self._dirty.pop(name, None)

    def plan(self) -> list[tuple[Op, list[str]]]:
        """Return the requests that bring the venue to the wanted set, fewest first."""
        if self._one_at_a_time and self._asked:
            return []
        batches: dict[tuple[Op, str, int], list[str]] = {}
        for name in list(self._dirty):
            topic = self.by_name.get(name)
            op: Op = "subscribe" if topic is not None and topic.wanted else "unsubscribe"
            if topic is not None and topic.renew:
                op = "unsubscribe"
            if topic is None or topic.told == op:
                del self._dirty[name]  # the wish changed and changed back
                continue
            part = topic.part if op == "subscribe" else 0
            batches.setdefault((op, topic.group, part), []).append(name)
        # Room is made before it is filled: a venue may count topics a connection.
        ordered = sorted(batches.items(), key=lambda item: item[0][0] == "subscribe")
        plan: list[tuple[Op, list[str]]] = []
        for (op, _group, _part), names in ordered:
            plan += [(op, chunk) for chunk in self._chunks(names)]
        return plan[:1] if self._one_at_a_time else plan

    def _chunks(self, names: list[str]) -> list[list[str]]:
        """Cut a list of topics so that each request keeps to its limits."""
        most = self._limits.topics_per_request or len(names)
        room = self._limits.request_bytes
        chunks: list[list[str]] = []
        left = 0
        for name in names:
            cost = len(name.encode()) + TOPIC_BYTES
            if not chunks or len(chunks[-1]) >= most or (room is not None and cost > left):
                chunks.append([])
                left = (room or 0) - REQUEST_BYTES
            chunks[-1].append(name)
            left -= cost
        return chunks

    def sent(self, call_id: str, op: Op, names: Iterable[str], now: float) -> None:
        """Note that a planned request went out under `call_id`."""
        asked = []
        for name in names:
            topic = self.by_name[name]
            topic.told = op
            topic.tries += 1
            topic.generation += 1
            if op == "unsubscribe":
                topic.confirmed = topic.delivered = topic.renew = False
            self._dirty.pop(name, None)
            asked.append((topic, topic.generation))
        self._asked[call_id] = Asked(op, now, tuple(asked))

    def delivered(self, name: str) -> bool:
        """Note data of a topic, which may come before its ack; True the first time."""
        topic = self.by_name.get(name)
        if topic is None or topic.delivered or not topic.wanted:
            return False
        topic.delivered = True
        return True

    def answered(
        self, about: str, error: str | None, culprits: Collection[str] = (), *, retry: bool = False
    ) -> Outcome:
        """Settle the request `about`, or the one topic it names, or the oldest request.

        An answer that names nothing is taken for the oldest request if it is an error, or if
        only one request can be under way. `culprits` are the topics that the venue refuses,
        where it names them; `retry`: none of them is to blame.
        """
        outcome = Outcome()
        if culprits and not about:
            for name in culprits:
                self._refused_alone(name, error or "", outcome)
            return outcome
        asked = self._asked.pop(about, None)
        if asked is None and about:
            asked = self._single_out(about)
        elif asked is None and self._asked and (error is not None or self._one_at_a_time):
            asked = self._asked.pop(next(iter(self._asked)))
        if asked is None:
            return outcome
        refused: list[Topic] = []
        for topic, generation in asked.topics:
            if topic.generation != generation:
                continue  # something newer has been asked about it since
            if error is None:
                self._settle(topic, asked.op, outcome)
            elif asked.op == "unsubscribe" or not topic.wanted:
                self._gone(topic)
            else:
                refused.append(topic)
        if error is not None and refused:
            if len(asked.topics) == 1:
                culprits = {refused[0].name}  # it was asked for alone
            self._refuse(refused, error, culprits, outcome, retry=retry)
        return outcome

    def listed(self, held: Collection[str]) -> Outcome:
        """Settle the oldest request by the list of everything that the connection carries."""
        outcome = Outcome()
        if not self._asked:
            return outcome
        asked = self._asked.pop(next(iter(self._asked)))
        for topic, generation in asked.topics:
            if topic.generation != generation:
                continue
            if asked.op == "unsubscribe" or topic.name in held:
                self._settle(topic, asked.op, outcome)
            elif not topic.wanted:
                self._gone(topic)
            elif topic.tries >= TRIES:
                topic.told = None
                error = "it is missing in the venue's list of subscriptions"
                outcome.refused.append((topic.name, error))
            else:
                self._ask_again(topic, outcome)
        return outcome

    def overdue(self, now: float) -> Outcome:
        """Settle the requests that nobody answered in time; `refused` means: give it up."""
        outcome = Outcome()
        for call_id, asked in list(self._asked.items()):
            if now < asked.at + ACK_S:
                continue
            del self._asked[call_id]
            for topic, generation in asked.topics:
                if topic.generation != generation:
                    continue
                if asked.op == "unsubscribe" or not topic.wanted or topic.delivered:
                    self._settle(topic, asked.op, outcome)
                elif topic.tries >= TRIES:
                    outcome.refused.append((topic.name, f"no answer to {TRIES} requests"))
                else:
                    self._ask_again(topic, outcome)
        return outcome

    def deadline(self) -> float:
        """Return when the oldest request is overdue."""
        return min((asked.at + ACK_S for asked in self._asked.values()), default=float("inf"))

    def _single_out(self, name: str) -> Asked | None:
        """Take one topic out of the oldest request that holds it: this venue answers by topic."""
        for call_id, asked in self._asked.items():
            mine = tuple(pair for pair in asked.topics if pair[0].name == name)
            if mine:
                asked.topics = tuple(pair for pair in asked.topics if pair[0].name != name)
                if not asked.topics:
                    del self._asked[call_id]
                return Asked(asked.op, asked.at, mine)
        return None

    def _refused_alone(self, name: str, error: str, outcome: Outcome) -> None:
        asked = self._single_out(name)
        for topic, generation in asked.topics if asked is not None else ():
            if topic.generation == generation and topic.wanted:
                topic.told = None
                outcome.refused.append((name, error))

    def _settle(self, topic: Topic, op: Op, outcome: Outcome) -> None:
        if op == "unsubscribe":
            self._gone(topic)
            return
        topic.confirmed, topic.part = True, 0
        if topic.wanted:
            outcome.confirmed.append(topic.name)

    def _gone(self, topic: Topic) -> None:
        """The venue has let go of a topic; somebody may have come to want it meanwhile."""
        topic.told, topic.confirmed = None, False
        if topic.wanted:
            self._dirty[topic.name] = None
        elif self.by_name.get(topic.name) is topic:
            del self.by_name[topic.name]
            self._dirty.pop(topic.name, None)

    def _ask_again(self, topic: Topic, outcome: Outcome) -> None:
        topic.told = None
        self._dirty[topic.name] = None
        outcome.retry = True

    def _refuse(
        self, topics: list[Topic], error: str, culprits: Collection[str], outcome: Outcome,
        *, retry: bool,
    ) -> None:  # fmt: skip
        """Give up who is to blame, and ask for the others again."""
        if retry:
            for topic in topics:
                if topic.tries < TRIES:
                    self._ask_again(topic, outcome)
                else:
                    outcome.refused.append((topic.name, error))
            return
        blamed = [topic for topic in topics if topic.name in culprits]
        for topic in blamed:
            topic.told = None
            outcome.refused.append((topic.name, error))
        rest = [topic for topic in topics if topic not in blamed]
        # One bad name may have sunk them all: only a topic refused alone is refused.
        half = len(rest) if blamed else (len(rest) + 1) // 2
        for part in (rest[:half], rest[half:]):
            self._parts += 1
            for topic in part:
                topic.part = self._parts
                self._ask_again(topic, outcome)
