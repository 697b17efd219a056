"""The inbox: what waits for people, as a list that never moves by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.page import cursor_of, read_cursor
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Reader, Site
from agent_runtime.approval import Approval
from agent_runtime.console.form import SignedIn
from agent_runtime.console.look import DONE, Look, Looked
from agent_runtime.console.page import head_of, show
from agent_runtime.console.row import Row, row_of
from agent_runtime.errors import InvalidInput
from agent_runtime.inbox import WAITING, Counts, Filter, Key, Order, finds

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

SHOWN = 60
"""Rows at a time: more than a screen holds, few enough to be there at once."""

Cursor = Annotated[str | None, Query(max_length=1_000)]
Ids = Annotated[tuple[Annotated[str, Query(max_length=100)], ...], Query(max_length=100)]


@dataclass(frozen=True)
class Listed:
    """Rows in order. `next`: the cursor of what follows."""

    rows: list[Row]
    next: str | None


@dataclass(frozen=True)
class Idle:
    """Where nothing waits: how many runs are at work, and what was asked last."""

    working: int
    last: Row | None = None


@router.get("/inbox")
async def inbox(
    request: Request, site: Here, caller: Reader, look: Looked, cursor: Cursor = None
) -> Response:
    """The list, with nothing opened."""
    return show(request, "inbox.html", **await around(request, site, caller, look, cursor))


@router.get("/inbox/list")
async def more(
    request: Request, site: Here, caller: Reader, look: Looked, cursor: Cursor = None
) -> Response:
    """What follows in the list: rows alone, for a script that adds them."""
    head_of(request, caller)
    listed = await listed_of(site, caller, look, cursor)
    return show(request, "rows.html", listed=listed, look=look, chosen=None, counts=None)


@router.get("/inbox/rows")
async def rows(
    request: Request,
    site: Here,
    caller: Reader,
    look: Looked,
    id: Ids = (),  # noqa: A002 — the query's name
) -> Response:
    """These questions as rows, as far as they belong to the view now; the others have left it."""
    head_of(request, caller)
    listed = Listed(_still_there(site, caller, look, id), None)
    counts = counts_of(site, caller)
    return show(request, "rows.html", listed=listed, look=look, chosen=None, counts=counts)


async def around(
    request: Request,
    site: Site,
    caller: Caller,
    look: Look,
    cursor: str | None = None,
    chosen: str | None = None,
) -> dict[str, Any]:
    """What the page around a question shows: the list, its views and filters."""
    head_of(request, caller)
    try:
        listed, refused = await listed_of(site, caller, look, cursor), ""
    except InvalidInput as error:
        listed, refused = Listed([], None), str(error)
    counts = counts_of(site, caller)
    return {
        "look": look,
        "listed": listed,
        "counts": counts,
        "kinds": site.runtime.desk.counts(Filter(statuses=look.statuses), who=caller.operator),
        "list_refused": refused,
        "chosen": chosen,
        "idle": None if counts.total else _idle(site, caller),
    }


def _idle(site: Site, caller: Caller) -> Idle:
    runs = site.read(caller).runs.count()
    newest = Order(sort="age", descending=True, limit=1)
    done = site.runtime.desk.inbox(Filter(statuses=DONE), newest, who=caller.operator)
    return Idle(runs.get("running", 0) + runs.get("queued", 0), *_rows(site, caller, done.items))


def counts_of(site: Site, caller: Caller) -> Counts:
    """How many wait: for anybody, for this person, late."""
    return site.runtime.desk.counts(Filter(statuses=WAITING), who=caller.operator)


async def listed_of(site: Site, caller: Caller, look: Look, cursor: str | None) -> Listed:
    """One page of the list; raises InvalidInput for a filter that is none."""
    question = ["inbox", look.query(), caller.name]
    after = read_cursor(cursor, question, list)
    order = look.order().model_copy(update={"limit": SHOWN})
    if after is not None:
        order = order.model_copy(update={"after": Key(value=after[0], id=after[1])})
    page = await site.runtime.desk.search(look.q, look.wanted(), order, who=caller.operator)
    last = page.after
    more = None if last is None else cursor_of([last.value, last.id], question)
    return Listed(_rows(site, caller, page.items), more)


def _rows(site: Site, caller: Caller, found: Iterable[Approval]) -> list[Row]:
    now = site.store.now()
    return [row_of(asked, caller, now) for asked in found]


def _still_there(site: Site, caller: Caller, look: Look, ids: Sequence[str]) -> list[Row]:
    """The rows of those that the look still finds: the store's own filter says so."""
    kept = []
    for asked in site.read(caller).approvals.read(list(ids)):
        wanted = look.wanted().model_copy(update={"run_id": asked.run_id})
        page = site.runtime.desk.inbox(wanted, who=caller.operator)
        kept += [one for one in page.items if one.id == asked.id and finds(look.q, one)]
    return _rows(site, caller, kept)
