"""Orders: requests in flight; each of them ends CONFIRMED, REJECTED or UNKNOWN by proof, never by a guess. Sans-IO.

The caller carries out `actions` in order and reports back; verdicts come as OrderResolved in `take_events`. A request whose
answer is lost is not repeated blindly: its order is read by its client order id until the result is certain. Only a cancel is
repeated, because it does no harm twice; a new order only if its caller allowed it, and under the same id.
Source: docs-v5 "Place order" and its neighbours, "Order channel", "Error Code".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import Any

import msgspec

from okex_ws.events import Disconnected, Event, OrderReplied, OrderResult, OrderUpdate, SpreadOrderUpdate, Verdict
from okex_ws.protocol.orders.budget import BudgetError, OrderBudget
from okex_ws.protocol.orders.delivery import Delivery
from okex_ws.protocol.orders.lookups import LookupFinding, Lookups, order_in
from okex_ws.protocol.orders.order_ids import OrderIds
from okex_ws.protocol.orders.order_index import OrderIndex
from okex_ws.protocol.orders.tickets import (
    Action,
    FetchOrderClock,
    Intent,
    Patience,
    SentRequest,
    Ticket,
    WriteIntent,
    ns,
)
from okex_ws.protocol.orders.verdicts import (
    EXPIRED,
    STALE_CODE,
    TOO_FREQUENT,
    UNAVAILABLE,
    Next,
    OwnOrder,
    Proof,
    Rank,
    is_another,
    of_answer,
    of_order,
    of_unchanged,
    outcome,
    result_of,
    results_in,
)
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.timers import Timers
from okex_ws.wire.codes import lookup
from okex_ws.wire.orders import (
    AmendOrder,
    CancelOrder,
    MassCancel,
    OrderError,
    OrderRequest,
    PlaceOrder,
    rest_request,
)

MOST_OPEN = 2000
"""Requests without a verdict at most; more are refused."""
MOST_CANCELS = 4
"""Most times that one cancel is sent."""
PAUSE_UNAVAILABLE = 5 * SECOND
"""Time in which new orders are refused here after OKX reported that it takes none."""
UNSEEN_FOR = 2 * SECOND
"""Time without a push after which an accepted order is read: accepted is not done, and the push may be lost."""
SETTLED_FOR = 30 * SECOND
"""Time in which late proof can still correct a verdict."""


class Orders:
    """Order requests of one account.

    can_send: True if a WebSocket endpoint can take an order now; code_of: an instrument's instIdCode, None if it has none; clock:
    OKX's, by which orders expire. is_halted: no new order is sent, not even a waiting one.
    """

    HEARS = (OrderReplied, OrderUpdate, SpreadOrderUpdate, Disconnected)

    def __init__(
        self,
        ids: OrderIds,
        *,
        can_send: Callable[[str], bool],
        code_of: Callable[[str], int | None],
        clock: ServerClock | None = None,
        patience: Patience = Patience(),
        budget: OrderBudget | None = None,
    ) -> None:
        self.ids = ids
        self.budget = budget or OrderBudget()
        self.patience = patience
        self.is_halted = False
        self.unavailable_until = 0
        self._clock = clock or ServerClock()
        self._delivery = Delivery(can_send=can_send, code_of=code_of, clock=self._clock, expires_s=patience.expires_s)
        self._is_reading_clock = False
        self._events: list[Event] = []
        self._lookups = Lookups(patience, self._clock)
        self._index = OrderIndex(ids.prefix)
        self._waiting: dict[str, list[SentRequest]] = {}  # requests by the instrument that is fetched again
        self._timers = Timers()
        self._open = 0
        self._adopted: list[Ticket] = []

    # -- the caller's side -----------------------------------------------------------------------------------------------

    def submit(
        self,
        orders: Sequence[OrderRequest],
        now: int,
        *,
        urgent: bool = False,
        may_resend: bool = False,
        refusal: tuple[str, str, str] | None = None,
    ) -> list[Ticket]:
        """Submit orders as one request; returns a ticket for each. Raises OrderError for an order that OKX has no request for.

        A new order without a client order id gets one. may_resend: send a new order once more, under the same id, if it certainly
        never arrived. urgent: a cancel that may use the reserve of the budget. refusal: reason of pre-trade risk to send none of
        them, as (rule, reason, advice).
        """
        named = [self._named(order) for order in orders]
        rest_request(named)  # raises OrderError
        fresh = [order.client_order_id for order in named if isinstance(order, PlaceOrder)]
        for name in fresh:
            if self._index.knows(name) or fresh.count(name) > 1:
                raise OrderError(f"client_order_id {name!r} is in use; give another, or none to get one")
        tickets = [self._index.open(order, may_resend=may_resend) for order in named]
        for ticket in tickets:
            ticket.submitted_at = now
        request = self._index.request(tickets)
        own, due = self._refusal(request, now), now
        refusal = refusal or own  # the reason of pre-trade risk is the better one
        if refusal is None:
            try:
                due = self.budget.claim(named, now, urgent=urgent)
            except BudgetError as error:
                refusal = ("rate-limit", str(error), "send fewer, or in batches")
        if refusal is not None:
            self._refuse(request, *refusal, now)
        elif due <= now:
            self._leave(request, now)
        else:
            self._timers.at(due, lambda now: self._leave(request, now))
        return tickets

    def adopt(self, intents: Iterable[Intent], now: int) -> list[Ticket]:
        """Take over unfinished intents of a former process: their orders are looked up, and only cancels are repeated."""
        tickets = []
        for intent in intents:
            if intent.done or intent.order is None or isinstance(intent.order, MassCancel):
                continue
            ticket = self._index.open(intent.order, key=intent.key)
            ticket.first_sent_at = ticket.last_sent_at = self._clock.ours(intent.sent_at)
            ticket.expires_at = intent.expires_at
            ticket.is_recorded, ticket.attempts = True, 1
            ticket.reason = "left open by a former process"
            self._open += 1
            self._look(ticket, now)
            self._watch(ticket, now)
            tickets.append(ticket)
        self._adopted += tickets
        return tickets

    def refuse_waiting(self, rule: str, reason: str, advice: str, now: int, *, but: Container[int] = ()) -> None:
        """Refuse all new orders that still wait to be sent. but: numbers of tickets that are not refused."""
        for request in list(self._index.requests.values()):
            first = request.tickets[0]
            if not request.via and not isinstance(first.order, (CancelOrder, MassCancel)) and first.number not in but:
                self._refuse(request, rule, reason, advice, now)

    @property
    def unresolved(self) -> list[Ticket]:
        """Tickets without a final verdict."""
        return [ticket for ticket in self._index if ticket.is_open]

    @property
    def left_open(self) -> list[Ticket]:
        """Tickets of a former process without any verdict, not even UNKNOWN. No new order is sent before they have one."""
        return [ticket for ticket in self._adopted if ticket.outcome is None]

    @property
    def changing(self) -> Collection[PlaceOrder | AmendOrder]:
        """New orders and amendments that may be effective, and that no push or read has shown yet."""
        return self._index.unseen.values()

    @property
    def is_busy(self) -> bool:
        """True if any ticket has no final verdict."""
        return self._open > 0

    def ticket(self, number: int) -> Ticket | None:
        """Return the ticket with this number, if it is still known."""
        return self._index.get(number)

    @property
    def actions(self) -> list[Action]:
        """Actions to carry out, in order."""
        return self._delivery.actions

    def take_actions(self) -> list[Action]:
        """Take the actions to carry out, in order."""
        actions, self._delivery.actions = self._delivery.actions, []
        return actions

    def take_events(self) -> list[Event]:
        """Take the verdicts and refusals, in order."""
        events, self._events = self._events, []
        return events

    def deadline(self) -> int | None:
        """Time of the next `on_deadline`, ns; None: never."""
        return self._timers.next()

    def on_deadline(self, now: int) -> None:
        """Run the timers that are due at `now`."""
        self._timers.run(now)

    # -- events and answers ----------------------------------------------------------------------------------------------

    def feed(self, event: Event, now: int) -> None:
        """Apply an event; replies, own orders and lost connections have an effect."""
        match event:
            case OrderReplied():
                request = self._index.requests.get(event.request_id)
                if request is not None:
                    self._replied(request, event.code, event.message, event.results, now)
            case OrderUpdate() | SpreadOrderUpdate():
                self._seen(event, now, via="push")
            case Disconnected():
                for request in list(self._index.requests.values()):
                    if request.answer_by and (request.line, request.connection) == (event.line, event.connection):
                        self._unanswered(request, "the connection was lost before OKX answered", now)

    def sent(self, request_id: str, line: str, connection: int) -> None:
        """Record the connection that sent a request."""
        request = self._index.requests.get(request_id)
        if request is not None:
            request.line, request.connection = line, connection

    def not_sent(self, request_id: str, now: int) -> None:
        """Send a request over REST, because the socket could not take it."""
        request = self._index.requests.get(request_id)
        if request is not None and request.via == "websocket":
            self._delivery.send_rest(request)
            self._await_answer(request, now)

    def not_recorded(self, request_id: str, reason: str, now: int) -> None:
        """Refuse a request whose intents could not be written down."""
        request = self._index.requests.get(request_id)
        if request is not None:
            request.via, request.answer_by = "here", None
            self._refuse(request, "intent-log", reason, "make room on the disk, then start again", now)

    def rest_answered(self, request_id: str, code: str, message: str, rows: list[Any], now: int) -> None:
        """Apply the answer to a POST: OKX's code, one row per order."""
        request = self._index.requests.get(request_id)
        if request is None:
            return
        try:
            results = results_in(rows)
        except (msgspec.ValidationError, ValueError, TypeError):
            self._unanswered(request, "OKX's answer could not be read", now)
            return
        self._replied(request, code, message, results, now)

    def rest_failed(self, request_id: str, code: str, reason: str, now: int, *, may_have_happened: bool) -> None:
        """Apply a POST that was refused, or that has no answer and may have happened."""
        request = self._index.requests.get(request_id)
        if request is not None and may_have_happened:
            self._note_unavailable(code, now)
            self._unanswered(request, reason, now)
        elif request is not None:
            self._replied(request, code, reason, (), now)

    def looked_up(self, number: int, rows: list[Any] | None, code: str, now: int) -> None:
        """Apply the answer to a FetchOrder: its rows and code "0", or OKX's code, or neither without an answer."""
        ticket = self._index.get(number)
        if ticket is None or ticket.look is None:
            return
        order = order_in(ticket, rows or [])
        if order is not None and self._is_another(ticket, order):
            order, code = None, "51603"  # OKX shows the latest order of an id
        finding = self._lookups.answered(ticket, rows, code, now, is_found=order is not None)
        read_at = ticket.look.read_at
        if finding is LookupFinding.FOUND and order is not None:
            order.ts_recv, order.backfilled = read_at, True  # as old as the request, and an event for others too
            self._events.append(order)
            self._seen(order, now, via="lookup", ticket=ticket)
            if ticket.is_open or ticket.rank < Rank.ORDER:
                self._not_yet(ticket, order, read_at, now)
        elif finding is LookupFinding.ABSENT and ticket.is_open:
            self._absent(ticket, now)
        if not ticket.is_open and (finding is LookupFinding.ABSENT or ticket.rank is Rank.ORDER):
            ticket.look = None
        if ticket.look is not None:
            self._timers.at(ticket.look.at, lambda now: self._read(ticket, now))

    def instrument_read(self, instrument: str, now: int) -> None:
        """Send the requests that waited for an instrument, which was fetched again or could not be."""
        for request in self._waiting.pop(instrument, []):
            self._leave(request, now)

    def clock_read(self) -> None:
        """End the reading of OKX's time, with or without success."""
        self._is_reading_clock = False

    # -- sending ---------------------------------------------------------------------------------------------------------

    def _named(self, order: OrderRequest) -> OrderRequest:
        if isinstance(order, PlaceOrder) and not order.client_order_id:
            return msgspec.structs.replace(order, client_order_id=self.ids.next())
        if isinstance(order, AmendOrder) and not order.request_id:
            return msgspec.structs.replace(order, request_id=self.ids.next())
        return order

    def _refusal(self, request: SentRequest, now: int) -> tuple[str, str, str] | None:
        self._open += len(request.tickets)
        first = request.tickets[0].order
        if self._open > MOST_OPEN:
            return ("in-flight", f"{MOST_OPEN} requests have no verdict yet", "wait for some of them")
        if isinstance(first, (CancelOrder, MassCancel)):
            return None
        if self.is_halted:
            return ("halted", "trading is halted", "resume trading first")
        if now < self.unavailable_until:
            return ("unavailable", "OKX takes no orders for now", "see OKX's status page; cancels are still sent")
        return None

    def _refuse(self, request: SentRequest, rule: str, reason: str, advice: str, now: int) -> None:
        """Refuse each open order of a request, with an event and a verdict."""
        request.via = request.via or "here"
        for ticket in request.tickets:
            if ticket.outcome is None:
                self._events.append(ticket.refused(rule, reason, advice, now))
                self._settle(ticket, Proof(Verdict.REJECTED, rule, reason), Rank.ANSWER, now, via="here", advice=advice)

    def _leave(self, request: SentRequest, now: int) -> None:
        """Send a request, whose turn has come."""
        # After a verdict of UNKNOWN only cancels are sent.
        is_late = not isinstance(request.tickets[0].order, CancelOrder)
        tickets = [ticket for ticket in request.tickets if (ticket.outcome is None if is_late else ticket.is_open)]
        if not tickets or request.via == "here":
            return
        if self.is_halted and not isinstance(tickets[0].order, (CancelOrder, MassCancel)):
            self._refuse(request, "halted", "trading is halted", "resume trading first", now)
            return
        if any(ticket.is_overdue(now, ns(self.patience.expires_s)) for ticket in tickets):
            self._refuse(request, "overdue", "it could not be sent before its expiry", "place it again if still wanted", now)
            return
        self._delivery.send(request, tickets, now)
        self._await_answer(request, now)
        for ticket in tickets:
            if ticket.attempts == 1:
                self._watch(ticket, now)

    def _await_answer(self, request: SentRequest, now: int) -> None:
        due = request.answer_by = now + ns(self.patience.ack_within_s)
        reason = f"no answer within {self.patience.ack_within_s:g} s"
        self._timers.at(due, lambda now: self._unanswered(request, reason, now), lambda: request.answer_by == due)

    def _again(self, ticket: Ticket, now: int) -> None:
        """Send a ticket once more: under the same id, so that it cannot happen twice."""
        try:
            due = self.budget.claim([ticket.order], now, urgent=True)
        except BudgetError:
            return
        request, ticket.look = self._index.request([ticket]), None
        self._timers.at(due, lambda now: self._leave(request, now))

    # -- judging ---------------------------------------------------------------------------------------------------------

    def _replied(self, request: SentRequest, code: str, message: str, results: tuple[OrderResult, ...], now: int) -> None:
        request.answer_by = None
        self._note_unavailable(code, now)
        refresh: dict[str, list[Ticket]] = {}
        for place, ticket in enumerate(request.tickets):
            result = result_of(ticket, place, results)
            answer = (result.code, result.message) if result is not None and (result.code or result.result) else (code, message)
            if result is not None and result.order_id:
                ticket.order_id = result.order_id
            if result is not None and result.result is not None:
                answer = ("0" if result.result else code, message)
            if self._judge(ticket, *answer, request, now) is Next.REFRESH:
                refresh.setdefault(ticket.order.instrument, []).append(ticket)
        for instrument, tickets in refresh.items():
            again = self._index.request(tickets)
            for ticket in tickets:
                ticket.refreshes += 1
            self._waiting.setdefault(instrument, []).append(again)
            self._delivery.refetch(instrument)

    def _judge(self, ticket: Ticket, code: str, message: str, request: SentRequest, now: int) -> Next:
        by_number = request.via == "websocket" and not ticket.order.is_spread
        step = of_answer(ticket, code, by_number=by_number)
        self._note_unavailable(code, now)
        if code in EXPIRED:
            self._read_clock()
        if code in TOO_FREQUENT:
            instrument = ticket.order.instrument if code in ("50011", "50040") else "*"
            for kind in ("place", "amend") if code == "50061" else (ticket.kind,):
                self.budget.hold(kind, instrument, now + 2 * SECOND)
        if step is Next.REFRESH:
            ticket.answer, ticket.reason = code, message
        elif step is Next.CONFIRMED:
            self._settle(ticket, Proof(Verdict.CONFIRMED), Rank.ANSWER, now, via=request.via)
        elif step is Next.REJECTED:
            rank = Rank.ORDER if code == "51016" else Rank.ANSWER  # pushes of that id concern another order
            self._settle(ticket, Proof(Verdict.REJECTED, code, message), rank, now, via=request.via)
        elif step is Next.LOOK and ticket.is_open:
            ticket.reason = message or lookup(code).meaning
            if code in ("51016", "51400", "51503", "51603", "51401", "51402", "51416"):
                ticket.answer = code
            self._look(ticket, now)
        return step

    def _unanswered(self, request: SentRequest, reason: str, now: int) -> None:
        request.answer_by = None
        for ticket in request.tickets:
            if ticket.is_open:
                ticket.reason = reason
                self._look(ticket, now)

    def _seen(self, order: OwnOrder, now: int, *, via: str, ticket: Ticket | None = None) -> None:
        """Apply an order's state, pushed or read, to the tickets that concern it."""
        concerned = [ticket] if ticket is not None else self._index.of(order)
        for item in concerned:
            if item.order.instrument != order.instrument and not item.order.is_spread:
                continue
            if self._is_another(item, order):
                continue
            proof = of_order(item, order, was_read=via == "lookup")
            item.order_id = order.order_id or item.order_id
            if proof is not None:
                self._settle(item, proof, Rank.ORDER, now, via=via, state=order.state)

    def _is_another(self, ticket: Ticket, order: OwnOrder) -> bool:
        """True if an order has the ticket's id but is another order."""
        if not isinstance(ticket.order, PlaceOrder):
            return False
        is_amended = any(isinstance(item.order, AmendOrder) for item in self._index.of(order))
        return is_another(order, ticket.order, self._clock.at(ticket.first_sent_at), is_amended=is_amended)

    def _not_yet(self, ticket: Ticket, order: OwnOrder, read_at: int, now: int) -> None:
        """Apply an order that was read without the requested effect; after some time this is a proof too."""
        if ticket.look is None:
            return
        is_cancel = isinstance(ticket.order, CancelOrder)
        if ticket.is_open and is_cancel and not ticket.answer and ticket.attempts < MOST_CANCELS:
            self._again(ticket, now)
        elif not ticket.is_open and isinstance(ticket.order, AmendOrder) and self._is_amended_again(ticket, order):
            ticket.look = None  # its present state proves nothing
        else:
            has_expired = self._lookups.has_expired(ticket, read_at)
            found = of_unchanged(ticket, order, read_at, grace=ns(self.patience.grace_s), has_expired=has_expired)
            if found is not None:
                self._settle(ticket, *found, now, via="lookup", state=order.state)

    def _is_amended_again(self, ticket: Ticket, order: OwnOrder) -> bool:
        others = (item for item in self._index.of(order) if isinstance(item.order, AmendOrder) and item is not ticket)
        return order.request_id not in ("", getattr(ticket.order, "request_id", "")) or any(True for _ in others)

    def _absent(self, ticket: Ticket, now: int) -> None:
        """Settle a ticket whose order certainly does not exist."""
        is_in_time = ticket.outcome is None and not self.is_halted  # after UNKNOWN nothing is sent any more
        if ticket.may_resend and ticket.attempts == 1 and is_in_time and isinstance(ticket.order, PlaceOrder):
            self._again(ticket, now)
            return
        never = isinstance(ticket.order, PlaceOrder) and ticket.answer != "51016"
        code = ticket.answer or ("" if never else "51603")
        words = "never arrived" if never else lookup(code).meaning
        self._settle(ticket, Proof(Verdict.REJECTED, code, f"{words}: {ticket.reason}"), Rank.ABSENCE, now, via="lookup")

    def _settle(self, ticket: Ticket, proof: Proof, rank: Rank, now: int, *, via: str, state: str = "", advice: str = "") -> None:
        """Set a verdict; an earlier one is replaced by better proof only."""
        if rank is Rank.ORDER:
            self._index.unseen.pop(ticket.number, None)
        former = ticket.outcome
        if former is not None and former.verdict is not Verdict.UNKNOWN:
            if rank <= ticket.rank or former.verdict is proof.verdict:
                ticket.rank = max(rank, ticket.rank)
                return
        elif proof.verdict is not Verdict.UNKNOWN:
            self._open -= 1
        ticket.rank, ticket.look, ticket.is_late = rank, None, former is not None
        ticket.outcome = outcome(ticket, proof, now, via=via, state=state, advice=advice)
        self._events.append(ticket.resolved(now))
        if proof.verdict is Verdict.REJECTED:
            self._index.unseen.pop(ticket.number, None)
        if proof.verdict is not Verdict.UNKNOWN:
            if ticket.is_recorded:
                self._delivery.actions.append(WriteIntent([Intent(ticket.key, done=True)]))
            if proof.verdict is Verdict.CONFIRMED and rank < Rank.ORDER and not isinstance(ticket.order, MassCancel):
                self._timers.at(now + UNSEEN_FOR, lambda now: self._look(ticket, now), lambda: ticket.rank < Rank.ORDER)
            self._forget_later(ticket, now)

    def _note_unavailable(self, code: str, now: int) -> None:
        if code in UNAVAILABLE:
            self.unavailable_until = now + PAUSE_UNAVAILABLE

    # -- time ------------------------------------------------------------------------------------------------------------

    def _look(self, ticket: Ticket, now: int) -> None:
        if isinstance(ticket.order, MassCancel):
            if ticket.attempts < MOST_CANCELS:
                self._again(ticket, now)
            return
        self._lookups.begin(ticket, now)
        self._read(ticket, now)

    def _read(self, ticket: Ticket, now: int) -> None:
        if ticket.look is None:
            return
        if self._lookups.needs_clock(ticket):
            self._read_clock()
        action = self._lookups.read(ticket, now)
        if action is not None:
            self._delivery.actions.append(action)
        elif ticket.look.at > now and not ticket.look.is_reading:
            self._timers.at(ticket.look.at, lambda now: self._read(ticket, now))

    def _read_clock(self) -> None:
        if not self._is_reading_clock:
            self._is_reading_clock = True
            self._delivery.actions.append(FetchOrderClock())

    def _watch(self, ticket: Ticket, now: int) -> None:
        """Report a ticket as UNKNOWN after a while, and forget it in the end."""

        def report(now: int) -> None:
            if ticket.answer in STALE_CODE:  # refused for its instIdCode, which could not be fetched: nothing happened
                self._settle(ticket, Proof(Verdict.REJECTED, ticket.answer, ticket.reason), Rank.ANSWER, now, via="websocket")
                return
            proof = Proof(Verdict.UNKNOWN, ticket.answer, ticket.reason)
            advice = "do not send it again: an OrderResolved follows once it is known"
            self._settle(ticket, proof, Rank.NOTHING, now, via="", advice=advice)
            if not isinstance(ticket.order, MassCancel):
                self._look(ticket, now)
            left = ns(self.patience.linger_s - self.patience.report_s)
            self._timers.at(now + left, lambda _: self._forget(ticket), lambda: ticket.is_open)

        self._timers.at(now + ns(self.patience.report_s), report, lambda: ticket.outcome is None)

    def _forget_later(self, ticket: Ticket, now: int) -> None:
        """Forget a ticket later, up to a second after its time, so that many are forgotten at once."""
        due = (now + SETTLED_FOR) // SECOND * SECOND + SECOND
        self._timers.at(due, lambda now: self._forget_settled(ticket, now))

    def _forget_settled(self, ticket: Ticket, now: int) -> None:
        if ticket.look is None or now > ticket.first_sent_at + ns(self.patience.linger_s):
            self._forget(ticket)
        else:
            self._forget_later(ticket, now)

    def _forget(self, ticket: Ticket) -> None:
        if ticket.is_open:
            self._open -= 1
        ticket.look = None
        self._index.forget(ticket)
