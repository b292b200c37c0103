"""Verification: every hole is found, and distinguished from explained ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from tests.support.store_rows import QuickStorage, change, gap, image, trade

from okex_ws import store
from okex_ws.events import Event, Recovered, Unrecoverable
from okex_ws.store import StoreError, TableWriter
from okex_ws.store.compact import compact
from okex_ws.store.ledger import Commit, Ledger
from okex_ws.store.verify import DAMAGE, DOUBLE, EXPLAINED, GONE, HOLE, UNVERIFIABLE, VerifyReport, verify, verify_path

QUICK = QuickStorage()


def recorded(root: Path, *recorders: list[Event]) -> VerifyReport:
    store.prepare(root, now=1, software="0.1.0", storage=QUICK)
    for number, events in enumerate(recorders, start=1):
        writer = TableWriter(root, f"r{number}", storage=QUICK)
        for n, event in enumerate(events, start=1):
            writer.add(event, n, 0)
        writer.flush(1, len(events))
        writer.close()
    return verify_path(root)


def kinds(report: VerifyReport) -> list[tuple[str, int | None, int | None]]:
    return [(finding.kind, finding.first_id, finding.last_id) for finding in report.findings]


def test_whole_chains_are_clean(tmp_path: Path) -> None:
    prints = [trade(1), trade(4, count=3), trade(9, count=2), trade(10, count=4), trade(11)]
    others = [trade(n, instrument="X-Y") for n in range(5)]
    report = recorded(tmp_path, [*prints, image(1), *(change(n) for n in range(2, 9)), *others])
    assert report.findings == []
    assert (report.is_clean, report.rows, report.chains) == (True, 18, 3)


def test_a_hole_in_the_trades_that_nobody_names(tmp_path: Path) -> None:
    report = recorded(tmp_path, [trade(n) for n in range(20) if n not in (5, 6, 7, 12)])
    assert kinds(report) == [(HOLE, 1_005, 1_007), (HOLE, 1_012, 1_012)]
    assert not report.is_clean


def test_a_hole_the_gap_ledger_names_is_explained(tmp_path: Path) -> None:
    events: list[Event] = [trade(n) for n in range(20) if n not in (5, 6, 7, 8)]
    events.append(gap(9, channel="trades", instrument="BTC-USDT", cause="sequence", first_id=1_006, last_id=1_007))
    report = recorded(tmp_path, events)
    assert kinds(report) == [(HOLE, 1_005, 1_005), (EXPLAINED, 1_006, 1_007), (HOLE, 1_008, 1_008)]
    assert not report.is_clean


def test_a_gap_that_was_filled_is_no_finding(tmp_path: Path) -> None:
    events: list[Event] = [trade(n) for n in range(20) if n not in (5, 6, 7)]
    events.append(gap(9, channel="trades", instrument="BTC-USDT", cause="sequence", first_id=1_005, last_id=1_007))
    events += [trade(n, backfilled=True) for n in (5, 6, 7)]
    assert recorded(tmp_path, events).findings == []


def test_a_gap_said_to_be_filled_that_is_not(tmp_path: Path) -> None:
    events: list[Event] = [trade(n) for n in range(30) if n not in (5, 6, 7, 8, 20, 21)]
    where = {"channel": "trades", "instrument": "BTC-USDT"}
    events.append(gap(9, **where, cause="sequence", first_id=1_005, last_id=1_008))
    events.append(gap(9, **where, cause="disconnected", first_id=1_020, last_id=1_021))
    events.append(Recovered(**where, first_id=1_006, last_id=1_007, count=2))
    events.append(Unrecoverable(**where, first_id=None, last_id=1_005, reason="expired"))
    report = recorded(tmp_path, events)
    explained = [(EXPLAINED, 1_005, 1_005), (HOLE, 1_006, 1_007), (EXPLAINED, 1_008, 1_008), (EXPLAINED, 1_020, 1_021)]
    assert kinds(report) == explained
    with store.open(tmp_path) as opened:
        rows = opened.rows("SELECT event, first_id, last_id, count, reason FROM gaps WHERE event <> 'Gap' ORDER BY event")
        assert rows == [("Recovered", 1_006, 1_007, 2, None), ("Unrecoverable", None, 1_005, None, "expired")]


def test_what_okx_no_longer_had_explains_nothing_older_than_was_asked_for(tmp_path: Path) -> None:
    events: list[Event] = [trade(n) for n in range(30) if n not in (5, 6, 20)]
    since = trade(15).ts_ms * 1_000_000
    lost = Unrecoverable(channel="trades", instrument="BTC-USDT", first_id=None, last_id=1_025, since=since, reason="expired")
    assert kinds(recorded(tmp_path, [*events, lost])) == [(HOLE, 1_005, 1_006), (EXPLAINED, 1_020, 1_020)]


def test_what_one_of_two_recorders_saw_is_not_missing(tmp_path: Path) -> None:
    one: list[Event] = [trade(n) for n in range(30) if n not in (5, 6, 7)]
    other: list[Event] = [trade(n, delay_ms=9) for n in range(2, 25) if n != 12]
    assert recorded(tmp_path, one, other).findings == []


def test_E8_between_two_recorders_nobody_was_at_work(tmp_path: Path) -> None:
    report = recorded(tmp_path, [trade(n) for n in range(10)], [trade(n) for n in range(15, 20)])
    assert kinds(report) == [(EXPLAINED, 1_010, 1_014)]
    assert report.is_clean
    assert "no recorder was running" in report.findings[0].text


def test_a_new_numbering_is_no_hole(tmp_path: Path) -> None:
    events: list[Event] = [trade(n) for n in range(1_000_000, 1_000_010)]
    events.append(gap(50_000_500, channel="trades", instrument="BTC-USDT", cause="id-reset"))
    late = [trade(n) for n in range(10)]
    for number, event in enumerate(late):
        event.ts_recv += (51_000_000 + number) * 1_000_000
    report = recorded(tmp_path, [*events, *late])
    assert report.findings == []


def test_matches_counted_twice_are_told(tmp_path: Path) -> None:
    report = recorded(tmp_path, [*(trade(n) for n in range(300)), trade(300, count=4), *(trade(n) for n in range(301, 700))])
    assert [finding.kind for finding in report.findings] == [DOUBLE]
    assert not report.is_clean


def test_a_change_that_does_not_link(tmp_path: Path) -> None:
    report = recorded(tmp_path, [image(1), change(2), change(3), change(5), change(6)])
    assert kinds(report) == [(HOLE, 30, 50)]


def test_a_book_that_begins_with_a_change(tmp_path: Path) -> None:
    assert [finding.kind for finding in recorded(tmp_path, [change(2), change(3)]).findings] == [HOLE]


def test_an_image_in_mid_stream_needs_its_gap(tmp_path: Path) -> None:
    events: list[Event] = [image(1), change(2), image(7), change(8)]
    assert kinds(recorded(tmp_path / "a", events)) == [(HOLE, 20, 70)]
    named = [*events, gap(1, channel="books", instrument="BTC-USDT", cause="disconnected", last_sequence=20)]
    report = recorded(tmp_path / "b", named)
    assert kinds(report) == [(EXPLAINED, 20, 70)]
    assert report.is_clean


def test_resets_signs_of_life_and_late_links_are_in_order(tmp_path: Path) -> None:
    quiet = change(4, previous=30)
    quiet.sequence = 30
    reset = change(5, previous=30)
    reset.sequence = 3
    after = change(6, previous=3)
    # The first change after a snapshot fetched over REST may begin before it.
    lenient = change(9, previous=82)
    events: list[Event] = [image(1), change(2), change(3), quiet, reset, after]
    events += [image(8, sequence=85), lenient, gap(1, channel="books", instrument="BTC-USDT", last_sequence=60)]
    assert [finding.kind for finding in recorded(tmp_path, events).findings] == [EXPLAINED]


def test_a_book_without_sequences_cannot_be_verified(tmp_path: Path) -> None:
    events = [image(1), change(2), change(3)]
    for event in events:
        event.sequence = event.previous_sequence = None
    report = recorded(tmp_path, list(events))
    assert [finding.kind for finding in report.findings] == [UNVERIFIABLE]
    assert report.is_clean


def test_E2_a_flipped_bit_and_a_lost_file_are_told(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(n) for n in range(20)])
    path = next(tmp_path.rglob("*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    assert [finding.kind for finding in verify_path(tmp_path).findings] == [DAMAGE]
    path.unlink()
    report = verify_path(tmp_path)
    assert [finding.kind for finding in report.findings] == [DAMAGE]
    assert "cannot be read" in report.findings[0].text


def test_records_that_were_never_committed_are_told(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(n) for n in range(5)])
    writer = TableWriter(tmp_path, "r1", storage=QUICK)
    for n in (6, 7, 8, 9):
        writer.add(trade(n - 1), n, 0)
        writer.flush(n, n)
    writer.close()
    ledger = tmp_path / "ledger/segments.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:2] + lines[3:]))
    with store.open(tmp_path) as opened:
        assert [(f.kind, f.table) for f in verify(opened).findings] == [(HOLE, "segments"), (HOLE, "trades")]
    ledger.write_bytes(lines[0] + b"\0" * 40 + b"\n" + b"".join(lines[1:]))
    assert [finding.kind for finding in verify_path(tmp_path).findings] == [DAMAGE]


def test_a_commit_that_repeats_another_leaves_no_hole_behind_it(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(n) for n in range(12)])
    ledger = Ledger(tmp_path / "ledger/segments.jsonl", QUICK)
    ledger.append(msgspec.json.encode(Commit("r1", first, through, 1)) for first, through in ((1, 4), (5, 8), (13, 14)))
    ledger.close()
    assert verify_path(tmp_path).findings == []


def test_a_day_whose_folders_were_deleted_is_gone_and_the_rest_is_checked(tmp_path: Path) -> None:
    day = 1_728_000  # in the numbers of trades; half of it in those of books
    places = [(number, n) for number in range(3) for n in range(10) if (number, n) != (2, 5)]
    events: list[Event] = [trade(number * day + n, trade_id=1_000 + number * 10 + n) for number, n in places]
    changes = [change(number * day // 2 + n, previous=(number * 5 + n - 1) * 10) for number in range(3) for n in range(5)]
    for place, event in enumerate(changes):
        event.sequence = place * 10
    events += [image(0, sequence=-10), *changes]
    assert kinds(recorded(tmp_path, events)) == [(HOLE, 1_025, 1_025)]
    with store.open(tmp_path) as opened:
        for date in ("2025-11-22", "2025-11-23"):
            for folder in tmp_path.glob(f"tables/*/date={date}"):
                shutil.rmtree(folder)
            report = verify(opened)
            assert [finding.text[:10] for finding in report.findings if finding.kind == GONE][-1] == date
            assert [found for found in kinds(report) if found[0] != GONE] == [(HOLE, 1_025, 1_025)]
        assert opened.rows("SELECT count(*) FROM trades") == [(9,)]
        last = next(tmp_path.glob("tables/trades/*/*/*.parquet"))
        last.unlink()
        assert [finding.kind for finding in verify(opened).findings if finding.kind != GONE] == [DAMAGE]
        with pytest.raises(StoreError, match=r"2025-11-24/.*parquet does not exist any more; `okex-ws verify FOLDER` lists what"):
            opened.rows("SELECT count(*) FROM trades")
    assert compact(tmp_path, now=1).made == 0
    shutil.rmtree(tmp_path / "tables")
    with store.open(tmp_path) as opened:
        assert {finding.kind for finding in verify(opened).findings} == {GONE}


def test_a_day_that_was_deleted_stays_gone_when_others_write_to_it_again(tmp_path: Path) -> None:
    first: list[Event] = [trade(n) for n in range(10)]
    second: list[Event] = [trade(n) for n in range(10, 20)]
    restart = gap(21, channel="trades", instrument="BTC-USDT", cause="restart", first_id=1_020, last_id=1_029)
    assert recorded(tmp_path, first, second).findings == []
    [day] = tmp_path.glob("tables/trades/date=*")
    shutil.rmtree(day)
    with store.open(tmp_path) as opened:
        assert {finding.kind for finding in verify(opened).findings} == {GONE}
        writer = TableWriter(tmp_path, "r3", storage=QUICK)
        for n, event in enumerate((restart, *(trade(n) for n in range(30, 35))), start=1):
            writer.add(event, n, 0)
            writer.flush(1, n)
        writer.close()
        findings = verify(opened).findings
        assert "the folders of trades were deleted, with 20 rows in 2 files" in [found.text[12:] for found in findings]
        assert {finding.kind for finding in findings} <= {GONE, EXPLAINED}
        assert opened.rows("SELECT count(*) FROM trades") == [(5,)]
        min(day.rglob("r3-*.parquet")).unlink()
        assert [finding.kind for finding in verify(opened).findings if finding.kind != GONE] == [DAMAGE]


def test_a_lost_file_is_damage_as_long_as_an_earlier_recorder_has_one_beside_it(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(n) for n in range(10)], [trade(n) for n in range(10, 20)])
    [lost] = tmp_path.rglob("r2-*.parquet")
    lost.unlink()
    assert [finding.kind for finding in verify_path(tmp_path).findings] == [DAMAGE]
