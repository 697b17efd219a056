"""Policies over HTTP: what is in force, what it would answer, and how it is changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent_runtime.access import Act, a_policy
from agent_runtime.activation import check_app, require_home
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.page import Limit
from agent_runtime.api.site import Here, Who
from agent_runtime.errors import InvalidInput, NotFound, ToolRefused
from agent_runtime.policy import PolicySet, Report
from agent_runtime.policy.change import PolicyChange
from agent_runtime.policy.table import Case, RunGiven, question_of
from agent_runtime.token import Name
from agent_runtime.verdict import Operator, Verdict

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=OncePerKey)

Effect = Literal["permit", "forbid"]


class RuleView(BaseModel):
    """One rule. `actions`: those in its scope; null: every one."""

    model_config = ConfigDict(extra="forbid")

    id: str
    file: str
    effect: Effect
    actions: list[str] | None
    role: str | None
    approvers: list[str]
    deadline: float | None


class PolicyView(BaseModel):
    """One policy set in force."""

    model_config = ConfigDict(extra="forbid")

    name: str
    digest: str
    rules: list[RuleView]


class PolicyList(BaseModel):
    """All that are in force."""

    items: list[PolicyView]


class ChangeList(BaseModel):
    """Changes, the newest first."""

    items: list[PolicyChange]


class Explain(BaseModel):
    """What would happen with these arguments, on these facts? What is left out of `signals` is
    clean, what is left out of `run` belongs to nobody. `operator`: would their yes count?"""

    model_config = ConfigDict(extra="forbid")

    tool: Annotated[str, StringConstraints(max_length=100)]
    input: dict[str, Any]
    facts: dict[str, Any]
    signals: dict[str, Any] = {}
    run: RunGiven = RunGiven()
    operator: Name | None = None
    roles: Annotated[tuple[Name, ...], Field(max_length=20)] = ()


class Answered(BaseModel):
    """The verdict; `counts` and `rules` are about the operator, where one is named."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    deadline: timedelta | None
    counts: bool | None = None
    rules: tuple[str, ...] = ()


class Propose(BaseModel):
    """A change of one policy set. Without `text`, the project's file as it is now."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class OnPolicy:
    """A dependency: the caller may do this to the policy in the path, which is returned."""

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, name: str, site: Here, caller: Who) -> PolicySet:
        await site.require(caller, self.act, a_policy(name, caller.tenant))
        if self.act == "propose":
            require_home(caller.tenant)
        return site.activation.in_force(name)


class OnPolicies:
    """A dependency: the caller may do this to the policies as a whole."""

    def __init__(self, act: Act) -> None:
        self.act = act

    async def __call__(self, site: Here, caller: Who) -> None:
        await site.require(caller, self.act, a_policy("any", caller.tenant))


Reading = Annotated[None, Depends(OnPolicies("read"))]
ReadOne = Annotated[PolicySet, Depends(OnPolicy("read"))]


@router.get("")
async def find(site: Here, _: Reading) -> PolicyList:
    """The policy sets that are in force, with their rules."""
    sets = sorted(site.runtime.app.policies.items())
    return PolicyList(items=[_view(policy) for _, policy in sets])


@router.post("/check")
async def check(site: Here, _: Reading) -> Report:
    """Check the project's files: types, ids, coverage and decision tables. Nothing is changed."""
    return check_app(site.runtime.app)


@router.get("/changes")
async def changes(site: Here, caller: Who, _: Reading, limit: Limit = 50) -> ChangeList:
    """Changes that were proposed, and what became of them."""
    return ChangeList(items=site.read(caller).policies.find(limit=limit))


async def activatable(change_id: str, site: Here, caller: Who) -> PolicyChange:
    """The change in the path, once the caller may put it in force."""
    change = site.read(caller).policies.get(change_id)
    await site.require(caller, "activate", a_policy(change.name, change.tenant, change.proposed_by))
    return change


class Activate(BaseModel):
    """`rehearsal`: the change's `report`, as having seen it: the digest of its rehearsal, or of why
    it could not be rehearsed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"rehearsal": "sha256:" + "0" * 64}]}
    )

    rehearsal: Annotated[str, StringConstraints(max_length=100)] | None = None


@router.post("/changes/{change_id}/activate")
async def activate(
    change: Annotated[PolicyChange, Depends(activatable)],
    site: Here,
    caller: Who,
    asked: Activate | None = None,
) -> PolicyChange:
    """Put a change in force, as somebody else than who proposed it, who has seen its rehearsal, or
    that there is none."""
    seen = None if asked is None else asked.rehearsal
    return await site.activation.activate(change.id, caller.name, seen)


@router.get("/{name}")
async def get(policy: ReadOne) -> PolicyView:
    """One policy set."""
    return _view(policy)


@router.post("/{name}/explain")
async def explain(asked: Explain, policy: ReadOne, site: Here, caller: Who) -> Answered:
    """What would happen? Nothing does."""
    given = asked.model_dump(include={"tool", "input", "facts", "signals", "run"})
    case = Case.model_validate({**given, "name": "asked", "expect": "deny"})
    tools = {tool.name: tool for tool in site.activation.tools(policy.name)}
    if asked.tool not in tools:
        raise NotFound("write tool", asked.tool, remedy=f"There are: {', '.join(sorted(tools))}.")
    try:
        question = question_of(case, tools)
    except ToolRefused as error:
        raise InvalidInput("input", asked.input, error.message) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(field, first["input"], first["msg"]) from error
    verdict = policy.judge(question)
    deadline = None if verdict.deadline is None else timedelta(seconds=verdict.deadline)
    if asked.operator is None:
        return Answered(verdict=verdict, deadline=deadline)
    person = Operator(name=asked.operator, roles=asked.roles, tenant=caller.tenant)
    ruling = policy.counts(person, question)
    return Answered(verdict=verdict, deadline=deadline, counts=ruling.counts, rules=ruling.rules)


@router.post("/{name}/propose", status_code=201)
async def propose(
    asked: Propose,
    policy: Annotated[PolicySet, Depends(OnPolicy("propose"))],
    site: Here,
    caller: Who,
) -> PolicyChange:
    """Propose a change. It decides nothing until another policy owner puts it in force."""
    return await site.activation.propose(policy.name, caller.name, asked.reason, asked.text)


def _view(policy: PolicySet) -> PolicyView:
    rules = [
        RuleView(
            id=rule.id,
            file=rule.file,
            effect=rule.effect,
            actions=None if rule.actions is None else sorted(rule.actions),
            role=rule.role,
            approvers=[f"{slot.role}:{slot.count}" for slot in rule.slots],
            deadline=rule.deadline,
        )
        for rule in policy.rules.values()
    ]
    return PolicyView(name=policy.name, digest=policy.digest, rules=rules)
