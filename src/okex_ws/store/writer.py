"""TableWriter: writes one recorder's events to Parquet files; each row exactly once, also after a crash.

Files are written side by side, made durable, and then named together by one line of `ledger/segments.jsonl`: the commit.
Rows reach a file only after their journal record is acknowledged. After a crash the recorder adds the rows after `committed`
again; files without a commit are not part of the store and are removed.

One thread adds rows. Another one may write them: `prepare` here, `store` there, `settle` here again.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from okex_ws.events import Event, Push
from okex_ws.protocol.pacing import Backoff
from okex_ws.store import parquet
from okex_ws.store.folder import DAY, LEDGER, StoreError, partition, table_files
from okex_ws.store.ledger import Commit, File, Ledger, Manifest, recorder_of
from okex_ws.store.status_rows import GAPS, ledger_of, status_line
from okex_ws.store.storage import OsStorage, Storage, publish, remove
from okex_ws.store.tables import Table, event_ns, table_of

CHUNK = 1000
"""Rows kept as Python values before they become columns: few enough to stay in the processor's cache."""

_SECOND = 1_000_000_000
_Key = tuple[type[Event], str, int]
_Line = tuple[int, str, bytes]
"""A status event not yet written: journal record, ledger, line."""
_RETRY_S = (1.0, 30.0)
"""First and largest pause after a failed write: each attempt encodes all waiting rows."""


class _ColumnBatch(NamedTuple):
    """Rows as columns. first, last: their journal records."""

    first: int
    last: int
    columns: Any


class _Part:
    """Waiting rows of one table, instrument and day, in the order of their journal records.

    The end of a batch is known without reading its columns: each read would make the writing thread wait for the interpreter
    lock.
    """

    __slots__ = ("batches", "day", "indexes", "instrument", "kept", "ns", "table", "times")

    def __init__(self, table: Table, instrument: str, day: int) -> None:
        self.table, self.instrument, self.day = table, instrument, day
        self.kept: list[tuple[Any, ...]] = []
        self.times: list[int] = []
        self.ns: list[int] = []
        self.indexes: list[int] = []
        self.batches: list[_ColumnBatch] = []

    def seal(self, recorder: str) -> int:
        """Convert the rows to columns; returns their size in bytes."""
        if not self.kept:
            return 0
        columns = self.table.batch(self.kept, self.instrument, self.times, self.ns, self.indexes, recorder)
        self.batches.append(_ColumnBatch(self.ns[0], self.ns[-1], columns))
        self.kept, self.times, self.ns, self.indexes = [], [], [], []
        return int(columns.nbytes)

    @property
    def rows(self) -> int:
        return len(self.kept) + sum(int(batch.columns.num_rows) for batch in self.batches)

    @property
    def oldest(self) -> int:
        """Receive time of the first row."""
        return int(self.batches[0].columns["ts_recv"][0].as_py() if self.batches else self.kept[0][0])

    def split(self, through: int, recorder: str) -> None:
        """Split the batch that continues beyond journal record `through`."""
        self.seal(recorder)
        for place, (first, last, columns) in enumerate(self.batches):
            if first <= through < last:
                is_due = pc.less_equal(columns["n"], through)
                rest = columns.filter(pc.invert(is_due))
                due = _ColumnBatch(first, through, columns.filter(is_due))
                self.batches[place : place + 1] = [due, _ColumnBatch(through + 1, last, rest)]
                return

    def due(self, through: int) -> Any:
        """Return the rows of journal records up to `through` as a pyarrow Table; call `split` first."""
        return pa.Table.from_batches([batch.columns for batch in self.batches if batch.last <= through], self.table.schema)

    def drop(self, through: int, recorder: str) -> None:
        """Drop rows of journal records up to `through`."""
        self.split(through, recorder)
        self.batches = [batch for batch in self.batches if batch.last > through]


