"""Policy sets: how they load, what they answer, and that every error denies."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from agent_runtime.action import Action
from agent_runtime.errors import PolicyError
from agent_runtime.policy import PolicySet, load_policy
from agent_runtime.verdict import Operator, Question, Slot, Verdict
from tests.policy.declared import (
    REQUEST,
    TOOLS,
    UNATTENDED,
    ApproveRefund,
    ask,
    facts_of,
    policy,
    write_tool,
)

LEAD = Operator(name="lea", roles=("support_lead",))
OVERFLOW = """
@id("overflows")
forbid (principal, action in [Action::"{verb}:approve_refund"], resource)
when {{ context.facts.version + 9223372036854775807 > 0 }};
"""


def request(identifier: str, annotations: str) -> str:
    """One request rule with these annotations."""
    return (
        f'@id("{identifier}") {annotations} '
        'permit (principal, action == Action::"request:approve_refund", resource);\n'
    )


def problems_of(text: str) -> str:
    """What loading a text is refused with."""
    with pytest.raises(PolicyError) as caught:
        policy(text)
    return "\n".join(caught.value.problems)


# --- Loading


def test_missing_id() -> None:
    """A rule without @id is refused, with its file and place."""
    text = UNATTENDED + "permit (principal, action, resource);"
    assert problems_of(text) == 'trial.cedar: rule 2 has no @id("…")'


def test_doubled_id_over_files() -> None:
    """An id that two files use is refused, the base rules included; Cedar lets it pass."""
    texts = {
        "a.cedar": UNATTENDED,
        "b.cedar": UNATTENDED.replace("unattended", "base-not-confident"),
    }
    with pytest.raises(PolicyError, match=r'b.cedar: @id\("base-not-confident"\) is also in base'):
        PolicySet.load("trial", texts, TOOLS)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("amount", "amout", "attribute `facts.amout`"),
        ('decimal("100.00")', "100", "expected decimal but saw Long"),
        ("execute:approve_refund", "execute:approve_refunds", "unrecognized action"),
    ],
)
def test_types_are_checked(before: str, after: str, problem: str) -> None:
    """A misspelt attribute or action, or a decimal mixed up with a number, names its rule."""
    text = (
        '@id("small") permit (principal, action == Action::"execute:approve_refund", resource)\n'
        'when { context.facts.amount.lessThan(decimal("100.00")) };'
    )
    policy(text)
    found = problems_of(text.replace(before, after))
    assert 'trial.cedar: rule "small": ' in found
    assert problem in found


def test_optional_needs_has() -> None:
    """A field that may be missing can only be read after `has`."""
    text = UNATTENDED.replace(";", 'when { context.input.amount == decimal("1.0") };')
    assert "optional attribute `input.amount`" in problems_of(text)


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ("", "needs @approvers"),
        ('@approvers("lead")', '@approvers: got "lead", right is "role:count,role:count"'),
        ('@approvers("lead:0")', "role:count"),
        ('@approvers("lead:1,lead:2")', "each role once"),
        ("@approvers", "role:count"),
        ('@approvers("lead:1") @deadline("3 days")', '@deadline: got "3 days", right is'),
        ('@approvers("lead:1") @deadline("0h")', "@deadline"),
        ('@approvers("lead:1") @escalate("finance")', "@escalate"),
        ('@approvers("lead:1") @dealine("3h")', "unknown annotation @dealine"),
    ],
)
def test_annotations(annotations: str, problem: str) -> None:
    """A missing, unknown or malformed annotation names its rule and says what is right."""
    found = problems_of(request("asks", annotations))
    assert found.startswith('trial.cedar: rule "asks": ')
    assert problem in found


@pytest.mark.parametrize("scope", ["action", 'action in Action::"request"'])
def test_wide_permits_ask_too(scope: str) -> None:
    """A permit whose scope takes in a request needs @approvers, however it is written."""
    assert "needs @approvers" in problems_of(f'@id("wide") permit (principal, {scope}, resource);')


def test_annotations_belong_to_requests() -> None:
    """@approvers on a rule that asks nobody is refused: it would look like a safeguard."""
    text = UNATTENDED.replace("permit", '@approvers("lead:1") permit')
    assert "belong to permit rules of a request" in problems_of(text)


@pytest.mark.parametrize("condition", ["confident", 'confidence.greaterThan(decimal("0.9"))'])
def test_confidence_permits_nothing(condition: str) -> None:
    """A permit that reads the confidence is refused, also behind an `or`."""
    when = f"when {{ context.facts.flagged || context.signals.{condition} }};"
    assert "a permit reads the confidence" in problems_of(UNATTENDED.replace(";", when))


@pytest.mark.parametrize("identifier", ["runtime:no-rule", "two words"])
def test_ids_of_the_runtime(identifier: str) -> None:
    """A rule cannot pass itself off as a decision of the runtime."""
    assert "an id consists of" in problems_of(UNATTENDED.replace("unattended", identifier))


def test_templates_and_broken_texts() -> None:
    """A template and a text that does not parse are refused, both in one report."""
    texts = {
        "a.cedar": "permit (",
        "b.cedar": "permit (principal == ?principal, action, resource);",
    }
    with pytest.raises(PolicyError) as caught:
        PolicySet.load("trial", texts, TOOLS)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["a.cedar", "b.cedar"]


def test_base_cannot_be_replaced() -> None:
    """The base rules are part of every set, and no file can take their place."""
    assert "base-not-confident" in policy(UNATTENDED).rules
    with pytest.raises(PolicyError, match="part of every policy set"):
        PolicySet.load("trial", {"base.cedar": UNATTENDED}, TOOLS)


@pytest.mark.parametrize("name", ["missing", "../trial"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """A policy that is not there, or not in the folder, is refused with those that are."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "there.cedar").write_text(UNATTENDED)
    (tmp_path / "trial.cedar").write_text(UNATTENDED)
    assert load_policy(folder, "there", TOOLS).name == "there"
    with pytest.raises(PolicyError, match=r"name one that is there \(there\)"):
        load_policy(folder, name, TOOLS)


