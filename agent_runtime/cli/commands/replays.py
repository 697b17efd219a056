"""Looking back at runs: explain, replay, fork, compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from agent_runtime.access import a_run
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.visible import visible
from agent_runtime.errors import InvalidInput
from agent_runtime.replay.fork import Edits, read_edits, rehearse_fork
from agent_runtime.replay.fork import fork as make_fork
from agent_runtime.replay.replay import Replayed, pinned, replay_one
from agent_runtime.replay.stage import staged
from agent_runtime.report import (
    Beside,
    Report,
    build_report,
    put_beside,
    render_page,
    render_text,
)
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_model_settings

STYLES = {"identical": "green", "diverged": "red", "damaged": "red"}


@dataclass(frozen=True)
class Chosen:
    """Which runs of one tenant: one, or every one."""

    run_id: str | None
    every: bool
    tenant: str = "default"

    def ids(self, runtime: Runtime) -> list[str]:
        """Their ids; raises InvalidInput unless exactly one of both is said."""
        if self.every == (self.run_id is not None):
            raise InvalidInput("RUN", self.run_id, "name one run, or --all")
        if self.run_id is not None:
            return [self.run_id]
        return [run.id for run in runtime.store.read(self.tenant).runs.find()]


@dataclass(frozen=True)
class Wanted:
    """A fork as it was asked for; `changed` are NAME=VALUE."""

    run_id: str
    step: str
    visit: int | None
    changed: tuple[str, ...]
    reason: str

    @property
    def edits(self) -> Edits:
        """What is changed; raises InvalidInput."""
        pairs = [one.partition("=") for one in self.changed]
        for name, mark, _ in pairs:
            if not mark:
                raise InvalidInput("--set", name, "is no NAME=VALUE")
        return read_edits({name: value for name, _, value in pairs})


def fork(place: Place, screen: Screen, wanted: Wanted, who: str, *, rehearsal: bool) -> None:
    """Make a fork and drive it to its first pause or its end; or only rehearse it."""
    operator = place.operator(who)

    async def work(runtime: Runtime) -> Report:
        session = runtime.store.read(operator.tenant)
        thing = a_run(session.runs.get(wanted.run_id))
        await admit(runtime, operator, "read" if rehearsal else "resume", thing)
        if rehearsal:
            return await rehearse_fork(
                runtime, wanted.run_id, wanted.step, wanted.edits, operator, visit=wanted.visit
            )
        made = await make_fork(
            runtime,
            wanted.run_id,
            wanted.step,
            wanted.edits,
            operator,
            visit=wanted.visit,
            reason=wanted.reason,
        )
        driven = await runtime.drive(made.id, operator.tenant)
        return build_report(runtime.store.read(operator.tenant), driven)

    report = place.work(work)
    screen.document(report.model_dump(mode="json"))
    screen.lines(render_text(report))


def compare(place: Place, screen: Screen, chosen: Chosen, other: str) -> None:
    """Put two runs beside each other."""

    async def work(runtime: Runtime) -> Beside:
        session = runtime.store.read(chosen.tenant)
        runs = [session.runs.get(name) for name in (*chosen.ids(runtime), other)]
        if runs[0].workflow != runs[1].workflow:
            raise InvalidInput("OTHER", other, f"is no run of {runs[0].workflow}")
        return put_beside(*(build_report(session, run) for run in runs))

    found = place.work(work)
    screen.document(found.model_dump(mode="json"))
    screen.line(f"{found.one} of {found.versions[0]} | {found.other} of {found.versions[1]}")
    columns = ("step", "node", "passed by", found.one, found.other)
    rows = [(one.step, one.node, one.side, one.one, one.other) for one in found.graph]
    screen.table(columns, rows)
    for name, (mine, its) in found.figures.items():
        screen.line(f"{name}: {mine} | {its}")
    screen.line(f"They first part at {found.parts}" if found.parts else "They do not differ.")
    screen.lines(f"  {difference}" for difference in found.differences[1:])


@dataclass(frozen=True)
class Paper:
    """How a report is written: as a page or as text, into a file or onto the screen, with or
    without content."""

    as_page: bool
    out: Path | None
    content: bool


def explain(place: Place, screen: Screen, chosen: Chosen, paper: Paper) -> None:
    """Print or write one run's report; raises InvalidInput for a file that cannot be written."""

    async def work(runtime: Runtime) -> Report:
        session = runtime.store.read(chosen.tenant)
        run = session.runs.get(chosen.ids(runtime)[0])
        return build_report(session, run, content=paper.content)

    report = place.work(work)
    if paper.out is None and not paper.as_page:
        screen.document(report.model_dump(mode="json"))
        screen.lines(render_text(report))
        return
    text = _rendered(report, paper, as_json=screen.as_json)
    if paper.out is None:
        screen.raw(text)
        return
    write_report(paper.out, text)
    screen.document({"run": report.run, "file": str(paper.out)})
    screen.line(f"The report of {report.run} is in {paper.out}.")


