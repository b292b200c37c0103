"""`okex-ws compact`: merges small files into larger ones."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import OK, RunFailedError


def compact(
    folder: options.Folder = options.DATA,
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="Only this table.", show_default=False)] = "",
) -> int:
    """Merge the many small files of a recording into few large ones; also during recording and queries.

    A damaged file is not merged: exit code 1.

    Example: okex-ws compact ./data
    """
    options.require_record_extra()
    from okex_ws.store.compact import compact as compacted

    try:
        done = compacted(folder, now=time.time_ns(), table=table)
    except OSError as error:
        raise RunFailedError(f"{folder} cannot be compacted: {error.strerror or error}; no data is lost") from None
    left = f"; {done.left} old files are still being read and are removed next time" if done.left else ""
    print(f"{done.merged} files merged into {done.made}, {done.removed} removed{left}")
    if done.refused:
        raise RunFailedError(f"{'; '.join(done.refused)}; not merged; see `okex-ws verify {folder}`")
    return OK
