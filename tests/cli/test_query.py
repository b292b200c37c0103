"""`okex-ws query`: catalog statements, formats and narrow terminals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.support.store_rows import QuickStorage, image, trade
from typer.testing import CliRunner

from okex_ws import store
from okex_ws.cli.app import app
from okex_ws.cli.query import print_table
from okex_ws.store import StoreError, TableWriter

PEOPLE = ["time", "instrument", "trade_id", "price", "size", "side"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    store.prepare(root, now=1, software="0", storage=QuickStorage())
    writer = TableWriter(root, "r1", storage=QuickStorage())
    for n in range(1, 5):
        writer.add(trade(n) if n % 2 else image(n), n, 0)
    writer.flush(1, 4)
    writer.close()
    return root


def ask(data: Path, *words: str) -> bytes:
    done = CliRunner().invoke(app, ["query", "--data", str(data), *words])
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


def test_statements_about_tables_know_every_table(data: Path) -> None:
    names = ["book_snapshots", "connections", "gaps", "segments", "trades"]
    with store.open(data) as opened:
        for query in ("show tables", "SHOW TABLES", "pragma show_tables", "select name from (show tables)"):
            assert sorted(row[0] for row in opened.rows(query)) == names, query
        views = "select view_name from duckdb_views() where not internal and schema_name = 'main'"
        assert sorted(row[0] for row in opened.rows(views)) == names
        for query in ("describe trades", "pragma table_info('trades')", "summarize trades", "show trades"):
            assert opened.sql(query).num_rows == 14, query
    assert b"PROJECTION" in ask(data, "explain select * from trades").upper()
    assert b"\\n" not in ask(data, "explain analyze select * from trades")


def test_the_columns_of_people_come_first(data: Path) -> None:
    with store.open(data) as opened:
        for prefix in ("", "full_", "raw_"):
            columns = opened.sql(f"select * from {prefix}trades").column_names
            assert columns[:6] == PEOPLE
            assert (columns[-3:] == ["recorder", "n", "i"]) is bool(prefix)
        assert str(opened.sql("select time from trades").schema.field("time").type).startswith("timestamp[us, tz=")
        assert str(opened.sql("select time from gaps").schema.field("time").type).startswith("timestamp[us, tz=")
        with pytest.raises(StoreError, match="full_trades"):
            opened.rows("select recorder from trades")


def test_every_format_has_every_row(data: Path) -> None:
    query = "select time, price, 'a|b' as text from trades order by price"
    first = {"time": "2025-11-22 00:00:00.050000Z", "price": "60000.1", "text": "a|b"}
    assert next(csv.DictReader(io.StringIO(ask(data, query, "--format", "csv").decode()))) == first
    lines = ask(data, query, "--format", "json").splitlines()
    assert json.loads(lines[0])["time"] == "2025-11-22T00:00:00.050000Z"
    assert ask(data, query, "--format", "markdown").decode().splitlines()[2] == r"| 2025-11-22 00:00:00.050Z | 60000.1 | a\|b |"
    assert "2025-11-22 00:00:00.050Z" in ask(data, query, "--format", "table").decode()
    assert pq.read_table(io.BytesIO(ask(data, query, "--format", "parquet"))).num_rows == 2


def test_a_row_too_wide_for_the_terminal_is_a_paragraph(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    heads = [f"column_{place}" for place in range(8)]
    print_table(heads, [tuple(range(1_000_000, 1_000_008))])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "column_7 1000007" in " ".join(lines)


def test_an_export_has_the_ending_of_its_format(data: Path, tmp_path: Path) -> None:
    def export(form: str, name: str) -> tuple[int, str]:
        words = ["export", form, str(tmp_path / name), "--data", str(data), "--query", "select * from trades"]
        done = CliRunner().invoke(app, words)
        return done.exit_code, str(done.exception)

    assert export("parquet", "x.parquet")[0] == 0
    assert pq.read_table(tmp_path / "x.parquet").column_names[:6] == PEOPLE
    assert export("csv", "x.csv")[0] == 0
    for form, name in (
        ("csv", "x.xlsx"),
        ("csv", "x.parquet"),
        ("parquet", "x.csv"),
        ("tardis", "x.json"),
        ("hftbacktest", "x.csv"),
    ):
        code, error = export(form, name)
        assert code != 0
        assert "is written into" in error
