"""What goes wrong elsewhere, shown over HTTP against a server process: here it does not.

The numbers are those of the list of complaints that this project was measured by.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from agent_runtime.store.database import connect
from tests.api.served import DONE, PAUSED, Served, hasten, is_problem
from tests.patience import PATIENCE, awaited

APPROVE_OR_NOT = ("approve", "reject")


def path(asked: dict[str, Any], verb: str = "") -> str:
    return f"/v1/approvals/{asked['id']}{verb and '/'}{verb}"


def status(server: Served, asked: dict[str, Any]) -> str:
    return str(server.as_("lena").get(path(asked)).json()["status"])


def payouts(server: Served, run: dict[str, Any]) -> int:
    """How often the bank really paid for a run's calls."""
    calls = server.as_("lena").get(f"/v1/runs/{run['id']}/journal").json()["items"]
    keys = {call["key"] for call in calls}
    return sum(key in keys for key, _ in server.bank.payouts)


def asked_again(server: Served, asked: dict[str, Any]) -> dict[str, Any]:
    """The next question of the same run."""

    def look() -> list[dict[str, Any]]:
        query = {"run": asked["run_id"]}
        items = server.as_("lena").get("/v1/approvals", params=query).json()["items"]
        return [found for found in items if found["id"] != asked["id"]]

    return awaited(look)[0]


def test_01_new_input_leaves_the_pending_question_alone(server: Served) -> None:
    """The same key with another input is refused; with the same input it is the same run."""
    body = {
        "workflow": "ledger",
        "input": {"account": server.account("500.00")},
        "key": f"{uuid4()}",
    }
    desk = server.as_("desk")
    run = desk.post("/v1/runs", json=body, params=PAUSED).json()
    asked = server.question(run)
    other = {**body, "input": {"account": server.account("501.00")}}
    is_problem(desk.post("/v1/runs", json=other), 409, "conflict", run["id"])
    assert desk.post("/v1/runs", json=body, params=PAUSED).json()["id"] == run["id"]
    assert server.question(run) == asked


def test_02_the_second_of_two_answers_hears_whose_came_first(server: Served) -> None:
    """Yes and no at once, again and again: one 200, one 409, and what is stored is the 200's."""
    for _ in range(5):
        asked = server.question(server.begin("500.00"))
        barrier = threading.Barrier(2)

        def answer(
            who: str, kind: str, asked: dict[str, Any] = asked, barrier: threading.Barrier = barrier
        ) -> httpx.Response:
            with server.client(server.token(who)) as client:
                body = {"kind": kind, "digest": asked["digest"], "reason": "Mine."}
                barrier.wait(PATIENCE)
                return client.post(path(asked, "decide"), json=body)

        with ThreadPoolExecutor(2) as pool:
            said = list(pool.map(answer, ("lena", "luis"), APPROVE_OR_NOT))
        assert sorted(one.status_code for one in said) == [200, 409]
        won = 0 if said[0].status_code == 200 else 1
        assert is_problem(said[1 - won], 409, "already_decided")["by"] == ("lena", "luis")[won]
        assert status(server, asked) == ("approved", "rejected")[won]


def test_03_an_answer_counts_for_its_own_question_alone(server: Served) -> None:
    """An unknown id is not found; one that was answered doesn't answer what came after it."""
    asked = server.question(server.begin("500.00"))
    is_problem(server.decide({**asked, "id": "apr-nope"}, "lena"), 404, "not_found")
    server.decide(asked, "lena", "respond", reason="Which account is it?")
    later = asked_again(server, asked)
    is_problem(server.decide(asked, "lena"), 409, "already_decided")
    is_problem(server.decide({**later, "digest": asked["digest"]}, "lena"), 409, "stale_question")
    assert status(server, later) == "open"


def test_04_a_yes_to_one_amount_is_none_to_another(server: Served) -> None:
    """The record changes between the yes and the act: nothing is paid, and it is asked anew.

    What people say about the question is no part of what they approve.
    """
    run = server.begin("500.00")
    asked = server.question(run)
    server.as_("luis").post(path(asked, "comments"), json={"text": "Looks fine."})
    held = server.decide(asked, "lena", hold_seconds=600)
    assert held.json()["digest"] == asked["digest"]
    server.bank.put(asked["action"]["target_id"], amount="600.00")
    hasten(server, [asked], 0, "effective_at")
    later = asked_again(server, asked)
    assert (later["amount"], later["digest"] == asked["digest"]) == ("600.00", False)
    assert payouts(server, run) == 0


