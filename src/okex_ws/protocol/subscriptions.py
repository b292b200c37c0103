"""Subscriptions of one connection: their states, and the request that each answer belongs to.

OKX acknowledges each arg separately. Its errors carry no arg, only the request's id. An error whose text names one open arg is
attributed to it. Any other error waits for the acks of the same request: the args that remain open were refused.
Source: docs-v5 "Subscribe"; ids since 2025-05-29.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

import msgspec

from okex_ws.protocol.pacing import SECOND
from okex_ws.stateful import Stateful
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import AckFrame, ErrorFrame

ANSWER_WITHIN = 10 * SECOND
"""Time after which an answer counts as lost."""

UNREADABLE = ("60012", "60019")
"""Codes of errors about a whole request: its args are then requested one by one to find the wrong one."""
TOO_FREQUENT = "60014"
"""Code of a request that OKX did not process: all its args are requested again later."""


class SubscriptionState(enum.Enum):
    """State of a subscription on this connection."""

    WANTED = "wanted"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class SubscriptionRequest(msgspec.Struct):
    """Request in flight: `open` holds the args not yet acknowledged, `errors` the refusals not yet attributed."""

    id: str
    verb: str
    open: dict[Subscription, None]
    sent_at: int
    errors: list[ErrorFrame] = []


class AckVerdict(msgspec.Struct):
    """Result of an answer, or of a missing answer, for subscriptions.

    acknowledged; refused, each with its error; unclear: to be requested one by one; lost: subscribe requests without an answer;
    unanswered: unsubscribe requests without an answer. is_stray: the error belongs to no request known here.
    """

    acknowledged: list[Subscription] = []
    refused: list[tuple[Subscription, ErrorFrame]] = []
    unclear: list[Subscription] = []
    lost: list[Subscription] = []
    unanswered: list[Subscription] = []
    is_stray: bool = False


class Subscriptions(Stateful):
    """Registry of one connection, without bytes and pacing.

    A subscription may be requested again while an older request for it is in flight; only the newest request's answer counts.
    """

    STATE = {
        dict[Subscription, SubscriptionState]: "states",
        dict[str, SubscriptionRequest]: "_requests",
        dict[Subscription, str]: "_requested_in",
        int: "_stray_errors",
    }

    def __init__(self) -> None:
        self.states: dict[Subscription, SubscriptionState] = {}
        self._requests: dict[str, SubscriptionRequest] = {}
        self._requested_in: dict[Subscription, str] = {}  # id of the newest request for it
        self._stray_errors = 0  # without an id, about one of several requests in flight

    @property
    def deadline(self) -> int | None:
        """Time at which the oldest request counts as unanswered."""
        return min((request.sent_at + ANSWER_WITHIN for request in self._requests.values()), default=None)

    @property
    def are_settled(self) -> bool:
        """True when every subscription is confirmed or refused."""
        states = self.states.values()
        return SubscriptionState.WANTED not in states and SubscriptionState.REQUESTED not in states

    @property
    def is_waiting(self) -> bool:
        """True while a request waits for answers."""
        return bool(self._requests)

    def requested(self, request_id: str, verb: str, subscriptions: list[Subscription], now: int) -> None:
        """Register a request that was sent."""
        self._requests[request_id] = SubscriptionRequest(request_id, verb, dict.fromkeys(subscriptions), now, [])
        if verb == "subscribe":
            for item in subscriptions:
                self.states[item] = SubscriptionState.REQUESTED
                self._requested_in[item] = request_id

    def drop(self, item: Subscription) -> SubscriptionState | None:
        """Remove a subscription and return its state; answers to earlier requests for it are ignored."""
        self._requested_in.pop(item, None)
        return self.states.pop(item, None)

    def reset_timeouts(self, now: int) -> None:
        """Restart the timeouts of all requests at `now`, because nothing was read until then."""
        for request in self._requests.values():
            request.sent_at = now

    def ack(self, frame: AckFrame) -> AckVerdict:
        """Apply an acknowledgement. Its arg decides; its id only helps to attribute errors of the same request."""
        item = frame.subscription
        request = self._requests.get(frame.request_id)
        if request is None or item not in request.open:
            request = next((r for r in self._requests.values() if r.verb == frame.verb and item in r.open), None)
        verdict = AckVerdict()
        answered = request.id if request is not None else frame.request_id
        if frame.verb != "subscribe":
            verdict.acknowledged.append(item)
        elif item in self.states and answered in ("", self._requested_in.get(item)):
            self.states[item] = SubscriptionState.CONFIRMED
            verdict.acknowledged.append(item)
        if request is not None:
            del request.open[item]
            self._attribute(request, verdict)
        return verdict

    def error(self, frame: ErrorFrame) -> AckVerdict:
        """Apply an error. Without an id it belongs to the request with the arg it names, or to the only one in flight."""
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
                verdict.unanswered += request.open
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
        """Close requests whose answers are overdue. With unattributed errors, their args are requested again one by one."""
        verdict = AckVerdict()
        for request in [item for item in self._requests.values() if item.sent_at + ANSWER_WITHIN <= now]:
            self._close(request)
            if request.verb == "unsubscribe":
                verdict.unanswered += request.open
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
                # OKX sometimes names the channel alone; where it names nothing, any order is as good.
                words = _words(frame)
                item = next((item for item in request.open if item.channel in words), next(iter(request.open)))
                self._refuse(request, item, frame, verdict)
        if not request.open:
            self._close(request)

    def _refuse(self, request: SubscriptionRequest, item: Subscription, frame: ErrorFrame, verdict: AckVerdict) -> None:
        del request.open[item]
        if self._requested_in.get(item) == request.id:
            self.states[item] = SubscriptionState.REFUSED
            verdict.refused.append((item, frame))

    def _close(self, request: SubscriptionRequest) -> None:
        self._requests.pop(request.id, None)

    def _current(self, request: SubscriptionRequest) -> list[Subscription]:
        """Open args of a request that were not dropped, requested again or confirmed meanwhile."""
        return [
            item
            for item in request.open
            if self._requested_in.get(item) == request.id and self.states.get(item) is SubscriptionState.REQUESTED
        ]


def _words(frame: ErrorFrame) -> set[str]:
    return set(re.findall(r"[\w\-]+", frame.message))


def _named(frame: ErrorFrame, items: Iterable[Subscription]) -> list[Subscription]:
    """Return the items whose channel and key are whole words of the error's text."""
    words = _words(frame)
    return [item for item in items if item.channel in words and (not item.key or item.key in words)]
