"""Policies over HTTP: explained, and changed by two people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.store import Session, Store
from tests.api.project import LOW_RISK
from tests.api.served import Served, is_problem, serving
from tests.patience import awaited

CASE: dict[str, Any] = {
    "tool": "pay",
    "input": {"account": "a1", "amount": "500.00"},
    "facts": {"owner": "mara", "amount": "500", "status": "open", "version": 1, "paid": "0"},
    "run": {"subject": "mara"},
}

STRICT = LOW_RISK.replace('decimal("1000.00")', 'decimal("400.00")')


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of their own: changing policies changes everybody's."""
    with serving(tmp_path_factory.mktemp("policies")) as served:
        yield served


@pytest.fixture(scope="module")
def apart(office: Served) -> Iterator[Served]:
    """Another process on the same data, which drives nothing."""
    server = Served(office.folder, office.env)
    try:
        server.start("--no-worker")
        yield server
    finally:
        server.close()


def test_what_would_happen(server: Served) -> None:
    """The verdict with its rules, and whether somebody's yes would count. Nothing happens."""
    lena, before = server.as_("lena"), len(server.read()["runs"])
    body = {**CASE, "operator": "luis", "roles": ["lead"]}
    answer = lena.post("/v1/policies/ledger/explain", json=body).json()
    assert answer["verdict"]["kind"] == "needs_approval"
    assert (answer["verdict"]["rules"], answer["counts"]) == (["ask-lead"], True)
    small = {**CASE, "facts": {**CASE["facts"], "amount": "5"}}
    answer = lena.post("/v1/policies/ledger/explain", json=small).json()
    assert (answer["verdict"]["kind"], answer["counts"]) == ("allow", None)
    assert len(server.read()["runs"]) == before


def test_a_case_that_fits_no_tool_is_named(server: Served) -> None:
    """Its field, as with every other input."""
    lena = server.as_("lena")
    wrong = {**CASE, "facts": {**CASE["facts"], "status": "odd"}}
    is_problem(lena.post("/v1/policies/ledger/explain", json=wrong), 422, "invalid_input", "status")
    is_problem(
        lena.post("/v1/policies/ledger/explain", json={**CASE, "tool": "x"}), 404, "not_found"
    )
    is_problem(lena.post("/v1/policies/nope/explain", json=CASE), 404, "not_found", "ledger")


def test_the_files_can_be_checked(server: Served) -> None:
    """As on the command line."""
    report = server.as_("lena").post("/v1/policies/check").json()
    assert (report["problems"], report["files"]) == ([], ["ledger.cedar"])


def test_a_change_takes_two(office: Served) -> None:
    """Proposed by one owner, in force by another; then open questions are asked anew."""
    asked = office.question(office.begin("500.00"))
    petra, paul = office.as_("petra"), office.as_("paul")
    body = {"text": STRICT, "reason": "Too many small ones went wrong."}
    change = petra.post("/v1/policies/ledger/propose", json=body).json()
    assert change["difference"]["changed"] == ["ask-finance", "ask-lead", "lead-may-approve"]
    assert office.question({"id": asked["run_id"]})["id"] == asked["id"]
    path = f"/v1/policies/changes/{change['id']}/activate"
    is_problem(petra.post(path), 403, "not_permitted", "access-activator-proposed-it")
    is_problem(paul.post(path), 409, "conflict", "names no such rehearsal")
    seen = {"rehearsal": change["rehearsal"]["digest"]}
    assert paul.post(path, json=seen).json()["activated_by"] == "paul"
    again = office.question({"id": asked["run_id"]})
    assert [slot["role"] for slot in again["slots"]] == ["finance"]
    is_problem(paul.post(path, json=seen), 409, "conflict", "active already")


def proposed(office: Served, text: str) -> tuple[str, str]:
    """A change that waits: its path, and the digest of its rehearsal."""
    body = {"text": text, "reason": "To be looked at."}
    made = office.as_("petra").post("/v1/policies/ledger/propose", json=body).json()
    return f"/v1/policies/changes/{made['id']}/activate", made["rehearsal"]["digest"]


def test_only_the_digest_of_its_own_rehearsal_puts_a_change_in_force(office: Served) -> None:
    """Neither any word, nor that of another policy, nor of the same one on an older range."""
    office.begin("20.00")
    path, older = proposed(office, STRICT + "// looked at\n")
    _, others = proposed(office, STRICT + "// something else\n")
    office.begin("30.00")
    path, own = proposed(office, STRICT + "// looked at\n")
    paul = office.as_("paul")
    for seen in ("sha256:" + "0" * 64, "", others, older):
        answer = paul.post(path, json={"rehearsal": seen})
        is_problem(answer, 409, "conflict", "names no such rehearsal", own)
    assert paul.post(path, json={"rehearsal": own}).status_code == 200


