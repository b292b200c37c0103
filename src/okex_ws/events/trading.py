"""Status events of our own trading: replies to order requests, verdicts, refusals, account quality, kill switch.

They are in the same ordered stream as the pushes.
"""

from __future__ import annotations

import enum

import msgspec
from msgspec import field

from okex_ws.events.line import StatusEvent


class Verdict(enum.StrEnum):
    """Result of an order request. UNKNOWN: it may or may not have been executed; it counts as neither."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class OrderResult(msgspec.Struct, kw_only=True, gc=False):
    """OKX's result for one order of a request; code "0" is accepted, which is not yet executed.

    result: of a mass cancel alone. ts_ms: when OKX finished it; of an amendment, when the order was created.
    Source: docs-v5 "Place order", "Amend order", "Cancel order" over WebSocket.
    """

    order_id: str = field(default="", name="ordId")
    client_order_id: str = field(default="", name="clOrdId")
    tag: str = ""
    request_id: str = field(default="", name="reqId")
    ts_ms: int | None = field(default=None, name="ts")
    code: str = field(default="", name="sCode")
    message: str = field(default="", name="sMsg")
    sub_code: str = field(default="", name="subCode")
    result: bool | None = None


class OrderReplied(StatusEvent, kw_only=True, gc=False):
    """OKX's answer to an order request of ours, unchanged; `Orders` derives verdicts from it.

    request_id, op: the request's; code: "0" all accepted, "1" none, "2" some, any other concerns the whole request.
    results: one per order, in the order of the request; none if OKX did not read the request. connection: number of the
    connection. in_us, out_us: when OKX's gateway received the request and sent the answer, None if it sends no times.
    """

    request_id: str = ""
    op: str = ""
    code: str = ""
    message: str = ""
    results: tuple[OrderResult, ...] = ()
    in_us: int | None = None
    out_us: int | None = None
    connection: int = 0


class OrderResolved(StatusEvent, kw_only=True, gc=False):
    """Verdict of an order request: one per order, also of a batch.

    kind: place, amend, cancel, mass_cancel. code, reason, advice: "" if confirmed. via: source of the verdict: websocket, rest,
    lookup or push. state: the order's if it was read, else "". ticket: the request's number in this process.
    late: True if an earlier verdict was UNKNOWN or wrong.
    """

    ticket: int = 0
    verdict: Verdict = Verdict.UNKNOWN
    kind: str = ""
    instrument: str = ""
    client_order_id: str = ""
    order_id: str = ""
    code: str = ""
    reason: str = ""
    advice: str = ""
    via: str = ""
    state: str = ""
    sent_at: int = 0
    late: bool = False


class OrderRefused(StatusEvent, kw_only=True, gc=False):
    """An order was refused by the client: nothing was sent. rule: the limit or check; advice: what to change."""

    kind: str = ""
    instrument: str = ""
    client_order_id: str = ""
    rule: str = ""
    reason: str = ""
    advice: str = ""


class SafetyOverridden(StatusEvent, kw_only=True, gc=False):
    """An order was sent although the check `rule` (account, book) failed; reason: the caller's."""

    kind: str = ""
    instrument: str = ""
    client_order_id: str = ""
    rule: str = ""
    reason: str = ""


class AccountQuality(StatusEvent, kw_only=True, gc=False):
    """Quality of the account state from here on: LIVE, RECONCILING or STALE; reason: of the change."""

    quality: str = ""
    reason: str = ""


class Halted(StatusEvent, kw_only=True, gc=False):
    """The kill switch is on: no order is sent until trading is resumed by hand. by: call, signal, file, or a rule's name."""

    reason: str = ""
    by: str = ""


class TradingResumed(StatusEvent, kw_only=True, gc=False):
    """The kill switch is off again."""

    reason: str = ""


class SwitchArmed(StatusEvent, kw_only=True, gc=False):
    """OKX cancels all orders at `until` (ns UTC) unless the switch is renewed; timeout_s 0: the switch is off.

    is_spread: the switch of spread orders, which is separate.
    """

    timeout_s: int = 0
    until: int = 0
    tag: str = ""
    is_spread: bool = False


class SwitchFailed(StatusEvent, kw_only=True, gc=False):
    """Cancel-all-after could not be renewed; its last setting is still valid. failures: in a row."""

    reason: str = ""
    failures: int = 0
    tag: str = ""
    is_spread: bool = False
