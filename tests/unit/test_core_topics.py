"""Wanted against told against confirmed: no answer, however late, may confuse them."""

from __future__ import annotations

import random

import pytest

from unified_ws.core.topics import ACK_S, TRIES, Topics
from unified_ws.facts import Limits

Plan = list[tuple[str, list[str]]]


def topics(*, per_request: int | None = None, one_at_a_time: bool = False) -> Topics:
    """Build an empty set of topics."""
    return Topics(Limits(topics_per_request=per_request), one_at_a_time=one_at_a_time)


def send(state: Topics, now: float = 0.0, first_id: int = 1) -> list[str]:
    """Send everything that is planned; return the call ids."""
    ids = []
    for number, (op, names) in enumerate(state.plan(), first_id):
        state.sent(str(number), op, names, now)
        ids.append(str(number))
    return ids


def subscribed(*names: str, per_request: int | None = None) -> Topics:
    """Build topics that are confirmed."""
    state = topics(per_request=per_request)
    for name in names:
        state.want(name)
    for call_id in send(state):
        state.answered(call_id, None)
    assert all(state.confirmed(name) for name in names)
    return state


@pytest.mark.parametrize(
    ("count", "limit", "frames"),
    [(0, 200, 0), (1, 200, 1), (150, 200, 1), (200, 200, 1), (201, 200, 2), (450, 200, 3),
     (450, None, 1), (5, 1, 5)],
)  # fmt: skip
def test_topics_are_asked_for_in_as_few_frames_as_allowed(
    count: int, limit: int | None, frames: int
) -> None:
    """ccxt.pro sends 150 frames for 150 symbols, and venues hang up for that."""
    state = topics(per_request=limit)
    for number in range(count):
        state.want(f"s{number}@trade")
    plan = state.plan()
    assert len(plan) == frames
    assert [name for _, names in plan for name in names] == [f"s{n}@trade" for n in range(count)]
    send(state)
    assert state.plan() == []
    assert not state.changed


def test_wanting_twice_is_wanting_once() -> None:
    """Reference counts live above: here a topic is wanted or it is not."""
    state = subscribed("a")
    state.want("a")
    assert state.plan() == []
    assert len(state) == 1
    assert state.wanted() == ["a"]


def test_groups_do_not_share_a_request() -> None:
    """Where a venue takes one channel a request, mixing two is a refusal of both."""
    state = topics(per_request=10)
    for name, group in (("a", "trades"), ("b", "books"), ("c", "trades")):
        state.want(name, group)
    assert state.plan() == [("subscribe", ["a", "c"]), ("subscribe", ["b"])]


def test_room_is_made_before_it_is_filled() -> None:
    """A connection at its limit of topics refuses the new one if the old one still counts."""
    state = subscribed("old")
    state.want("new")
    state.drop("old")
    assert state.plan() == [("unsubscribe", ["old"]), ("subscribe", ["new"])]


def test_a_topic_dropped_before_it_was_asked_for_costs_nothing() -> None:
    """A task that starts and is cancelled at once sends no frame."""
    state = topics()
    state.want("a")
    state.drop("a")
    assert state.plan() == []
    assert not state.changed
    assert state.by_name == {}


def test_a_wish_that_changes_and_changes_back_costs_nothing_and_loses_nothing() -> None:
    """un_watch and watch within one turn must leave the subscription confirmed."""
    state = subscribed("a", "b")
    state.drop("a")
    assert not state.confirmed("a")
    state.want("a")
    assert state.plan() == []
    assert state.confirmed("a")


def test_an_answer_to_a_wish_that_changed_and_changed_back_still_counts() -> None:
    """Nothing newer was asked: the ack is about what we want now."""
    state = topics()
    state.want("a")
    (call_id,) = send(state)
    state.drop("a")
    state.want("a")
    assert state.plan() == []
    assert state.answered(call_id, None).confirmed == ["a"]
    assert state.confirmed("a")


def test_a_refusal_of_a_wish_that_changed_and_changed_back_still_counts() -> None:
    """Else the topic would wait for its data forever without a word."""
    state = topics()
    state.want("a")
    (call_id,) = send(state)
    state.drop("a")
    state.want("a")
    assert state.answered(call_id, "no such topic").refused == [("a", "no such topic")]


