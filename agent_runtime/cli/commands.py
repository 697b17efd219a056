"""What the commands do: open the runtime, call it, print what it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from agent_runtime.app import App, load_app, proposals, write_tools
from agent_runtime.approval import Answer, Approval
from agent_runtime.cli.explain import approval_lines, approval_row, event_line, run_lines
from agent_runtime.cli.screen import Screen
from agent_runtime.drawing import draw_mermaid, draw_text
from agent_runtime.errors import InvalidInput, SettingsError
from agent_runtime.event import Head
from agent_runtime.operators import channel, choose_operator, provide_operators
from agent_runtime.policy import check_policies
from agent_runtime.run import Run, RunState
from agent_runtime.runtime import Runtime, Settlement
from agent_runtime.settings import load_settings
from agent_runtime.telemetry import configure_logging
from agent_runtime.trigger import Trigger

T = TypeVar("T")


def run(
    folder: Path,
    data: Path | None,
    workflow: str,
    inputs: dict[str, Any],
    key: str | None,
    owner: str,
    *,
    as_json: bool,
) -> None:
    """Start a run and drive it to its first pause or its end."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> Run:
        if not as_json:
            runtime.store.listeners.append(lambda event: screen.line(event_line(event)))
        trigger = Trigger(kind="request", owner=owner, key=key)
        started = await runtime.start(workflow, inputs, trigger=trigger)
        return await runtime.drive(started.id) if started.state == "queued" else started

    done = _with_runtime(folder, data, work, create=True)
    screen.document(done.model_dump(mode="json"))
    screen.line(f"run {done.id} is {done.state}{f': {done.reason}' if done.reason else ''}")
    if done.state == "paused":
        screen.line("Answer with: agent-runtime approvals list; agent-runtime approvals decide …")


def runs_list(folder: Path, data: Path | None, state: str | None, *, as_json: bool) -> None:
    """List runs."""
    if state is not None and state not in get_args(RunState):
        raise InvalidInput("--state", state, f"is none of {', '.join(get_args(RunState))}")
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> list[Run]:
        chosen = [cast("RunState", state)] if state else []
        return runtime.store.read("default").runs.find(chosen)

    found = _with_runtime(folder, data, work)
    screen.document([run.model_dump(mode="json") for run in found])
    rows = [(r.id, r.workflow, r.state, r.trigger.key or "-", r.reason[:60]) for r in found]
    screen.table(("run", "workflow", "state", "key", "reason"), rows)


def runs_show(folder: Path, data: Path | None, run_id: str, *, as_json: bool) -> None:
    """Explain one run."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> dict[str, Any]:
        session = runtime.store.read("default")
        found = session.runs.get(run_id)
        return {
            "run": found,
            "events": session.events.find(run_id),
            "approvals": session.approvals.find(run_id=run_id),
            "journal": session.journal.find(run_id),
        }

    record = _with_runtime(folder, data, work)
    plain = {
        name: value.model_dump(mode="json")
        if name == "run"
        else [item.model_dump(mode="json") for item in value]
        for name, value in record.items()
    }
    screen.document(plain)
    for line in run_lines(record["run"], record["events"], record["approvals"]):
        screen.line(line)


def runs_resume(
    folder: Path, data: Path | None, run_id: str | None, who: str, reason: str, *, as_json: bool
) -> None:
    """Drive one run, or all that are ready."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> list[Run]:
        if not as_json:
            runtime.store.listeners.append(lambda event: screen.line(event_line(event)))
        if run_id is None:
            return await runtime.drive_ready()
        await runtime.expire()
        state = runtime.store.read("default").runs.get(run_id).state
        if state not in ("queued", "running"):
            operator = choose_operator(_data(folder, data), _needed(who))
            await runtime.resume(run_id, operator, reason)
        return [await runtime.drive(run_id)]

    driven = _with_runtime(folder, data, work)
    screen.document([run.model_dump(mode="json") for run in driven])
    for found in driven:
        screen.line(f"run {found.id} is {found.state}")
    if not driven:
        screen.line("No run is ready.")


