"""Runs over HTTP: started, listed, looked into, ended."""

from __future__ import annotations

from tests.api.served import Served, is_problem


def test_a_run_goes_from_start_to_end(server: Served) -> None:
    """Started by a program, approved by a lead, done: each step is one request."""
    run = server.begin("500.00")
    assert run["state"] == "paused"
    decided = server.decide(server.question(run), "lena")
    assert decided.json()["status"] == "approved"
    assert server.reached(run, "completed")["trigger"]["owner"] == "desk"


def test_a_small_one_ends_at_once(server: Served) -> None:
    """`wait=done` answers with the end."""
    assert server.begin("20.00", wait="done")["state"] == "completed"


def test_without_waiting_it_is_accepted(server: Served) -> None:
    """202 and where to look."""
    body = {"workflow": "ledger", "input": {"account": server.account("20.00")}}
    answer = server.as_("desk").post("/v1/runs", json=body)
    assert answer.status_code == 202
    found = server.as_("desk").get(answer.headers["location"])
    assert found.json()["id"] == answer.json()["id"]


def test_the_same_trigger_key_is_one_run(server: Served) -> None:
    """Whoever sends it; with another input it is refused."""
    account = server.account("20.00")
    body = {"workflow": "ledger", "input": {"account": account}, "key": f"mail {account}"}
    first, second = (
        server.as_(n).post("/v1/runs", json=body).json()["id"] for n in ("desk", "both")
    )
    assert first == second
    other = {**body, "input": {"account": account, "message": "Other."}}
    is_problem(server.as_("desk").post("/v1/runs", json=other), 409, "conflict", "another input")


def test_pages_hold_every_run_once(server: Served) -> None:
    """However many are made meanwhile; the newest first, or the oldest."""
    made = [server.begin("20.00", by="both")["id"] for _ in range(5)]
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2, "started_by": "both", "sort": "created"}
    while True:
        page = server.as_("lena").get("/v1/runs", params=query).json()
        seen += [run["id"] for run in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
        server.begin("20.00", by="desk")
    assert len(seen) == len(set(seen))
    assert seen[-5:] == made
    newest = server.as_("lena").get("/v1/runs", params={"started_by": "both", "limit": 2}).json()
    assert [run["id"] for run in newest["items"]] == made[:2:-1]


def test_a_cursor_of_another_list_is_refused(server: Served) -> None:
    """Filters and order belong to it."""
    for _ in range(2):
        server.begin("20.00")
    page = server.as_("lena").get("/v1/runs", params={"limit": 1}).json()
    query = {"cursor": page["next"], "sort": "created"}
    is_problem(server.as_("lena").get("/v1/runs", params=query), 422, "invalid_input", "cursor")
    for wrong in ("x", "W10", "bnVsbA", "WyJhIiwgMV0"):
        answer = server.as_("lena").get("/v1/runs", params={"cursor": wrong})
        is_problem(answer, 422, "invalid_input", "cursor")


def test_a_run_tells_its_story(server: Served) -> None:
    """Timeline, envelopes and evidence of one run."""
    run = server.begin("500.00")
    lena = server.as_("lena")
    timeline = lena.get(f"/v1/runs/{run['id']}/timeline").json()["items"]
    assert [timeline[0]["type"], timeline[-1]["type"]] == ["run.queued", "run.paused"]
    nodes = [
        e["envelope"]["node"] for e in lena.get(f"/v1/runs/{run['id']}/envelopes").json()["items"]
    ]
    assert nodes == ["context", "reasoning", "gate"]
    (shown,) = lena.get(f"/v1/runs/{run['id']}/evidence").json()["items"]
    texts = [passage["text"] for passage in shown["passages"].values()]
    assert any("Closing amount: 500.00" in text for text in texts)


def test_cancelling_ends_it_and_withdraws_its_question(server: Served) -> None:
    """With the reason and the name."""
    run = server.begin("500.00")
    asked = server.question(run)
    answer = server.as_("carl").post(f"/v1/runs/{run['id']}/cancel", json={"reason": "Moot."})
    assert (answer.json()["state"], answer.json()["reason"]) == ("cancelled", "Moot.")
    is_problem(server.decide(asked, "lena"), 409, "already_decided", "withdrawn", "carl")


def test_a_list_holds_the_fields_that_were_asked_for(server: Served) -> None:
    """Of runs and of questions alike; a field that there is not is refused."""
    run = server.begin("500.00")
    lena = server.as_("lena")
    for path, query in (("/v1/runs", {}), ("/v1/approvals", {"run": run["id"]})):
        page = lena.get(path, params={**query, "fields": ["id", "tenant"], "limit": 1}).json()
        assert [sorted(item) for item in page["items"]] == [["id", "tenant"]]
        is_problem(lena.get(path, params={"fields": "nope"}), 422, "invalid_input", "There are: id")


def test_a_resumption_names_one_way_and_its_run_can_take_it(server: Served) -> None:
    """Two ways at once are no request; a run that asks people is resumed in none."""
    run = server.begin("500.00")
    path, ona = f"/v1/runs/{run['id']}/resume", server.as_("ona")
    both = ona.post(path, json={"reason": "Once more.", "retry": "pay_out", "skip": "pay_out"})
    is_problem(both, 422, "invalid_input", "one of retry, skip and input")
    for way in ({"retry": "pay_out"}, {"skip": "pay_out"}, {"input": {"account": "a2"}}):
        answer = ona.post(path, json={"reason": "Once more.", **way})
        is_problem(answer, 409, "conflict", "is paused")
