"""E10: readers while a writer appends."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.support.disks import START, MemoryDisk, fill, text_of

from okex_ws.journal import JournalReader, JournalWriter

DATA = Path("/data/journal")


def test_E10_a_reader_sees_a_consistent_prefix_at_every_byte_a_writer_appends() -> None:
    class Watching(MemoryDisk):
        seen = 0

        def write(self, file: int, content: bytes) -> None:
            for at in range(0, len(content), 37):
                super().write(file, content[at : at + 37])
                numbers = [record.n for record in JournalReader(DATA / "r", storage=self).records()]
                assert numbers == list(range(1, len(numbers) + 1))
                assert len(numbers) >= self.seen
                self.seen = len(numbers)

    disk = Watching()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, segment_bytes=1500, storage=disk)
    for round_ in range(12):
        fill(writer, range(round_ * 5 + 1, round_ * 5 + 6))
        writer.flush(START)
        assert disk.seen == writer.acknowledged
    writer.close(START)


def test_E10_following_reads_each_record_once_and_only_what_is_new() -> None:
    class Counting(MemoryDisk):
        read_bytes = 0

        def read_at(self, file: int, offset: int, length: int) -> bytes:
            found = super().read_at(file, offset, length)
            self.read_bytes += len(found)
            return found

    disk = Counting()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, segment_bytes=40_000, storage=disk)
    reader = JournalReader(DATA / "r", storage=disk)
    seen = 0
    for round_ in range(60):
        fill(writer, range(writer.last + 1, writer.last + 101))
        writer.flush(START)
        before = disk.read_bytes
        numbers = [record.n for record in reader.records(after=seen)]
        assert numbers == list(range(seen + 1, writer.last + 1))
        assert reader.problems == []
        seen = numbers[-1]
        if round_ > 1:
            assert disk.read_bytes - before < 30_000
        assert list(reader.records(after=seen)) == []
    writer.close(START)
    assert list(reader.records(after=seen)) == []
    assert reader.is_closed
    assert len(disk.list(DATA / "r")) > 1


def test_E10_following_goes_on_where_a_consumer_left_off_in_mid_block() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    fill(writer, range(1, 201))
    writer.close(START)
    reader = JournalReader(DATA / "r", storage=disk)
    seen = 0
    while seen < 200:
        for record in reader.records(after=seen, through=seen + 7):
            assert record.n == seen + 1
            seen = record.n


def test_E10_a_thread_reads_while_another_writes(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START, segment_bytes=20_000)
    done = threading.Event()
    wrong: list[object] = []

    def follow() -> None:
        reader, seen = JournalReader(tmp_path / "r"), 0
        try:
            while True:
                last = done.is_set()
                for record in reader.records(after=seen):
                    assert record.n == seen + 1
                    assert record.text == text_of(record.n)
                    seen = record.n
                if last:
                    assert seen == 3000
                    return
        except BaseException as error:
            wrong.append(error)
            raise

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        for round_ in range(100):
            fill(writer, range(round_ * 30 + 1, round_ * 30 + 31))
            writer.flush(START)
        writer.close(START)
    finally:
        done.set()
        thread.join()
    assert wrong == []
