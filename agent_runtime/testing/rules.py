"""A project's offline rules behind a model's API: to try budgets, prices and tiers with no key."""

from __future__ import annotations

import json

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.evidence import count_tokens
from agent_runtime.models.offline import OfflineModel
from agent_runtime.step import OfflineRule
from agent_runtime.testing.chat import Answer, ChatReply, ChatRequest, Json, ToolRequest


def by_rules(app: App) -> Answer:
    """Answers each brief as its step's offline rule would, with tokens counted roughly.

    A step without such a rule raises LookupError, which the server makes a 500 of.
    """
    rules: dict[str, OfflineRule] = {
        step.name: step.reasoning.offline
        for workflow in app.workflows.values()
        for step in workflow.steps
        if step.reasoning.offline is not None
    }

    def answer(request: ChatRequest) -> ChatReply:
        messages = [_message(message) for message in request.messages]
        brief = Brief.model_validate_json(str(messages[1].content))
        if brief.step not in rules:
            raise LookupError(f"Step {brief.step!r} has no offline rule.")
        said = OfflineModel(rule=rules[brief.step]).invoke(messages)
        calls = tuple(
            ToolRequest(str(call["id"]), call["name"], call["args"]) for call in said.tool_calls
        )
        return ChatReply(
            str(said.content),
            calls,
            prompt_tokens=count_tokens(json.dumps(request.messages)),
            completion_tokens=count_tokens(str(said.content)) + 20 * len(calls),
        )

    return answer


def _message(told: Json) -> BaseMessage:
    content = told.get("content") or ""
    match told["role"]:
        case "system" | "developer":
            return SystemMessage(content)
        case "assistant":
            return AIMessage(content)
        case "tool":
            return ToolMessage(content, tool_call_id=told.get("tool_call_id", ""))
        case _:
            return HumanMessage(content)
