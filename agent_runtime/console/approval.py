"""One approval, in the order of thought, and what people do with it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api import approvals
from agent_runtime.api.problem import told
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnApproval, Reader, Site, Who
from agent_runtime.approval import OTHER, Approval
from agent_runtime.console.display import display_of
from agent_runtime.console.edits import arguments_of, changed
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.inbox import around
from agent_runtime.console.look import Look, Looked
from agent_runtime.console.page import head_of, show
from agent_runtime.console.sheet import sheet_of
from agent_runtime.console.text import words
from agent_runtime.errors import (
    CallerError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    StaleQuestion,
)

router = APIRouter(
    prefix="/inbox/{approval_id}",
    include_in_schema=False,
    dependencies=[SignedIn],
    route_class=Route,
)

T = TypeVar("T")

MOST = 30_000
"""Characters of one exchange with a model that are shown."""

CODES: dict[str, str] = {
    "wrong_amount": "The amount is wrong",
    "wrong_target": "The wrong record is meant",
    "wrong_facts": "The facts are wrong",
    "not_entitled": "They are not entitled to it",
    "duplicate": "It was done already",
    "against_policy": "It is against policy",
    "suspected_fraud": "Fraud is suspected",
    OTHER: "Another reason",
}


def codes_of(site: Site, workflow: str) -> dict[str, str]:
    """The kinds of no that people may choose for a workflow, in words."""
    known = site.runtime.app.workflows.get(workflow)
    names = tuple(CODES) if known is None else (*known.reject_codes, OTHER)
    return {name: CODES.get(name, words(name)) for name in dict.fromkeys(names)}


@dataclass(frozen=True)
class Visit:
    """One person at one question: what a route was asked with."""

    request: Request
    site: Site
    caller: Caller
    look: Look
    form: Form


@router.get("")
async def approval(
    approval_id: str, request: Request, site: Here, caller: Reader, look: Looked
) -> Response:
    """The question beside the list."""
    asked = await OnApproval("read")(approval_id, request)
    return await _shown(Visit(request, site, caller, look, Form()), asked)


@router.get("/exchange")
async def exchange(approval_id: str, request: Request, site: Here, caller: Reader) -> Response:
    """What the model was asked and answered in this run, on demand: it is long."""
    asked = await OnApproval("read")(approval_id, request)
    found = site.read(caller).recordings.find(asked.run_id)
    models = [one for one in found if one.kind == "model"]
    return show(request, "exchange.html", exchanges=models, asked=asked, most=MOST)


@router.post("/decide")
async def decide(
    approval_id: str, request: Request, form: Posted, site: Here, caller: Who, look: Looked
) -> Response:
    """Approve, reject, send back, or approve what was edited: held for the undo window."""
    asked = await OnApproval("decide")(approval_id, request)
    here = Visit(request, site, caller, look, form)
    if form.get("review"):
        return await _shown(here, asked)

    async def answer() -> Approval:
        return await approvals.decide(
            asked, _answer(asked, form, display_of(request).hold), site, caller, request, Response()
        )

    return await _done(here, asked, answer())


@router.post("/edit")
async def edit(
    approval_id: str, request: Request, form: Posted, site: Here, caller: Who, look: Looked
) -> Response:
    """What policy says about the edited arguments; nothing is stored."""
    asked = await OnApproval("decide")(approval_id, request)
    here = Visit(request, site, caller, look, form)
    try:
        body = model(approvals.TryEdit, arguments=changed(asked, form.under("arg.")))
        judged = await approvals.try_edit(asked, body, site, caller)
    except CallerError as error:
        return await _refused(here, asked, error)
    return await _shown(here, asked, judged=judged)


@router.post("/{act}")
async def act(
    approval_id: str,
    act: str,
    request: Request,
    form: Posted,
    site: Here,
    caller: Who,
    look: Looked,
) -> Response:
    """Undo, claim, release, read the facts again, hand it on, remark on it."""
    if act not in _ACTS:
        raise NotFound("page", request.url.path)
    right, work = _ACTS[act]
    asked = await OnApproval(right)(approval_id, request)
    here = Visit(request, site, caller, look, form)
    return (
        await _shown(here, asked)
        if form.get("review")
        else await _done(here, asked, work(here, asked))
    )


async def _undo(here: Visit, asked: Approval) -> Approval:
    return await approvals.undo(asked, here.site, here.caller, Response())


async def _claim(here: Visit, asked: Approval) -> Approval:
    body = approvals.ClaimIt(override=bool(here.form.get("override")))
    return await approvals.claim(asked, body, here.site, here.caller, Response())


async def _release(here: Visit, asked: Approval) -> Approval:
    return await approvals.release(asked, here.site, here.caller, Response())


async def _refresh(here: Visit, asked: Approval) -> Approval:
    return await approvals.refresh(asked, here.site, here.caller, Response())


async def _delegate(here: Visit, asked: Approval) -> Approval:
    given = {"to": here.form.get("to").strip(), "reason": here.form.get("reason")}
    body = model(approvals.Delegate, **given)
    return await approvals.delegate(asked, body, here.site, here.caller, Response())


async def _comment(here: Visit, asked: Approval) -> Approval:
    body = model(approvals.Remark, text=here.form.get("text"))
    await approvals.comment(asked, body, here.site, here.caller)
    return asked


_ACTS: dict[str, tuple[Any, Any]] = {
    "undo": ("decide", _undo),
    "claim": ("claim", _claim),
    "release": ("claim", _release),
    "refresh": ("claim", _refresh),
    "delegate": ("decide", _delegate),
    "comment": ("comment", _comment),
}


def _answer(asked: Approval, form: Form, hold: int) -> approvals.Decide:
    """The form as the API's own body; raises InvalidInput as the API would."""
    kind = form.get("kind")
    code = (form.get("code") or None) if kind == "reject" else None
    if kind == "reject" and code is None:
        raise InvalidInput("code", "", "a reject needs a reason from the list")
    reason = form.get("reason")
    if kind == "reject" and not reason.strip() and code not in (None, "other"):
        reason = CODES.get(code, words(code))
    version = form.get("version")
    return model(
        approvals.Decide,
        kind=kind,
        digest=form.get("digest"),
        version=int(version) if version.isdigit() else None,
        reason=reason if kind in ("reject", "respond") else form.get("note"),
        code=code,
        arguments=changed(asked, form.under("arg.")) if kind == "edit" else None,
        confirm=form.get("confirm"),
        hold_seconds=hold,
        override=bool(form.get("override")),
    )


