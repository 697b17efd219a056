"""The tools that look something up, and the two that touch nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_runtime.errors import ToolRefused
from agent_runtime.tool import Tool
from tests.shop.desk import MUG_BLUE, OpenDesk, make_document, make_order
from tools.shop import (
    calculate,
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_item_details,
    get_order_details,
    get_product_details,
    get_user_details,
    list_all_product_types,
    modify_user_address,
    transfer_to_human_agents,
)

ADA_HOLM = {"first_name": "ADA", "last_name": "holm", "zip": "0150"}


@pytest.mark.parametrize(
    ("tool", "arguments", "part", "name"),
    [
        (get_order_details, {"order_id": "#1"}, "orders", "#1"),
        (get_user_details, {"user_id": "ada"}, "users", "ada"),
        (get_product_details, {"product_id": "prod-1"}, "products", "prod-1"),
    ],
)
async def test_a_look_up_gives_the_record_as_it_was_imported(
    open_desk: OpenDesk, tool: Tool, arguments: dict[str, Any], part: str, name: str
) -> None:
    """Orders, users and products come back exactly as they were imported."""
    desk = await open_desk(make_order())
    assert await desk.run(tool, arguments) == make_document(make_order())[part][name]


async def test_an_item_is_found_by_its_own_id(open_desk: OpenDesk) -> None:
    """A variant is found without knowing its product."""
    desk = await open_desk()
    item = await desk.run(get_item_details, {"item_id": MUG_BLUE})
    assert (item["item_id"], item["price"]) == (MUG_BLUE, 12.3)


async def test_product_types_are_a_json_text_sorted_by_name(open_desk: OpenDesk) -> None:
    """The list of products is text, not an object."""
    desk = await open_desk()
    listed = await desk.run(list_all_product_types, {})
    assert listed == '{"Lamp": "prod-2", "Mug": "prod-1"}'
    assert json.loads(listed)["Mug"] == "prod-1"


async def test_a_user_is_found_whatever_the_case(open_desk: OpenDesk) -> None:
    """E-mail address and name are compared without regard to case."""
    desk = await open_desk()
    assert await desk.run(find_user_id_by_email, {"email": "ADA@EXAMPLE.COM"}) == "ada"
    assert await desk.run(find_user_id_by_name_zip, ADA_HOLM) == "ada"


async def test_the_zip_is_that_of_the_present_address(open_desk: OpenDesk) -> None:
    """After a move, the old zip finds nobody."""
    desk = await open_desk()
    moved = {"address1": "2", "address2": "", "city": "B", "state": "B", "country": "N"}
    await desk.run(modify_user_address, {"user_id": "ada", **moved, "zip": "5003"})
    assert await desk.run(find_user_id_by_name_zip, {**ADA_HOLM, "zip": "5003"}) == "ada"
    with pytest.raises(ToolRefused, match=r"^User not found$"):
        await desk.run(find_user_id_by_name_zip, ADA_HOLM)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (find_user_id_by_email, {"email": "x@example.com"}, "User not found"),
        (find_user_id_by_name_zip, {**ADA_HOLM, "first_name": "Bo"}, "User not found"),
        (get_order_details, {"order_id": "1"}, "Order not found"),
        (get_product_details, {"product_id": MUG_BLUE}, "Product not found"),
        (get_item_details, {"item_id": "prod-1"}, "Item not found"),
        (get_user_details, {"user_id": ""}, "User not found"),
    ],
)
async def test_what_does_not_exist_is_refused(
    open_desk: OpenDesk, tool: Tool, arguments: dict[str, Any], message: str
) -> None:
    """A look-up of an unknown id names what was not found."""
    desk = await open_desk(make_order())
    with pytest.raises(ToolRefused, match=f"^{message}$"):
        await desk.run(tool, arguments)


async def test_a_hand_over_has_a_constant_answer(open_desk: OpenDesk) -> None:
    """Transferring to a person changes nothing here."""
    desk = await open_desk()
    assert await desk.run(transfer_to_human_agents, {"summary": "x"}) == "Transfer successful"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+2", "4.0"),
        (" (1 + 2) * 3 ", "9.0"),
        ("2 + 3 * 4", "14.0"),
        ("-2**2", "-4.0"),
        ("7//2", "3.0"),
        ("10 / 3", "3.33"),
        ("1.005 * +100", "100.5"),
        ("2**-1", "0.5"),
        ("4.0**.5", "2.0"),
        ("-" * 400 + "1", "1.0"),
    ],
)
async def test_arithmetic_has_pythons_precedence(
    open_desk: OpenDesk, expression: str, value: str
) -> None:
    """A value is text, rounded to two places."""
    desk = await open_desk()
    assert await desk.run(calculate, {"expression": expression}) == value


@pytest.mark.parametrize("expression", ["1,000", "2 % 3", "abs(1)", "$5", "1e3", "٣"])
async def test_other_characters_are_refused(open_desk: OpenDesk, expression: str) -> None:
    """Letters, commas, currency signs and foreign digits are named as the fault."""
    desk = await open_desk()
    with pytest.raises(ToolRefused, match=r"^Invalid characters in expression$"):
        await desk.run(calculate, {"expression": expression})


@pytest.mark.parametrize(
    "expression",
    [
        *("", "1/0", "(", "()", "1 2", "(1)(2)", "...", "01", "(-8)**.5", "9**9**9**9"),
        *("9.9**999", "10**400", "1**99999", "9" * 310 + ".0", "(" * 250 + ")" * 250),
    ],
)
async def test_what_has_no_value_is_refused(open_desk: OpenDesk, expression: str) -> None:
    """No expression crashes the tool or keeps it busy."""
    desk = await open_desk()
    with pytest.raises(ToolRefused, match=r"^The expression has no value"):
        await desk.run(calculate, {"expression": expression})
