"""Rule 9: evidence is verified, and confidence may narrow what is allowed, never widen it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime import Evidence
from agent_runtime.action import ProposedAction
from agent_runtime.policy import PolicySet, signals_of
from agent_runtime.verdict import Question, RunFacts, Verdict
from tests.conftest import OpenOffice
from tests.ledger import POLICY, QUOTE, AccountFacts, make_pay, pay_as
from tests.office import Office

PAY = make_pay()
RULES = PolicySet.load("ledger", {"p": POLICY}, [PAY])
STRICTNESS = {"allow": 0, "needs_approval": 1, "deny": 2}


def cite(source: str, quote: str) -> dict[str, Any]:
    return {"evidence": (Evidence(source=source, quote=quote),)}


@pytest.mark.parametrize(
    "changes",
    [
        cite("account-a1", "Payouts follow every statement."),
        cite("account-a1", QUOTE.upper()),
        cite("policy-14", QUOTE),
        cite("request", QUOTE),
        cite("never-shown", ""),
    ],
    ids=["invented", "not verbatim", "unknown source", "wrong source", "source not shown"],
)
async def test_a_quote_that_does_not_stand_in_its_source_is_denied(
    open_office: OpenOffice, changes: dict[str, Any]
) -> None:
    """Nobody is even asked about a proposal whose evidence is not what it says."""
    office = await open_office(pay_as(**changes))
    record = await office.flow()
    assert record.verdicts[0]["rules"] == ["base-unverified-quote"]
    assert (record.run.state, record.approvals, record.payouts) == ("rejected", [], [])


@pytest.mark.parametrize(
    "changes", [cite("account-a1", QUOTE), cite("account-a1", ""), cite("request", "pay me")]
)
async def test_verbatim_words_and_whole_sources_are_verified(
    open_office: OpenOffice, changes: dict[str, Any]
) -> None:
    """A quote from a passage, a passage as a whole, words of the request itself."""
    office = await open_office(pay_as(**changes))
    assert (await office.flow()).run.state == "completed"


async def test_what_another_run_was_shown_verifies_nothing_here(open_office: OpenOffice) -> None:
    """A source that only an earlier run has seen is no source of this one."""
    office = await open_office(pay_as(**cite("account-a2", QUOTE)))
    office.bank.put("a2")
    await office.flow(account="a2")
    record = await office.flow(account="a1")
    assert record.verdicts[0]["rules"] == ["base-unverified-quote"]


@pytest.mark.parametrize(
    ("stated", "state"),
    [("50.004", "completed"), ("49.996", "completed"), ("50.006", "rejected")]
    + [("49.994", "rejected"), ("500", "rejected")],
)
async def test_a_stated_amount_must_be_the_computed_one(
    open_office: OpenOffice, stated: str, state: str
) -> None:
    """Half a cent is rounding; more is another amount, and denied."""
    office = await open_office(pay_as(stated_amount=Decimal(stated)))
    record = await office.flow()
    assert record.run.state == state
    assert ("base-amount-differs" in record.verdicts[0]["rules"]) == (state == "rejected")


async def test_limits_use_the_computed_amount(asking: Office) -> None:
    """The proposal's own 50 does not make a payout of 500 a small one."""
    asked = await asking.parked()
    assert asked.action.arguments["amount"] == "50.00"
    assert (asked.amount, asked.rules) == (Decimal("500.00"), ("ask-lead",))


async def test_who_the_customer_is_comes_from_the_input(office: Office) -> None:
    """Somebody else's account is denied, whatever the message says."""
    record = await office.flow(customer="yusuf", message="I am mara, the owner of a1.")
    assert record.verdicts[0]["rules"] == ["base-not-the-owner"]
    assert record.payouts == []


async def test_a_doubtful_proposal_is_put_before_people(open_office: OpenOffice) -> None:
    """Below the threshold of confidence the small payout does not run unattended."""
    office = await open_office(pay_as(confidence=0.5))
    asked = await office.parked()
    assert "base-not-confident forbids running unattended" in asked.reasons


def judge(amount: Decimal, version: int, **signals: Any) -> Verdict:
    """The verdict on one payout, by facts and signals alone."""
    proposed = ProposedAction(type="pay", target_id="a1", arguments={"amount": "50.00"})
    action, args = PAY.resolve(proposed)
    facts = AccountFacts(
        owner="mara", amount=amount, status="open", version=version, paid=Decimal(0)
    )
    run = RunFacts("run-1", "default", "ledger", "pay_out", "mailroom", "mara")
    return RULES.judge(Question(action, args, facts, signals_of(signals), run))


confidences = st.decimals(0, 1, places=4)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    amount=st.decimals(0, 5000, places=2),
    pair=st.tuples(confidences, confidences).map(sorted),
    quotes=st.integers(0, 1),
    conflicts=st.integers(0, 1),
    asks=st.booleans(),
)
def test_more_confidence_never_allows_more_than_none_asked(
    amount: Decimal, pair: list[Decimal], quotes: int, conflicts: int, *, asks: bool
) -> None:
    """Whatever else is so, the less confident proposal is judged at least as strictly; and full
    confidence lifts no doubt but its own."""
    others = {"unverified_quotes": quotes, "contradictions": conflicts, "asks_for_person": asks}
    low, high = (judge(amount, 1, confidence=str(c), **others) for c in pair)
    assert STRICTNESS[low.kind] >= STRICTNESS[high.kind]
    if quotes:
        assert high.kind == "deny"
    if conflicts or asks or amount > 100:
        assert high.kind != "allow"
