"""JournalSource: a recorder's events as a sink's spool reads them: from its journal, replayed, and on as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from okex_ws.events import Event
from okex_ws.journal import JournalReader, JournalWriter
from okex_ws.replay import Replay

LOOK_AGAIN_S = 0.2
YIELD_EVERY = 500


class JournalSource:
    """Events of one recorder. journal: its writer while it runs; acknowledged records are read, and new ones as they come."""

    def __init__(self, path: Path, recorder: str, *, journal: JournalWriter | None = None) -> None:
        self.recorder = recorder
        self._path = path
        self._journal = journal
        self._last_n = 0

    @property
    def last_n(self) -> int:
        return self._journal.acknowledged if self._journal is not None else self._last_n

    async def events(self, after_n: int) -> AsyncIterator[tuple[int, int, Event]]:
        """Yield (n, i, event) of every record after `after_n`. Earlier ones are replayed from a checkpoint, for their state."""
        reader, replay = JournalReader(self._path), Replay()
        done = self._last_n = await asyncio.to_thread(replay.resume, self._path, through=after_n)
        while True:
            is_last = self._journal is None or self._journal.is_closed
            through = None if self._journal is None else self._journal.acknowledged
            if through is None or through > done:
                for count, record in enumerate(reader.records(after=done, through=through)):
                    for i, event in enumerate(replay.feed(record)):
                        if record.n > after_n:
                            yield record.n, i, event
                    done = self._last_n = record.n
                    if count % YIELD_EVERY == 0:
                        await asyncio.sleep(0)  # a long catching-up must not hold the line up
            elif is_last:
                return
            else:
                await asyncio.sleep(LOOK_AGAIN_S)
            if self._journal is None:
                return
