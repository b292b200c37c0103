"""Problem: the exact part of a segment that a reader could not read."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """A damaged part of a segment and the records lost with it.

    segment: file name; start, end: bytes. first, last: the lost records; both None if none is lost (the next segment has them),
    last None if the number of lost records is unknown. kind: "torn" (an unfinished tail, never acknowledged unless the file was
    cut
    short later), "cut" (the same, moved to another file at a restart), "damaged", "missing" (no segment has the records),
    "foreign".
    """

    segment: str
    start: int
    end: int
    first: int | None
    last: int | None
    kind: str
    why: str

    @property
    def lost(self) -> int | None:
        """Number of lost records; None if unknown."""
        if self.first is None:
            return 0 if self.last is None else None
        return None if self.last is None else self.last - self.first + 1

    def __str__(self) -> str:
        if self.first is None and self.last is None:
            what = "no record lost"
        elif self.first is None:
            what = f"records up to {self.last} lost"
        elif self.last is None:
            what = f"records from {self.first} lost, if any"
        else:
            what = f"records {self.first} to {self.last} lost"
        return f"{self.segment} bytes {self.start} to {self.end}: {self.kind}, {self.why}; {what}"
