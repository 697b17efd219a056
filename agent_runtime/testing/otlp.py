"""A receiver of OTLP over HTTP, for tests and for looking: it keeps what it is sent and draws the
spans of a run as a tree.

`python -m agent_runtime.testing.otlp` prints each run's tree when the run has ended. `fault` makes
it answer like a receiver in trouble.
"""

from __future__ import annotations

import argparse
import gzip
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PORT = 4318
"""Where OTLP over HTTP is expected."""


@dataclass(frozen=True)
class ReceivedSpan:
    """One span. Times are in nanoseconds since 1970; `links` are ids of spans."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    attributes: dict[str, Any]
    links: tuple[str, ...]
    failed: bool
    process: str


@dataclass
class Receiver:
    """What one receiver was sent. `status`: what it answers; `delay`: seconds before it does."""

    status: int = 200
    delay: float = 0.0
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: dict[str, list[tuple[dict[str, Any], float]]] = field(default_factory=dict)
    requests: int = 0
    url: str = ""

    def trace(self, trace: str) -> list[ReceivedSpan]:
        """The spans of one trace, each once, however often it was sent."""
        return list({one.id: one for one in self.spans if one.trace == trace}.values())

    def take(self, path: str, body: bytes) -> None:
        """Keep what was posted to a path."""
        if path.endswith("/v1/traces"):
            self.spans += _spans(body)
        elif path.endswith("/v1/metrics"):
            self.metrics.update(_metrics(body))


def tree(spans: list[ReceivedSpan]) -> str:
    """The spans of one trace, indented under their parents; orphans stand at its end, marked."""
    below: dict[str, list[ReceivedSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        below[span.parent].append(span)
    known = {span.id for span in spans}
    lines = [line for root in below[""] for line in _branch(root, below, 0)]
    lost = [one for parent in below if parent and parent not in known for one in below[parent]]
    return "\n".join([*lines, *(f"orphan: {one.name}" for one in lost)])


@contextmanager
def receiving(port: int = 0, *, tell: bool = False) -> Iterator[Receiver]:
    """A receiver on this machine; `tell` prints each run's tree when its root has come."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver, tell=tell))
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _handler(receiver: Receiver, *, tell: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.requests += 1
            time.sleep(receiver.delay)
            if receiver.status == 200:
                before = len(receiver.spans)
                receiver.take(self.path, body)
                if tell:
                    _tell(receiver, receiver.spans[before:])
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — as above
            pass

    return Handler


def _tell(receiver: Receiver, new: list[ReceivedSpan]) -> None:
    for root in new:
        if not root.parent:
            print(tree(receiver.trace(root.trace)), flush=True)


def _branch(span: ReceivedSpan, below: dict[str, list[ReceivedSpan]], depth: int) -> Iterator[str]:
    took = (span.end - span.start) / 1e6
    mark = " !" if span.failed else ""
    linked = " → the question" if span.links else ""
    yield f"{'  ' * depth}{span.name}{mark} {took:,.1f} ms [{span.process}]{linked}"
    for child in below[span.id]:
        yield from _branch(child, below, depth + 1)


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {one.key: _value(one.value) for one in group.resource.attributes}
        process = str(resource.get("service.instance.id", "?")).rpartition(":")[2]
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield ReceivedSpan(
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                name=span.name,
                start=span.start_time_unix_nano,
                end=span.end_time_unix_nano,
                attributes={one.key: _value(one.value) for one in span.attributes},
                links=tuple(link.span_id.hex() for link in span.links),
                failed=span.status.code == 2,
                process=process,
            )


def _metrics(body: bytes) -> dict[str, list[tuple[dict[str, Any], float]]]:
    found: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
            points = metric.gauge.data_points or metric.sum.data_points
            found[metric.name] = [
                ({one.key: _value(one.value) for one in point.attributes}, _number(point))
                for point in points
            ]
    return found


def _number(point: Any) -> float:
    return float(point.as_double if point.HasField("as_double") else point.as_int)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(one) for one in value.array_value.values)
    return None if kind is None else getattr(value, kind)


def main() -> None:
    """Receive until interrupted."""
    options = argparse.ArgumentParser(description="Print each run's spans as a tree.")
    options.add_argument("--port", type=int, default=PORT)
    options.add_argument("--quiet", action="store_true", help="only receive")
    asked = options.parse_args()
    with receiving(asked.port, tell=not asked.quiet) as receiver:
        print(f"receiving on {receiver.url}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
