"""Tickets: one order request each, from its call to its verdict; and what `Orders` wants done about them."""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.events import OrderResolved, Verdict
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.absence import GRACE_S, Absence
from okex_ws.wire.orders import AmendOrder, Kind, OrderRequest, PlaceOrder, kind_of


class Patience(msgspec.Struct, frozen=True):
    """How long things about an order may take; seconds.

    expires_s: OKX refuses a new or amended order that reaches it later than this after it was sent. ack_within_s: after this
    without an answer the order is looked up. grace_s: how long OKX may not show an order that exists. report_s: after this an
    order that is still not settled is reported as UNKNOWN. linger_s: how long it is looked for after that.
    """

    expires_s: float = 5.0
    ack_within_s: float = 3.0
    grace_s: float = GRACE_S
    report_s: float = 25.0
    linger_s: float = 900.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an order request ended.

    code, reason, advice: why it was rejected or is unknown; "" when confirmed. via: whatever told, websocket, rest, lookup or
    push; here when nothing was sent. state: the order's, where it was read. sent_at, resolved_at: ns UTC by our clock.
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
    """Where the search for one order stands. at: when to read next."""

    __slots__ = ("absence", "asked_at", "at", "is_reading", "since")

    def __init__(self, now: int, absence: Absence) -> None:
        self.since = now
        self.at = now
        self.is_reading = False
        self.asked_at = 0
        self.absence = absence


class Ticket:
    """One order of one request. number: unique in this process; outcome: None until there is a verdict."""

    __slots__ = (
        "answer",
        "asked_at",
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
    )

    def __init__(self, number: int, key: str, order: OrderRequest, *, may_resend: bool = False) -> None:
        self.number = number
        self.key = key  # unique among processes too
        self.order = order
        self.order_id = getattr(order, "order_id", "")
        self.may_resend = may_resend
        self.outcome: Outcome | None = None
        self.rank = 0  # how good the proof of the outcome is, see `verdicts.Rank`
        self.attempts = 0
        self.asked_at = 0
        self.first_sent_at = self.last_sent_at = 0
        self.expires_at: int | None = None  # by OKX's clock; after this it is taken no more
        self.refreshes = 0  # how often its instIdCode was refused and read anew
        self.is_recorded = False
        self.is_late = False
        self.look: LookUpState | None = None  # while it is looked for
        self.answer = ""  # the code of an answer that says: it did not happen, read why
        self.reason = ""  # why it is not settled
        self.requests: list[str] = []  # that carried it

    @property
    def kind(self) -> Kind:
        return kind_of(self.order)

    @property
    def is_open(self) -> bool:
        """True while nothing final is known of it."""
        return self.outcome is None or self.outcome.verdict is Verdict.UNKNOWN

    def is_overdue(self, now: int, within: int) -> bool:
        """Whether its price is of another time: this process stood still, or an instrument could not be read."""
        waits_for_first_time = not self.attempts or self.refreshes > 0
        return isinstance(self.order, (PlaceOrder, AmendOrder)) and waits_for_first_time and now - self.asked_at > within

    def resolved(self, now: int) -> OrderResolved:
        """Its verdict as an event."""
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
    """One frame, or one POST: a ticket, or a batch of them. answer_by: None before it is sent and once it is answered."""

    __slots__ = ("answer_by", "connection", "line", "request_id", "tickets", "via")

    def __init__(self, request_id: str, tickets: list[Ticket]) -> None:
        self.request_id = request_id
        self.tickets = tickets
        self.via = ""  # websocket or rest, once sent
        self.line = ""
        self.connection = 0
        self.answer_by: int | None = None


class Intent(msgspec.Struct, omit_defaults=True):
    """A ticket as it is written down before it is sent. key: unique among processes; done: nothing is left to find out.

    sent_at, expires_at: ns by OKX's clock, since the next process may have another; after the latter OKX takes it no more.
    """

    key: str
    order: OrderRequest | None = None
    sent_at: int = 0
    expires_at: int | None = None
    done: bool = False


class WriteIntent(msgspec.Struct):
    """Write these down, and be sure of it, before going on; else tell `Orders.not_recorded`, and do not send that request."""

    intents: list[Intent]
    request_id: str = ""


class SendSocket(msgspec.Struct):
    """Say this at an endpoint, then tell `Orders.sent` or `Orders.not_sent`."""

    request_id: str
    endpoint: str
    op: str
    data: bytes


class SendRest(msgspec.Struct):
    """POST this, then tell `Orders.rest_answered` or `Orders.rest_failed`. expires_ms: by OKX's clock."""

    request_id: str
    path: str
    body: Any
    expires_ms: int | None


class FetchOrder(msgspec.Struct):
    """GET this, then tell `Orders.looked_up`."""

    ticket: int
    path: str
    query: dict[str, str]


class FetchInstrument(msgspec.Struct):
    """Read an instrument's reference data anew, then tell `Orders.instrument_read`."""

    instrument: str


class FetchOrderClock(msgspec.Struct):
    """Let the ServerClock measure OKX's time, then tell `Orders.clock_read`, whether it could or not."""


Action = WriteIntent | SendSocket | SendRest | FetchOrder | FetchInstrument | FetchOrderClock


def ns(seconds: float) -> int:
    return int(seconds * SECOND)
