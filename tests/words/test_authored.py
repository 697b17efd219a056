"""What authors wrote wrongly is told when it is loaded, with the name of what to correct."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from agent_runtime import Brief, Context, Edge, Envelope, Reasoning, Step, ToolCall, Workflow, tool
from agent_runtime.authored import wrong_types
from agent_runtime.errors import ToolDeclarationError, WorkflowError
from agent_runtime.failure import Remedy
from agent_runtime.guard import Guards
from agent_runtime.resource import resource
from tests.ledger import Pay, PayRequest, account_facts, done, get_account, make_pay

PAY = make_pay()


async def rule_that_waits(brief: Brief) -> Envelope:
    return done(brief)


def rule_without_brief() -> None: ...


def workflow(step: str = "a", **reasoning: Any) -> Workflow:
    """One step that only thinks, with one thing in it that is wrong."""
    decided = Reasoning(**{"rule": done, **reasoning})
    return Workflow("w", PayRequest, [Step(step, decided, policy="p")])


def looking_up(context: Any) -> Workflow:
    return Workflow("w", PayRequest, [Step("a", Reasoning(rule=done), context)])


def looped(**edge: Any) -> Workflow:
    return replace(workflow(), edges=[Edge("a", "a", **{"at_most": 1, **edge})])


def asking_for(kind: Any) -> Workflow:
    return replace(workflow(), input=kind)


class Unlike(BaseModel):
    claim: str


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (workflow(tier="huge"), r"steps['a'].reasoning.tier: Input should be 'light',"),
        (workflow(failures={"late": Remedy()}), r"reasoning.failures['late']: Input should be"),
        (workflow(failures={"refused": 3}), r"reasoning.failures['refused']: Input should be"),
        (workflow(budget={"tokens": 1}), "reasoning.budget: Input should be an instance of Budget"),
        (workflow(attempts=0), "attempts: Input should be greater than or equal to 1, not 0"),
        (workflow(max_calls="9"), "max_calls: Input should be a valid integer, not '9'"),
        (workflow(proposes=["pay"]), r"reasoning.proposes[0]: Input should be an instance of Tool"),
        (workflow(rule="done"), "reasoning.rule: Input should be callable, not 'done'"),
        (workflow(rule=rule_without_brief), "rule_without_brief has to take 1 argument"),
        (workflow(rule=rule_that_waits), "rule_that_waits must be no async function"),
        (workflow(offline=rule_without_brief), "rule_without_brief has to take 1 argument"),
        (workflow(prompt="decide"), "both a prompt and a rule"),
        (workflow("pay out"), "step 'pay out' is no name"),
        (looking_up([get_account]), "steps['a'].context: Input should be an instance of Context"),
        (
            looking_up(Context(tools=cast("Any", get_account))),
            "context.tools: Input should be an instance",
        ),
        (looking_up(Context(token_budget=0)), "token_budget: Input should be greater"),
        (replace(workflow(), name=""), "Workflow '': '' is no name"),
        (
            replace(workflow(), input=cast("Any", dict)),
            "input: Input should be a subclass of BaseModel",
        ),
        (replace(workflow(), input=Unlike, subject="owner"), "has no 'owner'"),
        (
            replace(workflow(), edges=[Edge("a", "a", cast("Any", {"done"}), at_most=1)]),
            "edges[0].on",
        ),
        (replace(workflow(), edges=[Edge("a", "a", at_most=0)]), "edges[0].at_most"),
        (
            replace(
                workflow(), edges=[Edge("a", "a", when=cast("Any", rule_without_brief), at_most=1)]
            ),
            "edge a>a: rule_without_brief has to take 1 argument",
        ),
        (replace(looking_up(Context(tools=[get_account])), input=Unlike), "has no 'account'"),
        (workflow(proposes=[PAY], guards=Guards(drafts=("body",))), "its guards look at 'body'"),
    ],
)
def test_a_wrong_part_of_a_workflow_is_named(wrong: Workflow, words: str) -> None:
    """By its place in the declaration, with what would be right."""
    with pytest.raises(WorkflowError, match=re.escape(words)):
        wrong.check()


def test_every_wrong_part_is_told_at_once() -> None:
    """Not one after the other, each time that the app is loaded."""
    found = list(wrong_types(workflow(tier="huge", attempts=0)))
    assert [line.split(":")[0] for line in found] == [
        "steps['a'].reasoning.attempts",
        "steps['a'].reasoning.tier",
    ]


async def without_call(args: Pay) -> str:
    return ""


async def of_others(args: Unlike, call: ToolCall) -> None: ...


def at_once(args: Pay, call: ToolCall) -> None: ...


async def pay(args: Pay, call: ToolCall) -> str:
    return ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recovery": "again"}, "recovery: Input should be 'safe_retry'"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"check": without_call}, "without_call has to take 2 arguments"),
        ({"check": at_once}, "at_once is no async function"),
        ({"check": of_others}, "of_others takes Unlike, which has 'claim'"),
    ],
)
def test_a_wrong_part_of_a_tool_is_named(changes: dict[str, Any], words: str) -> None:
    """When its module is imported."""
    declared = {"effect": "write", "recovery": "manual", "target": "Account.account"}
    with pytest.raises(ToolDeclarationError, match=words):
        tool(**{**declared, "facts": account_facts, **changes})(pay)


def test_a_tool_takes_its_arguments_and_the_call() -> None:
    """A function that cannot be called so is none."""
    with pytest.raises(ToolDeclarationError, match="without_call has to take 2 arguments"):
        tool(effect="read")(cast("Any", without_call))


def test_an_argument_that_a_tool_has_not_cannot_be_bound() -> None:
    """The remedy lists those that it has."""
    with pytest.raises(ToolDeclarationError, match=r"takes no 'acount'.*account"):
        get_account.with_inputs(acount="account")


def test_a_resource_is_opened_by_an_async_function() -> None:
    """It may have to connect first."""

    def open_bank(folder: Path) -> Path:
        return folder

    with pytest.raises(ToolDeclarationError, match="open_bank is no async function"):
        resource(open_bank)  # type: ignore[arg-type]
