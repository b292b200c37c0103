"""Sequence ids of the exchange: one number space per instrument, one chain per channel and instrument.

In: instants and resets. Out: ids. Sources: OKX V5 docs, "Order book channel" (seqId, prevSeqId, sequence reset).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from okex_ws.simulator.market.base import MILLISECOND
from okex_ws.simulator.seeded_random import SeededRandom

_TICK = 10 * MILLISECOND
_JUMP = 8


@dataclass(slots=True)
class SequenceChain:
    """Ids of one channel of one instrument: the last, the first of this epoch. published: time of its last rows."""

    last: int
    first: int
    epoch: int
    published: int
    rows: list[Any]


class SequenceIds:
    """Ids of all instruments; an epoch ends with a reset. Same seed, same ids, whatever is subscribed to."""

    def __init__(self, random: SeededRandom, start: int) -> None:
        self._random = random
        self._start = start
        self._offsets: dict[str, int] = {}
        self._bases: dict[str, int] = {}
        self._epochs: dict[str, int] = {}

    def at(self, key: str, ts: int) -> int:
        """Return an instrument's id at an instant: random steps of 1 to 15 every 10 ms."""
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = 1_000_000_000 + self._random.fork(f"seq {key}").below(300_000_000_000)
        tick = (ts - self._start) // _TICK
        return base + tick * _JUMP + SeededRandom(base + tick).below(_JUMP) - self._offsets.get(key, 0)

    def epoch(self, key: str) -> int:
        """Return the number of resets of an instrument so far."""
        return self._epochs.get(key, 0)

    def reset(self, key: str, ts: int) -> None:
        """Restart an instrument's ids at a small number, as OKX does after maintenance."""
        present = self.at(key, ts)
        self._offsets[key] = self._offsets.get(key, 0) + present - 3 - self._random.fork(f"reset {ts}").below(1000)
        self._epochs[key] = self.epoch(key) + 1

    def chain(self, key: str, now: int) -> SequenceChain:
        """Return a new chain that begins now."""
        seq = self.at(key, now)
        return SequenceChain(seq, seq, self.epoch(key), now, [])

    def next(self, chain: SequenceChain, key: str, ts: int, *, is_linked: bool) -> int:
        """Return the id of the next rows of a chain and move the chain there. Linked chains never repeat an id."""
        seq, epoch = self.at(key, ts), self.epoch(key)
        if chain.epoch != epoch:
            chain.first = seq
        elif is_linked and seq <= chain.last:
            seq = chain.last + 1 + seq % 3
        elif not is_linked:
            seq = max(seq, chain.last)
        chain.last, chain.epoch = seq, epoch
        return seq
