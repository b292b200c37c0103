"""Tables: which table an event belongs to, its columns, and how many events become one batch of columns.

Columns are derived from the fields of the event class, so a channel added to `events` has its table at once. Every table has
time, ts_event, ts_recv, instrument, channel first and backfilled, recorder, n, i last. Numbers keep their kind: float, int,
Decimal as DECIMAL(38,18); lists of structs stay nested; objects of no fixed shape are JSON text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from msgspec import inspect

from okex_ws import events
from okex_ws.events import BookEvent, Event
from okex_ws.events.base import Timed

LARGEST = 2**63 - 1
DECIMAL = pa.decimal128(38, 18)
LEVELS = pa.list_(pa.struct([("price", pa.float64()), ("size", pa.float64()), ("order_count", pa.int64())]))

_NAMES: dict[type[Event], str] = {
    events.AccountGreeks: "account_greeks",
    events.BalanceAndPosition: "balances_and_positions",
    events.FundingRate: "funding",
    events.GenericPush: "generic",
    events.OpenInterest: "open_interest",
    events.OptionSummary: "option_summaries",
    events.SystemStatus: "system_status",
}
_OURS = ("ts_recv", "instrument", "channel", "backfilled")
_EXACT = Decimal(1).scaleb(-18)


class Table(msgspec.Struct, frozen=True):
    """One event class as a table. own: the columns that are its alone, by name.

    makes: for each of them, events → column. Chained tables have trade ids, all others are told apart by time and content.
    """

    name: str
    event: type[Event]
    schema: Any
    own: tuple[str, ...]
    makes: tuple[Callable[[Sequence[Any]], Any], ...]

    @property
    def has_ids(self) -> bool:
        """Whether a trade id names a row once per instrument and day."""
        return "trade_id" in self.own and "price" in self.own and "order_id" not in self.own

    def batch(self, rows: Sequence[Any], times: Sequence[int], ns: Sequence[int], indexes: Sequence[int], recorder: str) -> Any:
        """Events of this class, their `event_ns`, journal records and places in them → one pyarrow RecordBatch."""
        received = _integers([row.ts_recv for row in rows])
        happened = _integers(times)
        columns = [
            happened.cast(pa.timestamp("ns")).cast(pa.timestamp("us"), safe=False),
            happened,
            received,
            _texts([getattr(row, "instrument", None) for row in rows]),
            _texts([row.channel for row in rows]),
            *(make(rows) for make in self.makes),
            pa.array([row.backfilled for row in rows], pa.bool_()),
            pa.repeat(pa.scalar(recorder), len(rows)),
            pa.array(ns, pa.int64()),
            pa.array(indexes, pa.int32()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def event_ns(event: Any) -> int:
    """When an event happened, ns; when the exchange's time is out of any calendar, when it was received."""
    ts: int = event.ts_event
    return ts if 0 <= ts <= LARGEST else int(event.ts_recv)


@functools.cache
def table_of(kind: type[Event]) -> Table:
    """The table of an event class."""
    own: list[tuple[str, Any]] = []
    makes: list[Callable[[Sequence[Any]], Any]] = []
    if issubclass(kind, BookEvent):
        for side in ("bids", "asks"):
            own.append((side, LEVELS))
            makes.append(_level_column(f"raw_{side}"))
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        name = field.name
        if name in _OURS or name in ("raw_bids", "raw_asks") or (name == "ts_ms" and issubclass(kind, Timed)):
            continue
        form, convert = _form(field.type)
        own.append((name, form))
        makes.append(_column(name, form, convert))
    schema = pa.schema(
        [
            ("time", pa.timestamp("us")),
            ("ts_event", pa.int64()),
            ("ts_recv", pa.int64()),
            ("instrument", pa.string()),
            ("channel", pa.string()),
            *own,
            ("backfilled", pa.bool_()),
            ("recorder", pa.string()),
            ("n", pa.int64()),
            ("i", pa.int32()),
        ]
    )
    return Table(table_name(kind), kind, schema, tuple(name for name, _ in own), tuple(makes))


def table_name(kind: type[Event]) -> str:
    """trades of Trade, book_updates of BookUpdate, funding of FundingRate."""
    if kind in _NAMES:
        return _NAMES[kind]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()
    return words[:-1] + "ies" if words.endswith("y") else words if words.endswith("s") else words + "s"


