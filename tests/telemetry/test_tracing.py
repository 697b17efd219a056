"""One trace per run, across pauses and processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.app import App
from agent_runtime.telemetry import Telemetry
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import opened

APP = make_app(pay_workflow(make_pay()))


class Traced:
    """Offices on one folder, opened one after the other, and all the spans they export."""

    def __init__(self, folder: Path, app: App) -> None:
        self._folder, self._app = folder, app
        self.spans: list[ReadableSpan] = []

    async def session(self, *answers: str, run_id: str | None = None) -> str:
        """One program's life: start or find the run, answer, drive; returns the run's id."""
        exporter = InMemorySpanExporter()
        telemetry = Telemetry(SimpleSpanProcessor(exporter))
        async with opened(self._app, self._folder, telemetry=telemetry) as office:
            office.bank.put("a1", amount="500.00")
            run = await office.start() if run_id is None else office.read(run_id)
            for answer in answers:
                await office.answer(run, *answer.split())  # type: ignore[arg-type]
            await office.drive(run)
        self.spans += exporter.get_finished_spans()
        return run.id

    @property
    def roots(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.parent is None]


@pytest.fixture
def traced(tmp_path: Path) -> Traced:
    return Traced(tmp_path / "d", APP)


async def test_a_run_is_one_trace_over_two_programs(traced: Traced) -> None:
    """Started by one, answered and finished by another."""
    run_id = await traced.session()
    await traced.session("lena approve", run_id=run_id)
    assert len({span.context.trace_id for span in traced.spans}) == 1


async def test_the_root_has_no_parent_and_every_other_parent_exists(traced: Traced) -> None:
    """The tree is whole: its root is the workflow, from the start to the end of the run."""
    run_id = await traced.session()
    assert traced.roots == []
    await traced.session("lena approve", run_id=run_id)
    (root,) = traced.roots
    ids = {span.context.span_id for span in traced.spans}
    assert root.name == "invoke_workflow ledger"
    assert {span.parent.span_id for span in traced.spans if span.parent is not None} <= ids


async def test_no_sampler_in_the_environment_takes_a_run_apart(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that decides about roots alone would leave all that is below them without."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    run_id = await traced.session()
    await traced.session("lena approve", run_id=run_id)
    assert len(traced.roots) == 1
    assert len(traced.spans) > 10


async def test_the_wait_for_people_is_a_span(traced: Traced) -> None:
    """Under the root, with the approval's id and how it ended."""
    run_id = await traced.session()
    await traced.session("lena approve", run_id=run_id)
    (wait,) = [span for span in traced.spans if span.name == "agent_runtime.approval_wait"]
    assert (wait.attributes or {})["agent_runtime.approval.status"] == "approved"
    assert wait.parent is not None
    assert wait.parent.span_id == traced.roots[0].context.span_id


async def test_two_runs_are_two_traces(traced: Traced) -> None:
    """Even when one program does both."""
    for _ in range(2):
        run_id = await traced.session()
        await traced.session("lena approve", run_id=run_id)
    assert len(traced.roots) == 2
    assert len({span.context.trace_id for span in traced.spans}) == 2


async def test_spans_have_the_conventions_names(traced: Traced) -> None:
    """What there is a convention for is named by it, one span per node for the rest."""
    run_id = await traced.session()
    await traced.session("lena approve", run_id=run_id)
    names = {span.name for span in traced.spans}
    nodes = {f"pay_out.{node}" for node in ("context", "reasoning", "gate", "action")}
    tools = {"execute_tool get_account", "execute_tool pay"}
    assert names >= nodes | tools | {"invoke_workflow ledger", "invoke_agent ledger"}


async def test_a_cancelled_run_has_a_whole_trace_too(tmp_path: Path) -> None:
    """The root is exported by whoever ends the run."""
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(SimpleSpanProcessor(exporter))
    async with opened(APP, tmp_path / "d", telemetry=telemetry) as office:
        run = await office.start()
        await office.runtime.cancel(run.id, office.person("lena"), "stop")
    (root,) = exporter.get_finished_spans()
    assert (root.parent, (root.attributes or {})["agent_runtime.run.state"]) == (None, "cancelled")
