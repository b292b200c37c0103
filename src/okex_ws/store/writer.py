"""TableWriter: one recorder's events → Parquet files, each row there exactly once whatever happens in between.

Files are written beside each other, made durable, and then named together by one line of `ledger/segments.jsonl`: the commit.
Rows reach a file only when the journal record they come from is acknowledged. After a crash the recorder adds again what follows
`committed`; files that no commit names are no part of the store, and are removed.

Adding rows belongs to one thread. Writing them may be left to another: `prepare` here, `store` there, `settle` here again.
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
from okex_ws.store import parquet
from okex_ws.store.folder import DAY, LEDGER, TABLES, StoreError, partition
from okex_ws.store.ledger import Commit, File, Ledger, Manifest, recorder_of
from okex_ws.store.status_rows import GAPS, ledger_of, news_line
from okex_ws.store.storage import OsStorage, Storage, names_in, publish, remove
from okex_ws.store.tables import Table, event_ns, table_of

CHUNK = 1000
"""Rows kept as Python values before they become columns: few enough to be still in the processor's cache then."""

_SECOND = 1_000_000_000
_Key = tuple[type[Event], str, int]
_Line = tuple[int, str, bytes]
"""News not yet written: journal record, ledger, line."""
_PAUSES = tuple(seconds * _SECOND for seconds in (1, 2, 4, 8, 16, 30))
"""Before a failed write is tried again, ns; the last one from then on: each try encodes all that waits."""


class _Sealed(NamedTuple):
    """Rows as columns. first, last: the journal records they are from."""

    first: int
    last: int
    columns: Any


class _Part:
    """Rows of one table, instrument and day that wait to be written, in the order of their journal records.

    Where a batch ends is known without looking into it: whoever writes has to wait for the interpreter at every look.
    """

    __slots__ = ("batches", "day", "indexes", "instrument", "kept", "ns", "table", "times")

    def __init__(self, table: Table, instrument: str, day: int) -> None:
        self.table, self.instrument, self.day = table, instrument, day
        self.kept: list[tuple[Any, ...]] = []
        self.times: list[int] = []
        self.ns: list[int] = []
        self.indexes: list[int] = []
        self.batches: list[_Sealed] = []

    def seal(self, recorder: str) -> int:
        """Turn the rows into columns; returns the bytes they take."""
        if not self.kept:
            return 0
        columns = self.table.batch(self.kept, self.instrument, self.times, self.ns, self.indexes, recorder)
        self.batches.append(_Sealed(self.ns[0], self.ns[-1], columns))
        self.kept, self.times, self.ns, self.indexes = [], [], [], []
        return int(columns.nbytes)

    @property
    def rows(self) -> int:
        return len(self.kept) + sum(int(batch.columns.num_rows) for batch in self.batches)

    @property
    def oldest(self) -> int:
        """When the first of them was received."""
        return int(self.batches[0].columns["ts_recv"][0].as_py() if self.batches else self.kept[0][0])

    def split(self, through: int, recorder: str) -> None:
        """Let a batch end with journal record `through`, if one goes on beyond it."""
        self.seal(recorder)
        for place, (first, last, columns) in enumerate(self.batches):
            if first <= through < last:
                is_due = pc.less_equal(columns["n"], through)
                rest = columns.filter(pc.invert(is_due))
                due = _Sealed(first, through, columns.filter(is_due))
                self.batches[place : place + 1] = [due, _Sealed(through + 1, last, rest)]
                return

    def due(self, through: int) -> Any:
        """Rows of journal records up to `through`, as a pyarrow Table; `split` there first."""
        return pa.Table.from_batches([batch.columns for batch in self.batches if batch.last <= through], self.table.schema)

    def drop(self, through: int, recorder: str) -> None:
        """Forget rows of journal records up to `through`."""
        self.split(through, recorder)
        self.batches = [batch for batch in self.batches if batch.last > through]


