"""Inputs of a ClientCore as values, and each as a journal record and back.

A record is (line, connection, kind, text). The text of a frame is the frame itself; the text of every other input is a small JSON
object. Kinds and keys are the file format of recordings: new ones may be added, none may change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import field

from okex_ws.events import Event

BACKFILL = "backfill"
"""Stands for the line in records of the backfill planner."""
RESTART = "restart"
"""Stands for the line in records of what earlier runs of a recorder ended with."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened outside the core. line: name of the line it happened to; connection: the number of its socket."""

    line: str
    connection: int = 0


class LineStarted(Input, frozen=True, kw_only=True, tag="start"):
    """A line begins. The fields are what another core needs to make the same line; no secret is among them."""

    dialect: str = "v5"
    url: str = ""
    timing: dict[str, float] = {}
    stale_after_s: dict[str, float] | None = None
    backoff_s: tuple[float, float] = (0.5, 30.0)
    login: bool = False
    args: list[dict[str, Any]] = []
    seed: Any = 0


class LineStopped(Input, frozen=True, kw_only=True, tag="stop"):
    """A line ends for good."""


class Subscribe(Input, frozen=True, kw_only=True, tag="subscribe"):
    """Subscriptions, as OKX's args, are added to a line."""

    args: list[dict[str, Any]]


class Unsubscribe(Input, frozen=True, kw_only=True, tag="unsubscribe"):
    """Subscriptions, as OKX's args, are removed from a line."""

    args: list[dict[str, Any]]


class Opened(Input, frozen=True, kw_only=True, tag="open"):
    """A socket is open."""


class DialFailed(Input, frozen=True, kw_only=True, tag="fail"):
    """A socket could not be opened. retry_after_s: wait that the server requested; fatal: retrying is pointless."""

    reason: str
    retry_after_s: float = 0.0
    fatal: bool = False


class SocketClosed(Input, frozen=True, kw_only=True, tag="close"):
    """A socket is closed, with its close code (1006 without one)."""

    code: int
    reason: str


class TextReceived(Input, frozen=True, kw_only=True, tag="in"):
    """A whole text message arrived."""

    data: bytes


class BinaryReceived(Input, frozen=True, kw_only=True, tag="binary"):
    """A whole binary message arrived."""

    data: bytes


class TimerFired(Input, frozen=True, kw_only=True, tag="timer"):
    """The deadline of a line has come."""


class ReadingResumed(Input, frozen=True, kw_only=True, tag="excuse"):
    """Reading goes on after a pause of ours: the silence until now was not the server's."""


class RequestSent(Input, frozen=True, kw_only=True, tag="send"):
    """An order request leaves over a line."""

    request_id: str = field(name="id")
    op: str
    text: str


class BookFetched(Input, frozen=True, kw_only=True, tag="image"):
    """REST answered a FetchBook; no rows when it failed."""

    arg: dict[str, Any]
    rows: list[Any]


class ClockMeasured(Input, frozen=True, kw_only=True, tag="clock"):
    """REST answered a FetchClock with OKX's time, ms UTC; None when it failed. asked: our time when the request left, ns."""

    server_ms: int | None
    asked: int


class HandedOver(Input, frozen=True, kw_only=True, tag="hand_over"):
    """A subscription moves to another line, with its continuity."""

    arg: dict[str, Any]
    to: str


class BookInvalidated(Input, frozen=True, kw_only=True, tag="resync"):
    """A book failed its check. The core feeds this to itself; a replay finds it in the journal and needs no books."""

    arg: dict[str, Any]
    cause: str


class BackfillStarted(Input, frozen=True, kw_only=True, tag="backfill"):
    """The backfill planner begins, with these settings."""

    line: str = BACKFILL
    channels: list[str]
    since: int | None
    seed: Any


class PageAsked(Input, frozen=True, kw_only=True, tag="ask"):
    """The planner's next REST page of a subscription is requested."""

    line: str = BACKFILL
    channel: str
    instrument: str


class PageFetched(Input, frozen=True, kw_only=True, tag="page"):
    """A REST page arrived."""

    line: str = BACKFILL
    number: int
    rows: list[Any]


class PageFailed(Input, frozen=True, kw_only=True, tag="page-fail"):
    """A REST page could not be fetched. code: OKX's, "" without one; detail: one line for people."""

    line: str = BACKFILL
    number: int
    code: str
    detail: str


class BackfillStopped(Input, frozen=True, kw_only=True, tag="end"):
    """Nothing more is fetched back."""

    line: str = BACKFILL


class EarlierRunsKnown(Input, frozen=True, kw_only=True, tag="known"):
    """The last trade ids that earlier runs of a recorder have stored, by channel and instrument."""

    line: str = RESTART
    known: dict[str, dict[str, int]]


class Observer(Protocol):
    """Sees each input of a core before the core applies it, and its events before anyone else sees them: a recorder, say."""

    def received(self, now: int, line: str, connection: int, kind: str, text: bytes) -> int:
        """Record an input, or a sent text (kind "out"); return its number."""

    def emitted(self, number: int, events: list[Event]) -> None:
        """Take the events of the input with this number, in order. A second call goes on with the index of the first."""


Tap = Callable[[int, str, int, str, bytes], None]
"""A function that sees each input: now (ns), line, connection, kind, text."""


class Tapped:
    """An observer that passes inputs to a function, and numbers them from 1."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._number = 0

    def received(self, now: int, line: str, connection: int, kind: str, text: bytes) -> int:
        """Pass the input on."""
        self._tap(now, line, connection, kind, text)
        self._number += 1
        return self._number

    def emitted(self, number: int, events: list[Event]) -> None:
        """Take no notice of events."""


_KINDS: dict[str, type[Input]] = {
    kind.__struct_config__.tag: kind  # type: ignore[misc]  # every input has a text as its tag
    for kind in (
        LineStarted,
        LineStopped,
        Subscribe,
        Unsubscribe,
        Opened,
        DialFailed,
        SocketClosed,
        TimerFired,
        ReadingResumed,
        RequestSent,
        BookFetched,
        ClockMeasured,
        HandedOver,
        BookInvalidated,
        BackfillStarted,
        PageAsked,
        PageFetched,
        PageFailed,
        BackfillStopped,
        EarlierRunsKnown,
    )
}
_NOT_IN_TEXT = frozenset(("line", "connection", "type"))


def to_record(item: Input) -> tuple[str, bytes]:
    """Return the kind and the text of an input that is no frame."""
    kind = item.__struct_config__.tag
    if isinstance(item, EarlierRunsKnown):
        return kind, msgspec.json.encode(item.known)  # type: ignore[return-value]
    fields = {name: value for name, value in msgspec.to_builtins(item).items() if name not in _NOT_IN_TEXT}
    return kind, msgspec.json.encode(fields)  # type: ignore[return-value]


def from_record(line: str, connection: int, kind: str, text: bytes) -> Input | None:
    """Return the input that a record holds; None for kinds that are no input, such as "out", and for frames."""
    made = _KINDS.get(kind)
    if made is None:
        return None
    if made is EarlierRunsKnown:
        return EarlierRunsKnown(known=msgspec.json.decode(text, type=dict[str, dict[str, int]]))
    return msgspec.convert({**msgspec.json.decode(text), "line": line, "connection": connection, "type": kind}, made)
