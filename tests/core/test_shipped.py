"""The fault tests prove what ships: they drive a ClientCore or a real client, and put no client together from its parts."""

from __future__ import annotations

import ast

import pytest
from tests.support.paths import ROOT

PARTS = frozenset(
    (
        "Line",
        "Session",
        "Chains",
        "Books",
        "Plan",
        "BackfillPlanner",
        "Orders",
        "RiskGate",
        "PreTradeRisk",
        "TradingCore",
        "Hub",
        "Connections",
    )
)
"""Classes that make a client together. A test that makes one itself is a twin of ClientCore."""
FAULTS = sorted((ROOT / "tests" / "faults").glob("test_[ADF]_*.py"))
SHELLS = sorted((ROOT / "tests" / "support").glob("virtual*.py"))


def made_in(code: str) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {getattr(call, "id", getattr(call, "attr", "")) for call in calls} & PARTS


@pytest.mark.parametrize("path", [*FAULTS, *SHELLS], ids=lambda path: path.name)
def test_no_test_of_faults_builds_a_twin(path: object) -> None:
    assert made_in(path.read_text()) == set()  # type: ignore[attr-defined]


def test_the_virtual_client_is_a_shell_of_the_core() -> None:
    code = (ROOT / "tests" / "support" / "virtual.py").read_text()
    trading = (ROOT / "tests" / "support" / "virtual_trading.py").read_text()
    assert "ClientCore(" in code
    assert "core.trade(" in trading


def test_a_twin_would_be_noticed() -> None:
    assert made_in("from x import Line\nmade = Line('public/0')") == {"Line"}
