"""Standard tools read a segment: `zstdcat segment | jq`, and DuckDB's read_json."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support.disks import START, fill, text_of
from tests.support.sink_servers import program

from okex_ws.journal import JournalWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = JournalWriter(tmp_path, recorder="r", software="test", now=START)
    for first in (1, 1001, 2001):
        fill(writer, range(first, first + 1000))
        writer.flush(START)
        if first == 1001:
            writer.rotate(START)
    writer.write(START + 3001, "public/0", 1, "in", b"\xff")
    writer.close(START)
    return tmp_path / "r"


def test_zstdcat_and_jq_read_a_segment(folder: Path) -> None:
    program("zstdcat", "zstd")
    program("jq", "jq")
    segments = sorted(folder.iterdir())
    texts = subprocess.run(["zstdcat", *segments], capture_output=True, check=True)
    assert texts.stderr == b""
    query = "select(.text != null) | .text | fromjson? // ."
    found = subprocess.run(["jq", "-c", query], input=texts.stdout, stdout=subprocess.PIPE, check=True)
    assert len(found.stdout.splitlines()) == 3000
    numbers = subprocess.run(["jq", "select(.n != null) | .n"], input=texts.stdout, stdout=subprocess.PIPE, check=True)
    assert [int(number) for number in numbers.stdout.split()] == list(range(1, 3002))
    subprocess.run(["zstd", "--test", "--quiet", *segments], check=True)


def test_duckdb_reads_a_folder(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    journal = f"read_json('{folder}/*.jsonl.zst')"
    rows = duckdb.sql(f"select n, ts, text, b64 from {journal} where n is not null order by n").fetchall()
    assert len(rows) == 3001
    assert [row[:2] for row in rows] == [(n, START + n) for n in range(1, 3002)]
    assert all(row[2].encode() == text_of(row[0]) for row in rows[:-1])
    assert rows[-1][2:] == (None, "/w==")
    headers = duckdb.sql(f"select segment, first, software from {journal} where format = 1 order by 1").fetchall()
    assert headers == [(1, 1, "test"), (2, 2001, "test")]
