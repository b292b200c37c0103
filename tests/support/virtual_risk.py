"""A virtual client whose orders pass the risk gate with these limits, and whose kill switches are armed."""

from __future__ import annotations

from typing import Any

from tests.support.virtual import World
from tests.support.virtual_trading import KEY, SPOT, SWAP, Trader

from okex_ws.protocol.orders.tickets import Intent
from okex_ws.protocol.risk.cancel_all_after import CancelAllAfter
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import PreTradeRisk
from okex_ws.simulator.faults import Faults


class GuardedTrader(Trader):
    """A trader that can be halted."""

    def __init__(
        self,
        world: World,
        *,
        limits: Limits,
        switch: CancelAllAfter | None,
        run: int,
        kept: dict[str, Intent] | None = None,
    ) -> None:
        switches = [switch] if switch is not None else []
        super().__init__(world, world.client, kept=kept or {}, run=run, limits=limits, switches=switches, guarded=True)

    @property
    def pre_trade(self) -> PreTradeRisk:
        return self.core.gate.pre_trade

    def halt(self, reason: str, by: str = "call") -> None:
        self.core.halt(reason, by, self.world.now)
        self.carry_out()

    def resume(self, reason: str) -> None:
        self.core.resume(reason, self.world.now)
        self.carry_out()


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
