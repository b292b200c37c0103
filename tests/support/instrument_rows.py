"""Instruments as OKX describes them: spot, a linear and an inverse swap."""

from __future__ import annotations

from typing import Any

from okex_ws.events import Instrument
from okex_ws.wire.frames import decode_rows


def row(**fields: Any) -> Instrument:
    base = {
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "tickSz": "0.1",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "state": "live",
        "quoteCcy": "USDT",
        "maxLmtSz": "9999",
        "maxMktSz": "1000000",
        "maxLmtAmt": "20000000",
    }
    return decode_rows([{**base, **fields}], Instrument, "instruments")[0]


SPOT = row()
LINEAR = row(
    instId="BTC-USDT-SWAP",
    instType="SWAP",
    tickSz="0.1",
    lotSz="0.01",
    minSz="0.01",
    ctVal="0.01",
    ctMult="1",
    ctType="linear",
    ctValCcy="BTC",
    quoteCcy="",
    maxLmtAmt="",
    maxMktSz="12000",
    maxLmtSz="100000000",
)
INVERSE = row(
    instId="BTC-USD-SWAP",
    instType="SWAP",
    tickSz="0.1",
    lotSz="1",
    minSz="1",
    ctVal="100",
    ctMult="1",
    ctType="inverse",
    ctValCcy="USD",
    quoteCcy="",
    maxLmtAmt="",
)
