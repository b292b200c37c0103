"""Snapshots of a core: a core restored from one behaves like the original, and only well-formed bytes are restored."""

from __future__ import annotations

import ast
import gc
import inspect
import json
import pickle
import random
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.support.paths import FIXTURES
from tests.support.trade_frames import START, messages

from okex_ws.core import snapshot
from okex_ws.core.core import ClientCore
from okex_ws.core.snapshot import SnapshotError, restore, take
from okex_ws.events import Event
from okex_ws.journal import JournalReader, recorders
from okex_ws.journal.records import Record
from okex_ws.protocol.backfill.restart import Restart
from okex_ws.protocol.line import Line
from okex_ws.replay import Replay
from okex_ws.stateful import AnyEvent
from okex_ws.wire.channels import CHANNELS, subscription
from okex_ws.wire.frames import PushFrame, decode
from okex_ws.wire.sign import Credentials

RECORDINGS = ("v5_books", "v5_backfill", "v5_orders", "v3", "v1")


def seeded(text: str) -> Callable[[], float]:
    return random.Random(text).random


def new_core() -> ClientCore:
    core = ClientCore(seeded=seeded, keeps_books=False, keeps_latest=False)
    core.restart = Restart()
    return core


def busy(pushes: int) -> Replay:
    """A line with a subscription to trades and one to a book, after so many pushes of each."""
    replay = Replay()
    args = [{"channel": "trades", "instId": "BTC-USDT"}, {"channel": "books", "instId": "BTC-USDT"}]
    settings = {"seed": 1, "channels": ["trades"], "since": None}
    inputs = [
        ("backfill", 0, "backfill", msgspec.json.encode(settings)),
        ("public/0", 0, "start", msgspec.json.encode({"seed": 1, "args": args})),
        ("public/0", 1, "open", b"{}"),
        *(("public/0", 1, "in", msgspec.json.encode({"id": "1", "event": "subscribe", "arg": arg})) for arg in args),
    ]
    for number, (ts, text) in enumerate(messages(pushes), 1):
        row = {"asks": [], "bids": [], "ts": str(ts // 10**6), "seqId": number, "prevSeqId": number - 1 if number > 1 else -1}
        push = {"arg": args[1], "action": "update" if number > 1 else "snapshot", "data": [row]}
        inputs += [("public/0", 1, "in", text), ("public/0", 1, "in", msgspec.json.encode(push))]
    for n, (line, conn, kind, text) in enumerate(inputs, 1):
        replay.feed(Record(n, START + n, line, conn, kind, text, 1))
    assert replay.lines["public/0"].sessions
    return replay


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_core_restored_at_any_record_continues_with_the_same_events(name: str) -> None:
    for path in recorders(FIXTURES / "before" / name / "data" / "journal"):
        reader = JournalReader(path)
        records = list(reader.records())
        core, restored = new_core(), new_core()
        for number, record in enumerate(records):
            if number % 7 == 0:
                content = take(core)
                fresh = new_core()
                restore(fresh, content, seeded)
                assert sorted(take(fresh)) == sorted(content), "the same but for the order of sets"
                restored = fresh
            events, again = core.feed_record(record), restored.feed_record(record)
            assert events == again, record
            assert len(core.effects()) >= len(restored.effects()), "requested I/O is not stored"


def test_every_field_of_a_stateful_class_is_named_in_its_state() -> None:
    classes = {name: cls for name, cls in snapshot._stateful_classes().items() if name != "Stateful"}
    assert len(classes) > 30
    for cls in classes.values():
        found = set()
        for base in cls.__mro__:
            if "__init__" not in vars(base) or base is object:
                continue
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
                    found |= {node.attr} if node.value.id == "self" else set()
        assert found == snapshot._fields_of(cls).names - ({"width"} - found), cls


def test_a_field_that_is_not_named_prevents_a_snapshot() -> None:
    core = busy(1).core
    core.lines["public/0"].fresh = 1  # type: ignore[attr-defined]
    with pytest.raises(SnapshotError, match=r"Line\.STATE does not name fresh"):
        take(core)


def test_an_unknown_object_prevents_a_snapshot() -> None:
    core = busy(1).core
    core.lines["public/0"].sessions[1] = object()  # type: ignore[assignment]
    with pytest.raises(SnapshotError, match="cannot store object"):
        take(core)


def frames() -> list[Event]:
    events: list[Event] = []
    for path in sorted((FIXTURES / "v5").glob("*.json")):
        documents = json.loads(path.read_text(encoding="utf-8"))
        for document in documents if isinstance(documents, list) else [documents]:
            got = decode(json.dumps(document).encode(), 5)
            events += got.events if isinstance(got, PushFrame) else []
    return events


def test_events_of_every_channel_are_stored_and_restored() -> None:
    events = frames()
    assert len({type(event) for event in events}) > 30
    stored = msgspec.msgpack.encode(snapshot._tagged(events))
    assert snapshot._Reader(seeded).decode(stored, list[AnyEvent]) == events
    assert {type(event) for event in events} <= {kind for row in CHANNELS.values() for kind in (row.event, row.update)}


def test_G_a_snapshot_holds_no_key() -> None:
    parts = ("a-key-nobody-may-see", "a-secret-nobody-may-see", "a-passphrase-nobody-may-see")
    core = new_core()
    line = Line("private/0", luck=random.Random(1).random, connects=core.connects, credentials=Credentials(*parts))
    core.lines["private/0"] = line
    line.subscribe([subscription("orders", instType="SPOT")], 1)
    line.start(1)
    line.opened(1, 2)
    content = take(core)
    assert b"login" in b"".join(line.bytes_to_send(1)), "it was still to be sent"
    content += take(core)
    assert not any(part.encode() in content for part in parts)


def packed(cls: str, *fields: Any) -> bytes:
    return cls.encode() + b"\0" + msgspec.msgpack.encode(fields)


WINDOW = packed("Window", 3, 1, [3])
RESTART = packed("Restart", {}, {})
HOSTILE: dict[str, Any] = {
    "a function": ({}, packed("system", "x"), None, None),
    "a class that is not stateful": ({}, packed("Client"), None, None),
    "a class of another field": ({}, RESTART, None, None),
    "a method replaced": ({}, packed("Window", 3, 1, [3], 1), None, None),
    "fields of other types": ({}, packed("Window", "3", 1, [3]), None, None),
    "too few fields": ({}, packed("Window", 3), None, None),
    "an object that comes later": ({}, 7, None, None),
    "an object that does not exist": ({}, -9, None, None),
    "an object without a name": ({}, b"", None, None),
    "a name that is no text": ({}, b"\xff\0", None, None),
    "a ring that is none": ({}, packed("Window", 3, 1, []), None, None),
    "a ring of texts": ({}, packed("Window", 3, 1, [3, "x"]), None, None),
    "a line that is no object": ({"public/0": 1.5}, WINDOW, None, None),
    "two parts of four": ({}, WINDOW),
    "nothing": (),
}
BYTES = (pickle.dumps(print), b"", b"\xc1", b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff")


@pytest.mark.parametrize("what", HOSTILE)
def test_G7_a_forged_snapshot_is_refused(what: str) -> None:
    core = new_core()
    before = take(core)
    restore(core, msgspec.msgpack.encode(({}, WINDOW, None, RESTART)), seeded)
    restore(core, before, seeded)
    with pytest.raises(SnapshotError):
        restore(core, msgspec.msgpack.encode(HOSTILE[what]), seeded)
    assert take(core) == before


@pytest.mark.parametrize("content", BYTES)
def test_G7_bytes_that_are_no_snapshot_are_refused(content: bytes) -> None:
    with pytest.raises(SnapshotError):
        restore(new_core(), content, seeded)


def calls_of_a_snapshot(pushes: int) -> int:
    core = busy(pushes).core
    take(core)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    gc.disable()  # its calls are not the snapshot's
    sys.setprofile(count)
    try:
        take(core)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def test_a_snapshot_takes_the_same_number_of_calls_however_full_the_windows_are() -> None:
    """The windows of trades and sequences hold 512 each. Counted in calls, not in seconds."""
    assert calls_of_a_snapshot(600) < calls_of_a_snapshot(30) + 50


def test_later_inputs_are_not_in_a_snapshot() -> None:
    replay = busy(600)
    before = take(replay.core)
    ts, text = next(messages(1, 601))
    replay.feed(Record(9_999, ts, "public/0", 1, "in", text, 1))
    assert before != take(replay.core)
    core = new_core()
    restore(core, before, seeded)
    assert sorted(take(core)) == sorted(before), "the same but for the order of sets"
