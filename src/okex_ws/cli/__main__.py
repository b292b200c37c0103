"""`python -m okex_ws.cli`: the same as the command `okex-ws`."""

from okex_ws.cli import main

main()
