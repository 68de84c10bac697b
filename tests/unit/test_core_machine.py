"""The life of one connection, in literal seconds: no event loop, no sleeping."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from unified_ws.core.machine import (
    DIAL_S,
    READY_S,
    Action,
    CloseSocket,
    Connection,
    OpenSocket,
    Report,
    Resubscribe,
    Rotate,
    SendPing,
    State,
)
from unified_ws.facts import Backoff, CloseRule, Endpoint, Heartbeat, Limits

QUIET = Heartbeat(by="server", silence_s=60, timeout_s=5, idle_ping_s=0)


def connection(
    *,
    heartbeat: Heartbeat = QUIET,
    limits: Limits | None = None,
    awaits_ready: bool = False,
    closes: dict[int, CloseRule] | None = None,
    jitter: Callable[[float], float] = lambda ceiling: ceiling,
    stable_s: float = 30.0,
) -> Connection:
    """Build a machine whose delays are exactly their upper bounds."""
    endpoint = Endpoint(
        live="wss://venue.test",
        heartbeat=heartbeat,
        limits=limits or Limits(),
        awaits_ready=awaits_ready,
    )
    backoff = Backoff(base_s=1, cap_s=8, factor=2, stable_s=stable_s)
    return Connection(endpoint, backoff, jitter, closes)


def live(now: float = 0.0, **facts: Any) -> Connection:
    """Build a machine that is up since `now`."""
    conn = connection(**facts)
    conn.start(now)
    conn.opened(now)
    if conn.state is State.READY:
        conn.ready(now, None)
    assert conn.state is State.LIVE
    return conn


def advance(conn: Connection, until: float) -> list[tuple[float, Action]]:
    """Tick exactly at each deadline up to `until`; return what was done and when."""
    done: list[tuple[float, Action]] = []
    for _ in range(10_000):
        at = conn.deadline()
        if at > until:
            return done
        done += [(at, action) for action in conn.tick(at)]
    raise AssertionError("the deadline does not move on")


def test_the_way_up_without_a_go_ahead() -> None:
    """A plain endpoint is live, and asked to subscribe, as soon as its socket is open."""
    conn = connection()
    assert conn.state is State.IDLE
    assert conn.deadline() == math.inf
    assert conn.start(1.0) == [Report(State.DIALING, "dialing"), OpenSocket()]
    assert conn.deadline() == 1.0 + DIAL_S
    assert conn.opened(2.0) == [
        Report(State.READY, "connected"),
        Report(State.LIVE, "up"),
        Resubscribe(),
    ]
    assert conn.opened_at == 2.0


def test_the_go_ahead_is_waited_for_and_its_absence_is_a_loss() -> None:
    """Subscribing before a welcome or a login is refused by venues that give one."""
    conn = connection(awaits_ready=True)
    conn.start(0.0)
    assert conn.opened(1.0) == [Report(State.READY, "connected")]
    assert conn.ready(2.0, None) == [Report(State.LIVE, "up"), Resubscribe()]

    late = connection(awaits_ready=True)
    late.start(0.0)
    late.opened(1.0)
    assert late.tick(1.0 + READY_S - 0.001) == []
    actions = late.tick(1.0 + READY_S)
    assert actions[0] == CloseSocket(f"no go-ahead within {READY_S:g} s")
    assert late.state is State.WAITING


def test_a_refused_go_ahead_is_final() -> None:
    """The same key cannot help: dialing on would get the address banned."""
    conn = connection(awaits_ready=True)
    conn.start(0.0)
    conn.opened(0.0)
    actions = conn.ready(0.5, "bad key")
    assert actions == [CloseSocket("refused: bad key"), Report(State.CLOSED, "bad key")]
    assert conn.deadline() == math.inf
    assert conn.start(1.0) == []


def test_inputs_in_the_wrong_state_are_old_news() -> None:
    """Events of a socket that was given up come late and must change nothing."""
    conn = connection()
    assert conn.lost(0.0, "?") == []
    assert conn.ready(0.0, None) == []
    assert conn.tick(0.0) == []
    conn.start(0.0)
    assert conn.start(0.0) == []
    conn.lost(1.0, "refused")
    assert conn.lost(1.0, "again") == []
    assert conn.failures == 1
    assert conn.opened(1.5) == [CloseSocket("opened too late")]
    assert conn.state is State.WAITING


@pytest.mark.parametrize(
    ("lived_s", "expected"),
    [(1.0, [1, 2, 4, 8, 8]), (29.9, [1, 2, 4, 8, 8]), (31.0, [1, 1, 1, 1, 1])],
)
def test_backoff_forgets_only_after_a_stable_spell(lived_s: float, expected: list[float]) -> None:
    """A venue that accepts us and hangs up is not dialed in a tight loop."""
    conn, now, waits = connection(), 0.0, []
    conn.start(now)
    for _ in range(5):
        conn.opened(now)
        now += lived_s
        conn.received(now)
        conn.tick(now)
        conn.lost(now, "closed by peer")
        waits.append(round(conn.deadline() - now, 6))
        now = conn.deadline()
        assert OpenSocket() in conn.tick(now)
    assert waits == expected


def test_failed_dials_back_off_as_well() -> None:
    """A venue that is down is asked ever more slowly, up to the cap."""
    conn, now, waits = connection(), 0.0, []
    conn.start(now)
    for _ in range(6):
        conn.lost(now, "refused")
        waits.append(conn.deadline() - now)
        now = conn.deadline()
        conn.tick(now)
    assert waits == [1, 2, 4, 8, 8, 8]


def test_thousands_of_failures_do_not_overflow() -> None:
    """An outage of weeks must not end in an OverflowError of 2.0 ** failures."""
    conn, now = connection(), 0.0
    conn.start(now)
    for _ in range(5000):
        conn.lost(now, "refused")
        now = conn.deadline()
        conn.tick(now)
    assert conn.state is State.DIALING
    assert conn.failures == 32


def test_jitter_spreads_the_delay_below_its_ceiling() -> None:
    """A thousand clients must not come back in the same instant."""
    ceilings: list[float] = []

    def half(ceiling: float) -> float:
        ceilings.append(ceiling)
        return ceiling / 2

    conn = connection(jitter=half)
    conn.start(0.0)
    conn.lost(0.0, "refused")
    assert ceilings == [1.0]
    assert conn.retry_at() == 0.5


def test_a_dial_that_hangs_is_given_up() -> None:
    """A SYN into the void would otherwise hold the stream for minutes."""
    conn = connection()
    conn.start(0.0)
    actions = conn.tick(DIAL_S)
    assert actions == [
        CloseSocket(f"no connection within {DIAL_S:g} s"),
        Report(State.WAITING, f"no connection within {DIAL_S:g} s"),
    ]


def test_a_dial_that_waits_for_its_budget_is_not_late() -> None:
    """With 300 dials in 5 minutes used up, waiting for one is no failure of the network."""
    conn = connection()
    conn.start(0.0)
    conn.postpone(25.0)
    assert conn.deadline() == 25.0 + DIAL_S
    assert conn.tick(DIAL_S) == []
    conn.opened(26.0)
    before = conn.deadline()
    conn.postpone(500.0)
    assert conn.deadline() == before  # only a dial can be postponed


def test_silence_is_judged_from_the_last_frame_not_from_a_timer() -> None:
    """The timer of silence is re-armed when it fires, so that a frame costs one assignment."""
    conn = live(heartbeat=QUIET)
    conn.received(59.0)
    assert [type(a) for _, a in advance(conn, 118.0)] == []
    assert conn.deadline() == 119.0
    done = advance(conn, 119.0)
    assert done[0] == (119.0, CloseSocket("nothing received for 60 s"))
    assert conn.state is State.WAITING


def test_every_frame_in_time_keeps_a_connection_forever() -> None:
    """A day of one frame a minute is not silence."""
    conn = live(heartbeat=QUIET)
    now = 0.0
    while now < 86_400.0:
        now += 59.0
        assert advance(conn, now) == []
        conn.received(now)
    assert conn.state is State.LIVE


def test_an_idle_connection_is_asked_and_an_answer_keeps_it() -> None:
    """Nothing for 15 s is a question, not a verdict: quiet markets are normal."""
    conn = live(heartbeat=Heartbeat(by="server", idle_ping_s=15, timeout_s=10, silence_s=60))
    conn.received(4.0)
    assert advance(conn, 19.0) == [(19.0, SendPing(protocol=True))]
    conn.received(19.2)
    assert advance(conn, 34.1) == []
    assert advance(conn, 34.2) == [(34.2, SendPing(protocol=True))]
    assert conn.state is State.LIVE


def test_an_idle_connection_that_does_not_answer_is_dead() -> None:
    """A half-open socket is noticed in 25 s rather than in ccxt's nine minutes."""
    conn = live(heartbeat=Heartbeat(by="server", idle_ping_s=15, timeout_s=10, silence_s=60))
    done = advance(conn, 25.0)
    assert done == [
        (15.0, SendPing(protocol=True)),
        (25.0, CloseSocket("no answer to a ping within 10 s")),
        (25.0, Report(State.WAITING, "no answer to a ping within 10 s")),
    ]


