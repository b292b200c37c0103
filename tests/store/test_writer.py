"""TableWriter: each row is in the tables once, after any failure or kill."""

from __future__ import annotations

import contextlib
import errno
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.store_rows import (
    SECOND,
    START,
    CrashError,
    FailingStorage,
    PowerCutStorage,
    QuickStorage,
    change,
    gap,
    image,
    mixed,
    ticker,
    trade,
)

from okex_ws import store
from okex_ws.events import Deposit, GenericPush, Push, Trade
from okex_ws.store import StoreError, TableWriter, parquet
from okex_ws.store.ledger import Manifest
from okex_ws.store.tables import table_name

RECORDS = 24


def folder(path: Path) -> Path:
    root = path / "data"
    store.prepare(root, now=1, software="0.1.0", storage=QuickStorage())
    return root


def run(writer: TableWriter) -> None:
    """Record all events: three flushes, each a few records behind."""
    for event, n, i in mixed(RECORDS):
        writer.add(event, n, i)
        if n % 8 == 0 and i == 0:
            writer.flush(n, n - 2)
    writer.flush(99, RECORDS)


def finish(root: Path) -> None:
    """Recover after a crash: add the whole journal to a new writer."""
    writer = TableWriter(root, "r1", storage=QuickStorage())
    for event, n, i in mixed(RECORDS):
        writer.add(event, n, i)
    writer.flush(100, RECORDS)
    assert writer.committed == RECORDS
    writer.close()


def there(root: Path) -> Counter[tuple[str, int, int]]:
    """Count the rows that a reader sees by (table, n, i)."""
    manifest = Manifest(root)
    manifest.refresh()
    found: Counter[tuple[str, int, int]] = Counter()
    for file in manifest.files:
        rows = parquet.read(root, file)
        found.update((file.table, n, i) for n, i in zip(rows["n"].to_pylist(), rows["i"].to_pylist(), strict=True))
    return found


WANTED = Counter((table_name(type(event)), n, i) for event, n, i in mixed(RECORDS) if isinstance(event, Push))
NEWS = sorted((n, i) for event, n, i in mixed(RECORDS) if not isinstance(event, Push))


def check(root: Path) -> None:
    assert there(root) == WANTED
    with store.open(root) as opened:
        news = opened.rows("SELECT n, i FROM gaps UNION ALL SELECT n, i FROM connections ORDER BY ALL")
    assert news == NEWS
    assert not [path for path in (root / "tables").rglob("*") if path.name.startswith(".tmp")]


