"""open_sink: creates the sink of a URL, not yet connected."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from okex_ws.sinks.files import CsvSink, JsonlSink, StdoutSink
from okex_ws.sinks.nats import NatsSink
from okex_ws.sinks.postgres import PostgresSink
from okex_ws.sinks.redis import RedisSink
from okex_ws.sinks.sink import Sink, SinkError, mask
from okex_ws.sinks.sqlite import SqliteSink

_SCHEMES: dict[str, Callable[[str], Sink]] = {
    "sqlite": SqliteSink.from_url,
    "postgresql": PostgresSink.from_url,
    "postgres": PostgresSink.from_url,
    "redis": RedisSink.from_url,
    "rediss": RedisSink.from_url,
    "nats": NatsSink.from_url,
    "tls": NatsSink.from_url,
}

_KNOWN = "sqlite:///file.db, postgresql://, redis://, nats://, a name that ends in .jsonl or .csv, and - for standard output"


def open_sink(url: str) -> Sink:
    """Return the sink of a URL; `await sink.open()` connects it. Raises SinkError, one line, for an unknown URL."""
    if url == "-":
        return StdoutSink()
    scheme, found, rest = url.partition("://")
    if found and scheme.lower() in _SCHEMES:
        return _SCHEMES[scheme.lower()](url)
    if found and scheme.lower() != "file":
        near = difflib.get_close_matches(scheme.lower(), _SCHEMES, 1)
        hint = f"; did you mean {near[0]}://?" if near else "."
        raise SinkError(f"{mask(url)}: unknown sink {scheme}://{hint} Sinks: {_KNOWN}")
    path = rest if found else url
    if path.endswith(".jsonl"):
        return JsonlSink(path)
    if path.endswith(".csv"):
        return CsvSink(path)
    raise SinkError(f"{mask(url)}: not a sink. Sinks: {_KNOWN}")
