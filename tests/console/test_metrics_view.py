"""What the metrics page makes of a report: drawn where there is enough, said where there isn't."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from agent_runtime.console.panel import Panel, percent
from agent_runtime.console.quality_view import panels_of, short
from agent_runtime.drawing.chart import draw_columns, draw_shares
from agent_runtime.evaluation.calibration import NOT_ENOUGH
from agent_runtime.evaluation.figures import Figures, Place, share
from agent_runtime.evaluation.report import Report, WaitingNow, WorkflowReport
from agent_runtime.measure import Sum, second_bucket

DAY = date(2026, 3, 30)


def answered(kinds: Mapping[str, int], by: str = "rule", value: str = "ask") -> dict[Place, Sum]:
    """Sums of answers, as they are stored."""
    return {Place(by, f"{value}\n{kind}", 0): Sum(n) for kind, n in kinds.items()}


def panels(found: Mapping[Any, Mapping[Place, Sum]]) -> dict[str, Panel]:
    """The page's panels for such sums, by name."""
    figures = Figures({measure: dict(sums) for measure, sums in found.items()})
    spread = figures.times("latency")
    one = WorkflowReport(
        workflow="ledger",
        started=figures.started(),
        ended=figures.ended(),
        failed=figures.failed(),
        latency=spread,
        queued=spread,
        worked=spread,
        waited=spread,
        verdicts=figures.verdicts(),
        answers={by: figures.answers(by) for by in ("rule", "prompt", "model", "group")},
        deciding=figures.deciding(),
        edits=figures.edits(),
        calibration={"step": figures.calibration("step", 0.05)},
        drift=figures.drift(Figures({})),
        cost={"model": figures.costs("model")},
        outcomes=figures.outcomes(),
        grades=figures.grades(),
        shadow=figures.shadow(),
        agreement=(),
    )
    report = Report(
        since=DAY, until=DAY, baseline_since=DAY, behind=0, waiting=WaitingNow(), workflows=(one,)
    )
    return {panel.chart.name: panel for group in panels_of(report, one).values() for panel in group}


def test_a_role_that_answers_without_looking_is_marked() -> None:
    """A fifth of its answers within three seconds."""
    quick = {Place("group", "lead", 0): Sum(n=40, total=40.0)}
    slow = {Place("group", "finance", second_bucket(200.0)): Sum(n=40, total=9_000.0)}
    found = panels({"took": {**quick, **slow}})["deciding"]
    cells = {line.label: line.cells[-1] for line in found.lines}
    assert cells["lead"].endswith(": looks like stamping")
    assert "stamping" not in cells["finance"]


def test_shares_of_thirty_answers_are_drawn_with_their_interval() -> None:
    found = panels({"answered": answered({"approve": 24, "reject": 6})})["answers-rule"]
    assert "80 %" in draw_shares(found.chart)
    assert found.lines[0].cells[:2] == ("30", "80 % (63 to 90)")


def test_shares_of_fewer_are_told_as_counts_and_not_drawn() -> None:
    found = panels({"answered": answered({"approve": 23, "reject": 6})})["answers-rule"]
    assert found.chart.rows == ()
    assert found.few == 1
    assert "%" not in " ".join(found.lines[0].cells)


def test_a_bar_leads_to_the_runs_of_its_rule_on_those_days() -> None:
    found = panels({"answered": answered({"approve": 40}, value="ask lead&more")})
    (row,) = found["answers-rule"].chart.rows
    assert row.link == (
        "/runs?workflow=ledger&since=2026-03-30&until=2026-03-30&rule=ask+lead%26more"
    )
    assert "rule=ask+lead%26more" in draw_shares(found["answers-rule"].chart)


def test_nothing_at_all_makes_no_panel_and_no_zero() -> None:
    assert panels({}) == {}


def test_calibration_is_stated_beside_observed_where_a_bin_has_enough() -> None:
    bins = {Place("step", "pay", bucket): Sum(n, n * 0.91) for bucket, n in ((91, 40), (15, 3))}
    found = panels({"right": bins, "wrong": {Place("step", "pay", 91): Sum(10, 9.1)}})
    one = found["calibration-0"]
    assert [row.label for row in one.chart.rows] == ["0.9 to 1.0"]
    assert one.chart.rows[0].values[1] == 80.0
    assert (one.few, len(one.lines)) == (1, 2)
    assert "Brier score" in one.note
    assert "0.9 to 1.0, observed: 80 %" in draw_columns(one.chart)


def test_a_calibration_of_few_cases_is_a_line_that_says_so() -> None:
    found = panels({"right": {Place("step", "pay", 45): Sum(29, 26.1)}, "wrong": {}})
    assert "calibration-0" not in found
    (line,) = found["calibration-few"].lines
    assert line.label == "step pay"
    assert NOT_ENOUGH in line.cells[1]


@pytest.mark.parametrize(("count", "of"), [(0, 0), (0, 29), (29, 29)])
def test_no_share_is_ever_nought_percent_or_nan_below_thirty(count: int, of: int) -> None:
    assert percent(share(count, of)) == f"{count} of {of}"


def test_a_digest_in_a_name_is_shortened() -> None:
    assert short(f"refund.decide@1 sha256:{'ab' * 32}") == "refund.decide@1 abababab\u2026"
