"""Every example runs to its end against a simulator, and says something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import ROOT
from tests.support.shell import CLEAN, Simulator

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def venue() -> Iterator[Simulator]:
    with Simulator("--seed", "7", "--rate", "2") as running:
        yield running


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_it_runs(script: Path, venue: Simulator, tmp_path: Path) -> None:
    place = [] if "async def main() " in script.read_text() else [venue.url]
    done = subprocess.run(
        [sys.executable, script, *place], capture_output=True, text=True, timeout=120, env={**CLEAN, **venue.key}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", [path for path in EXAMPLES if ".ready()" in path.read_text()], ids=lambda script: script.stem)
def test_a_key_that_is_refused_is_one_line(script: Path, venue: Simulator) -> None:
    wrong = {**CLEAN, **venue.key, "OKX_API_SECRET": "another-secret"}
    done = subprocess.run([sys.executable, script, venue.url], capture_output=True, text=True, timeout=120, env=wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("OKX refused the login: ")
    assert done.stderr.count("\n") == 1
