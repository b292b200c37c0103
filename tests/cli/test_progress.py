"""Progress on a terminal: the status is never cut off, at any width."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from okex_ws.cli.progress import Progress
from okex_ws.recorder.recorder import RecorderStatus
from okex_ws.sinks import SpoolStatus


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def recorder(folder: Path) -> Any:
    sink = SpoolStatus("sqlite:///rows.db", "waiting", 5, 70.0, 123_456, 9, 1, "sqlite:///rows.db: database is locked", 3)
    status = RecorderStatus(
        now=1, frames=0, events=0, rows=0, trades=0, gaps=21, unrecoverable=3, backfilled=170, connections=4, lag=3_000_000,
        acknowledged=9, last=9, committed=9, buffered=2_000, disk_errors=2, last_error="", sinks=(sink,),
    )  # fmt: skip
    return SimpleNamespace(status=lambda: status, journal=SimpleNamespace(folder=folder))


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_status_fits_into_a_terminal(columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with Progress(cast(Any, recorder(tmp_path)), in_json=False) as progress:
        progress.log("warning", "words " * 40)
        progress.tick()
    shown = re.split(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n]", terminal.getvalue())  # cursor movements are not shown
    assert max(map(len, shown)) <= columns
    text = re.sub(r"\s+", " ", " ".join(shown))
    assert text.count("words ") == 40
    for part in ("21 gaps, 170 fetched, 3 unrecoverable", "2 disk errors, 2.0 kB waiting", "0 of 1 sinks up to date",
                 "123,456 events delivered, 70 s behind; sqlite:///rows.db: database is locked"):  # fmt: skip
        assert part in text