def test_the_late_ack_of_an_old_unsubscribe_does_not_kill_a_newer_subscription() -> None:
    """A race of ccxt's (#30419): un_watch, watch, and then the answer to un_watch."""
    state = subscribed("a")
    state.drop("a")
    send(state, first_id=10)
    state.want("a")
    send(state, first_id=20)
    assert state.answered("20", None).confirmed == ["a"]
    assert state.answered("10", None).confirmed == []
    assert state.confirmed("a")
    assert state.wanted() == ["a"]
    assert state.plan() == []


def test_the_ack_of_an_unsubscribe_comes_while_the_topic_is_wanted_again() -> None:
    """The venue has let go of it, so it must be asked for, not taken for subscribed."""
    state = subscribed("a")
    state.drop("a")
    (call_id,) = send(state, first_id=10)
    state.want("a")
    assert not state.confirmed("a")
    state.answered(call_id, None)
    assert state.plan() == [("subscribe", ["a"])]
    assert not state.confirmed("a")


def test_the_late_ack_of_an_old_subscribe_does_not_confirm_anything() -> None:
    """Between the two requests the venue has unsubscribed it."""
    state = topics()
    state.want("a")
    send(state, first_id=1)
    state.drop("a")
    send(state, first_id=2)
    state.want("a")
    send(state, first_id=3)
    assert state.answered("1", None).confirmed == []
    assert not state.confirmed("a")
    assert state.answered("2", None).confirmed == []
    assert not state.confirmed("a")
    assert state.answered("3", None).confirmed == ["a"]


def test_a_second_answer_to_one_request_is_nothing() -> None:
    """A duplicated ack must not settle the next request as well."""
    state = subscribed("a")
    state.want("b")
    send(state, first_id=2)
    assert state.answered("1", None).confirmed == []
    assert state.answered("1", "odd").refused == []
    assert not state.confirmed("b")


def test_an_answer_to_nothing_is_nothing() -> None:
    """Ids of nobody, with and without an error, empty or not."""
    state = subscribed("a")
    for about, error in (("99", None), ("99", "odd"), ("", None), ("", "odd"), ("a", "odd")):
        outcome = state.answered(about, error)
        assert (outcome.confirmed, outcome.refused, outcome.retry) == ([], [], False)
    assert state.confirmed("a")


def test_a_refused_batch_is_asked_for_in_halves() -> None:
    """One delisted symbol among 150 must not cost the other 149, nor 150 requests."""
    state = topics(per_request=200)
    names = [f"s{n}" for n in range(150)]
    for name in names:
        state.want(name)
    refused, requests = [], 0
    while plan := state.plan():
        for op, batch in plan:
            requests += 1
            state.sent(str(requests), op, batch, 0.0)
            error = "invalid stream" if "s7" in batch else None
            outcome = state.answered(str(requests), error)
            refused += outcome.refused
    assert refused == [("s7", "invalid stream")]
    assert requests <= 2 * 8 + 1  # the powers of two up to 150, and the first one
    assert [name for name in names if state.confirmed(name)] == [n for n in names if n != "s7"]
    state.drop("s7")
    assert "s7" not in state.by_name
    assert state.plan() == []


def test_a_culprit_that_the_venue_names_is_given_up_alone() -> None:
    """The others of the request are asked for again, together."""
    state = topics(per_request=200)
    for name in "abcd":
        state.want(name)
    (call_id,) = send(state)
    outcome = state.answered(call_id, "unknown pair b", ("b",))
    assert outcome.refused == [("b", "unknown pair b")]
    assert state.plan() == [("subscribe", ["a", "c", "d"])]


def test_a_culprit_named_without_its_request_leaves_the_others_waiting() -> None:
    """This venue answers each topic by itself: the others have answers of their own."""
    state = topics(per_request=200)
    for name in "abc":
        state.want(name)
    send(state)
    assert state.answered("", "b does not exist", ("b",)).refused == [("b", "b does not exist")]
    assert state.plan() == []
    assert state.answered("a", None).confirmed == ["a"]
    assert state.answered("c", None).confirmed == ["c"]


