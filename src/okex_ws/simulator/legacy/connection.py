"""LegacyConnection: the base of connections of V1 and V3: deflated whole messages, and the faults of their pushes.

A fault's `channel` is the dialect's name (`ok_sub_spot_btc_usdt_depth`, `swap/trade`) or, for a push, the name of the V5
channel that it is made of (`books`); its `instrument` is the market's, its `action` V5's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.simulator.channels import Topic
from okex_ws.simulator.connection import ExchangeConnection
from okex_ws.simulator.corruption import CORRUPTIONS, EXTRA_FRAMES, CorruptionContext, truncated
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.legacy.deflate import BAD_DEFLATES, deflated
from okex_ws.simulator.outgoing import Binary, Message, Text
from okex_ws.simulator.rules import ApiKey

LONGEST_REQUEST = 65_536
"""Bytes of a client's message over which the connection is closed ("Max frame length of 65536 has been exceeded")."""

_FRAME_FAULTS = frozenset({"drop", "mute", "duplicate", "swap", "delay", "truncate", "bad_deflate"})
_ADDED_FRAMES = frozenset({"garbage", "inject", "big_frame"})
_FIELD_FAULTS = frozenset({"crossed", "extra_field", "missing_field", "bad_types", "checksum_wrong"})
_SUPPORTED = _FRAME_FAULTS | _ADDED_FRAMES | _FIELD_FAULTS


class LegacyConnection(ExchangeConnection):
    """Connection whose messages are JSON, deflated into binary frames unless `is_deflated` is False."""

    is_deflated = True

    def send_message(self, message: Any) -> None:
        """Send one message."""
        self.send(self._frame(message))

    def _frame(self, message: Any) -> Message:
        payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        return Binary(deflated(payload)) if self.is_deflated else Text(payload)

    @property
    def _keys(self) -> dict[str, ApiKey]:
        """The keys of the environment that the exchange plays: production or demo trading."""
        return {name: key for name, key in self._context.keys.items() if key.demo == self._rules.demo}

    def _is_too_long(self, data: bytes, now: int) -> bool:
        """Close on a message too long for the real server; True if the connection is over."""
        if len(data) > LONGEST_REQUEST:
            self.close(1009, f"Max frame length of {LONGEST_REQUEST} has been exceeded", now)
        return self.is_over

    def _pong(self, message: Any, now: int) -> None:
        for fault in self._faults.due("ping", now, self.number, path=self.path):
            self._note(fault, now)
            return
        self.send_message(message)

    def _push_message(self, topic: Topic, channel: str, message: Any, action: str, now: int, *traits: str) -> None:
        """Send a push and apply the faults of pushes."""
        if self.is_over or self.is_frozen:
            return
        if not self._has_push_faults:
            self.traffic.pushes += 1
            self.send_message(message)
            return
        found = self._faults.due(
            "push",
            now,
            self.number,
            path=self.path,
            channel=channel,
            key=topic.key,
            action=action,
            traits=(action, *traits),
            only=_SUPPORTED,
            also=topic.channel.name,
        )
        faults = {fault.kind: fault for fault in found}
        for fault in found:
            self._note(fault, now, channel, topic.key)
            random = self._faults.random(fault, self.number)
            corruption = CorruptionContext(fault, random, lambda: self._context.market.book(topic.key, 400))
            if fault.kind in _ADDED_FRAMES:
                self._add(fault, corruption)
            elif fault.kind in _FIELD_FAULTS:
                message = self._corrupted(message, fault.kind, corruption)
        if "drop" in faults or "mute" in faults:
            self.traffic.dropped += 1
        else:
            self.traffic.pushes += 1
            self._deliver(topic, self._payload(message, faults), faults, now)
        self._apply_push_faults(channel, topic.key, action, now, topic.channel.name)

    def _add(self, fault: Fault, corruption: CorruptionContext) -> None:
        payload = EXTRA_FRAMES[fault.kind]({}, corruption)
        is_raw = fault.kind == "garbage" and self.is_deflated
        self.send(Binary(payload) if is_raw else self._frame(payload))

    def _corrupted(self, message: Any, kind: str, corruption: CorruptionContext) -> Any:
        copy = msgspec.json.decode(msgspec.json.encode(message))
        CORRUPTIONS[kind](copy, corruption)
        return copy

    def _payload(self, message: Any, faults: dict[str, Fault]) -> Message:
        payload = msgspec.json.encode(message)
        if "truncate" in faults:
            payload = truncated(payload, faults["truncate"])
        if "bad_deflate" not in faults:
            return self._frame(payload)
        options = faults["bad_deflate"].options
        return Binary(BAD_DEFLATES[options["what"]](payload, options["size"]))
