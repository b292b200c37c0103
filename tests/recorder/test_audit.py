"""Audit: records that were on disk and are missing are reported; a complete folder has no findings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from tests.support.looped import looped
from tests.support.recording import INSTRUMENTS, Until, market
from tests.support.shell import here

import okex_ws
from okex_ws import checkpoints, store
from okex_ws.events import Disconnected, Recovered, Trade
from okex_ws.journal import FolderLock, JournalReader, LockedError, read_header, recorders
from okex_ws.recorder import recorder as recorder_module
from okex_ws.recorder.audit import WAITING, audit
from okex_ws.recorder.recorder import Recorder
from okex_ws.recorder.recovery import recover_tables
from okex_ws.simulator.server import Server
from okex_ws.sinks.spool import positions, spool_name
from okex_ws.store.ledger import Manifest
from okex_ws.store.verify import DAMAGE, DOUBLE, EXPLAINED, GONE, HOLE, UNVERIFIABLE, VerifyFinding

TROUBLE = ("drop channel=trades every=11 times=4", "die_after_frames frames=40 times=1")
Range = tuple[int | None, int | None]


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder after a kill before the first commit: small segments, ledger lines, a position, checkpoints."""
    root = tmp_path_factory.mktemp("died")

    @looped
    async def main() -> None:
        async with Server(market(*TROUBLE), speed=5) as server:
            recorder = Recorder(
                root / "live",
                site=okex_ws.Site.at(server.ws_url, rest_url=server.rest_url),
                sinks=[str(root / "out.jsonl")],
                flush_within_s=0.05,
                table_flush_s=600,
                segment_bytes=6_000,
                checkpoint_s=0.3,
                backoff_s=(0.01, 0.05),
            )
            for channel in ("trades", "books", "tickers"):
                recorder.client.subscribe(channel, *INSTRUMENTS)
            async with recorder:
                running = asyncio.create_task(recorder.run())
                for struck in (Until(recorder.client, Disconnected, 1), Until(recorder.client, Recovered, 1)):
                    await struck
                journal = recorder.journal.folder
                while len(checkpoints.find(journal)) < 3 or len(segments(recorder.folder)) < 5:
                    await Until(recorder.client, Trade, 10)
                position = recorder.folder / "spool" / spool_name(recorder.targets[0].url)
                reached = recorder.journal.last
                while positions(position).get(recorder.name, 0) < reached:
                    await Until(recorder.client, Trade, 10)
                if recorder._storing is not None:
                    wait([recorder._storing[1]])
                shutil.copytree(recorder.folder, root / "died")
                recorder.stop()
                await running

    main()
    return root / "died"


@pytest.fixture
def folder(died: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(died, tmp_path / "data"))


def segments(folder: Path) -> list[Path]:
    [journal] = (path for path in (folder / "journal").iterdir())
    return sorted(journal.glob("*.zst"))


def first_of(segment: Path) -> int:
    return read_header(segment).first


def end_of(folder: Path) -> int:
    [path] = recorders(folder / "journal")
    return max(record.n for record in JournalReader(path).records())


def committed(folder: Path, name: str) -> int:
    manifest = Manifest(folder)
    manifest.refresh()
    return manifest.committed(name)


def recover(folder: Path) -> None:
    for path in recorders(folder / "journal"):
        recover_tables(folder, path, 1)


def places(ledger: str) -> set[tuple[int, int]]:
    return {(line["n"], line["i"]) for line in map(json.loads, ledger.splitlines())}


def of(findings: list[VerifyFinding], *kinds: str) -> list[Range]:
    return [(finding.first_id, finding.last_id) for finding in findings if finding.kind in kinds]


def found(folder: Path) -> list[VerifyFinding]:
    done = audit([folder])
    assert done.report.is_clean == (not of(done.report.findings, DAMAGE, HOLE))
    return done.report.findings


def test_what_a_kill_leaves_is_whole_before_and_after_the_next_start(folder: Path) -> None:
    assert of(found(folder), DAMAGE, HOLE, GONE, UNVERIFIABLE) == []
    recover(folder)
    assert of(found(folder), DAMAGE, HOLE, GONE, UNVERIFIABLE, WAITING) == []
    with store.open(folder) as opened:
        assert opened.rows("SELECT count(*) FROM gaps")[0][0] > 1


