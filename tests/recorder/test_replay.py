"""Replay through the journal on disk: captures of others, many messages in little memory, the same at any speed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import CORPORA
from tests.support.shell import CLEAN
from tests.support.trade_frames import START, messages

from okex_ws import store
from okex_ws.dialects import dialect
from okex_ws.journal import JournalReader, JournalWriter, recorders
from okex_ws.recorder.audit import audit
from okex_ws.recorder.recovery import recover_tables
from okex_ws.replay import Played, paced, played
from okex_ws.store.verify import HOLE

CORPUS = CORPORA / "cryptofeed-2021-07-okex-v5.jsonl"
MESSAGES = int(os.environ.get("OKEX_WS_REPLAY_MESSAGES", "1000000"))
MEGABYTE = 1 << 20


def journal(folder: Path, count: int, name: str = "r") -> Path:
    writer = JournalWriter(folder, recorder=name, software="test", now=START)
    for ts, text in messages(count):
        n = writer.write(ts, "public/0", 1, "in", text)
        if n % 20_000 == 0:
            writer.flush(ts)
    writer.close(START + count * 1_000_000)
    return writer.folder


def digest(places: Iterator[Played]) -> str:
    """Of every event, in order, with its place."""
    summed = hashlib.sha256()
    for n, i, event in places:
        summed.update(f"{n}:{i}:{event!r}\n".encode())
    return summed.hexdigest()


def test_E13_the_same_digest_at_any_speed(tmp_path: Path) -> None:
    path = journal(tmp_path, 20_000)
    flat = digest(played(JournalReader(path).records()))

    async def at(speed: float) -> tuple[str, int]:
        clock = 0

        async def sleep(seconds: float) -> None:
            nonlocal clock
            clock += int(seconds * 1e9)

        summed = hashlib.sha256()
        async for n, i, event in paced(JournalReader(path).records(), speed=speed, now=lambda: clock, sleep=sleep):
            summed.update(f"{n}:{i}:{event!r}\n".encode())
        return summed.hexdigest(), clock

    for speed in (0.5, 1, 7, 1000):
        found, took = asyncio.run(at(speed))
        assert found == flat
        assert abs(took / 1e9 - 20 / speed) < 0.01, "20 s of messages, on the test's own clock"


def test_E13_a_million_messages_in_bounded_memory(tmp_path: Path) -> None:
    path = journal(tmp_path, MESSAGES)
    code = """
import resource, sys
from okex_ws.journal import JournalReader
from okex_ws.replay import played
count = last = most = 0
for n, i, event in played(JournalReader(__import__("pathlib").Path(sys.argv[1])).records()):
    count += 1
    if count == int(sys.argv[2]) // 20:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, event.trade_id, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most)
"""
    command = [sys.executable, "-c", code, str(path), str(MESSAGES)]
    done = subprocess.run(command, capture_output=True, text=True, env=CLEAN, check=True)
    count, last, grown_kb = map(int, done.stdout.split())
    assert (count, last) == (MESSAGES, MESSAGES)
    assert grown_kb * 1024 < 16 * MEGABYTE, "after the first twentieth memory is flat"


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three connections of one real capture, each as the journal of a recorder with a data folder of its own."""
    if not CORPUS.exists():
        pytest.skip(f"{CORPUS} is not here: the real captures are not part of the project")
    root = tmp_path_factory.mktemp("captured")
    writers: dict[str, JournalWriter] = {}
    for record in JournalReader(CORPUS).records():
        writer = writers.get(record.line)
        if writer is None:
            folder = root / str(len(writers))
            store.prepare(folder, now=1, software="test")
            writer = writers[record.line] = JournalWriter(folder / "journal", recorder=f"r{len(writers)}", software="test", now=1)
        writer.write(record.ts, record.line, record.conn, record.kind, record.text)
    for writer in writers.values():
        writer.close(1)
    folders = sorted(root.iterdir())
    for folder in folders:
        for path in recorders(folder / "journal"):
            recover_tables(folder, path, 1)
    return folders


def test_E7_a_real_capture_of_three_connections_has_1494_updates(captured: list[Path]) -> None:
    assert len(captured) == 3
    with store.open(*captured) as merged:
        assert merged.rows("SELECT count(*) FROM raw_book_updates") == [(4_342,)]
        assert merged.rows("SELECT count(*) FROM book_updates") == [(1_494,)]
        raw, ids = merged.rows("SELECT count(*), count(DISTINCT (instrument, trade_id)) FROM raw_trades")[0]
        assert merged.rows("SELECT count(*) FROM trades") == [(ids,)]
        assert raw > ids
    assert [finding for finding in audit(captured).report.findings if finding.kind == HOLE] == []


def test_E7_a_real_capture_of_the_old_dialect_has_530_updates(tmp_path: Path) -> None:
    corpus = CORPUS.with_name("cryptofeed-2021-04-okcoin-v3.jsonl")
    if not corpus.exists():
        pytest.skip(f"{corpus} is not here: the real captures are not part of the project")
    journals: dict[str, JournalWriter] = {}
    for record in JournalReader(corpus, dialect="v3").records():
        if record.line not in journals:
            folder = tmp_path / str(len(journals))
            store.prepare(folder, now=1, software="test")
            name = f"r{len(journals)}"
            journals[record.line] = JournalWriter(folder / "journal", recorder=name, software="test", now=1, dialect="v3")
        journals[record.line].write(record.ts, record.line, record.conn, record.kind, record.text)
    for journal in journals.values():
        journal.close(1)
        tables = store.TableWriter(journal.folder.parents[1], journal.folder.name)
        for n, i, event in played(JournalReader(journal.folder).records(), dialect("v3")):
            tables.add(event, n, i)
        tables.flush(1, journal.last)
        tables.close()
    with store.open(*sorted(tmp_path.iterdir())) as merged:
        assert merged.rows("SELECT count(*) FROM raw_book_updates") == [(3 * 530,)]
        assert merged.rows("SELECT count(*) FROM book_updates") == [(530,)]
        assert merged.rows("SELECT count(*), count(DISTINCT (instrument, trade_id)) FROM trades") == [(10, 10)]


def test_E12_a_real_capture_is_replayed_from_its_journal_as_from_its_file(captured: list[Path]) -> None:
    direct = [repr(event) for _, _, event in played(JournalReader(CORPUS).records())]
    again = [
        repr(event)
        for folder in captured
        for path in recorders(folder / "journal")
        for _, _, event in played(JournalReader(path).records())
    ]
    assert sorted(again) == sorted(direct)
