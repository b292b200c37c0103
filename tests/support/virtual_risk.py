"""A virtual client that trades with a guard: `trading.Trader` with `RiskGate` between its caller and its orders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.support.virtual import World
from tests.support.virtual_trading import KEY, SPOT, SWAP, Trader

from okex_ws.core.risk_context import surroundings
from okex_ws.events import AccountQuality, Event
from okex_ws.market.account import FetchAccount
from okex_ws.protocol.orders.tickets import Intent, Ticket
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.protocol.risk.gate import RiskGate
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import PreTradeRisk
from okex_ws.simulator.faults import Faults
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.wire.orders import AmendOrder, OrderRequest, PlaceOrder


class GuardedTrader(Trader):
    """Everything passes the guard; switches are carried out. arms: what OKX was asked, as (seconds since the start, timeout)."""

    safety: RiskGate | None = None

    def __init__(
        self,
        world: World,
        *,
        limits: Limits,
        switch: CancelAllAfter | None,
        run: int,
        kept: dict[str, Intent] | None = None,
        **options: Any,
    ) -> None:
        self.arms: list[tuple[float, int]] = []
        self.since = world.now
        super().__init__(world, world.client, kept=kept or {}, run=run, **options)
        self.safety = RiskGate(
            self.orders,
            pre_trade=PreTradeRisk(limits),
            switches=[switch] if switch is not None else [],
            open_orders=lambda: self.account.orders.open.values(),
            open_spreads=lambda: self.account.spreads.open.values(),
        )
        self.client.events += self._settle()

    @property
    def pre_trade(self) -> PreTradeRisk:
        assert self.safety is not None
        return self.safety.pre_trade

    def submit(self, *orders: OrderRequest, **options: Any) -> list[Ticket]:
        assert self.safety is not None
        tickets = self.safety.submit(orders, self._around, self.world.now, **options)
        self.tickets += tickets
        self.client.events += self._settle()
        return tickets

    def halt(self, reason: str, by: str = "call") -> None:
        assert self.safety is not None
        self.safety.halt(reason, by, self.world.now)
        self.client.events += self._settle()

    def resume(self, reason: str) -> None:
        assert self.safety is not None
        self.safety.resume(reason, self.world.now)
        self.client.events += self._settle()

    # -- what a shell does -----------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> list[Event]:
        if self.safety is None:
            return super().hear(event)
        self.safety.feed(event, self.world.now)
        said = super().hear(event)
        qualities = [heard for heard in said if isinstance(heard, AccountQuality)]
        for heard in qualities:
            self.safety.feed(heard, self.world.now)
        return said + (self._settle() if qualities else [])

    def deadline(self) -> int | None:
        dues = (super().deadline(), self.safety.next_deadline if self.safety is not None else None)
        return min((due for due in dues if due is not None), default=None)

    def on_deadline(self) -> None:
        if self.safety is not None:
            self.safety.on_deadline(self.world.now)
        super().on_deadline()

    def _around(self, order: PlaceOrder | AmendOrder, others: Sequence[PlaceOrder | AmendOrder]) -> RiskContext:
        client = self.client
        known = {"account": self.account, "instruments": self.instruments, "books": client.books, "latest": client.latest}
        return surroundings(order, **known, in_flight=[*self.orders.changing, *others])

    def _settle(self) -> list[Event]:
        said = super()._settle()
        while self.safety is not None:
            for event in said:
                self.safety.feed(event, self.world.now)
            more = self.safety.settle(self.world.now)
            for arm in self.safety.take_arms():
                self._arm(arm)
            further = super()._settle()
            said += more + further
            for event in further:
                self.safety.feed(event, self.world.now)
            if not further:
                break
        return said

    def _fetched(self, wish: FetchAccount, rows: list[Any] | None, code: str) -> None:
        events = self.account.fetched(wish, rows, self.world.now, code)
        for event in events:
            if self.safety is not None:
                self.safety.feed(event, self.world.now)
        self.client.events += events

    def _arm(self, arm: Arm) -> None:
        self.arms.append(((self.world.now - self.since) / 1e9, arm.timeout_s))

        def answered(reply: HttpReply) -> None:
            assert self.safety is not None
            body = json.loads(reply.body) if reply.body else {}
            reason = "" if body.get("code") == "0" else body.get("msg") or f"HTTP {reply.status}"
            self.safety.armed(arm, reason, self.world.now)

        self._ask("POST", f"/api/v5/{arm.path}", json.dumps(arm.body).encode(), {}, answered)


def guarded(
    *faults: Any, limits: Limits = Limits(), switch: CancelAllAfter | None = None, run: int = 1, **options: Any
) -> tuple[World, GuardedTrader]:
    """A world with a guarded trader in it, logged in and settled, with a book of the spot instrument."""
    world = World(Faults(faults), instruments=(SPOT, SWAP), credentials=KEY, **options)
    trader = GuardedTrader(world, limits=limits, switch=switch or CancelAllAfter(), run=run)
    world.subscribe("books5", SPOT)
    world.run(2)
    trader.since = world.now
    return world, trader
