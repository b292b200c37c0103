"""Invalid recordings: one clear line, and no existing file is changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.record_command import Recording
from tests.support.shell import CLEAN, COMMAND, Result, Simulator, ended, here, launched, run

NOWHERE = ["--url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_one_line(done: Result, code: int, *fragments: str) -> None:
    assert done.code == code, done
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("okex-ws: ")
    for fragment in fragments:
        assert fragment in done.err


def record(folder: Path | str, *more: str) -> Result:
    return here("record", "BTC-USDT", "--to", str(folder), *NOWHERE, *more)


def test_a_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert_one_line(record(tmp_path), 2, "is not a data folder of okex-ws", "thesis.txt")
    assert tree(tmp_path) == {"thesis.txt": b"mine"}
    assert_one_line(here("verify", str(tmp_path)), 2, "is not a data folder")
    assert_one_line(here("query", "--data", str(tmp_path), "select 1"), 2, "is not a data folder")
    assert_one_line(here("compact", str(tmp_path)), 2, "is not a data folder")
    assert_one_line(here("replay", str(tmp_path)), 2, "is not a data folder")
    assert tree(tmp_path) == {"thesis.txt": b"mine"}


def test_E11_a_data_folder_of_an_unknown_version(tmp_path: Path) -> None:
    (tmp_path / "okex-ws.json").write_text('{"format":9,"software":"7.0","created":1}')
    (tmp_path / "journal").mkdir()
    before = tree(tmp_path)
    folder = str(tmp_path)
    for done in (record(folder), here("verify", folder), here("gaps", folder), here("query", "-d", folder)):
        assert_one_line(done, 2, "has format 9, written by okex-ws 7.0; this version reads format 1")
    (tmp_path / "okex-ws.json").write_text("{")
    assert_one_line(record(tmp_path), 2, "is damaged")
    (tmp_path / "okex-ws.json").write_text('{"format":9,"software":"7.0","created":1}')
    assert tree(tmp_path) == before


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("mine")
    assert_one_line(record(file), 2, "is a file, not a data folder")
    assert_one_line(record(file / "below"), 2, str(file))
    assert_one_line(here("verify", str(file)), 2, "is a file")
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_written() -> None:
    assert_one_line(record("/proc/okex-ws-data"), 2, "/proc/okex-ws-data cannot be written")


def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Root may write anywhere, unless it drops that capability.
    humbly = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    words = [*humbly, *COMMAND, "record", "BTC-USDT", "--to", str(tmp_path / "data"), *NOWHERE]
    assert_one_line(ended(launched(words)), 2, "cannot be written: Permission denied")


def test_nothing_there() -> None:
    for command in ("verify", "gaps", "compact", "replay"):
        assert_one_line(here(command, "/nowhere/data"), 2, "no data folder /nowhere/data")


@pytest.mark.parametrize(
    ("url", "fragment"),
    [
        ("redsi://localhost", "did you mean redis://?"),
        ("kafka://localhost", "unknown sink kafka://"),
        ("redis://user:secret@local host:99999999", "cannot be read as a URL"),
    ],
)
def test_a_wrong_sink_url(tmp_path: Path, url: str, fragment: str) -> None:
    done = record(tmp_path / "data", "--to", url)
    assert_one_line(done, 2, fragment)
    assert "secret" not in done.err
    assert not (tmp_path / "data").exists()


def test_two_data_folders(tmp_path: Path) -> None:
    assert_one_line(record(tmp_path / "a", "--to", str(tmp_path / "b")), 2, "one data folder only")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--since", "yesterday"], "is not a time"),
        (["--since", "2h", "--no-backfill"], "omit one"),
        (["--for", "never"], "is not a time"),
        (["--since", "2130-01-01"], "--since lies in the future"),
        (["--to", "rows.parquet"], "--to rows.parquet: name a folder, its tables are Parquet files"),
    ],
)
def test_options_that_make_no_sense(tmp_path: Path, options: list[str], fragment: str) -> None:
    assert_one_line(record(tmp_path / "data", *options), 2, fragment)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("library", "command", "extra"),
    [
        ("duckdb", ["query", "select 1"], "record"),
        ("zstandard", ["record", "BTC-USDT", "--to", "DATA", *NOWHERE], "record"),
        ("pyarrow", ["verify", "DATA"], "record"),
        ("prometheus_client", ["record", "BTC-USDT", "--to", "DATA", "--metrics-port", "0", *NOWHERE], "metrics"),
        ("redis", ["record", "BTC-USDT", "--to", "DATA", "--to", "redis://127.0.0.1:1", *NOWHERE], "redis"),
        ("nats", ["record", "BTC-USDT", "--to", "DATA", "--to", "nats://127.0.0.1:1", *NOWHERE], "nats"),
        ("asyncpg", ["record", "BTC-USDT", "--to", "DATA", "--to", "postgresql://127.0.0.1:1/x", *NOWHERE], "postgres"),
    ],
)
def test_a_missing_extra(tmp_path: Path, library: str, command: list[str], extra: str) -> None:
    words = [word.replace("DATA", str(tmp_path / "data")) for word in command]
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {library!r}:
            raise ImportError(name)
sys.modules[{library!r}] = None
from okex_ws.cli.app import run
sys.exit(run({words!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=CLEAN)
    assert_one_line(Result(done.returncode, done.stdout, done.stderr), 2, "pip install", f"okex-websocket[{extra}]")


def test_a_foreign_file_and_a_foreign_segment(busy: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert_one_line(here("replay", str(file)), 2, "neither a segment")
    segment = tmp_path / "00000001.jsonl.zst"
    segment.write_bytes(b"not zstd at all" * 100)
    assert_one_line(here("replay", str(segment)), 2, "is not a journal segment")
    assert segment.read_bytes() == b"not zstd at all" * 100


def test_a_query_that_is_none(busy: Simulator, tmp_path: Path) -> None:
    assert run("record", "BTC-USDT", "--to", str(tmp_path / "data"), "--for", "3s", *busy.where).code == 0
    data = ["--data", str(tmp_path / "data")]
    assert_one_line(here("query", *data, "selec 1"), 2, "syntax error")
    assert_one_line(here("query", *data, "select * from trade"), 2, "no table trade here; there are: trades")
    assert_one_line(here("query", *data, "select 1", "--csv", "--json"), 2, "omit one")
    assert_one_line(here("query", *data, ""), 2, "the query is empty")
    assert_one_line(here("query", *data, "select 1; select 2", "--csv"), 2, "these are 2 queries; run one at a time")
    assert_one_line(here("export", "hftbacktest", "h.csv", "-i", "BTC-USDT", *data), 2, "write h.npz")
    assert_one_line(here("export", "tardis", "t.csv", "-i", "X", "--from", "1m", "--until", "2m", *data), 2, "before --until")
    assert_one_line(here("export", "excel", "x", *data), 2, "unknown format 'excel'")
    assert_one_line(here("export", "tardis", "x.csv", *data), 2, "-i BTC-USDT")
    assert_one_line(here("export", "tardis", "/nowhere/x.csv", "-i", "BTC-USDT", *data), 2, "no folder /nowhere")
    assert_one_line(here("replay", str(tmp_path / "data"), "--speed", "0"), 2, "above 0")
    assert_one_line(here("replay", str(tmp_path / "data"), "--recorder", "x"), 2, "has no recorder x")


def test_an_unknown_instrument_leaves_no_folder(busy: Simulator, tmp_path: Path) -> None:
    done = run("record", "BTC-USTD", "--to", str(tmp_path / "data"), *busy.where)
    assert_one_line(done, 2, "BTC-USTD (did you mean BTC-USDT?)")
    assert list(tmp_path.iterdir()) == []


def test_never_connected(tmp_path: Path) -> None:
    done = record(tmp_path / "data", "--for", "500ms")
    assert done.code == 1
    assert "never connected" in done.complaints[0]


def test_a_full_disk_is_an_alarm_and_exit_code_1(busy: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a full disk needs the right to mount a small one; tests/journal has failing disks without it")
    try:
        with Recording(folder / "data", busy) as recording:
            alarm = recording.wait_for("No space left on device")
            assert alarm["level"] == "error"
            code, err = recording.end(signal.SIGTERM)
        assert code == 1
        last = err.splitlines()[-1]
        assert last.startswith("okex-ws: ")
        assert "did not reach the disk" in last
        assert "Traceback" not in err
        done = run("verify", str(folder / "data"))
        assert done.code == 0, done.out
        told = [json.loads(line) for line in run("replay", str(folder / "data"), "--flat", "--json").lines]
        assert any(event["event"] == "Trade" for event in told), "what was acknowledged is there"
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