@pytest.mark.parametrize("by", ["protocol", "message"])
def test_the_clients_own_heartbeat_is_sent_on_time(by: Any) -> None:
    """Venues that want to hear from us hang up when they do not."""
    conn = live(heartbeat=Heartbeat(by=by, every_s=20, timeout_s=10, idle_ping_s=0, silence_s=600))
    sent = []
    for at in (20.0, 40.0, 60.0):
        sent += advance(conn, at)
        conn.received(at + 0.1)
    assert sent == [(at, SendPing(protocol=by == "protocol")) for at in (20.0, 40.0, 60.0)]


@pytest.mark.parametrize("by", ["server", "none"])
def test_no_heartbeat_of_ours_where_the_venue_wants_none(by: Any) -> None:
    """Unasked pings count towards a venue's message limit."""
    conn = live(heartbeat=Heartbeat(by=by, every_s=5, timeout_s=4, idle_ping_s=0, silence_s=100))
    assert advance(conn, 99.0) == []


def test_an_answer_long_before_the_deadline_counts_although_the_tick_is_late() -> None:
    """The judge comes late, the answer did not: it was there two seconds after the question."""
    conn = live(heartbeat=Heartbeat(by="protocol", every_s=20, timeout_s=10, idle_ping_s=0))
    assert conn.tick(20.0) == [SendPing(protocol=True)]
    conn.received(22.0)
    assert conn.tick(33.0) == []  # due at 30; 22 is more than 10 s before 33
    assert conn.state is State.LIVE


