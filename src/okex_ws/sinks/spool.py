"""Spool: drives one sink from the journal, from a durable position. At least once, in order, without losses.

The journal is the queue: unacknowledged events are simply not read further, so an outage needs no memory, and after it,
or after a restart, reading continues at the sink's position. The spool pulls; no producer waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from okex_ws.events import BookEvent, Event
from okex_ws.journal.storage import OsStorage, publish
from okex_ws.protocol.pacing import Backoff
from okex_ws.sinks.sink import (
    CLOSE_TIMEOUT_S,
    NOTHING,
    Sink,
    SinkClosedError,
    SinkError,
    SinkPosition,
    SinkUnreachableError,
    mask,
)

FORMAT = 1
log = logging.getLogger("okex_ws.sinks")


def spool_name(url: str) -> str:
    """Return the file name of a sink's position: the same for the same target, independent of password and options."""
    target = re.sub(r"\?.*", "", mask(url))
    words = re.sub(r"[^A-Za-z0-9]+", "-", target.replace("***", "")).strip("-")[:60]
    return f"{words or 'stdout'}-{zlib.crc32(target.encode()):08x}.json"


class EventSource(Protocol):
    """Events of one recorder: from its journal, and then live for the running one.

    recorder: its id. last_n: the highest journal record so far, to measure how far behind a sink is.
    """

    recorder: str

    @property
    def last_n(self) -> int: ...

    def events(self, after_n: int) -> AsyncIterator[tuple[int, int, Event]]:
        """Yield (n, i, event) of every record after `after_n`, in order. Hours may pass between two items: hold no resources."""


class SpoolStatus(msgspec.Struct, frozen=True):
    """Status of a sink for the live display.

    state: opening, sending (it has events to deliver), idle, waiting (for its next attempt), stopped.
    behind_records: unacknowledged journal records, 0 if all events read so far are acknowledged.
    behind_s: age of the oldest event read and not acknowledged; held: number of such events.
    sent: events acknowledged since the start; errors: failed attempts; error: message of the last one, "" after a success.
    """

    url: str
    state: str
    behind_records: int
    behind_s: float
    sent: int
    batches: int
    errors: int
    error: str
    held: int


class _Reached(msgspec.Struct):
    n: int
    i: int
    is_finished: bool = False


class _Saved(msgspec.Struct):
    format: int = FORMAT
    sink: str = ""
    recorders: dict[str, _Reached] = {}


def positions(path: Path) -> dict[str, int]:
    """Return the journal record reached per recorder in a position file; empty if the file cannot be read."""
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except (OSError, msgspec.DecodeError):
        return {}
    return {recorder: reached.n for recorder, reached in saved.recorders.items()} if saved.format == FORMAT else {}


