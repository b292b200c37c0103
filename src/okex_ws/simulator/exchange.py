"""Exchange: a small OKX without sockets: the composition of its parts, and the time loop.

In: `open` (an upgrade request), a connection's messages, `rest` (an HTTP request), each with `now` (ns UTC). Out:
connections to drain with `take()`, REST replies, the `ledger`. Nothing happens between calls: the server calls
`on_deadline(now)` at or after `deadline()`. Sources: OKX V5 docs, "WebSocket", "Connect".
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from okex_ws.simulator.channels import INST_TYPES
from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.engine import Engine
from okex_ws.simulator.engine.trading import SimulatedTrading
from okex_ws.simulator.faults import ActiveFaults, Fault, Faults
from okex_ws.simulator.ledger import TruthLedger
from okex_ws.simulator.market.base import SECOND, Market
from okex_ws.simulator.outgoing import HttpReply
from okex_ws.simulator.paths import ExchangePaths
from okex_ws.simulator.rate_limits import SlidingWindows
from okex_ws.simulator.rules import DEMO_KEY, DEMO_TRADING_KEY, ApiKey, Rules
from okex_ws.simulator.v5.dialect import V5Dialect

_LEGACY = tuple(f"okex_ws.simulator.{name}" for name in ("v1", "v3"))
_LEGACY_DIALECTS = tuple(f"{name}.dialect" for name in _LEGACY if importlib.util.find_spec(name) is not None)


class Exchange:
    """One simulated OKX. Everything random comes from `seed`: same seed and same calls, same bytes.

    keys: the known API keys (default: DEMO_KEY of production and DEMO_TRADING_KEY of demo trading). `market.start` should
    not lie after `now`. `engine` holds the true state of every account: orders, executions, balances, positions.
    """

    def __init__(
        self,
        market: Market,
        *,
        seed: int = 0,
        now: int,
        rules: Rules | None = None,
        faults: Faults | Iterable[Fault] | None = None,
        keys: Iterable[ApiKey] = (DEMO_KEY, DEMO_TRADING_KEY),
    ) -> None:
        self.start = now
        self._active = ActiveFaults(faults or (), seed, now)
        copied = replace(rules) if rules is not None else Rules()
        self._context = Context(market, seed=seed, now=now, rules=copied, faults=self._active, keys=keys)
        self._context.run_until = self.on_deadline
        self._timers = self._context.timers
        self._opened = 0
        self._windows = SlidingWindows()
        self._paths = ExchangePaths()
        self._v5 = V5Dialect(self._context, self._paths)
        for name in _LEGACY_DIALECTS:
            importlib.import_module(name).register(self._context, self._paths)
        for due, fault in self._active.timed():
            self._timers.call_at(due, self._timed(fault))

    @property
    def market(self) -> Market:
        """The market whose data it publishes."""
        return self._context.market

    @property
    def rules(self) -> Rules:
        """Rules, a copy of those given."""
        return self._context.rules

    @property
    def keys(self) -> dict[str, ApiKey]:
        """The API keys it knows now."""
        return self._context.keys

    @property
    def ledger(self) -> TruthLedger:
        """Ledger of what was published and which faults were applied."""
        return self._context.ledger

    @property
    def now(self) -> int:
        """Time of the exchange, ns UTC."""
        return self._timers.now

    @property
    def trading(self) -> SimulatedTrading:
        """The engine, algo orders, spreads and timers. The first access begins trading."""
        return self._context.trading

    @property
    def engine(self) -> Engine:
        """The true state of every account."""
        return self.trading.engine

    @property
    def connections(self) -> list[ExchangeConnection]:
        """The open connections, oldest first."""
        return [each for each in self._context.connections.values() if isinstance(each, ExchangeConnection)]

    @property
    def holds_connections(self) -> bool:
        """True if `hold` may delay a connection (fault slow_open)."""
        return self._active.has("hold")

    def instruments(self, inst_type: str) -> list[dict[str, Any]]:
        """Return the instrument rows of an instType as published."""
        return self._context.listings.rows(inst_type)

    def set_speed(self, speed: float) -> None:
        """Scale the patience with clients, whose time does not run faster when the market's does."""
        scaled = self.rules.at_speed(speed)
        for each in fields(scaled):
            setattr(self.rules, each.name, getattr(scaled, each.name))

    def hold(self, now: int) -> int:
        """Return how long (ns) the server holds a new TCP connection before it answers (fault slow_open)."""
        held = 0
        for fault in self._active.due("hold", now, 0):
            self._context.note(fault.kind, now)
            held += fault.options["seconds"]
        return held

    def open(
        self, path: str, now: int, *, peer: str = "127.0.0.1", headers: Mapping[str, str] | None = None
    ) -> ExchangeConnection | HttpReply:
        """Answer an upgrade request: a connection, or a refusal (404 unknown path, 429 more than 3 a second)."""
        self.on_deadline(now)
        entry = self._paths.find(path)
        name = entry.name if entry is not None else path.partition("?")[0]
        for fault in self._active.due("open", now, 0, path=name):
            self._context.note(fault.kind, now, detail=str(fault.options["status"]))
            given = {"Retry-After": fault.options["retry_after"], "Location": fault.options["location"]}
            return HttpReply(fault.options["status"], {n: v for n, v in given.items() if v})
        if entry is None:
            return HttpReply(404, {}, self._paths.not_found())
        if entry.is_counted and not self._windows.spend(peer, self.rules.connects_per_s, SECOND, now):
            return HttpReply(429, {"Retry-After": "1"}, b"Too many connections: 3 per second and IP\n")
        self._opened += 1
        conn_id = f"{self._context.random.fork(f'connection {self._opened}').bits() >> 32:08x}"
        connection = entry.open(self._opened, conn_id, name, now, peer)
        self._context.connections[connection.number] = connection
        self.ledger.traffic[conn_id] = connection.traffic
        return connection

    def rest_hold(self, method: str, target: str, body: bytes, now: int) -> int:
        """Return how long (ns) the server holds an HTTP request before it passes it to `rest` (fault slow_order)."""
        return self._v5.rest.hold(method, target, body, now)

    def rest(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: int, *, peer: str = "127.0.0.1"
    ) -> HttpReply:
        """Answer one HTTP request; target is the path with its query."""
        self.on_deadline(now)
        return self._v5.rest.answer(method, target, headers, body, now, peer)

    # Time

    def deadline(self) -> int | None:
        """Return the next instant (ns) at which something happens by itself."""
        return _sooner(self._timers.deadline(), self._market_deadline())

    def _market_deadline(self) -> int | None:
        """Return the next instant of the market or the engine, whichever is sooner."""
        trading = self._context.active_trading
        due = self.market.deadline()
        return due if trading is None else _sooner(due, trading.engine.deadline())

    def on_deadline(self, now: int) -> None:
        """Run everything up to and including `now`, each action at its own instant and in order."""
        timers, market = self._timers, self.market
        while True:
            timer, due = timers.deadline(), self._market_deadline()
            if timer is not None and (due is None or timer <= due):
                if timer > now:
                    break
                timers.run_first()
            elif due is not None and due <= now:
                timers.advance(due)
                self._context.publisher.publish(market.advance(due))
                if self._context.active_trading is not None:
                    self._context.active_trading.advance(timers.now)
            else:
                break
        timers.advance(now)

    # Timed faults

    def kick_all(self, now: int, fault: Fault | None = None) -> None:
        """Reset every connection at once."""
        for connection in self.connections:
            connection.apply_fault(fault if fault is not None else Fault("kick_all"), now)

    def _timed(self, fault: Fault) -> Callable[[int], None]:
        def apply(now: int) -> None:
            over = fault.lasts is not None and now >= self.start + (fault.at or 0) + fault.lasts
            if over or not self._active.use(fault):
                return
            if fault.kind == "key_deleted":
                self._delete_keys(fault, now)
            elif fault.stage == "market":
                self._change_instrument(fault, now)
            else:
                for connection in self._affected(fault):
                    connection.apply_fault(fault, now)
            if fault.repeat:
                self._timers.call_at(now + fault.repeat, apply)

        return apply

    def _affected(self, fault: Fault) -> list[ExchangeConnection]:
        found = [each for each in self.connections if fault.path in (None, each.path)]
        if fault.channel is not None or fault.instrument is not None:
            found = [each for each in found if each.holds(fault.channel, fault.instrument)]
        if found and fault.options.get("whom") == "one":
            return [self._active.random(fault, 0).choice(found)]
        return found

    def _delete_keys(self, fault: Fault, now: int) -> None:
        """Delete keys and close their connections with 4007."""
        for name in [name for name in self.keys if fault.options["api_key"] in ("*", name)]:
            key = self.keys.pop(name)
            self._context.note(fault.kind, now, detail=name)
            for connection in self.connections:
                if connection.account == key:
                    connection.close(4007, "API key has been updated or deleted", now)

    def _change_instrument(self, fault: Fault, now: int) -> None:
        changes = {name: value for name, value in fault.options.items() if value is not None}
        listings = self._context.listings
        for inst_type in INST_TYPES:
            for row in self.market.instruments(inst_type):
                if row["instId"] == fault.instrument:
                    listings.change(row["instId"], changes)
                    self._context.note(fault.kind, now, "", "instruments", row["instId"], str(changes))
                    self._context.publisher.publish_instrument(inst_type, listings.published(row), now)


def _sooner(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
