"""E6: one writer to a folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from okex_ws.journal import FolderLock, LockedError, StorageFailedError

HOLD = """
import sys
from pathlib import Path
from okex_ws.journal import FolderLock, LockedError
try:
    with FolderLock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except LockedError as error:
    print(error, flush=True)
    sys.exit(3)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_E6_a_second_process_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FolderLock(path), holder(path) as second:
        said, _ = second.communicate()
        assert said == f"{tmp_path} is being written by process {os.getpid()}; one folder has one writer\n"
        assert second.returncode == 3
    with holder(path) as third:
        assert third.stdout is not None
        assert third.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught, FolderLock(path):
            pass
        assert caught.value.pid == third.pid
        third.communicate()
        assert third.returncode == 0


def test_E6_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with FolderLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_E6_the_same_process_is_refused_too_and_a_lock_can_be_taken_again(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    for _ in range(3):
        with lock, pytest.raises(LockedError), FolderLock(lock.path):
            pass


def test_E6_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageFailedError, match="open failed on") as caught, FolderLock(tmp_path / "no" / "lock"):
        pass
    assert caught.value.errno == errno.ENOENT
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailedError, match="open failed on"), FolderLock(tmp_path / "link"):
        pass
    assert not (tmp_path / "elsewhere").exists()
