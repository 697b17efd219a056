"""Schedules over HTTP: made by an administrator in their own name, paused, resumed, removed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.served import Served, is_problem

NIGHTLY = {
    "workflow": "ledger",
    "name": "nights",
    "cron": "0 3 * * *",
    "zone": "Europe/Berlin",
    "input": {"account": "a1"},
}


def test_a_schedule_is_made_paused_resumed_removed(server: Served) -> None:
    """Its owner is who made it; paused, it has no next time; removed, it is gone."""
    ada = server.as_("ada")
    answer = ada.post("/v1/schedules", json=NIGHTLY)
    assert (answer.status_code, answer.json()["owner"]) == (201, "ada")
    place = answer.headers["location"]
    assert len(ada.get(f"{place}/next", params={"count": 3}).json()["items"]) == 3
    assert ada.post(f"{place}/pause", json={"reason": "Audit."}).json()["reason"] == "Audit."
    assert ada.get(f"{place}/next").json()["items"] == []
    assert ada.post(f"{place}/resume").json()["next_at"] is not None
    assert answer.json()["id"] in [s["id"] for s in ada.get("/v1/schedules").json()["items"]]
    assert ada.delete(place).status_code == 200
    is_problem(ada.get(place), 404, "not_found")


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "cron nonsense": ({"cron": "every day"}, 422, "cron"),
    "a day that never comes": ({"cron": "0 0 30 2 *"}, 422, "cron"),
    "no time zone": ({"zone": "Berlin"}, 422, "zone"),
    "an unknown input": ({"input": {"nope": 1}}, 422, "nope"),
    "an owner": ({"owner": "lena"}, 422, "owner"),
    "an unknown workflow": ({"workflow": "nope"}, 404, "nope"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_schedule_is_refused(server: Served, name: str) -> None:
    """With the field at fault; nothing is stored."""
    changes, status, word = WRONG[name]
    before = server.as_("ada").get("/v1/schedules").json()
    answer = server.as_("ada").post("/v1/schedules", json={**NIGHTLY, **changes})
    is_problem(answer, status, "invalid_input" if status == 422 else "not_found", word)
    assert server.as_("ada").get("/v1/schedules").json() == before


def test_a_name_is_given_once(server: Served) -> None:
    """The second is a conflict."""
    once = {**NIGHTLY, "name": "once"}
    assert server.as_("ada").post("/v1/schedules", json=once).status_code == 201
    is_problem(server.as_("ada").post("/v1/schedules", json=once), 409, "conflict", "ledger:once")
