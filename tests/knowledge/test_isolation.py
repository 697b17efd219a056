"""Between steps nothing is handed on but the envelopes that a step declares to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_runtime import Context, Envelope, Evidence, Reasoning, Step, Workflow
from agent_runtime.brief import Brief
from agent_runtime.errors import WorkflowError
from tests.knowledge.conftest import Shelf
from tests.ledger import PayRequest, get_account, make_app
from tests.office import opened


class Watch:
    """Steps that say their name, and every brief that they were given."""

    def __init__(self) -> None:
        self.briefs: dict[str, Brief] = {}

    def look(self, brief: Brief) -> Envelope:
        self.briefs[brief.step] = brief
        first = brief.evidence[-1]
        cited = (Evidence(source=first.source, quote=first.text[:5]),)
        return Envelope(
            step=brief.step,
            status="done",
            confidence=0.9,
            evidence=cited,
            reason=f"Said by {brief.step}.",
        )

    def step(self, name: str, *, reads: bool = False, sees: tuple[str, ...] = ()) -> Step:
        context = Context(tools=[get_account] if reads else [], sees=sees)
        return Step(name, context=context, reasoning=Reasoning(rule=self.look))


async def test_a_step_sees_what_it_declares_and_no_more(tmp_path: Path) -> None:
    """The last step sees the first one's envelope, not the second's, and nobody's passages."""
    watch = Watch()
    steps = [
        watch.step("first", reads=True),
        watch.step("second"),
        watch.step("third", sees=("first",)),
    ]
    app = make_app(Workflow("ledger", PayRequest, steps), None)
    async with opened(app, tmp_path / "d") as office:
        record = await office.flow()
    assert record.run.state == "completed"
    sources = {name: [p.source for p in brief.evidence] for name, brief in watch.briefs.items()}
    assert sources == {
        "first": ["request", "account-a1"],
        "second": ["request"],
        "third": ["request"],
    }
    told = {name: [e.reason for e in brief.earlier] for name, brief in watch.briefs.items()}
    assert told == {"first": [], "second": [], "third": ["Said by first."]}


@pytest.mark.parametrize("name", ["nobody", "only"])
def test_a_step_that_is_not_there_cannot_be_seen(name: str) -> None:
    """Nor can a step see itself: its own envelopes come back as feedback."""
    workflow = Workflow("ledger", PayRequest, [Watch().step("only", sees=(name,))])
    with pytest.raises(WorkflowError, match=name):
        workflow.check()


async def test_tenants_that_use_one_name_do_not_meet(shelf: Shelf) -> None:
    """Neither finds the other's text under it, nor by the other's dates and labels."""
    await shelf.put("a.md", "Our window.", valid_to="2025-12-31")
    await shelf.put("a.md", "Their window.", tenant="other", labels=["x"])
    assert await shelf.texts("window") == []
    await shelf.put("a.md", "Our window.")
    assert await shelf.texts("window") == ["Our window."]
    assert await shelf.texts("window", "x") == []
    assert await shelf.texts("window", "x", tenant="other") == ["Their window."]
