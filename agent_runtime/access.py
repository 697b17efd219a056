"""Access: the one answer, for every surface, to "may this caller do this to this resource?".

Whose yes counts towards an action is another question, asked of the action's own policy.
"""

from __future__ import annotations

import importlib.resources
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import cedarpy

from agent_runtime.action import digest
from agent_runtime.approval import Approval
from agent_runtime.errors import NotPermitted, PolicyError
from agent_runtime.policy.rule import Rule, read_rules
from agent_runtime.run import Run
from agent_runtime.store import Store
from agent_runtime.telemetry import log
from agent_runtime.tenant import HOME
from agent_runtime.token import Token
from agent_runtime.verdict import Operator, Ruling

Act = Literal[
    "start",
    "read",
    "claim",
    "decide",
    "comment",
    "cancel",
    "resume",
    "settle",
    "propose",
    "activate",
    "administer",
]
"""What may be done. administer: tokens, and the installation's own figures."""

ACTS: tuple[Act, ...] = get_args(Act)

FILE = "access.cedar"
"""A project's own rules, among its policies; where it has none, those shipped here hold."""
BASE_FILE = "access_base.cedar"
NO_RULE = "runtime:no-rule"
POLICY_ERROR = "runtime:policy-error"

KNOWN = 4_096
"""Answers that are kept; the one that was longest not asked for goes."""

_FAULTS = (ValueError, TypeError, LookupError, RecursionError)

_STRING = {"type": "String"}
_STRINGS = {"type": "Set", "element": _STRING}
_KINDS: dict[str, dict[str, Any]] = {
    "Workflow": {},
    "Run": {"workflow": _STRING, "started_by": _STRING},
    "Approval": {"workflow": _STRING, "started_by": _STRING, "roles": _STRINGS},
    "PolicySet": {"proposed_by": {**_STRING, "required": False}},
    "Token": {"operator": _STRING},
    "Tenant": {},
    "Installation": {},
}
"""The kinds of resource, each with its attributes beside `tenant`."""

_ON: dict[Act, tuple[str, ...]] = {
    "start": ("Workflow",),
    "read": tuple(_KINDS),
    "claim": ("Approval",),
    "decide": ("Approval",),
    "comment": ("Approval", "Run"),
    "cancel": ("Run",),
    "resume": ("Run",),
    "settle": ("Run",),
    "propose": ("PolicySet",),
    "activate": ("PolicySet",),
    "administer": ("Token", "Tenant", "Installation"),
}


@dataclass(frozen=True)
class Caller:
    """Who asks, from authentication. `scopes`: what their credential is limited to; None:
    nothing beyond the operator's own rights. `channel`: how they came in, as decisions record it.
    """

    operator: Operator
    scopes: frozenset[str] | None = None
    channel: str = ""

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.operator.name

    @property
    def tenant(self) -> str:
        """The one tenant that all they ask for belongs to."""
        return self.operator.tenant


@dataclass(frozen=True)
class Thing:
    """What is asked about, as policy sees it."""

    kind: str
    id: str
    tenant: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


def a_workflow(name: str, tenant: str) -> Thing:
    """A workflow, as one tenant uses it."""
    return Thing("Workflow", name, tenant)


def a_run(run: Run) -> Thing:
    """One run."""
    known = {"workflow": run.workflow, "started_by": run.trigger.owner}
    return Thing("Run", run.id, run.tenant, known, run.id)


def an_approval(approval: Approval, run: Run) -> Thing:
    """One question, with the run that asks it."""
    roles = [slot.role for slot in approval.slots]
    known = {"workflow": run.workflow, "started_by": run.trigger.owner, "roles": roles}
    return Thing("Approval", approval.id, approval.tenant, known, run.id)


def a_question(approval: Approval) -> Thing:
    """One question, to be named in a record; nothing is decided about it."""
    return Thing("Approval", approval.id, approval.tenant, run_id=approval.run_id)


def a_policy(name: str, tenant: str, proposed_by: str | None = None) -> Thing:
    """A policy set; with its proposer where a change of it is proposed."""
    known = {} if proposed_by is None else {"proposed_by": proposed_by}
    return Thing("PolicySet", name, tenant, known)


def a_token(token: Token) -> Thing:
    """One token."""
    return Thing("Token", token.id, token.tenant, {"operator": token.operator})


def a_tenant(name: str) -> Thing:
    """All of one tenant: its lists, its history, its figures."""
    return Thing("Tenant", name, name)


def the_installation() -> Thing:
    """What all tenants share: its administrators are the home tenant's."""
    return Thing("Installation", "installation", HOME)


