"""IntentLog: each order request on disk before it is sent. After a crash the log lists the requests that may have happened.

One line per intent, with its checksum before it. A line is on the disk before its request leaves. A crash may lose the line that
settles an intent, because settling it twice does no harm. A crash leaves a torn end, which is cut off; damage before the end
stops trading. The log contains no secret.
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
"""Size in bytes above which settled intents are removed, if they are the larger part."""

_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Intent)


class IntentLogError(OkexError):
    """The intent log cannot be used; the text says what to do. Nothing was sent."""


class IntentLog:
    """Intent log of one process. open: intents that are not settled, by key.

    Raises IntentLogError if another process uses the file, if it is damaged, or if the disk fails.
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
        """Write intents. Those that are not settled are on the disk when this returns. Raises IntentLogError."""
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
            # It is unknown how much of it is on the disk, so nothing more is written before the file is read again.
            self._failed = f"{self.path}: {os.strerror(error.errno or 0)}; free the disk and start again"
            raise IntentLogError(self._failed) from None

    def close(self) -> None:
        """Close the file and release its lock."""
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
                    f"{self.path}, line {number}: damaged, so the open orders are unknown; "
                    "check them on OKX, then move the file away and start again"
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
        """Replace the file atomically by one with the open intents only."""
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
    """Return the text of a line; None if its checksum does not match."""
    check, _, text = line.partition(b" ")
    return text if check == b"%08x" % zlib.crc32(text) else None


def _locked(path: Path) -> int:
    """Return the file of the lock; the operating system releases it when the process ends."""
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
