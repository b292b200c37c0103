"""StatusRows: status events as ledger lines and table rows, in `gaps` or in `connections`.

The column `event` is the class: Gap, Recovered, Unrecoverable in `gaps`; every other one in `connections`.
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
    """Return the ledger of a status event class."""
    return GAPS if kind.__name__ in _GAP_CLASSES else CONNECTIONS


def status_line(event: Event, recorder: str, n: int, i: int) -> bytes:
    """Return one status event as a ledger line, in our field names. Raw frames are left out: the journal has them."""
    line: dict[str, Any] = {"recorder": recorder, "n": n, "i": i, "event": type(event).__name__}
    for name in type(event).__struct_fields__:
        value = getattr(event, name)
        if not isinstance(value, bytes):
            line[name] = value
    return msgspec.json.encode(line)


class StatusRows:
    """Rows of one status ledger: each event once, even if its line was written several times."""

    def __init__(self, root: Path, name: str, schema: Any) -> None:
        self.name = name
        self._lines = LedgerLines[dict[str, Any]](root / LEDGER / name, dict[str, Any])
        self._schema = schema
        self.rows: list[dict[str, Any]] = []

    @property
    def damaged(self) -> int:
        """Number of unreadable lines."""
        return self._lines.damaged

    def refresh(self) -> bool:
        """Read new lines; returns True if there are any."""
        if not self._lines.refresh():
            return False
        unique = {(row.get("recorder"), row.get("n"), row.get("i")): row for row in self._lines.items}
        self.rows = list(unique.values())
        return True

    def columns(self) -> list[dict[str, Any]]:
        """Return rows in the columns of the table; fields of a connection without a column go to `detail` as JSON."""
        names = [name for name in self._schema.names if name != "detail" or self._schema is GAP_SCHEMA]
        rows = []
        for row in self.rows:
            out = {name: _fit(row.get(name), self._schema.field(name).type) for name in names}
            if self._schema is CONNECTION_SCHEMA:
                rest = {key: value for key, value in row.items() if key not in names}
                out["detail"] = msgspec.json.encode(rest).decode() if rest else None
            rows.append(out)
        return rows


def last_status_record(root: Path, recorder: str) -> int:
    """Return the last journal record of a recorder with a line in a status ledger; 0 if there is none."""
    ledgers = StatusRows(root, GAPS, GAP_SCHEMA), StatusRows(root, CONNECTIONS, CONNECTION_SCHEMA)
    for ledger in ledgers:
        ledger.refresh()
    return max((row["n"] for ledger in ledgers for row in ledger.rows if row.get("recorder") == recorder), default=0)


def segment_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    """Return commits as rows of the table `segments`."""
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