def test_05_the_record_names_who_was_authenticated(server: Served) -> None:
    """No field of a request says who it was; whose part was handed on answers no more."""
    asked = server.question(server.begin("500.00"))
    body = {"kind": "approve", "digest": asked["digest"], "operator": "ada"}
    is_problem(server.as_("lena").post(path(asked, "decide"), json=body), 422, "invalid_input")
    server.as_("lena").post(path(asked, "delegate"), json={"to": "luis"})
    is_problem(server.decide(asked, "lena"), 403, "not_permitted")
    (decision,) = server.decide(asked, "luis").json()["decisions"]
    assert (decision["operator"], decision["roles"]) == ("luis", ["lead"])
    assert decision["channel"].startswith("api:tok-")


@pytest.mark.parametrize("door", ["approve", "edit", "reject", "respond", "bulk", "delegate"])
def test_06_nobody_decides_about_their_own_run_by_any_door(server: Served, door: str) -> None:
    """The same rule refuses at each of them, and the question stays open."""
    asked = server.question(server.begin("500.00", by="both"))
    both = server.as_("both")
    if door == "bulk":
        preview = server.as_("lena").post("/v1/bulk-decisions/preview", json={"ids": [asked["id"]]})
        body = {"ids": [asked["id"]], "preview": preview.json()["digest"], "kind": "approve"}
        answer = both.post("/v1/bulk-decisions", json=body)
    elif door == "delegate":
        answer = both.post(path(asked, "delegate"), json={"to": "luis"})
    else:
        more = {"arguments": {"note": "x"}} if door == "edit" else {}
        answer = server.decide(asked, "both", door, **more)
    is_problem(answer, 403, "not_permitted", "access-decider-started-it")
    assert status(server, asked) == "open"


@pytest.mark.parametrize("outage", ["silent", "crash"])
def test_07_no_facts_means_no(server: Served, outage: str) -> None:
    """A reader that fails lets nothing through, and nothing of its text comes out."""
    account = server.account("50.00")
    server.bank.put(account, outage=outage)
    body = {"workflow": "ledger", "input": {"account": account}}
    answer = server.as_("desk").post("/v1/runs", json=body, params=DONE)
    run = answer.json()
    assert run["state"] == "rejected"
    assert run["reason"].startswith("runtime:facts-unavailable;")
    asked = server.as_("lena").get("/v1/approvals", params={"run": run["id"], "status": "open"})
    assert asked.json()["items"] == []
    assert payouts(server, run) == 0
    assert "secret detail" not in answer.text


def test_07_a_later_look_only_tightens(server: Served) -> None:
    """The account is frozen after it was asked: yes is refused or does nothing."""
    run = server.begin("500.00")
    asked = server.question(run)
    server.bank.put(asked["action"]["target_id"], status="held")
    server.decide(asked, "lena", wait="done")
    time.sleep(0.3)
    assert payouts(server, run) == 0


def test_08_an_effect_happens_once_however_often_its_run_goes_on(server: Served) -> None:
    """Three pauses, three resumes, an answer sent twice: one call, one payout."""
    run = server.begin("500.00")
    asked = server.question(run)
    for words in ("Which account?", "And since when?"):
        server.decide(asked, "lena", "respond", reason=words)
        asked = asked_again(server, asked)
    key = {"idempotency-key": f"{uuid4()}"}
    body = {"kind": "approve", "digest": asked["digest"]}
    first, second = (
        server.as_("lena").post(path(asked, "decide"), json=body, headers=key) for _ in range(2)
    )
    assert (first.status_code, second.json()) == (200, first.json())
    server.reached(run, "completed")
    assert payouts(server, run) == 1


