"""Audit: order requests, refusals and outcomes of an account, as one JSON object per line in the log `okex_ws.orders`.

Nothing else writes to this log. A line is ASCII, so texts of OKX or of a caller cannot break it. It has ids, sizes and prices,
no key. Empty fields are left out.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from okex_ws.events import Event, Halted, OrderResolved, SafetyOverridden, SwitchArmed, SwitchFailed, TradingResumed, Verdict
from okex_ws.protocol.orders.tickets import Outcome
from okex_ws.wire.orders import OrderRequest, kind_of, plain

log = logging.getLogger("okex_ws.orders")

_OF_ORDER = (
    "client_order_id", "order_id", "side", "size", "price", "order_type", "trade_mode", "position_side", "reduce_only",
)  # fmt: skip
_OF_VERDICT = ("via", "code", "reason", "advice", "state")


def asked(account: str, ticket: int, order: OrderRequest, override: str, now: int) -> None:
    """Log an order request of a caller, sent or not; its verdict follows."""
    if log.isEnabledFor(logging.INFO):
        _write(logging.INFO, account, "asked", now, ticket=ticket, **_order(order), override=override)


def resolved(account: str, ticket: int, order: OrderRequest | None, made: OrderResolved | Outcome, now: int) -> None:
    """Log a verdict. A refusal has via `here` and its rule as code; `late` marks a correction of an earlier verdict."""
    level = logging.INFO if made.verdict is Verdict.CONFIRMED else logging.WARNING
    if not log.isEnabledFor(level):
        return
    fields = _order(order) if order is not None else {}
    fields |= {"kind": made.kind, "instrument": made.instrument, "client_order_id": made.client_order_id}
    fields |= {"order_id": made.order_id, "outcome": made.verdict.value}
    fields |= {name: getattr(made, name) for name in _OF_VERDICT}
    sent = _time(made.sent_at) if made.sent_at else ""
    _write(level, account, "resolved", now, ticket=ticket, **fields, late=getattr(made, "late", False), sent=sent)


def switched(account: str, event: Event, now: int) -> None:
    """Log events of the kill switch and cancel-all-after, and orders sent against a check; ignore other events."""
    match event:
        case Halted(by=by, reason=reason):
            _write(logging.ERROR, account, "halted", now, by=by, reason=reason)
        case TradingResumed(reason=reason):
            _write(logging.WARNING, account, "resumed", now, reason=reason)
        case SafetyOverridden(kind=kind, instrument=instrument, client_order_id=name, rule=rule, reason=reason):
            ids = {"kind": kind, "instrument": instrument, "client_order_id": name}
            _write(logging.ERROR, account, "overridden", now, **ids, code=rule, reason=reason)
        case SwitchArmed(timeout_s=timeout_s, until=until, is_spread=which):
            due = _time(until) if until else ""
            _write(logging.INFO, account, "cancel_all_after", now, timeout_s=timeout_s, until=due, is_spread=which)
        case SwitchFailed(failures=failures, reason=reason, is_spread=which):
            _write(logging.ERROR, account, "cancel_all_after_failed", now, failures=failures, reason=reason, is_spread=which)


def _order(order: OrderRequest) -> dict[str, Any]:
    return {"kind": kind_of(order), "instrument": order.instrument} | {name: getattr(order, name, "") for name in _OF_ORDER}


def _write(level: int, account: str, what: str, now: int, **fields: Any) -> None:
    line = {"at": _time(now), "account": account, "what": what}
    line |= {name: plain(value) if isinstance(value, Decimal) else value for name, value in fields.items() if _is_given(value)}
    log.log(level, "%s", json.dumps(line))


def _is_given(value: Any) -> bool:
    return value is not None and value is not False and value != ""


def _time(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"
