"""The cross-check of a bundle: a model is asked whether its texts contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from agent_runtime.errors import (
    AgentRuntimeError,
    BudgetExceeded,
    ModelUnavailable,
    NeedsAttention,
    SettingsError,
)
from agent_runtime.evidence import Bundle, Shown
from agent_runtime.knowledge.cross_check import (
    Answer,
    compared,
    marked,
    nothing_read,
    question,
    read_answer,
)
from agent_runtime.models.inquiry import Inquiry
from agent_runtime.models.offline import LABEL
from agent_runtime.segment import Segment
from agent_runtime.step import OfflineRule, Step

UNREAD = "No model has read whether the texts contradict each other"


@dataclass(frozen=True)
class Checked:
    """The passages with what a model found, or why it found nothing."""

    shown: list[Shown]
    warnings: tuple[str, ...] = ()


async def cross_check(segment: Segment, step: Step, visit: int, shown: Sequence[Shown]) -> Checked:
    """Hold the texts against each other where the step declares it.

    What is found are claims like declared ones, so that the same signal is raised. A model that
    fails costs its findings and never the run: a warning says so.
    """
    texts, tier = compared(shown), step.context.cross_check
    if tier is None or len(texts) < 2:
        return Checked(list(shown))
    executor = segment.executor(_reader(step))
    inquiry = executor.inquire(
        visit, question(step.name, visit, texts), Answer.model_json_schema(), tier
    )
    try:
        reply = await executor.ask(inquiry, lambda text: read_answer(text, texts))
    except (ModelUnavailable, NeedsAttention, SettingsError) as error:
        return Checked(list(shown), (f"{UNREAD}: {_why(inquiry, error)}.",))
    if reply.model.producer == LABEL:
        return Checked(list(shown), (f"{UNREAD}: none is configured.",))
    if reply.value is None:
        return Checked(list(shown), (f"{UNREAD}: it asked for a tool instead.",))
    return Checked(marked(shown, reply.value))


async def cross_checked(segment: Segment, step: Step, visit: int, bundle: Bundle) -> Bundle:
    """A bundle with what a model found in it."""
    checked = await cross_check(segment, step, visit, bundle.shown)
    warnings = (*bundle.warnings, *checked.warnings)
    return bundle.model_copy(update={"shown": tuple(checked.shown), "warnings": warnings})


def _reader(step: Step) -> Step:
    """The step as the executor knows it, on whose budget it is drawn; with no tool to ask for."""
    offline = cast("OfflineRule", nothing_read)
    return replace(step, reasoning=replace(step.reasoning, tools=(), offline=offline))


def _why(inquiry: Inquiry, error: AgentRuntimeError) -> str:
    """In words of ours: an answer's own stand in its recording."""
    if isinstance(error, BudgetExceeded):
        return "the budget is used up"
    return "what it answered is of no use" if inquiry.malformed else "none gave an answer"
