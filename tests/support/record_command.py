"""`okex-ws record` in a process of its own, and its log lines."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from tests.support.shell import PATIENCE_S, Simulator, started

CHANNELS = ["-c", "trades", "-c", "books", "-c", "tickers"]


class Recording:
    """A running `okex-ws record`: `wait_for` a log line, then end it."""

    def __init__(self, folder: Path, venue: Simulator, *more: str) -> None:
        where = ["--to", str(folder), "--log-json", "--status-every", "200ms", *venue.where, *more]
        self.process = started("record", "BTC-USDT", "ETH-USDT", *CHANNELS, *where)
        self.lines: list[dict[str, Any]] = []
        self._watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, fragment: str) -> dict[str, Any]:
        """Return the next log line that contains `fragment`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                raise AssertionError(line) from None
            if fragment in line:
                return self.lines[-1]
        raise AssertionError(f"{fragment!r} was never logged; last: {self.lines[-3:]}")

    def wait_for_rows(self) -> dict[str, Any]:
        """Return the first status after some rows are acknowledged."""
        while not (status := self.wait_for('"Status"')["status"])["rows"]:
            pass
        last = status["last"]
        while status["acknowledged"] < last:
            status = self.wait_for('"Status"')["status"]
        return status

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; returns the exit code and the last output."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err
