"""Forks: a new run from another one's step, which inherits no approval."""

from __future__ import annotations

import pytest

from agent_runtime.cli.explain import run_lines
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.replay.edits import Edits, read_edits
from agent_runtime.replay.fork import fork, rehearse_fork
from agent_runtime.report import build_report, render_page, render_text
from agent_runtime.run import Run
from tests.conftest import OpenOffice
from tests.ledger import POLICY, QUOTE
from tests.office import Office
from tests.replay.conftest import PROMPTED, again, rewrite


async def forked(
    office: Office, run: Run | str, edits: Edits | None = None, visit: int | None = None
) -> Run:
    run_id = run if isinstance(run, str) else run.id
    return await fork(
        office.runtime, run_id, "pay_out", edits or Edits(), office.person("luis"), visit=visit
    )


async def test_a_fork_says_where_it_comes_from(asking: Office) -> None:
    """On the run, in its history, and in its origin's."""
    record = await asking.flow("lena approve")
    made = await forked(asking, record.run)
    assert made.origin is not None
    assert str(made.origin) == f"forked from {record.run.id}/pay_out by luis"
    assert asking.record(made).bodies("run.queued")[0]["origin"]["run"] == record.run.id
    assert asking.record(record.run).bodies("run.forked")[0]["to"] == made.id


async def test_a_fork_never_executes_on_an_inherited_approval(asking: Office) -> None:
    """The origin was approved and paid; the fork asks anew, and nothing is paid twice."""
    record = await asking.flow("lena approve")
    made = await asking.drive(await forked(asking, record.run))
    assert (made.state, len(asking.bank.payouts)) == ("paused", 1)
    asked = asking.question(made)
    assert asked.digest != record.approvals[0].digest
    assert asked.decisions == ()


async def test_a_fork_of_a_fresh_yes_executes_once(asking: Office) -> None:
    """Its effects go through the gate afresh, and then they happen."""
    record = await asking.flow("lena approve")
    made = await asking.drive(await forked(asking, record.run))
    await asking.answer(made, "lena")
    ended = await asking.drive(made)
    assert (ended.state, len(asking.bank.payouts)) == ("completed", 2)


async def test_another_envelope_is_judged_afresh(asking: Office) -> None:
    """From the gate on, with the person named as its producer."""
    record = await asking.flow("lena approve")
    edits = read_edits({"envelope.proposed_action.arguments.note": "by hand"})
    made = await asking.drive(await forked(asking, record.run, edits))
    asked = asking.question(made)
    assert asked.action.arguments["note"] == "by hand"
    first = asking.record(made).events[2].body or {}
    assert made.origin is not None
    assert (made.origin.edits, first.get("step")) == (
        ("envelope.proposed_action.arguments.note",),
        "pay_out",
    )


async def test_other_evidence_is_what_reasoning_sees(asking: Office) -> None:
    """A quote of what is no longer shown is not verified; the person is its source."""
    record = await asking.flow("lena approve")
    edits = read_edits({"evidence.account-a1": "Nothing of the kind."})
    made = await asking.drive(await forked(asking, record.run, edits))
    (body,) = asking.record(made).bodies("gate.judged")
    assert QUOTE not in "Nothing of the kind."
    assert body["signals"]["unverified_quotes"] == 1
    assert asking.bank.payouts == record.payouts


async def test_another_input_is_validated(asking: Office) -> None:
    asking.bank.put("a2", amount="20.00")
    record = await asking.flow("lena approve")
    made = await asking.drive(await forked(asking, record.run, read_edits({"input.account": "a2"})))
    assert (made.input["account"], made.state) == ("a2", "completed")


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("input.acount", "a2", "acount"),
        ("envelope.confidence", "2", "confidence"),
        ("envelope.proposed_action.type", "Pay Out", "proposed_action.type"),
        ("prompt", "x", "--set"),
        ("budget.tokens", "x", "--set"),
    ],
)
async def test_an_edit_that_does_not_validate_changes_nothing(
    asking: Office, name: str, text: str, field: str
) -> None:
    """The field at fault is named, and no run is made."""
    record = await asking.flow("lena approve")
    before = asking.runtime.store.read("default").runs.count()
    with pytest.raises(InvalidInput, match=field):
        await forked(asking, record.run, read_edits({name: text}))
    assert asking.runtime.store.read("default").runs.count() == before


