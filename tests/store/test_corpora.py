"""Real captures of three connections with the same subscriptions, recorded by three recorders and merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.paths import CORPORA
from tests.support.store_rows import QuickStorage

from okex_ws import store
from okex_ws.store import TableWriter
from okex_ws.store.verify import HOLE, check_trades
from okex_ws.wire.frames import FrameError, PushFrame, decode

CORPUS = CORPORA / "cryptofeed-2021-07-okex-v5.jsonl"
QUICK = QuickStorage()


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CORPUS.exists():
        pytest.skip(f"{CORPUS} is not here: the real captures are not part of the project")
    root = tmp_path_factory.mktemp("merged") / "data"
    store.prepare(root, now=1, software="0.1.0", storage=QUICK)
    writers: dict[str, TableWriter] = {}
    counts: dict[str, int] = {}
    for line in CORPUS.read_text().splitlines():
        entry = json.loads(line)
        if entry["kind"] != "ws" or entry.get("dir") == "out":
            continue
        name = Path(entry["path"]).name.replace(":", "_")
        writer = writers.setdefault(name, TableWriter(root, name, storage=QUICK))
        n = counts[name] = counts.get(name, 0) + 1
        try:
            frame = decode(entry["raw"].encode(), int(float(entry["recv_ts"]) * 1e9))
        except FrameError:
            continue
        if isinstance(frame, PushFrame):
            for i, event in enumerate(frame.events):
                writer.add(event, n, i)
    for name, writer in writers.items():
        writer.flush(1, counts[name])
        writer.close()
    return root


def test_E7_three_recorders_merge_to_the_unique_updates(merged: Path) -> None:
    with store.open(merged) as opened:
        recorders = opened.rows("SELECT count(DISTINCT recorder) FROM raw_book_updates")
        assert recorders == [(3,)]
        raw = opened.rows("SELECT count(*) FROM raw_book_updates")[0][0]
        unique = opened.rows("SELECT count(*) FROM book_updates")[0][0]
        by_content = opened.rows(
            "SELECT count(*) FROM (SELECT DISTINCT instrument, channel, ts_event, checksum, bids, asks FROM raw_book_updates)"
        )[0][0]
        assert unique == by_content
        assert (raw, unique) == (4_342, 1_494)


def test_E7_trades_of_three_recorders_have_no_hole_and_no_double(merged: Path) -> None:
    with store.open(merged) as opened:
        raw, ids = opened.rows("SELECT count(*), count(DISTINCT (instrument, trade_id)) FROM raw_trades")[0]
        assert opened.rows("SELECT count(*) FROM trades") == [(ids,)]
        assert raw > ids > 0
        assert [finding for finding in check_trades(opened) if finding.kind == HOLE] == []
