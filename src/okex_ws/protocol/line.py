"""Line: subscriptions at one endpoint, kept alive over successive connections. Sans-IO.

It decides when to dial, what a lost connection means, and how to change connections without a seam when OKX announces an upgrade
(notice 64008). The caller opens and closes sockets as `actions` say and reports back.
Source: docs-v5 "Connect", "Connection close", "Notification" (64008, 60 s before the close).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from okex_ws.events import Connected, Disconnected, Event
from okex_ws.protocol.dialect import V5, AnySession, Dialect
from okex_ws.protocol.pacing import SECOND, Backoff, Window
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.session import FetchBook, FetchClock, Timing
from okex_ws.stateful import Luck, Output, Stateful
from okex_ws.wire.channels import Subscription
from okex_ws.wire.sign import Credentials

HEALTHY_AFTER = 30 * SECOND
"""Time of delivery after which the back-off is reset: a successful connect alone proves nothing."""
HANDOVER_WITHIN = 50 * SECOND
"""Longest hand-over: OKX closes 60 s after the notice; chains that are not linked by then are taken over as they are."""
LINGER = 2 * SECOND
"""Time in which both connections are kept after the new one suffices, for rows still in flight."""

KEY_IS_DEAD = (4001, 4007)
"""Close codes that make another try with the same API key pointless: login failed, key deleted or changed."""


class Dial(msgspec.Struct):
    """Open connection `number` of a line."""

    number: int
    line: str


class HangUp(msgspec.Struct):
    """Close connection `number` of a line with this code and reason."""

    number: int
    code: int
    reason: str
    line: str


class Failure(msgspec.Struct):
    """Reason why a connection could not be opened. retry_after_s: requested by the server; fatal: another try is pointless."""

    reason: str
    retry_after_s: float = 0.0
    fatal: bool = False


class Line(Stateful):
    """Sessions in succession, two of them during a hand-over.

    luck: random numbers in [0, 1), for jitter. connects: OKX's connect limit, shared by all lines of this IP address.
    dialect: what is spoken at the other end. server_clock: OKX's time, shared by all that signs. A login refused for good is not
    tried again.
    """

    STATE = {
        Output: "actions",
        str: "name url",
        int: "_stalled_after _number _handover_until",
        int | None: "_dialling _dial_at _primary _successor _ready_since",
        bool: "is_overloaded is_dead _is_login_refused _stopped _was_open",
        Dialect: "dialect",
        Stateful: "chains",
        Luck: "_luck",
        Window: "_connects",
        Backoff: "_backoff",
        ServerClock: "server_clock",
        Credentials: "_credentials",
        Timing: "_timing",
        dict[int, Stateful]: "sessions",
        dict[str, float] | None: "_stale_after_s",
        dict[Subscription, None]: "subscriptions",
    }

    def __init__(
        self,
        name: str,
        *,
        url: str = "",
        luck: Callable[[], float],
        connects: Window,
        credentials: Credentials | None = None,
        timing: Timing = Timing(),
        stale_after_s: Mapping[str, float] | None = None,
        backoff_s: tuple[float, float] = (0.5, 30.0),
        dialect: Dialect = V5,
        server_clock: ServerClock | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.dialect = dialect
        self.chains = dialect.make_chains(name)
        self.subscriptions: dict[Subscription, None] = {}
        self.actions: list[Dial | HangUp] = []
        self.sessions: dict[int, AnySession] = {}
        self.is_overloaded = False
        self.is_dead = False
        self._luck = luck
        self._connects = connects
        self.server_clock = server_clock or ServerClock()
        self._credentials = credentials
        self._is_login_refused = False
        self._timing = timing
        self._stalled_after = int(timing.stalled_after_s * SECOND)
        self._stale_after_s = stale_after_s
        self._backoff = Backoff(*backoff_s)
        self._number = 0
        self._dialling: int | None = None
        self._dial_at: int | None = None
        self._primary: int | None = None
        self._successor: int | None = None
        self._handover_until = 0
        self._ready_since: int | None = None
        self._stopped = True
        self._was_open = False

    # -- requests of the owner -------------------------------------------------------------------------------------------

    def start(self, now: int) -> None:
        """Dial as soon as the connect limit allows."""
        if self._stopped:
            self._stopped = False
            self._dial_at = now
            self._dial(now)

    def stop(self, now: int) -> list[Event]:
        """Close all connections and open none any more."""
        self._stopped = True
        self._dial_at = self._dialling = None
        events: list[Event] = []
        for number in list(self.sessions):
            self.actions.append(HangUp(number, 1000, "", self.name))
            events += self.closed(number, 1000, "closed by us", now)
        # Nothing can arrive late any more: everything missing now is lost.
        return [*events, *(verdict for chain in self.chains.all() for verdict in chain.conclude(now))]

    def subscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Subscribe on this connection and its successors."""
        items = list(subscriptions)
        self.subscriptions.update(dict.fromkeys(items))
        for session in self.sessions.values():
            session.subscribe(items, now)  # running subscriptions stay, refused ones are requested again

    def unsubscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Unsubscribe on this connection and its successors."""
        gone = [item for item in subscriptions if self.subscriptions.pop(item, item) is None]
        for session in self.sessions.values():
            session.unsubscribe(gone, now)

    def hand_over(self, subscription: Subscription, to: Line, now: int) -> None:
        """Move a subscription to another line, with its chain, which reports the gap between the two."""
        chain = self.chains.release(subscription)
        self.unsubscribe([subscription], now)
        if chain is not None:
            to.chains.adopt(chain)
        to.subscribe([subscription], now)

    def resync(self, subscription: Subscription, now: int, cause: str) -> list[Event]:
        """Invalidate a subscription and renew it, see Session.resync."""
        session = self.sessions.get(self._primary or 0)
        return session.resync(subscription, now, cause) if session else []

    def trading_session(self) -> AnySession | None:
        """Return the connection for order requests now: the newer one if the old one is about to be closed."""
        best = None
        for number in (self._primary, self._successor):
            session = self.sessions.get(number or 0)
            if session is not None and session.can_trade and (best is None or best.is_leaving > session.is_leaving):
                best = session
        return best

    def send(self, request_id: str, op: str, data: bytes, now: int) -> int | None:
        """Send an order request and return the number of its connection; None, and nothing is sent, if no connection can take it.

        Its answer comes as OrderReplied. When that connection is lost first, what became of the request is not known.
        """
        session = self.trading_session()
        if session is None:
            return None
        session.send(request_id, op, data)
        return session.number

    def reset_timeouts(self, now: int) -> None:
        """Restart all timeouts at `now`, because a consumer blocked this process until then."""
        for session in self.sessions.values():
            session.reset_timeouts(now)

    @property
    def _needs_key(self) -> bool:
        """True if any subscription needs the API key; public data needs none."""
        return self._credentials is not None and any(map(self.dialect.needs_login, self.subscriptions))

    @property
    def is_open(self) -> bool:
        return self._primary is not None

    @property
    def next_deadline(self) -> int | None:
        """Time of the next `on_deadline`, ns; None: never."""
        times = [session.next_deadline for session in self.sessions.values()]
        if self._dial_at is not None and self._dialling is None:
            times.append(max(self._dial_at, self._connects.ready_at(self._dial_at)))
        if not self.sessions and self.chains.deadline is not None:
            times.append(self.chains.deadline)
        if self._successor is not None:
            times.append(self._handover_until)
            if self._ready_since is not None:
                times.append(self._ready_since + LINGER)
        return min(times, default=None)

    # -- inputs of the connections ---------------------------------------------------------------------------------------

    def opened(self, number: int, now: int) -> list[Event]:
        """Begin the Session of connection `number`, which is open."""
        if number != self._dialling:
            self.actions.append(HangUp(number, 1000, "", self.name))
            return []
        self._dialling = None
        self._was_open = True
        handover = self._primary is not None
        if handover:
            self._successor = number
            self._ready_since = None
            self.chains.start_handover(number)
        else:
            self._primary = number
            self.chains.begin(number)
        self.sessions[number] = self.dialect.make_session(
            self.name,
            self.subscriptions,
            now=now,
            number=number,
            chains=self.chains,
            credentials=None if self._is_login_refused else self._credentials,
            timing=self._timing,
            stale_after_s=self._stale_after_s,
            server_clock=self.server_clock,
        )
        return [Connected(ts_recv=now, line=self.name, url=self.url, connection=number, handover=handover)]

    def failed(self, number: int, failure: Failure, now: int) -> list[Event]:
        """Schedule another connect, because connection `number` could not be opened."""
        if number != self._dialling:
            return []
        self._dialling = None
        if (
            failure.fatal and not self._was_open
        ):  # a server that worked once may work again, for example after its certificate is renewed
            self.is_dead = True
            return [self._lost(number, 1006, failure.reason, now, retry_s=None, fatal=True)]
        wait_s = self._wait_s(now, failure.retry_after_s)
        return [self._lost(number, 1006, failure.reason, now, retry_s=wait_s)]

    def receive(self, number: int, data: bytes, now: int, *, is_binary: bool = False) -> list[Event]:
        """Apply a message from connection `number`."""
        session = self.sessions.get(number)
        if session is None:
            return []
        receive = session.receive_binary if is_binary else session.receive
        if now - session.next_deadline > self._stalled_after:
            # This process stood still: messages that waited in the socket must not make the line look alive.
            late = self.on_deadline(now)
            if number not in self.sessions:
                return late
            return [*late, *receive(data, now)]
        events = receive(data, now)
        if session.ending is not None or session.is_leaving or self._successor is not None:
            events = [*events, *self._after(now)]
        return events

    def closed(self, number: int, code: int, reason: str, now: int) -> list[Event]:
        """Apply the end of connection `number`, whichever side closed it."""
        session = self.sessions.pop(number, None)
        if session is None:
            return []
        self._is_login_refused = self._is_login_refused or session.is_login_refused
        if number == self._successor:
            return [*self._drop_successor(now), self._lost(number, code, reason, now, retry_s=None, handed_over=True)]
        if self._successor is not None:
            events = self._take_over(now)
            return [*events, self._lost(number, code, reason, now, retry_s=None, handed_over=True)]
        self._primary = None
        if self._stopped:
            return [self._lost(number, code, reason, now, retry_s=None)]
        events = self.chains.interrupt(now, "disconnected")
        if (session.ending is not None and session.ending.fatal) or (code in KEY_IS_DEAD and self._needs_key):
            self.is_dead = True
            self._dial_at = self._dialling = None
            return [self._lost(number, code, reason, now, retry_s=None, fatal=True), *events]
        self.is_overloaded = self.is_overloaded or code in (4008, 4009)
        if session.first_push_at and now - session.first_push_at >= HEALTHY_AFTER:
            self._backoff.reset()
        wait_s = self._wait_s(now, 0.0) if self._dialling is None else 0.0
        return [self._lost(number, code, reason, now, retry_s=wait_s), *events]

    def bytes_to_send(self, number: int) -> list[bytes]:
        """Take the text messages that connection `number` sends now."""
        session = self.sessions.get(number)
        return session.bytes_to_send() if session else []

    def book_fetched(self, subscription: Subscription, snapshot: Event | None, now: int) -> list[Event]:
        """Apply the answer to a FetchBook."""
        session = self.sessions.get(self._primary or 0)
        return session.book_fetched(subscription, snapshot, now) if session else []

    def clock_measured(self, server_ms: int | None, asked: int, now: int) -> list[Event]:
        """Apply the answer to a FetchClock: OKX's time, requested at `asked`; None without an answer."""
        if server_ms is not None:
            self.server_clock.learn(server_ms, asked, now)
        events = [event for session in self.sessions.values() for event in session.clock_measured(server_ms is not None, now)]
        return [*events, *self._after(now)]

    def take_fetches(self) -> list[FetchBook | FetchClock]:
        """Take the pending REST fetches: book snapshots, OKX's time."""
        fetches = [fetch for session in self.sessions.values() for fetch in session.fetches]
        for session in self.sessions.values():
            session.fetches = []
        return fetches

    def on_deadline(self, now: int) -> list[Event]:
        """Apply timeouts at `now`."""
        events: list[Event] = []
        for session in list(self.sessions.values()):
            if session.next_deadline <= now:
                events += session.on_deadline(now)
        if not self.sessions:
            events += self.chains.expire(now)
        events += self._after(now)
        self._dial(now)
        return events

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _after(self, now: int) -> list[Event]:
        """Apply endings and announced closes, and complete a hand-over that is ready."""
        events: list[Event] = []
        for number, session in list(self.sessions.items()):
            if session.ending is not None:
                self.actions.append(HangUp(number, session.ending.code, session.ending.reason, self.name))
                events += self.closed(number, session.ending.code, session.ending.reason, now)
        primary = self.sessions.get(self._primary or 0)
        is_idle = self._dialling is None and self._dial_at is None
        if primary is not None and primary.is_leaving and self._successor is None and is_idle:
            self._dial_at = now
            self._handover_until = now + HANDOVER_WITHIN
            self._dial(now)
        if self._successor is not None:
            events += self._complete_handover(now)
        return events

    def _complete_handover(self, now: int) -> list[Event]:
        successor = self.sessions[self._successor or 0]
        if self._ready_since is None and successor.is_settled and self.chains.are_handed_over:
            self._ready_since = now
        lingered = self._ready_since is not None and now - self._ready_since >= LINGER
        if not lingered and now < self._handover_until:
            return []
        old = self._primary or 0
        events = self._take_over(now)
        self.sessions.pop(old, None)
        self.actions.append(HangUp(old, 1000, "", self.name))
        return [*events, self._lost(old, 1000, "handed over", now, retry_s=None, handed_over=True)]

    def _take_over(self, now: int) -> list[Event]:
        successor, self._successor = self._successor or 0, None
        self._primary = successor
        return self.chains.finish_handover(successor, now)

    def _drop_successor(self, now: int) -> list[Event]:
        """Schedule another successor, because the new connection was lost while the old one is still open."""
        self._successor = None
        events = self.chains.cancel_handover()
        self._dial_at = self._backoff.next_at(now, self._luck())
        return events

    def _dial(self, now: int) -> None:
        if self._dial_at is None or self._dialling is not None or self._stopped or self.is_dead:
            return
        if self._dial_at <= now and self._connects.ready_at(now) <= now:
            self._connects.take(now)
            self._dial_at = None
            self._number += 1
            self._dialling = self._number
            self.actions.append(Dial(self._number, self.name))

    def _wait_s(self, now: int, at_least_s: float) -> float:
        wait_s = max(self._backoff.next_s(self._luck()), at_least_s)
        self._dial_at = now + int(wait_s * SECOND)
        return wait_s

    def _lost(
        self,
        number: int,
        code: int,
        reason: str,
        now: int,
        *,
        retry_s: float | None,
        handed_over: bool = False,
        fatal: bool = False,
    ) -> Disconnected:
        goes_on = handed_over or self._primary is not None
        channels = () if goes_on else tuple((item.channel, item.key) for item in self.subscriptions)
        return Disconnected(
            ts_recv=now,
            line=self.name,
            connection=number,
            code=code,
            reason=reason,
            retry_s=retry_s,
            handed_over=handed_over,
            fatal=fatal,
            channels=channels,
        )
