"""Session: the rules of one connection to OKX V5, without the connection.

Four methods: `receive(data, now)` → events, `bytes_to_send()`, `deadline()`, `on_deadline(now)` → events. The caller owns the
socket and the clock: it passes messages in, sends the texts of `bytes_to_send`, and calls `on_deadline` at the deadline.
Source: docs-v5 "WebSocket: Overview, Connect, Login, Subscribe".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from okex_ws.events import (
    ConnectionCount,
    Event,
    LoggedIn,
    Malformed,
    Notice,
    OrderReplied,
    Refused,
    Stale,
    Subscribed,
    Unrecognized,
    Unsubscribed,
)
from okex_ws.protocol.bad_frames import BadFrames, is_foreign
from okex_ws.protocol.chains.books import BookChain
from okex_ws.protocol.chains.registry import Chains
from okex_ws.protocol.liveness import Liveness
from okex_ws.protocol.outbox import LOGIN_ERRORS, Login, Outbox
from okex_ws.protocol.pacing import SECOND, Backoff
from okex_ws.protocol.resync import FIRST_ROW_WITHIN, REST_BOOKS, SNAPSHOT_WITHIN, Renewal, SnapshotFetches
from okex_ws.protocol.routes import Route, Routes
from okex_ws.protocol.server_clock import ServerClock
from okex_ws.protocol.subscriptions import TOO_FREQUENT, AckVerdict, Subscriptions, SubscriptionState
from okex_ws.stateful import Output, Stateful
from okex_ws.wire import requests
from okex_ws.wire.channels import Subscription, find
from okex_ws.wire.codes import CodePolicy, lookup
from okex_ws.wire.frames import (
    AckFrame,
    BadRowsError,
    CountFrame,
    ErrorFrame,
    Frame,
    FrameError,
    LoginFrame,
    NoticeFrame,
    PongFrame,
    PushFrame,
    ReplyFrame,
    decode,
)
from okex_ws.wire.sign import Credentials

UPGRADE_NOTICE = "64008"
MOST_UNANSWERED = 4096
"""Order requests remembered until their answers, so that an error without an op can be attributed to one."""
MOST_LEAVING = 4096
"""Ended subscriptions remembered, so that their late pushes are not delivered."""


class Timing(msgspec.Struct, frozen=True):
    """Timeouts of a Session, in seconds. OKX closes a connection that is silent for 30 s."""

    ping_after_s: float = 15.0
    pong_within_s: float = 10.0
    login_within_s: float = 10.0
    stalled_after_s: float = 20.0


class Ending(msgspec.Struct):
    """Reason to close a connection: close code and text. `fatal`: another try is pointless."""

    code: int
    reason: str
    fatal: bool = False


class FetchBook(msgspec.Struct):
    """Request to fetch a book snapshot over REST; its answer goes to `book_fetched`."""

    subscription: Subscription
    depth: int
    line: str


class FetchClock(msgspec.Struct):
    """Request to fetch OKX's time over REST, because OKX refused the time of a login; its answer goes to `clock_measured`."""

    line: str


