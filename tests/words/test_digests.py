"""Digests: what makes two actions the same thing."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.action import (
    Action,
    ProposedAction,
    action_digest,
    approval_digest,
    canonical,
    digest,
    fill_target,
)
from agent_runtime.errors import ToolRefused
from tests.ledger import make_pay

PAY = make_pay()
quick = settings(deadline=None, derandomize=True, max_examples=50)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(max_size=5), json_values, min_size=1, max_size=4)


def named(values: dict[str, Any], **changes: Any) -> str:
    own = {"tool": "pay", "target_type": "Account", "target_id": "a1", "arguments": values}
    return action_digest(changes.pop("tenant", "default"), Action(**{**own, **changes}))


def resolved(**values: Any) -> str:
    proposed = ProposedAction(type="pay", target_id="a1", arguments={"amount": "5.00", **values})
    return action_digest("default", PAY.resolve(proposed)[0])


@quick
@given(arguments, arguments)
def test_two_actions_share_a_digest_exactly_when_their_arguments_are_equal(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Any difference, however deep, is another action."""
    # True and 1 are one thing to Python and two to JSON.
    assert (named(first) == named(second)) == (repr_json(first) == repr_json(second))


def repr_json(value: Any) -> Any:
    """A value in which True and 1 differ and the order of keys doesn't count."""
    if isinstance(value, dict):
        return sorted((key, repr(repr_json(inner))) for key, inner in value.items())
    if isinstance(value, list):
        return [repr_json(inner) for inner in value]
    return (type(value).__name__, value)


@quick
@given(arguments, st.data())
def test_any_changed_argument_changes_the_digest(
    values: dict[str, Any], data: st.DataObject
) -> None:
    """One argument replaced, removed or added."""
    name = data.draw(st.sampled_from(sorted(values)))
    assert named({**values, name: [values[name]]}) != named(values)
    assert named({k: v for k, v in values.items() if k != name}) != named(values)
    assert named({**values, "another": None}) != named(values)


@quick
@given(arguments)
def test_the_order_of_keys_does_not_count(values: dict[str, Any]) -> None:
    """The digest is over canonical JSON."""
    assert named(dict(reversed(values.items()))) == named(values)


@pytest.mark.parametrize(
    "changes", [{"tool": "refund"}, {"target_type": "Order"}, {"target_id": "a2"}, {"tenant": "x"}]
)
def test_tool_target_and_tenant_are_part_of_it(changes: dict[str, str]) -> None:
    """The same arguments elsewhere are another action."""
    assert named({"amount": "1"}, **changes) != named({"amount": "1"})


@pytest.mark.parametrize("default", [{"note": "payout"}, {"priority": 5}, {"reference": None}])
def test_an_omitted_argument_equals_its_default(default: dict[str, Any]) -> None:
    """Saying what would be so anyway is the same action."""
    assert resolved(**default) == resolved()


def test_null_is_not_an_omitted_argument() -> None:
    """Where the default is a value, null is another one."""
    assert resolved(priority=None) != resolved()


def test_equal_values_written_differently_are_one_action() -> None:
    """Arguments are typed before they are digested: 5 as text is 5."""
    assert resolved(priority="5") == resolved(priority=5)


def test_an_amount_with_other_digits_is_another_action() -> None:
    """What is executed is what was written: 5.0 is not folded into 5.00."""
    assert resolved(amount="5.0") != resolved(amount="5.00")


def test_the_target_is_filled_in_or_must_agree() -> None:
    """Two names for the record that is meant are refused."""
    proposed = ProposedAction(type="pay", target_id="a1", arguments={"account": "a1"})
    assert fill_target(proposed, "account") == {"account": "a1"}
    with pytest.raises(ToolRefused, match="differ"):
        fill_target(proposed.model_copy(update={"target_id": "a2"}), "account")


def test_a_target_that_is_a_number_agrees_with_its_text() -> None:
    """Envelopes name targets in text; a tool may take them as numbers."""
    proposed = ProposedAction(type="pay", target_id="7", arguments={"number": 7})
    assert fill_target(proposed, "number") == {"number": 7}


def test_every_part_of_an_approval_digest_counts() -> None:
    """Action, run, step, visit, contract and facts: each alone makes another question."""
    parts: dict[str, Any] = {"run_id": "r", "step": "s", "visit": 1, "contract": "c", "facts": {}}
    others = {"run_id": "q", "step": "t", "visit": 2, "contract": "d", "facts": {"amount": "1"}}
    found = {approval_digest("a", **parts), approval_digest("b", **parts)}
    found |= {approval_digest("a", **{**parts, name: other}) for name, other in others.items()}
    assert len(found) == 7


def test_a_digest_is_stable_over_time() -> None:
    """Stored approvals would be void if the way of digesting changed unnoticed."""
    canonical = b'{"a":null,"b":[1,"x"]}'
    assert digest({"b": [1, "x"], "a": None}) == "sha256:" + sha256(canonical).hexdigest()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        | st.dictionaries(st.integers(0, 3) | st.text(max_size=1), inner, max_size=2)
    ),
    max_leaves=8,
)


def outcome(write: Callable[[Any], bytes], value: Any) -> bytes | str:
    """What a writer of canonical JSON makes of a value."""
    try:
        return write(value)
    except ValueError:
        return "refused"


@settings(deadline=None, derandomize=True, max_examples=1_000)
@given(anything)
def test_canonical_json_is_what_rfc8785_writes(value: Any) -> None:
    """Byte for byte, and refused exactly where that refuses."""
    assert outcome(canonical, value) == outcome(rfc8785.dumps, value)


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ({"\ue000": 1, "\U0001f600": 2, "a": 3}, False),  # ordered otherwise by code point
        ('\x00\x1f\x7f\u2028"\\/', False),
        ([1e21, 1e-7, 1.0, -0.0, 5e-324, 2**53 - 1], False),
        ({"\ud800": 1}, True),
        ("\ud800", True),
        (2**53, True),
        (float("nan"), True),
        ({True: 1}, True),
    ],
)
def test_canonical_json_of_awkward_values(value: Any, *, refused: bool) -> None:
    """What a faster way is likeliest to get wrong."""
    assert outcome(canonical, value) == outcome(rfc8785.dumps, value)
    assert (outcome(canonical, value) == "refused") is refused
