"""What single spans say: when they began and ended, what they link to, and how they failed."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from langchain_core.messages import AIMessage
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from agent_runtime.models.chat_span import describe
from agent_runtime.run import Run
from agent_runtime.telemetry import JsonLines, Telemetry, log
from tests.office import NOON, Office


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(exporter: InMemorySpanExporter) -> Telemetry:
    return Telemetry(SimpleSpanProcessor(exporter))


@pytest.fixture
async def run(office: Office) -> Run:
    return await office.start()


def since_epoch(seconds: int) -> int:
    """So many after noon, in nanoseconds."""
    return int((NOON + timedelta(seconds=seconds)).timestamp()) * 10**9


async def test_a_wait_lasts_from_the_question_to_its_end_and_names_it(
    telemetry: Telemetry, exporter: InMemorySpanExporter, run: Run
) -> None:
    telemetry.asked(run, "apr-1", ["ask"])
    telemetry.answered(run, "apr-1", "approve", "approved")
    telemetry.waited(run, "apr-1", "approved", NOON, NOON + timedelta(seconds=90))
    asked, answer, wait = exporter.get_finished_spans()
    assert (wait.start_time, wait.end_time) == (since_epoch(0), since_epoch(90))
    for span in (answer, wait):
        (link,) = span.links
        assert link.context.span_id == asked.context.span_id
        assert span.context.trace_id == link.context.trace_id


async def test_a_root_lasts_from_the_start_of_its_run_to_its_end(
    telemetry: Telemetry, exporter: InMemorySpanExporter, run: Run
) -> None:
    ended = run.model_copy(update={"updated_at": run.created_at + timedelta(seconds=7)})
    telemetry.ended(ended)
    (root,) = exporter.get_finished_spans()
    assert (root.start_time, root.end_time) == (since_epoch(0), since_epoch(7))
    assert f"{root.context.trace_id:032x}-{root.context.span_id:016x}" == run.trace
    assert (root.attributes or {})["gen_ai.conversation.id"] == run.id


def test_what_fails_is_marked_by_its_type_and_not_its_words(
    telemetry: Telemetry, exporter: InMemorySpanExporter
) -> None:
    with pytest.raises(KeyError), telemetry.span("call", {}):
        raise KeyError("mara's account")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "KeyError"}
    assert "mara" not in span.to_json()


def test_an_exchange_with_a_model_tells_its_tokens_and_who_answered(
    telemetry: Telemetry, exporter: InMemorySpanExporter
) -> None:
    """By the conventions' names."""
    answer = AIMessage(
        "x",
        usage_metadata={"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
        response_metadata={"model_name": "m-1", "finish_reason": "stop"},
    )
    with telemetry.span("chat", {}) as span:
        describe(span, answer)
    (told,) = exporter.get_finished_spans()
    assert dict(told.attributes or {}) == {
        "gen_ai.response.model": "m-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 4,
    }


async def test_a_line_of_the_log_names_its_run_and_its_trace(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("agent_runtime")
    before = logger.level
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    try:
        log("segment ended", run, epoch=3)
    finally:
        logger.setLevel(before)
        logger.removeHandler(caplog.handler)
    line = json.loads(JsonLines().format(caplog.records[-1]))
    assert (line["message"], line["run_id"], line["epoch"]) == ("segment ended", run.id, 3)
    assert line["trace_id"] == run.trace.split("-")[0]
