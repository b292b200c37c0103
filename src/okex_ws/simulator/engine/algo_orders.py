"""Algo orders: stop-loss, take-profit and trigger orders, which place an order when a price is reached.

In: algo orders, and `advance(now)` after every instant of the market. Out: changed AlgoOrders to `on_change`. Kinds:
conditional (one trigger), oco (two triggers, the first one fires), trigger. An attached algo order becomes live when its
order has ended, for the filled size. Sources: OKX V5 docs, "Algo trading / Place algo order", "Algo orders channel",
"POST / Place order" (attachAlgoOrds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from okex_ws.simulator.engine.catalogue import Catalogue
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.orders import NewOrder, Order, Origin
from okex_ws.simulator.errors import ApiError

LIVE, EFFECTIVE, CANCELED, FAILED = "live", "effective", "canceled", "order_failed"
_KEPT = 10_000
_FROM_TRIGGER, _FROM_STOP = "6", "7"


@dataclass(slots=True)
class Trigger:
    """Trigger price. rises: fires at or above it, else at or below. price_type: last, mark or index.

    order_price: price of the order to place, None for a market order. is_profit: take-profit rather than stop-loss.
    """

    price: Decimal
    order_price: Decimal | None
    rises: bool
    price_type: str = "last"
    is_profit: bool = False


@dataclass(slots=True)
class AlgoOrder:
    """One algo order. size is None if it closes the whole position."""

    algo_id: str
    client_algo_id: str
    uid: str
    kind: str
    instrument: str
    instrument_type: str
    side: str
    trade_mode: str
    position_side: str
    size: Decimal | None
    reduce_only: bool
    target_currency: str
    currency: str
    tag: str
    triggers: list[Trigger]
    created: int
    updated: int
    state: str = LIVE
    order: Order | None = None
    fired: Trigger | None = None
    fail_code: str = ""
    attach_id: str = ""
    """Id under which its order shows it; it is not the id of the algo order that follows (POST / Place order, attachAlgoId)."""


class AlgoOrders:
    """All algo orders of one exchange. on_change: called with each algo order that changed, and now. origins: the source
    of each order that an algo order placed, by order id.
    """

    def __init__(self, engine: Engine, catalogue: Catalogue, on_change: Callable[[AlgoOrder, int], None]) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._on_change = on_change
        self.origins: dict[str, Origin] = {}
        self._waiting: dict[str, AlgoOrder] = {}
        self._attached: dict[str, AlgoOrder] = {}  # by id of their order, while that is open
        self._shown: dict[str, AlgoOrder] = {}  # the same, kept after their order has ended
        self._known: dict[str, AlgoOrder] = {}
        self._count = 580_000_000_000_000_000

    def next_id(self) -> str:
        """Return the id of the next algo order."""
        self._count += 1
        return str(self._count)

    def of(self, uid: str) -> list[AlgoOrder]:
        """Return an account's algo orders, newest first."""
        return [algo for algo in reversed(self._known.values()) if algo.uid == uid]

    def find(self, uid: str, algo_id: str, client_algo_id: str) -> AlgoOrder | None:
        """Return one algo order by its id or the client's."""
        for algo in self.of(uid):
            if algo.algo_id == algo_id or (not algo_id and algo.client_algo_id == client_algo_id):
                return algo
        return None

    def place(self, algo: AlgoOrder, now: int) -> None:
        """Make an algo order live. Raises ApiError 51065 if the client's id is taken."""
        if algo.client_algo_id and any(a.client_algo_id == algo.client_algo_id for a in self.of(algo.uid)):
            raise ApiError("51065", "algoClOrdId already exists.")
        self._waiting[algo.algo_id] = self._known[algo.algo_id] = algo
        while len(self._known) > _KEPT:
            self._waiting.pop(next(iter(self._known)), None)
            del self._known[next(iter(self._known))]
        self._on_change(algo, now)

    def attach(self, order: Order, algo: AlgoOrder) -> None:
        """Attach an algo order, which becomes live when this order ends."""
        algo.attach_id = self.next_id()
        self._attached[order.order_id] = self._shown[order.order_id] = algo
        if len(self._shown) > _KEPT:
            del self._shown[next(iter(self._shown))]

    def attached_to(self, order: Order) -> AlgoOrder | None:
        """Return the algo order that was placed with an order, also after the order has ended."""
        return self._shown.get(order.order_id)

    def follow(self, order: Order, now: int) -> None:
        """Make the algo order attached to an ended order live, or drop it if the order has no fill."""
        if order.is_open:
            return
        algo = self._attached.pop(order.order_id, None)
        if algo is not None:
            algo.size = self._engine.net_filled(order)
            algo.created = algo.updated = now
            if not algo.size:
                return
            algo.algo_id = self.next_id()
            try:
                self.place(algo, now)
            except ApiError as rejection:
                algo.fail_code = rejection.code
                self._change(algo, FAILED, now)

    def cancel(self, algo: AlgoOrder, now: int) -> None:
        """Cancel a live algo order. Raises ApiError 51400 if it is not live."""
        if self._waiting.pop(algo.algo_id, None) is None:
            raise ApiError("51400", "Cancellation failed as the order has been filled, triggered, canceled or does not exist.")
        self._change(algo, CANCELED, now)

    def amend(self, algo: AlgoOrder, size: Decimal | None, triggers: list[Trigger], now: int) -> None:
        """Change the size and triggers of a live algo order. Raises ApiError 51527 if it is not live."""
        if algo.algo_id not in self._waiting:
            raise ApiError("51527", "Order modification failed. At least 1 of the attached TP/SL orders does not exist.")
        algo.size = size
        algo.triggers = triggers
        self._change(algo, LIVE, now)

    def advance(self, now: int) -> None:
        """Fire the algo orders whose prices are reached."""
        for algo in list(self._waiting.values()):
            for trigger in algo.triggers:
                price = self._price(algo.instrument, trigger.price_type)
                if price is not None and (price >= trigger.price if trigger.rises else price <= trigger.price):
                    self._fire(algo, trigger, now)
                    break

    def _price(self, instrument: str, price_type: str) -> Decimal | None:
        if price_type == "mark":
            return self._engine.mark(instrument)
        figures = self._catalogue.figures(instrument, with_index=price_type == "index")
        text = figures.index if price_type == "index" else figures.last
        return Decimal(text) if text else None

    def _fire(self, algo: AlgoOrder, trigger: Trigger, now: int) -> None:
        del self._waiting[algo.algo_id]
        algo.fired = trigger
        size = algo.size
        if size is None:
            position = self._engine.accounts[algo.uid].positions.get((algo.instrument, algo.position_side or "net"))
            size = abs(position.size) if position is not None else Decimal(0)
        if not size:
            self._change(algo, CANCELED, now)
            return
        new = NewOrder(
            algo.instrument,
            algo.side,
            "market" if trigger.order_price is None else "limit",
            size,
            trigger.order_price,
            trade_mode=algo.trade_mode,
            position_side=algo.position_side,
            reduce_only=algo.reduce_only,
            target_currency=algo.target_currency,
            client_order_id=f"O{algo.algo_id}",
            tag=algo.tag,
            currency=algo.currency,
        )
        try:
            order = self._engine.place(algo.uid, new, now)
        except ApiError as rejection:
            algo.fail_code = rejection.code
            self._change(algo, FAILED, now)
            return
        source = _FROM_TRIGGER if algo.kind == "trigger" else _FROM_STOP
        self.origins[order.order_id] = Origin(source, algo.algo_id, algo.client_algo_id)
        algo.order = order
        self._change(algo, EFFECTIVE, now)

    def _change(self, algo: AlgoOrder, state: str, now: int) -> None:
        algo.state, algo.updated = state, now
        self._on_change(algo, now)
