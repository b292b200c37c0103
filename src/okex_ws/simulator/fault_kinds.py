"""Kinds of faults: their stage, help text and options; selectors and durations of every fault.

The rows in brackets belong to the project's fault catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BAD_DEFLATES = ("corrupt", "truncated", "doubled", "zlib", "gzip", "bomb")
"""Ways in which a frame of V1 or V3 does not inflate as it should; `legacy/deflate.py` makes them."""

_UNITS = (("ms", 1e6), ("us", 1e3), ("ns", 1.0), ("s", 1e9), ("m", 60e9), ("h", 3600e9))


def nanoseconds(value: Any) -> int:
    """Return a duration in ns: from a number of seconds, or a text such as "10s", "250ms", "2m", "1h"."""
    if isinstance(value, str):
        for unit, factor in _UNITS:
            if value.endswith(unit):
                return round(float(value[: -len(unit)]) * factor)
    return round(float(value) * 1e9)


def _count(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise ValueError("write a whole number") from None
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _share(value: Any) -> float:
    share = float(str(value).rstrip("%")) / (100 if str(value).endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError("must be between 0 and 1")
    return share


def _one_of(*options: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in options:
            raise ValueError(f"write one of {', '.join(options)}")
        return str(value)

    return read


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault: its stage, one line of help, its options (name -> (reader, default)).

    lasting: given `at` alone, the fault never ends. needs: only frames with this trait (book, linked, update, snapshot,
    checksum, stamped, closed_candle, order) are affected and counted.
    """

    stage: str
    help: str
    options: dict[str, tuple[Callable[[Any], Any], Any]]
    lasting: bool = False
    needs: str = ""


def _kind(
    stage: str, line: str, /, *, lasting: bool = False, needs: str = "", **options: tuple[Callable[[Any], Any], Any]
) -> FaultKind:
    return FaultKind(stage, line, options, lasting, needs)


_WHICH_CONNECTIONS = (str, "all")

