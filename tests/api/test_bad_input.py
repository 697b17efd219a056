"""Bad input: a clear problem, nothing changed, no trace of our insides."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.served import Served, hasten, is_problem
from tests.patience import PATIENCE
from tests.triggers.sender import OTHER, SECRET, cloudevent, event

JSON = {"content-type": "application/json"}


def body(**changes: Any) -> dict[str, Any]:
    return {"workflow": "ledger", "input": {"account": "a1"}, **changes}


MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 400, "malformed"),
    "no UTF-8": (b'{"workflow": "\xff"}', 400, "malformed"),
    "NaN": (b'{"workflow": NaN}', 400, "malformed"),
    "a name twice": (b'{"workflow": "a", "workflow": "b"}', 400, "malformed"),
    "a null byte": (b'{"workflow": "led\x00ger"}', 400, "malformed"),
    "an escaped null": (b'{"workflow": "led\\u0000ger", "input": {}}', 400, "malformed"),
    "a null in a name": (b'{"a\\u0000": 1}', 400, "malformed"),
    "deep": (b'{"input": ' + b"[" * 200 + b"]" * 200 + b"}", 400, "malformed"),
    "very deep": (b"[" * 200_000 + b"]" * 200_000, 400, "malformed"),
    "10 MB": (b'"' + b"x" * 10_000_000 + b'"', 413, "too_large"),
    "no object": (b"[]", 422, "invalid_input"),
    "nothing": (b"", 422, "invalid_input"),
    "half a surrogate": (
        b'{"workflow": "ledger", "input": {"account": "\\ud800"}}',
        422,
        "invalid_input",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_refused(server: Served, name: str) -> None:
    """Whatever is wrong with it; no run comes of it."""
    content, status, code = MALFORMED[name]
    before = len(server.read()["runs"])
    answer = server.as_("desk").post("/v1/runs", content=content, headers=JSON)
    is_problem(answer, status, code)
    assert len(server.read()["runs"]) == before


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": (body(tenant="other"), "tenant"),
    "an operator in the body": (body(operator="ada"), "operator"),
    "an unknown input": (body(input={"account": "a1", "nope": 1}), "nope"),
    "a field that is missing": ({"workflow": "ledger"}, "input"),
    "a key with a space first": (body(key=" k"), "key"),
    "a time without a zone": (body(at="2030-01-01T00:00:00"), "at"),
    "a time beyond all": (body(at="9999-12-31T23:59:59Z"), "at"),
    "a large number": (body(priority=10**9), "priority"),
    "a document without text": (body(documents=[{"source": "s"}]), "text"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_at_fault_is_named(server: Served, name: str) -> None:
    """422 with the field."""
    given, field = WRONG[name]
    answer = server.as_("desk").post("/v1/runs", json=given)
    found = is_problem(answer, 422, "invalid_input", field)
    assert any(field in each["field"] for each in found["errors"])


def test_another_content_type_is_refused(server: Served) -> None:
    """Forms among them, which browsers send across origins without asking."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = server.as_("desk").post(
            "/v1/runs", content=json.dumps(body()), headers={"content-type": kind}
        )
        is_problem(answer, 415, "unsupported_media_type")


