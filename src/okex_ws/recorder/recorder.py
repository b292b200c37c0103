"""Recorder: one client's stream on disk: the journal first, tables and sinks from it.

The recorder observes the client's core. Each input gets a number in the journal before the core applies it, so each event has a
place (record, index). A replay of the journal gives it the same place again; that makes tables and sinks exactly-once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import msgspec

from okex_ws import checkpoints
from okex_ws.client.backfill import Backfill
from okex_ws.client.client import Client
from okex_ws.client.clock import Clock
from okex_ws.client.log_throttle import LogThrottle
from okex_ws.core import snapshot
from okex_ws.core.inputs import EarlierRunsKnown
from okex_ws.events import Event, Gap, Push, Trade, Unrecoverable
from okex_ws.journal import INCOMING, Batch, FolderLock, JournalError, JournalWriter
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.recorder.journal_source import JournalSource
from okex_ws.recorder.recovery import Refill, last_trades, recover_tables
from okex_ws.sinks import SinkError, Spool, SpoolStatus, open_sink, spool_name
from okex_ws.store.folder import prepare
from okex_ws.store.ledger import Manifest
from okex_ws.store.writer import TableBatch, TableWriter

log = logging.getLogger("okex_ws.recorder")

HEARTBEAT_S = 1.0
CLOSE_WITHIN_S = 5.0
LOOK_AGAIN = 100_000_000
"""Longest time, ns, that a busy loop may pass without a look at the disk; then the next frame looks."""


class RecorderStatus(msgspec.Struct, frozen=True):
    """State of a recorder at `now`. Times are ns, sizes bytes; counters are totals, so rates follow from two of these."""

    now: int
    frames: int
    events: int
    rows: int
    trades: int
    gaps: int
    unrecoverable: int
    backfilled: int
    connections: int
    lag: int
    acknowledged: int
    last: int
    committed: int
    buffered: int
    disk_errors: int
    last_error: str
    sinks: tuple[SpoolStatus, ...]


class Recorder:
    """Records the inputs and events of a client. Use it as an async context manager, subscribe through `client`, then `run`.

    folder: data folder, made if it does not exist, locked while recording. sinks: URLs of further targets. fetches_back: True to
    fill gaps over REST, which V1 and V3 do not have; since: time, ns UTC, from which on trades are fetched at the start.
    flush_within_s: longest time until a record is safely on disk. options: of Client.
    Raises StoreError, LockedError, SinkError, JournalError before anything is connected.
    """

    def __init__(
        self,
        folder: Path,
        *,
        make_client: Callable[..., Client] = Client,
        sinks: Sequence[str] = (),
        fetches_back: bool = True,
        since: int | None = None,
        flush_within_s: float = 1.0,
        segment_bytes: int = 128 << 20,
        table_flush_s: float = 30.0,
        checkpoint_s: float = 300.0,
        **options: Any,
    ) -> None:
        self.folder = folder
        self._clock = Clock()
        now = self._clock.now()
        self.targets = [open_sink(url) for url in sinks]  # a wrong URL is an error before a folder is made
        prepare(folder, now=now, software=_software())
        self._lock = FolderLock(folder / "lock")
        self._lock.__enter__()
        try:
            seed = random.SystemRandom().getrandbits(32)
            self.name = f"{now // 1_000_000:x}-{random.SystemRandom().getrandbits(16):04x}"
            self.journal = JournalWriter(
                folder / "journal",
                recorder=self.name,
                software=_software(),
                now=now,
                seed=seed,
                dialect=options.get("dialect", "v5"),
                flush_within_s=flush_within_s,
                segment_bytes=segment_bytes,
            )
            self.tables = TableWriter(folder, self.name, flush_s=table_flush_s)
            self.client = make_client(seed=seed, **options)
            self.client.core.observer = self
            self.client.core.restart = Restart()
            may_ask = fetches_back and self.client.dialect.has_rest
            self.backfill = Backfill(self.client, since=since, seed=seed) if may_ask else None
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        self._n = self._i = 0
        self._failed: str = ""
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._frames = self._rows = self._trades = self._gaps = self._unrecoverable = self._backfilled = 0
        self._lag = 0
        self._disk_errors = 0
        self._troubles: dict[str, LogThrottle] = {}
        self._spools: dict[Spool, asyncio.Task[None]] = {}
        # A thread each: one that has once written tables keeps the memory for it, and the journal's needs none.
        self._to_journal = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._to_tables = ThreadPoolExecutor(1, thread_name_prefix="tables")
        self._storing: tuple[Batch, Future[None]] | None = None
        self._tabling: tuple[TableBatch, Future[None]] | None = None
        self._look_at = 0
        self._latest = now
        self._checkpoint_ns, self._checkpoint_at = int(checkpoint_s * 1e9), now
        self._recovery: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        loop = self._loop = asyncio.get_running_loop()
        for sink in self.targets:
            older = [JournalSource(path, path.name) for path in self._older()]
            live = JournalSource(self.journal.folder, self.name, journal=self.journal)
            spool = Spool(sink, [*older, live], self.folder / "spool" / spool_name(sink.url))
            await spool.check()
            self._spools[spool] = loop.create_task(self._drive(spool))
        self.client.start()
        if self.backfill is not None:
            self.backfill.start()
        self._recovery = loop.create_task(self._recover())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self) -> None:
        """Write within the promised time until `stop`. Raises JournalError when the disk can take no more."""
        while not self._is_stopping and not self._failed:
            self._wake.clear()
            now = self._clock.now()
            with self._noting("heartbeat", now):
                (self.folder / "heartbeat").touch()
                self._note_success("heartbeat")
            self._advance(now)
            # Rows may go to the tables only after the journal, and one batch at a time: both wake us up when they have written.
            has_rows = self._tabling is None and self.journal.acknowledged > self.tables.committed
            due = min(
                (due for due in (self.journal.deadline(), self.tables.deadline() if has_rows else None) if due is not None),
                default=now + int(HEARTBEAT_S * 1e9),
            )
            pause_s = min(HEARTBEAT_S, max(0.01, (due - self._clock.now()) / 1e9))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
        if self._failed:
            raise JournalError(self._failed)

    def stop(self) -> None:
        """End `run`, for example from a signal handler."""
        self._is_stopping = True
        self._wake.set()

    async def close(self) -> None:
        """Hang up, write everything received, give the sinks some seconds to catch up."""
        self._is_stopping = True
        if self._recovery is not None:
            # Its thread writes to the folder: it comes to an end before the lock is let go.
            await asyncio.gather(self._recovery, return_exceptions=True)
        if self.backfill is not None:
            await self.backfill.close()
        await self.client.close()
        await asyncio.to_thread(self._to_journal.shutdown)
        await asyncio.to_thread(self._to_tables.shutdown)
        now = self._clock.now()
        self._take_back(now)
        with self._noting("journal", now):
            self.journal.close(now)
        with self._noting("tables", now):
            self.tables.flush(now, self.journal.acknowledged)
        if self.tables.is_behind:
            log.warning("the tables: %d records are in the journal only; the next recorder brings them in",
                        self.journal.acknowledged - self.tables.committed)  # fmt: skip
        if self._spools:  # each ends when it has delivered the closed journal
            await asyncio.wait(self._spools.values(), timeout=CLOSE_WITHIN_S)
        for spool in self._spools:
            await spool.close()
        self.tables.close()
        self._lock.__exit__(None, None, None)

    # -- from the client -------------------------------------------------------------------------------------------------

    def received(self, now: int, line: str, connection: int, kind: str, text: bytes) -> int:
        """Write an input of the client's core to the journal; return its number."""
        if self._failed:
            return self._n
        if now >= self._look_at and kind in INCOMING:  # the events of all that came before are in the tables
            self._advance(now, is_hurried=True)
        try:
            self._n = self.journal.write(now, line, connection, kind, text)
        except JournalError as error:
            # What cannot be written must not be passed on as recorded: stop, and report it.
            self._failed = f"recording stopped: {error}"
            self.stop()
            return self._n
        self._i = 0
        if now > self._latest:
            self._latest = now
        self._frames += kind in INCOMING
        return self._n

    def emitted(self, number: int, events: list[Event]) -> None:
        """Add the events of a record to the tables."""
        if self._failed:
            return
        for event in events:
            self.tables.add(event, number, self._i)
            self._i += 1
            self._count(event)

    def _count(self, event: Event) -> None:
        if isinstance(event, Push):
            self._rows += 1
            self._backfilled += event.backfilled
            if isinstance(event, Trade):
                self._trades += 1
            if not event.backfilled and event.ts_event:
                self._lag = event.ts_recv - event.ts_event
        elif isinstance(event, Gap):
            self._gaps += 1
        elif isinstance(event, Unrecoverable):
            self._unrecoverable += 1

    # -- to the disk -----------------------------------------------------------------------------------------------------

    def _advance(self, now: int, *, is_hurried: bool = False) -> None:
        """Begin to write what is due, journal first, and settle what is written. Waits for nothing: neither a long turn of the
        loop nor the tables, which take longer, may hold the journal up. A failing disk is an alarm, not the end: records wait in
        bounded memory. is_hurried: called from within a turn, where no line may be looked into and no bug be raised.
        """
        self._look_at = now + LOOK_AGAIN
        self._take_back(now, is_hurried=is_hurried)
        due = self.journal.deadline()
        if self._storing is None and due is not None:
            checkpoint = None if is_hurried else self._checkpoint(now)  # of the very records that are written now
            batch = self.journal.prepare(now) if checkpoint is not None or due <= now else None
            if batch is not None:
                self._storing = batch, self._write(self._to_journal, self._store, batch, checkpoint)
        if self._tabling is not None:
            return
        with self._noting("tables", now):
            self.tables.flush_status(now, self.journal.acknowledged)
        due = self.tables.deadline()
        rows = self._due_rows() if due is not None and due <= now else None
        if rows is not None:
            self._tabling = rows, self._write(self._to_tables, rows.store, now)

    def _due_rows(self) -> TableBatch | None:
        through = self.journal.acknowledged
        if not self.tables.is_behind:
            return self.tables.prepare(through)
        if through <= self.tables.committed:
            return None
        return Refill(self.tables, self.journal.folder, through=through, is_wanted=lambda: not self._is_stopping)

    def _take_back(self, now: int, *, is_hurried: bool = False) -> None:
        if self._storing is not None and _is_over(self._storing[1], is_hurried):
            (batch, written), self._storing = self._storing, None
            with self._noting("journal", now):
                try:
                    written.result()
                finally:
                    self.journal.settle(batch, now)
                self._note_success("journal")
        if self._tabling is not None and _is_over(self._tabling[1], is_hurried):
            (rows, written), self._tabling = self._tabling, None
            with self._noting("tables", now):
                try:
                    written.result()
                finally:
                    self.tables.settle(rows, now)
                self._note_success("tables")

    def _write(self, thread: ThreadPoolExecutor, store: Callable[..., None], *args: Any) -> Future[None]:
        """Write in another thread; wake `run` at the end."""
        written = thread.submit(store, *args)
        written.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._wake.set))
        return written

    def _store(self, batch: Batch, checkpoint: tuple[int, int, bytes] | None) -> None:
        batch.store()
        if checkpoint is not None and batch.is_stored:
            checkpoints.write(self.journal.folder, *checkpoint)

    def _checkpoint(self, now: int) -> tuple[int, int, bytes] | None:
        """Return the last record, the latest receive time and a snapshot of the core, if one is due: a restart resumes there."""
        if abs(now - self._checkpoint_at) < self._checkpoint_ns:
            return None
        self._checkpoint_at = now
        try:
            return self.journal.last, self._latest, snapshot.take(self.client.core)
        except snapshot.SnapshotError as error:
            log.debug("no checkpoint: %s", error)  # a restart takes longer, nothing else
            return None

    async def _drive(self, spool: Spool) -> None:
        try:
            await spool.run()
        except (SinkError, JournalError) as error:
            log.error("%s", error)  # its status shows it; the recorder and the other sinks go on

    async def _recover(self) -> None:
        """Store rows that earlier recorders left in their journals only; then report the gap between their runs and this one."""
        is_whole = True
        for path in self._older():
            try:
                rows = await asyncio.to_thread(
                    recover_tables, self.folder, path, self._clock.now(), is_wanted=lambda: not self._is_stopping
                )
            except (JournalError, OSError, ValueError) as error:
                self._note_failure(f"rows that {path.name} left", error, self._clock.now())
                is_whole = False
            else:
                if rows:
                    log.info("recovered %d rows of recorder %s", rows, path.name)
            if self._is_stopping:
                return

        with self._noting("ends of earlier recorders", self._clock.now()):
            known = await asyncio.to_thread(last_trades, self.folder, self.name)
            if known and is_whole:
                self.client.feed(EarlierRunsKnown(known=known))

    def _older(self) -> list[Path]:
        folder = self.folder / "journal"
        return sorted(path for path in folder.iterdir() if path.is_dir() and path.name != self.name) if folder.is_dir() else []

    @contextlib.contextmanager
    def _noting(self, what: str, now: int) -> Iterator[None]:
        try:
            yield
        except (JournalError, OSError) as error:
            self._note_failure(what, error, now)

    def _note_failure(self, what: str, error: Exception, now: int) -> None:
        """Count a failure; log it when it is new, has changed or has lasted."""
        self._disk_errors += 1
        text = f"the {what}: {error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
        cause = getattr(error, "errno", None) or text  # a journal's text names another file each time
        if self._troubles.setdefault(what, LogThrottle()).fails(cause, text, now):
            log.error("%s", text)

    def _note_success(self, what: str) -> None:
        if self._troubles.pop(what, None) is not None:
            log.info("the %s: written again", what)

    def status(self) -> RecorderStatus:
        """Return the state of the recorder now."""
        return RecorderStatus(
            now=self._clock.now(),
            frames=self._frames,
            events=self.client.event_count,
            rows=self._rows,
            trades=self._trades,
            gaps=self._gaps,
            unrecoverable=self._unrecoverable,
            backfilled=self._backfilled,
            connections=self.client.connection_count,
            lag=self._lag,
            acknowledged=self.journal.acknowledged,
            last=self.journal.last,
            committed=self.tables.committed,
            buffered=self.journal.buffered_bytes,
            disk_errors=self._disk_errors,
            last_error=next((trouble.text for trouble in reversed(self._troubles.values())), ""),
            sinks=tuple(spool.status for spool in self._spools),
        )


def stored_rows(recorder: Recorder) -> int:
    """Return the number of rows of this recorder that the ledger counts in the tables. Raises OSError."""
    manifest = Manifest(recorder.folder)
    manifest.refresh()
    return sum(file.rows for file in manifest.files if file.recorder == recorder.name)


def _is_over(written: Future[None], is_hurried: bool) -> bool:
    return written.done() and not (is_hurried and written.exception())


def _software() -> str:
    return version("okex-websocket")
