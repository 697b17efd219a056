"""Rehearsals: a change tried on the past, trusted only if the past comes out the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from agent_runtime import Edge, Envelope, Workflow
from agent_runtime.activation import Activation
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.budget import Budget
from agent_runtime.errors import Conflict, InvalidInput, PolicyError
from agent_runtime.models.model import offline_model
from agent_runtime.policy import PolicySet
from agent_runtime.replay import rehearse as rehearsing
from agent_runtime.replay.change import Change, with_policies, with_prompt
from agent_runtime.replay.decided import Decided, Reader
from agent_runtime.replay.fixtures import MUTATIONS, try_fixtures
from agent_runtime.replay.page import render_page, render_text
from agent_runtime.replay.rehearsal import Limits, Rehearsal, name_of
from agent_runtime.replay.rehearse import Stretch, rehearse
from agent_runtime.replay.stub import Live
from agent_runtime.settings import ModelSettings
from agent_runtime.verdict import Verdict, VerdictKind
from tests.conftest import OpenOffice
from tests.ledger import (
    POLICY,
    PayRequest,
    make_app,
    make_pay,
    pay_as,
    pay_once,
    pay_step,
    pay_workflow,
    proposal,
)
from tests.office import Office
from tests.replay.conftest import PROMPTED, rewrite

LOOSER = POLICY.replace('decimal("100.00")', 'decimal("600.00")')
STRICTER = POLICY.replace('decimal("1000.00")', 'decimal("400.00")').replace('"100.00"', '"10.00"')
BLIND = """
@id("anything") permit (principal, action in Action::"execute", resource);
"""


async def tried(office: Office, policy: str, limit: int = 10_000) -> Rehearsal:
    app = with_policies(office.runtime.app, {"ledger": policy})
    return await tried_app(office, Change("a policy", app), limit)


async def tried_app(office: Office, change: Change, limit: int = 10_000) -> Rehearsal:
    session = office.runtime.store.read(office.tenant)
    return await rehearse(
        session, office.runtime.app, change, Stretch(limit=limit), ModelSettings()
    )


@pytest.fixture
async def past(office: Office) -> Office:
    """Decisions of each kind: unattended, approved, rejected, pending, denied."""
    await office.flow()
    for account, amount, answers in (
        ("a2", "500.00", ["lena approve"]),
        ("a3", "550.00", ["lena reject"]),
        ("a4", "700.00", []),
    ):
        office.bank.put(account, amount=amount)
        await office.flow(*answers, account=account)
    office.bank.put("a5", status="held")
    await office.flow(account="a5")
    return office


async def test_the_same_policy_changes_nothing(past: Office) -> None:
    """Pending and denied requests are among what was asked again."""
    found = await tried(past, POLICY)
    assert (found.decisions, found.unchanged, found.changes) == (5, 5, ())
    assert (found.canary, found.unknown) == (True, ())


async def test_a_stricter_limit_says_which_decisions_change(past: Office) -> None:
    """With amounts, old and new rules, and who would be asked."""
    found = await tried(past, STRICTER)
    assert found.alarms == ()  # a person's no, and people are asked still
    assert (found.totals, found.unchanged) == ({"now asked": 1, "other people": 3}, 1)
    (asked,) = [change for change in found.changes if change.kind == "now asked"]
    assert (asked.amount, asked.old.rules, asked.new.rules) == (
        Decimal("50.00"),
        ("small-unattended",),
        ("ask-lead",),
    )
    assert asked.then == "asks people"
    assert [(one.before, one.after) for one in found.load] == [(3, 7)]


async def test_a_persons_no_that_would_run_unattended_is_the_alarm(past: Office) -> None:
    """And breaks the gate's limit; what people approved counts as agreement."""
    found = await tried(past, LOOSER)
    (alarm,) = found.alarms
    assert (alarm.people, alarm.new.kind, alarm.amount) == ("rejected", "allow", Decimal("550.00"))
    assert (found.agreement.agree, found.agreement.disagree) == (1, 1)
    assert Limits().broken(found) == ("rejected by a person, now unattended: 1, at most 0",)
    assert Limits(alarms=1).broken(found) == ()
    told = render_text(found, Limits())
    assert told[6] == "ALARM: rejected by a person, now unattended: 1"
    assert told[8].startswith("! ")


