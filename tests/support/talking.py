"""Talking to a Session or a Line by hand: what it says, decoded, and what OKX would answer, as bytes."""

from __future__ import annotations

import json
from typing import Any

from okex_ws import Credentials
from okex_ws.protocol.pacing import SECOND
from okex_ws.protocol.session import Session
from okex_ws.wire.channels import Subscription, subscription

T0 = 1_790_000_000 * SECOND
KEY = Credentials("key", "NOT-A-REAL-SECRET", "pass")
TRADES = subscription("trades", "BTC-USDT")
BOOKS = subscription("books", "BTC-USDT")
BOOKS5 = subscription("books5", "BTC-USDT")
TICKERS = subscription("tickers", "BTC-USDT")
TICK_BY_TICK = subscription("books-l2-tbt", "BTC-USDT")


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def session(*items: Subscription, **options: Any) -> Session:
    return Session("public/0", items, now=T0, **options)


def said(speaker: Session) -> list[dict[str, Any]]:
    """What it has to say now, decoded; a `ping` as {"op": "ping"}."""
    return [json.loads(data) if data != b"ping" else {"op": "ping"} for data in speaker.bytes_to_send()]


def brief(requests: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Requests as (op, channels)."""
    return [(request["op"], [arg.get("channel", "") for arg in request.get("args", [])]) for request in requests]


def ack(request_id: str, item: Subscription, verb: str = "subscribe") -> bytes:
    arg = json.dumps(item.arg)
    identity = f'"id":"{request_id}",' if request_id else ""
    return f'{{{identity}"event":"{verb}","arg":{arg},"connId":"a4d3ae55"}}'.encode()


def error(request_id: str, code: str, message: str = "") -> bytes:
    identity = f'"id":"{request_id}",' if request_id else ""
    return f'{{{identity}"event":"error","code":"{code}","msg":{json.dumps(message)},"connId":"a4d3ae55"}}'.encode()


def trade(trade_id: int, instrument: str = "BTC-USDT", count: int = 1) -> bytes:
    return (
        b'{"arg":{"channel":"trades","instId":"%b"},"data":[{"instId":"%b","tradeId":"%d","px":"1.5","sz":"2","side":"buy",'
        b'"ts":"1790000000000","count":"%d"}]}' % (instrument.encode(), instrument.encode(), trade_id, count)
    )


def image(sequence: int, instrument: str = "BTC-USDT") -> bytes:
    return (
        b'{"arg":{"channel":"books","instId":"%b"},"action":"snapshot","data":[{"asks":[["101","1","0","1"]],'
        b'"bids":[["100","1","0","1"]],"ts":"1790000000000","checksum":0,"seqId":%d,"prevSeqId":-1}]}'
        % (instrument.encode(), sequence)
    )


def change(previous: int, sequence: int, instrument: str = "BTC-USDT") -> bytes:
    return (
        b'{"arg":{"channel":"books","instId":"%b"},"action":"update","data":[{"asks":[],"bids":[["100","2","0","1"]],'
        b'"ts":"1790000000000","checksum":0,"seqId":%d,"prevSeqId":%d}]}' % (instrument.encode(), sequence, previous)
    )


LOGIN_ACK = b'{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}'
