"""Compaction: merge many small files of a recorder, a table, a day and an instrument into few large ones.

The new file is written and made durable, then one line of `ledger/compactions.jsonl` swaps it for the old ones. After a kill
before that line the old files count; after it, the new one; at no instant neither or both. Old files are removed while no
reader
is active, now or by the next compaction. A recorder may write meanwhile.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from okex_ws.store import parquet
from okex_ws.store.folder import LEDGER, StoreError, check, compacting, removing, table_files
from okex_ws.store.ledger import Compaction, File, Ledger, Manifest, span_of
from okex_ws.store.storage import OsStorage, Storage, publish, remove
from okex_ws.store.views import known_table

LARGEST_ROWS = 2_000_000
LARGEST_BYTES = 128 << 20


class Compacted(msgspec.Struct):
    """Result of a compaction. left: replaced files that active readers still keep. refused: damaged files, a line each; these
    and
    the files of their group are not merged.
    """

    merged: int = 0
    made: int = 0
    removed: int = 0
    left: int = 0
    refused: list[str] = []


def compact(path: Path | str, *, now: int, table: str = "", least: int = 2, storage: Storage | None = None) -> Compacted:
    """Merge the files of a data folder. now: ns UTC. table: only this one. least: smaller groups stay as they are.

    Raises StoreError if the folder is not a data folder or another compaction runs; OSError on a disk error.
    """
    check(path)
    root = Path(path).absolute()
    storage = storage or OsStorage()
    done = Compacted()
    with compacting(root):
        ledger = Ledger(root / LEDGER / "compactions.jsonl", storage)
        try:
            manifest = Manifest(root)
            manifest.refresh()
            _remove_unlisted(root, manifest, storage)
            here = [file for file in manifest.files if table in ("", file.table) and (root / file.path).exists()]
            for group in _groups(here, least):
                try:
                    added = _merge(root, group, storage)
                except StoreError as error:  # otherwise the merged file would give damaged rows a valid checksum
                    done.refused.append(str(error))
                    continue
                line = Compaction(now, [added], [file.path for file in group])
                ledger.append([msgspec.json.encode(line)])
                done.merged += len(group)
                done.made += 1
            manifest.refresh()
            _remove_replaced(root, manifest, storage, done)
        finally:
            ledger.close()
    return done


def _groups(files: list[File], least: int) -> Iterator[list[File]]:
    """Yield groups of files to merge: of the same recorder, partition and columns, and small enough together."""
    series: dict[tuple[str, str, int], list[File]] = {}
    for file in files:
        if file.rows < LARGEST_ROWS // 2 and file.size < LARGEST_BYTES // 2:
            series.setdefault((file.partition, file.recorder, file.shape), []).append(file)
    for _, members in sorted(series.items()):
        group: list[File] = []
        rows = size = 0
        for file in sorted(members, key=lambda file: span_of(file.name)):
            if rows + file.rows > LARGEST_ROWS or size + file.size > LARGEST_BYTES:
                if len(group) >= least:
                    yield group
                group, rows, size = [], 0, 0
            group.append(file)
            rows, size = rows + file.rows, size + file.size
        if len(group) >= least:
            yield group


def _merge(root: Path, group: list[File], storage: Storage) -> File:
    read = pa.concat_tables([parquet.read(root, file) for file in group])
    rows = parquet.without_partition(read)  # older versions wrote the instrument into files too
    folder, recorder = group[0].partition, group[0].recorder
    first = span_of(group[0].name)[0]
    last = max(span_of(file.name)[1] for file in group)
    name = f"{recorder}-{first:012d}-{last:012d}-c.parquet"
    content = parquet.encode(rows)
    target = root / folder / name
    publish(storage, target.parent / f".tmp-{name}", target, content)
    storage.fsync_dir(target.parent)
    known = known_table(group[0].table)
    made = parquet.describe(f"{folder}/{name}", rows, content, has_ids=known is not None and known.has_ids)
    # Types that Parquet reads back differently keep the shape of their files.
    shape = group[0].shape if rows.num_columns == read.num_columns else zlib.crc32(b"%d without partition" % group[0].shape)
    return msgspec.structs.replace(made, shape=shape)


def _remove_unlisted(root: Path, manifest: Manifest, storage: Storage) -> None:
    """Remove the files that a killed compaction wrote before its ledger line."""
    known = {file.path for compaction in manifest.compactions.items for file in compaction.added}
    for path in table_files(storage, root):
        if path.endswith("-c.parquet") and path not in known:
            remove(storage, root / path)


def _remove_replaced(root: Path, manifest: Manifest, storage: Storage, done: Compacted) -> None:
    replaced = {path for compaction in manifest.compactions.items for path in compaction.removed}
    present = [path for path in sorted(replaced) if (root / path).exists()]
    with removing(root) as alone:
        if not alone:
            done.left = len(present)
            return
        for path in present:
            remove(storage, root / path)
        done.removed = len(present)
