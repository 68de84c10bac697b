"""Frames that carry a number, and answers that list everything: no loss goes unnoticed."""

from __future__ import annotations

from tests.unit.scripted import Scripted, Stage, market, one_topic, venue
from unified_ws import adapter as ws
from unified_ws.core.actions import DialLink, HangUp
from unified_ws.core.machine import State

ONE = {"main": ws.Endpoint(live="wss://example.invalid", in_flight="one")}


def trade(number: int) -> ws.Batch:
    """Build a frame with one trade."""
    row = ws.Trade("A", str(number), 1_700_000_000_000 + number, 1.0, 1.0, "buy", number=number)
    return ws.Batch("trades:A", (row,))


def test_a_number_that_is_missing_starts_the_connection_again() -> None:
    """What the lost frame held nobody knows: every stream of the connection is suspect."""
    stage = Stage(Scripted(venue(), one_topic))
    trades = stage.hold(ws.Sub(ws.Kind.TRADES, market()))
    book = stage.hold(ws.Sub(ws.Kind.BOOK, market()))
    stage.open()
    first = ws.BookUpdate("A", "snapshot", [(1.0, 1.0)], [(2.0, 1.0)])
    stage.say(ws.FrameNo(0), ws.Ack("1"))
    stage.say(ws.FrameNo(1), ws.Batch("order_book:A", (first,)))
    stage.say(ws.FrameNo(2), trade(1))
    assert book.valid
    stage.engine.actions.clear()
    stage.say(ws.FrameNo(4), trade(3))
    assert not book.valid
    assert trades.delivered == 1  # the frame after the loss is of the connection that is given up
    assert [a.reason for a in stage.engine.actions if isinstance(a, HangUp)] == [
        "1 frames of the connection were lost before number 4"
    ]
    assert stage.link().machine.state is State.WAITING
    stage.wait(1.0)
    assert any(isinstance(a, DialLink) for a in stage.engine.actions)
    stage.open()
    stage.say(ws.FrameNo(0), trade(4))  # a new connection counts anew
    assert trades.delivered == 2


def test_a_number_that_is_not_new_drops_its_frame() -> None:
    """A repeat of a frame would apply its changes twice."""
    stage = Stage(Scripted(venue(), one_topic))
    trades = stage.hold(ws.Sub(ws.Kind.TRADES, market()))
    stage.open()
    stage.say(ws.FrameNo(7), trade(1))
    stage.say(ws.FrameNo(7), trade(2))
    stage.say(ws.FrameNo(6), trade(3))
    stage.say(ws.FrameNo(8), trade(4))
    assert [row.id for row in trades.rows.rows] == ["1", "4"]
    assert stage.engine.repeated == 2


def test_a_list_of_subscriptions_confirms_and_refuses() -> None:
    """A market that is never on the list has been refused without a word: the others go on."""
    stage = Stage(Scripted(venue(endpoints=ONE), one_topic))
    good, bad = (stage.hold(ws.Sub(ws.Kind.TRADES, market(name))) for name in ("A", "NOPE"))
    stage.open()
    for _ in range(3):
        assert [request[1] for request in stage.asked()] in (
            [["trades:A", "trades:NOPE"]], [["trades:NOPE"]],
        )  # fmt: skip
        stage.say(ws.Held(frozenset({"trades:A"})))
        stage.wait(0.1)
    assert good.healthy
    assert bad.fatal is not None
    assert "missing in the venue's list" in str(bad.fatal)
    assert stage.asked() == []


def test_standing_topics_come_first_and_alone() -> None:
    """A heartbeat channel keeps the connection, whatever else is wanted on it."""
    main = ONE["main"].model_copy(update={"standing": ("beats",)})
    stage = Stage(Scripted(venue(endpoints={"main": main}), lambda s: (ws.Route("main", "t", "g"),)))
    stream = stage.hold(ws.Sub(ws.Kind.TRADES, market()))
    stage.open()
    assert [request[1] for request in stage.asked()] == [["beats"]]
    stage.say(ws.Held(frozenset({"beats"})))
    stage.wait(0.1)
    assert [request[1] for request in stage.asked()] == [["t"]]
    stage.say(ws.Held(frozenset({"beats", "t"})))
    assert stream.healthy


