"""Outbox: what one connection still has to tell OKX, and when it may: goodbyes, the login, subscriptions, renewals.

What comes within a moment is gathered into few frames; the hourly limit is kept by construction, with a reserve for renewals.
Source: docs-v5 "Connect" (480 requests an hour and connection, 64 KB of args), "Login", "Subscribe".
"""

from __future__ import annotations

import enum

from okex_ws.protocol.pacing import SECOND, Backoff, Bucket, requests_per_connection
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.subscriptions import Subscriptions
from okex_ws.wire import requests
from okex_ws.wire.channels import Subscription, find
from okex_ws.wire.sign import Credentials

RECOVERY_RESERVE = 60
"""Hourly requests kept back from first subscriptions, for renewals."""
GATHER = SECOND // 10
"""After a request, how long further wishes are gathered before the next one: a loop over a hundred instruments is two frames."""
LOGIN_ERRORS = ("60004", "60005", "60006", "60007", "60009", "60023", "60024", "60026", "60031", "60032", "63999")
"""Errors that are about a login and nothing else; they come without an id."""
BURST, EVERY_S = 180, 15.3
"""Requests at once, and the pace after that: together less than the hourly limit without its reserve."""


class Login(enum.Enum):
    """Where the login of a connection stands."""

    NONE = "no credentials"
    DUE = "not asked for yet"
    ASKED = "asked"
    CLOCK = "found too old or too new; waits for OKX's time"
    DONE = "done"
    REFUSED = "refused"


class Outbox:
    """Everything one connection still has to say. `outbox` are the texts to send now, in order.

    server_clock: OKX's time, which a login carries.
    """

    def __init__(
        self,
        number: int,
        registry: Subscriptions,
        *,
        credentials: Credentials | None,
        now: int,
        server_clock: ServerClock | None = None,
    ) -> None:
        self.outbox: list[bytes] = []
        self.budget = requests_per_connection()
        self.login = Login.DUE if credentials is not None else Login.NONE
        self.login_asked_at = 0
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
        self._wanted: dict[Subscription, int] = {}  # to be asked → not before
        self._alone: set[Subscription] = set()  # in a request of their own, one at a time
        self._guarded: set[Subscription] = set()  # OKX wants a login for them though the table does not say so
        self._goodbyes: dict[Subscription, None] = {}
        self._ids = 0

    # -- wishes ----------------------------------------------------------------------------------------------------------

    def want(self, item: Subscription, due: int, *, alone: bool = False) -> None:
        """Subscribe, not before `due`."""
        self._wanted[item] = due
        if alone:
            self._alone.add(item)

    def part(self, item: Subscription) -> None:
        """Unsubscribe."""
        self._goodbyes[item] = None

    def forget(self, item: Subscription) -> None:
        """Not wanted after all, or already there."""
        self._wanted.pop(item, None)
        self._alone.discard(item)

    def guard(self, item: Subscription) -> None:
        """OKX says that this needs a login."""
        self._guarded.add(item)

    def needs_login(self, item: Subscription) -> bool:
        row = find(item.channel)
        return item in self._guarded or (row is not None and row.login)

    @property
    def locked_out(self) -> list[Subscription]:
        """What waits for a login."""
        return [item for item in self._wanted if self.needs_login(item)]

    def log_in_later(self, now: int) -> bool:
        """The login failed for now. False: it failed too often."""
        if self._login_backoff.tries >= 8:
            return False
        self.login = Login.DUE
        self._login_not_before = now + int(self._login_backoff.next_s(1.0) * SECOND)
        return True

    def log_in_by_another_clock(self) -> bool:
        """The login's time was wrong: it waits for `clock_set`. False: it was set right before, and that did not help."""
        if self._clock_was_set:
            return False
        self.login = Login.CLOCK
        return True

    def clock_set(self, now: int) -> None:
        """OKX's time is known now: log in once more."""
        if self.login is Login.CLOCK:
            self._clock_was_set = True
            self.login, self._login_not_before = Login.DUE, now

    def hold(self, until: int) -> None:
        """Say nothing before then: OKX found us too frequent."""
        self._not_before = max(self._not_before, until)

    # -- saying ----------------------------------------------------------------------------------------------------------

    def ask(self, now: int) -> None:
        """Say what may be said: goodbyes first, the login where it is needed, then subscriptions in as few frames as allowed."""
        if not (self._wanted or self._goodbyes) or now < max(self._gather_until, self._ready_at(now)):
            return
        said = self._ids
        self._log_in(now)
        askable = [item for item, due in self._wanted.items() if due <= now and self._is_askable(item)]
        grouped = [item for item in askable if item not in self._alone]
        todo = [("unsubscribe", group) for group in requests.batches(list(self._goodbyes))]
        todo += [("subscribe", group) for group in requests.batches(grouped)]
        if not todo and askable:
            todo = [("subscribe", askable[:1])]
        for verb, group in todo:
            if self._ready_at(now) > now:
                break
            self._pace.take(now)
            self._send(verb, group, now)
        if self._ids > said:
            self._gather_until = now + GATHER

    def renew(self, items: list[Subscription], now: int) -> list[Subscription]:
        """Unsubscribe and subscribe again: two requests for many, out of the reserve too. Returns those there was room for."""
        done: list[Subscription] = []
        for group in requests.batches(items):
            if self.renewal_at(now) > now:
                break
            self._send("unsubscribe", group, now)
            self._send("subscribe", group, now)
            done += group
        return done

    def renewal_at(self, now: int) -> int:
        """When a renewal may be said."""
        return max(self._not_before, self.budget.ready_at(now, reserve=1))

    def deadline(self, now: int) -> int | None:
        """When `ask` has something to say, ns; None: nothing is waiting, but for answers."""
        due = [due for item, due in self._wanted.items() if self._is_askable(item)]
        due += [max(due, self._login_not_before) for item, due in self._wanted.items() if self._is_login_due(item)]
        if self._goodbyes:
            due.append(now)
        return max(min(due), self._gather_until, self._ready_at(now)) if due else None

    def _ready_at(self, now: int) -> int:
        return max(self._not_before, self.budget.ready_at(now, reserve=RECOVERY_RESERVE), self._pace.ready_at(now))

    def _is_askable(self, item: Subscription) -> bool:
        if item in self._alone and self._registry.is_waiting:
            return False  # its answer has to be unmistakable
        return self.login not in (Login.DUE, Login.ASKED, Login.CLOCK) or not self.needs_login(item)

    def _is_login_due(self, item: Subscription) -> bool:
        return self.login is Login.DUE and self.needs_login(item)

    def _log_in(self, now: int) -> None:
        is_due = any(due <= now and self._is_login_due(item) for item, due in self._wanted.items())
        if is_due and now >= self._login_not_before and self._credentials is not None:
            self.login, self.login_asked_at = Login.ASKED, now
            self.budget.take(now)
            self.outbox.append(requests.login(self._credentials, self._server_clock.at(now) // SECOND))

    def _send(self, verb: str, group: list[Subscription], now: int) -> None:
        self._ids += 1
        request_id = f"c{self._number}r{self._ids}"
        if verb == "subscribe":
            self.outbox.append(requests.subscribe(request_id, group))
            for item in group:
                self.forget(item)
        else:
            self.outbox.append(requests.unsubscribe(request_id, group))
            for item in group:
                self._goodbyes.pop(item, None)
        self.budget.take(now)
        self._registry.asked(request_id, verb, group, now)
