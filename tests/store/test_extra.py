"""The bare install has neither pyarrow nor duckdb; the error names the extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.store_rows import FailingStorage

from okex_ws import store
from okex_ws.store import StoreError


def said(code: str) -> str:
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return (child.stdout + child.stderr).strip()


def test_the_front_door_does_not_need_them() -> None:
    code = "import sys, okex_ws; print([name for name in ('duckdb', 'pyarrow', 'numpy') if name in sys.modules])"
    assert said(code) == "[]"


@pytest.mark.parametrize("missing", ["duckdb", "pyarrow"])
def test_a_missing_extra_is_named(missing: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; import okex_ws.store"
    assert said(code).splitlines()[-1] == "ImportError: the store needs pyarrow and duckdb: pip install 'okex-websocket[record]'"


def test_E3_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    storage = FailingStorage()
    store.prepare(tmp_path / "count", now=1, software="0.1.0", storage=storage)
    for call in range(1, storage.calls + 1):
        root = tmp_path / str(call)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            store.prepare(root, now=1, software="0.1.0", storage=FailingStorage(call))
        store.prepare(root, now=2, software="0.1.0")
        store.check(root)
