"""A prepared process that forks recorders to be killed. Commands on stdin, what happens on stdout, a line each.

"<folder> <url> <rest url>": a recorder of that exchange, until it is killed, or until "stop" arrives as SIGTERM.
Said: "pid <pid>", "name <recorder>", "ack <record>" after each flush, "recovered" when older journals are in the tables, "dead"
or "ended" once it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from pathlib import Path

from tests.support.recording import CHANNELS, INSTRUMENTS

import okex_ws
from okex_ws.recorder.recorder import Recorder


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


async def record(folder: Path, url: str, rest_url: str) -> None:
    """Flushes as often as it can, so that a kill falls into one."""
    site = okex_ws.Site.at(url, rest_url=rest_url)
    recorder = Recorder(folder, site=site, flush_within_s=0.01, table_flush_s=0.1, segment_bytes=60_000, checkpoint_s=0.05)
    for channel in CHANNELS:
        recorder.client.subscribe(channel, *INSTRUMENTS)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, recorder.stop)
    settle = recorder.journal.settle

    def told(batch: object, now: int) -> int:
        through = settle(batch, now)  # type: ignore[arg-type]
        say(f"ack {through}")
        return through

    recorder.journal.settle = told  # type: ignore[method-assign]
    say(f"name {recorder.name}")
    async with recorder:
        assert recorder._recovery is not None
        recorder._recovery.add_done_callback(lambda _: say("recovered"))
        await recorder.run()


def main() -> None:
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1, "a fork of a process with threads may wait for ever"
    for command in sys.stdin:
        folder, url, rest_url = command.split()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                asyncio.run(record(Path(folder), url, rest_url))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        say(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        say("dead" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
