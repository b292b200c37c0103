"""Corruption: the effect of the push faults on a frame. In: a push as a plain message. Out: the changed message or bytes.

Sources: the shapes are OKX V5's (and, for foreign frames, OKEX V3's and V1's); the faults are rows C1 to C8 and D7 to D20
of the fault catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from okex_ws.simulator.faults import Fault
from okex_ws.simulator.seeded_random import SeededRandom

Message = dict[str, Any]


@dataclass(slots=True)
class CorruptionContext:
    """Context of a corruption: the fault, its random numbers, and the full published book of the instrument (None: no book)."""

    fault: Fault
    random: SeededRandom
    book: Callable[[], Message | None]


def _level(price: str, size: str, like: list[Any]) -> list[Any]:
    count = "0" if size == "0" else "1"
    return [price, size, "0", count] if len(like) != 3 else [price, size, count]


def _off_tick(price: str) -> str:
    return price + ("5" if "." in price else ".5")


def _is_book(message: Message) -> bool:
    rows = message.get("data")
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and "asks" in rows[0] and "bids" in rows[0]


def _crossed(message: Message, context: CorruptionContext) -> None:
    book = context.book()
    if not _is_book(message) or not book or not book["asks"]:
        return
    asks = book["asks"]
    price = str(asks[min(2, len(asks) - 1)][0])
    row = message["data"][0]
    row["bids"] = [_level(price, "1", asks[0]), *(level for level in row["bids"] if level[0] != price)]


def _emptied(sides: tuple[str, ...]) -> Callable[[Message, CorruptionContext], None]:
    def corrupt(message: Message, context: CorruptionContext) -> None:
        if not _is_book(message):
            return
        row = message["data"][0]
        for side in sides:
            if message.get("action") != "update":
                row[side] = []
                continue
            known = context.book() or {"asks": [], "bids": []}
            levels = {str(level[0]): level for level in (*known[side], *row[side])}
            ordered = sorted(levels.values(), key=lambda level: Decimal(level[0]), reverse=side == "bids")
            row[side] = [_level(level[0], "0", level) for level in ordered]

    return corrupt


def _one_sided(message: Message, context: CorruptionContext) -> None:
    _emptied((context.fault.options["side"],))(message, context)


def _foreign_levels(message: Message, context: CorruptionContext) -> None:
    if not _is_book(message):
        return
    book = context.book() or {}
    for side in ("asks", "bids"):
        levels = message["data"][0][side]
        known = book.get(side) or levels
        if known:
            levels.append(_level(_off_tick(str(known[-1][0])), "0", known[-1]))


def _checksum_wrong(message: Message, context: CorruptionContext) -> None:
    if _is_book(message) and "checksum" in message["data"][0]:
        message["data"][0]["checksum"] = -1 - context.random.below(1 << 31)


def _back(message: Message, context: CorruptionContext) -> None:
    shift = context.fault.options["seconds"] // 1_000_000
    for row in message["data"]:
        if isinstance(row, dict) and "ts" in row:
            row["ts"] = str(int(row["ts"]) - shift)


def _extra_field(message: Message, context: CorruptionContext) -> None:
    name = context.fault.options["name"]
    message[name] = {"new": True}
    for row in message["data"]:
        if isinstance(row, dict):
            row[name] = "unheard of"
        else:
            row.append("unheard of")


def _missing_field(message: Message, context: CorruptionContext) -> None:
    name = context.fault.options["name"]
    message.pop(name, None)
    for row in message.get("data", ()):
        if isinstance(row, dict):
            row.pop(name, None)


_BAD_TYPES = ("null_data", "dict_data", "text_data", "short_level", "long_level", "empty_price", "number_price")


def _bad_types(message: Message, context: CorruptionContext) -> None:
    what = context.fault.options["what"] or context.random.choice(_BAD_TYPES if _is_book(message) else _BAD_TYPES[:3])
    if what == "null_data":
        message["data"] = None
    elif what == "dict_data":
        message["data"] = {"row": "not a list"}
    elif what == "text_data":
        message["data"] = "not a list"
    elif _is_book(message):
        for side in ("asks", "bids"):
            for level in message["data"][0][side]:
                if what == "short_level":
                    del level[2:]
                elif what == "long_level":
                    level.append("?")
                else:
                    level[0] = "" if what == "empty_price" else float(level[0])
    else:
        for row in message["data"]:
            if isinstance(row, dict) and "px" in row:
                row["px"] = float(row["px"]) if what == "number_price" else ""


CORRUPTIONS: dict[str, Callable[[Message, CorruptionContext], None]] = {
    "crossed": _crossed,
    "one_sided": _one_sided,
    "empty_book": _emptied(("asks", "bids")),
    "unknown_delete": _foreign_levels,
    "zero_size_in_snapshot": _foreign_levels,
    "checksum_wrong": _checksum_wrong,
    "late": _back,
    "ts_back": _back,
    "extra_field": _extra_field,
    "missing_field": _missing_field,
    "bad_types": _bad_types,
}
"""Kind -> function that changes the message in place."""

HEALED = frozenset({"one_sided", "empty_book"})
"""Kinds after which the next push of the subscription is a full snapshot, which restores the book."""


def truncated(payload: bytes, fault: Fault) -> bytes:
    """Return the first `bytes` of a frame, half of it by default."""
    return payload[: fault.options["bytes"] or len(payload) // 2]


def corrected_candle(message: Message) -> Message | None:
    """Return a closed candle with another close price; None if the message has no closed candle."""
    rows = [list(row) for row in message["data"] if isinstance(row, list) and row[-1] == "1"]
    if not rows:
        return None
    for row in rows:
        row[4] = row[1] if row[4] != row[1] else row[2]
    return {**message, "data": rows}


def _restated_order(message: Message) -> Message:
    """Return an order push with a later uTime, as OKX may send it."""
    rows = [{**row, "uTime": str(int(row["uTime"]) + 1)} for row in message["data"]]
    return {**message, "data": rows}


REPEATS: dict[str, Callable[[Message], Message | None]] = {
    "candle_correction": corrected_candle,
    "restated_order": _restated_order,
}
"""Kind -> function that returns a changed repetition of a push, None for none."""


def _garbage(message: Message, context: CorruptionContext) -> bytes:
    size = context.fault.options["bytes"]
    if context.fault.options["utf8"]:
        return bytes(32 + context.random.below(95) for _ in range(size))
    return b"\xff" + bytes(context.random.below(256) for _ in range(max(0, size - 1)))


def _unknown_channel(message: Message, context: CorruptionContext) -> bytes:
    return msgspec.json.encode({"arg": {**message["arg"], "channel": "brand-new-channel"}, "data": [{"x": "1", "ts": "0"}]})


def _wrong_dialect(message: Message, context: CorruptionContext) -> bytes:
    instrument = message["arg"].get("instId", "BTC-USDT")
    if context.fault.options["version"] == 1:
        pair = instrument.lower().replace("-", "_")
        return msgspec.json.encode([{"binary": 0, "channel": f"ok_sub_spot_{pair}_ticker", "data": {"last": "1"}}])
    return msgspec.json.encode({"table": "spot/ticker", "data": [{"instrument_id": instrument, "last": "1"}]})


def _big_frame(message: Message, context: CorruptionContext) -> bytes:
    head, tail = b'{"arg":{"channel":"instruments","instType":"SPOT"},"data":[{"instId":"', b'"}]}'
    size: int = context.fault.options["size"]
    return head + b"X" * max(0, size - len(head) - len(tail)) + tail


def _inject(message: Message, context: CorruptionContext) -> bytes:
    return str(context.fault.options["text"]).encode("utf-8", "surrogatepass")


EXTRA_FRAMES: dict[str, Callable[[Message, CorruptionContext], bytes]] = {
    "garbage": _garbage,
    "unknown_channel": _unknown_channel,
    "wrong_dialect": _wrong_dialect,
    "big_frame": _big_frame,
    "inject": _inject,
}
"""Kind -> function that returns a frame to send before the push; the push itself is not changed."""
