"""Several harmless questions at once: previewed, echoed, and each decided as any other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from agent_runtime.approval import Approval
from agent_runtime.bulk import MAX_BULK, BulkAnswer, Item
from agent_runtime.errors import (
    AlreadyDecided,
    InvalidInput,
    NotFound,
    NotPermitted,
    StaleQuestion,
)
from tests.conftest import OpenOffice
from tests.ledger import POLICY
from tests.office import Office

HARMLESS = POLICY.replace('@approvers("lead:1")', '@approvers("lead:1") @risk("low")')


@pytest.fixture
async def harmless(open_office: OpenOffice) -> Office:
    """An office where what a lead is asked is marked as low risk."""
    return await open_office(policy=HARMLESS)


async def ask(office: Office, *amounts: str) -> list[Approval]:
    """One open question for each amount, on an account of its own."""
    asked = []
    for number, amount in enumerate(amounts):
        office.bank.put(f"b{number}", amount=amount)
        asked.append(await office.parked(account=f"b{number}"))
    return asked


async def answer(office: Office, asked: Sequence[Approval], name: str, **more: Any) -> list[Item]:
    """Preview them and send the preview back."""
    ids = tuple(one.id for one in asked)
    seen = await office.runtime.bulk.preview(ids, office.person(name))
    given = BulkAnswer(ids=ids, **{"preview": seen.digest, "kind": "approve", **more})
    return await office.runtime.bulk.decide(given, office.person(name))


async def test_a_preview_says_what_all_of_them_would_do(harmless: Office) -> None:
    """How many, how much together, the largest, and every single one."""
    asked = await ask(harmless, "200.00", "310.50", "150.00")
    seen = await harmless.runtime.bulk.preview([a.id for a in asked], harmless.person("lena"))
    assert (seen.count, seen.total, seen.largest) == (3, Decimal("660.50"), Decimal("310.50"))
    assert [(line.target_id, line.version) for line in seen.lines] == [
        ("b0", 1), ("b1", 1), ("b2", 1),
    ]  # fmt: skip
    assert (seen.tool, seen.rules) == ("pay", ("ask-lead",))


async def test_all_of_a_preview_are_answered(harmless: Office) -> None:
    """Each is a decision of its own, and its channel says that it was one of several."""
    asked = await ask(harmless, "200.00", "300.00")
    items = await answer(harmless, asked, "lena")
    assert [item.approval.status for item in items if item.approval] == ["approved", "approved"]
    record = harmless.record(asked[0].run_id)
    assert record.approvals[0].decisions[0].channel == "(bulk of 2)"


async def test_what_is_refused_keeps_no_other_back(harmless: Office) -> None:
    """Of two, one started by this very person: the other is approved."""
    (first,) = await ask(harmless, "200.00")
    harmless.bank.put("own", amount="300.00")
    own = await harmless.parked(account="own", owner="lena")
    refused, done = await answer(harmless, [own, first], "lena")
    assert isinstance(refused.error, NotPermitted)
    assert done.approval is not None
    assert done.approval.status == "approved"


async def test_a_preview_of_something_else_answers_nothing(harmless: Office) -> None:
    """One of them has changed since it was previewed: all of them wait for a new look."""
    asked = await ask(harmless, "200.00", "300.00")
    ids = tuple(one.id for one in asked)
    seen = await harmless.runtime.bulk.preview(ids, harmless.person("lena"))
    await harmless.runtime.desk.delegate(ids[1], harmless.person("luis"), "finn")
    given = BulkAnswer(ids=ids, preview=seen.digest, kind="approve")
    with pytest.raises(StaleQuestion, match="previewed"):
        await harmless.runtime.bulk.decide(given, harmless.person("lena"))
    assert all(harmless.question(one.run_id).decisions == () for one in asked)


async def test_a_preview_does_not_stand_for_other_questions(harmless: Office) -> None:
    """The digest of two is not the digest of three, nor of the same two the other way round."""
    asked = await ask(harmless, "200.00", "300.00", "400.00")
    ids = tuple(one.id for one in asked)
    seen = await harmless.runtime.bulk.preview(ids[:2], harmless.person("lena"))
    for other in (ids, ids[1::-1]):
        given = BulkAnswer(ids=other, preview=seen.digest, kind="approve")
        with pytest.raises(StaleQuestion):
            await harmless.runtime.bulk.decide(given, harmless.person("lena"))


async def test_only_low_risk_is_answered_in_bulk(asking: Office) -> None:
    """A rule that says nothing about its risk is not harmless."""
    asked = await asking.parked()
    with pytest.raises(InvalidInput, match="medium risk"):
        await asking.runtime.bulk.preview([asked.id], asking.person("lena"))


async def test_only_questions_of_one_rule_are_answered_together(open_office: OpenOffice) -> None:
    """A person who reads a list reads one kind of thing."""
    every = HARMLESS.replace('@approvers("finance:2")', '@approvers("finance:2") @risk("low")')
    office = await open_office(policy=every)
    asked = await ask(office, "200.00", "5000.00")
    with pytest.raises(InvalidInput, match="another rule"):
        await office.runtime.bulk.preview([a.id for a in asked], office.person("both"))


async def test_a_bulk_is_bounded_and_names_each_once(harmless: Office) -> None:
    """None, too many, one twice, one that is not there, one that is answered."""
    (asked,) = await ask(harmless, "200.00")
    preview, lena = harmless.runtime.bulk.preview, harmless.person("lena")
    for ids in ([], [f"apr-{n}" for n in range(MAX_BULK + 1)], [asked.id, asked.id]):
        with pytest.raises(InvalidInput, match="ids"):
            await preview(ids, lena)
    with pytest.raises(NotFound):
        await preview([asked.id, "apr-none"], lena)
    await harmless.answer(asked, "luis")
    with pytest.raises(AlreadyDecided, match="by luis"):
        await preview([asked.id], lena)


async def test_several_can_be_held_and_undone_one_by_one(harmless: Office) -> None:
    """A slip over twenty-five is undone where it matters."""
    asked = await ask(harmless, "200.00", "300.00")
    items = await answer(harmless, asked, "lena", hold_seconds=60)
    assert [item.approval.status for item in items if item.approval] == ["held", "held"]
    undone = await harmless.runtime.desk.undo(asked[0].id, harmless.person("lena"))
    assert (undone.status, harmless.record(asked[1].run_id).approvals[0].status) == ("open", "held")
