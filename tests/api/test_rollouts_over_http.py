"""Rollouts over HTTP: started by whoever may put the same in force, watched, and stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.project import LOW_RISK
from tests.api.served import Served, is_problem, serving

WIDER = LOW_RISK.replace('decimal("100.00")', 'decimal("600.00")')


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of their own: what is tried here decides about everybody's runs."""
    with serving(tmp_path_factory.mktemp("rollouts")) as served:
        yield served


def test_a_policy_is_tried_by_another_owner_who_has_seen_what_it_would_do(office: Served) -> None:
    """The change says what people had answered to just what would run unattended."""
    asked = office.question(office.begin("500.00"))
    office.decide(asked, "lena", "reject", reason="No.")
    petra, paul = office.as_("petra"), office.as_("paul")
    body = {"text": WIDER, "reason": "Less to do."}
    change = petra.post("/v1/policies/ledger/propose", json=body).json()
    shown = change["widening"]
    assert (shown["rules"], shown["unattended"], shown["rejected"]) == (["small-unattended"], 1, 1)
    trial: dict[str, Any] = {"workflow": "ledger", "policy": "ledger", "candidate": change["id"]}
    seen = {**trial, "rehearsal": change["rehearsal"]["digest"], "share": 0.5}
    refused = petra.post("/v1/rollouts", json=seen)
    is_problem(refused, 403, "not_permitted", "access-activator-proposed-it")
    is_problem(paul.post("/v1/rollouts", json=trial), 409, "conflict", "no such rehearsal")
    made = paul.post("/v1/rollouts", json=seen).json()
    assert made["rollout"]["state"] == "running"
    first = made["watched"][0]
    assert (first["candidate"]["share"], first["candidate"]["note"]) == (None, "not enough history")
    is_problem(paul.post("/v1/rollouts", json=seen), 409, "conflict", "is running")
    stopped(office)


def stopped(office: Served) -> None:
    """Its figures are listed, and it is stopped once."""
    paul = office.as_("paul")
    (one,) = paul.get("/v1/rollouts", params={"workflow": "ledger"}).json()["items"]
    path = f"/v1/rollouts/{one['rollout']['id']}"
    assert paul.get(path).json() == one
    ended = paul.post(f"{path}/stop", json={"reason": "Seen enough."}).json()["rollout"]
    assert (ended["state"], ended["ended_by"], ended["why"]) == ("stopped", "paul", "Seen enough.")
    is_problem(paul.post(f"{path}/stop"), 409, "conflict", "stopped already")
    assert paul.get("/v1/rollouts", params={"workflow": "nope"}).json() == {"items": []}


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ({"workflow": "nope", "prompt": "a", "candidate": "b"}, "not_found", "ledger"),
        ({"workflow": "ledger", "prompt": "a", "candidate": "b"}, "invalid_input", "is no prompt"),
        ({"workflow": "ledger", "candidate": "b"}, "invalid_input", "either a prompt or a policy"),
        (
            {"workflow": "ledger", "prompt": "a", "policy": "ledger", "candidate": "b"},
            "invalid_input",
            "either a prompt or a policy",
        ),
        (
            {"workflow": "ledger", "policy": "ledger", "candidate": "chg-none"},
            "not_found",
            "chg-none",
        ),
        (
            {"workflow": "ledger", "prompt": "a", "candidate": "b", "share": 1},
            "invalid_input",
            "share",
        ),
    ],
)
def test_what_cannot_be_tried_is_told(
    office: Served, body: dict[str, Any], code: str, told: str
) -> None:
    answer = office.as_("petra").post("/v1/rollouts", json=body)
    is_problem(answer, answer.status_code, code, told)


def test_a_run_is_graded_by_what_its_workflow_declares(office: Served) -> None:
    """And by nothing else; one that has not ended is a conflict."""
    lena = office.as_("lena")
    run = office.begin("500.00")
    is_problem(lena.post(f"/v1/runs/{run['id']}/grades"), 409, "conflict", "has not ended")
    office.decide(office.question(run), "lena", "reject", reason="No.")
    office.reached(run, "rejected")
    grades = lena.post(f"/v1/runs/{run['id']}/grades").json()["items"]
    assert [one["grader"] for one in grades] == ["broken", "paid"]