class TableWriter:
    """Collects one recorder's rows and writes them by batches. `prepare` the folder first, and hold its lock.

    rows_per_file: buffered rows, over all tables, at which a flush is due; flush_s: seconds after which it is due anyway.
    buffer_bytes: how much may wait; beyond that it is all forgotten, as the journal has it, and `is_behind`.
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
        self._failures = self._not_before = 0
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
            line = news_line(event, self.recorder, n, i)
            self._lines.append((n, ledger_of(kind), line))
            self._bytes += len(line)
        if self._oldest is None:
            self._oldest = event.ts_recv
        if self._bytes > self.buffer_bytes:
            self.forgotten = n
            self._parts, self._lines, self.rows, self._bytes, self._oldest = {}, [], 0, 0, None

    @property
    def is_full(self) -> bool:
        """Enough is waiting for a flush to be due at once."""
        return self.rows >= self.rows_per_file or self._bytes >= self.buffer_bytes // 4

    @property
    def is_behind(self) -> bool:
        """Rows of journal records up to `forgotten` are no longer here: the journal is to be replayed into a writer `again`."""
        return self.forgotten > self.committed

    def again(self) -> TableWriter:
        """A further writer for what was forgotten. While it is at work, this one writes no rows."""
        other = TableWriter(self.root, self.recorder, storage=self._storage, rows_per_file=self.rows_per_file)
        other._news, other._commits = self._news, self._commits  # what became of their last lines may be in doubt
        return other

    def deadline(self) -> int | None:
        """When `flush` is due, ns; 0 is at once; None while nothing waits. After a failure: when to try again."""
        if self.is_behind:
            return self._not_before
        if self._oldest is None:
            return None
        due = 0 if self.is_full else max(self._oldest, self._flushed_at) + self._flush_ns
        return max(due, self._not_before)

    # -- writing rows ----------------------------------------------------------------------------------------------------

    def flush_news(self, now: int, acknowledged: int) -> None:
        """Write the ledger lines (gaps, connections) of records up to `acknowledged`: cheap, due whenever the journal's is.

        Raises OSError; the lines are then written again, readers know them by (recorder, n, i).
        """
        if now < self._not_before:
            return
        try:
            self._append_news(self._lines, acknowledged)
        except OSError:
            self._put_off(now)
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
        """Hand over what waits, to be stored in another thread while rows are added; None when nothing is to be done.

        One batch at a time: `settle` it before the next.
        """
        if self._batch is not None:
            raise RuntimeError("a batch is under way: settle it first")
        if self.is_behind or (acknowledged <= self.committed and not self._commits.is_suspect):
            return None
        self._batch = TableBatch(self, acknowledged, self._parts, self._lines)
        self._parts, self._lines, self.rows, self._bytes, self._oldest = {}, [], 0, 0, None
        return self._batch

    def settle(self, batch: TableBatch, now: int) -> int:
        """Take back what `store` did not write; returns `committed`."""
        self._batch = None
        self.committed = batch.committed
        if not self.is_behind:  # else the journal gives back these too
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
            self._failures = self._not_before = 0
        else:
            self._put_off(now)
        return self.committed

    def _put_off(self, now: int) -> None:
        self._not_before = now + _PAUSES[min(self._failures, len(_PAUSES) - 1)]
        self._failures += 1

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

    def _append_news(self, lines: list[_Line], acknowledged: int) -> None:
        for name, ledger in self._news.items():
            due = [line for n, which, line in lines if which == name and n <= acknowledged]
            if due:
                ledger.append(due)

    def close(self) -> None:
        """Let go of the files; what was not flushed comes again from the journal."""
        for ledger in (*self._news.values(), self._commits):
            ledger.close()

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


class TableBatch:
    """Rows on their way to the disk. `store` may run in another thread; then `settle` it with its writer.

    committed: the writer's, after `store`. parts, lines: what is not written (all of it when `store` failed).
    is_stored: it did not fail.
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
        """Files, their folders, then the commit. Raises OSError: nothing is committed then, or it is found out the next time."""
        try:
            self._store(now)
            self.is_stored = True
        finally:
            if not self._writer._commits.is_suspect:
                self._tidy_up()

    def _store(self, now: int) -> None:
        writer = self._writer
        self._believe_ledger()
        writer._append_news(self.lines, self._through)
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
        """Remove what no commit names: a full disk needs the room."""
        for path in sorted(self._writer._leftovers):
            with contextlib.suppress(OSError):
                remove(self._storage, path)
        self._writer._leftovers.clear()

    def _believe_ledger(self) -> None:
        """After a commit line of unknown fate: make the ledger whole, and go by what it says."""
        writer = self._writer
        if not writer._commits.heal():
            return
        manifest = Manifest(writer.root)
        try:
            manifest.refresh()
        except BaseException:
            writer._commits.is_suspect = True  # what it says is not known yet
            raise
        committed = manifest.committed(writer.recorder)
        if committed > self.committed:
            writer._leftovers -= {writer.root / file.path for file in manifest.files}
            self._drop(committed)

    def _drop(self, through: int) -> None:
        """Rows up to here are committed."""
        for part in self.parts.values():
            part.drop(through, self._writer.recorder)
        self.committed = through

    def _write(self, part: _Part, table: Any) -> File:
        root = self._writer.root
        folder = partition(part.table.name, part.day, part.instrument)
        name = f"{self._writer.recorder}-{self.committed + 1:012d}-{self._through:012d}.parquet"
        content = parquet.encode(table)
        target = root / folder / name
        self._storage.make_folder(target.parent)
        temporary = target.parent / f".tmp-{name}"
        self._writer._leftovers |= {temporary, target}
        publish(self._storage, temporary, target, content)
        self._writer._leftovers.discard(temporary)
        return parquet.describe(f"{folder}/{name}", table, content, has_ids=part.table.has_ids)


def _place(item: tuple[_Key, _Part]) -> tuple[str, str, int]:
    """Order of writing, the same in every process."""
    (_, instrument, day), part = item
    return part.table.name, instrument, day
