"""TradingCore: the orders of one account without a socket, a loop, a clock or a file. It decides; a shell carries out.

`submit` takes orders, `feed` events of the lines, `answered` what REST and the disk answer; `next_effect` returns the I/O to
carry out, `settle` the events that follow. An order request leaves only after its intent is written. It goes over a line, or over
REST while no line can take it. Requests of a former process are settled before anything new is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from okex_ws.core.risk_context import risk_context
from okex_ws.events import (
    AccountUpdate,
    BalanceAndPosition,
    Disconnected,
    Event,
    Fill,
    Instrument,
    LoggedIn,
    Malformed,
    PositionUpdate,
    Refused,
    Stale,
    Subscribed,
    Unsubscribed,
    Verdict,
)
from okex_ws.market import Books, Instruments, Latest
from okex_ws.market.account import CHANNELS, Account, FetchAccount
from okex_ws.market.sizing import fit, fit_change, size_unit
from okex_ws.protocol.orders.budget import OrderBudget
from okex_ws.protocol.orders.order_ids import OrderIds
from okex_ws.protocol.orders.orders import Orders
from okex_ws.protocol.orders.tickets import (
    FetchInstrument,
    FetchOrder,
    FetchOrderClock,
    Intent,
    Outcome,
    Patience,
    SendRest,
    SendSocket,
    Ticket,
    WriteIntent,
)
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.risk.cancel_all_after import Arm, CancelAllAfter
from okex_ws.protocol.risk.context import RiskContext
from okex_ws.protocol.risk.gate import RiskGate
from okex_ws.protocol.risk.limits import Limits
from okex_ws.protocol.risk.pre_trade import PreTradeRisk
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.wire.frames import FrameError, decode_rows
from okex_ws.wire.orders import AmendOrder, CancelOrder, OrderRequest, PlaceOrder, kind_of

PRIVATE = (("orders", "ANY"), ("positions", "ANY"), ("account", None), ("balance_and_position", None))
"""Channels that an account is known from; a trading client subscribes to them by itself."""
SPREADS = (("sprd-orders", None),)
"""The channel of spread orders."""
RETRY = 2 * SECOND
"""Time between attempts to fetch what trading cannot start without."""


class FetchKeyConfig(msgspec.Struct, frozen=True):
    """Fetch `account/config`: the account's uid, and what the key may do."""


class FetchInstruments(msgspec.Struct, frozen=True):
    """Fetch the reference data of an instrument type; the answer's rows are Instruments."""

    instrument_type: str


