"""Idempotency keys: the same request again is the same answer again."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from agent_runtime.store.database import connect
from tests.api.served import DONE, Served, is_problem


@pytest.fixture
def key() -> dict[str, str]:
    return {"idempotency-key": f"k-{uuid4()}"}


def start(server: Served, **changes: Any) -> dict[str, Any]:
    return {"workflow": "ledger", "input": {"account": server.account("20.00")}, **changes}


def test_the_same_key_gives_the_same_answer(server: Served, key: dict[str, str]) -> None:
    """Status, body and location, although the run has gone on meanwhile; and one run."""
    body, desk = start(server), server.as_("desk")
    first = desk.post("/v1/runs", json=body, headers=key)
    server.reached(first.json(), "completed")
    second = desk.post("/v1/runs", json=body, headers=key)
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers["location"] == first.headers["location"]


def test_the_same_key_with_another_body_is_refused(server: Served, key: dict[str, str]) -> None:
    """422; nothing is started."""
    desk = server.as_("desk")
    desk.post("/v1/runs", json=start(server), headers=key)
    before = len(server.read()["runs"])
    is_problem(desk.post("/v1/runs", json=start(server), headers=key), 422, "key_reused")
    assert len(server.read()["runs"]) == before


def test_a_key_is_its_senders_own(server: Served, key: dict[str, str]) -> None:
    """Another person's request under the same key is another request."""
    body = start(server)
    first, second = (
        server.as_(n).post("/v1/runs", json=body, headers=key) for n in ("desk", "both")
    )
    assert first.json()["id"] != second.json()["id"]


def test_at_the_same_moment_one_is_done(server: Served, key: dict[str, str]) -> None:
    """The others are told to wait, or get the first one's answer."""
    body, token = start(server), server.token("desk")

    def send(_: int) -> httpx.Response:
        with server.client(token) as client:
            return client.post("/v1/runs", json=body, headers=key, params=DONE)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(ids) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}


def test_a_decision_is_repeated_as_it_was(server: Served, key: dict[str, str]) -> None:
    """A client that lost the answer asks again, and is not told that somebody decided already."""
    asked = server.question(server.begin("500.00"))
    body, path = (
        {"kind": "approve", "digest": asked["digest"]},
        f"/v1/approvals/{asked['id']}/decide",
    )
    answers = [server.as_("lena").post(path, json=body, headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["etag"] for answer in answers} == {answers[0].headers["etag"]}


def test_a_decision_whose_answer_died_with_its_server_is_told(
    server: Served, key: dict[str, str]
) -> None:
    """Stored, and then the process was killed before it could say so: the key finds it again."""
    asked = server.question(server.begin("500.00"))
    body = {"kind": "approve", "digest": asked["digest"]}
    path, lena = f"/v1/approvals/{asked['id']}/decide", server.as_("lena")
    assert lena.post(path, json=body, headers=key).status_code == 200
    lose_answer(server, key["idempotency-key"])
    assert lena.post(path, json=body, headers=key).json()["status"] == "approved"
    is_problem(lena.post(path, json=body), 409, "already_decided")


def lose_answer(server: Served, key: str) -> None:
    """As if the process that took the key had died with it."""
    with closing(connect(server.data / "runtime.db")) as file:
        dead = f"{socket.gethostname()}:4000000"
        file.execute("UPDATE answers SET status = NULL, owner = ? WHERE key = ?", (dead, key))


def test_a_refusal_is_not_kept(server: Served, key: dict[str, str]) -> None:
    """Who is let in later gets an answer of their own under the key."""
    body = {"operator": "x"}
    is_problem(server.as_("lena").post("/v1/tokens", json=body, headers=key), 403, "not_permitted")
    assert server.as_("ada").post("/v1/tokens", json=body, headers=key).status_code == 201


def test_a_secret_is_not_kept(server: Served, key: dict[str, str]) -> None:
    """The token's answer is repeated without it."""
    ada, body = server.as_("ada"), {"operator": "tom"}
    first = ada.post("/v1/tokens", json=body, headers=key).json()
    second = ada.post("/v1/tokens", json=body, headers=key).json()
    assert first["secret"].startswith("art_")
    assert second == {**first, "secret": None}
    stored = b"".join(file.read_bytes() for file in server.data.glob("runtime.db*"))
    assert first["secret"].encode() not in stored


def test_a_key_that_cannot_be_one_is_refused(server: Served) -> None:
    """422 that names the header."""
    for wrong in ("", "a b", "x" * 129):
        answer = server.as_("desk").post(
            "/v1/runs", json=start(server), headers={"idempotency-key": wrong}
        )
        is_problem(answer, 422, "invalid_input", "idempotency-key")
