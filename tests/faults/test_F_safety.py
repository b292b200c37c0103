"""Row F, what keeps an account from harm: F13, F14, F17 to F20. Every test ends by looking at the exchange's own ledger."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import Any

import pytest
from tests.support.trading_client import exchange, trading_client
from tests.support.virtual import START, World
from tests.support.virtual_risk import GuardedTrader, guarded
from tests.support.virtual_trading import SPOT, SPREAD, SWAP, best, killed, ledger

import okex_ws
from okex_ws.events import (
    AccountQuality,
    BookSnapshot,
    Halted,
    OrderRefused,
    OrderUpdate,
    SafetyOverridden,
    SwitchArmed,
    SwitchFailed,
    Verdict,
)
from okex_ws.market.sizing import SizeError
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.cancel_all_after import CancelAllAfter
from okex_ws.protocol.risk.limits import Limits
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY
from okex_ws.simulator.server import Server
from okex_ws.wire.channels import subscription
from okex_ws.wire.codes import cancel_reason
from okex_ws.wire.orders import AmendOrder, CancelOrder, PlaceOrder

D = Decimal
FREE = Limits(price_distance=None, orders_per_second=None, open_orders=None, trip_after=None)


def resting(world: World, below: str = "500") -> str:
    return str(best(world)[0] - D(below))


def crossing(world: World) -> str:
    return str(best(world)[1] + 5)


def open_there(world: World) -> list[Any]:
    """Open orders by the exchange's own book."""
    return list(world.exchange.engine.open_orders(DEMO_KEY.uid))


def states(world: World) -> list[str]:
    return sorted(order.state for orders in ledger(world).values() for order in orders)


def refusals(trader: GuardedTrader) -> list[str]:
    return [event.rule for event in trader.client.events if isinstance(event, OrderRefused)]


def told(trader: GuardedTrader, kind: type) -> list[Any]:
    return [event for event in trader.client.events if isinstance(event, kind)]


def strangers_order(world: World) -> Any:
    """Another program of the account, or its owner by hand, places an order that rests."""
    other = {"side": "buy", "order_type": "limit", "size": D("0.01"), "price": D(resting(world))}
    return world.exchange.engine.place(DEMO_KEY.uid, NewOrder(instrument=SPOT, **other), world.now)


def cut_everything(world: World, trader: GuardedTrader) -> None:
    """Neither sockets nor REST reach the exchange any more, and nobody says so."""
    trader.rest_is_cut = True
    for wire in world.client.wires.values():
        wire.is_frozen = True


# -- F13: disconnected with live orders ------------------------------------------------------------


def test_F13_the_first_live_order_arms_the_switch_within_a_second_and_the_last_one_disarms_it() -> None:
    world, trader = guarded()
    assert world.exchange.trading.cancel_all_after.armed == {}
    first = trader.place("0.01", resting(world))
    world.run(0.5)
    assert world.exchange.trading.cancel_all_after.armed[DEMO_KEY.uid, ""] > world.now + 29 * SECOND
    assert [(event.timeout_s, event.until > world.now) for event in told(trader, SwitchArmed)] == [(30, True)]
    world.run(60)
    assert len(open_there(world)) == 1, "renewed"
    times = [second for second, _ in trader.arms]
    assert max(b - a for a, b in itertools.pairwise(times)) < 6
    trader.cancel(first)
    world.run(10)
    assert world.exchange.trading.cancel_all_after.armed == {}
    assert trader.arms[-1][1] == 0
    assert told(trader, SwitchFailed) == []


def test_F13_a_lost_connection_cancels_nothing_and_no_order_leaves_before_the_account_is_read_anew() -> None:
    world, trader = guarded("abort path=private at=10", "refuse_connect path=private at=10 for=40")
    trader.place("0.01", resting(world))
    world.run(20)
    assert not trader.account.is_live
    early = trader.place("0.01", resting(world))
    assert early.outcome is not None
    assert (early.outcome.verdict, refusals(trader)) == (Verdict.REJECTED, ["account"])
    world.run(60)
    assert len(open_there(world)) == 1, "the switch is renewed over REST all the while"
    assert trader.account.is_live
    qualities = [event.quality for event in told(trader, AccountQuality)]
    assert qualities[-3:] == ["STALE", "RECONCILING", "LIVE"]
    late = trader.place("0.01", resting(world))
    world.run(1)
    assert late.outcome is not None
    assert late.outcome.is_confirmed
    assert trader.settled_differences() == []


