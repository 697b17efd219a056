"""The page of a visit tells by which rules it was judged, also where they were only tried."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.api.project import LOW_RISK
from tests.api.served import Served, serving_project
from tests.console.browser import COOKIE, cookie_of
from tests.console.project import write_project

WIDER = LOW_RISK.replace('decimal("100.00")', 'decimal("150.00")')
TRIED = "They are of a policy that is or was tried"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One of their own: what is tried here decides about everybody's runs."""
    with serving_project(write_project, tmp_path_factory.mktemp("tried")) as served:
        yield served


@pytest.fixture
def rollout(server: Served) -> str:
    """A policy that half of the new runs are judged by; the rollout's id."""
    change = server.as_("petra").post(
        "/v1/policies/ledger/propose", json={"text": WIDER, "reason": "Less to do."}
    )
    found = change.json()
    trial = {"workflow": "ledger", "policy": "ledger", "candidate": found["id"]}
    trial["rehearsal"] = found["report"]
    made = server.as_("paul").post("/v1/rollouts", json={**trial, "share": 0.5})
    return str(made.json()["rollout"]["id"])


def ended(server: Served, state: str) -> str:
    """A run about 120.00 that has come to this: the candidate lets it run, the other asks."""
    made = (server.begin("120.00") for _ in range(60))  # half of them draw it
    return next(str(run["id"]) for run in made if run["state"] == state)


def test_a_visit_shows_the_rules_that_judged_it(server: Served, rollout: str) -> None:
    """The candidate's own limit, also once it is tried no more; of other runs, the pinned one."""
    runs = {state: ended(server, state) for state in ("completed", "paused")}
    server.as_("paul").post(f"/v1/rollouts/{rollout}/stop", json={"reason": "Seen enough."})
    cookies = {COOKIE: cookie_of(server, server.token("lena"))}
    with httpx.Client(base_url=server.url, cookies=cookies, trust_env=False, timeout=30) as http:
        tried, plain = (
            http.get(f"/runs/{runs[state]}/steps/pay_out/1/policy").text
            for state in ("completed", "paused")
        )
    assert "decimal(&#34;150.00&#34;)" in tried
    assert TRIED in tried
    assert f"/rollouts#{rollout}" in tried
    assert "150.00" not in plain
    assert TRIED not in plain
    assert "ask-lead" in plain
