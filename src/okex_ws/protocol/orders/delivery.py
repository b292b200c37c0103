"""Delivery: how an order request is sent, over the WebSocket or over REST, and what is written down before.

Source: docs-v5 "Place order" and its neighbours (expTime, instIdCode).
"""

from __future__ import annotations

from collections.abc import Callable

from okex_ws.protocol.orders.tickets import (
    Action,
    FetchInstrument,
    Intent,
    SendRest,
    SendSocket,
    SentRequest,
    Ticket,
    WriteIntent,
    ns,
)
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.orders import (
    AmendOrder,
    CancelOrder,
    MassCancel,
    OrderRequest,
    PlaceOrder,
    endpoint_of,
    goes_by_rest,
    op_of,
    rest_request,
    socket_request,
)

MS = SECOND // 1000


class Delivery:
    """Sender of order requests. actions: everything to carry out, in order.

    can_send: True if a WebSocket endpoint can take an order now; code_of: an instrument's instIdCode, None if it has none; clock:
    OKX's, by which orders expire.
    """

    def __init__(
        self, *, can_send: Callable[[str], bool], code_of: Callable[[str], int | None], clock: ServerClock, expires_s: float
    ) -> None:
        self.actions: list[Action] = []
        self._can_send, self._code_of = can_send, code_of
        self._clock = clock
        self._expires = ns(expires_s)
        self._refused_codes: dict[str, int | None] = {}  # instrument → code with which only REST takes its orders

    def send(self, request: SentRequest, tickets: list[Ticket], now: int) -> None:
        """Send the tickets of a request, after their intents are written down."""
        expires_at = self._clock.at(now) + self._expires
        for ticket in tickets:
            ticket.attempts += 1
            ticket.first_sent_at, ticket.last_sent_at = ticket.first_sent_at or now, now
            ticket.expires_at = expires_at if isinstance(ticket.order, (PlaceOrder, AmendOrder)) else None
            ticket.answer = ""
        self._record(tickets, request)
        orders = [ticket.order for ticket in tickets]
        codes = [self._code_of(order.instrument) for order in orders]
        # The socket may be dead without a sign of it: a cancel without effect takes the other way next.
        is_other_way = isinstance(orders[0], (CancelOrder, MassCancel)) and tickets[0].attempts % 2 == 0
        endpoint = endpoint_of(orders)
        is_addressable = self._is_addressable(orders, codes)
        if is_addressable and not is_other_way and not goes_by_rest(orders) and self._can_send(endpoint):
            request.via = "websocket"
            op = op_of(orders)
            data = socket_request(request.request_id, op, orders, codes, expires_at // MS)
            self.actions.append(SendSocket(request.request_id, endpoint, op, data))
        else:
            self.send_rest(request)

    def send_rest(self, request: SentRequest) -> None:
        """Send the open tickets of a request over REST."""
        orders = [ticket.order for ticket in request.tickets if ticket.is_open]
        request.via = "rest"
        path, body = rest_request(orders)
        expires_at = request.tickets[0].expires_at
        self.actions.append(SendRest(request.request_id, path, body, None if expires_at is None else expires_at // MS))

    def refetch(self, instrument: str) -> None:
        """Fetch an instrument again, because OKX refused its code; until it changes, its orders go over REST."""
        self._refused_codes[instrument] = self._code_of(instrument)
        self.actions.append(FetchInstrument(instrument))

    def _is_addressable(self, orders: list[OrderRequest], codes: list[int | None]) -> bool:
        """True if the WebSocket request can name all instruments."""
        if orders[0].is_spread or isinstance(orders[0], MassCancel):
            return True
        return all(
            code is not None and code != self._refused_codes.get(order.instrument)
            for order, code in zip(orders, codes, strict=True)
        )

    def _record(self, tickets: list[Ticket], request: SentRequest) -> None:
        intents = [
            Intent(ticket.key, ticket.order, self._clock.at(ticket.first_sent_at), ticket.expires_at)
            for ticket in tickets
            if not isinstance(ticket.order, MassCancel)
        ]
        for ticket in tickets:
            ticket.is_recorded = not isinstance(ticket.order, MassCancel)
        if intents:
            self.actions.append(WriteIntent(intents, request.request_id))
