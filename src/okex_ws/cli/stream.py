"""`okex-ws stream`: prints events as lines."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import BAD_INPUT, FAILED, OK
from okex_ws.cli.event_lines import EventLines, as_json
from okex_ws.cli.instrument_checks import check_instruments
from okex_ws.cli.watch import Watch
from okex_ws.client.client import Client
from okex_ws.events import Event, StatusEvent
from okex_ws.wire.channels import Subscription


@options.with_location
def stream(
    instruments: options.Instruments = None,
    channels: options.Channels = None,
    keys: options.Keys = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, status events included.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, metavar="N", help="End after N data events.")] = None,
    for_s: options.ForTime = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 after a gap or a stale channel.")] = False,
    *,
    location: options.Location,
    dialect: options.DialectName = None,
) -> int:
    """Print events as they arrive, one line each: data on stdout, status events and a summary on stderr.

    Example: okex-ws stream BTC-USDT ETH-USDT -c trades -c books --for 10s
    """
    location.target()
    spoken = options.spoken(dialect, location.url)
    items = options.wanted(channels or ["trades"], instruments or [], keys or [], spoken)
    place, key = location.target_for(items, spoken)
    client = Client(site=place.site, ca_file=place.ca_file, credentials=key, keep_books=True, dialect=spoken.name)
    return asyncio.run(_stream(client, items, as_json, for_s, count, strict))


async def _stream(
    client: Client, items: list[Subscription], in_json: bool, for_s: float | None, count: int | None, strict: bool
) -> int:
    try:
        await check_instruments(client, items)
    except BaseException:
        await client.close()
        raise
    for item in items:
        client.subscribe(item.channel, **dict(item.args))
    watch = Watch(client, for_s=for_s, count=count)
    code = await watch.run(_json_line if in_json else _StreamLines(watch, items))
    if code != BAD_INPUT:
        print(watch.summary(), file=sys.stderr)
    return FAILED if code == OK and strict and (watch.gaps or watch.stale) else code


def _json_line(event: Event) -> None:
    sys.stdout.write(as_json(event) + "\n")


class _StreamLines:
    """Writes data to stdout and status events to stderr, coloured on a terminal."""

    def __init__(self, watch: Watch, items: list[Subscription]) -> None:
        self._watch = watch
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._out = EventLines(
            colour=sys.stdout.isatty() and not plain,
            kinds=[item.channel for item in items],
            instruments=[item.key for item in items],
        )
        self._news = EventLines(colour=sys.stderr.isatty() and not plain)

    def __call__(self, event: Event) -> None:
        is_status = isinstance(event, StatusEvent)
        line = self._out.line(event)
        if is_status:
            line = self._news.line(event)
        if line is not None and not (is_status and self._watch.is_ending):  # the reason of the end is reported at the end
            (sys.stderr if is_status else sys.stdout).write(line + "\n")
