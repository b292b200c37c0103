"""Demo2018: a client that does what the script did from which this project grew, and keeps what it saw.

It asks for one channel in single-quoted pseudo-JSON, signs with empty keys, inflates every frame, knows a pong by its
exact text and a trade by the place of its columns. What it would print and lose is kept here to look at.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

CHANNEL = "ok_sub_futureusd_btc_trade_quarter"
REQUEST = (
    "{'event':'addChannel','channel':'" + CHANNEL + "','parameters':{'api_key':'','sign':'2CB075309DDEEF8ECE7DB92669A7321C'}}"
)


def inflate(data: bytes) -> str:
    """As the demo did."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data)
    inflated += inflater.flush()
    return inflated.decode()


class Demo2018:
    """The demo's callbacks; `send` is the socket's. rows: every trade of every batch, of which the demo kept the last."""

    def __init__(self, send: Callable[[str], Any]) -> None:
        self._send = send
        self.trade: Any = 0
        self.subscribed: list[Any] = []
        self.rows: list[list[str]] = []
        self.pings = self.pongs = 0
        self.printed: list[tuple[str, str]] = []

    def on_open(self) -> None:
        """Subscribe."""
        self._send(REQUEST)

    def on_message(self, data: bytes) -> None:
        """Three kinds of messages: pong, ack, data by channel; anything else raises, as it did."""
        inflated = inflate(data)
        if inflated == '{"event":"pong"}':
            self.pongs += 1
            return
        for message in json.loads(inflated):
            if message["channel"] == "addChannel":
                self.subscribed.append(message["data"])
            elif message["channel"] == CHANNEL:
                self.rows += message["data"]
                self.trade = message["data"][-1]

    def ping(self) -> None:
        """Every 30 s."""
        self.pings += 1
        self._send("{'event':'ping'}")

    def print(self) -> None:
        """Every 3 s: time and price of the last trade."""
        self.printed.append((self.trade[3], self.trade[1]))
