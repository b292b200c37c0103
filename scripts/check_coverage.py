"""Print line and branch coverage of each package, and fail where one is below its floor.

Usage: check_coverage.py coverage.json, a report of `pytest --cov --cov-report=json:coverage.json`.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

FLOORS = {
    "cli": (93, 86),
    "client": (96, 92),
    "core": (96, 92),
    "events": (99, 90),
    "journal": (97, 92),
    "legacy": (97, 94),
    "market": (98, 95),
    "protocol": (96, 93),
    "recorder": (94, 90),
    "simulator": (97, 92),
    "sinks": (95, 89),
    "store": (96, 93),
    "wire": (98, 96),
    "top": (97, 93),
}
"""Percent of lines and of branches that the tests must run, by package; "top" is the modules beside the packages."""


def counts(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> dict[str, list[int]]:
    """Return lines, covered lines, branches and covered branches of each package."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, file in report["files"].items():
        parts = name.split("okex_ws/", 1)[1].split("/")
        summary = file["summary"]
        for place, field in enumerate(("num_statements", "covered_lines", "num_branches", "covered_branches")):
            found[parts[0] if len(parts) > 1 else "top"][place] += summary[field]
    return found


def main(path: str) -> int:
    """Compare a report with the floors; return the exit code."""
    found = counts(json.loads(Path(path).read_text()))
    failed = 0
    print("package      lines             branches")
    for package, (lines, covered, branches, taken) in sorted(found.items()):
        share, branch_share = 100 * covered / max(lines, 1), 100 * taken / max(branches, 1)
        floor, branch_floor = FLOORS.get(package, (90, 80))
        is_low = share < floor or (branches > 0 and branch_share < branch_floor)
        failed += is_low
        note = f"   below the floor of {floor} % and {branch_floor} %" if is_low else ""
        print(f"{package:12} {share:5.1f} % of {lines:5}   {branch_share:5.1f} % of {branches:5}{note}")
    missing = FLOORS.keys() - found.keys()
    if missing:
        print(f"no figures for {', '.join(sorted(missing))}")
    return int(bool(failed or missing))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
