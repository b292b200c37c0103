"""Record: one input or output of a line in the journal."""

from __future__ import annotations

import msgspec

from okex_ws.journal.format import BlockHeader

INCOMING = ("in", "deflated", "binary")
"""Kinds received from the exchange: a text, the text of a binary frame that deflates back to it, any other binary frame."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One journal record.

    n: number in its recorder's journal, from 1; ts: receive time, ns UTC; line: its name; conn: the connection of the line;
    kind: one of INCOMING, "out" or another input of the line; text: the unchanged frame, or a small JSON object; segment: its
    number.
    """

    n: int
    ts: int
    line: str
    conn: int
    kind: str
    text: bytes
    segment: int


class _RecordLine(msgspec.Struct, gc=False):
    n: int
    ts: int
    line: str
    conn: int
    kind: str
    text: str | None = None
    b64: bytes | None = None


_decode_lines = msgspec.json.Decoder(_RecordLine).decode_lines


def records_of(lines: bytes, header: BlockHeader) -> list[Record]:
    """Return the records of a block. Raises ValueError unless they match its header."""
    amount = lines.count(b"\n")
    if amount != header.amount:
        raise ValueError(f"{amount} lines, but the header has {header.amount}")
    try:
        found = _decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"a line is not a record: {error}") from None
    records = []
    segment = header.segment
    for n, line in enumerate(found, header.first):
        text = line.text.encode() if line.text is not None else line.b64
        if line.n != n or text is None:
            raise ValueError(f"record {n} is out of order")
        records.append(Record(n, line.ts, line.line, line.conn, line.kind, text, segment))
    if len(records) != header.amount:
        raise ValueError(f"{len(records)} records, but the header has {header.amount}")
    return records
