"""Doors: which conversation a path opens. In: the target of an upgrade request. Out: a PathEntry, None where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.v1.connection import V1Connection, plain
from okex_ws.simulator.v3.connection import V3Connection
from okex_ws.simulator.v5.connection import V5Connection

if TYPE_CHECKING:
    from okex_ws.simulator.exchange import Exchange


@dataclass(frozen=True, slots=True)
class PathEntry:
    """name: what faults and V5's channels call the path. open: makes the line (exchange, number, conn_id, name, now, peer).

    is_counted: whether connections a second are limited, as V1's were not.
    """

    name: str
    open: Callable[[Exchange, int, str, str, int, str], ExchangeConnection]
    is_counted: bool = True


_DOORS: dict[str, PathEntry] = {
    **{f"/ws/v5/{name}": PathEntry(name, V5Connection) for name in ("public", "private", "business")},
    "/ws/v1": PathEntry("v1", V1Connection, is_counted=False),
    "/websocket": PathEntry("v1", plain, is_counted=False),
    "/websocket?compress=true": PathEntry("v1", V1Connection, is_counted=False),
    "/ws/v3": PathEntry("v3", V3Connection),
}
NO_DOOR = b"Not found: the paths are /ws/v5/public, /ws/v5/business, /ws/v5/private, /ws/v1, /websocket and /ws/v3\n"


def door(target: str) -> PathEntry | None:
    """The door of an upgrade request's target; of its query only `compress=true` means anything, and to V1 alone."""
    path, _, query = target.partition("?")
    path = path.rstrip("/")
    is_compressed = "compress=true" in query.split("&")
    return _DOORS.get(f"{path}?compress=true" if is_compressed else path) or _DOORS.get(path)
