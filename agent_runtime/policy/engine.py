"""The policy engine: parsed Cedar policy sets, what they answer, and how answers combine.

It fails closed. Only an answer without any error allows: Cedar skips a rule that it cannot
evaluate, and a skipped forbid would otherwise turn into an Allow.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import cedarpy

from agent_runtime.action import digest
from agent_runtime.errors import PolicyError
from agent_runtime.policy.rule import RISKS, Rule, read_rules
from agent_runtime.policy.schema import (
    SIGNALS,
    ToolShape,
    Verb,
    run_values,
    schema_of,
    shapes_of,
)
from agent_runtime.tool import Tool
from agent_runtime.verdict import (
    DEFAULT_DEADLINE,
    Operator,
    Question,
    Ruling,
    Slot,
    Verdict,
    VerdictKind,
    deny,
)

BASE_FILE = "base.cedar"
NO_RULE = "runtime:no-rule"
POLICY_ERROR = "runtime:policy-error"
UNKNOWN_TOOL = "runtime:unknown-tool"

# Everything that the mapper, the JSON encoder and cedarpy raise. A panic in Cedar itself derives
# from BaseException and passes: it ends the segment, which authorizes nothing either.
_FAULTS = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, RecursionError)

_STRICTNESS: dict[VerdictKind, int] = {"allow": 0, "needs_approval": 1, "deny": 2}
_NAME = re.compile(r"^[a-z][a-z0-9_-]*$")


REMEMBERED = 1_000
"""Verdicts that a policy set keeps, by the digest of their question."""


@dataclass(frozen=True)
class _Answer:
    """Cedar's error-free answer: the ids of the permits that allowed or the forbids that denied."""

    allowed: bool
    rules: tuple[str, ...]


