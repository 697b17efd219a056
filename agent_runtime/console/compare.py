"""Compare: two runs of one workflow side by side, and where they part."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, OnRun, Site, Who
from agent_runtime.console.compare_view import Compared, compared_of
from agent_runtime.console.form import SignedIn
from agent_runtime.console.page import show
from agent_runtime.console.states import RUN_WORDS
from agent_runtime.errors import CallerError, InvalidInput, NotFound

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

Id = Annotated[str, Query(max_length=200)]


@router.get("/compare")
async def compare(
    request: Request,
    site: Here,
    caller: Who,
    a: Id = "",
    b: Id = "",
    rows: Literal["differences", "all"] = "differences",
) -> Response:
    """Both, once both are named; a run that cannot be had is told above the form."""
    found: Compared | None = None
    told: CallerError | None = None
    a, b = a.strip(), b.strip()
    if a and b:
        try:
            found = await _compared(request, site, caller, a, b)
        except (NotFound, InvalidInput) as error:
            told = error
    return show(
        request,
        "compare.html",
        200 if told is None else 404 if isinstance(told, NotFound) else 422,
        a=a,
        b=b,
        rows=rows,
        found=found,
        told=told,
        states=RUN_WORDS,
    )


async def _compared(request: Request, site: Site, caller: Caller, a: str, b: str) -> Compared:
    """The two of them, as the API compares them. Raises NotFound, NotPermitted, InvalidInput."""
    one, other = await OnRun("read")(a, request), await OnRun("read")(b, request)
    if one.workflow != other.workflow:
        raise InvalidInput("b", b, f"is a run of {other.workflow}, and the other of {one.workflow}")
    return compared_of(site, site.read(caller), one, other)
