"""The real command in real processes: `run` one to its end, `Simulator` to talk to, `started` one to interrupt."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple, Self

from tests.support import canary

from okex_ws.cli import app

COMMAND = [sys.executable, "-m", "okex_ws.cli"]
CLEAN = {
    name: value for name, value in os.environ.items() if "proxy" not in name.lower() and not name.startswith(("OKX_", "OKEX_"))
}
CLEAN["HOME"] = "/nonexistent"  # whoever runs the tests may have keys there
PATIENCE_S = 120
"""What takes longer hangs, however busy the machine is."""


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def complaints(self) -> list[str]:
        """The lines on stderr that are errors."""
        return [line for line in self.err.splitlines() if line.startswith("okex-ws: ")]


class Command(subprocess.Popen[str]):
    """A process whose words are watched for secrets; what is left of it at the end of its `with` is killed."""

    def __exit__(self, *reason: Any) -> None:
        self.kill()
        super().__exit__(*reason)

    def communicate(self, *args: Any, **options: Any) -> tuple[str, str]:
        said = super().communicate(*args, **options)
        for text in said:
            canary.note(f"output of {self.args!r}", text or "")
        return said


def started(*args: str, **environment: str) -> Command:
    """A running command."""
    return launched([*COMMAND, *args], **environment)


def launched(words: list[str], **environment: str) -> Command:
    """A running process."""
    env = {**CLEAN, "NO_COLOR": "1", "COLUMNS": "120", **environment}
    return Command(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def run(*args: str, **environment: str) -> Result:
    """A command run to its end."""
    return ended(started(*args, **environment))


def ended(process: Command) -> Result:
    """A process run to its end."""
    with process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return Result(process.returncode, out, err)


def here(*args: str) -> Result:
    """A command in this process: where no process is the point."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = app.run(args)
    canary.note(f"output of {args}", out.getvalue() + err.getvalue())
    return Result(code, out.getvalue(), err.getvalue())


class Simulator:
    """`okex-ws simulate` on free ports: `with Simulator("--seed", "3") as venue: run("stream", ..., *venue.where)`."""

    def __init__(self, *args: str) -> None:
        self._args = args
        self.welcome = ""
        self.code: int | None = None
        self.err = ""

    def __enter__(self) -> Self:
        self._process = started("simulate", "--port", "0", *self._args)
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self.welcome += line
                if "Ctrl-C" in line:
                    break
            else:
                _, err = self._process.communicate()
                raise AssertionError(f"the simulator did not start: {err}")
        except BaseException:
            self._process.__exit__(None, None, None)
            raise
        canary.watch(*self.key.values())
        return self

    def __exit__(self, *_: Any) -> None:
        with self._process:
            self._process.terminate()
            _, self.err = self._process.communicate(timeout=PATIENCE_S)
        self.code = self._process.returncode

    @property
    def url(self) -> str:
        return self._find(r"WebSocket +(\S+?)/ws/v5")

    @property
    def rest_url(self) -> str:
        return self._find(r"REST +(\S+?)/api/v5")

    @property
    def ca_file(self) -> str:
        return self._find(r"CA file +(\S+)")

    @property
    def key(self) -> dict[str, str]:
        """The variables it prints to log in with."""
        return dict(re.findall(r"export (OKX_\w+)=(\S+)", self.welcome))

    @property
    def where(self) -> list[str]:
        """The options that lead there."""
        return ["--url", self.url, "--rest-url", self.rest_url]

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.welcome)
        assert found, self.welcome
        return found[1]
