"""Faults: scripted, seeded trouble. In: `Faults.parse(["drop channel=books nth=50", ...])` or `Fault("drop", nth=50)`.

Out: ActiveFaults, which returns at each stage the faults that are due. The code of each stage applies them: the
connections, `corruption`, the exchange, the order gateways, REST. Times are in seconds ("10s", "250ms", "2m", 1.5) from
the exchange's start and kept as int ns. The rows in brackets belong to the project's fault catalogue.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from okex_ws.simulator.seeded_random import SeededRandom

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


def _bad_deflate(value: Any) -> str:
    if value not in BAD_DEFLATES:
        raise ValueError(f"write one of {', '.join(BAD_DEFLATES)}")
    return str(value)


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
        what=(_bad_deflate, "corrupt"),
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


def _path(value: Any) -> str:
    if value not in PATHS:
        raise ValueError(f"paths are {', '.join(PATHS)}")
    return str(value)


SELECTORS: dict[str, Callable[[Any], Any]] = {
    "channel": str,
    "instrument": str,
    "path": _path,
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


def _nearest(word: str, words: Iterable[str]) -> str:
    options = sorted(words)
    close = difflib.get_close_matches(word, options, 1, 0.0)
    return close[0] if close else options[0]


class Fault:
    """One fault: a kind, selectors and the kind's options. Unknown words raise ValueError with the nearest known one.

    With nth, or with at alone on a kind that does not last, it applies once unless `times` is given; without a selector
    of time or count it applies every time.
    """

    __slots__ = (
        "action",
        "at",
        "channel",
        "every",
        "instrument",
        "kind",
        "lasts",
        "nth",
        "options",
        "path",
        "probability",
        "repeat",
        "times",
    )

    def __init__(self, kind: str, **settings: Any) -> None:
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}: did you mean {_nearest(kind, KINDS)!r}?")
        known = KINDS[kind]
        self.kind = kind
        self.options: dict[str, Any] = {name: default for name, (_, default) in known.options.items()}
        chosen: dict[str, Any] = dict.fromkeys(SELECTORS)
        for given, value in settings.items():
            name = given.rstrip("_")
            if name == "after_frames":
                name = "nth"
            reader = known.options[name][0] if name in known.options else SELECTORS.get(name)
            if reader is None:
                hint = _nearest(name, [*known.options, *SELECTORS])
                raise ValueError(f"fault {kind!r} has no option {name!r}: did you mean {hint!r}?")
            try:
                value = reader(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"fault {kind!r}: {name}={value!r} is invalid: {error}") from error
            if name in known.options:
                self.options[name] = value
            else:
                chosen[name] = value
        self.channel: str | None = chosen["channel"]
        self.instrument: str | None = chosen["instrument"]
        self.path: str | None = chosen["path"]
        self.action: str | None = chosen["action"]
        self.nth: int | None = chosen["nth"]
        self.every: int | None = chosen["every"]
        self.probability: float | None = chosen["probability"]
        self.at: int | None = chosen["at"]
        self.lasts: int | None = chosen["for"]
        self.repeat: int | None = chosen["repeat"]
        self.times: int | None = chosen["times"]
        if kind == "die_after_frames" and self.nth is None:
            self.nth = max(1, self.options["frames"])
        elif self.times is None and self.lasts is None and self.repeat is None and kind != "die_after_frames":
            counted = self.every is not None or self.probability is not None
            if self.nth is not None or (self.at is not None and not counted and not known.lasting):
                self.times = 1

    @property
    def stage(self) -> str:
        """Stage of the exchange at which it applies, such as open, line, ack, push, rest, order or clock."""
        return KINDS[self.kind].stage

    @property
    def is_timed(self) -> bool:
        """True if a time triggers it, not a frame."""
        counted = self.nth is not None or self.every is not None or self.probability is not None
        return self.at is not None and not counted and self.stage in ("line", "market")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read "drop channel=books nth=50"."""
        words = shlex.split(text)
        if not words:
            raise ValueError("an empty fault: write a kind, for instance 'drop channel=books nth=50'")
        settings: dict[str, Any] = {}
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"fault {words[0]!r}: {word!r} is not name=value")
            settings[name] = value
        return cls(words[0], **settings)

    def __repr__(self) -> str:
        set_ones = {n: getattr(self, n) for n in self.__slots__ if n not in ("kind", "options")}
        shown = {**{n: v for n, v in set_ones.items() if v is not None}, **self.options}
        return f"Fault({self.kind!r}, {', '.join(f'{n}={v!r}' for n, v in shown.items())})"


