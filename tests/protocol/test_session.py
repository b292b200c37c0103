"""One connection's conversation: bytes in, events and bytes out."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.talking import (
    BOOKS,
    BOOKS5,
    KEY,
    LOGIN_ACK,
    T0,
    TICK_BY_TICK,
    TICKERS,
    TRADES,
    ack,
    at,
    brief,
    change,
    error,
    image,
    said,
    session,
    trade,
)

from okex_ws import BookSnapshot, BookUpdate, Gap, Trade
from okex_ws.events import (
    ConnectionCount,
    Event,
    GenericPush,
    LoggedIn,
    Malformed,
    Notice,
    Refused,
    Resumed,
    Stale,
    Subscribed,
    Unrecognized,
    Unsubscribed,
)
from okex_ws.protocol.outbox import Login
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.session import FetchClock, Session
from okex_ws.protocol.subscriptions import SubscriptionState
from okex_ws.wire.channels import Subscription, subscription


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def only(events: list[Event]) -> Any:
    assert len(events) == 1, events
    return events[0]


def live(*items: Subscription, **options: Any) -> Session:
    """A session whose subscriptions are confirmed."""
    made = session(*items, **options)
    for request in said(made):
        for arg in request["args"]:
            made.receive(ack(request["id"], subscription(**_args(arg))), T0)
    return made


def _args(arg: dict[str, str]) -> dict[str, str]:
    return {"name": arg["channel"], **{key: value for key, value in arg.items() if key != "channel"}}


# -- subscribing -----------------------------------------------------------------------------------


def test_it_asks_at_once_under_an_id_and_says_what_was_acknowledged() -> None:
    made = session(TRADES, BOOKS)
    assert made.bytes_to_send() == [
        b'{"id":"c0r1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"},{"channel":"books","instId":"BTC-USDT"}]}'
    ]
    assert made.bytes_to_send() == []
    event = only(
        made.receive(
            b'{"id":"c0r1","event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}', at(0.1)
        )
    )
    assert event == Subscribed(ts_recv=at(0.1), line="public/0", channel="trades", key="BTC-USDT")
    assert not made.is_settled
    made.receive(ack("c0r1", BOOKS), at(0.1))
    assert made.is_settled


def test_B2_pushes_before_their_ack_are_delivered() -> None:
    made = session(TRADES)
    assert only(made.receive(trade(7), at(0.1))).trade_id == 7
    assert kinds(made.receive(ack("c0r1", TRADES), at(0.2))) == [Subscribed]
    assert only(made.receive(trade(8), at(0.3))).trade_id == 8


def test_B1_an_ack_that_is_lost_is_asked_for_once_more_and_then_told() -> None:
    made = session(TRADES)
    said(made)
    assert made.on_deadline(at(10)) == []
    assert brief(said(made)) == [("subscribe", ["trades"])]
    alarm = only(made.on_deadline(at(20)))
    assert isinstance(alarm, Refused)
    assert (alarm.channel, alarm.code, alarm.will_retry) == ("trades", "timeout", True)
    assert ("subscribe", ["trades"]) not in brief(said(made))
    made.receive(b"pong", at(21))
    made.on_deadline(at(35.9))
    made.receive(b"pong", at(36))
    made.on_deadline(at(50))
    assert ("subscribe", ["trades"]) in brief(said(made)), "and asked again, later"


def test_B1_what_flows_needs_no_ack() -> None:
    made = session(TRADES)
    said(made)
    made.receive(trade(7), at(1))
    assert made.on_deadline(at(10)) == []
    assert said(made) == []
    assert made.is_settled


def test_B1_a_second_lost_ack_later_on_counts_from_the_start() -> None:
    made = session(TICKERS)
    said(made)
    made.on_deadline(at(10))
    made.receive(ack(said(made)[0]["id"], TICKERS), at(11))
    made.resync(TICKERS, at(12), "doubt")
    made.on_deadline(at(12))
    assert brief(said(made)) == [("unsubscribe", ["tickers"]), ("subscribe", ["tickers"])]
    made.receive(b"pong", at(21))
    assert made.on_deadline(at(22)) == [], "no alarm before it was asked twice"


def test_B1_an_ack_that_comes_after_the_alarm_is_enough() -> None:
    made = session(TICKERS)
    made.on_deadline(at(10))
    made.on_deadline(at(20))
    request = [request for request in said(made) if request["op"] == "subscribe"][-1]
    assert kinds(made.receive(ack(request["id"], TICKERS), at(25))) == [Subscribed]
    for second in range(26, 90):
        made.receive(b"pong", at(second))
        made.on_deadline(at(second))
    assert said(made) == []


def test_one_logical_subscription_however_often_it_is_wanted() -> None:
    made = session(TRADES)
    made.subscribe([TRADES], at(1))
    made.receive(ack("c0r1", TRADES), at(1))
    made.subscribe([TRADES], at(2))
    assert len(said(made)) == 1
    assert made.receive(ack("c0r1", TRADES), at(3)) == [], "acknowledged twice, told once"


@pytest.mark.parametrize("again", [True, False])
def test_B5_a_second_snapshot_replaces_the_book_and_none_changes_nothing(again: bool) -> None:
    made = live(BOOKS)
    made.receive(image(5), at(1))
    made.receive(change(5, 6), at(2))
    events = made.receive(image(9 if again else 6), at(3))
    if again:
        assert kinds(events) == [Gap, BookSnapshot]
        assert events[0].cause == "resnapshot"  # type: ignore[attr-defined]
    else:
        assert kinds(events) == [BookSnapshot], "the same state: nothing was missed"
    assert kinds(made.receive(change(9 if again else 6, 10), at(4))) == [BookUpdate]
    assert said(made) == []


# -- errors and what they are about ----------------------------------------------------------------


def test_B3_the_good_ones_live_and_the_bad_one_is_told() -> None:
    made = session(TRADES, BOOKS)
    made.receive(ack("c0r1", TRADES), at(0.1))
    event = only(
        made.receive(
            b'{"id":"c0r1","event":"error","code":"60018","msg":"Wrong URL or channel:books,instId:BTC-USDT doesn\'t exist.",'
            b'"connId":"a4d3ae55"}',
            at(0.2),
        )
    )
    assert isinstance(event, Refused)
    assert (event.channel, event.key, event.code, event.will_retry) == ("books", "BTC-USDT", "60018", False)
    assert event.advice == "check the instrument's name and the keys"
    assert event.message.startswith("Wrong URL")
    assert made.is_settled
    assert made.ending is None
    assert only(made.receive(trade(1), at(1))).trade_id == 1


def test_B4_an_unreadable_request_is_asked_again_arg_by_arg() -> None:
    made = session(TRADES, BOOKS, TICKERS)
    said(made)
    echo = 'Illegal request: {"id":"c0r1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}'
    assert made.receive(error("c0r1", "60012", echo), at(1)) == []
    first = said(made)
    assert brief(first) == [("subscribe", ["trades"])]
    made.receive(ack(first[0]["id"], TRADES), at(1.2))
    second = said(made)
    assert brief(second) == [("subscribe", ["books"])]
    assert only(made.receive(error(second[0]["id"], "60012"), at(1.4))).channel == "books"
    third = said(made)
    assert brief(third) == [("subscribe", ["tickers"])]
    made.receive(ack(third[0]["id"], TICKERS), at(1.6))
    assert made.is_settled


def test_B4_without_ids_several_requests_and_one_error_end_in_the_right_refusal() -> None:
    made = session(TRADES)
    made.subscribe([BOOKS, TICKERS], at(0.5))
    assert len(said(made)) == 2
    stray = only(made.receive(b'{"event":"error","code":"60018","msg":"Wrong URL"}', at(1)))
    assert (stray.channel, stray.code) == ("", "60018"), "said at once, though not yet for whom"
    made.receive(ack("", TICKERS), at(1))
    now, fate = at(10.5), {TRADES: ack("", TRADES), BOOKS: b'{"event":"error","code":"60018","msg":"Wrong URL"}'}
    made.on_deadline(at(10))
    made.on_deadline(now)
    refused: list[str] = []
    for _ in range(2):
        request = said(made)[0]
        assert len(request["args"]) == 1
        now += 200_000_000
        events = made.receive(fate[subscription(**_args(request["args"][0]))], now)
        refused += [event.channel for event in events if isinstance(event, Refused)]
        made.on_deadline(now + 100_000_000)
    assert refused == ["books"]
    assert made.registry.states == {
        TRADES: SubscriptionState.CONFIRMED,
        BOOKS: SubscriptionState.REFUSED,
        TICKERS: SubscriptionState.CONFIRMED,
    }


def test_B4_too_frequent_backs_off_and_gives_nothing_up() -> None:
    made = session(TRADES, BOOKS)
    said(made)
    now = at(1)
    for _ in range(12):
        events = made.receive(error(f"c0r{made.outbox._ids}", "60014", "Requests too frequent"), now)
        assert [(event.channel, event.will_retry) for event in events] == [("trades", True), ("books", True)]  # type: ignore[attr-defined]
        assert said(made) == []
        made.on_deadline(now + 9_900_000_000)
        assert ("subscribe", ["trades", "books"]) not in brief(said(made)), "ten seconds of silence at least"
        now += 61_000_000_000
        made.receive(b"pong", now)
        made.on_deadline(now)
        assert ("subscribe", ["trades", "books"]) in brief(said(made)), "together, as before"


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        (
            "60008",
            "The current WebSocket endpoint does not support subscribing to trades channels.",
            "subscribe at /ws/v5/public",
        ),
        ("64001", "This channel has been migrated to the '/business' URL.", "subscribe at /ws/v5/public"),
        ("64003", "Your trading fee tier doesn't meet the requirement", "use channel books, open to everyone"),
    ],
)
def test_B4_a_refusal_says_what_to_change(code: str, message: str, advice: str) -> None:
    made = Session("business/0", [TRADES], now=T0)
    said(made)
    event = only(made.receive(error("c0r1", code, message), at(1)))
    assert (event.code, event.advice, event.will_retry) == (code, advice, False)


def test_B4_a_channel_that_moved_away_from_where_the_table_says() -> None:
    made = session(TRADES)
    assert only(made.receive(error("c0r1", "64001"), at(1))).advice == "subscribe at /ws/v5/business"


def test_an_inner_error_of_okx_is_tried_again_ever_later() -> None:
    made, now, waits = session(TRADES), T0, []
    for _ in range(10):
        request = next(request for request in said(made) if request["op"] == "subscribe")
        assert only(made.receive(error(request["id"], "64007"), now)).will_retry
        start = now
        while not any(r["op"] == "subscribe" for r in _peek(made)):
            now = max(now + 1, made.deadline())
            made.receive(b"pong", now - 1)
            made.on_deadline(now)
        waits.append(round((now - start) / 1e9))
    assert waits[:6] == [2, 4, 8, 16, 32, 60]
    assert set(waits[6:]) == {60}, "it may last; the wish is not forgotten"


def test_what_ran_in_between_starts_its_patience_afresh() -> None:
    made = live(BOOKS)
    made.receive(image(5), at(0.1))
    for start in (1, 40, 80):
        made.resync(BOOKS, at(start), "checksum")
        while not (requests := [request for request in said(made) if request["op"] == "subscribe"]):
            made.receive(b"pong", made.deadline() - 1)
            made.on_deadline(made.deadline())
        made.receive(error(requests[0]["id"], "64007"), at(start + 5))
        assert not any(request["op"] == "subscribe" for request in said(made))
        made.receive(b"pong", at(start + 7))
        made.on_deadline(at(start + 7))
        again = [request for request in said(made) if request["op"] == "subscribe"]
        assert len(again) == 1, "two seconds, each time"
        made.receive(ack(again[0]["id"], BOOKS), at(start + 7.1))
        made.receive(image(start + 10), at(start + 7.2))


def _peek(made: Session) -> list[dict[str, Any]]:
    return [json.loads(data) for data in made.to_send if data != b"ping"]


def test_an_error_nobody_asked_for_is_told() -> None:
    made = live(TRADES)
    event = only(made.receive(error("x9", "60018", "who?"), at(1)))
    assert (event.channel, event.message) == ("", "who?")
    event = only(made.receive(b'{"event":"error","code":60012,"msg":"integers too"}', at(1)))
    assert event.code == "60012"


def test_refused_then_wanted_again_by_its_user() -> None:
    made = session(TRADES)
    said(made)
    made.receive(error("c0r1", "60018"), at(1))
    made.on_deadline(at(9))
    assert said(made) == []
    made.subscribe([TRADES], at(9))
    request = said(made)[0]
    assert kinds(made.receive(ack(request["id"], TRADES), at(9.1))) == [Subscribed]
    assert made.registry.states[TRADES] is SubscriptionState.CONFIRMED


def test_a_book_whose_renewal_is_refused_is_not_left_for_good() -> None:
    made = live(BOOKS)
    made.receive(image(5), at(1))
    assert kinds(made.resync(BOOKS, at(2), "checksum")) == [Gap]
    made.on_deadline(at(2))
    unsubscribe, subscribe = said(made)
    assert (unsubscribe["op"], subscribe["op"]) == ("unsubscribe", "subscribe")
    assert made.receive(error(unsubscribe["id"], "60018", "channel:books,instId:BTC-USDT"), at(2.1)) == []
    assert kinds(made.receive(ack(subscribe["id"], BOOKS), at(2.2)) + made.receive(image(9), at(2.3))) == [Resumed, BookSnapshot]


def test_a_live_book_that_is_refused_is_told_as_broken() -> None:
    made = session(TICK_BY_TICK, credentials=KEY)
    said(made)
    made.receive(LOGIN_ACK, T0)
    request = said(made)[0]
    made.receive(image(5).replace(b'"books"', b'"books-l2-tbt"'), at(1))
    events = made.receive(error(request["id"], "64003"), at(1.1))
    assert kinds(events) == [Refused, Gap]
    assert events[1].cause == "refused"  # type: ignore[attr-defined]


# -- unsubscribing ---------------------------------------------------------------------------------


def test_B6_late_pushes_are_dropped_and_counted_before_and_after_the_ack() -> None:
    made = live(TRADES, TICKERS)
    made.receive(trade(1), at(1))
    made.unsubscribe([TRADES], at(2))
    request = said(made)[0]
    assert brief([request]) == [("unsubscribe", ["trades"])]
    assert made.receive(trade(2), at(2.1)) == []
    assert kinds(made.receive(ack(request["id"], TRADES, "unsubscribe"), at(2.2))) == [Unsubscribed]
    assert made.receive(trade(3), at(2.3)) == [], "as Unsubscribed promises"
    assert made.receive(ack(request["id"], TRADES, "unsubscribe"), at(2.4)) == []
    assert made.late_pushes == 2


def test_unsubscribing_while_the_subscribe_is_in_flight() -> None:
    made = session(TRADES)
    made.unsubscribe([TRADES], at(0.01))
    made.on_deadline(at(0.1))
    subscribe, unsubscribe = said(made)
    assert (subscribe["op"], unsubscribe["op"]) == ("subscribe", "unsubscribe")
    assert made.receive(ack(subscribe["id"], TRADES), at(0.2)) == []
    assert made.receive(trade(1), at(0.2)) == []
    assert kinds(made.receive(ack(unsubscribe["id"], TRADES, "unsubscribe"), at(0.3))) == [Unsubscribed]
    assert made.registry.states == {}


@pytest.mark.parametrize("answer", [("60018", "channel:trades,instId:BTC-USDT"), ("64007", ""), ("60012", ""), ("60014", "")])
def test_unsubscribed_in_flight_and_then_refused_it_does_not_come_back(answer: tuple[str, str]) -> None:
    made = session(TRADES, BOOKS)
    made.unsubscribe([TRADES, BOOKS], at(0.01))
    assert [e for e in made.receive(error("c0r1", *answer), at(0.2)) if not isinstance(e, Refused)] == []
    for second in range(1, 120):
        made.receive(b"pong", at(second))
        made.on_deadline(at(second + 0.5))
    asked = [request for request in said(made) if request["op"] == "subscribe"]
    assert len(asked) == 1, "only the first one"
    assert made.registry.states == {}


def test_what_was_not_asked_yet_is_let_go_without_a_word() -> None:
    made = live(TRADES)
    made.subscribe([BOOKS], at(1))
    said(made)
    made.subscribe([TICKERS], at(1.01))
    made.unsubscribe([TICKERS], at(1.02))
    made.on_deadline(at(1.2))
    assert said(made) == []


def test_resubscribing_right_after_unsubscribing_survives_the_late_ack() -> None:
    made = live(BOOKS)
    made.receive(image(5), at(1))
    made.unsubscribe([BOOKS], at(2))
    made.subscribe([BOOKS], at(2.01))
    made.receive(change(5, 6), at(2.02))
    made.on_deadline(at(2.1))
    unsubscribe, subscribe = said(made)
    assert (unsubscribe["op"], subscribe["op"]) == ("unsubscribe", "subscribe")
    events = made.receive(ack(unsubscribe["id"], BOOKS, "unsubscribe"), at(2.2))
    for number, frame in enumerate((ack(subscribe["id"], BOOKS), image(7), change(7, 8))):
        events += made.receive(frame, at(2.3 + number / 10))
    assert kinds(events) == [Subscribed, BookSnapshot, BookUpdate]
    assert made.is_settled
    for second in range(3, 30):
        made.receive(change(second + 5, second + 6), at(second))
        made.on_deadline(at(second + 0.1))
    assert said(made) == [], "nothing is repeated"


def test_an_unsubscribe_without_an_answer_is_said_twice_and_never_undone() -> None:
    made = live(TRADES)
    made.unsubscribe([TRADES], at(1))
    for second in range(1, 60):
        made.receive(trade(second), at(second))
        made.on_deadline(at(second + 0.01))
    assert brief(said(made)) == [("unsubscribe", ["trades"])] * 2
    assert made.late_pushes == 59


def test_goodbyes_are_gathered_too() -> None:
    items = [subscription("trades", f"C{n}-USDT") for n in range(40)]
    made = live(*items)
    for item in items:
        made.unsubscribe([item], at(1))
    made.on_deadline(at(1.1))
    assert [len(request["args"]) for request in said(made)] == [1, 39]


# -- login -----------------------------------------------------------------------------------------


def test_a_login_comes_first_and_is_only_made_where_it_is_needed() -> None:
    made = session(TRADES, credentials=KEY)
    assert brief(said(made)) == [("subscribe", ["trades"])]
    made = session(TICK_BY_TICK, TRADES, credentials=KEY)
    login, subscribe = said(made)
    assert login["op"] == "login"
    assert login["args"][0]["timestamp"] == "1790000000"
    assert brief([subscribe]) == [("subscribe", ["trades"])]
    assert kinds(made.receive(LOGIN_ACK, at(0.2))) == [LoggedIn]
    assert brief(said(made)) == [("subscribe", ["books-l2-tbt"])]


@pytest.mark.parametrize("code", ["60005", "60007", "60024", "60032"])
def test_a_login_that_is_refused_ends_what_needs_it_and_nothing_else(code: str) -> None:
    made = session(TICK_BY_TICK, TRADES, credentials=KEY)
    _, subscribe = said(made)
    made.receive(ack(subscribe["id"], TRADES), at(0.1))
    events = made.receive(error("", code, "Login failed."), at(0.2))
    assert [(event.channel, event.code, event.will_retry) for event in events] == [  # type: ignore[attr-defined]
        ("login", code, False),
        ("books-l2-tbt", code, False),
    ]
    assert made.ending is None
    assert only(made.receive(trade(1), at(1))).trade_id == 1
    for second in range(2, 100, 9):
        made.receive(trade(second), at(second))
        made.on_deadline(at(second + 0.1))
    assert said(made) == [], "no second try with the same key"


@pytest.mark.parametrize("code", ["60004", "60006"])
def test_a_login_of_the_wrong_time_is_signed_anew_by_okx_s_clock_once(code: str) -> None:
    clock = ServerClock()
    made = session(TICK_BY_TICK, credentials=KEY, server_clock=clock)
    said(made)
    event = only(made.receive(error("", code, "Timestamp expired"), at(0.2)))
    assert (event.channel, event.code, event.will_retry) == ("login", code, True)
    assert [type(wish) for wish in made.fetches] == [FetchClock]
    made.on_deadline(at(5))
    assert said(made) == [], "not before the clock is known"
    clock.learn(at(40) // 10**6, at(0), at(0))
    assert made.clock_measured(True, at(6)) == []
    (login,) = said(made)
    assert login["args"][0]["timestamp"] == "1790000046"
    refused, books, *_ = made.receive(error("", code, "Timestamp expired"), at(6.1))
    assert (refused.channel, refused.will_retry, books.channel) == ("login", False, "books-l2-tbt")  # type: ignore[attr-defined]
    assert "clock" in refused.advice  # type: ignore[attr-defined]
    assert made.ending is not None
    assert made.ending.fatal


def test_a_time_that_cannot_be_had_is_asked_for_again_later() -> None:
    made = session(TICK_BY_TICK, TRADES, credentials=KEY)
    now, tries = at(0), []
    while made.outbox.login is not Login.REFUSED:
        if any(request["op"] == "login" for request in said(made)):
            tries.append((now - at(0)) / SECOND)
            made.receive(error("", "60006", "Timestamp expired"), now)
            told = made.clock_measured(False, now)
        made.receive(trade(len(tries)), now)
        now = made.deadline()
        made.on_deadline(now)
    waits = [b - a for a, b in itertools.pairwise(tries)]
    assert len(tries) == 9
    assert waits == sorted(waits)
    refused, _ = told
    assert (refused.channel, refused.code, refused.will_retry) == ("login", "60006", False)  # type: ignore[attr-defined]
    assert made.ending is None, "what needs no login goes on"


def test_a_login_that_fails_for_now_is_tried_again_over_the_same_connection() -> None:
    made = session(TICK_BY_TICK, TRADES, credentials=KEY)
    said(made)
    event = only(made.receive(error("", "60009", "Login failed."), at(0.2)))
    assert (event.channel, event.will_retry) == ("login", True)
    assert made.ending is None
    made.receive(ack("c0r1", TRADES), at(0.3))
    assert made.deadline() == at(2.2)
    made.on_deadline(at(2.2))
    assert brief(said(made)) == [("login", [""])]
    made.receive(LOGIN_ACK, at(2.3))
    assert brief(said(made)) == [("subscribe", ["books-l2-tbt"])]


def test_while_a_login_is_in_flight_an_error_without_id_is_its_own_only_if_it_speaks_of_logins() -> None:
    made = session(TICK_BY_TICK, TRADES, credentials=KEY)
    said(made)
    event = only(made.receive(error("", "60018", "Wrong URL or channel:trades,instId:BTC-USDT doesn't exist."), at(0.1)))
    assert event.channel == "trades"
    assert kinds(made.receive(LOGIN_ACK, at(0.2))) == [LoggedIn]
    assert brief(said(made)) == [("subscribe", ["books-l2-tbt"])]


def test_an_error_with_a_foreign_id_is_no_answer_to_the_login() -> None:
    made = session(TICK_BY_TICK, credentials=KEY)
    assert only(made.receive(error("x9", "60018"), at(0.1))).channel == ""
    assert kinds(made.receive(LOGIN_ACK, at(0.2))) == [LoggedIn]


def test_repeated_login_counts_as_logged_in() -> None:
    made = session(TICK_BY_TICK, credentials=KEY)
    said(made)
    assert kinds(made.receive(error("", "60031", "multiple or repeated logins"), at(0.1))) == [LoggedIn]
    assert brief(said(made)) == [("subscribe", ["books-l2-tbt"])]


def test_a_login_without_an_answer_ends_the_connection() -> None:
    made = session(TICK_BY_TICK, credentials=KEY)
    made.receive(b"pong", at(9))
    made.on_deadline(at(9.9))
    assert made.ending is None
    made.on_deadline(at(10))
    assert made.ending is not None
    assert (made.ending.reason, made.ending.fatal) == ("no answer to the login", False)


def test_please_log_in_without_credentials_is_final_and_says_so() -> None:
    made = session(TICK_BY_TICK)
    event = only(made.receive(error("c0r1", "60011", "Please log in"), at(0.1)))
    assert (event.channel, event.will_retry) == ("books-l2-tbt", False)
    assert event.advice == "give credentials; this channel needs a login"


def test_please_log_in_with_credentials_logs_in_even_where_the_table_knows_of_none() -> None:
    made = session(TICKERS, credentials=KEY)
    said(made)
    assert only(made.receive(error("c0r1", "60011", "Please log in"), at(0.1))).will_retry
    made.on_deadline(at(2.1))
    assert brief(said(made)) == [("login", [""])]
    made.receive(LOGIN_ACK, at(2.2))
    assert brief(said(made)) == [("subscribe", ["tickers"])]


def test_please_log_in_for_ever_is_given_up() -> None:
    made, now = session(TICK_BY_TICK, credentials=KEY), at(0.1)
    made.receive(LOGIN_ACK, now)
    refusals: list[Refused] = []
    for _ in range(400):
        for request in said(made):
            if request["op"] == "subscribe":
                refusals += made.receive(error(request["id"], "60011"), now)  # type: ignore[arg-type]
        made.receive(b"pong", now)
        now = max(now + 1, made.deadline())
        made.on_deadline(now)
    assert [event.will_retry for event in refusals] == [True] * 8 + [False]


# -- counts, notices, life -------------------------------------------------------------------------


def test_B8_a_channel_over_its_connection_count_dies_after_its_ack_and_the_others_live() -> None:
    orders, account = subscription("orders", "SPOT"), subscription("account")
    made = session(orders, account, credentials=KEY)
    made.receive(LOGIN_ACK, at(0.1))
    request = said(made)[-1]
    made.receive(ack(request["id"], account), at(0.2))
    made.receive(ack(request["id"], orders), at(0.2))
    count = only(made.receive(b'{"event":"channel-conn-count","channel":"account","connCount":"2","connId":"a4d3ae55"}', at(0.3)))
    assert isinstance(count, ConnectionCount)
    assert (count.channel, count.count) == ("account", 2)
    breach = b'{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"a4d3ae55"}'
    dead = only(made.receive(breach, at(0.3)))
    assert isinstance(dead, Refused)
    assert (dead.channel, dead.key, dead.code, dead.will_retry) == ("orders", "SPOT", "channel-conn-count-error", False)
    assert "30 connections hold orders" in dead.message
    assert made.registry.states == {orders: SubscriptionState.REFUSED, account: SubscriptionState.CONFIRMED}
    assert made.ending is None


def test_the_notice_of_an_upgrade_is_told() -> None:
    made = live(TRADES)
    event = only(made.receive(b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}', at(1)))
    assert isinstance(event, Notice)
    assert event.code == "64008"
    assert made.is_leaving
    other = live(TRADES)
    other.receive(b'{"event":"notice","code":"64999","msg":"hello"}', at(1))
    assert not other.is_leaving


def test_B17_a_frame_of_another_dialect_is_unrecognized_and_kept_whole() -> None:
    made = live(TRADES)
    for raw in (b'{"table":"spot/ticker","data":[{"last":"1"}]}', b'[{"binary":0,"channel":"ok_sub_spot_btc_usdt_ticker"}]'):
        event = only(made.receive(raw, at(1)))
        assert isinstance(event, Unrecognized)
        assert event.raw == raw
    assert made.unrecognized == 2
    assert made.ending is None


def test_what_cannot_be_read_is_malformed_and_what_can_be_is_not() -> None:
    made = live(TRADES)
    for raw in (b"", b" ", b"{", b"[" * 100_000, b'{"event":"subscribe"', b"{'event':'addChannel'}"):
        event = only(made.receive(raw, at(1)))
        assert isinstance(event, Malformed), raw[:20]
        assert event.raw == raw
    assert (made.malformed, made.unrecognized) == (6, 0)


def test_a_push_nobody_asked_for_is_delivered() -> None:
    made = live(TRADES)
    event = only(made.receive(b'{"arg":{"channel":"new-channel","instId":"BTC-USDT"},"data":[{"a":1}]}', at(1)))
    assert isinstance(event, GenericPush)


def test_it_pings_in_silence_and_gives_up_without_an_answer() -> None:
    made = live(TRADES)
    made.receive(trade(1), at(1))
    assert made.deadline() <= at(16)
    made.on_deadline(at(15.9))
    assert said(made) == []
    made.on_deadline(at(16))
    assert said(made) == [{"op": "ping"}]
    made.on_deadline(at(25.9))
    assert made.ending is None
    made.on_deadline(at(26))
    assert made.ending is not None
    assert made.ending.code == 1001


def test_data_is_life_pong_or_not() -> None:
    made = live(TRADES)
    made.on_deadline(at(15))
    assert said(made) == [{"op": "ping"}]
    made.receive(trade(1), at(24))
    made.on_deadline(at(25))
    made.on_deadline(at(38))
    assert made.ending is None


def test_a_quiet_book_is_stale_after_its_cadence_whatever_the_pongs_say() -> None:
    made = live(BOOKS5)
    row = b'{"asks":[],"bids":[],"ts":"1790000000000","seqId":1}'
    made.receive(b'{"arg":{"channel":"books5","instId":"BTC-USDT"},"data":[%b]}' % row, T0)
    events: list[Event] = []
    for second in range(10, 71, 10):
        made.receive(b"pong", at(second))
        events += made.on_deadline(at(second))
    assert kinds(events) == [Stale]
    assert brief(said(made))[-2:] == [("unsubscribe", ["books5"]), ("subscribe", ["books5"])]


# -- held up by a consumer -------------------------------------------------------------------------


def test_time_in_which_nothing_was_read_is_not_held_against_the_server() -> None:
    """Everything that could be overdue is: an ack, a login, a missing trade, a pong. All of it may lie in the socket."""
    made = session(TRADES, TICK_BY_TICK, TICKERS, credentials=KEY)
    said(made)
    made.receive(trade(1), at(1))
    made.receive(trade(5), at(2))
    made.reset_timeouts(at(62))
    assert made.deadline() >= at(62)
    assert made.on_deadline(at(62)) == []
    assert made.ending is None
    made.receive(trade(4, count=3), at(62.1))
    events = made.receive(ack("c0r1", TRADES), at(62.1)) + made.receive(LOGIN_ACK, at(62.2))
    assert kinds(events) == [Subscribed, LoggedIn]
    for tenth in range(5, 20):
        assert made.on_deadline(at(62 + tenth / 10)) == [], "no Gap: the trades were only late"
    assert made.ending is None
    assert brief(said(made)) == [("subscribe", ["books-l2-tbt"])], "nothing is asked again"


def test_standing_still_without_an_excuse_ends_the_connection() -> None:
    made = live(TRADES)
    made.receive(trade(1), at(1))
    made.on_deadline(at(61))
    assert made.ending is not None
    assert "stood still" in made.ending.reason


def test_what_is_overdue_when_it_is_scheduled_is_no_sign_of_sleep() -> None:
    made = session(TRADES)
    made.receive(b"pong", at(12))
    assert made.deadline() >= at(12)


# -- any order -------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.data())
def test_B2_any_interleaving_of_acks_and_pushes_gives_the_same_data(data: st.DataObject) -> None:
    lanes = {
        "acks": [ack("c0r1", item) for item in (TRADES, BOOKS, TICKERS)],
        "trades": [trade(n) for n in range(1, 6)],
        "books": [image(5), change(5, 6), change(6, 9), change(9, 10)],
        "pongs": [b"pong", b"pong"],
    }
    expected = {"trades": [1, 2, 3, 4, 5], "books": [5, 6, 9, 10]}
    made = session(TRADES, BOOKS, TICKERS)
    said(made)
    events: list[Event] = []
    step = 0
    while any(lanes.values()):
        lane = data.draw(st.sampled_from(sorted(name for name, left in lanes.items() if left)))
        step += 1
        events += made.receive(lanes[lane].pop(0), at(step / 100))
    assert [event.trade_id for event in events if isinstance(event, Trade)] == expected["trades"]
    assert [event.sequence for event in events if isinstance(event, (BookSnapshot, BookUpdate))] == expected["books"]
    assert sorted(event.channel for event in events if isinstance(event, Subscribed)) == ["books", "tickers", "trades"]
    assert len(events) == 12
    assert said(made) == []