def test_F13_overridden_it_leaves_all_the_same_and_that_is_told() -> None:
    world, trader = guarded("abort path=private at=10", "refuse_connect path=private at=10 for=40")
    world.run(20)
    order = PlaceOrder(instrument=SPOT, side="buy", size=D("0.01"), price=D(resting(world)))
    (ticket,) = trader.submit(order, override="a hedge that cannot wait")
    world.run(1)
    assert ticket.outcome is not None
    assert (ticket.outcome.verdict, ticket.outcome.via) == (Verdict.CONFIRMED, "rest")
    assert [(event.rule, event.reason) for event in told(trader, SafetyOverridden)] == [("account", "a hedge that cannot wait")]
    assert len(open_there(world)) == 1


def test_F13_a_process_that_is_gone_leaves_no_order_behind() -> None:
    world, trader = guarded()
    for _ in range(5):
        trader.place("0.01", resting(world))
    world.run(3)
    assert len(open_there(world)) == 5
    trader.client.kill()
    world.run(31)
    assert open_there(world) == []
    assert {order.cancel_source for orders in ledger(world).values() for order in orders} == {"20"}


def test_F13_a_refused_duplicate_leaves_the_first_order_of_that_id_covered() -> None:
    world, trader = guarded(limits=Limits(order_size=D("0.05")))
    first = trader.place("0.01", resting(world))
    world.run(40)
    name = first.order.client_order_id
    for size in ("0.02", "0.06"):  # one is refused by OKX, one by the limits
        again = PlaceOrder(instrument=SPOT, side="buy", size=D(size), price=D(resting(world)), client_order_id=name)
        (ticket,) = trader.submit(again)
        world.run(40)
        assert ticket.outcome is not None
        assert ticket.outcome.verdict is Verdict.REJECTED
        assert world.exchange.trading.cancel_all_after.armed != {}, size
    assert [order.client_order_id for order in open_there(world)] == [name]


def test_F13_for_other_programs_orders_nothing_is_armed_so_they_outlive_a_client_that_placed_none() -> None:
    world, trader = guarded()
    theirs = [strangers_order(world) for _ in range(2)]
    world.run(3)
    assert len(trader.account.orders) == 2
    trader.submit(CancelOrder(instrument=SPOT, order_id=theirs[0].order_id))
    trader.place("0.01", str(best(world)[1]), order_type="ioc")
    world.run(40)
    assert trader.arms == []
    assert [order.order_id for order in open_there(world)] == [theirs[1].order_id]
    own = trader.place("0.01", resting(world))
    world.run(1)
    assert world.exchange.trading.cancel_all_after.armed != {}
    trader.cancel(own)
    world.run(10)
    assert world.exchange.trading.cancel_all_after.armed == {}, "let go though their order rests"


def test_F13_nor_a_spread_order_which_has_a_switch_of_its_own() -> None:
    market = SeededMarket(7, start=START, instruments=[SPOT, SWAP, SPREAD], rate=0.1, levels=10)
    world, trader = guarded(switch=CancelAllAfter(is_spread=True), market=market)
    world.client.want(subscription("sprd-orders", None))
    wish = PlaceOrder(instrument=SPREAD, is_spread=True, side="buy", size=Decimal(1), price=Decimal(-500))
    (ticket,) = trader.submit(wish)
    world.run(60)
    assert ticket.outcome is not None
    assert ticket.outcome.is_confirmed
    spreads = world.exchange.trading.spreads
    assert [order.state for order in spreads.orders(DEMO_KEY.uid)] == ["live"], "renewed"
    assert [(event.timeout_s, event.is_spread) for event in told(trader, SwitchArmed)] == [(30, True)]
    assert world.exchange.trading.cancel_all_after.armed == {}
    killed(world, trader, run=2)
    world.run(31)
    assert [(order.state, order.cancel_source) for order in spreads.orders(DEMO_KEY.uid)] == [("canceled", "20")]


def test_F13_a_stale_book_stops_orders_of_its_instrument_and_no_other() -> None:
    world, trader = guarded("abort path=public at=3", "refuse_connect path=public at=3 for=20", limits=FREE)
    world.run(3)
    assert not world.client.books.get(SPOT).is_live
    trader.place("0.01", "50000")
    trader.place("1", "50000", instrument=SWAP)
    world.run(1)
    assert refusals(trader) == ["book"]
    assert [order.instrument for order in open_there(world)] == [SWAP]


