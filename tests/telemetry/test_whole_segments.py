"""Spans of a segment are exported together, its own first: a kill leaves no orphans."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.telemetry import Telemetry
from agent_runtime.telemetry.whole import MOST, Whole


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


def test_of_too_many_the_first_are_exported_and_the_rest_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry, exporter = traced()
    logging.getLogger("agent_runtime").addHandler(caplog.handler)
    with telemetry.span("segment", {}):
        for _ in range(MOST + 50):
            with telemetry.span("node", {}):
                pass
    logging.getLogger("agent_runtime").removeHandler(caplog.handler)
    assert len(exporter.get_finished_spans()) == MOST + 1 <= 10_000
    assert caplog.records[-1].__dict__["fields"] == {"left_out": 50}
