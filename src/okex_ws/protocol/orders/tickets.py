"""Tickets: one order request each, from its call to its verdict; and the actions that `Orders` requests for them."""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.absence import GRACE_S, Absence
from okex_ws.events import OrderRefused, OrderResolved, Verdict
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.orders import AmendOrder, Kind, OrderRequest, PlaceOrder, kind_of


class Patience(msgspec.Struct, frozen=True):
    """Timeouts of an order, in seconds.

    expires_s: OKX refuses a new or amended order that arrives later than this after it was sent. ack_within_s: without an answer
    within this time the order is looked up. grace_s: time in which OKX may not show an order that exists. report_s: time after
    which an unsettled order is reported as UNKNOWN. linger_s: time in which it is looked up in all.
    """

    expires_s: float = 5.0
    ack_within_s: float = 3.0
    grace_s: float = GRACE_S
    report_s: float = 25.0
    linger_s: float = 900.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an order request.

    code, reason, advice: why it was rejected or is unknown; "" when confirmed. via: source of the verdict: websocket, rest,
    lookup or push; "here" if nothing was sent. state: the order's, where it was read. sent_at, resolved_at: ns UTC by our clock.
    """

    verdict: Verdict
    kind: Kind
    instrument: str
    client_order_id: str = ""
    order_id: str = ""
    code: str = ""
    reason: str = ""
    advice: str = ""
    via: str = ""
    state: str = ""
    sent_at: int = 0
    resolved_at: int = 0

    @property
    def is_confirmed(self) -> bool:
        return self.verdict is Verdict.CONFIRMED


class LookUpState:
    """State of the lookup of one order. at: time of the next read."""

    __slots__ = ("absence", "at", "is_reading", "read_at", "since")

    def __init__(self, now: int, absence: Absence) -> None:
        self.since = now
        self.at = now
        self.is_reading = False
        self.read_at = 0
        self.absence = absence


class Ticket:
    """One order of one request. number: unique in this process; outcome: None until there is a verdict."""

    __slots__ = (
        "answer",
        "attempts",
        "expires_at",
        "first_sent_at",
        "is_late",
        "is_recorded",
        "key",
        "last_sent_at",
        "look",
        "may_resend",
        "number",
        "order",
        "order_id",
        "outcome",
        "rank",
        "reason",
        "refreshes",
        "requests",
        "submitted_at",
    )

    def __init__(self, number: int, key: str, order: OrderRequest, *, may_resend: bool = False) -> None:
        self.number = number
        self.key = key  # unique among processes too
        self.order = order
        self.order_id = getattr(order, "order_id", "")
        self.may_resend = may_resend
        self.outcome: Outcome | None = None
        self.rank = 0  # strength of the outcome's proof, see `verdicts.Rank`
        self.attempts = 0
        self.submitted_at = 0
        self.first_sent_at = self.last_sent_at = 0
        self.expires_at: int | None = None  # by OKX's clock; later OKX refuses it
        self.refreshes = 0  # how often its instIdCode was refused and fetched again
        self.is_recorded = False
        self.is_late = False
        self.look: LookUpState | None = None  # during a lookup
        self.answer = ""  # code of an answer that it did not happen, until the order is read
        self.reason = ""  # why it has no final verdict
        self.requests: list[str] = []  # ids of the requests that carried it

    @property
    def kind(self) -> Kind:
        return kind_of(self.order)

    @property
    def is_open(self) -> bool:
        """True while it has no final verdict."""
        return self.outcome is None or self.outcome.verdict is Verdict.UNKNOWN

    def is_overdue(self, now: int, within: int) -> bool:
        """True if the request waited past its expiry: this process stood still, or an instrument could not be fetched."""
        waits_for_first_time = not self.attempts or self.refreshes > 0
        return isinstance(self.order, (PlaceOrder, AmendOrder)) and waits_for_first_time and now - self.submitted_at > within

    def refused(self, rule: str, reason: str, advice: str, now: int) -> OrderRefused:
        """Return the event of its refusal before it is sent."""
        return OrderRefused(
            ts_recv=now,
            kind=self.kind,
            instrument=self.order.instrument,
            client_order_id=self.order.client_order_id,
            rule=rule,
            reason=reason,
            advice=advice,
        )

    def resolved(self, now: int) -> OrderResolved:
        """Return its verdict as an event."""
        made = self.outcome
        assert made is not None
        return OrderResolved(
            ts_recv=now,
            ticket=self.number,
            verdict=made.verdict,
            kind=made.kind,
            instrument=made.instrument,
            client_order_id=made.client_order_id,
            order_id=made.order_id,
            code=made.code,
            reason=made.reason,
            advice=made.advice,
            via=made.via,
            state=made.state,
            sent_at=made.sent_at,
            late=self.is_late,
        )


class SentRequest:
    """One frame or POST with one ticket or a batch. answer_by: None before it is sent and after its answer."""

    __slots__ = ("answer_by", "connection", "line", "request_id", "tickets", "via")

    def __init__(self, request_id: str, tickets: list[Ticket]) -> None:
        self.request_id = request_id
        self.tickets = tickets
        self.via = ""  # websocket or rest, once sent
        self.line = ""
        self.connection = 0
        self.answer_by: int | None = None


class Intent(msgspec.Struct, omit_defaults=True):
    """Record of a ticket, written before it is sent. key: unique among processes; done: True if it is settled.

    sent_at, expires_at: ns by OKX's clock, because the next process may have another; after expires_at OKX refuses it.
    """

    key: str
    order: OrderRequest | None = None
    sent_at: int = 0
    expires_at: int | None = None
    done: bool = False


class WriteIntent(msgspec.Struct):
    """Action: write intents durably before the next action; on failure call `Orders.not_recorded` and do not send the request."""

    intents: list[Intent]
    request_id: str = ""


class SendSocket(msgspec.Struct):
    """Action: send a text at an endpoint, then call `Orders.sent` or `Orders.not_sent`."""

    request_id: str
    endpoint: str
    op: str
    data: bytes


class SendRest(msgspec.Struct):
    """Action: POST a body, then call `Orders.rest_answered` or `Orders.rest_failed`. expires_ms: by OKX's clock."""

    request_id: str
    path: str
    body: Any
    expires_ms: int | None


class FetchOrder(msgspec.Struct):
    """Action: GET an order, then call `Orders.looked_up`."""

    ticket: int
    path: str
    query: dict[str, str]


class FetchInstrument(msgspec.Struct):
    """Action: fetch an instrument's reference data again, then call `Orders.instrument_read`."""

    instrument: str


class FetchOrderClock(msgspec.Struct):
    """Action: measure OKX's time with the ServerClock, then call `Orders.clock_read`, also after a failure."""


Action = WriteIntent | SendSocket | SendRest | FetchOrder | FetchInstrument | FetchOrderClock


def ns(seconds: float) -> int:
    """Return seconds as ns."""
    return int(seconds * SECOND)
