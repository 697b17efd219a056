"""The rules of the design, each tried on the user's own app and on a scratch copy of its data.

Every check has a positive control: it also does what is allowed, and only counts where that works.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from sqlite3 import IntegrityError

from pydantic import BaseModel

from agent_runtime.action import action_digest
from agent_runtime.app import App, write_tools
from agent_runtime.errors import LostOwnership, NotFound, Ungated, WorkflowError
from agent_runtime.grant import Grant
from agent_runtime.replay.decided import Decided, Reader
from agent_runtime.replay.fixtures import try_fixtures
from agent_runtime.run import Run
from agent_runtime.step import Context
from agent_runtime.store import Session, Store
from agent_runtime.store.scratch import spoil_event
from agent_runtime.tool import Tool, ToolCall
from agent_runtime.verify.finding import Finding, held, missing
from agent_runtime.verify.played import check_played
from agent_runtime.workflow import Workflow

STRANGER = "verify-nobody"
"""A tenant that has never been."""

SAMPLE = 200
"""Stored decisions that are put to policy again."""


@dataclass(frozen=True)
class Subject:
    """What is verified: an app, and a copy of one tenant's data that may be spoilt."""

    app: App
    store: Store
    tenant: str

    def read(self) -> Session:
        """The tenant's copy."""
        return self.store.read(self.tenant)

    def run(self) -> Run | None:
        """Any stored run."""
        return next(iter(self.read().runs.find(limit=1)), None)

    def decided(self) -> list[Decided]:
        """The newest decisions that policy gave."""
        events = self.read().events.judged(None, SAMPLE)
        read = Reader(self.read(), self.app).read(events)
        return [one for one in read if isinstance(one, Decided) and one.by_policy]


async def check_rules(subject: Subject) -> list[Finding]:
    """One finding or more for each rule."""
    found = [
        *[await _capability(subject, tool) for tool in write_tools(subject.app.workflows.values())],
        *_scopes(subject),
        await _one_answer(subject),
        _fails_closed(subject),
        await _owner(subject),
        *_resume(subject),
        _evidence(subject),
        _tenants(subject),
    ]
    for name in sorted(subject.app.workflows):
        found += await check_played(subject.read(), subject.app, name)
    # The last: it spoils the copy.
    found.append(await _history(subject))
    return sorted(found, key=_number)


def _number(finding: Finding) -> int:
    return int(finding.name.partition(":")[0].removeprefix("rule "))


async def _capability(subject: Subject, tool: Tool) -> Finding:
    """Rule 1: a write tool cannot be called without a grant. Its function is replaced here, so
    that nothing happens where the rule is broken."""
    name, about = "rule 1: capability", f"{tool.name} is called without an authorization"
    known = [one.question for one in subject.decided() if one.question.action.tool == tool.name]
    if not known:
        return missing(name, about, "no stored decision is about it")
    args, reached = known[0].arguments, list[str]()
    harmless = _noting(tool, reached)
    call = ToolCall(run_id="verify", tenant=subject.tenant, key="bare", now=subject.store.now())
    seen = await _called(harmless, args, call)
    refused = not reached
    named = action_digest(subject.tenant, harmless.exact(args))
    granted = replace(call, key="granted")
    await harmless(args, granted, grant=Grant._issue(named, "granted"))
    return held(
        name,
        about,
        refused=refused,
        seen=seen,
        controlled="granted" in reached,
        control="with a grant for exactly this call it is reached",
    )


def _noting(tool: Tool, reached: list[str]) -> Tool:
    """The tool with a function that only notes the key of a call that gets so far."""

    async def function(_: object, call: ToolCall) -> None:
        reached.append(call.key)

    return replace(tool, _function=function)


async def _called(tool: Tool, args: BaseModel, call: ToolCall) -> str:
    """What comes of a call without a grant."""
    try:
        await tool(args, call)
    except Ungated as error:
        return error.message
    return "it was executed"


def _scopes(subject: Subject) -> Iterator[Finding]:
    """Rule 2: a workflow with a write tool in its context cannot be built."""
    for workflow in subject.app.workflows.values():
        about = f"{workflow.name} with a write tool in a context"
        held_by = [step for step in workflow.steps if step.reasoning.proposes]
        if not held_by:
            yield missing("rule 2: scopes", about, "it proposes no write")
            continue
        step = held_by[0]
        wrong = replace(
            step, context=Context(tools=[*step.context.tools, step.reasoning.proposes[0]])
        )
        refused, seen = _builds(replace(workflow, steps=[wrong]))
        fits, _ = _builds(workflow)
        yield held(
            "rule 2: scopes",
            about,
            refused=not refused,
            seen=seen,
            controlled=fits,
            control="the workflow as it is declared builds",
        )


def _builds(workflow: Workflow) -> tuple[bool, str]:
    try:
        workflow.check()
    except WorkflowError as error:
        return False, error.message
    return True, "it was built"


def _fails_closed(subject: Subject) -> Finding:
    """Rule 5: a tool that no policy knows is denied, where real questions are answered."""
    name, about = "rule 5: fails closed", "stored questions about a tool that policy doesn't know"
    decided = subject.decided()
    live = [one for one in decided if one.verdict.kind != "deny"]
    if not live:
        return missing(name, about, "no stored decision let anything through")
    verdicts = []
    for one in live:
        other = one.question.action.model_copy(update={"tool": "never_declared"})
        policy = subject.app.policies[one.policy]
        verdicts.append(policy.judge(replace(one.question, action=other)).kind)
    same = [subject.app.policies[one.policy].judge(one.question).kind != "deny" for one in live]
    return held(
        name,
        about,
        refused=set(verdicts) == {"deny"},
        seen=f"{verdicts.count('deny')} of {len(verdicts)} denied",
        controlled=any(same),
        control=f"{sum(same)} of the real questions are let through",
    )


