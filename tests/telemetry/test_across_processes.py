"""One run, three processes, one of them killed: its spans are one tree at a real receiver."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.store import Store
from agent_runtime.testing.otlp import ReceivedSpan, Receiver, receiving, tree
from tests.api.served import Served, serving
from tests.patience import PATIENCE


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def traced(receiver: Receiver, tmp_path: Path) -> Iterator[Served]:
    environment = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "300"}
    with serving(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, **environment) as served:
        yield served


def heard(receiver: Receiver, name: str, count: int = 1) -> list[ReceivedSpan]:
    """The receiver's spans, once so many of that name have come."""
    until = time.monotonic() + PATIENCE
    while sum(span.name == name for span in receiver.spans) < count:
        assert time.monotonic() < until, [span.name for span in receiver.spans]
        time.sleep(0.02)
    return receiver.spans


def test_a_run_that_survived_a_kill_is_one_tree(traced: Served, receiver: Receiver) -> None:
    """Paused in one process, which is killed; decided and finished in another."""
    run = traced.begin("500.00")
    heard(receiver, "agent_runtime.approval_request")
    traced.stop(signal.SIGKILL)
    traced.start()
    traced.decide(traced.question(run), "lena")
    traced.reached(run, "completed")
    spans = heard(receiver, "invoke_workflow ledger")
    assert len({span.trace for span in spans}) == 1
    found = receiver.trace(spans[0].trace)
    assert "orphan" not in tree(found)
    assert len({span.process for span in found}) == 2
    assert [span.name for span in found if not span.parent] == ["invoke_workflow ledger"]


def test_a_root_that_died_with_its_process_is_exported_by_the_next_one_and_once(
    traced: Served, receiver: Receiver
) -> None:
    """Killed after the run's end and before anything of it was sent; then once more, when the
    receiver has had its root."""
    run = traced.begin("500.00")
    heard(receiver, "agent_runtime.approval_request")
    traced.stop(signal.SIGKILL)
    traced.env["OTEL_BSP_SCHEDULE_DELAY"] = "600000"
    traced.start()
    traced.decide(traced.question(run), "lena")
    traced.reached(run, "completed")
    traced.stop(signal.SIGKILL)
    assert not roots(receiver)
    traced.env["OTEL_BSP_SCHEDULE_DELAY"] = "50"
    traced.start()
    heard(receiver, "invoke_workflow ledger")
    (root,) = roots(receiver)
    assert "orphan" not in tree(receiver.trace(root.trace))
    assert (root.attributes["agent_runtime.run.state"], root.parent) == ("completed", "")
    until = time.monotonic() + PATIENCE
    while owed(traced):
        assert time.monotonic() < until
        time.sleep(0.02)
    traced.stop(signal.SIGKILL)
    traced.start()
    other = traced.begin("5.00")
    traced.reached(other, "completed")
    heard(receiver, "invoke_workflow ledger", 2)
    assert len(roots(receiver)) == 2


def roots(receiver: Receiver) -> list[ReceivedSpan]:
    """The spans of whole runs, as often as they came."""
    return [one for one in receiver.spans if one.name == "invoke_workflow ledger"]


def owed(served: Served) -> list[tuple[str, str]]:
    store = Store(served.data / "runtime.db", SystemClock())
    try:
        return store.read("default").traces.owed()
    finally:
        store.close()


def test_an_answer_links_to_its_question(traced: Served, receiver: Receiver) -> None:
    run = traced.begin("500.00")
    traced.decide(traced.question(run), "lena")
    spans = heard(receiver, "agent_runtime.decision")
    (asked,) = [one for one in spans if one.name == "agent_runtime.approval_request"]
    (answer,) = [one for one in spans if one.name == "agent_runtime.decision"]
    assert answer.links == (asked.id,)
    assert answer.attributes["agent_runtime.decision.kind"] == "approve"
    assert "lena" not in str(answer)


def test_figures_reach_the_receiver_and_prometheus_alike(
    traced: Served, receiver: Receiver
) -> None:
    run = traced.begin("500.00")
    traced.decide(traced.question(run), "lena")
    traced.reached(run, "completed")
    until = time.monotonic() + PATIENCE
    name, mine = "agent_runtime_runs", {"state": "completed", "tenant": "default"}
    while (mine, 1.0) not in receiver.metrics.get(name, []):
        assert time.monotonic() < until, sorted(receiver.metrics)
        time.sleep(0.05)
    text = traced.as_("ada").get("/metrics").text
    assert f'{name}{{state="completed"}} 1\n' in text
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} >= {
        "agent_runtime_verdicts_total",
        "agent_runtime_decision_seconds",
        "agent_runtime_model_calls_total",
        "agent_runtime_model_cost_total",
        "agent_runtime_journal_unknown",
        "agent_runtime_oldest_seconds",
    }
