"""Recordings that the former version made are replayed to what the former version said: every event, and every byte of `--json`.

They were made by tests/fixtures/before/make.py; what lies beside each is described in the README.md there.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from tests.support.paths import FIXTURES

from okex_ws.dialects import dialect
from okex_ws.events import Event
from okex_ws.journal import JournalReader, recorders
from okex_ws.replay import Replay, played

BEFORE = FIXTURES / "before"
RECORDINGS = sorted(path.name for path in BEFORE.iterdir() if (path / "expected.json").exists())
SECRETS = (b"NOT-A-REAL-SECRET", b"simulator-passphrase", b"simulator-key", b"simulator-demo-key")
SIGNED = (b'"sign":"', b'"passphrase":"', b'"apiKey":"')


class Command(msgspec.Struct):
    """A command line without the folder and --json, and a digest of what it printed."""

    options: list[str]
    code: int
    lines: int
    sha256: str


class Expected(msgspec.Struct):
    """What lies beside a recording: how many events of each class there are, and what commands print."""

    events: dict[str, int]
    commands: list[Command]


def expected(name: str) -> Expected:
    return msgspec.json.decode((BEFORE / name / "expected.json").read_bytes(), type=Expected)


def unpacked(path: Path) -> bytes:
    """A zstd file of one frame or many."""
    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()


def expected_lines(name: str) -> list[str]:
    return unpacked(BEFORE / name / "expected.jsonl.zst").decode().splitlines()


COMMANDS = [(name, place) for name in RECORDINGS for place in range(len(expected(name).commands))]


def plain(value: Any) -> Any:
    """A value as JSON, fields by our names and in their order."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in sorted(value.__struct_fields__)}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def line_of(recorder: str, n: int, i: int, event: Event) -> str:
    line = {"recorder": recorder, "n": n, "i": i, "event": type(event).__name__, "fields": plain(event)}
    return msgspec.json.encode(line).decode()


def told(data: Path) -> Iterator[str]:
    """Every event of every recorder of a folder, from its beginning."""
    for path in recorders(data / "journal"):
        reader = JournalReader(path)
        for n, i, event in played(reader.records(), replay=Replay(dialect(reader.dialect))):
            yield line_of(path.name, n, i, event)
        assert reader.problems == []


def same(found: list[str], wanted: list[str]) -> None:
    """Fails with the first line that differs, not with thousands."""
    for place, (one, other) in enumerate(zip(found, wanted, strict=False)):
        assert one == other, f"line {place + 1} of {len(wanted)}"
    assert len(found) == len(wanted)


@pytest.fixture
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a recording's data folder."""
    return Path(shutil.copytree(BEFORE / request.param / "data", tmp_path / "data"))


def test_there_are_recordings() -> None:
    assert {"v5_books", "v5_backfill", "v5_orders", "v3", "v1"} <= set(RECORDINGS)


@pytest.mark.parametrize(("data", "name"), [(name, name) for name in RECORDINGS], ids=RECORDINGS, indirect=["data"])
def test_every_event_is_what_it_was(data: Path, name: str) -> None:
    wanted = expected_lines(name)
    assert len(wanted) == sum(expected(name).events.values())
    same(list(told(data)), wanted)


@pytest.mark.parametrize(("data", "name"), [(name, name) for name in RECORDINGS], ids=RECORDINGS, indirect=["data"])
def test_checkpoints_of_the_former_version_change_nothing(data: Path, name: str) -> None:
    """They are of other software: passed over. By the version that wrote them they are gone on from."""
    wanted = [(msgspec.json.decode(line, type=dict[str, Any]), line) for line in expected_lines(name)]
    for path in recorders(data / "journal"):
        reader = JournalReader(path)
        replay = Replay(dialect(reader.dialect))
        begin = replay.resume(path)
        found = [line_of(path.name, *place) for place in played(reader.records(after=begin), replay=replay)]
        same(found, [line for what, line in wanted if what["recorder"] == path.name and what["n"] > begin])


@pytest.mark.parametrize(
    ("data", "name", "place"), [(name, name, place) for name, place in COMMANDS], ids=[f"{n}-{p}" for n, p in COMMANDS],
    indirect=["data"],
)  # fmt: skip
def test_a_command_prints_what_it_printed(data: Path, name: str, place: int) -> None:
    wanted = expected(name).commands[place]
    command, *options = wanted.options
    line = [sys.executable, "-m", "okex_ws.cli", command, str(data), *options, "--json"]
    done = subprocess.run(line, capture_output=True, check=False, env={**os.environ, "TZ": "UTC"})
    assert done.returncode == wanted.code, done.stderr.decode()
    assert done.stdout.count(b"\n") == wanted.lines
    # `gaps` writes the zone of its times now; everything else is the same.
    printed = re.sub(rb'^(\{"time":"[^"]*)Z"', rb'\1"', done.stdout, flags=re.M) if command == "gaps" else done.stdout
    assert hashlib.sha256(printed).hexdigest() == wanted.sha256


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_recording_holds_a_key(name: str) -> None:
    for path in (BEFORE / name).rglob("*"):
        if not path.is_file():
            continue
        content = unpacked(path) if path.suffix in (".zst", ".checkpoint") else path.read_bytes()
        assert not any(secret in content for secret in SECRETS), path
        plainly = content.replace(b"\\", b"")
        assert all(plainly.count(word) == plainly.count(word + b'***"') for word in SIGNED), path
