"""No package has a circle: its modules and subpackages import one another in one direction.

Imports under TYPE_CHECKING and inside functions count. A package's `__init__` is a node of its own.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.support.paths import ROOT

SOURCE = ROOT / "src"


def modules(source: Path) -> dict[str, Path]:
    """Return every module by its name; a package is `name.__init__`."""
    return {".".join(path.relative_to(source).with_suffix("").parts): path for path in source.rglob("*.py")}


def imported(path: Path, known: set[str]) -> set[str]:
    """Return the modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known or f"{inner}.__init__" in known else node.module)
    return {name if name in known else f"{name}.__init__" for name in found} & known


def edges(source: Path) -> dict[str, set[str]]:
    """Return module -> modules it imports."""
    found = modules(source)
    return {name: imported(path, set(found)) - {name} for name, path in found.items()}


def children(graph: dict[str, set[str]], package: str) -> dict[str, set[str]]:
    """Return the graph of a package's modules and subpackages."""
    prefix = f"{package}."
    inner: dict[str, set[str]] = {}
    for name, targets in graph.items():
        if name.startswith(prefix):
            child = name.removeprefix(prefix).partition(".")[0]
            others = {each.removeprefix(prefix).partition(".")[0] for each in targets if each.startswith(prefix)}
            inner.setdefault(child, set()).update(others - {child})
    return inner


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of nodes that reach one another."""
    reach = {name: _reached(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in sorted(graph):
        circle = {other for other in reach[name] if name in reach.get(other, set())}
        if circle and circle not in found:
            found.append(circle)
    return found


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph.get(name, set())
    return seen


GRAPH = edges(SOURCE)
PACKAGES = sorted(name.removesuffix(".__init__") for name in GRAPH if name.endswith(".__init__"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_no_circle(package: str) -> None:
    assert circles(children(GRAPH, package)) == []


def test_the_simulator_has_no_circle_of_modules() -> None:
    assert circles({name: targets for name, targets in GRAPH.items() if name.startswith("okex_ws.simulator.")}) == []


@pytest.mark.parametrize(
    "body",
    [
        "from pack.b import x",
        "import pack.b",
        "from pack import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.b import x",
        "def f() -> None:\n    from pack.b import x",
    ],
)
def test_a_circle_is_found_whatever_its_form(body: str, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("")
    (tmp_path / "pack/a.py").write_text(body)
    (tmp_path / "pack/b.py").write_text("from pack.a import y")
    assert circles(children(edges(tmp_path), "pack")) == [{"a", "b"}]


DIALECTS = ("v5", "v3", "v1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_imports_no_other(dialect: str) -> None:
    """V5 does without `legacy`, so that V3 and V1 can be deleted; nothing but the exchange's registration names them."""
    own = f"okex_ws.simulator.{dialect}."
    others = tuple(f"okex_ws.simulator.{each}." for each in DIALECTS if each != dialect)
    if dialect == "v5":
        others = (*others, "okex_ws.simulator.legacy.")
    wrong = {
        (name, each) for name, targets in GRAPH.items() if name.startswith(own) for each in targets if each.startswith(others)
    }
    assert wrong == set()


def test_only_the_exchange_imports_a_dialect() -> None:
    inner = tuple(f"okex_ws.simulator.{each}." for each in (*DIALECTS, "legacy"))
    wrong = {
        (name, each)
        for name, targets in GRAPH.items()
        if name.startswith("okex_ws.simulator.") and not name.startswith(inner) and name != "okex_ws.simulator.exchange"
        for each in targets
        if each.startswith(inner)
    }
    assert wrong == set()
