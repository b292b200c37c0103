"""`okex-ws export`: recordings in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import OK, BadInputError, RunFailedError

FORMATS = ("csv", "parquet", "tardis", "hftbacktest")

ENDINGS = {
    "csv": (".csv", ".csv.gz"),
    "parquet": (".parquet",),
    "tardis": (".csv", ".csv.gz"),
    "hftbacktest": (".npz",),
}
"""File names of each format: a file whose name promises another format misleads its reader."""


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{', '.join(FORMATS)}.")],
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write: .csv, .csv.gz, .parquet; .npz for hftbacktest.")
    ],
    data: options.Data = None,
    sql: Annotated[str | None, typer.Option("--query", metavar="SQL", help="csv, parquet: the query to export.")] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="tardis: trades, incremental_book_L2, or book_snapshot_N of N levels.")
    ] = "trades",
    instrument: Annotated[
        str | None, typer.Option("--instrument", "-i", metavar="ID", help="tardis, hftbacktest: the instrument.")
    ] = None,
    channel: Annotated[str, typer.Option("--channel", "-c", metavar="CHANNEL", help="Which book.")] = "books",
    since: Annotated[
        int | None, typer.Option("--from", parser=options.instant, metavar="WHEN", help="First time, e.g. 2026-11-22 or 2h.")
    ] = None,
    until: Annotated[int | None, typer.Option("--until", parser=options.instant, metavar="WHEN", help="Before then.")] = None,
) -> int:
    """Write part of a recording as CSV or Parquet, as tardis.dev's CSV, or as an event array for hftbacktest.

    Example: okex-ws export tardis trades.csv.gz --kind trades -i BTC-USDT --data ./data
    """
    options.require_record_extra()
    if form not in FORMATS:
        raise BadInputError(f"unknown format {form!r}; formats: {', '.join(FORMATS)}")
    endings = ENDINGS[form]
    if not target.name.lower().endswith(endings):
        raise BadInputError(f"{form} is written into {' or '.join(endings)}: write {target.with_suffix(endings[0])}")
    if form in ("csv", "parquet") and sql is None:
        raise BadInputError(f'{form} exports a query: --query "select * from trades"')  # noqa: S608
    if form not in ("csv", "parquet") and instrument is None:
        raise BadInputError(f"{form} exports one instrument: -i BTC-USDT")
    if since is not None and until is not None and since >= until:
        raise BadInputError("--from has to be before --until")
    from okex_ws import store
    from okex_ws.store import export as exports

    with store.open(*(data or [options.DATA])) as opened:
        try:
            if sql is not None and form == "csv":
                count = exports.export_csv(opened, target, sql)
            elif sql is not None and form == "parquet":
                count = exports.export_parquet(opened, target, sql)
            elif form == "tardis":
                count = exports.export_tardis(opened, target, kind, instrument or "", since=since, until=until, channel=channel)
            else:
                count = exports.export_hftbacktest(opened, target, instrument or "", since=since, until=until, channel=channel)
        except OSError as error:
            raise RunFailedError(f"{target} cannot be written: {error.strerror or error}") from None
    print(f"{count} rows in {target}")
    return OK
