"""A recording of V3 whose rows are spoilt is replayed, printed, stored and queried: its readers take what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.paths import FIXTURES
from tests.support.store_rows import QuickStorage

from okex_ws import store
from okex_ws.cli.event_lines import EventLines, as_json
from okex_ws.dialects import dialect
from okex_ws.events import Malformed
from okex_ws.journal import JournalReader, JournalWriter, recorders
from okex_ws.replay import Replay, played
from okex_ws.store import TableWriter

NASTY: list[Any] = [[], {}, ["12345"], None, True, "NaN", "∞", 7]


def spoilt(text: bytes, turn: int) -> bytes:
    """Return a push with one field of its first row replaced; any other message as it is."""
    if not text.startswith(b'{"table"') or not text.endswith(b"}]}"):
        return text
    message = json.loads(text)
    row = message["data"][0]
    name = sorted(row)[turn % len(row)]
    row[name] = NASTY[turn // len(row) % len(NASTY)]
    return json.dumps(message).encode()


@pytest.mark.parametrize("every", [1, 3])
def test_no_recording_holds_what_its_readers_cannot_read(every: int, tmp_path: Path) -> None:
    (source,) = recorders(FIXTURES / "before/v3/data/journal")
    records = list(JournalReader(source).records())
    writer = JournalWriter(tmp_path / "journal", recorder="r", software="test", now=records[0].ts, dialect="v3")
    for turn, record in enumerate(records):
        text = spoilt(record.text, turn // every) if turn % every == 0 and record.kind == "deflated" else record.text
        writer.write(record.ts, record.line, record.conn, record.kind, text)
    writer.close(records[-1].ts)
    store.prepare(tmp_path / "data", now=1, software="test", storage=QuickStorage())
    tables = TableWriter(tmp_path / "data", "r", storage=QuickStorage())
    lines = EventLines(colour=False)
    kinds: dict[str, int] = {}
    reader = JournalReader(writer.folder)
    for n, i, event in played(reader.records(), replay=Replay(dialect("v3"))):
        lines.line(event)
        assert as_json(event).isascii()
        tables.add(event, n, i)
        kinds[type(event).__name__] = kinds.get(type(event).__name__, 0) + 1
    assert reader.problems == []
    assert kinds[Malformed.__name__] > 10
    tables.flush(1, len(records) + 1)
    with store.open(tmp_path / "data") as opened:
        for name in opened.table_names():
            opened.rows(f"SELECT * FROM {name}")  # names of our own tables
