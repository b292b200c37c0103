"""Row F: the order path. Every test ends by comparing what the client believes with the exchange's own ledger."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.support.trading_client import exchange, trading_client
from tests.support.virtual import World
from tests.support.virtual_trading import SPOT, Trader, best, ledger, restart, trading

import okex_ws
from okex_ws.events import OrderRefused, OrderResolved, OrderUpdate, Verdict
from okex_ws.protocol.orders.tickets import Outcome, Ticket
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey, Rules
from okex_ws.simulator.server import Server
from okex_ws.wire.orders import CancelOrder, PlaceOrder


def outcome(ticket: Ticket) -> Outcome:
    assert ticket.outcome is not None, f"no verdict: {ticket.reason}"
    return ticket.outcome


def resting(world: World) -> str:
    """A price far below the market."""
    return str(best(world)[0] - 500)


def crossing(world: World) -> str:
    return str(best(world)[1])


def strangers_order(world: World, client_order_id: str, *, size: str, price: str) -> None:
    """Another program of the account places an order under that id."""
    other = {"side": "buy", "order_type": "limit", "size": Decimal(size), "price": Decimal(price)}
    world.exchange.engine.place(DEMO_KEY.uid, NewOrder(instrument=SPOT, client_order_id=client_order_id, **other), world.there)


def placed(world: World, ticket: Ticket) -> int:
    """How many orders the exchange has of this one: never more than one."""
    return len(ledger(world).get(ticket.order.client_order_id, []))


def after_run(world: World, ticket: Ticket, seconds: float) -> Outcome:
    world.run(seconds)
    return outcome(ticket)


# -- F1 to F6: is it there? ---------------------------------------------------------------------------------------------


def test_F1_a_connection_that_dies_before_the_ack_leaves_no_doubt_behind() -> None:
    world, trader = trading("order_then_drop times=1 action=order")
    ticket = trader.place("0.01", resting(world))
    world.run(0.011)
    assert ticket.outcome is None, "neither placed nor not"
    made = after_run(world, ticket, 5)
    assert (made.verdict, made.via, placed(world, ticket)) == (Verdict.CONFIRMED, "lookup", 1)


@pytest.mark.parametrize("code", ["50004", "51054", "51149", "50026"])
@pytest.mark.parametrize("obey", [0, 1])
def test_F2_an_answer_that_means_neither_success_nor_failure_is_looked_into(code: str, obey: int) -> None:
    world, trader = trading(f"order_answer code={code} obey={obey} times=1")
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 15)
    assert made.verdict is (Verdict.CONFIRMED if obey else Verdict.REJECTED)
    assert placed(world, ticket) == obey


@pytest.mark.parametrize("obey", [0, 1])
def test_F2_over_rest_a_502_is_looked_into(obey: int) -> None:
    world, trader = trading(f"order_answer code=50026 status=502 obey={obey} times=1")
    trader.client.lines["private/0"].sessions.clear()  # the socket cannot take it
    trader.client.lines["private/0"]._primary = None
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 15)
    assert made.verdict is (Verdict.CONFIRMED if obey else Verdict.REJECTED)
    assert placed(world, ticket) == obey


def test_F3_what_never_arrived_is_absent_for_certain_only_after_its_expiry_and_is_not_sent_again() -> None:
    world, trader = trading("order_lost times=1")
    ticket = trader.place("0.01", resting(world))
    world.run(6)
    assert ticket.outcome is None, "it could still arrive"
    made = after_run(world, ticket, 9)
    assert (made.verdict, made.via, placed(world, ticket)) == (Verdict.REJECTED, "lookup", 0)
    assert "never arrived" in made.reason


def test_F3_sent_again_when_asked_for_under_the_same_id() -> None:
    world, trader = trading("order_lost times=1")
    ticket = trader.place("0.01", resting(world), may_resend=True)
    made = after_run(world, ticket, 15)
    assert (made.verdict, placed(world, ticket), ticket.attempts) == (Verdict.CONFIRMED, 1, 2)


def test_F4_an_order_that_is_not_shown_at_first_is_not_taken_for_absent() -> None:
    world, trader = trading("order_then_drop times=1 action=order", "hide_order lookups=5", "mute channel=orders")
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 15)
    assert (made.verdict, placed(world, ticket)) == (Verdict.CONFIRMED, 1)


def test_F5_a_duplicate_id_on_sending_again_means_that_the_first_one_lives() -> None:
    # It is on its way for so long that every look for it comes too early.
    world, trader = trading("slow_order seconds=4 inside=1 times=1", "hide_order lookups=9", "mute channel=orders")
    ticket = trader.place("0.01", resting(world), may_resend=True)
    made = after_run(world, ticket, 25)
    assert (made.verdict, placed(world, ticket)) == (Verdict.CONFIRMED, 1)


def test_F5_of_two_programs_with_one_id_only_the_one_whose_order_it_is_is_told_so() -> None:
    world, trader = trading("order_then_drop times=1 action=order at=10s")
    strangers_order(world, "quote1", size="0.03", price=resting(world))
    refused = trader.place("0.01", resting(world), client_order_id="quote1")
    made = after_run(world, refused, 1)
    assert (made.verdict, made.code, made.order_id) == (Verdict.REJECTED, "51016", "")
    world.run(9)
    strangers_order(world, "quote2", size="0.03", price=resting(world))
    unheard = trader.place("0.01", resting(world), client_order_id="quote2")
    assert after_run(world, unheard, 20).verdict is Verdict.REJECTED
    assert [order.size for orders in ledger(world).values() for order in orders] == [Decimal("0.03")] * 2


def test_F6_ids_are_never_used_again_not_even_after_a_restart() -> None:
    world, trader = trading()
    for _ in range(20):
        trader.place("0.01", resting(world))
    world.run(1)
    again = restart(world, trader, run=2)
    world.run(2)
    for _ in range(20):
        again.place("0.01", resting(world))
    world.run(1)
    made = ledger(world)
    assert len(made) == 40
    assert all(len(orders) == 1 for orders in made.values())


# -- F7 to F9: what happens to it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order_push", ["after_ack", "before_ack", "mixed"])
def test_F7_ack_and_pushes_in_any_order_end_in_the_exchange_s_own_state(order_push: str) -> None:
    rules = Rules(order_push=order_push)  # type: ignore[arg-type]
    world, trader = trading("overtaken channel=orders every=3 seconds=0.4", rules=rules)
    low, high = resting(world), crossing(world)
    tickets = [trader.place("0.01", low if number % 2 else high) for number in range(10)]
    world.run(0.05)
    trader.cancel(*tickets[1::2])
    world.run(5)
    assert [outcome(ticket).verdict for ticket in tickets] == [Verdict.CONFIRMED] * 10
    assert agrees(world, trader)


def test_F8_an_update_told_twice_counts_once_and_two_of_one_instant_count_both() -> None:
    world, trader = trading("restated_order channel=orders every=2", "duplicate channel=orders every=3")
    tickets = [trader.place("0.01", crossing(world)) for _ in range(6)]
    world.run(3)
    updates = [event for event in world.client.events if isinstance(event, OrderUpdate)]
    assert len({(e.order_id, e.state) for e in updates}) < len(updates), "there were repeats"
    assert [outcome(ticket).verdict for ticket in tickets] == [Verdict.CONFIRMED] * 6
    assert agrees(world, trader)


def test_F9_fills_during_a_disconnect_are_fetched_and_add_up() -> None:
    world, trader = trading("abort at=5s", "refuse_connect at=5s for=8s")
    tickets = [trader.place("0.01", str(best(world)[0])) for _ in range(4)]
    world.run(20)
    assert trader.account.is_live
    assert [outcome(ticket).verdict for ticket in tickets] == [Verdict.CONFIRMED] * 4
    assert agrees(world, trader)


def test_F9_orders_whose_end_is_never_pushed_are_found_out() -> None:
    world, trader = trading("drop channel=orders action=filled", "drop channel=orders action=canceled")
    filled, rests = trader.place("0.01", crossing(world)), trader.place("0.01", resting(world))
    world.run(3)
    assert trader.account.orders.get(outcome(filled).order_id).state == "filled"  # type: ignore[union-attr]
    assert agrees(world, trader), "the balance told of its trade"
    floor = world.exchange.engine
    (theirs,) = floor.open_orders(DEMO_KEY.uid)
    floor.cancel(DEMO_KEY.uid, theirs, world.now)
    world.run(60)
    assert trader.account.orders.get(outcome(rests).order_id).state == "canceled"  # type: ignore[union-attr]
    assert agrees(world, trader), "by hand, from elsewhere: nothing told of it"


# -- F10 to F12: what is refused ----------------------------------------------------------------------------------------


def test_F10_a_cancel_of_what_is_filled_or_unknown_and_an_amend_too_late_are_typed_and_the_state_is_read() -> None:
    world, trader = trading()
    filled = trader.place("0.01", crossing(world))
    world.run(1)
    (too_late,) = trader.cancel(filled)
    amended = trader.amend(filled, size="0.02")
    (stranger,) = trader.submit(CancelOrder(instrument=SPOT, client_order_id="nobody1"))
    world.run(12)
    assert (outcome(too_late).verdict, outcome(too_late).code, outcome(too_late).state) == (Verdict.REJECTED, "51400", "filled")
    assert (outcome(amended).verdict, outcome(amended).code, outcome(amended).state) == (Verdict.REJECTED, "51503", "filled")
    assert (outcome(stranger).verdict, outcome(stranger).code) == (Verdict.REJECTED, "51400")


def test_F10_an_amendment_accepted_and_failed_afterwards_is_corrected() -> None:
    world, trader = trading("amend_fails times=1 action=amend")
    ticket = trader.place("0.01", resting(world))
    world.run(1)
    amended = trader.amend(ticket, size="0.02")
    world.run(2)
    verdicts = [e.verdict for e in world.client.events if isinstance(e, OrderResolved) and e.ticket == amended.number]
    assert verdicts[-1] is Verdict.REJECTED
    assert ledger(world)[ticket.order.client_order_id][0].size == Decimal("0.01")


def test_F10_a_number_the_exchange_does_not_know_sends_the_order_over_rest() -> None:
    world, trader = trading("code_unknown")
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 5)
    assert (made.verdict, made.via, placed(world, ticket)) == (Verdict.CONFIRMED, "rest", 1)


def test_F11_a_batch_of_which_some_fail_has_a_verdict_for_each() -> None:
    world, trader = trading("order_refused nth=2 code=51008", "order_refused nth=3 code=51149 obey=1")
    price = Decimal(resting(world))
    orders = [PlaceOrder(instrument=SPOT, side="buy", size=Decimal("0.01"), price=price) for _ in range(4)]
    tickets = trader.submit(*orders)
    world.run(12)
    verdicts = [(outcome(ticket).verdict, outcome(ticket).code, placed(world, ticket)) for ticket in tickets]
    yes, no = (Verdict.CONFIRMED, "", 1), (Verdict.REJECTED, "51008", 0)
    assert verdicts == [yes, no, yes, yes]


def test_F12_orders_beyond_the_limit_wait_or_are_refused_here_and_okx_never_has_to() -> None:
    world, trader = trading()
    tickets = [trader.place("0.01", resting(world)) for _ in range(100)]
    world.run(1.5)
    tickets += [trader.place("0.01", resting(world)) for _ in range(30)]
    world.run(5)
    codes = {outcome(ticket).code for ticket in tickets}
    assert codes <= {"", "rate-limit"}, "no 50011 came back"
    refused = [event for event in world.client.events if isinstance(event, OrderRefused)]
    assert len(refused) == 40
    assert sum(placed(world, ticket) for ticket in tickets) == 90


@pytest.mark.parametrize("code", ["50011", "50061"])
def test_F12_found_too_frequent_all_the_same_it_holds_back_and_cancels_go_on(code: str) -> None:
    world, trader = trading(f"order_refused code={code} times=1")
    first = trader.place("0.01", resting(world))
    world.run(0.1)
    assert outcome(first).code == code
    later = trader.place("0.01", resting(world))
    world.run(5)
    assert outcome(later).reason.startswith("place of BTC-USDT would have to wait")
    last = trader.place("0.01", resting(world))
    world.run(1)
    (gone,) = trader.cancel(last)
    world.run(1)
    assert (outcome(last).verdict, outcome(gone).verdict) == (Verdict.CONFIRMED, Verdict.CONFIRMED)


# -- F15, F16, F21 to F23 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["before the record", "after the record", "after the send"])
@pytest.mark.parametrize("action", ["place", "cancel", "batch"])
def test_F15_killed_at_any_step_the_next_process_settles_everything_and_places_nothing_twice(step: str, action: str) -> None:
    world, trader = trading()
    earlier = trader.place("0.01", resting(world))
    world.run(1)

    def die(at: str) -> None:
        if at == step and not trader.client.is_gone:
            trader.client.kill()

    trader.on_step = die
    if action == "place":
        trader.place("0.01", resting(world))
    elif action == "cancel":
        trader.cancel(earlier)
    else:
        price = Decimal(resting(world))
        trader.submit(*(PlaceOrder(instrument=SPOT, side="buy", size=Decimal("0.01"), price=price) for _ in range(3)))
    assert trader.client.is_gone
    again = restart(world, trader, run=2)
    world.run(20)
    assert again.kept == {}, "every intent is settled"
    assert all(len(orders) == 1 for orders in ledger(world).values())
    assert again.account.is_live
    assert agrees(world, again)
    for ticket in again.tickets:
        if ticket.kind == "place":
            assert outcome(ticket).is_confirmed == (placed(world, ticket) == 1)


def test_F16_an_order_that_comes_later_than_its_expiry_is_refused_by_the_exchange() -> None:
    world, trader = trading("slow_order seconds=6 times=1")
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 20)
    assert (made.verdict, placed(world, ticket)) == (Verdict.REJECTED, 0)
    in_time = trader.place("0.01", resting(world))
    assert after_run(world, in_time, 1).verdict is Verdict.CONFIRMED


def test_F16_delayed_but_in_time_it_is_confirmed_whatever_was_thought_meanwhile() -> None:
    world, trader = trading("slow_order seconds=4.5 times=1")
    ticket = trader.place("0.01", resting(world))
    made = after_run(world, ticket, 20)
    assert (made.verdict, placed(world, ticket)) == (Verdict.CONFIRMED, 1)


@pytest.mark.parametrize("ahead_s", [-20, 20])
def test_F21_by_a_clock_that_is_off_by_less_than_a_login_notices_nothing_is_called_absent_too_early(ahead_s: int) -> None:
    world, trader = trading("slow_order seconds=4.5 times=1", "order_then_drop action=order at=20s times=1", ahead_s=ahead_s)
    slow = trader.place("0.01", resting(world))
    assert (after_run(world, slow, 20).verdict, placed(world, slow)) == (Verdict.CONFIRMED, 1)
    lost = trader.place("0.01", resting(world))
    assert (after_run(world, lost, 5).verdict, placed(world, lost)) == (Verdict.CONFIRMED, 1)
    assert [e.late for e in world.client.events if isinstance(e, OrderResolved)] == [False, False]


def test_F21_nor_is_it_taken_for_an_earlier_order_of_that_id() -> None:
    world, trader = trading("clock_skew seconds=20", "order_then_drop action=order times=1")
    lost = trader.place("0.01", resting(world))
    assert (after_run(world, lost, 20).verdict, placed(world, lost)) == (Verdict.CONFIRMED, 1)


def test_F21_a_late_order_of_a_clock_that_is_behind_is_refused_as_any_other() -> None:
    world, trader = trading("slow_order seconds=10 times=1", ahead_s=-20)
    ticket = trader.place("0.01", resting(world))
    assert (after_run(world, ticket, 20).verdict, placed(world, ticket)) == (Verdict.REJECTED, 0)


def test_F21_a_clock_that_is_set_ahead_meanwhile_costs_one_order_and_one_look_at_it() -> None:
    world, trader = trading("clock_skew seconds=8 at=4s")
    world.run(5)
    known = trader.clock.measured
    first = trader.place("0.01", resting(world))
    made = after_run(world, first, 1)
    assert (made.verdict, made.code, placed(world, first)) == (Verdict.REJECTED, "50036", 0)
    second = trader.place("0.01", resting(world))
    assert after_run(world, second, 1).verdict is Verdict.CONFIRMED
    assert trader.clock.measured == known + 1


def test_F21_a_clock_that_is_set_back_meanwhile_takes_longer_to_call_an_order_absent() -> None:
    world, trader = trading("clock_skew seconds=-8 at=4s", "slow_order seconds=10 times=1")
    world.run(5)
    ticket = trader.place("0.01", resting(world))
    assert (after_run(world, ticket, 20).verdict, placed(world, ticket)) == (Verdict.CONFIRMED, 1)
    assert [e.verdict for e in world.client.events if isinstance(e, OrderResolved)] == [Verdict.CONFIRMED]


def test_F23_while_okx_is_under_maintenance_orders_are_refused_fast_and_afterwards_they_go() -> None:
    world, trader = trading("maintenance at=3s for=300s")
    world.run(2)
    for second in range(10):
        ticket = trader.place("0.01", resting(world))
        world.run(0.5)
        assert outcome(ticket).verdict is Verdict.REJECTED, second
    sent = [ticket for ticket in trader.tickets if outcome(ticket).via != "here"]
    assert len(sent) <= 2, "the others were refused here"
    world.run(300)
    ticket = trader.place("0.01", resting(world))
    assert after_run(world, ticket, 2).verdict is Verdict.CONFIRMED


# -- what must hold whatever happens ------------------------------------------------------------------------------------


def test_nobody_answers_and_within_30_seconds_the_caller_is_told_so_and_later_the_truth() -> None:
    world, trader = trading("order_then_drop times=1 action=order", "refuse_connect at=2s for=60s")
    trader.rest_is_cut = True
    ticket = trader.place("0.01", resting(world))
    world.run(30)
    assert (outcome(ticket).verdict, "do not send it again" in outcome(ticket).advice) == (Verdict.UNKNOWN, True)
    trader.rest_is_cut = False
    made = after_run(world, ticket, 90)
    assert (made.verdict, placed(world, ticket)) == (Verdict.CONFIRMED, 1)
    told = [event for event in world.client.events if isinstance(event, OrderResolved)]
    assert [(event.verdict, event.late) for event in told] == [(Verdict.UNKNOWN, False), (Verdict.CONFIRMED, True)]


def test_reads_keep_to_their_own_limit_when_a_hundred_orders_are_in_doubt() -> None:
    world, trader = trading("abort at=4s")
    price = Decimal(resting(world))
    world.run(1.99)
    for _ in range(5):
        trader.submit(*(PlaceOrder(instrument=SPOT, side="buy", size=Decimal("0.001"), price=price) for _ in range(20)))
    world.run(25)
    assert all(outcome(ticket).verdict is not Verdict.UNKNOWN for ticket in trader.tickets)
    assert all(outcome(t).is_confirmed == (placed(world, t) == 1) for t in trader.tickets)


def agrees(world: World, trader: Trader) -> bool:
    """Whether the client's picture is the exchange's: every order's state, filled size and fills, and the balances."""
    return trader.differences() == []


