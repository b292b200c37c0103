"""Where tests find the project's root, its fixtures, and real captured messages."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
SHARED = ROOT.parent / "shared"
CORPORA = SHARED / "corpora"
"""Absent outside the development machines: tests that need them skip with a line that says so."""
