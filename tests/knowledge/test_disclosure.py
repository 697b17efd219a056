"""Who is shown a run's input as it came in, and what everybody else is shown of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.access import Caller
from agent_runtime.disclosure import disclosed, disclosed_documents
from agent_runtime.evidence import Document
from agent_runtime.run import Run
from agent_runtime.trigger import Trigger
from agent_runtime.verdict import Operator
from tests.knowledge.mailroom import Post, mailroom
from tests.office import NOON

APP = mailroom(Post())
INPUT = {"case": "c1", "message": "Write to mia@example.com.", "sender": "mia@example.com"}
RUN = Run(
    id="run-1",
    tenant="default",
    workflow="mailroom",
    version="1",
    state="paused",
    input=INPUT,
    trigger=Trigger(kind="request", owner="desk"),
    epoch=1,
    created_at=NOON,
    updated_at=NOON + timedelta(minutes=1),
)
HIDDEN = {"case": "c1", "message": "Write to [email]."}


def caller(name: str, *roles: str, tenant: str = "default") -> Caller:
    return Caller(Operator(name=name, roles=roles, tenant=tenant))


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        (caller("desk", "starter"), INPUT),
        (caller("other", "starter"), HIDDEN),
        (caller("ona", "on_call"), INPUT),
        (caller("ona", "on_call", tenant="other"), HIDDEN),
        (caller("ada", "administrator"), INPUT),
        (caller("lena", "lead"), HIDDEN),
        (caller("paul", "policy_owner"), HIDDEN),
        (caller("nobody"), HIDDEN),
    ],
    ids=lambda one: f"{one.tenant}-{one.name}" if isinstance(one, Caller) else "",
)
def test_who_handed_it_in_or_may_correct_it_sees_it(who: Caller, shown: dict[str, str]) -> None:
    """Others see what all steps may; so of what came along."""
    assert disclosed(APP, who, RUN).input == shown
    (text,) = disclosed_documents(APP, who, RUN, [Document(source="a", text=INPUT["message"])])
    assert text.text == shown["message"]


def test_of_a_workflow_that_is_not_known_all_that_patterns_find_is_hidden() -> None:
    """Nobody can tell any more what its steps might see."""
    gone = RUN.model_copy(update={"workflow": "gone"})
    shown = disclosed(APP, caller("lena", "lead"), gone).input
    assert shown == {**INPUT, "message": "Write to [email].", "sender": "[email]"}
