"""Progress of a recording as text and as JSON: log lines and the status of a Recorder.

Rates are per second between two statuses. All output goes to stderr.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from okex_ws.cli.event_lines import EventLines, as_json, clock
from okex_ws.client.sanitize import one_line as escaped
from okex_ws.events import StatusEvent

if TYPE_CHECKING:
    from rich.live import Live

    from okex_ws.recorder.recorder import Recorder, RecorderStatus

EVERY_S = 10.0
LIVE_EVERY_S = 0.5


class Progress:
    """Prints log lines at once, and the status of the recording at every `tick`.

    in_json: one JSON object a line. On a terminal the status line is updated in place.
    """

    def __init__(self, recorder: Recorder, *, in_json: bool, every_s: float | None = None) -> None:
        self._recorder = recorder
        self.in_json = in_json
        self._live: Live | None = None
        if not in_json and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
        self.every_s = LIVE_EVERY_S if self._live is not None else every_s or EVERY_S
        self._lines = EventLines(colour=self._live is not None and not os.environ.get("NO_COLOR"))
        self._handler = _Handler(self)
        self._before = recorder.status()
        self._began = self._before.now

    def __enter__(self) -> Progress:
        log = logging.getLogger("okex_ws")
        log.addHandler(self._handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.transient = True  # the summary reports how the run ended
            self._live.stop()
        logging.getLogger("okex_ws").removeHandler(self._handler)

    def log_event(self, event: StatusEvent) -> None:
        """Log a status event."""
        text = as_json(event) if self.in_json else self._lines.line(event)
        if text is not None:
            self._write(text)

    def log(self, level: str, text: str, **more: Any) -> None:
        """Print a log line."""
        now = time.time_ns()
        if self.in_json:
            self._write(msgspec.json.encode({"ts": now, "level": level, "message": text, **more}).decode())
        else:
            self._write(f"{clock(now)}  {level:<7}  {escaped(text)}")

    def tick(self) -> None:
        """Print the present status."""
        before, now = self._before, self._recorder.status()
        self._before = now
        size, free = disk(self._recorder.journal.folder)
        parts = status_parts(before, now, size, free)
        text = ", ".join(parts)
        if self.in_json:
            fields = {**msgspec.to_builtins(now), "journal_bytes": size, "disk_free_bytes": free}
            self.log("info", text, event="Status", status=fields)
        elif self._live is None:
            self._write(f"{clock(now.now, ms=False)}  {text}")
        else:
            from rich.text import Text

            took = (now.now - self._began) // 1_000_000_000
            head = f"● {took // 3600:02d}:{took // 60 % 60:02d}:{took % 60:02d}  "
            lines = [_folded(head, parts, self._live.console.width), *(f"  {sink_text(sink)}" for sink in now.sinks)]
            style = "red" if now.last_error and now.buffered else ""
            self._live.update(Text("\n".join(lines), style=style), refresh=True)

    def _write(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(text))
        else:
            print(text, file=sys.stderr, flush=True)


class _Handler(logging.Handler):
    """Handler of the library's own log records."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "okex_ws.recorder" and record.levelno < logging.WARNING:
            return  # about sockets: the events have more detail
        self._progress.log(record.levelname.lower(), record.getMessage(), logger=record.name)


def status_parts(before: RecorderStatus, now: RecorderStatus, size: int, free: int) -> list[str]:
    """Return rates, lag, sockets, gaps, disk and sinks as texts."""
    seconds = max((now.now - before.now) / 1e9, 1e-3)
    parts = [
        f"{(now.frames - before.frames) / seconds:,.0f} messages/s",
        f"{(now.rows - before.rows) / seconds:,.0f} rows/s",
        f"lag {now.lag / 1e6:,.0f} ms",
        f"{now.connections} socket{'' if now.connections == 1 else 's'}",
        f"{now.gaps} gap{'' if now.gaps == 1 else 's'}",
    ]
    if now.backfilled:
        parts.append(f"{now.backfilled} fetched")
    if now.unrecoverable:
        parts.append(f"{now.unrecoverable} unrecoverable")
    parts.append(f"journal {in_bytes(size)}, {in_bytes(free)} free")
    if now.disk_errors:
        parts.append(f"{now.disk_errors} disk errors, {in_bytes(now.buffered)} waiting")
    late = [sink for sink in now.sinks if sink.error or sink.behind_s > 5]
    if now.sinks:
        parts.append(f"{len(now.sinks) - len(late)} of {len(now.sinks)} sinks up to date")
    return parts


def _folded(head: str, parts: list[str], width: int) -> str:
    """Join parts after a head, in lines of at most `width`; breaks are between parts."""
    lines = [head + parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 > width:  # with the comma that may follow
            lines[-1] += ","
            lines.append(" " * len(head) + part)
        else:
            lines[-1] += f", {part}"
    return "\n".join(lines)


def sink_text(sink: Any) -> str:
    """Return one line about a sink."""
    behind = f", {sink.behind_s:.0f} s behind" if sink.behind_s >= 1 else ""
    trouble = f"; {escaped(sink.error)}" if sink.error else ""
    return f"{sink.url}: {sink.state}, {sink.sent:,} events delivered{behind}{trouble}"


def disk(folder: Path) -> tuple[int, int]:
    """Return the bytes of a recorder's journal and the free bytes on its disk; 0 if the system gives no number."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder)), shutil.disk_usage(folder).free
    except OSError:
        return 0, 0


def in_bytes(count: int) -> str:
    """Return a number of bytes as 1.2 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