# -- over real sockets: clocks and keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [40, -40, 7, -20])
def test_F21_a_clock_that_is_off_is_corrected_once_and_orders_expire_by_okx_s(skew: int) -> None:
    async def main() -> tuple[Outcome, int]:
        made = exchange(f"clock_skew seconds={skew}")
        async with Server(made) as server, asyncio.timeout(120), trading_client(server) as client:
            await client.ready()
            placed = await client.orders.place(SPOT, "buy", "0.01", price="50000")
            return placed, len(server.exchange.engine.orders(DEMO_KEY.uid))

    made, count = asyncio.run(main())
    assert (made.verdict, count) == (Verdict.CONFIRMED, 1)


def test_F21_a_wrong_secret_is_refused_once_and_no_order_is_tried() -> None:
    async def main() -> tuple[str, list[Any]]:
        wrong = ApiKey(DEMO_KEY.key, "another-secret", DEMO_KEY.passphrase)
        async with Server(exchange()) as server, asyncio.timeout(120), trading_client(server, wrong) as client:
            with pytest.raises(okex_ws.LoginRefusedError) as refused:
                await client.ready()
            return str(refused.value), list(server.exchange.engine.orders(DEMO_KEY.uid))

    text, orders = asyncio.run(main())
    assert "60007" in text
    assert "check the secret" in text
    assert orders == []


@pytest.mark.parametrize("demo", [False, True])
def test_F22_a_key_of_the_other_environment_is_refused_at_the_start_with_what_to_change(demo: bool) -> None:
    async def main() -> str:
        made, key = exchange(rules=Rules(demo=demo)), DEMO_KEY if demo else DEMO_TRADING_KEY
        async with Server(made) as server, asyncio.timeout(120), trading_client(server, key) as client:
            with pytest.raises(okex_ws.LoginRefusedError) as refused:
                await client.ready()
            return str(refused.value)

    assert "environment the key is of" in asyncio.run(main())
