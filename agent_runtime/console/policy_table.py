"""Decision tables as rows: what each case expects, and what the rules answer now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from agent_runtime.errors import PolicyError, ToolRefused
from agent_runtime.policy import PolicySet
from agent_runtime.policy.table import Case, judge_table, question_of
from agent_runtime.tool import Tool
from agent_runtime.verdict import Verdict


@dataclass(frozen=True)
class CaseRow:
    """One case; `verdict` is None where it cannot even be asked."""

    case: Case
    verdict: Verdict | None
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the rules answer as the case says."""
        return not self.failures


def rows_of(policy: PolicySet, tools: Sequence[Tool], cases: Iterable[Case]) -> list[CaseRow]:
    """Judge every case by itself."""
    by_name = {tool.name: tool for tool in tools}
    rows = []
    for case in cases:
        failures = judge_table(policy, tools, [case]).failures
        told = tuple(line.removeprefix(f"{case.name}: ") for line in failures)
        try:
            verdict = policy.judge(question_of(case, by_name))
        except (PolicyError, ToolRefused, ValidationError):
            verdict = None  # the failures say why
        rows.append(CaseRow(case, verdict, told))
    return rows