async def test_agreement_counts_yes_and_no_apart(past: Office) -> None:
    """What nobody answered is no part of it; what is asked still is neither."""
    found = await tried(past, POLICY.replace('decimal("100.00")', 'decimal("520.00")'))
    said = found.agreement
    assert (said.asked, said.agree, said.disagree) == (1, 1, 0)


async def test_what_people_edited_is_neither_yes_nor_no(asking: Office) -> None:
    """It is told as edited, and is no part of the agreement."""
    asked = await asking.parked()
    await asking.answer(asked, "lena", "edit", arguments={"note": "by hand"})
    found = await tried(asking, LOOSER)
    assert [change.people for change in found.changes] == ["edited"]
    assert (found.agreement.asked, found.agreement.agree, found.agreement.disagree) == (0, 0, 0)


async def test_all_decisions_of_a_prompts_rehearsal_are_told(open_office: OpenOffice) -> None:
    """So that a bar comes to its end."""
    office = await open_office(step=PROMPTED)
    await office.flow()
    await office.flow()
    app, told = office.runtime.app, list[int]()
    change = Change("a prompt", with_prompt(app, "pay", "Decide at once."), graphs=True)
    session = office.runtime.store.read("default")
    asking = ModelSettings()
    found = await rehearse(session, app, change, Stretch(), asking, lambda: told.append(1))
    assert (found.decisions, len(told)) == (2, 2)


async def test_where_the_recording_ends_is_unknown_and_not_unchanged(past: Office) -> None:
    """What was rejected was never executed: how it would have gone on, nobody knows."""
    found = await tried(past, LOOSER)
    (alarm,) = found.alarms
    assert alarm.then == "unknown after step pay_out: its effect was never recorded"
    assert (alarm.run, alarm.then) in [(one.run, one.why) for one in found.unknown]
    approved = next(change for change in found.changes if change.people == "approved")
    assert approved.then == "ends completed"
    assert past.bank.payouts == past.record(past.read(alarm.run)).payouts


async def test_how_a_run_goes_on_is_unknown_where_its_recordings_are_gone(past: Office) -> None:
    """What policy answers is known from the history alone; the graph cannot be played."""
    rewrite(past, "DELETE FROM contents")
    found = await tried(past, STRICTER)
    (asked,) = [change for change in found.changes if change.kind == "now asked"]
    assert asked.then.startswith(f"unknown: Run {asked.run} cannot be replayed")
    assert [(one.run, one.why) for one in found.unknown] == [(asked.run, asked.then)]


async def test_what_was_erased_and_what_has_no_policy_is_counted_apart(past: Office) -> None:
    """Never as unchanged: each with its reason."""
    rewrite(past, "DELETE FROM event_bodies WHERE body LIKE '%signals%' AND body LIKE '%550.00%'")
    found = await tried(past, POLICY)
    assert (found.decisions, found.unchanged) == (4, 4)
    assert [one.why for one in found.unknown] == ["its content was erased"]
    none = Change("no policy", replace(past.runtime.app, policies={}))
    found = await tried_app(past, none)
    assert (found.unchanged, [one.why for one in found.unknown][1:]) == (
        0,
        ["there would be no policy 'ledger'"] * 4,
    )


async def test_what_the_runtime_denied_itself_stays_as_it_is(open_office: OpenOffice) -> None:
    """A person's no binds whatever policy says; that none had a part in it is told."""
    again = Edge("pay_out", "pay_out", on=frozenset({"rejected"}), at_most=2)
    steps = [pay_step(make_pay(), pay_as())]
    office = await open_office(workflow=Workflow("ledger", PayRequest, steps, [again], "customer"))
    office.bank.put("a1", amount="500.00")
    assert len((await office.flow("lena reject")).verdicts) == 2
    found = await tried(office, LOOSER)
    assert (found.decisions, found.without_policy, found.unchanged) == (2, 1, 1)
    assert [(one.visit, one.people) for one in found.changes] == [(1, "rejected")]
    said = found.agreement  # the second time, nobody was asked
    assert (said.asked, said.agree, said.disagree) == (0, 0, 1)
    whole = await tried_app(office, Change("the same", office.runtime.app, graphs=True))
    assert (whole.unchanged, whole.unknown, whole.rerun) == (2, (), 1)


