"""Store: SQL over committed rows, each row once, with several recorders and during recording."""

from __future__ import annotations

import io
import random
import shutil
from pathlib import Path

import pytest
from tests.support.store_rows import START, QuickStorage, change, image, ticker, trade

from okex_ws import store
from okex_ws.events import Trade
from okex_ws.store import Store, StoreError, TableWriter
from okex_ws.store.compact import compact
from okex_ws.store.verify import verify
from okex_ws.store.views import separate

QUICK = QuickStorage()


def folder(path: Path) -> Path:
    store.prepare(path, now=1, software="0.1.0", storage=QUICK)
    return path


def record(root: Path, recorder: str, trades: list[Trade], first: int = 1) -> None:
    writer = TableWriter(root, recorder, storage=QUICK)
    for n, event in enumerate(trades, start=first):
        writer.add(event, n, 0)
        if n % 7 == 0:
            writer.flush(n, n)
    writer.flush(999, first + len(trades))
    writer.close()


def ids(opened: Store) -> list[int]:
    return [row[0] for row in opened.rows("SELECT trade_id FROM trades ORDER BY trade_id")]


def test_E7_two_recorders_that_overlap_are_one_table(tmp_path: Path) -> None:
    root = folder(tmp_path)
    record(root, "r1", [trade(number, delay_ms=9) for number in range(30)])
    record(root, "r2", [trade(number, delay_ms=3) for number in range(20, 50)])
    with store.open(root) as opened:
        assert ids(opened) == list(range(1_000, 1_050))
        seen = opened.rows("SELECT recorder, count(*) FROM full_trades GROUP BY recorder ORDER BY recorder")
        assert seen == [("r1", 30), ("r2", 20)], "as the first of them saw it"
        assert opened.rows("SELECT count(*) FROM raw_trades") == [(60,)]


def test_E7_a_file_is_read_only_if_no_earlier_recorder_has_all_of_it(tmp_path: Path) -> None:
    root = folder(tmp_path)
    record(root, "r1", [trade(number) for number in range(60) if number != 31])
    record(root, "r2", [trade(number) for number in range(60) if number != 45])
    with store.open(root) as opened:
        plain, mixed = separate(opened.sources("trades"), has_ids=True)
        read = [(file.low, file.high) for _, file in [*plain, *mixed] if file.recorder == "r2"]
        assert read == [(1_028, 1_034), (1_035, 1_041)], "what the file of r1 without 1031 goes on to, to 1035"
        assert {file.recorder for _, file in plain} == {"r1"}
        assert ids(opened) == list(range(1_000, 1_060))


@pytest.mark.parametrize(
    ("trades", "is_whole"),
    [
        ([trade(1), trade(2), trade(3)], True),
        ([trade(1), trade(5, count=4), trade(6)], True),
        ([trade(5), trade(9, count=1), trade(10, count=4)], True),  # one sweep, its ids interleaved
        ([trade(1), trade(3)], False),
        ([trade(1), trade(2), trade(3, count=2), trade(5)], False),  # 1002 twice and 1004 never
        ([trade(1), trade(3), trade(4, count=2)], True),
        ([trade(1), *(trade(n) for n in range(3, 300)), trade(300, count=2)], False),  # too far apart for one sweep
        ([trade(1), trade(2, backfilled=True)], False),
    ],
)
def test_E7_which_files_are_whole(tmp_path: Path, trades: list[Trade], is_whole: bool) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1", storage=QUICK)
    for n, event in enumerate(trades, start=1):
        writer.add(event, n, 0)
    writer.flush(1, 999)
    with store.open(root) as opened:
        assert [file.is_whole for _, file in opened.sources("trades")] == [is_whole]


def test_E7_one_recorder_with_outages_beside_another(tmp_path: Path) -> None:
    root = folder(tmp_path)
    record(root, "r1", [trade(number) for number in range(60) if number % 20 < 12])
    record(root, "r2", [trade(number, delay_ms=8) for number in range(5, 60) if number % 15 > 3])
    with store.open(root) as opened:
        wanted = {number for number in range(60) if number % 20 < 12} | {n for n in range(5, 60) if n % 15 > 3}
        assert ids(opened) == sorted(1_000 + number for number in wanted)


