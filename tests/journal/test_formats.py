"""E11, E14, G7: files of other formats, names that are paths, and malicious files."""

from __future__ import annotations

import resource
from pathlib import Path
from zlib import crc32

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.disks import SEGMENT, START, BytesStorage, fill, read, small_segment

from okex_ws.journal import (
    ForeignFileError,
    JournalError,
    JournalReader,
    JournalWriter,
    StorageFailedError,
    UnknownFormatError,
    recorders,
)
from okex_ws.journal.format import IS_HEADER, BlockHeader, safe_name, segment_name, segment_number


def compress(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)


def block(payload: bytes, *, raw: int, flags: int = 0, amount: int = 0, first: int = 1, length: int = -1) -> bytes:
    """Return a block with a valid header of any content."""
    length = len(payload) if length < 0 else length
    return BlockHeader(flags, 1, 0, amount, raw, length, first, 0, 0, crc32(payload)).pack() + payload


def of_format_2(content: bytes) -> bytes:
    """Return a segment of a later version: the same first bytes, another version number."""
    return content[:12] + b"\2" + content[13:]


FOREIGN = {
    "text": b"date,price\n2018-01-01,14000\n",
    "zstd": compress(b'{"n":1}\n' * 100),
    "gzip": b"\x1f\x8b\x08\x00" + b"x" * 500,
    "noise": bytes(range(256)) * 20,
    "one byte": b"x",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_E11_a_foreign_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "00000001.jsonl.zst"
    path.write_bytes(content)
    with pytest.raises(ForeignFileError) as caught:
        list(JournalReader(path).records())
    assert str(caught.value) == f"{path} is not a journal segment"
    assert path.read_bytes() == content


def test_E11_a_segment_of_a_later_format_is_refused_in_one_line(tmp_path: Path) -> None:
    path, _ = small_segment(tmp_path, blocks=0 + 1)
    later = b"".join(of_format_2(b"Z*M\x18" + part) for part in path.read_bytes().split(b"Z*M\x18")[1:])
    path.write_bytes(later)
    for target in (path, path.parent):
        with pytest.raises(UnknownFormatError, match=r"is of format 2; this version reads format 1$"):
            list(JournalReader(target).records())
    with pytest.raises(UnknownFormatError, match=r"is of format 2; this version reads format 1$"):
        JournalWriter(tmp_path, recorder="r", software="test", now=START)
    assert path.read_bytes() == later


def test_E11_a_header_line_of_a_later_format_is_refused_too() -> None:
    line = b'{"format":2,"dialect":"v5","software":"9","recorder":"r","segment":1,"first":1,"seed":0,"created":0}\n'
    content = block(compress(line), raw=len(line), flags=IS_HEADER)
    with pytest.raises(UnknownFormatError, match="is of format 2"):
        list(JournalReader(SEGMENT, storage=BytesStorage(content)).records())


def test_E11_a_foreign_file_among_segments_is_said_and_left_alone(tmp_path: Path) -> None:
    path, last = small_segment(tmp_path)
    stranger = path.with_name("00000002.jsonl.zst")
    stranger.write_bytes(FOREIGN["text"])
    (path.parent / "notes.txt").write_text("mine")
    numbers, problems = read(path.parent, range(1, last + 1))
    assert len(numbers) == last
    assert [problem.kind for problem in problems] == ["foreign"]
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    fill(writer, [last + 1])
    writer.close(START)
    assert stranger.read_bytes() == FOREIGN["text"]
    assert read(path.parent, range(1, last + 2))[0] == list(range(1, last + 2))


def test_E11_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path / "00000001.jsonl.zst", tmp_path / "capture.jsonl"):
        with pytest.raises(StorageFailedError, match=r"^(open|list) failed on .*: No such file or directory$"):
            list(JournalReader(path).records())


