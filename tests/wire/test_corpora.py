"""Every real push, and every example of the channel sheet, becomes a typed event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from tests.support.paths import SHARED

from okex_ws import events
from okex_ws.wire import frames
from okex_ws.wire.channels import Subscription

SHEET = SHARED / "protocol" / "okx_v5_channels.json"
CORPORA = SHARED / "corpora"

RETIRED: frozenset[str] = frozenset()
"""Channels of old captures that OKX has switched off and the table does not have."""


def test_every_example_of_the_sheet_is_typed() -> None:
    if not SHEET.exists():
        pytest.skip("../shared/protocol/okx_v5_channels.json is not here")
    seen = set()
    for entry in json.loads(SHEET.read_text()):
        for example in entry["examples"]:
            frame = frames.decode(json.dumps(example).encode())
            assert isinstance(frame, frames.PushFrame), entry["channel"]
            assert len(frame.events) == len(example["data"])
            assert frame.channel is not None, entry["channel"]
            assert frame.channel.name == entry["channel"]
            update = example.get("action") == "update"
            kind = frame.channel.update if update else frame.channel.event
            assert {type(event) for event in frame.events} == {kind}, entry["channel"]
            seen.add(entry["channel"])
    assert len(seen) == 59


def _pushes() -> Iterator[tuple[str, str]]:
    for path in sorted(CORPORA.glob("*.jsonl")):
        with path.open() as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("dialect") != "v5" or row.get("kind") != "ws" or row.get("dir") == "out":
                    continue
                frame = json.loads(row["raw"])
                if isinstance(frame, dict) and "arg" in frame and "data" in frame:
                    yield path.name, row["raw"]


def test_every_push_of_the_captures_is_typed() -> None:
    if not CORPORA.exists():
        pytest.skip("../shared/corpora is not here")
    kinds: Counter[str] = Counter()
    generic: Counter[str] = Counter()
    unread: list[str] = []
    decoders: dict[Subscription, frames.PushDecoder] = {}
    for name, raw in _pushes():
        try:
            frame = frames.decode(raw.encode(), decoders)
        except frames.FrameError as error:
            unread.append(f"{name}: {error}: {raw[:200]}")
            continue
        assert isinstance(frame, frames.PushFrame)
        decoders.setdefault(frame.subscription, frames.PushDecoder(frame.subscription))
        rows = len(msgspec.json.decode(raw)["data"])
        assert len(frame.events) == rows
        for event in frame.events:
            if isinstance(event, events.GenericPush):
                generic[event.channel] += 1
            kinds[type(event).__name__] += 1
    assert unread == []
    assert set(generic) == RETIRED, f"fell to the generic event: {dict(generic)}"
    assert kinds["BookUpdate"] + kinds["BookSnapshot"] > 4_600
    assert kinds["Trade"] > 190
    assert len(kinds) > 30
