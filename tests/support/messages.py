"""Messages as OKX sends them, to be spoilt; and a Session to hear them."""

from __future__ import annotations

import json
from typing import Any

from tests.support.raw_server import trade
from tests.support.virtual import START

from okex_ws.events import Event
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import subscription

BTC = "BTC-USDT"
WANTED = (("trades", BTC), ("tickers", BTC), ("books", BTC), ("books5", BTC), ("bbo-tbt", BTC), ("candle1m", BTC))


def session(*wanted: tuple[str, str]) -> Session:
    return Session("public/0", [subscription(*item) for item in wanted or WANTED], now=START)


def encoded(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def push(channel: str, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"arg": {"channel": channel, "instId": BTC}, **more, "data": list(rows)}


def ticker(**fields: Any) -> dict[str, Any]:
    return push("tickers", {"instId": BTC, "last": "1", "ts": "1790000000000", **fields})


def image(sequence: int = 10, **fields: Any) -> dict[str, Any]:
    row = {"asks": [["6", "1", "0", "1"]], "bids": [["5", "1", "0", "1"]], "ts": "1790000000000", "checksum": 0}
    return push("books", {**row, "seqId": sequence, "prevSeqId": -1, **fields}, action="snapshot")


def change(previous: int, sequence: int, **fields: Any) -> dict[str, Any]:
    row = {"asks": [["6", "2", "0", "1"]], "bids": [], "ts": "1790000000100", "checksum": 0}
    return push("books", {**row, "seqId": sequence, "prevSeqId": previous, **fields}, action="update")


def only(events: list[Event], kind: type) -> Any:
    (event,) = events
    assert type(event) is kind, event
    return event


GOOD = encoded(trade(1))
