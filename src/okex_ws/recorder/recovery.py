"""Recovery: rows that are in a journal and not in the tables: a dead recorder's, or those that a running one has forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from okex_ws.events import Push
from okex_ws.journal import JournalReader, recover
from okex_ws.replay import Replay
from okex_ws.store.ledger import Manifest
from okex_ws.store.status_rows import last_status_record
from okex_ws.store.writer import TableBatch, TableWriter

_CHANNELS = {"trades": "trades", "single_trades": "trades-all"}


def last_trades(folder: Path, recorder: str) -> dict[str, dict[str, int]]:
    """Return the last trade ids that other recorders stored on the latest day, by channel and instrument."""
    manifest = Manifest(folder)
    manifest.refresh()
    latest: dict[tuple[str, str], tuple[str, int]] = {}
    for file in (*manifest.files, *manifest.gone):
        if file.table in _CHANNELS and file.recorder != recorder:
            place = _CHANNELS[file.table], unquote(file.partition.rpartition("=")[2])
            latest[place] = max(latest.get(place, ("", 0)), (file.date, file.high))
    known: dict[str, dict[str, int]] = {}
    for (channel, instrument), (_, last) in latest.items():
        known.setdefault(channel, {})[instrument] = last
    return known


def recover_tables(folder: Path, journal: Path, now: int, *, is_wanted: Callable[[], bool] = lambda: True) -> int:
    """Replay one recorder's journal and commit what its tables lack; returns the rows added. Doing it twice adds nothing.

    Lines are known only from their beginning, or from a checkpoint: the journal is replayed from the last one whose rows are all
    in the tables, and what is committed already is passed over. Records that are missing are not committed with those around
    them; behind them rows are taken from the frames alone, and no news that the recorder may have written down itself.
    is_wanted: turns false when it is to end before all is there; the next one goes on from where it came to.
    """
    tables = TableWriter(folder, journal.name)
    try:
        return _fill(tables, journal, now, is_wanted=is_wanted) if recover(journal).last > tables.committed else 0
    finally:
        tables.close()


class Refill(TableBatch):
    """Rows of the running recorder that its tables dropped for lack of memory, read again from its journal.

    through: how far that is acknowledged. is_wanted: turns false when it is to end before all is there.
    """

    def __init__(self, tables: TableWriter, journal: Path, *, through: int, is_wanted: Callable[[], bool]) -> None:
        super().__init__(tables, min(through, tables.forgotten), {}, [])
        self._journal, self._is_wanted = journal, is_wanted

    def store(self, now: int) -> None:
        """Store the batch. Raises JournalError, too."""
        tables = self._writer.again()
        try:
            _fill(tables, self._journal, now, through=self._through, is_wanted=self._is_wanted)
            self.is_stored = True
        finally:
            self.committed = tables.committed


def _fill(
    tables: TableWriter, journal: Path, now: int, *, through: int | None = None, is_wanted: Callable[[], bool] = lambda: True
) -> int:
    replay = Replay()
    last = replay.resume(journal, through=tables.committed)
    told = last_status_record(tables.root, journal.name)
    added = 0
    for record in JournalReader(journal).records(after=last, through=through):
        if not is_wanted():
            break
        if record.n > max(last, tables.committed) + 1:
            tables.flush(now, last)
            tables.committed = record.n - 1  # no commit claims to have the rows of what is not there
        elif tables.is_full:
            tables.flush(now, last)
        last = record.n
        for i, event in enumerate(replay.feed(record)):
            if not replay.is_exact and last <= told and not isinstance(event, Push):
                continue
            added += last > tables.committed
            tables.add(event, last, i)
    tables.flush(now, last)
    return added
