"""Spans of a segment are exported together, its own first: a kill leaves no orphans."""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.telemetry import Telemetry
from agent_runtime.telemetry.whole import Whole


def traced() -> tuple[Telemetry, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    return Telemetry(SimpleSpanProcessor(exporter)), exporter


def test_nothing_is_exported_of_a_segment_that_has_not_ended() -> None:
    telemetry, exporter = traced()
    with telemetry.span("segment", {}):
        with telemetry.span("node", {}):
            pass
        assert exporter.get_finished_spans() == ()
    assert {span.name for span in exporter.get_finished_spans()} == {"segment", "node"}


def test_parents_go_first() -> None:
    telemetry, exporter = traced()
    with (
        telemetry.span("segment", {}),
        telemetry.span("node", {}),
        telemetry.span("call", {}),
    ):
        pass
    assert [span.name for span in exporter.get_finished_spans()] == ["segment", "node", "call"]


def test_what_is_exported_is_forgotten() -> None:
    telemetry, _ = traced()
    for _ in range(3):
        with telemetry.span("segment", {}), telemetry.span("node", {}):
            pass
    (whole,) = telemetry._provider._active_span_processor._span_processors
    assert isinstance(whole, Whole)
    assert (whole._kept, whole._tops) == ({}, {})
