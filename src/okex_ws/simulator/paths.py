"""Paths: the connection class of each path, as the dialects register it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from okex_ws.simulator.connection import ExchangeConnection

Opener = Callable[[int, str, str, int, str], ExchangeConnection]
"""Makes a connection of: number, conn_id, name of the path, now, peer."""


@dataclass(frozen=True, slots=True)
class PathEntry:
    """name: what faults and channels call the path. is_counted: True if connections per second are limited (not in V1)."""

    name: str
    open: Opener
    is_counted: bool = True


class ExchangePaths:
    """Paths of one exchange."""

    def __init__(self) -> None:
        self._entries: dict[str, PathEntry] = {}

    def register(self, path: str, entry: PathEntry) -> None:
        """Add a path."""
        self._entries[path] = entry

    def find(self, target: str) -> PathEntry | None:
        """Return the entry of an upgrade request's target. Of its query only `compress=true` counts, in V1 alone."""
        path, _, query = target.partition("?")
        path = path.rstrip("/")
        is_compressed = "compress=true" in query.split("&")
        return self._entries.get(f"{path}?compress=true" if is_compressed else path) or self._entries.get(path)

    def not_found(self) -> bytes:
        """Return the body of a 404."""
        *others, last = (path for path in self._entries if "?" not in path)
        return f"Not found: the paths are {', '.join(others)} and {last}\n".encode()
