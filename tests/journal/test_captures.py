"""Captures of other programs, read as records."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.support.paths import CORPORA

from okex_ws.journal import JournalReader


def capture(path: Path, rows: list[dict[str, object] | str]) -> JournalReader:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return JournalReader(path)


def test_a_capture_gives_its_frames_and_says_what_it_cannot_read(tmp_path: Path) -> None:
    reader = capture(
        tmp_path / "some.jsonl",
        [
            {"dialect": "v5", "kind": "rest", "raw": "[]", "conn": 0, "recv_ts": "1.5"},
            {"dialect": "v5", "kind": "ws", "raw": "ping", "conn": 1, "dir": "out", "recv_ts": "1626995750.595871", "path": "A"},
            {"dialect": "v3", "kind": "ws", "raw": "{}"},
            "not json",
            {"dialect": "v5", "kind": "ws", "raw": "pong é", "conn": "d604", "dir": "in", "path": "B"},
            {"dialect": "v5", "kind": "ws", "raw": "{}", "recv_ts": "soon"},
            {"raw": "last", "recv_ts": "NaN"},
        ],
    )
    records = [(r.n, r.ts, r.line, r.conn, r.kind, r.text) for r in reader.records()]
    assert records == [
        (2, 1_626_995_750_595_871_000, "A", 1, "out", b"ping"),
        (5, 1_626_995_750_595_871_000, "B", 1, "in", "pong é".encode()),
    ]
    assert [(problem.first, problem.kind) for problem in reader.problems] == [(4, "damaged"), (6, "damaged"), (7, "damaged")]
    assert [record.n for record in JournalReader(reader.path, dialect="v3").records()] == [3]
    assert [record.n for record in reader.records(after=2)] == [5]


@pytest.mark.parametrize(
    ("name", "dialect", "most"),
    [
        ("cryptofeed-2021-07-okex-v5", "v5", 1616),
        ("cryptofeed-2021-04-okcoin-v3", "v3", 590),
        ("cryptofeed-2022-05-okx-v5", "v5", 410),
    ],
)
def test_the_real_captures_are_read_whole(name: str, dialect: str, most: int) -> None:
    path = CORPORA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"../shared/corpora/{name}.jsonl is not here")
    reader = JournalReader(path, dialect=dialect)
    counts = Counter((record.line, record.kind) for record in reader.records())
    assert reader.problems == []
    assert max(counts.values()) == most
    assert sum(amount for (_, kind), amount in counts.items() if kind == "out") == 3


def test_every_corpus_is_read_without_a_problem() -> None:
    if not CORPORA.exists():
        pytest.skip("../shared/corpora is not here")
    for path in sorted(CORPORA.glob("*.jsonl")):
        for dialect in ("v1", "v3", "v5"):
            reader = JournalReader(path, dialect=dialect)
            assert all(record.text for record in reader.records())
            assert reader.problems == [], path.name
