"""The meter: figures of the installation over OTLP, read when they are exported and not before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from agent_runtime.figure import Figure
from agent_runtime.telemetry.export import TIMEOUT, endpoint, hush

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics import MeterProvider

Source = Callable[[], Iterable[Figure]]
"""Gives all figures as they are now."""

FRESH = 1.0
"""Seconds for which a reading serves: an export asks for dozens of instruments at once."""

INTERVAL = 60_000
"""Milliseconds between two exports, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise."""


class Meter:
    """Exports figures; without an endpoint it does nothing."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._provider: MeterProvider | None = None

    def observe(self, source: Source) -> None:
        """Begin. Each figure is an instrument of its own, which asks the source."""
        if not endpoint("metrics") or self._provider is not None:
            return
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        hush()
        every = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", INTERVAL))
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(timeout=TIMEOUT),
            export_interval_millis=every,
            export_timeout_millis=TIMEOUT * 1000,
        )
        self._provider = MeterProvider([reader], resource=self._resource)
        meter = self._provider.get_meter("agent_runtime")
        reading = _Reading(source)
        for figure in reading.figures():
            make = (
                meter.create_observable_gauge
                if figure.kind == "gauge"
                else meter.create_observable_counter
            )
            for suffix in ("_bucket", "_sum", "_count") if figure.kind == "histogram" else ("",):
                ask = reading.asking(figure.name, suffix)
                make(figure.name + suffix, callbacks=[ask], description=figure.help)

    def close(self, seconds: float) -> None:
        """Export once more, for a moment."""
        if self._provider is not None:
            self._provider.shutdown(timeout_millis=seconds * 1000)
            self._provider = None


class _Reading:
    """One reading of the source for all instruments of one export."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: tuple[Figure, ...] = ()
        self._at = -FRESH

    def figures(self) -> tuple[Figure, ...]:
        """All, as they were a moment ago at most."""
        if time.monotonic() - self._at >= FRESH:
            self._read, self._at = tuple(self._source()), time.monotonic()
        return self._read

    def asking(self, name: str, suffix: str) -> Callable[[CallbackOptions], list[Observation]]:
        """What an instrument asks."""

        def ask(_: CallbackOptions) -> list[Observation]:
            from opentelemetry.metrics import Observation

            found = [point for one in self.figures() if one.name == name for point in one.points]
            return [Observation(p.value, dict(p.labels)) for p in found if p.suffix == suffix]

        return ask
