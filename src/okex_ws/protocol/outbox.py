"""Outbox: requests that one connection still has to send, and their times: unsubscribes, login, subscribes, renewals.

Requests that come close together share few frames. The hourly limit cannot be exceeded; a part of it is reserved for renewals.
Source: docs-v5 "Connect" (480 requests an hour and connection, 64 KB of args), "Login", "Subscribe".
"""

from __future__ import annotations

import enum

from okex_ws.protocol.pacing import SECOND, Backoff, Bucket, Window, requests_per_connection
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.subscriptions import Subscriptions
from okex_ws.stateful import Output, Stateful
from okex_ws.wire import requests
from okex_ws.wire.channels import Subscription, find
from okex_ws.wire.sign import Credentials

RECOVERY_RESERVE = 60
"""Hourly requests kept back from first subscriptions, for renewals."""
GATHER = SECOND // 10
"""Time after a request in which further requests are collected: a loop over a hundred instruments makes two frames."""
LOGIN_ERRORS = ("60004", "60005", "60006", "60007", "60009", "60023", "60024", "60026", "60031", "60032", "63999")
"""Codes of errors that concern a login only; they carry no id."""
BURST, EVERY_S = 180, 15.3
"""Requests sent at once, and seconds between requests after that: together below the hourly limit without its reserve."""


class Login(enum.Enum):
    """State of a connection's login."""

    NONE = "no credentials"
    DUE = "not requested yet"
    REQUESTED = "requested"
    CLOCK = "refused for its time; waits for OKX's time"
    DONE = "done"
    REFUSED = "refused"


