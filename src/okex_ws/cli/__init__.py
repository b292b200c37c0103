"""In: arguments of a shell command. Out: data on stdout, status and errors on stderr, an exit code.
May import: everything; each command is a docstring, its options and a call into the library.
The simulator is imported only by the commands that run one: it needs the extra `simulator`.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Entry point of the command `okex-ws`."""
    try:
        # An import may swallow a KeyboardInterrupt; nothing is open yet, so end at once.
        before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        from okex_ws.cli.app import run

        signal.signal(signal.SIGINT, before)
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
