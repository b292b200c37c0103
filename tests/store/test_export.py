"""Exports: the columns of other programs, in the order of the chain, complete or absent."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from tests.support.store_rows import START, QuickStorage, change, image, trade

from okex_ws import store
from okex_ws.store import StoreError, TableWriter
from okex_ws.store.export import (
    BUY_EVENT,
    EVENT_FIELDS,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    export_csv,
    export_hftbacktest,
    export_tardis,
)

QUICK = QuickStorage()


def folder(path: Path) -> Path:
    store.prepare(path, now=1, software="0.1.0", storage=QUICK)
    writer = TableWriter(path, "r1", storage=QUICK)
    writer.add(image(1), 1, 0)
    for n in range(2, 6):
        writer.add(change(n), n, 0)
        writer.add(trade(n * 2, instrument="BTC-USDT"), n, 1)
    writer.add(trade(3, instrument="ETH-USDT-SWAP"), 9, 0)
    writer.flush(1, 9)
    return path


def rows(path: Path) -> list[list[str]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.reader(content.decode().splitlines()))


def test_csv_of_a_query(tmp_path: Path) -> None:
    with store.open(folder(tmp_path / "data")) as opened:
        assert export_csv(opened, tmp_path / "x.csv.gz", "SELECT trade_id FROM trades ORDER BY ALL") == 5
        assert rows(tmp_path / "x.csv.gz") == [["trade_id"], ["1003"], ["1004"], ["1006"], ["1008"], ["1010"]]
        with pytest.raises(StoreError, match="there is no folder"):
            export_csv(opened, tmp_path / "no/x.csv", "SELECT 1")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "x.csv.gz"]


def test_tardis_trades(tmp_path: Path) -> None:
    with store.open(folder(tmp_path / "data")) as opened:
        assert export_tardis(opened, tmp_path / "t.csv", "trades", "BTC-USDT") == 4
        head, first, *_ = rows(tmp_path / "t.csv")
        assert head == ["exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"]
        ts = (START + 200) * 1000
        assert first == ["okex", "BTC-USDT", str(ts), str(ts + 5000), "1004", "buy", "60000.4", "0.005"]
        assert export_tardis(opened, tmp_path / "s.csv", "trades", "ETH-USDT-SWAP") == 1
        assert rows(tmp_path / "s.csv")[1][0] == "okex-swap"
        since = (START + 350) * 1_000_000
        assert export_tardis(opened, tmp_path / "t.csv", "trades", "BTC-USDT", since=since) == 2
        for kind, there in (("trades", "BTC-USDT, ETH-USDT-SWAP"), ("incremental_book_L2", "BTC-USDT")):
            with pytest.raises(StoreError, match=f"BTC-USDX is not in .*; there are {there}$"):
                export_tardis(opened, tmp_path / "t.csv", kind, "BTC-USDX")
        assert len(rows(tmp_path / "t.csv")) == 3, "what was there is untouched"


def test_tardis_incremental_book(tmp_path: Path) -> None:
    with store.open(folder(tmp_path / "data")) as opened:
        assert export_tardis(opened, tmp_path / "b.csv", "incremental_book_L2", "BTC-USDT") == 12
        head, *lines = rows(tmp_path / "b.csv")
        assert head == ["exchange", "symbol", "timestamp", "local_timestamp", "is_snapshot", "side", "price", "amount"]
        assert [line[4:] for line in lines[:6]] == [
            ["true", "bid", "100.5", "1.0"],
            ["true", "bid", "99.5", "2.0"],
            ["true", "bid", "98.5", "3.0"],
            ["true", "ask", "101.5", "1.0"],
            ["true", "ask", "102.5", "2.0"],
            ["true", "ask", "103.5", "3.0"],
        ]
        assert [line[4:] for line in lines[6:]] == [
            ["false", "bid", "100.5", "2.0"],
            ["false", "bid", "100.5", "3.0"],
            ["false", "ask", "101.5", "4.0"],
            ["false", "bid", "100.5", "4.0"],
            ["false", "bid", "100.5", "0.0"],
            ["false", "ask", "101.5", "2.0"],
        ]


def test_tardis_book_snapshots(tmp_path: Path) -> None:
    with store.open(folder(tmp_path / "data")) as opened:
        assert export_tardis(opened, tmp_path / "b.csv.gz", "book_snapshot_2", "BTC-USDT") == 5
        head, *lines = rows(tmp_path / "b.csv.gz")
        assert head[:8] == [
            "exchange",
            "symbol",
            "timestamp",
            "local_timestamp",
            "asks[0].price",
            "asks[0].amount",
            "bids[0].price",
            "bids[0].amount",
        ]
        assert [line[4:] for line in lines][-2:] == [
            ["101.5", "4.0", "100.5", "4.0", "102.5", "2.0", "99.5", "2.0"],
            ["101.5", "2.0", "99.5", "2.0", "102.5", "2.0", "98.5", "3.0"],
        ]
        with pytest.raises(StoreError, match="unknown tardis file"):
            export_tardis(opened, tmp_path / "b.csv", "book_snapshot_", "BTC-USDT")
        with pytest.raises(StoreError, match="unknown tardis file"):
            export_tardis(opened, tmp_path / "b.csv", "quotes", "BTC-USDT")


def test_a_book_exported_from_the_middle_on_begins_with_what_it_was_then(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    since = (START + 420) * 1_000_000  # the snapshot and the changes 2 to 4 have been received
    with store.open(folder(tmp_path / "data")) as opened:
        assert export_tardis(opened, tmp_path / "b.csv", "incremental_book_L2", "BTC-USDT", since=since) == 8
        lines = rows(tmp_path / "b.csv")[1:]
        assert [line[4:] for line in lines] == [
            ["true", "bid", "100.5", "4.0"],
            ["true", "bid", "99.5", "2.0"],
            ["true", "bid", "98.5", "3.0"],
            ["true", "ask", "101.5", "4.0"],
            ["true", "ask", "102.5", "2.0"],
            ["true", "ask", "103.5", "3.0"],
            ["false", "bid", "100.5", "0.0"],
            ["false", "ask", "101.5", "2.0"],
        ]
        assert lines[0][2:4] == [str((START + 400) * 1000), str(since // 1000)]
        assert export_tardis(opened, tmp_path / "s.csv", "book_snapshot_2", "BTC-USDT", since=since) == 2
        assert [line[4:] for line in rows(tmp_path / "s.csv")[1:]] == [
            ["101.5", "4.0", "100.5", "4.0", "102.5", "2.0", "99.5", "2.0"],
            ["101.5", "2.0", "99.5", "2.0", "102.5", "2.0", "98.5", "3.0"],
        ]
        export_hftbacktest(opened, tmp_path / "x.npz", "BTC-USDT", since=since)
        assert (np.load(tmp_path / "x.npz")["data"]["ev"] & 0xFF).tolist() == [3, 4, 4, 4, 3, 4, 4, 4, 2, 1, 1]


def test_a_book_that_was_lost_is_not_exported_before_its_next_image(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    writer = TableWriter(root, "r1", storage=QUICK)
    for n, event in ((10, image(10)), (11, change(11))):
        writer.add(event, n, 0)
    writer.flush(2, 11)
    with store.open(root) as opened:
        since = (START + 600) * 1_000_000
        assert export_tardis(opened, tmp_path / "b.csv", "incremental_book_L2", "BTC-USDT", since=since) == 8
        assert rows(tmp_path / "b.csv")[1][2] == str((START + 1_000) * 1000)


@pytest.mark.parametrize("kind", ["trades", "incremental_book_L2", "book_snapshot_5"])
def test_a_time_of_which_there_is_nothing_gives_no_file(kind: str, tmp_path: Path) -> None:
    with store.open(folder(tmp_path / "data")) as opened, pytest.raises(StoreError, match="there is nothing of BTC-USDT in "):
        export_tardis(opened, tmp_path / "x.csv", kind, "BTC-USDT", since=(START + 60_000) * 1_000_000)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_hftbacktest_events(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    with store.open(folder(tmp_path / "data")) as opened:
        count = export_hftbacktest(opened, tmp_path / "x.npz", "BTC-USDT")
    data = np.load(tmp_path / "x.npz")["data"]
    assert data.dtype == np.dtype(EVENT_FIELDS, align=True)
    assert data.dtype.itemsize == 64
    assert len(data) == count == 2 + 12 + 4
    kinds = (data["ev"] & 0xFF).tolist()
    assert kinds[:8] == [3, 4, 4, 4, 3, 4, 4, 4]
    assert data["px"][:5].tolist() == [98.5, 100.5, 99.5, 98.5, 103.5]
    # Among events received at once a trade precedes the book that it changed.
    assert kinds[8:] == [2, 1, 2, 1, 1, 2, 1, 2, 1, 1]
    assert all(ev & (EXCH_EVENT | LOCAL_EVENT) == EXCH_EVENT | LOCAL_EVENT for ev in data["ev"].tolist())
    sides = [bool(ev & BUY_EVENT) - bool(ev & SELL_EVENT) for ev in data["ev"].tolist()]
    assert sides[:10] == [1, 1, 1, 1, -1, -1, -1, -1, 1, 1]
    assert data["local_ts"][0] == (START + 105) * 1_000_000


def test_hftbacktest_events_out_of_order_and_clocks_apart(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    root = tmp_path / "data"
    store.prepare(root, now=1, software="0.1.0", storage=QUICK)
    writer = TableWriter(root, "r1", storage=QUICK)
    for n, delay in enumerate((5, 400, 5, -30, 120, 5, 5), start=1):
        writer.add(trade(n, delay_ms=delay), n, 0)
    writer.flush(1, 9)
    with store.open(root) as opened:
        export_hftbacktest(opened, tmp_path / "x.npz", "BTC-USDT")
    data = np.load(tmp_path / "x.npz")["data"]
    at_exchange = data[(data["ev"] & EXCH_EVENT) != 0]
    at_us = data[(data["ev"] & LOCAL_EVENT) != 0]
    assert (np.diff(at_exchange["exch_ts"]) >= 0).all()
    assert (np.diff(at_us["local_ts"]) >= 0).all()
    assert len(at_exchange) == len(at_us) == 7
    assert ((data["local_ts"] - data["exch_ts"]) >= 0).all()
    assert sorted(at_exchange["px"].tolist()) == sorted(at_us["px"].tolist())
    with store.open(root) as opened, pytest.raises(StoreError, match="there is no trade and no book of X-Y"):
        export_hftbacktest(opened, tmp_path / "x.npz", "X-Y")


def rebuilt(path: Path) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The books after each message of a file, by tardis.dev's own rule: a snapshot row discards only after a row that is none."""
    books: list[tuple[dict[str, str], dict[str, str]]] = []
    sides: dict[str, dict[str, str]] = {"bid": {}, "ask": {}}
    was_snapshot, at = False, ""
    for _, _, _, local, is_snapshot, side, price, amount in rows(path)[1:]:
        if at and local != at:
            books.append((dict(sides["bid"]), dict(sides["ask"])))
        if is_snapshot == "true" and not was_snapshot:
            sides["bid"].clear()
            sides["ask"].clear()
        was_snapshot, at = is_snapshot == "true", local
        if float(amount):
            sides[side][price] = amount
        else:
            sides[side].pop(price, None)
    return [*books, (dict(sides["bid"]), dict(sides["ask"]))]


@pytest.mark.parametrize("channel", ["books", "books5"])
def test_books_rebuilt_from_images_alone_are_the_images(channel: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    store.prepare(root, now=1, software="0.1.0", storage=QUICK)
    writer = TableWriter(root, "r1", storage=QUICK)
    images = []
    for n in range(1, 30):
        event = image(n)
        event.channel, middle = channel, 100 + n % 7
        event.raw_bids = [(f"{middle - level}.5", str(n + level), "0", "1") for level in range(1, 4)]
        event.raw_asks = [(f"{middle + level}.5", str(n + level), "0", "1") for level in range(n % 3)]
        images.append(event)
        writer.add(event, n, 0)
    writer.flush(1, 40)
    with store.open(root) as opened:
        export_tardis(opened, tmp_path / "b.csv", "incremental_book_L2", "BTC-USDT", channel=channel)
    wanted = [
        tuple({level[0]: str(float(level[1])) for level in side} for side in (event.raw_bids, event.raw_asks)) for event in images
    ]
    assert rebuilt(tmp_path / "b.csv") == wanted
