"""Sanitize foreign text for one line of a log or a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return the text with line breaks, terminal codes and other control characters escaped: `\\n`, `\\x1b`."""
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