# -- F14: the heartbeat fails ----------------------------------------------------------------------


def test_F14_when_okx_does_not_hear_the_heartbeat_trading_halts_and_everything_is_canceled_over_the_socket() -> None:
    world, trader = guarded()
    for _ in range(3):
        trader.place("0.01", resting(world))
    world.run(4)
    trader.rest_is_cut = True
    world.run(20)
    assert trader.pre_trade.is_halted
    assert [event.by for event in told(trader, Halted)] == ["cancel-all-after"], "one alarm"
    failures = [event.failures for event in told(trader, SwitchFailed)]
    assert failures[:3] == [1, 2, 3]
    assert open_there(world) == []
    assert {order.cancel_source for orders in ledger(world).values() for order in orders} == {"1"}, "by us, not by the timer"
    trader.place("0.01", resting(world))
    world.run(1)
    assert refusals(trader) == ["halted"]
    assert states(world) == ["canceled"] * 3


def test_F14_with_nothing_to_be_heard_over_okx_cancels_by_itself_and_the_first_chance_is_taken() -> None:
    world, trader = guarded()
    for _ in range(3):
        trader.place("0.01", resting(world))
    world.run(4)
    cut_everything(world, trader)
    world.run(40)
    assert trader.pre_trade.is_halted
    assert open_there(world) == []
    assert {order.cancel_source for orders in ledger(world).values() for order in orders} == {"20"}
    trader.rest_is_cut = False
    world.run(60)
    assert trader.settled_differences() == [], "and once it is heard again it knows"
    trader.resume("looked at")
    made = trader.place("0.01", resting(world))
    world.run(2)
    assert made.outcome is not None
    assert made.outcome.is_confirmed
    assert trader.arms[-1][1] == 30
    assert (DEMO_KEY.uid, "") in world.exchange.trading.cancel_all_after.armed


def test_F14_an_order_that_the_heartbeat_can_never_cover_is_taken_back() -> None:
    """REST was never there: the first order cannot be armed for, and is canceled within seconds."""
    world, trader = guarded()
    trader.rest_is_cut = True
    trader.place("0.01", resting(world))
    world.run(1)
    assert len(open_there(world)) == 1
    world.run(13)
    assert open_there(world) == []
    assert trader.pre_trade.is_halted


@pytest.mark.parametrize("error", ["status=503 code=50001", "status=429 code=50011"])
def test_F14_a_heartbeat_that_fails_for_some_seconds_stops_nobody(error: str) -> None:
    world, trader = guarded(f"rest_error {error} target=*cancel-all-after* at=10s for=12s")
    trader.place("0.01", resting(world))
    world.run(19)
    assert len(told(trader, SwitchFailed)) > 3
    world.run(60)
    assert not trader.pre_trade.is_halted
    assert len(open_there(world)) == 1


def test_F14_nor_does_one_that_fails_before_the_first_order() -> None:
    world, trader = guarded("rest_error status=503 code=50001 target=*cancel-all-after* at=0s for=8s")
    trader.place("0.01", resting(world))
    world.run(60)
    assert told(trader, Halted) == []
    assert len(open_there(world)) == 1


# -- F17: sizes and prices -------------------------------------------------------------------------


def test_F17_what_the_instrument_does_not_take_is_refused_here_and_nothing_is_sent() -> None:
    async def main() -> tuple[list[str], list[Any]]:
        rules: list[str] = []
        async with Server(exchange()) as server, asyncio.timeout(120), trading_client(server) as client:
            await client.ready()
            wrong: tuple[tuple[Any, Any], ...] = (
                (0.01, "60000"),
                ("0.01", 60000.0),
                ("1e-07", "60000"),
                ("-1", "60000"),
                ("0", "60000"),
                ("0.01", "-5"),
                ("0.01", "0"),
                ("NaN", "60000"),
                ("0.01", "1e99"),
                ("99999999", "60000"),
            )
            for size, price in wrong:
                with pytest.raises(SizeError) as caught:
                    await client.orders.place(SPOT, "buy", size, price=price)
                rules.append(caught.value.rule)
            for unknown in ("BTC-USD", "NO-SUCH"):
                with pytest.raises(KeyError, match="no instrument is called"):
                    await client.orders.place(unknown, "buy", "0.01", price="60000")
            return rules, list(server.exchange.engine.orders(DEMO_KEY.uid))

    rules, orders = asyncio.run(main())
    assert rules == ["exact", "exact", "min_size", "size", "size", "price", "price", "exact", "exact", "max_limit_notional"]
    assert orders == []


