"""StatusEvent of our own trading: replies to order requests, verdicts, refusals, and what guards the account.

They stand in the same ordered stream as the pushes.
"""

from __future__ import annotations

import enum

import msgspec
from msgspec import field

from okex_ws.events.line import StatusEvent


class Verdict(enum.StrEnum):
    """How an order request ended. UNKNOWN: it may or may not have happened; it is never taken for either."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class OrderResult(msgspec.Struct, kw_only=True, gc=False):
    """What became of one order of a request; code "0" is accepted, which is not yet executed.

    result: of a mass cancel alone. ts_ms: when OKX was done with it; of an amendment, when the order was made.
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
    """OKX answered an order request of ours, as it came; `Orders` makes verdicts of it.

    request_id, op: the request's; code: "0" all accepted, "1" none, "2" some, anything else is about the request as a whole.
    results: one per order, in the order of the request; none when the request was not read. connection: the one it came by.
    in_us, out_us: when OKX's gateway took the request and let the answer go, None where it does not say.
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
    """An order request reached its verdict: one per order, also of a batch.

    kind: place, amend, cancel, mass_cancel. code, reason, advice: why, "" when confirmed. via: websocket, rest, lookup or push,
    whatever told. state: the order's where it was read, else "". ticket: the request's number in this process.
    late: an earlier verdict of UNKNOWN is hereby settled, or an earlier one was wrong.
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
    """An order was refused here: nothing was sent. rule: which limit or check; advice: what to change."""

    kind: str = ""
    instrument: str = ""
    client_order_id: str = ""
    rule: str = ""
    reason: str = ""
    advice: str = ""


class SafetyOverridden(StatusEvent, kw_only=True, gc=False):
    """An order left although the check `rule` (account, book) spoke against it; reason: the caller's."""

    kind: str = ""
    instrument: str = ""
    client_order_id: str = ""
    rule: str = ""
    reason: str = ""


class AccountQuality(StatusEvent, kw_only=True, gc=False):
    """How far the account's picture can be trusted from here on: LIVE, RECONCILING, STALE; reason: why it changed."""

    quality: str = ""
    reason: str = ""


class Halted(StatusEvent, kw_only=True, gc=False):
    """The kill switch is on: no order leaves until trading is resumed by hand. by: call, signal, file, or a rule's name."""

    reason: str = ""
    by: str = ""


class TradingResumed(StatusEvent, kw_only=True, gc=False):
    """The kill switch is off again."""

    reason: str = ""


class SwitchArmed(StatusEvent, kw_only=True, gc=False):
    """OKX will cancel all orders at `until` (ns UTC) unless told otherwise before; timeout_s 0: it will not any more.

    is_spread: all spread orders, which have a switch of their own.
    """

    timeout_s: int = 0
    until: int = 0
    tag: str = ""
    is_spread: bool = False


class SwitchFailed(StatusEvent, kw_only=True, gc=False):
    """Cancel-all-after could not be renewed; what OKX was told last still holds. failures: in a row."""

    reason: str = ""
    failures: int = 0
    tag: str = ""
    is_spread: bool = False
