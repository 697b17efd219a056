"""Export: decided proposals as files to learn from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from agent_runtime.access import a_tenant
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.evaluation.export import Exported, Format, Wanted, collect, verify, write
from agent_runtime.operators import user
from agent_runtime.runtime import Runtime
from agent_runtime.verdict import Operator


def wanted(
    form: Format,
    workflow: str | None,
    times: tuple[datetime | None, datetime | None],
    *,
    consented: bool,
) -> Wanted:
    """What a command's words ask for."""
    return Wanted(form, workflow, *times, consented=consented)


def export(place: Place, screen: Screen, who: str, out: Path, asked: Wanted) -> int:
    """Write a new folder; that is in the history. Whoever can read the data folder could take all
    of it; with --as, they may only what that person may."""

    async def work(runtime: Runtime) -> Exported:
        operator = place.operator(who) if who else Operator(name=f"cli:{user()}")
        if who:
            await admit(runtime, operator, "administer", a_tenant(operator.tenant))
        if asked.workflow is not None:
            runtime.app.workflow(asked.workflow)
        session = runtime.store.read(operator.tenant)
        head = session.events.head()
        found = collect(session, runtime.app.workflows, asked)
        stood = {"number": head.number, "hash": head.hash}
        made = write(out, found, asked, stood, runtime.clock.now())
        body = {"format": asked.format, "records": dict(made.counts), "manifest": made.manifest}
        await runtime.store.write(
            operator.tenant,
            lambda s: s.events.append("runs.exported", None, **body, by=operator.name),
        )
        return made

    made = place.work(work)
    screen.document({"folder": str(made.folder), "records": dict(made.counts)})
    for name, count in made.counts.items():
        screen.line(f"{made.folder / name}: {count} lines")
    screen.line(f"manifest {made.manifest}")
    return 0


def check(folder: Path, *, as_json: bool) -> int:
    """Hold a folder against its manifest; 1: it differs."""
    screen, problems = Screen(as_json=as_json), verify(folder)
    screen.document({"folder": str(folder), "problems": problems})
    screen.lines(problems or [f"{folder} is as its manifest says"])
    return 1 if problems else 0
