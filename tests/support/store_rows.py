"""Events for the store's tests, made of a number, and storages that fail."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

from okex_ws.events import BookSnapshot, BookUpdate, Disconnected, Event, Gap, Resumed, Ticker, Trade
from okex_ws.journal.storage import OsStorage

SECOND = 1_000_000_000
START = 1_763_769_600_000  # 2025-11-22 00:00 UTC, ms


def trade(number: int, *, instrument: str = "BTC-USDT", count: int = 1, delay_ms: int = 5, **more: Any) -> Trade:
    ts_ms = START + number * 50
    fields: dict[str, Any] = {
        "ts_recv": (ts_ms + delay_ms) * 1_000_000,
        "channel": "trades",
        "ts_ms": ts_ms,
        "instrument": instrument,
        "trade_id": 1_000 + number,
        "price": 60_000 + number % 100 / 10,
        "size": 0.001 * (number % 7 + 1),
        "side": "buy" if number % 3 else "sell",
        "count": count,
        "sequence": 5_000 + number * 7,
    }
    return Trade(**{**fields, **more})


def image(number: int, *, instrument: str = "BTC-USDT", delay_ms: int = 5, sequence: int | None = None) -> BookSnapshot:
    ts_ms = START + number * 100
    return BookSnapshot(
        ts_recv=(ts_ms + delay_ms) * 1_000_000,
        channel="books",
        ts_ms=ts_ms,
        instrument=instrument,
        sequence=number * 10 if sequence is None else sequence,
        previous_sequence=-1,
        raw_bids=[(f"{100 - level}.5", f"{level + 1}", "0", "2") for level in range(3)],
        raw_asks=[(f"{101 + level}.5", f"{level + 1}", "0", "3") for level in range(3)],
    )


def change(number: int, *, instrument: str = "BTC-USDT", delay_ms: int = 5, previous: int | None = None) -> BookUpdate:
    ts_ms = START + number * 100
    return BookUpdate(
        ts_recv=(ts_ms + delay_ms) * 1_000_000,
        channel="books",
        ts_ms=ts_ms,
        instrument=instrument,
        sequence=number * 10,
        previous_sequence=(number - 1) * 10 if previous is None else previous,
        checksum=0,
        raw_bids=[("100.5", str(number % 5), "0", "1")],
        raw_asks=[("101.5", str(number % 4 + 1), "0", "1")] if number % 2 else [],
    )


def ticker(number: int, *, instrument: str = "BTC-USDT", delay_ms: int = 5) -> Ticker:
    ts_ms = START + number * 100
    ts_recv = (ts_ms + delay_ms) * 1_000_000
    return Ticker(ts_recv=ts_recv, channel="tickers", ts_ms=ts_ms, instrument=instrument, last=60_000.0 + number, volume_24h=1.5)


def gap(number: int, **more: Any) -> Gap:
    return Gap(ts_recv=(START + number) * 1_000_000, line="public/0", **more)


def mixed(count: int, seed: int = 1) -> list[tuple[Event, int, int]]:
    """`count` journal records with their events, in order: trades, books, tickers of two instruments, over midnight, news."""
    dice = random.Random(seed)
    out: list[tuple[Event, int, int]] = []
    for n in range(1, count + 1):
        kind = dice.randrange(10)
        # An hour a record: a few of them lie on several days.
        number = n * 36_000
        if kind < 5:
            names = [dice.choice(("BTC-USDT", "ETH-USDT")) for _ in range(dice.randrange(1, 4))]
            out += [(trade(number + i, instrument=name), n, i) for i, name in enumerate(names)]
        elif kind < 7:
            out.append((change(number), n, 0))
        elif kind < 9:
            out.append((ticker(number), n, 0))
        else:
            out.append((gap(number, channel="books", instrument="BTC-USDT", cause="sequence", last_sequence=n), n, 0))
            out.append((Resumed(ts_recv=number, channel="books", key="BTC-USDT"), n, 1))
            out.append((Disconnected(ts_recv=number, channels=(("books", "BTC-USDT"),)), n, 2))
    return out


class CrashError(BaseException):
    """The process is gone: nothing of it may run any more."""


class QuickStorage(OsStorage):
    """Does not wait for the disk: a test's process outlives what it simulates."""

    def fsync(self, file: int) -> None:
        pass

    def fsync_dir(self, path: Path) -> None:
        pass


