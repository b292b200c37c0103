"""The code keeps its own rules of layout and language: unique class names, plain docstrings, tests in their places."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import ROOT

SOURCE = ROOT / "src" / "okex_ws"
TESTS = ROOT / "tests"
NO_FIRST_WORDS = frozenset(
    [
        "what",
        "whether",
        "who",
        "whom",
        "whose",
        "those",
        "these",
        "it",
        "its",
        "that",
        "they",
        "them",
        "where",
        "when",
        "how",
        "which",
        "why",
        "he",
        "she",
        "his",
        "her",
        "we",
        "us",
        "here",
        "there",
    ]
)
"""A docstring that begins with one of these does not name its subject."""
PRIVATE_WORDS = (
    "said",
    "told",
    "tell",
    "tells",
    "telling",
    "hear",
    "hears",
    "heard",
    "wish",
    "wishes",
    "excuse",
    "distrust",
    "pit",
    "clerk",
)
"""Words of a former language of this code; the field has its own."""


def trees(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every docstring, those of attributes too."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement in body:
                value = statement.value if isinstance(statement, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield statement.lineno, value.value


def test_a_class_name_is_used_once() -> None:
    names = Counter(node.name for _, tree in trees(SOURCE) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_docstrings_begin_with_their_subject() -> None:
    wrong = [
        f"{path}:{line}: {text.splitlines()[0]}"
        for path, tree in trees(SOURCE)
        for line, text in docstrings(tree)
        if (first := re.match(r"[A-Za-z']+", text.strip())) and first[0].lower() in NO_FIRST_WORDS
    ]
    assert wrong == []


def test_prose_uses_the_standard_words() -> None:
    words = re.compile(rf"\b({'|'.join(PRIVATE_WORDS)})\b", re.I)
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        wrong += [f"{path.relative_to(ROOT)}:{line}: {m[0]}" for line, text in docstrings(tree) if (m := words.search(text))]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            comment = re.search(r"(?:^|\s{2})#\s(.*)", line)
            if comment and (m := words.search(comment[1])):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {m[0]}")
    assert wrong == []


@pytest.mark.parametrize("room", ["core", "events", "journal", "legacy", "market", "protocol", "simulator", "wire"])
def test_dates_are_computed_and_never_read_from_a_clock(room: str) -> None:
    """`time` may not be imported there at all (import-linter); of `datetime`, the functions that read the clock."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in trees(SOURCE / room)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        if isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date", "dt")
    ]
    assert wrong == []


def test_no_test_imports_another_test() -> None:
    wrong = [
        f"{path}: {node.module}"
        for path, tree in trees(TESTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and re.search(r"\.test_\w+$|^test_", node.module or "")
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()))
def test_tests_mirror_the_source(folder: str) -> None:
    assert any((TESTS / folder).rglob("test_*.py")), f"tests/{folder} has no tests"


@pytest.mark.parametrize("package", sorted(str(path.parent.relative_to(SOURCE)) for path in SOURCE.rglob("__init__.py")))
def test_each_package_says_what_comes_in_and_goes_out(package: str) -> None:
    plate = ast.get_docstring(ast.parse((SOURCE / package / "__init__.py").read_text())) or ""
    if package == ".":
        return
    for word in ("In:", "Out:", "May import:"):
        assert word in plate, f"the docstring of {package}/__init__.py has no {word!r}"
