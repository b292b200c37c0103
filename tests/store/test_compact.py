"""Compaction: after a kill at any point either the old files or the new one count."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.store_rows import CrashError, FailingStorage, PowerCutStorage, QuickStorage, change, image, trade

from okex_ws import store
from okex_ws.store import StoreError, TableWriter
from okex_ws.store.compact import compact
from okex_ws.store.folder import compacting
from okex_ws.store.verify import verify

QUICK = QuickStorage()
IDS = list(range(1_001, 1_041))


def folder(path: Path) -> Path:
    store.prepare(path, now=1, software="0.1.0", storage=QUICK)
    writer = TableWriter(path, "r1", storage=QUICK)
    for n in range(1, 41):
        writer.add(trade(n), n, 0)
        writer.add(image(n) if n == 1 else change(n), n, 1)
        if n % 8 == 0:
            writer.flush(n, n)
    writer.close()
    return path


def check(root: Path) -> None:
    with store.open(root) as opened:
        assert [row[0] for row in opened.rows("SELECT trade_id FROM raw_trades ORDER BY trade_id")] == IDS
        assert [row[0] for row in opened.rows("SELECT trade_id FROM trades ORDER BY trade_id")] == IDS
        assert opened.rows("SELECT count(*), sum(sequence) FROM raw_book_updates") == [(39, sum(range(20, 401, 10)))]


def parquet_files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "tables").rglob("*") if path.is_file())


def test_small_files_become_one(tmp_path: Path) -> None:
    root = folder(tmp_path)
    assert len(parquet_files(root)) == 11
    done = compact(root, now=2, storage=QUICK)
    assert (done.merged, done.made, done.removed, done.left) == (10, 2, 10, 0)
    assert len(parquet_files(root)) == 3
    check(root)
    again = compact(root, now=3, storage=QUICK)
    assert (again.merged, again.made, again.removed) == (0, 0, 0)
    check(root)
    # Recording continues, and the next compaction includes the new files.
    writer = TableWriter(root, "r1", storage=QUICK)
    assert writer.committed == 40
    writer.add(trade(41), 41, 0)
    writer.flush(41, 41)
    assert compact(root, now=4, storage=QUICK).made == 1
    with store.open(root) as opened:
        assert opened.rows("SELECT count(*) FROM raw_trades") == [(41,)]
        assert verify(opened).is_clean


def test_E9_killed_at_every_storage_call(tmp_path: Path) -> None:
    storage = FailingStorage()
    compact(folder(tmp_path / "count"), now=2, storage=storage)
    for call in range(1, storage.calls + 1):
        root = folder(tmp_path / str(call))
        with pytest.raises(CrashError):
            compact(root, now=2, storage=FailingStorage(call, dies=True))
        check(root)
        compact(root, now=3, storage=QUICK)
        check(root)
        assert len(parquet_files(root)) == 3, f"killed at call {call}: {parquet_files(root)}"


def test_E9_power_cut_at_every_storage_call(tmp_path: Path) -> None:
    storage = FailingStorage()
    compact(folder(tmp_path / "count"), now=2, storage=storage)
    for call in range(1, storage.calls + 1):
        root = folder(tmp_path / str(call))
        storage = PowerCutStorage(call)
        with pytest.raises(CrashError):
            compact(root, now=2, storage=storage)
        storage.cut()
        check(root)
        compact(root, now=3, storage=QUICK)
        check(root)


CHILD = """
import os, signal, sys
from okex_ws.store.compact import compact
from okex_ws.journal.storage import OsStorage

class Killed(OsStorage):
    calls = 0

def killed(name):
    whole = getattr(OsStorage, name)
    def call(self, *arguments):
        self.calls += 1
        if self.calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *arguments)
    return call

for name in ("make_folder", "create", "open_append", "write", "fsync", "fsync_dir", "rename", "remove"):
    setattr(Killed, name, killed(name))
compact(sys.argv[1], now=2, storage=Killed())
"""


@pytest.mark.parametrize("call", [3, 5, 6, 9, 10, 16, 22])
def test_E9_a_killed_process(tmp_path: Path, call: int) -> None:
    root = folder(tmp_path)
    child = subprocess.run([sys.executable, "-c", CHILD, str(root), str(call)], timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    check(root)
    compact(root, now=3, storage=QUICK)
    check(root)
    assert len(parquet_files(root)) == 3


def test_E10_queries_during_a_compaction_are_right_at_every_step(tmp_path: Path) -> None:
    root = folder(tmp_path)
    opened = store.open(root)

    class AskingStorage(QuickStorage):
        asked = 0

        def _ask(self) -> None:
            self.asked += 1
            assert opened.rows("SELECT count(*), sum(trade_id) FROM raw_trades") == [(40, sum(IDS))]

        def rename(self, source: Path, target: Path) -> None:
            self._ask()
            super().rename(source, target)
            self._ask()

        def fsync(self, file: int) -> None:
            self._ask()
            super().fsync(file)

    storage = AskingStorage()
    compact(root, now=2, storage=storage)
    assert storage.asked >= 8
    check(root)
    opened.close()


def test_E10_files_a_reader_has_listed_stay_until_it_is_done(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with store.open(root) as opened:
        batches = opened.batches("SELECT trade_id FROM raw_trades", rows=2)
        seen = next(batches).num_rows
        done = compact(root, now=2, storage=QUICK)
        assert (done.made, done.removed, done.left) == (2, 0, 10)
        assert seen + sum(batch.num_rows for batch in batches) == 40
    assert compact(root, now=3, storage=QUICK).removed == 10
    check(root)


def test_one_compaction_at_a_time(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with compacting(root), pytest.raises(StoreError, match="is being compacted by another process"):
        compact(root, now=2, storage=QUICK)


def test_a_full_disk_leaves_the_old_files(tmp_path: Path) -> None:
    storage = FailingStorage()
    compact(folder(tmp_path / "count"), now=2, storage=storage)
    for call in range(1, storage.calls + 1, 2):
        root = folder(tmp_path / str(call))
        with pytest.raises(OSError, match="No space"):
            compact(root, now=2, storage=FailingStorage(call, lasts=True))
        check(root)
        compact(root, now=3, storage=QUICK)
        check(root)


def test_a_damaged_file_is_not_merged_and_stays_damaged(tmp_path: Path) -> None:
    root = folder(tmp_path)
    path = sorted(root.glob("tables/trades/*/*/*.parquet"))[1]
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    done = compact(root, now=2, storage=QUICK)
    assert (done.merged, done.made) == (5, 1)  # the book's
    assert len(done.refused) == 1
    assert path.name in done.refused[0]
    with store.open(root) as opened:
        assert [finding.kind for finding in verify(opened).findings] == ["damage"]


def test_what_somebody_deleted_keeps_nothing_from_being_merged(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for path in root.glob("tables/trades/*/*/*.parquet"):
        path.unlink()
    done = compact(root, now=2, storage=QUICK)
    assert (done.merged, done.made, done.refused) == (5, 1, [])