async def test_what_was_denied_without_its_facts_cannot_be_asked_again(past: Office) -> None:
    await past.flow(account="nobody")
    found = await tried(past, POLICY)
    assert (found.decisions, [one.why for one in found.unknown]) == (
        5,
        ["it was denied before its facts were known"],
    )
    assert Limits(unknown=0).broken(found) == ("not rehearsed: 1, at most 0",)
    assert Limits(unknown=1).broken(found) == ()


async def test_a_server_plays_no_graph_for_a_proposal(past: Office) -> None:
    """It answers others meanwhile: what an answer leads to is for the command line."""
    change = await Activation(past.runtime).propose("ledger", "petra", "Less.", STRICTER)
    found = await Activation(past.runtime).rehearse(change)
    assert (len(found.changes), found.rerun, {one.then for one in found.changes}) == (4, 0, {""})


async def test_the_changed_policy_is_what_has_to_refuse_them(
    past: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one in force refuses them all the same."""
    judge = PolicySet.judge
    fresh = with_policies(past.runtime.app, {"ledger": STRICTER}).policies["ledger"].digest
    open_ = Verdict(kind="allow", rules=("open",))
    monkeypatch.setattr(
        PolicySet, "judge", lambda s, q: open_ if s.digest == fresh else judge(s, q)
    )
    assert len((await tried(past, STRICTER)).fixtures.let_through) == 25


async def test_what_no_policy_may_allow_is_tried(past: Office) -> None:
    """Somebody else's record, an invented quote, another amount: the base rules refuse them."""
    found = await tried(past, BLIND)
    assert found.fixtures.tried == 25
    assert found.fixtures.let_through == ()


@pytest.mark.parametrize("kind", ["allow", "needs_approval"])
async def test_what_lets_them_through_is_named_and_breaks_the_gate(
    past: Office, monkeypatch: pytest.MonkeyPatch, kind: VerdictKind
) -> None:
    """Were the base rules gone, every mutation would be seen, by name; no limit allows for one.
    Nobody may be asked about it either."""
    reader = Reader(past.runtime.store.read("default"), past.runtime.app)
    events = past.runtime.store.read("default").events.judged(None, 10)
    decided = [one for one in reader.read(events) if isinstance(one, Decided)]
    found = await tried(past, POLICY)
    monkeypatch.setattr(PolicySet, "judge", lambda *_: Verdict(kind=kind, rules=("open",)))
    own = Verdict(kind="deny", rules=("runtime:fact-missing",))
    ungated = [replace(one, verdict=own) for one in decided]
    assert try_fixtures(past.runtime.app, ungated).tried == 0
    opened = try_fixtures(past.runtime.app, decided)
    assert (opened.tried, len(opened.let_through)) == (25, 25)
    assert {words.partition(":")[0] for words in opened.let_through} == set(MUTATIONS)
    (broken,) = Limits(alarms=99).broken(found.model_copy(update={"fixtures": opened}))
    assert broken == "must not be allowed, and was: 25, at most 0"


async def test_a_rehearsal_that_sees_no_change_says_nothing(
    past: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary: a policy that forbids everything has to be noticed."""
    who = 'permit (principal, action == Action::"request:pay", resource);'
    monkeypatch.setattr(rehearsing, "CANARY", f'@id("blind") @approvers("lead:1") {who}')
    with pytest.raises(Conflict, match="forbids everything changed nothing"):
        await tried(past, STRICTER)


@pytest.mark.parametrize(
    ("was", "other"),
    [
        ('["ask-lead"]', '["ask-nobody"]'),
        ('"role":"lead"', '"role":"boss"'),
        ('"kind":"needs_approval"', '"kind":"deny"'),
    ],
    ids=["by other rules", "other people", "another answer"],
)
async def test_there_is_no_report_without_trust(past: Office, was: str, other: str) -> None:
    """An answer in the history that the old policy would not give: nothing else is said."""
    changed = rewrite(
        past,
        "UPDATE event_bodies SET body = replace(body, ?, ?)"
        " WHERE body LIKE '%signals%' AND body LIKE '%550.00%'",
        *(was, other),
    )
    assert changed == 1
    with pytest.raises(Conflict, match="doesn't give 1 of its own answers again"):
        await tried(past, STRICTER)


async def test_a_proposal_that_could_not_be_rehearsed_says_why(office: Office) -> None:
    """Whoever is to put it in force reads it: there was nothing, or nothing to be trusted."""
    owner = Activation(office.runtime)
    first = await owner.propose("ledger", "petra", "First.", STRICTER)
    assert (first.rehearsal, "no decision to rehearse" in first.untried) == (None, True)
    await office.flow()
    second = await owner.propose("ledger", "petra", "Then.", STRICTER)
    assert (second.rehearsal is None, second.untried) == (False, "")
    rewrite(
        office,
        "UPDATE event_bodies SET body = replace(body, '[\"small-unattended\"]', '[\"other\"]')"
        " WHERE body LIKE '%signals%'",
    )
    third = await owner.propose("ledger", "petra", "At last.", STRICTER)
    assert (third.rehearsal, "doesn't give 1 of its own" in third.untried) == (None, True)


async def test_decisions_under_an_older_policy_are_held_against_that_one(
    past: Office, open_office: OpenOffice
) -> None:
    """Its text was kept with the version; the present policy is another one."""
    later = await open_office(policy=STRICTER)
    found = await tried(later, STRICTER)
    assert (found.reproduced, found.totals) == (5, {"now asked": 1, "other people": 3})


async def test_a_policy_whose_text_was_never_kept_is_counted_apart(
    past: Office, open_office: OpenOffice
) -> None:
    rewrite(past, "DELETE FROM workflow_versions")
    later = await open_office(policy=STRICTER)
    found = await tried(later, STRICTER)
    assert (found.decisions, {one.why for one in found.unknown}) == (
        0,
        {"the policy of then is not kept"},
    )


async def test_a_prompt_is_tried_on_whole_graphs(open_office: OpenOffice) -> None:
    """Where a model would be asked something else, its answer is unknown."""
    office = await open_office(step=PROMPTED)
    await office.flow()
    same = with_prompt(office.runtime.app, "pay", "Decide on the payout.")
    found = await tried_app(office, Change("a prompt", same, graphs=True))
    assert (found.unchanged, found.unknown, found.rerun) == (1, (), 1)
    other = with_prompt(office.runtime.app, "pay", "Decide at once.")
    assert other.version("ledger").id != office.runtime.app.version("ledger").id
    with pytest.raises(InvalidInput, match="no step's prompt"):
        with_prompt(office.runtime.app, "pray", "Decide at once.")
    found = await tried_app(office, Change("a prompt", other, graphs=True))
    assert (found.unchanged, [one.why for one in found.unknown]) == (
        0,
        ["unknown after step pay_out: its prompt was never recorded"],
    )


async def test_a_rehearsal_over_nothing_is_refused(office: Office) -> None:
    with pytest.raises(InvalidInput, match=r"no decision to rehearse \(got 'the beginning'"):
        await tried(office, STRICTER)


async def test_only_the_newest_are_looked_at(past: Office) -> None:
    assert (await tried(past, POLICY, limit=2)).decisions == 2


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [("other", POLICY, InvalidInput), ("ledger", "permit (", PolicyError)],
)
def test_a_change_that_cannot_be_used_is_refused(
    name: str, text: str, error: type[Exception]
) -> None:
    app: App = make_app(pay_workflow(make_pay()))
    with pytest.raises(error):
        with_policies(app, {name: text})


async def test_its_digest_names_both_policies_and_the_stretch(past: Office) -> None:
    """The same again has the same; another policy, one more decision or another history under the
    same numbers has another."""
    first, again = await tried(past, STRICTER), await tried(past, STRICTER)
    assert first.digest == again.digest
    assert (await tried(past, LOOSER)).digest != first.digest
    assert (await tried(past, STRICTER, limit=4)).digest != first.digest
    numbers = (first.old, first.new, first.first, first.last)
    assert name_of(*numbers, "another event") != name_of(*numbers, "the last event")
    await past.flow()
    assert (await tried(past, STRICTER)).digest != first.digest


async def test_its_digest_names_old_and_new_of_all_that_is_tried(open_office: OpenOffice) -> None:
    """Policy, prompt, model and version, each on both sides: a yes to one rehearsal is no yes to
    another."""
    office = await open_office(step=PROMPTED)
    await office.flow()
    app, live = office.runtime.app, Live(offline_model(pay_once))
    strict = with_policies(app, {"ledger": STRICTER})
    worded = with_prompt(app, "pay", "Decide at once.")
    slower = pay_workflow(make_pay(), reasoning=PROMPTED["reasoning"], max_rechecks=5)
    other = replace(app, workflows={"ledger": slower}, _pinned={})
    changes = [
        Change("policy", strict),
        Change("prompt", worded, graphs=True),
        Change("version", other, graphs=True),
        Change("model", app, graphs=True, live=replace(live, fresh=True)),
        Change("model for the rest", app, graphs=True, live=live),
    ]
    named = {(await tried_app(office, change)).digest for change in changes}
    old = [strict, worded, other]
    nothing = Change("nothing", app)
    named |= {name_of(nothing.before(one), nothing.after, 1, 2, "") for one in old}
    assert len(named) == len(changes) + len(old)


async def test_the_page_is_escaped_and_runs_nothing(past: Office) -> None:
    """Somebody else's words are text in it."""
    past.bank.put("<script>alert(1)</script>", amount="500.00")
    await past.flow(account="<script>alert(1)</script>")
    page = render_page(await tried(past, LOOSER), Limits())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert '<rect x="0"' in page


def larger(brief: Brief) -> Envelope:
    """Another model's opinion: it pays with a note of its own."""
    return proposal(brief, arguments={"note": "by another model"})


async def test_another_model_is_asked_now_and_acts_on_nothing(open_office: OpenOffice) -> None:
    """What it says is no recording's, and is counted; facts of what it proposes were never read."""
    office = await open_office(step=PROMPTED)
    record = await office.flow()
    change = Change("a model", office.runtime.app, graphs=True)
    same = replace(change, live=Live(offline_model(pay_once), fresh=True))
    found = await tried_app(office, same)
    assert (found.unchanged, found.unknown, found.live, found.model) == (1, (), 1, "offline")
    other = replace(change, live=Live(offline_model(larger), fresh=True))
    found = await tried_app(office, other)
    assert [one.why for one in found.unknown] == [
        "unknown after step pay_out: its facts was never recorded"
    ]
    assert office.bank.payouts == record.payouts


async def test_a_live_model_answers_where_the_recording_ends(open_office: OpenOffice) -> None:
    """A changed prompt was never answered; its tools and effects stay the recording's."""
    office = await open_office(step=PROMPTED)
    record = await office.flow()
    app = with_prompt(office.runtime.app, "pay", "Decide at once.")
    live = Live(offline_model(pay_once))
    found = await tried_app(office, Change("a prompt", app, graphs=True, live=live))
    assert (found.unchanged, found.unknown, found.live) == (1, (), 1)
    assert "answers that are no recording's, given now by offline: 1" in "".join(
        render_text(found, Limits())
    )
    assert office.bank.payouts == record.payouts


@pytest.mark.parametrize("where", ["settings", "step"])
async def test_a_live_model_is_asked_within_the_budgets_of_today(
    open_office: OpenOffice, where: str
) -> None:
    """A replay costs nothing, and has none; what is asked now is paid for now."""
    office = await open_office(step=PROMPTED)
    await office.flow()
    little = Budget(tokens=1)
    asking = ModelSettings(budgets={"run": little} if where == "settings" else {})
    app = with_prompt(office.runtime.app, "pay", "Decide at once.")
    if where == "step":
        limited = replace(PROMPTED["reasoning"], budget=little)
        app = replace(app, workflows={"ledger": pay_workflow(make_pay(), reasoning=limited)})
    change = Change("a prompt", app, graphs=True, live=Live(offline_model(pay_once)))
    session = office.runtime.store.read("default")
    found = await rehearse(session, office.runtime.app, change, Stretch(), asking)
    assert (found.live, [one.why for one in found.unknown]) == (0, ["ends needs_attention"])