KINDS: dict[str, FaultKind] = {
    "refuse_connect": _kind(
        "open",
        "answer the upgrade with an HTTP status instead of 101 [A1 A3]",
        lasting=True,
        status=(_count, 503),
        retry_after=(str, ""),
        location=(str, ""),
    ),
    "slow_open": _kind("hold", "accept TCP, then hold the handshake [A2 A16]", seconds=(nanoseconds, 15 * 10**9)),
    "close": _kind(
        "line",
        "send a close frame [A7 B14]",
        code=(_count, 1001),
        reason=(str, ""),
        whom=_WHICH_CONNECTIONS,
    ),
    "abort": _kind("line", "reset TCP without a close frame [A5 A6]", whom=_WHICH_CONNECTIONS),
    "freeze": _kind("line", "half-open: stop reading and writing, keep TCP [A8]", whom=_WHICH_CONNECTIONS),
    "die_after_frames": _kind("line", "reset TCP after this many pushes [A12]", frames=(_count, 1)),
    "notice": _kind("line", "announce a service upgrade (64008), close notice_s later [A13]", whom=_WHICH_CONNECTIONS),
    "kick_all": _kind("line", "reset every connection at once [A14]"),
    "ignore_ping": _kind("ping", "do not answer text pings [A10]", lasting=True),
    "drop_ack": _kind("ack", "lose an ack; channel=login for logins [B1 B10]"),
    "delay_ack": _kind("ack", "send an ack late [B2 B10]", seconds=(nanoseconds, 5 * 10**9)),
    "error_ack": _kind("ack", "refuse a subscription with a code [B3 B4 B9]", code=(str, "60018")),
    "conn_count_error": _kind("ack", "ack, then end the subscription: channel-conn-count-error [B8]"),
    "no_snapshot": _kind("ack", "start a book channel without a snapshot [D5]", needs="linked"),
    "linger": _kind("ack", "keep pushing after an unsubscribe ack [B6]", frames=(_count, 3)),
    "drop": _kind("push", "lose a push; the chain goes on without it [D1 D15]"),
    "duplicate": _kind("push", "send a push twice [D2]"),
    "swap": _kind("push", "send a push after the next one of its subscription [D2]"),
    "delay": _kind("push", "hold a subscription's pushes back, in order [A15]", seconds=(nanoseconds, 10**9), lasting=True),
    "mute": _kind("push", "lose every push while it lasts [A9]", lasting=True),
    "resnapshot": _kind("push", "send a second snapshot in mid-stream [D6 B5]", needs="linked"),
    "crossed": _kind("push", "add a bid above the best ask [D9]", needs="book"),
    "one_sided": _kind("push", "empty one side of the book until the next push [D8]", needs="book", side=(str, "asks")),
    "empty_book": _kind("push", "empty both sides of the book until the next push [D8]", needs="book"),
    "unknown_delete": _kind("push", "delete levels the book never had [D7]", needs="update"),
    "zero_size_in_snapshot": _kind("push", "levels of size 0 in a snapshot [D7]", needs="snapshot"),
    "checksum_wrong": _kind("push", "a non-zero checksum that does not verify [D10]", needs="checksum"),
    "late": _kind(
        "push",
        "exchange time stamps that lie this far back [D19]",
        needs="stamped",
        seconds=(nanoseconds, 10 * 10**9),
        lasting=True,
    ),
    "ts_back": _kind("push", "one exchange time stamp that jumps back [D19]", needs="stamped", seconds=(nanoseconds, 10 * 10**9)),
    "candle_correction": _kind("push", "repeat a closed candle with another close price [D20]", needs="closed_candle"),
    "extra_field": _kind("push", "add unknown fields [C6]", name=(str, "surprise")),
    "missing_field": _kind(
        "push", "leave a field out: arg, data, ts, seqId, prevSeqId, checksum ... [C7]", name=(str, "prevSeqId")
    ),
    "bad_types": _kind(
        "push",
        "null_data, dict_data, text_data, short_level, long_level, empty_price or number_price [C5 B15]",
        what=(str, ""),
    ),
    "truncate": _kind("push", "cut the JSON short (the rest is lost) [C1]", bytes=(_count, 0)),
    "bad_deflate": _kind(
        "push",
        f"V1, V3: a frame that does not inflate as it should: {', '.join(BAD_DEFLATES)} [C10 C11]",
        what=(_one_of(*BAD_DEFLATES), "corrupt"),
        size=(_count, 1 << 28),
    ),
    "garbage": _kind(
        "push", "add a frame of random bytes, not UTF-8 unless utf8=1 [C1 C2]", bytes=(_count, 64), utf8=(_count, 0)
    ),
    "inject": _kind("push", "add a frame of this text [C1 C3 C4]", text=(str, "")),
    "unknown_channel": _kind("push", "add a push of an unknown channel [C6]"),
    "wrong_dialect": _kind("push", "add a frame as OKEX V3 or V1 sent it [B17]", version=(_count, 3)),
    "big_frame": _kind("push", "add a frame of this many bytes [C8]", size=(_count, 1_200_000)),
    "overtaken": _kind("push", "hold one push back while later ones pass [F7]", seconds=(nanoseconds, 10**9)),
    "restated_order": _kind("push", "repeat an order push with a later uTime [F8]", needs="order"),
    "order_lost": _kind(
        "order", "a request about orders never arrives; drop=1: and the connection is reset [F3]", drop=(_count, 0)
    ),
    "order_then_drop": _kind("order", "execute a request about orders, then reset the connection instead of an ack [F1]"),
    "order_answer": _kind(
        "order",
        "answer a request about orders with an error; obey=0: without executing it [F2 F12 F23]",
        code=(str, "50004"),
        status=(_count, 503),
        obey=(_count, 1),
    ),
    "slow_order": _kind(
        "order",
        "a request about orders takes this long on its way; inside=1: in the exchange [F16]",
        seconds=(nanoseconds, 10**9),
        inside=(_count, 0),
    ),
    "order_refused": _kind(
        "item",
        "refuse one order, amend or cancel with this sCode; obey=1: although it is executed [F2 F10 F11 F12 F18]",
        code=(str, "51008"),
        obey=(_count, 0),
    ),
    "amend_fails": _kind("item", "accept an amend, then report that it failed (amendResult -1 or 1) [F10]"),
    "code_unknown": _kind("item", "refuse the instIdCode that the exchange itself publishes: 51001 [F10]", lasting=True),
    "hide_order": _kind(
        "lookup",
        "an order is not found (51603) by its first lookups on REST; seconds=: only up to this age [F4]",
        lookups=(_count, 3),
        seconds=(nanoseconds, 0),
    ),
    "maintenance": _kind(
        "service",
        "orders and private REST are unavailable: 50001 [F23]",
        lasting=True,
        code=(str, "50001"),
        status=(_count, 503),
    ),
    "clock_skew": _kind(
        "clock", "the exchange's clock is off by this, either way [B12 F21]", lasting=True, seconds=(nanoseconds, 35 * 10**9)
    ),
    "key_deleted": _kind("market", "delete an API key: its connections close with 4007 (at=) [B14]", api_key=(str, "*")),
    "seq_reset": _kind("mint", "restart an instrument's sequence ids low, as after maintenance [D3]"),
    "instrument_change": _kind(
        "market",
        "change an instrument's row on REST and `instruments` (instrument=, at=) [D21]",
        tickSz=(str, None),
        lotSz=(str, None),
        minSz=(str, None),
        state=(str, None),
        expTime=(str, None),
        instIdCode=(_count, None),
    ),
    "stale_rest_book": _kind("rest", "a REST book older than the stream [D13]", seconds=(nanoseconds, 5 * 10**9)),
    "rest_error": _kind(
        "rest",
        "a REST error of an endpoint (target=trade/* or the last part of a path): HTTP status and OKX code [D16]",
        status=(_count, 429),
        code=(str, "50011"),
        target=(str, "*"),
    ),
    "rest_empty": _kind("rest", "a REST reply without rows [D16]", target=(str, "*")),
    "rest_unsorted": _kind("rest", "REST rows out of order [D16]", target=(str, "*")),
    "rest_overlap": _kind("rest", "REST pages that repeat rows of the page before [D16]", rows=(_count, 10), target=(str, "*")),
}

PATHS = ("public", "business", "private", "rest", "v1", "v3")

SELECTORS: dict[str, Callable[[Any], Any]] = {
    "channel": str,
    "instrument": str,
    "path": _one_of(*PATHS),
    "action": str,
    "nth": _count,
    "every": _count,
    "probability": _share,
    "at": nanoseconds,
    "for": nanoseconds,
    "repeat": nanoseconds,
    "times": _count,
}
"""Selectors of every fault: when it applies. channel and instrument may contain "*"; nth and every count per connection;
at, for and repeat are times from the exchange's start; times limits the applications on the whole exchange. action: of a
book push snapshot or update, of an order push the order's state, of an account push snapshot or event_update, of a request
about orders order, amend, cancel or mass-cancel. path: one of PATHS."""
