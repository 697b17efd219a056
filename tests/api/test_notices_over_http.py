"""Notices over HTTP: a subscription is made, told, and what could not be told is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_runtime.signature import read_secret, verify
from tests.api.served import Served, is_problem
from tests.notices.receiver import Receiver, receiving
from tests.patience import awaited
from tests.triggers.sender import SECRET

WANTED = {"channel": "webhook", "topics": ["pending", "decided", "finished"], "secret": "crm"}


@pytest.fixture
def subscribed(server: Served) -> Iterator[Any]:
    """Subscribes to something at a server that it gives away; all ends with the test."""
    ada = server.as_("ada")
    made: list[str] = []

    def subscribe(to: str, **fields: Any) -> dict[str, Any]:
        answer = ada.post("/v1/subscriptions", json={**WANTED, "to": to, **fields})
        assert answer.status_code == 201, answer.text
        made.append(answer.headers["location"])
        found: dict[str, Any] = answer.json()
        return found

    yield subscribe
    for place in made:
        ada.delete(place)


def told(receiver: Receiver, run: str, number: int) -> list[dict[str, Any]]:
    """What was told of a run, once it is so many."""

    def look() -> list[dict[str, Any]]:
        return [body for body in receiver.bodies if body["subject"] == run]

    return awaited(look, lambda found: len(found) == number)


def test_another_system_is_told_of_a_run(server: Served, subscribed: Any) -> None:
    """Signed, in order, by ids that lead to what they name."""
    with receiving() as receiver:
        subscribed(receiver.url)
        run = server.begin("500.00")
        asked = server.question(run)
        server.decide(asked, "lena")
        pending, decided, finished = told(receiver, run["id"], 3)
        for headers, body in receiver.got:
            verify([read_secret(SECRET, "crm")], headers, body, datetime.now(UTC))
    assert pending["data"]["digest"] == asked["digest"]
    assert decided["data"]["status"] == "approved"
    assert finished["data"]["status"] == "completed"
    assert pending["source"] == "/agent-runtime/default"


def test_a_private_address_is_given_up_at_once(server: Served, subscribed: Any) -> None:
    """And stays so when it is sent again; the history has both."""
    dead = server.given_up(_began(server, subscribed("https://192.168.0.1/hook")))
    assert dead["why"] == "its address may not be reached"
    again = server.as_("ada").post(f"/v1/notices/{dead['id']}/resend").json()
    assert (again["state"], again["tries"]) == ("due", 0)
    assert server.given_up({"id": dead["subscription"]})["id"] == dead["id"]
    kinds = [e.type for e in server.read()["events"] if (e.body or {}).get("notice") == dead["id"]]
    assert kinds == ["notice.dead", "notice.resent", "notice.dead"]


def _began(server: Served, subscription: dict[str, Any]) -> dict[str, Any]:
    server.begin("20.00", wait="done")
    return subscription


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no URL": ({"to": "crm"}, "https"),
    "an unknown topic": ({"topics": ["everything"]}, "topics"),
    "no topic": ({"topics": []}, "topics"),
    "another tenant's secret": ({"secret": "fuzz/crm"}, "secret"),
    "no secret": ({"secret": None}, "secret"),
    "content": ({"content": True}, "content"),
    "a tenant": ({"tenant": "other"}, "tenant"),
    "mail without a server": ({"channel": "mail", "to": "ada@example.com"}, "SMTP"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_subscription_is_refused(server: Served, name: str) -> None:
    """With the field at fault; nothing is stored."""
    changes, word = WRONG[name]
    ada = server.as_("ada")
    before = ada.get("/v1/subscriptions").json()
    body = {**WANTED, "to": "https://crm.example.com/", **changes}
    is_problem(ada.post("/v1/subscriptions", json=body), 422, "invalid_input", word)
    assert ada.get("/v1/subscriptions").json() == before
