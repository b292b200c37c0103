"""Run `okex-ws demo` and write what the terminal shows as docs/demo.svg. Lines of prices in the middle are left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"
WIDTH = 100
PRICES_KEPT = 6


def shown() -> list[str]:
    """Run the demo on a terminal of WIDTH columns and return its lines, with colour codes."""
    environment = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "okex_ws.cli", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


def shortened(lines: list[str]) -> list[str]:
    """Return the lines with most of the price rows left out."""
    prices = [number for number, line in enumerate(lines) if "bid" in line and "ask" in line and "×" in line]
    left_out = set(prices[PRICES_KEPT:])
    first = min(left_out, default=-1)
    return ["⋮" if number == first else line for number, line in enumerate(lines) if number not in left_out or number == first]


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print("[bold]$ make demo")
    for line in shortened(shown()):
        console.print(Text.from_ansi(line), soft_wrap=False)
    picture = console.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    # The reader's own monospaced font serves; a picture in a page asks no other host for one.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.S).replace("Fira Code", "monospace")
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"{PICTURE.name}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
