"""LegacyConnection: what connections of V1 and V3 have in common: deflated whole messages, and the faults that strike them.

A fault's `channel` is the dialect's own name (`ok_sub_spot_btc_usdt_depth`, `swap/trade`) or, of a push, that of V5's channel it
is made of (`books`); its `instrument` is the market's, its `action` V5's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from okex_ws.simulator.connection import Binary, ExchangeConnection, Message, Text
from okex_ws.simulator.corruption import CORRUPTIONS, EXTRA_FRAMES, CorruptionContext, truncated
from okex_ws.simulator.faults import Fault
from okex_ws.simulator.legacy.deflate import BAD_DEFLATES, deflated
from okex_ws.simulator.rules import ApiKey
from okex_ws.simulator.v5.grammar import Topic

LONGEST_REQUEST = 65_536
"""Bytes of a client's message over which the line is closed ("Max frame length of 65536 has been exceeded")."""

_FRAME_FAULTS = frozenset({"drop", "mute", "duplicate", "swap", "delay", "truncate", "bad_deflate"})
_ADDED_FRAMES = frozenset({"garbage", "inject", "big_frame"})
_FIELD_FAULTS = frozenset({"crossed", "extra_field", "missing_field", "bad_types", "checksum_wrong"})
_UNDERSTOOD = _FRAME_FAULTS | _ADDED_FRAMES | _FIELD_FAULTS


class LegacyConnection(ExchangeConnection):
    """A line whose messages are JSON, deflated into binary frames unless `is_deflated` is off."""

    is_deflated = True

    def say(self, message: Any) -> None:
        """Send one message."""
        self.send(self._frame(message))

    def _frame(self, message: Any) -> Message:
        payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        return Binary(deflated(payload)) if self.is_deflated else Text(payload)

    @property
    def _keys(self) -> dict[str, ApiKey]:
        """The keys of what the exchange plays: production, or demo trading."""
        return {name: key for name, key in self._exchange.keys.items() if key.demo == self._rules.demo}

    def _is_too_long(self, data: bytes, now: int) -> bool:
        """Close on a message that the real server would not have read."""
        if len(data) > LONGEST_REQUEST:
            self.close(1009, f"Max frame length of {LONGEST_REQUEST} has been exceeded", now)
        return self.is_over

    def _pong(self, message: Any, now: int) -> None:
        for fault in self._faults.due("ping", now, self.number, path=self.path):
            self._note(fault, now)
            return
        self.say(message)

    def _tell(self, topic: Topic, channel: str, message: Any, action: str, now: int, *traits: str) -> None:
        """Send a push through whatever faults strike it."""
        if self.is_over or self.is_frozen:
            return
        if not self._is_plagued:
            self.traffic.pushes += 1
            self.say(message)
            return
        struck = self._faults.due(
            "push",
            now,
            self.number,
            path=self.path,
            channel=channel,
            key=topic.key,
            action=action,
            traits=(action, *traits),
            only=_UNDERSTOOD,
            also=topic.channel.name,
        )
        kinds = {fault.kind: fault for fault in struck}
        for fault in struck:
            self._note(fault, now, channel, topic.key)
            random = self._faults.random(fault, self.number)
            scene = CorruptionContext(fault, random, lambda: self._exchange.market.book(topic.key, 400))
            if fault.kind in _ADDED_FRAMES:
                self._add(fault, scene)
            elif fault.kind in _FIELD_FAULTS:
                message = self._spoilt(message, fault.kind, scene)
        if "drop" in kinds or "mute" in kinds:
            self.traffic.dropped += 1
        else:
            self.traffic.pushes += 1
            self._deliver(topic, self._troubled(message, kinds), kinds, now)
        self._strike_line(channel, topic.key, action, now, topic.channel.name)

    def _add(self, fault: Fault, scene: CorruptionContext) -> None:
        payload = EXTRA_FRAMES[fault.kind]({}, scene)
        is_raw = fault.kind == "garbage" and self.is_deflated
        self.send(Binary(payload) if is_raw else self._frame(payload))

    def _spoilt(self, message: Any, kind: str, scene: CorruptionContext) -> Any:
        copy = msgspec.json.decode(msgspec.json.encode(message))
        CORRUPTIONS[kind](copy, scene)
        return copy

    def _troubled(self, message: Any, kinds: dict[str, Fault]) -> Message:
        payload = msgspec.json.encode(message)
        if "truncate" in kinds:
            payload = truncated(payload, kinds["truncate"])
        if "bad_deflate" not in kinds:
            return self._frame(payload)
        options = kinds["bad_deflate"].options
        return Binary(BAD_DEFLATES[options["what"]](payload, options["size"]))
