"""TruthLedger: the exchange's own truth, which no client sees: what was published and which faults were applied.

In: every trade aggregate and book sequence step as the exchange publishes it, every fault as it strikes. Out: plain
lists to compare a client's account of the day with. Times are ns UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultApplied:
    """One stroke of one fault. conn_id, channel and key are "" where they do not apply."""

    ts: int
    kind: str
    conn_id: str = ""
    channel: str = ""
    key: str = ""
    detail: str = ""


@dataclass(slots=True)
class Traffic:
    """What one conversation was sent: data pushes and their bytes, and what faults kept from it."""

    pushes: int = 0
    dropped: int = 0
    requests: int = 0
    closed: str = ""


@dataclass(slots=True)
class TruthLedger:
    """trades: instrument -> (first_id, last_id, ts) of every aggregate published, whether or not anybody got it,
    from the first subscription to the instrument's `trades` on. books: (channel, instrument) -> (prev_seq, seq) of
    every update and keep-alive minted while watched (a connection's ids lie `Exchange.seq_shift` higher when the rules
    give each its own). faults: every stroke in order. traffic: conn_id -> Traffic.
    At most `limit` entries are kept per list; `forgotten` counts the oldest ones let go.
    """

    limit: int = 250_000
    trades: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    books: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    faults: list[FaultApplied] = field(default_factory=list)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    forgotten: int = 0

    def note_trades(self, instrument: str, rows: Iterable[dict[str, Any]], ts: int) -> None:
        """Enter the aggregates of one publication on `trades`."""
        entries = self.trades.setdefault(instrument, [])
        for row in rows:
            last = int(row["tradeId"])
            entries.append((last - int(row.get("count", "1")) + 1, last, ts))
        self._trim(entries)

    def note_step(self, channel: str, instrument: str, previous: int, seq: int) -> None:
        """Enter one step of a sequence chain."""
        entries = self.books.setdefault((channel, instrument), [])
        entries.append((previous, seq))
        self._trim(entries)

    def note_fault(self, fault: FaultApplied) -> None:
        """Enter one stroke of a fault."""
        self.faults.append(fault)
        self._trim(self.faults)

    def _trim(self, entries: list[Any]) -> None:
        if self.limit and len(entries) > self.limit:
            surplus = len(entries) - self.limit // 2
            del entries[:surplus]
            self.forgotten += surplus
