"""`okex-ws query`: SQL queries of recordings."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from okex_ws.cli import options
from okex_ws.cli.errors import OK, BadInputError
from okex_ws.cli.event_lines import number
from okex_ws.cli.progress import in_bytes
from okex_ws.cli.tables import paragraph
from okex_ws.client.sanitize import one_line as escaped

if TYPE_CHECKING:
    from okex_ws.store import Store

FORMATS = ("table", "csv", "json", "markdown", "parquet")

MAX_ROWS = 100
"""Maximum number of rows in a terminal table."""


def query(
    sql: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="DuckDB SQL. Default: list the tables.", show_default=False)
    ] = None,
    data: options.Data = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}.", show_default=False)
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, every row.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, every row.")] = False,
) -> int:
    """Query a recording, also while it is written: one view per table without repeated rows; and gaps, connections, segments.

    Example: okex-ws query --data ./data "select instrument, count(*), sum(size) from trades group by all"
    """
    options.require_record_extra()
    if as_csv and as_json:
        raise BadInputError("--csv and --json exclude each other; omit one")
    if form is not None and (as_csv or as_json):
        raise BadInputError(f"--format and --{'csv' if as_csv else 'json'} exclude each other; omit one")
    form = form or ("csv" if as_csv else "json" if as_json else "table")
    if form not in FORMATS:
        raise BadInputError(f"unknown format {form!r}; formats: {', '.join(FORMATS)}")
    if form == "parquet" and sys.stdout.isatty():
        raise BadInputError("Parquet is not for a terminal: add > FILE.parquet")
    if sql is None and form != "table":
        sql = "show tables"
    from okex_ws import store

    with store.open(*(data or [options.DATA])) as opened:
        if sql is None:
            _print_tables(opened)
            return OK
        total, shown = print_rows(opened, sql, form=form)
        if shown < total:
            print(f"{shown} of {total} rows shown; --csv or --json shows all", file=sys.stderr)
    return OK


def print_rows(store: Store, sql: str, *parameters: Any, form: str = "table") -> tuple[int, int]:
    """Print the result of a query; returns the number of rows, and the number shown."""
    if form == "csv":
        count = store.write_csv(sys.stdout, sql, *parameters)
        return count, count
    if form == "parquet":
        count = store.write_parquet(sys.stdout.buffer, sql, *parameters)
        return count, count
    if form == "json":
        count = 0
        for batch in store.batches(sql, *parameters):
            for row in batch.to_pylist():
                sys.stdout.write(msgspec.json.encode(row, enc_hook=str).decode() + "\n")
                count += 1
        return count, count
    answer = store.sql(sql, *parameters)
    if answer.column_names == ["explain_key", "explain_value"]:
        print("\n".join(answer["explain_value"].to_pylist()))
        return answer.num_rows, answer.num_rows
    if form == "markdown":
        rows = [[_cell(value).replace("|", "\\|") for value in row.values()] for row in answer.to_pylist()]
        for cells in (answer.column_names, ["---"] * answer.num_columns, *rows):
            print(f"| {' | '.join(map(escaped, cells))} |")
        return answer.num_rows, answer.num_rows
    if answer.num_columns:
        shown = answer.slice(0, MAX_ROWS)
        print_table(answer.column_names, [tuple(row.values()) for row in shown.to_pylist()])
    return answer.num_rows, min(answer.num_rows, MAX_ROWS)


def print_table(heads: list[str], rows: list[tuple[Any, ...]], title: str | None = None) -> None:
    """Print a table on stdout; numbers are right-aligned. On a terminal too narrow for it each row becomes a paragraph."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for index, head in enumerate(heads):
        is_number = any(isinstance(row[index], int | float) for row in rows)
        table.add_column(escape(escaped(head)), justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(escaped(_cell(value))) for value in row))
    is_terminal = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else 10_000)
    # Measured without the limit of the terminal.
    if is_terminal and console.measure(table, options=console.options.update(width=10_000)).maximum > console.width:
        for row in rows:
            cells = [escaped(_cell(value)) or "-" for value in row]
            print("\n".join(paragraph([escaped(head) for head in heads], cells, console.width)))
        return
    console.print(table)


def _print_tables(store: Store) -> None:
    from okex_ws.store.query import LEDGERS

    rows: list[tuple[Any, ...]] = [
        (item.name, item.rows, item.files, in_bytes(item.size), item.first_date, item.last_date) for item in store.tables()
    ]
    for name in LEDGERS:
        count = store.rows(f"SELECT count(*) FROM {name}")[0][0]  # noqa: S608  # our own names
        rows += [(name, count, "", "", "", "")]
    print_table(["table", "rows", "files", "size", "from", "to"], rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return number(float(f"{value:.15g}"))  # hide the rounding error of a sum of binary fractions
    if isinstance(value, datetime.datetime):
        text = value.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        return f"{text}Z" if value.tzinfo is not None else text
    if isinstance(value, list | dict):
        text = msgspec.json.encode(value, enc_hook=str).decode()
        return text if len(text) <= 60 else text[:59] + "…"
    return str(value)