class FailingStorage(QuickStorage):
    """Fails the n-th call, once or from then on; counts calls.

    dies: the process is killed there, every later call too. A write that fails leaves half of its bytes.
    """

    def __init__(self, fail_at: int = 0, *, dies: bool = False, lasts: bool = False, code: int = errno.ENOSPC) -> None:
        self.calls = 0
        self.fail_at, self.dies, self.lasts, self.code = fail_at, dies, lasts, code

    def _call(self) -> bool:
        self.calls += 1
        return bool(self.fail_at) and (self.calls == self.fail_at or (self.calls > self.fail_at and (self.lasts or self.dies)))

    def _fail(self) -> None:
        if self.dies:
            raise CrashError
        raise OSError(self.code, os.strerror(self.code))

    def make_folder(self, path: Path) -> None:
        if self._call():
            self._fail()
        super().make_folder(path)

    def create(self, path: Path) -> int:
        if self._call():
            self._fail()
        return super().create(path)

    def open_append(self, path: Path) -> int:
        if self._call():
            self._fail()
        return super().open_append(path)

    def write(self, file: int, content: bytes) -> None:
        if self._call():
            if not self.dies or self.calls == self.fail_at:
                super().write(file, content[: len(content) // 2])
            self._fail()
        super().write(file, content)

    def fsync(self, file: int) -> None:
        if self._call():
            self._fail()
        super().fsync(file)

    def fsync_dir(self, path: Path) -> None:
        if self._call():
            self._fail()
        super().fsync_dir(path)

    def rename(self, source: Path, target: Path) -> None:
        if self._call():
            self._fail()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        if self._call():
            self._fail()
        super().remove(path)


class PowerCutStorage(FailingStorage):
    """Dies at the n-th call, and then everything that was not made durable is gone.

    `cut()` does to the disk what a power cut may: bytes after a file's last fsync are lost, and so are new names in folders
    that were not synced.
    """

    def __init__(self, fail_at: int = 0) -> None:
        super().__init__(fail_at, dies=True)
        self._paths: dict[int, Path] = {}
        self._durable: dict[int, int] = {}  # inode → bytes
        self._touched: dict[int, Path] = {}  # inode → last path
        self._names: list[tuple[Path, Path | None, bytes | None]] = []  # new name, old name, what it replaced

    def create(self, path: Path) -> int:
        file = super().create(path)
        self._paths[file] = path
        self._names.append((path, None, None))
        self._durable[os.fstat(file).st_ino] = 0
        self._touched[os.fstat(file).st_ino] = path
        return file

    def open_append(self, path: Path) -> int:
        was_there = path.exists()
        file = super().open_append(path)
        self._paths[file] = path
        if not was_there:
            self._names.append((path, None, None))
        self._durable.setdefault(os.fstat(file).st_ino, os.fstat(file).st_size)
        self._touched[os.fstat(file).st_ino] = path
        return file

    def fsync(self, file: int) -> None:
        super().fsync(file)
        self._durable[os.fstat(file).st_ino] = os.fstat(file).st_size

    def rename(self, source: Path, target: Path) -> None:
        replaced = target.read_bytes() if target.exists() else None
        inode = source.stat().st_ino
        super().rename(source, target)
        self._touched[inode] = target
        self._names.append((target, source, replaced))

    def fsync_dir(self, path: Path) -> None:
        super().fsync_dir(path)
        self._names = [entry for entry in self._names if entry[0].parent != path]

    def cut(self) -> None:
        for inode, path in self._touched.items():
            if path.exists() and path.stat().st_ino == inode and path.stat().st_size > self._durable[inode]:
                os.truncate(path, self._durable[inode])
        for path, source, replaced in reversed(self._names):
            if path.exists():
                if source is not None and replaced is None:
                    path.rename(source)
                else:
                    path.unlink()
            if replaced is not None:
                path.write_bytes(replaced)
