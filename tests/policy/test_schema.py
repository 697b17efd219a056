"""The mapper from pydantic to Cedar: types, values, and what it leaves out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, NewType

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from agent_runtime.errors import PolicyError
from agent_runtime.policy.schema import left_out, record_of, schema_of, shapes_of
from tests.policy.declared import (
    TOOLS,
    UNATTENDED,
    ApproveRefund,
    Frozen,
    RefundFacts,
    approve_refund,
    ask,
    facts_of,
    policy,
    write_tool,
)

OrderId = NewType("OrderId", str)
FOUR = Decimal("0.0001")
LARGEST = Decimal("922337203685477.5807")


class Color(StrEnum):
    """An enum of strings."""

    RED = "red"


class Size(Enum):
    """An enum of numbers."""

    SMALL = 1


class Part(Frozen):
    """A nested model."""

    name: str
    weight: float = 0.0


class Tree(BaseModel):
    """A model that contains itself."""

    name: str
    children: list[Tree] = []
    parent: Tree | None = None


def one(annotation: Any, value: Any) -> Any:
    """What the mapper makes of one value under one annotation."""
    model = create_model("One", x=(annotation, ...))
    return record_of(model).values(model.model_construct(x=value))


def kind(annotation: Any) -> Any:
    """The Cedar type of one annotation, or the reason why it has none."""
    record = record_of(create_model("One", x=(annotation, ...)))
    return record.left_out[0] if record.left_out else record.type["attributes"]["x"]


@pytest.mark.parametrize(
    ("annotation", "cedar"),
    [
        (str, "String"),
        (OrderId, "String"),
        (Literal["a", "b"], "String"),
        (Color, "String"),
        (date, "String"),
        (datetime, "Long"),
        (int, "Long"),
        (bool, "Boolean"),
        (Annotated[int, Field(ge=0)], "Long"),
        (Decimal, "Extension"),
        (list[str], "Set"),
        (frozenset[Decimal], "Set"),
        (tuple[int, ...], "Set"),
    ],
)
def test_type(annotation: Any, cedar: str) -> None:
    """Each mapped annotation is a required attribute of its Cedar type."""
    found = kind(annotation)
    assert (found["type"], found["required"]) == (cedar, True)


@pytest.mark.parametrize(
    "annotation",
    [
        float,
        float | None,
        int | str,
        int | str | None,
        Any,
        dict[str, Any],
        dict,
        list,
        list[float],
        list[Part],
        list[list[str]],
        list[str | None],
        tuple[str, int],
        Literal[1, 2],
        Size,
        bytes,
    ],
)
def test_left_out_type(annotation: Any) -> None:
    """What Cedar cannot hold exactly stays out, with a reason."""
    assert kind(annotation).startswith("x: ")


@pytest.mark.parametrize("annotation", [str | None, Annotated[str | None, Field(max_length=3)]])
def test_optional_is_not_required(annotation: Any) -> None:
    """An Optional field is an attribute that may be missing, and None leaves it away."""
    assert kind(annotation)["required"] is False
    assert one(annotation, None) == {}
    assert one(annotation, "a") == {"x": "a"}


def test_none_where_required_is_an_error() -> None:
    """A None that the model does not allow is never silently dropped."""
    with pytest.raises(ValueError, match="x: None is not a string"):
        one(str, None)


def test_list_has_a_count() -> None:
    """A list is a set and, because a set forgets repetitions, its length."""
    assert one(list[str], ["a", "a"]) == {"x": ["a", "a"], "x_count": 2}
    assert one(list[str], []) == {"x": [], "x_count": 0}
    assert one(list[str] | None, None) == {}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=LARGEST))
def test_four_places_are_exact(value: Decimal) -> None:
    """A decimal of four places within Cedar's range arrives as the same number."""
    if value < -LARGEST:
        return
    assert Decimal(one(Decimal, value)["x"]["__extn"]["arg"]) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_decimals_are_never_rounded(value: Decimal) -> None:
    """A decimal either arrives as the same number or is an error."""
    try:
        mapped = one(Decimal, value)["x"]["__extn"]["arg"]
    except ValueError:
        assert value % FOUR != 0
    else:
        assert Decimal(mapped) == value


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "922337203685477.5808"])
def test_decimal_out_of_range(value: str) -> None:
    """A decimal that is no number, or too large for Cedar, is an error."""
    with pytest.raises(ValueError, match="not a decimal that policy can hold"):
        one(Decimal, Decimal(value))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(int, 2**63), (int, -(2**63) - 1), (int, True), (bool, 1), (str, 1), (Decimal, 1.5)],
)
def test_wrong_value_is_an_error(annotation: Any, value: Any) -> None:
    """A value of another type than its field says, or too large, is an error."""
    with pytest.raises(ValueError, match=r"^x: "):
        one(annotation, value)


