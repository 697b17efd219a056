"""Fields: any input model is a form, and what is typed is the same JSON again."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints

from agent_runtime.console.fields import fields_of, read_fields
from agent_runtime.console.form import Form
from agent_runtime.console.workflows import read_trial
from graphs.refund.workflow import workflow as refund


class Address(BaseModel):
    street: str
    zip_code: str | None = None


class Asked(BaseModel):
    """One field of every kind."""

    customer: Annotated[str, StringConstraints(max_length=50)]
    message: Annotated[str, StringConstraints(max_length=5_000)] = Field(description="As it came.")
    amount: Decimal
    limit: Decimal | None = None
    count: int = 3
    share: float | None = None
    urgent: bool = False
    channel: Literal["mail", "phone"]
    day: date
    at: datetime | None = None
    tags: list[str] = []
    extra: dict[str, Any] = {}
    home: Address


KINDS = {
    "customer": "text", "message": "long", "amount": "decimal", "limit": "decimal",
    "count": "integer", "share": "number", "urgent": "flag", "channel": "choice", "day": "date",
    "at": "datetime", "tags": "list", "extra": "json", "home.street": "text",
    "home.zip_code": "text",
}  # fmt: skip

TYPED = {
    "customer": "mara", "message": "a\nb", "amount": "0.10", "count": "7", "urgent": "yes",
    "channel": "mail", "day": "2026-04-02", "tags": "x\n\ny ", "extra": '{"a": [1]}',
    "home.street": "Hill 1",
}  # fmt: skip


async def test_each_kind_has_its_field() -> None:
    """Types, limits, choices and what is required are read from the schema."""
    fields = {field.name: field for field in fields_of(Asked.model_json_schema())}
    assert {name: field.kind for name, field in fields.items()} == KINDS
    optional = {name for name, field in fields.items() if not field.required}
    assert optional == {"limit", "count", "share", "urgent", "at", "tags", "extra", "home.zip_code"}
    assert fields["channel"].choices == ("mail", "phone")
    assert fields["message"].hint == "text, at most 5,000 characters"
    assert fields["message"].help == "As it came."
    assert fields["count"].default == "3"
    assert fields["home.street"].group == ("Home",)


async def test_what_is_typed_is_the_input() -> None:
    """Decimals stay exact, lists are lines, what is empty is left to the model."""
    found, wrong = read_fields(fields_of(Asked.model_json_schema()), TYPED)
    assert wrong == {}
    asked = Asked.model_validate(found)
    assert (asked.amount, asked.count, asked.tags) == (Decimal("0.10"), 7, ["x", "y"])
    assert (asked.urgent, asked.extra, asked.home.street) == (True, {"a": [1]}, "Hill 1")
    assert found["amount"] == "0.10"
    assert "limit" not in found


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("count", "many", "is no whole number"),
        ("count", "true", "is no whole number"),
        ("share", "1,5", "is no number"),
        ("extra", "{", "is not JSON"),
        ("extra", "[" * 100_000, "is nested too deep"),
    ],
)
async def test_what_cannot_be_read_names_its_field(name: str, text: str, why: str) -> None:
    """The rest of the form is read all the same."""
    found, wrong = read_fields(fields_of(Asked.model_json_schema()), {**TYPED, name: text})
    assert list(wrong) == [name]
    assert wrong[name].startswith(why)
    assert found["customer"] == "mara"


async def test_everything_wrong_is_said_beside_its_field() -> None:
    """All at once, and what was typed is kept."""
    typed = {"customer": "mara", "received_on": "tomorrow", "message": "x" * 9_000}
    form = Form({f"input.{name}": [text] for name, text in typed.items()})
    tried = read_trial(refund, form)
    assert set(tried.wrong) == {"order_id", "message", "received_on"}
    assert "required" in tried.wrong["order_id"]
    assert tried.typed == typed
