"""LegacySession: the common rules of V1 and V3 connections: four methods as in V5, without any code of V5.

`receive(data, now)` → events (`receive_binary` for a binary frame, which is a deflated text), `bytes_to_send()`, `deadline()`,
`on_deadline(now)` → events. V1Session and V3Session define the requests and the frames.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from okex_ws.events import (
    BookSnapshot,
    BookUpdate,
    Event,
    LoggedIn,
    Malformed,
    OrderReplied,
    OrderResult,
    Refused,
    Stale,
    Subscribed,
    Unrecognized,
    Unsubscribed,
)
from okex_ws.legacy.chains import CHAINED_BOOKS, LegacyChains
from okex_ws.legacy.deflate import inflated
from okex_ws.legacy.frames import Acked, Bad, Failed, Foreign, Frame, LegacyLoginAnswer, Pong, Replied, Rows, Unknown
from okex_ws.stateful import Output, Stateful
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import FrameError
from okex_ws.wire.sign import Credentials

SECOND = 1_000_000_000
ANSWER_WITHIN = 10 * SECOND
"""Time without an answer after which a subscription is requested again."""
RETRY_AFTER = 30 * SECOND
"""Time until the next request after two requests without an answer."""
SNAPSHOT_WITHIN = 10 * SECOND
"""Time without a snapshot after which a book is requested again."""
RENEW_AFTER_S = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Delays before a subscription is renewed: none at first, then growing ones until it has worked for a minute."""
HELD = 60 * SECOND
MALFORMED_MOST, MALFORMED_WITHIN = 20, 10 * SECOND
MOST_UNANSWERED = 4096


class LegacyState(enum.Enum):
    """State of a V1 or V3 subscription on this connection."""

    WANTED = "wanted"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class LegacyEnding(msgspec.Struct):
    """Reason to close a connection of a LegacySession: close code and text. `fatal`: another try is pointless."""

    code: int
    reason: str
    fatal: bool = False


class LegacyTiming(msgspec.Struct, frozen=True):
    """Timeouts of a LegacySession, in seconds."""

    ping_after_s: float = 30.0
    pong_within_s: float = 10.0
    login_within_s: float = 10.0
    stalled_after_s: float = 20.0


class LegacySubscription(msgspec.Struct):
    """One subscription of a connection. name: in the dialect. due, requested_at: times of its next and its last request; tries:
    requests without an answer. awaits_snapshot: True for a book whose next row must be a snapshot; snapshot_due: its latest time.
    renewals, renewed_at: recent renewals. must_unsubscribe: send an unsubscribe before the next subscribe. twin: another name of
    the same subscription, which would deliver every trade twice. is_adopted: True if another connection requested it.
    """

    item: Subscription
    name: str
    due: int
    state: LegacyState = LegacyState.WANTED
    requested_at: int = 0
    tries: int = 0
    awaits_snapshot: bool = False
    snapshot_due: int = 0
    renewals: int = 0
    renewed_at: int = 0
    must_unsubscribe: bool = False
    is_reported: bool = False
    is_adopted: bool = False
    twin: str = ""


