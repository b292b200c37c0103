"""OrderGateway: obeys each element of a request about orders: who may, how often, which instrument, and then the floor.

In: elements as clients word them, with their account. Out: an OrderAnswer for each, in their order. The faults of single orders
strike here. Sources: OKX V5 docs, "Place order", "Amend order", "Cancel order", "Mass cancel order", "Rate limits".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from okex_ws.simulator.engine.orders import Order
from okex_ws.simulator.engine.spreads import SpreadOrder
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.rate_limits import OrderLimits
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5 import spread_grammar as spread_words
from okex_ws.simulator.v5.algo_grammar import read_attached
from okex_ws.simulator.v5.order_grammar import Op, OrderAnswer, OrderRequestRefused

if TYPE_CHECKING:
    from okex_ws.simulator.v5.trading import V5Trading


@dataclass(slots=True)
class GatewayRequest:
    """What the elements of one request share. line: the connection (0: REST); path: says what names it uses.

    amended: ids of the orders it has amended so far.
    """

    key: ApiKey
    uid: str
    op: Op
    now: int
    line: int
    path: str
    is_batch: bool
    expires_ms: int | None
    amended: set[str] = field(default_factory=set)


class OrderGateway:
    """The one who takes orders for one exchange's floor."""

    def __init__(self, desk: V5Trading) -> None:
        self._desk = desk
        self._exchange = desk.exchange
        self._limits = OrderLimits()

    def act(
        self, key: ApiKey, op: Op, args: list[dict[str, Any]], now: int, *, line: int, path: str, expires_ms: int | None = None
    ) -> list[OrderAnswer]:
        """Obey each element of a request."""
        errand = GatewayRequest(key, self._desk.uid(key), op, now, line, path, len(args) > 1, expires_ms)
        return [self._one(errand, arg) for arg in args]

    def mass_cancel(self, key: ApiKey, op: Op, arg: dict[str, Any], now: int) -> None:
        """Cancel many at once: spread orders, or an option family's orders, which portfolio margin accounts alone may.

        Raises OrderRequestRefused 50014, 51000, 51411.
        """
        uid = self._desk.uid(key)
        if op.is_spread:
            self._desk.spreads.cancel_all(uid, grammar.text(arg, "sprdId"), now)
            return
        inst_type, family = grammar.text(arg, "instType"), grammar.text(arg, "instFamily")
        for name, value in (("instType", inst_type), ("instFamily", family)):
            if not value:
                raise OrderRequestRefused("50014", name)
        interval = grammar.text(arg, "lockInterval") or "0"
        if inst_type != "OPTION" or not interval.isdigit() or int(interval) > 10_000:
            raise OrderRequestRefused("51000", "instType" if inst_type != "OPTION" else "lockInterval")
        if key.level != "4":
            raise OrderRequestRefused("51411")
        for order in self._desk.floor.open_orders(uid):
            if order.instrument_type == inst_type and self._desk.listings.family(order.instrument) == family:
                self._desk.floor.cancel(uid, order, now)

    def _one(self, errand: GatewayRequest, arg: dict[str, Any]) -> OrderAnswer:
        op, answer = errand.op, OrderAnswer(ts=errand.now)
        try:
            answer.client_order_id, answer.tag = grammar.text(arg, "clOrdId"), grammar.text(arg, "tag")
            answer.order_id = "" if op.verb == "order" else grammar.text(arg, "ordId")
            answer.request_id = grammar.text(arg, "reqId") if op.verb == "amend" else None
            expires = errand.expires_ms
            if expires is not None and op.verb != "cancel" and expires * MILLISECOND < self._exchange.clock(errand.now):
                raise OrderRequestRefused("50037")
            struck = self._faults(errand, arg)
            instrument = "" if op.is_spread else self._instrument(arg, errand.path, "code_unknown" in struck)
            self._check_pace(errand, instrument)
            refused = struck.get("order_refused")
            if refused is None or refused.options["obey"]:
                order = self._obey(errand, arg, instrument, struck)
                if refused is None:
                    _fill_in(answer, order, op)
            if refused is not None:
                raise OrderRequestRefused(refused.options["code"])
        except ApiError as rejection:
            answer.code, answer.message = rejection.code, rejection.message
        return answer

    def _obey(
        self, errand: GatewayRequest, arg: dict[str, Any], instrument: str, struck: dict[str, Fault]
    ) -> Order | SpreadOrder:
        if errand.op.is_spread:
            return self._obey_spread(errand, arg)
        floor, uid, now = self._desk.floor, errand.uid, errand.now
        if errand.op.verb == "order":
            return self._place(errand, arg, instrument)
        order_id, client_order_id = grammar.read_identity(arg)
        order = floor.find(uid, instrument, order_id=order_id, client_order_id=client_order_id)
        if errand.op.verb == "cancel":
            if order is None:
                raise OrderRequestRefused("51400")
            return floor.cancel(uid, order, now)
        change = grammar.read_amendment(arg)
        if order is None:
            raise OrderRequestRefused("51503")
        if order.order_id in errand.amended:
            raise OrderRequestRefused("51512")
        errand.amended.add(order.order_id)
        if "amend_fails" in struck and order.is_open:
            self._desk.fail_amendment(uid, order, change.request_id, change.cancel_on_fail, now)
            return order
        return floor.amend(
            uid,
            order,
            now,
            size=change.size,
            price=change.price,
            request_id=change.request_id,
            cancel_on_fail=change.cancel_on_fail,
        )

    def _place(self, errand: GatewayRequest, arg: dict[str, Any], instrument: str) -> Order:
        if arg.get("attachAlgoOrds") and errand.path != "rest":
            raise OrderRequestRefused("51000", "attachAlgoOrds")  # documented for REST alone
        new, algos = grammar.read_new(arg, instrument), self._desk.algos
        listing = self._desk.listings.row(instrument)
        kind = str(listing["instType"]) if listing is not None else ""
        attached = read_attached(arg, new, errand.uid, kind, errand.now)
        order = self._desk.floor.place(errand.uid, new, errand.now)
        if attached is not None:
            algos.attach(order, attached)
        return order

    def _obey_spread(self, errand: GatewayRequest, arg: dict[str, Any]) -> SpreadOrder:
        spreads, verb = self._desk.spreads, errand.op.verb
        if verb == "order":
            return spreads.place(errand.uid, spread_words.read_new(arg), errand.now)
        order = spreads.find(errand.uid, *grammar.read_identity(arg))
        if order is None:
            raise OrderRequestRefused("51400" if verb == "cancel" else "51503")
        if verb == "cancel":
            spreads.cancel(order, errand.now)
        else:
            change = grammar.read_amendment(arg)
            spreads.amend(order, change.size, change.price, change.request_id, errand.now)
        return order

    def _instrument(self, arg: dict[str, Any], path: str, is_code_unknown: bool) -> str:
        """The instrument an element names: over WebSocket by its code, over REST by its name."""
        name, code = grammar.text(arg, "instId"), grammar.text(arg, "instIdCode")
        if path == "rest":
            if not name:
                raise OrderRequestRefused("50014", "instId")
        elif code:
            if not code.isdigit():
                raise OrderRequestRefused("51000", "instIdCode")
            named = None if is_code_unknown else self._desk.listings.by_code(int(code))
            if named is None:
                raise OrderRequestRefused("51001")
            return named
        elif self._exchange.rules.order_instrument == "code" or not name:
            raise OrderRequestRefused("50014", "instIdCode")
        if self._desk.listings.row(name) is None:
            raise OrderRequestRefused("51001")
        return name

    def _check_pace(self, errand: GatewayRequest, instrument: str) -> None:
        if not self._exchange.rules.order_limits:
            return
        uid, verb, now = errand.uid, errand.op.verb, errand.now
        if errand.op.is_spread:
            code = self._limits.spread_refusal(uid, verb, now)
        else:
            code = self._limits.refusal(uid, verb, instrument, batched=errand.is_batch, now=now)
        if code:
            raise OrderRequestRefused(code)

    def _faults(self, errand: GatewayRequest, arg: dict[str, Any]) -> dict[str, Fault]:
        running, op = self._exchange.running, errand.op
        if not running.has("item"):
            return {}
        key = self._desk.listings.named_in(arg)
        struck = running.due("item", errand.now, errand.line, path=errand.path, key=key, action=op.verb)
        for fault in struck:
            self._exchange.note(fault.kind, errand.now, "", op.name, key, grammar.text(arg, "clOrdId"))
        return {fault.kind: fault for fault in struck}


def _fill_in(answer: OrderAnswer, order: Order | SpreadOrder, op: Op) -> None:
    asked = order.new if isinstance(order, SpreadOrder) else order
    answer.order_id, answer.client_order_id, answer.tag = order.order_id, asked.client_order_id, asked.tag
    if op.verb == "amend":
        answer.ts = order.created