def test_a_streamed_book_that_broke_is_subscribed_anew() -> None:
    """First the old subscription must be gone: then the venue sends its first state again."""
    stage = Stage(Scripted(venue(), one_topic))
    book = stage.hold(ws.Sub(ws.Kind.BOOK, market()))
    stage.open()
    ((_, _, call_id, at),) = stage.asked()
    assert at == "main"
    stage.say(ws.Ack(call_id))

    def update(kind: str, prev: int | None, last: int) -> ws.Batch:
        row = ws.BookUpdate("A", kind, [(1.0, 1.0)], [(2.0, 1.0)], None, last, prev)  # type: ignore[arg-type]  # one of the kinds
        return ws.Batch("order_book:A", (row,))

    stage.say(update("snapshot", None, 5))
    stage.say(update("delta", 7, 8))
    assert not book.valid
    stage.wait(0.01)
    ((op, names, call_id, _),) = stage.asked()
    assert (op, names) == ("unsubscribe", ["order_book:A"])
    stage.say(update("delta", 8, 9))  # of the old subscription
    stage.wait(1.0)
    assert stage.asked() == []
    stage.say(ws.Ack(call_id))
    stage.wait(0.01)
    ((op, names, call_id, _),) = stage.asked()
    assert (op, names) == ("subscribe", ["order_book:A"])
    stage.say(update("snapshot", None, 20))
    assert book.valid
    assert book.resyncs == 1
    stage.say(ws.Ack(call_id))
    stage.wait(60.0)
    assert stage.asked() == []


def test_a_streamed_book_without_a_first_state_is_asked_for_again() -> None:
    """Acknowledged and silent: after a while the subscription is made anew, ever more slowly."""
    stage = Stage(Scripted(venue(), one_topic))
    stage.hold(ws.Sub(ws.Kind.BOOK, market()))
    stage.open()
    times: list[float] = []
    for _ in range(10):
        for _op, _, call_id, _ in stage.asked():
            stage.say(ws.Ack(call_id))
            times.append(stage.now)
        stage.wait(5.0)
    assert len(times) >= 5  # subscribe, and twice unsubscribe and subscribe
    assert times[-1] - times[0] >= 15.0


def test_a_request_is_split_at_the_size_that_the_venue_allows() -> None:
    """The frame itself is measured: how topics look in it only the adapter knows."""
    limits = ws.Limits(request_bytes=150)
    main = ws.Endpoint(live="wss://example.invalid", limits=limits)
    stage = Stage(Scripted(venue(endpoints={"main": main}), one_topic))
    streams = [stage.hold(ws.Sub(ws.Kind.TRADES, market(f"LONG-NAME-{n}"))) for n in range(9)]
    stage.open()
    requests = stage.asked()
    assert sorted(name for _, names, _, _ in requests for name in names) == sorted(
        stream.topics[0] for stream in streams
    )
    assert len(requests) > 1


def test_all_connections_share_what_the_venue_counts_by_address() -> None:
    """Eight messages a second, however many connections there are."""
    limits = ws.Limits(
        topics_per_connection=1, all_messages=ws.Window(n=2, per_s=1), topics_per_request=1
    )
    main = ws.Endpoint(live="wss://example.invalid", limits=limits)
    stage = Stage(Scripted(venue(endpoints={"main": main}), one_topic))
    for n in range(5):
        stage.hold(ws.Sub(ws.Kind.TRADES, market(f"S{n}")))
    sent = 0
    for number in range(1, 6):
        stage.engine.opened(stage.link(number), stage.now)
    for _ in range(3):
        now = len(stage.asked())
        assert now <= 2
        sent += now
        stage.wait(1.0)
    assert sent + len(stage.asked()) == 5