@dataclass(frozen=True)
class PolicySet:
    """The rules of one policy file with the base rules, parsed and type-checked once.

    `rules` holds them by id; `digest` names the exact `texts`. Make one with `load`.
    """

    name: str
    rules: Mapping[str, Rule]
    digest: str
    texts: Mapping[str, str] = field(repr=False)
    _shapes: Mapping[str, ToolShape] = field(repr=False)
    _policies: cedarpy.PolicySet = field(repr=False)
    _schema: cedarpy.Schema = field(repr=False)
    _actions: cedarpy.Entities = field(repr=False)
    _judged: dict[str, Verdict] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, name: str, texts: Mapping[str, str], tools: Sequence[Tool]) -> PolicySet:
        """Parse and check Cedar texts, by file name, against the write tools among `tools`.

        The base rules are always added. Raises PolicyError that lists each file, rule and
        reason: a text that does not parse, a missing or doubled @id, an annotation at fault, an
        attribute or type that the tools do not have.
        """
        if BASE_FILE in texts:
            raise PolicyError(
                f"{BASE_FILE} is the runtime's own and part of every policy set.",
                remedy="Give the file another name.",
            )
        sources = {BASE_FILE: base_text(), **texts}
        shapes = shapes_of(tools)
        if not shapes:
            raise PolicyError(f"Policy {name!r} has no write tool to decide about.")
        rules = read_rules(sources)
        schema = _parse_schema(shapes)
        _check_types(name, sources, rules, schema)
        keyed = {"staticPolicies": {rule.id: rule.body for rule in rules.values()}}
        document = json.dumps({**keyed, "templates": {}, "templateLinks": []})
        policies = cedarpy.PolicySet.from_json_str(document)
        # Which action belongs to which group is part of the *entities*, and only of those that
        # are parsed with the schema; without it `action in Action::"execute"` matches nothing,
        # and every forbid of a group would silently not apply.
        actions = cedarpy.Entities.from_json_str("[]", schema)
        return cls(name, rules, digest(sources), sources, shapes, policies, schema, actions)

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the write tools that it decides about."""
        return tuple(self._shapes)

    def apart(self) -> PolicySet:
        """The same rules with a memory of their own, for another thread than the gate's."""
        return replace(self, _judged={})

    def judge(self, question: Question) -> Verdict:
        """The gate's answer to one question. Never raises for what is asked: an error denies."""
        if question.action.tool not in self._shapes:
            return deny(UNKNOWN_TOOL, _unknown(self.name, question))
        try:
            context = json.dumps(self._context(question))
        except _FAULTS as fault:
            return deny(POLICY_ERROR, str(fault) or type(fault).__name__)
        # The same question to the same rules has the same answer: the gate's is asked again
        # before the act. By digest, so that nobody's data stays in memory.
        asked = digest([question.run.workflow, question.action.tool, context, *_target(question)])
        if asked not in self._judged:
            if len(self._judged) >= REMEMBERED:
                self._judged.clear()
            self._judged[asked] = self._judge(question, context)
        return self._judged[asked]

    def _judge(self, question: Question, context: str) -> Verdict:
        try:
            execute = self._ask("execute", question, context)
            if execute.allowed:
                return Verdict(kind="allow", rules=execute.rules)
            request = self._ask("request", question, context)
        except _FAULTS as fault:
            return deny(POLICY_ERROR, str(fault) or type(fault).__name__)
        if request.allowed:
            return self._needs_approval(execute, request)
        if request.rules:
            return Verdict(kind="deny", rules=request.rules)
        reasons = (f"no rule permits asking people for {question.action.tool}", *_why(execute))
        return Verdict(kind="deny", rules=(NO_RULE,), reasons=reasons)

    def counts(
        self, operator: Operator, question: Question, decided_by: Sequence[str] = ()
    ) -> Ruling:
        """Whether this person's yes counts; `decided_by` are the names of those who said yes.

        Never raises for what is asked: an error means that it doesn't count.
        """
        if question.action.tool not in self._shapes:
            reason = _unknown(self.name, question)
            return Ruling(counts=False, rules=(UNKNOWN_TOOL,), reasons=(reason,))
        try:
            context = {**self._context(question), "decided_by": list(decided_by)}
            answer = self._ask("approve", question, json.dumps(context), operator)
        except _FAULTS as fault:
            reason = str(fault) or type(fault).__name__
            return Ruling(counts=False, rules=(POLICY_ERROR,), reasons=(reason,))
        if answer.allowed or answer.rules:
            return Ruling(answer.allowed, answer.rules)
        reason = f"no rule lets {operator.name} approve {question.action.tool}"
        return Ruling(counts=False, rules=(NO_RULE,), reasons=(reason,))

    def _context(self, question: Question) -> dict[str, object]:
        # What is judged is the typed arguments, what is executed the action's stored ones.
        if question.arguments.model_dump(mode="json") != question.action.arguments:
            raise ValueError("the arguments differ from those of the action")
        shape = self._shapes[question.action.tool]
        return {
            "input": shape.input.values(question.arguments),
            "facts": shape.facts.values(question.facts),
            "signals": SIGNALS.values(question.signals),
            "run": run_values(question.run),
        }

    def _ask(
        self, verb: Verb, question: Question, context: str, operator: Operator | None = None
    ) -> _Answer:
        principal = {"type": "Workflow", "id": question.run.workflow}
        if operator is not None:
            principal = {"type": "Operator", "id": operator.name}
        action = question.action
        result = cedarpy.is_authorized(
            {
                "principal": principal,
                "action": {"type": "Action", "id": f"{verb}:{action.tool}"},
                "resource": {"type": action.target_type, "id": action.target_id},
                "context": context,
            },
            self._policies,
            self._actions if operator is None else _entities(operator, self._schema),
            self._schema,
        )
        errors = result.diagnostics.errors
        if errors or result.decision is cedarpy.Decision.NoDecision:
            raise ValueError("; ".join(errors) or "Cedar came to no decision")
        return _Answer(result.allowed, tuple(sorted(result.diagnostics.reasons)))

    def _needs_approval(self, execute: _Answer, request: _Answer) -> Verdict:
        asking = [self.rules[rule] for rule in request.rules]
        deadline = min(_deadline(rule) for rule in asking)
        first = [rule for rule in asking if _deadline(rule) == deadline]
        return Verdict(
            kind="needs_approval",
            rules=request.rules,
            reasons=_why(execute),
            slots=_most(slot for rule in asking for slot in rule.slots),
            deadline=deadline,
            remind=max((rule.remind for rule in first if rule.remind is not None), default=None),
            escalate=_most(slot for rule in first for slot in rule.escalate),
            later=_steps([rule.later for rule in first]),
            risk=max((rule.risk for rule in asking), key=RISKS.index),
        )


