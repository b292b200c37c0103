"""The writer: records come out unchanged, when a flush is due, in which file, and what is never written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.disks import SECOND, START, MemoryDisk, fill, read, small_segment, text_of

from okex_ws.events import Disconnected
from okex_ws.journal import JournalError, JournalReader, JournalWriter, Record, RecordTooLongError, read_header
from okex_ws.journal.redaction import redacted, without_secrets
from okex_ws.store.status_rows import status_line
from okex_ws.wire import requests
from okex_ws.wire.sign import Credentials

DATA = Path("/data/journal")
CANARY = "CANARY7f3aCANARY"


def lines_of(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    return [json.loads(line) for line in text.splitlines()]


def test_a_segment_is_a_header_line_and_a_json_line_a_record(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, recorder="r1", software="0.1.0", now=START, seed=7)
    writer.write(START + 1, "public/0", 1, "open", b"{}")
    writer.write(START + 2, "public/0", 1, "in", b'{"arg":{"channel":"trades"}}')
    writer.write(START + 3, "public/0", 1, "in", b"\xff\xfe")
    writer.close(START + 4)
    header, *records = lines_of(tmp_path / "r1" / "00000001.jsonl.zst")
    assert header == {
        "format": 1,
        "dialect": "v5",
        "software": "0.1.0",
        "recorder": "r1",
        "segment": 1,
        "first": 1,
        "seed": 7,
        "created": START + 4,
    }
    assert records == [
        {"n": 1, "ts": START + 1, "line": "public/0", "conn": 1, "kind": "open", "text": "{}"},
        {"n": 2, "ts": START + 2, "line": "public/0", "conn": 1, "kind": "in", "text": '{"arg":{"channel":"trades"}}'},
        {"n": 3, "ts": START + 3, "line": "public/0", "conn": 1, "kind": "in", "b64": "//4="},
    ]
    assert read_header(tmp_path / "r1" / "00000001.jsonl.zst").software == "0.1.0"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    records=st.lists(
        st.tuples(
            st.integers(0, 2**62),
            st.text(max_size=20),
            st.integers(-1, 2**31),
            st.sampled_from(["in", "timer", "image", "odd \x00 kind"]),
            st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
            st.sampled_from(["", "", "", "flush", "rotate", "restart"]),
        ),
        max_size=30,
    )
)
def test_records_come_back_as_they_went_in(records: list[tuple[int, str, int, str, bytes, str]]) -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    written = []
    for ts, line, conn, kind, text, then in records:
        n = writer.write(ts, line, conn, kind, text)
        written.append((n, ts, line, conn, kind, text))
        match then:
            case "flush":
                assert writer.flush(ts) == n
            case "rotate":
                assert writer.rotate(ts) == n
            case "restart":
                writer.close(ts)
                writer = JournalWriter(DATA, recorder="r", software="test", now=ts, storage=disk)
                assert writer.last == writer.acknowledged == n
    writer.close(START)
    reader = JournalReader(DATA / "r", storage=disk)
    found = list(reader.records())
    assert [(r.n, r.ts, r.line, r.conn, r.kind, r.text) for r in found] == written
    assert reader.problems == []
    for n in range(0, len(written), 7):
        assert list(reader.records(after=n)) == found[n:]
        assert list(JournalReader(DATA / "r", storage=disk).records(after=n, through=n + 3)) == found[n : n + 3]


def test_times_select_records_across_blocks_and_segments() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    for n in range(1, 101):
        fill(writer, [n])
        if n % 10 == 0:
            (writer.rotate if n % 30 == 0 else writer.flush)(START)
    writer.close(START)
    reader = JournalReader(DATA / "r", storage=disk)
    assert [record.n for record in reader.records(since=START + 25, until=START + 61)] == list(range(25, 61))
    assert reader.problems == []


def test_a_flush_is_due_one_second_after_the_oldest_record_by_either_clock() -> None:
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=MemoryDisk())
    assert writer.deadline() is None
    writer.write(START, "a", 0, "in", b"1")
    writer.write(START + SECOND // 2, "a", 0, "in", b"2")
    assert writer.deadline() == START + SECOND
    writer.write(START - 3600 * SECOND, "a", 0, "in", b"3")  # the clock stepped back
    assert writer.deadline() == START - 3599 * SECOND
    assert writer.flush(START - 3600 * SECOND) == 3
    assert writer.deadline() is None
    eager = JournalWriter(DATA, recorder="e", software="test", now=START, flush_within_s=0, storage=MemoryDisk())
    eager.write(START, "a", 0, "in", b"1")
    assert eager.deadline() == START


def test_segments_end_by_size_and_by_age() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, segment_bytes=2000, segment_s=60, storage=disk)
    for n in range(1, 201):
        fill(writer, [n])
        if n % 10 == 0:
            writer.flush(START)
    by_size = len(disk.list(DATA / "r"))
    assert by_size > 3
    assert all(disk.size(DATA / "r" / name) < 2000 + 600 for name in disk.list(DATA / "r"))
    for minute in range(1, 5):
        fill(writer, [200 + minute])
        writer.flush(START + minute * 61 * SECOND)
    writer.close(START)
    assert len(disk.list(DATA / "r")) >= by_size + 2
    assert read(DATA / "r", range(1, 205), storage=disk)[0] == list(range(1, 205))


def test_E5_clock_steps_at_rotation_and_midnight_lose_nothing_and_no_name_comes_twice() -> None:
    midnight = 1_700_006_400 * SECOND
    hour = 3600 * SECOND
    steps = [
        midnight - 1, midnight, midnight, midnight + 1, midnight - hour, midnight - hour - 1, midnight + 2 * hour,
        midnight - 24 * hour, 0, midnight + 24 * hour, midnight + 24 * hour, midnight + 24 * hour - SECOND, 1, 2**62,
    ]  # fmt: skip
    for rotate_each in (True, False):
        disk = MemoryDisk()
        writer = JournalWriter(DATA, recorder="r", software="test", now=midnight, segment_s=3600, storage=disk)
        names: set[str] = set()
        for step in steps * 3:
            writer.write(step, "public/0", 1, "in", text_of(writer.last + 1))
            (writer.rotate if rotate_each else writer.flush)(step)
            now_there = set(disk.list(DATA / "r"))
            assert names <= now_there
            names = now_there
        writer.close(0)
        reader = JournalReader(DATA / "r", storage=disk)
        found = list(reader.records())
        assert [record.ts for record in found] == steps * 3
        assert [record.n for record in found] == list(range(1, len(steps) * 3 + 1))
        assert [record.text for record in found] == [text_of(record.n) for record in found]
        assert reader.problems == []
        assert len(names) == len(steps) * 3 if rotate_each else len(names) < len(steps) * 3


def test_a_batch_is_stored_on_another_thread_while_records_come_in() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    fill(writer, range(1, 11))
    batch = writer.prepare(START)
    assert batch is not None
    with pytest.raises(JournalError, match="settle it first"):
        writer.prepare(START)
    thread = threading.Thread(target=batch.store)
    thread.start()
    fill(writer, range(11, 21))
    thread.join()
    assert writer.acknowledged == 0
    assert writer.settle(batch, START) == writer.acknowledged == 10
    assert writer.close(START) == 20
    assert read(DATA / "r", range(1, 21), storage=disk)[0] == list(range(1, 21))


def test_a_closed_journal_takes_nothing_and_a_new_writer_goes_on_from_its_end() -> None:
    disk = MemoryDisk()
    _, last = small_segment(DATA, storage=disk)
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    assert (writer.last, writer.recovered.segment, writer.recovered.problems) == (last, 1, [])
    fill(writer, [last + 1])
    writer.close(START)
    with pytest.raises(JournalError, match="is closed"):
        fill(writer, [last + 2])
    reader = JournalReader(DATA / "r", storage=disk)
    assert [record.segment for record in reader.records()] == [1] * last + [2]
    assert reader.is_closed


def test_a_journal_without_records_leaves_no_file() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    assert writer.flush(START) == writer.close(START) == 0
    assert disk.list(DATA / "r") == []
    assert list(JournalReader(DATA / "r", storage=disk).records()) == []


@pytest.mark.parametrize("text", [b"\xff" * (16 << 20), b"\x00" * (16 << 20), b'"' * (11 << 20)])
def test_the_longest_frames_fit_whatever_their_bytes(text: bytes) -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    for part in (b"before", text, b"after"):
        writer.write(START, "a", 0, "in", part)
    writer.close(START)
    assert [record.text for record in JournalReader(DATA / "r", storage=disk).records()] == [b"before", text, b"after"]


def test_a_text_beyond_all_frames_is_refused_and_leaves_no_trace() -> None:
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=MemoryDisk())
    with pytest.raises(RecordTooLongError, match="exceeds the maximum of a record"):
        writer.write(START, "a", 0, "in", b"\xff" * (17 << 20))
    assert writer.last == 0
    assert writer.write(START, "a", 0, "in", b"1") == 1


SECRETS = [
    ("out", requests.login(Credentials(CANARY, CANARY, CANARY), 1_700_000_000)),
    ("out", b'{"op" : "login", "args":[{"apiKey":"%b"}]}' % CANARY.encode()),
    ("out", b'{"op":"log\\u0069n","args":[{"other":"%b"}]}' % CANARY.encode()),
    ("out", b'{"op":"login","args":["%b","p","1","s"]}' % CANARY.encode()),
    ("out", b"{'event':'login','parameters':{'api_key':'%b','sign':'x'}}" % CANARY.encode()),
    ("out", b'{"event":"addChannel","parameters":{"api_key":"%b","sign":"%b"}}' % (CANARY.encode(), CANARY.encode())),
    ("out", b'{"op":"login","args":[{"apiKey":"%b"' % CANARY.encode()),
    ("out", b'\xff{"op":"login","args":"%b"}' % CANARY.encode()),
    ("start", b'{"url":"x","passphrase":"%b","deep":[{"Secret-Key":"%b"}]}' % (CANARY.encode(), CANARY.encode())),
    ("in", msgspec.json.encode({"event": "error", "code": "60012", "msg": f'Invalid request: {{"passphrase": "{CANARY}"}}'})),
]


def test_G1_no_secret_reaches_the_journal() -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    for kind, text in SECRETS:
        assert CANARY.encode() in text or b"CANARY" in text
        writer.write(START, "private/0", 1, kind, text)
    writer.close(START)
    records = list(JournalReader(DATA / "r", storage=disk).records())
    assert len(records) == len(SECRETS)
    for record in records:
        assert b"CANARY" not in record.text, record
        assert b"***" in record.text
    assert json.loads(records[0].text)["op"] == "login"
    assert b"CANARY" not in msgspec.json.encode(records)


@pytest.mark.parametrize(
    "text",
    [
        b"ping",
        b'{ "op": "subscribe", "args": [{"channel": "trades", "instId": "SIGN-USDT"}] }',
        b'{"id":"1","op":"order","args":[{"instId":"BTC-USDT","tag":"assigned \\u0041","px":"1.10"}]}',
        b"{'event':'addChannel','channel':'ok_sub_spot_btc_usdt_depth'}",
    ],
)
def test_G1_what_holds_no_secret_is_untouched(text: bytes) -> None:
    disk = MemoryDisk()
    writer = JournalWriter(DATA, recorder="r", software="test", now=START, storage=disk)
    writer.write(START, "public/0", 1, "out", text)
    writer.close(START)
    assert [record.text for record in JournalReader(DATA / "r", storage=disk).records()] == [text]


def test_a_record_is_what_the_rooms_around_expect() -> None:
    assert Record.__struct_fields__ == ("n", "ts", "line", "conn", "kind", "text", "segment")


@pytest.mark.parametrize(
    "text",
    [
        b'{"event":"error","code":"60024","msg":"Wrong passphrase"}',
        b'{"code":4007,"reason":"API key is not valid"}',
        b'{"code":4001,"reason":"Login failed: invalid sign, secret or passphrase: try again"}',
    ],
)
def test_a_word_is_not_a_secret(text: bytes) -> None:
    assert redacted(text) == text


def test_journal_and_ledger_redact_alike() -> None:
    for text in (
        'Invalid request: {"apiKey":"CANARY"',
        "url?passphrase=CANARY",
        '{\\"sign\\": \\"CANARY',
        "{passphrase: CANARY}",
    ):
        assert "CANARY" not in without_secrets(text)
        reason = msgspec.json.decode(redacted(msgspec.json.encode({"reason": text})))["reason"]
        assert reason == without_secrets(text) == without_secrets(reason)
        line = status_line(Disconnected(reason=f"closed by OKX: {text}"), "r", 1, 0)
        assert msgspec.json.decode(line)["reason"] == f"closed by OKX: {reason}"
