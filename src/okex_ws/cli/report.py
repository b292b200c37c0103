"""DoctorReport: the doctor's findings, line by line, and the exit code."""

from __future__ import annotations

import asyncio
import os
import sys

from okex_ws.cli.errors import FAILED, OK
from okex_ws.cli.event_lines import coloured
from okex_ws.client.sanitize import one_line as escaped

PATIENCE_S = 5.0
"""Timeout of any single answer, s."""
CONNECT_PAUSE_S = 1.1
"""OKX accepts 3 connections a second from an address; two have just been used."""
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red"), "skip": ("-", "dim")}


class DoctorReport:
    """The findings, printed at once; `code` is 1 after a failure."""

    def __init__(self) -> None:
        self.code = OK
        self.is_over = False
        self.unreachable: set[str] = set()
        self.stop = asyncio.Event()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._counts = dict.fromkeys(_MARKS, 0)

    def add(self, mark: str, what: str, text: str) -> None:
        """Print one finding: ok, warn, fail or skip."""
        self._counts[mark] += 1
        if mark == "fail":
            self.code = FAILED
        sign, colour = _MARKS[mark]
        print(f"{coloured(sign, colour, self._colour)} {what:<10} {escaped(text)}", flush=True)

    def interrupt(self, code: int) -> None:
        """Stop after Ctrl-C: no further steps."""
        self.code, self.is_over = code, True
        self.stop.set()

    def close(self) -> int:
        """Print the last line; returns the exit code."""
        if not self.is_over:
            broken, doubtful = self._counts["fail"], self._counts["warn"]
            text = f"{broken} broken" if broken else "nothing is broken"
            print(f"\n{text}{f', {doubtful} to check' if doubtful else ''}")
        return self.code
