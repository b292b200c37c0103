"""Plain: foreign text made fit for one line of a log or a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text with line breaks, terminal codes and other control characters written out: `\\n`, `\\x1b`."""
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