def _steps(wanted: Sequence[Sequence[Sequence[Slot]]]) -> tuple[tuple[Slot, ...], ...]:
    """The steps of several rules, those of one deadline taken together."""
    together = zip_longest(*wanted, fillvalue=())
    return tuple(_most(slot for slots in step for slot in slots) for step in together)


def load_policy(folder: Path, name: str, tools: Sequence[Tool]) -> PolicySet:
    """Load `<folder>/<name>.cedar` with the base rules; raises PolicyError as `load` does."""
    path = folder / f"{name}.cedar"
    if not _NAME.match(name) or not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.cedar"))) or "none"
        raise PolicyError(
            f"There is no policy {name!r}: {path} is missing.",
            remedy=f"Write it, or name one that is there ({there}).",
        )
    return PolicySet.load(name, {path.name: path.read_text(encoding="utf-8")}, tools)


@functools.cache
def base_text() -> str:
    """The shipped rules that are part of every policy set."""
    packaged = importlib.resources.files(__package__).joinpath(BASE_FILE)
    return packaged.read_text(encoding="utf-8")


def tightened(earlier: Verdict, now: Verdict) -> Verdict:
    """The stricter of two verdicts: deny over needs_approval over allow, `earlier` when equal.

    Of two that need approval, `now` counts as stricter when it demands a role, or more people
    of one, that `earlier` didn't. The result then demands what either does.
    """
    if now.kind != earlier.kind:
        return max(earlier, now, key=lambda verdict: _STRICTNESS[verdict.kind])
    demanded = {slot.role: slot.count for slot in earlier.slots}
    if all(slot.count <= demanded.get(slot.role, 0) for slot in now.slots):
        return earlier
    slots = _most((*earlier.slots, *now.slots))
    # Where `now` already demands everything, it stands as it is, deadline and escalation too.
    return now if slots == _most(now.slots) else now.model_copy(update={"slots": slots})


def prevented(verdict: Verdict) -> tuple[str, ...]:
    """The ids of the forbids that kept an action from running unattended."""
    return tuple(reason.split(" ", 1)[0] for reason in verdict.reasons if reason.endswith(_HELD))


_HELD = " forbids running unattended"


def _why(execute: _Answer) -> tuple[str, ...]:
    if not execute.rules:
        return ("no rule permits running unattended",)
    return tuple(f"{rule}{_HELD}" for rule in execute.rules)


def _target(question: Question) -> tuple[str, str]:
    return question.action.target_type, question.action.target_id


def _unknown(policy: str, question: Question) -> str:
    return f"policy {policy} knows no write tool {question.action.tool}"


def _deadline(rule: Rule) -> float:
    return DEFAULT_DEADLINE.total_seconds() if rule.deadline is None else rule.deadline


def _most(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """One slot per role with the highest count that any of them demands."""
    counts: dict[str, int] = {}
    for slot in slots:
        counts[slot.role] = max(slot.count, counts.get(slot.role, 0))
    return tuple(Slot(role=role, count=count) for role, count in sorted(counts.items()))


@functools.lru_cache(maxsize=256)
def _entities(operator: Operator, schema: cedarpy.Schema) -> cedarpy.Entities:
    person = {
        "uid": {"type": "Operator", "id": operator.name},
        "attrs": {"name": operator.name, "tenant": operator.tenant},
        "parents": [{"type": "Role", "id": role} for role in operator.roles],
    }
    return cedarpy.Entities.from_json_str(json.dumps([person]), schema)


def _parse_schema(shapes: Mapping[str, ToolShape]) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_json_str(json.dumps(schema_of(shapes)))
    except ValueError as error:
        raise PolicyError(f"The tools give no valid Cedar schema: {error}") from error


def _check_types(
    name: str, sources: Mapping[str, str], rules: Mapping[str, Rule], schema: cedarpy.Schema
) -> None:
    """Raise PolicyError with each attribute, action or type that the schema does not have."""
    result = cedarpy.validate_policies("\n".join(sources.values()), schema)
    if result.validation_passed:
        return
    problems = []
    for error in result.errors:
        rule = result.id_annotations_by_policy_id.get(error.policy_id, "")
        file = rules[rule].file if rule in rules else name
        words = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        problems.append(f'{file}: rule "{rule}": {words}')
    raise PolicyError(f"Policy {name!r} does not fit the tools:", tuple(problems))
