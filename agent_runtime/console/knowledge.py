"""Knowledge: what steps may read, how fresh it is, who sees what, and where a quote comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.api import knowledge as api
from agent_runtime.api.page import After, cursor_of, read_cursor
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnTenant, Reader, Who
from agent_runtime.console.form import Posted, SignedIn
from agent_runtime.console.page import head_of, show
from agent_runtime.knowledge.retrieve import Answer, Asked, within
from agent_runtime.knowledge.search import Sight, sights
from agent_runtime.knowledge.trail import trace
from agent_runtime.source import NO_BEGIN, NO_END, Source

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

PAGE = 50
FOUND = 8
"""Passages of an answer: what is read at once."""

Word = Annotated[str, Query(max_length=2_000)]


@dataclass(frozen=True)
class Standing:
    """How fresh a source is by its own rules: a word, its badge, and since when."""

    word: str
    kind: str
    at: datetime


@dataclass(frozen=True)
class SourceRow:
    """One line: the source, when it is in force, how fresh it is, and which steps see it."""

    source: Source
    in_force: str
    standing: Standing
    seen_by: tuple[str, ...]


@router.get("/knowledge")
async def knowledge(
    request: Request, site: Here, caller: Reader, q: Word = "", cursor: After = None
) -> Response:
    """The sources, what a search finds in them, and which steps see which."""
    head_of(request, caller)
    now, views = site.store.now(), sights(site.runtime.app.workflows.values())
    after = read_cursor(cursor, ["console-knowledge"], str) or ""
    found = site.read(caller).knowledge.sources(after, PAGE + 1)
    answer = None
    if q.strip():
        asked = Asked(q, within(now.date(), ()), FOUND)
        answer = await site.runtime.retriever.search(caller.tenant, asked)
    return show(
        request,
        "knowledge.html",
        q=q,
        answer=answer,
        rows=[row_of(source, views, now) for source in found[:PAGE]],
        views=views,
        unseen=_unseen(answer, views),
        next=cursor_of(found[PAGE - 1].name, ["console-knowledge"]) if len(found) > PAGE else None,
    )


@router.get("/knowledge/sources/{source_id}")
async def source(
    source_id: str, request: Request, site: Here, caller: Reader, cursor: After = None
) -> Response:
    """One source with its passages."""
    head_of(request, caller)
    knowledge = site.read(caller).knowledge
    found = knowledge.source(source_id)
    question = ["console-passages", found.id]
    after = read_cursor(cursor, question, int)
    passages = knowledge.passages(found.id, -1 if after is None else after, PAGE + 1)
    ended = len(passages) <= PAGE
    return show(
        request,
        "source.html",
        row=row_of(found, sights(site.runtime.app.workflows.values()), site.store.now()),
        passages=passages[:PAGE],
        next=None if ended else cursor_of(passages[PAGE - 1].number, question),
    )


@router.post("/knowledge/sources/{source_id}/remove")
async def remove(source_id: str, request: Request, _: Posted, site: Here, __: Who) -> Response:
    """Forget a source."""
    caller = await OnTenant("administer")(request)
    await api.remove(source_id, site, caller)
    return RedirectResponse("/knowledge", 303)


@router.get("/runs/{run_id}/evidence/{content}")
async def evidence(
    run: api.Readable, content: api.Hash, request: Request, site: Here, caller: Who
) -> Response:
    """Where one passage of a run comes from, who quoted it, and why it was found."""
    head_of(request, caller)
    return show(
        request, "evidence.html", run=run, trail=trace(site.store.read(run.tenant), run.id, content)
    )


def row_of(source: Source, views: Sequence[Sight], now: datetime) -> SourceRow:
    """A source as a line."""
    labels = set(source.about.labels)
    seen = dict.fromkeys(f"{v.workflow} · {v.step}" for v in views if labels & set(v.labels))
    return SourceRow(source, _in_force(source, now.date()), _standing(source, now), tuple(seen))


def _in_force(source: Source, today: date) -> str:
    begin, end = source.about.valid_from, source.about.valid_to
    if begin == NO_BEGIN and end == NO_END:
        return "always"
    words = [f"from {begin}"] if begin != NO_BEGIN else []
    words += [f"until {end}"] if end != NO_END else []
    return " ".join(words) + ("" if source.in_force(today) else " (not now)")


def _standing(source: Source, now: datetime) -> Standing:
    if source.stale_at is not None and source.stale_at <= now:
        return Standing("stale", "bad", source.checked_at)
    if source.due_at is not None and source.due_at <= now:
        return Standing("due", "warn", source.checked_at)
    return Standing("fresh", "ok", source.checked_at)


def _unseen(answer: Answer | None, views: Sequence[Sight]) -> frozenset[str]:
    """The sources of an answer that no step would be shown."""
    shown = {label for view in views for label in view.labels}
    found = () if answer is None else answer.found
    return frozenset(f.source.id for f in found if not shown & set(f.source.about.labels))
