"""IntentLog: a written intent survives any crash; damage stops trading."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from okex_ws.client.intents import IntentLog, IntentLogError
from okex_ws.protocol.orders.tickets import Intent
from okex_ws.wire.orders import AmendOrder, CancelOrder, PlaceOrder

PLACE = PlaceOrder(instrument="BTC-USDT", side="buy", size=Decimal("0.010"), price=Decimal("60000"), client_order_id="c1")
AMEND = AmendOrder(instrument="BTC-USDT", client_order_id="c1", size=Decimal(2), request_id="r1")
CANCEL = CancelOrder(instrument="BTC-USDT", order_id="77")


def written(path: Path) -> list[Intent]:
    log = IntentLog(path)
    try:
        return list(log.open.values())
    finally:
        log.close()


def filled(path: Path) -> list[Intent]:
    intents = [Intent("a-1", PLACE, 5, 10), Intent("a-2", AMEND, 6, 11), Intent("a-3", CANCEL, 7)]
    log = IntentLog(path)
    for intent in intents:
        log.append([intent])
    log.close()
    return intents


def test_written_intents_are_read_back(tmp_path: Path) -> None:
    assert filled(tmp_path / "intents") == written(tmp_path / "intents")


def test_settled_intents_are_removed(tmp_path: Path) -> None:
    intents = filled(tmp_path / "intents")
    log = IntentLog(tmp_path / "intents")
    log.append([Intent("a-1", done=True), Intent("a-3", done=True)])
    log.close()
    assert written(tmp_path / "intents") == [intents[1]]


def test_a_torn_end_loses_only_the_last_line(tmp_path: Path) -> None:
    intents = filled(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    last = len(data) - len(data.splitlines(keepends=True)[-1])
    for end in range(last, len(data)):
        path = tmp_path / "torn"
        path.write_bytes(data[:end])
        assert written(path) == intents[:2], end


def test_a_flipped_bit_before_the_end_is_an_error_with_its_line(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    before_last = len(data) - len(data.splitlines(keepends=True)[-1])
    path = tmp_path / "damaged"
    for place in range(0, before_last, 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        with pytest.raises(IntentLogError, match=r"line \d: damaged.*check them on OKX"):
            IntentLog(path)
    path.write_bytes(data)
    assert len(written(path)) == 3, "and the lock was let go each time"


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    log = IntentLog(tmp_path / "intents")
    code = f"from okex_ws.client.intents import *; IntentLog({str(tmp_path / 'intents')!r})"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process trades with this intent log" in second.stderr.splitlines()[-1]
    log.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_failing_disk_is_an_error_before_anything_is_sent_and_afterwards(tmp_path: Path) -> None:
    log = IntentLog(tmp_path / "intents")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)
    os.close(full)
    for _ in range(2):
        with pytest.raises(IntentLogError, match="No space left"):
            log.append([Intent("a-1", PLACE)])
    log.close()
    assert written(tmp_path / "intents") == []


def test_settled_intents_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("okex_ws.client.intents.COMPACT_AT", 4096)
    log = IntentLog(tmp_path / "intents")
    log.append([Intent("kept", PLACE, 1, 2)])
    for number in range(500):
        log.append([Intent(f"a-{number}", CANCEL, 5)])
        log.append([Intent(f"a-{number}", done=True)])
    log.close()
    assert (tmp_path / "intents").stat().st_size < 8192
    assert [intent.key for intent in written(tmp_path / "intents")] == ["kept"]


def test_the_file_is_private(tmp_path: Path) -> None:
    filled(tmp_path / "intents")
    assert (tmp_path / "intents").stat().st_mode & 0o077 == 0
