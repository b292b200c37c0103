"""Subscriptions of one connection: wanted, asked, confirmed, refused; and which answer belongs to which request.

OKX acknowledges each arg by itself but its errors carry no arg, only the request's id. An error whose text names one open arg is
believed; any other waits until the acks of the same request have come: what is left over is what was refused.
Source: docs-v5 "Subscribe"; ids since 2025-05-29.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

import msgspec

from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import AckFrame, ErrorFrame

ANSWER_WITHIN = 10 * SECOND
"""How long an answer may take before it counts as lost."""

UNREADABLE = ("60012", "60019")
"""Errors about a request as a whole: which of its args is to blame is found out by asking one by one."""
TOO_FREQUENT = "60014"
"""The request was not even looked at: all of it has to be asked again, later."""


class SubscriptionState(enum.Enum):
    """Where a subscription stands on this connection."""

    WANTED = "wanted"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class SubscriptionRequest(msgspec.Struct):
    """A request in flight: `open` are the args not yet acknowledged, `errors` the refusals not yet attributed."""

    id: str
    verb: str
    open: dict[Subscription, None]
    sent_at: int
    errors: list[ErrorFrame] = []


class AckVerdict(msgspec.Struct):
    """What an answer, or its absence, means for subscriptions.

    acknowledged; refused, each with its error; unclear: to be asked one by one; lost: asked, without any answer;
    unheard: goodbyes without an answer. is_stray: an error that belongs to no request known here.
    """

    acknowledged: list[Subscription] = []
    refused: list[tuple[Subscription, ErrorFrame]] = []
    unclear: list[Subscription] = []
    lost: list[Subscription] = []
    unheard: list[Subscription] = []
    is_stray: bool = False


class Subscriptions:
    """The registry of one connection; knows nothing of bytes or pacing.

    A subscription may be asked for again while an older request for it is in flight; only the newest one's answer counts.
    """

    def __init__(self) -> None:
        self.states: dict[Subscription, SubscriptionState] = {}
        self._requests: dict[str, SubscriptionRequest] = {}
        self._asked_in: dict[Subscription, str] = {}  # id of the newest request for it
        self._stray_errors = 0  # without an id, about one of several requests in flight

    @property
    def deadline(self) -> int | None:
        """When the oldest request counts as unanswered."""
        return min((request.sent_at + ANSWER_WITHIN for request in self._requests.values()), default=None)

    @property
    def are_settled(self) -> bool:
        """True when every subscription is confirmed or refused."""
        states = self.states.values()
        return SubscriptionState.WANTED not in states and SubscriptionState.ASKED not in states

    @property
    def is_waiting(self) -> bool:
        """True while a request is without its full answer."""
        return bool(self._requests)

    def asked(self, request_id: str, verb: str, subscriptions: list[Subscription], now: int) -> None:
        """A request left."""
        self._requests[request_id] = SubscriptionRequest(request_id, verb, dict.fromkeys(subscriptions), now, [])
        if verb == "subscribe":
            for item in subscriptions:
                self.states[item] = SubscriptionState.ASKED
                self._asked_in[item] = request_id

    def drop(self, item: Subscription) -> SubscriptionState | None:
        """A subscription is not wanted any more; answers to what was asked before mean nothing. Returns where it stood."""
        self._asked_in.pop(item, None)
        return self.states.pop(item, None)

    def excuse(self, now: int) -> None:
        """Nothing was read up to `now`: answers have their full time again."""
        for request in self._requests.values():
            request.sent_at = now

    def ack(self, frame: AckFrame) -> AckVerdict:
        """An acknowledgement. It is believed by its arg; the id only settles what else is open in the same request."""
        item = frame.subscription
        request = self._requests.get(frame.request_id)
        if request is None or item not in request.open:
            request = next((r for r in self._requests.values() if r.verb == frame.verb and item in r.open), None)
        verdict = AckVerdict()
        answered = request.id if request is not None else frame.request_id
        if frame.verb != "subscribe":
            verdict.acknowledged.append(item)
        elif item in self.states and answered in ("", self._asked_in.get(item)):
            self.states[item] = SubscriptionState.CONFIRMED
            verdict.acknowledged.append(item)
        if request is not None:
            del request.open[item]
            self._attribute(request, verdict)
        return verdict

    def error(self, frame: ErrorFrame) -> AckVerdict:
        """An error. Without an id it belongs to the request with the arg it names, or to the only one in flight."""
        request = self._requests.get(frame.request_id)
        if request is None and not frame.request_id:
            named = [r for r in self._requests.values() if r.verb == "subscribe" and len(_named(frame, r.open)) == 1]
            candidates = named or list(self._requests.values())
            request = candidates[0] if len(candidates) == 1 else None
            self._stray_errors += request is None
        if request is None:
            return AckVerdict(is_stray=True)
        verdict = AckVerdict()
        if request.verb == "unsubscribe":
            if frame.code == TOO_FREQUENT:
                self._close(request)
                verdict.unheard += request.open
        elif frame.code == TOO_FREQUENT:
            for item in list(request.open):
                self._refuse(request, item, frame, verdict)
            self._close(request)
        elif frame.code in UNREADABLE and len(request.open) > 1:
            self._close(request)
            verdict.unclear += self._current(request)
        else:
            request.errors.append(frame)
            self._attribute(request, verdict)
        return verdict

    def expire(self, now: int) -> AckVerdict:
        """Requests whose answers are overdue: with errors unattributed, their args are asked again one by one."""
        verdict = AckVerdict()
        for request in [item for item in self._requests.values() if item.sent_at + ANSWER_WITHIN <= now]:
            self._close(request)
            if request.verb == "unsubscribe":
                verdict.unheard += request.open
            elif request.errors or self._stray_errors:
                verdict.unclear += self._current(request)
            else:
                verdict.lost += self._current(request)
        if not self._requests:
            self._stray_errors = 0
        return verdict

    def _attribute(self, request: SubscriptionRequest, verdict: AckVerdict) -> None:
        for frame in list(request.errors):
            named = _named(frame, request.open)
            if len(named) == 1:
                request.errors.remove(frame)
                self._refuse(request, named[0], frame, verdict)
        if request.open and len(request.errors) >= len(request.open):
            for frame in list(request.errors)[: len(request.open)]:
                # OKX sometimes names the channel alone; where it names nothing, any order will do.
                words = _words(frame)
                item = next((item for item in request.open if item.channel in words), next(iter(request.open)))
                self._refuse(request, item, frame, verdict)
        if not request.open:
            self._close(request)

    def _refuse(self, request: SubscriptionRequest, item: Subscription, frame: ErrorFrame, verdict: AckVerdict) -> None:
        del request.open[item]
        if self._asked_in.get(item) == request.id:
            self.states[item] = SubscriptionState.REFUSED
            verdict.refused.append((item, frame))

    def _close(self, request: SubscriptionRequest) -> None:
        self._requests.pop(request.id, None)

    def _current(self, request: SubscriptionRequest) -> list[Subscription]:
        """Its open args, without those that were let go or asked for anew since, or are confirmed."""
        return [
            item
            for item in request.open
            if self._asked_in.get(item) == request.id and self.states.get(item) is SubscriptionState.ASKED
        ]


def _words(frame: ErrorFrame) -> set[str]:
    return set(re.findall(r"[\w\-]+", frame.message))


def _named(frame: ErrorFrame, items: Iterable[Subscription]) -> list[Subscription]:
    """Those whose channel and key the text of an error holds, as whole words."""
    words = _words(frame)
    return [item for item in items if item.channel in words and (not item.key or item.key in words)]