def test_an_answer_within_the_same_instant_counts() -> None:
    """A clock that jumps (a fake one, a suspended laptop) may not move between the two."""
    conn = live(heartbeat=Heartbeat(by="protocol", every_s=20, timeout_s=10, idle_ping_s=0))
    conn.tick(20.0)
    conn.received(20.0)
    assert conn.tick(30.0) == []
    assert conn.state is State.LIVE


def test_every_ping_is_judged_even_where_they_follow_each_other_closely() -> None:
    """The answer to an earlier ping says nothing about a later one."""
    conn = live(heartbeat=Heartbeat(by="protocol", every_s=10, timeout_s=10, idle_ping_s=0))
    conn.tick(10.0)
    conn.received(10.1)
    done = advance(conn, 30.0)
    assert (30.0, CloseSocket("no answer to a ping within 10 s")) in done


def test_several_unanswered_pings_share_the_deadline_of_the_first() -> None:
    """Asking again must not give a dead peer more time."""
    conn = live(heartbeat=Heartbeat(by="protocol", every_s=2, timeout_s=5, idle_ping_s=0))
    done = advance(conn, 7.0)
    assert [at for at, action in done if isinstance(action, SendPing)] == [2.0, 4.0, 6.0]
    assert (7.0, CloseSocket("no answer to a ping within 5 s")) in done


def test_a_blocked_loop_is_forgiven() -> None:
    """After the user has blocked the event loop the answers may lie unread in the socket."""
    conn = live(heartbeat=Heartbeat(by="protocol", every_s=20, timeout_s=10, idle_ping_s=0))
    conn.tick(20.0)
    conn.forgive(45.0)
    assert conn.tick(65.0) == [SendPing(protocol=True)]
    assert conn.state is State.LIVE
    done = advance(conn, 100.0)
    assert (76.0, CloseSocket("no answer to a ping within 10 s")) in done  # a second of grace


