"""`okex-ws gaps`: the gaps of a recording and their recovery."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import OK
from okex_ws.cli.query import print_rows

_QUERY = """
    SELECT time, lower(event) AS event, channel, instrument,
        coalesce(nullif(cause, ''), reason) AS cause,
        coalesce(first_id, last_sequence) AS first, coalesce(last_id, next_sequence) AS last,
        CASE WHEN count > 0 THEN count
            WHEN first_id IS NOT NULL AND last_id IS NOT NULL THEN last_id - first_id + 1 END AS amount,
        CASE WHEN event <> 'Gap' AND since > 0 THEN make_timestamp(since // 1000) END AS since,
        CASE WHEN until > 0 THEN make_timestamp(until // 1000) END AS until,
        recorder
    FROM gaps WHERE true
"""


def gaps(
    folders: options.Folders = None,
    channels: options.Channels = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """List the gaps that a recorder detected, the data fetched later (recovered), and the data OKX no longer had
    (unrecoverable).

    first and last are trade ids, both included, or the sequences around a break in a book; since and until, UTC, limit the
    time of the data that was fetched or cannot be.

    Example: okex-ws gaps ./data -c trades
    """
    options.require_record_extra()
    from okex_ws import store

    with store.open(*(folders or [options.DATA])) as opened:
        wanted = channels or []
        which = f" AND channel IN ({', '.join('?' for _ in wanted)})" if wanted else ""
        query = f"{_QUERY}{which} ORDER BY time, recorder, n, i"
        total, shown = print_rows(opened, query, *wanted, form="csv" if as_csv else "json" if as_json else "table")
        if not total:
            print("no gaps", file=sys.stderr)
        elif shown < total:
            print(f"{shown} of {total} shown; --csv or --json shows all", file=sys.stderr)
    return OK
