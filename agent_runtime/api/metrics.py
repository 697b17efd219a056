"""Metrics in Prometheus' text form: counts and durations, never an id or a name of a person.

Own, because a counter, a gauge and one histogram are all there is to it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.types import Scope

from agent_runtime.figure import Figure, Point, histogram

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the durations' buckets, in seconds."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
"""Names that get a label of their own: whoever asks could make up any number of others."""


class Answered(Protocol):
    """Something that knows the status of an answer; 0: none was begun."""

    status: int


class Metrics:
    """What this process has answered. `streams`: live readers now."""

    def __init__(self) -> None:
        self.streams = 0
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0

    @contextmanager
    def measure(self, scope: Scope, answered: Answered) -> Iterator[None]:
        """Count one request under its route's path; unknown paths are one."""
        began = time.perf_counter()
        try:
            yield
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "unknown")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._answers[method, path, answered.status] += 1
            if path != "/v1/events/stream":
                self._observe(time.perf_counter() - began)

    def _observe(self, seconds: float) -> None:
        self._seconds += seconds
        self._buckets[next((bound for bound in BOUNDS if seconds <= bound), float("inf"))] += 1

    def text(self, more: Iterable[Figure]) -> str:
        """Everything, with what the installation adds."""
        return "\n".join([*(line for one in (*self.figures(), *more) for line in _lines(one)), ""])

    def figures(self) -> Iterator[Figure]:
        """What this process has answered."""
        requests = [
            Point(count, {"method": method, "path": path, "status": str(status)})
            for (method, path, status), count in sorted(self._answers.items())
        ]
        yield Figure("agent_runtime_http_requests_total", "counter", "Requests.", requests)
        streams = [Point(self.streams)]
        yield Figure("agent_runtime_event_streams", "gauge", "Live readers of events.", streams)
        buckets = {bound: self._buckets[bound] for bound in (*BOUNDS, float("inf"))}
        seconds = list(histogram({}, buckets, self._seconds))
        yield Figure("agent_runtime_http_request_seconds", "histogram", "To the answer.", seconds)


def _lines(figure: Figure) -> Iterator[str]:
    yield f"# HELP {figure.name} {figure.help}"
    yield f"# TYPE {figure.name} {figure.kind}"
    for point in figure.points:
        inside = ",".join(f'{label}="{_escape(text)}"' for label, text in point.labels.items())
        labels = f"{{{inside}}}" if inside else ""
        yield f"{figure.name}{point.suffix}{labels} {point.value:.12g}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
