"""One decided proposal as something to learn from: what was asked, said, and let pass."""

from __future__ import annotations

import json
from typing import Any

from agent_runtime.approval import Approval
from agent_runtime.evaluation.example import _decided, _messages, redacted
from tests.office import Office


async def edited(office: Office) -> Approval:
    """The question that followed an edit which pays another account."""
    office.bank.put("a2", amount="500.00")
    asked = await office.parked()
    arguments = {"account": "a2", "amount": "20.00"}
    return await office.answer(asked, "lena", "edit", arguments=arguments)


async def test_what_was_edited_is_told_whole(asking: Office) -> None:
    """Its target follows its arguments; the amount stated was of the proposal."""
    proposed = {"type": "pay", "target_id": "a1", "stated_amount": "50.00", "arguments": {}}
    said = {"step": "s", "proposed_action": proposed}
    found = _decided(said, "edited", await edited(asking), "")["proposed_action"]
    assert found["target_id"] == "a2"
    assert found["arguments"]["account"] == "a2"
    assert "stated_amount" not in found
    assert proposed["stated_amount"] == "50.00"


def exchange(asked: str, answer: dict[str, Any]) -> tuple[Any, Any]:
    messages = [
        {"role": "human", "content": asked},
        {
            "role": "ai",
            "content": "",
            "tool_calls": [{"id": "c", "name": "look", "args": {"a": 1}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "c"},
    ]
    return {"messages": messages}, {"content": json.dumps(answer)}


async def test_a_line_holds_what_was_asked_when_just_this_was_said(asking: Office) -> None:
    """The last time it was; in the form that chat models are tuned with."""
    said = {"step": "s", "proposed_action": {"type": "pay"}}
    exchanges = [exchange("first", said), exchange("then", said), exchange("other", {"step": "t"})]
    user, call, answer = _messages(await asking.start(), said, exchanges)
    assert (user["role"], user["content"]) == ("user", "then")
    (told,) = call["tool_calls"]
    assert (told["type"], told["function"]) == (
        "function",
        {"name": "look", "arguments": '{"a": 1}'},
    )
    assert (answer["role"], answer["tool_call_id"]) == ("tool", "c")


def test_every_text_is_redacted_wherever_it_stands() -> None:
    """Names of fields, parts of lists, and JSON that is a text itself."""
    value = {"mara": [{"x": "mara"}, 7], "inner": json.dumps({"é": "mara"}), "not": "{mara"}
    found = redacted(value, lambda text: text.replace("mara", "***").replace('"', "'"))
    assert found == {
        "***": [{"x": "***"}, 7],
        "inner": '{"é": "***"}',
        "not": "{***",
    }
