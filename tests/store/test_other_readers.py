"""Tables as other tools read them: pandas, pyarrow.dataset, polars and DuckDB, without this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from tests.support.sink_samples import every_kind
from tests.support.store_rows import QuickStorage, trade

from okex_ws import store
from okex_ws.events import Push
from okex_ws.store import TableWriter, parquet
from okex_ws.store.compact import compact
from okex_ws.store.tables import table_name

INSTRUMENTS = ("BTC-USDT", "ETH-USDT-SWAP", "12", "A/B C=D%")


def by_pandas(path: Path) -> list[tuple[str, int]]:
    table = pandas.read_parquet(path)
    return list(zip(table["instrument"].astype(str), table["trade_id"].tolist(), strict=True))


def by_pyarrow(path: Path) -> list[tuple[str, int]]:
    table = pyarrow.dataset.dataset(path, format="parquet", partitioning="hive").to_table()
    return list(zip(table["instrument"].to_pylist(), table["trade_id"].to_pylist(), strict=True))


def by_read_table(path: Path) -> list[tuple[str, int]]:
    table = pq.read_table(path)
    return list(zip(table["instrument"].to_pylist(), table["trade_id"].to_pylist(), strict=True))


def by_polars(path: Path) -> list[tuple[str, int]]:
    return polars.read_parquet(path).select("instrument", "trade_id").rows()


def by_duckdb(path: Path) -> list[tuple[str, int]]:
    with duckdb.connect() as database:
        return database.execute(f"SELECT instrument, trade_id FROM '{path}/**/*.parquet'").fetchall()


READERS = [by_pandas, by_pyarrow, by_read_table, by_polars, by_duckdb]


@pytest.mark.parametrize("is_compacted", [False, True], ids=["as written", "compacted"])
@pytest.mark.parametrize("read", READERS)
def test_trades_are_read_with_their_instrument(
    read: Callable[[Path], list[tuple[str, int]]], is_compacted: bool, tmp_path: Path
) -> None:
    store.prepare(tmp_path, now=1, software="0", storage=QuickStorage())
    writer = TableWriter(tmp_path, "r1", storage=QuickStorage())
    wanted = []
    for n in range(1, 41):
        event = trade(n, instrument=INSTRUMENTS[n % len(INSTRUMENTS)])
        wanted.append((event.instrument, event.trade_id))
        writer.add(event, n, 0)
        if n % 20 == 0:
            writer.flush(n, n)
    writer.close()
    if is_compacted:
        compact(tmp_path, now=5)
    assert sorted(map(tuple, read(tmp_path / "tables/trades"))) == sorted(wanted)
    with store.open(tmp_path) as opened:
        assert sorted(opened.rows("SELECT instrument, trade_id FROM trades")) == sorted(wanted)


@pytest.mark.parametrize("read", [pandas.read_parquet, pq.read_table, polars.read_parquet])
def test_every_table_is_read(read: Callable[[Path], object], tmp_path: Path) -> None:
    store.prepare(tmp_path, now=1, software="0", storage=QuickStorage())
    writer = TableWriter(tmp_path, "r1", storage=QuickStorage())
    pushes = [event for event in every_kind() if isinstance(event, Push)]
    for n, event in enumerate(pushes, 1):
        writer.add(event, n, 0)
    writer.flush(1, len(pushes))
    writer.close()
    for name in {table_name(type(event)) for event in pushes}:
        found = read(tmp_path / "tables" / name)
        assert len(found) > 0, name  # type: ignore[arg-type]
        with duckdb.connect() as database:
            assert database.execute(f"SELECT * FROM '{tmp_path}/tables/{name}/**/*.parquet'").fetchall(), name


def test_a_folder_of_an_older_version_is_read_and_compaction_renews_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older versions wrote the instrument into the files as well."""
    store.prepare(tmp_path, now=1, software="0", storage=QuickStorage())
    writer = TableWriter(tmp_path, "r1", storage=QuickStorage())
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "without_partition", lambda table: table)
        for n in (1, 2):
            writer.add(trade(n), n, 0)
            writer.flush(n, n)
    path = tmp_path / "tables/trades"
    with pytest.raises(pa.ArrowTypeError, match="incompatible types"):
        pandas.read_parquet(path)
    for n in (3, 4):
        writer.add(trade(n), n, 0)
        writer.flush(n, n)
    writer.close()
    wanted = [("BTC-USDT", 1_000 + n) for n in range(1, 5)]
    for _ in range(2):
        with store.open(tmp_path) as opened:
            assert opened.rows("SELECT instrument, trade_id FROM trades ORDER BY ALL") == wanted
        compact(tmp_path, now=5)
    assert sorted(by_pandas(path)) == wanted
