"""Rule 2: the scope rubric, checked when the workflow is built."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent_runtime import Context, Reasoning, Step, ToolCall, Workflow, tool
from agent_runtime.errors import Ungated, WorkflowError
from agent_runtime.graph import compile_graph
from agent_runtime.tool import Effect, Tool
from tests.conftest import OpenOffice
from tests.ledger import (
    AccountName,
    Pay,
    PayRequest,
    account_facts,
    get_account,
    make_pay,
    pay_once,
    pay_step,
)

PAY = make_pay()


@tool(effect="simulate")
async def plan_payout(args: AccountName, call: ToolCall) -> str:
    """What a payout would do."""
    return "nothing"


@tool(effect="write", recovery="manual", target="Account.account", facts=account_facts)
async def pay_abroad(args: Pay, call: ToolCall) -> str:
    """Pay out to a foreign bank."""
    raise AssertionError("was not authorized")


TOOLS: dict[Effect, Tool] = {"read": get_account, "simulate": plan_payout, "write": PAY}
HOLD: dict[str, Callable[[Tool], Step]] = {
    "context": lambda held: pay_step(PAY, context=Context(tools=[held])),
    "reasoning": lambda held: pay_step(
        PAY, reasoning=Reasoning(rule=pay_once, tools=[held], proposes=[PAY])
    ),
    "action": lambda held: pay_step(PAY, reasoning=Reasoning(rule=pay_once, proposes=[held])),
}
ALLOWED = {("context", "read"), ("reasoning", "read"), ("reasoning", "simulate")}
ALLOWED |= {("action", "write")}


@pytest.mark.parametrize("effect", ["read", "simulate", "write"])
@pytest.mark.parametrize("node", ["context", "reasoning", "action"])
def test_each_node_holds_only_what_the_rubric_lets_it(node: str, effect: Effect) -> None:
    """Every pair of node and effect is allowed or refused, naming step, tool and rule."""
    step = HOLD[node](TOOLS[effect])
    workflow = Workflow("ledger", PayRequest, [step])
    if (node, effect) in ALLOWED:
        workflow.check()
        return
    with pytest.raises(WorkflowError) as found:
        workflow.check()
    assert "'pay_out'" in str(found.value)
    assert f"'{TOOLS[effect].name}'" in str(found.value)
    assert f"the {node} node" in str(found.value)
    assert "scope rubric" in str(found.value)


def test_the_gate_holds_no_tools() -> None:
    """There is no way to give the gate a tool."""
    assert pay_step(PAY).scopes["gate"] == {}


def test_a_violation_stops_the_build() -> None:
    """Compiling the graph raises before anything could run."""
    workflow = Workflow("ledger", PayRequest, [pay_step(PAY, context=Context(tools=[PAY]))])
    with pytest.raises(WorkflowError, match="scope rubric"):
        compile_graph(workflow, None)


async def test_a_violation_stops_the_opening_of_the_runtime(open_office: OpenOffice) -> None:
    """A runtime cannot be opened on a workflow that breaks the rubric."""
    with pytest.raises(WorkflowError, match="scope rubric"):
        await open_office(step={"context": Context(tools=[PAY])})


async def test_only_the_authorized_one_of_several_tools_can_be_run(
    open_office: OpenOffice,
) -> None:
    """A step may propose from two write tools; the other one has no grant."""
    reasoning = Reasoning(rule=pay_once, proposes=[PAY, pay_abroad])
    office = await open_office(step={"reasoning": reasoning})
    record = await office.flow()
    assert (record.run.state, [entry.tool for entry in record.journal]) == ("completed", ["pay"])
    segment = office.runtime._in.segment(record.run)
    args = Pay(account="a1", amount="50.00")  # type: ignore[arg-type]
    with pytest.raises(Ungated):
        await pay_abroad(args, segment.call("key-1"))
