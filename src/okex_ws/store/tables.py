"""Tables: the table of an event class, its columns, and the conversion of many events to one batch of columns.

Columns are derived from the fields of the event class, so a new class in `events` has its table at once. Every table has
time, ts_event, ts_recv, instrument, channel first and backfilled, recorder, n, i last. Numbers keep their kind: float, int,
Decimal as DECIMAL(38,18); lists of structs stay nested; objects of variable shape become JSON text.
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
from pyarrow import csv

from okex_ws import events
from okex_ws.events import BookEvent, Event
from okex_ws.events.base import Timed

LARGEST = 2**63 - 1
DECIMAL = pa.decimal128(38, 18)
LEVELS = pa.list_(pa.struct([("price", pa.float64()), ("size", pa.float64()), ("order_count", pa.int64())]))
_NONE, _NOTHING, _UNKNOWN = pa.scalar(0, pa.int64()), pa.scalar(0.0, pa.float64()), pa.scalar(None, pa.int64())

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
_SIDES = ("raw_bids", "raw_asks")
_EXACT = Decimal(1).scaleb(-18)


class Table(msgspec.Struct, frozen=True):
    """One event class as a table. own: its additional columns, by name.

    keep: event → values of its row, so that no event object has to wait for its batch. makes: values → column, one for each of
    `own`. Chained tables have trade ids; rows of all others are identified by time and content.
    """

    name: str
    event: type[Event]
    schema: Any
    own: tuple[str, ...]
    keep: Callable[[Any], tuple[Any, ...]]
    makes: tuple[Callable[[Sequence[Any]], Any], ...]

    @property
    def has_ids(self) -> bool:
        """True if a trade id identifies a row within an instrument and day."""
        return "trade_id" in self.own and "price" in self.own and "order_id" not in self.own

    def batch(
        self,
        rows: Sequence[tuple[Any, ...]],
        instrument: str,
        times: Sequence[int],
        ns: Sequence[int],
        indexes: Sequence[int],
        recorder: str,
    ) -> Any:
        """Return a RecordBatch from the `keep` values of one instrument's events, their `event_ns`, journal records and
        indexes.
        """
        received, channels, backfilled, *own = zip(*rows, strict=True)
        happened = _integers(times)
        columns = [
            happened.cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("us", "UTC"), safe=False),
            happened,
            _integers(received),
            pa.repeat(_texts([instrument if hasattr(self.event, "instrument") else None])[0], len(rows)),
            _texts(channels),
            *(make(values) for make, values in zip(self.makes, own, strict=True)),
            pa.array(backfilled, pa.bool_()),
            pa.repeat(pa.scalar(recorder), len(rows)),
            pa.array(ns, pa.int64()),
            pa.array(indexes, pa.int32()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def event_ns(event: Any) -> int:
    """Return the time of an event, ns; its receive time if the exchange's time is out of the calendar's range."""
    ts: int = event.ts_event
    return ts if 0 <= ts <= LARGEST else int(event.ts_recv)


@functools.cache
def table_of(kind: type[Event]) -> Table:
    """Return the table of an event class."""
    own: list[tuple[str, Any]] = []
    makes: list[Callable[[Sequence[Any]], Any]] = []
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    keep = _reader(described)
    if issubclass(kind, BookEvent):
        own += [("bids", LEVELS), ("asks", LEVELS)]
        makes += [_level_column(_width(described))] * 2
    for field in _plain_fields(described):
        form, convert = _form(field.type)
        own.append((field.name, form))
        makes.append(_column(form, convert))
    schema = pa.schema(
        [
            ("time", pa.timestamp("us", "UTC")),
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
    return Table(table_name(kind), kind, schema, tuple(name for name, _ in own), keep, tuple(makes))


def table_name(kind: type[Event]) -> str:
    """Return the table name of a class: trades for Trade, book_updates for BookUpdate, funding for FundingRate."""
    if kind in _NAMES:
        return _NAMES[kind]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()
    return words[:-1] + "ies" if words.endswith("y") else words if words.endswith("s") else words + "s"


@functools.cache
def known_tables() -> dict[str, type[Event]]:
    """Return every table this version can write, by name."""
    kinds = [getattr(events, name) for name in events.__all__]
    pushes = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, events.Push)]
    return {table_name(kind): kind for kind in pushes if kind not in (events.Push, events.BookEvent, events.GridUpdate)}


def _plain_fields(described: inspect.StructType) -> list[inspect.Field]:
    """Return the fields that become a column unchanged."""
    is_timed = issubclass(described.cls, Timed)
    other = (*_OURS, *_SIDES, *(("ts_ms",) if is_timed else ()))
    return [field for field in described.fields if field.name not in other]


def _reader(described: inspect.StructType) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that extracts a row's values. Levels of a book become two texts: hundreds of small objects that
    live on cost more than the conversion, in cold memory and in garbage collections.
    """
    read = attrgetter("ts_recv", "channel", "backfilled", *(field.name for field in _plain_fields(described)))
    if not issubclass(described.cls, BookEvent):
        return read

    def keep(event: Any) -> tuple[Any, ...]:
        ts_recv, channel, backfilled, *plain = read(event)
        return ts_recv, channel, backfilled, _lines(event.raw_bids), _lines(event.raw_asks), *plain

    return keep


