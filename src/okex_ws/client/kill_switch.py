"""KillSwitch: halts trading from outside the process, by a file or a signal.

`okex-ws halt` creates the file. Every trading client of this user on this machine checks for it before its first order, and
several times a second. Removing the file resumes only what the file halted.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

from okex_ws.client.sanitize import one_line

HALT_FILE = Path("~/.okx/okex-ws.halt")
"""Default path of the kill switch file."""
CHECK_EVERY_S = 0.2
_LONGEST = 200


def press(path: Path, reason: str) -> None:
    """Create the file; an existing one keeps its reason. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{one_line(reason)}\n")


def release(path: Path) -> bool:
    """Remove the file; return False if there was none. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def pressed(path: Path) -> str | None:
    """Return the reason for the halt, None without one. A file that exists but cannot be read halts, too."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return one_line(file.read(_LONGEST).strip()) or "no reason is given"
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}"


class KillSwitch:
    """Kill switch of one process: halts at the file or the signal; resumes its own halt when the file is removed.

    Start and stop it inside the event loop. file, number: None for no file, or no signal.
    """

    def __init__(
        self,
        file: Path | None,
        number: int | None,
        *,
        halt: Callable[[str, str], None],
        resume: Callable[[str], None],
        is_halted: Callable[[], bool],
    ) -> None:
        self._file, self._number = file, number
        self._halt, self._resume, self._is_halted = halt, resume, is_halted
        self._is_ours = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Check at once, then repeatedly. Raises RuntimeError if the event loop cannot handle the signal."""
        if self._number is not None:
            name = signal.Signals(self._number).name
            asyncio.get_running_loop().add_signal_handler(self._number, self._halt, f"signal {name}", "signal")
        if self._file is not None:
            self._check()

    def stop(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
        if self._number is not None:
            asyncio.get_running_loop().remove_signal_handler(self._number)

    def _check(self) -> None:
        assert self._file is not None
        reason = pressed(self._file)
        if reason is not None and not self._is_halted():
            self._is_ours = True
            self._halt(reason, "file")
        elif reason is None and self._is_ours:
            self._is_ours = False
            self._resume(f"{self._file} is gone")
        self._timer = asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check)
