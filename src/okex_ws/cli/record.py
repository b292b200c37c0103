"""`okex-ws record`: records a stream to disk without silent losses, and forwards it to databases and brokers."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import FAILED, OK, BadInputError, RunFailedError
from okex_ws.cli.instrument_checks import check_instruments
from okex_ws.cli.progress import Progress, sink_text
from okex_ws.cli.watch import Signals, Tally
from okex_ws.client.client import Client
from okex_ws.events import Event, StatusEvent
from okex_ws.wire.channels import Subscription

if TYPE_CHECKING:
    from okex_ws.recorder.recorder import Recorder

T = TypeVar("T")

_SINK_NAMES = (".jsonl", ".csv")
_NO_FOLDER_NAMES = (".parquet", ".json", ".db", ".sqlite", ".sqlite3", ".gz", ".zst")


@options.with_location
def record(
    instruments: options.Instruments = None,
    channels: options.Channels = None,
    keys: options.Keys = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="FOLDER|URL",
            help="The data folder (default: ./data), and additional sinks: sqlite:///file.db, postgresql://, redis://, "
            "nats://, file.jsonl, file.csv, -; repeat.",
        ),
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            "--since",
            parser=options.instant,
            metavar="WHEN",
            help="Fetch trades, candles and funding from this time on over REST, as far as OKX has them: 2026-11-22T14:00Z, 2h.",
        ),
    ] = None,
    no_backfill: Annotated[bool, typer.Option("--no-backfill", help="Do not fetch missing data; only record the gaps.")] = False,
    flush_s: Annotated[
        float,
        typer.Option("--flush", parser=options.duration, metavar="TIME", help="The largest loss in a crash.", show_default="1s"),
    ] = 1.0,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=0, max=65535, metavar="PORT", help="Port of Prometheus metrics; 0 picks a free port."),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option("--metrics-host", metavar="HOST", help="Address the metrics are served on.")
    ] = "127.0.0.1",
    log_json: Annotated[bool, typer.Option("--log-json", help="Log lines on stderr as JSON, one object a line.")] = False,
    status_s: Annotated[
        float | None,
        typer.Option(
            "--status-every",
            parser=options.duration,
            metavar="TIME",
            help="Interval of status log lines. A terminal shows the status all the time.",
            show_default="10s",
        ),
    ] = None,
    for_s: options.ForTime = None,
    *,
    location: options.Location,
    dialect: options.DialectName = None,
) -> int:
    """Record a stream into a data folder: raw journal, tables, and a ledger of gaps; and forward it to other sinks.

    Ends after --for, or by Ctrl-C or SIGTERM, with everything on disk. Exit code 1 if the disk failed.

    Example: okex-ws record BTC-USDT ETH-USDT-SWAP -c trades -c books --to ./data
    """
    options.require_record_extra()
    if metrics_port is not None and importlib.util.find_spec("prometheus_client") is None:
        raise BadInputError("--metrics-port needs its extra: pip install 'okex-websocket[metrics]'")
    if no_backfill and since is not None:
        raise BadInputError("--since fetches over REST, --no-backfill forbids it; omit one")
    if since is not None and since > time.time_ns():
        raise BadInputError("--since lies in the future: give a past time, or omit it")
    folder, sinks = targets(to or [])
    location.target()
    spoken = options.spoken(dialect, location.url)
    if since is not None and not spoken.has_rest:
        raise BadInputError(f"--since fetches over REST, which {spoken.name} does not have; omit it")
    items = options.wanted(channels or ["trades"], instruments or [], keys or [], spoken)
    place, key = location.target_for(items, spoken)
    connection = {"site": place.site, "ca_file": place.ca_file, "credentials": key, "dialect": spoken.name}
    recording = {"sinks": sinks, "fetches_back": not no_backfill and spoken.has_rest, "since": since, "flush_within_s": flush_s}
    metrics = (metrics_host, metrics_port) if metrics_port is not None else None
    return asyncio.run(_record(folder, items, connection, recording, metrics, for_s, log_json, status_s))


def targets(to: Sequence[str]) -> tuple[Path, list[str]]:
    """Return the data folder and the sinks' URLs among the values of --to."""
    is_sink = [text == "-" or "://" in text or text.endswith(_SINK_NAMES) for text in to]
    folders = [text for text, sink in zip(to, is_sink, strict=True) if not sink]
    for text in folders:
        if text.endswith(_NO_FOLDER_NAMES) and not Path(text).is_dir():
            other = "its tables are Parquet files; other targets are sqlite:///file.db, file.jsonl, file.csv"
            raise BadInputError(f"--to {text}: name a folder, {other}")
    if len(folders) > 1:
        raise BadInputError(f"--to {folders[0]} and --to {folders[1]}: one data folder only; other targets are URLs or files")
    if folders and not folders[0]:
        raise BadInputError("--to is empty: give a folder or a URL")
    return Path(folders[0]) if folders else options.DATA, [text for text, sink in zip(to, is_sink, strict=True) if sink]


