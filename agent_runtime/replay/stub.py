"""Stubs: an app whose tools ask a player in place of the world; contracts stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from agent_runtime.evidence import Shown, Withdrawn
from agent_runtime.knowledge.standing import Standings
from agent_runtime.models.model import Model
from agent_runtime.replay.player import Player
from agent_runtime.step import Step
from agent_runtime.tool import Probe, Tool, ToolCall
from agent_runtime.workflow import Workflow


@dataclass(frozen=True)
class Live:
    """A model that is asked where the recording ends; `fresh`: also where it goes on, since another
    model is what is tried. Tools and effects stay the recording's."""

    model: Model
    fresh: bool = False


class RecordedStandings(Standings):
    """Tells of documents what was found of them then."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def withdrawn(
        self,
        shown: Sequence[Shown],  # noqa: ARG002 — the tape knows by the call
        call: ToolCall,
    ) -> tuple[Withdrawn, ...]:
        """The same as was found for this visit."""
        return self._player.withdrawn(call)


Playing = Callable[[], Player]
"""The player of the run that is replayed at the moment."""


def stubbed(workflow: Workflow, playing: Playing) -> Workflow:
    """The same workflow with no way to the world."""
    made: dict[int, Tool] = {}

    def stub(tool: Tool) -> Tool:
        return made.setdefault(id(tool), _stub(tool, playing))

    return replace(workflow, steps=[_step(step, stub) for step in workflow.steps])


def unbudgeted(workflow: Workflow) -> Workflow:
    """The same workflow without budgets of its own: nothing is spent."""
    steps = [replace(s, reasoning=replace(s.reasoning, budget=None)) for s in workflow.steps]
    return replace(workflow, steps=steps)


class RecordedChat(BaseChatModel):
    """Answers from the tape, whoever answered then; what it doesn't hold, `live` is asked, bound
    as this is."""

    playing: Any
    live: Any = None
    bound: Any = None

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 — the base class passes them all
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 — as above
        **kwargs: Any,  # noqa: ARG002 — as above
    ) -> ChatResult:
        answer = self.playing().answer(messages)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        *args: Any,  # noqa: ARG002 — as above
        **kwargs: Any,  # noqa: ARG002 — as above
    ) -> ChatResult:
        player: Player = self.playing()
        if self.live is None or (not self.live.fresh and player.holds(messages)):
            return self._generate(messages)
        player.asked_live += 1
        with self.live.model.guard():
            answer = await (self.bound or self.live.model.chat).ainvoke(messages)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def bind_tools(
        self,
        tools: Sequence[Any],
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        """What was offered then is in the step's scope."""
        if self.live is None:
            return self
        bound = self.live.model.chat.bind_tools(tools, **kwargs)
        return self.model_copy(update={"bound": bound})


def _step(step: Step, stub: Callable[[Tool], Tool]) -> Step:
    thought = step.reasoning
    return replace(
        step,
        context=replace(step.context, tools=[stub(tool) for tool in step.context.tools]),
        reasoning=replace(
            thought,
            tools=[stub(tool) for tool in thought.tools],
            proposes=[stub(tool) for tool in thought.proposes],
        ),
    )


def _stub(tool: Tool, playing: Playing) -> Tool:
    async def look_up(args: BaseModel, _: ToolCall) -> Any:
        return playing().look_up(tool, args)

    async def act(_: BaseModel, call: ToolCall) -> Any:
        return playing().call(tool, call)

    async def facts(args: BaseModel, call: ToolCall) -> BaseModel:
        return playing().facts(tool, args, call)

    async def check(_: BaseModel, call: ToolCall) -> None:
        playing().check(call)

    async def probe(_: BaseModel, call: ToolCall) -> Probe:
        return playing().probe(call)

    if tool.effect != "write":
        return replace(tool, _function=look_up)
    outside: Mapping[str, Any] = {
        "facts": facts,
        "check": None if tool.check is None else check,
        "probe": None if tool.probe is None else probe,
    }
    return replace(tool, _function=act, **outside)
