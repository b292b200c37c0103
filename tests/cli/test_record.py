"""`record` and the commands that read recordings: real commands, a real simulator, one data folder."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.support.record_command import CHANNELS, Recording
from tests.support.shell import PATIENCE_S, Simulator, here, run
from tests.support.store_rows import START

from okex_ws.events import Unrecoverable
from okex_ws.store import TableWriter, prepare


@pytest.fixture(scope="module")
def recorded(busy: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "data"
    done = run("record", "BTC-USDT", "ETH-USDT", *CHANNELS, "--to", str(folder), "--for", "4s", *busy.where)
    assert done.code == 0, done.err
    assert done.out == ""
    assert re.search(r"[\d,]+ messages/s, [\d,]+ rows/s, lag \d+ ms, \d+ sockets?, 0 gaps, journal .*free", done.err), done.err
    assert re.search(r"^\d+\.\d s, \d+ events .*0 gaps; [\d,]+ records and [\d,]+ rows in ", done.err.splitlines()[-1])
    assert (folder / "heartbeat").exists()
    return folder


def rows(folder: Path, query: str) -> list[dict[str, str]]:
    done = here("query", "--data", str(folder), query, "--csv")
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def test_verify_finds_a_recording_whole(recorded: Path) -> None:
    done = run("verify", str(recorded))
    assert done.code == 0, done.out + done.err
    assert "clean: no unexplained hole" in done.out
    assert re.search(r"[\d,]+ rows in \d+ files, 4 chains; [\d,]+ records of 1 journal replayed", done.out)
    assert here("verify", "--quick", str(recorded)).code == 0


def test_verify_finds_a_flipped_bit_and_a_lost_row(recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    subprocess.run(["cp", "-r", recorded, copy], check=True)
    segment = next(copy.glob("journal/*/*.zst"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    done = here("verify", str(copy))
    assert done.code == 1, done.out
    assert re.search(r"^damage .*records \d+ to \d+ lost", done.out, re.M)
    assert "✗ not clean: damage 1" in done.out
    assert here("replay", str(copy), "--flat").code == 1
    # Without the journal a missing row shows in the chain; with it, by comparison.
    subprocess.run(["rm", "-rf", copy], check=True)
    subprocess.run(["cp", "-r", recorded, copy], check=True)
    ledger = copy / "ledger/segments.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    lost = next(file for line in lines for file in line["files"] if "/tickers/" in file[0])
    for line in lines:
        line["files"] = [file for file in line["files"] if file != lost]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = here("verify", str(copy))
    assert done.code == 1, done.out
    assert re.search(rf"tickers: {lost[1]} rows of the journal are not in the table", done.out), done.out


def test_query_and_replay_count_the_same(recorded: Path) -> None:
    answer = rows(recorded, "select instrument, count(*) n from trades group by all")
    in_tables = {row["instrument"]: int(row["n"]) for row in answer}
    done = here("replay", str(recorded), "--flat", "--json", "-c", "trades")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.lines]
    told = [event["instrument"] for event in events if event["event"] == "Trade"]
    assert {name: told.count(name) for name in set(told)} == in_tables
    assert {event["event"] for event in events} >= {"Connected", "Subscribed", "Trade", "Disconnected"}
    assert not any(event["event"] == "Ticker" for event in events)


def test_a_recording_is_replayed_at_its_pace_or_faster_from_and_until_a_time(recorded: Path) -> None:
    flat = here("replay", str(recorded), "--flat", "--json")
    fast = here("replay", str(recorded), "--speed", "20", "--json")
    assert fast.out == flat.out
    times = [json.loads(line)["ts_recv"] for line in flat.lines]
    middle = times[len(times) // 2]
    part = here("replay", str(recorded), "--flat", "--json", "--from", str(middle))
    assert part.lines == [line for line, ts in zip(flat.lines, times, strict=True) if ts >= middle]
    before = here("replay", str(recorded), "--flat", "--json", "--until", str(middle))
    assert before.lines == [line for line, ts in zip(flat.lines, times, strict=True) if ts < middle]


def test_one_segment_is_replayed_by_itself(recorded: Path) -> None:
    segment = next(recorded.glob("journal/*/*.zst"))
    assert here("replay", str(segment), "--flat", "--json").out == here("replay", str(recorded), "--flat", "--json").out
    done = here("replay", str(segment), "--flat", "-c", "trades")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  trades +(BTC|ETH)-USDT +[\d.]+  (buy|sell) ", done.lines[-1]), done.lines[-1]


def test_query_lists_tables_and_prints_answers(recorded: Path) -> None:
    done = here("query", "--data", str(recorded))
    assert done.code == 0, done.err
    for name in ("trades", "book_updates", "book_snapshots", "tickers", "gaps", "connections", "segments"):
        assert re.search(rf"^ *{name} +\d+", done.out, re.M), done.out
    done = here("query", "-d", str(recorded), "select instrument, max(price) from trades group by all order by all")
    assert re.search(r"^ *BTC-USDT +[\d.]+ *$", done.out, re.M), done.out
    done = here("query", "-d", str(recorded), "select * from trades order by trade_id limit 2", "--json")
    assert [json.loads(line)["instrument"] for line in done.lines]
    done = here("query", "-d", str(recorded), "select 0.1::double + 0.2::double as total")
    assert done.out.split()[-1] == "0.3"
    done = here("query", "-d", str(recorded), "select * from range(150)")
    assert done.err == "100 of 150 rows shown; --csv or --json shows all\n"


def test_gaps_says_that_there_are_none(recorded: Path) -> None:
    done = here("gaps", str(recorded), "--json")
    assert (done.code, done.out, done.err) == (0, "", "no gaps\n")


def test_gaps_says_from_when_on_what_cannot_be_fetched_back_is_missing(tmp_path: Path) -> None:
    prepare(tmp_path, now=1, software="0.1.0")
    writer = TableWriter(tmp_path, "r1")
    since = (START + 1_500) * 1_000_000
    expired = Unrecoverable(channel="trades", instrument="BTC-USDT", last_id=7, since=since, reason="expired")
    writer.add(expired, 1, 0)
    writer.flush(1, 1)
    [row] = [json.loads(line) for line in here("gaps", str(tmp_path), "--json").lines]
    assert (row["first"], row["last"], row["since"], row["until"]) == (None, 7, "2025-11-22T00:00:01.500000", None)


def test_exports(recorded: Path, tmp_path: Path) -> None:
    data = ["--data", str(recorded)]
    trades = int(rows(recorded, "select count(*) n from trades where instrument = 'BTC-USDT'")[0]["n"])
    done = here("export", "tardis", str(tmp_path / "t.csv"), "-i", "BTC-USDT", *data)
    assert done.out == f"{trades} rows in {tmp_path / 't.csv'}\n", done.err
    head = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert head == "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    assert here("export", "csv", str(tmp_path / "q.csv"), "--query", "select * from tickers", *data).code == 0
    assert here("export", "hftbacktest", str(tmp_path / "h.npz"), "-i", "BTC-USDT", *data).code == 0
    done = here("export", "tardis", str(tmp_path / "b.csv.gz"), "--kind", "book_snapshot_5", "-i", "BTC-USDT", *data)
    assert done.code == 0, done.err


def test_compact_keeps_every_row(busy: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for _ in range(2):
        with Recording(folder, busy) as recording:
            recording.wait_for_rows()
            assert recording.end(signal.SIGTERM)[0] == 143
    before = rows(folder, "select count(*) n, sum(trade_id) p from trades")
    done = here("compact", str(folder))
    assert re.fullmatch(r"\d+ files merged into \d+, \d+ removed\n", done.out), done.out + done.err
    assert rows(folder, "select count(*) n, sum(trade_id) p from trades") == before
    assert here("verify", str(folder)).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_everything_on_disk(busy: Simulator, tmp_path: Path, number: int, code: int) -> None:
    with Recording(tmp_path / "data", busy, "--to", str(tmp_path / "more.jsonl")) as recording:
        recording.wait_for_rows()
        ended, err = recording.end(number)
        assert ended == code
        summary = json.loads(err.splitlines()[-1])
        assert summary["event"] == "Summary"
    journaled = int(re.findall(r"([\d,]+) records and ([\d,]+) rows", summary["message"])[0][0].replace(",", ""))
    assert here("verify", str(tmp_path / "data")).code == 0
    replayed = here("replay", str(tmp_path / "data"), "--flat", "--json")
    assert f"of {journaled} records" in replayed.err
    assert len((tmp_path / "more.jsonl").read_text().splitlines()) == len(replayed.lines), "the sink has every event"


def test_kill_9_then_restart_then_clean(busy: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Recording(folder, busy) as recording:
        first = recording.wait_for_rows()
        code, _ = recording.end(signal.SIGKILL)
        assert code == -9
    done = here("verify", str(folder))
    assert done.code == 0, done.out
    assert re.search(r"^waiting +.* rows are in the journal and not yet in the tables", done.out, re.M), done.out
    with Recording(folder, busy) as recording:
        recording.wait_for("recovered")
        recording.wait_for_rows()
        assert recording.end(signal.SIGTERM)[0] == 143
    done = here("verify", str(folder))
    assert done.code == 0, done.out
    assert "waiting" not in done.out
    assert len(rows(folder, "select recorder from full_trades group by all")) == 2
    replayed = here("replay", str(folder), "--flat", "--json")
    assert int(re.findall(r"of (\d+) records", replayed.err)[0]) >= first["acknowledged"]


def test_E6_a_second_recorder_is_refused_and_the_first_goes_on(busy: Simulator, tmp_path: Path) -> None:
    with Recording(tmp_path / "data", busy) as recording:
        recording.wait_for('"recording into')
        before = sorted((tmp_path / "data/journal").iterdir())
        done = run("record", "BTC-USDT", "--to", str(tmp_path / "data"), *busy.where)
        assert done.code == 1
        who = f"process {recording.process.pid}"
        assert done.err == f"okex-ws: {tmp_path}/data is being written by {who}; one folder has one writer\n"
        assert sorted((tmp_path / "data/journal").iterdir()) == before
        recording.wait_for_rows()
        assert recording.end(signal.SIGTERM)[0] == 143
    assert here("verify", str(tmp_path / "data")).code == 0


def test_metrics_are_served_on_this_machine(busy: Simulator, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    with Recording(tmp_path / "data", busy, "--metrics-port", "0", "--to", str(tmp_path / "x.jsonl")) as recording:
        url = recording.wait_for("metrics at")["message"].split()[-1]
        assert url.startswith("http://127.0.0.1:")
        recording.wait_for_rows()
        text = httpx.get(url, trust_env=False, timeout=PATIENCE_S).text
        values = dict(re.findall(r"^(okex_ws_recorder_\w+)(?:\{.*?\})? ([\d.e+]+)$", text, re.M))
        assert float(values["okex_ws_recorder_frames_total"]) > 0
        assert float(values["okex_ws_recorder_connections"]) >= 1
        assert "okex_ws_recorder_sink_sent_total" in values
        assert float(values["okex_ws_recorder_received_bytes_total"]) > 0
        assert re.search(r'^okex_ws_recorder_subscriptions\{state="live"\} [1-9]', text, re.M)
        assert re.search(r'^okex_ws_recorder_latency_seconds\{quantile="0.99"\} ', text, re.M)
        assert recording.end(signal.SIGTERM)[0] == 143


def test_gaps_and_what_was_fetched_back(tmp_path: Path) -> None:
    with Simulator("--rate", "10", "--fault", "drop channel=trades every=60") as venue:
        with Recording(tmp_path / "data", venue) as recording:
            recording.wait_for('"Recovered"')
            code, err = recording.end(signal.SIGTERM)
            assert code == 143
            summary = json.loads(err.splitlines()[-1])["message"]
            assert re.search(r"[1-9]\d* gaps?, [1-9]\d* rows fetched", summary), summary
        with Recording(tmp_path / "other", venue, "--no-backfill") as recording:
            recording.wait_for('"Gap"')
            assert recording.end(signal.SIGTERM)[0] == 143
    found = [json.loads(line) for line in here("gaps", str(tmp_path / "data"), "--json", "-c", "trades").lines]
    assert {"gap", "recovered"} <= {row["event"] for row in found}
    assert here("verify", str(tmp_path / "data")).code == 0
    done = here("verify", str(tmp_path / "other"))
    assert done.code == 0, done.out
    assert re.search(r"^explained .* trades missing, \d+ to \d+: the gap ledger names it", done.out, re.M), done.out


def test_replay_from_after_the_end_names_the_end(recorded: Path) -> None:
    done = here("replay", str(recorded), "--flat", "--from", "2099-01-01")
    assert done.code == 0
    assert re.search(r"the recording ends at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ, before --from", done.err), done.err