def test_F17_a_price_between_ticks_goes_to_the_safe_side_and_is_written_without_an_exponent() -> None:
    async def main() -> list[Any]:
        async with Server(exchange()) as server, asyncio.timeout(120), trading_client(server) as client:
            await client.ready()
            low = int(client_price(server) * D("0.97"))
            for side, price in (("buy", f"{low}.0999"), ("sell", f"{low * 106 // 100}.0001")):
                assert (await client.orders.place(SPOT, side, "0.0123456789123", price=price)).is_confirmed
            return list(server.exchange.engine.orders(DEMO_KEY.uid))

    buy, sell = asyncio.run(main())
    assert buy.price == int(buy.price)
    assert sell.price == int(sell.price) + D("0.1")
    assert buy.size <= D("0.0123456789123")
    assert D("0.0123456789123") - buy.size < D("0.00000001")


def client_price(server: Server) -> Decimal:
    book = server.exchange.market.book(SPOT, 1)
    assert book is not None
    return D(book["bids"][0][0])


# -- F18: refused by the exchange's own rules ------------------------------------------------------


def test_F18_a_post_only_order_that_would_take_is_gone_and_says_why() -> None:
    world, trader = guarded(limits=FREE)
    ticket = trader.place("0.01", crossing(world), order_type="post_only")
    world.run(1)
    ended = trader.account.orders.get(client_order_id=ticket.order.client_order_id)
    assert ended is not None
    assert (ended.state, ended.filled_size) == ("canceled", D(0))
    assert cancel_reason(ended.cancel_source) == "a post-only order would have taken"
    assert trader.settled_differences() == []


@pytest.mark.parametrize(("mode", "left"), [("cancel_maker", "taker"), ("cancel_taker", "maker"), ("cancel_both", "")])
def test_F18_an_order_that_would_trade_with_our_own_says_which_one_went(mode: str, left: str) -> None:
    world, trader = guarded(limits=FREE)
    bid, ask = best(world)
    middle = str(((bid + ask) / 2).quantize(D("0.1")))
    maker = trader.place("0.01", middle, side="sell")
    world.run(0.2)
    taker = trader.place("0.01", middle, side="buy", self_trade=mode)
    world.run(1)
    ended = {
        name: trader.account.orders.get(client_order_id=ticket.order.client_order_id)
        for name, ticket in (("maker", maker), ("taker", taker))
    }
    reasons = {name: order and cancel_reason(order.cancel_source) for name, order in ended.items()}
    for name in ("maker", "taker"):
        if name != left:
            assert reasons[name] == "it would have traded with an order of your own"
    if left:
        order = ended[left]
        assert order is not None
        assert order.cancel_source == ""
    assert trader.settled_differences() == []


def test_F18_reduce_only_without_a_position_is_rejected_with_a_reason() -> None:
    world, trader = guarded(limits=FREE)
    ticket = trader.place("1", str(best(world, SWAP)[0] - 500), instrument=SWAP, reduce_only=True)
    world.run(1)
    made = ticket.outcome
    assert made is not None
    assert (made.verdict, made.advice) == (Verdict.REJECTED, "look at the position first")
    assert open_there(world) == []


# -- F19: a strategy runs wild ---------------------------------------------------------------------


def test_F19_a_thousand_orders_a_second_are_stopped_after_a_few_with_one_alarm() -> None:
    world, trader = guarded(limits=Limits(orders_per_second=20))
    for step in range(1000):
        world.at((world.now - START) / SECOND + step / 1000, lambda: trader.place("0.01", resting(world)))
    world.run(5)
    assert [event.by for event in told(trader, Halted)] == ["orders_per_second"]
    assert len(ledger(world)) == 20
    assert open_there(world) == [], "what had left is canceled"
    rules = refusals(trader)
    assert rules.count("orders_per_second") == 10
    assert rules.count("halted") == 970
    assert trader.settled_differences() == []


