"""Seeded trouble on the order path: what the client believes in the end is what the exchange's own ledger says.

A schedule is a minute of random orders under random faults of rows F1 to F16, kills and restarts among them, then calm; in most
the two clocks differ. One in three goes through guard and switches, half of those presses the kill switch, and what is canceled
for it is right; one in six trades spreads too; in one of four another program uses some of our ids. Run many:
`python -m tests.soak.orders FIRST COUNT`, and one long calm run of COUNT orders, compared after every step:
`python -m tests.soak.orders steps COUNT [SEED]`.
"""

from __future__ import annotations

import contextlib
import sys
import time
from decimal import Decimal
from typing import Any

import msgspec
from tests.soak.workers import workers
from tests.support.virtual import START
from tests.support.virtual_risk import GuardedTrader, guarded
from tests.support.virtual_trading import SPOT, SPREAD, SWAP, best, killed, restart, trading

from okex_ws.absence import GRACE_S
from okex_ws.events import Event, Halted, OrderResolved, SwitchFailed, Verdict
from okex_ws.protocol.orders.tickets import Ticket
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.cancel_all_after import CancelAllAfter
from okex_ws.protocol.risk.gate import CANCEL_ALL_AFTER
from okex_ws.protocol.risk.limits import Limits
from okex_ws.simulator.engine.orders import CANCELED_BY_TIMER as BY_SWITCH
from okex_ws.simulator.engine.orders import CANCELED_SELF_TRADE as BY_SELF_TRADE
from okex_ws.simulator.engine.orders import NewOrder
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.rules import DEMO_KEY, Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.wire.channels import subscription
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderError, PlaceOrder

TROUBLE_S, CALM_S = 40, 50
REPORT_WITHIN = 30 * SECOND
TICK = Decimal("0.1")
WIDE = Limits(price_distance=None, open_orders=None, orders_per_second=None, trip_after=None)
"""A guard that refuses only what it must: while the account is not LIVE, and after the kill switch."""
FOREIGN = "quote"
"""What client order ids begin with that another program uses as well."""
LET_GO_S = 7
"""Within so long after the last order OKX's switch is let go."""
MOST_RESTING, CLEARED_OUT = 60, 10
NEWEST = 100
"""Past orders and fills compared after every step; all of them at the end."""


