"""The runs: found by what they are, how they stand, and who started them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller, a_run
from agent_runtime.api.page import After, cursor_of, read_cursor
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.console.states import RUN_WORDS, Words
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.run import Run, RunState
from agent_runtime.store.runs import RunFilter
from agent_runtime.trigger import TriggerKind

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

PAGE = 50
SHORT = 60
"""Characters of an input's value that may tell what a run is about."""

VIEWS: dict[str, tuple[RunState, ...]] = {
    "all": (),
    "at work": ("queued", "running"),
    "waiting": ("paused",),
    "stuck": ("needs_attention", "version_mismatch", "outcome_unknown"),
    "ended": ("completed", "rejected", "failed", "cancelled", "expired"),
}
AGES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}
TRIGGERS: tuple[TriggerKind, ...] = get_args(TriggerKind)

Word = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class RunRow:
    """One line: the run, how it stands in words, and what it is about."""

    run: Run
    words: Words
    about: str


@dataclass(frozen=True)
class Sought:
    """What was asked for, as it is typed. `q` is an id, or the key of a trigger; `rule`, `prompt`
    and `model` come from the figures; `since` and `until` are UTC days, both included."""

    view: str = "all"
    state: str = ""
    workflow: str = ""
    trigger: str = ""
    owner: str = ""
    age: str = ""
    q: str = ""
    rule: str = ""
    prompt: str = ""
    model: str = ""
    since: str = ""
    until: str = ""

    def query(self, **changes: str) -> str:
        """The same as a link's query, with some of it different."""
        named = {**self.__dict__, **changes}
        return urlencode({n: v for n, v in named.items() if v and (n, v) != ("view", "all")})

    @property
    def narrowed(self) -> bool:
        """Whether more than a view was chosen."""
        return bool(self.query(view=""))

    @property
    def brushed(self) -> dict[str, str]:
        """What a figure asked for that the form has no field for."""
        named = ("rule", "prompt", "model", "since", "until")
        return {name: value for name in named if (value := getattr(self, name))}


async def sought(
    view: Word = "all",
    state: Word = "",
    workflow: Word = "",
    trigger: Word = "",
    owner: Word = "",
    age: Word = "",
    q: Word = "",
    rule: Word = "",
    prompt: Word = "",
    model: Word = "",
    since: Word = "",
    until: Word = "",
) -> Sought:
    """What the address asks for. Forms send what was left empty too."""
    typed = (view, state, workflow, trigger, owner, age, q.strip())
    return Sought(*typed, rule, prompt, model, since, until)


@router.get("/runs")
async def runs(
    request: Request,
    site: Here,
    caller: Reader,
    sought: Annotated[Sought, Depends(sought)],
    cursor: After = None,
) -> Response:
    """The list, the newest first. An id leads to its run."""
    if sought.q.startswith("run-") and _is_there(site, caller, sought.q):
        return RedirectResponse(f"/runs/{sought.q}", 303)
    head_of(request, caller)
    chosen = _filter(sought, site.store.now())
    question = ["console-runs", sought.query()]
    found = site.read(caller).runs.page(
        chosen, newest_first=True, after=read_cursor(cursor, question, str), limit=PAGE + 1
    )
    counts = site.read(caller).runs.count()
    return show(
        request,
        "runs.html",
        rows=[row_of(site.shown(caller, run)) for run in found[:PAGE]],
        sought=sought,
        views=_views(sought, counts),
        hidden=sum(counts.values()) if sought.narrowed else 0,
        states=RUN_WORDS,
        ages=tuple(AGES),
        triggers=TRIGGERS,
        workflows=sorted(site.runtime.app.workflows),
        next=cursor_of(found[PAGE - 1].id, question) if len(found) > PAGE else None,
        first=cursor is None,
    )


@router.get("/runs/rows")
async def rows(
    request: Request,
    site: Here,
    caller: Reader,
    id: Annotated[tuple[str, ...], Query(max_length=PAGE)] = (),  # noqa: A002 — the query's name
) -> Response:
    """Some lines as they are now, to be put where they stand."""
    session = site.read(caller)
    found = [session.runs.get(name) for name in id if _is_there(site, caller, name)]
    return show(request, "run_rows.html", rows=[row_of(site.shown(caller, run)) for run in found])


def row_of(run: Run) -> RunRow:
    """A run as a line."""
    return RunRow(run, RUN_WORDS[run.state], about(run.input))


def about(inputs: Mapping[str, Any]) -> str:
    """What a run is about: the short values of its input, by which people tell them apart."""
    plain = [str(value) for value in inputs.values() if isinstance(value, str | int | float)]
    return " · ".join([value for value in plain if value and len(value) <= SHORT][:3])


def _is_there(site: Site, caller: Caller, name: str) -> bool:
    try:
        run = site.read(caller).runs.get(name)
    except NotFound:
        return False
    return site.runtime.app.access.ask(caller, "read", a_run(run)).counts


def _filter(sought: Sought, now: datetime) -> RunFilter:
    states = VIEWS[_one_of("view", sought.view, VIEWS)]
    if sought.state:
        states = (_one_of("state", sought.state, RUN_WORDS),)
    since = day_of("since", sought.since)
    if sought.age:
        since = now - AGES[_one_of("age", sought.age, AGES)]
    last = day_of("until", sought.until)
    kind = _one_of("trigger", sought.trigger, {one: one for one in TRIGGERS} | {"": None})
    return RunFilter(
        states=states,
        workflow=sought.workflow or None,
        started_by=sought.owner or None,
        key=sought.q or None,
        since=since,
        until=None if last is None else last + timedelta(days=1),
        trigger=kind or None,
        rule=sought.rule or None,
        prompt=sought.prompt or None,
        model=sought.model or None,
    )


def day_of(field: str, text: str) -> datetime | None:
    """The beginning of a UTC day that was typed; raises InvalidInput."""
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError as error:
        raise InvalidInput(field, text, "is no day", remedy="Write it as 2026-03-31.") from error


def _one_of(field: str, value: Any, known: Mapping[Any, Any]) -> Any:
    if value not in known:
        remedy = f"There are: {', '.join(filter(None, known))}."
        raise InvalidInput(field, value, "is none of these", remedy=remedy)
    return value


def _views(sought: Sought, counts: Mapping[str, int]) -> list[tuple[str, str, int, bool]]:
    """Each view's name, link and count, and whether it is shown."""
    return [
        (
            name,
            f"/runs?{sought.query(view=name, state='')}",
            sum(n for state, n in counts.items() if not states or state in states),
            name == sought.view and not sought.state,
        )
        for name, states in VIEWS.items()
    ]
