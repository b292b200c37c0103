"""Trader: the orders of one account over real sockets. It carries out what `Orders` wants, in that order, and decides nothing.

An order request leaves only after its intent is on the disk. It goes over the WebSocket, or over REST while that cannot take it.
What a former process left open is settled before anything new is sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from okex_ws.client.connection import Driver
from okex_ws.client.halting import HALT_FILE, Switch
from okex_ws.client.intents import IntentLog, IntentLogError
from okex_ws.client.ordering import NotTradingError
from okex_ws.client.plain import one_line
from okex_ws.client.rest import Rest, RestError
from okex_ws.events import (
    AccountUpdate,
    BalanceAndPosition,
    Disconnected,
    Event,
    Fill,
    Halted,
    Instrument,
    LoggedIn,
    Malformed,
    OrderRefused,
    OrderResolved,
    OrderUpdate,
    PositionUpdate,
    Refused,
    Stale,
    Subscribed,
    TradingResumed,
    Verdict,
)
from okex_ws.market import Instruments
from okex_ws.market.account import Account, ReadWish
from okex_ws.market.sizing import fit
from okex_ws.protocol.order_budget import OrderBudget
from okex_ws.protocol.order_ids import PREFIX_BITS, OrderIds
from okex_ws.protocol.orders import Orders
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.tickets import (
    Action,
    LookUp,
    Outcome,
    Patience,
    ReadInstrument,
    Record,
    SendRest,
    SendSocket,
    Ticket,
)
from okex_ws.wire.frames import FrameError, decode_rows
from okex_ws.wire.orders import MOST_IN_BATCH, CancelOrder, OrderRequest, PlaceOrder, kind_of

log = logging.getLogger("okex_ws.orders")
"""The audit: a line for every verdict and every refusal."""
PRIVATE = (("orders", "ANY"), ("positions", "ANY"), ("account", None), ("balance_and_position", None))
"""What an account is told by, and subscribed to without asking."""
SPREADS = (("sprd-orders", None),)
"""And what its spread orders are told by."""
AGAIN_S = 2.0
"""Between tries of what trading cannot start without."""


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """How a client trades.

    intent_log: a file for what is under way, without which a crash forgets it; one process at a time. instrument_types: whose
    reference data is loaded. spreads: also trade spreads, over a connection of their own. wait_s: how long an order may wait for
    its turn under OKX's rate limits. halt_file: the kill switch that `okex-ws halt` writes, None to look for no file.
    halt_signal: a signal, such as signal.SIGUSR1, that does the same to this process.
    """

    intent_log: str | Path | None = None
    instrument_types: tuple[str, ...] = ("SPOT", "SWAP")
    spreads: bool = False
    patience: Patience = Patience()
    wait_s: float = 1.0
    halt_file: str | Path | None = HALT_FILE
    halt_signal: int | None = None


class LoginRefusedError(Exception):
    """OKX refuses the key, and trying again is pointless; the text says what to change."""


class Trader:
    """One account's orders.

    driver: the connection that can take an order for an endpoint right now, if any. publish: for what is said between the events
    of lines.
    """

    def __init__(
        self,
        settings: Trading,
        *,
        rest: Callable[[], Rest],
        driver: Callable[[str], Driver | None],
        instruments: Instruments,
        publish: Callable[[list[Event]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], int],
        server_clock: ServerClock,
    ) -> None:
        self.settings = settings
        self.orders = Orders(
            OrderIds(secrets.randbits(PREFIX_BITS)),
            can_send=lambda endpoint: driver(endpoint) is not None,
            code_of=self._code_of,
            server_time=server_clock.at,
            patience=settings.patience,
            budget=OrderBudget(longest_s=settings.wait_s),
        )
        self.account = Account()
        self._rest, self._driver, self._instruments = rest, driver, instruments
        self._publish, self._spawn, self._now = publish, spawn, now
        self._log = IntentLog(settings.intent_log) if settings.intent_log is not None else None
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._unsent: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._changed = asyncio.Event()
        self._is_prepared = False
        self._is_closed = False
        self._refused: LoginRefusedError | None = None
        self._switch = Switch(
            Path(settings.halt_file).expanduser() if settings.halt_file is not None else None,
            settings.halt_signal,
            halt=self.halt,
            resume=self.resume,
            is_halted=lambda: self.orders.is_halted,
        )

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load reference data, and settle what a former process left open."""
        self._switch.start()
        self._spawn(self._prepare())

    async def ready(self) -> None:
        """Wait until orders can be sent. Raises LoginRefusedError when that will never be."""
        while not self.is_ready:
            if self._refused is not None:
                raise self._refused
            self._changed.clear()
            await self._changed.wait()

    @property
    def is_ready(self) -> bool:
        """Logged in, reference data loaded, the account read, and what a former process left open taken over."""
        return self._is_prepared and self._driver("private") is not None and self.account.is_live

    def close(self) -> None:
        """Nothing more is sent. What is still under way is UNKNOWN here, and the next process finds out."""
        self._is_closed = True
        self._switch.stop()
        if self._timer is not None:
            self._timer.cancel()
        now = self._now()
        for number, future in self._waiting.items():
            ticket = self.orders.ticket(number)
            if ticket is not None and not future.done():
                future.set_result(_left_open(ticket, now))
        self._waiting.clear()
        if self._log is not None:
            self._log.close()

    async def _prepare(self) -> None:
        for kind in self.settings.instrument_types:
            while not self._is_closed:
                try:
                    self._instruments.load(await self._rest().instruments(kind))
                    break
                except RestError as error:
                    log.warning("reference data of %s is not there yet: %s", kind, one_line(str(error)))
                    await asyncio.sleep(AGAIN_S)
        if self._log is not None:
            self.orders.adopt(list(self._log.open.values()), self._now())
        self._is_prepared = True
        self._say()

    # -- asking ----------------------------------------------------------------------------------------------------------

    async def ask(
        self, orders: Sequence[OrderRequest], *, urgent: bool = False, may_resend: bool = False, override: str = ""
    ) -> list[Outcome]:
        """One request for all of them, an outcome for each, in their order. What is refused here is not sent.

        Raises OrderError for what cannot be said, NotTradingError before `ready`.
        """
        if not self._is_prepared or self._is_closed:
            raise NotTradingError("orders can be sent once `await client.ready()` has returned, until the client is closed")
        now = self._now()
        tickets = self.orders.submit([self._fitted(order) for order in orders], now, urgent=urgent, may_resend=may_resend)
        futures = []
        for ticket in tickets:
            future = self._waiting[ticket.number] = asyncio.get_running_loop().create_future()
            futures.append(future)
        self._say()
        return list(await asyncio.gather(*futures))

    def _fitted(self, order: OrderRequest) -> OrderRequest:
        """Rounded to the instrument's steps and checked against its limits. Raises SizeError, UnknownInstrumentError."""
        if not isinstance(order, PlaceOrder) or order.is_spread:
            return order
        size, price = fit(
            self._instruments[order.instrument],
            side=order.side,
            size=order.size,
            price=order.price,
            order_type=order.order_type,
            target_currency=order.target_currency,
        )
        return msgspec.structs.replace(order, size=size, price=price)

    def trade_mode(self, instrument: str) -> str:
        """What a plain order is traded on: cash on spot, cross margin on derivatives."""
        return "cash" if self._instruments[instrument].instrument_type == "SPOT" else "cross"

    def _code_of(self, instrument: str) -> int | None:
        return self._instruments[instrument].code if instrument in self._instruments else None

    # -- the kill switch -------------------------------------------------------------------------------------------------

    def halt(self, reason: str, by: str = "call") -> None:
        """From now on no new order leaves; what is open is canceled, and so is what turns out to be open later."""
        now = self._now()
        if not self.orders.is_halted:
            self.orders.is_halted = True
            self.orders.refuse_waiting(reason, now)
            log.error("trading is halted by %s: %s", by, one_line(reason))
            self._tell([Halted(ts_recv=now, reason=reason, by=by)])
        self._cancel([order for order in self.account.orders if not order.is_final])

    def resume(self, reason: str = "") -> None:
        """New orders may leave again."""
        if self.orders.is_halted:
            self.orders.is_halted = False
            log.warning("trading is resumed: %s", one_line(reason))
            self._tell([TradingResumed(ts_recv=self._now(), reason=reason)])

    def _cancel(self, open_orders: Sequence[OrderUpdate]) -> None:
        cancels = [CancelOrder(instrument=order.instrument, order_id=order.order_id) for order in open_orders]
        for start in range(0, len(cancels), MOST_IN_BATCH):
            self.orders.submit(cancels[start : start + MOST_IN_BATCH], self._now(), urgent=True)
        self._say()

    # -- hearing ---------------------------------------------------------------------------------------------------------

    def hear(self, events: list[Event]) -> list[Event]:
        """What lines say, with what follows from it right behind each event."""
        if not any(isinstance(event, _HEARS) for event in events):
            return events
        out: list[Event] = []
        for event in events:
            out.append(event)
            out += self.account.apply(event)
            if isinstance(event, Orders.HEARS):
                self.orders.feed(event, self._now())
            if isinstance(event, (Refused, Disconnected)):
                self._note_refusal(event)
            if isinstance(event, _HEARS):
                out += self._settle()
        self._changed.set()
        return out

    def _note_refusal(self, event: Refused | Disconnected) -> None:
        if not event.line.startswith("private"):
            return
        if isinstance(event, Refused) and event.channel == "login" and not event.will_retry:
            why = f"{one_line(event.message)} ({event.code})" if event.message else event.code
            self._refused = LoginRefusedError(f"OKX refused the login: {why}; {event.advice}")
        elif isinstance(event, Disconnected) and event.fatal and self._refused is None:
            self._refused = LoginRefusedError(one_line(event.reason))

    def _say(self) -> None:
        """Do what is wanted by now, and tell it."""
        self._tell([])

    def _tell(self, events: list[Event]) -> None:
        events = [*events, *self._settle()]
        if events:
            self._publish(events)
        self._changed.set()

    # -- doing -----------------------------------------------------------------------------------------------------------

    def _settle(self) -> list[Event]:
        """Carry out what is wanted, in order; returns what there is to tell."""
        told: list[Event] = []
        while not self._is_closed:
            actions, events = self.orders.take_actions(), self.orders.take_events()
            if not actions and not events:
                break
            for action in actions:
                self._do(action)
            for event in events:
                self._resolve(event)
                told += [event, *self.account.apply(event)]
        wishes, self.account.wishes = self.account.wishes, []
        for wish in wishes:
            self._spawn(self._read(wish))
        self._arm()
        return told

    def _do(self, action: Action) -> None:
        match action:
            case Record():
                self._record(action)
            case SendSocket(request_id=request_id) | SendRest(request_id=request_id) if request_id in self._unsent:
                self._unsent.discard(request_id)
            case SendSocket():
                self._send(action)
            case SendRest():
                self._spawn(self._post(action))
            case LookUp():
                self._spawn(self._look_up(action))
            case ReadInstrument(instrument=instrument):
                self._spawn(self._read_instrument(instrument))

    def _record(self, action: Record) -> None:
        if self._log is None:
            return
        try:
            self._log.append(action.intents)
        except IntentLogError as error:
            log.error("%s", one_line(str(error)))
            if not all(isinstance(intent.order, CancelOrder) or intent.done for intent in action.intents):
                self._unsent.add(action.request_id)
                self.orders.not_recorded(action.request_id, str(error), self._now())

    def _send(self, action: SendSocket) -> None:
        driver = self._driver(action.endpoint)
        number = driver.send(action.request_id, action.op, action.data) if driver is not None else None
        if driver is None or number is None:
            self.orders.not_sent(action.request_id, self._now())
        else:
            self.orders.sent(action.request_id, driver.line.name, number)

    async def _post(self, action: SendRest) -> None:
        try:
            answer = await self._rest().post(action.path, action.body, expires_ms=action.expires_ms)
        except RestError as error:
            unclear = error.may_have_happened or error.status >= 500
            self.orders.rest_failed(action.request_id, error.code, str(error), self._now(), may_have_happened=unclear)
        else:
            self.orders.rest_answered(action.request_id, answer.code, answer.message, answer.rows, self._now())
        self._say()

    async def _look_up(self, action: LookUp) -> None:
        rows, code = None, ""
        try:
            rows = await self._rest().get(action.path, **action.query)
        except RestError as error:
            code = error.code
        self.orders.looked_up(action.ticket, rows, code, self._now())
        self._say()

    async def _read(self, wish: ReadWish) -> None:
        """What the account's picture is made anew from."""
        rows, code = None, ""
        try:
            rows = await self._rest().get(wish.path, **wish.query)
        except RestError as error:
            code = error.code
        self._tell(self.account.fetched(wish, rows, self._now(), code))

    async def _read_instrument(self, instrument: str) -> None:
        kind = self._instruments[instrument].instrument_type if instrument in self._instruments else ""
        try:
            rows = await self._rest().get("public/instruments", instType=kind, instId=instrument)
            self._instruments.load(decode_rows(rows, Instrument, "instruments"))
        except (RestError, FrameError) as error:
            log.warning("%s could not be read anew: %s", one_line(instrument), one_line(str(error)))
        self.orders.instrument_read(instrument, self._now())
        self._say()

    def _resolve(self, event: Event) -> None:
        if isinstance(event, OrderRefused):
            log.warning(
                "refused here: %s", one_line(f"{event.kind} {event.instrument} {event.rule}: {event.reason}; {event.advice}")
            )
        if not isinstance(event, OrderResolved):
            return
        level = logging.INFO if event.verdict is Verdict.CONFIRMED else logging.WARNING
        log.log(level, "%s", audit_line(event))
        future = self._waiting.pop(event.ticket, None)
        ticket = self.orders.ticket(event.ticket)
        if future is not None and not future.done() and ticket is not None and ticket.outcome is not None:
            future.set_result(ticket.outcome)
        if self.orders.is_halted and event.kind == "place" and event.verdict is Verdict.CONFIRMED:
            # It was on its way when the switch was pressed.
            cancel = CancelOrder(instrument=event.instrument, client_order_id=event.client_order_id)
            self.orders.submit([cancel], self._now(), urgent=True)

    def _arm(self) -> None:
        dues = [due for due in (self.orders.deadline(), self.account.next_deadline) if due is not None]
        due = min(dues, default=None)
        if self._timer is not None and (due is None or due != self._timer_at or self._is_closed):
            self._timer.cancel()
            self._timer = None
        if due is not None and self._timer is None and not self._is_closed:
            self._timer_at = due
            delay = max(0.0, (due - self._now()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._now()
        self.orders.on_deadline(now)
        due = self.account.next_deadline
        self._tell(self.account.on_deadline(now) if due is not None and due <= now else [])


def audit_line(event: OrderResolved) -> str:
    """A verdict in one line; what OKX sent is made harmless."""
    words = [event.kind, event.instrument, event.client_order_id, event.order_id, event.verdict.value, event.via]
    words += ["late"] if event.late else []
    words += [event.code, event.reason]
    return one_line(" ".join(word for word in words if word))


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


_HEARS = (*Orders.HEARS, AccountUpdate, BalanceAndPosition, Fill, LoggedIn, Malformed, PositionUpdate, Refused, Stale, Subscribed)
