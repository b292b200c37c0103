"""Instruments: loaded whole, patched by pushes that may leave fields empty; unknown ids name the nearest."""

from __future__ import annotations

from typing import Any

import pytest

from okex_ws.events import Instrument, Ticker
from okex_ws.market import Instruments
from okex_ws.market.instruments import UnknownInstrumentError
from okex_ws.wire.frames import decode_rows


def row(instrument: str = "BTC-USDT", **more: Any) -> Instrument:
    base = {"instId": instrument, "instType": "SPOT", "tickSz": "0.1", "lotSz": "0.0001", "minSz": "0.001", "state": "live"}
    return decode_rows([{**base, **more}], Instrument, "instruments")[0]


def test_a_push_patches_and_never_empties() -> None:
    known = Instruments()
    known.load([row(), row("ETH-USDT")])
    known.apply(row(tickSz="0.01", lotSz="", state="suspend"))
    assert (known["BTC-USDT"].tick_size, known["BTC-USDT"].lot_size, known["BTC-USDT"].state) == (
        row(tickSz="0.01").tick_size,
        row().lot_size,
        "suspend",
    )
    assert known["ETH-USDT"] == row("ETH-USDT")
    known.apply(row("NEW-USDT", state="preopen", tickSz="", lotSz=""))
    assert known["NEW-USDT"].state == "preopen"
    assert len(known) == 3
    known.apply(Ticker(instrument="BTC-USDT", ts_ms=1))
    assert {item.instrument for item in known} == {"BTC-USDT", "ETH-USDT", "NEW-USDT"}
    assert "BTC-USDT" in known
    assert "X" not in known
    assert known.get("X") is None
    assert known.get("ETH-USDT") == row("ETH-USDT")


def test_an_unknown_id_names_the_nearest() -> None:
    known = Instruments()
    known.load([row(), row("ETH-USDT")])
    with pytest.raises(UnknownInstrumentError) as caught:
        _ = known["BTC-USD"]
    assert str(caught.value).startswith("no instrument is called 'BTC-USD'; did you mean BTC-USDT")
    with pytest.raises(UnknownInstrumentError, match="no instrument is called"):
        _ = Instruments()["BTC-USDT"]
