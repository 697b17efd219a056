"""What `/metrics` and OTLP tell, from what is stored: each figure its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agent_runtime.figures import tenant_figures
from agent_runtime.measure import Key, Measure, Sum
from agent_runtime.store import Session
from agent_runtime.store.calls import Tallied, Tally
from tests.office import Office


def told(office: Office, name: str, calls: Tally | None = None) -> dict[Any, float]:
    """One figure's values, by its labels' values and its suffix."""
    session = office.runtime.store.read("default")
    (figure,) = [one for one in tenant_figures(session, calls or Tally()) if one.name == name]
    return {(*point.labels.values(), point.suffix): point.value for point in figure.points}


async def test_model_calls_are_told_by_outcome_and_whether_it_was_another_try(
    office: Office,
) -> None:
    """Tokens by kind; cost in the price table's currency."""
    first = Tallied(n=5, tokens_in=100, tokens_out=7, cost=2_500_000_000)
    again = Tallied(n=2, tokens_in=40, tokens_out=3, cost=0)
    calls = Tally({("m", "answered", False): first, ("m", "timeout", True): again})
    attempts = told(office, "agent_runtime_model_calls_total", calls)
    assert attempts == {("m", "answered", "no", ""): 5, ("m", "timeout", "yes", ""): 2}
    tokens = told(office, "agent_runtime_model_tokens_total", calls)
    assert tokens == {("m", "input", ""): 140, ("m", "output", ""): 10}
    assert told(office, "agent_runtime_model_cost_total", calls) == {("m", ""): 2.5}


async def test_what_waits_is_told_by_its_age_and_what_nobody_knows_by_number(
    asking: Office,
) -> None:
    run = (await asking.parked()).run_id
    asking.clock.move(timedelta(seconds=90))
    ages = told(asking, "agent_runtime_oldest_seconds")
    assert (ages["run", ""], ages["question", ""]) == (0, 90)

    def lose(session: Session) -> None:
        session.runs.move(run, "outcome_unknown", "")

    assert told(asking, "agent_runtime_journal_unknown") == {("",): 0}
    await asking.runtime.store.write("default", lose)
    assert told(asking, "agent_runtime_journal_unknown") == {("",): 1}


async def keep(office: Office, sums: Mapping[Key, Sum]) -> None:
    def count(session: Session) -> None:
        measures = session.measures
        assert measures.keep(measures.cursor(), measures.head(), sums, {})

    await office.runtime.store.write("default", count)


async def test_a_histogram_counts_up_to_each_bound_and_each_case_once(office: Office) -> None:
    """Split by role, the same answers are there once more: they are not told twice."""
    quick, slow = Key("2026-03-30", "w", "took", bucket=0), Key("2026-03-30", "w", "took", bucket=3)
    lead = slow._replace(by="group", value="lead")
    await keep(office, {quick: Sum(2, 1.0), slow: Sum(3, 12.0), lead: Sum(3, 12.0)})
    found = told(office, "agent_runtime_decision_seconds")
    bounds = [found["w", edge, "_bucket"] for edge in ("1", "3", "5", "604800", "+Inf")]
    assert bounds == [2, 2, 5, 5, 5]
    assert (found["w", "_sum"], found["w", "_count"]) == (13.0, 5)


async def test_verdicts_answers_and_ends_are_told_each_once(office: Office) -> None:
    splits = [("", ""), ("rule", "ask"), ("model", "m")]
    kinds: dict[Measure, str] = {"judged": "deny", "answered": "reject", "ended": "failed"}
    sums = {
        Key("2026-03-30", "w", measure, by, f"{value}\n{kind}"): Sum(4)
        for measure, kind in kinds.items()
        for by, value in splits
    }
    await keep(office, sums)
    assert told(office, "agent_runtime_verdicts_total") == {("w", "ask", "deny", ""): 4}
    assert told(office, "agent_runtime_decisions_total") == {("w", "ask", "reject", ""): 4}
    assert told(office, "agent_runtime_runs_ended_total") == {("w", "failed", ""): 4}
