"""OrderGateway: the one way of an order request to the engine, over REST and WebSocket.

In: a request's source, operation and elements. Out: an OrderOutcome. Steps: faults of the request, parsing, permission and
expiry, then for each element its faults, its instrument, the rate limits and the engine. Sources: OKX V5 docs, "Place
order", "Amend order", "Cancel order", "Mass cancel order", "Rate limits".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from okex_ws.simulator.context import Context
from okex_ws.simulator.engine.orders import Order
from okex_ws.simulator.engine.spreads import SpreadOrder
from okex_ws.simulator.engine.trading import SimulatedTrading
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.fault_kinds import KINDS
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.rate_limits import OrderLimits
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5 import spread_grammar
from okex_ws.simulator.v5.algo_grammar import read_attached
from okex_ws.simulator.v5.order_grammar import Op, OrderAnswer, OrderRequest

_REQUEST_FAULTS = frozenset(kind for kind, what in KINDS.items() if what.stage in ("order", "service"))


@dataclass(frozen=True, slots=True)
class OrderSource:
    """Sender of a request. path: a WebSocket path, or "rest". connection: its number, 0 over REST."""

    key: ApiKey
    path: str
    connection: int = 0


@dataclass(slots=True)
class OrderOutcome:
    """Result of a request. answers: one per element. error: refusal of the whole request. given: error that a fault gives."""

    answers: list[OrderAnswer] = field(default_factory=list)
    is_mass: bool = False
    error: ApiError | None = None
    given: ApiError | None = None
    status: int = 200

    @property
    def code(self) -> str:
        """The reply's code: 0 all elements succeeded, 1 all failed, 2 some failed."""
        return "0" if self.is_mass else grammar.overall(self.answers)

    @property
    def rows(self) -> list[Any]:
        """The reply's `data`."""
        return [{"result": True}] if self.is_mass else [answer.row() for answer in self.answers]


@dataclass(slots=True)
class _Batch:
    """Shared facts of one request's elements. amended: ids of the orders that the request has amended so far."""

    source: OrderSource
    uid: str
    op: Op
    now: int
    is_batch: bool
    expires_ms: int | None
    amended: set[str] = field(default_factory=set)