def test_a_recovery_that_is_broken_off_is_gone_on_with(folder: Path) -> None:
    [path] = recorders(folder / "journal")
    before = committed(folder, path.name)
    looks = iter([True] * 50)
    recover_tables(folder, path, 1, is_wanted=lambda: next(looks, False))
    assert before < committed(folder, path.name) < end_of(folder)
    assert of(found(folder), DAMAGE, DOUBLE) == []
    recover(folder)
    assert committed(folder, path.name) == end_of(folder)
    assert of(found(folder), DAMAGE, HOLE, DOUBLE, WAITING) == []


@looped
async def test_no_recovery_goes_on_when_the_lock_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, is_over = threading.Event(), []

    def slow(*args: Any, is_wanted: Callable[[], bool], **more: Any) -> int:
        began.set()
        while is_wanted():
            time.sleep(0)
        rows = recover_tables(*args, is_wanted=is_wanted, **more)
        with pytest.raises(LockedError), FolderLock(folder / "lock"):
            pass
        is_over.append(True)
        return rows

    monkeypatch.setattr(recorder_module, "recover_tables", slow)
    async with Recorder(folder, site=okex_ws.Site.at("ws://127.0.0.1:9"), fetches_back=False):
        await asyncio.to_thread(began.wait)
    assert is_over
    recover(folder)
    assert of(found(folder), DAMAGE, HOLE, DOUBLE, WAITING) == []


def test_a_journal_that_was_deleted_before_its_rows_were_in_tables_is_lost(folder: Path) -> None:
    last = max(checkpoint.n for checkpoint in checkpoints.find(segments(folder)[0].parent))
    for segment in segments(folder):
        segment.unlink()
    [damage] = [finding for finding in found(folder) if finding.kind == DAMAGE]
    assert damage.first_id == 1
    assert damage.last_id is not None
    assert damage.last_id >= last
    shutil.rmtree(folder / "journal")
    [damage] = [finding for finding in found(folder) if finding.kind == DAMAGE]
    assert "gaps.jsonl" in damage.text or "spool/" in damage.text


@pytest.mark.parametrize("witness", ["ledger", "spool", "checkpoint"])
def test_the_last_segment_is_lost_whoever_knows_of_it(folder: Path, witness: str) -> None:
    end = end_of(folder)
    lost = segments(folder)[1:]
    first = first_of(lost[0])
    knowing = {"ledger": "ledger/*.jsonl", "spool": "spool/*", "checkpoint": "journal/*/*.checkpoint"}
    others = [path for which, pattern in knowing.items() if which != witness for path in folder.glob(pattern)]
    for path in (*others, *lost):
        path.unlink()
    [(low, high)] = of(found(folder), DAMAGE)
    assert low == first
    assert first < (high or 0) <= end
    recover(folder)
    assert of(found(folder), DAMAGE) == [(low, high)], "a restart changes nothing"


def test_a_first_segment_that_is_lost_stays_lost(folder: Path) -> None:
    last = first_of(segments(folder)[1]) - 1
    segments(folder)[0].unlink()
    findings = found(folder)
    assert of(findings, DAMAGE, HOLE) == [(1, last)]
    gaps = (folder / "ledger/gaps.jsonl").read_text()
    recover(folder)
    told, again = (places(text) for text in (gaps, (folder / "ledger/gaps.jsonl").read_text()))
    assert {place for place in again if place <= max(told)} == told, "no news has a second place"
    findings = found(folder)
    assert (1, last) in of(findings, DAMAGE)
    assert not any("is not in the" in finding.text for finding in findings), findings
    done = here("replay", str(folder), "--flat")
    assert done.code == 1
    assert re.search(rf"records 1 to {last} lost", done.err), done.err


def test_a_segment_lost_in_the_middle_stays_lost_and_what_follows_is_not_doubted(folder: Path) -> None:
    lost = segments(folder)[2]
    missing = first_of(lost), first_of(segments(folder)[3]) - 1
    lost.unlink()
    assert of(found(folder), DAMAGE) == [missing]
    recover(folder)
    findings = found(folder)
    assert of(findings, DAMAGE) == [missing]
    assert not any("is not in the" in finding.text or "of the journal are not" in finding.text for finding in findings), findings
    standing = next(one.n for one in reversed(checkpoints.find(lost.parent)) if one.n >= missing[1])
    assert of(findings, UNVERIFIABLE) == ([(missing[1] + 1, standing)] if standing > missing[1] else [])
    shutil.rmtree(folder / "journal")
    assert missing in of(found(folder), DAMAGE), "no commit covers them"


