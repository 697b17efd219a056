"""Approvals: list, show, decide."""

from __future__ import annotations

from typing import Any

from agent_runtime.approval import Answer, Approval
from agent_runtime.cli.commands.runs import checked, drive_on, narrate
from agent_runtime.cli.explain import approval_lines, approval_row, decide_lines
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.decision import waiting_roles
from agent_runtime.operators import channel
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime


def show_list(place: Place, screen: Screen, *, everything: bool) -> None:
    """List approvals."""

    async def work(runtime: Runtime) -> list[Approval]:
        return runtime.store.read("default").approvals.find([] if everything else ["open"])

    found = place.work(work)
    screen.document([approval.model_dump(mode="json") for approval in found])
    columns = ("approval", "action", "target", "amount", "status", "waits for", "until (UTC)")
    empty = "There are no approvals yet." if everything else "No approval is open. All: --all"
    screen.table((*columns, "asked by"), [approval_row(a) for a in found], empty=empty)


def show(place: Place, screen: Screen, approval_id: str) -> None:
    """Show one approval."""

    async def work(runtime: Runtime) -> tuple[Approval, list[str]]:
        session = runtime.store.read("default")
        approval = session.approvals.get(approval_id)
        return approval, approval_lines(session, approval)

    approval, lines = place.work(work)
    screen.document(approval.model_dump(mode="json"))
    screen.lines(lines)
    if approval.status == "open":
        screen.line(decide_lines(approval.id)[-1])


def decide(
    place: Place, screen: Screen, approval_id: str, who: str, answer: dict[str, Any], *, drive: bool
) -> None:
    """Answer an approval and drive its run on."""

    async def work(runtime: Runtime) -> tuple[Approval, Run]:
        operator = place.operator(who)
        await runtime.expire(operator.tenant)
        session = runtime.store.read(operator.tenant)
        seen = answer["digest"] or session.approvals.get(approval_id).digest
        given = checked(Answer, {**answer, "digest": seen, "channel": channel(who)})
        approval = await runtime.decide(approval_id, operator, given)
        narrate(runtime, screen)
        current = session.runs.get(approval.run_id)
        if drive and current.state == "queued":
            current = await drive_on(runtime, current)
        return approval, current

    approval, run = place.work(work)
    both = {"approval": approval, "run": run}
    screen.document({name: value.model_dump(mode="json") for name, value in both.items()})
    missing = waiting_roles(approval) if approval.status == "open" else ()
    waits = f", and waits for {', '.join(missing)}" if missing else ""
    screen.line(f"approval {approval.id} is {approval.status}{waits}")
    screen.line(f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}")
