"""Context: what the parts of one simulated exchange share. It is handed down in place of the exchange itself.

May import: publisher, engine, market and the modules without a context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.engine.trading import SimulatedTrading, TradingListener
from okex_ws.simulator.faults import ActiveFaults
from okex_ws.simulator.ledger import FaultApplied, TruthLedger
from okex_ws.simulator.listings import Listings
from okex_ws.simulator.market.base import Market
from okex_ws.simulator.publisher import Publisher
from okex_ws.simulator.rules import ApiKey, Rules
from okex_ws.simulator.seeded_random import SeededRandom
from okex_ws.simulator.subscriber import Subscriber
from okex_ws.simulator.timers import TimerQueue


class _ConnectionListener(TradingListener):
    """Passes what the engine did to every connection, in the order of their opening."""

    def __init__(self, connections: dict[int, Subscriber]) -> None:
        self._connections = connections

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        if events:
            for connection in list(self._connections.values()):
                connection.happened(events, now)


class Context:
    """Shared parts of one exchange.

    random: the stream that ids and connections fork from. connections: the open ones by number. listeners: receivers of
    what happens in trading, those of the dialects first. run_until: the exchange's time loop.
    """

    def __init__(
        self, market: Market, *, seed: int, now: int, rules: Rules, faults: ActiveFaults, keys: Iterable[ApiKey]
    ) -> None:
        self.market = market
        self.seed = seed
        self.rules = rules
        self.faults = faults
        self.keys: dict[str, ApiKey] = {key.key: key for key in keys}
        self.timers = TimerQueue(now)
        self.ledger = TruthLedger(rules.ledger_limit)
        self.random = SeededRandom(seed).fork("exchange")
        self.connections: dict[int, Subscriber] = {}
        self.run_until: Callable[[int], None] = self.timers.advance
        self.listings = Listings(market, rules)
        self.publisher = Publisher(market, self.listings, rules, faults, self.timers, self.ledger, self.random, self._relist)
        self.listeners: list[TradingListener] = [_ConnectionListener(self.connections)]
        self.active_trading: SimulatedTrading | None = None
        self._subscribe_random = self.random.fork("push before ack")
        self._order_random = SeededRandom(seed).fork("ack and push")

    @property
    def trading(self) -> SimulatedTrading:
        """Trading; the first access, at the first login, begins it."""
        if self.active_trading is None:
            self.active_trading = SimulatedTrading(
                self.market,
                self.listings.rows,
                seed=self.seed,
                now=self.timers.now,
                keys=self.keys.values(),
                call_at=self.timers.call_at,
                listeners=self.listeners,
            )
        return self.active_trading

    def _relist(self) -> None:
        if self.active_trading is not None:
            self.active_trading.relist()

    def clock(self, now: int) -> int:
        """Return the time that the exchange's clock shows (fault clock_skew)."""
        if not self.faults.has("clock"):
            return now
        skews: list[int] = [fault.options["seconds"] for fault in self.faults.due("clock", now, 0)]
        return now + sum(skews)

    def note(self, kind: str, now: int, conn_id: str = "", channel: str = "", key: str = "", detail: str = "") -> None:
        """Enter an applied fault in the ledger."""
        self.ledger.note_fault(FaultApplied(now, kind, conn_id, channel, key, detail))

    def is_push_before_ack(self) -> bool:
        """True if this subscription's first push precedes its ack (seen at OKX, not documented)."""
        habit = self.rules.push_before_ack
        return habit == "always" or (habit == "sometimes" and self._subscribe_random.chance(0.5))

    def is_order_push_first(self) -> bool:
        """True if the pushes that an order causes precede the order's ack."""
        habit = self.rules.order_push
        return habit == "before_ack" or (habit == "mixed" and self._order_random.chance(0.5))
