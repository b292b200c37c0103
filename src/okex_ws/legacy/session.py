"""LegacySession: what the conversations of V1 and V3 have in common: four methods, as in V5, and nothing of V5's.

`receive(data, now)` → events (`receive_binary` for a binary frame, which is a deflated text), `bytes_to_send()`, `deadline()`,
`on_deadline(now)` → events. V1 and V3 say in their own LegacySession how things are said, read and begun.
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
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import FrameError
from okex_ws.wire.sign import Credentials

SECOND = 1_000_000_000
ANSWER_WITHIN = 10 * SECOND
"""How long an answer may take before a subscription is asked for again."""
ASK_AGAIN = 30 * SECOND
"""When it is asked for once more, after two requests without an answer."""
IMAGE_WITHIN = 10 * SECOND
"""How long the image of a book may take before it is asked for again."""
RENEW_AFTER_S = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Pauses before a subscription is renewed: the first one at once, then ever slower until it has held for a minute."""
HELD = 60 * SECOND
MALFORMED_MOST, MALFORMED_WITHIN = 20, 10 * SECOND
MOST_UNANSWERED = 4096


class LegacyState(enum.Enum):
    """Where a subscription stands on this connection."""

    WANTED = "wanted"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class LegacyEnding(msgspec.Struct):
    """Why a LegacySession wants its connection closed: close code and reason. `fatal`: no use to try again."""

    code: int
    reason: str
    fatal: bool = False


class LegacyTiming(msgspec.Struct, frozen=True):
    """How patient a LegacySession is; seconds."""

    ping_after_s: float = 30.0
    pong_within_s: float = 10.0
    login_within_s: float = 10.0
    stalled_after_s: float = 20.0


class LegacyFetch(msgspec.Struct):
    """One subscription here. name: the dialect's own. due: when it is to be asked for; asked_at: when it was; tries: how often
    without an answer. awaits_image: a book whose next row has to be one; image_due: until when. renewals, renewed_at: how often
    it was distrusted of late. is_parted: the server is told that it is over before it is asked again. twin: another name of the
    same, wanted already: it would tell every trade twice, and both would write one book. is_adopted: asked for by somebody else.
    """

    item: Subscription
    name: str
    due: int
    state: LegacyState = LegacyState.WANTED
    asked_at: int = 0
    tries: int = 0
    awaits_image: bool = False
    image_due: int = 0
    renewals: int = 0
    renewed_at: int = 0
    is_parted: bool = False
    is_told: bool = False
    is_adopted: bool = False
    twin: str = ""


