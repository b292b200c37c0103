"""V5Trading: the trading half of an exchange: the floor, who takes orders for it, and where what happens there is told.

In: what its rooms are asked by the faces; `advance(now)` after every instant of the market. Out: pushes to whoever listens,
and the `floor`, which is the truth about every account.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.engine.algo_orders import AlgoOrder, AlgoOrders
from okex_ws.simulator.engine.cancel_all_after import CancelAllAfterTimers
from okex_ws.simulator.engine.catalogue import Catalogue
from okex_ws.simulator.engine.engine import DEFAULT_FUNDS, Engine, Happening
from okex_ws.simulator.engine.orders import BY_CLIENT, Execution, Order, OrderChanged, Origin
from okex_ws.simulator.engine.spreads import SpreadExecution, SpreadOrder, Spreads
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.v5 import spread_grammar as spread_words
from okex_ws.simulator.v5.algo_rows import algo_row
from okex_ws.simulator.v5.gateway import OrderGateway
from okex_ws.simulator.v5.pushes import AccountPushes

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange

_KEPT_FILLS = 100_000


class V5Trading:
    """The trading half of one exchange.

    clerk: obeys requests about orders. private: the account channels. algos, spreads: what trades beside the floor.
    listings: what trades.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.floor = Engine(exchange.market, seed=exchange.seed, now=exchange.now, instruments=exchange.instruments)
        self.listings = Catalogue(exchange.market, exchange.instruments)
        self.private = AccountPushes(self)
        self.clerk = OrderGateway(self)
        self.algos = AlgoOrders(self.floor, self.listings, self._tell_algo)
        self.spreads = Spreads(exchange.market, self.floor, self.listings, self._tell_spread)
        self.cancel_all_after = CancelAllAfterTimers(self.floor, self.spreads, exchange.call_at, self.flush)
        self._last_fills: dict[str, Execution] = {}
        self._bills: dict[str, list[tuple[int, Execution]]] = {}
        self._bill_count = 600_000_000_000
        self._hidden: dict[str, tuple[int, int]] = {}  # order id -> (lookups that do not find it yet, until which age; 0: any)
        self._extra: list[Happening] = []
        self._untold_spreads: list[tuple[str, str, dict[str, Any], str]] = []
        self._order_dice = SeededRandom(exchange.seed).fork("ack and push")
        for key in exchange.keys.values():
            self.uid(key)

    @property
    def switches(self) -> dict[tuple[str, str], int]:
        """Cancel-all-after as it is armed: (uid, tag) -> the instant (ns) it fires."""
        return self.cancel_all_after.armed

    def uid(self, key: ApiKey) -> str:
        """The account of a key, opened at its first sight."""
        if key.uid not in self.floor.accounts:
            self.floor.open_account(key.uid, key.funds if key.funds is not None else DEFAULT_FUNDS)
        return key.uid

    def advance(self, now: int) -> None:
        """After an instant of the market: resting orders against it, and what the floor does by itself."""
        self.floor.advance(now)
        self.algos.advance(now)
        self.spreads.advance(now)
        self.flush(now)

    def relist(self) -> None:
        """Instruments were listed, delisted or changed."""
        self.listings.reread()
        self.floor.forget_instruments()

    def fail_amendment(self, uid: str, order: Order, request_id: str, cancel_on_fail: bool, now: int) -> None:
        """An amend that was accepted fails: the order stays as it was, or is canceled if that was asked for."""
        self._extra += self.floor.take()
        if cancel_on_fail:
            self.floor.cancel(uid, order, now)
            for happening in self.floor.take():
                if isinstance(happening, OrderChanged):
                    happening.request_id, happening.amend_result = request_id, "1"
                self._extra.append(happening)
        else:
            self._extra.append(OrderChanged(uid, order.copy(), None, request_id, "-1"))

    def flush(self, now: int) -> None:
        """Tell what has happened on the floor since the last time."""
        untold, self._untold_spreads = self._untold_spreads, []
        for uid, channel, row, action in untold:
            self.private.announce(uid, channel, row, now, action=action)
        happenings = self._extra + self.floor.take()
        if not happenings:
            return
        self._extra = []
        for happening in happenings:
            if isinstance(happening, OrderChanged) and happening.execution is not None:
                self._note_fill(happening.uid, happening.execution)
        self.private.tell(happenings, now)
        for line in self.exchange.conversations:
            line.happened(happenings, now)
        for happening in happenings:
            if isinstance(happening, OrderChanged):
                self.algos.follow(happening.order, now)

    def _note_fill(self, uid: str, execution: Execution) -> None:
        self._last_fills[execution.order.order_id] = execution
        if len(self._last_fills) > _KEPT_FILLS:
            del self._last_fills[next(iter(self._last_fills))]
        self._bill_count += 1
        bills = self._bills.setdefault(uid, [])
        bills.append((self._bill_count, execution))
        if len(bills) > _KEPT_FILLS:
            del bills[: _KEPT_FILLS // 2]

    def bills(self, uid: str) -> list[tuple[int, Execution]]:
        """(bill id, execution) of an account's fills, oldest first."""
        return self._bills.get(uid, [])

    def is_push_first(self) -> bool:
        """Whether what an order leads to is pushed before the order's ack."""
        habit = self.exchange.rules.order_push
        return habit == "before_ack" or (habit == "mixed" and self._order_dice.chance(0.5))

    def last_fill(self, order: Order) -> Execution | None:
        """The last execution of an order."""
        return self._last_fills.get(order.order_id)

    def origin(self, order: Order) -> Origin:
        """Where an order came from, and when by the exchange's clock (fault clock_skew)."""
        origin, skew = self.algos.origins.get(order.order_id, BY_CLIENT), self.exchange.clock(order.created) - order.created
        return dataclasses.replace(origin, skew=skew) if skew else origin

    def algo_row(self, algo: AlgoOrder) -> dict[str, Any]:
        """An algo order in OKX's words."""
        is_spot = algo.instrument_type in ("SPOT", "MARGIN")
        side = algo.position_side or "net"
        leverage = None if is_spot else self.floor.leverage(algo.uid, algo.instrument, side)
        return algo_row(algo, self.listings.figures(algo.instrument), leverage)

    def _tell_algo(self, algo: AlgoOrder, now: int) -> None:
        self.private.announce(algo.uid, "orders-algo", self.algo_row(algo), now, action=algo.state)

    def _tell_spread(self, order: SpreadOrder, fill: SpreadExecution | None, request_id: str, now: int) -> None:
        self._untold_spreads.append((order.uid, "sprd-orders", spread_words.order_row(order, fill, request_id), order.state))
        if fill is not None:
            self._untold_spreads.append((order.uid, "sprd-trades", spread_words.fill_row(fill), ""))

    def is_hidden(self, order: Order, now: int) -> bool:
        """Whether a read does not find this order yet (fault hide_order)."""
        if not self.exchange.running.has("lookup"):
            return False
        if order.order_id not in self._hidden:
            struck = self.exchange.running.due("lookup", now, 0, key=order.instrument, path="rest")
            ways = [(fault.options["lookups"], fault.options["seconds"]) for fault in struck]
            self._hidden[order.order_id] = max(ways, default=(0, 0))
        lookups, age = self._hidden[order.order_id]
        if not lookups or (age and now >= order.created + age):
            return False
        self._hidden[order.order_id] = (lookups - 1, age)
        self.exchange.note("hide_order", now, "", "lookup", order.instrument, order.order_id)
        return True
