"""Content on spans: none unless it is said so, and then redacted."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.telemetry import Capture, Telemetry
from tests.ledger import make_app, make_pay, pay_as, pay_workflow
from tests.office import opened

NOTE = "write to mara@example.com about the cat"


async def spans_of(folder: Path, capture: Capture) -> str:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(SimpleSpanProcessor(exporter), capture=capture)
    app = make_app(pay_workflow(make_pay(), rule=pay_as(arguments={"note": NOTE})))
    async with opened(app, folder, telemetry=telemetry) as office:
        office.bank.put("a1", amount="50.00")
        await office.drive(await office.start())
    return "\n".join(span.to_json() for span in exporter.get_finished_spans())


async def test_spans_carry_no_content(tmp_path: Path) -> None:
    assert "the cat" not in await spans_of(tmp_path, Capture())


async def test_where_it_is_captured_it_is_redacted(tmp_path: Path) -> None:
    told = await spans_of(tmp_path, Capture(on=True))
    assert "the cat" in told
    assert "mara@example.com" not in told
    assert "[email]" in told


def test_what_is_captured_is_cut() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(SimpleSpanProcessor(exporter), capture=Capture(on=True))
    with telemetry.span("call", {}) as span:
        telemetry.show(span, arguments=lambda: {"note": "a" * 20_000})
    (told,) = (one.attributes or {} for one in exporter.get_finished_spans())
    assert len(str(told["gen_ai.tool.call.arguments"])) == 8_192