def test_digest_names_the_texts() -> None:
    """Another text is another digest, so that a changed policy is noticed."""
    assert policy(UNATTENDED).digest == policy(UNATTENDED).digest
    assert policy(UNATTENDED).digest != policy(UNATTENDED + "// changed").digest


# --- Judging


def test_allow_names_its_rule() -> None:
    """An action that may run unattended is allowed by the id of its rule."""
    assert policy(UNATTENDED).judge(ask()) == Verdict(kind="allow", rules=("unattended",))


def test_needs_approval_says_why() -> None:
    """People are told which forbid kept the action from running unattended."""
    verdict = policy(UNATTENDED + REQUEST).judge(ask(signals={"contradictions": 1}))
    assert (verdict.kind, verdict.rules) == ("needs_approval", ("ask-lead",))
    assert verdict.reasons == ("base-contradiction forbids running unattended",)
    assert (verdict.slots, verdict.deadline) == ((Slot(role="support_lead", count=1),), 259_200)


def test_no_rule_denies() -> None:
    """What no rule permits is denied by the runtime's own id, with the reason."""
    verdict = policy(UNATTENDED).judge(ask(signals={"confidence": "0.1"}))
    assert (verdict.kind, verdict.rules) == ("deny", ("runtime:no-rule",))
    assert verdict.reasons[1] == "base-not-confident forbids running unattended"


def test_forbid_denies_by_id() -> None:
    """A forbid of the request denies under its id, and all that matched are named."""
    question = ask(signals={"unverified_quotes": 1}, subject="yusuf")
    verdict = policy(UNATTENDED + REQUEST).judge(question)
    assert verdict.rules == ("base-not-the-owner", "base-unverified-quote")