class Schedule:
    """One schedule: its world, every ticket of every process, and when each was asked for."""

    def __init__(self, seed: int) -> None:
        self.dice = SeededRandom(f"order schedule {seed}")
        dice = self.dice
        rules = Rules(order_push=dice.choice(("after_ack", "before_ack", "mixed")), order_limits=dice.chance(0.8))
        faults = [fault(dice) for _ in range(1 + dice.below(5))]
        restarts = dice.choice((0, 0, 1, 2))
        self.has_strangers = seed % 4 == 2
        if restarts or self.has_strangers:
            # What nobody is ever shown cannot be known: an order that a former process or another program placed, hidden from
            # every read. So a young order is hidden then, for as long as F4 gives OKX.
            faults = [f"{line} seconds={GRACE_S:g}" if line.startswith("hide_order") else line for line in faults]
        self.faults = faults
        self.has_spreads = seed % 6 == 1
        self.foreign: set[str] = set()  # orders of other programs
        ahead_s = SeededRandom(f"clocks of schedule {seed}").choice((0, 0, -25, -8, -3, 3, 8, 25))
        options = {
            "rules": rules,
            "latency_ms": dice.choice((1, 5, 40, 200)),
            "market": market(seed, spreads=self.has_spreads, ahead_s=ahead_s),
            "ahead_s": ahead_s,
        }
        self.is_guarded = seed % 3 == 0
        self.halts_at = START + (10 + dice.below(TROUBLE_S - 10)) * SECOND if self.is_guarded and dice.chance(0.5) else None
        self.world, self.trader = (
            guarded(*faults, seed=seed, limits=WIDE, **options) if self.is_guarded else trading(*faults, seed=seed, **options)
        )
        self._hear_of_spreads()
        self.asked: list[tuple[Ticket, int]] = []
        self.told: dict[tuple[int, int], int] = {}  # (process, ticket) → when first
        self.processes = 1
        self.restarts = restarts
        self.wrong: list[str] = []

    def run(self) -> list[str]:
        dice, world = self.dice, self.world
        kills = sorted(5 + dice.uniform() * (TROUBLE_S - 10) for _ in range(self.restarts))
        while world.now < START + TROUBLE_S * SECOND:
            if kills and world.now >= START + int(kills[0] * SECOND):
                kills.pop(0)
                self._restart()
            if self.halts_at is not None and world.now >= self.halts_at and isinstance(self.trader, GuardedTrader):
                self.trader.halt("the schedule says so")
            self._act()
            world.run(dice.choice((0.001, 0.02, 0.3, 1.0, 3.0)) * (0.5 + dice.uniform()))
        if self.halts_at is not None and isinstance(self.trader, GuardedTrader):
            self.trader.halt("the schedule says so")
        elif self.is_guarded and self.has_strangers:
            self._cancel_ours()  # so that orders of others are all that is left
        world.run(CALM_S)
        return [*self.wrong, *audit(self)]

    def _cancel_ours(self) -> None:
        ours = [order for order in self.trader.account.orders if order.order_id not in self.foreign]
        for order in ours:
            cancels = self.trader.submit(CancelOrder(instrument=order.instrument, order_id=order.order_id))
            self.asked += [(ticket, self.world.now) for ticket in cancels]
            self.world.run(0.2)

    def _restart(self) -> None:
        self._hear()
        self.trader.on_step = lambda step: None
        self.processes += 1
        if self.is_guarded:
            killed(self.world, self.trader, run=self.processes)
            kept = dict(self.trader.kept)
            self.trader = GuardedTrader(self.world, limits=WIDE, switch=CancelAllAfter(), run=self.processes, kept=kept)
        else:
            self.trader = restart(self.world, self.trader, run=self.processes)
        self._hear_of_spreads()
        self.asked += [(ticket, self.world.now) for ticket in self.trader.tickets]

    def _hear_of_spreads(self) -> None:
        if self.has_spreads:
            self.world.client.want(subscription("sprd-orders", None))

    def _act_on_spreads(self, known: list[Ticket]) -> list[Ticket]:
        """A spread order, or the end of one."""
        dice = self.dice
        if not known or dice.chance(0.6):
            price = Decimal(dice.choice((-500, -500, 500)))
            order = PlaceOrder(instrument=SPREAD, is_spread=True, side="buy", size=Decimal(1), price=price, order_type="limit")
            return self.trader.submit(order, may_resend=dice.chance(0.3))
        name = dice.choice(known[-4:]).order.client_order_id
        return self.trader.submit(CancelOrder(instrument=SPREAD, is_spread=True, client_order_id=name))

    def _act_as_a_stranger(self) -> None:
        """Another program of the account places an order, and we another one under the same id."""
        ours = msgspec.structs.replace(self._order(), client_order_id=f"{FOREIGN}{len(self.asked)}")
        side = "sell" if ours.side == "buy" else "buy"
        away = Decimal(500) if side == "sell" else Decimal(-500)
        theirs = {"size": ours.size, "price": best(self.world, ours.instrument)[0] + away, "trade_mode": ours.trade_mode}
        with contextlib.suppress(ApiError):
            new = NewOrder(ours.instrument, side, "limit", client_order_id=ours.client_order_id, **theirs)
            self.foreign.add(self.world.exchange.engine.place(DEMO_KEY.uid, new, self.world.there).order_id)
        self.asked += [(ticket, self.world.now) for ticket in self.trader.submit(ours)]

    def _act(self) -> None:
        dice, trader, now = self.dice, self.trader, self.world.now
        if trader.orders.left_open:
            return  # as a client, which is not ready before
        known = [t for t, _ in self.asked if t.kind == "place" and (t.outcome is None or t.outcome.is_confirmed)]
        known = [t for t in known if not t.order.client_order_id.startswith(FOREIGN)]
        spreads, known = [t for t in known if t.order.is_spread], [t for t in known if not t.order.is_spread]
        if self.has_strangers and dice.chance(0.1):
            self._act_as_a_stranger()
            return
        if self.has_spreads and dice.chance(0.25):
            self.asked += [(ticket, now) for ticket in self._act_on_spreads(spreads)]
            return
        what = dice.choice(("place", "place", "place", "batch", "amend", "cancel", "cancel", "cancel batch"))
        try:
            if what == "place":
                tickets = trader.submit(self._order(), may_resend=dice.chance(0.3))
            elif what == "batch":
                tickets = trader.submit(*(self._order() for _ in range(2 + dice.below(5))))
            elif not known:
                return
            elif what == "amend":
                of = dice.choice(known[-8:])
                if any(isinstance(t.order, AmendOrder) and _same(t, of) for t, _ in self.asked):
                    return  # one amendment an order, so that its end is known
                tickets = [trader.amend(of, size=str(of.order.size + self._lot(of.order.instrument)))]
            elif what == "cancel":
                tickets = trader.cancel(dice.choice(known[-8:]))
            else:
                tickets = trader.cancel(*{t.number: t for t in (dice.choice(known[-8:]) for _ in range(4))}.values())
        except OrderError as error:
            self.wrong.append(str(error))
            return
        self.asked += [(ticket, now) for ticket in tickets]

    def clear_out(self) -> None:
        """Cancel the oldest orders when too many are open, as whoever trades for long must."""
        resting = list(self.trader.account.orders)
        if len(resting) > MOST_RESTING:
            oldest = [CancelOrder(instrument=order.instrument, order_id=order.order_id) for order in resting[:CLEARED_OUT]]
            self.asked += [(ticket, self.world.now) for ticket in self.trader.submit(*oldest)]

    def _order(self) -> PlaceOrder:
        dice = self.dice
        instrument = dice.choice((SPOT, SPOT, SWAP))
        bid, ask = best(self.world, instrument)
        side, away = dice.choice(("buy", "sell")), TICK * dice.choice((-20, 0, 0, 5, 200, 5000))
        price = bid - away if side == "buy" else ask + away
        return PlaceOrder(
            instrument=instrument,
            side=side,
            size=self._lot(instrument) * (1 + dice.below(20)),
            price=price,
            order_type=dice.choice(("limit", "limit", "limit", "ioc", "post_only", "fok")),
            trade_mode="cash" if instrument == SPOT else "cross",
        )

    def _lot(self, instrument: str) -> Decimal:
        return Decimal("0.001") if instrument == SPOT else Decimal("0.1")

    def _hear(self) -> None:
        """When each ticket of this process was first told of."""
        for event in self.world.client.events:
            if isinstance(event, OrderResolved):
                self.told.setdefault((self.processes, event.ticket), event.ts_recv)


