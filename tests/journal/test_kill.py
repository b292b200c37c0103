"""E1: kill -9 at random instants, and at every step of writing. OKEX_WS_KILL_LOOPS sets the number of kills (20)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.disks import text_of
from tests.support.paths import ROOT

from okex_ws.journal import JournalReader

LOOPS = int(os.environ.get("OKEX_WS_KILL_LOOPS", "20"))


class Victims:
    """The prepared process, and the output of its writers."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.support.journal_kill_child"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def run(self, command: str, *, kill_after: int | None = None, spin: int = 0) -> tuple[int, int]:
        """Run one writer, killed after a number of acknowledgements and of turns of a loop. Returns the recovered and the
        acknowledged record.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(command, file=self.process.stdin, flush=True)
        pid = recovered = acknowledged = acks = 0
        for said in self.process.stdout:
            word, _, number = said.strip().partition(" ")
            match word:
                case "pid":
                    pid = int(number)
                case "up":
                    recovered = acknowledged = int(number)
                case "ack":
                    acknowledged = int(number)
                    acks += 1
                case "dead":
                    return recovered, acknowledged
                case _:
                    raise AssertionError(said)
            if pid and kill_after is not None and acks >= kill_after:
                for _ in range(spin):
                    pass
                os.kill(pid, signal.SIGKILL)
                kill_after = None
        raise AssertionError("the prepared process is gone")

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # with a writer that may still be running
        self.process.communicate()


@pytest.fixture
def victims() -> Iterator[Victims]:
    held = Victims()
    yield held
    held.close()


def audit(folder: Path, checked: int, acknowledged: int) -> int:
    """Check that every acknowledged record is present and unchanged; those up to `checked` were checked before. Returns the
    last one.
    """
    if not (folder / "r").exists():
        assert acknowledged == 0  # killed before it created its folder
        return 0
    reader = JournalReader(folder / "r")
    last = checked
    for record in reader.records(after=checked):
        assert record.n == last + 1
        assert record.text == text_of(record.n)
        last = record.n
    assert last >= acknowledged
    for problem in reader.problems:
        assert problem.kind in ("torn", "cut"), str(problem)
        assert problem.first is None or problem.first > acknowledged, str(problem)
    return last


@pytest.mark.loops
def test_E1_kill_9_at_random_instants_loses_nothing_acknowledged(victims: Victims, tmp_path: Path) -> None:
    luck = random.Random(2018)
    checked = acknowledged = 0
    folder = tmp_path
    for loop in range(LOOPS):
        if loop % 25 == 0:
            folder = tmp_path / str(loop)
            folder.mkdir()
            checked = acknowledged = 0
        before = acknowledged
        recovered, acknowledged = victims.run(f"full {folder}", kill_after=luck.randrange(12), spin=luck.randrange(30_000))
        if recovered:
            assert recovered >= max(before, checked)
        acknowledged = max(acknowledged, before)
        checked = audit(folder, checked, acknowledged)


def test_E1_kill_9_at_every_step_of_writing_and_recovering(victims: Victims, tmp_path: Path) -> None:
    checked = acknowledged = 0
    for call in range(1, 41):
        recovered, acknowledged = victims.run(f"die {tmp_path} {call}")
        if recovered:
            assert recovered >= checked
        checked = audit(tmp_path, checked, acknowledged)
    assert checked > 1000
    assert any(path.name.endswith(".torn") for path in (tmp_path / "r").iterdir())
