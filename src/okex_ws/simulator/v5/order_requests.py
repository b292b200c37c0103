"""Order talk: requests about orders on a V5 line, from the envelope to the ack, through whatever faults strike them.

In: a request of a line and the instant it was heard. Out: one reply on that line, before or after what the floor's
happenings push. Sources: OKX V5 docs, "WS / Place order" and its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from okex_ws.simulator.connection import Text
from okex_ws.simulator.errors import ApiError
from okex_ws.simulator.faults import KINDS, Fault
from okex_ws.simulator.v5 import grammar as v5
from okex_ws.simulator.v5 import order_grammar as grammar
from okex_ws.simulator.v5.grammar import V5RequestError
from okex_ws.simulator.v5.order_grammar import Op, OrderRequestRefused

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.v5.connection import V5Connection

_MICROSECOND = 1_000


def hear(exchange: Exchange, line: V5Connection, request: v5.V5Request, op: Op, now: int) -> None:
    """One request. Raises V5RequestError 60028, 60011."""
    if op.path != line.path:
        raise V5RequestError("60028")
    if line.account is None:
        raise V5RequestError("60011")
    struck = strike(exchange, op, request.args, now, line.number, line.path)
    lost = struck.get("order_lost")
    if lost is not None:
        if lost.options["drop"]:
            line.suffer(Fault("abort"), now)
        return
    slow = struck.get("slow_order")
    if slow is None:
        _answer(exchange, line, request, op, struck, now, now)
        return
    is_inside = bool(slow.options["inside"])
    exchange.call_at(
        now + slow.options["seconds"],
        lambda then: _answer(exchange, line, request, op, struck, now if is_inside else then, then),
    )


def strike(exchange: Exchange, op: Op, args: Any, now: int, line: int, path: str, *, slow: bool = False) -> dict[str, Fault]:
    """The faults that strike a request about orders, by kind, maintenance among them.

    slow: on REST, where the shell holds what is slow before it is heard, only those that hold it.
    """
    running = exchange.running
    if not (running.has("order") or running.has("service")):
        return {}
    kinds = {kind for kind, what in KINDS.items() if what.stage in ("order", "service")}
    if path == "rest":
        kinds = kinds & {"slow_order"} if slow else kinds - {"slow_order"}
    first = args[0] if isinstance(args, list) and args else args
    key = exchange.desk.listings.named_in(first) if isinstance(first, dict) else ""
    struck = [
        fault
        for stage in ("order", "service")
        for fault in running.due(stage, now, line, path=path, key=key, action=op.verb, only=kinds)
    ]
    for fault in struck:
        exchange.note(fault.kind, now, "", op.name, key)
    return {fault.kind: fault for fault in struck}


def _answer(
    exchange: Exchange, line: V5Connection, request: v5.V5Request, op: Op, struck: dict[str, Fault], heard: int, now: int
) -> None:
    """Obey and reply. heard: when the gateway had the request."""
    code, message = "0", ""
    rows: list[Any] = []
    given = struck.get("maintenance") or struck.get("order_answer")
    if given is None or given.options.get("obey"):
        try:
            code, rows = _obey(exchange, line, request, op, heard, now)
        except ApiError as rejection:
            code, message = rejection.code, rejection.message
    if given is not None:
        refused = OrderRequestRefused(given.options["code"])
        code, message, rows = refused.code, refused.message, []
    if "order_then_drop" in struck:
        line.suffer(Fault("abort"), now)
        exchange.desk.flush(now)
        return
    reply = grammar.reply(request.id, op.name, code, message, rows, heard // _MICROSECOND, now // _MICROSECOND)
    if exchange.desk.is_push_first():
        exchange.desk.flush(now)
        line.acknowledge_order(op, Text(reply), now)
    else:
        line.acknowledge_order(op, Text(reply), now)
        exchange.desk.flush(now)


def _obey(exchange: Exchange, line: V5Connection, request: v5.V5Request, op: Op, heard: int, now: int) -> tuple[str, list[Any]]:
    """The code and rows of the reply. Raises ApiError: the request as a whole is refused."""
    account = line.account
    assert account is not None
    read = grammar.read_request(request, op)
    if "trade" not in account.permissions:
        raise OrderRequestRefused("50120")
    if read.expires_ms is not None and op.verb != "cancel" and read.expires_ms * 1_000_000 < exchange.clock(heard):
        raise OrderRequestRefused("50036")
    if op.verb == "mass-cancel":
        exchange.desk.clerk.mass_cancel(account, op, read.args[0], now)
        return "0", [{"result": True}]
    answers = exchange.desk.clerk.act(account, op, read.args, now, line=line.number, path=line.path, expires_ms=read.expires_ms)
    return grammar.overall(answers), [answer.row() for answer in answers]
