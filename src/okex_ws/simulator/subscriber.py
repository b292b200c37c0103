"""Subscriber: a connection as publishers see it, and the push that it receives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from okex_ws.simulator.channels import PublishedChannel, Topic
from okex_ws.simulator.engine.engine import EngineEvent
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.outgoing import Text
from okex_ws.simulator.rules import ApiKey


class PublishedPush:
    """One push of a channel to all its subscribers. frames: its encoded forms, each made once, by the subscription's arg."""

    __slots__ = ("action", "channel", "frames", "key", "rows", "ts")

    def __init__(self, channel: PublishedChannel, key: str, rows: list[Any], action: str | None, ts: int) -> None:
        self.channel = channel
        self.key = key
        self.rows = rows
        self.action = action
        self.ts = ts
        self.frames: dict[bytes, Text] = {}


class Subscriber:
    """Receiver of pushes. path: its name in faults. subscriptions: what the market publishes to it, by identity."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.account: ApiKey | None = None
        self.subscriptions: dict[bytes, Topic] = {}

    def push(self, topic: Topic, push: PublishedPush, now: int) -> None:
        """Send a push to one subscription."""
        raise NotImplementedError

    def happened(self, events: Sequence[EngineEvent], now: int) -> None:
        """Send what the engine did, in dialects that push it to every logged-in connection."""

    def apply_fault(self, fault: Fault, now: int, channel: str = "", key: str = "") -> None:
        """Apply a fault to the whole connection."""
        raise NotImplementedError