@functools.cache
def known_tables() -> dict[str, type[Event]]:
    """Every table this version can write, by name."""
    kinds = [getattr(events, name) for name in events.__all__]
    pushes = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, events.Push)]
    return {table_name(kind): kind for kind in pushes if kind not in (events.Push, events.BookEvent, events.GridUpdate)}


def _column(name: str, form: Any, convert: Callable[[Any], Any] | None) -> Callable[[Sequence[Any]], Any]:
    read = attrgetter(name)

    def make(rows: Sequence[Any]) -> Any:
        values = [read(row) for row in rows] if convert is None else [convert(read(row)) for row in rows]
        try:
            return pa.array(values, form)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            return pa.array([_fitting(value, form) for value in values], form)

    return make


def _level_column(name: str) -> Callable[[Sequence[Any]], Any]:
    read = attrgetter(name)

    def make(rows: Sequence[Any]) -> Any:
        sides = [read(row) for row in rows]
        levels = list(chain.from_iterable(sides))
        sizes = _numbers([level[1] for level in levels], pa.float64(), float)
        counts = _numbers([level[-1] for level in levels], pa.int64(), int)
        is_counted = pc.or_kleene(pc.not_equal(counts, 0), pc.equal(sizes, 0))  # 0 orders of a size: nobody counted
        counts = pc.if_else(is_counted, counts, pa.scalar(None, pa.int64()))
        parts = [_numbers([level[0] for level in levels], pa.float64(), float), sizes, counts]
        offsets = pa.array([0, *accumulate(map(len, sides))], pa.int32())
        struct = pa.StructArray.from_arrays(parts, fields=list(LEVELS.value_type))
        return pa.ListArray.from_arrays(offsets, struct, type=LEVELS)

    return make


def _numbers(texts: list[str], form: Any, parse: Callable[[str], float]) -> Any:
    try:
        return pa.array(texts, pa.string()).cast(form)
    except pa.ArrowException:
        return pa.array([_fitting(_parsed(text, parse), form) for text in texts], form)


def _parsed(text: str, parse: Callable[[str], float]) -> float | None:
    try:
        return parse(text)
    except ValueError:
        return None


def _integers(values: Sequence[int]) -> Any:
    try:
        return pa.array(values, pa.int64())
    except (pa.ArrowException, OverflowError):
        return pa.array([_fitting(value, pa.int64()) for value in values], pa.int64())


def _texts(values: list[str | None]) -> Any:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, UnicodeError):
        return pa.array([_fitting(value, pa.string()) for value in values], pa.string())


def _fitting(value: Any, form: Any) -> Any:
    """The value, or the nearest its column can hold; None when there is none: the journal has the exact text."""
    for nearest in (_same, _nearest):
        try:
            fitting = nearest(value)
            pa.array([fitting], form)
        except (pa.ArrowException, OverflowError, TypeError, ValueError, ArithmeticError):
            continue
        return fitting
    return None


def _same(value: Any) -> Any:
    return value


def _nearest(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.quantize(_EXACT)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    raise TypeError


def _form(described: inspect.Type) -> tuple[Any, Callable[[Any], Any] | None]:
    """A field's type → column type, and what makes values of it fit (None: nothing is needed)."""
    simple: dict[type[inspect.Type], Any] = {
        inspect.IntType: pa.int64(),
        inspect.FloatType: pa.float64(),
        inspect.StrType: pa.string(),
        inspect.BoolType: pa.bool_(),
        inspect.DecimalType: DECIMAL,
    }
    if type(described) in simple:
        return simple[type(described)], None
    if isinstance(described, inspect.UnionType):
        others = [kind for kind in described.types if not isinstance(kind, inspect.NoneType)]
        if len(others) == 1:
            form, convert = _form(others[0])
            return form, None if convert is None else _optional(convert)
    if isinstance(described, inspect.ListType | inspect.VarTupleType):
        form, convert = _form(described.item_type)
        return pa.list_(form), list if convert is None else _each(convert)
    if isinstance(described, inspect.StructType):
        parts = {field.name: _form(field.type) for field in described.fields}
        converts = {name: convert or _same for name, (_, convert) in parts.items()}
        return pa.struct([(name, form) for name, (form, _) in parts.items()]), _nested(converts)
    return pa.string(), _json


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [convert(value) for value in values]


def _nested(converts: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda value: {name: convert(getattr(value, name)) for name, convert in converts.items()}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8", "replace")
