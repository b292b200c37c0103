"""StatusEvent of the line itself, in the same ordered stream as the data."""

from __future__ import annotations

from typing import Any

from okex_ws.events.base import Event, Push


class StatusEvent(Event, kw_only=True, gc=False):
    """What happened to the line. `line` names the connection's place, e.g. `public/0`."""

    line: str = ""


class Connected(StatusEvent, kw_only=True, gc=False):
    """A WebSocket is open. connection: the how-many-th of this line; handover: it replaces one that still works."""

    url: str = ""
    connection: int = 0
    handover: bool = False


class Disconnected(StatusEvent, kw_only=True, gc=False):
    """A WebSocket is gone, or could not be opened.

    code: the close code (1006 when there was none); reason: who says what, in words.
    retry_s: seconds until the next try, None when there will be none.
    handed_over: True when a successor had already taken over, so that nothing was interrupted.
    fatal: True when trying again is pointless; `reason` says what to change.
    channels: the subscriptions interrupted, as (channel, key).
    """

    connection: int = 0
    code: int = 1006
    reason: str = ""
    retry_s: float | None = None
    handed_over: bool = False
    fatal: bool = False
    channels: tuple[tuple[str, str], ...] = ()


class LoggedIn(StatusEvent, kw_only=True, gc=False):
    """OKX accepted the login of this connection."""


class Subscribed(StatusEvent, kw_only=True, gc=False):
    """OKX acknowledged a subscription."""

    channel: str = ""
    key: str = ""


class Unsubscribed(StatusEvent, kw_only=True, gc=False):
    """OKX acknowledged the end of a subscription; later pushes of it are not delivered."""

    channel: str = ""
    key: str = ""


class Refused(StatusEvent, kw_only=True, gc=False):
    """OKX refused a request: this subscription does not run.

    channel, key: the subscription, both "" when OKX's answer cannot be tied to one.
    code, message: OKX's; advice: what to change; will_retry: whether it will be asked again without your doing.
    """

    channel: str = ""
    key: str = ""
    code: str = ""
    message: str = ""
    advice: str = ""
    will_retry: bool = False


class Gap(StatusEvent, kw_only=True, gc=False):
    """Something was missed: a hole in a chain.

    Trades: `first_id` to `last_id`, both missing, both inclusive.
    Books: `last_sequence` is the last good one, the book is stale from here until its next snapshot; `next_sequence` is where
    it goes on, None while not yet known (the Resumed that follows tells it).
    cause: sequence, checksum, crossed, levels, malformed, silence, refused, disconnected, resnapshot, handover, id-reset, restart
    (of a recorder: between its last run and this one).
    """

    channel: str = ""
    instrument: str = ""
    cause: str = ""
    first_id: int | None = None
    last_id: int | None = None
    last_sequence: int | None = None
    next_sequence: int | None = None
    since: int = 0


class Stale(StatusEvent, kw_only=True, gc=False):
    """A subscription is silent for longer than its channel ever is, or lost its line; what it said last may no longer hold.

    silent_s: seconds since its last push; cause: silence or disconnected.
    """

    channel: str = ""
    key: str = ""
    silent_s: float = 0.0
    cause: str = "silence"


class Resumed(StatusEvent, kw_only=True, gc=False):
    """A subscription that was stale or broken speaks again.

    since: ts_recv (ns) of its last push before the break; last_sequence, next_sequence: a book's, around the hole.
    """

    channel: str = ""
    key: str = ""
    since: int = 0
    last_sequence: int | None = None
    next_sequence: int | None = None


class Recovered(StatusEvent, kw_only=True, gc=False):
    """A hole, or a stretch of one, is filled: what was missed came before this, marked as backfilled.

    Trades: `first_id` to `last_id`, both inclusive. Candles and funding have no ids: `since` to `until`, ns UTC of the exchange,
    `until` exclusive. count: how many events were fetched back.
    """

    channel: str = ""
    instrument: str = ""
    first_id: int | None = None
    last_id: int | None = None
    since: int = 0
    until: int = 0
    count: int = 0


class Unrecoverable(StatusEvent, kw_only=True, gc=False):
    """What was missed and cannot be fetched back: the exact remainder of a hole.

    Trades: `first_id` to `last_id`, both inclusive; first_id is None where OKX has nothing as old as was asked, last_id if REST
    could not tell whether anything was traded after a line broke, both after an id-reset.
    since, until: times of the exchange (ns UTC) between which the missing ones lie.
    reason: expired (OKX keeps no more), absent (OKX lists its neighbours, not these), refused, unreachable, id-reset, overflow,
    stopped (we were closed before it was fetched). detail: the last error of REST, if there was one.
    """

    channel: str = ""
    instrument: str = ""
    first_id: int | None = None
    last_id: int | None = None
    since: int = 0
    until: int = 0
    reason: str = ""
    detail: str = ""


class Notice(StatusEvent, kw_only=True, gc=False):
    """OKX announces something to this connection, e.g. 64008: it will be closed for an upgrade in 60 s."""

    code: str = ""
    message: str = ""


class ConnectionCount(StatusEvent, kw_only=True, gc=False):
    """How many connections of the account hold this channel; OKX allows 30."""

    channel: str = ""
    count: int = 0


class Malformed(StatusEvent, kw_only=True, gc=False):
    """A frame that could not be read; the connection is kept. raw: the frame untouched; reason: what is wrong with it."""

    raw: bytes = b""
    reason: str = ""
    channel: str = ""
    key: str = ""


class Unrecognized(StatusEvent, kw_only=True, gc=False):
    """A frame that is valid JSON but of no shape OKX V5 documents; kept whole."""

    raw: bytes = b""


class Dropped(StatusEvent, kw_only=True, gc=False):
    """A consumer was too slow and its queue let go of events: told in its own stream, at the place of the hole."""

    consumer: str = ""
    count: int = 0
    total: int = 0


class ConsumerFailed(StatusEvent, kw_only=True, gc=False):
    """A callback raised; the others and the line go on. Reported once per consumer and kind of error."""

    consumer: str = ""
    error: str = ""


class GenericPush(Push, kw_only=True, gc=True):
    """A row of a channel this version does not know: nothing of it is lost.

    arg: the subscription as OKX names it; row: the data element as decoded JSON; action: as sent, or "".
    """

    arg: dict[str, Any] = {}
    row: Any = None
    action: str = ""

    @property
    def instrument(self) -> str:
        return str(self.arg.get("instId", ""))
