"""The recorder whole: what came is on disk once, whatever dies, and comes back as it was."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import signal
import sys
import threading
from concurrent.futures import wait
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.looped import looped
from tests.support.paths import ROOT
from tests.support.recording import INSTRUMENTS, Until, market, recording, texts
from tests.support.trade_frames import messages
from tests.support.waiting import attended

import okex_ws
from okex_ws import store
from okex_ws.events import BookEvent, BookSnapshot, BookUpdate, Disconnected, Event, Gap, Push, Resumed, Trade
from okex_ws.journal import JournalReader, recorders
from okex_ws.journal.storage import OsStorage
from okex_ws.market import Books
from okex_ws.recorder.audit import WAITING, audit
from okex_ws.recorder.recorder import Recorder, stored_rows
from okex_ws.replay import played
from okex_ws.simulator.server import Server
from okex_ws.store.verify import HOLE

LOOPS = int(os.environ.get("OKEX_WS_KILL_LOOPS", "5"))
LOOPS_A_FOLDER = 10
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""What a process that forks must not have, and NumPy and Arrow begin when they are imported."""
TROUBLE = (
    "drop channel=books action=update every=31",
    "drop channel=trades every=23",
    "swap channel=trades every=37",
    "abort at=4s",
    "truncate channel=books every=67",
)