def test_a_request_that_failed_for_no_fault_of_its_own_is_asked_again() -> None:
    """Too many requests: nothing is wrong with the topics, until it happens every time."""
    state = topics(per_request=200)
    state.want("a")
    state.want("b")
    for number in (1, 2):
        (call_id,) = send(state, first_id=number)
        assert state.answered(call_id, "slow down", retry=True).refused == []
    (call_id,) = send(state, first_id=3)
    outcome = state.answered(call_id, "slow down", retry=True)
    assert outcome.refused == [("a", "slow down"), ("b", "slow down")]


def test_a_list_of_everything_held_settles_a_request() -> None:
    """What is on it is confirmed; what stays missing has been refused without a word."""
    state = topics(per_request=200, one_at_a_time=True)
    state.want("a")
    state.want("b")
    refused: list[tuple[str, str]] = []
    for number in range(TRIES):
        send(state, first_id=10 + number)
        refused += state.listed({"a"}).refused
    assert state.confirmed("a")
    assert refused == [("b", "it is missing in the venue's list of subscriptions")]
    state.drop("a")
    send(state, first_id=20)
    state.listed(())
    assert "a" not in state.by_name


def test_a_topic_can_be_subscribed_anew() -> None:
    """First the venue must have let go of it: a second subscription alone says nothing."""
    state = topics(per_request=200)
    state.want("a")
    (call_id,) = send(state)
    state.answered(call_id, None)
    state.renew("a")
    assert state.plan() == [("unsubscribe", ["a"])]
    (call_id,) = send(state, first_id=2)
    assert state.plan() == []
    assert not state.confirmed("a")
    state.answered(call_id, None)
    assert state.plan() == [("subscribe", ["a"])]


def test_a_connection_takes_so_many_topics_of_a_group_and_so_many_letters() -> None:
    """Some venues count the topics of one channel, others the length of all names."""
    state = Topics(Limits(topics_per_group={"deep": 2}, topic_bytes_per_connection=30))
    state.want("deep.a", "deep")
    assert state.takes("deep.b", "deep")
    state.want("deep.b", "deep")
    assert not state.takes("deep.c", "deep")
    assert state.takes("flat.c", "flat")
    assert not state.takes("flat.with.a.long.name", "flat")


def test_a_topic_that_was_fine_alone_joins_batches_again() -> None:
    """One refusal must not turn every later resubscription into single frames."""
    state = topics()
    for name in ("a", "b"):
        state.want(name)
    (call_id,) = send(state)
    state.answered(call_id, "busy")
    for call_id in send(state, first_id=2):
        state.answered(call_id, None)
    state.reset()
    assert state.plan() == [("subscribe", ["a", "b"])]


def test_room_is_made_first_even_by_a_topic_that_had_to_be_asked_alone() -> None:
    """A refused batch must not push an unsubscription behind the subscriptions."""
    state = topics()
    for name in ("a", "b"):
        state.want(name)
    (call_id,) = send(state)
    state.answered(call_id, "busy")
    send(state, first_id=2)
    state.drop("a")
    state.want("c")
    assert state.plan() == [("unsubscribe", ["a"]), ("subscribe", ["c"])]


def test_an_error_without_an_id_is_about_the_oldest_request() -> None:
    """Venues answer malformed requests without the id they could not read."""
    state = topics()
    state.want("a")
    send(state, first_id=1)
    state.want("b")
    send(state, first_id=2)
    assert state.answered("", "bad").refused == [("a", "bad")]
    assert state.answered("2", None).confirmed == ["b"]


def test_an_ack_without_an_id_means_nothing_where_many_are_under_way() -> None:
    """Guessing would confirm what the venue never said."""
    state = topics()
    state.want("a")
    send(state)
    assert state.answered("", None).confirmed == []
    assert not state.confirmed("a")