def test_E7_recorders_that_all_lost_something_are_merged_without_sorting(tmp_path: Path) -> None:
    luck = random.Random(7)
    for case in range(12):
        root = folder(tmp_path / str(case))
        seen: dict[tuple[str, int], str] = {}
        for recorder in ("r1", "r2", "r3", "r4"):
            first, last = (0, 60) if recorder < "r3" else sorted(luck.sample(range(60), 2))
            trades = [
                trade(number, instrument=instrument)
                for number in range(first, last)
                for instrument in ("BTC-USDT", "ETH-USDT")
                if luck.random() < 0.8
            ]
            record(root, recorder, trades)
            for event in trades:
                seen.setdefault((event.instrument, event.trade_id), recorder)
        with store.open(root) as opened:
            rows = opened.rows("SELECT instrument, trade_id, recorder FROM full_trades ORDER BY ALL")
            assert rows == sorted((*key, recorder) for key, recorder in seen.items()), "as the first of them saw it"
            [(_, plan)] = opened.rows("EXPLAIN SELECT * FROM trades")
            assert "ANTI" in plan, "ids looked up in a table of them"
            assert "row_number" not in plan


def test_E7_a_recorder_whose_own_files_repeat_a_trade_is_compared_with_itself_too(tmp_path: Path) -> None:
    root = folder(tmp_path)
    record(root, "r1", [trade(number) for number in (*range(20), *range(10, 30))])
    record(root, "r2", [trade(number) for number in range(40) if number % 9])
    record(root, "r3", [trade(number, instrument="ETH-USDT") for number in range(40) if number % 9])
    record(root, "r4", [trade(number, instrument="ETH-USDT") for number in range(40) if number % 7])
    with store.open(root) as opened:
        rows = opened.rows("SELECT instrument, trade_id FROM trades ORDER BY ALL")
        eth = [number for number in range(40) if number % 63]
        assert rows == [("BTC-USDT", 1_000 + n) for n in range(40) if n != 36] + [("ETH-USDT", 1_000 + n) for n in eth]