def test_a_body_is_refused_before_it_is_read_whole(server: Served) -> None:
    """The limit holds where no length is announced, too."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(
            b"POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(32):
            line.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        # Its end is never sent.
        assert line.recv(64).startswith(b"HTTP/1.1 413")


def test_an_unknown_workflow_is_not_found(server: Served) -> None:
    """With the names of those that there are."""
    answer = server.as_("desk").post("/v1/runs", json=body(workflow="nope"))
    is_problem(answer, 404, "not_found", "ledger")


@pytest.mark.parametrize("path", ["/v1/nope", "/v1/runs/", "/docs", "/v1/runs/%2e%2e/tokens"])
def test_an_unknown_path_is_not_found(server: Served, path: str) -> None:
    """As a problem, like everything else."""
    is_problem(server.as_("ada").get(path), 404, "not_found")


def test_an_unknown_method_is_refused(server: Served) -> None:
    """405."""
    answer = server.as_("ada").put("/v1/runs")
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


def test_a_stale_digest_says_so(server: Served) -> None:
    """409; the question is as it was."""
    asked = server.question(server.begin("500.00"))
    digest = "sha256:" + "f" * 64
    is_problem(server.decide({**asked, "digest": digest}, "lena"), 409, "stale_question")
    assert server.as_("lena").get(f"/v1/approvals/{asked['id']}").json()["status"] == "open"


def test_an_edit_with_invalid_arguments_changes_nothing(server: Served) -> None:
    """422 that names the argument."""
    asked = server.question(server.begin("500.00"))
    answer = server.decide(asked, "lena", "edit", arguments={"amount": "much"})
    is_problem(answer, 422, "invalid_input", "amount")
    impossible = server.decide(asked, "lena", "edit", arguments={"amount": "9999.00"})
    is_problem(impossible, 422, "invalid_input", "9000")
    assert server.as_("lena").get(f"/v1/approvals/{asked['id']}").json()["status"] == "open"


def test_a_foreign_host_is_refused(server: Served) -> None:
    """A page whose name was pointed at this address gets nothing."""
    answer = server.as_("lena").get("/v1/runs", headers={"host": "evil.example"})
    is_problem(answer, 421, "misdirected")


def test_a_request_id_is_taken_only_if_harmless(server: Served) -> None:
    """It is written into logs."""
    lena = server.as_("lena")
    good = lena.get("/livez", headers={"x-request-id": "job-4711.abc"})
    assert good.headers["x-request-id"] == "job-4711.abc"
    for wrong in ("short", 'in"jected id', "x" * 65, "{}{}{}{}{}"):
        answer = lena.get("/livez", headers={"x-request-id": wrong})
        assert answer.headers["x-request-id"].startswith("req-")


def test_every_answer_is_guarded(server: Served) -> None:
    """Refusals and answers alike carry the headers that keep browsers from guessing."""
    for answer in (server.as_("lena").get("/v1/runs"), server.as_("lena").get("/nope")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def test_waiting_ends_in_time(server: Served) -> None:
    """A run that is not due yet: 202 once the time is over."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        given, query = body(at="2100-01-01T00:00:00Z"), {"wait": "done", "timeout": "0.2"}
        answer = server.as_("desk").post("/v1/runs", json=given, params=query)
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        took.append(time.monotonic() - began)
    assert min(took) < 5


def _foreign(server: Served) -> Any:
    asked = server.question(server.begin("500.00"))
    return server.as_("root", "other").get(f"/v1/approvals/{asked['id']}")


def _late(server: Served) -> Any:
    asked = server.question(server.begin("500.00"))
    hasten(server, [asked], -1.0)
    return server.decide(asked, "lena")


def _cron(server: Served) -> Any:
    body = {"workflow": "ledger", "name": "never", "cron": "61 * * * *"}
    return server.as_("ada").post("/v1/schedules", json=body)


def _signed(server: Served, secret: str) -> Any:
    """A message, and the same one a second time."""
    letter = event(cloudevent(id=f"{secret}-1", data={"account": "a1"}), id="x", secret=secret)
    with server.client(None) as client:
        for _ in range(2):
            headers = letter.signed(datetime.now(UTC))
            answer = client.post("/v1/triggers/ledger", content=letter.body, headers=headers)
    return answer


REFUSED: dict[str, tuple[Callable[[Served], Any], int, str]] = {
    "another tenant's id": (_foreign, 404, "not_found"),
    "a deadline in the past": (_late, 409, "already_decided"),
    "cron nonsense": (_cron, 422, "invalid_input"),
    "a forged signature": (lambda server: _signed(server, OTHER), 401, "not_authenticated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused(server: Served, name: str) -> None:
    """With its own status; nothing is paid for it."""
    send, status, code = REFUSED[name]
    before = server.paid()
    is_problem(send(server), status, code)
    assert server.paid() == before


def test_a_replayed_message_starts_nothing(server: Served) -> None:
    """200: it was taken before."""
    before = len(server.read()["runs"])
    assert _signed(server, SECRET).status_code == 200
    assert len(server.read()["runs"]) == before + 1


@pytest.mark.parametrize("part", [b"x" * 8_000, b"x: y\r\n" * 2_000])
def test_a_head_without_an_end_is_refused(server: Served, part: bytes) -> None:
    """Neither one endless header nor endless headers are kept."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nA: ")
        with suppress(ConnectionError):  # it may hang up before it has heard all of it
            for _ in range(5):
                line.sendall(part)
        assert line.recv(64).startswith(b"HTTP/1.1 400")
