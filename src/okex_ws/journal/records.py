"""Record: one thing a line was told or said, as the journal has it."""

from __future__ import annotations

import msgspec

from okex_ws.journal.format import BlockHeader

INCOMING = ("in", "deflated", "binary")
"""Kinds of what came from the exchange: a text, the text of a binary frame that deflates back to it, any other binary frame."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """n: number in its recorder's journal, from 1; ts: receive time, ns UTC; line: its name; conn: which connection of the line;
    kind: one of INCOMING, "out" or another input of the line; text: the frame as it was, or a small JSON object; segment: its
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
    """The records of a block. Raises ValueError unless they are exactly the ones its header announces."""
    amount = lines.count(b"\n")
    if amount != header.amount:
        raise ValueError(f"{amount} lines where the header says {header.amount}")
    try:
        found = _decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"a line is no record: {error}") from None
    records = []
    segment = header.segment
    for n, line in enumerate(found, header.first):
        text = line.text.encode() if line.text is not None else line.b64
        if line.n != n or text is None:
            raise ValueError(f"record {n} is not where it should be")
        records.append(Record(n, line.ts, line.line, line.conn, line.kind, text, segment))
    if len(records) != header.amount:
        raise ValueError(f"{len(records)} records where the header says {header.amount}")
    return records