def market(seed: int, *, spreads: bool = False, ahead_s: int = 0) -> SeededMarket:
    """A calm one: what takes time here is to be the orders."""
    instruments = [SPOT, SWAP, SPREAD] if spreads else [SPOT, SWAP]
    return SeededMarket(seed, start=START + ahead_s * SECOND, instruments=instruments, rate=0.1, levels=10)


def fault(dice: SeededRandom) -> str:
    """One kind of trouble, now and then or for a while."""
    share = f"probability={dice.choice((0.02, 0.1, 0.3))}"
    at = f"at={3 + dice.below(TROUBLE_S - 15)}s"
    lasting = f"{at} for={1 + dice.below(10)}s"
    unclear = dice.choice(("50004", "51054", "51149", "50026"))
    obey = f"obey={dice.below(2)}"
    until = f"at=0s for={TROUBLE_S}s"
    return dice.choice(
        (
            f"order_lost drop={dice.below(2)} {share} {until}",
            f"order_then_drop {share} {until}",
            f"order_answer code={unclear} status={dice.choice((200, 500, 502, 503))} {obey} {share} {until}",
            f"order_answer code={dice.choice(('50011', '50061', '50013', '50001'))} obey=0 {share} {until}",
            f"order_refused code={unclear} {obey} {share} {until}",
            f"order_refused code={dice.choice(('51008', '50011', '50061', '51006'))} {share} {until}",
            f"slow_order seconds={dice.choice((0.5, 2, 4, 6, 9))} inside={dice.below(2)} {share} {until}",
            f"hide_order lookups={1 + dice.below(6)} {share}",
            f"overtaken channel=orders seconds={dice.choice((0.05, 1, 4))} {share} {until}",
            f"restated_order channel=orders {share}",
            f"duplicate channel=orders {share}",
            f"amend_fails action=amend {share}",
            f"code_unknown {lasting}",
            f"maintenance {lasting}",
            f"rest_error status={dice.choice((429, 500, 503))} {lasting}",
            f"abort {at} times=1",
            f"abort {at} repeat=7s times=4",
            f"close code=4004 {at}",
            f"notice {at}",
            f"freeze {at}",
            f"refuse_connect {lasting}",
            f"clock_skew seconds={dice.choice((-8, -4, 4, 8))} {dice.choice((at, lasting))}",
        )
    )


