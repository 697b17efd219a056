"""What a run's page shows: its facts, its drawing, its timeline, and what may be done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from markupsafe import Markup

from agent_runtime.access import Caller, a_run
from agent_runtime.api.site import Site
from agent_runtime.console.states import RUN_WORDS, Words
from agent_runtime.console.text import span
from agent_runtime.console.timeline import Timeline, Visit, read_timeline, trail_of
from agent_runtime.drawing import Trail, draw_svg
from agent_runtime.event import Event
from agent_runtime.run import ENDS, Run, RunState
from agent_runtime.store import Session
from agent_runtime.store.approvals import PENDING
from agent_runtime.store.calls import ModelCall
from agent_runtime.topology import Topology, topology_of

RunAct = Literal["resume", "cancel", "settle"]

MOST_EVENTS = 2_000
"""Events that are read for one page; what is older is read on request."""
MOST_VISITS = 100
BILLIONTH = Decimal("0.000000001")

_LABELS: dict[RunAct, str] = {
    "resume": "Resume",
    "settle": "Say what happened",
    "cancel": "Cancel the run",
}
_ON: dict[RunAct, frozenset[RunState]] = {
    "resume": frozenset({"needs_attention", "version_mismatch"}),
    "settle": frozenset({"outcome_unknown"}),
    "cancel": frozenset(RUN_WORDS) - ENDS,
}


@dataclass(frozen=True)
class Possible:
    """One thing that can be done about a run as it stands; `rules`: what forbids this caller."""

    act: RunAct
    label: str
    rules: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether this caller may."""
        return not self.rules


@dataclass(frozen=True)
class Drawn:
    """A version's drawing with a run's way, and the same as rows. `note`: what it is not."""

    svg: Markup
    topology: Topology | None
    trail: Trail
    note: str = ""


@dataclass(frozen=True)
class Spent:
    """What models took: None where no price is known."""

    calls: int
    tokens: int
    money: Decimal | None


@dataclass(frozen=True)
class RunView:
    """All of it. `earlier`: the number before which there are more events; None: this is all."""

    run: Run
    words: Words
    version: str
    drawn: Drawn
    line: Timeline
    visits: Sequence[Visit]
    earlier: int | None
    whole: bool
    spent: Spent
    possible: tuple[Possible, ...]
    questions: tuple[str, ...]


def view_of(
    site: Site, caller: Caller, run: Run, *, before: int | None = None, folded: bool = False
) -> RunView:
    """Read one run as its page shows it."""
    session, now = site.read(caller), site.store.now()
    newest = session.events.latest(run.id, limit=MOST_EVENTS)
    line = read_timeline(newest, now)
    shown, read = line, newest
    if before is not None:
        read = session.events.latest(run.id, limit=MOST_EVENTS, before=before)
        shown = read_timeline(read, now)
    visits = shown.visits[-MOST_VISITS:]
    return RunView(
        run=run,
        words=RUN_WORDS[run.state],
        version=session.versions.label(run.workflow, run.version),
        drawn=draw(site, session, run, trail_of(line, run.state), folded=folded),
        line=line,
        visits=visits,
        earlier=_earlier(read, shown, visits),
        whole=len(newest) < MOST_EVENTS,
        spent=spent_on(session.calls.find(run.id)),
        possible=tuple(_possible(site, caller, run)),
        questions=tuple(a.id for a in session.approvals.find(PENDING, run_id=run.id)),
    )


def draw(site: Site, session: Session, run: Run, trail: Trail, *, folded: bool) -> Drawn:
    """Draw the version that the run was started under; where it was never kept, the present one
    if it is that, and else say that it is another."""
    topology, note = topology_for(site, session, run)
    if topology is None:
        return Drawn(Markup(), None, trail, note)
    # The drawing escapes every name that it is given; see drawing/svg.py.
    svg = Markup(draw_svg(topology, trail, folded=folded))  # noqa: S704
    return Drawn(svg, topology, trail, note)


def topology_for(site: Site, session: Session, run: Run) -> tuple[Topology | None, str]:
    """The topology of a run's version, and what is not as it was."""
    kept = session.versions.topology(run.workflow, run.version)
    if kept is not None:
        return kept, ""
    workflow = site.runtime.app.workflows.get(run.workflow)
    if workflow is None:
        return None, (
            f"The version {run.version} was not kept, and this app has no workflow"
            f" {run.workflow} any more: there is nothing to draw."
        )
    if run.version in (workflow.version, site.runtime.app.version(run.workflow).id):
        return topology_of(workflow), ""
    return topology_of(workflow), (
        f"The version {run.version} that this run was started under was not kept. Drawn is the one"
        " that is deployed now: steps and edges may differ."
    )


def spent_on(calls: Iterable[ModelCall]) -> Spent:
    """What models took for these calls."""
    made = list(calls)
    known = [call.cost for call in made if call.cost is not None]
    money = sum(known) * BILLIONTH if made and len(known) == len(made) else None
    return Spent(len(made), sum(call.tokens_in + call.tokens_out for call in made), money)


def proposal(visit: Visit) -> str:
    """What a visit proposed, in short; empty when it proposed nothing."""
    for phase in reversed(visit.phases):
        action = phase.body.get("proposed_action")
        if isinstance(action, dict):
            return f"{action.get('type', '')} on {action.get('target_id', '')}"
    return ""


def brief(seconds: float) -> str:
    """A length of time; parts of seconds where it is short."""
    return span(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _earlier(read: Sequence[Event], shown: Timeline, visits: Sequence[Visit]) -> int | None:
    if len(visits) < len(shown.visits) and visits:
        first = visits[0].phases[0].events[0]
        return first.number
    return read[0].number if len(read) == MOST_EVENTS else None


def _possible(site: Site, caller: Caller, run: Run) -> Iterable[Possible]:
    for act, label in _LABELS.items():
        if run.state in _ON[act]:
            ruling = site.runtime.app.access.ask(caller, act, a_run(run))
            yield Possible(act, label, () if ruling.counts else ruling.rules)