async def test_a_step_or_visit_that_is_not_there_is_not_found(asking: Office) -> None:
    record = await asking.flow("lena approve")
    with pytest.raises(NotFound, match="visit"):
        await forked(asking, record.run, visit=9)
    with pytest.raises(NotFound, match="ledger has: pay_out"):
        await fork(asking.runtime, record.run.id, "none", Edits(), asking.person("luis"))
    with pytest.raises(NotFound, match="run-none"):
        await forked(asking, "run-none")


async def test_another_tenants_run_cannot_be_forked(asking: Office) -> None:
    record = await asking.flow("lena approve")
    asking.tenant = "elsewhere"
    with pytest.raises(NotFound):
        await forked(asking, record.run)


@pytest.mark.parametrize(
    ("changed", "node"),
    [
        ("evidence.account-a1", "reasoning"),
        ("envelope.reason", "gate"),
        ("input.message", "context"),
    ],
)
async def test_a_fork_is_forked_from_where_it_began(
    asking: Office, changed: str, node: str
) -> None:
    """With what it was forked with; what comes before that is its origin's."""
    record = await asking.flow("lena approve")
    made = await asking.drive(await forked(asking, record.run, read_edits({changed: "As told."})))
    again = await asking.drive(await forked(asking, made))
    assert again.origin is not None
    assert (again.origin.run, again.origin.node, again.state) == (made.id, node, made.state)
    envelopes = [asking.record(run).bodies("envelope.emitted")[0] for run in (made, again)]
    assert envelopes[0] == envelopes[1]
    if node != "context":
        with pytest.raises(InvalidInput, match=f"Fork {record.run.id}"):
            await forked(asking, made, read_edits({"input.message": "Otherwise."}))


async def test_a_fork_is_replayed_like_any_run(open_office: OpenOffice) -> None:
    """From its own beginning."""
    office = await open_office(step=PROMPTED)
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena approve")
    made = await office.drive(await forked(office, record.run))
    found = await again(office, made)
    assert (found.result, found.divergence) == ("identical", None)


async def test_a_fork_whose_beginning_is_forgotten_is_not_replayed(asking: Office) -> None:
    """The state that it was forked with."""
    record = await asking.flow("lena approve")
    made = await asking.drive(await forked(asking, record.run))
    assert made.origin is not None
    assert rewrite(asking, "DELETE FROM contents WHERE hash = ?", made.origin.state) == 1
    found = await again(asking, made)
    assert (found.result, "what it was forked with is not" in found.problem) == ("pruned", True)


async def test_a_rehearsed_fork_is_judged_by_another_policy(office: Office) -> None:
    """What ran unattended would be asked about; nothing is paid, and nothing is in force."""
    record = await office.flow()
    assert record.run.state == "completed"
    edits = read_edits({"policy.ledger": POLICY.replace('decimal("100.00")', 'decimal("1.00")')})
    luis = office.person("luis")
    report = await rehearse_fork(office.runtime, record.run.id, "pay_out", edits, luis)
    verdicts = [visit.verdict.kind for visit in report.visits if visit.verdict is not None]
    assert verdicts == ["needs_approval"]
    assert len(office.bank.payouts) == 1
    told = "by luis, with other policy.ledger; a rehearsal: its effects are stubbed"
    assert render_text(report)[1].endswith(told)


async def test_a_fork_is_told_to_be_one_at_the_terminal(asking: Office) -> None:
    """`runs show` and `runs explain` say it before anything else about the run."""
    record = await asking.flow("lena approve")
    made = await forked(asking, record.run)
    assert run_lines(made, [], [], [])[1] == f"  forked from {record.run.id}/pay_out by luis"
    report = build_report(asking.runtime.store.read("default"), made)
    assert render_text(report)[1] == f"  forked    from {record.run.id}/pay_out by luis"
    assert f"Forked from {record.run.id}/pay_out" in render_page(report)
