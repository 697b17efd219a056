"""Decision tables: cases beside a policy that say what it has to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agent_runtime.action import Action
from agent_runtime.errors import PolicyError, ToolRefused
from agent_runtime.policy.engine import PolicySet, prevented
from agent_runtime.signal import Signals, Thresholds, is_clean
from agent_runtime.tool import Tool
from agent_runtime.verdict import Operator, Question, RunFacts, Verdict, VerdictKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunGiven(_Strict):
    """What a case says of its run; the defaults belong to nobody who decides."""

    run_id: str = "case"
    tenant: str = "default"
    workflow: str = "case"
    step: str = "case"
    started_by: str = "whoever-started-it"
    subject: str | None = None


class ApproveCase(_Strict):
    """One person's yes to the case's action: whether it counts, and by which rules (some of)."""

    operator: str
    roles: tuple[str, ...] = ()
    tenant: str = "default"
    decided_by: tuple[str, ...] = ()
    counts: bool
    rules: tuple[str, ...] = ()


class Case(_Strict):
    """One row. `signals` and `run` are partial: what is left out is clean and of no account.

    `rules` must be among those that decided, forbids that kept it from running unattended
    included; `slots` (`"role:count"`) must be exactly those demanded.
    """

    name: str
    tool: str
    input: dict[str, Any]
    facts: dict[str, Any]
    signals: dict[str, Any] = {}
    run: RunGiven = RunGiven()
    expect: VerdictKind
    rules: tuple[str, ...] = ()
    slots: tuple[str, ...] | None = None
    approve: tuple[ApproveCase, ...] = ()


@dataclass(frozen=True)
class TableResult:
    """What running a table showed. `decided`: the ids of all rules that decided some case."""

    cases: int
    failures: tuple[str, ...]
    decided: frozenset[str]


def read_table(text: str) -> tuple[Case, ...]:
    """The cases of a YAML text; raises PolicyError that lists each row and field at fault."""
    try:
        cases = TypeAdapter(tuple[Case, ...]).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PolicyError("The decision table is not YAML:", (str(error),)) from error
    except ValidationError as error:
        raise PolicyError("The decision table cannot be used:", _rows(error)) from error
    names = [case.name for case in cases]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled or not cases:
        problems = tuple(f"two cases are named {name!r}" for name in doubled)
        raise PolicyError("The decision table cannot be used:", problems or ("it has no cases",))
    return cases


def run_table(policy_set: PolicySet, tools: Sequence[Tool], text: str) -> list[str]:
    """Judge every case of a table; one line per failure, a table that cannot be read included."""
    try:
        return list(judge_table(policy_set, tools, read_table(text)).failures)
    except PolicyError as error:
        return [error.message]


def judge_table(policy_set: PolicySet, tools: Sequence[Tool], cases: Sequence[Case]) -> TableResult:
    """Judge every case and say which failed and which rules decided anything."""
    by_name = {tool.name: tool for tool in tools if tool.effect == "write"}
    failures: list[str] = []
    decided: set[str] = set()
    for case in cases:
        try:
            question = question_of(case, by_name)
        except (PolicyError, ToolRefused, ValidationError) as error:
            failures.append(f"{case.name}: {error}")
            continue
        verdict = policy_set.judge(question)
        deciding = {*verdict.rules, *prevented(verdict)}
        found = _compare(case, verdict, deciding)
        for person in case.approve:
            rules, failed = _approve(policy_set, question, person)
            deciding |= rules
            found += failed
        decided |= deciding
        failures += [f"{case.name}: {failure}" for failure in found]
    return TableResult(len(cases), tuple(failures), frozenset(decided))


def question_of(case: Case, tools: Mapping[str, Tool]) -> Question:
    """The question that a case asks; raises ToolRefused, PolicyError or pydantic's
    ValidationError where it doesn't fit its tool."""
    tool = tools.get(case.tool)
    if tool is None or tool.target is None or tool.facts_model is None:
        raise PolicyError(f"there is no write tool {case.tool!r}")
    arguments = tool.parse(case.input)
    complete = arguments.model_dump(mode="json")
    kind, field = tool.target
    action = Action(
        tool=tool.name, target_type=kind, target_id=str(complete[field]), arguments=complete
    )
    facts = tool.facts_model.model_validate(case.facts)
    run = RunFacts(**case.run.model_dump())
    return Question(action, arguments, facts, signals_of(case.signals), run)


def signals_of(given: Mapping[str, Any]) -> Signals:
    """Signals of which only some are given: the others are clean.

    What the runtime derives (`confident`, `retried_repeatedly`, `clean`) is derived with the
    default thresholds; `context_large` depends on a step's budget and is given where a case is
    about it. Raises pydantic's ValidationError.
    """
    counts = ("unverified_quotes", "contradictions", "context_tokens", "retries", "stale_evidence")
    flags = dict.fromkeys(("confident", "context_large", "retried_repeatedly", "clean"), False)
    quiet = {"confidence": "1", **dict.fromkeys(counts, 0), **flags}
    draft = Signals.model_validate({**quiet, **given})
    limits = Thresholds()
    derived = {
        "confident": draft.confidence >= limits.confidence,
        "retried_repeatedly": draft.retries >= limits.retries,
    }
    signals = draft.model_copy(update={k: v for k, v in derived.items() if k not in given})
    return signals if "clean" in given else signals.model_copy(update={"clean": is_clean(signals)})


def _compare(case: Case, verdict: Verdict, deciding: set[str]) -> list[str]:
    found: list[str] = []
    if verdict.kind != case.expect:
        why = ", ".join((*verdict.rules, *verdict.reasons))
        found.append(f"expected {case.expect}, got {verdict.kind} ({why})")
    found += [f"rule {rule} did not decide" for rule in case.rules if rule not in deciding]
    if case.slots is not None:
        got = sorted(f"{slot.role}:{slot.count}" for slot in verdict.slots)
        if got != sorted(case.slots):
            found.append(f"expected slots {sorted(case.slots)}, got {got}")
    return found


def _approve(
    policy_set: PolicySet, question: Question, person: ApproveCase
) -> tuple[set[str], list[str]]:
    operator = Operator(name=person.operator, roles=person.roles, tenant=person.tenant)
    ruling = policy_set.counts(operator, question, person.decided_by)
    found = [
        f"{person.operator}'s yes: rule {rule} did not decide"
        for rule in person.rules
        if rule not in ruling.rules
    ]
    if ruling.counts != person.counts:
        does = "counts" if ruling.counts else "does not count"
        found.append(f"{person.operator}'s yes {does} ({', '.join(ruling.rules)})")
    return set(ruling.rules), found


def _rows(error: ValidationError) -> tuple[str, ...]:
    return tuple(
        f"case {'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
        for found in error.errors(include_url=False)
    )
