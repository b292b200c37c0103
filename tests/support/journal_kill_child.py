"""A prepared process that forks writers to be killed. Commands on stdin, what happens on stdout, a line each.

"full <folder>": a writer at full rate; "die <folder> <call>": one that kills itself at that call of its storage.
Said: "pid <pid>", "up <records recovered>", "ack <record>" after each flush, and "dead" once the writer is gone.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from tests.support.disks import START, DyingStorage, fill

from okex_ws.journal import FolderLock, JournalWriter, OsStorage, Storage


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def write_on(folder: Path, storage: Storage) -> None:
    """Records and flushes until killed; segments so small that many deaths fall into a rotation."""
    with FolderLock(folder / "lock"):
        writer = JournalWriter(folder, recorder="r", software="test", now=START, segment_bytes=30_000, storage=storage)
        say(f"up {writer.acknowledged}")
        while True:
            fill(writer, range(writer.last + 1, writer.last + 2 + writer.last % 97))
            writer.flush(START)
            say(f"ack {writer.acknowledged}")


def main() -> None:
    for command in sys.stdin:
        kind, folder, *rest = command.split()
        pid = os.fork()
        if pid == 0:
            try:
                write_on(Path(folder), DyingStorage(int(rest[0])) if kind == "die" else OsStorage())
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        say(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        say("dead" if os.WIFSIGNALED(status) else f"failed {status}")


if __name__ == "__main__":
    main()
