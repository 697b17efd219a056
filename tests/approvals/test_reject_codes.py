"""Reject codes: the kinds of no that a workflow lets people choose from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_runtime.approval import REJECT_CODES
from agent_runtime.errors import InvalidInput, WorkflowError
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_workflow
from tests.office import Office

OWN = replace(pay_workflow(make_pay()), reject_codes=("too_soon", "wrong_account"))


async def rejected(office: Office, code: str | None) -> str | None:
    """The code that is recorded of a no."""
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    after = await office.answer(asked, "lena", "reject", code=code)
    return after.decisions[-1].code


async def test_a_workflow_has_codes_of_its_own(open_office: OpenOffice) -> None:
    """Those that it names, and `other`, which a no without a code counts as."""
    office = await open_office(workflow=OWN)
    assert [await rejected(office, code) for code in ("too_soon", "other", None)] == [
        "too_soon",
        "other",
        "other",
    ]


async def test_another_code_is_refused(open_office: OpenOffice) -> None:
    """With those that there are; nothing is decided."""
    office = await open_office(workflow=OWN)
    with pytest.raises(InvalidInput, match=r"too_soon, wrong_account, other"):
        await rejected(office, "wrong_amount")
    (asked,) = office.runtime.store.read("default").approvals.find(["open"])
    assert asked.decisions == ()


async def test_without_a_list_the_usual_ones_count(office: Office) -> None:
    """Each of them."""
    assert [await rejected(office, code) for code in REJECT_CODES] == list(REJECT_CODES)


@pytest.mark.parametrize("codes", [("Too soon",), ("a", "a"), ("",)])
def test_a_list_that_cannot_be_is_found_when_it_is_built(codes: tuple[str, ...]) -> None:
    """By the code at fault."""
    with pytest.raises(WorkflowError, match="reject code"):
        replace(OWN, reject_codes=codes).check()
