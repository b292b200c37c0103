"""What every event has in common.

An event is a msgspec struct decoded straight from OKX's text, so OKX's word and ours meet in `field(name=...)` and nowhere
else. Fields that are ours alone carry a `$` in their wire name: no field OKX may add one day can write into them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

MS = 1_000_000
"""Nanoseconds in a millisecond; OKX's times are milliseconds UTC."""


Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
"""A public number. The bounds keep out "NaN" and "Infinity", which a lenient decoder would accept as prices."""


class Event(msgspec.Struct, kw_only=True, gc=False):
    """What a Session emits; the only currency between rooms. Treat it as read-only.

    ts_recv: when it reached us, int nanoseconds UTC, taken at the socket.
    """

    ts_recv: int = field(default=0, name="$ts_recv")

    @property
    def ts_event(self) -> int:
        """When it happened, int nanoseconds UTC: the exchange's time where there is one, else ts_recv."""
        return self.ts_recv


class Push(Event, kw_only=True, gc=False):
    """One row of a push: data, as opposed to news of the line.

    channel: OKX's literal channel name, e.g. `books`, `candle1m`.
    backfilled: True when it was fetched back over REST after a gap.
    """

    channel: str = field(default="", name="$channel")
    backfilled: bool = field(default=False, name="$backfilled")


class Timed(Push, kw_only=True, gc=False):
    """A push row that carries OKX's `ts`, in milliseconds UTC."""

    ts_ms: int = field(name="ts")

    @property
    def ts_event(self) -> int:
        return self.ts_ms * MS