class Spool:
    """Delivery of sources (older recorders first, the running one last) to one sink, with a position file.

    max_events, max_bytes: limits of a batch, the latter estimated; at most two batches are held. linger_s: how long a batch
    waits for more events. put_timeout_s: timeout of an attempt. save_s: interval between writes of the position; events after
    the
    last one are delivered again after a crash, and recognized by their ids. retry_s: first and largest pause between attempts,
    times `luck()` (0 to 1).
    """

    def __init__(
        self,
        sink: Sink,
        sources: Sequence[EventSource],
        path: Path,
        *,
        now: Callable[[], int] = time.time_ns,
        luck: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        max_events: int = 2_000,
        max_bytes: int = 4 << 20,
        linger_s: float = 0.05,
        put_timeout_s: float = 30.0,
        save_s: float = 1.0,
        retry_s: tuple[float, float] = (0.2, 30.0),
    ) -> None:
        self._sink, self._sources, self._path = sink, sources, path
        self._now, self._luck, self._sleep = now, luck, sleep
        self._max_events, self._max_bytes, self._linger_s = max_events, max_bytes, linger_s
        self._put_timeout_s, self._save_s = put_timeout_s, save_s
        self._retry_s = retry_s
        self._saved = _Saved(sink=sink.url)
        self._is_loaded = self._is_open = self._is_closing = self._is_unsaved = False
        self._saved_at = 0
        self._recorder = ""
        self._last_n: Callable[[], int] = int
        self._pending: list[tuple[str, Event]] = []
        self._sending: list[tuple[str, Event]] = []
        self._pending_bytes = 0
        self._changed = asyncio.Event()  # new pending events, or a closing spool
        self._room = asyncio.Event()
        self._state, self._error = "opening", ""
        self._sent = self._batches = self._errors = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def status(self) -> SpoolStatus:
        held = self._sending or self._pending
        reached = self._saved.recorders.get(self._recorder)
        return SpoolStatus(
            url=self._sink.url,
            state=self._state,
            behind_records=max(0, self._last_n() - (reached.n if reached else 0)) if held else 0,
            behind_s=max(0, self._now() - held[0][1].ts_recv) / 1e9 if held else 0.0,
            sent=self._sent,
            batches=self._batches,
            errors=self._errors,
            error=self._error,
            held=len(self._sending) + len(self._pending),
        )

    async def check(self) -> None:
        """Open the sink before the recorder starts. Raises SinkError for an error that a later attempt cannot fix."""
        self._load()
        with contextlib.suppress(SinkUnreachableError, TimeoutError):
            await self._open()
            for recorder in list(self._saved.recorders)[-1:]:
                await self._has_lost_events(recorder)

    async def run(self) -> None:
        """Deliver until `close`, or until all sources have ended. Raises SinkClosedError and the errors of sources."""
        self._load()
        self._running = asyncio.current_task()
        try:
            for source in self._sources:
                reached = self._saved.recorders.get(source.recorder)
                if reached is None or not reached.is_finished:
                    await self._deliver(source)
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
        finally:
            self._state = "stopped"
            await self._finish()

    async def close(self, within_s: float = 2.0) -> None:
        """Stop reading, deliver held events within the time limit, save the position. The rest stays in the journal."""
        task = self._running
        self._is_closing = True
        self._changed.set()
        if task is not None and not task.done():
            await asyncio.wait({task}, timeout=max(0.0, within_s - CLOSE_TIMEOUT_S))
            task.cancel()
            await asyncio.wait({task}, timeout=within_s)
        else:
            await self._finish()

    async def _finish(self) -> None:
        await self._try_to_save()
        self._is_open = False
        await self._sink.close()

    async def _deliver(self, source: EventSource) -> None:
        """Deliver one source to its end; again from the target's position if the target has lost data."""
        self._recorder, self._last_n = source.recorder, lambda: source.last_n
        while not self._is_closing:
            self._pending, self._sending, self._pending_bytes = [], [], 0
            pump = asyncio.create_task(self._pump(source))
            pump.add_done_callback(lambda _: self._changed.set())
            try:
                is_done = await self._send_all(pump)
                if pump.done() and not pump.cancelled():
                    pump.result()
            finally:
                pump.cancel()
                await asyncio.wait({pump})
            if is_done:
                if not self._is_closing:
                    self._saved.recorders.setdefault(source.recorder, _Reached(0, -1)).is_finished = True
                    self._is_unsaved = True
                    await self._try_to_save()
                return

    async def _pump(self, source: EventSource) -> None:
        reached = self._saved.recorders.get(source.recorder)
        place = SinkPosition(reached.n, reached.i) if reached else SinkPosition(0, -1)
        prefix = source.recorder + ":"
        since_pause = 0
        async for n, i, event in source.events(max(0, place.n - 1)):
            if n <= place.n and (n, i) <= place:
                continue
            self._pending.append((f"{prefix}{n}:{i}", event))
            self._pending_bytes += 300
            if isinstance(event, BookEvent):
                self._pending_bytes += 40 * (len(event.raw_bids) + len(event.raw_asks))
            since_pause += 1
            if len(self._pending) == 1 or self._is_full():
                self._changed.set()
            while self._is_full():
                self._room.clear()
                await self._room.wait()
                since_pause = 0
            if since_pause >= 200:  # a source that reads from disk never waits; yield to the other tasks
                since_pause = 0
                await asyncio.sleep(0)

    def _is_full(self) -> bool:
        return len(self._pending) >= self._max_events or self._pending_bytes >= self._max_bytes

    async def _send_all(self, pump: asyncio.Task[None]) -> bool:
        """Deliver the events of the pump; False if delivery must restart from an earlier position."""
        while True:
            if self._is_closing:
                pump.cancel()
            if not self._pending:
                self._state = "idle" if self._is_open else self._state
                if self._is_closing or pump.done():
                    return True
                await self._wait_for_more()
                continue
            if not (self._is_full() or self._is_closing or pump.done()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._linger_s):
                        while not (self._is_full() or self._is_closing or pump.done()):
                            await self._changed.wait()
                            self._changed.clear()
            self._sending, self._pending, self._pending_bytes = self._pending, [], 0
            self._room.set()
            if not await self._put():
                return False

    async def _wait_for_more(self) -> None:
        if self._is_unsaved:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._save_s):
                    await self._changed.wait()
        if not self._changed.is_set():
            await self._try_to_save()
            await self._changed.wait()
        self._changed.clear()

    async def _put(self) -> bool:
        """Deliver the batch, with any number of attempts; False if the target needs earlier events first."""
        backoff = Backoff(*self._retry_s)
        while True:
            try:
                if not self._is_open:
                    await self._open()
                    if await self._has_lost_events(self._recorder):
                        return False
                self._state = "sending"
                async with asyncio.timeout(self._put_timeout_s):
                    await self._sink.put(self._sending)
            except SinkClosedError:
                raise
            except TimeoutError:
                await self._fail(f"{self._sink.url}: no acknowledgement within {self._put_timeout_s:g} s")
            except SinkError as error:
                await self._fail(str(error))
            else:
                await self._acknowledge()
                return True
            self._state = "waiting"
            await self._sleep(backoff.next_s(self._luck()))

    async def _open(self) -> None:
        self._state = "opening"
        try:
            await self._sink.open()
        except SinkError as error:
            self._errors, self._error = self._errors + 1, str(error)
            raise
        self._is_open = True

    async def _fail(self, text: str) -> None:
        if self._is_open:
            self._errors, self._error = self._errors + 1, text
            self._is_open = False
            await self._sink.close()

    async def _has_lost_events(self, recorder: str) -> bool:
        known = self._saved.recorders.get(recorder)
        async with asyncio.timeout(self._put_timeout_s):
            reached = await self._sink.reached(recorder)
        if known is None or reached is None or reached >= (known.n, known.i):
            return False
        if reached == NOTHING:
            if known.n:
                log.warning(
                    "%s: is empty, though it had events before; it receives new events only. To fill it from the journal, stop, "
                    "delete %s, start again",
                    self._sink.url,
                    self._path,
                )
            return False
        known.n, known.i = reached
        self._is_unsaved = True
        return True

    async def _acknowledge(self) -> None:
        place = self._sending[-1][0].rsplit(":", 2)
        known = self._saved.recorders.setdefault(self._recorder, _Reached(0, -1))
        known.n, known.i = int(place[1]), int(place[2])
        self._sent += len(self._sending)
        self._batches += 1
        self._sending, self._error, self._is_unsaved = [], "", True
        if self._now() - self._saved_at >= self._save_s * 1e9:
            await self._try_to_save()

    def _load(self) -> None:
        if self._is_loaded:
            return
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            saved = _Saved()
        except (OSError, msgspec.DecodeError) as error:
            raise SinkError(
                f"{self._path}: cannot read the sink's position ({error}); delete the file to send all events again; "
                "the sink skips those it has"
            ) from None
        if saved.format != FORMAT:
            raise SinkError(f"{self._path}: format {saved.format} was written by another version")
        saved.sink = self._sink.url
        self._saved, self._is_loaded = saved, True

    async def _try_to_save(self) -> None:
        try:
            await self._save()
        except OSError as error:
            # Delivery continues: an old position only causes a repeated delivery.
            self._errors, self._error = self._errors + 1, f"{self._path}: {error.strerror}; the position is not saved"

    async def _save(self) -> None:
        if not self._is_unsaved:
            return
        self._is_unsaved = False
        self._saved_at = self._now()
        text = msgspec.json.encode(self._saved)
        try:
            await asyncio.to_thread(_replace, self._path, text)
        except OSError:
            self._is_unsaved = True
            raise


def _replace(path: Path, text: bytes) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename, fsync of the folder."""
    storage = OsStorage()
    storage.make_folder(path.parent)
    publish(storage, path.with_suffix(".tmp"), path, text)
    storage.fsync_dir(path.parent)