class Faults(Sequence[Fault]):
    """Script of faults. It has no state, so one script can serve any number of exchanges."""

    def __init__(self, faults: Iterable[Fault | str] = ()) -> None:
        self._faults = tuple(Fault.parse(f) if isinstance(f, str) else f for f in faults)

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Faults:
        """Read one fault per line."""
        return cls(Fault.parse(line) for line in lines)

    @staticmethod
    def kinds() -> dict[str, str]:
        """Return kind -> one line of help with its options."""
        listed = {}
        for name, kind in KINDS.items():
            options = " ".join(f"{option}=" for option in kind.options)
            listed[name] = kind.help + (f" ({options})" if options else "")
        return listed

    def __getitem__(self, index: Any) -> Any:
        return self._faults[index]

    def __len__(self) -> int:
        return len(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)


class ActiveFaults:
    """Faults of one exchange with their counters and random numbers. `start` is the exchange's (ns)."""

    def __init__(self, faults: Iterable[Fault], seed: int, start: int) -> None:
        self.start = start
        self._faults = tuple(faults)
        self._random = SeededRandom(seed).fork("faults")
        self._stages: dict[str, list[int]] = {}
        for index, fault in enumerate(self._faults):
            if not fault.is_timed:
                self._stages.setdefault(fault.stage, []).append(index)
        self._counts: dict[tuple[int, int], int] = {}
        self._streams: dict[tuple[int, int], SeededRandom] = {}
        self._used = [0] * len(self._faults)

    def has(self, stage: str) -> bool:
        """True if a frame or a request can trigger any fault at this stage."""
        return stage in self._stages

    def timed(self) -> list[tuple[int, Fault]]:
        """Return the faults that a time triggers, with their first instant (ns)."""
        return [(self.start + (fault.at or 0), fault) for fault in self._faults if fault.is_timed]

    def random(self, fault: Fault, line: int) -> SeededRandom:
        """Return the fault's own random numbers on this connection."""
        return self._stream(self._faults.index(fault), line)

    def use(self, fault: Fault) -> bool:
        """Count one application of a timed fault; False if none is left."""
        index = self._faults.index(fault)
        if fault.times is not None and self._used[index] >= fault.times:
            return False
        self._used[index] += 1
        return True

    def due(
        self,
        stage: str,
        now: int,
        line: int,
        *,
        path: str = "",
        channel: str = "",
        key: str = "",
        action: str = "",
        target: str = "",
        traits: Collection[str] = (),
        only: Collection[str] | None = None,
        also: str = "",
    ) -> list[Fault]:
        """Count a frame or request of a connection (0: none) and return the faults that apply. also: V5's name of the channel."""
        indexes = self._stages.get(stage)
        if not indexes:
            return []
        due: list[Fault] = []
        for index in indexes:
            fault = self._faults[index]
            if (
                (fault.channel is not None and not (fnmatchcase(channel, fault.channel) or fnmatchcase(also, fault.channel)))
                or (fault.instrument is not None and not fnmatchcase(key, fault.instrument))
                or (fault.path is not None and fault.path != path)
                or (fault.action is not None and fault.action != action)
                or not _is_target(target, fault.options.get("target", "*"))
                or (only is not None and fault.kind not in only)
                or (KINDS[fault.kind].needs and KINDS[fault.kind].needs not in traits)
            ):
                continue
            if fault.at is not None or fault.lasts is not None:
                begin = self.start + (fault.at or 0)
                if now < begin or (fault.lasts is not None and now >= begin + fault.lasts):
                    continue
            if fault.times is not None and self._used[index] >= fault.times:
                continue
            if not self._chance(index, fault, line):
                continue
            self._used[index] += 1
            due.append(fault)
        return due

    def _chance(self, index: int, fault: Fault, line: int) -> bool:
        if fault.nth is not None or fault.every is not None:
            count = self._counts[index, line] = self._counts.get((index, line), 0) + 1
            if fault.nth is not None and count != fault.nth:
                return False
            if fault.every is not None and (fault.every == 0 or count % fault.every):
                return False
        return fault.probability is None or self._stream(index, line).chance(fault.probability)

    def _stream(self, index: int, line: int) -> SeededRandom:
        stream = self._streams.get((index, line))
        if stream is None:
            stream = self._streams[index, line] = self._random.fork(f"{index}/{line}")
        return stream


def _is_target(path: str, pattern: str) -> bool:
    """True if a pattern matches a REST endpoint: its path behind /api/v5/, or the last part of it."""
    return fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)
