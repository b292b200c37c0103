"""Errors that end a command. The text is one line that names the remedy."""

from __future__ import annotations

from okex_ws.errors import OkexError

OK, FAILED, BAD_INPUT, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES = {
    OK: "done",
    FAILED: "failed at run time (never connected, a failed check, a rejected order)",
    BAD_INPUT: "bad input (one line names the remedy, nothing was sent)",
    UNKNOWN: "an order was sent and its outcome is unknown (check before sending it again)",
    INTERRUPTED: "stopped by Ctrl-C (143: by SIGTERM)",
}
"""The exit codes, as documented in --help and docs/cli.md."""


class BadInputError(OkexError):
    """The command line or configuration is invalid; exit code 2."""


class RunFailedError(OkexError):
    """The command failed at run time; exit code 1."""
