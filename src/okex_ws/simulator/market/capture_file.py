"""Capture file: the recorded pushes of OKX V5 and the instrument lists beside them, checked before use.

In: JSON lines, one recorded frame each, with at least `raw` (the wire text) and, where known, `kind`, `dir`, `conn`,
`path`, `recv_ts`, `channel`. Out: a Recording. Incoming pushes and instrument lists are kept, the rest is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from okex_ws.simulator.market.base import BOOK_DEPTH, MILLISECOND, SECOND

_KEYS = ("instId", "sprdId", "instFamily", "instType")


@dataclass(slots=True)
class CapturedPush:
    """One recorded push; `at` is in ns of the recorder's clock."""

    at: int
    channel: str
    key: str
    rows: list[Any]
    action: str | None


@dataclass(slots=True)
class Recording:
    """Contents of a file: the pushes of every connection in order, and instrument rows by type."""

    connections: dict[str, list[CapturedPush]] = field(default_factory=dict)
    instruments: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


def recorded_lines(source: str | Path | Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a file or of lines already read; empty lines are skipped."""
    if isinstance(source, str | Path):
        with Path(source).open(encoding="utf-8") as lines:
            yield from recorded_lines(lines)
        return
    for number, line in enumerate(source, 1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} of the capture is no JSON: {error}") from None
            if isinstance(record, dict):
                yield record


def read_recording(source: str | Path | Iterable[str]) -> Recording:
    """Sort the records of a capture by connection. A connection is one (path, conn), named "0", "1", … by first appearance.

    Raises ValueError for a push that cannot be served: a file may come from anywhere.
    """
    recording = Recording()
    names: dict[tuple[str, str], str] = {}
    for number, record in enumerate(recorded_lines(source), 1):
        if record.get("dialect", "v5") != "v5" or record.get("dir", "in") != "in":
            continue
        raw = record.get("raw")
        message = _message(raw if isinstance(raw, str) else "")
        rows = message.get("data")
        if not isinstance(rows, list) or not rows:
            continue
        if record.get("kind") == "rest":
            if "instruments" in str(record.get("channel", "")) + str(record.get("url", "")):
                _keep_instruments(recording, rows)
            continue
        arg = message.get("arg")
        if not isinstance(arg, dict) or "channel" not in arg:
            continue
        origin = (str(record.get("path", "")), str(record.get("conn", "")))
        name = names.setdefault(origin, str(len(names)))
        key = next((str(arg[each]) for each in _KEYS if each in arg), "")
        try:
            _check(str(arg["channel"]), rows)
            at = _instant(record.get("recv_ts"), rows)
        except (ValueError, ArithmeticError, LookupError, TypeError) as error:
            raise ValueError(f"record {number} of the capture cannot be served: {error or type(error).__name__}") from None
        push = CapturedPush(at, str(arg["channel"]), key, rows, message.get("action"))
        recording.connections.setdefault(name, []).append(push)
    return recording


def _message(raw: str) -> dict[str, Any]:
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _keep_instruments(recording: Recording, rows: list[Any]) -> None:
    for row in rows:
        if isinstance(row, dict) and row.get("instId") and row.get("instType"):
            recording.instruments.setdefault(str(row["instType"]), {}).setdefault(str(row["instId"]), row)


def _instant(recv_ts: Any, rows: list[Any]) -> int:
    """Return the instant (ns) by the recorder's clock (seconds with a fraction, or ns), else by the row's own ms."""
    if recv_ts not in (None, ""):
        moment = _number(recv_ts)
        return int(moment if moment > 1_000_000_000_000 else moment * SECOND)
    row = rows[-1]
    ts = row.get("ts") if isinstance(row, dict) else row[0] if isinstance(row, list) and row else None
    return int(_number(ts or 0)) * MILLISECOND


def _check(channel: str, rows: list[Any]) -> None:
    """Raise an error if a row does not fit its channel, or a number is out of range."""
    for row in rows:
        if "candle" in channel:
            for value in row[:5]:
                _number(value)
        elif not isinstance(row, dict):
            raise TypeError("a row is no object")
        elif channel in BOOK_DEPTH:
            for level in (*row.get("asks", ()), *row.get("bids", ())):
                if not isinstance(level, list):
                    raise TypeError("a level is no array")
                _number(level[0])
                _number(level[1])
        elif channel in ("trades", "trades-all"):
            for name in ("px", "sz", "ts", "tradeId"):
                _number(row[name])


def _number(value: Any) -> Decimal:
    """Return a price, size, id or time. 1e999999999 is refused: written out, it fills the memory."""
    number = Decimal(str(value)[:64])
    if not number.is_finite() or not -40 <= number.adjusted() <= 40:
        raise ValueError(f"{str(value)[:64]!r} is out of range")
    return number
