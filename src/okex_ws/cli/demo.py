"""`okex-ws demo`: the whole project in half a minute, without a network.

Runs a simulated exchange in this process, a real socket, and a real client that is recorded. At the end the client's counts are
compared with the exchange's ledger, and the recording is verified and queried.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import FAILED, OK, BadInputError
from okex_ws.cli.event_lines import EventLines, clock, coloured, number
from okex_ws.cli.simulate import require_simulator_extra
from okex_ws.cli.watch import Watch
from okex_ws.client.client import Client
from okex_ws.client.sites import Site
from okex_ws.events import Candle, Event, Gap, Push, StatusEvent, Trade

if TYPE_CHECKING:
    from rich.console import Console

    from okex_ws.recorder.recorder import Recorder
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.faults import Faults
    from okex_ws.simulator.server import Server

INSTRUMENTS = ("BTC-USDT", "ETH-USDT")
CHANNELS = ("trades", "books", "bbo-tbt", "tickers", "candle1s")
QUERY = (
    "select instrument, count(*) as prints, sum(count) as trades, round(sum(price * size) / sum(size), 2) as vwap, "
    "min(price) as low, max(price) as high from trades group by all order by all"
)


def demo(
    for_s: Annotated[
        float, typer.Option("--for", parser=options.duration, metavar="TIME", help="How long to run.", show_default="15s")
    ] = 15.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Which market.")] = 7,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="FAULT", help='Scripted fault, e.g. "abort at=5s"; the demo then fails, as intended.'),
    ] = None,
) -> int:
    """Watch and record a simulated market over a real socket; then show the checks and a query of the recording.

    Needs no network.

    Example: okex-ws demo --for 15s
    """
    require_simulator_extra()
    from okex_ws.simulator.faults import Faults

    try:
        script = Faults.parse(faults or [])
    except ValueError as error:
        raise BadInputError(f"--fault: {error}") from None
    return asyncio.run(_demo(for_s, seed, script))


async def _demo(for_s: float, seed: int, faults: Faults) -> int:
    from rich.console import Console

    from okex_ws.simulator.server import Server

    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="okex-ws-demo-") as folder:
        async with Server(lambda now: _venue(seed, now, faults)) as server:
            code, checks = await _watched(console, server, Path(folder) / "data", for_s)
        is_whole = await asyncio.to_thread(_print_recording, console, Path(folder) / "data")
    if code == OK and not (is_whole and all(passed for _, _, passed in checks)):
        code = FAILED
    return code


async def _watched(console: Console, server: Server, folder: Path, for_s: float) -> tuple[int, list[tuple[str, str, bool]]]:
    console.print(f"[bold]okex-ws demo[/]: a simulated OKX at {server.ws_url}, watched over a real socket for {for_s:g} s\n")
    client, recording = _client(folder, server)
    for channel in CHANNELS:
        client.subscribe(channel, *INSTRUMENTS)
    watch = Watch(client, for_s=for_s, within=recording)
    tape = DemoTape(watch, is_terminal=console.is_terminal)
    tape.timer = asyncio.get_running_loop().call_later(1.0, tape.tick)
    code = await watch.run(tape.apply)
    tape.timer.cancel()
    checks = _checks(tape, client, server)
    console.print()
    _print_summary(console, tape, watch)
    _print_checks(console, checks)
    return code, checks


def _client(folder: Path, server: Server) -> tuple[Client, AbstractAsyncContextManager[None] | None]:
    """Return the client, and the recording of it if the extra is installed."""
    site = Site.at(server.ws_url, rest_url=server.rest_url)
    if not _can_record():
        return Client(site=site), None
    from okex_ws.recorder.recorder import Recorder

    recorder = Recorder(folder, site=site)
    return recorder.client, _recording(recorder)


@asynccontextmanager
async def _recording(recorder: Recorder) -> AsyncIterator[None]:
    async with recorder:
        running = asyncio.create_task(recorder.run())
        try:
            yield
        finally:
            recorder.stop()
            await running


def _can_record() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("zstandard", "pyarrow", "duckdb"))


def _print_recording(console: Console, folder: Path) -> bool:
    """Verify and query the recording; returns True if it is complete."""
    if not _can_record():
        console.print("[dim]Nothing was recorded: pip install 'okex-websocket\\[record]' adds that.[/]")
        return True
    from okex_ws import store
    from okex_ws.cli.query import print_table
    from okex_ws.cli.verify import print_audit
    from okex_ws.recorder.audit import audit

    console.print("\n[bold]okex-ws verify[/] of what was recorded:")
    done = audit([folder])
    print_audit(console, done)
    console.print(f'\n[bold]okex-ws query[/] "{QUERY}"', soft_wrap=True)
    with store.open(folder) as opened:
        answer = opened.sql(QUERY)
        print_table(answer.column_names, [tuple(row.values()) for row in answer.to_pylist()])
    return done.report.is_clean and answer.num_rows == len(INSTRUMENTS)


def _venue(seed: int, now: int, faults: Faults) -> Exchange:
    """Return a market whose books carry OKX's old checksums, so that every change of the client's books is verified."""
    from okex_ws.simulator.exchange import Exchange
    from okex_ws.simulator.market.seeded import SeededMarket
    from okex_ws.simulator.rules import Rules

    market = SeededMarket(seed, start=now, instruments=INSTRUMENTS, rate=2.0, live_checksum=True)
    return Exchange(market, seed=seed, now=now, rules=Rules(checksum="live"), faults=faults)


class DemoTape:
    """Prints a line per second and instrument, and counts for the summary."""

    def __init__(self, watch: Watch, *, is_terminal: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.late_ms: dict[str, list[float]] = {}
        self.trades: dict[str, set[int]] = {}
        self.twice = 0
        self.gaps = 0
        self.timer: asyncio.TimerHandle | None = None
        self._watch = watch
        self._colour = is_terminal
        self._before: dict[str, float] = {}
        self._news = EventLines(colour=is_terminal)

    def apply(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, Push):
            self.counts[event.channel] += 1
            if not isinstance(event, Candle) and not event.backfilled:
                self.late_ms.setdefault(event.channel, []).append((event.ts_recv - event.ts_event) / 1e6)
            if isinstance(event, Trade):
                ids = self.trades.setdefault(event.instrument, set())
                fresh = set(range(event.first_id, event.trade_id + 1))
                self.twice += len(ids & fresh)
                ids |= fresh
        elif isinstance(event, StatusEvent):
            self.gaps += isinstance(event, Gap)
            line = self._news.line(event)
            if line is not None:
                print(line)

    def tick(self) -> None:
        """Print the prices of each instrument."""
        now = time.time_ns()
        try:
            for name in INSTRUMENTS:
                print(self._line(name, now))
            sys.stdout.flush()
        except BrokenPipeError:
            self._watch.end(OK)
            return
        self.timer = asyncio.get_running_loop().call_later(1.0, self.tick)

    def _line(self, name: str, now: int) -> str:
        price, book = self._watch.client.latest.price(name), self._watch.client.book(name)
        bid, ask = book.best_bid, book.best_ask
        mark = " "
        before = self._before.get(name)
        if price is not None:
            if before is not None and before != price:
                mark = coloured("▲", "green", self._colour) if price > before else coloured("▼", "red", self._colour)
            self._before[name] = price
        text = coloured(f"{'-' if price is None else f'{price:.2f}':>10}", "bold", self._colour)
        touch = (
            f"bid {bid.price:>9.2f} × {number(bid.size):<11} ask {ask.price:>9.2f} × {number(ask.size):<11}"
            if bid and ask
            else f"book is {book.state.value}"
        )
        return f"{coloured(clock(now, ms=False), 'dim', self._colour)}  {name}  {text} {mark}  {touch}"


def _checks(tape: DemoTape, client: Client, server: Server) -> list[tuple[str, str, bool]]:
    """Return (check, result, passed): the client's counts against the exchange's ledger."""
    published: dict[str, set[int]] = {
        name: {trade for first, last, _ in rows for trade in range(first, last + 1)}
        for name, rows in server.exchange.ledger.trades.items()
    }
    got = sum(len(ids) for ids in tape.trades.values())
    missing = sum(
        sum(trade <= max(ids) and trade not in ids for trade in published.get(name, ())) for name, ids in tape.trades.items()
    )
    invented = sum(len(ids - published.get(name, set())) for name, ids in tape.trades.items())
    trouble = [f"{n} {what}" for n, what in ((missing, "missing"), (invented, "never published"), (tape.twice, "twice")) if n]
    truth = "each once, none missing from" if not trouble else f"{', '.join(trouble)} by"
    books = [client.book(name, "books") for name in INSTRUMENTS]
    verified = sum(book.checksums_verified for book in books)
    updates = sum(book.updates for book in books)
    return [
        (
            "data",
            f"{sum(tape.counts.values())} events on {len(tape.counts)} of {len(CHANNELS)} channels",
            len(tape.counts) == len(CHANNELS),
        ),
        ("gaps", f"{tape.gaps}", tape.gaps == 0),
        ("trades", f"{got} trade ids, {truth} the exchange's own ledger", bool(got) and not trouble),
        ("books", f"{verified} of {updates} book changes verified by checksum", verified == updates and updates > 0),
    ]


def _print_summary(console: Console, tape: DemoTape, watch: Watch) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{watch.data} events in {watch.took_s:.1f} s", title_justify="left")
    table.add_column("channel")
    for head in ("events", "a second", "p50 ms", "p90 ms", "p99 ms"):
        table.add_column(head, justify="right")
    for channel in CHANNELS:
        count = tape.counts[channel]
        late = sorted(tape.late_ms.get(channel, []))
        cells = [f"{_share(late, p):.2f}" if late else "-" for p in (50, 90, 99)]
        table.add_row(channel, str(count), f"{count / max(watch.took_s, 0.1):.1f}", *cells)
    console.print(table)
    console.print("[dim]Latency: from the exchange's time stamp to receipt at our socket.[/]\n")


def _print_checks(console: Console, checks: list[tuple[str, str, bool]]) -> None:
    for what, finding, passed in checks:
        console.print(f"{'[green]✓[/]' if passed else '[red]✗[/]'} {what:<10} {finding}")


def _share(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