def test_forgiving_does_not_forget_an_answer() -> None:
    """Moving a deadline must not turn an answered ping into an unanswered one."""
    conn = live(
        heartbeat=Heartbeat(by="protocol", every_s=60, timeout_s=10, idle_ping_s=0, silence_s=600)
    )
    conn.tick(60.0)
    conn.received(61.0)
    conn.forgive(15.0)
    assert conn.tick(85.0) == []
    assert conn.state is State.LIVE


def test_a_blocked_loop_does_not_fail_a_dial() -> None:
    """The socket may be open already, only nobody has looked."""
    conn = connection()
    conn.start(0.0)
    conn.forgive(15.0)
    assert conn.tick(15.0) == []
    assert conn.state is State.DIALING


def test_what_is_due_fires_in_the_order_of_time() -> None:
    """A late tick must not let a spell count as healthy that ended before it was complete."""
    conn = connection(
        heartbeat=Heartbeat(by="protocol", every_s=10, timeout_s=10, idle_ping_s=0),
        stable_s=30.0,
    )
    conn.start(0.0)
    conn.lost(0.0, "refused")
    conn.tick(1.0)
    conn.opened(1.0)
    conn.tick(11.0)  # ping, never answered: dead at 21
    conn.tick(100.0)
    assert conn.state is State.WAITING
    assert conn.failures == 2  # `stable` at 31 came too late


def test_rotation_is_asked_for_before_the_venue_hangs_up_and_spread() -> None:
    """Sockets opened together must not all be replaced together."""
    limits = Limits(lifetime_s=86_400, rotate_after_s=82_800)
    ceilings: list[float] = []

    def keep(ceiling: float) -> float:
        ceilings.append(ceiling)
        return ceiling

    conn = live(heartbeat=Heartbeat(by="none", silence_s=1e9, idle_ping_s=0), limits=limits,
                jitter=keep)  # fmt: skip
    assert ceilings == [600.0]
    rotations = [(at, a) for at, a in advance(conn, 86_400.0) if isinstance(a, Rotate)]
    assert rotations == [(82_200.0, Rotate("its lifetime ends soon"))]
    assert conn.state is State.LIVE  # it goes on until it has been replaced


def test_rotation_only_makes_sense_while_live() -> None:
    """A connection that is down gets a new socket anyway."""
    conn = connection()
    assert conn.rotate(0.0, "closing") == []
    conn.start(0.0)
    assert conn.rotate(0.0, "closing") == []
    conn.opened(0.0)
    assert conn.rotate(0.0, "closing") == [Rotate("closing")]


def test_a_close_code_can_ask_for_patience() -> None:
    """1008 means too many messages: coming back at once earns a ban."""
    conn = live(closes={1008: CloseRule(floor_s=5)})
    conn.lost(10.0, "policy", code=1008)
    assert conn.retry_at() == 15.0
    conn.tick(15.0)
    conn.lost(15.0, "HTTP 429", code=429, floor_s=70.0)
    assert conn.retry_at() == 85.0


def test_the_longest_of_backoff_and_floors_counts() -> None:
    """A short floor does not shorten a long backoff."""
    conn, now = connection(closes={1008: CloseRule(floor_s=5)}), 0.0
    conn.start(now)
    for _ in range(3):
        conn.lost(now, "refused")
        now = conn.deadline()
        conn.tick(now)
    conn.lost(now, "policy", code=1008)
    assert conn.deadline() - now == 8.0


def test_a_final_close_code_ends_it() -> None:
    """Where a venue says never, we believe it."""
    conn = live(closes={4003: CloseRule(final=True)})
    assert conn.lost(1.0, "forbidden", code=4003) == [Report(State.CLOSED, "forbidden")]
    assert conn.deadline() == math.inf
    assert conn.tick(1e9) == []


def test_an_unknown_code_is_an_ordinary_loss() -> None:
    """No rule, no opinion."""
    conn = live(closes={4003: CloseRule(final=True)})
    conn.lost(1.0, "gone", code=1006)
    assert conn.state is State.WAITING


