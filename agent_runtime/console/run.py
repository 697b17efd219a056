"""One run: how it stands, the way it took, and what people may do with it."""

from __future__ import annotations

from typing import Annotated, Literal, assert_never, cast, get_args

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller
from agent_runtime.api import runs as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Site, Who
from agent_runtime.console.forking import changed, input_of
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import head_of, show
from agent_runtime.console.run_view import RunAct, brief, proposal, view_of
from agent_runtime.console.states import RUN_WORDS, STATUS_WORDS
from agent_runtime.errors import AgentRuntimeError, Conflict, InvalidInput
from agent_runtime.resumption import Resumption, Stop
from agent_runtime.run import Run
from agent_runtime.runtime import Settlement

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Readable = Annotated[Run, Depends(OnRun("read"))]
Number = Annotated[int | None, Query(ge=1, lt=2**53, description="Events before this one.")]

SETTLEMENTS: dict[Settlement, str] = {
    "happened": "It happened: go on as executed",
    "did_not_happen": "It did not happen: go on as refused",
    "retry": "It did not happen: call it once more",
}
_NOTHING = Form()


@router.get("/runs/{run_id}")
async def run(
    request: Request,
    site: Here,
    caller: Who,
    run: Readable,
    before: Number = None,
    drawn: Literal["nodes", "steps"] = "nodes",
) -> Response:
    """Its page: the newest visits, or those before an event."""
    return await _page(request, site, caller, run.id, before=before, folded=drawn == "steps")


@router.post("/runs/{run_id}/{act}")
async def do(
    request: Request, form: Posted, site: Here, caller: Who, run_id: str, act: RunAct
) -> Response:
    """Do something about it; when that cannot be, its page says why and keeps what was typed."""
    run = await OnRun(act)(run_id, request)
    if form.get("review"):
        return await _page(request, site, caller, run_id, form=form)
    try:
        await _act(act, run, form, site, caller)
    except (InvalidInput, Conflict) as error:
        return await _page(request, site, caller, run_id, form=form, told=error)
    return RedirectResponse(f"/runs/{run_id}", 303)


async def _act(act: RunAct, run: Run, form: Form, site: Site, caller: Caller) -> None:
    match act:
        case "cancel":
            await api.cancel(run, model(api.Because, reason=form.get("reason")), site, caller)
        case "resume":
            await api.resume(run, _resumption(run, form), site, caller)
        case "settle":
            how = form.get("how")
            if how not in get_args(Settlement):
                raise InvalidInput("how", how, "is none of these", remedy="Say what became of it.")
            await api.settle(run, api.Settle(how=cast("Settlement", how)), site, caller)
        case _:
            assert_never(act)


def _resumption(run: Run, form: Form) -> Resumption:
    """How it is to go on, as chosen; raises InvalidInput."""
    way, step, given = form.get("way"), form.get("step"), {"reason": form.get("reason")}
    match way:
        case "retry":
            return model(Resumption, **given, retry=step)
        case "skip":
            return model(Resumption, **given, skip=step)
        case "input":
            fields = changed(input_of(run), form.under("")).get("input")
            if not fields:
                raise InvalidInput("input", "", "is as it was", remedy="Correct what is wrong.")
            return model(Resumption, **given, input=fields)
        case _:
            return model(Resumption, **given)


async def _stop(site: Site, run: Run) -> Stop | None:
    """Where it stopped, for the choice of where it goes on."""
    if run.state != "needs_attention" or run.workflow not in site.runtime.app.workflows:
        return None
    return await site.runtime.stop_of(run)


async def _page(
    request: Request,
    site: Site,
    caller: Caller,
    run_id: str,
    *,
    before: int | None = None,
    folded: bool = False,
    form: Form = _NOTHING,
    told: AgentRuntimeError | None = None,
) -> Response:
    head_of(request, caller)
    run = site.shown(caller, site.read(caller).runs.get(run_id))
    seen = view_of(site, caller, run, before=before, folded=folded)
    status = 200 if told is None else 409 if isinstance(told, Conflict) else 422
    return show(
        request,
        "run.html",
        status,
        seen=seen,
        run=seen.run,
        before=before,
        folded=folded,
        form=form,
        told=told,
        settlements=SETTLEMENTS,
        stop=await _stop(site, seen.run),
        fields={one.name: one.old for one in input_of(seen.run)},
        proposal=proposal,
        brief=brief,
        statuses=STATUS_WORDS,
        states=RUN_WORDS,
    )
