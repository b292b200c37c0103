"""`okex-ws verify`: checks that a recording is complete."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from okex_ws.cli import options
from okex_ws.cli.errors import FAILED, OK
from okex_ws.client.sanitize import one_line as escaped

if TYPE_CHECKING:
    from rich.console import Console

    from okex_ws.recorder.audit import Audit

_COLOURS = {"hole": "red", "double": "red", "damage": "red"}
_SHOWN = 20


def verify(
    folders: options.Folders = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tables and ledgers only: do not replay the journals.")] = False,
    every: Annotated[bool, typer.Option("--all", help=f"Every finding, not the first {_SHOWN} of a kind.")] = False,
) -> int:
    """Check a recording: every chain of trades and books, the ledgers, every checksum, and the tables against the journal.

    Exit code 1 if rows are missing without an explanation in a ledger, repeated, or damaged.

    Example: okex-ws verify ./data
    """
    options.require_record_extra()
    from rich.console import Console

    from okex_ws.recorder.audit import audit

    done = audit(folders or [options.DATA], replays=not quick)
    print_audit(Console(highlight=False, soft_wrap=True), done, most=None if every else _SHOWN)
    return OK if done.report.is_clean else FAILED


def print_audit(console: Console, done: Audit, *, most: int | None = _SHOWN) -> None:
    """Print findings by kind, then what was checked, then the verdict."""
    from rich.markup import escape

    report = done.report
    totals = Counter(finding.kind for finding in report.findings)
    shown: Counter[str] = Counter()
    for finding in sorted(report.findings, key=lambda item: item.kind not in _COLOURS):
        shown[finding.kind] += 1
        if most is None or shown[finding.kind] <= most:
            colour = _COLOURS.get(finding.kind, "dim")
            console.print(f"[{colour}]{finding.kind:<12}[/] {escape(escaped(finding.text))}")
        elif shown[finding.kind] == most + 1:
            console.print(f"{finding.kind:<12} … and {totals[finding.kind] - most} more; --all shows them")
    looked = f"{report.rows:,} rows in {report.files:,} files, {report.chains:,} chains"
    if done.journals:
        looked += f"; {done.records:,} records of {done.journals} journal{'' if done.journals == 1 else 's'} replayed"
    if done.checksums:
        looked += f"; {done.checksums:,} checksums of books verified"
    console.print(looked)
    bad = {kind: totals[kind] for kind in _COLOURS if totals[kind]}
    if report.is_clean:
        rest = f", {totals['explained']} explained by the ledger" if totals["explained"] else ""
        rest += f"; {totals['gone']} gone, as if deleted: the rest is complete" if totals["gone"] else ""
        console.print(f"[green]✓[/] clean: no unexplained hole, no repetition, no damage{rest}")
    else:
        console.print(f"[red]✗[/] not clean: {', '.join(f'{kind} {count}' for kind, count in bad.items())}")
