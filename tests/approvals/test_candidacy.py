"""Claims and delegations: who has a question in hand, and who hands it to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.errors import AlreadyDecided, Conflict, InvalidInput, NotPermitted
from tests.conftest import OpenOffice
from tests.ledger import POLICY
from tests.office import Office

ANYBODY_LENT = POLICY.replace(
    '@id("finance-may-approve")',
    '@id("clerk-may-approve")\npermit (principal in Role::"clerk", action == '
    'Action::"approve:pay", resource);\n\n@id("finance-may-approve")',
)
"""Policy would take a clerk's yes, but no rule ever asks a clerk."""


async def test_a_claim_is_shown_and_asks_others_to_stay_away(asking: Office) -> None:
    """Another person's answer and claim are refused, with the holder and the time."""
    asked, desk = await asking.parked(), asking.runtime.desk
    claimed = await desk.claim(asked.id, asking.person("lena"))
    assert claimed.claim is not None
    assert (claimed.claim.by, claimed.claim.until) == (
        "lena", asking.clock.now() + timedelta(minutes=2),
    )  # fmt: skip
    with pytest.raises(Conflict, match=r"lena is at work on .* until 12:02:00 UTC"):
        await asking.answer(asked, "luis")
    with pytest.raises(Conflict, match="override"):
        await desk.claim(asked.id, asking.person("luis"))


async def test_a_claim_never_blocks_beyond_its_end(asking: Office) -> None:
    """Two minutes later nobody has to know that there was one."""
    asked = await asking.parked()
    await asking.runtime.desk.claim(asked.id, asking.person("lena"))
    asking.clock.move(timedelta(minutes=2))
    assert (await asking.answer(asked, "luis")).status == "approved"


async def test_a_claim_can_be_renewed(asking: Office) -> None:
    """Its holder stays at work on it, two minutes at a time; the history has one line."""
    asked, desk = await asking.parked(), asking.runtime.desk
    for _ in range(3):
        await desk.claim(asked.id, asking.person("lena"))
        asking.clock.move(timedelta(seconds=90))
    with pytest.raises(Conflict, match="lena"):
        await asking.answer(asked, "luis")
    assert len(asking.record(asked.run_id).bodies("approval.claimed")) == 1


async def test_whoever_insists_may_answer_all_the_same(asking: Office) -> None:
    """A claim is a request, not a lock; that it was overridden is recorded."""
    asked = await asking.parked()
    await asking.runtime.desk.claim(asked.id, asking.person("lena"))
    after = await asking.answer(asked, "luis", override=True)
    assert (after.status, after.decisions[0].overrode, after.claim) == ("approved", "lena", None)
    (told,) = asking.record(asked.run_id).bodies("approval.decided")
    assert told["overrode"] == "lena"


async def test_a_claim_given_back_lets_others_in(asking: Office) -> None:
    """Giving it back twice, or without having one, is no mistake."""
    asked, desk = await asking.parked(), asking.runtime.desk
    await desk.claim(asked.id, asking.person("lena"))
    await desk.release(asked.id, asking.person("luis"))
    assert (await desk.release(asked.id, asking.person("lena"))).claim is None
    assert (await desk.release(asked.id, asking.person("lena"))).claim is None
    assert (await asking.answer(asked, "luis")).status == "approved"


async def test_a_claim_is_for_those_who_are_asked(asking: Office) -> None:
    """Somebody who could not answer keeps nobody away either."""
    asked = await asking.parked()
    with pytest.raises(NotPermitted, match="none of the roles"):
        await asking.runtime.desk.claim(asked.id, asking.person("carl"))
    await asking.answer(asked, "lena")
    with pytest.raises(AlreadyDecided, match="by lena"):
        await asking.runtime.desk.claim(asked.id, asking.person("luis"))


async def test_a_delegate_fills_the_place_of_who_handed_it_over(open_office: OpenOffice) -> None:
    """A clerk answers for a lead, policy willing; the decision says on whose roles it stands."""
    office = await open_office(policy=ANYBODY_LENT)
    office.bank.put("a1", amount="500.00")
    asked = await office.parked()
    with pytest.raises(NotPermitted, match="roles still asked: lead"):
        await office.answer(asked, "carl")
    await office.runtime.desk.delegate(asked.id, office.person("lena"), "carl", "On leave.")
    after = await office.answer(asked, "carl")
    assert (after.status, after.decisions[0].lent) == ("approved", ("lead",))
    (told,) = office.record(asked.run_id).bodies("approval.delegated")
    assert (told["operator"], told["to"], told["reason"]) == ("lena", "carl", "On leave.")


async def test_policy_still_decides_whether_a_delegates_yes_counts(asking: Office) -> None:
    """What one person hands on is a place, never a right."""
    asked = await asking.parked()
    await asking.runtime.desk.delegate(asked.id, asking.person("lena"), "carl")
    with pytest.raises(NotPermitted, match="does not count"):
        await asking.answer(asked, "carl")
    assert (await asking.answer(asked, "carl", "reject")).status == "rejected"


@pytest.mark.parametrize("kind", ["approve", "reject"])
async def test_what_was_handed_on_is_gone(asking: Office, kind: str) -> None:
    """Who delegated has no say any more; others of the role still do."""
    asked, desk = await asking.parked(), asking.runtime.desk
    await desk.delegate(asked.id, asking.person("lena"), "fay")
    with pytest.raises(NotPermitted, match=r"has handed approval .* to fay"):
        await asking.answer(asked, "lena", kind)  # type: ignore[arg-type]
    with pytest.raises(NotPermitted, match="to fay"):
        await desk.delegate(asked.id, asking.person("lena"), "finn")
    assert (await asking.answer(asked, "luis")).status == "approved"


async def test_nobody_gets_a_part_that_may_have_none(asking: Office) -> None:
    """Not the starter, not oneself, not who answered already, not who handed it on before."""
    asking.bank.put("a1", amount="5000.00")
    asked, desk = await asking.parked(owner="lena"), asking.runtime.desk
    await asking.answer(asked, "fay")
    for to, why in (("lena", "started the run"), ("finn", "no say"), ("fay", "no say")):
        with pytest.raises(InvalidInput, match=f"to: .*{why}"):
            await desk.delegate(asked.id, asking.person("finn"), to)
    await desk.delegate(asked.id, asking.person("finn"), "carl")
    with pytest.raises(InvalidInput, match="no say"):
        await desk.delegate(asked.id, asking.person("carl"), "finn")


async def test_a_starter_has_no_part_to_hand_on(asking: Office) -> None:
    """The way around by a delegate is closed too."""
    asked = await asking.parked(owner="lena")
    with pytest.raises(NotPermitted, match="no part"):
        await asking.runtime.desk.delegate(asked.id, asking.person("lena"), "luis")


async def test_a_part_goes_through_three_hands_at_most(asking: Office) -> None:
    """Beyond that nobody knows who answers."""
    asked, desk = await asking.parked(), asking.runtime.desk
    for by, to in (("lena", "carl"), ("carl", "fay"), ("fay", "finn")):
        await desk.delegate(asked.id, asking.person(by), to)
    with pytest.raises(Conflict, match="3 hands"):
        await desk.delegate(asked.id, asking.person("finn"), "both")
