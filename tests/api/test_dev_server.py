"""`--dev`: no tokens, on this machine alone; and how a server starts and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.project import write_project
from tests.api.served import DONE, Served, is_problem, serving
from tests.program import ROOT, run


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("dev"), "--dev") as served:
        yield served


def test_without_a_token_it_is_the_developer(dev: Served) -> None:
    """With every role that a question may need; a token is still its own operator's."""
    body = {"workflow": "ledger", "input": {"account": "a1"}}
    with dev.client(None) as client:
        answer = client.post("/v1/runs", json=body, params=DONE)
    assert answer.json()["trigger"]["owner"] == "developer"
    run = dev.begin("500.00")
    with dev.client(None) as client:
        asked = dev.question(run)
        done = client.post(
            f"/v1/approvals/{asked['id']}/decide",
            json={"kind": "approve", "digest": asked["digest"]},
        )
    assert done.json()["status"] == "approved"


def test_a_wrong_token_is_refused_all_the_same(dev: Served) -> None:
    """It is not taken for none."""
    with dev.client("art_wrong") as client:
        is_problem(client.get("/v1/runs"), 401, "not_authenticated")


def test_a_page_of_another_origin_is_refused(dev: Served) -> None:
    """A browser on this machine would reach the server for whatever page is open in it."""
    with dev.client(None) as client:
        for origin in ("https://evil.example", "null"):
            answer = client.post("/v1/policies/check", headers={"origin": origin})
            is_problem(answer, 421, "misdirected")
        assert client.post("/v1/policies/check", headers={"origin": dev.url}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])  # noqa: S104 — it is refused
def test_dev_is_for_this_machine_only(tmp_path: Path, host: str) -> None:
    """Bound to any other address it does not start."""
    said = _serve(write_project(tmp_path), "--dev", "--host", host)
    assert (said.returncode, "loopback" in said.stderr) == (6, True)


def test_a_port_that_is_taken_is_said(dev: Served, tmp_path: Path) -> None:
    """One clear line, and what to do."""
    said = _serve(write_project(tmp_path), "--port", dev.url.rsplit(":", 1)[1])
    assert said.returncode == 6
    assert "cannot be had" in said.stderr
    assert "Traceback" not in said.stderr


def _serve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run("serve", "--app", str(folder), *words, env={"PYTHONPATH": str(ROOT)})
