"""The seam to a model: who answers, and how its failures reach us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core import exceptions as foreign
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
)

from agent_runtime.budget import Price
from agent_runtime.errors import ModelUnavailable
from agent_runtime.models.ending import WITHHELD, ending, is_refusal
from agent_runtime.models.form import Form, unwrap
from agent_runtime.models.letter import MakeBatching
from agent_runtime.models.offline import LABEL, OfflineModel
from agent_runtime.step import OfflineRule
from agent_runtime.tool import Tool

Guard = Callable[[], AbstractContextManager[Any]]

BROKE_OFF = "The stream ended before the answer did."


@dataclass(frozen=True)
class Model:
    """A chat model with the name that its envelopes carry (`producer`).

    `guard` turns the provider's own errors into ModelUnavailable. `fallback` names the model that
    is asked when this one fails for good; calls of one `provider` share its limits. `batching`:
    how it is asked in batches, where its provider has them. `tells_ending`: whether its client
    says of every whole answer how it ended.
    """

    producer: str
    chat: BaseChatModel
    guard: Guard = nullcontext
    price: Price | None = None
    fallback: str | None = None
    provider: str = ""
    form: Form = field(default_factory=lambda: Form("plain"))
    batching: MakeBatching | None = None
    tells_ending: bool = False

    @property
    def is_offline(self) -> bool:
        """Whether rules answer, which cost nothing and need no limit."""
        return isinstance(self.chat, OfflineModel)

    async def exchange(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[Tool],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        heard: Callable[[int], None] | None = None,
        by_letter: bool = False,
    ) -> AIMessage:
        """One exchange, with exactly these tools bound; raises ModelUnavailable. Only the executor
        calls it: what it takes is drawn on budgets, and recorded.

        `schema`: what the answer is held to, as far as the model's form can. `heard`: is told how
        many characters there are while the answer comes, which is then streamed. `by_letter`: over
        the letter at hand, not the wire.
        """
        chat = self.batching().chat if by_letter and self.batching is not None else self.chat
        bound = self._bound(chat, tools, schema, temperature)
        with self.guard():
            if heard is None:
                answer = await bound.ainvoke(list(messages))
            else:
                answer = await _streamed(bound, messages, heard)
                if self.tells_ending and ending(answer) is None:
                    raise ConnectionError(BROKE_OFF)
        answer = unwrap(answer)
        _require_answer(answer)
        return answer

    def params(self, temperature: float | None) -> dict[str, Any]:
        """What decides about an answer beside messages and tools."""
        return {"form": self.form.mode, "temperature": temperature}

    def _bound(
        self,
        chat: BaseChatModel,
        tools: Sequence[Tool],
        schema: dict[str, Any] | None,
        temperature: float | None,
    ) -> Any:
        offered = [_offered(tool) for tool in tools]
        sent: dict[str, Any] = {}
        if schema is not None:
            sent = self.form.params(schema)
            offered += self.form.tools(schema)
        if temperature is not None:
            sent["temperature"] = temperature
        if offered:
            return chat.bind_tools(offered, **sent)
        return chat.bind(**sent) if sent else chat


async def _streamed(
    bound: Any, messages: Sequence[BaseMessage], heard: Callable[[int], None]
) -> AIMessage:
    """The answer in one piece; raises ConnectionError where nothing came."""
    whole: AIMessageChunk | None = None
    async for chunk in bound.astream(list(messages)):
        whole = chunk if whole is None else whole + chunk
        heard(len(str(whole.text)))
    if whole is None:
        raise ConnectionError(BROKE_OFF)
    return cast("AIMessage", message_chunk_to_message(whole))


def offline_model(rule: OfflineRule) -> Model:
    """The offline model over a workflow's declared rule."""
    return Model(LABEL, OfflineModel(rule=rule))


FOREIGN: tuple[tuple[type[Exception], str, str], ...] = (
    (foreign.ContextOverflowError, "too_long", "The request is longer than the model can hold."),
    (foreign.ModelRateLimitError, "rate_limited", "The provider wants to be asked less often."),
    (foreign.ModelAuthenticationError, "unauthorized", "The provider refused the key."),
    (foreign.ModelPermissionDeniedError, "unauthorized", "The key may not use this model."),
    (foreign.ModelNotFoundError, "unknown_model", "The provider has no model of that name."),
    (foreign.ModelTimeoutError, "timed_out", "The model gave no answer in time."),
    (TimeoutError, "timed_out", "The model gave no answer in time."),
    (foreign.ModelConnectionError, "unreachable", "The model's provider could not be reached."),
    (ConnectionError, "unreachable", "The model's provider could not be reached."),
    (foreign.ModelInvalidRequestError, "unusable", "The provider will not have the request."),
    (foreign.ModelAPIError, "server_error", "The model's provider failed."),
    (json.JSONDecodeError, "invalid_json", "The provider's answer was cut off, or no JSON."),
    (ValueError, "unusable", "The provider's answer is none."),
    (LookupError, "unusable", "The provider's answer is none."),
    (TypeError, "unusable", "The provider's answer is none."),
)
"""What every langchain-core model may raise, the first that fits. A provider's own types are told
apart before they come here."""


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Turns what a chat model raises into ModelUnavailable of a kind."""
    try:
        yield
    except tuple(kind for kind, _, _ in FOREIGN) as error:
        kind, words = next((k, w) for base, k, w in FOREIGN if isinstance(error, base))
        raise _told(words, kind) from error


def _told(message: str, kind: str) -> ModelUnavailable:
    return ModelUnavailable(message, remedy="Then: agent-runtime runs resume", kind=kind)


def _require_answer(answer: AIMessage) -> None:
    """Raises ModelUnavailable where the provider withheld the answer, or the model refused."""
    if ending(answer) in WITHHELD:
        raise _told("The provider's content filter withheld the answer.", "filtered")
    if is_refusal(answer):
        raise _told("The model refused to answer.", "refused")


def _offered(tool: Tool) -> dict[str, Any]:
    told = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": told}
