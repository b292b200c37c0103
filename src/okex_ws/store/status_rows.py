"""StatusRows: status events as ledger lines and as table rows: gaps in one table, connections and the rest in another.

`event` is the class: in `gaps` Gap, Recovered, Unrecoverable; in `connections` every other one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from okex_ws.events import Event
from okex_ws.store.folder import LEDGER
from okex_ws.store.ledger import Commit, LedgerLines

GAPS = "gaps.jsonl"
CONNECTIONS = "connections.jsonl"

_GAP_CLASSES = ("Gap", "Recovered", "Unrecoverable")
_WHERE = [("recorder", pa.string()), ("n", pa.int64()), ("i", pa.int64()), ("event", pa.string()), ("ts_recv", pa.int64())]

GAP_SCHEMA = pa.schema(
    [
        *_WHERE,
        ("line", pa.string()),
        ("channel", pa.string()),
        ("instrument", pa.string()),
        ("cause", pa.string()),
        ("first_id", pa.int64()),
        ("last_id", pa.int64()),
        ("last_sequence", pa.int64()),
        ("next_sequence", pa.int64()),
        ("since", pa.int64()),
        ("until", pa.int64()),
        ("count", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
CONNECTION_SCHEMA = pa.schema(
    [
        *_WHERE,
        ("line", pa.string()),
        ("connection", pa.int64()),
        ("channel", pa.string()),
        ("key", pa.string()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("cause", pa.string()),
        ("since", pa.int64()),
        ("last_sequence", pa.int64()),
        ("next_sequence", pa.int64()),
        ("detail", pa.string()),
    ]
)
SEGMENT_SCHEMA = pa.schema(
    [
        ("recorder", pa.string()),
        ("first", pa.int64()),
        ("through", pa.int64()),
        ("ts", pa.int64()),
        ("files", pa.int64()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
    ]
)


def ledger_of(kind: type[Event]) -> str:
    """The ledger a class of news belongs to."""
    return GAPS if kind.__name__ in _GAP_CLASSES else CONNECTIONS


def news_line(event: Event, recorder: str, n: int, i: int) -> bytes:
    """One event as a ledger line, by our names. Raw frames are left out: the journal has them."""
    line: dict[str, Any] = {"recorder": recorder, "n": n, "i": i, "event": type(event).__name__}
    for name in type(event).__struct_fields__:
        value = getattr(event, name)
        if not isinstance(value, bytes):
            line[name] = value
    return msgspec.json.encode(line)


class StatusRows:
    """One ledger of news, read back: each event once, however often its line was written."""

    def __init__(self, root: Path, name: str, schema: Any) -> None:
        self.name = name
        self._lines = LedgerLines[dict[str, Any]](root / LEDGER / name, dict[str, Any])
        self._schema = schema
        self.rows: list[dict[str, Any]] = []

    @property
    def damaged(self) -> int:
        """LedgerLines that cannot be read."""
        return self._lines.damaged

    def refresh(self) -> bool:
        """Returns whether anything was new."""
        if not self._lines.refresh():
            return False
        unique = {(row.get("recorder"), row.get("n"), row.get("i")): row for row in self._lines.items}
        self.rows = list(unique.values())
        return True

    def columns(self) -> list[dict[str, Any]]:
        """Rows in the columns of the table; what of a connection has no column of its own is JSON in `detail`."""
        names = [name for name in self._schema.names if name != "detail" or self._schema is GAP_SCHEMA]
        rows = []
        for row in self.rows:
            out = {name: _fit(row.get(name), self._schema.field(name).type) for name in names}
            if self._schema is CONNECTION_SCHEMA:
                rest = {key: value for key, value in row.items() if key not in names}
                out["detail"] = msgspec.json.encode(rest).decode() if rest else None
            rows.append(out)
        return rows


def last_told(root: Path, recorder: str) -> int:
    """The last journal record of a recorder of which there is a line in a ledger; 0 when there is none."""
    ledgers = StatusRows(root, GAPS, GAP_SCHEMA), StatusRows(root, CONNECTIONS, CONNECTION_SCHEMA)
    for ledger in ledgers:
        ledger.refresh()
    return max((row["n"] for ledger in ledgers for row in ledger.rows if row.get("recorder") == recorder), default=0)


def segment_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    """Commits as rows of the table `segments`."""
    return [
        {
            "recorder": commit.recorder,
            "first": commit.first,
            "through": commit.through,
            "ts": commit.ts,
            "files": len(commit.files),
            "rows": sum(file.rows for file in commit.files),
            "bytes": sum(file.size for file in commit.files),
        }
        for commit in commits
    ]


def _fit(value: Any, form: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_string(form):
        return value if isinstance(value, str) else str(value)
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None
