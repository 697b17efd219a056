"""Comparing JSON documents and applying expected changes to them."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.retail.compare import differences, expected_records, same_result
from benchmarks.retail.dataset import Change, GoldAction


def changed(*changes: tuple[str, Any]) -> tuple[Any, list[str]]:
    """The order after these (path, after), and the places that don't exist."""
    base: dict[str, Any] = {
        "users": {},
        "products": {},
        "orders": {"#1": {"items": [1, 2, 3], "a/b": {"~": 1}, "status": "x"}},
    }
    made = [Change(collection="orders", id="#1", path=path, after=after) for path, after in changes]
    after, misplaced = expected_records(base, tuple(made))
    assert base["orders"]["#1"]["items"] == [1, 2, 3]
    return after["orders"].get("#1"), [one.path for one in misplaced]


@pytest.mark.parametrize(
    ("one", "other"),
    [(17, 17.0), ({"a": None}, {}), ({"a": [1, {"b": 2}]}, {"a": [1.0, {"b": 2}]})],
)
def test_equal_values_do_not_differ(one: Any, other: Any) -> None:
    """Numbers are equal by value, and null is absent."""
    assert list(differences(one, other)) == []


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ({"a": True}, {"a": 1}, "/a"),
        ({"a": 1}, {"a": "1"}, "/a"),
        ({"a": [1]}, {"a": [1, 2]}, "/a/1"),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, "/a~1b/~0"),
        ({"a": {}}, {"a": []}, "/a"),
    ],
)
def test_a_difference_has_its_path(one: Any, other: Any, path: str) -> None:
    """The path is a JSON Pointer, whichever side has more."""
    assert [found.path for found in differences(one, other)] == [path]
    assert [found.path for found in differences(other, one)] == [path]


def test_changes_are_applied_in_the_order_that_keeps_indices() -> None:
    """Removed tail elements go last, the highest index first, however the file lists them."""
    removed = [("/items/1", None), ("/items/2", None), ("/items/0", 9)]
    assert changed(*removed)[0]["items"] == [9]
    added = [("/items/4", 5), ("/items/3", {"deep": [1]}), ("/items/3/deep/1", 2)]
    assert changed(*added)[0]["items"] == [1, 2, 3, {"deep": [1, 2]}, 5]


def test_keys_and_whole_records_come_and_go() -> None:
    """A key may hold escaped characters; an empty path is the record."""
    assert changed(("/a~1b/~0", None), ("/new", 1))[0] == {
        "items": [1, 2, 3],
        "a/b": {},
        "status": "x",
        "new": 1,
    }
    assert changed(("", None)) == (None, [])
    assert changed(("", {"status": "y"})) == ({"status": "y"}, [])


@pytest.mark.parametrize("path", ["/items/7", "/items/x", "/nowhere/a", "/status/a"])
def test_a_change_without_a_place_is_reported(path: str) -> None:
    """An expectation that cannot be met is a difference, not a crash."""
    assert changed((path, 1))[1] == [f"/orders/#1{path}"]


@pytest.mark.parametrize(
    ("result", "text", "same"),
    [
        ({"a": 17}, '{"a": 17.0}', True),
        ({"a": 17}, '{"a": 17, "b": null}', True),
        ({"a": 17}, "no json", False),
        ("a text", "a text", True),
        ("a text", '"a text"', False),
        ("Error: Order not found", "Error: Order not found", True),
        ("Error: Order not found", None, False),
    ],
)
def test_results_are_compared_as_they_were_shown(result: Any, text: str, same: bool) -> None:
    """A record by its value, a text and an error word for word."""
    failed = isinstance(result, str) and result.startswith("Error: ")
    gold = GoldAction(action_id="1", name="t", result=result, is_error=failed)
    assert same_result(gold, text) is same
