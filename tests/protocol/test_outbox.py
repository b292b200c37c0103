"""What a connection has to say, and when it may."""

from __future__ import annotations

import itertools
import json

from tests.support.talking import BOOKS, KEY, T0, TICK_BY_TICK, TICKERS, TRADES, ack, at, brief

from okex_ws import Credentials
from okex_ws.protocol.outbox import BURST, EVERY_S, GATHER, RECOVERY_RESERVE, Login, Outbox
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.subscriptions import Subscriptions
from okex_ws.wire.channels import Subscription, subscription
from okex_ws.wire.frames import AckFrame


def made(credentials: Credentials | None = None) -> Outbox:
    return Outbox(1, Subscriptions(), credentials=credentials, now=T0)


def said(outbox: Outbox) -> list[tuple[str, list[str]]]:
    out = [json.loads(text) for text in outbox.to_send]
    outbox.to_send.clear()
    return brief(out)


def many(count: int) -> list[Subscription]:
    return [subscription("trades", f"C{n}-USDT") for n in range(count)]


def test_wishes_go_in_as_few_frames_as_allowed() -> None:
    outbox = made()
    for item in many(120):
        outbox.subscribe(item, T0)
    outbox.flush(T0)
    assert [len(args) for _, args in said(outbox)] == [50, 50, 20]
    assert outbox.deadline(T0) is None


def test_what_comes_within_a_moment_is_gathered() -> None:
    outbox = made()
    for n, item in enumerate(many(40)):
        outbox.subscribe(item, at(n / 1000))
        outbox.flush(at(n / 1000))
    assert [len(args) for _, args in said(outbox)] == [1]
    assert outbox.deadline(at(0.04)) == T0 + GATHER
    outbox.flush(T0 + GATHER)
    assert [len(args) for _, args in said(outbox)] == [39]


def test_not_before_it_is_due() -> None:
    outbox = made()
    outbox.subscribe(TRADES, at(5))
    outbox.flush(T0)
    assert said(outbox) == []
    assert outbox.deadline(T0) == at(5)


def test_goodbyes_come_before_the_subscriptions_that_follow_them() -> None:
    outbox = made()
    outbox.subscribe(TRADES, T0)
    outbox.unsubscribe(TRADES)
    outbox.flush(T0)
    assert said(outbox) == [("unsubscribe", ["trades"]), ("subscribe", ["trades"])]


def test_alone_means_one_at_a_time_and_nothing_else_in_flight() -> None:
    registry = Subscriptions()
    outbox = Outbox(1, registry, credentials=None, now=T0)
    for item in (TRADES, BOOKS):
        outbox.subscribe(item, T0, alone=True)
    outbox.flush(T0)
    assert said(outbox) == [("subscribe", ["trades"])]
    assert outbox.deadline(T0) is None, "it waits for an answer, not for time"
    outbox.flush(at(1))
    assert said(outbox) == []
    registry.ack(AckFrame("subscribe", TRADES, "c1r1", ""))
    assert outbox.deadline(at(1)) == at(1)
    outbox.flush(at(1))
    assert said(outbox) == [("subscribe", ["books"])]


def test_the_login_goes_first_and_what_needs_it_waits_for_its_answer() -> None:
    outbox = made(KEY)
    outbox.subscribe(TICK_BY_TICK, T0)
    outbox.subscribe(TRADES, T0)
    outbox.flush(T0)
    assert said(outbox) == [("login", [""]), ("subscribe", ["trades"])]
    assert outbox.login is Login.REQUESTED
    assert outbox.deadline(T0) is None
    assert outbox.waiting_for_login == [TICK_BY_TICK]
    outbox.login = Login.DONE
    outbox.flush(at(1))
    assert said(outbox) == [("subscribe", ["books-l2-tbt"])]


def test_nothing_public_asks_for_a_login_unless_okx_wants_one() -> None:
    outbox = made(KEY)
    outbox.subscribe(TICKERS, T0)
    outbox.flush(T0)
    assert said(outbox) == [("subscribe", ["tickers"])]
    outbox.require_login(TICKERS)
    outbox.subscribe(TICKERS, at(1))
    outbox.flush(at(1))
    assert said(outbox) == [("login", [""])]


