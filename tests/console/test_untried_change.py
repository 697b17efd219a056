"""A change that nobody could rehearse: put in force only by who says that they know, anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from playwright.async_api import expect

from tests.api.project import LOW_RISK
from tests.api.served import Served, is_problem, serving
from tests.cli.conftest import Say, own_packages, say
from tests.console.conftest import SignIn

__all__ = ["own_packages", "say"]

UNTRIED = "There is no decision to rehearse it on yet."
PEOPLE = """
[operators.petra]
roles = ["policy_owner"]
tenant = "default"
[operators.paul]
roles = ["policy_owner"]
tenant = "default"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One on which nothing was ever decided."""
    with serving(tmp_path_factory.mktemp("untried")) as served:
        (served.folder / "operators.toml").write_text(PEOPLE)
        yield served


numbers = count()


def proposed(server: Served) -> dict[str, Any]:
    """A change, by petra; no two are alike."""
    body = {"text": f"{LOW_RISK}// {next(numbers)}\n", "reason": "To begin with."}
    made = server.as_("petra").post("/v1/policies/ledger/propose", json=body).json()
    assert (made["rehearsal"], made["untried"]) == (None, UNTRIED)
    return dict(made)


def stored(server: Served, change: dict[str, Any]) -> dict[str, Any]:
    found = server.as_("paul").get("/v1/policies/changes").json()["items"]
    return next(one for one in found if one["id"] == change["id"])


def test_over_http_its_own_report_is_named(server: Served) -> None:
    """Neither nothing nor another change's; what was acknowledged stands in the history."""
    other, change = proposed(server), proposed(server)
    path, paul = f"/v1/policies/changes/{change['id']}/activate", server.as_("paul")
    for said in (None, {}, {"rehearsal": ""}, {"rehearsal": other["report"]}):
        answer = paul.post(path, json=said)
        is_problem(answer, 409, "conflict", "was not rehearsed", UNTRIED, change["report"])
    assert paul.post(path, json={"rehearsal": change["report"]}).json()["seen"] == change["report"]
    events = server.read()["events"]
    (told,) = [e.body for e in events if e.type == "policy.activated" and e.body["by"] == "paul"]
    assert (told["rehearsal"], told["untried"]) == (change["report"], UNTRIED)


def test_nor_is_it_tried_on_a_share_of_runs_unknowingly(server: Served) -> None:
    trial = {"workflow": "ledger", "policy": "ledger", "candidate": proposed(server)["id"]}
    answer = server.as_("paul").post("/v1/rollouts", json=trial)
    is_problem(answer, 409, "conflict", "was not rehearsed")


async def test_in_the_console_a_box_is_ticked(sign_in: SignIn, server: Served) -> None:
    """Without it, the page sends nothing; then it says who knew, and the audit says what."""
    change = proposed(server)
    visit = await sign_in("paul", server=server, java_script_enabled=False)
    page = await visit.open("/policies")
    waiting = page.locator(f"article#{change['id']}")
    await waiting.get_by_role("button", name="Put in force").click()
    assert stored(server, change)["state"] == "proposed"
    await waiting.get_by_label("I know that nobody has tried").first.check()
    await waiting.get_by_role("button", name="Put in force").click()
    await expect(waiting).to_contain_text(f"{UNTRIED} paul put it in force knowing that.")
    assert stored(server, change)["seen"] == change["report"]
    await visit.open("/audit?what=administration")
    assert UNTRIED in await visit.text("main")


@pytest.mark.usefixtures("own_packages")
@pytest.mark.parametrize("where", ["here", "there"])
def test_on_the_command_line_it_is_said(
    server: Served, say: Say, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """On the data folder and with --url: proposed, listed, refused, put in force."""
    place = ("--app", str(server.folder))

    def policies(who: str, *words: str) -> Any:
        monkeypatch.setenv("AGENT_RUNTIME_TOKEN", server.token(who))
        far = ("--url", server.url)
        return say("policies", *words, *(("--as", who, *place) if where == "here" else far))

    text = server.folder / "other.cedar"
    text.write_text(f"{LOW_RISK}// {next(numbers)}\n")
    words = ("propose", "ledger", "--reason", "To begin with.", "--file", str(text))
    policies("paul", "propose", "ledger", "--reason", "x", "--file", "nope").fails(2, "--file")
    made = policies("petra", *words, "--json").json
    listed = policies("paul", "changes").out
    assert f"change {made['id']} of ledger: proposed; by petra" in listed
    assert f"not rehearsed: {UNTRIED}" in listed
    named = ("activate", made["id"], "--rehearsal", made["report"])
    policies("petra", *named).fails(3, "access-activator-proposed-it")
    policies("paul", *named[:2]).fails(4, "was not rehearsed", made["report"])
    assert f"knowing that it was not rehearsed: {UNTRIED}" in policies("paul", *named).out
    assert stored(server, made)["state"] == "active"