def test_requests_add_up() -> None:
    """All matching request rules hold: the most people per role, the shortest deadline and
    whom that one escalates to."""
    text = request("one", '@approvers("lead:1,legal:1") @deadline("2d") @escalate("boss:1")')
    text += request("two", '@approvers("lead:2") @deadline("30m") @escalate("duty:1")')
    verdict = policy(text + request("three", '@approvers("finance:1")')).judge(ask())
    assert verdict.rules == ("one", "three", "two")
    assert {slot.role: slot.count for slot in verdict.slots} == {
        "finance": 1,
        "lead": 2,
        "legal": 1,
    }
    assert (verdict.deadline, verdict.escalate) == (1_800, (Slot(role="duty", count=1),))


@pytest.mark.parametrize(
    ("signals", "rule"),
    [
        ({"confidence": "0.69"}, "base-not-confident"),
        ({"contradictions": 1}, "base-contradiction"),
        ({"context_large": True}, "base-context-large"),
        ({"retries": 3}, "base-retried-repeatedly"),
        ({"stale_evidence": 1}, "base-stale-evidence"),
        ({"asks_for_person": True}, "base-asks-for-person"),
    ],
)
def test_doubts_go_to_people(signals: dict[str, Any], rule: str) -> None:
    """Each raised signal keeps an action from running unattended, under its own id."""
    verdict = policy(UNATTENDED + REQUEST).judge(ask(signals=signals))
    assert verdict.kind == "needs_approval"
    assert verdict.reasons == (f"{rule} forbids running unattended",)


@pytest.mark.parametrize(
    ("difference", "kind"), [("0.005", "allow"), ("0.0051", "deny"), ("0.01", "deny")]
)
def test_amount_difference(difference: str, kind: str) -> None:
    """Rounding of half a cent passes; any other stated amount is denied."""
    verdict = policy(UNATTENDED + REQUEST).judge(ask(signals={"amount_difference": difference}))
    assert verdict.kind == kind


@pytest.mark.parametrize(
    ("subject", "kind"), [("mara", "allow"), ("yusuf", "deny"), (None, "allow")]
)
def test_ownership(subject: str | None, kind: str) -> None:
    """A run about one customer never touches what another owns."""
    assert policy(UNATTENDED).judge(ask(subject=subject)).kind == kind


# --- Whose yes counts


def test_role_counts() -> None:
    """A yes counts by the rule for its role, and not without the role."""
    rules = policy(REQUEST)
    assert rules.counts(LEAD, ask()).rules == ("lead-may",)
    nobody = rules.counts(Operator(name="lea", roles=("support",)), ask())
    assert (nobody.counts, nobody.rules) == (False, ("runtime:no-rule",))


@pytest.mark.parametrize(
    ("operator", "decided_by", "rule"),
    [
        (Operator(name="sam", roles=("support_lead",)), (), "base-approver-started-it"),
        (LEAD, ("lea",), "base-approver-decided-already"),
        (LEAD.model_copy(update={"tenant": "other"}), (), "base-approver-of-another-tenant"),
    ],
)
def test_separation_of_duties(operator: Operator, decided_by: tuple[str, ...], rule: str) -> None:
    """Who started the run, decided already or is of another tenant doesn't count."""
    ruling = policy(REQUEST).counts(operator, ask(), decided_by)
    assert (ruling.counts, ruling.rules) == (False, (rule,))


def test_odd_names() -> None:
    """A name is a value, never Cedar text."""
    odd = Operator(name='a" || true\n', roles=("support_lead", "support_lead"))
    assert policy(REQUEST).counts(odd, ask()).counts
    assert not policy(REQUEST).counts(odd, ask(started_by=odd.name)).counts


# --- Failing closed


@pytest.mark.parametrize("verb", ["execute", "request"])
def test_forbid_that_errors_denies(verb: str) -> None:
    """A forbid that cannot be evaluated is not skipped, as Cedar by itself would."""
    rules = policy(REQUEST + OVERFLOW.format(verb=verb))
    verdict = rules.judge(ask(facts_of(version=1)))
    assert verdict.rules == ("runtime:policy-error",)
    assert "overflows" in verdict.reasons[0]
    assert rules.judge(ask(facts_of(version=0))).rules != ("runtime:policy-error",)


