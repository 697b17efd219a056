"""Events of other systems over HTTP: let in by their signature alone, and each starts one run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.served import Served, is_problem
from tests.triggers.sender import OTHER, Letter, binary, cloudevent, event


def post(server: Served, letter: Letter, *, to: str = "ledger", token: str | None = None) -> Any:
    """Send a message, signed now."""
    with server.client(token) as client:
        return client.post(
            f"/v1/triggers/{to}", content=letter.body, headers=letter.signed(datetime.now(UTC))
        )


def fresh(server: Served, amount: str = "20.00", **options: Any) -> Letter:
    """An event about a new account."""
    account = server.account(amount)
    return event(cloudevent(id=account, data={"account": account}), id=account, **options)


def count(server: Served) -> int:
    return len(server.read()["runs"])


def test_an_event_starts_its_run_once(server: Served) -> None:
    """202 and where it is; sent again, 200 and the same run."""
    letter = fresh(server)
    first, again = post(server, letter), post(server, letter)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["run"] == again.json()["run"]
    assert first.headers["location"] == again.headers["location"]
    done = server.reached({"id": first.json()["run"]}, "completed")
    assert done["trigger"]["owner"] == "mailroom"


def test_a_binary_event_starts_one_too(server: Served) -> None:
    """Its attributes are headers."""
    account = server.account("20.00")
    answer = post(server, binary({"account": account}, id=account, source=f"/{account}"))
    assert answer.status_code == 202


@pytest.mark.parametrize("name", ["lena", "ada", "desk"])
def test_a_token_does_not_count(server: Served, name: str) -> None:
    """Whoever it speaks for: the message is not signed by its sender."""
    before = count(server)
    refused = post(server, fresh(server, secret=OTHER), token=server.token(name))
    is_problem(refused, 401, "not_authenticated", "signature")
    assert count(server) == before


def test_unsigned_forged_stale_unknown(server: Served) -> None:
    """401, all told the same, and nothing has happened."""
    before, letter = count(server), fresh(server)
    headers = letter.signed(datetime.now(UTC))
    stale = letter.signed(datetime.now(UTC) - timedelta(minutes=6))
    unsigned = {"content-type": headers["content-type"]}
    with server.client(None) as client:
        told = [
            is_problem(
                client.post(f"/v1/triggers/{to}", content=content, headers=sent),
                401,
                "not_authenticated",
            )["detail"]
            for to, content, sent in (
                ("ledger", letter.body, unsigned),
                ("ledger", letter.body + b" ", headers),
                ("ledger", letter.body, stale),
                ("nope", letter.body, headers),
            )
        ]
    assert set(told) == {"The signature is not valid."}
    assert count(server) == before


def test_a_replay_under_another_name_is_a_conflict(server: Served) -> None:
    """409: the message's id came before, with another event."""
    account = server.account("20.00")
    letters = [binary({"account": account}, id=account, source=name) for name in ("/a", "/b")]
    post(server, letters[0])
    is_problem(post(server, letters[1]), 409, "conflict", "another content")


def test_an_event_of_no_use_names_the_field(server: Served) -> None:
    """422, with what the workflow takes."""
    wrong = event(cloudevent(id="no account", data={"account": 7}), id="no-account")
    is_problem(post(server, wrong), 422, "invalid_input", "account")


def test_a_whole_event_is_a_body_for_triggers_only(server: Served) -> None:
    """415 elsewhere, and for other forms here."""
    headers = {"content-type": "application/cloudevents+json"}
    answer = server.as_("desk").post("/v1/runs", content=b"{}", headers=headers)
    is_problem(answer, 415, "unsupported_media_type")
    batch = {"content-type": "application/cloudevents-batch+json"}
    with server.client(None) as client:
        answer = client.post("/v1/triggers/ledger", content=b"[]", headers=batch)
    is_problem(answer, 415, "unsupported_media_type")


def test_the_owner_of_a_trigger_decides_nothing_in_its_runs(server: Served) -> None:
    """They count as who started it, whatever roles they hold."""
    started = post(server, fresh(server, "500.00")).json()
    server.reached({"id": started["run"]}, "paused")
    asked = server.question({"id": started["run"]})
    body = {"kind": "approve", "digest": asked["digest"]}
    with server.client(server.token("mailroom", roles=("lead",))) as mailroom:
        answer = mailroom.post(f"/v1/approvals/{asked['id']}/decide", json=body)
    is_problem(answer, 403, "not_permitted", "access-decider-started-it")


def test_triggers_are_listed_without_their_secrets(server: Served) -> None:
    """With owner and mapping, for whoever may read."""
    (one,) = server.as_("lena").get("/v1/triggers").json()["items"]
    assert one == server.as_("lena").get("/v1/triggers/ledger").json()
    assert one == {
        "name": "ledger",
        "workflow": "ledger",
        "owner": "mailroom",
        "mapping": None,
        "id": None,
        "secret": "ledger",  # its name: what it says stands nowhere
        "declared": True,
    }
