"""E2: after any damage to a segment, only written records are read, and the losses are reported exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.disks import SEGMENT, START, BytesStorage, MemoryDisk, UnreadableStorage, fill, read, small_segment, text_of

from okex_ws.journal import ForeignFileError, JournalReader, JournalWriter, UnknownFormatError
from okex_ws.journal.format import HEADER_BYTES, Block, walk


def blocks_of(content: bytes) -> list[Block]:
    def piece(offset: int, length: int) -> bytes:
        return content[offset : offset + length]

    return [item for item in walk(piece, len(content)) if isinstance(item, Block)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a closed segment: its header, records 1 to 12 in blocks of four, its end."""
    path, _ = small_segment(tmp_path_factory.mktemp("whole"))
    return path.read_bytes()


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_E2_a_flip_of_any_byte_costs_its_block_and_is_said_exactly(whole: bytes, flip: int) -> None:
    blocks = blocks_of(whole)
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= flip
        numbers, problems = read(SEGMENT, range(1, 13), storage=BytesStorage(bytes(damaged)))
        header = next(block.header for block in blocks if block.offset <= position < block.end)
        assert set(range(1, 13)) - set(numbers) == set(range(header.first, header.last + 1)), position
        assert len(problems) == 1
        assert problems[0].start <= position < problems[0].end


def test_E2_a_flip_of_any_byte_in_a_folder_is_said_exactly(whole: bytes) -> None:
    disk = MemoryDisk()
    path, _ = small_segment(Path("/data"), storage=disk)
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        disk.files[path].content = damaged
        numbers, problems = read(path.parent, range(1, 13), storage=disk)
        assert len(numbers) in (8, 12)
        assert len(problems) == 1


def test_E2_a_tail_torn_at_every_byte_gives_every_whole_block(whole: bytes) -> None:
    blocks = blocks_of(whole)
    for length in range(len(whole)):
        reader = JournalReader(SEGMENT, storage=BytesStorage(whole[:length]))
        numbers = [record.n for record in reader.records()]
        assert numbers == list(range(1, 1 + sum(block.header.amount for block in blocks if block.end <= length)))
        assert not reader.is_closed
        inside = [block for block in blocks if block.offset < length < block.end]
        assert [problem.kind for problem in reader.problems] == ["torn"] * len(inside)
        if inside and length - inside[0].offset >= HEADER_BYTES and inside[0].header.amount:
            # The header is whole, so the loss is known to the last record.
            assert (reader.problems[0].first, reader.problems[0].last) == (inside[0].header.first, inside[0].header.last)


def test_E2_a_tail_of_zeros_from_every_byte_of_the_last_block_is_torn_not_read(whole: bytes) -> None:
    blocks = blocks_of(whole)
    last = blocks[-2]
    for start in range(last.offset, last.end):
        reader = JournalReader(SEGMENT, storage=BytesStorage(whole[:start].ljust(last.end + 5000, b"\0")))
        assert [record.n for record in reader.records()] == list(range(1, 9))
        assert reader.problems
        assert reader.problems[0].first == 9
        assert reader.problems[0].last in (12, None)


def test_E2_zeros_in_the_middle_are_damage_and_the_rest_is_read(whole: bytes) -> None:
    blocks = blocks_of(whole)
    start, end = blocks[1].offset + 10, blocks[2].offset + 30
    content = whole[:start] + bytes(end - start) + whole[end:]
    numbers, problems = read(SEGMENT, range(1, 13), storage=BytesStorage(content))
    assert numbers == [9, 10, 11, 12]
    assert [(problem.first, problem.last, problem.kind) for problem in problems] == [(1, 8, "damaged")]


def test_E2_a_segment_missing_between_two_is_said_with_its_records(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    for first in (1, 5, 9):
        fill(writer, range(first, first + 4))
        writer.rotate(START)
    (tmp_path / "r" / "00000002.jsonl.zst").unlink()
    numbers, problems = read(tmp_path / "r", range(1, 13))
    assert numbers == [1, 2, 3, 4, 9, 10, 11, 12]
    assert [(problem.kind, problem.first, problem.last) for problem in problems] == [("missing", 5, 8)]


def test_E2_segments_missing_before_all_others_are_said_with_their_records(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    for first in (1, 5, 9):
        fill(writer, range(first, first + 4))
        writer.rotate(START)
    (tmp_path / "r" / "00000001.jsonl.zst").unlink()
    numbers, problems = read(tmp_path / "r", range(1, 13))
    assert numbers == [5, 6, 7, 8, 9, 10, 11, 12]
    assert [(problem.kind, problem.first, problem.last) for problem in problems] == [("missing", 1, 4)]
    reader = JournalReader(tmp_path / "r")
    for after, missing in ((2, [(3, 4)]), (4, []), (6, [])):
        assert [record.n for record in reader.records(after=after)] == list(range(max(after + 1, 5), 13))
        assert [(problem.first, problem.last) for problem in reader.problems] == missing
        reader = JournalReader(tmp_path / "r")


def test_E2_a_sector_that_cannot_be_read_costs_its_block(tmp_path: Path) -> None:
    path, _ = small_segment(tmp_path, blocks=6, each=400)
    content = path.read_bytes()
    blocks = blocks_of(content)
    assert len(content) > 20_000
    for bad in (0, blocks[3].offset + 5, blocks[3].offset + 400, len(content) - 1):
        # Around a bad byte 4 KiB are unreadable: at most two neighbours go with it.
        numbers, problems = read(path, range(1, 2401), storage=UnreadableStorage(bad))
        assert problems
        assert len(numbers) >= 2400 - 3 * 400


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_E2_any_mutation_of_a_segment_never_gives_wrong_records(whole: bytes, data: st.DataObject) -> None:
    content = whole
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 120))
        match data.draw(st.sampled_from(["delete", "insert", "overwrite", "copy", "cut", "zero"])):
            case "delete":
                content = content[:at] + content[at + length :]
            case "insert":
                content = content[:at] + data.draw(st.binary(max_size=120)) + content[at:]
            case "overwrite":
                content = content[:at] + data.draw(st.binary(min_size=1, max_size=120)) + content[at + length :]
            case "copy":
                source = data.draw(st.integers(0, len(content)))
                content = content[:at] + content[source : source + length * 4] + content[at:]
            case "cut":
                content = content[:at]
            case "zero":
                content = content[:at] + bytes(length) + content[at + length :]
    reader = JournalReader(SEGMENT, storage=BytesStorage(content))
    try:
        records = list(reader.records())
    except (ForeignFileError, UnknownFormatError):
        return
    assert all(record.text == text_of(record.n) for record in records)
    numbers = [record.n for record in records]
    assert numbers == sorted(set(numbers))
    if reader.is_closed:
        # If even the first number is unknown, a problem names the last record.
        lost = sum((problem.last or 0) - (problem.first or 1) + 1 for problem in reader.problems if problem.last)
        assert len(numbers) + lost == 12