def test_a_change_survives_a_restart_and_the_files_do_not_count(office: Served) -> None:
    """What was put in force decides, whatever the project's folder says."""
    before = office.as_("lena").get("/v1/policies/ledger").json()["digest"]
    office.stop()
    (office.folder / "policies/ledger.cedar").write_text(LOW_RISK.replace("100.00", "99999.00"))
    office.start()
    assert office.as_("lena").get("/v1/policies/ledger").json()["digest"] == before
    change = office.as_("petra").post("/v1/policies/ledger/propose", json={"reason": "File."})
    assert change.json()["before"] == before


def test_a_change_of_something_else_meanwhile_is_refused(office: Served) -> None:
    """What was looked at has to be what putting it in force would do."""
    petra, paul = office.as_("petra"), office.as_("paul")
    texts = (STRICT + "// one\n", STRICT + "// two\n")
    made = [
        petra.post("/v1/policies/ledger/propose", json={"text": text, "reason": "."}).json()
        for text in texts
    ]
    first, second = (
        paul.post(
            f"/v1/policies/changes/{one['id']}/activate",
            json={"rehearsal": one["report"]},
        )
        for one in made
    )
    assert first.status_code == 200
    is_problem(second, 409, "conflict", "withdrawn already")


def test_a_policy_that_cannot_be_used_is_not_proposed(server: Served) -> None:
    """With each rule and reason."""
    petra = server.as_("petra")
    body = {"text": LOW_RISK.replace("facts.amount", "facts.amuont"), "reason": "."}
    answer = petra.post("/v1/policies/ledger/propose", json=body)
    is_problem(answer, 422, "policy_error", "amuont", "small-unattended")


def put_in_force(where: Served, text: str) -> str:
    """Propose and activate a policy on one server; its digest."""
    body = {"text": text, "reason": "To see who follows."}
    change = where.as_("petra").post("/v1/policies/ledger/propose", json=body).json()
    path = f"/v1/policies/changes/{change['id']}/activate"
    answer = where.as_("paul").post(path, json={"rehearsal": change["report"]})
    assert answer.status_code == 200, answer.text
    return str(change["digest"])


def follow(where: Served, digest: str) -> None:
    """Wait until that policy is in force on a server."""
    lena = where.as_("lena")
    awaited(lambda: lena.get("/v1/policies/ledger").json()["digest"], lambda now: now == digest)


def limited(most: str) -> str:
    """A lead's yes counts up to this amount, and finance is asked above it."""
    return LOW_RISK.replace('decimal("1000.00")', f'decimal("{most}")')


def rules(answer: Any) -> list[str]:
    """The rules that a judgement names."""
    told: dict[str, Any] = answer.json()
    return list(told.get("verdict", told.get("approval", {}))["rules"])


def test_a_server_without_a_worker_follows(office: Served, apart: Served) -> None:
    """What it explains, what an edit leads to and whose yes counts: all by the newer policy."""
    follow(apart, put_in_force(office, limited("900.00")))
    asked, lena = office.question(office.begin("500.00")), apart.as_("lena")
    assert rules(lena.post("/v1/policies/ledger/explain", json=CASE)) == ["ask-lead"]
    follow(apart, put_in_force(office, limited("400.50")))
    assert rules(lena.post("/v1/policies/ledger/explain", json=CASE)) == ["ask-finance"]
    again = apart.question({"id": asked["run_id"]})
    edit = {"arguments": {"note": "by hand"}}
    tried = lena.post(f"/v1/approvals/{again['id']}/try-edit", json=edit)
    assert (rules(tried), tried.json()["counts"]) == (["ask-finance"], False)
    is_problem(apart.decide(again, "lena"), 403, "not_permitted")


def test_others_are_answered_while_a_change_is_rehearsed(office: Served) -> None:
    """Whoever asks whether the server lives hears it, again and again, before the report."""
    decide_like_the_last(office, 600)
    probe, lives = office.client(None), 0
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(proposed, office, STRICT + "// at length\n")
        while not asked.done():
            assert probe.get("/livez").status_code == 200
            lives += 1
        asked.result()
    probe.close()
    assert lives > 10


def decide_like_the_last(office: Served, times: int) -> None:
    """More decisions, each as the last one was."""
    store = Store(office.data / "runtime.db", SystemClock())

    def repeat(session: Session) -> None:
        (last,) = session.events.judged(None, 1)
        for _ in range(times):
            session.events.append("gate.judged", last.run_id, **(last.body or {}))

    try:
        asyncio.run(store.write("default", repeat))
    finally:
        store.close()


def test_and_is_followed(office: Served, apart: Served) -> None:
    """Whoever activates: also a process that drives nothing."""
    follow(office, put_in_force(apart, limited("800.00")))
    asked = office.question(office.begin("700.00"))
    assert apart.decide(asked, "lena").json()["status"] == "approved"
