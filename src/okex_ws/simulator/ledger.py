"""TruthLedger: the exchange's own record, which no client sees, of publications and applied faults.

In: every published trade aggregate and book sequence step, every applied fault. Out: plain lists to compare a client's
data with. Times are ns UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultApplied:
    """One application of a fault. conn_id, channel and key are "" where they have no meaning."""

    ts: int
    kind: str
    conn_id: str = ""
    channel: str = ""
    key: str = ""
    detail: str = ""


@dataclass(slots=True)
class Traffic:
    """Traffic of one connection: data pushes, pushes dropped by faults, requests, and the close reason."""

    pushes: int = 0
    dropped: int = 0
    requests: int = 0
    closed: str = ""


@dataclass(slots=True)
class TruthLedger:
    """Record of one exchange.

    trades: instrument -> (first_id, last_id, ts) of every published aggregate, received or not, from the first
    subscription to the instrument's `trades` on. books: (channel, instrument) -> (prev_seq, seq) of every update and
    keep-alive while watched (if the rules give each connection its own ids, they are shifted by a constant). faults:
    every application in order. traffic: conn_id -> Traffic. At most `limit` entries are kept per list; `forgotten`
    counts the dropped oldest ones.
    """

    limit: int = 250_000
    trades: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    books: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    faults: list[FaultApplied] = field(default_factory=list)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    forgotten: int = 0

    def note_trades(self, instrument: str, rows: Iterable[dict[str, Any]], ts: int) -> None:
        """Record the aggregates of one publication on `trades`."""
        entries = self.trades.setdefault(instrument, [])
        for row in rows:
            last = int(row["tradeId"])
            entries.append((last - int(row.get("count", "1")) + 1, last, ts))
        self._trim(entries)

    def note_step(self, channel: str, instrument: str, previous: int, seq: int) -> None:
        """Record one step of a sequence chain."""
        entries = self.books.setdefault((channel, instrument), [])
        entries.append((previous, seq))
        self._trim(entries)

    def note_fault(self, fault: FaultApplied) -> None:
        """Record one application of a fault."""
        self.faults.append(fault)
        self._trim(self.faults)

    def _trim(self, entries: list[Any]) -> None:
        if self.limit and len(entries) > self.limit:
            surplus = len(entries) - self.limit // 2
            del entries[:surplus]
            self.forgotten += surplus
