"""SimulatedTrading: the engine with algo orders, spreads and cancel-all-after. It reports each change to listeners.

In: `advance(now)` after every instant of the market, `flush(now)` after a request. Out: calls of the listeners, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from okex_ws.simulator.engine.algo_orders import AlgoOrder, AlgoOrders
from okex_ws.simulator.engine.cancel_all_after import CancelAllAfterTimers
from okex_ws.simulator.engine.catalogue import Catalogue
from okex_ws.simulator.engine.engine import DEFAULT_FUNDS, Engine, EngineEvent
from okex_ws.simulator.engine.orders import Order, OrderChanged
from okex_ws.simulator.engine.spreads import SpreadExecution, SpreadOrder, Spreads
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.rules import ApiKey


class TradingListener:
    """Receiver of what happens in trading; the methods do nothing here."""

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Receive what the engine did since the last call, in order; may be empty."""

    def algo_changed(self, algo: AlgoOrder, now: int) -> None:
        """Receive an algo order that changed."""

    def spread_changed(self, order: SpreadOrder, fill: SpreadExecution | None, request_id: str) -> None:
        """Receive a spread order that changed, with its fill or the id of the amend."""


class SimulatedTrading:
    """Trading of one exchange. instruments: reference rows of a type as published. listeners: called in their order."""

    def __init__(
        self,
        market: Market,
        instruments: Callable[[str], list[dict[str, Any]]],
        *,
        seed: int,
        now: int,
        keys: Iterable[ApiKey],
        call_at: Callable[[int, Callable[[int], None]], None],
        listeners: Sequence[TradingListener],
    ) -> None:
        self.engine = Engine(market, seed=seed, now=now, instruments=instruments)
        self.catalogue = Catalogue(market, instruments)
        self.algos = AlgoOrders(self.engine, self.catalogue, self._algo_changed)
        self.spreads = Spreads(market, self.engine, self.catalogue, self._spread_changed)
        self.cancel_all_after = CancelAllAfterTimers(self.engine, self.spreads, call_at, self.flush)
        self._listeners = listeners
        self._failed: list[EngineEvent] = []
        for key in keys:
            self.uid(key)

    def uid(self, key: ApiKey) -> str:
        """Return the account of a key; the first call opens it."""
        if key.uid not in self.engine.accounts:
            self.engine.open_account(key.uid, key.funds if key.funds is not None else DEFAULT_FUNDS)
        return key.uid

    def advance(self, now: int) -> None:
        """Match resting orders against the market as it is now, and run what is due."""
        self.engine.advance(now)
        self.algos.advance(now)
        self.spreads.advance(now)
        self.flush(now)

    def relist(self) -> None:
        """Read the reference rows again after a listing, delisting or change."""
        self.catalogue.reread()
        self.engine.forget_instruments()

    def fail_amendment(self, uid: str, order: Order, request_id: str, cancel_on_fail: bool, now: int) -> None:
        """Fail an accepted amend: the order stays unchanged, or is canceled if the client chose that."""
        self._failed += self.engine.take()
        if cancel_on_fail:
            self.engine.cancel(uid, order, now)
            for event in self.engine.take():
                if isinstance(event, OrderChanged):
                    event.request_id, event.amend_result = request_id, "1"
                self._failed.append(event)
        else:
            self._failed.append(OrderChanged(uid, order.copy(), None, request_id, "-1"))

    def flush(self, now: int) -> None:
        """Report what has happened since the last call to the listeners."""
        events, self._failed = self._failed + self.engine.take(), []
        for listener in self._listeners:
            listener.happened(events, now)
        for event in events:
            if isinstance(event, OrderChanged):
                self.algos.follow(event.order, now)

    def _algo_changed(self, algo: AlgoOrder, now: int) -> None:
        for listener in self._listeners:
            listener.algo_changed(algo, now)

    def _spread_changed(self, order: SpreadOrder, fill: SpreadExecution | None, request_id: str, now: int) -> None:
        for listener in self._listeners:
            listener.spread_changed(order, fill, request_id)
