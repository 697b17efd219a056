"""At high risk a yes says what it does: the amount, typed, unless a second person is asked."""

from __future__ import annotations

import pytest

from agent_runtime.approval import Answer, Approval, check_confirmed
from agent_runtime.errors import InvalidInput, Unconfirmed
from tests.conftest import OpenOffice
from tests.ledger import POLICY
from tests.office import Office

RISKY = POLICY.replace("@approvers", '@risk("high") @approvers')


@pytest.fixture
async def risky(open_office: OpenOffice) -> Office:
    office = await open_office(policy=RISKY)
    office.bank.put("a1", amount="500.00")
    return office


@pytest.fixture
async def asked(risky: Office) -> Approval:
    return await risky.parked()


@pytest.mark.parametrize("typed", ["", "50", "5000.00", "500.00.00", "sNaN", "pay", "a1"])
async def test_another_amount_is_no_yes(risky: Office, asked: Approval, typed: str) -> None:
    """It is refused with its field, and nothing is stored."""
    with pytest.raises(Unconfirmed, match=r"Type 500\.00\.") as refused:
        await risky.answer(asked, "lena", confirm=typed)
    assert refused.value.field == "confirm"
    assert risky.record(asked.run_id).approvals[0].decisions == ()


@pytest.mark.parametrize("typed", ["500.00", " 500", "500,0", "5\u202f00.00"])
async def test_the_amount_is_read_as_people_write_it(
    risky: Office, asked: Approval, typed: str
) -> None:
    """With blanks and a decimal comma."""
    assert (await risky.answer(asked, "lena", confirm=typed)).status == "approved"


async def test_a_no_needs_no_amount(risky: Office, asked: Approval) -> None:
    """What stops an action is never made harder."""
    done = await risky.answer(asked, "lena", kind="reject", reason="Paid before.")
    assert done.status == "rejected"


async def test_a_second_person_takes_its_place(risky: Office) -> None:
    """Two of finance are asked: neither types anything."""
    risky.bank.put("a1", amount="5000.00")
    asked = await risky.parked()
    assert (asked.risk, asked.confirmation) == ("high", "")
    assert (await risky.answer(asked, "fay")).status == "open"
    assert (await risky.answer(asked, "finn")).status == "approved"


async def test_an_edit_is_a_yes_only_with_what_it_does(risky: Office, asked: Approval) -> None:
    """Without it the edited action is asked like any other; with another amount nothing is."""
    edit = {"arguments": {"note": "By hand."}}
    with pytest.raises(InvalidInput, match="confirm"):
        await risky.answer(asked, "lena", "edit", confirm="1.00", **edit)
    again = await risky.answer(asked, "lena", "edit", **edit)
    assert (again.status, again.decisions, again.replaces) == ("open", (), asked.id)
    done = await risky.answer(again, "lena", "edit", confirm="500.00", **edit)
    assert done.status == "approved"


async def test_where_no_money_moves_the_target_is_typed(asked: Approval) -> None:
    """Exactly as it stands there; an amount is nothing to go by."""
    bare = asked.model_copy(update={"amount": None})
    yes = Answer(kind="approve", digest=bare.digest, confirm=bare.action.target_id)
    check_confirmed(bare, yes)
    with pytest.raises(Unconfirmed, match=bare.action.target_id):
        check_confirmed(bare, yes.model_copy(update={"confirm": "500.00"}))
