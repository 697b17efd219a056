"""Rule 10: no content leaves by accident."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.telemetry import JsonLines, Telemetry
from tests.conftest import OpenOffice
from tests.ledger import QUOTE, pay_as

SECRETS = {
    "message": "My cat Minka is ill.",
    "quote": QUOTE,
    "argument": "for the vet of Minka",
    "owner": "mara",
    "amount": "543.21",
    "envelope's reason": "Minka needs surgery.",
    "operator's words": "Ask the vet first.",
    "error's text": "secret detail of the ledger",
}


async def run_with(open_office: OpenOffice, exporter: InMemorySpanExporter) -> None:
    """One run that is answered, edited, fails to read facts and is denied; all content in it."""
    rule = pay_as(
        amount=SECRETS["amount"],
        arguments={"note": SECRETS["argument"]},
        reason=SECRETS["envelope's reason"],
    )
    telemetry = Telemetry(SimpleSpanProcessor(exporter))
    office = await open_office(rule, telemetry=telemetry)
    office.bank.put("a1", amount=SECRETS["amount"])
    asked = await office.parked(message=SECRETS["message"])
    await office.answer(asked, "lena", "respond", reason=SECRETS["operator's words"])
    run = await office.drive(office.read(asked.run_id))
    await office.answer(run, "lena", "edit", arguments={"amount": "543.20"})
    office.bank.put("a1", outage="crash")
    run = await office.drive(run)
    assert run.state == "rejected"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


async def test_traces_hold_no_content(
    open_office: OpenOffice, exporter: InMemorySpanExporter
) -> None:
    """Neither names nor attributes, events or statuses of any span repeat what was said."""
    await run_with(open_office, exporter)
    spans = exporter.get_finished_spans()
    text = "\n".join(span.to_json() for span in spans)
    assert {span.name for span in spans} >= {"pay_out.gate", "pay_out.action"}
    assert [name for name, secret in SECRETS.items() if secret in text] == []


async def test_logs_hold_no_content(
    open_office: OpenOffice, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """Our lines at the finest level, and everybody else's from INFO on, are free of it."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="agent_runtime")
    await run_with(open_office, exporter)
    lines = [JsonLines().format(record) for record in caplog.records]
    assert any("decision recorded" in line for line in lines)
    assert [name for name, secret in SECRETS.items() if secret in "\n".join(lines)] == []


async def test_log_lines_name_run_and_trace(
    open_office: OpenOffice, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """What a line does hold is enough to find the run."""
    caplog.set_level(logging.INFO, logger="agent_runtime")
    await run_with(open_office, exporter)
    fields: list[dict[str, Any]] = [getattr(record, "fields", {}) for record in caplog.records]
    traces = {f"{span.context.trace_id:032x}" for span in exporter.get_finished_spans()}
    assert fields
    assert {line["trace_id"] for line in fields} == traces
    assert all(line["run_id"].startswith("run-") for line in fields)


async def test_a_runs_reason_names_no_foreign_errors_text(open_office: OpenOffice) -> None:
    """An author's fault is named by type and place; its text may be personal."""

    def faulty(brief: Any) -> Any:
        raise LookupError(SECRETS["message"])

    office = await open_office(faulty)
    record = await office.flow()
    assert record.run.state == "needs_attention"
    assert record.run.reason.startswith("LookupError in ")
    assert "Minka" not in record.run.reason
