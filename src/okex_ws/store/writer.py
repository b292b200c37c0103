"""TableWriter: one recorder's events → Parquet files, each row there exactly once whatever happens in between.

Files are written beside each other, made durable, and then named together by one line of `ledger/segments.jsonl`: the commit.
Rows reach a file only when the journal record they come from is acknowledged. After a crash the recorder adds again what follows
`committed`; files that no commit names are no part of the store, and are removed.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from okex_ws.events import Event, Push
from okex_ws.store import parquet
from okex_ws.store.folder import DAY, LEDGER, TABLES, StoreError, partition
from okex_ws.store.ledger import Commit, File, Ledger, Manifest, recorder_of
from okex_ws.store.news import GAPS, ledger_of, news_line
from okex_ws.store.storage import OsStorage, Storage, names_in, publish, remove
from okex_ws.store.tables import Table, event_ns, table_of

CHUNK = 200
"""Events kept as objects before they become columns: few enough to be still in the processor's cache then."""

_SECOND = 1_000_000_000
_LARGEST_BUFFER = 256 << 20


class _Part:
    """Rows of one table, instrument and day that wait to be written."""

    __slots__ = ("batches", "day", "events", "indexes", "instrument", "ns", "table")

    def __init__(self, table: Table, instrument: str, day: int) -> None:
        self.table, self.instrument, self.day = table, instrument, day
        self.events: list[Event] = []
        self.ns: list[int] = []
        self.indexes: list[int] = []
        self.batches: list[Any] = []

    def seal(self, recorder: str) -> int:
        """Turn the events into columns; returns the bytes they take."""
        if not self.events:
            return 0
        batch = self.table.batch(self.events, self.ns, self.indexes, recorder)
        self.events, self.ns, self.indexes = [], [], []
        self.batches.append(batch)
        return int(batch.nbytes)


