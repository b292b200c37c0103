"""Base classes of events.

An event is a msgspec struct decoded directly from OKX's text; only `field(name=...)` maps OKX's names to ours. Fields that OKX
does not send have a `$` in their wire name, so that no field OKX may add can write into them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

MS = 1_000_000
"""Nanoseconds in a millisecond; OKX's times are milliseconds UTC."""


Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
"""Public number. The bounds exclude "NaN" and "Infinity", which a lenient decoder would accept as prices."""

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?", re.ASCII)
"""OKX's grammar of numbers: digits, a point, a minus, a plain exponent. Python's parsers accept more, e.g. "1_000", " 7", "٣"."""


PLAIN = 40
"""Length of a text of digits that a double certainly holds."""


def number_of(value: Any) -> float:
    """Return a public number from OKX's text. Raises ValueError for anything else, also for one that a double cannot hold."""
    text = str(value)
    digits = text.replace(".", "", 1)
    if len(text) < PLAIN and digits.isdecimal() and digits.isascii() and text[0] != "." != text[-1]:
        return float(text)  # nearly every number: neither infinite nor rounded to zero
    if NUMBER.fullmatch(text) is not None:
        number = float(text)
        if number - number == 0 and (number or not text.lower().partition("e")[0].strip("-0.")):
            return number
    raise ValueError(f"{value!r} is not a number")


class Event(msgspec.Struct, kw_only=True, gc=False):
    """Base class of everything a Session emits. Treat an event as read-only.

    ts_recv: time of receipt at the socket, int nanoseconds UTC.
    """

    ts_recv: int = field(default=0, name="$ts_recv")

    @property
    def ts_event(self) -> int:
        """Time of the event, int nanoseconds UTC: the exchange's time if it sends one, else ts_recv."""
        return self.ts_recv


class Push(Event, kw_only=True, gc=False):
    """One row of a push: data, as opposed to a StatusEvent.

    channel: OKX's literal channel name, e.g. `books`, `candle1m`.
    backfilled: True if the row was fetched over REST after a gap.
    """

    channel: str = field(default="", name="$channel")
    backfilled: bool = field(default=False, name="$backfilled")


class Timed(Push, kw_only=True, gc=False):
    """Push row with OKX's `ts`, in milliseconds UTC."""

    ts_ms: int = field(name="ts")

    @property
    def ts_event(self) -> int:
        return self.ts_ms * MS
