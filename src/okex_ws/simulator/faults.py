"""Faults: scripted, seeded trouble. In: `Faults.parse(["drop channel=books nth=50", ...])` or `Fault("drop", nth=50)`.

Out: ActiveFaults, which returns at each stage the faults that are due. The code of each stage applies them: the
connections, `corruption`, the exchange, the order gateways, REST. Times are in seconds ("10s", "250ms", "2m", 1.5) from
the exchange's start and kept as int ns.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from okex_ws.simulator.fault_kinds import KINDS, SELECTORS
from okex_ws.simulator.seeded_random import SeededRandom


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
