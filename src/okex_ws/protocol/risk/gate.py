"""RiskGate: what stands between a caller and its orders: the guard, the kill switch at work, the dead man's switch. Sans-IO.

Every order passes `submit`. The owner hands in what happens (`feed`, `armed`, `on_deadline`) and calls `settle` after each turn,
which may want further things of `Orders`. While halted, whatever is open, or turns out to be open, is canceled until nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeGuard

from okex_ws.events import (
    AccountQuality,
    Disconnected,
    Event,
    OrderResolved,
    OrderUpdate,
    SpreadOrderUpdate,
    Verdict,
)
from okex_ws.protocol.orders.orders import Orders
from okex_ws.protocol.orders.tickets import Ticket
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.pre_trade import LIVE, PreTradeRisk, RiskContext
from okex_ws.wire.orders import MOST_IN_BATCH, AmendOrder, CancelOrder, MassCancel, OrderRequest, PlaceOrder

CANCEL_AGAIN = 5 * SECOND
"""After a cancel that did not succeed, until what is still open is canceled once more; only while halted."""
DEAD_MAN = "cancel-all-after"
NEVER_REST = ("market", "ioc", "fok", "optimal_limit_ioc", "op_fok")
MOST_OWN = 10_000
"""Client order ids remembered before those of orders that are long gone are let go; OKX keeps 4,000 open at most."""

Around = Callable[[PlaceOrder | AmendOrder, Sequence[PlaceOrder | AmendOrder]], RiskContext]
"""What is known around an order, with others that are about to leave with it."""


class RiskGate:
    """PreTradeRisk, switches and Orders of one account.

    open_orders, open_spreads: those the account knows to be open. switches: at most one for orders, one for spread orders.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        guard: PreTradeRisk,
        switches: Sequence[CancelAllAfter],
        open_orders: Callable[[], Collection[OrderUpdate]],
        open_spreads: Callable[[], Collection[SpreadOrderUpdate]] = tuple,
    ) -> None:
        self.orders = orders
        self.guard = guard
        self.switches = switches
        self._open_orders, self._open_spreads = open_orders, open_spreads
        self._is_known = False  # whether the account is LIVE, so that what is open is known
        self._own: dict[str, bool] = {}  # client order id of what this client placed → whether OKX confirmed it
        self._canceled: set[str] = set()
        self._overridden: set[int] = set()  # tickets that may leave though the account is not LIVE
        self._cancel_again_at: int | None = None
        self._events: list[Event] = []

    # -- the caller's side -----------------------------------------------------------------------------------------------

    def submit(
        self,
        orders: Sequence[OrderRequest],
        around: Around,
        now: int,
        *,
        override: str = "",
        urgent: bool = False,
        may_resend: bool = False,
    ) -> list[Ticket]:
        """Ask for these, if the guard lets every one of them pass; of a batch in which it refuses one, none leaves."""
        refusal = None
        earlier: list[PlaceOrder | AmendOrder] = []  # of this batch, which count as on their way
        for order in orders:
            if isinstance(order, (PlaceOrder, AmendOrder)):
                broken = self.guard.check(order, around(order, earlier), now, override=override)
                if broken is not None:
                    reason = broken.reason
                    if len(orders) > 1:
                        reason = f"number {len(earlier) + 1} of a batch of {len(orders)}, none of which left: {reason}"
                        self.guard.take_back(len(earlier))
                    refusal = (broken.rule, reason, broken.advice)
                    break
                earlier.append(order)
        tickets = self.orders.submit(orders, now, urgent=urgent, may_resend=may_resend, refusal=refusal)
        if override and refusal is None:
            self._overridden |= {ticket.number for ticket in tickets}
        if refusal is None:
            self._count_live(now)
        return tickets

    def halt(self, reason: str, by: str, now: int) -> None:
        """The kill switch: nothing new leaves, what waits is refused, what is open is canceled here and by OKX itself."""
        if self.guard.halt(reason, by, now):
            self._stop(now)

    def resume(self, reason: str, now: int) -> None:
        """The kill switch off again, by hand."""
        if self.guard.resume(reason, now):
            self.orders.is_halted = False
            self._cancel_again_at = None
            self._canceled.clear()
            for switch in self.switches:
                switch.reset(now)

    # -- what happens ----------------------------------------------------------------------------------------------------

    def feed(self, event: Event, now: int) -> None:
        """Take any event, also those that Orders said."""
        if isinstance(event, Disconnected) and event.fatal and event.line.startswith("private"):
            self.halt(f"the private line is gone for good: {event.reason}", "line", now)
        if isinstance(event, AccountQuality):
            self._is_known = event.quality == LIVE
        match event:
            case AccountQuality(quality=quality) if quality != LIVE:
                # What waits for its turn was let pass by a picture that no longer holds.
                reason = f"the account's picture is {quality} since: {event.reason}"
                self.orders.refuse_waiting("account", reason, "wait until it is LIVE, or override", now, but=self._overridden)
            case OrderResolved():
                self._overridden.discard(event.ticket)
                made = self.orders.ticket(event.ticket)
                if made is not None and _may_rest(made.order) and event.verdict is Verdict.CONFIRMED:
                    self._own[event.client_order_id] = True  # late perhaps, after it was said that it had failed
                elif event.kind == "place" and event.verdict is Verdict.REJECTED and not self._own.get(event.client_order_id):
                    self._own.pop(event.client_order_id, None)  # an order of that id is another's
        if not self.guard.is_halted:
            return
        match event:
            case OrderResolved(kind="place", verdict=Verdict.CONFIRMED, order_id=order_id):
                # It was on its way when the switch was pressed, and no push may have told of it yet.
                if order_id not in self._canceled:
                    self._canceled.add(order_id)
                    made = self.orders.ticket(event.ticket)
                    is_spread = made is not None and made.order.is_spread
                    named = CancelOrder(instrument=event.instrument, client_order_id=event.client_order_id, is_spread=is_spread)
                    self.orders.submit([named], now, urgent=True)
            case OrderResolved(kind="cancel" | "mass_cancel") if event.verdict is not Verdict.CONFIRMED:
                self._cancel_again_at = self._cancel_again_at or now + CANCEL_AGAIN
            case AccountQuality(quality=quality) if quality == LIVE:
                self._canceled.clear()  # read anew: what is open now is open indeed

    def settle(self, now: int) -> list[Event]:
        """What follows from all of it; returns what there is to tell."""
        self._count_live(now)
        for switch in self.switches:
            if switch.failure:
                self.halt(f"cancel-all-after could not be renewed in time: {switch.failure}", DEAD_MAN, now)
        if self.guard.is_halted and not self.orders.is_halted:
            self._stop(now)  # the guard tripped by itself
        if self.guard.is_halted:
            self._cancel_open(now)
        events, self._events = [*self.guard.take_events(), *self._events], []
        return events

    @property
    def arms(self) -> list[Arm]:
        """Requests to OKX's dead man's switches, to be carried out now and answered with `armed`."""
        arms: list[Arm] = []
        for switch in self.switches:
            arms += switch.actions
            switch.actions = []
        return arms

    def leave(self, now: int) -> list[Arm]:
        """What is to be told to OKX's switches before nothing more is sent: where none of our orders is open, to let go."""
        self._count_live(now)
        return [arm for switch in self.switches for arm in switch.leave()]

    def armed(self, arm: Arm, reason: str, now: int) -> None:
        """The answer to an Arm; reason: why it failed, "" when it did not."""
        for switch in self.switches:
            if switch.is_spread == arm.is_spread:
                self._events += switch.answered(arm.number, reason, now)

    @property
    def next_deadline(self) -> int | None:
        """When to call `on_deadline`, ns; None: never."""
        times = [self._cancel_again_at, *(switch.next_deadline for switch in self.switches)]
        return min((due for due in times if due is not None), default=None)

    def on_deadline(self, now: int) -> None:
        """Time has passed."""
        if self._cancel_again_at is not None and self._cancel_again_at <= now:
            self._cancel_again_at = None
            self._canceled.clear()
        for switch in self.switches:
            self._events += switch.on_deadline(now)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _stop(self, now: int) -> None:
        self.orders.is_halted = True
        self.orders.refuse_waiting("halted", self.guard.halted_words, "resume trading first", now)
        for switch in self.switches:
            switch.fire(now)

    def _cancel_open(self, now: int) -> None:
        left = [order for order in self._open_orders() if order.order_id not in self._canceled]
        self._canceled |= {order.order_id for order in left}
        spreads = {order.order_id for order in self._open_spreads()} - self._canceled
        if spreads:
            self._canceled |= spreads
            self.orders.submit([MassCancel(instrument="", is_spread=True)], now, urgent=True)
        for start in range(0, len(left), MOST_IN_BATCH):
            batch = left[start : start + MOST_IN_BATCH]
            cancels = [CancelOrder(instrument=order.instrument, order_id=order.order_id) for order in batch]
            self.orders.submit(cancels, now, urgent=True)

    def _count_live(self, now: int) -> None:
        """Tell the switches whether OKX has anything to cancel: of this client's orders alone, until it is halted."""
        coming = [order for order in self.orders.changing if _may_rest(order)]
        for order in coming:
            self._own.setdefault(order.client_order_id, False)
        for switch in self.switches:
            known = self._open_spreads() if switch.is_spread else self._open_orders()
            are_coming = any(order.is_spread == switch.is_spread for order in coming)
            if self.guard.is_halted:
                # What is open may not even be known, a former process's orders perhaps: let OKX cancel whatever there is.
                switch.orders_live(are_coming or bool(known) or not self._is_known, now)
            else:
                # It knows no owner: armed for the orders of others, it would cancel them once we are gone.
                switch.orders_live(are_coming or any(order.client_order_id in self._own for order in known), now)
        if len(self._own) > MOST_OWN:
            left = {order.client_order_id for order in coming}
            left |= {order.client_order_id for order in self._open_orders()}
            left |= {order.client_order_id for order in self._open_spreads()}
            self._own = {name: known for name, known in self._own.items() if name in left}


def _may_rest(order: OrderRequest) -> TypeGuard[PlaceOrder]:
    return isinstance(order, PlaceOrder) and order.order_type not in NEVER_REST
