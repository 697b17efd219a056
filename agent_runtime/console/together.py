"""Deciding together: several harmless questions of one kind, after a look at each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from agent_runtime.access import Caller, an_approval
from agent_runtime.api import approvals, bulk
from agent_runtime.api.problem import told
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Site, Who
from agent_runtime.approval import Approval
from agent_runtime.bulk import Preview
from agent_runtime.console.approval import CODES, codes_of
from agent_runtime.console.display import display_of
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import show
from agent_runtime.console.row import Row, row_of
from agent_runtime.console.text import words
from agent_runtime.errors import CallerError, InvalidInput, NotAuthenticated

router = APIRouter(
    prefix="/inbox/bulk", include_in_schema=False, dependencies=[SignedIn], route_class=Route
)


@dataclass(frozen=True)
class Line:
    """What became of one of them: as it stands now, or why it was not answered."""

    row: Row
    said: str = ""
    held: bool = False


@router.post("")
async def preview(request: Request, form: Posted, site: Here, caller: Who) -> Response:
    """What one answer to all of them would do: how many, the sum, the largest, and every row."""
    return await _preview(request, form, site, caller)


@router.post("/decide")
async def decide(request: Request, form: Posted, site: Here, caller: Who) -> Response:
    """Answer all of a preview; each has a result of its own."""
    if form.get("review"):
        return await _preview(request, form, site, caller)
    try:
        body = _body(form, display_of(request).hold)
        found = await bulk.decide(await bulk.decidable(body, site, caller), site, caller)
    except NotAuthenticated:
        raise
    except CallerError as error:
        return await _preview(request, form, site, caller, refused=error)
    lines = [
        Line(
            _row(site, caller, one.id),
            "" if one.problem is None else one.problem.detail,
            _is_held(one.approval),
        )
        for one in found.items
    ]
    return _outcome(request, form, lines, "Decided")


@router.post("/undo")
async def undo(request: Request, form: Posted, site: Here, caller: Who) -> Response:
    """Take the held ones back, as far as they have not taken effect."""
    lines = []
    for name in form.all("id"):
        try:
            asked = site.read(caller).approvals.get(name)
            run = site.read(caller).runs.get(asked.run_id)
            await site.require(caller, "decide", an_approval(asked, run))
            await approvals.undo(asked, site, caller, Response())
        except NotAuthenticated:
            raise
        except CallerError as error:
            lines.append(Line(_row(site, caller, name), error.message))
        else:
            lines.append(Line(_row(site, caller, name)))
    return _outcome(request, form, lines, "Undone")


def _body(form: Form, hold: int) -> bulk.DecideAll:
    kind = form.get("kind")
    code = (form.get("code") or None) if kind == "reject" else None
    if kind == "reject" and code is None:
        raise InvalidInput("code", "", "a reject needs a reason from the list")
    reason = form.get("reason") or CODES.get(code, words(code)) if code is not None else ""
    return model(
        bulk.DecideAll,
        ids=form.all("id"),
        preview=form.get("preview"),
        kind=kind,
        code=code,
        reason=reason,
        hold_seconds=hold,
    )


async def _preview(
    request: Request,
    form: Form,
    site: Site,
    caller: Caller,
    refused: CallerError | None = None,
) -> Response:
    found: Preview | None = None
    status = 200
    try:
        if not form.all("id"):
            raise InvalidInput("id", "nothing", "select at least one question", remedy="Use x.")
        look = await bulk.lookable(model(bulk.Look, ids=form.all("id")), site, caller)
        found = await bulk.preview(look, site, caller)
    except NotAuthenticated:
        raise
    except CallerError as error:
        refused = refused or error
    if refused is not None:
        status = told(refused, "")["status"]
    rows = (
        {}
        if found is None
        else {one.approval_id: _row(site, caller, one.approval_id) for one in found.lines}
    )
    given: dict[str, Any] = {"found": found, "rows": rows, "refused": refused}
    return show(
        request,
        "bulk.html",
        status,
        **given,
        codes=_codes(site, caller, found),
        look=form.get("look"),
        typed=form,
    )


def _codes(site: Site, caller: Caller, found: Preview | None) -> dict[str, str]:
    """Of one rule and tool, so that the first one's workflow is that of all."""
    ids = [line.approval_id for line in found.lines[:1]] if found is not None else []
    asked = site.read(caller).approvals.read(ids)
    return codes_of(site, asked[0].workflow if asked else "")


def _outcome(request: Request, form: Form, lines: list[Line], title: str) -> Response:
    return show(
        request,
        "bulk_done.html",
        lines=lines,
        heading=title,
        look=form.get("look"),
    )


def _row(site: Site, caller: Caller, name: str) -> Row:
    session = site.read(caller)
    return row_of(session.approvals.get(name), caller, session.now)


def _is_held(approval: Approval | None) -> bool:
    return approval is not None and approval.status == "held"