def _lines(levels: list[tuple[str, ...]]) -> str | list[tuple[str, ...]]:
    """Return levels as CSV, a line each; unchanged if a level contains a CSV delimiter."""
    if not levels:
        return ""
    lines = "\n".join(map(",".join, levels))
    is_plain = lines.count("\n") == len(levels) - 1 and lines.count(",") == len(levels) * (len(levels[0]) - 1)
    return lines if is_plain and "\r" not in lines else levels


def _levels(lines: str) -> list[tuple[str, ...]]:
    """Return the levels of CSV lines; the inverse of `_lines`."""
    return [tuple(line.split(",")) for line in lines.split("\n")] if lines else []


def _width(described: inspect.StructType) -> int:
    """Return the number of texts in a level."""
    levels = next(field.type for field in described.fields if field.name == "raw_bids")
    assert isinstance(levels, inspect.ListType)
    assert isinstance(levels.item_type, inspect.TupleType)
    return len(levels.item_type.item_types)


def _column(form: Any, convert: Callable[[Any], Any] | None) -> Callable[[Sequence[Any]], Any]:
    def make(values: Sequence[Any]) -> Any:
        if convert is not None:
            values = [convert(value) for value in values]
        try:
            return pa.array(values, form)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            return pa.array([_fitting(value, form) for value in values], form)

    return make


def _level_column(width: int) -> Callable[[Sequence[Any]], Any]:
    read = csv.ReadOptions(column_names=[str(place) for place in range(width)], use_threads=False, block_size=1 << 30)
    parse = csv.ParseOptions(quote_char=False, ignore_empty_lines=False)
    kinds = {"0": pa.float64(), "1": pa.float64(), str(width - 1): pa.int64()}
    convert = csv.ConvertOptions(column_types=kinds, include_columns=list(kinds), null_values=[])

    def make(sides: Sequence[str | list[tuple[str, ...]]]) -> Any:
        try:
            text = "\n".join(filter(None, sides))  # type: ignore[arg-type]  # a list is found out
            table = csv.read_csv(pa.py_buffer(text.encode()), read, parse, convert)
            prices, sizes, counts = (column.combine_chunks() for column in table.columns)
            lengths = [side.count("\n") + 1 if side else 0 for side in sides]  # type: ignore[arg-type]
        except (TypeError, UnicodeError, pa.ArrowException):
            rows = [_levels(side) if isinstance(side, str) else side for side in sides]
            levels = list(chain.from_iterable(rows))
            prices, sizes = (_numbers([level[place] for level in levels], pa.float64(), float) for place in (0, 1))
            counts = _numbers([level[-1] for level in levels], pa.int64(), int)
            lengths = list(map(len, rows))
        is_counted = pc.or_kleene(pc.not_equal(counts, _NONE), pc.equal(sizes, _NOTHING))  # 0 orders: unknown
        counts = pc.if_else(is_counted, counts, _UNKNOWN)
        offsets = pa.array([0, *accumulate(lengths)], pa.int32())
        struct = pa.StructArray.from_arrays([prices, sizes, counts], fields=list(LEVELS.value_type))
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


def _texts(values: Sequence[str | None]) -> Any:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, UnicodeError):
        return pa.array([_fitting(value, pa.string()) for value in values], pa.string())


def _fitting(value: Any, form: Any) -> Any:
    """Return the value, or the nearest one that fits its column; None if there is none: the journal has the exact text."""
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
    """Return the column type of a field type, and the function that fits values into it (None: not needed)."""
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
