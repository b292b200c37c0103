"""JournalWriter: writes records into segments and reports which of them are on the disk.

`write` buffers; `flush` makes records durable and returns the last one. A record is acknowledged once write, fsync and, for a
new file, fsync of its folder have succeeded. Unacknowledged records stay in the buffer, whatever the disk does.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec
import zstandard

from okex_ws.journal import redaction
from okex_ws.journal.errors import JournalError, JournalFullError, RecordTooLongError, naming
from okex_ws.journal.format import (
    BLOCK_BYTES,
    FORMAT,
    IS_END,
    IS_HEADER,
    MAX_RECORD,
    MAX_TEXT,
    BlockHeader,
    SegmentHeader,
    safe_name,
    segment_name,
)
from okex_ws.journal.records import INCOMING
from okex_ws.journal.recovery import recover
from okex_ws.journal.segment import Batch, Segment
from okex_ws.journal.storage import OsStorage, Storage

_SECOND = 1_000_000_000
_encode = msgspec.json.Encoder().encode


class _Packed(NamedTuple):
    """A compressed block, not yet acknowledged."""

    first: int
    amount: int
    raw: int
    earliest: int
    latest: int
    payload: bytes


class JournalWriter:
    """One recorder's journal in `folder`/`recorder`. The caller holds the data folder's FolderLock and flushes by `deadline`.

    flush_within_s: maximum age of an unacknowledged record before a flush is due. segment_bytes, segment_s: size and age at
    which a
    flush closes the segment. buffer_bytes: maximum of bytes that wait for a failing disk; beyond it `write` raises
    JournalFullError.
    `recovered`: the records found, and the parts cut, in an existing folder. `acknowledged`: the last record on the disk;
    `last`: the last accepted one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        recorder: str,
        software: str,
        now: int,
        dialect: str = "v5",
        seed: int = 0,
        flush_within_s: float = 1.0,
        segment_bytes: int = 128 << 20,
        segment_s: float = 3600,
        buffer_bytes: int = 256 << 20,
        storage: Storage = OsStorage(),
    ) -> None:
        self.recorder = safe_name(recorder)
        self.folder = folder / self.recorder
        with naming("mkdir", self.folder):
            storage.make_folder(self.folder)
        self.recovered = recover(self.folder, storage=storage)
        self.last = self.acknowledged = self.recovered.last
        self.is_closed = False
        self._storage = storage
        self._dialect, self._software, self._seed = dialect, software, seed
        self._within = int(flush_within_s * _SECOND)
        self._segment_bytes, self._segment_ns = segment_bytes, int(segment_s * _SECOND)
        self._buffer_bytes = buffer_bytes
        self._compress = zstandard.ZstdCompressor(level=1, write_checksum=True).compress
        self._number = self.recovered.segment
        self._segment: Segment | None = None
        self._batch: Batch | None = None
        self._leftovers: list[Segment] = []
        self._packed: list[_Packed] = []
        self._packed_bytes = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._earliest = self._latest = now
        self._due: int | None = None
        self._heads: dict[tuple[str, int, str], bytes] = {}

    def write(self, now: int, line: str, conn: int, kind: str, text: bytes) -> int:
        """Accept a record without waiting for the disk; returns its number.

        text: stored unchanged, except for secrets. Raises JournalFullError, RecordTooLongError: the record was not accepted.
        """
        if self._size >= BLOCK_BYTES:
            self._cut()
        if kind not in INCOMING or redaction.is_quoting(text):
            text = redaction.redacted(text)
        head = self._heads.get((line, conn, kind)) or self._head(line, conn, kind)
        n = self.last + 1
        try:
            record = b'{"n":%d,"ts":%d%b"text":%b}\n' % (n, now, head, _encode(text.decode()))
            if len(record) > MAX_RECORD:
                record = self._as_base64(n, now, head, text)
        except UnicodeDecodeError:
            record = self._as_base64(n, now, head, text)
        size = self._size + len(record)
        if self._packed_bytes + size > self._buffer_bytes or self.is_closed:
            self._refuse()
        if not self._lines:
            self._earliest = self._latest = now
        elif now > self._latest:
            self._latest = now
        elif now < self._earliest:
            self._earliest = now
        if self._due is None or self._due > now + self._within:
            # Also after the clock stepped back: the limit holds by either clock.
            self._due = now + self._within
        self._lines.append(record)
        self._size = size
        self.last = n
        return n

    def deadline(self) -> int | None:
        """Return the time when `flush` is due; None if nothing waits. After a failure: the time of the next attempt."""
        return self._due

    @property
    def buffered_bytes(self) -> int:
        """Unacknowledged bytes in memory."""
        return self._packed_bytes + self._size

    def flush(self, now: int) -> int:
        """Write all accepted records to the disk; returns the last acknowledged one.

        Raises StorageFailedError after abandoning the segment. The records stay buffered, and the next flush writes them to a
        new
        segment: an acknowledged record is always on the disk, an unacknowledged one is never lost.
        """
        return self._flush(now, ends=False)

    def rotate(self, now: int) -> int:
        """Flush and close the segment; the next record begins another. Raises as `flush`."""
        return self._flush(now, ends=True)

    def close(self, now: int) -> int:
        """Flush and close the journal. Raises as `flush`; the journal then stays open and `close` can be repeated."""
        through = self._flush(now, ends=True)
        self.is_closed = True
        return through

    def prepare(self, now: int, *, ends: bool = False) -> Batch | None:
        """First step of a flush for a caller that must not wait: `prepare`, `batch.store()` on any thread, `settle`.

        Returns None if there is nothing to store. `write` may be called between prepare and settle; another prepare is an
        error.
        """
        if self._batch is not None:
            raise JournalError("a batch is being stored; settle it first")
        if self._lines:
            self._cut()
        if not self._packed and (self._segment is None or not ends):
            return None
        segment = self._segment
        parts = []
        if segment is None:
            self._number += 1
            segment = self._segment = Segment(self._storage, self.folder / segment_name(self._number), self._number, now)
            parts.append(self._header_block(segment, now))
        for packed in self._packed:
            parts += self._framed(segment, packed)
        segment.created = min(segment.created, now)  # a clock that stepped back must not extend a segment without end
        content = b"".join(parts)
        full = segment.length + len(content) >= self._segment_bytes or now - segment.created >= self._segment_ns
        through = self._packed[-1].first + self._packed[-1].amount - 1 if self._packed else self.acknowledged
        if ends or full:
            end = _Packed(through + 1, 0, 0, now, now, b"")
            content = b"".join([content, *self._framed(segment, end, IS_END)])
        self._batch = Batch(
            segment, content, through=through, blocks=len(self._packed), ends=ends or full, leftovers=self._leftovers
        )
        self._due = None
        return self._batch

    def settle(self, batch: Batch, now: int) -> int:
        """Record the result of a batch; returns the last acknowledged record. Raises StorageFailedError as `flush`."""
        assert batch is self._batch, "not the batch being stored"
        self._batch = None
        if not batch.is_stored:
            self._segment = None
            self._due = now + (self._within or _SECOND)
            raise batch.error or JournalError(f"storing to {batch.segment.path} was interrupted")
        if batch.ends:
            self._segment = None
        self._packed_bytes -= sum(len(packed.payload) for packed in self._packed[: batch.blocks])
        del self._packed[: batch.blocks]
        self.acknowledged = batch.through
        return batch.through

    def _flush(self, now: int, *, ends: bool) -> int:
        batch = self.prepare(now, ends=ends)
        if batch is None:
            return self.acknowledged
        try:
            batch.store()
        except BaseException:
            self._batch = self._segment = None
            self._due = now
            raise
        return self.settle(batch, now)

    def _cut(self) -> None:
        """Compress the buffered lines into a block."""
        raw = b"".join(self._lines)
        packed = _Packed(
            self.last - len(self._lines) + 1, len(self._lines), len(raw), self._earliest, self._latest, self._compress(raw)
        )
        self._packed.append(packed)
        self._packed_bytes += len(packed.payload)
        self._lines.clear()
        self._size = 0

    def _framed(self, segment: Segment, packed: _Packed, flags: int = 0) -> tuple[bytes, bytes]:
        header = BlockHeader(
            flags, segment.number, segment.blocks, packed.amount, packed.raw, len(packed.payload),
            packed.first, packed.earliest, packed.latest, crc32(packed.payload),
        )  # fmt: skip
        segment.blocks += 1
        return header.pack(), packed.payload

    def _header_block(self, segment: Segment, now: int) -> bytes:
        first = self._packed[0].first if self._packed else self.last + 1
        header = SegmentHeader(FORMAT, self._dialect, self._software, self.recorder, segment.number, first, self._seed, now)
        line = _encode(header) + b"\n"
        return b"".join(self._framed(segment, _Packed(first, 0, len(line), now, now, self._compress(line)), IS_HEADER))

    def _head(self, line: str, conn: int, kind: str) -> bytes:
        if len(self._heads) >= 4096:
            self._heads.clear()
        head = b',"line":%b,"conn":%d,"kind":%b,' % (_encode(line), conn, _encode(kind))
        self._heads[line, conn, kind] = head
        return head

    def _as_base64(self, n: int, now: int, head: bytes, text: bytes) -> bytes:
        if len(text) > MAX_TEXT:
            raise RecordTooLongError(f"a text of {len(text)} bytes exceeds the maximum of a record ({MAX_TEXT})")
        return b'{"n":%d,"ts":%d%b"b64":%b}\n' % (n, now, head, _encode(text))

    def _refuse(self) -> None:
        if self.is_closed:
            raise JournalError(f"the journal in {self.folder} is closed")
        raise JournalFullError(
            f"{self.buffered_bytes} bytes wait for the disk of {self.folder}: record {self.last + 1} was not accepted"
        )
