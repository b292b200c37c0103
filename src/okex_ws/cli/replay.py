"""`okex-ws replay`: replays a recording."""

from __future__ import annotations

import asyncio
import datetime
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import FAILED, OK, BadInputError
from okex_ws.cli.event_lines import EventLines, as_json
from okex_ws.cli.watch import Signals
from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import Event, Push, StatusEvent

if TYPE_CHECKING:
    from okex_ws.journal import JournalReader
    from okex_ws.replay import Played

_SHOWN_AT_ONCE = 256
_TAILS = ("torn", "cut")


def replay(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE", help="A data folder, one segment (.jsonl.zst), or a capture (.jsonl).")
    ] = options.DATA,
    channels: options.Channels = None,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="Recorded seconds per second.")] = 1.0,
    flat: Annotated[bool, typer.Option("--flat", help="At full speed.")] = False,
    since: Annotated[
        int | None,
        typer.Option("--from", parser=options.instant, metavar="WHEN", help="Show events from this time on; 2026-11-22T14:00Z."),
    ] = None,
    until: Annotated[int | None, typer.Option("--until", parser=options.instant, metavar="WHEN", help="End there.")] = None,
    recorder: Annotated[str | None, typer.Option("--recorder", metavar="NAME", help="Only this recorder of the folder.")] = None,
    in_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, status events included.")] = False,
) -> int:
    """Replay a recording with the same code as live: the same events, gaps and disconnects in the same order.

    Exit code 1 if part of it is damaged; losses are reported on stderr.

    Example: okex-ws replay ./data --speed 4 -c trades
    """
    options.require_record_extra()
    if not 0 < speed < float("inf"):
        raise BadInputError(f"--speed {speed:g}: give a number above 0")
    if since is not None and until is not None and since >= until:
        raise BadInputError("--from is not before --until")
    readers = _readers(source, recorder)
    return asyncio.run(_replay(readers, set(channels or ()), None if flat else speed, since, until, in_json))


def _readers(source: Path, recorder: str | None) -> list[JournalReader]:
    from okex_ws.journal import JournalReader, recorders

    if source.is_file():
        if not source.name.endswith((".jsonl", ".jsonl.zst")):
            raise BadInputError(f"{source} is neither a segment (.jsonl.zst) nor a capture (.jsonl)")
        return _readers_of(source) if source.suffix == ".jsonl" else [JournalReader(source)]
    from okex_ws import store

    store.check(source)
    journal = source / "journal"
    found = {path.name: path for path in recorders(journal)} if journal.is_dir() else {}
    if recorder is not None and recorder not in found:
        raise BadInputError(f"{source} has no recorder {recorder}; it has {', '.join(found) or 'none'}")
    return [JournalReader(path) for name, path in found.items() if recorder in (None, name)]


def _readers_of(capture: Path) -> list[JournalReader]:
    """Return a reader for each dialect of the capture's frames."""
    from okex_ws.dialects import NAMES
    from okex_ws.journal import JournalReader, dialects_of

    found = dialects_of(capture)
    strange = [repr(name) for name in found if name not in NAMES]
    if strange:
        known = f"{capture} has frames of dialect {' and '.join(strange)}; known are {', '.join(NAMES)}"
        if len(strange) == len(found):
            raise BadInputError(known)
        print(f"okex-ws: {escaped(known)}; other frames are replayed", file=sys.stderr)
    return [JournalReader(capture, dialect=name) for name in found if name in NAMES]


class _Counts:
    """Counts of the replayed records and events."""

    def __init__(self) -> None:
        self.records = self.data = self.gaps = 0
        self.last = 0


async def _replay(
    readers: list[JournalReader], channels: set[str], speed: float | None, since: int | None, until: int | None, in_json: bool
) -> int:
    counts = _Counts()
    wanted = _wanted(readers, channels, since, until, counts)
    show = _json_line if in_json else _ReplayLines()
    began = time.monotonic()
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()
    with Signals(lambda code: None if ended.done() else ended.set_result(code)):
        first: int | None = None
        shown = 0
        is_empty = True
        for place in wanted:
            is_empty = False
            ts = place.event.ts_recv
            first = ts if first is None else first
            ahead_s = 0.0 if speed is None else (ts - first) / 1e9 / speed - (time.monotonic() - began)
            if ahead_s > 0.001 or shown >= _SHOWN_AT_ONCE:
                shown = 0
                sys.stdout.flush()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(ahead_s, 0)):
                        await asyncio.shield(ended)
            if ended.done():
                break
            show(place.event)
            shown += 1
    sys.stdout.flush()
    problems = dict.fromkeys(
        problem for reader in readers for problem in reader.problems
    )  # each reader of a capture may report them
    for problem in problems:
        print(f"okex-ws: {escaped(str(problem))}", file=sys.stderr)
    if is_empty and since is not None and not ended.done():
        last = counts.last or max((record.ts for reader in readers for record in reader.records()), default=0)
        if last and last < since:
            end = datetime.datetime.fromtimestamp(last / 1e9, datetime.UTC).isoformat(sep=" ", timespec="seconds")
            print(f"okex-ws: the recording ends at {end.replace('+00:00', 'Z')}, before --from", file=sys.stderr)
    took = time.monotonic() - began
    print(f"{took:.1f} s, {counts.data} events of {counts.records} records, {_of(counts.gaps, 'gap')}", file=sys.stderr)
    if ended.done():
        return ended.result()
    return FAILED if any(problem.kind not in _TAILS for problem in problems) else OK


def _wanted(
    readers: list[JournalReader], channels: set[str], since: int | None, until: int | None, counts: _Counts
) -> Iterator[Played]:
    """Yield the selected events. Lines need their history, so records before `since` are replayed without output from a
    checkpoint on.
    """
    from okex_ws.dialects import dialect as spoken
    from okex_ws.journal import Record
    from okex_ws.replay import Replay, played

    def counted(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            counts.records += 1
            counts.last = max(counts.last, record.ts)
            yield record

    for reader in readers:
        replay = Replay(spoken(reader.dialect))
        n = 0
        if reader.path.is_dir():
            n = replay.resume(reader.path, before=since if since is not None else 0)
        for place in played(counted(reader.records(after=n, until=until)), replay=replay):
            event = place.event
            if since is not None and event.ts_recv < since:
                continue
            channel = getattr(event, "channel", "")
            if channels and channel not in channels and (channel or isinstance(event, Push)):
                continue
            counts.data += isinstance(event, Push)
            counts.gaps += type(event).__name__ == "Gap"
            yield place


def _json_line(event: Event) -> None:
    sys.stdout.write(as_json(event) + "\n")


class _ReplayLines:
    """Writes data to stdout, status events to stderr."""

    def __init__(self) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._out = EventLines(colour=sys.stdout.isatty() and not plain)
        self._news = EventLines(colour=sys.stderr.isatty() and not plain)

    def __call__(self, event: Event) -> None:
        line = self._out.line(event)
        is_status = isinstance(event, StatusEvent)
        if is_status:
            line = self._news.line(event)
        if line is not None:
            (sys.stderr if is_status else sys.stdout).write(line + "\n")


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
