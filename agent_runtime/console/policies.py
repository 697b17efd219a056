"""The policies: what they say, whether they keep what was agreed, what they would answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.access import Caller, a_policy
from agent_runtime.activation import RECENT
from agent_runtime.api import policies as api
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Site, Who
from agent_runtime.console.explain import Asked, ask_of, blank, filled, groups_of
from agent_runtime.console.form import Form, Posted, SignedIn, model
from agent_runtime.console.page import show
from agent_runtime.console.policy_table import CaseRow, rows_of
from agent_runtime.console.rules import RuleRow, rules_of
from agent_runtime.errors import CallerError, Conflict, InvalidInput, NotFound, PolicyError
from agent_runtime.policy import PolicySet
from agent_runtime.policy.change import PolicyChange

router = APIRouter(include_in_schema=False, dependencies=[SignedIn], route_class=Route)

ReadOne = Annotated[PolicySet, Depends(api.OnPolicy("read"))]
ReadAll = Annotated[None, Depends(api.OnPolicies("read"))]
Word = Annotated[str, Query(max_length=200)]

CHANGES = 50
"""Changes that are shown, the newest first."""


@router.get("/policies")
async def policies(request: Request, site: Here, caller: Who, _: ReadAll) -> Response:
    """All that are in force, and the changes that were proposed."""
    return _list(request, site, caller)


@router.get("/policies/{name}")
async def policy(request: Request, site: Here, caller: Who, policy: ReadOne) -> Response:
    """One of them: its rules, its decision table."""
    return _one(request, site, caller, policy)


@router.post("/policies/changes/{change_id}/activate")
async def activate(
    request: Request, form: Posted, site: Here, caller: Who, change_id: str
) -> Response:
    """Put a change in force, as somebody else than who proposed it."""
    change = await api.activatable(change_id, site, caller)
    if form.get("review"):
        return _list(request, site, caller)
    try:
        seen = model(api.Activate, rehearsal=form.get("rehearsal") or None)
        await api.activate(change, site, caller, seen)
    except (Conflict, PolicyError) as error:
        return _list(request, site, caller, told=error)
    return RedirectResponse("/policies", 303)


@router.post("/policies/{name}/propose")
async def propose(request: Request, form: Posted, site: Here, caller: Who, name: str) -> Response:
    """Propose the project's file, or a text, as what is to be in force."""
    policy = await api.OnPolicy("propose")(name, site, caller)
    if form.get("review"):
        return _one(request, site, caller, policy, form=form)
    try:
        said = {"reason": form.get("reason"), "text": form.get("text").strip() or None}
        await api.propose(model(api.Propose, **said), policy, site, caller)
    except (InvalidInput, PolicyError) as error:
        return _one(request, site, caller, policy, form=form, told=error)
    return RedirectResponse("/policies", 303)


@router.get("/policies/{name}/explain")
async def explain(
    request: Request, site: Here, caller: Who, policy: ReadOne, tool: Word = "", case: Word = ""
) -> Response:
    """A form: what would happen? With a case of the decision table, its answer too."""
    if case:
        known = {one.name: one for one in site.activation.cases(policy.name)}
        if case not in known:
            raise NotFound("case", case, remedy=f"Look at /policies/{policy.name}.")
        chosen = known[case].tool
        return await _answer(request, site, caller, policy, chosen, filled(known[case]))
    tools = [one.name for one in site.activation.tools(policy.name)]
    return _explained(request, site, policy, tool or tools[0], blank(site, policy.name, tool))


@router.post("/policies/{name}/explain")
async def explained(
    request: Request, form: Posted, site: Here, caller: Who, policy: ReadOne
) -> Response:
    """The answer, with the rules that decided, above the same form."""
    tool = form.get("tool")
    typed = {name: values[-1] for name, values in form.fields.items()}
    if form.get("review"):
        return _explained(request, site, policy, tool, typed)
    return await _answer(request, site, caller, policy, tool, typed)


async def _answer(
    request: Request,
    site: Site,
    caller: Caller,
    policy: PolicySet,
    tool: str,
    typed: Mapping[str, str],
) -> Response:
    try:
        asked = ask_of(site, policy.name, tool, typed)
        answered = await api.explain(asked, policy, site, caller)
    except CallerError as error:
        return _explained(request, site, policy, tool, typed, told=error)
    return _explained(request, site, policy, tool, typed, answer=Asked.of(policy, asked, answered))


def _list(
    request: Request, site: Site, caller: Caller, told: CallerError | PolicyError | None = None
) -> Response:
    found = sorted(site.runtime.app.policies.items())
    changes = site.read(caller).policies.find(limit=CHANGES)
    return show(
        request,
        "policies.html",
        200 if told is None else 409,
        policies=(summed := [(one, *_summary(site, name, one)) for name, one in found]),
        users={policy.name: used for policy, _, _, used in summed},
        changes=[(change, _hindrances(site, caller, change)) for change in changes],
        told=told,
    )


def _one(
    request: Request,
    site: Site,
    caller: Caller,
    policy: PolicySet,
    *,
    form: Form | None = None,
    told: CallerError | PolicyError | None = None,
) -> Response:
    rows, problem = _table(site, policy)
    rules: Sequence[RuleRow] = rules_of(policy)
    may = site.runtime.app.access.ask(caller, "propose", a_policy(policy.name, caller.tenant))
    return show(
        request,
        "policy.html",
        200 if told is None else 422,
        policy=policy,
        rows=rules,
        table=rows,
        problem=problem,
        may_propose=may.counts,
        recent=RECENT,
        form=form or Form(),
        told=told,
    )


def _explained(
    request: Request,
    site: Site,
    policy: PolicySet,
    tool: str,
    typed: Mapping[str, str],
    *,
    answer: Asked | None = None,
    told: CallerError | None = None,
) -> Response:
    tools = [one.name for one in site.activation.tools(policy.name)]
    given: dict[str, Any] = {"policy": policy, "tools": tools, "tool": tool, "typed": typed}
    groups = groups_of(site, policy.name, tool)
    status = 200 if told is None else 422
    return show(
        request, "policy_explain.html", status, **given, groups=groups, answer=answer, told=told
    )


def _table(site: Site, policy: PolicySet) -> tuple[Sequence[CaseRow], str]:
    """The decision table's rows, and why they cannot be read."""
    try:
        cases = site.activation.cases(policy.name)
    except PolicyError as error:
        return (), str(error)
    return rows_of(policy, site.activation.tools(policy.name), cases), ""


def _summary(site: Site, name: str, policy: PolicySet) -> tuple[int, Sequence[CaseRow], list[str]]:
    """How many rules are its own, how its table does, and which workflows ask it."""
    own = sum(not row.shared for row in rules_of(policy))
    used = [
        flow.name
        for flow in site.runtime.app.workflows.values()
        if any(step.policy == name for step in flow.steps)
    ]
    return own, _table(site, policy)[0], sorted(used)


def _hindrances(site: Site, caller: Caller, change: PolicyChange) -> str:
    """Why the caller cannot put a change in force; empty when they can."""
    if change.state != "proposed":
        return f"It is {change.state}."
    if change.failures:
        return "It fails its decision table."
    thing = a_policy(change.name, change.tenant, change.proposed_by)
    ruling = site.runtime.app.access.ask(caller, "activate", thing)
    return "" if ruling.counts else f"You may not ({', '.join(ruling.rules)})."