def test_times_are_utc_milliseconds() -> None:
    """The same moment in another zone is the same number; without a zone it is an error."""
    noon = datetime(2024, 5, 1, 12, 0, 0, 1500, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=5)))
    assert one(datetime, noon) == one(datetime, east) == {"x": 1714564800001}
    assert one(date, date(2024, 5, 1)) == {"x": "2024-05-01"}
    with pytest.raises(ValueError, match="time zone"):
        one(datetime, noon.replace(tzinfo=None))


def test_enum_is_its_value() -> None:
    """An enum of strings is compared by its value."""
    assert one(Color, Color.RED) == {"x": "red"}


def test_nested_model_is_a_record() -> None:
    """A nested model is a record of its own mapped fields."""
    record = record_of(create_model("One", x=(Part, ...)))
    assert record.type["attributes"]["x"]["type"] == "Record"
    assert record.left_out == ("x.weight: float has no Cedar type",)
    assert one(Part, Part(name="arm")) == {"x": {"name": "arm"}}


def test_recursive_fields_stay_out() -> None:
    """A model that contains itself keeps its other fields."""
    record = record_of(Tree)
    assert [attribute.name for attribute in record.attributes] == ["name"]
    assert len(record.left_out) == 2


def test_another_model_is_an_error() -> None:
    """Only an instance of the declared model is mapped, however alike another one is."""
    with pytest.raises(ValueError, match="expected ApproveRefund, got RefundFacts"):
        record_of(ApproveRefund).values(facts_of())


def test_left_out_names_tool_and_field() -> None:
    """What policy does not see is listed by tool, part and field."""
    model = create_model("Weighed", order_id=(str, ...), weight=(float, 0.0))
    assert left_out([write_tool("weigh", model)]) == (
        "weigh.input.weight: float has no Cedar type",
    )


def test_schema_is_valid_cedar() -> None:
    """The generated schema parses, with three actions per tool in their groups."""
    schema = schema_of(shapes_of(TOOLS))
    cedarpy.Schema.from_json_str(json.dumps(schema))
    actions = schema[""]["actions"]
    assert len(actions) == 3 + 3 * len(TOOLS)
    assert actions["approve:modify_user_address"]["memberOf"] == [{"id": "approve"}]


@pytest.mark.parametrize("owner", [str | None, int, float])
def test_owner_has_to_be_seen(owner: Any) -> None:
    """An owner that policy could miss is refused: it would pass the ownership rule."""
    facts = create_model("Facts", owner=(owner, ...))
    with pytest.raises(PolicyError, match="owner has to be a str"):
        shapes_of([write_tool("pay", facts=facts)])


def test_count_must_not_be_taken() -> None:
    """A field that is named like a list's count is refused: it could stand in for it."""
    model = create_model("Items", order_id=(str, ...), ids=(list[str], ...), ids_count=(int, 0))
    with pytest.raises(PolicyError, match="ids_count"):
        shapes_of([write_tool("pay", model)])


def test_own_types_are_no_targets() -> None:
    """A tool's target cannot take the name of the runtime's own entity types."""
    with pytest.raises(PolicyError, match="Operator"):
        shapes_of([write_tool("pay", target="Operator.order_id")])


def test_two_tools_of_one_name() -> None:
    """Two different write tools under one name are refused; the same one twice is not."""
    assert len(shapes_of([approve_refund, approve_refund])) == 1
    with pytest.raises(PolicyError, match="two write tools"):
        shapes_of([approve_refund, write_tool("approve_refund")])


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MAPPED = st.builds(
    RefundFacts,
    owner=TEXT,
    amount=st.decimals(-(10**6), 10**6, places=4),
    status=TEXT,
    flagged=st.booleans(),
    version=st.integers(-(2**63), 2**63 - 1),
)


@given(MAPPED)
def test_values_always_fit_the_schema(facts: RefundFacts) -> None:
    """Whatever a model can hold and the mapper accepts, Cedar accepts too."""
    everything = policy(UNATTENDED)
    assert everything.judge(ask(facts)).kind == "allow"