def test_approve_that_errors_does_not_count() -> None:
    """A yes doesn't count where a forbid of it cannot be evaluated."""
    ruling = policy(REQUEST + OVERFLOW.format(verb="approve")).counts(LEAD, ask())
    assert (ruling.counts, ruling.rules) == (False, ("runtime:policy-error",))


def test_unknown_tool() -> None:
    """A tool that the policy set doesn't know is denied, and nobody's yes counts for it."""
    other = ask(tool=write_tool("pay_out"))
    assert policy(UNATTENDED).judge(other).rules == ("runtime:unknown-tool",)
    assert policy(REQUEST).counts(LEAD, other).rules == ("runtime:unknown-tool",)


def broken(**changed: Any) -> Question:
    """A question of which parts are replaced."""
    return Question(**{**ask().__dict__, **changed})


@pytest.mark.parametrize(
    "question",
    [
        broken(facts=ApproveRefund(order_id="#W1")),
        broken(facts=facts_of().model_construct(owner="mara")),
        broken(facts=facts_of(amount="50.00001")),
        broken(facts=facts_of(owner="\ud800")),
        broken(facts=None),
        broken(arguments=ApproveRefund(order_id="#W2")),
        broken(signals=None),
        broken(run=None),
        broken(
            action=Action(
                tool="approve_refund",
                target_type="User",
                target_id="#W1",
                arguments={"order_id": "#W1", "amount": None},
            )
        ),
    ],
)
def test_broken_question_denies(question: Question) -> None:
    """A question with a part missing, of another type or not exact is denied with the reason."""
    rules = policy(UNATTENDED + REQUEST)
    verdict = rules.judge(question)
    assert (verdict.kind, verdict.rules) == ("deny", ("runtime:policy-error",))
    assert verdict.reasons[0]
    assert rules.counts(LEAD, question).rules == ("runtime:policy-error",)


def test_no_decision_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a decision, and one that allows with errors, both deny."""
    rules = policy(UNATTENDED + REQUEST)
    for answer in ({}, {"decision": "Allow", "diagnostics": {"errors": ["skipped a rule"]}}):
        result = cedarpy.AuthzResult({"decision": "NoDecision", **answer})
        monkeypatch.setattr(cedarpy, "is_authorized", lambda *_, result=result: result)
        assert rules.judge(ask()).rules == ("runtime:policy-error",)
        assert not rules.counts(LEAD, ask()).counts


def test_decimal_facts_are_compared_exactly() -> None:
    """A limit is a limit: one hundredth of a cent above it is above it."""
    text = UNATTENDED.replace(
        ";", 'when { context.facts.amount.lessThanOrEqual(decimal("100.00")) };'
    )
    assert policy(text).judge(ask(facts_of("100.0000"))).kind == "allow"
    assert policy(text).judge(ask(facts_of(Decimal("100.0001")))).kind == "deny"


def test_facts_without_an_owner_type_check() -> None:
    """The base rules fit a tool whose facts name no owner."""
    ownerless = write_tool("ping", facts=ApproveRefund)
    text = '@id("ping") permit (principal, action == Action::"execute:ping", resource);'
    question = ask(ApproveRefund(order_id="#W1"), tool=ownerless, subject="yusuf")
    assert policy(text, [ownerless]).judge(question).kind == "allow"


# --- Asked again


def test_the_same_question_has_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the act it is asked as at the gate: Cedar is asked once, the verdict is the same."""
    rules, calls = policy(UNATTENDED + REQUEST), []
    authorize = cedarpy.is_authorized

    def counted(*given: Any) -> Any:
        calls.append(given)
        return authorize(*given)

    monkeypatch.setattr(cedarpy, "is_authorized", counted)
    first = rules.judge(ask())
    asked = len(calls)
    assert (rules.judge(ask()), len(calls)) == (first, asked)
    rules.judge(ask(facts=facts_of(amount="50.01")))
    assert len(calls) > asked