def test_one_request_at_a_time_where_answers_carry_no_id() -> None:
    """`in_flight = one`: the answer can only be about the one request that is out."""
    state = topics(per_request=1, one_at_a_time=True)
    for name in "abc":
        state.want(name)
    seen = []
    for call_id in ("1", "2", "3"):
        plan = state.plan()
        assert len(plan) == 1
        op, names = plan[0]
        state.sent(call_id, op, names, 0.0)
        assert state.plan() == []  # nothing more until the answer
        seen += state.answered("", "no" if names == ["b"] else None).confirmed
    assert seen == ["a", "c"]
    assert state.plan() == []


def test_a_venue_may_answer_topic_by_topic() -> None:
    """OKX and Kraken answer a batch with one ack a topic, named by the topic."""
    state = topics()
    for name in "abc":
        state.want(name)
    send(state)
    assert state.answered("b", None).confirmed == ["b"]
    assert state.answered("a", "no such pair").refused == [("a", "no such pair")]
    assert state.answered("b", None).confirmed == []
    assert state.answered("c", None).confirmed == ["c"]
    assert state.deadline() == float("inf")


def test_the_ack_of_a_topic_by_its_name() -> None:
    """Where the venue echoes the topic, not the id, a request of one topic is found by it."""
    state = topics()
    state.want("a")
    send(state)
    assert state.answered("a", None).confirmed == ["a"]
    assert state.deadline() == float("inf")


def test_an_answer_that_does_not_come_is_missed_on_time() -> None:
    """A deaf connection is told apart from a busy one by the third request, not the first."""
    state = topics()
    state.want("a")
    now = 0.0
    for turn in range(TRIES):
        send(state, now=now, first_id=10 + turn)
        assert state.deadline() == now + ACK_S
        assert state.overdue(now + ACK_S - 0.001).retry is False
        now += ACK_S
        outcome = state.overdue(now)
        assert outcome.retry is (turn < TRIES - 1)
    assert outcome.refused == [("a", f"no answer to {TRIES} requests")]
    assert state.plan() == []  # no endless asking
    assert state.deadline() == float("inf")


def test_data_is_as_good_as_an_ack() -> None:
    """Data can precede the ack (ccxt #6672), or come without one."""
    state = topics()
    state.want("a")
    send(state)
    assert state.delivered("a") is True
    assert state.delivered("a") is False
    assert state.overdue(ACK_S).confirmed == ["a"]
    assert state.confirmed("a")


def test_data_of_a_dropped_or_unknown_topic_is_no_first_delivery() -> None:
    """The last rows after un_watch must not revive the topic."""
    state = subscribed("a")
    state.drop("a")
    assert state.delivered("a") is False
    assert state.delivered("never heard of") is False


def test_an_unanswered_unsubscribe_is_taken_for_done() -> None:
    """Nobody wants the topic: there is nothing to lose by forgetting it."""
    state = subscribed("a")
    state.drop("a")
    send(state, now=5.0, first_id=2)
    state.overdue(5.0 + ACK_S)
    assert state.by_name == {}
    assert state.plan() == []


def test_a_lost_connection_forgets_what_was_told_but_not_what_is_wanted() -> None:
    """After a re-open everything wanted is asked for again, in one batch, and nothing else."""
    state = subscribed("a", "b", "c", "d")
    state.drop("b")
    state.want("e")
    send(state, first_id=5)
    state.drop("c")
    state.reset()
    assert state.plan() == [("subscribe", ["a", "d", "e"])]
    assert state.deadline() == float("inf")
    assert not any(state.confirmed(name) for name in "abcde")
    assert state.answered("5", None).confirmed == []  # an answer of the old socket


def test_the_address_may_carry_topics() -> None:
    """`/stream?streams=a/b` subscribes by itself: asking again would be a duplicate."""
    state = topics()
    for name in ("a", "b"):
        state.want(name)
    state.carry(["a", "z"])
    assert state.confirmed("a")
    assert state.plan() == [("subscribe", ["b"])]


def test_a_topic_that_the_venue_ended_is_asked_for_again() -> None:
    """The venue said goodbye to one topic: told is not told any more."""
    state = subscribed("a", "b")
    state.ended("a")
    assert not state.confirmed("a")
    assert state.plan() == [("subscribe", ["a"])]
    state.drop("b")
    state.ended("b")
    assert "b" not in state.by_name
    state.ended("never heard of")


