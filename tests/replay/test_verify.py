"""The red team and the rules: what they try is refused, and they see it where it is not."""

from __future__ import annotations

import pytest

from agent_runtime.errors import NotFound, Ungated
from agent_runtime.policy import PolicySet
from agent_runtime.store.journal import Authorization, Journal
from agent_runtime.tool import Grant
from agent_runtime.verdict import Verdict
from agent_runtime.verify.finding import Finding, count
from agent_runtime.verify.redteam import CASES, attack
from agent_runtime.verify.rules import Subject, check_rules
from tests.office import Office


async def attacked(office: Office) -> dict[str, str]:
    session = office.runtime.store.read("default")
    return {one.name: one.state for one in await attack(session, office.runtime.app, "ledger")}


async def checked(office: Office) -> dict[str, Finding]:
    subject = Subject(office.runtime.app, office.runtime.store.of("default"), "default")
    return {one.name: one for one in await check_rules(subject)}


async def test_every_attack_is_refused_with_a_control(asking: Office) -> None:
    """On a copy of the real run: nothing is paid once more."""
    await asking.flow("lena approve")
    assert await attacked(asking) == dict.fromkeys(CASES, "held")
    assert len(asking.bank.payouts) == 1


async def test_without_a_run_nothing_was_shown(office: Office) -> None:
    assert await attacked(office) == dict.fromkeys(CASES, "not applicable")


async def test_an_attack_on_no_workflow_is_refused(office: Office) -> None:
    with pytest.raises(NotFound, match="This app has: ledger"):
        await attack(office.runtime.store.read("default"), office.runtime.app, "none")


async def test_a_gate_that_lets_all_through_is_seen(
    asking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attacks on evidence count only because they would have been noticed."""
    await asking.flow("lena approve")
    monkeypatch.setattr(PolicySet, "judge", lambda *_: Verdict(kind="allow", rules=("open",)))
    found = await attacked(asking)
    assert (found["injected-evidence"], found["injected-amount"]) == ("broken", "broken")


async def test_a_gate_that_lets_nothing_through_shows_nothing(
    asking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal of everything is no proof: the control fails."""
    await asking.flow("lena approve")
    monkeypatch.setattr(PolicySet, "judge", lambda *_: Verdict(kind="deny", rules=("shut",)))
    assert (await attacked(asking))["injected-evidence"] == "broken"


async def test_a_journal_that_asks_for_no_right_is_seen(
    asking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asking.flow("lena approve")
    strict = Journal.intend

    def lenient(journal: Journal, right: Authorization, key: str, named: str) -> Grant:
        try:
            return strict(journal, right, key, named)
        except Ungated:
            return Grant._issue(named, key)

    monkeypatch.setattr(Journal, "intend", lenient)
    found = await attacked(asking)
    assert (found["digest-mismatch"], found["approval-replay"]) == ("broken", "broken")


async def test_the_rules_hold_on_a_users_own_app(asking: Office) -> None:
    """Each with its control; what was not tried is said, and is not among what held."""
    await asking.flow("lena approve")
    asking.bank.put("a2", amount="500.00")
    await asking.flow(account="a2")
    found = await checked(asking)
    totals = count(found.values())
    assert totals["broken"] == 0
    assert {name for name, one in found.items() if one.state == "not applicable"} == {
        "rule 3: approvals",
        "rule 6: nothing twice",
        "rule 10: content",
        "rule 11: state is JSON",
    }
    assert all(one.control for one in found.values() if one.state == "held")


async def test_nothing_stored_is_nothing_shown(office: Office) -> None:
    """An empty installation passes no rule that wants data."""
    found = await checked(office)
    assert {name for name, one in found.items() if one.state == "held"} == {
        "rule 2: scopes",
        "rule 8: resume by name",
    }
