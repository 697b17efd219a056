"""Asking policy about a stored question: rebuilt typed, under the contract it was asked under."""

from __future__ import annotations

from agent_runtime.app import App
from agent_runtime.approval import Approval
from agent_runtime.errors import PolicyError, StaleQuestion
from agent_runtime.installation import Installation
from agent_runtime.policy import PolicySet
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.verdict import Question


def step_of(app: App, asked: Approval) -> Step:
    """The step that asked; raises StaleQuestion unless the present code's has its contract."""
    workflow = app.workflows.get(asked.workflow)
    same = [] if workflow is None else [s for s in workflow.steps if s.name == asked.step]
    if not same or same[0].contract != asked.contract:
        raise StaleQuestion(
            f"Approval {asked.id} was asked by another version of step {asked.step!r}.",
            remedy="Deploy the version that asked, or cancel the run and start anew.",
        )
    return same[0]


def put_question(
    installation: Installation, asked: Approval, run: Run
) -> tuple[PolicySet, Question]:
    """The stored question as policy is asked it, and the policy set that decides about its run.

    Raises StaleQuestion as `step_of`, PolicyError when its policy set is gone.
    """
    step = step_of(installation.app, asked)
    tool = step.tool("action", asked.action.tool)
    policy = installation.policies_of(run).get(asked.policy)
    if policy is None or tool.facts_model is None:
        raise PolicyError(f"There is no policy set {asked.policy!r} any more.")
    put = Question(
        action=asked.action,
        arguments=tool.parse(asked.action.arguments),
        facts=tool.facts_model.model_validate(asked.facts),
        signals=asked.signals,
        run=installation.segment(run).facts(step),
    )
    return policy, put
