"""`python -m tests.soak.run FIRST COUNT`: seeded fault schedules, audited; prints what went wrong and exits 1 if anything did."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

from tests.soak.schedule import MINUTES, audit, world


def run(seed: int) -> tuple[int, list[str]]:
    made = world(seed)
    made.run(MINUTES * 60)
    return seed, audit(made)


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    bad = 0
    with ProcessPoolExecutor() as pool:
        for seed, wrong in pool.map(run, range(first, first + count), chunksize=5):
            if wrong:
                bad += 1
                print(f"seed {seed}:", *wrong, sep="\n  ")
    print(f"{count - bad} of {count} schedules: delivered and reported as missing together are what was published")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