def test_a_tail_that_was_acknowledged_is_damage_and_one_that_was_not_is_none(folder: Path) -> None:
    recover(folder)
    shutil.rmtree(folder / "tables")
    (folder / "ledger/segments.jsonl").unlink()
    last = segments(folder)[-1]
    content = last.read_bytes()
    last.write_bytes(content + content[:70])
    assert of(found(folder), DAMAGE, HOLE) == []
    assert any("a tail that was never acknowledged" in finding.text for finding in found(folder) if finding.kind == EXPLAINED)
    earlier = segments(folder)[1]
    for segment in segments(folder)[2:]:
        segment.unlink()
    content = earlier.read_bytes()
    earlier.write_bytes(content[: len(content) - 300])
    [(first, high)] = of(found(folder), DAMAGE)
    assert first == end_of(folder) + 1
    assert (high or 0) > first


def test_old_segments_a_person_deletes_are_gone_and_the_rest_is_checked(folder: Path) -> None:
    recover(folder)
    whole = segments(folder)
    for segment in whole[:2]:
        segment.unlink()
    findings = found(folder)
    assert of(findings, DAMAGE, HOLE) == []
    [gone] = [finding for finding in findings if finding.kind == GONE]
    assert f"{first_of(whole[2]) - 1} records" in gone.text
    for first, last in of(findings, UNVERIFIABLE):
        standing = [one.n for one in checkpoints.find(whole[0].parent) if one.n >= first_of(whole[2])]
        assert (first, last) == (first_of(whole[2]), standing[-1])
    shutil.rmtree(folder / "journal")
    findings = found(folder)
    assert of(findings, DAMAGE, HOLE) == []
    assert [finding.kind for finding in findings if finding.table == "journal"] == [GONE]
    with contextlib.closing(store.open(folder)) as opened:
        assert opened.rows("SELECT count(*) FROM trades")[0][0] > 0


def test_a_ledger_line_that_was_altered_is_damage(folder: Path) -> None:
    recover(folder)
    ledger = folder / "ledger/gaps.jsonl"
    whole = ledger.read_bytes()
    line = next(line for line in whole.splitlines() if re.search(rb'"event":"Gap".*"last_id":\d', line))
    told = json.loads(line)
    ledger.write_bytes(whole.replace(b'"last_id":%d,' % told["last_id"], b'"last_id":%d,' % (told["last_id"] + 5)))
    assert any("ledger lines cannot be read" in finding.text for finding in found(folder) if finding.kind == DAMAGE)
    with store.open(folder) as opened:
        query = "SELECT count(*) FROM gaps WHERE recorder = ? AND n = ? AND i = ?"
        assert opened.rows(query, told["recorder"], told["n"], told["i"]) == [(0,)]
    told.pop("crc")  # as of before there were any, or by a hand that knows them
    for forged in ({"last_id": told["last_id"] + 5}, {"event": "Unrecoverable"}):
        ledger.write_bytes(whole.replace(line, json.dumps(told | forged, separators=(",", ":")).encode()))
        [damage] = [finding for finding in found(folder) if finding.kind == DAMAGE]
        assert f"record {told['n']} was altered in the ledger" in damage.text


def test_days_a_person_deletes_are_gone_and_the_rest_is_held_against_the_journal(folder: Path) -> None:
    recover(folder)
    for path in folder.glob("tables/trades/date=*"):
        shutil.rmtree(path)
    findings = found(folder)
    assert of(findings, DAMAGE, HOLE) == []
    assert [finding.text for finding in findings if finding.kind == GONE and "folders of trades" in finding.text]
    done = here("verify", str(folder))
    assert done.code == 0, done.out
    assert "1 gone, as if deleted" in done.out
    done = here("query", "--data", str(folder), "select count(*) from trades")
    assert done.code == 2
    assert "there is no table trades here" in done.err
    line = next(line for line in (folder / "ledger/segments.jsonl").read_text().splitlines() if "book_updates" in line)
    path = next(file[0] for file in json.loads(line)["files"] if "book_updates" in file[0])
    (folder / path).unlink()
    assert any(path in finding.text for finding in found(folder) if finding.kind == DAMAGE)
