"""The API and the command line tell what the sums say, and take what people say of runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.served import Served, is_problem

BIN = Path(sys.executable).parent


def agent_runtime(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line as a program would use it."""
    return subprocess.run(
        [str(BIN / "agent-runtime"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


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


def test_the_command_line_asks_a_server(server: Served) -> None:
    token = server.token("lena", roles=("lead",))
    done = agent_runtime("evaluate", "--json", "--url", server.url, AGENT_RUNTIME_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert "workflows" in json.loads(done.stdout)


def test_a_day_in_the_future_is_refused_there_too(server: Served) -> None:
    token = server.token("lena", roles=("lead",))
    words = ("evaluate", "--until", "2199-01-01", "--url", server.url)
    done = agent_runtime(*words, AGENT_RUNTIME_TOKEN=token)
    assert done.returncode == 2
    assert "lies in the future" in done.stderr
