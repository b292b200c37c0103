"""KillSwitch: halts by a file and a signal, and resumes its own halt."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.support.looped import looped

from okex_ws.client.kill_switch import KillSwitch, press, pressed, release


class Desk:
    """What a switch halts, and what is told of it."""

    def __init__(self, file: Path | None, number: int | None = None) -> None:
        self.is_halted = False
        self.told: list[tuple[str, ...]] = []
        self.changed = asyncio.Event()
        self.switch = KillSwitch(file, number, halt=self.halt, resume=self.resume, is_halted=lambda: self.is_halted)

    def halt(self, reason: str, by: str) -> None:
        self.is_halted = True
        self._tell("halt", reason, by)

    def resume(self, reason: str) -> None:
        self.is_halted = False
        self._tell("resume", reason)

    def _tell(self, *words: str) -> None:
        self.told.append(words)
        self.changed.set()

    async def change(self) -> None:
        await self.changed.wait()
        self.changed.clear()


def test_the_file_is_created_read_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "halt"
    assert pressed(file) is None
    press(file, "too wild\n\x1b[2J")
    press(file, "a later reason")
    assert pressed(file) == r"too wild\n\x1b[2J"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert release(file)
    assert not release(file)


def test_a_file_that_cannot_be_read_halts(tmp_path: Path) -> None:
    (tmp_path / "halt").mkdir()
    assert pressed(tmp_path / "halt") == f"{tmp_path}/halt cannot be read: is a directory"
    (tmp_path / "empty").touch()
    assert pressed(tmp_path / "empty") == "no reason is given"
    (tmp_path / "bytes").write_bytes(b"\xff\xfe" * 5_000)
    assert len(pressed(tmp_path / "bytes") or "") < 2_000


def test_it_halts_at_the_start_and_follows_the_file(tmp_path: Path) -> None:
    @looped
    async def check() -> None:
        file = tmp_path / "halt"
        press(file, "from the start")
        desk = Desk(file)
        desk.switch.start()
        assert desk.told == [("halt", "from the start", "file")], "at once, not a moment later"
        desk.changed.clear()
        release(file)
        await desk.change()
        press(file, "again")
        await desk.change()
        desk.switch.stop()
        assert desk.told[1:] == [("resume", f"{file} is gone"), ("halt", "again", "file")]

    check()


def test_another_halt_stays_when_the_file_is_removed(tmp_path: Path) -> None:
    @looped
    async def check() -> None:
        file = tmp_path / "halt"
        desk = Desk(file)
        desk.halt("a limit", "price_distance")
        press(file, "too")
        desk.switch.start()
        release(file)
        desk.switch.stop()
        desk.switch.start()
        desk.switch.stop()
        assert desk.told == [("halt", "a limit", "price_distance")]

    check()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@looped
async def test_a_signal_halts() -> None:
    desk = Desk(None, signal.SIGUSR1)
    before = signal.getsignal(signal.SIGUSR1)
    desk.switch.start()
    os.kill(os.getpid(), signal.SIGUSR1)
    await desk.change()
    desk.switch.stop()
    assert desk.told == [("halt", "signal SIGUSR1", "signal")]
    assert signal.getsignal(signal.SIGUSR1) == before
