"""Access: one function says who may do what; the shipped rules, and a project's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_runtime.access import (
    ACTS,
    FILE,
    Access,
    Act,
    Caller,
    Thing,
    a_policy,
    a_tenant,
    a_workflow,
    load_access,
)
from agent_runtime.errors import NotPermitted, PolicyError
from agent_runtime.verdict import Operator

RUN = Thing("Run", "run-1", "default", {"workflow": "pay", "started_by": "desk"}, "run-1")
ASKED = Thing(
    "Approval", "apr-1", "default", {"workflow": "pay", "started_by": "desk", "roles": ["lead"]}
)
TENANT = a_tenant("default")
WORKFLOW = a_workflow("pay", "default")
POLICY = a_policy("pay", "default")
CHANGE = a_policy("pay", "default", "petra")
TOKEN = Thing("Token", "tok-1", "default", {"operator": "desk"})

MAY: tuple[tuple[str, str, set[Act], Thing], ...] = (
    ("desk", "starter", {"start", "read"}, WORKFLOW),
    ("desk", "starter", {"read", "comment"}, RUN),
    ("other", "starter", set(), RUN),
    ("desk", "starter", set(), TENANT),
    ("lena", "lead", {"read"}, WORKFLOW),
    ("lena", "lead", {"read", "cancel", "comment"}, RUN),
    ("lena", "lead", {"read", "claim", "decide", "comment"}, ASKED),
    ("desk", "lead", {"read", "comment"}, ASKED),
    ("lena", "lead", {"read"}, TENANT),
    ("ona", "on_call", {"read", "cancel", "resume", "settle", "comment"}, RUN),
    ("petra", "policy_owner", {"read", "propose", "activate"}, POLICY),
    ("petra", "policy_owner", {"read", "propose"}, CHANGE),
    ("paul", "policy_owner", {"read", "propose", "activate"}, CHANGE),
    ("ada", "administrator", {"read", "cancel", "resume", "settle", "comment"}, RUN),
    ("ada", "administrator", {"read", "administer"}, TOKEN),
    ("ada", "administrator", {"read", "administer"}, TENANT),
    ("ada", "administrator", {"read"}, POLICY),
    ("nobody", "", set(), RUN),
    ("nobody", "", set(), TENANT),
)


@pytest.fixture(scope="module")
def shipped() -> Access:
    return Access.load()


def caller(name: str, *roles: str, **more: object) -> Caller:
    held = tuple(role for role in roles if role)
    return Caller(Operator(name=name, roles=held), **more)  # type: ignore[arg-type]  # named by the test


def allowed(access: Access, who: Caller, thing: Thing) -> set[Act]:
    return {act for act in ACTS if access.ask(who, act, thing).counts}


@pytest.mark.parametrize(("name", "role", "acts", "thing"), MAY)
def test_who_may_do_what_by_default(
    shipped: Access, name: str, role: str, acts: set[Act], thing: Thing
) -> None:
    """Exactly these acts on that thing, and none beside."""
    assert allowed(shipped, caller(name, role), thing) == acts


def test_a_token_narrows_and_never_widens(shipped: Access) -> None:
    """Of a lead's rights only what the token is for; of rights that a lead has not, none."""
    assert allowed(shipped, caller("lena", "lead", scopes=frozenset({"read"})), ASKED) == {"read"}
    assert allowed(shipped, caller("lena", "lead", scopes=frozenset({"settle"})), RUN) == set()
    assert allowed(shipped, caller("ada", "administrator", scopes=frozenset()), TENANT) == set()


def test_another_tenant_is_out_of_reach(shipped: Access) -> None:
    """Whatever the roles: the second lock behind the store's."""
    roles = ("administrator", "on_call", "lead", "policy_owner", "starter")
    for thing in (RUN, ASKED, TENANT, WORKFLOW, POLICY, TOKEN):
        foreign = Thing(thing.kind, thing.id, "other", thing.attributes)
        assert allowed(shipped, caller("ada", *roles), foreign) == set()


def test_what_no_rule_permits_is_refused(shipped: Access) -> None:
    """With the rule that says so, and a way on."""
    with pytest.raises(NotPermitted) as caught:
        shipped.authorize(caller("lena", "lead"), "settle", RUN)
    assert caught.value.rules == ("runtime:no-rule",)
    assert "access.cedar" in caught.value.remedy


def test_an_error_is_a_no(shipped: Access) -> None:
    """A thing that lacks what a rule reads, or of a kind that there is not."""
    for thing in (Thing("Run", "r", "default"), Thing("Nonsense", "n", "default")):
        ruling = shipped.ask(caller("ada", "administrator"), "read", thing)
        assert (ruling.counts, ruling.rules) == (False, ("runtime:policy-error",))


def test_names_cannot_break_out_of_a_question(shipped: Access) -> None:
    """They are data, never policy text."""
    for name in ('x" || true', 'Role::"administrator"', "\\", "ü\n"):
        assert allowed(shipped, caller(name, name), TOKEN) == {"read"}


OWN = '@id("only-mara") permit (principal == Operator::"mara", action, resource);'


def test_a_projects_own_rules_take_the_shipped_ones_place(tmp_path: Path) -> None:
    """The base rules stay: they only forbid."""
    (tmp_path / FILE).write_text(OWN)
    own = load_access(tmp_path)
    assert allowed(own, caller("lena", "lead"), RUN) == set()
    assert allowed(own, caller("mara"), RUN) == {
        "read", "cancel", "resume", "settle", "comment"
    }  # fmt: skip
    assert allowed(own, caller("mara"), Thing("Run", "r", "other", RUN.attributes)) == set()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('permit (principal, action == Action::"read", resource);', "has no @id"),
        (OWN.replace("mara", "x").replace("action,", 'action == Action::"fly",'), "fly"),
        (OWN.replace(";", " when { resource.colour == 1 };"), "colour"),
        ("permit (", "access.cedar"),
        (OWN + OWN, "is also in"),
        (OWN.replace("only-mara", "access-of-another-tenant"), "is also in access_base.cedar"),
        ('@deadline("1h") ' + OWN, "belong to permit rules of a request"),
    ],
)
def test_rules_that_cannot_be_used_are_named(text: str, problem: str) -> None:
    """When they are loaded, not when somebody asks."""
    with pytest.raises(PolicyError) as caught:
        Access.load(text)
    assert problem in str(caught.value)
