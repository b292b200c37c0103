"""Replay: a journal back into events.

In: journal records, which are the inputs of a ClientCore. Out: its events, each with its place in the journal.
A core is deterministic: the same inputs give the same events, so nothing is stored twice.
May import: core, checkpoints, market, protocol, wire, events.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from okex_ws import checkpoints
from okex_ws.core import snapshot
from okex_ws.core.core import ClientCore
from okex_ws.events import BookEvent, Event
from okex_ws.market import Books
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.dialect import V5, AnySession, Dialect
from okex_ws.protocol.line import Line


class Played(NamedTuple):
    """An event with its place: the number of the record, and the index among the events of that record."""

    n: int
    i: int
    event: Event


class Replay:
    """A ClientCore that is fed records. `feed` one record after another, in order.

    dialect: of frames whose line is not known; lines name theirs themselves.
    is_exact: True while events are exactly the live ones. In a journal that was `resume`d it is False from a hole on until the
    next checkpoint: lines are known only from their beginning, so the frames in between are decoded as frames alone.
    """

    def __init__(self, dialect: Dialect = V5) -> None:
        self._dialect = dialect
        self._bare: dict[tuple[str, int], tuple[AnySession, Any, Books]] = {}
        self.core = _core()
        self.is_exact = True
        self._folder: Path | None = None
        self._n = 0
        self._ahead: dict[int, checkpoints.Checkpoint] = {}

    @property
    def lines(self) -> dict[str, Line]:
        """Lines by name."""
        return self.core.lines

    def resume(self, folder: Path, *, through: int | None = None, before: int | None = None) -> int:
        """Begin at a recorder's checkpoint after a record ≤ `through`, everything received before `before` (ns).

        Returns that record: feed everything behind it. 0: there is no such checkpoint, feed everything.
        """
        self._folder = folder
        self._n = self._restore(checkpoints.find(folder, through=through, before=before))
        return self._n

    def _restore(self, found: Iterable[checkpoints.Checkpoint]) -> int:
        """Restore the first of these that can be read; return its record, or 0."""
        for checkpoint in found:
            content = checkpoints.read(checkpoint.path)
            core = _core()
            if content is not None:
                with suppress(snapshot.SnapshotError):
                    snapshot.restore(core, content, _seeded)
                    self.core, self.is_exact = core, True
                    return checkpoint.n
        return 0

    def _step(self, n: int, folder: Path) -> None:
        """Prepare for record n: start anew behind a hole, and restore a checkpoint that lies behind one."""
        if n > self._n + 1:
            self.core, self._bare = _core(), {}
            self.is_exact = False
            self._ahead = {one.n: one for one in checkpoints.find(folder) if one.n >= n - 1}
        if not self.is_exact and n - 1 in self._ahead and self._restore([self._ahead[n - 1]]):
            self._bare = {}
        self._n = n

    def feed(self, record: Any) -> list[Event]:
        """Return the events of a record, as consumers got them live."""
        if self._folder is not None:
            self._step(record.n, self._folder)
        core = self.core
        line = core.lines.get(record.line)
        if line is not None and record.kind == "in":
            # The usual record, by the shortest way. What the line would send is dropped with the next record of another kind.
            return core.receive_text(line, record.conn, record.text, record.ts)
        if line is None and record.kind in ("in", "binary", "deflated"):
            return core.pass_on(self._feed_bare(record), record.ts)
        events = core.feed_record(record)
        core.effects()  # to nobody
        return events

    def _feed_bare(self, record: Any) -> list[Event]:
        """Decode a recording of frames alone: a Session takes every push as subscribed, and books check what it decodes."""
        dialect = self._dialect
        known = self._bare.get((record.line, record.conn))
        if known is None:
            name = record.line or str(record.conn)
            chains = dialect.make_chains(name)
            session = dialect.make_session(
                name,
                (),
                now=record.ts,
                number=0,
                chains=chains,
                credentials=None,
                timing=dialect.timing,
                stale_after_s=None,
                server_clock=None,
            )
            known = self._bare[record.line, record.conn] = session, chains, Books()
        session, chains, books = known
        if record.kind not in ("in", "binary"):
            return []
        due = chains.deadline
        verdicts = chains.expire(due) if due is not None and due <= record.ts else []
        is_binary = record.kind == "binary"
        heard = dialect.subscriptions_in(dialect.noted(record.text)[1] if is_binary else record.text)
        for subscription in heard:
            session.adopt(subscription)
        receive = session.receive_binary if is_binary else session.receive
        events = [*verdicts, *receive(record.text, record.ts)]
        for event in tuple(events):
            trouble = books.apply(event)
            if trouble is not None and isinstance(event, BookEvent):
                of = [item for item in heard if (item.channel, item.key) == (event.channel, event.instrument)]
                events += session.resync(of[0], record.ts, trouble) if of else ()
        session.bytes_to_send()  # to nobody
        return events


def _seeded(text: str) -> Callable[[], float]:
    return random.Random(text).random  # noqa: S311  # the recorded jitter


def _core() -> ClientCore:
    # The journal has the books that failed their check; caches are for live readers.
    core = ClientCore(seeded=_seeded, keeps_books=False, keeps_latest=False)
    core.restart = Restart()
    return core


def played(records: Iterable[Any], dialect: Dialect = V5, replay: Replay | None = None) -> Iterator[Played]:
    """Yield every event of these records in order, as fast as possible. replay: a resumed one, for records behind it."""
    replay = replay or Replay(dialect)
    for record in records:
        for i, event in enumerate(replay.feed(record)):
            yield Played(record.n, i, event)


async def paced(
    records: Iterable[Any], *, speed: float = 1.0, now: Callable[[], int], sleep: Callable[[float], Any] = asyncio.sleep
) -> AsyncIterator[Played]:
    """Yield every event at the recorded pace, or `speed` times faster. Memory stays bounded, however slow the reader."""
    begun, first = now(), None
    for place in played(records):
        ts = place.event.ts_recv
        first = ts if first is None else first
        ahead = (ts - first) / speed - (now() - begun)
        if ahead > 1_000_000:
            await sleep(ahead / 1e9)
        yield place
