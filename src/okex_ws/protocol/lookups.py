"""Lookups: reading an order over REST until it is certain that it exists, or that it does not.

OKX may not show an order at first (51603), and a request may reach it late. So absence is proven only by a read that was asked
for after the request's expiry, a grace window after the first absent answer, and by the lists of open and of past orders too.
Source: docs-v5 "Get order details", "Order List", "Order history (last 7 days)"; their spread twins.
"""

from __future__ import annotations

import enum
from typing import Any

from okex_ws.events import OrderUpdate, SpreadOrderUpdate, Verdict
from okex_ws.protocol.pacing import SECOND, Window
from okex_ws.protocol.tickets import Look, LookUp, Patience, Ticket, ns
from okex_ws.protocol.verdicts import OwnOrder
from okex_ws.wire.frames import FrameError, decode_rows
from okex_ws.wire.orders import MassCancel, lookup_query

LATEST_ARRIVAL = SECOND
"""How long after expTime the effect of a request may still show."""
ABSENT = ("51603",)
PAUSES_S = (0.25, 0.5, 1.0, 1.0, 2.0)
"""Between reads; the last one from then on."""
SLOW_S = 10.0
"""Between reads once it was reported as UNKNOWN."""


class Finding(enum.Enum):
    """What a read told."""

    FOUND = "the order is there"
    ABSENT = "it is certain that there is none"
    AGAIN = "nothing certain yet"


class Lookups:
    """When to read which ticket's order, and what to make of the answer. Reads of all tickets share OKX's limit."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._reads = Window(50, 2.1)  # of OKX's 60 per 2 s

    def begin(self, ticket: Ticket, now: int) -> None:
        """Look for it, or at once if it is looked for already."""
        if ticket.look is None:
            ticket.look = Look(now)
        elif not ticket.look.is_reading:
            ticket.look.at = now

    def read(self, ticket: Ticket, now: int) -> LookUp | None:
        """The read that is due now; None when it has to wait, until `ticket.look.at`."""
        look = ticket.look
        if look is None or look.is_reading or look.at > now:
            return None
        look.at = self._reads.ready_at(now)
        if look.at > now:
            return None
        self._reads.take(now)
        look.is_reading, look.asked_at = True, now
        look.reads += 1
        path, query = _sources(ticket)[look.source]
        return LookUp(ticket.number, path, query)

    def answered(self, ticket: Ticket, found: bool, code: str, now: int) -> Finding:
        """What the answer to a read means. code: OKX's, "0" when rows came, "" when nobody answered."""
        look = ticket.look
        if look is None:
            return Finding.AGAIN
        look.is_reading = False
        is_reported = ticket.outcome is not None and ticket.outcome.verdict is Verdict.UNKNOWN
        look.at = now + ns(SLOW_S if is_reported else PAUSES_S[min(look.reads, len(PAUSES_S)) - 1])
        if found:
            look.source, look.absent_since = 0, None
            return Finding.FOUND
        if code != "0" and code not in ABSENT:
            return Finding.AGAIN
        if look.absent_since is None:
            look.absent_since = look.asked_at
        may_come = ticket.expires_at is not None and look.asked_at < ticket.expires_at + LATEST_ARRIVAL
        if may_come or look.asked_at - look.absent_since < ns(self._patience.grace_s):
            return Finding.AGAIN
        look.source += 1
        if look.source < len(_sources(ticket)):
            look.at = now
            return Finding.AGAIN
        look.source = 0
        return Finding.ABSENT


def order_in(ticket: Ticket, rows: list[Any]) -> OwnOrder | None:
    """This ticket's order among the rows that were read, None when it is not there or cannot be read."""
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


def _sources(ticket: Ticket) -> list[tuple[str, dict[str, str]]]:
    """Where it is read, one after the other: by itself, among the open ones, among the past ones."""
    order = ticket.order
    assert not isinstance(order, MassCancel)
    if order.is_spread:
        of_spread = {"sprdId": order.instrument}
        return [lookup_query(order), ("sprd/orders-pending", of_spread), ("sprd/orders-history", of_spread)]
    pending = {"instId": order.instrument}
    history = {"instType": _type_of(order.instrument), "instId": order.instrument}
    return [lookup_query(order), ("trade/orders-pending", pending), ("trade/orders-history", history)]


def _type_of(instrument: str) -> str:
    """What kind of instrument an id names; OKX builds ids by this rule."""
    parts = instrument.split("-")
    if parts[-1] == "SWAP":
        return "SWAP"
    if parts[-1] in ("C", "P") and len(parts) > 3:
        return "OPTION"
    return "FUTURES" if len(parts) > 2 else "SPOT"
