"""V3 and V1 can be deleted: a copy of the project without them imports, passes tests and serves V5."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.paths import ROOT

DELETED = (
    "src/okex_ws/legacy",
    "src/okex_ws/simulator/legacy",
    "src/okex_ws/simulator/v1",
    "src/okex_ws/simulator/v3",
    "tests/legacy",
    "tests/simulator/legacy",
    "tests/simulator/v1",
    "tests/simulator/v3",
)

IMPORT_ALL = """
import importlib, pkgutil
import okex_ws
assert okex_ws.__file__.startswith({root!r}), okex_ws.__file__
for module in pkgutil.walk_packages(okex_ws.__path__, "okex_ws."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""

SERVE = """
import asyncio, urllib.request
from okex_ws.simulator.exchange import Exchange
from okex_ws.simulator.market.seeded import SeededMarket
from okex_ws.simulator.server import Server

async def main() -> None:
    async with Server(lambda now: Exchange(SeededMarket(7, start=now), now=now)) as server:
        exchange = server.exchange
        for path in ("/ws/v5/public", "/ws/v5/business", "/ws/v5/private"):
            print(path, type(exchange.open(path, server.now())).__name__)
        print(exchange.open("/ws/v3", server.now()).body.decode(), end="")
        answer = await asyncio.to_thread(urllib.request.urlopen, server.rest_url + "/api/v5/public/time")
        print(answer.status)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without V3 and V1."""
    root = tmp_path_factory.mktemp("deleted")
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in DELETED:
        shutil.rmtree(root / name)
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OKX_", "PYTEST_", "COV"))}
    environment["PYTHONPATH"] = f"{root / 'src'}{os.pathsep}{root}"
    # Hypothesis stores the constants of the tests, which include their secrets: not where secrets are searched for.
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(ROOT / ".hypothesis")
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_module_is_imported(copy: Path) -> None:
    done = python(copy, "-c", IMPORT_ALL.format(root=str(copy)))
    assert done.returncode == 0, done.stderr


def test_the_rest_passes_its_tests(copy: Path) -> None:
    chosen = ("simulator/v5", "simulator/test_exchange.py", "protocol/test_session.py", "test_circles.py")
    done = python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in chosen))
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_simulator_serves_v5(copy: Path) -> None:
    done = python(copy, "-c", SERVE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "/ws/v5/public V5Connection",
        "/ws/v5/business V5Connection",
        "/ws/v5/private V5Connection",
        "Not found: the paths are /ws/v5/public, /ws/v5/business and /ws/v5/private",
        "200",
    ]


def test_a_deleted_dialect_is_a_clear_error(copy: Path) -> None:
    done = python(copy, "-m", "okex_ws.cli", "stream", "trades:BTC-USDT", "--dialect", "v1", "--url", "ws://127.0.0.1:1")
    assert done.returncode == 2, done.stderr
    assert "no dialect is called 'v1'; dialects: v5" in done.stderr


def test_the_command_simulate_starts(copy: Path) -> None:
    done = python(copy, "-m", "okex_ws.cli", "simulate", "--port", "0", "--for", "1s")
    assert done.returncode == 0, done.stderr
    assert "ws://127.0.0.1" in done.stdout