@dataclass(frozen=True)
class Access:
    """The access rules in force, parsed and type-checked once. Make one with `load`."""

    rules: Mapping[str, Rule]
    digest: str
    _policies: cedarpy.PolicySet = field(repr=False)
    _schema: cedarpy.Schema = field(repr=False)
    _known: OrderedDict[tuple[str, ...], Ruling] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    @classmethod
    def load(cls, text: str | None = None) -> Access:
        """Check a project's rules, or take the shipped ones, and add the base rules.

        Raises PolicyError that lists each rule and reason.
        """
        own = _shipped(FILE) if text is None else text
        sources = {BASE_FILE: _shipped(BASE_FILE), FILE: own}
        rules = read_rules(sources, asking=False)
        schema = cedarpy.Schema.from_json_str(json.dumps(_schema()))
        _check_types(sources, rules, schema)
        keyed = {"staticPolicies": {rule.id: rule.body for rule in rules.values()}}
        document = json.dumps({**keyed, "templates": {}, "templateLinks": []})
        return cls(rules, digest(sources), cedarpy.PolicySet.from_json_str(document), schema)

    def ask(self, caller: Caller, act: Act, thing: Thing) -> Ruling:
        """Whether the caller may. Never raises for what is asked: an error means no.

        The rules see nothing but what they are given here, and never change: the same question
        has the same answer, which is kept.
        """
        given = (act, json.dumps(_context(caller, act)), json.dumps(_entities(caller, thing)))
        known = self._known.pop(given, None)
        ruling = known or self._evaluate(caller, thing, *given)
        self._known[given] = ruling
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return ruling

    def _evaluate(
        self, caller: Caller, thing: Thing, act: str, context: str, entities: str
    ) -> Ruling:
        try:
            result = cedarpy.is_authorized(
                {
                    "principal": {"type": "Operator", "id": caller.name},
                    "action": {"type": "Action", "id": act},
                    "resource": {"type": thing.kind, "id": thing.id},
                    "context": context,
                },
                self._policies,
                cedarpy.Entities.from_json_str(entities, self._schema),
                self._schema,
            )
            errors = result.diagnostics.errors
            if errors or result.decision is cedarpy.Decision.NoDecision:
                raise ValueError("; ".join(errors) or "Cedar came to no decision")
        except _FAULTS as fault:
            reason = str(fault) or type(fault).__name__
            return Ruling(counts=False, rules=(POLICY_ERROR,), reasons=(reason,))
        decided = tuple(sorted(result.diagnostics.reasons))
        return Ruling(result.allowed, decided or (NO_RULE,))

    def authorize(self, caller: Caller, act: Act, thing: Thing) -> None:
        """Raise NotPermitted, with the rules that decided, unless the caller may."""
        ruling = self.ask(caller, act, thing)
        if not ruling.counts:
            raise NotPermitted(
                f"{caller.name} may not {act} this {thing.kind.lower()}"
                f" ({', '.join(ruling.rules)}).",
                rules=ruling.rules,
                remedy="Ask somebody who holds the role, or change policies/access.cedar.",
            )


def load_access(folder: Path) -> Access:
    """The access rules of a project's policies folder, or the shipped ones; raises PolicyError."""
    path = folder / FILE
    return Access.load(path.read_text(encoding="utf-8") if path.is_file() else None)


async def require(store: Store, access: Access, caller: Caller, act: Act, thing: Thing) -> None:
    """`Access.authorize`, with a refusal recorded."""
    async with recorded(store, caller, act, thing):
        access.authorize(caller, act, thing)


@asynccontextmanager
async def recorded(store: Store, caller: Caller, act: Act, thing: Thing) -> AsyncIterator[None]:
    """Record whatever refusal the body raises: who, what and by which rules, ids only.

    Refused acts become part of the history. Refused reads are a log line: there are many, they
    change nothing, and nobody should be able to fill the history by asking.
    """
    try:
        yield
    except NotPermitted as refusal:
        known: dict[str, str] = {"act": act, "kind": thing.kind, "id": thing.id}
        rules = ",".join(refusal.rules)
        log("access refused", None, operator=caller.name, rules=rules, **known)
        if act != "read":
            body = {**known, "operator": caller.name, "rules": list(refusal.rules)}
            await store.write(
                caller.tenant,
                lambda session: session.events.append("access.refused", thing.run_id, **body),
            )
        raise


def _context(caller: Caller, act: Act) -> dict[str, Any]:
    scopes = {} if caller.scopes is None else {"scopes": sorted(caller.scopes)}
    return {"action": act, **scopes}


def _entities(caller: Caller, thing: Thing) -> list[dict[str, Any]]:
    operator = caller.operator
    attributes = {"name": operator.name, "tenant": operator.tenant, "roles": list(operator.roles)}
    return [
        {
            "uid": {"type": "Operator", "id": operator.name},
            "attrs": attributes,
            "parents": [{"type": "Role", "id": role} for role in operator.roles],
        },
        {
            "uid": {"type": thing.kind, "id": thing.id},
            "attrs": {"tenant": thing.tenant, **thing.attributes},
            "parents": [],
        },
    ]


def _schema() -> dict[str, Any]:
    """The Cedar schema in JSON form."""
    operator = {"name": _STRING, "tenant": _STRING, "roles": _STRINGS}
    kinds = {
        kind: {"shape": {"type": "Record", "attributes": {"tenant": _STRING, **attributes}}}
        for kind, attributes in _KINDS.items()
    }
    people = {
        "Role": {},
        "Operator": {
            "memberOfTypes": ["Role"],
            "shape": {"type": "Record", "attributes": operator},
        },
    }
    context = {"action": _STRING, "scopes": {**_STRINGS, "required": False}}
    actions = {
        act: {
            "appliesTo": {
                "principalTypes": ["Operator"],
                "resourceTypes": list(on),
                "context": {"type": "Record", "attributes": context},
            }
        }
        for act, on in _ON.items()
    }
    return {"": {"entityTypes": {**kinds, **people}, "actions": actions}}


def _shipped(name: str) -> str:
    packaged = importlib.resources.files("agent_runtime.policy").joinpath(name)
    return packaged.read_text(encoding="utf-8")


def _check_types(
    sources: Mapping[str, str], rules: Mapping[str, Rule], schema: cedarpy.Schema
) -> None:
    """Raise PolicyError with each attribute, action or kind that there is not."""
    result = cedarpy.validate_policies("\n".join(sources.values()), schema)
    if result.validation_passed:
        return
    problems = []
    for error in result.errors:
        rule = result.id_annotations_by_policy_id.get(error.policy_id, "")
        file = rules[rule].file if rule in rules else FILE
        words = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        problems.append(f'{file}: rule "{rule}": {words}')
    raise PolicyError("The access rules cannot be used:", tuple(problems))
