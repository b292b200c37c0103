"""The project keeps its word: versions, docs and reference agree with the code, and a bare install is enough."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import ROOT
from tests.support.shell import CLEAN, Simulator

import okex_ws
from okex_ws.cli.app import run

DOCS = ("recording", "trading", "architecture", "okx-quirks", "glossary", "add-a-channel", "cli")
PAGES = ["README.md", *(f"docs/{name}.md" for name in DOCS)]
COMMANDS = ("stream", "price", "simulate", "plan", "doctor", "demo")
COMMANDS += ("record", "replay", "verify", "gaps", "query", "compact", "export")
COMMANDS += ("account", "orders", "order", "cancel", "halt")
EXTRAS = ("h11", "trustme", "pytest", "hypothesis", "websockets", "websocket", "orjson", "sortedcontainers")
EXTRAS += ("zstandard", "pyarrow", "duckdb", "numpy", "prometheus_client", "asyncpg", "redis", "nats")

FAULTS = {"A": 19, "B": 17, "C": 15, "D": 21, "E": 14, "F": 23, "G": 9, "H": 3}
"""Rows of the fault catalogue whose tests bear their names, by letter."""


def pyproject() -> dict[str, dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)


def python(code: str, *args: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env={**CLEAN, **environment})


@pytest.fixture(scope="module")
def venue() -> Iterator[Simulator]:
    with Simulator("--seed", "7", "--rate", "2") as running:
        yield running


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert next(name for name in headings if name != "Unreleased") == pyproject()["project"]["version"]


def test_the_readme_begins_with_the_old_name() -> None:
    assert "OKX, formerly OKEx" in (ROOT / "README.md").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("page", "number"), [(page, n) for page in ("README.md", "docs/trading.md") for n in range(len(blocks(page, "python")))]
)
def test_documented_code_runs(page: str, number: int, venue: Simulator, tmp_path: Path) -> None:
    code = blocks(page, "python")[number]
    # The same words, said to a simulator instead of OKX.
    detour = (
        "import sys, okex_ws\n"
        "there = okex_ws.Site.at(sys.argv[1], rest_url=sys.argv[2])\n"
        "okex_ws.Site.okx = lambda *_, **__: there\n"
    )
    done = python(detour + code, venue.url, venue.rest_url, cwd=tmp_path, **venue.key)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_twenty_lines_to_a_printed_trade() -> None:
    first = blocks("README.md", "python")[0]
    assert "Trade" in first
    assert len(first.splitlines()) <= 20


def shell_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["okex-ws"]:
                    found.append((page, shlex.join(words[1 : words.index("|")] if "|" in words else words[1:])))
    return found


@pytest.mark.parametrize(("page", "line"), shell_lines())
def test_documented_commands_parse(page: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*shlex.split(line), "--help"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"okex-ws {name}" in (ROOT / "README.md").read_text()
    assert f"## okex-ws {name}" in (ROOT / "docs/cli.md").read_text()


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/make_cli_docs.py", "--check"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_inside_the_project_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("target", ["demo", "test", "lint", "types", "bench", "soak", "docs", "check"])
def test_make_knows_its_verbs(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("module", ["okex_ws", "okex_ws.cli.app"])
def test_a_bare_install_is_enough(module: str) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ImportError(f"{{name}} is not in a bare install")
sys.meta_path.insert(0, Refuse())
import {module}
assert "okex_ws.simulator.server" not in sys.modules
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_without_the_extra_the_simulator_says_what_to_install() -> None:
    code = """
import sys
sys.modules["h11"] = None
from okex_ws.cli.app import run
sys.exit(run(["simulate"]))
"""
    done = python(code)
    assert done.returncode == 2
    assert done.stderr == "okex-ws: the simulator needs its extra: pip install 'okex-websocket[simulator]'\n"


def test_only_what_is_needed_is_required() -> None:
    names = {re.split(r"[<>=\[]", str(item))[0] for item in pyproject()["project"]["dependencies"]}  # type: ignore[attr-defined]
    assert names == {"picows", "msgspec", "httpx", "typer", "rich"}


def test_the_front_door_fetches_every_name_when_asked() -> None:
    code = """
import sys, okex_ws
assert "msgspec" not in sys.modules, "okex-ws would import for long before it can answer a Ctrl-C"
from okex_ws import *
assert all(name in globals() for name in okex_ws.__all__)
assert set(okex_ws.__all__) <= set(dir(okex_ws))
assert not hasattr(okex_ws, "nothing")
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_the_names_for_type_checkers_are_those_of_the_front_door() -> None:
    code = (ROOT / "src/okex_ws/__init__.py").read_text()
    typed = re.findall(r"^    from okex_ws(?:\.([\w.]+))? import (\w+) as (\w+)$", code, re.M)
    assert all(name == public for _, name, public in typed)
    assert {name: module for module, name, _ in typed} == okex_ws._MODULE_OF  # type: ignore[attr-defined]
    assert set(okex_ws.__all__) <= set(dir(okex_ws))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("old", "new"), [("EndpointError", "SiteError")])
def test_a_renamed_name_still_works_and_says_the_new_one(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(okex_ws, old) is getattr(okex_ws, new)


def test_every_public_error_is_an_okex_error() -> None:
    strays = []
    for module in pkgutil.walk_packages(okex_ws.__path__, "okex_ws."):
        # The simulator is another program: its exceptions end inside it, as answers to a client.
        if module.name.startswith("okex_ws.simulator") or module.name.endswith("__main__"):
            continue
        for name, item in vars(importlib.import_module(module.name)).items():
            is_ours = isinstance(item, type) and issubclass(item, Exception) and item.__module__ == module.name
            if is_ours and not name.startswith("_") and not issubclass(item, okex_ws.OkexError):
                strays.append(f"{module.name}.{name}")
    assert not strays


def test_every_row_of_the_fault_catalogue_has_a_test_of_its_name() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"^(?:async )?def test_([A-H]\d+)_", code, re.M))
    assert {f"{letter}{n}" for letter, most in FAULTS.items() for n in range(1, most + 1)} <= named