def _rendered(report: Report, paper: Paper, *, as_json: bool) -> str:
    if paper.as_page:
        return render_page(report)
    if as_json:
        return report.model_dump_json(indent=2) + "\n"
    return "\n".join([*map(visible, render_text(report)), ""])


def write_report(file: Path, text: str) -> None:
    """Write a report for its owner only, whole or not at all; raises InvalidInput."""
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        remedy = "Name a file in a folder that is there and can be written."
        raise InvalidInput("--out", str(file), error.strerror or "fails", remedy=remedy) from error


def replay(place: Place, screen: Screen, chosen: Chosen, *, pinned: bool) -> int:
    """Replay and compare; 1 when a run diverges or cannot be replayed."""

    async def work(runtime: Runtime) -> int:
        session, found = runtime.store.read(chosen.tenant), Counter[str]()
        ids, before = chosen.ids(runtime), len(session.journal.find())
        with screen.progress("replaying", len(ids)) as advance:
            async for one in _replayed(runtime, chosen.tenant, ids, as_pinned=pinned):
                found[one.result] += 1
                _tell(screen, one)
                advance()
        effects = len(runtime.store.read(chosen.tenant).journal.find()) - before
        _summarize(screen, found, effects)
        return 0 if found["identical"] == len(ids) else 1

    return place.work(work)


async def _replayed(
    runtime: Runtime, tenant: str, ids: list[str], *, as_pinned: bool
) -> AsyncIterator[Replayed]:
    """One stage for all runs; where each is to have the prompts of its time, one for each."""
    session, asking = runtime.store.read(tenant), load_model_settings()
    if not as_pinned:
        async with staged(runtime.app, asking) as stage:
            for run_id in ids:
                yield await replay_one(stage, session, runtime.app, run_id)
        return
    for run_id in ids:
        run = session.runs.get(run_id)
        version = session.versions.get(run.workflow, run.version)
        known = version is not None and run.workflow in runtime.app.workflows
        app = pinned(runtime.app, version) if known and version else runtime.app
        async with staged(app, asking) as stage:
            yield await replay_one(stage, session, app, run_id)


def _tell(screen: Screen, one: Replayed) -> None:
    screen.document(one.model_dump(mode="json"))
    told = f"{one.envelopes} envelopes, {one.verdicts} verdicts"
    why = str(one.divergence) if one.divergence is not None else one.problem
    screen.line(f"{one.run}  {one.result}  {why or told}", style=STYLES.get(one.result, "yellow"))
    if one.divergence is not None and one.version != one.present:
        screen.line(f"  It was started under version {one.version}; this code is {one.present}.")


def _summarize(screen: Screen, found: Counter[str], effects: int) -> None:
    total = {"replayed": found.total(), "identical": found["identical"], "effects": effects}
    others = {name: n for name, n in sorted(found.items()) if name != "identical"}
    screen.document({**total, **others})
    words = ", ".join(f"{number} {name}" for name, number in {**total, **others}.items())
    screen.line(words)
