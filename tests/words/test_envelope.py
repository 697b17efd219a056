"""The decision envelope: what validates, and what is refused by the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.envelope import MAX_BYTES, Envelope, parse_envelope, validate_envelope
from agent_runtime.errors import InvalidInput

ISSUE: dict[str, Any] = {
    "step": "draft_refund_decision",
    "status": "needs_approval",
    "confidence": 0.73,
    "evidence": [
        {"source": "policy-14", "quote": "Refunds allowed within 14 days for unused credits."},
        {"source": "order-8821", "quote": "Purchase date: 2026-03-25"},
    ],
    "proposed_action": {"type": "approve_refund", "target_id": "order-8821"},
    "reason": "Policy appears satisfied but account history includes one prior manual exception.",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The issue's document with one field replaced; `path` is dotted."""
    document: dict[str, Any] = json.loads(json.dumps(ISSUE))
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return document


def test_the_document_of_the_issue_validates_unchanged() -> None:
    """What was asked for goes in and comes out as it was."""
    envelope = parse_envelope(json.dumps(ISSUE))
    assert envelope.model_dump(mode="json", exclude_unset=True) == ISSUE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mood", "hopeful"),
        ("proposed_action.force", True),
        ("evidence.0.page", 3),
        ("step", ""),
        ("step", 7),
        ("step", "s" * 101),
        ("status", "approved"),
        ("confidence", -0.01),
        ("confidence", 1.01),
        ("confidence", "0.73"),
        ("confidence", True),
        ("confidence", None),
        ("evidence.1.source", ""),
        ("evidence.1.source", " order-8821"),
        ("evidence.1.source", "s" * 201),
        ("evidence.0.quote", "q" * 4_001),
        ("proposed_action.type", "Approve Refund"),
        ("proposed_action.target_id", ""),
        ("proposed_action.stated_amount", "NaN"),
        ("proposed_action.call_id", "a b"),
        ("reason", "r" * 4_001),
        ("reason", None),
        ("visit", 0),
    ],
)
def test_a_field_at_fault_is_named(path: str, value: Any) -> None:
    """Unknown, empty, too long, of another type or out of range: the error says which field."""
    with pytest.raises(InvalidInput) as found:
        validate_envelope(changed(path, value))
    assert found.value.field == path


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", str(2**60)])
@pytest.mark.parametrize("path", ["confidence", "proposed_action.arguments"])
def test_a_number_without_a_canonical_form_is_refused(number: str, path: str) -> None:
    """Neither as confidence nor anywhere in the arguments, however it is written."""
    value = {"amount": "@"} if path.endswith("arguments") else "@"
    text = json.dumps(changed(path, value)).replace('"@"', number)
    with pytest.raises(InvalidInput):
        parse_envelope(text)


@pytest.mark.parametrize("field", ["step", "status", "confidence", "reason"])
def test_a_missing_field_is_named(field: str) -> None:
    """The fields of the contract have no defaults that a proposer could hide behind."""
    document = {name: value for name, value in ISSUE.items() if name != field}
    with pytest.raises(InvalidInput) as found:
        validate_envelope(document)
    assert found.value.field == field


@pytest.mark.parametrize("text", ["", "I would approve.", "[1", "[" * 100_000, "null", "[]", '"x"'])
def test_prose_is_no_envelope(text: str) -> None:
    """What is not one JSON object is refused, whatever it looks like."""
    with pytest.raises(InvalidInput) as found:
        parse_envelope(text)
    assert found.value.field == "envelope"


def test_an_oversized_answer_is_refused_unparsed() -> None:
    """Too long is said before anything is read."""
    with pytest.raises(InvalidInput, match="is longer than"):
        parse_envelope(" " * (MAX_BYTES + 1))


def test_an_error_shows_the_value_shortened() -> None:
    """A long value at fault does not flood logs and screens."""
    with pytest.raises(InvalidInput) as found:
        validate_envelope(changed("reason", "r" * 5_000))
    assert len(str(found.value)) < 250


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    confidence=st.floats(0, 1),
    reason=st.text(st.characters(codec="utf-8"), max_size=200),
    arguments=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), st.booleans()),
)
def test_an_envelope_survives_its_own_json(
    confidence: float, reason: str, arguments: dict[str, Any]
) -> None:
    """Stored and read back it is the same."""
    action = {**ISSUE["proposed_action"], "arguments": arguments}
    fields = {"confidence": confidence, "reason": reason, "proposed_action": action}
    envelope = validate_envelope({**ISSUE, **fields})
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope
