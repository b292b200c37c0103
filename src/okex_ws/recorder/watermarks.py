"""Watermarks: the highest journal record per recorder that a data folder proves to have been on disk.

Nothing is derived from a journal record before it is acknowledged. So every file that names a record proves it: a commit, a
Parquet file, a ledger line, the position of a sink, a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from okex_ws import checkpoints
from okex_ws.sinks.spool import positions
from okex_ws.store.folder import TABLES
from okex_ws.store.ledger import recorder_of, span_of
from okex_ws.store.query import Folder


class Watermark(NamedTuple):
    """n: the highest journal record known to have been on disk; by: the file that proves it, relative to the data folder."""

    n: int
    by: str


def watermarks(folder: Folder) -> dict[str, Watermark]:
    """Return the highest watermark of each recorder."""
    best: dict[str, Watermark] = {}
    for recorder, n, by in _named_records(folder):
        if n > best.get(recorder, (0,))[0]:
            best[recorder] = Watermark(n, by)
    return best


def _named_records(folder: Folder) -> Iterator[tuple[str, int, str]]:
    root = folder.root
    for commit in folder.manifest.commits.items:
        yield commit.recorder, commit.through, "ledger/segments.jsonl"
    for ledger in (folder.gaps, folder.connections):
        for row in ledger.rows:
            yield row.get("recorder", ""), row.get("n", 0), f"ledger/{ledger.name}"
    for path in _files(root / "spool", "*.json"):
        for recorder, n in positions(path).items():
            yield recorder, n, f"spool/{path.name}"
    for path in _files(root / "journal", "*"):
        for checkpoint in checkpoints.find(path):
            yield path.name, checkpoint.n, f"journal/{path.name}/{checkpoint.path.name}"
    for path in _files(root / TABLES, "*/*/*/[!.]*.parquet"):
        try:
            yield recorder_of(path.name), span_of(path.name)[1], str(path.relative_to(root))
        except ValueError:
            continue  # a foreign file


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []
