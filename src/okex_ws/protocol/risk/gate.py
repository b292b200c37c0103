"""RiskGate: the pre-trade checks, the kill switch and cancel-all-after, between a caller and its orders. Sans-IO.

Every order passes `submit`. The owner passes in events and answers (`feed`, `armed`, `on_deadline`) and calls `settle` after each
of them, which may submit further cancels to `Orders`. While halted, every open order is canceled until none is open.
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
from okex_ws.protocol.risk.context import LIVE, RiskContext
from okex_ws.protocol.risk.pre_trade import PreTradeRisk
from okex_ws.wire.orders import MOST_IN_BATCH, AmendOrder, CancelOrder, MassCancel, OrderRequest, PlaceOrder

CANCEL_AGAIN = 5 * SECOND
"""Time after a failed cancel until open orders are canceled again; only while halted."""
CANCEL_ALL_AFTER = "cancel-all-after"
NEVER_REST = ("market", "ioc", "fok", "optimal_limit_ioc", "op_fok")
MOST_OWN = 10_000
"""Client order ids remembered before those of finished orders are removed; OKX keeps at most 4,000 orders open."""

ContextOf = Callable[[PlaceOrder | AmendOrder, Sequence[PlaceOrder | AmendOrder]], RiskContext]
"""Function that makes the RiskContext of an order, given the orders before it in its batch."""


class RiskGate:
    """Pre-trade checks, switches and Orders of one account.

    open_orders, open_spreads: the account's open orders. switches: at most one for orders and one for spread orders.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        pre_trade: PreTradeRisk,
        switches: Sequence[CancelAllAfter],
        open_orders: Callable[[], Collection[OrderUpdate]],
        open_spreads: Callable[[], Collection[SpreadOrderUpdate]] = tuple,
    ) -> None:
        self.orders = orders
        self.pre_trade = pre_trade
        self.switches = switches
        self._open_orders, self._open_spreads = open_orders, open_spreads
        self._is_known = False  # True while the account is LIVE, so that its open orders are known
        self._own: dict[str, bool] = {}  # client order id of this client's orders → True if OKX confirmed it
        self._canceled: set[str] = set()
        self._overridden: set[int] = set()  # tickets that may be sent although the account is not LIVE
        self._cancel_again_at: int | None = None
        self._events: list[Event] = []

    # -- the caller's side -----------------------------------------------------------------------------------------------

    def submit(
        self,
        orders: Sequence[OrderRequest],
        context_of: ContextOf,
        now: int,
        *,
        override: str = "",
        urgent: bool = False,
        may_resend: bool = False,
    ) -> list[Ticket]:
        """Submit orders if all of them pass the checks; if one of a batch is refused, none is sent."""
        refusal = None
        earlier: list[PlaceOrder | AmendOrder] = []  # of this batch; they count as in flight
        for order in orders:
            if isinstance(order, (PlaceOrder, AmendOrder)):
                broken = self.pre_trade.check(order, context_of(order, earlier), now, override=override)
                if broken is not None:
                    reason = broken.reason
                    if len(orders) > 1:
                        reason = f"number {len(earlier) + 1} of a batch of {len(orders)}, none of which was sent: {reason}"
                        self.pre_trade.take_back(len(earlier))
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
        """Halt trading: refuse new and waiting orders, and cancel open ones here and by cancel-all-after."""
        if self.pre_trade.halt(reason, by, now):
            self._stop(now)

    def resume(self, reason: str, now: int) -> None:
        """Resume trading after a halt."""
        if self.pre_trade.resume(reason, now):
            self.orders.is_halted = False
            self._cancel_again_at = None
            self._canceled.clear()
            for switch in self.switches:
                switch.reset(now)

    # -- events and answers ----------------------------------------------------------------------------------------------

    def feed(self, event: Event, now: int) -> None:
        """Apply an event, also of Orders."""
        if isinstance(event, Disconnected) and event.fatal and event.line.startswith("private"):
            self.halt(f"the private line is gone for good: {event.reason}", "line", now)
        if isinstance(event, AccountQuality):
            self._is_known = event.quality == LIVE
        match event:
            case AccountQuality(quality=quality) if quality != LIVE:
                # Waiting orders passed the checks by an account state that does not hold any more.
                reason = f"account state is {quality}: {event.reason}"
                self.orders.refuse_waiting("account", reason, "wait until it is LIVE, or override", now, but=self._overridden)
            case OrderResolved():
                self._overridden.discard(event.ticket)
                made = self.orders.ticket(event.ticket)
                if made is not None and _may_rest(made.order) and event.verdict is Verdict.CONFIRMED:
                    self._own[event.client_order_id] = True  # perhaps late, after it was reported as failed
                elif event.kind == "place" and event.verdict is Verdict.REJECTED and not self._own.get(event.client_order_id):
                    self._own.pop(event.client_order_id, None)  # an order of that id belongs to another client
        if not self.pre_trade.is_halted:
            return
        match event:
            case OrderResolved(kind="place", verdict=Verdict.CONFIRMED, order_id=order_id):
                # It was in flight when trading was halted, and perhaps no push has shown it yet.
                if order_id not in self._canceled:
                    self._canceled.add(order_id)
                    made = self.orders.ticket(event.ticket)
                    is_spread = made is not None and made.order.is_spread
                    named = CancelOrder(instrument=event.instrument, client_order_id=event.client_order_id, is_spread=is_spread)
                    self.orders.submit([named], now, urgent=True)
            case OrderResolved(kind="cancel" | "mass_cancel") if event.verdict is not Verdict.CONFIRMED:
                self._cancel_again_at = self._cancel_again_at or now + CANCEL_AGAIN
            case AccountQuality(quality=quality) if quality == LIVE:
                self._canceled.clear()  # the account was read again: an order that is open now is really open

    def settle(self, now: int) -> list[Event]:
        """Apply the consequences of all inputs since the last call; returns the events."""
        self._count_live(now)
        for switch in self.switches:
            if switch.failure:
                self.halt(f"cancel-all-after could not be renewed in time: {switch.failure}", CANCEL_ALL_AFTER, now)
        if self.pre_trade.is_halted and not self.orders.is_halted:
            self._stop(now)  # a limit tripped the kill switch
        if self.pre_trade.is_halted:
            self._cancel_open(now)
        events, self._events = [*self.pre_trade.take_events(), *self._events], []
        return events

    def take_arms(self) -> list[Arm]:
        """Take the pending cancel-all-after requests; each is answered with `armed`."""
        arms: list[Arm] = []
        for switch in self.switches:
            arms += switch.actions
            switch.actions = []
        return arms

    def close(self, now: int) -> list[Arm]:
        """Return the last cancel-all-after requests: to disarm each switch that covers none of this client's orders."""
        self._count_live(now)
        return [arm for switch in self.switches for arm in switch.close()]

    def armed(self, arm: Arm, reason: str, now: int) -> None:
        """Apply the answer to an Arm; reason: why it failed, "" on success."""
        for switch in self.switches:
            if switch.is_spread == arm.is_spread:
                self._events += switch.answered(arm.number, reason, now)

    @property
    def next_deadline(self) -> int | None:
        """Time of the next `on_deadline`, ns; None: never."""
        times = [self._cancel_again_at, *(switch.next_deadline for switch in self.switches)]
        return min((due for due in times if due is not None), default=None)

    def on_deadline(self, now: int) -> None:
        """Apply timeouts at `now`."""
        if self._cancel_again_at is not None and self._cancel_again_at <= now:
            self._cancel_again_at = None
            self._canceled.clear()
        for switch in self.switches:
            self._events += switch.on_deadline(now)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _stop(self, now: int) -> None:
        self.orders.is_halted = True
        self.orders.refuse_waiting("halted", self.pre_trade.halted_words, "resume trading first", now)
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
        """Update the switches: are there orders to cancel? Before a halt only this client's own orders count."""
        coming = [order for order in self.orders.changing if _may_rest(order)]
        for order in coming:
            self._own.setdefault(order.client_order_id, False)
        for switch in self.switches:
            known = self._open_spreads() if switch.is_spread else self._open_orders()
            are_coming = any(order.is_spread == switch.is_spread for order in coming)
            if self.pre_trade.is_halted:
                # Open orders may be unknown, perhaps those of a former process: OKX shall cancel whatever is open.
                switch.set_live(are_coming or bool(known) or not self._is_known, now)
            else:
                # The switch ignores owners: armed for the orders of others, it would cancel them after our end.
                switch.set_live(are_coming or any(order.client_order_id in self._own for order in known), now)
        if len(self._own) > MOST_OWN:
            left = {order.client_order_id for order in coming}
            left |= {order.client_order_id for order in self._open_orders()}
            left |= {order.client_order_id for order in self._open_spreads()}
            self._own = {name: known for name, known in self._own.items() if name in left}


def _may_rest(order: OrderRequest) -> TypeGuard[PlaceOrder]:
    return isinstance(order, PlaceOrder) and order.order_type not in NEVER_REST
