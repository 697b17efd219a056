"""The red team and the rules: what they try is refused, and they see it where it is not."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent_runtime import checkpoint
from agent_runtime.errors import NotFound, Ungated
from agent_runtime.grant import Grant
from agent_runtime.nodes.action import ActionNode
from agent_runtime.policy import PolicySet
from agent_runtime.store.journal import Authorization, Journal
from agent_runtime.telemetry import Capture, Span, Telemetry
from agent_runtime.tool import Recovery
from agent_runtime.verdict import Verdict
from agent_runtime.verify.finding import Finding, count
from agent_runtime.verify.played import check_played
from agent_runtime.verify.redteam import CASES, attack
from agent_runtime.verify.rules import Subject, check_rules
from tests.conftest import OpenOffice
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
    assert {int(name.split(":")[0].removeprefix("rule ")) for name in found} == {*range(1, 14)}
    assert {one.state for one in found.values()} == {"held"}
    assert all(one.control for one in found.values())


async def no_recheck(*_: object) -> None:
    return None


async def no_recovery(*_: object) -> None:
    return None


def show_all(_: Telemetry, span: Span, **content: Any) -> None:
    Capture(on=True).put(span, content)


def lax_reader(**_: object) -> JsonPlusSerializer:
    return JsonPlusSerializer(allowed_msgpack_modules=True)


BROKEN: dict[str, tuple[object, str, object]] = {
    "rule 3: approvals": (ActionNode, "_recheck", no_recheck),
    "rule 6: nothing twice": (ActionNode, "_recover", no_recovery),
    "rule 10: content": (Telemetry, "show", show_all),
    "rule 11: state is JSON": (checkpoint, "JsonPlusSerializer", lax_reader),
}
"""By rule: what is replaced so that it is broken, and by what."""


@pytest.mark.parametrize("rule", BROKEN)
async def test_a_broken_rule_is_seen_on_a_run_at_work(
    open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Facts that are not read again, a lost call that is repeated, spans that tell all, a reader
    that constructs what it is told: each is found by its own check, and by that alone."""
    office = await open_office(recovery="manual")
    office.bank.put("a1", amount="500.00")
    await office.flow("lena approve")
    place, name, broken = BROKEN[rule]
    monkeypatch.setattr(place, name, broken)
    app = office.runtime.app
    found = await check_played(office.runtime.store.read("default"), app, "ledger")
    assert [one.name for one in found if one.state == "broken"] == [rule]


@pytest.mark.parametrize("recovery", get_args(Recovery))
async def test_every_recovery_is_followed_after_a_crash(
    open_office: OpenOffice, recovery: Recovery
) -> None:
    """As the tool declares it: asked about, repeated under the same key, or left to a person."""
    office = await open_office(recovery=recovery)
    await office.flow()
    found = await checked(office)
    assert found["rule 6: nothing twice"].state == "held", found["rule 6: nothing twice"]


async def test_nothing_stored_is_nothing_shown(office: Office) -> None:
    """An empty installation passes no rule that wants data."""
    found = await checked(office)
    assert {name for name, one in found.items() if one.state == "held"} == {
        "rule 2: scopes",
        "rule 8: resume by name",
    }
