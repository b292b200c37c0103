"""In: words typed at a shell. Out: data on stdout, news and errors on stderr, an exit code.
May import: everything; each command is a docstring, its options and a call into the library.
The simulator is imported only by the commands that run one: it needs the extra `simulator`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the command `okex-ws`."""
    try:
        from okex_ws.cli.app import run  # here, because a Ctrl-C may come while it is imported

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