def _same(ticket: Ticket, of: Ticket) -> bool:
    return ticket.order.client_order_id == of.order.client_order_id


def _canceled(event: Event, order_id: str, ticket: Ticket) -> bool:
    """Whether another cancel than this one ended the order."""
    is_other = isinstance(event, OrderResolved) and event.kind == "cancel" and event.ticket != ticket.number
    return is_other and event.order_id == order_id and event.verdict is Verdict.CONFIRMED


def audit(made: Schedule) -> list[str]:
    """Everything that is not as it must be, a line each."""
    made._hear()
    world, wrong = made.world, []
    theirs: dict[str, list[Any]] = {}
    for order in world.exchange.engine.orders(DEMO_KEY.uid):
        if order.order_id not in made.foreign:
            theirs.setdefault(order.client_order_id, []).append(order)
    for spread in world.exchange.trading.spreads.orders(DEMO_KEY.uid):
        theirs.setdefault(spread.new.client_order_id, []).append(spread)
    by_id = {order.order_id: order for orders in theirs.values() for order in orders}
    by_id |= {order.order_id: order for order in world.exchange.engine.orders(DEMO_KEY.uid)}  # it cancels those of others, too
    wrong += [f"{name}: placed {len(orders)} times" for name, orders in theirs.items() if len(orders) > 1]
    alive = set(made.trader.tickets)
    for ticket, asked_at in made.asked:
        if ticket in alive:
            named = theirs.get(ticket.order.client_order_id, [])
            # What the kill switch cancels it names by OKX's id.
            wrong += _audit_verdict(made, ticket, named or [by_id[i] for i in (ticket.order.order_id,) if i in by_id])
            told = made.told.get((made.processes, ticket.number))
            if told is None or told - asked_at > REPORT_WITHIN:
                wrong.append(f"{ticket.kind} {ticket.order.client_order_id}: first told of at {told}, asked at {asked_at}")
    if made.trader.kept:
        wrong.append(f"intents left open: {list(made.trader.kept)}")
    if isinstance(made.trader, GuardedTrader):
        wrong += _audit_switches(made, made.trader)
    if made.has_spreads:
        open_there = {order.order_id for order in world.exchange.trading.spreads.orders(DEMO_KEY.uid) if order.is_open}
        wrong += [f"spread order {name}: open here or there" for name in open_there ^ made.trader.account.spreads.open.keys()]
    return wrong + made.trader.settled_differences(foreign=made.foreign)


def _audit_switches(made: Schedule, trader: GuardedTrader) -> list[str]:
    """The kill switch left nothing open and let nothing leave; OKX's own canceled only what it had a reason for."""
    wrong, world = [], made.world
    halted = [event for event in world.client.events if isinstance(event, Halted)]
    if trader.pre_trade.is_halted:
        wrong += [f"{order.client_order_id}: open though halted" for order in world.exchange.engine.open_orders(DEMO_KEY.uid)]
        for ticket in trader.tickets:
            # What a former process sent is only looked for, and when that was is known no better than the clocks were.
            has_left = ticket.last_sent_at > halted[-1].ts_recv if ticket.submitted_at else ticket.attempts > 1
            if has_left and not isinstance(ticket.order, CancelOrder):
                wrong.append(f"{ticket.kind} {ticket.order.client_order_id}: left after the kill switch was pressed")
    elif made.halts_at is not None:
        wrong.append("the kill switch did not stay pressed")
    failed = any(isinstance(event, SwitchFailed) for event in world.client.events)
    if len(made.faults) == 1 and any(event.by == CANCEL_ALL_AFTER for event in halted):
        wrong.append(f"halted by {made.faults[0]}, which is over before OKX's switch would strike")
    if not halted and made.processes == 1:
        ours = [order for order in world.exchange.engine.open_orders(DEMO_KEY.uid) if order.order_id not in made.foreign]
        if not ours:
            world.run(LET_GO_S)  # the last one may have ended just now
        if bool(ours) != ((DEMO_KEY.uid, "") in world.exchange.trading.cancel_all_after.armed):
            wrong.append(f"OKX's switch is wrong with {len(ours)} orders of ours")
    if not (halted or failed or made.processes > 1):
        orders = world.exchange.engine.orders(DEMO_KEY.uid)
        wrong += [f"{o.client_order_id}: canceled by OKX's switch for nothing" for o in orders if o.cancel_source == BY_SWITCH]
    return wrong