def test_E7_many_recorders_that_overlap_in_turn(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for number in range(12):
        record(root, f"r{number:02}", [trade(n) for n in range(number * 5, number * 5 + 12) if n % 12 != number])
    with store.open(root) as opened:
        rows = opened.rows("SELECT trade_id, recorder FROM full_trades ORDER BY ALL")
    wanted: dict[int, str] = {}
    for number in range(12):
        for n in range(number * 5, number * 5 + 12):
            if n % 12 != number:
                wanted.setdefault(1_000 + n, f"r{number:02}")
    assert rows == sorted(wanted.items())


def test_E7_folders_are_merged_as_recorders_are(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one"), folder(tmp_path / "o[t]her")
    record(one, "r1", [trade(number) for number in range(30)])
    record(other, "r2", [trade(number, delay_ms=3) for number in range(10, 40)])
    with store.open(one, other) as opened:
        assert ids(opened) == list(range(1_000, 1_040))
        # A copy of a folder adds nothing.
    with store.open(one, one) as opened:
        assert ids(opened) == list(range(1_000, 1_030))


def test_a_second_pass_of_the_same_journal_adds_nothing(tmp_path: Path) -> None:
    root = folder(tmp_path)
    events = [trade(number) for number in range(40)]
    record(root, "r1", events)
    record(root, "r1", events)
    with store.open(root) as opened:
        assert opened.rows("SELECT count(*) FROM raw_trades") == [(40,)]
        record(root, "again", events)
        assert opened.rows("SELECT count(*) FROM raw_trades") == [(80,)]
        assert ids(opened) == list(range(1_000, 1_040))


def test_books_and_tickers_of_two_recorders_are_there_once(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for recorder, delay, first in (("r1", 5, 1), ("r2", 2, 6), ("r3", 8, 11)):
        writer = TableWriter(root, recorder, storage=QUICK)
        writer.add(image(first, delay_ms=delay), 1, 0)
        for number in range(first + 1, 31):
            writer.add(change(number, delay_ms=delay), number, 0)
            writer.add(ticker(number, delay_ms=delay), number, 1)
        # The keep-alive of a quiet book repeats its sequence, not its time.
        for number in (40, 50):
            quiet = change(number, delay_ms=delay, previous=300)
            quiet.sequence, quiet.raw_bids, quiet.raw_asks = 300, [], []
            writer.add(quiet, number, 0)
        writer.flush(1, 99)
    with store.open(root) as opened:
        changes = opened.rows("SELECT sequence, ts_event FROM book_updates ORDER BY ts_event")
        assert [sequence for sequence, _ in changes] == [*range(20, 301, 10), 300, 300]
        assert len({ts for _, ts in changes}) == len(changes)
        assert opened.rows("SELECT count(*) FROM tickers") == [(29,)]
        assert opened.rows("SELECT count(*) FROM book_snapshots") == [(3,)]


def test_E7_a_backup_beside_its_original_adds_nothing(tmp_path: Path) -> None:
    root, backup = folder(tmp_path / "original"), tmp_path / "backup"
    writer = TableWriter(root, "r1", storage=QUICK)
    for n in range(1, 31):
        if n == 21:
            shutil.copytree(root, backup)  # the recorder continues
        for place, event in enumerate((image(n) if n == 1 else change(n), ticker(n), trade(n))):
            writer.add(event, n, place)
        if n % 5 == 0:
            writer.flush(n, n)
    writer.close()
    tables = {"book_snapshots": 1, "book_updates": 29, "tickers": 30, "trades": 30}

    def check() -> None:
        with store.open(root, backup) as opened:
            for name, count in tables.items():
                assert opened.rows(f"SELECT count(*) FROM {name} UNION ALL SELECT count(*) FROM raw_{name}") == [(count,)] * 2
            assert verify(opened).findings == []

    check()
    compact(root, now=1)  # now they have no file in common
    check()


def test_old_recordings_without_sequences_are_told_apart_by_their_levels(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for recorder in ("r1", "r2"):
        writer = TableWriter(root, recorder, storage=QUICK)
        for number in range(1, 11):
            event = change(number // 2)  # two changes in one millisecond
            event.sequence = event.previous_sequence = None
            event.raw_bids = [("100.5", str(number), "0", "1")]
            writer.add(event, number, 0)
        writer.flush(1, 99)
    with store.open(root) as opened:
        assert opened.rows("SELECT count(*) FROM book_updates") == [(10,)]


def test_D17_single_matches_fetched_back_and_aggregated_prints_reconcile(tmp_path: Path) -> None:
    root = folder(tmp_path)
    # r1 receives 1001, 1002, [1003..1010], 1011, and loses 1020..1029; r2 loses 1003..1015 and fetches all of them singly.
    r1 = [trade(1), trade(2), trade(10, count=8), *(trade(n) for n in range(11, 20)), *(trade(n) for n in range(30, 40))]
    r2 = [trade(1, delay_ms=2), trade(2, delay_ms=2), *(trade(n, delay_ms=2) for n in range(16, 40))]
    r2 += [trade(n, backfilled=True, delay_ms=900) for n in range(3, 16)]
    record(root, "r1", r1)
    record(root, "r2", r2)
    with store.open(root) as opened:
        rows = opened.rows("SELECT trade_id, count, backfilled FROM trades ORDER BY trade_id")
        assert [row[0] for row in rows] == [1_001, 1_002, 1_010, *range(1_011, 1_040)]
        assert sum(row[1] for row in rows) == 39
        assert not any(row[2] for row in rows)


def test_D17_what_is_still_missing_is_taken_from_the_matches_fetched_back(tmp_path: Path) -> None:
    root = folder(tmp_path)
    # Two prints of one sweep interleave: 1009 (2 matches) and 1010 (3 matches) cover 1006..1010 together.
    live = [trade(5), trade(9, count=2), trade(10, count=3), trade(15, count=3)]
    back = [trade(n, backfilled=True, delay_ms=900) for n in range(6, 16)]
    record(root, "r1", live + back)
    with store.open(root) as opened:
        rows = opened.rows("SELECT trade_id, count FROM trades ORDER BY trade_id")
        assert rows == [(1_005, 1), (1_009, 2), (1_010, 3), (1_011, 1), (1_012, 1), (1_015, 3)]


def test_E10_a_reader_sees_whole_commits_while_a_recorder_writes(tmp_path: Path) -> None:
    root = folder(tmp_path)
    writer = TableWriter(root, "r1", storage=QUICK)
    writer.add(trade(1), 1, 0)
    writer.flush(1, 1)
    with store.open(root) as opened:
        for n in range(2, 12):
            writer.add(trade(n), n, 0)
            writer.add(ticker(n), n, 1)
            assert ids(opened) == list(range(1_001, 1_000 + n))
            writer.flush(n, n)
            assert ids(opened) == list(range(1_001, 1_001 + n))
            assert opened.rows("SELECT count(*) FROM tickers") == [(n - 1,)]
        # Files without a commit, and a partial ledger line, are not part of the store.
        stray = next(root.rglob("r1-*.parquet"))
        stray.with_name("r1-000000000012-000000000099.parquet").write_bytes(stray.read_bytes())
        with (root / "ledger/segments.jsonl").open("ab") as file:
            file.write(b'{"recorder":"r1","first":12,"thr')
        assert ids(opened) == list(range(1_001, 1_012))


def test_answers_as_arrow_rows_batches_and_csv(tmp_path: Path) -> None:
    root = folder(tmp_path)
    record(root, "r1", [trade(number) for number in range(10)])
    with store.open(root) as opened:
        assert opened.sql("SELECT trade_id FROM trades WHERE side = ? ORDER BY 1", "sell").column_names == ["trade_id"]
        assert sum(batch.num_rows for batch in opened.batches("SELECT * FROM trades", rows=3)) == 10
        text = io.StringIO()
        assert opened.write_csv(text, "SELECT trade_id, price, instrument FROM trades ORDER BY trade_id LIMIT 2") == 2
        assert text.getvalue() == "trade_id,price,instrument\n1000,60000.0,BTC-USDT\n1001,60000.1,BTC-USDT\n"
        summary = opened.tables()[0]
        assert (summary.name, summary.rows, summary.first_date) == ("trades", 10, "2025-11-22")
        assert opened.rows("SELECT sum(rows), max(through) FROM segments") == [(10, 11)]
        assert opened.rows("SELECT DISTINCT CAST(date AS VARCHAR) FROM trades") == [("2025-11-22",)]
        assert opened.rows("SELECT count(*) FROM gaps") == [(0,)]


def test_E11_what_is_no_store_is_refused_in_one_line(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(StoreError) as caught:
            store.open(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "there is no data folder" in said(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is empty" in said(empty)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"x")
    assert "is not a data folder of okex-ws" in said(foreign)
    with pytest.raises(StoreError, match=r"is not empty: it holds holiday\.jpg"):
        store.prepare(foreign, now=1, software="0.1.0")
    assert [path.name for path in foreign.iterdir()] == ["holiday.jpg"]
    file = tmp_path / "file"
    file.write_text("x")
    assert "is a file" in said(file)
    with pytest.raises(StoreError, match="is a file"):
        store.prepare(file, now=1, software="0.1.0")
    newer = folder(tmp_path / "newer")
    (newer / "okex-ws.json").write_text('{"format":7,"software":"9.0","created":1}')
    assert "has format 7, written by okex-ws 9.0; this version reads format 1" in said(newer)
    with pytest.raises(StoreError, match="has format 7"):
        store.prepare(newer, now=1, software="0.1.0")
    (newer / "okex-ws.json").write_text("{")
    assert "is damaged" in said(newer)


def test_a_wrong_query_is_one_line(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with store.open(root) as opened:
        with pytest.raises(StoreError, match="there is no table trades here; there are: gaps, connections, segments"):
            opened.sql("SELECT * FROM trades")
        record(root, "r1", [trade(1)])
        assert ids(opened) == [1_001]
        for query in ("SELECT * FROM nothing", "SELECT nothing FROM trades", "SELEC 1", ""):
            if query:
                with pytest.raises(StoreError) as caught:
                    opened.sql(query)
                assert "\n" not in str(caught.value)


def test_a_store_of_another_software_version_with_other_columns_is_read(tmp_path: Path) -> None:
    import msgspec
    import pyarrow as pa

    from okex_ws.store import parquet
    from okex_ws.store.ledger import Commit

    root = folder(tmp_path)
    record(root, "r1", [trade(1)])
    name = "tables/trades/date=2025-11-22/instrument=BTC-USDT/r0-000000000001-000000000001.parquet"
    with store.open(root) as opened:
        rows = parquet.read(*opened.sources("trades")[0])
    older = (
        rows.drop_columns(["source"])
        .set_column(rows.schema.get_field_index("trade_id"), "trade_id", pa.array([77], pa.int64()))
        .append_column("venue", pa.array(["x"]))
    )
    content = parquet.encode(older)
    (root / name).write_bytes(content)
    entry = parquet.describe(name, older, content, has_ids=True)
    with (root / "ledger/segments.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(Commit("r0", 1, 1, 1, [entry])) + b"\n")
    with store.open(root) as opened:
        query = "SELECT trade_id, source, venue FROM trades ORDER BY trade_id"
        assert opened.rows(query) == [(77, None, "x"), (1_001, "0", None)]
    assert START
