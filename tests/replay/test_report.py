"""Reports and comparisons: a run explained, and two of them side by side."""

from __future__ import annotations

from datetime import timedelta

from agent_runtime.report import Report, build_report, put_beside, render_page, render_text
from agent_runtime.report.report import HIDDEN
from agent_runtime.run import Run
from tests.ledger import QUOTE
from tests.office import Office, Record
from tests.replay.conftest import rewrite


def reported(office: Office, run: Run | Record, *, content: bool = True) -> Report:
    stored = run.run if isinstance(run, Record) else run
    session = office.runtime.store.read("default")
    return build_report(session, office.read(stored), content=content)


async def test_a_report_tells_what_was_shown_asked_decided_and_done(asking: Office) -> None:
    """In the order in which it happened."""
    told = reported(asking, await asking.flow("lena approve"))
    (visit,) = [one for one in told.visits if one.verdict is not None]
    assert any(QUOTE in (passage.text or "") for passage in visit.bundles[0].shown)
    assert [one.node for one in visit.envelopes] == [
        "context",
        "reasoning",
        "gate",
        "gate",
        "action",
    ]
    assert visit.verdict is not None
    assert (visit.verdict.rules, visit.verdict.facts["amount"]) == (("ask-lead",), "500.00")
    assert [(one.by, one.kind) for one in visit.questions[0].answers] == [("lena", "approve")]
    assert [(act.tool, act.state) for act in visit.acts] == [("pay", "executed")]


async def test_a_right_that_was_taken_back_says_why(asking: Office) -> None:
    run = await asking.drive(await asking.start())
    await asking.answer(run, "lena")
    asking.bank.put("a1", version=2)
    await asking.drive(run)
    text = "\n".join(render_text(reported(asking, run)))
    assert "taken back" in text
    assert "fact changed: version was 1, is 2" in text


async def test_without_content_only_ids_and_digests_are_left(asking: Office) -> None:
    """For those whose role may not see it."""
    asked = await asking.flow("lena reject", message="My secret wish.")
    bare = reported(asking, asked, content=False).model_dump_json()
    for word in (QUOTE, "My secret wish.", "Not before the audit.", "500.00"):
        assert word not in bare
    assert HIDDEN in bare
    assert asked.approvals[0].digest in bare


async def test_what_was_pruned_is_said_to_be(asking: Office) -> None:
    record = await asking.flow("lena approve")
    rewrite(asking, "DELETE FROM contents WHERE body LIKE '%Owner%'")
    told = reported(asking, record)
    assert any(one.text is None for one in told.visits[0].bundles[0].shown)
    assert "(pruned)" in "\n".join(render_text(told))


async def test_the_page_has_the_graph_and_no_script(asking: Office) -> None:
    """Whatever others wrote is text in it."""
    record = await asking.flow("lena reject", message="<script>alert(1)</script>")
    page = render_page(reported(asking, record))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert '<svg class="graph"' in page


async def test_two_runs_part_where_people_did(asking: Office) -> None:
    """The same until the answer; figures beside each other."""
    yes = await asking.flow("lena approve")
    no = await asking.flow("lena reject")
    found = put_beside(reported(asking, yes), reported(asking, no))
    assert found.parts is not None
    assert (found.parts.what, found.parts.step) == ("envelope", "pay_out")
    assert {(one.node, one.side) for one in found.graph} >= {("gate", "both"), ("action", "one")}
    assert set(found.figures) >= {"working", "waiting", "calls"}


async def test_every_part_of_a_visit_is_put_beside_the_other_s(asking: Office) -> None:
    """What was shown and said, what policy said, who was asked, and what was done."""
    asked = await asking.flow("lena approve")
    asking.bank.put("a9", amount="20.00")
    unattended = await asking.flow(account="a9")
    found = put_beside(reported(asking, asked), reported(asking, unattended))
    assert {one.what for one in found.differences} == {"bundle", "envelope", "verdict", "question"}
    refused = await asking.flow("lena reject")
    other = put_beside(reported(asking, asked), reported(asking, refused))
    assert "act" in {one.what for one in other.differences}


async def test_a_run_beside_itself_does_not_differ(asking: Office) -> None:
    told = reported(asking, await asking.flow("lena approve"))
    found = put_beside(told, told)
    assert (found.parts, found.differences) == (None, ())


async def test_nothing_that_is_told_after_the_end_counts_as_waiting(asking: Office) -> None:
    """A label, an outcome or a fork comes later: the run waits for none of them."""
    run = await asking.flow("lena approve")
    waited = reported(asking, run).waiting
    asking.clock.move(timedelta(hours=1))
    await asking.runtime.store.write(
        "default", lambda session: session.events.append("run.forked", run.run.id, fork="run-x")
    )
    assert reported(asking, run).waiting == waited
