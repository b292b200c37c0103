"""One wish over as many connections as it takes: what a line makes of subscriptions while connections come and go."""

from __future__ import annotations

from typing import Any

from tests.support.talking import BOOKS, KEY, T0, TICK_BY_TICK, TICKERS, TRADES, ack, at, brief, change, image, said, trade

from okex_ws import Gap
from okex_ws.events import Connected, Disconnected, Event, Resumed, Subscribed
from okex_ws.protocol.line import Dial, Failure, HangUp, Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.wire.channels import Subscription

NOTICE = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade."}'


def line(*items: Subscription, **options: Any) -> Line:
    made = Line("public/0", url="wss://okx", luck=lambda: 1.0, connects=connects_per_ip(), backoff_s=(1.0, 8.0), **options)
    made.subscribe(items, T0)
    return made


def opened(*items: Subscription, **options: Any) -> Line:
    made = line(*items, **options)
    made.start(T0)
    assert made.actions == [Dial(1, "public/0")]
    made.actions.clear()
    made.opened(1, T0)
    return made


def requested(made: Line, number: int = 1) -> list[tuple[str, list[str]]]:
    return brief(said(made.sessions[number]))


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def dial_at(made: Line, now: int) -> int:
    """Let time pass to the next dial; returns when."""
    while not any(isinstance(action, Dial) for action in made.actions):
        due = made.next_deadline
        assert due is not None
        now = max(now + 1, due)
        made.on_deadline(now)
    return now


def test_it_dials_once_asked_and_says_what_stands() -> None:
    made = line(TRADES)
    assert made.next_deadline is None
    made.start(T0)
    made.start(T0)
    assert made.actions == [Dial(1, "public/0")]
    assert made.opened(1, at(0.1)) == [Connected(ts_recv=at(0.1), line="public/0", url="wss://okx", connection=1)]
    assert requested(made) == [("subscribe", ["trades"])]


def test_subscribed_while_dialling_or_waiting_to_dial_it_is_asked_once_with_the_rest() -> None:
    made = line(TRADES)
    made.start(T0)
    made.subscribe([BOOKS], at(0.1))
    made.failed(1, Failure("refused"), at(0.2))
    made.subscribe([TICKERS], at(0.3))
    made.unsubscribe([BOOKS], at(0.4))
    made.actions.clear()
    now = dial_at(made, at(0.5))
    made.opened(2, now)
    assert requested(made, 2) == [("subscribe", ["trades", "tickers"])]


def test_what_was_let_go_is_not_asked_for_after_a_reconnect() -> None:
    made = opened(TRADES, BOOKS)
    made.unsubscribe([BOOKS], at(1))
    made.closed(1, 1006, "gone", at(2))
    now = dial_at(made, at(2))
    made.opened(2, now)
    assert requested(made, 2) == [("subscribe", ["trades"])]


def test_a_lost_line_interrupts_books_at_once_and_the_next_image_resumes_them() -> None:
    made = opened(BOOKS)
    for frame in (ack("c1r1", BOOKS), image(5), change(5, 6)):
        made.receive(1, frame, at(1))
    events = made.closed(1, 1006, "reset", at(2))
    assert kinds(events) == [Disconnected, Gap]
    assert events[0].channels == (("books", "BTC-USDT"),)  # type: ignore[attr-defined]
    assert (events[1].cause, events[1].last_sequence) == ("disconnected", 6)  # type: ignore[attr-defined]
    now = dial_at(made, at(2))
    made.opened(2, now)
    assert Resumed in kinds(made.receive(2, image(50), now))


def test_a_bare_connect_does_not_shorten_the_back_off() -> None:
    made = line(TRADES)
    made.start(T0)
    now, waits = T0, []
    for number in range(1, 7):
        made.actions.clear()
        made.opened(number, now)
        made.receive(number, trade(number), now)
        lost = made.closed(number, 1006, "again", now + 1_000_000)[0]
        assert isinstance(lost, Disconnected)
        waits.append(lost.retry_s)
        now = dial_at(made, now + 1_000_000)
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_line_that_delivered_for_half_a_minute_starts_its_back_off_afresh() -> None:
    made = opened(TRADES)
    for _ in range(3):
        made._backoff.next_s(1.0)
    for second in range(32):
        made.receive(1, trade(1 + second), at(second))
        made.on_deadline(at(second))
    assert made.closed(1, 1006, "gone", at(31))[0].retry_s == 1.0  # type: ignore[attr-defined]


def test_B14_the_key_is_dead_for_what_needs_it_and_public_data_goes_on() -> None:
    for code in (4001, 4007):
        made = opened(TICK_BY_TICK, credentials=KEY)
        lost = made.closed(1, code, "API key updated or deleted", at(1))[0]
        assert isinstance(lost, Disconnected)
        assert lost.fatal
        assert lost.retry_s is None
        assert made.is_dead
        assert made.next_deadline is None
        public = opened(TRADES)
        lost = public.closed(1, code, "API key updated or deleted", at(1))[0]
        assert isinstance(lost, Disconnected)
        assert not lost.fatal
        assert lost.retry_s is not None


def test_subscribing_and_unsubscribing_during_a_handover_reach_both_connections() -> None:
    made = opened(TRADES, BOOKS)
    requested(made)
    made.receive(1, NOTICE, at(1))
    assert made.actions == [Dial(2, "public/0")]
    made.opened(2, at(1.1))
    assert requested(made, 2) == [("subscribe", ["trades", "books"])]
    made.subscribe([TICKERS], at(1.5))
    made.unsubscribe([BOOKS], at(1.5))
    made.on_deadline(at(1.6))
    for number in (1, 2):
        words = requested(made, number)
        assert sorted(words) == [("subscribe", ["tickers"]), ("unsubscribe", ["books"])]


def test_a_handover_ends_with_one_connection_that_carries_everything() -> None:
    made = opened(TRADES)
    made.receive(1, ack("c1r1", TRADES), at(0.5))
    made.receive(1, trade(1), at(0.6))
    made.receive(1, NOTICE, at(1))
    made.actions.clear()
    made.opened(2, at(1.1))
    made.receive(2, ack("c2r1", TRADES), at(1.2))
    both = [made.receive(number, trade(2), at(1.3 + number / 100)) for number in (2, 1)]
    assert [len(events) for events in both] == [1, 0], "nothing twice"
    events = made.on_deadline(at(4))
    assert [(event.code, event.handed_over) for event in events if isinstance(event, Disconnected)] == [(1000, True)]
    assert made.actions == [HangUp(1, 1000, "", "public/0")]
    assert made.receive(1, trade(3), at(4.1)) == []
    assert [event.trade_id for event in made.receive(2, trade(3), at(4.2))] == [3]  # type: ignore[attr-defined]


def test_stopped_it_hangs_up_and_stays_away() -> None:
    made = opened(TRADES)
    events = made.stop(at(1))
    assert Disconnected in kinds(events)
    assert made.actions == [HangUp(1, 1000, "", "public/0")]
    assert made.next_deadline is None
    made.actions.clear()
    made.on_deadline(at(100))
    assert made.actions == []


def test_an_acknowledged_subscription_is_told_by_each_connection() -> None:
    made = opened(TRADES)
    assert kinds(made.receive(1, ack("c1r1", TRADES), at(0.5))) == [Subscribed]
    made.closed(1, 1006, "", at(1))
    made.actions.clear()
    now = dial_at(made, at(1))
    made.opened(2, now)
    assert kinds(made.receive(2, ack("c2r1", TRADES), now)) == [Subscribed]
