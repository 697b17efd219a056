"""Limits: one caller's flood is that caller's, and a full server says so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.api.live import listening
from tests.api.served import Served, is_problem, serving
from tests.patience import awaited


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with little room: a burst of ten a token, three requests at once, two streams."""
    tightened = {
        "AGENT_RUNTIME_TOKEN_RATE": "60",
        "AGENT_RUNTIME_MAX_REQUESTS": "3",
        "AGENT_RUNTIME_MAX_STREAMS": "2",
        "AGENT_RUNTIME_REQUEST_TIMEOUT": "2",
    }
    with serving(tmp_path_factory.mktemp("tight"), "--no-worker", **tightened) as served:
        yield served


def test_a_flood_is_slowed_down(tight: Served) -> None:
    """429 with when to come back; another person's requests are not touched."""
    lena, luis = tight.as_("lena"), tight.as_("luis")
    answers = [lena.get("/v1/runs") for _ in range(10)]
    assert [answer.status_code for answer in answers] == [200] * 10
    # One more is let in for each second that the flood has taken.
    last = awaited(lambda: lena.get("/v1/runs"), lambda answer: answer.status_code != 200)
    is_problem(last, 429, "rate_limited")
    assert int(last.headers["retry-after"]) >= 1
    assert luis.get("/v1/runs").status_code == 200


def test_too_much_at_once_is_shed(tight: Served) -> None:
    """503 at once in place of a queue that only grows; probes are answered all the same."""

    def wait(token: str) -> int:
        body = {"workflow": "ledger", "input": {"account": "a1"}}
        with tight.client(token) as client:
            query = {"wait": "paused", "timeout": "1.5"}
            return client.post("/v1/runs", json=body, params=query).status_code

    def six_at_once() -> list[int]:
        with ThreadPoolExecutor(7) as pool:
            probe = pool.submit(lambda: tight.as_("ada").get("/livez").status_code)
            codes = sorted(pool.map(wait, [tight.token("desk")] * 6))
            assert probe.result() == 200
        return codes

    # On a machine that stalls, the first are done before the last have come.
    awaited(six_at_once, lambda codes: codes == [202, 202, 202, 503, 503, 503])


def test_a_request_that_takes_too_long_is_given_up(tight: Served) -> None:
    """504 that says what to look up."""
    body = {"workflow": "ledger", "input": {"account": "a1"}}
    query = {"wait": "done", "timeout": "20"}
    answer = tight.as_("desk").post("/v1/runs", json=body, params=query)
    is_problem(answer, 504, "timeout")


def test_streams_have_a_bound_of_their_own(tight: Served) -> None:
    """The one too many is shed; it gets in when another has gone."""
    finn = tight.as_("finn")
    with ExitStack() as two:
        for _ in range(2):
            two.enter_context(listening(finn))
        is_problem(finn.get("/v1/events/stream"), 503, "overloaded")

    def gets_in() -> bool:
        try:
            with listening(finn):
                return True
        except AssertionError:
            return False

    awaited(gets_in)
