"""Metrics: a recorder's status for Prometheus, over HTTP.

In: `Recorder.status`, read at every scrape. Out: text on /metrics, from a thread of its own. Needs `prometheus-client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from okex_ws.client.status import ClientStatus
from okex_ws.recorder.recorder import RecorderStatus

COUNTERS = {
    "frames": "Frames received.",
    "events": "Events that the client has emitted.",
    "rows": "Data events.",
    "trades": "Trades among these events.",
    "gaps": "Holes found.",
    "unrecoverable": "Gaps, or parts of them, that could not be fetched.",
    "backfilled": "Data events fetched over REST.",
    "disk_errors": "Failed writes; their data waits in memory.",
}
GAUGES = {
    "connections": "Open connections.",
    "acknowledged": "Last journal record on disk.",
    "last": "Last accepted journal record.",
    "committed": "Journal record up to which all rows are in the tables.",
    "buffered": "Bytes waiting for the disk.",
}
SINK_COUNTERS = {"sent": "Events that the sink has acknowledged.", "errors": "Failed tries."}
SINK_GAUGES = {
    "behind_records": "Journal records not yet acknowledged by the sink.",
    "behind_s": "Age of the oldest event read and not acknowledged, seconds.",
    "held": "Events in memory for the sink.",
}
PREFIX = "okex_ws_recorder_"


class _Reading(Collector):
    """Collector that reads the recorder's status once per scrape."""

    def __init__(self, status: Callable[[], RecorderStatus], client: Callable[[], ClientStatus]) -> None:
        self._status = status
        self._client = client

    def collect(self) -> Iterator[Metric]:
        now = self._status()
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(PREFIX + name, text, value=getattr(now, name))
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, text, value=getattr(now, name))
        lag = "Time from the exchange's time stamp to receipt, of the latest event, seconds."
        yield GaugeMetricFamily(PREFIX + "lag_seconds", lag, value=now.lag / 1e9)
        for name, text in SINK_COUNTERS.items():
            counter = CounterMetricFamily(f"{PREFIX}sink_{name}", text, labels=["sink"])
            for sink in now.sinks:
                counter.add_metric([sink.url], getattr(sink, name))
            yield counter
        for name, text in SINK_GAUGES.items():
            full = f"{PREFIX}sink_{'behind_seconds' if name == 'behind_s' else name}"
            gauge = GaugeMetricFamily(full, text, labels=["sink"])
            for sink in now.sinks:
                gauge.add_metric([sink.url], getattr(sink, name))
            yield gauge
        yield from _client_metrics(self._client())


def _client_metrics(now: ClientStatus) -> Iterator[Metric]:
    states = GaugeMetricFamily(PREFIX + "subscriptions", "Subscriptions by state.", labels=["state"])
    for state in ("pending", "live", "stale", "refused"):
        states.add_metric([state], sum(item.state == state for item in now.subscriptions))
    yield states
    latency = GaugeMetricFamily(PREFIX + "latency_seconds", "Exchange's time stamp to our socket, recently.", labels=["quantile"])
    if now.latency is not None:
        latency.add_metric(["0.5"], now.latency.p50 / 1e9)
        latency.add_metric(["0.99"], now.latency.p99 / 1e9)
    yield latency
    yield GaugeMetricFamily(PREFIX + "connects_left", "Connections that the rate limit allows now.", value=now.connects_left)
    received = CounterMetricFamily(PREFIX + "received_bytes", "Bytes received, by line.", labels=["line"])
    for line, count in {socket.line: socket.byte_count for socket in now.sockets}.items():
        received.add_metric([line], count)
    yield received


class Metrics:
    """HTTP server, from construction to the end of its `with`. port 0: a free one, see `url`. Raises OSError."""

    def __init__(
        self, status: Callable[[], RecorderStatus], client: Callable[[], ClientStatus], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        registry = CollectorRegistry()
        registry.register(_Reading(status, client))
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
