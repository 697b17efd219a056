"""The client: typed answers, errors as they were raised, and tries that can do no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from agent_runtime.approval import Answer
from agent_runtime.client import Client, wire
from agent_runtime.errors import (
    AgentRuntimeError,
    AlreadyDecided,
    InvalidInput,
    NotFound,
    NotPermitted,
    RateLimited,
    ServerUnavailable,
    SettingsError,
    StaleQuestion,
)
from agent_runtime.inbox import Filter
from tests.api.served import Served

START = {"customer": "mia_hart", "order_id": "order-8821", "received_on": "2026-04-02"}


def test_lists_are_read_page_by_page(lena: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pages are, each item comes once and in order."""
    whole = [event.number for event in lena.events()]
    monkeypatch.setattr("agent_runtime.client.client.PAGE", 2)
    assert [event.number for event in lena.events()] == whole
    runs = [run.id for run in lena.runs()]
    assert [run.id for run in lena.runs(newest_first=True)] == runs[::-1]
    asked = [approval.id for approval in lena.approvals(sort="amount")]
    assert len(set(asked)) == len(asked) == lena.counts().total


def test_an_error_is_the_one_that_was_raised(
    shop: Served, tokens: dict[str, str], lena: Client
) -> None:
    """Its class, its words and what it knows."""
    with pytest.raises(NotFound, match="no run 'run-nope'") as lost:
        lena.run("run-nope")
    assert (lost.value.kind, lost.value.name) == ("run", "run-nope")
    with Client(shop.url, tokens["desk"]) as desk, pytest.raises(NotPermitted) as refused:
        next(desk.runs())
    assert refused.value.rules == ("runtime:no-rule",)
    asked = next(lena.approvals(Filter(statuses=("open",))))
    with pytest.raises(StaleQuestion):
        lena.decide(asked.id, Answer(kind="approve", digest="sha256:" + "f" * 64))
    with pytest.raises(InvalidInput) as wrong:
        lena.decide(asked.id, Answer(kind="reject", digest=asked.digest))
    assert wrong.value.field == "reason"


def test_every_error_can_be_told_again() -> None:
    """Whatever class a server raised: the code finds it, and it prints."""
    for code, kind in wire._kinds().items():
        problem = {"code": code, "detail": "So.", "remedy": "Do.", "status": 400}
        error = wire.from_problem(problem)
        assert (type(error), str(error)) == (kind, "So. Do.")


def test_the_same_key_starts_one_run(shop: Served, tokens: dict[str, str]) -> None:
    """Also when it is sent from two places."""
    given = {**START, "message": "Refund, please."}
    with Client(shop.url, tokens["desk"]) as one, Client(shop.url, tokens["desk"]) as two:
        first = one.start("refund", given, key="mail-1", wait="paused")
        assert two.start("refund", given, key="mail-1").id == first.id


def test_following_tells_what_comes(lena: Client) -> None:
    """From a number on, first what was missed."""
    head = lena.head()
    asked = next(lena.approvals())
    lena.comment(asked.id, "First.")
    events = lena.follow(head, run=asked.run_id)
    assert next(events).type == "approval.commented"
    lena.comment(asked.id, "Second.")
    assert (next(events).body or {})["approval"] == asked.id


@contextmanager
def answering(*answers: tuple[int, dict[str, str], str]) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers one after the other (status 0: it hangs up); its URL,
    and what it was asked."""
    told: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, body = answers[len(told)]
            told.append(self.headers.get("idempotency-key"))
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}
BUSY = (503, PROBLEM, '{"code": "overloaded", "detail": "Later.", "status": 503}')
AT_WORK = (409, PROBLEM, '{"code": "key_at_work", "detail": "Wait.", "status": 409}')
LIMITED = (429, PROBLEM, '{"code": "rate_limited", "detail": "No.", "status": 429, %s}')
SAID = (201, JSON, '{"id": "c", "approval_id": "a", "author": "x", "text": "t", "at": "%s"}')
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAUSE", 0.01)


def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    """Cut off, shed, still at work: the fourth try gets the first one's answer."""
    said = (SAID[0], JSON, SAID[2] % NOW)
    with answering((0, {}, ""), BUSY, AT_WORK, said) as (url, keys), Client(url) as client:
        assert client.comment("a", "t").id == "c"
    assert len(keys) == 4
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "tries"),
    [
        (BUSY, ServerUnavailable, 4),
        (AT_WORK, AgentRuntimeError, 1),
        ((504, PROBLEM, '{"code": "timeout", "detail": "?", "status": 504}'), ServerUnavailable, 1),
        ((429, PROBLEM, LIMITED[2] % '"retry_after": 900'), RateLimited, 1),
        ((429, PROBLEM, LIMITED[2] % '"retry_after": 0.01'), RateLimited, 4),
        ((502, {}, "<html>"), ServerUnavailable, 1),
        ((200, JSON, "{"), ServerUnavailable, 1),
        ((200, JSON, '{"id": 5}'), ServerUnavailable, 1),
    ],
)
def test_trying_again_ends(answer: Any, kind: type[AgentRuntimeError], tries: int) -> None:
    """After four times, or at once where another try is of no use or not known to be harmless."""
    with answering(*[answer] * 4) as (url, keys), Client(url) as client, pytest.raises(kind):
        client.comment("a", "t")
    assert len(keys) == tries


@pytest.mark.parametrize("url", ["desk", "ftp://desk", "https://u:p@desk", "http://desk.example"])
def test_an_address_is_checked_first(url: str) -> None:
    """And nothing of it is told that could be a password."""
    with pytest.raises(SettingsError) as refused:
        Client(url, "art_secret")
    assert "secret" not in str(refused.value)
    assert "u:p" not in str(refused.value)


def test_somebody_was_faster(lena: Client) -> None:
    """The error names them."""
    asked = next(one for one in lena.approvals() if str(one.amount) == "489.00")
    lena.claim(asked.id)
    yes = Answer(kind="approve", digest=asked.digest)
    lena.decide(asked.id, yes, wait="done")
    with pytest.raises(AlreadyDecided) as late:
        lena.decide(asked.id, yes)
    assert (late.value.by, late.value.status) == ("lena", "approved")
    assert [one.state for one in lena.journal(asked.run_id)] == ["executed"]
