"""Orders: an outcome is proven or UNKNOWN, never guessed; nothing is said twice that could happen twice."""

from __future__ import annotations

import pytest
from tests.support.ordering import BTC, Desk, amend, cancel, limit, push, row
from tests.support.talking import at

from okex_ws.events import OrderRefused, OrderResolved, Verdict
from okex_ws.protocol.orders.tickets import Intent
from okex_ws.wire.orders import OrderError


def test_an_accepted_order_is_confirmed_with_okx_own_id() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.reply()
    assert ticket.outcome is not None
    assert (ticket.outcome.verdict, ticket.outcome.order_id, ticket.outcome.via) == (Verdict.CONFIRMED, "1", "websocket")
    assert desk.sent[0]["args"][0]["instIdCode"] == 123
    assert desk.sent[0]["expTime"] == str(at(5) // 1_000_000)


def test_a_refused_order_says_why_and_what_to_change() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.reply("1", {"sCode": "51008", "sMsg": "Insufficient USDT balance"})
    assert ticket.outcome is not None
    assert (ticket.outcome.verdict, ticket.outcome.code) == (Verdict.REJECTED, "51008")
    assert ticket.outcome.reason == "Insufficient USDT balance"
    assert "transfer funds" in ticket.outcome.advice


def test_an_error_about_the_whole_request_concerns_every_order_of_it() -> None:
    desk = Desk()
    desk.place(limit(), limit())
    desk.reply("60013", msg="Invalid args")
    assert desk.verdicts == [("place", "rejected")] * 2


def test_the_intent_is_written_down_before_the_request_leaves_and_closed_after_the_verdict() -> None:
    desk = Desk()
    orders = desk.orders
    orders.submit([limit()], at(0))
    kinds = [type(action).__name__ for action in orders.actions]
    assert kinds == ["WriteIntent", "SendSocket"]
    desk.settle()
    desk.reply()
    assert [intent.done for intent in desk.written] == [False, True]
    assert desk.written[0].key == desk.written[1].key


def test_a_lost_connection_makes_no_verdict_but_a_read() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.lost()
    assert ticket.outcome is None
    assert (desk.reads[0].path, desk.reads[0].query["clOrdId"]) == ("trade/order", ticket.order.client_order_id)
    desk.found(row(ticket.order.client_order_id))
    assert desk.verdicts == [("place", "confirmed")]
    assert len(desk.sent) == 1


def test_a_push_proves_that_the_order_was_placed() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.feed(push(ticket.order.client_order_id))
    desk.reply()
    assert desk.verdicts == [("place", "confirmed")]


def test_absence_counts_only_after_the_order_expired_and_the_lists_are_read() -> None:
    desk = Desk()
    desk.place()
    desk.lost()
    while desk.now < at(20) and not desk.verdicts:
        if desk.orders.unresolved[0].look is not None and desk.orders.unresolved[0].look.is_reading:
            desk.found(code="51603") if desk.reads[-1].path == "trade/order" else desk.found()
        desk.run((desk.now - at(0)) / 1e9 + 0.25)
    assert desk.verdicts == [("place", "rejected")]
    assert at(6) < desk.now < at(12)
    assert [read.path for read in desk.reads][-3:] == ["trade/order", "trade/orders-pending", "trade/orders-history"]
    assert len(desk.sent) == 1, "never said again unasked"


def test_absence_counts_only_by_okx_s_clock_read_since_the_order_left() -> None:
    desk = Desk()
    desk.ahead_s = None
    desk.place()
    desk.book = []
    desk.lost()
    desk.run(26)
    assert desk.verdicts == [("place", "unknown")], "nothing tells whether it has expired"
    desk.ahead_s = -10
    desk.run(60)
    assert desk.verdicts == [("place", "unknown"), ("place", "rejected")]


def test_what_was_absent_and_turns_up_later_is_corrected_out_loud() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.lost()
    desk.book = []
    desk.found(code="51603")
    desk.run(12)
    assert desk.verdicts == [("place", "rejected")]
    desk.feed(push(ticket.order.client_order_id))
    assert desk.verdicts == [("place", "rejected"), ("place", "confirmed")]
    assert desk.events[-1].late  # type: ignore[attr-defined]


def test_a_change_that_was_accepted_and_never_told_of_is_read_and_corrected_when_it_had_no_effect() -> None:
    for kind, change in (("amend", amend("c1")), ("cancel", cancel("c1"))):
        for has_effect in (True, False):
            desk = Desk()
            after = row("c1", sz="2") if kind == "amend" else row("c1", "canceled")
            desk.book = [after if has_effect else row("c1")]
            (ticket,) = desk.place(change)
            desk.reply()
            desk.run(20)
            told = [(kind, "confirmed")] if has_effect else [(kind, "confirmed"), (kind, "rejected")]
            assert desk.verdicts == told
            assert len(desk.sent) == 1
            assert ticket.look is None


def test_of_two_amendments_the_earlier_is_not_called_undone_because_the_later_is_what_shows() -> None:
    desk = Desk()
    desk.book = [row("c1", sz="3")]
    for size in ("2", "3"):
        desk.place(amend("c1", size))
        desk.reply()
    desk.run(20)
    assert desk.verdicts == [("amend", "confirmed")] * 2


def test_a_cancel_that_a_dead_socket_swallowed_is_said_again_over_rest() -> None:
    desk = Desk()
    desk.book = [row("c1")]
    desk.place(cancel("c1"))
    desk.run(4)
    assert [said["op"] for said in desk.sent] == ["cancel-order"]
    assert [post.path for post in desk.posted] == ["trade/cancel-order"]
    desk.book = [row("c1", "canceled")]
    desk.run(10)
    assert desk.verdicts == [("cancel", "confirmed")]


def test_nobody_answers_and_after_25_seconds_it_is_reported_as_unknown() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.lost()
    for second in range(1, 26):
        desk.found(code="-")
        desk.run(second)
    assert desk.verdicts == [("place", "unknown")]
    desk.run(60)
    desk.found(row(ticket.order.client_order_id, "filled", "1"))
    assert desk.verdicts == [("place", "unknown"), ("place", "confirmed")]
    resolved = desk.events[-1]
    assert isinstance(resolved, OrderResolved)
    assert (resolved.late, resolved.state) == (True, "filled")


def test_said_again_only_when_asked_for_and_under_the_same_id() -> None:
    desk = Desk()
    (ticket,) = desk.place(may_resend=True)
    desk.lost()
    desk.book = []
    desk.found(code="51603")
    desk.run(14)
    assert [said["args"][0]["clOrdId"] for said in desk.sent] == [ticket.order.client_order_id] * 2
    desk.reply("1", {"sCode": "51016"})
    desk.found(row(ticket.order.client_order_id))
    assert desk.verdicts == [("place", "confirmed")]


def test_what_was_reported_as_unknown_is_not_said_again_and_is_rejected_once_it_is_certainly_absent() -> None:
    desk = Desk()
    desk.place(may_resend=True)
    desk.lost()
    for second in range(1, 26):
        desk.found(code="50001")
        desk.run(second)
    assert desk.verdicts == [("place", "unknown")]
    desk.book = []
    desk.found(code="51603")
    desk.run(80)
    assert desk.verdicts == [("place", "unknown"), ("place", "rejected")]
    assert len(desk.sent) == 1
    assert (desk.written[-1].done, desk.orders.is_busy) == (True, False)


def test_an_id_of_another_order_is_refused_for_good_though_that_one_be_the_same_in_all() -> None:
    desk = Desk()
    (ticket,) = desk.place(limit(client_order_id="mine1"))
    desk.reply("1", {"sCode": "51016", "sMsg": "Duplicated clOrdId"})
    desk.feed(push("mine1"))
    assert desk.verdicts == [("place", "rejected")]
    assert ticket.outcome is not None
    assert (ticket.outcome.code, ticket.outcome.order_id) == ("51016", "")
    assert "another client order id" in ticket.outcome.advice


@pytest.mark.parametrize(
    "other", [{"side": "sell"}, {"ordType": "post_only"}, {"sz": "3"}, {"px": "99"}, {"cTime": "1789990000000"}]
)
def test_another_order_of_the_same_id_confirms_nothing_and_hides_nothing(other: dict[str, str]) -> None:
    desk = Desk()
    (ticket,) = desk.place(limit(client_order_id="mine1"), may_resend=True)
    theirs = {"ordType": "limit", "uTime": "1790000000500", **other}
    desk.book = [row("mine1", **theirs)]
    desk.feed(push("mine1", **theirs))
    desk.lost()
    desk.run(14)
    assert len(desk.sent) == 2, "said again, since the first did not arrive"
    desk.reply("1", {"sCode": "51016"})
    desk.run(40)
    assert desk.verdicts == [("place", "rejected")]
    assert ticket.outcome is not None
    assert ticket.outcome.code == "51016"


@pytest.mark.parametrize("by_us", [True, False])
def test_an_order_that_was_amended_before_it_could_be_read_is_still_the_one(by_us: bool) -> None:
    desk = Desk()
    (ticket,) = desk.place(limit(client_order_id="mine1"))
    desk.lost()
    if by_us:
        desk.place(amend("mine1", size="3"))
    changed = "1790000000500" if by_us else "1790000000700"
    desk.orders.looked_up(ticket.number, [row("mine1", sz="3", uTime=changed)], "", desk.now)
    desk.settle()
    assert ("place", "confirmed") in desk.verdicts


def test_an_id_in_use_is_not_sent() -> None:
    desk = Desk()
    desk.place(limit(client_order_id="mine1"))
    with pytest.raises(OrderError, match="in use"):
        desk.place(limit(client_order_id="mine1"))


def test_an_id_twice_in_a_batch_is_not_sent() -> None:
    desk = Desk()
    with pytest.raises(OrderError, match="in use"):
        desk.place(limit(client_order_id="mine1"), limit(client_order_id="mine1"))
    assert desk.sent == []


def test_an_order_whose_turn_came_while_the_process_slept_is_not_sent_at_yesterday_s_price() -> None:
    desk = Desk()
    for _ in range(60):
        desk.place()
    desk.place(second=1.5)
    desk.now = at(600)
    desk.orders.on_deadline(desk.now)
    desk.settle()
    assert len(desk.sent) == 60
    assert [event.rule for event in desk.events if isinstance(event, OrderRefused)] == ["overdue"]


def test_a_cancel_without_an_answer_is_said_again_until_the_order_is_seen_to_be_done() -> None:
    desk = Desk()
    desk.place(cancel("abc"))
    desk.lost()
    desk.found(row("abc"))
    desk.run(1)
    assert ([said["op"] for said in desk.sent], [post.path for post in desk.posted]) == (["cancel-order"], ["trade/cancel-order"])
    desk.feed(push("abc", "canceled"))
    assert desk.verdicts == [("cancel", "confirmed")]


def test_a_cancel_that_came_too_late_is_rejected_with_the_state() -> None:
    desk = Desk()
    (ticket,) = desk.place(cancel("abc"))
    desk.reply("1", {"sCode": "51400", "sMsg": "Cancellation failed"})
    desk.found(row("abc", "filled", "1"))
    assert ticket.outcome is not None
    assert (ticket.outcome.verdict, ticket.outcome.code, ticket.outcome.state) == (Verdict.REJECTED, "51400", "filled")


def test_a_cancel_that_was_accepted_and_lost_the_race_is_corrected() -> None:
    desk = Desk()
    desk.place(cancel("abc"))
    desk.reply()
    desk.feed(push("abc", "filled", "1"))
    assert desk.verdicts == [("cancel", "confirmed"), ("cancel", "rejected")]


def test_an_amendment_is_proven_by_its_own_push() -> None:
    desk = Desk()
    (ticket,) = desk.place(amend("abc"))
    desk.lost()
    desk.feed(push("abc", sz="2", reqId=ticket.order.request_id, amendResult="0"))  # type: ignore[union-attr]
    assert desk.verdicts == [("amend", "confirmed")]


def test_an_amendment_that_was_accepted_and_failed_afterwards_is_corrected() -> None:
    desk = Desk()
    (ticket,) = desk.place(amend("abc"))
    desk.reply()
    desk.feed(push("abc", reqId=ticket.order.request_id, amendResult="-1", code="51511", msg="would take"))  # type: ignore[union-attr]
    assert desk.verdicts == [("amend", "confirmed"), ("amend", "rejected")]


def test_an_amendment_that_never_shows_is_rejected_after_its_expiry_not_before() -> None:
    desk = Desk()
    desk.place(amend("abc"))
    desk.lost()
    desk.book = [row("abc")]
    desk.found(*desk.book)
    desk.run(5.9)
    assert desk.verdicts == []
    desk.run(9)
    assert desk.verdicts == [("amend", "rejected")]


def test_a_stale_number_is_read_anew_and_the_order_said_once_more() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.reply("1", {"sCode": "51001"})
    assert desk.refreshes == [BTC]
    desk.codes[BTC] = 456
    desk.orders.instrument_read(BTC, desk.now)
    desk.settle()
    assert [said["args"][0]["instIdCode"] for said in desk.sent] == [123, 456]
    desk.reply()
    assert desk.verdicts == [("place", "confirmed")]
    assert ticket.attempts == 2


def test_a_number_that_is_refused_though_it_is_the_published_one_leaves_rest_for_this_and_all_later_orders() -> None:
    desk = Desk()
    (ticket,) = desk.place()
    desk.reply("1", {"sCode": "51001"})
    desk.orders.instrument_read(BTC, desk.now)
    desk.settle()
    desk.place()
    assert len(desk.sent) == 1
    assert desk.posted[0].body["clOrdId"] == ticket.order.client_order_id
    assert len(desk.posted) == 2
    desk.orders.rest_answered(desk.posted[0].request_id, "1", "", [{"sCode": "51001", "sMsg": "none such"}], desk.now)
    desk.settle()
    assert desk.verdicts == [("place", "rejected")]


def test_without_a_number_or_a_socket_it_goes_over_rest() -> None:
    desk = Desk()
    desk.codes.clear()
    desk.place()
    desk.codes[BTC], desk.socket = 123, False
    desk.place(amend("abc"))
    assert desk.sent == []
    assert [(post.path, post.body["instId"]) for post in desk.posted] == [("trade/order", BTC), ("trade/amend-order", BTC)]
    assert desk.posted[0].expires_ms == at(5) // 1_000_000
    ids = [post.request_id for post in desk.posted]
    desk.orders.rest_answered(ids[0], "0", "", [{"ordId": "77", "sCode": "0"}], desk.now)
    desk.orders.rest_failed(ids[1], "50011", "too many", desk.now, may_have_happened=False)
    desk.settle()
    assert desk.verdicts == [("place", "confirmed"), ("amend", "rejected")]


def test_a_post_that_may_have_happened_is_looked_up() -> None:
    desk = Desk()
    desk.socket = False
    (ticket,) = desk.place()
    desk.orders.rest_failed(desk.posted[0].request_id, "", "HTTP 502", desk.now, may_have_happened=True)
    desk.settle()
    assert ticket.outcome is None
    desk.found(row(ticket.order.client_order_id))
    assert desk.verdicts == [("place", "confirmed")]


def test_a_batch_has_a_verdict_for_each() -> None:
    desk = Desk()
    tickets = desk.place(limit(), limit(), limit())
    ids = [ticket.order.client_order_id for ticket in tickets]
    desk.reply(
        "2", {"clOrdId": ids[0], "sCode": "0"}, {"clOrdId": ids[1], "sCode": "51008"}, {"clOrdId": ids[2], "sCode": "51149"}
    )
    assert desk.verdicts == [("place", "confirmed"), ("place", "rejected")]
    assert desk.reads[0].query["clOrdId"] == ids[2], "only the one that is not clear is read"


def test_more_than_the_rate_limit_waits_in_turn_and_then_is_refused() -> None:
    desk = Desk()
    for _ in range(70):
        desk.place()
    assert len(desk.sent) == 60
    refused = [event for event in desk.events if isinstance(event, OrderRefused)]
    assert {event.rule for event in refused} == {"rate-limit"}
    assert len(refused) == 10, "2.1 s is more than an order waits"
    desk.place(second=1.5)
    assert len(desk.sent) == 60, "it waits for its turn"
    desk.run(2.2)
    assert len(desk.sent) == 61


def test_cancels_have_room_left_when_everything_else_is_spent() -> None:
    desk = Desk()
    for number in range(60):
        desk.place()
        desk.place(cancel(f"c{number}"))
    normal = sum(said["op"] == "cancel-order" for said in desk.sent)
    for number in range(60):
        desk.place(cancel(f"u{number}"), urgent=True)
    assert normal == 50
    assert sum(said["op"] == "cancel-order" for said in desk.sent) == 60


def test_okx_unavailable_new_orders_are_refused_at_once_and_cancels_are_not() -> None:
    desk = Desk()
    desk.place()
    desk.reply("50013", msg="Systems are busy")
    desk.place()
    desk.place(cancel("abc"))
    assert [said["op"] for said in desk.sent] == ["order", "cancel-order"]
    assert [event.rule for event in desk.events if isinstance(event, OrderRefused)] == ["unavailable"]
    desk.place(second=5.1)
    assert len(desk.sent) == 3


def test_F20_halted_while_its_instrument_is_read_anew_an_order_does_not_leave_again() -> None:
    desk = Desk()
    desk.place()
    desk.reply("1", {"sCode": "51001"})
    desk.orders.is_halted = True
    desk.codes[BTC] = 124
    desk.orders.instrument_read(BTC, desk.now)
    desk.settle()
    assert (len(desk.sent), desk.posted) == (1, [])
    assert desk.verdicts == [("place", "rejected")]


def test_a_guard_s_reason_is_told_rather_than_that_of_the_orders_themselves() -> None:
    desk = Desk()
    desk.orders.is_halted = True
    (ticket,) = desk.place(refusal=("halted", "trading is halted by file: looks wrong", "resume trading first"))
    assert ticket.outcome is not None
    assert ticket.outcome.reason == "trading is halted by file: looks wrong"
    assert not desk.orders.is_busy


def test_when_halted_nothing_new_leaves_not_even_what_waits_for_its_turn() -> None:
    desk = Desk()
    for _ in range(60):
        desk.place()
    desk.place(second=1.5)
    desk.orders.is_halted = True
    desk.orders.refuse_waiting("halted", "halted by hand", "resume", desk.now)
    desk.settle()
    desk.place()
    desk.place(cancel("abc"))
    desk.run(4)
    assert [said["op"] for said in desk.sent] == ["order"] * 60 + ["cancel-order"]
    assert [event.rule for event in desk.events if isinstance(event, OrderRefused)] == ["halted", "halted"]


def test_a_former_process_intents_are_resolved_and_never_placed_again() -> None:
    desk = Desk()
    desk.book = []
    intents = [
        Intent("old-1", limit(client_order_id="old1"), at(-60), at(-55)),
        Intent("old-2", limit(client_order_id="old2"), at(-60), at(-55)),
    ]
    desk.orders.adopt(intents, desk.now)
    desk.feed(push("old2", "partially_filled", "0.5", cTime="1789999941000"))
    desk.settle()
    desk.run(10)
    assert sorted(desk.verdicts) == [("place", "confirmed"), ("place", "rejected")]
    assert desk.sent == []
    assert {intent.key for intent in desk.written if intent.done} == {"old-1", "old-2"}


def test_memory_is_bounded() -> None:
    desk = Desk()
    for number in range(300):
        desk.place(cancel(f"c{number}"), second=number)
        desk.reply()
        desk.run(number)
    desk.run(2000)
    assert len(desk.orders._index) == 0
    assert desk.orders._index.requests == {}
    assert desk.orders.deadline() is None
