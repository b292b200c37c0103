"""Verdicts: the proof that an answer, a push or a fetched row gives about an order request. Pure functions; None: no proof.

Source: docs-v5 "Error Code", "Order channel" (amendResult), "Get order details".
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import msgspec

from okex_ws.events import OrderResult, OrderUpdate, SpreadOrderUpdate, Verdict
from okex_ws.protocol.orders.tickets import Outcome, Ticket
from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.codes import CodePolicy, lookup
from okex_ws.wire.orders import AmendOrder, CancelOrder, PlaceOrder

OwnOrder = OrderUpdate | SpreadOrderUpdate

STALE_CODE = ("51001", "50014")
"""OKX did not know the instIdCode: nothing was placed, and the code can be fetched again."""
MOST_REFRESHES = 2
UNAVAILABLE = ("50001", "50013")
"""OKX takes no orders at present."""
EXPIRED = ("50036", "50037")
"""The request arrived later than its expTime: the network delayed it, or a clock is wrong."""
TOO_FREQUENT = ("50011", "50040", "50061", "60014")
UNCLEAR = ("1", "2", "50004", "50026", "51054", "51149", "51412")
"""Neither success nor failure by OKX's page; 1 and 2 without a result for the order are no better."""
LATEST_CANCEL = 10 * SECOND
"""Time after which a live order proves that a cancel, which has no expiry, was lost."""
OTHERS_CLOCK = 10 * SECOND
"""An order created earlier than this before our request is another one with the same id."""
ALREADY_DONE = ("51405",)
FINAL = ("filled", "canceled", "mmp_canceled")


class Rank(enum.IntEnum):
    """Strength of a proof: a stronger one replaces a verdict, a weaker one never does."""

    NOTHING = 0
    ABSENCE = 1
    ANSWER = 2
    ORDER = 3


class Next(enum.Enum):
    """Next step after an answer."""

    CONFIRMED = "accepted"
    REJECTED = "refused, and nothing happened"
    LOOK = "its state must be read"
    REFRESH = "the instrument must be fetched again"


class Proof(NamedTuple):
    """Proven verdict, with its code and reason."""

    verdict: Verdict
    code: str = ""
    reason: str = ""


def results_in(rows: list[Any]) -> tuple[OrderResult, ...]:
    """Return the result of each order in a REST answer. Raises ValueError for invalid rows."""
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a row is not an object")
    known = [{name: value for name, value in row.items() if value not in ("", None)} for row in rows]
    return tuple(msgspec.convert(known, list[OrderResult], strict=False))


def result_of(ticket: Ticket, place: int, results: tuple[OrderResult, ...]) -> OrderResult | None:
    """Return a ticket's result: by our id if the answer repeats it, else by its place, as OKX keeps the order of a request."""
    ours = ticket.order.client_order_id
    if ours:
        for result in results:
            if result.client_order_id == ours:
                return result
    return results[place] if place < len(results) and not (ours and results[place].client_order_id) else None


def of_answer(ticket: Ticket, code: str, *, by_number: bool) -> Next:
    """Return the next step after OKX's code for one order. by_number: it was addressed by instIdCode."""
    if code == "0" or code in ALREADY_DONE:
        return Next.CONFIRMED
    if code in STALE_CODE and by_number and ticket.refreshes < MOST_REFRESHES:
        return Next.REFRESH
    if code == "51016" and isinstance(ticket.order, PlaceOrder) and ticket.attempts - ticket.refreshes == 1:
        return Next.REJECTED  # it was sent for the first time, so the order with that id is another one
    if code in UNCLEAR or code == "51410" or lookup(code).policy is CodePolicy.LOOK_UP:
        return Next.LOOK
    return Next.REJECTED