def _audit_verdict(made: Schedule, ticket: Ticket, theirs: list[Any]) -> list[str]:
    outcome, name = ticket.outcome, f"{ticket.kind} {ticket.order.client_order_id}"
    if outcome is None or outcome.verdict is Verdict.UNKNOWN:
        return [f"{name}: still {outcome and outcome.verdict}, {ticket.reason}"]
    order = theirs[0] if theirs else None
    if ticket.kind == "place":
        right = outcome.is_confirmed == (order is not None)
    elif order is None:
        right = not outcome.is_confirmed
    elif isinstance(ticket.order, AmendOrder):
        right = outcome.is_confirmed == (order.size == ticket.order.size)
    else:
        others = [t for t, _ in made.asked if isinstance(t.order, CancelOrder) and _same(t, ticket) and t is not ticket]
        is_plain = ticket.order.is_spread or order.order_type == "limit"
        right = outcome.is_confirmed == (order.state == "canceled") or bool(others) or not is_plain
        # The kill switch's own cancels, which may go in one batch with one that is refused.
        by_others = any(_canceled(event, order.order_id, ticket) for event in made.world.client.events)
        right = right or (not outcome.is_confirmed and by_others)
        # The kill switch cancels too, before or after a cancel of ours that was not for it to count; and so does a trade with
        # an order of our own.
        ended = order.updated - made.world.ahead
        was_ours = (ticket.first_sent_at or outcome.resolved_at) <= ended <= outcome.resolved_at
        right = right or (made.is_guarded and not outcome.is_confirmed and not was_ours)
        right = right or (not outcome.is_confirmed and order.cancel_source == BY_SELF_TRADE)
    return [] if right else [f"{name}: {outcome}, and it is {order}"]


def run(seed: int) -> tuple[int, list[str]]:
    """One schedule, by its seed."""
    return seed, Schedule(seed).run()


def steps(count: int, seed: int = 1) -> tuple[int, list[str]]:
    """Random orders without trouble; after every step the account is the exchange's ledger. Returns steps, differences."""
    world, trader = trading(seed=seed, rules=Rules(order_limits=False), market=market(seed))
    made = Schedule.__new__(Schedule)
    made.dice, made.world, made.trader, made.asked, made.wrong = SeededRandom(f"steps {seed}"), world, trader, [], []
    made.has_spreads = made.has_strangers = False
    done = 0
    while done < count:
        before = len(made.asked)
        made._act()
        made.clear_out()
        done += len(made.asked) - before
        world.run(0.2)
        found = made.wrong or trader.settled_differences(NEWEST)
        if found:
            return done, found
        del made.asked[: max(0, len(made.asked) - 40)]
        del trader.tickets[: max(0, len(trader.tickets) - 40)]
        world.client.events.clear()
        for wire in world.client.wires.values():
            wire.frames.clear()
    return done, trader.settled_differences()


def main() -> None:
    begun = time.perf_counter()
    if sys.argv[1] == "steps":
        done, found = steps(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
        print(f"{done} orders, amendments and cancels in {time.perf_counter() - begun:.0f} s, differences: {found or 'none'}")
        sys.exit(bool(found))
    first, count = int(sys.argv[1]), int(sys.argv[2])
    failed = 0
    with workers() as pool:
        for done, (seed, wrong) in enumerate(pool.map(run, range(first, first + count), chunksize=4), 1):
            failed += bool(wrong)
            for line in wrong:
                print(f"seed {seed}: {line}", flush=True)
            if done % 100 == 0:
                print(f"{done} done, {failed} of them wrong", flush=True)
    print(f"{count} schedules in {time.perf_counter() - begun:.0f} s, {failed} with something wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