class TableWriter:
    """Collects one recorder's rows and writes them by batches. `prepare` the folder first, and hold its lock.

    rows_per_file: buffered rows, over all tables, at which a flush is due; flush_s: seconds after which it is due anyway.
    committed: the highest journal record whose rows are all in the tables; rows: how many are waiting; skipped: rows added
    again although they are committed. OSError of a flush leaves all rows waiting: flush again, or give the writer up and
    replay the journal after `committed` into a new one.
    """

    def __init__(
        self,
        root: Path | str,
        recorder: str,
        *,
        storage: Storage | None = None,
        rows_per_file: int = 50_000,
        flush_s: float = 30.0,
    ) -> None:
        if not re.fullmatch(r"\w[\w.\-]{0,63}", recorder, re.ASCII):
            raise StoreError(f"{recorder!r} cannot name a recorder: letters, digits, dots, dashes, at most 64")
        self.root = Path(root).absolute()
        self.recorder = recorder
        self.rows_per_file = rows_per_file
        self.rows = 0
        self.skipped = 0
        self._flush_ns = int(flush_s * _SECOND)
        self._storage = storage or OsStorage()
        self._parts: dict[tuple[type[Event], str, int], _Part] = {}
        self._lines: list[tuple[int, str, bytes]] = []  # (n, ledger, line) of news not yet written
        self._bytes = 0
        self._oldest: int | None = None
        self._flushed_at = 0
        self._leftovers: set[Path] = set()
        self._news = {name: Ledger(self.root / LEDGER / name, self._storage) for name in (GAPS, "connections.jsonl")}
        self._commits = Ledger(self.root / LEDGER / "segments.jsonl", self._storage)
        self._manifest = Manifest(self.root)
        self._manifest.refresh()
        self.committed = self._manifest.committed(recorder)
        self._remove_orphans()

    # -- taking rows -----------------------------------------------------------------------------------------------------

    def add(self, event: Event, n: int, i: int) -> None:
        """Take one event: n is the journal record it came from, i its place among that record's events.

        Every event of a record has to be added before a flush that acknowledges the record.
        """
        if n <= self.committed:
            self.skipped += 1
            return
        kind = type(event)
        if isinstance(event, Push):
            key = (kind, getattr(event, "instrument", ""), event_ns(event) // DAY)
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = _Part(table_of(kind), key[1], key[2])
            part.events.append(event)
            part.ns.append(n)
            part.indexes.append(i)
            self.rows += 1
            if len(part.events) >= CHUNK:
                self._bytes += part.seal(self.recorder)
        else:
            self._lines.append((n, ledger_of(kind), news_line(event, self.recorder, n, i)))
        if self._oldest is None:
            self._oldest = event.ts_recv

    @property
    def is_full(self) -> bool:
        """Enough is waiting for a flush to be due at once."""
        return self.rows >= self.rows_per_file or self._bytes >= _LARGEST_BUFFER

    def deadline(self) -> int | None:
        """When `flush` is due, ns; 0 is at once; None while nothing waits."""
        if self.is_full:
            return 0
        if self._oldest is None:
            return None
        return max(self._oldest, self._flushed_at) + self._flush_ns

    # -- writing rows ----------------------------------------------------------------------------------------------------

    def flush_news(self, acknowledged: int) -> None:
        """Write the ledger lines (gaps, connections) of records up to `acknowledged`: cheap, due whenever the journal's is.

        Raises OSError; the lines are then written again, readers know them by (recorder, n, i).
        """
        for name, ledger in self._news.items():
            due = [line for n, which, line in self._lines if which == name and n <= acknowledged]
            if due:
                ledger.append(due)
                self._lines = [item for item in self._lines if item[1] != name or item[0] > acknowledged]

    def flush(self, now: int, acknowledged: int) -> int:
        """Write and commit all rows of journal records up to `acknowledged`; returns `committed`. Raises OSError."""
        self._settle()
        self.flush_news(acknowledged)
        if acknowledged <= self.committed:
            return self.committed
        ready, waiting = self._split(acknowledged)
        files = [self._write(part, table, acknowledged) for part, table in ready]
        for folder in sorted({(self.root / file.path).parent for file in files}):
            self._storage.fsync_dir(folder)
        if files or acknowledged - self.committed >= 10_000:
            commit = Commit(self.recorder, self.committed + 1, acknowledged, now, files)
            self._commits.append([msgspec.json.encode(commit)])
            self.committed = acknowledged
        self._leftovers -= {self.root / file.path for file in files}
        self._keep(waiting)
        self._flushed_at = now
        for path in sorted(self._leftovers):
            with contextlib.suppress(OSError):
                remove(self._storage, path)
        self._leftovers.clear()
        return self.committed

    def close(self) -> None:
        """Let go of the files; what was not flushed comes again from the journal."""
        for ledger in (*self._news.values(), self._commits):
            ledger.close()

    def _settle(self) -> None:
        """After a commit line of unknown fate: make the ledger whole, and believe what it says."""
        if not self._commits.heal():
            return
        self._manifest.refresh()
        committed = self._manifest.committed(self.recorder)
        if committed > self.committed:
            self.committed = committed
            self._leftovers -= {self.root / file.path for file in self._manifest.files}
            self._keep(self._split(committed)[1])

    def _split(self, through: int) -> tuple[list[tuple[_Part, Any]], list[_Part]]:
        """Rows of records up to `through` as one table per part, and parts with the rest."""
        ready, waiting = [], []
        for _, part in sorted(self._parts.items(), key=lambda item: (item[1].table.name, item[0][1], item[0][2])):
            self._bytes += part.seal(self.recorder)
            due, later = [], []
            for batch in part.batches:
                is_due = pc.less_equal(batch["n"], through)
                if pc.all(is_due).as_py():
                    due.append(batch)
                else:
                    due.append(batch.filter(is_due))
                    later.append(batch.filter(pc.invert(is_due)))
            table = pa.Table.from_batches(due, part.table.schema)
            if table.num_rows:
                ready.append((part, table))
            if later:
                rest = _Part(part.table, part.instrument, part.day)
                rest.batches = later
                waiting.append(rest)
        return ready, waiting

    def _keep(self, parts: list[_Part]) -> None:
        self._parts = {(part.table.event, part.instrument, part.day): part for part in parts}
        batches = [batch for part in parts for batch in part.batches]
        self.rows = sum(batch.num_rows for batch in batches)
        self._bytes = sum(batch.nbytes for batch in batches)
        received = [pc.min(batch["ts_recv"]).as_py() for batch in batches]
        self._oldest = min(received, default=None)

    def _write(self, part: _Part, table: Any, through: int) -> File:
        folder = partition(part.table.name, part.day, part.instrument)
        name = f"{self.recorder}-{self.committed + 1:012d}-{through:012d}.parquet"
        content = parquet.encode(table)
        target = self.root / folder / name
        self._storage.make_folder(target.parent)
        temporary = target.parent / f".tmp-{name}"
        self._leftovers |= {temporary, target}
        publish(self._storage, temporary, target, content)
        self._leftovers.discard(temporary)
        return parquet.describe(f"{folder}/{name}", table, content, has_ids=part.table.has_ids)

    def _remove_orphans(self) -> None:
        """Files of this recorder that no commit names: a crash came between their writing and the commit."""
        listed = {file.path for file in self._manifest.files}
        listed.update(path for compaction in self._manifest.compactions.items for path in compaction.removed)
        base = self.root / TABLES
        for table in names_in(self._storage, base):
            for date in names_in(self._storage, base / table):
                for instrument in names_in(self._storage, base / table / date):
                    folder = base / table / date / instrument
                    for name in names_in(self._storage, folder):
                        is_own = recorder_of(name.removeprefix(".tmp-")) == self.recorder and not name.endswith("-c.parquet")
                        if is_own and f"{TABLES}/{table}/{date}/{instrument}/{name}" not in listed:
                            remove(self._storage, folder / name)
