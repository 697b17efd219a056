"""One visit's conversation with a model, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from langchain_core.messages import AIMessage, BaseMessage

from agent_runtime.envelope import Route
from agent_runtime.failure import FailureKind
from agent_runtime.models.model import Model
from agent_runtime.models.route import Choice
from agent_runtime.tool import Tool

T = TypeVar("T")


@dataclass
class Inquiry:
    """One visit's conversation with a model: it grows by answers, tools' results and hints.

    `failures` counts what failed since the model was last changed for another, `total` all that
    failed, `attempts` all attempts, `doubts` how often an answer made a dearer model be asked;
    `choice` is who is asked now.
    """

    visit: int
    messages: list[BaseMessage]
    tools: Sequence[Tool]
    schema: dict[str, Any]
    choice: Choice
    failures: Counter[FailureKind] = field(default_factory=Counter)
    total: Counter[FailureKind] = field(default_factory=Counter)
    attempts: int = 0
    doubts: int = 0

    @property
    def route(self) -> Route:
        """Who is asked now and why, for the envelope."""
        return Route(tier=self.choice.tier, reason=self.choice.reason[:500])

    @property
    def malformed(self) -> int:
        """Answers that the step could not use."""
        return self.total["invalid_json"] + self.total["wrong_content"]


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A message that asks for tools, or one whose text was read as `value`."""

    message: AIMessage
    value: T | None
    model: Model