def test_F19_a_price_far_off_a_size_too_large_and_a_worth_too_high_do_not_leave() -> None:
    limits = Limits(order_size=D(1), order_notional=D(10_000), price_distance=D("0.1"))
    world, trader = guarded(limits=limits)
    high = str((best(world)[0] * D("1.11")).quantize(D("0.1")))
    trader.place("0.01", high)
    trader.place("1.1", resting(world))
    trader.place("0.9", resting(world))
    live = trader.place("0.01", resting(world))
    world.run(1)
    trader.submit(AmendOrder(instrument=SPOT, client_order_id=live.order.client_order_id, price=D(high)))
    trader.submit(AmendOrder(instrument=SPOT, client_order_id=live.order.client_order_id, size=D("0.9")))
    assert refusals(trader) == ["price_distance", "order_size", "order_notional", "price_distance", "order_notional"]
    assert len(ledger(world)) == 1
    assert not trader.pre_trade.is_halted


def test_F19_a_position_never_goes_beyond_its_limit_not_even_by_what_is_on_its_way() -> None:
    limits = Limits(position=D(5), orders_per_second=None, price_distance=None, trip_after=None)
    world, trader = guarded(limits=limits)
    price = str(best(world, SWAP)[1] + 20)
    for _ in range(50):  # all in one instant: no push has told of any
        trader.place("1", price, instrument=SWAP)
    world.run(1)
    for _ in range(50):
        trader.place("1", price, instrument=SWAP)
        world.run(0.1)
    held = world.exchange.engine.accounts[DEMO_KEY.uid].positions
    assert [position.size for (instrument, _), position in held.items() if instrument == SWAP] == [D(5)]
    assert set(refusals(trader)) == {"position"}
    out = trader.place("5", str(best(world, SWAP)[0] - 20), instrument=SWAP, side="sell")
    world.run(1)
    assert out.outcome is not None
    assert out.outcome.is_confirmed, "making it smaller is always allowed"


def test_F19_what_leaves_together_counts_together() -> None:
    limits = Limits(position=D(5), open_orders=6, orders_per_second=100, price_distance=None, trip_after=None)
    world, trader = guarded(limits=limits)

    def batch(count: int, size: str) -> list[Any]:
        price = best(world, SWAP)[0] - 500
        made = PlaceOrder(instrument=SWAP, side="buy", size=D(size), price=price, trade_mode="cross")
        tickets = trader.submit(*[made] * count)
        world.run(1)
        return [ticket.outcome for ticket in tickets]

    too_large = batch(6, "1")
    assert {(outcome.verdict, outcome.via) for outcome in too_large} == {(Verdict.REJECTED, "here")}
    assert {outcome.reason for outcome in too_large} == {
        "number 6 of a batch of 6, none of which was sent: the position could become 6, more than 5"
    }
    assert {outcome.verdict for outcome in batch(7, "0.1")} == {Verdict.REJECTED}
    assert (len(open_there(world)), set(refusals(trader))) == (0, {"position", "open_orders"})
    assert {outcome.verdict for outcome in batch(5, "1")} == {Verdict.CONFIRMED}
    assert len(open_there(world)) == 5


def test_F19_amendments_on_their_way_count_for_the_position_they_may_lead_to() -> None:
    limits = Limits(position=D(5), orders_per_second=None, price_distance=None, trip_after=None)
    world, trader = guarded(limits=limits)
    price = str(best(world, SWAP)[0] - 500)
    made = [trader.place("1", price, instrument=SWAP) for _ in range(3)]
    world.run(1)
    for ticket in made:  # all in one instant
        trader.amend(ticket, size="2")
    world.run(1)
    assert sorted(order.size for order in open_there(world)) == [D(1), D(2), D(2)]
    assert refusals(trader) == ["position"]


def test_F13_what_waits_for_its_turn_does_not_leave_once_the_account_is_not_live() -> None:
    limits = Limits(orders_per_second=None, open_orders=None, price_distance=None)
    world, trader = guarded("abort path=private at=10", "refuse_connect path=private at=10 for=20", limits=limits)
    trader.orders.budget.longest_s = 5
    world.run(7.5)
    for number in range(70):
        order = PlaceOrder(instrument=SPOT, side="buy", size=D("0.001"), price=D(resting(world)))
        trader.submit(order, override="cannot wait" if number == 69 else "")
    world.run(20)
    assert (refusals(trader), len(ledger(world))) == (["account"] * 9, 61)