class Outbox(Stateful):
    """Pending requests of one connection. `to_send` lists the texts to send now, in order.

    server_clock: OKX's time, part of each login.
    """

    STATE = {
        Output: "to_send",
        int: "login_requested_at _number _login_not_before _not_before _gather_until _ids",
        bool: "_clock_was_set",
        Login: "login",
        Window: "budget",
        Bucket: "_pace",
        Backoff: "_login_backoff",
        Subscriptions: "_registry",
        ServerClock: "_server_clock",
        Credentials: "_credentials",
        dict[Subscription, int]: "_wanted",
        dict[Subscription, None]: "_unsubscribing",
        set[Subscription]: "_alone _login_required",
    }

    def __init__(
        self,
        number: int,
        registry: Subscriptions,
        *,
        credentials: Credentials | None,
        now: int,
        server_clock: ServerClock | None = None,
    ) -> None:
        self.to_send: list[bytes] = []
        self.budget = requests_per_connection()
        self.login = Login.DUE if credentials is not None else Login.NONE
        self.login_requested_at = 0
        self._number = number
        self._registry = registry
        self._credentials = credentials
        self._server_clock = server_clock or ServerClock()
        self._clock_was_set = False
        self._login_backoff = Backoff(2.0, 60.0)
        self._login_not_before = now
        self._not_before = now
        self._gather_until = now
        self._pace = Bucket(BURST, EVERY_S)
        self._wanted: dict[Subscription, int] = {}  # subscription → earliest time of its request
        self._alone: set[Subscription] = set()  # each in its own request, one at a time
        self._login_required: set[Subscription] = set()  # OKX requires a login for these, unlike the table
        self._unsubscribing: dict[Subscription, None] = {}
        self._ids = 0

    # -- pending requests ------------------------------------------------------------------------------------------------

    def subscribe(self, item: Subscription, due: int, *, alone: bool = False) -> None:
        """Queue a subscribe request, not before `due`."""
        self._wanted[item] = due
        if alone:
            self._alone.add(item)

    def unsubscribe(self, item: Subscription) -> None:
        """Queue an unsubscribe request."""
        self._unsubscribing[item] = None

    def forget(self, item: Subscription) -> None:
        """Remove a queued subscribe request."""
        self._wanted.pop(item, None)
        self._alone.discard(item)

    def require_login(self, item: Subscription) -> None:
        """Send this subscription only after the login, because OKX refused it without one."""
        self._login_required.add(item)

    def needs_login(self, item: Subscription) -> bool:
        row = find(item.channel)
        return item in self._login_required or (row is not None and row.login)

    @property
    def waiting_for_login(self) -> list[Subscription]:
        """Queued subscriptions that need a login."""
        return [item for item in self._wanted if self.needs_login(item)]

    def log_in_later(self, now: int) -> bool:
        """Schedule another login. Returns False after too many failures."""
        if self._login_backoff.tries >= 8:
            return False
        self.login = Login.DUE
        self._login_not_before = self._login_backoff.next_at(now)
        return True

    def log_in_after_clock(self) -> bool:
        """Hold the login until `clock_set`. Returns False if the clock was already set once and the login failed again."""
        if self._clock_was_set:
            return False
        self.login = Login.CLOCK
        return True

    def clock_set(self, now: int) -> None:
        """Log in again with OKX's time, which is now known."""
        if self.login is Login.CLOCK:
            self._clock_was_set = True
            self.login, self._login_not_before = Login.DUE, now

    def hold(self, until: int) -> None:
        """Send nothing before `until`, because OKX reported too many requests."""
        self._not_before = max(self._not_before, until)

    # -- sending ---------------------------------------------------------------------------------------------------------

    def flush(self, now: int) -> None:
        """Move due requests to `to_send`: unsubscribes, the login if needed, then subscribes in as few frames as allowed."""
        if not (self._wanted or self._unsubscribing) or now < max(self._gather_until, self._ready_at(now)):
            return
        sent_before = self._ids
        self._log_in(now)
        ready = [item for item, due in self._wanted.items() if due <= now and self._is_ready(item)]
        grouped = [item for item in ready if item not in self._alone]
        todo = [("unsubscribe", group) for group in requests.batches(list(self._unsubscribing))]
        todo += [("subscribe", group) for group in requests.batches(grouped)]
        if not todo and ready:
            todo = [("subscribe", ready[:1])]
        for verb, group in todo:
            if self._ready_at(now) > now:
                break
            self._pace.take(now)
            self._send(verb, group, now)
        if self._ids > sent_before:
            self._gather_until = now + GATHER

    def renew(self, items: list[Subscription], now: int) -> list[Subscription]:
        """Unsubscribe and subscribe again, many in two requests, using the reserve. Returns the renewed subscriptions."""
        done: list[Subscription] = []
        for group in requests.batches(items):
            if self.renewal_at(now) > now:
                break
            self._send("unsubscribe", group, now)
            self._send("subscribe", group, now)
            done += group
        return done

    def renewal_at(self, now: int) -> int:
        """Earliest time of the next renewal, ns."""
        return max(self._not_before, self.budget.ready_at(now, reserve=1))

    def deadline(self, now: int) -> int | None:
        """Time of the next `flush`, ns; None if nothing is queued."""
        due = [due for item, due in self._wanted.items() if self._is_ready(item)]
        due += [max(due, self._login_not_before) for item, due in self._wanted.items() if self._is_login_due(item)]
        if self._unsubscribing:
            due.append(now)
        return max(min(due), self._gather_until, self._ready_at(now)) if due else None

    def _ready_at(self, now: int) -> int:
        return max(self._not_before, self.budget.ready_at(now, reserve=RECOVERY_RESERVE), self._pace.ready_at(now))

    def _is_ready(self, item: Subscription) -> bool:
        if item in self._alone and self._registry.is_waiting:
            return False  # its answer must not be confused with another one
        return self.login not in (Login.DUE, Login.REQUESTED, Login.CLOCK) or not self.needs_login(item)

    def _is_login_due(self, item: Subscription) -> bool:
        return self.login is Login.DUE and self.needs_login(item)

    def _log_in(self, now: int) -> None:
        is_due = any(due <= now and self._is_login_due(item) for item, due in self._wanted.items())
        if is_due and now >= self._login_not_before and self._credentials is not None:
            self.login, self.login_requested_at = Login.REQUESTED, now
            self.budget.take(now)
            self.to_send.append(requests.login(self._credentials, self._server_clock.at(now) // SECOND))

    def _send(self, verb: str, group: list[Subscription], now: int) -> None:
        self._ids += 1
        request_id = f"c{self._number}r{self._ids}"
        if verb == "subscribe":
            self.to_send.append(requests.subscribe(request_id, group))
            for item in group:
                self.forget(item)
        else:
            self.to_send.append(requests.unsubscribe(request_id, group))
            for item in group:
                self._unsubscribing.pop(item, None)
        self.budget.take(now)
        self._registry.requested(request_id, verb, group, now)
