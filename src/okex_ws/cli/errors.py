"""What ends a command early. The text is one line that says what to change."""

from __future__ import annotations

from okex_ws.errors import OkexError

OK, FAILED, BAD_INPUT, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES = {
    OK: "done",
    FAILED: "failed at run time (never connected, a check that failed, an order rejected)",
    BAD_INPUT: "bad input (one line says what to change, nothing was sent)",
    UNKNOWN: "an order was sent and its outcome is not known (look before sending it again)",
    INTERRUPTED: "stopped by Ctrl-C (143: by SIGTERM)",
}
"""The exit codes, as documented in --help and docs/cli.md."""


class BadInputError(OkexError):
    """What was asked for cannot work; exit code 2."""


class RunFailedError(OkexError):
    """What was asked for did not work this time; exit code 1."""
