"""Checkpoints: a replay from one gives the events of a replay from the beginning; damaged and foreign ones are ignored."""

from __future__ import annotations

import ast
import pickle
import re
import tracemalloc
from pathlib import Path

import msgspec
import pytest
import zstandard
from tests.support.looped import looped
from tests.support.recording import Until, market, recording
from tests.support.shell import run
from tests.support.trade_frames import START, messages

from okex_ws import checkpoints, store
from okex_ws.core.snapshot import take
from okex_ws.events import Disconnected, Gap, Push, Recovered, Trade
from okex_ws.journal import JournalReader, JournalWriter, recorders
from okex_ws.journal.records import Record
from okex_ws.journal.storage import OsStorage
from okex_ws.recorder.recovery import recover_tables
from okex_ws.replay import Played, Replay, played
from okex_ws.simulator.server import Server

TROUBLE = (
    "drop channel=trades probability=2%", "drop channel=books action=update every=31", "die_after_frames frames=150 times=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with many checkpoints and small segments, whose tables were never written: its recorder died."""
    folder = tmp_path_factory.mktemp("recorded")

    @looped
    async def main() -> None:
        async with (
            Server(market(*TROUBLE), speed=5) as server,
            recording(folder, server, checkpoint_s=0.05, segment_bytes=10_000) as recorder,
        ):
            for struck in (Until(recorder.client, Disconnected, 1), Until(recorder.client, Recovered, 1)):
                await struck
            await Until(recorder.client, Trade, 50)
            journal = recorder.journal.folder
            while len(checkpoints.find(journal)) < 4 or len(list(journal.glob("*.zst"))) < 4:
                await Until(recorder.client, Trade, 30)

    main()
    return folder


def told(path: Path, replay: Replay | None = None, after: int = 0) -> list[Played]:
    return list(played(JournalReader(path).records(after=after), replay=replay))


def as_texts(places: list[Played]) -> list[str]:
    return [f"{n} {i} {event!r}" for n, i, event in places]


def test_E12_a_replay_from_any_checkpoint_says_what_one_from_the_beginning_says(recorded: Path) -> None:
    [path] = recorders(recorded / "journal")
    whole = told(path)
    assert {Gap, Disconnected, Recovered} <= {type(event) for _, _, event in whole}
    found = checkpoints.find(path)
    assert len(found) >= 4
    for checkpoint in found:
        replay = Replay()
        n = replay.resume(path, through=checkpoint.n)
        assert n == checkpoint.n
        assert as_texts(told(path, replay, n)) == as_texts([place for place in whole if place.n > n])
        assert max((event.ts_recv for at, _, event in whole if at <= n), default=0) <= checkpoint.latest


def test_E1_what_a_dead_recorder_left_is_taken_up_where_the_tables_stand(recorded: Path, tmp_path: Path) -> None:
    [path] = recorders(recorded / "journal")
    latest = checkpoints.find(path)[0].n
    store.prepare(tmp_path, now=1, software="test")
    writer = store.TableWriter(tmp_path, path.name)
    whole = told(path)
    for n, i, event in whole:
        if n <= latest:
            writer.add(event, n, i)
    writer.flush(1, latest)
    writer.close()
    copy = tmp_path / "journal" / path.name
    copy.mkdir(parents=True)
    kept = [segment for segment in sorted(path.iterdir()) if ".checkpoint" in segment.name]
    segments = sorted(path.glob("*.zst"))
    needed = [segment for segment in segments if max((r.n for r in JournalReader(segment).records()), default=0) > latest]
    assert len(needed) < len(segments), "what comes before is not even there"
    for file in [*kept, *needed]:
        (copy / file.name).write_bytes(file.read_bytes())
    recover_tables(tmp_path, copy, 2)
    with store.open(tmp_path) as opened:
        rows = sum(opened.rows(f"SELECT count(*) FROM raw_{table.name}")[0][0] for table in opened.tables())
    assert rows == sum(isinstance(event, Push) for _, _, event in whole)


def test_replay_from_a_time_reads_from_the_checkpoint_before_it(recorded: Path) -> None:
    [path] = recorders(recorded / "journal")
    whole = told(path)
    since = whole[len(whole) * 3 // 4].event.ts_recv
    shown = run("replay", str(recorded), "--flat", "--json", "--from", str(since))
    assert shown.code == 0, shown.err
    assert len(shown.lines) == sum(event.ts_recv >= since for _, _, event in whole)
    records = int(shown.err.split(" events of ")[1].split()[0])
    passed_over = max(checkpoint.n for checkpoint in checkpoints.find(path, before=since))
    assert records == sum(record.n > passed_over for record in JournalReader(path).records()) > 0


@pytest.mark.parametrize(
    "evil", [pickle.dumps(print), pickle.dumps(Path("x")), b"", b"\xc1", b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff"]
)
def test_G7_what_is_no_checkpoint_is_not_believed(tmp_path: Path, evil: bytes) -> None:
    checkpoints.write(tmp_path, 7, 1, evil)
    assert Replay().resume(tmp_path) == 0


def test_G7_a_checkpoint_that_would_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "000000000007-1.checkpoint").write_bytes(zstandard.compress(bytes(65 << 20)))
    tracemalloc.start()
    try:
        assert Replay().resume(tmp_path) == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


WAYS = r"pickle|marshal|shelve|dill|eval|exec"


def test_G7_no_code_of_ours_runs_what_it_reads() -> None:
    root = Path(checkpoints.__file__).parent
    suspects = {path: text for path in root.rglob("*.py") if re.search(WAYS, text := path.read_text(encoding="utf-8"))}
    for path, text in suspects.items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            assert not any(re.fullmatch(WAYS, name) for name in names), path


def test_E2_a_damaged_or_other_checkpoint_is_passed_over_for_an_older_one(recorded: Path, tmp_path: Path) -> None:
    [path] = recorders(recorded / "journal")
    latest, older = checkpoints.find(path)[:2]
    content = latest.path.read_bytes()
    for place in range(0, len(content), len(content) // 20):
        (tmp_path / latest.path.name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        (tmp_path / older.path.name).write_bytes(older.path.read_bytes())
        assert Replay().resume(tmp_path) in (older.n, latest.n)
    (tmp_path / latest.path.name).write_bytes(content[: len(content) // 2])
    assert Replay().resume(tmp_path) == older.n
    assert Replay().resume(tmp_path, through=older.n - 1) == 0
    assert Replay().resume(tmp_path, before=older.latest) == 0


def left_behind(folder: Path, count: int, *, checkpoint: int, committed: int) -> Path:
    """A dead recorder's data folder: so many prints in its journal, a checkpoint, and tables that do not go to the end."""
    store.prepare(folder, now=START, software="test")
    writer = JournalWriter(folder / "journal", recorder="dead", software="test", now=START, segment_bytes=50_000)
    tables = store.TableWriter(folder, "dead")
    replay = Replay()
    args = [{"channel": "trades", "instId": "BTC-USDT"}]
    told = [
        (START, 0, "start", msgspec.json.encode({"seed": 1, "args": args})),
        (START, 1, "open", b"{}"),
        (START, 1, "in", msgspec.json.encode({"id": "1", "event": "subscribe", "arg": args[0]})),
    ]
    for ts, conn, kind, text in (*told, *((ts, 1, "in", text) for ts, text in messages(count))):
        n = writer.write(ts, "public/0", conn, kind, text)
        if n <= committed:
            for i, event in enumerate(replay.feed(Record(n, ts, "public/0", conn, kind, text, 1))):
                tables.add(event, n, i)
        if n == checkpoint:
            checkpoints.write(writer.folder, n, ts, take(replay.core))
        if n % 1_000 == 0:
            writer.flush(ts)
    writer.flush(ts)
    tables.flush(ts, committed)
    tables.close()
    return writer.folder


def test_E1_a_restart_reads_the_journal_from_the_checkpoint_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a restart quick however long the journal is: counted in bytes, not in seconds."""
    amount = 15_000
    path = left_behind(tmp_path, amount, checkpoint=14_000, committed=14_500)
    total = sum(segment.stat().st_size for segment in path.glob("*.zst"))
    read = []
    read_at = OsStorage.read_at

    def counted(storage: OsStorage, file: int, offset: int, length: int) -> bytes:
        content = read_at(storage, file, offset, length)
        read.append(len(content))
        return content

    @looped
    async def restart() -> None:
        async with Server(market(), speed=5) as server, recording(tmp_path, server) as recorder:
            assert recorder._recovery is not None
            await recorder._recovery

    monkeypatch.setattr(OsStorage, "read_at", counted)
    restart()
    after_checkpoint = sum(read)
    assert after_checkpoint < total / 5, "a fifteenth of it follows the checkpoint"
    with store.open(tmp_path) as opened:
        assert opened.rows("SELECT count(*), max(trade_id) FROM raw_trades WHERE recorder = 'dead'") == [(amount, amount)]
    read.clear()
    restart()
    assert sum(read) < total / 20, "nothing is left to be taken up"
    whole = tmp_path / "again"
    path = left_behind(whole, amount, checkpoint=0, committed=14_500)
    read.clear()
    recover_tables(whole, path, START)
    assert sum(read) > total * 0.9, "without a checkpoint, all of it"
