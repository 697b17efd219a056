"""Rule 1: a write runs only with an authorization for exactly this call, used once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from langgraph.graph import START, StateGraph

from agent_runtime import Context, Reasoning, ToolCall
from agent_runtime.brief import Brief, LookUp
from agent_runtime.envelope import Envelope
from agent_runtime.errors import OutOfScope, Ungated
from agent_runtime.grant import Grant
from agent_runtime.nodes.action import ActionNode
from agent_runtime.segment import Segment
from agent_runtime.state import State
from agent_runtime.store import Authorization
from agent_runtime.worker import config_of
from tests.conftest import OpenOffice
from tests.ledger import Pay, done, get_account, make_pay, pay_as, pay_step
from tests.office import Office

PAY = make_pay()
ARGS = Pay(account="a1", amount=Decimal("50.00"))


def a_call(segment: Segment, key: str = "key-1") -> ToolCall:
    return segment.call(key)


async def granted(office: Office) -> tuple[Segment, Authorization]:
    """A run whose gate has allowed the payout, stopped right before its action."""
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    await office.answer(asked, "lena")
    segment = await office.claim(office.read(asked.run_id))
    await office.drive_gate(segment)
    return segment, segment.read().journal.authorization(segment.run.id, "pay_out", 1)


async def test_a_write_tool_called_without_a_grant_raises(office: Office) -> None:
    """Whoever gets hold of a write tool and calls it reaches nothing."""
    segment = await office.claim(await office.start())
    with pytest.raises(Ungated, match="without a grant"):
        await PAY(ARGS, a_call(segment))
    assert office.bank.payouts == []


def test_a_grant_cannot_be_constructed() -> None:
    """Only the journal issues grants."""
    with pytest.raises(Ungated, match="the journal issues it"):
        Grant()


async def test_an_action_node_right_after_the_start_raises(office: Office) -> None:
    """A graph drawn from START straight to the action, past the gate, acts on nothing."""
    segment = await office.claim(await office.start())
    builder: StateGraph[State, Segment, State, State] = StateGraph(State, context_schema=Segment)
    builder.add_node("pay_out.action", ActionNode(segment.workflow.step("pay_out")))
    builder.add_edge(START, "pay_out.action")
    saver = office.runtime._worker._graphs["ledger"].checkpointer
    graph: Any = builder.compile(checkpointer=saver)
    state: State = {"step": "pay_out", "visits": {"pay_out": 1}}
    with pytest.raises(Ungated, match="no authorization"):
        await graph.ainvoke(state, config_of(segment.run), context=segment)
    assert office.bank.payouts == []


async def test_a_denied_proposal_leaves_nothing_to_act_with(office: Office) -> None:
    """After a deny an action node that is wired in anyway has no authorization."""
    office.bank.put("a1", status="held")
    record = await office.flow()
    segment = office.runtime._in.segment(record.run)
    with pytest.raises(Ungated):
        segment.read().journal.authorization(record.run.id, "pay_out", 1)
    assert (record.run.state, record.payouts) == ("rejected", [])


async def test_a_right_is_consumed_by_its_first_intent(asking: Office) -> None:
    """A second intent under the same authorization raises, whatever its key."""
    segment, right = await granted(asking)
    await segment.write(lambda s: s.journal.intend(right, "key-1", right.action_digest))
    with pytest.raises(Ungated, match="No unused authorization"):
        await segment.write(lambda s: s.journal.intend(right, "key-2", right.action_digest))
    assert [entry.key for entry in segment.read().journal.find()] == ["key-1"]


async def test_a_right_is_for_one_action_digest_only(asking: Office) -> None:
    """An intent for another action than the authorized one raises and writes nothing."""
    segment, right = await granted(asking)
    with pytest.raises(Ungated):
        await segment.write(lambda s: s.journal.intend(right, "key-1", "sha256:other"))
    assert segment.read().journal.find() == []


async def test_a_voided_right_cannot_be_used(asking: Office) -> None:
    """What a re-check took back cannot be consumed any more."""
    segment, right = await granted(asking)
    await segment.write(lambda s: s.journal.void(right.id))
    with pytest.raises(Ungated):
        await segment.write(lambda s: s.journal.intend(right, "key-1", right.action_digest))


async def test_a_grant_is_spent_by_one_call(asking: Office) -> None:
    """The second call with the same grant raises; one payout has happened."""
    segment, right = await granted(asking)
    grant = await segment.write(lambda s: s.journal.intend(right, "key-1", right.action_digest))
    await PAY(ARGS, a_call(segment), grant=grant)
    with pytest.raises(Ungated, match="spent"):
        await PAY(ARGS, a_call(segment), grant=grant)
    assert len(asking.bank.payouts) == 1


@pytest.mark.parametrize(
    ("key", "args"),
    [
        ("key-2", ARGS),
        ("key-1", ARGS.model_copy(update={"amount": Decimal("51.00")})),
        ("key-1", ARGS.model_copy(update={"account": "a2"})),
        ("key-1", ARGS.model_copy(update={"note": "another"})),
    ],
)
async def test_a_grant_fits_one_key_and_exactly_its_arguments(
    asking: Office, key: str, args: Pay
) -> None:
    """With another key, or with any argument changed, the grant opens nothing."""
    segment, right = await granted(asking)
    grant = await segment.write(lambda s: s.journal.intend(right, "key-1", right.action_digest))
    with pytest.raises(Ungated):
        await PAY(args, a_call(segment, key), grant=grant)
    assert asking.bank.payouts == []


async def test_a_grant_does_not_open_another_tenants_call(asking: Office) -> None:
    """A grant names the tenant through its action digest."""
    segment, right = await granted(asking)
    grant = await segment.write(lambda s: s.journal.intend(right, "key-1", right.action_digest))
    with pytest.raises(Ungated):
        await PAY(ARGS, replace(a_call(segment), tenant="other"), grant=grant)


async def test_a_write_tool_named_by_the_model_is_refused_and_recorded(
    open_office: OpenOffice,
) -> None:
    """Asked to pay as if it were a look-up, the node refuses, records it and pays nothing."""

    def reach(brief: Brief) -> Envelope | LookUp:
        if reach.__dict__.setdefault("tried", 0) == 0:
            reach.__dict__["tried"] = 1
            return LookUp(tool="pay", arguments={"account": "a1", "amount": "50"})
        return done(brief)

    reasoning = Reasoning(prompt="pay", proposes=[PAY], tools=[get_account], offline=reach)
    office = await open_office(step={"reasoning": reasoning})
    record = await office.flow()
    (refused,) = record.bodies("tool.refused")
    assert (refused["tool"], refused["why"]) == ("pay", "out of scope")
    assert (record.run.state, record.payouts) == ("completed", [])


async def test_a_proposed_tool_outside_the_steps_scope_is_sent_back(
    open_office: OpenOffice,
) -> None:
    """A proposal of a tool that the step doesn't hold is refused, recorded and never asked."""
    office = await open_office(pay_as(type="wire_abroad"))
    record = await office.flow()
    refused = record.bodies("tool.refused")
    assert {body["why"] for body in refused} == {"out of scope"}
    assert (record.approvals, record.payouts) == ([], [])


def test_the_model_is_offered_only_its_own_look_ups() -> None:
    """The write tool isn't among the tools that the reasoning node can name."""
    step = pay_step(PAY, context=Context(), reasoning=Reasoning(prompt="pay", proposes=[PAY]))
    assert step.scopes["reasoning"] == {}
    with pytest.raises(OutOfScope, match=r"pay_out\.reasoning may not use the tool 'pay'"):
        step.tool("reasoning", "pay")
