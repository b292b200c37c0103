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


def asking(credentials: Credentials | None = None) -> Outbox:
    return Outbox(1, Subscriptions(), credentials=credentials, now=T0)


def said(speaker: Outbox) -> list[tuple[str, list[str]]]:
    out = [json.loads(text) for text in speaker.outbox]
    speaker.outbox.clear()
    return brief(out)


def many(count: int) -> list[Subscription]:
    return [subscription("trades", f"C{n}-USDT") for n in range(count)]


def test_wishes_go_in_as_few_frames_as_allowed() -> None:
    speaker = asking()
    for item in many(120):
        speaker.want(item, T0)
    speaker.ask(T0)
    assert [len(args) for _, args in said(speaker)] == [50, 50, 20]
    assert speaker.deadline(T0) is None


def test_what_comes_within_a_moment_is_gathered() -> None:
    speaker = asking()
    for n, item in enumerate(many(40)):
        speaker.want(item, at(n / 1000))
        speaker.ask(at(n / 1000))
    assert [len(args) for _, args in said(speaker)] == [1]
    assert speaker.deadline(at(0.04)) == T0 + GATHER
    speaker.ask(T0 + GATHER)
    assert [len(args) for _, args in said(speaker)] == [39]


def test_not_before_it_is_due() -> None:
    speaker = asking()
    speaker.want(TRADES, at(5))
    speaker.ask(T0)
    assert said(speaker) == []
    assert speaker.deadline(T0) == at(5)


def test_goodbyes_come_before_the_subscriptions_that_follow_them() -> None:
    speaker = asking()
    speaker.want(TRADES, T0)
    speaker.part(TRADES)
    speaker.ask(T0)
    assert said(speaker) == [("unsubscribe", ["trades"]), ("subscribe", ["trades"])]


def test_alone_means_one_at_a_time_and_nothing_else_in_flight() -> None:
    registry = Subscriptions()
    speaker = Outbox(1, registry, credentials=None, now=T0)
    for item in (TRADES, BOOKS):
        speaker.want(item, T0, alone=True)
    speaker.ask(T0)
    assert said(speaker) == [("subscribe", ["trades"])]
    assert speaker.deadline(T0) is None, "it waits for an answer, not for time"
    speaker.ask(at(1))
    assert said(speaker) == []
    registry.ack(AckFrame("subscribe", TRADES, "c1r1", ""))
    assert speaker.deadline(at(1)) == at(1)
    speaker.ask(at(1))
    assert said(speaker) == [("subscribe", ["books"])]


def test_the_login_goes_first_and_what_needs_it_waits_for_its_answer() -> None:
    speaker = asking(KEY)
    speaker.want(TICK_BY_TICK, T0)
    speaker.want(TRADES, T0)
    speaker.ask(T0)
    assert said(speaker) == [("login", [""]), ("subscribe", ["trades"])]
    assert speaker.login is Login.ASKED
    assert speaker.deadline(T0) is None
    assert speaker.locked_out == [TICK_BY_TICK]
    speaker.login = Login.DONE
    speaker.ask(at(1))
    assert said(speaker) == [("subscribe", ["books-l2-tbt"])]


def test_nothing_public_asks_for_a_login_unless_okx_wants_one() -> None:
    speaker = asking(KEY)
    speaker.want(TICKERS, T0)
    speaker.ask(T0)
    assert said(speaker) == [("subscribe", ["tickers"])]
    speaker.guard(TICKERS)
    speaker.want(TICKERS, at(1))
    speaker.ask(at(1))
    assert said(speaker) == [("login", [""])]


def test_without_credentials_okx_may_say_no_itself() -> None:
    speaker = asking()
    speaker.want(TICK_BY_TICK, T0)
    speaker.ask(T0)
    assert said(speaker) == [("subscribe", ["books-l2-tbt"])]


def test_a_login_is_tried_again_ever_later_and_not_for_ever() -> None:
    speaker, now, waits = asking(KEY), T0, []
    speaker.want(TICK_BY_TICK, T0)
    speaker.ask(now)
    while speaker.log_in_later(now):
        assert speaker.login is Login.DUE
        due = speaker.deadline(now)
        assert due is not None
        waits.append(round((due - now) / SECOND))
        speaker.ask(due - 1)
        said(speaker)
        now = due
        speaker.ask(now)
        assert said(speaker) == [("login", [""])]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_burst_one_frame_every_fifteen_seconds_and_no_hour_of_waiting() -> None:
    speaker, now, times = asking(), T0, []
    for item in many(600):
        speaker.want(item, now)
        due = speaker.deadline(now)
        assert due is not None
        now = max(now, due)
        speaker.ask(now)
        times.append(now)
    assert len(speaker.outbox) == 600
    waits = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    assert max(waits) <= EVERY_S
    assert times[BURST - 1] - T0 < 30 * SECOND
    for start in times:
        assert sum(start <= time < start + 3600 * SECOND for time in times) <= 480 - RECOVERY_RESERVE


def test_renewals_live_on_the_reserve() -> None:
    speaker = asking()
    for item in many(2000):
        speaker.want(item, T0)
    for n in range(40_000):  # an hour of asking as often as possible
        speaker.want(many(1)[0], at(n / 11))
        speaker.ask(at(n / 11))
    now = at(3600)
    speaker.outbox.clear()
    renewed = sum(bool(speaker.renew([BOOKS], now)) for _ in range(480))
    assert RECOVERY_RESERVE // 2 <= renewed < 60
    assert speaker.renewal_at(now) > now
    assert speaker.budget.left(now) in (0, 1)


def test_what_renewals_have_used_is_not_there_for_others() -> None:
    speaker = asking()
    for _ in range(480 - RECOVERY_RESERVE):
        speaker.budget.take(T0)
    speaker.want(TRADES, T0)
    speaker.ask(T0)
    assert said(speaker) == []
    assert speaker.deadline(T0) == speaker.budget.ready_at(T0, reserve=RECOVERY_RESERVE) > at(3600)
    assert speaker.renew([BOOKS], T0) == [BOOKS]


def test_a_renewal_of_many_never_goes_over_the_limit() -> None:
    speaker = asking()
    for _ in range(477):
        speaker.budget.take(T0)
    assert len(speaker.renew(many(100), T0)) == 50
    assert speaker.budget.left(T0) == 1


def test_a_renewal_takes_the_place_of_a_subscription_that_waits() -> None:
    speaker = asking()
    speaker.want(BOOKS, at(3))
    speaker.renew([BOOKS], T0)
    speaker.outbox.clear()
    speaker.ask(at(3))
    assert said(speaker) == []


def test_held_it_says_nothing() -> None:
    speaker = asking()
    speaker.hold(at(10))
    speaker.want(TRADES, T0)
    speaker.part(BOOKS)
    speaker.ask(at(9))
    assert speaker.renew([BOOKS], at(9)) == []
    assert said(speaker) == []
    assert speaker.deadline(at(9)) == at(10) == speaker.renewal_at(at(9))


def test_ids_are_letters_and_digits_and_never_the_same() -> None:
    speaker = asking()
    for n in range(5):
        speaker.want(TRADES, at(n))
        speaker.ask(at(n))
    ids = [json.loads(text)["id"] for text in speaker.outbox]
    assert len(set(ids)) == 5
    assert all(name.isalnum() and len(name) <= 32 for name in ids)
    assert ack(ids[0], TRADES).startswith(b'{"id":"c1r1"')