class LegacySession(Stateful, ABC):
    """Rules of one connection. Parameters as those of V5's Session; chains: continuity, shared by the line's connections."""

    STATE = {
        Output: "to_send fetches",
        str: "line _login",
        int: "number malformed unrecognized late_pushes first_push_at next_deadline "
        "_login_requested_at _last_in _last_pong _ping_due",
        int | None: "_pinged_at",
        bool: "is_leaving",
        LegacyChains: "chains",
        LegacyTiming: "timing",
        LegacyEnding | None: "ending",
        Credentials: "_credentials",
        deque[int]: "_bad_frames",
        dict[str, LegacySubscription]: "_wanted",
        dict[str, None]: "_left",
        dict[str, float]: "_silence",
        dict[str, deque[str]]: "_unanswered",
    }

    silence_s: Mapping[str, float] = {}
    """Longest normal time without a push, by channel; seconds."""
    patience = LegacyTiming()
    """Default timeouts; V1's server closed a connection that sent no ping for 300 s, whatever else it sent."""
    pong_is_life = True
    """True if only a pong proves that the server is alive."""

    def __init__(
        self,
        line: str,
        subscriptions: Iterable[Subscription],
        *,
        now: int,
        number: int = 0,
        chains: LegacyChains | None = None,
        credentials: Credentials | None = None,
        timing: Any = None,
        stale_after_s: Mapping[str, float] | None = None,
        server_clock: Any = None,  # V1 signs no time, V3's may be 30 s off
    ) -> None:
        self.line = line
        self.number = number
        self.chains = chains or LegacyChains(line)
        self.timing = timing or self.patience
        self.to_send: list[bytes] = []
        self.fetches: list[Any] = []  # always empty: V1 and V3 send snapshots themselves
        self.ending: LegacyEnding | None = None
        self.is_leaving = False
        self.malformed = self.unrecognized = self.late_pushes = 0
        self.first_push_at = 0
        self.next_deadline = now
        self._credentials = credentials
        self._login = "asked" if credentials is not None else ""
        self._login_requested_at = now
        self._wanted: dict[str, LegacySubscription] = {}  # by the dialect's own name
        self._left: dict[str, None] = {}
        self._silence = {**self.silence_s, **(stale_after_s or {})}
        self._unanswered: dict[str, deque[str]] = {}  # requests to trade, by channel: answers come in order
        self._last_in = self._last_pong = now
        self._pinged_at: int | None = None
        self._ping_due = now + int(self.timing.ping_after_s * SECOND)
        self._bad_frames: deque[int] = deque(maxlen=MALFORMED_MOST)
        if credentials is not None:
            self.to_send.append(self.login_request(credentials, now))
        self.subscribe(subscriptions, now)

    # -- defined by a dialect --------------------------------------------------------------------------------------------

    ping: bytes
    codes_again: Sequence[str]
    codes_login: Sequence[str]
    literal: Callable[[Subscription], str]
    meaning: Callable[[str], Subscription | None]
    needs_login: Callable[[Subscription], bool]
    advice: Callable[[str], str]
    frames_of: Callable[[bytes, int], list[Frame]]

    @abstractmethod
    def login_request(self, credentials: Credentials, now: int) -> bytes:
        """Return the login request."""

    @abstractmethod
    def subscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        """Return the subscribe requests."""

    @abstractmethod
    def unsubscribe_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        """Return the unsubscribe requests."""

    def marked(self, entry: LegacySubscription, events: list[Event], now: int) -> list[Event]:
        """Return a subscription's rows with snapshots marked; a dialect without a mark for them finds them here."""
        return events

    # -- the four methods ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> list[Event]:
        """Apply one whole text message and return its events, in order."""
        self._last_in = now
        return self._read(data, data, now)

    def receive_binary(self, data: bytes, now: int) -> list[Event]:
        """Apply one whole binary message, which is a deflated text."""
        self._last_in = now
        try:
            text = inflated(data)
        except FrameError as error:
            # Frames carry no numbers: the lost rows and their subscription are not known. Only new snapshots repair that.
            self.ending = LegacyEnding(1007, f"a frame that cannot be read: {error}")
            return self._malformed(data, str(error), now)
        return self._read(text, data, now)

    def bytes_to_send(self) -> list[bytes]:
        """Take the text messages to send now, in order."""
        out = self.to_send.copy()
        self.to_send.clear()
        return out

    def deadline(self) -> int:
        """Time of the next `on_deadline`, ns; nothing may be due then."""
        return self.next_deadline

    def on_deadline(self, now: int) -> list[Event]:
        """Apply timeouts at `now`: pings, overdue answers, silence, renewals."""
        if now - self.next_deadline > self.timing.stalled_after_s * SECOND:
            asleep = (now - self.next_deadline) / SECOND
            self.ending = LegacyEnding(1001, f"this process stood still for {asleep:.0f} s")
            return []
        if self._login == "asked" and now - self._login_requested_at >= self.timing.login_within_s * SECOND:
            self.ending = LegacyEnding(1001, "no answer to the login")
        events = self._overdue(now)
        events += self._report_silence(now)
        self._heartbeat(now)
        self._flush(now)
        self._schedule(now)
        return events

    # -- requests --------------------------------------------------------------------------------------------------------

    def subscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Subscribe. A refused subscription is requested again."""
        for item in subscriptions:
            name = self.literal(item)
            known = self._wanted.get(name)
            if known is None or known.state is LegacyState.REFUSED:
                self._left.pop(name, None)
                is_book = item.channel in CHAINED_BOOKS
                self._wanted[name] = LegacySubscription(item, name, due=now, awaits_snapshot=is_book, twin=self._twin(item, name))
        self._flush(now)
        self._schedule(now)

    def _twin(self, item: Subscription, name: str) -> str:
        """Return another name of the same subscription that is not refused; "" without one."""
        same = (item.channel, item.key)
        for other, entry in self._wanted.items():
            if other != name and (entry.item.channel, entry.item.key) == same and entry.state is not LegacyState.REFUSED:
                return other
        return ""

    def adopt(self, item: Subscription) -> None:
        """Accept the pushes of a subscription that was requested elsewhere, for example in a recording."""
        name = dict(item.args).get("name") or self._name_of(item)
        if name not in self._wanted:
            is_book = item.channel in CHAINED_BOOKS
            entry = LegacySubscription(
                item, name, due=0, state=LegacyState.CONFIRMED, awaits_snapshot=is_book, is_reported=True, is_adopted=True
            )
            self._wanted[name] = entry

    def unsubscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Unsubscribe; later pushes are dropped and counted."""
        names = [name for item in subscriptions if (name := self.literal(item)) in self._wanted]
        asked = [name for name in names if self._wanted[name].state in (LegacyState.REQUESTED, LegacyState.CONFIRMED)]
        for name in names:
            self.chains.forget(self._wanted.pop(name).item)
            self._left[name] = None
        self.to_send += self.unsubscribe_requests(asked) if asked else ()
        self._schedule(now)

    def resync(self, subscription: Subscription, now: int, cause: str) -> list[Event]:
        """Invalidate a subscription and renew it, at growing intervals."""
        entry = self._wanted.get(self._name_of(subscription))
        events = self.chains.of(subscription).interrupt(now, cause)
        if entry is not None and entry.state in (LegacyState.REQUESTED, LegacyState.CONFIRMED):
            self._renew(entry, now)
        self._flush(now)
        self._schedule(now)
        return events

    def send(self, request_id: str, op: str, data: bytes) -> None:
        """Send an order request on channel `op`. It carries no id: answers come in the order of the requests."""
        self.to_send.append(data)
        waiting = self._unanswered.setdefault(op, deque(maxlen=MOST_UNANSWERED))
        waiting.append(request_id)

    def book_fetched(self, subscription: Subscription, snapshot: Event | None, now: int) -> list[Event]:
        """Return nothing: no snapshot is fetched over REST."""
        return []

    def clock_measured(self, succeeded: bool, now: int) -> list[Event]:
        """Return nothing: OKX's time is not fetched."""
        return []

    def reset_timeouts(self, now: int) -> None:
        """Restart all timeouts at `now`, because nothing was read until then: overdue answers may be in the socket, unread."""
        self._last_in = self._login_requested_at = now
        self._pinged_at = None
        self._ping_due = now
        for entry in self._wanted.values():
            entry.requested_at = max(entry.requested_at, now) if entry.state is LegacyState.REQUESTED else entry.requested_at
            entry.snapshot_due = entry.snapshot_due and now + SNAPSHOT_WITHIN
            chain = self.chains.of(entry.item)
            chain.last = now if chain.last else 0
        self._schedule(now)

    @property
    def is_settled(self) -> bool:
        """True if every subscription is confirmed or refused."""
        return all(entry.state in (LegacyState.CONFIRMED, LegacyState.REFUSED) for entry in self._wanted.values())

    @property
    def is_login_refused(self) -> bool:
        """True if the login was refused; another try with the same key is pointless."""
        return self._login == "refused"

    @property
    def can_trade(self) -> bool:
        """True if an order request may be sent: logged in, and all subscriptions are confirmed or refused."""
        return self._login == "done" and self.ending is None and self.is_settled

    # -- receiving -------------------------------------------------------------------------------------------------------

    def _read(self, text: bytes, raw: bytes, now: int) -> list[Event]:
        try:
            frames = self.frames_of(text, now)
        except FrameError as error:
            events = self._malformed(raw, str(error), now)
            if any(self._unanswered.values()):  # the answered request is not known, so later answers cannot be attributed
                self.ending = LegacyEnding(1007, f"a message that cannot be read: {error}")
            # The message may be a change of any book.
            for entry in list(self._wanted.values()):
                if entry.item.channel in CHAINED_BOOKS and entry.state is LegacyState.CONFIRMED and not entry.awaits_snapshot:
                    events += self.resync(entry.item, now, "malformed")
            return events
        events = [event for frame in frames for event in self._on_frame(frame, raw, now)]
        if not all(isinstance(frame, Rows) for frame in frames):  # data alone makes no request due
            self._flush(now)
            self._schedule(now)
        return events

    def _on_frame(self, frame: Frame, raw: bytes, now: int) -> list[Event]:
        match frame:
            case Rows():
                return self._on_rows(frame, now)
            case Pong():
                self._pinged_at, self._last_pong = None, now
            case Acked(name=name, is_subscribe=is_subscribe):
                return self._on_ack(name, is_subscribe, now)
            case LegacyLoginAnswer():
                return self._on_login(frame, now)
            case Failed():
                return self._on_failed(frame, now)
            case Replied():
                return self._on_reply(frame, now)
            case Foreign(code=code, message=message):
                self.ending = LegacyEnding(1002, message, fatal=True)
                return [self._refused("", "", code, message, now)]
            case Bad(name=name, reason=reason):
                return self._on_bad(name, reason, raw, now)
            case Unknown(raw=unknown):
                self.unrecognized += 1
                return [Unrecognized(ts_recv=now, line=self.line, raw=unknown)]
        return []

    def _on_rows(self, frame: Rows, now: int) -> list[Event]:
        entry = next((self._wanted[name] for name in frame.names if name in self._wanted), None)
        if entry is None:
            if any(name in self._left for name in frame.names):
                self.late_pushes += 1
                return []
            return frame.events  # not requested, but delivered so that nothing is lost
        self.first_push_at = self.first_push_at or now
        chain = self.chains.of(entry.item)
        was_silent = not chain.last or bool(chain.broken_since)
        events = chain.feed(self.marked(entry, frame.events, now), now)
        if was_silent:
            self._schedule(now)  # from now on its silence is checked
        if entry.awaits_snapshot and any(isinstance(event, BookSnapshot) for event in events):
            entry.awaits_snapshot, entry.snapshot_due = False, 0
        return events

    def _on_ack(self, name: str, is_subscribe: bool, now: int) -> list[Event]:
        entry = self._wanted.get(name)
        if not is_subscribe:
            if name not in self._left:
                return []  # part of a renewal
            item = self.meaning(name)
            return [Unsubscribed(ts_recv=now, line=self.line, channel=item.channel, key=item.key)] if item is not None else []
        if entry is None:
            return []
        if entry.is_adopted:  # the recording client requested it again: it begins with a snapshot
            entry.awaits_snapshot = entry.item.channel in CHAINED_BOOKS
            return [*self.chains.of(entry.item).interrupt(now, "disconnected"), *self._confirm(entry, now)]
        entry.tries = 0
        if entry.state is LegacyState.REQUESTED and entry.awaits_snapshot:
            entry.snapshot_due = now + SNAPSHOT_WITHIN
        return self._confirm(entry, now)

    def _confirm(self, entry: LegacySubscription, now: int) -> list[Event]:
        entry.state = LegacyState.CONFIRMED
        if entry.is_reported:
            return []
        entry.is_reported = True
        return [Subscribed(ts_recv=now, line=self.line, channel=entry.item.channel, key=entry.item.key)]

    def _on_login(self, frame: LegacyLoginAnswer, now: int) -> list[Event]:
        if frame.code == "0":
            self._login = "done"
            for entry in self._wanted.values():
                entry.due = now if entry.state is LegacyState.WANTED else entry.due
            return [LoggedIn(ts_recv=now, line=self.line)]
        self._login = "refused"
        events: list[Event] = [self._refused("login", "", frame.code, frame.message, now)]
        for entry in self._wanted.values():
            if self.needs_login(entry.item):
                events += self._refuse(entry, frame.code, frame.message, now)
        return events

    def _on_failed(self, frame: Failed, now: int) -> list[Event]:
        entry = self._wanted.get(frame.name)
        if entry is None and self._login == "asked" and frame.code in self.codes_login:
            return self._on_login(LegacyLoginAnswer(frame.code, frame.message), now)
        if entry is None:
            item = self.meaning(frame.name) if frame.name else None
            channel, key = (item.channel, item.key) if item is not None else (frame.name, "")
            return [self._refused(channel, key, frame.code, frame.message, now)]
        if frame.code in self.codes_again and entry.tries < len(RENEW_AFTER_S):
            entry.state, entry.due = LegacyState.WANTED, now + int(RENEW_AFTER_S[entry.tries] * SECOND) + SECOND
            entry.tries += 1
            item = entry.item
            return [self._refused(item.channel, item.key, frame.code, frame.message, now, will_retry=True)]
        return self._refuse(entry, frame.code, frame.message, now)

    def _refuse(self, entry: LegacySubscription, code: str, message: str, now: int) -> list[Event]:
        entry.state = LegacyState.REFUSED
        item = entry.item
        return [self._refused(item.channel, item.key, code, message, now), *self.chains.of(item).interrupt(now, "refused")]

    def _refused(self, channel: str, key: str, code: str, message: str, now: int, *, will_retry: bool = False) -> Refused:
        return Refused(
            ts_recv=now,
            line=self.line,
            channel=channel,
            key=key,
            code=code,
            message=message,
            advice=self.advice(code),
            will_retry=will_retry,
        )

    def _on_reply(self, frame: Replied, now: int) -> list[Event]:
        result = OrderResult(order_id=frame.order_id, code=frame.code, message=frame.message or self.advice(frame.code))
        reply = OrderReplied(
            ts_recv=now,
            line=self.line,
            request_id=self._answered(frame.name),
            op=frame.name,
            code="0" if frame.code == "0" else "1",
            message=frame.message,
            results=(result,),
            connection=self.number,
        )
        return [reply, *frame.events]

    def _answered(self, name: str) -> str:
        """Return the id of the request that a channel's message answers; "" without a request."""
        waiting = self._unanswered.get(name)
        return waiting.popleft() if waiting else ""

    def _on_bad(self, name: str, reason: str, raw: bytes, now: int) -> list[Event]:
        """Report unreadable rows of a known channel; other channels are not affected."""
        entry = self._wanted.get(name)
        item = entry.item if entry is not None else self.meaning(name)
        channel, key = (item.channel, item.key) if item is not None else ("", "")
        events = self._malformed(raw, reason, now, channel, key)
        if entry is not None and item is not None and item.channel in CHAINED_BOOKS:
            events += self.resync(item, now, "malformed")
        request_id = self._answered(name)
        if request_id:
            reply = OrderReplied(request_id=request_id, op=name, code="malformed", message=reason, connection=self.number)
            reply.ts_recv, reply.line = now, self.line
            events.append(reply)
        return events

    def _malformed(self, raw: bytes, reason: str, now: int, channel: str = "", key: str = "") -> list[Event]:
        self.malformed += 1
        self._bad_frames.append(now)
        if len(self._bad_frames) == MALFORMED_MOST and now - self._bad_frames[0] < MALFORMED_WITHIN and self.ending is None:
            self.ending = LegacyEnding(1002, f"{MALFORMED_MOST} unreadable frames within {MALFORMED_WITHIN // SECOND} s")
        return [Malformed(ts_recv=now, line=self.line, raw=raw, reason=reason, channel=channel, key=key)]

    # -- time ------------------------------------------------------------------------------------------------------------

    def _heartbeat(self, now: int) -> None:
        """Send a ping when it is due; where data proves life, only after silence."""
        pong_within = int(self.timing.pong_within_s * SECOND)
        if self.pong_is_life:
            last_sign, due = self._last_pong, self._ping_due
        else:
            last_sign, due = self._last_in, self._last_in + int(self.timing.ping_after_s * SECOND)
            if self._pinged_at is not None and self._last_in > self._pinged_at:
                self._pinged_at = None
        if self._pinged_at is not None:
            if now - self._pinged_at >= pong_within:
                self.ending = LegacyEnding(1001, f"no answer to a ping, the last one was {(now - last_sign) / SECOND:.0f} s ago")
        elif now >= due:
            self._pinged_at = now
            self._ping_due = now + int(self.timing.ping_after_s * SECOND)
            self.to_send.append(self.ping)

    def _flush(self, now: int) -> None:
        """Send due requests: unsubscribes of renewals, then subscribes."""
        due = [
            entry
            for entry in self._wanted.values()
            if entry.state is LegacyState.WANTED
            and entry.due <= now
            and not entry.twin
            and (self._login in ("", "done") or not self.needs_login(entry.item))
        ]
        if not due:
            return
        leaving = [entry.name for entry in due if entry.must_unsubscribe]
        self.to_send += self.unsubscribe_requests(leaving) if leaving else ()
        self.to_send += self.subscribe_requests([entry.name for entry in due])
        for entry in due:
            entry.state, entry.requested_at, entry.must_unsubscribe = LegacyState.REQUESTED, now, False

    def _renew(self, entry: LegacySubscription, now: int) -> None:
        """Plan to unsubscribe and subscribe again."""
        if now - entry.renewed_at > HELD:
            entry.renewals = 0
        pause_s = RENEW_AFTER_S[min(entry.renewals, len(RENEW_AFTER_S) - 1)]
        entry.renewals += 1
        entry.renewed_at = entry.due = now + int(pause_s * SECOND)
        entry.state, entry.must_unsubscribe = LegacyState.WANTED, True
        entry.awaits_snapshot, entry.snapshot_due = entry.item.channel in CHAINED_BOOKS, 0

    def _overdue(self, now: int) -> list[Event]:
        events: list[Event] = []
        for entry in self._wanted.values():
            if entry.twin and entry.state is LegacyState.WANTED:
                message = f"{entry.name} is {entry.twin} by another name, and that is wanted already: leave one of them out"
                events += self._refuse(entry, "", message, now)
            elif entry.snapshot_due and entry.snapshot_due <= now:
                self._renew(entry, now)
            elif entry.state is LegacyState.REQUESTED and now - entry.requested_at >= ANSWER_WITHIN:
                events += self._unanswered_request(entry, now)
        return events

    def _unanswered_request(self, entry: LegacySubscription, now: int) -> list[Event]:
        item = entry.item
        if self.chains.of(item).last >= entry.requested_at and not entry.awaits_snapshot:
            return self._confirm(entry, now)  # rows arrive: only the ack was lost
        entry.tries += 1
        entry.state = LegacyState.WANTED
        if entry.tries % 2:
            entry.due = now
            return []
        entry.due = now + RETRY_AFTER
        message = "no answer to the subscription, asked twice"
        return [self._refused(item.channel, item.key, "timeout", message, now, will_retry=True)]

    def _report_silence(self, now: int) -> list[Event]:
        events: list[Event] = []
        for entry in self._wanted.values():
            limit, chain = self._silence_limit(entry), self.chains.of(entry.item)
            if limit is None or chain.broken_since or now - chain.last < limit:
                continue
            silent_s = (now - chain.last) / SECOND
            item = entry.item
            events.append(Stale(ts_recv=now, line=self.line, channel=item.channel, key=item.key, silent_s=silent_s))
            events += chain.interrupt(now, "silence")
            self._renew(entry, now)
        return events

    def _silence_limit(self, entry: LegacySubscription) -> int | None:
        limit = self._silence.get(entry.item.channel)
        is_receiving = entry.state is LegacyState.CONFIRMED and self.chains.of(entry.item).last
        return None if limit is None or not is_receiving else int(limit * SECOND)

    def _schedule(self, now: int) -> None:
        timing = self.timing
        if self._pinged_at is not None:
            times = [self._pinged_at + int(timing.pong_within_s * SECOND)]
        elif self.pong_is_life:
            times = [self._ping_due]
        else:
            times = [self._last_in + int(timing.ping_after_s * SECOND)]
        if self._login == "asked":
            times.append(self._login_requested_at + int(timing.login_within_s * SECOND))
        for entry in self._wanted.values():
            if entry.state is LegacyState.WANTED and (self._login in ("", "done") or not self.needs_login(entry.item)):
                times.append(entry.due)
            elif entry.state is LegacyState.REQUESTED:
                times.append(entry.requested_at + ANSWER_WITHIN)
            if entry.snapshot_due:
                times.append(entry.snapshot_due)
            limit = self._silence_limit(entry)
            if limit is not None and not self.chains.of(entry.item).broken_since:
                times.append(self.chains.of(entry.item).last + limit)
        self.next_deadline = max(now, min(times))  # an overdue time counts as now, not as a stall of this process

    def _name_of(self, item: Subscription) -> str:
        """Return the dialect's name of a subscription, also of one that cannot be requested."""
        for name, entry in self._wanted.items():
            if entry.item == item:
                return name
        return self.literal(item)


def as_snapshot(change: BookUpdate) -> BookSnapshot:
    """Return a change as the snapshot that it is."""
    fields = {name: getattr(change, name) for name in BookSnapshot.__struct_fields__}
    return BookSnapshot(**fields)