def test_planning_alone_changes_nothing() -> None:
    """Out of budget, a plan is thrown away and made again."""
    state = topics(per_request=2)
    for name in "abcde":
        state.want(name)
    assert state.plan() == state.plan()
    assert state.changed


class Server:
    """A venue that answers when it likes: it acts on requests in order."""

    def __init__(self, rng: random.Random) -> None:
        self.held: set[str] = set()
        self.unanswered: list[tuple[str, str | None]] = []
        self._rng = rng

    def take(self, call_id: str, op: str, names: list[str], *, bad: set[str]) -> None:
        """Perform a request and owe its answer; a bad name sinks a whole request."""
        error = None
        if op == "unsubscribe":
            self.held -= set(names)
        elif bad & set(names):
            error = "a bad name"
        else:
            self.held |= set(names)
        self.unanswered.append((call_id, error))


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_random_wishes_and_answers_end_in_agreement(seed: int, *, one_at_a_time: bool) -> None:
    """Whatever the order of wishes, requests, answers and losses: in the end both agree."""
    rng = random.Random(seed)
    names = [f"t{n}" for n in range(12)]
    bad = {"t3", "t8"}
    state = topics(per_request=rng.choice((None, 1, 3)), one_at_a_time=one_at_a_time)
    server, now, calls = Server(rng), 0.0, 0
    old_answers: list[tuple[str, str | None]] = []

    def flush() -> None:
        nonlocal calls
        for op, batch in state.plan():
            calls += 1
            state.sent(str(calls), op, batch, now)
            server.take(str(calls), op, batch, bad=bad)

    def answer(index: int) -> None:
        about, error = server.unanswered.pop(index)
        old_answers.append((about, error))
        for name, _ in state.answered(about, error).refused:
            assert name in bad
            state.drop(name)

    for _ in range(2500):
        now += rng.random()
        match rng.randrange(12):
            case 0 | 1 | 2:
                state.want(rng.choice(names))
            case 3 | 4:
                state.drop(rng.choice(names))
            case 5 | 6 | 7:
                flush()
            case 8 | 9 if server.unanswered:
                answer(rng.randrange(len(server.unanswered)))  # in any order
            case 10 if old_answers and rng.random() < 0.3:
                about, _ = rng.choice(old_answers)  # twice, or of an older socket
                outcome = state.answered(about, rng.choice((None, "odd")))
                assert (outcome.confirmed, outcome.refused) == ([], [])
            case 11 if rng.random() < 0.1:
                state.reset()
                server.held.clear()
                old_answers += server.unanswered
                server.unanswered.clear()
        if one_at_a_time:
            assert len(server.unanswered) <= 1
        for name in names:
            if state.confirmed(name):
                assert name in state.wanted()
    for _ in range(100):
        flush()
        if not server.unanswered:
            break
        while server.unanswered:
            answer(0)
    assert not server.unanswered, "it plans forever"
    assert not state.changed
    assert server.held == set(state.wanted())
    assert {name for name in names if state.confirmed(name)} == server.held
    assert not server.held & bad


@pytest.mark.parametrize("seed", range(6))
def test_lost_answers_end_in_agreement_too(seed: int) -> None:
    """Half of the answers never come: deadlines settle what answers do not."""
    rng = random.Random(1000 + seed)
    names = [f"t{n}" for n in range(8)]
    state, server, now, calls = topics(per_request=3), Server(rng), 0.0, 0
    for step in range(3000):
        now += rng.choice((0.1, 1.0, 4.0))
        if step < 2500:
            (state.want if rng.random() < 0.6 else state.drop)(rng.choice(names))
        for op, batch in state.plan():
            calls += 1
            state.sent(str(calls), op, batch, now)
            server.take(str(calls), op, batch, bad=set())
        while server.unanswered:
            about, error = server.unanswered.pop(rng.randrange(len(server.unanswered)))
            if rng.random() < 0.5 or step >= 2500:
                state.answered(about, error)
        for name in server.held:
            state.delivered(name)
        if state.deadline() <= now:
            assert state.overdue(now).refused == []
    assert state.plan() == []
    assert server.held == set(state.wanted())
    assert {name for name in names if state.confirmed(name)} == server.held