NAMES = ["../../etc/cron.d/x", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "nul\0l", "-rf", "ünïcode", "x" * 5000, "\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_E14_no_recorder_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "journal"
    writer = JournalWriter(folder, recorder=name, software="test", now=START)
    fill(writer, range(1, 3))
    writer.close(START)
    assert writer.folder.parent == folder
    assert writer.folder.resolve().parent == folder.resolve()
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    assert recorders(folder) == [writer.folder]
    assert read(writer.folder, [1, 2])[0] == [1, 2]


def test_E14_line_names_are_text_not_paths_and_cannot_break_a_line(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    names = ["../../x", 'a","n":99,"b":"', "line\nbreak\u2028\x1b[31m"]
    for name in names:
        writer.write(START, name, 0, "in", b"{}")
    writer.close(START)
    assert [record.line for record in JournalReader(tmp_path / "r").records()] == names


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_E14_safe_names_are_safe_and_keep_plain_names(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) <= 100
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>|\0 \n')
    assert not name.startswith(".")
    if text.isascii() and text.isalnum() and len(text) <= 100:
        assert name == text


def test_segment_names_sort_by_number_and_read_back() -> None:
    assert segment_name(7) == "00000007.jsonl.zst"
    numbers = [1, 9, 10, 99_999_999]
    assert [segment_number(segment_name(number)) for number in numbers] == numbers
    arabic = "\u0660" * 7 + "\u0667.jsonl.zst"
    for name in ("7.jsonl.zst", "00000007.jsonl", "00000007.jsonl.zst.torn", "-0000007.jsonl.zst", arabic, ".jsonl.zst"):
        assert segment_number(name) is None


ZEROS = b"\0" * (200 << 20)


def hostile() -> dict[str, bytes]:
    """Return files with valid checksums and false headers."""
    bomb = compress(ZEROS)
    streamed = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=False).compress(ZEROS)
    deep = b'{"n":1,"ts":0,"line":"","conn":0,"kind":"in","text":"","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"
    tiny = b'{"n":1}\n' * 65_000
    line = b'{"n":1,"ts":0,"line":"","conn":0,"kind":"in","text":""}\n'
    window = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, write_checksum=True, write_content_size=False)
    wide = zstandard.ZstdCompressor(compression_params=window).compress(line)
    return {
        "bomb": block(bomb, raw=1000, amount=1),
        "bomb that says so": block(bomb, raw=len(ZEROS), amount=1),
        "bomb without a size": block(streamed, raw=1000, amount=1),
        "length of 2^32 - 1": block(b"", raw=10, amount=1, length=2**32 - 1),
        "first of 2^63": block(compress(line), raw=len(line), amount=1, first=2**63),
        "first of 2^64 - 1": block(compress(line), raw=len(line), amount=1, first=2**64 - 1),
        "four thousand million records": block(compress(line), raw=len(line), amount=2**32 - 1),
        "deep": block(compress(deep), raw=len(deep), amount=1),
        "half a record, many times": block(compress(tiny), raw=len(tiny), amount=65_000),
        "two frames": block(compress(line) + compress(line), raw=len(line), amount=1),
        "a window of 128 MiB": block(wide, raw=len(line), amount=1),
        "a million headers": block(b"", raw=0) + b"".join(block(b"", raw=0)[:40] for _ in range(100_000)),
        "pickle": block(compress(b"cos\nsystem\n(S'id'\ntR."), raw=21, amount=3),
        "records of another number": block(compress(line), raw=len(line), amount=1, first=5),
        "wrong types": block(compress(line.replace(b'"conn":0', b'"conn":[]')), raw=len(line) + 1, amount=1),
        "no text": block(compress(line.replace(b"text", b"next")), raw=len(line), amount=1),
        "skippable frame of 4 GiB": b"Z*M\x18\xff\xff\xff\xff" + b"OKXJ" + bytes(100),
    }


def test_G7_files_made_to_hurt_are_refused_within_bounds() -> None:
    cases = hostile()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, content in cases.items():
        reader = JournalReader(SEGMENT, storage=BytesStorage(content))
        try:
            assert list(reader.records()) == [], name
        except JournalError:
            continue
        assert reader.problems, name
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024, f"{grown} KiB"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.binary(max_size=100))
def test_G7_any_bytes_are_refused_or_read_as_damage(start: bytes, end: bytes) -> None:
    framed = block(start, raw=len(start), amount=1) + end
    for content in (start, b"Z*M\x18<\0\0\0OKXJ\1\0" + start, framed, block(b"", raw=0) + start):
        try:
            assert list(JournalReader(SEGMENT, storage=BytesStorage(content)).records()) == []
        except JournalError as error:
            assert "\n" not in str(error)  # noqa: PT017
