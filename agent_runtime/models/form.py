"""Forms of answers: how a model is held to a JSON Schema, by what its provider can do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessage

Mode = Literal["json_schema", "tool", "plain"]
"""json_schema: the provider writes by the schema; tool: the answer is the arguments of a tool
that exists for that; plain: the prompt asks for it. All three are validated all the same."""

ANSWER = "give_answer"
"""The tool of mode `tool`; it is not in any scope, and its call never leaves this file."""

Json = dict[str, Any]


@dataclass
class Form:
    """One model's form. `auto` begins with json_schema; `degrade` remembers what was refused."""

    declared: Literal["auto", "json_schema", "tool", "plain"] = "auto"
    responses: bool = False
    _refused: set[Mode] = field(default_factory=set)

    @property
    def mode(self) -> Mode:
        """The form that is asked for now."""
        if self.declared != "auto":
            return self.declared
        return "plain" if "json_schema" in self._refused else "json_schema"

    def degrade(self) -> bool:
        """The provider refused the form; whether another one is left to try."""
        if self.declared != "auto" or self.mode == "plain":
            return False
        self._refused.add(self.mode)
        return True

    def params(self, schema: Json) -> Json:
        """What is sent beside the messages."""
        if self.mode != "json_schema":
            return {}
        # Not strict: an envelope holds arguments of tools, whose shape this schema leaves open.
        named = {"name": "answer", "schema": schema, "strict": False}
        if self.responses:
            return {"extra_body": {"text": {"format": {"type": "json_schema", **named}}}}
        return {"extra_body": {"response_format": {"type": "json_schema", "json_schema": named}}}

    def tools(self, schema: Json) -> list[Json]:
        """The tool to answer by, where the form is one."""
        if self.mode != "tool":
            return []
        told = {"name": ANSWER, "description": "Give the answer.", "parameters": schema}
        return [{"type": "function", "function": told}]


def unwrap(message: AIMessage) -> AIMessage:
    """The message with an answer that was given by tool as its text, and without a fence around
    a whole answer: both are packing, and no reason to ask again."""
    given = [call for call in message.tool_calls if call["name"] == ANSWER]
    if given:
        text = json.dumps(given[0]["args"], ensure_ascii=False)
        return AIMessage(
            text,
            response_metadata=message.response_metadata,
            usage_metadata=message.usage_metadata,
            additional_kwargs={
                k: v for k, v in message.additional_kwargs.items() if k != "tool_calls"
            },
        )
    return message


def unfence(text: str) -> str:
    """What stands in a code fence that is all there is."""
    stripped = text.strip()
    if not (stripped.startswith("```") and stripped.endswith("```") and len(stripped) > 6):
        return text
    first, newline, rest = stripped[3:-3].partition("\n")
    if not newline or first.strip() not in ("", "json", "JSON") or "```" in rest:
        return text
    return rest
