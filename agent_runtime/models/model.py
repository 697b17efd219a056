"""The seam to a model: who answers, and how its failures reach us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from agent_runtime.models.offline import LABEL, OfflineModel
from agent_runtime.step import OfflineRule
from agent_runtime.tool import Tool


@dataclass(frozen=True)
class Model:
    """A chat model with the name that its envelopes carry (`producer`).

    `guard` turns the provider's own errors into ModelUnavailable.
    """

    producer: str
    chat: BaseChatModel
    guard: Callable[[], AbstractContextManager[Any]] = nullcontext

    async def ask(self, messages: Sequence[BaseMessage], tools: Sequence[Tool]) -> AIMessage:
        """One exchange, with exactly these tools bound; raises ModelUnavailable."""
        with self.guard():
            if not tools:
                return await self.chat.ainvoke(list(messages))
            offered = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.schema,
                    },
                }
                for tool in tools
            ]
            return await self.chat.bind_tools(offered).ainvoke(list(messages))


def offline_model(rule: OfflineRule) -> Model:
    """The offline model over a workflow's declared rule."""
    return Model(LABEL, OfflineModel(rule=rule))