def test_09_what_was_rejected_is_not_proposed_again(server: Served) -> None:
    """A no needs its reason; the model insists, and nobody is asked a second time."""
    body = {"workflow": "stubborn", "input": {"account": server.account("500.00")}}
    run = server.as_("desk").post("/v1/runs", json=body, params=PAUSED).json()
    asked = server.question(run)
    refused = server.decide(asked, "lena", "reject", reason="")
    is_problem(refused, 422, "invalid_input", "reason")
    assert server.decide(asked, "lena", "reject").status_code == 200
    assert server.reached(run, "rejected")
    query = {"run": run["id"], "status": ["open", "rejected", "approved", "withdrawn"]}
    items = server.as_("lena").get("/v1/approvals", params=query).json()["items"]
    assert [one["id"] for one in items] == [asked["id"]]
    events = server.as_("lena").get("/v1/events", params={"run": run["id"], "limit": 200}).json()
    judged = [e["body"]["verdict"] for e in events["items"] if e["type"] == "gate.judged"]
    assert judged[-1]["rules"] == ["runtime:rejected-before"]


def test_10_an_edit_is_three_records(server: Served) -> None:
    """What was proposed, what was decided, what was done: all three are there afterwards."""
    run = server.begin("500.00")
    asked = server.question(run)
    edited = server.decide(asked, "lena", "edit", arguments={"note": "by hand"}).json()
    server.reached(run, "completed")
    lena = server.as_("lena")
    before = lena.get(path(asked)).json()
    assert (before["status"], before["replaced_by"]) == ("edited", edited["id"])
    assert before["action"]["arguments"]["note"] == "payout"
    assert before["decisions"][0]["arguments"] == {"note": "by hand"}
    (call,) = lena.get(f"/v1/runs/{run['id']}/journal").json()["items"]
    assert edited["action"]["arguments"]["note"] == "by hand"
    assert (call["state"], call["action_digest"]) == ("executed", edited["action_digest"])


def test_13_another_programs_lock_is_waited_for(server: Served) -> None:
    """Somebody holds the file for a while: reads go on, writes wait, nobody sees an error."""
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(connect(server.data / "runtime.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            locked.set()
            free.wait(PATIENCE)
            other.execute("ROLLBACK")

    def start() -> int:
        with server.client(token) as client:
            body = {"workflow": "ledger", "input": {"account": "a1"}}
            return client.post("/v1/runs", json=body).status_code

    token = server.token("desk")
    with ThreadPoolExecutor(9) as pool:
        holding = pool.submit(hold)
        assert locked.wait(PATIENCE)
        starting = [pool.submit(start) for _ in range(8)]
        assert server.as_("lena").get("/v1/runs").status_code == 200
        time.sleep(0.5)
        assert not any(one.done() for one in starting)
        free.set()
        assert [one.result(PATIENCE) for one in starting] == [202] * 8
        holding.result(PATIENCE)


def test_15_silence_is_never_a_yes(server: Served) -> None:
    """The deadline passes: it is expired, nothing is paid, and a late yes is told so."""
    run = server.begin("500.00")
    asked = server.question(run)
    hasten(server, [asked], 0.3)
    server.reached(run, "expired")
    assert status(server, asked) == "expired"
    late = is_problem(server.decide(asked, "lena"), 409, "already_decided")
    assert late["by"] == "its deadline"
    assert payouts(server, run) == 0


def test_a_yes_at_the_deadline_has_one_outcome(server: Served) -> None:
    """From just before to just after: told yes and paid once, or told no and never paid."""
    runs = [server.begin("500.00") for _ in range(12)]
    questions = [server.question(run) for run in runs]
    token = server.token("lena")
    deadline = hasten(server, questions, 1.5)

    def answer(number: int) -> int:
        asked = questions[number]
        moment = deadline + timedelta(milliseconds=8 * number - 60)
        with server.client(token) as client:
            client.get("/livez")  # connected before the moment comes
            time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
            body = {"kind": "approve", "digest": asked["digest"]}
            return client.post(path(asked, "decide"), json=body).status_code

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(answer, range(12)))
    assert set(told) <= {200, 409}
    for run, asked, code in zip(runs, questions, told, strict=True):
        ended = server.reached(run, "completed" if code == 200 else "expired")
        assert status(server, asked) == ("approved" if code == 200 else "expired")
        assert payouts(server, ended) == (1 if code == 200 else 0)


def test_17_waiting_costs_no_worker(server: Served) -> None:
    """More runs wait for people than there are workers, and one that need not goes through."""
    waiting = [server.begin("500.00") for _ in range(8)]
    done = server.begin("20.00", wait="done")
    assert done["state"] == "completed"
    assert all(server.reached(run, "paused")["owner"] is None for run in waiting)
