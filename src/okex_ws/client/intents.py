"""IntentLog: what is about to be asked of OKX, on disk before it is asked. After a crash it tells what may have happened.

A line per intent, its checksum before it. A line is on the disk before its request leaves; that an intent is settled may be lost
in a crash, since settling it once more does no harm. A torn end is what a crash leaves, and is cut off; damage before that is
not, and nothing is traded over it. Holds no secret.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from okex_ws.errors import OkexError
from okex_ws.protocol.orders.tickets import Intent

FORMAT = b'{"intents":1}'
COMPACT_AT = 4 * 1024 * 1024
"""Bytes after which settled intents are thrown out, if they are the larger part."""

_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Intent)


class IntentLogError(OkexError):
    """The intent log cannot be used; the text says what to do. Nothing was sent."""


class IntentLog:
    """One file, one writer. `open` are the intents of which nothing final is known, by their keys.

    Raises IntentLogError when another process holds it, when it is damaged, or when the disk refuses.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.open: dict[str, Intent] = {}
        self._failed = ""
        self._file = -1
        self._size = 0
        self._lock = _locked(self.path.with_name(self.path.name + ".lock"))
        try:
            self._read()
            self._rewrite()
        except OSError as error:
            self.close()
            raise IntentLogError(f"{self.path}: {os.strerror(error.errno or 0)}") from None
        except IntentLogError:
            self.close()
            raise

    def append(self, intents: Sequence[Intent]) -> None:
        """Write these down; when it returns, those that are still to be sent are on the disk."""
        if self._failed:
            raise IntentLogError(self._failed)
        try:
            self._write(b"".join(_line(_encode(intent)) for intent in intents))
            if not all(intent.done for intent in intents):
                os.fdatasync(self._file)
            self._keep(intents)
            if self._size > COMPACT_AT and self._size > 2 * self._size_open():
                self._rewrite()
        except OSError as error:
            # What of it is on the disk is not known any more, so nothing can be promised until it is read anew.
            self._failed = f"{self.path}: {os.strerror(error.errno or 0)}; free the disk and start again"
            raise IntentLogError(self._failed) from None

    def close(self) -> None:
        """Let go of the file and of its lock."""
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1
        self._failed = f"{self.path} is closed"

    def _read(self) -> None:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        tail = lines.pop()  # "" unless the end is torn
        for number, line in enumerate(lines, 1):
            text = _checked(line)
            if text is None and number == len(lines) and not tail:
                break  # the last line, torn in its middle
            if text is None or (number == 1 and text != FORMAT):
                raise IntentLogError(
                    f"{self.path}, line {number}: damaged, so it cannot be told which orders are open; "
                    "look at them on OKX, then move the file away and start again"
                )
            if number > 1:
                try:
                    self._keep([_decoder.decode(text)])
                except msgspec.DecodeError as error:
                    raise IntentLogError(f"{self.path}, line {number}: written by another version ({error})") from None

    def _keep(self, intents: Sequence[Intent]) -> None:
        for intent in intents:
            if intent.done:
                self.open.pop(intent.key, None)
            else:
                self.open[intent.key] = intent

    def _rewrite(self) -> None:
        """The open intents alone, in a new file that takes the place of the old one at once."""
        new = self.path.with_name(self.path.name + ".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, 0
        self._write(b"".join([_line(FORMAT), *(_line(_encode(intent)) for intent in self.open.values())]))
        os.fsync(file)
        new.rename(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._size += len(data)

    def _size_open(self) -> int:
        return sum(len(_encode(intent)) + 10 for intent in self.open.values())


def _line(text: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _checked(line: bytes) -> bytes | None:
    """The text of a line, None when it is not what was written."""
    check, _, text = line.partition(b" ")
    return text if check == b"%08x" % zlib.crc32(text) else None


def _locked(path: Path) -> int:
    """The lock of a log, by the operating system: it ends with its holder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IntentLogError(f"{path}: {os.strerror(error.errno or 0)}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise IntentLogError(f"{path}: another process trades with this intent log; end it, or give another path") from None
    return file