async def _record(
    folder: Path,
    items: list[Subscription],
    connection: dict[str, Any],
    recording: dict[str, Any],
    metrics: tuple[str, int] | None,
    for_s: float | None,
    in_json: bool,
    status_s: float | None,
) -> int:
    from okex_ws.recorder.recorder import Recorder

    async with Client(**connection) as asking:  # nothing is written for an unknown instrument
        await check_instruments(asking, items)
    recorder = Recorder(folder, **recording, **connection)
    for item in items:
        recorder.client.subscribe(item.channel, **dict(item.args))
    tally = Tally(recorder.client, on_end=recorder.stop)
    recorder.client.on(Event, tally.note)
    began = time.monotonic()
    with Progress(recorder, in_json=in_json, every_s=status_s) as progress, ExitStack() as stack:
        recorder.client.on(StatusEvent, lambda event: None if tally.is_ending else progress.log_event(event))
        if metrics is not None:
            stack.enter_context(_metrics(recorder, progress, *metrics))
        with Signals(tally.end):
            await _run(recorder, tally, progress, for_s)
        tally.took_s = time.monotonic() - began
        _sum_up(recorder, tally, progress)
    return tally.verdict()


async def _run(recorder: Recorder, tally: Tally, progress: Progress, for_s: float | None) -> None:
    from okex_ws.journal import JournalError

    loop = asyncio.get_running_loop()
    ticking = None

    def tick() -> None:
        nonlocal ticking
        progress.tick()
        ticking = loop.call_later(progress.every_s, tick)

    try:
        async with recorder:
            progress.log("info", f"recording into {recorder.folder} as {recorder.name}", folder=str(recorder.folder))
            ending = loop.call_later(for_s, tally.end, OK) if for_s is not None else None
            ticking = loop.call_later(min(1.0, progress.every_s), tick)
            try:
                await recorder.run()
            except JournalError as error:
                tally.end(FAILED, str(error))
            finally:
                for timer in (ticking, ending):
                    if timer is not None:
                        timer.cancel()
    finally:
        if ticking is not None:
            ticking.cancel()


def _sum_up(recorder: Recorder, tally: Tally, progress: Progress) -> None:
    from okex_ws.recorder.recorder import stored_rows

    now = recorder.status()
    tally.gaps, tally.fetched_back, tally.unrecoverable = now.gaps, now.backfilled, now.unrecoverable
    lost = now.last - now.acknowledged
    if lost:
        why = f": {now.last_error}" if now.last_error else ""
        stopped = f"{tally.failure}; " if tally.failure.startswith("recording stopped") else ""
        tally.fail(f"{stopped}{lost} records did not reach the disk{why}")
    for sink in now.sinks:
        if sink.error or sink.held:
            progress.log("warning", f"{sink_text(sink)}; the next `okex-ws record` with it continues there")
    try:
        stored = f"{stored_rows(recorder):,}"
    except OSError:  # for a disk that accepts no more bytes and cannot be read either
        stored = "uncounted"
    text = f"{tally.summary()}; {now.acknowledged:,} records and {stored} rows in {recorder.folder}"
    if progress.in_json:
        progress.log("info", text, event="Summary")
    else:
        print(text, file=sys.stderr)


def _in_this_thread(read: Callable[[], T]) -> Callable[[], T]:
    """Return a function for other threads that calls `read` in this thread's event loop."""
    loop, owner = asyncio.get_running_loop(), threading.get_ident()

    async def reading() -> T:
        return read()

    def called() -> T:
        if threading.get_ident() == owner:
            return read()
        return asyncio.run_coroutine_threadsafe(reading(), loop).result(5.0)

    return called


def _metrics(recorder: Recorder, progress: Progress, host: str, port: int) -> Any:
    from okex_ws.recorder.metrics import Metrics

    try:
        served = Metrics(recorder.status, _in_this_thread(recorder.client.status), host=host, port=port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunFailedError(f"cannot serve metrics on {host} port {port}: {reason}; choose another --metrics-port") from None
    progress.log("info", f"metrics at {served.url}")
    return served
