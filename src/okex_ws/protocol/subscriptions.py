"""Subscriptions of one connection: wanted, asked, confirmed, refused; and which answer belongs to which request.

OKX acknowledges each arg by itself but its errors carry no arg, only the request's id. So errors wait until the acks of the same
request have come: what is left over is what was refused. Source: docs-v5 "Subscribe"; ids since 2025-05-29.
"""

from __future__ import annotations

import enum

import msgspec

from okex_ws.protocol.pacing import SECOND
from okex_ws.wire.channels import Subscription
from okex_ws.wire.frames import AckFrame, ErrorFrame

ANSWER_WITHIN = 10 * SECOND
"""How long an answer may take before it counts as lost."""


class State(enum.Enum):
    """Where a subscription stands on this connection."""

    WANTED = "wanted"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Request(msgspec.Struct):
    """A request in flight: `open` are the args not yet acknowledged, `errors` the refusals not yet attributed."""

    id: str
    verb: str
    open: dict[Subscription, None]
    sent_at: int
    errors: list[ErrorFrame] = []


class Verdict(msgspec.Struct):
    """What an answer means: these subscriptions were acknowledged, or refused with this error, or have to be asked one by one."""

    acknowledged: list[Subscription] = []
    refused: list[tuple[Subscription, ErrorFrame]] = []
    unclear: list[Subscription] = []
    lost: list[Subscription] = []


class Subscriptions:
    """The registry of one connection; knows nothing of bytes or pacing."""

    def __init__(self) -> None:
        self.states: dict[Subscription, State] = {}
        self._requests: dict[str, Request] = {}

    @property
    def deadline(self) -> int | None:
        """When the oldest request counts as unanswered."""
        return min((request.sent_at + ANSWER_WITHIN for request in self._requests.values()), default=None)

    @property
    def are_settled(self) -> bool:
        """True when every subscription is confirmed or refused."""
        return all(state in (State.CONFIRMED, State.REFUSED) for state in self.states.values())

    def asked(self, request_id: str, verb: str, subscriptions: list[Subscription], now: int) -> None:
        """A request left."""
        self._requests[request_id] = Request(request_id, verb, dict.fromkeys(subscriptions), now, [])
        if verb == "subscribe":
            for item in subscriptions:
                self.states[item] = State.ASKED

    def ack(self, frame: AckFrame) -> Verdict:
        """An acknowledgement. It is believed by its arg; the id only settles what else is open in the same request."""
        request = self._requests.get(frame.request_id)
        if request is None or frame.subscription not in request.open:
            request = next(
                (item for item in self._requests.values() if item.verb == frame.verb and frame.subscription in item.open),
                None,
            )
        if frame.verb == "subscribe" and frame.subscription in self.states:
            self.states[frame.subscription] = State.CONFIRMED
        verdict = Verdict(acknowledged=[frame.subscription])
        if request is not None:
            del request.open[frame.subscription]
            self._attribute(request, verdict)
        return verdict

    def error(self, frame: ErrorFrame) -> Verdict:
        """An error. Without an id it belongs to the only request in flight, if there is just one."""
        request = self._requests.get(frame.request_id)
        if request is None and not frame.request_id and len(self._requests) == 1:
            request = next(iter(self._requests.values()))
        verdict = Verdict()
        if request is None:
            return verdict
        request.errors.append(frame)
        self._attribute(request, verdict)
        return verdict

    def expire(self, now: int) -> Verdict:
        """Requests whose answers are overdue: with errors unattributed, their args are asked again one by one."""
        verdict = Verdict()
        for request in [item for item in self._requests.values() if item.sent_at + ANSWER_WITHIN <= now]:
            del self._requests[request.id]
            if request.verb == "unsubscribe":
                continue
            if request.errors:
                verdict.unclear += request.open
            else:
                verdict.lost += [item for item in request.open if self.states.get(item) is State.ASKED]
        return verdict

    def knows_request(self, request_id: str) -> bool:
        return request_id in self._requests

    def _attribute(self, request: Request, verdict: Verdict) -> None:
        if not request.open:
            self._requests.pop(request.id, None)
            return
        if len(request.errors) < len(request.open):
            return
        self._requests.pop(request.id, None)
        left = list(request.open)
        for frame in request.errors:
            # OKX names the arg in the text of some errors; where it does not, any order will do.
            named = [item for item in left if item.channel in frame.message and item.key and item.key in frame.message]
            item = (named or left)[0]
            left.remove(item)
            if request.verb == "subscribe":
                self.states[item] = State.REFUSED
            verdict.refused.append((item, frame))
            if not left:
                break