class Session(Stateful):
    """Rules of one connection to one endpoint.

    line: its name in events. number: of the connection in the line. chains: continuity, shared by the line's connections.
    stale_after_s: longest normal silence by channel, in place of the table's. `ending` is set when the connection must be closed,
    `is_leaving` when OKX announced that it will close it; `fetches` lists the requested REST fetches.
    """

    STATE = {
        Output: "to_send fetches",
        str: "line",
        int: "number malformed unrecognized late_pushes first_push_at next_deadline _opened_at",
        bool: "is_leaving",
        Chains: "chains",
        Timing: "timing",
        Subscriptions: "registry",
        Outbox: "outbox",
        Ending | None: "ending",
        Routes: "_routes",
        SnapshotFetches: "_snapshots",
        Liveness: "_liveness",
        BadFrames: "_bad_frames",
        dict[str, str]: "_unanswered",
        dict[Subscription, int]: "_leaving",
        dict[Subscription, Backoff]: "_retries",
        dict[Subscription, Renewal]: "_renewals",
        set[Subscription]: "_requested_again _announced",
    }

    def __init__(
        self,
        line: str,
        subscriptions: Iterable[Subscription],
        *,
        now: int,
        number: int = 0,
        chains: Chains | None = None,
        credentials: Credentials | None = None,
        timing: Timing = Timing(),
        stale_after_s: Mapping[str, float] | None = None,
        server_clock: ServerClock | None = None,
    ) -> None:
        self.line = line
        self.number = number
        self.chains = chains or Chains(line)
        self.timing = timing
        self.registry = Subscriptions()
        self.outbox = Outbox(number, self.registry, credentials=credentials, now=now, server_clock=server_clock)
        self.to_send = self.outbox.to_send
        self.ending: Ending | None = None
        self.is_leaving = False
        self.fetches: list[FetchBook | FetchClock] = []
        self.malformed = 0
        self.unrecognized = 0
        self.late_pushes = 0
        self.first_push_at = 0
        self.next_deadline = now
        self._unanswered: dict[str, str] = {}  # order requests by id → op
        self._requested_again: set[Subscription] = set()
        self._retries: dict[Subscription, Backoff] = {}
        self._routes = Routes(self.chains)
        self._leaving: dict[Subscription, int] = {}  # ended subscription → unsubscribes still to send or be answered
        self._announced: set[Subscription] = set()
        self._renewals: dict[Subscription, Renewal] = {}
        self._snapshots = SnapshotFetches()
        self._liveness = Liveness(timing.ping_after_s, timing.pong_within_s, stale_after_s or {}, now)
        self._bad_frames = BadFrames()
        self._opened_at = now
        self.subscribe(subscriptions, now)

    def restored(self) -> None:
        self.to_send = self.outbox.to_send

    # -- the four methods ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> list[Event]:
        """Apply one whole text message and return its events, in order."""
        self._liveness.last_in = now
        end = data.find(b"}") + 1
        route = self._routes.by_prefix.get(data[:end])
        if route is None:
            return self._receive_other(data, now)
        try:
            # OKX writes `"action":"update"` right behind the arg; for any other order the decoder has a slower way.
            decoder = route.decoder
            is_update = decoder.has_updates and data.startswith(b',"action":"update"', end)
            rows = decoder.decode(data, is_update, now)
        except FrameError as error:
            if data.startswith(b',"event"', end):
                return self._receive_other(data, now)  # an answer whose arg comes first
            if not isinstance(error, BadRowsError):
                return self._bad_frame(data, str(error), now, route)
            bad = self._bad_rows(data, str(error), now, route.subscription)
            fed = route.chain.feed(error.events, self.number, now)
            self._after_feed(route, now)
            return [bad, *fed]
        events: list[Event] = route.chain.feed(rows, self.number, now)
        if events is not rows:
            self._after_feed(route, now)
        return events

    def receive_binary(self, data: bytes, now: int) -> list[Event]:
        """Apply one whole binary message. V5 sends none; it is read as text, and reported if it is not."""
        return self.receive(data, now)

    def bytes_to_send(self) -> list[bytes]:
        """Take the text messages to send now, in order."""
        out = self.to_send.copy()
        self.to_send.clear()
        return out

    def deadline(self) -> int:
        """Time of the next `on_deadline`, ns; nothing may be due then."""
        return self.next_deadline

    def on_deadline(self, now: int) -> list[Event]:
        """Apply timeouts at `now`: pings, overdue answers, silence, gaps."""
        if now - self.next_deadline > self.timing.stalled_after_s * SECOND and self._liveness.pinged_at is None:
            # This process was asleep, not OKX: the messages waiting in the socket are too old to read.
            asleep = (now - self.next_deadline) / SECOND
            self.ending = Ending(1001, f"this process stood still for {asleep:.0f} s")
            return []
        events = self.chains.expire(now)
        events += self._overdue(now)
        events += self._silence(now)
        self._heartbeat(now)
        self._renew(now)
        self._fetch_books(now)
        self.outbox.flush(now)
        self._schedule(now)
        return events

    # -- requests --------------------------------------------------------------------------------------------------------

    def subscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Subscribe, within OKX's limits. A refused subscription is requested again."""
        for item in subscriptions:
            if item in self.registry.states and self.registry.states[item] is not SubscriptionState.REFUSED:
                continue
            self._leaving.pop(item, None)
            self.registry.states[item] = SubscriptionState.WANTED
            self.outbox.subscribe(item, now)
        self.outbox.flush(now)
        self._schedule(now)

    def send(self, request_id: str, op: str, data: bytes) -> None:
        """Send an order request; its answer is an OrderReplied. Only while `can_trade`."""
        self.to_send.append(data)
        self._unanswered[request_id] = op
        while len(self._unanswered) > MOST_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]

    @property
    def can_trade(self) -> bool:
        """True if an order request may be sent: logged in, and all subscriptions are confirmed or refused."""
        return self.outbox.login is Login.DONE and self.ending is None and self.is_settled

    def adopt(self, item: Subscription) -> None:
        """Accept the pushes of a subscription that was requested elsewhere, for example in a recording."""
        self.registry.states.setdefault(item, SubscriptionState.CONFIRMED)

    def unsubscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Unsubscribe; later pushes are dropped and counted."""
        for item in subscriptions:
            state = self.registry.drop(item)
            self._forget(item)
            self.chains.forget(item)
            self._leaving[item] = 2
            if state in (SubscriptionState.REQUESTED, SubscriptionState.CONFIRMED):
                self.outbox.unsubscribe(item)
        while len(self._leaving) > MOST_LEAVING:
            del self._leaving[next(iter(self._leaving))]
        self.outbox.flush(now)
        self._schedule(now)

    def resync(self, subscription: Subscription, now: int, cause: str) -> list[Event]:
        """Invalidate a subscription and renew it; one renewal at a time, at growing intervals."""
        route = self._routes.of.get(subscription)
        events = route.chain.interrupt(now, cause) if route else []
        self._plan_resync(subscription, now)
        self._schedule(now)
        return events

    def book_fetched(self, subscription: Subscription, snapshot: Event | None, now: int) -> list[Event]:
        """Apply the answer to a FetchBook: a BookSnapshot, or None if REST had none."""
        route = self._routes.of.get(subscription)
        if route is None or not isinstance(route.chain, BookChain):
            return []
        events = None
        if snapshot is not None:
            events = route.chain.start_from(snapshot, now)  # type: ignore[arg-type]  # a BookSnapshot by contract
        if events is None:
            self._snapshots.failed(subscription, now)
        else:
            self._after_feed(route, now)
        self._schedule(now)
        return events or []

    def clock_measured(self, succeeded: bool, now: int) -> list[Event]:
        """Apply the answer to a FetchClock: the shared ServerClock is set, or could not be."""
        events: list[Event] = []
        if succeeded:
            self.outbox.clock_set(now)
        elif self.outbox.login is Login.CLOCK and not self.outbox.log_in_later(now):
            events = self._end_login(ErrorFrame("", "60006", "OKX's time could not be asked for", ""), now)
        self.outbox.flush(now)
        self._schedule(now)
        return events

    def reset_timeouts(self, now: int) -> None:
        """Restart all timeouts at `now`, because nothing was read until then: overdue answers may be in the socket, unread."""
        self._liveness.reset(now)
        self.outbox.login_requested_at = now
        self.registry.reset_timeouts(now)
        for chain in self.chains.all():
            chain.reset_timeouts(now)
        for route in self._routes.of.values():
            if route.chain.last:
                route.chain.last = now
        self._schedule(now)

    @property
    def is_login_refused(self) -> bool:
        """True if OKX refused the login finally."""
        return self.outbox.login is Login.REFUSED

    @property
    def is_settled(self) -> bool:
        """True if every subscription is confirmed or refused."""
        return self.registry.are_settled

    # -- receiving -------------------------------------------------------------------------------------------------------

    def _receive_other(self, data: bytes, now: int) -> list[Event]:
        try:
            frame = decode(data, now)
        except FrameError as error:
            return self._foreign_frame(data, now) if is_foreign(data) else self._bad_frame(data, str(error), now)
        if isinstance(frame, ReplyFrame):
            return [self._replied(frame, now)]  # it changes no subscription and no deadline
        events = self._on_push(frame, data, now) if isinstance(frame, PushFrame) else self._on_control(frame, data, now)
        self.outbox.flush(now)
        self._schedule(now)
        return events

    def _on_push(self, frame: PushFrame, data: bytes, now: int) -> list[Event]:
        subscription = frame.subscription
        if subscription in self._leaving:
            self.late_pushes += 1
            return []
        bad: list[Event] = [self._bad_rows(data, frame.bad, now, subscription)] if frame.bad else []
        if subscription not in self.registry.states:
            return [*bad, *frame.events]  # not requested, but delivered so that nothing is lost
        route = self._routes.to(subscription)
        self._routes.remember(data, route)
        self.first_push_at = self.first_push_at or now
        events: list[Event] = route.chain.feed(frame.events, self.number, now)
        self._after_feed(route, now)
        return [*bad, *events] if bad else events

    def _after_feed(self, route: Route, now: int) -> None:
        chain = route.chain
        subscription = route.subscription
        if chain.needs_resync:
            chain.needs_resync = False
            self._plan_resync(subscription, now)
        if not chain.is_broken:
            self._snapshots.drop(subscription)
            renewal = self._renewals.get(subscription)
            if renewal is not None:
                renewal.succeeded(now)
        elif isinstance(chain, BookChain) and chain.buffer:
            self._snapshots.want(subscription, now + SNAPSHOT_WITHIN)
        self._schedule(now)

    def _on_control(self, frame: Frame, data: bytes, now: int) -> list[Event]:
        match frame:
            case PongFrame():
                self._liveness.pinged_at = None
                return []
            case AckFrame():
                return self._on_ack(frame, now)
            case ErrorFrame():
                return self._on_error(frame, now)
            case LoginFrame():
                return self._on_login(frame, now)
            case NoticeFrame():
                self.is_leaving = self.is_leaving or frame.code == UPGRADE_NOTICE
                return [Notice(ts_recv=now, line=self.line, code=frame.code, message=frame.message)]
            case CountFrame(channel=channel, count=count, is_error=False):
                return [ConnectionCount(ts_recv=now, line=self.line, channel=channel, count=count)]
            case CountFrame(channel=channel, count=count):
                message = f"{count} connections hold {channel}, and OKX allows no more: close one"
                error = ErrorFrame("", "channel-conn-count-error", message, "")
                gone = [item for item in self.registry.states if item.channel == channel]
                return [event for item in gone for event in self._refuse(item, error, now)]
            case _:
                return self._foreign_frame(data, now)

    def _on_ack(self, frame: AckFrame, now: int) -> list[Event]:
        verdict = self.registry.ack(frame)
        events: list[Event] = []
        for item in verdict.acknowledged:
            if frame.verb == "subscribe":
                self.outbox.forget(item)
                self._retries.pop(item, None)
                self._requested_again.discard(item)
                chain = self._routes.to(item).chain
                if isinstance(chain, BookChain) and chain.is_broken:
                    self._snapshots.expect(item, now + FIRST_ROW_WITHIN)
                if item not in self._announced:
                    self._announced.add(item)
                    events.append(Subscribed(ts_recv=now, line=self.line, channel=item.channel, key=item.key))
            elif self._leaving.get(item):
                self._leaving[item] = 0
                events.append(Unsubscribed(ts_recv=now, line=self.line, channel=item.channel, key=item.key))
        return events + self._act_on(verdict, now)

    def _replied(self, frame: ReplyFrame, now: int) -> OrderReplied:
        self._unanswered.pop(frame.request_id, None)
        return OrderReplied(
            ts_recv=now,
            line=self.line,
            request_id=frame.request_id,
            op=frame.op,
            code=frame.code,
            message=frame.message,
            results=frame.results,
            in_us=frame.in_us,
            out_us=frame.out_us,
            connection=self.number,
        )

    def _on_error(self, frame: ErrorFrame, now: int) -> list[Event]:
        op = self._unanswered.get(frame.request_id)
        if op is not None:
            reply = ReplyFrame(frame.request_id, op, frame.code, frame.message, (), None, None)
            return [self._replied(reply, now)]
        is_of_login = frame.code in LOGIN_ERRORS or not self.registry.is_waiting
        if self.outbox.login is Login.REQUESTED and not frame.request_id and is_of_login:
            return self._on_login(LoginFrame(frame.code, frame.message), now)
        if frame.code == TOO_FREQUENT:
            self.outbox.hold(now + 10 * SECOND)
        verdict = self.registry.error(frame)
        if verdict.is_stray:
            return [self._refused("", "", frame, now, will_retry=False)]
        return self._act_on(verdict, now)

    def _on_login(self, frame: LoginFrame, now: int) -> list[Event]:
        if frame.code in ("0", "60031"):
            self.outbox.login = Login.DONE
            return [LoggedIn(ts_recv=now, line=self.line)]
        error = ErrorFrame("", frame.code, frame.message, "")
        policy = lookup(frame.code).policy
        if policy is CodePolicy.CLOCK and self.outbox.log_in_after_clock():
            self.fetches.append(FetchClock(self.line))
            return [self._refused("login", "", error, now, will_retry=True)]
        if policy in (CodePolicy.RETRY, CodePolicy.BACK_OFF) and self.outbox.log_in_later(now):
            # Only the login is tried again: public subscriptions continue on this connection.
            return [self._refused("login", "", error, now, will_retry=True)]
        return self._end_login(error, now)

    def _end_login(self, error: ErrorFrame, now: int) -> list[Event]:
        """Refuse all subscriptions that need a login, and close the connection if it has no others."""
        self.outbox.login = Login.REFUSED
        events: list[Event] = [self._refused("login", "", error, now, will_retry=False)]
        for item in self.outbox.waiting_for_login:
            events += self._refuse(item, error, now)
        if all(state is SubscriptionState.REFUSED for state in self.registry.states.values()):
            self.ending = Ending(1000, f"login refused: {error.code} {lookup(error.code).meaning}", fatal=True)
        return events

    def _act_on(self, verdict: AckVerdict, now: int) -> list[Event]:
        events: list[Event] = []
        for item, error in verdict.refused:
            policy = lookup(error.code).policy
            retries = self._retries.setdefault(item, Backoff(2.0, 60.0))
            again = policy in (CodePolicy.RETRY, CodePolicy.BACK_OFF)
            if policy is CodePolicy.RELOGIN and self.outbox.login not in (Login.NONE, Login.REFUSED):
                self.outbox.require_login(item)
                again = retries.tries < 8
            if again:
                events.append(self._refused(item.channel, item.key, error, now, will_retry=True))
                self._want_again(item, retries.next_at(now))
            else:
                events += self._refuse(item, error, now)
        for item in verdict.unclear:
            self.outbox.subscribe(item, now, alone=True)
        for item in verdict.unanswered:
            if self._leaving.get(item):
                self._leaving[item] -= 1
                if self._leaving[item]:
                    self.outbox.unsubscribe(item)
        return events

    def _want_again(self, item: Subscription, due: int) -> None:
        self.registry.states[item] = SubscriptionState.WANTED
        self.outbox.subscribe(item, due)

    def _refuse(self, item: Subscription, error: ErrorFrame, now: int) -> list[Event]:
        """Mark a subscription as refused and interrupt it. Its chain stays, because another connection may feed it."""
        self.registry.states[item] = SubscriptionState.REFUSED
        route = self._routes.of.get(item)
        events = route.chain.interrupt(now, "refused") if route else []
        self._forget(item)
        return [self._refused(item.channel, item.key, error, now, will_retry=False), *events]

    def _refused(self, channel: str, key: str, error: ErrorFrame, now: int, *, will_retry: bool) -> Refused:
        known = lookup(error.code)
        advice, row = known.advice, find(channel)
        if known.policy is CodePolicy.ROUTE and row is not None and not self.line.startswith(row.endpoint):
            advice = f"subscribe at /ws/v5/{row.endpoint}"
        return Refused(
            ts_recv=now,
            line=self.line,
            channel=channel,
            key=key,
            code=error.code,
            message=error.message,
            advice=advice,
            will_retry=will_retry,
        )

    def _foreign_frame(self, data: bytes, now: int) -> list[Event]:
        self.unrecognized += 1
        return [Unrecognized(ts_recv=now, line=self.line, raw=data)]

    def _bad_rows(self, data: bytes, reason: str, now: int, item: Subscription) -> Malformed:
        """Report the unreadable rows of a frame whose other rows are delivered. They do not end the connection."""
        self.malformed += 1
        return Malformed(ts_recv=now, line=self.line, raw=data, reason=reason, channel=item.channel, key=item.key)

    def _bad_frame(self, data: bytes, reason: str, now: int, of: Route | None = None) -> list[Event]:
        self.malformed += 1
        too_bad = self._bad_frames.add(data, now)
        if too_bad is not None:
            self.ending = Ending(*too_bad)
        channel, key = (of.subscription.channel, of.subscription.key) if of else ("", "")
        events: list[Event] = [Malformed(ts_recv=now, line=self.line, raw=data, reason=reason, channel=channel, key=key)]
        if of is not None and isinstance(of.chain, BookChain) and of.chain.primary == self.number:
            events += self.resync(of.subscription, now, "malformed")  # its rows are lost, so the book is broken
        return events

    def _forget(self, item: Subscription) -> None:
        """Drop everything of a subscription but its state and its chain."""
        self.outbox.forget(item)
        self._retries.pop(item, None)
        self._requested_again.discard(item)
        self._renewals.pop(item, None)
        self._snapshots.drop(item)
        self._announced.discard(item)
        self._routes.forget(item)

    # -- time ------------------------------------------------------------------------------------------------------------

    def _heartbeat(self, now: int) -> None:
        if self._liveness.must_ping(now):
            self.to_send.append(requests.PING)
        elif self._liveness.is_dead(now):
            silent_s = (now - self._liveness.last_in) / SECOND
            self.ending = Ending(1001, f"no answer to a ping, silent for {silent_s:.0f} s")

    def _overdue(self, now: int) -> list[Event]:
        login_within = self.timing.login_within_s * SECOND
        if self.outbox.login is Login.REQUESTED and now - self.outbox.login_requested_at >= login_within:
            self.ending = Ending(1001, "no answer to the login")
        verdict = self.registry.expire(now)
        events = self._act_on(verdict, now)
        for item in verdict.lost:
            route = self._routes.of.get(item)
            if route is not None and route.chain.last >= self._opened_at:
                self.registry.states[item] = SubscriptionState.CONFIRMED  # rows arrive: only the ack was lost
            elif item in self._requested_again:
                error = ErrorFrame("", "timeout", "no answer to the subscription, asked twice", "")
                self._requested_again.discard(item)
                self._want_again(item, now + 30 * SECOND)
                events.append(self._refused(item.channel, item.key, error, now, will_retry=True))
            else:
                self._requested_again.add(item)
                self.outbox.subscribe(item, now)
        return events

    def _silence(self, now: int) -> list[Event]:
        events: list[Event] = []
        for item, route in self._liveness.silent(self._routes, now):
            silent_s = (now - route.chain.last) / SECOND
            events.append(Stale(ts_recv=now, line=self.line, channel=item.channel, key=item.key, silent_s=silent_s))
            events += route.chain.interrupt(now, "silence")
            self._plan_resync(item, now)
        return events

    def _plan_resync(self, item: Subscription, now: int) -> None:
        if self.registry.states.get(item) in (None, SubscriptionState.REFUSED):
            return
        self._renewals.setdefault(item, Renewal()).plan(now)

    def _renew(self, now: int) -> None:
        """Send the due renewals: two requests for many subscriptions, within the hourly budget."""
        due = [item for item, renewal in self._renewals.items() if renewal.due is not None and renewal.due <= now]
        for item in self.outbox.renew(due, now):
            self._renewals[item].requested(now)
            self._snapshots.postpone(item, now + SNAPSHOT_WITHIN)
        if due and self.outbox.renewal_at(now) - now > 30 * SECOND:
            self.ending = Ending(1000, "the hourly request budget of this connection is spent")

    def _fetch_books(self, now: int) -> None:
        """Request missing book snapshots over REST: not beside a planned renewal, and a bounded number of times."""
        for item in self._snapshots.due(now):
            renewal = self._renewals.get(item)
            if (
                (renewal is None or not renewal.is_planned)
                and item.channel in REST_BOOKS
                and not self._snapshots.is_hopeless(item)
            ):
                self._snapshots.fetching(item, now)
                self.fetches.append(FetchBook(item, REST_BOOKS[item.channel], self.line))
            else:
                self._plan_resync(item, now)
                renewal = self._renewals.get(item)
                self._snapshots.postpone(item, ((renewal and renewal.due) or now) + SNAPSHOT_WITHIN)

    def _schedule(self, now: int) -> None:
        times = [*self._liveness.deadlines(self._routes)]
        if self.outbox.login is Login.REQUESTED:
            times.append(self.outbox.login_requested_at + int(self.timing.login_within_s * SECOND))
        others = (self.registry.deadline, self.chains.deadline, self.outbox.deadline(now), self._snapshots.deadline)
        times += [due for due in others if due is not None]
        renewals = [renewal.due for renewal in self._renewals.values() if renewal.due is not None]
        if renewals:
            times.append(max(min(renewals), self.outbox.renewal_at(now)))
        self.next_deadline = max(now, min(times))  # an overdue time counts as now, not as a stall of this process
