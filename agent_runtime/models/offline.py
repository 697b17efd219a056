"""The offline model: declared rules behind the same seam as a language model.

It answers where no model is configured, so that everything can be tried without a key. Its
envelopes are labelled `offline`; it reads only the messages that a language model would read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from agent_runtime.brief import Brief, BriefPassage, LookUp
from agent_runtime.errors import WorkflowError
from agent_runtime.step import OfflineRule

LABEL = "offline"


class OfflineModel(BaseChatModel):
    """Answers each brief with what `rule` makes of it: an envelope, or a look-up first."""

    rule: OfflineRule

    @property
    def _llm_type(self) -> str:
        return LABEL

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        brief = _read(messages)
        answer = self.rule(brief)
        if isinstance(answer, LookUp):
            number = sum(isinstance(message, ToolMessage) for message in messages) + 1
            name = f"look-{brief.visit}-{number}"
            call = {"name": answer.tool, "args": answer.arguments, "id": name}
            message = AIMessage("", tool_calls=[call])
        elif not isinstance(answer, BaseModel):  # a check of texts has answers of its own
            name, kind = getattr(self.rule, "__name__", "rule"), type(answer).__name__
            raise WorkflowError(
                f"The offline {name} returned {kind}.", remedy="Return an Envelope or a LookUp."
            )
        else:
            message = AIMessage(answer.model_dump_json(exclude_none=True))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        return self._generate(messages)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """A rule names its look-ups itself; the node holds them against the step's scope."""
        return self


def _read(messages: list[BaseMessage]) -> Brief:
    """The brief as a language model would know it by now: with what was looked up since."""
    first = next(message for message in messages if isinstance(message, HumanMessage))
    brief = Brief.model_validate_json(str(first.text))
    found = [
        BriefPassage(source=result["source"], text=result["text"])
        for message in messages
        if isinstance(message, ToolMessage)
        for result in json.loads(str(message.content)).get("results", [])
        if "text" in result
    ]
    return brief.model_copy(update={"evidence": (*brief.evidence, *found)})
