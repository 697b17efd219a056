"""Tools: what has to be declared, and how their failures reach us."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel

from agent_runtime import ToolCall, ToolRefused, ToolUnavailable, adopt, resource, tool
from agent_runtime.errors import ToolDeclarationError, Ungated
from agent_runtime.resource import Resources
from tests.ledger import AccountName, Bank, Pay, account_facts, get_account, make_pay
from tests.office import NOON

CALL = ToolCall(run_id="run-1", tenant="default", key="key-1", now=NOON)
WRITE: dict[str, Any] = {
    "effect": "write",
    "recovery": "manual",
    "target": "Account.account",
    "facts": account_facts,
}


async def pay(args: Pay, call: ToolCall) -> str:
    """Pay out."""
    return "paid"


async def no_model(args: str, call: ToolCall) -> str:
    return args


def not_async(args: Pay, call: ToolCall) -> str:
    return "paid"


async def plain_facts(args: Pay, call: ToolCall) -> dict[str, str]:
    return {}


async def unresolved(args: Nowhere, call: ToolCall) -> str:  # type: ignore[name-defined]  # noqa: F821
    return "paid"


async def probe(args: Pay, call: ToolCall) -> Any:
    return None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recovery": None}, "declares no recovery"),
        ({"target": None}, "declares no target"),
        ({"facts": None}, "declares no facts"),
        ({"effect": "delete"}, "unknown effect 'delete'"),
        ({"target": "account"}, r"target 'account' names no argument.*Type\.argument"),
        ({"target": "account.account"}, "names no argument"),
        ({"target": "Account.owner"}, r"'account', 'amount'"),
        ({"recovery": "probe"}, "a probe go together"),
        ({"probe": probe}, "a probe go together"),
        ({"facts": plain_facts}, "facts reader returns no pydantic model"),
    ],
)
def test_an_incomplete_write_is_refused(changes: dict[str, Any], words: str) -> None:
    """Each gap is named when the module is imported."""
    with pytest.raises(ToolDeclarationError, match=words):
        tool(**{**WRITE, **changes})(pay)


def test_there_is_no_read_that_carries_data_out() -> None:
    """Who declares one is told that it is a write, which is gated."""
    with pytest.raises(ToolDeclarationError, match=r"'egress'.*What can carry data out is a"):
        tool(effect="egress")(pay)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_model, "first parameter is no pydantic model"),
        (not_async, "is not an async function"),
        (unresolved, "annotation cannot be resolved"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(function: Any, words: str) -> None:
    """Typed and async, or not at all."""
    with pytest.raises(ToolDeclarationError, match=words):
        tool(effect="read")(function)


@langchain_tool
async def lookup(account: str) -> str:
    """Look an account up."""
    return f"account {account}"


def test_an_adopted_tool_needs_an_effect() -> None:
    """None is guessed from its name or its description."""
    with pytest.raises(ToolDeclarationError, match="has no declared effect"):
        adopt(lookup)


async def test_an_adopted_read_can_be_called() -> None:
    """With its effect declared, a langchain tool is one of ours."""
    adopted = adopt(lookup, effect="read")
    assert await adopted(adopted.parse({"account": "a1"}), CALL) == "account a1"


async def test_an_adopted_write_is_gated_like_any_other() -> None:
    """It needs the same declarations, and a grant."""
    with pytest.raises(ToolDeclarationError, match="recovery, target, facts"):
        adopt(lookup, effect="write")
    adopted = adopt(lookup, **WRITE)
    with pytest.raises(Ungated):
        await adopted(adopted.parse({"account": "a1"}), CALL)


@pytest.mark.parametrize(
    ("arguments", "field"), [({}, "account"), ({"account": 1}, "account"), ({"a": 1}, "account")]
)
def test_arguments_that_do_not_fit_name_the_field(arguments: dict[str, Any], field: str) -> None:
    """The proposer hears what to correct."""
    with pytest.raises(ToolRefused, match=f"get_account: {field}"):
        get_account.parse(arguments)


def test_an_unknown_argument_is_refused() -> None:
    """Nothing that was approved is dropped silently."""
    with pytest.raises(ToolRefused, match="pay: force"):
        make_pay().parse({"account": "a1", "amount": "1", "force": True})


@tool(effect="read", timeout=0.01)
async def sleep(args: AccountName, call: ToolCall) -> str:
    await asyncio.sleep(1)
    return "late"


@tool(effect="read")
async def crash(args: AccountName, call: ToolCall) -> str:
    raise KeyError("the customer's name")


@pytest.mark.parametrize(
    ("failing", "words"), [(sleep, "no answer in 0.01 s"), (crash, "failed with KeyError")]
)
async def test_silence_and_foreign_errors_are_unavailable(failing: Any, words: str) -> None:
    """What happened is open, and the foreign error's text stays out of ours."""
    with pytest.raises(ToolUnavailable, match=words) as found:
        await failing(AccountName(account="a1"), CALL)
    assert "customer" not in str(found.value)


def test_a_missing_resource_is_named() -> None:
    """The author sees which @resource is lacking."""
    with pytest.raises(ToolDeclarationError, match="opens Bank"):
        Resources({}).get(Bank)


def test_a_resource_needs_to_say_what_it_opens() -> None:
    """The return annotation is what tools ask for."""

    async def opens(data):  # type: ignore[no-untyped-def]
        return data

    with pytest.raises(ToolDeclarationError, match="no return annotation"):
        resource(opens)


def test_the_decorator_is_there_whatever_was_imported_before() -> None:
    """`agent_runtime.tool` is a module and `from agent_runtime import tool` the decorator."""
    import agent_runtime
    import agent_runtime.tool as _  # noqa: F401

    assert callable(agent_runtime.tool)
    assert issubclass(Pay, BaseModel)