def test_stop_is_final_from_every_state_and_only_once() -> None:
    """`close()` must leave no timer that dials again."""
    for state in State:
        conn = connection(awaits_ready=True)
        if state in (State.DIALING, State.READY, State.LIVE, State.WAITING):
            conn.start(0.0)
        if state in (State.READY, State.LIVE):
            conn.opened(0.0)
        if state is State.LIVE:
            conn.ready(0.0, None)
        if state is State.WAITING:
            conn.lost(0.0, "refused")
        if state is State.CLOSED:
            conn.stop(0.0)
            assert conn.stop(0.0) == []
            continue
        assert conn.state is state
        assert conn.stop(1.0) == [CloseSocket("stopped"), Report(State.CLOSED, "stopped")]
        assert conn.deadline() == math.inf
        assert conn.opened(2.0) == [CloseSocket("opened too late")]
        assert conn.lost(2.0, "?") == []


def test_the_venue_may_dictate_another_heartbeat() -> None:
    """KuCoin's token answer names the interval; the declared one is only a default."""
    conn = connection()
    conn.start(0.0)
    conn.opened(0.0, Heartbeat(by="message", every_s=3, timeout_s=2, idle_ping_s=0))
    assert advance(conn, 3.0) == [(3.0, SendPing(protocol=False))]


_INPUTS: dict[str, Callable[[Connection, float], list[Action]]] = {
    "start": lambda conn, now: conn.start(now),
    "opened": lambda conn, now: conn.opened(now),
    "ready": lambda conn, now: conn.ready(now, None),
    "refused": lambda conn, now: conn.ready(now, "no"),
    "lost": lambda conn, now: conn.lost(now, "gone"),
    "tick": lambda conn, now: conn.tick(max(now, min(conn.deadline(), now + 100.0))),
    "rotate": lambda conn, now: conn.rotate(now, "closing"),
    "stop": lambda conn, now: conn.stop(now),
}


@pytest.mark.parametrize("awaits_ready", [False, True])
def test_every_order_of_inputs_is_survived(awaits_ready: bool) -> None:
    """Sockets, timers and users do not agree on an order: 8^5 of them, none may break it."""
    sockets = (State.DIALING, State.READY, State.LIVE)
    for order in itertools.product(_INPUTS, repeat=5):
        conn = connection(awaits_ready=awaits_ready)
        now = 0.0
        for name in order:
            now += 1.0
            before = conn.state
            failures = conn.failures
            actions = _INPUTS[name](conn, now)
            reports = [a for a in actions if isinstance(a, Report)]
            if before is not conn.state:
                assert reports, order
                assert reports[-1].state is conn.state, order
            if before is State.CLOSED:
                assert conn.state is State.CLOSED, order
            assert conn.failures <= failures + 1, order  # a loss counts once
            # Whoever holds or wants a socket has a timer that will not let it hang.
            assert (conn.deadline() < math.inf) == (
                conn.state in sockets or conn.state is State.WAITING
            ), order
            opens = sum(isinstance(a, OpenSocket) for a in actions)
            assert opens <= 1, order
            assert (opens == 1) == any(r.state is State.DIALING for r in reports), order


def test_a_deadline_that_has_come_is_always_dealt_with() -> None:
    """A deadline in the past that tick leaves alone would spin the event loop."""
    beats = [
        Heartbeat(by="protocol", every_s=3, timeout_s=2, silence_s=7, idle_ping_s=4),
        Heartbeat(by="none", silence_s=5, idle_ping_s=0),
        Heartbeat(by="message", every_s=4, timeout_s=4, silence_s=4, idle_ping_s=4),
    ]
    for beat, answers in itertools.product(beats, (True, False)):
        conn = connection(heartbeat=beat, limits=Limits(rotate_after_s=50))
        conn.start(0.0)
        now = 0.0
        for step in range(400):
            at = conn.deadline()
            assert at > now or step == 0, (beat, answers)
            assert at < math.inf
            now = at
            for action in conn.tick(now):
                if isinstance(action, OpenSocket):
                    conn.opened(now)
                elif isinstance(action, SendPing) and answers:
                    conn.received(now + 0.001)
        assert conn.state is not State.CLOSED
