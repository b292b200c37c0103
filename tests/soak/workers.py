"""Worker processes for seeded runs, begun afresh."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor


def workers(count: int | None = None) -> ProcessPoolExecutor:
    """One for each core unless told. A copy of a process with threads (a fork) may find their locks held for ever."""
    return ProcessPoolExecutor(count or os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))