async def _owner(subject: Subject) -> Finding:
    """Rule 7: a claim that has lapsed can write nothing."""
    name, about = "rule 7: one owner", "a write under an epoch that is over"
    run = next((r for r in subject.read().runs.find() if r.state not in _OVER), None)
    if run is None:
        return missing(name, about, "no stored run is still going on")

    def claim(session: Session) -> Run:
        session.runs.move(run.id, "queued")
        return session.runs.claim(run.id, "verify", session.now, take_over=True)

    claimed = await subject.store.write(subject.tenant, claim)
    late = subject.store.lane(subject.tenant, run.id, claimed.epoch - 1)
    present = subject.store.lane(subject.tenant, run.id, claimed.epoch)
    try:
        await late.write(lambda session: session.runs.move(run.id, "failed"))
    except LostOwnership as error:
        refused, seen = True, error.message
    else:
        refused, seen = False, "it was written"
    moved = await present.write(lambda session: session.runs.move(run.id, "needs_attention"))
    return held(
        name,
        about,
        refused=refused,
        seen=seen,
        controlled=moved.state == "needs_attention",
        control="the present epoch writes",
    )


_OVER = frozenset({"completed", "rejected", "failed", "cancelled", "expired", "running"})


def _resume(subject: Subject) -> Iterator[Finding]:
    """Rule 8: another contract is another step, the same prompt or not."""
    for workflow in subject.app.workflows.values():
        step, about = workflow.steps[0], f"{workflow.name} with a tool less in its first step"
        held_tools = [*step.context.tools, *step.reasoning.tools, *step.reasoning.proposes]
        if not held_tools:
            yield missing("rule 8: resume by name", about, "its first step holds no tool")
            continue
        bare = replace(
            step,
            context=replace(step.context, tools=()),
            reasoning=replace(step.reasoning, tools=(), proposes=()),
        )
        other = replace(step, reasoning=replace(step.reasoning, prompt="another"))
        yield held(
            "rule 8: resume by name",
            about,
            refused=bare.contract != step.contract,
            seen="its contract is another one",
            controlled=other.contract == step.contract,
            control="another prompt keeps the contract",
        )


def _evidence(subject: Subject) -> Finding:
    """Rule 9: mutations of real actions are refused by every policy set."""
    name, about = "rule 9: evidence", "mutations of real actions"
    decided = subject.decided()
    live = [one for one in decided if one.verdict.kind != "deny"]
    if not live:
        return missing(name, about, "no stored decision let anything through")
    tried = try_fixtures(subject.app, live)
    through = [subject.app.policies[o.policy].judge(o.question).kind != "deny" for o in live]
    return held(
        name,
        about,
        refused=not tried.let_through,
        seen=f"{tried.tried} tried, {len(tried.let_through)} let through",
        controlled=any(through),
        control=f"{sum(through)} of the real actions are let through",
    )


def _tenants(subject: Subject) -> Finding:
    """Rule 12: what is one tenant's is not found as another."""
    name, about = "rule 12: tenants", "a stored run, asked for as another tenant"
    run = subject.run()
    if run is None:
        return missing(name, about, "there is no stored run")
    other = subject.store.read(STRANGER)
    try:
        other.runs.get(run.id)
    except NotFound:
        refused = not other.events.find(run.id) and not other.approvals.find(run_id=run.id)
    else:
        refused = False
    return held(
        name,
        about,
        refused=refused,
        seen="not found" if refused else "it was found",
        controlled=subject.read().runs.get(run.id) == run,
        control="its own tenant finds it",
    )


async def _one_answer(subject: Subject) -> Finding:
    """Rule 4: one answer a person."""
    name, about = "rule 4: one answer", "a person's recorded answer, once more"
    answered = [one for one in subject.read().approvals.find() if one.decisions]
    if not answered:
        return missing(name, about, "nobody has answered anything yet")
    given = answered[0].decisions[0]
    other = given.model_copy(update={"operator": STRANGER})
    try:
        await subject.store.write(subject.tenant, lambda s: s.approvals.record(given))
    except IntegrityError:
        refused = True
    else:
        refused = False
    await subject.store.write(subject.tenant, lambda s: s.approvals.record(other))
    after = subject.read().approvals.get(given.approval_id)
    return held(
        name,
        about,
        refused=refused,
        seen="refused" if refused else "it was stored twice",
        controlled=STRANGER in [one.operator for one in after.decisions],
        control="somebody else's answer is stored",
    )


async def _history(subject: Subject) -> Finding:
    """Rule 13: an altered event is found."""
    name, about = "rule 13: history", "an event of the copy, altered"
    events = subject.read().events
    if events.head().number == 0:
        return missing(name, about, "there is no history")
    whole = events.verify()
    spoil_event(subject.store.path)
    found = subject.read().events.verify()
    return held(
        name,
        about,
        refused=bool(found.problem),
        seen=found.problem or "nobody noticed",
        controlled=not whole.problem,
        control=f"{whole.events} events verify as they are",
    )