def runs_cancel(
    folder: Path, data: Path | None, run_id: str, who: str, reason: str, *, as_json: bool
) -> None:
    """End a run."""
    screen = Screen(as_json=as_json)
    operator = choose_operator(_data(folder, data), who)
    ended = _with_runtime(folder, data, lambda runtime: runtime.cancel(run_id, operator, reason))
    screen.document(ended.model_dump(mode="json"))
    screen.line(f"run {ended.id} is {ended.state}")


def runs_settle(
    folder: Path, data: Path | None, run_id: str, how: str, who: str, *, as_json: bool
) -> None:
    """Settle a lost call and drive the run on."""
    screen = Screen(as_json=as_json)
    operator = choose_operator(_data(folder, data), who)

    async def work(runtime: Runtime) -> Run:
        await runtime.settle(run_id, operator, cast("Settlement", how))
        return await runtime.drive(run_id)

    settled = _with_runtime(folder, data, work)
    screen.document(settled.model_dump(mode="json"))
    screen.line(f"run {settled.id} is {settled.state}")


def approvals_list(folder: Path, data: Path | None, *, everything: bool, as_json: bool) -> None:
    """List approvals."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> list[Approval]:
        return runtime.store.read("default").approvals.find([] if everything else ["open"])

    found = _with_runtime(folder, data, work)
    screen.document([approval.model_dump(mode="json") for approval in found])
    columns = ("approval", "action", "target", "amount", "asks", "rule", "status", "deadline")
    screen.table(columns, [approval_row(approval) for approval in found])


def approvals_show(folder: Path, data: Path | None, approval_id: str, *, as_json: bool) -> None:
    """Show one approval."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> tuple[Approval, list[str]]:
        session = runtime.store.read("default")
        approval = session.approvals.get(approval_id)
        return approval, approval_lines(session, approval)

    approval, lines = _with_runtime(folder, data, work)
    screen.document(approval.model_dump(mode="json"))
    for line in lines:
        screen.line(line)


def approvals_decide(
    folder: Path,
    data: Path | None,
    approval_id: str,
    who: str,
    answer: dict[str, Any],
    *,
    drive: bool,
    as_json: bool,
) -> None:
    """Answer an approval and drive its run on."""
    screen = Screen(as_json=as_json)
    operator = choose_operator(_data(folder, data), who)

    async def work(runtime: Runtime) -> tuple[Approval, Run]:
        await runtime.expire()
        seen = answer["digest"] or runtime.store.read("default").approvals.get(approval_id).digest
        given = Answer.model_validate({**answer, "digest": seen, "channel": channel(who)})
        approval = await runtime.decide(approval_id, operator, given)
        if not as_json:
            runtime.store.listeners.append(lambda event: screen.line(event_line(event)))
        current = runtime.store.read("default").runs.get(approval.run_id)
        if drive and current.state == "queued":
            current = await runtime.drive(current.id)
        return approval, current

    approval, current = _with_runtime(folder, data, work)
    screen.document(
        {"approval": approval.model_dump(mode="json"), "run": current.model_dump(mode="json")}
    )
    screen.line(f"approval {approval.id} is {approval.status}; run {current.id} is {current.state}")


def events_tail(
    folder: Path, data: Path | None, run_id: str | None, last: int, *, follow: bool, as_json: bool
) -> None:
    """Print the newest events, and with `follow` what comes."""
    screen = Screen(as_json=as_json)

    async def work(runtime: Runtime) -> None:
        head = runtime.store.read("default").events.head().number
        after = 0 if run_id else max(0, head - last)
        while True:
            for event in runtime.store.read("default").events.find(run_id, after=after):
                after = event.number
                screen.document(event.model_dump(mode="json"))
                screen.line(event_line(event))
            if not follow:
                return
            await asyncio.sleep(0.25)

    _with_runtime(folder, data, work)