class TableWriter:
    """Collects one recorder's rows and writes them in batches. `prepare` the folder first, and hold its lock.

    rows_per_file: buffered rows, over all tables, at which a flush is due; flush_s: seconds after which it is due anyway.
    buffer_bytes: maximum size of waiting rows; beyond it all are dropped, since the journal has them, and `is_behind`.
    committed: the highest journal record whose rows are all in the tables; rows: number of waiting rows; skipped: rows added
    again although committed. After an OSError of a flush all rows still wait: flush again, or replace the writer and replay the
    journal after `committed` into the new one.
    """

    def __init__(
        self,
        root: Path | str,
        recorder: str,
        *,
        storage: Storage | None = None,
        rows_per_file: int = 50_000,
        flush_s: float = 30.0,
        buffer_bytes: int = 256 << 20,
    ) -> None:
        if not re.fullmatch(r"\w[\w.\-]{0,63}", recorder, re.ASCII):
            raise StoreError(f"{recorder!r} cannot name a recorder: letters, digits, dots, dashes, at most 64")
        self.root = Path(root).absolute()
        self.recorder = recorder
        self.rows_per_file = rows_per_file
        self.buffer_bytes = buffer_bytes
        self.rows = 0
        self.skipped = 0
        self.forgotten = 0
        self._flush_ns = int(flush_s * _SECOND)
        self._storage = storage or OsStorage()
        self._parts: dict[_Key, _Part] = {}
        self._lines: list[_Line] = []
        self._batch: TableBatch | None = None
        self._bytes = 0
        self._oldest: int | None = None
        self._flushed_at = 0
        self._not_before = 0
        self._backoff = Backoff(*_RETRY_S)
        self._leftovers: set[Path] = set()
        self._status_ledgers = {name: Ledger(self.root / LEDGER / name, self._storage) for name in (GAPS, "connections.jsonl")}
        self._commits = Ledger(self.root / LEDGER / "segments.jsonl", self._storage)
        self._manifest = Manifest(self.root)
        self._manifest.refresh()
        self.committed = self._manifest.committed(recorder)
        self._remove_orphans()

    # -- adding rows -----------------------------------------------------------------------------------------------------

    def add(self, event: Event, n: int, i: int) -> None:
        """Add one event: n is its journal record, i its index among that record's events.

        Every event of a record must be added before a flush that acknowledges the record.
        """
        if n <= self.committed or n <= self.forgotten:
            self.skipped += 1
            return
        kind = type(event)
        if isinstance(event, Push):
            time = event_ns(event)
            key = (kind, getattr(event, "instrument", ""), time // DAY)
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = _Part(table_of(kind), key[1], key[2])
            part.kept.append(part.table.keep(event))
            part.times.append(time)
            part.ns.append(n)
            part.indexes.append(i)
            self.rows += 1
            if len(part.kept) >= CHUNK:
                self._bytes += part.seal(self.recorder)
        else:
            line = status_line(event, self.recorder, n, i)
            self._lines.append((n, ledger_of(kind), line))
            self._bytes += len(line)
        if self._oldest is None:
            self._oldest = event.ts_recv
        if self._bytes > self.buffer_bytes:
            self.forgotten = n
            self._parts, self._lines, self.rows, self._bytes, self._oldest = {}, [], 0, 0, None

    @property
    def is_full(self) -> bool:
        """True if enough rows wait for a flush to be due at once."""
        return self.rows >= self.rows_per_file or self._bytes >= self.buffer_bytes // 4

    @property
    def is_behind(self) -> bool:
        """True if rows up to `forgotten` were dropped: the journal must be replayed into a writer `again`."""
        return self.forgotten > self.committed

    def again(self) -> TableWriter:
        """Return another writer for the dropped rows. While it is in use, this one writes no rows."""
        other = TableWriter(self.root, self.recorder, storage=self._storage, rows_per_file=self.rows_per_file)
        # The ledgers are shared: the result of their last writes may be unknown.
        other._status_ledgers, other._commits = self._status_ledgers, self._commits
        return other

    def deadline(self) -> int | None:
        """Return the time when `flush` is due, ns; 0 is at once; None if nothing waits. After a failure: the time of the next
        attempt.
        """
        if self.is_behind:
            return self._not_before
        if self._oldest is None:
            return None
        due = 0 if self.is_full else max(self._oldest, self._flushed_at) + self._flush_ns
        return max(due, self._not_before)

    # -- writing rows ----------------------------------------------------------------------------------------------------

    def flush_status(self, now: int, acknowledged: int) -> None:
        """Write the ledger lines (gaps, connections) of records up to `acknowledged`: cheap, due with every journal flush.

        Raises OSError; the lines are then written again, and readers drop the repetitions by (recorder, n, i).
        """
        if now < self._not_before:
            return
        try:
            self._append_status(self._lines, acknowledged)
        except OSError:
            self._delay_retry(now)
            raise
        self._bytes -= sum(len(line) for n, _, line in self._lines if n <= acknowledged)
        self._lines = [line for line in self._lines if line[0] > acknowledged]

    def flush(self, now: int, acknowledged: int) -> int:
        """Write and commit all rows of journal records up to `acknowledged`; returns `committed`. Raises OSError."""
        batch = self.prepare(acknowledged)
        if batch is not None:
            try:
                batch.store(now)
            finally:
                self.settle(batch, now)
        return self.committed

    def prepare(self, acknowledged: int) -> TableBatch | None:
        """Hand over the waiting rows to be stored in another thread while rows are added; None if there is nothing to do.

        One batch at a time: `settle` it before the next.
        """
        if self._batch is not None:
            raise RuntimeError("a batch is being stored; settle it first")
        if self.is_behind or (acknowledged <= self.committed and not self._commits.is_uncertain):
            return None
        self._batch = TableBatch(self, acknowledged, self._parts, self._lines)
        self._parts, self._lines, self.rows, self._bytes, self._oldest = {}, [], 0, 0, None
        return self._batch

    def settle(self, batch: TableBatch, now: int) -> int:
        """Take back the rows that `store` did not write; returns `committed`."""
        self._batch = None
        self.committed = batch.committed
        if not self.is_behind:  # otherwise the journal replay returns these rows too
            for part in batch.parts.values():
                self._take_back(part)
            lines = [line for line in batch.lines if line[0] > self.committed]
            self._bytes += sum(len(line) for _, _, line in lines)
            self._lines = lines + self._lines
        if self._parts:
            self._oldest = min(part.oldest for part in self._parts.values())
        elif self._oldest is None and self._lines:
            self._oldest = now
        self._flushed_at = now
        if batch.is_stored:
            self._not_before = 0
            self._backoff.reset()
        else:
            self._delay_retry(now)
        return self.committed

    def _delay_retry(self, now: int) -> None:
        self._not_before = now + int(self._backoff.next_s(1.0) * _SECOND)

    def _take_back(self, part: _Part) -> None:
        key = (part.table.event, part.instrument, part.day)
        part.seal(self.recorder)
        if not part.batches:
            return
        self.rows += part.rows
        self._bytes += sum(batch.columns.nbytes for batch in part.batches)
        since = self._parts.get(key)
        if since is not None:
            part.batches += since.batches
            part.kept, part.times, part.ns, part.indexes = since.kept, since.times, since.ns, since.indexes
        self._parts[key] = part

    def _append_status(self, lines: list[_Line], acknowledged: int) -> None:
        for name, ledger in self._status_ledgers.items():
            due = [line for n, which, line in lines if which == name and n <= acknowledged]
            if due:
                ledger.append(due)

    def close(self) -> None:
        """Close the files; unflushed rows are recovered from the journal."""
        for ledger in (*self._status_ledgers.values(), self._commits):
            ledger.close()

    def _remove_orphans(self) -> None:
        """Remove this recorder's files without a commit, left by a crash before the commit."""
        listed = {file.path for file in self._manifest.files}
        listed.update(path for compaction in self._manifest.compactions.items for path in compaction.removed)
        for path in table_files(self._storage, self.root):
            recorder = recorder_of(path.rpartition("/")[2].removeprefix(".tmp-"))
            if recorder == self.recorder and not path.endswith("-c.parquet") and path not in listed:
                remove(self._storage, self.root / path)


class TableBatch:
    """A batch of rows to store. `store` may run in another thread; then `settle` it with its writer.

    committed: the writer's, after `store`. parts, lines: not yet written (all of them if `store` failed).
    is_stored: True if `store` succeeded.
    """

    def __init__(self, writer: TableWriter, through: int, parts: dict[_Key, _Part], lines: list[_Line]) -> None:
        self._writer = writer
        self._storage = writer._storage
        self._through = through
        self.parts = parts
        self.lines = lines
        self.committed = writer.committed
        self.is_stored = False

    def store(self, now: int) -> None:
        """Write files, sync their folders, then commit. On OSError nothing is committed, or the next attempt finds the commit."""
        try:
            self._store(now)
            self.is_stored = True
        finally:
            if not self._writer._commits.is_uncertain:
                self._tidy_up()

    def _store(self, now: int) -> None:
        writer = self._writer
        self._reload_ledger()
        writer._append_status(self.lines, self._through)
        if self._through <= self.committed:
            return
        for part in self.parts.values():
            part.split(self._through, writer.recorder)
        ready = [(part, part.due(self._through)) for _, part in sorted(self.parts.items(), key=_place)]
        files = [self._write(part, table) for part, table in ready if table.num_rows]
        for folder in sorted({(writer.root / file.path).parent for file in files}):
            self._storage.fsync_dir(folder)
        commit = Commit(writer.recorder, self.committed + 1, self._through, now, files)
        writer._commits.append([msgspec.json.encode(commit)])
        writer._leftovers -= {writer.root / file.path for file in files}
        self._drop(self._through)

    def _tidy_up(self) -> None:
        """Remove files without a commit: a full disk needs the space."""
        for path in sorted(self._writer._leftovers):
            with contextlib.suppress(OSError):
                remove(self._storage, path)
        self._writer._leftovers.clear()

    def _reload_ledger(self) -> None:
        """After a commit with unknown result: repair the ledger and use its content."""
        writer = self._writer
        if not writer._commits.heal():
            return
        manifest = Manifest(writer.root)
        try:
            manifest.refresh()
        except BaseException:
            writer._commits.is_uncertain = True  # its content is not known yet
            raise
        committed = manifest.committed(writer.recorder)
        if committed > self.committed:
            writer._leftovers -= {writer.root / file.path for file in manifest.files}
            self._drop(committed)

    def _drop(self, through: int) -> None:
        """Drop rows up to here: they are committed."""
        for part in self.parts.values():
            part.drop(through, self._writer.recorder)
        self.committed = through

    def _write(self, part: _Part, table: Any) -> File:
        root = self._writer.root
        folder = partition(part.table.name, part.day, part.instrument)
        name = f"{self._writer.recorder}-{self.committed + 1:012d}-{self._through:012d}.parquet"
        table = parquet.without_partition(table)
        content = parquet.encode(table)
        target = root / folder / name
        self._storage.make_folder(target.parent)
        temporary = target.parent / f".tmp-{name}"
        self._writer._leftovers |= {temporary, target}
        publish(self._storage, temporary, target, content)
        self._writer._leftovers.discard(temporary)
        return parquet.describe(f"{folder}/{name}", table, content, has_ids=part.table.has_ids)


def _place(item: tuple[_Key, _Part]) -> tuple[str, str, int]:
    """Return the sort key of a part: the order of writing is the same in every process."""
    (_, instrument, day), part = item
    return part.table.name, instrument, day
