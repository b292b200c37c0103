"""Recovery: rows that are in a dead recorder's journal and not in the tables."""

from __future__ import annotations

from pathlib import Path

from okex_ws.journal import JournalReader, recover
from okex_ws.replay import Replay, played
from okex_ws.store.writer import TableWriter


def recover_tables(folder: Path, journal: Path, now: int) -> int:
    """Replay one recorder's journal and commit what its tables lack; returns the rows added. Doing it twice adds nothing.

    Lines are known only from their beginning, or from a checkpoint: the journal is replayed from the last one whose rows are all
    in the tables, and what is committed already is passed over.
    """
    tables = TableWriter(folder, journal.name)
    try:
        if recover(journal).last <= tables.committed:
            return 0
        replay = Replay()
        last = replay.resume(journal, through=tables.committed)
        added = 0
        for n, i, event in played(JournalReader(journal).records(after=last), replay=replay):
            if n > last and tables.is_full:
                tables.flush(now, last)
            last = n
            if n > tables.committed:
                added += 1
            tables.add(event, n, i)
        tables.flush(now, last)
        return added
    finally:
        tables.close()