def is_another(order: OwnOrder, wanted: PlaceOrder, sent_at: int, *, is_amended: bool) -> bool:
    """True if an order has the id of `wanted`, sent at `sent_at` by OKX's clock, but is another one: made earlier, or different.

    is_amended: size and price may have changed. Those of an order that another client may have amended prove nothing either.
    """
    if order.created_ms is not None and order.created_ms * (SECOND // 1000) < sent_at - OTHERS_CLOCK:
        return True
    if order.side not in ("", wanted.side) or order.order_type not in ("", wanted.order_type):
        return True
    if is_amended or order.updated_ms != order.created_ms or wanted.reduce_only:  # OKX lowers the size of reduce-only orders
        return False
    return order.size not in (None, wanted.size) or (wanted.price is not None and order.price not in (None, wanted.price))


def of_order(ticket: Ticket, order: OwnOrder, *, was_read: bool) -> Proof | None:
    """Return the proof of an order's own state. was_read: it was fetched, so an effect that it does not show had not happened."""
    if isinstance(ticket.order, PlaceOrder):
        return Proof(Verdict.CONFIRMED)
    if isinstance(ticket.order, AmendOrder):
        return _of_amended(ticket.order, order, was_read=was_read)
    if order.state in ("canceled", "mmp_canceled"):
        return Proof(Verdict.CONFIRMED)
    if order.state == "filled":
        return Proof(Verdict.REJECTED, "51400", "filled before it could be canceled")
    return None


def of_unchanged(ticket: Ticket, order: OwnOrder, read_at: int, *, grace: int, has_expired: bool) -> tuple[Proof, Rank] | None:
    """Return the proof of an order, read at `read_at`, without the requested effect; None while the effect may still come."""
    look = ticket.look
    is_patient = look is not None and read_at - look.since >= grace
    if not ticket.is_open:
        reason = f"accepted, and it had no effect; the order is {order.state}"
        return (Proof(Verdict.REJECTED, "", reason), Rank.ORDER) if is_patient else None
    if ticket.answer and is_patient:
        reason = f"{ticket.reason or lookup(ticket.answer).meaning}; the order is {order.state}"
        return Proof(Verdict.REJECTED, ticket.answer, reason), Rank.ANSWER
    if isinstance(ticket.order, AmendOrder) and has_expired:
        reason = f"never took effect: {ticket.reason}; the order is {order.state}"
        return Proof(Verdict.REJECTED, "", reason), Rank.ABSENCE
    if isinstance(ticket.order, CancelOrder) and read_at > ticket.last_sent_at + LATEST_CANCEL:
        reason = f"had no effect, sent {ticket.attempts} times; the order is {order.state}"
        return Proof(Verdict.REJECTED, "", reason), Rank.ABSENCE
    return None


def outcome(ticket: Ticket, proof: Proof, now: int, *, via: str, state: str = "", advice: str = "") -> Outcome:
    """Return the outcome of a ticket by a proof."""
    return Outcome(
        verdict=proof.verdict,
        kind=ticket.kind,
        instrument=ticket.order.instrument,
        client_order_id=ticket.order.client_order_id,
        order_id=ticket.order_id,
        code=proof.code,
        reason=proof.reason,
        advice=advice or (lookup(proof.code).advice if proof.code else ""),
        via=via,
        state=state,
        sent_at=ticket.first_sent_at,
        resolved_at=now,
    )


def _of_amended(wanted: AmendOrder, order: OwnOrder, *, was_read: bool) -> Proof | None:
    if wanted.request_id and order.request_id == wanted.request_id:
        if order.amend_result in ("-1", "1", "2"):
            code = order.code if order.code not in ("", "0") else "51503"
            return Proof(Verdict.REJECTED, code, order.message or _AMEND_RESULTS[order.amend_result])
        return Proof(Verdict.CONFIRMED)
    if not was_read:
        return None  # a push may be older than the amendment
    if wanted.size in (None, order.size) and wanted.price in (None, order.price):
        return Proof(Verdict.CONFIRMED)
    if order.state in FINAL:
        return Proof(Verdict.REJECTED, "51503", f"{order.state} before it could be amended")
    return None


_AMEND_RESULTS = {"-1": "not amended", "1": "not amended, and canceled for that", "2": "not amended, and canceled by OKX"}