def test_every_row_is_written_once(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1")
    run(writer)
    assert (writer.committed, writer.rows, writer.deadline()) == (RECORDS, 0, None)
    check(root)
    finish(root)
    check(root)


def test_rows_beyond_the_acknowledged_record_wait(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1")
    for n in range(1, 11):
        writer.add(trade(n), n, 0)
    assert writer.flush(1, 4) == 4
    assert {n for _, n, _ in there(root)} == {1, 2, 3, 4}
    assert writer.rows == 6
    assert writer.flush(2, 4) == 4
    assert writer.flush(3, 10) == 10
    assert {n for _, n, _ in there(root)} == set(range(1, 11))


def calls_of_a_run(path: Path) -> int:
    root = folder(path)
    storage = FailingStorage()
    run(TableWriter(root, "r1", storage=storage))
    return storage.calls


def test_E1_killed_at_every_storage_call_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    total = calls_of_a_run(tmp_path / "count")
    assert total > 100
    for call in range(1, total + 1):
        root = folder(tmp_path / str(call))
        with pytest.raises(CrashError):
            run(TableWriter(root, "r1", storage=FailingStorage(call, dies=True)))
        before = there(root)
        assert all(before[row] <= WANTED[row] for row in before), f"killed at call {call}"
        finish(root)
        assert there(root) == WANTED, f"killed at call {call}"
        if call % 20 == 0:
            check(root)


def test_E1_power_cut_at_every_storage_call_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    total = calls_of_a_run(tmp_path / "count")
    for call in range(1, total + 1):
        root = folder(tmp_path / str(call))
        storage = PowerCutStorage(call)
        promised = 0
        with contextlib.suppress(CrashError):
            writer = TableWriter(root, "r1", storage=storage)
            try:
                run(writer)
            finally:
                promised = writer.committed
        storage.cut()
        after = TableWriter(root, "r1", storage=QuickStorage())
        assert after.committed >= promised, f"cut at call {call}: a commit was promised and is gone"
        after.close()
        finish(root)
        assert there(root) == WANTED, f"cut at call {call}"
        if call % 20 == 0:
            check(root)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
def test_E3_every_nth_call_fails_once_and_the_next_flush_makes_it_good(tmp_path: Path, code: int) -> None:
    total = calls_of_a_run(tmp_path / "count")
    for call in range(1 + code % 4, total + 1, 4):
        root = folder(tmp_path / str(call))
        storage = FailingStorage(call, code=code)
        failures = 0
        try:
            writer = TableWriter(root, "r1", storage=storage)
        except OSError:
            failures += 1
            writer = TableWriter(root, "r1", storage=storage)
        for event, n, i in mixed(RECORDS):
            writer.add(event, n, i)
            if n % 8 == 0 and i == 0:
                try:
                    writer.flush(n, n - 2)
                except OSError:
                    failures += 1
        try:
            writer.flush(98, RECORDS)
        except OSError:
            failures += 1
            writer.flush(99, RECORDS)
        assert failures <= 1  # a failed clean-up is not reported
        assert there(root) == WANTED, f"call {call} failed"
        writer.close()
        if call % 5 == 0:
            check(root)


def test_E3_a_full_disk_for_long_loses_nothing(tmp_path: Path) -> None:
    root = folder(tmp_path)
    storage = FailingStorage(lasts=True)
    writer = TableWriter(root, "r1", storage=storage)
    storage.fail_at = storage.calls + 1
    for event, n, i in mixed(RECORDS):
        writer.add(event, n, i)
        if i == 0:
            with pytest.raises(OSError, match="No space"):
                writer.flush(n, n)
    assert there(root) == Counter()
    storage.fail_at = 0
    assert writer.flush(99, RECORDS) == RECORDS
    check(root)


def test_E3_what_waits_is_bounded_and_comes_again_from_the_journal(tmp_path: Path) -> None:
    root = folder(tmp_path)
    storage = FailingStorage(lasts=True)
    writer = TableWriter(root, "r1", storage=storage, buffer_bytes=3_000)
    storage.fail_at = storage.calls + 1
    most = 0
    for event, n, i in mixed(RECORDS):
        writer.add(event, n, i)
        most = max(most, writer.rows)
        if i == 0 and not writer.is_behind:
            with pytest.raises(OSError, match="No space"):
                writer.flush(n, n)
    assert writer.is_behind
    assert most < sum(WANTED.values())
    assert writer.forgotten < RECORDS, "what came later waits as ever"
    storage.fail_at = 0
    assert writer.flush(98, RECORDS) == 0, "no commit claims what is not here"
    again = writer.again()
    for event, n, i in mixed(RECORDS):
        if n <= writer.forgotten:
            again.add(event, n, i)
    assert again.flush(98, writer.forgotten) == writer.forgotten
    writer.committed = again.committed
    assert writer.flush(99, RECORDS) == RECORDS
    check(root)


def test_what_is_forgotten_while_a_batch_is_stored_is_not_taken_back(tmp_path: Path) -> None:
    storage = FailingStorage(lasts=True)
    writer = TableWriter(folder(tmp_path), "r1", storage=storage, buffer_bytes=3_000)
    for n in range(1, 4):
        writer.add(trade(n), n, 0)
    batch = writer.prepare(3)
    assert batch is not None
    for n in range(4, 30):
        writer.add(gap(n, channel="trades", instrument="BTC-USDT"), n, 0)
    storage.fail_at = storage.calls + 1
    with pytest.raises(OSError, match="No space"):
        batch.store(1)
    writer.settle(batch, 1)
    assert (writer.committed, writer.rows) == (0, 0)
    assert 4 < writer.forgotten <= 29
    assert writer.deadline() == 1 + SECOND
    assert writer.prepare(29) is None


def test_E3_a_full_disk_is_tried_again_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    storage = FailingStorage(lasts=True)
    writer = TableWriter(folder(tmp_path), "r1", storage=storage, rows_per_file=1)
    storage.fail_at = storage.calls + 1
    now = START * 1_000_000
    pauses = []
    for n in range(1, 9):
        writer.add(trade(n), n, 0)
        assert writer.is_full
        with pytest.raises(OSError, match="No space"):
            writer.flush(now, n)
        due = writer.deadline()
        assert due is not None
        pauses.append((due - now) // SECOND)
        now = due
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    writer.add(gap(9, channel="trades", instrument="BTC-USDT"), 9, 0)
    calls = storage.calls
    writer.flush_status(now - 1, 9)
    assert storage.calls == calls, "status events wait as rows do"
    with pytest.raises(OSError, match="No space"):
        writer.flush_status(now, 9)
    assert writer.deadline() == now + 30 * SECOND
    storage.fail_at = 0
    assert writer.flush(now, 9) == 9
    assert writer.deadline() is None
    writer.add(trade(10), 10, 0)
    assert writer.deadline() == 0, "as if nothing had been"


def test_E3_what_a_full_disk_took_of_a_batch_is_given_back(tmp_path: Path) -> None:
    """Otherwise files without a commit would use the space that the next attempt needs."""

    class SmallStorage(QuickStorage):
        room = 1

        def rename(self, source: Path, target: Path) -> None:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= 1
            super().rename(source, target)

        def remove(self, path: Path) -> None:
            super().remove(path)
            self.room += not path.name.startswith(".tmp")

    root = folder(tmp_path)
    storage = SmallStorage()
    writer = TableWriter(root, "r1", storage=storage)
    for n in range(1, 4):
        writer.add(trade(n), 2 * n, 0)
        writer.add(ticker(n), 2 * n + 1, 0)
        with pytest.raises(OSError, match="No space"):
            writer.flush(n, 2 * n + 1)
        assert list((root / "tables").rglob("*.parquet")) == []
    storage.room = 2
    assert writer.flush(9, 7) == 7


def test_E4_a_commit_line_of_unknown_fate_is_settled_before_the_next(tmp_path: Path) -> None:
    class DeafStorage(FailingStorage):
        def fsync(self, file: int) -> None:
            if self.deaf:
                raise OSError(errno.EIO, "Input/output error")
            super().fsync(file)

        deaf = False

    root = folder(tmp_path)
    storage = DeafStorage()
    writer = TableWriter(root, "r1", storage=storage)
    writer.add(trade(1), 1, 0)
    append = writer._commits.append

    def deaf_append(lines: list[bytes]) -> None:
        storage.deaf = True
        try:
            append(lines)
        finally:
            storage.deaf = False

    writer._commits.append = deaf_append  # type: ignore[assignment]  # only the commit's own fsync fails
    with pytest.raises(OSError, match="Input/output"):
        writer.flush(1, 1)
    old = (root / "ledger/segments.jsonl").stat().st_ino
    writer._commits.append = append  # type: ignore[method-assign]
    writer.add(trade(2), 2, 0)
    assert writer.flush(2, 2) == 2
    assert there(root) == Counter({("trades", 1, 0): 1, ("trades", 2, 0): 1})
    assert (root / "ledger/segments.jsonl").stat().st_ino != old, "the file whose fsync failed was used again"


def test_rows_are_added_while_a_batch_is_stored_in_another_thread(tmp_path: Path) -> None:
    root = folder(tmp_path)
    storage = FailingStorage()
    writer = TableWriter(root, "r1", storage=storage)
    events = mixed(RECORDS)
    half = [entry for entry in events if entry[1] <= 12]
    rest = [entry for entry in events if entry[1] > 12]
    for fails in (True, False):
        for entry in half:
            writer.add(*entry)
        half = []
        batch = writer.prepare(10)
        assert batch is not None
        with pytest.raises(RuntimeError, match="being stored"):
            writer.prepare(12)
        storage.fail_at = storage.calls + 20 if fails else 0
        with ThreadPoolExecutor(1) as pool:
            stored = pool.submit(batch.store, 1)
            if fails:
                for entry in rest[: len(rest) // 2]:
                    writer.add(*entry)
            assert isinstance(stored.exception(), OSError) is fails
        assert writer.settle(batch, 1) == (0 if fails else 10)
    for entry in rest[len(rest) // 2 :]:
        writer.add(*entry)
    assert writer.rows == sum(WANTED[row] for row in WANTED if row[1] > 10)
    assert writer.flush(2, RECORDS) == RECORDS
    assert writer.rows == 0
    check(root)


def test_two_recorders_share_the_ledgers_of_a_folder(tmp_path: Path) -> None:
    root = folder(tmp_path)
    storages = [FailingStorage(), FailingStorage()]
    writers = [TableWriter(root, f"r{number}", storage=storage) for number, storage in enumerate(storages)]
    for n in range(1, 41):
        for number, writer in enumerate(writers):
            writer.add(trade(n * 2 + number), n, 0)
            writer.add(gap(n, channel="trades", instrument="BTC-USDT"), n, 1)
            if (n + number) % 7 == 0:
                storages[number].fail_at = storages[number].calls + n % 16 + 1
            with contextlib.suppress(OSError):
                writer.flush(n, n)
            storages[number].fail_at = 0
    for writer in writers:
        assert writer.flush(99, 41) == 41
    with store.open(root) as opened:
        ids = opened.rows("SELECT trade_id FROM raw_trades ORDER BY trade_id")
        assert ids == [(1_000 + number,) for number in range(2, 82)]
        assert opened.rows("SELECT recorder, count(*) FROM gaps GROUP BY ALL ORDER BY ALL") == [("r0", 40), ("r1", 40)]


def test_E14_an_instrument_named_like_a_path_stays_inside(tmp_path: Path) -> None:
    root = folder(tmp_path)
    names = ["../../../escape", "..", ".", "/etc/passwd", "a/b\\c", "x\0y", "BTC USDT%2F", "", "*?[a]", "-", "ü", "l" * 300]
    writer = TableWriter(root, "r1")
    for n, name in enumerate(names, start=1):
        writer.add(trade(n, instrument=name), n, 0)
    writer.flush(1, len(names))
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and root not in path.parents]
    assert outside == []
    assert len(list(root.rglob("*.parquet"))) == len(names)
    with store.open(root) as opened:
        seen = {row[0] for row in opened.rows("SELECT instrument FROM trades")}
        assert seen - {None} >= {name for name in names if 0 < len(name) < 100}
        assert opened.rows("SELECT trade_id FROM trades WHERE instrument = '../../../escape'") == [(1_001,)]


def test_numbers_no_column_can_hold_do_not_stop_the_recorder(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1")
    writer.add(trade(1, trade_id=2**70), 1, 0)
    writer.add(trade(2, ts_ms=2**62), 2, 0)
    writer.add(trade(3, side="\ud800"), 3, 0)
    strange = change(4)
    strange.raw_bids = [("abc", "1e-3", "0", "x"), ("1", "2", "0", "3")]
    uncounted = change(4)  # of V1, which has no order counts; a removed level has none
    uncounted.raw_bids = [("1", "2", "0", "0"), ("1", "0", "0", "0")]
    writer.add(strange, 4, 0)
    writer.add(Deposit(ts_recv=START * 1_000_000, deposit_id="d", size=Decimal("1e-25")), 5, 0)
    writer.add(uncounted, 6, 0)
    punctuated = change(4)
    punctuated.raw_bids = [("1,5", "2", "0", "3"), ("1\n5", "2", "0", "3"), ("1\r", "2", "0", "3"), ('"1"', "", "0", "3")]
    writer.add(punctuated, 7, 0)
    writer.flush(1, 7)
    with store.open(root) as opened:
        assert opened.rows("SELECT trade_id FROM full_trades ORDER BY n") == [(None,), (1_002,), (1_003,)]
        assert opened.rows("SELECT bids FROM raw_book_updates ORDER BY n") == [
            ([{"price": None, "size": 0.001, "order_count": None}, {"price": 1.0, "size": 2.0, "order_count": 3}],),
            ([{"price": 1.0, "size": 2.0, "order_count": None}, {"price": 1.0, "size": 0.0, "order_count": 0}],),
            (
                [
                    *2 * [{"price": None, "size": 2.0, "order_count": 3}],
                    {"price": 1.0, "size": 2.0, "order_count": 3},
                    {"price": None, "size": None, "order_count": 3},
                ],
            ),
        ]
        assert opened.rows("SELECT DISTINCT len(asks) FROM raw_book_updates") == [(0,)]


def test_an_unknown_channel_keeps_all_of_its_row(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1")
    arg = {"channel": "brand-new", "instId": "BTC-USDT"}
    row = {"px": "1", "deep": [1, {"a": None}]}
    writer.add(GenericPush(ts_recv=START * 1_000_000, channel="brand-new", arg=arg, row=row), 1, 0)
    writer.flush(1, 1)
    with store.open(root) as opened:
        query = "SELECT instrument, channel, row->>'$.px', row->>'$.deep[0]' FROM generic"
        assert opened.rows(query) == [("BTC-USDT", "brand-new", "1", "1")]


def test_when_a_flush_is_due(tmp_path: Path) -> None:
    writer = TableWriter(folder(tmp_path), "r1", rows_per_file=3, flush_s=10)
    assert writer.deadline() is None
    first = trade(1)
    writer.add(first, 1, 0)
    assert writer.deadline() == first.ts_recv + 10 * SECOND
    writer.add(trade(2), 2, 0)
    writer.add(trade(3), 3, 0)
    assert writer.deadline() == 0
    writer.flush(first.ts_recv + 99 * SECOND, 3)
    assert writer.deadline() is None
    writer.add(trade(4), 4, 0)
    assert writer.deadline() == first.ts_recv + 109 * SECOND


def test_a_status_event_reaches_its_ledger_before_the_rows_do(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1")
    writer.add(trade(1), 1, 0)
    writer.add(gap(2, channel="trades", instrument="BTC-USDT", cause="sequence", first_id=5, last_id=7), 2, 0)
    writer.add(gap(3, channel="trades", instrument="BTC-USDT", cause="sequence", first_id=9, last_id=9), 3, 0)
    writer.flush_status(1, 2)
    with store.open(root) as opened:
        assert opened.rows("SELECT first_id, last_id FROM gaps") == [(5, 7)]
        writer.flush(1, 3)
        assert opened.rows("SELECT first_id FROM gaps ORDER BY n") == [(5,), (9,)]


def test_every_event_class_has_its_columns(tmp_path: Path) -> None:
    writer = TableWriter(folder(tmp_path), "r1")
    for n, event in enumerate((trade(1), image(1), change(2), ticker(3)), start=1):
        writer.add(event, n, 0)
    writer.flush(1, 4)
    with store.open(writer.root) as opened:
        assert opened.rows("SELECT CAST(time AS VARCHAR), ts_event, ts_recv, date FROM trades")[0][:3] == (
            "2025-11-22 00:00:00.05+00",
            (START + 50) * 1_000_000,
            (START + 55) * 1_000_000,
        )
        query = "SELECT bids[1].price, asks[-1].order_count, previous_sequence FROM book_snapshots"
        assert opened.rows(query) == [(100.5, 3, -1)]
        assert opened.rows("SELECT last, volume_24h, best_bid FROM tickers") == [(60_003.0, 1.5, None)]


def test_a_recorder_needs_a_harmless_name(tmp_path: Path) -> None:
    for name in ("", "a/b", "../x", "a b"):
        with pytest.raises(StoreError, match="cannot name a recorder"):
            TableWriter(folder(tmp_path), name)


def test_same_rows_same_files(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        root = folder(tmp_path / name)
        run(TableWriter(root, "r1"))
        contents.append({str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))})
    assert contents[0] == contents[1]
    assert isinstance(trade(1), Trade)