def test_F19_open_orders_are_bounded_those_in_flight_included() -> None:
    world, trader = guarded(limits=Limits(open_orders=7, orders_per_second=None, trip_after=None))
    for _ in range(30):
        trader.place("0.01", resting(world))
    world.run(1)
    for _ in range(30):
        trader.place("0.01", resting(world))
    world.run(1)
    assert len(open_there(world)) == 7
    assert set(refusals(trader)) == {"open_orders"}


# -- F20: the kill switch --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        (),
        ("order_then_drop nth=3 action=order",),
        ("slow_order seconds=2 every=2",),
        ("order_answer code=50004 obey=1 every=2",),
        ("mute channel=orders",),
        ("drop_ack channel=order every=2",),
    ],
    ids=["plain", "dropped", "slow", "unclear", "no-pushes", "no-acks"],
)
def test_F20_pressed_at_any_moment_nothing_leaves_any_more_and_nothing_stays_open(faults: tuple[str, ...]) -> None:
    for instant in (0.0, 0.004, 0.011):  # before they arrive, before the answers do, and after
        world, trader = guarded(*faults, limits=FREE)
        for _ in range(6):
            trader.place("0.01", resting(world))
        world.run(instant)
        trader.halt("looks wrong")
        pressed = len(trader.tickets)
        assert trader.place("0.01", resting(world)).outcome is not None
        trader.amend(trader.tickets[0], price=resting(world, "600"))
        world.run(20)
        assert open_there(world) == [], instant
        assert len(ledger(world)) <= 6
        late = [ticket for ticket in trader.tickets[pressed : pressed + 2] if ticket.outcome is not None]
        assert [ticket.outcome.verdict for ticket in late if ticket.outcome is not None] == [Verdict.REJECTED] * 2
        said = [data for wire in world.client.wires.values() for data in wire.sent if b'"op":"order"' in data]
        assert len(said) == 6, "those from before the switch"
        assert [event.reason for event in told(trader, Halted)] == ["looks wrong"]
        assert trader.settled_differences() == []


def test_F20_what_waits_for_its_turn_is_refused_and_says_that_trading_is_halted() -> None:
    world, trader = guarded(limits=FREE)
    for _ in range(60):
        trader.place("0.001", resting(world))
    world.run(1.2)  # OKX takes 60 in two seconds
    waits = trader.place("0.001", resting(world))
    assert waits.outcome is None
    trader.halt("looks wrong")
    assert waits.outcome is not None
    assert (waits.outcome.code, waits.outcome.reason) == ("halted", "trading is halted by call: looks wrong")


def test_F20_cancels_still_go_and_trading_can_be_resumed_by_hand() -> None:
    world, trader = guarded(limits=FREE)
    trader.place("0.01", resting(world))
    world.run(1)
    trader.halt("a pause")
    world.run(1)
    assert states(world) == ["canceled"]
    assert trader.place("0.01", resting(world)).outcome is not None
    trader.resume("all well")
    made = trader.place("0.01", resting(world))
    world.run(1)
    assert made.outcome is not None
    assert made.outcome.is_confirmed
    assert states(world) == ["canceled", "live"]


def test_F20_what_turns_up_later_is_canceled_too() -> None:
    """An order of another session on the same account, placed while this one is halted and disconnected."""
    world, trader = guarded("abort path=private at=10", "refuse_connect path=private at=10 for=20", limits=FREE)
    world.run(10)
    trader.halt("looks wrong")
    strangers_order(world)
    assert len(open_there(world)) == 1
    world.run(90)
    assert open_there(world) == []


def test_F20_halted_before_the_account_could_be_read_okx_cancels_what_a_former_process_left() -> None:
    world, former = guarded("refuse_connect path=private at=4 for=60", switch=CancelAllAfter(timeout_s=120))
    former.place("0.01", resting(world))
    world.run(2.5)
    assert len(open_there(world)) == 1
    killed(world, former, run=2)
    trader = GuardedTrader(world, limits=Limits(), switch=CancelAllAfter(), run=2, kept=dict(former.kept))
    trader.halt("the file is there", "file")
    world.run(12)
    assert not trader.account.is_live
    assert open_there(world) == []
    assert [timeout for _, timeout in trader.arms] == [10]


