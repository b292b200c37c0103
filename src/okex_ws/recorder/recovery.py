"""Recovery: rows that are in a dead recorder's journal and not in the tables."""

from __future__ import annotations

from pathlib import Path

from okex_ws.events import Push
from okex_ws.journal import JournalReader, recover
from okex_ws.replay import Replay
from okex_ws.store.news import last_told
from okex_ws.store.writer import TableWriter


def recover_tables(folder: Path, journal: Path, now: int) -> int:
    """Replay one recorder's journal and commit what its tables lack; returns the rows added. Doing it twice adds nothing.

    Lines are known only from their beginning, or from a checkpoint: the journal is replayed from the last one whose rows are all
    in the tables, and what is committed already is passed over. Records that are missing are not committed with those around
    them; behind them rows are taken from the frames alone, and no news that the recorder may have written down itself.
    """
    tables = TableWriter(folder, journal.name)
    try:
        if recover(journal).last <= tables.committed:
            return 0
        replay = Replay()
        last = replay.resume(journal, through=tables.committed)
        told = last_told(folder, journal.name)
        added = 0
        for record in JournalReader(journal).records(after=last):
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
    finally:
        tables.close()
