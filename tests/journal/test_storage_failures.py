"""E3, E4: a failing disk. Acknowledged records are on it; all others are in the buffer, or were rejected with an error."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.disks import START, FailingDisk, MemoryDisk, fill, read, small_segment

from okex_ws.journal import JournalFullError, JournalReader, JournalWriter, OsStorage, Storage, StorageFailedError, recover

CODES = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE)
ROUNDS = 30
DATA = Path("/data/journal")
FOLDER = DATA / "r"


def writer_on(storage: Storage, **options: int) -> JournalWriter:
    return JournalWriter(DATA, recorder="r", software="test", now=START, storage=storage, **options)  # type: ignore[arg-type]


def started(disk: FailingDisk) -> JournalWriter:
    """Return a writer as soon as the disk permits one."""
    for _ in range(50):
        with suppress(StorageFailedError):
            return writer_on(disk, segment_bytes=900)
    disk.fails = lambda _: 0
    return writer_on(disk, segment_bytes=900)


def run(disk: FailingDisk) -> tuple[JournalWriter, int]:
    """Run a recorder on this disk: rounds of records and a flush, small segments. Returns the writer and its last time."""
    fails = disk.fails
    writer = started(disk)
    disk.fails = fails
    now = START
    for round_ in range(ROUNDS):
        fill(writer, range(writer.last + 1, writer.last + 4 + round_ % 3))
        now += 1_000_000_000
        before = writer.acknowledged
        failed = None
        try:
            writer.flush(now)
        except StorageFailedError as error:
            failed = error
        if failed is None:
            assert writer.acknowledged == writer.last
            assert writer.deadline() is None
        else:
            assert failed.errno in CODES
            assert "\n" not in str(failed)
            assert writer.acknowledged == before
            assert writer.deadline() is not None
        if round_ % 5 == 0:
            # A reader at any moment sees every acknowledged record.
            numbers = [record.n for record in JournalReader(FOLDER, storage=disk).records()]
            assert numbers == list(range(1, len(numbers) + 1))
            assert writer.acknowledged <= len(numbers) <= writer.last
    return writer, now


def recovers(disk: FailingDisk) -> None:
    """Check that every accepted record is there once after the disk works again."""
    writer, now = run(disk)
    disk.fails = lambda _: 0
    assert writer.close(now) == writer.last
    numbers, problems = read(FOLDER, range(1, writer.last + 1), storage=disk)
    assert numbers == list(range(1, writer.last + 1))
    assert all(problem.lost == 0 for problem in problems)


def test_E3_every_nth_call_fails_and_no_record_is_lost() -> None:
    failed: set[str] = set()
    for n in range(1, 201):
        disk = FailingDisk(lambda call, n=n: CODES[call // n % 4] if call % n == 0 else 0)  # type: ignore[misc]
        recovers(disk)
        failed |= {call for call, _ in disk.failures}
    assert failed >= {"make_folder", "create", "write", "fsync", "fsync_dir"}


def test_E3_each_single_call_fails_once_and_no_record_is_lost() -> None:
    for at in range(1, 201):
        recovers(FailingDisk(lambda call, at=at: CODES[at % 4] if call == at else 0))  # type: ignore[misc]


def test_E3_a_disk_that_fails_for_a_while_and_comes_back_loses_nothing() -> None:
    failed: set[str] = set()
    for at in range(1, 60):
        disk = FailingDisk(lambda call, at=at: errno.ENOSPC if at <= call < at + 25 else 0)  # type: ignore[misc]
        recovers(disk)
        failed |= {call for call, _ in disk.failures}
    assert failed >= {"create", "write", "fsync", "fsync_dir", "truncate", "remove"}


@pytest.mark.parametrize("keep", ["synced", "whole", "half", "zeros"])
@pytest.mark.parametrize("period", [7, 13, 10**9])
def test_E3_a_power_cut_at_any_call_keeps_what_was_acknowledged(keep: str, period: int) -> None:
    """The disk also fails every 7th or 13th call. Bytes without fsync may be gone, present, half present, or zeros."""

    def kept(synced: bytes, whole: bytes) -> bytes:
        if keep == "zeros":
            return synced.ljust(len(whole), b"\0")
        return synced if keep == "synced" else whole if keep == "whole" else whole[: (len(synced) + len(whole) + 1) // 2]

    class PowerCut(BaseException):
        pass

    for at in range(2, 120):

        def fails(call: int, at: int = at) -> int:
            if call == at:
                raise PowerCut
            return errno.EIO if call % period == 0 else 0

        disk = FailingDisk(fails)
        writer = writer_on(disk, segment_bytes=900)
        acknowledged = 0
        with suppress(PowerCut):
            for _ in range(200):
                fill(writer, range(writer.last + 1, writer.last + 4))
                with suppress(StorageFailedError):
                    acknowledged = writer.flush(START)
        after = disk.after_power_cut(kept)
        found = recover(FOLDER, storage=after)
        assert found.last >= acknowledged
        again = writer_on(after)
        fill(again, range(again.last + 1, again.last + 4))
        again.close(START)
        numbers, problems = read(FOLDER, range(1, again.last + 1), storage=after)
        assert numbers == list(range(1, again.last + 1))
        assert all(problem.lost == 0 for problem in problems)


def test_E3_a_full_buffer_refuses_the_record_and_says_so() -> None:
    disk = FailingDisk(lambda call: errno.ENOSPC if call > 1 else 0)
    writer = writer_on(disk, buffer_bytes=5000)
    with pytest.raises(JournalFullError, match=r"record \d+ was not accepted"):
        fill(writer, range(1, 1000))
    taken = writer.last
    assert writer.buffered_bytes <= 5000
    with pytest.raises(StorageFailedError, match="No space left on device"):
        writer.flush(START)
    disk.fails = lambda _: 0
    assert writer.flush(START) == taken
    fill(writer, [taken + 1])
    writer.close(START)
    assert read(FOLDER, range(1, taken + 2), storage=disk)[0] == list(range(1, taken + 2))


class WatchedDisk(FailingDisk):
    """Records which descriptors were fsynced."""

    def __init__(self) -> None:
        super().__init__(lambda call: errno.EIO if call == 7 else 0)
        self.synced: list[int] = []

    def fsync(self, file: int) -> None:
        self.synced.append(file)
        super().fsync(file)


def test_E4_a_failed_fsync_is_never_tried_again_on_its_segment() -> None:
    disk = WatchedDisk()
    writer = writer_on(disk)
    fill(writer, range(1, 5))
    assert writer.flush(START) == 4
    fill(writer, range(5, 9))
    with pytest.raises(StorageFailedError, match=r"fsync failed on .*00000001"):
        writer.flush(START)
    assert disk.failures == [("fsync", errno.EIO)]
    fill(writer, range(9, 11))
    assert writer.flush(START) == 10
    good, bad, fresh = disk.synced
    assert good == bad != fresh
    records = JournalReader(FOLDER, storage=disk).records()
    assert [(record.n, record.segment) for record in records] == [(n, 1 if n < 5 else 2) for n in range(1, 11)]


def test_E4_what_a_failed_fsync_left_behind_is_not_read_twice() -> None:
    class Stubborn(FailingDisk):
        def fsync(self, file: int) -> None:
            self._may("fsync")  # the call fails, but the bytes are on the disk
            MemoryDisk.fsync(self, file)

        def truncate(self, path: Path, length: int) -> None:
            raise OSError(errno.EIO, "")

    disk = Stubborn(lambda call: errno.EIO if call == 7 else 0)
    writer = writer_on(disk)
    fill(writer, range(1, 5))
    writer.flush(START)
    fill(writer, range(5, 9))
    with pytest.raises(StorageFailedError):
        writer.flush(START)
    fill(writer, range(9, 12))
    writer.close(START)
    numbers, problems = read(FOLDER, range(1, 12), storage=disk)
    assert numbers == list(range(1, 12))
    assert problems == []


def test_E4_an_interrupted_flush_keeps_its_records_too() -> None:
    class Interrupted(MemoryDisk):
        once = True

        def fsync(self, file: int) -> None:
            if self.once:
                self.once = False
                raise KeyboardInterrupt
            super().fsync(file)

    disk = Interrupted()
    writer = writer_on(disk)
    fill(writer, range(1, 5))
    with pytest.raises(KeyboardInterrupt):
        writer.flush(START)
    assert writer.acknowledged == 0
    writer.close(START)
    assert read(FOLDER, range(1, 5), storage=disk)[0] == [1, 2, 3, 4]


def test_E3_a_file_that_is_already_there_is_never_touched(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    stranger = tmp_path / "r" / "00000001.jsonl.zst"
    stranger.write_bytes(b"somebody else's")
    fill(writer, range(1, 3))
    with pytest.raises(StorageFailedError, match="create failed"):
        writer.flush(START)
    assert writer.close(START) == 2
    assert stranger.read_bytes() == b"somebody else's"
    numbers, problems = read(tmp_path / "r", [1, 2])
    assert numbers == [1, 2]
    assert [problem.kind for problem in problems] == ["foreign"]


def test_E3_a_recovery_that_fails_anywhere_may_be_tried_again() -> None:
    for at in range(1, 10):
        disk = FailingDisk(lambda _: 0)
        path, _ = small_segment(DATA, closed=False, storage=disk)
        whole = disk.read(path)[:-7]
        disk.files[path].content[:] = whole
        disk.calls = 0
        disk.fails = lambda call, at=at: errno.EIO if call == at else 0  # type: ignore[misc]
        with suppress(StorageFailedError):
            recover(FOLDER, storage=disk)
        disk.fails = lambda _: 0
        assert recover(FOLDER, storage=disk).last == 8
        assert read(FOLDER, range(1, 9), storage=disk)[0] == list(range(1, 9))
        assert disk.list(FOLDER) == ["00000001.jsonl.zst", "00000001.jsonl.zst.torn"]
        torn = path.with_name("00000001.jsonl.zst.torn")
        assert disk.read(path) + disk.read(torn) == whole


def test_E3_the_operating_systems_disk_does_as_the_one_in_memory(tmp_path: Path) -> None:
    for storage, folder in ((OsStorage(), tmp_path), (MemoryDisk(), DATA)):
        path, last = small_segment(folder, storage=storage)
        assert read(path.parent, range(1, last + 1), storage=storage)[0] == list(range(1, last + 1))
    assert OsStorage().read(tmp_path / "r" / path.name) == storage.read(path)


def test_E3_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailedError, match=r"mkdir failed on .*: (Not a directory|File exists)"):
        JournalWriter(tmp_path / "file", recorder="r", software="test", now=START)
