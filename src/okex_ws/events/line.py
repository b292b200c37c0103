"""Status events of a line, in the same ordered stream as the data."""

from __future__ import annotations

from typing import Any

from okex_ws.events.base import Event, Push


class StatusEvent(Event, kw_only=True, gc=False):
    """Base class of status events: changes of a line, a subscription or our own trading. line: its name, e.g. `public/0`."""

    line: str = ""


class SubscriptionEvent(StatusEvent, kw_only=True, gc=False):
    """Status event of one subscription. key: its main key, an instrument for most channels; "" if there is none."""

    channel: str = ""
    key: str = ""

    @property
    def instrument(self) -> str:
        """The key, under the name it has on every other event."""
        return self.key


class Connected(StatusEvent, kw_only=True, gc=False):
    """A WebSocket is open. connection: its number on this line, from 1; handover: it replaces one that still works."""

    url: str = ""
    connection: int = 0
    handover: bool = False


class Disconnected(StatusEvent, kw_only=True, gc=False):
    """A WebSocket is closed, or could not be opened.

    code: the close code (1006 if there was none); reason: its source and text.
    retry_s: seconds until the next try, None if there is none.
    handed_over: True if a successor had already taken over, so that nothing was interrupted.
    fatal: True if trying again is pointless; `reason` says what to change.
    channels: the interrupted subscriptions, as (channel, key).
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


class Subscribed(SubscriptionEvent, kw_only=True, gc=False):
    """OKX acknowledged a subscription."""


class Unsubscribed(SubscriptionEvent, kw_only=True, gc=False):
    """OKX acknowledged the end of a subscription; later pushes of it are not delivered."""


class Refused(SubscriptionEvent, kw_only=True, gc=False):
    """OKX refused a request: this subscription does not run.

    channel, key: the subscription, both "" if OKX's answer names none.
    code, message: OKX's; advice: what to change; will_retry: True if the client requests it again by itself.
    """

    code: str = ""
    message: str = ""
    advice: str = ""
    will_retry: bool = False


class Gap(StatusEvent, kw_only=True, gc=False):
    """Data is missing: a hole in a chain.

    Trades: `first_id` to `last_id`, both missing, both inclusive.
    Books: `last_sequence` is the last valid one, the book is stale from here until its next snapshot; `next_sequence` is the
    first after the hole, None while not yet known (the Resumed that follows has it).
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


class Stale(SubscriptionEvent, kw_only=True, gc=False):
    """A subscription is silent for longer than its channel ever is, or lost its line; its last data may be outdated.

    silent_s: seconds since its last push; cause: silence or disconnected.
    """

    silent_s: float = 0.0
    cause: str = "silence"


class Resumed(SubscriptionEvent, kw_only=True, gc=False):
    """A stale or broken subscription receives data again.

    since: ts_recv (ns) of its last push before the break; last_sequence, next_sequence: a book's, around the hole.
    """

    since: int = 0
    last_sequence: int | None = None
    next_sequence: int | None = None


class Recovered(StatusEvent, kw_only=True, gc=False):
    """A hole, or a part of one, is filled: the missing data came before this event, marked as backfilled.

    Trades: `first_id` to `last_id`, both inclusive. Candles and funding have no ids: `since` to `until`, ns UTC of the exchange,
    `until` exclusive. count: number of events fetched.
    """

    channel: str = ""
    instrument: str = ""
    first_id: int | None = None
    last_id: int | None = None
    since: int = 0
    until: int = 0
    count: int = 0


class Unrecoverable(StatusEvent, kw_only=True, gc=False):
    """Missing data that cannot be fetched: the exact remainder of a hole.

    Trades: `first_id` to `last_id`, both inclusive. first_id is None if OKX has nothing that old, last_id if REST could not show
    whether anything was traded after a line broke, both after an id-reset.
    since, until: times of the exchange (ns UTC) between which the missing ones lie.
    reason: expired (OKX keeps no more), absent (OKX lists its neighbours, not these), refused, unreachable, id-reset, overflow,
    stopped (the client was closed before the fetch). detail: the last error of REST, if there was one.
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
    """Announcement of OKX to this connection, e.g. 64008: it will be closed for an upgrade in 60 s."""

    code: str = ""
    message: str = ""


class ConnectionCount(StatusEvent, kw_only=True, gc=False):
    """Number of the account's connections with this channel; OKX allows 30."""

    channel: str = ""
    count: int = 0


class Malformed(StatusEvent, kw_only=True, gc=False):
    """Frame that could not be read; the connection is kept. raw: the frame unchanged; reason: the error in it."""

    raw: bytes = b""
    reason: str = ""
    channel: str = ""
    key: str = ""

    @property
    def instrument(self) -> str:
        """The key, under the name it has on every other event."""
        return self.key


class Unrecognized(StatusEvent, kw_only=True, gc=False):
    """Frame of valid JSON in no form that OKX V5 documents; kept whole."""

    raw: bytes = b""


class Dropped(StatusEvent, kw_only=True, gc=False):
    """A consumer was too slow, and its queue dropped events: an event of that stream alone, at the place of the hole."""

    consumer: str = ""
    count: int = 0
    total: int = 0


class ConsumerFailed(StatusEvent, kw_only=True, gc=False):
    """A callback raised; the others and the line go on. Reported once per consumer and kind of error."""

    consumer: str = ""
    error: str = ""


class GenericPush(Push, kw_only=True, gc=True):
    """Row of a channel this version does not know; nothing of it is lost.

    arg: the subscription as OKX names it; row: the data element as decoded JSON; action: as sent, or "".
    """

    arg: dict[str, Any] = {}
    row: Any = None
    action: str = ""

    @property
    def instrument(self) -> str:
        return str(self.arg.get("instId", ""))
