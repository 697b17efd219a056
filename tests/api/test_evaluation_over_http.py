"""The API and the command line tell what the sums say, and take what people say of runs."""

from __future__ import annotations

import json

import pytest

from tests.api.served import Served, is_problem
from tests.program import run as program


def test_metrics_tell_what_happened_a_moment_ago(server: Served) -> None:
    run = server.begin("500.00")
    server.decide(server.question(run), "lena", "approve")
    report = server.as_("lena").get("/v1/metrics?workflow=ledger").json()
    (ledger,) = report["workflows"]
    assert report["behind"] == 0
    assert ledger["answers"]["all"][0]["approve"]["count"] >= 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("until=2199-01-01", "until"),
        ("since=2199-01-01", "since"),
        ("since=yesterday", "since"),
        ("error_rate=0", "error_rate"),
        ("window=7", "window"),
        ("since=2026-01-02&until=2026-01-01", "since"),
        ("since=0001-01-01&until=0001-01-02", "since"),
    ],
)
def test_a_window_that_makes_no_sense_is_a_problem(server: Served, query: str, field: str) -> None:
    answer = server.as_("lena").get(f"/v1/metrics?{query}")
    assert answer.status_code in (400, 422)
    assert field in answer.text


def test_what_is_not_declared_cannot_be_told(server: Served) -> None:
    run = server.begin("500.00")
    body = {"run": run["id"], "outcome": "happy", "value": True}
    answer = server.as_("lena").post("/v1/outcomes", json=body)
    is_problem(answer, answer.status_code, "invalid_input", "is not declared")


def test_a_workflow_that_there_is_not_has_no_metrics(server: Served) -> None:
    answer = server.as_("lena").get("/v1/metrics?workflow=leger")
    assert "ledger" in is_problem(answer, 404, "not_found", "no workflow 'leger'")["remedy"]


@pytest.fixture(scope="module")
def paid(server: Served) -> str:
    """A run that has ended; its id."""
    run = server.begin("50.00")
    server.reached(run, "completed")
    return str(run["id"])


def test_the_ends_of_a_scale_are_numbers(server: Served, paid: str) -> None:
    """One is neither yes, nor zero no."""
    for value in (1, 1.0, 5):
        body = {"run": paid, "outcome": "satisfied", "value": value}
        answer = server.as_("lena").post("/v1/outcomes", json=body)
        assert (answer.status_code, answer.json()["value"]) == (201, value)


@pytest.mark.parametrize(
    ("outcome", "value"),
    [("satisfied", 6), ("satisfied", True), ("reversed", 1), ("reversed", "yes"), ("reversed", "")],
)
def test_an_outcome_out_of_range_is_a_problem_and_kept_nowhere(
    server: Served, paid: str, outcome: str, value: object
) -> None:
    lena = server.as_("lena")
    before = lena.get(f"/v1/runs/{paid}/outcomes").json()
    body = {"run": paid, "outcome": outcome, "value": value}
    is_problem(lena.post("/v1/outcomes", json=body), 422, "invalid_input", "value")
    assert lena.get(f"/v1/runs/{paid}/outcomes").json() == before


def test_a_label_out_of_range_is_a_problem_and_kept_nowhere(server: Served, paid: str) -> None:
    lena = server.as_("lena")
    body = {"run": paid, "label": "correct", "value": "perhaps"}
    told = is_problem(lena.post("/v1/labels", json=body), 422, "invalid_input", "no label here")
    assert told["remedy"] == "correct is one of: yes, no."
    assert lena.get(f"/v1/runs/{paid}/labels").json() == {"items": []}


def test_a_grader_that_errors_is_told_beside_one_that_does_not(server: Served, paid: str) -> None:
    answer = server.as_("lena").post(f"/v1/runs/{paid}/grades")
    assert answer.status_code == 201
    grades = {one["grader"]: (one["score"], one["error"]) for one in answer.json()["items"]}
    assert grades == {"broken": (None, "ZeroDivisionError"), "paid": (1.0, "")}
    (ledger,) = server.as_("lena").get("/v1/metrics?workflow=ledger").json()["workflows"]
    broken = next(one for one in ledger["grades"] if one["name"] == "broken")
    assert (broken["n"], broken["errors"], broken["mean"]) == (0, 1, None)
    assert broken["note"] == "not enough history"


def test_the_command_line_asks_a_server(server: Served) -> None:
    token = server.token("lena", roles=("lead",))
    env = {"AGENT_RUNTIME_TOKEN": token}
    done = program("evaluate", "--json", "--url", server.url, env=env)
    assert done.returncode == 0, done.stderr
    assert "workflows" in json.loads(done.stdout)


def test_a_day_in_the_future_is_refused_there_too(server: Served) -> None:
    token = server.token("lena", roles=("lead",))
    words = ("evaluate", "--until", "2199-01-01", "--url", server.url)
    done = program(*words, env={"AGENT_RUNTIME_TOKEN": token})
    assert done.returncode == 2
    assert "lies in the future" in done.stderr