class LegacySession(ABC):
    """The rules of one connection. Parameters as of V5's LegacySession; chains: continuity, shared by the line's connections."""

    silence_s: Mapping[str, float] = {}
    """Longest time without a push that is still normal, by channel."""
    patience = LegacyTiming()
    """How patient it is where nobody says; V1's server closed a line that sent no ping for 300 s, whatever else was said."""
    pong_is_life = True
    """Whether nothing but a pong proves that the server lives."""

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
        self.fetches: list[Any] = []  # images over REST: never, V1 and V3 give them themselves
        self.ending: LegacyEnding | None = None
        self.is_leaving = False
        self.malformed = self.unrecognized = self.late_pushes = 0
        self.first_push_at = 0
        self.next_deadline = now
        self._credentials = credentials
        self._login = "asked" if credentials is not None else ""
        self._login_asked_at = now
        self._wanted: dict[str, LegacyFetch] = {}  # by the dialect's own name
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

    # -- what a dialect says in its own way ------------------------------------------------------------------------------

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
        """The text that logs in."""

    @abstractmethod
    def ask_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        """The texts that subscribe."""

    @abstractmethod
    def part_requests(self, names: Sequence[str]) -> Iterable[bytes]:
        """The texts that unsubscribe."""

    def fitted(self, wish: LegacyFetch, events: list[Event], now: int) -> list[Event]:
        """A subscription's rows, as its chain takes them: a dialect that does not mark images marks them here."""
        return events

    # -- the four methods ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: int) -> list[Event]:
        """One whole text message in, events out, in order."""
        self._last_in = now
        return self._read(data, data, now)

    def receive_binary(self, data: bytes, now: int) -> list[Event]:
        """One whole binary message in: a deflated text."""
        self._last_in = now
        try:
            text = inflated(data)
        except FrameError as error:
            # Nothing is numbered here: what this frame said is lost, and whose it was is not known. Only a new image helps.
            self.ending = LegacyEnding(1007, f"a frame that cannot be read: {error}")
            return self._malformed(data, str(error), now)
        return self._read(text, data, now)

    def bytes_to_send(self) -> list[bytes]:
        """Text messages to send now, in order."""
        out = self.to_send.copy()
        self.to_send.clear()
        return out

    def deadline(self) -> int:
        """When `on_deadline` is to be called, ns. May be earlier than anything happens."""
        return self.next_deadline

    def on_deadline(self, now: int) -> list[Event]:
        """Time has passed: pings, overdue answers, silence, renewals."""
        if now - self.next_deadline > self.timing.stalled_after_s * SECOND:
            asleep = (now - self.next_deadline) / SECOND
            self.ending = LegacyEnding(1001, f"this process stood still for {asleep:.0f} s")
            return []
        if self._login == "asked" and now - self._login_asked_at >= self.timing.login_within_s * SECOND:
            self.ending = LegacyEnding(1001, "no answer to the login")
        events = self._overdue(now)
        events += self._silent(now)
        self._heartbeat(now)
        self._ask(now)
        self._schedule(now)
        return events

    # -- what is wanted --------------------------------------------------------------------------------------------------

    def subscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Ask for these. One that was refused is asked for again."""
        for item in subscriptions:
            name = self.literal(item)
            known = self._wanted.get(name)
            if known is None or known.state is LegacyState.REFUSED:
                self._left.pop(name, None)
                is_book = item.channel in CHAINED_BOOKS
                self._wanted[name] = LegacyFetch(item, name, due=now, awaits_image=is_book, twin=self._twin(item, name))
        self._ask(now)
        self._schedule(now)

    def _twin(self, item: Subscription, name: str) -> str:
        """Another name by which the same is wanted and not refused, "" without one."""
        same = (item.channel, item.key)
        for other, wish in self._wanted.items():
            if other != name and (wish.item.channel, wish.item.key) == same and wish.state is not LegacyState.REFUSED:
                return other
        return ""

    def adopt(self, item: Subscription) -> None:
        """Take the pushes of a subscription that was asked for elsewhere: of a recording, say."""
        name = dict(item.args).get("name") or self._name_of(item)
        if name not in self._wanted:
            is_book = item.channel in CHAINED_BOOKS
            wish = LegacyFetch(
                item, name, due=0, state=LegacyState.CONFIRMED, awaits_image=is_book, is_told=True, is_adopted=True
            )
            self._wanted[name] = wish

    def unsubscribe(self, subscriptions: Iterable[Subscription], now: int) -> None:
        """Let these go: their later pushes are dropped and counted."""
        names = [name for item in subscriptions if (name := self.literal(item)) in self._wanted]
        asked = [name for name in names if self._wanted[name].state in (LegacyState.ASKED, LegacyState.CONFIRMED)]
        for name in names:
            self.chains.forget(self._wanted.pop(name).item)
            self._left[name] = None
        self.to_send += self.part_requests(asked) if asked else ()
        self._schedule(now)

    def resync(self, subscription: Subscription, now: int, cause: str) -> list[Event]:
        """Distrust what a subscription said and ask for it anew, ever slower if that does not help."""
        wish = self._wanted.get(self._name_of(subscription))
        events = self.chains.of(subscription).interrupt(now, cause)
        if wish is not None and wish.state in (LegacyState.ASKED, LegacyState.CONFIRMED):
            self._renew(wish, now)
        self._ask(now)
        self._schedule(now)
        return events

    def send(self, request_id: str, op: str, data: bytes) -> None:
        """Say a request to trade on channel `op`. It carries no id: answers come in the order of the requests."""
        self.to_send.append(data)
        waiting = self._unanswered.setdefault(op, deque(maxlen=MOST_UNANSWERED))
        waiting.append(request_id)

    def book_fetched(self, subscription: Subscription, image: Event | None, now: int) -> list[Event]:
        """No image is ever wished for over REST."""
        return []

    def clock_measured(self, succeeded: bool, now: int) -> list[Event]:
        """OKX's time is never asked for."""
        return []

    def reset_timeouts(self, now: int) -> None:
        """The silence up to `now` was ours: what is overdue may lie in the socket, unread."""
        self._last_in = self._login_asked_at = now
        self._pinged_at = None
        self._ping_due = now
        for wish in self._wanted.values():
            wish.asked_at = max(wish.asked_at, now) if wish.state is LegacyState.ASKED else wish.asked_at
            wish.image_due = wish.image_due and now + IMAGE_WITHIN
            chain = self.chains.of(wish.item)
            chain.last = now if chain.last else 0
        self._schedule(now)

    @property
    def is_settled(self) -> bool:
        """True when every subscription is confirmed or refused."""
        return all(wish.state in (LegacyState.CONFIRMED, LegacyState.REFUSED) for wish in self._wanted.values())

    @property
    def is_login_refused(self) -> bool:
        """True when the login was refused: the same key will not do better."""
        return self._login == "refused"

    @property
    def can_trade(self) -> bool:
        """Whether a request to trade may be said: logged in, and nothing it would need to hear of is still being asked for."""
        return self._login == "done" and self.ending is None and self.is_settled

    # -- receiving -------------------------------------------------------------------------------------------------------

    def _read(self, text: bytes, raw: bytes, now: int) -> list[Event]:
        try:
            frames = self.frames_of(text, now)
        except FrameError as error:
            events = self._malformed(raw, str(error), now)
            if any(self._unanswered.values()):  # which of them this answered is not known, nor whose the next answer is
                self.ending = LegacyEnding(1007, f"a message that cannot be read: {error}")
            # It may have been a change of any book.
            for wish in list(self._wanted.values()):
                if wish.item.channel in CHAINED_BOOKS and wish.state is LegacyState.CONFIRMED and not wish.awaits_image:
                    events += self.resync(wish.item, now, "malformed")
            return events
        events = [event for frame in frames for event in self._on_frame(frame, raw, now)]
        if not all(isinstance(frame, Rows) for frame in frames):  # data alone brings nothing forward
            self._ask(now)
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
            case Unknown(raw=told):
                self.unrecognized += 1
                return [Unrecognized(ts_recv=now, line=self.line, raw=told)]
        return []

    def _on_rows(self, frame: Rows, now: int) -> list[Event]:
        wish = next((self._wanted[name] for name in frame.names if name in self._wanted), None)
        if wish is None:
            if any(name in self._left for name in frame.names):
                self.late_pushes += 1
                return []
            return frame.events  # nobody asked, yet nothing is lost
        self.first_push_at = self.first_push_at or now
        chain = self.chains.of(wish.item)
        was_silent = not chain.last or bool(chain.broken_since)
        events = chain.feed(self.fitted(wish, frame.events, now), now)
        if was_silent:
            self._schedule(now)  # from here on its silence counts
        if wish.awaits_image and any(isinstance(event, BookSnapshot) for event in events):
            wish.awaits_image, wish.image_due = False, 0
        return events

    def _on_ack(self, name: str, is_subscribe: bool, now: int) -> list[Event]:
        wish = self._wanted.get(name)
        if not is_subscribe:
            if name not in self._left:
                return []  # of a renewal
            item = self.meaning(name)
            return [Unsubscribed(ts_recv=now, line=self.line, channel=item.channel, key=item.key)] if item is not None else []
        if wish is None:
            return []
        if wish.is_adopted:  # whoever asked has asked again: it begins anew, with an image
            wish.awaits_image = wish.item.channel in CHAINED_BOOKS
            return [*self.chains.of(wish.item).interrupt(now, "disconnected"), *self._confirm(wish, now)]
        wish.tries = 0
        if wish.state is LegacyState.ASKED and wish.awaits_image:
            wish.image_due = now + IMAGE_WITHIN
        return self._confirm(wish, now)

    def _confirm(self, wish: LegacyFetch, now: int) -> list[Event]:
        wish.state = LegacyState.CONFIRMED
        if wish.is_told:
            return []
        wish.is_told = True
        return [Subscribed(ts_recv=now, line=self.line, channel=wish.item.channel, key=wish.item.key)]

    def _on_login(self, frame: LegacyLoginAnswer, now: int) -> list[Event]:
        if frame.code == "0":
            self._login = "done"
            for wish in self._wanted.values():
                wish.due = now if wish.state is LegacyState.WANTED else wish.due
            return [LoggedIn(ts_recv=now, line=self.line)]
        self._login = "refused"
        events: list[Event] = [self._refused("login", "", frame.code, frame.message, now)]
        for wish in self._wanted.values():
            if self.needs_login(wish.item):
                events += self._refuse(wish, frame.code, frame.message, now)
        return events

    def _on_failed(self, frame: Failed, now: int) -> list[Event]:
        wish = self._wanted.get(frame.name)
        if wish is None and self._login == "asked" and frame.code in self.codes_login:
            return self._on_login(LegacyLoginAnswer(frame.code, frame.message), now)
        if wish is None:
            item = self.meaning(frame.name) if frame.name else None
            channel, key = (item.channel, item.key) if item is not None else (frame.name, "")
            return [self._refused(channel, key, frame.code, frame.message, now)]
        if frame.code in self.codes_again and wish.tries < len(RENEW_AFTER_S):
            wish.state, wish.due = LegacyState.WANTED, now + int(RENEW_AFTER_S[wish.tries] * SECOND) + SECOND
            wish.tries += 1
            item = wish.item
            return [self._refused(item.channel, item.key, frame.code, frame.message, now, will_retry=True)]
        return self._refuse(wish, frame.code, frame.message, now)

    def _refuse(self, wish: LegacyFetch, code: str, message: str, now: int) -> list[Event]:
        wish.state = LegacyState.REFUSED
        item = wish.item
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
        """The id of the request that what came on a channel answers, readable or not; "" where nothing was asked."""
        waiting = self._unanswered.get(name)
        return waiting.popleft() if waiting else ""

    def _on_bad(self, name: str, reason: str, raw: bytes, now: int) -> list[Event]:
        """Rows of a channel that is known: the others are none the worse."""
        wish = self._wanted.get(name)
        item = wish.item if wish is not None else self.meaning(name)
        channel, key = (item.channel, item.key) if item is not None else ("", "")
        events = self._malformed(raw, reason, now, channel, key)
        if wish is not None and item is not None and item.channel in CHAINED_BOOKS:
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
        """A ping when it is due; where data counts as life, only after as much silence."""
        pong_within = int(self.timing.pong_within_s * SECOND)
        if self.pong_is_life:
            heard, due = self._last_pong, self._ping_due
        else:
            heard, due = self._last_in, self._last_in + int(self.timing.ping_after_s * SECOND)
            if self._pinged_at is not None and self._last_in > self._pinged_at:
                self._pinged_at = None
        if self._pinged_at is not None:
            if now - self._pinged_at >= pong_within:
                self.ending = LegacyEnding(1001, f"no answer to a ping, the last one was {(now - heard) / SECOND:.0f} s ago")
        elif now >= due:
            self._pinged_at = now
            self._ping_due = now + int(self.timing.ping_after_s * SECOND)
            self.to_send.append(self.ping)

    def _ask(self, now: int) -> None:
        """Say what is due: goodbyes of renewals, then requests."""
        due = [
            wish
            for wish in self._wanted.values()
            if wish.state is LegacyState.WANTED
            and wish.due <= now
            and not wish.twin
            and (self._login in ("", "done") or not self.needs_login(wish.item))
        ]
        if not due:
            return
        parting = [wish.name for wish in due if wish.is_parted]
        self.to_send += self.part_requests(parting) if parting else ()
        self.to_send += self.ask_requests([wish.name for wish in due])
        for wish in due:
            wish.state, wish.asked_at, wish.is_parted = LegacyState.ASKED, now, False

    def _renew(self, wish: LegacyFetch, now: int) -> None:
        """Subscribe anew, after a goodbye."""
        if now - wish.renewed_at > HELD:
            wish.renewals = 0
        pause_s = RENEW_AFTER_S[min(wish.renewals, len(RENEW_AFTER_S) - 1)]
        wish.renewals += 1
        wish.renewed_at = wish.due = now + int(pause_s * SECOND)
        wish.state, wish.is_parted = LegacyState.WANTED, True
        wish.awaits_image, wish.image_due = wish.item.channel in CHAINED_BOOKS, 0

    def _overdue(self, now: int) -> list[Event]:
        events: list[Event] = []
        for wish in self._wanted.values():
            if wish.twin and wish.state is LegacyState.WANTED:
                message = f"{wish.name} is {wish.twin} by another name, and that is wanted already: leave one of them out"
                events += self._refuse(wish, "", message, now)
            elif wish.image_due and wish.image_due <= now:
                self._renew(wish, now)
            elif wish.state is LegacyState.ASKED and now - wish.asked_at >= ANSWER_WITHIN:
                events += self._unheard(wish, now)
        return events

    def _unheard(self, wish: LegacyFetch, now: int) -> list[Event]:
        item = wish.item
        if self.chains.of(item).last >= wish.asked_at and not wish.awaits_image:
            return self._confirm(wish, now)  # it flows: only the ack was lost
        wish.tries += 1
        wish.state = LegacyState.WANTED
        if wish.tries % 2:
            wish.due = now
            return []
        wish.due = now + ASK_AGAIN
        message = "no answer to the subscription, asked twice"
        return [self._refused(item.channel, item.key, "timeout", message, now, will_retry=True)]

    def _silent(self, now: int) -> list[Event]:
        events: list[Event] = []
        for wish in self._wanted.values():
            limit, chain = self._silence_limit(wish), self.chains.of(wish.item)
            if limit is None or chain.broken_since or now - chain.last < limit:
                continue
            silent_s = (now - chain.last) / SECOND
            item = wish.item
            events.append(Stale(ts_recv=now, line=self.line, channel=item.channel, key=item.key, silent_s=silent_s))
            events += chain.interrupt(now, "silence")
            self._renew(wish, now)
        return events

    def _silence_limit(self, wish: LegacyFetch) -> int | None:
        limit = self._silence.get(wish.item.channel)
        is_heard = wish.state is LegacyState.CONFIRMED and self.chains.of(wish.item).last
        return None if limit is None or not is_heard else int(limit * SECOND)

    def _schedule(self, now: int) -> None:
        timing = self.timing
        if self._pinged_at is not None:
            times = [self._pinged_at + int(timing.pong_within_s * SECOND)]
        elif self.pong_is_life:
            times = [self._ping_due]
        else:
            times = [self._last_in + int(timing.ping_after_s * SECOND)]
        if self._login == "asked":
            times.append(self._login_asked_at + int(timing.login_within_s * SECOND))
        for wish in self._wanted.values():
            if wish.state is LegacyState.WANTED and (self._login in ("", "done") or not self.needs_login(wish.item)):
                times.append(wish.due)
            elif wish.state is LegacyState.ASKED:
                times.append(wish.asked_at + ANSWER_WITHIN)
            if wish.image_due:
                times.append(wish.image_due)
            limit = self._silence_limit(wish)
            if limit is not None and not self.chains.of(wish.item).broken_since:
                times.append(self.chains.of(wish.item).last + limit)
        self.next_deadline = max(now, min(times))  # what is overdue now is due now, and no sign that we slept

    def _name_of(self, item: Subscription) -> str:
        """The dialect's name of a subscription, also of what cannot be asked for."""
        for name, wish in self._wanted.items():
            if wish.item == item:
                return name
        return self.literal(item)


def as_image(change: BookUpdate) -> BookSnapshot:
    """A whole book that came without saying so."""
    fields = {name: getattr(change, name) for name in BookSnapshot.__struct_fields__}
    return BookSnapshot(**fields)
