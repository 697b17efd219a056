"""Looking back at a run over HTTP: its report, its replay, its forks, another one beside it."""

from __future__ import annotations

import pytest

from tests.api.served import Served, is_problem

FORK = {"at": "pay_out", "reason": "The customer asked again."}


@pytest.fixture
def paid(server: Served) -> str:
    """A run that a lead approved."""
    run = server.begin("500.00")
    server.decide(server.question(run), "lena")
    return str(server.reached(run, "completed")["id"])


def test_a_report_tells_the_whole_run(server: Served, paid: str) -> None:
    """What was shown, asked, decided and done; without content, none of it in words."""
    told = server.as_("lena").get(f"/v1/runs/{paid}/report").json()
    (visit,) = [one for one in told["visits"] if one["questions"]]
    assert visit["questions"][0]["answers"][0]["by"] == "lena"
    assert [act["state"] for act in visit["acts"]] == ["executed"]
    assert told["topology"]["steps"][0]["name"] == "pay_out"
    bare = server.as_("lena").get(f"/v1/runs/{paid}/report?content=false")
    assert visit["bundles"][0]["shown"][0]["text"] not in bare.text
    assert visit["questions"][0]["digest"] in bare.text


def test_a_report_is_a_page_that_runs_nothing(server: Served, paid: str) -> None:
    page = server.as_("lena").get(f"/v1/runs/{paid}/report?as=html")
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<svg" in page.text
    assert "<script" not in page.text
    text = server.as_("lena").get(f"/v1/runs/{paid}/report?as=text").text
    assert text.startswith(f"run {paid} is completed")


def test_a_run_is_replayed_without_effects(server: Served, paid: str) -> None:
    before = server.paid()
    found = server.as_("lena").post(f"/v1/runs/{paid}/replay").json()
    assert (found["result"], found["divergence"]) == ("identical", None)
    assert server.paid() == before


def test_a_fork_says_where_it_comes_from_and_asks_anew(server: Served, paid: str) -> None:
    made = server.as_("ona").post(f"/v1/runs/{paid}/fork", json=FORK)
    is_problem(made, 403, "not_permitted", "start")
    token = server.token("olga", roles=("on_call", "starter"))
    with server.client(token) as both:
        made = both.post(f"/v1/runs/{paid}/fork", json=FORK)
    assert (made.status_code, made.json()["origin"]["run"]) == (201, paid)
    forked = server.reached(made.json(), "paused")
    told = server.as_("lena").get(f"/v1/runs/{forked['id']}/report?as=text").text
    assert f"forked    from {paid}/pay_out" in told
    beside = server.as_("lena").get(f"/v1/runs/{paid}/compare/{forked['id']}").json()
    assert beside["one"] == paid
    assert {one["what"] for one in beside["differences"]} >= {"question", "act"}


def test_a_fork_at_a_step_that_is_not_there_is_not_found(server: Served, paid: str) -> None:
    token = server.token("olga", roles=("on_call", "starter"))
    with server.client(token) as both:
        answer = both.post(f"/v1/runs/{paid}/fork", json={**FORK, "at": "none"})
        is_problem(answer, 404, "not_found", "ledger has: pay_out")
        edited = {**FORK, "envelope": {"confidence": 2}}
        is_problem(both.post(f"/v1/runs/{paid}/fork", json=edited), 422, "invalid_input")
