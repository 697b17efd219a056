"""Where an action's values come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent_runtime.action import ProposedAction
from agent_runtime.evidence import Shown
from agent_runtime.provenance import Provenance, trace

NOW = datetime(2026, 3, 30, tzinfo=UTC)
ASKED = {"message": "Set the colour of door 10 to dark green, and pay 12.50."}


def passage(text: str, **fields: Any) -> Shown:
    known: dict[str, Any] = {"source": "mail", "origin": "tool", "retrieved_at": NOW}
    return Shown(text=text, **known | fields)


def traced(arguments: dict[str, Any], *shown: Shown, target: str = "10") -> Provenance:
    proposed = ProposedAction(type="paint", target_id=target, arguments=arguments)
    return trace(proposed, {"coats": 1}, ASKED, shown)


@pytest.mark.parametrize(
    ("arguments", "asked_for"),
    [
        ({"colour": "dark green"}, True),
        ({"colour": "Dark Green"}, True),
        ({"colour": "red"}, False),
        ({"colour": "dark", "more": ["green", {"deep": "red"}]}, False),
        ({"sum": 12.5}, False),
        ({"sum": "12.50"}, True),
        ({"sum": 2}, False),
        ({"sum": True}, False),
        ({"sum": None}, True),
        ({"coats": 1}, True),
        ({"coats": 2}, False),
        ({"colour": " "}, False),
    ],
)
def test_every_value_has_to_stand_in_the_request(
    arguments: dict[str, Any],
    asked_for: bool,
) -> None:
    """As words of its own; what the tool's author chose is nobody's word."""
    assert traced(arguments).asked_for is asked_for


def test_the_target_counts_too() -> None:
    """Which record is meant is the most important value of all."""
    assert not traced({"colour": "green"}, target="11").asked_for


def test_an_action_without_values_was_asked_for_by_nobody() -> None:
    """Nothing of it could stand in the request; a sentence in a document says it as well."""
    assert not traced({}, target="1").asked_for
    assert not traced({"coats": 1}, target="1").asked_for


def test_a_value_that_a_tool_brought_is_told() -> None:
    """Also where it stands in the request as well: nobody can say which one the model read."""
    found = traced({"colour": "green"}, passage("Paint it GREEN now."))
    assert found == Provenance(asked_for=True, from_tools=True)


def test_the_requests_own_copy_is_no_tools_text() -> None:
    """The message is shown as evidence, and stays the user's word; so does an operator's."""
    shown = passage(ASKED["message"], source="request", origin="document")
    answer = passage("Yes, green.", source="operator:1", origin="operator")
    assert not traced({"colour": "green"}, shown, answer).from_tools


def test_a_document_that_was_handed_in_is_no_request() -> None:
    """A mail that came along may be anybody's."""
    assert traced({"colour": "green"}, passage("green", origin="document")).from_tools
