"""A watch over the whole run of the tests: no secret of any key they use may stand in anything they write.

Watched: logs of the package at DEBUG, what tests print, what commands started by `tests.support.shell` print, and every file
under pytest's temporary folder and `.cache`, unpacked where it is compressed. One hit fails the run. Only `okex-ws simulate` may
show the keys of its own exchange, in its lines to copy, and a `config.toml` is where a key belongs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from okex_ws.wire.sign import Credentials

SHORTEST = 8
"""Of secrets that can be told from ordinary words."""
_CHUNK = 1 << 22
_TO_COPY = re.compile(rb"^ *export OKX_\w+=.*$", re.M)
_MAY_HOLD_KEYS = ("config.toml",)
_NOT_OURS = "foreign-venv"
"""Installed by pip, before a test had a key."""

secrets: set[bytes] = set()
hits: list[str] = []


def watch(*texts: str) -> None:
    """Look for these from now on."""
    secrets.update(text.encode() for text in texts if len(text) >= SHORTEST)


def note(where: str, text: str | bytes) -> None:
    """Something was written there."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if any(secret in data for secret in secrets):
        clean = _TO_COPY.sub(b"", data)
        hits.extend(f"{where}: {secret.decode()}" for secret in secrets if secret in clean)


def scan(folders: Iterable[Path], since: float = 0.0) -> None:
    """Look through every file that is newer."""
    for folder in folders:
        for path in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if _NOT_OURS in path.parts or path.name in _MAY_HOLD_KEYS:
                    continue
                if path.is_file() and path.stat().st_mtime >= since:
                    for piece in _pieces(path):
                        note(str(path), piece)


def _pieces(path: Path) -> Iterator[bytes]:
    """What a file says, unpacked, in pieces that overlap by more than a secret is long."""
    if path.suffix == ".parquet":
        yield from _rows(path)
        return
    if path.suffix == ".zst":
        yield from _frames(path.read_bytes())
        return
    kept = b""
    with path.open("rb") as handle:
        while piece := handle.read(_CHUNK):
            yield kept + piece
            kept = piece[-256:]


def _frames(data: bytes) -> Iterator[bytes]:
    import zstandard

    while data:
        unpacking = zstandard.ZstdDecompressor().decompressobj()
        try:
            piece = unpacking.decompress(data)
        except zstandard.ZstdError:  # spoilt on purpose
            return
        yield piece
        data = unpacking.unused_data


def _rows(path: Path) -> Iterator[bytes]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, memory_map=False)
    except pyarrow.ArrowException:
        return
    for column in table.itercolumns():
        if not pyarrow.types.is_primitive(column.type):
            out = io.BytesIO()
            with pyarrow.ipc.new_stream(out, pyarrow.schema([("column", column.type)])) as writer:
                writer.write_table(pyarrow.table({"column": column}))
            yield out.getvalue()


class _Logged(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(f"log of {record.name}", self.format(record))


class Canary:
    """The watch as a plugin of pytest."""

    def __init__(self) -> None:
        self._began = time.time()
        self._took_s = 0.0
        self._log = _Logged(logging.DEBUG)
        logging.getLogger("okex_ws").addHandler(self._log)
        made = Credentials.__init__

        def watched(self: Credentials, api_key: str, secret: str, passphrase: str) -> None:
            watch(api_key, secret, passphrase)
            made(self, api_key, secret, passphrase)

        Credentials.__init__ = watched  # type: ignore[method-assign]  # whatever key a test makes is one to look for

    def pytest_runtest_setup(self) -> None:
        logging.getLogger("okex_ws").setLevel(logging.DEBUG)  # a command that ran in this process has chosen its own

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed:  # a failure quotes the test's own source
            for name, text in report.sections:
                note(f"{name} of {report.nodeid}", text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        began = time.perf_counter()
        factory = getattr(session.config, "_tmp_path_factory", None)
        folders = [session.config.rootpath / ".cache"]
        if factory is not None and factory._basetemp is not None:
            folders.append(factory._basetemp)
        scan(folders, self._began)
        self._took_s = time.perf_counter() - began
        if hits:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if hits:
            terminalreporter.section("secrets that were written down")
            for hit in dict.fromkeys(hits):
                terminalreporter.write_line(hit, red=True)
        elif secrets:
            terminalreporter.write_line(f"none of {len(secrets)} secrets was written down (files: {self._took_s:.1f} s)")