class Victims:
    """The prepared process, and what its recorders say."""

    async def __aenter__(self) -> Victims:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", **NO_THREADS}
        command = (sys.executable, "-m", "tests.support.recorder_kill_child")
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, cwd=ROOT, env=environment, start_new_session=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # with a recorder that may still live
        await self.process.communicate()

    async def life(self, folder: Path, server: Server, *, acks: int, number: int, turns: int = 0) -> tuple[str, int]:
        """One recorder, sent a signal after so many flushes and so many turns of the loop. Returns its name and what it last
        acknowledged. SIGTERM waits until it has recovered what others left.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{folder} {server.ws_url} {server.rest_url}\n".encode())
        pid = acknowledged = 0
        name = ""
        is_recovered = is_sent = False
        async for line in self.process.stdout:
            word, _, value = line.decode().strip().partition(" ")
            match word:
                case "pid":
                    pid = int(value)
                case "name":
                    name = value
                case "ack":
                    acknowledged = int(value)
                    acks -= 1
                case "recovered":
                    is_recovered = True
                case "dead":
                    assert number == signal.SIGKILL
                    return name, acknowledged
                case "ended":
                    assert (number, value) == (signal.SIGTERM, "0")
                    return name, acknowledged
            if pid and acks <= 0 and not is_sent and (is_recovered or number == signal.SIGKILL):
                for _ in range(turns):
                    await asyncio.sleep(0)
                os.kill(pid, number)
                is_sent = True
        raise AssertionError("the prepared process is gone")


def assert_acknowledged(folder: Path, acknowledged: dict[str, int]) -> None:
    """Every record a recorder acknowledged is there, in order, and no file is unreadable."""
    for name, through in acknowledged.items():
        reader = JournalReader(folder / "journal" / name)
        numbers = [record.n for record in reader.records()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= through
        assert {problem.kind for problem in reader.problems} <= {"torn", "cut"}


@pytest.mark.loops
def test_E1_kill_9_of_a_recorder_at_random_instants(tmp_path: Path) -> None:
    """OKEX_WS_KILL_LOOPS says how often."""

    async def main() -> None:
        luck = random.Random(1818)
        async with Server(market(rate=10), speed=5) as server, Victims() as victims:
            left = LOOPS
            while left:
                folder = tmp_path / str(left)
                acknowledged: dict[str, int] = {}
                for _ in range(min(left, LOOPS_A_FOLDER)):
                    left -= 1
                    name, through = await victims.life(
                        folder, server, acks=luck.randrange(20), number=signal.SIGKILL, turns=luck.randrange(200)
                    )
                    if name:
                        acknowledged[name] = through
                name, acknowledged_last = await victims.life(folder, server, acks=5, number=signal.SIGTERM)
                acknowledged[name] = acknowledged_last
                await asyncio.to_thread(assert_acknowledged, folder, acknowledged)
                done = await asyncio.to_thread(audit, [folder])
                assert done.report.is_clean, done.report.findings
                assert WAITING not in {finding.kind for finding in done.report.findings}, "all rows are in the tables"

    asyncio.run(main())


@looped
async def test_E8_a_restart_in_mid_stream_is_marked_and_never_stitched(tmp_path: Path) -> None:
    async with Server(market(), speed=5) as server:
        for _ in range(2):
            async with recording(tmp_path, server, fetches_back=False) as recorder:
                await Until(recorder.client, BookUpdate, 20)
                assert recorder._recovery is not None
                await recorder._recovery
    first, second = recorders(tmp_path / "journal")
    for path in (first, second):
        books = [event for _, _, event in played(JournalReader(path).records()) if isinstance(event, BookEvent)]
        for instrument in INSTRUMENTS:
            assert isinstance(next(event for event in books if event.instrument == instrument), BookSnapshot)
    with store.open(tmp_path) as opened:
        lines = opened.rows("SELECT recorder, event FROM connections WHERE event LIKE '%onnected' ORDER BY ts_recv, n, i")
        assert lines == [(path.name, event) for path in (first, second) for event in ("Connected", "Disconnected")]
        holes = opened.rows(
            "SELECT one.instrument, max(one.trade_id) + 1, any_value(first) - 1 FROM raw_trades one JOIN ("
            "SELECT instrument, min(trade_id - count + 1) AS first FROM raw_trades WHERE recorder = ? GROUP BY ALL) other "
            "ON one.instrument = other.instrument WHERE recorder = ? GROUP BY ALL ORDER BY ALL", second.name, first.name,
        )  # fmt: skip
        named = opened.rows(
            "SELECT instrument, first_id, last_id FROM gaps WHERE cause = 'restart' AND recorder = ? ORDER BY ALL", second.name
        )
        assert named == [hole for hole in holes if hole[1] <= hole[2]]
        assert len(named) > 0
    done = audit([tmp_path])
    assert done.report.is_clean
    explained = {(f.instrument, f.first_id, f.last_id): f.text for f in done.report.findings if f.table == "trades"}
    assert explained.keys() == set(named)
    assert all("the gap ledger names it" in text for text in explained.values())


@pytest.mark.parametrize("count", [2, 3])
def test_E7_recorders_of_one_feed_merge_to_what_any_of_them_saw(tmp_path: Path, count: int) -> None:
    folders = [tmp_path / str(number) for number in range(count)]

    @looped
    async def main() -> None:
        # Pushes are lost on their way to one of them; nobody fetches anything back.
        faults = ("drop channel=trades probability=2%", "drop channel=books action=update every=53")
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(Server(market(*faults), speed=5))
            for folder in folders:
                recorder = await stack.enter_async_context(recording(folder, server, fetches_back=False))
                await Until(recorder.client, Trade, 40)
            await Until(recorder.client, Trade, 300)

    main()
    with store.open(*folders) as merged:
        for table, key in (("trades", "instrument, trade_id"), ("book_updates", "instrument, sequence, previous_sequence")):
            total, unique, seen = merged.rows(
                f"SELECT count(*), count(DISTINCT ({key})), (SELECT count(DISTINCT ({key})) FROM raw_{table}) FROM {table}"
            )[0]
            assert total == unique == seen > 0, table
        raw = merged.rows("SELECT count(*) FROM raw_trades")[0][0]
        assert raw > merged.rows("SELECT count(*) FROM trades")[0][0]
    together = audit(folders).report
    alone = [audit([folder]).report for folder in folders]
    assert [finding for finding in together.findings if finding.kind == HOLE] == []
    missing = [sum(f.kind == "explained" and f.table == "trades" for f in report.findings) for report in alone]
    assert sum(missing) > 0, "the faults struck"
    assert sum(finding.kind == "explained" and finding.table == "trades" for finding in together.findings) < sum(missing)


@pytest.mark.parametrize("faults", [(), TROUBLE], ids=["calm", "trouble"])
def test_E12_what_was_recorded_is_replayed_event_for_event(tmp_path: Path, faults: tuple[str, ...]) -> None:
    said: list[Event] = []
    heard: list[bytes] = []
    finals: dict[str, object] = {}

    @looped
    async def main() -> None:
        async with attended(market(*faults), speed=8) as server, recording(tmp_path, server) as recorder:
            recorder.client.on(Event, said.append)
            write = recorder.journal.write

            def noted(now: int, line: str, conn: int, kind: str, text: bytes) -> int:
                heard.append(bytes(text))
                return write(now, line, conn, kind, text)

            recorder.journal.write = noted  # type: ignore[method-assign]
            await Until(recorder.client, Trade, 300)
            recorder.client.unsubscribe("tickers", INSTRUMENTS[0])
            await Until(recorder.client, Trade, 50)
            for name in INSTRUMENTS:
                finals[name] = _state(recorder.client.books, name)
            said_by_then.append(len(said))

    said_by_then: list[int] = []
    main()
    [path] = recorders(tmp_path / "journal")
    records = list(JournalReader(path).records())
    assert [record.text for record in records[-len(heard) :]] == heard, "byte for byte"
    assert {record.kind for record in records[: -len(heard)]} <= {"start", "backfill"}, "heard from the start on"
    again = [event for _, _, event in played(records)]
    assert texts(again) == texts(said)
    if faults:
        assert {Gap, Resumed, Disconnected} <= {type(event) for event in said}
    books = Books()
    for event in again[: said_by_then[0]]:
        books.apply(event)
    assert {name: _state(books, name) for name in INSTRUMENTS} == finals
    done = audit([tmp_path])
    assert done.report.is_clean, done.report.findings


def _state(books: Books, name: str) -> object:
    book = books.get(name, "books")
    return book.state, book.sequence, book.bids(400), book.asks(400)


@looped
async def test_every_row_is_in_its_table_once(tmp_path: Path) -> None:
    said: list[Push] = []
    async with Server(market(), speed=5) as server, recording(tmp_path, server) as recorder:
        recorder.client.on(Push, said.append)
        await Until(recorder.client, Trade, 200)
    with store.open(tmp_path) as opened:
        for kind, table in ((Trade, "trades"), (BookUpdate, "book_updates"), (BookSnapshot, "book_snapshots")):
            assert opened.rows(f"SELECT count(*) FROM {table}") == [(sum(type(event) is kind for event in said),)]


@looped
async def test_a_long_turn_of_the_loop_holds_neither_journal_nor_tables_up(tmp_path: Path) -> None:
    """The loop gets no turn at all: what has come is on disk nevertheless, by the frames' own clock."""
    recorder = Recorder(tmp_path, site=okex_ws.Site.at("ws://127.0.0.1:9"), fetches_back=False, table_flush_s=0.2)
    try:
        recorder._loop = asyncio.get_running_loop()
        heard = 0
        for heard, (ts, text) in enumerate(messages(300_000), 1):
            number = recorder.received(ts, "public/0", 1, "in", text)
            trade = Trade(instrument="BTC-USDT", trade_id=heard, price=1, size=1, side="buy", ts_ms=ts // 10**6, ts_recv=ts)
            recorder.emitted(number, [trade])
            if recorder.tables.committed > 3_000:
                break
        assert 3_000 < recorder.tables.committed <= recorder.journal.acknowledged < heard
    finally:
        await recorder.close()


@looped
async def test_tables_that_take_long_hold_the_journal_up_no_longer(tmp_path: Path) -> None:
    reached, held = threading.Event(), threading.Event()

    class Slow(OsStorage):
        def fsync(self, file: int) -> None:
            reached.set()
            held.wait()

    async with Server(market(), speed=5) as server, recording(tmp_path, server) as recorder:
        recorder.tables._storage = Slow()
        try:
            while not reached.is_set():
                await Until(recorder.client, Trade, 10)
            stood = recorder.tables.committed
            for _ in range(3):
                before = recorder.journal.acknowledged
                while recorder.journal.acknowledged == before:
                    await Until(recorder.client, Trade, 10)
            assert recorder.tables.committed == stood
        finally:
            held.set()
    assert recorder.tables.committed == recorder.journal.last


@looped
async def test_tables_are_written_by_a_thread_of_their_own(tmp_path: Path) -> None:
    """Each thread that has once written some keeps tens of megabytes for it."""
    threads: dict[bool, set[str]] = {False: set(), True: set()}

    class Watched(OsStorage):
        def write(self, file: int, content: bytes) -> None:
            threads[content.startswith(b"PAR1")].add(threading.current_thread().name)
            super().write(file, content)

    async with Server(market(), speed=5) as server, recording(tmp_path, server) as recorder:
        recorder.tables._storage = recorder.journal._storage = Watched()  # ledgers keep theirs
        while not threads[True]:
            await Until(recorder.client, Trade, 1)
        assert threads == {False: {"journal_0"}, True: {"tables_0"}}


@looped
async def test_E3_a_full_disk_is_said_once_and_again_now_and_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "okex_ws.recorder")

    class Full(OsStorage):
        is_full = True
        writes = 0

        def write(self, file: int, content: bytes) -> None:
            self.writes += 1
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write(file, content)

    full = Full()
    recorder = Recorder(tmp_path, site=okex_ws.Site.at("ws://127.0.0.1:9"), fetches_back=False)
    recorder._loop = asyncio.get_running_loop()
    recorder.tables._storage = recorder.tables._commits._storage = full
    recorder.tables.rows_per_file = 100
    texts = messages(10_000)
    now = 0

    def pass_by(seconds: int) -> None:
        """An advance every 10 ms, by the frames' own clock, each when the disk has answered the one before."""
        nonlocal now
        for step, (ts, text) in zip(range(seconds * 100), texts, strict=False):
            now = ts + step * 9_000_000 if not now else now + 10_000_000
            if step % 10 == 0:
                number = recorder.received(now, "public/0", 1, "in", text)
                trade = Trade(instrument="BTC-USDT", trade_id=step, price=1, size=1, side="buy", ts_ms=now // 10**6, ts_recv=now)
                recorder.emitted(number, [trade])
            recorder._advance(now)
            for under_way in (recorder._storing, recorder._tabling):
                if under_way is not None:
                    wait([under_way[1]])

    try:
        pass_by(60)
        said = [record for record in caplog.records if "No space left on device" in record.message]
        assert len(said) == 1
        assert said[0].levelname == "ERROR"
        assert "tables" in said[0].message
        assert 4 <= full.writes <= 10
        full.is_full = False
        pass_by(31)
        assert recorder.tables.committed > recorder.journal.acknowledged - 200
        assert recorder.status().last_error == ""
        again = [record.message for record in caplog.records if record.levelname == "INFO"]
        assert again == ["the tables: written again"]
    finally:
        await recorder.close()
    assert recorder.tables.committed == recorder.journal.last


@looped
async def test_E3_rows_that_the_memory_cannot_hold_come_again_from_the_journal(tmp_path: Path) -> None:
    class Full(OsStorage):
        is_full = True

        def write(self, file: int, content: bytes) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().write(file, content)

    full = Full()
    async with attended(market(rate=20)) as server, recording(tmp_path, server, checkpoint_s=0.2) as recorder:
        tables = recorder.tables
        tables._storage = tables._commits._storage = full
        tables.buffer_bytes = 30_000
        while not tables.is_behind:
            await Until(recorder.client, Trade, 1)
        forgotten = tables.forgotten
        await Until(recorder.client, Trade, 5)
        assert tables.committed < forgotten
        full.is_full, tables._not_before = False, 0
        while tables.committed <= forgotten:
            await Until(recorder.client, Trade, 1)
    done = audit([tmp_path])
    assert done.report.is_clean, done.report.findings
    assert tables.committed == recorder.journal.last


@looped
async def test_E3_rows_that_are_in_the_journal_only_are_not_counted_as_stored(tmp_path: Path) -> None:
    class Full(OsStorage):
        def write(self, file: int, content: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with attended(market(rate=20)) as server, recording(tmp_path, server) as recorder:
        tables = recorder.tables
        while not tables.committed:
            await Until(recorder.client, Trade, 1)
        tables._storage = tables._commits._storage = Full()
        tables.buffer_bytes = 30_000
        while not tables.is_behind:
            await Until(recorder.client, Trade, 1)
    assert tables.is_behind
    with store.open(tmp_path) as opened:
        stored = sum(table.rows for table in opened.tables())
    assert 0 < stored < recorder.status().rows - tables.rows
    assert stored_rows(recorder) == stored


@looped
async def test_E3_a_heartbeat_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "okex-ws.json").write_text('{"format":1,"software":"test","created":1}')
    (tmp_path / "heartbeat").symlink_to(tmp_path / "gone" / "heartbeat")
    async with Server(market(), speed=5) as server, recording(tmp_path, server) as recorder:
        await Until(recorder.client, Trade, 10)
    assert recorder.tables.committed == recorder.journal.last > 0
    assert recorder.status().disk_errors


@looped
async def test_E3_what_a_full_disk_lost_is_in_the_ledger_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full = False
    write = OsStorage.write

    def written(storage: OsStorage, file: int, content: bytes) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(storage, file, content)

    monkeypatch.setattr(OsStorage, "write", written)
    async with Server(market(), speed=5) as server:
        async with recording(tmp_path, server, fetches_back=False) as recorder:
            await Until(recorder.client, Trade, 30)
            while not recorder.tables.committed:
                await Until(recorder.client, Trade, 1)
            is_full = True
            await Until(recorder.client, Trade, 60)
        status = recorder.status()
        assert status.last > status.acknowledged
        with store.open(tmp_path) as opened:
            assert sum(table.rows for table in opened.tables()) == status.rows - recorder.tables.rows > 0
        is_full = False
        async with recording(tmp_path, server, fetches_back=False) as recorder:
            await Until(recorder.client, Trade, 30)
            assert recorder._recovery is not None
            await recorder._recovery
    report = audit([tmp_path]).report
    assert report.is_clean, report.findings
    lost = [finding for finding in report.findings if finding.table == "trades"]
    assert {finding.instrument for finding in lost} == set(INSTRUMENTS)
    assert all("the gap ledger names it" in finding.text for finding in lost)
