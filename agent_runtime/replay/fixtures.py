"""Fixtures: mutations of real actions that any policy set has to refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from agent_runtime.app import App
from agent_runtime.replay.decided import Decided
from agent_runtime.replay.rehearsal import Fixtures
from agent_runtime.verdict import Question

SAMPLE = 50
"""Real actions that are mutated, spread over all."""

STRANGER = "somebody-else-entirely"

Mutation = Callable[[Question], Question | None]


def try_fixtures(app: App, decided: Sequence[Decided]) -> Fixtures:
    """Put each mutation of a sample to the policies; whatever is not denied is let through."""
    tried, let_through = 0, []
    for one in _sample([one for one in decided if one.by_policy]):
        policy = app.policies.get(one.policy)
        for name, question in _mutated(one.question):
            tried += 1
            if policy is not None and policy.judge(question).kind != "deny":
                let_through.append(f"{name}: {one.question.action.tool} of {one.run.id}")
    return Fixtures(tried=tried, let_through=tuple(let_through))


def _sample(decided: Sequence[Decided]) -> Sequence[Decided]:
    step = max(1, len(decided) // SAMPLE)
    return decided[::step][:SAMPLE]


def _mutated(question: Question) -> Iterator[tuple[str, Question]]:
    for name, mutate in MUTATIONS.items():
        made = mutate(question)
        if made is not None:
            yield name, made


def _invented_quote(question: Question) -> Question:
    signals = question.signals.model_copy(update={"unverified_quotes": 1, "clean": False})
    return replace(question, signals=signals)


def _other_amount(question: Question) -> Question:
    told = {"amount_difference": Decimal("10.00"), "clean": False}
    return replace(question, signals=question.signals.model_copy(update=told))


def _other_owner(question: Question) -> Question | None:
    """Only where facts have an owner, and the run somebody whom it is about."""
    if "owner" not in type(question.facts).model_fields or question.run.subject is None:
        return None
    return replace(question, facts=question.facts.model_copy(update={"owner": STRANGER}))


def _unknown_tool(question: Question) -> Question:
    return replace(question, action=question.action.model_copy(update={"tool": "never_declared"}))


def _other_arguments(question: Question) -> Question:
    """What is judged is not what would be executed."""
    arguments = {**question.action.arguments, "smuggled": "in"}
    action = question.action.model_copy(update={"arguments": arguments})
    return replace(question, action=action)


MUTATIONS: dict[str, Mutation] = {
    "an invented quote": _invented_quote,
    "another amount than stated": _other_amount,
    "somebody else's record": _other_owner,
    "an unknown tool": _unknown_tool,
    "other arguments than judged": _other_arguments,
}
