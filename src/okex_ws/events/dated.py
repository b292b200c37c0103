"""Times of rows without `ts`: created, updated, pushed."""

from __future__ import annotations

from msgspec import field

from okex_ws.events.base import MS, Push


def event_time(ts_recv: int, *candidates_ms: int | None) -> int:
    """Return the first known of some times (ms UTC) as int nanoseconds UTC; ts_recv (ns) if none is known."""
    for candidate in candidates_ms:
        if candidate:
            return candidate * MS
    return ts_recv


class Dated(Push, kw_only=True, gc=False):
    """Push row about an object that changes: an order, a request for quotes, a position.

    created_ms, updated_ms: `cTime`, `uTime`, ms UTC; ts_event is updated_ms, else created_ms, else ts_recv.
    """

    created_ms: int | None = field(default=None, name="cTime")
    updated_ms: int | None = field(default=None, name="uTime")

    @property
    def ts_event(self) -> int:
        return event_time(self.ts_recv, self.updated_ms, self.created_ms)