class OrderGateway:
    """Gateway of one exchange."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._limits = OrderLimits()

    @functools.cached_property
    def _trading(self) -> SimulatedTrading:
        return self._context.trading

    def faults(self, source: OrderSource, op: Op, args: Any, now: int) -> dict[str, Fault]:
        """Return the faults of a request by kind, maintenance among them. Over REST, `held` has applied slow_order before."""
        kinds = _REQUEST_FAULTS - {"slow_order"} if source.path == "rest" else _REQUEST_FAULTS
        return self._request_faults(op, args, now, source.connection, source.path, kinds)

    def held(self, op: Op, args: Any, now: int) -> int:
        """Return how long (ns) a REST request is held before the exchange has it (fault slow_order)."""
        if not self._context.faults.has("order"):
            return 0
        faults = self._request_faults(op, args, now, 0, "rest", frozenset({"slow_order"}))
        return sum(fault.options["seconds"] for fault in faults.values())

    def _request_faults(self, op: Op, args: Any, now: int, connection: int, path: str, kinds: frozenset[str]) -> dict[str, Fault]:
        active = self._context.faults
        if not (active.has("order") or active.has("service")):
            return {}
        first = args[0] if isinstance(args, list) and args else args
        key = self._trading.catalogue.named_in(first) if isinstance(first, dict) else ""
        found = [
            fault
            for stage in ("order", "service")
            for fault in active.due(stage, now, connection, path=path, key=key, action=op.verb, only=kinds)
        ]
        for fault in found:
            self._context.note(fault.kind, now, "", op.name, key)
        return {fault.kind: fault for fault in found}

    def perform(
        self, source: OrderSource, op: Op, read: Callable[[], OrderRequest], faults: dict[str, Fault], received: int, now: int
    ) -> OrderOutcome:
        """Perform a request. read: parses it. received: when the exchange had it, which its expiry is compared with."""
        outcome = OrderOutcome()
        given = faults.get("maintenance") or faults.get("order_answer")
        if given is None or given.options.get("obey"):
            try:
                self._perform(outcome, source, op, read(), received, now)
            except ApiError as error:
                outcome.error = error
        if given is not None:
            outcome.given, outcome.status = grammar.refused(given.options["code"]), given.options["status"]
        return outcome

    def _perform(
        self, outcome: OrderOutcome, source: OrderSource, op: Op, request: OrderRequest, received: int, now: int
    ) -> None:
        if "trade" not in source.key.permissions:
            raise grammar.refused("50120")
        if self._is_expired(op, request.expires_ms, received):
            raise grammar.refused("50036")
        uid, args = self._trading.uid(source.key), request.args
        if op.verb == "mass-cancel":
            self._mass_cancel(source.key, uid, op, args[0], now)
            outcome.is_mass = True
            return
        batch = _Batch(source, uid, op, now, len(args) > 1, request.expires_ms)
        outcome.answers = [self._answer(batch, arg) for arg in args]

    def _is_expired(self, op: Op, expires_ms: int | None, now: int) -> bool:
        return expires_ms is not None and op.verb != "cancel" and expires_ms * MILLISECOND < self._context.clock(now)

    def _mass_cancel(self, key: ApiKey, uid: str, op: Op, arg: dict[str, Any], now: int) -> None:
        """Cancel spread orders, or the orders of an option family, which needs a portfolio margin account.

        Raises ApiError 50014, 51000, 51411.
        """
        trading = self._trading
        if op.is_spread:
            trading.spreads.cancel_all(uid, grammar.text(arg, "sprdId"), now)
            return
        inst_type, family = grammar.text(arg, "instType"), grammar.text(arg, "instFamily")
        for name, value in (("instType", inst_type), ("instFamily", family)):
            if not value:
                raise grammar.refused("50014", name)
        interval = grammar.text(arg, "lockInterval") or "0"
        if inst_type != "OPTION" or not interval.isdigit() or int(interval) > 10_000:
            raise grammar.refused("51000", "instType" if inst_type != "OPTION" else "lockInterval")
        if key.level != "4":
            raise grammar.refused("51411")
        for order in trading.engine.open_orders(uid):
            if order.instrument_type == inst_type and trading.catalogue.family(order.instrument) == family:
                trading.engine.cancel(uid, order, now)

    # One element

    def _answer(self, batch: _Batch, arg: dict[str, Any]) -> OrderAnswer:
        op, answer = batch.op, OrderAnswer(ts=batch.now)
        try:
            answer.client_order_id, answer.tag = grammar.text(arg, "clOrdId"), grammar.text(arg, "tag")
            answer.order_id = "" if op.verb == "order" else grammar.text(arg, "ordId")
            answer.request_id = grammar.text(arg, "reqId") if op.verb == "amend" else None
            if self._is_expired(op, batch.expires_ms, batch.now):
                raise grammar.refused("50037")
            faults = self._element_faults(batch, arg)
            instrument = "" if op.is_spread else self._instrument(arg, batch.source.path, "code_unknown" in faults)
            self._check_limits(batch, instrument)
            refusal = faults.get("order_refused")
            if refusal is None or refusal.options["obey"]:
                order = self._execute(batch, arg, instrument, faults)
                if refusal is None:
                    _fill_in(answer, order, op)
            if refusal is not None:
                raise grammar.refused(refusal.options["code"])
        except ApiError as error:
            answer.code, answer.message = error.code, error.message
        return answer

    def _element_faults(self, batch: _Batch, arg: dict[str, Any]) -> dict[str, Fault]:
        active, op, source = self._context.faults, batch.op, batch.source
        if not active.has("item"):
            return {}
        key = self._trading.catalogue.named_in(arg)
        found = active.due("item", batch.now, source.connection, path=source.path, key=key, action=op.verb)
        for fault in found:
            self._context.note(fault.kind, batch.now, "", op.name, key, grammar.text(arg, "clOrdId"))
        return {fault.kind: fault for fault in found}

    def _instrument(self, arg: dict[str, Any], path: str, is_code_unknown: bool) -> str:
        """Return the instrument of an element: over WebSocket by its code, over REST by its name."""
        name, code = grammar.text(arg, "instId"), grammar.text(arg, "instIdCode")
        catalogue = self._trading.catalogue
        if path == "rest":
            if not name:
                raise grammar.refused("50014", "instId")
        elif code:
            if not code.isdigit():
                raise grammar.refused("51000", "instIdCode")
            named = None if is_code_unknown else catalogue.by_code(int(code))
            if named is None:
                raise grammar.refused("51001")
            return named
        elif self._context.rules.order_instrument == "code" or not name:
            raise grammar.refused("50014", "instIdCode")
        if catalogue.row(name) is None:
            raise grammar.refused("51001")
        return name

    def _check_limits(self, batch: _Batch, instrument: str) -> None:
        if not self._context.rules.order_limits:
            return
        uid, verb, now = batch.uid, batch.op.verb, batch.now
        if batch.op.is_spread:
            code = self._limits.spread_refusal(uid, verb, now)
        else:
            code = self._limits.refusal(uid, verb, instrument, batched=batch.is_batch, now=now)
        if code:
            raise grammar.refused(code)

    def _execute(self, batch: _Batch, arg: dict[str, Any], instrument: str, faults: dict[str, Fault]) -> Order | SpreadOrder:
        if batch.op.is_spread:
            return self._execute_spread(batch, arg)
        engine, uid, now = self._trading.engine, batch.uid, batch.now
        if batch.op.verb == "order":
            return self._place(batch, arg, instrument)
        order_id, client_order_id = grammar.read_identity(arg)
        order = engine.find(uid, instrument, order_id=order_id, client_order_id=client_order_id)
        if batch.op.verb == "cancel":
            if order is None:
                raise grammar.refused("51400")
            return engine.cancel(uid, order, now)
        change = grammar.read_amendment(arg)
        if order is None:
            raise grammar.refused("51503")
        if order.order_id in batch.amended:
            raise grammar.refused("51512")
        batch.amended.add(order.order_id)
        if "amend_fails" in faults and order.is_open:
            self._trading.fail_amendment(uid, order, change.request_id, change.cancel_on_fail, now)
            return order
        return engine.amend(
            uid,
            order,
            now,
            size=change.size,
            price=change.price,
            request_id=change.request_id,
            cancel_on_fail=change.cancel_on_fail,
        )

    def _place(self, batch: _Batch, arg: dict[str, Any], instrument: str) -> Order:
        if arg.get("attachAlgoOrds") and batch.source.path != "rest":
            raise grammar.refused("51000", "attachAlgoOrds")  # documented for REST alone
        new = grammar.read_new(arg, instrument)
        listing = self._trading.catalogue.row(instrument)
        inst_type = str(listing["instType"]) if listing is not None else ""
        attached = read_attached(arg, new, batch.uid, inst_type, batch.now)
        order = self._trading.engine.place(batch.uid, new, batch.now)
        if attached is not None:
            self._trading.algos.attach(order, attached)
        return order

    def _execute_spread(self, batch: _Batch, arg: dict[str, Any]) -> SpreadOrder:
        spreads, verb = self._trading.spreads, batch.op.verb
        if verb == "order":
            return spreads.place(batch.uid, spread_grammar.read_new(arg), batch.now)
        order = spreads.find(batch.uid, *grammar.read_identity(arg))
        if order is None:
            raise grammar.refused("51400" if verb == "cancel" else "51503")
        if verb == "cancel":
            spreads.cancel(order, batch.now)
        else:
            change = grammar.read_amendment(arg)
            spreads.amend(order, change.size, change.price, change.request_id, batch.now)
        return order


def _fill_in(answer: OrderAnswer, order: Order | SpreadOrder, op: Op) -> None:
    new = order.new if isinstance(order, SpreadOrder) else order
    answer.order_id, answer.client_order_id, answer.tag = order.order_id, new.client_order_id, new.tag
    if op.verb == "amend":
        answer.ts = order.created
