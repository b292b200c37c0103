"""Lookups: reads of an order over REST until it is certain that it exists, or that it does not.

A request may reach OKX late. So `Absence` decides only by reads after the request's expiry, which is a time of OKX's clock.
That clock is measured after the request is sent, because ours may be wrong by any amount.
Source: docs-v5 "Get order details"; its spread twin.
"""

from __future__ import annotations

import enum
from typing import Any

from okex_ws.absence import Absence
from okex_ws.events import OrderUpdate, SpreadOrderUpdate, Verdict
from okex_ws.protocol.orders.tickets import FetchOrder, LookUpState, Patience, Ticket, ns
from okex_ws.protocol.orders.verdicts import OwnOrder
from okex_ws.protocol.pacing import SECOND, Window
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.frames import FrameError, decode_rows
from okex_ws.wire.orders import MassCancel, PlaceOrder, lookup_query

LATEST_ARRIVAL = SECOND
"""Time after expTime in which the effect of a request may still appear."""
SLOW_S = 10.0
"""Seconds between reads of an order that was reported as UNKNOWN."""


class LookupFinding(enum.Enum):
    """Result of a read."""

    FOUND = "the order is there"
    ABSENT = "it is certain that there is none"
    AGAIN = "nothing certain yet"


class Lookups:
    """Times of reads for each ticket's order, and the results of the answers. Reads of all tickets share OKX's limit."""

    def __init__(self, patience: Patience, clock: ServerClock) -> None:
        self._patience, self._clock = patience, clock
        self._reads = Window(50, 2.1)  # of OKX's 60 per 2 s

    def begin(self, ticket: Ticket, now: int) -> None:
        """Begin to look an order up; a lookup under way reads at once."""
        if ticket.look is None:
            ticket.look = LookUpState(now, self._absence(ticket))
        elif not ticket.look.is_reading:
            ticket.look.at = now

    def read(self, ticket: Ticket, now: int) -> FetchOrder | None:
        """Return the read that is due now; None if it must wait until `ticket.look.at`."""
        look = ticket.look
        if look is None or look.is_reading or look.at > now:
            return None
        look.at = self._reads.ready_at(now)
        if look.at > now:
            return None
        self._reads.take(now)
        look.is_reading, look.read_at = True, now
        return FetchOrder(ticket.number, look.absence.path, look.absence.query)

    def needs_clock(self, ticket: Ticket) -> bool:
        """True if OKX's time must be read before the expiry of a ticket can be decided."""
        return ticket.expires_at is not None and self._clock.measured_at < ticket.last_sent_at

    def has_expired(self, ticket: Ticket, read_at: int) -> bool:
        """True if an effect that a read of `read_at` does not show cannot come any more."""
        if ticket.expires_at is None:
            return True
        return not self.needs_clock(ticket) and self._clock.surely(read_at) >= ticket.expires_at + LATEST_ARRIVAL

    def answered(self, ticket: Ticket, rows: list[Any] | None, code: str, now: int, *, is_found: bool) -> LookupFinding:
        """Apply the answer to a read: its rows, or None and OKX's code; "" without an answer."""
        look = ticket.look
        if look is None:
            return LookupFinding.AGAIN
        look.is_reading = False
        finding = self._judge(ticket, look, rows, code, is_found)
        is_reported = ticket.outcome is not None and ticket.outcome.verdict is Verdict.UNKNOWN
        look.at = now + (ns(SLOW_S) if is_reported and look.absence.pause else look.absence.pause)
        return finding

    def _judge(self, ticket: Ticket, look: LookUpState, rows: list[Any] | None, code: str, is_found: bool) -> LookupFinding:
        if is_found:
            look.absence.found()
            return LookupFinding.FOUND
        may_come = not self.has_expired(ticket, look.read_at)
        is_certain = look.absence.missed(rows, code, look.read_at, grace=ns(self._patience.grace_s), may_come=may_come)
        return LookupFinding.ABSENT if is_certain else LookupFinding.AGAIN

    def _absence(self, ticket: Ticket) -> Absence:
        order = ticket.order
        assert not isinstance(order, MassCancel)
        # An order that is amended or canceled here may have any age.
        made_ms = self._clock.at(ticket.first_sent_at) // (SECOND // 1000) if isinstance(order, PlaceOrder) else 0
        return Absence(order.instrument, lookup_query(order), is_spread=order.is_spread, made_ms=made_ms)


def order_in(ticket: Ticket, rows: list[Any]) -> OwnOrder | None:
    """Return this ticket's order among rows; None if it is absent or unreadable."""
    ours, theirs = ticket.order.client_order_id, ticket.order.order_id
    for row in rows:
        if isinstance(row, dict) and ((ours and row.get("clOrdId") == ours) or (not ours and row.get("ordId") == theirs)):
            try:
                if ticket.order.is_spread:
                    return decode_rows([row], SpreadOrderUpdate, "sprd-orders")[0]
                return decode_rows([row], OrderUpdate, "orders")[0]
            except FrameError:
                return None
    return None