def events_verify(folder: Path, data: Path | None, head: str | None, *, as_json: bool) -> int:
    """Verify the chain; 0 when it holds."""
    screen = Screen(as_json=as_json)
    began = time.monotonic()

    async def work(runtime: Runtime) -> dict[str, Any]:
        return runtime.verify(anchor=_head(head)).model_dump()

    found = _with_runtime(folder, data, work)
    screen.document({**found, "seconds": round(time.monotonic() - began, 3)})
    if found["problem"]:
        screen.line(f"The chain is broken: {found['problem']}.", style="bold red")
        return 1
    screen.line(
        f"{found['events']} events, the chain holds. Head {found['events']}:{found['head']}"
    )
    if not found["anchored"]:
        screen.line("A cut-off end shows only against a head kept elsewhere: --head NUMBER:HASH")
    return 0


def workflows_list(folder: Path, *, as_json: bool) -> None:
    """List the app's workflows."""
    screen, app = Screen(as_json=as_json), load_app(folder)
    rows = [(w.name, w.version, ", ".join(s.name for s in w.steps)) for w in app.workflows.values()]
    screen.document([{"name": n, "version": v, "steps": s.split(", ")} for n, v, s in rows])
    screen.table(("workflow", "version", "steps"), rows)


def workflows_show(folder: Path, name: str, *, as_json: bool) -> None:
    """Show one workflow."""
    screen, app = Screen(as_json=as_json), load_app(folder)
    workflow = app.workflow(name)
    steps = [
        {
            "name": step.name,
            "policy": step.policy,
            "scopes": {node: sorted(held) for node, held in step.scopes.items()},
            "contract": step.contract,
        }
        for step in workflow.steps
    ]
    schema = workflow.input.model_json_schema()
    screen.document({"name": name, "version": workflow.version, "input": schema, "steps": steps})
    screen.line(draw_text(workflow))
    for step in workflow.steps:
        rules = ", ".join(sorted(app.policies[step.policy].rules)) if step.policy else "none"
        screen.line(f"rules of {step.policy}: {rules}")


def workflows_draw(folder: Path, name: str, *, mermaid: bool) -> None:
    """Draw one workflow."""
    workflow = load_app(folder).workflow(name)
    Screen().line(draw_mermaid(workflow) if mermaid else draw_text(workflow))


def policies_check(folder: Path, *, as_json: bool) -> int:
    """Check the policies; 0 when nothing is wrong."""
    screen, app = Screen(as_json=as_json), load_app(folder, lenient=True)
    workflows = app.workflows.values()
    report = check_policies(app.folder / "policies", write_tools(workflows), proposals(workflows))
    screen.document(report.model_dump(mode="json"))
    for note in report.notes:
        screen.line(f"note: {note}")
    for problem in report.problems:
        screen.line(f"problem: {problem}", style="red")
    verdict = f"{len(report.problems)} problems" if report.problems else "nothing is wrong"
    screen.line(f"{len(report.files)} files, {report.rules} rules, {report.cases} cases: {verdict}")
    return 5 if report.problems else 0


def _with_runtime(
    folder: Path,
    data: Path | None,
    work: Callable[[Runtime], Coroutine[Any, Any, T]],
    *,
    create: bool = False,
) -> T:
    """Open the app's runtime for one piece of work: the one synchronous edge."""
    settings = load_settings()
    configure_logging(settings.log_level)
    app: App = load_app(folder)
    place = _data(folder, data)

    async def opened() -> T:
        async with Runtime.open(app, place, settings=settings, create=create) as runtime:
            provide_operators(place, app.folder / "operators.toml")
            return await work(runtime)

    return asyncio.run(opened())


def _data(folder: Path, data: Path | None) -> Path:
    return data or folder / "data"


def _needed(who: str) -> str:
    if not who:
        raise SettingsError("This run waits for a person.", remedy="Say who you are with --as.")
    return who


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    number, _, hashed = text.partition(":")
    if not number.isdigit() or not hashed:
        raise InvalidInput("--head", text, "is not NUMBER:HASH")
    return Head(tenant="default", number=int(number), hash=hashed)
