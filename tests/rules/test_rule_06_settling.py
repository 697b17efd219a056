"""Rule 6, where the outcome is unknown: a person settles it."""

from __future__ import annotations

import pytest

from agent_runtime.errors import Conflict
from tests.conftest import OpenOffice
from tests.ledger import make_pay, pay_workflow
from tests.office import Office, Record


@pytest.fixture
async def lost(open_office: OpenOffice) -> Office:
    """An office whose bank pays and then says nothing; its tool may not be repeated."""
    office = await open_office(workflow=pay_workflow(make_pay("manual")))
    office.bank.put("a1", outage="lost")
    return office


async def settled(office: Office, how: str) -> Record:
    """Lose a call, settle it as a person and drive the run on."""
    record = await office.flow()
    assert record.run.state == "outcome_unknown"
    office.bank.put("a1", outage="")
    await office.runtime.settle(record.run.id, office.person("lena"), how)  # type: ignore[arg-type]
    await office.drive(record.run)
    return office.record(record.run)


async def test_what_happened_is_taken_for_done(lost: Office) -> None:
    """The run goes on as executed, and the call is not made again."""
    record = await settled(lost, "happened")
    assert (record.run.state, len(record.payouts)) == ("completed", 1)
    assert record.bodies("action.settled")[0]["by"] == "lena"


async def test_what_did_not_happen_is_taken_for_refused(lost: Office) -> None:
    """The run goes on as refused, and the call is not made again."""
    record = await settled(lost, "did_not_happen")
    assert (record.run.state, record.journal[0].state) == ("failed", "failed")
    assert len(record.payouts) == 1


async def test_a_person_may_allow_one_more_call(lost: Office) -> None:
    """One further call under the same key, and no second one by itself."""
    record = await settled(lost, "retry")
    assert (record.run.state, record.journal[0].tries) == ("completed", 2)
    assert len({key for key, _ in record.payouts}) == 1


async def test_the_allowance_is_used_up_by_one_call(lost: Office) -> None:
    """When that call is lost too, the outcome is unknown again."""
    record = await lost.flow()
    for tries in (2, 3):
        await lost.runtime.settle(record.run.id, lost.person("lena"), "retry")
        assert (await lost.drive(record.run)).state == "outcome_unknown"
        assert len(lost.bank.payouts) == tries
    assert len(lost.record(record.run).bodies("action.settled")) == 2


async def test_only_an_unknown_outcome_can_be_settled(lost: Office) -> None:
    """There is nothing to say about a call that is known."""
    record = await settled(lost, "happened")
    with pytest.raises(Conflict, match="no lost call"):
        await lost.runtime.settle(record.run.id, lost.person("lena"), "retry")
