"""Tables on a terminal: complete if there is room, otherwise a paragraph for each row; no cell is ever cut off."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest
from tests.support.shell import CLEAN

from okex_ws.cli.tables import paragraph, show_orders
from okex_ws.events import OrderUpdate
from okex_ws.wire.frames import decode_rows

COLUMNS = ("since", "instrument", "state", "average", "id", "client id")
ROW = ("11-26 16:28:28", "BTC-USDT-SWAP", "partially filled", "-", "680932994844858464", "longlonglonglonglonglonglong1233")


def shown(width: int) -> list[str]:
    """Return the output on a terminal of this width, without colours."""
    ours, theirs = pty.openpty()
    code = f"from okex_ws.cli.tables import show; show('Orders', {COLUMNS!r}, [{ROW!r}] * 2, right=())"
    environment = {**CLEAN, "COLUMNS": str(width), "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", code], stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return terminal.read1().decode().splitlines()


def test_where_there_is_room_a_row_is_a_line() -> None:
    assert shown(120)[1].split("  ")[0] == "since"
    assert len([line for line in shown(120) if line.startswith(ROW[0]) and ROW[-1] in line]) == 2


@pytest.mark.parametrize("width", [80, 50])
def test_where_there_is_none_no_line_is_longer_and_no_word_is_lost(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    assert lines.count(ROW[0]) == 2
    for name, cell in zip(COLUMNS[1:], ROW[1:], strict=True):
        assert sum(f"{name} {cell}" in line for line in lines) == (0 if cell == "-" else 2), name


def test_a_word_longer_than_a_line_stands_alone_and_whole() -> None:
    assert paragraph(("a", "id"), ("x", "9" * 30), 20) == ["x", "  id " + "9" * 30]


def test_open_orders_with_ids_of_ours_fit_into_120_columns(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"instId": "BTC-USDT", "side": "sell", "ordType": "limit", "sz": "0.001", "px": "59923.2", "accFillSz": "0"}
    row |= {"ordId": "680932994844858464", "clOrdId": "w0ayo6lhl7kbdhpkj1", "state": "live", "cTime": "1790000000000"}
    show_orders("Orders", decode_rows([row], OrderUpdate, "orders"))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 120
