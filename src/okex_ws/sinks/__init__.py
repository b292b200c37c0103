"""In: events with their stable ids, a URL. Out: the same events, once, in files, databases, caches and brokers.
May import: journal, market, protocol's pacing, events, wire; a broker's library only inside its sink's `open()`.
One file per kind of target; `Spool` drives any of them from a durable position.
"""

from okex_ws.sinks.opening import open_sink
from okex_ws.sinks.sink import Sink, SinkClosedError, SinkError, SinkUnreachableError, mask
from okex_ws.sinks.spool import EventSource, Spool, SpoolStatus, spool_name

__all__ = [
    "EventSource",
    "Sink",
    "SinkClosedError",
    "SinkError",
    "SinkUnreachableError",
    "Spool",
    "SpoolStatus",
    "mask",
    "open_sink",
    "spool_name",
]