def test_F20_pressed_on_a_client_over_sockets() -> None:
    async def main() -> tuple[list[Any], Any]:
        async with Server(exchange()) as server, asyncio.timeout(120), trading_client(server) as client:
            await client.ready()
            price = int(client_price(server) * D("0.97"))
            updates = client.stream(OrderUpdate)
            placed = [asyncio.ensure_future(client.orders.place(SPOT, "buy", "0.01", price=price)) for _ in range(10)]
            await placed[0]
            client.halt("looks wrong")
            await asyncio.gather(*placed)
            refused = await client.orders.place(SPOT, "buy", "0.01", price=price)
            while server.exchange.engine.open_orders(DEMO_KEY.uid):
                await anext(updates)
            return list(server.exchange.engine.orders(DEMO_KEY.uid)), refused

    orders, refused = asyncio.run(main())
    assert {order.state for order in orders} == {"canceled"}
    assert isinstance(refused, okex_ws.Outcome)
    assert refused.verdict is Verdict.REJECTED


def test_F13_F19_a_client_over_sockets_is_guarded_armed_and_tells_of_every_refusal() -> None:
    limits = Limits(order_size=D("0.5"), trip_after=None)

    async def main() -> None:
        made = {"limits": limits, "limits_by_instrument": {SWAP: Limits(order_size=D(2))}, "halt_file": None}
        async with Server(exchange()) as server, asyncio.timeout(120), trading_client(server, **made) as client:
            books = client.stream(BookSnapshot)
            news = client.stream(OrderRefused, Halted, SwitchArmed, SafetyOverridden)
            client.subscribe("books5", SPOT)
            await client.ready()
            async for _ in books:
                break
            price = int(client_price(server) * D("0.97"))
            first = await client.orders.place(SPOT, "buy", "0.01", price=price)
            assert first.is_confirmed
            assert isinstance(await anext(news), SwitchArmed)
            assert server.exchange.trading.cancel_all_after.armed
            large = await client.orders.place(SPOT, "buy", "0.6", price=price)
            assert (large.verdict, large.via) == (Verdict.REJECTED, "here")
            far = await client.orders.amend(SPOT, client_order_id=first.client_order_id, price=price // 2)
            assert far.verdict is Verdict.REJECTED
            batch = [PlaceOrder(instrument=SPOT, side="buy", size=D(size), price=D(price)) for size in ("0.01", "0.6")]
            assert [made.verdict for made in await client.orders.place_batch(batch)] == [Verdict.REJECTED] * 2, (
                "none of it leaves"
            )
            heard = [await anext(news) for _ in range(4)]
            assert [event.rule for event in heard] == ["order_size", "price_distance", "order_size", "order_size"]
            assert all(event.reason and event.advice for event in heard)
            assert (await client.orders.place(SWAP, "buy", "3", price=price)).reason == "size 3 is more than 2"
            updates = client.stream(OrderUpdate)
            client.halt("enough")
            assert (await client.orders.place(SPOT, "buy", "0.01", price=price)).verdict is Verdict.REJECTED
            heard = [await anext(news) for _ in range(3)]
            assert [type(event) for event in heard] == [OrderRefused, Halted, OrderRefused]
            assert heard[2].rule == "halted"
            async for update in updates:
                if update.is_final:
                    break
            assert server.exchange.engine.open_orders(DEMO_KEY.uid) == []
            assert len(server.exchange.engine.orders(DEMO_KEY.uid)) == 1
            client.resume_trading("looked at")
            assert (await client.orders.place(SPOT, "buy", "0.01", price=price)).is_confirmed

    asyncio.run(main())


def test_B14_with_the_key_gone_trading_halts_and_what_is_open_is_left_to_the_switch() -> None:
    world, trader = guarded("close code=4007 path=private at=10", "rest_error status=401 code=50111 at=10")
    trader.place("0.01", resting(world))
    world.run(30)
    assert [event.by for event in told(trader, Halted)] == ["line"], "one alarm"
    assert trader.account.quality == "STALE"
    assert trader.place("0.01", resting(world)).outcome is not None
    assert refusals(trader) == ["halted"]
    world.run(30)
    assert open_there(world) == []
    assert {order.cancel_source for orders in ledger(world).values() for order in orders} <= {"1", "20"}


def test_the_switch_of_a_tag_is_asked_for_by_that_tag() -> None:
    world, trader = guarded(switch=CancelAllAfter(tag="bot1"))
    trader.place("0.01", resting(world), tag="bot1")
    world.run(1)
    assert list(world.exchange.trading.cancel_all_after.armed) == [(DEMO_KEY.uid, "bot1")]
