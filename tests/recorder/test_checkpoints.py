"""Checkpoints: a replay that begins at one says what a replay from the beginning says, and only ours are believed."""

from __future__ import annotations

import ast
import gc
import pickle
import random
import re
import sys
import tracemalloc
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from tests.support.looped import looped
from tests.support.recording import Until, market, recording
from tests.support.shell import run
from tests.support.trade_frames import START, messages

from okex_ws import checkpoints, store
from okex_ws.checkpoints import CheckpointError, Standing
from okex_ws.events import Disconnected, Gap, Push, Recovered, Trade
from okex_ws.journal import JournalReader, JournalWriter, recorders
from okex_ws.journal.records import Record
from okex_ws.journal.storage import OsStorage
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.line import Line
from okex_ws.protocol.pacing import connects_per_ip
from okex_ws.recorder.recovery import recover_tables
from okex_ws.replay import Played, Replay, played
from okex_ws.simulator.server import Server
from okex_ws.wire.channels import subscription
from okex_ws.wire.sign import Credentials

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


def frozen(standing: Standing) -> bytes:
    return checkpoints.encoded(checkpoints.freeze(standing))


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


def test_G_a_checkpoint_holds_no_key() -> None:
    parts = ("a-key-nobody-may-see", "a-secret-nobody-may-see", "a-passphrase-nobody-may-see")
    luck, connects = random.Random(1).random, connects_per_ip()
    line = Line("private/0", luck=luck, connects=connects, credentials=Credentials(*parts))
    line.subscribe([subscription("orders", instType="SPOT")], 1)
    line.start(1)
    line.opened(1, 2)
    standing = Standing({"private/0": line}, connects, None, Restart())
    content = frozen(standing)
    assert b"login" in b"".join(line.bytes_to_send(1)), "it was still to be sent"
    content += frozen(standing)
    assert not any(part.encode() in content for part in parts)


WAYS = r"pickle|marshal|shelve|dill|eval|exec"
LINE = "okex_ws.protocol.line.Line"
HOSTILE: dict[str, list[tuple[str, Any]]] = {
    "a function": [("class", "os.system")],
    "a function of ours": [("okex_ws.protocol.pacing.connects_per_ip", {})],
    "a module behind a name of ours": [("class", "okex_ws.protocol.session.msgspec")],
    "a class with a socket": [("okex_ws.client.client.Client", {})],
    "a built-in": [("eval", "1"), ("builtins.print", [])],
    "a method replaced": [(LINE, {"receive": 1})],
    "a property set": [(LINE, {"settings": {}})],
    "a class changed": [(LINE, {"__class__": 1})],
    "a table of fields": [(LINE, {"__dict__": {}})],
    "a slot that is none": [("okex_ws.protocol.backfill.ranges.Ranges", {"_more": 1})],
    "what comes later": [("list", [[1]]), ("list", [])],
    "nothing": [],
    "no number": [("number", "__import__('os')")],
    "luck of another kind": [("luck", [[3, [1, 2], None]])],
    "no dialect": [("dialect", "v9")],
    "keys that cannot be": [("list", []), ("dict", [[[0], 1]])],
    "two parts of four": [("tuple", [1, 2])],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_G7_a_forged_checkpoint_brings_nothing_about(tmp_path: Path, what: str) -> None:
    forged = HOSTILE[what]
    checkpoints.write(tmp_path, 7, 1, msgspec.msgpack.encode([("list", []), ("tuple", [{}, [0], None, None])]))
    assert checkpoints.read(tmp_path / "000000000007-1.checkpoint") is not None, "this much is read"
    if what != "two parts of four":
        forged = [*forged, ("tuple", [{}, [len(forged) - 1], None, None])]
    checkpoints.write(tmp_path, 7, 1, msgspec.msgpack.encode(forged))
    [checkpoint] = checkpoints.find(tmp_path)
    assert checkpoints.read(checkpoint.path) is None
    assert Replay().resume(tmp_path) == 0


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


def test_G7_no_code_of_ours_runs_what_it_reads() -> None:
    root = Path(checkpoints.__file__).parent
    suspects = {path: text for path in root.rglob("*.py") if re.search(WAYS, text := path.read_text(encoding="utf-8"))}
    for path, text in suspects.items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            assert not any(re.fullmatch(WAYS, name) for name in names), path


def test_what_refers_to_itself_is_no_checkpoint() -> None:
    connects = connects_per_ip()
    line = Line("public/0", luck=random.Random(1).random, connects=connects)
    line.sessions[1] = line  # type: ignore[assignment]
    with pytest.raises(CheckpointError):
        frozen(Standing({"public/0": line}, connects, None, Restart()))


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


def busy(pushes: int) -> Replay:
    """A line with a subscription to trades and one to a book, after so many pushes of each."""
    replay = Replay()
    args = [{"channel": "trades", "instId": "BTC-USDT"}, {"channel": "books", "instId": "BTC-USDT"}]
    settings = {"seed": 1, "channels": ["trades"], "since": None}
    told = [
        ("backfill", 0, "backfill", msgspec.json.encode(settings)),
        ("public/0", 0, "start", msgspec.json.encode({"seed": 1, "args": args})),
        ("public/0", 1, "open", b"{}"),
        *(("public/0", 1, "in", msgspec.json.encode({"id": "1", "event": "subscribe", "arg": arg})) for arg in args),
    ]
    for number, (ts, text) in enumerate(messages(pushes), 1):
        row = {"asks": [], "bids": [], "ts": str(ts // 10**6), "seqId": number, "prevSeqId": number - 1 if number > 1 else -1}
        push = {"arg": args[1], "action": "update" if number > 1 else "snapshot", "data": [row]}
        told += [("public/0", 1, "in", text), ("public/0", 1, "in", msgspec.json.encode(push))]
    for n, (line, conn, kind, text) in enumerate(told, 1):
        replay.feed(Record(n, START + n, line, conn, kind, text, 1))
    assert replay.lines["public/0"].sessions
    return replay


def standing_of(replay: Replay) -> Standing:
    return replay.standing


def calls_of_a_freeze(pushes: int) -> int:
    standing = standing_of(busy(pushes))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    gc.disable()  # what it runs is not the freeze's
    sys.setprofile(count)
    try:
        checkpoints.freeze(standing)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def test_a_checkpoint_holds_the_loop_for_the_time_of_a_copy() -> None:
    """However full the windows of trades and sequences are, which hold 512 each. Counted in calls, not in seconds."""
    checkpoints.prepare()
    assert calls_of_a_freeze(600) < calls_of_a_freeze(30) + 400


def test_what_happens_after_a_freeze_is_not_in_the_checkpoint() -> None:
    replay = busy(600)
    now = frozen(standing_of(replay))
    copied = checkpoints.freeze(standing_of(replay))
    ts, text = next(messages(1, 601))
    replay.feed(Record(9_999, ts, "public/0", 1, "in", text, 1))
    assert checkpoints.encoded(copied) == now != frozen(standing_of(replay))


def test_a_window_of_unlike_things_is_no_checkpoint() -> None:
    connects = connects_per_ip()
    line = Line("public/0", luck=random.Random(1).random, connects=connects)
    line.actions = deque([{}, 1])  # type: ignore[assignment]
    copied = checkpoints.freeze(Standing({"public/0": line}, connects, None, Restart()))
    with pytest.raises(CheckpointError):
        checkpoints.encoded(copied)


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
            content = frozen(replay.standing)
            checkpoints.write(writer.folder, n, ts, content)
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
