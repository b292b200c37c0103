"""StatusRows: status events as ledger lines and table rows, in `gaps` or in `connections`.

The column `event` is the class: Gap, Recovered, Unrecoverable in `gaps`; every other one in `connections`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from okex_ws.events import Event
from okex_ws.journal.redaction import without_secrets
from okex_ws.store.folder import LEDGER
from okex_ws.store.ledger import Commit, LedgerLines

GAPS = "gaps.jsonl"
CONNECTIONS = "connections.jsonl"

_GAP_CLASSES = ("Gap", "Recovered", "Unrecoverable")


def _schema(columns: str) -> Any:
    """Return the schema of columns by name: texts, and int64 where marked with #."""
    return pa.schema([(name.rstrip("#"), pa.int64() if name.endswith("#") else pa.string()) for name in columns.split()])


_PLACE = "recorder n# i# event ts_recv#"
GAP_SCHEMA = _schema(
    f"{_PLACE} line channel instrument cause first_id# last_id# last_sequence# next_sequence# since# until# count# reason detail"
)
CONNECTION_SCHEMA = _schema(
    f"{_PLACE} line connection# channel key code reason cause since# last_sequence# next_sequence# detail"
)
SEGMENT_SCHEMA = _schema("recorder first# through# ts# files# rows# bytes#")


def ledger_of(kind: type[Event]) -> str:
    """Return the ledger of a status event class."""
    return GAPS if kind.__name__ in _GAP_CLASSES else CONNECTIONS


def status_line(event: Event, recorder: str, n: int, i: int) -> bytes:
    """Return one status event as a ledger line, in our field names.

    Raw frames are left out: the journal has them. Secrets are redacted as in the journal, so that a replay says the same.
    """
    line: dict[str, Any] = {"recorder": recorder, "n": n, "i": i, "event": type(event).__name__}
    for name in type(event).__struct_fields__:
        value = getattr(event, name)
        if not isinstance(value, bytes):
            line[name] = without_secrets(value) if isinstance(value, str) else value
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