TradingEffect = (
    WriteIntent
    | SendRest
    | FetchOrder
    | FetchAccount
    | FetchInstrument
    | FetchInstruments
    | FetchOrderClock
    | FetchKeyConfig
    | Arm
)


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to an effect. rows: None if it failed; code, message: OKX's; reason: one line for people about a failure.

    may_have_happened: True if a failed request perhaps reached OKX.
    """

    effect: TradingEffect
    rows: list[Any] | None = None
    code: str = ""
    message: str = ""
    reason: str = ""
    may_have_happened: bool = False


class TradingCore:
    """Orders, risk gate and account of one key.

    send: sends a request over a line of an endpoint; returns line and connection, None if no line can take it now. can_send: True
    if one can. id_prefix: differs for each process, so that client order ids never repeat. Other arguments: as of `Trading`.
    """

    def __init__(
        self,
        *,
        id_prefix: int,
        send: Callable[[str, str, str, bytes, int], tuple[str, int] | None],
        can_send: Callable[[str], bool],
        instruments: Instruments,
        books: Books,
        latest: Latest,
        server_clock: ServerClock,
        account: Account | None = None,
        instrument_types: Sequence[str] = ("SPOT", "SWAP"),
        spreads: bool = False,
        patience: Patience = Patience(),
        wait_s: float = 1.0,
        limits: Limits = Limits(),
        limits_by_instrument: Mapping[str, Limits] = {},
        switches: Sequence[CancelAllAfter] = (),
    ) -> None:
        self.account = account or Account()
        self.orders = Orders(
            OrderIds(id_prefix),
            can_send=can_send,
            code_of=self._code_of,
            clock=server_clock,
            patience=patience,
            budget=OrderBudget(longest_s=wait_s),
        )
        self.gate = RiskGate(
            self.orders,
            pre_trade=PreTradeRisk(limits, limits_by_instrument),
            switches=switches,
            open_orders=lambda: self.account.orders.open.values(),
            open_spreads=lambda: self.account.spreads.open.values(),
        )
        self.instruments = instruments
        self.spreads = spreads
        self.is_prepared = False
        self.is_closed = False
        self.is_touched = False
        """True if anything changed since the shell looked last: effects, deadline, readiness."""
        self.uid = ""
        self.may_withdraw = False
        self.missing = "no connection yet"
        """One line about the first thing that trading still needs."""
        self.login_refused = ""
        """Reason for which OKX refuses the key for good; "" while it does not."""
        self.channel_refused = ""
        """Reason for which OKX refuses a channel of the account; "" while it does not."""
        self._send_over_line, self._can_send = send, can_send
        self._books, self._latest = books, latest
        self._effects: deque[TradingEffect | SendSocket] = deque()
        self._unsent: set[str] = set()  # requests whose intent could not be written
        self._steps: deque[FetchOrderClock | FetchKeyConfig | FetchInstruments] = deque(
            (FetchOrderClock(), FetchKeyConfig(), *map(FetchInstruments, instrument_types))
        )
        self._left_open: list[Intent] = []
        self._retry_at: int | None = None

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self, left_open: Sequence[Intent]) -> None:
        """Begin to fetch what trading needs. left_open: intents that a former process wrote and did not settle."""
        self._left_open = list(left_open)
        self._effects.append(self._steps[0])
        self.is_touched = True

    @property
    def is_ready(self) -> bool:
        """True if orders can be sent: logged in, account LIVE, reference data loaded, requests of a former process settled."""
        return self.is_prepared and self._can_send("private") and self.account.is_live and not self.orders.left_open

    @property
    def why_not_ready(self) -> str:
        """One line about what is missing."""
        if not self._can_send("private") or self._retry_at is not None:
            return self.missing
        if not self.is_prepared:
            return "reference data is still being fetched"
        if not self.account.is_live:
            return f"account state is {self.account.quality}"
        ids = ", ".join(ticket.order.client_order_id or ticket.order.order_id for ticket in self.orders.left_open)
        return f"the outcome of requests that a former process left open is not known yet: {ids}"

    def leave(self, now: int) -> list[Arm]:
        """Return the requests that disarm cancel-all-after, unless an order of this client is open: it would cancel others'."""
        return self.gate.close(now)

    def close(self, now: int) -> dict[int, Outcome]:
        """Send nothing more. Return the outcome UNKNOWN of each open ticket; the next process finds out."""
        self.is_closed = True
        return {ticket.number: _left_open(ticket, now) for ticket in self.orders.unresolved}

    # -- the caller's side -----------------------------------------------------------------------------------------------

    def submit(
        self,
        orders: Sequence[OrderRequest],
        now: int,
        *,
        override: str = "",
        urgent: bool = False,
        may_resend: bool = False,
    ) -> list[Ticket]:
        """Check and queue one request for all of these; return a ticket for each. A refused order gets its verdict by `settle`.

        Raises OrderError, SizeError and UnknownInstrumentError.
        """
        fitted = [self._fitted(order) for order in orders]
        self.is_touched = True
        return self.gate.submit(fitted, self._context_of, now, override=override, urgent=urgent, may_resend=may_resend)

    def halt(self, reason: str, by: str, now: int) -> None:
        """Send no new order from now on; cancel what is open, and what turns out to be open later."""
        self.gate.halt(reason, by, now)
        self.is_touched = True

    def resume(self, reason: str, now: int) -> None:
        """Let new orders leave again."""
        self.gate.resume(reason, now)
        self.is_touched = True

    def why_not(self, orders: Sequence[OrderRequest]) -> str:
        """Return why these cannot be submitted now; "" if they can."""
        changes = [order for order in orders if isinstance(order, PlaceOrder | AmendOrder)]
        if not self.is_prepared or self.is_closed:
            return "orders can be sent once `await client.ready()` has returned, until the client is closed"
        if self.orders.left_open and changes:
            return "requests that a former process left open are still being looked up; wait for `await client.ready()`"
        if not self.spreads and any(order.is_spread for order in changes):
            return "this client does not subscribe to spread orders; make it with Trading(spreads=True)"
        return ""

    # -- inputs ----------------------------------------------------------------------------------------------------------

    def feed(self, events: list[Event], now: int) -> tuple[list[Event], list[Event]]:
        """Return events of lines with the consequences of each right behind it, and these consequences alone."""
        if _RELEVANT.isdisjoint(map(type, events)):
            return events, []
        out: list[Event] = []
        own: list[Event] = []
        for event in events:
            out.append(event)
            if type(event) not in _RELEVANT:
                continue
            changed = self.account.apply(event)
            if type(event) in _OF_ACCOUNT and not changed:
                continue  # the account state has changed, and nothing follows from that
            for each in (event, *changed):
                self.gate.feed(each, now)
            self.orders.feed(event, now)
            if isinstance(event, Refused | Disconnected):
                self._note_refusal(event)
            consequences = [*changed, *self.settle(now)]
            out += consequences
            own += consequences
        self.is_touched = True
        return out, own

    def answered(self, answer: Answered, now: int) -> list[Event]:
        """Take the answer to an effect; return the events that follow."""
        effect, rows = answer.effect, answer.rows
        events: list[Event] = []
        self.is_touched = True
        if self._steps and effect is self._steps[0]:
            self._prepare(answer, now)
        match effect:
            case WriteIntent(request_id=request_id, intents=intents) if rows is None:
                if not all(isinstance(intent.order, CancelOrder) or intent.done for intent in intents):
                    self._unsent.add(request_id)
                    self.orders.not_recorded(request_id, answer.reason, now)
            case SendRest(request_id=request_id) if rows is None:
                unclear = answer.may_have_happened
                self.orders.rest_failed(request_id, answer.code, answer.reason, now, may_have_happened=unclear)
            case SendRest(request_id=request_id):
                self.orders.rest_answered(request_id, answer.code, answer.message, rows or [], now)
            case FetchOrder(ticket=number):
                self.orders.looked_up(number, rows, answer.code, now)
            case FetchAccount():
                events = self.account.fetched(effect, rows, now, answer.code)
                for event in events:
                    self.gate.feed(event, now)
            case Arm():
                self.gate.armed(effect, "" if rows is not None else answer.reason, now)
            case FetchInstrument(instrument=instrument):
                if rows is not None:
                    self.instruments.load(rows)
                self.orders.instrument_read(instrument, now)
            case FetchOrderClock():
                self.orders.clock_read()
        return [*events, *self.settle(now)]

    @property
    def next_deadline(self) -> int | None:
        """Time of the next `on_deadline`, ns; None: never."""
        if self.is_closed:
            return None
        dues = (self.orders.deadline(), self.account.next_deadline, self.gate.next_deadline, self._retry_at)
        return min((due for due in dues if due is not None), default=None)

    def on_deadline(self, now: int) -> list[Event]:
        """Apply timeouts at `now`; return the events that follow."""
        self.is_touched = True
        if self._retry_at is not None and self._retry_at <= now:
            self._retry_at = None
            self._effects.append(self._steps[0])
        self.orders.on_deadline(now)
        self.gate.on_deadline(now)
        due = self.account.next_deadline
        events = self.account.on_deadline(now) if due is not None and due <= now else []
        return [*events, *self.settle(now)]

    # -- outputs ---------------------------------------------------------------------------------------------------------

    def next_effect(self, now: int) -> TradingEffect | None:
        """Return the next I/O to carry out, in order; None when there is none. `answered` takes the answer to each."""
        while self._effects and not self.is_closed:
            effect = self._effects.popleft()
            match effect:
                case SendSocket(request_id=request_id) | SendRest(request_id=request_id) if request_id in self._unsent:
                    self._unsent.discard(request_id)
                case SendSocket(request_id=request_id):
                    way = self._send_over_line(effect.endpoint, request_id, effect.op, effect.data, now)
                    if way is None:
                        self.orders.not_sent(request_id, now)
                    else:
                        self.orders.sent(request_id, *way)
                case _:
                    return effect
        return None

    def settle(self, now: int) -> list[Event]:
        """Return the events that follow from all inputs since the last call, and queue the effects."""
        events: list[Event] = []
        while not self.is_closed:
            self._effects += self.orders.take_actions()
            made = [*self.orders.take_events(), *self.gate.settle(now)]
            self._effects += self.gate.take_arms()
            for event in made:
                self.gate.feed(event, now)
                events += [event, *self.account.apply(event)]
            if not made and not self.orders.actions:
                break
        self._effects += self.account.take_fetches()
        return events

    @property
    def has_effects(self) -> bool:
        """True if `next_effect` has something to return."""
        return bool(self._effects) and not self.is_closed

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _prepare(self, answer: Answered, now: int) -> None:
        """Take one of the steps that trading cannot start without; request the next, or the same again after a while."""
        step = answer.effect
        if isinstance(step, FetchKeyConfig):  # may fail: it only names the account
            for config in answer.rows or []:
                self.uid = str(config.get("uid", ""))
                self.may_withdraw = "withdraw" in str(config.get("perm", "")).split(",")
        elif answer.rows is None:
            what = f"reference data of {step.instrument_type}" if isinstance(step, FetchInstruments) else "OKX's time"
            self.missing = f"{what} is not there yet: {answer.reason}"
            self._retry_at = now + RETRY
            return
        elif isinstance(step, FetchInstruments):
            self.instruments.load(answer.rows)
        self._steps.popleft()
        if self._steps:
            self._effects.append(self._steps[0])
        else:
            self.orders.adopt(self._left_open, now)
            self.is_prepared = True

    def _note_refusal(self, event: Refused | Disconnected) -> None:
        if not event.line.startswith("private"):
            return
        if isinstance(event, Refused):
            if event.will_retry:
                return
            why = f"{event.message} ({event.code})" if event.message else event.code
            if event.channel == "login":
                self.login_refused = f"OKX refused the login: {why}; {event.advice}"
            elif event.channel in CHANNELS and not self.channel_refused:
                self.channel_refused = (
                    f"OKX refused {event.channel}, without which the account is not known: {why}; {event.advice}"
                )
        elif event.fatal:
            self.login_refused = self.login_refused or event.reason
        else:
            self.missing = f"{event.line} has no connection: {event.reason}"

    def _fitted(self, order: OrderRequest) -> OrderRequest:
        """Round an order to the instrument's steps and check it against its limits."""
        if not isinstance(order, PlaceOrder | AmendOrder) or order.is_spread:
            return order
        rules = self.instruments[order.instrument]
        if isinstance(order, AmendOrder):
            known = self.account.orders.get(order.order_id, client_order_id=order.client_order_id)
            size, price = fit_change(rules, side=known.side if known is not None else "", size=order.size, price=order.price)
            return msgspec.structs.replace(order, size=size, price=price)
        side, order_type = order.side, order.order_type
        unit = size_unit(
            rules, side=side, order_type=order_type, trade_mode=order.trade_mode, target_currency=order.target_currency
        )
        size, price = fit(rules, side=side, size=order.size, price=order.price, order_type=order_type, target_currency=unit)
        return msgspec.structs.replace(order, size=size, price=price, target_currency=unit)

    def _context_of(self, order: PlaceOrder | AmendOrder, earlier: Sequence[PlaceOrder | AmendOrder]) -> RiskContext:
        return risk_context(
            order,
            account=self.account,
            instruments=self.instruments,
            books=self._books,
            latest=self._latest,
            in_flight=[*self.orders.changing, *earlier],
        )

    def _code_of(self, instrument: str) -> int | None:
        return self.instruments[instrument].code if instrument in self.instruments else None


def instruments_in(rows: list[Any]) -> list[Instrument] | None:
    """Return the instruments in REST rows; None if a row cannot be read."""
    try:
        return decode_rows(rows, Instrument, "instruments")
    except FrameError:
        return None


def _left_open(ticket: Ticket, now: int) -> Outcome:
    order = ticket.order
    return Outcome(
        verdict=Verdict.UNKNOWN,
        kind=kind_of(order),
        instrument=order.instrument,
        client_order_id=order.client_order_id,
        order_id=ticket.order_id,
        reason="the client was closed before OKX answered",
        sent_at=ticket.first_sent_at,
        resolved_at=now,
    )


_OF_ACCOUNT = frozenset((AccountUpdate, BalanceAndPosition, Fill, PositionUpdate))
_RELEVANT = _OF_ACCOUNT | {*Orders.HEARS, Malformed, Stale, Subscribed, Unsubscribed, LoggedIn, Refused}