async def _done(here: Visit, asked: Approval, work: Awaitable[Approval]) -> Response:
    """Show what has become of it, or why nothing was done, with what was typed kept."""
    try:
        after = await work
    except NotAuthenticated:
        raise
    except CallerError as error:
        return await _refused(here, asked, error)
    if _is_part(here.request):
        return await _shown(Visit(here.request, here.site, here.caller, here.look, Form()), after)
    return RedirectResponse(f"/inbox/{after.id}{here.look.query()}", 303)


async def _refused(here: Visit, asked: Approval, error: CallerError) -> Response:
    now = here.site.read(here.caller).approvals.get(asked.id)
    problem = told(error, "")
    changes = error.changes if isinstance(error, StaleQuestion) else ()
    return await _shown(here, now, problem["status"], refused=error, changes=changes)


def _is_part(request: Request) -> bool:
    """Whether a script asks for the question alone."""
    return "x-part" in request.headers


async def _shown(here: Visit, asked: Approval, status: int = 200, **more: Any) -> Response:
    """The question as it is now, alone or beside the list."""
    request, caller = here.request, here.caller
    head_of(request, caller)
    seen = await here.site.runtime.desk.look(asked.id, caller.operator)
    typed = here.form
    given: dict[str, Any] = {
        "asked": seen,
        "page": sheet_of(here.site, caller, seen),
        "typed": typed,
        "arguments": arguments_of(seen, typed.under("arg.")),
        "codes": codes_of(here.site, seen.workflow),
        "look": here.look,
        "judged": None,
        "refused": None,
        "changes": (),
        **more,
    }
    if _is_part(request):
        return show(request, "approval.html", status, **given)
    side = await around(request, here.site, caller, here.look, chosen=seen.id)
    return show(request, "inbox.html", status, **{**side, **given})
