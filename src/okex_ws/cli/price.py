"""`okex-ws price`: prints price and time every few seconds, as the 2018 demo did."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import BAD_INPUT
from okex_ws.cli.event_lines import EventLines, coloured, number
from okex_ws.cli.instrument_checks import check_instruments
from okex_ws.cli.watch import Watch
from okex_ws.client.client import Client
from okex_ws.events import Disconnected, Event, StatusEvent, Trade


@options.with_public_location
def price(
    instruments: Annotated[list[str], typer.Argument(metavar="INSTRUMENT", help="Instruments, e.g. BTC-USDT.")],
    every_s: Annotated[
        float,
        typer.Option("--every", parser=options.duration, metavar="TIME", help="Interval between prints.", show_default="3s"),
    ] = 3.0,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, metavar="N", help="End after N prints.")] = None,
    for_s: options.ForTime = None,
    *,
    location: options.Location,
    dialect: options.DialectName = None,
) -> int:
    """Print price and local time every few seconds, and a summary at the end.

    Example: okex-ws price BTC-USDT --every 3s
    """
    place = location.target()
    spoken = options.spoken(dialect, location.url)
    items = options.wanted(["trades", "tickers"], instruments, dialect=spoken)
    client = Client(site=place.site, ca_file=place.ca_file, keep_books=False, dialect=spoken.name)

    async def body() -> int:
        try:
            found = await check_instruments(client, items)
        except BaseException:
            await client.close()
            raise
        decimals = {name: _decimals(row.tick_size) for name, row in found.items()}
        for item in items:
            client.subscribe(item.channel, **dict(item.args))
        watch = Watch(client, for_s=for_s)
        board = Board(watch, list(dict.fromkeys(instruments)), decimals, every_s=every_s, count=count)
        board.start()
        code = await watch.run(board.apply)
        board.print_summary()
        if code != BAD_INPUT:
            print(watch.summary(), file=sys.stderr)
        return code

    return asyncio.run(body())


class Board:
    """Current prices, printed on a timer, and their changes over the whole run.

    decimals: of each instrument's tick, if known.
    """

    def __init__(
        self, watch: Watch, instruments: list[str], decimals: dict[str, int], *, every_s: float, count: int | None = None
    ) -> None:
        self._watch = watch
        self._instruments = instruments
        self._decimals = decimals
        self._every_s = every_s
        self._left = math.inf if count is None else count
        self._news = EventLines(colour=False)
        self._colour = sys.stdout.isatty()
        self._is_down = True
        self._has_begun = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._traded: dict[str, _Traded] = {name: _Traded() for name in instruments}
        self._last: dict[str, float] = {}

    def start(self) -> None:
        """Start printing: once every price is known, or after one interval."""
        self._wait(asyncio.get_running_loop().time() + self._every_s)

    def apply(self, event: Event) -> None:
        """Add an event of the run."""
        if isinstance(event, Trade):
            self._traded[event.instrument].add(event)
            self._is_down = False
        elif isinstance(event, Disconnected):
            self._is_down = not event.handed_over
        elif not isinstance(event, StatusEvent):
            self._is_down = False
        if isinstance(event, StatusEvent):
            line = self._news.line(event)
            if line is not None and not self._watch.is_ending:
                sys.stderr.write(line + "\n")
        elif not self._has_begun and all(self._watch.client.latest.price(name) is not None for name in self._instruments):
            self._begin()

    def _wait(self, due: float) -> None:
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _begin(self) -> None:
        """Print at once for the first time."""
        self._has_begun = True
        if self._timer is not None:
            self._timer.cancel()
        self._due = asyncio.get_running_loop().time()
        self._tick()

    def _tick(self) -> None:
        self._has_begun = True
        try:
            for name in self._instruments:
                print(self._line(name))
            sys.stdout.flush()
        except BrokenPipeError:
            self._left = 0
        except OSError as error:
            self._watch.fail(f"cannot continue: {os.strerror(error.errno or 0).lower()}")
            return
        self._left -= 1
        if self._left <= 0:
            self._watch.end(0)
            return
        self._wait(self._due + self._every_s)

    def _line(self, name: str) -> str:
        width = max(len(each) for each in self._instruments)
        value = self._watch.client.latest.price(name)
        text = "-" if value is None else self._text(name, value)
        before = self._last.get(name)
        mark = " "
        if value is not None:
            if before is not None and value != before:
                mark = coloured("▲", "green", self._colour) if value > before else coloured("▼", "red", self._colour)
            self._last[name] = value
        down = coloured("  (no connection)", "yellow", self._colour) if self._is_down else ""
        return f"{name:<{width}}  {text:>12} {mark}  {time.strftime('%Y-%m-%d %H:%M:%S')}{down}"

    def print_summary(self) -> None:
        """Print a line for each instrument that traded, on stdout."""
        for name in self._instruments:
            seen = self._traded[name]
            if seen.count:
                low, high = self._text(name, seen.low), self._text(name, seen.high)
                change = self._text(name, abs(seen.last - seen.first))
                sign = "+" if seen.last >= seen.first else "-"
                size = number(round(seen.size, 8))
                print(f"{name}: {seen.count} trades, {low} to {high}, {sign}{change} in total, size {size}")

    def _text(self, name: str, value: float) -> str:
        decimals = self._decimals.get(name)
        return number(round(value, 10)) if decimals is None else f"{value:.{decimals}f}"


class _Traded:
    """Trades of one instrument."""

    def __init__(self) -> None:
        self.count = 0
        self.size = self.first = self.last = 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, trade: Trade) -> None:
        if not self.count:
            self.first = trade.price
        self.count += trade.count or 1  # None: not in a legacy dialect
        self.size += trade.size
        self.last = trade.price
        self.low, self.high = min(self.low, trade.price), max(self.high, trade.price)


def _decimals(tick: object) -> int:
    text = str(tick or "")
    return len(text.partition(".")[2]) if "." in text else 0
