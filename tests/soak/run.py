"""`python -m tests.soak.run FIRST COUNT`: seeded fault schedules, audited; prints what went wrong and exits 1 if anything did."""

from __future__ import annotations

import sys

from tests.soak.schedule import MINUTES, audit, world
from tests.soak.workers import workers


def run(seed: int) -> tuple[int, list[str]]:
    made = world(seed)
    made.run(MINUTES * 60)
    return seed, audit(made)


def main() -> int:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    bad = 0
    with workers() as pool:
        for done, (seed, wrong) in enumerate(pool.map(run, range(first, first + count), chunksize=5), 1):
            if wrong:
                bad += 1
                print(f"seed {seed}:", *wrong, sep="\n  ", flush=True)
            if done % 50 == 0:
                print(f"{done} done, {bad} of them wrong", flush=True)
    print(f"{count - bad} of {count} schedules: delivered and reported as missing together are what was published")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