def test_without_credentials_okx_may_say_no_itself() -> None:
    outbox = made()
    outbox.subscribe(TICK_BY_TICK, T0)
    outbox.flush(T0)
    assert said(outbox) == [("subscribe", ["books-l2-tbt"])]


def test_a_login_is_tried_again_ever_later_and_not_for_ever() -> None:
    outbox, now, waits = made(KEY), T0, []
    outbox.subscribe(TICK_BY_TICK, T0)
    outbox.flush(now)
    while outbox.log_in_later(now):
        assert outbox.login is Login.DUE
        due = outbox.deadline(now)
        assert due is not None
        waits.append(round((due - now) / SECOND))
        outbox.flush(due - 1)
        said(outbox)
        now = due
        outbox.flush(now)
        assert said(outbox) == [("login", [""])]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_burst_one_frame_every_fifteen_seconds_and_no_hour_of_waiting() -> None:
    outbox, now, times = made(), T0, []
    for item in many(600):
        outbox.subscribe(item, now)
        due = outbox.deadline(now)
        assert due is not None
        now = max(now, due)
        outbox.flush(now)
        times.append(now)
    assert len(outbox.to_send) == 600
    waits = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    assert max(waits) <= EVERY_S
    assert times[BURST - 1] - T0 < 30 * SECOND
    for start in times:
        assert sum(start <= time < start + 3600 * SECOND for time in times) <= 480 - RECOVERY_RESERVE


def test_renewals_live_on_the_reserve() -> None:
    outbox = made()
    for item in many(2000):
        outbox.subscribe(item, T0)
    for n in range(40_000):  # an hour of requests as often as possible
        outbox.subscribe(many(1)[0], at(n / 11))
        outbox.flush(at(n / 11))
    now = at(3600)
    outbox.to_send.clear()
    renewed = sum(bool(outbox.renew([BOOKS], now)) for _ in range(480))
    assert RECOVERY_RESERVE // 2 <= renewed < 60
    assert outbox.renewal_at(now) > now
    assert outbox.budget.left(now) in (0, 1)


def test_what_renewals_have_used_is_not_there_for_others() -> None:
    outbox = made()
    for _ in range(480 - RECOVERY_RESERVE):
        outbox.budget.take(T0)
    outbox.subscribe(TRADES, T0)
    outbox.flush(T0)
    assert said(outbox) == []
    assert outbox.deadline(T0) == outbox.budget.ready_at(T0, reserve=RECOVERY_RESERVE) > at(3600)
    assert outbox.renew([BOOKS], T0) == [BOOKS]


def test_a_renewal_of_many_never_goes_over_the_limit() -> None:
    outbox = made()
    for _ in range(477):
        outbox.budget.take(T0)
    assert len(outbox.renew(many(100), T0)) == 50
    assert outbox.budget.left(T0) == 1


def test_a_renewal_takes_the_place_of_a_subscription_that_waits() -> None:
    outbox = made()
    outbox.subscribe(BOOKS, at(3))
    outbox.renew([BOOKS], T0)
    outbox.to_send.clear()
    outbox.flush(at(3))
    assert said(outbox) == []


def test_held_it_says_nothing() -> None:
    outbox = made()
    outbox.hold(at(10))
    outbox.subscribe(TRADES, T0)
    outbox.unsubscribe(BOOKS)
    outbox.flush(at(9))
    assert outbox.renew([BOOKS], at(9)) == []
    assert said(outbox) == []
    assert outbox.deadline(at(9)) == at(10) == outbox.renewal_at(at(9))


def test_ids_are_letters_and_digits_and_never_the_same() -> None:
    outbox = made()
    for n in range(5):
        outbox.subscribe(TRADES, at(n))
        outbox.flush(at(n))
    ids = [json.loads(text)["id"] for text in outbox.to_send]
    assert len(set(ids)) == 5
    assert all(name.isalnum() and len(name) <= 32 for name in ids)
    assert ack(ids[0], TRADES).startswith(b'{"id":"c1r1"')
