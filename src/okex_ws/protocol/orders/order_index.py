"""OrderIndex: tickets by their number, by the ids of their orders, and by the requests that carried them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from okex_ws.protocol.orders.tickets import SentRequest, Ticket
from okex_ws.protocol.orders.verdicts import OwnOrder
from okex_ws.wire.orders import AmendOrder, OrderRequest, PlaceOrder


class OrderIndex:
    """Every ticket that may still change. run: name of this process in the tickets' keys.

    unseen: new orders and amendments that may be effective and that no push or read has shown yet, by their tickets' numbers.
    """

    def __init__(self, run: str) -> None:
        self.requests: dict[str, SentRequest] = {}
        self.unseen: dict[int, PlaceOrder | AmendOrder] = {}
        self._run = run
        self._tickets: dict[int, Ticket] = {}
        self._by_id: dict[str, list[Ticket]] = {}
        self._numbers = itertools.count(1)
        self._request_numbers = itertools.count(1)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(list(self._tickets.values()))

    def __len__(self) -> int:
        return len(self._tickets)

    def get(self, number: int) -> Ticket | None:
        """Return the ticket with this number."""
        return self._tickets.get(number)

    def open(self, order: OrderRequest, *, key: str = "", may_resend: bool = False) -> Ticket:
        """Make a ticket for an order."""
        number = next(self._numbers)
        ticket = self._tickets[number] = Ticket(number, key or f"{self._run}-{number}", order, may_resend=may_resend)
        for name in _names(order):
            self._by_id.setdefault(name, []).append(ticket)
        if isinstance(order, (PlaceOrder, AmendOrder)):
            self.unseen[number] = order
        return ticket

    def request(self, tickets: list[Ticket]) -> SentRequest:
        """Make a request that carries tickets."""
        request_id = f"o{next(self._request_numbers)}"
        request = self.requests[request_id] = SentRequest(request_id, tickets)
        for ticket in tickets:
            ticket.requests.append(request_id)
        return request

    def of(self, order: OwnOrder) -> list[Ticket]:
        """Return the tickets that concern an order."""
        tickets = self._by_id.get(order.client_order_id, []) if order.client_order_id else []
        others = self._by_id.get(order.order_id, [])
        return [*tickets, *(ticket for ticket in others if ticket not in tickets)]

    def knows(self, client_order_id: str) -> bool:
        """True if a ticket has this id."""
        return client_order_id in self._by_id

    def forget(self, ticket: Ticket) -> None:
        """Remove a ticket, and the requests that carried no other one."""
        if self._tickets.pop(ticket.number, None) is None:
            return
        self.unseen.pop(ticket.number, None)
        for name in _names(ticket.order):
            left = [other for other in self._by_id.get(name, []) if other is not ticket]
            if left:
                self._by_id[name] = left
            else:
                self._by_id.pop(name, None)
        for request_id in ticket.requests:
            request = self.requests.get(request_id)
            if request is not None and not any(other.number in self._tickets for other in request.tickets):
                del self.requests[request_id]


def _names(order: OrderRequest) -> set[str]:
    return {order.client_order_id, order.order_id} - {""}
